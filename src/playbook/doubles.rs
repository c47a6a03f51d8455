//! Keys that stand twice in a mapping of a file: a warning, an error, or nothing, as the configuration has it.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, AtomicU8, Ordering},
};

use super::yaml::Fault;

/// What becomes of a key that stands twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubles {
    /// People are told; the last one counts.
    Warn,
    /// The file cannot be used.
    Refuse,
    /// The last one counts.
    Ignore,
}

/// Nobody reads more.
const MOST: usize = 200;

static POLICY: AtomicU8 = AtomicU8::new(0);
static ANY: AtomicBool = AtomicBool::new(false);
static MET: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn met() -> MutexGuard<'static, Vec<String>> {
    MET.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Chooses for all files that this process reads from now on.
pub fn on_doubles(policy: Doubles) {
    let number = match policy {
        Doubles::Warn => 0,
        Doubles::Refuse => 1,
        Doubles::Ignore => 2,
    };
    POLICY.store(number, Ordering::Relaxed);
}

/// Keeps what is to be told of a file, or refuses it.
pub(super) fn meet(doubles: &[Fault]) -> Result<(), Fault> {
    let Some(first) = doubles.first() else { return Ok(()) };
    match POLICY.load(Ordering::Relaxed) {
        0 => {
            let mut met = met();
            for double in doubles {
                if met.len() < MOST {
                    met.push(format!("{double} Using last defined value only."));
                }
            }
            ANY.store(true, Ordering::Relaxed);
            Ok(())
        }
        1 => Err(first.clone()),
        _ => Ok(()),
    }
}

/// What is to be told since the last time.
pub fn doubles() -> Vec<String> {
    if ANY.swap(false, Ordering::Relaxed) { std::mem::take(&mut *met()) } else { Vec::new() }
}
