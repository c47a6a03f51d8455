//! `apk`: Alpine's packages.

use super::common::{RUN, Step, arg, flag, list, one_of, text, with_default};
use super::{Act, Arg, Args, Kind, Module, Scope, Script};

/// The module.
pub static APK: Module = Module {
    name: "apk",
    collections: &["community.general", "ansible.builtin"],
    summary: "installs, upgrades and removes Alpine's packages",
    args: &[
        Arg {
            aliases: &["package", "pkg"],
            ..arg("name", Kind::List, "packages: `foo`, `foo=1.0`, `foo>1`, `foo@edge`")
        },
        one_of("state", "present", &["absent", "installed", "latest", "present", "removed"], "there, newest, or gone"),
        with_default("update_cache", Kind::Bool, "false", "fetch the lists first"),
        with_default("upgrade", Kind::Bool, "false", "upgrade all that is installed"),
        with_default("available", Kind::Bool, "false", "with upgrade: what no source has any more is replaced, too"),
        with_default("no_cache", Kind::Bool, "false", "use no lists that were kept"),
        arg("repository", Kind::List, "use these sources besides"),
        with_default("world", Kind::Str, "/etc/apk/world", "the file of what was asked for"),
    ],
    free_form: None,
    act: Act::Shell { library: &[RUN, SH], script },
};

const SH: &str = r#"
# b_apk OPTION...: the packages b_names, a line each.
b_apk() {
  b_nl='
'
  b_need apk
  b_log=
  if [ -n "$b_update" ]; then
    if [ -n "$CHECK" ]; then [ -n "$b_names$b_upgrade" ] || changed
    else
      b_must apk "$@" update
      out stdout "$b_x"
      # New lists alone are a change only when nothing else was asked.
      [ -n "$b_names$b_upgrade" ] || changed
    fi
    [ -n "$b_names$b_upgrade" ] || return 0
  fi
  [ -z "$CHECK" ] || set -- --simulate "$@"
  if [ -n "$b_upgrade" ]; then
    b_must apk "$@" upgrade ${b_available:+--available}
    b_apk_did
    return 0
  fi
  IFS=$b_nl
  set -f
  b_all=$b_names
  for b_p in $b_names; do case $b_p in -*) fail "\`$b_p\` is no package" ;; esac; done
  unset IFS
  b_have=$(apk info -e $(printf '%s\n' "$b_names" | sed 's/[<>=~@].*//') 2>/dev/null)
  b_todo= b_old=
  for b_p in $b_names; do
    case $b_nl$b_have$b_nl in
      *"$b_nl${b_p%%[<>=~@]*}$b_nl"*)
        case $b_state in
          absent) b_todo="$b_todo $b_p" ;;
          latest) b_todo="$b_todo $b_p" ;;
          *)
            # There; also asked for, and in the version that is asked for?
            case $b_p in
              *[\<\>=~]*) apk info -e "$b_p" >/dev/null 2>&1 || b_todo="$b_todo $b_p" ;;
              *) grep -qx "$(printf %s "$b_p" | sed 's/[.+]/\\&/g')\([<>=~@].*\)\{0,1\}" "$b_world" 2>/dev/null || b_old="$b_old $b_p" ;;
            esac
            ;;
        esac
        ;;
      *) [ "$b_state" = absent ] || b_todo="$b_todo $b_p" ;;
    esac
  done
  # What came along with another package is asked for from now on.
  if [ -n "$b_old" ]; then b_todo="$b_todo$b_old"; fi
  if [ -z "$b_todo" ]; then set +f; out msg 'package(s) already in the wanted state'; return 0; fi
  case $b_state in
    absent) b_must apk "$@" del --purge $b_todo ;;
    latest) b_must apk "$@" add --upgrade $b_todo ;;
    *) b_must apk "$@" add $b_todo ;;
  esac
  set +f
  [ -z "$b_old" ] || [ -n "$CHECK" ] || changed
  b_apk_did
}
b_apk_did() {
  out stdout "$b_x"
  case $b_x in
    *'Installing '* | *'Upgrading '* | *'Purging '* | *'Downgrading '* | *'Replacing '* | *'Reinstalling '*)
      changed
      differ packages '' "$b_x$b_nl"
      ;;
  esac
}
"#;

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    let names = list(args, "name").unwrap_or_default();
    for name in &names {
        let fine = |c: char| c.is_ascii_alphanumeric() || "_-.+<>=~@:".contains(c);
        if name.is_empty() || name.starts_with(['-', '.']) || !name.chars().all(fine) {
            return Err(format!("`{}` is no package name", name.escape_debug()));
        }
    }
    let upgrade = flag(args, "upgrade");
    if names.is_empty() && !upgrade && !flag(args, "update_cache") {
        return Err("give `name`, `upgrade` or `update_cache`".to_owned());
    }
    if upgrade && !names.is_empty() {
        return Err("parameters are mutually exclusive: name|upgrade".to_owned());
    }
    let state = match text(args, "state").unwrap_or("present") {
        "installed" => "present",
        "removed" => "absent",
        state => state,
    };
    let mut call = "b_apk".to_owned();
    if flag(args, "no_cache") {
        call.push_str(" --no-cache");
    }
    for source in list(args, "repository").unwrap_or_default() {
        if source.starts_with('-') {
            return Err(format!("`{}` is no source", source.escape_debug()));
        }
        call.push_str(" --repository ");
        call.push_str(&super::common::quote(&source)?);
    }
    let mut step = Step::new(scope);
    step.set("b_names", &names.join("\n"))?
        .set("b_state", state)?
        .set_path("b_world", text(args, "world").unwrap_or("/etc/apk/world"))?
        .set_flag("b_update", flag(args, "update_cache"))
        .set_flag("b_upgrade", upgrade)
        .set_flag("b_available", flag(args, "available"));
    Ok(step.run(&call).done())
}

#[cfg(test)]
mod tests {
    use super::APK;
    use crate::playbook::modules::common::trial::{Trial, args};

    const FAKE: &str = "#!/bin/sh\necho \"$*\" >>log\nsim=; while :; do case $1 in --simulate) sim=1 ;; --no-cache) ;; --repository) shift ;; *) break ;; esac; shift; done\nv=$1; shift\n\
        case $v in info) shift; r=1; for p; do grep -qx \"$p\" db && { echo \"$p\"; r=0; }; done; exit $r ;;\n\
        add) for p; do case $p in -*) ;; *) grep -qx \"$p\" db || { echo \"(1/1) Installing $p (1-r0)\"; [ -n \"$sim\" ] || echo \"$p\" >>db; }; grep -qx \"$p\" world || echo \"$p\" >>world ;; esac; done ;;\n\
        del) for p; do case $p in -*) ;; *) echo \"(1/1) Purging $p\"; [ -n \"$sim\" ] || { grep -vx \"$p\" db >d2; mv d2 db; } ;; esac; done ;;\n\
        upgrade) [ -e new ] && echo '(1/1) Upgrading x' ;; esac; echo OK\n";

    #[test]
    fn packages_come_and_go_once() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            trial.write("apk", FAKE, 0o755);
            trial.write("db", "one\ncame\n", 0o644);
            trial.write("world", "one\n", 0o644);
            let run = |yaml: &str| trial.with_after(shell, &APK, &args(&APK, yaml), "PATH=.:$PATH");
            let add = "{name: [one, two], world: ./world, repository: [http://x/edge]}";
            let look = trial.with(shell, &APK, &args(&APK, add), "PATH=.:$PATH CHECK=1 DIFF=1");
            assert!(look.changed && look.failed.is_none(), "{look:?}");
            assert_eq!(trial.read("db"), "one\ncame\n");
            trial.write("world", "one\n", 0o644);
            let first = run(add);
            assert!(first.changed && first.failed.is_none(), "{first:?}");
            assert!(!run(add).changed);
            assert!(run("{name: came, world: ./world}").changed && !run("{name: came, world: ./world}").changed);
            assert!(!run("{upgrade: true}").changed);
            trial.write("new", "", 0o644);
            assert!(run("{upgrade: true, available: true}").changed);
            assert!(run("{name: two, state: absent}").changed && !run("{name: two, state: absent}").changed);
            assert!(run("{name: '-x'}").failed.is_some() && run("{}").failed.is_some());
        }
    }
}
