//! Every metric of Berth: its name, kind, unit, labels and meaning.
//!
//! What is not in this table is not counted: `docs/OPERATIONS.md` shows it, and the tests hold the program, the alert
//! rules and the dashboard to it. Every label has few values, whatever anybody sends: routes by their template,
//! words from tables of our own. Counters whose label values are known begin at 0, so that the first of something is
//! a change.

use std::fmt::Write;

use metrics::{Key, Label, Level, Metadata, Unit};

/// How a metric behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, until the process ends.
    Counter,
    /// What is now.
    Gauge,
    /// How often which size.
    Histogram,
}

/// One metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// How it behaves.
    pub kind: Kind,
    /// What it counts in.
    pub unit: Option<Unit>,
    /// Its labels, each with its values where these are few and known.
    pub labels: &'static [(&'static str, &'static [&'static str])],
    /// What it means.
    pub help: &'static str,
}

type Labels = &'static [(&'static str, &'static [&'static str])];

const fn counter(name: &'static str, labels: Labels, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, unit: None, labels, help }
}

const fn gauge(name: &'static str, labels: Labels, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, unit: None, labels, help }
}

const fn seconds(name: &'static str, kind: Kind, labels: Labels, help: &'static str) -> Metric {
    Metric { name, kind, unit: Some(Unit::Seconds), labels, help }
}

const fn bytes(name: &'static str, kind: Kind, labels: Labels, help: &'static str) -> Metric {
    Metric { name, kind, unit: Some(Unit::Bytes), labels, help }
}

use Kind::{Counter, Gauge, Histogram};

/// All of them, in the order of the documentation.
pub const METRICS: &[Metric] = &[
    counter(
        "berth_http_requests_total",
        &[("method", &[]), ("route", &[]), ("status", &[])],
        "requests answered; `route` is the template, `none` for what is no route",
    ),
    seconds(
        "berth_http_request_duration_seconds",
        Histogram,
        &[("method", &[]), ("route", &[])],
        "time to the first byte of the answer",
    ),
    counter("berth_http_rate_limited_total", &[], "requests refused because one address sent too many"),
    gauge("berth_event_streams_open", &[], "event streams that are open on this server"),
    counter(
        "berth_logins_total",
        &[("outcome", &["ok", "wrong", "refused", "slowed", "failed"])],
        "sign-ins: `refused` for a suspended or pending account, `slowed` after too many tries, `failed` when the database was away",
    ),
    counter(
        "berth_refresh_reuse_total",
        &[],
        "refresh tokens seen twice: a stolen cookie, or a client with a fault; each ends its session",
    ),
    counter(
        "berth_panics_total",
        &[("where", &["request", "job"])],
        "requests and jobs that ended in a panic; more than 0 is a fault of Berth",
    ),
    gauge("berth_leases", &[("state", &[])], "leases now"),
    counter(
        "berth_reservations_total",
        &[("outcome", &["accepted", "refused", "failed"])],
        "requests for machines: taken on, refused, and failed later while accounts were made",
    ),
    seconds("berth_provision_duration_seconds", Histogram, &[], "from the request to machines that can be used"),
    seconds(
        "berth_step_duration_seconds",
        Histogram,
        &[
            ("step", &["connect", "look", "playbook", "identify", "drain", "teardown", "sweep", "verify"]),
            ("outcome", &["ok", "unreachable", "refused", "failed"]),
        ],
        "one step of making or taking back an account, on one machine; `playbook` is of all machines of a run",
    ),
    counter(
        "berth_runs_total",
        &[("kind", &["provision", "clean"]), ("outcome", &["succeeded", "failed"])],
        "runs of playbooks that ended",
    ),
    gauge("berth_runs_running", &[], "runs of playbooks that go on now"),
    seconds(
        "berth_revocation_lag_seconds",
        Histogram,
        &[],
        "how late after its end the taking back of a reservation began",
    ),
    seconds(
        "berth_revocation_overdue_seconds",
        Gauge,
        &[],
        "how long the reservation has been over whose access should have been taken away first; 0: none is late",
    ),
    counter(
        "berth_machine_addresses_refused_total",
        &[],
        "addresses of machines that were refused because no machine may be there",
    ),
    counter("berth_cleanings_total", &[("outcome", &["clean", "failed"])], "cleanings of one machine"),
    gauge("berth_machines", &[("state", &[])], "machines now"),
    counter(
        "berth_machine_transitions_total",
        &[("from", &[]), ("to", &[])],
        "machines that went from a state to another",
    ),
    counter(
        "berth_quarantines_total",
        &[("cause", &["registration", "check", "provisioning", "cleaning"])],
        "machines set aside; `check`: a ready one, by its health check or by an admin",
    ),
    seconds(
        "berth_quarantine_oldest_seconds",
        Gauge,
        &[],
        "how long the machine has been set aside that is so the longest; 0: none is",
    ),
    gauge("berth_jobs", &[], "jobs that are asked for, timers included"),
    gauge("berth_jobs_running", &[], "jobs that this process works on"),
    gauge("berth_jobs_overdue", &[], "jobs that nobody claimed within 30 seconds"),
    seconds("berth_job_duration_seconds", Histogram, &[("kind", &[])], "one try of a job"),
    counter("berth_job_failures_total", &[("kind", &[])], "jobs that failed and are tried again"),
    gauge("berth_job_runners", &[("role", &["server", "scheduler"])], "processes that claim jobs"),
    seconds("berth_heartbeat_age_seconds", Gauge, &[], "since the last sign of life of any process that claims jobs"),
    gauge("berth_database_up", &[], "1 while the database answers this process"),
    gauge("berth_database_connections", &[("state", &["idle", "used"])], "connections of this process to the database"),
    gauge("berth_database_connections_max", &[], "the most connections that this process makes"),
    seconds(
        "berth_database_acquire_duration_seconds",
        Histogram,
        &[],
        "how long a connection to the database was waited for",
    ),
    counter("berth_database_acquire_failures_total", &[], "times that no connection to the database was had"),
    seconds(
        "berth_database_write_wait_seconds",
        Histogram,
        &[],
        "how long a write stood in line for the one writer of SQLite",
    ),
    counter("berth_audit_chained_total", &[], "entries of the audit that this process chained"),
    gauge("berth_terminals_open", &[], "terminals that are open on this server"),
    counter("berth_terminals_total", &[("outcome", &["opened", "failed"])], "terminals that were asked for and begun"),
    bytes("berth_terminal_bytes_total", Counter, &[("direction", &["in", "out"])], "bytes typed and shown"),
    counter(
        "berth_trace_spans_total",
        &[("outcome", &["sent", "lost"])],
        "spans for the collector of traces; `lost`: it was away, or too slow",
    ),
    bytes("berth_data_dir_free_bytes", Gauge, &[], "what the disk of the data folder has left for Berth's user"),
    bytes("berth_data_dir_size_bytes", Gauge, &[], "the size of the disk of the data folder"),
    bytes("berth_process_resident_memory_bytes", Gauge, &[], "memory of this process"),
    seconds("berth_process_cpu_seconds_total", Counter, &[], "processor time of this process, whole seconds"),
    gauge("berth_process_open_fds", &[], "files and connections that this process has open"),
    gauge("berth_process_max_fds", &[], "how many it may have open"),
    seconds("berth_process_start_time_seconds", Gauge, &[], "when this process began, as Unix time"),
    gauge("berth_build_info", &[("version", &[]), ("program", &[])], "1; its labels say what runs"),
];

/// The metric of this name.
pub fn find(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.name == name)
}

/// Tells the recorder of every metric, and begins those whose label values are known at 0.
pub(super) fn describe(recorder: &dyn metrics::Recorder) {
    const METADATA: Metadata<'_> = Metadata::new("berth", Level::INFO, None);
    for metric in METRICS {
        let name = metrics::KeyName::from_const_str(metric.name);
        let help = metrics::SharedString::const_str(metric.help);
        match metric.kind {
            Counter => recorder.describe_counter(name, metric.unit, help),
            Gauge => recorder.describe_gauge(name, metric.unit, help),
            Histogram => recorder.describe_histogram(name, metric.unit, help),
        }
        for labels in combinations(metric.labels) {
            let key = Key::from_parts(metric.name, labels);
            match metric.kind {
                Counter => recorder.register_counter(&key, &METADATA).increment(0),
                Gauge => recorder.register_gauge(&key, &METADATA).increment(0.0),
                Histogram => drop(recorder.register_histogram(&key, &METADATA)),
            }
        }
    }
}

/// Every set of labels, when all values are known; else none.
fn combinations(labels: Labels) -> Vec<Vec<Label>> {
    labels.iter().fold(vec![Vec::new()], |sets, (name, values)| {
        let with = |set: &Vec<Label>, value: &&'static str| {
            let mut set = set.clone();
            set.push(Label::from_static_parts(name, value));
            set
        };
        sets.iter().flat_map(|set| values.iter().map(move |value| with(set, value))).collect()
    })
}

/// The table of the documentation.
pub fn table() -> String {
    let mut text = String::from("| metric | kind | labels | meaning |\n| --- | --- | --- | --- |\n");
    for metric in METRICS {
        let labels: Vec<String> = metric
            .labels
            .iter()
            .map(
                |(name, values)| {
                    if values.is_empty() { (*name).to_owned() } else { format!("{name}: {}", values.join(", ")) }
                },
            )
            .collect();
        let kind = match metric.kind {
            Counter => "counter",
            Gauge => "gauge",
            Histogram => "histogram",
        };
        let _ = writeln!(text, "| `{}` | {kind} | {} | {} |", metric.name, labels.join("; "), metric.help);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_one_convention() {
        for metric in METRICS {
            let name = metric.name;
            assert!(name.starts_with("berth_"), "{name}");
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
            assert_eq!(name.ends_with("_total"), metric.kind == Counter, "{name}");
            if metric.unit == Some(Unit::Seconds) {
                assert!(name.contains("_seconds"), "{name}");
            }
            if metric.unit == Some(Unit::Bytes) {
                assert!(name.contains("_bytes"), "{name}");
            }
            assert_eq!(METRICS.iter().filter(|other| other.name == name).count(), 1, "{name}");
        }
    }

    #[test]
    fn only_known_values_are_combined() {
        assert_eq!(combinations(&[]).len(), 1);
        assert_eq!(combinations(&[("a", &["1", "2"]), ("b", &["3", "4"])]).len(), 4);
        assert_eq!(combinations(&[("a", &["1"]), ("b", &[])]).len(), 0);
    }

    #[test]
    fn the_metrics_in_the_operations_guide_are_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/OPERATIONS.md");
        let page = std::fs::read_to_string(path).unwrap();
        let (before, rest) = page.split_once("<!-- metrics -->\n").unwrap();
        let (_, after) = rest.split_once("<!-- end of metrics -->").unwrap();
        let wanted = format!("{before}<!-- metrics -->\n{}<!-- end of metrics -->{after}", table());
        if std::env::var_os("BERTH_BLESS").is_some() {
            std::fs::write(path, &wanted).unwrap();
            return;
        }
        assert!(page == wanted, "docs/OPERATIONS.md does not show the metrics as they are; run `just bless`");
    }

    #[test]
    fn what_the_code_counts_is_in_the_table() {
        let mut seen = 0;
        let mut folders = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = std::fs::read_to_string(&path).unwrap_or_default();
                for kind in ["counter", "gauge", "histogram"] {
                    let call = format!("metrics::{kind}!(");
                    for part in text.split(&call).skip(1) {
                        let Some(name) = part.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next())
                        else {
                            continue;
                        };
                        let metric =
                            find(name).unwrap_or_else(|| panic!("{}: `{name}` is not in the table", path.display()));
                        assert_eq!(format!("{:?}", metric.kind).to_lowercase(), kind, "{name}");
                        seen += 1;
                    }
                }
            }
        }
        assert!(20 < seen, "{seen}");
    }
}
