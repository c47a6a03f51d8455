//! SQL of `account`, `session`, `access_token`, `ssh_key` and `one_time_link`.

mod account;
mod profile;
mod session;

use sqlx::{Row, any::AnyRow};

pub(super) use self::{account::*, profile::*, session::*};
pub use self::{
    account::{username_of, waiting_name},
    profile::ssh_keys_of,
};

/// A column of text as the type that its text stands for.
fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(row: &AnyRow, index: usize) -> sqlx::Result<T> {
    let text: String = row.try_get(index)?;
    text.parse().map_err(|error: T::Err| sqlx::Error::Decode(error.to_string().into()))
}
