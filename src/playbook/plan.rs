//! What a playbook will do, without touching a host: checks and lists.

use serde_json::Value;

use super::{
    ast::{Play, Playbook, Task},
    template,
    yaml::Fault,
};

/// One task as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Listed {
    /// The task's name, as it is written.
    pub task: String,
    /// Its module.
    pub module: String,
    /// Its tags, inherited ones among them.
    pub tags: Vec<String>,
    /// File, line and column.
    pub at: String,
}

/// The tasks of a play that these tags choose, in order.
pub fn list(play: &Play, tags: &[String], skip_tags: &[String]) -> Vec<Listed> {
    play.tasks()
        .into_iter()
        .filter(|task| super::run::tags_allow(&task.common.tags, tags, skip_tags))
        .map(|task| Listed {
            task: task.title(),
            module: task.module_name().to_owned(),
            tags: task.common.tags.clone(),
            at: task.at.to_string(),
        })
        .collect()
}

/// Faults that can be seen before a run: arguments, templates and conditions.
pub fn check(playbook: &Playbook) -> Vec<Fault> {
    let mut faults = playbook.doubts.clone();
    for play in &playbook.plays {
        for task in play.all_tasks() {
            for (what, problem) in problems(task) {
                faults.push(Fault { at: task.at.clone(), message: format!("{what}: {problem}") });
            }
        }
        for (task, name) in super::play::unknown_notifications(play) {
            let known = play.handlers.iter().filter_map(|handler| handler.name.as_deref());
            let hint = super::modules::near(name, known).map(|near| format!("; did you mean `{near}`?"));
            let message = format!("no handler is called `{name}`{}", hint.unwrap_or_default());
            faults.push(Fault { at: task.at.clone(), message });
        }
        let mut bad = Vec::new();
        for (name, value) in play.vars.iter() {
            templates(value, &format!("variable `{name}`"), &mut bad);
        }
        faults.extend(
            bad.into_iter().map(|(what, problem)| Fault { at: play.at.clone(), message: format!("{what}: {problem}") }),
        );
    }
    faults
}

fn problems(task: &Task) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (what, condition) in task.conditions() {
        if let Value::String(text) = condition
            && let Err(problem) = template::expression_syntax(text)
        {
            found.push((format!("`{what}`"), problem));
        }
    }
    for (what, value) in task.values() {
        templates(value, what, &mut found);
    }
    if let Some(name) = &task.name {
        templates(&Value::String(name.clone()), "the name", &mut found);
    }
    found
}

fn templates(value: &Value, what: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::String(text) => {
            if let Err(problem) = template::syntax(text) {
                found.push((what.to_owned(), problem));
            }
        }
        Value::Array(items) => items.iter().for_each(|item| templates(item, what, found)),
        Value::Object(map) => {
            for (key, inner) in map {
                templates(inner, &format!("`{key}`"), found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_templates_are_found_before_a_run() {
        let text = "- hosts: all\n  tasks:\n    - debug: {msg: '{{ a b }}'}\n    - ping:\n      when: a ==\n    - debug: {msg: '{{ fine }}'}\n";
        let playbook = crate::playbook::load_text(text, "p.yml", std::path::Path::new("/")).unwrap();
        let seen: Vec<String> = check(&playbook).iter().map(|f| f.to_string().chars().take(20).collect()).collect();
        assert_eq!(seen, ["p.yml:3:7: `msg`: sy", "p.yml:4:7: `when`: s"]);
    }
}
