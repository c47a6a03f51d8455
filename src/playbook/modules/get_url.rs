//! `get_url`: a file from the web, fetched by the host.

use super::common::{
    ATTRS, BACKUP_ARGS, FILE_ARGS, Step, WRITE, arg, args, flag,
    put::PUT,
    required, text,
    web::{Request, WEB, WEB_ARGS, WORK, masked, request},
    with_default,
};
use super::{Act, Arg, Args, Kind, Module, Scope, Script};
use serde_json::{Map, Value};

/// The module.
pub static GET_URL: Module = Module {
    name: "get_url",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "fetches a file from the web onto the host",
    args: args![
        required("url", Kind::Str, "http, https, ftp or file address"),
        required("dest", Kind::Path, "the file, or the folder it goes into"),
        with_default("force", Kind::Bool, "false", "fetch each time; false: only when the server has a newer one"),
        with_default("checksum", Kind::Str, "''", "`sha256:…`, or `sha256:` and the address of a list of checksums"),
        with_default("timeout", Kind::Int, "10", "seconds without an answer"),
        arg("tmp_dest", Kind::Path, "accepted: the file grows beside `dest`, out of sight"),
        Arg { aliases: &["username"], ..arg("url_username", Kind::Str, "user, for basic authentication") },
        Arg { aliases: &["password"], ..arg("url_password", Kind::Str, "password, for basic authentication") };
        WEB_ARGS, FILE_ARGS, BACKUP_ARGS
    ],
    free_form: None,
    act: Act::Shell { library: &[ATTRS, WRITE, PUT, WEB, SH], script },
};

const SH: &str = r#"
# b_url_name: the name that the answer has.
b_url_name() {
  b_name=$(sed -n 's/^[Cc]ontent-[Dd]isposition:.*filename="\{0,1\}\([^";]*\)"\{0,1\}.*/\1/p' "$b_work/head" | tail -n 1)
  b_name=${b_name##*/}
  [ -z "$b_name" ] || return 0
  b_name=${b_final%%[?#]*}
  b_name=${b_name#*://}
  case $b_name in */*) b_name=${b_name##*/} ;; *) b_name= ;; esac
  [ -n "$b_name" ] || b_name=index.html
}
b_url_reason() {
  read -r b_x b_y b_rest <"$b_work/head" || :
  b_x="HTTP Error $b_status: ${b_rest:-${b_why:-no answer}}"
}
b_url_failed() {
  outj status_code "$b_status"
  if [ "$b_status" = -1 ]; then fail "$b_why"; fi
  b_url_reason
  out response "$b_x"
  fail "Request failed: $b_x"
}
# b_url_sum FILE: its checksum in the wanted way, into b_x.
b_url_sum() {
  command -v "${b_algo}sum" >/dev/null || fail "the host has no \`${b_algo}sum\`"
  b_x=$("${b_algo}sum" <"$1") || fail "cannot read \`$1\`"
  b_x=${b_x%% *}
}
# b_url_listed NAME: the checksum that the list in the answer gives NAME, into b_want.
b_url_listed() {
  [ "$b_status" = 200 ] || b_url_failed
  b_want=$(tr -d '\r' <"$b_work/page" | awk -v name="$1" '
    { line[NR] = $0 }
    END {
      if (NR == 1 && split(line[1], w, /[ \t]+/) == 1) { print line[1]; exit }
      for (i = 1; i <= NR; i++) {
        s = line[i]
        if (match(s, /^[A-Za-z0-9_]+ ?\(.+\) ?= /)) {
          sum = substr(s, RLENGTH + 1); path = substr(s, 1, RLENGTH); sub(/^[A-Za-z0-9_]+ ?\(/, "", path); sub(/\) ?= $/, "", path)
        } else if (match(s, /^[A-Za-z0-9_.]+[ \t]+/)) {
          sum = substr(s, 1, RLENGTH); sub(/[ \t]+$/, "", sum); path = substr(s, RLENGTH + 1); sub(/^\*/, "", path); sub(/^[.\/]+/, "", path)
        } else continue
        if (path == name) { print sum; exit }
      }
    }')
  [ -n "$b_want" ] || fail "Unable to find a checksum for file '$1' in '$b_url'"
  b_want=$(printf %s "$b_want" | tr -cd 'A-Za-z0-9_' | tr A-Z a-z)
}
# b_url_there: what is to be known of the file that is there already; true when that is all.
b_url_there() {
  [ -e "$b_dest" ] && [ ! -d "$b_dest" ] || return 1
  if [ -z "$b_again" ] && [ -n "$b_want" ]; then
    b_url_sum "$b_dest"
    if [ "$b_x" = "$b_want" ]; then
      b_look_through "$b_dest"
      if b_attrs "$b_dest"; then out msg 'file already exists but file attributes changed'; else out msg 'file already exists'; fi
      [ -n "$CHECK" ] || b_look_through "$b_dest"
      b_report "$b_dest"
      return 0
    fi
    b_again=1
  fi
  if [ -z "$b_again" ]; then
    b_x=$(LC_ALL=C date -u -r "$b_dest" '+%a, %d %b %Y %H:%M:%S GMT') && printf 'If-Modified-Since: %s\n' "$b_x" >>"$b_work/headers"
  else printf 'Cache-Control: no-cache\n' >>"$b_work/headers"; fi
  return 1
}
b_url_go() {
  outj elapsed 0
  b_into=
  [ ! -d "$b_dest" ] || b_into=${b_dest%/}/
  out dest "$b_dest"
  if [ -z "$b_into" ] && b_url_there; then return 0; fi
  b_method=GET
  case $CHECK:$b_url in 1:http*) b_method=HEAD ;; esac
  b_web
  outj elapsed "$(($(date +%s) - b_began))"
  if [ "$b_status" = 304 ]; then outj status_code 304; out msg 'HTTP Error 304: Not Modified'; return 0; fi
  [ "$b_status" = 200 ] || b_url_failed
  outj status_code 200
  if [ -n "$b_into" ]; then b_url_name; b_dest=$b_into$b_name; out dest "$b_dest"; fi
  case $b_dest in */*) b_dir=${b_dest%/*}/ ;; *) b_dir=./ ;; esac
  [ -d "$b_dir" ] || fail "Destination ${b_dir%/} does not exist"
  if [ "$b_method" = HEAD ]; then changed; return 0; fi
  if [ -n "$b_want" ]; then
    b_url_sum "$b_work/page"
    [ "$b_x" = "$b_want" ] || fail "The checksum for $b_work/page did not match $b_want; it was $b_x."
  fi
  b_x=$(sha1sum <"$b_work/page") && out checksum_src "${b_x%% *}"
  if [ -f "$b_dest" ]; then b_y=$(sha1sum <"$b_dest") && out checksum_dest "${b_y%% *}"; fi
  b_x=$(md5sum <"$b_work/page") && out md5sum "${b_x%% *}"
  out src "$b_work/page"
  b_len=$(($(wc -c <"$b_work/page")))
  out msg "OK ($b_len bytes)"
  b_from=$b_work/page b_sum= b_inline= b_name= b_force=1
  b_put
}
"#;

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    let url = text(args, "url").unwrap_or_default();
    let mut step = Step::new(scope);
    step.attributes(args)?.run(WORK);
    step.set_flag("b_again", flag(args, "force"))
        .set_flag("b_backup", flag(args, "backup"))
        .set_flag("b_inplace", flag(args, "unsafe_writes"))
        .set_flag("b_check", false)
        .set_flag("b_follow", true);
    step.set("b_want", "")?.set("b_algo", "")?;
    let timeout = args.int("timeout").unwrap_or(10);
    let asked = |url| Request { url, method: "GET", timeout, follow: "all", more: Vec::new() };
    step.run("b_url_all() {");
    if let Some(checksum) = text(args, "checksum").filter(|sum| !sum.is_empty()) {
        let Some((algorithm, sum)) = checksum.split_once(':') else {
            return Err("The checksum parameter has to be in format <algorithm>:<checksum>".to_owned());
        };
        let algorithm = algorithm.trim().to_lowercase();
        if !matches!(algorithm.as_str(), "md5" | "sha1" | "sha224" | "sha256" | "sha384" | "sha512") {
            return Err(format!("`{algorithm}` is no checksum that hosts know; use sha256"));
        }
        step.set("b_algo", &algorithm)?;
        if sum.contains("://") {
            request(&mut step, args, &asked(sum))?;
            let name = url.split(['?', '#']).next().unwrap_or_default();
            let name = name.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("index.html");
            step.run("b_web").set("b_listed", name)?.run("b_url_listed \"$b_listed\"");
        } else {
            let sum: String = sum.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
            if sum.is_empty() || !sum.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err("The checksum format is invalid".to_owned());
            }
            step.set("b_want", &sum)?;
        }
    }
    step.set_path("b_dest", text(args, "dest").unwrap_or_default())?;
    request(&mut step, args, &asked(url))?;
    step.run("b_url_go\n}\n( b_url_all )\nb_rc=$?\nrm -rf -- \"$b_work\"\nexit \"$b_rc\"");
    Ok(step.finish(finish).done())
}

fn finish(args: &Args, result: &mut Map<String, Value>) {
    result.insert("url".into(), masked(text(args, "url").unwrap_or_default()).into());
}

#[cfg(test)]
mod tests {
    use super::GET_URL;
    use crate::playbook::modules::common::{
        trial::{Shell, Trial, args},
        web::tests::server,
    };

    #[test]
    fn a_file_is_fetched_once_and_its_checksum_must_hold() {
        let trial = Trial::new();
        let (base, seen) = server();
        for shell in Trial::SHELLS {
            trial.wipe();
            let run = |yaml: &str| trial.run(shell, &GET_URL, &args(&GET_URL, &format!("{{{yaml}}}")));
            let task = format!("url: {base}/text, dest: f, mode: '0600'");
            let look = trial.check(shell, &GET_URL, &args(&GET_URL, &format!("{{{task}}}")));
            assert!(look.changed && !trial.path("f").exists(), "{look:?}");
            let first = run(&task);
            assert!(first.changed && first.failed.is_none(), "{shell:?} {first:?}");
            assert_eq!((trial.read("f").as_str(), trial.mode("f")), ("plain $(x) text\n", 0o600));
            assert_eq!((&first.result["status_code"], first.text("checksum_src").len()), (&200.into(), 40));
            let again = run(&task);
            assert!(!again.changed && again.failed.is_none(), "{again:?}");
            assert!(!run(&format!("{task}, force: true")).changed);
            assert!(run(&format!("url: {base}/moved, dest: .")).changed);
            let name = if shell == Shell::Busybox { "moved" } else { "text" };
            assert!(trial.path(name).exists(), "{shell:?}");
            let sum = "9a0364b9e99bb480dd25e1f0284c8555";
            let bad = run(&format!("url: {base}/text, dest: g, checksum: 'md5:{sum}'"));
            assert!(bad.failed.unwrap().contains("did not match") && !trial.path("g").exists());
            let listed = run(&format!("url: {base}/text, dest: g, checksum: 'sha256:{base}/sums'"));
            assert!(listed.failed.unwrap().contains("did not match xxxx"));
            let gone = run(&format!("url: {base}/nix, dest: g"));
            assert_eq!(gone.result["status_code"], 404, "{gone:?}");
            assert!(gone.failed.unwrap().contains("Request failed"));
            assert!(run(&format!("url: {base}/text, dest: no/g")).failed.unwrap().contains("does not exist"));
            assert!(run("url: 'file:///', dest: g, checksum: x").failed.unwrap().contains("format"));
        }
        assert!(seen.lock().unwrap().iter().any(|request| request.contains("If-Modified-Since")));
    }

    #[test]
    fn a_password_is_no_argument() {
        let trial = Trial::new();
        let (base, seen) = server();
        let url = base.replace("://", "://me:hunter2@");
        let said = trial.run(Shell::Dash, &GET_URL, &args(&GET_URL, &format!("{{url: {url}/text, dest: f}}")));
        assert!(said.changed, "{said:?}");
        assert!(seen.lock().unwrap()[0].contains("Basic bWU6aHVudGVyMg=="));
        let task = args(&GET_URL, &format!("{{url: {url}/text, dest: g}}"));
        let said = trial.run(Shell::Busybox, &GET_URL, &task);
        assert!(said.failed.unwrap().contains("list of processes"));
    }
}
