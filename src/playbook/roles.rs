//! Roles: a folder with tasks, handlers, variables, files and templates.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
};

use serde_json::{Map, Value};

use super::{
    ast::{Common, Item, Place, Role, Task},
    idle::Level,
    modules::convert::{self, bool_of},
    parse::{EVERYWHERE, Loader, MAX_IMPORTS, flat, top},
    tasks::is_loop,
    yaml::{self, Data, Fault, Node},
};

/// What a role brings.
pub(super) struct Found {
    /// The role.
    pub(super) role: Arc<Role>,
    /// Its tasks, those of its dependencies first.
    pub(super) items: Vec<Item>,
    /// Its handlers.
    pub(super) handlers: Vec<Arc<Task>>,
    /// Its variables are seen by the whole play.
    pub(super) public: bool,
}

/// The files of a role that are read instead of `main`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct From {
    pub(super) tasks: Option<String>,
    pub(super) vars: Option<String>,
    pub(super) defaults: Option<String>,
    pub(super) handlers: Option<String>,
    /// `rolespec_validate`.
    pub(super) validate: Option<bool>,
}

/// What `import_role` and `include_role` may be told.
pub(super) const ROLE_ARGS: &[&str] = &[
    "name",
    "role",
    "tasks_from",
    "vars_from",
    "defaults_from",
    "handlers_from",
    "public",
    "allow_duplicates",
    "rolespec_validate",
];

/// Roles that ran already in this play: folder, and what they were given.
pub(super) type Seen = Vec<(PathBuf, String)>;

static KEYWORDS: LazyLock<Vec<&str>> = LazyLock::new(|| [EVERYWHERE, OWN_KEYWORDS].concat());

const OWN_KEYWORDS: &[&str] = &["role", "when", "delegate_to", "delegate_facts", "public", "src", "version", "scm"];

impl Loader {
    /// One entry of `roles`, or a dependency of one.
    pub(super) fn role(&mut self, node: &Node, outer: &Common, place: &Place, seen: &mut Seen) -> Option<Found> {
        let name = node.text().or_else(|| node.get("role").or_else(|| node.get("name")).and_then(Node::text));
        let Some(name) = name else {
            self.fault(node, "a role is a name or a mapping with `role`");
            return None;
        };
        let name = self.fixed(node, name, &[])?;
        self.refuse_idle(node, Level::Role);
        let mut common = self.common(node);
        let given = common.vars.drain(..).fold(Map::new(), |mut all, vars| {
            all.extend(Map::clone(&vars));
            all
        });
        // Keys that are no keywords are the role's parameters.
        let params: Map<String, Value> = node
            .pairs()
            .unwrap_or_default()
            .iter()
            .map(|(key, value)| (key.key_text(), value.to_json()))
            .filter(|(key, _)| !KEYWORDS.contains(&key.as_str()))
            .collect();
        let public = node.get("public").and_then(|node| bool_of(&node.to_json())).unwrap_or(true);
        let folder = self.role_folder(node, &name, place)?;
        let print = format!("{given:?}{params:?}{:?}{:?}", common.when, common.tags);
        let again = seen.contains(&(folder.clone(), print.clone()));
        seen.push((folder.clone(), print));
        let mut found =
            self.role_from(node, (&name, &folder), &From::default(), (given, params), outer, common, place, seen)?;
        if again && !allows_duplicates(&folder) {
            found.items.clear();
            found.handlers.clear();
        }
        found.public = public;
        Some(found)
    }

    /// A role out of its folder.
    #[allow(clippy::too_many_arguments, reason = "what a role stands in and what it is given are different things")]
    pub(super) fn role_from(
        &mut self,
        node: &Node,
        (name, folder): (&str, &Path),
        from: &From,
        (given, params): (Map<String, Value>, Map<String, Value>),
        outer: &Common,
        common: Common,
        place: &Place,
        seen: &mut Seen,
    ) -> Option<Found> {
        if place.depth > MAX_IMPORTS {
            self.fault(node, "roles depend on each other in a circle");
            return None;
        }
        let mut map = |part: &str, file: &Option<String>| {
            let found = self.role_vars(&folder.join(part), file.as_deref());
            found.unwrap_or_default()
        };
        let own_vars = map("vars", &from.vars);
        let own_defaults = map("defaults", &from.defaults);
        let parents: Vec<Arc<Role>> =
            place.role.iter().flat_map(|role| role.parents.iter().chain([role])).cloned().collect();
        let short = folder.file_name().unwrap_or_default().to_string_lossy();
        let short = if name.contains('/') || name.is_empty() { short.into_owned() } else { name.to_owned() };
        let mut role = Role {
            name: short,
            path: folder.to_owned(),
            parents,
            own_defaults,
            own_vars,
            given,
            params: Arc::new(params),
            ..Role::default()
        };
        role.params = Arc::new(role.parents.iter().map(|p| &*p.params).chain([&*role.params]).fold(
            Map::new(),
            |mut all, params| {
                all.extend(params.clone());
                all
            },
        ));
        let common = outer.around(common);
        let (mut items, mut handlers) = (Vec::new(), Vec::new());
        if let Some(meta) = self.role_file(&folder.join("meta"), None)
            && let Some(dependencies) = meta.get("dependencies")
        {
            // What its dependencies see of it.
            let parent = Arc::new(Role {
                name: role.name.clone(),
                path: role.path.clone(),
                parents: role.parents.clone(),
                own_defaults: role.own_defaults.clone(),
                own_vars: role.own_vars.clone(),
                given: role.given.clone(),
                params: Arc::clone(&role.params),
                ..Role::default()
            });
            let beside = Place {
                base: place.base.clone(),
                here: vec![folder.join("tasks")],
                role: Some(parent),
                depth: place.depth + 1,
                ..place.clone()
            };
            for dependency in dependencies.items() {
                let Some(found) = self.role(dependency, &common, &beside, seen) else { continue };
                items.extend(found.items);
                handlers.extend(found.handlers);
                role.dependencies.extend(found.role.dependencies.iter().cloned());
                role.dependencies.push(found.role);
            }
        }
        settle(&mut role);
        let role = Arc::new(role);
        let mut search: Vec<PathBuf> = Vec::new();
        for path in [folder].into_iter().chain(role.parents.iter().rev().map(|parent| parent.path.as_path())) {
            search.extend([path.join("files"), path.join("templates"), path.join("tasks"), path.to_owned()]);
        }
        search.extend(super::tasks::search_of(&place.base).iter().cloned());
        let place = Place {
            base: place.base.clone(),
            here: vec![folder.join("tasks")],
            search: search.into(),
            role: Some(Arc::clone(&role)),
            handlers: false,
            depth: place.depth + 1,
        };
        if from.validate != Some(false) {
            items.extend(self.validation(folder, from, &common, &place));
        }
        if let Some(root) = self.role_file(&folder.join("tasks"), from.tasks.as_deref()) {
            items.extend(self.items(&root, &common, &place));
        }
        if let Some(root) = self.role_file(&folder.join("handlers"), from.handlers.as_deref()) {
            let place = Place { handlers: true, here: vec![folder.join("handlers")], ..place };
            handlers.extend(flat(self.items(&root, &common, &place)));
        }
        Some(Found { role, items, handlers, public: true })
    }

    /// The task that checks a role's arguments, when its `meta` says what they are.
    fn validation(&mut self, folder: &Path, from: &From, outer: &Common, place: &Place) -> Option<Item> {
        let meta = folder.join("meta");
        let own = ["yml", "yaml"].iter().any(|end| meta.join(format!("argument_specs.{end}")).is_file());
        let root = self.role_file(&meta, own.then_some("argument_specs"))?;
        let entry = from.tasks.as_deref().unwrap_or("main");
        let entry = entry.strip_suffix(".yml").or_else(|| entry.strip_suffix(".yaml")).unwrap_or(entry);
        let spec = root.get("argument_specs")?.get(entry)?;
        spec.pairs()?;
        let short = spec.get("short_description").map(Node::key_text);
        let short = short.map(|text| format!(" - {text}")).unwrap_or_default();
        let role = place.role.as_ref()?;
        let mut options = spec.get("options").map_or_else(|| serde_json::json!({}), Node::to_json);
        without_descriptions(&mut options);
        let path = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        let args = serde_json::json!({
            "argument_spec": options,
            "validate_args_context": {
                "type": "role",
                "name": role.name.rsplit('.').next(),
                "argument_spec_name": entry,
                "path": path.display().to_string(),
            },
        });
        let module = super::modules::find("validate_argument_spec")?;
        Some(Item::Task(Arc::new(Task {
            id: self.id(),
            at: spec.at.clone(),
            name: Some(format!("Validating arguments against arg spec '{entry}'{short}")),
            role: place.role.clone(),
            action: super::ast::Action::Module(module, args),
            repeat: None,
            register: None,
            changed_when: None,
            failed_when: None,
            until: None,
            background: None,
            listen: Vec::new(),
            common: outer.around(Common { tags: vec!["always".into()], ..Common::default() }),
            search: Arc::clone(&place.search),
            magic: std::sync::OnceLock::new(),
        })))
    }

    /// `import_role`.
    pub(super) fn import_role(
        &mut self,
        entry: &Node,
        value: &Node,
        outer: &Common,
        place: &Place,
        items: &mut Vec<Item>,
    ) {
        if place.handlers {
            return self.fault(value, "Using 'import_role' as a handler is not supported.");
        }
        let value = &free_form(value);
        let name = value.get("name").or_else(|| value.get("role")).and_then(Node::text).or_else(|| value.text());
        let Some(name) = name.map(|name| name.strip_prefix("name=").unwrap_or(name)) else {
            return self.fault(value, "the name of a role is expected here");
        };
        if is_loop(entry) {
            return self.fault(value, "`import_role` cannot loop; use `include_role`");
        }
        self.known_keys(value, ROLE_ARGS, "an import of a role");
        let mut common = self.common(entry);
        let Some(name) = self.fixed(value, name, &common.vars) else { return };
        let mut from = |key: &str| {
            let text = value.get(key).map(Node::key_text)?;
            self.fixed(value, &text, &common.vars)
        };
        let from = From {
            tasks: from("tasks_from"),
            vars: from("vars_from"),
            defaults: from("defaults_from"),
            handlers: from("handlers_from"),
            validate: value.get("rolespec_validate").and_then(|node| bool_of(&node.to_json())),
        };
        let Some(folder) = self.role_folder(value, &name, place) else { return };
        let given = common.vars.drain(..).fold(Map::new(), |mut all, vars| {
            all.extend(Map::clone(&vars));
            all
        });
        let public = value.get("public").and_then(|node| bool_of(&node.to_json())).unwrap_or(true);
        let given = (given, Map::new());
        let mut seen = Vec::new();
        let Some(mut found) = self.role_from(entry, (&name, &folder), &from, given, outer, common, place, &mut seen)
        else {
            return;
        };
        items.append(&mut found.items);
        self.handlers.append(&mut found.handlers);
        if public {
            self.roles.push(found.role);
        }
    }

    /// The folder of a role.
    pub(super) fn role_folder(&mut self, node: &Node, name: &str, place: &Place) -> Option<PathBuf> {
        let short = name.rsplit('.').next().unwrap_or(name);
        let mut candidates = self.settings.paths.in_collections(&[&self.base, &place.base], "roles", name);
        candidates.push(place.base.join("roles").join(name));
        candidates.extend(self.settings.paths.roles.iter().map(|folder| folder.join(name)));
        // Inside a role, its neighbours.
        for role in place.role.iter().flat_map(|role| [role].into_iter().chain(role.parents.iter().rev())) {
            candidates.push(role.path.join("roles").join(name));
            candidates.extend(role.path.parent().map(|beside| beside.join(name)));
        }
        candidates.extend(collection_of(&place.base).map(|folder| folder.join("roles").join(name)));
        candidates.push(place.base.join(name));
        candidates.push(self.base.join("roles").join(name));
        candidates.push(self.base.join(name));
        if short != name {
            candidates.push(place.base.join("roles").join(short));
            candidates.extend(self.settings.paths.roles.iter().map(|folder| folder.join(short)));
        }
        let found = candidates.into_iter().find(|path| path.is_dir());
        if found.is_none() {
            self.fault(node, format!("the role `{name}` was not found in `{}`", place.base.join("roles").display()));
        }
        found
    }

    /// The file `name` of a folder of a role, `main` unless it is named.
    fn role_file(&mut self, folder: &Path, name: Option<&str>) -> Option<Node> {
        let wanted = name.unwrap_or("main");
        let ends = ["", ".yml", ".yaml", ".json"];
        let mut candidates: Vec<PathBuf> = ends[1..].iter().map(|end| folder.join(format!("{wanted}{end}"))).collect();
        if name.is_some() {
            candidates.insert(0, folder.join(wanted));
        } else {
            candidates.push(folder.join(wanted));
        }
        let Some(path) = candidates.iter().find(|path| path.is_file()) else {
            if name.is_some() && !folder.join(wanted).is_dir() {
                self.faults.push(Fault { at: top(folder), message: format!("has no `{wanted}`") });
            }
            return None;
        };
        match yaml::read_with(path, &self.settings.keys) {
            Ok(root) => root,
            Err(fault) => {
                self.faults.push(fault);
                None
            }
        }
    }

    /// Variables of a role: a file, or all files of a folder of that name.
    fn role_vars(&mut self, folder: &Path, name: Option<&str>) -> Option<Map<String, Value>> {
        let inner = folder.join(name.unwrap_or("main"));
        if inner.is_dir() {
            let mut found = Map::new();
            let mut paths: Vec<PathBuf> = files_below(&inner);
            paths.sort();
            for path in paths {
                match yaml::read_with(&path, &self.settings.keys) {
                    Ok(node) => found.extend(node.map(|node| node.to_map()).unwrap_or_default()),
                    Err(fault) => self.faults.push(fault),
                }
            }
            return Some(found);
        }
        let node = self.role_file(folder, name)?;
        if !matches!(node.data, Data::Map(_) | Data::Null) {
            self.fault(&node, "the variables of a role are a mapping");
        }
        Some(node.to_map())
    }
}

/// The folder of the collection that `inside` belongs to.
fn collection_of(inside: &Path) -> Option<&Path> {
    let above = |folder: &Path| Some(folder.parent()?.parent()?.file_name()? == "ansible_collections");
    inside.ancestors().find(|folder| above(folder) == Some(true))
}

/// Takes out what is for people only: it may hold what looks like templates.
fn without_descriptions(options: &mut Value) {
    for option in options.as_object_mut().into_iter().flat_map(Map::values_mut) {
        if let Some(map) = option.as_object_mut() {
            map.shift_remove("description");
            if let Some(inner) = map.get_mut("options") {
                without_descriptions(inner);
            }
        }
    }
}

/// `import_role: name=a tasks_from=b` as a mapping.
fn free_form(value: &Node) -> Node {
    let text = |text: String| Node { at: value.at.clone(), data: Data::Text(text) };
    match value.text().filter(|line| line.contains('=')).map(convert::words) {
        Some(Ok(words)) => {
            let pairs = words.into_iter().map(|(name, word)| (text(name), text(convert::text_of(&word))));
            Node { at: value.at.clone(), data: Data::Map(pairs.collect()) }
        }
        _ => value.clone(),
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with('.') || name.ends_with('~') {
            continue;
        }
        if path.is_dir() {
            found.extend(files_below(&path));
        } else if matches!(path.extension().and_then(|e| e.to_str()), None | Some("yml" | "yaml" | "json")) {
            found.push(path);
        }
    }
    found
}

fn allows_duplicates(folder: &Path) -> bool {
    let meta = ["main.yml", "main.yaml"].iter().map(|name| folder.join("meta").join(name)).find(|path| path.is_file());
    let meta = meta.and_then(|path| yaml::read(&path).ok().flatten());
    meta.and_then(|meta| bool_of(&meta.get("allow_duplicates")?.to_json())).unwrap_or(false)
}

/// Fills in what tasks inside and outside see of a role.
fn settle(role: &mut Role) {
    let mut defaults = Map::new();
    let mut vars = Map::new();
    let mut exported = Map::new();
    for dependency in &role.dependencies {
        defaults.extend(Map::clone(&dependency.defaults));
    }
    for parent in &role.parents {
        defaults.extend(parent.own_defaults.clone());
        vars.extend(parent.given.clone());
        vars.extend(parent.own_vars.clone());
    }
    defaults.extend(role.own_defaults.clone());
    for dependency in &role.dependencies {
        vars.extend(Map::clone(&dependency.exported));
        exported.extend(Map::clone(&dependency.exported));
    }
    vars.extend(role.own_vars.clone());
    vars.extend(role.given.clone());
    exported.extend(role.own_vars.clone());
    role.defaults = Arc::new(defaults);
    role.vars = Arc::new(vars);
    role.exported = Arc::new(exported);
}

#[cfg(test)]
mod tests {
    use super::super::parse::{Paths, Settings, load_with};

    #[test]
    fn roles_and_playbooks_of_collections_are_found_by_their_full_names() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let near = "book/collections/ansible_collections/sea/port";
        write(&format!("{near}/roles/mole/tasks/main.yml"), "- debug: {msg: mole}\n");
        write("far/ansible_collections/sea/coast/roles/light/tasks/main.yml", "- debug: {msg: light}\n");
        write("far/ansible_collections/sea/coast/playbooks/all.yml", "- hosts: all\n  roles: [light, sea.port.mole]\n");
        write("book/p.yml", "- hosts: all\n  roles: [sea.port.mole]\n- import_playbook: sea.coast.all\n");
        let paths = Paths { collections: vec![folder.path().join("far")], ..Paths::default() };
        let settings = Settings { paths, ..Settings::default() };
        let found = load_with(&folder.path().join("book/p.yml"), &settings).unwrap();
        let tasks: usize = found.plays.iter().map(|play| play.tasks().len()).sum();
        assert_eq!(tasks, 3);
    }
}
