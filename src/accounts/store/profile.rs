//! SQL of the `access_token`, `ssh_key` and `one_time_link` tables.

use sqlx::{AnyConnection, Row};

use super::parse;
use crate::{
    accounts::{Role, Status},
    clock::Millis,
    db::{Lock, Tx},
    ids::AccountId,
};

/// A living access token with its account.
pub(in crate::accounts) struct TokenOwner {
    pub token: String,
    pub account: AccountId,
    pub username: String,
    pub role: Role,
    pub status: Status,
    pub last_used_at: Option<Millis>,
}

pub(in crate::accounts) async fn token_owner(
    conn: &mut AnyConnection,
    hash: &str,
    now: Millis,
) -> sqlx::Result<Option<TokenOwner>> {
    let row = sqlx::query(
        "select access_token.id, account.id, account.username, account.role, account.status, access_token.last_used_at \
         from access_token join account on account.id = access_token.account_id \
         where access_token.token_hash = ? and access_token.revoked_at is null \
         and (access_token.expires_at is null or ? < access_token.expires_at) and account.deleted_at is null",
    )
    .bind(hash)
    .bind(now)
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(TokenOwner {
        token: row.try_get(0)?,
        account: parse(&row, 1)?,
        username: row.try_get(2)?,
        role: parse(&row, 3)?,
        status: parse(&row, 4)?,
        last_used_at: row.try_get(5)?,
    }))
}

pub(in crate::accounts) async fn touch_token(tx: &mut Tx, id: &str) -> sqlx::Result<()> {
    let now = tx.now;
    sqlx::query("update access_token set last_used_at = ? where id = ?")
        .bind(now)
        .bind(id)
        .execute(&mut **tx)
        .await
        .map(drop)
}

pub(in crate::accounts) struct TokenRow {
    pub id: String,
    pub name: String,
    pub created_at: Millis,
    pub expires_at: Option<Millis>,
    pub last_used_at: Option<Millis>,
}

pub(in crate::accounts) async fn list_tokens(
    conn: &mut AnyConnection,
    account: AccountId,
    now: Millis,
) -> sqlx::Result<Vec<TokenRow>> {
    let rows = sqlx::query(
        "select id, name, created_at, expires_at, last_used_at from access_token \
         where account_id = ? and revoked_at is null and (expires_at is null or ? < expires_at) order by id",
    )
    .bind(account.to_string())
    .bind(now)
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(TokenRow {
                id: row.try_get(0)?,
                name: row.try_get(1)?,
                created_at: row.try_get(2)?,
                expires_at: row.try_get(3)?,
                last_used_at: row.try_get(4)?,
            })
        })
        .collect()
}

pub(in crate::accounts) async fn insert_token(
    tx: &mut Tx,
    account: AccountId,
    new: &TokenRow,
    hash: &str,
) -> sqlx::Result<()> {
    sqlx::query(
        "insert into access_token (id, account_id, name, token_hash, created_at, expires_at) values (?, ?, ?, ?, ?, ?)",
    )
    .bind(&new.id)
    .bind(account.to_string())
    .bind(&new.name)
    .bind(hash)
    .bind(new.created_at)
    .bind(new.expires_at)
    .execute(&mut **tx)
    .await
    .map(drop)
}

pub(in crate::accounts) async fn revoke_token(tx: &mut Tx, account: AccountId, id: &str) -> sqlx::Result<bool> {
    let now = tx.now;
    let done =
        sqlx::query("update access_token set revoked_at = ? where id = ? and account_id = ? and revoked_at is null")
            .bind(now)
            .bind(id)
            .bind(account.to_string())
            .execute(&mut **tx)
            .await?;
    Ok(done.rows_affected() == 1)
}

pub(in crate::accounts) async fn revoke_tokens(tx: &mut Tx, account: AccountId) -> sqlx::Result<()> {
    let now = tx.now;
    sqlx::query("update access_token set revoked_at = ? where account_id = ? and revoked_at is null")
        .bind(now)
        .bind(account.to_string())
        .execute(&mut **tx)
        .await
        .map(drop)
}

pub(in crate::accounts) async fn prune_tokens(tx: &mut Tx, before: Millis) -> sqlx::Result<u64> {
    let done = sqlx::query("delete from access_token where expires_at < ? or revoked_at < ?")
        .bind(before)
        .bind(before)
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected())
}

pub(in crate::accounts) struct KeyRow {
    pub id: String,
    pub name: String,
    pub public_key: String,
    pub fingerprint: String,
    pub created_at: Millis,
}

pub(in crate::accounts) async fn list_keys(conn: &mut AnyConnection, account: AccountId) -> sqlx::Result<Vec<KeyRow>> {
    let rows = sqlx::query(
        "select id, name, public_key, fingerprint, created_at from ssh_key where account_id = ? order by id",
    )
    .bind(account.to_string())
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(KeyRow {
                id: row.try_get(0)?,
                name: row.try_get(1)?,
                public_key: row.try_get(2)?,
                fingerprint: row.try_get(3)?,
                created_at: row.try_get(4)?,
            })
        })
        .collect()
}

/// The public keys of an account's profile, a line of `authorized_keys` each.
pub async fn ssh_keys_of(conn: &mut AnyConnection, account: AccountId) -> sqlx::Result<Vec<String>> {
    Ok(list_keys(conn, account).await?.into_iter().map(|row| row.public_key).collect())
}

pub(in crate::accounts) async fn insert_key(tx: &mut Tx, account: AccountId, new: &KeyRow) -> sqlx::Result<()> {
    sqlx::query(
        "insert into ssh_key (id, account_id, name, public_key, fingerprint, created_at) values (?, ?, ?, ?, ?, ?)",
    )
    .bind(&new.id)
    .bind(account.to_string())
    .bind(&new.name)
    .bind(&new.public_key)
    .bind(&new.fingerprint)
    .bind(new.created_at)
    .execute(&mut **tx)
    .await
    .map(drop)
}

pub(in crate::accounts) async fn delete_key(tx: &mut Tx, account: AccountId, id: &str) -> sqlx::Result<bool> {
    let done = sqlx::query("delete from ssh_key where id = ? and account_id = ?")
        .bind(id)
        .bind(account.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() == 1)
}

pub(in crate::accounts) async fn delete_keys(tx: &mut Tx, account: AccountId) -> sqlx::Result<()> {
    sqlx::query("delete from ssh_key where account_id = ?").bind(account.to_string()).execute(&mut **tx).await.map(drop)
}

pub(in crate::accounts) async fn insert_link(
    tx: &mut Tx,
    id: &str,
    account: AccountId,
    hash: &str,
    expires_at: Millis,
) -> sqlx::Result<()> {
    let now = tx.now;
    sqlx::query("insert into one_time_link (id, account_id, token_hash, created_at, expires_at) values (?, ?, ?, ?, ?)")
        .bind(id)
        .bind(account.to_string())
        .bind(hash)
        .bind(now)
        .bind(expires_at)
        .execute(&mut **tx)
        .await
        .map(drop)
}

/// Uses up every link of an account.
pub(in crate::accounts) async fn spend_links(tx: &mut Tx, account: AccountId) -> sqlx::Result<()> {
    let now = tx.now;
    sqlx::query("update one_time_link set used_at = ? where account_id = ? and used_at is null")
        .bind(now)
        .bind(account.to_string())
        .execute(&mut **tx)
        .await
        .map(drop)
}

/// The account of a link that is unused and young enough.
pub(in crate::accounts) async fn lock_link(tx: &mut Tx, hash: &str) -> sqlx::Result<Option<AccountId>> {
    let now = tx.now;
    let text = "select account_id from one_time_link where token_hash = ? and used_at is null and ? < expires_at";
    let row = sqlx::query(tx.dialect.locking(text, Lock::Wait)).bind(hash).bind(now);
    let row = row.fetch_optional(&mut **tx).await?;
    row.as_ref().map(|row| parse(row, 0)).transpose()
}

pub(in crate::accounts) async fn prune_links(tx: &mut Tx, before: Millis) -> sqlx::Result<u64> {
    let done = sqlx::query("delete from one_time_link where expires_at < ? or used_at < ?")
        .bind(before)
        .bind(before)
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected())
}
