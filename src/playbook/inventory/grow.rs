//! An inventory that grows while a playbook runs, and is read again.

use serde_json::{Map, Value};

use super::Inventory;
use crate::playbook::{vault::Keys, yaml::Fault};

/// What a run added, so that it outlives a fresh reading.
#[derive(Debug, Clone)]
pub(super) enum Grown {
    Host(String, Vec<String>, Map<String, Value>),
    Group(String, String, Vec<String>),
}

impl Inventory {
    /// Adds a host, or groups and variables to one; whether anything is different.
    pub(in crate::playbook) fn add(
        &mut self,
        name: &str,
        groups: &[String],
        vars: &Map<String, Value>,
        keys: &Keys,
    ) -> bool {
        let before = (self.hosts.contains_key(name), self.groups_of(name));
        self.add_host(name, "ungrouped");
        for group in groups.iter().filter(|group| !group.is_empty()) {
            self.add_host(name, group);
        }
        let mut changed = before != (true, self.groups_of(name));
        if let Some(entry) = self.hosts.get_mut(name) {
            for (key, value) in vars {
                changed |= entry.vars.get(key) != Some(value);
                entry.vars.insert(key.clone(), value.clone());
            }
        }
        self.read_beside(keys);
        self.grown.push(Grown::Host(name.to_owned(), groups.to_vec(), vars.clone()));
        changed
    }

    /// Puts a host into a group, the group into others; whether anything is different.
    pub(in crate::playbook) fn group(&mut self, host: &str, group: &str, parents: &[String], keys: &Keys) -> bool {
        let before = (self.groups_of(host), self.groups.len());
        self.add_host(host, group);
        for parent in parents.iter().filter(|parent| *parent != "all") {
            self.add_child(parent, group);
        }
        self.read_beside(keys);
        self.grown.push(Grown::Group(host.to_owned(), group.to_owned(), parents.to_vec()));
        before != (self.groups_of(host), self.groups.len())
    }

    /// Reads `group_vars` and `host_vars` again: there may be new groups and hosts.
    fn read_beside(&mut self, _: &Keys) {
        for beside in self.beside.clone() {
            // What was readable at the beginning is not judged again.
            let _ = self.read_vars(&beside);
        }
    }

    /// The same inventory read again, with what the run added.
    pub(in crate::playbook) fn refreshed(&self, keys: &Keys) -> Result<Self, Fault> {
        let mut fresh = Self::load_with(&self.sources, keys)?;
        for beside in self.beside.iter().filter(|beside| beside.playbook) {
            fresh.vars_beside(&beside.folder)?;
        }
        for (name, entry) in &self.hosts {
            if let (Some(target), false) = (&entry.target, fresh.hosts.contains_key(name)) {
                fresh.hosts.entry(name.clone()).or_default().target = Some(target.clone());
            }
        }
        for grown in self.grown.clone() {
            match grown {
                Grown::Host(name, groups, vars) => fresh.add(&name, &groups, &vars, keys),
                Grown::Group(host, group, parents) => fresh.group(&host, &group, &parents, keys),
            };
        }
        Ok(fresh)
    }
}
