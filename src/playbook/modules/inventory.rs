//! `add_host` and `group_by`: hosts and groups made while a playbook runs.

use serde_json::{Map, Value, json};

use super::{Act, Arg, Args, Kind, Module, Outcome, Scope, convert::text_of};

/// Adds a host, with groups and variables, for the plays that follow.
pub static ADD_HOST: Module = Module {
    name: "add_host",
    collections: &["ansible.builtin"],
    summary: "Add a host to the inventory of this run",
    args: &[
        Arg {
            name: "name",
            aliases: &["host", "hostname"],
            kind: Kind::Str,
            required: true,
            default: None,
            choices: &[],
            doc: "Its name, perhaps with a port",
        },
        Arg {
            name: "groups",
            aliases: &["group", "groupname"],
            kind: Kind::Raw,
            required: false,
            default: None,
            choices: &[],
            doc: "The groups it is in",
        },
        Arg {
            name: "*",
            aliases: &[],
            kind: Kind::Raw,
            required: false,
            default: None,
            choices: &[],
            doc: "Any other name is a variable of the host",
        },
    ],
    free_form: None,
    act: Act::Controller(add_host),
};

/// Puts each host into a group that is named by its variables.
pub static GROUP_BY: Module = Module {
    name: "group_by",
    collections: &["ansible.builtin"],
    summary: "Put hosts into groups by their variables",
    args: &[
        Arg {
            name: "key",
            aliases: &[],
            kind: Kind::Str,
            required: true,
            default: None,
            choices: &[],
            doc: "The name of the group",
        },
        Arg {
            name: "parents",
            aliases: &[],
            kind: Kind::Raw,
            required: false,
            default: Some("[all]"),
            choices: &[],
            doc: "The groups that the group is in",
        },
    ],
    free_form: None,
    act: Act::Controller(group_by),
};

fn add_host(args: &Args, _: &Scope) -> Outcome {
    let name = args.str("name").unwrap_or_default().trim();
    if name.is_empty() {
        return Outcome::failure("name, host or hostname needs to be provided");
    }
    let (name, port) = match name.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => (host, port.parse::<u16>().ok()),
        _ => (name, None),
    };
    let groups = match args.get("groups") {
        Some(Value::Array(items)) => items.iter().map(text_of).collect(),
        Some(Value::String(text)) => names(text),
        Some(_) => return Outcome::failure("Groups must be specified as a list."),
        None => Vec::new(),
    };
    let known = ["name", "groups"];
    let mut vars: Map<String, Value> =
        args.0.iter().filter(|(key, _)| !known.contains(&key.as_str())).map(|(k, v)| (k.clone(), v.clone())).collect();
    if let Some(port) = port {
        vars.insert("ansible_ssh_port".into(), port.into());
    }
    let result = json!({"add_host": {"host_name": name, "groups": groups, "host_vars": vars}});
    Outcome { result: result.as_object().cloned().unwrap_or_default(), changed: true, ..Outcome::default() }
}

fn group_by(args: &Args, _: &Scope) -> Outcome {
    let key = args.str("key").unwrap_or_default().replace(' ', "-");
    if key.is_empty() {
        return Outcome::failure("the 'key' param is required when using group_by");
    }
    let parents = match args.get("parents") {
        Some(Value::Array(items)) => items.iter().map(text_of).collect(),
        Some(one) => vec![text_of(one)],
        None => vec!["all".to_owned()],
    };
    let parents: Vec<String> = parents.iter().map(|name| name.replace(' ', "-")).collect();
    let result = json!({"add_group": key, "parent_groups": parents});
    Outcome { result: result.as_object().cloned().unwrap_or_default(), ..Outcome::default() }
}

fn names(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}
