//! What a task came to, as `register` holds it and as it is shown.

use serde_json::{Map, Value, json};

use crate::playbook::{
    event::{Diff, Status},
    modules::convert,
    run::prepare::Manner,
};

pub(super) fn is(result: &Map<String, Value>, name: &str) -> bool {
    result.get(name).and_then(Value::as_bool).unwrap_or_default()
}

pub(super) fn failed(message: &str) -> Map<String, Value> {
    Map::from_iter([
        ("changed".to_owned(), Value::Bool(false)),
        ("failed".to_owned(), Value::Bool(true)),
        ("msg".to_owned(), Value::String(message.to_owned())),
    ])
}

/// The result of a task whose host cannot be reached.
pub(super) fn unreachable(message: &str) -> Map<String, Value> {
    Map::from_iter([
        ("changed".to_owned(), Value::Bool(false)),
        ("msg".to_owned(), Value::String(message.to_owned())),
        ("unreachable".to_owned(), Value::Bool(true)),
    ])
}

/// The result of `include_vars`.
pub(super) fn included_vars(vars: Map<String, Value>, files: Vec<String>) -> Map<String, Value> {
    Map::from_iter([
        ("ansible_facts".to_owned(), Value::Object(vars)),
        ("ansible_included_var_files".to_owned(), files.into()),
        ("changed".to_owned(), Value::Bool(false)),
        ("failed".to_owned(), Value::Bool(false)),
    ])
}

pub(super) fn skipped(condition: &str) -> Map<String, Value> {
    Map::from_iter([
        ("changed".to_owned(), Value::Bool(false)),
        ("skipped".to_owned(), Value::Bool(true)),
        ("skip_reason".to_owned(), Value::String("Conditional result was False".into())),
        ("false_condition".to_owned(), if condition == "False" { false.into() } else { condition.into() }),
    ])
}

pub(super) fn status_of(result: &Map<String, Value>) -> Status {
    if is(result, "unreachable") {
        Status::Unreachable
    } else if is(result, "failed") {
        Status::Failed
    } else if is(result, "skipped") {
        Status::Skipped
    } else if is(result, "changed") {
        Status::Changed
    } else {
        Status::Ok
    }
}

pub(super) fn message_of(result: &Map<String, Value>) -> String {
    let message = result.get("msg").map(convert::text_of).unwrap_or_default();
    if !is(result, "failed") {
        return message;
    }
    let said = ["stderr", "module_stderr", "stdout"].iter().find_map(|name| {
        let text = result.get(*name)?.as_str()?.trim();
        (!text.is_empty() && !message.contains(text)).then(|| text.chars().take(2000).collect::<String>())
    });
    match said {
        Some(said) if message.is_empty() => said,
        Some(said) => format!("{message}: {said}"),
        None => message,
    }
}

/// What a loop's rounds come to as one result.
pub(super) fn together(results: Vec<Map<String, Value>>) -> Map<String, Value> {
    let any = |name: &str| results.iter().any(|result| is(result, name));
    let skipped = !results.is_empty() && results.iter().all(|result| is(result, "skipped"));
    let lost = any("unreachable");
    let (changed, failed) = (any("changed"), any("failed"));
    let mut result = Map::new();
    result.insert("changed".into(), changed.into());
    result.insert("failed".into(), failed.into());
    result.insert("skipped".into(), skipped.into());
    if lost {
        result.insert("unreachable".into(), true.into());
    }
    let message = match (failed, skipped) {
        (true, _) => "One or more items failed",
        (_, true) => "All items skipped",
        _ => "All items completed",
    };
    result.insert("msg".into(), message.into());
    let facts: Map<String, Value> =
        results.iter().filter_map(|result| result.get("ansible_facts")?.as_object().cloned()).flatten().collect();
    result.insert("results".into(), results.into_iter().map(Value::Object).collect());
    if !facts.is_empty() {
        result.insert("ansible_facts".into(), Value::Object(facts));
    }
    result
}

/// What may be shown: nothing but the outcome under `no_log`.
pub(super) fn masked(
    manner: &Manner,
    message: String,
    mut result: Map<String, Value>,
) -> (String, Vec<Diff>, Map<String, Value>) {
    if manner.no_log {
        let mut shown = Map::from_iter([(
            "censored".to_owned(),
            json!("the output has been hidden due to the fact that 'no_log: true' was specified for this result"),
        )]);
        for name in ["changed", "failed", "skipped"] {
            if let Some(value) = result.get(name) {
                shown.insert(name.into(), value.clone());
            }
        }
        let message = if is(&result, "failed") { "hidden by `no_log`".into() } else { String::new() };
        return (message, Vec::new(), shown);
    }
    let diff = match result.remove("diff") {
        Some(Value::Array(items)) => items.iter().map(diff_of).collect(),
        Some(one @ Value::Object(_)) => vec![diff_of(&one)],
        _ => Vec::new(),
    };
    (message, diff, result)
}

fn diff_of(value: &Value) -> Diff {
    let text = |name: &str| value.get(name).map(convert::text_of).unwrap_or_default();
    Diff { name: text("after_header"), before: text("before"), after: text("after") }
}
