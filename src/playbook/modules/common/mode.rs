//! File modes as people write them.

use serde_json::Value;

/// An octal mode without leading zeros, or a symbolic mode that the host resolves; `None` for null and `preserve`-less absence.
pub fn parse(value: &Value) -> Result<Option<String>, String> {
    match value {
        Value::Null => Ok(None),
        Value::Number(n) => match n.as_u64() {
            Some(bits) if bits <= 0o7777 => Ok(Some(format!("{bits:o}"))),
            _ => Err(format!("mode {n} is no file mode; write it in quotes, as `\"0644\"`")),
        },
        Value::String(text) => one(text.trim()).map(Some),
        other => Err(format!("mode {other} is no file mode; write it in quotes, as `\"0644\"`")),
    }
}

fn one(text: &str) -> Result<String, String> {
    let octal = text.strip_prefix("0o").unwrap_or(text);
    if !octal.is_empty() && octal.len() <= 5 && octal.bytes().all(|b| matches!(b, b'0'..=b'7')) {
        let short = octal.trim_start_matches('0');
        if short.len() <= 4 {
            return Ok(if short.is_empty() { "0".to_owned() } else { short.to_owned() });
        }
    }
    if !text.is_empty() && text.split(',').all(is_clause) {
        return Ok(text.to_owned());
    }
    Err(format!("`{}` is no file mode; write `\"0644\"` or `u=rw,g=r`", text.escape_debug()))
}

fn is_clause(clause: &str) -> bool {
    let ops = clause.trim_start_matches(['u', 'g', 'o', 'a']);
    ops.starts_with(['+', '-', '='])
        && ops[1..]
            .split(['+', '-', '='])
            .all(|perms| perms.chars().all(|c| "rwxXst".contains(c)) || matches!(perms, "u" | "g" | "o"))
}

#[cfg(test)]
mod tests {
    use super::parse;
    use serde_json::json;

    #[test]
    fn modes_of_every_spelling() {
        for (given, meant) in [
            (json!("0644"), "644"),
            (json!(420), "644"),
            (json!("2775"), "2775"),
            (json!("0"), "0"),
            (json!("0o750"), "750"),
            (json!("u=rwX,g-w,o="), "u=rwX,g-w,o="),
            (json!("+x"), "+x"),
        ] {
            assert_eq!(parse(&given).unwrap().unwrap(), meant, "{given}");
        }
        for bad in [json!("888"), json!("rwx"), json!(-1), json!(99999), json!("u=rw;id"), json!(""), json!(["x"])] {
            assert!(parse(&bad).is_err(), "{bad}");
        }
    }
}
