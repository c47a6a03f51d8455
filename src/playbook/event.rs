//! What a run tells while it runs, and at its end.

use indexmap::IndexMap;
use serde::Serialize;
use serde_json::{Map, Value};

use super::timings::Timings;

/// How a task ended on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Nothing was to do.
    Ok,
    /// Something was done, or would be.
    Changed,
    /// It failed.
    Failed,
    /// Its conditions did not hold.
    Skipped,
    /// The host could not be reached.
    Unreachable,
}

impl Status {
    /// The word for it: `ok`, `changed`, `failed`, `skipped`, `unreachable`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Changed => "changed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Unreachable => "unreachable",
        }
    }
}

/// Before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diff {
    /// A path or a name.
    pub name: String,
    /// The text before.
    pub before: String,
    /// The text after.
    pub after: String,
}

/// One thing that happened. Nothing in it is secret where the task said `no_log`.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A play begins.
    Play {
        /// Its number from 0.
        play: usize,
        /// Its name.
        name: String,
        /// The hosts it runs on.
        hosts: Vec<String>,
    },
    /// The first host has come to a task.
    Task {
        /// The play's number.
        play: usize,
        /// The task's number in the playbook.
        id: usize,
        /// Its place in the order of the play, includes and handlers among them.
        order: Vec<usize>,
        /// Its name.
        task: String,
        /// Its module.
        module: String,
        /// It is a handler.
        handler: bool,
        /// File, line and column.
        at: String,
    },
    /// One round of a loop.
    Item {
        /// The host.
        host: String,
        /// Another host that did it, by `delegate_to`.
        delegated: Option<String>,
        /// The play's number.
        play: usize,
        /// The task's number.
        id: usize,
        /// The task's place in the order of the play.
        order: Vec<usize>,
        /// The task's name.
        task: String,
        /// Its module.
        module: String,
        /// What the round is about.
        item: String,
        /// How it ended.
        status: Status,
        /// What the module said.
        message: String,
        /// Before and after.
        diff: Vec<Diff>,
        /// What the module gave.
        result: Map<String, Value>,
    },
    /// A task ended on a host.
    HostResult {
        /// The host.
        host: String,
        /// Another host that did it, by `delegate_to`.
        delegated: Option<String>,
        /// The play's number.
        play: usize,
        /// The task's number.
        id: usize,
        /// The task's place in the order of the play.
        order: Vec<usize>,
        /// The task's name.
        task: String,
        /// How it ended.
        status: Status,
        /// Its module.
        module: String,
        /// The task failed, and `ignore_errors` deals with it.
        ignored: bool,
        /// The task failed, and a `rescue` deals with it.
        rescued: bool,
        /// It was a loop, and each round was told already.
        looped: bool,
        /// What the module said.
        message: String,
        /// Before and after.
        diff: Vec<Diff>,
        /// What `register` holds.
        result: Map<String, Value>,
    },
    /// Tasks were included.
    Included {
        /// The host.
        host: String,
        /// The play's number.
        play: usize,
        /// The task's number.
        id: usize,
        /// The task's place in the order of the play.
        order: Vec<usize>,
        /// The file, or the role's name.
        file: String,
        /// What the round is about, in a loop.
        item: String,
        /// Why they could not be.
        failed: Option<String>,
    },
    /// A task is tried again.
    Retry {
        /// The host.
        host: String,
        /// The task's number.
        id: usize,
        /// The task's place in the order of the play.
        order: Vec<usize>,
        /// The task's name.
        task: String,
        /// How often it will be tried yet.
        left: f64,
        /// What the last try gave.
        result: Map<String, Value>,
    },
    /// A `meta` task steered the run.
    Meta {
        /// The host.
        host: String,
        /// The play's number.
        play: usize,
        /// The task's number.
        id: usize,
        /// The task's place in the order of the play.
        order: Vec<usize>,
        /// What it did.
        message: String,
        /// It stands in no file: each section of a play ends with its handlers.
        implied: bool,
    },
    /// A line between tasks.
    Note {
        /// One line.
        message: String,
    },
    /// How far a module is that takes its time.
    Progress {
        /// The host.
        host: String,
        /// The task's name.
        task: String,
        /// One line.
        message: String,
    },
    /// Something people should know.
    Warning {
        /// One line.
        message: String,
    },
    /// A host is through with a play.
    HostDone {
        /// The host.
        host: String,
        /// The play's number.
        play: usize,
    },
    /// The end.
    Recap {
        /// Counts by host.
        hosts: IndexMap<String, HostSummary>,
    },
    /// Where the time went, after the end, when that was asked for.
    Timings(Timings),
}

/// One host's counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct HostSummary {
    /// Tasks that ended well, changed ones among them.
    pub ok: usize,
    /// Tasks that changed something.
    pub changed: usize,
    /// 1 when the host could not be reached.
    pub unreachable: usize,
    /// Tasks that failed for good.
    pub failed: usize,
    /// Tasks skipped.
    pub skipped: usize,
    /// Tasks that failed and were rescued.
    pub rescued: usize,
    /// Tasks that failed and were ignored.
    pub ignored: usize,
    /// The first thing that ended the host's run.
    pub error: Option<String>,
}

/// All hosts' counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// By host, in the inventory's order.
    pub hosts: IndexMap<String, HostSummary>,
    /// Why the run as a whole went wrong, if it did.
    pub error: Option<String>,
}

impl Summary {
    /// Whether every host came through.
    pub fn succeeded(&self) -> bool {
        self.error.is_none() && self.hosts.values().all(|host| host.failed == 0 && host.unreachable == 0)
    }

    /// 0 all well, 1 the run could not be made, 2 failures on hosts, 4 hosts not reached.
    pub fn exit_code(&self) -> u8 {
        if self.error.is_some() {
            1
        } else if self.hosts.values().any(|host| host.failed > 0) {
            2
        } else if self.hosts.values().any(|host| host.unreachable > 0) {
            4
        } else {
            0
        }
    }
}
