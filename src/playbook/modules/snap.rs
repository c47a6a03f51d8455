//! `snap`: packages of snapd.

use super::common::{RUN, Step, arg, flag, list, one_of, required, text, with_default};
use super::{Act, Args, Kind, Module, Scope, Script};

/// The module.
pub static SNAP: Module = Module {
    name: "snap",
    collections: &["community.general"],
    summary: "installs, removes, switches on and off packages of snapd",
    args: &[
        required("name", Kind::List, "the packages, or files of such"),
        one_of("state", "present", &["absent", "disabled", "enabled", "present"], "there, gone, or switched on or off"),
        with_default("classic", Kind::Bool, "false", "without confinement"),
        with_default("dangerous", Kind::Bool, "false", "files nobody has signed, too"),
        arg("channel", Kind::Str, "the channel; one that is there changes to it"),
        arg("options", Kind::List, "settings: `key=value`, or `package:key=value` of one of them"),
    ],
    free_form: None,
    act: Act::Shell { library: &[RUN, SH], script },
};

const SH: &str = r#"
# b_snap NAME: what is asked for of one package.
b_snap() {
  b_file=$1 b_name=$1
  case $1 in */* | *.snap) b_name=${1##*/} b_name=${b_name%%_*} b_name=${b_name%.snap} ;; esac
  b_is= b_off= b_track=
  if b_l=$(snap list "$b_name" 2>/dev/null </dev/null); then
    b_is=1
    read -r b_x b_x b_x b_track b_x b_notes <<B_END
$(printf '%s\n' "$b_l" | sed -n 2p)
B_END
    case ",$b_notes," in *,disabled,*) b_off=1 ;; esac
  fi
  case $b_state in
    absent)
      [ -n "$b_is" ] || return 0
      b_snap_do remove "$b_name"
      ;;
    present)
      if [ -z "$b_is" ]; then
        b_snap_do install ${b_classic:+--classic} ${b_dangerous:+--dangerous} ${b_channel:+"--channel=$b_channel"} "$b_file"
      elif [ -n "$b_channel" ]; then
        # `latest/` may be left out, and `edge` is `latest/edge`.
        case $b_channel in */*) b_want=$b_channel ;; stable | candidate | beta | edge) b_want=latest/$b_channel ;; *) b_want=$b_channel/stable ;; esac
        case $b_track in */*) ;; *) b_track=latest/$b_track ;; esac
        [ "$b_want" = "$b_track" ] || b_snap_do refresh ${b_classic:+--classic} "--channel=$b_channel" "$b_name"
      fi
      ;;
    *)
      [ -n "$b_is" ] || {
        # What a check has not installed cannot be switched.
        [ -z "$CHECK" ] || { changed; return 0; }
        fail "\`$b_name\` is not installed"
      }
      case $b_state$b_off in
        enabled1) b_snap_do enable "$b_name" ;;
        disabled) b_snap_do disable "$b_name" ;;
      esac
      ;;
  esac
}
# b_snap_set NAME KEY VALUE
b_snap_set() {
  b_x=$(snap get "$1" "$2" 2>/dev/null </dev/null) && [ "$b_x" = "$3" ] && return 0
  b_snap_do set "$1" "$2=$3"
}
b_snap_do() {
  changed
  [ -n "$CHECK" ] || b_must snap "$@"
}
"#;

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    let names = list(args, "name").unwrap_or_default();
    if names.is_empty() {
        return Err("`name` names no package".to_owned());
    }
    for word in names.iter().map(String::as_str).chain(text(args, "channel")) {
        if word.is_empty() || word.starts_with('-') || word.contains(char::is_whitespace) {
            return Err(format!("`{word}` is no name: one word that does not start with `-`"));
        }
    }
    let state = text(args, "state").unwrap_or("present");
    let options = list(args, "options").unwrap_or_default();
    if !options.is_empty() && state != "present" {
        return Err("`options` are for `state: present`".to_owned());
    }
    let mut step = Step::new(scope);
    step.set("b_state", state)?
        .set_opt("b_channel", text(args, "channel"))?
        .set_flag("b_classic", flag(args, "classic"))
        .set_flag("b_dangerous", flag(args, "dangerous"))
        .run("b_need snap");
    for name in &names {
        step.run(&format!("b_snap {}", super::common::quote(name)?));
    }
    for option in &options {
        let wrong = || format!("`{option}` is no setting: `key=value` or `package:key=value`");
        let (key, value) = option.split_once('=').ok_or_else(wrong)?;
        let (of, key) = match key.split_once(':') {
            Some((name, key)) => (vec![name.to_owned()], key),
            None => (names.clone(), key),
        };
        if key.is_empty() || key.starts_with('-') || of.iter().any(|name| !names.contains(name)) {
            return Err(wrong());
        }
        for name in of {
            let quote = super::common::quote;
            step.run(&format!("b_snap_set {} {} {}", quote(&name)?, quote(key)?, quote(value)?));
        }
    }
    Ok(step.done())
}

#[cfg(test)]
mod tests {
    use super::SNAP;
    use crate::playbook::modules::common::trial::{Trial, args};

    const FAKE: &str = r#"#!/bin/sh
echo "$*" >>log
cmd=$1; shift; for a; do case $a in --channel=*) c=${a#*=} ;; -*) ;; *) n=${n-$a} last=$a ;; esac; done
case $cmd in
  list) [ -f "is.$n" ] && printf 'Name Version Rev Tracking Publisher Notes\n%s 1 2 %s me %s\n' "$n" "$(cat "is.$n")" "$(cat "off.$n" 2>/dev/null || echo -)" ;;
  install | refresh) echo "${c:-latest/stable}" >"is.$n" ;;
  remove) rm "is.$n" ;;
  disable) echo classic,disabled >"off.$n" ;;
  enable) rm "off.$n" ;;
  get) cat "set.$n.$last" ;;
  set) echo "${last#*=}" >"set.$n.${last%%=*}" ;;
esac
"#;

    #[test]
    fn packages_come_change_and_go_once() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            trial.write("snap", FAKE, 0o755);
            let run = |yaml: &str| trial.with_after(shell, &SNAP, &args(&SNAP, yaml), "PATH=$PWD:$PATH");
            let twice = |yaml: &str| {
                let (first, second) = (run(yaml), run(yaml));
                assert!(first.changed && first.failed.is_none(), "{yaml}: {first:?}");
                assert!(!second.changed && second.failed.is_none(), "{yaml}: {second:?}");
            };
            twice("{name: [certbot, hello], classic: true}");
            assert!(trial.read("log").contains("install --classic hello\n"));
            twice("{name: hello, channel: edge}");
            twice("{name: hello, state: disabled}");
            twice("{name: hello, state: enabled}");
            twice("{name: [hello, certbot], options: ['hello:a.b=1 2', 'c=$(id)']}");
            assert_eq!(trial.read("set.certbot.c"), "$(id)\n");
            twice("{name: [hello, certbot], state: absent}");
            for wrong in ["{name: -x}", "{name: a b}", "{name: a, options: [b]}", "{name: a, options: ['x:b=1']}"] {
                assert!(run(wrong).failed.is_some(), "{wrong}");
            }
            assert!(run("{name: gone, state: enabled}").failed.is_some());
        }
    }
}
