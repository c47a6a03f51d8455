//! `include_vars`: variables out of a file or the files of a folder.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::{Map, Value};

use super::HostRun;
use crate::playbook::{
    ast::Task,
    modules::convert::{bool_of, text_of},
    template::{self, Error, OMIT, View},
    yaml::{self, Data},
};

const KNOWN: &[&str] = &[
    "file",
    "dir",
    "name",
    "depth",
    "files_matching",
    "ignore_files",
    "extensions",
    "ignore_unknown_extensions",
    "hash_behaviour",
];

fn wrong(message: impl Into<String>) -> Error {
    Error::Wrong(message.into())
}

impl HostRun<'_> {
    /// The variables, and the files they come from.
    pub(in crate::playbook::run) fn read_included(
        &self,
        task: &Task,
        view: &Arc<View>,
        args: &Map<String, Value>,
    ) -> Result<(Map<String, Value>, Vec<String>), Error> {
        let mut given = Map::new();
        for (name, value) in args {
            if !KNOWN.contains(&name.as_str()) {
                return Err(wrong(format!("{name} is not a valid option in include_vars")));
            }
            let value = template::value(view, value)?;
            if value.as_str() != Some(OMIT) && !value.is_null() {
                given.insert(name.clone(), value);
            }
        }
        let text = |name: &str| given.get(name).map(text_of);
        let flag = |name: &str| given.get(name).and_then(bool_of).unwrap_or(false);
        let list = |name: &str| match given.get(name) {
            Some(Value::Array(items)) => items.iter().map(text_of).collect(),
            Some(one) => text_of(one).split([',', ' ']).map(str::to_owned).filter(|t| !t.is_empty()).collect(),
            None => Vec::new(),
        };
        let mut vars = Map::new();
        let mut files = Vec::new();
        if let Some(dir) = text("dir") {
            if given.contains_key("file") {
                return Err(wrong("You are mixing file only and dir only arguments, these are incompatible"));
            }
            let folder = self.find_vars(task, &dir, Path::is_dir);
            let folder = folder.ok_or_else(|| wrong(format!("{dir} directory does not exist")))?;
            let matching = text("files_matching").map(|pattern| fancy_regex::Regex::new(&pattern)).transpose();
            let matching = matching.map_err(|e| wrong(format!("`files_matching`: {e}")))?;
            let extensions = if given.contains_key("extensions") {
                list("extensions")
            } else {
                ["yaml", "yml", "json"].map(String::from).to_vec()
            };
            let ignored: Vec<fancy_regex::Regex> = list("ignore_files")
                .iter()
                .filter_map(|name| fancy_regex::Regex::new(&format!("{name}$")).ok())
                .collect();
            let depth = text("depth").and_then(|depth| depth.parse::<usize>().ok()).unwrap_or(0);
            for path in walk(&folder, if depth == 0 { usize::MAX } else { depth }) {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                if matching.as_ref().is_some_and(|regex| !regex.is_match(&name).unwrap_or(false))
                    || ignored.iter().any(|regex| regex.is_match(&name).unwrap_or(false))
                {
                    continue;
                }
                let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
                // What stands in a role beside `main.yml` is read already.
                if !extensions.iter().any(|known| known.trim_start_matches('.') == extension) {
                    if flag("ignore_unknown_extensions") || matching.is_some() {
                        continue;
                    }
                    let known = extensions.join(", ");
                    return Err(wrong(format!("{} does not have a valid extension: {known}", path.display())));
                }
                vars.extend(self.read_map(&path)?);
                files.push(path.display().to_string());
            }
        } else {
            let file = text("file").filter(|file| !file.is_empty());
            let file = file.ok_or_else(|| wrong("Could not find file: `include_vars` needs `file` or `dir`"))?;
            let path = self.find_vars(task, &file, Path::is_file);
            let path =
                path.ok_or_else(|| wrong(format!("Could not find or access '{file}' on the Ansible Controller.")))?;
            vars = self.read_map(&path)?;
            files.push(std::path::absolute(&path).unwrap_or(path).display().to_string());
        }
        if let Some(name) = text("name").filter(|name| !name.is_empty()) {
            vars = Map::from_iter([(name, Value::Object(vars))]);
        }
        if given.get("hash_behaviour").and_then(Value::as_str) == Some("merge") {
            for (name, value) in &mut vars {
                if let Some(old) = view.raw(name).cloned() {
                    let mut both = Map::from_iter([(name.clone(), old)]);
                    merge(&mut both, Map::from_iter([(name.clone(), value.take())]), given.get("hash_behaviour"));
                    *value = both.remove(name).unwrap_or_default();
                }
            }
        }
        Ok((vars, files))
    }

    fn find_vars(&self, task: &Task, name: &str, good: fn(&Path) -> bool) -> Option<PathBuf> {
        let mut candidates = Vec::new();
        if let Some(role) = &task.role {
            candidates.push(role.path.join("vars").join(name));
            candidates.push(role.path.join("tasks").join(name));
            candidates.push(role.path.join(name));
        }
        for folder in task.search.iter().filter(|path| !path.ends_with("files") && !path.ends_with("templates")) {
            candidates.push(folder.join("vars").join(name));
            candidates.push(folder.join(name));
        }
        let base = &self.batch.play.base;
        candidates.push(base.join("vars").join(name));
        candidates.push(base.join(name));
        candidates.into_iter().find(|path| good(path))
    }

    fn read_map(&self, path: &Path) -> Result<Map<String, Value>, Error> {
        let node = yaml::read_with(path, &self.run.options.vault).map_err(|fault| wrong(fault.to_string()))?;
        match node {
            None => Ok(Map::new()),
            Some(node) if matches!(node.data, Data::Map(_)) => Ok(node.to_map()),
            Some(node) if matches!(node.data, Data::Null) => Ok(Map::new()),
            Some(_) => Err(wrong(format!("{} must be stored as a dictionary/hash", path.display()))),
        }
    }
}

/// The files of a folder and its folders, by name.
fn walk(folder: &Path, depth: usize) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    entries.sort();
    let (folders, mut found): (Vec<PathBuf>, Vec<PathBuf>) = entries.into_iter().partition(|path| path.is_dir());
    if depth > 1 {
        for folder in folders {
            found.extend(walk(&folder, depth - 1));
        }
    }
    found
}

fn merge(into: &mut Map<String, Value>, more: Map<String, Value>, behaviour: Option<&Value>) {
    let deep = behaviour.and_then(Value::as_str) == Some("merge");
    for (name, value) in more {
        match (into.get_mut(&name), value) {
            (Some(Value::Object(old)), Value::Object(new)) if deep => merge(old, new, behaviour),
            (_, value) => {
                into.insert(name, value);
            }
        }
    }
}
