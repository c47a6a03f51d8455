//! What may be booked: a request is checked against the pool's rules before anything is locked.

use super::{
    Error, Request,
    model::{Labels, Minutes, password_fault, random_password},
};
use crate::{
    accounts::{self, Actor},
    clock::Millis,
    ctx::Ctx,
    playbook,
    remote::Secret,
};

/// A request that keeps the rules.
#[derive(Debug)]
pub(super) struct Plan {
    pub count: usize,
    pub duration: Minutes,
    pub labels: Labels,
    pub pool: String,
    pub starts_at: Option<Millis>,
    pub wait: bool,
    pub ssh_keys: Vec<String>,
    pub password_hash: Option<Secret>,
    pub made_password: Option<String>,
}

impl Plan {
    /// Where was looked, for a refusal.
    pub fn scope(&self) -> String {
        let labels: Vec<String> = self.labels.iter().map(|(key, value)| format!("`{key}={value}`")).collect();
        match labels.as_slice() {
            [] => format!(" in the pool `{}`", self.pool),
            labels => format!(" in the pool `{}` with {}", self.pool, labels.join(" and ")),
        }
    }
}

fn invalid(field: &'static str, detail: impl Into<String>) -> Error {
    Error::Invalid { field, detail: detail.into() }
}

/// The longest a reservation of the pool may be, in minutes.
pub(super) fn most_minutes(ctx: &Ctx, pool: &str) -> u32 {
    ctx.config.pools.get(pool).and_then(|pool| pool.max_minutes).unwrap_or(ctx.config.reservations.max_minutes)
}

/// The most machines that one reservation of the pool may have.
pub(super) fn most_machines(ctx: &Ctx, pool: &str) -> u32 {
    ctx.config.pools.get(pool).and_then(|pool| pool.max_count).unwrap_or(ctx.config.reservations.max_count)
}

/// Whether somebody of this role may book in the pool.
pub(super) fn check_role(ctx: &Ctx, actor: &Actor, pool: &str) -> Result<(), Error> {
    let Some(rules) = ctx.config.pools.get(pool) else { return Ok(()) };
    if rules.roles.is_empty() || rules.roles.iter().any(|role| role == actor.role.word()) {
        return Ok(());
    }
    Err(Error::NotYours(pool.to_owned()))
}

/// Checks a request and makes what it needs: keys of the profile, a password's hash.
pub(super) async fn check(ctx: &Ctx, actor: &Actor, request: Request) -> Result<Plan, Error> {
    let pool = request.pool.clone().unwrap_or_else(|| ctx.config.reservations.default_pool.clone());
    check_role(ctx, actor, &pool)?;
    let most = most_machines(ctx, &pool);
    let count = match usize::try_from(request.count) {
        Ok(count) if 0 < count && count <= most as usize => count,
        _ => {
            return Err(invalid("count", format!("`{}` is no number of machines; ask for 1 to {most}", request.count)));
        }
    };
    let longest = most_minutes(ctx, &pool);
    if longest < request.duration.get() {
        return Err(invalid(
            "duration",
            format!("{} is too long; the pool `{pool}` allows {longest} minutes", request.duration),
        ));
    }
    if 32 < request.labels.len() {
        return Err(invalid("labels", "more than 32 labels"));
    }
    if let Some(starts_at) = request.starts_at {
        let now = {
            let mut conn = ctx.db.read().await?;
            ctx.db.now(&mut conn).await?
        };
        if starts_at < now.saturating_sub(60_000) {
            return Err(invalid("starts_at", "it lies in the past; leave it out to begin at once"));
        }
        if now.saturating_add(366 * 86_400_000) < starts_at {
            return Err(invalid("starts_at", "it lies more than a year ahead"));
        }
    }
    let mut ssh_keys = {
        let mut conn = ctx.db.read().await?;
        accounts::ssh_keys_of(&mut conn, actor.id).await?
    };
    if let Some(key) = &request.ssh_public_key {
        let key = accounts::PublicKey::parse(key).map_err(|error| invalid("ssh_public_key", error.to_string()))?;
        let key = key.text().to_owned();
        if !ssh_keys.contains(&key) {
            ssh_keys.push(key);
        }
    }
    if let Some(fault) = request.password.as_deref().and_then(password_fault) {
        return Err(invalid("reservation_password", format!("the password will not do: {fault}")));
    }
    let made_password = (request.password.is_none() && ssh_keys.is_empty()).then(random_password);
    let password_hash = match request.password.as_ref().or(made_password.as_ref()) {
        Some(password) => Some(hash(password.clone()).await?),
        None => None,
    };
    Ok(Plan {
        count,
        duration: request.duration,
        labels: request.labels,
        pool,
        starts_at: request.starts_at,
        wait: request.wait,
        ssh_keys,
        password_hash,
        made_password,
    })
}

/// A SHA-512 crypt hash (`$6$…`) with a random salt, as `shadow(5)` takes it. Slow on purpose, so off the reactor.
async fn hash(password: String) -> Result<Secret, Error> {
    let hashed = tokio::task::spawn_blocking(move || playbook::sha512_crypt_hash(&password)).await;
    match hashed {
        Ok(Ok(hash)) => Ok(Secret(hash)),
        Ok(Err(why)) => Err(invalid("reservation_password", why)),
        Err(_) => Err(invalid("reservation_password", "the password cannot be hashed")),
    }
}
