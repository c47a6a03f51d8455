//! Names that mean something in playbooks, and so are poor names for variables.

use std::collections::{BTreeMap, HashSet};

use super::{
    ast::{Action, Playbook},
    inventory::Inventory,
    parse::EVERYWHERE,
    tasks::KEYWORDS,
};

/// Keywords of plays and roles, and the functions of templates.
const OTHERS: &[&str] = &[
    "hosts",
    "gather_facts",
    "gather_timeout",
    "fact_path",
    "roles",
    "pre_tasks",
    "post_tasks",
    "tasks",
    "handlers",
    "force_handlers",
    "max_fail_percentage",
    "serial",
    "strategy",
    "order",
    "vars_files",
    "vars_prompt",
    "block",
    "rescue",
    "always",
    "action",
    "local_action",
    "with_",
    "range",
    "dict",
    "lipsum",
    "cycler",
    "joiner",
    "namespace",
    "lookup",
    "query",
    "q",
    "now",
    "undef",
];

/// Whether a variable of this name may be mistaken for something else. `vars` is one that always is there.
pub(super) fn is_reserved(name: &str) -> bool {
    name != "vars" && (KEYWORDS.contains(&name) || EVERYWHERE.contains(&name) || OTHERS.contains(&name))
}

/// What is said of such a name.
pub(super) fn warning(name: &str, place: &str) -> String {
    let place = if place.is_empty() { String::new() } else { format!("{place}: ") };
    format!("{place}Found variable using reserved name '{name}'.")
}

/// Warnings about the variables of a playbook and an inventory, one for each name.
pub(super) fn warnings(playbook: &Playbook, inventory: &Inventory) -> Vec<String> {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    let mut note = |name: &str, place: &dyn Fn() -> String| {
        if is_reserved(name) {
            found.entry(name.to_owned()).or_insert_with(place);
        }
    };
    let mut roles = HashSet::new();
    for play in &playbook.plays {
        play.vars.keys().for_each(|name| note(name, &|| play.at.to_string()));
        for task in play.all_tasks() {
            let at = || task.at.to_string();
            task.common.vars.iter().flat_map(|vars| vars.keys()).for_each(|name| note(name, &at));
            task.register.iter().for_each(|name| note(name, &at));
            if let Action::Module(module, serde_json::Value::Object(args)) = &task.action
                && module.name == "set_fact"
            {
                args.keys().for_each(|name| note(name, &at));
            }
            if let Some(role) = &task.role
                && roles.insert(role.path.clone())
            {
                let own = role.own_vars.keys().chain(role.own_defaults.keys());
                own.for_each(|name| note(name, &|| format!("role `{}`", role.name)));
            }
        }
    }
    for host in inventory.names() {
        inventory.vars(&host).keys().for_each(|name| note(name, &|| format!("host `{host}`")));
    }
    found.iter().map(|(name, place)| warning(name, place)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_mean_something_are_told_once_with_a_place() {
        let text = "- hosts: all\n  vars: {tags: 1, fine: 2}\n  tasks:\n    - ping:\n      register: loop\n    - set_fact: {when: 1, tags: 2}\n";
        let playbook = crate::playbook::load_text(text, "p.yml", std::path::Path::new("/")).unwrap();
        let said = warnings(&playbook, &Inventory::default());
        assert_eq!(
            said,
            [
                "p.yml:4:7: Found variable using reserved name 'loop'.",
                "p.yml:1:3: Found variable using reserved name 'tags'.",
                "p.yml:6:7: Found variable using reserved name 'when'.",
            ]
        );
        assert!(!is_reserved("vars") && !is_reserved("ansible_host"));
    }
}
