//! Where the time of a run went, by host and by task.

use std::{collections::HashMap, fmt::Write as _, time::Duration};

use indexmap::IndexMap;
use serde::Serialize;

use crate::remote::Usage;

/// How many tasks people are shown.
const SHOWN: usize = 20;

/// What a host's connections have cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HostTime {
    /// The host.
    pub host: String,
    /// Seconds until it was connected, or until that had failed.
    pub connect: f64,
    /// Seconds for which its answers were waited for.
    pub waiting: f64,
    /// Bytes sent to it.
    pub sent: u64,
    /// Bytes received from it.
    pub received: u64,
    /// Steps it was given.
    pub steps: u64,
    /// Round trips: steps that are sent together make one.
    pub trips: u64,
}

/// What a task has cost on all hosts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaskTime {
    /// The play's number.
    pub play: usize,
    /// The task's name.
    pub task: String,
    /// Its module.
    pub module: String,
    /// Seconds of all hosts together.
    pub seconds: f64,
    /// How often it ended: once for a host as a rule.
    pub runs: usize,
    /// The host that it took longest on.
    pub slowest: String,
    /// Seconds on that host.
    pub slowest_seconds: f64,
}

/// What is known of a run's time, in order: what took longest comes first.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Timings {
    /// Seconds from beginning to end.
    pub seconds: f64,
    /// By host.
    pub hosts: Vec<HostTime>,
    /// By task.
    pub tasks: Vec<TaskTime>,
}

/// The times of tasks while they run.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    tasks: HashMap<(usize, Vec<usize>), TaskTime>,
}

impl Ledger {
    /// A task of play `play` at the place `order` has ended on a host.
    pub(super) fn add(
        &mut self,
        (play, order): (usize, &[usize]),
        (task, module): (&str, &str),
        host: &str,
        took: Duration,
    ) {
        let seconds = took.as_secs_f64();
        let time = self.tasks.entry((play, order.to_vec())).or_insert_with(|| TaskTime {
            play,
            task: task.to_owned(),
            module: module.to_owned(),
            seconds: 0.0,
            runs: 0,
            slowest: host.to_owned(),
            slowest_seconds: 0.0,
        });
        time.seconds += seconds;
        time.runs += 1;
        if seconds > time.slowest_seconds {
            time.slowest_seconds = seconds;
            host.clone_into(&mut time.slowest);
        }
    }

    /// All of it, with what the connections have counted.
    pub(super) fn close(self, took: Duration, connections: Vec<(String, Usage)>) -> Timings {
        let mut found: IndexMap<String, Usage> = IndexMap::new();
        for (name, usage) in connections {
            // What follows the host's name says what a further connection to it is for.
            let host = name.split(' ').next().unwrap_or_default().to_owned();
            *found.entry(host).or_default() += usage;
        }
        let mut hosts: Vec<HostTime> = found
            .into_iter()
            .map(|(host, usage)| HostTime {
                host,
                connect: usage.connect.as_secs_f64(),
                waiting: usage.waited.as_secs_f64(),
                sent: usage.sent,
                received: usage.received,
                steps: usage.steps,
                trips: usage.trips,
            })
            .collect();
        hosts.sort_by(|a, b| (b.connect + b.waiting).total_cmp(&(a.connect + a.waiting)));
        // Equal times keep the order of the playbook.
        let mut tasks: Vec<((usize, Vec<usize>), TaskTime)> = self.tasks.into_iter().collect();
        tasks.sort_by(|(here, a), (there, b)| b.seconds.total_cmp(&a.seconds).then_with(|| here.cmp(there)));
        Timings { seconds: took.as_secs_f64(), hosts, tasks: tasks.into_iter().map(|(_, time)| time).collect() }
    }
}

impl Timings {
    /// Two tables as people read them: all hosts, and the tasks that took longest.
    pub(super) fn tables(&self) -> String {
        let mut rows =
            vec![["host", "connect", "waiting", "sent", "received", "steps", "round trips"].map(str::to_owned)];
        rows.extend(self.hosts.iter().map(|host| {
            [
                one_line(&host.host),
                seconds(host.connect),
                seconds(host.waiting),
                bytes(host.sent),
                bytes(host.received),
                host.steps.to_string(),
                host.trips.to_string(),
            ]
        }));
        let mut text = columns(&rows);
        let mut rows = vec![["task", "total", "runs", "slowest", "on"].map(str::to_owned)];
        rows.extend(self.tasks.iter().take(SHOWN).map(|task| {
            [
                one_line(&task.task),
                seconds(task.seconds),
                task.runs.to_string(),
                seconds(task.slowest_seconds),
                one_line(&task.slowest),
            ]
        }));
        text.push('\n');
        text.push_str(&columns(&rows));
        if let Some(more) = self.tasks.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            let rest: f64 = self.tasks.iter().skip(SHOWN).map(|task| task.seconds).sum();
            let _ = writeln!(text, "and {more} more, {} in all", seconds(rest));
        }
        let _ = writeln!(text, "\nthe run took {}", seconds(self.seconds));
        text
    }
}

/// Rows under their headings: the first column to the left, numbers to the right, a name at the end to the left.
fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let named = rows.first().and_then(|row| row.last()).is_some_and(|heading| heading == "on");
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (at, (cell, width)) in row.iter().zip(widths).enumerate() {
            let pad = " ".repeat(width - cell.chars().count());
            let gap = if at == 0 { "" } else { "  " };
            let left = at == 0 || (named && at + 1 == N);
            let (before, after) = if left { ("", pad.as_str()) } else { (pad.as_str(), "") };
            let _ = write!(line, "{gap}{before}{cell}{after}");
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// A name takes one line, and not all of it.
fn one_line(name: &str) -> String {
    const WIDTH: usize = 48;
    let plain = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    if name.chars().count() <= WIDTH {
        return name.chars().map(plain).collect();
    }
    name.chars().take(WIDTH - 1).map(plain).chain(['…']).collect()
}

fn seconds(seconds: f64) -> String {
    format!("{seconds:.2} s")
}

/// Bytes in the largest unit that leaves a number before the point.
#[allow(clippy::cast_precision_loss, reason = "one digit after the point is shown")]
fn bytes(count: u64) -> String {
    match count {
        0..1024 => format!("{count} B"),
        1024..1_048_576 => format!("{:.1} KiB", count as f64 / 1024.0),
        _ => format!("{:.1} MiB", count as f64 / 1_048_576.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(connect: u64, waited: u64) -> Usage {
        Usage {
            connect: Duration::from_millis(connect),
            waited: Duration::from_millis(waited),
            sent: 2048,
            received: 100,
            steps: 3,
            trips: 1,
        }
    }

    #[test]
    fn what_took_longest_stands_first() {
        let mut ledger = Ledger::default();
        let ms = Duration::from_millis;
        ledger.add((0, &[1]), ("short", "ping"), "a", ms(10));
        ledger.add((0, &[2]), ("long", "command"), "a", ms(1000));
        ledger.add((0, &[2]), ("long", "command"), "b", ms(2500));
        let connections =
            vec![("a".into(), usage(200, 100)), ("b".into(), usage(300, 1000)), ("a as deploy".into(), usage(50, 0))];
        let timings = ledger.close(ms(4000), connections);
        assert_eq!(
            timings.tables(),
            "host  connect  waiting     sent  received  steps  round trips\n\
             b      0.30 s   1.00 s  2.0 KiB     100 B      3            1\n\
             a      0.25 s   0.10 s  4.0 KiB     200 B      6            2\n\
             \n\
             task    total  runs  slowest  on\n\
             long   3.50 s     2   2.50 s  b\n\
             short  0.01 s     1   0.01 s  a\n\
             \n\
             the run took 4.00 s\n"
        );
    }

    #[test]
    fn twenty_tasks_are_shown_and_the_rest_is_counted() {
        let mut ledger = Ledger::default();
        for at in 0..23 {
            ledger.add((0, &[at]), (&format!("task {at:02}"), "ping"), "a", Duration::from_secs(1));
        }
        let timings = ledger.close(Duration::from_secs(23), Vec::new());
        let text = timings.tables();
        assert!(text.contains("task 19") && !text.contains("task 20"), "{text}");
        assert!(text.contains("and 3 more, 3.00 s in all"), "{text}");
        assert_eq!(timings.tasks.len(), 23);
    }

    #[test]
    fn a_name_cannot_steer_the_terminal_or_fill_it() {
        let mut ledger = Ledger::default();
        ledger.add((0, &[1]), (&format!("\u{1b}[2J\n{}", "x".repeat(100)), "ping"), "a", Duration::ZERO);
        let text = ledger.close(Duration::ZERO, Vec::new()).tables();
        assert!(!text.contains('\u{1b}') && text.lines().all(|line| line.chars().count() < 80), "{text}");
    }
}
