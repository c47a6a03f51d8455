//! What is free now, kept as ready-made bytes.
//!
//! Thousands of readers a second share one answer. It is at most [`OLDEST`] old, and made anew when this process
//! committed a move of a machine (`Db::announced`), so whoever booked sees that at once. It is renewed in the
//! background before it is too old, so readers do not wait.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tokio_util::bytes::Bytes;

use super::{
    model::State,
    store::{self, Filter, Version},
};
use crate::ctx::Ctx;

/// No answer is older.
const OLDEST: Duration = Duration::from_millis(200);
/// From this age on a reader has it renewed.
const RENEW: Duration = Duration::from_millis(100);
/// How many different filters are kept.
const MOST: usize = 64;

/// What is free now.
#[derive(Debug, Clone, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AvailableView {
    /// Names of machines that can be booked now.
    pub available: Vec<String>,
    /// Names of machines in somebody's hands, or being cleaned after.
    pub reserved: Vec<String>,
    /// How many machines are in each state.
    pub counts: BTreeMap<String, usize>,
    /// By `label=value`.
    pub labels: BTreeMap<String, LabelCount>,
}

/// Machines with a label.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LabelCount {
    /// How many can be booked now.
    pub available: i64,
    /// How many there are.
    pub total: i64,
}

/// Reads what is free now.
pub async fn available(ctx: &Ctx, filter: &Filter) -> sqlx::Result<AvailableView> {
    let (mut names, labels) = {
        let mut conn = ctx.db.read().await?;
        (store::names(&mut conn, filter).await?, store::label_counts(&mut conn, filter).await?)
    };
    names.sort_unstable();
    let mut view = AvailableView::default();
    for (name, state) in names {
        *view.counts.entry(state.as_str().to_owned()).or_default() += 1;
        if state == State::Ready {
            view.available.push(name);
        } else if state.is_busy() {
            view.reserved.push(name);
        }
    }
    for (label, value, available, total) in labels {
        view.labels.insert(format!("{label}={value}"), LabelCount { available, total });
    }
    Ok(view)
}

/// Answers of one server, by filter.
#[derive(Debug, Default)]
pub(super) struct Answers {
    slots: Mutex<HashMap<Filter, Arc<Slot>>>,
}

#[derive(Debug, Default)]
struct Slot {
    made: Mutex<Option<Made>>,
    making: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug, Clone)]
struct Made {
    bytes: Bytes,
    at: Instant,
    announced: u64,
    version: Version,
}

impl Answers {
    /// The answer as JSON.
    pub async fn get(&self, ctx: &Ctx, filter: &Filter) -> sqlx::Result<Bytes> {
        let slot = self.slot(filter);
        if let Some(made) = slot.fresh(ctx) {
            if RENEW < made.at.elapsed()
                && let Ok(turn) = Arc::clone(&slot.making).try_lock_owned()
            {
                let (ctx, filter) = (ctx.clone(), filter.clone());
                tokio::spawn(async move {
                    if let Err(error) = slot.make(&ctx, &filter).await {
                        tracing::debug!(%error, "cannot renew the list of free machines");
                    }
                    drop(turn);
                });
            }
            return Ok(made.bytes);
        }
        let asked = Instant::now();
        let _turn = slot.making.lock().await;
        // Whoever had the turn before may have made it. What was looked at after we asked is good enough, however
        // long that took: else a slow database would have every reader look for itself, one after the other.
        if let Some(made) = slot.fresh(ctx).or_else(|| slot.made_since(asked)) {
            return Ok(made.bytes);
        }
        slot.make(ctx, filter).await.map(|made| made.bytes)
    }

    fn slot(&self, filter: &Filter) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(filter) {
            return Arc::clone(slot);
        }
        if MOST <= slots.len() {
            slots.clear();
        }
        Arc::clone(slots.entry(filter.clone()).or_default())
    }
}

impl Slot {
    fn fresh(&self, ctx: &Ctx) -> Option<Made> {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        (made.announced == ctx.db.announced() && made.at.elapsed() < OLDEST).then_some(made)
    }

    fn made_since(&self, asked: Instant) -> Option<Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).clone().filter(|made| asked <= made.at)
    }

    async fn make(&self, ctx: &Ctx, filter: &Filter) -> sqlx::Result<Made> {
        // All before the look: what happens during it makes the answer old.
        let (at, announced) = (Instant::now(), ctx.db.announced());
        let version = {
            let mut conn = ctx.db.read().await?;
            store::version(&mut conn).await?
        };
        let before = self.made.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let bytes = match before {
            // Nothing moved, in whatever process: the answer is still right.
            Some(made) if made.version == version => made.bytes,
            _ => {
                let view = available(ctx, filter).await?;
                serde_json::to_vec(&view).expect("names and numbers are always JSON").into()
            }
        };
        let made = Made { bytes, at, announced, version };
        *self.made.lock().unwrap_or_else(PoisonError::into_inner) = Some(made.clone());
        Ok(made)
    }
}
