//! A Docker engine of a test's own, with a base image for demo machines; gone with the test.

use std::{
    process::Command,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use tempfile::TempDir;

use super::guard::Guard;

/// The base image that the engine holds.
pub const IMAGE: &str = "berth-test-base:1";

const START: &str = r#"
PATH=$PATH:/usr/sbin:/sbin
ip link add "$2" type bridge && ip addr add "$3" dev "$2" && ip link set "$2" up || exit 1
dockerd --data-root "$1/data" --exec-root "$1/exec" --pidfile "$1/pid" --host "unix://$1/socket" --bridge "$2" \
  >"$1/log" 2>&1 &
engine=$!
tries=0
until curl -sf --unix-socket "$1/socket" http://engine/_ping >"$1/answer"; do
  tries=$((tries + 1))
  [ "$tries" -lt 300 ] && kill -0 $engine || { tail "$1/log" >&2; ip link del "$2"; exit 1; }
  sleep 0.1
done
sh "$4" "$1/root" && tar c -C "$1/root" . | curl -sf --unix-socket "$1/socket" -H 'content-type: application/x-tar' \
  -X POST --data-binary @- "http://engine/images/create?fromSrc=-&repo=${5%:*}&tag=${5#*:}" >"$1/answer" || exit 1
"#;

const END: &str = r#"
list() { curl -sf --unix-socket "$1/socket" "http://engine/$2" | grep -o '"Id":"[0-9a-f]*"' | cut -d '"' -f 4; }
for id in $(list "$1" 'containers/json?all=1'); do
  curl -sf --unix-socket "$1/socket" -X DELETE "http://engine/containers/$id?force=1&v=1"
done
curl -sf --unix-socket "$1/socket" -X POST http://engine/networks/prune
kill $engine; wait $engine 2>/dev/null
ip link del "$2"
rm -rf "$1"
"#;

/// An engine that runs.
#[derive(Debug)]
pub struct Engine {
    /// Its address, as `DOCKER_HOST` has it.
    pub host: String,
    _guard: Guard,
}

static COUNT: AtomicU32 = AtomicU32::new(0);
/// Held while one starts: it makes the chains of the packet filter anew, and two at once end each other.
static STARTING: Mutex<()> = Mutex::new(());

impl Engine {
    /// Starts one on a bridge of its own.
    pub fn start() -> Self {
        let found = Command::new("sh").args(["-c", "PATH=$PATH:/usr/sbin; command -v dockerd"]).output().unwrap();
        assert!(found.status.success(), "needs Docker's engine: apt-get install docker.io iproute2, or ./just test");
        // A short path: a socket's name has at most 107 characters.
        let folder = TempDir::with_prefix_in("berth-docker-", "/tmp").unwrap().keep();
        let folder = folder.to_str().unwrap();
        let (process, engine) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let bridge = format!("berth{}-{engine}", process % 1_000_000);
        let address = format!("10.213.{}.1/24", (process + engine * 101) % 250);
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/harness/base-image.sh");
        let _alone = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        let guard = Guard::new(START, END, &[folder, &bridge, &address, script, IMAGE]);
        Self { host: format!("unix://{folder}/socket"), _guard: guard }
    }

    /// What `docker` says to these words.
    pub fn docker(&self, words: &[&str]) -> String {
        let said = Command::new("docker").env("DOCKER_HOST", &self.host).args(words).output().unwrap();
        assert!(said.status.success(), "docker {words:?}: {}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8(said.stdout).unwrap().trim().to_owned()
    }

    /// The engine's list of its containers, in JSON.
    pub fn containers(&self) -> String {
        let socket = self.host.trim_start_matches("unix://");
        let url = "http://engine/containers/json?all=1";
        let said = Command::new("curl").args(["-sf", "--unix-socket", socket, url]).output().unwrap();
        String::from_utf8(said.stdout).unwrap().trim().to_owned()
    }
}
