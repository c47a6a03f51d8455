//! YAML as a tree in which every node knows where it stands, so that all faults can be named at once.
//!
//! Scalars keep the text as written: `password: 007` is a password. Errors never quote the file, because the next
//! line may hold a password.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::{Location, Spanned, options::DuplicateKeyPolicy};

use super::rules::Fault;

/// The largest file that is read.
pub const MAX_BYTES: usize = 8 * 1024 * 1024;

/// A node and where it is used.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub value: Value,
    pub line: u64,
    pub column: u64,
}

/// What a node holds.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// Nothing: `~`, `null`, or no text at all.
    Null,
    /// Any other scalar, as written.
    Text(String),
    Seq(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

/// Reads one document.
pub(super) fn parse(text: &str) -> Result<Node, Fault> {
    if MAX_BYTES < text.len() {
        return Err(Fault::whole(format!("the file is larger than {} MiB; split it", MAX_BYTES / 1024 / 1024)));
    }
    let options = serde_saphyr::options! {
        with_snippet: false,
        reject_unsupported_tags: true,
        duplicate_keys: DuplicateKeyPolicy::Error,
        emit_comments: false,
        budget: serde_saphyr::budget! {
            max_reader_input_bytes: Some(MAX_BYTES),
            max_events: 2_000_000,
            max_nodes: 1_000_000,
            max_aliases: 60_000,
            max_anchors: 1_000,
            max_recorded_anchor_events: 100_000,
            max_recorded_anchor_bytes: 4 * 1024 * 1024,
            max_depth: 16,
            flow_nesting_limit: 16,
            max_documents: 1,
            max_merge_keys: 30_000,
            max_total_scalar_bytes: MAX_BYTES,
            // The absolute limits below are the guard; one anchor that 10,000 machines merge is honest.
            enforce_alias_anchor_ratio: false,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 1_000_000,
            max_replay_stack_depth: 8,
        },
    };
    let tree: Spanned<Raw> = serde_saphyr::from_str_with_options(text, options).map_err(|error| fault_of(&error))?;
    Ok(node_of(tree, text))
}

fn fault_of(error: &serde_saphyr::Error) -> Fault {
    let (line, column) = error.location().map_or((None, None), |at| (Some(at.line()), Some(at.column())));
    Fault { pointer: String::new(), line, column, detail: sentence(error) }
}

fn sentence(error: &serde_saphyr::Error) -> String {
    use serde_saphyr::Error as E;
    match error {
        E::AliasError { error, .. } => sentence(error),
        E::Eof { .. } => "the file ends too early".into(),
        E::MultipleDocuments { .. } => "the file holds more than one document; keep one".into(),
        E::DuplicateMappingKey { .. } => "this key stands twice in the same mapping".into(),
        E::UnknownAnchor { .. } => "this alias names an anchor that is not defined above it".into(),
        E::MergeValueNotMapOrSeqOfMaps { .. } => "`<<` merges a mapping or a list of mappings".into(),
        E::Budget { .. } => "the file is too deep, too long, or repeats itself too often".into(),
        E::AliasReplayCounterOverflow { .. }
        | E::AliasReplayLimitExceeded { .. }
        | E::AliasExpansionLimitExceeded { .. }
        | E::AliasReplayStackDepthExceeded { .. } => "aliases make the file grow beyond every measure".into(),
        E::RecursiveReferencesRequireWeakTypes { .. } => "an anchor contains itself".into(),
        E::InvalidBinaryBase64 { .. } | E::BinaryNotUtf8 { .. } => "`!!binary` is not understood here".into(),
        E::Message { msg, .. } => format!("not YAML: {}", without_quotes(msg)),
        _ => "not the YAML that is expected here".into(),
    }
}

/// A parser's sentence without anything it quotes from the file beyond a sign or two.
fn without_quotes(message: &str) -> String {
    let mut out = String::new();
    let mut rest = message;
    while let Some(start) = rest.find(['`', '"', '\'']) {
        let quote = rest[start..].chars().next().unwrap_or('"');
        let (before, inside) = (&rest[..start], &rest[start + 1..]);
        let Some(end) = inside.find(quote) else { break };
        let quoted = &inside[..end];
        out.push_str(before);
        out.push(quote);
        out.push_str(if quoted.chars().count() <= 3 { quoted } else { "…" });
        out.push(quote);
        rest = &inside[end + 1..];
    }
    // An opening quote without its end: what follows may be the file's.
    out.push_str(&rest[..rest.find(['`', '"', '\'']).unwrap_or(rest.len())]);
    out.chars().filter(|c| !c.is_control()).take(160).collect()
}

/// The tree as serde sees it.
#[derive(Debug)]
enum Raw {
    Null,
    Text(String),
    /// A scalar that YAML takes for a number or a truth value; its text is in the file.
    Other(String),
    Seq(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<Raw>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a scalar, a list or a mapping")
    }
    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }
    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Other(value.to_string()))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Other(value.to_string()))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Other(value.to_string()))
    }
    fn visit_i128<E>(self, value: i128) -> Result<Raw, E> {
        Ok(Raw::Other(value.to_string()))
    }
    fn visit_u128<E>(self, value: u128) -> Result<Raw, E> {
        Ok(Raw::Other(value.to_string()))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Other(value.to_string()))
    }
    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }
    fn visit_string<E>(self, value: String) -> Result<Raw, E> {
        Ok(Raw::Text(value))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Raw::Seq(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Raw::Map(pairs))
    }
}

fn node_of(tree: Spanned<Raw>, text: &str) -> Node {
    let value = match tree.value {
        Raw::Null => Value::Null,
        Raw::Text(value) => Value::Text(value),
        Raw::Other(value) => Value::Text(as_written(tree.defined, text).unwrap_or(value)),
        Raw::Seq(items) => Value::Seq(items.into_iter().map(|item| node_of(item, text)).collect()),
        Raw::Map(pairs) => {
            Value::Map(pairs.into_iter().map(|(key, value)| (node_of(key, text), node_of(value, text))).collect())
        }
    };
    Node { value, line: tree.referenced.line(), column: tree.referenced.column() }
}

/// The text of a plain scalar, found again in the file.
fn as_written(at: Location, text: &str) -> Option<String> {
    let start = usize::try_from(at.span().byte_offset()?).ok()?;
    let length = usize::try_from(at.span().byte_len()?).ok()?;
    let written = text.get(start..start.checked_add(length)?)?.trim();
    (!written.is_empty()).then(|| written.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_at<'a>(node: &'a Node, key: &str) -> &'a str {
        let Value::Map(pairs) = &node.value else { panic!("no map") };
        let found = pairs.iter().find(|(name, _)| matches!(&name.value, Value::Text(text) if text == key));
        match &found.unwrap().1.value {
            Value::Text(text) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn scalars_keep_the_text_as_written() {
        let node = parse("a: 007\nb: 1e5\nc: yes\nd: \"0x10\"\ne: 0x10\nf: 1.50\ng: &g 0100\nh: *g\n").unwrap();
        for (key, text) in
            [("a", "007"), ("b", "1e5"), ("c", "yes"), ("d", "0x10"), ("e", "0x10"), ("f", "1.50"), ("h", "0100")]
        {
            assert_eq!(text_at(&node, key), text, "{key}");
        }
    }

    #[test]
    fn merge_keys_and_anchors_are_followed() {
        let node = parse("base: &b {user: root, port: 22}\nm:\n  <<: *b\n  port: 2222\n").unwrap();
        let Value::Map(pairs) = &node.value else { panic!() };
        assert_eq!(text_at(&pairs[1].1, "user"), "root");
        assert_eq!(text_at(&pairs[1].1, "port"), "2222");
    }

    #[test]
    fn a_bomb_is_refused() {
        let tenfold =
            |(this, last): (char, char)| format!("{this}: &{this} [{}]\n", vec![format!("*{last}"); 10].join(","));
        let first = "a: &a [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        let text: String = std::iter::once(first).chain(('b'..='i').zip('a'..='h').map(tenfold)).collect();
        assert!(parse(&text).is_err());
        let deep = "[".repeat(100_000);
        assert!(parse(&deep).is_err());
        assert!(parse(&"- ".repeat(100_000)).is_err());
        assert!(parse("a: &a [*a]").is_err());
        assert!(parse("--- a\n--- b\n").is_err());
        assert!(parse("a: !evil x").is_err());
        assert!(parse("a: 1\na: 2").is_err());
        assert!(parse(&"a".repeat(MAX_BYTES + 1)).unwrap_err().detail.contains("8 MiB"));
    }

    #[test]
    fn what_a_parser_quotes_is_left_out() {
        assert_eq!(without_quotes("expected ',' or ']' near 'hunter2'"), "expected ',' or ']' near '…'");
        assert_eq!(without_quotes("odd 'hunter2 without end"), "odd ");
    }
}
