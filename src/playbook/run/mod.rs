//! Runs a playbook: hosts side by side, each at its own pace through a play, steps sent before earlier ones answered.

mod flight;
mod host;
mod prepare;
mod special;

pub(in crate::playbook) use host::tags_allow;

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, atomic::AtomicBool},
    time::Duration,
};

use futures_util::StreamExt as _;
use indexmap::IndexMap;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::{
    ast::{Play, Playbook},
    event::{Event, HostSummary, Summary},
    inventory::Inventory,
    modules::convert::text_of,
    template::{self, Layer, View},
    vault::Keys,
};
use crate::remote::{self, BecomeMethod, STEP_DEADLINE, Secret, Shell, Target};

/// How a run is to be made.
#[derive(Debug, Clone)]
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
    /// How long connecting and login may take.
    pub connect_timeout: Duration,
    /// How long a step may take when its task does not say so.
    pub step_timeout: Duration,
    /// Passwords of Ansible's vault.
    pub vault: Keys,
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
            connect_timeout: Duration::from_secs(15),
            step_timeout: STEP_DEADLINE,
            vault: Keys::default(),
        }
    }
}

/// Shells by host. Those put in are used and stay open; missing ones are opened by the run and closed at its end.
#[derive(Debug, Default)]
pub struct Connections {
    shells: Mutex<HashMap<String, Arc<Shell>>>,
    opened: Mutex<HashSet<String>>,
}

impl Connections {
    /// Gives the run a shell that is open already.
    pub fn put(&self, name: &str, shell: Shell) {
        lock(&self.shells).insert(name.to_owned(), Arc::new(shell));
    }

    /// Takes a shell back, after the run.
    pub fn take(&self, name: &str) -> Option<Shell> {
        Arc::into_inner(lock(&self.shells).remove(name)?)
    }

    fn forget(&self, name: &str) {
        lock(&self.shells).remove(name);
    }

    /// The shell of a host, if there is an open one.
    pub fn get(&self, name: &str) -> Option<Arc<Shell>> {
        lock(&self.shells).get(name).filter(|shell| shell.is_open()).cloned()
    }

    async fn open(&self, target: &Target) -> Result<Arc<Shell>, remote::Error> {
        if let Some(shell) = self.get(&target.name) {
            return Ok(shell);
        }
        let shell = Arc::new(Shell::open(target).await?);
        lock(&self.shells).insert(target.name.clone(), Arc::clone(&shell));
        lock(&self.opened).insert(target.name.clone());
        Ok(shell)
    }

    /// Puts another shell in a host's place.
    fn replace(&self, name: &str, shell: Arc<Shell>) {
        lock(&self.shells).insert(name.to_owned(), shell);
        lock(&self.opened).insert(name.to_owned());
    }

    async fn close_opened(&self) {
        let names: Vec<String> = lock(&self.opened).drain().collect();
        let shells: Vec<Shell> = names.iter().filter_map(|name| self.take(name)).collect();
        let closing = shells.into_iter().map(Shell::close);
        futures_util::future::join_all(closing).await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Where events go.
pub type Sink<'a> = &'a (dyn Fn(Event) + Send + Sync);

/// What is known about a host and outlives a play.
#[derive(Debug, Clone, Default)]
struct Known {
    inventory: Arc<Map<String, Value>>,
    facts: Option<Arc<Map<String, Value>>>,
    /// `register` and `set_fact`.
    kept: Arc<Map<String, Value>>,
    /// `include_vars`.
    included: Arc<Map<String, Value>>,
}

/// What all hosts of a run share.
struct Shared {
    known: Mutex<IndexMap<String, Known>>,
    groups: Arc<IndexMap<String, Vec<String>>>,
    extra: Layer,
    vault: Keys,
}

/// Play, batch, task.
type OnceKey = (usize, usize, usize);

struct Run<'a> {
    inventory: &'a Inventory,
    options: &'a Options,
    connections: &'a Connections,
    sink: Sink<'a>,
    cancel: CancellationToken,
    shared: Arc<Shared>,
    summary: Mutex<IndexMap<String, HostSummary>>,
    /// Tasks whose heading was told.
    told: Mutex<HashSet<(usize, usize, bool)>>,
    /// Results of tasks that run once.
    once: Mutex<HashMap<OnceKey, Arc<tokio::sync::OnceCell<host::Once>>>>,
    /// The task to begin at was met.
    started: AtomicBool,
    folder: PathBuf,
}

/// One play on one batch of hosts.
struct Batch<'a> {
    number: usize,
    index: usize,
    play: &'a Play,
    hosts: Vec<String>,
    all_hosts: Vec<String>,
    /// A failure somewhere ends the play everywhere, or `meta: end_play` did.
    over: AtomicBool,
}

/// Runs `playbook` and tells what happens. Ends early when `cancel` is cancelled.
pub async fn run(
    playbook: &Playbook,
    inventory: &Inventory,
    options: &Options,
    connections: &Connections,
    sink: Sink<'_>,
    cancel: CancellationToken,
) -> Summary {
    let known = inventory
        .names()
        .into_iter()
        .map(|name| {
            let vars = inventory.vars(&name);
            (name, Known { inventory: vars, ..Known::default() })
        })
        .collect();
    let run = Run {
        inventory,
        options,
        connections,
        sink,
        cancel,
        shared: Arc::new(Shared {
            known: Mutex::new(known),
            groups: Arc::new(inventory.groups()),
            extra: Layer::lazy(Arc::new(options.extra_vars.clone())),
            vault: options.vault.clone(),
        }),
        summary: Mutex::default(),
        told: Mutex::default(),
        once: Mutex::default(),
        started: AtomicBool::new(options.start_at_task.is_none()),
        folder: std::path::absolute(playbook.path.parent().unwrap_or(&playbook.path)).unwrap_or_default(),
    };
    let mut error = None;
    for (number, play) in playbook.plays.iter().enumerate() {
        if run.cancel.is_cancelled() {
            break;
        }
        match run.play(number, play).await {
            Ok(true) => {}
            Ok(false) => break,
            Err(message) => {
                error = Some(format!("{}: {message}", play.at));
                break;
            }
        }
    }
    if error.is_none() && run.cancel.is_cancelled() {
        error = Some("the run was cancelled".to_owned());
    }
    run.connections.close_opened().await;
    let mut hosts = std::mem::take(&mut *lock(&run.summary));
    let order = inventory.names();
    hosts.sort_by_cached_key(|name, _| order.iter().position(|other| other == name));
    if let Some(message) = &error {
        sink(Event::Warning { message: message.clone() });
    }
    sink(Event::Recap { hosts: hosts.clone() });
    Summary { hosts, error }
}

impl Run<'_> {
    /// Whether the plays after this one are to be run.
    async fn play(&self, number: usize, play: &Play) -> Result<bool, String> {
        let hosts = self.hosts_of(play)?;
        (self.sink)(Event::Play { play: number, name: play.name.clone(), hosts: hosts.clone() });
        let hosts: Vec<String> = hosts.into_iter().filter(|name| !self.is_lost(name)).collect();
        if hosts.is_empty() {
            return Ok(true);
        }
        for (index, batch) in batches(&hosts, &play.serial).into_iter().enumerate() {
            let batch =
                Batch { number, index, play, hosts: batch, all_hosts: hosts.clone(), over: AtomicBool::new(false) };
            futures_util::stream::iter(&batch.hosts)
                .for_each_concurrent(self.options.forks.max(1), |name| {
                    let batch = &batch;
                    async move {
                        host::HostRun::new(self, batch, name).play().await;
                        (self.sink)(Event::HostDone { host: name.clone(), play: number });
                    }
                })
                .await;
            // As Ansible: when a whole batch is lost, the playbook is over.
            let lost = batch.hosts.iter().filter(|name| self.is_lost(name)).count();
            if lost == batch.hosts.len() || (play.any_errors_fatal && lost > 0) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn hosts_of(&self, play: &Play) -> Result<Vec<String>, String> {
        let mut view = View::new(vec![self.shared.extra.clone(), Layer::lazy(Arc::clone(&play.vars))]);
        view.vault = self.options.vault.clone();
        let view = Arc::new(view);
        let mut patterns = Vec::new();
        for pattern in &play.hosts {
            match template::value(&view, &Value::String(pattern.clone())).map_err(|e| format!("`hosts`: {e}"))? {
                Value::Array(items) => patterns.extend(items.iter().map(text_of)),
                one => patterns.push(text_of(&one)),
            }
        }
        let pattern = patterns.join(",");
        let pattern = if patterns.len() == 1 { patterns[0].clone() } else { pattern };
        let mut hosts = self.inventory.matching(&pattern)?;
        if hosts.is_empty() {
            let hint = self.inventory.nearest(&pattern).map(|near| format!("; did you mean `{near}`?"));
            let message = format!("no host matches `{pattern}`{}", hint.unwrap_or_default());
            (self.sink)(Event::Warning { message });
        }
        if let Some(limit) = &self.options.limit {
            let keep = self.inventory.matching(limit)?;
            hosts.retain(|name| keep.contains(name));
        }
        let mut known = lock(&self.shared.known);
        for name in &hosts {
            known.entry(name.clone()).or_default();
        }
        Ok(hosts)
    }

    fn is_lost(&self, host: &str) -> bool {
        lock(&self.summary).get(host).is_some_and(|summary| summary.failed > 0 || summary.unreachable > 0)
    }

    /// What a host knows that every task sees: weakest last. `top` goes over all but `-e`.
    fn layers(&self, host: &str, batch: &Batch<'_>, files: &[Layer]) -> (Vec<Layer>, Known) {
        let known = lock(&self.shared.known).get(host).cloned().unwrap_or_default();
        let mut layers = files.to_vec();
        layers.push(Layer::lazy(Arc::clone(&batch.play.vars)));
        if let Some(facts) = &known.facts {
            layers.push(Layer { map: Arc::clone(facts), lazy: false });
        }
        layers.push(Layer::lazy(Arc::clone(&known.inventory)));
        layers.push(Layer::lazy(Arc::clone(&batch.play.defaults)));
        (layers, known)
    }

    fn magic(&self, host: &str, batch: &Batch<'_>) -> Map<String, Value> {
        let groups = if lock(&self.shared.known).contains_key(host) && self.inventory.names().iter().any(|n| n == host)
        {
            self.inventory.groups_of(host)
        } else {
            Vec::new()
        };
        let alive: Vec<&String> = batch.all_hosts.iter().filter(|name| !self.is_lost(name)).collect();
        let values = json!({
            "inventory_hostname": host,
            "inventory_hostname_short": host.split('.').next().unwrap_or(host),
            "group_names": groups,
            "playbook_dir": self.folder.display().to_string(),
            "ansible_check_mode": self.options.check,
            "ansible_diff_mode": self.options.diff,
            "ansible_verbosity": self.options.verbosity,
            "ansible_forks": self.options.forks,
            "ansible_play_name": batch.play.name,
            "ansible_play_hosts": alive,
            "play_hosts": alive,
            "ansible_play_hosts_all": batch.all_hosts,
            "ansible_play_batch": batch.hosts,
            "ansible_limit": self.options.limit,
            "ansible_run_tags": if self.options.tags.is_empty() { vec!["all".to_owned()] } else { self.options.tags.clone() },
            "ansible_skip_tags": self.options.skip_tags,
            "ansible_version": {"full": "2.18.0", "major": 2, "minor": 18, "revision": 0, "string": "2.18.0"},
        });
        match values {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }

    /// The target of a host, from code or from variables.
    fn target(&self, host: &str, view: &Arc<View>, play: &Play) -> Result<Target, String> {
        if let Some(target) = self.inventory.target(host) {
            return Ok(target.clone());
        }
        let problem = Mutex::new(None);
        let get = |name: &str| {
            view.raw(name)?;
            match template::expression(view, name) {
                Ok(value) => Some(value),
                Err(error) => {
                    lock(&problem).get_or_insert(format!("variable `{name}`: {error}"));
                    None
                }
            }
        };
        let user = play.remote_user.as_ref().map(text_of).or_else(|| self.options.user.clone());
        let connection = play.connection.as_deref().or(self.options.connection.as_deref());
        let target = super::inventory::target_of(
            host,
            &get,
            connection,
            user.as_deref(),
            self.options.key_file.as_ref(),
            self.options.connect_timeout,
        )?;
        match lock(&problem).take() {
            Some(message) => Err(message),
            None => Ok(target),
        }
    }
}

fn method_of(text: &str) -> Result<BecomeMethod, String> {
    match text.rsplit('.').next().unwrap_or(text) {
        "sudo" => Ok(BecomeMethod::Sudo),
        "su" => Ok(BecomeMethod::Su),
        "doas" => Ok(BecomeMethod::Doas),
        other => Err(format!("become_method `{other}` is not known; `sudo`, `su` and `doas` are")),
    }
}

/// Cuts hosts into the batches that `serial` wants; the last size repeats.
fn batches(hosts: &[String], serial: &[Value]) -> Vec<Vec<String>> {
    let mut sizes = serial.iter().map(|size| {
        let text = text_of(size);
        let size = match text.strip_suffix('%') {
            Some(percent) => percent.trim().parse::<usize>().unwrap_or(100) * hosts.len() / 100,
            None => text.trim().parse().unwrap_or(hosts.len()),
        };
        if size == 0 && !text.ends_with('%') { hosts.len() } else { size.max(1) }
    });
    let mut found = Vec::new();
    let mut rest = hosts;
    let mut size = hosts.len();
    while !rest.is_empty() {
        size = sizes.next().unwrap_or(size).min(rest.len()).max(1);
        let (batch, more) = rest.split_at(size);
        found.push(batch.to_vec());
        rest = more;
    }
    found
}

#[cfg(test)]
mod tests;
