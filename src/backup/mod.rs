//! A copy of all that the database holds, in one file that either database can be restored from.
//!
//! The file is a tar archive, compressed by gzip: `manifest.json`, then `tables/NAME.jsonl` with one row a line, each
//! table with its SHA-256 in the manifest, and the key files if they were asked for. Secrets stay as they are in the
//! rows, sealed with the secret key. A restore is one transaction: it happens whole or not at all.
//!
//! Deliberately absent: encryption of the file, and schedules; `cron` and `age` do both better.

mod archive;
mod create;
mod restore;
pub mod rotate;
pub mod secrets;
mod store;

use std::{io, path::PathBuf};

pub use self::{
    archive::{Manifest, TableEntry},
    create::create,
    restore::{How, Restored, restore},
};

/// Why there is no backup, or why it was not restored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is there already.
    #[error("`{0}` is there already; name another file, or remove it")]
    Exists(PathBuf),
    /// The file is no backup.
    #[error("`{file}` is no backup of berth: {why}")]
    NoBackup {
        /// Which.
        file: PathBuf,
        /// Why.
        why: String,
    },
    /// The file is not what was written.
    #[error("the backup is damaged: {0}; use another one")]
    Damaged(String),
    /// The backup has what this program does not know.
    #[error("the backup was made by a newer berth ({0}); restore it with that one")]
    TooNew(String),
    /// There is something in the database.
    #[error("the database is not empty: table `{0}` has rows; --replace removes all that it holds")]
    NotEmpty(String),
    /// Somebody works on the database.
    #[error(
        "{0} processes of berth work on this database; stop them first (one that was killed is forgotten after 30 s)"
    )]
    Alive(i64),
    /// Secrets cannot be opened with the present key.
    #[error(
        "{bad} of the backup's {all} secrets cannot be opened with the secret key that is set here; put the key of that \
         time into BERTH_SECRET_KEY or `secret.key`, restore with --with-keys, or give --without-secrets: then machines \
         that are logged in to by password must be given it again"
    )]
    WrongKey {
        /// How many.
        bad: u64,
        /// Of how many.
        all: u64,
    },
    /// A key file is there and is another one.
    #[error(
        "`{0}` is there already and is another key than the one in the backup; move it away, or restore without keys"
    )]
    OtherKey(PathBuf),
    /// The schema could not be brought up to date.
    #[error(transparent)]
    Migration(#[from] crate::db::MigrateError),
    /// The database refused.
    #[error("the database refused: {0}")]
    Database(#[from] sqlx::Error),
    /// A file could not be read or written.
    #[error("cannot use `{file}`: {source}")]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another part of Berth.
    #[error("{0}")]
    Broken(String),
}

impl Error {
    fn file(file: &std::path::Path) -> impl FnOnce(io::Error) -> Self + use<'_> {
        move |source| Self::File { file: file.to_owned(), source }
    }
}
