//! `berth health`, as a container's health check runs it.

use std::process::Output;

use tempfile::TempDir;

use crate::harness::{Database, process::Setup, until};

fn said(output: &Output) -> (Option<i32>, String) {
    let text = [&output.stdout[..], &output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

async fn health_follows_server_and_scheduler(database: Database) {
    let folder = TempDir::new().unwrap();
    let setup = Setup::new(folder.path(), database.fresh(folder.path()).await);
    let (code, text) = said(&setup.run(&["health"]));
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("the server does not answer at http://127.0.0.1:"), "{text}");

    let mut server = setup.server();
    let well = async |part: &str| (said(&setup.run(&["health", part])) == (Some(0), String::new())).then_some(());
    until("a well server", async || well("server").await).await;
    let (code, text) = said(&setup.run(&["health", "scheduler"]));
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("no scheduler gave a sign"), "{text}");

    // As the image has it: one program, two names. And the database's address in a file.
    let _scheduler = setup.start_as("berth-scheduler");
    until("a well scheduler", async || well("scheduler").await).await;
    let file = folder.path().join("address");
    std::fs::write(&file, format!("{}\n", setup.database)).unwrap();
    let by_file = setup.clone().with("DATABASE_URL", "").with("DATABASE_URL_FILE", file.to_str().unwrap());
    assert_eq!(said(&by_file.run(&["health", "scheduler"])), (Some(0), String::new()));

    server.kill();
    assert_eq!(said(&setup.run(&["health"])).0, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn health_follows_server_and_scheduler_on_sqlite() {
    health_follows_server_and_scheduler(Database::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_follows_server_and_scheduler_on_mariadb() {
    health_follows_server_and_scheduler(Database::MariaDb).await;
}
