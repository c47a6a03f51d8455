//! Server and scheduler are killed at random moments while accounts are made and taken back on real machines.
//!
//! `BERTH_KILLS` says how many rounds, each with one kill; the suite runs a few. `BERTH_KILLS_SEED` repeats a run.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::harness::{
    ADMIN_PASSWORD, Client, Database,
    machines::{Machine, machines},
    pool::{Dice, give_back_all, number, send, states, watch},
    process::{Process, Setup},
    tick,
};

const MACHINES: usize = 5;
const PEOPLE: usize = 3;
/// How long all may take to be well again.
const PATIENCE: Duration = Duration::from_mins(4);

/// The programs, each of which may be dead.
struct Programs {
    setup: Setup,
    server: Process,
    scheduler: Process,
}

impl Programs {
    fn start(setup: Setup) -> Self {
        let server = setup.server();
        let scheduler = setup.scheduler();
        Self { setup, server, scheduler }
    }

    /// Kills one of them or both, and starts them again.
    fn kill(&mut self, victim: u64) {
        let (server, scheduler) = (victim != 1, victim != 0);
        if server {
            self.server.kill();
        }
        if scheduler {
            self.scheduler.kill();
        }
        if server {
            self.server = self.setup.server();
        }
        if scheduler {
            self.scheduler = self.setup.scheduler();
        }
    }
}

async fn until<F: Future<Output = bool>>(what: &str, programs: &Programs, holds: impl Fn() -> F) {
    let end = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(
            Instant::now() < end,
            "{what} does not come\n{}\n--- scheduler\n{}",
            programs.server.tail(),
            programs.scheduler.tail()
        );
        tick(Duration::from_millis(200)).await;
    }
}

fn setup(folder: &TempDir, database: String) -> Setup {
    Setup::new(folder.path(), database)
        .with("BERTH_JOB_CLAIM_SECONDS", "3")
        .with("BERTH_SCHEDULE_CLEAN_RETRY", "*/2 * * * * *")
        .with("BERTH_REQUESTS_PER_SECOND", "100000")
        .with("BERTH_REQUESTS_BURST", "100000")
        .with("BERTH_LOGINS_PER_MINUTE", "100000")
        .with("BERTH_LOGINS_BURST", "100000")
        .with("JWT_EXPIRES_MINUTES", "600")
        .with("LOG_LEVEL", "warn")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_at_any_moment_leave_no_account_behind_and_lose_nothing() {
    let rounds = number("BERTH_KILLS", 6);
    let clock = std::process::id();
    let seed = number("BERTH_KILLS_SEED", u64::from(clock) * 2_654_435_761 + 1);
    println!("BERTH_KILLS={rounds} BERTH_KILLS_SEED={seed}");
    let mut dice = Dice(seed);
    let folder = TempDir::new().unwrap();
    let pool = machines(MACHINES).await;
    let mut programs = Programs::start(setup(&folder, Database::Sqlite.fresh(folder.path()).await));
    let url = programs.setup.url();
    let admin = Client::new(&url).signed_in("admin", ADMIN_PASSWORD).await;
    let done = admin.post_yaml("/api/machines/import?wait=60", &pool.inventory()).await.expect(200);
    assert_eq!(done["summary"]["failed"], 0, "{done:#}");
    let all_ready = || async {
        states(&admin).await.is_some_and(|all| all.len() == MACHINES && all.iter().all(|machine| machine.1 == "ready"))
    };
    until("a pool of ready machines", &programs, all_ready).await;
    let before: Vec<String> = pool.all.iter().map(Machine::left_behind).collect();
    let mut people = Vec::new();
    for n in 0..PEOPLE {
        let body = json!({ "username": format!("user{n}"), "password": "a good password" });
        admin.post("/api/users", &body).await.expect(201);
        people.push(Client::new(&url).signed_in(&format!("user{n}"), "a good password").await);
    }

    let stop = CancellationToken::new();
    let watching = tokio::spawn(watch(admin.clone(), pool.all.clone(), stop.clone()));
    let started = Instant::now();
    let (mut accepted, mut active) = (Vec::new(), 0);
    for round in 1..=rounds {
        let person = people[usize::try_from(dice.below(PEOPLE as u64)).unwrap()].clone();
        let (victim, moment, releasing) = (dice.below(3), dice.moment(), dice.below(2) == 0);
        let most = usize::try_from(2 + dice.below(MACHINES as u64 - 1)).unwrap();
        until("a pool of two machines", &programs, || async {
            states(&admin).await.is_some_and(|all| 2 <= all.iter().filter(|machine| machine.1 == "ready").count())
        })
        .await;
        let free = states(&admin).await.map_or(0, |all| all.iter().filter(|machine| machine.1 == "ready").count());
        let mut body = json!({ "count": most.min(free), "duration": 60 });
        if dice.below(2) == 0 {
            body["reservation_password"] = json!("test");
        }
        let guest = person.clone();
        let booking = tokio::spawn(async move { send(&guest, Method::POST, "/api/reservations", Some(body)).await });
        if !releasing {
            tick(moment).await;
            programs.kill(victim);
        }
        let booked = booking.await.unwrap();
        let id = booked.as_ref().map(|(_, view)| view["id"].as_str().unwrap_or_default().to_owned());
        match &booked {
            Some((201 | 202, _)) => accepted.push(id.clone().unwrap()),
            Some((409 | 503, _)) | None => {}
            Some((status, view)) => panic!("booking answered {status}: {view:#}"),
        }
        if let (Some(id), Some((201 | 202, _))) = (id, booked) {
            let path = format!("/api/reservations/{id}");
            until("the end of provisioning", &programs, || async {
                let view = send(&person, Method::GET, &path, None).await;
                view.is_some_and(|(_, view)| view["state"] == "active" || view["state"] == "failed")
            })
            .await;
            let (_, view) = send(&person, Method::GET, &path, None).await.unwrap();
            active += usize::from(view["state"] == "active");
        }
        if releasing {
            give_back_all(&person).await;
            tick(moment).await;
            programs.kill(victim);
        } else {
            until("the release", &programs, || async { give_back_all(&person).await.is_some() }).await;
        }
        println!(
            "round {round}: {} after {} ms of {}",
            ["server", "scheduler", "both"][usize::try_from(victim).unwrap()],
            moment.as_millis(),
            if releasing { "taking back" } else { "booking" }
        );
    }
    let took = started.elapsed();
    let end = admin.post("/api/release_all", &json!({})).await.expect(200);
    assert_eq!(end["failed"], 0, "{end:#}");
    until("a state that needs no more work", &programs, || async {
        let settled = |machine: &(String, String, String, String)| {
            machine.1 == "ready" || (machine.1 == "quarantined" && !machine.3.is_empty())
        };
        let open = send(&admin, Method::GET, "/api/reservations?state=live&all=1", None).await;
        states(&admin).await.is_some_and(|all| all.len() == MACHINES && all.iter().all(settled))
            && open.is_some_and(|(_, page)| page["items"].as_array().is_some_and(Vec::is_empty))
    })
    .await;
    stop.cancel();
    let looks = watching.await.unwrap();

    for (machine, before) in pool.all.iter().zip(&before) {
        assert_eq!(&machine.left_behind(), before, "`{}` is not as it was", machine.name);
    }
    for id in &accepted {
        let view = admin.get(&format!("/api/reservations/{id}")).await.expect(200);
        assert!(view["state"] == "closed" || view["state"] == "failed", "{view:#}");
    }
    let end = states(&admin).await.unwrap();
    let aside: Vec<_> = end.iter().filter(|machine| machine.1 != "ready").collect();
    println!(
        "{rounds} kills in {:.0} s: {} accepted, {active} of them active, 0 lost; {} machines ready, {} set aside {aside:?}; \
         {looks} looks at ready machines: 0 accounts; at the end 0 accounts, processes, files, crontabs",
        took.as_secs_f64(),
        accepted.len(),
        MACHINES - aside.len(),
        aside.len(),
    );
}
