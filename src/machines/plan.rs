//! What an inventory changes: entries compared with what is registered. No database, no network.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;

use super::{
    model::{Machine, State},
    rules::Entry,
};
use crate::{ids::MachineId, seal::Sealer};

/// What an inventory does to one machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// It is registered.
    New,
    /// Some of its fields change.
    Changed,
    /// Nothing.
    Unchanged,
    /// It is registered but not in the file.
    Removed,
}

/// One machine of a plan.
#[derive(Debug, Clone)]
pub(super) struct Planned {
    pub name: String,
    pub effect: Effect,
    /// Names of the fields that change.
    pub fields: Vec<&'static str>,
    /// The machine as it is registered.
    pub before: Option<Machine>,
    /// What the file says.
    pub entry: Option<Entry>,
}

/// Fields that say how to reach a machine: a change needs another contact.
const REACH: [&str; 7] = ["host", "port", "user", "password", "key_file", "host_key", "jump"];

impl Planned {
    /// Whether the machine has to be connected to again.
    pub fn is_reached_anew(&self) -> bool {
        self.fields.iter().any(|field| REACH.contains(field))
    }
}

/// Compares. Retired machines count as not registered.
pub(super) fn plan(sealer: &Sealer, registered: Vec<Machine>, entries: Vec<Entry>) -> Vec<Planned> {
    let names: HashSet<String> = entries.iter().map(|entry| entry.name.clone()).collect();
    let live = registered.into_iter().filter(|machine| machine.state != State::Retired);
    let mut by_name: BTreeMap<String, Machine> = live.map(|machine| (machine.name.clone(), machine)).collect();
    let mut planned: Vec<Planned> = entries
        .into_iter()
        .map(|entry| {
            let before = by_name.remove(&entry.name);
            let fields = before.as_ref().map(|machine| differing(sealer, machine, &entry)).unwrap_or_default();
            let effect = match &before {
                None => Effect::New,
                Some(machine) if fields.is_empty() && machine.then_state != Some(State::Retired) => Effect::Unchanged,
                Some(_) => Effect::Changed,
            };
            Planned { name: entry.name.clone(), effect, fields, before, entry: Some(entry) }
        })
        .collect();
    planned.extend(by_name.into_values().filter(|machine| !names.contains(&machine.name)).map(|machine| Planned {
        name: machine.name.clone(),
        effect: Effect::Removed,
        fields: Vec::new(),
        before: Some(machine),
        entry: None,
    }));
    planned
}

/// Names of the fields in which a machine is not as the entry says. What an entry does not mention and what only
/// Berth knows (a password, a host key) stays.
pub(super) fn differing(sealer: &Sealer, machine: &Machine, entry: &Entry) -> Vec<&'static str> {
    let same_password = || {
        let Some(wanted) = &entry.password else { return true };
        let Some(kept) = &machine.password_sealed else { return false };
        sealer.open(&Machine::password_owner(machine.id), kept).is_ok_and(|known| known == wanted.0)
    };
    let same_host_key = || {
        let known: HashSet<&String> = machine.host_keys.iter().collect();
        entry.host_keys.is_empty() || entry.host_keys.iter().collect::<HashSet<_>>() == known
    };
    [
        ("host", machine.host == entry.host),
        ("port", machine.port == entry.port),
        ("user", machine.login_user == entry.user),
        ("password", same_password()),
        ("key_file", machine.key_file == entry.key_file),
        ("labels", machine.labels == entry.labels),
        ("pool", machine.pool == entry.pool),
        ("host_key", same_host_key()),
        ("jump", machine.jump == entry.jump),
    ]
    .into_iter()
    .filter_map(|(field, same)| (!same).then_some(field))
    .collect()
}

/// The machine as the entry wants it; state and epoch stay. Another login needs Berth's key anew.
pub(super) fn applied(sealer: &Sealer, machine: &Machine, entry: &Entry) -> Machine {
    let mut after = machine.clone();
    let fields = differing(sealer, machine, entry);
    if fields.iter().any(|field| ["host", "port", "user", "key_file", "jump"].contains(field)) {
        after.key_installed_at = None;
    }
    after.host.clone_from(&entry.host);
    after.port = entry.port;
    after.login_user.clone_from(&entry.user);
    after.pool.clone_from(&entry.pool);
    after.labels.clone_from(&entry.labels);
    after.jump.clone_from(&entry.jump);
    after.key_file.clone_from(&entry.key_file);
    if fields.contains(&"password")
        && let Some(password) = &entry.password
    {
        after.password_sealed = Some(sealer.seal(&Machine::password_owner(machine.id), &password.0));
    }
    if !entry.host_keys.is_empty() {
        after.host_keys.clone_from(&entry.host_keys);
    }
    after
}

/// A machine that nobody has seen yet.
pub(super) fn newborn(sealer: &Sealer, entry: &Entry, now: crate::clock::Millis) -> Machine {
    let id = MachineId::new();
    Machine {
        id,
        name: entry.name.clone(),
        host: entry.host.clone(),
        port: entry.port,
        login_user: entry.user.clone(),
        pool: entry.pool.clone(),
        labels: entry.labels.clone(),
        jump: entry.jump.clone(),
        key_file: entry.key_file.clone(),
        password_sealed: entry.password.as_ref().map(|password| sealer.seal(&Machine::password_owner(id), &password.0)),
        host_keys: entry.host_keys.clone(),
        key_installed_at: None,
        facts: None,
        state: State::New,
        state_since: now,
        reason: None,
        held_by: None,
        touched_at: None,
        then_state: None,
        then_reason: None,
        epoch: 1,
        deadline: None,
        attempts: 0,
        failures: 0,
        last_error: None,
        next_try: None,
        last_check_at: None,
        created_at: now,
    }
}

/// Two machines would have one address after this plan: who, and where. Compares what stays with what comes.
pub(super) fn address_clash(planned: &[Planned], remove: bool) -> Option<(String, String)> {
    let mut taken: HashMap<(&str, u16, Option<&str>), &str> = HashMap::new();
    for one in planned {
        let address = match (&one.entry, &one.before) {
            (Some(entry), _) => (entry.host.as_str(), entry.port, entry.jump.as_deref()),
            (None, Some(machine)) if !remove || is_in_use(machine) => {
                (machine.host.as_str(), machine.port, machine.jump.as_deref())
            }
            (None, _) => continue,
        };
        if let Some(other) = taken.insert(address, &one.name) {
            return Some((other.to_owned(), one.name.clone()));
        }
    }
    None
}

/// A lease has it, or what a lease left is on it.
pub(super) fn is_in_use(machine: &Machine) -> bool {
    machine.held_by.is_some() || machine.touched_at.is_some() || machine.state.is_busy()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::Secret;

    fn entry(name: &str, port: u16) -> Entry {
        Entry {
            name: name.into(),
            host: "h".into(),
            port,
            user: "root".into(),
            password: Some(Secret("pw".into())),
            key_file: None,
            labels: BTreeMap::new(),
            pool: "default".into(),
            host_keys: Vec::new(),
            jump: None,
        }
    }

    #[test]
    fn a_plan_tells_new_changed_unchanged_and_removed() {
        let sealer = Sealer::new(&[1; 32]);
        let known: Vec<Machine> = (1..=3).map(|n| newborn(&sealer, &entry(&format!("m{n}"), n), 0)).collect();
        let mut relabelled = entry("m2", 2);
        relabelled.labels.insert("gpu".into(), "a100".into());
        relabelled.password = Some(Secret("other".into()));
        let planned = plan(&sealer, known, vec![entry("m1", 1), relabelled, entry("m9", 9)]);
        let seen: Vec<_> = planned.iter().map(|one| (one.name.as_str(), one.effect)).collect();
        assert_eq!(
            seen,
            [("m1", Effect::Unchanged), ("m2", Effect::Changed), ("m9", Effect::New), ("m3", Effect::Removed)]
        );
        assert_eq!(planned[1].fields, ["password", "labels"]);
        assert!(planned[1].is_reached_anew());
        let after = applied(&sealer, planned[1].before.as_ref().unwrap(), planned[1].entry.as_ref().unwrap());
        assert!(differing(&sealer, &after, planned[1].entry.as_ref().unwrap()).is_empty());
    }

    #[test]
    fn an_entry_without_password_or_host_key_leaves_them() {
        let sealer = Sealer::new(&[1; 32]);
        let mut machine = newborn(&sealer, &entry("m", 1), 0);
        machine.host_keys = vec!["ssh-ed25519 AAAA".into()];
        let silent = Entry { password: None, ..entry("m", 1) };
        assert!(differing(&sealer, &machine, &silent).is_empty());
        assert_eq!(applied(&sealer, &machine, &silent), machine);
    }

    #[test]
    fn an_address_that_stays_is_not_given_away() {
        let sealer = Sealer::new(&[1; 32]);
        let known = vec![newborn(&sealer, &entry("old", 1), 0)];
        let planned = plan(&sealer, known, vec![entry("new", 1)]);
        assert!(address_clash(&planned, false).is_some());
        assert!(address_clash(&planned, true).is_none());
    }
}
