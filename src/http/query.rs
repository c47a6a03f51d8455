//! Query strings: like a body, with repeated keys as lists.

use axum::{extract::FromRequestParts, http::request::Parts};
use serde::de::DeserializeOwned;

use super::{FieldError, Problem, body::pointer};

/// The query of the address. A repeated key fills a list.
#[derive(Debug, Clone, Copy)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parse(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    let source = serde_html_form::Deserializer::from_bytes(text.as_bytes());
    serde_path_to_error::deserialize(source).map_err(|error| {
        let pointer = pointer(error.path());
        let detail = error.inner().to_string();
        let place = FieldError {
            pointer: (!pointer.is_empty()).then_some(pointer),
            detail: detail.clone(),
            ..FieldError::default()
        };
        Problem::new(
            axum::http::StatusCode::UNPROCESSABLE_ENTITY,
            "invalid-query",
            format!("the query is not valid: {detail}"),
        )
        .with_error(place)
    })
}

/// For who tries random texts.
pub(super) fn try_text(text: &str) {
    #[derive(serde::Deserialize)]
    #[allow(dead_code, reason = "only parsing it matters")]
    struct Any {
        #[serde(default)]
        label: Vec<String>,
        limit: Option<u32>,
        cursor: Option<String>,
    }
    let _ = parse::<Any>(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Filter {
        #[serde(default)]
        label: Vec<String>,
        count: Option<u32>,
    }

    #[test]
    fn repeated_keys_fill_a_list() {
        let filter: Filter = parse("label=gpu%3Da100&label=os%3Ddebian&count=3").unwrap();
        assert_eq!(filter.label, ["gpu=a100", "os=debian"]);
        assert_eq!(filter.count, Some(3));
        assert_eq!(parse::<Filter>("").unwrap().count, None);
    }

    #[test]
    fn a_wrong_value_is_422_and_its_key_is_named() {
        let problem = parse::<Filter>("count=1.5").unwrap_err();
        assert_eq!(problem.status, 422);
        assert_eq!(problem.errors[0].pointer.as_deref(), Some("/count"));
        assert_eq!(parse::<Filter>("cuont=1").unwrap_err().status, 422);
    }
}
