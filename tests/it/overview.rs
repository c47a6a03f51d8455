//! What a page asks for before and around everything else: what this is, which pools there are.

use std::path::PathBuf;

use berth::config::{Pool, Registration};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{both, on_both, web::Web};

both! {
    anybody_may_know_what_this_is,
    the_pools_say_who_may_book_what,
    signing_out_everywhere_ends_every_session_and_no_token,
}

async fn anybody_may_know_what_this_is() {
    let web = Web::with(|config| config.registration = Registration::Approval).await;
    let about = web.get("/api/about", "").await;
    assert_eq!(about.status, 200);
    let version = env!("CARGO_PKG_VERSION");
    let wanted = json!({"name": "Berth", "version": version, "environment": "development", "registration": "approval"});
    assert_eq!(about.json(), wanted);
}

async fn the_pools_say_who_may_book_what() {
    let web = Web::with(|config| {
        config.reservations.default_pool = "yard".into();
        let pool = Pool {
            max_count: Some(3),
            create_playbook: Some(PathBuf::from("gpu.yml")),
            roles: vec!["instructor".into(), "admin".into()],
            ..Pool::default()
        };
        config.pools.insert("gpu".into(), pool);
    })
    .await;
    let admin = web.admin().await;
    let member = web.user(&admin, "alice").await;
    let yaml = "machines:\n\
                \u{20} - { name: m1, host: 192.0.2.1, user: root, password: x, pool: attic }\n\
                \u{20} - { name: m2, host: 192.0.2.2, user: root, password: x, pool: attic }\n\
                \u{20} - { name: m3, host: 192.0.2.3, user: root, password: x, pool: gpu }\n";
    let import = web.request(Method::POST, "/api/machines/import", &admin).header("content-type", "application/yaml");
    assert_eq!(Web::send(import.body(yaml)).await.status, 200);
    web.post("/api/machines/m2/quarantine", &admin, json!({"reason": "loud"})).await;

    let pools = web.get("/api/pools", &member).await.json();
    let general = berth::config::Config::default().reservations;
    let of = |name: &str, more: Value| {
        let mut pool = json!({
            "name": name, "max_count": general.max_count, "max_minutes": general.max_minutes, "roles": [],
            "may_book": true, "why_not": null, "create_playbook": "create-users.yml",
            "remove_playbook": "remove-users.yml", "machines": 0, "ready": 0,
        });
        pool.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        pool
    };
    let gpu = json!({
        "max_count": 3, "roles": ["instructor", "admin"], "may_book": false,
        "why_not": "the pool `gpu` is not open to your role", "create_playbook": "gpu.yml", "machines": 1, "ready": 1,
    });
    let wanted = [of("yard", json!({})), of("gpu", gpu), of("attic", json!({"machines": 2, "ready": 1}))];
    assert_eq!(pools["items"], json!(wanted), "{pools:#}");
    let seen = web.get("/api/pools", &admin).await.json();
    assert_eq!((&seen["items"][1]["may_book"], &seen["items"][1]["why_not"]), (&json!(true), &Value::Null));
    let refused = web.post("/api/reservations", &member, json!({"count": 1, "duration": 5, "pool": "gpu"})).await;
    assert_eq!(refused.status, 403, "the list says what booking does: {refused:?}");
}

async fn signing_out_everywhere_ends_every_session_and_no_token() {
    let web = Web::spawn().await;
    let admin = web.admin().await;
    let here = web.user(&admin, "alice").await;
    let there = web.login("alice", "sesame").await;
    let token = web.post("/api/me/tokens", &here, json!({"name": "script"})).await.json()["token"].clone();
    let answer = web.delete("/api/me/sessions", &here).await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.cookie().as_deref(), Some(""), "the browser forgets its refresh token");
    assert_eq!(web.whoami(&here).await, 401);
    assert_eq!(web.whoami(there.json()["access_token"].as_str().unwrap()).await, 401);
    assert_eq!(web.refresh(&there.cookie().unwrap()).await.status, 401);
    assert_eq!(web.whoami(token.as_str().unwrap()).await, 200);
    assert_eq!(web.whoami(&admin).await, 200, "nobody else is signed out");
    let entries = web.get("/api/audit?action=session.end_all", &admin).await.json();
    assert_eq!(entries["items"][0]["actor"], "alice");
}

on_both! {
    async fn the_default_pool_is_there_before_its_machines(berth: TestBerth) {
        let pools = berth.member("alice").await.get("/api/pools").await.expect(200);
        assert_eq!(pools["items"].as_array().unwrap().len(), 1);
        assert_eq!(pools["items"][0]["machines"], 0);
    }
}
