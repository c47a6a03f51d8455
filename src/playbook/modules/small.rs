//! Small modules: `slurp`, `tempfile`, `hostname`.

use super::common::{ATTRS, Step, WRITE, arg, required, text, with_default};
use super::{Act, Arg, Args, Kind, Module, Scope, Script};
use serde_json::{Map, Value};

/// A file's bytes, in base64.
pub static SLURP: Module = Module {
    name: "slurp",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "reads a file of the host, in base64",
    args: &[Arg { aliases: &["path"], ..required("src", Kind::Path, "the file") }],
    free_form: None,
    act: Act::Shell {
        library: &[],
        script: |args, scope| {
            let mut step = Step::new(scope);
            step.set_path("b_src", text(args, "src").unwrap_or_default())?;
            let mut script = step
                .run(
                    "b_x=$(LC_ALL=C head -c 0 -- \"$b_src\" 2>&1)\n\
                     case $b_x in *'ermission denied'*) fail \"File is not readable: $b_src\" ;; *'No such file'*) fail \"File not found: $b_src\" ;; esac\n\
                     case $b_x in *'ot a directory'*) fail \"Unable to slurp file: $b_src\" ;; esac\n\
                     [ -r \"$b_src\" ] || fail \"File is not readable: $b_src\"\n\
                     [ ! -d \"$b_src\" ] || fail \"Source is a directory and must be a file: $b_src\"\n\
                     [ \"$(wc -c <\"$b_src\")\" -le 3000000 ] || fail \"\\`$b_src\\` is too large to be read at once; \\`fetch\\` brings large files\"\n\
                     b_x=$(base64 <\"$b_src\") || fail \"cannot read \\`$b_src\\`\"\n\
                     out source \"$b_src\"\nout encoding base64\nout content \"$b_x\"",
                )
                .done();
            script.finish = Some(one_line);
            Ok(script)
        },
    },
};

/// Hosts break base64 into lines; Ansible does not.
fn one_line(_: &Args, result: &mut Map<String, Value>) {
    if let Some(Value::String(content)) = result.get_mut("content") {
        content.retain(|c| !c.is_ascii_whitespace());
    }
}

/// A new file or folder with a name nobody can guess.
pub static TEMPFILE: Module = Module {
    name: "tempfile",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "makes a temporary file or folder",
    args: &[
        Arg { choices: &["directory", "file"], ..with_default("state", Kind::Str, "file", "which of both") },
        arg("path", Kind::Path, "where; default: the host's temporary folder"),
        with_default("prefix", Kind::Str, "ansible.", "how its name starts"),
        with_default("suffix", Kind::Str, "''", "how its name ends"),
    ],
    free_form: None,
    act: Act::Shell { library: &[ATTRS], script: tempfile },
};

fn tempfile(args: &Args, scope: &Scope) -> Result<Script, String> {
    let mut step = Step::new(scope);
    for (var, name) in [("b_prefix", "prefix"), ("b_suffix", "suffix")] {
        let part = text(args, name).unwrap_or_default();
        if part.contains('/') {
            return Err(format!("{name} must be a valid file name component, got '{part}'"));
        }
        step.set(var, part)?;
    }
    match text(args, "path") {
        Some(path) => step.set_path("b_path", path)?,
        None => step.run("b_path=${TMPDIR:-/tmp}"),
    };
    step.set("b_dir", if text(args, "state") == Some("directory") { "-d" } else { "" })?;
    // Not every mktemp takes a suffix, so it is given by a rename inside a folder of our own.
    Ok(step
        .run(
            "changed\nif [ -z \"$CHECK\" ]; then\n\
             b_x=$(mktemp $b_dir \"$b_path/${b_prefix}XXXXXXXXXX\" 2>&1) || fail \"cannot make a temporary file: $b_x\"\n\
             if [ -n \"$b_suffix\" ]; then\n\
             if [ -e \"$b_x$b_suffix\" ] || ! mv -n -- \"$b_x\" \"$b_x$b_suffix\"; then rm -rf -- \"$b_x\"; fail \"\\`$b_x$b_suffix\\` is taken\"; fi\n\
             b_x=$b_x$b_suffix\nfi\nout path \"$b_x\"\nb_look \"$b_x\"\nb_report \"$b_x\"\nfi",
        )
        .done())
}

/// The host's name.
pub static HOSTNAME: Module = Module {
    name: "hostname",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "sets the host's name, now and for the next start",
    args: &[
        required("name", Kind::Str, "the name"),
        arg("use", Kind::Str, "accepted: /etc/hostname and the running kernel are what is set"),
    ],
    free_form: None,
    act: Act::Shell { library: &[ATTRS, WRITE, HOSTNAME_SH], script: hostname },
};

const HOSTNAME_SH: &str = r#"
b_hostname() {
  out name "$b_name"
  IFS= read -r b_now </proc/sys/kernel/hostname
  b_kept=
  [ ! -r /etc/hostname ] || IFS= read -r b_kept </etc/hostname || :
  if [ "$b_now" = "$b_name" ] && [ "$b_kept" = "$b_name" ]; then return 0; fi
  changed
  differ hostname "$b_now
" "$b_name
"
  [ -z "$CHECK" ] || return 0
  if [ "$b_kept" != "$b_name" ]; then
    (
      b_check= b_backup= b_inplace=1
      b_stage /etc/hostname
      b_fresh 644
      printf '%s\n' "$b_name" >"$b_grow"
      b_place root root 644
    ) || exit
  fi
  if [ "$b_now" != "$b_name" ]; then
    b_x=$(hostname "$b_name" 2>&1) || fail "cannot set the host's name: $b_x"
  fi
}
"#;

fn hostname(args: &Args, scope: &Scope) -> Result<Script, String> {
    let name = text(args, "name").unwrap_or_default();
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    if name.len() > 64 || !name.split('.').all(label) {
        let shown: String = name.chars().take(70).collect::<String>().escape_debug().to_string();
        return Err(format!("`{shown}` is no host name; use letters, digits and `-`, at most 64"));
    }
    Ok(Step::new(scope).set("b_name", name)?.run("b_hostname").done())
}

#[cfg(test)]
mod tests {
    use super::{HOSTNAME, SLURP, TEMPFILE, one_line};
    use crate::playbook::modules::common::{
        trial::{Trial, args},
        world::{Kind, World},
    };

    #[test]
    fn slurp_reads_any_bytes() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            trial.write("f", &format!("a\0b{}", "x".repeat(200)), 0o644);
            let task = args(&SLURP, "{src: f}");
            let mut said = trial.run(shell, &SLURP, &task);
            one_line(&task, &mut said.result);
            let bytes =
                base64::Engine::decode(&base64::engine::general_purpose::STANDARD, said.text("content")).unwrap();
            assert_eq!(bytes, std::fs::read(trial.path("f")).unwrap());
            assert!(trial.run(shell, &SLURP, &args(&SLURP, "{src: none}")).failed.unwrap().contains("not found"));
        }
    }

    #[test]
    fn temporary_files_are_private_and_named_as_asked() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            let said =
                trial.run(shell, &TEMPFILE, &args(&TEMPFILE, "{path: ., state: directory, prefix: a b, suffix: -d}"));
            assert!(said.changed && said.failed.is_none(), "{said:?}");
            let name = said.text("path").trim_start_matches("./");
            assert!(trial.path(name).is_dir() && name.starts_with("a b") && name.ends_with("-d"));
            assert_eq!(trial.mode(name), 0o700);
            assert!(trial.run(shell, &TEMPFILE, &args(&TEMPFILE, "{prefix: '../x'}")).failed.is_some());
        }
    }

    #[test]
    fn a_machine_gets_its_name_once() {
        for kind in [Kind::Debian, Kind::Busybox] {
            let mut world = World::new(kind);
            let task = args(&HOSTNAME, "{name: quay-1.example}");
            let said = world.run(&HOSTNAME, &task);
            assert!(said.changed && said.failed.is_none(), "{said:?}");
            assert_eq!(world.sh("cat /etc/hostname; hostname"), "quay-1.example\nquay-1.example\n");
            assert!(!world.run(&HOSTNAME, &task).changed);
            assert!(world.run(&HOSTNAME, &args(&HOSTNAME, "{name: 'a b'}")).failed.is_some());
        }
    }
}
