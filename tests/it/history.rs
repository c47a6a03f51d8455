//! Thirty-two clients book and give back while the server is killed again and again; then the books are read.
//!
//! The clients are the witnesses: each notes when it surely held a machine, from the answer that gave it to the moment
//! before it asked to give it back. `BERTH_HISTORY_OPERATIONS` says how many bookings and releases; the suite runs a thousand.
//! Refused requests do not count.
//! `BERTH_HISTORY_KILL_SECONDS` says how long a server lives.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::harness::{ADMIN_PASSWORD, Client, Database, process::Setup, tick};

const CLIENTS: usize = 32;
/// Two for each client, so that some requests meet an empty pool.
const MACHINES: usize = 64;
/// A key, so that no time goes into hashing passwords.
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAII3M62TVm9uoxVy0ATXA0dbhRN1dZL2qJTFkYsD9HdNE test";

/// A stretch in which one client surely held a machine.
#[derive(Debug, Clone)]
struct Held {
    machine: String,
    reservation: String,
    from: Instant,
    to: Instant,
}

#[derive(Debug, Default)]
struct Witness {
    held: Mutex<Vec<Held>>,
    accepted: Mutex<Vec<String>>,
    operations: AtomicUsize,
    refused: AtomicUsize,
    broken: AtomicUsize,
}

fn setting(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().map_or(otherwise, |text| text.parse().expect(name))
}

/// A request that may meet a dead server, and waits for machines.
async fn send(client: &Client, method: Method, path: &str, body: Option<Value>) -> Option<(u16, Value)> {
    let request = client.request(method, path).header("prefer", "wait=20").timeout(Duration::from_secs(40));
    client.try_send(request, body).await
}

async fn client(number: usize, client: Client, witness: Arc<Witness>, enough: usize) {
    let mut turn = number;
    while witness.operations.load(Ordering::Relaxed) < enough {
        turn = turn.wrapping_mul(31).wrapping_add(7);
        let body = json!({ "count": 1 + turn % 3, "duration": 60, "ssh_public_key": KEY });
        let Some((status, view)) = send(&client, Method::POST, "/api/reservations", Some(body)).await else {
            witness.broken.fetch_add(1, Ordering::Relaxed);
            give_back_all(&client).await;
            continue;
        };
        let from = Instant::now();
        let id = view["id"].as_str().unwrap_or_default().to_owned();
        match status {
            201 | 202 => {
                witness.operations.fetch_add(1, Ordering::Relaxed);
                witness.accepted.lock().unwrap().push(id.clone());
            }
            // Too few machines, or the database was not there: nothing was accepted.
            409 | 503 => {
                witness.refused.fetch_add(1, Ordering::Relaxed);
                tick(Duration::from_millis(25)).await;
                continue;
            }
            other => panic!("booking answered {other}: {view:#}"),
        }
        let machines: Vec<String> = view["machines"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|place| place["state"] == "active")
            .map(|place| place["machine"].as_str().unwrap().to_owned())
            .collect();
        if turn.is_multiple_of(4) {
            tick(Duration::from_millis(20)).await;
        }
        let to = Instant::now();
        if view["state"] == "active" {
            let held = machines.into_iter().map(|machine| Held { machine, reservation: id.clone(), from, to });
            witness.held.lock().unwrap().extend(held);
        }
        give_back(&client, &id).await;
        witness.operations.fetch_add(1, Ordering::Relaxed);
    }
}

async fn give_back(client: &Client, id: &str) {
    loop {
        match send(client, Method::DELETE, &format!("/api/reservations/{id}"), None).await {
            Some((202, _)) => return,
            Some((503, _)) | None => tick(Duration::from_millis(50)).await,
            Some((status, body)) => panic!("release answered {status}: {body:#}"),
        }
    }
}

/// After a broken connection nobody knows whether the booking was made; a person would look.
async fn give_back_all(client: &Client) {
    loop {
        tick(Duration::from_millis(50)).await;
        if let Some((200, page)) = send(client, Method::GET, "/api/reservations?state=live", None).await {
            for reservation in page["items"].as_array().unwrap() {
                give_back(client, reservation["id"].as_str().unwrap()).await;
            }
            return;
        }
    }
}

/// At every look all machines must be in some state.
async fn count_machines(client: Client, stop: CancellationToken) -> usize {
    let mut samples = 0;
    while !stop.is_cancelled() {
        if let Some((200, view)) = send(&client, Method::GET, "/api/available", None).await {
            let sum: u64 = view["counts"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
            assert_eq!(sum, MACHINES as u64, "machines are missing: {view:#}");
            samples += 1;
        }
        tick(Duration::from_millis(200)).await;
    }
    samples
}

async fn sign_in(url: &str) -> Client {
    Client::new(url).signed_in("admin", ADMIN_PASSWORD).await
}

async fn prove(database: Database) {
    let folder = TempDir::new().unwrap();
    let setup = Setup::new(folder.path(), database.fresh(folder.path()).await)
        .with("BERTH_REMOTE", "fake")
        .with("BERTH_JOB_CLAIM_SECONDS", "3")
        .with("BERTH_REQUESTS_PER_SECOND", "1000000")
        .with("BERTH_REQUESTS_BURST", "1000000")
        .with("BERTH_LOGINS_PER_MINUTE", "100000")
        .with("BERTH_LOGINS_BURST", "100000")
        .with("JWT_EXPIRES_MINUTES", "600")
        .with("LOG_LEVEL", "error");
    let mut server = setup.server();
    let _scheduler = setup.scheduler();
    let url = setup.url();
    let admin = sign_in(&url).await;
    let yaml: String = std::iter::once("machines:\n".to_owned())
        .chain(
            (1..=MACHINES)
                .map(|n| format!("  - {{ name: m{n}, host: 192.0.2.{n}, port: 22, user: root, password: x }}\n")),
        )
        .collect();
    admin.post_yaml("/api/machines/import", &yaml).await.expect(200);
    until_ready(&admin).await;

    let mut people = Vec::new();
    for n in 0..CLIENTS {
        let body = json!({ "username": format!("user{n}"), "password": "a good password" });
        admin.post("/api/users", &body).await.expect(201);
        people.push(Client::new(&url).signed_in(&format!("user{n}"), "a good password").await);
    }

    let witness = Arc::new(Witness::default());
    let stop = CancellationToken::new();
    let counting = tokio::spawn(count_machines(admin.clone(), stop.clone()));
    let started = Instant::now();
    let enough = setting("BERTH_HISTORY_OPERATIONS", 1_000);
    let life = Duration::from_secs(setting("BERTH_HISTORY_KILL_SECONDS", 4) as u64);
    let clients: Vec<_> = people
        .into_iter()
        .enumerate()
        .map(|(n, person)| tokio::spawn(client(n, person, Arc::clone(&witness), enough)))
        .collect();
    let mut kills = 0;
    while witness.operations.load(Ordering::Relaxed) < enough {
        tick(life).await;
        server.kill();
        kills += 1;
        server = setup.server();
    }
    for client in clients {
        client.await.unwrap();
    }
    let took = started.elapsed();
    release_all(&admin).await;
    until_ready(&admin).await;
    stop.cancel();
    let samples = counting.await.unwrap();

    let overlaps = overlaps(&witness.held.lock().unwrap());
    assert!(overlaps.is_empty(), "machines were in two hands:\n{}", overlaps.join("\n"));
    let mut lost = Vec::new();
    let accepted = witness.accepted.lock().unwrap().clone();
    for id in &accepted {
        match send(&admin, Method::GET, &format!("/api/reservations/{id}"), None).await {
            Some((200, view)) if view["state"] == "closed" || view["state"] == "failed" => {}
            other => lost.push(format!("{id}: {other:?}")),
        }
    }
    assert!(lost.is_empty(), "accepted reservations were lost:\n{}", lost.join("\n"));
    println!(
        "{database:?}: {} operations in {:.0} s by {CLIENTS} clients, {} accepted, {} refused, {} cut off, {kills} kills, \
         {samples} counts: 0 overlaps, 0 lost",
        witness.operations.load(Ordering::Relaxed),
        took.as_secs_f64(),
        accepted.len(),
        witness.refused.load(Ordering::Relaxed),
        witness.broken.load(Ordering::Relaxed),
    );
}

async fn release_all(admin: &Client) {
    let view = admin.post("/api/release_all", &json!({})).await.expect(200);
    assert_eq!(view["failed"], 0, "{view:#}");
}

/// Waits until every machine is back in the pool.
async fn until_ready(admin: &Client) {
    let end = Instant::now() + Duration::from_mins(2);
    loop {
        let view = admin.get("/api/available").await.expect(200);
        if view["available"].as_array().unwrap().len() == MACHINES {
            return;
        }
        assert!(Instant::now() < end, "machines do not come back: {}", view["counts"]);
        tick(Duration::from_millis(200)).await;
    }
}

/// Pairs of stretches on one machine, of different reservations, that overlap.
fn overlaps(held: &[Held]) -> Vec<String> {
    let mut by_machine: BTreeMap<&str, Vec<&Held>> = BTreeMap::new();
    for stretch in held {
        by_machine.entry(&stretch.machine).or_default().push(stretch);
    }
    let mut found = Vec::new();
    for (machine, mut stretches) in by_machine {
        stretches.sort_by_key(|stretch| stretch.from);
        for pair in stretches.windows(2) {
            if pair[1].from < pair[0].to && pair[0].reservation != pair[1].reservation {
                found.push(format!("{machine}: {} and {}", pair[0].reservation, pair[1].reservation));
            }
        }
    }
    found
}

#[test]
fn the_checker_sees_an_overlap() {
    let now = Instant::now();
    let at = |seconds| now + Duration::from_secs(seconds);
    let held = |reservation: &str, from, to| Held {
        machine: "m1".to_owned(),
        reservation: reservation.to_owned(),
        from: at(from),
        to: at(to),
    };
    assert_eq!(overlaps(&[held("a", 0, 5), held("b", 5, 9)]).len(), 0);
    assert_eq!(overlaps(&[held("a", 0, 5), held("b", 4, 9)]), ["m1: a and b"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_machine_is_in_two_hands_and_no_booking_is_lost_sqlite() {
    prove(Database::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_machine_is_in_two_hands_and_no_booking_is_lost_mariadb() {
    prove(Database::MariaDb).await;
}
