//! Between the values of YAML and JSON and those of templates.

use std::borrow::Cow;

use minijinja::{
    Error, ErrorKind,
    value::{Value as Jinja, ValueKind},
};
use serde_json::{Map, Number, Value};

/// A value as templates see it.
pub fn to_jinja(value: &Value) -> Jinja {
    match value {
        Value::Null => Jinja::from(()),
        Value::Bool(flag) => Jinja::from(*flag),
        Value::Number(n) => match (n.as_i64(), n.as_u64(), n.as_f64()) {
            (Some(n), _, _) => Jinja::from(n),
            (_, Some(n), _) => Jinja::from(n),
            (_, _, n) => Jinja::from(n.unwrap_or(f64::NAN)),
        },
        Value::String(text) => Jinja::from(text.as_str()),
        Value::Array(items) => items.iter().map(to_jinja).collect::<Vec<_>>().into(),
        Value::Object(map) => Jinja::from_pairs(map.iter().map(|(k, v)| (Jinja::from(k.as_str()), to_jinja(v)))),
    }
}

/// A template's value as data. Undefined, or an error inside, becomes `None`; what is no data becomes its text.
pub fn from_jinja(value: &Jinja) -> Option<Value> {
    to_json(value).ok()
}

/// A template's value as data. What is undefined inside it is an error.
pub fn to_json(value: &Jinja) -> Result<Value, Error> {
    data(value, 0, &mut { MOST_VALUES })
}

/// How many values one value may hold, at all its depths: lists that hold a list many times take no room by themselves.
pub const MOST_VALUES: usize = 2_000_000;

/// Counts a value.
pub fn count(left: &mut usize) -> Result<(), Error> {
    *left = left.checked_sub(1).ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "this holds too many values"))?;
    Ok(())
}

fn data(value: &Jinja, depth: usize, left: &mut usize) -> Result<Value, Error> {
    if depth > 200 {
        return Err(Error::new(ErrorKind::InvalidOperation, "this is nested too deep"));
    }
    count(left)?;
    Ok(match value.kind() {
        ValueKind::Undefined => return Err(ErrorKind::UndefinedError.into()),
        ValueKind::None => Value::Null,
        ValueKind::Bool => Value::Bool(value.is_true()),
        ValueKind::Number => {
            let whole = value.is_integer();
            if let Some(n) = value.as_i64().filter(|_| whole) {
                Value::from(n)
            } else if let Some(n) = u64::try_from(value.clone()).ok().filter(|_| whole) {
                Value::from(n)
            } else if whole {
                // Digit by digit, since no number of JSON's holds it.
                Value::String(value.to_string())
            } else {
                let float = f64::try_from(value.clone()).ok().and_then(Number::from_f64);
                float.map_or_else(|| Value::String(value.to_string()), Value::Number)
            }
        }
        ValueKind::Bytes => Value::String(String::from_utf8_lossy(value.as_bytes().unwrap_or_default()).into_owned()),
        ValueKind::Seq | ValueKind::Iterable => {
            value.try_iter()?.map(|item| data(&item, depth + 1, left)).collect::<Result<Vec<_>, _>>()?.into()
        }
        ValueKind::Map => {
            let mut map = Map::new();
            for key in value.try_iter()? {
                let inner = value.get_item(&key)?;
                let key = key.as_str().map_or_else(|| crate::playbook::template::py_str(&key), str::to_owned);
                map.insert(key, data(&inner, depth + 1, left)?);
            }
            Value::Object(map)
        }
        ValueKind::Invalid => return Err(value.try_iter().err().unwrap_or_else(|| ErrorKind::UndefinedError.into())),
        _ => Value::String(value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
    })
}

/// JSON text in which whole numbers that no value can hold are text, so that none is rounded.
pub(in crate::playbook) fn exact_json(text: &str) -> Cow<'_, str> {
    // The longest number that fits has 20 digits.
    let mut run = 0;
    let long = text.bytes().any(|byte| {
        run = if byte.is_ascii_digit() { run + 1 } else { 0 };
        run > 18
    });
    if !long {
        return Cow::Borrowed(text);
    }
    let mut made = String::with_capacity(text.len() + 8);
    let (mut rest, mut quoted) = (text, false);
    while let Some(c) = rest.chars().next() {
        let number = if quoted || !(c == '-' || c.is_ascii_digit()) {
            0
        } else {
            let inside = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E');
            rest.find(|c| !inside(c)).unwrap_or(rest.len())
        };
        if number > 0 {
            let word = &rest[..number];
            let digits = word.strip_prefix('-').unwrap_or(word);
            let whole = digits.bytes().all(|byte| byte.is_ascii_digit());
            if whole && digits.len() > 18 && word.parse::<i64>().is_err() && word.parse::<u64>().is_err() {
                made.extend(['"'].into_iter().chain(word.chars()).chain(['"']));
            } else {
                made.push_str(word);
            }
            rest = &rest[number..];
            continue;
        }
        let mut len = c.len_utf8();
        match c {
            '\\' if quoted => len += rest[len..].chars().next().map_or(0, char::len_utf8),
            '"' => quoted = !quoted,
            _ => {}
        }
        made.push_str(&rest[..len]);
        rest = &rest[len..];
    }
    Cow::Owned(made)
}

/// Bytes in hexadecimal digits.
pub(in crate::playbook) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_numbers_of_json_become_text_and_nothing_else_changes() {
        for (text, meant) in [
            ("[18446744073709551615]", "[18446744073709551615]"),
            ("[18446744073709551616, -9223372036854775809]", r#"["18446744073709551616", "-9223372036854775809"]"#),
            (r#"{"a\"99999999999999999999": 1e3}"#, r#"{"a\"99999999999999999999": 1e3}"#),
            ("[0.99999999999999999999]", "[0.99999999999999999999]"),
        ] {
            assert_eq!(exact_json(text), meant);
        }
        let huge = Jinja::from(i128::from(u64::MAX) + 1);
        assert_eq!(to_json(&huge).unwrap(), Value::from("18446744073709551616"));
    }
}
