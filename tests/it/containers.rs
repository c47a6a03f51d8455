//! Demo machines that are containers of a real Docker engine: booked, used and given back as any machine.

use std::time::{Duration, Instant};

use berth::config::Remote;
use serde_json::json;

use crate::harness::{
    Database, TestBerth,
    docker::{Engine, IMAGE},
    machines::containers,
    tick,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_container_is_booked_used_and_given_back_and_leaves_nothing() {
    let engine = tokio::task::spawn_blocking(Engine::start).await.unwrap();
    let machines = containers(2, &engine.host, IMAGE).await;
    assert!(engine.containers().contains("quay-1"), "{}", engine.containers());
    let berth = TestBerth::spawn_with(Database::Sqlite, |config| config.remote = Remote::Ssh).await;
    berth.work();
    let admin = berth.admin().await;
    let done = admin.post_yaml("/api/machines/import", &machines.inventory()).await.expect(200);
    assert_eq!(done["summary"]["failed"], 0, "{done:#}");
    let alice = berth.member("alice").await;
    let body = json!({ "count": 2, "duration": 60, "reservation_password": "a good password" });
    let booked = alice.post("/api/reserve", &body).await.expect(200);

    for machine in &machines.all {
        let said = machine.run("alice", "a good password", "id -un; hostname; echo mine >/tmp/mine; crontab -l");
        let text = String::from_utf8_lossy(&said.stdout);
        assert_eq!(text, format!("alice\n{}\n", machine.name), "{}", String::from_utf8_lossy(&said.stderr));
        assert!(machine.left_behind().contains("account alice"));
    }

    let path = format!("/api/reservations/{}", booked["reservation_id"].as_str().unwrap());
    alice.delete(&path).await.expect(202);
    let end = Instant::now() + Duration::from_mins(1);
    loop {
        let view = alice.get(&path).await.expect(200);
        if view["state"] == "closed" {
            break;
        }
        assert!(Instant::now() < end, "{view:#}");
        tick(Duration::from_millis(100)).await;
    }
    for machine in &machines.all {
        assert_eq!(machine.left_behind(), "");
    }
    drop(machines);
    assert_eq!(engine.containers(), "[]");
}
