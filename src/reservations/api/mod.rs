//! Routes of reservations.

mod pools;
mod quick;
mod views;

use std::time::Duration;

use axum::{
    extract::{Path, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

pub use self::views::{PlaceView, ReservationView};
use super::{Error, Labels, Minutes, Request, moment, store};
use crate::{
    accounts::Actor,
    ctx::Ctx,
    http::{FieldError, Idempotency, Json, List, Page, Problem, Query},
    ids::LeaseId,
    leases::LeaseState,
};

/// The routes.
pub fn routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new()
        .routes(routes!(list_reservations, create_reservation))
        .routes(routes!(show_reservation, release_reservation))
        .routes(routes!(extend_reservation))
        .merge(quick::routes())
        .merge(pools::routes())
}

/// A number of minutes, or a text like `90m`, `2h`, `1d`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum DurationText {
    /// Minutes.
    Number(serde_json::Number),
    /// A text with a unit.
    Text(String),
}

impl DurationText {
    fn parse(&self) -> Result<Minutes, Problem> {
        let text = match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        };
        Minutes::parse(&text).map_err(|error| Problem::invalid("invalid-duration", "/duration", error))
    }
}

/// What to book.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateReservation {
    /// How many machines.
    #[schema(example = 2, minimum = 1)]
    count: i64,
    /// For how long, from when the accounts exist.
    #[schema(value_type = String, example = "90m")]
    duration: DurationText,
    /// Labels every machine must have.
    #[serde(default)]
    labels: Labels,
    /// From which pool; the default one unless given.
    #[serde(default)]
    pool: Option<String>,
    /// Not before this moment (RFC 3339).
    #[serde(default)]
    starts_at: Option<String>,
    /// Stand in line when too few machines are free.
    #[serde(default)]
    wait: bool,
    /// A key for this reservation, besides those of the profile.
    #[serde(default)]
    ssh_public_key: Option<String>,
    /// A password for the accounts. Without it, and without any key, Berth makes one and shows it once.
    #[serde(default)]
    reservation_password: Option<String>,
}

impl std::fmt::Debug for CreateReservation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreateReservation")
            .field("count", &self.count)
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}

impl CreateReservation {
    fn read(self) -> Result<Request, Problem> {
        Ok(Request {
            count: self.count,
            duration: self.duration.parse()?,
            labels: self.labels,
            pool: self.pool,
            starts_at: self.starts_at.as_deref().map(moment).transpose()?,
            wait: self.wait,
            ssh_public_key: self.ssh_public_key,
            password: self.reservation_password,
        })
    }
}

/// By how much to extend.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExtendReservation {
    /// Added to the end.
    #[schema(value_type = String, example = "30m")]
    duration: DurationText,
}

/// Which reservations to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReservationFilter {
    /// `live` for those that are not over, `ended` for those that are, or a state.
    state: Option<String>,
    /// Everybody's, for admins: `1`.
    all: Option<String>,
    /// Most items of the answer.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

fn id_of(text: &str) -> Result<LeaseId, Error> {
    text.parse().map_err(|_| Error::NotFound(text.chars().take(40).collect()))
}

/// List reservations, newest first.
#[utoipa::path(get, path = "/api/reservations", tag = "reservations", params(ReservationFilter), responses((status = 200, body = List<ReservationView>)))]
async fn list_reservations(
    State(ctx): State<Ctx>,
    actor: Actor,
    Query(filter): Query<ReservationFilter>,
) -> Result<Json<List<ReservationView>>, Problem> {
    let page = Page { limit: filter.limit, cursor: filter.cursor };
    let (limit, before) = (page.limit()?, page.after()?);
    let all = match filter.all.as_deref() {
        Some("1" | "true") if actor.is_admin() => true,
        Some("1" | "true") => return Err(Problem::forbidden("only admins see everybody's reservations")),
        _ => false,
    };
    let (live, ended) = (filter.state.as_deref() == Some("live"), filter.state.as_deref() == Some("ended"));
    let state = filter.state.as_deref().filter(|_| !live && !ended);
    if let Some(state) = state {
        state.parse::<LeaseState>().map_err(|error| Problem::invalid("invalid-state", "/state", error))?;
    }
    let mut conn = ctx.db.read().await?;
    let chosen = store::Filter { account: (!all).then_some(actor.id), state, live, ended, before: before.as_deref() };
    let rows = store::list(&mut conn, &chosen, i64::from(limit) + 1).await?;
    let page = List::new(rows, limit, |row| row.id().to_string());
    let next_cursor = page.next_cursor;
    let mut items = Vec::with_capacity(page.items.len());
    for reservation in page.items {
        items.push(views::view(&ctx, &mut conn, reservation).await?);
    }
    Ok(Json(List { items, next_cursor }))
}

/// Book machines: all that are asked for, or none.
///
/// Answers 202 with the reservation as it stands, or, with `Prefer: wait=SECONDS`, waits until the accounts exist (201).
#[utoipa::path(post, path = "/api/reservations", tag = "reservations", request_body = CreateReservation, responses(
    (status = 201, body = ReservationView, description = "the accounts exist"),
    (status = 202, body = ReservationView, description = "accepted; follow it at `Location`"),
    (status = 409, body = crate::http::ProblemBody, description = "too few machines are free"),
    (status = 422, body = crate::http::ProblemBody, description = "the request cannot be met")))]
async fn create_reservation(
    State(ctx): State<Ctx>,
    actor: Actor,
    headers: HeaderMap,
    idempotency: Idempotency,
    Json(body): Json<CreateReservation>,
) -> Result<Response, Problem> {
    let patience = patience(&headers);
    let (context, account, request) = (ctx.clone(), actor.id, body.clone().read()?);
    let work = async move {
        let booked = super::book(&context, &actor, request).await?;
        let mut view = match patience {
            Some(patience) => wait_until_settled(&context, booked.id, patience).await?,
            None => views::show(&context, booked.id).await?,
        };
        view.password = booked.password;
        let status = if view.state == LeaseState::Active.as_str() { StatusCode::CREATED } else { StatusCode::ACCEPTED };
        let place = HeaderValue::from_str(&format!("/api/reservations/{}", booked.id)).map_err(Problem::internal)?;
        let mut response = (status, [(header::LOCATION, place)], Json(view)).into_response();
        if let Some(patience) = patience {
            let applied = HeaderValue::from_str(&format!("wait={}", patience.as_secs())).map_err(Problem::internal)?;
            response.headers_mut().insert(HeaderName::from_static("preference-applied"), applied);
        }
        Ok::<_, Problem>(response)
    };
    Ok(idempotency.run(&ctx, account, &body, work).await)
}

/// One reservation.
#[utoipa::path(get, path = "/api/reservations/{id}", tag = "reservations", params(("id" = String, Path)), responses(
    (status = 200, body = ReservationView), (status = 404, body = crate::http::ProblemBody)))]
async fn show_reservation(
    State(ctx): State<Ctx>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<Json<ReservationView>, Problem> {
    let id = id_of(&id)?;
    let mut conn = ctx.db.read().await?;
    match store::find(&mut conn, id).await? {
        Some(reservation) if reservation.lease.account == actor.id || actor.is_admin() => {
            Ok(Json(views::view(&ctx, &mut conn, reservation).await?))
        }
        _ => Err(Error::NotFound(id.to_string()).into()),
    }
}

/// Make an active reservation longer.
#[utoipa::path(post, path = "/api/reservations/{id}/extend", tag = "reservations", params(("id" = String, Path)), request_body = ExtendReservation, responses(
    (status = 200, body = ReservationView), (status = 404, body = crate::http::ProblemBody), (status = 409, body = crate::http::ProblemBody)))]
async fn extend_reservation(
    State(ctx): State<Ctx>,
    actor: Actor,
    Path(id): Path<String>,
    Json(body): Json<ExtendReservation>,
) -> Result<Json<ReservationView>, Problem> {
    let id = id_of(&id)?;
    super::extend(&ctx, &actor, id, body.duration.parse()?).await?;
    Ok(Json(views::show(&ctx, id).await?))
}

/// Give the machines back. Asking again changes nothing.
#[utoipa::path(delete, path = "/api/reservations/{id}", tag = "reservations", params(("id" = String, Path)), responses(
    (status = 202, body = ReservationView), (status = 404, body = crate::http::ProblemBody)))]
async fn release_reservation(
    State(ctx): State<Ctx>,
    actor: Actor,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<ReservationView>), Problem> {
    let id = id_of(&id)?;
    super::release(&ctx, &actor, id).await?;
    let view = match patience(&headers) {
        Some(patience) => wait_for(&ctx, id, patience, LeaseState::is_final).await?,
        None => views::show(&ctx, id).await?,
    };
    Ok((StatusCode::ACCEPTED, Json(view)))
}

/// The longest wait a client may ask for.
const LONGEST_WAIT: u64 = 600;

/// `Prefer: wait=SECONDS` (RFC 7240).
fn patience(headers: &HeaderMap) -> Option<Duration> {
    let prefer = headers.get("prefer")?.to_str().ok()?;
    let seconds = prefer.split([',', ';']).find_map(|part| part.trim().strip_prefix("wait=")?.parse::<u64>().ok())?;
    Some(Duration::from_secs(seconds.min(LONGEST_WAIT)))
}

/// Waits until the accounts exist or never will.
async fn wait_until_settled(ctx: &Ctx, id: LeaseId, patience: Duration) -> Result<ReservationView, Problem> {
    wait_for(ctx, id, patience, |state| state == LeaseState::Active || state.is_ending()).await
}

async fn wait_for(
    ctx: &Ctx,
    id: LeaseId,
    patience: Duration,
    done: fn(LeaseState) -> bool,
) -> Result<ReservationView, Problem> {
    /// Another process's news are seen after this long.
    const LOOK: Duration = Duration::from_millis(200);
    let end = tokio::time::Instant::now() + patience;
    // Before the first look, or a change between look and wait would be missed.
    let mut changes = ctx.changed.subscribe();
    loop {
        let view = views::show(ctx, id).await?;
        if view.state.parse().is_ok_and(done) || end <= tokio::time::Instant::now() {
            return Ok(view);
        }
        // Changes that were missed count as one of this reservation.
        let change = async { while changes.recv().await.is_ok_and(|changed| changed != id) {} };
        let _ = tokio::time::timeout(LOOK, change).await;
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        match error {
            Error::Invalid { field, .. } => {
                let slug = match field {
                    "count" => "invalid-count",
                    "duration" => "invalid-duration",
                    "starts_at" => "window-in-the-past",
                    "reservation_password" => "invalid-password",
                    "ssh_public_key" => "invalid-ssh-key",
                    _ => "invalid-request",
                };
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, slug, &detail)
                    .with_error(FieldError::at(format!("/{field}"), &detail))
            }
            Error::NotEnough { .. } => Self::new(StatusCode::CONFLICT, "not-enough-machines", detail),
            Error::NotYours(_) => Self::forbidden(detail),
            Error::NotFound(_) => Self::not_found(detail),
            Error::NotActive(_) => Self::new(StatusCode::CONFLICT, "not-active", detail),
            Error::TooLong { .. } => Self::new(StatusCode::CONFLICT, "too-long", detail),
            Error::Database(error) => error.into(),
        }
    }
}
