//! Roles: a folder with tasks, handlers, variables, files and templates.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::{Map, Value};

use super::{
    ast::{Common, Item, Task},
    idle::Level,
    parse::{Loader, MAX_IMPORTS, flat, top},
    tasks::{Place, is_loop},
    yaml::{self, Fault, Node},
};

/// What a role brings.
#[derive(Default)]
pub(super) struct Found {
    /// Its tasks, those of its dependencies first.
    pub(super) items: Vec<Item>,
    /// Its handlers.
    pub(super) handlers: Vec<Arc<Task>>,
    /// Its defaults.
    pub(super) defaults: Map<String, Value>,
}

impl Loader {
    /// One entry of `roles`, or a dependency of one.
    pub(super) fn role(
        &mut self,
        node: &Node,
        outer: &Common,
        place: &Place,
        found: &mut Found,
        seen: &mut Vec<(PathBuf, String)>,
    ) {
        let name = node.text().or_else(|| node.get("role").or_else(|| node.get("name")).and_then(Node::text));
        let Some(name) = name else { return self.fault(node, "a role is a name or a mapping with `role`") };
        self.refuse_idle(node, Level::Role);
        let mut common = self.common(node);
        // Keys that are no keywords are the role's parameters.
        let own = [
            "role",
            "name",
            "vars",
            "when",
            "tags",
            "become",
            "become_user",
            "become_method",
            "environment",
            "ignore_errors",
            "no_log",
            "check_mode",
            "diff",
            "delegate_to",
            "run_once",
        ];
        let parameters: Map<String, Value> = node
            .pairs()
            .unwrap_or_default()
            .iter()
            .map(|(key, value)| (key.key_text(), value.to_json()))
            .filter(|(key, _)| !own.contains(&key.as_str()))
            .collect();
        if !parameters.is_empty() {
            common.vars.push(Arc::new(parameters));
        }
        let Some(folder) = self.role_folder(node, name, place) else { return };
        let print = format!("{:?}{:?}", common.vars, common.when);
        if seen.contains(&(folder.clone(), print.clone())) {
            return;
        }
        seen.push((folder.clone(), print));
        self.role_from(node, &folder, "main", outer, common, place, found, seen);
    }

    #[allow(clippy::too_many_arguments, reason = "what a role stands in and what it adds to are different things")]
    fn role_from(
        &mut self,
        node: &Node,
        folder: &Path,
        tasks_from: &str,
        outer: &Common,
        common: Common,
        place: &Place,
        found: &mut Found,
        seen: &mut Vec<(PathBuf, String)>,
    ) {
        if place.depth > MAX_IMPORTS {
            return self.fault(node, "roles depend on each other in a circle");
        }
        let name: Arc<str> = folder.file_name().unwrap_or_default().to_string_lossy().into();
        let mut inner = Common { vars: Vec::new(), ..Common::default() };
        if let Some(vars) = self.role_file(&folder.join("vars"), "main") {
            inner.vars.push(Arc::new(vars.to_map()));
        }
        inner.vars.push(Arc::new(Map::from_iter([
            ("role_path".to_owned(), Value::String(folder.display().to_string())),
            ("role_name".to_owned(), Value::String(name.to_string())),
        ])));
        let common = outer.around(inner).around(common);
        let place = Place {
            base: folder.join("tasks"),
            search: [
                folder.join("files"),
                folder.join("templates"),
                folder.join("tasks"),
                folder.to_owned(),
                place.base.join("files"),
                place.base.join("templates"),
                place.base.clone(),
            ]
            .into(),
            role: Some(name),
            depth: place.depth + 1,
        };
        if let Some(defaults) = self.role_file(&folder.join("defaults"), "main") {
            found.defaults.extend(defaults.to_map());
        }
        if let Some(meta) = self.role_file(&folder.join("meta"), "main")
            && let Some(dependencies) = meta.get("dependencies")
        {
            let beside = Place { base: folder.parent().unwrap_or(folder).to_owned(), ..place.clone() };
            for dependency in dependencies.items() {
                self.role(dependency, outer, &beside, found, seen);
            }
        }
        if let Some(root) = self.role_file(&folder.join("tasks"), tasks_from) {
            found.items.extend(self.items(&root, &common, &place));
        }
        if let Some(root) = self.role_file(&folder.join("handlers"), "main") {
            let handlers = self.items(&root, &Common { when: Vec::new(), ..common }, &place);
            found.handlers.extend(flat(handlers));
        }
    }

    /// `import_role` and `include_role` with a fixed name.
    pub(super) fn import_role(
        &mut self,
        entry: &Node,
        value: &Node,
        outer: &Common,
        place: &Place,
        items: &mut Vec<Item>,
    ) {
        let name = value.get("name").or_else(|| value.get("role")).and_then(Node::text).or_else(|| value.text());
        let Some(name) = name.map(|name| name.strip_prefix("name=").unwrap_or(name)) else {
            return self.fault(value, "the name of a role is expected here");
        };
        if name.contains("{{") || is_loop(entry) {
            return self.fault(value, "templates and loops for roles are not supported yet");
        }
        self.known_keys(value, &["name", "role", "tasks_from", "public", "rolespec_validate"], "an import of a role");
        let Some(folder) = self.role_folder(value, name, place) else { return };
        let common = self.common(entry);
        let tasks_from = value.get("tasks_from").and_then(Node::text).unwrap_or("main").to_owned();
        let mut found = Found::default();
        self.role_from(entry, &folder, &tasks_from, outer, common, place, &mut found, &mut Vec::new());
        items.append(&mut found.items);
        self.role_defaults.extend(found.defaults);
        self.role_handlers.append(&mut found.handlers);
    }

    /// What imported roles brought besides tasks.
    pub(super) fn take_role_leftovers(&mut self) -> (Map<String, Value>, Vec<Arc<Task>>) {
        (std::mem::take(&mut self.role_defaults), std::mem::take(&mut self.role_handlers))
    }

    fn role_folder(&mut self, node: &Node, name: &str, place: &Place) -> Option<PathBuf> {
        let short = name.rsplit('.').next().unwrap_or(name);
        let mut candidates = vec![place.base.join("roles").join(name), place.base.join(name)];
        // Inside a role, its neighbours.
        for up in place.base.ancestors().skip(1).take(3) {
            candidates.push(up.join(name));
            candidates.push(up.join("roles").join(name));
            candidates.push(up.join("roles").join(short));
        }
        let found = candidates.into_iter().find(|path| {
            path.is_dir()
                && ["tasks", "meta", "handlers", "defaults", "vars"].iter().any(|part| path.join(part).is_dir())
        });
        if found.is_none() {
            self.fault(node, format!("role `{name}` is not in `{}`", place.base.join("roles").display()));
        }
        found
    }

    fn role_file(&mut self, folder: &Path, name: &str) -> Option<Node> {
        let stem = name.trim_end_matches(".yml").trim_end_matches(".yaml");
        let candidates = [folder.join(format!("{stem}.yml")), folder.join(format!("{stem}.yaml")), folder.join(name)];
        let path = candidates.iter().find(|path| path.is_file());
        let Some(path) = path else {
            if name != "main" {
                self.faults.push(Fault { at: top(folder), message: format!("has no `{name}`") });
            }
            return None;
        };
        match yaml::read_with(path, &self.keys) {
            Ok(root) => root,
            Err(fault) => {
                self.faults.push(fault);
                None
            }
        }
    }
}
