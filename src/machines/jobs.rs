//! What the scheduler runs for machines: connecting to those that wait for it, and seeing whether ready ones are well.

use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream};

use super::{
    contact,
    model::{Facts, Machine, State},
    register::{self, AT_ONCE, unwell},
    shift, store, tell,
};
use crate::{
    clock::Millis,
    ctx::Ctx,
    db::{Tx, is_transient},
    ids::MachineId,
    jobs::{Claim, Kind, Next, enqueue, enqueue_named},
};

/// Looks at one machine; the subject is its id.
pub static CHECK: Kind = Kind { name: "machine.check", run: check };

/// Connects to every machine that waits for it; the subject is [`ALL`].
pub static REGISTER: Kind = Kind { name: "machine.register", run: register };

/// The subject of [`REGISTER`].
pub const ALL: &str = "all";

/// The kind that cleans a machine a lease touched; the slice that can do that registers it. The subject is the
/// machine's id.
pub const RECOVER: &str = "machine.recover";

/// A ready machine is not looked at again before this long.
const CHECK_EVERY: Millis = 30_000;

/// How many machines one look at the table takes.
const BATCH: i64 = 256;

/// Asks for [`REGISTER`] at `run_at` or earlier.
pub(super) async fn ask_to_register(tx: &mut Tx, run_at: Millis) -> sqlx::Result<()> {
    enqueue(tx, &REGISTER, ALL, run_at).await
}

/// Asks for another try of every quarantined machine whose time has come, and of registrations left half way.
pub async fn retry_quarantined(ctx: &Ctx) -> sqlx::Result<()> {
    let (waiting, dirty, now) = {
        let mut conn = ctx.db.read().await?;
        let now = ctx.db.now(&mut conn).await?;
        let waiting = store::waiting(&mut conn, now, None, 1).await?;
        (waiting, store::due_for_cleaning(&mut conn, now, BATCH).await?, now)
    };
    if waiting.is_empty() && dirty.is_empty() {
        return Ok(());
    }
    let mut tx = ctx.db.begin_write().await?;
    if !waiting.is_empty() {
        ask_to_register(&mut tx, now).await?;
    }
    for machine in dirty {
        enqueue_named(&mut tx, RECOVER, &machine.id.to_string(), now).await?;
    }
    ctx.commit(tx).await
}

fn check(ctx: Ctx, claim: Claim) -> BoxFuture<'static, anyhow::Result<Next>> {
    async move {
        let id: MachineId = claim.subject.parse()?;
        check_now(&ctx, id).await?;
        Ok(Next::Done)
    }
    .boxed()
}

/// Looks at a machine again: registers it if it waits for that, probes it if it is ready. One that a lease touched
/// is left alone.
pub async fn recheck(ctx: &Ctx, machine: &Machine) -> sqlx::Result<()> {
    check_now(ctx, machine.id).await
}

async fn check_now(ctx: &Ctx, id: MachineId) -> sqlx::Result<()> {
    if 0 < register::register_all(ctx, &[id], |_| {}).await? {
        return Ok(());
    }
    let found = {
        let mut conn = ctx.db.read().await?;
        store::by_id(&mut conn, id).await?
    };
    match found {
        Some(machine) if machine.state == State::Ready => look(ctx, &machine).await.map(drop),
        _ => Ok(()),
    }
}

/// Probes a machine and writes down how it is. Answers what is wrong, if anything. Only a ready machine moves.
pub(super) async fn look(ctx: &Ctx, machine: &Machine) -> sqlx::Result<Option<String>> {
    let found = probe_twice(ctx, machine).await;
    let wrong = found.as_ref().err().cloned();
    note(ctx, vec![(machine.clone(), found)]).await?;
    Ok(wrong)
}

fn register(ctx: Ctx, claim: Claim) -> BoxFuture<'static, anyhow::Result<Next>> {
    async move {
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
        Ok(Next::Done)
    }
    .boxed()
}

/// Looks at every ready machine that nobody looked at lately.
pub async fn check_all(ctx: &Ctx) -> sqlx::Result<()> {
    let since = {
        let mut conn = ctx.db.read().await?;
        ctx.db.now(&mut conn).await? - CHECK_EVERY
    };
    let mut after = None;
    loop {
        let ready = {
            let mut conn = ctx.db.read().await?;
            store::unchecked(&mut conn, since, after, BATCH).await?
        };
        let Some(last) = ready.last() else { return Ok(()) };
        after = Some(last.id);
        probe_all(ctx, ready).await?;
    }
}

async fn probe_all(ctx: &Ctx, machines: Vec<Machine>) -> sqlx::Result<()> {
    let probes = stream::iter(machines)
        .map(|machine| async move {
            let found = probe_twice(ctx, &machine).await;
            (machine, found)
        })
        .buffer_unordered(AT_ONCE)
        .ready_chunks(AT_ONCE);
    let mut probes = std::pin::pin!(probes);
    while let Some(found) = probes.next().await {
        match note(ctx, found).await {
            // It collided with a booking; the next look finds the same.
            Err(error) if is_transient(&error) => {}
            other => other?,
        }
    }
    Ok(())
}

/// One lost packet does not cost a machine its place in the pool.
async fn probe_twice(ctx: &Ctx, machine: &Machine) -> Result<Option<Facts>, String> {
    match contact::probe(ctx, machine).await {
        Err(_) => contact::probe(ctx, machine).await,
        well => well,
    }
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
            Err(why) if machine.state != State::Ready => {
                machine.last_error = Some(why);
                store::note_check(&mut tx, &machine).await?;
            }
            Err(why) => {
                let change = unwell(&machine, &why, tx.now);
                if let Some(machine) = shift(&mut tx, &machine, State::Quarantined, change).await? {
                    tell(&mut tx, &machine).await?;
                    tracing::warn!(machine.name = machine.name, "a ready machine is set aside: {why}");
                }
            }
        }
    }
    ctx.commit(tx).await
}
