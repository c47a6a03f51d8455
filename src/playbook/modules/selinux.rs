//! `selinux` and `seboolean`: the mode of `SELinux`, and its switches.

use super::common::{ATTRS, EDIT, RUN, Step, WRITE, arg, flag, required, text, with_default};
use super::{Act, Arg, Args, Kind, Module, Scope, Script};

/// The mode.
pub static SELINUX: Module = Module {
    name: "selinux",
    collections: &["ansible.posix", "ansible.builtin"],
    summary: "sets the mode of SELinux, now and for each start",
    args: &[
        Arg { choices: &["disabled", "enforcing", "permissive"], ..required("state", Kind::Str, "the mode") },
        arg("policy", Kind::Str, "which policy: `targeted`; needed unless disabled"),
        Arg {
            aliases: &["conf", "file"],
            ..with_default("configfile", Kind::Path, "/etc/selinux/config", "its configuration")
        },
        with_default("update_kernel_param", Kind::Bool, "false", "with disabled: also tell the boot loader, by grubby"),
    ],
    free_form: None,
    act: Act::Shell { library: &[ATTRS, WRITE, EDIT, RUN, SH], script },
};

/// The switches.
pub static SEBOOLEAN: Module = Module {
    name: "seboolean",
    collections: &["ansible.posix", "ansible.builtin"],
    summary: "turns a switch of SELinux on or off",
    args: &[
        required("name", Kind::Str, "the switch"),
        required("state", Kind::Bool, "on or off"),
        with_default("persistent", Kind::Bool, "false", "also for each start"),
        with_default("ignore_selinux_state", Kind::Bool, "false", "also where SELinux is off"),
    ],
    free_form: None,
    act: Act::Shell { library: &[RUN, SH], script: switch },
};

const SH: &str = r#"
b_selinux() {
  b_nl='
' b_backup=
  b_need getenforce
  b_now=$(getenforce | tr '[:upper:]' '[:lower:]')
  b_text "$b_conf"
  [ "$b_T" = file ] || fail "Unable to find file $b_conf"
  b_new= b_rest=$b_old b_seen= b_kind=
  while [ -n "$b_rest" ]; do
    b_l=${b_rest%%"$b_nl"*}
    case $b_rest in *"$b_nl"*) b_rest=${b_rest#*"$b_nl"} ;; *) b_rest= ;; esac
    case $b_l in
      SELINUX=*) b_seen=1 b_l="SELINUX=$b_state" ;;
      SELINUXTYPE=*) b_kind=1; [ -z "$b_policy" ] || b_l="SELINUXTYPE=$b_policy" ;;
    esac
    b_new=$b_new$b_l$b_nl
  done
  [ -n "$b_seen" ] || b_new="${b_new}SELINUX=$b_state$b_nl"
  [ -n "$b_kind" ] || [ -z "$b_policy" ] || b_new="${b_new}SELINUXTYPE=$b_policy$b_nl"
  out state "$b_state"
  out policy "$b_policy"
  out configfile "$b_conf"
  b_keep 644 || :
  b_reboot=false
  if [ "$b_now" != "$b_state" ]; then
    changed
    case $b_now:$b_state in
      disabled:*) b_reboot=true ;;
      *:disabled)
        b_reboot=true
        [ -n "$CHECK" ] || [ "$b_now" = permissive ] || b_must setenforce 0
        ;;
      *:enforcing) [ -n "$CHECK" ] || b_must setenforce 1 ;;
      *) [ -n "$CHECK" ] || b_must setenforce 0 ;;
    esac
  fi
  if [ -n "$b_kernel" ]; then
    b_need grubby
    b_x=$(grubby --info=ALL 2>/dev/null)
    b_is=
    case $b_x in *selinux=0*) b_is=1 ;; esac
    if [ "$b_state" = disabled ]; then b_op=--args; [ -n "$b_is" ] || b_do_it=1
    else b_op=--remove-args; [ -z "$b_is" ] || b_do_it=1; fi
    if [ -n "${b_do_it-}" ]; then
      changed
      b_reboot=true
      [ -n "$CHECK" ] || b_must grubby --update-kernel=ALL "$b_op" selinux=0
    fi
  fi
  outj reboot_required "$b_reboot"
}
b_seboolean() {
  b_need getsebool setsebool
  out name "$b_name"
  if command -v selinuxenabled >/dev/null && ! selinuxenabled && [ -z "$b_anyhow" ]; then fail 'SELinux is disabled on this host.'; fi
  b_x=$(getsebool "$b_name" 2>&1) || fail "SELinux boolean $b_name does not exist: $b_x"
  b_is=off
  case $b_x in *' on') b_is=on ;; esac
  b_saved=$b_is
  if [ -n "$b_persist" ] && command -v semanage >/dev/null; then
    b_x=$(semanage boolean -l 2>/dev/null | grep "^$b_name ")
    case $b_x in *'('*,*on\)* | *'('*,*on*\)*) b_saved=on ;; *'('*,*off\)* | *'('*,*off*\)*) b_saved=off ;; esac
  fi
  if [ "$b_is" = "$b_state" ] && [ "$b_saved" = "$b_state" ]; then return 0; fi
  changed
  [ -n "$CHECK" ] || b_must setsebool ${b_persist:+-P} "$b_name" "$b_state"
}
"#;

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    let state = text(args, "state").unwrap_or_default();
    let policy = text(args, "policy").unwrap_or_default();
    if policy.is_empty() && state != "disabled" {
        return Err("Policy is required if state is not 'disabled'".to_owned());
    }
    if !policy.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
        return Err(format!("`{}` is no policy", policy.escape_debug()));
    }
    let mut step = Step::new(scope);
    step.set("b_state", state)?
        .set("b_policy", policy)?
        .set_path("b_conf", text(args, "configfile").unwrap_or("/etc/selinux/config"))?
        .set_flag("b_kernel", flag(args, "update_kernel_param"));
    Ok(step.run("b_selinux").done())
}

fn switch(args: &Args, scope: &Scope) -> Result<Script, String> {
    let name = text(args, "name").unwrap_or_default();
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err(format!("`{}` is no switch of SELinux", name.escape_debug()));
    }
    let mut step = Step::new(scope);
    step.set("b_name", name)?
        .set("b_state", if flag(args, "state") { "on" } else { "off" })?
        .set_flag("b_persist", flag(args, "persistent"))
        .set_flag("b_anyhow", flag(args, "ignore_selinux_state"));
    Ok(step.run("b_seboolean").done())
}

#[cfg(test)]
mod tests {
    use super::{SEBOOLEAN, SELINUX};
    use crate::playbook::modules::common::trial::{Trial, args};

    #[test]
    fn the_mode_is_set_now_and_for_each_start() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            trial.write("conf", "# c\nSELINUX=permissive\nSELINUXTYPE=mls\n", 0o644);
            trial.write("mode", "Permissive\n", 0o644);
            let fake = "getenforce() { cat mode; }\nsetenforce() { if [ \"$1\" = 1 ]; then echo Enforcing; else echo Permissive; fi >mode; }";
            let run = |yaml: &str| {
                trial.with_after(shell, &SELINUX, &args(&SELINUX, &format!("{{configfile: conf, {yaml}}}")), fake)
            };
            let first = run("state: enforcing, policy: targeted");
            assert!(first.changed && first.failed.is_none(), "{first:?}");
            assert_eq!(
                (trial.read("conf"), trial.read("mode")),
                ("# c\nSELINUX=enforcing\nSELINUXTYPE=targeted\n".to_owned(), "Enforcing\n".to_owned())
            );
            assert!(!run("state: enforcing, policy: targeted").changed);
            let off = run("state: disabled");
            assert!(off.changed && off.result["reboot_required"] == true, "{off:?}");
            assert!(run("state: permissive").failed.is_some());
        }
    }

    #[test]
    fn a_switch_is_turned_once() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            trial.write("b", "off\n", 0o644);
            let fake = "getsebool() { [ \"$1\" = httpd_x ] || return 1; echo \"$1 --> $(cat b)\"; }\nsetsebool() { for a; do :; done; echo $a >b; }";
            let run = |yaml: &str| trial.with_after(shell, &SEBOOLEAN, &args(&SEBOOLEAN, yaml), fake);
            assert!(run("{name: httpd_x, state: true}").changed && !run("{name: httpd_x, state: true}").changed);
            assert!(run("{name: nosuch, state: true}").failed.unwrap().contains("does not exist"));
            assert!(run("{name: 'a b', state: true}").failed.is_some());
        }
    }
}
