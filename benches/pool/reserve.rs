//! Booking and giving back machines that exist in name only: what Berth itself takes, without any SSH.

use std::{
    fmt::Write,
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::task::JoinSet;

use super::{
    client::{Client, until},
    server::{Place, import, offers},
    table::{Table, Times, ms},
};

/// Enough that a pool being cleaned is no brake.
const MACHINES: usize = 1000;
const CLIENTS: [usize; 3] = [1, 8, 32];
/// How long one figure is measured.
const TIME: Duration = Duration::from_secs(5);
/// A key, so that no time goes into hashing passwords.
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAII3M62TVm9uoxVy0ATXA0dbhRN1dZL2qJTFkYsD9HdNE bench";

/// What a client does over and over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Habit {
    /// Book, wait until the accounts exist, give back.
    Wait,
    /// Book, give back at once.
    Accept,
}

pub async fn measure(table: &mut Table, place: &Place) {
    let server = place.server(&[]).await;
    let mut admin = server.admin().await;
    import(&mut admin, 0, MACHINES).await;
    let patience = Duration::from_mins(1);
    let ready = until(&mut admin, "/api/available", patience, offers(MACHINES)).await;
    assert!(ready.is_some(), "the machines do not get ready:\n{}", server.log());
    let mut people = server.people(CLIENTS[CLIENTS.len() - 1]).await;
    for habit in [Habit::Accept, Habit::Wait] {
        for count in CLIENTS {
            let mut running = JoinSet::new();
            let began = Instant::now();
            for client in people.drain(..count) {
                running.spawn(work(client, habit, began + TIME));
            }
            let mut times = Vec::new();
            let mut refused = 0;
            for (client, own, own_refused) in running.join_all().await {
                people.push(client);
                times.extend(own);
                refused += own_refused;
            }
            show(table, place, habit, count, began.elapsed(), &Times::new(times), refused);
            if until(&mut admin, "/api/available", patience, offers(MACHINES)).await.is_none() {
                eprintln!("the machines did not come back in {} s; what follows has fewer", patience.as_secs());
            }
        }
    }
}

async fn work(mut client: Client, habit: Habit, end: Instant) -> (Client, Vec<Duration>, usize) {
    let body = json!({ "count": 1, "duration": 60, "ssh_public_key": KEY });
    let headers = if habit == Habit::Wait { "prefer: wait=10\r\n" } else { "" };
    let (mut times, mut refused) = (Vec::new(), 0);
    while Instant::now() < end {
        let began = Instant::now();
        let booked = client.post("/api/reservations", headers, &body).await;
        if booked.status == 409 {
            refused += 1;
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        }
        let view = booked.expect(if habit == Habit::Wait { 201 } else { 202 });
        let path = format!("/api/reservations/{}", view["id"].as_str().unwrap());
        client.delete(&path).await.expect(202);
        times.push(began.elapsed());
    }
    (client, times, refused)
}

fn show(table: &mut Table, place: &Place, habit: Habit, count: usize, took: Duration, times: &Times, refused: usize) {
    let what = match habit {
        Habit::Wait => "reserve until active, release",
        Habit::Accept => "reserve (accepted), release",
    };
    let clients = if count == 1 { "1 client".to_owned() } else { format!("{count} clients") };
    #[allow(clippy::cast_precision_loss, reason = "counts are small")]
    let rate = times.len() as f64 / took.as_secs_f64();
    let mut figure = format!("{rate:.0} /s, p50 {}, p99 {}", ms(times.median()), ms(times.percentile(99)));
    if 0 < refused {
        let _ = write!(figure, ", {refused} refused for want of machines");
    }
    let target = if count == 32 { "200 /s, p99 100 ms" } else { "" };
    table.row(place.name, format!("{what}, {clients}"), figure, target);
}
