//! SQL of the `lease` table.

use sqlx::{AnyConnection, Row, any::AnyRow};

use super::{Lease, LeaseKind};
use crate::{
    clock::Millis,
    db::{Lock, Tx, with_conditions},
    ids::{AccountId, LeaseId},
};

/// The columns of a lease, for selects that join it as `l`.
pub const COLUMNS: &str = "l.id, l.account_id, l.state, l.starts_at, l.expires_at, l.epoch, l.deadline, l.last_error, \
                           l.reason, l.created_at, l.active_at, l.closed_at";
/// How many [`COLUMNS`] there are.
pub const WIDTH: usize = 12;

/// Reads the first [`WIDTH`] columns of a row.
pub fn read(row: &AnyRow) -> sqlx::Result<Lease> {
    let decode = |error: uuid::Error| sqlx::Error::Decode(Box::new(error));
    Ok(Lease {
        id: row.try_get::<String, _>(0)?.parse().map_err(decode)?,
        account: row.try_get::<String, _>(1)?.parse().map_err(decode)?,
        state: row.try_get::<String, _>(2)?.parse().map_err(|error: String| sqlx::Error::Decode(error.into()))?,
        starts_at: row.try_get(3)?,
        expires_at: row.try_get(4)?,
        epoch: row.try_get(5)?,
        deadline: row.try_get(6)?,
        last_error: row.try_get(7)?,
        reason: row.try_get(8)?,
        created_at: row.try_get(9)?,
        active_at: row.try_get(10)?,
        closed_at: row.try_get(11)?,
    })
}

/// Writes a new lease.
pub async fn insert(tx: &mut Tx, kind: LeaseKind, lease: &Lease) -> sqlx::Result<()> {
    sqlx::query(
        "insert into lease (id, kind, account_id, state, starts_at, expires_at, epoch, deadline, attempts, created_at) \
         values (?, ?, ?, ?, ?, ?, ?, ?, 0, ?)",
    )
    .bind(lease.id.to_string())
    .bind(kind.as_str())
    .bind(lease.account.to_string())
    .bind(lease.state.as_str())
    .bind(lease.starts_at)
    .bind(lease.expires_at)
    .bind(lease.epoch)
    .bind(lease.deadline)
    .bind(lease.created_at)
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// A lease, locked until the transaction ends.
pub async fn lock(tx: &mut Tx, id: LeaseId) -> sqlx::Result<Option<Lease>> {
    let text = format!("select {COLUMNS} from lease l where l.id = ?");
    let select = tx.dialect.locking(&text, Lock::Wait);
    sqlx::query(select).bind(id.to_string()).fetch_optional(&mut **tx).await?.as_ref().map(read).transpose()
}

/// Compare-and-set: the lease as it is in `lease`, unless somebody changed it since its epoch was read.
/// On success the epoch in `lease` is the new one.
pub async fn save(tx: &mut Tx, lease: &mut Lease) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "update lease set state = ?, starts_at = ?, expires_at = ?, epoch = epoch + 1, deadline = ?, last_error = ?, \
         reason = ?, active_at = ?, closed_at = ? where id = ? and epoch = ?",
    )
    .bind(lease.state.as_str())
    .bind(lease.starts_at)
    .bind(lease.expires_at)
    .bind(lease.deadline)
    .bind(lease.last_error.as_deref())
    .bind(lease.reason.as_deref())
    .bind(lease.active_at)
    .bind(lease.closed_at)
    .bind(lease.id.to_string())
    .bind(lease.epoch)
    .execute(&mut **tx)
    .await?;
    lease.epoch += 1;
    Ok(done.rows_affected() == 1)
}

/// The leases of one person that are not over.
pub async fn count_live(conn: &mut AnyConnection, account: AccountId) -> sqlx::Result<i64> {
    sqlx::query("select count(*) from lease where account_id = ? and state not in ('closed', 'failed')")
        .bind(account.to_string())
        .fetch_one(conn)
        .await?
        .try_get(0)
}

/// Kind and id of leases for which something is due and no job of kind `drive` stands.
pub async fn without_job(conn: &mut AnyConnection, kind: LeaseKind, limit: i64) -> sqlx::Result<Vec<String>> {
    let rows = sqlx::query(
        "select l.id from lease l where l.kind = ? and l.state not in ('closed', 'failed') \
         and not exists (select 1 from job j where j.kind = ? and j.subject = l.id) order by l.created_at limit ?",
    )
    .bind(kind.as_str())
    .bind(kind.drive())
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

/// An active lease that ends within `minutes` and whose owner was not told so yet.
#[derive(Debug)]
pub struct Ending {
    /// Which.
    pub id: LeaseId,
    /// Whose.
    pub account: AccountId,
    /// When it ends.
    pub expires_at: Millis,
}

/// Active leases that end between now and `by`, and whose owners were not reminded of `minutes` or fewer.
pub async fn to_remind(tx: &mut Tx, minutes: i64, by: Millis) -> sqlx::Result<Vec<Ending>> {
    let now = tx.now;
    let text = with_conditions(
        "select id, account_id, expires_at from lease where {}",
        &[
            "state = 'active'",
            "? < expires_at",
            "expires_at <= ?",
            "(reminded_minutes is null or ? < reminded_minutes)",
        ],
    );
    let rows = sqlx::query(text).bind(now).bind(by).bind(minutes).fetch_all(&mut **tx).await?;
    let decode = |error: uuid::Error| sqlx::Error::Decode(Box::new(error));
    rows.iter()
        .map(|row| {
            Ok(Ending {
                id: row.try_get::<String, _>(0)?.parse().map_err(decode)?,
                account: row.try_get::<String, _>(1)?.parse().map_err(decode)?,
                expires_at: row.try_get(2)?,
            })
        })
        .collect()
}

/// Notes that the owner was reminded. False: somebody else did it.
pub async fn mark_reminded(tx: &mut Tx, id: LeaseId, minutes: i64) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "update lease set reminded_minutes = ? where id = ? and state = 'active' \
         and (reminded_minutes is null or ? < reminded_minutes)",
    )
    .bind(minutes)
    .bind(id.to_string())
    .bind(minutes)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// A longer lease may be reminded of again.
pub async fn forget_reminders(tx: &mut Tx, id: LeaseId) -> sqlx::Result<()> {
    sqlx::query("update lease set reminded_minutes = null where id = ?")
        .bind(id.to_string())
        .execute(&mut **tx)
        .await
        .map(drop)
}

/// How many leases stand in each state.
pub async fn count_by_state(conn: &mut AnyConnection) -> sqlx::Result<Vec<(String, i64)>> {
    let rows = sqlx::query("select state, count(*) from lease group by state").fetch_all(conn).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// When the lease ended that has its access still and should not; none: there is no such.
pub async fn first_overdue(conn: &mut AnyConnection, now: Millis) -> sqlx::Result<Option<Millis>> {
    sqlx::query("select min(expires_at) from lease where state in ('active', 'expiring') and expires_at < ?")
        .bind(now)
        .fetch_one(conn)
        .await?
        .try_get(0)
}
