//! N machines for a time: book, extend, release.
//!
//! Invariants: N machines or none, chosen in one transaction with their rows locked; a machine stands in at most one
//! live allotment (a unique index says so, too); nothing closes before every machine is taken back and verified.
//! What happens on machines is done by two kinds of job, [`drive::DRIVE`] per reservation and [`clean::CLEAN`] per
//! machine, which read the wanted state and may run twice.

pub mod api;
mod clean;
mod drive;
mod inspect;
pub mod jobs;
mod model;
mod rules;
pub mod store;

pub use self::{
    clean::{CLEAN, RECOVER},
    drive::DRIVE,
    inspect::doubt,
    model::{Allotment, BadDuration, Labels, Minutes, Request, Reservation, Seat},
};
use crate::{
    accounts::Actor,
    audit,
    clock::{Millis, rfc3339},
    ctx::Ctx,
    db::{self, Tx},
    http,
    ids::{AllotmentId, LeaseId},
    leases::{self, Lease, LeaseKind, LeaseState},
    machines::{self, Machine},
    notifications::{self, News},
};

/// Why a reservation was not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request itself cannot be met, by nobody at no time.
    #[error("{detail}")]
    Invalid {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// Too few machines are free.
    #[error("{wanted} machines were asked for and {free} are free{of}; ask for fewer, or wait with `\"wait\": true`")]
    NotEnough {
        /// How many were asked for.
        wanted: usize,
        /// How many there are.
        free: usize,
        /// In which pool and with which labels.
        of: String,
    },
    /// The pool is not for this role.
    #[error("the pool `{0}` is not open to your role")]
    NotYours(String),
    /// There is no such reservation, or it is somebody else's.
    #[error("there is no reservation `{0}`")]
    NotFound(String),
    /// It is over, or ending.
    #[error("the reservation is {0}; only an active one can be extended")]
    NotActive(LeaseState),
    /// The whole would be longer than the pool allows.
    #[error("{asked} more would make {whole} minutes; the pool `{pool}` allows {most}")]
    TooLong {
        /// What was asked for.
        asked: Minutes,
        /// How long it would be.
        whole: i64,
        /// The pool.
        pool: String,
        /// How long it may be.
        most: u32,
    },
    /// The database refused.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// A reservation that was accepted, and the password if Berth made one: it is known only now.
#[derive(Debug)]
pub struct Booked {
    /// Its id.
    pub id: LeaseId,
    /// The password nobody chose.
    pub password: Option<String>,
}

/// Books machines: all that were asked for, or none, or a place in the line.
pub async fn book(ctx: &Ctx, actor: &Actor, request: Request) -> Result<Booked, Error> {
    let plan = rules::check(ctx, actor, request).await?;
    let lost =
        |error: &Error| matches!(error, Error::Database(cause) if db::is_transient(cause) || db::is_taken(cause));
    let booked = db::retry(lost, || try_book(ctx, actor, &plan)).await;
    let outcome = if booked.is_ok() { "accepted" } else { "refused" };
    metrics::counter!("berth_reservations_total", "outcome" => outcome).increment(1);
    Ok(Booked { id: booked?, password: plan.made_password })
}

async fn try_book(ctx: &Ctx, actor: &Actor, plan: &rules::Plan) -> Result<LeaseId, Error> {
    let mut tx = ctx.db.begin_write().await?;
    let now = tx.now;
    let id = LeaseId::new();
    let starts_at = plan.starts_at.unwrap_or(now).max(now);
    let mut lease = Lease {
        id,
        account: actor.id,
        state: LeaseState::Accepted,
        starts_at,
        expires_at: starts_at.saturating_add(plan.duration.millis()),
        epoch: 1,
        deadline: None,
        last_error: None,
        reason: None,
        created_at: now,
        active_at: None,
        closed_at: None,
    };
    let later = now < starts_at;
    let behind = plan.wait && store::is_behind(&mut tx, &plan.pool, id, now).await?;
    let chosen = if later || behind {
        Vec::new()
    } else {
        machines::take(&mut tx, &plan.pool, &plan.labels, plan.count, id).await?
    };
    if chosen.len() < plan.count {
        if !later && !plan.wait {
            // Dropping the transaction gives the chosen ones back.
            return Err(Error::NotEnough { wanted: plan.count, free: chosen.len(), of: plan.scope() });
        }
        if !chosen.is_empty() {
            drop(tx);
            return Box::pin(queue(ctx, actor, plan, lease)).await;
        }
        lease.state = LeaseState::Queued;
    }
    write(ctx, &mut tx, actor, plan, &lease, &chosen).await?;
    ctx.commit(tx).await?;
    Ok(id)
}

/// Stands in line, holding nothing.
async fn queue(ctx: &Ctx, actor: &Actor, plan: &rules::Plan, mut lease: Lease) -> Result<LeaseId, Error> {
    let mut tx = ctx.db.begin_write().await?;
    lease.state = LeaseState::Queued;
    write(ctx, &mut tx, actor, plan, &lease, &[]).await?;
    ctx.commit(tx).await?;
    Ok(lease.id)
}

async fn write(
    ctx: &Ctx,
    tx: &mut Tx,
    actor: &Actor,
    plan: &rules::Plan,
    lease: &Lease,
    chosen: &[Machine],
) -> Result<(), Error> {
    let id = lease.id;
    let sealed = plan.password_hash.as_ref().map(|hash| ctx.sealer.seal(&password_owner(id), &hash.0));
    leases::store::insert(tx, LeaseKind::Reservation, lease).await?;
    let reservation = Reservation {
        lease: lease.clone(),
        username: actor.username.clone(),
        count: plan.count,
        duration: plan.duration,
        pool: plan.pool.clone(),
        labels: plan.labels.clone(),
        ssh_keys: plan.ssh_keys.clone(),
        password_sealed: sealed,
    };
    store::insert(tx, &reservation).await?;
    for machine in chosen {
        store::insert_allotment(tx, &allot(id, machine, Seat::Held)).await?;
    }
    let run_at = if lease.state == LeaseState::Queued { lease.starts_at } else { tx.now };
    crate::jobs::enqueue_named(tx, DRIVE.name, &id.to_string(), run_at).await?;
    let names: Vec<&str> = chosen.iter().map(|machine| machine.name.as_str()).collect();
    let detail = format!(
        "{} of pool `{}` for {}, {}: {}",
        machines_in_words(plan.count),
        plan.pool,
        plan.duration,
        lease.state,
        if names.is_empty() { "none yet".to_owned() } else { names.join(" ") }
    );
    note(tx, actor, "reservation.book", id, &detail).await?;
    let message = match lease.state {
        LeaseState::Queued => format!("your reservation of {} stands in line", machines_in_words(plan.count)),
        _ => format!("your reservation of {} is accepted", machines_in_words(plan.count)),
    };
    tell(tx, lease, "reservation.accepted", &message).await?;
    Ok(())
}

fn allot(reservation: LeaseId, machine: &Machine, seat: Seat) -> Allotment {
    Allotment {
        id: AllotmentId::new(),
        reservation,
        machine: machine.id,
        machine_name: machine.name.clone(),
        seat,
        error: None,
        baseline: None,
        uid: None,
    }
}

/// Makes an active reservation longer.
pub async fn extend(ctx: &Ctx, actor: &Actor, id: LeaseId, by: Minutes) -> Result<(), Error> {
    let mut tx = ctx.db.begin_write().await?;
    let mut lease = lock_own(&mut tx, actor, id).await?;
    if lease.state != LeaseState::Active || lease.expires_at <= tx.now {
        return Err(Error::NotActive(lease.state));
    }
    let reservation = store::find(&mut tx, id).await?.ok_or_else(|| Error::NotFound(id.to_string()))?;
    let ends = lease.expires_at.saturating_add(by.millis());
    let whole = (ends - lease.starts_at) / 60_000;
    let most = rules::most_minutes(ctx, &reservation.pool);
    if i64::from(most) < whole {
        return Err(Error::TooLong { asked: by, whole, pool: reservation.pool, most });
    }
    lease.expires_at = ends;
    save(&mut tx, &mut lease).await?;
    leases::store::forget_reminders(&mut tx, id).await?;
    note(&mut tx, actor, "reservation.extend", id, &format!("by {by}, to {}", rfc3339(ends))).await?;
    tell(&mut tx, &lease, "reservation.extended", &format!("your reservation now ends at {}", rfc3339(ends))).await?;
    ctx.commit(tx).await?;
    Ok(())
}

/// Asks for a reservation to be taken back. Asking again changes nothing.
pub async fn release(ctx: &Ctx, actor: &Actor, id: LeaseId) -> Result<LeaseState, Error> {
    let mut tx = ctx.db.begin_write().await?;
    let mut lease = lock_own(&mut tx, actor, id).await?;
    let state = lease.state;
    if state.is_ending() {
        return Ok(state);
    }
    let reason = if lease.account == actor.id {
        "released by its owner".to_owned()
    } else {
        format!("released by `{}`", actor.username)
    };
    end(&mut tx, &mut lease, &reason).await?;
    note(&mut tx, actor, "reservation.release", id, &reason).await?;
    ctx.commit(tx).await?;
    Ok(lease.state)
}

/// Moves a lease that is not ending yet to its end, and asks for the job that takes everything back.
async fn end(tx: &mut Tx, lease: &mut Lease, reason: &str) -> Result<(), Error> {
    lease.reason = Some(reason.to_owned());
    if lease.state == LeaseState::Queued {
        lease.state = LeaseState::Closed;
        lease.closed_at = Some(tx.now);
        save(tx, lease).await?;
        return Ok(tell(tx, lease, "reservation.closed", "your place in the line is given up").await?);
    }
    lease.state = LeaseState::Expiring;
    save(tx, lease).await?;
    let now = tx.now;
    crate::jobs::enqueue_named(tx, DRIVE.name, &lease.id.to_string(), now).await?;
    Ok(tell(tx, lease, "reservation.expiring", &format!("your reservation ends: {reason}")).await?)
}

/// The lease, locked, if the actor may know of it.
async fn lock_own(tx: &mut Tx, actor: &Actor, id: LeaseId) -> Result<Lease, Error> {
    match leases::store::lock(tx, id).await? {
        Some(lease) if lease.account == actor.id || actor.is_admin() => Ok(lease),
        _ => Err(Error::NotFound(id.to_string())),
    }
}

/// Saves a lease that this transaction has locked.
async fn save(tx: &mut Tx, lease: &mut Lease) -> sqlx::Result<()> {
    if leases::store::save(tx, lease).await? {
        return Ok(());
    }
    Err(sqlx::Error::InvalidArgument(format!("lease `{}` changed while it was locked", lease.id)))
}

/// Notes who did what.
async fn note(tx: &mut Tx, actor: &Actor, action: &str, id: LeaseId, detail: &str) -> sqlx::Result<()> {
    let target = id.to_string();
    audit::record(tx, &audit::Entry { actor: &actor.username, action, target: &target, detail }).await
}

/// Tells the owner.
async fn tell(tx: &mut Tx, lease: &Lease, kind: &'static str, message: &str) -> sqlx::Result<()> {
    notifications::announce(
        tx,
        News {
            kind,
            account: Some(lease.account),
            reservation: Some(lease.id),
            machine: None,
            message,
            data: serde_json::json!({
                "state": lease.state.as_str(),
                "expires_at": rfc3339(lease.expires_at),
                "request_id": http::request_id(),
            }),
        },
    )
    .await
}

fn machines_in_words(count: usize) -> String {
    if count == 1 { "1 machine".to_owned() } else { format!("{count} machines") }
}

fn password_owner(id: LeaseId) -> String {
    format!("reservation:{id}:password")
}

/// The moment a text of a request names.
fn moment(text: &str) -> Result<Millis, Error> {
    text.parse::<jiff::Timestamp>().map(jiff::Timestamp::as_millisecond).map_err(|_| Error::Invalid {
        field: "starts_at",
        detail: format!(
            "`{}` is no moment; write it as 2026-01-31T09:00:00Z",
            text.chars().take(40).collect::<String>()
        ),
    })
}
