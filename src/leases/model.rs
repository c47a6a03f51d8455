//! A lease and its states.

use std::{fmt, str::FromStr};

use crate::{
    clock::Millis,
    ids::{AccountId, LeaseId},
};

/// What is leased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseKind {
    /// N machines.
    Reservation,
}

impl LeaseKind {
    /// As stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reservation => "reservation",
        }
    }

    /// The kind of job that drives such a lease.
    pub fn drive(self) -> &'static str {
        match self {
            Self::Reservation => "reservation.drive",
        }
    }
}

/// Where a lease stands. `Closed` and `Failed` are final, and reached only after cleaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LeaseState {
    /// Waits for machines or for its start.
    Queued,
    /// Has its machines.
    Accepted,
    /// Accounts are being made.
    Provisioning,
    /// In use.
    Active,
    /// Over; nothing is taken back yet.
    Expiring,
    /// Being taken back.
    Cleaning,
    /// Taken back.
    Closed,
    /// Never became active, and taken back.
    Failed,
}

impl LeaseState {
    /// Every state, in order.
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::Accepted,
        Self::Provisioning,
        Self::Active,
        Self::Expiring,
        Self::Cleaning,
        Self::Closed,
        Self::Failed,
    ];

    /// As stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Accepted => "accepted",
            Self::Provisioning => "provisioning",
            Self::Active => "active",
            Self::Expiring => "expiring",
            Self::Cleaning => "cleaning",
            Self::Closed => "closed",
            Self::Failed => "failed",
        }
    }

    /// Nothing more will happen.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Closed | Self::Failed)
    }

    /// Release has been asked for, or is done.
    pub fn is_ending(self) -> bool {
        Self::Expiring <= self
    }

    /// Whether the state may be left for `to`.
    pub fn may_become(self, to: Self) -> bool {
        use LeaseState::{Accepted, Active, Cleaning, Closed, Expiring, Failed, Provisioning, Queued};
        matches!(
            (self, to),
            (Queued, Accepted | Closed | Failed)
                | (Accepted, Provisioning | Expiring)
                | (Provisioning, Active | Expiring)
                | (Active, Expiring)
                | (Expiring, Cleaning)
                | (Cleaning, Closed | Failed)
        )
    }
}

impl fmt::Display for LeaseState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for LeaseState {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| {
            let all = Self::ALL.map(Self::as_str).join(", ");
            format!("`{text}` is no state; there are {all}")
        })
    }
}

/// A claim with an owner, a state and an end.
#[derive(Debug, Clone)]
pub struct Lease {
    /// Its id.
    pub id: LeaseId,
    /// Whose it is.
    pub account: AccountId,
    /// Where it stands.
    pub state: LeaseState,
    /// When it begins, or began.
    pub starts_at: Millis,
    /// When it ends. Until it is active this is an estimate: the time runs from when the accounts exist.
    pub expires_at: Millis,
    /// Counts the changes; a writer states the one it read.
    pub epoch: i64,
    /// When the state it is in should be over.
    pub deadline: Option<Millis>,
    /// The last thing that went wrong.
    pub last_error: Option<String>,
    /// Why it ends or ended.
    pub reason: Option<String>,
    /// When it was asked for.
    pub created_at: Millis,
    /// When it became active.
    pub active_at: Option<Millis>,
    /// When it was over and clean.
    pub closed_at: Option<Millis>,
}

#[cfg(test)]
mod tests {
    use super::LeaseState::{self, *};

    #[test]
    fn a_lease_closes_only_after_cleaning_unless_it_never_had_machines() {
        for from in LeaseState::ALL {
            for to in [Closed, Failed] {
                assert_eq!(from.may_become(to), matches!(from, Cleaning | Queued), "{from} to {to}");
            }
        }
    }

    #[test]
    fn nothing_comes_back_from_the_end() {
        for to in LeaseState::ALL {
            assert!(!Closed.may_become(to) && !Failed.may_become(to));
            assert!(!Cleaning.may_become(to) || to.is_final());
        }
    }

    #[test]
    fn every_state_reads_back_from_its_text() {
        for state in LeaseState::ALL {
            assert_eq!(state.as_str().parse::<LeaseState>(), Ok(state));
        }
        assert!("gone".parse::<LeaseState>().unwrap_err().contains("queued"));
    }
}
