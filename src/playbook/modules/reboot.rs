//! `reboot` and `wait_for_connection`: hosts that go away and return.

use super::common::{arg, list, quote, text, with_default};
use super::talk::{Host, Talk, Trouble};
use super::{Act, Arg, Args, Kind, Module, Outcome, Scope, Script};
use crate::remote::Error;
use serde_json::{Map, Value, json};
use std::time::Duration;
use tokio::time::Instant;

/// Waits for a host that may be away.
pub static WAIT_FOR_CONNECTION: Module = Module {
    name: "wait_for_connection",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "waits until the host answers",
    args: &[
        with_default("connect_timeout", Kind::Int, "5", "accepted: `--connect-timeout` bounds each try"),
        with_default("delay", Kind::Int, "0", "seconds to wait before the first try"),
        with_default("sleep", Kind::Int, "1", "seconds between tries"),
        with_default("timeout", Kind::Int, "600", "seconds to wait at most"),
    ],
    free_form: None,
    act: Act::Shell { library: &[], script: waiting },
};

/// Starts a host anew.
pub static REBOOT: Module = Module {
    name: "reboot",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "starts the host anew and waits until it answers",
    args: &[
        Arg {
            aliases: &["pre_reboot_delay_sec"],
            ..with_default("pre_reboot_delay", Kind::Int, "0", "seconds before it goes; whole minutes count")
        },
        Arg {
            aliases: &["post_reboot_delay_sec"],
            ..with_default("post_reboot_delay", Kind::Int, "0", "seconds to wait before the first try")
        },
        Arg {
            aliases: &["reboot_timeout_sec"],
            ..with_default(
                "reboot_timeout",
                Kind::Int,
                "600",
                "seconds to wait at most, for the start and for the test",
            )
        },
        Arg {
            aliases: &["connect_timeout_sec"],
            ..arg("connect_timeout", Kind::Int, "accepted: `--connect-timeout` bounds each try")
        },
        with_default("test_command", Kind::Str, "whoami", "what must succeed when it is back"),
        with_default("msg", Kind::Str, "Reboot initiated by Ansible", "what its users are told"),
        with_default(
            "search_paths",
            Kind::List,
            "[/sbin, /bin, /usr/sbin, /usr/bin, /usr/local/sbin]",
            "where `shutdown` is looked for",
        ),
        with_default(
            "boot_time_command",
            Kind::Str,
            "cat /proc/sys/kernel/random/boot_id",
            "what says something else after a start",
        ),
        arg("reboot_command", Kind::Str, "what starts it anew, in place of `shutdown`"),
    ],
    free_form: None,
    act: Act::Shell { library: &[], script: rebooting },
};

#[allow(clippy::unnecessary_wraps, reason = "modules may refuse their arguments here")]
fn waiting(_: &Args, _: &Scope) -> Result<Script, String> {
    Ok(Talk::new(wait).patient().script())
}

#[allow(clippy::unnecessary_wraps, reason = "modules may refuse their arguments here")]
fn rebooting(_: &Args, _: &Scope) -> Result<Script, String> {
    Ok(Talk::new(reboot).script())
}

fn seconds(args: &Args, name: &str) -> Duration {
    Duration::from_secs(args.int(name).and_then(|n| u64::try_from(n).ok()).unwrap_or_default())
}

/// Tries until the host says `wanted`; what stood in the way last, when the time is over.
async fn until<F>(
    args: &Args,
    host: &Host,
    command: &str,
    limit: Duration,
    sleep: Duration,
    wanted: F,
) -> Result<(), String>
where
    F: Fn(&str) -> bool,
{
    let end = Instant::now() + limit;
    let text = format!("capture /bin/sh -c {}", quote(command)?);
    loop {
        let why = match host.run(args, Script { text: text.clone(), ..Script::default() }).await {
            Ok(said) => {
                let get = |key: &str| said.get(key).and_then(Value::as_str).unwrap_or_default().trim();
                if said.get("rc") == Some(&json!(0)) && wanted(get("stdout")) {
                    return Ok(());
                }
                format!("`{command}` says `{}{}`", get("stdout"), get("stderr"))
            }
            Err(why @ (Error::HostKeyChanged { .. } | Error::NoClient(_))) => return Err(why.to_string()),
            Err(why) => {
                // The try after this one needs a connection of its own.
                match (host.reconnect)().await {
                    Ok(()) if Instant::now() < end => continue,
                    Ok(()) => why.to_string(),
                    Err(why) => why.to_string(),
                }
            }
        };
        if Instant::now() >= end {
            return Err(why);
        }
        tokio::time::sleep(sleep).await;
    }
}

async fn wait(args: Args, host: Host) -> Result<Outcome, Trouble> {
    let began = Instant::now();
    tokio::time::sleep(seconds(&args, "delay")).await;
    let tried = if host.scope.check {
        Ok(())
    } else {
        let sleep = seconds(&args, "sleep").max(Duration::from_millis(100));
        until(&args, &host, "true", seconds(&args, "timeout"), sleep, |_| true).await
    };
    let result = Map::from_iter([("elapsed".to_owned(), began.elapsed().as_secs().into())]);
    let failed = tried.err().map(|why| format!("timed out waiting for ping module test: {why}"));
    Ok(Outcome { failed, result, ..Outcome::default() })
}

async fn reboot(args: Args, host: Host) -> Result<Outcome, Trouble> {
    if host.local {
        return Err("running `reboot` with a local connection would start the controller anew".to_owned().into());
    }
    let done = |rebooted: bool, elapsed: u64| {
        Map::from_iter([("rebooted".to_owned(), rebooted.into()), ("elapsed".to_owned(), elapsed.into())])
    };
    if host.scope.check {
        return Ok(Outcome { changed: true, result: done(true, 0), ..Outcome::default() });
    }
    let began = Instant::now();
    let boot_time = text(&args, "boot_time_command").unwrap_or_default();
    let before = run(&args, &host, boot_time).await?;
    let Ok(before) = before else {
        return Err(format!("failed to get host boot time info: `{boot_time}` failed").into());
    };
    let command = if let Some(command) = text(&args, "reboot_command").filter(|command| !command.is_empty()) {
        command.to_owned()
    } else {
        let paths = list(&args, "search_paths").unwrap_or_default().join(":");
        let minutes = args.int("pre_reboot_delay").unwrap_or_default().max(0) / 60;
        let message = quote(text(&args, "msg").unwrap_or_default())?;
        format!(
            "PATH={}; if command -v shutdown >/dev/null; then shutdown -r {minutes} {message}; elif command -v reboot >/dev/null; then {{ sleep {}; reboot; }} >/dev/null 2>&1 & else echo 'neither shutdown nor reboot is there' >&2; exit 1; fi",
            quote(&paths)?,
            minutes * 60 + 1,
        )
    };
    match run(&args, &host, &command).await {
        Ok(Ok(_)) | Err(Trouble::Lost(_)) => {}
        Ok(Err(why)) => {
            let mut outcome = Outcome::failure(format!("Reboot command failed. Error was: '{why}'"));
            outcome.result = done(false, began.elapsed().as_secs());
            return Ok(outcome);
        }
        Err(trouble) => return Err(trouble),
    }
    tokio::time::sleep(seconds(&args, "post_reboot_delay")).await;
    let limit = seconds(&args, "reboot_timeout");
    let sleep = Duration::from_secs(1);
    let mut tried = until(&args, &host, boot_time, limit, sleep, |now| !now.is_empty() && now != before)
        .await
        .map_err(|why| format!("Timed out waiting for last boot time check (timeout={}): {why}", limit.as_secs()));
    if tried.is_ok() {
        let test = text(&args, "test_command").unwrap_or("whoami");
        tried = until(&args, &host, test, limit, sleep, |_| true).await.map_err(|why| {
            format!("Timed out waiting for post-reboot test command (timeout={}): {why}", limit.as_secs())
        });
    }
    let elapsed = began.elapsed().as_secs();
    Ok(Outcome { failed: tried.err(), changed: true, result: done(true, elapsed), ..Outcome::default() })
}

/// What a command says, or why it failed.
async fn run(args: &Args, host: &Host, command: &str) -> Result<Result<String, String>, Trouble> {
    let text = format!("capture /bin/sh -c {}", quote(command)?);
    let said = host.run(args, Script { text, ..Script::default() }).await?;
    let get = |key: &str| said.get(key).and_then(Value::as_str).unwrap_or_default().trim().to_owned();
    Ok(if said.get("rc") == Some(&json!(0)) {
        Ok(get("stdout"))
    } else {
        Err(format!("{}{}", get("stdout"), get("stderr")))
    })
}

#[cfg(test)]
mod tests {
    use super::{REBOOT, WAIT_FOR_CONNECTION};
    use crate::playbook::modules::common::trial::{Trial, args};

    #[test]
    fn a_host_is_back_when_its_boot_is_another() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            trial.write("boot", "one\n", 0o644);
            let task = args(
                &REBOOT,
                "{boot_time_command: cat boot, reboot_command: echo two > boot, test_command: grep -q two boot}",
            );
            assert!(trial.check(shell, &REBOOT, &task).changed);
            assert_eq!(trial.read("boot"), "one\n");
            let said = trial.run(shell, &REBOOT, &task);
            assert!(said.changed && said.failed.is_none(), "{said:?}");
            assert_eq!(said.result["rebooted"], true);
            let stuck = args(&REBOOT, "{boot_time_command: cat boot, reboot_command: 'true', reboot_timeout: 0}");
            assert!(trial.run(shell, &REBOOT, &stuck).failed.unwrap().contains("boot time check"));
            let refused = args(&REBOOT, "{boot_time_command: cat boot, reboot_command: echo no; exit 3}");
            assert!(trial.run(shell, &REBOOT, &refused).failed.unwrap().contains("Error was: 'no'"));
            let here = trial.run(shell, &WAIT_FOR_CONNECTION, &args(&WAIT_FOR_CONNECTION, "{timeout: 1}"));
            assert!(here.failed.is_none() && !here.changed);
        }
    }
}
