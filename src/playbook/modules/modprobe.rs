//! `modprobe`: kernel modules, loaded now and at each start.

use super::common::{ATTRS, EDIT, RUN, Step, WRITE, one_of, required, text, with_default};
use super::{Act, Args, Kind, Module, Scope, Script};

/// The module.
pub static MODPROBE: Module = Module {
    name: "modprobe",
    collections: &["community.general", "ansible.builtin"],
    summary: "loads or unloads a kernel module",
    args: &[
        required("name", Kind::Str, "the module"),
        one_of("state", "present", &["absent", "present"], "loaded or not"),
        with_default("params", Kind::Str, "''", "its parameters"),
        one_of("persistent", "disabled", &["absent", "disabled", "present"], "whether it is loaded at each start"),
    ],
    free_form: None,
    act: Act::Shell { library: &[ATTRS, WRITE, EDIT, RUN, SH], script },
};

const SH: &str = r##"
b_modprobe() {
  b_nl='
' b_backup=
  out name "$b_name"
  out state "$b_state"
  out params "$b_params"
  b_is=
  while read -r b_n b_x; do if [ "$b_n" = "$b_kernel" ]; then b_is=1; break; fi; done <"${b_loaded:-/proc/modules}"
  if [ -z "$b_is" ]; then
    b_built=${b_builtin:-/lib/modules/$(uname -r)/modules.builtin}
    # What is built into the kernel is always there.
    if [ -r "$b_built" ] && tr - _ <"$b_built" | grep -q "/$b_kernel[.]ko"; then b_is=1; fi
  fi
  if [ "$b_state" = present ] && [ -z "$b_is" ]; then
    changed
    # No module of several words: parameters are.
    set -f
    if [ -z "$CHECK" ]; then b_must modprobe -- "$b_name" $b_params; else b_try modprobe -n -- "$b_name" $b_params || fail "\`modprobe\` failed: $b_x"; fi
    set +f
  elif [ "$b_state" = absent ] && [ -n "$b_is" ]; then
    changed
    [ -n "$CHECK" ] || b_must modprobe -r -- "$b_name"
  fi
  case $b_persist in
    present)
      b_mod_file "$b_etc/modules-load.d/$b_name.conf" "$b_name"
      [ -z "$b_params" ] || b_mod_file "$b_etc/modprobe.d/$b_name.conf" "options $b_name $b_params"
      ;;
    absent)
      for b_f in "$b_etc"/modules-load.d/*.conf "$b_etc"/modprobe.d/*.conf; do
        [ -f "$b_f" ] && b_mod_quiet "$b_f"
      done
      ;;
  esac
  return 0
}
# b_mod_file FILE LINE: FILE holds LINE, and no other of its kind.
b_mod_file() {
  b_text "$1"
  case $b_nl$b_old$b_nl in *"$b_nl$2$b_nl"*) return 0 ;; esac
  b_new=$2$b_nl
  b_keep 644 || :
}
# b_mod_quiet FILE: lines that load the module, or give it parameters, become comments.
b_mod_quiet() {
  b_text "$1"
  b_new= b_rest=$b_old
  while [ -n "$b_rest" ]; do
    b_l=${b_rest%%"$b_nl"*}
    case $b_rest in *"$b_nl"*) b_rest=${b_rest#*"$b_nl"} ;; *) b_rest= ;; esac
    case "$b_l " in "$b_name "* | "options $b_name "*) b_l="#$b_l" ;; esac
    b_new=$b_new$b_l$b_nl
  done
  [ "$b_new" != "$b_old$b_nl" ] || return 0
  b_keep 644 || :
}
"##;

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    let name = text(args, "name").unwrap_or_default();
    let fine = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    if name.is_empty() || name.starts_with('-') || !name.chars().all(fine) {
        return Err(format!("`{}` is no kernel module", name.escape_debug()));
    }
    let params = text(args, "params").unwrap_or_default();
    if params.contains('\n') || params.starts_with('-') {
        return Err("`params` must be one line, and not start with `-`".to_owned());
    }
    let mut step = Step::new(scope);
    step.set("b_name", name)?
        .set("b_kernel", &name.replace('-', "_"))?
        .set("b_params", params)?
        .set("b_state", text(args, "state").unwrap_or("present"))?
        .set("b_persist", text(args, "persistent").unwrap_or("disabled"))?;
    Ok(step.run("b_etc=${b_etc:-/etc}\nb_modprobe").done())
}

#[cfg(test)]
mod tests {
    use super::MODPROBE;
    use crate::playbook::modules::common::trial::{Trial, args};

    #[test]
    fn a_module_is_loaded_kept_and_unloaded() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            trial.write("mods", "loop 1 0 - Live 0x0\n", 0o644);
            let fake = "b_loaded=mods b_builtin=none b_etc=etc\n\
                        modprobe() { case $1 in -n) ;; -r) grep -v \"^br_nf \" mods >m2; mv m2 mods ;; --) shift; echo \"$1\" | tr - _ | sed 's/$/ 1/' >>mods; echo \"$*\" >>log ;; esac; }";
            let run = |yaml: &str| trial.with_after(shell, &MODPROBE, &args(&MODPROBE, yaml), fake);
            let load = "{name: br-nf, params: 'a=1 b=2', persistent: present}";
            let first = run(load);
            assert!(first.changed && first.failed.is_none(), "{first:?}");
            assert_eq!(trial.read("log"), "br-nf a=1 b=2\n");
            assert_eq!(trial.read("etc/modules-load.d/br-nf.conf"), "br-nf\n");
            assert_eq!(trial.read("etc/modprobe.d/br-nf.conf"), "options br-nf a=1 b=2\n");
            let again = run(load);
            assert!(!again.changed && again.failed.is_none(), "{again:?}");
            let off = "{name: br-nf, state: absent, persistent: absent}";
            assert!(run(off).changed && !run(off).changed);
            assert_eq!(trial.read("etc/modules-load.d/br-nf.conf"), "#br-nf\n");
            assert!(run("{name: 'a b'}").failed.is_some() && run("{name: x, params: '-C y'}").failed.is_some());
        }
    }
}
