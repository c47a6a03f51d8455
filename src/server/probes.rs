//! Whether all is well: for load balancers, for Prometheus.

use axum::{
    Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{ctx::Ctx, db::Schema, http::Json, jobs::heartbeat};

/// The public probes.
pub(super) fn routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new().routes(routes!(healthz)).routes(routes!(readyz))
}

/// What the internal listener says beside metrics.
pub(super) fn internal() -> Router<Ctx> {
    Router::new().route("/api/healthz", get(healthz)).route("/api/readyz", get(readyz))
}

/// The process is there.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// `ok`.
    status: String,
}

/// The process is there.
#[utoipa::path(get, path = "/api/healthz", tag = "health", responses((status = 200, body = Health)), security(()))]
async fn healthz() -> Json<Health> {
    Json(Health { status: "ok".to_owned() })
}

/// Whether requests can be served.
#[derive(Debug, Serialize, ToSchema)]
pub struct Readiness {
    /// `ok` or `degraded`.
    status: String,
    /// What was looked at.
    checks: Checks,
}

/// What was looked at: each `ok`, or what is wrong.
#[derive(Debug, Serialize, ToSchema)]
pub struct Checks {
    /// The database answers.
    database: String,
    /// Its schema is this program's.
    migrations: String,
    /// Somebody runs the jobs.
    scheduler: String,
}

/// Whether requests can be served: 200, or 503 with what is wrong.
#[utoipa::path(get, path = "/api/readyz", tag = "health", responses((status = 200, body = Readiness), (status = 503, body = Readiness)), security(()))]
async fn readyz(State(ctx): State<Ctx>) -> Response {
    let ok = || "ok".to_owned();
    let database = match ctx.db.ping().await {
        Ok(()) => ok(),
        Err(_) => "does not answer".to_owned(),
    };
    let migrations = match ctx.db.schema().await {
        Ok(Schema::Current | Schema::Newer) => ok(),
        Ok(Schema::Behind(missing)) => format!("{missing} migrations are missing; run `berth migrate`"),
        Ok(Schema::Ahead) => "the database belongs to a newer Berth".to_owned(),
        Err(_) => "unknown".to_owned(),
    };
    let scheduler = match heartbeat::alive(&ctx).await {
        Ok(0) => "no process runs the jobs".to_owned(),
        Ok(_) => ok(),
        Err(_) => "unknown".to_owned(),
    };
    let checks = Checks { database, migrations, scheduler };
    let well = checks.database == "ok" && checks.migrations == "ok" && checks.scheduler == "ok";
    let (code, status) = if well { (StatusCode::OK, "ok") } else { (StatusCode::SERVICE_UNAVAILABLE, "degraded") };
    (code, Json(Readiness { status: status.to_owned(), checks })).into_response()
}
