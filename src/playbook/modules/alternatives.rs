//! `alternatives`: which of several programs a common name means.

use super::common::{RUN, Step, arg, quote, required, text, text_of};
use super::{Act, Arg, Args, Kind, Module, Scope, Script};

/// The module.
pub static ALTERNATIVES: Module = Module {
    name: "alternatives",
    collections: &["community.general", "ansible.builtin"],
    summary: "chooses which of several programs a common name means",
    args: &[
        required("name", Kind::Str, "the common name: `editor`"),
        arg("path", Kind::Path, "the program it shall mean"),
        arg("link", Kind::Path, "where the common name is; needed to make a new one"),
        arg("priority", Kind::Int, "the program's weight; default 50"),
        Arg {
            choices: &["absent", "auto", "present", "selected"],
            ..super::common::with_default("state", Kind::Str, "selected", "known, chosen, gone, or the heaviest chosen")
        },
        Arg { aliases: &["slaves"], ..arg("subcommands", Kind::Raw, "names that follow it: name, path, link") },
        arg("family", Kind::Str, "not supported: groups of Red Hat's alternatives"),
    ],
    free_form: None,
    act: Act::Shell { library: &[RUN, SH], script },
};

const SH: &str = r#"
# b_alternatives [SLAVE_LINK SLAVE_NAME SLAVE_PATH]...
b_alternatives() {
  b_nl='
'
  b_prog=update-alternatives
  command -v "$b_prog" >/dev/null || b_prog=alternatives
  b_need "$b_prog"
  b_have=$(LC_ALL=C "$b_prog" --display "$b_name" 2>/dev/null) || b_have=
  b_mode= b_now= b_at= b_known= b_was= b_slaves= b_in= b_links=
  while IFS= read -r b_l; do
    case $b_l in
      "$b_name - auto mode" | *'status is auto'*) b_mode=auto ;;
      "$b_name - manual mode" | *'status is manual'*) b_mode=manual ;;
      *'link currently points to '*) b_now=${b_l##*'link currently points to '} ;;
      *slave\ *\ is\ /*) b_x=${b_l#*slave }; b_links="$b_links$b_nl${b_x%% is *} ${b_x#* is }" ;;
      *"link $b_name is "*) b_at=${b_l##*" is "} ;;
      /*' - '*priority\ *)
        b_in=
        if [ "${b_l%% - *}" = "$b_path" ]; then
          b_known=1 b_in=1
          b_was=${b_l##*priority }
        fi
        ;;
      *slave\ *:\ * | *follower\ *:\ *) [ -z "$b_in" ] || { b_x=${b_l#*slave }; b_slaves="$b_slaves$b_nl${b_x%%: *} ${b_x#*: }"; } ;;
    esac
  done <<B_END
$b_have
B_END
  case $b_state in
    absent)
      [ -n "$b_known" ] || return 0
      changed
      [ -n "$CHECK" ] || b_must "$b_prog" --remove "$b_name" "$b_path"
      return 0
      ;;
  esac
  b_install=
  if [ -z "$b_known" ] || { [ -n "$b_prio" ] && [ "$b_prio" != "$b_was" ]; }; then b_install=1; fi
  # Without `subcommands` those that follow it go on to do so.
  if [ $# = 0 ] && [ -n "$b_slaves" ]; then
    while read -r b_n b_p; do
      [ -n "$b_n" ] || continue
      b_x=${b_links##*"$b_nl$b_n "}
      set -- "$@" "${b_x%%"$b_nl"*}" "$b_n" "$b_p"
    done <<B_END
$b_slaves
B_END
  fi
  b_n=$#
  b_i=0
  while [ "$b_i" -lt "$b_n" ]; do
    case "$b_slaves$b_nl" in *"$b_nl$2 $3$b_nl"*) ;; *) b_install=1 ;; esac
    b_i=$((b_i + 3))
    set -- "$@" --slave "$1" "$2" "$3"
    shift 3
  done
  if [ -n "$b_install" ] && [ -n "$b_path" ]; then
    b_to=${b_link:-$b_at}
    if [ -z "$b_known" ]; then
      [ -e "$b_path" ] || [ -n "$CHECK" ] || fail "Specified path $b_path does not exist"
      [ -n "$b_to" ] || fail 'Needed to install the alternative, but unable to do so as we are missing the link'
    fi
    changed
    [ -n "$CHECK" ] || b_must "$b_prog" --install "$b_to" "$b_name" "$b_path" "${b_prio:-${b_was:-50}}" "$@"
    # A program that weighs more is chosen by that alone.
    if [ -z "$CHECK" ] && [ "$b_mode" != manual ]; then
      b_x=$(LC_ALL=C "$b_prog" --display "$b_name" 2>/dev/null)
      b_x=${b_x#*'link currently points to '}
      b_now=${b_x%%"$b_nl"*}
    fi
  fi
  case $b_state in
    selected)
      [ "$b_now" != "$b_path" ] || return 0
      changed
      [ -n "$CHECK" ] || b_must "$b_prog" --set "$b_name" "$b_path"
      ;;
    auto)
      [ "$b_mode" = manual ] || return 0
      changed
      [ -n "$CHECK" ] || b_must "$b_prog" --auto "$b_name"
      ;;
  esac
}
"#;

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    super::common::refuse(args, &["family"])?;
    let name = text(args, "name").unwrap_or_default();
    let word = |what: &str, text: &str| {
        if text.starts_with('-') || text.is_empty() || text.contains(char::is_whitespace) {
            return Err(format!("`{what}: {}` must be one word", text.escape_debug()));
        }
        Ok(())
    };
    word("name", name)?;
    let state = text(args, "state").unwrap_or("selected");
    if text(args, "path").is_none() && state != "auto" {
        return Err(format!("`state: {state}` needs `path`"));
    }
    let mut step = Step::new(scope);
    for (var, name) in [("b_path", "path"), ("b_link", "link")] {
        match text(args, name) {
            Some(path) => {
                word(name, path)?;
                step.set_path(var, path)?
            }
            None => step.set(var, "")?,
        };
    }
    step.set("b_name", name)?.set("b_state", state)?.set_opt("b_prio", text_of(args, "priority").as_deref())?;
    let mut call = "b_alternatives".to_owned();
    for sub in args.get("subcommands").and_then(serde_json::Value::as_array).into_iter().flatten() {
        for key in ["link", "name", "path"] {
            let value = sub.get(key).and_then(serde_json::Value::as_str).unwrap_or_default();
            word(&format!("subcommands.{key}"), value)?;
            call.push(' ');
            call.push_str(&quote(value)?);
        }
    }
    Ok(step.run(&call).done())
}

#[cfg(test)]
mod tests {
    use super::ALTERNATIVES;
    use crate::playbook::modules::common::{
        trial::args,
        world::{Kind, World},
    };

    #[test]
    fn a_program_is_known_chosen_and_forgotten() {
        let mut world = World::new(Kind::Debian);
        world.sh("for n in one two; do echo x >/opt/$n; echo m >/opt/$n.1; done");
        let mut run = |yaml: &str, changed: bool| {
            let task = args(&ALTERNATIVES, &format!("{{name: berth-demo, {yaml}}}"));
            if changed {
                assert!(world.check(&ALTERNATIVES, &task).changed, "{yaml}");
            }
            let said = world.run(&ALTERNATIVES, &task);
            assert!(said.failed.is_none() && said.changed == changed, "{yaml} {said:?}");
        };
        let one = "path: /opt/one, link: /usr/local/bin/berth-demo, priority: 10, subcommands: [{name: berth-demo.1, path: /opt/one.1, link: /usr/local/share/berth-demo.1}]";
        run(one, true);
        run(one, false);
        run("path: /opt/two, priority: 5, state: present", true);
        run("path: /opt/two, priority: 5, state: present", false);
        run("path: /opt/two", true);
        run("path: /opt/two", false);
        run("state: auto", true);
        run("state: auto", false);
        run("path: /opt/one, priority: 3, state: present", true);
        run("path: /opt/two, state: absent", true);
        run("path: /opt/two, state: absent", false);
        assert_eq!(
            world.sh("readlink -f /usr/local/bin/berth-demo /usr/local/share/berth-demo.1"),
            "/opt/one\n/opt/one.1\n"
        );
        let lost = world.run(&ALTERNATIVES, &args(&ALTERNATIVES, "{name: nosuch, path: /opt/two}"));
        assert!(lost.failed.unwrap().contains("link"));
    }
}
