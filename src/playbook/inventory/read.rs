//! From files and folders to an inventory, with `group_vars` and `host_vars` beside them.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::{Beside, Inventory, ini, pattern::expand};
use crate::playbook::{
    modules::{convert, near},
    vault::Keys,
    yaml::{self, Data, Fault, Node},
};

impl Inventory {
    /// Reads `-i`: files, folders, or a list of names with a comma in it.
    pub fn load(sources: &[String]) -> Result<Self, Fault> {
        Self::load_with(sources, &Keys::default())
    }

    /// The same, with passwords for files of variables that are vaults.
    pub fn load_with(sources: &[String], keys: &Keys) -> Result<Self, Fault> {
        let mut inventory = Self { keys: keys.clone(), sources: sources.to_vec(), ..Self::default() };
        for source in sources {
            if source.contains(',') && !Path::new(source).exists() {
                for name in source.split(',').map(str::trim).filter(|name| !name.is_empty()) {
                    inventory.add_listed(name);
                }
                continue;
            }
            if source == "/dev/null" {
                continue;
            }
            inventory.load_path(Path::new(source), true)?;
        }
        inventory.reading = None;
        Ok(inventory)
    }

    /// A name of a list, perhaps with a port.
    fn add_listed(&mut self, text: &str) {
        let (pattern, port) = match text.rsplit_once(':') {
            Some((before, port)) if !before.contains(':') && !before.ends_with('[') && !port.contains(']') => {
                (before, port.parse::<u16>().ok())
            }
            _ => (text, None),
        };
        for name in expand(pattern) {
            self.add_host(&name, "ungrouped");
            if let (Some(port), Some(entry)) = (port, self.hosts.get_mut(&name)) {
                entry.vars.insert("ansible_port".into(), port.into());
            }
        }
    }

    fn load_path(&mut self, path: &Path, top: bool) -> Result<(), Fault> {
        if top {
            self.reading = Some(path.into());
        }
        if path.is_dir() {
            let mut entries: Vec<PathBuf> = std::fs::read_dir(path)
                .map_err(|e| at_top(path, format!("cannot be read: {e}")))?
                .flatten()
                .map(|entry| entry.path())
                .filter(|path| {
                    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                    let ends =
                        [".orig", ".ini", ".cfg", ".retry", ".pyc", ".pyo", ".rst", ".md", ".txt", ".swp", ".bak", "~"];
                    let skip = ends.iter().any(|end| name.ends_with(end));
                    !skip
                        && !name.starts_with('.')
                        && name != "group_vars"
                        && name != "host_vars"
                        && name != "vars_plugins"
                })
                .collect();
            entries.sort();
            for entry in entries {
                self.load_path(&entry, false)?;
            }
            return self.vars_of_inventory(path);
        }
        if !top {
            self.reading = Some(path.into());
        }
        let name = path.display().to_string();
        let yaml = matches!(path.extension().and_then(|e| e.to_str()), Some("yml" | "yaml" | "json"));
        if is_executable(path) && !yaml {
            let said = super::script::list(path).map_err(|message| at_top(path, message))?;
            self.read_script(path, &said)?;
            return self.vars_of_inventory(path.parent().unwrap_or(Path::new(".")));
        }
        let text = std::fs::read_to_string(path).map_err(|e| at_top(path, format!("cannot be read: {e}")))?;
        if yaml {
            self.read_yaml(&text, &name)?;
        } else {
            let before = self.clone();
            match ini::read(self, &text, &name) {
                Ok(()) => {}
                // Without a telling name it may be either.
                Err(fault) => {
                    *self = before;
                    if self.read_yaml(&text, &name).is_err() {
                        return Err(fault);
                    }
                }
            }
        }
        self.vars_of_inventory(path.parent().unwrap_or(Path::new(".")))
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
                let group = format!("{key}_{}", convert::text_of(value));
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

    /// Adds `group_vars` and `host_vars` beside the playbook; they win over those of the inventory.
    pub fn vars_beside(&mut self, folder: &Path) -> Result<(), Fault> {
        let beside = Beside { folder: folder.to_owned(), playbook: true };
        self.beside.push(beside.clone());
        self.read_vars(&beside)
    }

    fn vars_of_inventory(&mut self, folder: &Path) -> Result<(), Fault> {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let beside = Beside { folder: folder.to_owned(), playbook: false };
        self.beside.push(beside.clone());
        self.read_vars(&beside)
    }

    pub(super) fn read_vars(&mut self, beside: &Beside) -> Result<(), Fault> {
        let mut names: Vec<String> = self.groups.keys().cloned().collect();
        names.extend(["all".into(), "ungrouped".into()]);
        for name in names {
            let vars = vars_of(&beside.folder.join("group_vars"), &name, &self.keys)?;
            if !vars.is_empty() {
                let group = self.groups.entry(name).or_default();
                let into = if beside.playbook { &mut group.play } else { &mut group.more };
                into.extend(vars);
            }
        }
        let mut hosts: Vec<String> = self.hosts.keys().cloned().collect();
        if !self.hosts.contains_key("localhost") && beside.folder.join("host_vars").is_dir() {
            let vars = vars_of(&beside.folder.join("host_vars"), "localhost", &self.keys)?;
            self.implicit.extend(vars);
        }
        hosts.retain(|name| !name.contains('/'));
        for name in hosts {
            let vars = vars_of(&beside.folder.join("host_vars"), &name, &self.keys)?;
            if let Some(entry) = self.hosts.get_mut(&name) {
                let into = if beside.playbook { &mut entry.play } else { &mut entry.more };
                into.extend(vars);
            }
        }
        Ok(())
    }

    /// What an executable inventory says with `--list`.
    fn read_script(&mut self, path: &Path, said: &Value) -> Result<(), Fault> {
        let Value::Object(groups) = said else {
            return Err(at_top(path, "the inventory's `--list` is no JSON object".into()));
        };
        let hosts_of = |value: &Value| -> Vec<String> {
            value.as_array().map(|items| items.iter().map(convert::text_of).collect()).unwrap_or_default()
        };
        for (name, group) in groups.iter().filter(|(name, _)| *name != "_meta") {
            self.groups.entry(name.clone()).or_default();
            match group {
                Value::Array(_) => hosts_of(group).iter().for_each(|host| self.add_host(host, name)),
                Value::Object(map) => {
                    for host in map.get("hosts").map(hosts_of).unwrap_or_default() {
                        self.add_host(&host, name);
                    }
                    for child in map.get("children").map(hosts_of).unwrap_or_default() {
                        self.add_child(name, &child);
                    }
                    if let Some(Value::Object(vars)) = map.get("vars") {
                        self.groups.entry(name.clone()).or_default().vars.extend(vars.clone());
                    }
                }
                _ => return Err(at_top(path, format!("the inventory's group `{name}` is neither list nor object"))),
            }
        }
        match groups.get("_meta").and_then(|meta| meta.get("hostvars")) {
            Some(Value::Object(hosts)) => {
                for (name, vars) in hosts {
                    self.add_host(name, "ungrouped");
                    if let (Some(entry), Value::Object(vars)) = (self.hosts.get_mut(name), vars) {
                        entry.vars.extend(vars.clone());
                    }
                }
            }
            _ => {
                for name in self.hosts.keys().cloned().collect::<Vec<_>>() {
                    let vars = super::script::host(path, &name).map_err(|message| at_top(path, message))?;
                    if let (Some(entry), Value::Object(vars)) = (self.hosts.get_mut(&name), vars) {
                        entry.vars.extend(vars);
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(unix)]
fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

fn at_top(path: &Path, message: String) -> Fault {
    Fault { at: crate::playbook::parse::top(path), message }
}

/// The variables in `folder/name`, `folder/name.yml`, or the files of the folder `folder/name`.
fn vars_of(folder: &Path, name: &str, keys: &Keys) -> Result<Map<String, Value>, Fault> {
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
            if let Some(node) = yaml::read_with(&file, keys)? {
                vars.extend(node.to_map());
            }
        } else if file.is_dir() {
            let mut inner: Vec<PathBuf> =
                std::fs::read_dir(&file).map(|d| d.flatten().map(|e| e.path()).collect()).unwrap_or_default();
            inner.sort();
            for path in inner.iter().filter(|path| path.is_file()) {
                if let Some(node) = yaml::read_with(path, keys)? {
                    vars.extend(node.to_map());
                }
            }
        }
    }
    Ok(vars)
}

#[cfg(test)]
mod tests {
    use super::*;

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
