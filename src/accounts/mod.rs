//! Users, passwords, sessions, tokens, roles.
//!
//! A request proves itself by a session's access token (a JWT, short-lived) or by an access token made beforehand.
//! Both are looked up on every request, so that suspending an account or ending a session works at once.
//! Passwords are kept as argon2id, everything else secret as SHA-256 of 32 random bytes.
//! Deliberately absent: other people's sign-in (OIDC, LDAP), and mail; a reset link is handed over by an admin.

pub mod api;
mod guard;
mod jwt;
mod keys;
mod model;
mod passwords;
mod people;
mod reset;
mod sign_in;
mod ssh_key;
mod store;
mod tokens;

pub use self::{
    keys::{add_key, remove_key},
    model::{Account, Status, check_username, digest, random_secret},
    people::{NewAccount, UpdateAccount, create, delete, find_named, register, seed_admin, update},
    reset::{Link, issue_link, use_link},
    sign_in::{SignedIn, authenticate, end_all_sessions, end_session, login, refresh},
    ssh_key::{KeyFault, PublicKey},
    store::{ssh_keys_of, username_of, waiting_name},
    tokens::{NewToken, add_token, remove_token},
};
pub use crate::audit::{Actor, Admin, Role, Via};
use crate::{clock::Millis, db::Tx};

/// Each parser of what clients send, by name, for who tries random texts.
#[doc(hidden)]
#[allow(clippy::type_complexity, reason = "a name and what it stands for")]
pub const PARSERS: [(&str, fn(&str)); 4] = [
    ("jwt", jwt::try_text),
    ("refresh-token", sign_in::try_text),
    ("ssh-public-key", |text| drop(PublicKey::parse(text))),
    ("account-fields", model::try_text),
];

/// Why something about accounts was refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Username or password is wrong; which of the two is nobody's business.
    #[error("username or password is wrong")]
    BadCredentials,
    /// Too many wrong passwords from this address for this name.
    #[error("too many wrong passwords; try again in {seconds} s")]
    SlowDown {
        /// How long to wait.
        seconds: u64,
    },
    /// The server is hashing too many passwords.
    #[error("too many people sign in at this moment; try again")]
    Busy,
    /// An admin has not confirmed the account.
    #[error("the account waits for an admin to confirm it")]
    Pending,
    /// The account is suspended.
    #[error("the account is suspended; ask an admin")]
    Suspended,
    /// Token unknown, expired, or its session ended.
    #[error("the token is not valid, or not any more; sign in again")]
    BadToken,
    /// This needs a session.
    #[error("an access token may not do this; sign in with the password")]
    NeedsSession,
    /// Only admins make accounts here.
    #[error("accounts are made by an admin here")]
    RegistrationClosed,
    /// The name is in use.
    #[error("the name `{0}` is taken")]
    Taken(String),
    /// Something in the request breaks a rule.
    #[error("{detail}")]
    Invalid {
        /// A word for the rule.
        slug: &'static str,
        /// Where.
        pointer: &'static str,
        /// Which rule.
        detail: String,
    },
    /// No such user.
    #[error("there is no user `{0}`")]
    NoSuchUser(String),
    /// No such key, token or session.
    #[error("it is not there")]
    NotFound,
    /// Somebody must be left who can let others in.
    #[error("`{0}` is the last active admin; make another user admin first")]
    LastAdmin(String),
    /// The key is in the profile already.
    #[error("this key is in the profile already")]
    KeyKnown,
    /// The profile holds as many as it may.
    #[error("no more than {0} of these; remove one first")]
    TooMany(i64),
    /// The one-time link is not valid.
    #[error("the link is not valid: used, too old, or replaced by a newer one; ask an admin for another")]
    BadLink,
    /// The database refused.
    #[error("accounts: {0}")]
    Database(#[from] sqlx::Error),
    /// What is stored makes no sense, or hashing failed.
    #[error("accounts: {0}")]
    Broken(String),
}

/// The job that follows when an account waits for an admin; the slice that tells the admins runs it.
pub const ARRIVED: &str = "account.arrived";

/// Deletes sessions, links and tokens that ended before `before`; returns how many.
pub async fn prune(tx: &mut Tx, before: Millis) -> sqlx::Result<u64> {
    let sessions = store::prune_sessions(tx, before).await?;
    let links = store::prune_links(tx, before).await?;
    let tokens = store::prune_tokens(tx, before).await?;
    Ok(sessions + links + tokens)
}
