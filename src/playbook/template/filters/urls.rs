//! Addresses of the web.

use minijinja::{
    Error,
    value::{Value, ValueKind},
};

use super::super::{
    call::{Call, Entry, entry},
    dump::py_str,
};

pub(in super::super) static TABLE: &[Entry] = &[
    entry(&["urldecode"], "", |c| Ok(decode(&c.text()).into())),
    entry(&["urlencode"], "", urlencode),
    entry(&["urlsplit"], "query alias", urlsplit),
];

/// Python's `urllib.parse.unquote_plus`.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let raw = text.as_bytes();
    let mut at = 0;
    while at < raw.len() {
        let hex = raw.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        match (raw[at], hex.and_then(|pair| u8::from_str_radix(pair, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                at += 3;
            }
            (b'+', _) => {
                bytes.push(b' ');
                at += 1;
            }
            (byte, _) => {
                bytes.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Python's `urllib.parse.quote`.
fn quote(text: &str, safe: &str, plus: bool) -> String {
    let mut made = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-' | b'~' => made.push(char::from(byte)),
            b' ' if plus => made.push('+'),
            byte if safe.as_bytes().contains(&byte) => made.push(char::from(byte)),
            byte => made.extend(format!("%{byte:02X}").chars()),
        }
    }
    made
}

fn urlencode(c: &mut Call) -> Result<Value, Error> {
    let pairs = match c.value.kind() {
        ValueKind::Map => super::maps::entries(&c.value)?,
        ValueKind::Seq | ValueKind::Iterable => {
            let pair = |item: &Value| Ok::<_, Error>((item.get_item_by_index(0)?, item.get_item_by_index(1)?));
            c.items()?.iter().map(pair).collect::<Result<_, _>>()?
        }
        _ => return Ok(quote(&c.text(), "/", false).into()),
    };
    let words = pairs
        .iter()
        .map(|(key, value)| format!("{}={}", quote(&py_str(key), "", true), quote(&py_str(value), "", true)));
    Ok(words.collect::<Vec<_>>().join("&").into())
}

/// The parts of an address, as Python's `urlsplit` cuts them.
pub(in super::super) struct Parts {
    pub(in super::super) scheme: String,
    pub(in super::super) netloc: String,
    pub(in super::super) path: String,
    query: String,
    fragment: String,
}

impl Parts {
    /// `None`: brackets that do not match.
    pub(in super::super) fn of(text: &str) -> Option<Self> {
        let text: String = text.trim_matches(|c: char| c <= ' ').replace(['\t', '\n', '\r'], "");
        let mut rest = text.as_str();
        let mut scheme = String::new();
        if let Some((head, after)) = rest.split_once(':')
            && head.starts_with(|c: char| c.is_ascii_alphabetic())
            && head.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
        {
            scheme = head.to_ascii_lowercase();
            rest = after;
        }
        let mut netloc = "";
        if let Some(after) = rest.strip_prefix("//") {
            let end = after.find(['/', '?', '#']).unwrap_or(after.len());
            (netloc, rest) = after.split_at(end);
            if netloc.contains('[') != netloc.contains(']') {
                return None;
            }
        }
        let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let own = str::to_owned;
        Some(Self { scheme, netloc: own(netloc), path: own(path), query: own(query), fragment: own(fragment) })
    }
}

fn urlsplit(c: &mut Call) -> Result<Value, Error> {
    let parts = Parts::of(&c.text()).ok_or_else(|| c.fault("Invalid IPv6 URL"))?;
    let none = || Value::from(());
    let (account, place) = match parts.netloc.rsplit_once('@') {
        Some((account, place)) => (Some(account), place),
        None => (None, parts.netloc.as_str()),
    };
    let (user, password) = match account.map(|account| account.split_once(':').unwrap_or((account, ""))) {
        Some((user, password)) => {
            let given = account.is_some_and(|account| account.contains(':'));
            (Value::from(user), if given { Value::from(password) } else { none() })
        }
        None => (none(), none()),
    };
    let (host, port) = match place.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    let host = if host.is_empty() { none() } else { host.to_lowercase().into() };
    let port = match port.filter(|port| !port.is_empty()) {
        Some(port) => Value::from(port.parse::<u16>().map_err(|_| c.fault(format_args!("`{port}` is no port")))?),
        None => none(),
    };
    let all = [
        ("fragment", Value::from(parts.fragment)),
        ("hostname", host),
        ("netloc", Value::from(parts.netloc.as_str())),
        ("password", password),
        ("path", Value::from(parts.path)),
        ("port", port),
        ("query", Value::from(parts.query)),
        ("scheme", Value::from(parts.scheme)),
        ("username", user),
    ];
    match c.str(0).filter(|name| !name.is_empty()) {
        None => Ok(Value::from_pairs(all.map(|(name, value)| (Value::from(name), value)))),
        Some(wanted) => match all.into_iter().find(|(name, _)| *name == wanted) {
            Some((_, value)) => Ok(value),
            None => Err(c.fault(format_args!("urlsplit: unknown URL component: {wanted}"))),
        },
    }
}
