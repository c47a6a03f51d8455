//! From files to a [`Playbook`]. Every fault found is reported, with its place.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::{Map, Value};

use super::{
    ast::{Common, Item, Play, Playbook, Task},
    idle::Level,
    modules::near,
    roles, tasks,
    vault::Keys,
    yaml::{self, At, Data, Fault, Node},
};

/// How deep imports may go.
pub(super) const MAX_IMPORTS: usize = 30;

/// Why a playbook cannot be used: all that is wrong with it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", .faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct LoadError {
    /// In the order they were found.
    pub faults: Vec<Fault>,
}

/// Reads a playbook and all it imports.
pub fn load(path: &Path) -> Result<Playbook, LoadError> {
    load_with(path, &Keys::default())
}

/// The same, with passwords for files that are vaults.
pub fn load_with(path: &Path, keys: &Keys) -> Result<Playbook, LoadError> {
    let mut loader = Loader { keys: keys.clone(), ..Loader::default() };
    let plays = loader.playbook(path, 0, None);
    loader.finish(Playbook { path: path.to_owned(), plays })
}

/// Reads a playbook out of text, as if it stood in `base`.
pub fn load_text(text: &str, name: &str, base: &Path) -> Result<Playbook, LoadError> {
    let mut loader = Loader::default();
    let plays = match yaml::parse(text, name) {
        Ok(Some(root)) => loader.plays(&root, base, 0),
        Ok(None) => Vec::new(),
        Err(fault) => {
            loader.faults.push(fault);
            Vec::new()
        }
    };
    loader.finish(Playbook { path: base.join(name), plays })
}

/// What reading has come to so far.
#[derive(Default)]
pub(super) struct Loader {
    pub(super) faults: Vec<Fault>,
    pub(super) keys: Keys,
    next_id: usize,
    pub(super) role_defaults: Map<String, Value>,
    pub(super) role_handlers: Vec<Arc<Task>>,
}

const PLAY_KEYS: &[&str] = &[
    "name",
    "hosts",
    "vars",
    "vars_files",
    "gather_facts",
    "gather_subset",
    "gather_timeout",
    "tasks",
    "pre_tasks",
    "post_tasks",
    "handlers",
    "roles",
    "become",
    "become_user",
    "become_method",
    "become_flags",
    "become_exe",
    "environment",
    "tags",
    "connection",
    "remote_user",
    "serial",
    "any_errors_fatal",
    "max_fail_percentage",
    "strategy",
    "no_log",
    "ignore_errors",
    "ignore_unreachable",
    "check_mode",
    "diff",
    "collections",
    "order",
    "port",
    "run_once",
    "timeout",
    "throttle",
    "force_handlers",
    "fact_path",
    "debugger",
];

const IMPORT_KEYS: &[&str] =
    &["import_playbook", "ansible.builtin.import_playbook", "include", "name", "tags", "vars", "when"];

/// Keys of Ansible's that are understood there and not here yet.
const LATER: &[&str] = &[
    "module_defaults",
    "vars_prompt",
    "async",
    "poll",
    "allow_duplicates",
    "apply",
    "extended",
    "extended_allitems",
    "vars_from",
    "defaults_from",
    "handlers_from",
];

impl Loader {
    fn finish(self, playbook: Playbook) -> Result<Playbook, LoadError> {
        if self.faults.is_empty() { Ok(playbook) } else { Err(LoadError { faults: self.faults }) }
    }

    /// Gives the next number in the order of the playbook.
    pub(super) fn id(&mut self) -> usize {
        self.next_id += 1;
        self.next_id
    }

    pub(super) fn fault(&mut self, node: &Node, message: impl Into<String>) {
        self.faults.push(node.fault(message));
    }

    fn playbook(&mut self, path: &Path, depth: usize, from: Option<&Node>) -> Vec<Play> {
        if depth > MAX_IMPORTS {
            if let Some(from) = from {
                self.fault(from, "playbooks import each other in a circle");
            }
            return Vec::new();
        }
        let base = path.parent().unwrap_or(Path::new(".")).to_owned();
        match yaml::read_with(path, &self.keys) {
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
            let import =
                ["import_playbook", "ansible.builtin.import_playbook", "include"].iter().find_map(|key| entry.get(key));
            if let Some(import) = import {
                self.known_keys(entry, IMPORT_KEYS, "an import of a playbook");
                match import.text() {
                    Some(file) if !file.contains("{{") => {
                        let mut imported = self.playbook(&base.join(file.trim()), depth + 1, Some(import));
                        let outer = self.common(entry);
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
                                    enclose(section, &outer);
                                }
                            }
                        }
                        plays.extend(imported);
                    }
                    _ => self.fault(import, "`import_playbook` takes the fixed name of a file"),
                }
                continue;
            }
            plays.extend(self.play(entry, base));
        }
        plays
    }

    fn play(&mut self, entry: &Node, base: &Path) -> Option<Play> {
        self.known_keys(entry, PLAY_KEYS, "a play");
        self.refuse_idle(entry, Level::Play);
        let hosts_node = entry.get("hosts");
        let Some(hosts_node) = hosts_node else {
            self.fault(entry, "a play needs `hosts`");
            return None;
        };
        let hosts: Vec<String> = self.texts(Some(hosts_node)).iter().map(|h| h.trim().to_owned()).collect();
        if hosts.iter().all(String::is_empty) {
            self.fault(hosts_node, "`hosts` is empty");
        }
        let name = entry.get("name").and_then(Node::text).map_or_else(|| hosts.join(","), str::to_owned);
        let mut common = self.common(entry);
        let vars = common.vars.pop().unwrap_or_default();
        let search: Arc<[PathBuf]> = tasks::search_of(base);
        let mut sections: [Vec<Item>; 3] = Default::default();
        let mut defaults = Map::new();
        let mut handlers = Vec::new();
        let place = tasks::Place { base: base.to_owned(), search, role: None, depth: 0 };
        if let Some(node) = entry.get("pre_tasks") {
            sections[0] = self.items(node, &common, &place);
        }
        if let Some(node) = entry.get("roles") {
            let mut seen = Vec::new();
            for role in node.items() {
                let mut found = roles::Found::default();
                self.role(role, &common, &place, &mut found, &mut seen);
                sections[1].extend(found.items);
                handlers.extend(found.handlers);
                defaults.extend(found.defaults);
            }
        }
        if let Some(node) = entry.get("tasks") {
            let mut items = self.items(node, &common, &place);
            sections[1].append(&mut items);
        }
        if let Some(node) = entry.get("post_tasks") {
            sections[2] = self.items(node, &common, &place);
        }
        if let Some(node) = entry.get("handlers") {
            handlers.extend(flat(self.items(node, &common, &place)));
        }
        let (more_defaults, more_handlers) = self.take_role_leftovers();
        defaults.extend(more_defaults);
        handlers.extend(more_handlers);
        let any_errors_fatal = self.any_errors_fatal(entry);
        let vars_files = entry.get("vars_files").map(Node::items).unwrap_or_default();
        let vars_files = vars_files.iter().map(|node| self.texts(Some(node))).collect();
        self.check_notifications(&sections, &handlers);
        Some(Play {
            at: entry.at.clone(),
            name,
            hosts,
            base: base.to_owned(),
            vars,
            tags: common.tags,
            defaults: Arc::new(defaults),
            vars_files,
            gather_facts: entry.get("gather_facts").map(Node::to_json),
            connection: entry.get("connection").and_then(Node::text).map(str::to_owned),
            remote_user: entry.get("remote_user").map(Node::to_json),
            serial: entry
                .get("serial")
                .map(|node| node.items().iter().map(|n| n.to_json()).collect())
                .unwrap_or_default(),
            any_errors_fatal,
            sections,
            handlers,
        })
    }

    fn any_errors_fatal(&mut self, entry: &Node) -> bool {
        let pairs = entry.pairs().unwrap_or_default();
        let found = pairs.iter().find(|(key, _)| key.text() == Some("any_errors_fatal"));
        match found.map(|(key, value)| (key, &value.data)) {
            None | Some((_, Data::Null)) => false,
            Some((_, Data::Bool(flag))) => *flag,
            Some((key, _)) => {
                self.fault(key, "`any_errors_fatal` on a play is `true` or `false`, not a template");
                false
            }
        }
    }

    /// A notified name that nobody has is a typing mistake.
    fn check_notifications(&mut self, sections: &[Vec<Item>; 3], handlers: &[Arc<Task>]) {
        let mut known: Vec<String> = Vec::new();
        for handler in handlers {
            known.extend(handler.name.clone());
            known.push(handler.title());
            known.extend(handler.listen.iter().cloned());
        }
        if known.iter().any(|name| name.contains("{{")) {
            return;
        }
        let mut faults = Vec::new();
        for section in sections {
            for task in flat_ref(section) {
                for name in task.notify.iter().filter(|name| !name.contains("{{") && !known.contains(name)) {
                    let hint = near(name, known.iter().map(String::as_str));
                    let hint = hint.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                    faults.push(Fault { at: task.at.clone(), message: format!("no handler is called `{name}`{hint}") });
                }
            }
        }
        self.faults.extend(faults);
    }

    /// Refuses keys that are not in `known`, with the nearest that is.
    pub(super) fn known_keys(&mut self, node: &Node, known: &[&str], what: &str) {
        for (key, _) in node.pairs().unwrap_or_default() {
            let text = key.key_text();
            if known.contains(&text.as_str()) {
                continue;
            }
            let message = if LATER.contains(&text.as_str()) {
                format!("`{text}` is not supported yet")
            } else {
                let hint = near(&text, known.iter().copied());
                let hint = hint.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                format!("{what} has no key `{text}`{hint}")
            };
            self.fault(key, message);
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
        let environment = node.get("environment").map(|node| node.items().iter().map(|n| n.to_json()).collect());
        let mut tags = Vec::new();
        for text in self.texts(node.get("tags")) {
            tags.extend(text.split(',').map(|tag| tag.trim().to_owned()).filter(|tag| !tag.is_empty()));
        }
        Common {
            when: conditions(node.get("when")).unwrap_or_default(),
            tags,
            vars,
            become_it: value("become"),
            become_user: value("become_user"),
            become_method: value("become_method"),
            environment: environment.unwrap_or_default(),
            ignore_errors: value("ignore_errors"),
            no_log: value("no_log"),
            check_mode: value("check_mode"),
            diff: value("diff"),
            delegate_to: value("delegate_to"),
            run_once: value("run_once"),
            timeout: value("timeout"),
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
            Item::Block(block) => found.extend(flat(block.block)),
        }
    }
    found
}

fn flat_ref(items: &[Item]) -> Vec<&Task> {
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
            "p.yml:4:7: there is no module `comand`; did you mean `command`?",
            "p.yml:6:7: there is no module or keyword `wen`; did you mean `when`?",
            "p.yml:8:9: `debug` has no argument `mgs`; did you mean `msg`?",
            "p.yml:9:7: the task names no module",
        ] {
            assert!(seen.contains(wanted), "{wanted}\nin\n{seen}");
        }
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
        assert_eq!(faults(text), "p.yml:3:7: no handler is called `restart ap`; did you mean `restart app`?");
    }

    proptest! {
        #[test]
        fn no_playbook_makes_it_panic(text in "(- |hosts: |tasks:|\n|  |ping:|block:|when: |\\[|\\{|x|: |'|loop: |roles: |vars: ){0,60}") {
            let _ = load_text(&text, "p.yml", Path::new("/nonexistent"));
        }
    }
}
