//! SQL of the `audit` table.

use sqlx::{AnyConnection, Row};
use uuid::Uuid;

use super::Entry;
use crate::{
    clock::Millis,
    db::{Tx, with_conditions},
};

pub(super) struct Record {
    pub id: String,
    pub at: Millis,
    pub actor: String,
    pub action: String,
    pub target: String,
    pub detail: String,
    pub request_id: String,
    pub peer: String,
}

pub(super) struct Filter<'a> {
    pub actor: Option<&'a str>,
    pub action: Option<&'a str>,
    pub since: Option<Millis>,
    pub before: Option<&'a str>,
}

pub(super) async fn insert(tx: &mut Tx, entry: &Entry<'_>, request_id: &str, peer: &str) -> sqlx::Result<()> {
    let short = |text: &str, most: usize| text.chars().take(most).collect::<String>();
    let now = tx.now;
    sqlx::query(
        "insert into audit (id, at, actor, action, target, detail, request_id, peer) values (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(Uuid::now_v7().to_string())
    .bind(now)
    .bind(short(entry.actor, 64))
    .bind(short(entry.action, 64))
    .bind(short(entry.target, 255))
    .bind(short(entry.detail, 4000))
    .bind(request_id)
    .bind(peer)
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Newest first.
pub(super) async fn list(conn: &mut AnyConnection, filter: &Filter<'_>, limit: u32) -> sqlx::Result<Vec<Record>> {
    let mut conditions = Vec::new();
    if filter.actor.is_some() {
        conditions.push("actor = ?");
    }
    if filter.action.is_some() {
        conditions.push("(action = ? or action like ?)");
    }
    if filter.since.is_some() {
        conditions.push("? <= at");
    }
    if filter.before.is_some() {
        conditions.push("id < ?");
    }
    let text =
        "select id, at, actor, action, target, detail, request_id, peer from audit where {} order by id desc limit ?";
    let mut query = sqlx::query(with_conditions(text, &conditions));
    if let Some(actor) = filter.actor {
        query = query.bind(actor);
    }
    if let Some(action) = filter.action {
        query = query.bind(action).bind(format!("{action}.%"));
    }
    if let Some(since) = filter.since {
        query = query.bind(since);
    }
    if let Some(before) = filter.before {
        query = query.bind(before);
    }
    let rows = query.bind(i64::from(limit)).fetch_all(conn).await?;
    rows.iter()
        .map(|row| {
            Ok(Record {
                id: row.try_get(0)?,
                at: row.try_get(1)?,
                actor: row.try_get(2)?,
                action: row.try_get(3)?,
                target: row.try_get(4)?,
                detail: row.try_get(5)?,
                request_id: row.try_get(6)?,
                peer: row.try_get(7)?,
            })
        })
        .collect()
}

/// Forgets what was done before `before`; returns how many entries.
pub async fn prune(tx: &mut Tx, before: Millis) -> sqlx::Result<u64> {
    let done = sqlx::query("delete from audit where at < ?").bind(before).execute(&mut **tx).await?;
    Ok(done.rows_affected())
}
