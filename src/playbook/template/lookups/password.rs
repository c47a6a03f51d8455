//! The lookup `password`: one that is made at the first run and kept in a file.

use std::{
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
    sync::{Mutex, PoisonError},
};

use minijinja::value::Value as Jinja;
use serde_json::Value;

use super::{Ask, Fault, Lookup, lookup_of, wrong};
use crate::playbook::{crypt, modules::convert, template::filters::random::Source, value::to_jinja};

pub(super) static TABLE: &[Lookup] =
    &[lookup_of("password", &["length", "encrypt", "chars", "ident", "seed"], |ask| {
        ask.texts().iter().map(|term| one(ask, term).map(Value::String)).collect()
    })];

/// Hosts that ask at once get the same password.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn one(ask: &Ask<'_>, term: &str) -> Result<String, Fault> {
    let mut options = ask.options.clone();
    let mut words = Vec::new();
    let mut seen = false;
    for word in term.split(' ') {
        match word.split_once('=').filter(|(name, _)| !name.contains('/')) {
            Some((name, value)) if ["length", "encrypt", "chars", "ident", "seed"].contains(&name) => {
                options.insert(name.to_owned(), Value::String(value.to_owned()));
                seen = true;
            }
            Some((name, _)) if !words.is_empty() => {
                return Err(wrong(format!("Unrecognized parameter(s) given to password lookup: {name}")));
            }
            _ if seen && !word.is_empty() => {
                return Err(wrong("Unrecognized value after key=value parameters given to password lookup"));
            }
            _ => words.push(word),
        }
    }
    let name = words.join(" ").trim_end().to_owned();
    let own = Ask { view: ask.view, terms: Vec::new(), options };
    let folder = ask.folder();
    let path = if name.starts_with('/') { name.clone().into() } else { folder.join(&name) };
    let nowhere = name == "/dev/null";
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let kept = if nowhere { None } else { std::fs::read_to_string(&path).ok() };
    let mut changed = false;
    let (plain, mut salt) = if let Some(kept) = kept.as_deref().map(str::trim_end) {
        match kept.rsplit_once(" salt=") {
            Some((plain, rest)) => (plain.to_owned(), rest.split(" ident=").next().map(str::to_owned)),
            None => (kept.to_owned(), None),
        }
    } else {
        changed = true;
        (made(&own)?, None)
    };
    let encrypt = own.option("encrypt").map(convert::text_of).filter(|kind| !kind.is_empty());
    if encrypt.is_some() && salt.is_none() {
        salt = Some(crypt::random_salt(16));
        changed = true;
    }
    if changed && !nowhere {
        let text = match &salt {
            Some(salt) => format!("{plain} salt={salt}\n"),
            None => format!("{plain}\n"),
        };
        write(&path, &text).map_err(|why| wrong(format!("`{}` cannot be written: {why}", path.display())))?;
    }
    match encrypt {
        Some(kind) => {
            let kind = kind.trim_end_matches("_crypt").to_owned();
            let rounds = match kind.as_str() {
                "sha512" => Some(656_000),
                "sha256" => Some(535_000),
                _ => None,
            };
            crypt::hash(&plain, &kind, salt.as_deref(), rounds).map_err(wrong)
        }
        None => Ok(plain),
    }
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

/// A new password out of the letters that are wanted.
fn made(ask: &Ask<'_>) -> Result<String, Fault> {
    let length = ask.number("length", 20)?;
    if length > 4096 {
        return Err(wrong("a password of more than 4096 letters"));
    }
    let kinds: Vec<String> = match ask.option("chars") {
        None => vec!["ascii_letters".into(), "digits".into(), ".,:-_".into()],
        Some(Value::Array(kinds)) => kinds.iter().map(convert::text_of).collect(),
        Some(one) => {
            // Two commas are one that is meant.
            let text = convert::text_of(one);
            let comma = text.contains(",,").then(|| ",".to_owned());
            let rest = text.replace(",,", ",");
            comma.into_iter().chain(rest.split(',').filter(|kind| !kind.is_empty()).map(str::to_owned)).collect()
        }
    };
    let (small, large) = ("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    let letters: Vec<char> = kinds
        .iter()
        .map(|kind| match kind.as_str() {
            "ascii_letters" => format!("{small}{large}"),
            "ascii_lowercase" => small.to_owned(),
            "ascii_uppercase" => large.to_owned(),
            "digits" => "0123456789".into(),
            "hexdigits" => "0123456789abcdefABCDEF".into(),
            "octdigits" => "01234567".into(),
            "punctuation" => "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~".into(),
            "whitespace" => " \t\n\r\u{b}\u{c}".into(),
            other => other.to_owned(),
        })
        .collect::<String>()
        .chars()
        .filter(|c| !matches!(c, '"' | '\''))
        .collect();
    if letters.is_empty() {
        return Err(wrong("`chars` leaves no letter for a password"));
    }
    let seed: Option<Jinja> = ask.option("seed").map(to_jinja);
    let mut source = Source::new(seed.as_ref()).map_err(|why| wrong(why.to_string()))?;
    let mut pick = || letters[usize::try_from(source.below(letters.len() as u64)).unwrap_or(0)];
    Ok((0..length).map(|_| pick()).collect())
}
