//! `apt_repository`: lines of /etc/apt/sources.list and the files beside it.

use super::common::{ATTRS, EDIT, RUN, Step, WRITE, arg, flag, one_of, required, text, text_of, with_default};
use super::{Act, Arg, Args, Kind, Module, Scope, Script};
use serde_json::{Map, Value};

/// The module.
pub static APT_REPOSITORY: Module = Module {
    name: "apt_repository",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "adds or removes a source of Debian packages",
    args: &[
        required("repo", Kind::Str, "the line: `deb https://example.org/debian stable main`; `ppa:` is not supported"),
        one_of("state", "present", &["absent", "present"], "there or not"),
        arg("filename", Kind::Str, "name of the file in sources.list.d, without `.list`"),
        arg("mode", Kind::Mode, "permissions of a new file; default 0644"),
        Arg {
            aliases: &["update-cache"],
            ..with_default("update_cache", Kind::Bool, "true", "fetch the lists after a change")
        },
        with_default("update_cache_retries", Kind::Int, "5", "how often fetching the lists is tried"),
        with_default("update_cache_retry_max_delay", Kind::Int, "12", "most seconds between two tries"),
        with_default("validate_certs", Kind::Bool, "true", "accepted: only `ppa:` would fetch something"),
        arg("codename", Kind::Str, "not supported: only for `ppa:`"),
        with_default("install_python_apt", Kind::Bool, "true", "accepted: there is nothing to install"),
    ],
    free_form: None,
    act: Act::Shell { library: &[ATTRS, WRITE, EDIT, RUN, SH], script },
};

const SH: &str = r#"
b_apt_repository() {
  b_nl='
' b_backup=
  b_apt_dir=${b_apt_dir:-/etc/apt}
  out repo "$b_repo"
  out state "$b_state"
  b_added= b_removed= b_did= b_found= b_undo=
  for b_f in "$b_apt_dir/sources.list" "$b_apt_dir"/sources.list.d/*.list; do
    [ -f "$b_f" ] || continue
    b_repo_file "$b_f"
  done
  if [ "$b_state" = present ] && [ -z "$b_found" ]; then
    case $b_file in /*) ;; *) b_file=$b_apt_dir/sources.list.d/$b_file ;; esac
    b_text "$b_file"
    case $b_old in '' | *"$b_nl") b_new=$b_old$b_repo$b_nl ;; *) b_new=$b_old$b_nl$b_repo$b_nl ;; esac
    [ "$b_T" = absent ] && b_added=$b_file
    b_keep "${b_mode:-644}" && b_did=1
  fi
  out sources_added "$b_added"
  out sources_removed "$b_removed"
  if [ -n "$b_did" ] && [ -n "$b_update" ] && [ -z "$CHECK" ]; then
    b_n=0 b_wait=1
    until b_try apt-get -q -o APT::Update::Error-Mode=any update; do
      b_n=$((b_n + 1))
      if [ "$b_n" -ge "$b_retries" ]; then
        # A source that cannot be read must not stay.
        [ -z "$b_added" ] || rm -f -- "$b_added"
        fail "Failed to update apt cache after $b_n retries: $b_x"
      fi
      sleep "$b_wait"
      b_wait=$((b_wait * 2))
      [ "$b_wait" -le "$b_delay" ] || b_wait=$b_delay
    done
  fi
}
# b_repo_words LINE: its words with one blank between them and no comment at the end, into b_w.
b_repo_words() {
  set -f
  set -- ${1%%#*}
  set +f
  b_w=$*
}
b_repo_file() {
  b_text "$1"
  b_new= b_rest=$b_old b_any=
  while [ -n "$b_rest" ]; do
    b_l=${b_rest%%"$b_nl"*}
    case $b_rest in *"$b_nl"*) b_rest=${b_rest#*"$b_nl"} ;; *) b_rest= ;; esac
    b_bare=$b_l b_off=
    while :; do case $b_bare in '#'*) b_bare=${b_bare#?} b_off=1 ;; ' '*) b_bare=${b_bare#?} ;; *) break ;; esac; done
    b_repo_words "$b_bare"
    if [ "$b_w" = "$b_repo" ]; then
      if [ "$b_state" = absent ]; then [ -n "$b_off" ] || continue
      elif [ -z "$b_found" ]; then
        b_found=1
        [ -z "$b_off" ] || b_l=$b_repo
      fi
    fi
    case $b_l in *[!\ ]*) b_any=1 ;; esac
    b_new=$b_new$b_l$b_nl
  done
  [ "$b_new" != "$b_old" ] && [ "$b_new" != "$b_old$b_nl" ] || return 0
  b_did=1
  case $b_any:$1 in
    :*/sources.list.d/*)
      b_removed=$b_removed$1$b_nl
      b_away "$1" || :
      ;;
    *) b_keep 644 || : ;;
  esac
}
"#;

/// The file's name that follows from the line: the address, with `_` for all that is no letter.
fn file_of(repo: &str) -> String {
    let mut plain = repo.to_owned();
    while let (Some(open), Some(close)) = (plain.find('['), plain.find(']')) {
        if close < open {
            break;
        }
        plain.replace_range(open..=close, "");
    }
    let words = plain.split_whitespace().filter(|word| !matches!(*word, "deb" | "deb-src"));
    let address = words.map(|word| word.split_once("://").map_or(word, |(_, rest)| rest)).next().unwrap_or_default();
    let address = address.split_once('@').map_or(address, |(_, rest)| rest);
    let clean: String = address.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { ' ' }).collect();
    clean.split_whitespace().collect::<Vec<_>>().join("_")
}

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    super::common::refuse(args, &["codename"])?;
    let repo = text(args, "repo").unwrap_or_default().trim();
    if repo.starts_with("ppa:") {
        return Err(
            "`ppa:` needs Launchpad; give the line it stands for, and its key by `deb822_repository`".to_owned()
        );
    }
    let words: Vec<&str> = repo.split_whitespace().collect();
    if words.len() < 3 || !matches!(words[0], "deb" | "deb-src") || repo.contains(['\n', '#', '\0']) {
        return Err(format!("Invalid repository string: {}", repo.escape_debug()));
    }
    let file = match text(args, "filename") {
        Some(name) if name.starts_with('-') || name.contains(['\n', '\0']) || name.starts_with('.') => {
            return Err(format!("`{}` is no file name", name.escape_debug()));
        }
        Some(name) => format!("{}.list", name.trim_end_matches(".list")),
        None => format!("{}.list", file_of(repo)),
    };
    let mut step = Step::new(scope);
    step.attributes(args)?;
    step.set("b_repo", &words.join(" "))?
        .set("b_state", text(args, "state").unwrap_or("present"))?
        .set("b_file", &file)?
        .set_flag("b_update", flag(args, "update_cache"))
        .set("b_retries", &text_of(args, "update_cache_retries").unwrap_or_else(|| "5".to_owned()))?
        .set("b_delay", &text_of(args, "update_cache_retry_max_delay").unwrap_or_else(|| "12".to_owned()))?;
    let mut script = step.run("b_apt_repository").done();
    script.finish = Some(finish);
    Ok(script)
}

fn finish(_: &Args, result: &mut Map<String, Value>) {
    super::common::lines_to_lists(result, &["sources_added", "sources_removed"]);
}

#[cfg(test)]
mod tests {
    use super::{APT_REPOSITORY, file_of};
    use crate::playbook::modules::common::trial::{Trial, args};

    #[test]
    fn the_file_is_named_by_the_address() {
        assert_eq!(
            file_of("deb [arch=amd64 signed-by=/x] https://me:pw@example.org/debian stable main"),
            "example_org_debian"
        );
        assert_eq!(file_of("deb-src http://a.b/c/ ./"), "a_b_c");
    }

    #[test]
    fn a_source_is_added_woken_and_removed() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            std::fs::create_dir(trial.path("sources.list.d")).unwrap();
            trial.write("sources.list", "deb http://x/debian  stable main # comment\n# deb http://y/z ./\n", 0o644);
            trial.write("apt-get", "#!/bin/sh\n[ ! -e bad ] && echo ran >>log\n", 0o755);
            let fake = "PATH=.:$PATH b_apt_dir=.";
            let run = |yaml: &str| {
                trial.with_after(
                    shell,
                    &APT_REPOSITORY,
                    &args(&APT_REPOSITORY, &format!("{{update_cache_retries: 1, {yaml}}}")),
                    fake,
                )
            };
            assert!(!run("repo: 'deb http://x/debian stable main'").changed);
            assert!(run("repo: 'deb http://y/z ./'").changed && !run("repo: 'deb http://y/z ./'").changed);
            assert_eq!(trial.read("sources.list"), "deb http://x/debian  stable main # comment\ndeb http://y/z ./\n");
            let new = "repo: 'deb [trusted=yes] http://new.example/d  a b', mode: '0600'";
            let first = run(new);
            assert!(first.changed && first.failed.is_none(), "{first:?}");
            let at = "sources.list.d/new_example_d.list";
            assert_eq!(
                (trial.read(at), trial.mode(at)),
                ("deb [trusted=yes] http://new.example/d a b\n".to_owned(), 0o600)
            );
            assert!(!run(new).changed);
            let gone = "repo: 'deb [trusted=yes] http://new.example/d a b', state: absent";
            assert!(run(gone).changed && !run(gone).changed && !trial.path(at).exists());
            trial.write("bad", "", 0o644);
            let bad = run("repo: 'deb http://bad/d ./', filename: bad");
            assert!(
                bad.failed.unwrap().contains("Failed to update") && !trial.path("sources.list.d/bad.list").exists()
            );
            assert!(
                run("repo: 'ppa:x/y'").failed.is_some() && run("repo: nonsense").failed.unwrap().contains("Invalid")
            );
        }
    }
}
