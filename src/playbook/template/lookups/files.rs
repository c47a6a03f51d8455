//! Lookups in files of this machine.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::{Map, Value};

use super::{Ask, Found, Lookup, lookup_of, wrong};
use crate::playbook::{
    modules::convert,
    template::{Error as Fault, Layer, Style, View, file},
};

pub(super) static TABLE: &[Lookup] = &[
    lookup_of("file", &["rstrip", "lstrip"], |ask| {
        let (rstrip, lstrip) = (ask.flag("rstrip", true)?, ask.flag("lstrip", false)?);
        let mut found = Vec::new();
        for name in ask.texts() {
            let text = read(ask.view, "files", &name)?;
            let text = if lstrip { text.trim_start() } else { &text };
            found.push(Value::String(if rstrip { text.trim_end() } else { text }.to_owned()));
        }
        Ok(found)
    }),
    lookup_of("fileglob", &[], |ask| Ok(ask.texts().iter().flat_map(|pattern| glob(ask.view, pattern)).collect())),
    lookup_of("first_found", &["files", "paths", "skip"], first_found),
    lookup_of(
        "template",
        &[
            "template_vars",
            "trim_blocks",
            "lstrip_blocks",
            "variable_start_string",
            "variable_end_string",
            "comment_start_string",
            "comment_end_string",
            "convert_data",
            "jinja2_native",
        ],
        template,
    ),
    lookup_of("unvault", &[], |ask| {
        let texts = ask.texts();
        texts.iter().map(|name| read(ask.view, "files", name).map(Value::String)).collect()
    }),
];

/// The file `name`: in the folders of its kind first.
pub(super) fn find(view: &View, kind: &str, name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(name);
    if path.is_absolute() {
        return path.exists().then_some(path);
    }
    candidates(view, kind, name).into_iter().find(|path| path.exists())
}

fn candidates(view: &View, kind: &str, name: &str) -> Vec<PathBuf> {
    let folders = view.search.iter();
    let beside = view.raw("playbook_dir").and_then(Value::as_str).map(PathBuf::from);
    folders
        .flat_map(|folder| [folder.join(kind).join(name), folder.join(name)])
        .chain(beside.into_iter().flat_map(|folder| [folder.join(kind).join(name), folder.join(name)]))
        .collect()
}

/// The text of the file `name`, a vault opened.
pub(super) fn read(view: &View, kind: &str, name: &str) -> Result<String, Fault> {
    read_as(view, kind, name, "utf-8")
}

/// The same in another encoding.
pub(super) fn read_as(view: &View, kind: &str, name: &str, encoding: &str) -> Result<String, Fault> {
    let latin = match encoding.to_ascii_lowercase().replace('_', "-").as_str() {
        "utf-8" | "utf8" | "ascii" => false,
        "iso8859-1" | "iso-8859-1" | "latin-1" | "latin1" => true,
        other => return Err(wrong(format!("only utf-8 and iso8859-1 can be read, not `{other}`"))),
    };
    let path = find(view, kind, name).ok_or_else(|| {
        let mut looked: Vec<String> = candidates(view, kind, name).iter().map(|p| p.display().to_string()).collect();
        looked.dedup();
        let looked = if looked.is_empty() { String::new() } else { format!("; looked at `{}`", looked.join("`, `")) };
        wrong(format!("there is no file `{name}` (No such file or directory){looked}"))
    })?;
    let wrong = |why: String| wrong(format!("`{}`: {why}", path.display()));
    let size = path.metadata().map_err(|why| wrong(why.to_string()))?.len();
    if size > 256 * 1024 * 1024 {
        return Err(wrong("is larger than 256 MiB".into()));
    }
    let bytes = std::fs::read(&path).map_err(|why| wrong(format!("cannot be read: {why}")))?;
    if latin {
        return Ok(bytes.into_iter().map(char::from).collect());
    }
    view.vault.text(bytes).map_err(wrong)
}

fn template(ask: &Ask<'_>) -> Found {
    let mut style = Style::default();
    style.trim_blocks = ask.flag("trim_blocks", style.trim_blocks)?;
    style.lstrip_blocks = ask.flag("lstrip_blocks", style.lstrip_blocks)?;
    style.variable.0 = ask.text("variable_start_string", &style.variable.0);
    style.variable.1 = ask.text("variable_end_string", &style.variable.1);
    style.comment.0 = ask.text("comment_start_string", &style.comment.0);
    style.comment.1 = ask.text("comment_end_string", &style.comment.1);
    let more = match ask.option("template_vars") {
        None => Map::new(),
        Some(Value::Object(map)) => map.clone(),
        Some(_) => return Err(wrong("`template_vars` is a mapping")),
    };
    let view =
        if more.is_empty() { Arc::clone(ask.view) } else { Arc::new(ask.view.with(Layer::lazy(Arc::new(more)))) };
    let mut found = Vec::new();
    for name in ask.texts() {
        let path = find(&view, "templates", &name)
            .ok_or_else(|| wrong(format!("the template file {name} could not be found for the lookup")))?;
        found.push(file::value(&view, &path, &name, style.clone())?);
    }
    Ok(found)
}

/// Commas, semicolons (and for paths colons) divide as well.
fn split(value: &Value, marks: &[char]) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().flat_map(|item| split(item, marks)).collect(),
        Value::Null => Vec::new(),
        one => {
            let text = convert::text_of(one);
            text.split(marks).map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
        }
    }
}

fn first_found(ask: &Ask<'_>) -> Found {
    let mut names = Vec::new();
    let mut skip = ask.flag("skip", false)?;
    let paths = ask.option("paths").cloned().unwrap_or_default();
    let terms = match ask.option("files") {
        Some(files) if ask.terms.is_empty() => vec![files.clone()],
        _ => ask.terms.clone(),
    };
    gather(&terms, &paths, &mut names, &mut skip)?;
    for name in &names {
        if let Some(path) = found_plainly(ask.view, name) {
            let full = std::path::absolute(&path).unwrap_or(path);
            let full = full.components().filter(|part| !matches!(part, std::path::Component::CurDir));
            return Ok(vec![Value::String(full.collect::<PathBuf>().display().to_string())]);
        }
    }
    if skip {
        return Ok(Vec::new());
    }
    Err(wrong(format!("No file was found when using first_found: none of `{}` exists", names.join("`, `"))))
}

/// A path beside the tasks; only `with_first_found` looks into folders for files or templates.
fn found_plainly(view: &View, name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(name);
    if path.is_absolute() {
        return path.exists().then_some(path);
    }
    let beside = view.raw("playbook_dir").and_then(Value::as_str).map(PathBuf::from);
    let folders = view.search.iter().filter(|path| !path.ends_with("files") && !path.ends_with("templates"));
    folders.cloned().chain(beside).map(|folder| folder.join(name)).find(|path| path.exists())
}

fn gather(terms: &[Value], paths: &Value, names: &mut Vec<String>, skip: &mut bool) -> Result<(), Fault> {
    let join = |paths: &Value, files: &Value, names: &mut Vec<String>, marks: bool| {
        let files = if marks { split(files, &[',', ';']) } else { vec![convert::text_of(files)] };
        let paths = split(paths, &[',', ':', ';']);
        if paths.is_empty() {
            names.extend(files);
        } else {
            names.extend(paths.iter().flat_map(|path| files.iter().map(move |file| format!("{path}/{file}"))));
        }
    };
    for term in terms {
        match term {
            Value::Object(map) => {
                if let Some(other) = map.keys().find(|key| !matches!(key.as_str(), "files" | "paths" | "skip")) {
                    return Err(wrong(format!("`first_found` has no option `{other}`")));
                }
                if let Some(flag) = map.get("skip") {
                    *skip = convert::bool_of(flag).unwrap_or(false);
                }
                let own = map.get("paths").cloned().unwrap_or_default();
                join(&own, map.get("files").unwrap_or(&Value::Null), names, true);
            }
            Value::Array(inner) => gather(inner, paths, names, skip)?,
            Value::String(_) => join(paths, term, names, true),
            _ => return Err(wrong("Invalid term supplied: `first_found` takes text, mappings and lists")),
        }
    }
    Ok(())
}

fn glob(view: &View, pattern: &str) -> Vec<Value> {
    let path = Path::new(pattern);
    let name = path.file_name().unwrap_or_default();
    let parent = path.parent().map(Path::to_owned).unwrap_or_default();
    let folders: Vec<PathBuf> = if path.is_absolute() {
        vec![parent]
    } else {
        let parent = parent.display().to_string();
        candidates(view, "files", &parent)
    };
    for folder in folders {
        let found = glob_in(&folder, &name.to_string_lossy());
        if !found.is_empty() {
            let full = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
            return found.into_iter().map(|path| Value::String(full(path).display().to_string())).collect();
        }
    }
    Vec::new()
}

fn glob_in(folder: &Path, name: &str) -> Vec<PathBuf> {
    let place = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries = std::fs::read_dir(place).map(|entries| entries.flatten().collect::<Vec<_>>()).unwrap_or_default();
    let mut names: Vec<String> = entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    let hidden = name.starts_with('.');
    names.retain(|entry| (hidden || !entry.starts_with('.')) && crate::playbook::inventory::glob(name, entry));
    names.into_iter().map(|entry| folder.join(entry)).filter(|path| path.is_file()).collect()
}

/// The files that a pattern names, in order of their names. Names that begin with a dot want one in the pattern.
pub(in super::super) fn glob_files(pattern: &Path) -> Vec<PathBuf> {
    let mut folders = vec![PathBuf::new()];
    let parts: Vec<_> = pattern.components().collect();
    let Some((last, before)) = parts.split_last() else { return Vec::new() };
    for part in before {
        let name = part.as_os_str().to_string_lossy();
        if !name.contains(['*', '?', '[']) {
            folders = folders.into_iter().map(|folder| folder.join(part)).collect();
            continue;
        }
        let mut next = Vec::new();
        for folder in folders {
            let place = if folder.as_os_str().is_empty() { Path::new(".") } else { folder.as_path() };
            let entries = std::fs::read_dir(place).map(|entries| entries.flatten().collect::<Vec<_>>());
            let mut names: Vec<_> = entries.unwrap_or_default().into_iter().map(|entry| entry.file_name()).collect();
            names.sort();
            let hidden = name.starts_with('.');
            next.extend(names.into_iter().filter_map(|entry| {
                let text = entry.to_string_lossy();
                let fits = (hidden || !text.starts_with('.')) && crate::playbook::inventory::glob(&name, &text);
                fits.then(|| folder.join(&entry))
            }));
        }
        folders = next;
        folders.truncate(10_000);
    }
    let name = last.as_os_str().to_string_lossy();
    if name.contains(['*', '?', '[']) {
        return folders.iter().flat_map(|folder| glob_in(folder, &name)).collect();
    }
    folders.into_iter().map(|folder| folder.join(last)).filter(|path| path.is_file()).collect()
}
