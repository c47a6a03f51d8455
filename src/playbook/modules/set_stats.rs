//! `set_stats`: values for the end of the run.

use super::common::{required, with_default};
use super::{Act, Kind, Module, Outcome};
use serde_json::{Map, json};

/// The module.
pub static SET_STATS: Module = Module {
    name: "set_stats",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "gives values that those who read the run's events find in the task's result",
    args: &[
        required("data", Kind::Dict, "the values"),
        with_default("per_host", Kind::Bool, "false", "of this host alone"),
        with_default("aggregate", Kind::Bool, "true", "put together with what was given before"),
    ],
    free_form: None,
    act: Act::Controller(|args, _| {
        let stats = json!({
            "data": args.get("data").cloned().unwrap_or_default(),
            "per_host": args.flag("per_host"),
            "aggregate": args.flag("aggregate"),
        });
        Outcome { result: Map::from_iter([("ansible_stats".to_owned(), stats)]), ..Outcome::default() }
    }),
};

#[cfg(test)]
#[test]
fn the_values_are_in_the_result() {
    let args = super::convert(&SET_STATS, &Map::from_iter([("data".to_owned(), json!({"a": 1}))])).unwrap();
    assert_eq!(args.get("data"), Some(&json!({"a": 1})));
    assert_eq!(args.get("aggregate"), Some(&serde_json::Value::Bool(true)));
}
