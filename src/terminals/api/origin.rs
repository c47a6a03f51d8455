//! Only Berth's own page opens terminals: a browser tells by `Origin` which page asks.

use axum::http::{HeaderMap, StatusCode, header};
use url::Url;

use crate::http::Problem;

/// Refuses every page but those of this server, and whoever does not say.
pub(super) fn check(headers: &HeaderMap, public_url: &str) -> Result<(), Problem> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let refused = |detail: &str| Err(Problem::new(StatusCode::FORBIDDEN, "foreign-origin", detail));
    let Some(origin) = text(header::ORIGIN) else {
        return refused("send `Origin`, as browsers do; from a program use `berth ssh`");
    };
    if is_ours(origin, text(header::HOST).unwrap_or_default(), public_url) {
        return Ok(());
    }
    refused("terminals open from Berth's own page only; is `public_url` the address people type?")
}

fn is_ours(origin: &str, host: &str, public_url: &str) -> bool {
    let parse = |text: &str| Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let Some(asking) = parse(origin).filter(|url| url.path() == "/" && url.username().is_empty()) else { return false };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    let same = |text: &str| parse(text).is_some_and(|own| own.origin() == asking.origin());
    // Whether a proxy in front speaks TLS we cannot see; the page's own scheme is taken for it.
    let by_host = !host.is_empty() && host.chars().all(plain) && same(&format!("{}://{host}", asking.scheme()));
    by_host || same(public_url)
}

#[cfg(test)]
mod tests {
    use super::is_ours;

    #[test]
    fn our_own_page_is_known_by_host_or_by_the_public_address() {
        assert!(is_ours("http://127.0.0.1:8080", "127.0.0.1:8080", ""));
        assert!(is_ours("https://berth.example.org", "Berth.Example.org", ""));
        assert!(is_ours("https://berth.example.org", "berth.example.org:443", ""));
        assert!(is_ours("http://[::1]:8080", "[::1]:8080", ""));
        assert!(is_ours("https://berth.example.org", "10.0.0.7:8080", "https://berth.example.org/pool"));
    }

    #[test]
    fn another_page_is_refused() {
        for (origin, host) in [
            ("https://evil.example", "berth.example.org"),
            ("http://berth.example.org:8081", "berth.example.org:8080"),
            ("http://berth.example.org.evil.example", "berth.example.org"),
            ("http://berth.example.org@evil.example", "berth.example.org"),
            ("http://evil.example/berth.example.org", "berth.example.org"),
            ("null", "berth.example.org"),
            ("", "berth.example.org"),
            ("file://berth.example.org", "berth.example.org"),
            ("http://evil.example", "berth.example.org@evil.example"),
            ("http://berth.example.org", ""),
        ] {
            assert!(!is_ours(origin, host, "https://elsewhere.example"), "{origin} at {host}");
        }
    }
}
