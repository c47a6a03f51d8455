//! `/api/pools`: what may be booked where.

use std::collections::BTreeSet;

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    accounts::Actor,
    ctx::Ctx,
    http::{Json, List, Problem},
    machines, provisioning,
    reservations::rules,
};

pub(super) fn routes() -> OpenApiRouter<Ctx> {
    OpenApiRouter::new().routes(routes!(list_pools))
}

/// A set of machines with its rules.
#[derive(Debug, Serialize, ToSchema)]
pub struct PoolView {
    /// Its name.
    name: String,
    /// Most machines in one reservation.
    max_count: u32,
    /// Longest reservation, extensions included.
    max_minutes: u32,
    /// Roles that may book here; empty: all.
    roles: Vec<String>,
    /// Whether the one asking may book here.
    may_book: bool,
    /// Why not.
    why_not: Option<String>,
    /// Makes accounts on its machines.
    create_playbook: String,
    /// Takes them back.
    remove_playbook: String,
    /// How many machines it has.
    machines: i64,
    /// How many of them can be booked now.
    ready: i64,
}

/// The pools: the default one, then those of the settings, then those that only machines name.
#[utoipa::path(get, path = "/api/pools", tag = "machines", responses((status = 200, body = List<PoolView>)))]
async fn list_pools(State(ctx): State<Ctx>, actor: Actor) -> Result<Json<List<PoolView>>, Problem> {
    let counts = machines::count_by_pool(&mut *ctx.db.read().await?).await?;
    let default = &ctx.config.reservations.default_pool;
    let mut seen = BTreeSet::new();
    let names = std::iter::once(default).chain(ctx.config.pools.keys()).chain(counts.keys());
    let items = names.filter(|name| seen.insert(name.as_str())).map(|name| {
        let (machines, ready) = counts.get(name).copied().unwrap_or_default();
        let refused = rules::check_role(&ctx, &actor, name).err();
        PoolView {
            name: name.clone(),
            max_count: rules::most_machines(&ctx, name),
            max_minutes: rules::most_minutes(&ctx, name),
            roles: ctx.config.pools.get(name).map(|pool| pool.roles.clone()).unwrap_or_default(),
            may_book: refused.is_none(),
            why_not: refused.map(|error| error.to_string()),
            create_playbook: provisioning::create_playbook(&ctx, name).display().to_string(),
            remove_playbook: provisioning::remove_playbook(&ctx, name).display().to_string(),
            machines,
            ready,
        }
    });
    Ok(Json(List::whole(items.collect())))
}
