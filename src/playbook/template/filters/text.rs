//! Text: letters, words, lines, marks around them.

use minijinja::{
    Error,
    value::{Value, ValueKind},
};

use super::super::{
    call::{Call, Entry, bad, entry, items_of},
    dump::py_str,
};

pub(in super::super) static TABLE: &[Entry] = &[
    entry(&["capitalize"], "", |c| Ok(capitalize(&c.text()).into())),
    entry(&["center"], "width", |c| Ok(center(&c.text(), c.size(0, 80)?.min(10_000), ' ').into())),
    entry(&["comment"], "style newline beginning prefix prefix_count decoration postfix postfix_count end", comment),
    entry(&["escape", "e", "forceescape"], "", |c| Ok(escape(&c.text()).into())),
    entry(&["indent"], "width first blank", indent),
    entry(&["join"], "d attribute", join),
    entry(&["lower"], "", |c| Ok(c.text().to_lowercase().into())),
    entry(&["quote"], "", |c| Ok(shell_quote(&if c.value.is_none() { String::new() } else { c.text() }).into())),
    entry(&["replace"], "old new count", replace),
    entry(&["reverse"], "", reverse),
    entry(&["safe", "string"], "", |c| Ok(c.text().into())),
    entry(&["split"], "sep maxsplit", |c| {
        let limit = c.int(1)?.and_then(|limit| usize::try_from(limit).ok());
        Ok(split(&c.text(), c.str(0).as_deref(), limit)?.into())
    }),
    entry(&["splitlines"], "keepends", |c| Ok(lines(&c.text(), c.flag(0, false)).into())),
    entry(&["striptags"], "", |c| Ok(striptags(&c.text()).into())),
    entry(&["title"], "", |c| Ok(title(&c.text()).into())),
    entry(&["trim"], "chars", |c| Ok(strip(&c.text(), c.str(0).as_deref(), true, true).into())),
    entry(&["truncate"], "length killwords end leeway", truncate),
    entry(&["upper"], "", |c| Ok(c.text().to_uppercase().into())),
    entry(&["urlize"], "trim_url_limit nofollow target rel", urlize),
    entry(&["wordcount"], "", |c| {
        let text = c.text();
        Ok(text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty()).count().into())
    }),
    entry(&["wordwrap"], "width break_long_words wrapstring break_on_hyphens", wordwrap),
    entry(&["xmlattr"], "autospace", xmlattr),
];

/// The first letter large, the others small.
pub(in super::super) fn capitalize(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    first + &letters.as_str().to_lowercase()
}

/// Python's `str.center`: an odd space goes left only when the width is odd.
pub(in super::super) fn center(text: &str, width: usize, fill: char) -> String {
    let pad = width.saturating_sub(text.chars().count());
    let left = pad / 2 + (pad & width & 1);
    let fill = |n: usize| std::iter::repeat_n(fill, n).collect::<String>();
    format!("{}{text}{}", fill(left), fill(pad - left))
}

/// The marks of HTML as entities.
pub(in super::super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\'', "&#39;").replace('"', "&#34;")
}

/// Python's `shlex.quote`.
pub(in super::super) fn shell_quote(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%_-+=:,./".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\"'\"'"))
}

/// Python's `str.strip` and its sides.
pub(in super::super) fn strip(text: &str, letters: Option<&str>, left: bool, right: bool) -> String {
    let gone = |c: char| letters.map_or_else(|| c.is_whitespace(), |letters| letters.contains(c));
    let text = if left { text.trim_start_matches(gone) } else { text };
    if right { text.trim_end_matches(gone).to_owned() } else { text.to_owned() }
}

/// Python's `str.split`.
pub(in super::super) fn split(text: &str, by: Option<&str>, limit: Option<usize>) -> Result<Vec<String>, Error> {
    let Some(by) = by else {
        let mut found = Vec::new();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            if limit.is_some_and(|limit| found.len() >= limit) {
                found.push(rest.to_owned());
                break;
            }
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            found.push(rest[..end].to_owned());
            rest = rest[end..].trim_start();
        }
        return Ok(found);
    };
    if by.is_empty() {
        return Err(bad("an empty separator splits nothing"));
    }
    Ok(match limit {
        Some(limit) => text.splitn(limit.saturating_add(1), by).map(str::to_owned).collect(),
        None => text.split(by).map(str::to_owned).collect(),
    })
}

/// Python's `str.splitlines`.
pub(in super::super) fn lines(text: &str, keep_ends: bool) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    let ends = ['\n', '\r', '\u{b}', '\u{c}', '\u{1c}', '\u{1d}', '\u{1e}', '\u{85}', '\u{2028}', '\u{2029}'];
    while let Some(at) = rest.find(ends) {
        let len = if rest[at..].starts_with("\r\n") { 2 } else { rest[at..].chars().next().map_or(1, char::len_utf8) };
        found.push(rest[..if keep_ends { at + len } else { at }].to_owned());
        rest = &rest[at + len..];
    }
    if !rest.is_empty() {
        found.push(rest.to_owned());
    }
    found
}

/// Jinja's `title`: words begin after white space, hyphens and brackets.
fn title(text: &str) -> String {
    let mut made = String::new();
    let mut first = true;
    for c in text.chars() {
        let between = c.is_whitespace() || "-({[<".contains(c);
        if first && !between {
            made.extend(c.to_uppercase());
        } else {
            made.extend(c.to_lowercase());
        }
        first = between;
    }
    made
}

fn indent(c: &mut Call) -> Result<Value, Error> {
    let pad = match c.some(0) {
        Some(width) if width.as_str().is_some() => py_str(width),
        _ => " ".repeat(c.size(0, 4)?.min(10_000)),
    };
    let (first, blank) = (c.flag(1, false), c.flag(2, false));
    // The line end that is added keeps a last empty line alive.
    let all = lines(&(c.text() + "\n"), false);
    let mut made = String::new();
    for (at, line) in all.iter().enumerate() {
        if at > 0 {
            made.push('\n');
            if blank || !line.is_empty() {
                made.push_str(&pad);
            }
        } else if first {
            made.push_str(&pad);
        }
        made.push_str(line);
        if made.len() > super::MOST_TEXT {
            return Err(c.fault("the text becomes too large"));
        }
    }
    Ok(made.into())
}

fn join(c: &mut Call) -> Result<Value, Error> {
    let by = c.str_or(0, "");
    let path = c.some(1).cloned();
    let mut made = String::new();
    for (at, item) in c.items()?.into_iter().enumerate() {
        let item = match &path {
            Some(path) => super::general::attribute(&item, path),
            None => item,
        };
        if item.is_undefined() {
            return Err(super::super::call::undefined());
        }
        if at > 0 {
            made.push_str(&by);
        }
        made.push_str(&py_str(&item));
        if made.len() > super::MOST_TEXT {
            return Err(c.fault("the text becomes too large"));
        }
    }
    Ok(made.into())
}

fn replace(c: &mut Call) -> Result<Value, Error> {
    let (old, new) = (py_str(c.need(0, "old")?), py_str(c.need(1, "new")?));
    let text = c.text();
    let count = match c.int(2)? {
        Some(count) => usize::try_from(count).unwrap_or(usize::MAX),
        None => usize::MAX,
    };
    let rounds = if old.is_empty() { text.chars().count() + 1 } else { text.matches(&old).count() };
    if text.len().saturating_add(rounds.min(count).saturating_mul(new.len())) > super::MOST_TEXT {
        return Err(c.fault("the text becomes too large"));
    }
    Ok(text.replacen(&old, &new, count).into())
}

fn reverse(c: &mut Call) -> Result<Value, Error> {
    if c.value.kind() == ValueKind::String {
        return Ok(c.text().chars().rev().collect::<String>().into());
    }
    let mut items = c.items()?;
    items.reverse();
    Ok(items.into())
}

fn striptags(text: &str) -> String {
    let mut made = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        made.push_str(&rest[..at]);
        let inner = &rest[at..];
        let end = match inner.strip_prefix("<!--") {
            Some(comment) => comment.find("-->").map(|end| at + 4 + end + 3),
            None => inner.find('>').map(|end| at + end + 1),
        };
        let Some(end) = end else {
            made.push_str(inner);
            rest = "";
            break;
        };
        rest = &rest[end..];
    }
    made.push_str(rest);
    let made = made.split_whitespace().collect::<Vec<_>>().join(" ");
    made.replace("&lt;", "<").replace("&gt;", ">").replace("&#39;", "'").replace("&#34;", "\"").replace("&amp;", "&")
}

fn truncate(c: &mut Call) -> Result<Value, Error> {
    let (length, words, end, leeway) = (c.size(0, 255)?, c.flag(1, false), c.str_or(2, "..."), c.size(3, 5)?);
    let text = c.text();
    let tail = end.chars().count();
    if length < tail {
        return Err(c.fault(format_args!("a length of {length} has no room for `{end}`")));
    }
    if text.chars().count() <= length.saturating_add(leeway) {
        return Ok(text.into());
    }
    let cut: String = text.chars().take(length - tail).collect();
    let cut = if words { cut.as_str() } else { cut.rsplit_once(' ').map_or(cut.as_str(), |(head, _)| head) };
    Ok(format!("{cut}{end}").into())
}

fn urlize(c: &mut Call) -> Result<Value, Error> {
    let limit = c.int(0)?.and_then(|limit| usize::try_from(limit).ok());
    let mut rel: Vec<String> = c.str_or(3, "").split_whitespace().map(str::to_owned).collect();
    if c.flag(1, false) {
        rel.push("nofollow".into());
    }
    rel.push("noopener".into());
    rel.sort();
    rel.dedup();
    let target = c.str(2).map(|target| format!(" target=\"{}\"", escape(&target))).unwrap_or_default();
    let text = escape(&c.text());
    let mut made = String::new();
    for word in text.split_inclusive(char::is_whitespace) {
        let core = word.trim_end().trim_end_matches(['.', ',', ';', ':', '!', '?', ')']);
        let head = core.trim_start_matches('(');
        let href = if head.starts_with("https://") || head.starts_with("http://") {
            head.to_owned()
        } else if head.starts_with("www.") {
            format!("https://{head}")
        } else {
            made.push_str(word);
            continue;
        };
        let shown = match limit {
            Some(limit) if head.chars().count() > limit => {
                format!("{}...", head.chars().take(limit).collect::<String>())
            }
            _ => head.to_owned(),
        };
        made.push_str(&core[..core.len() - head.len()]);
        made += &["<a href=\"", &href, "\" rel=\"", &rel.join(" "), "\"", &target, ">", &shown, "</a>"].concat();
        made.push_str(&word[core.len()..]);
    }
    Ok(made.into())
}

fn wordwrap(c: &mut Call) -> Result<Value, Error> {
    let (width, cut, hyphens) = (c.size(0, 79)?.max(1), c.flag(1, true), c.flag(3, true));
    let by = c.str_or(2, "\n");
    let wrapped: Vec<String> =
        lines(&c.text(), false).iter().map(|line| wrap(line, width, cut, hyphens).join(&by)).collect();
    Ok(wrapped.join(&by).into())
}

/// The words of a line put into lines of at most `width` letters; spaces inside a line stay as they are.
fn wrap(line: &str, width: usize, cut: bool, hyphens: bool) -> Vec<String> {
    let mut chunks: Vec<String> = Vec::new();
    let mut letters = line.chars().peekable();
    let mut chunk = String::new();
    while let Some(c) = letters.next() {
        let space = c.is_whitespace();
        if chunk.chars().last().is_some_and(|last| last.is_whitespace() != space) {
            chunks.push(std::mem::take(&mut chunk));
        }
        chunk.push(c);
        let joins = chunk.chars().rev().nth(1).is_some_and(char::is_alphanumeric)
            && letters.peek().is_some_and(|next| next.is_alphabetic());
        if hyphens && c == '-' && joins {
            chunks.push(std::mem::take(&mut chunk));
        }
    }
    chunks.push(chunk);
    let mut found: Vec<String> = Vec::new();
    let mut current = String::new();
    let mut len = 0;
    for chunk in chunks.into_iter().filter(|chunk| !chunk.is_empty()) {
        let mut chunk = chunk;
        loop {
            let size = chunk.chars().count();
            if len == 0 && !found.is_empty() && chunk.trim().is_empty() {
                break;
            }
            if len + size <= width {
                current.push_str(&chunk);
                len += size;
                break;
            }
            if size > width && cut {
                let head: String = chunk.chars().take(width - len).collect();
                chunk = chunk[head.len()..].to_owned();
                current.push_str(&head);
            } else if len == 0 {
                current.push_str(&chunk);
                chunk.clear();
            }
            found.push(std::mem::take(&mut current).trim_end().to_owned());
            len = 0;
            if chunk.is_empty() {
                break;
            }
        }
    }
    if !current.trim_end().is_empty() {
        found.push(current.trim_end().to_owned());
    }
    found
}

fn xmlattr(c: &mut Call) -> Result<Value, Error> {
    let mut made = Vec::new();
    for key in items_of(&c.value)? {
        let name = py_str(&key);
        if name.contains([' ', '/', '>', '=', '\t', '\n', '\r', '\u{c}']) {
            return Err(c.fault(format_args!("`{name}` cannot be the name of an attribute")));
        }
        let value = c.value.get_item(&key)?;
        if !value.is_none() && !value.is_undefined() {
            made.push(format!("{}=\"{}\"", escape(&name), escape(&py_str(&value))));
        }
    }
    let text = made.join(" ");
    Ok(if c.flag(0, true) && !text.is_empty() { format!(" {text}").into() } else { text.into() })
}

fn comment(c: &mut Call) -> Result<Value, Error> {
    let style = c.str_or(0, "plain");
    let (beginning, decoration, end) = match style.as_str() {
        "plain" => ("", "# ", ""),
        "erlang" => ("", "% ", ""),
        "c" => ("", "// ", ""),
        "cblock" => ("/*", " * ", " */"),
        "xml" => ("<!--", " - ", "-->"),
        other => {
            return Err(
                c.fault(format_args!("there is no style `{other}`; there are plain, erlang, c, cblock and xml"))
            );
        }
    };
    let newline = c.str_or(1, "\n");
    let beginning = c.str_or(2, beginning);
    let decoration = c.str_or(5, decoration);
    let around = decoration.trim_end().to_owned();
    let (prefix, postfix) = (c.str_or(3, &around), c.str_or(6, &around));
    let (before, after) = (c.size(4, 1)?.min(1000), c.size(7, 1)?.min(1000));
    let end = c.str_or(8, end);
    let mut made = String::new();
    if !beginning.is_empty() {
        made.push_str(&beginning);
        made.push_str(&newline);
    }
    if !prefix.is_empty() {
        let line = if prefix == newline { newline.clone() } else { format!("{prefix}{newline}") };
        made.push_str(&line.repeat(before));
    }
    let text = c.text().replace(&newline, &format!("{newline}{decoration}"));
    let bare = format!("{}{newline}", decoration.trim_end());
    made.push_str(&format!("{decoration}{text}").replace(&format!("{decoration}{newline}"), &bare));
    for _ in 0..after {
        made.push_str(&newline);
        made.push_str(&postfix);
    }
    if !end.is_empty() {
        made.push_str(&newline);
        made.push_str(&end);
    }
    Ok(made.into())
}
