//! Comparing versions: loosely, strictly, by Semantic Versioning, or by Python's PEP 440.

use std::cmp::Ordering;

use minijinja::{Error, value::Value};

use super::{call::Call, dump::py_str};

/// The test `version`.
pub(super) fn test(c: &mut Call) -> Result<Value, Error> {
    let (left, right) = (c.text(), py_str(c.need(0, "version")?));
    let operator = c.str_or(1, "eq");
    if c.some(2).is_some() && c.some(3).is_some() {
        return Err(c.fault("Cannot specify both 'strict' and 'version_type'"));
    }
    if left.is_empty() {
        return Err(c.fault("Input version value cannot be empty"));
    }
    if right.is_empty() {
        return Err(c.fault("Version parameter to compare against cannot be empty"));
    }
    let kind = if c.flag(2, false) { "strict".into() } else { c.str_or(3, "loose") };
    let order = match kind.as_str() {
        "loose" => loose(&left).partial_cmp(&loose(&right)),
        "strict" => both(strict, &left, &right, c)?.into(),
        "semver" | "semantic" => both(semantic, &left, &right, c)?.into(),
        "pep440" => both(pep440, &left, &right, c)?.into(),
        other => {
            return Err(c.fault(format_args!(
                "Invalid version type ({other}). Must be one of loose, strict, semver, semantic, pep440"
            )));
        }
    };
    let Some(order) = order else {
        return Err(c.fault(format_args!(
            "Version comparison failed: a number and a word cannot be compared in `{left}` and `{right}`"
        )));
    };
    Ok(match operator.as_str() {
        "==" | "=" | "eq" => order == Ordering::Equal,
        "!=" | "<>" | "ne" => order != Ordering::Equal,
        "<" | "lt" => order == Ordering::Less,
        "<=" | "le" => order != Ordering::Greater,
        ">" | "gt" => order == Ordering::Greater,
        ">=" | "ge" => order != Ordering::Less,
        other => {
            return Err(c.fault(format_args!(
                "Invalid operator type ({other}). Must be one of ==, =, eq, <, lt, <=, le, >, gt, >=, ge, !=, <>, ne"
            )));
        }
    }
    .into())
}

fn both<T: Ord>(read: fn(&str) -> Option<T>, left: &str, right: &str, c: &Call) -> Result<Ordering, Error> {
    let fail = |text: &str| c.fault(format_args!("Version comparison failed: invalid version number '{text}'"));
    Ok(read(left).ok_or_else(|| fail(left))?.cmp(&read(right).ok_or_else(|| fail(right))?))
}

/// A piece of a loose version.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Number(u128),
    Word(String),
}

impl PartialOrd for Part {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => Some(a.cmp(b)),
            (Self::Word(a), Self::Word(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }
}

/// Digits, small letters, and what stands between them but dots.
fn loose(text: &str) -> Vec<Part> {
    let kind = |c: char| match c {
        '.' => 0,
        c if c.is_ascii_digit() => 1,
        c if c.is_ascii_lowercase() => 2,
        _ => 3,
    };
    let mut found: Vec<(u8, String)> = Vec::new();
    for c in text.chars() {
        match found.last_mut() {
            Some((last, word)) if *last == kind(c) && *last != 0 => word.push(c),
            _ => found.push((kind(c), c.to_string())),
        }
    }
    let part = |(_, word): (u8, String)| word.trim().parse().map_or(Part::Word(word), Part::Number);
    found.into_iter().filter(|(kind, _)| *kind != 0).map(part).collect()
}

/// Its numbers, whether there are three, and what comes before a release.
type Strict = (Vec<u64>, bool, Option<(char, u64)>);

/// `1.2`, `1.2.3`, `1.2a1`: numbers, then `a` or `b` with a number before none.
fn strict(text: &str) -> Option<Strict> {
    let at = text.find(['a', 'b']).unwrap_or(text.len());
    let (core, pre) = text.split_at(at);
    let mut numbers: Vec<u64> = core.split('.').map(number).collect::<Option<_>>()?;
    if !matches!(numbers.len(), 2 | 3) {
        return None;
    }
    numbers.resize(3, 0);
    let pre = match pre.chars().next() {
        Some(letter) => Some((letter, number(&pre[1..])?)),
        None => None,
    };
    Some((numbers, pre.is_none(), pre))
}

fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// A word of a pre-release: numbers come before words.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Pre {
    Number(u64),
    Word(String),
}

/// `major.minor.patch-pre+build`; the build does not count.
fn semantic(text: &str) -> Option<([u64; 3], bool, Vec<Pre>)> {
    let (text, build) = text.split_once('+').map_or((text, None), |(text, build)| (text, Some(build)));
    let word = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if build.is_some_and(|build| !build.split('.').all(word)) {
        return None;
    }
    let (core, pre) = text.split_once('-').map_or((text, None), |(core, pre)| (core, Some(pre)));
    let whole = |text: &str| number(text).filter(|_| text == "0" || !text.starts_with('0'));
    let numbers: Vec<u64> = core.split('.').map(whole).collect::<Option<_>>()?;
    let numbers: [u64; 3] = numbers.try_into().ok()?;
    let mut words = Vec::new();
    for part in pre.map(|pre| pre.split('.')).into_iter().flatten() {
        if !word(part) {
            return None;
        }
        let digits = part.bytes().all(|byte| byte.is_ascii_digit());
        words.push(if digits { Pre::Number(whole(part)?) } else { Pre::Word(part.to_owned()) });
    }
    Some((numbers, pre.is_none(), words))
}

type Pep = (u64, Vec<u64>, (i8, u64), (bool, u64), (bool, u64), Vec<(bool, u64, String)>);

/// Epoch, release, pre-release, post-release, development release, local version.
fn pep440(text: &str) -> Option<Pep> {
    let text = text.trim().to_ascii_lowercase();
    let text = text.strip_prefix('v').unwrap_or(&text);
    let (text, local) = text.split_once('+').map_or((text, None), |(text, local)| (text, Some(local)));
    let (epoch, mut rest) = match text.split_once('!') {
        Some((epoch, rest)) => (number(epoch)?, rest),
        None => (0, text),
    };
    let mut release = Vec::new();
    loop {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        release.push(number(&rest[..end])?);
        rest = &rest[end..];
        match rest.strip_prefix('.') {
            Some(more) if more.starts_with(|c: char| c.is_ascii_digit()) => rest = more,
            _ => break,
        }
    }
    while release.len() > 1 && release.last() == Some(&0) {
        release.pop();
    }
    let (mut pre, mut post, mut dev) = (None, None, None);
    while !rest.is_empty() {
        let bare = rest.trim_start_matches(['.', '-', '_']);
        let end = bare.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(bare.len());
        let (word, after) = bare.split_at(end);
        let after = after.strip_prefix(['.', '-', '_']).unwrap_or(after);
        let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        let count = if end == 0 { 0 } else { number(&after[..end])? };
        rest = &after[end..];
        match word {
            "a" | "alpha" => pre = Some((0, count)),
            "b" | "beta" => pre = Some((1, count)),
            "c" | "rc" | "pre" | "preview" => pre = Some((2, count)),
            "post" | "rev" | "r" => post = Some(count),
            "" if end > 0 => post = Some(count),
            "dev" => dev = Some(count),
            _ => return None,
        }
    }
    // A development release without more comes first, a final one after its pre-releases.
    let pre_key = match (pre, post, dev) {
        (Some(pre), ..) => pre,
        (None, None, Some(_)) => (-1, 0),
        _ => (3, 0),
    };
    // Words come before numbers here.
    let part = |part: &str| number(part).map_or((false, 0, part.to_owned()), |number| (true, number, String::new()));
    let local = local.map(|local| local.split(['.', '-', '_']).map(part).collect()).unwrap_or_default();
    Some((epoch, release, pre_key, (post.is_some(), post.unwrap_or(0)), (dev.is_none(), dev.unwrap_or(0)), local))
}
