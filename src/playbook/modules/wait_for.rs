//! `wait_for`: a port or a file, until it is as it shall be.
//!
//! The host looks once a round trip; the waiting is done here, so a long wait needs no long step.

use super::common::{
    Step, arg,
    beside::receive,
    list,
    python::{Flags, compile},
    text, with_default,
};
use super::talk::{Host, Talk, Trouble};
use super::{Act, Arg, Args, Kind, Module, Outcome, Scope, Script};
use fancy_regex::Regex;
use serde_json::{Map, Value, json};
use std::time::Duration;
use tokio::time::Instant;

/// The module.
pub static WAIT_FOR: Module = Module {
    name: "wait_for",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "waits for a port or a file, or a while",
    args: &[
        arg("path", Kind::Path, "the file"),
        arg("port", Kind::Int, "the TCP port"),
        with_default("host", Kind::Str, "127.0.0.1", "where the port is, seen from the host"),
        Arg {
            choices: &["absent", "drained", "present", "started", "stopped"],
            ..with_default(
                "state",
                Kind::Str,
                "started",
                "`present` and `started` mean the same; `drained`: no connections",
            )
        },
        arg("search_regex", Kind::Str, "what the file holds, or what the port says"),
        with_default("timeout", Kind::Int, "300", "seconds to wait at most"),
        with_default("connect_timeout", Kind::Int, "5", "seconds that one connection may take"),
        with_default("delay", Kind::Int, "0", "seconds to wait before looking"),
        with_default("sleep", Kind::Int, "1", "seconds between looks"),
        Arg {
            choices: &["ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT"],
            ..with_default(
                "active_connection_states",
                Kind::List,
                "[ESTABLISHED, FIN_WAIT1, FIN_WAIT2, SYN_RECV, SYN_SENT, TIME_WAIT]",
                "connections that count for `drained`",
            )
        },
        arg("exclude_hosts", Kind::List, "for `drained`: addresses whose connections do not count"),
        arg("msg", Kind::Str, "what to say when the time is over"),
    ],
    free_form: None,
    act: Act::Shell { library: &[SH], script },
};

const SH: &str = r#"
# b_tcp HOST PORT SECONDS [READ]: whether the port answers; with READ what it says goes to stdout.
b_tcp() {
  if command -v bash >/dev/null && command -v timeout >/dev/null; then
    timeout "$3" bash -c 'exec 3<>"/dev/tcp/$0/$1" || exit 1; [ -z "$2" ] || head -c 1048576 <&3' "$1" "$2" "${4-}" 2>/dev/null
    b_rc=$?
    # What was said before the time was over counts.
    [ "$b_rc" = 0 ] || { [ -n "${4-}" ] && [ "$b_rc" = 124 ]; }
  elif command -v nc >/dev/null; then nc -w "$3" "$1" "$2" </dev/null 2>/dev/null
  elif command -v curl >/dev/null; then
    curl -s --connect-timeout "$3" -m "$3" "telnet://$1:$2" </dev/null 2>/dev/null
    case $? in 0 | 28 | 48 | 56) ;; *) return 1 ;; esac
  elif [ -z "${4-}" ]; then
    case $1 in 127.* | localhost | ::1 | 0.0.0.0) ;; *) fail "to look at a port of another machine the host needs bash with timeout, nc or curl" ;; esac
    b_hex=$(printf %04X "$2")
    cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk -v p=":$b_hex\$" '$4 == "0A" && $2 ~ p { found = 1 } END { exit !found }'
  else fail "to hear what a port says the host needs bash with timeout, nc or curl"; fi
}
# b_drained: how many connections of b_port on b_host are in b_states.
b_drained() {
  [ -r /proc/net/tcp ] || fail "the host has no /proc/net/tcp; \`state: drained\` cannot be seen there"
  b_hex=$(printf %04X "$b_port")
  cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk -v port="$b_hex" -v states="$b_states" -v mine="$b_local" -v without="$b_without" '
    { n = split($2, l, ":"); m = split($3, r, ":") }
    l[n] == port && index(states, " " $4 " ") {
      tail = substr(l[1], length(l[1]) - 7); far = substr(r[1], length(r[1]) - 7)
      if (mine != "" && tail != mine) next
      if (index(without, " " far " ")) next
      count++
    }
    END { print count + 0 }'
}
"#;

/// What the host is asked each time.
#[derive(Clone)]
enum Look {
    Nothing,
    Path,
    Port,
    Drained { states: String, local: String, without: String },
}

#[derive(Clone)]
struct Want {
    look: Look,
    gone: bool,
    regex: Option<Regex>,
    port: i64,
    timeout: Duration,
    delay: Duration,
    sleep: Duration,
}

fn seconds(args: &Args, name: &str) -> Result<Duration, String> {
    let seconds = args.int(name).unwrap_or_default();
    u64::try_from(seconds).map(Duration::from_secs).map_err(|_| format!("`{name}: {seconds}` is below 0"))
}

/// An IPv4 address as `/proc/net/tcp` writes it.
fn hex(address: &str) -> Result<String, String> {
    let address = if address == "localhost" { "127.0.0.1" } else { address };
    let address: std::net::Ipv4Addr =
        address.parse().map_err(|_| format!("`{address}` is no IPv4 address; `state: drained` takes no names"))?;
    let [a, b, c, d] = address.octets();
    Ok(format!("{d:02X}{c:02X}{b:02X}{a:02X}"))
}

fn want(args: &Args) -> Result<Want, String> {
    let (path, port) = (text(args, "path"), args.int("port"));
    let state = text(args, "state").unwrap_or("started");
    if path.is_some() && port.is_some_and(|port| port != 0) {
        return Err("port and path parameter can not both be passed to wait_for".to_owned());
    }
    if path.is_some() && state == "stopped" {
        return Err("state=stopped should only be used for checking a port in the wait_for module".to_owned());
    }
    if path.is_some() && state == "drained" {
        return Err("state=drained should only be used for checking a port in the wait_for module".to_owned());
    }
    if args.get("exclude_hosts").is_some() && state != "drained" {
        return Err("exclude_hosts should only be with state=drained".to_owned());
    }
    let regex =
        text(args, "search_regex").map(|re| compile(re, Flags { multiline: true, dotall: false })).transpose()?;
    let host = text(args, "host").unwrap_or("127.0.0.1");
    let port = port.filter(|port| *port != 0);
    if let Some(port) = port.filter(|port| !(1..=65_535).contains(port)) {
        return Err(format!("`port: {port}` is no TCP port"));
    }
    let look = match (path, port) {
        (Some(_), _) => Look::Path,
        (None, Some(_)) if state == "drained" => {
            let number = |state: &String| match state.as_str() {
                "ESTABLISHED" => "01",
                "SYN_SENT" => "02",
                "SYN_RECV" => "03",
                "FIN_WAIT1" => "04",
                "FIN_WAIT2" => "05",
                _ => "06",
            };
            let states = list(args, "active_connection_states").unwrap_or_default();
            let states = states.iter().map(number).collect::<Vec<_>>().join(" ");
            let local = if host == "0.0.0.0" { String::new() } else { hex(host)? };
            let without = list(args, "exclude_hosts").unwrap_or_default();
            let without = without.iter().map(|host| hex(host)).collect::<Result<Vec<_>, _>>()?.join(" ");
            Look::Drained { states: format!(" {states} "), local, without: format!(" {without} ") }
        }
        (None, Some(_)) => Look::Port,
        (None, None) if state == "drained" => return Err("state=drained needs `port`".to_owned()),
        (None, None) => Look::Nothing,
    };
    Ok(Want {
        look,
        gone: matches!(state, "absent" | "stopped" | "drained"),
        regex,
        port: port.unwrap_or_default(),
        timeout: seconds(args, "timeout")?,
        delay: seconds(args, "delay")?,
        sleep: seconds(args, "sleep")?,
    })
}

fn script(args: &Args, _: &Scope) -> Result<Script, String> {
    let want = want(args)?;
    Ok(Talk::new(move |args, host| talk(args, host, want.clone())).script())
}

/// One look: whether it is there, and what it says when that matters.
fn question(args: &Args, want: &Want) -> Result<String, String> {
    let mut step = Step::default();
    let host = text(args, "host").unwrap_or("127.0.0.1");
    step.set("b_host", host)?.set("b_port", &want.port.to_string())?;
    let time = args.int("connect_timeout").unwrap_or(5).max(1);
    match &want.look {
        Look::Nothing => {}
        Look::Path => {
            step.set_path("b_path", text(args, "path").unwrap_or_default())?;
            step.run("out path \"$b_path\"\nif [ -e \"$b_path\" ]; then outj there true; else outj there false; fi");
            if want.regex.is_some() && !want.gone {
                step.run(
                    "if [ -f \"$b_path\" ] && [ -r \"$b_path\" ]; then outj size \"$(($(wc -c <\"$b_path\")))\"; fi",
                );
            }
        }
        Look::Port if want.regex.is_some() && !want.gone => {
            step.run(&format!(
                "b_x=$(b_tcp \"$b_host\" \"$b_port\" {time} read | base64) || exit\nout said \"$b_x\"\noutj there true"
            ));
        }
        Look::Port => {
            step.run(&format!(
                "if b_tcp \"$b_host\" \"$b_port\" {time} >/dev/null; then outj there true; else outj there false; fi"
            ));
        }
        Look::Drained { states, local, without } => {
            step.set("b_states", states)?.set("b_local", local)?.set("b_without", without)?;
            step.run("b_x=$(b_drained) || exit\nif [ \"$b_x\" = 0 ]; then outj there false; else outj there true; fi");
        }
    }
    Ok(step.done().text)
}

async fn talk(args: Args, host: Host, want: Want) -> Result<Outcome, Trouble> {
    if host.scope.check {
        let result = json!({"skipped": true, "msg": "remote module (wait_for) does not support check mode"});
        return Ok(Outcome { result: result.as_object().cloned().unwrap_or_default(), ..Outcome::default() });
    }
    let began = Instant::now();
    tokio::time::sleep(want.delay).await;
    let mut result = Map::from_iter([
        ("path".to_owned(), text(&args, "path").into()),
        ("port".to_owned(), args.get("port").cloned().unwrap_or_default()),
        ("search_regex".to_owned(), text(&args, "search_regex").into()),
        ("state".to_owned(), text(&args, "state").into()),
        ("match_groups".to_owned(), json!([])),
        ("match_groupdict".to_owned(), json!({})),
    ]);
    let elapsed = |result: &mut Map<String, Value>| result.insert("elapsed".into(), began.elapsed().as_secs().into());
    if matches!(want.look, Look::Nothing) {
        tokio::time::sleep(want.timeout).await;
        elapsed(&mut result);
        return Ok(Outcome { result, ..Outcome::default() });
    }
    let question = question(&args, &want)?;
    loop {
        let said = host.must(&args, question.clone()).await?;
        let there = said.get("there") == Some(&Value::Bool(true));
        if there != want.gone && holds(&host, &want, &said, &mut result).await? {
            elapsed(&mut result);
            return Ok(Outcome { result, ..Outcome::default() });
        }
        if began.elapsed() >= want.timeout {
            elapsed(&mut result);
            let message = text(&args, "msg").map_or_else(|| complaint(&args, &want), str::to_owned);
            result.retain(|key, _| key == "elapsed");
            return Ok(Outcome { failed: Some(message), result, ..Outcome::default() });
        }
        tokio::time::sleep(want.sleep.max(Duration::from_millis(50))).await;
    }
}

/// Whether what was said matches, too.
async fn holds(
    host: &Host,
    want: &Want,
    said: &Map<String, Value>,
    result: &mut Map<String, Value>,
) -> Result<bool, Trouble> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let Some(regex) = want.regex.as_ref().filter(|_| !want.gone) else { return Ok(true) };
    let mut bytes = Vec::new();
    if let Some(text) = said.get("said").and_then(Value::as_str) {
        let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        bytes = STANDARD.decode(text).unwrap_or_default();
    } else if let Some(size) = said.get("size").and_then(Value::as_u64) {
        let path = said.get("path").and_then(Value::as_str).unwrap_or_default();
        receive(host, path, size, &mut bytes).await?;
    }
    let text = String::from_utf8_lossy(&bytes);
    let found = regex.captures(&*text).map_err(|why| format!("the regular expression takes too long: {why}"))?;
    let Some(captures) = found else { return Ok(false) };
    let group = |found: Option<fancy_regex::Match<'_>>| found.map_or(Value::Null, |m| Value::from(m.as_str()));
    let groups: Vec<Value> = (1..captures.len()).map(|at| group(captures.get(at))).collect();
    let named: Map<String, Value> =
        regex.capture_names().flatten().map(|name| (name.to_owned(), group(captures.name(name)))).collect();
    result.insert("match_groups".into(), groups.into());
    result.insert("match_groupdict".into(), named.into());
    Ok(true)
}

/// What to say when the time is over.
fn complaint(args: &Args, want: &Want) -> String {
    let place = match text(args, "path") {
        Some(path) => path.to_owned(),
        None => format!("{}:{}", text(args, "host").unwrap_or("127.0.0.1"), want.port),
    };
    match (&want.look, want.gone, text(args, "search_regex")) {
        (Look::Drained { .. }, ..) => format!("Timeout when waiting for {place} to drain"),
        (Look::Path, true, _) => format!("Timeout when waiting for {place} to be absent."),
        (_, true, _) => format!("Timeout when waiting for {place} to stop."),
        (_, false, Some(regex)) => format!("Timeout when waiting for search string {regex} in {place}"),
        (Look::Path, false, None) => format!("Timeout when waiting for file {place}"),
        (_, false, None) => format!("Timeout when waiting for {place}"),
    }
}

#[cfg(test)]
mod tests {
    use super::WAIT_FOR;
    use crate::playbook::modules::common::trial::{Trial, args};
    use std::{io::Write, net::TcpListener};

    #[test]
    fn files_are_waited_for() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            trial.write("f", "first\nport 8080 ready\n", 0o644);
            assert!(trial.run(shell, &WAIT_FOR, &args(&WAIT_FOR, "{path: f}")).failed.is_none());
            let found = trial.run(
                shell,
                &WAIT_FOR,
                &args(&WAIT_FOR, "{path: f, search_regex: '^port (?P<number>\\d+) (\\w+)$', timeout: 1}"),
            );
            assert_eq!(found.result["match_groupdict"]["number"], "8080", "{found:?}");
            assert_eq!(found.result["match_groups"][1], "ready");
            let late = trial.run(shell, &WAIT_FOR, &args(&WAIT_FOR, "{path: nix, timeout: 0}"));
            assert_eq!(late.failed.unwrap(), "Timeout when waiting for file nix");
            let late = trial.run(shell, &WAIT_FOR, &args(&WAIT_FOR, "{path: f, state: absent, timeout: 0, msg: mine}"));
            assert_eq!(late.failed.unwrap(), "mine");
            assert!(trial.run(shell, &WAIT_FOR, &args(&WAIT_FOR, "{path: nix, state: absent}")).failed.is_none());
            let both = trial.run(shell, &WAIT_FOR, &args(&WAIT_FOR, "{path: nix, port: 80}"));
            assert!(both.failed.unwrap().contains("can not both"));
            let look = trial.check(shell, &WAIT_FOR, &args(&WAIT_FOR, "{path: nix, timeout: 9}"));
            assert_eq!(look.result["skipped"], true);
        }
    }

    #[test]
    fn ports_are_waited_for_with_whatever_the_host_has() {
        let trial = Trial::new();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut stream = stream;
                let _ = stream.write_all(b"220 welcome\r\n");
            }
        });
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        for shell in Trial::SHELLS {
            let run = |yaml: &str| trial.run(shell, &WAIT_FOR, &args(&WAIT_FOR, yaml));
            assert!(run(&format!("{{port: {port}, timeout: 5}}")).failed.is_none(), "{shell:?}");
            let said = run(&format!("{{port: {port}, timeout: 5, connect_timeout: 1, search_regex: '220 (\\w+)'}}"));
            assert_eq!(said.result["match_groups"][0], "welcome", "{shell:?} {said:?}");
            assert!(run(&format!("{{port: {free}, state: stopped, timeout: 5}}")).failed.is_none());
            let late = run(&format!("{{port: {free}, timeout: 0}}"));
            assert_eq!(late.failed.unwrap(), format!("Timeout when waiting for 127.0.0.1:{free}"));
            assert!(run(&format!("{{port: {free}, state: drained, timeout: 0}}")).failed.is_none());
            assert!(run("{port: 99999}").failed.unwrap().contains("no TCP port"));
        }
    }
}
