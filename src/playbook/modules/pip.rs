//! `pip`: Python's packages, by the `pip` of the host or of a virtual environment there.
//!
//! What a range such as `foo>=1.0` allows is left to `pip` itself, which then says whether it did something.

use super::common::{RUN, Step, arg, flag, given, list, one_of, quote, text, text_of, with_default};
use super::{Act, Args, Kind, Module, Scope, Script};

/// The module.
pub static PIP: Module = Module {
    name: "pip",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "installs and removes Python's packages",
    args: &[
        arg("name", Kind::List, "packages: `foo`, `foo==1.0`, `foo>=1,<2`, addresses"),
        arg("version", Kind::Str, "version of the one package in `name`"),
        arg("requirements", Kind::Str, "a file of packages on the host"),
        one_of("state", "present", &["absent", "forcereinstall", "latest", "present"], "there, newest, anew, or gone"),
        arg("virtualenv", Kind::Path, "a virtual environment; made when it is not there"),
        with_default("virtualenv_site_packages", Kind::Bool, "false", "the environment sees the host's packages"),
        with_default("virtualenv_command", Kind::Path, "virtualenv", "what makes it; falls back to `python3 -m venv`"),
        arg("virtualenv_python", Kind::Str, "the environment's Python"),
        arg("extra_args", Kind::Str, "more options for pip"),
        with_default("editable", Kind::Bool, "false", "install in editable mode"),
        arg("chdir", Kind::Path, "run in this folder"),
        arg("executable", Kind::Path, "the pip to use"),
        arg("umask", Kind::Str, "umask for what is written"),
        with_default("break_system_packages", Kind::Bool, "false", "also into a Python that the system manages"),
    ],
    free_form: None,
    act: Act::Shell { library: &[RUN, SH], script },
};

const SH: &str = r#"
# b_pip PACKAGE...
b_pip() {
  b_nl='
'
  [ -z "$b_umask" ] || umask "$b_umask" || fail "\`umask: $b_umask\` is no umask"
  [ -z "$b_dir" ] || cd -- "$b_dir" || fail "cannot enter \`$b_dir\`"
  if [ -n "$b_env" ]; then
    out virtualenv "$b_env"
    if [ ! -x "$b_env/bin/activate" ] && [ ! -f "$b_env/bin/activate" ]; then
      changed
      [ -z "$CHECK" ] || return 0
      b_pip_env
    fi
    # An environment alone.
    if [ $# = 0 ] && [ -z "$b_req" ]; then return 0; fi
    b_pip=$b_env/bin/pip
    [ -x "$b_pip" ] || b_pip=$b_env/bin/pip3
    [ -x "$b_pip" ] || fail "Unable to find pip in the virtualenv, $b_env, under any of these names: pip3, pip. Make sure pip is present in the virtualenv."
  elif [ -n "$b_pip" ]; then
    command -v "$b_pip" >/dev/null || fail "Unable to find $b_pip to use.  pip needs to be installed."
  else
    for b_pip in pip3 pip; do command -v "$b_pip" >/dev/null && break; b_pip=; done
    if [ -z "$b_pip" ] && python3 -m pip --version >/dev/null 2>&1; then b_pip='python3 -m pip'; fi
    [ -n "$b_pip" ] || fail 'Unable to find any of pip3, pip to use.  pip needs to be installed.'
  fi
  PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
  export PIP_DISABLE_PIP_VERSION_CHECK PIP_NO_INPUT
  [ -z "$b_break" ] || { PIP_BREAK_SYSTEM_PACKAGES=1; export PIP_BREAK_SYSTEM_PACKAGES; }
  b_look=
  if [ $# -gt 0 ] && [ -z "$b_req" ]; then
    case $b_state:$b_edit in
      present: | absent:*)
        # `pip list` is fast; what it shows may make pip itself needless.
        b_have=$($b_pip list --format=freeze 2>/dev/null | tr '[:upper:]_.' '[:lower:]--')
        b_look=1
        for b_p; do b_pip_fits "$b_p" || b_look=; done
        ;;
    esac
  fi
  if [ -n "$b_look" ]; then out msg 'already in the wanted state'; return 0; fi
  if [ "$b_state" = absent ]; then
    if [ -z "$b_req" ]; then
      b_any=
      for b_p; do b_pip_bare "$b_p"; case $b_nl$b_have in *"$b_nl$b_bare=="*) b_any=1 ;; esac; done
      [ -n "$b_any" ] || return 0
    fi
    if [ -n "$CHECK" ]; then changed; return 0; fi
    set -- uninstall -y $b_more ${b_req:+-r "$b_req"} "$@"
  else
    case $b_state in
      latest) set -- install -U $b_more ${b_req:+-r "$b_req"} "$@" ;;
      forcereinstall) set -- install -U --force-reinstall $b_more ${b_req:+-r "$b_req"} "$@" ;;
      *) set -- install $b_more ${b_req:+-r "$b_req"} "$@" ;;
    esac
    if [ -n "$CHECK" ]; then
      # Where pip can only pretend, it says what it would do.
      if b_try $b_pip "$@" --dry-run; then case $b_x in *'Would install'*) changed ;; esac; return 0; fi
      changed
      return 0
    fi
  fi
  out cmd "$b_pip $*"
  b_must $b_pip "$@"
  out stdout "$b_x"
  case $b_x in *'Successfully installed'* | *'Successfully uninstalled'*) changed ;; esac
}
# b_pip_bare SPEC: the package's name as pip lists it, into b_bare.
b_pip_bare() {
  b_bare=${1%%[!A-Za-z0-9._-]*}
  b_bare=$(printf %s "$b_bare" | tr '[:upper:]_.' '[:lower:]--')
}
# Whether SPEC is plainly satisfied (for absent: gone) by b_have; what is not plain is left to pip.
b_pip_fits() {
  b_pip_bare "$1"
  case $b_nl$b_have in *"$b_nl$b_bare=="*) b_is=1 ;; *) b_is= ;; esac
  if [ "$b_state" = absent ]; then [ -z "$b_is" ]; return; fi
  [ -n "$b_is" ] || return 1
  case $1 in
    *://* | */* | *';'*) return 1 ;;
    *==*)
      b_v=$(printf %s "${1#*==}" | tr '[:upper:]_.' '[:lower:]--' | tr -d ' ')
      case $b_nl$b_have$b_nl in *"$b_nl$b_bare==$b_v$b_nl"*) return 0 ;; *) return 1 ;; esac
      ;;
    *[\<\>=!~]*) return 1 ;;
  esac
}
b_pip_env() {
  set -- ${b_site:+--system-site-packages}
  set -f
  if [ "$b_maker" = virtualenv ] && ! command -v virtualenv >/dev/null; then
    b_need "${b_python:-python3}"
    b_must "${b_python:-python3}" -m venv "$@" "$b_env"
  else
    case $b_maker in
      *' -m venv'* | *pyvenv*) b_must $b_maker "$@" "$b_env" ;;
      *) b_must $b_maker "$@" ${b_python:+-p "$b_python"} "$b_env" ;;
    esac
  fi
  set +f
}
"#;

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    // A list by commas splits `foo>=1,<2`: what begins with a comparison belongs to what stands before.
    let mut names: Vec<String> = vec![];
    for part in list(args, "name").unwrap_or_default() {
        match names.last_mut() {
            Some(last) if part.starts_with(['<', '>', '=', '!', '~']) => {
                last.push(',');
                last.push_str(&part);
            }
            _ => names.push(part),
        }
    }
    let state = text(args, "state").unwrap_or("present");
    if names.is_empty() && !given(args, "requirements") && !given(args, "virtualenv") {
        return Err("one of the following is required: name, requirements, virtualenv".to_owned());
    }
    if !names.is_empty() && given(args, "requirements") {
        return Err("parameters are mutually exclusive: name|requirements".to_owned());
    }
    if given(args, "executable") && given(args, "virtualenv") {
        return Err("parameters are mutually exclusive: executable|virtualenv".to_owned());
    }
    if let Some(version) = text_of(args, "version") {
        if names.len() != 1 {
            return Err("'version' argument is ambiguous when installing multiple package distributions. Please specify version restrictions next to each package in 'name' argument.".to_owned());
        }
        if state == "latest" {
            return Err("version is incompatible with state=latest".to_owned());
        }
        if names[0].contains(['<', '>', '=', '~']) {
            return Err("The 'version' argument conflicts with any version specifier provided along with a package name. Please keep the version specifier, but remove the 'version' argument.".to_owned());
        }
        let mark = if version.starts_with(['<', '>', '=', '!', '~']) { "" } else { "==" };
        names[0] = format!("{}{mark}{version}", names[0]);
    }
    let mut call = "b_pip".to_owned();
    for name in &names {
        if name.starts_with('-') || name.is_empty() || name.contains(['\n', '\0']) {
            return Err(format!("`{}` is no package", name.escape_debug()));
        }
        if flag(args, "editable") {
            call.push_str(" -e");
        }
        call.push(' ');
        call.push_str(&quote(name)?);
    }
    let mut more = String::new();
    for word in text(args, "extra_args").unwrap_or_default().split_whitespace() {
        more.push(' ');
        more.push_str(word.trim_matches(['"', '\'']));
    }
    let mut step = Step::new(scope);
    for (var, name) in [("b_env", "virtualenv"), ("b_dir", "chdir"), ("b_pip", "executable")] {
        match text(args, name).filter(|path| !path.is_empty()) {
            Some(path) => step.set_path(var, path)?,
            None => step.set(var, "")?,
        };
    }
    step.set("b_state", state)?
        .set_opt("b_req", text(args, "requirements"))?
        .set("b_more", &more)?
        .set_opt("b_umask", text_of(args, "umask").as_deref())?
        .set("b_maker", text(args, "virtualenv_command").unwrap_or("virtualenv"))?
        .set_opt("b_python", text(args, "virtualenv_python"))?
        .set_flag("b_site", flag(args, "virtualenv_site_packages"))
        .set_flag("b_edit", flag(args, "editable"))
        .set_flag("b_break", flag(args, "break_system_packages"));
    Ok(step.run(&call).done())
}

#[cfg(test)]
mod tests {
    use super::PIP;
    use crate::playbook::modules::common::trial::{Trial, args};

    const FAKE: &str = "#!/bin/sh\necho \"$*\" >>log\ncase $1 in list) cat db ;; install) for a; do :; done; case $a in *bad*) echo no; exit 1 ;; esac; case $a in --dry-run) echo 'Would install x'; exit ;; esac; grep -q \"^${a%%=*}==\" db && echo 'Requirement already satisfied' || { echo \"${a%%=*}==1.0\" >>db; echo \"Successfully installed $a\"; } ;; uninstall) for a; do :; done; grep -v \"^$a==\" db >d2; mv d2 db; echo 'Successfully uninstalled' ;; esac\n";

    #[test]
    fn packages_come_and_go_once() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            trial.write("pip3", FAKE, 0o755);
            trial.write("db", "Foo_Bar==2.0\n", 0o644);
            let run = |yaml: &str| trial.with_after(shell, &PIP, &args(&PIP, yaml), "PATH=.:$PATH");
            assert!(!run("{name: foo-bar}").changed && !run("{name: foo.bar==2.0}").changed);
            let look = trial.with(shell, &PIP, &args(&PIP, "{name: new}"), "PATH=.:$PATH CHECK=1 DIFF=");
            assert!(look.changed && look.failed.is_none(), "{look:?}");
            let first = run("{name: new, extra_args: --no-deps}");
            assert!(first.changed && first.failed.is_none(), "{first:?}");
            assert!(trial.read("log").contains("install --no-deps new\n"));
            assert!(!run("{name: new, version: '1.0'}").changed);
            assert!(!run("{name: new, state: latest}").changed);
            assert!(run("{name: new, state: absent}").changed && !run("{name: new, state: absent}").changed);
            assert!(
                run("{name: bad}").failed.is_some()
                    && run("{name: '-r x'}").failed.is_some()
                    && run("{}").failed.is_some()
            );
            assert!(run("{name: 'a,b', version: 1}").failed.unwrap().contains("ambiguous"));
        }
    }

    #[test]
    fn an_environment_is_made_once() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            let make = "#!/bin/sh\nfor a; do :; done\nmkdir -p \"$a/bin\"; touch \"$a/bin/activate\"; cp pip3 \"$a/bin/pip\"\n";
            trial.write("virtualenv", make, 0o755);
            trial.write("pip3", FAKE, 0o755);
            trial.write("db", "", 0o644);
            let run = |yaml: &str| trial.with_after(shell, &PIP, &args(&PIP, yaml), "PATH=.:$PATH");
            let task = format!("{{name: new, virtualenv: '{}/env'}}", trial.at());
            let first = run(&task);
            assert!(first.changed && first.failed.is_none() && trial.path("env/bin/pip").exists(), "{first:?}");
            assert!(!run(&task).changed);
            assert!(!run(&format!("{{virtualenv: '{}/env'}}", trial.at())).changed);
        }
    }
}
