//! The database: one SQL text, two dialects.
//!
//! All that differs between SQLite and MySQL/MariaDB is here: how a write begins, the lock suffix, what is said at
//! connect, the collation at birth, the clock, and who migrates. Everything else runs unchanged on both
//! (`docs/SQL.md`). Deliberately absent: an ORM, a query builder, compile-time checked queries.

mod connect;
pub mod copy;
mod durable;
pub mod keyed;
mod migrate;

use std::{
    ops::{Deref, DerefMut},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use sqlx::{Any, AnyConnection, AnyPool, AssertSqlSafe, Row, SqlSafeStr, Transaction, pool::PoolConnection};
use tokio::sync::{Mutex, OwnedMutexGuard};

use self::durable::Durable;
pub use self::{
    connect::{ConnectError, Settings},
    migrate::{Alone, MigrateError, Migration, Schema, is_absent, knows_step, migrations},
};
use crate::{
    clock::{self, Clock, Millis},
    ids::LeaseId,
};

/// Which text goes to which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// The embedded default.
    Sqlite,
    /// MySQL or MariaDB.
    MySql,
}

/// How a locking read treats rows that somebody else holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// Wait for them.
    Wait,
    /// Leave them out.
    Skip,
}

impl Dialect {
    /// `select` with the row lock that this database has. On SQLite a write transaction is alone anyway.
    pub fn locking(self, select: &str, lock: Lock) -> impl SqlSafeStr + use<> {
        let suffix = match (self, lock) {
            (Self::Sqlite, _) => "",
            (Self::MySql, Lock::Wait) => " for update",
            (Self::MySql, Lock::Skip) => " for update skip locked",
        };
        AssertSqlSafe(format!("{select}{suffix}"))
    }
}

/// A text with a condition put in at `{}`, for the few selects whose filters vary. Values are always bound.
pub fn with_conditions(text: &str, conditions: &[&'static str]) -> impl SqlSafeStr + use<> {
    let all = if conditions.is_empty() { "1 = 1".to_owned() } else { conditions.join(" and ") };
    AssertSqlSafe(text.replacen("{}", &all, 1))
}

tokio::task_local! {
    static IN_A_JOB: ();
}

/// Runs work that is no request: its writes let those of requests go first.
pub async fn in_background<F: Future>(work: F) -> F::Output {
    IN_A_JOB.scope((), work).await
}

/// A pool of connections to one database.
#[derive(Debug, Clone)]
pub struct Db {
    pool: AnyPool,
    dialect: Dialect,
    clock: Clock,
    url: String,
    /// SQLite has one writer; those of this process stand in line here instead of polling its lock.
    turn: Arc<Mutex<()>>,
    /// Jobs stand in a line of their own before: only the first of them stands in the one line with requests.
    jobs_turn: Arc<Mutex<()>>,
    durable: Option<Arc<Durable>>,
    announced: Arc<AtomicU64>,
}

impl Db {
    /// Which dialect it speaks.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// A connection for reading.
    pub async fn read(&self) -> sqlx::Result<PoolConnection<Any>> {
        let asked = clock::begin();
        waited(asked, self.pool.acquire().await)
    }

    /// How many connections there are, how many of them rest, and how many there may be.
    pub fn connections(&self) -> (u32, usize, u32) {
        (self.pool.size(), self.pool.num_idle(), self.pool.options().get_max_connections())
    }

    /// A transaction for writing: on SQLite it takes the write lock at once, so it cannot fail half way.
    pub async fn begin_write(&self) -> sqlx::Result<Tx> {
        let (turn, begin) = match self.dialect {
            Dialect::Sqlite => (Some(self.take_turn().await), "begin immediate"),
            Dialect::MySql => (None, "start transaction"),
        };
        let asked = clock::begin();
        let mut inner = waited(asked, self.pool.begin_with(begin).await)?;
        let now = self.now(&mut inner).await?;
        Ok(Tx {
            inner,
            now,
            dialect: self.dialect,
            turn,
            durable: self.durable.clone(),
            announced: Arc::clone(&self.announced),
            announce: false,
            touched: Vec::new(),
        })
    }

    async fn take_turn(&self) -> OwnedMutexGuard<()> {
        let asked = clock::begin();
        let _first_job = match IN_A_JOB.try_with(|()| ()) {
            Ok(()) => Some(self.jobs_turn.lock().await),
            Err(_) => None,
        };
        let turn = Arc::clone(&self.turn).lock_owned().await;
        metrics::histogram!("berth_database_write_wait_seconds").record(asked.elapsed().as_secs_f64());
        turn
    }

    /// The database's now. On SQLite that is this machine's clock; on MySQL the server's.
    pub async fn now(&self, conn: &mut AnyConnection) -> sqlx::Result<Millis> {
        match self.dialect {
            Dialect::Sqlite => Ok(self.clock.now()),
            Dialect::MySql => {
                let row = sqlx::query("select cast(unix_timestamp(now(3)) * 1000 as signed)").fetch_one(conn).await?;
                Ok(row.try_get::<i64, _>(0)?.saturating_add(self.clock.offset()))
            }
        }
    }

    /// Counts this process's commits that were announced: whoever keeps a copy of rows looks here whether it is old.
    pub fn announced(&self) -> u64 {
        self.announced.load(Ordering::Acquire)
    }

    /// Closes every connection; what waits for one gets an error.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// Counts how long a connection was waited for, or that none was had.
fn waited<T>(asked: Instant, outcome: sqlx::Result<T>) -> sqlx::Result<T> {
    match &outcome {
        Ok(_) => {
            metrics::histogram!("berth_database_acquire_duration_seconds").record(asked.elapsed().as_secs_f64());
        }
        Err(_) => metrics::counter!("berth_database_acquire_failures_total").increment(1),
    }
    outcome
}

/// A write transaction. Rolled back unless committed.
#[derive(Debug)]
pub struct Tx {
    inner: Transaction<'static, Any>,
    /// The database's now at the beginning of the transaction.
    pub now: Millis,
    /// Which dialect it speaks.
    pub dialect: Dialect,
    turn: Option<OwnedMutexGuard<()>>,
    durable: Option<Arc<Durable>>,
    announced: Arc<AtomicU64>,
    announce: bool,
    touched: Vec<LeaseId>,
}

impl Tx {
    /// Says that this transaction changes what somebody may wait for.
    pub fn touch(&mut self, lease: LeaseId) {
        if !self.touched.contains(&lease) {
            self.touched.push(lease);
        }
    }

    /// What was touched so far.
    pub fn take_touched(&mut self) -> Vec<LeaseId> {
        std::mem::take(&mut self.touched)
    }

    /// Says that this transaction changes rows that copies are kept of; counted after the commit ([`Db::announced`]).
    pub fn announce(&mut self) {
        self.announce = true;
    }

    /// Makes it last.
    pub async fn commit(self) -> sqlx::Result<()> {
        let done = self.inner.commit().await;
        if self.announce {
            // Also after an error: it may have happened all the same.
            self.announced.fetch_add(1, Ordering::Release);
        }
        drop(self.turn);
        done?;
        match self.durable {
            Some(durable) => durable.wait().await.map_err(sqlx::Error::Io),
            None => Ok(()),
        }
    }
}

impl Deref for Tx {
    type Target = AnyConnection;
    fn deref(&self) -> &AnyConnection {
        &self.inner
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        &mut self.inner
    }
}

/// How often work that lost a race in the database begins again at once.
const RACES: usize = 4;

/// Runs `work`, and at once again while `lost` says that its error is a lost race: nothing of such a try lasts.
pub async fn retry<T, E, F>(lost: impl Fn(&E) -> bool, work: impl Fn() -> F) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    for _ in 0..RACES {
        match work().await {
            Err(error) if lost(&error) => tracing::debug!("lost a race in the database; trying again"),
            outcome => return outcome,
        }
    }
    work().await
}

/// The statement lost a race that it may win the next time: deadlock, lock wait, busy.
pub fn is_transient(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(inner) => match inner.code().as_deref() {
            Some("40001" | "5" | "517" | "6" | "262") => true,
            _ => inner.message().contains("Lock wait timeout") || inner.message().contains("database is locked"),
        },
        _ => false,
    }
}

/// The database cannot be reached now.
pub fn is_down(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::Protocol(_) => true,
        // 08*: connection; 1053 server shutdown in progress; 1927 connection was killed; 70100 interrupted
        sqlx::Error::Database(inner) => {
            matches!(inner.code().as_deref(), Some("08S01" | "70100" | "08004"))
                || inner.message().contains("shutdown in progress")
                || inner.message().contains("Connection was killed")
        }
        _ => false,
    }
}

/// A unique index refused a row.
pub fn is_taken(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}
