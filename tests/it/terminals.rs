//! Terminals in the browser, against real machines: a WebSocket client in the place of the page.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use berth::{clock::Clock, config::Remote, ctx::Ctx};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest},
};

use crate::harness::{
    Client, Database, TestBerth,
    machines::{Machine, Machines, PASSWORD, machines},
    until,
};

/// How long anything may take on a busy computer.
const PATIENCE: Duration = Duration::from_mins(1);
/// Output that may be on its way without having been acknowledged.
const WINDOW: usize = 256 * 1024;
const PIECE: usize = 16 * 1024;

/// A server, one machine, and alice who has it.
struct Scene {
    berth: TestBerth,
    pool: Machines,
    alice: Client,
    reservation: String,
}

impl Scene {
    async fn new(database: Database) -> Self {
        let pool = machines(1).await;
        let berth = TestBerth::spawn_with(database, |config| {
            config.remote = Remote::Ssh;
            config.timeouts.connect = Duration::from_secs(20);
        })
        .await;
        berth.work();
        let admin = berth.admin().await;
        let Machine { name, port, .. } = &pool.all[0];
        let body = json!({ "name": name, "host": "127.0.0.1", "port": port, "user": "root", "password": PASSWORD });
        admin.post("/api/machines", &body).await.expect(201);
        let alice = berth.member("alice").await;
        let reservation = book(&alice).await;
        Self { berth, pool, alice, reservation }
    }

    fn machine(&self) -> &Machine {
        &self.pool.all[0]
    }

    fn path(&self) -> String {
        format!("/api/reservations/{}/terminals", self.reservation)
    }

    /// Where a new terminal opens.
    async fn ticket(&self) -> String {
        self.ticket_for(json!({ "machine": self.machine().name })).await
    }

    async fn ticket_for(&self, body: Value) -> String {
        let view = self.alice.post(&self.path(), &body).await.expect(201);
        assert_eq!(view["url"], format!("/api/terminal?ticket={}", view["ticket"].as_str().unwrap()));
        view["url"].as_str().unwrap().to_owned()
    }

    /// A terminal whose shell has begun.
    async fn terminal(&self) -> Screen {
        let ticket = self.ticket().await;
        self.open(&ticket).await
    }

    async fn open(&self, ticket: &str) -> Screen {
        let mut screen = Screen::connect(&self.berth, &format!("{ticket}&cols=100&rows=30")).await;
        let ready = screen.told("ready").await;
        ready["session"].as_str().unwrap().clone_into(&mut screen.session);
        screen
    }

    async fn audit(&self, action: &str) -> Vec<Value> {
        let admin = self.berth.stranger().signed_in("admin", crate::harness::ADMIN_PASSWORD).await;
        let page = admin.get(&format!("/api/audit?action={action}")).await.expect(200);
        page["items"].as_array().unwrap().clone()
    }
}

async fn book(who: &Client) -> String {
    let body = json!({ "count": 1, "duration": 10, "reservation_password": "test" });
    let id = who.post("/api/reservations", &body).await.expect(202)["id"].as_str().unwrap().to_owned();
    until_state(who, &id, "active").await;
    id
}

async fn until_state(who: &Client, id: &str, state: &str) {
    let look = async || Some(who.get(&format!("/api/reservations/{id}")).await.expect(200));
    until(state, async || look().await.filter(|view| view["state"] == state)).await;
}

/// The page's side of a terminal.
struct Screen {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    session: String,
    /// All output so far.
    shown: Vec<u8>,
    told: Vec<Value>,
    acks: bool,
}

/// What a server answers that does not open a terminal.
async fn refusal(berth: &TestBerth, path: &str, origin: Option<&str>) -> (u16, String) {
    match dial(&berth.url, path, origin).await {
        Ok(_) => panic!("`{path}` was opened"),
        Err(Error::Http(answer)) => {
            let body: Value = serde_json::from_slice(answer.body().as_deref().unwrap_or_default()).unwrap();
            let slug = body["type"].as_str().unwrap().trim_start_matches("/problems/").to_owned();
            (answer.status().as_u16(), slug)
        }
        Err(error) => panic!("{error}"),
    }
}

async fn dial(
    url: &str,
    path: &str,
    origin: Option<&str>,
) -> Result<WebSocketStream<MaybeTlsStream<TcpStream>>, Error> {
    let mut request = format!("{}{path}", url.replace("http", "ws")).into_client_request().unwrap();
    if let Some(origin) = origin {
        request.headers_mut().insert("origin", origin.parse().unwrap());
    }
    connect_async(request).await.map(|(socket, _)| socket)
}

impl Screen {
    async fn connect(berth: &TestBerth, path: &str) -> Self {
        Self::at(&berth.url, path).await
    }

    async fn at(url: &str, path: &str) -> Self {
        let socket = dial(url, path, Some(url)).await.unwrap();
        Self { socket, session: String::new(), shown: Vec::new(), told: Vec::new(), acks: true }
    }

    async fn send(&mut self, message: Value) {
        self.socket.send(Message::Text(message.to_string().into())).await.unwrap();
    }

    async fn types(&mut self, text: &str) {
        self.socket.send(Message::Binary(text.as_bytes().to_vec().into())).await.unwrap();
    }

    /// The next message. None: the socket is closed.
    async fn hear(&mut self) -> Option<()> {
        let message = timeout(PATIENCE, self.socket.next()).await;
        match message.unwrap_or_else(|_| panic!("silence after {:?}", self.text()))? {
            Ok(Message::Binary(bytes)) => {
                self.shown.extend_from_slice(&bytes);
                if self.acks {
                    self.send(json!({ "type": "ack", "bytes": bytes.len() })).await;
                }
            }
            Ok(Message::Text(text)) => self.told.push(serde_json::from_str(&text).unwrap()),
            Ok(_) => {}
            Err(_) => return None,
        }
        Some(())
    }

    fn text(&self) -> String {
        let from = self.shown.len().saturating_sub(4000);
        String::from_utf8_lossy(&self.shown[from..]).into_owned()
    }

    /// Hears until this is shown, and forgets what was shown so far.
    async fn shows(&mut self, what: &str) -> String {
        while !self.text().contains(what) {
            assert!(self.hear().await.is_some(), "closed: {:?} after {:?}", self.told, self.text());
        }
        String::from_utf8_lossy(&std::mem::take(&mut self.shown)).into_owned()
    }

    /// Runs a command whose words do not stand in its own echo.
    async fn runs(&mut self, command: &str) -> String {
        self.types(&format!("{command}; echo end-$((1000 + 1))\n")).await;
        self.shows("end-1001").await
    }

    async fn told(&mut self, kind: &str) -> Value {
        loop {
            if let Some(told) = self.told.iter().find(|told| told["type"] == kind) {
                return told.clone();
            }
            assert!(self.hear().await.is_some(), "closed: {:?} after {:?}", self.told, self.text());
        }
    }

    /// How it is closed: the code and the reason.
    async fn closed(&mut self) -> (String, String) {
        let told = self.told("closed").await;
        while self.hear().await.is_some() {}
        let word = |key: &str| told[key].as_str().unwrap().to_owned();
        (word("code"), word("reason"))
    }
}

async fn a_shell_of_the_reserving_user(database: Database) {
    let scene = Scene::new(database).await;
    let mut screen = scene.terminal().await;
    let said = screen.runs("echo I am $(whoami), uid-$(id -u), in $PWD; echo TERM is $TERM").await;
    assert!(said.contains("I am alice, uid-1") && said.contains("in /home/alice"), "{said}");
    assert!(!said.contains("uid-0") && said.contains("TERM is xterm-256color"), "{said}");
    let said = screen.runs("[ -w \"$(tty)\" ] && echo the tty is $((40 + 2)); shopt login_shell; ps -o comm= $$").await;
    assert!(said.contains("the tty is 42") && said.contains("login_shell    \ton"), "{said}");
    let said = screen.runs("echo ours-$(env | grep -c -e BERTH -e SUDO); head -c 0 /etc/shadow").await;
    assert!(said.contains("ours-0") && said.contains("Permission denied"), "{said}");
    let said = screen.runs("stty size").await;
    assert!(said.contains("30 100"), "{said}");
    screen.send(json!({ "type": "resize", "cols": 132, "rows": 43 })).await;
    screen.send(json!({ "type": "what a newer page may say" })).await;
    let said = screen.runs("until [ \"$(stty size)\" = '43 132' ]; do :; done; stty size").await;
    assert!(said.contains("43 132"), "{said}");
    screen.types("exit\n").await;
    assert_eq!(screen.closed().await.0, "exited");

    let (opened, closed) = (scene.audit("terminal.open").await, scene.audit("terminal.close").await);
    assert_eq!((opened.len(), closed.len()), (1, 1));
    for entry in opened.iter().chain(&closed) {
        assert_eq!((&entry["actor"], &entry["target"]), (&json!("alice"), &json!(scene.machine().name)));
        assert!(!entry.to_string().contains("stty") && !entry["request_id"].as_str().unwrap().is_empty(), "{entry}");
    }
    assert!(closed[0]["detail"].as_str().unwrap().contains("exited after"), "{closed:?}");
}

async fn a_ticket_is_for_one_use_by_its_owner_from_our_own_page(database: Database) {
    let scene = Scene::new(database).await;
    let (berth, machine) = (&scene.berth, json!({ "machine": scene.machine().name }));
    let ticket = scene.ticket().await;
    let refused = |code: u16, slug: &str| (code, slug.to_owned());
    assert_eq!(refusal(berth, &ticket, None).await, refused(403, "foreign-origin"));
    for origin in ["https://evil.example", "null", "http://127.0.0.1:1"] {
        assert_eq!(refusal(berth, &ticket, Some(origin)).await, refused(403, "foreign-origin"), "{origin}");
    }
    berth.stranger().get(&ticket).await.refused(400, "not-a-websocket");
    // None of these has used it.
    let mut screen = scene.open(&ticket).await;
    assert_eq!(refusal(berth, &ticket, Some(&berth.url)).await, refused(403, "bad-ticket"));
    let guess = "/api/terminal?ticket=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    assert_eq!(refusal(berth, guess, Some(&berth.url)).await, refused(403, "bad-ticket"));

    let bob = berth.member("bob").await;
    bob.post(&scene.path(), &machine).await.refused(404, "not-found");
    let back = json!({ "machine": scene.machine().name, "session": screen.session });
    bob.post(&scene.path(), &back).await.refused(404, "not-found");
    berth.admin().await.post(&scene.path(), &machine).await.refused(403, "forbidden");
    berth.stranger().post(&scene.path(), &machine).await.refused(401, "unauthorized");
    scene.alice.post(&scene.path(), &json!({ "machine": "quay-9" })).await.refused(404, "not-found");
    let forgotten = json!({ "machine": scene.machine().name, "session": "00000000-0000-7000-8000-000000000000" });
    scene.alice.post(&scene.path(), &forgotten).await.refused(409, "terminal-gone");

    // One is open, seven more may be.
    let mut last = String::new();
    for _ in 0..7 {
        last = scene.ticket().await;
    }
    scene.alice.post(&scene.path(), &machine).await.refused(409, "too-many-terminals");
    scene.ticket_for(back).await;
    berth.advance(Duration::from_secs(31));
    assert_eq!(refusal(berth, &last, Some(&berth.url)).await, refused(403, "bad-ticket"));
    // Those that were never opened do not count any more.
    scene.ticket().await;
    screen.types("exit\n").await;
    screen.closed().await;
}

async fn it_ends_with_the_reservation_and_leaves_nothing(database: Database) {
    let scene = Scene::new(database).await;
    let mut screen = scene.terminal().await;
    screen.runs("sleep 1000 & (trap '' HUP; exec sleep 1001) & touch /tmp/mine").await;
    let mut connecting = Screen::connect(&scene.berth, &scene.ticket().await).await;
    scene.berth.advance(Duration::from_mins(11));
    scene.berth.ctx.wake.notify_one();
    let (code, reason) = screen.closed().await;
    assert_eq!((code.as_str(), reason.as_str()), ("expired", "the reservation's time is over"));
    // One that was still on its way in is turned away at the door, or just behind it.
    assert_eq!(connecting.closed().await.0, "expired");
    let alice = scene.berth.stranger().signed_in("alice", "a good password").await;
    until_state(&alice, &scene.reservation, "closed").await;
    assert_eq!(scene.machine().left_behind(), "");
    let machine = json!({ "machine": scene.machine().name });
    alice.post(&scene.path(), &machine).await.refused(409, "not-active");
}

mod on_sqlite {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_terminal_is_a_shell_of_the_reserving_user_with_the_size_of_the_screen() {
        a_shell_of_the_reserving_user(Database::Sqlite).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_ticket_is_for_one_use_by_its_owner_from_our_own_page() {
        super::a_ticket_is_for_one_use_by_its_owner_from_our_own_page(Database::Sqlite).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_terminal_ends_with_the_reservation_and_leaves_nothing() {
        it_ends_with_the_reservation_and_leaves_nothing(Database::Sqlite).await;
    }
}

mod on_mariadb {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_terminal_is_a_shell_of_the_reserving_user_with_the_size_of_the_screen() {
        a_shell_of_the_reserving_user(Database::MariaDb).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_ticket_is_for_one_use_by_its_owner_from_our_own_page() {
        super::a_ticket_is_for_one_use_by_its_owner_from_our_own_page(Database::MariaDb).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_terminal_ends_with_the_reservation_and_leaves_nothing() {
        it_ends_with_the_reservation_and_leaves_nothing(Database::MariaDb).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_waits_for_whoever_shows_it_and_can_be_stopped_at_once() {
    let scene = Scene::new(Database::Sqlite).await;
    let mut screen = scene.terminal().await;
    screen.runs("true").await;
    screen.acks = false;
    screen.types("yes a-line-of-a-flood\n").await;
    while screen.shown.len() <= WINDOW {
        screen.hear().await.unwrap();
    }
    // Nothing more comes: silence is what is waited for here.
    let more = async { while screen.hear().await.is_some() {} };
    assert!(timeout(Duration::from_secs(2), more).await.is_err());
    assert!(screen.shown.len() <= WINDOW + PIECE, "{} bytes without an ack", screen.shown.len());
    // The session still listens: an ack lets it go on.
    let first = screen.shown.len();
    screen.send(json!({ "type": "ack", "bytes": first })).await;
    screen.acks = true;
    while screen.shown.len() < 8 * WINDOW {
        screen.hear().await.unwrap();
    }
    screen.shown.clear();
    let pressed = Instant::now();
    screen.types("\x03").await;
    screen.types("echo stopped-$((40 + 2))\n").await;
    screen.shows("stopped-42").await;
    assert!(pressed.elapsed() < Duration::from_secs(10), "{:?}", pressed.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_sees_what_was_there_and_another_window_takes_over() {
    let scene = Scene::new(Database::Sqlite).await;
    let mut screen = scene.terminal().await;
    let session = screen.session.clone();
    let back = json!({ "machine": scene.machine().name, "session": session });
    screen.runs("word=harbour; echo first-$((10 + 1))").await;
    screen.types("while [ ! -e /tmp/gone ]; do :; done; echo unseen-$((20 + 2))\n").await;
    screen.shows("unseen").await;
    // The line is cut without a word.
    drop(screen);
    let touched = scene.machine().run("alice", "test", "touch /tmp/gone");
    assert!(touched.status.success(), "{}", String::from_utf8_lossy(&touched.stderr));

    let ticket = scene.ticket_for(back.clone()).await;
    let mut second = scene.open(&ticket).await;
    assert_eq!(second.session, session);
    let backlog = second.told("backlog").await["bytes"].as_u64().unwrap();
    assert!(0 < backlog && backlog <= 256 * 1024);
    let seen = second.shows("unseen-22").await;
    assert!(seen.contains("first-11"), "{seen}");

    let ticket = scene.ticket_for(back).await;
    let mut third = scene.open(&ticket).await;
    assert_eq!(second.closed().await.0, "replaced");
    third.shows("unseen-22").await;
    let said = third.runs("echo still-$word").await;
    assert!(said.contains("still-harbour"), "{said}");
    assert_eq!(scene.audit("terminal.open").await.len(), 1, "it is one terminal");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_is_taken_away_with_the_reservation_the_sign_in_or_the_server() {
    let scene = Scene::new(Database::Sqlite).await;
    let mut stays = scene.terminal().await;
    // A sign-in that ends takes its own terminals along, and nobody else's.
    let other = scene.berth.stranger().signed_in("alice", "a good password").await;
    let body = json!({ "machine": scene.machine().name });
    let view = other.post(&scene.path(), &body).await.expect(201);
    let mut signed_out = scene.open(view["url"].as_str().unwrap()).await;
    other.post("/api/logout", &json!({})).await;
    let (code, reason) = signed_out.closed().await;
    assert_eq!(code, "released");
    assert!(reason.contains("sign in again"), "{reason}");

    let said = stays.runs("echo here-$((1 + 1))").await;
    assert!(said.contains("here-2"));
    scene.alice.delete(&format!("/api/reservations/{}", scene.reservation)).await.expect(202);
    let (code, reason) = stays.closed().await;
    assert_eq!((code.as_str(), reason.as_str()), ("released", "the reservation ends: released by its owner"));
    until_state(&scene.alice, &scene.reservation, "closed").await;
    assert_eq!(scene.machine().left_behind(), "");

    let scene = Scene { reservation: book(&scene.alice).await, ..scene };
    let mut screen = scene.terminal().await;
    scene.berth.ctx.stopping.cancel();
    let (code, reason) = screen.closed().await;
    assert_eq!(code, "unreachable");
    assert!(reason.contains("the server stops"), "{reason}");
    scene.berth.ctx.guests.close();
    timeout(PATIENCE, scene.berth.ctx.guests.wait()).await.unwrap();
    assert_eq!(scene.audit("terminal.close").await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_servers_behind_one_proxy_either_opens_a_terminal_and_only_that_one_has_it() {
    let scene = Scene::new(Database::Sqlite).await;
    let other = Ctx::connect(scene.berth.ctx.config.clone(), Clock::default()).await.unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = berth::server::router(&other).into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, app).await });

    // The ticket comes from one server, the socket goes to the other.
    let ticket = scene.ticket().await;
    let mut screen = Screen::at(&url, &format!("{ticket}&cols=100&rows=30")).await;
    let session = screen.told("ready").await["session"].clone();
    let said = screen.runs("echo I am $(whoami)").await;
    assert!(said.contains("I am alice"), "{said}");

    // Who comes back is sent to the server that does not have it, and is told what to do.
    let back = scene.ticket_for(json!({ "machine": scene.machine().name, "session": session })).await;
    let (_, reason) = Screen::connect(&scene.berth, &back).await.closed().await;
    assert!(reason.contains("another server has it; open a new one"), "{reason}");
    let said = screen.runs("echo still-$((1 + 1))").await;
    assert!(said.contains("still-2"), "{said}");

    // The end of the reservation reaches the other server through the database.
    scene.alice.delete(&format!("/api/reservations/{}", scene.reservation)).await.expect(202);
    let (code, reason) = screen.closed().await;
    assert_eq!((code.as_str(), reason.as_str()), ("released", "the reservation ends: released by its owner"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_account_loses_its_terminals_and_a_dead_machine_says_so() {
    let scene = Scene::new(Database::Sqlite).await;
    let mut screen = scene.terminal().await;
    let admin = scene.berth.admin().await;
    admin.patch("/api/users/alice", &json!({ "status": "suspended" })).await.expect(200);
    let (code, reason) = screen.closed().await;
    assert_eq!(code, "released");
    assert!(reason.contains("suspended"), "{reason}");

    admin.patch("/api/users/alice", &json!({ "status": "active" })).await.expect(200);
    let alice = scene.berth.stranger().signed_in("alice", "a good password").await;
    let scene = Scene { alice, ..scene };
    scene.machine().stop().await;
    let mut screen = Screen::connect(&scene.berth, &scene.ticket().await).await;
    let (code, reason) = screen.closed().await;
    assert_eq!(code, "unreachable");
    assert!(reason.contains(&scene.machine().name) && reason.contains("cannot be reached"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_not_root_opens_the_door_with_sudo() {
    let scene = Scene::new(Database::Sqlite).await;
    let machine = scene.machine();
    scene.alice.delete(&format!("/api/reservations/{}", scene.reservation)).await.expect(202);
    until_state(&scene.alice, &scene.reservation, "closed").await;
    let admin = scene.berth.admin().await;
    admin.delete(&format!("/api/machines/{}", machine.name)).await;
    let script =
        "useradd -m ops && echo ops:harbour | chpasswd && echo 'ops ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/ops";
    let made = machine.run("root", PASSWORD, script);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let body =
        json!({ "name": "quay-1", "host": "127.0.0.1", "port": machine.port, "user": "ops", "password": "harbour" });
    admin.post("/api/machines", &body).await.expect(201);
    let scene = Scene { reservation: book(&scene.alice).await, ..scene };
    let mut screen = scene.terminal().await;
    let said = screen.runs("echo I am $(whoami) in $PWD, ours-$(env | grep -c -e SUDO -e ops)").await;
    assert!(said.contains("I am alice in /home/alice, ours-0"), "{said}");
    screen.send(json!({ "type": "resize", "cols": 132, "rows": 43 })).await;
    screen.runs("until [ \"$(stty size)\" = '43 132' ]; do :; done").await;
    screen.types("exit 3\n").await;
    assert_eq!(screen.closed().await, ("exited".to_owned(), "the shell has ended with status 3".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_machines_refuses_plainly() {
    let berth = TestBerth::spawn(Database::Sqlite).await;
    berth.machines(1).await;
    let alice = berth.member("alice").await;
    let body = json!({ "count": 1, "duration": 10, "reservation_password": "test" });
    let id = alice.post("/api/reservations", &body).await.expect(202)["id"].as_str().unwrap().to_owned();
    berth.run_jobs().await;
    let path = format!("/api/reservations/{id}/terminals");
    alice.post(&path, &json!({ "machine": "m1" })).await.refused(409, "no-terminals");
}
