//! `debconf`: answers to the questions that Debian packages ask.
//!
//! Answers travel on standard input; passwords are never told.

use super::common::{Step, arg, flag, given, required, text};
use super::{Act, Arg, Args, Kind, Module, Scope, Script};
use serde_json::{Map, Value, json};

/// The module.
pub static DEBCONF: Module = Module {
    name: "debconf",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "answers questions of Debian packages before they are asked",
    args: &[
        Arg { aliases: &["pkg"], ..required("name", Kind::Str, "the package") },
        Arg {
            aliases: &["selection", "setting"],
            ..arg("question", Kind::Str, "the question; without it answers are told")
        },
        Arg {
            choices: &[
                "boolean",
                "error",
                "multiselect",
                "note",
                "password",
                "seen",
                "select",
                "string",
                "text",
                "title",
            ],
            ..arg("vtype", Kind::Str, "what kind of answer it is")
        },
        Arg { aliases: &["answer"], ..arg("value", Kind::Raw, "the answer; for multiselect also a list") },
        with_unseen(),
    ],
    free_form: None,
    act: Act::Shell { library: &[super::common::RUN, SH], script },
};

const fn with_unseen() -> Arg {
    super::common::with_default("unseen", Kind::Bool, "false", "do not mark the question as asked")
}

const SH: &str = r#"
b_debconf() {
  b_nl='
'
  b_need debconf-show debconf-set-selections
  b_n=0
  # Another program, an installation maybe, may hold the answers for a while.
  until b_have=$(debconf-show "$b_name" 2>&1); do
    case $b_have in *'is locked by another process'*) ;; *) fail "debconf does not show \`$b_name\`: $b_have" ;; esac
    b_n=$((b_n + 1))
    [ "$b_n" -lt 30 ] || fail "$b_have"
    sleep 1
  done
  [ -n "$b_question" ] || { out show "$b_have"; return 0; }
  b_is= b_found=
  while IFS= read -r b_l; do
    b_k=${b_l%%:*}
    while :; do case $b_k in '*'* | ' '*) b_k=${b_k#?} ;; *) break ;; esac; done
    [ "$b_k" = "$b_question" ] || continue
    b_found=1
    b_is=${b_l#*:}
    while :; do case $b_is in ' '*) b_is=${b_is# } ;; *) break ;; esac; done
  done <<B_END
$b_have
B_END
  [ -z "$b_found" ] || out was "$b_is"
  case $b_type in
    boolean) b_is=$(printf %s "$b_is" | tr '[:upper:]' '[:lower:]') ;;
    multiselect)
      if [ -n "$b_list" ]; then
        # The order of what is chosen means nothing.
        b_is=$(printf '%s\n' "$b_is" | tr , '\n' | sed 's/^ *//; s/ *$//' | LC_ALL=C sort)
        b_sorted=$(printf '%s\n' "$b_value" | tr , '\n' | sed 's/^ *//; s/ *$//' | LC_ALL=C sort)
        [ -z "$b_found" ] || [ "$b_is" != "$b_sorted" ] || return 0
        b_found=
      fi
      ;;
    password)
      if [ -n "$b_found" ]; then
        # What is shown of a password is not the password.
        b_is=$(printf 'GET %s\n' "$b_question" | debconf-communicate "$b_name" 2>/dev/null)
        b_is=${b_is#0}
        b_is=${b_is# }
      fi
      ;;
  esac
  if [ -n "$b_found" ] && [ "$b_is" = "$b_value" ]; then return 0; fi
  changed
  [ -z "$CHECK" ] || return 0
  b_x=$(debconf-set-selections ${b_unseen:+-u} 2>&1 3>&- <<B_END
$b_name $b_question $b_type $b_value
B_END
) || fail "debconf-set-selections: $b_x"
}
"#;

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    let name = text(args, "name").unwrap_or_default();
    let question = text(args, "question").unwrap_or_default();
    let kind = text(args, "vtype").unwrap_or_default();
    if !question.is_empty() && (kind.is_empty() || !given(args, "value")) {
        return Err("when supplying a question you must supply a valid vtype and value".to_owned());
    }
    let value = value(args)?;
    for (what, word) in [("name", name), ("question", question)] {
        if word.starts_with('-') || word.contains(char::is_whitespace) || word.contains(['\0', ':']) {
            return Err(format!("`{what}: {}` must be one word, without a colon", word.escape_debug()));
        }
    }
    let mut step = Step::new(scope);
    step.set("b_name", name)?
        .set("b_question", question)?
        .set("b_type", kind)?
        .set("b_value", &value)?
        .set_flag("b_list", args.get("value").is_some_and(Value::is_array))
        .set_flag("b_unseen", flag(args, "unseen"));
    let mut script = step.run("b_debconf").done();
    script.finish = Some(finish);
    Ok(script)
}

fn value(args: &Args) -> Result<String, String> {
    let one = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Null => Ok(String::new()),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        _ => Err("`value` must be a text, or a list of texts".to_owned()),
    };
    let value = match args.0.get("value") {
        Some(Value::Array(items)) if text(args, "vtype") == Some("multiselect") => {
            if let Some(bad) = items.iter().find(|item| !item.is_string()) {
                return Err(format!("Invalid value provided for 'multiselect': {bad} is no text"));
            }
            items.iter().map(one).collect::<Result<Vec<_>, _>>()?.join(", ")
        }
        Some(value) => one(value)?,
        None => String::new(),
    };
    if value.contains(['\n', '\0']) {
        return Err("`value` must be one line".to_owned());
    }
    Ok(if text(args, "vtype") == Some("boolean") { value.to_lowercase() } else { value })
}

fn finish(args: &Args, result: &mut Map<String, Value>) {
    if result.get("failed") == Some(&Value::Bool(true)) {
        return;
    }
    if let Some(Value::String(shown)) = result.shift_remove("show") {
        let all: Map<String, Value> = shown
            .lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim_matches([' ', '*']).to_owned(), value.trim().into()))
            .collect();
        result.insert("current".to_owned(), Value::Object(all));
        return;
    }
    let question = text(args, "question").unwrap_or_default();
    let was = result.shift_remove("was");
    let secret = text(args, "vtype") == Some("password");
    let wanted = if secret { Value::from("********") } else { value(args).unwrap_or_default().into() };
    result.insert("current".to_owned(), json!({ question: wanted }));
    if result.get("changed") == Some(&Value::Bool(true)) {
        let was = if secret { "********".into() } else { was.unwrap_or_else(|| "".into()) };
        result.insert("previous".to_owned(), json!({ question: was }));
        result.insert("diff".to_owned(), json!({"before": {question: result["previous"][question]}, "after": {question: result["current"][question]}}));
    }
}

#[cfg(test)]
mod tests {
    use super::{DEBCONF, finish};
    use crate::playbook::modules::common::{
        trial::{Trial, args},
        world::{Kind, World},
    };

    #[test]
    fn answers_are_given_once() {
        let mut world = World::new(Kind::Debian);
        for (value, kind) in
            [("'a b $(id)'", "string"), ("true", "boolean"), ("[x, z]", "multiselect"), ("s3cret", "password")]
        {
            let task = args(
                &DEBCONF,
                &format!("{{name: berth-demo, question: berth-demo/{kind}, vtype: {kind}, value: {value}}}"),
            );
            let look = world.check(&DEBCONF, &task);
            assert!(look.changed && look.failed.is_none(), "{look:?}");
            let first = world.run(&DEBCONF, &task);
            assert!(first.changed && first.failed.is_none(), "{first:?}");
            let again = world.run(&DEBCONF, &task);
            assert!(!again.changed && again.failed.is_none(), "{kind} {again:?}");
        }
        let task = args(&DEBCONF, "{name: berth-demo}");
        let mut all = world.run(&DEBCONF, &task);
        finish(&task, &mut all.result);
        assert_eq!(all.result["current"]["berth-demo/string"], "a b $(id)", "{all:?}");
    }

    #[test]
    fn lines_that_would_be_two_are_refused() {
        let trial = Trial::new();
        for bad in [
            "{name: x, question: x/y}",
            "{name: x, question: x/y, vtype: string, value: \"a\\nb c string d\"}",
            "{name: 'a b', question: x, vtype: string, value: y}",
            "{name: '-x'}",
            "{name: x, question: x/y, vtype: string, value: [a]}",
        ] {
            assert!(trial.run(Trial::SHELLS[0], &DEBCONF, &args(&DEBCONF, bad)).failed.is_some(), "{bad}");
        }
    }
}
