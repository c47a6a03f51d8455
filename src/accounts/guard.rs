//! Slowing down whoever guesses passwords.
//!
//! Nobody is locked out. Wrong passwords make the same network wait longer for the same name, and a name that many
//! networks guess at leaves each strange network fewer tries: one, then a wait. A device that is signed in, and a network
//! where the account is signed in, are not strange. Every try counts when it begins, so that many at once are no more
//! than one after the other, and whoever hangs up has tried. Kept in memory, per process, and bounded; a restart forgets.

use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, OnceLock, PoisonError},
    time::Duration,
};

use crate::{
    clock::Millis,
    config::Limits,
    http::{AddressLimit, Problem, address_key},
    ids::SessionId,
};

const FREE_TRIES: u32 = 5;
const LONGEST_WAIT: Millis = 60_000;
/// With so many wrong passwords from strange networks, a name is under pressure.
const PRESSURE: u32 = 50;
/// Then a strange network has this many tries before it waits.
const FREE_UNDER_PRESSURE: u32 = 1;
const LONGEST_UNDER_PRESSURE: Millis = 15 * 60_000;
const FORGET_AFTER: Millis = 15 * 60_000;
const MOST_REMEMBERED: usize = 50_000;

/// Where somebody tries from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// A device that is signed in as the one whose password is tried.
    Device(SessionId),
    /// Any other, by its address.
    Network(IpAddr),
}

/// What one server remembers of attempts to sign in.
#[derive(Debug, Default)]
pub(super) struct Guard {
    addresses: OnceLock<AddressLimit>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// By place and name.
    wrong: HashMap<(Place, String), Tries>,
    /// By name: those of strange networks.
    pressure: HashMap<String, Tries>,
}

#[derive(Debug, Clone, Copy)]
struct Tries {
    count: u32,
    last: Millis,
}

/// A try that counts as wrong until it is known to be right.
#[derive(Debug)]
pub(super) struct Attempt {
    place: Place,
    name: String,
    is_strange: bool,
}

impl Guard {
    /// Counts an attempt of this address, of whatever name.
    pub(super) fn check_address(&self, limits: &Limits, address: IpAddr) -> Result<(), Problem> {
        let minute = Duration::from_mins(1);
        let limit =
            self.addresses.get_or_init(|| AddressLimit::new(limits.logins_per_minute, minute, limits.logins_burst));
        limit.check(address)
    }

    /// Whether many networks guess at this name now.
    pub(super) fn is_pressed(&self, name: &str, now: Millis) -> bool {
        let seen = self.lock();
        seen.pressure.get(&short(name)).is_some_and(|tries| PRESSURE <= tries.count_at(now))
    }

    /// Begins a try, or says how long this place must wait before it may try this name. `is_strange`: the account is
    /// under pressure and not signed in there.
    pub(super) fn enter(&self, place: Place, name: &str, is_strange: bool, now: Millis) -> Result<Attempt, Millis> {
        let attempt = Attempt { place: place.key(), name: short(name), is_strange };
        let mut seen = self.lock();
        let wait = attempt.keys().filter_map(|key| seen.wrong.get(&key)).map(|tries| {
            let delay = if is_strange { delay_under_pressure } else { delay };
            delay(tries.count_at(now)) - (now - tries.last)
        });
        if let Some(wait) = wait.max().filter(|wait| 0 < *wait) {
            return Err(wait);
        }
        let Seen { wrong, pressure } = &mut *seen;
        for key in attempt.keys() {
            count(wrong, key, now);
        }
        if attempt.presses() {
            count(pressure, attempt.name.clone(), now);
        }
        Ok(attempt)
    }

    /// The password was right: what this place did wrong before is forgotten.
    pub(super) fn was_right(&self, attempt: &Attempt) {
        let mut seen = self.lock();
        for key in attempt.keys() {
            seen.wrong.remove(&key);
        }
        attempt.relieve(&mut seen.pressure);
    }

    /// The password was not looked at: the try did not happen.
    pub(super) fn was_nothing(&self, attempt: &Attempt) {
        let mut seen = self.lock();
        for key in attempt.keys() {
            take_back(&mut seen.wrong, &key);
        }
        attempt.relieve(&mut seen.pressure);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    fn key(self) -> Self {
        match self {
            Self::Device(_) => self,
            Self::Network(address) => Self::Network(address_key(address)),
        }
    }

    /// The network around it that one customer may have, where addresses are plenty.
    fn around(self) -> Option<Self> {
        match self {
            Self::Network(IpAddr::V6(v6)) => {
                Some(Self::Network(IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 80)))))
            }
            _ => None,
        }
    }
}

impl Attempt {
    fn keys(&self) -> impl Iterator<Item = (Place, String)> {
        let around = self.place.around().filter(|_| self.is_strange);
        [Some(self.place), around].into_iter().flatten().map(|place| (place, self.name.clone()))
    }

    fn presses(&self) -> bool {
        matches!(self.place, Place::Network(_))
    }

    fn relieve(&self, pressure: &mut HashMap<String, Tries>) {
        if self.presses() {
            take_back(pressure, &self.name);
        }
    }
}

impl Tries {
    fn count_at(self, now: Millis) -> u32 {
        if FORGET_AFTER <= now - self.last { 0 } else { self.count }
    }
}

fn short(name: &str) -> String {
    name.chars().take(64).collect()
}

fn count<K: Hash + Eq>(map: &mut HashMap<K, Tries>, key: K, now: Millis) {
    if MOST_REMEMBERED <= map.len() {
        map.retain(|_, tries| now - tries.last < FORGET_AFTER);
    }
    if MOST_REMEMBERED <= map.len() {
        // The older half goes: whoever floods the memory drives out himself.
        let mut moments: Vec<Millis> = map.values().map(|tries| tries.last).collect();
        let middle = moments.len() / 2;
        let (_, median, _) = moments.select_nth_unstable(middle);
        let mut kept = middle;
        map.retain(|_, tries| {
            let stays = *median < tries.last || (*median == tries.last && 0 < kept);
            kept = kept.saturating_sub(usize::from(stays));
            stays
        });
    }
    let tries = map.entry(key).or_insert(Tries { count: 0, last: now });
    *tries = Tries { count: tries.count_at(now).saturating_add(1), last: now };
}

fn take_back<K: Hash + Eq>(map: &mut HashMap<K, Tries>, key: &K) {
    if let Some(tries) = map.get_mut(key) {
        tries.count = tries.count.saturating_sub(1);
        if tries.count == 0 {
            map.remove(key);
        }
    }
}

fn delay(count: u32) -> Millis {
    match count.checked_sub(FREE_TRIES) {
        None => 0,
        Some(over) => (1000_i64 << over.min(10)).min(LONGEST_WAIT),
    }
}

fn delay_under_pressure(count: u32) -> Millis {
    match count.checked_sub(FREE_UNDER_PRESSURE) {
        None => 0,
        Some(over) => (LONGEST_WAIT << over.min(10)).min(LONGEST_UNDER_PRESSURE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(text: &str) -> Place {
        Place::Network(text.parse().unwrap())
    }

    #[test]
    fn the_wait_doubles_for_the_guesser_and_nobody_else() {
        let guard = Guard::default();
        let (guesser, owner) = (from("192.0.2.1"), from("192.0.2.2"));
        for _ in 0..5 {
            guard.enter(guesser, "alice", false, 0).unwrap();
        }
        assert_eq!(guard.enter(guesser, "alice", false, 0).unwrap_err(), 1000);
        guard.enter(guesser, "alice", false, 1000).unwrap();
        assert_eq!(guard.enter(guesser, "alice", false, 1000).unwrap_err(), 2000);
        guard.enter(owner, "alice", false, 1000).unwrap();
        guard.enter(guesser, "bob", false, 1000).unwrap();
        let mut now = 1000;
        for _ in 0..100 {
            now += guard.enter(guesser, "alice", false, now).err().unwrap_or(0);
        }
        let attempt = guard.enter(guesser, "alice", false, now + LONGEST_WAIT).unwrap();
        assert_eq!(guard.enter(guesser, "alice", false, now + LONGEST_WAIT).unwrap_err(), LONGEST_WAIT);
        guard.was_right(&attempt);
        guard.enter(guesser, "alice", false, now + LONGEST_WAIT).unwrap();
    }

    #[test]
    fn what_was_not_looked_at_does_not_count() {
        let guard = Guard::default();
        for _ in 0..100 {
            let attempt = guard.enter(from("192.0.2.1"), "alice", false, 0).unwrap();
            guard.was_nothing(&attempt);
        }
        assert!(!guard.is_pressed("alice", 0));
    }

    #[test]
    fn many_networks_have_one_try_each_and_who_is_known_keeps_his() {
        let guard = Guard::default();
        for n in 0..PRESSURE {
            guard.enter(from(&format!("198.51.100.{n}")), "alice", false, 0).unwrap();
        }
        assert!(guard.is_pressed("alice", 0) && !guard.is_pressed("bob", 0));
        guard.enter(from("203.0.113.1"), "alice", true, 0).unwrap();
        assert_eq!(guard.enter(from("203.0.113.1"), "alice", true, 0).unwrap_err(), LONGEST_WAIT);
        guard.enter(from("203.0.113.1"), "alice", true, LONGEST_WAIT).unwrap();
        assert_eq!(guard.enter(from("203.0.113.1"), "alice", true, LONGEST_WAIT).unwrap_err(), 2 * LONGEST_WAIT);
        // A customer with many networks of his own is one.
        guard.enter(from("2001:db8:7:1::1"), "alice", true, 0).unwrap();
        assert!(guard.enter(from("2001:db8:7:2::1"), "alice", true, 0).is_err());
        guard.enter(from("2001:db8:8:2::1"), "alice", true, 0).unwrap();
        let known = Place::Device(SessionId::new());
        for _ in 0..FREE_TRIES {
            guard.enter(known, "alice", false, 0).unwrap();
        }
        assert!(!guard.is_pressed("alice", FORGET_AFTER * 2));
    }

    #[test]
    fn a_flood_of_names_and_networks_is_forgotten_before_memory_fills() {
        let guard = Guard::default();
        for n in 0..u32::try_from(MOST_REMEMBERED).unwrap() * 2 {
            let place = Place::Network(IpAddr::V4(std::net::Ipv4Addr::from_bits(n)));
            guard.enter(place, &format!("n{n}"), false, 0).unwrap();
        }
        let seen = guard.lock();
        assert!(seen.wrong.len() <= MOST_REMEMBERED && seen.pressure.len() <= MOST_REMEMBERED);
        assert!(seen.wrong.len() > MOST_REMEMBERED / 4);
    }
}
