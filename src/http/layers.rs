//! What stands around every route: id, sender, log line, metrics, limits, headers, and a net for panics.

use std::{net::SocketAddr, panic::AssertUnwindSafe, sync::Arc, time::Duration, time::Instant};

use axum::{
    Router,
    extract::{ConnectInfo, DefaultBodyLimit, MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use tower_http::compression::{
    CompressionLayer, DefaultPredicate, Predicate,
    predicate::{NotForContentType, SizeAbove},
};
use tracing::{Instrument, field};

use super::{AddressLimit, Problem, context, scrub};
use crate::{ctx::Ctx, telemetry};

/// What differs between routes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rules {
    /// Routes that may take as long as they need, by template: those that wait for machines, and streams.
    pub slow: &'static [&'static str],
    /// Routes that are not limited and logged only at `debug`, by template: probes, and files of the page.
    pub quiet: &'static [&'static str],
}

/// Answers of more bytes than this are compressed for those who take it.
const WORTHWHILE: u16 = 4096;

struct Around {
    ctx: Ctx,
    rules: Rules,
    limit: AddressLimit,
}

/// Puts all layers around the routes. The server must be served with `ConnectInfo<SocketAddr>`.
pub fn wrap(router: Router, ctx: &Ctx, rules: Rules) -> Router {
    let limits = &ctx.config.limits;
    let limit = AddressLimit::new(limits.requests_per_second, Duration::from_secs(1), limits.requests_burst);
    let around = Arc::new(Around { ctx: ctx.clone(), rules, limit });
    // Fonts and images are compressed already, and a stream must not be gathered. Small answers are not worth it.
    // Who asks says so in a header and not by a cookie, so no other page can make a browser guess at what is inside.
    let worthwhile = DefaultPredicate::new().and(NotForContentType::new("font/")).and(SizeAbove::new(WORTHWHILE));
    router
        .layer(DefaultBodyLimit::max(8 * 1024 * 1024))
        .layer(CompressionLayer::new().compress_when(worthwhile))
        .layer(middleware::from_fn_with_state(around, answer))
}

async fn answer(State(around): State<Arc<Around>>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let socket = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let info = context::read(request.headers(), socket, &around.ctx.config.trusted_proxies);
    request.extensions_mut().insert(info.clone());
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let query = request.uri().query().map(scrub::query);
    let template = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let route = template.as_deref().unwrap_or("none");
    let is_quiet = around.rules.quiet.contains(&route);
    let span = tracing::info_span!(
        "request",
        id = %info.id,
        traceparent = field::Empty,
        method = field::Empty,
        route = field::Empty,
        status = field::Empty
    );
    if let Some(parent) = request.headers().get("traceparent").and_then(|value| value.to_str().ok())
        && telemetry::traceparent(parent).is_some()
    {
        span.record("traceparent", parent);
    }

    let work = async {
        if !is_quiet && let Err(refused) = around.limit.check(info.peer) {
            return refused.into_response();
        }
        let time = around.ctx.config.timeouts.request;
        let inner = AssertUnwindSafe(next.run(request)).catch_unwind();
        let outcome = if around.rules.slow.contains(&route) {
            inner.await
        } else {
            match tokio::time::timeout(time, inner).await {
                Ok(outcome) => outcome,
                Err(_) => return timed_out(time).into_response(),
            }
        };
        outcome.unwrap_or_else(|panic| panicked(panic.as_ref()).into_response())
    };
    let work = telemetry::caused_by(Arc::clone(&info.id), context::scope(info.clone(), work));
    let mut response = work.instrument(span.clone()).await;

    dress(&path, &mut response);
    if let Ok(id) = HeaderValue::from_str(&info.id) {
        response.headers_mut().insert("x-request-id", id);
    }
    let status = response.status();
    let took = started.elapsed();
    let method = method_word(&method);
    metrics::histogram!("berth_http_request_duration_seconds", "method" => method, "route" => route.to_owned())
        .record(took.as_secs_f64());
    metrics::counter!("berth_http_requests_total", "method" => method, "route" => route.to_owned(), "status" => status.as_u16().to_string())
        .increment(1);
    let path: String = path.chars().take(200).collect();
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let (query, status, peer) = (query.as_deref(), status.as_u16(), info.peer);
    span.in_scope(|| {
        if is_quiet {
            tracing::debug!(%method, ?path, query, status, took_ms, %peer, "answered");
        } else {
            tracing::info!(%method, ?path, query, status, took_ms, %peer, "answered");
        }
    });
    // After the line, which says the same in its own words.
    span.record("method", method).record("route", route).record("status", status);
    response
}

/// A method's name as a label: anybody may send any word.
fn method_word(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

fn timed_out(time: Duration) -> Problem {
    let detail = format!("the answer took longer than {} s; try again", time.as_secs());
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "timed-out", detail).retry_after(5)
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Problem {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    metrics::counter!("berth_panics_total", "where" => "request").increment(1);
    Problem::internal(anyhow::anyhow!("panic: {text}"))
}

/// The security headers. A route that set one itself keeps it.
fn dress(path: &str, response: &mut Response) {
    // The API's own page comes with a bundled viewer that styles elements inline.
    let policy = if path.starts_with("/api/docs") {
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
    } else if path.starts_with("/api") {
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    } else {
        "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
         connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    };
    let mut headers = vec![
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    if path.starts_with("/api") {
        headers.push((header::CACHE_CONTROL, "no-store"));
    }
    for (name, value) in headers {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
}
