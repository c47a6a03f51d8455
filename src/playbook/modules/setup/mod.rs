//! `setup` and `gather_facts`: facts about the host, by Ansible's names.
//!
//! One step with about ten processes reads what Linux tells in files; names and numbers are made here.
//! What needs Python, `facter` or `ohai` is not there.

mod distribution;
mod hardware;
mod local;
mod network;
mod subset;
mod system;
#[cfg(test)]
mod tests;
mod virtual_;

use super::common::{Step, list, text, text_of, with_default};
use super::{Act, Arg, Args, Kind, Module, Scope, Script};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const ARGS: &[Arg] = &[
    Arg {
        aliases: &["gather_subsets"],
        ..with_default("gather_subset", Kind::List, "[all]", "all, min, hardware, network, virtual, …, each with `!`")
    },
    with_default("gather_timeout", Kind::Int, "10", "seconds to wait for the sizes of mounted file systems"),
    with_default("filter", Kind::List, "[]", "only facts with such names, as `ansible_os*`"),
    with_default("fact_path", Kind::Path, "/etc/ansible/facts.d", "folder of local facts, `*.fact`"),
];

/// The module.
pub static SETUP: Module = Module {
    name: "setup",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "learns what kind of host it is: system, processors, memory, disks, addresses",
    args: ARGS,
    free_form: None,
    act: Act::Shell { library: &[SH], script },
};

/// The same by the name of what plays do.
pub static GATHER_FACTS: Module = Module {
    name: "gather_facts",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "gathers facts as a play does",
    args: &super::common::join::<5>(&[
        ARGS,
        &[super::common::arg("parallel", Kind::Bool, "accepted: there is one way to gather facts")],
    ]),
    free_form: None,
    act: Act::Shell { library: &[SH], script },
};

const SH: &str = include_str!("setup.sh");

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    let wanted = subset::chosen(&list(args, "gather_subset").unwrap_or_default())?;
    let mut step = Step::new(scope);
    for (var, name) in
        [("b_hardware", "hardware"), ("b_network", "network"), ("b_virtual", "virtual"), ("b_local_facts", "local")]
    {
        step.set_flag(var, wanted.contains(name));
    }
    step.set("b_timeout", &text_of(args, "gather_timeout").unwrap_or_else(|| "10".to_owned()))?;
    match text(args, "fact_path") {
        Some(path) if !path.is_empty() => step.set_path("b_fact_path", path)?,
        _ => step.set("b_fact_path", "")?,
    };
    let mut script = step.run("b_setup").done();
    script.finish = Some(finish);
    Ok(script)
}

/// What the host said, by file and by key.
struct Told {
    files: BTreeMap<String, String>,
    said: Map<String, Value>,
}

impl Told {
    /// A file's text; empty when it is not there.
    fn file(&self, path: &str) -> &str {
        self.files.get(path).map_or("", |text| text.trim_end_matches('\n'))
    }

    /// What `out` gave.
    fn said(&self, key: &str) -> &str {
        self.said.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether a path or a program is there.
    fn has(&self, mark: &str) -> bool {
        self.said("marks").split(' ').any(|known| known == mark)
    }
}

fn finish(args: &Args, result: &mut Map<String, Value>) {
    if result.get("failed") == Some(&Value::Bool(true)) {
        return;
    }
    let subsets = list(args, "gather_subset").unwrap_or_default();
    let Ok(wanted) = subset::chosen(&subsets) else { return };
    let mut said = Map::new();
    let keep = ["changed", "failed", "msg", "warnings", "skipped", "diff"];
    for key in result.keys().filter(|key| !keep.contains(&key.as_str())).cloned().collect::<Vec<_>>() {
        if let Some(value) = result.shift_remove(&key) {
            said.insert(key, value);
        }
    }
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for line in said.get("files").and_then(Value::as_str).unwrap_or_default().lines() {
        if let Some((path, text)) = line.split_once(':') {
            let file = files.entry(path.to_owned()).or_default();
            file.push_str(text);
            file.push('\n');
        }
    }
    let told = Told { files, said };
    let mut facts = Map::new();
    let (local, warnings) = if wanted.contains("local") { local::facts(&told) } else { (None, vec![]) };
    if let Some(local) = local {
        facts.insert("local".to_owned(), local);
    }
    for (name, add) in [
        ("distribution", distribution::facts as fn(&Told, &mut Map<String, Value>)),
        ("platform", system::platform),
        ("date_time", system::date_time),
        ("env", system::env),
        ("user", system::user),
        ("pkg_mgr", system::pkg_mgr),
        ("service_mgr", system::service_mgr),
        ("python", system::python),
        ("selinux", system::selinux),
        ("apparmor", system::apparmor),
        ("lsb", distribution::lsb),
        ("dns", system::dns),
        ("cmdline", system::cmdline),
        ("fips", system::fips),
        ("loadavg", system::loadavg),
        ("chroot", system::chroot),
        ("ssh_pub_keys", system::ssh_pub_keys),
        ("iscsi", system::iscsi),
        ("hardware", hardware::facts),
        ("network", network::facts),
        ("virtual", virtual_::facts),
    ] {
        if wanted.contains(name) {
            add(&told, &mut facts);
        }
    }
    let filters = list(args, "filter").unwrap_or_default();
    let filters: Vec<&String> = filters.iter().filter(|filter| !filter.is_empty()).collect();
    let mut facts: Map<String, Value> = facts
        .into_iter()
        .map(|(name, value)| (format!("ansible_{}", name.replace(['-', '.', ' '], "_")), value))
        .filter(|(name, _)| filters.is_empty() || filters.iter().any(|filter| is_like(name, filter)))
        .collect();
    facts.insert("gather_subset".to_owned(), json!(subsets));
    facts.insert("module_setup".to_owned(), Value::Bool(true));
    if !warnings.is_empty() {
        let all = result.entry("warnings").or_insert_with(|| json!([]));
        if let Value::Array(all) = all {
            all.extend(warnings.into_iter().map(Value::from));
        }
    }
    result.insert("ansible_facts".to_owned(), Value::Object(facts));
}

/// Whether `name` fits `pattern` with its `*` and `?`; a bare name fits with or without `ansible_`.
fn is_like(name: &str, pattern: &str) -> bool {
    fn fits(name: &[u8], pattern: &[u8]) -> bool {
        match (pattern.first(), name.first()) {
            (None, None) => true,
            (Some(b'*'), _) => fits(name, &pattern[1..]) || !name.is_empty() && fits(&name[1..], pattern),
            (Some(b'?'), Some(_)) => fits(&name[1..], &pattern[1..]),
            (Some(p), Some(n)) if p == n => fits(&name[1..], &pattern[1..]),
            _ => false,
        }
    }
    let bare = name.strip_prefix("ansible_").unwrap_or(name);
    fits(name.as_bytes(), pattern.as_bytes()) || fits(bare.as_bytes(), pattern.as_bytes())
}
