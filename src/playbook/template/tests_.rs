//! Tests behind `is`.

use std::path::Path;

use minijinja::{
    Environment, Error, ErrorKind,
    value::{Value, ValueKind},
};

use super::dump::py_str;

pub(super) fn add(env: &mut Environment<'static>) {
    for name in ["changed", "change"] {
        env.add_test(name, |value: Value| flag(&value, "changed", name_of(&value)));
    }
    for name in ["failed", "failure"] {
        env.add_test(name, |value: Value| flag(&value, "failed", name_of(&value)));
    }
    for name in ["skipped", "skip"] {
        env.add_test(name, |value: Value| flag(&value, "skipped", name_of(&value)));
    }
    for name in ["succeeded", "success", "successful"] {
        env.add_test(name, |value: Value| flag(&value, "failed", name_of(&value)).map(|failed| !failed));
    }
    env.add_test("reachable", |value: Value| flag(&value, "unreachable", name_of(&value)).map(|gone| !gone));
    env.add_test("unreachable", |value: Value| flag(&value, "unreachable", name_of(&value)));
    env.add_test("contains", |value: Value, item: Value| contains(&value, &item));
    env.add_test("subset", |value: Value, of: Value| all_in(&value, &of));
    env.add_test("issubset", |value: Value, of: Value| all_in(&value, &of));
    env.add_test("superset", |value: Value, of: Value| all_in(&of, &value));
    env.add_test("issuperset", |value: Value, of: Value| all_in(&of, &value));
    env.add_test("truthy", |value: Value| value.is_true());
    env.add_test("falsy", |value: Value| !value.is_true());
    env.add_test("all", |value: Value| Ok::<_, Error>(value.try_iter()?.all(|item| item.is_true())));
    env.add_test("any", |value: Value| Ok::<_, Error>(value.try_iter()?.any(|item| item.is_true())));
    env.add_test("exists", |path: String| Path::new(&path).exists());
    env.add_test("file", |path: String| Path::new(&path).is_file());
    env.add_test("directory", |path: String| Path::new(&path).is_dir());
    env.add_test("link", |path: String| Path::new(&path).is_symlink());
    env.add_test("abs", |path: String| Path::new(&path).is_absolute());
    for name in ["version", "version_compare"] {
        env.add_test(name, |value: Value, other: Value, operator: Option<String>| {
            version(&py_str(&value), &py_str(&other), operator.as_deref().unwrap_or("=="))
        });
    }
}

fn name_of(value: &Value) -> ValueKind {
    value.kind()
}

fn flag(value: &Value, name: &str, kind: ValueKind) -> Result<bool, Error> {
    if kind == ValueKind::Undefined {
        return Err(ErrorKind::UndefinedError.into());
    }
    if kind != ValueKind::Map {
        return Err(Error::new(ErrorKind::InvalidOperation, format!("`is {name}` asks about the result of a task")));
    }
    Ok(value.get_attr(name)?.is_true())
}

fn contains(value: &Value, item: &Value) -> Result<bool, Error> {
    if let (Some(text), Some(part)) = (value.as_str(), item.as_str()) {
        return Ok(text.contains(part));
    }
    Ok(value.try_iter()?.any(|other| other == *item))
}

fn all_in(value: &Value, of: &Value) -> Result<bool, Error> {
    let of: Vec<Value> = of.try_iter()?.collect();
    Ok(value.try_iter()?.all(|item| of.contains(&item)))
}

/// Loose comparison of versions: numbers as numbers, words as words.
fn version(left: &str, right: &str, operator: &str) -> Result<bool, Error> {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let order = compare(&parts(left), &parts(right));
    Ok(match operator {
        "==" | "=" | "eq" => order == Equal,
        "!=" | "<>" | "ne" => order != Equal,
        "<" | "lt" => order == Less,
        "<=" | "le" => order != Greater,
        ">" | "gt" => order == Greater,
        ">=" | "ge" => order != Less,
        other => {
            return Err(Error::new(ErrorKind::InvalidOperation, format!("`{other}` compares no versions")));
        }
    })
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Word(String),
    Number(u64),
}

fn parts(text: &str) -> Vec<Part> {
    let mut found = Vec::new();
    let mut current = String::new();
    let mut push = |current: &mut String| {
        if !current.is_empty() {
            let text = std::mem::take(current);
            found.push(text.parse().map(Part::Number).unwrap_or(Part::Word(text)));
        }
    };
    for c in text.trim().trim_start_matches('v').chars() {
        let other_kind = current.chars().last().is_some_and(|last| last.is_ascii_digit() != c.is_ascii_digit());
        if matches!(c, '.' | '-' | '_' | '+' | '~' | ' ') {
            push(&mut current);
            continue;
        }
        if other_kind {
            push(&mut current);
        }
        current.push(c);
    }
    push(&mut current);
    found
}

fn compare(left: &[Part], right: &[Part]) -> std::cmp::Ordering {
    left.cmp(right)
}
