//! Every alert is fired once by what it is for, on the real programs with a real Prometheus, and is over afterwards.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::TcpStream,
    time::Duration,
};

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Executor};
use tempfile::TempDir;

use berth::{
    clock::{Clock, rfc3339},
    telemetry,
};

use super::{expressions, prometheus::Prometheus, promql, rules};
use crate::harness::{
    ADMIN_PASSWORD, Client,
    machines::{Machine, machines},
    mariadb::{MariaDb, free_port},
    process::{Process, Setup},
    tick, until,
};

async fn sql(url: &str, text: &str) {
    sqlx::any::install_default_drivers();
    let mut conn = AnyConnection::connect(url).await.unwrap();
    conn.execute(AssertSqlSafe(text.to_owned())).await.unwrap_or_else(|error| panic!("{text}: {error}"));
    conn.close().await.unwrap();
}

/// Somebody else who holds something in the database until dropped.
async fn hold(url: &str, text: &str) -> AnyConnection {
    sqlx::any::install_default_drivers();
    let mut conn = AnyConnection::connect(url).await.unwrap();
    conn.execute(AssertSqlSafe(text.to_owned())).await.unwrap();
    conn
}

async fn scraped(port: u16) -> String {
    Client::new(&format!("http://127.0.0.1:{port}")).get("/metrics").await.text
}

/// What the programs say, by metric: the labels seen. Of histograms the parts.
fn said(text: &str, into: &mut BTreeMap<String, BTreeSet<String>>) {
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let name: String = line.chars().take_while(|c| *c != '{' && *c != ' ').collect();
        let labels = into.entry(name.clone()).or_default();
        for selector in promql::selectors(line.rsplit_once(' ').map_or(line, |(start, _)| start)) {
            labels.extend(selector.labels);
        }
    }
}

/// With a real machine and a database server: what happens when either goes away, when processes end, and when work is left.
struct Pool {
    setup: Setup,
    database: MariaDb,
    url: String,
    admin: Client,
    quay: Machine,
    server: Process,
}

impl Pool {
    async fn ready(&self) {
        until("a ready machine", async || {
            let view = self.admin.get("/api/machines/quay-1").await;
            if view.status == 200 && view.json()["state"] == "quarantined" {
                // It would come back by itself, later.
                self.admin.post("/api/machines/quay-1/release", &json!({})).await;
            }
            (view.status == 200 && view.json()["state"] == "ready").then_some(())
        })
        .await;
    }

    async fn book(&self) -> String {
        let body = json!({ "count": 1, "duration": 60, "reservation_password": "test" });
        self.admin.post("/api/reservations", &body).await.expect(202)["id"].as_str().unwrap().to_owned()
    }

    async fn machine_goes_away(&self, prometheus: &Prometheus) {
        self.quay.stop().await;
        self.book().await;
        prometheus
            .fires(&[
                "BerthReservationsFail",
                "BerthCleaningFails",
                "BerthJobsFail",
                "BerthQuarantine",
                "BerthNoMachineReady",
            ])
            .await;
        // Each try to clean it begins a new age.
        let grows_old = async {
            for _ in 0..100 {
                sql(&self.url, "update machine set state_since = state_since - 172800000").await;
                tick(Duration::from_secs(1)).await;
            }
        };
        tokio::select! {
            () = prometheus.fires(&["BerthQuarantineOld"]) => {}
            () = grows_old => {}
        }
        self.quay.start().await;
        self.ready().await;
    }

    /// A worker that hangs holds its claim while the reservation ends.
    async fn revocation_is_late(&self, prometheus: &Prometheus) {
        let id = self.book().await;
        let path = format!("/api/reservations/{id}");
        until("`active`", async || (self.admin.get(&path).await.json()["state"] == "active").then_some(())).await;
        let ever = "claimed_by = 'hangs', claimed_until = 9000000000000000";
        sql(&self.url, &format!("update job set {ever}, run_at = run_at - 7200000 where subject = '{id}'")).await;
        sql(&self.url, &format!("update lease set expires_at = expires_at - 7200000 where id = '{id}'")).await;
        prometheus.fires(&["BerthRevocationLate"]).await;
        sql(&self.url, &format!("update job set claimed_until = 0 where subject = '{id}'")).await;
        prometheus.fires(&["BerthRevocationWasLate"]).await;
        self.ready().await;
    }

    /// A job of a kind that only a newer Berth knows.
    async fn job_is_overdue(&self, prometheus: &Prometheus) {
        let values = "('future', 'future.kind', 'x', 1, 1000, 0, 1000)";
        let text =
            format!("insert into job (id, kind, subject, generation, run_at, attempts, created_at) values {values}");
        sql(&self.url, &text).await;
        prometheus.fires(&["BerthJobsOverdue"]).await;
        sql(&self.url, "delete from job where id = 'future'").await;
    }

    /// Somebody else holds a table, and everybody who looks at his sessions waits with a connection of his own.
    async fn connections_run_out(&self, prometheus: &Prometheus) {
        let held = hold(&self.url, "lock tables session write").await;
        let look = || self.admin.try_send(self.admin.request(Method::GET, "/api/me/sessions"), None);
        let people = futures_util::future::join_all((0..20).map(|_| look()));
        tokio::join!(people, async {
            prometheus.fires(&["BerthDatabasePoolExhausted"]).await;
            held.close().await.unwrap();
        });
    }

    async fn database_goes_away(mut self, prometheus: &Prometheus) -> Self {
        self.database.kill();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let admin = self.admin.clone();
        let asking = tokio::spawn(async move {
            tokio::pin!(stopped);
            loop {
                tokio::select! {
                    _ = &mut stopped => return,
                    _ = admin.get("/api/me") => {}
                }
            }
        });
        prometheus.fires(&["BerthDatabaseDown", "BerthErrors"]).await;
        drop(stop);
        asking.await.unwrap();
        tokio::task::spawn_blocking(move || {
            self.database.restart();
            self
        })
        .await
        .unwrap()
    }

    async fn server_ends(&mut self, prometheus: &Prometheus) {
        self.server.kill();
        prometheus.fires(&["BerthDown"]).await;
        let setup = self.setup.clone();
        for _ in 0..4 {
            self.server.kill();
            self.server = setup.server();
            tick(Duration::from_millis(2500)).await;
        }
        prometheus.fires(&["BerthRestarts"]).await;
    }
}

async fn with_a_pool(prometheus: &Prometheus, mut pool: Pool, mut scheduler: Process) -> (Pool, Process) {
    scheduler.kill();
    // Nobody can write a sign of life any more; half a minute later all count as gone.
    let held = hold(&pool.url, "lock tables heartbeat read").await;
    tokio::join!(
        async {
            prometheus.fires(&["BerthSchedulerDown", "BerthNoJobRunner"]).await;
            held.close().await.unwrap();
        },
        async {
            pool.machine_goes_away(prometheus).await;
            pool.revocation_is_late(prometheus).await;
            pool.job_is_overdue(prometheus).await;
        }
    );
    pool.connections_run_out(prometheus).await;
    pool = pool.database_goes_away(prometheus).await;
    pool.server_ends(prometheus).await;
    let scheduler = pool.setup.scheduler();
    (pool, scheduler)
}

/// With the embedded database on a small disk of its own, and few files: what people and disks do.
async fn with_a_small_disk(prometheus: &Prometheus, setup: &Setup, server: &Process) {
    let url = setup.url();
    let inside = format!("/proc/{}/root{}", server.id(), setup.folder.join("data").display());
    let room = format!("{inside}/room");
    fs::write(&room, vec![0_u8; 15 << 20]).unwrap();
    let connections: Vec<TcpStream> =
        (0..100).map(|_| TcpStream::connect(("127.0.0.1", setup.port)).unwrap()).collect();
    let stranger = Client::new(&url);
    let mut login = stranger.post("/api/login", &json!({ "username": "admin", "password": ADMIN_PASSWORD })).await;
    login.expect(200);
    // A cookie that was copied is used after its owner has gone on.
    let cookie = |answer: &crate::harness::Answer| {
        answer.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned()
    };
    let refresh = async |cookie: &str| {
        stranger.send(stranger.request(Method::POST, "/api/refresh").header("cookie", cookie)).await
    };
    let copied = cookie(&login);
    for _ in 0..2 {
        login = refresh(&cookie(&login)).await;
        login.expect(200);
    }
    refresh(&copied).await.expect(401);
    for n in 0..25 {
        let body = json!({ "username": format!("guess{n}"), "password": "guess" });
        assert!(stranger.post("/api/login", &body).await.status.is_client_error());
    }
    // Debug builds refuse to count beyond the last number: a row that a hand in the database broke is a panic.
    let admin = Client::new(&url).signed_in("admin", ADMIN_PASSWORD).await;
    let tomorrow = rfc3339(Clock::default().now() + 86_400_000);
    let body = json!({ "count": 1, "duration": 10, "reservation_password": "test", "starts_at": tomorrow });
    let id = admin.post("/api/reservations", &body).await.expect(202)["id"].as_str().unwrap().to_owned();
    sql(&setup.database, &format!("update lease set expires_at = -9223372036854775808 where id = '{id}'")).await;
    admin.get(&format!("/api/reservations/{id}")).await.expect(500);
    sql(&setup.database, &format!("update lease set expires_at = 4102444800000 where id = '{id}'")).await;
    prometheus
        .fires(&["BerthDiskFull", "BerthFilesExhausted", "BerthTokenReuse", "BerthLoginsFail", "BerthPanics"])
        .await;
    admin.delete(&format!("/api/reservations/{id}")).await;
    drop(connections);
    fs::remove_file(&room).unwrap();
    // Somebody writes and does not come to an end: whoever wants to write waits.
    let held = hold(&setup.database, "begin immediate").await;
    let writes = futures_util::future::join_all((0..5).map(|n| {
        let (admin, body) = (admin.clone(), json!({ "name": format!("script{n}") }));
        async move { admin.post("/api/me/tokens", &body).await.status }
    }));
    tokio::join!(writes, async {
        tick(Duration::from_secs(4)).await;
        held.close().await.unwrap();
    });
    prometheus.fires(&["BerthSlow"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_alert_is_fired_by_its_cause() {
    let (database, quays) =
        tokio::join!(async { tokio::task::spawn_blocking(MariaDb::start).await.unwrap() }, machines(1));
    let (first, second) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let [server_port, scheduler_port, small_port] = [free_port(), free_port(), free_port()];
    let at = |port: u16| format!("127.0.0.1:{port}");
    let url = database.fresh().await;
    let setup = Setup::new(first.path(), url.clone())
        .with("BERTH_METRICS_LISTEN", &at(server_port))
        .with("BERTH_SCHEDULER_METRICS_LISTEN", &at(scheduler_port))
        .with("BERTH_CONNECT_TIMEOUT_SECONDS", "4")
        .with("BERTH_SCHEDULE_CLEAN_RETRY", "* * * * * *");
    let small = Setup::new(second.path(), format!("sqlite:{}/berth.db", second.path().display()))
        .with("BERTH_METRICS_LISTEN", &at(small_port))
        .with("BERTH_REMOTE", "fake");
    let disk = small.folder.join("data");
    fs::create_dir(&disk).unwrap();
    let small = small.prepared(&format!("mount -t tmpfs -o size=16m tmpfs {} && ulimit -n 128", disk.display()));
    let (server, small_server, scheduler) = (setup.server(), small.server(), setup.scheduler());
    let admin = Client::new(&setup.url()).signed_in("admin", ADMIN_PASSWORD).await;
    admin.post_yaml("/api/machines/import?wait=60", &quays.inventory()).await.expect(200);
    let prometheus =
        Prometheus::start(&[("berth", vec![server_port, small_port]), ("berth-scheduler", vec![scheduler_port])]).await;
    let quay = quays.all[0].clone();
    let pool = Pool { setup, database, url, admin, quay, server };
    pool.ready().await;

    let ((pool, _scheduler), ()) =
        tokio::join!(with_a_pool(&prometheus, pool, scheduler), with_a_small_disk(&prometheus, &small, &small_server));

    let all: BTreeSet<String> = rules().iter().map(|rule| rule["alert"].as_str().unwrap().to_owned()).collect();
    assert_eq!(prometheus.fired().await, all);
    pool.ready().await;

    // What the rules and the dashboard ask for is what these programs say.
    let mut found = BTreeMap::new();
    for port in [server_port, scheduler_port, small_port] {
        said(&scraped(port).await, &mut found);
    }
    for (place, expression) in expressions() {
        for selector in promql::selectors(&expression).iter().filter(|selector| selector.metric != "up") {
            assert!(found.contains_key(&selector.metric), "{place}: nobody says `{}`", selector.metric);
        }
    }
    for (name, labels) in &found {
        let family = ["_bucket", "_count", "_sum"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        let metric = telemetry::find(family).unwrap_or_else(|| panic!("`{name}` is in no table"));
        let mut known: BTreeSet<String> = metric.labels.iter().map(|(label, _)| (*label).to_owned()).collect();
        if name.ends_with("_bucket") {
            known.insert("le".to_owned());
        }
        assert_eq!(labels, &known, "`{name}`");
    }
    let told: Value = pool.admin.get("/api/healthz").await.expect(200);
    assert_eq!(told["status"], "ok");
}
