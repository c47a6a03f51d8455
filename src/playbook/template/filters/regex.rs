//! `regex_replace`, `regex_search`, `regex_findall` and their tests, with the meaning of Python's `re`.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use fancy_regex::{Captures, Regex, RegexBuilder};
use minijinja::{
    Error,
    value::{Tuple, Value},
};

use super::super::{
    call::{Call, Entry, bad, entry},
    dump::py_str,
};

pub(in super::super) static TABLE: &[Entry] = &[
    entry(&["regex_escape"], "re_type", |c| match c.str_or(0, "python").as_str() {
        "python" => Ok(escape(&c.text()).into()),
        "posix_basic" => {
            let mark = |c: char| "[].^$*\\".contains(c);
            let text = c.text();
            let letters = text.chars().flat_map(|c| mark(c).then_some('\\').into_iter().chain([c]));
            Ok(letters.collect::<String>().into())
        }
        "posix_extended" => Err(c.fault("Regex type (posix_extended) not yet implemented")),
        other => Err(c.fault(format_args!("Invalid regex type ({other}); there are python and posix_basic"))),
    }),
    entry(&["regex_findall"], "regex multiline ignorecase", findall),
    entry(&["regex_replace"], "pattern replacement ignorecase multiline count mandatory_count", replace),
    entry(&["regex_search"], "regex * **", search),
];

pub(in super::super) static TESTS: &[Entry] = &[
    entry(&["match"], "pattern ignorecase multiline", |c| matches(c, true)),
    entry(&["regex"], "pattern ignorecase multiline match_type", |c| {
        let whole = match c.str_or(3, "search").as_str() {
            "search" => false,
            "match" => true,
            "fullmatch" => {
                let regex = compile(&format!("(?:{})\\Z", c.str_or(0, "")), c.flag(1, false), c.flag(2, false), true)?;
                return regex.is_match(&c.text()).map(Value::from).map_err(|why| c.fault(why));
            }
            other => return Err(c.fault(format_args!("`match_type` is search, match or fullmatch, not `{other}`"))),
        };
        matches(c, whole)
    }),
    entry(&["search"], "pattern ignorecase multiline", |c| matches(c, false)),
];

fn matches(c: &mut Call, from_start: bool) -> Result<Value, Error> {
    let regex = compile(&c.str_or(0, ""), c.flag(1, false), c.flag(2, false), from_start)?;
    regex.is_match(&c.text()).map(Value::from).map_err(|why| c.fault(why))
}

/// Python's `re.escape`.
fn escape(text: &str) -> String {
    let mark = |c: char| "()[]{}?*+-|^$\\.&~# \t\n\r\u{b}\u{c}".contains(c);
    text.chars().flat_map(|c| mark(c).then_some('\\').into_iter().chain([c])).collect()
}

/// What is compiled once and used for each item of a list.
static KNOWN: Mutex<Option<HashMap<String, Regex>>> = Mutex::new(None);

fn compile(pattern: &str, ignorecase: bool, multiline: bool, from_start: bool) -> Result<Regex, Error> {
    let mut source = translate(pattern, multiline);
    if from_start {
        source = format!("\\A(?:{source})");
    }
    if ignorecase {
        source.insert_str(0, "(?i)");
    }
    if multiline {
        source.insert_str(0, "(?m)");
    }
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_default();
    if let Some(regex) = known.get(&source) {
        return Ok(regex.clone());
    }
    let regex = RegexBuilder::new(&source)
        .backtrack_limit(1_000_000)
        .build()
        .map_err(|why| bad(format!("`{pattern}` is no regular expression: {why}")))?;
    if known.len() >= 200 {
        known.clear();
    }
    known.insert(source, regex.clone());
    Ok(regex)
}

/// Python's way of writing expressions in this engine's.
fn translate(pattern: &str, multiline: bool) -> String {
    let mut made = String::with_capacity(pattern.len() + 8);
    let mut letters = pattern.chars().peekable();
    let mut class = false;
    let mut class_empty = false;
    while let Some(c) = letters.next() {
        let first = std::mem::take(&mut class_empty);
        match c {
            '\\' => match letters.next() {
                Some('Z') if !class => made.push_str("\\z"),
                // What needs no escape, and means something else here with one.
                Some(
                    next @ ('<' | '>' | '"' | '\'' | ' ' | '/' | '=' | ',' | ';' | ':' | '!' | '@' | '%' | '_' | '`'),
                ) => {
                    made.push(next);
                }
                Some(next) => made.extend(['\\', next]),
                None => made.push('\\'),
            },
            '[' if !class => {
                class = true;
                made.push('[');
                if letters.next_if_eq(&'^').is_some() {
                    made.push('^');
                }
                class_empty = true;
            }
            // A bracket right after the opening one is a letter of the class.
            ']' if class && first => made.push_str("\\]"),
            ']' if class => {
                class = false;
                made.push(']');
            }
            '[' | '&' | '~' if class => made.extend(['\\', c]),
            '-' if class && letters.peek().is_none_or(|next| matches!(next, ']' | '-')) => made.push_str("\\-"),
            // The end is also before a last line feed.
            '$' if !class && !multiline => made.push_str("(?=\\n?\\z)"),
            '{' if !class && letters.peek() == Some(&',') => made.push_str("{0"),
            c => made.push(c),
        }
    }
    made
}

/// Python's `\1` and `\g<name>` in a replacement.
pub(in crate::playbook) fn expand(template: &str, captures: &Captures<'_, str>) -> String {
    let group = |name: &str| match name.parse::<usize>() {
        Ok(number) => captures.get(number).map_or("", |m| m.as_str()),
        Err(_) => captures.name(name).map_or("", |m| m.as_str()),
    };
    let mut text = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let Some(c) = after.chars().next() else {
            text.push('\\');
            rest = "";
            break;
        };
        if c.is_ascii_digit() {
            let len = after.chars().take(2).take_while(char::is_ascii_digit).count();
            text.push_str(group(&after[..len]));
            rest = &after[len..];
        } else if let Some((name, more)) = after.strip_prefix("g<").and_then(|inner| inner.split_once('>')) {
            text.push_str(group(name));
            rest = more;
        } else {
            match c {
                'n' => text.push('\n'),
                't' => text.push('\t'),
                'r' => text.push('\r'),
                'a' => text.push('\u{7}'),
                'f' => text.push('\u{c}'),
                'v' => text.push('\u{b}'),
                '\\' => text.push('\\'),
                other => {
                    text.push('\\');
                    text.push(other);
                }
            }
            rest = &after[c.len_utf8()..];
        }
    }
    text.push_str(rest);
    text
}

/// Whether a replacement names only groups that there are.
fn groups_exist(template: &str, regex: &Regex) -> Result<(), String> {
    let mut rest = template;
    while let Some(at) = rest.find('\\') {
        let after = &rest[at + 1..];
        let len = after.chars().take(2).take_while(char::is_ascii_digit).count();
        let name = match after.strip_prefix("g<").and_then(|inner| inner.split_once('>')) {
            Some((name, _)) => name,
            None => &after[..len],
        };
        let known = match name.parse::<usize>() {
            Ok(number) => number < regex.captures_len(),
            Err(_) => name.is_empty() || regex.capture_names().flatten().any(|known| known == name),
        };
        if !known {
            return Err(format!("invalid group reference `{name}` in `{template}`"));
        }
        rest = &after[after.chars().next().map_or(0, char::len_utf8)..];
    }
    Ok(())
}

fn replace(c: &mut Call) -> Result<Value, Error> {
    let (pattern, replacement) = (c.str_or(0, ""), c.str_or(1, ""));
    let regex = compile(&pattern, c.flag(2, false), c.flag(3, false), false)?;
    let (count, wanted) = (c.size(4, 0)?, c.size(5, 0)?);
    let text = c.text();
    groups_exist(&replacement, &regex).map_err(|why| c.fault(why))?;
    let mut made = String::new();
    let (mut end, mut done) = (0, 0);
    for captures in regex.captures_iter(text.as_str()) {
        let captures = captures.map_err(|why| c.fault(why))?;
        let Some(whole) = captures.get(0) else { continue };
        made.push_str(&text[end..whole.start()]);
        made.push_str(&expand(&replacement, &captures));
        end = whole.end();
        done += 1;
        if made.len() > super::MOST_TEXT {
            return Err(c.fault("the text becomes too large"));
        }
        if done == count {
            break;
        }
    }
    if wanted != 0 && wanted != done {
        return Err(
            c.fault(format_args!("'{pattern}' should match {wanted} times, but matches {count} times in '{text}'"))
        );
    }
    made.push_str(&text[end..]);
    Ok(made.into())
}

fn search(c: &mut Call) -> Result<Value, Error> {
    let named = |wanted: &str| c.named.iter().any(|(name, value)| name == wanted && value.is_true());
    let (ignorecase, multiline) = (named("ignorecase"), named("multiline"));
    if let Some((other, _)) = c.named.iter().find(|(name, _)| !matches!(name.as_str(), "ignorecase" | "multiline")) {
        return Err(c.fault(format_args!("there is no argument `{other}`")));
    }
    let mut groups = Vec::new();
    for group in c.rest.iter().map(py_str) {
        let name = group
            .strip_prefix('\\')
            .map(|name| name.strip_prefix("g<").and_then(|name| name.strip_suffix('>')).unwrap_or(name).to_owned());
        groups.push(
            name.ok_or_else(|| {
                c.fault(format_args!("Unknown argument `{group}`; groups are `\\\\1` or `\\\\g<name>`"))
            })?,
        );
    }
    let regex = compile(&py_str(c.need(0, "regex")?), ignorecase, multiline, false)?;
    let text = c.text();
    let Some(captures) = regex.captures(text.as_str()).map_err(|why| c.fault(why))? else { return Ok(Value::from(())) };
    if groups.is_empty() {
        return Ok(Value::from(captures.get(0).map_or("", |m| m.as_str())));
    }
    let mut found = Vec::new();
    for name in groups {
        let known = match name.parse::<usize>() {
            Ok(number) => number < captures.len(),
            Err(_) => regex.capture_names().flatten().any(|known| known == name),
        };
        if !known {
            return Err(c.fault(format_args!("no such group `{name}`")));
        }
        let group = match name.parse::<usize>() {
            Ok(number) => captures.get(number),
            Err(_) => captures.name(&name),
        };
        found.push(group.map_or(Value::from(()), |m| Value::from(m.as_str())));
    }
    Ok(found.into())
}

fn findall(c: &mut Call) -> Result<Value, Error> {
    let regex = compile(&py_str(c.need(0, "regex")?), c.flag(2, false), c.flag(1, false), false)?;
    let text = c.text();
    let mut found: Vec<Value> = Vec::new();
    for captures in regex.captures_iter(text.as_str()) {
        let captures = captures.map_err(|why| c.fault(why))?;
        let group = |number: usize| Value::from(captures.get(number).map_or("", |m| m.as_str()));
        found.push(match captures.len() {
            1 => group(0),
            2 => group(1),
            n => Tuple::from((1..n).map(group).collect::<Vec<_>>()).into(),
        });
    }
    Ok(found.into())
}
