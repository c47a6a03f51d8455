//! `set_stats`: values for the end of the run.

use super::common::{required, with_default};
use super::{Act, Kind, Module, Outcome};
use serde_json::{Map, Value, json};

/// The module.
pub static SET_STATS: Module = Module {
    name: "set_stats",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "gives values that those who read the run's events find in the task's result",
    args: &[
        required("data", Kind::Raw, "the values, a mapping"),
        with_default("per_host", Kind::Raw, "false", "of this host alone"),
        with_default("aggregate", Kind::Raw, "true", "put together with what was given before"),
    ],
    free_form: None,
    act: Act::Controller(|args, _| {
        let Some(Value::Object(data)) = args.get("data") else {
            return Outcome::failure("The 'data' option needs to be a dictionary/hash");
        };
        let good = |name: &str| {
            name.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        if let Some(name) = data.keys().find(|name| !good(name)) {
            return Outcome::failure(format!("Invalid variable name '{name}'."));
        }
        // What is no word for yes counts as no.
        let flag = |name: &str| args.get(name).and_then(super::convert::bool_of).unwrap_or(false);
        let stats = json!({
            "data": data,
            "per_host": flag("per_host"),
            "aggregate": flag("aggregate"),
        });
        Outcome { result: Map::from_iter([("ansible_stats".to_owned(), stats)]), ..Outcome::default() }
    }),
};

#[cfg(test)]
#[test]
fn the_values_are_in_the_result() {
    let args = super::convert(&SET_STATS, &Map::from_iter([("data".to_owned(), json!({"a": 1}))])).unwrap();
    assert_eq!(args.get("data"), Some(&json!({"a": 1})));
    assert_eq!(args.get("aggregate"), Some(&Value::Bool(true)));
}
