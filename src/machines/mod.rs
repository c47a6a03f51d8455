//! The pool: register, import, labels, health, quarantine.
//!
//! A machine is a row with a state and an epoch; every move is a compare-and-set on the epoch, so whoever read an
//! old row changes nothing. Invariants: only `verifying` leads to `ready`; a machine that a lease touched is cleaned
//! before it is verified; a held machine is in nobody else's hands; a ready machine is held by nobody. Deliberately
//! absent: what a lease is, and how a machine is cleaned.

mod address;
mod admin;
pub mod api;
mod available;
mod contact;
mod import;
mod inventory;
pub mod jobs;
mod keys;
mod model;
mod plan;
mod register;
mod rules;
mod store;
mod target;
mod views;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};

pub use self::{
    admin::{Patch, check, create, quarantine, release, remove, update},
    available::{AvailableView, LabelCount, available},
    import::{How, Imported, ImportedMachine, Outcome, Summary, import},
    jobs::{CHECK, RECOVER, REGISTER, recheck},
    keys::KeyError,
    model::{Change, Count, Facts, Machine, NoState, State, backoff},
    plan::Effect,
    register::Registered,
    rules::{Entry, Fault, fingerprint},
    store::{
        Filter, Holder, Move, Search, any_with_password, by_id, count_by_pool, count_by_state, due_for_cleaning, find,
        first_by_name, held_by, lock, oldest_quarantine, prune_moves,
    },
    target::{opens_password, target},
    views::{HolderView, MachineView, RegisteredView},
};
use crate::{
    clock::rfc3339,
    db::{Dialect, Lock, Tx},
    ids::{LeaseId, MachineId},
    notifications::{self, News},
};

/// Each parser of what clients send, by name, for who tries random texts.
#[doc(hidden)]
#[allow(clippy::type_complexity, reason = "a name and what it stands for")]
pub const PARSERS: [(&str, fn(&str)); 4] = [
    ("machine-inventory", |text| drop(inventory::read(text, "default"))),
    ("labels", api::try_labels),
    ("machine-fields", rules::try_text),
    ("jump", address::try_text),
];

/// Why something about machines was refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such machine.
    #[error("there is no machine `{0}`")]
    NoSuchMachine(String),
    /// The name is in use.
    #[error("there is a machine `{0}` already")]
    NameTaken(String),
    /// One machine must not be offered twice.
    #[error("`{address}` is the address of machine `{name}`; one machine must not be offered twice")]
    AddressTaken {
        /// The address.
        address: String,
        /// Who has it.
        name: String,
    },
    /// Somebody has it.
    #[error("machine `{name}` is {state}{}; end the reservation first", held_text(.holder.as_ref()))]
    Held {
        /// The machine.
        name: String,
        /// Its state.
        state: State,
        /// Who has it.
        holder: Option<Holder>,
    },
    /// The state forbids it.
    #[error("machine `{name}` is {state} and cannot be {verb}")]
    WrongState {
        /// The machine.
        name: String,
        /// Its state.
        state: State,
        /// What was asked.
        verb: &'static str,
    },
    /// Somebody else changed it at the same moment.
    #[error("machine `{0}` was changed by somebody else at the same moment; try again")]
    Moved(String),
    /// Something breaks the rules.
    #[error("{}", faults_text(.0))]
    Invalid(Vec<Fault>),
    /// The database refused.
    #[error("machines: {0}")]
    Database(#[from] sqlx::Error),
    /// Something that cannot be.
    #[error("machines: {0}")]
    Broken(String),
}

fn held_text(holder: Option<&Holder>) -> String {
    holder.map_or_else(String::new, |holder| {
        let Holder { lease, username, until, .. } = holder;
        format!(": `{username}` has it until {} (reservation `{lease}`)", rfc3339(*until))
    })
}

fn faults_text(faults: &[Fault]) -> String {
    match faults {
        [one] => one.detail.clone(),
        many => format!("{} faults; nothing was changed", many.len()),
    }
}

/// Picks ready machines of a pool, the longest unused first, and gives them to `lease` in the caller's transaction.
/// May find fewer than asked; then the caller decides. Two bookings that wait for each other's machines are a
/// deadlock, which the database ends with a transient error: begin again.
pub async fn take(
    tx: &mut Tx,
    pool: &str,
    labels: &BTreeMap<String, String>,
    count: usize,
    lease: LeaseId,
) -> sqlx::Result<Vec<Machine>> {
    let mut taken = Vec::new();
    // Rows that others hold at this moment are left out at first, so that bookings do not stand in line. They are
    // waited for only when it matters: a health check that writes its date must not make the pool look empty.
    let locks: &[Lock] = match tx.dialect {
        Dialect::Sqlite => &[Lock::Wait],
        Dialect::MySql => &[Lock::Skip, Lock::Wait],
    };
    for lock in locks {
        let missing = i64::try_from(count.saturating_sub(taken.len())).unwrap_or(i64::MAX);
        if missing == 0 {
            break;
        }
        for mut machine in store::lock_ready(tx, pool, labels, missing, *lock).await? {
            if store::hold(tx, &machine, lease).await? {
                machine.state = State::Held;
                machine.state_since = tx.now;
                machine.held_by = Some(lease);
                machine.epoch += 1;
                machine.attempts = 0;
                (machine.reason, machine.next_try) = (None, None);
                taken.push(machine);
            }
        }
    }
    store::note_moves(tx, State::Ready, &taken).await?;
    if !taken.is_empty() {
        tx.announce();
    }
    metrics::counter!("berth_machine_transitions_total", "from" => "ready", "to" => "held")
        .increment(taken.len() as u64);
    Ok(taken)
}

/// Moves a machine, if it is still where the caller saw it. `None`: somebody else moved it; read it again.
///
/// A move that the states forbid is an error, because the caller's plan is wrong. Two moves do more than they say:
/// to `ready` clears holder, errors and counters, and goes to `then_state` instead when an admin asked for that
/// meanwhile; to `provisioning` marks the machine as touched.
pub async fn shift(tx: &mut Tx, machine: &Machine, to: State, why: Change) -> sqlx::Result<Option<Machine>> {
    if !machine.may_become(to) {
        return Err(sqlx::Error::InvalidArgument(format!(
            "machine `{}` may not go from {} to {to}",
            machine.name, machine.state
        )));
    }
    let after = moved(machine, to, why, tx.now);
    if !store::swap(tx, machine.epoch, &after).await? {
        return Ok(None);
    }
    tx.announce();
    if machine.state != after.state {
        // Who had the machine until now is who this move is about.
        let seen = Machine { held_by: after.held_by.or(machine.held_by), ..after.clone() };
        store::note_moves(tx, machine.state, std::slice::from_ref(&seen)).await?;
        metrics::counter!("berth_machine_transitions_total", "from" => machine.state.as_str(), "to" => after.state.as_str())
            .increment(1);
    }
    if after.state == State::Quarantined && machine.state != State::Quarantined && machine.failures == 0 {
        let cause = match machine.state {
            State::New | State::Checking => "registration",
            State::Held | State::Provisioning => "provisioning",
            State::Leased | State::Draining | State::Cleaning | State::Verifying => "cleaning",
            State::Ready | State::Quarantined | State::Maintenance | State::Retired => "check",
        };
        metrics::counter!("berth_quarantines_total", "cause" => cause).increment(1);
        tell_admins(tx, &after).await?;
    }
    Ok(Some(after))
}

/// Marks every machine as touched, because the database was restored and may know less than is true; those that no
/// reservation has and that are not in `had` are set aside. Answers all that are to be looked at.
pub async fn doubt(tx: &mut Tx, why: &str, had: &BTreeSet<MachineId>) -> sqlx::Result<Vec<MachineId>> {
    let now = tx.now;
    let mut doubtful = Vec::new();
    for machine in store::lock_all(tx).await? {
        if machine.state == State::Retired {
            continue;
        }
        let mut after = Machine { epoch: machine.epoch + 1, ..machine.clone() };
        after.touched_at = after.touched_at.or(Some(now));
        if !had.contains(&machine.id) {
            after.held_by = None;
            after.next_try = Some(now);
            after.deadline = None;
            after.reason = Some(why.to_owned());
            if machine.state != State::Maintenance {
                (after.state, after.state_since) = (State::Quarantined, now);
            }
        }
        if store::swap(tx, machine.epoch, &after).await? {
            doubtful.push(machine.id);
        }
    }
    tx.announce();
    Ok(doubtful)
}

/// Tells admins of a machine that was set aside, with the reason. Later tries that fail are not news.
async fn tell_admins(tx: &mut Tx, machine: &Machine) -> sqlx::Result<()> {
    let reason = machine.reason.as_deref().unwrap_or("no reason was given");
    let message = format!("machine `{}` is set aside: {reason}", machine.name);
    let news = News {
        kind: "machine.quarantined",
        account: None,
        reservation: None,
        machine: Some(&machine.name),
        message: &message,
        data: serde_json::json!({ "state": machine.state, "reason": machine.reason }),
    };
    notifications::announce_to_admins(tx, news).await
}

/// Tells screens where a machine is now. The reason is for admins and stays out of it.
async fn tell(tx: &mut Tx, machine: &Machine) -> sqlx::Result<()> {
    let message = format!("machine `{}` is {}", machine.name, machine.state);
    let news = News {
        kind: "machine.state",
        account: None,
        reservation: None,
        machine: Some(&machine.name),
        message: &message,
        data: serde_json::json!({ "state": machine.state }),
    };
    notifications::announce(tx, news).await
}

/// The machine as a move leaves it.
fn moved(machine: &Machine, to: State, why: Change, now: crate::clock::Millis) -> Machine {
    let mut after = machine.clone();
    after.epoch += 1;
    after.state = to;
    after.reason = why.reason;
    after.last_error = why.last_error;
    after.next_try = why.next_try;
    after.deadline = why.deadline;
    after.failures = why.failures.of(machine.failures);
    if why.release_holder {
        after.held_by = None;
    }
    if matches!(to, State::Provisioning | State::Leased) && after.touched_at.is_none() {
        after.touched_at = Some(now);
    }
    if to == State::Ready {
        after.held_by = None;
        after.touched_at = None;
        after.failures = 0;
        (after.last_error, after.next_try, after.deadline) = (None, None, None);
        if let Some(then) = after.then_state.take() {
            after.state = then;
            after.reason = after.then_reason.take();
        }
    }
    let changes = after.state != machine.state;
    if changes {
        after.state_since = now;
    }
    after.attempts = match (why.attempts, changes) {
        (Count::Keep, true) => 0,
        (count, _) => count.of(machine.attempts),
    };
    after
}
