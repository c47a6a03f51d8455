//! `gem`: packages of Ruby.

use super::common::{RUN, Step, arg, flag, one_of, required, text, text_of, with_default};
use super::{Act, Arg, Args, Kind, Module, Scope, Script};

/// The module.
pub static GEM: Module = Module {
    name: "gem",
    collections: &["community.general", "ansible.builtin"],
    summary: "installs and removes packages of Ruby",
    args: &[
        required("name", Kind::Str, "the package"),
        one_of("state", "present", &["absent", "latest", "present"], "there, newest, or gone"),
        arg("version", Kind::Str, "the package's version"),
        Arg { aliases: &["source"], ..arg("gem_source", Kind::Path, "a file of the package on the host") },
        arg("repository", Kind::Str, "another source than rubygems.org"),
        arg("executable", Kind::Path, "the gem to use"),
        arg("install_dir", Kind::Path, "another folder; not with `user_install: true`"),
        arg("bindir", Kind::Path, "where programs are put"),
        with_default("user_install", Kind::Bool, "true", "in the user's own folder, unless `install_dir` is given"),
        with_default("include_dependencies", Kind::Bool, "true", "with what it needs"),
        with_default("pre_release", Kind::Bool, "false", "versions before a release, too"),
        with_default("include_doc", Kind::Bool, "false", "with its documentation"),
        with_default("env_shebang", Kind::Bool, "false", "programs find Ruby in PATH"),
        with_default("norc", Kind::Bool, "true", "read no gemrc"),
        with_default("force", Kind::Bool, "false", "whatever speaks against it"),
        arg("build_flags", Kind::Str, "options for what is compiled"),
    ],
    free_form: None,
    act: Act::Shell { library: &[RUN, SH], script },
};

const SH: &str = r#"
# b_gem OPTION...: the options are those of an installation.
b_gem() {
  b_gem_prog=${b_exe:-gem}
  b_need "$b_gem_prog"
  [ -z "$b_dir" ] || export GEM_HOME="$b_dir"
  # What Ruby brings with it cannot go.
  b_skip=
  [ "$b_state" != absent ] || b_skip='/^ *default: /d;'
  b_gem_list --local
  b_have=$b_list
  case $b_state in
    absent)
      case " $b_have " in *" ${b_ver:-$b_first} "*) [ -n "$b_have" ] || return 0 ;; *) return 0 ;; esac
      changed
      [ -n "$CHECK" ] || b_must "$b_gem_prog" uninstall ${b_norc:+--norc} ${b_dir:+--install-dir "$b_dir"} \
        ${b_force:+--force} --executables ${b_ver:+--version "$b_ver"} $([ -n "$b_ver" ] || echo --all --ignore-dependencies) "$b_name"
      return 0
      ;;
    latest)
      if [ -n "$b_have" ]; then
        b_gem_list --remote ${b_pre:+--prerelease} ${b_repo:+--source "$b_repo"}
        [ -n "$b_first" ] || fail "no source knows \`$b_name\`"
        case " $b_have " in *" $b_first "*) return 0 ;; esac
      fi
      ;;
    *)
      [ -z "$b_have" ] || case " $b_have " in *" ${b_ver:-$b_first} "*) return 0 ;; esac
      ;;
  esac
  changed
  [ -n "$CHECK" ] || b_must "$b_gem_prog" install ${b_norc:+--norc} "$@"
}
# The versions of the package, and the first of them: `name (1.2.0, default: 1.1.0 ruby)`.
b_gem_list() {
  b_x=$("$b_gem_prog" list ${b_norc:+--norc} "$@" "^$b_name\$" 2>/dev/null </dev/null)
  b_list=$(printf '%s\n' "$b_x" | sed -n "s/^[^ ]* (\(.*\))\$/\1/p" | tr ',' '\n' | sed "$b_skip s/^ *//; s/^default: //; s/ .*//" | tr '\n' ' ')
  b_list=${b_list% }
  b_first=${b_list%% *}
}
"#;

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    let name = text(args, "name").unwrap_or_default();
    let state = text(args, "state").unwrap_or("present");
    let dir = text(args, "install_dir");
    let version = text_of(args, "version");
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c)) || name.starts_with('-')
    {
        return Err(format!("`{name}` is no name of a package"));
    }
    for (what, value) in [("version", version.as_deref()), ("repository", text(args, "repository"))] {
        if value.is_some_and(|value| value.starts_with('-') || value.contains(char::is_whitespace)) {
            return Err(format!("`{what}` must be one word, and not start with `-`"));
        }
    }
    if version.is_some() && state == "latest" {
        return Err("Cannot specify version when state=latest".to_owned());
    }
    if text(args, "gem_source").is_some() && state == "latest" {
        return Err("Cannot maintain state=latest when installing from local source".to_owned());
    }
    if !flag(args, "include_dependencies") && state == "absent" {
        return Err("`include_dependencies` is for what is installed".to_owned());
    }
    let mut step = Step::new(scope);
    for (var, name) in
        [("b_dir", "install_dir"), ("b_exe", "executable"), ("b_bin", "bindir"), ("b_file", "gem_source")]
    {
        match text(args, name) {
            Some(path) => step.set_path(var, path)?,
            None => step.set(var, "")?,
        };
    }
    step.set("b_name", name)?
        .set("b_state", state)?
        .set_opt("b_ver", version.as_deref())?
        .set_opt("b_repo", text(args, "repository"))?
        .set_opt("b_flags", text(args, "build_flags"))?
        .set_flag("b_norc", flag(args, "norc"))
        .set_flag("b_pre", flag(args, "pre_release"))
        .set_flag("b_force", flag(args, "force"));
    let mut call = "b_gem".to_owned();
    if !flag(args, "include_dependencies") {
        call.push_str(" --ignore-dependencies");
    }
    // A folder that is given is not the user's.
    call.push_str(if dir.is_none() && flag(args, "user_install") { " --user-install" } else { " --no-user-install" });
    if !flag(args, "include_doc") {
        call.push_str(" --no-document");
    }
    if flag(args, "env_shebang") {
        call.push_str(" --env-shebang");
    }
    call.push_str(
        " ${b_dir:+--install-dir \"$b_dir\"} ${b_bin:+--bindir \"$b_bin\"} ${b_ver:+--version \"$b_ver\"} \
         ${b_pre:+--pre} ${b_repo:+--source \"$b_repo\"} ${b_force:+--force} \"${b_file:-$b_name}\" \
         ${b_flags:+-- \"$b_flags\"}",
    );
    Ok(step.run(&call).done())
}

#[cfg(test)]
mod tests {
    use super::GEM;
    use crate::playbook::modules::common::trial::{Trial, args};

    const FAKE: &str = r#"#!/bin/sh
echo "$*" >>log
cmd=$1; shift
for a; do [ "$a" != --remote ] || far=1; case $p in --version) v=$a ;; esac; p=$a last=$a; done
case $cmd in
  list) n=${last#^}; n=${n%\$}
    if [ -n "$far" ]; then echo; echo "$n (3.0.0)"; else [ ! -s "is.$n" ] || echo "$n ($(cat "is.$n"))"; fi ;;
  install) echo "${v:-2.0.0}, default: 1.0.0" >"is.$last" ;;
  uninstall) rm "is.$last" ;;
esac
"#;

    #[test]
    fn packages_come_and_go_once() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            trial.write("gem", FAKE, 0o755);
            let run = |yaml: &str| trial.with_after(shell, &GEM, &args(&GEM, yaml), "PATH=$PWD:$PATH");
            let twice = |yaml: &str| {
                let (first, second) = (run(yaml), run(yaml));
                assert!(first.changed && first.failed.is_none(), "{yaml}: {first:?}");
                assert!(!second.changed && second.failed.is_none(), "{yaml}: {second:?}");
            };
            twice("{name: rake, user_install: false}");
            assert!(trial.read("log").contains("install --norc --no-user-install --no-document rake\n"));
            // One that Ruby brings with it counts, too.
            assert!(!run("{name: rake, version: 1.0.0}").changed);
            twice("{name: rake, version: 2.5.0}");
            assert!(run("{name: rake, state: latest}").changed);
            trial.write("is.rake", "3.0.0", 0o644);
            assert!(!run("{name: rake, state: latest}").changed);
            twice("{name: rake, state: absent}");
            for wrong in ["{name: -x}", "{name: 'a b'}", "{name: a, version: 1, state: latest}"] {
                assert!(run(wrong).failed.is_some(), "{wrong}");
            }
        }
    }
}
