//! Local facts: what an administrator put into `facts.d`, as JSON or as INI.

use super::Told;
use serde_json::{Map, Value};

/// The fact `local`, and what to warn of.
pub fn facts(told: &Told) -> (Option<Value>, Vec<String>) {
    if told.said.get("has_facts") != Some(&Value::Bool(true)) {
        return (None, vec![]);
    }
    let mut local = Map::new();
    let mut warnings = vec![];
    let mut names: Vec<(&str, &str, bool)> = told
        .said
        .iter()
        .filter_map(|(key, value)| {
            let (kind, name) = key.split_once(':')?;
            Some((name, value.as_str()?, kind == "bad"))
        })
        .collect();
    names.sort_unstable();
    for (name, text, bad) in names {
        let fact = if bad {
            Err(text.to_owned())
        } else {
            match serde_json::from_str::<Value>(text) {
                Ok(value) => Ok(value),
                Err(_) => ini(text).map_err(|why| format!("{why} - please check content: {name}.fact")),
            }
        };
        let value = fact.unwrap_or_else(|why| {
            warnings.push(why.clone());
            Value::String(why)
        });
        local.insert(name.to_owned(), value);
    }
    (Some(Value::Object(local)), warnings)
}

/// `[section]` with `name = value` lines; names in lower case, `%(name)s` filled in.
fn ini(text: &str) -> Result<Value, String> {
    let wrong = || "error loading facts as JSON or ini".to_owned();
    let mut sections: Map<String, Value> = Map::new();
    let mut section: Option<String> = None;
    let mut last: Option<String> = None;
    if text.trim().is_empty() {
        return Err(wrong());
    }
    for line in text.lines() {
        let bare = line.trim();
        if bare.is_empty() || bare.starts_with(['#', ';']) {
            continue;
        }
        let indented = line.starts_with([' ', '\t']);
        if let Some(name) = bare.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(name, _)| name)
            && !indented
        {
            sections.entry(name).or_insert_with(|| Value::Object(Map::new()));
            section = Some(name.to_owned());
            last = None;
            continue;
        }
        let inside = section.as_ref().and_then(|name| sections.get_mut(name)).and_then(Value::as_object_mut);
        let inside = inside.ok_or_else(wrong)?;
        if let (true, Some(name)) = (indented, &last) {
            if let Some(Value::String(text)) = inside.get_mut(name) {
                text.push('\n');
                text.push_str(bare);
            }
            continue;
        }
        let at = bare.find(['=', ':']).ok_or_else(wrong)?;
        let name = bare[..at].trim().to_lowercase();
        inside.insert(name.clone(), bare[at + 1..].trim().into());
        last = Some(name);
    }
    for values in sections.values_mut().filter_map(Value::as_object_mut) {
        let known = values.clone();
        for value in values.values_mut() {
            if let Value::String(text) = value {
                *text = filled(text, &known)?;
            }
        }
    }
    Ok(Value::Object(sections))
}

/// `%(name)s` and `%%`; any other `%` is wrong.
fn filled(text: &str, known: &Map<String, Value>) -> Result<String, String> {
    let wrong = || "error loading facts as ini".to_owned();
    let mut made = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        made.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            made.push('%');
            rest = after;
            continue;
        }
        let (name, after) = rest.strip_prefix('(').and_then(|inner| inner.split_once(")s")).ok_or_else(wrong)?;
        made.push_str(known.get(&name.to_lowercase()).and_then(Value::as_str).ok_or_else(wrong)?);
        rest = after;
    }
    made.push_str(rest);
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::ini;
    use serde_json::json;

    #[test]
    fn ini_files_are_sections_of_texts() {
        let read = ini("# x\n[General]\nBar = loaded\nmore: a\n  b\npath=%(bar)s/100%%\n[empty]\n").unwrap();
        assert_eq!(read, json!({"General": {"bar": "loaded", "more": "a\nb", "path": "loaded/100%"}, "empty": {}}));
        for bad in ["hello", "a=1", "[s]\nx", "[s]\nx=%(y)s", "[s]\nx=50%", ""] {
            assert!(ini(bad).unwrap_err().starts_with("error loading facts"), "{bad}");
        }
    }
}
