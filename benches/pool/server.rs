//! The real server as a process, on either database.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use sqlx::{AnyConnection, Connection};
use tempfile::TempDir;

use super::client::Client;
use crate::harness::mariadb::{MariaDb, free_port};

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    Sqlite,
    MariaDb,
}

/// Where servers of one kind get their data.
pub struct Place {
    pub name: &'static str,
    maria: Option<MariaDb>,
}

impl Place {
    pub async fn new(database: Database) -> Self {
        match database {
            Database::Sqlite => Self { name: "SQLite", maria: None },
            Database::MariaDb => {
                let server = tokio::task::spawn_blocking(MariaDb::start).await.unwrap();
                durable(&server.fresh().await).await;
                Self { name: "MariaDB", maria: Some(server) }
            }
        }
    }

    /// A server with an empty database, and the admin signed in.
    pub async fn server(&self, settings: &[(&str, &str)]) -> Server {
        let mut server = Server::prepare(self).await;
        server.settings.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        server.start().await;
        server
    }
}

/// The tests' server forgets the last second in a power cut; what is measured here must not.
async fn durable(url: &str) {
    let mut conn = AnyConnection::connect(url).await.unwrap();
    sqlx::query("set global innodb_flush_log_at_trx_commit = 1").execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
}

/// A running server. Dropping it kills it.
pub struct Server {
    pub folder: TempDir,
    database: String,
    port: u16,
    settings: Vec<(String, String)>,
    child: Option<Child>,
}

/// The binary to measure.
fn binary() -> PathBuf {
    std::env::var_os("BERTH_BIN").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_berth")), PathBuf::from)
}

impl Server {
    /// Not started yet.
    pub async fn prepare(place: &Place) -> Self {
        let folder = TempDir::with_prefix("berth-bench-").unwrap();
        let database = match &place.maria {
            Some(maria) => maria.fresh().await,
            None => format!("sqlite:{}/berth.db", folder.path().display()),
        };
        Self { folder, database, port: free_port(), settings: Vec::new(), child: None }
    }

    /// Starts it; how long until it said that it is healthy.
    pub async fn start(&mut self) -> Duration {
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        let began = Instant::now();
        let child = Command::new(binary())
            .arg("serve")
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .env("DATABASE_URL", &self.database)
            .env("BERTH_DATA_DIR", self.folder.path().join("data"))
            .env("BERTH_LISTEN", format!("127.0.0.1:{}", self.port))
            .env("BERTH_METRICS_LISTEN", "")
            .env("BERTH_REMOTE", "fake")
            .env("BERTH_REQUESTS_PER_SECOND", "0")
            .env("BERTH_LOGINS_PER_MINUTE", "0")
            .env("LOG_LEVEL", "error")
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("`{}` does not start: {error}", binary().display()));
        self.child = Some(child);
        while !self.is_healthy().await {
            assert!(began.elapsed() < Duration::from_secs(30), "the server does not come up:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        began.elapsed()
    }

    async fn is_healthy(&self) -> bool {
        if tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
            return false;
        }
        Client::connect(self.port, "").await.get("/api/healthz").await.status == 200
    }

    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// The memory that it holds, in MiB.
    pub fn resident(&self) -> f64 {
        let id = self.child.as_ref().unwrap().id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1024.0
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    pub async fn admin(&self) -> Client {
        Client::signed_in(self.port, "admin", "change-me").await
    }

    /// `count` members, signed in, each over a connection of its own.
    pub async fn people(&self, count: usize) -> Vec<Client> {
        let mut admin = self.admin().await;
        let mut people = Vec::with_capacity(count);
        for n in 0..count {
            let body = serde_json::json!({ "username": format!("user{n}"), "password": "a good password" });
            admin.post("/api/users", "", &body).await.expect(201);
            people.push(Client::signed_in(self.port, &format!("user{n}"), "a good password").await);
        }
        people
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// An inventory of fake machines, with labels as a real pool has them.
pub fn inventory(from: usize, to: usize) -> String {
    let one = |n: usize| {
        format!(
            "  - {{name: m{n:05}, host: 10.{}.{}.{}, port: 22, user: root, password: x, labels: {{rack: r{}}}}}\n",
            n / 62_500,
            n / 250 % 250,
            n % 250 + 1,
            n % 20
        )
    };
    format!("machines:\n{}", (from..to).map(one).collect::<Vec<_>>().concat())
}

/// Imports fake machines; how long the answer took.
pub async fn import(admin: &mut Client, from: usize, to: usize) -> Duration {
    let text = inventory(from, to);
    let began = Instant::now();
    let answer = admin.send("POST", "/api/machines/import", "", "application/yaml", text.as_bytes()).await;
    let took = began.elapsed();
    assert_eq!(answer.expect(200)["summary"]["new"], to - from);
    took
}

/// Whether the view of `/api/available` offers this many machines.
pub fn offers(count: usize) -> impl Fn(&serde_json::Value) -> bool {
    move |view| view["available"].as_array().is_some_and(|names| names.len() == count)
}
