//! How a run is to be made.

use std::{path::PathBuf, sync::Arc, time::Duration};

use serde_json::{Map, Value};

use crate::{
    playbook::{FactCache, Paths, ast::Prompt, vault::Keys},
    remote::{STEP_DEADLINE, Secret},
};

/// How a run is to be made.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools, reason = "each is an option of the command")]
pub struct Options {
    /// Look only, change nothing.
    pub check: bool,
    /// Say before and after.
    pub diff: bool,
    /// Only tasks with one of these tags; empty: all.
    pub tags: Vec<String>,
    /// No tasks with one of these tags.
    pub skip_tags: Vec<String>,
    /// Only these hosts, as a pattern.
    pub limit: Option<String>,
    /// How many hosts at once.
    pub forks: usize,
    /// The strongest variables.
    pub extra_vars: Map<String, Value>,
    /// Begin at the task of this name.
    pub start_at_task: Option<String>,
    /// How many `-v`.
    pub verbosity: u8,
    /// `become` unless a task says otherwise.
    pub become_it: bool,
    /// Who to become.
    pub become_user: Option<String>,
    /// How.
    pub become_method: Option<String>,
    /// The password `sudo` may ask for.
    pub become_password: Option<Secret>,
    /// Who to log in as when nothing else says so.
    pub user: Option<String>,
    /// The private key when nothing else says so.
    pub key_file: Option<PathBuf>,
    /// How to connect when nothing else says so.
    pub connection: Option<String>,
    /// The login's password when nothing else says so.
    pub connection_password: Option<Secret>,
    /// Further `-o` options for every SSH connection.
    pub ssh_options: Vec<String>,
    /// Handlers run on a host that failed, too.
    pub force_handlers: bool,
    /// Plays that say no strategy let hosts go on without waiting for each other.
    pub free: bool,
    /// A notified name that no handler has is worth a warning only.
    pub lenient_handlers: bool,
    /// A name in `hosts` that is not there is an error.
    pub strict_patterns: bool,
    /// Asks before each task whether it is to be run.
    pub step: Option<Step>,
    /// Asks for what `vars_prompt` wants; without it defaults are taken.
    pub ask: Option<Ask>,
    /// Where roles and collections are looked for besides the playbook's folder.
    pub paths: Paths,
    /// The configuration that was read, for `ansible_config_file`.
    pub config_file: Option<PathBuf>,
    /// What `-i` said, for `ansible_inventory_sources`.
    pub inventory_sources: Vec<String>,
    /// When facts are gathered by plays that do not say it.
    pub gathering: Gathering,
    /// Where facts are kept between runs.
    pub fact_cache: Option<FactCache>,
    /// How long connecting and login may take.
    pub connect_timeout: Duration,
    /// How long a step may take when its task does not say so.
    pub step_timeout: Duration,
    /// Passwords of Ansible's vault.
    pub vault: Keys,
    /// Tell at the end where the time went.
    pub timings: bool,
}

/// When facts are gathered by a play without `gather_facts`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gathering {
    /// When a task first uses one.
    Used,
    /// At the beginning of each play.
    Implicit,
    /// At the beginning of a play, on hosts without facts.
    Smart,
    /// Never.
    Explicit,
}

/// Asks a question of `vars_prompt`; `None` takes the default.
#[derive(Clone)]
#[allow(clippy::type_complexity, reason = "one function")]
pub struct Ask(pub Arc<dyn Fn(&Prompt) -> Result<Option<String>, String> + Send + Sync>);

impl std::fmt::Debug for Ask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ask(…)")
    }
}

/// Asks whether a task is to be run.
#[derive(Clone)]
pub struct Step(pub Arc<dyn Fn(&str) -> bool + Send + Sync>);

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Step(…)")
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            check: false,
            diff: false,
            tags: Vec::new(),
            skip_tags: Vec::new(),
            limit: None,
            forks: 50,
            extra_vars: Map::new(),
            start_at_task: None,
            verbosity: 0,
            become_it: false,
            become_user: None,
            become_method: None,
            become_password: None,
            user: None,
            key_file: None,
            connection: None,
            connection_password: None,
            ssh_options: Vec::new(),
            force_handlers: false,
            free: false,
            lenient_handlers: false,
            strict_patterns: false,
            step: None,
            ask: None,
            paths: Paths::default(),
            config_file: None,
            inventory_sources: Vec::new(),
            gathering: Gathering::Used,
            fact_cache: None,
            connect_timeout: Duration::from_secs(15),
            step_timeout: STEP_DEADLINE,
            vault: Keys::default(),
            timings: false,
        }
    }
}
