//! What a terminal is, when it must end, and what of its output is kept.

use std::collections::VecDeque;

use crate::{
    clock::Millis,
    ids::{AllotmentId, LeaseId, MachineId, TerminalId},
    leases::LeaseState,
    reservations::Seat,
};

/// Output that a client has not acknowledged: above this, reading stops.
pub const WINDOW: usize = 256 * 1024;
/// How much of the latest output is kept for who comes back.
pub const BACKLOG: usize = 256 * 1024;
/// Terminals that one reservation may have on one machine.
pub const MOST: i64 = 8;

/// A terminal as it was asked for.
#[derive(Debug, Clone)]
pub struct Terminal {
    /// Its id; the page calls it the session.
    pub id: TerminalId,
    /// In which reservation.
    pub reservation: LeaseId,
    /// Which of its machines.
    pub allotment: AllotmentId,
    /// The machine.
    pub machine: MachineId,
    /// The machine's name.
    pub machine_name: String,
    /// The reserving user, here and on the machine.
    pub username: String,
}

/// Everything that decides whether a terminal may go on.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The reservation's state.
    pub lease: LeaseState,
    /// Its end.
    pub expires_at: Millis,
    /// Why it ends, if it does.
    pub why: Option<String>,
    /// The machine's place in the reservation; none: it has none any more.
    pub seat: Option<Seat>,
    /// The account on the machine.
    pub uid: Option<i64>,
    /// The owner may sign in.
    pub active: bool,
    /// The session that asked for the terminal was ended.
    pub signed_out: bool,
    /// The terminal is over.
    pub closed: bool,
}

/// Why a terminal is closed, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The reservation's time is over.
    Expired,
    /// The shell has ended, or nobody came back to it.
    Exited,
    /// The reservation, the machine or the account was taken away.
    Released,
    /// The machine or the server is not there.
    Unreachable,
    /// Another window shows it.
    Replaced,
}

impl Code {
    /// As sent and stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Exited => "exited",
            Self::Released => "released",
            Self::Unreachable => "unreachable",
            Self::Replaced => "replaced",
        }
    }
}

/// Why a terminal is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// For programs.
    pub code: Code,
    /// For people.
    pub reason: String,
}

impl Closing {
    /// With its words.
    pub fn new(code: Code, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }
}

impl Standing {
    /// How long the terminal may go on, in milliseconds; or why not.
    pub fn judge(&self, now: Millis) -> Result<Millis, Closing> {
        let released = |reason: &str| Err(Closing::new(Code::Released, reason));
        if self.closed {
            return Err(Closing::new(Code::Exited, "the terminal is over; open a new one"));
        }
        if !self.active {
            return released("the account is suspended; ask an admin");
        }
        if self.lease >= LeaseState::Active && self.expires_at <= now {
            return Err(Closing::new(Code::Expired, "the reservation's time is over"));
        }
        if self.lease.is_ending() {
            let why = self.why.as_deref().unwrap_or("no reason is known");
            return Err(Closing::new(Code::Released, format!("the reservation ends: {why}")));
        }
        if self.lease != LeaseState::Active {
            return released("the reservation is not active yet");
        }
        if self.seat != Some(Seat::Active) {
            return released("the machine is not part of the reservation any more");
        }
        if self.signed_out {
            return released("the session that opened it has ended; sign in again");
        }
        Ok(self.expires_at - now)
    }
}

/// The latest output, no more than [`BACKLOG`].
#[derive(Debug, Default)]
pub struct Ring {
    bytes: VecDeque<u8>,
    cut: bool,
}

impl Ring {
    /// Adds output, forgetting the oldest.
    pub fn push(&mut self, bytes: &[u8]) {
        let bytes = &bytes[bytes.len().saturating_sub(BACKLOG)..];
        let surplus = (self.bytes.len() + bytes.len()).saturating_sub(BACKLOG);
        if 0 < surplus {
            self.bytes.drain(..surplus);
            self.cut = true;
        }
        self.bytes.extend(bytes);
    }

    /// What is kept. When something was forgotten it begins with a whole line, so that no half of a character or of a
    /// control sequence comes first.
    pub fn text(&self) -> Vec<u8> {
        let from = if self.cut { self.bytes.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1) } else { 0 };
        self.bytes.range(from..).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing() -> Standing {
        Standing {
            lease: LeaseState::Active,
            expires_at: 1000,
            why: None,
            seat: Some(Seat::Active),
            uid: Some(1000),
            active: true,
            signed_out: false,
            closed: false,
        }
    }

    #[test]
    fn a_terminal_goes_on_to_the_end_of_the_reservation_and_no_longer() {
        assert_eq!(standing().judge(400), Ok(600));
        assert_eq!(standing().judge(999), Ok(1));
        assert_eq!(standing().judge(1000).unwrap_err().code, Code::Expired);
    }

    #[test]
    fn whatever_takes_the_machine_away_closes_the_terminal_with_its_reason() {
        let code = |change: fn(&mut Standing)| {
            let mut standing = standing();
            change(&mut standing);
            standing.judge(0).unwrap_err().code
        };
        for state in LeaseState::ALL.into_iter().filter(|state| *state != LeaseState::Active) {
            let standing = Standing { lease: state, ..standing() };
            assert_eq!(standing.judge(0).unwrap_err().code, Code::Released, "{state}");
        }
        for seat in [None, Some(Seat::Held), Some(Seat::Provisioning), Some(Seat::Cleaning), Some(Seat::Closed)] {
            let standing = Standing { seat, ..standing() };
            assert_eq!(standing.judge(0).unwrap_err().code, Code::Released, "{seat:?}");
        }
        assert_eq!(code(|standing| standing.active = false), Code::Released);
        assert_eq!(code(|standing| standing.signed_out = true), Code::Released);
        assert_eq!(code(|standing| standing.closed = true), Code::Exited);
        let over = Standing { lease: LeaseState::Cleaning, ..standing() };
        assert_eq!(over.judge(2000).unwrap_err().code, Code::Expired);
    }

    #[test]
    fn the_latest_output_is_kept_and_begins_with_a_whole_line() {
        let mut ring = Ring::default();
        ring.push("é one\n".as_bytes());
        assert_eq!(ring.text(), "é one\n".as_bytes());
        ring.push(&vec![b'x'; BACKLOG - 3]);
        ring.push(b"\nlast");
        assert_eq!(ring.text(), b"last");
        ring.push(&b"y".repeat(BACKLOG * 3));
        assert_eq!(ring.text().len(), BACKLOG);
    }
}
