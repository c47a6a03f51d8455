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
}

/// The values that need nothing done.
#[derive(Debug, Clone, Copy)]
enum Fine {
    /// One of these words, or a list of them.
    Words(&'static [&'static str]),
    /// None.
    None,
}

const ANY: &[Level] = &[Level::Play, Level::Block, Level::Task, Level::Role];
const PLAY: &[Level] = &[Level::Play];

const STRATEGIES: &[&str] = &[
    "linear",
    "free",
    "host_pinned",
    "ansible.builtin.linear",
    "ansible.builtin.free",
    "ansible.builtin.host_pinned",
    "ansible.legacy.linear",
    "ansible.legacy.free",
    "ansible.legacy.host_pinned",
];

const IDLE: &[(&str, &[Level], Fine)] = &[
    ("debugger", ANY, Fine::Words(&["never"])),
    ("become_exe", ANY, Fine::None),
    ("become_flags", ANY, Fine::Words(&["-H -S -n", "-H -n", "-H -S", "-H"])),
    ("strategy", PLAY, Fine::Words(STRATEGIES)),
];

impl Fine {
    fn holds(self, value: &Node) -> bool {
        match (self, &value.data) {
            (_, Data::Null) => true,
            (Self::Words(words), _) => {
                let known = |text: &str| words.contains(&text.trim()) || text.contains("{{");
                value.items().iter().all(|item| item.text().is_some_and(known))
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
            let message = match fine {
                Fine::Words(words) => {
                    let words: Vec<&str> = words.iter().copied().filter(|word| !word.contains('.')).collect();
                    format!("`{name}` is not supported yet, but for `{}`", words.join("` and `"))
                }
                Fine::None => format!("`{name}` is not supported yet"),
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
    fn keywords_that_would_change_nothing_are_refused() {
        for (text, wanted) in [
            (
                "- hosts: all\n  strategy: debug\n  tasks: []\n",
                "p.yml:2:3: `strategy` is not supported yet, but for `linear` and `free` and `host_pinned`",
            ),
            ("- hosts: all\n  become_exe: /opt/sudo\n  tasks: []\n", "p.yml:2:3: `become_exe` is not supported yet"),
            (
                "- hosts: all\n  tasks:\n    - ping:\n      debugger: on_failed\n",
                "p.yml:4:7: `debugger` is not supported yet, but for `never`",
            ),
        ] {
            assert_eq!(faults(text), wanted);
        }
        let text = "- hosts: all\n  tasks:\n    - include_tasks: {file: x.yml}\n      until: y\n";
        assert!(faults(text).contains("p.yml:4:7: `include_tasks` cannot have `until`; put it into `apply`"));
    }

    #[test]
    fn what_holds_anyway_is_accepted() {
        let text = "- hosts: all\n  strategy: free\n  tasks:\n    - ping:\n      debugger: never\n";
        assert_eq!(faults(text), "");
    }
}
