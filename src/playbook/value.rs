//! Between the values of YAML and JSON and those of templates.

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

/// Bytes in hexadecimal digits.
pub(in crate::playbook) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}
