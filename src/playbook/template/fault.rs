//! Errors for people: which name is missing, what it may have been meant to be, where it is asked for.

use std::sync::Arc;

use minijinja::{ErrorKind, value::Value as Jinja};

use super::{Error, View, checks, filters, lookups, view::ELSEWHERE};
use crate::playbook::modules::near;

/// What the engine says is wrong.
pub(super) fn reason(error: &minijinja::Error) -> String {
    let kind = error.kind().to_string();
    match (error.kind(), error.detail()) {
        (ErrorKind::UnknownFilter, Some(detail)) => {
            let name = name_in(detail, "filter ");
            format!("there is no filter `{name}`{}", hint(name, filters::all().flat_map(|e| e.names.iter().copied())))
        }
        (ErrorKind::UnknownTest, Some(detail)) => {
            let name = name_in(detail, "test ");
            format!("there is no test `{name}`{}", hint(name, checks::all().flat_map(|e| e.names.iter().copied())))
        }
        (ErrorKind::OutOfFuel, _) => "this takes too long; a template may take so many steps only".into(),
        (ErrorKind::InvalidOperation, Some(detail)) if no_divisor(detail) => format!("division by zero: {detail}"),
        (ErrorKind::InvalidOperation, Some(detail)) => detail.to_owned(),
        (_, Some(detail)) => format!("{kind}: {detail}"),
        (_, None) => kind,
    }
}

/// Whether a calculation failed because there is nothing to divide by.
fn no_divisor(detail: &str) -> bool {
    let last = detail.strip_prefix("unable to calculate").and_then(|sum| sum.split_whitespace().next_back());
    last.and_then(|number| number.parse::<f64>().ok()) == Some(0.0)
}

fn name_in<'a>(detail: &'a str, before: &str) -> &'a str {
    detail.strip_prefix(before).and_then(|rest| rest.split_whitespace().next()).unwrap_or(detail)
}

pub(super) fn hint<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    near(name, known).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

/// The beginning of a text, on one line.
pub(super) fn short(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= 80 { line } else { line.chars().take(79).chain(['…']).collect() }
}

/// The error for people, or the note that something must be waited for.
pub(super) fn explain(view: &Arc<View>, error: &minijinja::Error) -> Error {
    let (missing, culprit, said) = {
        let mut notes = view.notes();
        notes.open.clear();
        let culprit = notes.culprit.take();
        if std::mem::take(&mut notes.pending) {
            return Error::Pending;
        }
        if std::mem::take(&mut notes.facts) {
            return Error::Facts;
        }
        (notes.missing.take(), culprit, notes.hint.take())
    };
    if chain(error).any(|error| error.detail() == Some(ELSEWHERE)) {
        return Error::OthersFacts;
    }
    let mut message = reason(error);
    let mut inner_undefined = false;
    for inner in chain(error).skip(1) {
        inner_undefined |= inner.kind() == ErrorKind::UndefinedError;
        let more = reason(inner);
        if !message.contains(&more) {
            message = format!("{message} ({more})");
        }
    }
    if error.kind() == ErrorKind::UndefinedError || inner_undefined {
        let found = said.or_else(|| culprit.as_ref().and_then(|(source, _)| missing_in(view, source)));
        let own = error.detail().filter(|detail| !detail.contains("undefined"));
        message = match (own, found, missing) {
            (Some(own), None, None) => own.to_owned(),
            (_, Some(found), _) => found,
            (_, None, Some(name)) => format!("'{name}' is undefined{}", hint(&name, view.names().into_iter())),
            (None, None, None) if mapped(culprit.as_ref()).is_some() => {
                format!("object of type 'dict' has no attribute '{}'", mapped(culprit.as_ref()).unwrap_or_default())
            }
            (None, None, None) => match error.detail() {
                Some(detail) => format!("something is undefined: {detail}"),
                None => "something is undefined".into(),
            },
        };
    }
    if let Some((source, Some(variable))) = culprit {
        message = format!("{message} (in variable `{variable}`: `{}`)", short(&source));
    }
    // The looking around above has left its own notes.
    let mut notes = view.notes();
    (notes.missing, notes.pending, notes.facts, notes.culprit) = (None, false, false, None);
    Error::Wrong(message)
}

/// The attribute that a `map(attribute=…)` asks its items for.
fn mapped(culprit: Option<&(String, Option<String>)>) -> Option<&str> {
    let (_, rest) = culprit?.0.split_once("attribute=")?;
    let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    rest[1..].split(quote).next()
}

/// An error and what caused it.
fn chain(error: &minijinja::Error) -> impl Iterator<Item = &minijinja::Error> {
    let all = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    all.filter_map(|error| error.downcast_ref())
}

/// The first name or attribute in `source` that is undefined where nothing deals with that.
fn missing_in(view: &Arc<View>, source: &str) -> Option<String> {
    let chains = chains(&expressions(source));
    let locals: Vec<&str> = chains.iter().filter(|chain| chain.local).map(|chain| chain.parts[0].as_str()).collect();
    for chain in chains.iter().filter(|chain| !chain.guarded && !locals.contains(&chain.parts[0].as_str())) {
        let root = &chain.parts[0];
        if super::env::strict().globals().any(|(name, _)| name == root) || lookups::FUNCTIONS.contains(&root.as_str()) {
            continue;
        }
        let Some(mut value) = view.find(root) else {
            return Some(format!("'{root}' is undefined{}", hint(root, view.names().into_iter())));
        };
        let mut path = root.clone();
        for part in &chain.parts[1..] {
            let next = match part.parse::<usize>() {
                Ok(number) => value.get_item_by_index(number).ok().filter(|value| !value.is_undefined()),
                Err(_) => None,
            };
            let next = next.or_else(|| value.get_attr(part).ok()).unwrap_or(Jinja::UNDEFINED);
            if next.is_undefined() {
                let keys: Vec<String> = match value.kind() {
                    minijinja::value::ValueKind::Map => value.try_iter().ok()?.map(|key| key.to_string()).collect(),
                    _ => Vec::new(),
                };
                let hint = hint(part, keys.iter().map(String::as_str));
                let kind = super::filters::general::type_name(&value);
                return Some(format!("object of type '{kind}' has no attribute '{part}': `{path}.{part}`{hint}"));
            }
            path = format!("{path}.{part}");
            value = next;
        }
    }
    None
}

/// A name with its attributes, as an expression writes it.
pub(super) struct Chain {
    pub(super) parts: Vec<String>,
    /// A `default`, a `defined` or the like deals with it.
    pub(super) guarded: bool,
    /// The template makes it itself.
    pub(super) local: bool,
}

/// What of a template is no plain text: the insides of `{{ }}` and `{% %}`, apart from each other.
pub(super) fn expressions(source: &str) -> String {
    if !source.contains("{{") && !source.contains("{%") {
        return source.to_owned();
    }
    let mut found = String::new();
    let mut rest = source;
    while let Some(at) = rest.find("{{").into_iter().chain(rest.find("{%")).min() {
        let end = if rest[at..].starts_with("{{") { "}}" } else { "%}" };
        let inner = &rest[at + 2..];
        let len = inner.find(end).unwrap_or(inner.len());
        found.push_str(inner[..len].trim_matches(['-', '+']));
        found.push_str(" , ");
        rest = inner.get(len + 2..).unwrap_or_default();
    }
    found
}

pub(super) fn chains(source: &str) -> Vec<Chain> {
    let letters: Vec<char> = source.chars().collect();
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let mut at = 0;
    let mut before = String::new();
    while at < letters.len() {
        let c = letters[at];
        if matches!(c, '\'' | '"') {
            at = skip_quoted(&letters, at);
            before = "'".into();
            continue;
        }
        if !(c.is_alphabetic() || c == '_') {
            if c.is_ascii_digit() {
                while at < letters.len() && (word(letters[at]) || letters[at] == '.') {
                    at += 1;
                }
                before = "0".into();
                continue;
            }
            if !c.is_whitespace() {
                before = c.to_string();
            }
            at += 1;
            continue;
        }
        let start = at;
        while at < letters.len() && word(letters[at]) {
            at += 1;
        }
        let name: String = letters[start..at].iter().collect();
        let keyword = [
            "and",
            "or",
            "not",
            "in",
            "is",
            "if",
            "else",
            "elif",
            "for",
            "endfor",
            "endif",
            "set",
            "true",
            "false",
            "none",
            "True",
            "False",
            "None",
            "recursive",
            "macro",
            "endmacro",
            "call",
            "endcall",
            "filter",
            "endfilter",
            "endset",
            "include",
            "import",
            "from",
            "as",
            "with",
            "without",
            "context",
            "ignore",
            "missing",
            "extends",
            "block",
            "endblock",
            "raw",
            "endraw",
            "do",
            "loop",
            "omit",
            "varargs",
            "kwargs",
            "caller",
            "endwith",
            "break",
            "continue",
        ];
        let behind =
            matches!(before.as_str(), "|" | "." | "is") || (before == "not" && last_two_are_is_not(&letters[..start]));
        if keyword.contains(&name.as_str()) || behind {
            before = name;
            continue;
        }
        let local = matches!(before.as_str(), "for" | "set" | "macro" | "as" | "import");
        let mut parts = vec![name.clone()];
        at = attributes(&letters, at, &mut parts);
        let rest: String = letters[at..].iter().take(40).collect();
        let rest = rest.trim_start();
        let named = rest.starts_with('=') && !rest.starts_with("==");
        let after = rest.strip_prefix('|').map(str::trim_start).unwrap_or_default();
        let guarded = named
            || ["default", "d(", "mandatory", "ternary"].iter().any(|word| after.starts_with(word))
            || ["is defined", "is not defined", "is undefined", "is not undefined"].iter().any(|w| rest.starts_with(w));
        found.push(Chain { parts, guarded, local: local || named });
        // `for key, value in`: the second name as well.
        before = if local && rest.starts_with(',') { "for".into() } else { name };
        if local && rest.starts_with(',') {
            while at < letters.len() && (letters[at].is_whitespace() || letters[at] == ',') {
                at += 1;
            }
        }
    }
    found
}

fn last_two_are_is_not(letters: &[char]) -> bool {
    let text: String = letters.iter().collect();
    let words: Vec<&str> = text.split_whitespace().rev().take(2).collect();
    words == ["not", "is"]
}

pub(super) fn skip_quoted(letters: &[char], at: usize) -> usize {
    let quote = letters[at];
    let mut at = at + 1;
    while at < letters.len() && letters[at] != quote {
        at += if letters[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// Reads `.name`, `['name']` and `[0]`; a call ends the chain before its name.
fn attributes(letters: &[char], mut at: usize, parts: &mut Vec<String>) -> usize {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    loop {
        match letters.get(at) {
            Some('.') if letters.get(at + 1).is_some_and(|c| word(*c)) => {
                let start = at + 1;
                let mut end = start;
                while letters.get(end).is_some_and(|c| word(*c)) {
                    end += 1;
                }
                if letters.get(end) == Some(&'(') {
                    return at;
                }
                parts.push(letters[start..end].iter().collect());
                at = end;
            }
            Some('[') => {
                let Some(len) = letters[at..].iter().position(|c| *c == ']') else { return at };
                let inner: String = letters[at + 1..at + len].iter().collect();
                let inner = inner.trim();
                let quoted = ['\'', '"'].into_iter().find_map(|q| inner.strip_prefix(q)?.strip_suffix(q));
                match quoted {
                    Some(key) if !key.contains(['\'', '"', '\\']) => parts.push(key.to_owned()),
                    None if !inner.is_empty() && inner.bytes().all(|b| b.is_ascii_digit()) => {
                        parts.push(inner.to_owned());
                    }
                    _ => return at,
                }
                at += len + 1;
            }
            _ => return at,
        }
    }
}
