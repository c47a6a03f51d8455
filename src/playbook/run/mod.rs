//! Runs a playbook: hosts side by side, each at its own pace through a play, steps sent before earlier ones answered.

mod flight;
mod gate;
mod host;
mod include;
mod inventory;
mod prepare;
mod special;

pub(in crate::playbook) use host::tags_allow;

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, atomic::AtomicBool},
    time::Duration,
};

use indexmap::IndexMap;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::{
    ast::{Common, Play, Playbook, Prompt, Role, Task},
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
    /// Folders in which roles are looked for besides those of the playbook.
    pub roles_path: Vec<PathBuf>,
    /// The configuration that was read, for `ansible_config_file`.
    pub config_file: Option<PathBuf>,
    /// What `-i` said, for `ansible_inventory_sources`.
    pub inventory_sources: Vec<String>,
    /// When facts are gathered by plays that do not say it.
    pub gathering: Gathering,
    /// How long connecting and login may take.
    pub connect_timeout: Duration,
    /// How long a step may take when its task does not say so.
    pub step_timeout: Duration,
    /// Passwords of Ansible's vault.
    pub vault: Keys,
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
            roles_path: Vec::new(),
            config_file: None,
            inventory_sources: Vec::new(),
            gathering: Gathering::Used,
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

    /// Closes the shell of a host; the next step opens another.
    async fn close(&self, name: &str) {
        let shell = lock(&self.shells).remove(name);
        if let Some(shell) = shell.and_then(Arc::into_inner) {
            shell.close().await;
        }
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
    inventory: Mutex<Arc<Inventory>>,
    groups: Mutex<Arc<IndexMap<String, Vec<String>>>>,
    extra: Layer,
    vault: Keys,
    /// Variables of the run that hosts have in common.
    common: Layer,
}

/// A task in a play: play, batch, and its place in the play.
type Spot = (usize, usize, Vec<usize>);

struct Run<'a> {
    options: &'a Options,
    connections: &'a Connections,
    sink: Sink<'a>,
    cancel: CancellationToken,
    shared: Arc<Shared>,
    summary: Mutex<IndexMap<String, HostSummary>>,
    /// Hosts that failed, and those that were lost.
    failed: Mutex<HashSet<String>>,
    unreachable: Mutex<HashSet<String>>,
    /// Tasks whose heading was told.
    told: Mutex<HashSet<(Spot, bool)>>,
    /// Tasks that were included, by where and what.
    includes: Mutex<include::Includes>,
    /// How many hosts may be in a task at once.
    throttles: Mutex<HashMap<(Spot, usize), Arc<tokio::sync::Semaphore>>>,
    /// Background jobs of the run, by host and job id.
    jobs: Mutex<HashMap<(String, String), host::Job>>,
    next_id: std::sync::atomic::AtomicUsize,
    /// The task to begin at was met.
    started: AtomicBool,
    /// `meta: end_play` was met.
    ended: AtomicBool,
    /// Warnings that were given; each is given once.
    warned: Mutex<HashSet<String>>,
}

/// One play on one batch of hosts.
struct Batch<'a> {
    number: usize,
    index: usize,
    play: &'a Play,
    /// Hosts do not wait for each other.
    free: bool,
    /// The answers to `vars_prompt`.
    prompted: Arc<Map<String, Value>>,
    hosts: Vec<String>,
    all_hosts: Mutex<Vec<String>>,
    gate: gate::Gate,
    forks: tokio::sync::Semaphore,
    /// `meta: end_play` or `end_batch` was met.
    over: AtomicBool,
    /// Tasks whose failure on one host is every host's.
    fallen: Mutex<HashSet<Vec<usize>>>,
    /// Roles and handlers that were included while it ran.
    roles: Mutex<Vec<Arc<Role>>>,
    handlers: Mutex<Vec<Arc<Task>>>,
    max_fail: Option<f64>,
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
    let folder = std::path::absolute(playbook.path.parent().unwrap_or(&playbook.path)).unwrap_or_default();
    let run = Run {
        options,
        connections,
        sink,
        cancel,
        shared: Arc::new(Shared {
            known: Mutex::new(known),
            inventory: Mutex::new(Arc::new(inventory.clone())),
            groups: Mutex::new(Arc::new(inventory.groups())),
            extra: Layer::lazy(Arc::new(options.extra_vars.clone())),
            vault: options.vault.clone(),
            common: Layer::fixed(common_magic(options, &folder)),
        }),
        summary: Mutex::default(),
        failed: Mutex::default(),
        unreachable: Mutex::default(),
        told: Mutex::default(),
        includes: Mutex::default(),
        throttles: Mutex::default(),
        jobs: Mutex::default(),
        next_id: std::sync::atomic::AtomicUsize::new(1 << 32),
        started: AtomicBool::new(options.start_at_task.is_none()),
        ended: AtomicBool::new(false),
        warned: Mutex::default(),
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
    let order = run.inventory().names();
    hosts.sort_by_cached_key(|name, _| order.iter().position(|other| other == name));
    if let Some(message) = &error {
        sink(Event::Warning { message: message.clone() });
    }
    sink(Event::Recap { hosts: hosts.clone() });
    Summary { hosts, error }
}

impl Run<'_> {
    fn inventory(&self) -> Arc<Inventory> {
        Arc::clone(&lock(&self.shared.inventory))
    }

    /// Whether the plays after this one are to be run.
    async fn play(&self, number: usize, play: &Play) -> Result<bool, String> {
        let prompted = Arc::new(self.prompts(play)?);
        let view = self.play_view(play, &prompted);
        let hosts = self.hosts_of(play, &view)?;
        let text = |value: &Value| template::value(&view, value).map_err(|e| e.to_string());
        let name = template::text(&view, &play.name).unwrap_or_else(|_| play.name.clone());
        let told = || Event::Play { play: number, name: name.clone(), hosts: hosts.clone() };
        let alive: Vec<String> = hosts.iter().filter(|name| !self.is_lost(name)).cloned().collect();
        if alive.is_empty() {
            (self.sink)(told());
            let message = if hosts.is_empty() { "skipping: no hosts matched" } else { "NO MORE HOSTS LEFT" };
            (self.sink)(Event::Note { message: message.into() });
            return Ok(hosts.is_empty());
        }
        let serial = play.serial.iter().map(text).collect::<Result<Vec<_>, _>>()?;
        let max_fail = play.max_fail_percentage.as_ref().map(text).transpose()?;
        let max_fail = max_fail.and_then(|value| text_of(&value).trim_end_matches('%').parse::<f64>().ok());
        for (index, batch) in batches(&alive, &serial).into_iter().enumerate() {
            (self.sink)(told());
            let batch = Batch {
                number,
                index,
                play,
                free: play.free.unwrap_or(self.options.free),
                prompted: Arc::clone(&prompted),
                gate: gate::Gate::new(&batch),
                forks: tokio::sync::Semaphore::new(self.options.forks.max(1)),
                hosts: batch,
                all_hosts: Mutex::new(hosts.clone()),
                over: AtomicBool::new(false),
                fallen: Mutex::default(),
                roles: Mutex::default(),
                handlers: Mutex::default(),
                max_fail,
            };
            let before = batch.hosts.iter().filter(|name| self.is_lost(name)).count();
            futures_util::future::join_all(batch.hosts.iter().map(|name| {
                let batch = &batch;
                async move {
                    host::HostRun::new(self, batch, name).play().await;
                    batch.gate.done(name);
                    (self.sink)(Event::HostDone { host: name.clone(), play: number });
                }
            }))
            .await;
            // As Ansible: when a whole batch is lost, the playbook is over.
            let lost = batch.hosts.iter().filter(|name| self.is_lost(name)).count() - before;
            if lost == batch.hosts.len() {
                (self.sink)(Event::Note { message: "NO MORE HOSTS LEFT".into() });
                return Ok(false);
            }
            if self.ended.swap(false, std::sync::atomic::Ordering::Relaxed) {
                break;
            }
        }
        Ok(true)
    }

    /// What a play sees before it is known which host it is about.
    fn play_view(&self, play: &Play, prompted: &Arc<Map<String, Value>>) -> Arc<View> {
        let mut view = View::new(vec![
            self.shared.common.clone(),
            self.shared.extra.clone(),
            Layer::lazy(Arc::clone(prompted)),
            Layer::lazy(Arc::clone(&play.vars)),
        ]);
        view.vault = self.options.vault.clone();
        view.special = Some(special::special(&self.shared, None));
        Arc::new(view)
    }

    /// Asks what `vars_prompt` wants to know.
    fn prompts(&self, play: &Play) -> Result<Map<String, Value>, String> {
        let mut answers = Map::new();
        for prompt in &play.vars_prompt {
            if self.options.extra_vars.contains_key(&prompt.name) {
                continue;
            }
            let view = self.play_view(play, &Arc::default());
            let mut prompt = prompt.clone();
            if let Some(text) = &prompt.prompt {
                prompt.prompt = Some(template::text(&view, text).map_err(|e| format!("`vars_prompt`: {e}"))?);
            }
            let default = prompt.default.as_ref().map(|value| template::value(&view, value)).transpose();
            let default = default.map_err(|e| format!("`vars_prompt`: {e}"))?;
            let mut answer = match &self.options.ask {
                Some(ask) => (ask.0)(&prompt)?.map(Value::String).filter(|text| text.as_str() != Some("")),
                None => None,
            }
            .or(default)
            .unwrap_or_else(|| Value::String(String::new()));
            if prompt.encrypt.is_some() {
                let text = text_of(&answer);
                answer = Value::String(match &prompt.salt {
                    Some(salt) => super::crypt::hash(&text, "sha512", Some(salt), None)?,
                    None => super::crypt::sha512_crypt_hash(&text)?,
                });
            }
            answers.insert(prompt.name, answer);
        }
        Ok(answers)
    }

    fn hosts_of(&self, play: &Play, view: &Arc<View>) -> Result<Vec<String>, String> {
        let mut patterns = Vec::new();
        for pattern in &play.hosts {
            match template::value(view, &Value::String(pattern.clone())).map_err(|e| format!("`hosts`: {e}"))? {
                Value::Array(items) => patterns.extend(items.iter().map(text_of)),
                one => patterns.push(text_of(&one)),
            }
        }
        let pattern = patterns.join(",");
        let pattern = if patterns.len() == 1 { patterns[0].clone() } else { pattern };
        let inventory = self.inventory();
        let mut hosts = inventory.matching(&pattern)?;
        for part in pattern.split([',', ':']).map(|part| part.trim_start_matches(['&', '!']).trim()) {
            let plain = !part.is_empty() && !part.contains(['*', '?', '[', '~']);
            if plain
                && !inventory.knows(part)
                && !matches!(part, "all" | "ungrouped" | "localhost" | "127.0.0.1" | "::1")
            {
                let hint = inventory.nearest(part).map(|near| format!("; did you mean `{near}`?"));
                let message =
                    format!("Could not match supplied host pattern, ignoring: {part}{}", hint.unwrap_or_default());
                if self.options.strict_patterns {
                    return Err(message.replace(", ignoring", ""));
                }
                (self.sink)(Event::Warning { message });
            }
        }
        if let Some(limit) = &self.options.limit {
            let keep = inventory.matching(limit)?;
            hosts.retain(|name| keep.contains(name));
        }
        let order = play.order.as_ref().map(|value| template::value(view, value)).transpose();
        let order = order.map_err(|e| format!("`order`: {e}"))?.map(|value| text_of(&value));
        match order.as_deref() {
            None | Some("inventory" | "") => {}
            Some("reverse_inventory") => hosts.reverse(),
            Some("sorted") => hosts.sort(),
            Some("reverse_sorted") => {
                hosts.sort();
                hosts.reverse();
            }
            Some("shuffle") => {
                use rand::seq::SliceRandom as _;
                hosts.shuffle(&mut rand::rng());
            }
            Some(other) => {
                return Err(format!(
                    "`order` is `{other}`, but knows inventory, reverse_inventory, sorted, reverse_sorted and shuffle"
                ));
            }
        }
        let mut known = lock(&self.shared.known);
        for name in &hosts {
            known.entry(name.clone()).or_insert_with(|| Known { inventory: inventory.vars(name), ..Known::default() });
        }
        Ok(hosts)
    }

    /// Warns of what was not warned of yet.
    fn warn(&self, messages: Vec<String>) {
        for message in messages {
            if lock(&self.warned).insert(message.clone()) {
                (self.sink)(Event::Warning { message });
            }
        }
    }

    fn is_lost(&self, host: &str) -> bool {
        lock(&self.failed).contains(host) || lock(&self.unreachable).contains(host)
    }

    /// What a host knows that every task sees: strongest first.
    fn layers(&self, host: &str, batch: &Batch<'_>, files: &[Layer]) -> (Vec<Layer>, Known) {
        let known = lock(&self.shared.known).get(host).cloned().unwrap_or_default();
        let included = lock(&batch.roles);
        let roles = || included.iter().rev().chain(batch.play.roles.iter().rev());
        let mut layers: Vec<Layer> = roles().map(|role| Layer::lazy(Arc::clone(&role.exported))).collect();
        layers.extend(files.iter().cloned());
        layers.push(Layer::lazy(Arc::clone(&batch.prompted)));
        layers.push(Layer::lazy(Arc::clone(&batch.play.vars)));
        if let Some(facts) = &known.facts {
            layers.push(Layer { map: Arc::clone(facts), lazy: false });
        }
        layers.push(Layer::lazy(Arc::clone(&known.inventory)));
        (layers, known)
    }

    /// The defaults of the play's roles, strongest first.
    fn defaults(batch: &Batch<'_>) -> Vec<Layer> {
        let included = lock(&batch.roles);
        let roles = included.iter().rev().chain(batch.play.roles.iter().rev());
        roles.map(|role| Layer::lazy(Arc::clone(&role.defaults))).collect()
    }

    /// Names that are the same for all tasks of a play on a host.
    fn magic(&self, host: &str, batch: &Batch<'_>) -> Map<String, Value> {
        let inventory = self.inventory();
        let mut all_roles: Vec<&str> = Vec::new();
        let mut dependencies: Vec<&str> = Vec::new();
        for role in &batch.play.roles {
            dependencies.extend(role.dependencies.iter().map(|role| role.name.as_str()));
            all_roles.push(&role.name);
        }
        dependencies.sort_unstable();
        dependencies.dedup();
        all_roles.extend(dependencies.iter().copied());
        all_roles.sort_unstable();
        all_roles.dedup();
        let values = json!({
            "inventory_hostname": host,
            "inventory_hostname_short": host.split('.').next().unwrap_or(host),
            "inventory_file": inventory.source_of(host),
            "inventory_dir": inventory.folder_of(host),
            "ansible_play_name": batch.play.name,
            "ansible_play_role_names": batch.play.role_names,
            "role_names": batch.play.role_names,
            "ansible_dependent_role_names": dependencies,
            "ansible_role_names": all_roles,
        });
        match values {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }

    /// The target of a host, from code or from variables.
    fn target(&self, host: &str, view: &Arc<View>, common: &Common) -> Result<Target, String> {
        if let Some(target) = self.inventory().target(host) {
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
        let own = |value: &Option<Value>| -> Result<Option<String>, String> {
            let value = value.as_ref().map(|value| template::value(view, value)).transpose();
            Ok(value.map_err(|e| e.to_string())?.map(|value| text_of(&value)))
        };
        let user = own(&common.remote_user)?.or_else(|| self.options.user.clone());
        let connection = own(&common.connection)?.or_else(|| self.options.connection.clone());
        let mut target = super::inventory::target_of(
            host,
            &get,
            connection.as_deref(),
            user.as_deref(),
            self.options.key_file.as_ref(),
            self.options.connect_timeout,
        )?;
        if let remote::Via::Ssh(ssh) = &mut target.via {
            if let Some(port) = own(&common.port)?.and_then(|port| port.parse().ok())
                && view.raw("ansible_port").is_none()
            {
                ssh.port = port;
            }
            if let (Some(password), remote::Login::Default) = (&self.options.connection_password, &ssh.login) {
                ssh.login = remote::Login::Password(password.clone());
            }
            ssh.options.extend(self.options.ssh_options.iter().cloned());
        }
        match lock(&problem).take() {
            Some(message) => Err(message),
            None => Ok(target),
        }
    }
}

/// Names that are the same for all hosts of a run.
fn common_magic(options: &Options, folder: &std::path::Path) -> Map<String, Value> {
    let run_tags = if options.tags.is_empty() { vec!["all".to_owned()] } else { options.tags.clone() };
    let values = json!({
        "playbook_dir": folder.display().to_string(),
        "ansible_check_mode": options.check,
        "ansible_diff_mode": options.diff,
        "ansible_verbosity": options.verbosity,
        "ansible_forks": options.forks,
        "ansible_limit": options.limit,
        "ansible_run_tags": run_tags,
        "ansible_skip_tags": options.skip_tags,
        "ansible_config_file": options.config_file.as_ref().map(|path| path.display().to_string()),
        "ansible_inventory_sources": options.inventory_sources,
        "ansible_playbook_python": "/usr/bin/python3",
        "ansible_version": {"full": "2.19.0", "major": 2, "minor": 19, "revision": 0, "string": "2.19.0"},
    });
    match values {
        Value::Object(map) => map,
        _ => Map::new(),
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
mod precedence;
#[cfg(test)]
mod tests;
