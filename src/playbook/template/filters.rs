//! Filters that Jinja2 lacks and Ansible has, and those that must write values as Python does.

#![allow(clippy::needless_pass_by_value, reason = "minijinja hands filters their arguments by value")]

use std::path::Path;

use base64::Engine as _;
use minijinja::{
    Environment, Error, ErrorKind,
    value::{Kwargs, Rest, Value as Jinja, ValueKind},
};
use serde_json::{Map, Value, json};
use sha2::Digest as _;

use super::dump::{json_text, py_str, yaml_text};
use crate::playbook::{
    modules::convert::bool_of,
    value::{from_jinja, to_jinja},
};

fn bad(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

fn data(value: &Jinja) -> Result<Value, Error> {
    from_jinja(value).ok_or_else(|| ErrorKind::UndefinedError.into())
}

fn defined(value: &Jinja) -> Result<&Jinja, Error> {
    if value.is_undefined() { Err(ErrorKind::UndefinedError.into()) } else { Ok(value) }
}

fn option<T>(options: &Kwargs, name: &'static str) -> Option<T>
where
    T: for<'a> minijinja::value::ArgType<'a, Output = T>,
{
    options.get::<Option<T>>(name).ok().flatten()
}

pub(super) fn add(env: &mut Environment<'static>) {
    text(env);
    numbers(env);
    lists(env);
    mappings(env);
    formats(env);
    env.add_filter("mandatory", |value: Jinja, message: Option<String>, options: Kwargs| {
        if !value.is_undefined() {
            return Ok(value);
        }
        let message = message.or_else(|| option(&options, "msg"));
        Err(bad(message.unwrap_or_else(|| "a mandatory variable is not defined".into())))
    });
    env.add_filter("ternary", |value: Jinja, yes: Jinja, no: Jinja, none: Option<Jinja>| {
        defined(&value)?;
        Ok::<_, Error>(match none {
            Some(none) if value.is_none() => none,
            _ if value.is_true() => yes,
            _ => no,
        })
    });
    env.add_filter("type_debug", |value: Jinja| match value.kind() {
        ValueKind::Undefined => "AnsibleUndefined",
        ValueKind::None => "NoneType",
        ValueKind::Bool => "bool",
        ValueKind::Number if value.is_integer() => "int",
        ValueKind::Number => "float",
        ValueKind::String => "str",
        ValueKind::Map => "dict",
        _ => "list",
    });
    env.add_function("undef", |hint: Option<String>| -> Result<Jinja, Error> {
        Err(Error::new(ErrorKind::UndefinedError, hint.unwrap_or_else(|| "mandatory variable".into())))
    });
}

fn text(env: &mut Environment<'static>) {
    env.add_filter("string", |value: Jinja| Ok::<_, Error>(py_str(defined(&value)?)));
    env.add_filter("quote", |value: Jinja| Ok::<_, Error>(shell_quote(&py_str(defined(&value)?))));
    env.add_filter("b64encode", |value: Jinja| {
        let bytes = value.as_bytes().map_or_else(|| py_str(&value).into_bytes(), <[u8]>::to_vec);
        Ok::<_, Error>(base64::engine::general_purpose::STANDARD.encode(bytes))
    });
    env.add_filter("b64decode", |value: String| {
        let clean: String = value.chars().filter(|c| !c.is_whitespace()).collect();
        let bytes = base64::engine::general_purpose::STANDARD.decode(clean).map_err(|_| bad("this is no base64"))?;
        String::from_utf8(bytes).map_err(|_| bad("what is in this base64 is no text"))
    });
    env.add_filter("basename", |path: String| path.rsplit('/').next().unwrap_or_default().to_owned());
    env.add_filter("dirname", |path: String| match path.rsplit_once('/') {
        Some(("", _)) => "/".to_owned(),
        Some((parent, _)) => parent.trim_end_matches('/').to_owned(),
        None => String::new(),
    });
    env.add_filter("splitext", |path: String| {
        let name_from = path.rfind('/').map_or(0, |at| at + 1);
        match path[name_from..].rfind('.').filter(|at| *at > 0) {
            Some(at) => vec![path[..name_from + at].to_owned(), path[name_from + at..].to_owned()],
            None => vec![path, String::new()],
        }
    });
    env.add_filter("expanduser", |path: String| match path.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => {
            format!("{}{rest}", std::env::var("HOME").unwrap_or_default())
        }
        _ => path,
    });
    env.add_filter("path_join", |value: Jinja| -> Result<String, Error> {
        let mut path = std::path::PathBuf::new();
        if value.as_str().is_some() {
            return Ok(py_str(&value));
        }
        for part in value.try_iter()? {
            path.push(py_str(&part));
        }
        Ok(path.display().to_string())
    });
    env.add_filter("realpath", |path: String| {
        std::fs::canonicalize(Path::new(&path)).map_or(path, |real| real.display().to_string())
    });
    env.add_filter("hash", |value: Jinja, kind: Option<String>| {
        hash(&py_str(&value), kind.as_deref().unwrap_or("sha1"))
    });
    env.add_filter("checksum", |value: Jinja| hash(&py_str(&value), "sha1"));
    env.add_filter("sha1", |value: Jinja| hash(&py_str(&value), "sha1"));
    env.add_filter("password_hash", password_hash);
    env.add_filter("comment", |text: String, style: Option<String>| {
        let mark = match style.as_deref() {
            Some("c" | "cblock") => "//",
            Some("erlang") => "%",
            _ => "#",
        };
        let lines = text.lines().map(|line| format!("{mark} {line}").trim_end().to_owned());
        format!("{mark}\n{}\n{mark}", lines.collect::<Vec<_>>().join("\n"))
    });
    env.add_filter("urldecode", |text: String| {
        url::form_urlencoded::parse(format!("x={}", text.replace('&', "%26")).as_bytes())
            .next()
            .map_or_else(String::new, |(_, value)| value.into_owned())
    });
    env.add_filter("urlencode", |text: String| {
        url::form_urlencoded::byte_serialize(text.as_bytes())
            .collect::<String>()
            .replace('+', "%20")
            .replace("%2F", "/")
    });
    env.add_filter("split", |text: String, by: Option<String>| match by {
        Some(by) => text.split(by.as_str()).map(str::to_owned).collect::<Vec<_>>(),
        None => text.split_whitespace().map(str::to_owned).collect(),
    });
    env.add_filter("splitlines", |text: String| text.lines().map(str::to_owned).collect::<Vec<_>>());
    env.add_filter("to_uuid", |text: String| {
        let space = [0x36, 0x1e, 0x6d, 0x51, 0xfa, 0xec, 0x44, 0x4a, 0x90, 0x79, 0x34, 0x13, 0x86, 0xda, 0x8e, 0x2e];
        let mut sha = sha1_of(&[&space[..], text.as_bytes()].concat());
        sha[6] = (sha[6] & 0x0f) | 0x50;
        sha[8] = (sha[8] & 0x3f) | 0x80;
        let hex = hex(&sha[..16]);
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    });
}

fn numbers(env: &mut Environment<'static>) {
    env.add_filter("bool", |value: Jinja| {
        defined(&value)?;
        let plain = data(&value)?;
        Ok::<_, Error>(bool_of(&plain).unwrap_or(false))
    });
    env.add_filter("int", |value: Jinja, default: Option<i64>, base: Option<u32>, options: Kwargs| {
        defined(&value)?;
        let default = default.or_else(|| option(&options, "default")).unwrap_or(0);
        let base = base.or_else(|| option(&options, "base")).unwrap_or(10);
        Ok::<_, Error>(match data(&value)? {
            Value::Bool(flag) => i64::from(flag),
            Value::Number(n) => n.as_i64().or_else(|| n.as_f64().map(truncate)).unwrap_or(default),
            Value::String(text) => {
                let text = text.trim().replace('_', "");
                let digits = match base {
                    16 => text.strip_prefix("0x").unwrap_or(&text),
                    8 => text.strip_prefix("0o").unwrap_or(&text),
                    2 => text.strip_prefix("0b").unwrap_or(&text),
                    _ => &text,
                };
                let whole = if (2..=36).contains(&base) { i64::from_str_radix(digits, base).ok() } else { None };
                whole.or_else(|| text.parse::<f64>().ok().map(truncate)).unwrap_or(default)
            }
            _ => default,
        })
    });
    env.add_filter("float", |value: Jinja, default: Option<f64>| {
        defined(&value)?;
        Ok::<_, Error>(match data(&value)? {
            Value::Bool(flag) => f64::from(u8::from(flag)),
            Value::Number(n) => n.as_f64().unwrap_or_default(),
            Value::String(text) => text.trim().parse().unwrap_or(default.unwrap_or(0.0)),
            _ => default.unwrap_or(0.0),
        })
    });
    env.add_filter("log", |value: f64, base: Option<f64>| base.map_or_else(|| value.ln(), |base| value.log(base)));
    env.add_filter("pow", |value: f64, power: f64| value.powf(power));
    env.add_filter("root", |value: f64, base: Option<f64>| value.powf(1.0 / base.unwrap_or(2.0)));
}

#[allow(clippy::cast_possible_truncation, reason = "Python's int() cuts as well; `as` saturates")]
fn truncate(number: f64) -> i64 {
    number as i64
}

fn items(value: &Jinja) -> Result<Vec<Jinja>, Error> {
    Ok(defined(value)?.try_iter()?.collect())
}

fn lists(env: &mut Environment<'static>) {
    env.add_filter("join", |value: Jinja, by: Option<Jinja>, options: Kwargs| {
        let by = by.map(|by| py_str(&by)).unwrap_or_default();
        let attribute: Option<String> = option(&options, "attribute");
        let mut parts = Vec::new();
        for item in items(&value)? {
            let item = match &attribute {
                Some(name) => item.get_attr(name)?,
                None => item,
            };
            parts.push(py_str(defined(&item)?));
        }
        Ok::<_, Error>(parts.join(&by))
    });
    env.add_filter("flatten", |value: Jinja, levels: Option<usize>, options: Kwargs| {
        let levels = levels.or_else(|| option(&options, "levels")).unwrap_or(usize::MAX);
        let mut found = Vec::new();
        flatten_into(items(&value)?, levels, &mut found);
        Ok::<_, Error>(found)
    });
    env.add_filter("unique", |value: Jinja| Ok::<_, Error>(unique(items(&value)?)));
    env.add_filter("union", |a: Jinja, b: Jinja| {
        let mut all = items(&a)?;
        all.extend(items(&b)?);
        Ok::<_, Error>(unique(all))
    });
    env.add_filter("intersect", |a: Jinja, b: Jinja| {
        let b = items(&b)?;
        Ok::<_, Error>(unique(items(&a)?.into_iter().filter(|item| b.contains(item)).collect()))
    });
    env.add_filter("difference", |a: Jinja, b: Jinja| {
        let b = items(&b)?;
        Ok::<_, Error>(unique(items(&a)?.into_iter().filter(|item| !b.contains(item)).collect()))
    });
    env.add_filter("symmetric_difference", |a: Jinja, b: Jinja| {
        let (a, b) = (items(&a)?, items(&b)?);
        let left = a.iter().filter(|item| !b.contains(item)).cloned();
        let right = b.iter().filter(|item| !a.contains(item)).cloned();
        Ok::<_, Error>(unique(left.chain(right).collect()))
    });
    env.add_filter("zip", |value: Jinja, others: Rest<Jinja>| {
        let mut all = vec![items(&value)?];
        for other in others.iter() {
            all.push(items(other)?);
        }
        let len = all.iter().map(Vec::len).min().unwrap_or(0);
        Ok::<_, Error>((0..len).map(|i| all.iter().map(|list| list[i].clone()).collect::<Vec<_>>()).collect::<Vec<_>>())
    });
    env.add_filter("product", |value: Jinja, others: Rest<Jinja>| {
        let mut found: Vec<Vec<Jinja>> = items(&value)?.into_iter().map(|item| vec![item]).collect();
        for other in others.iter() {
            let other = items(other)?;
            found = found
                .iter()
                .flat_map(|done| other.iter().map(|item| done.iter().cloned().chain([item.clone()]).collect()))
                .collect();
        }
        Ok::<_, Error>(found)
    });
    env.add_filter("extract", |key: Jinja, from: Jinja, more: Option<Jinja>| {
        let mut found = from.get_item(&key)?;
        if let Some(more) = more {
            let keys = if more.as_str().is_some() { vec![more] } else { items(&more)? };
            for key in keys {
                found = found.get_item(&key)?;
            }
        }
        Ok::<_, Error>(found)
    });
    env.add_filter("subelements", |value: Jinja, path: String, options: Kwargs| {
        let skip = option::<bool>(&options, "skip_missing").unwrap_or(false);
        let mut found = Vec::new();
        for item in items(&value)? {
            let mut inner = item.clone();
            for part in path.split('.') {
                inner = inner.get_attr(part)?;
            }
            if inner.is_undefined() && skip {
                continue;
            }
            for element in items(&inner)? {
                found.push(Jinja::from(vec![item.clone(), element]));
            }
        }
        Ok::<_, Error>(found)
    });
}

fn flatten_into(items: Vec<Jinja>, levels: usize, found: &mut Vec<Jinja>) {
    for item in items {
        match item.kind() {
            ValueKind::Seq | ValueKind::Iterable if levels > 0 => {
                let inner = item.try_iter().map(Iterator::collect).unwrap_or_default();
                flatten_into(inner, levels - 1, found);
            }
            ValueKind::None => {}
            _ => found.push(item),
        }
    }
}

fn unique(all: Vec<Jinja>) -> Vec<Jinja> {
    let mut found: Vec<Jinja> = Vec::new();
    for item in all {
        if !found.contains(&item) {
            found.push(item);
        }
    }
    found
}

fn mappings(env: &mut Environment<'static>) {
    env.add_filter("combine", |value: Jinja, others: Rest<Jinja>, options: Kwargs| {
        let recursive = option::<bool>(&options, "recursive").unwrap_or(false);
        let lists = option::<String>(&options, "list_merge").unwrap_or_else(|| "replace".into());
        let mut made = map_of(&data(&value)?)?;
        for other in others.iter() {
            let other = match data(other)? {
                Value::Array(maps) => maps,
                one => vec![one],
            };
            for other in other {
                merge(&mut made, map_of(&other)?, recursive, &lists);
            }
        }
        Ok::<_, Error>(to_jinja(&Value::Object(made)))
    });
    env.add_filter("dict2items", |value: Jinja, options: Kwargs| {
        let key = option::<String>(&options, "key_name").unwrap_or_else(|| "key".into());
        let val = option::<String>(&options, "value_name").unwrap_or_else(|| "value".into());
        let map = map_of(&data(&value)?)?;
        let items = map.into_iter().map(|(k, v)| json!({key.as_str(): k, val.as_str(): v}));
        Ok::<_, Error>(to_jinja(&items.collect()))
    });
    env.add_filter("items2dict", |value: Jinja, options: Kwargs| {
        let key = option::<String>(&options, "key_name").unwrap_or_else(|| "key".into());
        let val = option::<String>(&options, "value_name").unwrap_or_else(|| "value".into());
        let mut pairs = Vec::new();
        for item in items(&value)? {
            pairs.push((item.get_attr(&key)?, item.get_attr(&val)?));
        }
        Ok::<_, Error>(Jinja::from_pairs(pairs))
    });
}

fn map_of(value: &Value) -> Result<Map<String, Value>, Error> {
    match value {
        Value::Object(map) => Ok(map.clone()),
        Value::String(text) if text.is_empty() => Ok(Map::new()),
        _ => Err(bad("a mapping is expected here")),
    }
}

fn merge(into: &mut Map<String, Value>, from: Map<String, Value>, recursive: bool, lists: &str) {
    for (key, value) in from {
        let value = match (into.get_mut(&key), value) {
            (Some(Value::Object(mine)), Value::Object(theirs)) if recursive => {
                merge(mine, theirs, recursive, lists);
                continue;
            }
            (Some(Value::Array(mine)), Value::Array(theirs)) if lists != "replace" => {
                let fresh = |all: &[Value], more: Vec<Value>| {
                    more.into_iter().filter(|item| !all.contains(item)).collect::<Vec<_>>()
                };
                Value::Array(match lists {
                    "append" => [mine.clone(), theirs].concat(),
                    "prepend" => [theirs, mine.clone()].concat(),
                    "append_rp" => [fresh(&theirs, mine.clone()), theirs].concat(),
                    "prepend_rp" => {
                        let rest = fresh(&theirs, mine.clone());
                        [theirs, rest].concat()
                    }
                    _ => theirs,
                })
            }
            (_, value) => value,
        };
        into.insert(key, value);
    }
}

fn formats(env: &mut Environment<'static>) {
    env.add_filter("to_json", |value: Jinja, options: Kwargs| {
        let indent = option::<usize>(&options, "indent").unwrap_or(0).min(32);
        let sort = option::<bool>(&options, "sort_keys").unwrap_or(false);
        let ascii = option::<bool>(&options, "ensure_ascii").unwrap_or(true);
        Ok::<_, Error>(json_text(&data(&value)?, indent, sort, ascii))
    });
    env.add_filter("to_nice_json", |value: Jinja, options: Kwargs| {
        let indent = option::<usize>(&options, "indent").unwrap_or(4).min(32);
        let sort = option::<bool>(&options, "sort_keys").unwrap_or(true);
        let ascii = option::<bool>(&options, "ensure_ascii").unwrap_or(true);
        Ok::<_, Error>(json_text(&data(&value)?, indent, sort, ascii))
    });
    env.add_filter("tojson", |value: Jinja, indent: Option<usize>| {
        Ok::<_, Error>(json_text(&data(&value)?, indent.unwrap_or(0).min(32), true, true))
    });
    env.add_filter("to_yaml", |value: Jinja, options: Kwargs| {
        let sort = option::<bool>(&options, "sort_keys").unwrap_or(true);
        Ok::<_, Error>(yaml_text(&data(&value)?, false, 2, sort))
    });
    env.add_filter("to_nice_yaml", |value: Jinja, options: Kwargs| {
        let indent = option::<usize>(&options, "indent").unwrap_or(4).min(32);
        let sort = option::<bool>(&options, "sort_keys").unwrap_or(true);
        Ok::<_, Error>(yaml_text(&data(&value)?, true, indent, sort))
    });
    env.add_filter("from_json", |text: String| {
        serde_json::from_str::<Value>(&text)
            .map(|value| to_jinja(&value))
            .map_err(|e| bad(format!("this is no JSON: {e}")))
    });
    env.add_filter("from_yaml", |text: String| {
        let node = crate::playbook::yaml::parse(&text, "text").map_err(|e| bad(format!("this is no YAML: {e}")))?;
        Ok::<_, Error>(node.map_or(Jinja::from(()), |node| to_jinja(&node.to_json())))
    });
}

/// Python's `shlex.quote`.
fn shell_quote(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%_-+=:,./".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\"'\"'"))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn hash(text: &str, kind: &str) -> Result<String, Error> {
    Ok(match kind {
        "sha256" => hex(&sha2::Sha256::digest(text.as_bytes())),
        "sha224" => hex(&sha2::Sha224::digest(text.as_bytes())),
        "sha384" => hex(&sha2::Sha384::digest(text.as_bytes())),
        "sha512" => hex(&sha2::Sha512::digest(text.as_bytes())),
        "sha1" => hex(&sha1_of(text.as_bytes())),
        other => return Err(bad(format!("the hash `{other}` is not known here; take sha256 or sha512"))),
    })
}

/// SHA-1, for checksums that others compare; nothing is secured by it.
#[allow(clippy::many_single_char_names, reason = "the letters of the standard")]
fn sha1_of(bytes: &[u8]) -> [u8; 20] {
    let mut state: [u32; 5] = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0];
    let mut data = bytes.to_vec();
    data.push(0x80);
    while data.len() % 64 != 56 {
        data.push(0);
    }
    data.extend_from_slice(&(bytes.len() as u64 * 8).to_be_bytes());
    for chunk in data.chunks(64) {
        let mut words = [0_u32; 80];
        for (i, word) in chunk.chunks(4).enumerate() {
            words[i] = u32::from_be_bytes([word[0], word[1], word[2], word[3]]);
        }
        for i in 16..80 {
            words[i] = (words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16]).rotate_left(1);
        }
        let [mut a, mut b, mut c, mut d, mut e] = state;
        for (i, word) in words.iter().enumerate() {
            let (f, k) = match i {
                0..20 => ((b & c) | (!b & d), 0x5A82_7999),
                20..40 => (b ^ c ^ d, 0x6ED9_EBA1),
                40..60 => ((b & c) | (b & d) | (c & d), 0x8F1B_BCDC),
                _ => (b ^ c ^ d, 0xCA62_C1D6),
            };
            let next = a.rotate_left(5).wrapping_add(f).wrapping_add(e).wrapping_add(k).wrapping_add(*word);
            (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
        }
        for (part, value) in state.iter_mut().zip([a, b, c, d, e]) {
            *part = part.wrapping_add(value);
        }
    }
    let mut sum = [0; 20];
    for (place, part) in sum.chunks_mut(4).zip(state) {
        place.copy_from_slice(&part.to_be_bytes());
    }
    sum
}

fn password_hash(
    password: Jinja,
    kind: Option<String>,
    salt: Option<String>,
    options: Kwargs,
) -> Result<String, Error> {
    let kind = kind.or_else(|| option(&options, "hashtype")).unwrap_or_else(|| "sha512".into());
    let salt = salt.or_else(|| option(&options, "salt"));
    let rounds = option::<u32>(&options, "rounds");
    let password = py_str(defined(&password)?);
    super::super::crypt::hash(&password, &kind, salt.as_deref(), rounds).map_err(bad)
}
