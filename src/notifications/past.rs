//! What was addressed to somebody, and how far it was read.

use sqlx::AnyConnection;

use super::store::{self, ADMINS, EventRow, Place};
use crate::{accounts::Actor, ctx::Ctx};

/// Unread news are counted no further.
const MOST_UNREAD: i64 = 100;

/// A page of somebody's news.
#[derive(Debug)]
pub struct Mail {
    /// Newest first.
    pub rows: Vec<EventRow>,
    /// How many are not read, on whatever page; counted up to 100.
    pub unread: i64,
    /// Up to where they were read.
    pub read_to: Option<Place>,
}

/// News addressed to `actor`, for an admin also those for the admins, newest first.
pub async fn mail(
    conn: &mut AnyConnection,
    actor: &Actor,
    only_unread: bool,
    before: Option<&Place>,
    limit: i64,
) -> sqlx::Result<Mail> {
    let read_to = store::read_to(conn, actor.id).await?;
    let own = actor.id.to_string();
    let boxes: &[&str] = if actor.is_admin() { &[&own, ADMINS] } else { &[&own] };
    let (mut rows, mut unread) = (Vec::new(), 0);
    // One index leads to one box in its order; both in one statement would be sorted whole.
    for to in boxes {
        let after = read_to.as_ref().filter(|_| only_unread);
        rows.extend(store::addressed(conn, to, after, before, limit).await?);
        unread += store::count_addressed(conn, to, read_to.as_ref(), MOST_UNREAD).await?;
    }
    rows.sort_by(|a, b| (b.at, &b.id).cmp(&(a.at, &a.id)));
    rows.truncate(usize::try_from(limit).unwrap_or_default());
    Ok(Mail { rows, unread: unread.min(MOST_UNREAD), read_to })
}

/// Counts all up to this event as read. False: there is no such event, as far as `actor` may see.
pub async fn mark_read(ctx: &Ctx, actor: &Actor, up_to: &str) -> sqlx::Result<bool> {
    let mut tx = ctx.db.begin_write().await?;
    let seer = (!actor.is_admin()).then_some(actor.id);
    let Some(place) = store::place_of(&mut tx, up_to, seer).await? else { return Ok(false) };
    store::mark_read(&mut tx, actor.id, &place).await?;
    ctx.commit(tx).await?;
    Ok(true)
}
