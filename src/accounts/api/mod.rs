//! The accounts over HTTP: routes, who asks, and what errors become.

mod me;
mod session;
mod users;

use std::sync::Arc;

use axum::{
    Extension,
    extract::FromRequestParts,
    http::{StatusCode, header, request::Parts},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Actor, Admin, Error, authenticate, guard::Guard};
use crate::{
    ctx::Ctx,
    http::{FieldError, Problem},
};

/// The routes of this slice.
pub fn routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new()
        .routes(routes!(session::create_session))
        .routes(routes!(session::refresh_session))
        .routes(routes!(session::end_session))
        .routes(routes!(session::register_user))
        .routes(routes!(session::reset_password))
        .routes(routes!(me::show_whoami))
        .routes(routes!(me::show_me, me::update_me))
        .routes(routes!(me::list_keys, me::create_key))
        .routes(routes!(me::delete_key))
        .routes(routes!(me::list_tokens, me::create_token))
        .routes(routes!(me::delete_token))
        .routes(routes!(me::list_sessions, me::delete_sessions))
        .routes(routes!(me::delete_session))
        .routes(routes!(users::list_users, users::create_user))
        .routes(routes!(users::show_user, users::update_user, users::delete_user))
        .routes(routes!(users::create_reset_link))
        .layer(Extension(Arc::new(Guard::default())))
}

impl FromRequestParts<Ctx> for Actor {
    type Rejection = Problem;

    /// From `Authorization: Bearer …` and nothing else: no cookie, no query.
    async fn from_request_parts(parts: &mut Parts, ctx: &Ctx) -> Result<Self, Problem> {
        if let Some(actor) = parts.extensions.get::<Self>() {
            return Ok(actor.clone());
        }
        let actor = authenticate(ctx, bearer(parts)?).await.map_err(|error| match error {
            // Known, but out: for a token this is the same as not being known.
            Error::Pending | Error::Suspended => Problem::unauthorized(error),
            error => Problem::from(error),
        })?;
        parts.extensions.insert(actor.clone());
        Ok(actor)
    }
}

impl FromRequestParts<Ctx> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, ctx: &Ctx) -> Result<Self, Problem> {
        let actor = Actor::from_request_parts(parts, ctx).await?;
        actor.require_admin()?;
        Ok(Self(actor))
    }
}

fn bearer(parts: &Parts) -> Result<&str, Problem> {
    let Some(value) = parts.headers.get(header::AUTHORIZATION) else {
        return Err(Problem::unauthorized("sign in first; send `Authorization: Bearer TOKEN`"));
    };
    let text = value.to_str().ok().and_then(|text| text.split_once(' '));
    match text {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => Err(Problem::unauthorized("the `Authorization` header must be `Bearer TOKEN`")),
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let new = |status, slug| Self::new(status, slug, &error);
        match &error {
            Error::BadCredentials => new(StatusCode::UNAUTHORIZED, "bad-credentials"),
            Error::SlowDown { seconds } => new(StatusCode::TOO_MANY_REQUESTS, "slow-down").retry_after(*seconds),
            Error::Busy => new(StatusCode::SERVICE_UNAVAILABLE, "busy").retry_after(2),
            Error::Pending => new(StatusCode::FORBIDDEN, "account-pending"),
            Error::Suspended => new(StatusCode::FORBIDDEN, "account-suspended"),
            Error::BadToken => new(StatusCode::UNAUTHORIZED, "bad-token"),
            Error::NeedsSession => new(StatusCode::FORBIDDEN, "needs-session"),
            Error::RegistrationClosed => new(StatusCode::FORBIDDEN, "registration-closed"),
            Error::Taken(_) => new(StatusCode::CONFLICT, "username-taken"),
            Error::Invalid { slug, pointer, detail } => {
                new(StatusCode::UNPROCESSABLE_ENTITY, slug).with_error(FieldError::at(*pointer, detail))
            }
            Error::NoSuchUser(_) | Error::NotFound => new(StatusCode::NOT_FOUND, "not-found"),
            Error::LastAdmin(_) => new(StatusCode::CONFLICT, "last-admin"),
            Error::KeyKnown => new(StatusCode::CONFLICT, "ssh-key-known"),
            Error::TooMany(_) => new(StatusCode::CONFLICT, "too-many"),
            Error::BadLink => new(StatusCode::UNPROCESSABLE_ENTITY, "bad-link"),
            Error::Database(_) | Error::Broken(_) => Self::internal(error),
        }
    }
}
