//! Machines as the API shows them, and the bodies it takes. Secrets go in and never come out.
#![allow(clippy::option_option, reason = "absent, null and a value are three things")]

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::{
    admin::Patch,
    model::{Facts, Machine, State},
    rules::{self, Entry, Fault},
    store::{Holder, Move},
};
use crate::{audit::Actor, clock::rfc3339, ids::LeaseId, remote::Secret};

/// A machine.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct MachineView {
    /// Its name.
    pub name: String,
    /// Name or address. Shown to admins and to the person who has the machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// TCP port, shown like the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The user Berth logs in as. Shown to admins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The pool.
    pub pool: String,
    /// The labels.
    pub labels: BTreeMap<String, String>,
    /// `ProxyJump` value. Shown to admins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jump: Option<String>,
    /// The registered private key's path. Shown to admins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<String>,
    /// Where it is in its life.
    pub state: State,
    /// Why, for people. Shown to admins.
    pub reason: Option<String>,
    /// Since when.
    pub state_since: String,
    /// Where it goes instead of `ready` when it is clean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub then_state: Option<State>,
    /// Who has it. Shown to admins and to that person.
    pub holder: Option<HolderView>,
    /// What it says about itself.
    pub facts: Option<Facts>,
    /// The pinned host key's fingerprint.
    pub host_key_fingerprint: Option<String>,
    /// When somebody last connected to see whether it is well.
    pub last_check_at: Option<String>,
    /// What went wrong last. Shown to admins.
    pub last_error: Option<String>,
    /// How often the present step was tried.
    pub attempts: i64,
    /// When it is tried again.
    pub next_try_at: Option<String>,
    /// When it was registered.
    pub created_at: String,
}

/// Who has a machine.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct HolderView {
    /// The person.
    pub username: String,
    /// The reservation.
    #[schema(value_type = String)]
    pub reservation_id: LeaseId,
    /// When it ends.
    pub until: String,
}

/// A machine after somebody connected to it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RegisteredView {
    /// The machine.
    pub machine: MachineView,
    /// What happened, in words.
    pub steps: Vec<String>,
}

/// One change of a machine's state.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MoveView {
    /// Its id.
    pub id: String,
    /// When.
    pub at: String,
    /// From where.
    pub from: State,
    /// To where.
    pub to: State,
    /// Why, for people. Shown to admins.
    pub reason: Option<String>,
    /// Who had the machine then. Shown to admins and to that person.
    pub holder: Option<String>,
    /// Their reservation, shown like the holder.
    #[schema(value_type = Option<String>)]
    pub reservation_id: Option<LeaseId>,
}

impl MoveView {
    /// The move as `actor` may see it.
    pub(super) fn new(one: Move, holders: &HashMap<LeaseId, Holder>, actor: &Actor) -> Self {
        let holder = one.lease.and_then(|lease| holders.get(&lease));
        let holder = holder.filter(|holder| actor.is_admin() || holder.account == actor.id);
        Self {
            id: one.id,
            at: rfc3339(one.at),
            from: one.from,
            to: one.to,
            reason: one.reason.filter(|_| actor.is_admin()),
            holder: holder.map(|holder| holder.username.clone()),
            reservation_id: holder.map(|holder| holder.lease),
        }
    }
}

/// The machine as `actor` may see it.
pub(super) fn view(machine: Machine, holders: &HashMap<LeaseId, Holder>, actor: &Actor) -> MachineView {
    let holder = machine.held_by.and_then(|lease| holders.get(&lease));
    let is_admin = actor.is_admin();
    let is_holder = holder.is_some_and(|holder| holder.account == actor.id);
    let reachable = is_admin || is_holder;
    MachineView {
        name: machine.name,
        host: reachable.then_some(machine.host),
        port: reachable.then_some(machine.port),
        user: is_admin.then_some(machine.login_user),
        pool: machine.pool,
        labels: machine.labels,
        jump: machine.jump.filter(|_| is_admin),
        key_file: machine.key_file.filter(|_| is_admin),
        state: machine.state,
        reason: machine.reason.filter(|_| is_admin),
        state_since: rfc3339(machine.state_since),
        then_state: machine.then_state.filter(|_| is_admin),
        holder: holder.filter(|_| reachable).map(|holder| HolderView {
            username: holder.username.clone(),
            reservation_id: holder.lease,
            until: rfc3339(holder.until),
        }),
        facts: machine.facts,
        host_key_fingerprint: preferred(&machine.host_keys).and_then(rules::fingerprint),
        last_check_at: machine.last_check_at.map(rfc3339),
        last_error: machine.last_error.filter(|_| is_admin),
        attempts: machine.attempts,
        next_try_at: machine.next_try.map(rfc3339),
        created_at: rfc3339(machine.created_at),
    }
}

/// The host key that `ssh` shows people first.
fn preferred(keys: &[String]) -> Option<&str> {
    keys.iter().find(|key| key.starts_with("ssh-ed25519 ")).or_else(|| keys.first()).map(String::as_str)
}

/// A machine to register.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateMachine {
    /// Its name: 1 to 63 of a-z, 0-9, `.`, `_`, `-`.
    pub name: String,
    /// Name or address.
    pub host: String,
    /// TCP port; 22 unless given.
    #[serde(default = "ssh_port")]
    pub port: i64,
    /// The user to log in as.
    pub user: String,
    /// The user's password, to install Berth's own key with.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password, write_only)]
    pub password: Option<Password>,
    /// A private key on the server to log in with instead.
    #[serde(default)]
    pub key_file: Option<String>,
    /// Labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The pool; the default pool unless given.
    #[serde(default)]
    pub pool: Option<String>,
    /// The host key to accept, `ssh-ed25519 AAAA…`; unless given, what the host shows at first contact.
    #[serde(default)]
    pub host_key: Option<OneOrMore>,
    /// `ProxyJump` value.
    #[serde(default)]
    pub jump: Option<String>,
}

fn ssh_port() -> i64 {
    22
}

/// A password on its way in.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Password(String);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

// Only for what recognises a repeated request: it is hashed there under the server's key and never kept.
impl Serialize for Password {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// One text or several.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum OneOrMore {
    /// One.
    One(String),
    /// Several.
    More(Vec<String>),
}

impl OneOrMore {
    fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::More(texts) => texts,
        }
    }
}

/// What of a machine is to change; what is left out stays.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UpdateMachine {
    /// Name or address.
    pub host: Option<String>,
    /// TCP port.
    pub port: Option<i64>,
    /// The user to log in as.
    pub user: Option<String>,
    /// The login password; null forgets it.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>, format = Password, write_only)]
    pub password: Option<Option<Password>>,
    /// A private key to log in with; null: Berth's own.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub key_file: Option<Option<String>>,
    /// All labels.
    pub labels: Option<BTreeMap<String, String>>,
    /// The pool.
    pub pool: Option<String>,
    /// The host key to accept; null: what the host shows at the next contact.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<OneOrMore>)]
    pub host_key: Option<Option<OneOrMore>>,
    /// `ProxyJump` value; null: none.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub jump: Option<Option<String>>,
}

/// Tells a null from a field that is not there.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// How to look at a machine.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CheckMachine {
    /// Pin whatever host key the machine shows now.
    pub accept_new_host_key: bool,
}

/// Why a machine is set aside.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuarantineMachine {
    /// One line for people.
    pub reason: String,
}

#[derive(Default)]
struct Checker {
    faults: Vec<Fault>,
}

impl Checker {
    fn text(&mut self, pointer: &str, value: String, rule: fn(&str) -> Result<(), String>) -> String {
        if let Err(detail) = rule(&value) {
            self.faults.push(Fault::at(pointer, detail));
        }
        value
    }

    fn port(&mut self, value: i64) -> u16 {
        rules::port(value).unwrap_or_else(|detail| {
            self.faults.push(Fault::at("/port", detail));
            0
        })
    }

    fn labels(&mut self, labels: BTreeMap<String, String>) -> BTreeMap<String, String> {
        if rules::MAX_LABELS < labels.len() {
            self.faults.push(Fault::at("/labels", format!("more than {} labels", rules::MAX_LABELS)));
        }
        for (name, value) in &labels {
            let wrong = rules::label_name(name).and_then(|()| rules::label_value(value));
            self.faults.extend(wrong.err().map(|detail| Fault::at("/labels", detail)));
        }
        labels
    }

    fn host_keys(&mut self, keys: Vec<String>) -> Vec<String> {
        if 8 < keys.len() {
            self.faults.push(Fault::at("/host_key", "more than 8 host keys"));
        }
        let mut good = Vec::new();
        for key in keys {
            match rules::host_key(&key) {
                Ok(key) => good.push(key),
                Err(detail) => self.faults.push(Fault::at("/host_key", detail)),
            }
        }
        good
    }

    fn done<T>(self, value: T) -> Result<T, Vec<Fault>> {
        if self.faults.is_empty() { Ok(value) } else { Err(self.faults) }
    }
}

impl CreateMachine {
    /// The machine it describes, or everything that is wrong with it.
    pub(super) fn checked(self, default_pool: &str) -> Result<Entry, Vec<Fault>> {
        let mut checker = Checker::default();
        let entry = Entry {
            name: checker.text("/name", self.name, rules::name),
            host: checker.text("/host", self.host, rules::host).to_lowercase(),
            port: checker.port(self.port),
            user: checker.text("/user", self.user, rules::user),
            password: self.password.map(|Password(text)| Secret(checker.text("/password", text, rules::password))),
            key_file: self.key_file.map(|file| checker.text("/key_file", file, rules::key_file)),
            labels: checker.labels(self.labels),
            pool: checker.text("/pool", self.pool.unwrap_or_else(|| default_pool.to_owned()), rules::pool),
            host_keys: checker.host_keys(self.host_key.map(OneOrMore::into_vec).unwrap_or_default()),
            jump: self.jump.map(|jump| checker.text("/jump", jump, rules::jump)),
        };
        checker.done(entry)
    }
}

impl UpdateMachine {
    /// The change it describes, or everything that is wrong with it.
    pub(super) fn checked(self) -> Result<Patch, Vec<Fault>> {
        let mut checker = Checker::default();
        let patch = Patch {
            host: self.host.map(|host| checker.text("/host", host, rules::host).to_lowercase()),
            port: self.port.map(|port| checker.port(port)),
            user: self.user.map(|user| checker.text("/user", user, rules::user)),
            password: self.password.map(|password| {
                password.map(|Password(text)| Secret(checker.text("/password", text, rules::password)))
            }),
            key_file: self.key_file.map(|file| file.map(|file| checker.text("/key_file", file, rules::key_file))),
            labels: self.labels.map(|labels| checker.labels(labels)),
            pool: self.pool.map(|pool| checker.text("/pool", pool, rules::pool)),
            host_keys: self.host_key.map(|keys| checker.host_keys(keys.map(OneOrMore::into_vec).unwrap_or_default())),
            jump: self.jump.map(|jump| jump.map(|jump| checker.text("/jump", jump, rules::jump))),
        };
        checker.done(patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_of_a_body_is_named_at_once() {
        let body =
            r#"{"name": "../x", "host": "-o", "port": 0, "user": "$(id)", "password": "a\nb", "labels": {"-": ""}}"#;
        let body: CreateMachine = serde_json::from_str(body).unwrap();
        let faults = body.checked("default").unwrap_err();
        let pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(pointers, ["/name", "/host", "/port", "/user", "/password", "/labels"]);
    }

    #[test]
    fn null_is_told_from_absence() {
        let patch: UpdateMachine = serde_json::from_str(r#"{"password": null}"#).unwrap();
        let patch = patch.checked().unwrap();
        assert!(matches!(patch.password, Some(None)) && patch.key_file.is_none());
    }

    #[test]
    fn a_password_is_not_in_debug_output() {
        let body = r#"{"name": "a", "host": "h", "user": "u", "password": "canary"}"#;
        let body: CreateMachine = serde_json::from_str(body).unwrap();
        assert!(!format!("{body:?}").contains("canary"));
        assert!(!format!("{:?}", body.checked("p").unwrap()).contains("canary"));
    }
}
