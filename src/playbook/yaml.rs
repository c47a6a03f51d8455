//! YAML with the place of every node, read as `PyYAML` reads it.
//!
//! Playbooks are YAML 1.1: `yes` is true, `0644` is octal, `!unsafe` and `!vault` mean something. The parser is the one
//! under `serde-saphyr`; only the meaning of plain scalars and merge keys is decided here.
//! Error messages never quote the text around a fault: it may hold a password.

use std::{borrow::Cow, collections::HashMap, path::Path, sync::Arc};

use granit_parser::{Event, Parser, ScalarStyle, Span};
use serde_json::{Map, Number, Value};

use super::{
    doubles,
    vault::{self, Keys},
};

/// Nodes in one file, aliases counted each time they are used.
const MAX_NODES: usize = 400_000;
/// Nesting.
const MAX_DEPTH: usize = 96;
/// Bytes of one file.
const MAX_BYTES: usize = 32 * 1024 * 1024;

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At {
    /// The file's name as messages show it.
    pub file: Arc<str>,
    /// From 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
}

impl std::fmt::Display for At {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {message}")]
pub struct Fault {
    /// Where.
    pub at: At,
    /// What.
    pub message: String,
}

/// A node and its place.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where it begins.
    pub at: At,
    /// What it is.
    pub data: Data,
}

/// What a node is.
#[derive(Debug, Clone)]
pub enum Data {
    /// `null`, `~`, nothing.
    Null,
    /// `true`, `yes`, `on`…
    Bool(bool),
    /// A number.
    Number(Number),
    /// Text.
    Text(String),
    /// `- a`
    List(Vec<Node>),
    /// `a: b`, in the order of the file.
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// A fault at this place.
    pub fn fault(&self, message: impl Into<String>) -> Fault {
        Fault { at: self.at.clone(), message: message.into() }
    }

    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match &self.data {
            Data::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The items of a list; one thing that is no list is a list of itself.
    pub fn items(&self) -> Vec<&Node> {
        match &self.data {
            Data::List(items) => items.iter().collect(),
            Data::Null => Vec::new(),
            _ => vec![self],
        }
    }

    /// The pairs of a mapping.
    pub fn pairs(&self) -> Option<&[(Node, Node)]> {
        match &self.data {
            Data::Map(pairs) => Some(pairs),
            _ => None,
        }
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.pairs()?.iter().find(|(name, _)| name.text() == Some(key)).map(|(_, value)| value)
    }

    /// The same without places.
    pub fn to_json(&self) -> Value {
        match &self.data {
            Data::Null => Value::Null,
            Data::Bool(flag) => Value::Bool(*flag),
            Data::Number(number) => Value::Number(number.clone()),
            Data::Text(text) => Value::String(text.clone()),
            Data::List(items) => items.iter().map(Node::to_json).collect(),
            Data::Map(_) => Value::Object(self.to_map()),
        }
    }

    /// A mapping without places; anything else is empty.
    pub fn to_map(&self) -> Map<String, Value> {
        let pairs = self.pairs().unwrap_or_default();
        pairs.iter().map(|(key, value)| (key.key_text(), value.to_json())).collect()
    }

    /// A key as text: Python's text for what is none.
    pub fn key_text(&self) -> String {
        match self.to_json() {
            Value::String(text) => text,
            Value::Bool(true) => "True".into(),
            Value::Bool(false) => "False".into(),
            Value::Null => "None".into(),
            other => other.to_string(),
        }
    }
}

/// Reads a file that holds one document (or none).
pub fn read(path: &Path) -> Result<Option<Node>, Fault> {
    read_with(path, &Keys::default())
}

/// Reads a file that may be a vault as a whole.
pub fn read_with(path: &Path, keys: &Keys) -> Result<Option<Node>, Fault> {
    let name = path.display().to_string();
    let nowhere = |message: String| Fault { at: At { file: name.as_str().into(), line: 1, column: 1 }, message };
    let bytes = std::fs::read(path).map_err(|e| nowhere(format!("cannot be read: {e}")))?;
    let text = keys.text(bytes).map_err(nowhere)?;
    let (mut nodes, doubles) = documents(&text, &name, 1)?;
    doubles::meet(&doubles)?;
    let node = nodes.pop().flatten();
    if let Some(node) = &node {
        super::template::written(&node.to_json());
    }
    Ok(node)
}

/// Reads text that holds one document (or none). `name` is shown in faults.
pub fn parse(text: &str, name: &str) -> Result<Option<Node>, Fault> {
    Ok(documents(text, name, 1)?.0.pop().flatten())
}

/// Reads text that holds any number of documents; an empty one is `None`.
pub fn parse_all(text: &str, name: &str) -> Result<Vec<Option<Node>>, Fault> {
    Ok(documents(text, name, usize::MAX)?.0)
}

/// Documents, and the keys that stand twice in a mapping, each where it stands again.
type Found = (Vec<Option<Node>>, Vec<Fault>);

/// How many lines with tabs are mended.
const MOST_TABS: usize = 200;

/// Reads text; tabs before the further lines of quoted text mean blanks, which YAML drops there.
fn documents(text: &str, name: &str, most: usize) -> Result<Found, Fault> {
    let mut text = Cow::Borrowed(text);
    for _ in 0..MOST_TABS {
        match read_once(&text, name, most) {
            // The reader says this of quoted text alone.
            Err(fault) if fault.message.ends_with("tab cannot be used as indentation") => {
                match without_tabs(&text, fault.at.line) {
                    Some(mended) => text = Cow::Owned(mended),
                    None => return Err(fault),
                }
            }
            other => return other,
        }
    }
    read_once(&text, name, most)
}

/// The text with as many blanks as anybody indents in place of the tabs before a line.
fn without_tabs(text: &str, line: usize) -> Option<String> {
    let start = if line < 2 { 0 } else { text.match_indices('\n').nth(line - 2)?.0 + 1 };
    let (before, rest) = text.split_at(start);
    let body = rest.trim_start_matches([' ', '\t']);
    let blanks = &rest[..rest.len() - body.len()];
    blanks.contains('\t').then(|| format!("{before}{}{body}", " ".repeat(blanks.len().max(200))))
}

fn read_once(text: &str, name: &str, most: usize) -> Result<Found, Fault> {
    let file: Arc<str> = name.into();
    let start = At { file: Arc::clone(&file), line: 1, column: 1 };
    if text.len() > MAX_BYTES {
        return Err(Fault { at: start, message: format!("is larger than {} MiB", MAX_BYTES / 1024 / 1024) });
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let events = Parser::new_from_str(text);
    let mut reader = Reader { events, file, anchors: HashMap::new(), nodes: 0, doubles: Vec::new() };
    let mut found: Vec<Option<Node>> = Vec::new();
    loop {
        let (event, span) = reader.next()?;
        match event {
            Event::StreamEnd => return Ok((found, reader.doubles)),
            Event::StreamStart | Event::DocumentEnd | Event::Comment(..) => {}
            Event::DocumentStart(..) => reader.anchors.clear(),
            event => {
                if found.len() >= most {
                    let message = "a second document begins here; only one is read".into();
                    return Err(Fault { at: reader.at(span), message });
                }
                found.push(Some(reader.node(event, span, 0)?));
            }
        }
    }
}

struct Reader<'a> {
    events: Parser<'a, granit_parser::StrInput<'a>>,
    file: Arc<str>,
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
    doubles: Vec<Fault>,
}

impl<'a> Reader<'a> {
    fn at(&self, span: Span) -> At {
        At { file: Arc::clone(&self.file), line: span.start.line(), column: span.start.col() + 1 }
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), Fault> {
        match self.events.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                let marker = error.marker();
                let at = At { file: Arc::clone(&self.file), line: marker.line(), column: marker.col() + 1 };
                let mut message = error.info();
                // Names of anchors and tags are the author's text; the rest is the parser's own.
                if let Some(cut) = message.find(['`', '"', '\'']) {
                    message.truncate(cut);
                }
                Err(Fault { at, message: format!("no valid YAML: {}", message.trim_end_matches([' ', ':'])) })
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn next_node(&mut self) -> Result<(Event<'a>, Span), Fault> {
        loop {
            let (event, span) = self.next()?;
            if !matches!(event, Event::Comment(..) | Event::Anchor(..)) {
                return Ok((event, span));
            }
        }
    }

    fn count(&mut self, by: usize, span: Span) -> Result<(), Fault> {
        self.nodes = self.nodes.saturating_add(by);
        if self.nodes > MAX_NODES {
            return Err(Fault { at: self.at(span), message: format!("holds more than {MAX_NODES} values") });
        }
        Ok(())
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Fault> {
        self.count(1, span)?;
        let at = self.at(span);
        if depth > MAX_DEPTH {
            return Err(Fault { at, message: format!("is nested deeper than {MAX_DEPTH} levels") });
        }
        let before = self.nodes;
        let (data, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag.map(|tag| format!("{tag}"));
                (Self::scalar(&at, &text, style, tag.as_deref())?, anchor)
            }
            Event::SequenceStart(_, anchor, _) => {
                let mut items = Vec::new();
                loop {
                    let (event, span) = self.next_node()?;
                    if matches!(event, Event::SequenceEnd) {
                        break;
                    }
                    items.push(self.node(event, span, depth + 1)?);
                }
                (Data::List(items), anchor)
            }
            Event::MappingStart(_, anchor, _) => (Data::Map(self.mapping(depth)?), anchor),
            Event::Alias(id) => {
                let Some((node, size)) = self.anchors.get(&id).cloned() else {
                    return Err(Fault { at, message: "an alias stands inside its own anchor".into() });
                };
                self.count(size, span)?;
                return Ok(Node { at, data: node.data });
            }
            _ => return Err(Fault { at, message: "no valid YAML: something ends that did not begin".into() }),
        };
        let node = Node { at, data };
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), self.nodes - before + 1));
        }
        Ok(node)
    }

    fn mapping(&mut self, depth: usize) -> Result<Vec<(Node, Node)>, Fault> {
        let mut pairs: Vec<(Node, Node)> = Vec::new();
        let mut merged: Vec<(Node, Node)> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        loop {
            let (event, span) = self.next_node()?;
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let plain = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<");
            let key = self.node(event, span, depth + 1)?;
            let (event, span) = self.next_node()?;
            let value = self.node(event, span, depth + 1)?;
            if plain {
                for source in value.items() {
                    let Some(more) = source.pairs() else {
                        return Err(source.fault("`<<` merges mappings only"));
                    };
                    merged.extend(more.iter().cloned());
                }
                continue;
            }
            if matches!(key.data, Data::List(_) | Data::Map(_)) {
                // `key: {{ x }}` without quotes reads as a mapping inside a mapping.
                return Err(key.fault("a mapping cannot be a key; is a value that begins with `{{` not quoted?"));
            }
            if !seen.insert(key.key_text()) {
                // As PyYAML: the last one counts.
                let text = key.key_text();
                self.doubles.push(key.fault(format!("Found duplicate mapping key '{text}'.")));
                pairs.retain(|(other, _)| other.key_text() != text);
            }
            pairs.push((key, value));
        }
        for (key, value) in merged {
            if seen.insert(key.key_text()) {
                pairs.push((key, value));
            }
        }
        Ok(pairs)
    }

    fn scalar(at: &At, text: &str, style: ScalarStyle, tag: Option<&str>) -> Result<Data, Fault> {
        let text_data = || Data::Text(text.to_owned());
        Ok(match tag {
            Some("!unsafe") => Data::Text(format!("{{% raw %}}{text}{{% endraw %}}")),
            Some("!vault" | "!vault-encrypted") => {
                // It is opened when it is used: a playbook can be checked and listed without the password.
                if !vault::is_vault(text.trim_start().as_bytes()) || text.contains(['\'', '\\', '{', '}', '%']) {
                    return Err(Fault { at: at.clone(), message: vault::Error::Damaged.to_string() });
                }
                let lines: Vec<&str> = text.split_whitespace().collect();
                Data::Text(format!("{{{{ __vault('{}') }}}}", lines.join(" ")))
            }
            Some(tag) if tag.ends_with("str") || tag == "!" => text_data(),
            Some(tag) if tag.ends_with("int") || tag.ends_with("float") || tag.ends_with("bool") => plain(text),
            Some(tag) if tag.ends_with("null") => Data::Null,
            Some(tag) if tag.starts_with('!') && !tag.starts_with("!!") => {
                return Err(Fault { at: at.clone(), message: "this tag means nothing in a playbook".into() });
            }
            _ if style == ScalarStyle::Plain => plain(text),
            _ => text_data(),
        })
    }
}

/// A plain scalar as YAML 1.1 reads it.
fn plain(text: &str) -> Data {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Data::Null,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => return Data::Bool(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => return Data::Bool(false),
        _ => {}
    }
    match number(text) {
        Some(number) => Data::Number(number),
        None => Data::Text(text.to_owned()),
    }
}

fn number(text: &str) -> Option<Number> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let clean = digits.replace('_', "");
    let whole = if let Some(hex) = clean.strip_prefix("0x") {
        i128::from_str_radix(hex, 16).ok()
    } else if let Some(bits) = clean.strip_prefix("0b") {
        i128::from_str_radix(bits, 2).ok()
    } else if clean.len() > 1 && clean.starts_with('0') && clean.chars().all(|c| c.is_ascii_digit()) {
        // `0644` is octal; `0899` is text.
        return i64::from_str_radix(&clean, 8).ok().map(|n| Number::from(if negative { -n } else { n }));
    } else if clean.chars().all(|c| c.is_ascii_digit()) {
        clean.parse::<i128>().ok()
    } else {
        None
    };
    if let Some(whole) = whole {
        // What no number can hold stays text, digit by digit.
        let whole = if negative { -whole } else { whole };
        let small = i64::try_from(whole).ok().map(Number::from);
        return small.or_else(|| u64::try_from(whole).ok().map(Number::from));
    }
    let float = clean.contains('.')
        && clean.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'))
        && clean.chars().any(|c| c.is_ascii_digit());
    if !float {
        return None;
    }
    let value: f64 = clean.parse().ok()?;
    Number::from_f64(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn read(text: &str) -> Value {
        parse(text, "t.yml").unwrap().unwrap().to_json()
    }

    #[test]
    fn scalars_mean_what_they_mean_in_playbooks() {
        assert_eq!(
            read("[yes, Off, 0644, '0644', 1_000, 0x1f, 1.5, 0899, 12:30, ~, y, 1e3, -3, !!str 5, \"yes\", 1.2.3]"),
            json!([
                true, false, 420, "0644", 1000, 31, 1.5, "0899", "12:30", null, "y", "1e3", -3, "5", "yes", "1.2.3"
            ])
        );
    }

    #[test]
    fn whole_numbers_are_never_rounded() {
        assert_eq!(
            read(
                "[9223372036854775808, -9223372036854775808, 0xffffffffffffffff, 18446744073709551616, -9223372036854775809]"
            ),
            json!([9_223_372_036_854_775_808_u64, i64::MIN, u64::MAX, "18446744073709551616", "-9223372036854775809"])
        );
    }

    #[test]
    fn tabs_before_the_further_lines_of_quoted_text_are_blanks() {
        assert_eq!(
            read("a:\n  b: \"one\n\ttwo\n \tthree\"\n  c: 'x\n\ty'\n"),
            json!({"a": {"b": "one two three", "c": "x y"}})
        );
        assert!(parse("a:\n\tb: 1\n", "t.yml").is_err());
        let fault = parse("a: \"x\n\ty\"\nb: [", "t.yml").unwrap_err();
        assert!(fault.at.line >= 3, "{fault}");
    }

    #[test]
    fn a_key_that_stands_twice_in_a_file_is_told_with_its_place() {
        let (nodes, doubles) = documents("a: 1\nb: {c: 1, c: 2}\na: 3\n", "t.yml", 1).unwrap();
        assert_eq!(nodes[0].as_ref().unwrap().to_json(), json!({"b": {"c": 2}, "a": 3}));
        let told: Vec<String> = doubles.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            ["t.yml:2:11: Found duplicate mapping key 'c'.", "t.yml:3:1: Found duplicate mapping key 'a'."]
        );
    }

    #[test]
    fn merge_keys_and_aliases_are_followed() {
        assert_eq!(
            read("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: [*a]"),
            json!({"a": {"x": 1, "y": 2}, "b": {"y": 3, "x": 1}, "c": [{"x": 1, "y": 2}]})
        );
    }

    #[test]
    fn a_fault_names_its_place_and_not_the_text_around_it() {
        let fault = parse("a: 1\nsecret: [hunter2\nb: 2", "t.yml").unwrap_err();
        assert!(fault.to_string().starts_with("t.yml:"), "{fault}");
        assert!(!fault.to_string().contains("hunter2"));
        let fault = parse("x: {{ y }}", "t.yml").unwrap_err();
        assert!(fault.message.contains("not quoted"), "{fault}");
    }

    #[test]
    fn a_bomb_of_aliases_is_refused() {
        let mut text = String::from("a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n");
        for i in 1..9 {
            let item = format!("*a{},", i - 1).repeat(10);
            writeln!(text, "a{i}: &a{i} [{item}]").unwrap();
        }
        assert!(parse(&text, "t.yml").unwrap_err().message.contains("more than"));
        assert!(parse(&"[".repeat(100_000), "t.yml").is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[ -~\n\t]{0,200}") {
            let _ = parse(&text, "t.yml");
        }

        #[test]
        fn no_structure_makes_it_panic(text in "([-:?,\\[\\]{}#&*!|>'\"%@` \n]|[a-c]){0,80}") {
            let _ = parse(&text, "t.yml");
        }
    }
}
