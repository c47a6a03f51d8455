//! The SSH keys of a profile.

use uuid::Uuid;

use super::{
    Actor, Error, PublicKey,
    model::check_label,
    store::{self, KeyRow},
};
use crate::{
    audit::{self, Entry},
    ctx::Ctx,
    db,
};

const MOST: i64 = 20;

/// Adds a public key. Without a name, its comment names it.
pub async fn add_key(ctx: &Ctx, actor: &Actor, name: &str, text: &str) -> Result<String, Error> {
    let key = PublicKey::parse(text).map_err(|fault| Error::Invalid {
        slug: "invalid-ssh-key",
        pointer: "/public_key",
        detail: fault.to_string(),
    })?;
    let name = match (name.trim(), key.comment()) {
        ("", "") => "key",
        ("", comment) => comment,
        (name, _) => name,
    };
    check_label(name)?;
    let mut tx = ctx.db.begin_write().await?;
    store::lock_account(&mut tx, actor.id).await?.ok_or(Error::BadToken)?;
    let held = store::list_keys(&mut tx, actor.id).await?;
    if held.iter().any(|row| row.fingerprint == key.fingerprint()) {
        return Err(Error::KeyKnown);
    }
    if MOST <= i64::try_from(held.len()).unwrap_or(i64::MAX) {
        return Err(Error::TooMany(MOST));
    }
    let row = KeyRow {
        id: Uuid::now_v7().to_string(),
        name: name.to_owned(),
        public_key: key.text().to_owned(),
        fingerprint: key.fingerprint().to_owned(),
        created_at: tx.now,
    };
    match store::insert_key(&mut tx, actor.id, &row).await {
        Ok(()) => {}
        Err(error) if db::is_taken(&error) => return Err(Error::KeyKnown),
        Err(error) => return Err(error.into()),
    }
    let entry = Entry { actor: &actor.username, action: "ssh-key.add", target: &row.fingerprint, detail: &row.name };
    audit::record(&mut tx, &entry).await?;
    ctx.commit(tx).await?;
    Ok(row.id)
}

/// Removes a public key from the profile. Machines held now keep it until they are given back.
pub async fn remove_key(ctx: &Ctx, actor: &Actor, id: &str) -> Result<(), Error> {
    let mut tx = ctx.db.begin_write().await?;
    if !store::delete_key(&mut tx, actor.id, id).await? {
        return Err(Error::NotFound);
    }
    let entry = Entry { actor: &actor.username, action: "ssh-key.remove", target: id, detail: "" };
    audit::record(&mut tx, &entry).await?;
    ctx.commit(tx).await?;
    Ok(())
}
