//! Which hosts there are, in which groups, with which variables.

use std::{collections::HashSet, sync::Arc};

use indexmap::{IndexMap, IndexSet};
use serde_json::{Map, Value};

use crate::remote::Target;

mod ini;
mod pattern;
mod read;
mod target;

pub(in crate::playbook) use pattern::glob;
pub use target::target_of;

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
    /// Passwords of Ansible's vault, for files of variables.
    pub keys: super::vault::Keys,
}

#[derive(Debug, Clone, Default)]
struct Entry {
    target: Option<Target>,
    vars: Map<String, Value>,
    /// From `host_vars` beside the playbook.
    more: Map<String, Value>,
}

#[derive(Debug, Clone, Default)]
struct Group {
    hosts: IndexSet<String>,
    children: IndexSet<String>,
    vars: Map<String, Value>,
    more: Map<String, Value>,
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
        self.hosts.entry(name.to_owned()).or_default();
        if group != "ungrouped" && group != "all" {
            self.groups.entry(group.to_owned()).or_default().hosts.insert(name.to_owned());
        }
    }

    pub(super) fn add_child(&mut self, group: &str, child: &str) {
        self.groups.entry(child.to_owned()).or_default();
        self.groups.entry(group.to_owned()).or_default().children.insert(child.to_owned());
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
        self.hosts.keys().cloned().collect()
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
        let mut open = vec![group];
        while let Some(name) = open.pop() {
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

    /// The variables that the inventory gives a host, weak ones overwritten.
    pub fn vars(&self, host: &str) -> Arc<Map<String, Value>> {
        let mut vars = Map::new();
        let mut names = vec!["all".to_owned()];
        let mut groups = self.groups_of(host);
        groups.sort_by_key(|name| (self.depth(name), name.clone()));
        names.extend(groups);
        let of = |name: &String| self.groups.get(name);
        for name in &names {
            vars.extend(of(name).map(|g| g.vars.clone()).unwrap_or_default());
        }
        for name in &names {
            vars.extend(of(name).map(|g| g.more.clone()).unwrap_or_default());
        }
        if let Some(entry) = self.hosts.get(host) {
            vars.extend(entry.vars.clone());
            vars.extend(entry.more.clone());
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
