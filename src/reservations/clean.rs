//! The job of one machine that a reservation gives back: drained, cleaned, verified, and only then in the pool again.
//!
//! It is tried for ever, with growing pauses. Between tries the machine stands in quarantine with the reason, so it
//! is never offered dirty and never forgotten.

use super::{
    Allotment, Reservation, Seat,
    drive::{as_asked, shift},
    leases, machines, save, store, tell,
};
use tracing::Instrument;

use crate::{
    audit,
    ctx::Ctx,
    db::Tx,
    ids::{AllotmentId, MachineId},
    jobs::{self, Claim, Kind, Next},
    leases::{Lease, LeaseState},
    machines::{Change, Count, Machine, State},
    notifications::{self, News},
    provisioning::{self, Baseline, Cleaner, Recorder, RunKind, RunState, Trouble},
};

/// Cleans one machine after one reservation; the subject is the allotment's id.
pub static CLEAN: Kind = Kind { name: "allotment.clean", run: |ctx, claim| Box::pin(clean(ctx, claim)) };

/// Brings a quarantined machine back; the subject is the machine's id.
pub static RECOVER: Kind = Kind { name: machines::RECOVER, run: |ctx, claim| Box::pin(recover(ctx, claim)) };

/// How long a machine on which provisioning failed stays out of the pool after it was cleaned.
const PENALTY_MS: i64 = 60_000;

/// What the job is about, as it stands now.
struct Task {
    allotment: Allotment,
    machine: Machine,
    reservation: Reservation,
}

async fn clean(ctx: Ctx, claim: Claim) -> anyhow::Result<Next> {
    let id: AllotmentId = claim.subject.parse()?;
    let found = {
        let mut conn = ctx.db.read().await?;
        store::find_allotment(&mut conn, id).await?
    };
    let Some(allotment) = found else { return Ok(Next::Done) };
    as_asked(&ctx, allotment.reservation, Box::pin(clean_one(&ctx, &claim, id))).await
}

async fn clean_one(ctx: &Ctx, claim: &Claim, id: AllotmentId) -> anyhow::Result<Next> {
    let Some((mut task, recorder)) = start(ctx, claim, id).await? else { return Ok(Next::Done) };
    match work(ctx, claim, &mut task, &recorder).instrument(recorder.span()).await {
        Ok(Ok(())) => {
            done(ctx, claim, &task, &recorder).await?;
            Ok(Next::Finished)
        }
        Ok(Err(trouble)) => {
            set_aside(ctx, claim, &task, &recorder, &trouble).await?;
            anyhow::bail!("machine `{}` is not clean: {trouble}", task.machine.name)
        }
        Err(error) => Err(error),
    }
}

/// Reads what there is to do; a machine that was set aside is drained again. None: it is done.
async fn start(ctx: &Ctx, claim: &Claim, id: AllotmentId) -> anyhow::Result<Option<(Task, Recorder)>> {
    let mut tx = ctx.db.begin_write().await?;
    let Some(allotment) = store::find_allotment(&mut tx, id).await? else { return Ok(None) };
    if allotment.seat == Seat::Closed {
        return Ok(None);
    }
    let Some(reservation) = store::find(&mut tx, allotment.reservation).await? else {
        anyhow::bail!("the reservation of allotment `{id}` is gone");
    };
    let mut machine = lock(&mut tx, claim, allotment.machine).await?;
    if allotment.seat != Seat::Cleaning {
        anyhow::bail!("allotment `{id}` is {}, not to be cleaned", allotment.seat.as_str());
    }
    if machine.state != State::Draining {
        let change = Change { attempts: Count::AddOne, ..Change::because(machine.reason.clone().unwrap_or_default()) };
        let to = if machine.state == State::Verifying { State::Cleaning } else { State::Draining };
        machine = shift(&mut tx, &machine, to, change).await?;
    }
    let playbook = provisioning::remove_playbook(ctx, &reservation.pool).display().to_string();
    let owner = (reservation.lease.account, reservation.id());
    let recorder = Recorder::begin(ctx, &mut tx, RunKind::Clean, &playbook, owner, &[&machine.name]).await?;
    ctx.commit(tx).await?;
    Ok(Some((Task { allotment, machine, reservation }, recorder)))
}

async fn lock(tx: &mut Tx, claim: &Claim, id: MachineId) -> anyhow::Result<Machine> {
    let Some(machine) = machines::lock(tx, id).await? else { anyhow::bail!("the machine is gone") };
    if !jobs::still_held(tx, claim).await? {
        anyhow::bail!("the claim is lost");
    }
    Ok(machine)
}

/// Moves the machine one state further, if it is where this job left it.
async fn advance(ctx: &Ctx, claim: &Claim, task: &mut Task, to: State) -> anyhow::Result<()> {
    let mut tx = ctx.db.begin_write().await?;
    let machine = lock(&mut tx, claim, task.machine.id).await?;
    if machine.state != to {
        task.machine =
            shift(&mut tx, &machine, to, Change::because(machine.reason.clone().unwrap_or_default())).await?;
    }
    store::save_allotment(&mut tx, &task.allotment).await?;
    ctx.commit(tx).await?;
    Ok(())
}

async fn work(ctx: &Ctx, claim: &Claim, task: &mut Task, recorder: &Recorder) -> anyhow::Result<Result<(), Trouble>> {
    /// A trouble ends the work, an error ends the job.
    macro_rules! attempt {
        ($step:expr) => {
            match $step.await {
                Ok(value) => value,
                Err(trouble) => return Ok(Err(trouble)),
            }
        };
    }
    let machine = task.machine.clone();
    let username = task.reservation.username.clone();
    let mut cleaner = attempt!(Cleaner::open(ctx, &machine, &username));
    let Some(before) = task.allotment.baseline.as_deref().map(Baseline::new) else {
        // Nothing was ever changed on it. That it answers is all there is to verify.
        advance(ctx, claim, task, State::Cleaning).await?;
        advance(ctx, claim, task, State::Verifying).await?;
        return Ok(Ok(()));
    };
    let uid = attempt!(cleaner.drain(task.allotment.uid));
    // Written down before the account goes: what is left behind can be told by this number alone.
    task.allotment.uid = uid.or(task.allotment.uid);
    advance(ctx, claim, task, State::Cleaning).await?;
    recorder.note(&machine.name, "note", "drain", "ok", "no process of the user is left");
    let playbook = provisioning::remove_playbook(ctx, &task.reservation.pool);
    attempt!(cleaner.teardown(recorder, &playbook, claim.lost.clone()));
    attempt!(cleaner.sweep(recorder, task.allotment.uid));
    advance(ctx, claim, task, State::Verifying).await?;
    attempt!(cleaner.verify(task.allotment.uid, &before));
    recorder.note(&machine.name, "note", "verify", "ok", "the machine is as it was before");
    Ok(Ok(()))
}

/// The machine is clean: back to the pool, and the reservation closes with its last machine.
async fn done(ctx: &Ctx, claim: &Claim, task: &Task, recorder: &Recorder) -> anyhow::Result<()> {
    let mut tx = ctx.db.begin_write().await?;
    let lease = leases::store::lock(&mut tx, task.reservation.id()).await?;
    let machine = lock(&mut tx, claim, task.machine.id).await?;
    let ready = shift(&mut tx, &machine, State::Ready, Change::plain()).await?;
    if task.allotment.error.is_some() && ready.state == State::Ready && 0 < machine.failures {
        let change = Change {
            next_try: Some(tx.now.saturating_add(PENALTY_MS)),
            last_error: task.allotment.error.clone(),
            failures: Count::AddOne,
            ..Change::because("provisioning failed on it; it is clean, and is checked again before it is offered")
        };
        shift(&mut tx, &ready, State::Quarantined, change).await?;
        let at = tx.now.saturating_add(PENALTY_MS);
        jobs::enqueue(&mut tx, &machines::CHECK, &machine.id.to_string(), at).await?;
    }
    if !store::close_allotment(&mut tx, task.allotment.id).await? {
        anyhow::bail!("allotment `{}` was closed by somebody else", task.allotment.id);
    }
    recorder.finish(&mut tx, RunState::Succeeded, None).await?;
    if let Some(mut lease) = lease
        && lease.state == LeaseState::Cleaning
        && store::count_open(&mut tx, lease.id).await? == 0
    {
        close(&mut tx, &mut lease).await?;
    }
    if !jobs::finish(&mut tx, claim).await? {
        anyhow::bail!("the claim is lost");
    }
    call_the_next(&mut tx, &task.reservation.pool).await?;
    ctx.commit(tx).await?;
    metrics::counter!("berth_cleanings_total", "outcome" => "clean").increment(1);
    Ok(())
}

/// The machine is not clean or cannot be reached: out of the pool, with the reason, until the next try.
async fn set_aside(
    ctx: &Ctx,
    claim: &Claim,
    task: &Task,
    recorder: &Recorder,
    trouble: &Trouble,
) -> anyhow::Result<()> {
    let mut tx = ctx.db.begin_write().await?;
    let machine = lock(&mut tx, claim, task.machine.id).await?;
    let why = trouble.to_string();
    recorder.note(&machine.name, "note", "clean", "failed", &why);
    recorder.finish(&mut tx, RunState::Failed, Some(&why)).await?;
    let change = Change {
        last_error: Some(why.clone()),
        next_try: Some(tx.now.saturating_add(crate::clock::millis(jobs::pause_after(claim.attempts)))),
        failures: Count::AddOne,
        attempts: Count::Keep,
        ..Change::because(format!("cleaning failed: {why}"))
    };
    shift(&mut tx, &machine, State::Quarantined, change).await?;
    let reservation = Some(task.reservation.id());
    notifications::announce(
        &mut tx,
        News {
            kind: "machine.state",
            account: None,
            reservation,
            machine: Some(&machine.name),
            message: &format!("machine `{}` is set aside: it is not clean yet", machine.name),
            data: serde_json::json!({ "state": State::Quarantined, "attempts": claim.attempts + 1 }),
        },
    )
    .await?;
    if claim.attempts == 0 {
        let entry = audit::Entry { actor: "berth", action: "machine.quarantine", target: &machine.name, detail: &why };
        audit::record(&mut tx, &entry).await?;
    }
    ctx.commit(tx).await?;
    metrics::counter!("berth_cleanings_total", "outcome" => "failed").increment(1);
    Ok(())
}

/// Ends a lease whose last machine was taken back.
pub(super) async fn close(tx: &mut Tx, lease: &mut Lease) -> anyhow::Result<()> {
    lease.state = if lease.active_at.is_some() { LeaseState::Closed } else { LeaseState::Failed };
    lease.closed_at = Some(tx.now);
    save(tx, lease).await?;
    store::forget_password(tx, lease.id).await?;
    let (kind, message) = match lease.state {
        LeaseState::Failed => ("reservation.failed", "your reservation failed, and everything was taken back"),
        _ => ("reservation.closed", "your reservation is closed, and everything was taken back"),
    };
    tell(tx, lease, kind, message).await?;
    jobs::withdraw(tx, &super::DRIVE, &lease.id.to_string()).await?;
    Ok(())
}

/// A machine is free: whoever stands first in the line looks again.
async fn call_the_next(tx: &mut Tx, pool: &str) -> sqlx::Result<()> {
    if let Some(first) = store::first_in_line(tx, pool).await? {
        let now = tx.now;
        crate::jobs::enqueue_named(tx, super::DRIVE.name, &first, now).await?;
    }
    Ok(())
}

/// A quarantined machine that a reservation has is cleaned; one that none has is checked, and looked at more closely
/// if something may have been done to it that the database does not know.
async fn recover(ctx: Ctx, claim: Claim) -> anyhow::Result<Next> {
    let id: MachineId = claim.subject.parse()?;
    let mut tx = ctx.db.begin_write().await?;
    let Some(machine) = machines::lock(&mut tx, id).await? else { return Ok(Next::Done) };
    let live = store::live_on(&mut tx, id).await?;
    drop(tx);
    match live {
        Some(allotment) if allotment.seat == Seat::Cleaning => {
            // What keeps it from being clean may be somebody's of whom a restored database knows nothing.
            let was_compared =
                |why: &str| why.contains("not as it was before") || why.contains("is still in /etc/passwd");
            if machine.last_error.as_deref().is_some_and(was_compared)
                && let Err(error) = super::inspect::seated(&ctx, &machine, &allotment).await
            {
                tracing::warn!(machine.name = machine.name, "cannot look for accounts nobody knows of: {error:#}");
            }
            let mut tx = ctx.db.begin_write().await?;
            let now = tx.now;
            jobs::enqueue_named(&mut tx, CLEAN.name, &allotment.id.to_string(), now).await?;
            ctx.commit(tx).await?;
        }
        Some(allotment) => super::inspect::seated(&ctx, &machine, &allotment).await?,
        None if machine.touched_at.is_some() && machine.state == State::Quarantined => {
            super::inspect::unknown(&ctx, &claim, &machine).await?;
        }
        None => machines::recheck(&ctx, &machine).await?,
    }
    Ok(Next::Done)
}
