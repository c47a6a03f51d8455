//! Users, keys, tokens, sessions, and what the audit says of them.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::{both, web::Web};

both! {
    an_access_token_is_shown_once_and_ends_when_told_or_when_old,
    hostile_names_and_passwords_are_refused_or_just_text,
    users_are_made_found_changed_and_deleted_by_admins_only,
    somebody_always_remains_who_can_let_others_in,
    a_reset_link_works_once_and_ends_what_was_open,
    a_password_that_an_admin_chose_is_to_be_changed,
    one_changes_ones_own_profile_and_password,
    sessions_are_listed_and_ended_by_their_owner,
    only_sound_ssh_keys_enter_a_profile,
    a_request_with_the_same_key_is_done_once,
    the_audit_tells_who_did_what_and_no_secret,
}

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBERERERERERERERERERERERERERERERERERERERERER";

async fn an_access_token_is_shown_once_and_ends_when_told_or_when_old() {
    let web = Web::spawn().await;
    let admin = web.admin().await;
    let alice = web.user(&admin, "alice").await;
    let made = web.post("/api/me/tokens", &alice, json!({"name": "ci", "expires_in_days": 2})).await;
    assert_eq!(made.status, 201);
    let (id, token) = (made.json()["id"].clone(), made.json()["token"].as_str().unwrap().to_owned());
    assert!(token.starts_with("berth_pat_") && 50 < token.len());
    let who = web.get("/api/whoami", &token).await.json();
    assert_eq!((&who["username"], &who["via"]), (&json!("alice"), &json!("token")));
    let list = web.get("/api/me/tokens", &alice).await;
    assert!(!list.text.contains(&token), "{}", list.text);
    assert!(list.json()["items"][0]["last_used_at"].is_string());
    let further = web.post("/api/me/tokens", &token, json!({"name": "more"})).await;
    assert_eq!((further.status.as_u16(), further.slug().as_str()), (403, "needs-session"));

    let path = format!("/api/me/tokens/{}", id.as_str().unwrap());
    assert_eq!(web.delete(&path, &admin).await.status, 404, "somebody else's is not there");
    web.ctx.clock.advance(Duration::from_hours(48) + Duration::from_secs(1));
    assert_eq!(web.whoami(&token).await, 401, "expired");
    let alice = web.token_of("alice", "sesame").await;
    let made = web.post("/api/me/tokens", &alice, json!({"name": "ci"})).await.json();
    assert_eq!(made["expires_at"], Value::Null);
    let token = made["token"].as_str().unwrap();
    assert_eq!(web.whoami(token).await, 200);
    assert_eq!(web.delete(&format!("/api/me/tokens/{}", made["id"].as_str().unwrap()), &alice).await.status, 204);
    assert_eq!(web.whoami(token).await, 401, "removed");
    for days in [json!(0), json!(-1), json!(1_000_000), json!(1.5), json!("x")] {
        let answer = web.post("/api/me/tokens", &alice, json!({"name": "x", "expires_in_days": days})).await;
        assert_eq!(answer.status, 422, "{days}");
    }
}

async fn hostile_names_and_passwords_are_refused_or_just_text() {
    let web = Web::spawn().await;
    let admin = web.admin().await;
    let long = "x".repeat(10_240);
    let create = async |username: &str, password: &str| {
        web.post("/api/users", &admin, json!({"username": username, "password": password})).await
    };
    for name in [
        "",
        "-rf",
        "../etc",
        "a b",
        "a'b",
        "a\"b",
        "$(reboot)",
        "`id`",
        "a\nb",
        "a\0b",
        "Alice",
        "root",
        "www-data",
        "systemd-network",
        "alice~1",
        "%",
        "_",
        &long,
    ] {
        let answer = create(name, "sesame").await;
        assert_eq!(answer.status, 422, "{name:?} {answer:?}");
        assert_eq!(answer.slug(), "invalid-username");
        assert_eq!(answer.json()["errors"][0]["pointer"], "/username");
    }
    for password in ["", "abc", "nul\0nul", &long] {
        let answer = create("alice", password).await;
        assert_eq!((answer.status.as_u16(), answer.slug().as_str()), (422, "invalid-password"), "{password:?}");
    }
    for (number, password) in
        ["'\"`$(reboot);|&<>", "line\nbreak\ttab", "--help", "../../etc/passwd", "пароль 密码 🔑", " spaces "]
            .iter()
            .enumerate()
    {
        let name = format!("user{number}");
        assert_eq!(create(&name, password).await.status, 201, "{password:?}");
        assert_eq!(web.login(&name, password).await.status, 200, "{password:?}");
        assert_eq!(web.login(&name, password.trim()).await.status.is_success(), password.trim() == *password);
    }
    assert_eq!(create("user0", "sesame").await.slug(), "username-taken");
    for path in [
        "/api/users/%00",
        "/api/users/..%2fadmin",
        "/api/users/%27%20or%201=1",
        "/api/users/admin%20",
        "/api/users/%ff",
    ] {
        let answer = web.get(path, &admin).await;
        assert!(matches!(answer.status.as_u16(), 400 | 404), "{path} {answer:?}");
    }
}

async fn users_are_made_found_changed_and_deleted_by_admins_only() {
    let web = Web::spawn().await;
    let admin = web.admin().await;
    let alice = web.user(&admin, "alice").await;
    let made = web
        .post("/api/users", &admin, json!({"username": "boss", "password": "sesame", "is_admin": true}))
        .await
        .json();
    assert_eq!(made["role"], "admin");
    let both = json!({"username": "x", "password": "sesame", "is_admin": true, "role": "member"});
    assert_eq!(web.post("/api/users", &admin, both).await.slug(), "invalid-role");
    let names = |answer: &Value| -> Vec<String> {
        answer["items"].as_array().unwrap().iter().map(|item| item["username"].as_str().unwrap().to_owned()).collect()
    };
    let page = web.get("/api/users?limit=2", &admin).await.json();
    assert_eq!(names(&page), ["admin", "alice"]);
    let next = page["next_cursor"].as_str().unwrap();
    let page = web.get(&format!("/api/users?limit=2&cursor={next}"), &admin).await.json();
    assert_eq!((names(&page), &page["next_cursor"]), (vec!["boss".to_owned()], &Value::Null));
    assert_eq!(names(&web.get("/api/users?q=ali", &admin).await.json()), ["alice"]);
    assert_eq!(web.get("/api/users?limit=0", &admin).await.slug(), "invalid-limit");
    assert_eq!(web.get("/api/users?cursor=!!", &admin).await.slug(), "invalid-cursor");

    for (method, path) in [
        (Method::GET, "/api/users"),
        (Method::POST, "/api/users"),
        (Method::GET, "/api/users/admin"),
        (Method::PATCH, "/api/users/alice"),
        (Method::DELETE, "/api/users/admin"),
        (Method::POST, "/api/users/admin/reset"),
        (Method::GET, "/api/audit"),
    ] {
        let body = json!({"username": "eve", "password": "sesame"});
        let body = if method == Method::PATCH { json!({"role": "admin"}) } else { body };
        let answer = Web::send(web.request(method.clone(), path, &alice).json(&body)).await;
        assert_eq!((answer.status.as_u16(), answer.slug().as_str()), (403, "forbidden"), "{method} {path}");
        let answer = Web::send(web.request(method.clone(), path, "").json(&body)).await;
        assert_eq!(answer.status, 401, "{method} {path}");
    }

    assert_eq!(web.delete("/api/users/alice", &admin).await.status, 204);
    assert_eq!(web.whoami(&alice).await, 401);
    assert_eq!(web.login("alice", "sesame").await.slug(), "bad-credentials");
    assert_eq!(web.get("/api/users/alice", &admin).await.status, 404);
    assert_eq!(web.delete("/api/users/alice", &admin).await.status, 404);
    assert!(!names(&web.get("/api/users", &admin).await.json()).iter().any(|name| name.starts_with("alice")));
    let again = web.user(&admin, "alice").await;
    assert_eq!(web.get("/api/me/tokens", &again).await.json()["items"], json!([]), "a namesake inherits nothing");
    assert_eq!(web.whoami(&alice).await, 401);
}

async fn somebody_always_remains_who_can_let_others_in() {
    let web = Web::spawn().await;
    let admin = web.admin().await;
    for answer in [
        web.delete("/api/users/admin", &admin).await,
        web.patch("/api/users/admin", &admin, json!({"role": "member"})).await,
        web.patch("/api/users/admin", &admin, json!({"is_admin": false})).await,
        web.patch("/api/users/admin", &admin, json!({"status": "suspended"})).await,
    ] {
        assert_eq!((answer.status.as_u16(), answer.slug().as_str()), (409, "last-admin"));
    }
    web.post("/api/users", &admin, json!({"username": "boss", "password": "sesame", "role": "admin"})).await;
    let boss = web.token_of("boss", "sesame").await;
    let (left, right) = tokio::join!(web.delete("/api/users/admin", &boss), web.delete("/api/users/boss", &admin));
    let statuses = [left.status.as_u16(), right.status.as_u16()];
    assert!(statuses.contains(&204) && !statuses.iter().all(|status| *status == 204), "{statuses:?}");
}

async fn a_reset_link_works_once_and_ends_what_was_open() {
    let web = Web::spawn().await;
    let admin = web.admin().await;
    let alice = web.user(&admin, "alice").await;
    let pat = web.post("/api/me/tokens", &alice, json!({"name": "x"})).await.json()["token"].clone();
    let older = web.post("/api/users/alice/reset", &admin, json!({})).await.json();
    let link = web.post("/api/users/alice/reset", &admin, json!({})).await.json();
    let token = link["token"].as_str().unwrap();
    assert!(link["url"].as_str().unwrap().ends_with(&format!("#token={token}")));
    let reset =
        async |token: &Value| web.post("/api/password-reset", "", json!({"token": token, "password": "new one"})).await;
    assert_eq!(reset(&older["token"]).await.slug(), "bad-link", "a newer link replaces it");
    assert_eq!(web.whoami(&alice).await, 200);
    assert_eq!(reset(&link["token"]).await.status, 204);
    assert_eq!(reset(&link["token"]).await.slug(), "bad-link");
    assert_eq!(web.whoami(&alice).await, 401);
    assert_eq!(web.whoami(pat.as_str().unwrap()).await, 401);
    assert_eq!(web.login("alice", "sesame").await.status, 401);
    assert_eq!(web.login("alice", "new one").await.status, 200);
    let link = web.post("/api/users/alice/reset", &admin, json!({})).await.json();
    web.ctx.clock.advance(Duration::from_hours(24));
    assert_eq!(reset(&link["token"]).await.slug(), "bad-link", "too old");
}

async fn one_changes_ones_own_profile_and_password() {
    let web = Web::spawn().await;
    let admin = web.admin().await;
    let here = web.user(&admin, "alice").await;
    let elsewhere = web.token_of("alice", "sesame").await;
    let me = web.patch("/api/me", &here, json!({"full_name": "Alice O'Hara", "email": "a@example.org"})).await.json();
    assert_eq!((&me["full_name"], &me["email"]), (&json!("Alice O'Hara"), &json!("a@example.org")));
    for (body, slug) in [
        (json!({"email": "a\nb@c"}), "invalid-email"),
        (json!({"full_name": "a\u{0}b"}), "invalid-full-name"),
        (json!({"role": "admin"}), "invalid-body"),
        (json!({"status": "active"}), "invalid-body"),
        (json!({"password": {"current": "wrong", "new": "another"}}), "wrong-password"),
        (json!({"password": {"current": "sesame", "new": "x"}}), "invalid-password"),
    ] {
        assert_eq!(web.patch("/api/me", &here, body).await.slug(), slug);
    }
    let changed = web.patch("/api/me", &here, json!({"password": {"current": "sesame", "new": "another"}})).await;
    assert_eq!(changed.status, 200);
    assert_eq!(web.whoami(&here).await, 200);
    assert_eq!(web.whoami(&elsewhere).await, 401, "the other sessions end");
    assert_eq!(web.login("alice", "another").await.status, 200);
}

async fn a_password_that_an_admin_chose_is_to_be_changed() {
    let web = Web::spawn().await;
    let admin = web.admin().await;
    let must = async |token: &str| web.get("/api/whoami", token).await.json()["must_change_password"].clone();
    assert_eq!(must(&admin).await, false, "the first admin's is the operator's own");
    let alice = web.user(&admin, "alice").await;
    assert_eq!(must(&alice).await, true);
    web.patch("/api/me", &alice, json!({"full_name": "Alice"})).await.json();
    assert_eq!(must(&alice).await, true, "another change is not this one");
    web.patch("/api/me", &alice, json!({"password": {"current": "sesame", "new": "another"}})).await;
    assert_eq!(must(&alice).await, false);

    assert_eq!(web.patch("/api/users/alice", &admin, json!({"password": "sesame 2"})).await.status, 200);
    let alice = web.token_of("alice", "sesame 2").await;
    assert_eq!(must(&alice).await, true);
    let link = web.post("/api/users/alice/reset", &admin, json!({})).await.json();
    let body = json!({"token": link["token"], "password": "new one"});
    assert_eq!(web.post("/api/password-reset", "", body).await.status, 204);
    let alice = web.token_of("alice", "new one").await;
    assert_eq!(must(&alice).await, false, "who used the link chose it");
    assert_eq!(web.patch("/api/users/admin", &admin, json!({"password": "my own"})).await.status, 200);
    assert_eq!(must(&admin).await, false, "an admin's own choice");
}

async fn sessions_are_listed_and_ended_by_their_owner() {
    let web = Web::spawn().await;
    let admin = web.admin().await;
    let (here, elsewhere) = (web.user(&admin, "alice").await, web.token_of("alice", "sesame").await);
    let list = web.get("/api/me/sessions", &here).await.json();
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    let other = items.iter().find(|item| item["current"] == false).unwrap();
    assert_eq!(other["peer"], "127.0.0.1");
    let path = format!("/api/me/sessions/{}", other["id"].as_str().unwrap());
    assert_eq!(web.delete(&path, &admin).await.status, 404, "somebody else's is not there");
    assert_eq!(web.delete(&path, &here).await.status, 204);
    assert_eq!((web.whoami(&here).await.as_u16(), web.whoami(&elsewhere).await.as_u16()), (200, 401));
    assert_eq!(web.delete("/api/me/sessions/rubbish", &here).await.status, 404);
}

async fn only_sound_ssh_keys_enter_a_profile() {
    let web = Web::spawn().await;
    let admin = web.admin().await;
    let alice = web.user(&admin, "alice").await;
    let add = async |name: &str, key: &str| {
        web.post("/api/me/ssh-keys", &alice, json!({"name": name, "public_key": key})).await
    };
    for key in [
        "",
        "ssh-ed25519 $(reboot)",
        &format!("command=\"reboot\" {KEY}"),
        &format!("{KEY}\n{KEY}"),
        &format!("{KEY}\0"),
        &KEY[..40],
        &"x".repeat(10_240),
    ] {
        assert_eq!(add("laptop", key).await.slug(), "invalid-ssh-key", "{key}");
    }
    assert_eq!(add("a\nb", KEY).await.slug(), "invalid-name");
    let made = add("", &format!("{KEY} alice@laptop")).await;
    assert_eq!(made.status, 201);
    let made = made.json();
    assert_eq!(made["name"], "alice@laptop");
    assert!(made["fingerprint"].as_str().unwrap().starts_with("SHA256:"));
    assert_eq!(add("again", KEY).await.slug(), "ssh-key-known");
    let list = web.get("/api/me/ssh-keys", &alice).await.json();
    assert_eq!(list["items"], json!([made]));
    let path = format!("/api/me/ssh-keys/{}", made["id"].as_str().unwrap());
    assert_eq!(web.delete(&path, &admin).await.status, 404, "somebody else's is not there");
    assert_eq!(web.delete(&path, &alice).await.status, 204);
    assert_eq!(web.delete(&path, &alice).await.status, 404);
}

async fn a_request_with_the_same_key_is_done_once() {
    let web = Web::spawn().await;
    let admin = web.admin().await;
    let post = async |key: &str, path: &str, body: Value| {
        Web::send(web.request(Method::POST, path, &admin).header("idempotency-key", key).json(&body)).await
    };
    let body = json!({"username": "alice", "password": "sesame"});
    let first = post("one", "/api/users", body.clone()).await;
    let again = post("one", "/api/users", body.clone()).await;
    assert_eq!((first.status.as_u16(), again.status.as_u16()), (201, 201), "{again:?}");
    assert_eq!((first.json(), &first.headers["location"]), (again.json(), &again.headers["location"]));
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(post("two", "/api/users", body).await.status, 409, "another key is another request");
    let other = post("one", "/api/users", json!({"username": "bob", "password": "sesame"})).await;
    assert_eq!((other.status.as_u16(), other.slug().as_str()), (422, "idempotency-key-reused"));
    let elsewhere = post("one", "/api/me/tokens", json!({"name": "x"})).await;
    assert_eq!(elsewhere.slug(), "idempotency-key-reused");

    let alice = web.token_of("alice", "sesame").await;
    let hers = web.request(Method::POST, "/api/me/tokens", &alice).header("idempotency-key", "one");
    assert_eq!(Web::send(hers.json(&json!({"name": "x"}))).await.status, 201, "keys are each account's own");

    let token = |answer: &crate::web::Answer| answer.json()["token"].as_str().unwrap().to_owned();
    let first = post("three", "/api/me/tokens", json!({"name": "ci"})).await;
    let again = post("three", "/api/me/tokens", json!({"name": "ci"})).await;
    assert_eq!(token(&first), token(&again));
    let kept = sqlx::query("select body from idempotency where idem_key = 'three'")
        .fetch_one(&mut *web.ctx.db.read().await.unwrap())
        .await
        .unwrap();
    let kept: String = sqlx::Row::try_get(&kept, 0).unwrap();
    assert!(!kept.contains("berth_pat_"), "answers are kept sealed");
    assert_eq!(post(&"x".repeat(129), "/api/users", json!({})).await.slug(), "invalid-idempotency-key");

    web.ctx.clock.advance(Duration::from_hours(24));
    let admin = web.admin().await;
    let later = web.request(Method::POST, "/api/me/tokens", &admin).header("idempotency-key", "three");
    let later = Web::send(later.json(&json!({"name": "ci"}))).await;
    assert_ne!(token(&first), token(&later), "a day later it is forgotten");
}

async fn the_audit_tells_who_did_what_and_no_secret() {
    let web = Web::spawn().await;
    let admin = web.admin().await;
    let alice = web.user(&admin, "alice").await;
    web.patch("/api/users/alice", &admin, json!({"role": "instructor", "password": "hunter2hunter2"})).await;
    let pat =
        web.post("/api/me/tokens", &admin, json!({"name": "ci"})).await.json()["token"].as_str().unwrap().to_owned();
    let all = web.get("/api/audit?limit=500", &admin).await;
    for secret in ["sesame", "hunter2hunter2", "change-me", pat.as_str(), alice.as_str(), "argon2"] {
        assert!(!all.text.contains(secret), "{secret}");
    }
    let found = web.get("/api/audit?actor=admin&action=user.update", &admin).await.json();
    let entry = &found["items"][0];
    assert_eq!((&entry["target"], &entry["detail"]), (&json!("alice"), &json!("role member to instructor, password")));
    assert_eq!(entry["peer"], "127.0.0.1");
    assert!(!entry["request_id"].as_str().unwrap().is_empty());
    let kinds = web.get("/api/audit?action=user", &admin).await.json();
    assert_eq!(kinds["items"].as_array().unwrap().len(), 3, "{kinds}");
    let none = web.get("/api/audit?since=2100-01-01T00:00:00Z", &admin).await.json();
    assert_eq!(none["items"], json!([]));
    assert_eq!(web.get("/api/audit?since=yesterday", &admin).await.slug(), "invalid-time");
    let first = web.get("/api/audit?limit=1", &admin).await.json();
    let next =
        web.get(&format!("/api/audit?limit=1&cursor={}", first["next_cursor"].as_str().unwrap()), &admin).await.json();
    assert!(next["items"][0]["id"].as_str() < first["items"][0]["id"].as_str());
}
