//! `command`, `shell` and `raw`: run what the playbook says.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::{
    Act, Arg, Args, Kind, Module, Scope, Script,
    common::{arg, with_default, words::split},
};
use crate::remote::quote;

const ARGS: &[Arg] = &[
    arg("_raw_params", Kind::Str, "The command line"),
    arg("cmd", Kind::Str, "The command line, as an argument"),
    Arg {
        name: "argv",
        aliases: &[],
        kind: Kind::List,
        required: false,
        default: None,
        choices: &[],
        doc: "The command as a list of words",
    },
    arg("chdir", Kind::Path, "Change into this folder first"),
    arg("creates", Kind::Path, "Skip when this path (or glob) exists"),
    arg("removes", Kind::Path, "Skip unless this path (or glob) exists"),
    arg("stdin", Kind::Str, "Text for the command's standard input"),
    with_default("stdin_add_newline", Kind::Bool, "true", "End that text with a newline"),
    with_default("strip_empty_ends", Kind::Bool, "true", "Cut newlines off the end of the output"),
    arg("executable", Kind::Path, "The shell to use, for `shell`"),
    with_default("warn", Kind::Bool, "false", "Taken for old playbooks; does nothing"),
    arg("expand_argument_vars", Kind::Bool, "Expand `$NAME` in the words, for `command`; default: true"),
];

/// Runs a program, without a shell's meaning of `|`, `>` and `*`.
pub static COMMAND: Module = Module {
    name: "command",
    collections: &["ansible.builtin"],
    summary: "Run a program",
    args: ARGS,
    free_form: Some("_raw_params"),
    act: Act::Shell { library: &[], script: command },
};

/// Runs a command line in a shell.
pub static SHELL: Module = Module {
    name: "shell",
    collections: &["ansible.builtin"],
    summary: "Run a command line in a shell",
    args: ARGS,
    free_form: Some("_raw_params"),
    act: Act::Shell { library: &[], script: shell },
};

/// Runs a command line in a shell and does not look at it.
pub static RAW: Module = Module {
    name: "raw",
    collections: &["ansible.builtin"],
    summary: "Run a command line in a shell, untouched",
    args: &[arg("_raw_params", Kind::Str, "The command line"), arg("executable", Kind::Path, "The shell to use")],
    free_form: Some("_raw_params"),
    act: Act::Shell { library: &[], script: raw },
};

fn command(args: &Args, _: &Scope) -> Result<Script, String> {
    let words = match args.get("argv") {
        Some(_) if args.get("_raw_params").or(args.get("cmd")).is_some() => return Err(TOO_MANY.into()),
        Some(_) => args.list("argv"),
        None => split(line(args, "command")?)?,
    };
    if words.is_empty() {
        return Err("`command` has no command to run".into());
    }
    let expand = args.bool("expand_argument_vars").unwrap_or(true);
    let warning = args.str("executable").map_or_else(String::new, |program| {
        let text = "As of Ansible 2.4, the parameter 'executable' is no longer supported with the 'command' module.";
        format!("warn {}\n", quote(&format!("{text} Not using '{program}'.")))
    });
    let quoted: Vec<String> = words.iter().map(|word| if expand { expand_vars(word) } else { quote(word) }).collect();
    let cmd = serde_json::to_string(&words).map_err(|e| e.to_string())?;
    // A program and never a word of the shell's own; one that is not there is told as Python tells it.
    let mut made = script(args, &format!("b_exec {}", quoted.join(" ")), &format!("{warning}outj cmd {}", quote(&cmd)));
    made.text.insert_str(0, PROGRAM);
    let lost = quote(&format!("[Errno 2] No such file or directory: b'{}'", words[0]));
    let program = &quoted[0];
    let failed = "[ $? = 0 ] || fail 'non-zero return code'\n";
    if let Some(text) = made.text.strip_suffix(failed) {
        made.text = format!(
            "{text}b_rc=$?\nif [ $b_rc = 127 ] && ! b_there {program}; then outj rc 2; out stdout ''; out stderr ''; fail {lost}; fi\n[ $b_rc = 0 ] || fail 'non-zero return code'\n"
        );
    }
    Ok(made)
}

fn shell(args: &Args, _: &Scope) -> Result<Script, String> {
    if args.get("expand_argument_vars").is_some() {
        return Err("Unsupported parameters for (shell) module: expand_argument_vars".into());
    }
    let line = line(args, "shell")?;
    let shell = args.str("executable").unwrap_or("/bin/sh");
    Ok(script(args, &format!("{} -c {}", quote(shell), quote(line)), &format!("out cmd {}", quote(line))))
}

fn raw(args: &Args, _: &Scope) -> Result<Script, String> {
    let line = line(args, "raw")?;
    let shell = args.str("executable").unwrap_or("/bin/sh");
    Ok(Script {
        text: format!(
            "[ -z \"$CHECK\" ] || skip 'raw commands are not run in check mode'\nchanged\ncapture {} -c {}\n[ $? = 0 ] || fail 'non-zero return code'",
            quote(shell),
            quote(line)
        ),
        finish: Some(finish),
        ..Script::default()
    })
}

/// Runs a program in a process of its own; says whether one is there.
const PROGRAM: &str = r#"b_exec() ( exec "$@" )
b_there() {
  case $1 in */*) [ -e "$1" ]; return ;; esac
  b_path=$PATH:
  while [ -n "$b_path" ]; do
    [ ! -x "${b_path%%:*}/$1" ] || return 0
    b_path=${b_path#*:}
  done
  return 1
}
"#;

const TOO_MANY: &str = "parameters are mutually exclusive: _raw_params|cmd|argv";

fn line<'a>(args: &'a Args, name: &str) -> Result<&'a str, String> {
    let line = match (args.str("_raw_params"), args.str("cmd")) {
        (Some(_), Some(_)) => return Err(TOO_MANY.into()),
        (Some(line), None) | (None, Some(line)) => line,
        (None, None) => return Err("one of the following is required: _raw_params, cmd, argv".into()),
    };
    if line.contains('\0') {
        return Err(format!("the command line of `{name}` holds a NUL character"));
    }
    Ok(line)
}

fn script(args: &Args, run: &str, cmd: &str) -> Script {
    let mut text = String::new();
    text.push_str(cmd);
    text.push('\n');
    if let Some(dir) = args.str("chdir") {
        let dir = expand_home(dir);
        let _ = writeln!(text, "cd -P -- {dir} || {{ fail 'Unable to change directory before execution.'; }}");
    }
    if args.str("creates").is_some() || args.str("removes").is_some() {
        text.push_str("did=Did; [ -z \"$CHECK\" ] || did=Would\n");
    }
    // A glob is not quoted, so that the shell finds what it stands for.
    if let Some(path) = args.str("creates") {
        let _ = writeln!(
            text,
            "for p in {}; do [ ! -e \"$p\" ] || {{ outj rc 0; out stdout \"skipped, since $p exists\"; out msg \"$did not run command since \"{}\" exists\"; exit 0; }}; done",
            glob(path),
            quote(&format!("'{path}'"))
        );
    }
    if let Some(path) = args.str("removes") {
        let _ = writeln!(
            text,
            "there=; for p in {}; do [ ! -e \"$p\" ] || there=1; done\n[ -n \"$there\" ] || {{ outj rc 0; out stdout \"skipped, since \"{}\" does not exist\"; out msg \"$did not run command since \"{}\" does not exist\"; exit 0; }}",
            glob(path),
            quote(path),
            quote(&format!("'{path}'"))
        );
    }
    if args.str("creates").is_some() || args.str("removes").is_some() {
        // With one of these, check mode can tell what would happen.
        text.push_str(
            "[ -z \"$CHECK\" ] || { changed; out msg 'Command would have run if not in check mode'; exit 0; }\n",
        );
    } else {
        text.push_str("[ -z \"$CHECK\" ] || skip 'Command would have run if not in check mode'\n");
    }
    text.push_str("changed\n");
    if let Some(stdin) = args.str("stdin") {
        let end = if args.bool("stdin_add_newline").unwrap_or(true) { "\\n" } else { "" };
        let _ = writeln!(text, "printf '%s{end}' {} | capture {run}", quote(stdin));
    } else {
        let _ = writeln!(text, "capture {run}");
    }
    text.push_str("[ $? = 0 ] || fail 'non-zero return code'\n");
    let strip = args.bool("strip_empty_ends").unwrap_or(true);
    Script { text, finish: Some(if strip { finish } else { finish_unstripped }), ..Script::default() }
}

/// The lines of what a command wrote, without the line ends behind.
pub fn finish(_: &Args, result: &mut Map<String, Value>) {
    lines(result, true);
}

fn finish_unstripped(_: &Args, result: &mut Map<String, Value>) {
    lines(result, false);
}

/// Adds `stdout_lines` and `stderr_lines`.
fn lines(result: &mut Map<String, Value>, strip: bool) {
    for name in ["stdout", "stderr"] {
        if !result.contains_key("rc") && !result.contains_key(name) {
            continue;
        }
        let text = result.get(name).and_then(Value::as_str).unwrap_or_default();
        let text = if strip { text.trim_end_matches(['\r', '\n']) } else { text }.to_owned();
        let lines = text.lines().map(|line| Value::String(line.to_owned())).collect();
        result.insert(name.into(), Value::String(text));
        result.insert(format!("{name}_lines"), Value::Array(lines));
    }
}

/// A path for the shell, with `~` and `$NAME` at its beginning expanded there.
fn expand_home(path: &str) -> String {
    if path == "~" {
        return "~".into();
    }
    match path.strip_prefix("~/") {
        Some(rest) => format!("~/{}", quote(rest)),
        None => expand_vars(path),
    }
}

/// Everything quoted but `$NAME` and `${NAME}`.
fn expand_vars(word: &str) -> String {
    let mut text = String::new();
    let mut rest = word;
    while let Some(at) = rest.find('$') {
        let (before, after) = rest.split_at(at);
        let body = &after[1..];
        let (name, len) = if let Some(inner) = body.strip_prefix('{') {
            inner.find('}').map_or(("", 0), |end| (&inner[..end], end + 2))
        } else {
            let end = body.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(body.len());
            (&body[..end], end)
        };
        let good = name.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && !name.starts_with("__");
        if good {
            text.push_str(&if before.is_empty() { String::new() } else { quote(before) });
            // An unset variable stays as it is written, as in Python's expandvars.
            let as_written = quote(&after[..=len]);
            let _ = write!(text, "\"${{{name}-\"{as_written}\"}}\"");
            rest = &body[len..];
        } else {
            text.push_str(&quote(&rest[..=at]));
            rest = body;
        }
    }
    if !rest.is_empty() || text.is_empty() {
        text.push_str(&quote(rest));
    }
    text
}

/// Quoted but for `*`, `?`, `[` and `]`.
fn glob(path: &str) -> String {
    let (home, rest) = path.strip_prefix("~/").map_or(("", path), |rest| ("~/", rest));
    let mut text = home.to_owned();
    for c in rest.chars() {
        match c {
            '*' | '?' | '[' | ']' => text.push(c),
            c => text.push_str(&quote(&c.to_string())),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::trial;

    #[tokio::test]
    async fn a_command_is_run_without_a_shell_s_meaning() {
        let result = trial::local("command", json!({"_raw_params": "echo $HOME '$(id)' * ; x"})).await.unwrap();
        let home = std::env::var("HOME").unwrap();
        assert_eq!(result["stdout"], format!("{home} $(id) * ; x"));
        assert_eq!(result["changed"], true);
        assert_eq!(result["rc"], 0);
    }

    #[tokio::test]
    async fn hostile_text_comes_back_letter_by_letter() {
        for text in ["it's", "$(touch /x)", "`id`", "a\nb", "-n", "\\", "\"", "é ☃", &"x'$(".repeat(2500)] {
            let result =
                trial::local("command", json!({"argv": ["printf", "%s", text], "expand_argument_vars": false}));
            assert_eq!(result.await.unwrap()["stdout"], text);
        }
    }

    #[tokio::test]
    async fn a_failing_shell_line_says_its_status_and_words() {
        let result = trial::local("shell", json!({"_raw_params": "echo o | cat; echo e >&2; exit 7"})).await.unwrap();
        assert_eq!((&result["rc"], &result["stdout"], &result["stderr"]), (&json!(7), &json!("o"), &json!("e")));
        assert_eq!(result["failed"], true);
    }

    #[tokio::test]
    async fn creates_skips_when_the_path_is_there() {
        let result =
            trial::local("command", json!({"_raw_params": "false", "creates": "/et*/passw[d]"})).await.unwrap();
        assert_eq!((&result["rc"], &result["changed"]), (&json!(0), &json!(false)));
        let result = trial::local("shell", json!({"cmd": "cat", "stdin": "it's"})).await.unwrap();
        assert_eq!(result["stdout"], "it's");
    }
}
