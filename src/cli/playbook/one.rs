//! `berth playbook one`, and the command under the name `ansible`: one module on some hosts, without a playbook.

use std::path::Path;

use clap::Args;
use serde_json::{Map, Value, json};

use super::args::RunArgs;
use crate::playbook::{
    Event, LoadError, Playbook, Settings, Status, load_text_with, modules::words, template::json_text, yaml,
};

/// What to run, and where.
#[derive(Debug, Args)]
#[command(mut_arg("playbooks", |arg| arg.value_name("PATTERN").help("The hosts: a name, a group or a pattern")))]
pub(super) struct OneArgs {
    /// The module
    #[arg(short, long, value_name = "MODULE", default_value = "command")]
    module_name: String,
    /// Its arguments: a command line, `name=value` words, or a mapping in JSON or YAML
    #[arg(short, long, value_name = "ARGS", default_value = "", allow_hyphen_values = true)]
    args: String,
    /// Let it go on in the background of the hosts, for so many seconds at most
    #[arg(short = 'B', long, value_name = "SECONDS")]
    background: Option<u64>,
    /// Seconds between two looks at what goes on in the background; 0: nobody waits [default: 15]
    #[arg(short = 'P', long, value_name = "SECONDS", requires = "background")]
    poll: Option<u64>,
    /// One line for each host
    #[arg(long)]
    pub(super) one_line: bool,
    #[command(flatten)]
    pub(super) run: RunArgs,
}

/// Modules whose answer is what a command said.
const COMMANDS: &[&str] = &["command", "raw", "shell", "script"];

impl OneArgs {
    /// The playbook that does it, as if it stood in this folder.
    pub(super) fn playbook(&self, settings: &Settings) -> Result<Playbook, LoadError> {
        let patterns: Vec<String> = self.run.files.playbooks.iter().map(|name| name.display().to_string()).collect();
        let given = self.args.trim();
        let mapping = if given.starts_with('{') { yaml::parse(given, "-a").ok().flatten() } else { None };
        let mut task = Map::new();
        let short = self.module_name.rsplit('.').next().unwrap_or_default();
        if short.starts_with("include_") || short.starts_with("import_") {
            let args = match mapping {
                Some(node) => node.to_map(),
                None => words(given).unwrap_or_else(|_| Map::from_iter([("file".to_owned(), given.into())])),
            };
            task.insert(self.module_name.clone(), Value::Object(args));
        } else if let Some(node) = mapping {
            let mut args = node.to_map();
            args.insert("module".into(), self.module_name.clone().into());
            task.insert("action".into(), Value::Object(args));
        } else {
            let line = format!("{} {given}", self.module_name);
            task.insert("action".into(), line.trim().into());
        }
        if let Some(seconds) = self.background {
            task.insert("async".into(), seconds.into());
            task.insert("poll".into(), self.poll.unwrap_or(15).into());
        }
        let play = json!([{
            "name": "one module", "hosts": patterns.join(","), "gather_facts": false, "tasks": [task],
        }]);
        load_text_with(&play.to_string(), "one module", Path::new("."), settings)
    }

    /// The text for an event; most have none.
    pub(super) fn text(&self, event: &Event) -> String {
        match event {
            Event::HostResult { host, module, status, result, id, .. } if *id != 0 => {
                self.result(host, module, *status, result)
            }
            Event::HostResult { host, result, .. } => self.result(host, "", Status::Failed, result),
            Event::Warning { message } => format!("[WARNING]: {message}\n"),
            _ => String::new(),
        }
    }

    fn result(&self, host: &str, module: &str, status: Status, result: &Map<String, Value>) -> String {
        let word = match status {
            Status::Ok => "SUCCESS",
            Status::Changed => "CHANGED",
            Status::Failed => "FAILED",
            Status::Skipped => "SKIPPED",
            Status::Unreachable => "UNREACHABLE",
        };
        let said = |name: &str| match result.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        };
        if COMMANDS.contains(&module) && result.contains_key("rc") && status != Status::Unreachable {
            let rc = said("rc");
            if self.one_line {
                let flat = |name: &str| said(name).replace('\n', "\\n").replace('\r', "\\r");
                let stderr = flat("stderr");
                let stderr = if stderr.is_empty() { stderr } else { format!(" (stderr) {stderr}") };
                return safe(&format!("{host} | {word} | rc={rc} | (stdout) {}{stderr}\n", flat("stdout")));
            }
            let message = if status == Status::Failed { said("msg") } else { String::new() };
            let parts = [said("stdout"), said("stderr"), message];
            let parts: Vec<&str> = parts.iter().map(|part| part.trim_end()).filter(|part| !part.is_empty()).collect();
            return safe(&format!("{host} | {word} | rc={rc} >>\n{}\n", parts.join("\n")));
        }
        let mut shown = result.clone();
        shown.retain(|name, _| !name.starts_with("_ansible") && name != "failed");
        let mark = if matches!(status, Status::Failed | Status::Unreachable) { "!" } else { "" };
        let indent = if self.one_line { 0 } else { 4 };
        safe(&format!("{host} | {word}{mark} => {}\n", json_text(&Value::Object(shown), indent, true, false)))
    }
}

/// What a host says must not steer the terminal.
fn safe(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c }).collect()
}
