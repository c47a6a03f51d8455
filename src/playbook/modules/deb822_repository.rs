//! `deb822_repository`: sources of Debian packages, as `.sources` files with their keys.

use super::common::{ATTRS, EDIT, RUN, Step, WRITE, arg, list, one_of, required, text, with_default};
use super::{Act, Arg, Args, Kind, Module, Scope, Script};
use serde_json::{Map, Value};
use std::fmt::Write as _;

/// The module.
pub static DEB822_REPOSITORY: Module = Module {
    name: "deb822_repository",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "adds or removes a source of Debian packages, with its key",
    args: &[
        required("name", Kind::Str, "the source's name; names the file, too"),
        arg("uris", Kind::List, "addresses"),
        arg("suites", Kind::List, "suites: `bookworm`"),
        arg("components", Kind::List, "components: `main`"),
        Arg {
            choices: &["deb", "deb-src"],
            ..with_default("types", Kind::List, "[deb]", "programs, sources, or both")
        },
        arg("signed_by", Kind::Str, "the key: a file on the host, an address, a fingerprint, or its text"),
        arg("enabled", Kind::Bool, "whether it is used"),
        arg("trusted", Kind::Bool, "packages without a signature are fine"),
        arg("architectures", Kind::List, "only for these"),
        arg("languages", Kind::List, "translations to fetch"),
        arg("targets", Kind::List, "which indexes to fetch"),
        arg("pdiffs", Kind::Bool, "fetch differences of indexes"),
        arg("by_hash", Kind::Bool, "fetch indexes by their hash"),
        arg("allow_insecure", Kind::Bool, "a source without a signature"),
        arg("allow_weak", Kind::Bool, "a source with a weak signature"),
        arg("allow_downgrade_to_insecure", Kind::Bool, "a source that had a signature once"),
        arg("check_date", Kind::Bool, "mind the date of the index"),
        arg("date_max_future", Kind::Int, "seconds that the index may come from the future"),
        arg("check_valid_until", Kind::Bool, "mind the end of the index"),
        arg("inrelease_path", Kind::Str, "another place of the InRelease file"),
        with_default("mode", Kind::Mode, "'0644'", "the file's permissions"),
        one_of("state", "present", &["absent", "present"], "there or not"),
        with_default("install_python_debian", Kind::Bool, "false", "accepted: there is nothing to install"),
    ],
    free_form: None,
    act: Act::Shell { library: &[ATTRS, WRITE, EDIT, RUN, SH], script },
};

const SH: &str = r#"
b_deb822() {
  b_nl='
' b_backup= b_owner= b_group=
  b_apt_dir=${b_apt_dir:-/etc/apt}
  b_dest=$b_apt_dir/sources.list.d/$b_slug.sources
  out dest "$b_dest"
  if [ "$b_state" = absent ]; then
    b_away "$b_dest" || :
    for b_f in "$b_apt_dir/keyrings/$b_slug.asc" "$b_apt_dir/keyrings/$b_slug.gpg"; do b_away "$b_f" || :; done
    out key_filename "$b_apt_dir/keyrings/$b_slug.gpg"
    return 0
  fi
  b_new=$b_head
  if [ -n "$b_signed" ]; then
    b_by=$b_signed
    case $b_signed in
      *://*)
        b_tmp=$(mktemp "${TMPDIR:-/tmp}/.berth.XXXXXXXXXX") || fail 'cannot make a temporary file'
        trap 'rm -f -- "$b_tmp"' 0
        b_fetch "$b_signed" "$b_tmp"
        b_ext=gpg
        if grep -q -e '-----BEGIN PGP PUBLIC KEY BLOCK-----' "$b_tmp"; then b_ext=asc; fi
        b_by=$b_apt_dir/keyrings/$b_slug.$b_ext
        out key_filename "$b_by"
        if ! cmp -s "$b_tmp" "$b_by"; then
          changed
          if [ -z "$CHECK" ]; then
            [ -d "$b_apt_dir/keyrings" ] || b_x=$(mkdir -p -m 755 -- "$b_apt_dir/keyrings" 2>&1) || fail "cannot make \`$b_apt_dir/keyrings\`: $b_x"
            (
              b_check= b_inplace=1
              b_stage "$b_by"
              b_fresh 644
              cat "$b_tmp" >"$b_grow" || fail "cannot write \`$b_by\`"
              b_place root root 644
            ) || exit
          fi
        fi
        rm -f -- "$b_tmp"
        trap - 0
        ;;
      *"$b_nl"*)
        # A key's text goes on, each line set in, an empty one as a dot.
        b_by= b_rest=$b_signed$b_nl
        while [ -n "$b_rest" ]; do
          b_l=${b_rest%%"$b_nl"*} b_rest=${b_rest#*"$b_nl"}
          b_by="$b_by$b_nl ${b_l:-.}"
        done
        while :; do case $b_by in *"$b_nl .") b_by=${b_by%"$b_nl ."} ;; *) break ;; esac; done
        ;;
    esac
    case $b_by in "$b_nl"*) b_new="${b_new}Signed-By:$b_by$b_nl" ;; *) b_new="${b_new}Signed-By: $b_by$b_nl" ;; esac
  fi
  b_new=$b_new$b_tail
  out repo "$b_new"
  b_text "$b_dest"
  if b_keep "$b_mode"; then [ -n "$CHECK" ] || b_look "$b_dest"; fi
  [ "$b_T" = absent ] || b_attrs "$b_dest" || :
}
"#;

const FIELDS: [(&str, &str); 20] = [
    ("allow_downgrade_to_insecure", "Allow-Downgrade-To-Insecure"),
    ("allow_insecure", "Allow-Insecure"),
    ("allow_weak", "Allow-Weak"),
    ("architectures", "Architectures"),
    ("by_hash", "By-Hash"),
    ("check_date", "Check-Date"),
    ("check_valid_until", "Check-Valid-Until"),
    ("components", "Components"),
    ("date_max_future", "Date-Max-Future"),
    ("enabled", "Enabled"),
    ("inrelease_path", "Inrelease-Path"),
    ("languages", "Languages"),
    ("name", "X-Repolib-Name"),
    ("pdiffs", "Pdiffs"),
    ("signed_by", "Signed-By"),
    ("suites", "Suites"),
    ("targets", "Targets"),
    ("trusted", "Trusted"),
    ("types", "Types"),
    ("uris", "URIs"),
];

/// The file's name: small letters, digits and dashes.
fn slug(name: &str) -> String {
    let dashed: String =
        name.to_lowercase().split(|c: char| c == '_' || c.is_whitespace()).collect::<Vec<_>>().join("-");
    let mut made = String::new();
    for c in dashed.chars().filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-') {
        made.push(c);
    }
    made
}

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    let slug = slug(text(args, "name").unwrap_or_default());
    if slug.is_empty() {
        return Err("`name` holds no letter or digit to name the file by".to_owned());
    }
    let (mut head, mut tail) = (String::new(), String::new());
    for (name, field) in FIELDS.into_iter().filter(|(name, _)| *name != "signed_by") {
        let value = match args.get(name) {
            None => continue,
            Some(Value::Bool(on)) => if *on { "yes" } else { "no" }.to_owned(),
            Some(Value::Array(_)) => list(args, name).unwrap_or_default().join(" "),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        if value.contains('\n') {
            return Err(format!("`{name}` must be one line"));
        }
        let into = if name < "signed_by" { &mut head } else { &mut tail };
        let _ = writeln!(into, "{field}: {value}");
    }
    let mut step = Step::new(scope);
    let mut mode = Args(Map::new());
    mode.0.insert("mode".to_owned(), args.0.get("mode").cloned().unwrap_or_else(|| "0644".into()));
    step.attributes(&mode)?;
    step.set("b_slug", &slug)?
        .set("b_head", &head)?
        .set("b_tail", &tail)?
        .set_opt("b_signed", text(args, "signed_by"))?
        .set("b_state", text(args, "state").unwrap_or("present"))?;
    Ok(step.run("b_deb822").done())
}

#[cfg(test)]
mod tests {
    use super::{DEB822_REPOSITORY, slug};
    use crate::playbook::modules::common::trial::{Trial, args};

    #[test]
    fn names_become_file_names() {
        assert_eq!(slug("My_Source two!"), "my-source-two");
    }

    #[test]
    fn a_source_is_written_with_its_key_and_removed() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            std::fs::create_dir_all(trial.path("sources.list.d")).unwrap();
            trial.write("curl", "#!/bin/sh\nwhile [ \"$1\" != -o ]; do shift; done\necho '-----BEGIN PGP PUBLIC KEY BLOCK-----' >\"$2\"\n", 0o755);
            let fake = format!("PATH={0}:$PATH b_apt_dir={0}", trial.at());
            let run = |yaml: &str| {
                trial.with_after(
                    shell,
                    &DEB822_REPOSITORY,
                    &args(&DEB822_REPOSITORY, &format!("{{name: a b, {yaml}}}")),
                    &fake,
                )
            };
            let all = "uris: http://x/d, suites: [s, s-updates], components: main, date_max_future: 10, enabled: false, signed_by: 'https://x/key'";
            let first = run(all);
            assert!(first.changed && first.failed.is_none(), "{first:?}");
            assert_eq!(
                trial.read("sources.list.d/a-b.sources"),
                format!(
                    "Components: main\nDate-Max-Future: 10\nEnabled: no\nX-Repolib-Name: a b\nSigned-By: {}/keyrings/a-b.asc\nSuites: s s-updates\nTypes: deb\nURIs: http://x/d\n",
                    trial.at()
                )
            );
            assert_eq!(trial.mode("keyrings/a-b.asc"), 0o644);
            let again = run(all);
            assert!(!again.changed && again.failed.is_none(), "{again:?}");
            assert!(run(&format!("{all}, mode: '0600'")).changed);
            assert_eq!(trial.mode("sources.list.d/a-b.sources"), 0o600);
            let inline = run("uris: http://x/d, suites: ./, signed_by: \"A\\n\\nB\\n\"");
            assert!(inline.text("repo").contains("Signed-By:\n A\n .\n B\nSuites"), "{inline:?}");
            assert!(run("state: absent").changed && !run("state: absent").changed);
            assert!(!trial.path("keyrings/a-b.asc").exists());
        }
    }
}
