//! Durable work.
//!
//! A job is a kind and a subject, at most one row per pair, written in the transaction of its cause. It carries no
//! hint about what changed: whoever runs it reads the wanted state, compares, acts, and may run twice. Any number of
//! runners in any number of processes may share the table; a claim is a compare-and-set with an end, kept alive while
//! the work goes on. Deliberately absent: payloads, priorities, results.

pub mod heartbeat;
mod runner;
mod store;

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

pub use self::runner::{Runner, pause_after};
use crate::{
    clock::Millis,
    ctx::Ctx,
    db::{Tx, is_taken},
    ids::JobId,
};

/// One kind of job.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// Its name, `slice.verb`.
    pub name: &'static str,
    /// Does the work for one subject.
    pub run: fn(Ctx, Claim) -> BoxFuture<'static, anyhow::Result<Next>>,
}

/// What is to happen to a job after it ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing is left to do.
    Done,
    /// Nothing is left to do, and the work's own transaction settled the job's row ([`finish`], [`park`]).
    Finished,
    /// Run again after this long.
    Again(Duration),
}

/// A job that this process holds.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The job's row.
    pub id: JobId,
    /// Whom the work is about.
    pub subject: String,
    /// How often the job has failed in a row.
    pub attempts: i64,
    /// Fires when the claim is lost or the process stops: drop everything at once.
    pub lost: CancellationToken,
    generation: i64,
    kind: &'static str,
    owner: String,
}

/// Asks for `kind` to run for `subject` at `run_at` or earlier. Asking twice is asking once; asking while it runs
/// makes it run again.
pub async fn enqueue(tx: &mut Tx, kind: &Kind, subject: &str, run_at: Millis) -> sqlx::Result<()> {
    enqueue_named(tx, kind.name, subject, run_at).await
}

/// The same for a kind that a slice below or above owns, by its name.
pub async fn enqueue_named(tx: &mut Tx, kind: &str, subject: &str, run_at: Millis) -> sqlx::Result<()> {
    if store::ask_again(tx, kind, subject, run_at).await? {
        return Ok(());
    }
    let now = tx.now;
    match store::insert(tx, JobId::new(), kind, subject, run_at, now).await {
        // Somebody inserted the same in the meantime.
        Err(error) if is_taken(&error) => store::ask_again(tx, kind, subject, run_at).await.map(drop),
        other => other,
    }
}

/// Takes a job back that has nothing left to do: the row goes, unless somebody works on it, who then looks again.
pub async fn withdraw(tx: &mut Tx, kind: &Kind, subject: &str) -> sqlx::Result<()> {
    if store::delete_unclaimed(tx, kind.name, subject).await? {
        return Ok(());
    }
    let now = tx.now;
    store::ask_again(tx, kind.name, subject, now).await.map(drop)
}

/// Takes the job away within the work's own transaction; answer [`Next::Finished`] then. If somebody asked again
/// meanwhile, the job stays and runs again. False: the claim is lost and the transaction must not be committed.
pub async fn finish(tx: &mut Tx, claim: &Claim) -> sqlx::Result<bool> {
    if store::delete(tx, claim.id, claim.generation, &claim.owner).await? {
        return Ok(true);
    }
    let now = tx.now;
    store::free(tx, claim.id, &claim.owner, now).await
}

/// Puts the job off within the work's own transaction, as [`Next::Again`] would after it; answer [`Next::Finished`]
/// then. If somebody asked again meanwhile it runs at once.
pub async fn park(tx: &mut Tx, claim: &Claim, run_at: Millis) -> sqlx::Result<()> {
    store::put_off(tx, claim.id, &claim.owner, claim.generation, run_at, None).await
}

/// True while the claim holds, as the database sees it: a guard for a transaction that must not outlive its claim.
pub async fn still_held(tx: &mut Tx, claim: &Claim) -> sqlx::Result<bool> {
    store::held_by(tx, claim.id, &claim.owner).await
}

/// How many jobs are asked for, timers included.
pub async fn asked_for(ctx: &Ctx) -> sqlx::Result<i64> {
    let mut conn = ctx.db.read().await?;
    store::count(&mut conn).await
}

/// How many jobs are due and unclaimed for longer than `grace`: what the metrics call overdue.
pub async fn overdue(ctx: &Ctx, grace: Duration) -> sqlx::Result<i64> {
    let mut conn = ctx.db.read().await?;
    let now = ctx.db.now(&mut conn).await?;
    store::count_overdue(&mut conn, now.saturating_sub(crate::clock::millis(grace)), now).await
}
