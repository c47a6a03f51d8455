//! Everything at once for a long time: people, screens, a script, and one thing in twenty goes wrong.
//!
//! `BERTH_SOAK_SECONDS` says how long (the suite: a few seconds), `BERTH_SOAK_SEED` repeats what was chosen. Whatever
//! goes wrong, no machine has two holders, none is offered dirty, nothing accepted is lost, no answer is a 500, and the
//! server holds no more memory and files at the end than in the middle.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Row};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::harness::{
    ADMIN_PASSWORD, Client, Database,
    machines::{Machine, machines},
    pool::{Dice, number, send, states, watch},
    process::{Holds, Setup},
    tick, until,
};

const MACHINES: usize = 6;
const PEOPLE: usize = 4;
/// How long all may take to be well again.
const PATIENCE: Duration = Duration::from_mins(5);
/// One action in so many is a fault.
const FAULTS: u64 = 20;
/// What people who read do; booking has people of its own.
const PAGES: [&str; 12] = [
    "/",
    "/api/about",
    "/api/available",
    "/api/machines?limit=50",
    "/api/reservations?limit=20",
    "/api/runs?limit=20",
    "/api/history?limit=50",
    "/api/notifications",
    "/api/me",
    "/api/me/sessions",
    "/api/pools",
    "/api/openapi.json",
];

/// What was done, and what was answered, by name.
#[derive(Debug, Default)]
struct Book {
    actions: BTreeMap<&'static str, u64>,
    statuses: BTreeMap<u16, u64>,
    /// Answers that no fault excuses.
    wrong: Vec<String>,
    accepted: Vec<String>,
}

#[derive(Clone)]
struct Scene {
    book: Arc<Mutex<Book>>,
    stop: CancellationToken,
}

impl Scene {
    fn count(&self, what: &'static str) {
        *self.book.lock().unwrap().actions.entry(what).or_default() += 1;
    }

    /// Sends, and judges the answer: a fault may cost one with 503, never one with 500.
    async fn ask(&self, who: &Client, method: Method, path: &str, body: Option<Value>) -> Option<(u16, Value)> {
        let what = format!("{method} {path}");
        let answer = send(who, method, path, body).await;
        let mut book = self.book.lock().unwrap();
        match &answer {
            Some((status, view)) => {
                *book.statuses.entry(*status).or_default() += 1;
                if *status == 500 || *status == 401 || 503 < *status {
                    book.wrong.push(format!("{what}: {status} {view}"));
                }
            }
            None => book.wrong.push(format!("{what}: no answer")),
        }
        drop(book);
        answer
    }
}

/// Books, uses, extends, gives back.
async fn books(scene: Scene, who: Client, mut dice: Dice) {
    while !scene.stop.is_cancelled() {
        let mut body = json!({ "count": 1 + dice.below(2), "duration": 10, "wait": dice.below(4) == 0 });
        body["reservation_password"] = json!("test");
        scene.count("book");
        let Some((status, view)) = scene.ask(&who, Method::POST, "/api/reservations", Some(body)).await else {
            continue;
        };
        if !(200..300).contains(&status) {
            tick(Duration::from_millis(200)).await;
            continue;
        }
        let id = view["id"].as_str().unwrap().to_owned();
        let path = format!("/api/reservations/{id}");
        scene.book.lock().unwrap().accepted.push(id);
        for _ in 0..50 {
            let state = scene.ask(&who, Method::GET, &path, None).await.map(|(_, view)| view["state"].clone());
            if state.is_none_or(|state| state == "active" || state == "failed" || state == "closed") {
                break;
            }
            tick(Duration::from_millis(200)).await;
        }
        if dice.below(2) == 0 {
            scene.count("extend");
            let body = json!({ "duration": "5m" });
            scene.ask(&who, Method::POST, &format!("{path}/extend"), Some(body)).await;
        }
        if dice.below(3) == 0 {
            scene.count("read a run's log");
            let runs = scene.ask(&who, Method::GET, &format!("/api/runs?reservation={}", &path[18..]), None).await;
            if let Some(run) = runs.and_then(|(_, page)| page["items"][0]["id"].as_str().map(str::to_owned)) {
                scene.ask(&who, Method::GET, &format!("/api/runs/{run}/events?after=0"), None).await;
            }
        }
        scene.count("give back");
        // A release that a fault cost is asked for again.
        while scene.ask(&who, Method::DELETE, &path, None).await.is_none_or(|(status, _)| status == 503) {
            tick(Duration::from_millis(200)).await;
        }
    }
}

/// Looks at pages, follows events, signs in and out.
async fn reads(scene: Scene, who: Client, name: String, mut dice: Dice) {
    while !scene.stop.is_cancelled() {
        match dice.below(10) {
            0 => {
                scene.count("sign in and out");
                let body = json!({ "username": name, "password": "a good password" });
                scene.ask(&who, Method::POST, "/api/login", Some(body)).await;
            }
            1 | 2 => {
                scene.count("follow events");
                let Ok(answer) = who.request(Method::GET, "/api/events").send().await else { continue };
                let mut events = answer.bytes_stream();
                let while_open = async { while events.next().await.is_some_and(|piece| piece.is_ok()) {} };
                let _ = tokio::time::timeout(Duration::from_millis(200 + dice.below(2000)), while_open).await;
            }
            3 => {
                scene.count("try an import");
                let yaml = "machines:\n  - {name: other, host: 192.0.2.1, user: root, password: x}\n";
                let request = who.request(Method::POST, "/api/machines/import?dry_run=1");
                let _ = request.header("content-type", "application/yaml").body(yaml).send().await;
            }
            _ => {
                scene.count("look at a page");
                let page = PAGES[usize::try_from(dice.below(PAGES.len() as u64)).unwrap()];
                scene.ask(&who, Method::GET, page, None).await;
            }
        }
        tick(Duration::from_millis(dice.below(40))).await;
    }
}

/// What breaks, besides the scheduler.
async fn breaks(scene: &Scene, dice: &mut Dice, who: &Client, pool: &[Machine], database: &str) {
    match dice.below(4) {
        0 => {
            scene.count("fault: the client hangs up");
            let body = json!({ "username": "user0", "password": "a good password" });
            let request = who.request(Method::POST, "/api/login").timeout(Duration::from_millis(1 + dice.below(30)));
            let _ = request.json(&body).send().await;
        }
        1 => {
            scene.count("fault: nonsense");
            let nonsense = ["{", "{\"count\":-1}", "{\"count\":1e9,\"duration\":\"x\"}", "[[[[[[[[", "\u{0}"];
            let text = nonsense[usize::try_from(dice.below(nonsense.len() as u64)).unwrap()];
            let request = who.request(Method::POST, "/api/reservations").header("content-type", "application/json");
            if let Ok(answer) = request.body(text).send().await {
                let status = answer.status().as_u16();
                if !(400..500).contains(&status) && status != 503 {
                    scene.book.lock().unwrap().wrong.push(format!("`{text}` was answered {status}"));
                }
            }
        }
        2 => {
            scene.count("fault: a database connection is cut");
            cut_connection(database, dice).await;
        }
        _ => {
            scene.count("fault: a machine loses power");
            let machine = &pool[usize::try_from(dice.below(pool.len() as u64)).unwrap()];
            machine.stop().await;
            tick(Duration::from_millis(500)).await;
            machine.start().await;
        }
    }
}

/// Ends one of Berth's connections, whatever it is in the middle of.
async fn cut_connection(database: &str, dice: &mut Dice) {
    let mut conn = AnyConnection::connect(database).await.unwrap();
    let text = "select id from information_schema.processlist where id <> connection_id() and user = 'root'";
    let rows = sqlx::query(text).fetch_all(&mut conn).await.unwrap();
    if !rows.is_empty() {
        let id: i64 = rows[usize::try_from(dice.below(rows.len() as u64)).unwrap()].get(0);
        // It may be gone already.
        let _ = sqlx::raw_sql(AssertSqlSafe(format!("kill {id}"))).execute(&mut conn).await;
    }
    conn.close().await.unwrap();
}

/// No machine stands in two live reservations; returns how many were looked at.
fn one_holder_each(page: &Value) -> usize {
    let mut holders: HashMap<&str, &str> = HashMap::new();
    for reservation in page["items"].as_array().unwrap() {
        let id = reservation["id"].as_str().unwrap();
        for place in reservation["machines"].as_array().unwrap() {
            let over = ["closed", "failed", "replaced", "clean"].iter().any(|state| place["state"] == *state);
            if let (Some(name), false) = (place["machine"].as_str(), over) {
                let other = holders.insert(name, id);
                assert!(other.is_none_or(|other| other == id), "`{name}` is held by {other:?} and {id}: {page:#}");
            }
        }
    }
    holders.len()
}

/// The middle value of each.
fn median(all: &[Holds]) -> Holds {
    let middle = |value: fn(&Holds) -> u64| {
        let mut values: Vec<u64> = all.iter().map(value).collect();
        values.sort_unstable();
        values[values.len() / 2]
    };
    Holds { rss: middle(|holds| holds.rss), files: middle(|holds| holds.files) }
}

async fn all_at_once(seconds: u64, seed: u64) -> String {
    let folder = TempDir::new().unwrap();
    let pool = machines(MACHINES).await;
    let database = Database::MariaDb.fresh(folder.path()).await;
    let setup = Setup::new(folder.path(), database.clone())
        .with("BERTH_JOB_CLAIM_SECONDS", "3")
        .with("BERTH_SCHEDULE_CLEAN_RETRY", "*/2 * * * * *")
        .with("BERTH_REQUESTS_PER_SECOND", "100000")
        .with("BERTH_REQUESTS_BURST", "100000")
        .with("BERTH_LOGINS_PER_MINUTE", "100000")
        .with("BERTH_LOGINS_BURST", "100000")
        .with("JWT_EXPIRES_MINUTES", "600")
        .with("LOG_LEVEL", "warn");
    let server = setup.server();
    let mut scheduler = setup.scheduler();
    let admin = Client::new(&setup.url()).signed_in("admin", ADMIN_PASSWORD).await;
    admin.post_yaml("/api/machines/import?wait=60", &pool.inventory()).await.expect(200);
    let all_ready = async || {
        states(&admin).await.filter(|all| all.len() == MACHINES && all.iter().all(|machine| machine.1 == "ready"))
    };
    until("a pool of ready machines", all_ready).await;
    let before: Vec<String> = pool.all.iter().map(Machine::left_behind).collect();

    let scene = Scene { book: Arc::default(), stop: CancellationToken::new() };
    let watching = tokio::spawn(watch(admin.clone(), pool.all.clone(), scene.stop.clone()));
    let mut busy = tokio::task::JoinSet::new();
    for n in 0..PEOPLE {
        let name = format!("user{n}");
        admin.post("/api/users", &json!({ "username": name, "password": "a good password" })).await.expect(201);
        let who = Client::new(&setup.url()).signed_in(&name, "a good password").await;
        let dice = |other: u64| Dice(seed.wrapping_mul(2 * n as u64 + other) | 1);
        busy.spawn(books(scene.clone(), who.clone(), dice(11)));
        busy.spawn(reads(scene.clone(), who, name, dice(12)));
    }

    // A twentieth of what is done: the faults, the admin who looks after the machines, and the figures.
    let (mut dice, mut samples) = (Dice(seed | 1), Vec::<Holds>::new());
    let began = Instant::now();
    let (mut faults, mut holders) = (0, 0);
    while began.elapsed().as_secs() < seconds {
        let done: u64 = scene.book.lock().unwrap().actions.values().sum();
        if faults * FAULTS <= done {
            faults += 1;
            if dice.below(8) == 0 {
                scene.count("fault: the scheduler is killed");
                scheduler.kill();
                scheduler = setup.scheduler();
            } else {
                breaks(&scene, &mut dice, &admin, &pool.all, &database).await;
            }
        }
        if let Some((200, page)) = send(&admin, Method::GET, "/api/reservations?state=live&all=1&limit=100", None).await
        {
            holders += one_holder_each(&page);
        }
        for machine in states(&admin).await.unwrap_or_default().iter().filter(|machine| machine.1 == "quarantined") {
            send(&admin, Method::POST, &format!("/api/machines/{}/release", machine.0), Some(json!({}))).await;
        }
        samples.push(server.holds());
        tick(Duration::from_millis(100)).await;
    }
    let took = began.elapsed();
    scene.stop.cancel();
    busy.join_all().await;
    let looks = watching.await.unwrap();

    // All comes to rest. Machines that lost power are tried again with pauses, unless the admin asks at once.
    let end = Instant::now() + PATIENCE;
    loop {
        let all = states(&admin).await.unwrap_or_default();
        for machine in all.iter().filter(|machine| machine.1 == "quarantined") {
            send(&admin, Method::POST, &format!("/api/machines/{}/release", machine.0), Some(json!({}))).await;
        }
        let live = send(&admin, Method::GET, "/api/reservations?state=live&all=1", None).await;
        let is_over = live.as_ref().is_some_and(|(_, page)| page["items"].as_array().is_some_and(Vec::is_empty));
        if is_over && all.len() == MACHINES && all.iter().all(|machine| machine.1 == "ready") {
            break;
        }
        assert!(
            Instant::now() < end,
            "it does not come to rest: {all:#?}\n{live:#?}\n{}\n--- scheduler\n{}",
            server.tail(),
            scheduler.tail()
        );
        tick(Duration::from_millis(500)).await;
    }
    for (machine, before) in pool.all.iter().zip(&before) {
        assert_eq!(&machine.left_behind(), before, "`{}` is not as it was", machine.name);
    }
    let book = std::mem::take(&mut *scene.book.lock().unwrap());
    for id in &book.accepted {
        let view = admin.get(&format!("/api/reservations/{id}")).await.expect(200);
        assert!(view["state"] == "closed" || view["state"] == "failed", "{view:#}");
    }
    assert!(book.wrong.is_empty(), "{:#?}\n{}", book.wrong, server.tail());
    assert!(!book.accepted.is_empty(), "nothing was booked: {book:#?}");

    let mut report = format!("{:.0} s, seed {seed}\n", took.as_secs_f64());
    let done: u64 = book.actions.values().sum();
    for (what, times) in &book.actions {
        let _ = writeln!(report, "  {times:>7}  {what}");
    }
    let _ = writeln!(report, "  {done:>7}  together, {faults} of them faults; answers by status: {:?}", book.statuses);
    let _ = writeln!(
        report,
        "  {} reservations accepted, 0 lost; {holders} holders looked at, 0 twice; {looks} looks at ready machines, 0 dirty",
        book.accepted.len()
    );
    let third = samples.len() / 3;
    let (middle, end) = (median(&samples[third..2 * third]), median(&samples[2 * third..]));
    let _ = writeln!(
        report,
        "  server, median of the middle and the last third: {} and {} KiB, {} and {} files",
        middle.rss, end.rss, middle.files, end.files
    );
    // Shorter, it is still warming up.
    if 300 <= seconds {
        assert!(end.rss <= middle.rss + middle.rss / 10, "memory grows\n{report}");
        assert!(end.files <= middle.files + 10, "files are left open\n{report}");
    }
    report
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_screens_scripts_and_faults_at_once_break_nothing() {
    let seconds = number("BERTH_SOAK_SECONDS", 15);
    let seed = number("BERTH_SOAK_SEED", u64::from(std::process::id()) * 2_654_435_761 + 1);
    println!("BERTH_SOAK_SECONDS={seconds} BERTH_SOAK_SEED={seed}");
    println!("{}", all_at_once(seconds, seed).await);
}
