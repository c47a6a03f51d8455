//! Waiting for a reservation, with progress per machine and step.
//!
//! It asks again and again, so it works behind any proxy and after a restart of the server. On a terminal there is a
//! line per machine; elsewhere there is a line per step. Both go to stderr.

use std::{collections::HashMap, io::IsTerminal, time::Duration};

use anyhow::Result;
use indexmap::IndexMap;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;

use super::{
    call::parse,
    client::Client,
    fault::{FAILED, Fault, INTERRUPTED, UNREACHABLE, code_of},
    output::{duration, plain},
    reservations::ReservationView,
    runs::RunEvent,
    terminal::say,
};

/// Between two looks.
const PACE: Duration = Duration::from_millis(300);
/// How often in a row the server may be away.
const PATIENCE: u32 = 20;

/// What to wait for.
#[derive(Clone, Copy)]
enum Goal {
    Ready,
    Closed,
}

impl Goal {
    /// Whether waiting is over, and how it ended.
    fn judge(self, state: &str) -> Option<bool> {
        match (self, state) {
            (Self::Ready, "failed" | "expiring" | "cleaning" | "closed") => Some(false),
            (Self::Ready, "active") | (Self::Closed, "closed" | "failed") => Some(true),
            _ => None,
        }
    }
}

/// Waits until the machines can be used, and returns the reservation as it is then.
pub async fn until_ready(client: &Client, id: &str, limit: Duration) -> Result<Value> {
    until(client, id, Goal::Ready, limit, HashMap::new()).await
}

/// Waits until the machines are clean, and returns the reservation as it is then.
///
/// `before` is the reservation before it was released: the runs that it had then are old news.
pub async fn until_closed(client: &Client, before: &Value, limit: Duration) -> Result<Value> {
    let ReservationView { id, runs, .. } = parse(before)?;
    let old = runs.into_iter().map(|run| (run, u64::MAX)).collect();
    until(client, &id, Goal::Closed, limit, old).await
}

async fn until(client: &Client, id: &str, goal: Goal, limit: Duration, seen: HashMap<String, u64>) -> Result<Value> {
    let mut progress = Progress::new();
    let watched = watch(client, id, goal, seen, &mut progress);
    let ended = tokio::select! {
        answer = tokio::time::timeout(limit, watched) => answer,
        _ = tokio::signal::ctrl_c() => {
            progress.clear();
            say(&format!("the reservation goes on; `berth reservations release {id}` gives it back"));
            return Err(Fault::Said(INTERRUPTED).into());
        }
    };
    progress.clear();
    let Ok(answer) = ended else {
        let waited = duration(i64::try_from(limit.as_secs()).unwrap_or(i64::MAX));
        let text = format!("not done after {waited}; the reservation goes on, see `berth reservations show {id}`");
        return Err(Fault::Deadline(text).into());
    };
    answer
}

/// Looks until the goal is reached or out of reach. `seen` tells up to which event each run was shown.
async fn watch(
    client: &Client,
    id: &str,
    goal: Goal,
    mut seen: HashMap<String, u64>,
    progress: &mut Progress,
) -> Result<Value> {
    let mut pace = tokio::time::interval(PACE);
    let mut away = 0;
    loop {
        pace.tick().await;
        let value = match look(client, id, &mut seen, progress).await {
            Ok(value) => value,
            // A server that restarts is no reason to give up; one that stays away is.
            Err(error) if code_of(&error) == UNREACHABLE && away < PATIENCE => {
                away += 1;
                continue;
            }
            Err(error) => return Err(error),
        };
        away = 0;
        let reservation: ReservationView = parse(&value)?;
        progress.reservation(&reservation);
        match goal.judge(&reservation.state) {
            Some(true) => return Ok(value),
            Some(false) => {
                let reason =
                    reservation.reason.filter(|reason| !reason.is_empty()).unwrap_or_else(|| "no reason given".into());
                progress.clear();
                say(&format!("error: the reservation is {}: {}", reservation.state, plain(&reason)));
                return Err(Fault::Said(FAILED).into());
            }
            None => {}
        }
    }
}

/// The reservation as it is now; new events of its runs go to the progress.
async fn look(client: &Client, id: &str, seen: &mut HashMap<String, u64>, progress: &mut Progress) -> Result<Value> {
    let value = client.get(&["reservations", id]).send().await?.value;
    let runs = value["runs"].as_array().into_iter().flatten().filter_map(Value::as_str);
    for run in runs {
        let after = seen.entry(run.to_owned()).or_default();
        if *after == u64::MAX {
            continue;
        }
        let answer = client.get(&["runs", run, "events"]).query(&[("after", after.to_string())]).send().await?;
        for event in parse::<Vec<RunEvent>>(&answer.value["items"])? {
            *after = event.seq.max(*after);
            progress.event(&event);
        }
    }
    Ok(value)
}

/// Shows how far things are.
struct Progress {
    bars: Option<MultiProgress>,
    machines: IndexMap<String, Shown>,
    state: String,
}

struct Shown {
    bar: Option<ProgressBar>,
    state: String,
    step: String,
}

impl Progress {
    fn new() -> Self {
        let bars =
            std::io::stderr().is_terminal().then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr()));
        Self { bars, machines: IndexMap::new(), state: String::new() }
    }

    fn machine(&mut self, name: &str) -> &mut Shown {
        let bars = self.bars.as_ref();
        self.machines.entry(name.to_owned()).or_insert_with(|| {
            let bar = bars.map(|bars| {
                let bar = bars.add(ProgressBar::new_spinner());
                let style = ProgressStyle::with_template("{spinner} {prefix:20!} {wide_msg}");
                bar.set_style(style.expect("the template is a constant that is known to parse"));
                bar.set_prefix(plain(name));
                bar.enable_steady_tick(Duration::from_millis(120));
                bar
            });
            Shown { bar, state: String::new(), step: String::new() }
        })
    }

    fn reservation(&mut self, reservation: &ReservationView) {
        if self.state != reservation.state {
            self.state.clone_from(&reservation.state);
            let line = format!("reservation {} is {}", reservation.id, plain(&reservation.state));
            match &self.bars {
                Some(bars) => drop(bars.println(line)),
                None => say(&line),
            }
        }
        for one in &reservation.machines {
            let is_terminal = self.bars.is_some();
            let shown = self.machine(&one.machine);
            if shown.state == one.state {
                continue;
            }
            shown.state.clone_from(&one.state);
            shown.draw();
            if !is_terminal {
                say(&plain(&format!("{}: {}", one.machine, one.state)));
            }
        }
    }

    fn event(&mut self, event: &RunEvent) {
        let line = event.line();
        match (&self.bars, event.machine.as_deref().filter(|name| !name.is_empty())) {
            (None, _) => say(&line),
            (Some(bars), None) => drop(bars.println(line)),
            (Some(bars), Some(name)) => {
                if event.is_bad() {
                    drop(bars.println(&line));
                }
                let step = event.step();
                let shown = self.machine(name);
                shown.step = step;
                shown.draw();
            }
        }
    }

    fn clear(&self) {
        if let Some(bars) = &self.bars {
            // A terminal that is gone needs no clearing.
            let _ = bars.clear();
        }
    }
}

impl Shown {
    fn draw(&self) {
        let Some(bar) = &self.bar else { return };
        bar.set_message(plain(&format!("{:<13} {}", self.state, self.step)));
        if matches!(self.state.as_str(), "active" | "closed" | "failed" | "ready") {
            bar.finish();
        }
    }
}

/// A span as people write it: `90s`, `10m`, `1h`, `1d`; a number alone is minutes.
pub fn span(text: &str) -> Result<Duration, String> {
    let bad = || format!("`{text}` is no duration; it looks like `90s`, `10m`, `1h`");
    let digits = text.trim_end_matches(|character: char| character.is_ascii_alphabetic());
    let scale = match &text[digits.len()..] {
        "s" => 1,
        "" | "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(bad()),
    };
    let count: u64 = digits.parse().map_err(|_| bad())?;
    let seconds = count.checked_mul(scale).filter(|seconds| *seconds <= 366 * 86_400).ok_or_else(bad)?;
    if seconds == 0 { Err(bad()) } else { Ok(Duration::from_secs(seconds)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_people_write_them() {
        for (text, seconds) in [("90s", 90), ("10m", 600), ("15", 900), ("1h", 3_600), ("1d", 86_400)] {
            assert_eq!(span(text), Ok(Duration::from_secs(seconds)));
        }
        for text in ["", "0", "-1m", "1.5h", "m", "10x", "99999999999999999999", "9999d"] {
            assert!(span(text).is_err(), "{text}");
        }
    }

    #[test]
    fn waiting_ends_where_nothing_more_can_come() {
        assert_eq!(Goal::Ready.judge("active"), Some(true));
        assert_eq!(Goal::Ready.judge("failed"), Some(false));
        assert_eq!(Goal::Ready.judge("closed"), Some(false));
        for state in ["queued", "accepted", "provisioning"] {
            assert_eq!(Goal::Ready.judge(state), None, "{state}");
        }
        assert_eq!(Goal::Closed.judge("active"), None);
        assert_eq!(Goal::Closed.judge("cleaning"), None);
        assert_eq!(Goal::Closed.judge("closed"), Some(true));
    }
}
