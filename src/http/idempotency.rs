//! `Idempotency-Key`: a request that is sent twice is done once, and answered the same both times.
//!
//! The key is noted before the work and the answer after it, in transactions of their own. The work goes on when the
//! client hangs up, so that the answer is there when it asks again. Answers may hold secrets and are kept sealed.

use std::future::Future;

use axum::{
    body::Body,
    extract::FromRequestParts,
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use serde::Serialize;
use sha2::{Digest, Sha256};
use tracing::Instrument;

use super::{FieldError, Problem, body::json_request_hash, context, store};
use crate::{clock::Millis, ctx::Ctx, db, ids::AccountId};

const DAY: Millis = 86_400_000;
const LARGEST_ANSWER: usize = 256 * 1024;

/// The request's `Idempotency-Key`, if it has one.
#[derive(Debug, Clone)]
pub struct Idempotency {
    key: Option<String>,
    route: String,
}

impl<S: Sync> FromRequestParts<S> for Idempotency {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let route = format!("{} {}", parts.method, parts.uri);
        let Some(value) = parts.headers.get("idempotency-key") else { return Ok(Self { key: None, route }) };
        let key = value.to_str().ok().map(str::trim).filter(|key| (1..=128).contains(&key.len()));
        let Some(key) = key else {
            let detail = "`Idempotency-Key` must be 1 to 128 printable ASCII characters";
            let problem = Problem::new(StatusCode::BAD_REQUEST, "invalid-idempotency-key", detail);
            return Err(problem.with_error(FieldError { detail: detail.into(), ..FieldError::default() }));
        };
        Ok(Self { key: Some(key.to_owned()), route })
    }
}

enum Turn {
    Ours,
    Answered(Response),
}

impl Idempotency {
    /// Does `work`, unless this account sent this key and body before: then gives the first answer again.
    pub async fn run<W, R>(self, ctx: &Ctx, account: AccountId, body: &impl Serialize, work: W) -> Response
    where
        W: Future<Output = R> + Send + 'static,
        R: IntoResponse,
    {
        let Some(key) = self.key.clone() else { return work.await.into_response() };
        // The hash is kept, and a body may hold a password: without the server's key nobody can try guesses.
        let plain = json_request_hash(&self.route, body);
        let mut keyed = Sha256::new();
        keyed.update(ctx.config.secret_key.as_ref().map_or(&[][..], |key| key.0.as_bytes()));
        keyed.update(plain);
        let hash = STANDARD_NO_PAD.encode(keyed.finalize());
        match claim(ctx, account, &key, &hash).await {
            Ok(Turn::Ours) => {}
            Ok(Turn::Answered(response)) => return response,
            Err(problem) => return problem.into_response(),
        }
        let task = {
            let ctx = ctx.clone();
            async move {
                let response = work.await.into_response();
                keep(&ctx, account, &key, response).await
            }
            .in_current_span()
        };
        let task = match context::request_info() {
            Some(info) => tokio::spawn(context::scope(info, task)),
            None => tokio::spawn(task),
        };
        match task.await {
            Ok(response) => response,
            Err(error) => Problem::internal(error).into_response(),
        }
    }
}

async fn claim(ctx: &Ctx, account: AccountId, key: &str, hash: &str) -> Result<Turn, Problem> {
    let mut tx = ctx.db.begin_write().await?;
    if let Some(seen) = store::find(&mut tx, account, key).await? {
        let age = tx.now - seen.created_at;
        if DAY <= age {
            store::forget(&mut tx, account, key).await?;
        } else if seen.request_hash != hash {
            let detail = "this `Idempotency-Key` was used with another request; take a fresh one";
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key-reused", detail));
        } else if let Some(status) = seen.status {
            return Ok(Turn::Answered(replay(ctx, account, key, status, &seen)?));
        } else if age < crate::clock::millis(ctx.config.timeouts.provision) + 60_000 {
            let detail = "a request with this `Idempotency-Key` is being worked on";
            return Err(Problem::new(StatusCode::CONFLICT, "request-in-progress", detail).retry_after(2));
        } else {
            store::forget(&mut tx, account, key).await?;
        }
    }
    match store::insert(&mut tx, account, key, hash).await {
        Ok(()) => {}
        Err(error) if db::is_taken(&error) => {
            let detail = "a request with this `Idempotency-Key` is being worked on";
            return Err(Problem::new(StatusCode::CONFLICT, "request-in-progress", detail).retry_after(2));
        }
        Err(error) => return Err(error.into()),
    }
    tx.commit().await?;
    Ok(Turn::Ours)
}

fn replay(ctx: &Ctx, account: AccountId, key: &str, status: i64, seen: &store::Seen) -> Result<Response, Problem> {
    let body = ctx.sealer.open(&owner(account, key), &seen.body).map_err(Problem::internal)?;
    let status = u16::try_from(status).ok().and_then(|status| StatusCode::from_u16(status).ok());
    let status = status.ok_or_else(|| Problem::internal(anyhow::anyhow!("a kept answer has no valid status")))?;
    let is_problem = status.is_client_error();
    let kind = if is_problem { "application/problem+json" } else { "application/json" };
    let mut response = (status, body).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    if let Some(location) = seen.location.as_deref().and_then(|text| HeaderValue::from_str(text).ok()) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Notes the answer. One that asks to try again is not kept, so that trying again works.
async fn keep(ctx: &Ctx, account: AccountId, key: &str, response: Response) -> Response {
    let (parts, body) = response.into_parts();
    let bytes = match axum::body::to_bytes(body, LARGEST_ANSWER).await {
        Ok(bytes) => bytes,
        Err(error) => return Problem::internal(error).into_response(),
    };
    let is_final = !parts.status.is_server_error() && parts.status != StatusCode::TOO_MANY_REQUESTS;
    let noted = async {
        let mut tx = ctx.db.begin_write().await?;
        if is_final {
            let sealed = ctx.sealer.seal(&owner(account, key), &String::from_utf8_lossy(&bytes));
            let location = parts.headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
            store::finish(&mut tx, account, key, i64::from(parts.status.as_u16()), &sealed, location).await?;
        } else {
            store::forget(&mut tx, account, key).await?;
        }
        tx.commit().await
    };
    // The work is done and its answer true; that it cannot be repeated is the lesser evil.
    if let Err(error) = noted.await {
        tracing::warn!(%error, "the answer of a request with an idempotency key could not be kept");
    }
    Response::from_parts(parts, Body::from(bytes))
}

fn owner(account: AccountId, key: &str) -> String {
    format!("idempotency:{account}:{key}")
}

/// For who tries random texts.
pub(super) fn try_text(text: &str) {
    let Ok(request) = axum::http::Request::builder().header("idempotency-key", text).body(()) else { return };
    let mut parts = request.into_parts().0;
    let read = futures_util::FutureExt::now_or_never(Idempotency::from_request_parts(&mut parts, &()));
    if let Some(Ok(read)) = read {
        assert!(read.key.is_none_or(|key| (1..=128).contains(&key.len())));
    }
}
