//! What a connection costs: time, bytes, and how often one side waits for the other.

use std::{
    ops::AddAssign,
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// What one or more connections have cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// From the wish to connect, waiting for one's turn included, until the shell was ready or the attempt was over.
    pub connect: Duration,
    /// How long answers were waited for after that.
    pub waited: Duration,
    /// Bytes written, before SSH compresses or encrypts them.
    pub sent: u64,
    /// Bytes read, likewise.
    pub received: u64,
    /// Steps written.
    pub steps: u64,
    /// How often something was written after an answer had been waited for; steps that go together count once.
    pub trips: u64,
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.connect += other.connect;
        self.waited += other.waited;
        self.sent += other.sent;
        self.received += other.received;
        self.steps += other.steps;
        self.trips += other.trips;
    }
}

/// Counts for one connection. Each count is one addition, so it is always kept.
#[derive(Debug)]
pub struct Meter {
    begun: Instant,
    ready: OnceLock<Instant>,
    ended: OnceLock<Instant>,
    waited: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
    steps: AtomicU64,
    trips: AtomicU64,
    /// What is written next begins another round trip.
    turned: AtomicBool,
}

impl Meter {
    /// A connection is wished for.
    pub(crate) fn begin() -> Self {
        Self {
            begun: Instant::now(),
            ready: OnceLock::new(),
            ended: OnceLock::new(),
            waited: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            steps: AtomicU64::new(0),
            trips: AtomicU64::new(0),
            turned: AtomicBool::new(true),
        }
    }

    /// The shell has answered.
    pub(super) fn ready(&self) {
        self.ready.get_or_init(Instant::now);
    }

    /// The connection is over, or was never made.
    pub(crate) fn end(&self) {
        self.ended.get_or_init(Instant::now);
    }

    pub(super) fn step(&self) {
        self.steps.fetch_add(1, Relaxed);
    }

    pub(super) fn wrote(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Relaxed);
        if self.turned.swap(false, Relaxed) {
            self.trips.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn read(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Relaxed);
    }

    /// Somebody has waited for an answer since `asked`. What was connecting is not counted twice.
    pub(super) fn waited(&self, asked: Instant) {
        self.turned.store(true, Relaxed);
        if let Some(ready) = self.ready.get() {
            let micros = asked.max(*ready).elapsed().as_micros();
            self.waited.fetch_add(u64::try_from(micros).unwrap_or(u64::MAX), Relaxed);
        }
    }

    /// When the shell was ready; none before.
    pub(crate) fn ready_at(&self) -> Option<Instant> {
        self.ready.get().copied()
    }

    /// The counts so far.
    pub(crate) fn usage(&self) -> Usage {
        let connected = self.ready.get().or_else(|| self.ended.get()).copied().unwrap_or_else(Instant::now);
        Usage {
            connect: connected.saturating_duration_since(self.begun),
            waited: Duration::from_micros(self.waited.load(Relaxed)),
            sent: self.sent.load(Relaxed),
            received: self.received.load(Relaxed),
            steps: self.steps.load(Relaxed),
            trips: self.trips.load(Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_that_go_together_are_one_round_trip() {
        let meter = Meter::begin();
        meter.wrote(5);
        meter.wrote(6);
        assert_eq!((meter.usage().sent, meter.usage().trips), (11, 1));
        meter.waited(Instant::now());
        assert_eq!(meter.usage().waited, Duration::ZERO, "it was connecting");
        meter.ready();
        meter.wrote(1);
        meter.wrote(1);
        assert_eq!(meter.usage().trips, 2);
    }
}
