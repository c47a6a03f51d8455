//! Who may call what: every route of the `OpenAPI` document, as every role.
//!
//! Requests name things that do not exist and carry empty bodies, so what matters is only who is turned away.

use std::fmt::Write;

use reqwest::Method;
use serde_json::json;

use crate::harness::Database;
use crate::web::{Web, on};

/// These end the session the other calls need: everybody signs in again after them.
const SIGN_OUT: &[&str] = &["/api/logout", "/api/me/sessions"];

async fn table() -> String {
    let web = Web::spawn().await;
    let admin = web.admin().await;
    web.user(&admin, "mallory").await;
    web.user(&admin, "ines").await;
    web.patch("/api/users/ines", &admin, json!({"role": "instructor"})).await;
    let sign_in = async || {
        let (member, instructor) = (web.token_of("mallory", "sesame").await, web.token_of("ines", "sesame").await);
        [String::new(), member, instructor, web.admin().await]
    };
    let mut tokens = sign_in().await;
    let document = berth::server::openapi();
    let mut out = format!("{:<7}{:<40}{:<11}{:<9}{:<12}{}\n", "", "", "anonymous", "member", "instructor", "admin");
    for (path, methods) in document["paths"].as_object().unwrap() {
        let concrete = path
            .replace("{username}", "nobody-here")
            .replace("{name}", "no-machine")
            .replace("{id}", "00000000-0000-7000-8000-000000000000");
        for method in methods.as_object().unwrap().keys() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let mut row = Vec::new();
            for token in &tokens {
                let mut request = web.request(method.clone(), &concrete, token);
                if method != Method::GET && method != Method::DELETE {
                    request = request.json(&json!({}));
                }
                // The status is enough, and a stream has no end to wait for.
                let status = request.send().await.unwrap().status().as_u16();
                assert_ne!(status, 500, "{method} {path}");
                row.push(match status {
                    401 => "401",
                    403 => "403",
                    _ => "yes",
                });
            }
            writeln!(out, "{:<7}{path:<40}{:<11}{:<9}{:<12}{}", method.as_str(), row[0], row[1], row[2], row[3])
                .unwrap();
            if SIGN_OUT.contains(&path.as_str()) {
                tokens = sign_in().await;
            }
        }
    }
    out
}

#[tokio::test]
async fn every_route_turns_away_whom_it_should() {
    on(Database::Sqlite, async {
        let table = table().await;
        insta::assert_snapshot!(table);
    })
    .await;
}
