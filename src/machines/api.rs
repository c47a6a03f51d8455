//! `/api/machines` and `/api/available`.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension,
    body::Body,
    extract::{Path, State as AxumState},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Error, admin,
    available::{Answers, AvailableView},
    import::{self, How, Imported},
    model::{Machine, State},
    register::Registered,
    rules::{self, Fault},
    store::{self, Filter, Search},
    views::{
        CheckMachine, CreateMachine, MachineView, MoveView, QuarantineMachine, RegisteredView, UpdateMachine, view,
    },
};
use crate::{
    accounts::{Actor, Admin},
    ctx::Ctx,
    http::{FieldError, Idempotency, Json, List, Page, Problem, ProblemBody, Query, Result, Text, json_request_hash},
};

/// The routes of this slice.
pub fn routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new()
        .routes(routes!(list_machines, create_machine))
        .routes(routes!(import_machines))
        .routes(routes!(show_machine, update_machine, delete_machine))
        .routes(routes!(list_machine_moves))
        .routes(routes!(check_machine))
        .routes(routes!(quarantine_machine))
        .routes(routes!(release_machine))
        .routes(routes!(show_available))
        .layer(Extension(Arc::new(Answers::default())))
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        let (status, slug) = match error {
            Error::NoSuchMachine(_) => (StatusCode::NOT_FOUND, "not-found"),
            Error::NameTaken(_) => (StatusCode::CONFLICT, "name-taken"),
            Error::AddressTaken { .. } => (StatusCode::CONFLICT, "address-taken"),
            Error::Held { .. } => (StatusCode::CONFLICT, "machine-held"),
            Error::WrongState { .. } => (StatusCode::CONFLICT, "wrong-state"),
            Error::Moved(_) => (StatusCode::CONFLICT, "machine-moved"),
            Error::Invalid(faults) => {
                return Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-machine", detail)
                    .with_errors(faults.into_iter().map(field_error));
            }
            Error::Database(error) => return error.into(),
            Error::Broken(text) => return Self::internal(anyhow::anyhow!(text)),
        };
        Self::new(status, slug, detail)
    }
}

fn field_error(fault: Fault) -> FieldError {
    FieldError { pointer: Some(fault.pointer), line: fault.line, column: fault.column, detail: fault.detail }
}

fn invalid(faults: Vec<Fault>) -> Problem {
    Error::Invalid(faults).into()
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ListFilter {
    /// Only in this state.
    state: Option<State>,
    /// Only with this label, as `name=value`; may be repeated.
    #[serde(default)]
    label: Vec<String>,
    /// Only of this pool.
    pool: Option<String>,
    /// Part of the name; for admins also of the host.
    q: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct AvailableFilter {
    /// Only with this label, as `name=value`; may be repeated.
    #[serde(default)]
    label: Vec<String>,
    /// Only of this pool.
    pool: Option<String>,
}

fn labels(texts: Vec<String>) -> Result<Vec<(String, String)>> {
    if rules::MAX_LABELS < texts.len() {
        return Err(Problem::invalid("invalid-label", "/label", format!("more than {} labels", rules::MAX_LABELS)));
    }
    let mut labels = Vec::new();
    for text in texts {
        let Some((name, value)) = text.split_once('=') else {
            return Err(Problem::invalid("invalid-label", "/label", "a label is written as `label=name=value`"));
        };
        rules::label_name(name)
            .and_then(|()| rules::label_value(value))
            .map_err(|detail| Problem::invalid("invalid-label", "/label", detail))?;
        labels.push((name.to_owned(), value.to_owned()));
    }
    labels.sort_unstable();
    labels.dedup();
    Ok(labels)
}

fn pool(pool: Option<String>) -> Result<Option<String>> {
    if let Some(name) = &pool {
        rules::pool(name).map_err(|detail| Problem::invalid("invalid-pool", "/pool", detail))?;
    }
    Ok(pool)
}

/// Machines by name.
#[utoipa::path(get, path = "/api/machines", operation_id = "list_machines", tag = "machines", params(ListFilter, Page),
    security(("bearer" = [])),
    responses((status = 200, body = List<MachineView>), (status = 422, body = ProblemBody)))]
async fn list_machines(
    AxumState(ctx): AxumState<Ctx>,
    actor: Actor,
    Query(filter): Query<ListFilter>,
    Query(page): Query<Page>,
) -> Result<Json<List<MachineView>>> {
    let (limit, after) = (page.limit()?, page.after()?);
    let text = filter.q.filter(|text| !text.is_empty());
    if text.as_ref().is_some_and(|text| 100 < text.len()) {
        return Err(Problem::invalid("invalid-query", "/q", "a search has at most 100 characters"));
    }
    let filter = Filter {
        state: filter.state,
        pool: pool(filter.pool)?,
        labels: labels(filter.label)?,
        search: text.map(|text| Search { text, in_host: actor.is_admin() }),
    };
    let mut conn = ctx.db.read().await?;
    let machines = store::page(&mut conn, &filter, after.as_deref(), i64::from(limit) + 1).await?;
    let leases: Vec<_> = machines.iter().filter_map(|machine| machine.held_by).collect();
    let holders = store::holders(&mut conn, &leases).await?;
    let list = List::new(machines, limit, |machine| machine.name.clone());
    Ok(Json(list.map(|machine| view(machine, &holders, &actor))))
}

/// Registers a machine: connects once, pins its host key, installs Berth's key, reads facts.
///
/// One that cannot be reached is kept in quarantine and tried again; the steps say what happened.
#[utoipa::path(post, path = "/api/machines", operation_id = "create_machine", tag = "machines",
    request_body = CreateMachine, security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "the same key and body are done once")),
    responses((status = 201, body = RegisteredView), (status = 403, body = ProblemBody),
        (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
async fn create_machine(
    AxumState(ctx): AxumState<Ctx>,
    Admin(actor): Admin,
    repeat: Idempotency,
    Json(body): Json<CreateMachine>,
) -> Result<Response> {
    let hash = json_request_hash("create_machine", &body);
    let entry = body.checked(&ctx.config.reservations.default_pool).map_err(invalid)?;
    let (account, inner) = (actor.id, ctx.clone());
    let work = async move {
        let registered = admin::create(&inner, &actor, entry).await?;
        let location = format!("/api/machines/{}", registered.machine.name);
        let shown = shown(&inner, &actor, registered).await?;
        Ok::<_, Problem>((StatusCode::CREATED, [(header::LOCATION, location)], Json(shown)))
    };
    Ok(repeat.run(&ctx, account, &hash, work).await)
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ImportHow {
    /// `1`: only say what would happen.
    #[serde(default)]
    #[param(inline)]
    dry_run: Flag,
    /// `1`: machines that are not in the file leave the pool.
    #[serde(default)]
    #[param(inline)]
    remove: Flag,
    /// How many seconds to wait for the contacts. Unless given here or by `Prefer: wait=N`: 30 s for up to 32
    /// machines, not at all for more; the contacts go on in the background.
    wait: Option<u64>,
}

/// `1`, `true`, `yes`, or nothing at all after the name: yes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
enum Flag {
    #[default]
    #[serde(rename = "0", alias = "false", alias = "no")]
    No,
    #[serde(rename = "1", alias = "true", alias = "yes", alias = "")]
    Yes,
}

/// The longest wait for contacts.
const LONGEST_WAIT: u64 = 600;

/// Makes the pool what an inventory says. A bad file is refused whole, with every fault at once.
#[utoipa::path(post, path = "/api/machines/import", operation_id = "import_machines", tag = "machines",
    request_body(content = String, content_type = "application/yaml"), security(("bearer" = [])),
    params(ImportHow, ("Idempotency-Key" = Option<String>, Header, description = "the same key and body are done once"),
        ("Prefer" = Option<String>, Header, description = "`wait=30`: how long to wait for the contacts")),
    responses((status = 200, body = Imported), (status = 403, body = ProblemBody), (status = 409, body = ProblemBody),
        (status = 413, body = ProblemBody), (status = 422, body = ProblemBody)))]
async fn import_machines(
    AxumState(ctx): AxumState<Ctx>,
    Admin(actor): Admin,
    Query(how): Query<ImportHow>,
    headers: HeaderMap,
    repeat: Idempotency,
    Text(text): Text,
) -> Result<Response> {
    let hash = json_request_hash("import_machines", &text);
    let wait = how.wait.or_else(|| preferred_wait(&headers));
    let how = How {
        dry_run: how.dry_run == Flag::Yes,
        remove: how.remove == Flag::Yes,
        wait: wait.map(|seconds| Duration::from_secs(seconds.min(LONGEST_WAIT))),
    };
    let (account, inner) = (actor.id, ctx.clone());
    let work = async move { Ok::<_, Problem>(Json(import::import(&inner, &actor, text, how).await?)) };
    Ok(repeat.run(&ctx, account, &hash, work).await)
}

/// `Prefer: wait=30` (RFC 7240).
fn preferred_wait(headers: &HeaderMap) -> Option<u64> {
    let lines = headers.get_all("prefer").iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).find_map(|part| part.trim().strip_prefix("wait=")?.trim().parse().ok())
}

/// One machine.
#[utoipa::path(get, path = "/api/machines/{name}", operation_id = "show_machine", tag = "machines",
    params(("name" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = MachineView), (status = 404, body = ProblemBody)))]
async fn show_machine(
    AxumState(ctx): AxumState<Ctx>,
    actor: Actor,
    Path(name): Path<String>,
) -> Result<Json<MachineView>> {
    let machine = {
        let mut conn = ctx.db.read().await?;
        store::find(&mut conn, &name).await?
    };
    let machine = machine.ok_or(Error::NoSuchMachine(name))?;
    Ok(Json(one(&ctx, &actor, machine).await?))
}

/// Changes a machine. When how to reach it changes, it is contacted before anybody gets it.
#[utoipa::path(patch, path = "/api/machines/{name}", operation_id = "update_machine", tag = "machines",
    request_body = UpdateMachine, params(("name" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = MachineView), (status = 403, body = ProblemBody), (status = 404, body = ProblemBody),
        (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
async fn update_machine(
    AxumState(ctx): AxumState<Ctx>,
    Admin(actor): Admin,
    Path(name): Path<String>,
    Json(body): Json<UpdateMachine>,
) -> Result<Json<MachineView>> {
    let patch = body.checked().map_err(invalid)?;
    let registered = admin::update(&ctx, &actor, &name, patch).await?;
    Ok(Json(one(&ctx, &actor, registered.machine).await?))
}

/// Removes a machine that nobody holds.
#[utoipa::path(delete, path = "/api/machines/{name}", operation_id = "delete_machine", tag = "machines",
    params(("name" = String, Path)), security(("bearer" = [])),
    responses((status = 204), (status = 403, body = ProblemBody), (status = 404, body = ProblemBody),
        (status = 409, body = ProblemBody)))]
async fn delete_machine(
    AxumState(ctx): AxumState<Ctx>,
    Admin(actor): Admin,
    Path(name): Path<String>,
) -> Result<StatusCode> {
    admin::remove(&ctx, &actor, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Looks at a machine now. The body may be left out.
#[utoipa::path(post, path = "/api/machines/{name}/check", operation_id = "check_machine", tag = "machines",
    request_body = Option<CheckMachine>, params(("name" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = MachineView), (status = 403, body = ProblemBody), (status = 404, body = ProblemBody),
        (status = 409, body = ProblemBody)))]
async fn check_machine(
    AxumState(ctx): AxumState<Ctx>,
    Admin(actor): Admin,
    Path(name): Path<String>,
    Text(body): Text,
) -> Result<Json<MachineView>> {
    let how: CheckMachine = if body.trim().is_empty() {
        CheckMachine::default()
    } else {
        // serde would take a list for the fields, in their order.
        let how = Some(&body).filter(|body| !body.trim_start().starts_with('['));
        how.and_then(|body| serde_json::from_str(body).ok()).ok_or_else(|| {
            Problem::invalid("invalid-body", "", "the body is empty or `{\"accept_new_host_key\": true}`")
        })?
    };
    let registered = admin::check(&ctx, &actor, &name, how.accept_new_host_key).await?;
    Ok(Json(one(&ctx, &actor, registered.machine).await?))
}

/// Sets a machine aside. One in use stays with its person and goes to quarantine when it is clean.
#[utoipa::path(post, path = "/api/machines/{name}/quarantine", operation_id = "quarantine_machine", tag = "machines",
    request_body = QuarantineMachine, params(("name" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = MachineView), (status = 403, body = ProblemBody), (status = 404, body = ProblemBody),
        (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
async fn quarantine_machine(
    AxumState(ctx): AxumState<Ctx>,
    Admin(actor): Admin,
    Path(name): Path<String>,
    Json(body): Json<QuarantineMachine>,
) -> Result<Json<MachineView>> {
    let reason = rules::reason(&body.reason).map_err(|detail| Problem::invalid("invalid-reason", "/reason", detail))?;
    let machine = admin::quarantine(&ctx, &actor, &name, &reason).await?;
    Ok(Json(one(&ctx, &actor, machine).await?))
}

/// Sends a machine that was set aside on its way back to the pool: cleaned if need be, then looked at.
#[utoipa::path(post, path = "/api/machines/{name}/release", operation_id = "release_machine", tag = "machines",
    params(("name" = String, Path)), security(("bearer" = [])),
    responses((status = 202, body = MachineView), (status = 403, body = ProblemBody), (status = 404, body = ProblemBody),
        (status = 409, body = ProblemBody)))]
async fn release_machine(
    AxumState(ctx): AxumState<Ctx>,
    Admin(actor): Admin,
    Path(name): Path<String>,
) -> Result<(StatusCode, Json<MachineView>)> {
    let machine = admin::release(&ctx, &actor, &name).await?;
    Ok((StatusCode::ACCEPTED, Json(one(&ctx, &actor, machine).await?)))
}

/// What a machine went through: each change of its state, newest first. Kept for 90 days.
///
/// Why, and for whom, is shown to admins; a reservation of one's own is shown to everyone.
#[utoipa::path(get, path = "/api/machines/{name}/history", operation_id = "list_machine_moves", tag = "machines",
    params(("name" = String, Path), Page), security(("bearer" = [])),
    responses((status = 200, body = List<MoveView>), (status = 404, body = ProblemBody),
        (status = 422, body = ProblemBody)))]
async fn list_machine_moves(
    AxumState(ctx): AxumState<Ctx>,
    actor: Actor,
    Path(name): Path<String>,
    Query(page): Query<Page>,
) -> Result<Json<List<MoveView>>> {
    let (limit, after) = (page.limit()?, page.after()?);
    let place = after.as_deref().map(|text| {
        let parts = text.split_once(':').and_then(|(at, id)| Some((at.parse().ok()?, id)));
        parts.ok_or_else(|| Problem::invalid("invalid-cursor", "/cursor", "the cursor is not one of ours"))
    });
    let place = place.transpose()?;
    let mut conn = ctx.db.read().await?;
    let machine = store::find(&mut conn, &name).await?.ok_or(Error::NoSuchMachine(name))?;
    let moves = store::moves(&mut conn, machine.id, place, i64::from(limit) + 1).await?;
    let leases: Vec<_> = moves.iter().filter_map(|one| one.lease).collect();
    let holders = store::holders(&mut conn, &leases).await?;
    let list = List::new(moves, limit, |one| format!("{}:{}", one.at, one.id));
    Ok(Json(list.map(|one| MoveView::new(one, &holders, &actor))))
}

/// What can be booked now.
#[utoipa::path(get, path = "/api/available", operation_id = "show_available", tag = "machines",
    params(AvailableFilter), security(("bearer" = [])),
    responses((status = 200, body = AvailableView), (status = 422, body = ProblemBody)))]
async fn show_available(
    AxumState(ctx): AxumState<Ctx>,
    _actor: Actor,
    Extension(answers): Extension<Arc<Answers>>,
    Query(filter): Query<AvailableFilter>,
) -> Result<Response> {
    let filter = Filter { pool: pool(filter.pool)?, labels: labels(filter.label)?, ..Filter::default() };
    let bytes = answers.get(&ctx, &filter).await?;
    let mut response = Body::from(bytes).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

async fn one(ctx: &Ctx, actor: &Actor, machine: Machine) -> Result<MachineView> {
    let leases: Vec<_> = machine.held_by.into_iter().collect();
    let holders = if leases.is_empty() {
        std::collections::HashMap::new()
    } else {
        store::holders(&mut *ctx.db.read().await?, &leases).await?
    };
    Ok(view(machine, &holders, actor))
}

async fn shown(ctx: &Ctx, actor: &Actor, registered: Registered) -> Result<RegisteredView> {
    let steps = registered.steps.into_iter().chain(registered.error).collect();
    Ok(RegisteredView { machine: one(ctx, actor, registered.machine).await?, steps })
}

/// For who tries random texts.
pub(super) fn try_labels(text: &str) {
    let _ = labels(text.split('\n').map(str::to_owned).collect());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_read_from_prefer() {
        let mut headers = HeaderMap::new();
        headers.append("prefer", HeaderValue::from_static("respond-async, wait=12"));
        assert_eq!(preferred_wait(&headers), Some(12));
        headers.insert("prefer", HeaderValue::from_static("wait=-1"));
        assert_eq!(preferred_wait(&headers), None);
    }

    #[test]
    fn labels_of_a_query_are_checked_and_put_in_order() {
        let good = labels(vec!["b=2".into(), "a=1=1".into()]);
        assert!(good.is_err(), "`=` is not part of a value");
        let good = labels(vec!["b=2".into(), "a=1".into(), "b=2".into()]).unwrap();
        assert_eq!(good, [("a".into(), "1".into()), ("b".into(), "2".into())]);
        assert!(labels(vec!["gpu".into()]).is_err());
    }
}
