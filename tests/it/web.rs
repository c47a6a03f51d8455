//! A server with its own database, and a client for it. For the tests of sign-in and of what surrounds every route.

use std::net::SocketAddr;

use axum::Router;
use berth::{
    accounts, audit,
    clock::Clock,
    config::{Config, Env},
    ctx::Ctx,
    db::{Db, Settings},
    http::{self, Rules},
    seal::Sealer,
};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;

use crate::database;

/// A server that listens on a port of its own.
pub struct Web {
    pub ctx: Ctx,
    pub address: SocketAddr,
    pub client: Client,
    _folder: tempfile::TempDir,
    _database: database::Database,
}

/// A status, the headers and the body.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The part of the problem's type that is the contract.
    pub fn slug(&self) -> String {
        let body = self.json();
        assert_eq!(self.headers["content-type"], "application/problem+json", "{self:?}");
        assert_eq!(body["status"], self.status.as_u16());
        assert!(!body["request_id"].as_str().unwrap().is_empty());
        body["type"].as_str().unwrap().trim_start_matches("/problems/").to_owned()
    }

    /// The refresh cookie that was set, if one was.
    pub fn cookie(&self) -> Option<String> {
        let line = self.headers.get("set-cookie")?.to_str().unwrap();
        Some(line.split(';').next().unwrap().trim_start_matches("berth_refresh=").to_owned())
    }
}

impl Web {
    pub async fn spawn() -> Self {
        Self::with(|_| ()).await
    }

    /// With other settings.
    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::around(change, |router, _| router).await
    }

    /// With other settings and further routes.
    pub async fn around(change: impl FnOnce(&mut Config), extend: impl FnOnce(Router, &Ctx) -> Router) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::load_from(&empty_file(folder.path()), &Env::new()).unwrap();
        config.data_dir = folder.path().to_owned();
        config.limits.requests_per_second = 0;
        config.limits.logins_per_minute = 0;
        change(&mut config);
        config.ensure_secrets().unwrap();
        let database = database::Database::fresh(folder.path()).await;
        let clock = Clock::default();
        let settings = Settings {
            url: database.url.clone(),
            retries: 0,
            retry_every: std::time::Duration::from_secs(1),
            max_connections: 8,
        };
        let db = Db::connect(&settings, clock.clone()).await.unwrap();
        db.migrate().await.unwrap();
        let sealer = Sealer::new(&config.secret_key_bytes().unwrap());
        let ctx = Ctx::new(config, db, clock, sealer);
        assert!(accounts::seed_admin(&ctx).await.unwrap());

        let (routes, _) = OpenApiRouter::new().merge(accounts::api::routes()).merge(audit::routes()).split_for_parts();
        let routes = extend(routes.with_state(ctx.clone()), &ctx);
        let app = http::wrap(routes, &ctx, Rules::default()).into_make_service_with_connect_info::<SocketAddr>();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { ctx, address, client: Client::new(), _folder: folder, _database: database }
    }

    /// A request, to be completed by the caller.
    pub fn request(&self, method: Method, path: &str, token: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("http://{}{path}", self.address));
        if token.is_empty() { request } else { request.bearer_auth(token) }
    }

    pub async fn send(request: RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        Answer { status, headers, text: response.text().await.unwrap() }
    }

    pub async fn get(&self, path: &str, token: &str) -> Answer {
        Self::send(self.request(Method::GET, path, token)).await
    }

    pub async fn delete(&self, path: &str, token: &str) -> Answer {
        Self::send(self.request(Method::DELETE, path, token)).await
    }

    pub async fn post(&self, path: &str, token: &str, body: Value) -> Answer {
        Self::send(self.request(Method::POST, path, token).json(&body)).await
    }

    pub async fn patch(&self, path: &str, token: &str, body: Value) -> Answer {
        Self::send(self.request(Method::PATCH, path, token).json(&body)).await
    }

    pub async fn login(&self, username: &str, password: &str) -> Answer {
        self.post("/api/login", "", json!({"username": username, "password": password})).await
    }

    /// An access token of the seeded admin.
    pub async fn admin(&self) -> String {
        self.token_of("admin", "change-me").await
    }

    pub async fn token_of(&self, username: &str, password: &str) -> String {
        let answer = self.login(username, password).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// A new user with the password `sesame`, and its access token.
    pub async fn user(&self, admin: &str, username: &str) -> String {
        let answer = self.post("/api/users", admin, json!({"username": username, "password": "sesame"})).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        self.token_of(username, "sesame").await
    }

    /// Sends the refresh cookie.
    pub async fn refresh(&self, cookie: &str) -> Answer {
        let request = self.request(Method::POST, "/api/refresh", "");
        Self::send(request.header("cookie", format!("berth_refresh={cookie}"))).await
    }

    /// What `whoami` answers.
    pub async fn whoami(&self, token: &str) -> StatusCode {
        self.get("/api/whoami", token).await.status
    }
}

fn empty_file(folder: &std::path::Path) -> std::path::PathBuf {
    let path = folder.join("berth.toml");
    std::fs::write(&path, "").unwrap();
    path
}
