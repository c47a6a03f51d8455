//! `validate_argument_spec`: whether variables are what a role's `meta/argument_specs.yml` says of them.

use serde_json::{Map, Value, json};

use super::{Act, Arg, Args, Kind, Module, Outcome, Scope, convert, kinds::typed};
use crate::playbook::template::{self, OMIT};

/// Checks variables against a specification of arguments.
pub static MODULE: Module = Module {
    name: "validate_argument_spec",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "Check a role's arguments against their specification",
    args: &[
        raw("argument_spec", true, "names and what is wanted of each: type, required, choices, options…"),
        raw("provided_arguments", false, "values that count before the variables"),
        raw("validate_args_context", false, "what is checked, for the result"),
    ],
    free_form: None,
    act: Act::Controller(act),
};

const fn raw(name: &'static str, required: bool, doc: &'static str) -> Arg {
    Arg { name, aliases: &[], kind: Kind::Raw, required, default: None, choices: &[], doc }
}

fn act(args: &Args, scope: &Scope) -> Outcome {
    let empty = Map::new();
    let Some(Value::Object(spec)) = args.get("argument_spec") else {
        return Outcome::failure("Incorrect type for argument_spec, expected dict");
    };
    let mut given = Map::new();
    for name in spec.keys() {
        match (scope.eval)(name) {
            Ok(value) if value.as_str() == Some(OMIT) => {}
            Ok(value) => {
                given.insert(name.clone(), value);
            }
            Err(why) if why.starts_with(&format!("'{name}' is undefined")) => {}
            Err(why) => return Outcome::failure(why),
        }
    }
    match args.get("provided_arguments") {
        None => {}
        Some(Value::Object(more)) => given.extend(more.clone()),
        Some(_) => return Outcome::failure("Incorrect type for provided_arguments, expected dict"),
    }
    let context = args.get("validate_args_context").cloned().unwrap_or_else(|| json!({}));
    let mut result = Map::from_iter([("validate_args_context".to_owned(), context)]);
    let mut check = Check::default();
    check.level(spec, &mut given, &[]);
    let own = args.get("argument_spec").and_then(Value::as_object).unwrap_or(&empty);
    let errors = check.finish();
    if errors.is_empty() {
        result.insert("msg".into(), "The arg spec validation passed".into());
        return Outcome { result, ..Outcome::default() };
    }
    let message = format!("Validation of arguments failed:\n{}", errors.join("\n"));
    result.insert("argument_spec_data".into(), Value::Object(own.clone()));
    result.insert("argument_errors".into(), errors.into());
    Outcome { failed: Some(message), result, ..Outcome::default() }
}

/// What is wrong so far.
#[derive(Debug, Default)]
struct Check {
    errors: Vec<String>,
    unsupported: Vec<String>,
    supported: Vec<String>,
}

fn texts(spec: &Value, key: &str) -> Vec<String> {
    let items = spec.get(key).and_then(Value::as_array);
    items.map(|items| items.iter().map(convert::text_of).collect()).unwrap_or_default()
}

fn flag(spec: &Value, key: &str) -> bool {
    spec.get(key).and_then(convert::bool_of).unwrap_or(false)
}

impl Check {
    /// One level of options. `place` names the options around it.
    fn level(&mut self, spec: &Map<String, Value>, given: &mut Map<String, Value>, place: &[String]) {
        for (name, want) in spec {
            for alias in texts(want, "aliases") {
                if let Some(value) = given.shift_remove(&alias) {
                    given.insert(name.clone(), value);
                }
            }
        }
        let mut unknown: Vec<&String> = given.keys().filter(|name| !spec.contains_key(*name)).collect();
        if !unknown.is_empty() {
            unknown.sort();
            let full = |name: &String| place.iter().chain([name]).cloned().collect::<Vec<_>>().join(".");
            self.unsupported.extend(unknown.into_iter().map(full));
            self.supported.extend(spec.keys().cloned());
        }
        let mut missing: Vec<&str> = spec
            .iter()
            .filter(|(name, want)| flag(want, "required") && !given.contains_key(*name))
            .map(|(n, _)| n.as_str())
            .collect();
        if !missing.is_empty() {
            missing.sort_unstable();
            self.say(format!("missing required arguments: {}", missing.join(", ")), place);
        }
        for (name, want) in spec {
            if let Some(value) = given.get_mut(name) {
                self.kind(name, want, value, place);
            }
        }
        for (name, want) in spec {
            if let Some(value) = given.get(name) {
                self.choices(name, want, value, place);
            }
        }
        for (name, want) in spec {
            if let (false, Some(default)) = (given.contains_key(name), want.get("default").filter(|v| !v.is_null())) {
                given.insert(name.clone(), default.clone());
            }
        }
        for (name, want) in spec {
            let Some(Value::Object(options)) = want.get("options") else { continue };
            let inner: Vec<String> = place.iter().chain([name]).cloned().collect();
            match given.get_mut(name) {
                Some(Value::Object(map)) => self.level(options, map, &inner),
                Some(Value::Array(items)) => {
                    for item in items {
                        match item {
                            Value::Object(map) => self.level(options, map, &inner),
                            _ => self.errors.push(format!("value of '{name}' must be of type dict or list of dicts")),
                        }
                    }
                }
                None if flag(want, "apply_defaults") => self.level(options, &mut Map::new(), &inner),
                None | Some(Value::Null) => {}
                Some(_) => self.errors.push(format!("value of '{name}' must be of type dict or list of dicts")),
            }
        }
    }

    fn say(&mut self, message: String, place: &[String]) {
        let message = if place.is_empty() { message } else { format!("{message} found in {}", place.join(" -> ")) };
        self.errors.push(message);
    }

    fn kind(&mut self, name: &str, want: &Value, value: &mut Value, place: &[String]) {
        let optional = !flag(want, "required") && want.get("default").is_none_or(Value::is_null);
        if value.is_null() && optional {
            return;
        }
        let kind = want.get("type").map_or_else(|| "str".to_owned(), convert::text_of);
        let found = if place.is_empty() { String::new() } else { format!(" found in '{}'.", place.join(" -> ")) };
        match typed(&kind, value) {
            Ok(made) => *value = made,
            Err(why) => {
                let python = template::kind(value);
                let message = format!(
                    "argument '{name}' is of type {python}{found} and we were unable to convert to {kind}: {why}"
                );
                self.errors.push(message);
                return;
            }
        }
        let Some(wanted) = want.get("elements").map(convert::text_of) else { return };
        let Value::Array(items) = value else { return };
        for item in items {
            match typed(&wanted, item) {
                Ok(made) => *item = made,
                Err(why) => {
                    let found = found.trim_end_matches('.');
                    let python = template::kind(item);
                    self.errors.push(format!(
                        "Elements value for option '{name}'{found} is of type {python} and we were unable to convert to {wanted}: {why}"
                    ));
                }
            }
        }
    }

    fn choices(&mut self, name: &str, want: &Value, value: &Value, place: &[String]) {
        let Some(Value::Array(choices)) = want.get("choices") else { return };
        let known = choices.iter().map(convert::text_of).collect::<Vec<_>>().join(", ");
        // YAML reads `yes` as true; a choice of that name is meant.
        let among = |value: &Value| {
            choices.contains(value)
                || choices.iter().any(|choice| value.is_boolean() && convert::bool_of(choice) == value.as_bool())
        };
        match value {
            Value::Null => {}
            Value::Array(items) => {
                let other: Vec<String> = items.iter().filter(|item| !among(item)).map(convert::text_of).collect();
                if !other.is_empty() {
                    let other = other.join(", ");
                    self.say(
                        format!("value of {name} must be one or more of: {known}. Got no match for: {other}"),
                        place,
                    );
                }
            }
            value if among(value) => {}
            value => {
                self.say(format!("value of {name} must be one of: {known}, got: {}", convert::text_of(value)), place);
            }
        }
    }

    fn finish(mut self) -> Vec<String> {
        if !self.unsupported.is_empty() {
            self.unsupported.sort();
            self.supported.sort();
            self.supported.dedup();
            self.errors.push(format!(
                "{}. Supported parameters include: {}.",
                self.unsupported.join(", "),
                self.supported.join(", ")
            ));
        }
        self.errors
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(spec: Value, given: Value) -> Vec<String> {
        let (Value::Object(spec), Value::Object(mut given)) = (spec, given) else { panic!("mappings") };
        let mut check = Check::default();
        check.level(&spec, &mut given, &[]);
        check.finish()
    }

    #[test]
    fn arguments_are_judged_as_ansible_judges_them() {
        let spec = json!({
            "s": {"type": "str", "required": true}, "n": {"type": "int", "required": true},
            "l": {"type": "list", "elements": "int"}, "c": {"choices": ["a", "b"]},
            "d": {"type": "dict", "options": {"in": {"type": "bool", "required": true}}},
        });
        assert!(errors(spec.clone(), json!({"s": 1, "n": "5", "l": "1,2", "c": "a", "d": {"in": "yes"}})).is_empty());
        assert_eq!(errors(spec.clone(), json!({})), ["missing required arguments: n, s"]);
        let wrong = json!({"s": "x", "n": null, "l": ["x"], "c": "z", "d": {"no": 1}});
        assert_eq!(
            errors(spec, wrong),
            [
                "argument 'n' is of type NoneType and we were unable to convert to int: \"None\" cannot be converted to an int",
                "Elements value for option 'l' is of type str and we were unable to convert to int: \"'x'\" cannot be converted to an int",
                "value of c must be one of: a, b, got: z",
                "missing required arguments: in found in d",
                "d.no. Supported parameters include: in.",
            ]
        );
    }
}
