//! The terminals of this server, by id.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::mpsc;
use uuid::Uuid;

use super::{
    Closing, Code, Command, Shown, Terminal,
    session::{Client, Session},
    take,
};
use crate::{ctx::Ctx, http, ids::TerminalId, remote::Size};

/// Pieces of input that wait for a machine to read them; a client that sends more waits, too.
const INPUT: usize = 4;
/// Words to a terminal that wait for its attention.
const COMMANDS: usize = 64;

/// The terminals of this server.
#[derive(Debug)]
pub struct Hub {
    server: String,
    live: Mutex<HashMap<TerminalId, Handle>>,
    /// One socket at a time is attached, so two that come for one terminal find each other.
    turn: tokio::sync::Mutex<()>,
    numbers: AtomicU64,
}

#[derive(Debug, Clone)]
struct Handle {
    commands: mpsc::Sender<Command>,
    input: mpsc::Sender<Vec<u8>>,
}

/// A socket's side of a terminal.
#[derive(Debug)]
pub struct Attached {
    /// Tells this socket from those before and after it.
    pub number: u64,
    /// What to send. It cannot grow beyond what the client has not acknowledged.
    pub shown: mpsc::UnboundedReceiver<Shown>,
    /// What the socket tells.
    pub commands: mpsc::Sender<Command>,
    /// What the user types.
    pub input: mpsc::Sender<Vec<u8>>,
}

/// Takes a terminal off the list when it ends, however it does.
#[derive(Debug)]
pub(super) struct Listed {
    hub: Arc<Hub>,
    id: TerminalId,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.hub.live().remove(&self.id);
    }
}

impl Default for Hub {
    fn default() -> Self {
        Self {
            server: Uuid::now_v7().to_string(),
            live: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            numbers: AtomicU64::new(0),
        }
    }
}

impl Hub {
    fn live(&self) -> MutexGuard<'_, HashMap<TerminalId, Handle>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a terminal, or comes back to one that is open here.
    pub async fn attach(self: &Arc<Self>, ctx: &Ctx, terminal: Terminal, size: Size) -> Result<Attached, Closing> {
        let _turn = self.turn.lock().await;
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let (to, shown) = mpsc::unbounded_channel();
        let client = Client::new(number, to);
        let found = self.live().get(&terminal.id).cloned();
        if let Some(Handle { commands, input }) = found {
            let command = Command::Attach(client, size);
            return match commands.send(command).await {
                Ok(()) => Ok(Attached { number, shown, commands, input }),
                Err(_) => Err(Closing::new(Code::Exited, "the terminal is over; open a new one")),
            };
        }
        match take(ctx, terminal.id, &self.server).await {
            Ok(true) => {}
            Ok(false) => {
                let reason = "the terminal is over, or another server has it; open a new one";
                return Err(Closing::new(Code::Exited, reason));
            }
            Err(error) => {
                tracing::warn!(%error, "a terminal cannot be taken");
                return Err(Closing::new(Code::Unreachable, "the database does not answer now; try again soon"));
            }
        }
        let (commands, from_sockets) = mpsc::channel(COMMANDS);
        let (input, typed) = mpsc::channel(INPUT);
        self.live().insert(terminal.id, Handle { commands: commands.clone(), input: input.clone() });
        let listed = Listed { hub: Arc::clone(self), id: terminal.id };
        let session = Session::new(ctx.clone(), terminal, client, size, from_sockets);
        let own = commands.clone();
        let work = async move {
            session.run(typed, own).await;
            drop(listed);
        };
        // What is written down names the request that opened it.
        match http::request_info() {
            Some(info) => ctx.guests.spawn(http::scope(info, work)),
            None => ctx.guests.spawn(work),
        };
        Ok(Attached { number, shown, commands, input })
    }
}
