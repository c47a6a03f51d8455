//! The database goes away, clocks disagree, several schedulers meet: what the real programs do then.

use std::{collections::BTreeMap, process::Command, time::Duration};

use serde_json::{Value, json};
use sqlx::{AnyConnection, Connection, Row};
use tempfile::TempDir;
use tokio::time::interval;

use crate::harness::{
    ADMIN_PASSWORD, Client, Database,
    mariadb::MariaDb,
    process::{Process, Setup},
    until,
};

async fn show(who: &Client, id: &str) -> Value {
    who.get(&format!("/api/reservations/{id}")).await.expect(200)
}

async fn until_state(who: &Client, id: &str, state: &str) -> Value {
    until(&format!("`{state}`"), async || Some(show(who, id).await).filter(|view| view["state"] == state)).await
}

/// The real programs with `n` fake machines in the pool.
async fn programs(folder: &TempDir, database: String, n: usize) -> (Setup, Process, Client) {
    let setup = Setup::new(folder.path(), database)
        .with("BERTH_REMOTE", "fake")
        .with("BERTH_JOB_CLAIM_SECONDS", "3")
        .with("BERTH_SCHEDULE_EXPIRE", "* * * * * *")
        .with("BERTH_SCHEDULE_REMIND", "* * * * * *")
        .with("LOG_LEVEL", "info");
    let server = setup.server();
    let admin = Client::new(&setup.url()).signed_in("admin", ADMIN_PASSWORD).await;
    let one = |n| format!("  - {{ name: m{n}, host: 192.0.2.{n}, port: 22, user: root, password: x }}\n");
    let yaml = format!("machines:\n{}", (1..=n).map(one).collect::<String>());
    admin.post_yaml("/api/machines/import?wait=60", &yaml).await.expect(200);
    until("the pool", async || (free(&admin).await == n).then_some(())).await;
    (setup, server, admin)
}

async fn free(who: &Client) -> usize {
    who.get("/api/available").await.expect(200)["available"].as_array().unwrap().len()
}

async fn book(who: &Client, count: usize, minutes: usize) -> String {
    let body = json!({ "count": count, "duration": minutes, "reservation_password": "test" });
    who.post("/api/reservations", &body).await.expect(202)["id"].as_str().unwrap().to_owned()
}

/// Puts the end of reservations back by an hour, as if that hour had passed.
async fn an_hour_passes(database: &str, ids: &[String]) {
    sqlx::any::install_default_drivers();
    let mut conn = AnyConnection::connect(database).await.unwrap();
    for id in ids {
        for text in [
            "update lease set expires_at = expires_at - 3600000 where id = ?",
            "update job set run_at = run_at - 3600000 where subject = ?",
        ] {
            assert_eq!(sqlx::query(text).bind(id).execute(&mut conn).await.unwrap().rows_affected(), 1);
        }
    }
    conn.close().await.unwrap();
}

/// All events since something with this id was made: kind and reservation by their own ids.
async fn events_after(who: &Client, id: &str) -> BTreeMap<String, (String, Option<String>)> {
    let (mut after, mut events) = (id.to_owned(), BTreeMap::new());
    loop {
        let page = who.get(&format!("/api/events?poll=1&after={after}")).await.expect(200);
        let known = events.len();
        for event in page["items"].as_array().unwrap() {
            let text = |key: &str| event[key].as_str().map(str::to_owned);
            events.insert(text("id").unwrap(), (text("kind").unwrap(), text("reservation_id")));
        }
        let Some(next) = page["next_cursor"].as_str().filter(|_| known < events.len()) else { return events };
        after = next.to_owned();
    }
}

async fn lease_state(database: &str, id: &str) -> String {
    let mut conn = AnyConnection::connect(database).await.unwrap();
    let row = sqlx::query("select state from lease where id = ?").bind(id).fetch_one(&mut conn).await.unwrap();
    conn.close().await.unwrap();
    row.get(0)
}

async fn expires_once(database: Database) {
    let folder = TempDir::new().unwrap();
    let url = database.fresh(folder.path()).await;
    let (setup, _server, admin) = programs(&folder, url.clone(), 8).await;
    let _schedulers = [setup.scheduler(), setup.scheduler()];
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(book(&admin, 2, 10).await);
    }
    for id in &ids {
        until_state(&admin, id, "active").await;
    }
    an_hour_passes(&url, &ids).await;
    for id in &ids {
        let view = until_state(&admin, id, "closed").await;
        let runs = admin.get(&format!("/api/runs?reservation={id}")).await.expect(200);
        let mut cleaned: Vec<&Value> = runs["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|run| run["kind"] == "clean")
            .map(|run| &run["machines"][0])
            .collect();
        let mut had: Vec<&Value> = view["machines"].as_array().unwrap().iter().map(|place| &place["machine"]).collect();
        cleaned.sort_by_key(ToString::to_string);
        had.sort_by_key(ToString::to_string);
        assert_eq!(cleaned, had, "one clean run a machine: {runs:#}");
    }
    let events = events_after(&admin, &ids[0]).await;
    let told = |id: &String, kind: &str| {
        events.values().filter(|event| event.0 == kind && event.1.as_ref() == Some(id)).count()
    };
    for id in &ids {
        assert_eq!((told(id, "reservation.expiring"), told(id, "reservation.closed")), (1, 1), "{events:#?}");
    }
    until("the pool", async || (free(&admin).await == 8).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_schedulers_and_a_server_end_a_reservation_once_sqlite() {
    expires_once(Database::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_schedulers_and_a_server_end_a_reservation_once_mariadb() {
    expires_once(Database::MariaDb).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scheduler_whose_clock_is_an_hour_ahead_ends_nothing_early() {
    let folder = TempDir::new().unwrap();
    let url = Database::MariaDb.fresh(folder.path()).await;
    let (setup, mut server, admin) = programs(&folder, url.clone(), 2).await;
    let id = book(&admin, 1, 20).await;
    until_state(&admin, &id, "active").await;
    let said = Command::new("faketime").args(["-m", "-f", "+1h", "env"]).output();
    let said = String::from_utf8(said.expect("needs faketime: apt-get install faketime").stdout).unwrap();
    let library = said.lines().find_map(|line| line.strip_prefix("LD_PRELOAD=")).expect("faketime preloads a library");
    let ahead = setup
        .clone()
        .with("LD_PRELOAD", library)
        .with("FAKETIME", "+1h")
        .with("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .scheduler();
    until("the scheduler", async || ahead.tail().contains("at work").then_some(())).await;
    let stamp =
        |log: &str| log.lines().find_map(|line| line.split_whitespace().next()?.parse::<jiff::Timestamp>().ok());
    let (here, there) = (stamp(&server.tail()).unwrap(), stamp(&ahead.tail()).unwrap());
    assert!(here + jiff::SignedDuration::from_mins(59) < there, "its clock is not ahead: {here}, {there}");
    // Alone it does all the work, for as long as it takes to tick a few times.
    server.kill();
    let mut ticks = interval(Duration::from_secs(6));
    ticks.tick().await;
    ticks.tick().await;
    server = setup.server();
    let view = show(&admin, &id).await;
    assert_eq!(view["state"], "active", "{view:#}");
    assert!((1000..=1200).contains(&view["seconds_remaining"].as_i64().unwrap()), "{view:#}");
    let kinds: Vec<String> = events_after(&admin, &id).await.into_values().map(|(kind, _)| kind).collect();
    assert!(kinds.iter().any(|kind| kind == "reservation.active"), "{kinds:?}");
    assert!(!kinds.iter().any(|kind| kind == "reservation.reminder"), "{kinds:?}");
    // What is over it ends, while the server is away.
    server.kill();
    an_hour_passes(&url, std::slice::from_ref(&id)).await;
    until("the end", async || (lease_state(&url, &id).await == "closed").then_some(())).await;
    drop(setup.server());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_killed_costs_answers_and_no_reservation() {
    let mut database = tokio::task::spawn_blocking(MariaDb::start).await.unwrap();
    let folder = TempDir::new().unwrap();
    let url = database.fresh().await;
    let (setup, server, admin) = programs(&folder, url, 3).await;
    let _scheduler = setup.scheduler();
    let active = book(&admin, 1, 10).await;
    until_state(&admin, &active, "active").await;
    let fresh = book(&admin, 1, 10).await;
    database.kill();
    let body = json!({ "count": 1, "duration": 10, "reservation_password": "test" });
    for _ in 0..3 {
        let path = format!("/api/reservations/{active}");
        let login = json!({ "username": "admin", "password": ADMIN_PASSWORD });
        // Each waits for a connection before it gives up; all at once wait once.
        let answers = tokio::join!(
            admin.get(&path),
            admin.get("/api/available"),
            admin.post("/api/reservations", &body),
            admin.delete(&path),
            admin.post("/api/login", &login),
        );
        for answer in <[_; 5]>::from(answers) {
            answer.refused(503, "database-unavailable");
            assert!(answer.headers.contains_key("retry-after"), "{:?}", answer.headers);
        }
        admin.get("/api/healthz").await.expect(200);
        admin.get("/api/readyz").await.expect(503);
    }
    let database = tokio::task::spawn_blocking(move || {
        database.restart();
        database
    })
    .await
    .unwrap();
    until("the first answer", async || (admin.get("/api/available").await.status == 200).then_some(())).await;
    // The runners say that they are alive every few seconds; after a long silence the first word makes it ready.
    until("readiness", async || (admin.get("/api/readyz").await.status == 200).then_some(())).await;
    assert_eq!(show(&admin, &active).await["state"], "active");
    until_state(&admin, &fresh, "active").await;
    let third = book(&admin, 1, 10).await;
    for id in [&active, &fresh, &third] {
        until_state(&admin, id, "active").await;
        admin.delete(&format!("/api/reservations/{id}")).await.expect(202);
        until_state(&admin, id, "closed").await;
    }
    until("the pool", async || (free(&admin).await == 3).then_some(())).await;
    assert!(!server.tail().contains("panicked"), "{}", server.tail());
    drop(database);
}
