//! Filters that ask about any value, or apply filters and tests to the items of a list.

use minijinja::{
    Error, ErrorKind,
    value::{Kwargs, Value, ValueKind},
};

use super::super::{
    call::{Call, Entry, bad, entry, items_of, undefined},
    dump::{py_str, repr_of},
};

pub(in super::super) static TABLE: &[Entry] = &[
    entry(&["attr"], "name", |c| Ok(c.value.get_attr(&py_str(c.need(0, "name")?)).unwrap_or(Value::UNDEFINED))),
    entry(&["default", "d"], "? ?default_value boolean", |c| {
        if c.value.is_undefined() || (c.flag(1, false) && !c.value.is_true()) {
            return Ok(c.arg(0).cloned().unwrap_or_else(|| Value::from("")));
        }
        Ok(c.value.clone())
    }),
    entry(&["extract"], "container morekeys", extract),
    entry(&["format"], "* **", |c| {
        let args = handed_on(c, 0, c.value.clone());
        Value::from_function(minijinja::filters::format).call(c.state, &args)
    }),
    entry(&["items"], "?", |c| {
        if c.value.is_undefined() {
            return Ok(Value::from(Vec::<Value>::new()));
        }
        if c.value.kind() != ValueKind::Map {
            return Err(c.fault("a mapping is expected here"));
        }
        super::maps::pairs_of(&c.value).map(Value::from)
    }),
    entry(&["mandatory"], "? msg", |c| {
        if !c.value.is_undefined() {
            return Ok(c.value.clone());
        }
        Err(bad(c.str(0).unwrap_or_else(|| "a mandatory variable is not defined".into())))
    }),
    entry(&["map"], "? * **", map),
    entry(&["pprint"], "", |c| Ok(pprint(&c.value).into())),
    entry(&["reject"], "* **", |c| choose(c, false, false)),
    entry(&["rejectattr"], "* **", |c| choose(c, true, false)),
    entry(&["select"], "* **", |c| choose(c, false, true)),
    entry(&["selectattr"], "* **", |c| choose(c, true, true)),
    entry(&["ternary"], "?true_val ?false_val ?none_val", |c| {
        let pick = match (c.value.is_none(), c.some(2)) {
            (true, Some(none)) => none.clone(),
            _ if c.value.is_true() => c.need(0, "true_val")?.clone(),
            _ => c.need(1, "false_val")?.clone(),
        };
        c.need(1, "false_val")?;
        Ok(pick)
    }),
    entry(&["type_debug"], "?", |c| Ok(type_name(&c.value).into())),
];

/// The name of Python's type.
pub(in super::super) fn type_name(value: &Value) -> &'static str {
    match value.kind() {
        ValueKind::Undefined => "AnsibleUndefined",
        ValueKind::None => "NoneType",
        ValueKind::Bool => "bool",
        ValueKind::Number if value.is_integer() => "int",
        ValueKind::Number => "float",
        ValueKind::String => "str",
        ValueKind::Bytes => "bytes",
        ValueKind::Map => "dict",
        ValueKind::Seq | ValueKind::Iterable if value.is_tuple() => "tuple",
        ValueKind::Seq | ValueKind::Iterable => "list",
        _ if value.downcast_object_ref::<super::time::Moment>().is_some() => "datetime",
        _ if value.downcast_object_ref::<super::time::Span>().is_some() => "timedelta",
        _ => "object",
    }
}

/// `a.b.0` of an item, or one key of another kind; undefined when it is not there.
pub(in super::super) fn attribute(item: &Value, path: &Value) -> Value {
    let Some(text) = path.as_str() else { return item.get_item(path).unwrap_or(Value::UNDEFINED) };
    let mut found = item.clone();
    for part in text.split('.') {
        let next = match part.parse::<usize>() {
            Ok(number) if found.kind() != ValueKind::Map => found.get_item_by_index(number),
            _ => found.get_attr(part),
        };
        found = next.unwrap_or(Value::UNDEFINED);
        if found.is_undefined() {
            break;
        }
    }
    found
}

fn extract(c: &mut Call) -> Result<Value, Error> {
    let mut keys = vec![c.value.clone()];
    match c.some(1) {
        Some(more) if matches!(more.kind(), ValueKind::Seq | ValueKind::Iterable) => keys.extend(items_of(more)?),
        Some(more) => keys.push(more.clone()),
        None => {}
    }
    let mut found = c.need(0, "container")?.clone();
    for key in keys {
        if found.is_undefined() {
            return Err(undefined());
        }
        found = found.get_item(&key)?;
    }
    Ok(found)
}

/// The further arguments of `map` and its like, as a filter or a test gets them.
fn handed_on(c: &Call, from: usize, first: Value) -> Vec<Value> {
    let mut args = vec![first];
    args.extend(c.rest.iter().skip(from).cloned());
    if !c.named.is_empty() {
        let named: Kwargs = c.named.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        args.push(Value::from(named));
    }
    args
}

fn map(c: &mut Call) -> Result<Value, Error> {
    if c.value.is_undefined() {
        return Err(undefined());
    }
    let items = if c.value.is_none() { Vec::new() } else { c.items()? };
    if let Some(filter) = c.rest.first() {
        let filter = py_str(filter);
        let mut made = Vec::with_capacity(items.len());
        for item in items {
            let args = handed_on(c, 1, item);
            made.push(c.state.apply_filter(&filter, &args)?);
        }
        return Ok(made.into());
    }
    let named = |wanted: &str| c.named.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
    let Some(path) = named("attribute") else { return Err(c.fault("give the name of a filter, or `attribute`")) };
    if let Some((other, _)) = c.named.iter().find(|(name, _)| !matches!(name.as_str(), "attribute" | "default")) {
        return Err(c.fault(format_args!("there is no argument `{other}`")));
    }
    let default = named("default");
    let made = items.iter().map(|item| match (attribute(item, &path), &default) {
        (found, Some(default)) if found.is_undefined() => default.clone(),
        (found, _) => found,
    });
    Ok(made.collect::<Vec<_>>().into())
}

fn choose(c: &mut Call, by_attribute: bool, keep: bool) -> Result<Value, Error> {
    let items = if c.value.is_none() { Vec::new() } else { c.items()? };
    let from = usize::from(by_attribute);
    let path = if by_attribute {
        Some(c.rest.first().cloned().ok_or_else(|| c.fault("give the name of an attribute"))?)
    } else {
        None
    };
    let test = c.rest.get(from).map(py_str);
    let mut made = Vec::new();
    for item in items {
        let subject = path.as_ref().map_or_else(|| item.clone(), |path| attribute(&item, path));
        let holds = match &test {
            Some(test) => {
                let args = handed_on(c, from + 1, subject);
                c.state.perform_test(test, &args)?
            }
            None if subject.is_undefined() => return Err(ErrorKind::UndefinedError.into()),
            None => subject.is_true(),
        };
        if holds == keep {
            made.push(item);
        }
    }
    Ok(made.into())
}

/// Python's `pprint.pformat`.
fn pprint(value: &Value) -> String {
    let mut text = String::new();
    pretty(value, 0, 0, &mut text, 0);
    text
}

fn pretty(value: &Value, indent: usize, tail: usize, text: &mut String, depth: usize) {
    let flat = repr_of(value);
    let nested = matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable | ValueKind::Map);
    if !nested || depth > 60 || flat.chars().count() <= 80_usize.saturating_sub(indent + tail) {
        text.push_str(&flat);
        return;
    }
    let Ok(mut items) = items_of(value) else { return };
    let map = value.kind() == ValueKind::Map;
    let (open, close) = match (map, value.is_tuple()) {
        (true, _) => ('{', '}'),
        (_, true) => ('(', ')'),
        _ => ('[', ']'),
    };
    if map {
        items.sort();
    }
    text.push(open);
    let last = items.len().saturating_sub(1);
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            text.push_str(",\n");
            text.push_str(&" ".repeat(indent + 1));
        }
        let tail = if at == last { tail + 1 } else { 1 };
        if map {
            let key = repr_of(item);
            text.push_str(&key);
            text.push_str(": ");
            let inner = value.get_item(item).unwrap_or_default();
            pretty(&inner, indent + key.chars().count() + 3, tail, text, depth + 1);
        } else {
            pretty(item, indent + 1, tail, text, depth + 1);
        }
    }
    text.push(close);
}
