//! One call to the server: what it carries, how its answer is read, what a refusal becomes.

use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::{Method, Url, header};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    client::{Client, is_loopback},
    fault::{Fault, Problem},
    output::{duration, plain},
    terminal::say,
};

/// The cookie that buys the next access token; in production it has the longer name.
const REFRESH_COOKIES: [&str; 2] = ["berth_refresh", "__Host-berth_refresh"];
/// How long the server may take to answer, unless the call says otherwise.
const PATIENCE: Duration = Duration::from_mins(1);

/// How often a call that may be repeated is made in all.
const TRIES: u32 = 10;
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(500);

/// What a call carries.
enum Body {
    Nothing,
    Json(Value),
    Yaml(String),
}

/// A call being made.
pub struct Call<'a> {
    client: &'a Client,
    method: Method,
    url: Result<Url>,
    body: Body,
    headers: Vec<(&'static str, String)>,
    anonymous: bool,
    secret: bool,
    patience: Option<Duration>,
    repeatable: bool,
}

/// What came back with a success.
pub struct Answer {
    /// The JSON, or null when there was none.
    pub value: Value,
    /// The refresh token that came as a cookie.
    pub cookie: Option<String>,
}

impl Answer {
    /// The fields that the caller knows; others are ignored.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        parse(&self.value)
    }
}

/// The fields that the caller knows; others are ignored.
pub fn parse<T: DeserializeOwned>(value: &Value) -> Result<T> {
    T::deserialize(value).context("the server's answer is not what this version of berth expects")
}

impl<'a> Call<'a> {
    /// A call that carries nothing yet.
    pub fn new(client: &'a Client, method: Method, url: Result<Url>) -> Self {
        let (body, headers) = (Body::Nothing, Vec::new());
        let (patience, repeatable) = (Some(PATIENCE), method == Method::GET);
        Self { client, method, url, body, headers, anonymous: false, secret: false, patience, repeatable }
    }

    /// Adds to the query.
    pub fn query<K: AsRef<str>>(mut self, pairs: &[(K, String)]) -> Self {
        if let Ok(url) = &mut self.url {
            for (key, value) in pairs {
                url.query_pairs_mut().append_pair(key.as_ref(), value);
            }
        }
        self
    }

    /// Sends JSON.
    pub fn json(mut self, value: Value) -> Self {
        self.body = Body::Json(value);
        self
    }

    /// Sends YAML.
    pub fn yaml(mut self, text: String) -> Self {
        self.body = Body::Yaml(text);
        self
    }

    /// Adds a header.
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Lets the server see a second try of the same call as the same call, so that one can be made.
    pub fn once_only(mut self) -> Self {
        self.repeatable = true;
        self.header("idempotency-key", uuid::Uuid::now_v7().to_string())
    }

    /// Sends no credentials.
    pub fn anonymous(mut self) -> Self {
        self.anonymous = true;
        self
    }

    /// Carries a password: warns where others could read it.
    pub fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// Waits for the answer that long; `None`: for ever.
    pub fn patience(mut self, patience: Option<Duration>) -> Self {
        self.patience = patience;
        self
    }

    /// Makes the call; an answer that is no success is an error.
    ///
    /// When the connection breaks under a call that may be repeated, it is: a server that restarts goes unnoticed.
    pub async fn send(mut self) -> Result<Answer> {
        let token = self.prepare()?;
        let mut broke = false;
        for _ in 1..TRIES {
            match self.authorised(token.as_deref()).await {
                Err(error) if self.repeatable && is_passing(&error, broke) => broke = true,
                other => return other,
            }
            tokio::time::sleep(PAUSE).await;
        }
        self.authorised(token.as_deref()).await
    }

    async fn authorised(&self, token: Option<&str>) -> Result<Answer> {
        let client = self.client;
        match self.once(token).await {
            Err(error) if is_unauthenticated(&error) => {
                let token = self.second_token(token, error).await?;
                self.once(Some(&token)).await.map_err(|error| client.explain_second(error))
            }
            other => other,
        }
    }

    /// Makes the call and hands over the answer's bytes as they come.
    pub async fn stream(mut self) -> Result<reqwest::Response> {
        self.patience = None;
        let client = self.client;
        let token = self.prepare()?;
        match self.raw(token.as_deref()).await {
            Err(error) if is_unauthenticated(&error) => {
                let token = self.second_token(token.as_deref(), error).await?;
                self.raw(Some(&token)).await.map_err(|error| client.explain_second(error))
            }
            other => other,
        }
    }

    /// The token to try first.
    fn prepare(&mut self) -> Result<Option<String>> {
        let identity = self.client.identity();
        if self.secret && identity.base.scheme() == "http" && !is_loopback(&identity.base) {
            say(&format!("warning: the password goes to {} unencrypted; use https", identity.base));
        }
        if self.anonymous {
            return Ok(None);
        }
        if let Some(token) = &identity.token {
            return Ok(Some(token.clone()));
        }
        let profile = identity.profile.as_ref();
        if profile.is_none_or(|profile| profile.access_token.is_none() && profile.refresh_cookie.is_none()) {
            return Err(self.client.not_signed_in("not signed in"));
        }
        Ok(profile.and_then(|profile| profile.access_token.clone()))
    }

    async fn second_token(&self, stale: Option<&str>, error: anyhow::Error) -> Result<String> {
        let client = self.client;
        if self.anonymous {
            return Err(error);
        }
        if client.identity().token.is_some() {
            return Err(error.context("the server does not accept `BERTH_TOKEN`"));
        }
        client.renew(stale).await?.ok_or_else(|| client.not_signed_in("the session is over"))
    }

    /// Makes the call with this token and no second try.
    pub async fn once(&self, token: Option<&str>) -> Result<Answer> {
        let response = self.raw(token).await?;
        let cookie = response
            .headers()
            .get_all(header::SET_COOKIE)
            .iter()
            .find_map(|value| refresh_cookie(value.to_str().ok()?));
        let text = response.bytes().await.map_err(|error| self.client.broken(&error))?;
        let value = if text.is_empty() { Value::Null } else { serde_json::from_slice(&text).unwrap_or(Value::Null) };
        if value.is_null() && !text.is_empty() {
            anyhow::bail!("the answer is not JSON; is `{}` a Berth server?", self.client.identity().base);
        }
        Ok(Answer { value, cookie })
    }

    async fn raw(&self, token: Option<&str>) -> Result<reqwest::Response> {
        let url = match &self.url {
            Ok(url) => url.clone(),
            Err(error) => return Err(Fault::Usage(error.to_string()).into()),
        };
        let mut request = self.client.http().request(self.method.clone(), url);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(patience) = self.patience {
            request = request.timeout(patience);
        }
        request = match &self.body {
            Body::Nothing => request,
            Body::Json(value) => request.json(value),
            Body::Yaml(text) => request.header(header::CONTENT_TYPE, "application/yaml").body(text.clone()),
        };
        let response = request.send().await.map_err(|error| self.client.broken(&error))?;
        if response.status().is_success() { Ok(response) } else { Err(refusal(response).await) }
    }
}

/// Whether the same call may well succeed in a moment. `broke`: an earlier try got as far as the server.
fn is_passing(error: &anyhow::Error, broke: bool) -> bool {
    match error.downcast_ref::<Fault>() {
        Some(Fault::Broken(_)) => true,
        Some(Fault::Unreachable(_)) => broke,
        Some(Fault::Problem(problem)) => broke && problem.slug() == "request-in-progress",
        _ => false,
    }
}

/// Whether the server does not know us (any more).
pub fn is_unauthenticated(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref::<Fault>(), Some(Fault::Problem(problem)) if problem.status == 401)
}

/// The error that an answer without success stands for.
async fn refusal(response: reqwest::Response) -> anyhow::Error {
    let status = response.status();
    let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let request_id = response.headers().get("x-request-id").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let retry_after =
        response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned);
    if status.is_redirection() {
        let to = location.unwrap_or_default();
        return Fault::Usage(plain(&format!("the server has moved to `{to}`; set `BERTH_URL` to the new address")))
            .into();
    }
    let text = response.text().await.unwrap_or_default();
    let mut problem: Problem = serde_json::from_str(&text).unwrap_or_default();
    problem.status = status.as_u16();
    if problem.title.is_empty() && problem.detail.is_empty() {
        problem.title = format!("the server answered {status}");
        problem.detail = text.lines().next().unwrap_or_default().chars().take(200).collect();
    }
    problem.request_id = problem.request_id.or(request_id);
    if let Some(seconds) = retry_after.and_then(|text| text.parse::<i64>().ok()) {
        problem.detail = format!("{}; try again in {}", problem.detail, duration(seconds));
    }
    Fault::Problem(Box::new(problem)).into()
}

/// The refresh token in a `Set-Cookie` line.
pub fn refresh_cookie(line: &str) -> Option<String> {
    let (name, value) = line.split(';').next()?.split_once('=')?;
    (REFRESH_COOKIES.contains(&name.trim()) && !value.is_empty()).then(|| value.trim().to_owned())
}

/// The `Cookie` header that shows a refresh token, by whichever name the server knows it.
pub fn cookie_header(token: &str) -> String {
    REFRESH_COOKIES.map(|name| format!("{name}={token}")).join("; ")
}
