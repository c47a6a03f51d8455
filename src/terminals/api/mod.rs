//! Routes of terminals: a ticket, and the socket that it opens.

mod socket;

use std::sync::Arc;

use axum::{
    Extension,
    extract::{
        Path, State,
        ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Error, Hub};
use crate::{
    accounts::Actor,
    clock::rfc3339,
    ctx::Ctx,
    http::{self, Json, Problem, ProblemBody, Query},
    ids::LeaseId,
};

/// The routes.
pub fn routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new()
        .routes(routes!(create_terminal))
        .routes(routes!(open_terminal))
        .layer(Extension(Arc::new(Hub::default())))
}

/// Which machine.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateTerminal {
    /// The machine's name; it must be one of the reservation's.
    machine: String,
    /// A terminal to come back to: the `session` that its socket told. Without it a new one is opened.
    #[serde(default)]
    session: Option<String>,
}

/// The right to open a terminal, once and soon.
#[derive(Serialize, ToSchema)]
pub struct TicketView {
    /// For `GET /api/terminal`; good for one use.
    ticket: String,
    /// Until when.
    expires_at: String,
    /// Where to open the WebSocket.
    url: String,
}

/// Ask for a terminal on a machine of one's own reservation.
///
/// The answer is a ticket for `GET /api/terminal`: for one use, for 30 seconds. Terminals are the reserving user's,
/// also for admins.
#[utoipa::path(post, path = "/api/reservations/{id}/terminals", tag = "terminals", params(("id" = String, Path)),
    request_body = CreateTerminal, responses(
    (status = 201, body = TicketView),
    (status = 403, body = ProblemBody, description = "the reservation is somebody else's"),
    (status = 404, body = ProblemBody),
    (status = 409, body = ProblemBody, description = "not now: the reservation is not active, or too many are open")))]
async fn create_terminal(
    State(ctx): State<Ctx>,
    actor: Actor,
    Path(id): Path<String>,
    Json(body): Json<CreateTerminal>,
) -> Result<(StatusCode, Json<TicketView>), Problem> {
    let id: LeaseId = id.parse().map_err(|_| Error::NotFound(id.chars().take(40).collect()))?;
    let back =
        body.session.as_deref().map(|text| text.parse().map_err(|_| Error::Gone(text.chars().take(40).collect())));
    let ticket = super::issue(&ctx, &actor, id, &body.machine, back.transpose()?).await?;
    let secret = ticket.secret.0;
    let url = format!("/api/terminal?ticket={secret}");
    let view = TicketView { ticket: secret, expires_at: rfc3339(ticket.expires_at), url };
    Ok((StatusCode::CREATED, Json(view)))
}

/// What opens a terminal.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Opening {
    /// The ticket.
    ticket: String,
    /// Characters in a line, 80 unless given; 2 to 1000.
    cols: Option<u32>,
    /// Lines, 24 unless given; 1 to 1000.
    rows: Option<u32>,
}

/// Open a terminal: a WebSocket, with a ticket and from Berth's own page.
///
/// Binary messages are output and input. Text messages are JSON. From the server: `ready` with the `session` to come
/// back to, `backlog` with the number of `bytes` of earlier output that follow, `closed` with a `reason` and a `code`:
/// `expired`, `exited`, `released`, `unreachable` or `replaced`. From the client: `resize` with `cols` and `rows`, `ack`
/// with the number of `bytes` shown since the last one; above 256 KiB without it, output waits. A message of the client
/// is at most 1 MiB. A terminal whose socket is lost waits a minute.
#[utoipa::path(get, path = "/api/terminal", tag = "terminals", params(Opening), security(()), responses(
    (status = 101, description = "the terminal"),
    (status = 400, body = ProblemBody, description = "this is no WebSocket"),
    (status = 403, body = ProblemBody, description = "the ticket is not valid, or another site asks")))]
async fn open_terminal(
    State(ctx): State<Ctx>,
    Extension(hub): Extension<Arc<Hub>>,
    headers: HeaderMap,
    Query(opening): Query<Opening>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let upgrade = upgrade.map_err(|rejection| {
        let detail = format!("this route takes a WebSocket: {}", rejection.body_text().to_lowercase());
        Problem::new(StatusCode::BAD_REQUEST, "not-a-websocket", detail)
    })?;
    http::require_own_page(&headers, &ctx.config.public_url)?;
    let size = socket::size(opening.cols.unwrap_or(80), opening.rows.unwrap_or(24));
    let terminal = super::redeem(&ctx, &opening.ticket).await?;
    let info = http::request_info();
    let limits = upgrade.max_message_size(socket::LARGEST).max_frame_size(socket::LARGEST);
    Ok(limits.on_upgrade(async move |socket| {
        let work = async {
            let attached = hub.attach(&ctx, terminal, size).await;
            socket::serve(socket, attached).await;
        };
        match info {
            Some(info) => http::scope(info, work).await,
            None => work.await,
        }
    }))
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        match error {
            Error::NotFound(_) | Error::NoSuchMachine(_) => Self::not_found(detail),
            Error::NotYours => Self::forbidden(detail),
            Error::NotActive(_) | Error::Over => Self::new(StatusCode::CONFLICT, "not-active", detail),
            Error::NotInUse(..) => Self::new(StatusCode::CONFLICT, "not-in-use", detail),
            Error::NoMachines => Self::new(StatusCode::CONFLICT, "no-terminals", detail),
            Error::TooMany { .. } => Self::new(StatusCode::CONFLICT, "too-many-terminals", detail),
            Error::Gone(_) => Self::new(StatusCode::CONFLICT, "terminal-gone", detail),
            Error::BadTicket => Self::new(StatusCode::FORBIDDEN, "bad-ticket", detail),
            Error::Database(error) => error.into(),
        }
    }
}

/// Each parser of what clients send, by name, for who tries random texts.
#[doc(hidden)]
#[allow(clippy::type_complexity, reason = "a name and what it stands for")]
pub const PARSERS: [(&str, fn(&str)); 1] = [("terminal-message", socket::try_text)];
