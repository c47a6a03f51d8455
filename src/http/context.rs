//! What is known of the request being answered: its id and who sent it.
//!
//! It travels with the task, so that a problem or an audit entry deep inside finds it without an argument.

use std::{
    convert::Infallible,
    future::Future,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, request::Parts},
};
use ipnet::IpNet;
use uuid::Uuid;

use crate::telemetry;

/// The request being answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestInfo {
    /// Its id: the client's own when that is sane, else ours.
    pub id: Arc<str>,
    /// Who sent it, seen through trusted proxies.
    pub peer: IpAddr,
}

tokio::task_local! {
    static CURRENT: RequestInfo;
}

/// Runs `work` as part of this request.
pub async fn scope<F: Future>(info: RequestInfo, work: F) -> F::Output {
    CURRENT.scope(info, work).await
}

/// The request being answered, if any.
pub fn request_info() -> Option<RequestInfo> {
    CURRENT.try_with(Clone::clone).ok()
}

/// The id of the request being answered, or of the one that asked for the job at work; empty outside of both.
pub fn request_id() -> String {
    CURRENT.try_with(|info| info.id.to_string()).unwrap_or_else(|_| telemetry::request_id().to_string())
}

/// The address that sent the request being answered; empty outside of one.
pub fn peer() -> String {
    CURRENT.try_with(|info| info.peer.to_string()).unwrap_or_default()
}

/// The address of the client, seen through trusted proxies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddr(pub IpAddr);

impl<S: Sync> FromRequestParts<S> for ClientAddr {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let known = parts.extensions.get::<RequestInfo>().map(|info| info.peer);
        Ok(Self(known.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))))
    }
}

/// Reads id and sender from a request.
pub(super) fn read(headers: &HeaderMap, peer: Option<&ConnectInfo<SocketAddr>>, trusted: &[IpNet]) -> RequestInfo {
    let given = headers.get("x-request-id").and_then(|value| value.to_str().ok()).filter(|id| is_sane(id));
    let traced = || {
        let (trace, _) = telemetry::traceparent(headers.get("traceparent")?.to_str().ok()?)?;
        Some(format!("{trace:032x}"))
    };
    // The id is that of the trace as well, so whoever is asked to go on with a trace is found by it.
    let own = || traced().unwrap_or_else(|| Uuid::now_v7().simple().to_string());
    let id = given.map_or_else(|| own().into(), Arc::from);
    let socket = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(address)| address.ip().to_canonical());
    RequestInfo { id, peer: client(socket, headers, trusted) }
}

fn is_sane(id: &str) -> bool {
    (8..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// Walks `X-Forwarded-For` from the right, as long as the one who speaks is a trusted proxy.
fn client(socket: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
    let mut sender = socket;
    let lines: Vec<&str> = headers.get_all("x-forwarded-for").iter().filter_map(|line| line.to_str().ok()).collect();
    for hop in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        if !is_trusted(sender) {
            break;
        }
        match hop.trim().parse::<IpAddr>() {
            Ok(address) => sender = address.to_canonical(),
            Err(_) => break,
        }
    }
    sender
}

/// For who tries random texts: as one or several lines of `X-Forwarded-For`, behind a trusted proxy and from a stranger.
pub(super) fn try_text(text: &str) {
    let mut headers = HeaderMap::new();
    for line in text.split('\n').filter_map(|line| line.parse().ok()) {
        headers.append("x-forwarded-for", line);
    }
    if let Ok(id) = text.parse() {
        headers.insert("x-request-id", id);
    }
    let proxy = SocketAddr::from(([127, 0, 0, 1], 1));
    let trusted = [IpNet::from(proxy.ip())];
    let seen = read(&headers, Some(&ConnectInfo(proxy)), &trusted);
    assert!(seen.id.len() <= 64);
    let stranger = SocketAddr::from(([192, 0, 2, 1], 1));
    assert_eq!(read(&headers, Some(&ConnectInfo(stranger)), &trusted).peer, stranger.ip());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(socket: &str, forwarded: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        let trusted = ["127.0.0.0/8".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
        client(socket.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn a_stranger_cannot_name_his_own_address() {
        assert_eq!(seen("203.0.113.9", &["127.0.0.1"]), "203.0.113.9");
        assert_eq!(seen("203.0.113.9", &["1.1.1.1, 10.0.0.1"]), "203.0.113.9");
    }

    #[test]
    fn behind_a_proxy_the_last_untrusted_hop_counts() {
        assert_eq!(seen("127.0.0.1", &["203.0.113.9"]), "203.0.113.9");
        assert_eq!(seen("127.0.0.1", &["1.1.1.1, 203.0.113.9"]), "203.0.113.9");
        assert_eq!(seen("127.0.0.1", &["1.1.1.1, 203.0.113.9, 10.0.0.7"]), "203.0.113.9");
        assert_eq!(seen("127.0.0.1", &["1.1.1.1", "203.0.113.9"]), "203.0.113.9");
        assert_eq!(seen("127.0.0.1", &[]), "127.0.0.1");
        assert_eq!(seen("127.0.0.1", &["203.0.113.9, rubbish"]), "127.0.0.1");
    }

    #[test]
    fn only_sane_request_ids_are_taken_over() {
        assert!(is_sane("abc-123_XYZ.9"));
        for id in ["short", "with space in it", "line\nfeed-line", &"x".repeat(65), "quote\"quote"] {
            assert!(!is_sane(id), "{id}");
        }
    }
}
