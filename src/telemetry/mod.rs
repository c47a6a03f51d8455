//! Logs and metrics.
//!
//! Logs go to stderr, so that a command's stdout stays data. Metrics are kept in memory and rendered on demand;
//! the server decides where they can be read. [`METRICS`] is the table of all of them.

mod catalogue;
mod cause;
mod process;
mod traces;

use std::{sync::OnceLock, time::Duration};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::{EnvFilter, Layer, filter::filter_fn, layer::SubscriberExt, util::SubscriberInitExt};

pub use self::{
    catalogue::{Kind, METRICS, Metric, find, table},
    cause::{caused_by, request_id, trace_of, traceparent},
    process::{Process, disk},
    traces::flush,
};

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging. `level` is a word such as `info`, or directives; a broken one counts as `info`. With an endpoint,
/// traces go there, in the name of `service`.
///
/// Calling it again changes nothing.
pub fn init(level: &str, lines: Lines, endpoint: Option<&str>, service: &'static str) {
    let level = if level.trim().is_empty() { "info" } else { level.trim() };
    // One noisy word for all of Berth must not turn on every statement of the database driver.
    let quiet = "sqlx=warn,hyper=warn,h2=warn,rustls=warn,bollard=warn,tokio_cron_scheduler=warn";
    let directives = if level.contains('=') { level.to_owned() } else { format!("{},{quiet}", level.to_lowercase()) };
    let filter = EnvFilter::try_new(directives).unwrap_or_else(|_| EnvFilter::new(format!("info,{quiet}")));
    // These would tell what is typed in terminals, whatever level was asked for.
    let filter = ["tungstenite=warn", "tokio_tungstenite=warn"]
        .iter()
        .fold(filter, |filter, directive| filter.add_directive(directive.parse().expect("it is a directive")));
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let ansi = !no_color && std::io::IsTerminal::is_terminal(&std::io::stderr());
    let writer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(ansi);
    let layer = match lines {
        Lines::Text => writer.with_target(false).boxed(),
        Lines::Json => writer.json().flatten_event(true).with_current_span(true).with_span_list(true).boxed(),
    };
    let ours = |metadata: &tracing::Metadata<'_>| metadata.is_span() && metadata.target().starts_with("berth");
    let traces = endpoint.map(|endpoint| traces::start(endpoint, service).with_filter(filter_fn(ours)));
    // Each has a filter of its own: a quiet log must not cost the traces.
    let _ = tracing_subscriber::registry().with(layer.with_filter(filter)).with(traces).try_init();
}

/// The process's metrics; the first call begins to collect them.
pub fn metrics() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        let buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];
        let recorder =
            PrometheusBuilder::new().set_buckets(&buckets).expect("the buckets are not empty").build_recorder();
        let handle = recorder.handle();
        catalogue::describe(&recorder);
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("metrics are collected by somebody else");
        }
        handle
    })
}

/// Gathers what histograms have kept, for as long as the process lives: without it they would grow while nobody reads.
pub async fn upkeep() {
    let mut ticks = tokio::time::interval(Duration::from_secs(5));
    loop {
        ticks.tick().await;
        metrics().run_upkeep();
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_counted_thing_is_rendered() {
        super::metrics();
        metrics::counter!("berth_logins_total", "outcome" => "test").increment(1);
        let text = super::metrics().render();
        assert!(text.contains("# HELP berth_logins_total sign-ins"), "{text}");
        assert!(text.contains("berth_logins_total{outcome=\"test\"} 1"), "{text}");
        assert!(text.contains("berth_logins_total{outcome=\"wrong\"} 0"), "what did not happen yet is 0: {text}");
        assert!(text.contains("berth_provision_duration_seconds_count 0"), "{text}");
    }
}
