//! From the request to accounts on real demo machines, against one plain `ssh` a machine doing the same work.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::{io::AsyncWriteExt, process::Command};

use super::{
    client::{Client, until},
    server::{Database, Place, offers},
    table::{Table, Times, ms},
};
use crate::harness::machines::{Machine, machines};

/// How often the two are measured in turn.
const PAIRS: usize = 5;
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAII3M62TVm9uoxVy0ATXA0dbhRN1dZL2qJTFkYsD9HdNE bench";

/// What an admin would send by hand: an account with a password and a key. Only the making is timed.
const MAKE: &str = r"set -eu
useradd -m -s /bin/bash byhand
printf '%s\n' 'byhand:$6$salt$IxDD3jeSOb5eB1CX5LBsqZFVkJdido3OUILO5Ifz5iwMuTS4XMS130MTSuDDl3aCI6WouIL9AjRbLCelDCy.g.' | chpasswd -e
install -d -m 700 -o byhand -g byhand /home/byhand/.ssh
printf '%s\n' 'KEY' >/home/byhand/.ssh/authorized_keys
chown byhand:byhand /home/byhand/.ssh/authorized_keys
chmod 600 /home/byhand/.ssh/authorized_keys
id -u byhand
";
const REMOVE: &str = "userdel -r byhand 2>/dev/null; true\n";

pub async fn measure(table: &mut Table) {
    let place = Place::new(Database::Sqlite).await;
    let pool = machines(10).await;
    let server = place.server(&[("BERTH_REMOTE", "ssh")]).await;
    let mut admin = server.admin().await;
    let text = pool.inventory();
    let answer = admin.send("POST", "/api/machines/import", "", "application/yaml", text.as_bytes()).await;
    assert_eq!(answer.expect(200)["summary"]["failed"], 0, "{:#}", answer.json());
    let key = server.folder.path().join("data/ssh/id_ed25519");
    for count in [1, 10] {
        let (mut ours, mut plain) = (Vec::new(), Vec::new());
        for _ in 0..PAIRS {
            all_free(&mut admin, pool.all.len()).await;
            ours.push(reserve(&mut admin, count).await);
            all_free(&mut admin, pool.all.len()).await;
            plain.push(by_hand(&pool.all[..count], &key, &MAKE.replace("KEY", KEY)).await);
            by_hand(&pool.all[..count], &key, REMOVE).await;
        }
        let (ours, plain) = (Times::new(ours).median(), Times::new(plain).median());
        let machines = if count == 1 { "1 machine".to_owned() } else { format!("{count} machines") };
        table.row("SQLite", format!("reserve to ready, {machines} (median of {PAIRS})"), ms(ours), "");
        table.row("", format!("plain ssh and a script, {machines} (median of {PAIRS})"), ms(plain), "");
        let ratio = ours.as_secs_f64() / plain.as_secs_f64();
        table.row("SQLite", format!("reserve to ready against plain ssh, {machines}"), format!("{ratio:.2} x"), "");
    }
}

async fn all_free(admin: &mut Client, count: usize) {
    let free = until(admin, "/api/available", Duration::from_mins(2), offers(count)).await;
    assert!(free.is_some(), "the machines do not come back: {:#}", admin.get("/api/available").await.json());
}

/// Books, waits until the accounts exist, and gives back; only the first two are timed.
async fn reserve(admin: &mut Client, count: usize) -> Duration {
    let body = json!({ "count": count, "duration": 60, "ssh_public_key": KEY, "reservation_password": "test" });
    let began = Instant::now();
    let view = admin.post("/api/reservations", "prefer: wait=120\r\n", &body).await.expect(201);
    let took = began.elapsed();
    admin.delete(&format!("/api/reservations/{}", view["id"].as_str().unwrap())).await.expect(202);
    took
}

/// Sends the script to all machines at once.
async fn by_hand(machines: &[Machine], key: &Path, script: &str) -> Duration {
    let began = Instant::now();
    let all = machines.iter().map(|machine| one(machine.port, key.to_owned(), script.to_owned()));
    futures_util::future::join_all(all).await;
    began.elapsed()
}

async fn one(port: u16, key: PathBuf, script: String) {
    let mut child = Command::new("ssh")
        .args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"])
        .args(["-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-F", "none", "-p", &port.to_string(), "-i"])
        .arg(key)
        .args(["root@127.0.0.1", "sh", "-s"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("needs ssh: apt-get install openssh-client");
    let mut stdin = child.stdin.take().expect("it was asked for");
    stdin.write_all(script.as_bytes()).await.unwrap();
    drop(stdin);
    let done = child.wait_with_output().await.unwrap();
    assert!(done.status.success(), "the script failed on port {port}: {}", String::from_utf8_lossy(&done.stderr));
}
