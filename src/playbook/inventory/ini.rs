//! INI inventories: `[group]`, `[group:children]`, `[group:vars]`, `name key=value`.

use serde_json::Value;

use super::{Inventory, pattern::expand};
use crate::playbook::yaml::{At, Fault};

enum Part {
    Hosts(String),
    Children(String),
    Vars(String),
}

pub(super) fn read(inventory: &mut Inventory, text: &str, name: &str) -> Result<(), Fault> {
    let mut section = Part::Hosts("ungrouped".into());
    for (number, line) in text.lines().enumerate() {
        let fault = |message: &str| Fault {
            at: At { file: name.into(), line: number + 1, column: 1 },
            message: message.to_owned(),
        };
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(rest) = line.strip_prefix('[') {
            let Some((title, _)) = rest.split_once(']') else { return Err(fault("a group's `[` is not closed")) };
            section = match title.trim().split_once(':') {
                None => {
                    inventory.groups.entry(title.trim().to_owned()).or_default();
                    Part::Hosts(title.trim().to_owned())
                }
                Some((group, "children")) => Part::Children(group.trim().to_owned()),
                Some((group, "vars")) => Part::Vars(group.trim().to_owned()),
                Some(_) => return Err(fault("after a group's `:` stands `children` or `vars`")),
            };
            continue;
        }
        match &section {
            Part::Hosts(group) => {
                let split = words(line).ok_or_else(|| fault("a quote is not closed"))?;
                let Some((host, vars)) = split.split_first() else { continue };
                if host.contains([':', '=']) && !host.contains('[') && host.contains('=') {
                    return Err(fault("a host's name comes first"));
                }
                let (pattern, port) = match host.rsplit_once(':') {
                    Some((before, port)) if !before.contains(['[', ':']) && port.parse::<u16>().is_ok() => {
                        (before, Some(port))
                    }
                    _ => (host.as_str(), None),
                };
                for name in expand(pattern) {
                    inventory.add_host(&name, group);
                    let into = inventory.host_vars_mut(&name);
                    if let Some(port) = port.and_then(|port| port.parse::<u16>().ok()) {
                        into.insert("ansible_port".into(), port.into());
                    }
                    for word in vars {
                        let Some((key, value)) = word.split_once('=') else {
                            return Err(fault("after a host's name stand `key=value` pairs"));
                        };
                        into.insert(key.to_owned(), literal(value));
                    }
                }
            }
            Part::Children(group) => {
                let child = line.split(['#', ' ']).next().unwrap_or_default();
                inventory.add_child(group, child);
            }
            Part::Vars(group) => {
                let Some((key, value)) = line.split_once('=') else {
                    return Err(fault("`key=value` is expected here"));
                };
                inventory.group_vars_mut(group).insert(key.trim().to_owned(), literal(value.trim()));
            }
        }
    }
    Ok(())
}

/// A Python literal, or the text itself.
fn literal(text: &str) -> Value {
    match text {
        "True" => return true.into(),
        "False" => return false.into(),
        "None" => return Value::Null,
        _ => {}
    }
    if let Some(inner) = ['"', '\''].iter().find_map(|q| text.strip_prefix(*q)?.strip_suffix(*q)) {
        return inner.into();
    }
    let canonical = !(text.len() > 1 && text.trim_start_matches('-').starts_with('0') && !text.contains('.'));
    if canonical && let Ok(number) = text.parse::<i64>() {
        return number.into();
    }
    if text.contains('.')
        && text.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '-'))
        && let Ok(number) = text.parse::<f64>()
    {
        return number.into();
    }
    if text.starts_with(['[', '{'])
        && let Ok(value) = serde_json::from_str(&text.replace('\'', "\""))
    {
        return value;
    }
    text.into()
}

/// Words as a shell splits them; a `#` begins a comment.
fn words(line: &str) -> Option<Vec<String>> {
    let mut found = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some('"') | None, '\\') => word.get_or_insert_default().extend(chars.next()),
            (None, '"' | '\'') => {
                word.get_or_insert_default();
                quote = Some(c);
            }
            (None, '#') if word.is_none() => break,
            (None, c) if c.is_whitespace() => found.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    found.extend(word);
    quote.is_none().then_some(found)
}
