//! `lookup`, `query` and what `with_…` goes through.

#![allow(clippy::needless_pass_by_value, reason = "minijinja hands filters their arguments by value")]

use std::{path::PathBuf, sync::Arc};

use minijinja::{
    Environment, Error, ErrorKind, State,
    value::{Kwargs, Rest, Value as Jinja},
};
use serde_json::{Value, json};

use super::{Handle, View};
use crate::playbook::value::{from_jinja, to_jinja};

pub(super) fn add(env: &mut Environment<'static>) {
    env.add_function("lookup", |state: &State, name: String, terms: Rest<Jinja>, options: Kwargs| {
        let wantlist = options.get::<Option<bool>>("wantlist").ok().flatten().unwrap_or(false);
        let found = call(state, &name, &terms, &options)?;
        if wantlist {
            return Ok(to_jinja(&Value::Array(found)));
        }
        // One result is itself; several texts are joined by commas.
        Ok(match found.as_slice() {
            [one] => to_jinja(one),
            many if many.iter().all(Value::is_string) => {
                Jinja::from(many.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","))
            }
            _ => to_jinja(&Value::Array(found)),
        })
    });
    env.add_function("__vault", |state: &State, sealed: String| {
        let view = view_of(state)?;
        let plain = view.vault.open(&sealed).map_err(|e| bad(e.to_string()))?;
        let plain = String::from_utf8(plain.to_vec()).map_err(|_| bad("what is in this vault is no text"))?;
        super::value(&view, &Value::String(plain)).map(|value| to_jinja(&value)).map_err(|e| bad(e.to_string()))
    });
    for name in ["query", "q"] {
        env.add_function(name, |state: &State, name: String, terms: Rest<Jinja>, options: Kwargs| {
            Ok::<_, Error>(to_jinja(&Value::Array(call(state, &name, &terms, &options)?)))
        });
    }
}

fn bad(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

fn view_of(state: &State) -> Result<Arc<View>, Error> {
    let view = state.lookup("__view").and_then(|view| view.downcast_object::<Handle>());
    view.map(|handle| Arc::clone(&handle.0)).ok_or_else(|| bad("lookups need a task around them"))
}

fn call(state: &State, name: &str, terms: &Rest<Jinja>, options: &Kwargs) -> Result<Vec<Value>, Error> {
    let view = view_of(state)?;
    let mut values = Vec::new();
    for term in terms.iter() {
        values.push(from_jinja(term).ok_or_else(|| Error::from(ErrorKind::UndefinedError))?);
    }
    let default = options.get::<Option<Jinja>>("default").ok().flatten().and_then(|value| from_jinja(&value));
    let quiet = options.get::<Option<String>>("errors").ok().flatten().is_some_and(|errors| errors != "strict");
    // Options that a lookup does not know are refused by none of Ansible's either.
    for option in options.args() {
        let _ = options.get::<Jinja>(option);
    }
    match lookup(&view, name, values, default) {
        Err(_) if quiet => Ok(Vec::new()),
        other => other.map_err(bad),
    }
}

/// What the lookup `name` finds for `terms`.
pub(in crate::playbook) fn lookup(
    view: &Arc<View>,
    name: &str,
    terms: Vec<Value>,
    default: Option<Value>,
) -> Result<Vec<Value>, String> {
    let name = name.rsplit('.').next().unwrap_or(name);
    let texts = || terms.iter().map(super::super::modules::convert::text_of).collect::<Vec<_>>();
    Ok(match name {
        "env" => texts()
            .iter()
            .map(|name| std::env::var(name).map_or_else(|_| default.clone().unwrap_or(json!("")), Value::String))
            .collect(),
        "file" => {
            let mut found = Vec::new();
            for name in texts() {
                let text = read(view, &name)?;
                found.push(Value::String(text.trim_end_matches(['\r', '\n']).to_owned()));
            }
            found
        }
        "template" => {
            let mut found = Vec::new();
            for name in texts() {
                let source = read(view, &name)?;
                found.push(Value::String(super::text(view, &source).map_err(|e| format!("`{name}`: {e}"))?));
            }
            found
        }
        "vars" => {
            let mut found = Vec::new();
            for name in texts() {
                match (super::expression(view, &name), &default) {
                    (Ok(value), _) => found.push(value),
                    (Err(super::Error::Wrong(_)), Some(default)) => found.push(default.clone()),
                    (Err(error), _) => return Err(error.to_string()),
                }
            }
            found
        }
        "items" => flatten(terms, 1),
        "flattened" => flatten(terms, usize::MAX),
        "list" => match <[Value; 1]>::try_from(terms) {
            Ok([Value::Array(items)]) => items,
            Ok([one]) => vec![one],
            Err(terms) => terms,
        },
        "dict" => {
            let mut found = Vec::new();
            for term in terms {
                let Value::Object(map) = term else { return Err("`dict` goes through a mapping".into()) };
                found.extend(map.into_iter().map(|(key, value)| json!({"key": key, "value": value})));
            }
            found
        }
        "indexed_items" => flatten(terms, 1).into_iter().enumerate().map(|(i, item)| json!([i, item])).collect(),
        "nested" => {
            let mut found = vec![Vec::new()];
            for list in lists(terms) {
                found = found
                    .iter()
                    .flat_map(|done: &Vec<Value>| {
                        list.iter().map(move |item| done.iter().cloned().chain([item.clone()]).collect())
                    })
                    .collect();
                if found.len() > 100_000 {
                    return Err("a nested loop of more than 100000 rounds".into());
                }
            }
            found.into_iter().map(Value::Array).collect()
        }
        "together" => {
            let lists = lists(terms);
            let len = lists.iter().map(Vec::len).max().unwrap_or(0);
            (0..len).map(|i| lists.iter().map(|list| list.get(i).cloned().unwrap_or_default()).collect()).collect()
        }
        "sequence" => {
            let mut found = Vec::new();
            for text in texts() {
                found.extend(sequence(&text)?);
            }
            found
        }
        "fileglob" => {
            let mut found = Vec::new();
            for pattern in texts() {
                found.extend(fileglob(view, &pattern));
            }
            found
        }
        "lines" | "pipe" => return Err(format!("the lookup `{name}` runs commands here and is not supported")),
        "first_found" => {
            let names: Vec<String> = flatten(terms, usize::MAX)
                .into_iter()
                .flat_map(|term| match term {
                    Value::Object(map) => {
                        let files = map.get("files").cloned().unwrap_or_default();
                        flatten(vec![files], 1).iter().map(super::super::modules::convert::text_of).collect()
                    }
                    other => vec![super::super::modules::convert::text_of(&other)],
                })
                .collect();
            let found = names.iter().find_map(|name| find(view, name));
            match found {
                Some(path) => vec![Value::String(path.display().to_string())],
                None => return Err(format!("none of `{}` exists", names.join("`, `"))),
            }
        }
        other => {
            let known = [
                "env",
                "file",
                "template",
                "vars",
                "items",
                "dict",
                "sequence",
                "fileglob",
                "first_found",
                "nested",
                "together",
                "indexed_items",
                "list",
                "flattened",
            ];
            let hint = super::super::modules::near(other, known.into_iter());
            let hint = hint.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            return Err(format!("there is no lookup `{other}`{hint}"));
        }
    })
}

fn flatten(terms: Vec<Value>, levels: usize) -> Vec<Value> {
    let mut found = Vec::new();
    for term in terms {
        match term {
            Value::Array(items) if levels > 1 => found.extend(flatten(items, levels - 1)),
            Value::Array(items) => found.extend(items.into_iter().flat_map(|item| match item {
                Value::Array(inner) if levels == 1 => inner,
                other => vec![other],
            })),
            other => found.push(other),
        }
    }
    found
}

fn lists(terms: Vec<Value>) -> Vec<Vec<Value>> {
    let terms = match <[Value; 1]>::try_from(terms) {
        Ok([Value::Array(items)]) if items.iter().any(Value::is_array) => items,
        Ok([one]) => vec![one],
        Err(terms) => terms,
    };
    terms.into_iter().map(|term| if let Value::Array(items) = term { items } else { vec![term] }).collect()
}

fn sequence(text: &str) -> Result<Vec<Value>, String> {
    let (mut start, mut end, mut stride, mut count, mut format) = (1_i64, None, None, None, "%d".to_owned());
    let number = |text: &str| -> Result<i64, String> {
        let parsed = text.strip_prefix("0x").map_or_else(|| text.parse(), |hex| i64::from_str_radix(hex, 16));
        parsed.map_err(|_| format!("`{text}` is no number for a sequence"))
    };
    if text.contains('=') {
        for word in text.split_whitespace() {
            match word.split_once('=') {
                Some(("start", value)) => start = number(value)?,
                Some(("end", value)) => end = Some(number(value)?),
                Some(("stride", value)) => stride = Some(number(value)?),
                Some(("count", value)) => count = Some(number(value)?),
                Some(("format", value)) => value.clone_into(&mut format),
                _ => return Err(format!("`{word}` means nothing in a sequence")),
            }
        }
    } else {
        let (range, form) = text.split_once(':').map_or((text, None), |(range, form)| (range, Some(form)));
        let (range, step) = range.split_once('/').map_or((range, None), |(range, step)| (range, Some(step)));
        let (from, to) = range.split_once('-').map_or((None, range), |(from, to)| (Some(from), to));
        if let Some(from) = from {
            start = number(from)?;
        }
        end = Some(number(to)?);
        stride = step.map(number).transpose()?;
        form.unwrap_or("%d").clone_into(&mut format);
    }
    let step = stride.unwrap_or(1);
    if step == 0 {
        return Ok(Vec::new());
    }
    let end = match (end, count) {
        (Some(end), _) => end,
        (None, Some(0)) => return Ok(Vec::new()),
        (None, Some(count)) => start.saturating_add(step.saturating_mul(count - 1)),
        (None, None) => return Err("a sequence needs `end` or `count`".into()),
    };
    let mut found = Vec::new();
    let mut n = start;
    while if step > 0 { n <= end } else { n >= end } {
        if found.len() >= 100_000 {
            return Err("a sequence of more than 100000 numbers".into());
        }
        found.push(Value::String(printf(&format, n)));
        n = n.saturating_add(step);
    }
    Ok(found)
}

/// `%d`, `%02d`, `%x` and `%02x` in `format`.
fn printf(format: &str, n: i64) -> String {
    let Some((before, rest)) = format.split_once('%') else { return format.to_owned() };
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let Some(kind) = rest[digits.len()..].chars().next() else { return format.to_owned() };
    let after = &rest[digits.len() + kind.len_utf8()..];
    let width = digits.trim_start_matches('0').parse::<usize>().unwrap_or(0).min(64);
    let number = match kind {
        'x' => format!("{n:x}"),
        'X' => format!("{n:X}"),
        'o' => format!("{n:o}"),
        _ => n.to_string(),
    };
    let fill = if digits.starts_with('0') { '0' } else { ' ' };
    let pad: String = std::iter::repeat_n(fill, width.saturating_sub(number.len())).collect();
    format!("{before}{pad}{number}{after}")
}

fn find(view: &View, name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(name);
    if path.is_absolute() {
        return path.exists().then_some(path);
    }
    view.search.iter().map(|folder| folder.join(name)).find(|path| path.exists())
}

fn read(view: &View, name: &str) -> Result<String, String> {
    let path = find(view, name).ok_or_else(|| format!("there is no file `{name}`"))?;
    std::fs::read_to_string(&path).map_err(|e| format!("`{}` cannot be read: {e}", path.display()))
}

fn fileglob(view: &View, pattern: &str) -> Vec<Value> {
    let path = PathBuf::from(pattern);
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let parent = path.parent().map(std::path::Path::to_owned).unwrap_or_default();
    let folders: Vec<PathBuf> =
        if path.is_absolute() { vec![parent] } else { view.search.iter().map(|folder| folder.join(&parent)).collect() };
    for folder in folders {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        let mut found: Vec<String> = entries
            .flatten()
            .filter(|entry| entry.path().is_file())
            .filter(|entry| crate::playbook::inventory::glob(&name, &entry.file_name().to_string_lossy()))
            .map(|entry| entry.path().display().to_string())
            .collect();
        if !found.is_empty() {
            found.sort();
            return found.into_iter().map(Value::String).collect();
        }
    }
    Vec::new()
}
