//! Events as a stream (SSE), or as a list for those who poll.

mod past;

use std::{collections::VecDeque, convert::Infallible, time::Duration};

use axum::{
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

pub use self::past::{NotificationView, Notifications};
use super::store::{self, EventRow};
use crate::{
    accounts::{self, Actor},
    clock::{Millis, rfc3339},
    ctx::Ctx,
    http::{Json, List, Problem, Query},
    ids::AccountId,
};

/// The routes.
pub fn routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new().routes(routes!(follow_events)).merge(past::routes())
}

/// Transactions that overlap may commit out of order; so far back a stream looks again, and leaves out what it sent.
const OVERLAP: Millis = 3000;
/// How long a stream waits for this process's news before it looks for other processes'.
const LOOK: Duration = Duration::from_secs(1);
/// The least pause between two looks, however much happens.
const BREATH: Duration = Duration::from_millis(100);
/// How long a stream goes on before its token is looked at again.
const TRUST: Duration = Duration::from_secs(10);
/// Most events of one look.
const BATCH: i64 = 500;
/// Most looks of one poll. It begins a little before what its caller saw last, and must get beyond that.
const MOST_LOOKS: usize = 20;
/// How many ids a stream remembers.
const MEMORY: usize = 4096;

/// Something that happened.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct EventView {
    /// Its id, for `Last-Event-ID`.
    id: String,
    /// When.
    at: String,
    /// What: `reservation.active`, `machine.state`, …
    kind: String,
    /// The reservation it is about.
    reservation_id: Option<String>,
    /// The machine it is about.
    machine: Option<String>,
    /// In words.
    message: String,
    /// More, by kind.
    #[schema(value_type = Object)]
    data: serde_json::Value,
}

impl From<EventRow> for EventView {
    fn from(row: EventRow) -> Self {
        Self {
            id: row.id,
            at: rfc3339(row.at),
            kind: row.kind,
            reservation_id: row.reservation_id,
            machine: row.machine,
            message: row.message,
            data: serde_json::from_str(&row.data).unwrap_or_default(),
        }
    }
}

/// How to follow.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Following {
    /// `1`: answer at once with a list, instead of a stream.
    poll: Option<String>,
    /// Only events after the one with this id.
    after: Option<String>,
}

/// Follow what happens to one's reservations and to the pool.
///
/// A stream of server-sent events. After a cut, send `Last-Event-ID` (browsers do): nothing is lost, and what comes
/// twice has the same id.
#[utoipa::path(get, path = "/api/events", tag = "events", params(Following), responses(
    (status = 200, body = List<EventView>, description = "with `poll=1`; else `text/event-stream`")))]
async fn follow_events(
    State(ctx): State<Ctx>,
    actor: Actor,
    headers: HeaderMap,
    Query(following): Query<Following>,
) -> Result<Response, Problem> {
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let after = match last.or(following.after) {
        Some(text) => Some(
            Uuid::parse_str(&text)
                .map_err(|_| Problem::invalid("invalid-event-id", "/after", "`after` is not the id of an event"))?,
        ),
        None => None,
    };
    let seer = (!actor.is_admin()).then_some(actor.id);
    let now = {
        let mut conn = ctx.db.read().await?;
        ctx.db.now(&mut conn).await?
    };
    let token = bearer(&headers).unwrap_or_default().to_owned();
    let mut feed = Feed::new(ctx, token, seer, after, now);
    if matches!(following.poll.as_deref(), Some("1" | "true")) {
        let mut rows = Vec::new();
        for _ in 0..MOST_LOOKS {
            rows.extend(feed.look().await?);
            if feed.read_to.is_empty() {
                break;
            }
        }
        let items: Vec<EventView> = rows.into_iter().map(EventView::from).collect();
        let next_cursor = items.last().map(|event| event.id.clone());
        return Ok(Json(List { items, next_cursor }).into_response());
    }
    feed.counted = Some(Counted::new());
    let events =
        stream::unfold(
            feed,
            |mut feed| async move { feed.next().await.map(|event| (Ok::<_, Infallible>(event), feed)) },
        );
    let keep_alive = KeepAlive::new().interval(Duration::from_secs(15)).text("alive");
    let mut response = Sse::new(events).keep_alive(keep_alive).into_response();
    // A proxy that gathers a stream before it passes it on would hold events back.
    response.headers_mut().insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(response)
}

/// The token the request came with.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get("authorization")?.to_str().ok()?.strip_prefix("Bearer ")
}

/// One person's view of the events from some moment on.
struct Feed {
    ctx: Ctx,
    token: String,
    known_until: Instant,
    seer: Option<AccountId>,
    since: Millis,
    /// Of the millisecond `since` those up to this id were read.
    read_to: String,
    sent: VecDeque<String>,
    waiting: VecDeque<EventRow>,
    counted: Option<Counted>,
}

/// Counts a stream as long as it is open.
struct Counted;

impl Counted {
    fn new() -> Self {
        metrics::gauge!("berth_event_streams_open").increment(1.0);
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        metrics::gauge!("berth_event_streams_open").decrement(1.0);
    }
}

impl Feed {
    fn new(ctx: Ctx, token: String, seer: Option<AccountId>, after: Option<Uuid>, now: Millis) -> Self {
        let (since, sent) = match after {
            Some(id) => (born(id).unwrap_or(now).saturating_sub(OVERLAP), VecDeque::from([id.to_string()])),
            None => (now, VecDeque::new()),
        };
        Self {
            ctx,
            token,
            known_until: Instant::now() + TRUST,
            seer,
            since,
            read_to: String::new(),
            sent,
            waiting: VecDeque::new(),
            counted: None,
        }
    }

    /// The next event, when there is one; none when the person may not look any more.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(row) = self.waiting.pop_front() {
                let view = EventView::from(row);
                return Some(
                    Event::default().id(view.id.clone()).event(view.kind.clone()).json_data(view).unwrap_or_default(),
                );
            }
            let ctx = self.ctx.clone();
            let news = ctx.news.notified();
            match self.look().await {
                Ok(rows) => self.waiting.extend(rows),
                // The client comes again with the last id it saw.
                Err(_) => return None,
            }
            if self.waiting.is_empty() {
                let _ = tokio::time::timeout(LOOK, news).await;
                tokio::time::sleep(BREATH).await;
                if self.known_until <= Instant::now() {
                    // A session that ended, a suspended account or an expired token ends the stream, too.
                    accounts::authenticate(&self.ctx, &self.token).await.ok()?;
                    self.known_until = Instant::now() + TRUST;
                }
            }
        }
    }

    /// What has not been sent yet.
    async fn look(&mut self) -> sqlx::Result<Vec<EventRow>> {
        let rows = {
            let mut conn = self.ctx.db.read().await?;
            store::since(&mut conn, self.since, &self.read_to, self.seer, BATCH).await?
        };
        let full = i64::try_from(rows.len()) == Ok(BATCH);
        if let Some(last) = rows.last() {
            // A full look may end in the middle of a moment; it must still get ahead.
            (self.since, self.read_to) = if full {
                (last.at, last.id.clone())
            } else {
                (self.since.max(last.at.saturating_sub(OVERLAP)), String::new())
            };
        }
        let fresh: Vec<EventRow> = rows.into_iter().filter(|row| !self.sent.contains(&row.id)).collect();
        self.sent.extend(fresh.iter().map(|row| row.id.clone()));
        let surplus = self.sent.len().saturating_sub(MEMORY);
        self.sent.drain(..surplus);
        Ok(fresh)
    }
}

/// The moment in a `UUIDv7`.
fn born(id: Uuid) -> Option<Millis> {
    let (seconds, nanos) = id.get_timestamp()?.to_unix();
    i64::try_from(seconds).ok()?.checked_mul(1000)?.checked_add(i64::from(nanos / 1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_id_tells_its_moment() {
        let before = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
        let at = born(Uuid::now_v7()).unwrap();
        assert!((before..before + 10_000).contains(&at));
        assert_eq!(born(Uuid::nil()), None);
    }
}
