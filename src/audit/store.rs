//! SQL of the `audit` table.

use sqlx::{AnyConnection, Row, any::AnyRow};
use uuid::Uuid;

use super::{
    Entry,
    chain::{Link, Place},
};
use crate::{
    clock::Millis,
    db::{Lock, Tx, with_conditions},
};

/// The row of `audit_chain`.
#[derive(Debug, Clone)]
pub(super) struct Chain {
    /// The last entry that was forgotten.
    pub base: Place,
    /// The last entry that was chained.
    pub head: Place,
    /// Both, sealed.
    pub mark: String,
}

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

const CHAIN: &str = "select base_seq, base_hash, head_seq, head_hash, mark_sealed from audit_chain where id = 1";

fn read_chain(row: &AnyRow) -> sqlx::Result<Chain> {
    Ok(Chain {
        base: Place { seq: row.try_get(0)?, hash: row.try_get(1)? },
        head: Place { seq: row.try_get(2)?, hash: row.try_get(3)? },
        mark: row.try_get(4)?,
    })
}

/// Where the chain begins and ends; none before the first entry was chained.
pub(super) async fn chain(conn: &mut AnyConnection) -> sqlx::Result<Option<Chain>> {
    sqlx::query(CHAIN).fetch_optional(conn).await?.as_ref().map(read_chain).transpose()
}

/// The same, kept from everybody else until the transaction ends.
pub(super) async fn lock_chain(tx: &mut Tx) -> sqlx::Result<Option<Chain>> {
    let select = tx.dialect.locking(CHAIN, Lock::Wait);
    sqlx::query(select).fetch_optional(&mut **tx).await?.as_ref().map(read_chain).transpose()
}

pub(super) async fn insert_chain(tx: &mut Tx, chain: &Chain) -> sqlx::Result<()> {
    sqlx::query(
        "insert into audit_chain (id, base_seq, base_hash, head_seq, head_hash, mark_sealed) values (1, ?, ?, ?, ?, ?)",
    )
    .bind(chain.base.seq)
    .bind(&chain.base.hash)
    .bind(chain.head.seq)
    .bind(&chain.head.hash)
    .bind(&chain.mark)
    .execute(&mut **tx)
    .await
    .map(drop)
}

pub(super) async fn save_chain(tx: &mut Tx, chain: &Chain) -> sqlx::Result<()> {
    sqlx::query(
        "update audit_chain set base_seq = ?, base_hash = ?, head_seq = ?, head_hash = ?, mark_sealed = ? where id = 1",
    )
    .bind(chain.base.seq)
    .bind(&chain.base.hash)
    .bind(chain.head.seq)
    .bind(&chain.head.hash)
    .bind(&chain.mark)
    .execute(&mut **tx)
    .await
    .map(drop)
}

fn read_link(row: &AnyRow) -> sqlx::Result<Link> {
    Ok(Link {
        id: row.try_get(0)?,
        at: row.try_get(1)?,
        actor: row.try_get(2)?,
        action: row.try_get(3)?,
        target: row.try_get(4)?,
        detail: row.try_get(5)?,
        request_id: row.try_get(6)?,
        peer: row.try_get(7)?,
        seq: row.try_get::<Option<i64>, _>(8)?.unwrap_or_default(),
        hash: row.try_get::<Option<String>, _>(9)?.unwrap_or_default(),
    })
}

/// Entries that nobody has chained, by id.
pub(super) async fn unchained(tx: &mut Tx, limit: i64) -> sqlx::Result<Vec<Link>> {
    let rows = sqlx::query(
        "select id, at, actor, action, target, detail, request_id, peer, seq, hash from audit where seq is null \
         order by id limit ?",
    )
    .bind(limit)
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(read_link).collect()
}

pub(super) async fn any_unchained(conn: &mut AnyConnection) -> sqlx::Result<bool> {
    Ok(sqlx::query("select id from audit where seq is null limit 1").fetch_optional(conn).await?.is_some())
}

/// How many entries nobody has chained.
pub async fn count_unchained(conn: &mut AnyConnection) -> sqlx::Result<i64> {
    sqlx::query("select count(*) from audit where seq is null").fetch_one(conn).await?.try_get(0)
}

/// Gives an entry its place; false: it is not there, or has one.
pub(super) async fn chain_entry(tx: &mut Tx, link: &Link) -> sqlx::Result<bool> {
    let done = sqlx::query("update audit set seq = ?, hash = ? where id = ? and seq is null")
        .bind(link.seq)
        .bind(&link.hash)
        .bind(&link.id)
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Chained entries after one number up to another, in their order.
pub(super) async fn links(conn: &mut AnyConnection, after: i64, last: i64, limit: i64) -> sqlx::Result<Vec<Link>> {
    let rows = sqlx::query(
        "select id, at, actor, action, target, detail, request_id, peer, seq, hash from audit \
         where ? < seq and seq <= ? order by seq limit ?",
    )
    .bind(after)
    .bind(last)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.iter().map(read_link).collect()
}

/// The greatest number of all, 0 if there is none.
pub(super) async fn last_chained(conn: &mut AnyConnection) -> sqlx::Result<i64> {
    let row = sqlx::query("select max(seq) from audit").fetch_one(conn).await?;
    Ok(row.try_get::<Option<i64>, _>(0)?.unwrap_or_default())
}

/// The number before the first entry that was written at `before` or later; `head` if there is none.
pub(super) async fn last_before(tx: &mut Tx, before: Millis, head: i64) -> sqlx::Result<i64> {
    let row = sqlx::query("select min(seq) from audit where ? <= at and seq is not null").bind(before);
    let first = row.fetch_one(&mut **tx).await?.try_get::<Option<i64>, _>(0)?;
    Ok(first.map_or(head, |first| first - 1))
}

/// Forgets the entries up to this number; returns how many.
pub(super) async fn forget_up_to(tx: &mut Tx, seq: i64) -> sqlx::Result<u64> {
    Ok(sqlx::query("delete from audit where seq <= ?").bind(seq).execute(&mut **tx).await?.rows_affected())
}

/// The request of the newest entry about `target`; ids tell the order, and no entry is older than `born`.
pub(super) async fn last_request(conn: &mut AnyConnection, target: &str, born: &str) -> sqlx::Result<String> {
    let rows = sqlx::query(
        "select request_id from audit where target = ? and ? <= id and request_id <> '' order by id desc limit 1",
    )
    .bind(target)
    .bind(born)
    .fetch_all(conn)
    .await?;
    rows.first().map_or_else(|| Ok(String::new()), |row| row.try_get(0))
}
