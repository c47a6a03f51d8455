//! Where machines may be: judged on what a name resolves to, at each contact, and dialled as it was judged.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{
    Client, Database, TestBerth,
    process::Setup,
    sshd::{PASSWORD, Sshd},
};

fn networks(texts: &[&str]) -> Vec<ipnet::IpNet> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn body(host: &str) -> Value {
    json!({ "name": "quay", "host": host, "port": 2022, "user": "root", "password": "x" })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_where_no_machine_may_be_is_refused_by_name_of_the_setting() {
    let berth = TestBerth::spawn_with(Database::Sqlite, |config| {
        config.machines.deny = networks(&["192.0.2.66/32"]);
    })
    .await;
    let admin = berth.admin().await;
    for (host, setting) in [
        ("169.254.169.254", "machines.allow_addresses"),
        ("::ffff:169.254.169.254", "machines.allow_addresses"),
        ("fe80::1%eth0", "machines.allow_addresses"),
        ("192.0.2.66", "machines.deny_addresses"),
    ] {
        let refused = admin.post("/api/machines", &body(host)).await.refused(422, "invalid-machine");
        assert_eq!(refused["errors"][0]["pointer"], "/host", "{refused:#}");
        assert!(refused["errors"][0]["detail"].as_str().unwrap().contains(setting), "{refused:#}");
    }
    let mut behind = body("192.0.2.1");
    behind["jump"] = json!("root@192.0.2.66:22");
    let refused = admin.post("/api/machines", &behind).await.refused(422, "invalid-machine");
    assert_eq!(refused["errors"][0]["pointer"], "/jump", "{refused:#}");

    let yaml =
        "machines:\n  - { name: a, host: 192.0.2.1, user: root }\n  - { name: b, host: 192.0.2.66, user: root }\n";
    let refused = admin.post_yaml("/api/machines/import", yaml).await.refused(422, "invalid-machine");
    assert_eq!(
        (&refused["errors"][0]["pointer"], &refused["errors"][0]["line"]),
        (&json!("/machines/1/host"), &json!(3))
    );
    admin.get("/api/machines/a").await.refused(404, "not-found");

    admin.post("/api/machines", &body("192.0.2.1")).await.expect(201);
    admin.patch("/api/machines/quay", &json!({ "host": "192.0.2.66" })).await.refused(422, "invalid-machine");
    admin.patch("/api/machines/quay", &json!({ "host": "192.0.2.2" })).await.expect(200);
}

/// Counts who comes.
fn counter(address: &str, port: u16) -> Arc<AtomicUsize> {
    let listener = TcpListener::bind((address, port)).unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    std::thread::spawn(move || {
        for _ in listener.incoming() {
            seen.fetch_add(1, Ordering::SeqCst);
        }
    });
    count
}

fn script(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_changes_its_address_leads_nowhere_else() {
    let folder = TempDir::new().unwrap();
    let sshd = Sshd::start();
    let elsewhere = counter("127.0.0.66", sshd.port);
    let hosts = folder.path().join("hosts");
    let here = "127.0.0.1 localhost\n127.0.0.1 quay.test\n";
    let there = "127.0.0.1 localhost\n127.0.0.66 quay.test\n";
    fs::write(&hosts, here).unwrap();
    // Between the check and the connection the name moves, if the test wants it so.
    let bin = folder.path().join("bin");
    fs::create_dir(&bin).unwrap();
    let moved = folder.path().join("moves");
    let path = std::env::var("PATH").unwrap();
    let text = format!(
        "#!/bin/sh\nPATH='{path}'\n[ ! -e {moved} ] || printf '{}' >/etc/hosts\nexec ssh \"$@\"\n",
        there.replace('\n', "\\n"),
        moved = moved.display()
    );
    script(&bin.join("ssh"), &text);
    let mut setup = Setup::new(folder.path(), format!("sqlite:{}/berth.db", folder.path().display()))
        .with("PATH", &format!("{}:{path}", bin.display()))
        .with("BERTH_MACHINES_DENY_ADDRESSES", "127.0.0.66/32");
    setup.sees.push((hosts.clone(), "/etc/hosts"));
    let _server = setup.server();
    let admin = Client::new(&setup.url()).signed_in("admin", "change-me").await;
    let machine =
        json!({ "name": "quay", "host": "quay.test", "port": sshd.port, "user": "root", "password": PASSWORD });

    fs::write(&moved, "").unwrap();
    let made = admin.post("/api/machines", &machine).await.expect(201);
    assert!(fs::read_to_string(&hosts).unwrap().contains("127.0.0.66"), "the name did not move");
    // The first connection went to what was checked; the second found the name moved and was not made.
    let told = made.to_string();
    assert!(told.contains("logged in as `root` with the password"), "{made:#}\n{}", sshd.log());
    assert_eq!(made["machine"]["state"], "quarantined", "{made:#}");
    assert!(told.contains("machines.deny_addresses") && told.contains("127.0.0.66"), "{made:#}");
    assert_eq!(elsewhere.load(Ordering::SeqCst), 0);

    admin
        .post("/api/machines", &json!({ "name": "other", "host": "quay.test", "port": 1, "user": "root" }))
        .await
        .refused(422, "invalid-machine");
    fs::remove_file(&moved).unwrap();
    fs::write(&hosts, here).unwrap();
    let view = admin.post("/api/machines/quay/check", &json!({})).await.expect(200);
    assert_eq!(view["state"], "ready", "{view:#}\n{}", sshd.log());
    assert_eq!(elsewhere.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jump_host_is_dialled_at_the_address_that_was_checked() {
    let folder = TempDir::new().unwrap();
    let (gate, quay) = (Sshd::start(), Sshd::start());
    // What root's own ssh knows: the gate by a name of ssh_config's, and a key for it.
    let ssh = folder.path().join("root/.ssh");
    fs::create_dir_all(&ssh).unwrap();
    let key = ssh.join("id_ed25519");
    let made =
        std::process::Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status();
    assert!(made.unwrap().success());
    fs::write(ssh.join("known_hosts"), format!("[gate.test]:{} {}\n", gate.port, gate.host_key())).unwrap();
    let config = format!("Host gate\n  HostName gate.test\n  Port {}\n  StrictHostKeyChecking yes\n", gate.port);
    fs::write(ssh.join("config"), config).unwrap();
    fs::create_dir(gate.home().join(".ssh")).unwrap();
    fs::copy(key.with_extension("pub"), gate.home().join(".ssh/authorized_keys")).unwrap();
    let hosts = folder.path().join("hosts");
    fs::write(&hosts, "127.0.0.1 localhost gate.test\n").unwrap();
    let mut setup = Setup::new(folder.path(), format!("sqlite:{}/berth.db", folder.path().display()))
        .with("BERTH_MACHINES_DENY_ADDRESSES", "127.0.0.66/32");
    setup.sees.push((hosts.clone(), "/etc/hosts"));
    setup.sees.push((folder.path().join("root"), "/root"));
    let _server = setup.server();
    let admin = Client::new(&setup.url()).signed_in("admin", "change-me").await;
    let machine = json!({
        "name": "quay", "host": "127.0.0.1", "port": quay.port, "user": "root", "password": PASSWORD, "jump": "gate"
    });
    let made = admin.post("/api/machines", &machine).await.expect(201);
    assert_eq!(made["machine"]["state"], "ready", "{made:#}\n{}\n{}", gate.log(), quay.log());
    assert!(gate.log().contains("Accepted publickey"), "{}", gate.log());

    let elsewhere = counter("127.0.0.66", gate.port);
    fs::write(&hosts, "127.0.0.1 localhost\n127.0.0.66 gate.test\n").unwrap();
    let view = admin.post("/api/machines/quay/check", &json!({})).await.expect(200);
    assert_eq!(view["state"], "quarantined", "{view:#}");
    assert!(view["reason"].as_str().unwrap().contains("machines.deny_addresses"), "{view:#}");
    assert_eq!(elsewhere.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_with_several_addresses_is_dialled_where_somebody_listens() {
    let folder = TempDir::new().unwrap();
    let sshd = Sshd::start();
    let hosts = folder.path().join("hosts");
    fs::write(&hosts, "127.0.0.1 localhost\n127.0.0.9 quay.test\n127.0.0.1 quay.test\n").unwrap();
    let mut setup = Setup::new(folder.path(), format!("sqlite:{}/berth.db", folder.path().display()));
    setup.sees.push((hosts, "/etc/hosts"));
    let _server = setup.server();
    let admin = Client::new(&setup.url()).signed_in("admin", "change-me").await;
    let machine =
        json!({ "name": "quay", "host": "quay.test", "port": sshd.port, "user": "root", "password": PASSWORD });
    let started = tokio::time::Instant::now();
    let made = admin.post("/api/machines", &machine).await.expect(201);
    assert_eq!(made["machine"]["state"], "ready", "{made:#}\n{}", sshd.log());
    assert!(started.elapsed() < Duration::from_secs(30));
}
