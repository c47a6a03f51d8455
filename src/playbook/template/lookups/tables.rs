//! Lookups in INI and CSV files.

use indexmap::IndexMap;
use serde_json::Value;

use super::{Ask, Fault, Found, Lookup, files, lookup_of, wrong};

pub(super) static TABLE: &[Lookup] = &[
    lookup_of("csvfile", &["file", "col", "keycol", "delimiter", "default", "encoding"], csvfile),
    lookup_of(
        "ini",
        &[
            "file",
            "section",
            "type",
            "re",
            "default",
            "encoding",
            "case_sensitive",
            "allow_no_value",
            "allow_none",
            "interpolation",
        ],
        ini,
    ),
];

/// A term's key, and the options it sets with `name=value`.
fn key_and_options(ask: &Ask<'_>, term: &str) -> Result<(String, serde_json::Map<String, Value>), Fault> {
    let mut options = ask.options.clone();
    let mut key: Vec<&str> = Vec::new();
    let known =
        ["file", "col", "keycol", "delimiter", "default", "encoding", "section", "type", "re", "case_sensitive"];
    let quoted = crate::playbook::modules::convert::blanks(term);
    for word in quoted.iter().map(String::as_str).filter(|word| !word.is_empty()) {
        match word.split_once('=') {
            Some((name, value)) if known.contains(&name) => {
                options.insert(name.to_owned(), Value::String(value.trim_matches(['"', '\'']).to_owned()));
            }
            Some((name, _)) => return Err(wrong(format!("'{name}' is not a valid option"))),
            None => key.push(word),
        }
    }
    if key.is_empty() {
        return Err(wrong("Search key is required but was not found"));
    }
    // What is quoted may hold spaces.
    let key = key.join(" ");
    let bare = ['"', '\''].iter().find_map(|&quote| {
        let inner = key.strip_prefix(quote)?.strip_suffix(quote)?;
        (!inner.contains(quote)).then_some(inner)
    });
    Ok((bare.unwrap_or(&key).to_owned(), options))
}

fn csvfile(ask: &Ask<'_>) -> Found {
    if ask.terms.is_empty() {
        return Err(wrong("Search key is required but was not found"));
    }
    let mut found = Vec::new();
    for term in ask.texts() {
        let (key, options) = key_and_options(ask, &term)?;
        let own = Ask { view: ask.view, terms: Vec::new(), options };
        let delimiter = match own.text("delimiter", "TAB").as_str() {
            "TAB" | "\\t" | "t" | "\t" => '\t',
            other => match other.chars().collect::<Vec<_>>().as_slice() {
                [one] => *one,
                _ => return Err(wrong(format!("`delimiter` is one letter, not `{other}`"))),
            },
        };
        let (column, key_column) = (own.number("col", 1)?, own.number("keycol", 0)?);
        let text = files::read_as(ask.view, "files", &own.text("file", "ansible.csv"), &own.text("encoding", "utf-8"))?;
        let rows = rows(&text, delimiter);
        match rows.iter().find(|row| row.get(key_column) == Some(&key)) {
            Some(row) => {
                let cell = row.get(column);
                found.push(Value::String(
                    cell.ok_or_else(|| wrong(format!("the row of `{key}` has no column {column}")))?.clone(),
                ));
            }
            None => match own.options.get("default") {
                Some(Value::Array(items)) => found.extend(items.clone()),
                Some(Value::Null) | None => {}
                Some(default) => found.push(default.clone()),
            },
        }
    }
    Ok(found)
}

/// The rows of a table; cells in double quotes may hold delimiters and line ends.
fn rows(text: &str, delimiter: char) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut row = Vec::new();
    let mut cell = String::new();
    let mut quoted = false;
    let mut letters = text.chars().peekable();
    while let Some(c) = letters.next() {
        match c {
            '"' if quoted && letters.next_if_eq(&'"').is_some() => cell.push('"'),
            '"' if quoted => quoted = false,
            '"' if cell.is_empty() => quoted = true,
            c if c == delimiter && !quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !quoted && letters.peek() == Some(&'\n') => {}
            '\n' if !quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            c => cell.push(c),
        }
    }
    if !cell.is_empty() || !row.is_empty() {
        row.push(cell);
        rows.push(row);
    }
    rows
}

type Sections = IndexMap<String, IndexMap<String, Option<String>>>;

fn ini(ask: &Ask<'_>) -> Found {
    let mut found = Vec::new();
    for term in ask.texts() {
        let inline = term.contains('=') || term.trim().contains(' ');
        let (key, options) = if inline { key_and_options(ask, &term)? } else { (term.clone(), ask.options.clone()) };
        let own = Ask { view: ask.view, terms: Vec::new(), options };
        let name = own.text("file", "ansible.ini");
        let properties = match own.text("type", "ini").as_str() {
            "ini" => false,
            "properties" => true,
            other => return Err(wrong(format!("`type` is ini or properties, not `{other}`"))),
        };
        let exact = own.flag("case_sensitive", false)?;
        let bare = own.flag("allow_no_value", false)? || own.flag("allow_none", false)?;
        let text = files::read_as(ask.view, "files", &name, &own.text("encoding", "utf-8"))?;
        let text = if properties { format!("[java_properties]\n{text}") } else { text };
        let sections = sections(&text, exact, bare).map_err(|why| wrong(format!("`{name}`: {why}")))?;
        let section = if properties { "java_properties".to_owned() } else { own.text("section", "global") };
        let fallback = IndexMap::new();
        let defaults = sections.get("DEFAULT").unwrap_or(&fallback);
        let Some(values) = sections.get(&section) else {
            return Err(wrong(format!("No section '{section}' in '{name}'")));
        };
        let mut all = values.clone();
        for (name, value) in defaults {
            all.entry(name.clone()).or_insert_with(|| value.clone());
        }
        let interpolate = own.flag("interpolation", true)?;
        let value_of = |raw: &Option<String>| -> Result<Value, Fault> {
            match raw {
                None => Ok(Value::Null),
                Some(raw) if interpolate => interpolated(raw, &all, exact, 0).map(Value::String),
                Some(raw) => Ok(Value::String(raw.clone())),
            }
        };
        if own.flag("re", false)? {
            let pattern = fancy_regex::Regex::new(&format!("\\A(?:{key})"))
                .map_err(|why| wrong(format!("`{key}` is no regular expression: {why}")))?;
            for (_, raw) in all.iter().filter(|(name, _)| pattern.is_match(name).unwrap_or(false)) {
                found.push(value_of(raw)?);
            }
            continue;
        }
        let key = if exact { key } else { key.to_lowercase() };
        match (all.get(&key), own.options.get("default")) {
            (Some(raw), _) => found.push(value_of(raw)?),
            (None, Some(Value::Array(items))) => found.extend(items.clone()),
            (None, Some(default)) => found.push(default.clone()),
            (None, None) => found.push(Value::String(String::new())),
        }
    }
    found.retain(|value| !value.is_null());
    Ok(found)
}

/// What Python's `configparser` reads.
fn sections(text: &str, exact: bool, bare: bool) -> Result<Sections, String> {
    let mut found = Sections::new();
    let mut section: Option<String> = None;
    let mut last: Option<String> = None;
    let mut indent = 0;
    for (number, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        if trimmed.starts_with(['#', ';']) {
            continue;
        }
        let own = line.len() - line.trim_start().len();
        if trimmed.is_empty() {
            if let Some(Some(value)) =
                last.as_ref().zip(section.as_ref()).and_then(|(k, s)| found.get_mut(s)?.get_mut(k))
            {
                value.push('\n');
            }
            continue;
        }
        if own > indent
            && let Some(Some(value)) =
                last.as_ref().zip(section.as_ref()).and_then(|(k, s)| found.get_mut(s)?.get_mut(k))
        {
            value.push('\n');
            value.push_str(trimmed);
            continue;
        }
        indent = own;
        if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.rsplit_once(']')).map(|(name, _)| name) {
            if name != "DEFAULT" && found.contains_key(name) {
                return Err(format!("the section '{name}' is there twice"));
            }
            found.entry(name.to_owned()).or_default();
            section = Some(name.to_owned());
            last = None;
            continue;
        }
        let Some(current) = &section else {
            return Err(format!("line {}: a line stands before the first section", number + 1));
        };
        let (key, value) = match trimmed.find(['=', ':']) {
            Some(at) => (trimmed[..at].trim_end(), Some(trimmed[at + 1..].trim().to_owned())),
            None if bare => (trimmed, None),
            None => return Err(format!("line {}: there is no `=`", number + 1)),
        };
        let key = if exact { key.to_owned() } else { key.to_lowercase() };
        let values = found.entry(current.clone()).or_default();
        if values.insert(key.clone(), value).is_some() {
            return Err(format!("Duplicate option '{key}' in section '{current}'"));
        }
        last = Some(key);
    }
    for value in found.values_mut().flat_map(IndexMap::values_mut).flatten() {
        value.truncate(value.trim_end().len());
    }
    Ok(found)
}

/// `%(name)s` by the value of `name`, `%%` by `%`.
fn interpolated(raw: &str, all: &IndexMap<String, Option<String>>, exact: bool, depth: usize) -> Result<String, Fault> {
    if depth > 10 {
        return Err(wrong("values of the INI file refer to each other too deep"));
    }
    let mut made = String::new();
    let mut rest = raw;
    while let Some(at) = rest.find('%') {
        made.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(more) = after.strip_prefix('%') {
            made.push('%');
            rest = more;
        } else if let Some((name, more)) = after.strip_prefix('(').and_then(|inner| inner.split_once(")s")) {
            let name = if exact { name.to_owned() } else { name.to_lowercase() };
            let value = all.get(&name).ok_or_else(|| wrong(format!("`%({name})s` in the INI file names no option")))?;
            made.push_str(&interpolated(value.as_deref().unwrap_or_default(), all, exact, depth + 1)?);
            rest = more;
        } else {
            return Err(wrong("'%' must be followed by '%' or '(' in the INI file; or take `interpolation=false`"));
        }
    }
    made.push_str(rest);
    Ok(made)
}
