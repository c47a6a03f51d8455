//! Users, for admins.

use axum::{
    extract::{Path, State},
    http::{StatusCode, header},
    response::Response,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::store;
use crate::{
    accounts::{self, Account, Admin, NewAccount, Role, Status, UpdateAccount},
    clock::rfc3339,
    ctx::Ctx,
    http::{Idempotency, Json, List, Page, Problem, ProblemBody, Query, Result},
    remote::Secret,
};

/// An account.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct UserView {
    /// Its name.
    pub username: String,
    /// What it may do.
    pub role: Role,
    /// Whether it may sign in.
    pub status: Status,
    /// The person's name; may be empty.
    pub full_name: String,
    /// The person's address; may be empty.
    pub email: String,
    /// When it was made.
    pub created_at: String,
    /// When somebody last signed in.
    pub last_login_at: Option<String>,
}

impl From<Account> for UserView {
    fn from(account: Account) -> Self {
        Self {
            username: account.username,
            role: account.role,
            status: account.status,
            full_name: account.full_name,
            email: account.email,
            created_at: rfc3339(account.created_at),
            last_login_at: account.last_login_at.map(rfc3339),
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Search {
    /// Part of a name or address.
    q: Option<String>,
}

/// The users by name.
#[utoipa::path(get, path = "/api/users", operation_id = "list_users", tag = "users", params(Search, Page), security(("bearer" = [])),
    responses((status = 200, body = List<UserView>), (status = 403, body = ProblemBody)))]
pub(super) async fn list_users(
    State(ctx): State<Ctx>,
    _: Admin,
    Query(search): Query<Search>,
    Query(page): Query<Page>,
) -> Result<Json<List<UserView>>> {
    let (limit, after) = (page.limit()?, page.after()?);
    let q = search.q.as_deref().filter(|q| !q.is_empty());
    let rows = store::list_accounts(&mut *ctx.db.read().await?, q, after.as_deref(), limit + 1).await?;
    Ok(Json(List::new(rows, limit, |row| row.username.clone()).map(UserView::from)))
}

/// An account to be made. `is_admin` and `role` are two ways to say the same.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateUser {
    username: String,
    password: String,
    is_admin: Option<bool>,
    role: Option<Role>,
    #[serde(default)]
    full_name: String,
    #[serde(default)]
    email: String,
}

/// Makes an account.
#[utoipa::path(post, path = "/api/users", operation_id = "create_user", tag = "users", request_body = CreateUser, security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "the same key and body are done once")),
    responses((status = 201, body = UserView), (status = 403, body = ProblemBody), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(super) async fn create_user(
    State(ctx): State<Ctx>,
    Admin(actor): Admin,
    repeat: Idempotency,
    Json(body): Json<CreateUser>,
) -> Result<Response> {
    let hash = crate::http::json_request_hash("create_user", &body);
    let new = NewAccount {
        role: role(body.is_admin, body.role)?.unwrap_or(Role::Member),
        username: body.username,
        password: Secret(body.password),
        full_name: body.full_name,
        email: body.email,
    };
    let (account, inner) = (actor.id, ctx.clone());
    let work = async move {
        let account = accounts::create(&inner, &actor, new).await?;
        let location = format!("/api/users/{}", account.username);
        Ok::<_, Problem>((StatusCode::CREATED, [(header::LOCATION, location)], Json(UserView::from(account))))
    };
    Ok(repeat.run(&ctx, account, &hash, work).await)
}

/// One user.
#[utoipa::path(get, path = "/api/users/{username}", operation_id = "show_user", tag = "users", security(("bearer" = [])),
    params(("username" = String, Path)),
    responses((status = 200, body = UserView), (status = 404, body = ProblemBody)))]
pub(super) async fn show_user(
    State(ctx): State<Ctx>,
    _: Admin,
    Path(username): Path<String>,
) -> Result<Json<UserView>> {
    Ok(Json(accounts::find_named(&ctx, &username).await?.into()))
}

/// What to change; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdateUser {
    is_admin: Option<bool>,
    role: Option<Role>,
    status: Option<Status>,
    full_name: Option<String>,
    email: Option<String>,
    password: Option<String>,
}

/// Changes a user: role, status (approve, suspend), profile, password.
#[utoipa::path(patch, path = "/api/users/{username}", operation_id = "update_user", tag = "users", request_body = UpdateUser, security(("bearer" = [])),
    params(("username" = String, Path)),
    responses((status = 200, body = UserView), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(super) async fn update_user(
    State(ctx): State<Ctx>,
    Admin(actor): Admin,
    Path(username): Path<String>,
    Json(body): Json<UpdateUser>,
) -> Result<Json<UserView>> {
    let change = UpdateAccount {
        role: role(body.is_admin, body.role)?,
        status: body.status,
        full_name: body.full_name,
        email: body.email,
        password: body.password.map(Secret),
    };
    Ok(Json(accounts::update(&ctx, &actor, &username, change).await?.into()))
}

/// Deletes a user; what it holds is taken back.
#[utoipa::path(delete, path = "/api/users/{username}", operation_id = "delete_user", tag = "users", security(("bearer" = [])),
    params(("username" = String, Path)),
    responses((status = 204), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub(super) async fn delete_user(
    State(ctx): State<Ctx>,
    Admin(actor): Admin,
    Path(username): Path<String>,
) -> Result<StatusCode> {
    accounts::delete(&ctx, &actor, &username).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A link that sets a new password once.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LinkView {
    /// The address to hand over.
    url: String,
    /// The secret in it, for `POST /api/password-reset`.
    token: String,
    /// Until when it works.
    expires_at: String,
}

/// Makes a one-time link for a user who forgot the password; earlier links stop working.
#[utoipa::path(post, path = "/api/users/{username}/reset", operation_id = "create_reset_link", tag = "users", security(("bearer" = [])),
    params(("username" = String, Path)),
    responses((status = 200, body = LinkView), (status = 404, body = ProblemBody)))]
pub(super) async fn create_reset_link(
    State(ctx): State<Ctx>,
    Admin(actor): Admin,
    Path(username): Path<String>,
) -> Result<Json<LinkView>> {
    let link = accounts::issue_link(&ctx, &actor, &username).await?;
    Ok(Json(LinkView { url: link.url, token: link.token, expires_at: rfc3339(link.expires_at) }))
}

fn role(is_admin: Option<bool>, role: Option<Role>) -> Result<Option<Role>> {
    match (is_admin, role) {
        (None, role) => Ok(role),
        (Some(true), None | Some(Role::Admin)) => Ok(Some(Role::Admin)),
        (Some(false), None) => Ok(Some(Role::Member)),
        (Some(false), Some(role)) if role != Role::Admin => Ok(Some(role)),
        (Some(_), Some(_)) => {
            Err(Problem::invalid("invalid-role", "/role", "`is_admin` and `role` contradict each other; give one"))
        }
    }
}
