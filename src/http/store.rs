//! SQL of the `idempotency` table.

use sqlx::Row;

use crate::{
    clock::Millis,
    db::{Lock, Tx},
    ids::AccountId,
};

/// A request that was seen before.
pub(super) struct Seen {
    pub request_hash: String,
    pub status: Option<i64>,
    pub body: String,
    pub location: Option<String>,
    pub created_at: Millis,
}

pub(super) async fn find(tx: &mut Tx, account: AccountId, key: &str) -> sqlx::Result<Option<Seen>> {
    let text = "select request_hash, status, body, location, created_at from idempotency where account_id = ? and idem_key = ?";
    let row = sqlx::query(tx.dialect.locking(text, Lock::Wait)).bind(account.to_string()).bind(key);
    let Some(row) = row.fetch_optional(&mut **tx).await? else { return Ok(None) };
    Ok(Some(Seen {
        request_hash: row.try_get(0)?,
        status: row.try_get(1)?,
        body: row.try_get::<Option<String>, _>(2)?.unwrap_or_default(),
        location: row.try_get(3)?,
        created_at: row.try_get(4)?,
    }))
}

pub(super) async fn insert(tx: &mut Tx, account: AccountId, key: &str, hash: &str) -> sqlx::Result<()> {
    let now = tx.now;
    sqlx::query("insert into idempotency (account_id, idem_key, request_hash, created_at) values (?, ?, ?, ?)")
        .bind(account.to_string())
        .bind(key)
        .bind(hash)
        .bind(now)
        .execute(&mut **tx)
        .await
        .map(drop)
}

pub(super) async fn finish(
    tx: &mut Tx,
    account: AccountId,
    key: &str,
    status: i64,
    body: &str,
    location: Option<&str>,
) -> sqlx::Result<()> {
    sqlx::query("update idempotency set status = ?, body = ?, location = ? where account_id = ? and idem_key = ?")
        .bind(status)
        .bind(body)
        .bind(location)
        .bind(account.to_string())
        .bind(key)
        .execute(&mut **tx)
        .await
        .map(drop)
}

pub(super) async fn forget(tx: &mut Tx, account: AccountId, key: &str) -> sqlx::Result<()> {
    sqlx::query("delete from idempotency where account_id = ? and idem_key = ?")
        .bind(account.to_string())
        .bind(key)
        .execute(&mut **tx)
        .await
        .map(drop)
}

/// Forgets requests made before `before`; returns how many.
pub async fn prune_idempotency(tx: &mut Tx, before: Millis) -> sqlx::Result<u64> {
    let done = sqlx::query("delete from idempotency where created_at < ?").bind(before).execute(&mut **tx).await?;
    Ok(done.rows_affected())
}
