//! Who acts, and who did what.
//!
//! An entry is written in the transaction of the change it tells of, so neither exists without the other.
//! Secrets never go into it. [`Actor`] is defined here, below everybody who acts; how a request proves to be
//! somebody's is the accounts' business.
//!
//! Entries are chained by their hashes ([`chain`]) by a job a moment after they were written, never by who writes
//! them: a number in sequence would make every change of the pool wait for every other.

mod actor;
mod api;
pub mod chain;
mod check;
mod seal;
mod store;

pub use self::{
    actor::{Actor, Admin, Role, Via},
    api::{AuditView, Verdict, routes},
    check::{Exported, accept, export, pages, verify},
    seal::{SEAL, mark_owner, prune, seal_all, waiting},
};
use uuid::Uuid;

use crate::{ctx::Ctx, db::Tx, http};

/// One thing that was done.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Username, or the part of Berth that acted by itself, as `scheduler`.
    pub actor: &'a str,
    /// What was done, as `user.create`.
    pub action: &'a str,
    /// What it was done to, by name.
    pub target: &'a str,
    /// More, for people. Never a secret.
    pub detail: &'a str,
}

/// The id of the last request that was about `target`, since the thing `born` was made; empty: none was.
pub async fn last_request(ctx: &Ctx, target: &str, born: Uuid) -> sqlx::Result<String> {
    let mut conn = ctx.db.read().await?;
    store::last_request(&mut conn, target, &born.to_string()).await
}

/// Notes what was done, as part of its transaction, with the id and the sender of the current request.
pub async fn record(tx: &mut Tx, entry: &Entry<'_>) -> sqlx::Result<()> {
    store::insert(tx, entry, &http::request_id(), &http::peer()).await
}
