//! `openssl_privatekey`: private keys, made by the host's `openssl`.

use super::common::{
    ATTRS, BACKUP_ARGS, EDIT, FILE_ARGS, RUN, Step, WRITE, arg, args, flag, one_of, required, text, with_default,
};
use super::{Act, Args, Kind, Module, Scope, Script};

/// The module.
pub static OPENSSL_PRIVATEKEY: Module = Module {
    name: "openssl_privatekey",
    collections: &["community.crypto", "community.general", "ansible.builtin"],
    summary: "makes private keys, and makes them anew when they are not as wanted",
    args: args![
        required("path", Kind::Path, "the file"),
        one_of("state", "present", &["absent", "present"], "there or gone"),
        one_of("type", "RSA", &["DSA", "ECC", "Ed25519", "Ed448", "RSA", "X25519", "X448"], "which algorithm"),
        with_default("size", Kind::Int, "4096", "bits of an RSA or DSA key"),
        arg("curve", Kind::Str, "the curve of an ECC key: `secp256r1`, `secp384r1`…"),
        arg("passphrase", Kind::Str, "what opens the key"),
        arg("cipher", Kind::Str, "how a passphrase seals it; only `auto`"),
        with_default("force", Kind::Bool, "false", "make it anew each time"),
        one_of(
            "regenerate",
            "full_idempotence",
            &["always", "fail", "full_idempotence", "never", "partial_idempotence"],
            "when a key that is there is replaced",
        ),
        one_of("format", "auto_ignore", &["auto", "auto_ignore", "pkcs1", "pkcs8", "raw"], "only `auto_ignore`: PKCS #8"),
        one_of("format_mismatch", "regenerate", &["convert", "regenerate"], "accepted: the format is never looked at"),
        with_default("return_content", Kind::Bool, "false", "give the key's text as well"),
        one_of("select_crypto_backend", "auto", &["auto", "cryptography"], "accepted: it is the host's openssl");
        FILE_ARGS, BACKUP_ARGS
    ],
    free_form: None,
    act: Act::Shell { library: &[ATTRS, WRITE, EDIT, RUN, SH], script },
};

const SH: &str = r#"
# b_pkey: the key at b_path as the task wants it.
b_pkey() {
  # A key is no text to be shown.
  DIFF=
  out filename "$b_path"
  out type "$b_type"
  if [ "$b_state" = absent ]; then b_away "$b_path" || :; return 0; fi
  b_need openssl
  b_text "$b_path"
  b_new=$b_old
  b_why
  if [ -n "$b_reason" ]; then
    [ "$b_regen" != fail ] || [ "$b_T" = absent ] || fail "Key has wrong type and/or size: $b_reason"
    if [ -z "$CHECK" ]; then b_make; else b_new=new; fi
  fi
  [ -z "$b_backup" ] || [ "$b_T" != file ] || [ "$b_new" = "$b_old" ] || [ -n "$CHECK" ] || b_second
  if b_keep "${b_first_mode:-600}"; then [ -n "$CHECK" ] || b_look "$b_path"; fi
  [ "$b_T" = absent ] || b_attrs "$b_path" || :
  [ -z "$b_content" ] || [ -n "$CHECK" ] || out privatekey "$b_new"
}
b_second() {
  b_copy=$b_path.$$.$(date +%Y-%m-%d@%H:%M:%S)~
  b_x=$(cp -p -- "$b_path" "$b_copy" 2>&1) || fail "backup failed: $b_x"
  out backup_file "$b_copy"
}
# b_why: into b_reason why the key must be made, or nothing.
b_why() {
  b_reason=
  [ "$b_T" != absent ] || { b_reason='there is none'; return 0; }
  case $b_regen in
    always) b_reason=asked; return 0 ;;
    never) return 0 ;;
  esac
  [ -z "$b_again" ] || { b_reason=asked; return 0; }
  # An empty passphrase keeps openssl from asking.
  b_by=pass:
  [ -z "$b_sealed" ] || b_by=file:$FILES/pass
  if ! b_said=$(LC_ALL=C openssl pkey -in "$b_path" -noout -text -passin "$b_by" 2>/dev/null </dev/null); then
    b_reason='it cannot be read'
  elif [ -n "$b_sealed" ] && ! grep -q ENCRYPTED "$b_path"; then
    b_reason='it has no passphrase'
  fi
  if [ -n "$b_reason" ]; then
    case $b_regen in full_idempotence) return 0 ;; esac
    case $b_reason in
      'it cannot be read') fail 'Unable to read the key. The key is protected with a another passphrase / no passphrase or broken. Will not proceed. To force regeneration, call the module with `generate` set to `full_idempotence` or `always`, or with `force=true`.' ;;
    esac
    b_reason=
  fi
  b_size=$(printf '%s\n' "$b_said" | sed -n 's/.*(\([0-9]*\) bit.*/\1/p' | head -n 1)
  case $b_said in
    *modulus:*) b_is=RSA ;;
    *'ASN1 OID:'*) b_is=ECC ;;
    *ED25519*) b_is=Ed25519 ;;
    *ED448*) b_is=Ed448 ;;
    *X25519*) b_is=X25519 ;;
    *X448*) b_is=X448 ;;
    *) b_is=DSA ;;
  esac
  [ "$b_is" = "$b_type" ] || { b_reason="it is of the type $b_is"; return 0; }
  case $b_type in
    RSA | DSA) [ "$b_size" = "$b_bits" ] || b_reason="it has $b_size bits" ;;
    ECC)
      b_has=$(printf '%s\n' "$b_said" | sed -n 's/^ASN1 OID: *//p' | head -n 1)
      [ "$b_has" = "$b_curve" ] || b_reason="its curve is $b_has"
      ;;
  esac
}
# b_make: a new key, into b_new. It is in no file that others may read.
b_make() {
  b_tmp=$(mktemp -d "${TMPDIR:-/tmp}/.berth.XXXXXXXXXX") || fail 'cannot make a temporary folder'
  trap 'rm -rf -- "$b_tmp"' 0
  case $b_type in
    RSA) set -- -algorithm RSA -pkeyopt "rsa_keygen_bits:$b_bits" ;;
    ECC) set -- -algorithm EC -pkeyopt "ec_paramgen_curve:$b_curve" -pkeyopt ec_param_enc:named_curve ;;
    DSA)
      b_must openssl genpkey -genparam -algorithm DSA -pkeyopt "dsa_paramgen_bits:$b_bits" -out "$b_tmp/param"
      set -- -paramfile "$b_tmp/param"
      ;;
    *) set -- -algorithm "$b_type" ;;
  esac
  [ -z "$b_sealed" ] || set -- "$@" -aes256 -pass "file:$FILES/pass"
  ( umask 077; : >"$b_tmp/key" )
  b_must openssl genpkey "$@" -out "$b_tmp/key"
  b_new=$(cat "$b_tmp/key" && echo x)
  b_new=${b_new%x}
  rm -rf -- "$b_tmp"
  trap - 0
}
"#;

/// Openssl's name for a curve.
fn curve(name: &str) -> String {
    match name {
        "secp256r1" => "prime256v1".to_owned(),
        "secp192r1" => "prime192v1".to_owned(),
        other => other.to_owned(),
    }
}

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    let kind = text(args, "type").unwrap_or("RSA");
    if text(args, "format") != Some("auto_ignore") {
        return Err("`format` other than `auto_ignore` is not supported".to_owned());
    }
    if text(args, "cipher").is_some_and(|cipher| cipher != "auto") {
        return Err("`cipher` other than `auto` is not supported".to_owned());
    }
    let given = text(args, "curve").filter(|curve| !curve.is_empty());
    if kind == "ECC" && given.is_none() {
        return Err("type is ECC but all of the following are missing: curve".to_owned());
    }
    let wanted = curve(given.unwrap_or_default());
    if !wanted.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err(format!("`{}` is no name of a curve", wanted.escape_debug()));
    }
    let bits = args.int("size").unwrap_or(4096);
    if matches!(kind, "RSA" | "DSA") && !(512..=16_384).contains(&bits) {
        return Err(format!("`size` is {bits}; keys have 512 to 16384 bits"));
    }
    let passphrase = text(args, "passphrase").filter(|passphrase| !passphrase.is_empty());
    if passphrase.is_some_and(|passphrase| passphrase.contains(['\n', '\0'])) {
        return Err("`passphrase` is one line".to_owned());
    }
    let mut step = Step::new(scope);
    step.attributes(args)?;
    step.set_path("b_path", text(args, "path").unwrap_or_default())?
        .set("b_state", text(args, "state").unwrap_or_default())?
        .set("b_type", kind)?
        .set("b_bits", &bits.to_string())?
        .set("b_curve", &wanted)?
        .set("b_regen", text(args, "regenerate").unwrap_or_default())?
        .set_flag("b_sealed", passphrase.is_some())
        .set_flag("b_again", flag(args, "force"))
        .set_flag("b_backup", flag(args, "backup"))
        .set_flag("b_content", flag(args, "return_content"));
    if let Some(passphrase) = passphrase {
        step.file("pass", format!("{passphrase}\n").into_bytes());
    }
    if matches!(kind, "RSA" | "DSA") && text(args, "state") == Some("present") {
        step.run(&format!("outj size {bits}"));
    }
    Ok(step.run("b_pkey").done())
}

#[cfg(test)]
mod tests {
    use super::OPENSSL_PRIVATEKEY;
    use crate::playbook::modules::common::trial::{Shell, Trial, args};

    #[test]
    fn keys_are_made_once_and_anew_when_they_are_not_as_wanted() {
        let trial = Trial::new();
        trial.wipe();
        let task = |yaml: &str| args(&OPENSSL_PRIVATEKEY, &format!("{{path: key.pem, {yaml}}}"));
        let run = |yaml: &str| trial.run(Shell::Dash, &OPENSSL_PRIVATEKEY, &task(yaml));
        let twice = |yaml: &str| {
            let first = run(yaml);
            assert!(first.changed && first.failed.is_none(), "{yaml}: {first:?}");
            let second = run(yaml);
            assert!(!second.changed && second.failed.is_none(), "{yaml}: {second:?}");
            let check = trial.check(Shell::Dash, &OPENSSL_PRIVATEKEY, &task(yaml));
            assert!(!check.changed && check.failed.is_none(), "{yaml}: {check:?}");
            for said in [&first, &second] {
                assert!(!format!("{said:?}").contains("BEGIN"), "a key was told: {said:?}");
            }
        };
        assert!(trial.check(Shell::Dash, &OPENSSL_PRIVATEKEY, &task("type: Ed25519")).changed);
        assert!(!trial.path("key.pem").exists());
        twice("type: RSA, size: 1024");
        assert_eq!(trial.mode("key.pem"), 0o600);
        twice("type: RSA, size: 1536, mode: '0640'");
        assert_eq!(trial.mode("key.pem"), 0o640);
        assert!(run("type: RSA, size: 1024, regenerate: fail").failed.unwrap().contains("1536 bits"));
        assert!(!run("type: RSA, size: 1024, regenerate: never").changed);
        twice("type: ECC, curve: secp384r1");
        twice("type: ECC, curve: secp256r1, passphrase: 'hunter 2'");
        assert!(trial.read("key.pem").contains("ENCRYPTED"));
        assert!(run("type: ECC, curve: secp256r1, regenerate: partial_idempotence").failed.is_some());
        twice("type: ECC, curve: secp256r1");
        twice("type: Ed25519");
        assert!(run("type: Ed25519, force: true").changed);
        twice("state: absent");
        for wrong in ["type: ECC", "format: raw", "size: 64", "type: ECC, curve: 'a b'"] {
            assert!(run(wrong).failed.is_some(), "{wrong}");
        }
    }
}
