//! Python's regular expressions on the controller, for texts that came from a host.

use fancy_regex::{Captures, Regex, RegexBuilder};

/// What Python calls `re.MULTILINE` and `re.DOTALL`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Flags {
    /// `^` and `$` match at every line.
    pub multiline: bool,
    /// `.` matches a line break.
    pub dotall: bool,
}

/// `pattern` as Python's `re` understands it.
pub fn compile(pattern: &str, flags: Flags) -> Result<Regex, String> {
    let mut source = String::with_capacity(pattern.len() + 8);
    if flags.multiline {
        source.push_str("(?m)");
    }
    if flags.dotall {
        source.push_str("(?s)");
    }
    // The expression may say so itself.
    let head = pattern
        .strip_prefix("(?")
        .and_then(|rest| rest.split_once([')', ':', '<', '=', '!']))
        .map_or("", |(head, _)| head);
    let multiline = flags.multiline || head.bytes().all(|b| b.is_ascii_alphabetic()) && head.contains('m');
    source.push_str(&translate(pattern, multiline));
    RegexBuilder::new(&source)
        .backtrack_limit(10_000_000)
        .build()
        .map_err(|why| format!("`{pattern}` is no regular expression: {why}"))
}

/// Writes in the words of the `regex` crate what Python writes otherwise.
fn translate(pattern: &str, multiline: bool) -> String {
    let mut out = String::with_capacity(pattern.len() + 8);
    let chars: Vec<char> = pattern.chars().collect();
    let mut at = 0;
    let mut set = false;
    while at < chars.len() {
        let c = chars[at];
        match c {
            '\\' => {
                match chars.get(at + 1) {
                    Some('Z') if !set => out.push_str("\\z"),
                    // There these are borders of words.
                    Some(plain @ ('<' | '>')) => out.push(*plain),
                    Some(' ') => out.push(' '),
                    Some(other) => out.extend(['\\', *other]),
                    None => out.push('\\'),
                }
                at += 2;
                continue;
            }
            '[' if set => out.push_str("\\["),
            '[' => {
                set = true;
                out.push('[');
                if chars.get(at + 1) == Some(&'^') {
                    out.push('^');
                    at += 1;
                }
                if chars.get(at + 1) == Some(&']') {
                    out.push_str("\\]");
                    at += 1;
                }
            }
            ']' if set => {
                set = false;
                out.push(']');
            }
            // Doubled, these are operations on sets there.
            '&' | '~' if set => out.extend(['\\', c]),
            '-' if set && chars.get(at + 1) == Some(&'-') => out.push_str("\\-"),
            '{' if !set && !is_count(&chars[at..]) => out.push_str("\\{"),
            '$' if !set && !multiline => out.push_str("(?=\\n?\\z)"),
            c => out.push(c),
        }
        at += 1;
    }
    out
}

/// Whether a repetition such as `{2,3}` stands here.
fn is_count(chars: &[char]) -> bool {
    let Some(end) = chars.iter().position(|c| *c == '}') else { return false };
    let inner = &chars[1..end];
    !inner.is_empty()
        && inner.iter().all(|c| c.is_ascii_digit() || *c == ',')
        && inner.iter().filter(|c| **c == ',').count() <= 1
        && inner.iter().any(char::is_ascii_digit)
}

/// What a replacement with `\1` and `\g<name>` makes of a match; a group or an escape that is not there is refused.
pub fn expand(template: &str, captures: &Captures<'_, str>) -> Result<String, String> {
    let group = |name: &str| -> Result<&str, String> {
        let known = match name.parse::<usize>() {
            Ok(number) if number < captures.len() => Ok(captures.get(number)),
            Ok(_) => Err(()),
            Err(_) => captures.name(name).map(Some).ok_or(()),
        };
        match known {
            Ok(found) => Ok(found.map_or("", |m| m.as_str())),
            Err(()) => Err(format!("invalid group reference `{name}`")),
        }
    };
    let mut text = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let Some(c) = after.chars().next() else { return Err("bad escape (end of pattern)".to_owned()) };
        let plain = match c {
            'n' => Some('\n'),
            't' => Some('\t'),
            'r' => Some('\r'),
            'a' => Some('\u{7}'),
            'f' => Some('\u{c}'),
            'v' => Some('\u{b}'),
            'b' => Some('\u{8}'),
            '\\' => Some('\\'),
            _ => None,
        };
        if let Some(plain) = plain {
            text.push(plain);
            rest = &after[1..];
        } else if c == '0' {
            let len = after.chars().take(3).take_while(|c| ('0'..='7').contains(c)).count();
            let code = u8::from_str_radix(&after[..len], 8).unwrap_or_default();
            text.push(char::from(code));
            rest = &after[len..];
        } else if c.is_ascii_digit() {
            let len = after.chars().take(2).take_while(char::is_ascii_digit).count();
            text.push_str(group(&after[..len])?);
            rest = &after[len..];
        } else if let Some((name, more)) = after.strip_prefix("g<").and_then(|inner| inner.split_once('>')) {
            text.push_str(group(name)?);
            rest = more;
        } else if c.is_ascii_alphabetic() {
            return Err(format!("bad escape \\{c}"));
        } else {
            text.extend(['\\', c]);
            rest = &after[c.len_utf8()..];
        }
    }
    text.push_str(rest);
    Ok(text)
}

/// Refuses a replacement that names a group or an escape that is not there.
pub fn check(template: &str, regex: &Regex) -> Result<(), String> {
    let names: Vec<&str> = regex.capture_names().flatten().collect();
    let mut rest = template;
    while let Some(at) = rest.find('\\') {
        let after = &rest[at + 1..];
        let Some(c) = after.chars().next() else { return Err("bad escape (end of pattern)".to_owned()) };
        let name = if c.is_ascii_digit() && c != '0' {
            let len = after.chars().take(2).take_while(char::is_ascii_digit).count();
            Some(&after[..len])
        } else {
            after.strip_prefix("g<").and_then(|inner| inner.split_once('>')).map(|(name, _)| name)
        };
        match name {
            Some(name) => {
                let known = name.parse::<usize>().map_or_else(|_| names.contains(&name), |n| n < regex.captures_len());
                if !known {
                    return Err(format!("invalid group reference `{name}`"));
                }
            }
            None if c.is_ascii_alphabetic() && !"ntrafvb".contains(c) => return Err(format!("bad escape \\{c}")),
            None => {}
        }
        rest = &after[c.len_utf8()..];
    }
    Ok(())
}

/// Replaces every match; how many there were. An empty match may follow a full one at once, as in Python.
pub fn replace_all(regex: &Regex, text: &str, replacement: &str) -> Result<(String, usize), String> {
    let mut out = String::with_capacity(text.len());
    let (mut last, mut count, mut at) = (0, 0, 0);
    let mut empty_before = false;
    while at <= text.len() {
        let found = regex.captures_from_pos(text, at);
        let Some(captures) = found.map_err(|why| format!("the regular expression takes too long: {why}"))? else {
            break;
        };
        let Some(whole) = captures.get(0) else { break };
        let empty = whole.start() == whole.end();
        if empty && empty_before && whole.start() == at {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
            empty_before = false;
            continue;
        }
        out.push_str(&text[last..whole.start()]);
        out.push_str(&expand(replacement, &captures)?);
        (last, at) = (whole.end(), whole.end());
        empty_before = empty;
        count += 1;
    }
    out.push_str(&text[last..]);
    Ok((out, count))
}

#[cfg(test)]
mod tests {
    use super::{Flags, check, compile, replace_all};

    #[test]
    fn patterns_mean_what_they_mean_in_python() {
        let multi = Flags { multiline: true, dotall: false };
        for (pattern, text, to, meant) in [
            ("^a$", "a\nb\na\n", "x", "x\nb\nx\n"),
            (r"(\s+)old\.host(\s+.*)?$", "1 old.host\n2 old.host b\n", r"\1new\2", "1 new\n2 old.host b\n"),
            (r"(?P<k>\w+)=", "a=1 b=2", r"\g<k>:", "a:1 b:2"),
            ("[[]x[]]", "[x]", "y", "y"),
            (r"\{(?!%)", "{a", "(", "(a"),
            ("{{ x }}", "{{ x }}", "y", "y"),
            (r"a{2}", "aaa", "b", "ba"),
            (r"\<b\>", "<b>", "c", "c"),
            ("[&&~~]", "a&~", "", "a"),
            (r"(?<=a)b", "ab bb", r"\\n", "a\\n bb"),
            ("x*", "axb", "-", "-a--b-"),
            ("^.*$", "a\nb", "-", "-\n-"),
        ] {
            let regex = compile(pattern, multi).unwrap();
            assert_eq!(replace_all(&regex, text, to).unwrap().0, meant, "{pattern}");
        }
        let plain = compile("a$", Flags::default()).unwrap();
        assert!(plain.is_match("ba\n").unwrap() && !plain.is_match("a\nb").unwrap());
        assert!(replace_all(&plain, "a", r"\2").unwrap_err().contains("group"));
        assert!(replace_all(&plain, "a", r"\q").unwrap_err().contains("escape"));
        assert!(compile("(?m)a$", Flags::default()).unwrap().is_match("a\nb").unwrap());
        assert!(check(r"\D", &plain).is_err() && check(r"\1", &plain).is_err() && check(r"\\ \g<0>", &plain).is_ok());
        assert!(compile("(", Flags::default()).unwrap_err().contains("regular expression"));
    }
}
