//! Traces by OTLP: the spans request, job, run and step, sent as JSON over HTTP.
//!
//! The official crates would bring a second HTTP client; what is sent is small and its form is fixed
//! (`docs/adr/0009-own-otlp.md`). Spans wait in a queue of a certain length: a collector that is away costs spans,
//! never memory or time. Without an endpoint none of this exists.

use std::{
    fmt,
    sync::OnceLock,
    time::{Duration, Instant},
};

use serde_json::{Map, Value, json};
use tokio::{
    sync::{mpsc, oneshot},
    time::{MissedTickBehavior, interval, timeout},
};
use tracing::{
    Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer,
    layer::Context,
    registry::{LookupSpan, SpanRef},
};

use super::cause::{span_of, trace_of, traceparent};
use crate::clock::Clock;

/// The spans that are sent; all others are the log's business.
const SENT: [&str; 4] = ["request", "job", "run", "step"];
/// So many spans wait at the most.
const ROOM: usize = 4096;
/// So many go at once.
const BATCH: usize = 512;
/// How long the collector is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

enum Message {
    Span(Box<Value>),
    Flush(oneshot::Sender<()>),
}

/// The way to the collector, once there is one.
static QUEUE: OnceLock<mpsc::Sender<Message>> = OnceLock::new();

/// Turns spans of the log into spans of a trace.
pub(super) struct Traces {
    clock: Clock,
    queue: mpsc::Sender<Message>,
}

/// Begins to send to this endpoint, as `http://127.0.0.1:4318`. Must be called within the runtime.
pub(super) fn start(endpoint: &str, service: &'static str) -> Traces {
    let (queue, waiting) = mpsc::channel(ROOM);
    let queue = QUEUE.get_or_init(|| queue).clone();
    let base = endpoint.trim_end_matches('/');
    let url = if base.ends_with("/v1/traces") { base.to_owned() } else { format!("{base}/v1/traces") };
    tokio::spawn(send(url, service, waiting));
    Traces { clock: Clock::default(), queue }
}

/// Sends what waits, before the process ends.
pub async fn flush() {
    let Some(queue) = QUEUE.get() else { return };
    let (done, sent) = oneshot::channel();
    if queue.send(Message::Flush(done)).await.is_ok() {
        let _ = timeout(PATIENCE, sent).await;
    }
}

async fn send(url: String, service: &'static str, mut waiting: mpsc::Receiver<Message>) {
    // Once for the process; a second time it is there already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = match reqwest::Client::builder().timeout(PATIENCE).build() {
        Ok(client) => client,
        Err(error) => {
            tracing::warn!(%error, "traces cannot be sent");
            return;
        }
    };
    let mut spans: Vec<Value> = Vec::new();
    let mut well = true;
    let mut ticks = interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let mut done = None;
        tokio::select! {
            message = waiting.recv() => match message {
                Some(Message::Span(span)) => {
                    spans.push(*span);
                    if spans.len() < BATCH {
                        continue;
                    }
                }
                Some(Message::Flush(sender)) => done = Some(sender),
                None => return,
            },
            _ = ticks.tick() => {}
        }
        if !spans.is_empty() {
            let count = spans.len() as u64;
            let answer = client.post(&url).json(&body(service, &std::mem::take(&mut spans))).send().await;
            let refused = answer.and_then(reqwest::Response::error_for_status).err();
            let outcome = if refused.is_none() { "sent" } else { "lost" };
            metrics::counter!("berth_trace_spans_total", "outcome" => outcome).increment(count);
            // Once when it begins, not each second.
            if let Some(error) = refused.as_ref().filter(|_| well) {
                tracing::warn!(error = %error.to_string(), "the collector does not take traces; spans are lost until it does");
            }
            well = refused.is_none();
        }
        if let Some(done) = done {
            let _ = done.send(());
        }
    }
}

fn body(service: &str, spans: &[Value]) -> Value {
    let resource =
        [attribute("service.name", service.into()), attribute("service.version", env!("CARGO_PKG_VERSION").into())];
    json!({ "resourceSpans": [{
        "resource": { "attributes": resource },
        "scopeSpans": [{ "scope": { "name": "berth" }, "spans": spans }],
    }] })
}

fn attribute(key: &str, value: Value) -> Value {
    let value = match value {
        Value::Bool(_) => json!({ "boolValue": value }),
        // 64 bits do not fit into JSON's numbers, says the standard.
        Value::Number(number) => json!({ "intValue": number.to_string() }),
        Value::String(_) => json!({ "stringValue": value }),
        other => json!({ "stringValue": other.to_string() }),
    };
    json!({ "key": key, "value": value })
}

/// What is known of a span that is open.
struct Open {
    trace: u128,
    id: u64,
    parent: Option<u64>,
    started: Instant,
    /// Nanoseconds of Unix time.
    started_at: u128,
    fields: Map<String, Value>,
}

impl Open {
    /// Finds its place again after fields were added.
    fn place(&mut self, name: &str) {
        let key = if name == "request" { "id" } else { "request" };
        if let Some(request) = self.fields.get(key).and_then(Value::as_str).filter(|request| !request.is_empty()) {
            self.trace = trace_of(request);
            if name == "request" {
                self.id = span_of(request);
            } else {
                self.parent = self.parent.or(Some(span_of(request)));
            }
        }
        if let Some((trace, parent)) = self.fields.get("traceparent").and_then(Value::as_str).and_then(traceparent) {
            (self.trace, self.parent) = (trace, Some(parent));
        }
    }

    fn show(mut self, name: &str) -> Value {
        let took = self.started.elapsed().as_nanos();
        let text = |fields: &Map<String, Value>, key: &str| fields.get(key).and_then(Value::as_str).map(str::to_owned);
        self.fields.remove("traceparent");
        let shown = match name {
            "request" => text(&self.fields, "method")
                .zip(text(&self.fields, "route"))
                .map(|(method, route)| format!("{method} {route}")),
            other => text(&self.fields, other).map(|what| format!("{other} {what}")),
        };
        let is_bad = self.fields.get("outcome").and_then(Value::as_str).is_some_and(|outcome| outcome != "ok")
            || self.fields.get("status").and_then(Value::as_u64).is_some_and(|status| 500 <= status);
        let fields: Vec<Value> =
            self.fields.into_iter().map(|(key, value)| attribute(&format!("berth.{key}"), value)).collect();
        let mut span = json!({
            "traceId": format!("{:032x}", self.trace),
            "spanId": format!("{:016x}", self.id),
            "name": shown.unwrap_or_else(|| name.to_owned()),
            // Server; all others happen within.
            "kind": if name == "request" { 2 } else { 1 },
            "startTimeUnixNano": self.started_at.to_string(),
            "endTimeUnixNano": (self.started_at + took).to_string(),
            "attributes": fields,
            "status": { "code": if is_bad { 2 } else { 0 } },
        });
        if let Some(parent) = self.parent {
            span["parentSpanId"] = format!("{parent:016x}").into();
        }
        span
    }
}

/// Takes fields as they are written.
struct Fields<'a>(&'a mut Map<String, Value>);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Traces {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id).filter(|span| SENT.contains(&span.name())) else { return };
        let above = span.parent().and_then(|parent| above(&parent));
        let mut fields = Map::new();
        attributes.record(&mut Fields(&mut fields));
        let (trace, parent) = above.map_or_else(|| (rand::random(), None), |(trace, parent)| (trace, Some(parent)));
        let started_at = u128::try_from(self.clock.now()).unwrap_or_default() * 1_000_000;
        let mut open = Open { trace, id: rand::random(), parent, started: Instant::now(), started_at, fields };
        open.place(span.name());
        span.extensions_mut().insert(open);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(open) = span.extensions_mut().get_mut::<Open>() {
            values.record(&mut Fields(&mut open.fields));
            open.place(span.name());
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let Some(open) = span.extensions_mut().remove::<Open>() else { return };
        if self.queue.try_send(Message::Span(Box::new(open.show(span.name())))).is_err() {
            metrics::counter!("berth_trace_spans_total", "outcome" => "lost").increment(1);
        }
    }
}

/// Trace and id of the nearest span above that is sent.
fn above<'a, S: LookupSpan<'a>>(first: &SpanRef<'a, S>) -> Option<(u128, u64)> {
    first.scope().find_map(|span| span.extensions().get::<Open>().map(|open| (open.trace, open.id)))
}
