//! The server, as seen from the command line: HTTP and nothing else.
//!
//! A 401 renews the profile's session once, under the lock of the profiles file, and asks again. Credentials of a
//! profile go to the address of that profile only.

use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::{Method, Url};
use serde_json::Value;

use super::{
    call::{Answer, Call, cookie_header, is_unauthenticated},
    fault::Fault,
    output::plain,
    profile::{Profile, Store},
    terminal::say,
};

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

    /// What sends.
    pub fn http(&self) -> &reqwest::Client {
        &self.http
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
        Call::new(self, method, self.url(path))
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
            call = call.header("cookie", cookie_header(cookie));
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
    pub async fn renew(&self, stale: Option<&str>) -> Result<Option<String>> {
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
        let sent = self.post(&["refresh"]).anonymous().header("cookie", cookie_header(cookie)).once(None).await;
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

    /// Says to sign in, and how.
    pub fn not_signed_in(&self, why: &str) -> anyhow::Error {
        let name = &self.identity.profile_name;
        let flag = if name == "default" { String::new() } else { format!(" --profile {name}") };
        Fault::NotSignedIn(format!("{why} at {}; run `berth login{flag}`", self.identity.base)).into()
    }

    /// No answer, or half of one.
    pub fn broken(&self, error: &reqwest::Error) -> anyhow::Error {
        let base = &self.identity.base;
        let mut why = String::new();
        let mut cause: Option<&dyn std::error::Error> = Some(error);
        while let Some(inner) = cause {
            why = inner.to_string();
            cause = inner.source();
        }
        if error.is_connect() {
            let hint = "is it running, and is `BERTH_URL` right?";
            Fault::Unreachable(plain(&format!("cannot reach the server at {base}: {why}; {hint}"))).into()
        } else if error.is_timeout() {
            Fault::Unreachable(format!("no answer from {base} in time")).into()
        } else {
            Fault::Broken(plain(&format!("the connection to {base} broke: {why}"))).into()
        }
    }

    /// What a second 401, after a renewal, means.
    pub fn explain_second(&self, error: anyhow::Error) -> anyhow::Error {
        if is_unauthenticated(&error) { self.not_signed_in("the session is over") } else { error }
    }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
