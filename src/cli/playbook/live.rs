//! A line per host while a playbook runs on a terminal: what it did last, and how long it has been at the next thing.

use std::{
    collections::HashMap,
    io::IsTerminal as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    cli::output::plain,
    playbook::{Event, event::Status},
};

/// Runs shorter than this show no lines.
const BEFORE: Duration = Duration::from_secs(1);
/// No more lines than these; with more hosts, those that are behind others wait for a line.
const LINES: usize = 12;

/// The lines, on stderr.
#[derive(Clone)]
pub(super) struct Live {
    lines: MultiProgress,
    hosts: Arc<Mutex<HashMap<String, ProgressBar>>>,
}

impl Live {
    /// None where nobody looks: stdout and stderr must both be terminals.
    pub(super) fn new() -> Option<Self> {
        if !std::io::stdout().is_terminal() || !std::io::stderr().is_terminal() {
            return None;
        }
        let live = Self::hidden();
        let lines = live.lines.clone();
        tokio::spawn(async move {
            tokio::time::sleep(BEFORE).await;
            lines.set_draw_target(ProgressDrawTarget::stderr());
        });
        Some(live)
    }

    fn hidden() -> Self {
        Self { lines: MultiProgress::with_draw_target(ProgressDrawTarget::hidden()), hosts: Arc::default() }
    }

    fn hosts(&self) -> MutexGuard<'_, HashMap<String, ProgressBar>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the lines true, and prints what is to be printed above them.
    pub(super) fn take(&self, event: &Event, print: impl FnOnce()) {
        match event {
            Event::Play { hosts, .. } => {
                self.clear();
                for host in hosts.iter().take(LINES) {
                    self.begin(host);
                }
            }
            Event::HostResult { host, status: Status::Unreachable, .. } | Event::HostDone { host, .. } => {
                self.end(host);
            }
            Event::HostResult { host, task, .. } => self.tell(host, &format!("since {}", one_line(task))),
            Event::Progress { host, task, message } => {
                self.tell(host, &format!("{}: {}", one_line(task), one_line(message)));
            }
            Event::Recap { .. } => self.clear(),
            _ => {}
        }
        self.lines.suspend(print);
    }

    fn begin(&self, host: &str) {
        let style = ProgressStyle::with_template("{spinner} {prefix} {elapsed} {wide_msg}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        let line = self.lines.add(ProgressBar::new_spinner().with_style(style));
        line.set_prefix(one_line(host));
        line.set_message("since it began");
        line.enable_steady_tick(Duration::from_millis(200));
        self.hosts().insert(host.to_owned(), line);
    }

    fn tell(&self, host: &str, message: &str) {
        if !self.hosts().contains_key(host) && self.hosts().len() < LINES {
            self.begin(host);
        }
        if let Some(line) = self.hosts().get(host) {
            line.set_message(message.to_owned());
            line.reset_elapsed();
        }
    }

    fn end(&self, host: &str) {
        if let Some(line) = self.hosts().remove(host) {
            line.finish_and_clear();
            self.lines.remove(&line);
        }
    }

    /// Takes all lines away.
    pub(super) fn clear(&self) {
        let hosts: Vec<String> = self.hosts().keys().cloned().collect();
        for host in &hosts {
            self.end(host);
        }
    }
}

fn one_line(text: &str) -> String {
    plain(text.lines().next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_host_at_work_has_its_line() {
        let live = Live::hidden();
        let play = |hosts: &[&str]| Event::Play {
            play: 0,
            name: "p".into(),
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        };
        let mut printed = 0;
        live.take(&play(&["a", "b"]), || printed += 1);
        let step = Event::Progress { host: "a".into(), task: "t".into(), message: "half\u{1b}[2J".into() };
        live.take(&step, || printed += 1);
        assert_eq!(live.hosts()["b"].message(), "since it began");
        assert!(live.hosts()["a"].message().starts_with("t: half") && !live.hosts()["a"].message().contains('\u{1b}'));
        live.take(&Event::HostDone { host: "a".into(), play: 0 }, || printed += 1);
        assert_eq!(live.hosts().keys().collect::<Vec<_>>(), ["b"]);
        live.take(&play(&["c"]), || printed += 1);
        assert_eq!(live.hosts().keys().collect::<Vec<_>>(), ["c"]);
        live.clear();
        assert_eq!((live.hosts().len(), printed), (0, 4));
    }
}
