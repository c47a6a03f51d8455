//! Looking back: what happened, and what of it was addressed to whoever asks.

use axum::{extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::EventView;
use crate::{
    accounts::Actor,
    ctx::Ctx,
    http::{Json, List, Page, Problem, ProblemBody, Query},
    notifications::{
        self,
        store::{self, EventRow, Past, Place},
    },
};

pub(super) fn routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new()
        .routes(routes!(list_history))
        .routes(routes!(list_notifications))
        .routes(routes!(read_notifications))
}

/// Which part of the past.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct HistoryFilter {
    /// Only about this machine.
    machine: Option<String>,
    /// Only about this reservation.
    reservation: Option<String>,
    /// Most items of the answer, 1 to 500; 50 unless given.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// What happened, newest first: what `/api/events` would have shown, but for the progress of runs.
///
/// Events are kept for a week. What a run did step by step is in its log.
#[utoipa::path(get, path = "/api/history", tag = "events", params(HistoryFilter), responses(
    (status = 200, body = List<EventView>), (status = 422, body = ProblemBody)))]
async fn list_history(
    State(ctx): State<Ctx>,
    actor: Actor,
    Query(filter): Query<HistoryFilter>,
) -> Result<Json<List<EventView>>, Problem> {
    let page = Page { limit: filter.limit, cursor: filter.cursor };
    let (limit, before) = (page.limit()?, place(&page)?);
    let past = Past {
        seer: (!actor.is_admin()).then_some(actor.id),
        machine: filter.machine.as_deref(),
        reservation: filter.reservation.as_deref(),
        before: before.as_ref(),
    };
    let rows = store::past(&mut *ctx.db.read().await?, &past, i64::from(limit) + 1).await?;
    Ok(Json(List::new(rows, limit, cursor).map(EventView::from)))
}

/// An event that was addressed to somebody, and whether it was read.
#[derive(Debug, Serialize, ToSchema)]
pub struct NotificationView {
    #[serde(flatten)]
    event: EventView,
    /// Whether it counts as read.
    read: bool,
}

/// News addressed to whoever asks.
#[derive(Debug, Serialize, ToSchema)]
pub struct Notifications {
    /// What is on this page.
    items: Vec<NotificationView>,
    /// How many are not read, whatever the page shows; counted up to 100.
    unread: i64,
    /// Give it as `cursor` to get the next page; null at the end.
    next_cursor: Option<String>,
}

/// Which news.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct NotificationFilter {
    /// `1`: only those that are not read.
    unread: Option<String>,
    /// Most items of the answer, 1 to 500; 50 unless given.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// News addressed to whoever asks, newest first. Admins are also told of machines that were set aside and of accounts
/// that wait for one of them.
#[utoipa::path(get, path = "/api/notifications", tag = "events", params(NotificationFilter), responses(
    (status = 200, body = Notifications), (status = 422, body = ProblemBody)))]
async fn list_notifications(
    State(ctx): State<Ctx>,
    actor: Actor,
    Query(filter): Query<NotificationFilter>,
) -> Result<Json<Notifications>, Problem> {
    let page = Page { limit: filter.limit, cursor: filter.cursor };
    let (limit, before) = (page.limit()?, place(&page)?);
    let only_unread = matches!(filter.unread.as_deref(), Some("1" | "true"));
    let mut conn = ctx.db.read().await?;
    let mail = notifications::mail(&mut conn, &actor, only_unread, before.as_ref(), i64::from(limit) + 1).await?;
    let page = List::new(mail.rows, limit, cursor).map(|row| NotificationView {
        read: mail.read_to.as_ref().is_some_and(|read| place_of(&row) <= *read),
        event: row.into(),
    });
    Ok(Json(Notifications { items: page.items, unread: mail.unread, next_cursor: page.next_cursor }))
}

/// Up to where news were read.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadNotifications {
    /// The id of an event: this one and all before it count as read from now on.
    up_to: String,
}

/// Counts news up to an event as read. What was read stays read.
#[utoipa::path(post, path = "/api/notifications/read", tag = "events", request_body = ReadNotifications, responses(
    (status = 204), (status = 404, body = ProblemBody), (status = 422, body = ProblemBody)))]
async fn read_notifications(
    State(ctx): State<Ctx>,
    actor: Actor,
    Json(body): Json<ReadNotifications>,
) -> Result<StatusCode, Problem> {
    if !notifications::mark_read(&ctx, &actor, &body.up_to).await? {
        let id: String = body.up_to.chars().take(40).collect();
        return Err(Problem::not_found(format!("there is no event `{id}`; events are kept for a week")));
    }
    Ok(StatusCode::NO_CONTENT)
}

fn place_of(row: &EventRow) -> Place {
    Place { at: row.at, id: row.id.clone() }
}

fn cursor(row: &EventRow) -> String {
    format!("{}:{}", row.at, row.id)
}

/// The place a page begins after.
fn place(page: &Page) -> Result<Option<Place>, Problem> {
    let Some(text) = page.after()? else { return Ok(None) };
    let parts = text.split_once(':').and_then(|(at, id)| Some(Place { at: at.parse().ok()?, id: id.to_owned() }));
    let strange = || Problem::invalid("invalid-cursor", "/cursor", "the cursor is not one of ours");
    parts.map(Some).ok_or_else(strange)
}
