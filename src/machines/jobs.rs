//! What the scheduler runs for machines: connecting to those that wait for it, and seeing whether ready ones are well.

use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream};

use super::{
    contact,
    model::{Facts, Machine, State},
    register::{self, AT_ONCE, unwell},
    shift, store,
};
use crate::{
    clock::Millis,
    ctx::Ctx,
    db::Tx,
    ids::MachineId,
    jobs::{Claim, Kind, Next},
};

/// Looks at one machine; the subject is its id.
pub static CHECK: Kind = Kind { name: "machine.check", run: check };

/// Looks at every machine that is due; the subject is [`ALL`].
pub static SWEEP: Kind = Kind { name: "machine.sweep", run: sweep };

/// The subject of [`SWEEP`].
pub const ALL: &str = "all";

/// The kind that cleans a machine a lease touched; the slice that can do that registers it. The subject is the
/// machine's id.
pub const RECOVER: &str = "machine.recover";

/// A ready machine is looked at again after this long.
const CHECK_EVERY: Millis = 60_000;

/// How many machines one look at the table takes.
const BATCH: i64 = 256;

/// Asks for a sweep at `run_at` or earlier.
pub async fn ask_for_sweep(tx: &mut Tx, run_at: Millis) -> sqlx::Result<()> {
    crate::jobs::enqueue(tx, &SWEEP, ALL, run_at).await
}

fn check(ctx: Ctx, claim: Claim) -> BoxFuture<'static, anyhow::Result<Next>> {
    async move {
        let id: MachineId = claim.subject.parse()?;
        check_now(&ctx, id).await?;
        Ok(Next::Done)
    }
    .boxed()
}

/// Looks at one machine now: registers it if it waits for that, probes it if it is ready.
pub(super) async fn check_now(ctx: &Ctx, id: MachineId) -> sqlx::Result<()> {
    register::register_all(ctx, &[id], |_| {}).await?;
    let found = {
        let mut conn = ctx.db.read().await?;
        store::by_id(&mut conn, id).await?
    };
    match found {
        Some(machine) if machine.state == State::Ready => {
            let found = contact::probe(ctx, &machine).await;
            note(ctx, vec![(machine, found)]).await
        }
        _ => Ok(()),
    }
}

fn sweep(ctx: Ctx, claim: Claim) -> BoxFuture<'static, anyhow::Result<Next>> {
    async move {
        let started = {
            let mut conn = ctx.db.read().await?;
            ctx.db.now(&mut conn).await?
        };
        let mut after = None;
        while !claim.lost.is_cancelled() {
            let waiting = {
                let mut conn = ctx.db.read().await?;
                let now = ctx.db.now(&mut conn).await?;
                store::waiting(&mut conn, now, after, BATCH).await?
            };
            let Some(last) = waiting.last() else { break };
            after = Some(*last);
            register::register_all(&ctx, &waiting, |_| {}).await?;
        }
        let mut after = None;
        while !claim.lost.is_cancelled() {
            let ready = {
                let mut conn = ctx.db.read().await?;
                store::unchecked(&mut conn, started - CHECK_EVERY, after, BATCH).await?
            };
            let Some(last) = ready.last() else { break };
            after = Some(last.id);
            probe_all(&ctx, ready).await?;
        }
        Ok(Next::Done)
    }
    .boxed()
}

async fn probe_all(ctx: &Ctx, machines: Vec<Machine>) -> sqlx::Result<()> {
    let probes = stream::iter(machines)
        .map(|machine| async move {
            let found = contact::probe(ctx, &machine).await;
            (machine, found)
        })
        .buffer_unordered(AT_ONCE)
        .ready_chunks(AT_ONCE);
    let mut probes = std::pin::pin!(probes);
    while let Some(found) = probes.next().await {
        note(ctx, found).await?;
    }
    Ok(())
}

/// Writes down how machines are, unless somebody took them meanwhile.
async fn note(ctx: &Ctx, found: Vec<(Machine, Result<Option<Facts>, String>)>) -> sqlx::Result<()> {
    let mut tx = ctx.db.begin_write().await?;
    for (mut machine, found) in found {
        machine.last_check_at = Some(tx.now);
        match found {
            Ok(facts) => {
                machine.facts = facts.or(machine.facts);
                store::note_check(&mut tx, &machine).await?;
            }
            Err(why) => {
                let change = unwell(&machine, &why, tx.now);
                if shift(&mut tx, &machine, State::Quarantined, change).await?.is_some() {
                    tracing::warn!(machine.name = machine.name, "a ready machine is set aside: {why}");
                }
            }
        }
    }
    ctx.commit(tx).await
}
