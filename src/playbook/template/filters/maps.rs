//! Mappings: merging them, turning them into lists and back.

use minijinja::{
    Error,
    value::{Kwargs, Tuple, Value, ValueKind},
};

use super::super::{
    call::{Call, Entry, bad, entry, items_of, name_of_kind, undefined, valid},
    dump::{py_str, repr_of},
};

pub(in super::super) static TABLE: &[Entry] = &[
    entry(&["combine"], "* **", combine),
    entry(&["dict2items"], "key_name value_name", |c| {
        let (key, value) = (c.str_or(0, "key"), c.str_or(1, "value"));
        expect_map(c, &c.value)?;
        let mut made = Vec::new();
        for (k, v) in entries(&c.value)? {
            made.push(Value::from_pairs([(Value::from(key.as_str()), k), (Value::from(value.as_str()), v)]));
        }
        Ok(made.into())
    }),
    entry(&["dictsort"], "case_sensitive by reverse", dictsort),
    entry(&["items2dict"], "key_name value_name", |c| {
        let name = |at: usize, or: &str| c.some(at).cloned().unwrap_or_else(|| Value::from(or));
        let (key, value) = (name(0, "key"), name(1, "value"));
        if !matches!(c.value.kind(), ValueKind::Seq | ValueKind::Iterable) {
            return Err(c.fault(format_args!("a list is expected here, not {}", name_of_kind(c.value.kind()))));
        }
        let mut made = Vec::new();
        for item in c.items()? {
            if !matches!(item.kind(), ValueKind::Map | ValueKind::Seq | ValueKind::Iterable) {
                return Err(
                    c.fault(format_args!("a list of mappings is expected here, and `{}` is none", py_str(&item)))
                );
            }
            let pick = |name: &Value| {
                let found = item.get_item(name).unwrap_or_default();
                let message =
                    format!("each mapping needs the keys `{key}` and `{value}`, and `{}` has not", py_str(&item));
                if found.is_undefined() { Err(bad(message)) } else { Ok(found) }
            };
            made.push((pick(&key)?, pick(&value)?));
        }
        Ok(Value::from_pairs(made))
    }),
    entry(&["rekey_on_member"], "key duplicates", rekey),
    entry(&["subelements"], "subelements skip_missing", subelements),
];

/// The pairs of a mapping.
pub(in super::super) fn entries(map: &Value) -> Result<Vec<(Value, Value)>, Error> {
    map.try_iter()?
        .checked()
        .map(|key| {
            let key = key?;
            let value = map.get_item(&key)?;
            valid(value).map(|value| (key, value))
        })
        .collect()
}

/// The pairs of a mapping, as Python's `items()` gives them.
pub(in super::super) fn pairs_of(map: &Value) -> Result<Vec<Value>, Error> {
    Ok(entries(map)?.into_iter().map(|(key, value)| Tuple::from([key, value]).into()).collect())
}

/// Python's `dict(…)`: of a mapping or of pairs, and of names.
#[allow(clippy::needless_pass_by_value, reason = "the template engine calls it so")]
pub(in super::super) fn dict(from: Option<Value>, names: Kwargs) -> Result<Value, Error> {
    let mut made = Vec::new();
    match from {
        None => {}
        Some(from) if from.kind() == ValueKind::Map => made.extend(entries(&from)?),
        Some(from) => {
            for pair in items_of(&from)? {
                let pair = items_of(&pair)?;
                let [key, value] = pair.as_slice() else { return Err(bad("`dict()` wants pairs")) };
                made.push((key.clone(), value.clone()));
            }
        }
    }
    for name in names.args() {
        made.push((Value::from(name), names.peek::<Value>(name)?));
    }
    Ok(Value::from_pairs(made))
}

fn expect_map(c: &Call, value: &Value) -> Result<(), Error> {
    match value.kind() {
        ValueKind::Map => Ok(()),
        ValueKind::Undefined => Err(undefined()),
        kind => Err(c.fault(format_args!("a mapping is expected here, not {}", name_of_kind(kind)))),
    }
}

fn combine(c: &mut Call) -> Result<Value, Error> {
    let mut recursive = false;
    let mut lists = "replace".to_owned();
    for (name, value) in &c.named {
        match name.as_str() {
            "recursive" => recursive = value.is_true(),
            "list_merge" => lists = py_str(value),
            other => return Err(c.fault(format_args!("there is no argument `{other}`"))),
        }
    }
    if !["replace", "keep", "append", "prepend", "append_rp", "prepend_rp"].contains(&lists.as_str()) {
        return Err(c.fault(format_args!(
            "`list_merge` is replace, keep, append, prepend, append_rp or prepend_rp, not `{lists}`"
        )));
    }
    let mut all = Vec::new();
    super::lists::flatten([std::slice::from_ref(&c.value), c.rest.as_slice()].concat(), 1, true, &mut all);
    let mut all = all.into_iter();
    let Some(mut made) = all.next() else { return Ok(Value::from_pairs(Vec::<(Value, Value)>::new())) };
    expect_map(c, &made)?;
    for other in all {
        expect_map(c, &other)?;
        made = merge(&made, &other, recursive, &lists, 0)?;
    }
    Ok(made)
}

fn merge(mine: &Value, theirs: &Value, recursive: bool, lists: &str, depth: usize) -> Result<Value, Error> {
    if depth > 100 {
        return Err(bad("mappings are nested too deep"));
    }
    let mut made: indexmap::IndexMap<Value, Value> = entries(mine)?.into_iter().collect();
    for (key, value) in entries(theirs)? {
        let list = |value: &Value| matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable);
        let value = match made.get(&key) {
            Some(old) if old.kind() == ValueKind::Map && value.kind() == ValueKind::Map && recursive => {
                merge(old, &value, recursive, lists, depth + 1)?
            }
            Some(old) if list(old) && list(&value) => {
                let (old, new) = (items_of(old)?, items_of(&value)?);
                let fresh = || old.iter().filter(|item| !new.contains(item)).cloned().collect::<Vec<_>>();
                Value::from(match lists {
                    "keep" => old,
                    "append" => [old, new].concat(),
                    "prepend" => [new, old].concat(),
                    "append_rp" => [fresh(), new.clone()].concat(),
                    "prepend_rp" => [new.clone(), fresh()].concat(),
                    _ => new,
                })
            }
            _ => value,
        };
        made.insert(key, value);
    }
    Ok(Value::from_pairs(made))
}

fn dictsort(c: &mut Call) -> Result<Value, Error> {
    let (exact, by, reverse) = (c.flag(0, false), c.str_or(1, "key"), c.flag(2, false));
    expect_map(c, &c.value)?;
    let by_key = match by.as_str() {
        "key" => true,
        "value" => false,
        other => return Err(c.fault(format_args!("`by` is `key` or `value`, not `{other}`"))),
    };
    let mut pairs = entries(&c.value)?;
    let fold = |pair: &(Value, Value)| {
        let value = if by_key { &pair.0 } else { &pair.1 };
        match value.as_str() {
            Some(text) if !exact => Value::from(text.to_lowercase()),
            _ => value.clone(),
        }
    };
    pairs.sort_by(|a, b| if reverse { fold(b).cmp(&fold(a)) } else { fold(a).cmp(&fold(b)) });
    Ok(pairs.into_iter().map(|(key, value)| Value::from(Tuple::from([key, value]))).collect())
}

fn rekey(c: &mut Call) -> Result<Value, Error> {
    let key = c.need(0, "key")?.clone();
    let duplicates = c.str_or(1, "error");
    if !matches!(duplicates.as_str(), "error" | "overwrite") {
        return Err(c.fault(format_args!("duplicates parameter to rekey_on_member has unknown value '{duplicates}'")));
    }
    let items: Vec<Value> = match c.value.kind() {
        ValueKind::Map => entries(&c.value)?.into_iter().map(|(_, value)| value).collect(),
        ValueKind::Seq | ValueKind::Iterable => c.items()?,
        _ => return Err(c.fault("Type is not a valid list, set, or dict")),
    };
    let mut made: indexmap::IndexMap<Value, Value> = indexmap::IndexMap::new();
    for item in items {
        if item.kind() != ValueKind::Map {
            return Err(c.fault("List item is not a valid dict"));
        }
        let name = item.get_item(&key)?;
        if name.is_undefined() {
            return Err(c.fault(format_args!("Key {} was not found", repr_of(&key))));
        }
        if made.contains_key(&name) && duplicates == "error" {
            return Err(c.fault(format_args!("Key {} is not unique, cannot convert to dict", repr_of(&name))));
        }
        made.insert(name, item);
    }
    Ok(Value::from_pairs(made))
}

fn subelements(c: &mut Call) -> Result<Value, Error> {
    let path = c.need(0, "subelements")?;
    let path: Vec<Value> = match path.kind() {
        ValueKind::String => py_str(path).split('.').map(Value::from).collect(),
        ValueKind::Seq | ValueKind::Iterable => items_of(path)?,
        _ => return Err(c.fault("subelements must be a list or a string")),
    };
    let skip = c.flag(1, false);
    let items: Vec<Value> = match c.value.kind() {
        ValueKind::Map => entries(&c.value)?.into_iter().map(|(_, value)| value).collect(),
        ValueKind::Seq | ValueKind::Iterable => c.items()?,
        _ => return Err(c.fault("obj must be a list of dicts or a nested dict")),
    };
    let mut made: Vec<Value> = Vec::new();
    for item in items {
        let mut inner = item.clone();
        for key in &path {
            if inner.kind() != ValueKind::Map {
                return Err(c.fault(format_args!(
                    "the key {} should point to a dictionary, got '{}'",
                    py_str(key),
                    py_str(&inner)
                )));
            }
            let next = inner.get_item(key)?;
            if next.is_undefined() {
                if !skip {
                    let (key, item) = (repr_of(key), repr_of(&inner));
                    return Err(c.fault(format_args!("could not find {key} key in iterated item {item}")));
                }
                inner = Value::from(Vec::<Value>::new());
                break;
            }
            inner = next;
        }
        if !matches!(inner.kind(), ValueKind::Seq | ValueKind::Iterable) {
            let key = path.last().map(repr_of).unwrap_or_default();
            return Err(c.fault(format_args!("the key {key} should point to a list, got {}", repr_of(&inner))));
        }
        made.extend(items_of(&inner)?.into_iter().map(|one| Value::from(Tuple::from([item.clone(), one]))));
    }
    Ok(made.into())
}
