//! From files to a [`Playbook`]. Every fault found is reported, with its place.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::{Map, Value};

use super::{
    ast::{Common, Item, Play, Playbook, Role, Task},
    modules::near,
    template::{self, Layer, View},
    vault::Keys,
    yaml::{self, At, Data, Fault, Node},
};

/// Keywords of plays, blocks, tasks and entries of `roles` alike.
pub(super) const EVERYWHERE: &[&str] = &[
    "name",
    "become",
    "become_user",
    "become_method",
    "become_flags",
    "become_exe",
    "tags",
    "ignore_errors",
    "ignore_unreachable",
    "no_log",
    "check_mode",
    "diff",
    "run_once",
    "environment",
    "vars",
    "any_errors_fatal",
    "throttle",
    "timeout",
    "collections",
    "debugger",
    "module_defaults",
    "connection",
    "remote_user",
    "port",
];

/// How deep imports may go.
pub(super) const MAX_IMPORTS: usize = 30;

/// Why a playbook cannot be used: all that is wrong with it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", .faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct LoadError {
    /// In the order they were found.
    pub faults: Vec<Fault>,
}

/// Where content is looked for besides the playbook's own folder.
#[derive(Debug, Clone, Default)]
pub struct Paths {
    /// Folders of roles.
    pub roles: Vec<PathBuf>,
    /// Folders that hold `ansible_collections`.
    pub collections: Vec<PathBuf>,
    /// Where modules of one's own come from; `None`: none may be run.
    pub own: Option<OwnPaths>,
}

/// Where modules of one's own come from, besides the folders `library` of the playbook and its roles.
#[derive(Debug, Clone, Default)]
pub struct OwnPaths {
    /// Further folders of modules.
    pub library: Vec<PathBuf>,
    /// Further folders of what such modules import.
    pub utils: Vec<PathBuf>,
    /// The folder of Ansible's Python package; `None`: where Python keeps its packages.
    pub ansible: Option<PathBuf>,
}

impl Paths {
    /// What `namespace.collection.name` stands for: `kind/name` in the collection's folder, which is in one of `near`
    /// (their `collections`) or of the configured folders.
    pub(super) fn in_collections(&self, near: &[&Path], kind: &str, name: &str) -> Vec<PathBuf> {
        let mut parts = name.splitn(3, '.');
        let (Some(namespace), Some(collection), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
            return Vec::new();
        };
        let near = near.iter().map(|folder| folder.join("collections"));
        near.chain(self.collections.iter().cloned())
            .map(|folder| {
                let collection = folder.join("ansible_collections").join(namespace).join(collection);
                collection.join(kind).join(rest.replace('.', "/"))
            })
            .collect()
    }
}

/// What reading depends on besides the files.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Passwords for files that are vaults.
    pub keys: Keys,
    /// Further folders in which roles and collections are.
    pub paths: Paths,
    /// `-e`: they may name imported files.
    pub extra_vars: Arc<Map<String, Value>>,
}

/// Reads a playbook and all it imports.
pub fn load(path: &Path) -> Result<Playbook, LoadError> {
    load_with(path, &Settings::default())
}

/// The same, with settings.
pub fn load_with(path: &Path, settings: &Settings) -> Result<Playbook, LoadError> {
    let mut loader = Loader::new(settings.clone(), 0);
    let plays = loader.playbook(path, 0, None);
    loader.finish(path.to_owned(), plays)
}

/// Reads a playbook out of text, as if it stood in `base`.
pub fn load_text(text: &str, name: &str, base: &Path) -> Result<Playbook, LoadError> {
    load_text_with(text, name, base, &Settings::default())
}

/// The same, with settings.
pub fn load_text_with(text: &str, name: &str, base: &Path, settings: &Settings) -> Result<Playbook, LoadError> {
    let mut loader = Loader { base: base.to_owned(), ..Loader::new(settings.clone(), 0) };
    let plays = match yaml::parse(text, name) {
        Ok(Some(root)) => {
            template::written(&root.to_json());
            loader.plays(&root, base, 0)
        }
        Ok(None) => Vec::new(),
        Err(fault) => {
            loader.faults.push(fault);
            Vec::new()
        }
    };
    loader.finish(base.join(name), plays)
}

/// What reading has come to so far.
#[derive(Default)]
pub(super) struct Loader {
    pub(super) faults: Vec<Fault>,
    /// What is wrong with a task, yet only matters when a host comes to it.
    doubts: Vec<Fault>,
    next_id: usize,
    pub(super) settings: Settings,
    /// The folder of the playbook.
    pub(super) base: PathBuf,
    /// The play's variables, which may name imported files.
    pub(super) vars: Vec<Arc<Map<String, Value>>>,
    /// Handlers of imported roles.
    pub(super) handlers: Vec<Arc<Task>>,
    /// Imported roles.
    pub(super) roles: Vec<Arc<Role>>,
}

const IMPORT_KEYS: &[&str] = &["import_playbook", "ansible.builtin.import_playbook", "name", "tags", "vars", "when"];

impl Loader {
    /// A loader whose first task gets the number after `next_id`.
    pub(super) fn new(settings: Settings, next_id: usize) -> Self {
        Self { next_id, settings, ..Self::default() }
    }

    /// A fixed text, or what the play's variables and `-e` make of it.
    pub(super) fn fixed(&mut self, node: &Node, text: &str, own: &[Arc<Map<String, Value>>]) -> Option<String> {
        if !template::is_template(&Value::String(text.to_owned())) {
            return Some(text.trim().to_owned());
        }
        let mut layers = vec![Layer::lazy(Arc::clone(&self.settings.extra_vars))];
        layers.extend(own.iter().rev().chain(self.vars.iter().rev()).map(|vars| Layer::lazy(Arc::clone(vars))));
        let folder = std::path::absolute(&self.base).unwrap_or_default().display().to_string();
        layers.push(Layer::fixed(Map::from_iter([("playbook_dir".to_owned(), Value::String(folder))])));
        let mut view = View::new(layers);
        view.vault = self.settings.keys.clone();
        match template::text(&Arc::new(view), text) {
            Ok(text) => Some(text.trim().to_owned()),
            Err(error) => {
                self.fault(node, format!("the name of an import knows only `vars`, `vars_files` and `-e`: {error}"));
                None
            }
        }
    }

    /// A tag, with what is known when the playbook is read.
    fn tag(&self, text: &str, own: &[Arc<Map<String, Value>>]) -> String {
        if !text.contains("{{") {
            return text.to_owned();
        }
        let mut layers = vec![Layer::lazy(Arc::clone(&self.settings.extra_vars))];
        layers.extend(own.iter().rev().chain(self.vars.iter().rev()).map(|vars| Layer::lazy(Arc::clone(vars))));
        match template::value(&Arc::new(View::new(layers)), &Value::String(text.to_owned())) {
            Ok(Value::Array(items)) => items.iter().map(super::modules::convert::text_of).collect::<Vec<_>>().join(","),
            Ok(one) => super::modules::convert::text_of(&one),
            Err(_) => text.to_owned(),
        }
    }

    fn finish(self, path: PathBuf, plays: Vec<Play>) -> Result<Playbook, LoadError> {
        if self.faults.is_empty() {
            return Ok(Playbook { path, plays, doubts: self.doubts });
        }
        let mut faults = self.faults;
        faults.extend(self.doubts);
        faults.sort_by(|a, b| (&a.at.file, a.at.line, a.at.column).cmp(&(&b.at.file, b.at.line, b.at.column)));
        Err(LoadError { faults })
    }

    /// Gives the next number in the order of the playbook.
    pub(super) fn id(&mut self) -> usize {
        self.next_id += 1;
        self.next_id
    }

    pub(super) fn fault(&mut self, node: &Node, message: impl Into<String>) {
        self.faults.push(node.fault(message));
    }

    /// Notes what the task will fail for if a host comes to it.
    pub(super) fn doubt(&mut self, node: &Node, message: impl Into<String>) {
        self.doubts.push(node.fault(message));
    }

    fn playbook(&mut self, path: &Path, depth: usize, from: Option<&Node>) -> Vec<Play> {
        if depth > MAX_IMPORTS {
            if let Some(from) = from {
                self.fault(from, "playbooks import each other in a circle");
            }
            return Vec::new();
        }
        let base = path.parent().unwrap_or(Path::new(".")).to_owned();
        if depth == 0 {
            self.base.clone_from(&base);
        }
        match yaml::read_with(path, &self.settings.keys) {
            Ok(Some(root)) => self.plays(&root, &base, depth),
            Ok(None) => Vec::new(),
            Err(fault) => {
                self.faults.push(fault);
                Vec::new()
            }
        }
    }

    fn plays(&mut self, root: &Node, base: &Path, depth: usize) -> Vec<Play> {
        let Data::List(entries) = &root.data else {
            self.fault(root, "a playbook is a list of plays: lines that begin with `- hosts: …`");
            return Vec::new();
        };
        let mut plays = Vec::new();
        for entry in entries {
            if entry.pairs().is_none() {
                self.fault(entry, "a play is a mapping with `hosts` and `tasks`");
                continue;
            }
            let import = ["import_playbook", "ansible.builtin.import_playbook"].iter().find_map(|key| entry.get(key));
            if let Some(import) = import {
                self.known_keys(entry, IMPORT_KEYS, "an import of a playbook");
                let outer = self.common(entry);
                let Some(file) = import.text() else {
                    self.fault(import, "`import_playbook` takes the name of a file");
                    continue;
                };
                let Some(file) = self.fixed(import, file, &outer.vars) else { continue };
                let mut path = base.join(&file);
                if !path.exists() {
                    let named = self.settings.paths.in_collections(&[base], "playbooks", &file);
                    let named = named.iter().flat_map(|path| ["yml", "yaml"].map(|end| path.with_extension(end)));
                    path = named.into_iter().find(|path| path.is_file()).unwrap_or(path);
                }
                let mut imported = self.playbook(&path, depth + 1, Some(import));
                for play in &mut imported {
                    if !outer.vars.is_empty() {
                        let mut vars = Map::clone(&play.vars);
                        for more in &outer.vars {
                            vars.extend(Map::clone(more));
                        }
                        play.vars = Arc::new(vars);
                    }
                    if !outer.tags.is_empty() || !outer.when.is_empty() {
                        let outer = Common { vars: Vec::new(), ..outer.clone() };
                        for section in &mut play.sections {
                            enclose(&mut section.items, &outer);
                        }
                        let gather = Arc::make_mut(&mut play.gather);
                        gather.common.when.extend(outer.when.iter().cloned());
                        play.tags.extend(outer.tags.iter().cloned());
                    }
                }
                plays.extend(imported);
                continue;
            }
            plays.extend(self.play(entry, base));
        }
        plays
    }

    /// Refuses keys that are not in `known`, with the nearest that is.
    pub(super) fn known_keys(&mut self, node: &Node, known: &[&str], what: &str) {
        for (key, _) in node.pairs().unwrap_or_default() {
            let text = key.key_text();
            if known.contains(&text.as_str()) {
                continue;
            }
            let hint = near(&text, known.iter().copied());
            let hint = hint.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            self.fault(key, format!("{what} has no key `{text}`{hint}"));
        }
    }

    /// What tasks, blocks and plays share.
    pub(super) fn common(&mut self, node: &Node) -> Common {
        let value = |key: &str| node.get(key).map(Node::to_json);
        let vars = match node.get("vars") {
            None => Vec::new(),
            Some(vars) => match &vars.data {
                Data::Map(_) => vec![Arc::new(vars.to_map())],
                Data::List(items) => items.iter().map(|item| Arc::new(item.to_map())).collect(),
                Data::Null => Vec::new(),
                _ => {
                    self.fault(vars, "`vars` is a mapping");
                    Vec::new()
                }
            },
        };
        let list = |key: &str| node.get(key).map(|node| node.items().iter().map(|n| n.to_json()).collect::<Vec<_>>());
        let mut tags = Vec::new();
        for text in self.texts(node.get("tags")) {
            let text = self.tag(&text, &vars);
            tags.extend(text.split(',').map(|tag| tag.trim().to_owned()).filter(|tag| !tag.is_empty()));
        }
        Common {
            when: conditions(node.get("when")).unwrap_or_default(),
            tags,
            vars,
            params: Vec::new(),
            environment: list("environment").unwrap_or_default(),
            module_defaults: list("module_defaults").unwrap_or_default(),
            notify: self.texts(node.get("notify")),
            become_it: value("become"),
            become_user: value("become_user"),
            become_method: value("become_method"),
            ignore_errors: value("ignore_errors"),
            ignore_unreachable: value("ignore_unreachable"),
            any_errors_fatal: value("any_errors_fatal"),
            no_log: value("no_log"),
            check_mode: value("check_mode"),
            diff: value("diff"),
            delegate_to: value("delegate_to"),
            delegate_facts: value("delegate_facts"),
            run_once: value("run_once"),
            timeout: value("timeout"),
            throttle: value("throttle"),
            connection: value("connection"),
            remote_user: value("remote_user"),
            port: value("port"),
        }
    }

    /// A text or a list of texts.
    pub(super) fn texts(&mut self, node: Option<&Node>) -> Vec<String> {
        let mut found = Vec::new();
        for item in node.map(Node::items).unwrap_or_default() {
            match &item.data {
                Data::Text(text) => found.push(text.clone()),
                Data::Number(number) => found.push(number.to_string()),
                Data::List(_) => found.extend(self.texts(Some(item))),
                Data::Bool(_) => found.push(item.key_text()),
                Data::Null => {}
                Data::Map(_) => self.fault(item, "text is expected here, not a mapping"),
            }
        }
        found
    }
}

/// `when` and its like: one condition or a list of them.
pub(super) fn conditions(node: Option<&Node>) -> Option<Vec<Value>> {
    Some(node?.items().iter().map(|item| item.to_json()).collect())
}

/// The tasks of `items`, blocks opened.
pub(super) fn flat(items: Vec<Item>) -> Vec<Arc<Task>> {
    let mut found = Vec::new();
    for item in items {
        match item {
            Item::Task(task) => found.push(task),
            Item::Block(block) => found.extend(flat(block.block.clone())),
        }
    }
    found
}

pub(super) fn flat_ref(items: &[Item]) -> Vec<&Task> {
    let mut found = Vec::new();
    for item in items {
        match item {
            Item::Task(task) => found.push(&**task),
            Item::Block(block) => {
                found.extend(flat_ref(&block.block));
                found.extend(flat_ref(&block.rescue));
                found.extend(flat_ref(&block.always));
            }
        }
    }
    found
}

fn enclose(items: &mut [Item], outer: &Common) {
    for item in items {
        match item {
            Item::Task(task) => {
                let task = Arc::make_mut(task);
                task.common = outer.around(std::mem::take(&mut task.common));
            }
            Item::Block(block) => {
                let block = Arc::make_mut(block);
                enclose(&mut block.block, outer);
                enclose(&mut block.rescue, outer);
                enclose(&mut block.always, outer);
            }
        }
    }
}

/// A place for faults that belong to no line.
pub(super) fn top(path: &Path) -> At {
    At { file: path.display().to_string().into(), line: 1, column: 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn faults(text: &str) -> String {
        load_text(text, "p.yml", Path::new("/")).unwrap_err().to_string()
    }

    #[test]
    fn unknown_keys_modules_and_arguments_are_named_with_their_place_and_the_nearest_name() {
        let text = "- hosts: all\n  tsks: []\n  tasks:\n    - comand: ls\n    - command: ls\n      wen: x\n    - debug:\n        mgs: hi\n    - name: nothing\n";
        let seen = faults(text);
        for wanted in [
            "p.yml:2:3: a play has no key `tsks`; did you mean `tasks`?",
            "p.yml:4:7: there is no module `comand`; did you mean `command`?; a module of your own stands in `library` and needs `--python`",
            "p.yml:6:7: there is no module or keyword `wen`; did you mean `when`?",
            "p.yml:8:9: `debug` has no argument `mgs`; did you mean `msg`?",
            "p.yml:9:7: the task names no module",
        ] {
            assert!(seen.contains(wanted), "{wanted}\nin\n{seen}");
        }
    }

    #[test]
    fn what_only_the_run_of_a_task_makes_a_fault_is_told_and_refuses_nothing() {
        let text = "- hosts: all\n  tasks:\n    - file:\n        stat: touch\n    - subversion: repo=a\n    - action: '{{ any }} x=1'\n    - ping:\n";
        let playbook = load_text(text, "p.yml", Path::new("/")).unwrap();
        let seen: Vec<String> = crate::playbook::check(&playbook).iter().map(ToString::to_string).collect();
        assert_eq!(
            seen,
            [
                "p.yml:4:9: `file` has no argument `stat`; did you mean `state`?",
                "p.yml:3:7: `file` needs the argument `path`",
                "p.yml:5:7: the module `subversion` of Ansible is not known here",
            ]
        );
        assert_eq!(playbook.plays[0].tasks().len(), 4);
    }

    #[test]
    fn blocks_hand_down_what_they_say() {
        let text = "- hosts: all\n  become: true\n  tags: a\n  tasks:\n    - when: x\n      tags: [b]\n      block:\n        - ping:\n          when: y\n          become: false\n";
        let playbook = load_text(text, "p.yml", Path::new("/")).unwrap();
        let task = playbook.plays[0].tasks()[0];
        assert_eq!(task.common.when, ["x", "y"]);
        assert_eq!(task.common.tags, ["a", "b"]);
        assert_eq!(task.common.become_it, Some(Value::Bool(false)));
    }

    #[test]
    fn a_notified_name_without_a_handler_is_a_fault() {
        let text = "- hosts: all\n  tasks:\n    - ping:\n      notify: restart ap\n  handlers:\n    - name: restart app\n      ping:\n";
        let playbook = load_text(text, "p.yml", Path::new("/")).unwrap();
        let seen: Vec<String> = crate::playbook::check(&playbook).iter().map(ToString::to_string).collect();
        assert_eq!(seen, ["p.yml:3:7: no handler is called `restart ap`; did you mean `restart app`?"]);
    }

    proptest! {
        #[test]
        fn no_playbook_makes_it_panic(text in "(- |hosts: |tasks:|\n|  |ping:|block:|when: |\\[|\\{|x|: |'|loop: |roles: |vars: ){0,60}") {
            let _ = load_text(&text, "p.yml", Path::new("/nonexistent"));
        }
    }
}
