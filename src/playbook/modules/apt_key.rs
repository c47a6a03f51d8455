//! `apt_key`: keys that all of apt trusts, by the host's `apt-key` or, where it is gone, by `gpg`.

use super::common::{RUN, Step, arg, flag, given, one_of, text, with_default};
use super::{Act, Args, Kind, Module, Scope, Script};

/// The module.
pub static APT_KEY: Module = Module {
    name: "apt_key",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "adds or removes a key of apt; `deb822_repository` is the better way",
    args: &[
        arg("id", Kind::Str, "the key's number; saves fetching it when it is there"),
        arg("data", Kind::Str, "the key's text"),
        arg("file", Kind::Path, "a file on the host"),
        arg("url", Kind::Str, "an address"),
        arg("keyserver", Kind::Str, "a key server, with `id`"),
        arg("keyring", Kind::Path, "another keyring than apt's own"),
        one_of("state", "present", &["absent", "present"], "there or not"),
        with_default("validate_certs", Kind::Bool, "true", "mind the address's certificate"),
    ],
    free_form: None,
    act: Act::Shell { library: &[RUN, SH], script },
};

const SH: &str = r#"
b_apt_key() {
  b_nl='
'
  b_need gpg
  b_home=$(mktemp -d "${TMPDIR:-/tmp}/.berth.XXXXXXXXXX") || fail 'cannot make a temporary folder'
  trap 'rm -rf -- "$b_home"' 0
  [ -n "$b_ring" ] || b_ring=${b_trusted:-/etc/apt/trusted.gpg.d}/berth-apt-key.gpg
  b_got=
  if [ "$b_state" = present ]; then
    # With a number that is there nothing need be fetched.
    if [ -n "$b_id" ] && b_key_there; then return 0; fi
    b_key_get
    b_ids=$(gpg --homedir "$b_home" --batch --with-colons --import-options show-only --import "$b_got" 2>"$b_home/err" </dev/null | awk -F: '$1 == "pub" { p = 1 } $1 == "fpr" && p { print $10; p = 0 }')
    [ -n "$b_ids" ] || fail "Unable to extract key from the provided inline data: $(cat "$b_home/err")"
    b_todo=
    for b_k in $b_ids; do b_want=$b_k; b_key_there || b_todo=1; done
    if [ -n "$b_id" ]; then
      case $b_nl$b_ids$b_nl in *"$b_id$b_nl"*) ;; *) fail "key does not seem to have been added: \`$b_id\` is not among those given" ;; esac
    fi
    [ -n "$b_todo" ] || return 0
    changed
    [ -z "$CHECK" ] || return 0
    b_x=$(gpg --homedir "$b_home" --batch --no-default-keyring --keyring "gnupg-ring:$b_ring" --import "$b_got" 2>&1 </dev/null) || fail "cannot add the key: $b_x"
    chmod 644 -- "$b_ring"
    rm -f -- "$b_ring~"
    return 0
  fi
  b_key_there || return 0
  changed
  [ -z "$CHECK" ] || return 0
  for b_f in $b_holds; do
    b_x=$(gpg --homedir "$b_home" --batch --yes --no-default-keyring --keyring "gnupg-ring:$b_f" --delete-keys "$b_want" 2>&1 </dev/null) || fail "cannot remove the key from \`$b_f\`: $b_x"
    rm -f -- "$b_f~"
    [ -s "$b_f" ] || rm -f -- "$b_f"
  done
}
# Whether a key that ends with b_want (or b_id) is in one of the keyrings; those that hold it into b_holds.
b_key_there() {
  b_want=${b_want:-$b_id}
  b_holds=
  for b_f in "$b_ring" ${b_own:+/etc/apt/trusted.gpg} ${b_own:+"${b_trusted:-/etc/apt/trusted.gpg.d}"/*.gpg} ${b_own:+"${b_trusted:-/etc/apt/trusted.gpg.d}"/*.asc}; do
    [ -s "$b_f" ] || continue
    case " $b_holds " in *" $b_f "*) continue ;; esac
    b_x=$(gpg --homedir "$b_home" --batch --with-colons --import-options show-only --import "$b_f" 2>/dev/null </dev/null | awk -F: '$1 == "fpr" { print $10 }')
    case $b_x$b_nl in *"$b_want$b_nl"*) b_holds="$b_holds $b_f" ;; esac
  done
  [ -n "$b_holds" ]
}
b_key_get() {
  b_got=$b_home/key
  if [ -n "$b_file" ]; then
    [ -r "$b_file" ] || fail "cannot read \`$b_file\`"
    b_got=$b_file
  elif [ -n "$b_url" ]; then b_fetch "$b_url" "$b_got"
  elif [ -n "$b_server" ]; then
    b_x=$(gpg --homedir "$b_home" --batch --keyserver "$b_server" --recv-keys "$b_id" 2>&1 </dev/null) || fail "error fetching key $b_id from keyserver $b_server: $b_x"
    gpg --homedir "$b_home" --batch --export "$b_id" >"$b_got" 2>/dev/null </dev/null
  elif [ -f "$FILES/key" ]; then b_got=$FILES/key
  else fail 'missing key_id, required with keyserver.'; fi
}
"#;

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    let sources = ["data", "file", "url", "keyserver"].into_iter().filter(|name| given(args, name)).count();
    if sources > 1 {
        return Err("parameters are mutually exclusive: data|file|keyserver|url".to_owned());
    }
    let present = text(args, "state") != Some("absent");
    let id = text(args, "id").unwrap_or_default().trim().to_uppercase();
    let id = id.strip_prefix("0X").unwrap_or(&id).replace(' ', "");
    if !id.bytes().all(|b| b.is_ascii_hexdigit()) || !id.is_empty() && id.len() < 8 {
        return Err(format!("Invalid key_id `{}`: it is 8 to 40 hexadecimal digits", id.escape_debug()));
    }
    if id.is_empty() && (!present || given(args, "keyserver")) {
        return Err("`id` is needed for `keyserver` and for `state: absent`".to_owned());
    }
    if present && sources == 0 && id.is_empty() {
        return Err("give `data`, `file`, `url`, or `keyserver` with `id`".to_owned());
    }
    for name in ["url", "keyserver"] {
        if text(args, name).is_some_and(|value| value.starts_with('-') || value.contains(char::is_whitespace)) {
            return Err(format!("`{name}` is no address"));
        }
    }
    let mut step = Step::new(scope);
    for (var, name) in [("b_file", "file"), ("b_ring", "keyring")] {
        match text(args, name) {
            Some(path) => step.set_path(var, path)?,
            None => step.set(var, "")?,
        };
    }
    step.set("b_id", &id)?
        .set("b_want", "")?
        .set_opt("b_url", text(args, "url"))?
        .set_opt("b_server", text(args, "keyserver"))?
        .set_flag("b_own", !given(args, "keyring"))
        .set_flag("b_insecure", !flag(args, "validate_certs"))
        .set("b_state", text(args, "state").unwrap_or("present"))?;
    if let Some(data) = text(args, "data") {
        step.file("key", data.as_bytes().to_vec());
    }
    Ok(step.run("b_apt_key").done())
}

#[cfg(test)]
mod tests {
    use super::APT_KEY;
    use crate::playbook::modules::common::{
        trial::{Trial, args},
        world::{Kind, World},
    };

    #[test]
    fn a_key_is_added_once_and_removed() {
        let mut world = World::new(Kind::Debian);
        if !world.sh("command -v gpg").contains("gpg") {
            // Without gpg the module can only say so.
            let said = world.run(&APT_KEY, &args(&APT_KEY, "{file: /x}"));
            assert!(said.failed.unwrap().contains("`gpg` is not on this host"));
            return;
        }
        let made = world.sh("export GNUPGHOME=/tmp/g; mkdir -m 700 /tmp/g; gpg --batch --quick-gen-key --passphrase '' demo@example.org rsa2048 sign never 2>&1; gpg --export --armor >/tmp/key.asc; gpg --with-colons -k | awk -F: '$1 == \"fpr\" { print \"FPR\" $10; exit }'");
        let id = made.lines().find_map(|line| line.strip_prefix("FPR")).unwrap_or_else(|| panic!("{made}")).to_owned();
        let mut run = |yaml: &str, changed: bool| {
            let said = world.run(&APT_KEY, &args(&APT_KEY, yaml));
            assert!(said.failed.is_none() && said.changed == changed, "{yaml} {said:?}");
        };
        run("{file: /tmp/key.asc}", true);
        run("{file: /tmp/key.asc}", false);
        run(&format!("{{id: '{}', url: 'http://127.0.0.1:1/nothing'}}", &id[id.len() - 16..]), false);
        run(&format!("{{id: '{id}', state: absent}}"), true);
        run(&format!("{{id: '{id}', state: absent}}"), false);
        run("{file: /tmp/key.asc, keyring: /etc/apt/own.gpg}", true);
        run("{file: /tmp/key.asc, keyring: /etc/apt/own.gpg}", false);
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let trial = Trial::new();
        for bad in [
            "{}",
            "{id: xyz}",
            "{id: '1234'}",
            "{state: absent}",
            "{url: '-x y'}",
            "{file: a, url: b}",
            "{keyserver: k}",
        ] {
            assert!(trial.run(Trial::SHELLS[0], &APT_KEY, &args(&APT_KEY, bad)).failed.is_some(), "{bad}");
        }
    }
}
