//! Making, changing and deleting accounts.

use super::{
    Account, Actor, Error, Role, Status, Via,
    model::{Strictness, check_email, check_full_name, check_password, check_username},
    passwords,
    store::{self, ChosenBy},
};
use crate::{
    audit::{self, Entry},
    config::Registration,
    ctx::Ctx,
    db::{self, Tx},
    ids::{AccountId, SessionId},
    jobs,
};

/// An account to be made.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// Its name.
    pub username: String,
    /// Its password.
    pub password: crate::remote::Secret,
    /// What it may do.
    pub role: Role,
    /// The person's name; may be empty.
    pub full_name: String,
    /// The person's address; may be empty.
    pub email: String,
}

/// What to change of an account; `None` leaves it.
#[derive(Debug, Clone, Default)]
pub struct UpdateAccount {
    /// What it may do.
    pub role: Option<Role>,
    /// Whether it may sign in.
    pub status: Option<Status>,
    /// The person's name.
    pub full_name: Option<String>,
    /// The person's address.
    pub email: Option<String>,
    /// A new password; ends the account's other sessions.
    pub password: Option<crate::remote::Secret>,
}

/// The account of this name.
pub async fn find_named(ctx: &Ctx, username: &str) -> Result<Account, Error> {
    let found = store::account_named(&mut *ctx.db.read().await?, username).await?;
    found.ok_or_else(|| Error::NoSuchUser(username.chars().take(64).collect()))
}

/// Makes an account that may sign in at once.
pub async fn create(ctx: &Ctx, actor: &Actor, new: NewAccount) -> Result<Account, Error> {
    make(ctx, &actor.username, new, Status::Active, ChosenBy::Other).await
}

/// Makes an account for whoever asks, as far as the settings allow.
pub async fn register(ctx: &Ctx, new: NewAccount) -> Result<Account, Error> {
    let status = match ctx.config.registration {
        Registration::Open => Status::Active,
        Registration::Approval => Status::Pending,
        Registration::Closed => return Err(Error::RegistrationClosed),
    };
    let name = new.username.clone();
    make(ctx, &name, NewAccount { role: Role::Member, ..new }, status, ChosenBy::Person).await
}

async fn make(ctx: &Ctx, by: &str, new: NewAccount, status: Status, chosen_by: ChosenBy) -> Result<Account, Error> {
    check_username(&new.username)?;
    check_password(&new.password.0, &new.username, strictness(ctx))?;
    check_full_name(&new.full_name)?;
    check_email(&new.email)?;
    let hash = passwords::hash(&new.password.0).await?;
    let mut tx = ctx.db.begin_write().await?;
    let account = insert(&mut tx, by, new, status, (&hash, chosen_by)).await?;
    if status == Status::Pending {
        let now = tx.now;
        jobs::enqueue_named(&mut tx, super::ARRIVED, &account.id.to_string(), now).await?;
    }
    ctx.commit(tx).await?;
    Ok(account)
}

async fn insert(
    tx: &mut Tx,
    by: &str,
    new: NewAccount,
    status: Status,
    (hash, chosen_by): (&str, ChosenBy),
) -> Result<Account, Error> {
    if store::account_named(tx, &new.username).await?.is_some() {
        return Err(Error::Taken(new.username));
    }
    let account = Account {
        id: AccountId::new(),
        username: new.username,
        role: new.role,
        status,
        full_name: new.full_name,
        email: new.email,
        created_at: tx.now,
        last_login_at: None,
    };
    match store::insert_account(tx, &account, Some(hash), chosen_by).await {
        Ok(()) => {}
        Err(error) if db::is_taken(&error) => return Err(Error::Taken(account.username)),
        Err(error) => return Err(error.into()),
    }
    let detail = format!("role {}, {}", account.role, account.status);
    let entry = Entry { actor: by, action: "user.create", target: &account.username, detail: &detail };
    audit::record(tx, &entry).await?;
    Ok(account)
}

/// Changes an account. Who loses the right to be in is out at once.
pub async fn update(ctx: &Ctx, actor: &Actor, username: &str, change: UpdateAccount) -> Result<Account, Error> {
    let id = find_named(ctx, username).await?.id;
    if let Some(name) = &change.full_name {
        check_full_name(name)?;
    }
    if let Some(email) = &change.email {
        check_email(email)?;
    }
    let hash = match &change.password {
        Some(password) => {
            check_password(&password.0, username, strictness(ctx))?;
            Some(passwords::hash(&password.0).await?)
        }
        None => None,
    };
    let mut tx = ctx.db.begin_write().await?;
    let admins = store::lock_admins(&mut tx).await?;
    let before = store::lock_account(&mut tx, id).await?.ok_or_else(|| Error::NoSuchUser(username.to_owned()))?;
    let after = Account {
        role: change.role.unwrap_or(before.role),
        status: change.status.unwrap_or(before.status),
        full_name: change.full_name.unwrap_or_else(|| before.full_name.clone()),
        email: change.email.unwrap_or_else(|| before.email.clone()),
        ..before.clone()
    };
    if admins == [id] && (after.role != Role::Admin || after.status != Status::Active) {
        return Err(Error::LastAdmin(before.username));
    }
    store::update_account(&mut tx, &after).await?;
    let own = own_session(actor, id);
    if let Some(hash) = &hash {
        let by = if actor.id == id { ChosenBy::Person } else { ChosenBy::Other };
        store::set_password(&mut tx, id, hash, by).await?;
        store::revoke_sessions(&mut tx, id, own).await?;
        store::spend_links(&mut tx, id).await?;
    }
    if after.status != Status::Active {
        store::revoke_sessions(&mut tx, id, None).await?;
    }
    let detail = differences(&before, &after, hash.is_some());
    let entry = Entry { actor: &actor.username, action: "user.update", target: &before.username, detail: &detail };
    audit::record(&mut tx, &entry).await?;
    ctx.commit(tx).await?;
    Ok(after)
}

/// Changes one's own password; the other sessions end.
pub(super) async fn change_password(ctx: &Ctx, actor: &Actor, current: &str, new: &str) -> Result<(), Error> {
    let Via::Session(session) = actor.via else { return Err(Error::NeedsSession) };
    check_password(new, &actor.username, strictness(ctx))?;
    let found = store::credentials(&mut *ctx.db.read().await?, &actor.username).await?;
    let hash = found.and_then(|(_, hash)| hash);
    if !passwords::verify(current, hash).await? {
        let detail = "the current password is wrong".into();
        return Err(Error::Invalid { slug: "wrong-password", pointer: "/password/current", detail });
    }
    let hash = passwords::hash(new).await?;
    let mut tx = ctx.db.begin_write().await?;
    store::set_password(&mut tx, actor.id, &hash, ChosenBy::Person).await?;
    store::revoke_sessions(&mut tx, actor.id, Some(session)).await?;
    store::spend_links(&mut tx, actor.id).await?;
    let entry = Entry { actor: &actor.username, action: "user.password", target: &actor.username, detail: "" };
    audit::record(&mut tx, &entry).await?;
    ctx.commit(tx).await?;
    Ok(())
}

/// Whether the account's password was chosen by somebody else, and should be changed.
pub(super) async fn must_change_password(ctx: &Ctx, actor: &Actor) -> Result<bool, Error> {
    Ok(store::has_given_password(&mut *ctx.db.read().await?, actor.id).await?)
}

/// Deletes an account: nothing proves to be it any more, and its name is free. Its leases are ended by the expiry.
pub async fn delete(ctx: &Ctx, actor: &Actor, username: &str) -> Result<(), Error> {
    let id = find_named(ctx, username).await?.id;
    let mut tx = ctx.db.begin_write().await?;
    let admins = store::lock_admins(&mut tx).await?;
    let account = store::lock_account(&mut tx, id).await?.ok_or_else(|| Error::NoSuchUser(username.to_owned()))?;
    if admins == [id] {
        return Err(Error::LastAdmin(account.username));
    }
    store::revoke_sessions(&mut tx, id, None).await?;
    store::revoke_tokens(&mut tx, id).await?;
    store::spend_links(&mut tx, id).await?;
    store::delete_keys(&mut tx, id).await?;
    store::mark_deleted(&mut tx, id, &former_name(&account)).await?;
    let entry = Entry { actor: &actor.username, action: "user.delete", target: &account.username, detail: "" };
    audit::record(&mut tx, &entry).await?;
    ctx.commit(tx).await?;
    Ok(())
}

/// Makes the first admin, when there is none. Says whether it did.
pub async fn seed_admin(ctx: &Ctx) -> Result<bool, Error> {
    if store::any_admin(&mut *ctx.db.read().await?).await? {
        return Ok(false);
    }
    let auth = &ctx.config.auth;
    check_username(&auth.admin_username)?;
    let hash = passwords::hash(&auth.admin_password.0).await?;
    let mut tx = ctx.db.begin_write().await?;
    if store::any_admin(&mut tx).await? {
        return Ok(false);
    }
    let new = NewAccount {
        username: auth.admin_username.clone(),
        password: auth.admin_password.clone(),
        role: Role::Admin,
        full_name: String::new(),
        email: String::new(),
    };
    match insert(&mut tx, "berth", new, Status::Active, (&hash, ChosenBy::Person)).await {
        Ok(_) => {}
        // Another server started at the same moment and was faster.
        Err(Error::Taken(_)) => return Ok(false),
        Err(error) => return Err(error),
    }
    ctx.commit(tx).await?;
    Ok(true)
}

pub(super) fn strictness(ctx: &Ctx) -> Strictness {
    if ctx.config.is_production() { Strictness::Production } else { Strictness::Development }
}

fn own_session(actor: &Actor, id: AccountId) -> Option<SessionId> {
    match actor.via {
        Via::Session(session) if actor.id == id => Some(session),
        Via::Session(_) | Via::Token => None,
    }
}

/// No username has a `~`, so the former name collides with nobody's.
fn former_name(account: &Account) -> String {
    let id = account.id.0.simple().to_string();
    format!("{}~{}", account.username, &id[id.len() - 8..])
}

fn differences(before: &Account, after: &Account, has_password: bool) -> String {
    let mut out = Vec::new();
    if before.role != after.role {
        out.push(format!("role {} to {}", before.role, after.role));
    }
    if before.status != after.status {
        out.push(format!("status {} to {}", before.status, after.status));
    }
    if before.full_name != after.full_name {
        out.push("full name".to_owned());
    }
    if before.email != after.email {
        out.push("e-mail".to_owned());
    }
    if has_password {
        out.push("password".to_owned());
    }
    out.join(", ")
}
