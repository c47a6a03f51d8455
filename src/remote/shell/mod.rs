//! One persistent shell on a host.

mod hear;

use std::{
    collections::{HashSet, VecDeque},
    process::Stdio,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use tokio::{
    io::AsyncWriteExt,
    process::ChildStdin,
    sync::{Notify, OnceCell, OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use super::{
    Answer, Become, Error, HostKey, Login, Meter, Reply, Step, Target, Via, error, gate,
    private::Private,
    script,
    ssh::{self, Use},
    step::HELD,
    wire::{Parser, Record},
};

/// How long a step may take when it does not say so itself.
pub const STEP_DEADLINE: Duration = Duration::from_mins(30);

/// Bytes that may be on their way to a host which has not read them yet.
const ON_THE_WAY: usize = 8 * 1024 * 1024;

/// Text for a host, and the room that it takes until it is written.
type Parcel = (Vec<u8>, OwnedSemaphorePermit);

/// An open shell on a host. Dropping it ends the connection and its `ssh` process.
#[derive(Debug)]
pub struct Shell {
    target: Target,
    link: Option<Link>,
    host_keys: Vec<String>,
}

/// The parts of a living connection.
#[derive(Debug)]
struct Link {
    to_host: mpsc::UnboundedSender<Parcel>,
    room: Arc<Semaphore>,
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
    closing: CancellationToken,
    sending: tokio::sync::Mutex<Sending>,
    /// What the shell said of itself when it was ready.
    login: OnceCell<Identity>,
    hello: Mutex<Option<oneshot::Receiver<Result<Raw, Error>>>>,
    token: String,
    private: Option<Private>,
    /// What this machine has and no other.
    mark: Option<String>,
}

/// Who logged in, and where.
#[derive(Debug)]
struct Identity {
    user: String,
    root: bool,
    /// It sees the mark.
    here: bool,
}

/// What is known about the shell at the other end, in the order of sending.
#[derive(Debug, Default)]
struct Sending {
    next_id: u64,
    seen: HashSet<usize>,
    /// A root shell was started inside the login user's.
    climbed: bool,
    /// It knows how to judge conditions.
    judges: bool,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    meter: Arc<Meter>,
    /// Something was put in the queue.
    wake: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Waiting>,
    dead: Option<Error>,
    said: String,
}

#[derive(Debug)]
struct Waiting {
    id: Option<u64>,
    doing: &'static str,
    deadline: Duration,
    started: Option<Instant>,
    answer: oneshot::Sender<Result<Raw, Error>>,
}

/// A step's records as they came.
#[derive(Debug)]
struct Raw {
    records: Vec<Record>,
    last: Record,
}

/// An answer that is under way.
#[derive(Debug)]
pub struct Pending {
    inner: oneshot::Receiver<Result<Raw, Error>>,
    inner_token: Option<String>,
    user: String,
    meter: Arc<Meter>,
}

impl Pending {
    /// Waits for the module's reply.
    pub async fn reply(self) -> Result<Reply, Error> {
        let (records, rc) = self.records().await?;
        Ok(Reply::of(&records, rc))
    }

    /// Waits for a plain step's answer.
    pub async fn answer(self) -> Result<Answer, Error> {
        let (records, rc) = self.records().await?;
        Ok(Answer::of(&records, rc))
    }

    async fn records(self) -> Result<(Vec<Record>, i32), Error> {
        let raw = answer(self.inner, &self.meter).await?;
        let rc = rc_of(&raw.last);
        let Some(token) = self.inner_token.filter(|_| rc != HELD) else { return Ok((raw.records, rc)) };
        let all = raw.records.iter().find(|r| r.kind == b'I').map(|r| r.body.clone()).unwrap_or_default();
        let mut parser = Parser::new(&token);
        let mut records = parser.push(&all);
        records.extend(parser.end());
        let end = records.iter().position(|r| r.kind == b'E');
        if let Some(at) = end {
            let rc = rc_of(&records[at]);
            records.truncate(at);
            return Ok((records, rc));
        }
        let noise = raw.records.iter().find(|r| r.kind == b'X');
        let noise = noise.map(|r| String::from_utf8_lossy(&r.body).into_owned()).unwrap_or_default();
        let why = error::last_line(&noise);
        let why = if why.is_empty() { format!("the inner shell ended with status {rc}") } else { why };
        Err(Error::Become { user: self.user, why })
    }
}

/// Waits for an answer, and counts the wait when there is one.
async fn answer(mut receiver: oneshot::Receiver<Result<Raw, Error>>, meter: &Meter) -> Result<Raw, Error> {
    let closed = || Error::Closed("the shell was closed".into());
    match receiver.try_recv() {
        Ok(raw) => raw,
        Err(oneshot::error::TryRecvError::Closed) => Err(closed()),
        Err(oneshot::error::TryRecvError::Empty) => {
            let asked = Instant::now();
            let raw = receiver.await;
            meter.waited(asked);
            raw.map_err(|_| closed())?
        }
    }
}

fn rc_of(end: &Record) -> i32 {
    match end.head.rsplit(' ').next() {
        Some("-") => HELD,
        rc => rc.and_then(|rc| rc.parse().ok()).unwrap_or(255),
    }
}

impl Shell {
    /// Connects, logs in, and waits until the shell is ready.
    pub async fn open(target: &Target) -> Result<Self, Error> {
        if matches!(target.via, Via::Fake) {
            return Ok(Self { target: target.clone(), link: None, host_keys: Vec::new() });
        }
        match Self::connect(target, false).await {
            Err(Error::Closed(why)) if why.contains("KexAlgorithms") => Self::connect(target, true).await,
            other => other,
        }
    }

    /// Starts to connect and does not wait: steps may be sent at once, and what goes wrong is their answer.
    pub async fn begin(target: &Target) -> Result<Self, Error> {
        let patient = match &target.via {
            Via::Ssh(settings) => {
                matches!(settings.login, Login::Password(_)) || matches!(settings.host_key, HostKey::Learn)
            }
            Via::Local | Via::Fake => true,
        };
        if patient || target.fence.is_some() || !ssh::knows_kex().await {
            return Self::open(target).await;
        }
        Self::start(target, false).await
    }

    async fn connect(target: &Target, plain_kex: bool) -> Result<Self, Error> {
        let mut shell = Self::start(target, plain_kex).await?;
        if let Some(link) = &mut shell.link {
            link.login().await?;
            if let Some(private) = &link.private {
                private.forget_password();
                shell.host_keys = private.learned();
            }
        }
        Ok(shell)
    }

    async fn start(target: &Target, plain_kex: bool) -> Result<Self, Error> {
        let meter = Arc::new(Meter::begin());
        let turn = match &target.via {
            Via::Ssh(settings) => gate::turn(settings).await,
            Via::Local | Via::Fake => None,
        };
        let (mut command, private) = match &target.via {
            Via::Ssh(settings) => {
                let (command, private) = ssh::command(target, settings, plain_kex, Use::Steps)?;
                (command, Some(private))
            }
            Via::Local | Via::Fake => (ssh::local(), None),
        };
        let host = match &target.via {
            Via::Ssh(settings) => settings.host.clone(),
            Via::Local | Via::Fake => target.name.clone(),
        };
        command.stdin(Stdio::piped());
        let mut child = command.spawn().map_err(|e| match (&target.via, e.kind()) {
            (Via::Ssh(_), std::io::ErrorKind::NotFound) => Error::NoClient("not found".into()),
            _ => Error::NoClient(e.to_string()),
        })?;
        let missing = || Error::Closed("a pipe of the child is missing".into());
        let stdin = child.stdin.take().ok_or_else(missing)?;
        let stdout = child.stdout.take().ok_or_else(missing)?;
        let stderr = child.stderr.take().ok_or_else(missing)?;

        let token = script::token();
        let shared = Arc::new(Shared { state: Mutex::default(), meter, wake: Notify::new() });
        let (to_host, from_us) = mpsc::unbounded_channel();
        let closing = CancellationToken::new();
        let room = Arc::new(Semaphore::new(ON_THE_WAY));
        let tasks = vec![
            tokio::spawn(write(stdin, from_us, Arc::clone(&room))),
            tokio::spawn(hear::listen(stderr, Arc::clone(&shared))),
            tokio::spawn(hear::read(
                child,
                stdout,
                Arc::clone(&shared),
                host,
                Parser::new(&token),
                closing.clone(),
                turn,
            )),
        ];
        let link = Link {
            to_host,
            room,
            shared,
            tasks,
            closing,
            sending: tokio::sync::Mutex::default(),
            login: OnceCell::new(),
            hello: Mutex::default(),
            token: token.clone(),
            mark: private.as_ref().and_then(Private::mark),
            private,
        };
        let hello = link.expect(None, "connecting", target.connect_timeout);
        link.write(script::hello(&token, target.fence.as_deref(), false, link.mark.as_deref())).await?;
        *link.hello.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(hello);
        Ok(Self { target: target.clone(), link: Some(link), host_keys: Vec::new() })
    }

    /// What the connection costs; none for a host that is none.
    pub fn meter(&self) -> Option<Arc<Meter>> {
        self.link.as_ref().map(|link| Arc::clone(&link.shared.meter))
    }

    /// Where this shell is.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The user that logged in.
    pub fn user(&self) -> &str {
        let login = self.link.as_ref().and_then(|link| link.login.get());
        login.map_or(self.target.user.as_str(), |login| login.user.as_str())
    }

    /// Whether the host is the machine that we are on; `None` when that cannot be told. Waits for the login.
    pub async fn is_here(&self) -> Option<bool> {
        let Some(link) = &self.link else { return Some(false) };
        if matches!(self.target.via, Via::Local) {
            return Some(true);
        }
        link.mark.as_ref()?;
        link.login().await.ok().map(|login| login.here)
    }

    /// The public host keys this connection was made with (`ssh-ed25519 AAAA…`); empty when `ssh` decided itself.
    pub fn host_keys(&self) -> Vec<String> {
        self.host_keys.clone()
    }

    /// Whether the connection has not ended yet.
    pub fn is_open(&self) -> bool {
        self.link.as_ref().is_none_or(|link| link.shared.lock().dead.is_none())
    }

    /// Runs `script` as one step and waits for its exit status and output.
    pub async fn run(&self, script: &str) -> Result<Answer, Error> {
        self.send(Step { text: script.to_owned(), plain: true, ..Step::default() }).await?.answer().await
    }

    /// Runs `script` as one step that must end within `deadline`.
    pub async fn run_within(&self, script: &str, deadline: Duration) -> Result<Answer, Error> {
        let step = Step { text: script.to_owned(), plain: true, deadline: Some(deadline), ..Step::default() };
        self.send(step).await?.answer().await
    }

    /// Writes a step and returns at once; answers come in the order of the steps.
    ///
    /// Only a change between the login user and root waits: for what was sent before, and for the other shell.
    pub async fn send(&self, step: Step) -> Result<Pending, Error> {
        if step.text.contains('\0') {
            return Err(Error::BadValue("shell text must not hold NUL".into()));
        }
        let Some(link) = &self.link else { return Ok(fake(&step)) };
        let mut sending = link.sending.lock().await;
        let login = match &step.become_user {
            Some(_) => Some(link.login().await?),
            None => None,
        };
        let deadline = step.deadline.unwrap_or(STEP_DEADLINE);
        let (login_user, login_root) = login.map_or(("", false), |login| (login.user.as_str(), login.root));
        let them = step.become_user.clone().filter(|them| them.user != login_user);
        let meter = Arc::clone(&link.shared.meter);
        meter.step();
        sending.next_id += 1;
        let id = sending.next_id;
        match them {
            Some(them) if them.user == "root" && !login_root => {
                if !sending.climbed {
                    link.climb(&them).await?;
                    sending.climbed = true;
                    sending.seen.clear();
                    sending.judges = false;
                }
            }
            Some(them) => {
                if sending.climbed {
                    link.descend().await?;
                    sending.climbed = false;
                    sending.seen.clear();
                    sending.judges = false;
                }
                let token = script::token();
                let text = script::step_as(id, &step, &them, &token, login_root)?;
                let inner = link.expect(Some(id), "running a step", deadline);
                link.write(text).await?;
                return Ok(Pending { inner, inner_token: Some(token), user: them.user, meter });
            }
            None => {
                if sending.climbed {
                    link.descend().await?;
                    sending.climbed = false;
                    sending.seen.clear();
                    sending.judges = false;
                }
            }
        }
        let fresh: Vec<&'static str> =
            step.library.iter().copied().filter(|text| sending.seen.insert(text.as_ptr() as usize)).collect();
        let mut text = Vec::new();
        if !step.when.is_empty() && !sending.judges {
            text.extend_from_slice(script::judging().as_bytes());
            sending.judges = true;
        }
        text.extend_from_slice(&script::step(id, &step, &fresh));
        let inner = link.expect(Some(id), "running a step", deadline);
        link.write(text).await?;
        Ok(Pending { inner, inner_token: None, user: String::new(), meter })
    }

    /// Ends the shell without waiting for the word that it has ended: it tidies up when its script ends, which it does
    /// when the connection does. For shells whose every step is answered.
    pub async fn leave(self) {
        if matches!(self.target.via, Via::Ssh(_)) {
            drop(self);
        } else {
            self.close().await;
        }
    }

    /// Ends the shell in good order: what runs is finished first, at most for two seconds.
    pub async fn close(mut self) {
        let Some(mut link) = self.link.take() else { return };
        let (nowhere, _) = mpsc::unbounded_channel();
        // Without a writer the host's shell reads the end of its script and leaves.
        drop(std::mem::replace(&mut link.to_host, nowhere));
        if let Some(reader) = link.tasks.last_mut() {
            let _ = tokio::time::timeout(Duration::from_secs(2), reader).await;
        }
    }
}

impl Link {
    /// What the shell says of itself, when it is ready.
    async fn login(&self) -> Result<&Identity, Error> {
        let known = self.login.get_or_try_init(|| async {
            let hello = self.hello.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
            let closed = || Error::Closed("the shell was closed".into());
            let raw = match hello {
                Some(hello) => hello.await.map_err(|_| closed())??,
                None => return Err(self.shared.lock().dead.clone().unwrap_or_else(closed)),
            };
            if raw.last.head == "fence" {
                return Err(Error::Closed("an earlier shell with the same fence could not be ended".into()));
            }
            Ok(identity(&raw.last.head))
        });
        known.await
    }

    fn expect(
        &self,
        id: Option<u64>,
        doing: &'static str,
        deadline: Duration,
    ) -> oneshot::Receiver<Result<Raw, Error>> {
        let (answer, receiver) = oneshot::channel();
        let mut state = self.shared.lock();
        if let Some(error) = &state.dead {
            let _ = answer.send(Err(error.clone()));
        } else {
            state.waiting.push_back(Waiting { id, doing, deadline, started: None, answer });
        }
        drop(state);
        self.shared.wake.notify_one();
        receiver
    }

    /// Hands text to the writer, as soon as there is room for it.
    async fn write(&self, text: Vec<u8>) -> Result<(), Error> {
        let dead = || {
            let dead = self.shared.lock().dead.clone();
            dead.unwrap_or_else(|| Error::Closed("the host closed its side".into()))
        };
        let size = u32::try_from(text.len().min(ON_THE_WAY)).unwrap_or(u32::MAX);
        self.shared.meter.wrote(text.len());
        let room = Arc::clone(&self.room).acquire_many_owned(size).await.map_err(|_| dead())?;
        self.to_host.send((text, room)).map_err(|_| dead())
    }

    /// Starts a root shell inside the login user's and waits for it.
    async fn climb(&self, them: &Become) -> Result<(), Error> {
        let typed = script::Typed::of(them, &self.token)?;
        // The login user's shell must have swallowed the whole line before more may be written: it says `go`.
        let go = self.expect(None, "becoming root", Duration::from_secs(30));
        let line = match &typed {
            Some(typed) => typed.climb(them)?,
            None => script::climb(them)?,
        };
        self.write(line).await?;
        let mut raw = answer(go, &self.shared.meter).await?;
        if let Some(typed) = typed.filter(|_| raw.last.head == "go") {
            let inside = self.expect(None, "becoming root", Duration::from_secs(30));
            self.write(typed.text).await?;
            raw = answer(inside, &self.shared.meter).await?;
        }
        if matches!(raw.last.head.as_str(), "go" | "in") {
            let hello = self.expect(None, "becoming root", Duration::from_secs(30));
            self.write(script::hello(&self.token, None, false, None)).await?;
            let raw = answer(hello, &self.shared.meter).await?;
            if raw.last.kind == b'H' && identity(&raw.last.head).root {
                return Ok(());
            }
        }
        // What it says of itself comes on another way than the answer, and perhaps a little later.
        let mut why = String::new();
        for _ in 0..30 {
            why = error::last_line(&self.shared.lock().said);
            if !why.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let why = if why.is_empty() { format!("{:?} refused", them.method).to_lowercase() } else { why };
        Err(Error::Become { user: them.user.clone(), why })
    }

    async fn descend(&self) -> Result<(), Error> {
        let left = self.expect(None, "leaving the root shell", Duration::from_secs(20));
        self.write(b"exit 0\n".to_vec()).await?;
        answer(left, &self.shared.meter).await?;
        Ok(())
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // The writer's end closes the host's script; the reader gives the shell a moment to tidy up, then kills it.
        if let Some(writer) = self.tasks.first() {
            writer.abort();
        }
        self.closing.cancel();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn die(&self, error: &Error) {
        self.meter.end();
        let mut state = self.lock();
        state.dead.get_or_insert_with(|| error.clone());
        for waiting in state.waiting.drain(..) {
            let _ = waiting.answer.send(Err(error.clone()));
        }
    }
}

async fn write(mut stdin: ChildStdin, mut from_us: mpsc::UnboundedReceiver<Parcel>, room: Arc<Semaphore>) {
    while let Some((text, taken)) = from_us.recv().await {
        if stdin.write_all(&text).await.is_err() {
            break;
        }
        drop(taken);
    }
    // Whoever waits for room hears that there will be none.
    room.close();
}

/// What a shell says of itself: perhaps `here`, then what `id` prints.
fn identity(text: &str) -> Identity {
    let (here, id) = text.strip_prefix("here ").map_or((false, text), |id| (true, id));
    let name = id.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map_or("", |(name, _)| name);
    Identity { user: name.to_owned(), root: id.starts_with("uid=0(") || id.starts_with("uid=0 "), here }
}

/// The answer of a host that is none.
fn fake(step: &Step) -> Pending {
    let (answer, inner) = oneshot::channel();
    let record =
        |kind, head: &str, body: &str| Record { kind, head: head.into(), body: body.as_bytes().to_vec(), cut: false };
    let records = if step.plain { Vec::new() } else { vec![record(b'C', "", ""), record(b'J', "rc", "0")] };
    let _ = answer.send(Ok(Raw { records, last: record(b'E', "1 0", "") }));
    Pending { inner, inner_token: None, user: String::new(), meter: Arc::new(Meter::begin()) }
}
