//! SQL of the `session` table.

use sqlx::{AnyConnection, Row};

use super::parse;
use crate::{
    accounts::{Role, Status},
    clock::Millis,
    db::{Dialect, Lock, Tx},
    ids::{AccountId, SessionId},
};

/// A session with its account.
pub(in crate::accounts) struct Session {
    pub id: SessionId,
    pub account: AccountId,
    pub username: String,
    pub role: Role,
    pub status: Status,
    pub refresh_hash: String,
    pub previous_hash: Option<String>,
    pub created_at: Millis,
    pub last_used_at: Millis,
}

/// The session, when it and its account are alive. `for update` when the connection is in a write transaction.
pub(in crate::accounts) async fn session(
    conn: &mut AnyConnection,
    locking: Option<Dialect>,
    id: SessionId,
    now: Millis,
) -> sqlx::Result<Option<Session>> {
    let text = "select session.id, account.id, account.username, account.role, account.status, session.refresh_hash, \
                session.previous_hash, session.last_used_at, session.created_at \
                from session join account on account.id = session.account_id \
                where session.id = ? and session.revoked_at is null and ? < session.expires_at \
                and account.deleted_at is null";
    let query = match locking {
        Some(dialect) => sqlx::query(dialect.locking(text, Lock::Wait)),
        None => sqlx::query(text),
    };
    let Some(row) = query.bind(id.to_string()).bind(now).fetch_optional(conn).await? else { return Ok(None) };
    Ok(Some(Session {
        id: parse(&row, 0)?,
        account: parse(&row, 1)?,
        username: row.try_get(2)?,
        role: parse(&row, 3)?,
        status: parse(&row, 4)?,
        refresh_hash: row.try_get(5)?,
        previous_hash: row.try_get(6)?,
        last_used_at: row.try_get(7)?,
        created_at: row.try_get(8)?,
    }))
}

/// The addresses at which living sessions of this user began.
pub(in crate::accounts) async fn session_peers(
    conn: &mut AnyConnection,
    username: &str,
    now: Millis,
) -> sqlx::Result<Vec<String>> {
    let rows = sqlx::query(
        "select session.peer from session join account on account.id = session.account_id \
         where account.username = ? and account.deleted_at is null and session.revoked_at is null \
         and ? < session.expires_at order by session.id desc limit 200",
    )
    .bind(username)
    .bind(now)
    .fetch_all(conn)
    .await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

pub(in crate::accounts) struct NewSession<'a> {
    pub id: SessionId,
    pub account: AccountId,
    pub refresh_hash: &'a str,
    pub expires_at: Millis,
    pub user_agent: &'a str,
    pub peer: &'a str,
}

pub(in crate::accounts) async fn insert_session(tx: &mut Tx, new: &NewSession<'_>) -> sqlx::Result<()> {
    let now = tx.now;
    sqlx::query(
        "insert into session (id, account_id, refresh_hash, created_at, last_used_at, expires_at, user_agent, peer) \
         values (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(new.id.to_string())
    .bind(new.account.to_string())
    .bind(new.refresh_hash)
    .bind(now)
    .bind(now)
    .bind(new.expires_at)
    .bind(new.user_agent)
    .bind(new.peer)
    .execute(&mut **tx)
    .await
    .map(drop)
}

pub(in crate::accounts) async fn rotate_session(
    tx: &mut Tx,
    id: SessionId,
    old: &str,
    new: &str,
    expires_at: Millis,
) -> sqlx::Result<bool> {
    let now = tx.now;
    let done = sqlx::query(
        "update session set refresh_hash = ?, previous_hash = ?, last_used_at = ?, expires_at = ? \
         where id = ? and refresh_hash = ? and revoked_at is null",
    )
    .bind(new)
    .bind(old)
    .bind(now)
    .bind(expires_at)
    .bind(id.to_string())
    .bind(old)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(in crate::accounts) async fn revoke_session(tx: &mut Tx, account: AccountId, id: SessionId) -> sqlx::Result<bool> {
    let now = tx.now;
    let done = sqlx::query("update session set revoked_at = ? where id = ? and account_id = ? and revoked_at is null")
        .bind(now)
        .bind(id.to_string())
        .bind(account.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Ends all sessions of an account but `spared`.
pub(in crate::accounts) async fn revoke_sessions(
    tx: &mut Tx,
    account: AccountId,
    spared: Option<SessionId>,
) -> sqlx::Result<()> {
    let now = tx.now;
    sqlx::query("update session set revoked_at = ? where account_id = ? and revoked_at is null and id <> ?")
        .bind(now)
        .bind(account.to_string())
        .bind(spared.map(|id| id.to_string()).unwrap_or_default())
        .execute(&mut **tx)
        .await
        .map(drop)
}

pub(in crate::accounts) struct SessionRow {
    pub id: String,
    pub created_at: Millis,
    pub last_used_at: Millis,
    pub expires_at: Millis,
    pub user_agent: String,
    pub peer: String,
}

pub(in crate::accounts) async fn list_sessions(
    conn: &mut AnyConnection,
    account: AccountId,
    now: Millis,
) -> sqlx::Result<Vec<SessionRow>> {
    let rows = sqlx::query(
        "select id, created_at, last_used_at, expires_at, user_agent, peer from session \
         where account_id = ? and revoked_at is null and ? < expires_at order by id desc limit 200",
    )
    .bind(account.to_string())
    .bind(now)
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(SessionRow {
                id: row.try_get(0)?,
                created_at: row.try_get(1)?,
                last_used_at: row.try_get(2)?,
                expires_at: row.try_get(3)?,
                user_agent: row.try_get(4)?,
                peer: row.try_get(5)?,
            })
        })
        .collect()
}

pub(in crate::accounts) async fn prune_sessions(tx: &mut Tx, before: Millis) -> sqlx::Result<u64> {
    let done = sqlx::query("delete from session where expires_at < ? or revoked_at < ?")
        .bind(before)
        .bind(before)
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected())
}
