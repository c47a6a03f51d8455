//! YAML as `PyYAML` writes it with libyaml: when to quote, where to fold, how deep to indent.

use std::{fmt::Write as _, sync::OnceLock};

use serde_json::Value;

use super::number_text;

/// How YAML is to look.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools, reason = "each is an option of PyYAML")]
pub(in super::super) struct YamlStyle {
    /// Collections on one line: never, always, or (`None`) those that hold scalars only.
    pub(in super::super) flow: Option<bool>,
    /// Spaces a level, 2 to 9.
    pub(in super::super) indent: usize,
    /// Where lines are folded.
    pub(in super::super) width: usize,
    /// Keys in order.
    pub(in super::super) sort: bool,
    /// Letters beyond ASCII as they are.
    pub(in super::super) unicode: bool,
    /// Quotes around everything.
    pub(in super::super) quote: Option<char>,
    /// `---` before.
    pub(in super::super) start: bool,
    /// `...` after.
    pub(in super::super) end: bool,
}

/// YAML as `PyYAML` writes it. With `nice`, never on one line.
pub fn yaml_text(value: &Value, nice: bool, indent: usize, sort: bool) -> String {
    let flow = if nice { Some(false) } else { None };
    let style = YamlStyle { flow, indent, width: 80, sort, unicode: true, quote: None, start: false, end: false };
    yaml_styled(value, &style)
}

/// YAML in this style.
pub(in super::super) fn yaml_styled(value: &Value, style: &YamlStyle) -> String {
    let step = if (2..=9).contains(&style.indent) { style.indent } else { 2 };
    let width = if style.width > step * 2 { style.width } else { 80 };
    let mut emitter = Emitter {
        style,
        step,
        width,
        text: String::new(),
        column: 0,
        indent: None,
        flow: 0,
        space: true,
        only_indent: true,
    };
    if style.start {
        emitter.mark("---", true, false, false);
    }
    emitter.node(value, Place::Root);
    emitter.line_at(None);
    if style.end {
        emitter.text.push_str("...\n");
    }
    emitter.text
}

/// Where a node stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    Item,
    Key,
    Value,
}

struct Emitter<'a> {
    style: &'a YamlStyle,
    step: usize,
    width: usize,
    text: String,
    column: usize,
    indent: Option<usize>,
    flow: usize,
    /// The last letter was white space.
    space: bool,
    /// The line holds only indentation and marks so far.
    only_indent: bool,
}

impl Emitter<'_> {
    fn put(&mut self, text: &str) {
        self.text.push_str(text);
        self.column += text.chars().count();
    }

    fn mark(&mut self, text: &str, before: bool, space: bool, indent: bool) {
        if before && !self.space {
            self.put(" ");
        }
        self.put(text);
        self.space = space;
        self.only_indent &= indent;
    }

    fn break_line(&mut self) {
        self.text.push('\n');
        self.column = 0;
    }

    /// A new line at this depth, unless that is where we are.
    fn line_at(&mut self, indent: Option<usize>) {
        let indent = indent.unwrap_or(0);
        if !self.only_indent || self.column > indent || (self.column == indent && !self.space) {
            self.break_line();
        }
        while self.column < indent {
            self.put(" ");
        }
        self.space = true;
        self.only_indent = true;
    }

    fn deeper(&mut self, flow: bool, same: bool) -> Option<usize> {
        let before = self.indent;
        self.indent = match before {
            None => Some(if flow { self.step } else { 0 }),
            Some(indent) if same => Some(indent),
            Some(indent) => Some(indent + self.step),
        };
        before
    }

    fn node(&mut self, value: &Value, place: Place) {
        match value {
            Value::Array(items) if self.flow > 0 || items.is_empty() || self.in_flow(value) => {
                self.mark("[", true, true, false);
                let before = self.deeper(true, false);
                self.flow += 1;
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        self.mark(",", false, false, false);
                    }
                    if self.column > self.width {
                        self.line_at(self.indent);
                    }
                    self.node(item, Place::Item);
                }
                self.flow -= 1;
                self.indent = before;
                self.mark("]", false, false, false);
            }
            Value::Object(map) if self.flow > 0 || map.is_empty() || self.in_flow(value) => {
                self.mark("{", true, true, false);
                let before = self.deeper(true, false);
                self.flow += 1;
                for (at, (key, value)) in self.pairs(map).into_iter().enumerate() {
                    if at > 0 {
                        self.mark(",", false, false, false);
                    }
                    if self.column > self.width {
                        self.line_at(self.indent);
                    }
                    if simple(key) {
                        self.node(&Value::String(key.clone()), Place::Key);
                        self.mark(":", false, false, false);
                    } else {
                        self.mark("?", true, false, false);
                        self.node(&Value::String(key.clone()), Place::Value);
                        if self.column > self.width {
                            self.line_at(self.indent);
                        }
                        self.mark(":", true, false, false);
                    }
                    self.node(value, Place::Value);
                }
                self.flow -= 1;
                self.indent = before;
                self.mark("}", false, false, false);
            }
            Value::Array(items) => {
                let before = self.deeper(false, place == Place::Value && !self.only_indent);
                for item in items {
                    self.line_at(self.indent);
                    self.mark("-", true, false, true);
                    self.node(item, Place::Item);
                }
                self.indent = before;
            }
            Value::Object(map) => {
                let before = self.deeper(false, false);
                for (key, value) in self.pairs(map) {
                    self.line_at(self.indent);
                    if simple(key) {
                        self.node(&Value::String(key.clone()), Place::Key);
                        self.mark(":", false, false, false);
                    } else {
                        self.mark("?", true, false, true);
                        self.node(&Value::String(key.clone()), Place::Value);
                        self.line_at(self.indent);
                        self.mark(":", true, false, true);
                    }
                    self.node(value, Place::Value);
                }
                self.indent = before;
            }
            scalar => self.scalar(scalar, place),
        }
    }

    fn pairs<'m>(&self, map: &'m serde_json::Map<String, Value>) -> Vec<(&'m String, &'m Value)> {
        let mut pairs: Vec<_> = map.iter().collect();
        if self.style.sort {
            pairs.sort_by_key(|(key, _)| *key);
        }
        pairs
    }

    /// Whether a collection goes on one line.
    fn in_flow(&self, value: &Value) -> bool {
        let leaf = |value: &Value| !matches!(value, Value::Array(_) | Value::Object(_));
        match self.style.flow {
            Some(flow) => flow,
            None if self.style.quote.is_some() => false,
            None => match value {
                Value::Array(items) => items.iter().all(leaf),
                Value::Object(map) => map.values().all(leaf),
                _ => true,
            },
        }
    }

    fn scalar(&mut self, value: &Value, place: Place) {
        // A value that belongs to no collection in flow begins deeper than what is around it.
        let before = self.deeper(true, false);
        let (text, plain) = match value {
            Value::Null => ("null".to_owned(), true),
            Value::Bool(flag) => (flag.to_string(), true),
            Value::Number(number) => {
                let text = number_text(number);
                (if text.contains('.') { text } else { text.replace('e', ".0e") }, true)
            }
            Value::String(text) => (text.clone(), reads_as_text(text)),
            other => (other.to_string(), true),
        };
        let shape = Shape::of(&text, self.style.unicode);
        let split = place != Place::Key;
        let plain_fits = if self.flow > 0 { shape.flow_plain } else { shape.block_plain };
        let quoted = self.style.quote;
        if quoted.is_none() && plain && plain_fits && !(text.is_empty() && (self.flow > 0 || !split)) {
            self.plain(&text, split);
        } else if quoted != Some('"') && shape.single && (split || !shape.lines) {
            self.single(&text, split);
        } else {
            self.double(&text, split);
        }
        self.indent = before;
    }

    fn plain(&mut self, text: &str, split: bool) {
        if !(self.space || text.is_empty() && self.flow == 0) {
            self.put(" ");
        }
        let letters: Vec<char> = text.chars().collect();
        for (at, c) in letters.iter().enumerate() {
            if *c == ' ' && split && self.column > self.width && lone_space(&letters, at) {
                self.line_at(self.indent);
            } else {
                self.put(c.encode_utf8(&mut [0; 4]));
            }
        }
        self.space = false;
        self.only_indent = false;
    }

    fn single(&mut self, text: &str, split: bool) {
        self.mark("'", true, false, false);
        let letters: Vec<char> = text.chars().collect();
        let mut breaks = false;
        for (at, c) in letters.iter().enumerate() {
            let inside = at > 0 && at + 1 < letters.len();
            if *c == ' ' && split && inside && self.column > self.width && lone_space(&letters, at) {
                self.line_at(self.indent);
                breaks = false;
            } else if is_break(*c) {
                if !breaks && *c == '\n' {
                    self.break_line();
                }
                self.break_line();
                self.only_indent = true;
                breaks = true;
            } else {
                if breaks {
                    self.line_at(self.indent);
                }
                if *c == '\'' {
                    self.put("'");
                }
                self.put(c.encode_utf8(&mut [0; 4]));
                self.only_indent = false;
                breaks = false;
            }
        }
        if breaks {
            self.line_at(self.indent);
        }
        self.mark("'", false, false, false);
        self.space = false;
        self.only_indent = false;
    }

    fn double(&mut self, text: &str, split: bool) {
        self.mark("\"", true, false, false);
        let letters: Vec<char> = text.chars().collect();
        let mut spaces = false;
        for (at, c) in letters.iter().enumerate() {
            let fine = printable(*c) && (c.is_ascii() || self.style.unicode) && !is_break(*c);
            if !fine || matches!(c, '"' | '\\' | '\u{feff}') {
                let escaped = escape(*c);
                self.put(&escaped);
                spaces = false;
            } else if *c == ' ' {
                let inside = at > 0 && at + 1 < letters.len();
                if split && !spaces && inside && self.column > self.width {
                    self.line_at(self.indent);
                    if letters.get(at + 1) == Some(&' ') {
                        self.put("\\");
                    }
                } else {
                    self.put(" ");
                }
                spaces = true;
            } else {
                self.put(c.encode_utf8(&mut [0; 4]));
                spaces = false;
            }
        }
        self.mark("\"", false, false, false);
        self.space = false;
        self.only_indent = false;
    }
}

fn lone_space(letters: &[char], at: usize) -> bool {
    let other = |at: Option<usize>| at.and_then(|at| letters.get(at)).is_none_or(|c| *c != ' ');
    other(at.checked_sub(1)) && other(at.checked_add(1))
}

fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// What libyaml writes as it is.
fn printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}') && c != '\u{feff}'
}

fn escape(c: char) -> String {
    let short = match c {
        '\0' => '0',
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{b}' => 'v',
        '\u{c}' => 'f',
        '\r' => 'r',
        '\u{1b}' => 'e',
        '"' => '"',
        '\\' => '\\',
        '\u{85}' => 'N',
        '\u{a0}' => '_',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        other => {
            let mut text = String::new();
            let _ = match u32::from(other) {
                code @ ..=0xff => write!(text, "\\x{code:02X}"),
                code @ ..=0xffff => write!(text, "\\u{code:04X}"),
                code => write!(text, "\\U{code:08X}"),
            };
            return text;
        }
    };
    format!("\\{short}")
}

/// Whether a key may stand before its colon.
fn simple(key: &str) -> bool {
    key.len() <= 128 && !key.contains(is_break)
}

/// In which styles a text can be written.
#[allow(clippy::struct_excessive_bools, reason = "one flag a style")]
struct Shape {
    lines: bool,
    flow_plain: bool,
    block_plain: bool,
    single: bool,
}

impl Shape {
    fn of(text: &str, unicode: bool) -> Self {
        if text.is_empty() {
            return Self { lines: false, flow_plain: false, block_plain: true, single: true };
        }
        let letters: Vec<char> = text.chars().collect();
        let blank = |c: Option<&char>| c.is_none_or(|c| matches!(c, ' ' | '\t' | '\0') || is_break(*c));
        let dashes = text.starts_with("---") || text.starts_with("...");
        let (mut block_marks, mut flow_marks) = (dashes, dashes);
        let (mut lines, mut special, mut break_space, mut space_break) = (false, false, false, false);
        for (at, c) in letters.iter().enumerate() {
            let after_blank = at == 0 || blank(letters.get(at - 1));
            let before_blank = blank(letters.get(at + 1));
            match c {
                '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`'
                    if at == 0 =>
                {
                    (flow_marks, block_marks) = (true, true);
                }
                '?' | ':' if at == 0 => {
                    flow_marks = true;
                    block_marks |= before_blank;
                }
                '-' if at == 0 && before_blank => (flow_marks, block_marks) = (true, true),
                ',' | '?' | '[' | ']' | '{' | '}' if at > 0 => flow_marks = true,
                ':' if at > 0 => {
                    flow_marks = true;
                    block_marks |= before_blank;
                }
                '#' if at > 0 && after_blank => (flow_marks, block_marks) = (true, true),
                _ => {}
            }
            special |= !printable(*c) || (!c.is_ascii() && !unicode);
            lines |= is_break(*c);
            let before = at.checked_sub(1).map(|at| letters[at]);
            break_space |= *c == ' ' && before.is_some_and(is_break);
            space_break |= is_break(*c) && before == Some(' ');
        }
        let edge = |c: Option<&char>| c.is_some_and(|c| *c == ' ' || is_break(*c));
        let edges = edge(letters.first()) || edge(letters.last());
        let plain = !edges && !break_space && !space_break && !special && !lines;
        Self {
            lines,
            flow_plain: plain && !flow_marks,
            block_plain: plain && !block_marks,
            single: !break_space && !space_break && !special,
        }
    }
}

/// Whether a plain text is read as text by YAML 1.1, and not as a number, a truth value or a date.
fn reads_as_text(text: &str) -> bool {
    static OTHER: OnceLock<Option<fancy_regex::Regex>> = OnceLock::new();
    let other = OTHER.get_or_init(|| {
        fancy_regex::Regex::new(concat!(
            r"\A(?:~|null|Null|NULL|<<|=|",
            "yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF|",
            r"[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|",
            r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)|",
            "[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|",
            "[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+|",
            "[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}",
            r"(?:\.[0-9]*)?(?:[ \t]*(?:Z|[-+][0-9]{1,2}(?::[0-9]{2})?))?)\z",
        ))
        .ok()
    });
    !text.is_empty() && other.as_ref().is_none_or(|other| !other.is_match(text).unwrap_or(false))
}
