//! Which processes are alive.

use std::{collections::BTreeMap, time::Duration};

use tokio_util::sync::CancellationToken;

use super::store;
use crate::{clock::Millis, ctx::Ctx, db::Db};

/// How often a process says that it is alive.
const EVERY: Duration = Duration::from_secs(5);
/// After so long without a sign a process counts as gone.
const GONE_AFTER: Millis = 30_000;

/// Says that this process is alive until `stop`.
pub async fn keep(ctx: Ctx, role: &'static str, process: String, stop: CancellationToken) {
    let mut beat = tokio::time::interval(EVERY);
    while !stop.is_cancelled() {
        tokio::select! {
            _ = beat.tick() => {
                if let Err(error) = say(&ctx, role, &process).await {
                    tracing::debug!(%error, "cannot write the heartbeat");
                }
            }
            () = stop.cancelled() => {}
        }
    }
    if let Ok(mut tx) = ctx.db.begin_write().await
        && store::forget_heartbeat(&mut tx, &process).await.is_ok()
    {
        let _ = tx.commit().await;
    }
}

async fn say(ctx: &Ctx, role: &str, process: &str) -> sqlx::Result<()> {
    let mut tx = ctx.db.begin_write().await?;
    if !store::beat(&mut tx, process).await? {
        store::first_beat(&mut tx, process, role).await?;
    }
    let long_gone = tx.now - 10 * GONE_AFTER;
    store::forget_heartbeats_before(&mut tx, long_gone).await?;
    tx.commit().await
}

/// Who claims jobs now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pulse {
    /// How many processes of each role are alive.
    pub alive: BTreeMap<String, i64>,
    /// Milliseconds since the last sign of life of any; none when there was none for long.
    pub age: Option<Millis>,
}

/// Who claims jobs now.
pub async fn pulse(ctx: &Ctx) -> sqlx::Result<Pulse> {
    let mut conn = ctx.db.read().await?;
    let now = ctx.db.now(&mut conn).await?;
    let mut pulse = Pulse::default();
    for (role, at) in store::beats(&mut conn).await? {
        let age = now.saturating_sub(at).max(0);
        pulse.age = Some(pulse.age.map_or(age, |least| least.min(age)));
        if age <= GONE_AFTER {
            *pulse.alive.entry(role).or_default() += 1;
        }
    }
    Ok(pulse)
}

/// How many job runners are alive.
pub async fn alive(ctx: &Ctx) -> sqlx::Result<i64> {
    Ok(pulse(ctx).await?.alive.values().sum())
}

/// How many processes of this role are alive.
pub async fn alive_as(db: &Db, role: &str) -> sqlx::Result<i64> {
    let mut conn = db.read().await?;
    let now = db.now(&mut conn).await?;
    store::count_beats_of_since(&mut conn, role, now - GONE_AFTER).await
}
