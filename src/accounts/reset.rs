//! One-time links: how somebody who forgot the password gets back in. An admin makes one and hands it over.

use uuid::Uuid;

use super::{
    Actor, Error, find_named,
    model::{check_password, digest, random_secret},
    passwords,
    people::strictness,
    store,
};
use crate::{
    audit::{self, Entry},
    clock::Millis,
    ctx::Ctx,
};

const LIFE: Millis = 86_400_000;

/// A link that works once.
#[derive(Debug)]
pub struct Link {
    /// The secret in it.
    pub token: String,
    /// The address to hand over. The secret is in its fragment, which no server ever sees.
    pub url: String,
    /// Until when it works.
    pub expires_at: Millis,
}

/// Makes a link for this user; earlier ones stop working.
pub async fn issue_link(ctx: &Ctx, actor: &Actor, username: &str) -> Result<Link, Error> {
    let account = find_named(ctx, username).await?;
    let token = random_secret();
    let mut tx = ctx.db.begin_write().await?;
    let account =
        store::lock_account(&mut tx, account.id).await?.ok_or_else(|| Error::NoSuchUser(username.to_owned()))?;
    store::spend_links(&mut tx, account.id).await?;
    let expires_at = tx.now.saturating_add(LIFE);
    let id = Uuid::now_v7().to_string();
    store::insert_link(&mut tx, &id, account.id, &digest(&token), expires_at).await?;
    let entry = Entry { actor: &actor.username, action: "user.reset", target: &account.username, detail: "" };
    audit::record(&mut tx, &entry).await?;
    ctx.commit(tx).await?;
    let url = format!("{}/password#token={token}", ctx.config.public_url);
    Ok(Link { token, url, expires_at })
}

/// Sets a new password by a link. All sessions and access tokens of the account end.
pub async fn use_link(ctx: &Ctx, token: &str, password: &str) -> Result<(), Error> {
    let owner = {
        // Looked at before the password is hashed, which costs more than asking.
        let mut tx = ctx.db.begin_write().await?;
        let id = store::lock_link(&mut tx, &digest(token)).await?.ok_or(Error::BadLink)?;
        store::lock_account(&mut tx, id).await?.ok_or(Error::BadLink)?
    };
    check_password(password, &owner.username, strictness(ctx))?;
    let hash = passwords::hash(password).await?;
    let mut tx = ctx.db.begin_write().await?;
    let id = store::lock_link(&mut tx, &digest(token)).await?.ok_or(Error::BadLink)?;
    let account = store::lock_account(&mut tx, id).await?.ok_or(Error::BadLink)?;
    store::spend_links(&mut tx, id).await?;
    store::set_password(&mut tx, id, &hash, store::ChosenBy::Person).await?;
    store::revoke_sessions(&mut tx, id, None).await?;
    store::revoke_tokens(&mut tx, id).await?;
    let detail = "by one-time link";
    let entry = Entry { actor: &account.username, action: "user.password", target: &account.username, detail };
    audit::record(&mut tx, &entry).await?;
    ctx.commit(tx).await?;
    Ok(())
}
