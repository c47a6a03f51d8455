//! A playbook as it was read: checked, imports resolved, what blocks and plays say already written on each task.

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use serde_json::{Map, Value};

use super::{
    modules::Module,
    yaml::{At, Fault},
};

/// A playbook with everything it imports.
#[derive(Debug, Clone)]
pub struct Playbook {
    /// The file it came from.
    pub path: PathBuf,
    /// In order.
    pub plays: Vec<Play>,
    /// What will fail when a host comes to it: arguments that a module does not have, or lacks.
    pub doubts: Vec<Fault>,
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
    /// `tags`, for lists.
    pub tags: Vec<String>,
    /// The roles whose defaults and variables all tasks see.
    pub roles: Vec<Arc<Role>>,
    /// The names of the roles that the play itself names.
    pub role_names: Vec<String>,
    /// `vars_files`: each entry is a list of candidates, the first that exists is read.
    pub vars_files: Vec<Vec<String>>,
    /// `vars_prompt`.
    pub vars_prompt: Vec<Prompt>,
    /// `gather_facts`; facts are gathered when first used, unless this is false.
    pub gather_facts: Option<Value>,
    /// The task that gathers facts when `gather_facts` is true.
    pub gather: Arc<Task>,
    /// What every task of the play has, unless it says otherwise.
    pub common: Common,
    /// `serial`: sizes of the batches, as numbers or percentages.
    pub serial: Vec<Value>,
    /// `max_fail_percentage`.
    pub max_fail_percentage: Option<Value>,
    /// `order`.
    pub order: Option<Value>,
    /// `force_handlers`.
    pub force_handlers: Option<Value>,
    /// `strategy` is `free` or `host_pinned`: hosts never wait for each other. `None`: it says nothing.
    pub free: Option<bool>,
    /// `pre_tasks`, roles and `tasks`, `post_tasks`. Handlers run after each.
    pub sections: [Section; 3],
    /// In the order in which they run.
    pub handlers: Vec<Arc<Task>>,
}

/// A part of a play, after which the notified handlers run.
#[derive(Debug, Clone, Default)]
pub struct Section {
    /// Its tasks.
    pub items: Vec<Item>,
    /// The place of its handlers in the order of the playbook.
    pub flush: usize,
}

/// One question of `vars_prompt`.
#[derive(Debug, Clone, Default)]
pub struct Prompt {
    /// The variable.
    pub name: String,
    /// What to ask.
    pub prompt: Option<String>,
    /// The answer when none is given.
    pub default: Option<Value>,
    /// The answer is not shown.
    pub private: bool,
    /// Ask twice.
    pub confirm: bool,
    /// Keep a hash of the answer, made this way.
    pub encrypt: Option<String>,
    /// The salt of the hash.
    pub salt: Option<String>,
}

/// A role in one of its places: what its tasks see of it.
#[derive(Debug, Default)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// Its folder.
    pub path: PathBuf,
    /// The roles that brought it here, the nearest last.
    pub parents: Vec<Arc<Role>>,
    /// The roles it depends on, all of them.
    pub dependencies: Vec<Arc<Role>>,
    /// `defaults`, its own.
    pub own_defaults: Map<String, Value>,
    /// `vars`, its own.
    pub own_vars: Map<String, Value>,
    /// `vars:` where it is named.
    pub given: Map<String, Value>,
    /// Names that are no keywords where it is named, parents' first.
    pub params: Arc<Map<String, Value>>,
    /// The defaults its tasks see.
    pub defaults: Arc<Map<String, Value>>,
    /// The variables its tasks see.
    pub vars: Arc<Map<String, Value>>,
    /// The variables that tasks outside see.
    pub exported: Arc<Map<String, Value>>,
}

/// A task or a block of them.
#[derive(Debug, Clone)]
pub enum Item {
    /// One task.
    Task(Arc<Task>),
    /// Several, with what to do when one fails.
    Block(Arc<Block>),
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
    pub role: Option<Arc<Role>>,
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
    /// `async` and `poll`.
    pub background: Option<Background>,
    /// Topics a handler listens to.
    pub listen: Vec<String>,
    /// What it may have from its blocks and play as well.
    pub common: Common,
    /// Folders for relative `src`, in search order.
    pub search: Arc<[PathBuf]>,
    /// Variables that come from its place, made when they are first asked for.
    pub magic: OnceLock<Arc<Map<String, Value>>>,
}

/// What a task does.
#[derive(Debug, Clone)]
pub enum Action {
    /// Run a module with these arguments, perhaps templates.
    Module(&'static Module, Value),
    /// The same, with a module that is known only when a host comes to it.
    Named(String, Value),
    /// `meta`.
    Meta(Meta),
    /// `include_vars`.
    IncludeVars(Map<String, Value>),
    /// `include_tasks` and `include_role`.
    Include(Box<Include>),
}

/// Tasks that are read when a host comes to them.
#[derive(Debug, Clone)]
pub struct Include {
    /// A role, not a file.
    pub role: bool,
    /// Its arguments, perhaps templates.
    pub args: Map<String, Value>,
    /// Its own variables.
    pub vars: Map<String, Value>,
    /// `apply`.
    pub apply: Common,
    /// What the tasks have from what stands around.
    pub outer: Common,
    /// Where it stands.
    pub place: Place,
}

/// Where tasks are being read.
#[derive(Debug, Clone)]
pub struct Place {
    /// The folder in which the tasks of the play or role are.
    pub base: PathBuf,
    /// The folders of the files that led here, the nearest first.
    pub here: Vec<PathBuf>,
    /// Folders for relative `src`.
    pub search: Arc<[PathBuf]>,
    /// The role that the file belongs to.
    pub role: Option<Arc<Role>>,
    /// The tasks are handlers.
    pub handlers: bool,
    /// How many imports deep.
    pub depth: usize,
}

/// `async` and `poll`.
#[derive(Debug, Clone)]
pub struct Background {
    /// Seconds it may take.
    pub seconds: Value,
    /// Seconds between two looks; 0: nobody waits.
    pub poll: Option<Value>,
}

/// The `meta` actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meta {
    /// Run the notified handlers now.
    FlushHandlers,
    /// No more of this play, for all hosts.
    EndPlay,
    /// No more of this play, for the hosts of this batch.
    EndBatch,
    /// No more of this role, for this host.
    EndRole,
    /// Close the connection; the next step opens a new one.
    ResetConnection,
    /// Hosts that failed or were lost take part again.
    ClearHostErrors,
    /// Read the inventory again.
    RefreshInventory,
    /// No more of this play, for this host.
    EndHost,
    /// Forget the facts.
    ClearFacts,
    /// Nothing.
    Noop,
}

impl Meta {
    /// The word that stands behind `meta:`.
    pub fn word(self) -> &'static str {
        match self {
            Self::FlushHandlers => "flush_handlers",
            Self::EndPlay => "end_play",
            Self::EndBatch => "end_batch",
            Self::EndRole => "end_role",
            Self::ResetConnection => "reset_connection",
            Self::ClearHostErrors => "clear_host_errors",
            Self::RefreshInventory => "refresh_inventory",
            Self::EndHost => "end_host",
            Self::ClearFacts => "clear_facts",
            Self::Noop => "noop",
        }
    }
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
    /// Whether there is `ansible_loop`, and with all items.
    pub extended: Option<bool>,
    /// No more items when these hold.
    pub break_when: Vec<Value>,
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
    /// Variables of includes, stronger than what was registered, the innermost last.
    pub params: Vec<Arc<Map<String, Value>>>,
    /// `environment`, the innermost last.
    pub environment: Vec<Value>,
    /// `module_defaults`, the innermost last.
    pub module_defaults: Vec<Value>,
    /// Handlers to notify, perhaps templates.
    pub notify: Vec<String>,
    /// `become`.
    pub become_it: Option<Value>,
    /// `become_user`.
    pub become_user: Option<Value>,
    /// `become_method`.
    pub become_method: Option<Value>,
    /// `ignore_errors`.
    pub ignore_errors: Option<Value>,
    /// `ignore_unreachable`.
    pub ignore_unreachable: Option<Value>,
    /// `any_errors_fatal`.
    pub any_errors_fatal: Option<Value>,
    /// `no_log`.
    pub no_log: Option<Value>,
    /// `check_mode`.
    pub check_mode: Option<Value>,
    /// `diff`.
    pub diff: Option<Value>,
    /// `delegate_to`.
    pub delegate_to: Option<Value>,
    /// `delegate_facts`.
    pub delegate_facts: Option<Value>,
    /// `run_once`.
    pub run_once: Option<Value>,
    /// `timeout`.
    pub timeout: Option<Value>,
    /// `throttle`.
    pub throttle: Option<Value>,
    /// `connection`.
    pub connection: Option<Value>,
    /// `remote_user`.
    pub remote_user: Option<Value>,
    /// `port`.
    pub port: Option<Value>,
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
        let mut notify = self.notify.clone();
        for name in inner.notify {
            if !notify.contains(&name) {
                notify.push(name);
            }
        }
        let or = |mine: Option<Value>, theirs: &Option<Value>| mine.or_else(|| theirs.clone());
        Self {
            when: both(&self.when, inner.when),
            tags,
            vars: self.vars.iter().cloned().chain(inner.vars).collect(),
            params: self.params.iter().cloned().chain(inner.params).collect(),
            environment: both(&self.environment, inner.environment),
            module_defaults: both(&self.module_defaults, inner.module_defaults),
            notify,
            become_it: or(inner.become_it, &self.become_it),
            become_user: or(inner.become_user, &self.become_user),
            become_method: or(inner.become_method, &self.become_method),
            ignore_errors: or(inner.ignore_errors, &self.ignore_errors),
            ignore_unreachable: or(inner.ignore_unreachable, &self.ignore_unreachable),
            any_errors_fatal: or(inner.any_errors_fatal, &self.any_errors_fatal),
            no_log: or(inner.no_log, &self.no_log),
            check_mode: or(inner.check_mode, &self.check_mode),
            diff: or(inner.diff, &self.diff),
            delegate_to: or(inner.delegate_to, &self.delegate_to),
            delegate_facts: or(inner.delegate_facts, &self.delegate_facts),
            run_once: or(inner.run_once, &self.run_once),
            timeout: or(inner.timeout, &self.timeout),
            throttle: or(inner.throttle, &self.throttle),
            connection: or(inner.connection, &self.connection),
            remote_user: or(inner.remote_user, &self.remote_user),
            port: or(inner.port, &self.port),
        }
    }
}

impl Task {
    /// What the task is called when it has no name.
    pub fn module_name(&self) -> &str {
        match &self.action {
            Action::Module(module, _) => module.name,
            Action::Named(name, _) => name,
            Action::Meta(_) => "meta",
            Action::IncludeVars(_) => "include_vars",
            Action::Include(include) if include.role => "include_role",
            Action::Include(_) => "include_tasks",
        }
    }

    /// The name for people, role included; still a template.
    pub fn title(&self) -> String {
        let name = self.name.as_deref().unwrap_or_else(|| self.module_name());
        match &self.role {
            Some(role) => format!("{} : {name}", role.name),
            None => name.to_owned(),
        }
    }

    /// Its conditions, each with the keyword that it stands under.
    pub fn conditions(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        let groups = [
            ("when", Some(&self.common.when)),
            ("changed_when", self.changed_when.as_ref()),
            ("failed_when", self.failed_when.as_ref()),
            ("until", self.until.as_ref().map(|until| &until.conditions)),
        ];
        groups.into_iter().flat_map(|(keyword, conditions)| conditions.into_iter().flatten().map(move |c| (keyword, c)))
    }

    /// The values in which templates may stand, and what they are: its arguments, what it loops over.
    pub fn values(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        let args = match &self.action {
            Action::Module(_, args) | Action::Named(_, args) => Some(("an argument", args)),
            _ => None,
        };
        args.into_iter().chain(self.repeat.as_ref().map(|repeat| ("the loop", &repeat.over)))
    }
}

impl Play {
    /// Every task, and the handlers.
    pub fn all_tasks(&self) -> Vec<&Task> {
        let mut found = self.tasks();
        found.extend(self.handlers.iter().map(|handler| &**handler));
        found
    }

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
            walk(&section.items, &mut found);
        }
        found
    }
}
