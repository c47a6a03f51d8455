//! `assert` and `fail`: end a host's run when something is not as it should be.

use serde_json::{Map, Value};

use super::{Act, Arg, Args, Kind, Module, Outcome, Scope};

/// Fails unless all expressions are true.
pub static ASSERT: Module = Module {
    name: "assert",
    collections: &["ansible.builtin"],
    summary: "Fail unless all expressions are true",
    args: &[
        Arg {
            name: "that",
            aliases: &[],
            kind: Kind::Raw,
            required: true,
            default: None,
            choices: &[],
            doc: "An expression or a list of them",
        },
        Arg {
            name: "fail_msg",
            aliases: &["msg"],
            kind: Kind::Raw,
            required: false,
            default: None,
            choices: &[],
            doc: "What to say when one is false",
        },
        Arg {
            name: "success_msg",
            aliases: &[],
            kind: Kind::Raw,
            required: false,
            default: None,
            choices: &[],
            doc: "What to say when all are true",
        },
        Arg {
            name: "quiet",
            aliases: &[],
            kind: Kind::Bool,
            required: false,
            default: Some("false"),
            choices: &[],
            doc: "Say nothing when all are true",
        },
    ],
    free_form: None,
    act: Act::Controller(assert),
};

/// Fails with a message.
pub static FAIL: Module = Module {
    name: "fail",
    collections: &["ansible.builtin"],
    summary: "Fail with a message",
    args: &[Arg {
        name: "msg",
        aliases: &[],
        kind: Kind::Str,
        required: false,
        default: Some("Failed as requested from task"),
        choices: &[],
        doc: "What to say",
    }],
    free_form: None,
    act: Act::Controller(fail),
};

fn assert(args: &Args, scope: &Scope) -> Outcome {
    let that = match args.0.get("that") {
        Some(Value::Null) => return Outcome::failure("Empty conditional expressions are not allowed."),
        Some(Value::Array(items)) => items.clone(),
        Some(one) => vec![one.clone()],
        None => Vec::new(),
    };
    let mut result = Map::new();
    if that.iter().any(|text| text.as_str().is_some_and(crate::playbook::template::is_lone)) {
        let message = "Conditionals should not be surrounded by templating delimiters such as {{ }} or {% %}.";
        result.insert("deprecations".into(), serde_json::json!([{"msg": message}]));
    }
    for expression in that {
        let held = match &expression {
            Value::Bool(flag) => Ok(*flag),
            other => (scope.judge)(&super::convert::text_of(other)),
        };
        match held {
            Ok(true) => {}
            Ok(false) => {
                let message = args.get("fail_msg").map_or("Assertion failed".into(), super::convert::text_of);
                result.insert("evaluated_to".into(), Value::Bool(false));
                result.insert("assertion".into(), expression);
                return Outcome { failed: Some(message), result, ..Outcome::default() };
            }
            Err(why) => {
                result.insert("assertion".into(), expression);
                return Outcome { failed: Some(why), result, ..Outcome::default() };
            }
        }
    }
    let message = args.get("success_msg").cloned().unwrap_or_else(|| Value::String("All assertions passed".into()));
    if !args.flag("quiet") || args.get("success_msg").is_some() {
        result.insert("msg".into(), message);
    }
    Outcome { result, ..Outcome::default() }
}

fn fail(args: &Args, _: &Scope) -> Outcome {
    Outcome::failure(args.str("msg").unwrap_or_default())
}
