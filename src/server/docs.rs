//! The OpenAPI document and its page.

use axum::{
    Router,
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};

use crate::ctx::Ctx;

/// The document with what every route shares: how to sign in, and the problem that may come instead.
pub(super) fn document(document: utoipa::openapi::OpenApi) -> Value {
    let mut document = serde_json::to_value(document).expect("an OpenAPI document is JSON");
    document["info"]["version"] = json!(env!("CARGO_PKG_VERSION"));
    document["components"]["securitySchemes"] = json!({
        "bearer": { "type": "http", "scheme": "bearer", "description": "an access token from `/api/login`, or one made at `/api/me/tokens`" }
    });
    document["security"] = json!([{ "bearer": [] }]);
    super::contract::complete(&mut document);
    document
}

/// Serves the document and the page.
pub(super) fn routes(document: &Value) -> Router<Ctx> {
    let text = document.to_string();
    let json = move || async move { typed("application/json", text) };
    Router::new()
        .route("/api/openapi.json", get(json))
        .route("/api/docs", get(|| async { typed("text/html; charset=utf-8", include_str!("docs/page.html")) }))
        .route(
            "/api/docs/page.js",
            get(|| async { typed("text/javascript; charset=utf-8", include_str!("docs/page.js")) }),
        )
        .route("/api/docs/page.css", get(|| async { typed("text/css; charset=utf-8", include_str!("docs/page.css")) }))
}

fn typed(kind: &'static str, body: impl IntoResponse) -> Response {
    ([(header::CONTENT_TYPE, kind)], body).into_response()
}
