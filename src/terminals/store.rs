//! SQL of the `terminal` and `terminal_ticket` tables.

use sqlx::{AnyConnection, Row, any::AnyRow};

use super::model::{Standing, Terminal};
use crate::{
    clock::Millis,
    db::Tx,
    ids::{AllotmentId, LeaseId, MachineId, SessionId, TerminalId},
    reservations::Seat,
};

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(row: &AnyRow, index: usize) -> sqlx::Result<T> {
    let text: String = row.try_get(index)?;
    text.parse().map_err(|error: T::Err| sqlx::Error::Decode(error.to_string().into()))
}

/// A machine's place in a reservation.
pub(super) struct Place {
    pub allotment: AllotmentId,
    pub seat: Seat,
    pub uid: Option<i64>,
}

/// The live place of the machine of this name.
pub(super) async fn place(
    conn: &mut AnyConnection,
    reservation: LeaseId,
    machine: &str,
) -> sqlx::Result<Option<Place>> {
    let row = sqlx::query(
        "select id, state, uid from allotment \
         where reservation_id = ? and machine_name = ? and live_machine_id is not null",
    )
    .bind(reservation.to_string())
    .bind(machine)
    .fetch_optional(conn)
    .await?;
    row.map(|row| Ok(Place { allotment: parsed(&row, 0)?, seat: parsed(&row, 1)?, uid: row.try_get(2)? })).transpose()
}

/// The terminals of one place that are open or asked for.
pub(super) async fn count_alive(tx: &mut Tx, allotment: AllotmentId) -> sqlx::Result<i64> {
    let now = tx.now;
    sqlx::query("select count(*) from terminal where allotment_id = ? and closed_at is null and ? < alive_until")
        .bind(allotment.to_string())
        .bind(now)
        .fetch_one(&mut **tx)
        .await?
        .try_get(0)
}

/// Whether this terminal of this place is open.
pub(super) async fn is_alive(tx: &mut Tx, id: TerminalId, allotment: AllotmentId) -> sqlx::Result<bool> {
    let now = tx.now;
    let rows = sqlx::query(
        "select id from terminal where id = ? and allotment_id = ? and closed_at is null and ? < alive_until",
    )
    .bind(id.to_string())
    .bind(allotment.to_string())
    .bind(now)
    .fetch_all(&mut **tx)
    .await?;
    Ok(!rows.is_empty())
}

pub(super) async fn insert(
    tx: &mut Tx,
    id: TerminalId,
    reservation: LeaseId,
    allotment: AllotmentId,
    session: Option<SessionId>,
    alive_until: Millis,
) -> sqlx::Result<()> {
    let now = tx.now;
    sqlx::query(
        "insert into terminal (id, reservation_id, allotment_id, session_id, created_at, alive_until) \
         values (?, ?, ?, ?, ?, ?)",
    )
    .bind(id.to_string())
    .bind(reservation.to_string())
    .bind(allotment.to_string())
    .bind(session.map(|session| session.to_string()))
    .bind(now)
    .bind(alive_until)
    .execute(&mut **tx)
    .await
    .map(drop)
}

pub(super) async fn insert_ticket(tx: &mut Tx, hash: &str, id: TerminalId, expires_at: Millis) -> sqlx::Result<()> {
    sqlx::query("insert into terminal_ticket (ticket_hash, terminal_id, expires_at) values (?, ?, ?)")
        .bind(hash)
        .bind(id.to_string())
        .bind(expires_at)
        .execute(&mut **tx)
        .await
        .map(drop)
}

/// Whether there is such a ticket, used or not.
pub(super) async fn knows_ticket(conn: &mut AnyConnection, hash: &str) -> sqlx::Result<bool> {
    let rows =
        sqlx::query("select terminal_id from terminal_ticket where ticket_hash = ?").bind(hash).fetch_all(conn).await?;
    Ok(!rows.is_empty())
}

/// Uses a ticket. False: it is used already, or too old.
pub(super) async fn use_ticket(tx: &mut Tx, hash: &str) -> sqlx::Result<bool> {
    let now = tx.now;
    let done = sqlx::query(
        "update terminal_ticket set used_at = ? where ticket_hash = ? and used_at is null and ? < expires_at",
    )
    .bind(now)
    .bind(hash)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The terminal that a ticket opens.
pub(super) async fn of_ticket(conn: &mut AnyConnection, hash: &str) -> sqlx::Result<Option<Terminal>> {
    let row = sqlx::query(
        "select t.id, t.reservation_id, t.allotment_id, a.machine_id, a.machine_name, r.username \
         from terminal_ticket k join terminal t on t.id = k.terminal_id \
         join allotment a on a.id = t.allotment_id join reservation r on r.id = t.reservation_id \
         where k.ticket_hash = ?",
    )
    .bind(hash)
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        Ok(Terminal {
            id: parsed(&row, 0)?,
            reservation: parsed(&row, 1)?,
            allotment: parsed(&row, 2)?,
            machine: parsed::<MachineId>(&row, 3)?,
            machine_name: row.try_get(4)?,
            username: row.try_get(5)?,
        })
    })
    .transpose()
}

/// A server takes a terminal that nobody has taken. False: somebody has, or it is over.
pub(super) async fn take(tx: &mut Tx, id: TerminalId, server: &str, alive_until: Millis) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "update terminal set server = ?, alive_until = ? where id = ? and server is null and closed_at is null",
    )
    .bind(server)
    .bind(alive_until)
    .bind(id.to_string())
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Notes that the shell begins. False: the terminal is over.
pub(super) async fn open(tx: &mut Tx, id: TerminalId) -> sqlx::Result<bool> {
    let now = tx.now;
    let done =
        sqlx::query("update terminal set opened_at = ? where id = ? and opened_at is null and closed_at is null")
            .bind(now)
            .bind(id.to_string())
            .execute(&mut **tx)
            .await?;
    Ok(done.rows_affected() == 1)
}

/// Notes that a terminal is still there.
pub(super) async fn prolong(tx: &mut Tx, id: TerminalId, alive_until: Millis) -> sqlx::Result<()> {
    sqlx::query("update terminal set alive_until = ? where id = ? and closed_at is null")
        .bind(alive_until)
        .bind(id.to_string())
        .execute(&mut **tx)
        .await
        .map(drop)
}

/// Notes that a terminal is over. False: it was noted already.
pub(super) async fn close(tx: &mut Tx, id: TerminalId, reason: &str) -> sqlx::Result<bool> {
    let now = tx.now;
    let done = sqlx::query("update terminal set closed_at = ?, reason = ? where id = ? and closed_at is null")
        .bind(now)
        .bind(reason)
        .bind(id.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// What decides whether a terminal may go on, and until when it counts as alive. None: what it belonged to is forgotten.
pub(super) async fn standing(conn: &mut AnyConnection, id: TerminalId) -> sqlx::Result<Option<(Standing, Millis)>> {
    let row = sqlx::query(
        "select l.state, l.expires_at, l.reason, a.state, a.live_machine_id, a.uid, c.status, c.deleted_at, \
         s.revoked_at, t.closed_at, t.alive_until \
         from terminal t join allotment a on a.id = t.allotment_id join lease l on l.id = t.reservation_id \
         join account c on c.id = l.account_id left join session s on s.id = t.session_id where t.id = ?",
    )
    .bind(id.to_string())
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        let live: Option<String> = row.try_get(4)?;
        let deleted: Option<i64> = row.try_get(7)?;
        let standing = Standing {
            lease: parsed(&row, 0)?,
            expires_at: row.try_get(1)?,
            why: row.try_get(2)?,
            seat: live.map(|_| parsed(&row, 3)).transpose()?,
            uid: row.try_get(5)?,
            active: row.try_get::<String, _>(6)? == "active" && deleted.is_none(),
            signed_out: row.try_get::<Option<i64>, _>(8)?.is_some(),
            closed: row.try_get::<Option<i64>, _>(9)?.is_some(),
        };
        Ok((standing, row.try_get(10)?))
    })
    .transpose()
}

/// Forgets tickets, and terminals that were over, before `before`.
pub async fn prune(tx: &mut Tx, before: Millis) -> sqlx::Result<u64> {
    let tickets = sqlx::query("delete from terminal_ticket where expires_at < ?")
        .bind(before)
        .execute(&mut **tx)
        .await?
        .rows_affected();
    let terminals = sqlx::query("delete from terminal where alive_until < ?")
        .bind(before)
        .execute(&mut **tx)
        .await?
        .rows_affected();
    Ok(tickets + terminals)
}
