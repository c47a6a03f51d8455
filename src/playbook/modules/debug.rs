//! `debug`: says something.

use serde_json::{Map, Value};

use super::{Act, Arg, Args, Kind, Module, Outcome, Scope};

/// Says a text or shows a variable.
pub static MODULE: Module = Module {
    name: "debug",
    collections: &["ansible.builtin"],
    summary: "Say a text or show a variable",
    args: &[
        Arg {
            name: "msg",
            aliases: &[],
            kind: Kind::Raw,
            required: false,
            default: None,
            choices: &[],
            doc: "What to say; any value. Without it: `Hello world!`",
        },
        Arg {
            name: "var",
            aliases: &[],
            kind: Kind::Raw,
            required: false,
            default: None,
            choices: &[],
            doc: "The variable or expression to show",
        },
        Arg {
            name: "verbosity",
            aliases: &[],
            kind: Kind::Int,
            required: false,
            default: Some("0"),
            choices: &[],
            doc: "Only from this many `-v` on",
        },
    ],
    free_form: None,
    act: Act::Controller(act),
};

fn act(args: &Args, scope: &Scope) -> Outcome {
    let verbosity = scope.vars.get("ansible_verbosity").and_then(Value::as_i64).unwrap_or(0);
    let mut result = Map::new();
    if verbosity < args.int("verbosity").unwrap_or(0) {
        result.insert("skipped".into(), Value::Bool(true));
        result.insert("skipped_reason".into(), Value::String("verbosity threshold not met".into()));
        return Outcome { result, ..Outcome::default() };
    }
    match (args.get("msg"), args.get("var")) {
        (Some(_), Some(_)) => return Outcome::failure("`debug` takes `msg` or `var`, not both"),
        (_, Some(var)) if !var.is_string() => {
            let text = super::convert::text_of(var);
            return Outcome::failure(format!("argument 'var': '{text}' is not a string and conversion is not allowed"));
        }
        (_, Some(var)) => {
            let mut name = super::convert::text_of(var);
            if crate::playbook::template::is_lone(&name) {
                match (scope.eval)(name.trim().trim_start_matches("{{").trim_end_matches("}}")) {
                    // `var: "{{ name }}"` names a variable; anything else is shown as it is.
                    Ok(Value::String(inner)) if is_path(&inner) => name = inner,
                    Ok(value) => {
                        result.insert(name, value);
                        return Outcome { result, ..Outcome::default() };
                    }
                    Err(why) => return Outcome::failure(why),
                }
            }
            match (scope.eval)(&name) {
                Ok(value) => result.insert(name, value),
                Err(why) if !undefined(&why) => return Outcome::failure(why),
                Err(why) => {
                    let why = why.split("; did you mean").next().unwrap_or_default();
                    let why = why.split(" (in variable ").next().unwrap_or_default();
                    let warning = format!("the expression `{name}` is undefined: {why}");
                    result.insert("warnings".into(), Value::Array(vec![warning.into()]));
                    result.insert(name, Value::String(format!("<< error 1 - {why} >>")))
                }
            };
        }
        (Some(msg), None) => {
            result.insert("msg".into(), msg.clone());
        }
        (None, None) => {
            result.insert("msg".into(), Value::String("Hello world!".into()));
        }
    }
    Outcome { result, ..Outcome::default() }
}

/// Whether text is a variable's name, perhaps with attributes: looking it up does nothing else.
fn is_path(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'))
}

/// Whether an expression failed because it names what is not there.
fn undefined(why: &str) -> bool {
    why.contains("undefined") || why.contains("has no attribute")
}
