//! `yum_repository`: sources of packages of Red Hat's family.

use super::common::{ATTRS, EDIT, FILE_ARGS, Step, WRITE, arg, join, list, one_of, required, text};
use super::{Act, Arg, Args, Kind, Module, Scope, Script};
use serde_json::Value;
use std::fmt::Write as _;

/// What goes into the file under its own name, and what it holds.
const FIELDS: &[Arg] = &[
    arg("bandwidth", Kind::Str, "most bytes a second"),
    Arg { aliases: &["ca_cert"], ..arg("sslcacert", Kind::Str, "file of certificate authorities") },
    Arg { aliases: &["client_cert"], ..arg("sslclientcert", Kind::Str, "client certificate") },
    Arg { aliases: &["client_key"], ..arg("sslclientkey", Kind::Str, "client key") },
    arg("baseurl", Kind::List, "addresses"),
    arg("cost", Kind::Str, "1000 is usual; less is better"),
    arg("deltarpm_percentage", Kind::Str, "how much smaller a delta must be"),
    arg("enabled", Kind::Bool, "whether it is used"),
    arg("enablegroups", Kind::Bool, "whether its groups count"),
    arg("exclude", Kind::List, "packages not to take from it"),
    arg("failovermethod", Kind::Str, "roundrobin or priority"),
    arg("gpgcakey", Kind::Str, "key of the authority"),
    arg("gpgcheck", Kind::Bool, "mind signatures of packages"),
    arg("gpgkey", Kind::List, "addresses of keys"),
    arg("includepkgs", Kind::List, "only these packages"),
    arg("ip_resolve", Kind::Str, "4, 6 or whatever"),
    arg("keepalive", Kind::Bool, "keep connections"),
    arg("metadata_expire", Kind::Str, "for how long lists are good"),
    arg("metalink", Kind::Str, "address of a metalink"),
    arg("mirrorlist", Kind::Str, "address of a list of mirrors"),
    arg("module_hotfixes", Kind::Bool, "no filtering by modules"),
    arg("password", Kind::Str, "password for the addresses"),
    arg("priority", Kind::Str, "1 to 99; less is better"),
    arg("proxy", Kind::Str, "address of a proxy, or _none_"),
    arg("proxy_password", Kind::Str, "password for the proxy"),
    arg("proxy_username", Kind::Str, "name for the proxy"),
    arg("repo_gpgcheck", Kind::Bool, "mind signatures of lists"),
    arg("retries", Kind::Str, "tries"),
    arg("s3_enabled", Kind::Bool, "addresses are of S3"),
    arg("skip_if_unavailable", Kind::Bool, "go on without it"),
    Arg { aliases: &["validate_certs"], ..arg("sslverify", Kind::Bool, "mind certificates") },
    arg("throttle", Kind::Str, "bandwidth to use"),
    arg("timeout", Kind::Str, "seconds to wait"),
    arg("countme", Kind::Bool, "be counted"),
    arg("username", Kind::Str, "name for the addresses"),
    arg("async", Kind::Bool, "accepted: written for old hosts"),
    arg("http_caching", Kind::Str, "accepted: written for old hosts"),
    arg("include", Kind::Str, "accepted: written for old hosts"),
    arg("keepcache", Kind::Str, "accepted: written for old hosts"),
    arg("metadata_expire_filter", Kind::Str, "accepted: written for old hosts"),
    arg("mirrorlist_expire", Kind::Str, "accepted: written for old hosts"),
    arg("protect", Kind::Bool, "accepted: written for old hosts"),
    arg("ssl_check_cert_permissions", Kind::Bool, "accepted: written for old hosts"),
    arg("ui_repoid_vars", Kind::Str, "accepted: written for old hosts"),
    arg("deltarpm_metadata_percentage", Kind::Str, "accepted: written for old hosts"),
];
const OWN: &[Arg] = &[
    required("name", Kind::Str, "the source's short name: `[name]` in the file"),
    arg("description", Kind::Str, "its long name"),
    arg("file", Kind::Str, "the file's name without `.repo`; default: the short name"),
    super::common::with_default("reposdir", Kind::Path, "/etc/yum.repos.d", "the folder"),
    one_of("state", "present", &["absent", "present"], "there or not"),
];

/// The module.
pub static YUM_REPOSITORY: Module = Module {
    name: "yum_repository",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "adds or removes a source of packages of Red Hat's family",
    args: &join::<{ OWN.len() + FIELDS.len() + FILE_ARGS.len() }>(&[OWN, FIELDS, FILE_ARGS]),
    free_form: None,
    act: Act::Shell { library: &[ATTRS, WRITE, EDIT, SH], script },
};

const SH: &str = r#"
b_yum_repo() {
  b_nl='
' b_backup=
  out repo "$b_repo"
  out state "$b_state"
  [ -d "$b_dir" ] || { [ -n "$CHECK" ] || fail "Repo directory '$b_dir' does not exist."; }
  b_text "$b_dir/$b_file.repo"
  b_new= b_rest=$b_old b_in= b_done= b_ours= b_any=
  while [ -n "$b_rest" ]; do
    b_l=${b_rest%%"$b_nl"*}
    case $b_rest in *"$b_nl"*) b_rest=${b_rest#*"$b_nl"} ;; *) b_rest= ;; esac
    case $b_l in
      "[$b_repo]"*)
        b_in=1 b_done=1
        b_new=$b_new$b_body
        continue
        ;;
      '['*) b_in= b_any=1 ;;
    esac
    if [ -n "$b_in" ]; then
      [ -z "$b_l" ] || b_ours=$b_ours$b_l$b_nl
      continue
    fi
    b_new=$b_new$b_l$b_nl
  done
  if [ -z "$b_done" ] && [ -n "$b_body" ]; then b_new=$b_new$b_body; b_any=1; fi
  [ -z "$b_body" ] || b_any=1
  if [ -z "$b_any" ]; then
    [ -z "$b_done" ] || b_away "$b_path" || :
    return 0
  fi
  # The same lines with other blanks around are no change.
  if [ -n "$b_body" ] && [ -n "$b_done" ] && [ "[$b_repo]$b_nl$b_ours$b_nl" = "$b_body" ]; then b_new=$b_old; fi
  if b_keep "${b_mode:-644}"; then [ -n "$CHECK" ] || b_look "$b_path"; fi
  [ "$b_T" = absent ] || [ "$b_state" = absent ] || b_attrs "$b_path" || :
}
"#;

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    let name = text(args, "name").unwrap_or_default();
    let file = text(args, "file").unwrap_or(name);
    for word in [name, file] {
        if word.is_empty() || word.contains(['/', '\n', '[', ']', '\0']) || word.starts_with(['-', '.']) {
            return Err(format!("`{}` is no name of a source", word.escape_debug()));
        }
    }
    let mut body = String::new();
    if text(args, "state") != Some("absent") {
        if !["baseurl", "metalink", "mirrorlist"].iter().any(|name| args.get(name).is_some()) {
            return Err("Parameter 'baseurl', 'metalink' or 'mirrorlist' is required.".to_owned());
        }
        if args.get("description").is_none() {
            return Err("Parameter 'description' is required.".to_owned());
        }
        let mut lines: Vec<(&str, String)> = vec![("name", text(args, "description").unwrap_or_default().to_owned())];
        for field in FIELDS {
            let value = match args.get(field.name) {
                None => continue,
                Some(Value::Bool(on)) => if *on { "1" } else { "0" }.to_owned(),
                Some(Value::Array(_)) => {
                    let mark = if matches!(field.name, "exclude" | "includepkgs") { " " } else { "\n       " };
                    list(args, field.name).unwrap_or_default().join(mark)
                }
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
            };
            lines.push((field.name, value));
        }
        lines.sort();
        let _ = writeln!(body, "[{name}]");
        for (field, value) in lines {
            if value.replace("\n       ", "").contains('\n') {
                return Err(format!("`{field}` must be one line"));
            }
            let _ = writeln!(body, "{field} = {value}");
        }
        body.push('\n');
    }
    let mut step = Step::new(scope);
    step.attributes(args)?;
    step.set("b_repo", name)?
        .set("b_file", file.trim_end_matches(".repo"))?
        .set("b_body", &body)?
        .set_path("b_dir", text(args, "reposdir").unwrap_or("/etc/yum.repos.d"))?
        .set("b_state", text(args, "state").unwrap_or("present"))?;
    Ok(step.run("b_yum_repo").done())
}

#[cfg(test)]
mod tests {
    use super::YUM_REPOSITORY;
    use crate::playbook::modules::common::trial::{Trial, args};

    #[test]
    fn sources_share_a_file_and_it_goes_with_the_last() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            let run = |yaml: &str| {
                trial.run(shell, &YUM_REPOSITORY, &args(&YUM_REPOSITORY, &format!("{{reposdir: ., file: f, {yaml}}}")))
            };
            let epel = "name: epel, description: 'E $basearch', baseurl: ['http://a/', 'http://b/'], gpgcheck: false, enabled: true, exclude: [x, z]";
            let first = run(epel);
            assert!(first.changed && first.failed.is_none(), "{first:?}");
            let text = "[epel]\nbaseurl = http://a/\n       http://b/\nenabled = 1\nexclude = x z\ngpgcheck = 0\nname = E $basearch\n\n";
            assert_eq!(trial.read("f.repo"), text);
            let again = run(epel);
            assert!(!again.changed && again.failed.is_none(), "{again:?}");
            assert!(run("name: two, description: T, metalink: http://m, mode: '0600'").changed);
            assert_eq!(
                (trial.read("f.repo"), trial.mode("f.repo")),
                (format!("{text}[two]\nmetalink = http://m\nname = T\n\n"), 0o600)
            );
            assert!(run("name: epel, state: absent").changed && !run("name: epel, state: absent").changed);
            assert_eq!(trial.read("f.repo"), "[two]\nmetalink = http://m\nname = T\n\n");
            assert!(run("name: two, state: absent").changed && !trial.path("f.repo").exists());
            assert!(
                run("name: x, description: y").failed.is_some() && run("name: '../x', state: absent").failed.is_some()
            );
        }
    }
}
