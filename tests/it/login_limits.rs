//! Guessing passwords is slow, and costs nobody else a thing.

use std::time::Duration;

use berth::http::{Bounds, serve};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

use crate::{
    both,
    harness::{Answer, Client, Database, TestBerth},
};

both! {
    a_stranger_who_guesses_does_not_keep_the_owner_out,
    many_strangers_have_one_try_each_and_the_owner_gets_in_from_everywhere,
}

async fn behind_a_proxy(database: Database) -> TestBerth {
    TestBerth::spawn_with(database, |config| {
        config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
    })
    .await
}

/// Signs in with these lines of `X-Forwarded-For`.
async fn from(client: &Client, forwarded: &[&str], password: &str) -> Answer {
    let mut request = client.request(Method::POST, "/api/login");
    for line in forwarded {
        request = request.header("x-forwarded-for", *line);
    }
    client.send(request.json(&json!({ "username": "admin", "password": password }))).await
}

async fn a_stranger_who_guesses_does_not_keep_the_owner_out() {
    let berth = behind_a_proxy(crate::web::database()).await;
    let client = berth.stranger();
    let mut refused = 0;
    for n in 0..100 {
        // What the stranger writes himself stands left of what the proxies write.
        let own_words = format!("198.51.100.{n}");
        let answer = from(&client, &[&own_words, "203.0.113.9, 10.0.0.7"], &format!("guess {n}")).await;
        refused += usize::from(answer.status == 429);
        assert!(matches!(answer.status.as_u16(), 401 | 429), "{}", answer.text);
        if n % 10 == 0 {
            from(&client, &["192.0.2.7"], "change-me").await.expect(200);
        }
    }
    // Five tries are free, and one more each time a pause is over, which a busy computer may see.
    assert!((85..=95).contains(&refused), "{refused} of 100 were refused");
    // Not even right: the one who guesses waits.
    let slowed = from(&client, &["203.0.113.9"], "change-me").await;
    slowed.refused(429, "slow-down");
    assert!(slowed.headers.contains_key("retry-after"));
    from(&client, &["192.0.2.7"], "change-me").await.expect(200);
}

async fn many_strangers_have_one_try_each_and_the_owner_gets_in_from_everywhere() {
    let berth = behind_a_proxy(crate::web::database()).await;
    let client = berth.stranger();
    let signed_in = from(&client, &["192.0.2.7"], "change-me").await;
    let cookie = signed_in.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    for n in 0..60 {
        from(&client, &[&format!("198.51.100.{n}")], "guess").await.expect(401);
    }
    let strange = ["203.0.113.9"];
    from(&client, &strange, "guess").await.expect(401);
    from(&client, &strange, "guess").await.refused(429, "slow-down");
    from(&client, &["2001:db8:1:1::1"], "guess").await.expect(401);
    from(&client, &["2001:db8:1:2::1"], "guess").await.refused(429, "slow-down");
    // The owner: from a network nobody guessed from, from his own after some typing errors, and with his device where
    // a stranger has used up all tries.
    from(&client, &["203.0.113.77"], "change-me").await.expect(200);
    for _ in 0..3 {
        from(&client, &["192.0.2.7"], "chagne-me").await.expect(401);
    }
    from(&client, &["192.0.2.7"], "change-me").await.expect(200);
    from(&client, &strange, "change-me").await.refused(429, "slow-down");
    let request = client.request(Method::POST, "/api/login").header("x-forwarded-for", strange[0]);
    let body = json!({ "username": "admin", "password": "change-me" });
    client.send(request.header("cookie", cookie).json(&body)).await.expect(200);
    berth.advance(Duration::from_mins(16));
    from(&client, &strange, "change-me").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_of_a_stranger_gains_nothing() {
    let berth = TestBerth::spawn(Database::Sqlite).await;
    let client = berth.stranger();
    for n in 0..5 {
        from(&client, &[&format!("198.51.100.{n}")], "guess").await.expect(401);
    }
    from(&client, &["198.51.100.200"], "guess").await.refused(429, "slow-down");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_tries_at_once_are_no_more_than_one_after_the_other() {
    let berth = TestBerth::spawn(Database::Sqlite).await;
    let client = berth.stranger();
    let tries = (0..40).map(|n| {
        let client = client.clone();
        async move { from(&client, &[], &format!("guess {n}")).await.status.as_u16() }
    });
    let seen = futures_util::future::join_all(tries).await;
    assert_eq!(seen.iter().filter(|status| **status == 401).count(), 5, "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_is_not_guessed_at_an_open_screen() {
    let berth = TestBerth::spawn(Database::Sqlite).await;
    let admin = berth.admin().await;
    let change = |current: &str| json!({ "password": { "current": current, "new": "another good one" } });
    for _ in 0..5 {
        admin.patch("/api/me", &change("guess")).await.refused(422, "wrong-password");
    }
    admin.patch("/api/me", &change("change-me")).await.refused(429, "slow-down");
    berth.advance(Duration::from_secs(2));
    admin.patch("/api/me", &change("change-me")).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_page_gets_nothing_for_the_cookie() {
    let berth = TestBerth::spawn(Database::Sqlite).await;
    let client = berth.stranger();
    let signed_in = from(&client, &[], "change-me").await;
    let cookie = signed_in.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    for (name, value) in [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site"), ("origin", "null")] {
        for path in ["/api/refresh", "/api/logout", "/api/login"] {
            let request = client.request(Method::POST, path).header("cookie", &cookie).header(name, value);
            let body = json!({ "username": "admin", "password": "change-me" });
            client.send(request.json(&body)).await.refused(403, "foreign-origin");
        }
    }
    let request = client.request(Method::POST, "/api/refresh").header("cookie", &cookie);
    client.send(request.header("origin", &berth.url).header("sec-fetch-site", "same-origin")).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_production_the_cookie_is_bound_to_this_host_and_tls() {
    let berth = TestBerth::spawn_with(Database::Sqlite, |config| {
        config.env = berth::config::Environment::Production;
    })
    .await;
    let client = berth.stranger();
    let signed_in = from(&client, &[], "change-me").await;
    let line = signed_in.headers["set-cookie"].to_str().unwrap();
    assert!(line.starts_with("__Host-berth_refresh="), "{line}");
    for part in ["; Path=/;", "; Secure", "; HttpOnly", "; SameSite=Strict"] {
        assert!(line.contains(part), "{line}");
    }
    assert!(!line.contains("Domain"), "{line}");
    let token = line.split(';').next().unwrap().split_once('=').unwrap().1;
    let refresh = async |name: &str| {
        let request = client.request(Method::POST, "/api/refresh").header("cookie", format!("{name}={token}"));
        client.send(request).await
    };
    refresh("berth_refresh").await.expect(401);
    refresh("__Host-berth_refresh").await.expect(200);

    let admin = berth.admin().await;
    let made = |password: &str| json!({ "username": "alice", "password": password });
    for bad in ["short", "Password123", "alice2026!", "11111111"] {
        admin.post("/api/users", &made(bad)).await.refused(422, "invalid-password");
    }
    admin.post("/api/users", &made("three odd words")).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_however_much_it_is_used() {
    let berth = TestBerth::spawn_with(Database::Sqlite, |config| {
        config.auth.session_longest = Duration::from_hours(24 * 30);
    })
    .await;
    let client = berth.stranger();
    let cookie_of =
        |answer: &Answer| answer.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let mut cookie = cookie_of(&from(&client, &[], "change-me").await);
    let refresh =
        async |cookie: &str| client.send(client.request(Method::POST, "/api/refresh").header("cookie", cookie)).await;
    for _ in 0..3 {
        berth.advance(Duration::from_hours(24 * 9));
        let answer = refresh(&cookie).await;
        answer.expect(200);
        cookie = cookie_of(&answer);
    }
    berth.advance(Duration::from_hours(24 * 4));
    refresh(&cookie).await.expect(401);
}

/// A server with these bounds, without TLS, as behind its proxy.
async fn bounded(bounds: Bounds) -> (String, CancellationToken) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let stop = CancellationToken::new();
    let app = axum::Router::new().route("/", axum::routing::get(|| async { "well" }));
    tokio::spawn(serve(listener, app, bounds, stop.clone()));
    (address, stop)
}

async fn answer_to(address: &str, text: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // What is too much is not read to its end.
    let _ = stream.write_all(text.as_bytes()).await;
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said).await;
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_slowly_or_much_is_cut_off() {
    let bounds = Bounds { head: Duration::from_millis(300), ..Bounds::default() };
    let (address, stop) = bounded(bounds).await;
    let good = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert!(answer_to(&address, good).await.ends_with("well"));
    // Never the end of the head: the server ends it, and `read_to_end` comes back.
    let slow = answer_to(&address, "GET / HTTP/1.1\r\nHost: x\r\nX: ").await;
    assert!(!slow.contains("200 OK"), "{slow}");
    let long = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "a".repeat(400 * 1024));
    let refused = answer_to(&address, &long).await;
    assert!(refused.is_empty() || refused.starts_with("HTTP/1.1 431"), "{refused}");
    let many = (0..200).map(|n| format!("X-{n}: a\r\n")).collect::<Vec<_>>().concat();
    let refused = answer_to(&address, &format!("GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n")).await;
    assert!(refused.starts_with("HTTP/1.1 431"), "{refused}");
    // Two answers to where a request ends are no answer at all.
    for smuggled in [
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n X: folded\r\n\r\n",
    ] {
        let said = answer_to(&address, smuggled).await;
        assert!(said.starts_with("HTTP/1.1 400"), "{smuggled:?}: {said}");
    }
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_too_many_waits_for_its_seat() {
    let (address, stop) = bounded(Bounds { connections: 1, ..Bounds::default() }).await;
    let good = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let mut first = TcpStream::connect(&address).await.unwrap();
    first.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut buffer = [0; 1024];
    assert!(0 < first.read(&mut buffer).await.unwrap());
    let second = tokio::spawn({
        let address = address.clone();
        async move { answer_to(&address, good).await }
    });
    tokio::task::yield_now().await;
    assert!(!second.is_finished());
    drop(first);
    assert!(second.await.unwrap().ends_with("well"));
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn depth_and_compression_are_no_bombs() {
    let berth = TestBerth::spawn(Database::Sqlite).await;
    let admin = berth.admin().await;
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let request = admin.request(Method::POST, "/api/users").header("content-type", "application/json");
    admin.send(request.body(deep.replacen('[', "{\"a\":[", 1))).await.refused(422, "invalid-body");
    let request = admin.request(Method::POST, "/api/users").header("content-type", "application/json");
    admin.send(request.body(deep)).await.refused(422, "invalid-body");
    // A body is taken as it is: what says that it is compressed is not unpacked.
    let request = admin.request(Method::POST, "/api/users").header("content-type", "application/json");
    let packed: Vec<u8> = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1, 0, 0, 0xff, 0xff];
    let refused: Value =
        admin.send(request.header("content-encoding", "gzip").body(packed)).await.refused(400, "malformed-json");
    assert!(refused["detail"].is_string());
}
