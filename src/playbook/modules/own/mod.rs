//! Modules of one's own: programs that a playbook, a role or a collection brings, run on the host as Ansible runs them.
//!
//! Kinds are told apart by their text. Ansible's new style (Python that imports `ansible.module_utils`) needs a Python
//! on the host and Ansible's library, which travels once to each account of a host. Programs with `WANT_JSON` get a file
//! of JSON, those with `<<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>` have it put into their text, compiled programs get JSON,
//! and all others a file of `name=value` words. Absent on purpose: `PowerShell`, and action plugins, which are Python
//! in Ansible's own process.

mod library;
mod zip;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use serde_json::{Map, Value, json};

use super::{
    Act, Arg, Args, Kind, Module, Scope, Script,
    common::{Step, arg, beside::Source, quote},
};
use crate::playbook::template;

/// The name under which a module of one's own finds itself among its arguments.
const SELF: &str = "__own";

const RUN: &str = include_str!("run.py");

/// Where a module of one's own is, and what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// Its name.
    pub name: String,
    /// Its name for Python: `ansible.modules.x`, or that in its collection.
    pub full: String,
    /// Its file.
    pub path: PathBuf,
    /// Folders of `ansible.module_utils` besides Ansible's own.
    pub utils: Vec<PathBuf>,
    /// Folders that hold `ansible_collections`.
    pub collections: Vec<PathBuf>,
    /// The folder of the Python package `ansible`; `None`: where Python keeps its packages.
    pub ansible: Option<PathBuf>,
}

type Known = HashMap<PathBuf, Vec<(Arc<Own>, &'static Module)>>;

static KNOWN: LazyLock<Mutex<(Known, Vec<Arc<Own>>)>> = LazyLock::new(Mutex::default);

/// The module that `own` is. The same again for the same file.
pub fn module(own: Own) -> &'static Module {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let (by_path, all) = &mut *known;
    let same = by_path.entry(own.path.clone()).or_default();
    if let Some((_, module)) = same.iter().find(|(other, _)| **other == own) {
        return module;
    }
    let own = Arc::new(own);
    let at: &'static str = all.len().to_string().leak();
    all.push(Arc::clone(&own));
    let itself = Arg { default: Some(at), ..arg(SELF, Kind::Raw, "which module it is") };
    let args: &'static [Arg] = vec![itself, arg("*", Kind::Raw, "what the program takes")].leak();
    // A program names few modules, and a module is needed as long as its tasks.
    let module: &'static Module = Box::leak(Box::new(Module {
        name: own.name.clone().leak(),
        collections: &[],
        summary: "a module of one's own",
        args,
        free_form: None,
        act: Act::Shell { library: &[include_str!("run.sh")], script },
    }));
    same.push((own, module));
    module
}

impl Module {
    /// Whether it is a program that came with a playbook.
    pub fn is_own(&self) -> bool {
        self.args.first().is_some_and(|arg| arg.name == SELF)
    }
}

/// How a module wants its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// Python with Ansible's library.
    New,
    /// In its own text.
    Inside,
    /// A file of JSON.
    Json,
    /// The same; the program is no text.
    Binary,
    /// A file of words.
    Old,
}

const INSIDE: &str = "<<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>";

fn style_of(name: &str, bytes: &[u8]) -> Result<Style, String> {
    let head = &bytes[..bytes.len().min(1024)];
    if head.iter().any(|byte| (*byte < 0x20 && !matches!(byte, 7..=13 | 27)) || *byte == 0x7f) {
        return Ok(Style::Binary);
    }
    let text = String::from_utf8_lossy(bytes);
    let library = text.contains("#<<INCLUDE_ANSIBLE_MODULE_COMMON>>")
        || text.lines().any(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                ["from", from, ..] => {
                    let inside = from.trim_start_matches('.');
                    from.starts_with("ansible.module_utils")
                        || (from.starts_with("ansible_collections.") && from.contains(".plugins.module_utils"))
                        || (from.starts_with("..") && inside.starts_with("module_utils"))
                }
                ["import", from, ..] => {
                    from.starts_with("ansible.module_utils.")
                        || (from.starts_with("ansible_collections.") && from.contains(".plugins.module_utils"))
                }
                _ => false,
            }
        });
    let lower = text.to_ascii_lowercase();
    Ok(if library {
        Style::New
    } else if ["#requires -module", "#requires -version", "#ansiblerequires -"].iter().any(|mark| lower.contains(mark))
        || text.contains("# POWERSHELL_COMMON")
    {
        return Err(format!("`{name}` is a module for Windows, which is not supported"));
    } else if text.contains(INSIDE) {
        Style::Inside
    } else if text.contains("WANT_JSON") {
        Style::Json
    } else {
        Style::Old
    })
}

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    let own = {
        let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let at = args.0.get(SELF).and_then(Value::as_u64).and_then(|at| usize::try_from(at).ok());
        at.and_then(|at| known.1.get(at).cloned()).ok_or_else(|| format!("`{SELF}` is no argument for people"))?
    };
    let bytes = std::fs::read(&own.path).map_err(|why| format!("cannot read `{}`: {why}", own.path.display()))?;
    let style = style_of(&own.name, &bytes)?;
    let mut given = Value::Object(arguments(args, scope, &own.name));
    let mut step = Step::new(scope);
    step.set("b_name", &own.name)?;
    if scope.check && style != Style::New && !String::from_utf8_lossy(&bytes).contains("_ansible_check_mode") {
        // Such a program would do its work.
        step.run("skip \"\\`$b_name\\` does not know check mode\"");
        return Ok(step.done());
    }
    let always = |step: &mut Step, name: &str, bytes: Vec<u8>| {
        let len = bytes.len() as u64;
        let probe = format!("b_even=1 b_need=\"$b_need {name}\"\n");
        step.source(name, Source::Bytes(bytes), len, probe);
    };
    let interpreter = |kind: &str| -> Result<Option<String>, String> {
        match scope.vars.get(&format!("ansible_{kind}_interpreter")) {
            Some(Value::String(text)) => (scope.render)(text).map(Some),
            _ => Ok(None),
        }
    };
    if style == Style::New {
        let library = library::library(own.ansible.as_deref())
            .map_err(|why| format!("`{}` needs Ansible's Python library: {why}", own.name))?;
        if let Value::Object(map) = &mut given {
            map.retain(|name, _| name.strip_prefix("_ansible_").is_none_or(|name| library.takes(name)));
        }
        let source = String::from_utf8_lossy(&bytes)
            .replace("#<<INCLUDE_ANSIBLE_MODULE_COMMON>>", "from ansible.module_utils.basic import *");
        always(&mut step, "own.zip", library::archive(&own, source.as_bytes())?);
        always(&mut step, "run.py", RUN.as_bytes().to_vec());
        always(&mut step, "arguments", json!({"ANSIBLE_MODULE_ARGS": given}).to_string().into_bytes());
        let hash = &library.hash;
        let probe =
            format!("[ -f \"${{HOME:-}}/.ansible/tmp/berth-library-{hash}.zip\" ] || b_need=\"$b_need library.zip\"\n");
        step.source("library.zip", Source::Bytes(library.bytes.clone()), library.bytes.len() as u64, probe);
        step.set_opt("b_python", interpreter("python")?.as_deref())?;
        step.run(&format!("own_python \"$b_python\"\nown_library {hash}"));
        step.set("b_full", &own.full)?;
        step.run("capture \"$b_py\" \"$FILES/run.py\" \"$b_lib\" \"$FILES/own.zip\" \"$b_full\" \"$FILES/arguments\"");
    } else {
        let mut bytes = bytes;
        match style {
            Style::Inside => bytes = filled(&bytes, &given).into_bytes(),
            Style::Old => always(&mut step, "arguments", words(&given)?.into_bytes()),
            _ => always(&mut step, "arguments", given.to_string().into_bytes()),
        }
        let call = if style == Style::Binary {
            step.run("chmod 700 \"$FILES/own\"");
            String::new()
        } else {
            let (program, rest) = shebang(&own.name, &bytes)?;
            let last = program.rsplit('/').next().unwrap_or_default();
            let kind = last.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
            let chosen = interpreter(kind)?;
            if kind == "python" {
                step.set_opt("b_python", chosen.as_deref())?;
                step.run("own_python \"$b_python\"");
                format!("\"$b_py\" {rest}")
            } else {
                let program = chosen.unwrap_or(program);
                step.set("b_py", &program)?;
                step.run(
                    "command -v \"$b_py\" >/dev/null 2>&1 || fail \"The module interpreter '$b_py' was not found.\"",
                );
                format!("\"$b_py\" {rest}")
            }
        };
        always(&mut step, "own", bytes);
        let behind = if style == Style::Inside { "" } else { " \"$FILES/arguments\"" };
        step.run(&format!("capture {call}\"$FILES/own\"{behind}"));
    }
    // What the program says of itself counts, not its exit status.
    step.run(":");
    Ok(step.finish(finish).done())
}

/// What the program is told: the task's arguments, and how the task is to be done.
fn arguments(args: &Args, scope: &Scope, name: &str) -> Map<String, Value> {
    let mut given = args.0.clone();
    given.shift_remove(SELF);
    let verbosity = scope.vars.get("ansible_verbosity").cloned().unwrap_or_else(|| 0.into());
    let more = json!({
        "_ansible_check_mode": scope.check,
        "_ansible_diff": scope.diff,
        "_ansible_no_log": scope.no_log,
        "_ansible_debug": false,
        "_ansible_verbosity": verbosity,
        "_ansible_version": "2.19.0",
        "_ansible_module_name": name,
        "_ansible_syslog_facility": "LOG_USER",
        "_ansible_selinux_special_fs": ["fuse", "nfs", "vboxsf", "ramfs", "9p", "vfat"],
        "_ansible_string_conversion_action": "warn",
        "_ansible_socket": null,
        "_ansible_shell_executable": "/bin/sh",
        "_ansible_keep_remote_files": false,
        "_ansible_tmpdir": null,
        "_ansible_remote_tmp": "~/.ansible/tmp",
        "_ansible_ignore_unknown_opts": false,
        "_ansible_target_log_info": null,
        "_ansible_tracebacks_for": [],
    });
    given.extend(more.as_object().cloned().unwrap_or_default());
    given
}

/// `name=value` words that a shell may read, too.
fn words(given: &Value) -> Result<String, String> {
    let mut text = String::new();
    for (name, value) in given.as_object().into_iter().flatten() {
        let value = template::py_str(&crate::playbook::value::to_jinja(value));
        text.push_str(name);
        text.push('=');
        let plain = !value.is_empty() && value.chars().all(|c| c.is_ascii_alphanumeric() || "@%+=:,./-_".contains(c));
        text.push_str(&if plain { value } else { quote(&value)? });
        text.push(' ');
    }
    Ok(text)
}

/// The text with the arguments put in.
fn filled(bytes: &[u8], given: &Value) -> String {
    let text = String::from_utf8_lossy(bytes);
    let json = given.to_string();
    let as_python = template::py_str(&minijinja::Value::from(vec![json.clone()])).trim_matches(['[', ']']).to_owned();
    text.replace("\"<<ANSIBLE_VERSION>>\"", "'2.19.0'")
        .replace("\"<<INCLUDE_ANSIBLE_MODULE_COMPLEX_ARGS>>\"", &as_python)
        .replace("\"<<SELINUX_SPECIAL_FILESYSTEMS>>\"", "'fuse,nfs,vboxsf,ramfs,9p,vfat'")
        .replace(INSIDE, &json)
}

/// The program that reads a script, and its arguments, quoted.
fn shebang(name: &str, bytes: &[u8]) -> Result<(String, String), String> {
    let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let first = String::from_utf8_lossy(first);
    let lacking = || format!("module ({name}) is missing interpreter line");
    let line = first.strip_prefix("#!").ok_or_else(lacking)?;
    let mut parts = line.split_whitespace();
    let mut program = parts.next().ok_or_else(lacking)?.to_owned();
    if program.rsplit('/').next() == Some("env") {
        let mut next = parts.next();
        if next == Some("-S") {
            next = parts.next();
        }
        next.ok_or_else(lacking)?.clone_into(&mut program);
    }
    let rest: Result<Vec<String>, String> = parts.map(quote).collect();
    let mut rest = rest?.join(" ");
    if !rest.is_empty() {
        rest.push(' ');
    }
    Ok((program, rest))
}

/// Reads what the program said.
fn finish(_: &Args, result: &mut Map<String, Value>) {
    let Some(rc) = result.get("rc").cloned() else { return };
    let text = |name: &str| result.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (stdout, stderr) = (text("stdout"), text("stderr"));
    let Some((said, junk)) = answer(&stdout) else {
        *result = Map::from_iter([
            ("changed".to_owned(), false.into()),
            ("failed".to_owned(), true.into()),
            (
                "msg".to_owned(),
                "Module result deserialization failed. See stdout/stderr for the returned output.".into(),
            ),
            ("module_stdout".to_owned(), stdout.into()),
            ("module_stderr".to_owned(), stderr.into()),
            ("rc".to_owned(), rc),
        ]);
        return;
    };
    let Value::Object(mut said) = plain(said) else { return };
    let number = said.get("rc").map(super::convert::text_of);
    let failed = said.get("failed").and_then(super::convert::bool_of);
    let failed = failed.unwrap_or_else(|| number.is_some_and(|rc| rc != "0"));
    said.insert("failed".into(), failed.into());
    let changed = said.get("changed").and_then(super::convert::bool_of).unwrap_or(false);
    said.insert("changed".into(), changed.into());
    said.retain(|name, _| !name.starts_with("_ansible_"));
    messages(&mut said, "warnings");
    if let Some(junk) = junk {
        let warnings = said.entry("warnings").or_insert_with(|| json!([]));
        if let Value::Array(warnings) = warnings {
            warnings.push(format!("Module invocation had junk after the JSON data: {junk}").into());
        }
    }
    if let Some(Value::Object(error)) = said.get("exception") {
        let text = |name: &str| error.get("event").and_then(|event| event.get(name)).and_then(Value::as_str);
        let message = text("msg").unwrap_or_default().to_owned();
        let trace = text("formatted_traceback").map_or_else(|| "(traceback unavailable)".to_owned(), str::to_owned);
        if !said.contains_key("msg") {
            said.insert("msg".into(), format!("Task failed: Module failed: {message}").into());
        }
        said.insert("exception".into(), trace.into());
    }
    *result = said;
}

/// Warnings may come as data of their own.
fn messages(said: &mut Map<String, Value>, name: &str) {
    if let Some(Value::Array(items)) = said.get_mut(name) {
        for item in items {
            if let Some(text) = item.get("event").and_then(|event| event.get("msg")).cloned() {
                *item = text;
            }
        }
    }
}

/// Values that the library has wrapped, as they are.
fn plain(value: Value) -> Value {
    match value {
        Value::Object(mut map) if map.contains_key("__ansible_type") => {
            map.shift_remove("__ansible_type");
            match map.shift_remove("value") {
                Some(value) => plain(value),
                None => Value::Object(map.into_iter().map(|(name, value)| (name, plain(value))).collect()),
            }
        }
        Value::Object(map) => Value::Object(map.into_iter().map(|(name, value)| (name, plain(value))).collect()),
        Value::Array(items) => Value::Array(items.into_iter().map(plain).collect()),
        other => other,
    }
}

/// The mapping that a program printed, and what stands behind it. Lines before it are passed over.
fn answer(stdout: &str) -> Option<(Value, Option<String>)> {
    let mut at = 0;
    for line in stdout.split_inclusive('\n') {
        if line.trim_start().starts_with('{') {
            break;
        }
        at += line.len();
    }
    let text = crate::playbook::value::exact_json(&stdout[at..]);
    let mut found = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
    let value = found.next()?.ok().filter(Value::is_object)?;
    let behind = text[found.byte_offset()..].trim();
    Some((value, (!behind.is_empty()).then(|| behind.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::playbook::modules::common::trial::Trial;

    fn own(trial: &Trial, name: &str, text: &str) -> &'static Module {
        trial.write(name, text, 0o644);
        module(Own {
            name: name.to_owned(),
            full: format!("ansible.modules.{name}"),
            path: trial.path(name),
            utils: Vec::new(),
            collections: Vec::new(),
            ansible: None,
        })
    }

    #[test]
    fn kinds_are_told_apart_by_their_text() {
        for (text, style) in [
            ("#!/usr/bin/python\nfrom ansible.module_utils.basic import AnsibleModule\n", Style::New),
            ("from ..module_utils.x import y", Style::New),
            ("# from ansible.module_utils", Style::Old),
            ("#!/bin/sh\n# WANT_JSON\n", Style::Json),
            ("#!/usr/bin/perl\nmy $x = '<<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>';", Style::Inside),
            ("\x7fELF\x02\x01", Style::Binary),
            ("#!/bin/sh\necho Grüße", Style::Old),
        ] {
            assert_eq!(style_of("x", text.as_bytes()), Ok(style), "{text}");
        }
        assert!(style_of("x", b"#Requires -Module Ansible.ModuleUtils.Legacy").unwrap_err().contains("Windows"));
    }

    #[test]
    fn scripts_get_their_arguments_as_they_want_them() {
        for shell in Trial::SHELLS {
            let trial = Trial::new();
            trial.wipe();
            let given = |module: &Module| {
                let given = json!({"name": "it's me"});
                super::super::convert(module, given.as_object().unwrap()).unwrap()
            };
            let words = "#!/bin/sh\n. \"$1\"\necho \"$name $_ansible_check_mode\"\n";
            let words = own(&trial, "words", words);
            let said = trial.run(shell, words, &given(words));
            assert_eq!(said.text("stdout").trim(), "it's me False", "{said:?}");
            let file = own(&trial, "file", "#!/usr/bin/env sh\n# WANT_JSON\ncat \"$1\"\n");
            let said = trial.run(shell, file, &given(file));
            assert!(said.text("stdout").starts_with("{\"name\":\"it's me\""), "{said:?}");
            let inside = "#!/bin/sh\ncat <<'END'\n<<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>\nEND\n";
            let inside = own(&trial, "inside", inside);
            let said = trial.run(shell, inside, &given(inside));
            assert!(said.text("stdout").starts_with("{\"name\":\"it's me\""), "{said:?}");
            let blind = own(&trial, "blind", "#!/bin/sh\ntouch gone\n");
            assert!(trial.check(shell, blind, &given(blind)).skipped.unwrap().contains("check mode"));
            let lost = own(&trial, "lost", "#!/no/such/program\n");
            assert!(trial.run(shell, lost, &given(lost)).failed.unwrap().contains("was not found"));
        }
    }

    #[test]
    fn answers_are_found_among_other_lines() {
        let read = |text: &str| {
            let mut result = Map::from_iter([
                ("rc".to_owned(), json!(0)),
                ("stdout".to_owned(), json!(text)),
                ("stderr".to_owned(), json!("")),
            ]);
            finish(&Args::default(), &mut result);
            Value::Object(result)
        };
        assert_eq!(read("noise\n{\"a\": 1, \"_ansible_x\": 2}\n"), json!({"a": 1, "failed": false, "changed": false}));
        assert_eq!(read("{\"rc\": 3}")["failed"], json!(true));
        assert!(read("{\"a\": 1}\nbehind")["warnings"][0].as_str().unwrap().contains("behind"));
        assert!(read("nothing")["msg"].as_str().unwrap().contains("deserialization"));
        assert_eq!(read("{\"x\": {\"__ansible_type\": \"T\", \"value\": 5}}")["x"], json!(5));
    }

    #[test]
    fn archives_are_what_python_reads() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.zip");
        let files =
            [("one/__init__.py".to_owned(), Vec::new()), ("one/two.py".to_owned(), b"print('here')\n".to_vec())];
        std::fs::write(&file, zip::pack(&files).unwrap()).unwrap();
        let python =
            std::process::Command::new("python3").args(["-c", "import one.two"]).env("PYTHONPATH", &file).output();
        // A machine without Python has nothing to read them with.
        if let Ok(said) = python {
            assert_eq!(String::from_utf8_lossy(&said.stdout), "here\n", "{said:?}");
        }
    }
}
