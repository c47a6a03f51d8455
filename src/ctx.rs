//! What every verb needs, made once at start and shared.

use std::{ops::Deref, sync::Arc};

use anyhow::Context;
use tokio::sync::{Notify, broadcast};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    clock::Clock,
    config::Config,
    db::{Db, Settings, Tx},
    ids::LeaseId,
    seal::{
        Sealer,
        ring::{Ring, Watched},
    },
};

/// Settings, database, clock, keys. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Ctx(Arc<Parts>);

/// What a [`Ctx`] holds.
#[derive(Debug)]
pub struct Parts {
    /// The settings.
    pub config: Config,
    /// The database.
    pub db: Db,
    /// The clock.
    pub clock: Clock,
    /// Seals and opens secrets at rest.
    pub sealer: Sealer,
    /// The keys that sign and prove access tokens; none before the secrets were read.
    pub tokens: Option<Watched<Ring>>,
    /// Nudges this process's job runner.
    pub wake: Notify,
    /// Nudges this process's event streams.
    pub news: Notify,
    /// Leases that this process's commits changed, for those who wait for one.
    pub changed: broadcast::Sender<LeaseId>,
    /// Fires when this process's server stops.
    pub stopping: CancellationToken,
    /// What goes on beside requests and has something to put in order when the server stops.
    pub guests: TaskTracker,
}

impl Ctx {
    /// Reads or makes the secrets, and connects to the database.
    pub async fn connect(mut config: Config, clock: Clock) -> anyhow::Result<Self> {
        config.ensure_secrets().map_err(|fault| anyhow::anyhow!("{fault}"))?;
        let sealer = config.sealer().context("BERTH_SECRET_KEY is not 32 bytes in base64")?;
        let settings = Settings {
            url: config.database.url.0.clone(),
            retries: config.database.max_retries,
            retry_every: config.database.retry,
            max_connections: 16,
        };
        let db = Db::connect(&settings, clock.clone()).await?;
        Ok(Self::new(config, db, clock, sealer))
    }

    /// Puts the parts together.
    pub fn new(config: Config, db: Db, clock: Clock, sealer: Sealer) -> Self {
        let changed = broadcast::Sender::new(256);
        let token_file = config.key_files.jwt.then(|| config.jwt_key_file());
        let tokens = config.token_ring().and_then(|ring| Watched::new(ring, token_file, Some));
        Self(Arc::new(Parts {
            config,
            db,
            clock,
            sealer,
            tokens,
            wake: Notify::new(),
            news: Notify::new(),
            changed,
            stopping: CancellationToken::new(),
            guests: TaskTracker::new(),
        }))
    }

    /// Commits, then nudges whoever waits for jobs, events or what was touched.
    pub async fn commit(&self, mut tx: Tx) -> sqlx::Result<()> {
        let touched = tx.take_touched();
        tx.commit().await?;
        self.wake.notify_one();
        self.news.notify_waiters();
        for lease in touched {
            // Nobody may be waiting.
            let _ = self.changed.send(lease);
        }
        Ok(())
    }
}

impl Deref for Ctx {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}
