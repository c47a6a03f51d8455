//! `/api/audit`.

use axum::{
    body::Body,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Admin,
    chain::{Break, Place},
    check, store,
};
use crate::{
    clock::rfc3339,
    ctx::Ctx,
    http::{Json, List, Page, Problem, ProblemBody, Query, Result},
};

/// The routes of this slice.
pub fn routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new().routes(routes!(list_audit)).routes(routes!(verify_audit)).routes(routes!(export_audit))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Only what this user did.
    actor: Option<String>,
    /// Only this action, or all of a kind: `user` finds `user.create`.
    action: Option<String>,
    /// Only what was done at this moment or later (RFC 3339).
    since: Option<String>,
}

/// One thing that was done.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AuditView {
    /// The entry's id; later entries have greater ones.
    pub id: String,
    /// When.
    pub at: String,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// To what.
    pub target: String,
    /// More, for people.
    pub detail: String,
    /// The request that did it; empty when Berth acted by itself.
    pub request_id: String,
    /// The address it came from.
    pub peer: String,
}

/// Who did what, newest first.
#[utoipa::path(get, path = "/api/audit", operation_id = "list_audit", tag = "audit", params(Filter, Page),
    security(("bearer" = [])),
    responses((status = 200, body = List<AuditView>), (status = 403, body = ProblemBody)))]
async fn list_audit(
    State(ctx): State<Ctx>,
    _: Admin,
    Query(filter): Query<Filter>,
    Query(page): Query<Page>,
) -> Result<Json<List<AuditView>>> {
    let since = filter.since.as_deref().map(moment).transpose()?;
    let (limit, after) = (page.limit()?, page.after()?);
    let filter = store::Filter {
        actor: filter.actor.as_deref(),
        action: filter.action.as_deref(),
        since,
        before: after.as_deref(),
    };
    let rows = store::list(&mut *ctx.db.read().await?, &filter, limit + 1).await?;
    let list = List::new(rows, limit, |row| row.id.clone());
    Ok(Json(list.map(|row| AuditView {
        id: row.id,
        at: rfc3339(row.at),
        actor: row.actor,
        action: row.action,
        target: row.target,
        detail: row.detail,
        request_id: row.request_id,
        peer: row.peer,
    })))
}

/// Whether the chain of the audit holds.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Verdict {
    /// `intact` or `broken`.
    pub status: String,
    /// How many entries were looked at and hold.
    pub entries: i64,
    /// How many entries are not chained yet; a running server chains them within seconds.
    pub unchained: i64,
    /// The last entry that was pruned, or number 0; the first that is left follows it.
    pub base: Place,
    /// The last entry of the chain. Keep it elsewhere and give it as `anchor` later.
    pub head: Place,
    /// Where it breaks, if it does.
    pub broken: Option<Break>,
}

impl Verdict {
    pub(super) fn new(base: Place, head: Place, entries: i64, unchained: i64, broken: Option<Break>) -> Self {
        let status = if broken.is_some() { "broken" } else { "intact" }.to_owned();
        Self { status, entries, unchained, base, head, broken }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Anchor {
    /// A place that was known before, as `NUMBER:HASH`; it must still be in the chain.
    anchor: Option<String>,
}

/// Goes along the whole chain and says where it breaks.
#[utoipa::path(get, path = "/api/audit/verify", operation_id = "verify_audit", tag = "audit", params(Anchor),
    security(("bearer" = [])),
    responses((status = 200, body = Verdict), (status = 403, body = ProblemBody), (status = 422, body = ProblemBody)))]
async fn verify_audit(State(ctx): State<Ctx>, _: Admin, Query(query): Query<Anchor>) -> Result<Json<Verdict>> {
    let anchor = query
        .anchor
        .as_deref()
        .map(|text| text.parse::<Place>().map_err(|detail| Problem::invalid("invalid-anchor", "/anchor", detail)));
    Ok(Json(check::verify(&ctx, anchor.transpose()?.as_ref()).await?))
}

/// The chain as JSON lines: its ends, then every entry with its hash.
#[utoipa::path(get, path = "/api/audit/export", operation_id = "export_audit", tag = "audit",
    security(("bearer" = [])),
    responses((status = 200, body = String, content_type = "application/x-ndjson"), (status = 403, body = ProblemBody)))]
async fn export_audit(State(ctx): State<Ctx>, _: Admin) -> Result<Response> {
    let header = check::export(&ctx).await?;
    let first = serde_json::to_string(&header).map_err(Problem::internal)? + "\n";
    let lines = stream::once(async { Ok(first) }).chain(check::pages(ctx, &header));
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response())
}

fn moment(text: &str) -> Result<i64> {
    let parsed = text.parse::<jiff::Timestamp>();
    parsed.map(jiff::Timestamp::as_millisecond).map_err(|_| {
        Problem::invalid(
            "invalid-time",
            "/since",
            format!("`{text}` is not a moment; write it as 2026-01-31T07:00:00Z"),
        )
    })
}
