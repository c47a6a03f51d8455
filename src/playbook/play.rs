//! Plays: what stands beside `hosts`.

use std::{
    path::Path,
    sync::{Arc, LazyLock},
};

use serde_json::{Map, Value};

use super::{
    ast::{Action, Common, Place, Play, Prompt, Section, Task},
    idle::Level,
    modules,
    parse::{EVERYWHERE, Loader, flat, flat_ref},
    tasks,
    yaml::{self, Data, Node},
};

static PLAY_KEYS: LazyLock<Vec<&str>> = LazyLock::new(|| [EVERYWHERE, OWN_PLAY_KEYS].concat());

const OWN_PLAY_KEYS: &[&str] = &[
    "hosts",
    "vars_files",
    "vars_prompt",
    "user",
    "gather_facts",
    "gather_subset",
    "gather_timeout",
    "tasks",
    "pre_tasks",
    "post_tasks",
    "handlers",
    "roles",
    "serial",
    "max_fail_percentage",
    "strategy",
    "order",
    "force_handlers",
    "fact_path",
];

const PROMPT_KEYS: &[&str] =
    &["name", "prompt", "default", "private", "confirm", "encrypt", "salt", "salt_size", "unsafe"];

impl Loader {
    /// One play.
    pub(super) fn play(&mut self, entry: &Node, base: &Path) -> Option<Play> {
        self.known_keys(entry, &PLAY_KEYS, "a play");
        self.refuse_idle(entry, Level::Play);
        let Some(hosts_node) = entry.get("hosts") else {
            self.fault(entry, "a play needs `hosts`");
            return None;
        };
        let hosts: Vec<String> = self.texts(Some(hosts_node)).iter().map(|h| h.trim().to_owned()).collect();
        if hosts.iter().all(String::is_empty) {
            self.fault(hosts_node, "`hosts` is empty");
        }
        let name = entry.get("name").map_or_else(|| hosts.join(","), Node::key_text);
        self.vars = vec![Arc::new(entry.get("vars").map(Node::to_map).unwrap_or_default())];
        let mut common = self.common(entry);
        if common.remote_user.is_none() {
            common.remote_user = entry.get("user").map(Node::to_json);
        }
        let vars = common.vars.iter().fold(Map::new(), |mut all, vars| {
            all.extend(Map::clone(vars));
            all
        });
        common.vars.clear();
        let vars = Arc::new(vars);
        let tags = common.tags.clone();
        let vars_files: Vec<Vec<String>> = match entry.get("vars_files").map(|node| &node.data) {
            None => Vec::new(),
            Some(Data::List(items)) => items.iter().map(|node| self.texts(Some(node))).collect(),
            Some(_) => self.texts(entry.get("vars_files")).into_iter().map(|name| vec![name]).collect(),
        };
        self.static_files(&vars_files, base);
        let place = Place {
            base: base.to_owned(),
            here: vec![base.to_owned()],
            search: tasks::search_of(base),
            role: None,
            handlers: false,
            depth: 0,
        };
        let gather = self.gather_task(entry, &common, &place);
        let mut sections: [Section; 3] = Default::default();
        let mut handlers = Vec::new();
        let mut roles = Vec::new();
        let mut role_names = Vec::new();
        if let Some(node) = entry.get("pre_tasks") {
            sections[0].items = self.items(node, &common, &place);
        }
        sections[0].flush = self.id();
        if let Some(node) = entry.get("roles") {
            let mut seen = Vec::new();
            for role in node.items() {
                let Some(found) = self.role(role, &common, &place, &mut seen) else { continue };
                role_names.push(found.role.name.clone());
                if found.public {
                    roles.push(found.role);
                }
                sections[1].items.extend(found.items);
                handlers.extend(found.handlers);
            }
        }
        if let Some(node) = entry.get("tasks") {
            let mut items = self.items(node, &common, &place);
            sections[1].items.append(&mut items);
        }
        sections[1].flush = self.id();
        if let Some(node) = entry.get("post_tasks") {
            sections[2].items = self.items(node, &common, &place);
        }
        sections[2].flush = self.id();
        if let Some(node) = entry.get("handlers") {
            let place = Place { handlers: true, ..place };
            handlers.extend(flat(self.items(node, &common, &place)));
        }
        handlers.append(&mut self.handlers);
        roles.append(&mut self.roles);
        let strategy = entry.get("strategy").and_then(|node| self.fixed(node, node.text()?, &[]));
        Some(Play {
            at: entry.at.clone(),
            name,
            hosts,
            base: base.to_owned(),
            vars,
            tags,
            roles,
            role_names,
            vars_files,
            vars_prompt: self.prompts(entry.get("vars_prompt")),
            gather_facts: entry.get("gather_facts").map(Node::to_json),
            gather: Arc::new(gather),
            common,
            serial: entry.get("serial").map(|n| n.items().iter().map(|n| n.to_json()).collect()).unwrap_or_default(),
            max_fail_percentage: entry.get("max_fail_percentage").map(Node::to_json),
            order: entry.get("order").map(Node::to_json),
            force_handlers: entry.get("force_handlers").map(Node::to_json),
            free: strategy.map(|name| name.ends_with("free") || name.ends_with("host_pinned")),
            sections,
            handlers,
        })
    }

    /// `vars_files` with fixed names: what they say may name imported files.
    fn static_files(&mut self, files: &[Vec<String>], base: &Path) {
        for candidates in files {
            let found = candidates.iter().filter(|name| !name.contains("{{")).map(|name| base.join(name));
            if let Some(path) = found.into_iter().find(|path| path.is_file())
                && let Ok(Some(node)) = yaml::read_with(&path, &self.settings.keys)
            {
                self.vars.push(Arc::new(node.to_map()));
            }
        }
    }

    /// The task `Gathering Facts`.
    fn gather_task(&mut self, entry: &Node, common: &Common, place: &Place) -> Task {
        let mut args = Map::new();
        for (from, to) in
            [("gather_subset", "gather_subset"), ("gather_timeout", "gather_timeout"), ("fact_path", "fact_path")]
        {
            if let Some(node) = entry.get(from) {
                args.insert(to.into(), node.to_json());
            }
        }
        let own = Common { tags: vec!["always".into()], ..Common::default() };
        let action = match modules::find("setup") {
            Some(module) => Action::Module(module, Value::Object(args)),
            None => Action::Meta(super::ast::Meta::Noop),
        };
        Task {
            id: self.id(),
            at: entry.at.clone(),
            name: Some("Gathering Facts".into()),
            role: None,
            action,
            repeat: None,
            register: None,
            changed_when: None,
            failed_when: None,
            until: None,
            background: None,
            listen: Vec::new(),
            common: common.around(own),
            search: Arc::clone(&place.search),
            magic: std::sync::OnceLock::new(),
        }
    }

    fn prompts(&mut self, node: Option<&Node>) -> Vec<Prompt> {
        let mut found = Vec::new();
        for entry in node.map(Node::items).unwrap_or_default() {
            self.known_keys(entry, PROMPT_KEYS, "an entry of `vars_prompt`");
            let Some(name) = entry.get("name").map(Node::key_text) else {
                self.fault(entry, "an entry of `vars_prompt` needs `name`");
                continue;
            };
            let flag = |key: &str, default: bool| {
                entry.get(key).and_then(|node| modules::convert::bool_of(&node.to_json())).unwrap_or(default)
            };
            let text = |key: &str| entry.get(key).filter(|n| !matches!(n.data, Data::Null)).map(Node::key_text);
            let encrypt = text("encrypt");
            if encrypt.as_deref().is_some_and(|how| how != "sha512_crypt") {
                self.fault(entry, "`encrypt` of `vars_prompt` knows `sha512_crypt` only");
            }
            found.push(Prompt {
                name,
                prompt: text("prompt"),
                default: entry.get("default").map(Node::to_json).filter(|value| !value.is_null()),
                private: flag("private", true),
                confirm: flag("confirm", false),
                encrypt,
                salt: text("salt"),
            });
        }
        found
    }
}

/// The names that are notified and that no handler has, with the tasks that notify them. Nothing when some handlers
/// are known only while it runs.
pub(super) fn unknown_notifications(play: &Play) -> Vec<(&Task, &str)> {
    let mut known: Vec<String> = Vec::new();
    for handler in &play.handlers {
        known.extend(handler.name.clone());
        known.push(handler.title());
        known.extend(handler.listen.iter().cloned());
    }
    let sections = || play.sections.iter().flat_map(|section| flat_ref(&section.items));
    let dynamic = known.iter().any(|name| name.contains("{{"))
        || sections().any(|task| matches!(&task.action, Action::Include(_)));
    let mut found = Vec::new();
    for task in sections().filter(|_| !dynamic) {
        for name in task.common.notify.iter().filter(|name| !name.contains("{{") && !known.contains(name)) {
            found.push((task, name.as_str()));
        }
    }
    found
}
