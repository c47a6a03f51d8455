//! The HTTP server: routes, start and stop.
//!
//! Deliberately absent: TLS, which is Caddy's, and any decision, which is the slices'.

mod about;
mod contract;
mod docs;
mod metrics;
mod notify;
pub mod page;
mod probes;

pub use self::metrics::beside_scheduler;

use std::{net::SocketAddr, time::Duration};

use anyhow::Context;
use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::{
    accounts, audit,
    clock::Clock,
    config::{self, Config, Remote},
    ctx::Ctx,
    http::{self, Problem},
    machines, notifications, provisioning, reservations, scheduler, telemetry, terminals,
};

/// How long requests may go on after a stop was asked for.
const LAST_WORDS: Duration = Duration::from_secs(10);

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Berth",
        description = "Register machines, reserve N of them for a time, and get them back clean.\n\nSign in at `POST /api/login` and send the answer's `access_token` as `Authorization: Bearer …`. \
                       Errors are `application/problem+json` (RFC 9457)."
    ),
    tags(
        (name = "session", description = "Signing in and out, and who you are"),
        (name = "reservations", description = "N machines for a time"),
        (name = "terminals", description = "A shell on a machine, in the browser"),
        (name = "machines", description = "The pool"),
        (name = "runs", description = "What playbooks did"),
        (name = "events", description = "What happens now"),
        (name = "users", description = "People"),
        (name = "me", description = "Your profile"),
        (name = "audit", description = "Who did what"),
        (name = "health", description = "Whether all is well")
    )
)]
struct Doc;

/// Every route, and the document that describes them.
fn routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::with_openapi(Doc::openapi())
        .merge(probes::routes())
        .merge(about::routes())
        .merge(accounts::api::routes())
        .merge(audit::routes())
        .merge(machines::api::routes())
        .merge(provisioning::api::routes())
        .merge(reservations::api::routes())
        .merge(terminals::api::routes())
        .merge(notifications::api::routes())
}

/// The OpenAPI 3.1 document, as `docs/openapi.json` has it.
pub fn openapi() -> serde_json::Value {
    docs::document(routes().into_openapi())
}

/// Routes that wait for machines, and streams.
const SLOW: &[&str] = &[
    "/api/reserve",
    "/api/reservations",
    "/api/reservations/{id}",
    "/api/events",
    "/api/machines",
    "/api/machines/import",
    "/api/machines/{name}/check",
    "/api/release_all",
    "/api/audit/verify",
    "/api/audit/export",
];
/// Probes and the files of the page.
const QUIET: &[&str] = &["/api/healthz", "/api/readyz", page::TEMPLATES[0], page::TEMPLATES[1]];

/// The whole application, as the listener serves it.
pub fn router(ctx: &Ctx) -> Router {
    router_with_page(ctx, page::built)
}

/// The whole application with another page.
pub fn router_with_page(ctx: &Ctx, files: page::Files) -> Router {
    let (routes, document) = routes().split_for_parts();
    let routes = routes
        .merge(docs::routes(&docs::document(document)))
        .merge(page::routes(files))
        .fallback(nowhere)
        .method_not_allowed_fallback(wrong_method)
        .with_state(ctx.clone());
    http::wrap(routes, ctx, http::Rules { slow: SLOW, quiet: QUIET })
}

async fn nowhere(uri: axum::http::Uri) -> Problem {
    let path: String = uri.path().chars().take(100).collect();
    Problem::not_found(format!("there is nothing at `{path}`; `/api/docs` lists all routes"))
}

async fn wrong_method(method: axum::http::Method) -> Problem {
    let status = axum::http::StatusCode::METHOD_NOT_ALLOWED;
    Problem::new(
        status,
        "wrong-method",
        format!("this route does not take {method}; the `Allow` header says what it takes"),
    )
}

/// A server that listens.
#[derive(Debug)]
pub struct Server {
    /// Where.
    pub address: SocketAddr,
    /// Where the metrics are, if anywhere.
    pub metrics: Option<SocketAddr>,
    /// What it works with.
    pub ctx: Ctx,
    listener: TcpListener,
    internal: Option<TcpListener>,
}

impl Server {
    /// Checks the settings, brings the database up to date, seeds the first admin, and listens. From here on the
    /// kernel takes connections.
    pub async fn start(config: Config, clock: Clock) -> anyhow::Result<Self> {
        let faults: Vec<_> = config::check(&config).into_iter().filter(config::Fault::is_fatal).collect();
        if !faults.is_empty() {
            return Err(config::Faults(faults).into());
        }
        let (listen, metrics_listen) = (config.listen, config.metrics_listen);
        if config.remote == Remote::Fake {
            tracing::warn!("BERTH_REMOTE=fake: no machine is ever contacted; this is for measuring only");
        }
        let ctx = Ctx::connect(config, clock).await?;
        ctx.db.migrate().await.context("the database cannot be brought up to date")?;
        accounts::seed_admin(&ctx).await.context("the first admin cannot be made")?;
        let listener = metrics::bind(listen, "BERTH_LISTEN").await?;
        let internal = match metrics_listen {
            Some(address) => Some(metrics::bind(address, "BERTH_METRICS_LISTEN").await?),
            None => None,
        };
        let address = listener.local_addr()?;
        let metrics = internal.as_ref().map(TcpListener::local_addr).transpose()?;
        tracing::info!(%address, "listening");
        notify::ready();
        Ok(Self { address, metrics, ctx, listener, internal })
    }

    /// Serves until `stop`, with the clockwork and a job runner beside it.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let Self { ctx, listener, internal, .. } = self;
        let app = router(&ctx);
        let work = tokio::spawn(scheduler::run(ctx.clone(), "server", stop.clone()));
        tokio::spawn({
            let (stop, stopping) = (stop.clone(), ctx.stopping.clone());
            async move {
                stop.cancelled().await;
                stopping.cancel();
            }
        });
        if let Some(internal) = internal {
            tokio::spawn(metrics::serve(ctx.clone(), internal, "berth", stop.clone()));
        }
        let serving = http::serve(listener, app, http::Bounds::default(), stop.clone());
        tokio::select! {
            () = serving => {}
            () = async { stop.cancelled().await; tokio::time::sleep(LAST_WORDS).await } => {
                tracing::info!("some requests did not end in time and are cut off");
            }
        }
        // Terminals are told, and what they leave is written down, as long as there is a database to write to.
        ctx.guests.close();
        let _ = tokio::time::timeout(LAST_WORDS, ctx.guests.wait()).await;
        work.await??;
        telemetry::flush().await;
        Ok(())
    }
}

/// Serves until the process is asked to stop.
pub async fn serve(config: Config) -> anyhow::Result<()> {
    let stop = stop_signal();
    Server::start(config, Clock::default()).await?.run(stop).await
}

/// Fires when the process is asked to stop, by Ctrl-C or SIGTERM.
pub fn stop_signal() -> CancellationToken {
    let stop = CancellationToken::new();
    let token = stop.clone();
    tokio::spawn(async move {
        let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
            .expect("a process may listen for SIGTERM");
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = term.recv() => {}
        }
        tracing::info!("stopping");
        token.cancel();
    });
    stop
}
