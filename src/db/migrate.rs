//! Migrations: forward only, run by one process at a time, by `berth migrate` and `berth serve` alone.

use std::{borrow::Cow, fs::File};

use sqlx::{AnyConnection, AssertSqlSafe, Connection, Row, migrate::Migrator};

use super::{Db, Dialect, connect::file_of};

static MIGRATIONS: Migrator = sqlx::migrate!("src/db/migrations");

/// How far the database is from what this program needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// Just right.
    Current,
    /// Migrations are missing; so many.
    Behind(usize),
    /// A newer Berth has been here, whose schema is still good for this program.
    Newer,
    /// A newer Berth has been here, and this program would not understand what it finds.
    Ahead,
}

/// One step of the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// Its number.
    pub version: i64,
    /// What it is about.
    pub name: String,
}

/// Every step this program knows, in their order.
pub fn migrations() -> Vec<Migration> {
    let one = |step: &sqlx::migrate::Migration| Migration { version: step.version, name: step.description.to_string() };
    MIGRATIONS.iter().map(one).collect()
}

/// Whether this program knows a step of the schema.
pub fn knows_step(version: i64) -> bool {
    MIGRATIONS.iter().any(|step| step.version == version)
}

/// Whether the address names an SQLite file that is not there; connecting would make it.
pub fn is_absent(url: &str) -> bool {
    url.starts_with("sqlite:") && !file_of(url).exists()
}

/// Why the database was not migrated.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// A migration failed, or the database is newer than this program.
    #[error("a migration failed: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// The database refused.
    #[error("the database refused: {0}")]
    Database(#[from] sqlx::Error),
    /// A newer Berth has been here.
    #[error("the database belongs to a newer Berth whose schema this one does not understand; use the newer one")]
    TooNew,
    /// Another process has been migrating for a minute.
    #[error("another process holds the migration lock for more than a minute; wait for it, or end it")]
    Locked,
    /// The lock file cannot be made.
    #[error("the lock file beside the database cannot be made: {0}")]
    LockFile(#[source] std::io::Error),
}

impl Db {
    /// Brings the schema up to date. Any number of processes may call it at once: they take turns.
    pub async fn migrate(&self) -> Result<(), MigrateError> {
        let mut alone = self.alone().await?;
        let outcome = alone.migrate().await;
        alone.end().await;
        outcome
    }

    /// Waits until no other process migrates, and keeps all others from it: no server starts meanwhile.
    pub async fn alone(&self) -> Result<Alone, MigrateError> {
        let mut conn = self.read().await?.detach();
        let dialect = self.dialect();
        let lock = match dialect {
            Dialect::Sqlite => {
                let path = file_of(self.url()).with_extension("migrate.lock");
                let lock = File::create(path).map_err(MigrateError::LockFile)?;
                let lock = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock))
                    .await
                    .expect("locking does not panic")
                    .map_err(MigrateError::LockFile)?;
                Some(lock)
            }
            Dialect::MySql => {
                // sqlx's own lock waits without end, which MariaDB answers with null.
                let got = sqlx::query("select get_lock('berth_migrate', 60)").fetch_one(&mut conn).await?;
                if got.try_get::<Option<i64>, _>(0)? != Some(1) {
                    return Err(MigrateError::Locked);
                }
                None
            }
        };
        Ok(Alone { conn, dialect, _lock: lock })
    }

    /// How MySQL or MariaDB compares texts in this database. SQLite has one way, which is right.
    pub async fn collation(&self) -> sqlx::Result<Option<String>> {
        if self.dialect() == Dialect::Sqlite {
            return Ok(None);
        }
        let mut conn = self.read().await?;
        let row = sqlx::query("select cast(@@collation_database as char)").fetch_one(&mut *conn).await?;
        row.try_get(0)
    }

    /// How far the database is from what this program needs.
    pub async fn schema(&self) -> sqlx::Result<Schema> {
        let mut conn = self.read().await?;
        let Ok(applied) = applied(&mut conn).await else {
            self.ping().await?;
            return Ok(Schema::Behind(MIGRATIONS.iter().count()));
        };
        let known: Vec<i64> = MIGRATIONS.iter().map(|migration| migration.version).collect();
        if applied.iter().any(|version| !known.contains(version)) {
            let whole = known.iter().all(|version| applied.contains(version));
            return Ok(if whole && is_good_for(&mut conn, &known).await? { Schema::Newer } else { Schema::Ahead });
        }
        match known.len() - applied.len() {
            0 => Ok(Schema::Current),
            missing => Ok(Schema::Behind(missing)),
        }
    }

    /// The numbers of the steps that were done; none where there is no schema yet.
    pub async fn applied(&self) -> sqlx::Result<Vec<i64>> {
        let mut conn = self.read().await?;
        match applied(&mut conn).await {
            Ok(versions) => Ok(versions),
            Err(_) => self.ping().await.map(|()| Vec::new()),
        }
    }
}

/// The right to change the schema, held by one process at a time until it is dropped.
#[derive(Debug)]
pub struct Alone {
    conn: AnyConnection,
    dialect: Dialect,
    _lock: Option<File>,
}

impl Alone {
    /// Brings the schema up to date.
    pub async fn migrate(&mut self) -> Result<(), MigrateError> {
        if self.dialect == Dialect::MySql {
            choose_collation(&mut self.conn).await?;
        }
        apply(&mut self.conn).await
    }

    /// Gives the right back. Closing the connection frees the lock whatever happened.
    pub async fn end(self) {
        let _ = self.conn.close().await;
    }
}

async fn applied(conn: &mut AnyConnection) -> sqlx::Result<Vec<i64>> {
    let text = "select version from _sqlx_migrations where success = true order by version";
    let rows = sqlx::query(text).fetch_all(conn).await?;
    rows.iter().map(|row| row.try_get::<i64, _>(0)).collect()
}

/// Whether a newer schema is good for a program that knows these steps.
async fn is_good_for(conn: &mut AnyConnection, known: &[i64]) -> sqlx::Result<bool> {
    let row = sqlx::query("select oldest from schema_floor where id = 1").fetch_optional(conn).await?;
    let oldest = row.map(|row| row.try_get::<i64, _>(0)).transpose()?;
    Ok(oldest.is_some_and(|oldest| known.last().is_some_and(|last| oldest <= *last)))
}

async fn apply(conn: &mut AnyConnection) -> Result<(), MigrateError> {
    let known: Vec<i64> = MIGRATIONS.iter().map(|migration| migration.version).collect();
    let there = applied(conn).await.unwrap_or_default();
    if there.iter().any(|version| !known.contains(version)) {
        if known.iter().any(|version| !there.contains(version)) {
            return Err(MigrateError::TooNew);
        }
        // Side by side, or a step back to the version before: the newer schema is good for both.
        return if is_good_for(conn, &known).await? { Ok(()) } else { Err(MigrateError::TooNew) };
    }
    let migrator = Migrator { locking: false, migrations: Cow::Borrowed(&MIGRATIONS.migrations), ..Migrator::DEFAULT };
    Ok(migrator.run_direct(None, conn, false).await?)
}

/// An empty database gets a collation that tells `a` from `a ` and from `A`, as SQLite does.
async fn choose_collation(conn: &mut AnyConnection) -> sqlx::Result<()> {
    let row = sqlx::query(
        "select cast(version() as char), cast(database() as char), \
         (select count(*) from information_schema.tables where table_schema = database())",
    )
    .fetch_one(&mut *conn)
    .await?;
    let (version, database, tables) =
        (row.try_get::<String, _>(0)?, row.try_get::<String, _>(1)?, row.try_get::<i64, _>(2)?);
    if 0 < tables {
        return Ok(());
    }
    let collation = if version.contains("MariaDB") { "utf8mb4_nopad_bin" } else { "utf8mb4_0900_bin" };
    let name = database.replace('`', "``");
    sqlx::query(AssertSqlSafe(format!("alter database `{name}` character set utf8mb4 collate {collation}")))
        .execute(conn)
        .await?;
    Ok(())
}
