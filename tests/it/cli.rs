//! The `berth` command against the real server: what is printed where, and with which exit code it ends.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;

use crate::{
    harness::{ADMIN_PASSWORD, Database, TestBerth},
    on_both,
};

/// A person at a terminal of their own: a home, a server's address, nothing else in the environment.
struct Person {
    home: TempDir,
    url: String,
    vars: Vec<(&'static str, String)>,
}

/// What a command left behind.
struct Done {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Person {
    fn new(berth: &TestBerth) -> Self {
        Self { home: TempDir::new().unwrap(), url: berth.url.clone(), vars: Vec::new() }
    }

    async fn signed_in(berth: &TestBerth, name: &str, password: &str) -> Self {
        let person = Self::new(berth);
        person.type_in(&format!("{password}\n"), &["login", name, "--password-stdin"]).await.expect(0);
        person
    }

    async fn admin(berth: &TestBerth) -> Self {
        Self::signed_in(berth, "admin", ADMIN_PASSWORD).await
    }

    async fn member(berth: &TestBerth, name: &str) -> Self {
        berth.member(name).await;
        Self::signed_in(berth, name, "a good password").await
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.vars.push((name, value.to_owned()));
        self
    }

    fn profiles(&self) -> PathBuf {
        self.home.path().join(".config/berth/profiles.toml")
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.home.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    async fn run(&self, args: &[&str]) -> Done {
        self.type_in("", args).await
    }

    async fn type_in(&self, input: &str, args: &[&str]) -> Done {
        let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_berth"))
            .args(args)
            .env_clear()
            .env("HOME", self.home.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("BERTH_URL", &self.url)
            .envs(self.vars.iter().map(|(name, value)| (name, value)))
            .current_dir(self.home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A command that reads no input may be gone before it is written.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        let output = tokio::time::timeout(Duration::from_mins(2), child.wait_with_output()).await.unwrap().unwrap();
        Done::from(output)
    }

    /// What the command prints as JSON; it must end with 0.
    async fn json(&self, args: &[&str]) -> Value {
        let done = self.run(&[args, &["--output", "json"]].concat()).await.expect(0);
        serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{args:?}: {error}\n{}", done.stdout))
    }
}

impl From<Output> for Done {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Done {
    #[track_caller]
    fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "no `{text}` in stderr:\n{}", self.stderr);
        self
    }

    #[track_caller]
    fn prints(self, text: &str) -> Self {
        assert!(self.stdout.contains(text), "no `{text}` in stdout:\n{}", self.stdout);
        self
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn texts(value: &Value, field: &str) -> Vec<String> {
    value.as_array().unwrap().iter().map(|item| item[field].as_str().unwrap().to_owned()).collect()
}

on_both! {
    async fn people_sign_in_look_who_they_are_and_sign_out(berth: TestBerth) {
        let person = Person::new(&berth);
        person.run(&["whoami"]).await.expect(3).says("berth login");
        person.type_in("wrong\n", &["login", "admin", "--password-stdin"]).await.expect(3).says("request id");
        let done = person.type_in(&format!("{ADMIN_PASSWORD}\n"), &["login", "admin", "--password-stdin"]).await.expect(0);
        assert_eq!(done.stdout, "", "sign-in is talk, not data");
        assert_eq!(mode(&person.profiles()), 0o600);
        assert!(!std::fs::read_to_string(person.profiles()).unwrap().contains(ADMIN_PASSWORD));
        let who = person.json(&["whoami"]).await;
        assert_eq!((&who["username"], &who["role"], &who["via"]), (&json!("admin"), &json!("admin"), &json!("session")));
        person.run(&["logout"]).await.expect(0);
        person.run(&["whoami"]).await.expect(3);
        assert!(!std::fs::read_to_string(person.profiles()).unwrap().contains("token"));
    }

    async fn a_session_goes_on_when_its_token_ends_even_with_many_commands_at_once(berth: TestBerth) {
        let person = Person::admin(&berth).await;
        let before = std::fs::read_to_string(person.profiles()).unwrap();
        berth.advance(Duration::from_hours(2));
        let line = ["whoami"];
        let all = tokio::join!(person.run(&line), person.run(&line), person.run(&line), person.run(&line));
        for done in [all.0, all.1, all.2, all.3] {
            done.expect(0).prints("admin");
        }
        assert_ne!(std::fs::read_to_string(person.profiles()).unwrap(), before);
        person.run(&["me", "sessions", "list"]).await.expect(0).prints("this one");
    }

    async fn machines_are_booked_used_and_given_back(berth: TestBerth) {
        berth.machines(3).await;
        berth.work();
        let alice = Person::member(&berth, "alice").await;
        assert_eq!(alice.json(&["available"]).await["available"].as_array().unwrap().len(), 3);
        let reservation = alice.json(&["reserve", "2", "--for", "90m", "--wait"]).await;
        assert_eq!(reservation["state"], "active");
        assert!(reservation["password"].is_string(), "the password is shown this once: {reservation}");
        assert!(reservation["machines"][0]["ssh"].as_str().unwrap().contains("alice@"));
        let id = reservation["id"].as_str().unwrap();
        let end = &id[id.len() - 6..];

        let shown = alice.run(&["reservations", "show", end]).await.expect(0).prints("ssh ").prints("left)");
        assert!(!shown.stdout.contains(reservation["password"].as_str().unwrap()));
        alice.run(&["reserve", "2", "--for", "60"]).await.expect(5).says("not-enough-machines");
        let extended = alice.json(&["reservations", "extend", id, "30m"]).await;
        assert_ne!(extended["expires_at"], reservation["expires_at"]);

        let runs = alice.json(&["runs", "list", "--reservation", id]).await;
        let run = runs[0]["id"].as_str().unwrap().to_owned();
        alice.run(&["runs", "show", &run]).await.expect(0).prints("succeeded");
        alice.run(&["runs", "events", &run]).await.expect(0);
        alice.run(&["events"]).await.expect(0).prints("reservation.active");

        let bob = Person::member(&berth, "bob").await;
        bob.run(&["reservations", "show", id]).await.expect(4);
        bob.run(&["reservations", "release", id]).await.expect(4);
        bob.run(&["reservations", "show", end]).await.expect(4);
        bob.run(&["ssh", "m1"]).await.expect(4);

        let closed = alice.json(&["reservations", "release", end, "--wait"]).await;
        assert_eq!(closed["state"], "closed");
        alice.run(&["reservations", "list"]).await.expect(0).prints("no reservations");
        alice.run(&["reservations", "list", "--state", "any"]).await.expect(0).prints(id);
        alice.run(&["ssh", "m1"]).await.expect(4);
    }

    async fn a_request_that_cannot_be_meant_says_what_is_wrong(berth: TestBerth) {
        berth.machines(1).await;
        let alice = Person::member(&berth, "alice").await;
        for duration in ["0", "-1", "1.5", "1e12", "soon"] {
            alice.run(&["reserve", "1", "--for", duration]).await.expect(2).says("/duration");
        }
        for count in ["0", "-1", "1000000"] {
            let done = alice.run(&["reserve", count, "--for", "60"]).await;
            assert!([2, 5].contains(&done.code), "{count}: {} {}", done.code, done.stderr);
        }
        alice.run(&["reservations", "show", "nonsense"]).await.expect(4);
        alice.run(&["reserve"]).await.expect(2);
        alice.run(&["release-all", "--yes"]).await.expect(3);
        alice.run(&["users", "list"]).await.expect(3);
    }

    async fn waiting_ends_when_its_time_is_over_and_the_reservation_goes_on(berth: TestBerth) {
        berth.machines(1).await;
        // Nobody runs jobs, so the machine never gets ready.
        let alice = Person::member(&berth, "alice").await;
        let done = alice.run(&["reserve", "1", "--for", "60", "--wait", "--timeout", "1s"]).await.expect(7);
        assert!(done.stderr.contains("the password on its machines"), "{}", done.stderr);
        assert_eq!(alice.json(&["reservations", "list"]).await.as_array().unwrap().len(), 1);
    }

    async fn an_inventory_is_tried_then_registered(berth: TestBerth) {
        berth.work();
        let admin = Person::admin(&berth).await;
        let text = "machines:\n  - {name: quay-1, host: 192.0.2.1, port: 22, user: root, password: canary-pw, labels: {gpu: a100}}\n  \
                    - {name: quay-2, host: 192.0.2.2, port: 22, user: root, password: canary-pw}\n";
        let file = admin.file("machines.yml", text);
        admin.run(&["register", &file, "--dry-run"]).await.expect(0).prints("new").says("would be new 2");
        assert_eq!(admin.json(&["machines", "list"]).await, json!([]));
        let done = admin.run(&["register", &file]).await.expect(0).prints("quay-1").says("new 2");
        assert!(!done.stdout.contains("canary-pw") && !done.stderr.contains("canary-pw"));
        let again = admin.type_in(text, &["register", "-", "--output", "json"]).await.expect(0);
        let again: Value = serde_json::from_str(&again.stdout).unwrap();
        assert_eq!(again["summary"]["unchanged"], 2, "{again}");
        let labelled = admin.json(&["machines", "list", "--label", "gpu=a100"]).await;
        assert_eq!(texts(&labelled, "name"), ["quay-1"]);
    }

    async fn a_bad_inventory_is_refused_with_each_fault_at_its_place(berth: TestBerth) {
        let admin = Person::admin(&berth).await;
        let text = "machines:\n  - name: quay-1\n    host: 192.0.2.1\n    port: 99999\n    user: root\n    password: canary-pw\n  \
                    - name: ../etc\n    host: 192.0.2.2\n    port: 22\n    user: root\n";
        let file = admin.file("bad.yml", text);
        let done = admin.run(&["register", &file]).await.expect(2);
        let faults: Vec<&str> = done.stderr.lines().filter(|line| line.contains("bad.yml:")).collect();
        assert!(faults.iter().any(|line| line.contains("bad.yml:4:")), "{}", done.stderr);
        assert!(faults.iter().any(|line| line.contains("bad.yml:7:")), "{}", done.stderr);
        assert!(!done.stderr.contains("canary-pw"), "{}", done.stderr);
        assert_eq!(admin.json(&["machines", "list"]).await, json!([]));
    }

    async fn machines_are_looked_after(berth: TestBerth) {
        berth.machines(2).await;
        let admin = Person::admin(&berth).await;
        assert_eq!(texts(&admin.json(&["machines", "list", "--state", "ready"]).await, "name"), ["m1", "m2"]);
        admin.run(&["machines", "quarantine", "m1", "--reason", "fan is loud"]).await.expect(0).prints("fan is loud");
        admin.run(&["machines", "list", "--state", "quarantined"]).await.expect(0).prints("m1");
        let alice = Person::member(&berth, "alice").await;
        let available = alice.json(&["available"]).await;
        assert_eq!(available["available"], json!(["m2"]));
        admin.run(&["machines", "release", "m1"]).await.expect(0);
        berth.run_jobs().await;
        admin.run(&["machines", "check", "m1"]).await.expect(0).prints("ready");
        admin.run(&["machines", "change", "m1", "--label", "rack=b"]).await.expect(0).prints("rack=b");
        admin.run(&["machines", "remove", "m2"]).await.expect(2).says("--yes");
        admin.run(&["machines", "remove", "m2", "--yes"]).await.expect(0);
        admin.run(&["machines", "show", "m2"]).await.expect(4);
        alice.run(&["machines", "quarantine", "m1", "--reason", "mine"]).await.expect(3);
        let seen = alice.json(&["machines", "show", "m1"]).await;
        assert!(seen.get("host").is_none_or(Value::is_null), "{seen}");
    }

    async fn accounts_are_made_let_in_and_locked_out(berth: TestBerth) {
        let admin = Person::admin(&berth).await;
        admin.type_in("a good password\n", &["users", "add", "alice", "--role", "instructor", "--password-stdin"]).await.expect(0);
        admin.type_in("a good password\n", &["users", "add", "alice", "--password-stdin"]).await.expect(5).says("username-taken");
        admin.type_in("\n", &["users", "add", "carl", "--password-stdin"]).await.expect(2).says("/password");
        assert_eq!(texts(&admin.json(&["users", "list", "--role", "instructor"]).await, "username"), ["alice"]);
        let alice = Person::signed_in(&berth, "alice", "a good password").await;
        alice.type_in("a good password\nanother password\n", &["me", "password", "--password-stdin"]).await.expect(0);
        alice.run(&["me", "update", "--full-name", "Alice Quay"]).await.expect(0).prints("Alice Quay");
        admin.run(&["users", "suspend", "alice"]).await.expect(0).prints("suspended");
        alice.run(&["whoami"]).await.expect(3);
        admin.run(&["users", "approve", "alice"]).await.expect(0).prints("active");
        let link = admin.run(&["users", "reset", "alice"]).await.expect(0).says("once");
        assert_eq!(link.stdout.lines().count(), 1, "{}", link.stdout);
        admin.run(&["users", "remove", "alice", "--yes"]).await.expect(0);
        admin.run(&["users", "show", "alice"]).await.expect(4);
        admin.run(&["audit", "--actor", "admin"]).await.expect(0).prints("alice");
        admin.run(&["pools"]).await.expect(0).prints("default").prints("everybody");
        admin.run(&["runs", "list", "--machine", "nowhere", "--state", "failed"]).await.expect(0);
    }

    async fn keys_and_tokens_are_kept_and_a_token_signs_in(berth: TestBerth) {
        let alice = Person::member(&berth, "alice").await;
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKqLyKeEZMrEVGOmWzMNJ4JVfzBOUXq5e1OPtPZpT2 alice";
        let file = alice.file("id.pub", key);
        alice.run(&["keys", "add", "laptop", &file]).await.expect(0).prints("SHA256:");
        alice.run(&["keys", "list"]).await.expect(0).prints("laptop");
        alice.run(&["keys", "remove", "laptop"]).await.expect(0);
        alice.run(&["keys", "remove", "laptop"]).await.expect(4);
        let private = alice.file("id", "-----BEGIN OPENSSH PRIVATE KEY-----\n");
        alice.run(&["keys", "add", "laptop", &private]).await.expect(2).says(".pub");

        let made = alice.run(&["tokens", "add", "ci", "--days", "1"]).await.expect(0);
        let token = made.stdout.trim();
        assert!(token.starts_with("berth_pat_"), "{}", made.stdout);
        let script = Person::new(&berth).with("BERTH_TOKEN", token);
        assert_eq!(script.json(&["whoami"]).await["via"], "token");
        alice.run(&["tokens", "remove", "ci"]).await.expect(0);
        script.run(&["whoami"]).await.expect(3).says("BERTH_TOKEN");
    }

    async fn everything_can_be_released_by_an_admin(berth: TestBerth) {
        berth.machines(2).await;
        let alice = Person::member(&berth, "alice").await;
        alice.run(&["reserve", "1", "--for", "60"]).await.expect(0).says("is ");
        let admin = Person::admin(&berth).await;
        admin.run(&["release-all"]).await.expect(2).says("--yes");
        admin.run(&["release-all", "--yes"]).await.expect(0).prints("alice").says("failed 0");
        berth.run_jobs().await;
        assert_eq!(admin.json(&["reservations", "list", "--all"]).await, json!([]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_goes_to_stdout_in_the_shape_that_was_asked_for() {
    let berth = TestBerth::spawn(Database::Sqlite).await;
    berth.machines(2).await;
    let admin = Person::admin(&berth).await;
    let table = admin.run(&["machines", "list"]).await.expect(0);
    assert!(table.stdout.starts_with("NAME"), "{}", table.stdout);
    assert!(!table.stdout.contains('\u{1b}') && table.stderr.is_empty(), "{} {}", table.stdout, table.stderr);
    let json = admin.json(&["machines", "list"]).await;
    let yaml = admin.run(&["machines", "list", "-o", "yaml"]).await.expect(0);
    assert_eq!(serde_saphyr::from_str::<Value>(&yaml.stdout).unwrap(), json);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_for_the_server_that_gave_it() {
    let (one, other) = (TestBerth::spawn(Database::Sqlite).await, TestBerth::spawn(Database::Sqlite).await);
    let person = Person::admin(&one).await;
    person.run(&["whoami", "--url", &format!("{}/api/", one.url)]).await.expect(0);
    person.run(&["whoami", "--url", &other.url]).await.expect(3).says("not signed in");
    let (code, line) = (0, ["login", "admin", "--password-stdin", "--profile", "other", "--url", &other.url]);
    person.type_in(&format!("{ADMIN_PASSWORD}\n"), &line).await.expect(code);
    person.run(&["whoami", "--profile", "other", "--url", &other.url]).await.expect(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_profiles_file_that_others_can_read_is_not_used() {
    let berth = TestBerth::spawn(Database::Sqlite).await;
    let person = Person::admin(&berth).await;
    std::fs::set_permissions(person.profiles(), std::fs::Permissions::from_mode(0o644)).unwrap();
    person.run(&["whoami"]).await.expect(1).says("chmod 600");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_said_so() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let person = Person { home: TempDir::new().unwrap(), url: format!("http://127.0.0.1:{port}"), vars: Vec::new() };
    let person = person.with("BERTH_TOKEN", "berth_pat_x");
    person.run(&["available"]).await.expect(6).says("is it running");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lines_of_the_api_guide_work_one_after_the_other() {
    let berth = TestBerth::spawn(Database::Sqlite).await;
    berth.machines(4).await;
    berth.work();
    let guide = include_str!("../../docs/API.md");
    let blocks = guide.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let folder = TempDir::new().unwrap();
    let script: String = std::iter::once("set -eu\n").chain(blocks).collect();
    let output = tokio::process::Command::new("bash")
        .args(["-x", "-c", &script])
        .env("API", format!("{}/api", berth.url))
        .current_dir(folder.path())
        .output()
        .await
        .unwrap();
    let done = Done::from(output).expect(0);
    for expected in ["\"status\":\"ok\"", "\"via\":\"token\"", "\"reservation_id\"", "\"released\""] {
        assert!(done.stdout.contains(expected), "no {expected} in:\n{}", done.stdout);
    }
}
