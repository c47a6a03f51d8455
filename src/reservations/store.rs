//! SQL of the `reservation` and `allotment` tables.

use std::collections::BTreeSet;

use sqlx::{AnyConnection, Row, any::AnyRow};

use super::model::{Allotment, Labels, Minutes, Reservation};
use crate::{
    clock::Millis,
    db::{Tx, with_conditions},
    ids::{AccountId, AllotmentId, LeaseId, MachineId},
    leases,
};

fn decode<E: std::error::Error + Send + Sync + 'static>(error: E) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}

const FIRST: usize = leases::store::WIDTH;

fn columns() -> String {
    format!(
        "{}, r.username, r.wanted, r.duration_ms, r.pool, r.labels, r.ssh_keys, r.password_sealed",
        leases::store::COLUMNS
    )
}

fn read(row: &AnyRow) -> sqlx::Result<Reservation> {
    let labels: String = row.try_get(FIRST + 4)?;
    let keys: String = row.try_get(FIRST + 5)?;
    Ok(Reservation {
        lease: leases::store::read(row)?,
        username: row.try_get(FIRST)?,
        count: usize::try_from(row.try_get::<i64, _>(FIRST + 1)?).map_err(decode)?,
        duration: Minutes::from_millis(row.try_get(FIRST + 2)?),
        pool: row.try_get(FIRST + 3)?,
        labels: serde_json::from_str::<Labels>(&labels).map_err(decode)?,
        ssh_keys: serde_json::from_str(&keys).map_err(decode)?,
        password_sealed: row.try_get(FIRST + 6)?,
    })
}

/// Writes a new reservation; its lease is written apart.
pub async fn insert(tx: &mut Tx, reservation: &Reservation) -> sqlx::Result<()> {
    sqlx::query(
        "insert into reservation (id, username, wanted, duration_ms, pool, labels, ssh_keys, password_sealed) \
         values (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(reservation.id().to_string())
    .bind(reservation.username.as_str())
    .bind(i64::try_from(reservation.count).unwrap_or(i64::MAX))
    .bind(reservation.duration.millis())
    .bind(reservation.pool.as_str())
    .bind(serde_json::to_string(&reservation.labels).expect("labels are text"))
    .bind(serde_json::to_string(&reservation.ssh_keys).expect("keys are text"))
    .bind(reservation.password_sealed.as_deref())
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Forgets the password of a reservation that is over.
pub async fn forget_password(tx: &mut Tx, id: LeaseId) -> sqlx::Result<()> {
    sqlx::query("update reservation set password_sealed = null where id = ? and password_sealed is not null")
        .bind(id.to_string())
        .execute(&mut **tx)
        .await
        .map(drop)
}

/// One reservation.
pub async fn find(conn: &mut AnyConnection, id: LeaseId) -> sqlx::Result<Option<Reservation>> {
    let text = format!("select {} from lease l join reservation r on r.id = l.id where {{}}", columns());
    sqlx::query(with_conditions(&text, &["l.id = ?"]))
        .bind(id.to_string())
        .fetch_optional(conn)
        .await?
        .as_ref()
        .map(read)
        .transpose()
}

/// What to list, newest first.
#[derive(Debug, Default)]
pub struct Filter<'a> {
    /// Only this person's.
    pub account: Option<AccountId>,
    /// Only in this state.
    pub state: Option<&'a str>,
    /// Only those that are not over.
    pub live: bool,
    /// Only those that are over.
    pub ended: bool,
    /// Only before this id.
    pub before: Option<&'a str>,
}

/// Reservations, newest first.
pub async fn list(conn: &mut AnyConnection, filter: &Filter<'_>, limit: i64) -> sqlx::Result<Vec<Reservation>> {
    let mut conditions = vec!["l.kind = 'reservation'"];
    if filter.account.is_some() {
        conditions.push("l.account_id = ?");
    }
    if filter.state.is_some() {
        conditions.push("l.state = ?");
    }
    if filter.live {
        conditions.push("l.state not in ('closed', 'failed')");
    }
    if filter.ended {
        conditions.push("l.state in ('closed', 'failed')");
    }
    if filter.before.is_some() {
        conditions.push("l.id < ?");
    }
    let text = format!(
        "select {} from lease l join reservation r on r.id = l.id where {{}} order by l.id desc limit ?",
        columns()
    );
    let mut query = sqlx::query(with_conditions(&text, &conditions));
    if let Some(account) = filter.account {
        query = query.bind(account.to_string());
    }
    if let Some(state) = filter.state {
        query = query.bind(state);
    }
    if let Some(before) = filter.before {
        query = query.bind(before);
    }
    query.bind(limit).fetch_all(conn).await?.iter().map(read).collect()
}

/// Whether somebody has stood in line for this pool for longer.
pub async fn is_behind(conn: &mut AnyConnection, pool: &str, id: LeaseId, now: Millis) -> sqlx::Result<bool> {
    let rows = sqlx::query(
        "select l.id from lease l join reservation r on r.id = l.id \
         where l.state = 'queued' and r.pool = ? and l.id < ? and l.starts_at <= ? limit 1",
    )
    .bind(pool)
    .bind(id.to_string())
    .bind(now)
    .fetch_all(conn)
    .await?;
    Ok(!rows.is_empty())
}

/// Who stands first in the line for a pool.
pub async fn first_in_line(conn: &mut AnyConnection, pool: &str) -> sqlx::Result<Option<String>> {
    let row = sqlx::query(
        "select l.id from lease l join reservation r on r.id = l.id where l.state = 'queued' and r.pool = ? \
         order by l.id limit 1",
    )
    .bind(pool)
    .fetch_optional(conn)
    .await?;
    row.map(|row| row.try_get(0)).transpose()
}

/// The ids of the live reservations of accounts that were removed or suspended.
pub async fn of_gone_accounts(conn: &mut AnyConnection) -> sqlx::Result<Vec<String>> {
    let rows = sqlx::query(
        "select l.id from lease l join account a on a.id = l.account_id \
         where l.kind = 'reservation' and l.state in ('queued', 'accepted', 'provisioning', 'active') \
         and (a.deleted_at is not null or a.status = 'suspended')",
    )
    .fetch_all(conn)
    .await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

const SEAT: &str = "id, reservation_id, machine_id, machine_name, state, error, baseline, uid";

fn read_allotment(row: &AnyRow) -> sqlx::Result<Allotment> {
    Ok(Allotment {
        id: row.try_get::<String, _>(0)?.parse().map_err(decode)?,
        reservation: row.try_get::<String, _>(1)?.parse().map_err(decode)?,
        machine: row.try_get::<String, _>(2)?.parse().map_err(decode)?,
        machine_name: row.try_get(3)?,
        seat: row.try_get::<String, _>(4)?.parse().map_err(|error: String| sqlx::Error::Decode(error.into()))?,
        error: row.try_get(5)?,
        baseline: row.try_get(6)?,
        uid: row.try_get(7)?,
    })
}

/// Writes a new allotment. A machine that is in another live one violates a unique index: the last net under the
/// choice that was made with the machine's row locked.
pub async fn insert_allotment(tx: &mut Tx, allotment: &Allotment) -> sqlx::Result<()> {
    let now = tx.now;
    sqlx::query(
        "insert into allotment (id, reservation_id, machine_id, machine_name, live_machine_id, state, created_at) \
         values (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(allotment.id.to_string())
    .bind(allotment.reservation.to_string())
    .bind(allotment.machine.to_string())
    .bind(allotment.machine_name.as_str())
    .bind(allotment.machine.to_string())
    .bind(allotment.seat.as_str())
    .bind(now)
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Saves state, error, baseline and uid of an allotment that is not closed. False: it is closed already.
pub async fn save_allotment(tx: &mut Tx, allotment: &Allotment) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "update allotment set state = ?, error = ?, baseline = ?, uid = ? where id = ? and live_machine_id is not null",
    )
    .bind(allotment.seat.as_str())
    .bind(allotment.error.as_deref())
    .bind(allotment.baseline.as_deref())
    .bind(allotment.uid)
    .bind(allotment.id.to_string())
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Closes an allotment and frees its machine for another.
pub async fn close_allotment(tx: &mut Tx, id: AllotmentId) -> sqlx::Result<bool> {
    let now = tx.now;
    let done = sqlx::query(
        "update allotment set state = 'closed', live_machine_id = null, closed_at = ? \
         where id = ? and live_machine_id is not null",
    )
    .bind(now)
    .bind(id.to_string())
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// One allotment.
pub async fn find_allotment(conn: &mut AnyConnection, id: AllotmentId) -> sqlx::Result<Option<Allotment>> {
    let text = with_conditions(&format!("select {SEAT} from allotment where {{}}"), &["id = ?"]);
    sqlx::query(text).bind(id.to_string()).fetch_optional(conn).await?.as_ref().map(read_allotment).transpose()
}

/// The allotments of a reservation, in the order they were made.
pub async fn allotments(conn: &mut AnyConnection, reservation: LeaseId) -> sqlx::Result<Vec<Allotment>> {
    let text = with_conditions(
        &format!("select {SEAT} from allotment where {{}} order by created_at, id"),
        &["reservation_id = ?"],
    );
    sqlx::query(text).bind(reservation.to_string()).fetch_all(conn).await?.iter().map(read_allotment).collect()
}

/// The live allotment of a machine.
pub async fn live_on(conn: &mut AnyConnection, machine: MachineId) -> sqlx::Result<Option<Allotment>> {
    let text = with_conditions(&format!("select {SEAT} from allotment where {{}}"), &["live_machine_id = ?"]);
    sqlx::query(text).bind(machine.to_string()).fetch_optional(conn).await?.as_ref().map(read_allotment).transpose()
}

/// How many machines of a reservation are not taken back yet.
pub async fn count_open(conn: &mut AnyConnection, reservation: LeaseId) -> sqlx::Result<i64> {
    sqlx::query("select count(*) from allotment where reservation_id = ? and live_machine_id is not null")
        .bind(reservation.to_string())
        .fetch_one(conn)
        .await?
        .try_get(0)
}

/// Live allotments of machines on which nothing was to be changed yet.
pub(super) async fn without_baseline(conn: &mut AnyConnection) -> sqlx::Result<Vec<AllotmentId>> {
    let rows = sqlx::query("select id from allotment where live_machine_id is not null and baseline is null");
    let rows = rows.fetch_all(conn).await?;
    rows.iter().map(|row| row.try_get::<String, _>(0)?.parse().map_err(decode)).collect()
}

/// Machines that a reservation has.
pub(super) async fn machines_had(conn: &mut AnyConnection) -> sqlx::Result<BTreeSet<MachineId>> {
    let rows = sqlx::query("select live_machine_id from allotment where live_machine_id is not null");
    let rows = rows.fetch_all(conn).await?;
    rows.iter().map(|row| row.try_get::<String, _>(0)?.parse().map_err(decode)).collect()
}

/// Leases that are not over.
pub(super) async fn unfinished(conn: &mut AnyConnection) -> sqlx::Result<Vec<LeaseId>> {
    let rows = sqlx::query("select id from lease where state not in ('closed', 'failed')").fetch_all(conn).await?;
    rows.iter().map(|row| row.try_get::<String, _>(0)?.parse().map_err(decode)).collect()
}

/// How a machine was when it was last known to be clean.
pub(super) async fn last_baseline(conn: &mut AnyConnection, machine: MachineId) -> sqlx::Result<Option<String>> {
    let text =
        "select baseline from allotment where machine_id = ? and baseline is not null order by created_at desc limit 1";
    let row = sqlx::query(text).bind(machine.to_string()).fetch_optional(conn).await?;
    row.map(|row| row.try_get(0)).transpose()
}

/// Allotments that are to be cleaned and for which no job stands.
pub async fn cleaning_without_job(conn: &mut AnyConnection, kind: &str) -> sqlx::Result<Vec<String>> {
    let rows = sqlx::query(
        "select a.id from allotment a where a.state = 'cleaning' and a.live_machine_id is not null \
         and not exists (select 1 from job j where j.kind = ? and j.subject = a.id)",
    )
    .bind(kind)
    .fetch_all(conn)
    .await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

/// Forgets leases that were over before `until`, with all that belongs to them.
pub async fn prune(tx: &mut Tx, until: Millis) -> sqlx::Result<u64> {
    for text in [
        "delete from allotment where reservation_id in (select id from lease where closed_at < ?)",
        "delete from reservation where id in (select id from lease where closed_at < ?)",
    ] {
        sqlx::query(text).bind(until).execute(&mut **tx).await?;
    }
    Ok(sqlx::query("delete from lease where closed_at < ?").bind(until).execute(&mut **tx).await?.rows_affected())
}
