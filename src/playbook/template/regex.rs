//! `regex_replace`, `regex_search`, `regex_findall` and their tests, with the meaning of Python's `re`.

#![allow(clippy::needless_pass_by_value, reason = "minijinja hands filters their arguments by value")]

use fancy_regex::{Regex, RegexBuilder};
use minijinja::{
    Environment, Error, ErrorKind,
    value::{Kwargs, Rest, Value},
};

use super::dump::py_str;

pub(super) fn add(env: &mut Environment<'static>) {
    env.add_filter("regex_replace", replace);
    env.add_filter("regex_search", search);
    env.add_filter("regex_findall", findall);
    env.add_filter("regex_escape", |text: String| fancy_regex::escape(&text).into_owned());
    env.add_test("match", |value: Value, pattern: String, options: Kwargs| -> Result<bool, Error> {
        Ok(compile(&format!("^(?:{pattern})"), &options)?.is_match(&py_str(&value)).unwrap_or(false))
    });
    env.add_test("search", found);
    env.add_test("regex", found);
}

fn found(value: Value, pattern: String, options: Kwargs) -> Result<bool, Error> {
    Ok(compile(&pattern, &options)?.is_match(&py_str(&value)).unwrap_or(false))
}

fn compile(pattern: &str, options: &Kwargs) -> Result<Regex, Error> {
    let flag = |name: &str| options.get::<Option<bool>>(name).ok().flatten().unwrap_or(false);
    let (ignorecase, multiline) = (flag("ignorecase"), flag("multiline"));
    // Python writes `\Z` for the very end and `(?P<name>…)`; the latter is known here as well.
    let mut source = pattern.replace("\\Z", "\\z");
    if ignorecase {
        source.insert_str(0, "(?i)");
    }
    if multiline {
        source.insert_str(0, "(?m)");
    }
    RegexBuilder::new(&source)
        .backtrack_limit(1_000_000)
        .build()
        .map_err(|e| Error::new(ErrorKind::InvalidOperation, format!("`{pattern}` is no regular expression: {e}")))
}

/// Python's `\1` and `\g<name>` in a replacement.
pub(in crate::playbook) fn expand(template: &str, captures: &fancy_regex::Captures<'_, str>) -> String {
    let group = |name: &str| match name.parse::<usize>() {
        Ok(number) => captures.get(number).map_or("", |m| m.as_str()),
        Err(_) => captures.name(name).map_or("", |m| m.as_str()),
    };
    let mut text = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let Some(c) = after.chars().next() else {
            text.push('\\');
            rest = "";
            break;
        };
        if c.is_ascii_digit() {
            let len = after.chars().take(2).take_while(char::is_ascii_digit).count();
            text.push_str(group(&after[..len]));
            rest = &after[len..];
        } else if let Some((name, more)) = after.strip_prefix("g<").and_then(|inner| inner.split_once('>')) {
            text.push_str(group(name));
            rest = more;
        } else {
            match c {
                'n' => text.push('\n'),
                't' => text.push('\t'),
                'r' => text.push('\r'),
                '\\' => text.push('\\'),
                other => {
                    text.push('\\');
                    text.push(other);
                }
            }
            rest = &after[c.len_utf8()..];
        }
    }
    text.push_str(rest);
    text
}

fn replace(value: Value, args: Rest<Value>, options: Kwargs) -> Result<String, Error> {
    let pick = |at: usize, name: &str| -> String {
        let given = args.get(at).cloned().or_else(|| options.get::<Option<Value>>(name).ok().flatten());
        given.map(|value| py_str(&value)).unwrap_or_default()
    };
    let (pattern, replacement) = (pick(0, "pattern"), pick(1, "replacement"));
    let count = options.get::<Option<usize>>("count").ok().flatten().unwrap_or(0);
    let regex = compile(&pattern, &options)?;
    let text = py_str(&value);
    Ok(regex
        .replacen(&text, count, |captures: &fancy_regex::Captures<'_, str>| expand(&replacement, captures))
        .into_owned())
}

fn search(value: Value, pattern: String, groups: Rest<String>, options: Kwargs) -> Result<Value, Error> {
    let regex = compile(&pattern, &options)?;
    let text = py_str(&value);
    let Ok(Some(captures)) = regex.captures(&text) else { return Ok(Value::from(())) };
    if groups.is_empty() {
        return Ok(Value::from(captures.get(0).map_or("", |m| m.as_str())));
    }
    let found = groups.iter().map(|group| {
        let name = group.trim_start_matches('\\');
        let name = name.strip_prefix("g<").and_then(|name| name.strip_suffix('>')).unwrap_or(name);
        let found = match name.parse::<usize>() {
            Ok(number) => captures.get(number),
            Err(_) => captures.name(name),
        };
        found.map_or(Value::from(()), |m| Value::from(m.as_str()))
    });
    Ok(found.collect::<Vec<_>>().into())
}

fn findall(value: Value, pattern: String, options: Kwargs) -> Result<Value, Error> {
    let regex = compile(&pattern, &options)?;
    let text = py_str(&value);
    let group = |captures: &fancy_regex::Captures<'_, str>, number: usize| {
        Value::from(captures.get(number).map_or("", |m| m.as_str()))
    };
    let found = regex.captures_iter(text.as_str()).flatten().map(|captures| match captures.len() {
        1 => group(&captures, 0),
        2 => group(&captures, 1),
        n => (1..n).map(|number| group(&captures, number)).collect::<Vec<_>>().into(),
    });
    Ok(found.collect::<Vec<_>>().into())
}
