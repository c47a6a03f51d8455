//! The web page: its files, how long browsers keep them, and what else is answered at addresses that are no route.

use std::{io::Read, net::SocketAddr};

use berth::config::Config;
use reqwest::Method;
use rust_embed::Embed;

use crate::{
    harness::{Answer, Client, Database, TestBerth},
    on_both,
};

#[derive(Embed)]
#[folder = "tests/it/page"]
struct Sample;

/// A server with the page of the tests, and one that was built without a page.
async fn servers(change: impl FnOnce(&mut Config)) -> (TestBerth, Client, Client) {
    let berth = TestBerth::spawn_with(Database::Sqlite, change).await;
    let serve = async |files| {
        let app = berth::server::router_with_page(&berth.ctx, files);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, app).await });
        Client::new(&url)
    };
    let (page, bare) = (serve(Sample::get).await, serve(|_| None).await);
    (berth, page, bare)
}

fn head<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
}

#[tokio::test]
async fn every_address_that_is_no_file_shows_the_page() {
    let (_berth, page, _) = servers(|_| ()).await;
    for path in ["/", "/machines", "/reservations/0199?tab=log", "/a.b/c", "/../../../Cargo.toml", "/.hidden", "//x"] {
        let answer = page.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.text.contains("A page of the tests"), "{path}");
        assert_eq!(head(&answer, "content-type"), "text/html; charset=utf-8");
        assert_eq!(head(&answer, "cache-control"), "no-cache");
        let policy = head(&answer, "content-security-policy");
        assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{policy}");
    }
    page.delete("/machines").await.refused(405, "wrong-method");
}

#[tokio::test]
async fn a_file_is_kept_as_long_as_its_name_says() {
    let (_berth, page, _) = servers(|_| ()).await;
    let script = page.get("/assets/app-1a2b3c.js").await;
    assert_eq!(script.status, 200);
    assert_eq!(head(&script, "content-type"), "text/javascript; charset=utf-8");
    assert_eq!(head(&script, "cache-control"), "public, max-age=31536000, immutable");
    let logo = page.get("/logo.svg").await;
    assert_eq!(head(&logo, "content-type"), "image/svg+xml; charset=utf-8");
    assert_eq!(head(&logo, "cache-control"), "no-cache");

    let tag = head(&logo, "etag");
    let again =
        page.send(page.request(Method::GET, "/logo.svg").header("if-none-match", format!("\"x\", {tag}"))).await;
    assert_eq!((again.status.as_u16(), again.text.as_str()), (304, ""));
    assert_eq!(head(&again, "etag"), tag);
    let other = page.send(page.request(Method::GET, "/").header("if-none-match", tag)).await;
    assert_eq!(other.status, 200);

    let gone = page.get("/assets/app-000000.js").await;
    gone.refused(404, "not-found");
    assert_eq!(head(&gone, "cache-control"), "no-cache");
}

#[tokio::test]
async fn head_answers_without_the_file() {
    let (_berth, page, _) = servers(|_| ()).await;
    for (path, kind) in [("/", "text/html; charset=utf-8"), ("/logo.svg", "image/svg+xml; charset=utf-8")] {
        let answer = page.send(page.request(Method::HEAD, path)).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, ""));
        assert_eq!(head(&answer, "content-type"), kind);
        assert!(!head(&answer, "etag").is_empty());
    }
}

#[tokio::test]
async fn what_is_large_goes_out_compressed_to_those_who_take_it() {
    let (berth, page, _) = servers(|_| ()).await;
    let plain = page.get("/assets/app-1a2b3c.js").await;
    assert_eq!(head(&plain, "content-encoding"), "");
    let request = page.request(Method::GET, "/assets/app-1a2b3c.js").header("accept-encoding", "br, gzip");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.headers()["content-encoding"], "gzip");
    assert_eq!(answer.headers()["vary"], "accept-encoding");
    let bytes = answer.bytes().await.unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
    assert_eq!(text, plain.text);
    assert!(bytes.len() * 2 < text.len());

    berth.machines(40).await;
    let admin = berth.admin().await;
    for (path, encoding) in [("/api/machines", "gzip"), ("/api/whoami", ""), ("/api/events", "")] {
        let answer = admin.request(Method::GET, path).header("accept-encoding", "gzip").send().await.unwrap();
        let found = answer.headers().get("content-encoding").map(|value| value.to_str().unwrap());
        assert_eq!(found.unwrap_or_default(), encoding, "{path}");
    }
}

#[tokio::test]
async fn what_the_build_compressed_goes_out_as_it_is() {
    let (_berth, page, _) = servers(|_| ()).await;
    let ask = async |accept: &'static str| {
        let request = page.request(Method::GET, "/assets/small-4d5e6f.js").header("accept-encoding", accept);
        let answer = request.send().await.unwrap();
        let head = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let (encoding, vary) = (head("content-encoding").unwrap_or_default(), head("vary").unwrap_or_default());
        assert_eq!(head("content-type").unwrap(), "text/javascript; charset=utf-8", "{accept}");
        assert_eq!(head("cache-control").unwrap(), "public, max-age=31536000, immutable");
        (encoding, vary, answer.text().await.unwrap())
    };
    // The samples are texts that tell which file was sent.
    let as_is = (String::new(), String::new(), "export const sent = 'plain';\n".to_owned());
    let varied = "accept-encoding".to_owned();
    assert_eq!(ask("identity").await, as_is);
    assert_eq!(ask("br;q=0, deflate").await, as_is);
    for accept in ["br", "gzip, deflate, br", "GZIP;q=0.5, BR;q=1.0"] {
        assert_eq!(ask(accept).await, ("br".to_owned(), varied.clone(), "sent: br\n".to_owned()), "{accept}");
    }
    assert_eq!(ask("gzip, br;q=0").await, ("gzip".to_owned(), varied, "sent: gzip\n".to_owned()));
}

#[tokio::test]
async fn without_a_page_the_server_says_how_to_build_it() {
    let (_berth, _, bare) = servers(|_| ()).await;
    let answer = bare.get("/").await;
    assert_eq!(answer.status, 200);
    assert!(answer.text.contains("./just web"), "{}", answer.text);
    assert_eq!(head(&answer, "cache-control"), "no-cache");
    bare.get("/assets/app-1a2b3c.js").await.refused(404, "not-found");
}

#[tokio::test]
async fn files_of_the_page_do_not_use_up_what_an_address_may_ask() {
    let few = |config: &mut Config| {
        config.limits.requests_per_second = 1;
        config.limits.requests_burst = 5;
    };
    let (_berth, page, _) = servers(few).await;
    for _ in 0..30 {
        assert_eq!(page.get("/assets/app-1a2b3c.js").await.status, 200);
    }
    assert_eq!(page.get("/api/whoami").await.status, 401);
    let mut statuses = Vec::new();
    for _ in 0..10 {
        statuses.push(page.get("/api/nothing/here").await.status.as_u16());
    }
    assert_eq!(statuses[0], 404, "an address below `/api` is no page");
    assert!(statuses.contains(&429), "{statuses:?}");
}

on_both! {
    async fn below_api_there_is_no_page(berth: TestBerth) {
        let stranger = berth.stranger();
        for path in ["/api", "/api/", "/api/nothing", "/api/machines/a/b/c", "/metrics"] {
            stranger.get(path).await.refused(404, "not-found");
        }
        stranger.delete("/api/nothing").await.refused(404, "not-found");
        stranger.delete("/api/healthz").await.refused(405, "wrong-method");
    }
}
