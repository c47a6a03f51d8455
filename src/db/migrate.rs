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
    /// A newer Berth has been here.
    Ahead,
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
        let mut conn = self.read().await?.detach();
        let outcome = match self.dialect() {
            Dialect::Sqlite => {
                let path = file_of(self.url()).with_extension("migrate.lock");
                let lock = File::create(path).map_err(MigrateError::LockFile)?;
                let lock = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock))
                    .await
                    .expect("locking does not panic")
                    .map_err(MigrateError::LockFile)?;
                let outcome = apply(&mut conn).await;
                drop(lock);
                outcome
            }
            Dialect::MySql => {
                // sqlx's own lock waits without end, which MariaDB answers with null.
                let got = sqlx::query("select get_lock('berth_migrate', 60)").fetch_one(&mut conn).await?;
                if got.try_get::<Option<i64>, _>(0)? != Some(1) {
                    return Err(MigrateError::Locked);
                }
                choose_collation(&mut conn).await?;
                apply(&mut conn).await
            }
        };
        // Closing the connection frees the lock whatever happened.
        let _ = conn.close().await;
        outcome
    }

    /// How far the database is from what this program needs.
    pub async fn schema(&self) -> sqlx::Result<Schema> {
        let mut conn = self.read().await?;
        let applied =
            sqlx::query("select version from _sqlx_migrations where success = true").fetch_all(&mut *conn).await;
        let Ok(rows) = applied else {
            self.ping().await?;
            return Ok(Schema::Behind(MIGRATIONS.iter().count()));
        };
        let versions = rows.iter().map(|row| row.try_get::<i64, _>(0)).collect::<sqlx::Result<Vec<_>>>()?;
        let known: Vec<i64> = MIGRATIONS.iter().map(|migration| migration.version).collect();
        if versions.iter().any(|version| !known.contains(version)) {
            return Ok(Schema::Ahead);
        }
        match known.len() - versions.len() {
            0 => Ok(Schema::Current),
            missing => Ok(Schema::Behind(missing)),
        }
    }
}

async fn apply(conn: &mut AnyConnection) -> Result<(), MigrateError> {
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
