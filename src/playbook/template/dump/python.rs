//! Python's `str()` and `repr()`.

use std::fmt::Write as _;

use minijinja::value::{Value, ValueKind};

use super::super::filters::MOST_TEXT;

/// Python's `str(value)`.
pub fn py_str(value: &Value) -> String {
    match value.kind() {
        ValueKind::String => value.as_str().unwrap_or_default().to_owned(),
        ValueKind::Undefined => String::new(),
        ValueKind::Bytes => String::from_utf8_lossy(value.as_bytes().unwrap_or_default()).into_owned(),
        _ => repr_of(value),
    }
}

/// Python's `repr(value)`.
pub(in super::super) fn repr_of(value: &Value) -> String {
    let mut text = String::new();
    repr(value, &mut text, 0);
    text
}

fn repr(value: &Value, text: &mut String, depth: usize) {
    if depth > 120 || text.len() > MOST_TEXT {
        text.push_str("...");
        return;
    }
    match value.kind() {
        ValueKind::None => text.push_str("None"),
        ValueKind::Bool => text.push_str(if value.is_true() { "True" } else { "False" }),
        ValueKind::Number if value.is_integer() => {
            let _ = write!(text, "{value}");
        }
        ValueKind::Number => text.push_str(&float_text(f64::try_from(value.clone()).unwrap_or(f64::NAN))),
        ValueKind::String => quote(value.as_str().unwrap_or_default(), text),
        ValueKind::Bytes => {
            text.push('b');
            quote(&String::from_utf8_lossy(value.as_bytes().unwrap_or_default()), text);
        }
        ValueKind::Seq | ValueKind::Iterable => {
            let (open, close) = if value.is_tuple() { ('(', ')') } else { ('[', ']') };
            text.push(open);
            let mut count = 0;
            for item in value.try_iter().into_iter().flatten() {
                if text.len() > MOST_TEXT {
                    break;
                }
                if count > 0 {
                    text.push_str(", ");
                }
                repr(&item, text, depth + 1);
                count += 1;
            }
            if count == 1 && value.is_tuple() {
                text.push(',');
            }
            text.push(close);
        }
        ValueKind::Map => {
            text.push('{');
            for (at, key) in value.try_iter().into_iter().flatten().enumerate() {
                if at > 0 {
                    text.push_str(", ");
                }
                repr(&key, text, depth + 1);
                text.push_str(": ");
                repr(&value.get_item(&key).unwrap_or_default(), text, depth + 1);
            }
            text.push('}');
        }
        _ => {
            let _ = write!(text, "{value}");
        }
    }
}

/// A float as Python writes it.
pub(in super::super) fn float_text(float: f64) -> String {
    if float.is_nan() {
        return "nan".into();
    }
    if float.is_infinite() {
        return if float > 0.0 { "inf".into() } else { "-inf".into() };
    }
    if float == 0.0 || (1e-4..1e16).contains(&float.abs()) {
        let text = format!("{float}");
        return if text.contains('.') { text } else { format!("{text}.0") };
    }
    let text = format!("{float:e}");
    let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, power) = match power.strip_prefix('-') {
        Some(power) => ('-', power),
        None => ('+', power),
    };
    format!("{digits}e{sign}{power:0>2}")
}

/// A number as Python writes it.
pub(in super::super) fn number_text(number: &serde_json::Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => float_text(float),
        _ => number.to_string(),
    }
}

fn quote(inner: &str, text: &mut String) {
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
            c if c.is_control() || c == '\u{a0}' || c == '\u{ad}' => {
                let _ = write!(text, "\\x{:02x}", c as u32);
            }
            '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202f}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{e000}'..='\u{f8ff}' => {
                let _ = write!(text, "\\u{:04x}", c as u32);
            }
            c => text.push(c),
        }
    }
    text.push(quote);
}
