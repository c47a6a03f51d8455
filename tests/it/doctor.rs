//! `berth doctor`: what it finds, what it makes of it, and that it changes nothing.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use serde_json::Value;
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Executor};
use tempfile::TempDir;

use crate::harness::{
    ADMIN_PASSWORD, Client, Database,
    machines::machines,
    mariadb::{self, free_port},
    process::Setup,
    until,
};

/// What it said: verdict, finding and fix by check. Of several findings of one check the worst.
struct Said {
    code: i32,
    by_check: BTreeMap<String, (String, String, String)>,
    whole: String,
}

impl Said {
    #[track_caller]
    fn expect(&self, check: &str, verdict: &str, finding: &str, fix: &str) {
        let found = self.by_check.get(check).unwrap_or_else(|| panic!("nothing of `{check}`: {}", self.whole));
        assert_eq!(found.0, verdict, "`{check}`: {}", self.whole);
        assert!(found.1.contains(finding), "`{check}`: {}", self.whole);
        assert!(found.2.contains(fix), "`{check}`: {}", self.whole);
    }
}

/// Asks it with the settings of a server and some more, after a script in a mount namespace of its own.
async fn asked(setup: &Setup, more: &[(&str, &str)], args: &[&str], before: &str) -> Said {
    let mut command = Command::new("unshare");
    let script = format!("mount --make-rprivate / && {before} exec \"$0\" \"$@\"");
    command
        .args(["-m", "--", "sh", "-c", &script, env!("CARGO_BIN_EXE_berth"), "doctor", "--output", "json"])
        .args(args);
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", &setup.folder)
        .env("DATABASE_URL", &setup.database)
        .env("BERTH_DATA_DIR", setup.folder.join("data"))
        .env("BERTH_LISTEN", format!("127.0.0.1:{}", setup.port))
        .env("BERTH_METRICS_LISTEN", "")
        .env("BERTH_SCHEDULER_METRICS_LISTEN", "")
        .envs(setup.env.iter().map(|(name, value)| (name, value)))
        .envs(more.iter().copied())
        .current_dir(&setup.folder);
    let done = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let whole = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    let found: Value = serde_json::from_slice(&done.stdout).unwrap_or_else(|error| panic!("{error}: {whole}"));
    let mut by_check = BTreeMap::new();
    let rank = |verdict: &str| ["ok", "skipped", "warning", "error"].iter().position(|word| *word == verdict);
    for one in found.as_array().unwrap() {
        let text = |key: &str| one[key].as_str().unwrap().to_owned();
        let said = (text("verdict"), text("finding"), text("fix"));
        assert_eq!(said.0 == "error" || said.0 == "warning", !said.2.is_empty(), "what is wrong can be mended: {one}");
        let old: &mut (String, String, String) = by_check.entry(text("check")).or_insert_with(|| said.clone());
        if rank(&old.0) < rank(&said.0) {
            *old = said;
        }
    }
    let code = done.status.code().unwrap();
    let broken = by_check.values().any(|said| said.0 == "error");
    assert_eq!(code, i32::from(broken), "{whole}");
    Said { code, by_check, whole }
}

/// In the place of Berth: answers every request with a page.
async fn another_program() -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let app = axum::Router::new().fallback(|| async { "<h1>It works!</h1>" });
    tokio::spawn(async move { axum::serve(listener, app).await });
    port
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_server_is_well_until_something_breaks() {
    let quays = machines(1).await;
    let folder = TempDir::new().unwrap();
    let setup = Setup::new(folder.path(), Database::Sqlite.fresh(folder.path()).await);
    let _server = setup.server();
    let admin = Client::new(&setup.url()).signed_in("admin", ADMIN_PASSWORD).await;
    admin.post_yaml("/api/machines/import?wait=60", &quays.inventory()).await.expect(200);
    until("a sign of life", async || (admin.get("/api/readyz").await.status == 200).then_some(())).await;

    let well = asked(&setup, &[("BERTH_PUBLIC_URL", &setup.url())], &[], "").await;
    for (check, finding) in [
        ("settings", "nothing is wrong"),
        ("data_dir", "can be written"),
        ("ssh", "OpenSSH"),
        ("ssh.askpass", "can be run"),
        ("keys.secret", "32 bytes"),
        ("keys.tokens", "is there"),
        ("keys.opens", "opens the credentials of `quay-1`"),
        ("playbooks", "2 can be read"),
        ("ports", "Berth answers"),
        ("public_url", "answers at"),
        ("database", "SQLite answers"),
        ("database.schema", "is this program's"),
        ("scheduler", "1 server"),
        ("machine.quay-1", "host key, login and root are well"),
    ] {
        well.expect(check, "ok", finding, "");
    }
    assert_eq!(well.code, 0);

    // Another key than the one the credentials were stored with.
    let other = ("BERTH_SECRET_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    let wrong = asked(&setup, &[other], &["--machines", "none"], "").await;
    wrong.expect("keys.opens", "error", "`quay-1`", "put back the key");
    assert!(!wrong.whole.contains(other.1), "{}", wrong.whole);

    // A port, a public address and a proxy that are not what they should be.
    let port = another_program().await;
    let (listen, public) = (format!("127.0.0.1:{port}"), format!("http://127.0.0.1:{port}"));
    let more =
        [("BERTH_LISTEN", listen.as_str()), ("BERTH_PUBLIC_URL", &public), ("BERTH_TRUSTED_PROXIES", "0.0.0.0/0")];
    let taken = asked(&setup, &more, &["--machines", "none"], "").await;
    taken.expect("ports", "error", "another program", "ss -ltnp");
    taken.expect("public_url", "error", "is not Berth", "proxy");
    taken.expect("proxies", "error", "0.0.0.0/0 is trusted", "BERTH_TRUSTED_PROXIES");
    let away = [("BERTH_PUBLIC_URL", "http://127.0.0.1:1")];
    asked(&setup, &away, &["--machines", "none"], "").await.expect("public_url", "warning", "does not answer", "");

    // A data folder that cannot be written, a key that others can read, a playbook that nobody can.
    let data = setup.folder.join("data").display().to_string();
    let closed = format!("mount --bind {data} {data} && mount -o remount,bind,ro {data} &&");
    let closed = asked(&setup, &[], &["--machines", "none"], &closed).await;
    closed.expect("data_dir", "error", "cannot be written", "chown");
    let key = setup.folder.join("data/secret.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let books = setup.folder.join("books");
    fs::create_dir(&books).unwrap();
    fs::write(books.join("create-users.yml"), "- hosts: [all\n").unwrap();
    let more = [("BERTH_PLAYBOOKS", books.to_str().unwrap())];
    let loose = asked(&setup, &more, &["--machines", "none"], "").await;
    loose.expect("keys.mode", "error", "can be read by others (mode 644)", "chmod 600");
    loose.expect("playbooks", "error", "create-users.yml", "berth playbook check");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();

    // Machines: one that is not there, one that there is not.
    quays.all[0].stop().await;
    let gone = asked(&setup, &[], &["--machines", "quay-1,quay-9"], "").await;
    gone.expect("machine.quay-1", "error", "cannot be reached", "does sshd listen?");
    gone.expect("machines", "error", "no machine `quay-9`", "berth machines list");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn before_the_first_start_it_warns_and_makes_nothing() {
    let folder = TempDir::new().unwrap();
    let setup = Setup::new(folder.path(), format!("sqlite:{}/berth.db", folder.path().display()));
    let said = asked(&setup, &[], &[], "").await;
    said.expect("data_dir", "warning", "there is no", "the first `berth serve`");
    said.expect("keys.secret", "warning", "BERTH_SECRET_KEY is not set", "the first `berth serve`");
    said.expect("database", "warning", "there is no", "DATABASE_URL");
    said.expect("machines", "skipped", "", "");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "it made something");
    let broken = asked(&setup, &[("BERTH_REGISTRATION", "everybody")], &[], "").await;
    broken.expect("settings", "error", "everybody", "open, approval or closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_gone_old_or_compares_wrongly_is_found() {
    let folder = TempDir::new().unwrap();
    let gone = Setup::new(folder.path(), format!("mysql://root:hunter2@127.0.0.1:{}/berth", free_port()));
    let said = asked(&gone, &[], &[], "").await;
    said.expect("database", "error", "did not answer", "DATABASE_URL");
    assert!(!said.whole.contains("hunter2"), "{}", said.whole);

    let url = mariadb::fresh().await;
    let (_, name) = url.rsplit_once('/').unwrap();
    let mut conn = AnyConnection::connect(&url).await.unwrap();
    let text = format!("alter database {name} character set utf8mb4 collate utf8mb4_general_ci");
    conn.execute(AssertSqlSafe(text)).await.unwrap();
    conn.execute(AssertSqlSafe("create table other (id int)".to_owned())).await.unwrap();
    conn.close().await.unwrap();
    let said = asked(&Setup::new(folder.path(), url), &[], &[], "").await;
    said.expect("database", "ok", "answers", "");
    said.expect("database.schema", "error", "migrations are missing", "berth migrate");
    said.expect("database.collation", "error", "utf8mb4_general_ci", "utf8mb4_nopad_bin");
    said.expect("clock", "ok", "apart", "");
    assert!(Path::new(&folder.path().join("data")).read_dir().is_err(), "it made a folder");
}
