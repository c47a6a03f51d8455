//! SQL of the `event` table.

use sqlx::{AnyConnection, Row};

use super::News;
use crate::{
    clock::Millis,
    db::{Tx, with_conditions},
    ids::{AccountId, EventId},
};

/// An event, as stored.
#[derive(Debug, Clone)]
pub struct EventRow {
    /// Its id; later events have greater ones, but for a race of some milliseconds.
    pub id: String,
    /// When.
    pub at: Millis,
    /// What happened.
    pub kind: String,
    /// Who is told; nobody in particular means everybody.
    pub account_id: Option<String>,
    /// Which reservation it is about.
    pub reservation_id: Option<String>,
    /// Which machine it is about.
    pub machine: Option<String>,
    /// One sentence for people.
    pub message: String,
    /// JSON for programs.
    pub data: String,
}

pub(super) async fn insert(tx: &mut Tx, id: EventId, news: &News<'_>) -> sqlx::Result<()> {
    let now = tx.now;
    sqlx::query(
        "insert into event (id, at, kind, account_id, reservation_id, machine, message, data) \
         values (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(id.to_string())
    .bind(now)
    .bind(news.kind)
    .bind(news.account.map(|account| account.to_string()))
    .bind(news.reservation.map(|reservation| reservation.to_string()))
    .bind(news.machine)
    .bind(news.message)
    .bind(news.data.to_string())
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Events from `since` on, oldest first: all, or those one person may see. Of the first millisecond only those whose
/// id is greater than `after`.
pub async fn since(
    conn: &mut AnyConnection,
    since: Millis,
    after: &str,
    seer: Option<AccountId>,
    limit: i64,
) -> sqlx::Result<Vec<EventRow>> {
    let mut conditions = vec!["? <= at", "(? < at or ? < id)"];
    if seer.is_some() {
        conditions.push("(account_id is null or account_id = ?)");
    }
    let text = with_conditions(
        "select id, at, kind, account_id, reservation_id, machine, message, data from event where {} \
         order by at, id limit ?",
        &conditions,
    );
    let mut query = sqlx::query(text).bind(since).bind(since).bind(after);
    if let Some(account) = seer {
        query = query.bind(account.to_string());
    }
    let rows = query.bind(limit).fetch_all(conn).await?;
    rows.iter()
        .map(|row| {
            Ok(EventRow {
                id: row.try_get(0)?,
                at: row.try_get(1)?,
                kind: row.try_get(2)?,
                account_id: row.try_get(3)?,
                reservation_id: row.try_get(4)?,
                machine: row.try_get(5)?,
                message: row.try_get(6)?,
                data: row.try_get(7)?,
            })
        })
        .collect()
}

/// Forgets events from before `until`.
pub async fn prune(tx: &mut Tx, until: Millis) -> sqlx::Result<u64> {
    Ok(sqlx::query("delete from event where at < ?").bind(until).execute(&mut **tx).await?.rows_affected())
}
