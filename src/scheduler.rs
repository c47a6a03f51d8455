//! The clockwork: cron lines ask for jobs, jobs do the work.
//!
//! A cron line that fires only writes a job row, at most one per kind, so any number of processes may run the same
//! clockwork: claims in the database decide who works. The server runs it as well as `berth-scheduler`; either alone
//! is enough for everything to be right.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use tokio_cron_scheduler::{Job, JobScheduler};
use tokio_util::sync::CancellationToken;

use crate::{
    accounts, audit,
    clock::{Clock, Millis},
    config::Config,
    ctx::Ctx,
    db::Schema,
    http,
    jobs::{self, Claim, Kind, Next, Runner, heartbeat},
    leases, machines, notifications, provisioning, reservations, telemetry, terminals,
};

/// Every kind of job there is.
pub static KINDS: &[&Kind] = &[
    &reservations::DRIVE,
    &reservations::CLEAN,
    &reservations::RECOVER,
    &machines::CHECK,
    &machines::REGISTER,
    &notifications::ARRIVED,
    &HEALTH,
    &EXPIRE,
    &CLEAN_RETRY,
    &REMIND,
    &PRUNE,
    &audit::SEAL,
];

static EXPIRE: Kind = Kind { name: "tick.expire", run: |ctx, claim| Box::pin(expire(ctx, claim)) };
static CLEAN_RETRY: Kind = Kind { name: "tick.clean_retry", run: |ctx, claim| Box::pin(clean_retry(ctx, claim)) };
static HEALTH: Kind = Kind { name: "tick.health", run: |ctx, claim| Box::pin(health(ctx, claim)) };
static REMIND: Kind = Kind { name: "tick.remind", run: |ctx, claim| Box::pin(remind(ctx, claim)) };
static PRUNE: Kind = Kind { name: "tick.prune", run: |ctx, claim| Box::pin(prune(ctx, claim)) };

/// The one subject of a tick.
const ALL: &str = "all";
/// How long events are kept.
const KEEP_EVENTS: Millis = 7 * 86_400_000;
/// How long it is known who did what.
const KEEP_AUDIT: Millis = 400 * 86_400_000;
/// How long it is known what machines went through, and runs and reservations that are over are kept.
const KEEP_HISTORY: Millis = 90 * 86_400_000;

async fn expire(ctx: Ctx, _: Claim) -> anyhow::Result<Next> {
    // Every lease has a timer of its own; this puts back those that were lost.
    leases::jobs::revive(&ctx).await?;
    Ok(Next::Done)
}

async fn clean_retry(ctx: Ctx, _: Claim) -> anyhow::Result<Next> {
    reservations::jobs::revive(&ctx).await?;
    machines::jobs::retry_quarantined(&ctx).await?;
    Ok(Next::Done)
}

async fn health(ctx: Ctx, _: Claim) -> anyhow::Result<Next> {
    machines::jobs::check_all(&ctx).await?;
    Ok(Next::Done)
}

async fn remind(ctx: Ctx, _: Claim) -> anyhow::Result<Next> {
    leases::jobs::remind(&ctx).await?;
    Ok(Next::Done)
}

async fn prune(ctx: Ctx, _: Claim) -> anyhow::Result<Next> {
    let mut tx = ctx.db.begin_write().await?;
    let now = tx.now;
    notifications::store::prune(&mut tx, now - KEEP_EVENTS).await?;
    provisioning::store::prune(&mut tx, now - KEEP_HISTORY).await?;
    http::prune_idempotency(&mut tx, now - 86_400_000).await?;
    accounts::prune(&mut tx, now).await?;
    terminals::prune(&mut tx, now - 86_400_000).await?;
    machines::prune_moves(&mut tx, now - KEEP_HISTORY).await?;
    audit::prune(&ctx, &mut tx, now - KEEP_AUDIT).await?;
    tx.commit().await?;
    reservations::jobs::prune(&ctx, now - KEEP_HISTORY).await?;
    Ok(Next::Done)
}

/// The clockwork and the job runner of one process, until `stop`.
pub async fn run(ctx: Ctx, role: &'static str, stop: CancellationToken) -> anyhow::Result<()> {
    let process = format!("{role}-{}", uuid::Uuid::now_v7());
    let clockwork = clockwork(&ctx).await?;
    clockwork.start().await.context("the clockwork does not start")?;
    let runner = Runner::new(ctx.clone(), KINDS, process.clone());
    let beating = heartbeat::keep(ctx.clone(), role, process, stop.clone());
    tokio::join!(runner.run(stop.clone()), beating);
    let mut clockwork = clockwork;
    clockwork.shutdown().await.context("the clockwork does not stop")?;
    Ok(())
}

async fn clockwork(ctx: &Ctx) -> anyhow::Result<JobScheduler> {
    let scheduler = JobScheduler::new().await?;
    let schedule = &ctx.config.schedule;
    let lines = [
        ("expire", &schedule.expire, &EXPIRE),
        ("clean_retry", &schedule.clean_retry, &CLEAN_RETRY),
        ("health", &schedule.health, &HEALTH),
        ("remind", &schedule.remind, &REMIND),
        ("prune", &schedule.prune, &PRUNE),
    ];
    for (name, line, kind) in lines {
        let ctx = ctx.clone();
        let job = Job::new_async(line.as_str(), move |_, _| {
            let ctx = ctx.clone();
            Box::pin(async move {
                if let Err(error) = ask(&ctx, kind).await {
                    tracing::warn!(%error, job.kind = kind.name, "a cron line fired, but its job cannot be written");
                }
            })
        })
        .with_context(|| format!("the cron line `{line}` of schedule.{name} is not understood"))?;
        scheduler.add(job).await?;
    }
    let ctx = ctx.clone();
    let job = Job::new_async(CHAIN, move |_, _| {
        let ctx = ctx.clone();
        Box::pin(async move {
            if let Err(error) = ask_to_chain(&ctx).await {
                tracing::warn!(%error, "cannot see whether the audit waits to be chained");
            }
        })
    })?;
    scheduler.add(job).await?;
    Ok(scheduler)
}

/// When new entries of the audit are looked for: every second. No setting: it is cheap, and late is unsafe.
const CHAIN: &str = "* * * * * *";

/// Asks for the job that chains the audit if there is something to chain: idle costs one look.
async fn ask_to_chain(ctx: &Ctx) -> sqlx::Result<()> {
    if audit::waiting(ctx).await? { ask(ctx, &audit::SEAL).await } else { Ok(()) }
}

/// Asks for a tick.
async fn ask(ctx: &Ctx, kind: &'static Kind) -> sqlx::Result<()> {
    let mut tx = ctx.db.begin_write().await?;
    let now = tx.now;
    jobs::enqueue_named(&mut tx, kind.name, ALL, now).await?;
    ctx.commit(tx).await
}

/// Runs the scheduler as a process of its own: waits for the schema that it needs, never migrates. `beside` starts
/// what is to be there as soon as there is a database.
pub async fn serve(
    config: Config,
    stop: CancellationToken,
    beside: impl FnOnce(&Ctx, &CancellationToken),
) -> anyhow::Result<()> {
    let ctx = Ctx::connect(config, Clock::default()).await?;
    beside(&ctx, &stop);
    let patience = Duration::from_secs(2);
    loop {
        match ctx.db.schema().await {
            Ok(Schema::Current | Schema::Newer) => break,
            Ok(Schema::Behind(missing)) => {
                tracing::info!(
                    missing,
                    "waiting for `berth serve` or `berth migrate` to bring the database up to date"
                );
            }
            Ok(Schema::Ahead) => anyhow::bail!("the database belongs to a newer Berth; update this program"),
            Err(error) => tracing::warn!(%error, "the database does not answer"),
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(patience) => {}
        }
    }
    tracing::info!("the scheduler is at work");
    run(ctx, "scheduler", stop).await?;
    telemetry::flush().await;
    Ok(())
}

/// A runner that a test steps by hand.
pub fn test_runner(ctx: &Ctx) -> Arc<Runner> {
    Runner::new(ctx.clone(), KINDS, format!("test-{}", uuid::Uuid::now_v7()))
}
