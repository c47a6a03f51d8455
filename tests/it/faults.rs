//! What breaks around Berth: machines that go away or lie, people who leave things behind, the database, the clock.
//!
//! Faults while registering are in `machines_ssh`, refused input of each kind in the tests of its slice.

use std::time::{Duration, Instant};

use berth::config::Remote;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpListener, task::JoinHandle};

use crate::harness::{
    Client, Database, TestBerth,
    machines::{Machine, Machines, PASSWORD, machines},
    until,
};

const CANARY: &str = "/tmp/berth-faults-canary";

async fn show(who: &Client, id: &str) -> Value {
    who.get(&format!("/api/reservations/{id}")).await.expect(200)
}

async fn until_reservation(who: &Client, id: &str, state: &str) -> Value {
    until(&format!("`{state}`"), async || Some(show(who, id).await).filter(|view| view["state"] == state)).await
}

async fn machine(admin: &Client, name: &str) -> Value {
    admin.get(&format!("/api/machines/{name}")).await.expect(200)
}

async fn until_machine(admin: &Client, name: &str, state: &str) -> Value {
    until(&format!("{name} {state}"), async || Some(machine(admin, name).await).filter(|view| view["state"] == state))
        .await
}

/// A server that works with real machines; they are registered one after the other, so the first is chosen first.
async fn with_machines(n: usize) -> (TestBerth, Machines, Client) {
    let pool = machines(n).await;
    let berth = TestBerth::spawn_with(Database::Sqlite, |config| {
        config.remote = Remote::Ssh;
        config.timeouts.connect = Duration::from_secs(4);
    })
    .await;
    berth.work();
    let admin = berth.admin().await;
    for one in &pool.all {
        let Machine { name, port, .. } = one;
        let body = json!({ "name": name, "host": "127.0.0.1", "port": port, "user": "root", "password": PASSWORD });
        let made = admin.post("/api/machines", &body).await.expect(201);
        assert_eq!(made["machine"]["state"], "ready", "{made:#}");
    }
    (berth, pool, admin)
}

/// In the place of a machine: accepts, then says `line` for ever, or nothing at all.
async fn stranger(port: u16, line: Option<&'static [u8]>) -> JoinHandle<()> {
    let listener = until("a free port", async || TcpListener::bind(("127.0.0.1", port)).await.ok()).await;
    tokio::spawn(async move {
        let mut talks = tokio::task::JoinSet::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            talks.spawn(async move {
                match line {
                    Some(line) => while stream.write_all(line).await.is_ok() {},
                    None => drop(stream.readable().await.map(|()| stream)),
                }
                std::future::pending::<()>().await;
            });
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_that_fails_is_replaced_and_without_another_all_is_taken_back() {
    let (berth, pool, admin) = with_machines(3).await;
    let alice = berth.member("alice").await;
    let [first, second, third] = &pool.all[..] else { unreachable!() };

    // The first is gone, the second is silent: one request gets the third.
    first.stop().await;
    second.stop().await;
    let silent = stranger(second.port, None).await;
    let got = alice.post("/api/reserve?count=1&duration=10&reservation_password=test", &json!({})).await.expect(200);
    assert_eq!(got["machines"].as_array().unwrap().len(), 1);
    assert_eq!(got["machines"][0]["machine"], third.name.as_str(), "{got:#}");
    for name in [&first.name, &second.name] {
        let view = until_machine(&admin, name, "quarantined").await;
        assert!(!view["reason"].as_str().unwrap().is_empty(), "{view:#}");
    }
    let id = got["reservation_id"].as_str().unwrap();
    alice.delete(&format!("/api/reservations/{id}")).await.expect(202);
    until_machine(&admin, &third.name, "ready").await;

    // Now the third never stops talking, and no other is there.
    third.stop().await;
    let chatty = stranger(third.port, Some(b"you are welcome\r\n")).await;
    let asked = Instant::now();
    let refused = alice.post("/api/reserve?count=1&duration=10", &json!({})).await;
    refused.refused(503, "provisioning-failed");
    assert!(refused.headers.contains_key("retry-after"));
    assert!(asked.elapsed() < Duration::from_mins(1), "{:?}", asked.elapsed());
    until_machine(&admin, &third.name, "quarantined").await;

    // All come back by themselves, as they were.
    for stranger in [silent, chatty] {
        stranger.abort();
        let _ = stranger.await;
    }
    for one in &pool.all {
        one.start().await;
    }
    berth.advance(Duration::from_mins(10));
    for one in &pool.all {
        until_ready_by_retries(&berth, &one.name).await;
        assert_eq!(one.left_behind(), "");
    }
    let admin = berth.admin().await;
    let over = admin.get("/api/reservations?all=1").await.expect(200);
    let states: Vec<&str> = over["items"].as_array().unwrap().iter().map(|r| r["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["failed", "closed"]);
}

/// What the scheduler's cron line does, until the machine is well; its penalty is over when the clock says so. The clock
/// is moved less than the token of whoever looks is good for.
async fn until_ready_by_retries(berth: &TestBerth, name: &str) {
    let admin = berth.admin().await;
    let moves = std::sync::atomic::AtomicU32::new(0);
    until(&format!("{name} ready"), async || {
        if moves.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < 40 {
            berth.advance(Duration::from_secs(20));
        }
        berth::machines::jobs::retry_quarantined(&berth.ctx).await.unwrap();
        (machine(&admin, name).await["state"] == "ready").then_some(())
    })
    .await;
}

const HOSTILE: &str = r#"
exec >/dev/null 2>&1 </dev/null
setsid sleep 100000 &
(trap '' TERM HUP INT; while :; do sleep 1; done) &
for dir in /tmp /var/tmp /dev/shm; do
  mkdir -p "$dir/deep/er"
  echo hi >"$dir/deep/er/a b"
  touch "$dir/-rf" "$dir/new
line" "$dir/it's"
  mkfifo "$dir/pipe"
  ln -s /etc/passwd "$dir/link"
  chmod 0 "$dir/deep/er"
done
mkdir farm
for i in 1 2 3 4 5 6 7 8 9 10; do for j in 1 2 3 4 5 6 7 8 9 10; do ln -s /root "farm/$i-$j"; ln -s / "farm/all-$i-$j"; done; done
rm -rf .ssh
ln -s /root/.ssh .ssh
command -v crontab && echo '* * * * * touch /tmp/cron' | crontab -
:
"#;

/// Where there is no cron its file is put there by root, as cron would.
const CRONTAB: &str = "file=/var/spool/cron/crontabs/mallory; [ -e $file ] || { echo '* * * * * touch /tmp/cron' >$file; \
    chown mallory $file; }; echo mine >/root/keep; echo mine >/root/.ssh/keep; chmod 600 /root/.ssh/keep";
const ROOT: &str =
    "find /root -exec ls -ld --time-style=full-iso {} +; sha256sum /root/keep /root/.ssh/* /etc/passwd /etc/group";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_hostile_user_leaves_is_gone_after_the_release_and_root_is_untouched() {
    let (berth, pool, admin) = with_machines(1).await;
    let one = pool.all[0].clone();
    let accounts = one.file("/etc/passwd");
    let mallory = berth.member("mallory").await;
    let got = mallory.post("/api/reserve?count=1&duration=10&reservation_password=test", &json!({})).await.expect(200);
    let done = one.run("mallory", "test", HOSTILE);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(one.run("root", PASSWORD, CRONTAB).status.success());
    let (guest, session) = (one.clone(), "echo here; exec sleep 100000");
    let session = tokio::task::spawn_blocking(move || guest.run("mallory", "test", session));
    let root = |script: &str| String::from_utf8(one.run("root", PASSWORD, script).stdout).unwrap();
    let before = root(ROOT);
    let left = one.left_behind();
    for trace in
        ["account mallory", "process ", "/tmp/deep", "/var/tmp/-rf", "/dev/shm/pipe", "farm/10-10", "crontabs/mallory"]
    {
        assert!(left.contains(trace), "{trace} was not planted:\n{left}");
    }
    assert!(before.contains("/root/.ssh/keep"));

    let id = got["reservation_id"].as_str().unwrap();
    mallory.delete(&format!("/api/reservations/{id}")).await.expect(202);
    until_reservation(&mallory, id, "closed").await;
    assert_eq!(machine(&admin, &one.name).await["state"], "ready");
    let session = session.await.unwrap();
    assert!(!session.status.success(), "the open session goes on");
    assert_eq!(one.left_behind(), "");
    let drop_accounts = |text: &str| -> Vec<String> {
        text.lines()
            .filter(|line| !line.ends_with("/etc/passwd") && !line.ends_with("/etc/group"))
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(drop_accounts(&root(ROOT)), drop_accounts(&before));
    if let Some(accounts) = accounts {
        assert_eq!(one.file("/etc/passwd").unwrap(), accounts);
    }
    assert!(!one.run("mallory", "test", "id").status.success(), "the password still works");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_name_and_no_password_is_ever_run() {
    let passwords = [
        format!("'\"; touch {CANARY}; $(touch {CANARY}) `touch {CANARY}`"),
        format!("-rf --help \\n\\0 {{{{ lookup('pipe', 'touch {CANARY}') }}}} ${{IFS}}"),
        "../../../etc/shadow:$6$a$b:%s%n*?~#!".to_owned(),
    ];
    let _ = std::fs::remove_file(CANARY);
    let (berth, pool, admin) = with_machines(passwords.len()).await;
    let alice = berth.member("alice").await;
    let bookings = passwords.iter().map(|password| {
        let request = alice.request(Method::POST, "/api/reserve").query(&[
            ("count", "1"),
            ("duration", "10"),
            ("reservation_password", password),
        ]);
        alice.send(request)
    });
    let bookings = futures_util::future::join_all(bookings).await;
    for (password, got) in passwords.iter().zip(bookings) {
        let got = got.expect(200);
        let one = pool.all.iter().find(|one| got["machines"][0]["machine"] == one.name.as_str()).unwrap();
        let said = one.run("alice", password, "id -un");
        assert_eq!(said.stdout, b"alice\n", "{password}: {}", String::from_utf8_lossy(&said.stderr));
    }

    let canary = format!("x$(touch {CANARY})");
    let long = "x".repeat(10_000);
    let hostile = [
        "", "-rf", "../x", "a/b", "a b", "a'b", "a\"b", "a\nb", "a\u{0}b", "a;b", "a:b", "%s", "root\n", &canary, &long,
    ];
    for name in hostile {
        let answer = admin.post("/api/users", &json!({ "username": name, "password": "a good password" })).await;
        answer.expect(422);
        for field in ["name", "host", "user", "key_file"] {
            // No key file is none; what may be an address is one, and only fails to answer.
            let mut body = json!({ "name": "m", "host": "127.0.0.1", "port": 9, "user": "root", "password": "x" });
            body[field] = json!(name);
            let status = admin.post("/api/machines", &body).await.status.as_u16();
            if status == 201 {
                admin.delete(&format!("/api/machines/{}", body["name"].as_str().unwrap())).await;
            }
            assert!(
                status == 422 || (status == 201 && matches!((field, name), ("key_file", "") | ("host", "a:b" | "%s"))),
                "{field} {name:.40}: {status}"
            );
        }
        let path = "/api/reservations";
        let body = json!({ "count": 1, "duration": 5, "pool": name, "labels": { name: name } });
        let status = alice.post(path, &body).await.status.as_u16();
        assert!(status == 409 || status == 422, "pool and label {name:.40}: {status}");
    }
    for one in &pool.all {
        let said = one.run("root", PASSWORD, &format!("ls {CANARY} /root/*canary* /home/*/*canary* 2>/dev/null"));
        assert!(said.stdout.is_empty(), "a command was run on `{}`", one.name);
    }
    assert!(!std::path::Path::new(CANARY).exists(), "a command was run here");
    admin.post("/api/release_all", &json!({})).await.expect(200);
    for one in &pool.all {
        until_machine(&admin, &one.name, "ready").await;
        assert_eq!(one.left_behind(), "");
    }
}
