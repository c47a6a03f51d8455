//! SQL over the tables of all slices: sealed columns, and what a restore puts right.

use sqlx::{AnyConnection, Row};

use super::secrets::{Place, Sealed};
use crate::{
    clock::Millis,
    db::{Tx, keyed},
};

/// Secrets of one column, in the order of their rows, after the row with this key.
pub(super) async fn sealed(
    conn: &mut AnyConnection,
    place: &Place,
    after: Option<&Vec<String>>,
    limit: i64,
) -> sqlx::Result<Vec<Sealed>> {
    let mut query = sqlx::query(keyed::page(place.table, place.column, place.key, after.is_some()));
    if let Some(after) = after {
        for value in keyed::after(after) {
            query = query.bind(value.to_owned());
        }
    }
    let rows = query.bind(limit).fetch_all(conn).await?;
    rows.iter()
        .map(|row| {
            let key = (1..=place.key.len()).map(|at| row.try_get(at)).collect::<sqlx::Result<Vec<String>>>()?;
            Ok(place.sealed(key, row.try_get(0)?))
        })
        .collect()
}

/// Puts a text sealed anew in the place of the one that was read. False: somebody changed it meanwhile.
pub(super) async fn reseal(tx: &mut Tx, place: &Place, sealed: &Sealed, fresh: &str) -> sqlx::Result<bool> {
    let mut query = sqlx::query(keyed::swap(place.table, place.column, place.key)).bind(fresh.to_owned());
    query = query.bind(sealed.text.clone());
    for value in &sealed.key {
        query = query.bind(value.clone());
    }
    Ok(query.execute(&mut **tx).await?.rows_affected() == 1)
}

/// How many processes said since then that they are alive.
pub(super) async fn alive(conn: &mut AnyConnection, since: Millis) -> sqlx::Result<i64> {
    sqlx::query("select count(*) from heartbeat where ? <= at").bind(since).fetch_one(conn).await?.try_get(0)
}

/// What was going on when the backup was made is not going on any more: claims, sessions, terminals, runs.
pub(super) async fn nothing_goes_on(tx: &mut Tx) -> sqlx::Result<()> {
    let now = tx.now;
    for text in [
        "update run set state = 'lost', finished_at = ? where state = 'running'",
        "update terminal set closed_at = ?, reason = 'released' where closed_at is null",
        "update session set revoked_at = ? where revoked_at is null",
        "update job set claimed_by = null, claimed_until = null, attempts = 0 where ? is not null",
    ] {
        sqlx::query(text).bind(now).execute(&mut **tx).await?;
    }
    sqlx::query("delete from terminal_ticket").execute(&mut **tx).await?;
    Ok(())
}
