//! Template files: where they are included from, and what they know of themselves.

use std::{
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use minijinja::value::Value as Jinja;
use serde_json::{Map, Value};

use super::{Error, Layer, Style, View, env, fault, py_str, render};
use crate::playbook::value::to_json;

/// Renders a template file of the controller. `name` is what the task calls it, `dest` where the result goes.
pub fn file(view: &Arc<View>, path: &Path, name: &str, dest: &str, style: Style) -> Result<String, Error> {
    rendered(view, path, name, dest, style).map(|(text, _)| text)
}

/// What a template file gives as a value: its text, unless one expression alone made it, which keeps its type.
pub(super) fn value(view: &Arc<View>, path: &Path, name: &str, style: Style) -> Result<Value, Error> {
    let (text, alone) = rendered(view, path, name, "", style)?;
    let body = text.strip_suffix('\n').unwrap_or(&text);
    match alone {
        Some(value) if value.as_str().is_none() && py_str(&value) == body => {
            to_json(&value).map_err(|error| fault::explain(view, &error))
        }
        _ => Ok(Value::String(text)),
    }
}

/// The text, and the value that was put into it when there was one alone.
fn rendered(
    view: &Arc<View>,
    path: &Path,
    name: &str,
    dest: &str,
    style: Style,
) -> Result<(String, Option<Jinja>), Error> {
    let shown = path.display().to_string();
    let wrong = |why: String| Error::Wrong(format!("{shown}: {why}"));
    let bytes = std::fs::read(path).map_err(|why| wrong(format!("cannot be read: {why}")))?;
    let source = view.vault.text(bytes).map_err(wrong)?;
    let (style, body) = style.header(&source).map_err(wrong)?;
    let mut inner = view.with(Layer::fixed(about(view, path, name, dest)));
    inner.search = folders(path, &view.search);
    let inner = Arc::new(inner);
    let outer = env::watch_values();
    let made = render::styled(&inner, body, &shown, &style).map_err(|error| {
        let lines_before = source.len() - body.len();
        let line = error.line().map(|line| line + usize::from(lines_before > 0));
        match fault::explain(&inner, &error) {
            Error::Wrong(why) => match line {
                Some(line) => Error::Wrong(format!("{shown}:{line}: {why}")),
                None => wrong(why),
            },
            other => other,
        }
    });
    let alone = env::seen_value(outer, body);
    for warning in inner.take_warnings() {
        view.notes().warnings.insert(warning);
    }
    made.map(|text| (text, alone))
}

/// Where the parts of a template are looked for: beside it, then where the task looks.
fn folders(path: &Path, search: &[PathBuf]) -> Arc<[PathBuf]> {
    let mut found: Vec<PathBuf> = Vec::new();
    let own = path.parent().map(Path::to_owned).into_iter();
    for folder in own.chain(search.iter().flat_map(|folder| [folder.join("templates"), folder.clone()])) {
        if !found.contains(&folder) {
            found.push(folder);
        }
    }
    found.into()
}

fn about(view: &View, path: &Path, name: &str, dest: &str) -> Map<String, Value> {
    let full = std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string();
    let meta = path.metadata().ok();
    let when = |at: Option<std::time::SystemTime>| {
        let at = at
            .and_then(|at| jiff::Timestamp::try_from(at).ok())
            .unwrap_or_else(|| crate::clock::Clock::default().moment());
        let local = at.to_zoned(jiff::tz::TimeZone::system()).datetime();
        Value::String(local.strftime("%Y-%m-%d %H:%M:%S%.6f").to_string())
    };
    let owner = meta.as_ref().map(|meta| {
        let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let uid = meta.uid().to_string();
        let found = accounts.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let found = found.into_iter().find(|fields| fields.get(2) == Some(&uid.as_str()));
        found.map_or_else(|| uid.clone(), |fields| fields[0].to_owned())
    });
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned();
    let mut vars = Map::from_iter([
        ("template_host".to_owned(), Value::String(host)),
        ("template_path".to_owned(), Value::String(name.to_owned())),
        ("template_fullpath".to_owned(), Value::String(full)),
        ("template_mtime".to_owned(), when(meta.as_ref().and_then(|meta| meta.modified().ok()))),
        ("template_uid".to_owned(), Value::String(owner.unwrap_or_default())),
        ("template_run_date".to_owned(), when(None)),
        ("template_destpath".to_owned(), if dest.is_empty() { Value::Null } else { Value::String(dest.to_owned()) }),
    ]);
    if view.raw("ansible_managed").is_none() {
        vars.insert("ansible_managed".to_owned(), Value::String("Ansible managed".to_owned()));
    }
    vars
}
