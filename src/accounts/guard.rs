//! Slowing down whoever guesses passwords.
//!
//! Wrong passwords make the same address wait longer for the same name, never everybody: a stranger elsewhere cannot
//! lock somebody out by guessing. Behind a proxy that is not trusted all clients share an address, so even there the
//! wait stays short. Kept in memory; a restart forgets it.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, OnceLock, PoisonError},
    time::Duration,
};

use crate::{
    clock::Millis,
    config::Limits,
    http::{AddressLimit, Problem, address_key},
};

const FREE_TRIES: u32 = 5;
const LONGEST_WAIT: Millis = 60_000;
const FORGET_AFTER: Millis = 15 * 60_000;
const MOST_REMEMBERED: usize = 50_000;

/// What one server remembers of attempts to sign in.
#[derive(Debug, Default)]
pub(super) struct Guard {
    addresses: OnceLock<AddressLimit>,
    wrong: Mutex<HashMap<(IpAddr, String), Tries>>,
}

#[derive(Debug, Clone, Copy)]
struct Tries {
    count: u32,
    last: Millis,
}

impl Guard {
    /// Counts an attempt of this address, of whatever name.
    pub(super) fn check_address(&self, limits: &Limits, address: IpAddr) -> Result<(), Problem> {
        let minute = Duration::from_mins(1);
        let limit =
            self.addresses.get_or_init(|| AddressLimit::new(limits.logins_per_minute, minute, limits.logins_burst));
        limit.check(address)
    }

    /// How long this address must wait before it may try this name.
    pub(super) fn wait(&self, address: IpAddr, name: &str, now: Millis) -> Option<Millis> {
        let wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        let tries = wrong.get(&key(address, name))?;
        let wait = delay(tries.count) - (now - tries.last);
        (0 < wait).then_some(wait)
    }

    /// Remembers a wrong password.
    pub(super) fn failed(&self, address: IpAddr, name: &str, now: Millis) {
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        if MOST_REMEMBERED <= wrong.len() {
            wrong.retain(|_, tries| now - tries.last < FORGET_AFTER);
            if MOST_REMEMBERED <= wrong.len() {
                wrong.clear();
            }
        }
        let tries = wrong.entry(key(address, name)).or_insert(Tries { count: 0, last: now });
        let count = if FORGET_AFTER <= now - tries.last { 0 } else { tries.count };
        *tries = Tries { count: count.saturating_add(1), last: now };
    }

    /// Forgets wrong passwords after a right one.
    pub(super) fn succeeded(&self, address: IpAddr, name: &str) {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).remove(&key(address, name));
    }
}

fn key(address: IpAddr, name: &str) -> (IpAddr, String) {
    (address_key(address), name.chars().take(64).collect())
}

fn delay(count: u32) -> Millis {
    match count.checked_sub(FREE_TRIES) {
        None => 0,
        Some(over) => (1000_i64 << over.min(10)).min(LONGEST_WAIT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_for_the_guesser_and_nobody_else() {
        let guard = Guard::default();
        let (guesser, owner): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        for _ in 0..4 {
            guard.failed(guesser, "alice", 0);
        }
        assert_eq!(guard.wait(guesser, "alice", 0), None);
        guard.failed(guesser, "alice", 0);
        assert_eq!(guard.wait(guesser, "alice", 0), Some(1000));
        assert_eq!(guard.wait(guesser, "alice", 1000), None);
        guard.failed(guesser, "alice", 1000);
        assert_eq!(guard.wait(guesser, "alice", 1000), Some(2000));
        assert_eq!(guard.wait(owner, "alice", 1000), None);
        assert_eq!(guard.wait(guesser, "bob", 1000), None);
        for _ in 0..100 {
            guard.failed(guesser, "alice", 1000);
        }
        assert_eq!(guard.wait(guesser, "alice", 1000), Some(LONGEST_WAIT));
        guard.succeeded(guesser, "alice");
        assert_eq!(guard.wait(guesser, "alice", 1000), None);
    }
}
