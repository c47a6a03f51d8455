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

/// The bits that a mode, parsed before, makes of `now`.
pub fn bits(spec: &str, now: u64, folder: bool) -> u64 {
    if let Ok(bits) = u64::from_str_radix(spec, 8) {
        return bits;
    }
    let mut mode = now;
    for clause in spec.split(',') {
        let ops = clause.trim_start_matches(['u', 'g', 'o', 'a']);
        let who = &clause[..clause.len() - ops.len()];
        let all = who.is_empty() || who.contains('a');
        let mut rest = ops;
        while let Some(op) = rest.chars().next() {
            let end = rest[1..].find(['+', '-', '=']).map_or(rest.len(), |at| at + 1);
            let perms = &rest[1..end];
            for (letter, shift) in [('u', 6), ('g', 3), ('o', 0)] {
                if !all && !who.contains(letter) {
                    continue;
                }
                let mut three = match perms {
                    "u" => now >> 6 & 7,
                    "g" => now >> 3 & 7,
                    "o" => now & 7,
                    _ => 0,
                };
                if !matches!(perms, "u" | "g" | "o") {
                    let x = perms.contains('x') || perms.contains('X') && (folder || now & 0o111 != 0);
                    three = u64::from(perms.contains('r')) << 2 | u64::from(perms.contains('w')) << 1 | u64::from(x);
                }
                let (special, mark) = match letter {
                    'u' => (0o4000, 's'),
                    'g' => (0o2000, 's'),
                    _ => (0o1000, 't'),
                };
                let set = three << shift
                    | if perms.contains(mark) && !matches!(perms, "u" | "g" | "o") { special } else { 0 };
                match op {
                    '+' => mode |= set,
                    '-' => mode &= !set,
                    _ => mode = mode & !(7 << shift | special) | set,
                }
            }
            rest = &rest[end..];
        }
    }
    mode
}

#[cfg(test)]
mod tests {
    use super::{bits, parse};
    use serde_json::json;

    #[test]
    fn symbolic_modes_become_bits() {
        for (spec, now, folder, meant) in [
            ("640", 0, false, 0o640),
            ("u=rw,g=r,o=", 0o777, false, 0o640),
            ("a+X", 0o644, false, 0o644),
            ("a+X", 0o644, true, 0o755),
            ("u+s,o-rwx", 0o755, false, 0o4750),
            ("g=u", 0o640, false, 0o660),
            ("+t", 0o777, true, 0o1777),
        ] {
            assert_eq!(bits(spec, now, folder), meant, "{spec}");
        }
    }

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
