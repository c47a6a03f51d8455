//! `sysctl`: kernel parameters, in their file and in the running kernel.

use super::common::{ATTRS, EDIT, RUN, Step, WRITE, arg, flag, one_of, required, text, text_of, with_default};
use super::{Act, Arg, Args, Kind, Module, Scope, Script};

/// The module.
pub static SYSCTL: Module = Module {
    name: "sysctl",
    collections: &["ansible.posix", "ansible.builtin"],
    summary: "keeps a kernel parameter in /etc/sysctl.conf, and sets it",
    args: &[
        Arg { aliases: &["key"], ..required("name", Kind::Str, "the parameter: `net.ipv4.ip_forward`") },
        Arg { aliases: &["val"], ..arg("value", Kind::Str, "what it shall be") },
        one_of("state", "present", &["absent", "present"], "whether the file names it"),
        with_default("ignoreerrors", Kind::Bool, "false", "do not mind parameters that the kernel does not know"),
        with_default("reload", Kind::Bool, "true", "read the file anew after a change"),
        with_default("sysctl_file", Kind::Path, "/etc/sysctl.conf", "the file"),
        with_default("sysctl_set", Kind::Bool, "false", "also look at, and set, the running value"),
    ],
    free_form: None,
    act: Act::Shell { library: &[ATTRS, WRITE, EDIT, RUN, SH], script },
};

const SH: &str = r#"
b_sysctl() {
  b_nl='
' b_backup=
  b_text "$b_file"
  b_made= b_seen= b_rest=$b_old
  while [ -n "$b_rest" ]; do
    b_l=${b_rest%%"$b_nl"*}
    case $b_rest in *"$b_nl"*) b_rest=${b_rest#*"$b_nl"} ;; *) b_rest= ;; esac
    case $b_l in
      *=*)
        b_k=${b_l%%=*}
        b_sysctl_trim "$b_k"
        if [ "$b_t" = "$b_key" ] || [ "-$b_key" = "$b_t" ]; then
          [ -n "$b_value" ] && [ -z "$b_seen" ] || continue
          b_seen=1
          b_sysctl_trim "${b_l#*=}"
          if [ "$b_t" != "$b_value" ]; then b_l="$b_key=$b_value"; fi
        fi
        ;;
    esac
    b_made=$b_made$b_l$b_nl
  done
  if [ -n "$b_value" ] && [ -z "$b_seen" ]; then b_made="$b_made$b_key=$b_value$b_nl"; fi
  case $b_old in ''|*"$b_nl") b_new=$b_made ;; *) if [ "$b_made" = "$b_old$b_nl" ]; then b_new=$b_old; else b_new=$b_made; fi ;; esac
  b_did=
  if b_keep 644; then b_did=1; fi
  if [ -n "$b_live" ] && [ -n "$b_value" ]; then
    b_x=$(sysctl -n "$b_key" 2>/dev/null) || b_x=
    b_sysctl_trim "$b_x"
    if [ "$b_t" != "$b_value" ]; then
      changed
      [ -n "$CHECK" ] || b_must sysctl ${b_ignore:+-e} -w "$b_key=$b_value"
    fi
  fi
  if [ -n "$b_did" ] && [ -n "$b_reload" ] && [ -z "$CHECK" ]; then
    b_try sysctl ${b_ignore:+-e} -p "$b_path" || [ -n "$b_ignore" ] || fail "cannot read \`$b_path\` into the kernel: $b_x"
  fi
}
# b_sysctl_trim TEXT: its words with one blank between them, into b_t.
b_sysctl_trim() {
  set -f
  set -- $1
  set +f
  b_t=$*
}
"#;

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    let name = text(args, "name").unwrap_or_default();
    let fine = |c: char| c.is_ascii_alphanumeric() || "._-/*".contains(c);
    if name.is_empty() || name.starts_with('-') || !name.chars().all(fine) {
        return Err(format!("`{}` is no kernel parameter", name.escape_debug()));
    }
    let value = text_of(args, "value").map(|value| value.split_whitespace().collect::<Vec<_>>().join(" "));
    let present = text(args, "state") != Some("absent");
    if present && value.as_deref().unwrap_or_default().is_empty() {
        return Err("value cannot be None: give `value`, or `state: absent`".to_owned());
    }
    // YAML's flags are the kernel's numbers.
    let value = value.map(|value| match value.to_lowercase().as_str() {
        "true" | "yes" | "on" => "1".to_owned(),
        "false" | "no" | "off" => "0".to_owned(),
        _ => value,
    });
    let mut step = Step::new(scope);
    step.set("b_key", name)?
        .set("b_value", value.as_deref().filter(|_| present).unwrap_or_default())?
        .set_path("b_file", text(args, "sysctl_file").unwrap_or("/etc/sysctl.conf"))?
        .set_flag("b_ignore", flag(args, "ignoreerrors"))
        .set_flag("b_reload", flag(args, "reload"))
        .set_flag("b_live", flag(args, "sysctl_set"));
    Ok(step.run("b_sysctl").done())
}

#[cfg(test)]
mod tests {
    use super::SYSCTL;
    use crate::playbook::modules::common::trial::{Trial, args};

    const FAKE: &str =
        "sysctl() { case $1 in -n) cat live ;; -w) echo \"${2#*=}\" >live ;; -p) echo \"$2\" >>read ;; esac; }";

    #[test]
    fn a_parameter_is_kept_set_and_dropped() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            trial.write("f", "# c\nvm.swappiness = 60\nkernel.x=1", 0o600);
            trial.write("live", "60\n", 0o644);
            let run = |more: &str| {
                trial.with_after(
                    shell,
                    &SYSCTL,
                    &args(&SYSCTL, &format!("{{name: vm.swappiness, sysctl_file: f, {more}}}")),
                    FAKE,
                )
            };
            let first = run("value: '10', sysctl_set: true");
            assert!(first.changed && first.failed.is_none(), "{first:?}");
            assert_eq!(
                (trial.read("f"), trial.read("live")),
                ("# c\nvm.swappiness=10\nkernel.x=1\n".to_owned(), "10\n".to_owned())
            );
            assert_eq!((trial.read("read"), trial.mode("f")), ("f\n".to_owned(), 0o600));
            assert!(!run("value: 10, sysctl_set: true").changed);
            trial.write("live", "61\n", 0o644);
            assert!(!run("value: 10").changed && run("value: 10, sysctl_set: true").changed);
            assert!(run("state: absent").changed && !run("state: absent").changed);
            assert_eq!(trial.read("f"), "# c\nkernel.x=1\n");
            assert!(run("state: present").failed.is_some());
        }
    }
}
