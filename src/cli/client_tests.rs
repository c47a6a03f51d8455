//! The client against a server of a few lines: what is sent, when a session is renewed, what errors become.

#![allow(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

use super::{
    super::{call::refresh_cookie, fault::code_of},
    *,
};

/// Answers the given texts in turn, one connection each, and tells what it was sent.
fn server(answers: Vec<&'static str>) -> (Url, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for answer in answers {
            let (stream, _) = listener.accept().unwrap();
            sender.send(exchange(stream, answer)).unwrap();
        }
    });
    (api_base(&format!("http://{address}")).unwrap(), receiver)
}

fn exchange(mut stream: TcpStream, answer: &str) -> String {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut request = String::new();
    while !request.ends_with("\r\n\r\n") {
        assert_ne!(reader.read_line(&mut request).unwrap(), 0, "the request ended early");
    }
    let length = request.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    request.push_str(&String::from_utf8(body).unwrap());
    if answer.is_empty() {
        // The server dies here.
        return request;
    }
    let (head, body) = answer.split_once("\n\n").unwrap_or((answer, ""));
    let head = head.replace('\n', "\r\n");
    write!(stream, "HTTP/1.1 {head}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
    request
}

fn client(base: Url, session: Option<(&str, &str)>) -> (tempfile::TempDir, Client) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::at(folder.path().join("berth/profiles.toml"));
    let profile = session.map(|(token, cookie)| Profile {
        url: base.to_string(),
        username: "alice".into(),
        access_token: Some(token.into()),
        refresh_cookie: Some(cookie.into()),
    });
    if let Some(profile) = profile.clone() {
        store.put(&store.lock().unwrap(), "default", profile).unwrap();
    }
    let identity = Identity { base, profile_name: "default".into(), store, profile, token: None, verify_tls: true };
    (folder, Client::new(identity).unwrap())
}

#[test]
fn an_address_may_be_given_with_or_without_api() {
    for (given, base) in [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/api"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/api"),
        ("http://127.0.0.1:8080/api", "http://127.0.0.1:8080/api"),
        (" https://example.org/lab/api/ ", "https://example.org/lab/api"),
        ("https://example.org/lab?x=1#y", "https://example.org/lab/api"),
    ] {
        assert_eq!(api_base(given).unwrap().as_str(), base);
    }
}

#[test]
fn an_address_that_cannot_be_meant_is_refused() {
    for given in ["127.0.0.1:8080", "ftp://example.org", "", "https://alice:secret@example.org"] {
        let error = api_base(given).unwrap_err();
        assert_eq!(code_of(&error), 2, "{given}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[test]
fn only_addresses_of_this_computer_are_loopback() {
    for (address, expected) in [
        ("http://127.0.0.1:1", true),
        ("http://localhost", true),
        ("http://[::1]:8080", true),
        ("http://localhost.example.org", false),
        ("http://10.0.0.1", false),
    ] {
        assert_eq!(is_loopback(&Url::parse(address).unwrap()), expected, "{address}");
    }
}

#[test]
fn names_are_quoted_in_the_path_and_cannot_leave_it() {
    let (_folder, client) = client(api_base("http://localhost").unwrap(), None);
    let url = client.url(&["users", "a/../b?c d"]).unwrap();
    assert_eq!(url.as_str(), "http://localhost/api/users/a%2F..%2Fb%3Fc%20d");
    for bad in ["", ".", ".."] {
        assert_eq!(code_of(&client.url(&["users", bad]).unwrap_err()), 2);
    }
}

#[tokio::test]
async fn a_session_that_is_over_is_renewed_once_and_kept() {
    let (base, requests) = server(vec![
        "401 Unauthorized\ncontent-type: application/problem+json\n\n{\"title\":\"not signed in\"}",
        "200 OK\nset-cookie: berth_refresh=c2; HttpOnly; Path=/api\n\n{\"access_token\":\"t2\"}",
        "200 OK\n\n{\"username\":\"alice\"}",
    ]);
    let (_folder, client) = client(base, Some(("t1", "c1")));
    let answer = client.get(&["whoami"]).send().await.unwrap();
    assert_eq!(answer.value["username"], "alice");
    assert!(requests.recv().unwrap().contains("authorization: Bearer t1"));
    let refresh = requests.recv().unwrap();
    assert!(refresh.starts_with("POST /api/refresh ") && refresh.contains("cookie: berth_refresh=c1"), "{refresh}");
    assert!(!refresh.contains("authorization"), "{refresh}");
    assert!(requests.recv().unwrap().contains("authorization: Bearer t2"));
    let kept = client.identity.store.get("default").unwrap().unwrap();
    assert_eq!((kept.access_token.as_deref(), kept.refresh_cookie.as_deref()), (Some("t2"), Some("c2")));
}

#[tokio::test]
async fn a_session_that_another_command_renewed_is_taken_over() {
    let (base, requests) = server(vec!["401 Unauthorized\n\n{}", "200 OK\n\n{}"]);
    let (_folder, client) = client(base.clone(), Some(("t1", "c1")));
    let store = &client.identity.store;
    let newer = Profile { access_token: Some("t9".into()), ..store.get("default").unwrap().unwrap() };
    store.put(&store.lock().unwrap(), "default", newer).unwrap();
    client.get(&["whoami"]).send().await.unwrap();
    assert!(requests.recv().unwrap().contains("Bearer t1"));
    assert!(requests.recv().unwrap().contains("Bearer t9"));
}

#[tokio::test]
async fn a_session_that_cannot_be_renewed_says_to_sign_in() {
    let (base, _requests) = server(vec!["401 Unauthorized\n\n{}", "401 Unauthorized\n\n{}"]);
    let (_folder, client) = client(base, Some(("t1", "c1")));
    let error = client.get(&["whoami"]).send().await.err().unwrap();
    assert_eq!(code_of(&error), 3);
    assert!(error.to_string().contains("berth login"), "{error}");
}

#[tokio::test]
async fn a_list_is_read_page_by_page() {
    let (base, requests) = server(vec![
        "200 OK\n\n{\"items\":[1,2],\"next_cursor\":\"a b\"}",
        "200 OK\n\n{\"items\":[3],\"next_cursor\":null}",
    ]);
    let (_folder, client) = client(base, Some(("t", "c")));
    let items = client.list(&["machines"], &[("label", "gpu=a100".to_owned())], None).await.unwrap();
    assert_eq!(items, [1, 2, 3]);
    assert!(requests.recv().unwrap().starts_with("GET /api/machines?label=gpu%3Da100 "));
    assert!(requests.recv().unwrap().starts_with("GET /api/machines?label=gpu%3Da100&cursor=a+b "));
}

#[tokio::test]
async fn a_problem_keeps_its_words_and_request_id() {
    let (base, _requests) = server(vec![
        "409 Conflict\nx-request-id: r-1\n\n{\"type\":\"/problems/not-enough-machines\",\"title\":\"not enough machines\",\"detail\":\"2 wanted, 1 free\",\"later\":{}}",
    ]);
    let (_folder, client) = client(base, Some(("t", "c")));
    let error = client.get(&["available"]).send().await.err().unwrap();
    assert_eq!(code_of(&error), 5);
    assert_eq!(
        error.to_string(),
        "not enough machines: 2 wanted, 1 free\nproblem: not-enough-machines\nrequest id: r-1"
    );
}

#[tokio::test]
async fn a_server_that_is_not_there_has_its_own_exit_code() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (_folder, client) = client(api_base(&format!("http://127.0.0.1:{port}")).unwrap(), Some(("t", "c")));
    let error = client.get(&["whoami"]).send().await.err().unwrap();
    assert_eq!(code_of(&error), 6, "{error:#}");
}

#[tokio::test]
async fn a_redirect_is_told_and_not_followed() {
    let (base, _requests) = server(vec!["308 Permanent Redirect\nlocation: https://elsewhere.example/api/whoami\n\n"]);
    let (_folder, client) = client(base, Some(("t", "c")));
    let error = client.get(&["whoami"]).send().await.err().unwrap();
    assert!(error.to_string().contains("https://elsewhere.example"), "{error}");
}

#[tokio::test]
async fn a_call_whose_answer_was_lost_is_made_again_as_the_same_call() {
    let (base, requests) = server(vec!["", "200 OK\n\n{\"id\":\"r1\"}"]);
    let (_folder, client) = client(base, Some(("t", "c")));
    let call = client.post(&["reservations"]).once_only().json(serde_json::json!({"count": 1}));
    assert_eq!(call.send().await.unwrap().value["id"], "r1");
    let key = |request: &str| {
        request.lines().find_map(|line| line.strip_prefix("idempotency-key: ").map(str::to_owned)).unwrap()
    };
    assert_eq!(key(&requests.recv().unwrap()), key(&requests.recv().unwrap()));
}

#[tokio::test]
async fn a_call_that_must_not_be_repeated_is_not() {
    let (base, _requests) = server(vec!["", "200 OK\n\n{}"]);
    let (_folder, client) = client(base, Some(("t", "c")));
    let error = client.delete(&["users", "alice"]).send().await.err().unwrap();
    assert_eq!(code_of(&error), 6, "{error:#}");
}

#[test]
fn the_refresh_cookie_is_found_among_others() {
    assert_eq!(refresh_cookie("berth_refresh=abc; HttpOnly; Path=/api").as_deref(), Some("abc"));
    assert_eq!(refresh_cookie("__Host-berth_refresh=abc; Path=/; Secure").as_deref(), Some("abc"));
    assert_eq!(refresh_cookie("berth_refresh=; Max-Age=0"), None);
    assert_eq!(refresh_cookie("other=1"), None);
}
