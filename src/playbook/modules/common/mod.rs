//! What the shell-side modules share: reading arguments, writing shell text, and three small shell libraries.
//!
//! Everything that comes from a playbook reaches the shell through [`Step`], which quotes it.

pub mod beside;
pub mod edit;
pub mod ere;
pub mod lines;
pub mod mode;
pub mod put;
pub mod python;
#[cfg(test)]
pub mod trial;
pub mod web;
pub mod words;
#[cfg(test)]
pub mod world;

use super::{Arg, Args, Finish, Kind, Scope, Script};
use serde_json::{Map, Value};
use std::fmt::Write as _;

/// File facts, ownership and modes.
pub const ATTRS: &str = include_str!("attrs.sh");
/// Atomic writes that are safe in a directory of a hostile user.
pub const WRITE: &str = include_str!("write.sh");
/// Reading and editing `/etc/passwd` and its relatives.
pub const ACCOUNTS: &str = include_str!("accounts.sh");

/// Small text files read and kept whole; needs [`ATTRS`] and [`WRITE`].
pub const EDIT: &str = include_str!("edit.sh");
/// Running the host's own programs.
pub const RUN: &str = include_str!("run.sh");

/// An argument with a default and a few values.
pub const fn one_of(
    name: &'static str,
    default: &'static str,
    choices: &'static [&'static str],
    doc: &'static str,
) -> Arg {
    Arg { name, aliases: &[], kind: Kind::Str, required: false, default: Some(default), choices, doc }
}

/// An optional argument.
pub const fn arg(name: &'static str, kind: Kind, doc: &'static str) -> Arg {
    Arg { name, aliases: &[], kind, required: false, default: None, choices: &[], doc }
}

/// An argument that must be there.
pub const fn required(name: &'static str, kind: Kind, doc: &'static str) -> Arg {
    Arg { name, aliases: &[], kind, required: true, default: None, choices: &[], doc }
}

/// An optional argument with a default.
pub const fn with_default(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Arg {
    Arg { name, aliases: &[], kind, required: false, default: Some(default), choices: &[], doc }
}

/// The text of an argument; `None` when absent or null.
pub fn text<'a>(args: &'a Args, name: &str) -> Option<&'a str> {
    args.0.get(name).and_then(Value::as_str)
}

/// The text of an argument, with numbers and flags written out.
pub fn text_of(args: &Args, name: &str) -> Option<String> {
    match args.0.get(name)? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// A flag; absent is false.
pub fn flag(args: &Args, name: &str) -> bool {
    args.0.get(name).and_then(Value::as_bool).unwrap_or(false)
}

/// Whether an argument was given at all.
pub fn given(args: &Args, name: &str) -> bool {
    args.0.get(name).is_some_and(|value| !value.is_null())
}

/// A list of texts; `None` when absent.
pub fn list(args: &Args, name: &str) -> Option<Vec<String>> {
    match args.0.get(name)? {
        Value::Array(items) => Some(
            items
                .iter()
                .map(|item| match item {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                })
                .collect(),
        ),
        Value::String(one) if one.is_empty() => Some(vec![]),
        Value::String(one) => Some(one.split(',').map(|part| part.trim().to_owned()).collect()),
        _ => None,
    }
}

/// Results that came as lines become lists.
pub fn lines_to_lists(result: &mut Map<String, Value>, names: &[&str]) {
    for name in names {
        if let Some(Value::String(lines)) = result.get(*name) {
            let list = lines.lines().map(Value::from).collect();
            result.insert((*name).to_owned(), list);
        }
    }
}

/// Refuses arguments that Ansible documents and Berth does not serve.
pub fn refuse(args: &Args, names: &[&str]) -> Result<(), String> {
    for name in names {
        match args.0.get(*name) {
            None | Some(Value::Null | Value::Bool(false)) => {}
            Some(_) => return Err(format!("`{name}` is not supported; take it out of the task")),
        }
    }
    Ok(())
}

/// `text` in single quotes; NUL, which no shell word can hold, is refused.
pub fn quote(text: &str) -> Result<String, String> {
    if text.contains('\0') {
        return Err("a value holds a NUL byte, which no path, name or line can".to_owned());
    }
    Ok(format!("'{}'", text.replace('\'', "'\\''")))
}

/// A path for the shell: `~`, `~user`, `$NAME` and `${NAME}` are expanded on the host, all else is literal.
/// A leading `-` gets `./` before it.
pub fn quote_path(path: &str) -> Result<String, String> {
    let mut word = String::new();
    let mut rest = path;
    if path.starts_with('-') {
        word.push_str("./");
    } else if let Some(tail) = path.strip_prefix('~') {
        let end = tail.find('/').unwrap_or(tail.len());
        let who = &tail[..end];
        if who.is_empty() {
            word.push_str("\"$HOME\"");
            rest = &tail[end..];
        } else if who.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-' || b == b'.') {
            // The slash that ends a tilde prefix must not be quoted.
            let _ = write!(word, "~{who}");
            rest = &tail[end..];
            if let Some(below) = rest.strip_prefix('/') {
                word.push('/');
                rest = below;
            }
            // Nothing quoted may follow the name either.
            if rest.is_empty() {
                return Ok(word);
            }
        }
    }
    while let Some(at) = rest.find('$') {
        word.push_str(&quote(&rest[..at])?);
        let tail = &rest[at + 1..];
        let (name, used) = variable(tail);
        if name.is_empty() {
            word.push_str("'$'");
            rest = tail;
        } else {
            let _ = write!(word, "\"${{{name}-\\${name}}}\"");
            rest = &tail[used..];
        }
    }
    word.push_str(&quote(rest)?);
    Ok(word)
}

/// The variable name at the start of `tail`, and how many bytes it takes.
fn variable(tail: &str) -> (&str, usize) {
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let braced = tail.strip_prefix('{');
    let body = braced.unwrap_or(tail);
    let end = body.bytes().position(|b| !is_name(b)).unwrap_or(body.len());
    let name = &body[..end];
    if name.is_empty() || name.as_bytes()[0].is_ascii_digit() {
        return ("", 0);
    }
    match braced {
        Some(_) if body.as_bytes().get(end) == Some(&b'}') => (name, end + 2),
        Some(_) => ("", 0),
        None => (name, end),
    }
}

/// A step under construction: assignments first, then the call.
#[derive(Debug, Default)]
pub struct Step {
    script: Script,
    /// Files for the step: name, bytes, how many, and the text that asks whether the host has them.
    sources: Vec<(String, beside::Source, u64, String)>,
}

impl Step {
    /// An empty step; under `no_log` it makes no diffs.
    pub fn new(scope: &Scope) -> Self {
        let mut step = Self::default();
        if scope.no_log {
            step.run("DIFF=");
        }
        step
    }

    /// `name='text'`.
    pub fn set(&mut self, name: &str, text: &str) -> Result<&mut Self, String> {
        let word = quote(text).map_err(|why| format!("{}: {why}", name.trim_start_matches("b_")))?;
        let _ = writeln!(self.script.text, "{name}={word}");
        Ok(self)
    }

    /// `name='text'`, or `name=` when there is none.
    pub fn set_opt(&mut self, name: &str, text: Option<&str>) -> Result<&mut Self, String> {
        self.set(name, text.unwrap_or_default())
    }

    /// `name=1` or `name=`.
    pub fn set_flag(&mut self, name: &str, on: bool) -> &mut Self {
        let _ = writeln!(self.script.text, "{name}={}", if on { "1" } else { "" });
        self
    }

    /// A path, expanded on the host.
    pub fn set_path(&mut self, name: &str, path: &str) -> Result<&mut Self, String> {
        if path.is_empty() {
            return Err(format!("`{}` is empty; give a path", name.trim_start_matches("b_")));
        }
        let word = quote_path(path).map_err(|why| format!("{}: {why}", name.trim_start_matches("b_")))?;
        let _ = writeln!(self.script.text, "{name}={word}");
        Ok(self)
    }

    /// Shell text as it is: a call of a library function.
    pub fn run(&mut self, text: &str) -> &mut Self {
        self.script.text.push_str(text);
        self.script.text.push('\n');
        self
    }

    /// Bytes that will be at `$FILES/name`.
    pub fn file(&mut self, name: &str, bytes: Vec<u8>) -> &mut Self {
        self.script.files.push((name.to_owned(), bytes));
        self
    }

    /// `owner`, `group`, `mode`, `attributes` and the `SELinux` context of the task as `b_owner` and so on.
    pub fn attributes(&mut self, args: &Args) -> Result<&mut Self, String> {
        self.set_opt("b_owner", text_of(args, "owner").as_deref())?;
        self.set_opt("b_group", text_of(args, "group").as_deref())?;
        let mode = args.0.get("mode").map(mode::parse).transpose()?.flatten();
        self.set_opt("b_mode", mode.as_deref())?;
        let flags = text(args, "attributes").filter(|flags| !flags.is_empty());
        if let Some(flags) = flags {
            let letters = flags.strip_prefix(['+', '-', '=']).unwrap_or(flags);
            if letters.is_empty() || !letters.bytes().all(|b| b.is_ascii_alphabetic()) {
                return Err(format!("`attributes: {flags}` is no set of flags; write `+i`, `-i` or `=i`"));
            }
        }
        self.set_opt("b_flags", flags)?;
        for name in ["seuser", "serole", "setype", "selevel"] {
            self.set_opt(&format!("b_{name}"), text(args, name))?;
        }
        Ok(self)
    }

    /// Bytes that will be at `$FILES/name`; when they are many, `probe` first adds to `b_need` what the host lacks.
    pub fn source(&mut self, name: &str, source: beside::Source, len: u64, probe: String) -> &mut Self {
        self.sources.push((name.to_owned(), source, len, probe));
        self
    }

    /// Turns the raw result into what `register` holds.
    pub fn finish(&mut self, finish: Finish) -> &mut Self {
        self.script.finish = Some(finish);
        self
    }

    /// The finished step.
    pub fn done(&mut self) -> Script {
        let sources = std::mem::take(&mut self.sources);
        let mut script = std::mem::take(&mut self.script);
        let inside = sources.iter().map(|(_, _, len, _)| len).sum::<u64>() <= beside::INSIDE;
        let mut probe = String::new();
        let mut beside = Vec::new();
        for (name, source, _, look) in sources {
            match source {
                beside::Source::Bytes(bytes) if inside => script.files.push((name, bytes)),
                source => {
                    probe.push_str(&look);
                    beside.push((name, source));
                }
            }
        }
        if beside.is_empty() { script } else { beside::ask_first(script, probe, beside) }
    }
}

/// Who owns a file and what it lets whom do: what every module has that makes files.
pub const FILE_ARGS: &[Arg] = &[
    arg("owner", Kind::Str, "user who owns it, by name or number"),
    arg("group", Kind::Str, "group that owns it, by name or number"),
    arg("mode", Kind::Mode, "permissions: `\"0644\"` or `u=rw,g=r`"),
    Arg { aliases: &["attr"], ..arg("attributes", Kind::Str, "flags as `lsattr` shows them; `+i`, `-i` or `=i`") },
    arg("selevel", Kind::Str, "`SELinux` level, where the host has it"),
    arg("serole", Kind::Str, "`SELinux` role, where the host has it"),
    arg("setype", Kind::Str, "`SELinux` type, where the host has it"),
    arg("seuser", Kind::Str, "`SELinux` user, where the host has it"),
    with_default("unsafe_writes", Kind::Bool, "false", "write in place when a rename is refused (bind mounts)"),
];

/// Keeping what is replaced.
pub const BACKUP_ARGS: &[Arg] = &[with_default("backup", Kind::Bool, "false", "keep a dated copy of what is replaced")];

/// Checking before use.
pub const VALIDATE_ARGS: &[Arg] =
    &[arg("validate", Kind::Str, "command that must succeed first; `%s` is the new file")];

/// Some modules give a list of diffs even when there is one.
pub fn listed(_: &Args, result: &mut serde_json::Map<String, Value>) {
    if let Some(diff) = result.get_mut("diff").filter(|diff| !diff.is_array()) {
        *diff = Value::Array(vec![diff.take()]);
    }
}

/// Puts tables of arguments together.
pub const fn join<const N: usize>(tables: &[&[Arg]]) -> [Arg; N] {
    let mut all = [arg("", Kind::Raw, ""); N];
    let (mut at, mut table) = (0, 0);
    while table < tables.len() {
        let mut row = 0;
        while row < tables[table].len() {
            all[at] = tables[table][row];
            at += 1;
            row += 1;
        }
        table += 1;
    }
    all
}

/// A module's own arguments and the tables it shares with others: `args![own, own; FILE_ARGS, BACKUP_ARGS]`.
macro_rules! args {
    ($($own:expr),* $(,)?; $($shared:expr),+) => {{
        const OWN: &[$crate::playbook::modules::Arg] = &[$($own),*];
        const LEN: usize = OWN.len() $(+ $shared.len())+;
        const ALL: [$crate::playbook::modules::Arg; LEN] = $crate::playbook::modules::common::join(&[OWN, $($shared),+]);
        &ALL
    }};
}
pub(in crate::playbook::modules) use args;

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(text: &str) -> String {
        let answer = std::process::Command::new("sh").arg("-c").arg(text).env("HOME", "/h o").output().unwrap();
        String::from_utf8(answer.stdout).unwrap()
    }

    #[test]
    fn paths_expand_home_and_variables_and_nothing_else() {
        for (path, meant) in [
            ("~/x y", "/h o/x y"),
            ("~", "/h o"),
            ("$HOME/a", "/h o/a"),
            ("${HOME}b", "/h ob"),
            ("$(touch /tmp/no)", "$(touch /tmp/no)"),
            ("`id`", "`id`"),
            ("a$", "a$"),
            ("${HOME", "${HOME"),
            ("$NOT_THERE_1/x", "$NOT_THERE_1/x"),
            ("-rf", "./-rf"),
            ("it's \"q\" \\ *", "it's \"q\" \\ *"),
            ("~root/x", "/root/x"),
            ("~root", "/root"),
            ("~a$(id)/x", "~a$(id)/x"),
        ] {
            assert_eq!(shell(&format!("printf %s {}", quote_path(path).unwrap())), meant, "{path}");
        }
    }

    #[test]
    fn nul_is_refused() {
        assert!(quote("a\0b").unwrap_err().contains("NUL"));
        assert!(Step::default().set_path("b_path", "a\0b").unwrap_err().starts_with("path:"));
    }
}
