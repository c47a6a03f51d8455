//! Editing lines with the whole of Python's regular expressions: what `lineinfile` and `blockinfile` do when the host's
//! awk cannot say it.

use super::{
    edit::{self, Opened},
    flag,
    python::{Flags, compile, expand},
    text,
};
use crate::playbook::modules::{
    Args, Outcome,
    talk::{Host, Trouble},
};
use fancy_regex::Regex;

fn bare(line: &str) -> &str {
    line.trim_end_matches(['\r', '\n'])
}

fn is(regex: &Regex, line: &str) -> bool {
    regex.is_match(line).unwrap_or(false)
}

/// An anchor that is an expression, not `BOF` or `EOF`.
fn anchor(args: &Args, name: &str, word: &str) -> Result<Option<Regex>, String> {
    let given = text(args, name).filter(|given| !given.is_empty() && *given != "BOF" && *given != word);
    given.map(|pattern| compile(pattern, Flags::default())).transpose()
}

/// What `lineinfile` makes of a text, and what it says of it.
pub fn line(text_now: &str, args: &Args) -> Result<(String, String), String> {
    let mut lines: Vec<String> = text_now.split_inclusive('\n').map(str::to_owned).collect();
    let regexp = text(args, "regexp").map(|re| compile(re, Flags::default())).transpose()?;
    let search = text(args, "search_string");
    let wanted = text(args, "line").unwrap_or_default();
    let first = flag(args, "firstmatch");
    if text(args, "state") == Some("absent") {
        let before = lines.len();
        lines.retain(|line| match (&regexp, search) {
            (Some(regex), _) => !is(regex, line),
            (None, Some(search)) => !line.contains(search),
            (None, None) => bare(line) != wanted,
        });
        let found = before - lines.len();
        let message = if found == 0 { String::new() } else { format!("{found} line(s) removed") };
        return Ok((lines.concat(), message));
    }
    let after = anchor(args, "insertafter", "EOF")?;
    let before = anchor(args, "insertbefore", "EOF")?;
    let mut hit = None;
    if regexp.is_some() || search.is_some() {
        let mut hits = lines.iter().enumerate().filter(|(_, line)| match (&regexp, search) {
            (Some(regex), _) => is(regex, line),
            (None, search) => search.is_some_and(|search| line.contains(search)),
        });
        hit = if first { hits.next() } else { hits.next_back() }.map(|(at, _)| at);
    }
    let matched = hit.is_some();
    let mut spot = None;
    if !matched {
        for (at, line) in lines.iter().enumerate() {
            if bare(line) == wanted.trim_end_matches(['\r', '\n']) {
                hit = Some(at);
            } else if after.as_ref().is_some_and(|regex| is(regex, line)) {
                spot = Some(at + 1);
                if first {
                    break;
                }
            } else if before.as_ref().is_some_and(|regex| is(regex, line)) {
                spot = Some(at);
                if first {
                    break;
                }
            }
        }
    }
    let ended = |line: &str| if line.ends_with('\n') { line.to_owned() } else { format!("{line}\n") };
    let place = |name: &str| text(args, name);
    let mut message = "line added";
    match (hit, spot) {
        (Some(at), _) => {
            let new = match regexp.as_ref().filter(|_| flag(args, "backrefs") && matched) {
                Some(regex) => match regex.captures(lines[at].as_str()) {
                    Ok(Some(captures)) => expand(wanted, &captures)?,
                    _ => wanted.to_owned(),
                },
                None => wanted.to_owned(),
            };
            let new = ended(&new);
            message = if lines[at] == new { "" } else { "line replaced" };
            lines[at] = new;
        }
        (None, _) if flag(args, "backrefs") => message = "",
        (None, _) if place("insertbefore") == Some("BOF") || place("insertafter") == Some("BOF") => {
            lines.insert(0, ended(wanted));
        }
        (None, Some(at)) if after.is_some() => match lines.get(at).or(lines.last()) {
            Some(next) if bare(next) == bare(wanted) => message = "",
            _ => {
                if let Some(last) = lines.last_mut() {
                    *last = ended(last);
                }
                lines.insert(at, ended(wanted));
            }
        },
        (None, Some(at)) => lines.insert(at, ended(wanted)),
        (None, None) => {
            if let Some(last) = lines.last_mut() {
                *last = ended(last);
            }
            lines.push(ended(wanted));
        }
    }
    Ok((lines.concat(), message.to_owned()))
}

/// What `blockinfile` makes of a text, and what it says of it. `begin` and `end` are its marker lines.
pub fn block(text_now: &str, args: &Args, begin: &str, end: &str) -> Result<(String, String), String> {
    let mut lines: Vec<String> = text_now.split_inclusive('\n').map(str::to_owned).collect();
    let present = text(args, "state") != Some("absent");
    let wanted = if present { text(args, "block").unwrap_or_default() } else { "" };
    let (begin, end) = (format!("{begin}\n"), format!("{end}\n"));
    let mut new: Vec<String> = Vec::new();
    if !wanted.is_empty() {
        new.push(begin.clone());
        new.extend(wanted.strip_suffix('\n').unwrap_or(wanted).split('\n').map(|line| format!("{line}\n")));
        new.push(end.clone());
    }
    let find = |wanted: &str, lines: &[String]| lines.iter().rposition(|line| line == wanted);
    let mut at = match (find(&begin, &lines), find(&end, &lines)) {
        (Some(from), Some(to)) => {
            let (from, to) = (from.min(to), from.max(to));
            lines.drain(from..=to);
            from
        }
        _ => new_place(text_now, args, &lines)?,
    };
    if at > 0 && !lines[at - 1].ends_with('\n') {
        lines[at - 1].push('\n');
    }
    if present && flag(args, "prepend_newline") && at > 0 && lines[at - 1] != "\n" {
        lines.insert(at, "\n".to_owned());
        at += 1;
    }
    let (filled, behind) = (!new.is_empty(), at + new.len());
    lines.splice(at..at, new);
    if present && flag(args, "append_newline") && lines.get(behind).is_some_and(|line| line != "\n") {
        lines.insert(behind, "\n".to_owned());
    }
    Ok((lines.concat(), if filled { "Block inserted" } else { "Block removed" }.to_owned()))
}

fn new_place(text_now: &str, args: &Args, lines: &[String]) -> Result<usize, String> {
    let (after, before) = (text(args, "insertafter"), text(args, "insertbefore"));
    let Some(pattern) = after.or(before).filter(|given| !matches!(*given, "BOF" | "EOF")) else {
        return Ok(if before == Some("BOF") || after == Some("BOF") { 0 } else { lines.len() });
    };
    let regex = compile(pattern, Flags::default())?;
    // An expression that says so itself goes over the whole text.
    let over_all = pattern.starts_with("(?")
        && pattern.split(')').next().is_some_and(|flags| flags.contains('m') && !flags.contains(':'));
    let hit = if over_all {
        let found = regex.find(text_now).map_err(|why| format!("the regular expression takes too long: {why}"))?;
        found.map(|m| text_now[..if after.is_some() { m.end() } else { m.start() }].matches('\n').count())
    } else {
        lines.iter().rposition(|line| is(&regex, line))
    };
    Ok(hit.map_or(lines.len(), |at| (at + usize::from(after.is_some())).min(lines.len())))
}

/// Reads the file, changes it with `change`, writes it back.
pub async fn lead<F>(args: Args, host: Host, change: F) -> Result<Outcome, Trouble>
where
    F: Fn(&str) -> Result<(String, String), String> + Send,
{
    let file: Opened = edit::open(&host, &args).await?;
    let absent = text(&args, "state") == Some("absent");
    match file.kind.as_str() {
        "file" => {}
        "absent" if absent => {
            let mut outcome = Outcome::default();
            outcome.result.insert("msg".into(), "file not present".into());
            outcome.result.insert("found".into(), 0.into());
            return Ok(outcome);
        }
        "absent" if flag(&args, "create") => {}
        "absent" => {
            let mut outcome = Outcome::failure(format!("Destination {} does not exist !", file.path));
            outcome.result.insert("rc".into(), 257.into());
            return Ok(outcome);
        }
        other => return Err(format!("`{}` is a {other}, no text file", file.path).into()),
    }
    let (new, message) = change(&file.text)?;
    let message =
        if file.kind == "absent" && message.starts_with("Block") { "File created".to_owned() } else { message };
    let mut outcome = edit::save(&host, &args, &file, new, &message).await?;
    super::listed(&args, &mut outcome.result);
    let kept = outcome.result.get("backup_file").cloned().unwrap_or_else(|| "".into());
    outcome.result.insert("backup".into(), kept);
    if absent {
        let found = message.split(' ').next().and_then(|word| word.parse::<u64>().ok()).unwrap_or_default();
        outcome.result.insert("found".into(), found.into());
    }
    Ok(outcome)
}
