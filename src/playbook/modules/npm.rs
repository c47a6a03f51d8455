//! `npm`: packages of Node.

use super::common::{RUN, Step, arg, flag, one_of, text, text_of, with_default};
use super::{Act, Args, Kind, Module, Scope, Script};

/// The module.
pub static NPM: Module = Module {
    name: "npm",
    collections: &["community.general", "ansible.builtin"],
    summary: "installs and removes packages of Node",
    args: &[
        arg("name", Kind::Str, "the package; without it, all that package.json names"),
        arg("path", Kind::Path, "the folder; not with `global`"),
        arg("version", Kind::Str, "the package's version"),
        with_default("global", Kind::Bool, "false", "for the whole host"),
        one_of("state", "present", &["absent", "latest", "present"], "there, newest, or gone"),
        with_default("production", Kind::Bool, "false", "without what only development needs"),
        with_default("ignore_scripts", Kind::Bool, "false", "run no scripts of packages"),
        with_default("unsafe_perm", Kind::Bool, "false", "run scripts as root"),
        with_default("ci", Kind::Bool, "false", "exactly what the lock file says"),
        with_default("no_optional", Kind::Bool, "false", "without optional packages"),
        with_default("no_bin_links", Kind::Bool, "false", "without links to programs"),
        with_default("force", Kind::Bool, "false", "fetch anew"),
        arg("registry", Kind::Str, "another registry"),
        arg("executable", Kind::Path, "the npm to use"),
    ],
    free_form: None,
    act: Act::Shell { library: &[RUN, SH], script },
};

const SH: &str = r#"
# b_npm OPTION...
b_npm() {
  b_npm_prog=${b_exe:-npm}
  b_need "$b_npm_prog"
  if [ -n "$b_dir" ]; then
    if [ ! -d "$b_dir" ]; then
      if [ -n "$CHECK" ]; then changed; return 0; fi
      b_x=$(mkdir -p -- "$b_dir" 2>&1) || fail "cannot make \`$b_dir\`: $b_x"
    fi
    cd -- "$b_dir" || fail "path $b_dir is not a directory"
  fi
  if [ -n "$b_ci" ]; then
    changed
    [ -n "$CHECK" ] || b_must "$b_npm_prog" ci "$@"
    return 0
  fi
  # Without a name: is anything missing, or not as the file says?
  b_is= b_ver_is= b_whole=1
  if b_x=$("$b_npm_prog" ls --depth=0 --parseable --long ${b_global:+--global} 2>/dev/null </dev/null); then :; else b_whole=; fi
  case $b_x in *:EXTRANEOUS* | *:MISSING* | *:INVALID*) b_whole= ;; esac
  if [ -n "$b_pkg" ]; then
    while IFS= read -r b_l; do
      case $b_l in *":$b_pkg@"*) b_is=1 b_ver_is=${b_l##*":$b_pkg@"} b_ver_is=${b_ver_is%%:*} ;; esac
    done <<B_END
$b_x
B_END
  fi
  case $b_state in
    absent)
      [ -n "$b_is" ] || return 0
      changed
      [ -n "$CHECK" ] || b_must "$b_npm_prog" uninstall "$@" "$b_pkg"
      ;;
    latest)
      if [ -n "$b_pkg" ] && [ -z "$b_is" ]; then b_npm_go install "$@" "$b_pkg${b_ver:+@$b_ver}"
      elif [ -n "$b_pkg" ]; then
        b_x=$("$b_npm_prog" outdated --parseable ${b_global:+--global} "$b_pkg" 2>/dev/null </dev/null)
        [ -n "$b_x" ] || return 0
        b_npm_go install "$@" "$b_pkg@latest"
      else
        b_x=$("$b_npm_prog" outdated --parseable 2>/dev/null </dev/null)
        if [ -z "$b_x" ] && [ -n "$b_whole" ]; then return 0; fi
        b_npm_go update "$@"
      fi
      ;;
    *)
      if [ -n "$b_pkg" ]; then
        if [ -n "$b_is" ]; then case $b_ver in '' | "$b_ver_is") return 0 ;; esac; fi
        b_npm_go install "$@" "$b_pkg${b_ver:+@$b_ver}"
      else
        [ -z "$b_whole" ] || return 0
        b_npm_go install "$@"
      fi
      ;;
  esac
}
b_npm_go() {
  changed
  [ -n "$CHECK" ] || b_must "$b_npm_prog" "$@"
}
"#;

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    let name = text(args, "name").unwrap_or_default();
    let global = flag(args, "global");
    if text(args, "path").is_none() && !global {
        return Err("path must be specified when not using global".to_owned());
    }
    if name.is_empty() && (global || text(args, "state") == Some("absent")) {
        return Err("`global` and `state: absent` need `name`".to_owned());
    }
    for (what, value) in [
        ("name", Some(name.to_owned())),
        ("version", text_of(args, "version")),
        ("registry", text_of(args, "registry")),
    ] {
        if value.is_some_and(|value| value.starts_with('-') || value.contains(char::is_whitespace)) {
            return Err(format!("`{what}` must be one word, and not start with `-`"));
        }
    }
    let mut call = "b_npm".to_owned();
    for (name, option) in [
        ("global", "--global"),
        ("production", "--production"),
        ("ignore_scripts", "--ignore-scripts"),
        ("unsafe_perm", "--unsafe-perm"),
        ("no_optional", "--no-optional"),
        ("no_bin_links", "--no-bin-links"),
        ("force", "--force"),
    ] {
        if flag(args, name) {
            call.push(' ');
            call.push_str(option);
        }
    }
    let mut step = Step::new(scope);
    for (var, name) in [("b_dir", "path"), ("b_exe", "executable")] {
        match text(args, name).filter(|_| name != "path" || !global) {
            Some(path) => step.set_path(var, path)?,
            None => step.set(var, "")?,
        };
    }
    if let Some(registry) = text(args, "registry") {
        step.set("b_registry", registry)?;
        call.push_str(" --registry \"$b_registry\"");
    }
    step.set("b_pkg", name)?
        .set_opt("b_ver", text_of(args, "version").as_deref())?
        .set("b_state", text(args, "state").unwrap_or("present"))?
        .set_flag("b_global", global)
        .set_flag("b_ci", flag(args, "ci"));
    Ok(step.run(&call).done())
}

#[cfg(test)]
mod tests {
    use super::NPM;
    use crate::playbook::modules::common::trial::{Trial, args};

    const FAKE: &str = "#!/bin/sh\necho \"$*\" >>log\ncase $1 in ls) cat db 2>/dev/null ;; outdated) cat late 2>/dev/null ;; install) for a; do :; done; case $a in ?*@*) ;; *) a=$a@1.0.0 ;; esac; echo \"/x/${a%@*}:$a:::\" >db ;; uninstall) rm db ;; esac\n";

    #[test]
    fn packages_come_and_go_once() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            trial.write("npm", FAKE, 0o755);
            let run = |yaml: &str| trial.with_after(shell, &NPM, &args(&NPM, yaml), "PATH=$PWD:$PATH");
            let first = run("{name: '@a/b', path: ., production: true}");
            assert!(first.changed && first.failed.is_none(), "{first:?}");
            assert!(trial.read("log").contains("install --production @a/b\n"));
            assert!(!run("{name: '@a/b', path: .}").changed);
            assert!(
                run("{name: '@a/b', path: ., version: 2.0.0}").changed
                    && !run("{name: '@a/b', path: ., version: 2.0.0}").changed
            );
            assert!(!run("{name: '@a/b', path: ., state: latest}").changed);
            assert!(
                run("{name: '@a/b', path: ., state: absent}").changed
                    && !run("{name: '@a/b', path: ., state: absent}").changed
            );
            assert!(run("{name: x}").failed.is_some() && run("{name: '-x', path: .}").failed.is_some());
        }
    }
}
