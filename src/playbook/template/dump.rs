//! Values as Python, JSON and YAML text, as Ansible's filters write them.

use std::fmt::Write as _;

use minijinja::value::{Value as Jinja, ValueKind};
use serde_json::Value;

use crate::playbook::value::from_jinja;

/// Python's `str(value)`.
pub fn py_str(value: &Jinja) -> String {
    match value.kind() {
        ValueKind::String => value.as_str().unwrap_or_default().to_owned(),
        ValueKind::Undefined => String::new(),
        ValueKind::Bytes => String::from_utf8_lossy(value.as_bytes().unwrap_or_default()).into_owned(),
        ValueKind::None
        | ValueKind::Bool
        | ValueKind::Number
        | ValueKind::Seq
        | ValueKind::Iterable
        | ValueKind::Map => {
            let mut text = String::new();
            py_repr(&from_jinja(value).unwrap_or_default(), &mut text);
            text
        }
        _ => value.to_string(),
    }
}

/// Python's `repr(value)`.
fn py_repr(value: &Value, text: &mut String) {
    match value {
        Value::Null => text.push_str("None"),
        Value::Bool(true) => text.push_str("True"),
        Value::Bool(false) => text.push_str("False"),
        Value::Number(number) => text.push_str(&number_text(number)),
        Value::String(inner) => py_quote(inner, text),
        Value::Array(items) => {
            text.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    text.push_str(", ");
                }
                py_repr(item, text);
            }
            text.push(']');
        }
        Value::Object(map) => {
            text.push('{');
            for (i, (key, item)) in map.iter().enumerate() {
                if i > 0 {
                    text.push_str(", ");
                }
                py_quote(key, text);
                text.push_str(": ");
                py_repr(item, text);
            }
            text.push('}');
        }
    }
}

/// A number as Python writes it.
pub(super) fn number_text(number: &serde_json::Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => {
            let size = float.abs();
            if float == 0.0 || (1e-4..1e16).contains(&size) {
                let text = format!("{float}");
                if text.contains('.') { text } else { format!("{text}.0") }
            } else {
                let text = format!("{float:e}");
                let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
                let (sign, power) = match power.strip_prefix('-') {
                    Some(power) => ('-', power),
                    None => ('+', power),
                };
                format!("{digits}e{sign}{power:0>2}")
            }
        }
        _ => number.to_string(),
    }
}

fn py_quote(inner: &str, text: &mut String) {
    let quote = if inner.contains('\'') && !inner.contains('"') { '"' } else { '\'' };
    text.push(quote);
    for c in inner.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            c if c == quote => {
                text.push('\\');
                text.push(c);
            }
            c if c.is_control() => {
                let _ = write!(text, "\\x{:02x}", c as u32);
            }
            c => text.push(c),
        }
    }
    text.push(quote);
}

/// JSON as Python's `json.dumps` writes it. `indent` 0 is one line.
pub fn json_text(value: &Value, indent: usize, sort: bool, ascii: bool) -> String {
    let mut text = String::new();
    json(value, indent, sort, ascii, 0, &mut text);
    text
}

fn json(value: &Value, indent: usize, sort: bool, ascii: bool, level: usize, text: &mut String) {
    let line = |level: usize, text: &mut String| {
        if indent > 0 {
            text.push('\n');
            text.push_str(&" ".repeat(indent * level));
        }
    };
    let comma = if indent > 0 { "," } else { ", " };
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(flag) => text.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => text.push_str(&number_text(number)),
        Value::String(inner) => json_quote(inner, ascii, text),
        Value::Array(items) if items.is_empty() => text.push_str("[]"),
        Value::Array(items) => {
            text.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    text.push_str(comma);
                }
                line(level + 1, text);
                json(item, indent, sort, ascii, level + 1, text);
            }
            line(level, text);
            text.push(']');
        }
        Value::Object(map) if map.is_empty() => text.push_str("{}"),
        Value::Object(map) => {
            text.push('{');
            let mut keys: Vec<&String> = map.keys().collect();
            if sort {
                keys.sort();
            }
            for (i, key) in keys.into_iter().enumerate() {
                if i > 0 {
                    text.push_str(comma);
                }
                line(level + 1, text);
                json_quote(key, ascii, text);
                text.push_str(": ");
                json(&map[key], indent, sort, ascii, level + 1, text);
            }
            line(level, text);
            text.push('}');
        }
    }
}

fn json_quote(inner: &str, ascii: bool, text: &mut String) {
    text.push('"');
    for c in inner.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            c if (c as u32) < 0x20 => {
                let _ = write!(text, "\\u{:04x}", c as u32);
            }
            c if ascii && !c.is_ascii() => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(text, "\\u{unit:04x}");
                }
            }
            c => text.push(c),
        }
    }
    text.push('"');
}

/// YAML as `PyYAML` writes it. With `nice`, never in flow style; else leaves are.
pub fn yaml_text(value: &Value, nice: bool, indent: usize, sort: bool) -> String {
    let mut text = String::new();
    match value {
        Value::Array(items) if !items.is_empty() && (nice || !flow(value)) => {
            block(value, indent, sort, nice, 0, &mut text);
        }
        Value::Object(map) if !map.is_empty() && (nice || !flow(value)) => {
            block(value, indent, sort, nice, 0, &mut text);
        }
        Value::Array(_) | Value::Object(_) => {
            inline(value, sort, &mut text);
            text.push('\n');
        }
        scalar => {
            text.push_str(&yaml_scalar(scalar, 0));
            // PyYAML ends a lone plain scalar with the mark of a document's end.
            if text.starts_with(['\'', '"', '|']) {
                text.push('\n');
            } else {
                text.push_str("\n...\n");
            }
        }
    }
    text
}

/// Whether a collection holds scalars only.
fn flow(value: &Value) -> bool {
    let leaf = |value: &Value| !matches!(value, Value::Array(_) | Value::Object(_));
    match value {
        Value::Array(items) => items.iter().all(leaf),
        Value::Object(map) => map.values().all(leaf),
        _ => true,
    }
}

fn inline(value: &Value, sort: bool, text: &mut String) {
    match value {
        Value::Array(items) => {
            text.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    text.push_str(", ");
                }
                inline(item, sort, text);
            }
            text.push(']');
        }
        Value::Object(map) => {
            text.push('{');
            let mut keys: Vec<&String> = map.keys().collect();
            if sort {
                keys.sort();
            }
            for (i, key) in keys.into_iter().enumerate() {
                if i > 0 {
                    text.push_str(", ");
                }
                text.push_str(&yaml_scalar(&Value::String(key.clone()), 0));
                text.push_str(": ");
                inline(&map[key], sort, text);
            }
            text.push('}');
        }
        scalar => text.push_str(&yaml_scalar(scalar, 0)),
    }
}

fn block(value: &Value, indent: usize, sort: bool, nice: bool, level: usize, text: &mut String) {
    let pad = " ".repeat(level);
    let step = indent.max(2);
    let nested = |item: &Value| match item {
        Value::Array(items) => !items.is_empty() && (nice || !flow(item)),
        Value::Object(map) => !map.is_empty() && (nice || !flow(item)),
        _ => false,
    };
    match value {
        Value::Array(items) => {
            for item in items {
                text.push_str(&pad);
                text.push('-');
                if nested(item) {
                    // The first line of what is inside stands behind the dash.
                    let mut inner = String::new();
                    block(item, indent, sort, nice, level + step, &mut inner);
                    text.push_str(&" ".repeat(step - 1));
                    text.push_str(inner.trim_start_matches(' '));
                } else {
                    text.push(' ');
                    leaf(item, sort, level + step, text);
                }
            }
        }
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            if sort {
                keys.sort();
            }
            for key in keys {
                let item = &map[key];
                text.push_str(&pad);
                text.push_str(&yaml_scalar(&Value::String(key.clone()), level));
                text.push(':');
                if nested(item) {
                    text.push('\n');
                    // PyYAML puts a list's dashes under the key, and a mapping one step in.
                    let inner = if matches!(item, Value::Array(_)) { level } else { level + step };
                    block(item, indent, sort, nice, inner, text);
                } else {
                    text.push(' ');
                    leaf(item, sort, level + step, text);
                }
            }
        }
        _ => {}
    }
}

fn leaf(item: &Value, sort: bool, level: usize, text: &mut String) {
    match item {
        Value::Array(_) | Value::Object(_) => inline(item, sort, text),
        scalar => text.push_str(&yaml_scalar(scalar, level)),
    }
    text.push('\n');
}

fn yaml_scalar(value: &Value, level: usize) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number_text(number),
        Value::String(text) => yaml_string(text, level),
        other => other.to_string(),
    }
}

fn yaml_string(text: &str, level: usize) -> String {
    if text.contains('\n') || text.chars().any(char::is_control) {
        if text.chars().any(|c| c.is_control() && c != '\n') || level == 0 {
            let mut quoted = String::new();
            json_quote(text, false, &mut quoted);
            return quoted;
        }
        // Single quotes with doubled line ends, as PyYAML folds them.
        let pad = " ".repeat(level);
        return format!(
            "'{}'",
            text.replace('\'', "''").replace('\n', &format!("\n\n{pad}")).replace(&format!("{pad}\n"), "\n")
        );
    }
    let reads_as_other = !matches!(
        crate::playbook::yaml::parse(text, "").map(|node| node.map(|node| node.to_json())),
        Ok(Some(Value::String(same))) if same == text
    );
    let special = text.starts_with([
        '-', '?', ':', ',', '[', ']', '{', '}', '#', '&', '*', '!', '|', '>', '\'', '"', '%', '@', '`', ' ',
    ]) || text.ends_with([' ', ':'])
        || text.contains(": ")
        || text.contains(" #")
        || matches!(text, "=" | "<<");
    let starts_fine = text.starts_with('-') && text.len() > 1 && !text.starts_with("- ") && !text.starts_with("---");
    if text.is_empty() || reads_as_other || (special && !starts_fine) || looks_like_date(text) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    text.to_owned()
}

fn looks_like_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 10
        && bytes[..4].iter().all(u8::is_ascii_digit)
        && bytes[4] == b'-'
        && bytes[7] == b'-'
        && bytes[8..10].iter().all(u8::is_ascii_digit)
}
