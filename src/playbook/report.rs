//! A run as people read it: plays, tasks, a line per host, the recap.
//!
//! Hosts run at their own pace; here a task's lines are kept together. Lines of a task are held back until every host
//! is past the tasks before it, or has ended.

use std::{collections::BTreeMap, fmt::Write as _, sync::Mutex};

use indexmap::IndexMap;
use similar::TextDiff;

use super::{
    event::{Diff, Event, HostSummary, Status},
    template::json_text,
};

/// Whether to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// Escape sequences.
    On,
    /// Plain text.
    Off,
}

/// Turns events into text, piece by piece.
#[derive(Debug)]
pub struct Report {
    colour: Colour,
    verbosity: u8,
    width: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Tasks of the play in the order in which they were begun, with the lines that wait.
    tasks: IndexMap<(usize, bool), Waiting>,
    /// How far each host of the play is: the place of its task in `tasks`.
    hosts: BTreeMap<String, Option<usize>>,
    /// The task whose heading was written last.
    shown: Option<usize>,
}

#[derive(Debug, Default)]
struct Waiting {
    heading: String,
    lines: String,
}

impl Report {
    /// A report for this terminal.
    pub fn new(colour: Colour, verbosity: u8, width: usize) -> Self {
        Self { colour, verbosity, width: width.clamp(40, 200), state: Mutex::default() }
    }

    /// The text to write for `event`; often none, sometimes what was held back.
    pub fn take(&self, event: &Event) -> String {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut text = String::new();
        match event {
            Event::Play { name, hosts, .. } => {
                state.release_all(&mut text);
                *state = State::default();
                state.hosts = hosts.iter().map(|name| (name.clone(), Some(0))).collect();
                let _ = writeln!(text, "\n{}", self.banner(&format!("PLAY [{name}]")));
            }
            Event::Task { id, task, handler, .. } => {
                let word = if *handler { "RUNNING HANDLER" } else { "TASK" };
                let heading = format!("\n{}\n", self.banner(&format!("{word} [{task}]")));
                state.tasks.entry((*id, *handler)).or_default().heading = heading;
            }
            Event::Item { host, id, item, status, message, diff, result, .. } => {
                let mut line = self.diffs(diff);
                let kind = if *status == Status::Skipped { "skipping" } else { word_of(*status) };
                let mut rest = format!(" => (item={item})");
                if *status == Status::Failed {
                    let _ = write!(rest, " => {message}");
                } else if let Some(said) = said(result, self.verbosity) {
                    let _ = write!(rest, " => {said}");
                }
                let _ = writeln!(line, "{}", self.paint(*status, &format!("{kind}: [{host}]{rest}")));
                state.add(*id, &line);
            }
            Event::HostResult { host, id, task, status, ignored, looped, message, diff, result, .. } => {
                let line = self.result(host, task, *status, *ignored, *looped, message, diff, result);
                if *id == 0 {
                    text.push_str(&line);
                } else {
                    state.add(*id, &line);
                    let place = state.tasks.keys().rposition(|(known, _)| known == id);
                    if let Some(at) = state.hosts.get_mut(host) {
                        *at = place.map(|place| place + 1).or(*at);
                    }
                }
                state.release(&mut text);
            }
            Event::Progress { host, task, message } => {
                let _ = writeln!(text, "{}", self.paint(Status::Skipped, &format!("  {host}: {task}: {message}")));
            }
            Event::Warning { message } => {
                let _ = writeln!(text, "{}", self.code("35", &format!("[WARNING]: {message}")));
            }
            Event::HostDone { host, .. } => {
                if let Some(at) = state.hosts.get_mut(host) {
                    *at = None;
                }
                state.release(&mut text);
            }
            Event::Recap { hosts } => {
                state.release_all(&mut text);
                self.recap(hosts, &mut text);
            }
        }
        text
    }

    #[allow(clippy::too_many_arguments, reason = "these are the parts of one event")]
    fn result(
        &self,
        host: &str,
        task: &str,
        status: Status,
        ignored: bool,
        looped: bool,
        message: &str,
        diff: &[Diff],
        result: &serde_json::Map<String, serde_json::Value>,
    ) -> String {
        let mut line = self.diffs(diff);
        match status {
            Status::Unreachable => {
                let text = format!("fatal: [{host}]: UNREACHABLE! ({task}) => {message}");
                let _ = writeln!(line, "{}", self.paint(status, &text));
            }
            Status::Failed => {
                let rc = result.get("rc").map(|rc| format!(" (rc {rc})")).unwrap_or_default();
                let text = format!("fatal: [{host}]: FAILED! => {message}{rc}");
                let _ = writeln!(line, "{}", self.paint(status, &text));
                if ignored {
                    let _ = writeln!(line, "{}", self.paint(Status::Skipped, "...ignoring"));
                }
            }
            _ if looped && status != Status::Skipped => {}
            _ => {
                let mut text = format!("{}: [{host}]", word_of(status));
                if let Some(said) = said(result, self.verbosity) {
                    let _ = write!(text, " => {said}");
                }
                let _ = writeln!(line, "{}", self.paint(status, &text));
            }
        }
        line
    }

    fn recap(&self, hosts: &IndexMap<String, HostSummary>, text: &mut String) {
        let _ = writeln!(text, "\n{}", self.banner("PLAY RECAP"));
        let widest = hosts.keys().map(|name| name.chars().count()).max().unwrap_or(0).max(26);
        for (name, counts) in hosts {
            let status = if counts.failed > 0 || counts.unreachable > 0 {
                Status::Failed
            } else if counts.changed > 0 {
                Status::Changed
            } else {
                Status::Ok
            };
            let pad = " ".repeat(widest - name.chars().count());
            let _ = writeln!(
                text,
                "{}{pad} : ok={:<4} changed={:<4} unreachable={:<4} failed={:<4} skipped={:<4} rescued={:<4} ignored={:<4}",
                self.paint(status, name),
                counts.ok,
                counts.changed,
                counts.unreachable,
                counts.failed,
                counts.skipped,
                counts.rescued,
                counts.ignored
            );
        }
        text.push('\n');
    }

    fn banner(&self, title: &str) -> String {
        let stars = self.width.saturating_sub(title.chars().count() + 1).max(3);
        self.code("1", &format!("{title} {}", "*".repeat(stars)))
    }

    fn diffs(&self, diffs: &[Diff]) -> String {
        let mut text = String::new();
        for diff in diffs {
            if diff.before == diff.after {
                continue;
            }
            let made = TextDiff::from_lines(&diff.before, &diff.after);
            let made = made
                .unified_diff()
                .header(&format!("before: {}", diff.name), &format!("after: {}", diff.name))
                .to_string();
            for line in made.lines() {
                let line = match line.chars().next() {
                    Some('+') => self.code("32", line),
                    Some('-') => self.code("31", line),
                    Some('@') => self.code("36", line),
                    _ => line.to_owned(),
                };
                let _ = writeln!(text, "{line}");
            }
        }
        text
    }

    fn paint(&self, status: Status, text: &str) -> String {
        let code = match status {
            Status::Ok => "32",
            Status::Changed => "33",
            Status::Failed | Status::Unreachable => "31",
            Status::Skipped => "36",
        };
        self.code(code, text)
    }

    fn code(&self, code: &str, text: &str) -> String {
        // What a host says must not steer the terminal.
        let safe: String =
            text.chars().map(|c| if c.is_control() && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c }).collect();
        match self.colour {
            Colour::On => format!("\u{1b}[{code}m{safe}\u{1b}[0m"),
            Colour::Off => safe,
        }
    }
}

impl State {
    fn add(&mut self, id: usize, line: &str) {
        if let Some((_, waiting)) = self.tasks.iter_mut().rev().find(|((known, _), _)| *known == id) {
            waiting.lines.push_str(line);
        }
    }

    /// Writes what no host can add earlier lines to any more.
    fn release(&mut self, text: &mut String) {
        let slowest = self.hosts.values().filter_map(|at| *at).min().unwrap_or(usize::MAX);
        for place in 0..self.tasks.len() {
            if place > slowest {
                break;
            }
            self.write(place, text);
        }
    }

    fn release_all(&mut self, text: &mut String) {
        for place in 0..self.tasks.len() {
            self.write(place, text);
        }
    }

    fn write(&mut self, place: usize, text: &mut String) {
        let Some((_, waiting)) = self.tasks.get_index_mut(place) else { return };
        if waiting.lines.is_empty() {
            return;
        }
        if self.shown != Some(place) {
            text.push_str(&waiting.heading);
            self.shown = Some(place);
        }
        text.push_str(&std::mem::take(&mut waiting.lines));
    }
}

fn word_of(status: Status) -> &'static str {
    match status {
        Status::Ok => "ok",
        Status::Changed => "changed",
        Status::Failed => "failed",
        Status::Skipped => "skipping",
        Status::Unreachable => "unreachable",
    }
}

/// What of a result is shown: everything with `-v`, else what `debug` and `assert` say.
fn said(result: &serde_json::Map<String, serde_json::Value>, verbosity: u8) -> Option<String> {
    let quiet = ["changed", "failed", "ansible_loop_var"];
    let shown: serde_json::Map<String, serde_json::Value> = result
        .iter()
        .filter(|(name, _)| !quiet.contains(&name.as_str()))
        .map(|(n, v)| (n.clone(), v.clone()))
        .collect();
    if verbosity > 0 {
        return (!shown.is_empty()).then(|| json_text(&serde_json::Value::Object(result.clone()), 4, false, false));
    }
    // `debug` gives its one value and nothing else.
    let plain = shown.len() == 1 && !result.contains_key("rc") && !result.contains_key("path");
    let (name, _) = shown.iter().next()?;
    let of_debug = plain && !matches!(name.as_str(), "ansible_facts" | "ping" | "stat" | "censored" | "diff");
    of_debug.then(|| json_text(&serde_json::Value::Object(shown), 4, false, false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Map;

    fn result(host: &str, id: usize, status: Status) -> Event {
        Event::HostResult {
            host: host.into(),
            play: 0,
            id,
            task: format!("t{id}"),
            status,
            ignored: false,
            looped: false,
            message: String::new(),
            diff: Vec::new(),
            result: Map::new(),
        }
    }

    fn task(id: usize) -> Event {
        Event::Task { play: 0, id, task: format!("t{id}"), module: "ping".into(), handler: false, at: String::new() }
    }

    #[test]
    fn the_lines_of_a_task_stay_together_whatever_the_pace_of_the_hosts() {
        let report = Report::new(Colour::Off, 0, 40);
        let mut text = String::new();
        for event in [
            Event::Play { play: 0, name: "p".into(), hosts: vec!["a".into(), "b".into()] },
            task(1),
            result("a", 1, Status::Ok),
            task(2),
            result("a", 2, Status::Changed),
            Event::HostDone { host: "a".into(), play: 0 },
            result("b", 1, Status::Changed),
            result("b", 2, Status::Skipped),
            Event::HostDone { host: "b".into(), play: 0 },
        ] {
            text.push_str(&report.take(&event));
        }
        let lines: Vec<&str> =
            text.lines().filter(|line| !line.is_empty()).map(|l| l.trim_end_matches(['*', ' '])).collect();
        assert_eq!(
            lines,
            ["PLAY [p]", "TASK [t1]", "ok: [a]", "changed: [b]", "TASK [t2]", "changed: [a]", "skipping: [b]"]
        );
    }

    #[test]
    fn a_host_cannot_send_escape_sequences_to_the_terminal() {
        let report = Report::new(Colour::Off, 0, 40);
        let text = report.take(&Event::Warning { message: "\u{1b}[2Jgone".into() });
        assert!(!text.contains('\u{1b}'));
    }
}
