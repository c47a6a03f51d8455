//! Signing in and staying so: login, refresh, the end of a session, and who a token belongs to.

use std::net::IpAddr;

use super::{
    Account, Actor, Error, Status, Via, jwt,
    model::{LONGEST_PASSWORD, digest, random_secret},
    passwords,
    store::{self, NewSession},
    tokens,
};
use crate::{
    audit::{self, Entry},
    clock::{Millis, millis},
    ctx::Ctx,
    http,
    ids::{AccountId, SessionId},
};

/// Two tabs may refresh at once: the loser gets an access token too, but not another refresh token.
const GRACE: Millis = 10_000;

/// What a person holds after signing in.
#[derive(Debug)]
pub struct SignedIn {
    /// Proves who asks, for a while.
    pub access_token: String,
    /// How long, in seconds.
    pub expires_in: u64,
    /// Gets the next one; `None` when the one at hand stays good.
    pub refresh_token: Option<String>,
    /// The account's name.
    pub username: String,
    /// What it may do.
    pub role: super::Role,
}

/// Checks the password and begins a session.
pub async fn login(ctx: &Ctx, username: &str, password: &str, user_agent: &str) -> Result<SignedIn, Error> {
    let found = match username.len() {
        1..=64 => store::credentials(&mut *ctx.db.read().await?, username).await?,
        _ => None,
    };
    let hash = found.as_ref().and_then(|(_, hash)| hash.clone());
    let offered = if password.chars().count() <= LONGEST_PASSWORD { password } else { "" };
    let is_right = passwords::verify(offered, hash).await?;
    let Some((account, _)) = found else { return Err(Error::BadCredentials) };
    if !is_right {
        // Beside the answer and not before it: the time it takes would tell that the name exists.
        tokio::spawn(count_failure(ctx.clone(), account.id));
        return Err(Error::BadCredentials);
    }
    may_sign_in(account.status)?;
    begin_session(ctx, &account, user_agent).await
}

async fn count_failure(ctx: Ctx, id: AccountId) {
    let counted = async {
        let mut tx = ctx.db.begin_write().await?;
        store::count_failure(&mut tx, id).await?;
        tx.commit().await
    };
    if let Err(error) = counted.await {
        tracing::warn!(%error, "a wrong password could not be counted");
    }
}

async fn begin_session(ctx: &Ctx, account: &Account, user_agent: &str) -> Result<SignedIn, Error> {
    let id = SessionId::new();
    let (token, hash) = refresh_token(id);
    let mut tx = ctx.db.begin_write().await?;
    // Read again: it may have been suspended or deleted while the password was hashed.
    let account = store::lock_account(&mut tx, account.id).await?.ok_or(Error::BadCredentials)?;
    may_sign_in(account.status)?;
    let user_agent: String = user_agent.chars().filter(|c| !c.is_control()).take(200).collect();
    let new = NewSession {
        id,
        account: account.id,
        refresh_hash: &hash,
        expires_at: session_end(ctx, tx.now, tx.now),
        user_agent: &user_agent,
        peer: &http::peer(),
    };
    store::insert_session(&mut tx, &new).await?;
    store::note_login(&mut tx, account.id).await?;
    let entry = Entry { actor: &account.username, action: "session.begin", target: &account.username, detail: "" };
    audit::record(&mut tx, &entry).await?;
    ctx.commit(tx).await?;
    let (access_token, expires_in) = jwt::sign(ctx, account.id, id)?;
    let Account { username, role, .. } = account;
    Ok(SignedIn { access_token, expires_in, refresh_token: Some(token), username, role })
}

/// Takes a refresh token and gives new tokens. One that comes back later was copied: its session ends.
pub async fn refresh(ctx: &Ctx, token: &str) -> Result<SignedIn, Error> {
    let id = session_of(token)?;
    let offered = digest(token);
    let mut tx = ctx.db.begin_write().await?;
    let (dialect, now) = (tx.dialect, tx.now);
    let session = store::session(&mut tx, Some(dialect), id, now).await?.ok_or(Error::BadToken)?;
    may_sign_in(session.status)?;
    let refresh_token = if offered == session.refresh_hash {
        let (fresh, hash) = refresh_token(id);
        let expires_at = session_end(ctx, session.created_at, now);
        if !store::rotate_session(&mut tx, id, &offered, &hash, expires_at).await? {
            return Err(Error::BadToken);
        }
        Some(fresh)
    } else if session.previous_hash.as_deref() == Some(&offered) && now - session.last_used_at < GRACE {
        None
    } else {
        store::revoke_session(&mut tx, session.account, id).await?;
        let detail = "a refresh token was used a second time; its session was ended";
        let entry = Entry { actor: &session.username, action: "session.reuse", target: &session.username, detail };
        audit::record(&mut tx, &entry).await?;
        ctx.commit(tx).await?;
        metrics::counter!("berth_refresh_reuse_total").increment(1);
        return Err(Error::BadToken);
    };
    ctx.commit(tx).await?;
    let (access_token, expires_in) = jwt::sign(ctx, session.account, id)?;
    Ok(SignedIn { access_token, expires_in, refresh_token, username: session.username, role: session.role })
}

/// A session ends when it is not used, and at the latest so long after it began.
fn session_end(ctx: &Ctx, created_at: Millis, now: Millis) -> Millis {
    let auth = &ctx.config.auth;
    now.saturating_add(millis(auth.session)).min(created_at.saturating_add(millis(auth.session_longest)))
}

/// The session of this refresh token, if it is a living one of this user.
pub(super) async fn known_device(ctx: &Ctx, token: &str, username: &str) -> Result<Option<SessionId>, Error> {
    let Ok(id) = session_of(token) else { return Ok(None) };
    let mut conn = ctx.db.read().await?;
    let session = store::session(&mut conn, None, id, ctx.clock.now()).await?;
    let is_his = |session: &store::Session| session.username == username && session.refresh_hash == digest(token);
    Ok(session.filter(is_his).map(|session| session.id))
}

/// Whether this user has a living session that began in the network of this address.
pub(super) async fn knows_network(ctx: &Ctx, address: IpAddr, username: &str) -> Result<bool, Error> {
    let mut conn = ctx.db.read().await?;
    let peers = store::session_peers(&mut conn, username, ctx.clock.now()).await?;
    let network = http::address_key(address);
    Ok(peers.iter().filter_map(|peer| peer.parse().ok()).any(|peer| http::address_key(peer) == network))
}

/// Ends the session of this refresh token, if it is one.
pub async fn end_session_by_refresh(ctx: &Ctx, token: &str) -> Result<(), Error> {
    let Ok(id) = session_of(token) else { return Ok(()) };
    let mut tx = ctx.db.begin_write().await?;
    let (dialect, now) = (tx.dialect, tx.now);
    if let Some(session) = store::session(&mut tx, Some(dialect), id, now).await?
        && session.refresh_hash == digest(token)
    {
        store::revoke_session(&mut tx, session.account, session.id).await?;
        ctx.commit(tx).await?;
    }
    Ok(())
}

/// Ends one session of an account.
pub async fn end_session(ctx: &Ctx, account: AccountId, id: SessionId) -> Result<(), Error> {
    let mut tx = ctx.db.begin_write().await?;
    if !store::revoke_session(&mut tx, account, id).await? {
        return Err(Error::NotFound);
    }
    ctx.commit(tx).await?;
    Ok(())
}

/// Ends all sessions of an account. Access tokens that were made for scripts go on.
pub async fn end_all_sessions(ctx: &Ctx, actor: &Actor) -> Result<(), Error> {
    let mut tx = ctx.db.begin_write().await?;
    store::revoke_sessions(&mut tx, actor.id, None).await?;
    let entry = Entry { actor: &actor.username, action: "session.end_all", target: &actor.username, detail: "" };
    audit::record(&mut tx, &entry).await?;
    ctx.commit(tx).await?;
    Ok(())
}

/// Whose token this is, judged by what the database says now.
pub async fn authenticate(ctx: &Ctx, token: &str) -> Result<Actor, Error> {
    if token.starts_with(tokens::PREFIX) {
        return tokens::owner(ctx, token).await;
    }
    let claims = jwt::read(ctx, token)?;
    let mut conn = ctx.db.read().await?;
    let now = ctx.clock.now();
    let session = store::session(&mut conn, None, claims.sid, now).await?.ok_or(Error::BadToken)?;
    if session.account != claims.sub {
        return Err(Error::BadToken);
    }
    may_sign_in(session.status)?;
    Ok(Actor { id: session.account, username: session.username, role: session.role, via: Via::Session(session.id) })
}

/// Only active accounts.
pub(super) fn may_sign_in(status: Status) -> Result<(), Error> {
    match status {
        Status::Active => Ok(()),
        Status::Pending => Err(Error::Pending),
        Status::Suspended => Err(Error::Suspended),
    }
}

/// A refresh token names its session, so that an old one is known for what it is. And what is kept of it.
fn refresh_token(id: SessionId) -> (String, String) {
    let token = format!("{id}.{}", random_secret());
    let hash = digest(&token);
    (token, hash)
}

fn session_of(token: &str) -> Result<SessionId, Error> {
    token.split_once('.').and_then(|(id, _)| id.parse().ok()).ok_or(Error::BadToken)
}

/// For who tries random texts.
pub(super) fn try_text(text: &str) {
    let _ = session_of(text);
}
