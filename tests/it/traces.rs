//! One id from the page to the step on a machine: in answers, log, events, audit, on the machine, and as a trace.

use std::{
    fs,
    sync::{Arc, Mutex},
};

use axum::{Json, Router, extract::State, routing::post};
use berth::telemetry;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{ADMIN_PASSWORD, Client, Database, machines::machines, process::Setup, until};

type Spans = Arc<Mutex<Vec<Value>>>;

/// In the place of a collector: keeps the spans, each with the name of its service.
async fn collector() -> (u16, Spans) {
    async fn take(State(spans): State<Spans>, Json(body): Json<Value>) -> Json<Value> {
        for resource in body["resourceSpans"].as_array().unwrap() {
            let service = &resource["resource"]["attributes"][0];
            assert_eq!(service["key"], "service.name");
            for scope in resource["scopeSpans"].as_array().unwrap() {
                for span in scope["spans"].as_array().unwrap() {
                    let mut span = span.clone();
                    span["service"] = service["value"]["stringValue"].clone();
                    spans.lock().unwrap().push(span);
                }
            }
        }
        Json(json!({}))
    }
    let spans = Spans::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let app = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&spans));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (port, spans)
}

/// The span of this name in this trace, once it has come.
async fn span(spans: &Spans, trace: &str, name: &str) -> Value {
    until(&format!("the span `{name}`"), async || {
        let spans = spans.lock().unwrap();
        spans.iter().find(|span| span["name"] == name && span["traceId"] == trace).cloned()
    })
    .await
}

fn hex(request: &str) -> String {
    format!("{:032x}", telemetry::trace_of(request))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_id_leads_from_the_request_to_the_step_on_the_machine() {
    const BOOKS: &str = "look-for-me-4711";
    const GIVES_BACK: &str = "0af7651916cd43dd8448eb211c80319c";
    let quays = machines(1).await;
    let (port, spans) = collector().await;
    let folder = TempDir::new().unwrap();
    let books = folder.path().join("books");
    fs::create_dir(&books).unwrap();
    let book = include_str!("../../playbooks/create-users.yml");
    let writes = "\n    - name: who asked\n      shell: echo \"$BERTH_REQUEST_ID\" >/var/tmp/asked\n";
    fs::write(books.join("create-users.yml"), format!("{}{writes}", book.trim_end())).unwrap();
    let setup = Setup::new(folder.path(), Database::Sqlite.fresh(folder.path()).await)
        .with("BERTH_PLAYBOOKS", books.to_str().unwrap())
        .with("BERTH_LOG_FORMAT", "json")
        .with("LOG_LEVEL", "berth=debug")
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://127.0.0.1:{port}"));
    let server = setup.server();
    let admin = Client::new(&setup.url()).signed_in("admin", ADMIN_PASSWORD).await;
    admin.post_yaml("/api/machines/import?wait=60", &quays.inventory()).await.expect(200);

    let body = json!({ "count": 1, "duration": 60, "reservation_password": "test" });
    let request = admin.request(Method::POST, "/api/reservations").header("x-request-id", BOOKS).json(&body);
    let booked = admin.send(request).await;
    assert_eq!(booked.headers["x-request-id"], BOOKS);
    let id = booked.expect(202)["id"].as_str().unwrap().to_owned();
    let path = format!("/api/reservations/{id}");
    until("`active`", async || (admin.get(&path).await.json()["state"] == "active").then_some(())).await;
    assert_eq!(quays.all[0].file("/var/tmp/asked").as_deref(), Some(&*format!("{BOOKS}\n")));

    // Whoever goes on with a trace is found by its id; the taking back belongs to that request.
    let parent = format!("00-{GIVES_BACK}-b7ad6b7169203331-01");
    let released = admin.send(admin.request(Method::DELETE, &path).header("traceparent", &parent)).await;
    released.expect(202);
    assert_eq!(released.headers["x-request-id"], GIVES_BACK);
    until("`closed`", async || (admin.get(&path).await.json()["state"] == "closed").then_some(())).await;

    // The log: every line of the work has the id in one of its spans.
    let text = fs::read_to_string(&server.log).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let logged = |request: &str, message: &str, inside: &str| {
        lines.iter().any(|line| {
            let spans = line["spans"].as_array().map(Vec::as_slice).unwrap_or_default();
            let has = |span: &Value| span["id"] == request || span["request"] == request;
            line["message"] == message && spans.iter().any(has) && spans.iter().any(|span| span["name"] == inside)
        })
    };
    for (request, message, inside) in [
        (BOOKS, "answered", "request"),
        (BOOKS, "a step is done", "step"),
        (BOOKS, "a step is done", "run"),
        (BOOKS, "a run is over", "job"),
        (GIVES_BACK, "answered", "request"),
        (GIVES_BACK, "a step is done", "step"),
        (GIVES_BACK, "a run is over", "job"),
    ] {
        assert!(logged(request, message, inside), "`{message}` of {request} in {inside}:\n{text}");
    }

    // The events that a page sees.
    let events = admin.get(&format!("/api/events?poll=1&after={id}")).await.expect(200);
    let of = |kind: &str| {
        let mut found = events["items"].as_array().unwrap().iter().filter(|event| event["kind"] == kind);
        found.next().unwrap_or_else(|| panic!("no `{kind}`: {events:#}"))["data"]["request_id"].clone()
    };
    for (kind, request) in [
        ("reservation.accepted", BOOKS),
        ("provision.progress", BOOKS),
        ("reservation.active", BOOKS),
        ("reservation.closed", GIVES_BACK),
    ] {
        assert_eq!(of(kind), request, "{kind}");
    }

    // The traces: request, job, run, step, each below the one before.
    for (request, first, job, run, steps) in [
        (
            BOOKS,
            "POST /api/reservations",
            "job reservation.drive",
            "run provision",
            ["connect", "look", "playbook", "identify"],
        ),
        (
            GIVES_BACK,
            "DELETE /api/reservations/{id}",
            "job allotment.clean",
            "run clean",
            ["connect", "drain", "sweep", "verify"],
        ),
    ] {
        let trace = hex(request);
        let first = span(&spans, &trace, first).await;
        assert_eq!((&first["kind"], &first["service"]), (&json!(2), &json!("berth")), "{first:#}");
        let job = span(&spans, &trace, job).await;
        assert_eq!(job["parentSpanId"], first["spanId"], "{job:#}");
        let run = span(&spans, &trace, run).await;
        assert_eq!(run["parentSpanId"], job["spanId"], "{run:#}");
        for step in steps {
            let step = span(&spans, &trace, &format!("step {step}")).await;
            assert_eq!(step["parentSpanId"], run["spanId"], "{step:#}");
            let time = |key: &str| step[key].as_str().unwrap().parse::<u128>().unwrap();
            assert!(time("startTimeUnixNano") <= time("endTimeUnixNano"), "{step:#}");
            assert_eq!(step["status"]["code"], 0, "{step:#}");
        }
    }
    let gives_back = span(&spans, GIVES_BACK, "DELETE /api/reservations/{id}").await;
    assert_eq!(gives_back["parentSpanId"], "b7ad6b7169203331", "{gives_back:#}");
    let all = spans.lock().unwrap().iter().map(ToString::to_string).collect::<String>();
    for secret in [ADMIN_PASSWORD, admin.token.as_deref().unwrap(), "Bearer"] {
        assert!(!all.contains(secret), "a secret is in a span");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_away_costs_spans_and_nothing_else() {
    let folder = TempDir::new().unwrap();
    let metrics = crate::harness::mariadb::free_port();
    let setup = Setup::new(folder.path(), Database::Sqlite.fresh(folder.path()).await)
        .with("BERTH_REMOTE", "fake")
        .with("BERTH_METRICS_LISTEN", &format!("127.0.0.1:{metrics}"))
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1");
    let server = setup.server();
    let admin = Client::new(&setup.url()).signed_in("admin", ADMIN_PASSWORD).await;
    admin.get("/api/me").await.expect(200);
    let internal = Client::new(&format!("http://127.0.0.1:{metrics}"));
    until("lost spans", async || {
        let text = internal.get("/metrics").await.text;
        let line = text.lines().find_map(|line| line.strip_prefix("berth_trace_spans_total{outcome=\"lost\"} "))?;
        (line != "0").then_some(())
    })
    .await;
    admin.get("/api/me").await.expect(200);
    until("the warning", async || server.tail().contains("does not take traces").then_some(())).await;
}
