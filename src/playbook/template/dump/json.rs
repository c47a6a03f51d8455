//! JSON as Python's `json.dumps` writes it.

use std::fmt::Write as _;

use serde_json::Value;

use super::number_text;

/// How JSON is to look.
#[derive(Debug, Clone)]
pub(in super::super) struct JsonStyle {
    /// Spaces a level; `None` is one line.
    pub(in super::super) indent: Option<usize>,
    /// Keys in order.
    pub(in super::super) sort: bool,
    /// Letters beyond ASCII escaped.
    pub(in super::super) ascii: bool,
    /// What stands between items, and after a key.
    pub(in super::super) separators: Option<(String, String)>,
}

impl Default for JsonStyle {
    fn default() -> Self {
        Self { indent: None, sort: false, ascii: true, separators: None }
    }
}

/// JSON as `json.dumps` writes it. `indent` 0 is one line.
pub fn json_text(value: &Value, indent: usize, sort: bool, ascii: bool) -> String {
    let indent = Some(indent).filter(|indent| *indent > 0);
    json_styled(value, &JsonStyle { indent, sort, ascii, separators: None })
}

/// JSON in this style.
pub(in super::super) fn json_styled(value: &Value, style: &JsonStyle) -> String {
    let mut text = String::new();
    write(value, style, 0, &mut text);
    text
}

fn write(value: &Value, style: &JsonStyle, level: usize, text: &mut String) {
    let (comma, colon) = match &style.separators {
        Some((comma, colon)) => (comma.as_str(), colon.as_str()),
        None if style.indent.is_some() => (",", ": "),
        None => (", ", ": "),
    };
    let line = |level: usize, text: &mut String| {
        if let Some(indent) = style.indent {
            text.push('\n');
            text.extend(std::iter::repeat_n(' ', indent * level));
        }
    };
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(flag) => text.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => text.push_str(&number_text(number)),
        Value::String(inner) => quote(inner, style.ascii, text),
        Value::Array(items) if items.is_empty() => text.push_str("[]"),
        Value::Array(items) => {
            text.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    text.push_str(comma);
                }
                line(level + 1, text);
                write(item, style, level + 1, text);
            }
            line(level, text);
            text.push(']');
        }
        Value::Object(map) if map.is_empty() => text.push_str("{}"),
        Value::Object(map) => {
            text.push('{');
            let mut keys: Vec<&String> = map.keys().collect();
            if style.sort {
                keys.sort();
            }
            for (i, key) in keys.into_iter().enumerate() {
                if i > 0 {
                    text.push_str(comma);
                }
                line(level + 1, text);
                quote(key, style.ascii, text);
                text.push_str(colon);
                write(&map[key], style, level + 1, text);
            }
            line(level, text);
            text.push('}');
        }
    }
}

fn quote(inner: &str, ascii: bool, text: &mut String) {
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
