//! The sign-in and what surrounds every route need answers with their headers, and both databases.

use std::future::Future;

use berth::{config::Config, ctx::Ctx};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Database, TestBerth};

/// Makes of each named function two tests, one on each database.
#[macro_export]
macro_rules! both {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            #[tokio::test]
            async fn sqlite() {
                $crate::web::on($crate::harness::Database::Sqlite, super::$name()).await;
            }

            #[tokio::test]
            async fn mariadb() {
                $crate::web::on($crate::harness::Database::MariaDb, super::$name()).await;
            }
        }
    )+};
}

tokio::task_local! {
    static DATABASE: Database;
}

/// Runs a test on this database.
pub async fn on(database: Database, test: impl Future<Output = ()>) {
    DATABASE.scope(database, test).await;
}

/// The database of this test.
pub fn database() -> Database {
    DATABASE.with(|database| *database)
}

/// A server, and a client for it.
pub struct Web {
    pub ctx: Ctx,
    pub client: Client,
    berth: TestBerth,
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
        let berth = TestBerth::spawn_with(DATABASE.get(), change).await;
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { ctx: berth.ctx.clone(), client: Client::new(), berth }
    }

    /// A request, to be completed by the caller.
    pub fn request(&self, method: Method, path: &str, token: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.berth.url));
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

    /// Runs what is due until nothing is.
    pub async fn run_jobs(&self) {
        self.berth.run_jobs().await;
    }

    /// What `whoami` answers.
    pub async fn whoami(&self, token: &str) -> StatusCode {
        self.get("/api/whoami", token).await.status
    }
}
