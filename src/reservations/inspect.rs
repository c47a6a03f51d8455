//! Machines of which the database may know less than is true, because it was restored from a backup.
//!
//! [`doubt`] marks every machine as touched by a lease, so that no way but this one leads back to the pool. Then each
//! is looked at: an account that Berth made and the database does not know is removed; one that somebody else made, or
//! anything else that is not as it was, keeps the machine in quarantine, with the reason.

use super::{Allotment, Seat, drive::shift, end, leases, machines, store};
use crate::{
    audit,
    clock::millis,
    ctx::Ctx,
    db::Tx,
    jobs::{self, Claim},
    leases::LeaseState,
    machines::{Change, Count, Machine, State},
    provisioning::{self, Baseline, Trouble},
};

/// Marks what a restored database says of machines and reservations as doubtful, and asks for a look at each machine.
/// Nobody else works on this database meanwhile. Answers how many machines will be looked at.
pub async fn doubt(tx: &mut Tx, why: &str) -> Result<usize, super::Error> {
    // What had no baseline yet may have got one, and an account, after the backup: nobody knows any more.
    for id in store::without_baseline(tx).await? {
        store::close_allotment(tx, id).await?;
    }
    for id in store::unfinished(tx).await? {
        if let Some(mut lease) = leases::store::lock(tx, id).await?
            && matches!(lease.state, LeaseState::Accepted | LeaseState::Provisioning)
        {
            end(tx, &mut lease, why).await?;
        }
    }
    let had = store::machines_had(tx).await?;
    let (now, mut count) = (tx.now, 0);
    for machine in machines::doubt(tx, why, &had).await? {
        jobs::enqueue_named(tx, machines::RECOVER, &machine.to_string(), now).await?;
        count += 1;
    }
    Ok(count)
}

/// Looks at a machine in quarantine that something may have been done to, though no reservation has it.
pub(super) async fn unknown(ctx: &Ctx, claim: &Claim, machine: &Machine) -> anyhow::Result<()> {
    let before = {
        let mut conn = ctx.db.read().await?;
        store::last_baseline(&mut conn, machine.id).await?.map(|text| Baseline::new(&text))
    };
    let outcome = put_right(ctx, machine, before.as_ref()).await;
    let mut tx = ctx.db.begin_write().await?;
    let Some(locked) = machines::lock(&mut tx, machine.id).await? else { return Ok(()) };
    if locked.epoch != machine.epoch || !jobs::still_held(&mut tx, claim).await? {
        return Ok(());
    }
    match outcome {
        Ok(removed) => {
            let cleaning = shift(&mut tx, &locked, State::Cleaning, Change::because("looked at")).await?;
            let verifying = shift(&mut tx, &cleaning, State::Verifying, Change::plain()).await?;
            shift(&mut tx, &verifying, State::Ready, Change::plain()).await?;
            if !removed.is_empty() {
                let detail = format!("accounts that the database did not know: {}", removed.join(", "));
                let entry =
                    audit::Entry { actor: "berth", action: "machine.clean", target: &machine.name, detail: &detail };
                audit::record(&mut tx, &entry).await?;
            }
            tracing::info!(machine.name = machine.name, ?removed, "the machine was looked at, and is offered again");
        }
        Err(trouble) => {
            let why = trouble.to_string();
            let pause = millis(jobs::pause_after(locked.failures.saturating_add(3)));
            let change = Change {
                last_error: Some(why.clone()),
                next_try: Some(tx.now.saturating_add(pause)),
                failures: Count::AddOne,
                ..Change::because(format!("not offered since the restore: {why}"))
            };
            shift(&mut tx, &locked, State::Quarantined, change).await?;
            tracing::warn!(machine.name = machine.name, "the machine is not as the database knows it: {why}");
        }
    }
    ctx.commit(tx).await?;
    Ok(())
}

/// Removes what is ours; anything else that should not be there is a trouble. Answers whose accounts were removed.
async fn put_right(ctx: &Ctx, machine: &Machine, before: Option<&Baseline>) -> Result<Vec<String>, Trouble> {
    let inspection = provisioning::inspect(ctx, machine, true).await?;
    let mut removed = Vec::new();
    let (ours, others): (Vec<_>, Vec<_>) =
        inspection.strangers(before, &[&machine.login_user]).into_iter().partition(|one| one.is_ours);
    for stranger in &ours {
        inspection.remove(stranger).await?;
        removed.push(stranger.name.clone());
    }
    if !others.is_empty() {
        let names: Vec<String> = others.iter().map(|one| format!("`{}`", one.name)).collect();
        return Err(Trouble::Failed(format!(
            "it has accounts that neither the database knows nor Berth's mark is on: {}; remove them there, or remove the \
             machine and register it again as it is",
            names.join(", ")
        )));
    }
    if let Some(before) = before {
        let differences = inspection.differences(before).await?;
        if !differences.is_empty() {
            let shown = differences.iter().take(5).cloned().collect::<Vec<_>>().join("; ");
            return Err(Trouble::Failed(format!(
                "it is not as it was before its last known reservation ({} differences): {shown}; put it right there, or \
                 remove the machine and register it again as it is",
                differences.len()
            )));
        }
    }
    inspection.close().await;
    Ok(removed)
}

/// Looks at a machine that a reservation has: others' accounts go, and a reservation whose account is not there ends.
pub(super) async fn seated(ctx: &Ctx, machine: &Machine, allotment: &Allotment) -> anyhow::Result<()> {
    let reservation = {
        let mut conn = ctx.db.read().await?;
        store::find(&mut conn, allotment.reservation).await?
    };
    let Some(reservation) = reservation else { return Ok(()) };
    let before = allotment.baseline.as_deref().map(Baseline::new);
    let inspection = provisioning::inspect(ctx, machine, false).await?;
    let known = [reservation.username.as_str(), machine.login_user.as_str()];
    for stranger in inspection.strangers(before.as_ref(), &known).iter().filter(|one| one.is_ours) {
        inspection.remove(stranger).await?;
        tracing::warn!(machine.name = machine.name, account = stranger.name, "removed an account nobody knew of");
    }
    let is_there = inspection.has_account(&reservation.username);
    inspection.close().await;
    let mut tx = ctx.db.begin_write().await?;
    let Some(mut lease) = leases::store::lock(&mut tx, reservation.id()).await? else { return Ok(()) };
    if allotment.seat == Seat::Active && !is_there && lease.state == LeaseState::Active {
        let why = format!("its account is not on machine `{}` any more", machine.name);
        end(&mut tx, &mut lease, &why).await?;
        ctx.commit(tx).await?;
    }
    Ok(())
}
