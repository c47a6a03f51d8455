//! What a host knows: the variables each task sees, files of variables, results and facts kept for later.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{HostRun, Stop};
use crate::playbook::{
    ast::Task,
    run::{Gathering, Known, Run, flight::Flight, lock, prepare::Manner, special},
    template::{self, Facts, Layer, View},
    yaml,
};

impl HostRun<'_> {
    /// Reads `vars_files`. A name that needs facts waits for them; text is what is wrong.
    pub(super) async fn read_vars_files(&mut self) -> Result<Result<(), String>, Stop> {
        for candidates in &self.batch.play.vars_files {
            let mut found = None;
            let mut names = Vec::new();
            let mut unknown = false;
            for candidate in candidates {
                let Some(name) = self.file_name(candidate).await? else {
                    // A name that holds what is not known yet is passed over, as in Ansible.
                    unknown = true;
                    continue;
                };
                let base = &self.batch.play.base;
                let found_here = [base.join("vars").join(&name), base.join(&name)].into_iter().find(|p| p.is_file());
                names.push(name);
                if found_here.is_some() {
                    found = found_here;
                    break;
                }
            }
            if found.is_none() && unknown {
                continue;
            }
            let Some(path) = found else {
                return Ok(Err(format!("`vars_files`: there is no `{}`", names.join("`, `"))));
            };
            let node = match yaml::read_with(&path, &self.run.options.vault) {
                Ok(node) => node,
                Err(fault) => return Ok(Err(fault.to_string())),
            };
            let vars = node.map(|node| node.to_map()).unwrap_or_default();
            self.files.insert(0, Layer::lazy(Arc::new(vars)));
        }
        Ok(Ok(()))
    }

    async fn file_name(&mut self, text: &str) -> Result<Option<String>, Stop> {
        loop {
            let mut view = self.plain_base();
            if !self.has_facts() && self.owes_facts() {
                view.facts = Facts::Missing;
            }
            match template::text(&Arc::new(view), text) {
                Ok(name) => return Ok(Some(name)),
                Err(error) => {
                    if self.meet(error).await?.is_some() {
                        return Ok(None);
                    }
                }
            }
        }
    }

    pub(in crate::playbook::run) fn base_view(&self) -> Arc<View> {
        Arc::new(self.plain_base())
    }

    fn plain_base(&self) -> View {
        let (layers, known) = self.run.layers(self.name, self.batch, &self.files);
        let mut all = vec![
            self.alive(),
            self.magic.clone(),
            self.run.shared.common.clone(),
            self.run.shared.extra.clone(),
            Layer { map: Arc::clone(&known.kept), lazy: false },
            Layer::lazy(Arc::clone(&known.included)),
        ];
        all.extend(layers);
        all.extend(Run::defaults(self.batch));
        let mut view = View::new(all);
        view.special = Some(special::special(&self.run.shared, Some(self.name)));
        view.vault = self.run.options.vault.clone();
        view
    }

    /// Which hosts still take part.
    fn alive(&self) -> Layer {
        let lost = |name: &&String| !self.run.is_lost(name);
        let all = lock(&self.batch.all_hosts);
        let alive: Vec<&String> = all.iter().filter(lost).collect();
        let batch: Vec<&String> = self.batch.hosts.iter().filter(lost).collect();
        let map = serde_json::json!({
            "ansible_play_hosts": alive,
            "ansible_play_hosts_all": *all,
            "ansible_play_batch": batch,
            "play_hosts": batch,
        });
        Layer::fixed(map.as_object().cloned().unwrap_or_default())
    }

    /// What a task sees. `top` holds the loop's variables.
    pub(in crate::playbook::run) fn view(&self, task: &Task, top: Option<Layer>) -> Arc<View> {
        Arc::new(self.plain_view(task, top))
    }

    /// Names that come from the task's place: its role, the tags, the folders.
    fn of_task(task: &Task) -> Layer {
        let map = task.magic.get_or_init(|| Arc::new(Self::names_of(task)));
        Layer { map: Arc::clone(map), lazy: false }
    }

    fn names_of(task: &Task) -> Map<String, Value> {
        let mut map = Map::new();
        if let Some(role) = &task.role {
            map.insert("role_name".into(), role.name.clone().into());
            map.insert("ansible_role_name".into(), role.name.clone().into());
            map.insert(
                "role_path".into(),
                std::path::absolute(&role.path).unwrap_or_default().display().to_string().into(),
            );
            if !role.parents.is_empty() {
                let names: Vec<&str> = role.parents.iter().rev().map(|parent| parent.name.as_str()).collect();
                let paths: Vec<String> = role.parents.iter().rev().map(|p| p.path.display().to_string()).collect();
                map.insert("ansible_parent_role_names".into(), names.into());
                map.insert("ansible_parent_role_paths".into(), paths.into());
            }
        }
        let search: Vec<String> = task
            .search
            .iter()
            .filter(|path| !path.ends_with("files") && !path.ends_with("templates"))
            .map(|path| std::path::absolute(path).unwrap_or_default().display().to_string())
            .collect();
        map.insert("ansible_search_path".into(), search.into());
        map.insert("environment".into(), task.common.environment.clone().into());
        map
    }

    pub(in crate::playbook::run) fn plain_view(&self, task: &Task, top: Option<Layer>) -> View {
        let (base, known) = self.run.layers(self.name, self.batch, &self.files);
        let lazy = |vars: &Arc<Map<String, Value>>| Layer::lazy(Arc::clone(vars));
        let mut layers: Vec<Layer> = top.into_iter().collect();
        if self.synced {
            layers.push(self.alive());
        }
        layers.push(Self::of_task(task));
        layers.push(self.magic.clone());
        layers.push(self.run.shared.common.clone());
        layers.push(self.run.shared.extra.clone());
        layers.extend(task.common.params.iter().rev().map(lazy));
        if let Some(role) = &task.role {
            layers.push(lazy(&role.params));
        }
        layers.push(Layer { map: Arc::clone(&known.kept), lazy: false });
        layers.push(lazy(&known.included));
        layers.extend(task.common.vars.iter().rev().map(lazy));
        if let Some(role) = &task.role {
            layers.push(lazy(&role.vars));
        }
        // Facts come before the inventory's variables, which are the last of these.
        let stronger = layers.len() + base.len() - 1 - usize::from(known.facts.is_some());
        layers.extend(base);
        if let Some(role) = &task.role {
            layers.push(lazy(&role.defaults));
        }
        layers.extend(Run::defaults(self.batch));
        let fallback = [("ansible_host", self.name)].map(|(k, v)| (k.to_owned(), Value::String(v.to_owned())));
        layers.push(Layer::fixed(Map::from_iter(fallback)));
        let mut view = View::new(layers);
        view.pending = self.pending.keys().cloned().collect();
        if !self.synced {
            view.pending.extend(special::OTHERS.map(str::to_owned));
        } else if !self.queue.is_empty() {
            // It knows nothing of what is under way.
            view.pending.insert("hostvars".to_owned());
        }
        if !known.gathered && self.owes_facts() {
            view.facts = Facts::Missing;
        }
        view.special = Some(special::special(&self.run.shared, Some(self.name)));
        view.search = Arc::clone(&task.search);
        view.vault = self.run.options.vault.clone();
        view.busy = !self.queue.is_empty() && self.is_here(&view);
        view.coming.over = view.layers.len() - stronger;
        view.coming.names = self.queue.iter().flat_map(Flight::facts).copied().collect();
        view
    }

    /// Whether steps of the host that are under way may change this machine's files.
    fn is_here(&self, view: &View) -> bool {
        self.here.unwrap_or_else(|| *self.near.get_or_init(|| self.may_be_here(view)))
    }

    /// The same before the host has said where it is.
    fn may_be_here(&self, view: &View) -> bool {
        let local = |name: Option<&str>| name.is_some_and(|name| name.rsplit('.').next() == Some("local"));
        let raw = |name: &str| view.raw(name).and_then(Value::as_str);
        local(self.batch.play.common.connection.as_ref().and_then(Value::as_str))
            || local(self.run.options.connection.as_deref())
            || local(raw("ansible_connection"))
            || is_own_address(self.name)
            || ["ansible_host", "ansible_ssh_host"].into_iter().filter_map(raw).any(is_own_address)
    }

    /// Learns whether the host is this machine; false when that was known, or is so.
    pub(in crate::playbook::run) async fn turns_out_elsewhere(&mut self) -> bool {
        let (None, Some(shell)) = (self.here, &self.shell) else { return false };
        let here = shell.is_here().await;
        self.here = here.or_else(|| self.near.get().copied());
        self.here == Some(false)
    }

    /// What is known of another host, for a task that is delegated to it.
    pub(in crate::playbook::run) fn other_view(&self, name: &str, task: &Task) -> Arc<View> {
        let inventory = self.run.inventory();
        let alias = inventory.names().into_iter().find(|host| {
            host != name
                && inventory.target(host).is_none()
                && !inventory.knows_host(name)
                && inventory.vars(host).get("ansible_host").and_then(Value::as_str) == Some(name)
        });
        let name = alias.as_deref().unwrap_or(name);
        let known = lock(&self.run.shared.known).get(name).cloned();
        let known = known.unwrap_or_else(|| Known { inventory: inventory.vars(name), ..Known::default() });
        let mut layers = vec![self.run.shared.common.clone(), self.run.shared.extra.clone()];
        layers.push(Layer { map: known.kept, lazy: false });
        layers.push(Layer::lazy(known.included));
        layers.extend(task.common.vars.iter().rev().map(|vars| Layer::lazy(Arc::clone(vars))));
        layers.push(Layer::lazy(Arc::clone(&self.batch.play.vars)));
        if let Some(facts) = known.facts {
            layers.push(Layer { map: facts, lazy: false });
        }
        layers.push(Layer::lazy(known.inventory));
        let mut view = View::new(layers);
        view.vault = self.run.options.vault.clone();
        view.special = Some(special::special(&self.run.shared, Some(name)));
        Arc::new(view)
    }

    /// Whether facts were gathered.
    pub(super) fn has_facts(&self) -> bool {
        lock(&self.run.shared.known).get(self.name).is_some_and(|known| known.gathered)
    }

    /// Whether the play gathers facts, at once or when somebody asks.
    fn owes_facts(&self) -> bool {
        let off = self.batch.play.gather_facts.as_ref();
        let used = self.run.options.gathering != Gathering::Explicit || off.is_some();
        used && !matches!(off, Some(Value::Bool(false)))
    }

    /// What is gathered may be asked for from now on, by other hosts, too.
    pub(super) fn owe_facts(&self) {
        if self.owes_facts() {
            lock(&self.run.shared.known).entry(self.name.to_owned()).or_default().due = true;
        }
    }

    /// All facts of these hosts that will be gathered are there.
    pub(in crate::playbook::run) fn have_facts(&self, hosts: &[String]) {
        let mut known = lock(&self.run.shared.known);
        for host in hosts {
            known.entry(host.clone()).or_default().gathered = true;
        }
    }

    /// Whose facts and variables a task's result is.
    pub(in crate::playbook::run) fn fact_hosts(&self, task: &Task, manner: &Manner) -> Vec<String> {
        if let (Some(name), Some(flag)) = (&manner.delegate, &task.common.delegate_facts)
            && template::flag(&self.base_view(), flag) == Ok(true)
        {
            return vec![name.clone()];
        }
        if self.sharing { self.batch.hosts.clone() } else { vec![self.name.to_owned()] }
    }

    /// Keeps a value for some hosts.
    pub(in crate::playbook::run) fn keep_on(&self, hosts: &[String], name: &str, value: &Value) {
        let mut known = lock(&self.run.shared.known);
        for host in hosts {
            let known = known.entry(host.clone()).or_default();
            Arc::make_mut(&mut known.kept).insert(name.to_owned(), value.clone());
        }
    }

    /// Keeps what `include_vars` read.
    pub(in crate::playbook::run) fn keep_included(&self, vars: &Map<String, Value>, hosts: &[String]) {
        let mut known = lock(&self.run.shared.known);
        for host in hosts {
            let known = known.entry(host.clone()).or_default();
            Arc::make_mut(&mut known.included).extend(vars.clone());
        }
    }

    /// Keeps a value for the host.
    pub(in crate::playbook::run) fn keep(&self, name: &str, value: Value) {
        let mut known = lock(&self.run.shared.known);
        let known = known.entry(self.name.to_owned()).or_default();
        Arc::make_mut(&mut known.kept).insert(name.to_owned(), value);
    }

    /// Adds facts that a module found.
    pub(in crate::playbook::run) fn keep_facts(&self, facts: &Map<String, Value>, hosts: &[String]) {
        let told: Map<String, Value> =
            facts.iter().filter(|(name, _)| !template::steers(name)).map(|(n, v)| (n.clone(), v.clone())).collect();
        let more = with_prefixes(told);
        let mut troubles = Vec::new();
        let mut known = lock(&self.run.shared.known);
        for host in hosts {
            let known = known.entry(host.clone()).or_default();
            let mut all = known.facts.as_ref().map(|facts| Map::clone(facts)).unwrap_or_default();
            let mut more = more.clone();
            if let (Some(Value::Object(old)), Some(Value::Object(new))) =
                (all.get("ansible_facts"), more.get_mut("ansible_facts"))
            {
                let mut both = old.clone();
                both.append(new);
                *new = both;
            }
            all.extend(more);
            if let Some(cache) = &self.run.options.fact_cache
                && let Err(message) = cache.save(host, &all)
            {
                troubles.push(message);
            }
            known.facts = Some(Arc::new(all));
        }
        drop(known);
        self.run.warn(troubles);
    }
}

/// Whether an address is one of this machine's, or may turn out to be.
fn is_own_address(address: &str) -> bool {
    if address == "localhost" || template::is_template(&Value::from(address)) {
        return true;
    }
    match address.parse::<std::net::IpAddr>() {
        // Only an address of one's own can be listened on.
        Ok(ip) => ip.is_loopback() || std::net::UdpSocket::bind((ip, 0)).is_ok(),
        Err(_) => std::fs::read_to_string("/proc/sys/kernel/hostname").is_ok_and(|own| own.trim() == address),
    }
}

/// Facts under `ansible_facts` without their prefix, and each by its own name.
pub(in crate::playbook::run) fn with_prefixes(facts: Map<String, Value>) -> Map<String, Value> {
    let mut bare = Map::new();
    let mut all = Map::new();
    for (name, value) in facts {
        let short = name.strip_prefix("ansible_").unwrap_or(&name).to_owned();
        // Facts that bear no prefix (`getent_passwd`) are variables by their own name.
        all.insert(name, value.clone());
        bare.insert(short, value);
    }
    all.insert("ansible_facts".into(), Value::Object(bare));
    all
}
