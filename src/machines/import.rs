//! Importing an inventory: one transaction for the whole file, then the contacts.

use std::{collections::HashMap, time::Duration};

use serde::Serialize;
use tokio::{sync::mpsc, time::Instant};

use super::{
    Error, address, inventory,
    inventory::Placed,
    jobs, keys,
    model::{Change, Machine, State},
    plan::{self, Effect, Planned},
    register::{AT_ONCE, Registered, register_all},
    rules::Fault,
    shift, store,
};
use crate::{
    audit::{self, Actor, Entry as AuditEntry},
    clock::millis,
    ctx::Ctx,
    db::{Tx, is_taken},
    ids::MachineId,
};

/// How long a request waits for a few contacts unless it says otherwise.
const SHORT_WAIT: Duration = Duration::from_secs(30);

/// How an inventory is imported.
#[derive(Debug, Clone, Copy, Default)]
pub struct How {
    /// Only say what would happen.
    pub dry_run: bool,
    /// Machines that are not in the file leave the pool.
    pub remove: bool,
    /// How long to wait for the contacts; `None`: a little if they are few.
    pub wait: Option<Duration>,
}

/// What an import did, or would do.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Imported {
    /// Nothing was changed.
    pub dry_run: bool,
    /// Machine by machine, in the order of the file; those not in the file at the end.
    pub items: Vec<ImportedMachine>,
    /// Counts.
    pub summary: Summary,
}

/// What an import did to one machine.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct ImportedMachine {
    /// Its name.
    pub name: String,
    /// What the file changes.
    pub change: Effect,
    /// Names of changed fields.
    pub fields: Vec<&'static str>,
    /// How the contact went; `planned`: it goes on in the background.
    pub outcome: Option<Outcome>,
    /// What happened, in words.
    pub message: String,
}

/// How the contact with a machine went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// A new machine is in the pool.
    Registered,
    /// A changed machine is in the pool.
    Checked,
    /// It could not be used, or the change was refused.
    Failed,
    /// It will be contacted.
    Planned,
}

/// Counts of an import.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Summary {
    /// Registered.
    pub new: usize,
    /// Changed.
    pub changed: usize,
    /// As they were.
    pub unchanged: usize,
    /// Out of the pool, or on the way.
    pub removed: usize,
    /// Not done, or not reachable.
    pub failed: usize,
}

/// Reads an inventory and makes the pool what it says. A bad file changes nothing.
pub async fn import(ctx: &Ctx, actor: &Actor, text: String, how: How) -> Result<Imported, Error> {
    let placed = {
        let ctx = ctx.clone();
        // Ten thousand machines take a while to read.
        tokio::task::spawn_blocking(move || read(&ctx, &text))
            .await
            .map_err(|error| Error::Broken(error.to_string()))??
    };
    if how.dry_run {
        let registered = {
            let mut conn = ctx.db.read().await?;
            store::all(&mut conn).await?
        };
        let planned = planned(ctx, registered, placed, how.remove)?;
        return Ok(summed(true, planned.iter().map(|one| foretold(one, how.remove)).collect()));
    }
    let Written { mut items, waiting, wait } = write(ctx, actor, placed, how).await?;
    if !waiting.is_empty() && !wait.is_zero() {
        contact(ctx, &mut items, waiting, wait).await;
    }
    Ok(summed(false, items))
}

fn read(ctx: &Ctx, text: &str) -> Result<Vec<Placed>, Error> {
    let placed = inventory::read(text, &ctx.config.reservations.default_pool).map_err(Error::Invalid)?;
    let mut seen: HashMap<&str, Option<String>> = HashMap::new();
    let mut faults = Vec::new();
    for machine in &placed {
        let entry = &machine.entry;
        if let Some((field, detail)) = address::written(&ctx.config, &entry.host, entry.jump.as_deref()) {
            faults.push(Fault {
                pointer: format!("/machines/{}/{field}", machine.index),
                line: Some(machine.line),
                column: Some(machine.column),
                detail,
            });
        }
        let Some(file) = machine.entry.key_file.as_deref() else { continue };
        let fault = seen.entry(file).or_insert_with(|| keys::key_file_fault(ctx, file));
        if let Some(fault) = fault {
            faults.push(Fault {
                pointer: format!("/machines/{}/key_file", machine.index),
                line: Some(machine.line),
                column: Some(machine.column),
                detail: format!("the key file {fault}"),
            });
        }
    }
    if faults.is_empty() { Ok(placed) } else { Err(Error::Invalid(faults)) }
}

fn planned(ctx: &Ctx, registered: Vec<Machine>, placed: Vec<Placed>, remove: bool) -> Result<Vec<Planned>, Error> {
    let lines: HashMap<String, (usize, u64, u64)> =
        placed.iter().map(|one| (one.entry.name.clone(), (one.index, one.line, one.column))).collect();
    let planned = plan::plan(&ctx.sealer, registered, placed.into_iter().map(|one| one.entry).collect());
    let Some((one, other)) = plan::address_clash(&planned, remove) else { return Ok(planned) };
    let (here, there) = if lines.contains_key(&one) { (one, other) } else { (other, one) };
    let (index, line, column) = lines.get(&here).copied().unwrap_or_default();
    Err(Error::Invalid(vec![Fault {
        pointer: format!("/machines/{index}/host"),
        line: Some(line),
        column: Some(column),
        detail: format!(
            "machine `{here}` has the address of the registered machine `{there}`; one machine must not be offered twice"
        ),
    }]))
}

/// What a dry run says of a machine.
fn foretold(one: &Planned, remove: bool) -> ImportedMachine {
    let in_use = one.before.as_ref().is_some_and(plan::is_in_use);
    let (outcome, message) = match one.effect {
        Effect::New => (Some(Outcome::Planned), "would be registered".to_owned()),
        Effect::Changed if in_use && one.is_reached_anew() => (Some(Outcome::Failed), in_use_message()),
        Effect::Changed => (Some(Outcome::Planned), "would be changed".to_owned()),
        Effect::Unchanged => (None, String::new()),
        Effect::Removed if !remove => (None, "not in the file; stays unless `remove=1`".to_owned()),
        Effect::Removed if in_use => {
            (Some(Outcome::Planned), "would leave the pool once it is free and clean".to_owned())
        }
        Effect::Removed => (Some(Outcome::Planned), "would be removed".to_owned()),
    };
    item(one, outcome, message)
}

fn in_use_message() -> String {
    "in use: how to reach it can be changed once it is free".to_owned()
}

fn item(one: &Planned, outcome: Option<Outcome>, message: String) -> ImportedMachine {
    ImportedMachine { name: one.name.clone(), change: one.effect, fields: one.fields.clone(), outcome, message }
}

/// What the transaction left to do.
struct Written {
    items: Vec<ImportedMachine>,
    /// Machines that wait for a contact.
    waiting: Vec<MachineId>,
    /// How long the request waits for that.
    wait: Duration,
}

async fn write(ctx: &Ctx, actor: &Actor, placed: Vec<Placed>, how: How) -> Result<Written, Error> {
    let mut tx = ctx.db.begin_write().await?;
    let registered = store::lock_all(&mut tx).await?;
    for retired in registered.iter().filter(|machine| machine.state == State::Retired) {
        // Its name and address may come back; it is clean and nobody's.
        store::delete(&mut tx, retired).await?;
    }
    let planned = planned(ctx, registered, placed, how.remove)?;
    let mut items = Vec::with_capacity(planned.len());
    let mut newborn = Vec::new();
    let mut waiting = Vec::new();
    // First what goes: an address may be taken over.
    for one in planned.iter().filter(|one| one.effect == Effect::Removed && how.remove) {
        if let Some(machine) = &one.before {
            items.push(remove(&mut tx, one, machine).await?);
        }
    }
    let removed = items.len();
    for one in &planned {
        match (one.effect, &one.before, &one.entry) {
            (Effect::New, _, Some(entry)) => {
                let machine = plan::newborn(&ctx.sealer, entry, tx.now);
                waiting.push(machine.id);
                newborn.push(machine);
                items.push(item(one, Some(Outcome::Planned), "will be contacted".into()));
            }
            (Effect::Changed, Some(machine), Some(_)) if plan::is_in_use(machine) && one.is_reached_anew() => {
                items.push(item(one, Some(Outcome::Failed), in_use_message()));
            }
            (Effect::Changed, Some(machine), Some(entry)) => {
                let mut after = plan::applied(&ctx.sealer, machine, entry);
                if after.then_state == Some(State::Retired) {
                    (after.then_state, after.then_reason) = (None, None);
                }
                let reached = one.is_reached_anew() && machine.state != State::Maintenance;
                if change(&mut tx, machine, after, reached).await.map_err(taken(&one.name))?.is_none() {
                    return Err(Error::Moved(one.name.clone()));
                }
                let fields = one.fields.join(", ");
                if reached {
                    waiting.push(machine.id);
                    items.push(item(one, Some(Outcome::Planned), format!("changed: {fields}; will be contacted")));
                } else {
                    items.push(item(one, None, format!("changed: {fields}")));
                }
            }
            (Effect::Unchanged, ..) => items.push(item(one, None, String::new())),
            (Effect::New | Effect::Changed | Effect::Removed, ..) => {}
        }
    }
    items.rotate_left(removed);
    store::insert(&mut tx, &newborn).await.map_err(taken("of the file"))?;
    let few = waiting.len() <= AT_ONCE;
    let wait = how.wait.unwrap_or(if few { SHORT_WAIT } else { Duration::ZERO });
    if !waiting.is_empty() {
        // The request itself makes the contacts while it waits; the job takes over what is left.
        let at = tx.now + if wait.is_zero() { 0 } else { millis(wait) + 30_000 };
        jobs::ask_to_register(&mut tx, at).await?;
    }
    let summary = summed(false, items.clone()).summary;
    let detail = format!(
        "{} new, {} changed, {} unchanged, {} removed",
        summary.new, summary.changed, summary.unchanged, summary.removed
    );
    let entry = AuditEntry { actor: &actor.username, action: "machine.import", target: "inventory", detail: &detail };
    audit::record(&mut tx, &entry).await?;
    tx.announce();
    ctx.commit(tx).await?;
    Ok(Written { items, waiting, wait })
}

fn taken(name: &str) -> impl Fn(sqlx::Error) -> Error {
    move |error| if is_taken(&error) { Error::Moved(name.to_owned()) } else { error.into() }
}

async fn remove(tx: &mut Tx, one: &Planned, machine: &Machine) -> Result<ImportedMachine, Error> {
    if plan::is_in_use(machine) {
        let after = Machine {
            then_state: Some(State::Retired),
            then_reason: Some("not in the inventory any more".into()),
            epoch: machine.epoch + 1,
            ..machine.clone()
        };
        if !store::swap(tx, machine.epoch, &after).await? {
            return Err(Error::Moved(one.name.clone()));
        }
        let message = "in use: it leaves the pool once it is free and clean".to_owned();
        return Ok(item(one, Some(Outcome::Planned), message));
    }
    if !store::delete(tx, machine).await? {
        return Err(Error::Moved(one.name.clone()));
    }
    Ok(item(one, None, "removed".into()))
}

/// Writes a machine's changed fields, and sends it to be contacted again if how to reach it changed.
pub(super) async fn change(
    tx: &mut Tx,
    machine: &Machine,
    after: Machine,
    reached_anew: bool,
) -> sqlx::Result<Option<Machine>> {
    let relabelled = machine.labels != after.labels;
    let done = if reached_anew && machine.state != State::New {
        // A deadline that is over: whoever comes first makes the contact.
        let why = Change { deadline: Some(tx.now), ..Change::because("how to reach it was changed") };
        shift(tx, &after, State::Checking, why).await?
    } else {
        let after = Machine { epoch: machine.epoch + 1, ..after };
        tx.announce();
        store::swap(tx, machine.epoch, &after).await?.then_some(after)
    };
    if relabelled && let Some(machine) = &done {
        store::relabel(tx, machine).await?;
    }
    Ok(done)
}

/// Makes the contacts while the request waits. They go on when the wait is over or the client hangs up.
async fn contact(ctx: &Ctx, items: &mut [ImportedMachine], waiting: Vec<MachineId>, wait: Duration) {
    let (sender, mut results) = mpsc::unbounded_channel::<Registered>();
    let ctx = ctx.clone();
    tokio::spawn(async move {
        let each = |registered| drop(sender.send(registered));
        if let Err(error) = register_all(&ctx, &waiting, each).await {
            tracing::warn!(%error, "registering stopped half way; the sweep goes on");
        }
    });
    let end = Instant::now() + wait;
    let mut places: HashMap<String, usize> =
        items.iter().enumerate().map(|(place, item)| (item.name.clone(), place)).collect();
    while let Ok(Some(registered)) = tokio::time::timeout_at(end, results.recv()).await {
        if let Some(place) = places.remove(&registered.machine.name) {
            let item = &mut items[place];
            item.outcome = Some(match (&registered.error, item.change) {
                (Some(_), _) => Outcome::Failed,
                (None, Effect::New) => Outcome::Registered,
                (None, _) => Outcome::Checked,
            });
            item.message = registered.steps.into_iter().chain(registered.error).collect::<Vec<_>>().join("; ");
        }
    }
}

fn summed(dry_run: bool, items: Vec<ImportedMachine>) -> Imported {
    let mut summary = Summary::default();
    for item in &items {
        *match item.change {
            Effect::New => &mut summary.new,
            Effect::Changed => &mut summary.changed,
            Effect::Unchanged => &mut summary.unchanged,
            Effect::Removed => &mut summary.removed,
        } += 1;
        if item.outcome == Some(Outcome::Failed) {
            summary.failed += 1;
        }
    }
    Imported { dry_run, items, summary }
}
