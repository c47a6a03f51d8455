//! The web page: files that were built into the binary, and `index.html` for every address that is none of them.
//!
//! A debug build reads the files from the disk, so the page can be built anew under a running server. What the build
//! compressed goes out as it is: nobody waits while a large file is compressed. Deliberately absent: any knowledge of
//! what is on the page.

use std::{borrow::Cow, fmt::Write};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::Request,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::{any, get},
};
use rust_embed::{Embed, EmbeddedFile};

use crate::{ctx::Ctx, http::Problem};

/// Where the files of a page come from: the path below its root, in; the file, if there is one, out.
pub type Files = fn(&str) -> Option<EmbeddedFile>;

#[derive(Embed)]
#[folder = "web/dist"]
#[allow_missing = true]
struct Built;

/// The page of this binary.
pub fn built(path: &str) -> Option<EmbeddedFile> {
    Built::get(path)
}

/// The templates of these routes; such requests are neither limited nor logged.
pub(super) const TEMPLATES: [&str; 2] = ["/", "/{*path}"];

/// Every address outside `/api` and `/metrics`. Those two stay what they are: problems, where no route is.
pub(super) fn routes(files: Files) -> Router<Ctx> {
    let [root, below] = TEMPLATES;
    let page = get(move |request: Request| async move { show(files, &request) });
    Router::new()
        .route(root, page.clone())
        .route(below, page)
        .route("/api", any(super::nowhere))
        .route("/api/", any(super::nowhere))
        .route("/api/{*path}", any(super::nowhere))
        .route("/metrics", any(super::nowhere))
}

fn show(files: Files, request: &Request) -> Response {
    let path = request.uri().path().trim_start_matches('/');
    let is_asset = path.starts_with("assets/");
    // A name with a dot before it is no part of a page, wherever the files come from.
    let is_plain = !path.is_empty() && path.split('/').all(|part| !part.is_empty() && !part.starts_with('.'));
    if let Some(file) = is_plain.then(|| files(path)).flatten() {
        return answer(files, path, file, request.headers(), is_asset);
    }
    if is_asset {
        // A page that was built anew has other names; the old page must notice instead of reading `index.html` as code.
        let mut response = Problem::not_found("this part of the page is gone; load the page again").into_response();
        response.headers_mut().insert(header::CACHE_CONTROL, NOT_KEPT);
        return response;
    }
    match files("index.html") {
        Some(index) => answer(files, "index.html", index, request.headers(), false),
        None => ([(header::CACHE_CONTROL, NOT_KEPT)], Html(UNBUILT)).into_response(),
    }
}

const NOT_KEPT: HeaderValue = HeaderValue::from_static("no-cache");
const KEPT: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

const UNBUILT: &str = "<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<title>Berth</title>
<h1>Berth</h1>
<p>The server runs; its page is not built yet. Build it with <code>./just web</code> and start the server again.</p>
<p>The API is at <a href=\"/api/docs\">/api/docs</a>.</p>
</html>
";

/// Encodings that the build may have made, the smallest first, with the ends of their names.
const ENCODINGS: [(&str, &str); 2] = [("br", ".br"), ("gzip", ".gz")];

/// The file as the build compressed it, in the best encoding that is taken.
fn compressed(files: Files, path: &str, asked: &HeaderMap) -> Option<(&'static str, EmbeddedFile)> {
    let is_taken = |encoding: &str| {
        asked
            .get_all(header::ACCEPT_ENCODING)
            .iter()
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(','))
            .any(|one| {
                let (name, weight) = one.split_once(';').unwrap_or((one, ""));
                let weight = weight.trim().strip_prefix("q=").and_then(|text| text.trim().parse::<f32>().ok());
                name.trim().eq_ignore_ascii_case(encoding) && weight.is_none_or(|weight| 0.0 < weight)
            })
    };
    ENCODINGS
        .iter()
        .filter(|(encoding, _)| is_taken(encoding))
        .find_map(|(encoding, end)| files(&format!("{path}{end}")).map(|file| (*encoding, file)))
}

fn answer(files: Files, path: &str, file: EmbeddedFile, asked: &HeaderMap, is_asset: bool) -> Response {
    // Weak: the same file may go out compressed or as it is.
    let mut tag = "W/\"".to_owned();
    for byte in &file.metadata.sha256_hash()[..16] {
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    let is_known = asked
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .any(|known| known.trim() == tag || known.trim() == "*");
    let keep = if is_asset { KEPT } else { NOT_KEPT };
    let headers = ([(header::CACHE_CONTROL, keep)], [(header::ETAG, tag)]);
    if is_known {
        return (StatusCode::NOT_MODIFIED, headers.0, headers.1).into_response();
    }
    let kind = kind(file.metadata.mimetype());
    let (encoding, file) = compressed(files, path, asked).map_or((None, file), |(name, file)| (Some(name), file));
    let body = match file.data {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => Bytes::from(bytes),
    };
    let mut response = (headers.0, headers.1, [(header::CONTENT_TYPE, kind)], Body::from(body)).into_response();
    if let Some(encoding) = encoding {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
        response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
    response
}

/// With the encoding that every text of a page has.
fn kind(mime: &str) -> String {
    let is_text = mime.starts_with("text/") || mime == "image/svg+xml" || mime.ends_with("/javascript");
    if is_text { format!("{mime}; charset=utf-8") } else { mime.to_owned() }
}
