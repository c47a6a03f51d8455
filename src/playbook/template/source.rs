//! Changes to the text of templates before the engine reads it.
//!
//! In a playbook, a backslash in quotes inside `{{ }}` is a backslash: YAML has read its escapes already. And two of
//! Python's operators that the engine lacks, `text % values` and `moment - moment`, become calls.

use minijinja::{Error, Value, value::ValueKind};

use super::{
    call::{bad, items_of},
    filters::time,
};

/// Doubles the backslashes of quoted text in an expression.
pub(super) fn double_backslashes(expression: &str) -> String {
    if !expression.contains('\\') {
        return expression.to_owned();
    }
    let mut made = String::with_capacity(expression.len() + 8);
    let mut quote = None;
    let mut letters = expression.chars();
    while let Some(c) = letters.next() {
        match (c, quote) {
            ('\\', Some(_)) => {
                // What follows belongs to the text, even a quote.
                made.push_str("\\\\");
                match letters.next() {
                    Some('\\') => made.push_str("\\\\"),
                    Some(next) if Some(next) == quote => {
                        made.push('\\');
                        made.push(next);
                    }
                    Some(next) => made.push(next),
                    None => {}
                }
                continue;
            }
            (c, Some(open)) if c == open => quote = None,
            ('\'' | '"', None) => quote = Some(c),
            _ => {}
        }
        made.push(c);
    }
    made
}

/// Applies `change` to what stands between `{{` and `}}`.
pub(super) fn in_expressions(source: &str, change: fn(&str) -> String) -> String {
    let mut made = String::with_capacity(source.len() + 8);
    let mut rest = source;
    while let Some(at) = rest.find("{{") {
        // What is raw or a comment stays.
        let (before, inner) = (&rest[..at], &rest[at + 2..]);
        if let Some(block) = before.rfind("{% raw").or_else(|| before.rfind("{%- raw"))
            && let Some(end) = rest[block..].find("endraw")
        {
            let end = block + end + "endraw".len();
            made.push_str(&rest[..end]);
            rest = &rest[end..];
            continue;
        }
        let Some(len) = end_of(inner) else { break };
        made.push_str(before);
        made.push_str("{{");
        made.push_str(&change(&inner[..len]));
        made.push_str("}}");
        rest = &inner[len + 2..];
    }
    made + rest
}

/// Where `}}` ends an expression; quotes and braces inside are passed over.
fn end_of(inner: &str) -> Option<usize> {
    let bytes = inner.as_bytes();
    let (mut quote, mut depth, mut at) = (None, 0_usize, 0);
    while at < bytes.len() {
        match (bytes[at], quote) {
            (b'\\', Some(_)) => at += 1,
            (byte, Some(open)) if byte == open => quote = None,
            (byte @ (b'\'' | b'"'), None) => quote = Some(byte),
            (b'{', None) => depth += 1,
            (b'}', None) if depth > 0 => depth -= 1,
            (b'}', None) if bytes.get(at + 1) == Some(&b'}') => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

/// Whether no `}}` ends the expression before its end.
pub(super) fn is_whole(inner: &str) -> bool {
    end_of(&format!("{inner}}}}}")) == Some(inner.len())
}

/// A condition with `{{ }}` in it: what stands there is a part of the expression, in quoted text as well. Nothing is
/// rendered into the condition, so no value can become code.
pub(super) fn without_marks(source: &str) -> String {
    if !source.contains("{{") {
        return source.to_owned();
    }
    let mut made = String::with_capacity(source.len() + 8);
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        if let Some(inner) = rest.strip_prefix("{{") {
            let Some(len) = end_of(inner) else { break };
            made.extend(["(", inner[..len].trim(), ")"]);
            rest = &inner[len + 2..];
        } else if matches!(c, '\'' | '"') {
            let end = quoted(rest, c);
            // The name of a lookup is no template.
            let name = ["lookup(", "query(", "q("].iter().any(|call| made.trim_end().ends_with(call));
            if name {
                made.push_str(&rest[..end]);
            } else {
                made.push_str(&joined(&rest[..end], c));
            }
            rest = &rest[end..];
        } else {
            made.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    made + rest
}

/// The same for an expression of a template, where only the arguments of lookups may be templates again.
pub(super) fn lookup_arguments(expression: &str) -> String {
    let asks = ["lookup(", "query(", "q("].iter().any(|call| expression.contains(call));
    if asks { without_marks(expression) } else { expression.to_owned() }
}

/// As they stand in a playbook: backslashes are backslashes, and lookups may have templates as arguments.
pub(super) fn as_written(expression: &str) -> String {
    without_plus_signs(&lookup_arguments(&double_backslashes(expression)))
}

/// The sign of `+2`, which the engine does not know, says nothing. One that stands first belongs to the marks.
fn without_plus_signs(expression: &str) -> String {
    if !expression.contains('+') {
        return expression.to_owned();
    }
    let mut made = String::with_capacity(expression.len());
    let (mut quote, mut before) = (None, None);
    let mut letters = expression.chars().peekable();
    while let Some(c) = letters.next() {
        match (c, quote) {
            ('\\', Some(_)) => {
                made.push(c);
                made.extend(letters.next());
                continue;
            }
            (c, Some(open)) if c == open => quote = None,
            ('\'' | '"', None) => quote = Some(c),
            ('+', None)
                if before.is_some_and(|before| "([{,:=<>*/%+-~".contains(before))
                    && letters.peek().is_some_and(char::is_ascii_digit) =>
            {
                continue;
            }
            _ => {}
        }
        if !c.is_whitespace() {
            before = Some(c);
        }
        made.push(c);
    }
    made
}

/// Where quoted text ends, its quote included.
fn quoted(text: &str, quote: char) -> usize {
    let bytes = text.as_bytes();
    let mut at = 1;
    while at < bytes.len() && bytes[at] != quote as u8 {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

/// Quoted text with `{{ }}` in it as a sum of its parts.
fn joined(text: &str, quote: char) -> String {
    let Some(mut rest) = text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) else {
        return text.to_owned();
    };
    let mut parts = Vec::new();
    while let Some(at) = rest.find("{{") {
        let Some(len) = end_of(&rest[at + 2..]) else { break };
        if at > 0 {
            parts.push(format!("{quote}{}{quote}", &rest[..at]));
        }
        parts.push(format!("({})", rest[at + 2..at + 2 + len].trim()));
        rest = &rest[at + len + 4..];
    }
    if parts.is_empty() {
        return text.to_owned();
    }
    if !rest.is_empty() {
        parts.push(format!("{quote}{rest}{quote}"));
    }
    if parts.len() == 1 { parts.remove(0) } else { format!("({})", parts.join(" ~ ")) }
}

/// A piece of an expression and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) text: &'a str,
    at: usize,
}

/// The pieces of an expression.
pub(super) fn tokens(source: &str) -> Vec<Token<'_>> {
    let bytes = source.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        let byte = bytes[at];
        if byte.is_ascii_whitespace() {
            at += 1;
            continue;
        }
        if matches!(byte, b'\'' | b'"') {
            at += 1;
            while at < bytes.len() && bytes[at] != byte {
                at += if bytes[at] == b'\\' { 2 } else { 1 };
            }
            at = (at + 1).min(bytes.len());
        } else if byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80 {
            while at < bytes.len() && (bytes[at].is_ascii_alphanumeric() || bytes[at] == b'_' || bytes[at] >= 0x80) {
                at += 1;
            }
        } else {
            let two = source.get(at..at + 2).unwrap_or_default();
            at += if ["==", "!=", "<=", ">=", "//", "**"].contains(&two) { 2 } else { 1 };
        }
        found.push(Token { text: source.get(start..at).unwrap_or_default(), at: start });
    }
    found
}

/// What binds weaker than a sum, so that an operand ends there.
fn ends_sum(text: &str) -> bool {
    let words = ["and", "or", "not", "in", "is", "if", "else"];
    let marks = [",", ":", "=", "==", "!=", "<", ">", "<=", ">=", "~"];
    words.contains(&text) || marks.contains(&text)
}

fn ends_operand(text: &str) -> bool {
    let words = ["and", "or", "not", "in", "is", "if", "else"];
    match text.chars().next() {
        Some(c) if c.is_alphanumeric() || c == '_' => !words.contains(&text),
        Some('\'' | '"' | ')' | ']' | '}') => true,
        _ => false,
    }
}

/// The expression with `a - b` and `a % b` as calls.
pub(super) fn operators_as_calls(source: &str) -> String {
    let mut source = source.to_owned();
    for (operator, function) in [("%", "__percent"), ("-", "__minus")] {
        // From the left, as they are evaluated; each round leaves one less.
        for _ in 0..20 {
            let Some(next) = first_as_call(&source, operator, function) else { break };
            source = next;
        }
    }
    source
}

fn first_as_call(source: &str, operator: &str, function: &str) -> Option<String> {
    let tokens = tokens(source);
    let at = (1..tokens.len()).find(|at| tokens[*at].text == operator && ends_operand(tokens[at - 1].text))?;
    let tight = |text: &str| operator == "%" && matches!(text, "+" | "-" | "*" | "/" | "//" | "%");
    let stop = |text: &str| ends_sum(text) || matches!(text, "+" | "-") || tight(text);
    let (mut depth, mut start) = (0_i32, at);
    while start > 0 {
        let text = tokens[start - 1].text;
        match text {
            ")" | "]" | "}" => depth += 1,
            "(" | "[" | "{" if depth == 0 => break,
            "(" | "[" | "{" => depth -= 1,
            text if depth == 0 && stop(text) => break,
            _ => {}
        }
        start -= 1;
    }
    let (mut depth, mut end) = (0_i32, at + 1);
    while end < tokens.len() {
        let text = tokens[end].text;
        match text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" if depth == 0 => break,
            ")" | "]" | "}" => depth -= 1,
            text if depth == 0 && end > at + 1 && stop(text) => break,
            _ => {}
        }
        end += 1;
    }
    let from = tokens.get(start)?.at;
    let to = tokens.get(end).map_or(source.len(), |token| token.at);
    let (left, right) = (&source[from..tokens[at].at], &source[tokens[at].at + operator.len()..to]);
    if left.trim().is_empty() || right.trim().is_empty() {
        return None;
    }
    Some(format!("{}{function}(({}), ({})) {}", &source[..from], left.trim(), right.trim(), &source[to..]))
}

/// `a - b`, for moments as well.
#[allow(clippy::needless_pass_by_value, reason = "the template engine calls it so")]
pub(super) fn minus(a: Value, b: Value) -> Result<Value, Error> {
    if let Some(made) = time::minus(&a, &b) {
        return Ok(made);
    }
    match (i128::try_from(a.clone()), i128::try_from(b.clone())) {
        (Ok(x), Ok(y)) if a.is_integer() && b.is_integer() => {
            let made = x.checked_sub(y).ok_or_else(|| bad("the numbers are too large"))?;
            Ok(i64::try_from(made).map_or_else(|_| made.into(), Value::from))
        }
        _ => match (f64::try_from(a.clone()), f64::try_from(b.clone())) {
            (Ok(x), Ok(y)) => Ok((x - y).into()),
            _ => Err(bad(format!("`-` wants numbers or moments, not {} and {}", a.kind(), b.kind()))),
        },
    }
}

/// `a % b`: the rest of a division, or a text with values put in.
pub(super) fn percent(state: &mut minijinja::State<'_, '_>, a: Value, b: Value) -> Result<Value, Error> {
    if a.kind() == ValueKind::String {
        let mut args = vec![a];
        if b.is_tuple() {
            args.extend(items_of(&b)?);
        } else {
            args.push(b);
        }
        return state.apply_filter("format", &args);
    }
    match (i128::try_from(a.clone()), i128::try_from(b.clone())) {
        (Ok(x), Ok(y)) if y != 0 && a.is_integer() && b.is_integer() => {
            let rest = x.checked_rem(y).unwrap_or(0);
            let rest = if rest != 0 && (rest < 0) != (y < 0) { rest + y } else { rest };
            Ok(i64::try_from(rest).map_or_else(|_| rest.into(), Value::from))
        }
        _ => match (f64::try_from(a), f64::try_from(b)) {
            (Ok(x), Ok(y)) if y != 0.0 => Ok((x - y * (x / y).floor()).into()),
            _ => Err(bad("`%` wants numbers that are not zero, or a text and its values")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operands_are_found_by_their_strength() {
        for (source, wanted) in [
            ("'%s' % a", "__percent(('%s'), (a)) "),
            ("1 + '%s-%s' % (a, b) + 'x'", "1 + __percent(('%s-%s'), ((a, b))) + 'x'"),
            ("(a | f) - (b | f)", "__minus(((a | f)), ((b | f))) "),
            ("((a - b).days > 3)", "((__minus((a), (b)) ).days > 3)"),
            ("-1", "-1"),
            ("x[-1:]", "x[-1:]"),
            ("'a-b'", "'a-b'"),
        ] {
            assert_eq!(operators_as_calls(source), wanted, "{source}");
        }
    }

    #[test]
    fn backslashes_of_quoted_text_are_doubled_and_no_others() {
        assert_eq!(
            in_expressions(r"\1 {{ x | f('\1', '\\2') }} \3", double_backslashes),
            r"\1 {{ x | f('\\1', '\\\\2') }} \3"
        );
        assert_eq!(
            in_expressions("{% raw %}{{ '\\1' }}{% endraw %}", double_backslashes),
            "{% raw %}{{ '\\1' }}{% endraw %}"
        );
        assert_eq!(in_expressions("{{ {'a': {'b': 1}} }}", double_backslashes), "{{ {'a': {'b': 1}} }}");
    }
}
