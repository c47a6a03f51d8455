//! Signing in and staying so.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use berth::config::Registration;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{both, web::Web};

both! {
    the_seeded_admin_signs_in_and_is_known,
    a_wrong_password_and_an_unknown_user_look_alike,
    only_our_own_living_tokens_count,
    a_refresh_token_works_once_and_a_copy_ends_the_session,
    two_tabs_that_refresh_at_once_both_go_on,
    a_session_that_is_not_used_ends,
    signing_out_works_at_once_by_cookie_and_by_token,
    a_suspended_user_is_out_at_once,
    registration_does_what_the_settings_say,
    whoever_guesses_waits_and_the_owner_does_not,
}

async fn the_seeded_admin_signs_in_and_is_known() {
    let web = Web::spawn().await;
    let answer = web.login("admin", "change-me").await;
    let body = answer.json();
    assert_eq!(answer.status, 200);
    assert_eq!(
        (&body["token_type"], &body["expires_in"], &body["username"], &body["role"]),
        (&json!("Bearer"), &json!(3600), &json!("admin"), &json!("admin"))
    );
    let cookie = answer.headers["set-cookie"].to_str().unwrap();
    for part in ["berth_refresh=", "; Path=/api;", "; HttpOnly", "; SameSite=Strict"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Secure"), "development speaks plain http");
    let who = web.get("/api/whoami", body["access_token"].as_str().unwrap()).await.json();
    assert_eq!(
        who,
        json!({"username": "admin", "role": "admin", "status": "active", "must_change_password": false, "via": "session"})
    );
    assert!(!berth::accounts::seed_admin(&web.ctx).await.unwrap(), "a second start makes no second admin");
}

async fn a_wrong_password_and_an_unknown_user_look_alike() {
    let web = Web::spawn().await;
    let mut seen = Vec::new();
    for (username, password) in [
        ("admin", "wrong"),
        ("nobody-here", "wrong"),
        ("admin", ""),
        ("", ""),
        ("admin", "change-me\0"),
        ("admin ", "change-me"),
        ("ADMIN", "change-me"),
        ("admin' or '1'='1", "x"),
        ("$(reboot)", "`id`"),
        ("../admin\n", "-rf"),
    ] {
        let answer = web.login(username, password).await;
        assert_eq!(answer.status, 401, "{username:?} {password:?}");
        seen.push((answer.slug(), answer.json()["detail"].clone()));
    }
    let long = "x".repeat(10_240);
    for (username, password) in [(long.as_str(), "x"), ("admin", long.as_str())] {
        let answer = web.login(username, password).await;
        seen.push((answer.slug(), answer.json()["detail"].clone()));
    }
    seen.dedup();
    assert_eq!(seen.len(), 1, "{seen:?}");
}

async fn only_our_own_living_tokens_count() {
    let web = Web::spawn().await;
    let good = web.admin().await;
    assert_eq!(web.whoami(&good).await, 200);

    let claims: Value = serde_json::from_slice(&B64.decode(good.split('.').nth(1).unwrap()).unwrap()).unwrap();
    let signed = |algorithm, secret: &[u8]| {
        jsonwebtoken::encode(&Header::new(algorithm), &claims, &EncodingKey::from_secret(secret)).unwrap()
    };
    let ours = web.ctx.config.auth.jwt_secret.clone().unwrap().0;
    assert_eq!(web.whoami(&signed(Algorithm::HS256, ours.as_bytes())).await, 200, "the test signs as the server does");
    let middle = good.split('.').nth(1).unwrap();
    let none = format!("{}.{middle}.", B64.encode(r#"{"alg":"none","typ":"JWT"}"#));
    let (head, signature) = (good.split('.').next().unwrap(), good.split('.').nth(2).unwrap());
    let mut changed = claims.clone();
    changed["exp"] = json!(claims["exp"].as_i64().unwrap() + 1);
    let longer = format!("{head}.{}.{signature}", B64.encode(changed.to_string()));
    for (what, token) in [
        ("without a signature", none),
        ("signed with another key", signed(Algorithm::HS256, b"another key, also long enough to be one")),
        ("signed with an empty key", signed(Algorithm::HS256, b"")),
        ("signed with another algorithm", signed(Algorithm::HS512, ours.as_bytes())),
        ("with a longer life", longer),
        ("cut short", good[..good.len() - 3].to_owned()),
        ("rubbish", "rubbish".to_owned()),
        ("a made-up access token", "berth_pat_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned()),
        ("huge", "x".repeat(7000)),
    ] {
        let answer = web.get("/api/whoami", &token).await;
        assert_eq!((answer.status.as_u16(), answer.slug().as_str()), (401, "bad-token"), "{what}");
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
    }
    let anonymous = web.get("/api/whoami", "").await;
    assert_eq!((anonymous.status.as_u16(), anonymous.slug().as_str()), (401, "unauthorized"));
    let in_query = web.get(&format!("/api/whoami?access_token={good}"), "").await;
    assert_eq!(in_query.status, 401);
    let basic = web.request(Method::GET, "/api/whoami", "").header("authorization", "Basic YWRtaW46Y2hhbmdlLW1l");
    assert_eq!(Web::send(basic).await.status, 401);

    web.ctx.clock.advance(Duration::from_mins(59));
    assert_eq!(web.whoami(&good).await, 200);
    web.ctx.clock.advance(Duration::from_mins(1));
    assert_eq!(web.whoami(&good).await, 401, "no leeway after its end");
}

async fn a_refresh_token_works_once_and_a_copy_ends_the_session() {
    let web = Web::spawn().await;
    let first = web.login("admin", "change-me").await.cookie().unwrap();
    let second = web.refresh(&first).await;
    assert_eq!(second.status, 200);
    let (token, cookie) = (second.json()["access_token"].as_str().unwrap().to_owned(), second.cookie().unwrap());
    assert_ne!(first, cookie);
    assert_eq!(web.whoami(&token).await, 200);

    web.ctx.clock.advance(Duration::from_secs(11));
    let third = web.refresh(&cookie).await.cookie().unwrap();
    let copied = web.refresh(&first).await;
    assert_eq!((copied.status.as_u16(), copied.slug().as_str()), (401, "bad-token"));
    assert_eq!(web.refresh(&third).await.status, 401, "whoever held it, the session is over");
    assert_eq!(web.whoami(&token).await, 401);

    let other = web.admin().await;
    let entries = web.get("/api/audit?action=session.reuse", &other).await.json();
    assert_eq!(entries["items"][0]["target"], "admin");
}

async fn two_tabs_that_refresh_at_once_both_go_on() {
    let web = Web::spawn().await;
    let first = web.login("admin", "change-me").await.cookie().unwrap();
    let (left, right) = tokio::join!(web.refresh(&first), web.refresh(&first));
    assert_eq!((left.status.as_u16(), right.status.as_u16()), (200, 200));
    let cookies: Vec<String> = [left.cookie(), right.cookie()].into_iter().flatten().collect();
    assert_eq!(cookies.len(), 1, "one of them gets the next refresh token");
    assert_eq!(web.refresh(&cookies[0]).await.status, 200);
}

async fn a_session_that_is_not_used_ends() {
    let web = Web::spawn().await;
    let cookie = web.login("admin", "change-me").await.cookie().unwrap();
    web.ctx.clock.advance(Duration::from_hours(24 * 14 + 1));
    assert_eq!(web.refresh(&cookie).await.status, 401);
    for rubbish in ["", "rubbish", "00000000-0000-0000-0000-000000000000.x", "a.b.c"] {
        assert_eq!(web.refresh(rubbish).await.status, 401);
    }
}

async fn signing_out_works_at_once_by_cookie_and_by_token() {
    let web = Web::spawn().await;
    let answer = web.login("admin", "change-me").await;
    let (token, cookie) = (answer.json()["access_token"].as_str().unwrap().to_owned(), answer.cookie().unwrap());
    let request = web.request(Method::POST, "/api/logout", "").header("cookie", format!("berth_refresh={cookie}"));
    let out = Web::send(request).await;
    assert_eq!((out.status.as_u16(), out.cookie().as_deref()), (204, Some("")));
    assert_eq!(web.whoami(&token).await, 401);
    assert_eq!(web.refresh(&cookie).await.status, 401);

    let token = web.admin().await;
    assert_eq!(web.post("/api/logout", &token, json!({})).await.status, 204);
    assert_eq!(web.whoami(&token).await, 401);
    assert_eq!(web.post("/api/logout", "", json!({})).await.status, 204, "signing out twice is fine");
}

async fn a_suspended_user_is_out_at_once() {
    let web = Web::spawn().await;
    let admin = web.admin().await;
    let alice = web.user(&admin, "alice").await;
    let made = web.post("/api/me/tokens", &alice, json!({"name": "script"})).await.json();
    let pat = made["token"].as_str().unwrap();
    assert_eq!((web.whoami(&alice).await.as_u16(), web.whoami(pat).await.as_u16()), (200, 200));
    let suspended = web.patch("/api/users/alice", &admin, json!({"status": "suspended"})).await;
    assert_eq!(suspended.json()["status"], "suspended");
    assert_eq!((web.whoami(&alice).await.as_u16(), web.whoami(pat).await.as_u16()), (401, 401));
    let refused = web.login("alice", "sesame").await;
    assert_eq!((refused.status.as_u16(), refused.slug().as_str()), (403, "account-suspended"));
    assert_eq!(web.login("alice", "wrong").await.slug(), "bad-credentials", "the state is told to its owner only");
    web.patch("/api/users/alice", &admin, json!({"status": "active"})).await;
    assert_eq!(web.whoami(&alice).await, 401, "the old session stays ended");
    assert_eq!(web.login("alice", "sesame").await.status, 200);
}

async fn registration_does_what_the_settings_say() {
    let body = json!({"username": "alice", "password": "sesame"});
    let closed = Web::spawn().await;
    assert_eq!(closed.post("/api/register", "", body.clone()).await.slug(), "registration-closed");

    let open = Web::with(|config| config.registration = Registration::Open).await;
    let made = open.post("/api/register", "", body.clone()).await;
    assert_eq!((made.status.as_u16(), &made.json()["role"]), (201, &json!("member")));
    assert_eq!(open.login("alice", "sesame").await.status, 200);
    assert_eq!(open.post("/api/register", "", body.clone()).await.slug(), "username-taken");
    let sly = json!({"username": "eve", "password": "sesame", "role": "admin"});
    assert_eq!(open.post("/api/register", "", sly).await.slug(), "invalid-body");

    let approval = Web::with(|config| config.registration = Registration::Approval).await;
    assert_eq!(approval.post("/api/register", "", body).await.json()["status"], "pending");
    assert_eq!(approval.login("alice", "sesame").await.slug(), "account-pending");
    let admin = approval.admin().await;
    approval.patch("/api/users/alice", &admin, json!({"status": "active"})).await;
    assert_eq!(approval.login("alice", "sesame").await.status, 200);
}

async fn whoever_guesses_waits_and_the_owner_does_not() {
    let web = Web::with(|config| config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()]).await;
    let from = async |address: &str, password: &str| {
        let body = json!({"username": "admin", "password": password});
        Web::send(web.request(Method::POST, "/api/login", "").header("x-forwarded-for", address).json(&body)).await
    };
    for _ in 0..5 {
        assert_eq!(from("203.0.113.9", "guess").await.status, 401);
    }
    let slowed = from("203.0.113.9", "change-me").await;
    assert_eq!((slowed.status.as_u16(), slowed.slug().as_str()), (429, "slow-down"));
    assert_eq!(slowed.headers["retry-after"], "1");
    assert_eq!(from("203.0.113.9, 198.51.100.7", "change-me").await.status, 200, "the owner, from elsewhere");
    web.ctx.clock.advance(Duration::from_secs(2));
    assert_eq!(from("203.0.113.9", "change-me").await.status, 200);
}
