//! Which task a host's time is charged to, for `--timings`.

use std::{sync::Arc, time::Instant};

use super::HostRun;
use crate::playbook::{ast::Task, run::lock};

impl HostRun<'_> {
    /// Charges a task with the time since another ended here. Waiting for others and connecting are no task's.
    pub(in crate::playbook::run) fn charge(&mut self, task: &Task, title: &str, order: &[usize]) {
        let Some(ledger) = &self.run.ledger else { return };
        let now = Instant::now();
        let ready = self.shell.as_ref().and_then(|shell| shell.meter()?.ready_at());
        let since = ready.map_or(self.since, |ready| ready.max(self.since));
        let took = now.saturating_duration_since(since);
        self.since = now;
        lock(ledger).add((self.batch.number, order), (title, task.module_name()), self.name, took);
    }

    /// Charges the gathering of facts, and not the task that asked for one.
    pub(super) fn charge_gathering(&mut self, begun: Instant) {
        let gather = Arc::clone(&self.batch.play.gather);
        let asked = self.since + begun.elapsed();
        self.since = begun;
        let title = self.title(&gather);
        self.charge(&gather, &title, &[gather.id]);
        self.since = asked;
    }
}
