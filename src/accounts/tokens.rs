//! Access tokens made beforehand, for scripts. Shown once; only their SHA-256 is kept.

use uuid::Uuid;

use super::{
    Actor, Error, Via,
    model::{check_label, digest, random_secret},
    sign_in::may_sign_in,
    store::{self, TokenRow},
};
use crate::{
    audit::{self, Entry},
    clock::Millis,
    ctx::Ctx,
};

/// How every access token begins, so that leaked ones are found by scanners.
pub(super) const PREFIX: &str = "berth_pat_";

const MOST: i64 = 50;
const DAY: Millis = 86_400_000;
/// A token's last use is noted this often and not at every request.
const TOUCH_EVERY: Millis = 60_000;

/// An access token just made.
#[derive(Debug)]
pub struct NewToken {
    /// Its id.
    pub id: String,
    /// The token itself; never to be had again.
    pub token: crate::remote::Secret,
}

/// Makes an access token, which may do what its owner may, but not make further ones.
pub async fn add_token(ctx: &Ctx, actor: &Actor, name: &str, days: Option<u32>) -> Result<NewToken, Error> {
    if actor.via == Via::Token {
        return Err(Error::NeedsSession);
    }
    check_label(name)?;
    if days.is_some_and(|days| !(1..=3650).contains(&days)) {
        let detail = "give 1 to 3650 days, or leave it out for a token that does not expire".into();
        return Err(Error::Invalid { slug: "invalid-expiry", pointer: "/expires_in_days", detail });
    }
    let token = format!("{PREFIX}{}", random_secret());
    let mut tx = ctx.db.begin_write().await?;
    store::lock_account(&mut tx, actor.id).await?.ok_or(Error::BadToken)?;
    let now = tx.now;
    let held = store::list_tokens(&mut tx, actor.id, now).await?.len();
    if MOST <= i64::try_from(held).unwrap_or(i64::MAX) {
        return Err(Error::TooMany(MOST));
    }
    let row = TokenRow {
        id: Uuid::now_v7().to_string(),
        name: name.trim().to_owned(),
        created_at: now,
        expires_at: days.map(|days| now.saturating_add(i64::from(days) * DAY)),
        last_used_at: None,
    };
    store::insert_token(&mut tx, actor.id, &row, &digest(&token)).await?;
    let entry = Entry { actor: &actor.username, action: "token.add", target: &row.id, detail: &row.name };
    audit::record(&mut tx, &entry).await?;
    ctx.commit(tx).await?;
    Ok(NewToken { id: row.id, token: crate::remote::Secret(token) })
}

/// Ends an access token.
pub async fn remove_token(ctx: &Ctx, actor: &Actor, id: &str) -> Result<(), Error> {
    let mut tx = ctx.db.begin_write().await?;
    if !store::revoke_token(&mut tx, actor.id, id).await? {
        return Err(Error::NotFound);
    }
    let entry = Entry { actor: &actor.username, action: "token.remove", target: id, detail: "" };
    audit::record(&mut tx, &entry).await?;
    ctx.commit(tx).await?;
    Ok(())
}

pub(super) async fn owner(ctx: &Ctx, token: &str) -> Result<Actor, Error> {
    let now = ctx.clock.now();
    let found = store::token_owner(&mut *ctx.db.read().await?, &digest(token), now).await?.ok_or(Error::BadToken)?;
    may_sign_in(found.status)?;
    if found.last_used_at.is_none_or(|at| TOUCH_EVERY <= now - at) {
        // A request is not refused because a date could not be noted.
        if let Err(error) = touch(ctx, &found.token).await {
            tracing::warn!(%error, "the last use of an access token could not be noted");
        }
    }
    Ok(Actor { id: found.account, username: found.username, role: found.role, via: Via::Token })
}

async fn touch(ctx: &Ctx, id: &str) -> sqlx::Result<()> {
    let mut tx = ctx.db.begin_write().await?;
    store::touch_token(&mut tx, id).await?;
    tx.commit().await
}
