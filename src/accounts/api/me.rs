//! One's own account: profile, SSH keys, access tokens, sessions.

use std::sync::Arc;

use axum::{
    Extension,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    super::{people, store},
    session,
    users::UserView,
};
use crate::{
    accounts::{
        self, Actor, Error, Role, Status, UpdateAccount, Via,
        guard::{Guard, Place},
    },
    clock::rfc3339,
    ctx::Ctx,
    http::{ClientAddr, Idempotency, Json, List, Problem, ProblemBody, Result, json_request_hash},
};

/// Who is asking.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WhoamiView {
    username: String,
    role: Role,
    status: Status,
    /// Whether somebody else chose the password. Nothing is refused for it; the person is asked to choose another.
    must_change_password: bool,
    /// `session` or `token`.
    via: &'static str,
}

/// Who is asking.
#[utoipa::path(get, path = "/api/whoami", operation_id = "show_whoami", tag = "me", security(("bearer" = [])),
    responses((status = 200, body = WhoamiView), (status = 401, body = ProblemBody)))]
pub(super) async fn show_whoami(State(ctx): State<Ctx>, actor: Actor) -> Result<Json<WhoamiView>> {
    let via = match actor.via {
        Via::Session(_) => "session",
        Via::Token => "token",
    };
    // Only active accounts get here.
    let status = Status::Active;
    let must_change_password = people::must_change_password(&ctx, &actor).await?;
    Ok(Json(WhoamiView { username: actor.username, role: actor.role, status, must_change_password, via }))
}

/// One's own account.
#[utoipa::path(get, path = "/api/me", operation_id = "show_me", tag = "me", security(("bearer" = [])),
    responses((status = 200, body = UserView), (status = 401, body = ProblemBody)))]
pub(super) async fn show_me(State(ctx): State<Ctx>, actor: Actor) -> Result<Json<UserView>> {
    Ok(Json(accounts::find_named(&ctx, &actor.username).await?.into()))
}

/// What to change of one's own account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdateMe {
    full_name: Option<String>,
    email: Option<String>,
    password: Option<ChangePassword>,
}

/// The password at hand, and the new one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangePassword {
    current: String,
    new: String,
}

/// Changes one's own profile or password. A new password ends one's other sessions.
#[utoipa::path(patch, path = "/api/me", operation_id = "update_me", tag = "me", request_body = UpdateMe, security(("bearer" = [])),
    responses((status = 200, body = UserView), (status = 403, body = ProblemBody), (status = 422, body = ProblemBody), (status = 429, body = ProblemBody)))]
pub(super) async fn update_me(
    State(ctx): State<Ctx>,
    actor: Actor,
    Extension(guard): Extension<Arc<Guard>>,
    ClientAddr(address): ClientAddr,
    Json(body): Json<UpdateMe>,
) -> Result<Json<UserView>> {
    if let Some(password) = body.password {
        // Whoever found a screen open must not guess the password at it.
        let place = match actor.via {
            Via::Session(id) => Place::Device(id),
            Via::Token => Place::Network(address),
        };
        let attempt = guard.enter(place, &actor.username, false, ctx.clock.now()).map_err(session::slow_down)?;
        let outcome = people::change_password(&ctx, &actor, &password.current, &password.new).await;
        session::judge(&guard, &attempt, &outcome);
        outcome?;
    }
    if body.full_name.is_none() && body.email.is_none() {
        return show_me(State(ctx), actor).await;
    }
    let change = UpdateAccount { full_name: body.full_name, email: body.email, ..UpdateAccount::default() };
    Ok(Json(accounts::update(&ctx, &actor, &actor.username, change).await?.into()))
}

/// An SSH public key of a profile.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SshKeyView {
    id: String,
    name: String,
    public_key: String,
    /// As `ssh-keygen -l` shows it.
    fingerprint: String,
    created_at: String,
}

impl From<store::KeyRow> for SshKeyView {
    fn from(row: store::KeyRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            public_key: row.public_key,
            fingerprint: row.fingerprint,
            created_at: rfc3339(row.created_at),
        }
    }
}

/// One's SSH keys.
#[utoipa::path(get, path = "/api/me/ssh-keys", operation_id = "list_ssh_keys", tag = "me", security(("bearer" = [])),
    responses((status = 200, body = List<SshKeyView>)))]
pub(super) async fn list_keys(State(ctx): State<Ctx>, actor: Actor) -> Result<Json<List<SshKeyView>>> {
    let rows = store::list_keys(&mut *ctx.db.read().await?, actor.id).await?;
    Ok(Json(List::whole(rows).map(SshKeyView::from)))
}

/// A public key to add; without a name its comment names it.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateSshKey {
    #[serde(default)]
    name: String,
    public_key: String,
}

/// Adds an SSH key to one's profile.
#[utoipa::path(post, path = "/api/me/ssh-keys", operation_id = "create_ssh_key", tag = "me", request_body = CreateSshKey, security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "the same key and body are done once")),
    responses((status = 201, body = SshKeyView), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(super) async fn create_key(
    State(ctx): State<Ctx>,
    actor: Actor,
    repeat: Idempotency,
    Json(body): Json<CreateSshKey>,
) -> Response {
    let hash = json_request_hash("create_ssh_key", &body);
    let (account, inner) = (actor.id, ctx.clone());
    let work = async move {
        let id = accounts::add_key(&inner, &actor, &body.name, &body.public_key).await?;
        let rows = store::list_keys(&mut *inner.db.read().await?, actor.id).await?;
        let row = rows.into_iter().find(|row| row.id == id).ok_or(Error::NotFound)?;
        Ok::<_, Problem>((StatusCode::CREATED, Json(SshKeyView::from(row))))
    };
    repeat.run(&ctx, account, &hash, work).await
}

/// Removes an SSH key from one's profile.
#[utoipa::path(delete, path = "/api/me/ssh-keys/{id}", operation_id = "delete_ssh_key", tag = "me", security(("bearer" = [])),
    params(("id" = String, Path)), responses((status = 204), (status = 404, body = ProblemBody)))]
pub(super) async fn delete_key(State(ctx): State<Ctx>, actor: Actor, Path(id): Path<String>) -> Result<StatusCode> {
    accounts::remove_key(&ctx, &actor, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// An access token. Its text is in the answer that made it and nowhere else.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AccessTokenView {
    id: String,
    name: String,
    created_at: String,
    /// Null when it does not expire.
    expires_at: Option<String>,
    /// To the minute.
    last_used_at: Option<String>,
    /// Only in the answer that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

impl From<store::TokenRow> for AccessTokenView {
    fn from(row: store::TokenRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            created_at: rfc3339(row.created_at),
            expires_at: row.expires_at.map(rfc3339),
            last_used_at: row.last_used_at.map(rfc3339),
            token: None,
        }
    }
}

/// One's access tokens.
#[utoipa::path(get, path = "/api/me/tokens", operation_id = "list_tokens", tag = "me", security(("bearer" = [])),
    responses((status = 200, body = List<AccessTokenView>)))]
pub(super) async fn list_tokens(State(ctx): State<Ctx>, actor: Actor) -> Result<Json<List<AccessTokenView>>> {
    let rows = store::list_tokens(&mut *ctx.db.read().await?, actor.id, ctx.clock.now()).await?;
    Ok(Json(List::whole(rows).map(AccessTokenView::from)))
}

/// An access token to make.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateToken {
    name: String,
    /// Left out: it does not expire.
    expires_in_days: Option<u32>,
}

/// Makes an access token, for scripts.
#[utoipa::path(post, path = "/api/me/tokens", operation_id = "create_token", tag = "me", request_body = CreateToken, security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "the same key and body are done once")),
    responses((status = 201, body = AccessTokenView), (status = 403, body = ProblemBody), (status = 422, body = ProblemBody)))]
pub(super) async fn create_token(
    State(ctx): State<Ctx>,
    actor: Actor,
    repeat: Idempotency,
    Json(body): Json<CreateToken>,
) -> Response {
    let hash = json_request_hash("create_token", &body);
    let (account, inner) = (actor.id, ctx.clone());
    let work = async move {
        let made = accounts::add_token(&inner, &actor, &body.name, body.expires_in_days).await?;
        let rows = store::list_tokens(&mut *inner.db.read().await?, actor.id, inner.clock.now()).await?;
        let row = rows.into_iter().find(|row| row.id == made.id).ok_or(Error::NotFound)?;
        let view = AccessTokenView { token: Some(made.token.0), ..AccessTokenView::from(row) };
        Ok::<_, Problem>((StatusCode::CREATED, Json(view)))
    };
    repeat.run(&ctx, account, &hash, work).await
}

/// Ends an access token.
#[utoipa::path(delete, path = "/api/me/tokens/{id}", operation_id = "delete_token", tag = "me", security(("bearer" = [])),
    params(("id" = String, Path)), responses((status = 204), (status = 404, body = ProblemBody)))]
pub(super) async fn delete_token(State(ctx): State<Ctx>, actor: Actor, Path(id): Path<String>) -> Result<StatusCode> {
    accounts::remove_token(&ctx, &actor, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A session: one place where somebody signed in.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionView {
    id: String,
    created_at: String,
    last_used_at: String,
    expires_at: String,
    user_agent: String,
    /// The address it came from.
    peer: String,
    /// Whether it is the one asking.
    current: bool,
}

/// One's sessions, newest first.
#[utoipa::path(get, path = "/api/me/sessions", operation_id = "list_sessions", tag = "me", security(("bearer" = [])),
    responses((status = 200, body = List<SessionView>)))]
pub(super) async fn list_sessions(State(ctx): State<Ctx>, actor: Actor) -> Result<Json<List<SessionView>>> {
    let own = match actor.via {
        Via::Session(id) => id.to_string(),
        Via::Token => String::new(),
    };
    let rows = store::list_sessions(&mut *ctx.db.read().await?, actor.id, ctx.clock.now()).await?;
    let list = List::whole(rows).map(|row| SessionView {
        current: row.id == own,
        id: row.id,
        created_at: rfc3339(row.created_at),
        last_used_at: rfc3339(row.last_used_at),
        expires_at: rfc3339(row.expires_at),
        user_agent: row.user_agent,
        peer: row.peer,
    });
    Ok(Json(list))
}

/// Ends one of one's sessions.
#[utoipa::path(delete, path = "/api/me/sessions/{id}", operation_id = "delete_session", tag = "me", security(("bearer" = [])),
    params(("id" = String, Path)), responses((status = 204), (status = 404, body = ProblemBody)))]
pub(super) async fn delete_session(State(ctx): State<Ctx>, actor: Actor, Path(id): Path<String>) -> Result<StatusCode> {
    let id = id.parse().map_err(|_| Error::NotFound)?;
    accounts::end_session(&ctx, actor.id, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends all of one's sessions, this one too. Access tokens go on; `/api/me/tokens` ends those.
#[utoipa::path(delete, path = "/api/me/sessions", operation_id = "delete_sessions", tag = "me", security(("bearer" = [])),
    responses((status = 204), (status = 401, body = ProblemBody)))]
pub(super) async fn delete_sessions(State(ctx): State<Ctx>, actor: Actor) -> Result<Response> {
    accounts::end_all_sessions(&ctx, &actor).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    session::forget_cookie(&ctx, &mut response);
    Ok(response)
}
