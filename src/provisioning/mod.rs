//! A person's account on machines: made by a playbook, taken back by a playbook and a sweep, and verified.
//!
//! Nothing here is called inside a transaction, and nothing here decides a state: the verbs tell what happened on the
//! machines, the slice above writes it down. Every step may run twice. A shell is opened with a fence, so whatever an
//! earlier, dead controller left in its pipe ends before ours begins.

pub mod api;
mod clean;
mod create;
mod inspect;
mod model;
mod record;
pub mod store;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;
use tracing::{Instrument, field};

pub use self::{
    clean::Cleaner,
    create::{Survey, create, survey},
    inspect::{Inspection, Stranger, inspect},
    model::{Baseline, Person, RunKind, RunState},
    record::{Counts, Recorder},
};
use crate::{
    config::Config,
    ctx::Ctx,
    machines::{self, Machine},
    playbook::{self, Playbook},
    remote::{self, Answer, Become, BecomeMethod, Shell, Step, Via},
    telemetry,
};

/// The fence of everything that changes a machine: one controller at a time.
const FENCE: &str = "berth";
const CREATE: &str = "create-users.yml";
const REMOVE: &str = "remove-users.yml";

/// Why a machine did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// It could not be reached, or the connection broke.
    #[error("{0}")]
    Unreachable(String),
    /// Nothing is wrong with the machine, but this account cannot be made on it.
    #[error("{0}")]
    Refused(String),
    /// A step failed on it.
    #[error("{0}")]
    Failed(String),
}

impl From<remote::Error> for Trouble {
    fn from(error: remote::Error) -> Self {
        Self::Unreachable(error.to_string())
    }
}

/// A playbook that came with Berth or lies in the admin's folder.
fn book(config: &Config, file: &Path) -> Result<Playbook, Trouble> {
    let name = file.display();
    let broken = |error: playbook::LoadError| Trouble::Failed(format!("the playbook `{name}` cannot be used: {error}"));
    let path = match &config.playbooks {
        Some(folder) => folder.join(file),
        None => file.to_owned(),
    };
    if (path.is_absolute() || config.playbooks.is_some()) && path.exists() {
        return playbook::load(&path).map_err(broken);
    }
    match file.to_str() {
        Some(CREATE) => playbook::load_text(include_str!("../../playbooks/create-users.yml"), CREATE, Path::new("."))
            .map_err(broken),
        Some(REMOVE) => playbook::load_text(include_str!("../../playbooks/remove-users.yml"), REMOVE, Path::new("."))
            .map_err(broken),
        _ => {
            Err(Trouble::Failed(format!("there is no playbook `{name}`; put it into the folder BERTH_PLAYBOOKS names")))
        }
    }
}

/// Every playbook that some pool needs, and whether it can be read.
pub fn playbooks(config: &Config) -> Vec<(PathBuf, Result<(), Trouble>)> {
    let own = config.pools.values().flat_map(|pool| [&pool.create_playbook, &pool.remove_playbook]);
    let mut names: Vec<PathBuf> = own.flatten().cloned().chain([CREATE.into(), REMOVE.into()]).collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(|name| (name.clone(), book(config, &name).map(drop))).collect()
}

/// The playbook that makes accounts in `pool`.
pub fn create_playbook(ctx: &Ctx, pool: &str) -> PathBuf {
    let own = ctx.config.pools.get(pool).and_then(|pool| pool.create_playbook.clone());
    own.unwrap_or_else(|| PathBuf::from(CREATE))
}

/// The playbook that takes accounts back in `pool`.
pub fn remove_playbook(ctx: &Ctx, pool: &str) -> PathBuf {
    let own = ctx.config.pools.get(pool).and_then(|pool| pool.remove_playbook.clone());
    own.unwrap_or_else(|| PathBuf::from(REMOVE))
}

/// A shell of our own on the machine; everything an earlier one still did there is ended first.
async fn open(ctx: &Ctx, machine: &Machine) -> Result<Shell, Trouble> {
    let target = machines::target(ctx, machine, Some(FENCE)).await?;
    timed("connect", &machine.name, async { Ok(Shell::open(&target).await?) }).await
}

/// Runs a playbook over shells that are open, noting each step.
async fn play(
    book: &Playbook,
    hosts: Vec<(&Machine, Shell)>,
    vars: &serde_json::Map<String, serde_json::Value>,
    recorder: &Recorder,
    lost: CancellationToken,
) -> (playbook::Summary, playbook::Connections) {
    let connections = playbook::Connections::default();
    let mut entries = Vec::with_capacity(hosts.len());
    for (machine, shell) in hosts {
        entries.push(playbook::Host { target: shell.target().clone(), vars: vars.clone(), groups: Vec::new() });
        connections.put(&machine.name, shell);
    }
    let inventory = playbook::Inventory::from_hosts(entries);
    // Whoever logs in, accounts are root's business; for root this changes nothing.
    let options = playbook::Options { forks: inventory.len().max(1), become_it: true, ..playbook::Options::default() };
    let summary = playbook::run(book, &inventory, &options, &connections, &|event| recorder.hear(&event), lost).await;
    recorder.count(&summary);
    (summary, connections)
}

/// Runs a script as root, whoever logged in, and cuts it off after `deadline`.
async fn as_root(shell: &Shell, text: String, deadline: Duration) -> Result<Answer, Trouble> {
    let become_user = (shell.user() != "root").then(|| Become {
        user: "root".to_owned(),
        method: BecomeMethod::default(),
        password: None,
    });
    let text = asked_by() + &text;
    let step = Step { text, plain: true, become_user, deadline: Some(deadline), ..Step::default() };
    Ok(shell.send(step).await?.answer().await?)
}

/// Does one step on a machine, empty for all of a run, and counts how long it took and how it ended.
async fn timed<T>(
    step: &'static str,
    machine: &str,
    doing: impl Future<Output = Result<T, Trouble>>,
) -> Result<T, Trouble> {
    let span = tracing::info_span!("step", step, machine, outcome = field::Empty);
    let began = Instant::now();
    let outcome = doing.instrument(span.clone()).await;
    let word = match &outcome {
        Ok(_) => "ok",
        Err(Trouble::Unreachable(_)) => "unreachable",
        Err(Trouble::Refused(_)) => "refused",
        Err(Trouble::Failed(_)) => "failed",
    };
    let took = began.elapsed();
    metrics::histogram!("berth_step_duration_seconds", "step" => step, "outcome" => word).record(took.as_secs_f64());
    span.in_scope(|| {
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        match &outcome {
            Ok(_) => tracing::debug!(took_ms, "a step is done"),
            Err(trouble) => tracing::warn!(took_ms, "a step went wrong: {trouble}"),
        }
    });
    span.record("outcome", word);
    outcome
}

/// Says on the machine which request a step goes back to.
fn asked_by() -> String {
    match &*telemetry::request_id() {
        "" => String::new(),
        id => format!("{}export BERTH_REQUEST_ID\n", assign("BERTH_REQUEST_ID", id)),
    }
}

/// No host at all: it answers every script with nothing.
fn is_fake(shell: &Shell) -> bool {
    matches!(shell.target().via, Via::Fake)
}

/// A variable of a script, quoted so that nothing in it is ever text of the shell.
fn assign(name: &str, value: &str) -> String {
    format!("{name}={}\n", remote::quote(value))
}
