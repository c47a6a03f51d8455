//! Connecting: the address, what is said first, how long to go on trying.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Once},
    time::Duration,
};

use sqlx::{AssertSqlSafe, Connection, Executor, any::AnyPoolOptions};

use super::{Db, Dialect, durable::Durable};
use crate::clock::Clock;

/// Where the database is and how patient to be.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `sqlite:PATH`, `mysql://…`, `mariadb://…` or `mysql+pymysql://…`.
    pub url: String,
    /// How often to try again at start.
    pub retries: u32,
    /// How long to wait between tries.
    pub retry_every: Duration,
    /// The most connections to hold.
    pub max_connections: u32,
}

/// Why there is no database.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address is not one we understand.
    #[error(
        "the database address begins with `{0}`; write `sqlite:PATH`, `mysql://user:password@host/name` or `mysql+pymysql://…` into DATABASE_URL"
    )]
    UnknownScheme(String),
    /// The folder for the SQLite file cannot be made.
    #[error("the folder of the database file cannot be made: {0}")]
    Folder(#[source] std::io::Error),
    /// Nobody answered in time.
    #[error("the database did not answer after {tries} tries: {source}")]
    Unreachable {
        /// How many.
        tries: u32,
        /// What the last one said.
        source: sqlx::Error,
    },
}

static DRIVERS: Once = Once::new();

impl Db {
    /// Connects, trying again as `settings` says.
    pub async fn connect(settings: &Settings, clock: Clock) -> Result<Self, ConnectError> {
        DRIVERS.call_once(sqlx::any::install_default_drivers);
        let (dialect, url) = normalise(&settings.url)?;
        if dialect == Dialect::Sqlite {
            make_folder(&url).map_err(ConnectError::Folder)?;
        }
        let options = AnyPoolOptions::new()
            .max_connections(settings.max_connections)
            .acquire_timeout(Duration::from_secs(5))
            .max_lifetime(Duration::from_mins(30))
            .after_connect(move |conn, _| Box::pin(async move { conn.execute(greeting(dialect)).await.map(drop) }));
        let mut tries = 0;
        let pool = loop {
            tries += 1;
            match options.clone().connect(&url).await {
                Ok(pool) => break pool,
                Err(source) if settings.retries < tries => return Err(ConnectError::Unreachable { tries, source }),
                Err(error) => {
                    tracing::warn!(%error, tries, "the database does not answer yet");
                    tokio::time::sleep(settings.retry_every).await;
                }
            }
        };
        let durable = (dialect == Dialect::Sqlite).then(|| Arc::new(Durable::new(file_of(&url))));
        let (turn, jobs_turn) = (Arc::default(), Arc::default());
        Ok(Self { pool, dialect, clock, url, turn, jobs_turn, durable, announced: Arc::default() })
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> sqlx::Result<()> {
        self.read().await?.ping().await
    }

    /// The file of this SQLite address, when it is not there: connecting would make it.
    pub fn missing_file(url: &str) -> Option<PathBuf> {
        let is_sqlite = matches!(normalise(url), Ok((Dialect::Sqlite, _)));
        let file = file_of(url);
        (is_sqlite && file != Path::new(":memory:") && !file.exists()).then(|| file.to_owned())
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }
}

/// What every connection says first.
fn greeting(dialect: Dialect) -> AssertSqlSafe<&'static str> {
    AssertSqlSafe(match dialect {
        // NORMAL: that a commit lasts is seen to by `Tx::commit`, for many at once.
        Dialect::Sqlite => {
            "pragma journal_mode = wal; pragma synchronous = normal; pragma busy_timeout = 10000; pragma foreign_keys = on; pragma journal_size_limit = 67108864; pragma cache_size = -8000"
        }
        Dialect::MySql => {
            "set session transaction isolation level read committed; set session innodb_lock_wait_timeout = 10, session time_zone = '+00:00', session sql_mode = 'STRICT_ALL_TABLES,PIPES_AS_CONCAT,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO'"
        }
    })
}

/// The dialect and the address as the driver wants it.
fn normalise(url: &str) -> Result<(Dialect, String), ConnectError> {
    let (scheme, rest) = url.split_once(':').unwrap_or((url, ""));
    match scheme {
        "sqlite" => {
            let address = if rest.contains("mode=") {
                url.to_owned()
            } else {
                let joint = if rest.contains('?') { '&' } else { '?' };
                format!("{url}{joint}mode=rwc")
            };
            Ok((Dialect::Sqlite, address))
        }
        "mysql" | "mariadb" | "mysql+pymysql" | "mariadb+pymysql" => Ok((Dialect::MySql, format!("mysql:{rest}"))),
        other => Err(ConnectError::UnknownScheme(other.chars().take(20).collect())),
    }
}

/// The path of an SQLite address.
pub(super) fn file_of(url: &str) -> &Path {
    let path = url.trim_start_matches("sqlite:").trim_start_matches("//");
    Path::new(path.split('?').next().unwrap_or_default())
}

fn make_folder(url: &str) -> std::io::Result<()> {
    let file = file_of(url);
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && file != Path::new(":memory:") => {
            std::fs::create_dir_all(folder)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_people_have_are_understood() {
        let cases = [
            ("sqlite:a/b.db", Dialect::Sqlite, "sqlite:a/b.db?mode=rwc"),
            ("sqlite:///a.db?mode=ro", Dialect::Sqlite, "sqlite:///a.db?mode=ro"),
            ("sqlite:a.db?cache=private", Dialect::Sqlite, "sqlite:a.db?cache=private&mode=rwc"),
            ("mysql+pymysql://u:p@h:3306/d", Dialect::MySql, "mysql://u:p@h:3306/d"),
            ("mariadb://h/d", Dialect::MySql, "mysql://h/d"),
        ];
        for (given, dialect, address) in cases {
            assert_eq!(normalise(given).unwrap(), (dialect, address.to_owned()));
        }
        assert!(normalise("postgres://h/d").unwrap_err().to_string().contains("`postgres`"));
    }

    #[test]
    fn the_file_of_an_address_is_found() {
        assert_eq!(file_of("sqlite:///var/lib/b.db?mode=rwc"), Path::new("/var/lib/b.db"));
        assert_eq!(file_of("sqlite:b.db"), Path::new("b.db"));
    }
}
