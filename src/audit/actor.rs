//! Who acts.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    http::Problem,
    ids::{AccountId, SessionId},
};

/// The person behind a request, known and active.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The account.
    pub id: AccountId,
    /// Its name.
    pub username: String,
    /// What it may do.
    pub role: Role,
    /// How it proved itself.
    pub via: Via,
}

/// An [`Actor`] that is an admin. As an extractor it turns others away before their body is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin(pub Actor);

/// How a person proved to be the account's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// By signing in.
    Session(SessionId),
    /// By an access token made beforehand.
    Token,
}

/// What an account may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Books machines.
    Member,
    /// Also runs what many take part in.
    Instructor,
    /// Everything.
    Admin,
}

impl Actor {
    /// Whether it is an admin.
    pub fn is_admin(&self) -> bool {
        self.role == Role::Admin
    }

    /// Refuses everybody but admins.
    pub fn require_admin(&self) -> Result<(), Problem> {
        if self.is_admin() { Ok(()) } else { Err(Problem::forbidden("this needs the role `admin`")) }
    }
}

impl Role {
    /// All, from the least.
    pub const ALL: [Self; 3] = [Self::Member, Self::Instructor, Self::Admin];

    /// Its word in the database, in settings and in answers.
    pub fn word(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Instructor => "instructor",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|role| role.word() == text).ok_or_else(|| format!("`{text}` is not a role"))
    }
}
