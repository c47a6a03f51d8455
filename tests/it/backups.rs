//! Backups: of one moment, whole or not at all, from either database into the other; and machines that know more than
//! the database that was restored.

use std::{io::Read, path::Path, time::Duration};

use berth::{
    backup::{self, Error, How, Manifest},
    config::{Config, Remote},
    ctx::Ctx,
    db::Dialect,
    remote::Secret,
};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::{
    harness::{
        Client, Database, TestBerth,
        machines::{Machine, PASSWORD, machines},
    },
    on_both,
};

/// Every row of every table, by table.
async fn content(ctx: &Ctx) -> Vec<(String, Vec<Vec<Value>>)> {
    let mut snapshot = ctx.db.snapshot().await.unwrap();
    let mut all = Vec::new();
    for table in snapshot.tables.clone() {
        let mut rows = Vec::new();
        let read = snapshot.rows(&table, |row| {
            rows.push(row);
            Ok::<(), sqlx::Error>(())
        });
        read.await.unwrap();
        rows.sort_by_key(|row| format!("{row:?}"));
        all.push((table.name, rows));
    }
    snapshot.close().await;
    all
}

fn rows<'a>(content: &'a [(String, Vec<Vec<Value>>)], table: &str) -> &'a [Vec<Value>] {
    &content.iter().find(|(name, _)| name == table).unwrap().1
}

/// People, machines with passwords, a reservation that is over, one that is active, audit.
async fn lived_in(berth: &TestBerth) -> Client {
    berth.machines(3).await;
    let alice = berth.member("alice").await;
    let body = json!({ "count": 1, "duration": 60, "reservation_password": "pässwörd with \"quotes\"\n and lines" });
    let body = if alice.post("/api/reservations", &body).await.status == 202 {
        json!({ "count": 1, "duration": 60 })
    } else {
        alice.post("/api/reservations", &json!({ "count": 1, "duration": 60 })).await.expect(202);
        json!({ "count": 1, "duration": 30 })
    };
    alice.post("/api/reservations", &body).await.expect(202);
    berth.run_jobs().await;
    let listed = alice.get("/api/reservations").await.expect(200);
    alice.delete(&format!("/api/reservations/{}", listed["items"][0]["id"].as_str().unwrap())).await.expect(202);
    berth.run_jobs().await;
    alice
}

async fn made(berth: &TestBerth, folder: &TempDir, name: &str) -> std::path::PathBuf {
    let file = folder.path().join(name);
    backup::create(&berth.ctx, &file, false).await.unwrap();
    file
}

/// The settings of another database with the same keys.
async fn elsewhere(berth: &TestBerth, database: Database, folder: &TempDir) -> Config {
    let mut config = berth.ctx.config.clone();
    config.database.url = Secret(database.fresh(folder.path()).await);
    config
}

/// A backup with its files changed, under a manifest that fits again.
fn forged(file: &Path, to: &Path, change: impl Fn(&str, String) -> String) {
    let mut archive = tar::Archive::new(GzDecoder::new(std::fs::File::open(file).unwrap()));
    let mut files = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        files.push((name.clone(), if name == "manifest.json" { text } else { change(&name, text) }));
    }
    let mut manifest: Value = serde_json::from_str(&files[0].1).unwrap();
    for (at, table) in manifest["tables"].as_array_mut().unwrap().iter_mut().enumerate() {
        let text = &files[at + 1].1;
        let sum = berth::seal::hex(&Sha256::digest(text.as_bytes()));
        table["sha256"] = sum.into();
        table["rows"] = text.lines().count().into();
        table["bytes"] = text.len().into();
    }
    files[0].1 = change("manifest.json", manifest.to_string());
    let mut out = tar::Builder::new(GzEncoder::new(std::fs::File::create(to).unwrap(), Compression::fast()));
    for (name, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o600);
        out.append_data(&mut header, name, text.as_bytes()).unwrap();
    }
    out.into_inner().unwrap().finish().unwrap();
}

on_both! {
    async fn a_backup_of_one_database_is_restored_into_the_other(berth: TestBerth) {
        lived_in(&berth).await;
        let folder = TempDir::new().unwrap();
        let file = made(&berth, &folder, "b.tar.gz").await;
        let before = content(&berth.ctx).await;
        let (manifest, lost) = Manifest::verify(&file, Some(&berth.ctx.sealer)).await.unwrap();
        assert_eq!(lost, 0);
        assert!(3 <= manifest.secrets, "{manifest:#?}");
        for (table, rows) in &before {
            let entry = manifest.tables.iter().find(|entry| &entry.name == table);
            assert_eq!(entry.map(|entry| entry.rows), (table != "heartbeat").then_some(rows.len() as u64), "{table}");
        }
        let again = backup::create(&berth.ctx, &file, false).await.unwrap_err();
        assert!(matches!(again, Error::Exists(_)), "{again}");

        let other = if berth.ctx.db.dialect() == Dialect::Sqlite { Database::MariaDb } else { Database::Sqlite };
        let config = elsewhere(&berth, other, &folder).await;
        let done = backup::restore(config.clone(), &file, How::default()).await.unwrap();
        assert_eq!(done.machines, 3);
        let ctx = Ctx::connect(config, berth::clock::Clock::default()).await.unwrap();
        let after = content(&ctx).await;
        for (table, rows_before) in &before {
            // What a restore puts right differs; everything else is the same to the last byte.
            let is_put_right =
                ["machine", "lease", "allotment", "session", "job", "run", "audit", "event", "terminal", "heartbeat"];
            if !is_put_right.contains(&table.as_str()) {
                assert_eq!(rows(&after, table), rows_before.as_slice(), "{table}");
            }
        }
        assert_eq!(rows(&after, "audit").len(), rows(&before, "audit").len() + 1);
        assert_eq!(rows(&after, "machine").len(), 3);
        let count = backup::secrets::count(&ctx).await.unwrap();
        assert_eq!((count.current, count.lost), (manifest.secrets, 0));
        assert_eq!(berth::audit::verify(&ctx, None).await.unwrap().status, "intact");
        // And back again, from what was restored.
        let back = folder.path().join("back.tar.gz");
        backup::create(&ctx, &back, false).await.unwrap();
        backup::restore(berth.ctx.config.clone(), &back, How { replace: true, ..How::default() }).await.unwrap();
        assert_eq!(rows(&content(&berth.ctx).await, "account"), rows(&before, "account"));
    }

    async fn a_restore_that_fails_leaves_everything_as_it_was(berth: TestBerth) {
        lived_in(&berth).await;
        let folder = TempDir::new().unwrap();
        let file = made(&berth, &folder, "b.tar.gz").await;
        let before = content(&berth.ctx).await;
        let config = berth.ctx.config.clone();
        let replace = How { replace: true, ..How::default() };
        let refused = async |file: &Path, how: How| {
            let error = backup::restore(config.clone(), file, how).await.unwrap_err();
            assert_eq!(content(&berth.ctx).await, before, "{error}");
            error
        };

        assert!(matches!(refused(&file, How::default()).await, Error::NotEmpty(_)));
        let other = folder.path().join("x.tar.gz");
        let bytes = std::fs::read(&file).unwrap();
        std::fs::write(&other, &bytes[..bytes.len() / 2]).unwrap();
        assert!(matches!(refused(&other, replace).await, Error::Damaged(_)));
        let mut flipped = bytes.clone();
        flipped[bytes.len() / 2] ^= 0x40;
        std::fs::write(&other, &flipped).unwrap();
        assert!(matches!(refused(&other, replace).await, Error::Damaged(_)));
        std::fs::write(&other, "no backup").unwrap();
        assert!(matches!(refused(&other, replace).await, Error::NoBackup { .. }));

        // Whole by all sums, but the database refuses the last of its rows.
        forged(&file, &other, |name, text| {
            if name == "tables/terminal_ticket.jsonl" { "[\"a\",\"b\",1,null]\n[\"a\",\"b\",1,null]\n".into() } else { text }
        });
        let error = refused(&other, replace).await;
        assert!(matches!(error, Error::Database(_)), "{error}");
        // A row that differs from what its manifest says.
        forged(&file, &other, |name, text| if name == "manifest.json" { text.replacen("\"sha256\":\"", "\"sha256\":\"0", 1) } else { text });
        assert!(matches!(refused(&other, replace).await, Error::Damaged(_)));
        forged(&file, &other, |name, text| if name == "manifest.json" { text.replacen("\"schema\":[", "\"schema\":[9999,", 1) } else { text });
        assert!(matches!(refused(&other, replace).await, Error::TooNew(_)));

        let mut stranger = config.clone();
        stranger.data_dir = folder.path().join("other-keys");
        (stranger.secret_key, stranger.auth.jwt_secret) = (None, None);
        let error = backup::restore(stranger, &file, replace).await.unwrap_err();
        assert!(matches!(error, Error::WrongKey { bad, all } if bad == all && 3 <= all), "{error}");
        assert_eq!(content(&berth.ctx).await, before);

        let mut tx = berth.ctx.db.begin_write().await.unwrap();
        let now = tx.now;
        sqlx::query("insert into heartbeat (process, kind, at, started_at) values ('p', 'server', ?, ?)")
            .bind(now)
            .bind(now)
            .execute(&mut *tx)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let error = backup::restore(config.clone(), &file, replace).await.unwrap_err();
        assert!(matches!(error, Error::Alive(1)), "{error}");
    }

    async fn keys_go_into_a_backup_only_when_asked_and_come_back_only_where_there_are_none(berth: TestBerth) {
        lived_in(&berth).await;
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("keys.tar.gz");
        let manifest = backup::create(&berth.ctx, &file, true).await.unwrap();
        let names: Vec<&str> = manifest.keys.iter().map(|key| key.name.as_str()).collect();
        assert!(names.contains(&"secret.key") && names.contains(&"jwt.key"), "{names:?}");
        let mut fresh = elsewhere(&berth, Database::Sqlite, &folder).await;
        fresh.data_dir = folder.path().join("new");
        (fresh.secret_key, fresh.auth.jwt_secret) = (None, None);
        fresh.key_files = berth::config::KeyFiles::default();
        let how = How { with_keys: true, ..How::default() };
        let done = backup::restore(fresh.clone(), &file, how).await.unwrap();
        assert_eq!(done.keys.len(), names.len());
        let key = |config: &Config| std::fs::read_to_string(config.secret_key_file()).unwrap();
        assert_eq!(key(&fresh), key(&berth.ctx.config));
        // Another key that is there stays, and nothing else happens.
        std::fs::write(fresh.secret_key_file(), berth::seal::ring::fresh_key()).unwrap();
        let how = How { replace: true, ..how };
        let error = backup::restore(fresh, &file, how).await.unwrap_err();
        assert!(matches!(error, Error::OtherKey(_)), "{error}");
    }
}

/// Every column that holds sealed text is known to the list of them.
#[tokio::test]
async fn no_sealed_column_is_forgotten() {
    let berth = TestBerth::spawn(Database::Sqlite).await;
    let snapshot = berth.ctx.db.snapshot().await.unwrap();
    for table in &snapshot.tables {
        for column in table.columns.iter().filter(|column| column.name.ends_with("_sealed")) {
            let known =
                backup::secrets::PLACES.iter().any(|place| place.table == table.name && place.column == column.name);
            assert!(known, "`{}.{}` is missing in backup::secrets::PLACES", table.name, column.name);
        }
    }
    snapshot.close().await;
}

async fn book(who: &Client, count: usize) -> String {
    let view = who.post("/api/reservations", &json!({ "count": count, "duration": 60 })).await.expect(202);
    view["id"].as_str().unwrap().to_owned()
}

async fn machine(admin: &Client, name: &str) -> Value {
    admin.get(&format!("/api/machines/{name}")).await.expect(200)
}

async fn looked_at(database: Database) {
    let pool = machines(3).await;
    let berth = TestBerth::spawn_with(database, |config| config.remote = Remote::Ssh).await;
    let admin = berth.admin().await;
    admin.post_yaml("/api/machines/import?wait=60", &pool.inventory()).await.expect(200);
    berth.run_jobs().await;
    let clean: Vec<String> = pool.all.iter().map(Machine::left_behind).collect();
    let (alice, bob) = (berth.member("alice").await, berth.member("bob").await);
    let first = book(&alice, 1).await;
    berth.run_jobs().await;
    assert_eq!(alice.get(&format!("/api/reservations/{first}")).await.expect(200)["state"], "active");

    // The database knows of alice on one machine. Then she gives it back, and bob gets all three.
    let folder = TempDir::new().unwrap();
    let file = made(&berth, &folder, "b.tar.gz").await;
    alice.delete(&format!("/api/reservations/{first}")).await.expect(202);
    berth.run_jobs().await;
    book(&bob, 3).await;
    berth.run_jobs().await;
    for one in &pool.all {
        assert!(one.left_behind().contains("account bob"), "{}", one.name);
    }

    let replace = How { replace: true, ..How::default() };
    backup::restore(berth.ctx.config.clone(), &file, replace).await.unwrap();
    admin.get("/api/machines").await.refused(401, "bad-token");
    let admin = berth.admin().await;
    let offered = admin.get("/api/available").await.expect(200);
    assert_eq!(offered["available"], json!([]), "nothing is offered before it was looked at");
    berth.run_jobs().await;
    for (one, clean) in pool.all.iter().zip(&clean) {
        assert_eq!(&one.left_behind(), clean, "`{}` is not as it was", one.name);
        let view = machine(&admin, &one.name).await;
        assert_eq!(view["state"], "ready", "{view:#}");
    }
    let view = admin.get(&format!("/api/reservations/{first}")).await.expect(200);
    assert_eq!(view["state"], "closed", "{view:#}");
    let noted = admin.get("/api/audit?action=machine.clean").await.expect(200);
    assert!(noted["items"][0]["detail"].as_str().unwrap().contains("bob"), "{noted:#}");

    // An account that Berth did not make is not removed, and keeps the machine out of the pool.
    std::fs::remove_file(&file).unwrap();
    let file = made(&berth, &folder, "c.tar.gz").await;
    let hidden = &pool.all[1];
    let made = hidden.run("root", PASSWORD, "useradd -m mallory || adduser -D mallory");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    backup::restore(berth.ctx.config.clone(), &file, replace).await.unwrap();
    let admin = berth.admin().await;
    berth.run_jobs().await;
    let view = machine(&admin, &hidden.name).await;
    assert_eq!(view["state"], "quarantined", "{view:#}");
    assert!(view["reason"].as_str().unwrap().contains("`mallory`"), "{view:#}");
    assert_eq!(machine(&admin, &pool.all[0].name).await["state"], "ready");
    // An admin who releases it does not get round the look.
    admin.post(&format!("/api/machines/{}/release", hidden.name), &json!({})).await.expect(202);
    berth.run_jobs().await;
    assert_eq!(machine(&admin, &hidden.name).await["state"], "quarantined");
    hidden.run("root", PASSWORD, "userdel -r mallory || deluser --remove-home mallory");
    berth.advance(Duration::from_mins(10));
    berth::machines::jobs::retry_quarantined(&berth.ctx).await.unwrap();
    berth.run_jobs().await;
    let admin = berth.admin().await;
    let view = machine(&admin, &hidden.name).await;
    assert_eq!(view["state"], "ready", "{view:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn machines_that_know_more_than_a_restored_database_are_looked_at_first_sqlite() {
    looked_at(Database::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn machines_that_know_more_than_a_restored_database_are_looked_at_first_mariadb() {
    looked_at(Database::MariaDb).await;
}
