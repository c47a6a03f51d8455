//! A playbook as it was read: checked, imports resolved, what blocks and plays say already written on each task.

use std::{path::PathBuf, sync::Arc};

use serde_json::{Map, Value};

use super::{modules::Module, yaml::At};

/// A playbook with everything it imports.
#[derive(Debug, Clone)]
pub struct Playbook {
    /// The file it came from.
    pub path: PathBuf,
    /// In order.
    pub plays: Vec<Play>,
}

/// One play.
#[derive(Debug, Clone)]
pub struct Play {
    /// Where it begins.
    pub at: At,
    /// Its name, or its hosts.
    pub name: String,
    /// The patterns, perhaps templates.
    pub hosts: Vec<String>,
    /// The folder of its file.
    pub base: PathBuf,
    /// `vars`.
    pub vars: Arc<Map<String, Value>>,
    /// Defaults of its roles: weaker than the inventory.
    pub defaults: Arc<Map<String, Value>>,
    /// `vars_files`: each entry is a list of candidates, the first that exists is read.
    pub vars_files: Vec<Vec<String>>,
    /// `gather_facts`; facts are gathered when first used, unless this is false.
    pub gather_facts: Option<Value>,
    /// `tags`, for lists.
    pub tags: Vec<String>,
    /// `connection`.
    pub connection: Option<String>,
    /// `remote_user`.
    pub remote_user: Option<Value>,
    /// `serial`: sizes of the batches, as numbers or percentages.
    pub serial: Vec<Value>,
    /// `any_errors_fatal`.
    pub any_errors_fatal: bool,
    /// `pre_tasks`, roles and `tasks`, `post_tasks`. Handlers run after each.
    pub sections: [Vec<Item>; 3],
    /// In the order in which they run.
    pub handlers: Vec<Arc<Task>>,
}

/// A task or a block of them.
#[derive(Debug, Clone)]
pub enum Item {
    /// One task.
    Task(Arc<Task>),
    /// Several, with what to do when one fails.
    Block(Block),
}

/// `block`, `rescue`, `always`.
#[derive(Debug, Clone, Default)]
pub struct Block {
    /// What to do.
    pub block: Vec<Item>,
    /// What to do when that failed.
    pub rescue: Vec<Item>,
    /// What to do after either.
    pub always: Vec<Item>,
}

/// One task.
#[derive(Debug, Clone)]
pub struct Task {
    /// Its place in the order of the whole playbook.
    pub id: usize,
    /// Where it begins.
    pub at: At,
    /// `name`, perhaps a template.
    pub name: Option<String>,
    /// The role it belongs to.
    pub role: Option<Arc<str>>,
    /// What it does.
    pub action: Action,
    /// `loop` and `with_…`.
    pub repeat: Option<Repeat>,
    /// `register`.
    pub register: Option<String>,
    /// `changed_when`, all of them must hold.
    pub changed_when: Option<Vec<Value>>,
    /// `failed_when`, all of them must hold.
    pub failed_when: Option<Vec<Value>>,
    /// `until`, `retries`, `delay`.
    pub until: Option<Until>,
    /// Handlers to notify, perhaps templates.
    pub notify: Vec<String>,
    /// Topics a handler listens to.
    pub listen: Vec<String>,
    /// What it may have from its blocks and play as well.
    pub common: Common,
    /// Folders for relative `src`, in search order.
    pub search: Arc<[PathBuf]>,
}

/// What a task does.
#[derive(Debug, Clone)]
pub enum Action {
    /// Run a module with these arguments, perhaps templates.
    Module(&'static Module, Value),
    /// `meta`.
    Meta(Meta),
    /// `include_vars` of a file.
    IncludeVars(Map<String, Value>),
}

/// The `meta` actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meta {
    /// Run the notified handlers now.
    FlushHandlers,
    /// No more of this play, for all hosts.
    EndPlay,
    /// No more of this play, for this host.
    EndHost,
    /// Forget the facts.
    ClearFacts,
    /// Nothing.
    Noop,
}

/// A loop.
#[derive(Debug, Clone)]
pub struct Repeat {
    /// `None` for `loop`; the lookup's name for `with_…`.
    pub with: Option<String>,
    /// What to go through, perhaps a template.
    pub over: Value,
    /// The name of the item.
    pub var: String,
    /// The name of its number from 0.
    pub index_var: Option<String>,
    /// What to show of an item, a template.
    pub label: Option<Value>,
    /// Seconds between two items.
    pub pause: Option<Value>,
}

/// Try again.
#[derive(Debug, Clone)]
pub struct Until {
    /// All of them must hold.
    pub conditions: Vec<Value>,
    /// How often to try again.
    pub retries: Option<Value>,
    /// Seconds between two tries.
    pub delay: Option<Value>,
}

/// What plays, blocks, imports and tasks may all say.
#[derive(Debug, Clone, Default)]
pub struct Common {
    /// All of them must hold.
    pub when: Vec<Value>,
    /// Tags, own and inherited.
    pub tags: Vec<String>,
    /// Variables, the innermost last.
    pub vars: Vec<Arc<Map<String, Value>>>,
    /// `become`.
    pub become_it: Option<Value>,
    /// `become_user`.
    pub become_user: Option<Value>,
    /// `become_method`.
    pub become_method: Option<Value>,
    /// `environment`, the innermost last.
    pub environment: Vec<Value>,
    /// `ignore_errors`.
    pub ignore_errors: Option<Value>,
    /// `no_log`.
    pub no_log: Option<Value>,
    /// `check_mode`.
    pub check_mode: Option<Value>,
    /// `diff`.
    pub diff: Option<Value>,
    /// `delegate_to`.
    pub delegate_to: Option<Value>,
    /// `run_once`.
    pub run_once: Option<Value>,
    /// `timeout`, in seconds.
    pub timeout: Option<Value>,
}

impl Common {
    /// What `inner` has when it stands inside this.
    #[must_use]
    pub fn around(&self, inner: Self) -> Self {
        let both = |a: &[Value], b: Vec<Value>| a.iter().cloned().chain(b).collect();
        let mut tags = self.tags.clone();
        for tag in inner.tags {
            if !tags.contains(&tag) {
                tags.push(tag);
            }
        }
        let or = |mine: Option<Value>, theirs: &Option<Value>| mine.or_else(|| theirs.clone());
        Self {
            when: both(&self.when, inner.when),
            tags,
            vars: self.vars.iter().cloned().chain(inner.vars).collect(),
            become_it: or(inner.become_it, &self.become_it),
            become_user: or(inner.become_user, &self.become_user),
            become_method: or(inner.become_method, &self.become_method),
            environment: both(&self.environment, inner.environment),
            ignore_errors: or(inner.ignore_errors, &self.ignore_errors),
            no_log: or(inner.no_log, &self.no_log),
            check_mode: or(inner.check_mode, &self.check_mode),
            diff: or(inner.diff, &self.diff),
            delegate_to: or(inner.delegate_to, &self.delegate_to),
            run_once: or(inner.run_once, &self.run_once),
            timeout: or(inner.timeout, &self.timeout),
        }
    }
}

impl Task {
    /// What the task is called when it has no name.
    pub fn module_name(&self) -> &'static str {
        match &self.action {
            Action::Module(module, _) => module.name,
            Action::Meta(_) => "meta",
            Action::IncludeVars(_) => "include_vars",
        }
    }

    /// The name for people, role included; still a template.
    pub fn title(&self) -> String {
        let name = self.name.as_deref().unwrap_or_else(|| self.module_name());
        match &self.role {
            Some(role) => format!("{role} : {name}"),
            None => name.to_owned(),
        }
    }
}

impl Play {
    /// Every task of every section, blocks opened.
    pub fn tasks(&self) -> Vec<&Task> {
        fn walk<'a>(items: &'a [Item], found: &mut Vec<&'a Task>) {
            for item in items {
                match item {
                    Item::Task(task) => found.push(task),
                    Item::Block(block) => {
                        walk(&block.block, found);
                        walk(&block.rescue, found);
                        walk(&block.always, found);
                    }
                }
            }
        }
        let mut found = Vec::new();
        for section in &self.sections {
            walk(section, &mut found);
        }
        found
    }
}
