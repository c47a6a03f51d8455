//! What every kind of lease shares: the state machine, deadlines, expiry, reminders.
//!
//! Whether a lease is over is judged by the database's clock. The work of a lease is done by one job per lease
//! ([`LeaseKind::drive`]), whose row stands until the lease is over and carries the next moment at which something is
//! due; the scheduler's scan only puts back what somebody removed.

pub mod jobs;
mod model;
pub mod store;

pub use model::{Lease, LeaseKind, LeaseState};
