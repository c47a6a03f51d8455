//! SQL of the `event` and `news_read` tables.

use sqlx::{AnyConnection, Row, any::AnyRow};

use super::News;
use crate::{
    clock::Millis,
    db::{Tx, is_taken, with_conditions},
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
    /// Who is told: an account, [`ADMINS`], or nobody in particular, which means everybody.
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

/// In place of an account: all admins, and nobody else.
pub(super) const ADMINS: &str = "admins";

/// One run has hundreds of these; they are for screens that look on, and the run's log says the same.
const NO_PROGRESS: &str = "kind <> 'provision.progress'";

pub(super) async fn insert(tx: &mut Tx, id: EventId, account: Option<&str>, news: &News<'_>) -> sqlx::Result<()> {
    let now = tx.now;
    sqlx::query(
        "insert into event (id, at, kind, account_id, reservation_id, machine, message, data) \
         values (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(id.to_string())
    .bind(now)
    .bind(news.kind)
    .bind(account)
    .bind(news.reservation.map(|reservation| reservation.to_string()))
    .bind(news.machine)
    .bind(news.message)
    .bind(news.data.to_string())
    .execute(&mut **tx)
    .await
    .map(drop)
}

const COLUMNS: &str = "id, at, kind, account_id, reservation_id, machine, message, data";

fn event_row(row: &AnyRow) -> sqlx::Result<EventRow> {
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
    let text = with_conditions(&format!("select {COLUMNS} from event where {{}} order by at, id limit ?"), &conditions);
    let mut query = sqlx::query(text).bind(since).bind(since).bind(after);
    if let Some(account) = seer {
        query = query.bind(account.to_string());
    }
    query.bind(limit).fetch_all(conn).await?.iter().map(event_row).collect()
}

/// A place among the events, in the order of their moments and then their ids.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The moment.
    pub at: Millis,
    /// The id.
    pub id: String,
}

/// What to look back on.
#[derive(Debug, Default)]
pub struct Past<'a> {
    /// Only what this person may see.
    pub seer: Option<AccountId>,
    /// Only about this machine.
    pub machine: Option<&'a str>,
    /// Only about this reservation.
    pub reservation: Option<&'a str>,
    /// Only before this place.
    pub before: Option<&'a Place>,
}

/// What happened, newest first, without the progress of runs.
pub async fn past(conn: &mut AnyConnection, past: &Past<'_>, limit: i64) -> sqlx::Result<Vec<EventRow>> {
    let mut conditions = vec![NO_PROGRESS];
    if past.seer.is_some() {
        conditions.push("(account_id is null or account_id = ?)");
    }
    if past.machine.is_some() {
        conditions.push("machine = ?");
    }
    if past.reservation.is_some() {
        conditions.push("reservation_id = ?");
    }
    if past.before.is_some() {
        conditions.push(BEFORE);
    }
    let text = format!("select {COLUMNS} from event where {{}} order by at desc, id desc limit ?");
    let mut query = sqlx::query(with_conditions(&text, &conditions));
    if let Some(account) = past.seer {
        query = query.bind(account.to_string());
    }
    if let Some(machine) = past.machine {
        query = query.bind(machine);
    }
    if let Some(reservation) = past.reservation {
        query = query.bind(reservation);
    }
    if let Some(place) = past.before {
        query = query.bind(place.at).bind(place.at).bind(place.id.as_str());
    }
    query.bind(limit).fetch_all(conn).await?.iter().map(event_row).collect()
}

/// Takes the moment twice, then the id. The first comparison is the one an index can begin at.
const BEFORE: &str = "at <= ? and (at < ? or id < ?)";
/// The same on the other side.
const AFTER: &str = "? <= at and (? < at or ? < id)";

/// News addressed to `to`, an account or [`ADMINS`], newest first.
pub(super) async fn addressed(
    conn: &mut AnyConnection,
    to: &str,
    after: Option<&Place>,
    before: Option<&Place>,
    limit: i64,
) -> sqlx::Result<Vec<EventRow>> {
    let mut conditions = vec!["account_id = ?", NO_PROGRESS];
    conditions.extend(after.map(|_| AFTER));
    conditions.extend(before.map(|_| BEFORE));
    let text = format!("select {COLUMNS} from event where {{}} order by at desc, id desc limit ?");
    let mut query = sqlx::query(with_conditions(&text, &conditions)).bind(to);
    for place in [after, before].into_iter().flatten() {
        query = query.bind(place.at).bind(place.at).bind(place.id.as_str());
    }
    query.bind(limit).fetch_all(conn).await?.iter().map(event_row).collect()
}

/// How many news addressed to `to` came after a place; counts no further than `most`.
pub(super) async fn count_addressed(
    conn: &mut AnyConnection,
    to: &str,
    after: Option<&Place>,
    most: i64,
) -> sqlx::Result<i64> {
    let mut conditions = vec!["account_id = ?", NO_PROGRESS];
    conditions.extend(after.map(|_| AFTER));
    let text = "select count(*) from (select id from event where {} limit ?) found";
    let mut query = sqlx::query(with_conditions(text, &conditions)).bind(to);
    if let Some(place) = after {
        query = query.bind(place.at).bind(place.at).bind(place.id.as_str());
    }
    query.bind(most).fetch_one(conn).await?.try_get(0)
}

/// Where an event stands, if this person may see it.
pub(super) async fn place_of(
    conn: &mut AnyConnection,
    id: &str,
    seer: Option<AccountId>,
) -> sqlx::Result<Option<Place>> {
    let mut conditions = vec!["id = ?"];
    if seer.is_some() {
        conditions.push("(account_id is null or account_id = ?)");
    }
    let mut query = sqlx::query(with_conditions("select at, id from event where {}", &conditions)).bind(id);
    if let Some(account) = seer {
        query = query.bind(account.to_string());
    }
    let row = query.fetch_optional(conn).await?;
    row.map(|row| Ok(Place { at: row.try_get(0)?, id: row.try_get(1)? })).transpose()
}

/// Up to where somebody has read.
pub(super) async fn read_to(conn: &mut AnyConnection, account: AccountId) -> sqlx::Result<Option<Place>> {
    let row = sqlx::query("select read_at, read_id from news_read where account_id = ?")
        .bind(account.to_string())
        .fetch_optional(conn)
        .await?;
    row.map(|row| Ok(Place { at: row.try_get(0)?, id: row.try_get(1)? })).transpose()
}

/// Writes down up to where somebody has read; never moves back.
pub(super) async fn mark_read(tx: &mut Tx, account: AccountId, to: &Place) -> sqlx::Result<()> {
    if move_mark(tx, account, to).await? || read_to(tx, account).await?.is_some() {
        return Ok(());
    }
    let inserted = sqlx::query("insert into news_read (account_id, read_at, read_id) values (?, ?, ?)")
        .bind(account.to_string())
        .bind(to.at)
        .bind(to.id.as_str())
        .execute(&mut **tx)
        .await;
    match inserted {
        // Another window of the same person was faster.
        Err(error) if is_taken(&error) => move_mark(tx, account, to).await.map(drop),
        other => other.map(drop),
    }
}

async fn move_mark(tx: &mut Tx, account: AccountId, to: &Place) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "update news_read set read_at = ?, read_id = ? \
         where account_id = ? and (read_at < ? or (read_at = ? and read_id < ?))",
    )
    .bind(to.at)
    .bind(to.id.as_str())
    .bind(account.to_string())
    .bind(to.at)
    .bind(to.at)
    .bind(to.id.as_str())
    .execute(&mut **tx)
    .await?;
    Ok(0 < done.rows_affected())
}

/// Forgets events from before `until`, and who had read no further.
pub async fn prune(tx: &mut Tx, until: Millis) -> sqlx::Result<u64> {
    sqlx::query("delete from news_read where read_at < ?").bind(until).execute(&mut **tx).await?;
    Ok(sqlx::query("delete from event where at < ?").bind(until).execute(&mut **tx).await?.rows_affected())
}
