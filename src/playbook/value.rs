//! Between the values of YAML and JSON and those of templates.

use minijinja::value::{Value as Jinja, ValueKind};
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

/// A template's value as data. Undefined becomes `None`; what is no data becomes its text.
pub fn from_jinja(value: &Jinja) -> Option<Value> {
    Some(match value.kind() {
        ValueKind::Undefined => return None,
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
        ValueKind::Seq | ValueKind::Iterable => match value.try_iter() {
            Ok(items) => items.map(|item| from_jinja(&item).unwrap_or(Value::Null)).collect(),
            Err(_) => Value::String(value.to_string()),
        },
        ValueKind::Map => {
            let mut map = Map::new();
            for key in value.try_iter().ok()? {
                let inner = value.get_item(&key).ok()?;
                let key = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
                map.insert(key, from_jinja(&inner).unwrap_or(Value::Null));
            }
            Value::Object(map)
        }
        _ => Value::String(value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
    })
}
