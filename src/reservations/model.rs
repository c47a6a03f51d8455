//! What can be asked for, and what is held.

use std::{collections::BTreeMap, fmt};

use crate::{
    clock::Millis,
    ids::{AllotmentId, LeaseId, MachineId},
    leases::Lease,
};

/// Labels a machine must have.
pub type Labels = BTreeMap<String, String>;

/// How long a reservation lasts: whole minutes, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Minutes(u32);

/// A text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is no duration; write whole minutes, or a number with m, h or d, as in `90m`, `2h`, `1d`")]
pub struct BadDuration {
    /// What was given, shortened.
    pub given: String,
}

impl Minutes {
    /// From `90`, `90m`, `2h`, `1d`. At least one minute; the pool's rules say how many at the most.
    pub fn parse(text: &str) -> Result<Self, BadDuration> {
        let bad = || BadDuration { given: text.chars().take(40).collect() };
        let (digits, factor) = match text.as_bytes().last() {
            Some(b'm') => (&text[..text.len() - 1], 1),
            Some(b'h') => (&text[..text.len() - 1], 60),
            Some(b'd') => (&text[..text.len() - 1], 24 * 60),
            _ => (text, 1),
        };
        if digits.is_empty() || 9 < digits.len() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(bad());
        }
        let number: u32 = digits.parse().map_err(|_| bad())?;
        match number.checked_mul(factor) {
            Some(minutes) if 0 < minutes => Ok(Self(minutes)),
            _ => Err(bad()),
        }
    }

    /// How many.
    pub fn get(self) -> u32 {
        self.0
    }

    /// In milliseconds.
    pub fn millis(self) -> Millis {
        i64::from(self.0) * 60_000
    }

    /// From a column.
    pub fn from_millis(millis: Millis) -> Self {
        Self(u32::try_from(millis / 60_000).unwrap_or(1).max(1))
    }
}

impl fmt::Display for Minutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("1 minute"),
            minutes => write!(f, "{minutes} minutes"),
        }
    }
}

/// What somebody asks for; checked against the pool's rules by [`super::book`].
#[derive(Debug, Clone)]
pub struct Request {
    /// How many machines.
    pub count: i64,
    /// For how long.
    pub duration: Minutes,
    /// What each must have.
    pub labels: Labels,
    /// From which pool; none: the default one.
    pub pool: Option<String>,
    /// Not before this moment.
    pub starts_at: Option<Millis>,
    /// Stand in line when there are too few now.
    pub wait: bool,
    /// A key for this reservation, besides those of the profile.
    pub ssh_public_key: Option<String>,
    /// A password for this reservation.
    pub password: Option<String>,
}

/// N machines for a time.
#[derive(Debug, Clone)]
pub struct Reservation {
    /// Its lease, with the same id.
    pub lease: Lease,
    /// The owner's name here and on the machines.
    pub username: String,
    /// How many machines were asked for.
    pub count: usize,
    /// For how long.
    pub duration: Minutes,
    /// From which pool.
    pub pool: String,
    /// What each must have.
    pub labels: Labels,
    /// Keys that open the account.
    pub ssh_keys: Vec<String>,
    /// The crypt hash of the password, sealed.
    pub password_sealed: Option<String>,
}

impl Reservation {
    /// Its id.
    pub fn id(&self) -> LeaseId {
        self.lease.id
    }
}

/// Where one machine of a reservation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seat {
    /// Chosen; nothing was done on it.
    Held,
    /// The account is being made.
    Provisioning,
    /// The account is there.
    Active,
    /// The account is being taken back.
    Cleaning,
    /// Taken back and verified.
    Closed,
}

impl Seat {
    const ALL: [Self; 5] = [Self::Held, Self::Provisioning, Self::Active, Self::Cleaning, Self::Closed];

    /// As stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Provisioning => "provisioning",
            Self::Active => "active",
            Self::Cleaning => "cleaning",
            Self::Closed => "closed",
        }
    }
}

impl std::str::FromStr for Seat {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|seat| seat.as_str() == text)
            .ok_or_else(|| format!("`{text}` is no allotment state"))
    }
}

/// One machine in one reservation.
#[derive(Debug, Clone)]
pub struct Allotment {
    /// Its id.
    pub id: AllotmentId,
    /// The reservation.
    pub reservation: LeaseId,
    /// The machine.
    pub machine: MachineId,
    /// The machine's name, kept for when it is gone.
    pub machine_name: String,
    /// Where it stands.
    pub seat: Seat,
    /// The last thing that went wrong on it.
    pub error: Option<String>,
    /// What the machine looked like before; none: nothing was changed on it.
    pub baseline: Option<String>,
    /// The account's uid on the machine, once known.
    pub uid: Option<i64>,
}

/// A password that nobody chose: 16 characters without look-alikes, 93 bits.
pub fn random_password() -> String {
    const LETTERS: &[u8] = b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    (0..16).map(|_| char::from(LETTERS[rand::random_range(0..LETTERS.len())])).collect()
}

/// Why a password for the account will not do; none: it will.
pub fn password_fault(password: &str) -> Option<&'static str> {
    match password {
        "" => Some("it is empty; leave it out to get a random one"),
        text if 255 < text.len() => Some("it has more than 255 bytes"),
        text if text.chars().any(char::is_control) => {
            Some("it has a control character, which cannot be typed at a login")
        }
        text if text.chars().count() < 4 => Some("it has fewer than 4 characters"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_whole_minutes_or_a_number_with_a_unit() {
        for (text, minutes) in [("1", 1), ("60", 60), ("90m", 90), ("2h", 120), ("1d", 1440), ("007", 7)] {
            assert_eq!(Minutes::parse(text).unwrap().get(), minutes, "{text}");
        }
        for text in
            ["", "0", "0m", "-1", "1.5", "1e12", "999999999999", "4294967295h", "m", "h2", "2 h", "+5", "٣", "5s"]
        {
            assert!(Minutes::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_bad_duration_is_quoted_short() {
        let long = "9".repeat(10_000);
        assert!(Minutes::parse(&long).unwrap_err().to_string().len() < 200);
    }

    #[test]
    fn passwords_that_cannot_be_typed_are_refused() {
        for bad in ["", "abc", "line\nbreak", "nul\0", "\u{1b}[2J", &"x".repeat(256)] {
            assert!(password_fault(bad).is_some(), "{bad:?}");
        }
        for good in ["test", "it's $(fine) `here`", "-leading", "../../etc", "пароль", &"x".repeat(255)] {
            assert_eq!(password_fault(good), None, "{good:?}");
        }
    }

    #[test]
    fn random_passwords_are_long_and_differ() {
        let (one, two) = (random_password(), random_password());
        assert_eq!(one.len(), 16);
        assert_ne!(one, two);
    }
}
