//! `acl`: access lists of files.

use std::fmt::Write as _;

use super::common::{RUN, Step, arg, flag, one_of, refuse, required, text, with_default};
use super::{Act, Arg, Args, Kind, Module, Scope, Script};

/// The module.
pub static ACL: Module = Module {
    name: "acl",
    collections: &["ansible.posix", "ansible.builtin"],
    summary: "adds, changes, removes or lists entries of a file's access list",
    args: &[
        Arg { aliases: &["name"], ..required("path", Kind::Path, "the file or folder") },
        one_of("state", "query", &["absent", "present", "query"], "there, gone, or only listed"),
        with_default("follow", Kind::Bool, "true", "what a symbolic link points to"),
        with_default("default", Kind::Bool, "false", "the entry that new files of a folder get"),
        with_default("entity", Kind::Str, "\"\"", "the user or group"),
        Arg { choices: &["group", "mask", "other", "user"], ..arg("etype", Kind::Str, "what `entity` is") },
        arg("permissions", Kind::Str, "`rwx`, in any part"),
        arg("entry", Kind::Str, "all at once: `user:ann:rw` or `default:group:crew:rx`"),
        with_default("recursive", Kind::Bool, "false", "all inside a folder, too"),
        one_of("recalculate_mask", "default", &["default", "mask", "no_mask"], "what becomes of the mask"),
        with_default("use_nfsv4_acls", Kind::Bool, "false", "not supported"),
    ],
    free_form: None,
    act: Act::Shell { library: &[RUN, SH], script },
};

const SH: &str = r#"
# b_acl OPTION...: setfacl with these options on b_path, when it would change something; then the list.
b_acl() {
  b_need getfacl
  [ -e "$b_path" ] || fail "Path not found or not accessible."
  if [ "$b_state" != query ]; then
    b_need setfacl
    b_try setfacl --test "$@" -- "$b_path" || fail "setfacl: $b_x"
    # `PATH: *,*` is what stays as it is.
    if printf '%s\n' "$b_x" | grep -qv '\*,\*$'; then
      changed
      [ -n "$CHECK" ] || b_must setfacl "$@" -- "$b_path"
    fi
  fi
  b_try getfacl --absolute-names ${b_no_follow:+-P} -- "$b_path" || fail "getfacl: $b_x"
  out b_list "$b_x"
}
"#;

/// An entry: default or not, kind, whom, permissions.
fn entry(args: &Args) -> Result<(bool, String, String, Option<String>), String> {
    let Some(line) = text(args, "entry").filter(|line| !line.is_empty()) else {
        let kind = text(args, "etype").unwrap_or_default().to_owned();
        let whom = text(args, "entity").unwrap_or_default().to_owned();
        return Ok((flag(args, "default"), kind, whom, text(args, "permissions").map(str::to_owned)));
    };
    let mut parts: Vec<&str> = line.split(':').collect();
    let default = parts.first().is_some_and(|first| matches!(first.to_lowercase().as_str(), "d" | "default"));
    if default {
        parts.remove(0);
    }
    if parts.len() == 2 {
        parts.push("");
    }
    let [kind, whom, permissions] = parts.as_slice() else {
        return Err("'entry' MUST have 3 or 4 sections divided by ':'.".to_owned());
    };
    let kind = match *kind {
        "u" | "user" => "user",
        "g" | "group" => "group",
        "m" | "mask" => "mask",
        "o" | "other" => "other",
        other => return Err(format!("`{other}` in `entry` is none of user, group, mask and other")),
    };
    let permissions = (!permissions.is_empty()).then(|| (*permissions).to_owned());
    Ok((default || flag(args, "default"), kind.to_owned(), (*whom).to_owned(), permissions))
}

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    refuse(args, &["use_nfsv4_acls"])?;
    let state = text(args, "state").unwrap_or_default();
    let given = |name| text(args, name).is_some_and(|text| !text.is_empty());
    let parts = given("entity") || ["etype", "permissions"].iter().any(|name| text(args, name).is_some());
    if given("entry") && parts {
        return Err("'entry' MUST NOT be set when 'entity', 'etype' or 'permissions' are set.".to_owned());
    }
    let (default, kind, whom, permissions) = entry(args)?;
    let mut step = Step::new(scope);
    step.set_path("b_path", text(args, "path").unwrap_or_default())?.set("b_state", state)?;
    step.set_flag("b_no_follow", !flag(args, "follow"));
    let mut call = String::from("b_acl");
    if state != "query" {
        if kind.is_empty() {
            return Err("'etype' or 'entry' MUST be set when 'state' is 'present' or 'absent'.".to_owned());
        }
        if whom.contains([',', ' ', '\n']) {
            return Err(format!("`{}` is no user or group", whom.escape_debug()));
        }
        let mark = if default { "default:" } else { "" };
        let (option, words) = if state == "present" {
            let permissions = permissions.ok_or("'permissions' MUST be set when 'state' is 'present'.")?;
            if permissions.is_empty() || !permissions.bytes().all(|b| b"rwxX-".contains(&b)) {
                return Err(format!("`{permissions}` is no set of permissions; write `rwx` in any part"));
            }
            ("-m", format!("{mark}{kind}:{whom}:{permissions}"))
        } else {
            if permissions.is_some() {
                return Err("'permissions' MUST NOT be set when 'state' is 'absent'.".to_owned());
            }
            ("-x", format!("{mark}{kind}:{whom}"))
        };
        if flag(args, "recursive") {
            call.push_str(" -R");
        }
        if !flag(args, "follow") {
            call.push_str(" -P");
        }
        match text(args, "recalculate_mask") {
            Some("mask") => call.push_str(" --mask"),
            Some("no_mask") => call.push_str(" --no-mask"),
            _ => {}
        }
        step.set("b_entry", &words)?;
        let _ = write!(call, " {option} \"$b_entry\"");
    }
    Ok(step.run(&call).finish(listed).done())
}

/// The list as Ansible gives it.
fn listed(_: &Args, result: &mut serde_json::Map<String, serde_json::Value>) {
    if let Some(list) = result.shift_remove("b_list") {
        let lines = list.as_str().unwrap_or_default().lines().map(str::trim);
        let lines: Vec<serde_json::Value> =
            lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(serde_json::Value::from).collect();
        result.insert("acl".into(), lines.into());
    }
    if result.get("failed") != Some(&true.into()) {
        result.insert("msg".into(), "Current ACL set".into());
    }
}

#[cfg(test)]
mod tests {
    use super::ACL;
    use crate::playbook::modules::common::trial::{Trial, args};

    const SET: &str = r#"#!/bin/sh
test= what= p=
for a; do
  case $a in --test) test=1 ;; -m | -x) what=$a ;; esac
  case $p in -m | -x) entry=$a ;; esac
  p=$a
done
case $what in
  -m) grep -qx "$entry" list && same=1 ;;
  -x) grep -q "^$entry:" list || same=1 ;;
esac
if [ -n "$test" ]; then if [ -n "$same" ]; then echo "$p: *,*"; else echo "$p: user::rw-,*"; fi; exit; fi
case $what in
  -m) { grep -v "^${entry%:*}:" list; echo "$entry"; } >list.new ;;
  -x) grep -v "^$entry:" list >list.new ;;
esac
mv list.new list
"#;

    #[test]
    fn entries_come_and_go_once() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            trial.write("setfacl", SET, 0o755);
            trial.write("getfacl", "#!/bin/sh\necho '# file: f'\ncat list\n", 0o755);
            trial.write("list", "user::rw-\n", 0o644);
            trial.write("f", "", 0o644);
            let run = |yaml: &str| trial.with_after(shell, &ACL, &args(&ACL, yaml), "PATH=$PWD:$PATH");
            let twice = |yaml: &str| {
                let (first, second) = (run(yaml), run(yaml));
                assert!(first.changed && first.failed.is_none(), "{yaml}: {first:?}");
                assert!(!second.changed && second.failed.is_none(), "{yaml}: {second:?}");
            };
            twice("{path: f, entity: ann, etype: user, permissions: rw, state: present}");
            assert_eq!(trial.read("list"), "user::rw-\nuser:ann:rw\n");
            twice("{path: f, entry: 'default:group:crew:rx', state: present}");
            twice("{path: f, entry: 'u:ann', state: absent}");
            assert!(!run("{path: f}").changed);
            for wrong in [
                "{path: f, state: present}",
                "{path: f, state: present, etype: user, entity: a}",
                "{path: f, state: absent, entry: 'user:a:rw'}",
                "{path: f, state: present, entry: 'user:a:rw', etype: user}",
                "{path: gone}",
            ] {
                assert!(run(wrong).failed.is_some(), "{wrong}");
            }
        }
    }
}
