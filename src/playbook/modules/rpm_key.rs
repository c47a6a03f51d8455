//! `rpm_key`: keys that rpm trusts.

use super::common::{RUN, Step, arg, flag, list, one_of, required, text, with_default};
use super::{Act, Args, Kind, Module, Scope, Script};

/// The module.
pub static RPM_KEY: Module = Module {
    name: "rpm_key",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "adds or removes a key of rpm",
    args: &[
        required("key", Kind::Str, "an address, a file on the host, or for absent the key's number"),
        one_of("state", "present", &["absent", "present"], "there or not"),
        with_default("validate_certs", Kind::Bool, "true", "mind the address's certificate"),
        arg("fingerprint", Kind::List, "what the key must be"),
    ],
    free_form: None,
    act: Act::Shell { library: &[RUN, SH], script },
};

const SH: &str = r#"
b_rpm_key() {
  b_need rpm
  b_home=$(mktemp -d "${TMPDIR:-/tmp}/.berth.XXXXXXXXXX") || fail 'cannot make a temporary folder'
  trap 'rm -rf -- "$b_home"' 0
  if [ -z "$b_id" ]; then
    case $b_key in *://*) b_fetch "$b_key" "$b_home/key"; b_key=$b_home/key ;; esac
    [ -r "$b_key" ] || fail "Not a valid key $b_key"
    b_need gpg
    b_x=$(gpg --homedir "$b_home" --batch --no-tty --with-colons --import-options show-only --import "$b_key" 2>&1 </dev/null | awk -F: '$1 == "pub" { p = 1; print "ID " $5 } $1 == "fpr" && p { print "FPR " $10; p = 0 }')
    case $b_x in *'ID '*) ;; *) fail "Not a valid key $b_key" ;; esac
    b_id=${b_x#*'ID '}
    b_id=${b_id%%[!0-9A-F]*}
    if [ -n "$b_fprs" ]; then
      b_f=${b_x#*'FPR '}
      b_f=${b_f%%[!0-9A-F]*}
      case " $b_fprs " in *" $b_f "*) ;; *) fail "The specified fingerprint, '$b_fprs', does not match any key fingerprints in '$b_f'" ;; esac
    fi
  fi
  # rpm knows a key by the last eight digits of its number.
  b_short=$(printf %s "$b_id" | tail -c 8 | tr '[:upper:]' '[:lower:]')
  b_have=$(rpm -q gpg-pubkey --qf '%{NAME}-%{VERSION}-%{RELEASE}\n' 2>/dev/null | grep -i -- "-[0-9a-f]*$b_short-")
  if [ "$b_state" = present ]; then
    [ -z "$b_have" ] || return 0
    changed
    [ -n "$CHECK" ] || b_must rpm --import "$b_key"
  else
    [ -n "$b_have" ] || return 0
    changed
    [ -n "$CHECK" ] || b_must rpm --erase --allmatches $b_have
  fi
}
"#;

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    let key = text(args, "key").unwrap_or_default();
    if key.starts_with('-') || key.contains(['\n', '\0']) || key.is_empty() {
        return Err(format!("`{}` is no key", key.escape_debug()));
    }
    let digits = key.trim_start_matches("0x").trim_start_matches("0X");
    let is_id = digits.len() >= 8 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    if is_id && text(args, "state") != Some("absent") {
        return Err("When importing a key, a valid file must be given".to_owned());
    }
    let prints: Vec<String> =
        list(args, "fingerprint").unwrap_or_default().iter().map(|f| f.replace(' ', "").to_uppercase()).collect();
    if prints.iter().any(|print| !print.bytes().all(|b| b.is_ascii_hexdigit())) {
        return Err("`fingerprint` is of hexadecimal digits".to_owned());
    }
    let mut step = Step::new(scope);
    if is_id || key.contains("://") {
        step.set("b_key", key)?;
    } else {
        step.set_path("b_key", key)?;
    }
    step.set("b_id", if is_id { digits } else { "" })?
        .set("b_fprs", &prints.join(" "))?
        .set_flag("b_insecure", !flag(args, "validate_certs"))
        .set("b_state", text(args, "state").unwrap_or("present"))?;
    Ok(step.run("b_rpm_key").done())
}

#[cfg(test)]
mod tests {
    use super::RPM_KEY;
    use crate::playbook::modules::common::trial::{Trial, args};

    #[test]
    fn a_key_is_imported_and_erased_once() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            trial.write("k", "a key", 0o644);
            trial.write(
                "gpg",
                "#!/bin/sh\nprintf 'pub:-:2048:1:AAAABBBBCCCCDDDD:1:::\\nfpr:::::::::0123AAAABBBBCCCCDDDD:\\n'\n",
                0o755,
            );
            // A function, because `BusyBox` has an `rpm` of its own.
            let rpm = "PATH=.:$PATH\nrpm() { case $1 in -q) cat db 2>/dev/null ;; --import) echo gpg-pubkey-ccccdddd-5f >db ;; --erase) rm db ;; esac; }";
            let run = |yaml: &str| trial.with_after(shell, &RPM_KEY, &args(&RPM_KEY, yaml), rpm);
            let first = run("{key: ./k, fingerprint: '0123 AAAA BBBB CCCC DDDD'}");
            assert!(first.changed && first.failed.is_none(), "{first:?}");
            assert!(!run("{key: ./k}").changed);
            assert!(run("{key: ./k, fingerprint: 'FFFF'}").failed.unwrap().contains("does not match"));
            assert!(run("{key: CCCCDDDD, state: absent}").changed && !run("{key: CCCCDDDD, state: absent}").changed);
            assert!(run("{key: CCCCDDDD}").failed.is_some() && run("{key: '-x'}").failed.is_some());
        }
    }
}
