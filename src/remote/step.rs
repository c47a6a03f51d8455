//! What is sent to a host, and the answer.

use std::time::Duration;

use serde_json::{Map, Value};

use super::{Condition, Secret, wire::Record};

/// One piece of work for the host's shell.
#[derive(Debug, Clone, Default)]
#[allow(clippy::struct_excessive_bools, reason = "independent marks on the way to the host")]
pub struct Step {
    /// Shell text, evaluated in a subshell with stdin at `/dev/null`.
    pub text: String,
    /// Functions the text needs; each is sent once per shell, before the first step that needs it.
    pub library: Vec<&'static str>,
    /// Files to be at `$FILES/NAME` while the step runs.
    pub files: Vec<(String, Vec<u8>)>,
    /// Sets `$CHECK`.
    pub check: bool,
    /// Sets `$DIFF`.
    pub diff: bool,
    /// Exported before the text runs.
    pub environment: Vec<(String, String)>,
    /// Who the text runs as; `None`: whoever logged in.
    pub become_user: Option<Become>,
    /// After this the connection is given up.
    pub deadline: Option<Duration>,
    /// What its failure means for guarded steps sent after it.
    pub guard: Guard,
    /// Forgets an earlier failure, so that guarded steps run again.
    pub reset: bool,
    /// The text's own stdout and stderr are the answer, not records.
    pub plain: bool,
    /// What it came to is kept on the host under this number, for conditions of later steps.
    pub remember: Option<u32>,
    /// It runs when these hold, each with its place among the task's conditions.
    pub when: Vec<(usize, Condition)>,
}

/// What a step's failure means for the guarded steps after it, which may be on their way already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Guard {
    /// It runs in any case and stops nothing.
    #[default]
    None,
    /// It does not run after a failure, but its own stops nothing.
    Held,
    /// Guarded steps after it do not run.
    Stop,
    /// The failure counts at the next [`Guard::Last`].
    Note,
    /// As `Stop`, for itself and those noted.
    Last,
}

/// Another user, and the way there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Become {
    /// The user's name.
    pub user: String,
    /// The program that lets us in.
    pub method: BecomeMethod,
    /// The password that `sudo` or `su` asks for.
    pub password: Option<Secret>,
}

/// How to become another user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BecomeMethod {
    /// `sudo -n`, or `su` when root is left for another user.
    #[default]
    Sudo,
    /// `su`, with the other user's password unless root is left.
    Su,
    /// `doas -n`.
    Doas,
}

/// What a plain step said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// Exit status.
    pub rc: i32,
    /// Standard output; what is no UTF-8 is replaced.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// What a module's step said.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reply {
    /// Exit status of the script.
    pub rc: i32,
    /// An earlier step failed, so this one did not run.
    pub held: bool,
    /// This condition did not hold, so the step did not run.
    pub unmet: Option<usize>,
    /// This condition asks for what is not there.
    pub unclear: Option<usize>,
    /// `changed` was called.
    pub changed: bool,
    /// `fail` was called, or the script broke off.
    pub failed: Option<String>,
    /// `skip` was called.
    pub skipped: Option<String>,
    /// What `warn` said.
    pub warnings: Vec<String>,
    /// What `out`, `outj` and `capture` gave.
    pub result: Map<String, Value>,
    /// What `differ` gave: name, before, after.
    pub diffs: Vec<(String, String, String)>,
    /// stderr of a script that ended with a failure.
    pub noise: String,
}

/// Stands for the exit status of a step that did not run.
pub(super) const HELD: i32 = i32::MIN;

impl Reply {
    /// Puts the records of one step together.
    pub(super) fn of(records: &[Record], rc: i32) -> Self {
        let mut reply = Self { rc, held: rc == HELD, ..Self::default() };
        for record in records {
            let text = text_of(record);
            match record.kind {
                b'C' => reply.changed = true,
                b'O' => {
                    reply.result.insert(record.head.clone(), Value::String(text));
                }
                b'J' => {
                    let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
                    reply.result.insert(record.head.clone(), value);
                }
                b'F' => reply.failed = Some(text),
                b'S' => reply.skipped = Some(text),
                b'W' => reply.warnings.push(text),
                b'D' => reply.diffs.push((record.head.clone(), text, String::new())),
                b'A' => {
                    if let Some(diff) = reply.diffs.last_mut() {
                        diff.2 = text;
                    }
                }
                b'X' => reply.noise = text,
                b'N' => reply.unmet = record.head.parse().ok(),
                b'U' => reply.unclear = record.head.parse().ok(),
                _ => {}
            }
        }
        if rc != 0 && reply.failed.is_none() && reply.skipped.is_none() {
            let why = reply.noise.trim();
            reply.failed =
                Some(if why.is_empty() { format!("the step ended with status {rc}") } else { why.to_owned() });
        }
        reply
    }
}

impl Answer {
    pub(super) fn of(records: &[Record], rc: i32) -> Self {
        let get =
            |name: &str| records.iter().find(|r| r.kind == b'O' && r.head == name).map(text_of).unwrap_or_default();
        Self { rc, stdout: get("stdout"), stderr: get("stderr") }
    }
}

fn text_of(record: &Record) -> String {
    let mut text = String::from_utf8_lossy(&record.body).into_owned();
    if record.cut {
        text.push_str("\n[cut: the rest was too long]");
    }
    text
}
