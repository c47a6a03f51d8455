//! SQL of `account`, `session`, `access_token`, `ssh_key` and `one_time_link`.

use sqlx::{AnyConnection, Row, any::AnyRow};

use super::{Account, Role, Status};
use crate::{
    clock::Millis,
    db::{Dialect, Lock, Tx, with_conditions},
    ids::{AccountId, SessionId},
};

// ---- account

fn account(row: &AnyRow) -> sqlx::Result<Account> {
    Ok(Account {
        id: parse(row, 0)?,
        username: row.try_get(1)?,
        role: parse(row, 2)?,
        status: parse(row, 3)?,
        full_name: row.try_get(4)?,
        email: row.try_get(5)?,
        created_at: row.try_get(6)?,
        last_login_at: row.try_get(7)?,
    })
}

/// A column of text as the type that its text stands for.
fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(row: &AnyRow, index: usize) -> sqlx::Result<T> {
    let text: String = row.try_get(index)?;
    text.parse().map_err(|error: T::Err| sqlx::Error::Decode(error.to_string().into()))
}

pub(super) async fn account_named(conn: &mut AnyConnection, username: &str) -> sqlx::Result<Option<Account>> {
    let row = sqlx::query(
        "select id, username, role, status, full_name, email, created_at, last_login_at from account \
         where username = ? and deleted_at is null",
    )
    .bind(username)
    .fetch_optional(conn)
    .await?;
    row.as_ref().map(account).transpose()
}

pub(super) async fn lock_account(tx: &mut Tx, id: AccountId) -> sqlx::Result<Option<Account>> {
    let text = "select id, username, role, status, full_name, email, created_at, last_login_at from account \
                where id = ? and deleted_at is null";
    let row = sqlx::query(tx.dialect.locking(text, Lock::Wait)).bind(id.to_string()).fetch_optional(&mut **tx).await?;
    row.as_ref().map(account).transpose()
}

/// The name of an account, also when it was deleted.
pub async fn username_of(conn: &mut AnyConnection, id: AccountId) -> sqlx::Result<Option<String>> {
    let row =
        sqlx::query("select username from account where id = ?").bind(id.to_string()).fetch_optional(conn).await?;
    row.map(|row| row.try_get(0)).transpose()
}

/// The account and what is kept of its password.
pub(super) async fn credentials(
    conn: &mut AnyConnection,
    username: &str,
) -> sqlx::Result<Option<(Account, Option<String>)>> {
    let row = sqlx::query(
        "select id, username, role, status, full_name, email, created_at, last_login_at, password_hash from account \
         where username = ? and deleted_at is null",
    )
    .bind(username)
    .fetch_optional(conn)
    .await?;
    row.map(|row| Ok((account(&row)?, row.try_get(8)?))).transpose()
}

pub(super) async fn list_accounts(
    conn: &mut AnyConnection,
    search: Option<&str>,
    after: Option<&str>,
    limit: u32,
) -> sqlx::Result<Vec<Account>> {
    let mut conditions = vec!["deleted_at is null"];
    if search.is_some() {
        conditions.push("(username like ? or full_name like ? or email like ?)");
    }
    if after.is_some() {
        conditions.push("? < username");
    }
    let text = "select id, username, role, status, full_name, email, created_at, last_login_at from account \
                where {} order by username limit ?";
    let mut query = sqlx::query(with_conditions(text, &conditions));
    if let Some(search) = search {
        let pattern = format!("%{search}%");
        query = query.bind(pattern.clone()).bind(pattern.clone()).bind(pattern);
    }
    if let Some(after) = after {
        query = query.bind(after);
    }
    query.bind(i64::from(limit)).fetch_all(conn).await?.iter().map(account).collect()
}

pub(super) async fn insert_account(tx: &mut Tx, new: &Account, password_hash: Option<&str>) -> sqlx::Result<()> {
    let now = tx.now;
    sqlx::query(
        "insert into account (id, username, password_hash, role, status, full_name, email, created_at, updated_at, \
         password_changed_at, failed_logins) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
    )
    .bind(new.id.to_string())
    .bind(&new.username)
    .bind(password_hash)
    .bind(new.role.word())
    .bind(new.status.word())
    .bind(&new.full_name)
    .bind(&new.email)
    .bind(new.created_at)
    .bind(now)
    .bind(now)
    .execute(&mut **tx)
    .await
    .map(drop)
}

pub(super) async fn update_account(tx: &mut Tx, changed: &Account) -> sqlx::Result<()> {
    let now = tx.now;
    sqlx::query("update account set role = ?, status = ?, full_name = ?, email = ?, updated_at = ? where id = ?")
        .bind(changed.role.word())
        .bind(changed.status.word())
        .bind(&changed.full_name)
        .bind(&changed.email)
        .bind(now)
        .bind(changed.id.to_string())
        .execute(&mut **tx)
        .await
        .map(drop)
}

pub(super) async fn set_password(tx: &mut Tx, id: AccountId, hash: &str) -> sqlx::Result<()> {
    let now = tx.now;
    sqlx::query(
        "update account set password_hash = ?, password_changed_at = ?, failed_logins = 0, updated_at = ? where id = ?",
    )
    .bind(hash)
    .bind(now)
    .bind(now)
    .bind(id.to_string())
    .execute(&mut **tx)
    .await
    .map(drop)
}

pub(super) async fn count_failure(tx: &mut Tx, id: AccountId) -> sqlx::Result<()> {
    let now = tx.now;
    sqlx::query("update account set failed_logins = failed_logins + 1, last_failed_at = ? where id = ?")
        .bind(now)
        .bind(id.to_string())
        .execute(&mut **tx)
        .await
        .map(drop)
}

pub(super) async fn note_login(tx: &mut Tx, id: AccountId) -> sqlx::Result<()> {
    let now = tx.now;
    sqlx::query("update account set failed_logins = 0, last_login_at = ? where id = ?")
        .bind(now)
        .bind(id.to_string())
        .execute(&mut **tx)
        .await
        .map(drop)
}

/// Takes the account away: nothing proves to be it any more, and its name is free.
pub(super) async fn mark_deleted(tx: &mut Tx, id: AccountId, former_name: &str) -> sqlx::Result<()> {
    let now = tx.now;
    sqlx::query(
        "update account set deleted_at = ?, updated_at = ?, status = 'suspended', password_hash = null, username = ?, \
         full_name = '', email = '' where id = ?",
    )
    .bind(now)
    .bind(now)
    .bind(former_name)
    .bind(id.to_string())
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// The active admins, locked so that two of them cannot remove each other.
pub(super) async fn lock_admins(tx: &mut Tx) -> sqlx::Result<Vec<AccountId>> {
    let text = "select id from account where role = 'admin' and status = 'active' and deleted_at is null";
    let rows = sqlx::query(tx.dialect.locking(text, Lock::Wait)).fetch_all(&mut **tx).await?;
    rows.iter().map(|row| parse(row, 0)).collect()
}

pub(super) async fn any_admin(conn: &mut AnyConnection) -> sqlx::Result<bool> {
    let row = sqlx::query("select id from account where role = 'admin' and deleted_at is null limit 1");
    Ok(row.fetch_optional(conn).await?.is_some())
}

// ---- session

/// A session with its account.
pub(super) struct Session {
    pub id: SessionId,
    pub account: AccountId,
    pub username: String,
    pub role: Role,
    pub status: Status,
    pub refresh_hash: String,
    pub previous_hash: Option<String>,
    pub last_used_at: Millis,
}

/// The session, when it and its account are alive. `for update` when the connection is in a write transaction.
pub(super) async fn session(
    conn: &mut AnyConnection,
    locking: Option<Dialect>,
    id: SessionId,
    now: Millis,
) -> sqlx::Result<Option<Session>> {
    let text = "select session.id, account.id, account.username, account.role, account.status, session.refresh_hash, \
                session.previous_hash, session.last_used_at \
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
    }))
}

pub(super) struct NewSession<'a> {
    pub id: SessionId,
    pub account: AccountId,
    pub refresh_hash: &'a str,
    pub expires_at: Millis,
    pub user_agent: &'a str,
    pub peer: &'a str,
}

pub(super) async fn insert_session(tx: &mut Tx, new: &NewSession<'_>) -> sqlx::Result<()> {
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

pub(super) async fn rotate_session(
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

pub(super) async fn revoke_session(tx: &mut Tx, account: AccountId, id: SessionId) -> sqlx::Result<bool> {
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
pub(super) async fn revoke_sessions(tx: &mut Tx, account: AccountId, spared: Option<SessionId>) -> sqlx::Result<()> {
    let now = tx.now;
    sqlx::query("update session set revoked_at = ? where account_id = ? and revoked_at is null and id <> ?")
        .bind(now)
        .bind(account.to_string())
        .bind(spared.map(|id| id.to_string()).unwrap_or_default())
        .execute(&mut **tx)
        .await
        .map(drop)
}

pub(super) struct SessionRow {
    pub id: String,
    pub created_at: Millis,
    pub last_used_at: Millis,
    pub expires_at: Millis,
    pub user_agent: String,
    pub peer: String,
}

pub(super) async fn list_sessions(
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

pub(super) async fn prune_sessions(tx: &mut Tx, before: Millis) -> sqlx::Result<u64> {
    let done = sqlx::query("delete from session where expires_at < ? or revoked_at < ?")
        .bind(before)
        .bind(before)
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected())
}

// ---- access_token

/// A living access token with its account.
pub(super) struct TokenOwner {
    pub token: String,
    pub account: AccountId,
    pub username: String,
    pub role: Role,
    pub status: Status,
    pub last_used_at: Option<Millis>,
}

pub(super) async fn token_owner(conn: &mut AnyConnection, hash: &str, now: Millis) -> sqlx::Result<Option<TokenOwner>> {
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

pub(super) async fn touch_token(tx: &mut Tx, id: &str) -> sqlx::Result<()> {
    let now = tx.now;
    sqlx::query("update access_token set last_used_at = ? where id = ?")
        .bind(now)
        .bind(id)
        .execute(&mut **tx)
        .await
        .map(drop)
}

pub(super) struct TokenRow {
    pub id: String,
    pub name: String,
    pub created_at: Millis,
    pub expires_at: Option<Millis>,
    pub last_used_at: Option<Millis>,
}

pub(super) async fn list_tokens(
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

pub(super) async fn insert_token(tx: &mut Tx, account: AccountId, new: &TokenRow, hash: &str) -> sqlx::Result<()> {
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

pub(super) async fn revoke_token(tx: &mut Tx, account: AccountId, id: &str) -> sqlx::Result<bool> {
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

pub(super) async fn revoke_tokens(tx: &mut Tx, account: AccountId) -> sqlx::Result<()> {
    let now = tx.now;
    sqlx::query("update access_token set revoked_at = ? where account_id = ? and revoked_at is null")
        .bind(now)
        .bind(account.to_string())
        .execute(&mut **tx)
        .await
        .map(drop)
}

pub(super) async fn prune_tokens(tx: &mut Tx, before: Millis) -> sqlx::Result<u64> {
    let done = sqlx::query("delete from access_token where expires_at < ? or revoked_at < ?")
        .bind(before)
        .bind(before)
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected())
}

// ---- ssh_key

pub(super) struct KeyRow {
    pub id: String,
    pub name: String,
    pub public_key: String,
    pub fingerprint: String,
    pub created_at: Millis,
}

pub(super) async fn list_keys(conn: &mut AnyConnection, account: AccountId) -> sqlx::Result<Vec<KeyRow>> {
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

pub(super) async fn insert_key(tx: &mut Tx, account: AccountId, new: &KeyRow) -> sqlx::Result<()> {
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

pub(super) async fn delete_key(tx: &mut Tx, account: AccountId, id: &str) -> sqlx::Result<bool> {
    let done = sqlx::query("delete from ssh_key where id = ? and account_id = ?")
        .bind(id)
        .bind(account.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn delete_keys(tx: &mut Tx, account: AccountId) -> sqlx::Result<()> {
    sqlx::query("delete from ssh_key where account_id = ?").bind(account.to_string()).execute(&mut **tx).await.map(drop)
}

// ---- one_time_link

pub(super) async fn insert_link(
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
pub(super) async fn spend_links(tx: &mut Tx, account: AccountId) -> sqlx::Result<()> {
    let now = tx.now;
    sqlx::query("update one_time_link set used_at = ? where account_id = ? and used_at is null")
        .bind(now)
        .bind(account.to_string())
        .execute(&mut **tx)
        .await
        .map(drop)
}

/// The account of a link that is unused and young enough.
pub(super) async fn lock_link(tx: &mut Tx, hash: &str) -> sqlx::Result<Option<AccountId>> {
    let now = tx.now;
    let text = "select account_id from one_time_link where token_hash = ? and used_at is null and ? < expires_at";
    let row = sqlx::query(tx.dialect.locking(text, Lock::Wait)).bind(hash).bind(now);
    let row = row.fetch_optional(&mut **tx).await?;
    row.as_ref().map(|row| parse(row, 0)).transpose()
}

pub(super) async fn prune_links(tx: &mut Tx, before: Millis) -> sqlx::Result<u64> {
    let done = sqlx::query("delete from one_time_link where expires_at < ? or used_at < ?")
        .bind(before)
        .bind(before)
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected())
}
