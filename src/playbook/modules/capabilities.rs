//! `capabilities`: what a program may do without being root.

use super::common::{RUN, Step, one_of, required, text};
use super::{Act, Arg, Args, Kind, Module, Scope, Script};

/// The module.
pub static CAPABILITIES: Module = Module {
    name: "capabilities",
    collections: &["community.general", "ansible.builtin"],
    summary: "gives a program capabilities, or takes them away",
    args: &[
        Arg { aliases: &["key"], ..required("path", Kind::Str, "the program") },
        Arg {
            aliases: &["cap"],
            ..required("capability", Kind::Str, "`cap_net_bind_service+ep`; only the name to take it away")
        },
        one_of("state", "present", &["absent", "present"], "given or not"),
    ],
    free_form: None,
    act: Act::Shell { library: &[RUN, SH], script },
};

const SH: &str = r#"
# b_capabilities: the capability b_cap with the flags b_flags after b_op on the file b_path.
b_capabilities() {
  b_need getcap setcap
  [ -e "$b_path" ] || fail "\`$b_path\` does not exist"
  b_try getcap -v "$b_path" || fail "Unable to get capabilities of $b_path: $b_x"
  # `PATH a,b=ep c+i`, or `PATH = a,b+ep` from older programs.
  b_have=${b_x#"$b_path"}
  b_have=${b_have# }
  b_have=${b_have#= }
  case $b_have in '' | '=') b_have= ;; esac
  # One capability a line: name, operator, flags.
  b_list=$(printf '%s\n' $b_have | sed -n 's/^\([a-z0-9_,]*\)\([=+-]\)\([a-z]*\)$/\1 \2 \3/p' |
    while read -r b_names b_o b_f; do
      printf '%s\n' "$b_names" | tr ',' '\n' | while read -r b_n; do printf '%s %s\n' "$b_n" "$b_f"; done
    done)
  b_now=$(printf '%s\n' "$b_list" | sed -n "s/^$b_cap //p" | head -n 1)
  b_is=$(printf '%s\n' "$b_list" | grep -c "^$b_cap ")
  if [ "$b_state" = absent ]; then
    [ "$b_is" != 0 ] || { out msg "capability unchanged"; return 0; }
  else
    [ "$b_is" = 0 ] || [ "$(b_sorted "$b_now")" != "$(b_sorted "$b_flags")" ] || { out msg "capability unchanged"; return 0; }
  fi
  changed
  [ -z "$CHECK" ] || return 0
  b_new=$(printf '%s\n' "$b_list" | while read -r b_n b_f; do
    [ -n "$b_n" ] && [ "$b_n" != "$b_cap" ] || continue
    printf '%s=%s ' "$b_n" "$b_f"
  done)
  [ "$b_state" = absent ] || b_new="$b_new$b_cap$b_op$b_flags"
  b_new=${b_new% }
  if [ -n "$b_new" ]; then b_must setcap "$b_new" "$b_path"; else b_must setcap -r "$b_path"; fi
  out msg 'capabilities changed'
}
b_sorted() { printf %s "$1" | fold -w 1 | sort | tr -d '\n'; }
"#;

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    let absent = text(args, "state") == Some("absent");
    let given = text(args, "capability").unwrap_or_default().trim().to_lowercase();
    let cut = given.find(['=', '+', '-']).unwrap_or(given.len());
    let (name, rest) = given.split_at(cut);
    let (op, flags) = rest.split_at(rest.len().min(1));
    let fine =
        name.starts_with("cap_") && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if !fine || (op.is_empty() && !absent) || !flags.bytes().all(|b| b"eip".contains(&b)) {
        return Err(format!("Couldn't find operator (one of: ['=', '-', '+']), or no capability: `{given}`"));
    }
    let path = text(args, "path").unwrap_or_default();
    let mut step = Step::new(scope);
    step.set_path("b_path", path)?
        .set("b_cap", name)?
        .set("b_op", if op.is_empty() { "=" } else { op })?
        .set("b_flags", flags)?
        .set("b_state", if absent { "absent" } else { "present" })?;
    Ok(step.run("b_capabilities").done())
}

#[cfg(test)]
mod tests {
    use super::CAPABILITIES;
    use crate::playbook::modules::common::trial::{Trial, args};

    const GET: &str =
        "#!/bin/sh\nshift\n[ ! -s caps ] || { printf '%s %s\\n' \"$1\" \"$(cat caps)\"; exit; }\necho \"$1\"\n";
    const SET: &str = "#!/bin/sh\n[ \"$1\" != -r ] || { rm -f caps; exit; }\nprintf %s \"$1\" >caps\n";

    #[test]
    fn capabilities_come_and_go_once_and_leave_others() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            for (name, body) in [("getcap", GET), ("setcap", SET), ("prog", "x")] {
                trial.write(name, body, 0o755);
            }
            let run =
                |yaml: &str| trial.with_after(shell, &CAPABILITIES, &args(&CAPABILITIES, yaml), "PATH=$PWD:$PATH");
            let twice = |yaml: &str| {
                let (first, second) = (run(yaml), run(yaml));
                assert!(first.changed && first.failed.is_none(), "{yaml}: {first:?}");
                assert!(!second.changed && second.failed.is_none(), "{yaml}: {second:?}");
            };
            twice("{path: prog, capability: cap_net_raw+ep}");
            assert_eq!(trial.read("caps"), "cap_net_raw+ep");
            trial.write("caps", "cap_net_admin,cap_net_raw=pe", 0o644);
            assert!(!run("{path: prog, capability: cap_net_raw+ep}").changed);
            twice("{path: prog, capability: cap_net_raw=i}");
            assert_eq!(trial.read("caps"), "cap_net_admin=pe cap_net_raw=i");
            twice("{path: prog, capability: cap_net_raw, state: absent}");
            twice("{path: prog, capability: cap_net_admin=ep, state: absent}");
            assert!(!trial.path("caps").exists());
            for wrong in [
                "{path: prog, capability: cap_net_raw}",
                "{path: prog, capability: root+ep}",
                "{path: no, capability: cap_x+e}",
            ] {
                assert!(run(wrong).failed.is_some(), "{wrong}");
            }
        }
    }
}
