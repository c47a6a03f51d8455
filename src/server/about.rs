//! What a page must know before anybody signed in.

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    config::{Environment, Registration},
    ctx::Ctx,
    http::Json,
};

/// The routes.
pub(super) fn routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new().routes(routes!(show_about))
}

/// This installation.
#[derive(Debug, Serialize, ToSchema)]
pub struct AboutView {
    /// `Berth`.
    name: &'static str,
    /// Its version.
    version: &'static str,
    /// How strict it is with its own settings.
    environment: EnvironmentWord,
    /// Who may make an account.
    registration: RegistrationWord,
}

/// How strict Berth is with its own settings.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum EnvironmentWord {
    /// Defaults may be weak.
    Development,
    /// Weak secrets are refused.
    Production,
}

/// Who may make an account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum RegistrationWord {
    /// Anybody, at once.
    Open,
    /// Anybody, once an admin confirms.
    Approval,
    /// Admins only.
    Closed,
}

/// This installation: what a page must know before anybody signed in.
#[utoipa::path(get, path = "/api/about", tag = "session", responses((status = 200, body = AboutView)), security(()))]
async fn show_about(State(ctx): State<Ctx>) -> Json<AboutView> {
    let environment = match ctx.config.env {
        Environment::Development => EnvironmentWord::Development,
        Environment::Production => EnvironmentWord::Production,
    };
    let registration = match ctx.config.registration {
        Registration::Open => RegistrationWord::Open,
        Registration::Approval => RegistrationWord::Approval,
        Registration::Closed => RegistrationWord::Closed,
    };
    Json(AboutView { name: "Berth", version: env!("CARGO_PKG_VERSION"), environment, registration })
}
