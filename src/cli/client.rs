//! The server, as seen from the command line: HTTP and nothing else.
//!
//! A 401 renews the profile's session once, under the lock of the profiles file, and asks again. Credentials of a
//! profile go to the address of that profile only.

use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::{Method, Url, header};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    fault::{Fault, Problem},
    output::plain,
    profile::{Profile, Store},
    terminal::say,
};

/// The cookie that buys the next access token.
const REFRESH_COOKIE: &str = "berth_refresh";
/// How long the server may take to answer, unless the call says otherwise.
const PATIENCE: Duration = Duration::from_mins(1);

/// Who we are to which server.
#[derive(Clone)]
pub struct Identity {
    /// The API's address, ending in `/api`.
    pub base: Url,
    /// The name under which the session is kept.
    pub profile_name: String,
    /// Where sessions are kept.
    pub store: Store,
    /// The session, when the profile has one for this address.
    pub profile: Option<Profile>,
    /// `BERTH_TOKEN`, which goes before the session.
    pub token: Option<String>,
    /// Off with `VERIFY_TLS=false`.
    pub verify_tls: bool,
}

/// The server.
pub struct Client {
    http: reqwest::Client,
    identity: Identity,
}

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
}

/// What came back with a success.
pub struct Answer {
    /// The JSON, or null when there was none.
    pub value: Value,
    cookie: Option<String>,
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

/// The API's address from what a person gave: with or without `/api`, with or without a last slash.
pub fn api_base(text: &str) -> Result<Url> {
    let text = text.trim();
    let bad = |why: &str| {
        Fault::Usage(format!("`{text}` is no server address ({why}); it looks like `https://berth.example.org`"))
    };
    let mut url = Url::parse(text).map_err(|error| bad(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad("http or https is needed").into());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Fault::Usage("a server address holds no password; sign in with `berth login`".into()).into());
    }
    url.set_query(None);
    url.set_fragment(None);
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&if path.ends_with("/api") { path } else { format!("{path}/api") });
    Ok(url)
}

/// Whether bytes to that address stay on this computer.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

impl Client {
    /// Ready to call; nothing is sent yet.
    pub fn new(identity: Identity) -> Result<Self> {
        // Fails only when the process already has a provider, which then serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("berth/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(10))
            .redirect(reqwest::redirect::Policy::none());
        if is_loopback(&identity.base) {
            builder = builder.no_proxy();
        }
        if !identity.verify_tls {
            if identity.base.scheme() == "https" {
                say(
                    "warning: VERIFY_TLS is off, so whoever sits between here and the server can read and change everything",
                );
            }
            builder = builder.tls_danger_accept_invalid_certs(true);
        }
        Ok(Self { http: builder.build().context("cannot set up HTTP")?, identity })
    }

    /// Who we are to which server.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Asks for something.
    pub fn get(&self, path: &[&str]) -> Call<'_> {
        self.call(Method::GET, path)
    }

    /// Sends something.
    pub fn post(&self, path: &[&str]) -> Call<'_> {
        self.call(Method::POST, path)
    }

    /// Changes something.
    pub fn patch(&self, path: &[&str]) -> Call<'_> {
        self.call(Method::PATCH, path)
    }

    /// Removes something.
    pub fn delete(&self, path: &[&str]) -> Call<'_> {
        self.call(Method::DELETE, path)
    }

    fn call(&self, method: Method, path: &[&str]) -> Call<'_> {
        Call {
            client: self,
            method,
            url: self.url(path),
            body: Body::Nothing,
            headers: Vec::new(),
            anonymous: false,
            secret: false,
            patience: Some(PATIENCE),
        }
    }

    fn url(&self, path: &[&str]) -> Result<Url> {
        if let Some(bad) = path.iter().find(|segment| matches!(**segment, "" | "." | "..")) {
            return Err(Fault::Usage(format!("`{bad}` is no name")).into());
        }
        let mut url = self.identity.base.clone();
        url.path_segments_mut().expect("an http address has path segments").extend(path);
        Ok(url)
    }

    /// Every item of a list, page by page, or the first `limit` of them.
    pub async fn list(&self, path: &[&str], query: &[(&str, String)], limit: Option<usize>) -> Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut call = self.get(path).query(query);
            if let Some(limit) = limit {
                call = call.query(&[("limit", (limit - items.len()).min(200).to_string())]);
            }
            if let Some(cursor) = &cursor {
                call = call.query(&[("cursor", cursor.clone())]);
            }
            let mut page = call.send().await?.value;
            let Value::Array(more) = page["items"].take() else {
                anyhow::bail!("the server's answer holds no `items`; is `{}` a Berth server?", self.identity.base);
            };
            items.extend(more);
            let next = page["next_cursor"].as_str().map(str::to_owned);
            if next.is_none() || next == cursor || limit.is_some_and(|limit| limit <= items.len()) {
                return Ok(items);
            }
            cursor = next;
        }
    }

    /// Takes over the session that a sign-in answered with.
    pub fn keep_session(&self, answer: &Answer, username: &str) -> Result<()> {
        let store = &self.identity.store;
        let guard = store.lock()?;
        let profile = Profile {
            url: self.identity.base.to_string(),
            username: username.to_owned(),
            access_token: answer.value["access_token"].as_str().map(str::to_owned),
            refresh_cookie: answer.cookie.clone(),
        };
        store.put(&guard, &self.identity.profile_name, profile)
    }

    /// Ends the session on the server.
    pub async fn logout(&self) -> Result<()> {
        let cookie = self.identity.profile.as_ref().and_then(|profile| profile.refresh_cookie.as_ref());
        let mut call = self.post(&["logout"]);
        if let Some(cookie) = cookie {
            call = call.header("cookie", format!("{REFRESH_COOKIE}={cookie}"));
        }
        call.send().await.map(|_| ())
    }

    /// Forgets the session, here only.
    pub fn forget_session(&self) -> Result<()> {
        let store = &self.identity.store;
        let guard = store.lock()?;
        let Some(old) = store.get(&self.identity.profile_name)? else { return Ok(()) };
        store.put(
            &guard,
            &self.identity.profile_name,
            Profile { url: old.url, username: old.username, ..Profile::default() },
        )
    }

    /// The token of the session as the file holds it now, renewed if it is still `stale`.
    async fn renew(&self, stale: Option<&str>) -> Result<Option<String>> {
        let store = &self.identity.store;
        let name = &self.identity.profile_name;
        let waiting = store.clone();
        let guard = tokio::task::spawn_blocking(move || waiting.lock()).await??;
        let Some(mut profile) = store.get(name)?.filter(|profile| profile.url == self.identity.base.as_str()) else {
            return Ok(None);
        };
        if profile.access_token.is_some() && profile.access_token.as_deref() != stale {
            return Ok(profile.access_token);
        }
        let Some(cookie) = &profile.refresh_cookie else { return Ok(None) };
        let sent =
            self.post(&["refresh"]).anonymous().header("cookie", format!("{REFRESH_COOKIE}={cookie}")).once(None).await;
        let answer = match sent {
            Ok(answer) => answer,
            Err(error) => match error.downcast_ref::<Fault>() {
                Some(Fault::Problem(problem)) if matches!(problem.status, 400 | 401 | 403) => return Ok(None),
                _ => return Err(error),
            },
        };
        profile.access_token = answer.value["access_token"].as_str().map(str::to_owned);
        if answer.cookie.is_some() {
            profile.refresh_cookie = answer.cookie;
        }
        let token = profile.access_token.clone();
        store.put(&guard, name, profile)?;
        Ok(token)
    }

    fn not_signed_in(&self, why: &str) -> anyhow::Error {
        let name = &self.identity.profile_name;
        let flag = if name == "default" { String::new() } else { format!(" --profile {name}") };
        Fault::NotSignedIn(format!("{why} at {}; run `berth login{flag}`", self.identity.base)).into()
    }
}

impl Call<'_> {
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

    /// Lets the server see a second try of the same call as the same call.
    pub fn once_only(self) -> Self {
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
    pub async fn send(mut self) -> Result<Answer> {
        let client = self.client;
        let token = self.prepare()?;
        match self.once(token.as_deref()).await {
            Err(error) if is_unauthenticated(&error) => {
                let token = self.second_token(token.as_deref(), error).await?;
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
        let identity = &self.client.identity;
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
        if client.identity.token.is_some() {
            return Err(error.context("the server does not accept `BERTH_TOKEN`"));
        }
        client.renew(stale).await?.ok_or_else(|| client.not_signed_in("the session is over"))
    }

    async fn once(&self, token: Option<&str>) -> Result<Answer> {
        let response = self.raw(token).await?;
        let cookie = response
            .headers()
            .get_all(header::SET_COOKIE)
            .iter()
            .find_map(|value| refresh_cookie(value.to_str().ok()?));
        let text = response.bytes().await.map_err(|error| self.client.broken(&error))?;
        let value = if text.is_empty() { Value::Null } else { serde_json::from_slice(&text).unwrap_or(Value::Null) };
        if value.is_null() && !text.is_empty() {
            anyhow::bail!("the answer is not JSON; is `{}` a Berth server?", self.client.identity.base);
        }
        Ok(Answer { value, cookie })
    }

    async fn raw(&self, token: Option<&str>) -> Result<reqwest::Response> {
        let url = match &self.url {
            Ok(url) => url.clone(),
            Err(error) => return Err(Fault::Usage(error.to_string()).into()),
        };
        let mut request = self.client.http.request(self.method.clone(), url);
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

impl Client {
    /// No answer, or half of one.
    fn broken(&self, error: &reqwest::Error) -> anyhow::Error {
        let base = &self.identity.base;
        let mut why = String::new();
        let mut cause: Option<&dyn std::error::Error> = Some(error);
        while let Some(inner) = cause {
            why = inner.to_string();
            cause = inner.source();
        }
        let text = if error.is_timeout() {
            format!("no answer from {base} in time")
        } else if error.is_connect() {
            format!("cannot reach the server at {base}: {why}; is it running, and is `BERTH_URL` right?")
        } else {
            format!("the connection to {base} broke: {why}")
        };
        Fault::Unreachable(plain(&text)).into()
    }

    fn explain_second(&self, error: anyhow::Error) -> anyhow::Error {
        if is_unauthenticated(&error) { self.not_signed_in("the session is over") } else { error }
    }
}

fn is_unauthenticated(error: &anyhow::Error) -> bool {
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
        problem.detail = format!("{}; try again in {}", problem.detail, super::output::duration(seconds));
    }
    Fault::Problem(Box::new(problem)).into()
}

/// The refresh token in a `Set-Cookie` line.
fn refresh_cookie(line: &str) -> Option<String> {
    let (name, value) = line.split(';').next()?.split_once('=')?;
    (name.trim() == REFRESH_COOKIE && !value.is_empty()).then(|| value.trim().to_owned())
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
