//! Keywords of Ansible's that would change nothing here. Each is refused, unless what it says holds anyway.

use super::{
    parse::Loader,
    yaml::{Data, Node},
};

/// What a keyword stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Play,
    Block,
    Task,
    /// An entry of `roles`.
    Role,
    /// `import_tasks`, `include_role` and their like.
    Import,
}

/// The values that need nothing done.
#[derive(Debug, Clone, Copy)]
enum Fine {
    /// `false`, 0, nothing.
    Off,
    /// One of these words, or a list of them.
    Words(&'static [&'static str]),
    /// None.
    None,
}

const ANY: &[Level] = &[Level::Play, Level::Block, Level::Task, Level::Role, Level::Import];
const BELOW_PLAYS: &[Level] = &[Level::Block, Level::Task, Level::Role, Level::Import];
const PLAY: &[Level] = &[Level::Play];
const ROLE: &[Level] = &[Level::Role];
const IMPORT: &[Level] = &[Level::Import];

const IDLE: &[(&str, &[Level], Fine)] = &[
    ("any_errors_fatal", BELOW_PLAYS, Fine::Off),
    ("become_exe", ANY, Fine::None),
    ("become_flags", ANY, Fine::None),
    ("debugger", ANY, Fine::Words(&["never"])),
    ("delegate_facts", BELOW_PLAYS, Fine::Off),
    ("ignore_unreachable", ANY, Fine::Off),
    ("throttle", ANY, Fine::Off),
    ("fact_path", PLAY, Fine::None),
    ("force_handlers", PLAY, Fine::Off),
    ("gather_subset", PLAY, Fine::Words(&["all", "min"])),
    ("max_fail_percentage", PLAY, Fine::None),
    ("order", PLAY, Fine::Words(&["inventory"])),
    ("port", PLAY, Fine::None),
    ("strategy", PLAY, Fine::Words(&["linear", "free", "ansible.builtin.linear", "ansible.builtin.free"])),
    ("connection", ROLE, Fine::None),
    ("module_defaults", ROLE, Fine::None),
    ("remote_user", ROLE, Fine::None),
    ("notify", &[Level::Block, Level::Import], Fine::None),
    ("changed_when", IMPORT, Fine::None),
    ("failed_when", IMPORT, Fine::None),
    ("register", IMPORT, Fine::None),
    ("retries", IMPORT, Fine::None),
    ("until", IMPORT, Fine::None),
];

impl Fine {
    fn holds(self, value: &Node) -> bool {
        match (self, &value.data) {
            (_, Data::Null) | (Self::Off, Data::Bool(false)) => true,
            (Self::Off, Data::Number(number)) => number.as_u64() == Some(0),
            (Self::Words(words), _) => {
                value.items().iter().all(|item| item.text().is_some_and(|text| words.contains(&text.trim())))
            }
            _ => false,
        }
    }
}

impl Loader {
    /// Refuses what would be read and then forgotten.
    pub(super) fn refuse_idle(&mut self, node: &Node, level: Level) {
        for (key, value) in node.pairs().unwrap_or_default() {
            let name = key.key_text();
            let idle = IDLE.iter().find(|(known, levels, _)| *known == name && levels.contains(&level));
            let Some((_, _, fine)) = idle else { continue };
            if fine.holds(value) {
                continue;
            }
            let here = match level {
                Level::Block if name == "notify" || name == "any_errors_fatal" => " on a block",
                Level::Task if name == "any_errors_fatal" => " on a task",
                Level::Import => " on imported tasks",
                Level::Play | Level::Role | Level::Block | Level::Task => "",
            };
            let message = match fine {
                Fine::Words(words) => {
                    let words: Vec<&str> = words.iter().copied().filter(|word| !word.contains('.')).collect();
                    format!("`{name}`{here} is not supported yet, but for `{}`", words.join("` and `"))
                }
                Fine::Off | Fine::None => format!("`{name}`{here} is not supported yet"),
            };
            self.fault(key, message);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::playbook::load_text;

    fn faults(text: &str) -> String {
        load_text(text, "p.yml", Path::new("/nonexistent")).map_or_else(|e| e.to_string(), |_| String::new())
    }

    #[test]
    fn keywords_of_a_play_that_change_nothing_are_refused() {
        for (line, wanted) in [
            ("ignore_unreachable: true", "`ignore_unreachable` is not supported yet"),
            ("max_fail_percentage: 30", "`max_fail_percentage` is not supported yet"),
            ("throttle: 1", "`throttle` is not supported yet"),
            ("order: shuffle", "`order` is not supported yet, but for `inventory`"),
            ("gather_subset: [min, '!network']", "`gather_subset` is not supported yet, but for `all` and `min`"),
            ("strategy: debug", "`strategy` is not supported yet, but for `linear` and `free`"),
            ("force_handlers: true", "`force_handlers` is not supported yet"),
            ("become_flags: -H", "`become_flags` is not supported yet"),
            ("port: 2222", "`port` is not supported yet"),
            ("any_errors_fatal: '{{ x }}'", "`any_errors_fatal` on a play is `true` or `false`, not a template"),
        ] {
            let text = format!("- hosts: all\n  {line}\n  tasks: []\n");
            assert_eq!(faults(&text), format!("p.yml:2:3: {wanted}"), "{line}");
        }
    }

    #[test]
    fn keywords_of_tasks_blocks_and_imports_that_change_nothing_are_refused() {
        for (line, wanted) in [
            ("ping:\n      throttle: 2", "`throttle` is not supported yet"),
            ("ping:\n      any_errors_fatal: true", "`any_errors_fatal` on a task is not supported yet"),
            ("ping:\n      ignore_unreachable: yes", "`ignore_unreachable` is not supported yet"),
            ("ping:\n      delegate_facts: true", "`delegate_facts` is not supported yet"),
            ("ping:\n      debugger: on_failed", "`debugger` is not supported yet, but for `never`"),
            ("ping:\n      args: '{{ x }}'", "`args` as a template is not supported yet"),
            ("block: []\n      any_errors_fatal: true", "`any_errors_fatal` on a block is not supported yet"),
            ("block: []\n      notify: x", "`notify` on a block is not supported yet"),
            ("meta: noop\n      ignore_unreachable: true", "`ignore_unreachable` is not supported yet"),
        ] {
            let text = format!("- hosts: all\n  tasks:\n    - {line}\n");
            let seen = faults(&text);
            assert!(seen.starts_with("p.yml:4:") && seen.ends_with(wanted), "{line}: {seen}");
        }
        let text = "- hosts: all\n  tasks:\n    - include_tasks: {file: x.yml, apply: {}}\n      register: y\n";
        let seen = faults(text);
        assert!(seen.contains("p.yml:3:36: `apply` is not supported yet"), "{seen}");
        assert!(seen.contains("p.yml:4:7: `register` on imported tasks is not supported yet"), "{seen}");
    }

    #[test]
    fn what_holds_anyway_is_accepted() {
        let text = "- hosts: all\n  strategy: free\n  order: inventory\n  gather_subset: min\n  any_errors_fatal: true\n  throttle: 0\n  ignore_unreachable: false\n  force_handlers: no\n  tasks:\n    - ping:\n      any_errors_fatal: false\n      throttle: 0\n      debugger: never\n- hosts: all\n  strategy: ansible.builtin.linear\n  gather_subset: [all]\n  tasks: []\n";
        assert_eq!(faults(text), "");
    }
}
