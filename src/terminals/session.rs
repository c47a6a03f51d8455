//! One terminal: its connection, the socket that shows it, and what is kept for who comes back.
//!
//! It reads the machine only as fast as the client says that it has shown what came, so a flood stays where it
//! is made. Without a client it reads slowly, into a ring.

use std::{future::Future, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
    time::{Instant, sleep_until},
};

use super::{
    Closing, Code, Terminal, close, look,
    model::{Ring, WINDOW},
    open,
    watch::watch,
};
use crate::{
    ctx::Ctx,
    ids::TerminalId,
    machines,
    remote::{Door, Ending, Input, Life, Output, Size, Who},
};

/// How long a terminal waits for somebody to come back to it.
const LONELY: Duration = Duration::from_mins(1);
/// The pause between two reads when nobody looks: a few megabytes a second, and little work for us.
const UNSEEN: Duration = Duration::from_millis(5);
/// Most of one read.
const PIECE: usize = 16 * 1024;

/// What a socket shows.
#[derive(Debug)]
pub enum Shown {
    /// The shell is there; with this id one can come back to it.
    Ready(TerminalId),
    /// Earlier output.
    Backlog(Vec<u8>),
    /// Output.
    Output(Vec<u8>),
    /// It is over for this socket; nothing follows.
    Closed(Closing),
}

/// What a terminal is told. The number is the socket's.
#[derive(Debug)]
pub enum Command {
    /// Another socket takes over.
    Attach(Client, Size),
    /// The socket is gone.
    Detach(u64),
    /// The screen has another size.
    Resize(u64, Size),
    /// So many bytes were shown.
    Ack(u64, u64),
    /// It must end.
    Close(Closing),
}

/// The socket that shows a terminal.
#[derive(Debug)]
pub struct Client {
    number: u64,
    to: mpsc::UnboundedSender<Shown>,
    unacked: usize,
}

impl Client {
    pub(super) fn new(number: u64, to: mpsc::UnboundedSender<Shown>) -> Self {
        Self { number, to, unacked: 0 }
    }
}

pub(super) struct Session {
    ctx: Ctx,
    terminal: Terminal,
    client: Option<Client>,
    size: Size,
    commands: mpsc::Receiver<Command>,
    life: Option<Life>,
    ring: Ring,
    opened: Option<Instant>,
    lonely_until: Option<Instant>,
    /// Not to be read before.
    rests_until: Option<Instant>,
}

enum Event {
    Told(Command),
    Stopping,
    Lonely,
}

/// Counts a terminal as long as it is open.
struct Counted;

impl Counted {
    fn new() -> Self {
        metrics::gauge!("berth_terminals_open").increment(1.0);
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        metrics::gauge!("berth_terminals_open").decrement(1.0);
    }
}

impl Session {
    pub(super) fn new(
        ctx: Ctx,
        terminal: Terminal,
        client: Client,
        size: Size,
        commands: mpsc::Receiver<Command>,
    ) -> Self {
        Self {
            ctx,
            terminal,
            client: Some(client),
            size,
            commands,
            life: None,
            ring: Ring::default(),
            opened: None,
            lonely_until: None,
            rests_until: None,
        }
    }

    /// From the login to the last word.
    pub(super) async fn run(mut self, typed: mpsc::Receiver<Vec<u8>>, own: mpsc::Sender<Command>) {
        let closing = match self.begin().await {
            Ok((output, input, ends)) => {
                let _counted = Counted::new();
                metrics::counter!("berth_terminals_total", "outcome" => "opened").increment(1);
                let watcher = tokio::spawn(watch(self.ctx.clone(), self.terminal.clone(), ends, own));
                let writer = tokio::spawn(write(typed, input));
                let closing = self.go_on(output).await;
                watcher.abort();
                writer.abort();
                closing
            }
            Err(closing) => {
                metrics::counter!("berth_terminals_total", "outcome" => "failed").increment(1);
                closing
            }
        };
        if let Some(life) = self.life.take() {
            life.end().await;
        }
        let lasted = self.opened.map(|opened| opened.elapsed());
        tracing::info!(
            terminal.id = %self.terminal.id,
            machine.name = self.terminal.machine_name,
            reservation.id = %self.terminal.reservation,
            code = closing.code.as_str(),
            lasted_s = lasted.unwrap_or_default().as_secs(),
            "a terminal is closed"
        );
        if let Err(error) = close(&self.ctx, &self.terminal, &closing, lasted).await {
            tracing::warn!(%error, terminal.id = %self.terminal.id, "the end of a terminal cannot be written down");
        }
        self.say(Shown::Closed(closing));
    }

    /// Logs in, looks once more, and starts the shell.
    async fn begin(&mut self) -> Result<(Output, Input, Instant), Closing> {
        let unreachable = |why: String| Closing::new(Code::Unreachable, why);
        let down = |error: sqlx::Error| {
            tracing::warn!(%error, "a terminal cannot be opened");
            Closing::new(Code::Unreachable, "the database does not answer now; try again soon")
        };
        let name = &self.terminal.machine_name;
        let seen = look(&self.ctx, self.terminal.id).await.map_err(down)??;
        let machine = {
            let mut conn = self.ctx.db.read().await.map_err(down)?;
            machines::by_id(&mut conn, self.terminal.machine).await.map_err(down)?
        };
        let machine = machine.ok_or_else(|| Closing::new(Code::Released, format!("there is no machine `{name}`")))?;
        if machine.host_keys.is_empty() {
            return Err(unreachable(format!("the host key of machine `{name}` is not known yet")));
        }
        let uid = seen.uid.ok_or_else(|| unreachable(format!("the account on machine `{name}` is not known yet")))?;
        let who = Who { user: self.terminal.username.clone(), uid };
        let size = self.size;
        let told = |error: crate::remote::Error| unreachable(format!("machine `{}`: {error}", machine.name));
        let ctx = self.ctx.clone();
        let reached = async { Door::reach(&machines::target(&ctx, &machine, None).await?, &who, size).await };
        let door = self.meanwhile(reached).await?.map_err(told)?;
        open(&self.ctx, &self.terminal).await.map_err(down)??;
        self.opened = Some(Instant::now());
        let (output, input, life) = self.meanwhile(door.enter()).await?.map_err(told)?;
        if self.size != size {
            let _ = life.resize(self.size);
        }
        self.life = Some(life);
        self.say(Shown::Ready(self.terminal.id));
        Ok((output, input, seen.ends))
    }

    /// Passes output on until there is a reason to end.
    async fn go_on(&mut self, mut output: Output) -> Closing {
        let mut buffer = vec![0; PIECE];
        loop {
            let rests_until = self.rests_until;
            let wants = rests_until.is_none() && self.client.as_ref().is_none_or(|client| client.unacked <= WINDOW);
            tokio::select! {
                event = self.next() => if let Err(closing) = self.heed(event) { return closing },
                read = output.read(&mut buffer), if wants => match read {
                    Ok(n @ 1..) => self.show(&buffer[..n]),
                    _ => return self.left().await,
                },
                () = sleep_until(rests_until.unwrap_or_else(Instant::now)), if rests_until.is_some() => {
                    self.rests_until = None;
                }
            }
        }
    }

    /// The next thing that is no output. Dropping the future loses nothing.
    async fn next(&mut self) -> Event {
        let lonely_until = self.lonely_until;
        tokio::select! {
            command = self.commands.recv() => command.map_or(Event::Stopping, Event::Told),
            () = self.ctx.stopping.cancelled() => Event::Stopping,
            () = sleep_until(lonely_until.unwrap_or_else(Instant::now)), if lonely_until.is_some() => Event::Lonely,
        }
    }

    fn heed(&mut self, event: Event) -> Result<(), Closing> {
        match event {
            Event::Stopping => {
                return Err(Closing::new(Code::Unreachable, "the server stops; open a new terminal in a moment"));
            }
            Event::Lonely => {
                let reason = format!("nobody came back to it for {} s", LONELY.as_secs());
                return Err(Closing::new(Code::Exited, reason));
            }
            Event::Told(Command::Close(closing)) => return Err(closing),
            Event::Told(Command::Attach(client, size)) => {
                self.say(Shown::Closed(Closing::new(Code::Replaced, "another window shows this terminal now")));
                self.client = Some(client);
                self.lonely_until = None;
                self.rests_until = None;
                self.resize(size);
                if self.life.is_some() {
                    self.say(Shown::Ready(self.terminal.id));
                    let earlier = self.ring.text();
                    if !earlier.is_empty() {
                        self.say(Shown::Backlog(earlier));
                    }
                }
            }
            Event::Told(Command::Detach(number)) => {
                if self.client.as_ref().is_some_and(|client| client.number == number) {
                    if self.life.is_none() {
                        // Nobody knows its id yet, so nobody can come back to it.
                        return Err(Closing::new(Code::Exited, "nobody waits for it any more"));
                    }
                    self.part();
                }
            }
            Event::Told(Command::Resize(number, size)) => {
                if self.client.as_ref().is_some_and(|client| client.number == number) {
                    self.resize(size);
                }
            }
            Event::Told(Command::Ack(number, bytes)) => {
                if let Some(client) = self.client.as_mut().filter(|client| client.number == number) {
                    client.unacked = client.unacked.saturating_sub(usize::try_from(bytes).unwrap_or(usize::MAX));
                }
            }
        }
        Ok(())
    }

    /// Waits for something and heeds what is told meanwhile.
    async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Closing> {
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Ok(done),
                event = self.next() => self.heed(event)?,
            }
        }
    }

    fn resize(&mut self, size: Size) {
        self.size = size;
        if let Some(life) = &self.life
            && let Err(error) = life.resize(size)
        {
            tracing::debug!(%error, "a terminal does not take its size");
        }
    }

    fn show(&mut self, bytes: &[u8]) {
        metrics::counter!("berth_terminal_bytes_total", "direction" => "out").increment(bytes.len() as u64);
        self.ring.push(bytes);
        if let Some(client) = &mut self.client {
            client.unacked += bytes.len();
            self.say(Shown::Output(bytes.to_vec()));
        } else {
            self.rests_until = Some(Instant::now() + UNSEEN);
        }
    }

    fn say(&mut self, what: Shown) {
        if self.client.as_ref().is_some_and(|client| client.to.send(what).is_err()) {
            self.part();
        }
    }

    /// Nobody looks any more.
    fn part(&mut self) {
        self.client = None;
        self.lonely_until = Some(Instant::now() + LONELY);
    }

    /// The output is at its end: why.
    async fn left(&mut self) -> Closing {
        // Whoever takes the machine back ends the shell, perhaps before we have looked.
        if let Ok(Err(closing)) = look(&self.ctx, self.terminal.id).await {
            return closing;
        }
        let ending = match &mut self.life {
            Some(life) => life.ended().await,
            None => Ending::Left(0),
        };
        match ending {
            Ending::Left(0) => Closing::new(Code::Exited, "the shell has ended"),
            Ending::Left(status) => Closing::new(Code::Exited, format!("the shell has ended with status {status}")),
            Ending::Broken(error) => Closing::new(Code::Unreachable, error.to_string()),
        }
    }
}

/// Passes on what is typed; a machine that does not read holds up nothing but this.
async fn write(mut typed: mpsc::Receiver<Vec<u8>>, mut to: Input) {
    while let Some(bytes) = typed.recv().await {
        metrics::counter!("berth_terminal_bytes_total", "direction" => "in").increment(bytes.len() as u64);
        if to.write_all(&bytes).await.is_err() {
            break;
        }
    }
}
