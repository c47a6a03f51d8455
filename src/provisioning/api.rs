//! Routes of runs and their logs.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Counts, RunState,
    store::{self, LineRow, RunRow},
};
use crate::{
    accounts::Actor,
    clock::rfc3339,
    ctx::Ctx,
    http::{Json, List, Page, Problem, Query},
};

/// The routes.
pub fn routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new().routes(routes!(list_runs)).routes(routes!(show_run)).routes(routes!(list_run_events))
}

/// One execution of a playbook on machines.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunView {
    /// Its id.
    id: String,
    /// `provision` or `clean`.
    kind: String,
    /// The playbook.
    playbook: String,
    /// `running`, `succeeded`, `failed` or `lost`.
    state: String,
    /// The reservation it served.
    reservation_id: String,
    /// On which machines.
    machines: Vec<String>,
    /// When it began.
    started_at: String,
    /// When it ended.
    finished_at: Option<String>,
    /// Counts per machine, when it ended.
    summary: BTreeMap<String, Counts>,
    /// What went wrong.
    error: Option<String>,
    /// How many lines its log has so far: the `seq` of the last one.
    lines: i64,
}

impl RunView {
    fn of(row: RunRow) -> Result<Self, Problem> {
        Ok(Self {
            id: row.id,
            kind: row.kind,
            playbook: row.playbook,
            state: row.state,
            reservation_id: row.reservation_id,
            machines: serde_json::from_str(&row.machines).map_err(Problem::internal)?,
            started_at: rfc3339(row.started_at),
            finished_at: row.finished_at.map(rfc3339),
            summary: serde_json::from_str(&row.summary).map_err(Problem::internal)?,
            error: row.error,
            lines: row.lines,
        })
    }
}

/// One line of a run's log.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunLineView {
    /// Its place in the run, from 1.
    seq: i64,
    /// When.
    at: String,
    /// On which machine.
    machine: String,
    /// `task`, `log` or `note`.
    kind: String,
    /// The task's name.
    task: String,
    /// `ok`, `changed`, `failed`, `skipped`, `unreachable`.
    status: String,
    /// What there is to say.
    message: String,
}

impl From<LineRow> for RunLineView {
    fn from(row: LineRow) -> Self {
        Self {
            seq: row.seq,
            at: rfc3339(row.at),
            machine: row.machine,
            kind: row.kind,
            task: row.task,
            status: row.status,
            message: row.message,
        }
    }
}

/// Which runs to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RunFilter {
    /// Only this reservation's.
    reservation: Option<String>,
    /// Only those this machine took part in.
    machine: Option<String>,
    /// Only in this state: `running`, `succeeded`, `failed` or `lost`.
    state: Option<String>,
    /// Most items of the answer.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Where to go on in a log.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LineFilter {
    /// Only lines after this `seq`. Without filters each `seq` has its line, so `after=N&limit=M` are the lines N+1 to
    /// N+M.
    after: Option<i64>,
    /// Only of this machine; empty: only of the run as a whole.
    machine: Option<String>,
    /// Only of this kind: `task`, `log` or `note`.
    kind: Option<String>,
    /// Only with this status: `ok`, `changed`, `failed`, …
    status: Option<String>,
    /// Only with this text in the message or the task's name, in whatever case.
    q: Option<String>,
    /// Most items of the answer, 1 to 2000; 50 unless given.
    limit: Option<u32>,
}

/// The longest text to search for, in bytes.
const LONGEST_SEARCH: usize = 100;
/// Most lines of one answer.
const MOST_LINES: u32 = 2000;

/// List runs, newest first: one's own, or for admins all.
#[utoipa::path(get, path = "/api/runs", tag = "runs", params(RunFilter), responses(
    (status = 200, body = List<RunView>), (status = 422, body = crate::http::ProblemBody)))]
async fn list_runs(
    State(ctx): State<Ctx>,
    actor: Actor,
    Query(filter): Query<RunFilter>,
) -> Result<Json<List<RunView>>, Problem> {
    let page = Page { limit: filter.limit, cursor: filter.cursor };
    let (limit, before) = (page.limit()?, page.after()?);
    let state = filter.state.as_deref().map(|word| {
        let known = RunState::ALL.into_iter().find(|state| state.as_str() == word);
        let detail = "a run is `running`, `succeeded`, `failed` or `lost`";
        known.ok_or_else(|| Problem::invalid("invalid-state", "/state", detail))
    });
    let mut conn = ctx.db.read().await?;
    let chosen = store::Filter {
        account: (!actor.is_admin()).then_some(actor.id),
        reservation: filter.reservation.as_deref(),
        machine: filter.machine.as_deref(),
        state: state.transpose()?,
        before: before.as_deref(),
    };
    let rows = store::list(&mut conn, &chosen, i64::from(limit) + 1).await?;
    let page = List::new(rows, limit, |row| row.id.clone());
    let items = page.items.into_iter().map(RunView::of).collect::<Result<_, _>>()?;
    Ok(Json(List { items, next_cursor: page.next_cursor }))
}

/// One run.
#[utoipa::path(get, path = "/api/runs/{id}", tag = "runs", params(("id" = String, Path)), responses(
    (status = 200, body = RunView), (status = 404, body = crate::http::ProblemBody)))]
async fn show_run(State(ctx): State<Ctx>, actor: Actor, Path(id): Path<String>) -> Result<Json<RunView>, Problem> {
    let row = find(&ctx, &actor, &id).await?;
    Ok(Json(RunView::of(row)?))
}

/// The log of a run, line by line, as far as the filters let through.
#[utoipa::path(get, path = "/api/runs/{id}/events", tag = "runs", params(("id" = String, Path), LineFilter), responses(
    (status = 200, body = List<RunLineView>), (status = 404, body = crate::http::ProblemBody),
    (status = 422, body = crate::http::ProblemBody)))]
async fn list_run_events(
    State(ctx): State<Ctx>,
    actor: Actor,
    Path(id): Path<String>,
    Query(filter): Query<LineFilter>,
) -> Result<Json<List<RunLineView>>, Problem> {
    let limit = Page { limit: filter.limit, cursor: None }.limit_up_to(MOST_LINES)?;
    let text = filter.q.as_deref().filter(|text| !text.is_empty());
    if text.is_some_and(|text| LONGEST_SEARCH < text.len()) {
        return Err(Problem::invalid("invalid-query", "/q", format!("a search has at most {LONGEST_SEARCH} bytes")));
    }
    let run = find(&ctx, &actor, &id).await?;
    let mut conn = ctx.db.read().await?;
    let chosen = store::LineFilter {
        after: filter.after.unwrap_or(0),
        machine: filter.machine.as_deref(),
        kind: filter.kind.as_deref(),
        status: filter.status.as_deref(),
        text,
    };
    let rows = store::lines(&mut conn, &run.id, &chosen, i64::from(limit)).await?;
    // A log goes on growing: the place to go on from is always given.
    let next_cursor = rows.last().map(|row| row.seq.to_string());
    Ok(Json(List { items: rows.into_iter().map(RunLineView::from).collect(), next_cursor }))
}

async fn find(ctx: &Ctx, actor: &Actor, id: &str) -> Result<RunRow, Problem> {
    let missing = || Problem::not_found(format!("there is no run `{}`", id.chars().take(40).collect::<String>()));
    let mut conn = ctx.db.read().await?;
    let row = store::find(&mut conn, id).await?.ok_or_else(missing)?;
    if row.account_id == actor.id.to_string() || actor.is_admin() { Ok(row) } else { Err(missing()) }
}
