//! One private MariaDB for the whole binary, gone with it.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use sqlx::{AnyConnection, AssertSqlSafe, Connection};
use tempfile::TempDir;

/// A server of its own data folder, on a free port.
pub struct MariaDb {
    pub port: u16,
    folder: TempDir,
    child: Child,
}

const MISSING: &str =
    "needs MariaDB: apt-get install --no-install-recommends mariadb-server-core mariadb-client-core, or ./just test";

impl MariaDb {
    /// Makes the data folder and starts the server.
    pub fn start() -> Self {
        let folder = TempDir::with_prefix("berth-mariadb-").unwrap();
        let made = Command::new("mariadb-install-db")
            .args(["--no-defaults", "--user=root", "--auth-root-authentication-method=normal", "--skip-test-db"])
            .arg(format!("--datadir={}/data", folder.path().display()))
            .output()
            .expect(MISSING);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let port = free_port();
        let child = spawn(folder.path(), port);
        let server = Self { port, folder, child };
        server.wait();
        server
    }

    /// Kills it as hard as can be.
    pub fn kill(&mut self) {
        // Closing the pipe makes the watcher kill the server, as the end of this process would.
        let keep = self.folder.path().join("keep");
        std::fs::write(&keep, "").unwrap();
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
        std::fs::remove_file(keep).unwrap();
    }

    /// Starts it again on the same data and port.
    pub fn restart(&mut self) {
        self.child = spawn(self.folder.path(), self.port);
        self.wait();
    }

    /// The address of a new, empty database.
    pub async fn fresh(&self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("t{}", COUNT.fetch_add(1, Ordering::Relaxed));
        sqlx::any::install_default_drivers();
        let mut conn = AnyConnection::connect(&self.url("")).await.unwrap();
        let text = format!("create database {name} character set utf8mb4 collate utf8mb4_nopad_bin");
        sqlx::query(AssertSqlSafe(text)).execute(&mut conn).await.unwrap();
        conn.close().await.unwrap();
        self.url(&name)
    }

    fn url(&self, name: &str) -> String {
        format!("mysql://root@127.0.0.1:{}/{name}", self.port)
    }

    fn wait(&self) {
        let end = Instant::now() + Duration::from_mins(1);
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < end, "MariaDB does not come up; see {}/log", self.folder.path().display());
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }
}

/// A watcher kills the server and removes its folder when its standard input ends, which happens even when this
/// process is killed. Ctrl-C is not for the watcher: it has work left then.
fn spawn(folder: &Path, port: u16) -> Child {
    let script = "trap '' INT TERM HUP; folder=$1; shift; PATH=$PATH:/usr/sbin; mariadbd \"$@\" & server=$!; read _; \
        kill -9 $server; wait $server 2>/dev/null; [ -e \"$folder/keep\" ] || rm -rf \"$folder\"";
    Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(folder)
        .args(["--no-defaults", "--user=root", "--bind-address=127.0.0.1", "--skip-log-bin"])
        .args(["--innodb-buffer-pool-size=64M", "--innodb-log-file-size=48M", "--max-connections=500"])
        .args(["--innodb-flush-log-at-trx-commit=2", "--skip-name-resolve", "--performance-schema=off"])
        .arg(format!("--datadir={}/data", folder.display()))
        .arg(format!("--socket={}/socket", folder.display()))
        .arg(format!("--pid-file={}/pid", folder.display()))
        .arg(format!("--log-error={}/log", folder.display()))
        .arg(format!("--port={port}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect(MISSING)
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A new, empty database on the binary's server.
pub async fn fresh() -> String {
    static SERVER: OnceLock<MariaDb> = OnceLock::new();
    let server = tokio::task::spawn_blocking(|| SERVER.get_or_init(MariaDb::start)).await.unwrap();
    server.fresh().await
}
