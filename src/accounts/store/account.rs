//! SQL of the `account` table.

use sqlx::{AnyConnection, Row, any::AnyRow};

use super::parse;
use crate::{
    accounts::{Account, Status},
    db::{Lock, Tx, with_conditions},
    ids::AccountId,
};

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

pub(in crate::accounts) async fn account_named(
    conn: &mut AnyConnection,
    username: &str,
) -> sqlx::Result<Option<Account>> {
    let row = sqlx::query(
        "select id, username, role, status, full_name, email, created_at, last_login_at from account \
         where username = ? and deleted_at is null",
    )
    .bind(username)
    .fetch_optional(conn)
    .await?;
    row.as_ref().map(account).transpose()
}

pub(in crate::accounts) async fn lock_account(tx: &mut Tx, id: AccountId) -> sqlx::Result<Option<Account>> {
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

/// The name of an account that waits for an admin; none when it does not, any more.
pub async fn waiting_name(conn: &mut AnyConnection, id: AccountId) -> sqlx::Result<Option<String>> {
    let row = sqlx::query("select username from account where id = ? and status = ? and deleted_at is null")
        .bind(id.to_string())
        .bind(Status::Pending.word())
        .fetch_optional(conn)
        .await?;
    row.map(|row| row.try_get(0)).transpose()
}

/// The account and what is kept of its password.
pub(in crate::accounts) async fn credentials(
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

pub(in crate::accounts) async fn list_accounts(
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

/// Who chose a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::accounts) enum ChosenBy {
    /// The one whose it is.
    Person,
    /// Somebody else, who knows it now: it is to be changed.
    Other,
}

impl ChosenBy {
    fn given_at(self, now: crate::clock::Millis) -> Option<crate::clock::Millis> {
        (self == Self::Other).then_some(now)
    }
}

pub(in crate::accounts) async fn insert_account(
    tx: &mut Tx,
    new: &Account,
    password_hash: Option<&str>,
    by: ChosenBy,
) -> sqlx::Result<()> {
    let now = tx.now;
    sqlx::query(
        "insert into account (id, username, password_hash, role, status, full_name, email, created_at, updated_at, \
         password_changed_at, password_given_at, failed_logins) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
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
    .bind(by.given_at(now))
    .execute(&mut **tx)
    .await
    .map(drop)
}

pub(in crate::accounts) async fn update_account(tx: &mut Tx, changed: &Account) -> sqlx::Result<()> {
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

pub(in crate::accounts) async fn set_password(
    tx: &mut Tx,
    id: AccountId,
    hash: &str,
    by: ChosenBy,
) -> sqlx::Result<()> {
    let now = tx.now;
    sqlx::query(
        "update account set password_hash = ?, password_changed_at = ?, password_given_at = ?, failed_logins = 0, \
         updated_at = ? where id = ?",
    )
    .bind(hash)
    .bind(now)
    .bind(by.given_at(now))
    .bind(now)
    .bind(id.to_string())
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Whether somebody else chose the account's password.
pub(in crate::accounts) async fn has_given_password(conn: &mut AnyConnection, id: AccountId) -> sqlx::Result<bool> {
    let row = sqlx::query("select id from account where id = ? and password_given_at is not null");
    Ok(row.bind(id.to_string()).fetch_optional(conn).await?.is_some())
}

pub(in crate::accounts) async fn count_failure(tx: &mut Tx, id: AccountId) -> sqlx::Result<()> {
    let now = tx.now;
    sqlx::query("update account set failed_logins = failed_logins + 1, last_failed_at = ? where id = ?")
        .bind(now)
        .bind(id.to_string())
        .execute(&mut **tx)
        .await
        .map(drop)
}

pub(in crate::accounts) async fn note_login(tx: &mut Tx, id: AccountId) -> sqlx::Result<()> {
    let now = tx.now;
    sqlx::query("update account set failed_logins = 0, last_login_at = ? where id = ?")
        .bind(now)
        .bind(id.to_string())
        .execute(&mut **tx)
        .await
        .map(drop)
}

/// Takes the account away: nothing proves to be it any more, and its name is free.
pub(in crate::accounts) async fn mark_deleted(tx: &mut Tx, id: AccountId, former_name: &str) -> sqlx::Result<()> {
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
pub(in crate::accounts) async fn lock_admins(tx: &mut Tx) -> sqlx::Result<Vec<AccountId>> {
    let text = "select id from account where role = 'admin' and status = 'active' and deleted_at is null";
    let rows = sqlx::query(tx.dialect.locking(text, Lock::Wait)).fetch_all(&mut **tx).await?;
    rows.iter().map(|row| parse(row, 0)).collect()
}

pub(in crate::accounts) async fn any_admin(conn: &mut AnyConnection) -> sqlx::Result<bool> {
    let row = sqlx::query("select id from account where role = 'admin' and deleted_at is null limit 1");
    Ok(row.fetch_optional(conn).await?.is_some())
}
