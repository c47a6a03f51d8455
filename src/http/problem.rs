//! RFC 9457: what went wrong, as `application/problem+json`.

use std::fmt::Display;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::context::request_id;
use crate::db;

/// What a handler returns.
pub type Result<T, E = Problem> = std::result::Result<T, E>;

/// An answer that says what went wrong. The slug is the contract, the sentence is for people.
#[derive(Debug, Clone)]
pub struct Problem {
    /// The HTTP status.
    pub status: StatusCode,
    /// The last part of the type's address.
    pub slug: &'static str,
    /// What happened, for people.
    pub detail: String,
    /// What is wrong where.
    pub errors: Vec<FieldError>,
    /// After how many seconds trying again makes sense.
    pub retry_after: Option<u64>,
}

/// One fault of the request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// JSON pointer to the value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Line in the body, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Column in the line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
    /// What is wrong.
    pub detail: String,
}

impl FieldError {
    /// A fault of the value at `pointer`.
    pub fn at(pointer: impl Into<String>, detail: impl Display) -> Self {
        Self { pointer: Some(pointer.into()), detail: detail.to_string(), ..Self::default() }
    }

    /// A fault at a place of a text.
    pub fn in_text(line: u64, column: u64, detail: impl Display) -> Self {
        Self { line: Some(line), column: Some(column), detail: detail.to_string(), ..Self::default() }
    }
}

/// The body of every error.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ProblemBody {
    /// `/problems/<slug>`; the slug is stable.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened, for people.
    pub detail: String,
    /// Quote it when asking for help.
    pub request_id: String,
    /// What is wrong where.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

impl Problem {
    /// A problem with its status, slug and sentence.
    pub fn new(status: StatusCode, slug: &'static str, detail: impl Display) -> Self {
        Self { status, slug, detail: detail.to_string(), errors: Vec::new(), retry_after: None }
    }

    /// 422 with the fault's place.
    pub fn invalid(slug: &'static str, pointer: &str, detail: impl Display) -> Self {
        let detail = detail.to_string();
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, slug, &detail).with_error(FieldError::at(pointer, detail))
    }

    /// 404: it is not there, or not yours to know of.
    pub fn not_found(detail: impl Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    /// 403: we know you, and no.
    pub fn forbidden(detail: impl Display) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// 401: we do not know you.
    pub fn unauthorized(detail: impl Display) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
    }

    /// The same with one more fault.
    #[must_use]
    pub fn with_error(mut self, error: FieldError) -> Self {
        self.errors.push(error);
        self
    }

    /// The same with more faults.
    #[must_use]
    pub fn with_errors(mut self, errors: impl IntoIterator<Item = FieldError>) -> Self {
        self.errors.extend(errors);
        self
    }

    /// The same with a hint when to try again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// What we did not expect: logged once; the client learns the request id and nothing else.
    ///
    /// A database that does not answer, or that lost a race for us, becomes 503 with `Retry-After`.
    pub fn internal(error: impl Into<anyhow::Error>) -> Self {
        let error = error.into();
        let cause = error.chain().find_map(|cause| cause.downcast_ref::<sqlx::Error>());
        if cause.is_some_and(db::is_down) {
            tracing::warn!(error = %format!("{error:#}"), "the database does not answer");
            let detail = "the database does not answer now; try again soon";
            return Self::new(StatusCode::SERVICE_UNAVAILABLE, "database-unavailable", detail).retry_after(5);
        }
        if cause.is_some_and(db::is_transient) {
            tracing::warn!(error = %format!("{error:#}"), "the database is busy");
            let detail = "too many changes at the same moment; try again";
            return Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail).retry_after(1);
        }
        tracing::error!(error = %format!("{error:#}"), "unexpected error");
        let detail = format!("something unexpected happened; the log has more under request id `{}`", request_id());
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    }
}

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        Self::internal(error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = ProblemBody {
            kind: format!("/problems/{}", self.slug),
            title: self.status.canonical_reason().unwrap_or("Error").to_owned(),
            status: self.status.as_u16(),
            detail: self.detail,
            request_id: request_id(),
            errors: self.errors,
        };
        let text = serde_json::to_vec(&body).expect("a problem is plain text and numbers");
        let mut response = (self.status, text).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unreachable_database_is_503_with_retry_after() {
        for error in [sqlx::Error::PoolTimedOut, sqlx::Error::Io(std::io::Error::other("refused"))] {
            let wrapped = anyhow::Error::new(error).context("listing machines");
            let response = Problem::internal(wrapped).into_response();
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(response.headers()[header::RETRY_AFTER], "5");
        }
    }

    #[test]
    fn the_unexpected_tells_the_client_nothing_of_its_cause() {
        let problem = Problem::internal(anyhow::anyhow!("password hunter2 at line 3"));
        assert_eq!(problem.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!problem.detail.contains("hunter2"));
    }
}
