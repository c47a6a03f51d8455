//! The lines people type into `curl`: reserve and wait, release everything.

use std::time::Duration;

use axum::{
    extract::State,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{super::store, DurationText, ReservationView, wait_until_settled};
use crate::{
    accounts::Actor,
    ctx::Ctx,
    http::{Idempotency, Json, Problem, Query},
    leases::LeaseState,
    reservations::{Labels, Minutes, Request, book, release},
};

pub(super) fn routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new().routes(routes!(reserve_by_get, reserve)).routes(routes!(release_all_by_get, release_all))
}

/// What to reserve, in the address.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReserveQuery {
    /// How many machines; 1 unless given.
    count: Option<String>,
    /// Minutes, or `90m`, `2h`, `1d`; 60 unless given.
    duration: Option<String>,
    /// A password for the accounts.
    reservation_password: Option<String>,
    /// From which pool.
    pool: Option<String>,
    /// Labels as `key=value`; may be repeated.
    #[serde(default)]
    label: Vec<String>,
}

impl ReserveQuery {
    fn read(self) -> Result<Request, Problem> {
        let count = self.count.as_deref().unwrap_or("1");
        let count = count.parse().map_err(|_| {
            let shown: String = count.chars().take(40).collect();
            Problem::invalid("invalid-count", "/count", format!("`{shown}` is no number of machines"))
        })?;
        let duration = Minutes::parse(self.duration.as_deref().unwrap_or("60"))
            .map_err(|error| Problem::invalid("invalid-duration", "/duration", error))?;
        let mut labels = Labels::new();
        for pair in &self.label {
            let Some((key, value)) = pair.split_once('=') else {
                let detail = "write a label as `key=value`, once for each";
                return Err(Problem::invalid("invalid-label", "/label", detail));
            };
            labels.insert(key.to_owned(), value.to_owned());
        }
        Ok(Request {
            count,
            duration,
            labels,
            pool: self.pool,
            starts_at: None,
            wait: false,
            ssh_public_key: None,
            password: self.reservation_password,
        })
    }
}

/// What to reserve, in a body: no password in the address.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReserveBody {
    /// How many machines; 1 unless given.
    #[schema(example = 2, minimum = 1)]
    count: Option<i64>,
    /// Minutes, or `90m`, `2h`, `1d`; 60 unless given.
    #[schema(value_type = Option<String>, example = "90m")]
    duration: Option<DurationText>,
    /// A password for the accounts. Without it, and without any key, Berth makes one and shows it once.
    reservation_password: Option<String>,
    /// A key for this reservation, besides those of the profile.
    ssh_public_key: Option<String>,
    /// From which pool.
    pool: Option<String>,
    /// Labels every machine must have.
    labels: Labels,
}

impl ReserveBody {
    fn read(self) -> Result<Request, Problem> {
        Ok(Request {
            count: self.count.unwrap_or(1),
            duration: self.duration.unwrap_or(DurationText::Number(60.into())).parse()?,
            labels: self.labels,
            pool: self.pool,
            starts_at: None,
            wait: false,
            ssh_public_key: self.ssh_public_key,
            password: self.reservation_password,
        })
    }
}

/// Machines that are ready.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReservedView {
    /// The account's name on every machine.
    username: String,
    /// The machines.
    machines: Vec<ReservedMachine>,
    /// When it ends.
    reserved_until: String,
    /// For how long it was booked.
    duration_minutes: u32,
    /// The reservation.
    reservation_id: String,
    /// The password, if Berth made it; shown only here.
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

/// Where to go.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReservedMachine {
    /// The machine's name.
    machine: String,
    /// Its address.
    host: String,
    /// Its port.
    port: u16,
}

/// Reserve machines and wait until the accounts exist. What to reserve stands in the address, or in a body as
/// `/api/reservations` takes it.
#[utoipa::path(post, path = "/api/reserve", tag = "reservations", params(ReserveQuery), request_body = Option<ReserveBody>, responses(
    (status = 200, body = ReservedView), (status = 409, body = crate::http::ProblemBody), (status = 422, body = crate::http::ProblemBody), (status = 503, body = crate::http::ProblemBody)))]
async fn reserve(
    State(ctx): State<Ctx>,
    actor: Actor,
    idempotency: Idempotency,
    Query(query): Query<ReserveQuery>,
    body: Option<Json<ReserveBody>>,
) -> Result<Response, Problem> {
    let body = body.map(|Json(body)| body).unwrap_or_default();
    let request = if body == ReserveBody::default() {
        query.clone().read()?
    } else if query == ReserveQuery::default() {
        body.clone().read()?
    } else {
        let detail = "say what to reserve in the address or in the body, not in both";
        return Err(Problem::invalid("said-twice", "/", detail));
    };
    let asked = (query, body);
    let (context, account) = (ctx.clone(), actor.id);
    let work = async move { reserve_now(&context, &actor, request).await.map(Json) };
    Ok(idempotency.run(&ctx, account, &asked, work).await)
}

/// Reserve machines by GET, for people with `curl` and a bookmark.
///
/// Its query is kept out of the logs; prefer POST.
#[utoipa::path(get, path = "/api/reserve", tag = "reservations", params(ReserveQuery), responses(
    (status = 200, body = ReservedView), (status = 409, body = crate::http::ProblemBody), (status = 422, body = crate::http::ProblemBody), (status = 503, body = crate::http::ProblemBody)))]
async fn reserve_by_get(
    State(ctx): State<Ctx>,
    actor: Actor,
    Query(query): Query<ReserveQuery>,
) -> Result<Response, Problem> {
    let view = reserve_now(&ctx, &actor, query.read()?).await?;
    Ok(deprecated(Json(view).into_response(), "</api/reservations>; rel=\"successor-version\""))
}

async fn reserve_now(ctx: &Ctx, actor: &Actor, request: Request) -> Result<ReservedView, Problem> {
    let booked = book(ctx, actor, request).await?;
    // As long as provisioning and its replacements may take; the reservation itself outlives the wait.
    let patience = ctx.config.timeouts.provision * 2 + Duration::from_secs(30);
    let view = wait_until_settled(ctx, booked.id, patience).await?;
    if view.state != LeaseState::Active.as_str() {
        let why = view.reason.unwrap_or_else(|| "the accounts are not there yet".to_owned());
        let detail = format!("reservation `{}` is {}: {why}", view.id, view.state);
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "provisioning-failed", detail).retry_after(30));
    }
    Ok(reserved(view, booked.password))
}

fn reserved(view: ReservationView, password: Option<String>) -> ReservedView {
    let active = view.machines.into_iter().filter(|place| place.state == "active");
    let machines = active
        .filter_map(|place| Some(ReservedMachine { machine: place.machine, host: place.host?, port: place.port? }))
        .collect();
    ReservedView {
        username: view.owner,
        machines,
        reserved_until: view.expires_at,
        duration_minutes: view.duration_minutes,
        reservation_id: view.id,
        password,
    }
}

/// What happened to each reservation.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReleaseAllView {
    /// One entry a reservation that was not over.
    results: Vec<ReleaseResult>,
    /// How many are being taken back.
    released: usize,
    /// How many could not be.
    failed: usize,
}

/// What happened to one reservation.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReleaseResult {
    /// Which.
    reservation_id: String,
    /// Whose.
    owner: String,
    /// `released`, `already closed` or `failed`.
    outcome: String,
    /// More, in words.
    message: String,
}

/// Release every reservation. Admins only.
#[utoipa::path(post, path = "/api/release_all", tag = "reservations", responses((status = 200, body = ReleaseAllView), (status = 403, body = crate::http::ProblemBody)))]
async fn release_all(State(ctx): State<Ctx>, actor: Actor) -> Result<Json<ReleaseAllView>, Problem> {
    release_each(&ctx, &actor).await.map(Json)
}

/// Release every reservation by GET, for people with `curl`. Admins only.
#[utoipa::path(get, path = "/api/release_all", tag = "reservations", responses((status = 200, body = ReleaseAllView), (status = 403, body = crate::http::ProblemBody)))]
async fn release_all_by_get(State(ctx): State<Ctx>, actor: Actor) -> Result<Response, Problem> {
    let view = release_each(&ctx, &actor).await?;
    Ok(deprecated(Json(view).into_response(), "</api/release_all>; rel=\"successor-version\""))
}

async fn release_each(ctx: &Ctx, actor: &Actor) -> Result<ReleaseAllView, Problem> {
    if !actor.is_admin() {
        return Err(Problem::forbidden("only admins may release everybody's reservations"));
    }
    let mut results = Vec::new();
    loop {
        let page = {
            let mut conn = ctx.db.read().await?;
            let last = results.last().map(|last: &ReleaseResult| last.reservation_id.clone());
            let filter = store::Filter { live: true, before: last.as_deref(), ..store::Filter::default() };
            store::list(&mut conn, &filter, 200).await?
        };
        if page.is_empty() {
            break;
        }
        for reservation in page {
            let (outcome, message) = match release(ctx, actor, reservation.id()).await {
                Ok(_) if reservation.lease.state == LeaseState::Queued => {
                    ("released", "its place in the line is given up".to_owned())
                }
                Ok(state) if state.is_final() => ("already closed", state.as_str().to_owned()),
                Ok(state) => ("released", format!("it is {state}; its machines are being taken back")),
                Err(error) => ("failed", error.to_string()),
            };
            results.push(ReleaseResult {
                reservation_id: reservation.id().to_string(),
                owner: reservation.username,
                outcome: outcome.to_owned(),
                message,
            });
        }
    }
    let released = results.iter().filter(|result| result.outcome == "released").count();
    let failed = results.iter().filter(|result| result.outcome == "failed").count();
    Ok(ReleaseAllView { results, released, failed })
}

/// Marks an answer of a GET that changes things (RFC 9745) and names what to use instead.
fn deprecated(mut response: Response, link: &'static str) -> Response {
    let headers = response.headers_mut();
    headers.insert(HeaderName::from_static("deprecation"), HeaderValue::from_static("@1763683200"));
    headers.insert(header::LINK, HeaderValue::from_static(link));
    response
}
