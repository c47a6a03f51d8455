//! Tasks out of other files: imported when the playbook is read, included when a host comes to them.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::{Map, Value};

use super::{
    ast::{Action, Common, Include, Item, Place, Task},
    modules::{convert, near},
    parse::{Loader, MAX_IMPORTS},
    roles::ROLE_ARGS,
    tasks::is_loop,
    yaml::{self, Data, Node},
};

/// What `include_tasks`, `include_role` may have beside their arguments.
const INCLUDE_KEYS: &[&str] = &[
    "action",
    "args",
    "collections",
    "debugger",
    "ignore_errors",
    "loop",
    "loop_control",
    "name",
    "no_log",
    "register",
    "run_once",
    "tags",
    "timeout",
    "vars",
    "when",
    "include_tasks",
    "ansible.builtin.include_tasks",
    "ansible.legacy.include_tasks",
    "include_role",
    "ansible.builtin.include_role",
    "ansible.legacy.include_role",
];

impl Loader {
    pub(super) fn import_tasks(
        &mut self,
        entry: &Node,
        value: &Node,
        outer: &Common,
        place: &Place,
        found: &mut Vec<Item>,
    ) {
        let file = value.text().or_else(|| value.get("file").and_then(Node::text));
        let file = file.or_else(|| entry.get("args").and_then(|args| args.get("file")).and_then(Node::text));
        let Some(file) = file else { return self.fault(value, "the name of a file with tasks is expected here") };
        let own = self.common(entry);
        let Some(file) = self.fixed(value, file.strip_prefix("file=").unwrap_or(file), &own.vars) else { return };
        self.known_keys(value, &["file"], "an import of tasks");
        if is_loop(entry) {
            return self.fault(entry, "`import_tasks` cannot loop; use `include_tasks`");
        }
        if place.depth > MAX_IMPORTS {
            return self.fault(value, "tasks import each other in a circle");
        }
        let path = task_file(place, &file);
        let common = outer.around(own);
        let inner = inside(place, &path);
        match yaml::read_with(&path, &self.settings.keys) {
            Ok(Some(root)) => found.extend(self.items(&root, &common, &inner)),
            Ok(None) => {}
            Err(fault) if !path.is_file() => self.fault(value, format!("`{file}` {}", fault.message)),
            Err(fault) => self.faults.push(fault),
        }
    }

    /// `include_tasks` and `include_role`: read when a host comes to them.
    pub(super) fn include(
        &mut self,
        entry: &Node,
        value: &Node,
        role: bool,
        outer: &Common,
        place: &Place,
    ) -> Option<Task> {
        let what = if role { "`include_role`" } else { "`include_tasks`" };
        for (key, _) in entry.pairs().unwrap_or_default() {
            let name = key.key_text();
            if !INCLUDE_KEYS.contains(&name.as_str()) && !name.starts_with("with_") {
                self.fault(key, format!("{what} cannot have `{name}`; put it into `apply`"));
            }
        }
        if role && place.handlers {
            self.fault(value, "Using 'include_role' as a handler is not supported.");
        }
        let mut args = entry.get("args").map(Node::to_map).unwrap_or_default();
        match &value.data {
            Data::Map(_) => args.extend(value.to_map()),
            Data::Null => {}
            _ => {
                let line = value.key_text();
                let first = if role { "name" } else { "file" };
                match convert::words(&line) {
                    Ok(more) if line.contains('=') && !line.starts_with("{{") => args.extend(more),
                    _ => {
                        args.insert(first.into(), Value::String(line.trim().to_owned()));
                    }
                }
            }
        }
        if let Some(file) = args.remove("_raw_params") {
            args.insert("file".into(), file);
        }
        let apply = value.get("apply").or_else(|| entry.get("args").and_then(|args| args.get("apply")));
        let applied = apply.map(|node| self.common(node)).unwrap_or_default();
        args.remove("apply");
        let known: &[&str] = if role { ROLE_ARGS } else { &["file"] };
        for name in args.keys() {
            if !known.contains(&name.as_str()) {
                let hint = near(name, known.iter().copied());
                let hint = hint.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                self.faults.push(value.fault(format!("{what} has no argument `{name}`{hint}")));
            }
        }
        let first = if role { ["name", "role"] } else { ["file", "file"] };
        if !first.iter().any(|name| args.get(*name).is_some_and(|value| !value.is_null())) {
            self.fault(
                value,
                if role { "the name of a role is expected here" } else { "the name of a file is expected" },
            );
            return None;
        }
        let own = self.common(entry);
        let vars = own.vars.iter().fold(Map::new(), |mut all, vars| {
            all.extend(Map::clone(vars));
            all
        });
        let include = Include { role, args, vars, apply: applied, outer: outer.clone(), place: place.clone() };
        Some(Task {
            id: self.id(),
            at: entry.at.clone(),
            name: entry.get("name").map(Node::key_text),
            role: place.role.clone(),
            action: Action::Include(Box::new(include)),
            repeat: self.repeat(entry),
            register: entry.get("register").map(Node::key_text),
            changed_when: None,
            failed_when: None,
            until: None,
            background: None,
            listen: self.texts(entry.get("listen")),
            common: outer.around(own),
            search: Arc::clone(&place.search),
            magic: std::sync::OnceLock::new(),
        })
    }
}

/// The file of tasks that `name` means in a place.
pub(super) fn task_file(place: &Place, name: &str) -> PathBuf {
    let mut candidates: Vec<PathBuf> = Vec::new();
    if let Some(role) = &place.role {
        candidates.extend(place.here.iter().map(|here| here.join(name)));
        if place.handlers {
            candidates.push(role.path.join("handlers").join(name));
        }
        candidates.push(role.path.join("tasks").join(name));
        candidates.push(role.path.join(name));
        candidates.push(place.base.join(name));
    } else {
        candidates.extend(place.here.iter().map(|here| here.join(name)));
        candidates.push(place.base.join(name));
        candidates.push(place.base.join("tasks").join(name));
    }
    candidates.iter().find(|path| path.is_file()).unwrap_or(&candidates[0]).clone()
}

/// The place of the tasks in a file that is imported or included here.
pub(super) fn inside(place: &Place, path: &Path) -> Place {
    let mut inner = Place { depth: place.depth + 1, ..place.clone() };
    let here = path.parent().unwrap_or(Path::new(".")).to_owned();
    if inner.here.first() != Some(&here) {
        inner.here.insert(0, here.clone());
    }
    if !inner.search.contains(&here) {
        let mut search = vec![here.join("files"), here.join("templates")];
        search.extend(inner.search.iter().cloned());
        search.push(here);
        inner.search = search.into();
    }
    inner
}
