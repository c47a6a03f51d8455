//! Bodies: JSON in and out, and plain text, each with a size limit and faults that name their place.

use axum::{
    body::{Bytes, HttpBody},
    extract::{FromRequest, OptionalFromRequest, Request},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::error::Category;
use sha2::{Digest, Sha256};

use super::{FieldError, Problem};

const JSON_LIMIT: usize = 1024 * 1024;
const TEXT_LIMIT: usize = 8 * 1024 * 1024;

/// A JSON body.
#[derive(Debug, Clone, Copy)]
pub struct Json<T>(pub T);

/// A text body of any textual type, up to 8 MiB.
#[derive(Debug, Clone)]
pub struct Text(pub String);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            let detail = "the body must be JSON; send `Content-Type: application/json`";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-json", detail));
        }
        let bytes = read(request, JSON_LIMIT).await?;
        if bytes.trim_ascii_start().starts_with(b"[") {
            // serde would take the items for the fields, in their order.
            return Err(Problem::invalid("invalid-body", "", "the body must be a JSON object, not a list"));
        }
        parse(&bytes).map(Self)
    }
}

/// A route that also takes no body at all.
impl<T: DeserializeOwned, S: Sync> OptionalFromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, Problem> {
        if request.body().is_end_stream() {
            return Ok(None);
        }
        <Self as FromRequest<S>>::from_request(request, state).await.map(Some)
    }
}

impl<S: Sync> FromRequest<S> for Text {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let bytes = read(request, TEXT_LIMIT).await?;
        let text = String::from_utf8(bytes.into()).map_err(|error| {
            let place = error.utf8_error().valid_up_to();
            let detail = format!("the body is not UTF-8 at byte {place}");
            Problem::new(StatusCode::BAD_REQUEST, "not-utf8", detail)
        })?;
        Ok(Self(text))
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(bytes) => {
                ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], bytes).into_response()
            }
            Err(error) => Problem::internal(error).into_response(),
        }
    }
}

/// What identifies a body when a request is repeated.
pub fn json_request_hash(route: &str, body: &impl Serialize) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(route.as_bytes());
    hash.update([0]);
    hash.update(serde_json::to_vec(body).unwrap_or_default());
    hash.finalize().into()
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

async fn read(request: Request, limit: usize) -> Result<Bytes, Problem> {
    let too_large = || {
        let detail = format!("the body is larger than {} KiB", limit / 1024);
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", detail)
    };
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if let Some(length) = announced.filter(|length: &usize| limit < *length) {
        // A client that is still sending sees a broken pipe and not the answer: a body that is not absurd is let in
        // and thrown away.
        if length <= 4 * limit {
            let mut rest = request.into_body().into_data_stream();
            while let Some(Ok(_)) = rest.next().await {}
        }
        return Err(too_large());
    }
    axum::body::to_bytes(request.into_body(), limit).await.map_err(|error| {
        let is_length =
            std::error::Error::source(&error).is_some_and(|source| source.to_string().contains("length limit"));
        if is_length || error.to_string().contains("length limit") {
            too_large()
        } else {
            Problem::new(StatusCode::BAD_REQUEST, "body-broken", "the body ended early")
        }
    })
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut source = serde_json::Deserializer::from_slice(bytes);
    let found = serde_path_to_error::deserialize(&mut source);
    let error = match found {
        Ok(value) => match source.end() {
            Ok(()) => return Ok(value),
            Err(error) => return Err(fault(String::new(), &error)),
        },
        Err(error) => error,
    };
    let pointer = pointer(error.path());
    Err(fault(pointer, error.inner()))
}

fn fault(pointer: String, error: &serde_json::Error) -> Problem {
    let (status, slug) = match error.classify() {
        Category::Data => (StatusCode::UNPROCESSABLE_ENTITY, "invalid-body"),
        Category::Io | Category::Syntax | Category::Eof => (StatusCode::BAD_REQUEST, "malformed-json"),
    };
    let full = error.to_string();
    // serde appends the place, which we give apart.
    let detail = full.rsplit_once(" at line ").map_or(full.as_str(), |(detail, _)| detail).to_owned();
    let place = FieldError {
        pointer: (!pointer.is_empty()).then_some(pointer),
        line: u64::try_from(error.line()).ok().filter(|line| 0 < *line),
        column: u64::try_from(error.column()).ok().filter(|column| 0 < *column),
        detail: detail.clone(),
    };
    Problem::new(status, slug, detail).with_error(place)
}

pub(super) fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut out = String::new();
    for segment in path {
        let part = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => key.clone(),
            Segment::Enum { variant } => variant.clone(),
            Segment::Unknown => continue,
        };
        out.push('/');
        out.push_str(&part.replace('~', "~0").replace('/', "~1"));
    }
    out
}

/// For who tries random texts: a document of all shapes, whose faults name their places.
pub(super) fn try_text(text: &str) {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only parsing it matters")]
    struct Any {
        name: String,
        port: Option<u16>,
        labels: std::collections::BTreeMap<String, String>,
        hosts: Vec<Any>,
    }
    let _ = parse::<Any>(text.as_bytes());
    let _ = parse::<serde_json::Value>(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[allow(dead_code, reason = "only parsing it matters")]
        hosts: Vec<Host>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Host {
        #[allow(dead_code, reason = "only parsing it matters")]
        port: u16,
    }

    fn problem(text: &str) -> (u16, FieldError) {
        let problem = parse::<Sample>(text.as_bytes()).unwrap_err();
        (problem.status.as_u16(), problem.errors[0].clone())
    }

    #[test]
    fn a_wrong_value_is_422_and_its_place_is_named() {
        let (status, error) = problem("{\"hosts\": [{\"port\": 22},\n {\"port\": \"x\"}]}");
        assert_eq!((status, error.pointer.as_deref(), error.line), (422, Some("/hosts/1/port"), Some(2)));
        assert!(!error.detail.contains("at line"), "{}", error.detail);
        let (status, error) = problem("{\"hosts\": [], \"hots\": 1}");
        assert_eq!(status, 422);
        assert!(error.detail.contains("unknown field `hots`"), "{}", error.detail);
    }

    #[test]
    fn what_is_not_json_is_400() {
        for text in ["", "{", "{\"hosts\": [] } x", "\u{0}", "nul"] {
            assert_eq!(problem(text).0, 400, "{}", &text[..text.len().min(20)]);
        }
        assert_eq!(parse::<serde_json::Value>("[".repeat(100_000).as_bytes()).unwrap_err().status, 400);
        assert_eq!(parse::<Sample>(b"{\"hosts\xff\": []}").unwrap_err().status, 400);
    }
}
