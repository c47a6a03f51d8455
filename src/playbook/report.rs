//! A run as people read it: plays, tasks, a line per host, the recap.
//!
//! Hosts run at their own pace; here a task's lines are kept together. Lines of a task are held back until every host
//! is past the tasks before it, or has ended.

use std::{collections::BTreeMap, fmt::Write as _, sync::Mutex};

use indexmap::IndexMap;
use serde_json::{Map, Value};
use similar::TextDiff;

use super::{
    event::{Diff, Event, HostSummary, Status},
    template::{json_text, yaml_text},
};

/// Whether to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// Escape sequences.
    On,
    /// Plain text.
    Off,
}

/// How results are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Shape {
    /// As JSON.
    #[default]
    Json,
    /// As YAML.
    Yaml,
}

/// Turns events into text, piece by piece.
#[derive(Debug)]
pub struct Report {
    colour: Colour,
    verbosity: u8,
    width: usize,
    /// How results are shown.
    pub shape: Shape,
    /// Whether lines of skipped tasks are left out.
    pub hide_skipped: bool,
    /// Whether lines of tasks that changed nothing are left out.
    pub hide_ok: bool,
    /// Whether to tell what nobody wrote down, too: that handlers run at the end of a section.
    pub debug: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Tasks of the play by their place, with the lines that wait.
    tasks: BTreeMap<Place, Waiting>,
    /// How far each host of the play is: the place of the task it did last.
    hosts: BTreeMap<String, Option<Vec<usize>>>,
    /// The task whose heading was written last.
    shown: Option<Place>,
}

/// A task's place in the play; a handler may run more than once.
type Place = (Vec<usize>, bool);

#[derive(Debug, Default)]
struct Waiting {
    heading: String,
    /// File, line and column of the task.
    at: String,
    lines: String,
    /// Files that were included, with what they are about, and by which hosts.
    included: IndexMap<(String, String), Vec<String>>,
    headed: bool,
}

impl Report {
    /// A report for this terminal.
    pub fn new(colour: Colour, verbosity: u8, width: usize) -> Self {
        Self {
            colour,
            verbosity,
            width: width.clamp(40, 200),
            shape: Shape::Json,
            hide_skipped: false,
            hide_ok: false,
            debug: false,
            state: Mutex::default(),
        }
    }

    /// The text to write for `event`; often none, sometimes what was held back.
    pub fn take(&self, event: &Event) -> String {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut text = String::new();
        match event {
            Event::Play { name, hosts, .. } => {
                state.release_all(self, &mut text);
                *state = State::default();
                state.hosts = hosts.iter().map(|name| (name.clone(), Some(Vec::new()))).collect();
                let title = if name.is_empty() { "PLAY".to_owned() } else { format!("PLAY [{name}]") };
                let _ = writeln!(text, "\n{}", self.banner(&title));
            }
            Event::Task { order, task, handler, at, .. } => {
                let word = if *handler { "RUNNING HANDLER" } else { "TASK" };
                let mut heading = format!("\n{}\n", self.banner(&format!("{word} [{task}]")));
                if self.verbosity > 1 {
                    let _ = writeln!(heading, "{}", self.code("90", &format!("task path: {}", path_and_line(at))));
                }
                let waiting = state.tasks.entry((order.clone(), *handler)).or_default();
                waiting.heading = heading;
                waiting.at.clone_from(at);
                state.release(self, &mut text);
            }
            Event::Item { host, delegated, order, module, item, status, result, .. } => {
                let mut line = String::new();
                if *status != Status::Skipped || !self.hide_skipped {
                    let label = label(host, delegated.as_deref());
                    let shown = match status {
                        Status::Failed | Status::Unreachable => {
                            format!("failed: [{label}] (item={item}) => {}", self.dump(result, module))
                        }
                        Status::Skipped => {
                            let rest = self.rest(result, module, false).unwrap_or_default();
                            format!("skipping: [{host}] => (item={item}) {rest}")
                        }
                        _ => {
                            let debug = module == "debug";
                            let rest = self.rest(result, module, debug).unwrap_or_default();
                            format!("{}: [{label}] => (item={item}){rest}", word_of(*status))
                        }
                    };
                    line = self.warnings(result);
                    if *status == Status::Failed {
                        line.push_str(&self.error(result, &state.waiting(order).at));
                    }
                    line.push_str(&self.diffs_of(event));
                    let _ = writeln!(line, "{}", self.paint(*status, &shown));
                }
                state.add(order, &line);
                state.release(self, &mut text);
            }
            Event::HostResult { host, id, order, .. } => {
                let at = if *id == 0 { String::new() } else { state.waiting(order).at.clone() };
                let line = self.result(event, &at);
                if *id == 0 {
                    text.push_str(&line);
                } else {
                    state.add(order, &line);
                    state.past(host, order);
                }
                state.release(self, &mut text);
            }
            Event::Included { host, order, file, item, failed, .. } => {
                if failed.is_none() {
                    let waiting = state.waiting(order);
                    let hosts = waiting.included.entry((file.clone(), item.clone())).or_default();
                    hosts.push(host.clone());
                    state.past(host, order);
                }
                state.release(self, &mut text);
            }
            Event::Retry { host, order, task, left, result, .. } => {
                let mut line = format!("FAILED - RETRYING: [{host}]: {task} ({left:.0} retries left).");
                if self.verbosity > 1 {
                    let _ = write!(line, "Result was: {}", self.dump(result, ""));
                }
                state.add(order, &(self.code("34", &line) + "\n"));
                state.release(self, &mut text);
            }
            Event::Meta { order, message, implied, .. } => {
                let shown = if *implied { self.debug } else { self.verbosity > 1 };
                if shown {
                    state.add(order, &format!("META: {message}\n"));
                }
                state.release(self, &mut text);
            }
            Event::Note { message } => {
                state.release_all(self, &mut text);
                if message.starts_with("NO MORE") {
                    let _ = writeln!(text, "\n{}", self.banner(message));
                } else {
                    let _ = writeln!(text, "{}", self.code("36", message));
                }
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
                state.release(self, &mut text);
            }
            Event::Recap { hosts } => {
                state.release_all(self, &mut text);
                self.recap(hosts, &mut text);
            }
            Event::Timings(timings) => {
                let _ = writeln!(text, "{}\n{}", self.banner("TIMINGS"), timings.tables());
            }
        }
        text
    }

    /// What went wrong and where it stands, in Ansible's form.
    fn error(&self, result: &Map<String, Value>, at: &str) -> String {
        let Some(message) = result.get("msg").and_then(Value::as_str).filter(|message| !message.is_empty()) else {
            return String::new();
        };
        let place = if at.is_empty() { String::new() } else { format!("\nOrigin: {}", full_path(at)) };
        self.code("31", &format!("[ERROR]: Task failed: {message}{place}")) + "\n"
    }

    fn result(&self, event: &Event, at: &str) -> String {
        let Event::HostResult { host, delegated, module, status, ignored, looped, result, .. } = event else {
            return String::new();
        };
        let label = label(host, delegated.as_deref());
        let verbose = matches!(module.as_str(), "debug" | "assert");
        let mut line = self.warnings(result);
        match status {
            Status::Unreachable => {
                let text = format!("fatal: [{label}]: UNREACHABLE! => {}", self.dump(result, module));
                let _ = writeln!(line, "{}", self.paint(*status, &text));
            }
            // Each failed item was told.
            Status::Failed if *looped && result.get("results").is_some_and(has_items) => {}
            Status::Failed => {
                line.push_str(&self.error(result, at));
                let text = format!("fatal: [{label}]: FAILED! => {}", self.dump(result, module));
                let _ = writeln!(line, "{}", self.paint(*status, &text));
            }
            Status::Skipped => {
                if !self.hide_skipped {
                    let rest = self.rest(result, module, false).unwrap_or_default();
                    let _ = writeln!(line, "{}", self.paint(*status, &format!("skipping: [{host}]{rest}")));
                }
            }
            Status::Ok if *looped || module.starts_with("include_role") || module.starts_with("include_tasks") => {}
            Status::Ok if self.hide_ok => {}
            Status::Changed if *looped => {}
            _ => {
                line.push_str(&self.diffs_of(event));
                let quiet = matches!(module.as_str(), "setup" | "gather_facts");
                let shown = verbose && !result.is_empty() && (module != "assert" || result.contains_key("msg"));
                let rest = if quiet { None } else { self.rest(result, module, shown) };
                let text = format!("{}: [{label}]{}", word_of(*status), rest.unwrap_or_default());
                let _ = writeln!(line, "{}", self.paint(*status, &text));
            }
        }
        if *ignored {
            let _ = writeln!(line, "{}", self.paint(Status::Skipped, "...ignoring"));
        }
        line
    }

    /// ` => {…}` with `-v`, or when the module is there to say something.
    fn rest(&self, result: &Map<String, Value>, module: &str, always: bool) -> Option<String> {
        (self.verbosity > 0 || always).then(|| format!(" => {}", self.dump(result, module)))
    }

    /// A result for people.
    fn dump(&self, result: &Map<String, Value>, module: &str) -> String {
        let mut shown = result.clone();
        shown.retain(|name, _| !name.starts_with("_ansible") && (name != "invocation" || self.verbosity > 2));
        for name in ["failed", "skipped", "diff", "warnings", "deprecations"] {
            shown.remove(name);
        }
        if module == "debug" {
            for name in ["changed", "skip_reason"] {
                shown.remove(name);
            }
            if result.contains_key("msg") {
                shown.retain(|name, _| name == "msg");
            }
        } else {
            shown.remove("results");
        }
        let value = Value::Object(shown);
        match self.shape {
            Shape::Yaml => {
                let text = yaml_text(&value, true, 2, true);
                let lines: Vec<String> = text.trim_end().lines().map(|line| format!("    {line}")).collect();
                format!("\n{}", lines.join("\n"))
            }
            Shape::Json => {
                let always = matches!(module, "debug" | "assert");
                let indent = if always || self.verbosity > 2 { 4 } else { 0 };
                json_text(&value, indent, true, false)
            }
        }
    }

    fn warnings(&self, result: &Map<String, Value>) -> String {
        let items = result.get("warnings").and_then(Value::as_array);
        let texts = items.into_iter().flatten().filter_map(Value::as_str);
        texts.map(|text| self.code("35", &format!("[WARNING]: {text}")) + "\n").collect()
    }

    fn diffs_of(&self, event: &Event) -> String {
        match event {
            Event::Item { diff, .. } | Event::HostResult { diff, .. } => self.diffs(diff),
            _ => String::new(),
        }
    }

    fn recap(&self, hosts: &IndexMap<String, HostSummary>, text: &mut String) {
        let _ = writeln!(text, "\n{}", self.banner("PLAY RECAP"));
        let widest = hosts.keys().map(|name| name.chars().count()).max().unwrap_or(0).max(26);
        let mut hosts: Vec<(&String, &HostSummary)> = hosts.iter().collect();
        hosts.sort_by_key(|(name, _)| *name);
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
        let stars = self.width.saturating_sub(title.chars().count()).max(3);
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
    /// The newest task at a place.
    fn waiting(&mut self, order: &[usize]) -> &mut Waiting {
        let handler = self.tasks.contains_key(&(order.to_vec(), true));
        self.tasks.entry((order.to_vec(), handler)).or_default()
    }

    fn add(&mut self, order: &[usize], line: &str) {
        self.waiting(order).lines.push_str(line);
    }

    fn past(&mut self, host: &str, order: &[usize]) {
        if let Some(Some(at)) = self.hosts.get_mut(host)
            && at.as_slice() < order
        {
            *at = order.to_vec();
        }
    }

    /// Writes what no host can add earlier lines to any more.
    fn release(&mut self, report: &Report, text: &mut String) {
        let slowest = self.hosts.values().flatten().min().cloned();
        let mut before: Option<Vec<usize>> = None;
        let places: Vec<Place> = self.tasks.keys().cloned().collect();
        for place in places {
            // All hosts are past the task before this one.
            let due = match (&slowest, &before) {
                (None, _) | (_, None) => true,
                (Some(slowest), Some(before)) => slowest >= before,
            };
            if !due {
                break;
            }
            let over = slowest.as_ref().is_none_or(|slowest| *slowest >= place.0);
            before = Some(place.0.clone());
            self.write(report, &place, over, text);
        }
    }

    fn release_all(&mut self, report: &Report, text: &mut String) {
        for place in self.tasks.keys().cloned().collect::<Vec<_>>() {
            self.write(report, &place, true, text);
        }
    }

    fn write(&mut self, report: &Report, place: &Place, over: bool, text: &mut String) {
        let Some(waiting) = self.tasks.get_mut(place) else { return };
        let mut lines = std::mem::take(&mut waiting.lines);
        if over {
            for ((file, item), hosts) in std::mem::take(&mut waiting.included) {
                let mut line = format!("included: {file} for {}", hosts.join(", "));
                if !item.is_empty() {
                    let _ = write!(line, " => (item={item})");
                }
                let _ = writeln!(lines, "{}", report.code("36", &line));
            }
        }
        if lines.is_empty() && (waiting.headed || waiting.heading.is_empty() || report.hide_ok || report.hide_skipped) {
            return;
        }
        if self.shown.as_ref() != Some(place) {
            text.push_str(&waiting.heading);
            waiting.headed = true;
            self.shown = Some(place.clone());
        }
        text.push_str(&lines);
    }
}

/// The host as lines name it.
fn label(host: &str, delegated: Option<&str>) -> String {
    delegated.map_or_else(|| host.to_owned(), |other| format!("{host} -> {other}"))
}

/// `file:line:column` with the file's whole path.
fn full_path(at: &str) -> String {
    let mut parts = at.rsplitn(3, ':');
    let (column, line) = (parts.next().unwrap_or("1"), parts.next().unwrap_or("1"));
    let file = parts.next().unwrap_or(at);
    let file = std::path::absolute(file).map_or_else(|_| file.to_owned(), |file| file.display().to_string());
    format!("{file}:{line}:{column}")
}

/// The same without the column.
fn path_and_line(at: &str) -> String {
    let full = full_path(at);
    full.rsplit_once(':').map_or(full.clone(), |(line, _)| line.to_owned())
}

fn has_items(results: &Value) -> bool {
    results.as_array().is_some_and(|items| !items.is_empty())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn result(host: &str, id: usize, status: Status) -> Event {
        Event::HostResult {
            host: host.into(),
            delegated: None,
            play: 0,
            id,
            order: vec![id],
            task: format!("t{id}"),
            module: "ping".into(),
            status,
            ignored: false,
            rescued: false,
            looped: false,
            message: String::new(),
            diff: Vec::new(),
            result: Map::new(),
        }
    }

    fn task(id: usize) -> Event {
        Event::Task {
            play: 0,
            id,
            order: vec![id],
            task: format!("t{id}"),
            module: "ping".into(),
            handler: false,
            at: String::new(),
        }
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
