//! The internal listener: metrics, and the probes again. Not for the world: it asks nobody who they are.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context;
use axum::{
    Extension, Router,
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::{net::TcpListener, time::timeout};
use tokio_util::sync::CancellationToken;

use super::probes;
use crate::{
    ctx::Ctx,
    jobs::{self, heartbeat},
    leases::{self, LeaseState},
    machines, provisioning, telemetry,
};

/// How long the counts of the database are waited for at the most, and no longer than half of what Prometheus waits
/// for us: what the process itself counts is told in any case.
const PATIENCE: Duration = Duration::from_secs(3);

/// Listens, so that whoever starts us may connect.
pub(super) async fn bind(address: SocketAddr, setting: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}; is another server there? set {setting}"))
}

/// Answers until `stop`.
pub(super) async fn serve(ctx: Ctx, listener: TcpListener, program: &'static str, stop: CancellationToken) {
    metrics::gauge!("berth_build_info", "version" => env!("CARGO_PKG_VERSION"), "program" => program).set(1.0);
    let app = Router::new().route("/metrics", get(show)).merge(probes::internal());
    let app = app.layer(Extension(program)).with_state(ctx);
    tokio::select! {
        done = async { axum::serve(listener, app).with_graceful_shutdown(stop.cancelled_owned()).await } => {
            if let Err(error) = done {
                tracing::warn!(%error, "the metrics are not served any more");
            }
        }
        () = telemetry::upkeep() => {}
    }
}

/// The scheduler's own listener, if its settings ask for one. Its work does not depend on it.
pub fn beside_scheduler(ctx: &Ctx, stop: &CancellationToken) {
    let Some(address) = ctx.config.scheduler_metrics_listen else { return };
    let (ctx, stop) = (ctx.clone(), stop.clone());
    telemetry::metrics();
    tokio::spawn(async move {
        match bind(address, "BERTH_SCHEDULER_METRICS_LISTEN").await {
            Ok(listener) => serve(ctx, listener, "berth-scheduler", stop).await,
            Err(error) => tracing::warn!("no metrics: {error:#}"),
        }
    });
}

/// Prometheus's text format; what is counted in the database is read now.
async fn show(State(ctx): State<Ctx>, headers: HeaderMap) -> Response {
    of_process(&ctx);
    let asked = headers.get("x-prometheus-scrape-timeout-seconds").and_then(|value| value.to_str().ok()?.parse().ok());
    let patience = asked.and_then(|seconds: f64| Duration::try_from_secs_f64(seconds / 2.0).ok()).unwrap_or(PATIENCE);
    let found = timeout(patience.min(PATIENCE), of_database(&ctx)).await;
    let up = match found {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::debug!(%error, "cannot read the gauges");
            false
        }
        Err(_) => false,
    };
    metrics::gauge!("berth_database_up").set(f64::from(u8::from(up)));
    let text = telemetry::metrics().render();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

/// A count as a gauge holds it.
#[allow(clippy::cast_precision_loss, reason = "counts and bytes stay far below 2^52")]
fn value(count: impl TryInto<i64>) -> f64 {
    count.try_into().unwrap_or(i64::MAX) as f64
}

fn of_process(ctx: &Ctx) {
    if let Some(now) = telemetry::Process::read() {
        metrics::gauge!("berth_process_resident_memory_bytes").set(value(now.memory));
        metrics::counter!("berth_process_cpu_seconds_total").absolute(now.cpu.as_secs());
        metrics::gauge!("berth_process_open_fds").set(value(now.files));
        metrics::gauge!("berth_process_max_fds").set(value(now.most_files));
        metrics::gauge!("berth_process_start_time_seconds").set(now.began);
    }
    if let Some((free, size)) = telemetry::disk(&ctx.config.data_dir) {
        metrics::gauge!("berth_data_dir_free_bytes").set(value(free));
        metrics::gauge!("berth_data_dir_size_bytes").set(value(size));
    }
    let (size, idle, most) = ctx.db.connections();
    let idle = u32::try_from(idle).unwrap_or(u32::MAX).min(size);
    metrics::gauge!("berth_database_connections", "state" => "idle").set(f64::from(idle));
    metrics::gauge!("berth_database_connections", "state" => "used").set(f64::from(size - idle));
    metrics::gauge!("berth_database_connections_max").set(f64::from(most));
}

async fn of_database(ctx: &Ctx) -> sqlx::Result<()> {
    /// How long ago, in seconds.
    fn since(now: i64, then: Option<i64>) -> f64 {
        then.map_or(0.0, |then| value(now.saturating_sub(then).max(0)) / 1000.0)
    }
    let overdue = jobs::overdue(ctx, Duration::from_secs(30)).await?;
    metrics::gauge!("berth_jobs_overdue").set(value(overdue));
    metrics::gauge!("berth_jobs").set(value(jobs::asked_for(ctx).await?));
    let pulse = heartbeat::pulse(ctx).await?;
    for role in ["server", "scheduler"] {
        let count = pulse.alive.get(role).copied().unwrap_or(0);
        metrics::gauge!("berth_job_runners", "role" => role).set(value(count));
    }
    // Long without any: as old as can be.
    metrics::gauge!("berth_heartbeat_age_seconds").set(pulse.age.map_or(f64::INFINITY, |age| value(age) / 1000.0));
    let mut conn = ctx.db.read().await?;
    let now = ctx.db.now(&mut conn).await?;
    let leases = leases::store::count_by_state(&mut conn).await?;
    for state in LeaseState::ALL {
        let count = leases.iter().find(|(word, _)| word == state.as_str()).map_or(0, |(_, count)| *count);
        metrics::gauge!("berth_leases", "state" => state.as_str()).set(value(count));
    }
    let machines = machines::count_by_state(&mut conn).await?;
    for state in machines::State::ALL {
        let count = machines.get(&state).copied().unwrap_or(0);
        metrics::gauge!("berth_machines", "state" => state.as_str()).set(value(count));
    }
    let oldest = machines::oldest_quarantine(&mut conn).await?;
    metrics::gauge!("berth_quarantine_oldest_seconds").set(since(now, oldest));
    let late = leases::store::first_overdue(&mut conn, now).await?;
    metrics::gauge!("berth_revocation_overdue_seconds").set(since(now, late));
    metrics::gauge!("berth_runs_running").set(value(provisioning::store::count_running(&mut conn).await?));
    Ok(())
}
