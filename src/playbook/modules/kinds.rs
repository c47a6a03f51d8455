//! Values as the kinds that arguments have, by the rules and in the words of Ansible: for modules and for the
//! specifications of roles alike.

use minijinja::Value as Jinja;
use serde_json::{Map, Value, json};

use super::convert::{bool_of, text_of};
use crate::playbook::{template, value::to_jinja};

/// A value as the kind that Ansible calls `kind`.
pub(super) fn typed(kind: &str, value: &Value) -> Result<Value, String> {
    match kind {
        "raw" => Ok(value.clone()),
        "str" | "path" => match value {
            Value::Null => Err("'None' is not a string and conversion is not allowed".into()),
            Value::String(_) => Ok(value.clone()),
            other => Ok(Value::String(template::py_str(&to_jinja(other)))),
        },
        "bool" => truth(value).map(Value::Bool),
        "int" => whole(value).map(Value::from),
        "float" => match value {
            Value::Number(_) => Ok(value.clone()),
            Value::String(text) if text.trim().parse::<f64>().is_ok() => {
                Ok(text.trim().parse::<f64>().map(Value::from).unwrap_or_default())
            }
            _ => Err(format!("{} cannot be converted to a float", class(value))),
        },
        "list" => match value {
            Value::Array(_) => Ok(value.clone()),
            Value::String(text) => Ok(text.split(',').map(|part| Value::from(part.trim())).collect()),
            Value::Number(number) => Ok(json!([number.to_string()])),
            _ => Err(format!("{} cannot be converted to a list", class(value))),
        },
        "dict" => mapping(value),
        "json" | "jsonarg" => match value {
            Value::String(_) => Ok(value.clone()),
            Value::Array(_) | Value::Object(_) => Ok(Value::String(value.to_string())),
            _ => Err(format!("{} cannot be converted to a json string", class(value))),
        },
        "bytes" | "bits" => {
            let text = text_of(value);
            let digits = text.trim().trim_end_matches(|c: char| c.is_ascii_alphabetic());
            let what = if kind == "bits" { "Bit" } else { "Byte" };
            let number = digits.trim().parse::<f64>();
            number.map(|_| value.clone()).map_err(|_| format!("{} cannot be converted to a {what} value", class(value)))
        }
        other => Err(format!("`{other}` is no type of an argument")),
    }
}

/// Python's class of a value, as messages name it.
fn class(value: &Value) -> String {
    format!("<class '{}'>", template::kind(value))
}

/// Yes or no.
pub(super) fn truth(value: &Value) -> Result<bool, String> {
    if !matches!(value, Value::Bool(_) | Value::String(_) | Value::Number(_)) {
        return Err(format!("{} cannot be converted to a bool", class(value)));
    }
    bool_of(value).ok_or_else(|| {
        let valid =
            "'y', 'yes', 'on', '1', 'true', 't', 1, 1.0, True, 'n', 'no', 'off', '0', 'false', 'f', 0, 0.0, False";
        format!("The value '{}' is not a valid boolean. Valid booleans include: {valid}", text_of(value))
    })
}

/// A whole number; one that was written with a fraction of nothing counts.
pub(super) fn whole(value: &Value) -> Result<i64, String> {
    let of_float = |float: f64| {
        let fits = float.fract() == 0.0 && float.abs() < 9e15;
        fits.then(|| format!("{float:.0}").parse::<i64>().ok()).flatten()
    };
    let number = match value {
        Value::Bool(flag) => Some(i64::from(*flag)),
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().and_then(of_float)),
        Value::String(text) => {
            let text = text.trim().replace('_', "");
            text.parse().ok().or_else(|| text.parse::<f64>().ok().and_then(of_float))
        }
        _ => None,
    };
    number.ok_or_else(|| format!("\"{}\" cannot be converted to an int", python(value)))
}

/// A value as Python shows it in a list.
fn python(value: &Value) -> String {
    let shown = template::py_str(&Jinja::from(vec![to_jinja(value)]));
    shown.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(&shown).to_owned()
}

/// A mapping: itself, JSON text, or `a=1, b=2`.
pub(super) fn mapping(value: &Value) -> Result<Value, String> {
    match value {
        Value::Object(_) => Ok(value.clone()),
        Value::String(text) if text.trim_start().starts_with('{') => {
            let read = serde_json::from_str::<Value>(text).ok().filter(Value::is_object);
            read.ok_or_else(|| "unable to evaluate string as dictionary".to_owned())
        }
        Value::String(text) if text.contains('=') => pairs(text).map(Value::Object),
        Value::String(_) => Err("dictionary requested, could not parse JSON or key=value".into()),
        _ => Err(format!("{} cannot be converted to a dict", class(value))),
    }
}

/// `a=1, b="two words"`: divided at commas and blanks outside quotes.
fn pairs(text: &str) -> Result<Map<String, Value>, String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    let mut letters = text.trim().chars();
    while let Some(c) = letters.next() {
        match (c, quote) {
            ('\\', _) => word.extend(letters.next()),
            (c, Some(open)) if c == open => quote = None,
            ('\'' | '"', None) => quote = Some(c),
            (',' | ' ', None) => words.push(std::mem::take(&mut word)),
            _ => word.push(c),
        }
    }
    words.push(word);
    let wrong = || "unable to evaluate string in the \"key=value\" format as dictionary".to_owned();
    let words = words.iter().filter(|word| !word.is_empty());
    words.map(|word| word.split_once('=').map(|(a, b)| (a.to_owned(), b.into())).ok_or_else(wrong)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_what_is_wanted_or_say_why_not() {
        for (value, number) in [(json!("5"), 5), (json!(true), 1), (json!(7.0), 7), (json!(" 1e3 "), 1000)] {
            assert_eq!(whole(&value), Ok(number));
        }
        for (value, shown) in [(json!("x"), "'x'"), (json!(null), "None"), (json!(1.5), "1.5"), (json!("1.5"), "'1.5'")]
        {
            assert_eq!(whole(&value), Err(format!("\"{shown}\" cannot be converted to an int")));
        }
        assert_eq!(mapping(&json!("a=1, b=\"two words\"")), Ok(json!({"a": "1", "b": "two words"})));
        assert!(mapping(&json!("a=1 b")).unwrap_err().contains("key=value"));
        assert!(mapping(&json!("{a")).is_err() && mapping(&json!(["a"])).is_err());
        assert_eq!(truth(&json!("On")), Ok(true));
        assert!(truth(&json!("maybe")).unwrap_err().starts_with("The value 'maybe' is not a valid boolean."));
        assert_eq!(truth(&json!(null)).unwrap_err(), "<class 'NoneType'> cannot be converted to a bool");
    }
}
