//! Newtyped identifiers: UUIDv7, made here and never by the database, so they sort by birth.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta] $name:ident),+ $(,)?) => {$(
        #[$doc]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new one, later than every earlier one of this process.
            #[allow(clippy::new_without_default, reason = "every call gives another value")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    )+};
}

id! {
    /// An account of a person.
    AccountId,
    /// A machine of the pool.
    MachineId,
    /// A lease; a reservation has its lease's id.
    LeaseId,
    /// One machine in one reservation.
    AllotmentId,
    /// One execution of a playbook.
    RunId,
    /// A signed-in session.
    SessionId,
    /// An event on its way to screens.
    EventId,
    /// A job.
    JobId,
    /// A terminal on a machine.
    TerminalId,
}
