//! A database of a test's own: a file, or a schema on the server that `BERTH_TEST_MYSQL` names.

use std::path::Path;

use sqlx::{AnyConnection, AssertSqlSafe, Connection, Executor};

/// A file goes away with its test, a schema with the server that was started for testing.
pub struct Database {
    pub url: String,
}

impl Database {
    /// An empty one. `BERTH_TEST_MYSQL=mysql://user:password@host:port` puts it there.
    pub async fn fresh(folder: &Path) -> Self {
        sqlx::any::install_default_drivers();
        let Ok(server) = std::env::var("BERTH_TEST_MYSQL") else {
            return Self { url: format!("sqlite:{}", folder.join("test.db").display()) };
        };
        let server = server.trim_end_matches('/').to_owned();
        let name = format!("berth_test_{}", uuid::Uuid::new_v4().simple());
        let mut conn = AnyConnection::connect(&format!("{server}/mysql")).await.unwrap();
        let create = format!("create database {name} character set utf8mb4 collate utf8mb4_nopad_bin");
        conn.execute(AssertSqlSafe(create)).await.unwrap();
        Self { url: format!("{server}/{name}") }
    }
}
