//! SQL of the `job` and `heartbeat` tables.

use sqlx::{AnyConnection, Row};

use crate::{
    clock::Millis,
    db::{Lock, Tx},
    ids::JobId,
};

/// A job as a runner needs it.
#[derive(Debug)]
pub(super) struct Due {
    pub id: JobId,
    pub kind: String,
    pub subject: String,
    pub generation: i64,
    pub attempts: i64,
}

pub(super) async fn ask_again(tx: &mut Tx, kind: &str, subject: &str, run_at: Millis) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "update job set generation = generation + 1, run_at = case when run_at < ? then run_at else ? end \
         where kind = ? and subject = ?",
    )
    .bind(run_at)
    .bind(run_at)
    .bind(kind)
    .bind(subject)
    .execute(&mut **tx)
    .await?;
    Ok(0 < done.rows_affected())
}

pub(super) async fn insert(
    tx: &mut Tx,
    id: JobId,
    kind: &str,
    subject: &str,
    run_at: Millis,
    now: Millis,
) -> sqlx::Result<()> {
    sqlx::query(
        "insert into job (id, kind, subject, generation, run_at, attempts, created_at) values (?, ?, ?, 1, ?, 0, ?)",
    )
    .bind(id.to_string())
    .bind(kind)
    .bind(subject)
    .bind(run_at)
    .bind(now)
    .execute(&mut **tx)
    .await
    .map(drop)
}

pub(super) async fn any_due(conn: &mut AnyConnection, now: Millis) -> sqlx::Result<bool> {
    let rows =
        sqlx::query("select id from job where run_at <= ? and (claimed_until is null or claimed_until < ?) limit 1")
            .bind(now)
            .bind(now)
            .fetch_all(conn)
            .await?;
    Ok(!rows.is_empty())
}

pub(super) async fn due(tx: &mut Tx, limit: i64) -> sqlx::Result<Vec<Due>> {
    let select = tx.dialect.locking(
        "select id, kind, subject, generation, attempts from job \
         where run_at <= ? and (claimed_until is null or claimed_until < ?) order by run_at limit ?",
        Lock::Skip,
    );
    let now = tx.now;
    let rows = sqlx::query(select).bind(now).bind(now).bind(limit).fetch_all(&mut **tx).await?;
    rows.iter()
        .map(|row| {
            Ok(Due {
                id: row.try_get::<String, _>(0)?.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
                kind: row.try_get(1)?,
                subject: row.try_get(2)?,
                generation: row.try_get(3)?,
                attempts: row.try_get(4)?,
            })
        })
        .collect()
}

pub(super) async fn claim(tx: &mut Tx, id: JobId, owner: &str, until: Millis) -> sqlx::Result<()> {
    sqlx::query("update job set claimed_by = ?, claimed_until = ? where id = ?")
        .bind(owner)
        .bind(until)
        .bind(id.to_string())
        .execute(&mut **tx)
        .await
        .map(drop)
}

pub(super) async fn prolong(tx: &mut Tx, id: JobId, owner: &str, until: Millis) -> sqlx::Result<bool> {
    let done = sqlx::query("update job set claimed_until = ? where id = ? and claimed_by = ?")
        .bind(until)
        .bind(id.to_string())
        .bind(owner)
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn held_by(tx: &mut Tx, id: JobId, owner: &str) -> sqlx::Result<bool> {
    let select = tx.dialect.locking("select id from job where id = ? and claimed_by = ?", Lock::Wait);
    let rows = sqlx::query(select).bind(id.to_string()).bind(owner).fetch_all(&mut **tx).await?;
    Ok(!rows.is_empty())
}

/// True: there was such a row and nobody had claimed it.
pub(super) async fn delete_unclaimed(tx: &mut Tx, kind: &str, subject: &str) -> sqlx::Result<bool> {
    let done = sqlx::query("delete from job where kind = ? and subject = ? and claimed_by is null")
        .bind(kind)
        .bind(subject)
        .execute(&mut **tx)
        .await?;
    Ok(0 < done.rows_affected())
}

pub(super) async fn delete(tx: &mut Tx, id: JobId, generation: i64, owner: &str) -> sqlx::Result<bool> {
    let done = sqlx::query("delete from job where id = ? and generation = ? and claimed_by = ?")
        .bind(id.to_string())
        .bind(generation)
        .bind(owner)
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn free(tx: &mut Tx, id: JobId, owner: &str, run_at: Millis) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "update job set claimed_by = null, claimed_until = null, attempts = 0, run_at = ? where id = ? and claimed_by = ?",
    )
    .bind(run_at)
    .bind(id.to_string())
    .bind(owner)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn put_off(
    tx: &mut Tx,
    id: JobId,
    owner: &str,
    generation: i64,
    run_at: Millis,
    error: Option<&str>,
) -> sqlx::Result<()> {
    // Asked again meanwhile: at once. Otherwise at `run_at`.
    let now = tx.now;
    sqlx::query(
        "update job set claimed_by = null, claimed_until = null, attempts = case when ? is null then 0 else attempts + 1 end, \
         last_error = ?, run_at = case when generation = ? then ? else ? end where id = ? and claimed_by = ?",
    )
    .bind(error)
    .bind(error)
    .bind(generation)
    .bind(run_at)
    .bind(now)
    .bind(id.to_string())
    .bind(owner)
    .execute(&mut **tx)
    .await
    .map(drop)
}

pub(super) async fn count_overdue(conn: &mut AnyConnection, since: Millis, now: Millis) -> sqlx::Result<i64> {
    sqlx::query("select count(*) from job where run_at < ? and (claimed_until is null or claimed_until < ?)")
        .bind(since)
        .bind(now)
        .fetch_one(conn)
        .await?
        .try_get(0)
}

pub(super) async fn count(conn: &mut AnyConnection) -> sqlx::Result<i64> {
    sqlx::query("select count(*) from job").fetch_one(conn).await?.try_get(0)
}

pub(super) async fn beat(tx: &mut Tx, process: &str) -> sqlx::Result<bool> {
    let now = tx.now;
    let done =
        sqlx::query("update heartbeat set at = ? where process = ?").bind(now).bind(process).execute(&mut **tx).await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn first_beat(tx: &mut Tx, process: &str, role: &str) -> sqlx::Result<()> {
    let now = tx.now;
    sqlx::query("insert into heartbeat (process, kind, at, started_at) values (?, ?, ?, ?)")
        .bind(process)
        .bind(role)
        .bind(now)
        .bind(now)
        .execute(&mut **tx)
        .await
        .map(drop)
}

pub(super) async fn forget_heartbeat(tx: &mut Tx, process: &str) -> sqlx::Result<()> {
    sqlx::query("delete from heartbeat where process = ?").bind(process).execute(&mut **tx).await.map(drop)
}

pub(super) async fn forget_heartbeats_before(tx: &mut Tx, before: Millis) -> sqlx::Result<()> {
    sqlx::query("delete from heartbeat where at < ?").bind(before).execute(&mut **tx).await.map(drop)
}

pub(super) async fn count_beats_of_since(conn: &mut AnyConnection, role: &str, since: Millis) -> sqlx::Result<i64> {
    let text = "select count(*) from heartbeat where kind = ? and ? <= at";
    sqlx::query(text).bind(role).bind(since).fetch_one(conn).await?.try_get(0)
}

/// The role of every process, and when it last said that it is alive.
pub(super) async fn beats(conn: &mut AnyConnection) -> sqlx::Result<Vec<(String, Millis)>> {
    let rows = sqlx::query("select kind, at from heartbeat").fetch_all(conn).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}
