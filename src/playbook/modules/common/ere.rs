//! Python's regular expressions in the words of awk and sed.
//!
//! What POSIX cannot say (look-around, lazy captures, back references in the pattern) is refused, never approximated.

use regex_syntax::{
    ParserBuilder,
    hir::{Class, Hir, HirKind, Look, Repetition},
};

/// Who reads the expression: they disagree on backslashes in brackets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// awk, as a dynamic regular expression.
    Awk,
    /// `sed -E`.
    Sed,
}

/// Longest expression that is sent; a counted repetition is written out, and may grow.
const LONGEST: usize = 16 * 1024;

/// `pattern`, as Python's `re.search` understands it for one line, as an extended regular expression.
pub fn translate(pattern: &str, reader: Reader) -> Result<String, String> {
    let wrong = |why: &str| format!("the regular expression `{pattern}` does not run on the host: {why}");
    if pattern.contains(['\0', '\n']) {
        return Err(wrong("it holds a line break or NUL, and is matched line by line"));
    }
    let ready = pattern.replace("\\Z", "\\z").replace("(?P=", "(?P\u{0}");
    let hir = ParserBuilder::new()
        .unicode(false)
        .utf8(false)
        .nest_limit(100)
        .build()
        .parse(&ready)
        .map_err(|error| wrong(&explain(&error)))?;
    let mut text = String::new();
    print(&hir, reader, &mut text).map_err(|why| wrong(&why))?;
    if text.contains('\n') {
        return Err(wrong("it holds a line break, and is matched line by line"));
    }
    if text.is_empty() {
        // Everything matches nothing at all; awk and sed want at least something.
        text.push('^');
    }
    Ok(text)
}

/// How many groups `pattern` captures.
pub fn groups(pattern: &str) -> usize {
    let parsed = ParserBuilder::new().unicode(false).utf8(false).build().parse(&pattern.replace("\\Z", "\\z"));
    parsed.map_or(0, |hir| hir.properties().explicit_captures_len())
}

/// Whether a lazy repetition is in `pattern`: it changes what groups capture.
pub fn is_lazy(pattern: &str) -> bool {
    fn lazy(hir: &Hir) -> bool {
        match hir.kind() {
            HirKind::Repetition(repetition) => !repetition.greedy || lazy(&repetition.sub),
            HirKind::Capture(capture) => lazy(&capture.sub),
            HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().any(lazy),
            _ => false,
        }
    }
    ParserBuilder::new().unicode(false).utf8(false).build().parse(pattern).is_ok_and(|hir| lazy(&hir))
}

fn explain(error: &regex_syntax::Error) -> String {
    match error {
        regex_syntax::Error::Parse(error) => error.kind().to_string(),
        regex_syntax::Error::Translate(error) => error.kind().to_string(),
        other => other.to_string().lines().last().unwrap_or_default().to_owned(),
    }
}

fn print(hir: &Hir, reader: Reader, into: &mut String) -> Result<(), String> {
    if into.len() > LONGEST {
        return Err("it is too long once its repetitions are written out".to_owned());
    }
    match hir.kind() {
        HirKind::Empty => {}
        HirKind::Literal(literal) => {
            let text = std::str::from_utf8(&literal.0).map_err(|_| "it holds bytes that are no text".to_owned())?;
            for c in text.chars() {
                if "\\.[]{}()*+?^$|/".contains(c) {
                    into.push('\\');
                }
                into.push(c);
            }
        }
        HirKind::Class(class) => bracket(class, reader, into)?,
        HirKind::Look(Look::Start | Look::StartLF | Look::StartCRLF) => into.push('^'),
        HirKind::Look(Look::End | Look::EndLF | Look::EndCRLF) => into.push('$'),
        HirKind::Look(_) => {
            return Err(
                "word boundaries and their like are not known there; spell out what may stand beside".to_owned()
            );
        }
        HirKind::Repetition(repetition) => repeat(repetition, reader, into)?,
        HirKind::Capture(capture) => {
            into.push('(');
            print(&capture.sub, reader, into)?;
            into.push(')');
        }
        HirKind::Concat(parts) => {
            for part in parts {
                if matches!(part.kind(), HirKind::Alternation(_)) {
                    if reader == Reader::Sed {
                        return Err("a choice must capture there: write `(a|b)` for `(?:a|b)`".to_owned());
                    }
                    into.push('(');
                    print(part, reader, into)?;
                    into.push(')');
                    continue;
                }
                print(part, reader, into)?;
            }
        }
        // `(a|)` has an empty side, which mawk does not take: `((a)?)`.
        HirKind::Alternation(parts) if reader == Reader::Awk && parts.iter().any(is_empty) => {
            let full: Vec<Hir> = parts.iter().filter(|part| !is_empty(part)).cloned().collect();
            into.push('(');
            print(&Hir::alternation(full), reader, into)?;
            into.push_str(")?");
        }
        HirKind::Alternation(parts) => {
            for (at, part) in parts.iter().enumerate() {
                if at > 0 {
                    into.push('|');
                }
                print(part, reader, into)?;
            }
        }
    }
    Ok(())
}

fn is_empty(hir: &Hir) -> bool {
    matches!(hir.kind(), HirKind::Empty)
}

/// awk on older hosts knows no `{2,3}`, so counted repetitions are written out.
fn repeat(repetition: &Repetition, reader: Reader, into: &mut String) -> Result<(), String> {
    let mut atom = String::new();
    print(&repetition.sub, reader, &mut atom)?;
    let single = matches!(repetition.sub.kind(), HirKind::Class(_) | HirKind::Capture(_))
        || matches!(repetition.sub.kind(), HirKind::Literal(literal) if literal.0.len() == 1);
    if !single {
        if reader == Reader::Sed {
            return Err("a group that is repeated must capture there: write `(…)` for `(?:…)`".to_owned());
        }
        atom = format!("({atom})");
    }
    match (repetition.min, repetition.max) {
        (0, None) => into.extend([atom.as_str(), "*"]),
        (1, None) => into.extend([atom.as_str(), "+"]),
        (0, Some(1)) => into.extend([atom.as_str(), "?"]),
        (min, max) => {
            if reader == Reader::Sed {
                let upper = max.map_or(String::new(), |max| max.to_string());
                into.extend([atom.as_str(), "{", &min.to_string(), ",", &upper, "}"]);
                return Ok(());
            }
            let count = max.unwrap_or(min).max(min) as usize;
            if count.saturating_mul(atom.len()) > LONGEST {
                return Err("it is too long once its repetitions are written out".to_owned());
            }
            into.push_str(&atom.repeat(min as usize));
            match max {
                None => into.extend([atom.as_str(), "*"]),
                Some(max) => into.push_str(&(atom + "?").repeat(max.saturating_sub(min) as usize)),
            }
        }
    }
    Ok(())
}

fn bracket(class: &Class, reader: Reader, into: &mut String) -> Result<(), String> {
    let mut bytes: Vec<(u8, u8)> = match class {
        Class::Bytes(class) => class.ranges().iter().map(|range| (range.start(), range.end())).collect(),
        Class::Unicode(class) => class
            .ranges()
            .iter()
            .map(|range| Ok((u8::try_from(range.start())?, u8::try_from(range.end())?)))
            .collect::<Result<_, std::char::TryFromCharError>>()
            .map_err(|_| "a set holds letters beyond ASCII".to_owned())?,
    };
    // NUL and the line feed are in no line.
    let negated = bytes.last().is_some_and(|last| last.1 == 0xff);
    if negated {
        let mut rest = vec![];
        let mut next: u16 = 0;
        for (start, end) in &bytes {
            if u16::from(*start) > next {
                #[expect(clippy::cast_possible_truncation, reason = "below the start, which is a byte")]
                rest.push((next as u8, start - 1));
            }
            next = u16::from(*end) + 1;
        }
        bytes = rest;
    }
    let mut set: Vec<u8> =
        bytes.iter().flat_map(|(start, end)| *start..=*end).filter(|b| !matches!(b, 0 | b'\n')).collect();
    if set.iter().any(|b| *b >= 0x80) {
        return Err("a set holds letters beyond ASCII".to_owned());
    }
    if set.is_empty() {
        into.push_str(if negated { "." } else { "[^ -~\t]*^x" });
        return Ok(());
    }
    // In brackets `]` stands first, `^` not first, `-` first or last.
    let take = |set: &mut Vec<u8>, b: u8| {
        let before = set.len();
        set.retain(|other| *other != b);
        before != set.len()
    };
    let (close, caret, dash, backslash) =
        (take(&mut set, b']'), take(&mut set, b'^'), take(&mut set, b'-'), take(&mut set, b'\\'));
    if !negated && caret && set.is_empty() && !close && !dash && !backslash {
        into.push_str("\\^");
        return Ok(());
    }
    into.push_str(if negated { "[^" } else { "[" });
    if close {
        into.push(']');
    } else if dash {
        into.push('-');
    }
    if backslash {
        // BusyBox's awk reads two; that is the same set.
        into.push_str(if reader == Reader::Awk { "\\\\" } else { "\\" });
    }
    let mut at = 0;
    while at < set.len() {
        let start = set[at];
        let mut end = at;
        while end + 1 < set.len() && set[end + 1] == set[end] + 1 {
            end += 1;
        }
        // A range is only written between letters or digits: `[:` and its like must not arise.
        let plain = start.is_ascii_alphanumeric() && set[end].is_ascii_alphanumeric() || start < b' ';
        if end > at + 1 && plain {
            into.extend([char::from(start), '-', char::from(set[end])]);
            at = end + 1;
        } else {
            into.push(char::from(start));
            at += 1;
        }
    }
    if caret {
        into.push('^');
    }
    if dash && close {
        into.push('-');
    }
    into.push(']');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Reader, translate};
    use std::{
        io::Write,
        process::{Command, Stdio},
    };

    fn awk(program: &[&str], pattern: &str, lines: &[&str]) -> Vec<bool> {
        let ere = translate(pattern, Reader::Awk).unwrap();
        let mut child = Command::new(program[0])
            .args(&program[1..])
            .arg("NR == 1 { re = $0; next } { print ($0 ~ re) ? 1 : 0 }")
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        writeln!(child.stdin.take().unwrap(), "{ere}\n{}", lines.join("\n")).unwrap();
        let answer = child.wait_with_output().unwrap();
        String::from_utf8(answer.stdout).unwrap().lines().map(|line| line == "1").collect()
    }

    #[test]
    fn awk_agrees_with_python() {
        let lines = [
            "MaxAuthTries 6",
            "#MaxAuthTries 6",
            "  MaxAuthTries",
            "a.b",
            "axb",
            "",
            "a]b",
            "a-b^c\\d",
            "x/y",
            "aaa",
            "aaaa",
            "key = value",
            "127.0.0.1 localhost",
            "[section]",
            "tab\there",
            "é",
            "MAXAUTHTRIES",
        ];
        for pattern in [
            "^#?MaxAuthTries",
            "a\\.b",
            "^\\s*$",
            "[]]",
            "[^]a]",
            "[\\^-]",
            "[\\\\]",
            "x/y",
            "^a{3}$",
            "^a{2,}$",
            "a{1,2}$",
            "(?:key|other)\\s*=\\s*(\\w+)",
            "^\\d+(?:\\.\\d+){3}\\s",
            "^\\[section\\]$",
            "\\t",
            "é",
            "(?i)maxauth",
            "^(a|b)",
            ".",
            "[a-z]+",
            "[^\\w\\s]",
            "a|b",
            "^(key|)$",
            "^()$",
            "\\S+",
            "^.{3}$",
            "[/]",
            "",
        ] {
            let fancy = fancy_regex::Regex::new(&pattern.replace("[]]", "\\]").replace("[^]a]", "[^\\]a]")).unwrap();
            let meant: Vec<bool> = lines.iter().map(|line| fancy.is_match(line).unwrap()).collect();
            for program in [&["mawk"][..], &["gawk"], &["busybox", "awk"]] {
                // A dot is a byte there: only one letter of this test is longer.
                let got = awk(program, pattern, &lines);
                for (at, line) in lines.iter().enumerate() {
                    assert!(got[at] == meant[at] || *line == "é", "{program:?} {pattern} on {line:?}: {}", got[at]);
                }
            }
        }
    }

    #[test]
    fn what_awk_cannot_say_is_refused() {
        for bad in ["(?=x)", "(?<!x)y", "(a)\\1", "\\bword", "(", "[", "a\nb", "[é]", "(?:a{200}){200}"] {
            let why = translate(bad, Reader::Awk).unwrap_err();
            assert!(why.contains("regular expression"), "{why}");
        }
    }
}
