//! Where modules of one's own are: beside the playbook, in its roles, in collections and in configured folders.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    ast::Place,
    modules::{
        self, Module,
        own::{Own, module},
    },
    parse::Loader,
    yaml::Node,
};

/// Files of these kinds are no programs.
const OTHERS: &[&str] = &[
    "bak", "cfg", "ini", "json", "md", "orig", "ps1", "pyc", "pyo", "retry", "rpm", "rst", "swp", "txt", "yaml", "yml",
];

impl Loader {
    /// The module that a task names. Programs of one's own come first, as in Ansible, when they may be run at all.
    /// `None` outside: that is a fault, and it was noted.
    #[allow(clippy::option_option, reason = "a fault that was noted is another thing than a name nobody knows")]
    pub(super) fn module(&mut self, key: &Node, name: &str, place: &Place) -> Option<Option<&'static Module>> {
        let known = modules::find(name);
        let qualified = name.contains('.') && !name.starts_with("ansible.legacy.");
        if self.settings.paths.own.is_none() || (qualified && known.is_some()) || name.contains("{{") {
            return Some(known);
        }
        let Some(path) = self.program(name, place) else { return Some(known) };
        if let Some(plugin) = self.action_plugin(name, place) {
            let plugin = plugin.display();
            self.fault(
                key,
                format!(
                    "`{name}` is an action plugin (`{plugin}`), which runs inside Ansible's own Python and cannot run here"
                ),
            );
            return None;
        }
        Some(Some(self.own(name, path, place)))
    }

    /// What is said of a name that no module has.
    pub(super) fn no_module(&self, name: &str, place: &Place) -> String {
        let hint = modules::nearest(name);
        let hint = hint.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        let own = match self.program(name, place) {
            Some(path) => format!("; `{}` can be run with `--python`", path.display()),
            None if self.settings.paths.own.is_none() => {
                "; a module of your own stands in `library` and needs `--python`".to_owned()
            }
            None => String::new(),
        };
        format!("there is no module `{name}`{hint}{own}")
    }

    /// The folders of the roles around a place, then the playbook's.
    fn folders(&self, place: &Place, name: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        if let Some(role) = &place.role {
            found.push(role.path.join(name));
            found.extend(role.parents.iter().rev().map(|parent| parent.path.join(name)));
        }
        found.push(self.base.join(name));
        found
    }

    fn program(&self, name: &str, place: &Place) -> Option<PathBuf> {
        let short = name.strip_prefix("ansible.legacy.").unwrap_or(name);
        if short.contains('.') {
            let found = self.settings.paths.in_collections(&[&self.base], "plugins/modules", short);
            return found.iter().find_map(|path| file_of(path.parent()?, path.file_name()?.to_str()?));
        }
        let configured = self.settings.paths.own.iter().flat_map(|own| own.library.iter().cloned());
        self.folders(place, "library").into_iter().chain(configured).find_map(|folder| file_of(&folder, short))
    }

    fn action_plugin(&self, name: &str, place: &Place) -> Option<PathBuf> {
        let short = name.strip_prefix("ansible.legacy.").unwrap_or(name);
        let found = if short.contains('.') {
            self.settings.paths.in_collections(&[&self.base], "plugins/action", short)
        } else {
            self.folders(place, "action_plugins").into_iter().map(|folder| folder.join(short)).collect()
        };
        found.into_iter().map(|path| path.with_extension("py")).find(|path| path.is_file())
    }

    fn own(&self, name: &str, path: PathBuf, place: &Place) -> &'static Module {
        let short = name.strip_prefix("ansible.legacy.").unwrap_or(name);
        let last = short.rsplit('.').next().unwrap_or(short);
        let paths = &self.settings.paths;
        let own = paths.own.clone().unwrap_or_default();
        let mut utils = self.folders(place, "module_utils");
        utils.extend(own.utils);
        let mut collections = vec![self.base.join("collections")];
        collections.extend(paths.collections.iter().cloned());
        let parts: Vec<&str> = short.splitn(3, '.').collect();
        let full = match parts.as_slice() {
            [namespace, collection, rest] => {
                format!("ansible_collections.{namespace}.{collection}.plugins.modules.{rest}")
            }
            _ => format!("ansible.modules.{last}"),
        };
        module(Own { name: last.to_owned(), full, path, utils, collections, ansible: own.ansible })
    }
}

/// The program `name` in a folder, with any ending that a program may have; Python's first.
fn file_of(folder: &Path, name: &str) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?;
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            let end = path.extension().and_then(|end| end.to_str()).unwrap_or_default();
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            (stem == name || stem.strip_prefix('_') == Some(name)) && !OTHERS.contains(&end) && path.is_file()
        })
        .collect();
    found.sort_by_key(|path| {
        let end = path.extension().map(|end| end.to_string_lossy().into_owned());
        (end.as_deref() != Some("py"), path.clone())
    });
    found.into_iter().next()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::playbook::{OwnPaths, Paths, Settings, parse::load_text_with};

    #[test]
    fn an_unknown_module_is_a_fault_unless_its_program_may_be_run() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("library")).unwrap();
        std::fs::create_dir_all(at("action_plugins")).unwrap();
        std::fs::create_dir_all(at("far/ansible_collections/our/own/plugins/modules")).unwrap();
        for name in ["library/harbour.sh", "library/both.py", "far/ansible_collections/our/own/plugins/modules/quay.py"]
        {
            std::fs::write(at(name), "#!/bin/sh\n").unwrap();
        }
        std::fs::write(at("action_plugins/both.py"), "").unwrap();
        let load = |module: &str, own: Option<OwnPaths>| {
            let text = format!("- hosts: all\n  tasks:\n    - {module}: a=1\n");
            let paths = Paths { collections: vec![at("far")], own, ..Paths::default() };
            let settings = Settings { paths, ..Settings::default() };
            load_text_with(&text, "p.yml", Path::new(folder.path()), &settings).map_err(|error| error.to_string())
        };
        let without = load("harbour", None).unwrap_err();
        assert!(without.contains("harbour.sh` can be run with `--python`"), "{without}");
        assert!(load("pingg", None).unwrap_err().contains("did you mean `ping`?; a module of your own"));
        let own = || Some(OwnPaths::default());
        for name in ["harbour", "ansible.legacy.harbour", "our.own.quay"] {
            let playbook = load(name, own()).unwrap();
            let short = name.rsplit('.').next().unwrap();
            assert_eq!(playbook.plays[0].tasks()[0].module_name(), short);
        }
        assert!(load("both", own()).unwrap_err().contains("action plugin"));
        assert!(load("nowhere", own()).unwrap_err().ends_with("there is no module `nowhere`"));
        let elsewhere =
            OwnPaths { library: vec![at("far/ansible_collections/our/own/plugins/modules")], ..OwnPaths::default() };
        assert!(load("quay", Some(elsewhere)).is_ok());
    }
}
