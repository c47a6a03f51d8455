//! Lookups that arrange what they are given.

use serde_json::{Value, json};

use super::{Ask, Found, Lookup, lookup_of, wrong};
use crate::playbook::modules::convert;

/// Items of a list that a lookup makes.
const MOST: usize = 100_000;

pub(super) static TABLE: &[Lookup] = &[
    lookup_of("dict", &[], |ask| {
        let mut found = Vec::new();
        for term in &ask.terms {
            let Value::Object(map) = term else {
                let (text, kind) = (convert::text_of(term), crate::playbook::template::kind(term));
                return Err(wrong(format!(
                    "the 'dict' lookup plugin expects a dictionary, got '{text}' of type {kind}"
                )));
            };
            found.extend(map.iter().map(|(key, value)| json!({"key": key, "value": value})));
        }
        Ok(found)
    }),
    lookup_of("flattened", &[], |ask| {
        let mut found = Vec::new();
        deep(&ask.terms, &mut found);
        Ok(found)
    }),
    lookup_of("indexed_items", &[], |ask| {
        Ok(once(&ask.terms).into_iter().enumerate().map(|(i, item)| json!([i, item])).collect())
    }),
    lookup_of("items", &[], |ask| Ok(once(&ask.terms))),
    lookup_of("list", &[], |ask| Ok(ask.terms.clone())),
    lookup_of("nested", &[], nested),
    lookup_of("cartesian", &[], nested),
    lookup_of("random_choice", &[], |ask| {
        if ask.terms.is_empty() {
            return Ok(Vec::new());
        }
        Ok(vec![ask.terms[rand::random_range(0..ask.terms.len())].clone()])
    }),
    lookup_of("sequence", &["start", "end", "count", "stride", "format"], |ask| {
        let mut found = Vec::new();
        if ask.terms.is_empty() && !ask.options.is_empty() {
            found = Sequence::default().with_options(ask)?.made()?;
        }
        for term in ask.texts() {
            found.extend(Sequence::default().with_options(ask)?.read(&term)?.made()?);
        }
        Ok(found)
    }),
    lookup_of("subelements", &["skip_missing"], subelements),
    lookup_of("together", &[], |ask| {
        if ask.terms.is_empty() {
            return Err(wrong("with_together requires at least one element in each list"));
        }
        let lists: Vec<Vec<Value>> = ask.terms.iter().map(list_of).collect();
        let len = lists.iter().map(Vec::len).max().unwrap_or(0);
        let row = |i: usize| lists.iter().map(|list| list.get(i).cloned().unwrap_or_default()).collect::<Vec<_>>();
        Ok((0..len).map(|i| Value::Array(once(&row(i)))).collect())
    }),
];

fn list_of(term: &Value) -> Vec<Value> {
    if let Value::Array(items) = term { items.clone() } else { vec![term.clone()] }
}

/// Lists among the items opened, once.
fn once(items: &[Value]) -> Vec<Value> {
    items.iter().flat_map(list_of).collect()
}

fn deep(items: &[Value], found: &mut Vec<Value>) {
    for item in items {
        match item {
            Value::Array(inner) => deep(inner, found),
            Value::Null => {}
            other => found.push(other.clone()),
        }
    }
}

fn nested(ask: &Ask<'_>) -> Found {
    let mut lists = ask.terms.iter().map(list_of);
    let Some(first) = lists.next() else {
        return Err(wrong("with_nested requires at least one element in the nested list"));
    };
    let mut rows: Vec<Vec<Value>> = first.into_iter().map(|item| once(&[item])).collect();
    for list in lists {
        if rows.len().saturating_mul(list.len()) > MOST {
            return Err(wrong(format!("a nested loop of more than {MOST} rounds")));
        }
        rows = rows
            .iter()
            .flat_map(|row| {
                list.iter().map(move |item| row.iter().cloned().chain(once(std::slice::from_ref(item))).collect())
            })
            .collect();
    }
    Ok(rows.into_iter().map(Value::Array).collect())
}

fn subelements(ask: &Ask<'_>) -> Found {
    let usage = |why: &str| wrong(format!("subelements lookup expects a list of two or three items, {why}"));
    if !(2..=3).contains(&ask.terms.len()) {
        return Err(usage("the list or mapping, the path, and perhaps flags"));
    }
    let first_second = "first a dict or a list, second a string pointing to the subkey";
    let (Some(all @ (Value::Array(_) | Value::Object(_))), Some(Value::String(path))) =
        (ask.terms.first(), ask.terms.get(1))
    else {
        return Err(usage(first_second));
    };
    let known = |flags: &Value| flags.as_object().is_some_and(|flags| flags.keys().all(|name| name == "skip_missing"));
    if ask.terms.get(2).is_some_and(|flags| !known(flags)) {
        return Err(usage("the optional third item must be a dict with flags ('skip_missing',)"));
    }
    let flag = ask.terms.get(2).and_then(|flags| flags.get("skip_missing")).or_else(|| ask.option("skip_missing"));
    let skip_missing = flag.and_then(convert::bool_of).unwrap_or(false);
    let skipped = |item: &Value| item.get("skipped").is_some_and(|skipped| *skipped != Value::Bool(false));
    let items: Vec<&Value> = match all {
        Value::Object(_) if skipped(all) => return Ok(Vec::new()),
        Value::Object(map) => map.values().collect(),
        Value::Array(items) => items.iter().collect(),
        _ => return Err(usage(first_second)),
    };
    let mut found = Vec::new();
    for item in items {
        if !item.is_object() {
            return Err(wrong(format!("`subelements` expects dictionaries, and `{}` is none", convert::text_of(item))));
        }
        if skipped(item) {
            continue;
        }
        let mut item = item.clone();
        match taken(&mut item, path) {
            Ok(Value::Array(elements)) => found.extend(elements.iter().map(|one| json!([item, one]))),
            Ok(other) => {
                let text = convert::text_of(&other);
                return Err(wrong(format!("the key {path} should point to a list, got '{text}'")));
            }
            Err(_) if skip_missing => {}
            Err(message) => return Err(wrong(message)),
        }
    }
    Ok(found)
}

/// Takes what `path` names out of an item, which is left without it.
fn taken(item: &mut Value, path: &str) -> Result<Value, String> {
    let missing =
        |key: &str, inner: &Value| format!("could not find '{key}' key in iterated item '{}'", convert::text_of(inner));
    let (before, last) = path.rsplit_once('.').map_or((None, path), |(before, last)| (Some(before), last));
    let mut inner = item;
    for key in before.into_iter().flat_map(|before| before.split('.')) {
        let text = missing(key, inner);
        inner = inner.get_mut(key).ok_or(text)?;
        if !inner.is_object() {
            return Err(format!("the key {key} should point to a dictionary, got '{}'", convert::text_of(inner)));
        }
    }
    let text = missing(last, inner);
    inner.as_object_mut().and_then(|map| map.shift_remove(last)).ok_or(text)
}

/// Numbers in a row.
struct Sequence {
    start: i64,
    end: Option<i64>,
    count: Option<i64>,
    stride: i64,
    format: String,
}

impl Default for Sequence {
    fn default() -> Self {
        Self { start: 1, end: None, count: None, stride: 1, format: "%d".into() }
    }
}

fn number(text: &str) -> Result<i64, super::Fault> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let parsed = match digits.get(..2) {
        Some("0x" | "0X") => i64::from_str_radix(&digits[2..], 16),
        _ if digits.len() > 1 && digits.starts_with('0') => i64::from_str_radix(digits.trim_start_matches("0o"), 8),
        _ => digits.parse(),
    };
    let number = parsed.map_err(|_| wrong(format!("a number of the sequence has an invalid value: `{text}`")))?;
    Ok(if negative { -number } else { number })
}

impl Sequence {
    fn with_options(mut self, ask: &Ask<'_>) -> Result<Self, super::Fault> {
        for (name, value) in &ask.options {
            self.set(name, &convert::text_of(value))?;
        }
        Ok(self)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), super::Fault> {
        match name {
            "start" => self.start = number(value)?,
            "end" => self.end = Some(number(value)?),
            "count" => self.count = Some(number(value)?),
            "stride" => self.stride = number(value)?,
            "format" => value.clone_into(&mut self.format),
            other => return Err(wrong(format!("unrecognized arguments to with_sequence: {other}"))),
        }
        Ok(())
    }

    /// `[start-]end[/stride][:format]`, or words `name=value`.
    fn read(mut self, text: &str) -> Result<Self, super::Fault> {
        let (range, format) = text.split_once(':').map_or((text, None), |(range, format)| (range, Some(format)));
        let (range, stride) = range.split_once('/').map_or((range, None), |(range, stride)| (range, Some(stride)));
        let (start, end) = range.split_once('-').map_or((None, range), |(start, end)| (Some(start), end));
        let digits = |text: &str| {
            let text = text.trim_start_matches("0x").trim_start_matches("0X");
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        if digits(end) && start.is_none_or(digits) && stride.is_none_or(digits) && !text.contains('=') {
            for (name, value) in [("start", start), ("end", Some(end)), ("stride", stride), ("format", format)] {
                if let Some(value) = value {
                    self.set(name, value)?;
                }
            }
            return Ok(self);
        }
        for word in text.split_whitespace() {
            let (name, value) = word
                .split_once('=')
                .ok_or_else(|| wrong(format!("`{word}` means nothing in a sequence; write `start=1 end=5`")))?;
            self.set(name, value.trim_matches(['"', '\'']))?;
        }
        Ok(self)
    }

    fn made(self) -> Found {
        let end = match (self.end, self.count) {
            (None, None) => return Err(wrong("must specify count or end in with_sequence")),
            (Some(_), Some(_)) => return Err(wrong("can't specify both count and end in with_sequence")),
            (_, Some(0)) => return Ok(Vec::new()),
            (_, Some(count)) => self.start.saturating_add(count.saturating_mul(self.stride)).saturating_sub(1),
            (Some(end), _) => end,
        };
        match self.stride {
            0 => return Ok(Vec::new()),
            1.. if end < self.start => return Err(wrong("to count backwards make stride negative")),
            ..0 if end > self.start => return Err(wrong("to count forward don't make stride negative")),
            _ => {}
        }
        if self.format.matches('%').count() != 1 {
            return Err(wrong(format!("bad formatting string: {}", self.format)));
        }
        let mut found = Vec::new();
        let mut n = self.start;
        while if self.stride > 0 { n <= end } else { n >= end } {
            if found.len() >= MOST {
                return Err(wrong(format!("a sequence of more than {MOST} numbers")));
            }
            found.push(Value::String(printf(&self.format, n)?));
            n = n.saturating_add(self.stride);
        }
        Ok(found)
    }
}

/// `%d`, `%02d`, `%x`, `%#x` and their like in `format`.
fn printf(format: &str, n: i64) -> Result<String, super::Fault> {
    let wrong_format = || wrong(format!("problem formatting {n} with `{format}`"));
    let (before, rest) = format.split_once('%').ok_or_else(wrong_format)?;
    let flags: String = rest.chars().take_while(|c| "0-+ #".contains(*c)).collect();
    let digits: String = rest[flags.len()..].chars().take_while(char::is_ascii_digit).collect();
    let rest = &rest[flags.len() + digits.len()..];
    let kind = rest.chars().next().ok_or_else(wrong_format)?;
    let after = &rest[kind.len_utf8()..];
    let width = digits.parse::<usize>().unwrap_or(0).min(256);
    let alternate = flags.contains('#');
    let size = n.unsigned_abs();
    let number = match kind {
        'd' | 'i' | 'u' | 's' => size.to_string(),
        'x' => format!("{}{size:x}", if alternate { "0x" } else { "" }),
        'X' => format!("{}{size:X}", if alternate { "0X" } else { "" }),
        'o' => format!("{}{size:o}", if alternate { "0o" } else { "" }),
        #[allow(clippy::cast_precision_loss, reason = "Python's `%f` takes a float as well")]
        'f' => format!("{:.6}", size as f64),
        _ => return Err(wrong_format()),
    };
    let sign = match (n < 0, flags.contains('+'), flags.contains(' ')) {
        (true, ..) => "-",
        (false, true, _) => "+",
        (false, false, true) => " ",
        _ => "",
    };
    let room = width.saturating_sub(number.len() + sign.len());
    Ok(if flags.contains('-') {
        format!("{before}{sign}{number}{}{after}", " ".repeat(room))
    } else if flags.contains('0') {
        format!("{before}{sign}{}{number}{after}", "0".repeat(room))
    } else {
        format!("{before}{}{sign}{number}{after}", " ".repeat(room))
    })
}
