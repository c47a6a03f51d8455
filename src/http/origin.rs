//! Which page asks: a browser tells by `Origin` and `Sec-Fetch-Site`.

use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use url::Url;

use super::Problem;

/// Refuses every page but those of this server, and whoever does not say. For what a program never asks.
pub fn require_own_page(headers: &HeaderMap, public_url: &str) -> Result<(), Problem> {
    let Some(origin) = text(headers, &header::ORIGIN) else {
        return refused("send `Origin`, as browsers do; from a program use `berth ssh`");
    };
    if is_ours(origin, text(headers, &header::HOST).unwrap_or_default(), public_url) {
        return Ok(());
    }
    refused("terminals open from Berth's own page only; is `public_url` the address people type?")
}

/// Refuses other pages. A program, which says nothing of a page, may ask.
pub fn refuse_foreign_page(headers: &HeaderMap, public_url: &str) -> Result<(), Problem> {
    let site = text(headers, &HeaderName::from_static("sec-fetch-site"));
    let is_own = match (site, text(headers, &header::ORIGIN)) {
        // No page can forge it, and no proxy changes it.
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => is_ours(origin, text(headers, &header::HOST).unwrap_or_default(), public_url),
        (None, None) => true,
    };
    if is_own { Ok(()) } else { refused("only Berth's own page may do this with a browser's cookies") }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or_default())
}

fn refused(detail: &str) -> Result<(), Problem> {
    Err(Problem::new(StatusCode::FORBIDDEN, "foreign-origin", detail))
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

/// For who tries random texts: no text but ours is our origin.
pub(super) fn try_text(text: &str) {
    let (origin, host) = text.split_once('\n').unwrap_or((text, ""));
    let _ = is_ours(origin, host, "https://berth.example.org");
    let told = is_ours(origin, "", "https://berth.example.org");
    let same = Url::parse(origin).is_ok_and(|url| url.host_str() == Some("berth.example.org"));
    assert!(!told || same, "{origin:?}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_page_gets_nothing_for_a_cookie_and_a_program_may_ask() {
        let asks = |pairs: &[(&'static str, &str)]| {
            let headers = pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
            refuse_foreign_page(&headers.collect(), "https://berth.example.org").is_ok()
        };
        assert!(asks(&[]));
        assert!(asks(&[("sec-fetch-site", "same-origin"), ("origin", "https://other-name.example"), ("host", "h")]));
        assert!(asks(&[("origin", "https://berth.example.org"), ("host", "10.0.0.7:8080")]));
        assert!(asks(&[("origin", "http://localhost:8080"), ("host", "localhost:8080")]));
        for site in ["cross-site", "same-site", "", "rubbish"] {
            assert!(!asks(&[("sec-fetch-site", site), ("origin", "https://berth.example.org")]), "{site}");
        }
        assert!(!asks(&[("origin", "https://evil.example"), ("host", "berth.example.org")]));
        assert!(!asks(&[("origin", "null"), ("host", "berth.example.org")]));
    }

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
