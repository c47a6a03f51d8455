//! `/api/audit`.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Admin, store};
use crate::{
    clock::rfc3339,
    ctx::Ctx,
    http::{Json, List, Page, Problem, ProblemBody, Query, Result},
};

/// The routes of this slice.
pub fn routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new().routes(routes!(list_audit))
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
