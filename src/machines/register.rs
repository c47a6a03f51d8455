//! Registering machines, and trying again those that could not be reached: the states around [`contact`].
//!
//! Everything here may run twice and in several processes: a machine is claimed by moving it to `checking` with a
//! deadline, and what was found is written only if nobody moved it meanwhile.

use futures_util::{StreamExt, stream};

use super::{
    contact::{self, Contact, NoContact},
    model::{Change, Count, Machine, State, backoff},
    shift, store, tell,
};
use crate::{
    clock::{Millis, millis},
    ctx::Ctx,
    db,
    ids::MachineId,
};

/// How many machines are connected to at once.
pub(super) const AT_ONCE: usize = 32;

/// What happened to one machine.
#[derive(Debug, Clone)]
pub struct Registered {
    /// The machine afterwards.
    pub machine: Machine,
    /// What happened, in words.
    pub steps: Vec<String>,
    /// What went wrong, if it did.
    pub error: Option<String>,
}

/// Claims those of `ids` that wait for a registration, connects to them and writes down what was found, telling
/// `each`. Machines that somebody else has, or that a lease touched, are left alone.
pub(super) async fn register_all(
    ctx: &Ctx,
    ids: &[MachineId],
    mut each: impl FnMut(Registered),
) -> sqlx::Result<usize> {
    let mut done = 0;
    for chunk in ids.chunks(AT_ONCE * 4) {
        let claimed = claim(ctx, chunk).await?;
        let contacts = stream::iter(claimed)
            .map(|machine| async move {
                let found = contact::register(ctx, &machine).await;
                (machine, found)
            })
            .buffer_unordered(AT_ONCE)
            // What is ready at the same time is written in one transaction.
            .ready_chunks(AT_ONCE);
        let mut contacts = std::pin::pin!(contacts);
        while let Some(found) = contacts.next().await {
            for registered in settle(ctx, found).await? {
                done += 1;
                each(registered);
            }
        }
    }
    Ok(done)
}

/// Whether a machine in this state waits for somebody to connect to it. Such a one is clean: no lease touched it
/// since it was last verified.
pub(super) fn waits(machine: &Machine, now: Millis) -> bool {
    let due = machine.next_try.is_some_and(|at| at <= now);
    machine.touched_at.is_none()
        && machine.held_by.is_none()
        && match machine.state {
            State::New => true,
            State::Checking => machine.deadline.is_none_or(|deadline| deadline <= now),
            State::Quarantined => due,
            _ => false,
        }
}

async fn claim(ctx: &Ctx, ids: &[MachineId]) -> sqlx::Result<Vec<Machine>> {
    let mut tx = ctx.db.begin_write().await?;
    let deadline = tx.now + millis(ctx.config.timeouts.connect) * 4 + 120_000;
    let mut claimed = Vec::new();
    for id in ids {
        let Some(machine) = store::lock(&mut tx, *id).await? else { continue };
        if !waits(&machine, tx.now) {
            continue;
        }
        let change = Change {
            reason: Some("being connected to".into()),
            last_error: machine.last_error.clone(),
            deadline: Some(deadline),
            attempts: Count::AddOne,
            ..Change::default()
        };
        claimed.extend(shift(&mut tx, &machine, State::Checking, change).await?);
    }
    ctx.commit(tx).await?;
    Ok(claimed)
}

/// Writes down what contacts found. Tried again when it collides with an import or a booking.
async fn settle(ctx: &Ctx, found: Vec<(Machine, Result<Contact, NoContact>)>) -> sqlx::Result<Vec<Registered>> {
    db::retry(db::is_transient, || try_settle(ctx, &found)).await
}

async fn try_settle(ctx: &Ctx, found: &[(Machine, Result<Contact, NoContact>)]) -> sqlx::Result<Vec<Registered>> {
    let mut tx = ctx.db.begin_write().await?;
    let mut registered = Vec::new();
    for (machine, found) in found {
        let mut machine = machine.clone();
        let was_unwell = 0 < machine.failures;
        machine.last_check_at = Some(tx.now);
        let (after, steps, error) = match found {
            Ok(contact) => {
                let now = tx.now;
                machine.key_installed_at =
                    machine.key_installed_at.or((contact.key_works && machine.key_file.is_none()).then_some(now));
                machine.host_keys.clone_from(&contact.host_keys);
                machine.facts.clone_from(&contact.facts);
                let verifying = shift(&mut tx, &machine, State::Verifying, Change::plain()).await?;
                let after = match verifying {
                    Some(machine) => shift(&mut tx, &machine, State::Ready, Change::plain()).await?,
                    None => None,
                };
                (after, &contact.steps, None)
            }
            Err(failure) => {
                let change = unwell(&machine, &failure.why, tx.now);
                let after = shift(&mut tx, &machine, State::Quarantined, change).await?;
                (after, &failure.steps, Some(failure.why.clone()))
            }
        };
        // None: somebody moved it meanwhile, and knows more.
        let Some(machine) = after else { continue };
        if was_unwell || error.is_some() {
            tell(&mut tx, &machine).await?;
        }
        registered.push(Registered { machine, steps: steps.clone(), error });
    }
    ctx.commit(tx).await?;
    Ok(registered)
}

/// What is written about a machine that cannot be used now.
pub(super) fn unwell(machine: &Machine, why: &str, now: Millis) -> Change {
    let failures = machine.failures.saturating_add(1);
    Change {
        reason: Some(why.to_owned()),
        last_error: Some(why.to_owned()),
        next_try: Some(now + backoff(failures, machine.id.0.as_u128())),
        failures: Count::AddOne,
        ..Change::default()
    }
}
