//! From what a playbook says to what a module takes.

use serde_json::{Map, Value};

use super::{Arg, Args, Kind, Module, kinds};
use crate::playbook::template;

/// What a name must be.
pub const NAME_RULE: &str =
    "A name is letters, digits and underscores, does not begin with a digit and is no keyword of templates.";

/// Words that templates keep to themselves.
const KEYWORDS: &[&str] =
    &["and", "or", "not", "in", "is", "if", "else", "elif", "for", "true", "false", "none", "True", "False", "None"];

/// Whether text can name a variable.
pub fn is_name(text: &str) -> bool {
    text.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !KEYWORDS.contains(&text)
}

/// Arguments as the module declares them: aliases resolved, values converted, defaults filled in. What is wrong is said
/// in Ansible's words and order: what is missing, wrong kinds, wrong values, unknown names.
pub fn convert(module: &Module, given: &Map<String, Value>) -> Result<Args, String> {
    let mut args = Map::new();
    let (mut unknown, mut kinds, mut choices) = (Vec::new(), Vec::new(), Vec::new());
    for (name, value) in given {
        let Ok(arg) = find(module, name) else {
            unknown.push(name.as_str());
            continue;
        };
        if value.is_null() && !matches!(arg.kind, Kind::Raw) && !arg.required {
            continue;
        }
        let key = if arg.name == "*" { name.clone() } else { arg.name.to_owned() };
        match one(arg, value) {
            Ok(value) => {
                choices.extend(outside(arg, &value));
                args.insert(key, value);
            }
            Err(why) => {
                kinds.push(format!(
                    "argument '{key}' is of type {} and we were unable to convert to {}: {why}",
                    template::kind(value),
                    kind_name(arg.kind)
                ));
                args.insert(key, Value::Null);
            }
        }
    }
    let mut missing: Vec<&str> = Vec::new();
    for arg in module.args.iter().filter(|arg| !args.contains_key(arg.name)).collect::<Vec<_>>() {
        if arg.required && arg.name != "*" {
            missing.push(arg.name);
        }
        if let Some(value) = default_of(arg) {
            args.insert(arg.name.to_owned(), value);
        }
    }
    if !missing.is_empty() {
        missing.sort_unstable();
        return Err(format!("missing required arguments: {}", missing.join(", ")));
    }
    if let Some(first) = kinds.into_iter().chain(choices).next() {
        return Err(first);
    }
    if !unknown.is_empty() {
        unknown.sort_unstable();
        let sorted = |mut names: Vec<&str>| {
            names.sort_unstable();
            names.join(", ")
        };
        let names = sorted(module.args.iter().map(|arg| arg.name).collect());
        let aliases = sorted(module.args.iter().flat_map(|arg| arg.aliases.iter().copied()).collect());
        let aliases = if aliases.is_empty() { String::new() } else { format!(" ({aliases})") };
        return Err(format!(
            "Unsupported parameters for ({}) module: {}. Supported parameters include: {names}{aliases}.",
            module.name,
            unknown.join(", ")
        ));
    }
    Ok(Args(args))
}

/// What is wrong with a value that is none of the choices.
fn outside(arg: &Arg, value: &Value) -> Option<String> {
    if arg.choices.is_empty() {
        return None;
    }
    let choices = arg.choices.join(", ");
    if let Some(items) = value.as_array() {
        let others: Vec<String> =
            items.iter().map(text_of).filter(|text| !arg.choices.contains(&text.as_str())).collect();
        return (!others.is_empty()).then(|| {
            format!("value of {} must be one or more of: {choices}. Got no match for: {}", arg.name, others.join(", "))
        });
    }
    let text = text_of(value);
    (!arg.choices.contains(&text.as_str()))
        .then(|| format!("value of {} must be one of: {choices}, got: {text}", arg.name))
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Str | Kind::Mode => "str",
        Kind::Bool => "bool",
        Kind::Int => "int",
        Kind::Path => "path",
        Kind::List => "list",
        Kind::Dict => "dict",
        Kind::Raw => "raw",
    }
}

/// What an argument is when nothing is said.
pub(super) fn default_of(arg: &Arg) -> Option<Value> {
    let default = arg.default?;
    let value: Value = serde_saphyr::from_str(default).unwrap_or_else(|_| Value::String(default.to_owned()));
    one(arg, &value).ok()
}

/// The argument that `name` means, or the sentence that there is none.
pub(in crate::playbook) fn find<'a>(module: &'a Module, name: &str) -> Result<&'a Arg, String> {
    if let Some(arg) = module.args.iter().find(|arg| arg.name == name || arg.aliases.contains(&name)) {
        return Ok(arg);
    }
    // `*` takes any name.
    if let Some(any) = module.args.iter().find(|arg| arg.name == "*") {
        return Ok(any);
    }
    let hint = near(name, module.args.iter().map(|arg| arg.name));
    let hint = hint.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    Err(format!("`{}` has no argument `{name}`{hint}", module.name))
}

fn one(arg: &Arg, value: &Value) -> Result<Value, String> {
    if value.is_null() && !matches!(arg.kind, Kind::Raw) {
        return Err("'None' is not a string and conversion is not allowed".into());
    }
    Ok(match arg.kind {
        Kind::Raw => value.clone(),
        Kind::Str => match value {
            // A choice such as `state: yes` arrives as a bool.
            Value::Bool(flag) if arg.choices.contains(&if *flag { "yes" } else { "no" }) => {
                Value::String(if *flag { "yes" } else { "no" }.to_owned())
            }
            value => Value::String(text_of(value)),
        },
        Kind::Path => match value {
            Value::Array(_) | Value::Object(_) => return Err("must be a path".into()),
            value => Value::String(text_of(value)),
        },
        Kind::Bool => Value::Bool(kinds::truth(value)?),
        Kind::Int => Value::from(kinds::whole(value)?),
        Kind::List => match value {
            Value::Array(items) => Value::Array(items.iter().map(|item| Value::String(text_of(item))).collect()),
            Value::Object(_) => return Err("must be a list".into()),
            value => {
                let text = text_of(value);
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
            }
        },
        Kind::Dict => kinds::mapping(value)?,
        Kind::Mode => match value {
            // YAML read `0644` as the number 420; `644` stays what someone typed by mistake, as in Ansible.
            Value::Number(n) => {
                let n = n.as_u64().filter(|n| *n <= 0o7777).ok_or("is no file mode")?;
                Value::String(format!("0{n:o}"))
            }
            Value::String(text) => Value::String(text.trim().to_owned()),
            _ => return Err("is no file mode".into()),
        },
    })
}

/// A value as the text a person would write for it.
pub(in crate::playbook) fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        value => value.to_string(),
    }
}

/// What Ansible takes for yes or no.
pub(in crate::playbook) fn bool_of(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::Number(n) => match n.as_f64() {
            Some(1.0) => Some(true),
            Some(0.0) => Some(false),
            _ => None,
        },
        Value::String(text) => match text.trim().to_lowercase().as_str() {
            "yes" | "y" | "true" | "t" | "on" | "1" | "1.0" => Some(true),
            "no" | "n" | "false" | "f" | "off" | "0" | "0.0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// The arguments in a line such as `src=a dest="b c"`, and for free-form modules the rest of the line.
pub fn of_free_form(module: &Module, line: &str) -> Result<Map<String, Value>, String> {
    let Some(free) = module.free_form else { return words(line) };
    let mut args = Map::new();
    let mut text = String::new();
    for piece in pieces(line) {
        let known =
            ["creates", "removes", "chdir", "executable", "warn", "stdin", "stdin_add_newline", "strip_empty_ends"];
        match piece.split_once('=') {
            Some((name, value)) if known.contains(&name) && module.args.iter().any(|arg| arg.name == name) => {
                args.insert(name.to_owned(), Value::String(unquote(value.trim())));
            }
            _ => {
                if !text.is_empty() && !text.ends_with('\n') {
                    text.push(' ');
                }
                text.push_str(&piece);
            }
        }
    }
    if !text.trim().is_empty() {
        args.insert(free.to_owned(), Value::String(text));
    }
    Ok(args)
}

/// The words of a command line with the blanks and line ends behind them, as Ansible divides it: at single spaces and
/// at line ends outside quotes and templates. A lone backslash at the end of a line joins it with the next.
fn pieces(line: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut quote = None;
    let mut depths = [0_usize; 3];
    let lines: Vec<&str> = line.split('\n').collect();
    let tail = |found: &mut Vec<String>, more: &str| match found.last_mut() {
        Some(last) => last.push_str(more),
        None => found.push(more.to_owned()),
    };
    for (number, text) in lines.iter().enumerate() {
        let mut joined = false;
        for (place, word) in text.split(' ').enumerate() {
            if word.is_empty() && place > 0 {
                tail(&mut found, " ");
                continue;
            }
            if word == "\\" && quote.is_none() {
                joined = true;
                continue;
            }
            let (was_quoted, was_deep) = (quote.is_some(), depths.iter().any(|depth| *depth > 0));
            quote = quote_after(word, quote);
            if was_quoted || was_deep {
                let blank = if place == 0 { "" } else { " " };
                tail(&mut found, &format!("{blank}{word}"));
            } else if !word.is_empty() {
                found.push(word.to_owned());
            }
            for (depth, (open, close)) in depths.iter_mut().zip([("{{", "}}"), ("{%", "%}"), ("{#", "#}")]) {
                *depth = (*depth + word.matches(open).count()).saturating_sub(word.matches(close).count());
            }
        }
        if number + 1 < lines.len() && !joined {
            tail(&mut found, "\n");
        }
    }
    found
}

/// The quote that is open behind a word.
fn quote_after(word: &str, mut quote: Option<char>) -> Option<char> {
    let mut before = None;
    for c in word.chars() {
        if matches!(c, '"' | '\'') && before != Some('\\') {
            quote = match quote {
                Some(open) if open == c => None,
                None => Some(c),
                open => open,
            };
        }
        before = Some(c);
    }
    quote
}

/// `a=1 b="two words"` as a mapping.
pub fn words(line: &str) -> Result<Map<String, Value>, String> {
    let mut args = Map::new();
    for word in split(line) {
        let word = decoded(&word);
        let (name, value) = word.split_once('=').ok_or_else(|| format!("`{word}` is no `name=value`"))?;
        args.insert(name.trim().to_owned(), Value::String(unquote(value)));
    }
    Ok(args)
}

/// Escapes such as `\n` and `\x41`, which mean something in this form alone.
fn decoded(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    let mut rest = word;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let mut chars = after.chars();
        let plain = match chars.next() {
            Some('n') => Some('\n'),
            Some('t') => Some('\t'),
            Some('r') => Some('\r'),
            Some('a') => Some('\u{7}'),
            Some('b') => Some('\u{8}'),
            Some('f') => Some('\u{c}'),
            Some('v') => Some('\u{b}'),
            Some(c @ ('\\' | '\'' | '"')) => Some(c),
            _ => None,
        };
        let long = match after.chars().next() {
            Some('x') => 2,
            Some('u') => 4,
            Some('U') => 8,
            _ => 0,
        };
        let code = after.get(1..=long).filter(|_| long > 0).and_then(|hex| u32::from_str_radix(hex, 16).ok());
        if let Some(c) = plain {
            out.push(c);
            rest = &after[1..];
        } else if let Some(c) = code.and_then(char::from_u32) {
            out.push(c);
            rest = &after[long + 1..];
        } else {
            out.push('\\');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

/// Words between blanks; quotes hold a word together.
pub(in crate::playbook) fn blanks(line: &str) -> Vec<String> {
    let (mut found, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in line.chars() {
        match (c, quote) {
            (' ', None) => found.push(std::mem::take(&mut word)),
            (c, Some(open)) if c == open => {
                quote = None;
                word.push(c);
            }
            ('\'' | '"', None) => {
                quote = Some(c);
                word.push(c);
            }
            (c, _) => word.push(c),
        }
    }
    found.push(word);
    found
}

/// Splits at blanks outside quotes and outside `{{ }}` and `{% %}`.
fn split(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut depth = 0_usize;
    let chars: Vec<char> = line.chars().collect();
    for (i, &c) in chars.iter().enumerate() {
        let next = chars.get(i + 1).copied();
        let before = i.checked_sub(1).and_then(|i| chars.get(i)).copied();
        match c {
            '{' if matches!(next, Some('{' | '%')) => depth += 1,
            '}' if matches!(before, Some('}' | '%')) => depth = depth.saturating_sub(1),
            _ => {}
        }
        if c.is_whitespace() && quote.is_none() && depth == 0 {
            if !word.is_empty() {
                found.push(std::mem::take(&mut word));
            }
            continue;
        }
        if depth == 0 && matches!(c, '"' | '\'') && before != Some('\\') {
            match quote {
                Some(open) if open == c => quote = None,
                None => quote = Some(c),
                _ => {}
            }
        }
        word.push(c);
    }
    if !word.is_empty() {
        found.push(word);
    }
    found
}

fn unquote(text: &str) -> String {
    for quote in ['"', '\''] {
        if let Some(inner) = text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return inner.replace(&format!("\\{quote}"), &quote.to_string());
        }
    }
    text.to_owned()
}

/// The name nearest to `name`, if it is near enough to be meant.
pub fn near<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (name.chars().count() / 3).max(1);
    known.map(|other| (distance(name, other), other)).filter(|(d, _)| *d <= limit).min().map(|(_, other)| other)
}

/// How many letters must be added, removed, changed or swapped.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let same = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + same);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn given(value: Value) -> Map<String, Value> {
        let Value::Object(map) = value else { panic!("arguments are a mapping") };
        map
    }

    #[test]
    fn the_nearest_name_is_offered_and_a_far_one_is_not() {
        assert_eq!(near("stdni", ["stdin", "cmd"].into_iter()), Some("stdin"));
        assert_eq!(near("zebra", ["stdin", "cmd"].into_iter()), None);
        let error = find(super::super::find("command").unwrap(), "chdri").unwrap_err();
        assert_eq!(error, "`command` has no argument `chdri`; did you mean `chdir`?");
    }

    #[test]
    fn what_is_wrong_with_arguments_is_said_in_ansibles_words_and_order() {
        let said = |name: &str, value: Value| {
            convert(super::super::find(name).unwrap(), &given(value)).map(|args| args.0.len()).unwrap_err()
        };
        assert_eq!(said("file", json!({"x": 1})), "missing required arguments: path");
        assert_eq!(
            said("group", json!({"name": "a", "state": "gone", "x": 1})),
            "value of state must be one of: absent, present, got: gone"
        );
        assert_eq!(
            said("group", json!({"name": "a", "gid": "many"})),
            "argument 'gid' is of type str and we were unable to convert to int: \"'many'\" cannot be converted to an int"
        );
        assert_eq!(
            said("ping", json!({"dta": "x"})),
            "Unsupported parameters for (ping) module: dta. Supported parameters include: data."
        );
    }

    #[test]
    fn a_free_form_line_keeps_its_text_and_gives_up_its_known_arguments() {
        let command = super::super::find("command").unwrap();
        assert_eq!(
            Value::Object(of_free_form(command, "ls -l 'a b' creates={{ x | default('y z') }}").unwrap()),
            json!({"_raw_params": "ls -l 'a b'", "creates": "{{ x | default('y z') }}"})
        );
        assert_eq!(Value::Object(of_free_form(command, "X=1   env").unwrap()), json!({"_raw_params": "X=1   env"}));
        let shell = super::super::find("shell").unwrap();
        let text = "creates={{ a }}/b\nexecutable=\"/bin/ba sh\"\ncat <<END \\\n| tr a b\n  two  x\n'q\n  r'\nEND\n";
        assert_eq!(
            Value::Object(of_free_form(shell, text).unwrap()),
            json!({
                "creates": "{{ a }}/b",
                "executable": "/bin/ba sh",
                "_raw_params": "cat <<END | tr a b\n  two  x\n'q\n  r'\nEND\n"
            })
        );
    }
}
