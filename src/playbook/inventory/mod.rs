//! Which hosts there are, in which groups, with which variables.

use std::{collections::HashSet, sync::Arc};

use indexmap::{IndexMap, IndexSet};
use serde_json::{Map, Value};

use crate::remote::Target;

mod grow;
mod ini;
mod pattern;
mod read;
mod script;
mod target;

pub(in crate::playbook) use pattern::glob;
pub use target::{ssh_options, target_of};

/// One host, as code gives it.
#[derive(Debug, Clone)]
pub struct Host {
    /// How to reach it; its name is the host's name.
    pub target: Target,
    /// Its variables.
    pub vars: Map<String, Value>,
    /// The groups it is in.
    pub groups: Vec<String>,
}

/// All hosts.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    hosts: IndexMap<String, Entry>,
    groups: IndexMap<String, Group>,
    sources: Vec<String>,
    beside: Vec<Beside>,
    reading: Option<Arc<std::path::Path>>,
    grown: Vec<grow::Grown>,
    /// Variables of a `localhost` that no inventory names.
    implicit: Map<String, Value>,
    /// Passwords of Ansible's vault, for files of variables.
    pub keys: super::vault::Keys,
}

#[derive(Debug, Clone, Default)]
struct Entry {
    target: Option<Target>,
    vars: Map<String, Value>,
    /// From `host_vars` beside the inventory.
    more: Map<String, Value>,
    /// From `host_vars` beside the playbook.
    play: Map<String, Value>,
    /// The file that named it first.
    source: Option<Arc<std::path::Path>>,
}

#[derive(Debug, Clone, Default)]
struct Group {
    hosts: IndexSet<String>,
    children: IndexSet<String>,
    vars: Map<String, Value>,
    /// From `group_vars` beside the inventory.
    more: Map<String, Value>,
    /// From `group_vars` beside the playbook.
    play: Map<String, Value>,
}

/// A folder with `group_vars` and `host_vars`.
#[derive(Debug, Clone)]
struct Beside {
    folder: std::path::PathBuf,
    playbook: bool,
}

impl Inventory {
    /// Hosts whose targets are known already.
    pub fn from_hosts(hosts: Vec<Host>) -> Self {
        let mut inventory = Self::default();
        for host in hosts {
            let name = host.target.name.clone();
            for group in host.groups {
                inventory.groups.entry(group).or_default().hosts.insert(name.clone());
            }
            inventory.hosts.insert(name, Entry { target: Some(host.target), vars: host.vars, ..Entry::default() });
        }
        inventory
    }

    pub(super) fn add_host(&mut self, name: &str, group: &str) {
        let source = self.reading.clone();
        self.hosts.entry(name.to_owned()).or_insert_with(|| Entry { source, ..Entry::default() });
        if group != "ungrouped" && group != "all" {
            self.groups.entry(group.to_owned()).or_default().hosts.insert(name.to_owned());
        }
    }

    pub(super) fn add_child(&mut self, group: &str, child: &str) {
        if matches!(child, "all" | "ungrouped") && group == "all" {
            return;
        }
        self.groups.entry(group.to_owned()).or_default();
        self.groups.entry(child.to_owned()).or_default();
        if group != "all" {
            self.groups.entry(group.to_owned()).or_default().children.insert(child.to_owned());
        }
    }

    /// Adds a machine that something else than a file knows.
    pub fn add_machine(&mut self, name: &str, vars: Map<String, Value>, groups: &[String]) {
        self.add_host(name, "ungrouped");
        for group in groups {
            self.add_host(name, group);
        }
        if let Some(entry) = self.hosts.get_mut(name) {
            entry.vars.extend(vars.clone());
        }
        self.grown.push(grow::Grown::Host(name.to_owned(), groups.to_vec(), vars));
    }

    /// Whether there is such a host or group.
    pub fn knows(&self, name: &str) -> bool {
        self.hosts.contains_key(name) || self.groups.contains_key(name)
    }

    /// Whether there is such a host.
    pub fn knows_host(&self, name: &str) -> bool {
        self.hosts.contains_key(name)
    }

    /// The file that named a host.
    pub fn source_of(&self, host: &str) -> Option<String> {
        let source = self.hosts.get(host)?.source.as_ref()?;
        Some(std::path::absolute(source).ok()?.display().to_string())
    }

    /// The folder of that file.
    pub fn folder_of(&self, host: &str) -> Option<String> {
        let source = std::path::absolute(self.hosts.get(host)?.source.as_ref()?).ok()?;
        let folder = if source.is_dir() { Some(source.as_path()) } else { source.parent() };
        Some(folder?.display().to_string())
    }

    /// The groups of a host as `group_names` has them.
    pub fn group_names(&self, host: &str) -> Vec<String> {
        if self.hosts.contains_key(host) { self.groups_of(host) } else { Vec::new() }
    }

    fn group_vars_mut(&mut self, group: &str) -> &mut Map<String, Value> {
        &mut self.groups.entry(group.to_owned()).or_default().vars
    }

    fn host_vars_mut(&mut self, host: &str) -> &mut Map<String, Value> {
        &mut self.hosts.entry(host.to_owned()).or_default().vars
    }

    /// How many hosts there are.
    pub fn len(&self) -> usize {
        self.hosts.len()
    }

    /// Whether there is no host.
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }

    /// All names, in order.
    pub fn names(&self) -> Vec<String> {
        let grouped = self.members_of_all();
        let lone = self.hosts.keys().filter(|name| !grouped.contains(name.as_str())).cloned();
        let lone: Vec<String> = lone.collect();
        lone.into_iter().chain(grouped.iter().map(|name| (*name).to_owned())).collect()
    }

    /// The hosts that are in a group, in the order of the groups.
    fn members_of_all(&self) -> IndexSet<&str> {
        let children: HashSet<&str> = self.groups.values().flat_map(|g| &g.children).map(String::as_str).collect();
        let tops = self.groups.keys().filter(|name| !children.contains(name.as_str()));
        let mut found = IndexSet::new();
        for group in tops.chain(self.groups.keys()).filter(|name| !matches!(name.as_str(), "all" | "ungrouped")) {
            found.extend(self.members(group));
        }
        found
    }

    /// The target that code gave, if it did.
    pub fn target(&self, host: &str) -> Option<&Target> {
        self.hosts.get(host)?.target.as_ref()
    }

    /// The groups of a host, `all` not among them, sorted.
    pub fn groups_of(&self, host: &str) -> Vec<String> {
        let mut found: Vec<String> = self
            .groups
            .keys()
            .filter(|group| !matches!(group.as_str(), "all" | "ungrouped") && self.members(group).contains(host))
            .cloned()
            .collect();
        if found.is_empty() {
            found.push("ungrouped".into());
        }
        found.sort();
        found
    }

    /// Every group and its hosts.
    pub fn groups(&self) -> IndexMap<String, Vec<String>> {
        let mut found = IndexMap::new();
        found.insert("all".to_owned(), self.names());
        let grouped: HashSet<&str> = self
            .groups
            .iter()
            .filter(|(name, _)| *name != "all")
            .flat_map(|(_, g)| g.hosts.iter())
            .map(String::as_str)
            .collect();
        found.insert(
            "ungrouped".to_owned(),
            self.hosts.keys().filter(|name| !grouped.contains(name.as_str())).cloned().collect(),
        );
        for name in self.groups.keys().filter(|name| !matches!(name.as_str(), "all" | "ungrouped")) {
            found.insert(name.clone(), self.members(name).into_iter().map(str::to_owned).collect());
        }
        found
    }

    fn members(&self, group: &str) -> IndexSet<&str> {
        let mut found = IndexSet::new();
        let mut seen = HashSet::new();
        let mut open = std::collections::VecDeque::from([group]);
        while let Some(name) = open.pop_front() {
            if !seen.insert(name) {
                continue;
            }
            if let Some(group) = self.groups.get(name) {
                found.extend(group.hosts.iter().map(String::as_str));
                open.extend(group.children.iter().map(String::as_str));
            }
        }
        found
    }

    /// How far from `all` a group is; deeper groups win.
    fn depth(&self, group: &str) -> usize {
        fn walk(groups: &IndexMap<String, Group>, name: &str, seen: &mut Vec<String>) -> usize {
            if seen.len() > 50 || seen.iter().any(|s| s == name) {
                return 0;
            }
            seen.push(name.to_owned());
            let parents = groups.iter().filter(|(_, g)| g.children.contains(name));
            let depth = parents.map(|(parent, _)| if parent == "all" { 0 } else { walk(groups, parent, seen) }).max();
            seen.pop();
            depth.map_or(1, |depth| depth + 1)
        }
        walk(&self.groups, group, &mut Vec::new())
    }

    /// `ansible_group_priority`: among groups of the same depth the greater wins.
    fn priority(&self, group: &str) -> i64 {
        let of = |group: &Group| {
            let value = group.vars.get("ansible_group_priority")?;
            value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
        };
        self.groups.get(group).and_then(of).unwrap_or(1)
    }

    /// The variables that the inventory gives a host, weak ones overwritten.
    pub fn vars(&self, host: &str) -> Arc<Map<String, Value>> {
        let mut vars = Map::new();
        let mut groups = self.groups_of(host);
        groups.sort_by_key(|name| (self.depth(name), self.priority(name), name.clone()));
        let all = self.groups.get("all");
        let groups: Vec<&Group> = groups.iter().filter_map(|name| self.groups.get(name)).collect();
        vars.extend(all.map(|g| g.vars.clone()).unwrap_or_default());
        for group in &groups {
            vars.extend(group.vars.clone());
        }
        vars.extend(all.map(|g| g.more.clone()).unwrap_or_default());
        vars.extend(all.map(|g| g.play.clone()).unwrap_or_default());
        for group in &groups {
            vars.extend(group.more.clone());
        }
        for group in &groups {
            vars.extend(group.play.clone());
        }
        if matches!(host, "localhost" | "127.0.0.1" | "::1") && !self.hosts.contains_key(host) {
            vars.insert("ansible_connection".into(), "local".into());
            vars.insert("ansible_python_interpreter".into(), "{{ ansible_playbook_python }}".into());
            vars.extend(self.implicit.clone());
        }
        if let Some(entry) = self.hosts.get(host) {
            vars.extend(entry.vars.clone());
            vars.extend(entry.more.clone());
            vars.extend(entry.play.clone());
        }
        Arc::new(vars)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn sample() -> Inventory {
        let mut inventory = Inventory::default();
        let text = "lone ansible_port=2222\n[web]\nweb[1:3].x color=red\n[db]\ndb1 name='a b' flag=True n=5\n[all:vars]\nlevel=all\n[prod:children]\nweb\ndb\n[prod:vars]\nlevel=prod\ncolor=blue\n";
        ini::read(&mut inventory, text, "hosts").unwrap();
        inventory
    }

    #[test]
    fn deeper_groups_win_and_hosts_win_over_groups() {
        let inventory = sample();
        let vars = inventory.vars("web1.x");
        assert_eq!((&vars["level"], &vars["color"]), (&"prod".into(), &"red".into()));
        let vars = inventory.vars("db1");
        assert_eq!(
            (&vars["color"], &vars["name"], &vars["flag"], &vars["n"]),
            (&"blue".into(), &"a b".into(), &true.into(), &5.into())
        );
        assert_eq!(inventory.vars("lone")["level"], "all");
    }
}
