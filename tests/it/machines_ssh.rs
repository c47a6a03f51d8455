//! Registration against a real sshd: host keys, passwords, Berth's key, and machines that behave badly.

use std::{io::Write, net::TcpListener, os::unix::fs::PermissionsExt, time::Duration};

use berth::config::Remote;
use serde_json::{Value, json};

use crate::harness::{
    Client, Database, TestBerth,
    sshd::{PASSWORD, Sshd},
};

async fn berth() -> TestBerth {
    TestBerth::spawn_with(Database::Sqlite, |config| {
        config.remote = Remote::Ssh;
        config.timeouts.connect = Duration::from_secs(5);
    })
    .await
}

fn body(port: u16) -> Value {
    json!({ "name": "quay", "host": "127.0.0.1", "port": port, "user": "root", "password": PASSWORD })
}

async fn show(admin: &Client) -> Value {
    admin.get("/api/machines/quay").await.expect(200)
}

fn tells(view: &Value, word: &str) -> bool {
    view.to_string().contains(word)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_is_registered_by_password_once_and_by_key_ever_after() {
    let berth = berth().await;
    let mut sshd = Sshd::start();
    let admin = berth.admin().await;
    let answer = admin.post("/api/machines", &body(sshd.port)).await;
    let made = answer.expect(201);
    assert_eq!(made["machine"]["state"], "ready", "{made:#}\n{}", sshd.log());
    for step in ["host key pinned", "logged in as `root` with the password", "key installed", "verified", "facts read"]
    {
        assert!(tells(&made["steps"], step), "{step}: {made:#}");
    }
    let facts = &made["machine"]["facts"];
    assert!(facts["cpus"].as_u64().unwrap() > 0 && facts["memory_bytes"].as_u64().unwrap() > 0, "{facts}");
    assert!(made["machine"]["host_key_fingerprint"].as_str().unwrap().starts_with("SHA256:"));
    assert!(!answer.text.contains("s3cret-canary"));

    let keys = std::fs::read_to_string(sshd.home().join(".ssh/authorized_keys")).unwrap();
    assert_eq!(keys.lines().count(), 1);
    assert!(keys.ends_with(" berth\n"), "{keys}");
    let private = berth.ctx.config.data_dir.join("ssh/id_ed25519");
    assert_eq!(std::fs::metadata(private).unwrap().permissions().mode() & 0o777, 0o600);

    sshd.down();
    sshd.up();
    let view = admin.post("/api/machines/quay/check", &json!({})).await.expect(200);
    assert_eq!(view["state"], "ready");
    assert!(sshd.log().contains("Accepted publickey") && !sshd.log().contains("password for root"), "{}", sshd.log());
    assert!(!std::path::Path::new("/tmp/berth-canary").exists(), "a password was run by a shell");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_key_is_installed_again_by_the_kept_password() {
    let berth = berth().await;
    let sshd = Sshd::start();
    let admin = berth.admin().await;
    admin.post("/api/machines", &body(sshd.port)).await.expect(201);
    std::fs::remove_file(sshd.home().join(".ssh/authorized_keys")).unwrap();
    let view = admin.post("/api/machines/quay/check", &json!({})).await.expect(200);
    assert_eq!(view["state"], "quarantined", "{view:#}");
    berth.advance(Duration::from_mins(1));
    berth.ctx.wake.notify_one();
    berth::machines::jobs::retry_quarantined(&berth.ctx).await.unwrap();
    berth.run_jobs().await;
    assert_eq!(show(&admin).await["state"], "ready");
    assert!(sshd.home().join(".ssh/authorized_keys").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_host_key_is_refused_before_any_login_until_an_admin_accepts_it() {
    let berth = berth().await;
    let mut sshd = Sshd::start();
    let admin = berth.admin().await;
    let made = admin.post("/api/machines", &body(sshd.port)).await.expect(201);
    let before = made["machine"]["host_key_fingerprint"].clone();
    sshd.down();
    sshd.new_host_key();
    std::fs::remove_file(sshd.home().join(".ssh/authorized_keys")).unwrap();
    sshd.up();
    let view = admin.post("/api/machines/quay/check", &json!({})).await.expect(200);
    assert_eq!(view["state"], "quarantined", "{view:#}");
    assert!(view["reason"].as_str().unwrap().contains("host key"), "{view:#}");
    // Another try, this time of the registration, which would use the password.
    berth.advance(Duration::from_hours(1));
    let admin = berth.admin().await;
    let view = admin.post("/api/machines/quay/check", &json!({})).await.expect(200);
    assert_eq!(view["state"], "quarantined");
    assert!(!sshd.log().contains("userauth-request"), "something was sent to a stranger:\n{}", sshd.log());

    let view = admin.post("/api/machines/quay/check", &json!({ "accept_new_host_key": true })).await.expect(200);
    assert_eq!(view["state"], "ready", "{view:#}");
    assert_ne!(view["host_key_fingerprint"], before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_key_given_beforehand_is_enforced() {
    let berth = berth().await;
    let sshd = Sshd::start();
    let admin = berth.admin().await;
    let other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
    let mut wrong = body(sshd.port);
    wrong["host_key"] = json!(other);
    let made = admin.post("/api/machines", &wrong).await.expect(201);
    assert_eq!(made["machine"]["state"], "quarantined", "{made:#}");
    assert!(!sshd.log().contains("userauth-request"), "{}", sshd.log());
    let view = admin.patch("/api/machines/quay", &json!({ "host_key": sshd.host_key() })).await.expect(200);
    assert_eq!(view["state"], "ready", "{view:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_and_a_closed_port_quarantine_the_machine_with_the_reason() {
    let berth = berth().await;
    let mut sshd = Sshd::start();
    let admin = berth.admin().await;
    let mut wrong = body(sshd.port);
    wrong["password"] = json!("wrong");
    let made = admin.post("/api/machines", &wrong).await.expect(201);
    assert_eq!(made["machine"]["state"], "quarantined");
    assert!(tells(&made["steps"], "login refused"), "{made:#}");
    assert!(made["machine"]["next_try_at"].is_string());
    sshd.down();
    let view = admin.patch("/api/machines/quay", &json!({ "password": PASSWORD })).await.expect(200);
    assert_eq!(view["state"], "quarantined");
    assert!(view["reason"].as_str().unwrap().contains("cannot be reached"), "{view:#}");
    sshd.up();
    berth.advance(Duration::from_hours(1));
    berth::machines::jobs::retry_quarantined(&berth.ctx).await.unwrap();
    berth.run_jobs().await;
    assert_eq!(show(&berth.admin().await).await["state"], "ready");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registered_key_file_is_used_and_a_bad_one_is_refused() {
    let berth = berth().await;
    let sshd = Sshd::start();
    let admin = berth.admin().await;
    let folder = berth.ctx.config.data_dir.join("keys");
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("lab");
    let done =
        std::process::Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&file).status();
    assert!(done.unwrap().success());
    std::fs::create_dir(sshd.home().join(".ssh")).unwrap();
    std::fs::copy(file.with_extension("pub"), sshd.home().join(".ssh/authorized_keys")).unwrap();
    let entry =
        |key: &str| json!({ "name": "quay", "host": "127.0.0.1", "port": sshd.port, "user": "root", "key_file": key });

    for bad in ["nope", "../ssh/id_ed25519", "/etc", "~/x"] {
        admin.post("/api/machines", &entry(bad)).await.refused(422, "invalid-machine");
    }
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let refused = admin.post("/api/machines", &entry("lab")).await.refused(422, "invalid-machine");
    assert!(tells(&refused, "chmod 600"));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let made = admin.post("/api/machines", &entry("lab")).await.expect(201);
    assert_eq!(made["machine"]["state"], "ready", "{made:#}");
}

/// Accepts and then writes `bytes` again and again, or nothing at all.
fn stranger(bytes: Option<&'static [u8]>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            std::thread::spawn(move || match bytes {
                Some(bytes) => while stream.write_all(bytes).is_ok() {},
                None => drop(std::io::copy(&mut stream, &mut std::io::sink())),
            });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_host_and_an_endless_banner_cost_a_deadline_and_no_more() {
    let berth = berth().await;
    let admin = berth.admin().await;
    let yaml = format!(
        "x-all: &all {{ host: 127.0.0.1, user: root, password: p }}\nmachines:\n  - {{ <<: *all, name: silent, port: {} }}\n  - {{ <<: *all, name: chatty, port: {} }}\n  - {{ <<: *all, name: oneline, port: {} }}\n",
        stranger(None),
        stranger(Some(b"not ssh at all\r\n")),
        stranger(Some(b"SSH-2.0-"))
    );
    let started = tokio::time::Instant::now();
    let done = admin.post_yaml("/api/machines/import?wait=60", &yaml).await.expect(200);
    assert!(started.elapsed() < Duration::from_secs(40), "{:?}", started.elapsed());
    assert_eq!(done["summary"]["failed"], 3, "{done:#}");
    for item in done["items"].as_array().unwrap() {
        assert_eq!(item["outcome"], "failed");
        assert!(!item["message"].as_str().unwrap().is_empty());
    }
}
