//! A machine, its states, and which state may follow which.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    clock::Millis,
    ids::{LeaseId, MachineId},
};

/// Where a machine is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Written down; nobody has connected yet.
    New,
    /// Being connected to: host key, Berth's key, facts.
    Checking,
    /// In the pool.
    Ready,
    /// Chosen for a lease; nothing was changed on it yet.
    Held,
    /// The account is being made.
    Provisioning,
    /// In somebody's hands.
    Leased,
    /// New logins are stopped, the user's processes are ended.
    Draining,
    /// What the user left is being removed.
    Cleaning,
    /// Being compared with what was there before. The only way into the pool.
    Verifying,
    /// Out of the pool: unreachable, not clean, or set aside. Retried when `next_try` says so.
    Quarantined,
    /// Out of the pool because an admin works on it.
    Maintenance,
    /// Not part of the pool any more.
    Retired,
}

impl State {
    /// All of them, in the order of a machine's life.
    pub const ALL: [Self; 12] = [
        Self::New,
        Self::Checking,
        Self::Ready,
        Self::Held,
        Self::Provisioning,
        Self::Leased,
        Self::Draining,
        Self::Cleaning,
        Self::Verifying,
        Self::Quarantined,
        Self::Maintenance,
        Self::Retired,
    ];

    /// The word that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Checking => "checking",
            Self::Ready => "ready",
            Self::Held => "held",
            Self::Provisioning => "provisioning",
            Self::Leased => "leased",
            Self::Draining => "draining",
            Self::Cleaning => "cleaning",
            Self::Verifying => "verifying",
            Self::Quarantined => "quarantined",
            Self::Maintenance => "maintenance",
            Self::Retired => "retired",
        }
    }

    /// Whether `to` may follow. Only [`State::Verifying`] leads to [`State::Ready`].
    ///
    /// From any: `quarantined`, `maintenance`, `retired`, and the state itself (another try of the same step), but
    /// `ready` again is not a move, and `retired` is left only by registering anew. Besides:
    ///
    /// | from | to |
    /// | --- | --- |
    /// | new | checking |
    /// | checking | verifying |
    /// | verifying | ready, cleaning |
    /// | ready | held, checking |
    /// | held | provisioning, draining, cleaning, verifying (nothing was touched) |
    /// | provisioning | leased, draining, cleaning |
    /// | leased | draining, cleaning |
    /// | draining | cleaning |
    /// | cleaning | draining, verifying |
    /// | quarantined, maintenance | checking, draining, cleaning |
    /// | retired | new |
    ///
    /// One more rule needs the machine: one that was touched for a lease goes from `checking` or `held` to
    /// `cleaning`, never straight to `verifying` ([`Machine::may_become`]).
    #[allow(clippy::match_same_arms, reason = "a row of the table is an arm")]
    pub fn may_become(self, to: Self) -> bool {
        use State::{
            Checking, Cleaning, Draining, Held, Leased, Maintenance, New, Provisioning, Quarantined, Ready, Retired,
            Verifying,
        };
        match (self, to) {
            (Retired, to) => to == New,
            (_, Quarantined | Maintenance | Retired) => true,
            (from, to) if from == to => to != Ready,
            (New, Checking) => true,
            (Checking, Verifying) => true,
            (Verifying, Ready | Cleaning) => true,
            (Ready, Held | Checking) => true,
            (Held, Provisioning | Draining | Cleaning | Verifying) => true,
            (Provisioning, Leased | Draining | Cleaning) => true,
            (Leased, Draining | Cleaning) => true,
            (Draining, Cleaning) => true,
            (Cleaning, Draining | Verifying) => true,
            (Quarantined | Maintenance, Checking | Draining | Cleaning) => true,
            _ => false,
        }
    }

    /// A lease is using the machine, or what it left is being removed.
    pub fn is_busy(self) -> bool {
        matches!(
            self,
            Self::Held | Self::Provisioning | Self::Leased | Self::Draining | Self::Cleaning | Self::Verifying
        )
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no state.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no state of a machine")]
pub struct NoState(String);

impl FromStr for State {
    type Err = NoState;
    fn from_str(text: &str) -> Result<Self, NoState> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| NoState(text.chars().take(32).filter(|c| !c.is_control()).collect()))
    }
}

/// What a machine says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Facts {
    /// The system's name, for example `Debian GNU/Linux 13 (trixie)`.
    pub os: String,
    /// The kernel's release.
    pub kernel: String,
    /// The processor's architecture, as `uname -m` says it.
    pub arch: String,
    /// Processors online.
    pub cpus: u32,
    /// Memory in bytes.
    pub memory_bytes: u64,
}

/// A machine of the pool.
#[derive(Debug, Clone, PartialEq)]
pub struct Machine {
    /// Its id, which outlives a change of name.
    pub id: MachineId,
    /// Its name, unique.
    pub name: String,
    /// Name or address as registered.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The user Berth logs in as.
    pub login_user: String,
    /// The pool it belongs to.
    pub pool: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// `ProxyJump` value.
    pub jump: Option<String>,
    /// A private key to log in with instead of Berth's own.
    pub key_file: Option<String>,
    /// The login password, sealed for this machine.
    pub password_sealed: Option<String>,
    /// The pinned host keys; empty before the first contact.
    pub host_keys: Vec<String>,
    /// Since when a login by key works.
    pub key_installed_at: Option<Millis>,
    /// What it said about itself.
    pub facts: Option<Facts>,
    /// Where it is in its life.
    pub state: State,
    /// Since when.
    pub state_since: Millis,
    /// Why it is in this state, for people.
    pub reason: Option<String>,
    /// The lease that has it.
    pub held_by: Option<LeaseId>,
    /// Since when something of a lease may be on it. Cleared only on the way from `verifying` to `ready`.
    pub touched_at: Option<Millis>,
    /// Where it goes instead of `ready` when it is clean: an admin asked for that while it was held.
    pub then_state: Option<State>,
    /// Why.
    pub then_reason: Option<String>,
    /// Counts every move. A writer states the epoch it read.
    pub epoch: i64,
    /// By when the present step should be over; later, anybody may take it up.
    pub deadline: Option<Millis>,
    /// How often the present step was tried.
    pub attempts: i64,
    /// Failures in a row; they make the pauses longer.
    pub failures: i64,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// When to try again.
    pub next_try: Option<Millis>,
    /// When somebody last connected to see whether it is well.
    pub last_check_at: Option<Millis>,
    /// When it was registered.
    pub created_at: Millis,
}

impl Machine {
    /// Whether this machine may move to `to`: [`State::may_become`], and a touched machine is cleaned first.
    pub fn may_become(&self, to: State) -> bool {
        let dirty_shortcut =
            self.touched_at.is_some() && to == State::Verifying && matches!(self.state, State::Checking | State::Held);
        self.state.may_become(to) && !dirty_shortcut
    }

    /// The owner under which its password is sealed.
    pub fn password_owner(id: MachineId) -> String {
        format!("machine:{id}:password")
    }

    /// How it is called where address and port matter: `host:port`.
    pub fn address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// What is to happen to a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Count {
    /// Nothing.
    #[default]
    Keep,
    /// Back to zero.
    Reset,
    /// One more.
    AddOne,
}

impl Count {
    /// The counter after.
    pub fn of(self, before: i64) -> i64 {
        match self {
            Self::Keep => before,
            Self::Reset => 0,
            Self::AddOne => before.saturating_add(1),
        }
    }
}

/// What a move writes besides the state. `None` clears: a machine says why it is where it is, not where it was.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// Why, for people.
    pub reason: Option<String>,
    /// What went wrong.
    pub last_error: Option<String>,
    /// When to try again.
    pub next_try: Option<Millis>,
    /// By when this step should be over.
    pub deadline: Option<Millis>,
    /// The lease lets go of the machine. Going to `ready` always does.
    pub release_holder: bool,
    /// Failures in a row. Going to `ready` resets them.
    pub failures: Count,
    /// Tries of the step. Going to another state resets them unless told otherwise.
    pub attempts: Count,
}

impl Change {
    /// Nothing to add.
    pub fn plain() -> Self {
        Self::default()
    }

    /// With a reason for people.
    pub fn because(reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..Self::default() }
    }
}

/// The pause before a machine that failed `failures` times in a row is tried again: 15 s, doubling, at most 15 min,
/// and never the same for many machines at once (`salt` moves it by up to a quarter).
pub fn backoff(failures: i64, salt: u128) -> Millis {
    let doublings = u32::try_from(failures.clamp(1, 10) - 1).unwrap_or(0);
    let pause = (15_000_i64 << doublings).min(15 * 60 * 1000);
    let shift = i64::try_from(salt % 1000).unwrap_or(0);
    pause - pause / 4 * shift / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_verifying_leads_to_ready() {
        for from in State::ALL {
            assert_eq!(from.may_become(State::Ready), from == State::Verifying, "{from} -> ready");
        }
    }

    #[test]
    fn the_table_of_moves_is_the_documented_one() {
        use State::{
            Checking, Cleaning, Draining, Held, Leased, Maintenance, New, Provisioning, Quarantined, Ready, Retired,
            Verifying,
        };
        let table: [(State, &[State]); 12] = [
            (New, &[New, Checking]),
            (Checking, &[Checking, Verifying]),
            (Ready, &[Held, Checking]),
            (Held, &[Held, Provisioning, Draining, Cleaning, Verifying]),
            (Provisioning, &[Provisioning, Leased, Draining, Cleaning]),
            (Leased, &[Leased, Draining, Cleaning]),
            (Draining, &[Draining, Cleaning]),
            (Cleaning, &[Draining, Cleaning, Verifying]),
            (Verifying, &[Ready, Cleaning, Verifying]),
            (Quarantined, &[Checking, Draining, Cleaning]),
            (Maintenance, &[Checking, Draining, Cleaning]),
            (Retired, &[New]),
        ];
        for (from, allowed) in table {
            for to in State::ALL {
                let aside = from != Retired && matches!(to, Quarantined | Maintenance | Retired);
                assert_eq!(from.may_become(to), aside || allowed.contains(&to), "{from} -> {to}");
            }
        }
    }

    #[test]
    fn a_state_is_the_same_word_everywhere() {
        for state in State::ALL {
            assert_eq!(state.as_str().parse::<State>().unwrap(), state);
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        assert!("READY".parse::<State>().is_err());
    }

    #[test]
    fn pauses_grow_to_a_cap_and_differ() {
        assert_eq!(backoff(0, 0), 15_000);
        assert_eq!(backoff(2, 0), 30_000);
        assert_eq!(backoff(i64::MAX, 0), 900_000);
        assert_eq!(backoff(i64::MIN, 0), 15_000);
        for salt in [1, 999, u128::MAX] {
            assert!((11_250..=15_000).contains(&backoff(1, salt)));
        }
        assert_ne!(backoff(1, 1), backoff(1, 500));
    }
}
