//! Terminals on the machines of a reservation, for the person who reserved them and for nobody else.
//!
//! A terminal is asked for with a request like any other and opened with a ticket: random, for one use, for half a
//! minute, kept as its SHA-256. The shell is the reserving user's, never root's. It ends with the reservation, the
//! account or the sign-in that it hangs on: all of that is looked at before the login, once more behind it, and then
//! every few seconds. A terminal stays where its connection is, on one server; the database knows which.
//! Deliberately absent: any record of what is typed or shown.

pub mod api;
mod hub;
mod model;
mod session;
mod store;
mod watch;

use std::time::Duration;

use tokio::time::Instant;

pub use self::{
    hub::{Attached, Hub},
    model::{Closing, Code, Ring, Standing, Terminal},
    session::{Command, Shown},
    store::prune,
};
use crate::{
    accounts::{Actor, Via, digest, random_secret},
    audit,
    clock::Millis,
    config::Remote,
    ctx::Ctx,
    db::Tx,
    ids::{LeaseId, TerminalId},
    leases::{self, LeaseState},
    reservations::Seat,
};

/// How long a ticket is good.
const TICKET: Millis = 30_000;
/// How long a terminal counts as alive after its server last said so.
const ALIVE: Millis = 60_000;

/// Why there is no terminal.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such reservation, or somebody else's.
    #[error("there is no reservation `{0}`")]
    NotFound(String),
    /// An admin may see a reservation, but its terminals are its owner's.
    #[error("a terminal is the reserving user's own; this reservation is somebody else's")]
    NotYours,
    /// The accounts do not exist yet, or not any more.
    #[error("the reservation is {0}; terminals open while it is active")]
    NotActive(LeaseState),
    /// Its time is over and nobody has taken it back yet.
    #[error("the reservation's time is over")]
    Over,
    /// The machine is not one of the reservation's.
    #[error("machine `{0}` is not part of this reservation")]
    NoSuchMachine(String),
    /// The machine is being given back, or being made ready.
    #[error("machine `{0}` is not in use in this reservation: {1}")]
    NotInUse(String, &'static str),
    /// This server contacts no machines.
    #[error("this server contacts no machines (BERTH_REMOTE is `fake`), so there are no terminals")]
    NoMachines,
    /// As many as there may be.
    #[error("{most} terminals are open on machine `{machine}` in this reservation already; close one")]
    TooMany {
        /// The machine.
        machine: String,
        /// How many there may be.
        most: i64,
    },
    /// The terminal to come back to is over.
    #[error("the terminal `{0}` is over; open a new one")]
    Gone(String),
    /// The ticket is unknown, used or too old.
    #[error("the ticket is not valid: used already, too old, or none of ours; ask for another")]
    BadTicket,
    /// The database refused.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// The right to open one terminal, once and soon.
#[derive(Debug)]
pub struct Ticket {
    /// Shown once.
    pub secret: crate::remote::Secret,
    /// Until when it is good.
    pub expires_at: Millis,
}

/// Gives its owner a ticket for a terminal on one machine of a reservation: a new one, or `back` to one that is open.
pub async fn issue(
    ctx: &Ctx,
    actor: &Actor,
    reservation: LeaseId,
    machine: &str,
    back: Option<TerminalId>,
) -> Result<Ticket, Error> {
    if ctx.config.remote == Remote::Fake {
        return Err(Error::NoMachines);
    }
    let mut tx = ctx.db.begin_write().await?;
    // The lock also lets only one count at a time.
    let lease = leases::store::lock(&mut tx, reservation).await?;
    let lease = match lease {
        Some(lease) if lease.account == actor.id => lease,
        Some(_) if actor.is_admin() => return Err(Error::NotYours),
        _ => return Err(Error::NotFound(reservation.to_string())),
    };
    if lease.state != LeaseState::Active {
        return Err(Error::NotActive(lease.state));
    }
    let now = tx.now;
    if lease.expires_at <= now {
        return Err(Error::Over);
    }
    let short = || machine.chars().take(64).collect::<String>();
    let Some(place) = store::place(&mut tx, reservation, machine).await? else {
        return Err(Error::NoSuchMachine(short()));
    };
    if place.seat != Seat::Active || place.uid.is_none() {
        return Err(Error::NotInUse(short(), place.seat.as_str()));
    }
    let expires_at = now.saturating_add(TICKET);
    let id = match back {
        Some(id) if store::is_alive(&mut tx, id, place.allotment).await? => id,
        Some(id) => return Err(Error::Gone(id.to_string())),
        None => {
            if model::MOST <= store::count_alive(&mut tx, place.allotment).await? {
                return Err(Error::TooMany { machine: short(), most: model::MOST });
            }
            let id = TerminalId::new();
            let session = match actor.via {
                Via::Session(session) => Some(session),
                Via::Token => None,
            };
            store::insert(&mut tx, id, reservation, place.allotment, session, expires_at).await?;
            id
        }
    };
    let secret = random_secret();
    store::insert_ticket(&mut tx, &digest(&secret), id, expires_at).await?;
    tx.commit().await?;
    Ok(Ticket { secret: crate::remote::Secret(secret), expires_at })
}

/// Takes a ticket, once, and tells the terminal that it opens.
pub async fn redeem(ctx: &Ctx, ticket: &str) -> Result<Terminal, Error> {
    let hash = digest(ticket);
    {
        // Strangers who guess do not get as far as a write.
        let mut conn = ctx.db.read().await?;
        if !store::knows_ticket(&mut conn, &hash).await? {
            return Err(Error::BadTicket);
        }
    }
    let mut tx = ctx.db.begin_write().await?;
    if !store::use_ticket(&mut tx, &hash).await? {
        return Err(Error::BadTicket);
    }
    let terminal = store::of_ticket(&mut tx, &hash).await?.ok_or(Error::BadTicket)?;
    tx.commit().await?;
    Ok(terminal)
}

/// The terminal is this server's from now on. False: it is another's, or over.
async fn take(ctx: &Ctx, id: TerminalId, server: &str) -> sqlx::Result<bool> {
    let mut tx = ctx.db.begin_write().await?;
    let until = tx.now.saturating_add(ALIVE);
    let taken = store::take(&mut tx, id, server, until).await?;
    tx.commit().await?;
    Ok(taken)
}

/// What a look at the database came to.
struct Look {
    /// The account on the machine.
    uid: Option<i64>,
    /// When the reservation ends.
    ends: Instant,
}

fn judge(found: Option<&(Standing, Millis)>, now: Millis) -> Result<Look, Closing> {
    let Some((standing, _)) = found else {
        return Err(Closing::new(Code::Released, "the reservation is forgotten"));
    };
    let left = u64::try_from(standing.judge(now)?).unwrap_or(0);
    Ok(Look { uid: standing.uid, ends: Instant::now() + Duration::from_millis(left) })
}

/// Whether a terminal may go on, and for how long; now and then it is noted that it does.
async fn look(ctx: &Ctx, id: TerminalId) -> sqlx::Result<Result<Look, Closing>> {
    let (found, now) = {
        let mut conn = ctx.db.read().await?;
        let now = ctx.db.now(&mut conn).await?;
        (store::standing(&mut conn, id).await?, now)
    };
    let verdict = judge(found.as_ref(), now);
    if verdict.is_ok() && found.is_some_and(|(_, alive_until)| alive_until < now.saturating_add(ALIVE / 2)) {
        let mut tx = ctx.db.begin_write().await?;
        let until = tx.now.saturating_add(ALIVE);
        store::prolong(&mut tx, id, until).await?;
        tx.commit().await?;
    }
    Ok(verdict)
}

/// Behind the login, before the shell: looks once more and writes down that it begins, in one transaction.
async fn open(ctx: &Ctx, terminal: &Terminal) -> sqlx::Result<Result<(), Closing>> {
    let mut tx = ctx.db.begin_write().await?;
    let now = tx.now;
    let found = store::standing(&mut tx, terminal.id).await?;
    if let Err(closing) = judge(found.as_ref(), now) {
        return Ok(Err(closing));
    }
    if !store::open(&mut tx, terminal.id).await? {
        return Ok(Err(Closing::new(Code::Exited, "the terminal is over; open a new one")));
    }
    note(&mut tx, terminal, "terminal.open", &format!("reservation {}", terminal.reservation)).await?;
    tx.commit().await?;
    Ok(Ok(()))
}

/// Writes down that a terminal is over. `lasted`: its shell had begun.
async fn close(ctx: &Ctx, terminal: &Terminal, closing: &Closing, lasted: Option<Duration>) -> sqlx::Result<()> {
    let mut tx = ctx.db.begin_write().await?;
    let first = store::close(&mut tx, terminal.id, closing.code.as_str()).await?;
    if let Some(lasted) = lasted.filter(|_| first) {
        let detail = format!(
            "reservation {}: {} after {} s: {}",
            terminal.reservation,
            closing.code.as_str(),
            lasted.as_secs(),
            closing.reason
        );
        note(&mut tx, terminal, "terminal.close", &detail).await?;
    }
    tx.commit().await
}

async fn note(tx: &mut Tx, terminal: &Terminal, action: &str, detail: &str) -> sqlx::Result<()> {
    let entry = audit::Entry { actor: &terminal.username, action, target: &terminal.machine_name, detail };
    audit::record(tx, &entry).await
}
