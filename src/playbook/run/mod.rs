//! Runs a playbook: hosts side by side, each at its own pace through a play, steps sent before earlier ones answered.

mod ahead;
mod connections;
mod flight;
mod gate;
mod host;
mod include;
mod inventory;
mod options;
mod prepare;
mod special;

pub use connections::Connections;
pub(in crate::playbook) use host::tags_allow;
pub use options::{Ask, Gathering, Options, Step};

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, atomic::AtomicBool},
    time::Instant,
};

use indexmap::IndexMap;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::{
    ast::{Common, Play, Playbook, Role, Task},
    doubles,
    event::{Event, HostSummary, Summary},
    inventory::Inventory,
    modules::convert::text_of,
    reserved,
    template::{self, Layer, View},
    timings::Ledger,
    vault::Keys,
};
use crate::remote::{self, BecomeMethod, Target};

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
    /// A play was to gather facts, and did: not only modules told some.
    due: bool,
    gathered: bool,
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
    /// Taken by the host that gathers the facts of all.
    gathering: tokio::sync::Mutex<()>,
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
    /// What tasks took, when that is asked for.
    ledger: Option<Mutex<Ledger>>,
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
    let begun = Instant::now();
    let known = inventory
        .names()
        .into_iter()
        .map(|name| {
            let vars = inventory.vars(&name);
            let known = Known { inventory: vars, ..remembered(options, sink, &name) };
            (name, known)
        })
        .collect();
    template::written(&Value::Object(options.extra_vars.clone()));
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
            gathering: tokio::sync::Mutex::default(),
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
        ledger: options.timings.then(Mutex::default),
    };
    run.warn(playbook.doubts.iter().map(|doubt| format!("{doubt}; the task will fail")).collect());
    run.warn(doubles::doubles());
    run.warn(reserved::warnings(playbook, inventory));
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
    let usage = run.connections.usage();
    run.connections.close_opened().await;
    let mut hosts = std::mem::take(&mut *lock(&run.summary));
    let order = run.inventory().names();
    hosts.sort_by_cached_key(|name, _| order.iter().position(|other| other == name));
    if let Some(message) = &error {
        sink(Event::Warning { message: message.clone() });
    }
    sink(Event::Recap { hosts: hosts.clone() });
    if let Some(ledger) = &run.ledger {
        sink(Event::Timings(std::mem::take(&mut *lock(ledger)).close(begun.elapsed(), usage)));
    }
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
            let fresh = || Known { inventory: inventory.vars(name), ..remembered(self.options, self.sink, name) };
            known.entry(name.clone()).or_insert_with(fresh);
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
        let mut dependencies: Vec<&str> = Vec::new();
        let mut own: Vec<&str> = batch.play.role_names.iter().map(String::as_str).collect();
        for role in &batch.play.roles {
            dependencies.extend(role.dependencies.iter().map(|role| role.name.as_str()));
            own.push(&role.name);
        }
        let distinct =
            |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<indexmap::IndexSet<String>>();
        let all_roles = distinct(&[own.as_slice(), dependencies.as_slice()].concat());
        let (own, dependencies) = (distinct(&own), distinct(&dependencies));
        let values = json!({
            "inventory_hostname": host,
            "inventory_hostname_short": host.split('.').next().unwrap_or(host),
            "inventory_file": inventory.source_of(host),
            "inventory_dir": inventory.folder_of(host),
            "ansible_play_name": batch.play.name,
            "ansible_play_role_names": own,
            "role_names": own,
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

/// What earlier runs have left of a host.
fn remembered(options: &Options, sink: Sink<'_>, host: &str) -> Known {
    let kept = options.fact_cache.as_ref().map_or(Ok(None), |cache| cache.load(host));
    let facts = kept.unwrap_or_else(|message| {
        sink(Event::Warning { message });
        None
    });
    let gathered = facts.as_ref().is_some_and(|facts| facts.contains_key("module_setup"));
    Known { facts: facts.map(|facts| Arc::new(host::with_prefixes(facts))), gathered, ..Known::default() }
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
mod ahead_tests;
#[cfg(test)]
mod precedence;
#[cfg(test)]
mod tests;
