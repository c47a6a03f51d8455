//! Paths, of this machine's kind and of Windows'.

use std::path::Path;

use minijinja::{
    Error,
    value::{Tuple, Value, ValueKind},
};

use super::super::{
    call::{Call, Entry, entry, items_of},
    dump::py_str,
};

pub(in super::super) static TABLE: &[Entry] = &[
    entry(&["basename"], "", |c| Ok(c.text().rsplit('/').next().unwrap_or_default().into())),
    entry(&["commonpath"], "", commonpath),
    entry(&["dirname"], "", |c| {
        let text = c.text();
        let head = text.rfind('/').map_or("", |at| &text[..=at]);
        let cut = head.trim_end_matches('/');
        Ok(if cut.is_empty() { head } else { cut }.into())
    }),
    entry(&["expanduser"], "", |c| Ok(expand_user(&c.text()).into())),
    entry(&["expandvars"], "", |c| Ok(expand_vars(&c.text()).into())),
    entry(&["fileglob"], "", |c| {
        let found = super::super::lookups::glob_files(Path::new(&c.text()));
        Ok(found.into_iter().map(|path| path.display().to_string()).collect::<Vec<_>>().into())
    }),
    entry(&["normpath"], "", |c| Ok(normalize(&c.text()).into())),
    entry(&["path_join"], "", path_join),
    entry(&["realpath"], "", |c| {
        let path = absolute(&c.text());
        Ok(std::fs::canonicalize(&path).map_or(path, |real| real.display().to_string()).into())
    }),
    entry(&["relpath"], "start", |c| {
        let start = c.str_or(0, ".");
        Ok(relative(&absolute(&c.text()), &absolute(&start)).into())
    }),
    entry(&["splitext"], "", |c| {
        let path = c.text();
        let name = path.rfind('/').map_or(0, |at| at + 1);
        let dots = path[name..].len() - path[name..].trim_start_matches('.').len();
        let at = path[name + dots..].rfind('.').map_or(path.len(), |at| name + dots + at);
        Ok(Tuple::from([path[..at].into(), path[at..].into()]).into())
    }),
    entry(&["win_basename"], "", |c| {
        let path = c.text();
        let (_, rest) = win_drive(&path);
        Ok(rest.rsplit(['/', '\\']).next().unwrap_or_default().into())
    }),
    entry(&["win_dirname"], "", |c| {
        let path = c.text();
        let (drive, rest) = win_drive(&path);
        let head = rest.rfind(['/', '\\']).map_or("", |at| &rest[..=at]);
        let cut = head.trim_end_matches(['/', '\\']);
        Ok(format!("{drive}{}", if cut.is_empty() { head } else { cut }).into())
    }),
    entry(&["win_splitdrive"], "", |c| {
        let path = c.text();
        let (drive, rest) = win_drive(&path);
        Ok(Tuple::from([drive.into(), rest.into()]).into())
    }),
];

/// `C:` or `\\server\share`, and the rest.
fn win_drive(path: &str) -> (&str, &str) {
    let slash = |c: char| matches!(c, '/' | '\\');
    if let Some(rest) = path.strip_prefix(slash).and_then(|rest| rest.strip_prefix(slash)) {
        if rest.starts_with(slash) {
            return path.split_at(0);
        }
        let Some(server) = rest.find(slash) else { return path.split_at(path.len()) };
        let share = rest[server + 1..].find(slash).map_or(rest.len(), |at| server + 1 + at);
        return path.split_at(2 + share);
    }
    let mut letters = path.char_indices();
    match (letters.next(), letters.next()) {
        (Some(_), Some((at, ':'))) => path.split_at(at + 1),
        _ => path.split_at(0),
    }
}

/// Python's `os.path.normpath`.
fn normalize(path: &str) -> String {
    if path.is_empty() {
        return ".".into();
    }
    let root = match path.bytes().take_while(|byte| *byte == b'/').count() {
        0 => "",
        2 => "//",
        _ => "/",
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !matches!(*part, "" | ".")) {
        match (part, parts.last()) {
            ("..", None) if !root.is_empty() => {}
            ("..", Some(last)) if *last != ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    let made = format!("{root}{}", parts.join("/"));
    if made.is_empty() { ".".into() } else { made }
}

fn absolute(path: &str) -> String {
    if path.starts_with('/') {
        return normalize(path);
    }
    let here = std::env::current_dir().map(|here| here.display().to_string()).unwrap_or_default();
    normalize(&format!("{here}/{path}"))
}

fn relative(path: &str, start: &str) -> String {
    let parts = |path: &str| path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let (path, start) = (parts(path), parts(start));
    let same = path.iter().zip(&start).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n("..".to_owned(), start.len() - same);
    let made: Vec<String> = up.chain(path[same..].iter().cloned()).collect();
    if made.is_empty() { ".".into() } else { made.join("/") }
}

fn expand_user(path: &str) -> String {
    let Some(rest) = path.strip_prefix('~') else { return path.to_owned() };
    let (user, rest) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let home = if user.is_empty() {
        std::env::var("HOME").ok()
    } else {
        let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let fields = accounts.lines().map(|line| line.split(':').collect::<Vec<_>>());
        fields
            .into_iter()
            .find(|line| line.first() == Some(&user))
            .and_then(|line| line.get(5).map(|s| (*s).to_owned()))
    };
    match home {
        Some(home) => format!("{}{rest}", home.trim_end_matches('/')),
        None => path.to_owned(),
    }
}

/// `$NAME` and `${NAME}`; what is not set stays as it is.
fn expand_vars(path: &str) -> String {
    let mut made = String::new();
    let mut rest = path;
    while let Some(at) = rest.find('$') {
        made.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let (name, len) = if let Some(end) = after.strip_prefix('{').and_then(|inner| inner.find('}')) {
            (&after[1..=end], end + 2)
        } else {
            let end = after.find(|c: char| !word(c)).unwrap_or(after.len());
            (&after[..end], end)
        };
        match std::env::var(name) {
            Ok(value) if !name.is_empty() => made.push_str(&value),
            _ => made.push_str(&rest[at..=at + len]),
        }
        rest = &after[len..];
    }
    made + rest
}

fn path_join(c: &mut Call) -> Result<Value, Error> {
    let parts = match c.value.kind() {
        ValueKind::String => vec![c.text()],
        ValueKind::Seq | ValueKind::Iterable => c.items()?.iter().map(py_str).collect(),
        _ => return Err(c.fault("|path_join expects string or sequence")),
    };
    let mut made = String::new();
    for (at, part) in parts.iter().enumerate() {
        if part.starts_with('/') || at == 0 {
            made.clone_from(part);
        } else {
            if !made.is_empty() && !made.ends_with('/') {
                made.push('/');
            }
            made.push_str(part);
        }
    }
    Ok(made.into())
}

fn commonpath(c: &mut Call) -> Result<Value, Error> {
    if !matches!(c.value.kind(), ValueKind::Seq | ValueKind::Iterable) {
        return Err(c.fault("|commonpath expects sequence"));
    }
    let paths: Vec<String> = items_of(&c.value)?.iter().map(py_str).collect();
    let Some(first) = paths.first() else { return Err(c.fault("commonpath() arg is an empty sequence")) };
    let root = first.starts_with('/');
    if paths.iter().any(|path| path.starts_with('/') != root) {
        return Err(c.fault("Can't mix absolute and relative paths"));
    }
    let parts =
        |path: &str| path.split('/').filter(|part| !matches!(*part, "" | ".")).map(str::to_owned).collect::<Vec<_>>();
    let mut common = parts(first);
    for path in &paths[1..] {
        let other = parts(path);
        let same = common.iter().zip(&other).take_while(|(a, b)| a == b).count();
        common.truncate(same);
    }
    Ok(format!("{}{}", if root { "/" } else { "" }, common.join("/")).into())
}
