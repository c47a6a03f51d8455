//! What surrounds every route: bodies, headers, limits, faults.

use std::{net::SocketAddr, time::Duration};

use axum::{Router, routing::get};
use berth::http::Rules;
use reqwest::Method;
use serde_json::json;

use crate::{both, web::Web};

both! {
    a_bad_body_is_refused_with_its_place,
    a_large_body_without_a_length_is_cut_off,
    every_answer_carries_the_headers_and_its_id,
    a_stranger_cannot_name_his_own_address,
    too_many_requests_of_one_address_are_refused_for_a_while,
    sign_ins_have_a_limit_of_their_own,
    a_panic_and_a_hanging_route_become_problems,
    without_its_database_the_server_asks_to_come_back,
}

async fn a_bad_body_is_refused_with_its_place() {
    let web = Web::spawn().await;
    let login = async |kind: &str, body: Vec<u8>| {
        Web::send(web.request(Method::POST, "/api/login", "").header("content-type", kind).body(body)).await
    };
    let json = "application/json";
    for (kind, body, status, slug) in [
        (json, b"".to_vec(), 400, "malformed-json"),
        (json, b"{\"username\": \"admin\"".to_vec(), 400, "malformed-json"),
        (json, b"\xff\xfe".to_vec(), 400, "malformed-json"),
        (json, b"{} {}".to_vec(), 422, "invalid-body"),
        (json, b"[]".to_vec(), 422, "invalid-body"),
        (json, b"{\"username\": \"a\"}".to_vec(), 422, "invalid-body"),
        (json, b"{\"username\": 1, \"password\": \"x\"}".to_vec(), 422, "invalid-body"),
        (json, b"{\"username\": \"a\", \"username\": \"b\", \"password\": \"x\"}".to_vec(), 422, "invalid-body"),
        (json, vec![b' '; 1024 * 1024 + 1], 413, "body-too-large"),
        ("text/plain", b"{}".to_vec(), 415, "not-json"),
        ("application/x-www-form-urlencoded", b"username=admin&password=change-me".to_vec(), 415, "not-json"),
    ] {
        let shown = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
        let answer = login(kind, body).await;
        assert_eq!((answer.status.as_u16(), answer.slug().as_str()), (status, slug), "{shown}");
    }
    let answer = login(json, b"{\"username\": \"a\",\n \"password\": 7}".to_vec()).await.json();
    assert_eq!(answer["errors"][0]["pointer"], "/password");
    assert_eq!(answer["errors"][0]["line"], 2);
    let answer = login(json, b"{\"usrename\": \"a\"}".to_vec()).await.json();
    assert!(answer["detail"].as_str().unwrap().contains("unknown field `usrename`"), "{answer}");
}

async fn a_large_body_without_a_length_is_cut_off() {
    let web = Web::spawn().await;
    let chunks = futures_util::stream::iter((0..40).map(|_| Ok::<_, std::io::Error>(vec![b' '; 64 * 1024])));
    let request = web.request(Method::POST, "/api/login", "").header("content-type", "application/json");
    let answer = Web::send(request.body(reqwest::Body::wrap_stream(chunks))).await;
    assert_eq!((answer.status.as_u16(), answer.slug().as_str()), (413, "body-too-large"));
}

async fn every_answer_carries_the_headers_and_its_id() {
    let web = Web::spawn().await;
    let answer = web.get("/api/whoami", "").await;
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
        ("x-frame-options", "DENY"),
    ] {
        assert_eq!(answer.headers[name], value);
    }
    assert!(answer.headers["content-security-policy"].to_str().unwrap().contains("frame-ancestors 'none'"));
    assert_eq!(answer.headers["x-request-id"], answer.json()["request_id"].as_str().unwrap());

    let with = async |id: &str| {
        let answer = Web::send(web.request(Method::GET, "/api/whoami", "").header("x-request-id", id)).await;
        answer.headers["x-request-id"].to_str().unwrap().to_owned()
    };
    assert_eq!(with("trace-0123456789").await, "trace-0123456789");
    for rubbish in ["x", "with space 123", "<script>alert(1)</script>", &"x".repeat(200)] {
        assert_ne!(with(rubbish).await, rubbish);
    }
}

async fn a_stranger_cannot_name_his_own_address() {
    let web = Web::spawn().await;
    let admin = web.admin().await;
    let request = web.request(Method::POST, "/api/me/tokens", &admin).header("x-forwarded-for", "203.0.113.66");
    assert_eq!(Web::send(request.json(&json!({"name": "spoofed"}))).await.status, 201);
    let entry = web.get("/api/audit?action=token.add", &admin).await.json();
    assert_eq!(entry["items"][0]["peer"], "127.0.0.1");
}

async fn too_many_requests_of_one_address_are_refused_for_a_while() {
    let web = Web::with(|config| {
        config.limits.requests_per_second = 1;
        config.limits.requests_burst = 5;
    })
    .await;
    let mut refused = None;
    for _ in 0..7 {
        let answer = web.get("/api/whoami", "").await;
        if answer.status == 429 {
            refused = Some(answer);
        }
    }
    let refused = refused.expect("seven at once are more than five");
    assert_eq!(refused.slug(), "too-many-requests");
    assert!(refused.headers.contains_key("retry-after"));
}

async fn sign_ins_have_a_limit_of_their_own() {
    let web = Web::with(|config| {
        config.limits.logins_per_minute = 1;
        config.limits.logins_burst = 3;
    })
    .await;
    for number in 0..3 {
        assert_eq!(web.login(&format!("user{number}"), "x").await.status, 401);
    }
    let refused = web.login("admin", "change-me").await;
    assert_eq!((refused.status.as_u16(), refused.slug().as_str()), (429, "too-many-requests"));
    assert_eq!(web.get("/api/whoami", "").await.status, 401, "other routes go on");
}

async fn broken() -> &'static str {
    panic!("hunter2")
}

async fn a_panic_and_a_hanging_route_become_problems() {
    let web = Web::with(|config| config.timeouts.request = Duration::from_millis(50)).await;
    let routes =
        Router::new().route("/api/panics", get(broken)).route("/api/hangs", get(std::future::pending::<&'static str>));
    let app = berth::http::wrap(routes, &web.ctx, Rules::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await });
    let get = async |path: &str| Web::send(web.client.get(format!("{url}{path}"))).await;

    let panicked = get("/api/panics").await;
    assert_eq!((panicked.status.as_u16(), panicked.slug().as_str()), (500, "internal"));
    assert!(!panicked.text.contains("hunter2"));
    let id = panicked.headers["x-request-id"].to_str().unwrap();
    assert!(panicked.json()["detail"].as_str().unwrap().contains(id));
    let hanging = get("/api/hangs").await;
    assert_eq!((hanging.status.as_u16(), hanging.slug().as_str()), (503, "timed-out"));
    assert!(hanging.headers.contains_key("retry-after"));
    assert_eq!(get("/api/panics").await.status, 500, "the server goes on");
}

async fn without_its_database_the_server_asks_to_come_back() {
    let web = Web::spawn().await;
    let admin = web.admin().await;
    web.ctx.db.close().await;
    for answer in [web.get("/api/whoami", &admin).await, web.login("admin", "change-me").await] {
        assert_eq!((answer.status.as_u16(), answer.slug().as_str()), (503, "database-unavailable"));
        assert_eq!(answer.headers["retry-after"], "5");
    }
}
