//! The schema goes forward only, and the version before goes on working beside the newer one.

use std::borrow::Cow;

use berth::{
    clock::Clock,
    db::{
        Db, Schema, Settings,
        copy::{self, Column, Holds, Table},
    },
};
use serde_json::{Value, json};
use sqlx::{AnyConnection, AssertSqlSafe, Connection, migrate::Migrator};
use tempfile::TempDir;

use crate::harness::Database;

static ALL: Migrator = sqlx::migrate!("src/db/migrations");
/// The last step that version 0.1.0 knew.
const BEFORE: i64 = 3;

async fn connect(url: &str) -> Db {
    let every = std::time::Duration::from_secs(1);
    let settings = Settings { url: url.to_owned(), retries: 3, retry_every: every, max_connections: 4 };
    Db::connect(&settings, Clock::default()).await.unwrap()
}

/// Brings an empty database to the schema of the version before.
async fn old(url: &str) {
    let url = if url.starts_with("sqlite:") { format!("{url}?mode=rwc") } else { url.to_owned() };
    sqlx::any::install_default_drivers();
    let mut conn = AnyConnection::connect(&url).await.unwrap();
    let steps: Vec<_> = ALL.iter().filter(|step| step.version <= BEFORE).cloned().collect();
    let migrator = Migrator { locking: false, migrations: Cow::Owned(steps), ..Migrator::DEFAULT };
    migrator.run_direct(None, &mut conn, false).await.unwrap();
    conn.close().await.unwrap();
}

/// A row of the table with a value in every column, different for each `n`.
fn row(table: &Table, n: usize) -> Vec<Value> {
    let value = |column: &Column| match column.holds {
        Holds::Text => json!(format!("{}-{n}", column.name.chars().take(8).collect::<String>())),
        Holds::Whole => json!(1000 + n),
        Holds::Real => json!(0.5),
        Holds::Bytes => json!("AAAA"),
    };
    table.columns.iter().map(value).collect()
}

async fn tables(db: &Db) -> Vec<Table> {
    copy::tables(&mut db.read().await.unwrap(), db.dialect()).await.unwrap()
}

async fn insert(db: &Db, tables: &[Table], n: usize) {
    let mut tx = db.begin_write().await.unwrap();
    for table in tables {
        let put = copy::put(&mut tx, table, &table.columns, &[row(table, n)]).await;
        put.unwrap_or_else(|error| panic!("{}: {error}", table.name));
    }
    tx.commit().await.unwrap();
}

async fn both_versions_work(database: Database) {
    let folder = TempDir::new().unwrap();
    let url = database.fresh(folder.path()).await;
    old(&url).await;
    let db = connect(&url).await;
    let before = tables(&db).await;
    assert!(15 < before.len(), "{before:?}");
    insert(&db, &before, 1).await;
    let missing = ALL.iter().filter(|step| BEFORE < step.version).count();
    assert_eq!(db.schema().await.unwrap(), Schema::Behind(missing));

    db.migrate().await.unwrap();
    assert_eq!(db.schema().await.unwrap(), Schema::Current);
    // What the version before writes and reads names the tables and columns that it knows: they are all still there,
    // with their rows, and take its rows without what came later.
    insert(&db, &before, 2).await;
    let now = tables(&db).await;
    let mut conn = db.read().await.unwrap();
    for table in &before {
        let after = now.iter().find(|one| one.name == table.name).unwrap_or_else(|| panic!("`{}` is gone", table.name));
        for column in &table.columns {
            assert!(after.columns.contains(column), "`{}.{}` is another one now", table.name, column.name);
        }
        assert_eq!(copy::count(&mut conn, table).await.unwrap(), 2, "{}", table.name);
    }
    drop(conn);
    let mut tx = db.begin_write().await.unwrap();
    for table in &before {
        for (column, value) in table.columns.iter().zip(row(table, 1)) {
            if let (Holds::Whole, false) = (column.holds, column.is_key) {
                let text = format!("update {} set {} = 7 where {} = ?", table.name, column.name, column.name);
                let done = sqlx::query(AssertSqlSafe(text)).bind(value.as_i64().unwrap()).execute(&mut *tx).await;
                assert_eq!(done.unwrap().rows_affected(), 1, "{}.{}", table.name, column.name);
            }
        }
    }
    tx.commit().await.unwrap();
    // Migrating again changes nothing, in any number of processes at once.
    let (one, other) = (connect(&url).await, connect(&url).await);
    let (a, b) = tokio::join!(one.migrate(), other.migrate());
    a.unwrap();
    b.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_version_before_works_beside_this_one_sqlite() {
    both_versions_work(Database::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_version_before_works_beside_this_one_mariadb() {
    both_versions_work(Database::MariaDb).await;
}

async fn a_newer_schema(database: Database) {
    let folder = TempDir::new().unwrap();
    let url = database.fresh(folder.path()).await;
    let db = connect(&url).await;
    db.migrate().await.unwrap();
    let run = async |text: &str| {
        let mut tx = db.begin_write().await.unwrap();
        sqlx::query(AssertSqlSafe(text.to_owned())).execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
    };
    run("insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
        values (9000, 'later', true, 'x', 1)")
    .await;
    assert_eq!(db.schema().await.unwrap(), Schema::Newer);
    db.migrate().await.unwrap();
    run("update schema_floor set oldest = 9000").await;
    assert_eq!(db.schema().await.unwrap(), Schema::Ahead);
    let error = db.migrate().await.unwrap_err().to_string();
    assert!(error.contains("newer Berth"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_schema_is_taken_only_when_it_says_so_sqlite() {
    a_newer_schema(Database::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_schema_is_taken_only_when_it_says_so_mariadb() {
    a_newer_schema(Database::MariaDb).await;
}
