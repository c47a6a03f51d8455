//! One module against one shell, without a playbook around it: for the modules' own tests.

use std::path::PathBuf;

use serde_json::{Map, Value};

use super::{Act, Args, Module, Scope, convert, find};
use crate::remote::{Error, Reply, Shell, Step, Target};

/// How a trial runs.
#[derive(Debug, Clone, Default)]
pub struct Trial {
    /// Look only.
    pub check: bool,
    /// Say before and after.
    pub diff: bool,
    /// What the module's templates may use.
    pub vars: Map<String, Value>,
    /// Folders for relative paths.
    pub search: Vec<PathBuf>,
}

/// Runs a shell-side module on `shell` and returns what `register` would hold, with `changed`, `failed`, `skipped`,
/// `msg` and `diff` set as the engine sets them.
pub async fn run_on(shell: &Shell, name: &str, args: Value, trial: &Trial) -> Result<Map<String, Value>, String> {
    let module = find(name).ok_or_else(|| format!("there is no module `{name}`"))?;
    let given = args.as_object().cloned().unwrap_or_default();
    let args = convert(module, &given)?;
    let step = step(module, &args, trial)?;
    let (step, finish) = step;
    let reply = async { shell.send(step).await?.reply().await };
    let reply = reply.await.map_err(|e: Error| e.to_string())?;
    Ok(result(reply, &args, finish))
}

/// The same on a fresh shell of this machine.
pub async fn local(name: &str, args: Value) -> Result<Map<String, Value>, String> {
    let shell = Shell::open(&Target::local("here")).await.map_err(|e| e.to_string())?;
    run_on(&shell, name, args, &Trial::default()).await
}

/// Turns a finished raw result into what `register` holds.
pub type Finish = Option<super::Finish>;

fn step(module: &Module, args: &Args, trial: &Trial) -> Result<(Step, Finish), String> {
    let Act::Shell { library, script } = &module.act else {
        return Err(format!("`{}` does not run on a host", module.name));
    };
    let vars = trial.vars.clone();
    let render = |text: &str| {
        let context = crate::playbook::value::to_jinja(&Value::Object(vars.clone()));
        minijinja::Environment::new().render_str(text, context).map_err(|e| e.to_string())
    };
    let eval = |text: &str| vars.get(text).cloned().ok_or_else(|| format!("`{text}` is undefined"));
    let judge = |_: &str| Err("a trial judges no conditions".to_owned());
    let scope = Scope {
        vars: &trial.vars,
        search: &trial.search,
        render: &render,
        render_file: &|path, _, _, _| render(&std::fs::read_to_string(path).map_err(|why| why.to_string())?),
        eval: &eval,
        judge: &judge,
        vault: &crate::playbook::vault::Keys::default(),
        check: trial.check,
        diff: trial.diff,
        no_log: false,
    };
    let script = script(args, &scope)?;
    if script.talk.is_some() {
        return Err(format!("`{}` wants a conversation, and a trial has one step", module.name));
    }
    let step = Step {
        text: script.text,
        library: library.to_vec(),
        files: script.files,
        check: trial.check,
        diff: trial.diff,
        ..Step::default()
    };
    Ok((step, script.finish))
}

/// What `register` holds, from what the shell said.
pub(in crate::playbook) fn result(reply: Reply, args: &Args, finish: Finish) -> Map<String, Value> {
    let mut result = reply.result;
    result.insert("changed".into(), Value::Bool(reply.changed));
    result.insert("failed".into(), Value::Bool(reply.failed.is_some()));
    if let Some(message) = reply.failed {
        result.insert("msg".into(), Value::String(message));
        if !reply.noise.is_empty() && !result.contains_key("stderr") {
            result.insert("module_stderr".into(), Value::String(reply.noise));
        }
    }
    if let Some(message) = reply.skipped {
        result.insert("skipped".into(), Value::Bool(true));
        result.insert("msg".into(), Value::String(message));
    }
    if !reply.warnings.is_empty() {
        result.insert("warnings".into(), reply.warnings.into_iter().map(Value::String).collect());
    }
    if !reply.diffs.is_empty() {
        let diffs = reply.diffs.into_iter().map(|(name, before, after)| {
            serde_json::json!({"before_header": name, "after_header": name, "before": before, "after": after})
        });
        let mut diffs: Vec<Value> = diffs.collect();
        let diff = if diffs.len() == 1 { diffs.remove(0) } else { diffs.into() };
        result.insert("diff".into(), diff);
    }
    if let Some(finish) = finish {
        finish(args, &mut result);
    }
    for (name, lines) in [("stdout", "stdout_lines"), ("stderr", "stderr_lines")] {
        if let (Some(Value::String(text)), false) = (result.get(name), result.contains_key(lines)) {
            let all = text.lines().map(Value::from).collect();
            result.insert(lines.to_owned(), all);
        }
    }
    result
}
