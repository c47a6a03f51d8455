//! `set_fact`: keeps values for a host.

use serde_json::Value;

use super::{Act, Arg, Args, Kind, Module, Outcome, Scope};

/// Keeps values for the rest of the run. Every argument but `cacheable` is a variable.
pub static MODULE: Module = Module {
    name: "set_fact",
    collections: &["ansible.builtin"],
    summary: "Keep values for a host",
    args: &[
        Arg {
            name: "cacheable",
            aliases: &[],
            kind: Kind::Bool,
            required: false,
            default: Some("false"),
            choices: &[],
            doc: "Keep them as facts, for later runs, too, where a fact cache is set up",
        },
        Arg {
            name: "*",
            aliases: &[],
            kind: Kind::Raw,
            required: false,
            default: None,
            choices: &[],
            doc: "Any name and its value",
        },
    ],
    free_form: None,
    act: Act::Controller(act),
};

fn act(args: &Args, _: &Scope) -> Outcome {
    let facts: serde_json::Map<String, Value> =
        args.0.iter().filter(|(name, _)| *name != "cacheable").map(|(n, v)| (n.clone(), v.clone())).collect();
    if facts.is_empty() {
        return Outcome::failure("No key/value pairs provided, at least one is required for this action to succeed");
    }
    for name in facts.keys() {
        if !super::convert::is_name(name) {
            return Outcome::failure(format!("Invalid variable name '{name}'. {}", super::convert::NAME_RULE));
        }
    }
    Outcome { facts, lasting: args.flag("cacheable"), ..Outcome::default() }
}
