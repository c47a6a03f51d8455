//! `locale_gen`: the locales of a Debian host.

use super::common::{ATTRS, EDIT, RUN, Step, WRITE, list, one_of, required, text};
use super::{Act, Args, Kind, Module, Scope, Script};

/// The module.
pub static LOCALE_GEN: Module = Module {
    name: "locale_gen",
    collections: &["community.general", "ansible.builtin"],
    summary: "generates or removes locales",
    args: &[
        required("name", Kind::List, "locales: `en_GB.UTF-8`"),
        one_of("state", "present", &["absent", "present"], "there or not"),
    ],
    free_form: None,
    act: Act::Shell { library: &[ATTRS, WRITE, EDIT, RUN, SH], script },
};

const SH: &str = r##"
b_locale_gen() {
  b_nl='
' b_backup=
  b_need locale-gen
  b_have=$(locale -a 2>/dev/null | tr -d - | tr '[:upper:]' '[:lower:]')
  b_todo=
  for b_p; do
    b_x=$(printf %s "$b_p" | tr -d - | tr '[:upper:]' '[:lower:]')
    case $b_nl$b_have$b_nl in
      *"$b_nl$b_x$b_nl"*) [ "$b_state" = present ] || b_todo="$b_todo $b_p" ;;
      *) [ "$b_state" = absent ] || b_todo="$b_todo $b_p" ;;
    esac
  done
  [ -n "$b_todo" ] || return 0
  b_gen=${b_gen:-/etc/locale.gen}
  [ -f "$b_gen" ] || fail "\`$b_gen\` is not there; install the package \`locales\`"
  b_text "$b_gen"
  b_new= b_rest=$b_old b_found=
  while [ -n "$b_rest" ]; do
    b_l=${b_rest%%"$b_nl"*}
    case $b_rest in *"$b_nl"*) b_rest=${b_rest#*"$b_nl"} ;; *) b_rest= ;; esac
    b_x=$b_l
    while :; do case $b_x in '#'* | ' '*) b_x=${b_x#?} ;; *) break ;; esac; done
    case "$b_todo " in
      *" ${b_x%% *} "*)
        case $b_x in
          *' '*)
            b_found="$b_found ${b_x%% *}"
            if [ "$b_state" = present ]; then b_l=$b_x; else b_l="# $b_x"; fi
            ;;
        esac
        ;;
    esac
    b_new=$b_new$b_l$b_nl
  done
  if [ "$b_state" = present ]; then
    for b_p in $b_todo; do
      case "$b_found " in *" $b_p "*) continue ;; esac
      # Known by the system, though not listed.
      [ -f "${b_supported:-/usr/share/i18n/SUPPORTED}" ] && grep -q "^$(printf %s "$b_p" | sed 's/[.]/[.]/g') " "${b_supported:-/usr/share/i18n/SUPPORTED}" || fail "The following locales you have entered are not available on your system: $b_p"
      b_new=$b_new$(grep "^$(printf %s "$b_p" | sed 's/[.]/[.]/g') " "${b_supported:-/usr/share/i18n/SUPPORTED}")$b_nl
    done
  fi
  changed
  b_keep 644 || :
  [ -n "$CHECK" ] || b_must locale-gen
}
"##;

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    let names = list(args, "name").unwrap_or_default();
    let mut call = "b_locale_gen".to_owned();
    for name in &names {
        let fine = |c: char| c.is_ascii_alphanumeric() || "_-.@".contains(c);
        if name.is_empty() || name.starts_with('-') || !name.chars().all(fine) {
            return Err(format!("`{}` is no locale", name.escape_debug()));
        }
        call.push(' ');
        call.push_str(name);
    }
    let mut step = Step::new(scope);
    step.set("b_state", text(args, "state").unwrap_or("present"))?;
    Ok(step.run(&call).done())
}

#[cfg(test)]
mod tests {
    use super::LOCALE_GEN;
    use crate::playbook::modules::common::trial::{Trial, args};

    #[test]
    fn locales_are_generated_once() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            trial.write("gen", "# About\n# de_DE.UTF-8 UTF-8\n# de_DE ISO-8859-1\n", 0o644);
            let fake = "PATH=.:$PATH b_gen=gen b_supported=none\nlocale() { sed -n 's/^\\([a-z][^ ]*\\) .*/\\1/p' gen | sed 's/UTF-8/utf8/'; }";
            // Not every shell takes a `-` in the name of a function.
            trial.write("locale-gen", "#!/bin/sh\necho ran >>log\n", 0o755);
            let run = |yaml: &str| trial.with_after(shell, &LOCALE_GEN, &args(&LOCALE_GEN, yaml), fake);
            let first = run("{name: de_DE.UTF-8}");
            assert!(first.changed && first.failed.is_none(), "{first:?}");
            assert_eq!(
                (trial.read("gen"), trial.read("log")),
                ("# About\nde_DE.UTF-8 UTF-8\n# de_DE ISO-8859-1\n".to_owned(), "ran\n".to_owned())
            );
            assert!(!run("{name: de_DE.UTF-8}").changed);
            assert!(run("{name: xx_XX.UTF-8}").failed.unwrap().contains("not available"));
            assert!(run("{name: de_DE.UTF-8, state: absent}").changed);
            assert_eq!(trial.read("gen"), "# About\n# de_DE.UTF-8 UTF-8\n# de_DE ISO-8859-1\n");
        }
    }
}
