//! Writes what a run does while it does it.

use std::{collections::BTreeMap, sync::Mutex};

use serde::{Deserialize, Serialize};

use super::{
    model::{RunKind, RunState},
    store::{self, LineRow, NewRun},
};
use crate::{
    ctx::Ctx,
    db::{Tx, is_taken},
    ids::{AccountId, LeaseId, RunId},
    notifications::{self, News},
    playbook, telemetry,
};

/// Counts of one machine in one run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Counts {
    /// Tasks that found all as it should be.
    pub ok: u64,
    /// Tasks that changed something.
    pub changed: u64,
    /// Tasks that failed.
    pub failed: u64,
    /// Tasks whose condition was false.
    pub skipped: u64,
    /// 1 when the machine could not be reached.
    pub unreachable: u64,
}

/// A run that is being written down.
#[derive(Debug)]
pub struct Recorder {
    /// The run's id.
    pub id: RunId,
    account: AccountId,
    reservation: LeaseId,
    kind: RunKind,
    clock: crate::clock::Clock,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    next: i64,
    unwritten: Vec<LineRow>,
    counts: BTreeMap<String, Counts>,
}

/// The longest message a line keeps, in characters.
const LONGEST: usize = 4000;

impl Recorder {
    /// Begins a run in the transaction of its cause.
    pub async fn begin(
        ctx: &Ctx,
        tx: &mut Tx,
        kind: RunKind,
        playbook: &str,
        (account, reservation): (AccountId, LeaseId),
        machines: &[&str],
    ) -> sqlx::Result<Self> {
        let id = RunId::new();
        let names = serde_json::to_string(machines).expect("names are text");
        let run = NewRun { id, kind, playbook, account, reservation, machines: &names };
        store::insert(tx, &run).await?;
        store::give_up_earlier(tx, &run).await?;
        Ok(Self { id, account, reservation, kind, clock: ctx.clock.clone(), book: Mutex::default() })
    }

    /// The run in logs and traces.
    pub fn span(&self) -> tracing::Span {
        tracing::info_span!("run", run = self.kind.as_str(), id = %self.id)
    }

    /// Adds a line.
    pub fn note(&self, machine: &str, kind: &str, task: &str, status: &str, message: &str) {
        let at = self.clock.now();
        let mut book = self.book.lock().expect("no panic while writing");
        book.next += 1;
        let seq = book.next;
        book.unwritten.push(LineRow {
            seq,
            at,
            machine: machine.to_owned(),
            kind: kind.to_owned(),
            task: task.chars().take(250).collect(),
            status: status.to_owned(),
            message: message.chars().take(LONGEST).collect(),
        });
    }

    /// Adds what the engine says of one task on one machine.
    pub fn hear(&self, event: &playbook::Event) {
        if let playbook::Event::HostResult { host, task, status, message, .. } = event {
            self.note(host, "task", task, status.as_str(), message);
        }
    }

    /// Takes the engine's counts.
    pub fn count(&self, summary: &playbook::Summary) {
        let mut book = self.book.lock().expect("no panic while writing");
        for (host, counted) in &summary.hosts {
            let counts = book.counts.entry(host.clone()).or_default();
            counts.ok += counted.ok as u64;
            counts.changed += counted.changed as u64;
            counts.failed += counted.failed as u64;
            counts.skipped += counted.skipped as u64;
            counts.unreachable += counted.unreachable as u64;
        }
    }

    /// Writes what is new, and tells the screens that look on.
    pub async fn flush(&self, ctx: &Ctx) -> sqlx::Result<()> {
        if self.book.lock().expect("no panic while writing").unwritten.is_empty() {
            return Ok(());
        }
        let mut tx = ctx.db.begin_write().await?;
        let written = self.write(&mut tx).await?;
        ctx.commit(tx).await?;
        self.book.lock().expect("no panic while writing").unwritten.retain(|line| written < line.seq);
        Ok(())
    }

    /// Ends the run in the transaction of its effect.
    pub async fn finish(&self, tx: &mut Tx, state: RunState, error: Option<&str>) -> sqlx::Result<()> {
        self.write(tx).await?;
        let summary = {
            let book = self.book.lock().expect("no panic while writing");
            serde_json::to_string(&book.counts).expect("counts are numbers")
        };
        store::finish(tx, self.id, state, &summary, error).await?;
        tracing::info!(run = %self.id, kind = self.kind.as_str(), state = state.as_str(), error, "a run is over");
        metrics::counter!("berth_runs_total", "kind" => self.kind.as_str(), "outcome" => state.as_str()).increment(1);
        Ok(())
    }

    /// Writes what is new; the number of the last line. Lines stay in the book until their commit is known.
    async fn write(&self, tx: &mut Tx) -> sqlx::Result<i64> {
        let lines = self.book.lock().expect("no panic while writing").unwritten.clone();
        for line in &lines {
            match store::insert_line(tx, self.id, line).await {
                // An earlier commit of it happened after all.
                Err(error) if is_taken(&error) => {}
                other => other?,
            }
        }
        let Some(last) = lines.last() else { return Ok(0) };
        notifications::announce(
            tx,
            News {
                kind: "provision.progress",
                account: Some(self.account),
                reservation: Some(self.reservation),
                machine: Some(&last.machine).filter(|name| !name.is_empty()).map(String::as_str),
                message: &last.task,
                data: serde_json::json!({ "run_id": self.id, "seq": last.seq, "status": last.status, "request_id": &*telemetry::request_id() }),
            },
        )
        .await?;
        Ok(last.seq)
    }
}
