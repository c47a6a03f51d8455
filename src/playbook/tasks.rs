//! Tasks and blocks: which key is the module, what the rest means, what is imported.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
};

use serde_json::{Map, Value};

use super::{
    ast::{Action, Background, Block, Common, Item, Meta, Place, Repeat, Task, Until},
    idle::Level,
    modules::{self, Module, convert, near},
    parse::{EVERYWHERE, Loader, conditions},
    yaml::{Data, Node},
};

pub(super) static KEYWORDS: LazyLock<Vec<&str>> = LazyLock::new(|| [EVERYWHERE, OWN_KEYWORDS].concat());

const OWN_KEYWORDS: &[&str] = &[
    "when",
    "loop",
    "loop_control",
    "register",
    "notify",
    "listen",
    "changed_when",
    "failed_when",
    "until",
    "retries",
    "delay",
    "delegate_to",
    "delegate_facts",
    "args",
    "async",
    "poll",
];

static BLOCK_KEYS: LazyLock<Vec<&str>> = LazyLock::new(|| [EVERYWHERE, OWN_BLOCK_KEYS].concat());

const OWN_BLOCK_KEYS: &[&str] = &["block", "rescue", "always", "when", "delegate_to", "delegate_facts", "notify"];

/// The lookups that `with_…` may name.
pub(super) const WITH: &[&str] = &[
    "items",
    "list",
    "dict",
    "indexed_items",
    "nested",
    "cartesian",
    "together",
    "sequence",
    "fileglob",
    "flattened",
    "subelements",
    "lines",
    "pipe",
    "random_choice",
    "inventory_hostnames",
    "first_found",
    "ini",
    "file",
    "template",
    "vars",
    "varnames",
    "env",
    "csvfile",
    "password",
    "url",
    "config",
    "unvault",
];

impl Loader {
    /// A list of tasks and blocks.
    pub(super) fn items(&mut self, node: &Node, outer: &Common, place: &Place) -> Vec<Item> {
        let mut found = Vec::new();
        match &node.data {
            Data::Null => {}
            Data::List(entries) => {
                for entry in entries {
                    self.item(entry, outer, place, &mut found);
                }
            }
            _ => self.fault(node, "a list of tasks is expected here"),
        }
        found
    }

    fn item(&mut self, entry: &Node, outer: &Common, place: &Place, found: &mut Vec<Item>) {
        let Some(pairs) = entry.pairs() else {
            return self.fault(entry, "a task is a mapping: a module's name and its arguments");
        };
        if let Some(inner) = entry.get("block") {
            self.known_keys(entry, &BLOCK_KEYS, "a block");
            self.refuse_idle(entry, Level::Block);
            if place.handlers {
                return self.fault(entry, "Using a block as a handler is not supported.");
            }
            let common = outer.around(self.common(entry));
            let block = self.items(inner, &common, place);
            let mut part = |key: &str| entry.get(key).map(|node| self.items(node, &common, place)).unwrap_or_default();
            let (rescue, always) = (part("rescue"), part("always"));
            found.push(Item::Block(Arc::new(Block { block, rescue, always })));
            return;
        }
        let mut action = None;
        for (key, value) in pairs {
            let name = key.key_text();
            if KEYWORDS.contains(&name.as_str()) || name.starts_with("with_") {
                continue;
            }
            if action.is_some() {
                let hint = near(&name, KEYWORDS.iter().copied());
                let hint = hint.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                let what = if modules::find(&name).is_some() {
                    format!("the task names a second module, `{name}`; one task is one module")
                } else {
                    format!("there is no module or keyword `{name}`{hint}")
                };
                self.fault(key, what);
                continue;
            }
            action = Some((key, name, value));
        }
        let Some((key, name, value)) = action else {
            return self.fault(entry, "the task names no module");
        };
        let short = name.rsplit('.').next().unwrap_or(&name);
        let built_in =
            !name.contains('.') || name.starts_with("ansible.builtin.") || name.starts_with("ansible.legacy.");
        self.refuse_idle(entry, Level::Task);
        match short {
            "import_tasks" if built_in => return self.import_tasks(entry, value, outer, place, found),
            "import_role" if built_in => return self.import_role(entry, value, outer, place, found),
            "include_tasks" | "include_role" if built_in => {
                if let Some(task) = self.include(entry, value, short == "include_role", outer, place) {
                    found.push(Item::Task(Arc::new(task)));
                }
                return;
            }
            _ => {}
        }
        if let Some(task) = self.task(entry, (key, &name, value), outer, place) {
            found.push(Item::Task(Arc::new(task)));
        }
    }

    fn task(&mut self, entry: &Node, action: (&Node, &str, &Node), outer: &Common, place: &Place) -> Option<Task> {
        let (key, name, value) = action;
        let mut common = self.common(entry);
        let merged;
        let (name, free, args_node) = match name {
            "action" | "local_action" => {
                if name == "local_action" {
                    common.delegate_to = Some(Value::String("localhost".into()));
                }
                match (value.text(), value.get("module").and_then(Node::text)) {
                    (Some(line), _) => {
                        let line = line.trim();
                        // The name may be a template.
                        let named = if line.starts_with("{{") { line.find("}}").map_or(0, |at| at + 2) } else { 0 };
                        let cut = line[named..].find(char::is_whitespace).map_or(line.len(), |at| named + at);
                        let (module, rest) = line.split_at(cut);
                        (module.to_owned(), Some(rest.trim_start().to_owned()), None)
                    }
                    (None, Some(module)) => {
                        merged = with_inner_args(value);
                        (module.to_owned(), None, Some(&merged))
                    }
                    _ => {
                        self.fault(value, "`action` names no module");
                        return None;
                    }
                }
            }
            name => match &value.data {
                Data::Text(line) => (name.to_owned(), Some(line.clone()), None),
                Data::Number(number) => (name.to_owned(), Some(number.to_string()), None),
                _ => (name.to_owned(), None, Some(value)),
            },
        };
        let short = name.rsplit('.').next().unwrap_or(&name).to_owned();
        let action = match short.as_str() {
            "meta" => Action::Meta(self.meta(value, free.as_deref(), place)?),
            "include_vars" => {
                let mut args = args_node.map(Node::to_map).unwrap_or_default();
                if let Some(free) = free {
                    let (key, value) = free.split_once('=').filter(|(k, _)| *k == "file").unwrap_or(("file", &free));
                    args.insert(key.into(), Value::String(value.trim().to_owned()));
                }
                Action::IncludeVars(args)
            }
            _ => match self.module(key, &name, place)? {
                Some(module) => {
                    Action::Module(module, self.arguments(module, entry, value, free.as_deref(), args_node))
                }
                None if name.contains("{{") || modules::is_absent(&name) => {
                    if !name.contains("{{") {
                        self.doubt(key, format!("the module `{name}` of Ansible is not known here"));
                    }
                    let mut args = entry.get("args").map(Node::to_map).unwrap_or_default();
                    args.extend(args_node.map(Node::to_map).unwrap_or_default());
                    args.remove("module");
                    Action::Named(name, free.filter(|_| args.is_empty()).map_or(Value::Object(args), Value::String))
                }
                None => {
                    let message = self.no_module(&name, place);
                    self.fault(key, message);
                    return None;
                }
            },
        };
        let text = |loader: &mut Self, key: &str| {
            let node = entry.get(key)?;
            let found = loader.texts(Some(node));
            found.into_iter().next()
        };
        let register = text(self, "register");
        if let Some(name) = &register
            && !convert::is_name(name)
            && let Some(node) = entry.get("register")
        {
            self.fault(node, format!("Invalid variable name '{name}' in `register`. {}", convert::NAME_RULE));
        }
        let until = entry.get("until").or_else(|| entry.get("retries")).map(|_| Until {
            conditions: conditions(entry.get("until")).unwrap_or_default(),
            retries: entry.get("retries").map(Node::to_json),
            delay: entry.get("delay").map(Node::to_json),
        });
        Some(Task {
            id: self.id(),
            at: entry.at.clone(),
            name: text(self, "name"),
            role: place.role.clone(),
            action,
            repeat: self.repeat(entry),
            register,
            changed_when: conditions(entry.get("changed_when")),
            failed_when: conditions(entry.get("failed_when")),
            until,
            background: entry
                .get("async")
                .map(|node| Background { seconds: node.to_json(), poll: entry.get("poll").map(Node::to_json) }),
            listen: self.texts(entry.get("listen")),
            common: outer.around(common),
            search: Arc::clone(&place.search),
            magic: std::sync::OnceLock::new(),
        })
    }

    /// The module's arguments as they are written; names are checked now, values when they are known.
    fn arguments(
        &mut self,
        module: &Module,
        entry: &Node,
        value: &Node,
        free: Option<&str>,
        args_node: Option<&Node>,
    ) -> Value {
        let mut args = Map::new();
        if let Some(node) = entry.get("args") {
            match &node.data {
                Data::Map(pairs) => {
                    for (key, value) in pairs {
                        self.argument(module, key, value, &mut args);
                    }
                }
                Data::Text(text) if text.contains("{{") => {
                    args.insert("__args".into(), Value::String(text.clone()));
                }
                Data::Null => {}
                _ => self.fault(node, "`args` is a mapping"),
            }
        }
        if let Some(line) = free {
            // `module: "{{ args }}"` gives all arguments as one value.
            if module.free_form.is_none() && super::template::is_lone(line) {
                return Value::String(line.to_owned());
            }
            match modules::of_free_form(module, line) {
                Ok(more) => {
                    for (name, inner) in more {
                        if let Err(message) = convert::find(module, &name) {
                            self.doubt(value, message);
                        }
                        args.insert(name, inner);
                    }
                }
                Err(message) => self.fault(value, format!("the arguments of `{}`: {message}", module.name)),
            }
        }
        match args_node.map(|node| &node.data) {
            Some(Data::Map(pairs)) => {
                for (key, value) in pairs {
                    if key.text() == Some("module") && convert::find(module, "module").is_err() {
                        continue;
                    }
                    self.argument(module, key, value, &mut args);
                }
            }
            Some(Data::Null) | None => {}
            Some(_) => self.fault(value, format!("the arguments of `{}` are a mapping", module.name)),
        }
        for arg in module.args.iter().filter(|arg| arg.required) {
            if !args.contains_key("__args")
                && !args.keys().any(|name| arg.name == name || arg.aliases.contains(&name.as_str()))
            {
                self.doubt(entry, format!("`{}` needs the argument `{}`", module.name, arg.name));
            }
        }
        Value::Object(args)
    }

    fn argument(&mut self, module: &Module, key: &Node, value: &Node, args: &mut Map<String, Value>) {
        let name = key.key_text();
        if name.starts_with("_ansible_") && !matches!(module.name, "command" | "raw" | "script" | "shell") {
            let action = module.name;
            self.fault(key, format!("Invalid parameter specified beginning with keyword '_ansible_' for action '{action}': '{name}'. The prefix '_ansible_' is reserved for internal use only."));
        } else if let Err(message) = convert::find(module, &name) {
            self.doubt(key, message);
        }
        args.insert(name, value.to_json());
    }

    fn meta(&mut self, value: &Node, free: Option<&str>, place: &Place) -> Option<Meta> {
        Some(match free.map(str::trim) {
            Some("flush_handlers") => Meta::FlushHandlers,
            Some("end_play") => Meta::EndPlay,
            Some("end_batch") => Meta::EndBatch,
            Some("end_role") if place.handlers => {
                self.fault(value, "`meta: end_role` cannot be a handler");
                return None;
            }
            Some("end_role") if place.role.is_none() => {
                self.fault(value, "`meta: end_role` stands in a role");
                return None;
            }
            Some("end_role") => Meta::EndRole,
            Some("reset_connection") => Meta::ResetConnection,
            Some("clear_host_errors") => Meta::ClearHostErrors,
            Some("refresh_inventory") => Meta::RefreshInventory,
            Some("end_host") => Meta::EndHost,
            Some("clear_facts") => Meta::ClearFacts,
            Some("noop") => Meta::Noop,
            _ => {
                self.fault(value, "`meta` knows flush_handlers, end_play, end_batch, end_host, end_role, clear_facts, clear_host_errors, refresh_inventory, reset_connection and noop");
                return None;
            }
        })
    }

    pub(super) fn repeat(&mut self, entry: &Node) -> Option<Repeat> {
        let control = entry.get("loop_control");
        if let Some(control) = control {
            let known = ["loop_var", "index_var", "label", "pause", "extended", "extended_allitems", "break_when"];
            self.known_keys(control, &known, "`loop_control`");
        }
        let mut found = entry.get("loop").map(|over| (None, over));
        for (key, value) in entry.pairs().unwrap_or_default() {
            let name = key.key_text();
            let Some(with) = name.strip_prefix("with_") else { continue };
            let with = with.rsplit('.').next().unwrap_or(with);
            if !WITH.contains(&with) {
                let hint = near(with, WITH.iter().copied());
                let hint = hint.map(|near| format!("; did you mean `with_{near}`?")).unwrap_or_default();
                self.fault(key, format!("`{name}` is no loop known here{hint}"));
            }
            found = Some((Some(with.to_owned()), value));
        }
        let (with, over) = found?;
        let text = |key: &str| control.and_then(|node| node.get(key)).and_then(Node::text).map(str::to_owned);
        let value = |key: &str| control.and_then(|node| node.get(key)).map(Node::to_json);
        let flag = |key: &str| value(key).as_ref().and_then(convert::bool_of).unwrap_or(false);
        Some(Repeat {
            with,
            over: over.to_json(),
            var: text("loop_var").unwrap_or_else(|| "item".into()),
            index_var: text("index_var"),
            label: value("label"),
            pause: value("pause"),
            extended: flag("extended")
                .then(|| control.and_then(|node| node.get("extended_allitems")).is_none() || flag("extended_allitems")),
            break_when: control.and_then(|node| conditions(node.get("break_when"))).unwrap_or_default(),
        })
    }
}

/// Whether a task is to be done for each item of something.
pub(super) fn is_loop(entry: &Node) -> bool {
    let keys = entry.pairs().unwrap_or_default().iter().map(|(key, _)| key.key_text());
    keys.into_iter().any(|key| key == "loop" || key.starts_with("with_"))
}

/// `action: {module: …, args: {…}}`: the arguments beside the module's name.
fn with_inner_args(value: &Node) -> Node {
    let inner = value.get("args").and_then(Node::pairs).unwrap_or_default();
    let own =
        value.pairs().unwrap_or_default().iter().filter(|(key, _)| inner.is_empty() || key.text() != Some("args"));
    Node { at: value.at.clone(), data: Data::Map(own.chain(inner).cloned().collect()) }
}

/// Where a file beside a playbook or in a role is looked for.
pub(super) fn search_of(base: &Path) -> Arc<[PathBuf]> {
    [base.join("files"), base.join("templates"), base.to_owned()].into()
}
