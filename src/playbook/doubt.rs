//! What looks wrong in a playbook, but may be right: variables that nothing near it defines, handlers that nothing
//! notifies.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{
    ast::{Action, Play, Playbook, Task},
    modules::near,
    template,
    yaml::Fault,
};

/// Files beyond these are not looked at: a playbook's folder may be somebody's home.
const MOST_FILES: usize = 5_000;
const MOST_BYTES: u64 = 1 << 20;

/// Doubts about a playbook, each at its task.
pub fn doubts(playbook: &Playbook) -> Vec<Fault> {
    let mut found = Vec::new();
    let words = Words::around(playbook);
    for play in &playbook.plays {
        for task in play.all_tasks() {
            for name in needed(task).into_iter().filter(|name| !words.know(name)) {
                let hint = near(&name, words.0.iter().map(String::as_str));
                let hint = hint.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                let message = format!("`{name}` is defined nowhere near this playbook{hint}");
                found.push(Fault { at: task.at.clone(), message });
            }
        }
        found.extend(unheard(play));
    }
    found
}

/// The variables that a task's texts need.
fn needed(task: &Task) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for text in task.conditions().filter_map(|(_, condition)| condition.as_str()) {
        found.extend(template::needed(text, true));
    }
    for (_, value) in task.values() {
        walk(value, &mut |text| found.extend(template::needed(text, false)));
    }
    found
}

fn walk(value: &Value, see: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => see(text),
        Value::Array(items) => items.iter().for_each(|item| walk(item, see)),
        Value::Object(map) => map.values().for_each(|inner| walk(inner, see)),
        _ => {}
    }
}

/// Handlers that no task of the play names. Nothing is said where names are templates or tasks come at run time.
fn unheard(play: &Play) -> Vec<Fault> {
    let all = play.all_tasks();
    let open = all.iter().any(|task| {
        matches!(task.action, Action::Include(_)) || task.common.notify.iter().any(|name| name.contains("{{"))
    });
    if open {
        return Vec::new();
    }
    let told: BTreeSet<&str> = all.iter().flat_map(|task| &task.common.notify).map(String::as_str).collect();
    let named = play.handlers.iter().filter(|handler| {
        let title = handler.title();
        let names = handler.name.iter().chain(&handler.listen).map(String::as_str).chain([title.as_str()]);
        // A role's handlers are there for other roles, too.
        handler.role.is_none() && !names.into_iter().any(|name| told.contains(name) || name.contains("{{"))
    });
    named
        .map(|handler| Fault { at: handler.at.clone(), message: format!("nothing notifies `{}`", handler.title()) })
        .collect()
}

/// All that may be a variable's name in the files around a playbook: keys, registered names, `name=value`.
struct Words(BTreeSet<String>);

impl Words {
    fn around(playbook: &Playbook) -> Self {
        let mut folders: BTreeSet<PathBuf> = playbook.path.parent().map(Path::to_owned).into_iter().collect();
        for play in &playbook.plays {
            folders.insert(play.base.clone());
            folders.extend(play.roles.iter().map(|role| role.path.clone()));
            folders.extend(play.tasks().iter().filter_map(|task| Some(task.role.as_ref()?.path.clone())));
        }
        let mut words = Self(BTreeSet::new());
        let mut left = MOST_FILES;
        let mut seen = BTreeSet::new();
        for folder in &folders {
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            words.read(folder, 8, &mut left, &mut seen);
        }
        words
    }

    fn read(&mut self, folder: &Path, depth: usize, left: &mut usize, seen: &mut BTreeSet<PathBuf>) {
        if depth == 0 || !seen.insert(folder.to_owned()) {
            return;
        }
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let Ok(meta) = entry.metadata() else { continue };
            if meta.is_dir() && !entry.file_name().to_string_lossy().starts_with('.') {
                self.read(&path, depth - 1, left, seen);
            } else if meta.is_file() && says_names(&path) && meta.len() <= MOST_BYTES && *left > 0 {
                *left -= 1;
                if let Ok(text) = std::fs::read_to_string(&path) {
                    self.take(&text);
                }
            }
        }
    }

    fn take(&mut self, text: &str) {
        let word = |c: char| c.is_alphanumeric() || c == '_';
        for line in text.lines() {
            for (at, _) in line.match_indices([':', '=']) {
                let before = line[..at].trim_end().trim_end_matches(['"', '\'']);
                let name = &before[before.trim_end_matches(word).len()..];
                if ["register", "loop_var", "index_var", "name"].contains(&name) {
                    let value = line[at + 1..].trim_start().trim_start_matches(['"', '\'']);
                    let end = value.find(|c| !word(c)).unwrap_or(value.len());
                    self.0.insert(value[..end].to_owned());
                }
                self.0.insert(name.to_owned());
            }
        }
    }

    /// Whether a name may be had: written somewhere, or one that is always there.
    fn know(&self, name: &str) -> bool {
        const ALWAYS: [&str; 14] = [
            "environment",
            "group_names",
            "groups",
            "hostvars",
            "inventory_dir",
            "inventory_file",
            "inventory_hostname",
            "inventory_hostname_short",
            "item",
            "loop",
            "module_setup",
            "gather_subset",
            "play_hosts",
            "playbook_dir",
        ];
        let prefixes = ["ansible_", "role_", "berth_", "__"];
        self.0.contains(name)
            || ALWAYS.contains(&name)
            || matches!(name, "vars" | "omit" | "self")
            || prefixes.iter().any(|prefix| name.starts_with(prefix))
    }
}

/// Whether a file may define variables: YAML, JSON, an inventory, a template.
fn says_names(path: &Path) -> bool {
    let end = path.extension().map(|end| end.to_string_lossy().into_owned());
    end.is_none_or(|end| ["cfg", "ini", "j2", "json", "toml", "yaml", "yml"].contains(&end.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nothing_defines_or_notifies_is_doubted() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("group_vars")).unwrap();
        std::fs::write(folder.path().join("group_vars/all"), "# “quoted’: x\nharbour: north\n").unwrap();
        let path = folder.path().join("p.yml");
        let text = "- hosts: all
  vars: {berths: [1], known: 1}
  tasks:
    - {command: id, register: who, notify: told}
    - debug: {msg: '{{ harbour }} {{ knwon }} {{ who.stdout }} {{ item }} {{ lookup(\"env\", \"HOME\") }}'}
      loop: '{{ berths }}'
      when: absent is not defined or quay > 1
    - debug: {msg: '{{ maybe | default(1) }} {% for x in berths %}{{ x }}{{ loop.index }}{% endfor %}'}
  handlers:
    - {name: told, debug: {msg: '{{ ansible_host }}'}}
    - {name: never told, debug: {msg: '{{ inventory_hostname }}'}}
";
        std::fs::write(&path, text).unwrap();
        let playbook = crate::playbook::load(&path).unwrap();
        let said: Vec<String> = doubts(&playbook).iter().map(|fault| fault.message.clone()).collect();
        assert_eq!(
            said,
            [
                "`knwon` is defined nowhere near this playbook; did you mean `known`?",
                "`quay` is defined nowhere near this playbook",
                "nothing notifies `never told`",
            ]
        );
    }
}
