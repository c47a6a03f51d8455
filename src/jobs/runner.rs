//! Claims due jobs and runs them.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{Instant, interval, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, field};

use super::{Claim, Kind, Next, store};
use crate::{
    clock::millis,
    ctx::Ctx,
    db::{self, in_background},
};

/// How long to wait for a nudge before looking by itself.
const POLL: Duration = Duration::from_secs(1);
/// The first pause after a failure; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause after failures.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);
/// How many jobs one claiming transaction takes at the most.
const BATCH: usize = 32;

/// Runs jobs until told to stop.
#[derive(Debug)]
pub struct Runner {
    ctx: Ctx,
    kinds: &'static [&'static Kind],
    owner: String,
    slots: Arc<Semaphore>,
}

impl Runner {
    /// A runner for these kinds. `owner` is unique to the process.
    pub fn new(ctx: Ctx, kinds: &'static [&'static Kind], owner: String) -> Arc<Self> {
        let slots = Arc::new(Semaphore::new(ctx.config.jobs.workers.max(1)));
        Arc::new(Self { ctx, kinds, owner, slots })
    }

    /// Claims and runs until `stop`, then lets go of everything at once: what was under way is taken up by whoever
    /// runs next, so stopping needs no patience.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut running = JoinSet::new();
        while !stop.is_cancelled() {
            while running.try_join_next().is_some() {}
            let claimed = match in_background(self.claim_due()).await {
                Ok(claimed) => claimed,
                Err(error) => {
                    tracing::warn!(%error, "cannot claim jobs");
                    Vec::new()
                }
            };
            if claimed.is_empty() {
                tokio::select! {
                    () = stop.cancelled() => {}
                    _ = timeout(POLL, self.ctx.wake.notified()) => {}
                }
            }
            for (kind, claim, permit) in claimed {
                running.spawn(in_background(Arc::clone(&self).work(kind, claim, permit)));
            }
        }
        running.shutdown().await;
    }

    /// Runs what is due now, and what that makes due, until nothing is. Answers what failed. For tests.
    pub async fn drain(self: &Arc<Self>) -> sqlx::Result<Vec<String>> {
        let mut failures = Vec::new();
        loop {
            let claimed = self.claim_due().await?;
            if claimed.is_empty() {
                return Ok(failures);
            }
            let mut running = JoinSet::new();
            for (kind, claim, permit) in claimed {
                running.spawn(Arc::clone(self).work(kind, claim, permit));
            }
            failures.extend(running.join_all().await.into_iter().flatten());
        }
    }

    async fn claim_due(&self) -> sqlx::Result<Vec<(&'static Kind, Claim, OwnedSemaphorePermit)>> {
        let room = self.slots.available_permits().min(BATCH);
        if room == 0 {
            return Ok(Vec::new());
        }
        {
            // A look without the write lock: idle costs next to nothing.
            let mut conn = self.ctx.db.read().await?;
            let now = self.ctx.db.now(&mut conn).await?;
            if !store::any_due(&mut conn, now).await? {
                return Ok(Vec::new());
            }
        }
        let mut tx = self.ctx.db.begin_write().await?;
        let until = tx.now.saturating_add(millis(self.ctx.config.jobs.claim()));
        let mut claimed = Vec::new();
        for due in store::due(&mut tx, i64::try_from(room).unwrap_or(1)).await? {
            let Some(kind) = self.kinds.iter().find(|kind| kind.name == due.kind) else {
                tracing::error!(job.kind = due.kind, "no such kind of job; a newer Berth must have asked for it");
                continue;
            };
            let Ok(permit) = Arc::clone(&self.slots).try_acquire_owned() else { break };
            store::claim(&mut tx, due.id, &self.owner, until).await?;
            claimed.push((
                *kind,
                Claim {
                    id: due.id,
                    subject: due.subject,
                    attempts: due.attempts,
                    lost: CancellationToken::new(),
                    generation: due.generation,
                    kind: kind.name,
                    owner: self.owner.clone(),
                },
                permit,
            ));
        }
        tx.commit().await?;
        Ok(claimed)
    }

    /// Runs one job under its heartbeat. Answers what went wrong, if anything.
    async fn work(self: Arc<Self>, kind: &'static Kind, claim: Claim, permit: OwnedSemaphorePermit) -> Option<String> {
        let span = tracing::info_span!(
            "job",
            job = claim.kind,
            subject = claim.subject,
            // Known to the work itself, once it has read what it is about.
            request = field::Empty,
            outcome = field::Empty
        );
        self.work_on(kind, claim, permit).instrument(span).await
    }

    async fn work_on(
        self: Arc<Self>,
        kind: &'static Kind,
        claim: Claim,
        permit: OwnedSemaphorePermit,
    ) -> Option<String> {
        let _stops_with_us = claim.lost.clone().drop_guard();
        let _counted = Counted::new();
        let began = Instant::now();
        let job = AssertUnwindSafe(self.try_again(kind, &claim)).catch_unwind();
        let outcome = tokio::select! {
            outcome = job => outcome,
            () = self.keep_alive(&claim) => {
                tracing::warn!(job.kind = claim.kind, job.subject = claim.subject, "lost a job's claim; somebody else goes on");
                return None;
            }
        };
        let outcome = outcome.unwrap_or_else(|panic| {
            metrics::counter!("berth_panics_total", "where" => "job").increment(1);
            Err(anyhow::anyhow!("panicked: {}", panic_text(&*panic)))
        });
        metrics::histogram!("berth_job_duration_seconds", "kind" => claim.kind).record(began.elapsed().as_secs_f64());
        tracing::Span::current().record("outcome", if outcome.is_ok() { "ok" } else { "failed" });
        let failure = outcome.as_ref().err().map(|error| format!("{}({}): {error:#}", claim.kind, claim.subject));
        if let Some(failure) = &failure {
            tracing::warn!(job.attempts = claim.attempts, "job failed: {failure}");
            metrics::counter!("berth_job_failures_total", "kind" => claim.kind).increment(1);
        }
        if let Err(error) = self.settle(&claim, outcome).await {
            // The claim runs out by itself and the job runs again.
            tracing::warn!(%error, job.kind = claim.kind, "cannot settle a job");
        }
        drop(permit);
        self.ctx.wake.notify_one();
        failure
    }

    /// Runs the job, and at once again when the database had it lose a race: nothing of that try lasts.
    async fn try_again(&self, kind: &'static Kind, claim: &Claim) -> anyhow::Result<Next> {
        let lost =
            |error: &anyhow::Error| error.chain().any(|cause| cause.downcast_ref().is_some_and(db::is_transient));
        db::retry(lost, || (kind.run)(self.ctx.clone(), claim.clone())).await
    }

    async fn settle(&self, claim: &Claim, outcome: anyhow::Result<Next>) -> sqlx::Result<()> {
        if matches!(outcome, Ok(Next::Finished)) {
            return Ok(());
        }
        let mut tx = self.ctx.db.begin_write().await?;
        match outcome {
            Ok(Next::Done | Next::Finished) => {
                super::finish(&mut tx, claim).await?;
            }
            Ok(Next::Again(pause)) => {
                let at = tx.now.saturating_add(millis(pause));
                store::put_off(&mut tx, claim.id, &claim.owner, claim.generation, at, None).await?;
            }
            Err(error) => {
                let at = tx.now.saturating_add(millis(pause_after(claim.attempts)));
                let text: String = format!("{error:#}").chars().take(2000).collect();
                store::put_off(&mut tx, claim.id, &claim.owner, claim.generation, at, Some(&text)).await?;
            }
        }
        tx.commit().await
    }

    /// Prolongs the claim until that fails for good.
    async fn keep_alive(&self, claim: &Claim) {
        let length = self.ctx.config.jobs.claim();
        let mut beat = interval(length / 3);
        beat.tick().await;
        let mut good_until = Instant::now() + length;
        loop {
            beat.tick().await;
            let sent = Instant::now();
            match timeout(length / 3, self.prolong(claim)).await {
                Ok(Ok(true)) => good_until = sent + length,
                // The database is away; there may be time for another try.
                Ok(Err(_)) | Err(_) if Instant::now() + length / 3 < good_until => {}
                Ok(_) | Err(_) => return,
            }
        }
    }

    async fn prolong(&self, claim: &Claim) -> sqlx::Result<bool> {
        let mut tx = self.ctx.db.begin_write().await?;
        let until = tx.now.saturating_add(millis(self.ctx.config.jobs.claim()));
        let held = store::prolong(&mut tx, claim.id, &claim.owner, until).await?;
        tx.commit().await?;
        Ok(held)
    }
}

/// Counts a job as long as it is worked on.
struct Counted;

impl Counted {
    fn new() -> Self {
        metrics::gauge!("berth_jobs_running").increment(1.0);
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        metrics::gauge!("berth_jobs_running").decrement(1.0);
    }
}

/// The pause after the failure that follows `failures` earlier ones.
pub fn pause_after(failures: i64) -> Duration {
    let doublings = u32::try_from(failures.clamp(0, 16)).unwrap_or(0);
    FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE)
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_cap() {
        assert_eq!(pause_after(0), Duration::from_secs(1));
        assert_eq!(pause_after(3), Duration::from_secs(8));
        assert_eq!(pause_after(1_000_000), LONGEST_PAUSE);
        assert_eq!(pause_after(-1), Duration::from_secs(1));
    }
}
