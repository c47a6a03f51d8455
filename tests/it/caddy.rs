//! Berth behind Debian's Caddy, as a process with the Caddyfile of this repository: what people and strangers meet.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use futures_util::{SinkExt, StreamExt};
use reqwest::Method;
use rust_embed::Embed;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::TcpListener, time::timeout};
use tokio_tungstenite::{
    client_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use crate::harness::{
    Answer, Client, Database, TestBerth,
    caddy::Caddy,
    machines::machines,
    mariadb::free_port,
    process::{Process, Setup},
    until,
};

/// How long anything may take on a busy computer.
const PATIENCE: Duration = Duration::from_mins(1);
const PASSWORD: &str = "a-password-for-production";

#[derive(Embed)]
#[folder = "tests/it/page"]
struct Sample;

/// The real server as in production, and a Caddy before it that it believes.
async fn production(folder: &TempDir) -> (Setup, Process, Caddy) {
    let port = free_port();
    let caddy = Caddy::start(&format!("127.0.0.1:{port}")).await;
    let mut setup = Setup::new(folder.path(), Database::Sqlite.fresh(folder.path()).await)
        .with("BERTH_ENV", "production")
        .with("BERTH_PUBLIC_URL", &caddy.url())
        .with("BERTH_TRUSTED_PROXIES", "127.0.0.1/32")
        .with("BERTH_MACHINES_ALLOW_ADDRESSES", "127.0.0.1/32")
        .with("BERTH_SECRET_KEY", "dGhpcyBrZXkgaXMgZm9yIHRlc3RzIG9mIGNhZGR5ISE=")
        .with("JWT_SECRET", "signs tokens of the tests with Caddy before the server")
        .with("ADMIN_DEFAULT_PASSWORD", PASSWORD);
    setup.port = port;
    let server = setup.server();
    (setup, server, caddy)
}

fn head<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn people_sign_in_book_follow_events_and_open_terminals() {
    let (folder, pool) = (TempDir::new().unwrap(), machines(1).await);
    let (_setup, _server, caddy) = production(&folder).await;
    let body = json!({ "username": "admin", "password": PASSWORD });
    let answer = caddy.client().post("/api/login", &body).await;
    let cookie = head(&answer, "set-cookie").to_owned();
    assert!(cookie.contains("; Secure") && cookie.contains("; HttpOnly"), "{cookie}");
    let mut admin = caddy.client();
    admin.token = Some(answer.expect(200)["access_token"].as_str().unwrap().to_owned());

    admin.post_yaml("/api/machines/import", &pool.inventory()).await.expect(200);
    let stream = admin.request(Method::GET, "/api/events").send().await.unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let mut chunks = stream.bytes_stream();
    let mut heard = String::new();
    let listening = async {
        while !heard.contains("event: reservation.active") {
            heard += &String::from_utf8_lossy(&chunks.next().await.expect("the stream ended").unwrap());
        }
        Instant::now()
    };
    // A password in the address, as the page never sends it.
    let path = "/api/reserve?count=1&duration=60&reservation_password=hush-now";
    let booking = async { (admin.get(path).await.expect(200), Instant::now()) };
    let both = async { tokio::join!(listening, booking) };
    let (told, (booked, answered)) = timeout(PATIENCE, both).await.expect("the stream says that it is active");
    assert!(told.saturating_duration_since(answered) < Duration::from_secs(3), "{told:?} and {answered:?}");
    let id = booked["reservation_id"].as_str().unwrap();
    let said = pool.all[0].run("admin", "hush-now", "id -un");
    assert_eq!(String::from_utf8_lossy(&said.stdout), "admin\n");

    let wanted = json!({ "machine": pool.all[0].name });
    let path = format!("/api/reservations/{id}/terminals");
    let url = admin.post(&path, &wanted).await.expect(201)["url"].as_str().unwrap().to_owned();
    let shown = terminal(&caddy, &url).await;
    assert!(shown.contains("tty-of-admin"), "{shown}");

    let entries = admin.get("/api/audit").await.expect(200);
    let peers: Vec<&Value> = entries["items"].as_array().unwrap().iter().map(|entry| &entry["peer"]).collect();
    assert!(peers.iter().all(|peer| **peer == "127.0.0.1" || **peer == ""), "{peers:?}");

    let log = caddy.log();
    assert!(log.contains("\"uri\":\"/api/terminal?…\""), "{log}");
    let ticket = url.split('=').next_back().unwrap();
    let cookie = cookie.split(['=', ';']).nth(1).unwrap();
    for secret in [ticket, cookie, admin.token.as_ref().unwrap(), "hush-now", PASSWORD] {
        assert!(!log.contains(secret), "`{secret}` is in the log:\n{log}");
    }
}

/// Opens a terminal, asks who is there, and leaves.
async fn terminal(caddy: &Caddy, url: &str) -> String {
    let mut request = format!("wss://localhost:{}{url}", caddy.port).into_client_request().unwrap();
    request.headers_mut().insert("origin", caddy.url().parse().unwrap());
    let (mut socket, _) = client_async(request, caddy.line().await).await.unwrap();
    socket.send(Message::Binary("echo tty-of-$(whoami); exit\n".into())).await.unwrap();
    let mut shown = String::new();
    while let Some(message) = timeout(PATIENCE, socket.next()).await.unwrap_or_else(|_| panic!("silence: {shown}")) {
        match message.unwrap() {
            Message::Binary(bytes) => shown += &String::from_utf8_lossy(&bytes),
            Message::Text(text) if text.contains("\"closed\"") => break,
            _ => {}
        }
    }
    shown
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_a_client_makes_up_gains_nothing() {
    let berth = TestBerth::spawn_with(Database::Sqlite, |config| {
        config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
        config.limits.requests_per_second = 1;
        config.limits.requests_burst = 20;
    })
    .await;
    let caddy = Caddy::start(berth.url.trim_start_matches("http://")).await;
    let liar = caddy.client_from("127.0.0.2").signed_in("admin", crate::harness::ADMIN_PASSWORD).await;
    let lie = |n: usize, request: reqwest::RequestBuilder| {
        let made_up = format!("203.0.113.{n}");
        request
            .header("x-forwarded-for", format!("{made_up}, 127.0.0.1"))
            .header("forwarded", format!("for={made_up}"))
            .header("x-real-ip", made_up)
    };
    let body = json!({ "username": "eve", "password": "a good password" });
    liar.send(lie(1, liar.request(Method::POST, "/api/users").json(&body))).await.expect(201);
    let entries = liar.get("/api/audit?action=user.create").await.expect(200);
    assert_eq!(entries["items"][0]["peer"], "127.0.0.2", "{entries:#}");

    let mut statuses = Vec::new();
    for n in 0..40 {
        statuses.push(liar.send(lie(n, liar.request(Method::GET, "/api/whoami"))).await.status.as_u16());
    }
    assert!(statuses.contains(&429), "{statuses:?}");
    // Another address has a budget of its own: it is not Caddy's that is counted.
    assert_eq!(caddy.client_from("127.0.0.3").get("/api/whoami").await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_comes_through_as_the_server_sends_it_and_what_is_internal_does_not() {
    let berth = TestBerth::spawn(Database::Sqlite).await;
    let app = berth::server::router_with_page(&berth.ctx, Sample::get);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = listener.local_addr().unwrap().to_string();
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, app).await });
    let caddy = Caddy::start(&upstream).await;
    let page = caddy.client();

    let script = page.get("/assets/app-1a2b3c.js").await;
    assert_eq!(head(&script, "cache-control"), "public, max-age=31536000, immutable");
    let packed = page.request(Method::GET, "/assets/app-1a2b3c.js").header("accept-encoding", "gzip");
    assert_eq!(head(&page.send(packed).await, "content-encoding"), "gzip");
    for path in ["/", "/reservations/0199?tab=log"] {
        let answer = page.get(path).await;
        assert_eq!((answer.status.as_u16(), head(&answer, "cache-control")), (200, "no-cache"), "{path}");
        assert!(answer.text.contains("A page of the tests"), "{}", answer.text);
        for name in ["content-security-policy", "x-content-type-options", "x-frame-options", "referrer-policy"] {
            assert_eq!(answer.headers.get_all(name).iter().count(), 1, "{name}");
        }
        assert_eq!((head(&answer, "server"), head(&answer, "alt-svc")), ("", ""));
        // This is `localhost`, where other programs speak HTTP.
        assert_eq!(head(&answer, "strict-transport-security"), "");
    }
    page.get("/api/nothing").await.refused(404, "not-found");
    for path in ["/metrics", "/metrics/x", "//metrics", "/%6detrics"] {
        let answer = page.get(path).await;
        assert_eq!(answer.status, 404, "{path}: {}", answer.text);
        assert!(!answer.text.contains("http_requests_total"), "{path}");
    }
    assert_eq!(caddy.listens(), [format!("127.0.0.1:{}", caddy.port)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_refused_and_says_so() {
    let berth = TestBerth::spawn(Database::Sqlite).await;
    let caddy = Caddy::start(berth.url.trim_start_matches("http://")).await;
    let mut admin = caddy.client();
    admin.token = berth.admin().await.token;
    let import = |body: reqwest::Body| {
        admin.request(Method::POST, "/api/machines/import").header("content-type", "application/yaml").body(body)
    };
    // What is just not too large reaches the server.
    for size in [8_388_608, 1_000_000, 20] {
        admin.send(import("#".repeat(size).into())).await.refused(422, "invalid-machine");
    }
    for size in [8_388_609, 8_388_610, 8_388_700, 8_389_000, 8_400_000, 9_000_000, 20_000_000, 123_000_000] {
        admin.send(import("#".repeat(size).into())).await.refused(413, "body-too-large");
    }
    // One that does not say how long it is.
    let pieces = futures_util::stream::iter((0..200).map(|_| std::io::Result::Ok("# ".repeat(50_000))));
    let answer = admin.send(import(reqwest::Body::wrap_stream(pieces))).await;
    answer.refused(413, "body-too-large");
    let long = admin.request(Method::GET, "/api/whoami").header("x-long", "x".repeat(60_000));
    assert_eq!(admin.send(long).await.status, 431);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_is_said_to_be_away_until_it_is_back() {
    let folder = TempDir::new().unwrap();
    let (setup, mut server, caddy) = production(&folder).await;
    let client = caddy.client();
    assert_eq!(client.get("/api/healthz").await.status, 200);
    server.kill();
    let began = Instant::now();
    let answer = client.get("/api/whoami?ticket=hush-now").await;
    let body = answer.refused(502, "server-unavailable");
    assert!(body["detail"].as_str().unwrap().contains("does not answer now"), "{body:#}");
    assert_eq!(body["status"], 502);
    assert_eq!(head(&answer, "retry-after"), "5");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    let page = client.get("/reservations").await;
    assert_eq!((page.status.as_u16(), head(&page, "content-type")), (502, "text/html; charset=utf-8"));
    assert!(page.text.contains("does not answer now"), "{}", page.text);
    assert!(head(&page, "content-security-policy").contains("default-src 'none'"));
    assert!(caddy.log().contains("\"status\":502") && !caddy.log().contains("hush-now"), "{}", caddy.log());

    let waiting = tokio::spawn({
        let client: Client = client.clone();
        async move { client.get("/api/healthz").await.status.as_u16() }
    });
    let _server = setup.server();
    // Asked while it was away, answered once it was back; or told that it is away.
    assert!([200, 502].contains(&waiting.await.unwrap()));
    until("the server", async || (client.get("/api/healthz").await.status == 200).then_some(())).await;
    client.signed_in("admin", PASSWORD).await.get("/api/whoami").await.expect(200);
}

#[test]
fn the_defaults_of_the_file_are_those_of_the_server() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/caddy/Caddyfile")).unwrap();
    let listen = berth::config::Config::default().listen;
    assert!(text.contains(&format!("{{$BERTH_UPSTREAM:{listen}}}")), "{listen}");
}
