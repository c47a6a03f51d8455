//! The methods of Python's texts, lists and mappings, as templates call them.

use minijinja::{
    Error, ErrorKind, State,
    value::{Kwargs, Tuple, Value, ValueKind, from_args},
};

use super::{
    call::{bad, items_of},
    dump::py_str,
    filters::{
        MOST_TEXT,
        maps::pairs_of,
        text::{center, lines, split, strip},
    },
};

/// Calls `value.method(args)`.
pub(super) fn call(state: &mut State<'_, '_>, value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    if args.iter().any(minijinja::Value::is_undefined) {
        return Err(super::call::undefined());
    }
    let made = match value.kind() {
        ValueKind::String => text(value.as_str().unwrap_or_default(), method, args),
        ValueKind::Map => mapping(value, method, args),
        ValueKind::Seq | ValueKind::Iterable => list(value, method, args),
        ValueKind::Number if !value.is_integer() && method == "is_integer" => {
            Ok(Some(f64::try_from(value.clone()).is_ok_and(|number| number.fract() == 0.0).into()))
        }
        ValueKind::Undefined => return Err(super::call::undefined()),
        _ => Ok(None),
    };
    match made? {
        Some(made) => Ok(made),
        None => minijinja_contrib::pycompat::unknown_method_callback(state, value, method, args),
    }
}

/// Arguments by place or by name.
fn named<const N: usize>(method: &str, names: [&str; N], args: &[Value]) -> Result<[Option<Value>; N], Error> {
    let (given, options): (&[Value], Kwargs) = from_args(args)?;
    if given.len() > N {
        return Err(bad(format!("`{method}()` takes at most {N} arguments")));
    }
    let mut found = [const { None }; N];
    for (at, name) in names.iter().enumerate() {
        found[at] = match given.get(at) {
            Some(value) => Some(value.clone()),
            None => options.get::<Option<Value>>(name)?.filter(|value| !value.is_none()),
        };
    }
    options.assert_all_used()?;
    Ok(found)
}

fn text(text: &str, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    let string = |value: &Option<Value>| value.as_ref().filter(|value| !value.is_none()).map(py_str);
    let number = |value: &Option<Value>| value.as_ref().and_then(Value::as_i64);
    let width = |value: &Option<Value>| -> Result<usize, Error> {
        let width = number(value).map_or(0, |width| usize::try_from(width).unwrap_or(0));
        if width > MOST_TEXT { Err(bad("the text becomes too large")) } else { Ok(width) }
    };
    let need = |value: Option<String>| value.ok_or_else(|| bad(format!("`{method}()` needs an argument")));
    let all = |test: fn(char) -> bool| !text.is_empty() && text.chars().all(test);
    Ok(Some(match method {
        "strip" | "lstrip" | "rstrip" => {
            let [letters] = named(method, ["chars"], args)?;
            strip(text, string(&letters).as_deref(), method != "rstrip", method != "lstrip").into()
        }
        "split" => {
            let [by, limit] = named(method, ["sep", "maxsplit"], args)?;
            let limit = number(&limit).and_then(|limit| usize::try_from(limit).ok());
            split(text, string(&by).as_deref(), limit)?.into()
        }
        "rsplit" => {
            let [by, limit] = named(method, ["sep", "maxsplit"], args)?;
            let limit = number(&limit).and_then(|limit| usize::try_from(limit).ok());
            rsplit(text, string(&by).as_deref(), limit)?.into()
        }
        "splitlines" => {
            let [keep] = named(method, ["keepends"], args)?;
            lines(text, keep.is_some_and(|keep| keep.is_true())).into()
        }
        "partition" | "rpartition" => {
            let [by] = named(method, ["sep"], args)?;
            let by = need(string(&by))?;
            let found = if method == "partition" { text.split_once(&by) } else { text.rsplit_once(&by) };
            let parts = match found {
                Some((before, after)) => [before, &by, after],
                None if method == "partition" => [text, "", ""],
                None => ["", "", text],
            };
            Tuple::from(parts.map(Value::from)).into()
        }
        "zfill" => {
            let [size] = named(method, ["width"], args)?;
            let pad = width(&size)?.saturating_sub(text.chars().count());
            let (sign, digits) = text.split_at(usize::from(text.starts_with(['+', '-'])));
            format!("{sign}{}{digits}", "0".repeat(pad)).into()
        }
        "center" | "ljust" | "rjust" => {
            let [size, fill] = named(method, ["width", "fillchar"], args)?;
            let fill = string(&fill).and_then(|fill| fill.chars().next()).unwrap_or(' ');
            let size = width(&size)?;
            let pad: String = std::iter::repeat_n(fill, size.saturating_sub(text.chars().count())).collect();
            match method {
                "center" => center(text, size, fill).into(),
                "ljust" => format!("{text}{pad}").into(),
                _ => format!("{pad}{text}").into(),
            }
        }
        "swapcase" => {
            let swap =
                |c: char| if c.is_uppercase() { c.to_lowercase().to_string() } else { c.to_uppercase().to_string() };
            text.chars().map(swap).collect::<String>().into()
        }
        "casefold" => text.to_lowercase().into(),
        "encode" | "decode" => text.into(),
        "expandtabs" => {
            let [size] = named(method, ["tabsize"], args)?;
            let size = if size.is_some() { width(&size)?.min(1000) } else { 8 };
            let mut made = String::new();
            let mut column = 0;
            for c in text.chars() {
                match c {
                    '\t' if size > 0 => {
                        let pad = size - column % size;
                        made.extend(std::iter::repeat_n(' ', pad));
                        column += pad;
                    }
                    '\t' => {}
                    c => {
                        made.push(c);
                        column = if matches!(c, '\n' | '\r') { 0 } else { column + 1 };
                    }
                }
            }
            made.into()
        }
        "removeprefix" | "removesuffix" => {
            let [part] = named(method, ["part"], args)?;
            let part = need(string(&part))?;
            let cut = if method == "removeprefix" { text.strip_prefix(&part) } else { text.strip_suffix(&part) };
            cut.unwrap_or(text).into()
        }
        "find" | "rfind" | "index" | "rindex" => {
            let [part, from, to] = named(method, ["sub", "start", "end"], args)?;
            let part = need(string(&part))?;
            let letters: Vec<char> = text.chars().collect();
            let place = |value: &Option<Value>, or: usize| match number(value) {
                Some(at) if at < 0 => letters.len().saturating_sub(usize::try_from(-at).unwrap_or(usize::MAX)),
                Some(at) => usize::try_from(at).unwrap_or(0).min(letters.len()),
                None => or,
            };
            let (from, to) = (place(&from, 0), place(&to, letters.len()));
            let inner: String = letters.get(from..to).unwrap_or_default().iter().collect();
            let at = if method.starts_with('r') { inner.rfind(&part) } else { inner.find(&part) };
            match at {
                Some(at) => (from + inner[..at].chars().count()).into(),
                None if method.ends_with("index") => return Err(bad("substring not found")),
                None => Value::from(-1),
            }
        }
        "isdecimal" => all(|c| c.is_ascii_digit()).into(),
        "istitle" => (text.chars().any(char::is_alphabetic) && py_title(text) == text).into(),
        "isidentifier" => {
            let first = text.starts_with(|c: char| c.is_alphabetic() || c == '_');
            (first && text.chars().all(|c| c.is_alphanumeric() || c == '_')).into()
        }
        "isprintable" => text.chars().all(|c| !c.is_control()).into(),
        "title" => py_title(text).into(),
        "join" => {
            let [items] = named(method, ["iterable"], args)?;
            let items = items_of(&items.ok_or_else(|| bad("`join()` needs a list"))?)?;
            items.iter().map(py_str).collect::<Vec<_>>().join(text).into()
        }
        "replace" => {
            let [old, new, count] = named(method, ["old", "new", "count"], args)?;
            let (old, new) = (need(string(&old))?, need(string(&new))?);
            let count = number(&count).map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX));
            let rounds = if old.is_empty() { text.len() + 1 } else { text.matches(&old).count() }.min(count);
            if text.len().saturating_add(rounds.saturating_mul(new.len())) > MOST_TEXT {
                return Err(bad("the text becomes too large"));
            }
            text.replacen(&old, &new, count).into()
        }
        _ => return Ok(None),
    }))
}

/// Python's `str.title`: a word is a run of letters.
fn py_title(text: &str) -> String {
    let mut made = String::new();
    let mut inside = false;
    for c in text.chars() {
        if inside {
            made.extend(c.to_lowercase());
        } else {
            made.extend(c.to_uppercase());
        }
        inside = c.is_alphabetic();
    }
    made
}

fn rsplit(text: &str, by: Option<&str>, limit: Option<usize>) -> Result<Vec<String>, Error> {
    let Some(limit) = limit else { return split(text, by, None) };
    let mut found: Vec<String> = match by {
        Some("") => return Err(bad("an empty separator splits nothing")),
        Some(by) => text.rsplitn(limit.saturating_add(1), by).map(str::to_owned).collect(),
        None => {
            let mut found = Vec::new();
            let mut rest = text.trim_end();
            while !rest.is_empty() {
                let at = rest.rfind(char::is_whitespace).filter(|_| found.len() < limit);
                let Some(at) = at else {
                    found.push(rest.trim_start().to_owned());
                    break;
                };
                found.push(rest[at..].trim_start().to_owned());
                rest = rest[..at].trim_end();
            }
            found
        }
    };
    found.reverse();
    Ok(found)
}

/// Methods that would change a value that belongs to the playbook.
const CHANGING: [&str; 11] =
    ["append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse", "update", "setdefault", "popitem"];

fn unchangeable(method: &str, what: &str) -> Error {
    bad(format!(
        "`{method}()` would change a {what} that is no variable of this template; make one with `{{% set … %}}` first"
    ))
}

fn mapping(map: &Value, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    Ok(Some(match method {
        "items" => pairs_of(map)?.into(),
        "keys" => items_of(map)?.into(),
        "values" => {
            let keys = items_of(map)?;
            keys.iter().map(|key| map.get_item(key)).collect::<Result<Vec<_>, _>>()?.into()
        }
        "get" => {
            let (key, default): (Value, Option<Value>) = from_args(args)?;
            let found = map.get_item(&key)?;
            if found.is_undefined() { default.unwrap_or_else(|| Value::from(())) } else { found }
        }
        "copy" => map.clone(),
        method if CHANGING.contains(&method) && map.get_attr(method)?.is_undefined() => {
            return Err(unchangeable(method, "mapping"));
        }
        _ => return Ok(None),
    }))
}

fn list(list: &Value, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    Ok(Some(match method {
        "index" => {
            let (item,): (Value,) = from_args(args)?;
            let at = items_of(list)?.iter().position(|other| *other == item);
            at.ok_or_else(|| bad(format!("`{}` is not in the list", py_str(&item))))?.into()
        }
        "count" => {
            let (item,): (Value,) = from_args(args)?;
            items_of(list)?.iter().filter(|other| **other == item).count().into()
        }
        "copy" => list.clone(),
        method if CHANGING.contains(&method) => return Err(unchangeable(method, "list")),
        _ => return Ok(None),
    }))
}

/// The error of an unknown method, for objects that have some.
pub(super) fn unknown() -> Error {
    ErrorKind::UnknownMethod.into()
}
