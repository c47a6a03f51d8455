//! Login, refresh, logout, registration, and the password reset by link.

use std::sync::Arc;

use axum::{
    Extension,
    extract::{FromRequestParts, State},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use axum_extra::extract::CookieJar;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{super::sign_in, bearer, users::UserView};
use crate::{
    accounts::{
        self, Error, NewAccount, Role, SignedIn, Via,
        guard::{Attempt, Guard, Place},
    },
    clock::Millis,
    ctx::Ctx,
    http::{self, ClientAddr, Json, Problem, ProblemBody, Result},
    remote::Secret,
};

/// With the prefix a browser takes it over TLS from this very host only.
const COOKIE: (&str, &str) = ("berth_refresh", "__Host-berth_refresh");

fn cookie_name(ctx: &Ctx) -> &'static str {
    if ctx.config.is_production() { COOKIE.1 } else { COOKIE.0 }
}

/// Who wants in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateSession {
    username: String,
    password: String,
}

/// What a person holds after signing in. The refresh token is in the cookie `berth_refresh`, in production
/// `__Host-berth_refresh`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TokenView {
    /// For the header `Authorization: Bearer`.
    access_token: String,
    /// Always `Bearer`.
    token_type: &'static str,
    /// Seconds until the access token expires.
    expires_in: u64,
    /// The account's name.
    username: String,
    /// What it may do.
    role: Role,
}

/// Signs in.
#[utoipa::path(post, path = "/api/login", operation_id = "create_session", tag = "session", request_body = CreateSession,
    responses((status = 200, body = TokenView), (status = 401, body = ProblemBody), (status = 403, body = ProblemBody), (status = 429, body = ProblemBody)))]
pub(super) async fn create_session(
    State(ctx): State<Ctx>,
    Extension(guard): Extension<Arc<Guard>>,
    ClientAddr(address): ClientAddr,
    headers: HeaderMap,
    cookies: CookieJar,
    Json(body): Json<CreateSession>,
) -> Result<Response> {
    http::refuse_foreign_page(&headers, &ctx.config.public_url)?;
    guard.check_address(&ctx.config.limits, address)?;
    let now = ctx.clock.now();
    let device = match cookies.get(cookie_name(&ctx)) {
        Some(cookie) => sign_in::known_device(&ctx, cookie.value(), &body.username).await?,
        None => None,
    };
    let is_strange = device.is_none()
        && guard.is_pressed(&body.username, now)
        && !sign_in::knows_network(&ctx, address, &body.username).await?;
    let place = device.map_or(Place::Network(address), Place::Device);
    let attempt = guard.enter(place, &body.username, is_strange, now).map_err(|wait| {
        metrics::counter!("berth_logins_total", "outcome" => "slowed").increment(1);
        slow_down(wait)
    })?;
    let user_agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let outcome = accounts::login(&ctx, &body.username, &body.password, user_agent).await;
    let word = match &outcome {
        Ok(_) => "ok",
        Err(Error::BadCredentials) => "wrong",
        Err(Error::Database(_)) => "failed",
        Err(_) => "refused",
    };
    metrics::counter!("berth_logins_total", "outcome" => word).increment(1);
    judge(&guard, &attempt, &outcome);
    Ok(show(&ctx, outcome?))
}

/// Tells the guard what a password was.
pub(super) fn judge<T>(guard: &Guard, attempt: &Attempt, outcome: &std::result::Result<T, Error>) {
    match outcome {
        Ok(_) | Err(Error::Pending | Error::Suspended) => guard.was_right(attempt),
        Err(Error::BadCredentials | Error::Invalid { slug: "wrong-password", .. }) => {}
        Err(_) => guard.was_nothing(attempt),
    }
}

pub(super) fn slow_down(wait: Millis) -> Problem {
    let seconds = u64::try_from(wait).unwrap_or(1000).div_ceil(1000);
    Error::SlowDown { seconds }.into()
}

/// Gets new tokens for the refresh cookie.
#[utoipa::path(post, path = "/api/refresh", operation_id = "refresh_session", tag = "session",
    responses((status = 200, body = TokenView), (status = 401, body = ProblemBody)))]
pub(super) async fn refresh_session(
    State(ctx): State<Ctx>,
    headers: HeaderMap,
    cookies: CookieJar,
) -> Result<Response> {
    http::refuse_foreign_page(&headers, &ctx.config.public_url)?;
    let Some(cookie) = cookies.get(cookie_name(&ctx)) else {
        return Err(Problem::unauthorized("there is no refresh cookie; sign in again"));
    };
    match accounts::refresh(&ctx, cookie.value()).await {
        Ok(signed_in) => Ok(show(&ctx, signed_in)),
        Err(error @ (Error::BadToken | Error::Suspended | Error::Pending)) => {
            let mut response = Problem::from(error).into_response();
            forget_cookie(&ctx, &mut response);
            Ok(response)
        }
        Err(error) => Err(error.into()),
    }
}

/// Ends the session of the refresh cookie or of the bearer token.
#[utoipa::path(post, path = "/api/logout", operation_id = "end_session", tag = "session", responses((status = 204)))]
pub(super) async fn end_session(
    State(ctx): State<Ctx>,
    headers: HeaderMap,
    cookies: CookieJar,
    asking: Asking,
) -> Result<Response> {
    http::refuse_foreign_page(&headers, &ctx.config.public_url)?;
    if let Some(cookie) = cookies.get(cookie_name(&ctx)) {
        sign_in::end_session_by_refresh(&ctx, cookie.value()).await?;
    }
    if let Some(token) = asking.0
        && let Ok(actor) = accounts::authenticate(&ctx, &token).await
        && let Via::Session(id) = actor.via
    {
        match accounts::end_session(&ctx, actor.id, id).await {
            Ok(()) | Err(Error::NotFound) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    forget_cookie(&ctx, &mut response);
    Ok(response)
}

/// The bearer token, if the request has one.
pub(super) struct Asking(Option<String>);

impl<S: Sync> FromRequestParts<S> for Asking {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self(bearer(parts).ok().map(str::to_owned)))
    }
}

/// An account for oneself.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RegisterUser {
    username: String,
    password: String,
    #[serde(default)]
    full_name: String,
    #[serde(default)]
    email: String,
}

/// Makes an account for oneself, where the settings allow it.
#[utoipa::path(post, path = "/api/register", operation_id = "register_user", tag = "session", request_body = RegisterUser,
    responses((status = 201, body = UserView), (status = 403, body = ProblemBody), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(super) async fn register_user(
    State(ctx): State<Ctx>,
    Extension(guard): Extension<Arc<Guard>>,
    ClientAddr(address): ClientAddr,
    Json(body): Json<RegisterUser>,
) -> Result<Response> {
    guard.check_address(&ctx.config.limits, address)?;
    let new = NewAccount {
        username: body.username,
        password: Secret(body.password),
        role: Role::Member,
        full_name: body.full_name,
        email: body.email,
    };
    let account = accounts::register(&ctx, new).await?;
    Ok((StatusCode::CREATED, Json(UserView::from(account))).into_response())
}

/// A new password, by a one-time link.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ResetPassword {
    token: String,
    password: String,
}

/// Sets a new password by a one-time link; every session and access token of the account ends.
#[utoipa::path(post, path = "/api/password-reset", operation_id = "reset_password", tag = "session", request_body = ResetPassword,
    responses((status = 204), (status = 422, body = ProblemBody), (status = 429, body = ProblemBody)))]
pub(super) async fn reset_password(
    State(ctx): State<Ctx>,
    Extension(guard): Extension<Arc<Guard>>,
    ClientAddr(address): ClientAddr,
    Json(body): Json<ResetPassword>,
) -> Result<StatusCode> {
    guard.check_address(&ctx.config.limits, address)?;
    accounts::use_link(&ctx, &body.token, &body.password).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn show(ctx: &Ctx, signed_in: SignedIn) -> Response {
    let SignedIn { access_token, expires_in, refresh_token, username, role } = signed_in;
    let mut response =
        Json(TokenView { access_token, token_type: "Bearer", expires_in, username, role }).into_response();
    if let Some(token) = refresh_token {
        set_cookie(ctx, &mut response, &token, ctx.config.auth.session.as_secs());
    }
    response
}

/// Has the browser forget the refresh token.
pub(super) fn forget_cookie(ctx: &Ctx, response: &mut Response) {
    set_cookie(ctx, response, "", 0);
}

fn set_cookie(ctx: &Ctx, response: &mut Response, value: &str, seconds: u64) {
    let name = cookie_name(ctx);
    let place = if ctx.config.is_production() { "Path=/; Secure" } else { "Path=/api" };
    let text = format!("{name}={value}; {place}; Max-Age={seconds}; HttpOnly; SameSite=Strict");
    if let Ok(value) = HeaderValue::from_str(&text) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}
