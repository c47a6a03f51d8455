//! The whole stack in containers on a real Docker engine, as `./just up` makes it: booked and used, restarted piece by
//! piece, and without its database for a while.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use reqwest::Certificate;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Client, docker::Engine, machines, mariadb::free_port, until};

/// The demo machines.
const COUNT: u16 = 2;

/// A stack that is up.
struct Stack {
    engine: Engine,
    folder: TempDir,
    port: u16,
    first_port: u16,
}

impl Stack {
    fn new() -> Self {
        let folder = TempDir::with_prefix("berth-stack-").unwrap();
        let first_port = loop {
            let port = free_port();
            if (port..port + COUNT).all(|port| std::net::TcpListener::bind(("0.0.0.0", port)).is_ok()) {
                break port;
            }
        };
        Self { engine: Engine::start(), folder, port: free_port(), first_port }
    }

    /// Runs a script of `./just`; what it printed.
    fn script(&self, name: &str, args: &[&str]) -> String {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let network = u32::from(self.port) % 250;
        let said = Command::new(root.join("scripts").join(name))
            .args(args)
            .env("DOCKER_HOST", &self.engine.host)
            .env("BERTH_UP_DIR", self.folder.path())
            .env("BERTH_PUBLISH", format!("127.0.0.1:{}", self.port))
            .env("BERTH_EDGE", format!("10.214.{network}"))
            .env("BERTH_DEMO_PORT", self.first_port.to_string())
            .env("BERTH_PROGRAM", env!("CARGO_BIN_EXE_berth"))
            .env("COMPOSE_PROJECT_NAME", format!("berth-test-{}", self.port))
            .env_remove("BERTH_DEV")
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(said.status.success(), "{name}: {}\n{}", text(&said.stdout), text(&said.stderr));
        text(&said.stdout)
    }

    fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    fn stranger(&self) -> Client {
        let pem = std::fs::read(self.folder.path().join("authority.crt")).unwrap();
        let authority = Certificate::from_pem(&pem).unwrap();
        Client::with(&self.url(), |builder| builder.tls_certs_only([authority]))
    }

    fn container(&self, service: &str) -> String {
        self.engine.docker(&["ps", "-aq", "--filter", &format!("label=com.docker.compose.service={service}")])
    }

    fn pid(&self, service: &str) -> String {
        self.engine.docker(&["inspect", "-f", "{{.State.Pid}}", &self.container(service)])
    }

    async fn until_ready(&self, what: &str) {
        let stranger = self.stranger();
        let ready = async || {
            let answer = stranger.try_send(stranger.request(reqwest::Method::GET, "/api/readyz"), None).await;
            answer.filter(|(status, _)| *status == 200).map(drop)
        };
        until(what, ready).await;
    }
}

/// Ends the machines also where the test fails.
impl Drop for Stack {
    fn drop(&mut self) {
        let demo = self.folder.path().join("demo");
        let playbook = concat!(env!("CARGO_MANIFEST_DIR"), "/playbooks/unprovision.yml");
        let _ = Command::new(env!("CARGO_BIN_EXE_berth"))
            .args(["playbook", "run", playbook])
            .env("BERTH_DEMO_DIR", &demo)
            .env("DOCKER_HOST", &self.engine.host)
            .output();
    }
}

async fn state(who: &Client, path: &str) -> Value {
    who.get(path).await.expect(200)["state"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stack_of_containers_is_used_restarted_and_loses_nothing() {
    let stack = tokio::task::spawn_blocking(Stack::new).await.unwrap();
    let printed = tokio::task::block_in_place(|| stack.script("up.sh", &[&COUNT.to_string()]));
    for line in ["Berth is up with 2 machines", &stack.url(), "sign in    admin / ", "./just down ends it all"] {
        assert!(printed.contains(line), "{printed}");
    }
    let password = std::fs::read_to_string(stack.folder.path().join("secrets/admin_password")).unwrap();
    let admin = stack.stranger().signed_in("admin", &password).await;
    nothing_more_than_needed(&stack);

    let body = json!({ "count": 2, "duration": 1, "reservation_password": "a good password" });
    let booked = admin.post("/api/reserve", &body).await.expect(200);
    let began = Instant::now();
    let path = format!("/api/reservations/{}", booked["reservation_id"].as_str().unwrap());
    for n in 0..COUNT {
        let said = machines::run(stack.first_port + n, "admin", "a good password", "id -un");
        assert_eq!(String::from_utf8_lossy(&said.stdout), "admin\n", "{}", String::from_utf8_lossy(&said.stderr));
    }
    let entries = admin.get("/api/audit?action=reservation.book").await.expect(200);
    let peer = entries["items"][0]["peer"].as_str().unwrap().to_owned();
    assert!(peer.starts_with("10.214.") && !peer.ends_with(".2"), "{peer} is Caddy's, not that of who booked");

    for service in ["caddy", "api", "scheduler", "mariadb"] {
        stack.engine.docker(&["restart", "-t", "20", &stack.container(service)]);
        stack.until_ready(service).await;
        // The same token, the same reservation.
        let view = admin.get(&path).await.expect(200);
        assert_eq!(view["machines"].as_array().map(Vec::len), Some(2), "after {service}: {view:#}");
    }

    // As hard as can be; the engine starts it again.
    let killed = Command::new("kill").args(["-9", &stack.pid("mariadb")]).status().unwrap();
    assert!(killed.success());
    let said = admin.get(&path).await;
    assert!([200, 503].contains(&said.status.as_u16()), "{}: {}", said.status, said.text);
    stack.until_ready("the database").await;

    until("the end of the reservation", async || (state(&admin, &path).await == "closed").then_some(())).await;
    assert!(Duration::from_secs(50) < began.elapsed(), "it ended too early: {:?}", began.elapsed());
    for n in 0..COUNT {
        let port = stack.first_port + n;
        assert!(!machines::run(port, "admin", "a good password", "true").status.success());
        let said = machines::run(port, "root", "harbour-light", "id admin || echo gone");
        assert!(String::from_utf8_lossy(&said.stdout).contains("gone"), "{said:?}");
    }

    let printed = tokio::task::block_in_place(|| stack.script("down.sh", &[]));
    assert!(printed.contains("are kept for the next"), "{printed}");
    assert_eq!(stack.engine.docker(&["ps", "-aq"]), "");
    assert!(stack.engine.docker(&["volume", "ls", "-q"]).contains("database"));
}

/// What the containers may do, and what they show to the outside.
fn nothing_more_than_needed(stack: &Stack) {
    let ports = stack.engine.docker(&["ps", "--format", "{{.Ports}}"]);
    let published: Vec<&str> = ports.split([',', '\n']).filter(|port| port.contains("->")).collect();
    assert_eq!(published, [format!("127.0.0.1:{}->443/tcp", stack.port)]);
    for service in ["api", "scheduler"] {
        let container = stack.container(service);
        let said = stack.engine.docker(&[
            "exec",
            &container,
            "sh",
            "-c",
            "cat /proc/self/status; (: >/usr/x) 2>/tmp/e; cat /tmp/e; for f in /run/secrets/*; do echo $f; done",
        ]);
        for fact in ["Uid:\t10001\t10001", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Read-only file system"] {
            assert!(said.contains(fact), "{service}: `{fact}` is not in:\n{said}");
        }
        let environment = stack.engine.docker(&["inspect", "-f", "{{.Config.Env}} {{.Args}}", &container]);
        for secret in ["database_password", "jwt_secret", "secret_key", "admin_password"] {
            let secret = std::fs::read_to_string(stack.folder.path().join("secrets").join(secret)).unwrap();
            assert!(!environment.contains(secret.trim()), "{environment}");
        }
    }
    // Without the program, which is not an optimised one here, the image is small.
    let image: u64 = stack.engine.docker(&["image", "inspect", "-f", "{{.Size}}", "berth:local"]).parse().unwrap();
    let program = std::fs::metadata(env!("CARGO_BIN_EXE_berth")).unwrap().len();
    assert!(image < program + 20_000_000, "{image} bytes, of which the program is {program}");
    let database = stack.container("mariadb");
    let said = stack.engine.docker(&["inspect", "-f", "{{.Config.Cmd}}", &database]);
    assert!(said.contains("--collation-server=utf8mb4_nopad_bin"), "{said}");
}
