//! The only source of "now", movable in tests.
//!
//! Whether a lease is over is judged by the database's clock ([`crate::db::Db::now`]), so that a server with a
//! wrong clock harms nobody. This one dates tokens, logs and answers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Milliseconds since 1970-01-01 UTC.
pub type Millis = i64;

/// A clock: the system's, plus an offset that tests move.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    offset: Arc<AtomicI64>,
}

impl Clock {
    /// Now.
    pub fn now(&self) -> Millis {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX).saturating_add(self.offset())
    }

    /// Now, as a moment.
    pub fn moment(&self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.now()).unwrap_or_default()
    }

    /// How far this clock is ahead of the system's, in milliseconds.
    pub fn offset(&self) -> Millis {
        self.offset.load(Ordering::Relaxed)
    }

    /// Moves the clock forward. For tests.
    pub fn advance(&self, by: Duration) {
        self.offset.fetch_add(millis(by), Ordering::Relaxed);
    }
}

/// Begins to measure how long something takes.
pub fn begin() -> Instant {
    Instant::now()
}

/// A duration in milliseconds.
pub fn millis(duration: Duration) -> Millis {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// A moment as RFC 3339 text in UTC, to the second, as answers show it.
pub fn rfc3339(at: Millis) -> String {
    jiff::Timestamp::from_second(at.div_euclid(1000))
        .map_or_else(|_| "out of range".to_owned(), |moment| moment.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_shown_in_utc() {
        assert_eq!(rfc3339(1_763_700_000_999), "2025-11-21T04:40:00Z");
        assert_eq!(rfc3339(i64::MAX), "out of range");
    }

    #[test]
    fn a_moved_clock_is_ahead_by_what_it_was_moved() {
        let clock = Clock::default();
        let before = clock.now();
        clock.advance(Duration::from_hours(1));
        let ahead = clock.now() - before;
        assert!((3_600_000..3_610_000).contains(&ahead), "{ahead}");
    }
}
