//! A pool under way: chances that can be repeated, and what one looks at while other things happen.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{Client, machines::Machine, tick};

/// A number from the environment.
pub fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// A xorshift: the same seed, the same kills.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    /// Up to two seconds, sooner rather than later: most of the work is done by then.
    pub fn moment(&mut self) -> Duration {
        Duration::from_millis(self.below(2000) * self.below(2000) / 2000)
    }
}

/// A request that may meet a dead server.
pub async fn send(client: &Client, method: Method, path: &str, body: Option<Value>) -> Option<(u16, Value)> {
    client.try_send(client.request(method, path).timeout(Duration::from_secs(30)), body).await
}

/// Machines by name, with their states and since when.
pub async fn states(admin: &Client) -> Option<Vec<(String, String, String, String)>> {
    let (status, view) = send(admin, Method::GET, "/api/machines?limit=100", None).await?;
    if status != 200 {
        return None;
    }
    let word = |machine: &Value, key: &str| machine[key].as_str().unwrap_or_default().to_owned();
    let one = |m: &Value| (word(m, "name"), word(m, "state"), word(m, "state_since"), word(m, "reason"));
    Some(view["items"].as_array().unwrap().iter().map(one).collect())
}

/// Looks again and again: a machine that is in the pool before and after a look at its accounts has none of ours.
pub async fn watch(admin: Client, all: Vec<Machine>, stop: CancellationToken) -> usize {
    let mut looks = 0;
    while !stop.is_cancelled() {
        tick(Duration::from_millis(100)).await;
        let Some(before) = states(&admin).await else { continue };
        let accounts: Vec<String> = all.iter().map(|machine| machine.file("/etc/passwd").unwrap_or_default()).collect();
        let Some(after) = states(&admin).await else { continue };
        for state in before.iter().filter(|state| state.1 == "ready" && after.contains(state)) {
            let at = all.iter().position(|machine| machine.name == state.0).unwrap();
            let ours: Vec<&str> = accounts[at].lines().filter(|line| line.starts_with("user")).collect();
            assert!(ours.is_empty(), "`{}` is in the pool with {ours:?}", state.0);
            looks += 1;
        }
    }
    looks
}

/// Somebody's live reservations, given back.
pub async fn give_back_all(client: &Client) -> Option<()> {
    let (_, page) = send(client, Method::GET, "/api/reservations?state=live", None).await?;
    for reservation in page["items"].as_array()? {
        send(client, Method::DELETE, &format!("/api/reservations/{}", reservation["id"].as_str()?), None).await?;
    }
    Some(())
}
