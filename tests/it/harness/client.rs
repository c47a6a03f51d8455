//! A person with an HTTP client.

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;

/// Sends requests, as somebody or as nobody.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    pub token: Option<String>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
    what: String,
}

impl Client {
    pub fn new(url: &str) -> Self {
        Self::with(url, |builder| builder)
    }

    /// One that reaches the server in a way of its own.
    pub fn with(url: &str, change: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder) -> Self {
        // Once for the process; a second time it is there already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = change(reqwest::Client::builder()).build().unwrap();
        Self { http, url: url.to_owned(), token: None }
    }

    pub async fn signed_in(mut self, username: &str, password: &str) -> Self {
        let body = serde_json::json!({ "username": username, "password": password });
        let answer = self.post("/api/login", &body).await.expect(200);
        self.token = Some(answer["access_token"].as_str().unwrap().to_owned());
        self
    }

    /// A request to build further.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub async fn send(&self, request: RequestBuilder) -> Answer {
        let request = request.build().unwrap();
        let what = format!("{} {}", request.method(), request.url());
        let answer = self.http.execute(request).await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        Answer { status, headers, text: answer.text().await.unwrap(), what }
    }

    /// For a server that may be dead. None: the connection broke, whatever that means for the request.
    pub async fn try_send(&self, request: RequestBuilder, body: Option<Value>) -> Option<(u16, Value)> {
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        let text = answer.text().await.ok()?;
        Some((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::PATCH, path).json(body)).await
    }

    pub async fn post_yaml(&self, path: &str, body: &str) -> Answer {
        let request = self.request(Method::POST, path).header("content-type", "application/yaml").body(body.to_owned());
        self.send(request).await
    }
}

impl Answer {
    /// The body, if the status is as it should be.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}: {}", self.what, self.text);
        if self.text.is_empty() { Value::Null } else { self.json() }
    }

    /// A refusal with this status and slug; its body.
    #[track_caller]
    pub fn refused(&self, status: u16, slug: &str) -> Value {
        let body = self.expect(status);
        assert_eq!(self.headers["content-type"], "application/problem+json", "{}", self.what);
        assert_eq!(body["type"], format!("/problems/{slug}"), "{}: {body:#}", self.what);
        body
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{}: {error}: {}", self.what, self.text))
    }
}
