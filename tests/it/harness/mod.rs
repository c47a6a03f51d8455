//! The real server in this process, with a database of its own.

pub mod caddy;
pub mod client;
pub mod docker;
pub mod guard;
pub mod machines;
pub mod mariadb;
pub mod pool;
pub mod process;
pub mod sshd;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use berth::{
    clock::Clock,
    config::{Config, Remote},
    ctx::Ctx,
    jobs::Runner,
    remote::Secret,
    scheduler, server,
};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use self::client::{Answer, Client};

/// Which database a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    /// A file in the test's folder.
    Sqlite,
    /// A fresh database on the private server.
    MariaDb,
}

impl Database {
    /// The address of a new, empty database.
    pub async fn fresh(self, folder: &std::path::Path) -> String {
        match self {
            Self::Sqlite => format!("sqlite:{}/berth.db", folder.display()),
            Self::MariaDb => mariadb::fresh().await,
        }
    }
}

/// A server on a free port. Machines are fake unless the settings say otherwise, and jobs run when the test says so.
pub struct TestBerth {
    pub url: String,
    pub ctx: Ctx,
    pub clock: Clock,
    runner: Arc<Runner>,
    stop: CancellationToken,
    _folder: TempDir,
}

pub const ADMIN_PASSWORD: &str = "change-me";

/// The settings of a test server.
pub async fn config(database: Database, folder: &TempDir) -> Config {
    let mut config = Config::default();
    config.database.url = Secret(database.fresh(folder.path()).await);
    config.data_dir = folder.path().join("data");
    config.remote = Remote::Fake;
    config.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    config.metrics_listen = None;
    config.limits.requests_per_second = 1_000_000;
    config.limits.requests_burst = 1_000_000;
    config.limits.logins_per_minute = 1_000_000;
    config.limits.logins_burst = 1_000_000;
    config
}

impl TestBerth {
    /// With the settings of [`config`].
    pub async fn spawn(database: Database) -> Self {
        Self::spawn_with(database, |_| {}).await
    }

    /// With settings of one's own.
    pub async fn spawn_with(database: Database, change: impl FnOnce(&mut Config)) -> Self {
        let folder = TempDir::new().unwrap();
        let mut config = config(database, &folder).await;
        change(&mut config);
        let clock = Clock::default();
        let ctx = Ctx::connect(config, clock.clone()).await.unwrap();
        ctx.db.migrate().await.unwrap();
        berth::accounts::seed_admin(&ctx).await.unwrap();
        let listener = TcpListener::bind(ctx.config.listen).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let app = server::router(&ctx).into_make_service_with_connect_info::<SocketAddr>();
        let end = stop.clone();
        tokio::spawn(async move { axum::serve(listener, app).with_graceful_shutdown(end.cancelled_owned()).await });
        let runner = scheduler::test_runner(&ctx);
        Self { url, ctx, clock, runner, stop, _folder: folder }
    }

    /// Runs jobs in the background from now on, as a real process does.
    pub fn work(&self) {
        tokio::spawn(Arc::clone(&self.runner).run(self.stop.clone()));
    }

    /// Runs what is due until nothing is; a job that fails fails the test.
    pub async fn run_jobs(&self) {
        let failures = self.runner.drain().await.unwrap();
        assert!(failures.is_empty(), "jobs failed: {failures:#?}");
    }

    /// Moves the clock of this server.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Nobody in particular.
    pub fn stranger(&self) -> Client {
        Client::new(&self.url)
    }

    /// The seeded admin, signed in.
    pub async fn admin(&self) -> Client {
        self.stranger().signed_in("admin", ADMIN_PASSWORD).await
    }

    /// A new member, signed in.
    pub async fn member(&self, name: &str) -> Client {
        let admin = self.admin().await;
        let body = serde_json::json!({ "username": name, "password": "a good password" });
        admin.post("/api/users", &body).await.expect(201);
        self.stranger().signed_in(name, "a good password").await
    }

    /// Registers fake machines `m1` to `mN` and brings them into the pool.
    pub async fn machines(&self, count: usize) {
        let yaml: String = std::iter::once("machines:\n".to_owned())
            .chain((1..=count).map(|n| {
                format!(
                    "  - {{ name: m{n}, host: 192.0.2.{}, port: {}, user: root, password: x }}\n",
                    n % 250 + 1,
                    1000 + n
                )
            }))
            .collect();
        self.admin().await.post_yaml("/api/machines/import", &yaml).await.expect(200);
        self.run_jobs().await;
    }
}

impl Drop for TestBerth {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Lets time pass between two looks at programs that run by themselves.
pub async fn tick(every: Duration) {
    // An interval of nothing is none.
    let mut ticks = tokio::time::interval(every.max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks.tick().await;
    ticks.tick().await;
}

/// Makes of each function two tests, one on each database.
#[macro_export]
macro_rules! on_both {
    ($($(#[$meta:meta])* async fn $name:ident($berth:ident: TestBerth) $body:block)+) => {$(
        $(#[$meta])*
        mod $name {
            #[allow(unused_imports, reason = "a test may need nothing else")]
            use super::*;
            use $crate::harness::{Database, TestBerth};

            async fn prove($berth: TestBerth) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                prove(TestBerth::spawn(Database::Sqlite).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn mariadb() {
                prove(TestBerth::spawn(Database::MariaDb).await).await;
            }
        }
    )+};
}

/// Looks until something is there.
pub async fn until<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let end = std::time::Instant::now() + Duration::from_mins(2);
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Some(found) = look().await {
            return found;
        }
        assert!(std::time::Instant::now() < end, "{what} does not come");
    }
}
