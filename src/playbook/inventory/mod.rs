//! Which hosts there are, in which groups, with which variables.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use indexmap::{IndexMap, IndexSet};
use serde_json::{Map, Value};

use super::{
    modules::near,
    yaml::{self, Data, Fault, Node},
};
use crate::remote::Target;

mod ini;
mod target;

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

    /// Reads `-i`: files, folders, or a list of names with a comma in it.
    pub fn load(sources: &[String]) -> Result<Self, Fault> {
        let mut inventory = Self::default();
        for source in sources {
            if source.contains(',') {
                for name in source.split(',').map(str::trim).filter(|name| !name.is_empty()) {
                    for name in expand(name) {
                        inventory.add_host(&name, "ungrouped");
                    }
                }
                continue;
            }
            inventory.load_path(Path::new(source))?;
        }
        Ok(inventory)
    }

    fn load_path(&mut self, path: &Path) -> Result<(), Fault> {
        if path.is_dir() {
            let mut entries: Vec<PathBuf> = std::fs::read_dir(path)
                .map_err(|e| at_top(path, format!("cannot be read: {e}")))?
                .flatten()
                .map(|entry| entry.path())
                .filter(|path| {
                    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                    let skip = [".orig", ".ini~", ".cfg", ".retry", ".pyc", "~"].iter().any(|end| name.ends_with(end));
                    !skip && !name.starts_with('.') && name != "group_vars" && name != "host_vars"
                })
                .collect();
            entries.sort();
            for entry in entries {
                self.load_path(&entry)?;
            }
            return self.vars_beside(path);
        }
        let text = std::fs::read_to_string(path).map_err(|e| at_top(path, format!("cannot be read: {e}")))?;
        let name = path.display().to_string();
        let yaml = matches!(path.extension().and_then(|e| e.to_str()), Some("yml" | "yaml" | "json"));
        if yaml {
            self.read_yaml(&text, &name)?;
        } else {
            match ini::read(self, &text, &name) {
                Ok(()) => {}
                // Without a telling name it may be either.
                Err(fault) => match self.read_yaml(&text, &name) {
                    Ok(()) => {}
                    Err(_) => return Err(fault),
                },
            }
        }
        self.vars_beside(path.parent().unwrap_or(Path::new(".")))
    }

    fn read_yaml(&mut self, text: &str, name: &str) -> Result<(), Fault> {
        let Some(root) = yaml::parse(text, name)? else { return Ok(()) };
        let Some(groups) = root.pairs() else {
            return Err(root.fault("an inventory is a mapping of groups, such as `all: {hosts: …}`"));
        };
        if let Some(machines) = root.get("machines") {
            return self.read_machines(machines);
        }
        for (key, group) in groups {
            self.read_group(&key.key_text(), group, 0)?;
        }
        Ok(())
    }

    fn read_group(&mut self, name: &str, node: &Node, depth: usize) -> Result<(), Fault> {
        if depth > 40 {
            return Err(node.fault("groups are nested too deep"));
        }
        self.groups.entry(name.to_owned()).or_default();
        if matches!(node.data, Data::Null) {
            return Ok(());
        }
        let Some(pairs) = node.pairs() else { return Err(node.fault("a group is a mapping")) };
        for (key, value) in pairs {
            match key.key_text().as_str() {
                "hosts" => {
                    for (host, vars) in value.pairs().unwrap_or_default() {
                        for name_of_host in expand(&host.key_text()) {
                            self.add_host(&name_of_host, name);
                            if let Some(entry) = self.hosts.get_mut(&name_of_host) {
                                entry.vars.extend(vars.to_map());
                            }
                        }
                    }
                    if let Data::Text(text) = &value.data {
                        for host in expand(text) {
                            self.add_host(&host, name);
                        }
                    }
                }
                "children" => {
                    for (child, inner) in value.pairs().unwrap_or_default() {
                        let child = child.key_text();
                        self.add_child(name, &child);
                        self.read_group(&child, inner, depth + 1)?;
                    }
                }
                "vars" => self.groups.entry(name.to_owned()).or_default().vars.extend(value.to_map()),
                other => {
                    let hint = near(other, ["hosts", "children", "vars"].into_iter());
                    let hint = hint.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                    return Err(key.fault(format!("a group has no key `{other}`{hint}")));
                }
            }
        }
        Ok(())
    }

    /// Berth's own list of machines.
    fn read_machines(&mut self, node: &Node) -> Result<(), Fault> {
        for machine in node.items() {
            let text = |key: &str| machine.get(key).map(Node::key_text);
            let Some(name) = text("name") else { return Err(machine.fault("a machine needs a `name`")) };
            self.add_host(&name, "machines");
            let mut vars = Map::new();
            for (from, to) in [
                ("host", "ansible_host"),
                ("port", "ansible_port"),
                ("user", "ansible_user"),
                ("password", "ansible_password"),
                ("key_file", "ansible_ssh_private_key_file"),
                ("host_key", "berth_host_key"),
                ("jump", "berth_jump"),
            ] {
                if let Some(value) = machine.get(from) {
                    vars.insert(to.into(), value.to_json());
                }
            }
            let labels = machine.get("labels").map(Node::to_map).unwrap_or_default();
            for (key, value) in &labels {
                let group = format!("{key}_{}", super::modules::convert::text_of(value));
                self.groups.entry(group).or_default().hosts.insert(name.clone());
            }
            if let Some(pool) = text("pool") {
                self.groups.entry(pool).or_default().hosts.insert(name.clone());
            }
            if let Some(entry) = self.hosts.get_mut(&name) {
                entry.vars.extend(vars);
            }
        }
        Ok(())
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

    /// Adds `group_vars` and `host_vars` of a folder; those of the playbook win over those of the inventory.
    pub fn vars_beside(&mut self, folder: &Path) -> Result<(), Fault> {
        let mut names: Vec<String> = self.groups.keys().cloned().collect();
        names.extend(["all".into(), "ungrouped".into()]);
        for name in names {
            let vars = vars_of(&folder.join("group_vars"), &name)?;
            if !vars.is_empty() {
                self.groups.entry(name).or_default().more.extend(vars);
            }
        }
        let hosts: Vec<String> = self.hosts.keys().cloned().collect();
        for name in hosts {
            if name.contains('/') {
                continue;
            }
            let vars = vars_of(&folder.join("host_vars"), &name)?;
            if let Some(entry) = self.hosts.get_mut(&name) {
                entry.more.extend(vars);
            }
        }
        Ok(())
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

    /// The hosts that a pattern names, in the inventory's order: `all`, names, groups, globs, `a:b`, `a:&b`, `a:!b`,
    /// `group[0:2]`, `~regex`, lists with commas.
    pub fn matching(&self, pattern: &str) -> Result<Vec<String>, String> {
        let separator = if pattern.contains(',') { ',' } else { ':' };
        let mut terms: Vec<String> = Vec::new();
        let mut depth = 0_usize;
        for c in pattern.chars() {
            match c {
                '[' => depth += 1,
                ']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if c == separator && depth == 0 {
                terms.push(String::new());
            } else {
                if terms.is_empty() {
                    terms.push(String::new());
                }
                if let Some(term) = terms.last_mut() {
                    term.push(c);
                }
            }
        }
        let terms: Vec<&str> = terms.iter().map(|term| term.trim()).filter(|term| !term.is_empty()).collect();
        let plain: Vec<&&str> = terms.iter().filter(|term| !term.starts_with(['&', '!'])).collect();
        let mut found: IndexSet<String> = IndexSet::new();
        if plain.is_empty() && !terms.is_empty() {
            found.extend(self.names());
        }
        for term in plain {
            found.extend(self.term(term)?);
        }
        for term in terms.iter().filter_map(|term| term.strip_prefix('&')) {
            let keep: HashSet<String> = self.term(term)?.into_iter().collect();
            found.retain(|name| keep.contains(name));
        }
        for term in terms.iter().filter_map(|term| term.strip_prefix('!')) {
            let out: HashSet<String> = self.term(term).unwrap_or_default().into_iter().collect();
            found.retain(|name| !out.contains(name));
        }
        let order: HashMap<&String, usize> = self.hosts.keys().enumerate().map(|(i, name)| (name, i)).collect();
        let mut found: Vec<String> = found.into_iter().collect();
        found.sort_by_key(|name| order.get(name).copied().unwrap_or(usize::MAX));
        Ok(found)
    }

    fn term(&self, term: &str) -> Result<Vec<String>, String> {
        if matches!(term, "all" | "*") {
            return Ok(self.names());
        }
        if let Some(pattern) = term.strip_prefix('~') {
            let regex =
                fancy_regex::Regex::new(pattern).map_err(|_| format!("`{pattern}` is no regular expression"))?;
            let hit = |name: &str| regex.is_match(name).unwrap_or(false);
            return Ok(self.by_name(hit));
        }
        if let Some((name, range)) = term.strip_suffix(']').and_then(|rest| rest.split_once('['))
            && range.chars().all(|c| c.is_ascii_digit() || matches!(c, ':' | '-'))
        {
            let all = self.term(name)?;
            let len = i64::try_from(all.len()).unwrap_or(i64::MAX);
            let index = |text: &str, default: i64| {
                let n = text.parse::<i64>().unwrap_or(default);
                usize::try_from(if n < 0 { n + len } else { n }).unwrap_or(0)
            };
            return Ok(match range.split_once(':') {
                Some((from, to)) => {
                    let (from, to) = (index(from, 0), index(to, len - 1));
                    all.into_iter().skip(from).take((to + 1).saturating_sub(from)).collect()
                }
                None => all.into_iter().skip(index(range, 0)).take(1).collect(),
            });
        }
        if self.hosts.contains_key(term) {
            return Ok(vec![term.to_owned()]);
        }
        if term == "ungrouped" {
            return Ok(self.groups().swap_remove("ungrouped").unwrap_or_default());
        }
        if self.groups.contains_key(term) {
            let members = self.members(term);
            return Ok(self.hosts.keys().filter(|name| members.contains(name.as_str())).cloned().collect());
        }
        if term.contains(['*', '?', '[']) {
            return Ok(self.by_name(|name| glob(term, name)));
        }
        if matches!(term, "localhost" | "127.0.0.1" | "::1") {
            return Ok(vec![term.to_owned()]);
        }
        Ok(Vec::new())
    }

    fn by_name(&self, hit: impl Fn(&str) -> bool) -> Vec<String> {
        let mut found: IndexSet<String> = self.hosts.keys().filter(|name| hit(name)).cloned().collect();
        for group in self.groups.keys().filter(|name| hit(name)) {
            found.extend(self.members(group).into_iter().map(str::to_owned));
        }
        found.into_iter().collect()
    }

    /// The name nearest to one that is not there.
    pub fn nearest(&self, name: &str) -> Option<&str> {
        near(name, self.hosts.keys().chain(self.groups.keys()).map(String::as_str))
    }
}

fn at_top(path: &Path, message: String) -> Fault {
    Fault { at: super::parse::top(path), message }
}

/// The variables in `folder/name`, `folder/name.yml`, or the files of the folder `folder/name`.
fn vars_of(folder: &Path, name: &str) -> Result<Map<String, Value>, Fault> {
    let mut vars = Map::new();
    if !folder.is_dir() {
        return Ok(vars);
    }
    for file in [
        folder.join(name),
        folder.join(format!("{name}.yml")),
        folder.join(format!("{name}.yaml")),
        folder.join(format!("{name}.json")),
    ] {
        if file.is_file() {
            if let Some(node) = yaml::read(&file)? {
                vars.extend(node.to_map());
            }
        } else if file.is_dir() {
            let mut inner: Vec<PathBuf> =
                std::fs::read_dir(&file).map(|d| d.flatten().map(|e| e.path()).collect()).unwrap_or_default();
            inner.sort();
            for path in inner.iter().filter(|path| path.is_file()) {
                if let Some(node) = yaml::read(path)? {
                    vars.extend(node.to_map());
                }
            }
        }
    }
    Ok(vars)
}

/// `web[01:03].x` as three names.
pub(super) fn expand(pattern: &str) -> Vec<String> {
    let Some((before, rest)) = pattern.split_once('[') else { return vec![pattern.to_owned()] };
    let Some((range, after)) = rest.split_once(']') else { return vec![pattern.to_owned()] };
    let mut parts = range.split(':');
    let (Some(from), Some(to)) = (parts.next(), parts.next()) else { return vec![pattern.to_owned()] };
    let step = parts.next().and_then(|step| step.parse().ok()).unwrap_or(1_usize).max(1);
    let middles: Vec<String> = match (from.parse::<u32>(), to.parse::<u32>()) {
        (Ok(low), Ok(high)) => {
            let width = if from.starts_with('0') { from.len() } else { 1 };
            (low..=high).step_by(step).take(100_000).map(|n| format!("{n:0width$}")).collect()
        }
        _ => match (from.chars().next(), to.chars().next()) {
            (Some(low), Some(high)) => (low..=high).step_by(step).map(|c| c.to_string()).collect(),
            _ => return vec![pattern.to_owned()],
        },
    };
    let afters = expand(after);
    middles
        .iter()
        .flat_map(|middle| afters.iter().map(move |after| format!("{before}{middle}{after}")))
        .take(100_000)
        .collect()
}

/// Whether a shell pattern with `*`, `?` and `[…]` fits a name.
pub(super) fn glob(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    // Where to go on when a `*` must take one more letter.
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        let step = match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
                continue;
            }
            Some('?') => Some(p + 1),
            Some('[') => set(&pattern[p..], name[n]).map(|len| p + len),
            Some(c) if *c == name[n] => Some(p + 1),
            _ => None,
        };
        match (step, star) {
            (Some(next), _) => {
                p = next;
                n += 1;
            }
            (None, Some((at, from))) => {
                p = at + 1;
                n = from + 1;
                star = Some((at, from + 1));
            }
            (None, None) => return false,
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// The length of the `[…]` at the beginning, if it holds `c`.
fn set(pattern: &[char], c: char) -> Option<usize> {
    let end = pattern.iter().skip(2).position(|c| *c == ']')? + 2;
    let (negative, inner) = match pattern.get(1) {
        Some('!' | '^') => (true, &pattern[2..end]),
        _ => (false, &pattern[1..end]),
    };
    let mut hit = false;
    let mut i = 0;
    while i < inner.len() {
        if inner.get(i + 1) == Some(&'-') && i + 2 < inner.len() {
            hit |= inner[i] <= c && c <= inner[i + 2];
            i += 3;
        } else {
            hit |= inner[i] == c;
            i += 1;
        }
    }
    (hit != negative).then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Inventory {
        let mut inventory = Inventory::default();
        let text = "lone ansible_port=2222\n[web]\nweb[1:3].x color=red\n[db]\ndb1 name='a b' flag=True n=5\n[all:vars]\nlevel=all\n[prod:children]\nweb\ndb\n[prod:vars]\nlevel=prod\ncolor=blue\n";
        ini::read(&mut inventory, text, "hosts").unwrap();
        inventory
    }

    #[test]
    fn patterns_choose_hosts() {
        let inventory = sample();
        for (pattern, wanted) in [
            ("all", "lone web1.x web2.x web3.x db1"),
            ("web", "web1.x web2.x web3.x"),
            ("web:!web2.x", "web1.x web3.x"),
            ("prod:&web", "web1.x web2.x web3.x"),
            ("web*,db1", "web1.x web2.x web3.x db1"),
            ("web[0]", "web1.x"),
            ("web[1:2]", "web2.x web3.x"),
            ("~(lone|db)", "lone db1"),
            ("ungrouped", "lone"),
            ("!prod", "lone"),
            ("nothing", ""),
            ("localhost", "localhost"),
        ] {
            assert_eq!(inventory.matching(pattern).unwrap().join(" "), wanted, "{pattern}");
        }
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

    #[test]
    fn yaml_inventories_read_the_same() {
        let mut inventory = Inventory::default();
        let text =
            "all:\n  hosts:\n    a: {x: 1}\n  children:\n    g:\n      hosts:\n        b[1:2]:\n      vars: {y: 2}\n";
        inventory.read_yaml(text, "h.yml").unwrap();
        assert_eq!(inventory.matching("g").unwrap(), ["b1", "b2"]);
        assert_eq!(inventory.vars("b1")["y"], 2);
        let fault = inventory.read_yaml("all:\n  host:\n    a:\n", "h.yml").unwrap_err();
        assert_eq!(fault.to_string(), "h.yml:2:3: a group has no key `host`; did you mean `hosts`?");
    }
}
