//! What an admin does to one machine: register, change, look at, set aside, release, remove.

use std::collections::BTreeMap;

use super::{
    Error, address, contact, import, jobs, keys,
    model::{Change, Machine, State},
    plan,
    register::{self, Registered, register_all},
    rules::{Entry, Fault},
    shift, store, tell,
};
use crate::{
    audit::{self, Actor, Entry as AuditEntry},
    clock::Millis,
    ctx::Ctx,
    db::{Tx, is_taken},
    ids::MachineId,
    remote::Secret,
};

/// What of a machine is to change. Every value keeps the rules already.
#[derive(Debug, Clone, Default)]
pub struct Patch {
    /// Name or address.
    pub host: Option<String>,
    /// TCP port.
    pub port: Option<u16>,
    /// The user to log in as.
    pub user: Option<String>,
    /// The login password; `Some(None)` forgets it.
    pub password: Option<Option<Secret>>,
    /// A private key to log in with; `Some(None)`: Berth's own.
    pub key_file: Option<Option<String>>,
    /// All labels.
    pub labels: Option<BTreeMap<String, String>>,
    /// The pool.
    pub pool: Option<String>,
    /// The host keys to accept; empty: what the host shows at the next contact.
    pub host_keys: Option<Vec<String>>,
    /// `ProxyJump` value; `Some(None)`: none.
    pub jump: Option<Option<String>>,
}

/// A contact that an admin asked for must leave this long to the request before the sweep takes over.
const SWEEP_AFTER: Millis = 120_000;

/// Registers a machine at once. One that cannot be reached is kept, in quarantine, and tried again.
pub async fn create(ctx: &Ctx, actor: &Actor, entry: Entry) -> Result<Registered, Error> {
    check_key_file(ctx, entry.key_file.as_deref())?;
    check_address(ctx, &entry.host, entry.jump.as_deref()).await?;
    let mut tx = ctx.db.begin_write().await?;
    let named = store::find(&mut tx, &entry.name).await?;
    let there = store::at_address(&mut tx, &entry.host, entry.port, entry.jump.as_deref()).await?;
    for (found, is_name) in [(named, true), (there, false)] {
        let Some(machine) = found else { continue };
        if machine.state != State::Retired {
            return Err(if is_name {
                Error::NameTaken(entry.name)
            } else {
                Error::AddressTaken { address: machine.address(), name: machine.name }
            });
        }
        store::delete(&mut tx, &machine).await?;
    }
    let machine = plan::newborn(&ctx.sealer, &entry, tx.now);
    store::insert(&mut tx, std::slice::from_ref(&machine))
        .await
        .map_err(|error| if is_taken(&error) { Error::NameTaken(entry.name.clone()) } else { error.into() })?;
    note(&mut tx, actor, "machine.create", &machine.name, &format!("{}@{}", machine.login_user, machine.address()))
        .await?;
    let later = tx.now + SWEEP_AFTER;
    jobs::ask_to_register(&mut tx, later).await?;
    tx.announce();
    ctx.commit(tx).await?;
    contacted(ctx, machine.id, &entry.name).await
}

/// Changes a machine. When how to reach it changes, it is contacted again before anybody gets it.
pub async fn update(ctx: &Ctx, actor: &Actor, name: &str, patch: Patch) -> Result<Registered, Error> {
    check_key_file(ctx, patch.key_file.as_ref().and_then(Option::as_deref))?;
    if patch.host.is_some() || patch.jump.is_some() {
        // Before the transaction: resolving a name may take a while.
        let mut conn = ctx.db.read().await?;
        let known = store::find(&mut conn, name).await?.ok_or_else(|| Error::NoSuchMachine(name.to_owned()))?;
        drop(conn);
        let jump = patch.jump.clone().unwrap_or(known.jump);
        check_address(ctx, patch.host.as_deref().unwrap_or(&known.host), jump.as_deref()).await?;
    }
    let mut tx = ctx.db.begin_write().await?;
    let machine = locked(&mut tx, name).await?;
    let (after, fields) = patched(ctx, &machine, patch);
    if fields.is_empty() {
        return Ok(Registered { machine, steps: vec!["nothing to change".into()], error: None });
    }
    let same_password_rule = |field: &&str| *field != "password" || after.password_sealed.is_some();
    let reached = fields.iter().copied().filter(same_password_rule).any(|field| field != "labels" && field != "pool");
    if reached && plan::is_in_use(&machine) {
        return Err(held(&mut tx, &machine).await?);
    }
    let address_moved = (&after.host, after.port, &after.jump) != (&machine.host, machine.port, &machine.jump);
    if address_moved
        && let Some(other) = store::at_address(&mut tx, &after.host, after.port, after.jump.as_deref()).await?
    {
        return Err(Error::AddressTaken { address: other.address(), name: other.name });
    }
    let contact_now = reached && machine.state != State::Maintenance && machine.state != State::Retired;
    // Somebody else may have taken the address in the meantime.
    let done = import::change(&mut tx, &machine, after, contact_now)
        .await
        .map_err(|error| if is_taken(&error) { Error::Moved(name.to_owned()) } else { error.into() })?;
    let machine = done.ok_or_else(|| Error::Moved(name.to_owned()))?;
    note(&mut tx, actor, "machine.update", name, &fields.join(", ")).await?;
    if contact_now {
        let later = tx.now + SWEEP_AFTER;
        jobs::ask_to_register(&mut tx, later).await?;
    }
    ctx.commit(tx).await?;
    if contact_now {
        return contacted(ctx, machine.id, name).await;
    }
    Ok(Registered { machine, steps: vec![format!("changed: {}", fields.join(", "))], error: None })
}

fn patched(ctx: &Ctx, machine: &Machine, patch: Patch) -> (Machine, Vec<&'static str>) {
    let entry = Entry {
        name: machine.name.clone(),
        host: patch.host.unwrap_or_else(|| machine.host.clone()),
        port: patch.port.unwrap_or(machine.port),
        user: patch.user.unwrap_or_else(|| machine.login_user.clone()),
        password: patch.password.clone().flatten(),
        key_file: patch.key_file.unwrap_or_else(|| machine.key_file.clone()),
        labels: patch.labels.unwrap_or_else(|| machine.labels.clone()),
        pool: patch.pool.unwrap_or_else(|| machine.pool.clone()),
        host_keys: patch.host_keys.clone().unwrap_or_default(),
        jump: patch.jump.unwrap_or_else(|| machine.jump.clone()),
    };
    let mut fields = plan::differing(&ctx.sealer, machine, &entry);
    let mut after = plan::applied(&ctx.sealer, machine, &entry);
    if matches!(patch.password, Some(None)) && machine.password_sealed.is_some() {
        after.password_sealed = None;
        fields.push("password");
    }
    if patch.host_keys.is_some_and(|keys| keys.is_empty()) && !machine.host_keys.is_empty() {
        after.host_keys.clear();
        fields.push("host_key");
    }
    (after, fields)
}

/// Looks at a machine now. One that waits for a contact is registered by it; one in use is only looked at.
pub async fn check(ctx: &Ctx, actor: &Actor, name: &str, accept_new_host_key: bool) -> Result<Registered, Error> {
    let mut tx = ctx.db.begin_write().await?;
    let mut machine = locked(&mut tx, name).await?;
    if accept_new_host_key {
        if machine.held_by.is_some() {
            return Err(held(&mut tx, &machine).await?);
        }
        machine.host_keys.clear();
        note(&mut tx, actor, "machine.accept_host_key", name, "whatever it shows at the next contact").await?;
    }
    let retried = machine.state == State::Quarantined && machine.next_try.is_some();
    let waits = machine.touched_at.is_none()
        && machine.held_by.is_none()
        && (retried || matches!(machine.state, State::New | State::Checking))
        || accept_new_host_key && machine.state == State::Ready;
    if waits && machine.state != State::New {
        // An earlier contact that is under way loses: its epoch is old.
        let why = Change {
            deadline: Some(tx.now),
            last_error: machine.last_error.clone(),
            ..Change::because("being looked at")
        };
        machine = shift(&mut tx, &machine, State::Checking, why).await?.ok_or_else(|| Error::Moved(name.to_owned()))?;
        let later = tx.now + SWEEP_AFTER;
        jobs::ask_to_register(&mut tx, later).await?;
    }
    ctx.commit(tx).await?;
    if waits {
        return contacted(ctx, machine.id, name).await;
    }
    if accept_new_host_key {
        return relearn(ctx, machine).await;
    }
    let error = jobs::look(ctx, &machine).await?;
    let mut conn = ctx.db.read().await?;
    let machine = store::find(&mut conn, name).await?.ok_or_else(|| Error::NoSuchMachine(name.to_owned()))?;
    let steps = if error.is_none() { vec!["looked at: well".into()] } else { Vec::new() };
    Ok(Registered { machine, steps, error })
}

/// Pins what a machine shows now without moving it: it still has to be cleaned, or an admin set it aside.
async fn relearn(ctx: &Ctx, machine: Machine) -> Result<Registered, Error> {
    let found = contact::register(ctx, &machine).await;
    let mut tx = ctx.db.begin_write().await?;
    let now = tx.now;
    let mut after = Machine { epoch: machine.epoch + 1, last_check_at: Some(now), ..machine.clone() };
    let (steps, error) = match found {
        Ok(contact) => {
            after.host_keys = contact.host_keys;
            after.facts = contact.facts;
            if after.touched_at.is_some() && after.state == State::Quarantined {
                after.next_try = Some(now);
                crate::jobs::enqueue_named(&mut tx, jobs::RECOVER, &machine.id.to_string(), now).await?;
            }
            (contact.steps, None)
        }
        Err(failure) => {
            after.last_error = Some(failure.why.clone());
            (failure.steps, Some(failure.why))
        }
    };
    if !store::swap(&mut tx, machine.epoch, &after).await? {
        return Err(Error::Moved(machine.name));
    }
    tx.announce();
    ctx.commit(tx).await?;
    Ok(Registered { machine: after, steps, error })
}

/// Sets a machine aside. One that somebody uses stays with them and goes to quarantine instead of back to the pool.
pub async fn quarantine(ctx: &Ctx, actor: &Actor, name: &str, reason: &str) -> Result<Machine, Error> {
    let mut tx = ctx.db.begin_write().await?;
    let machine = locked(&mut tx, name).await?;
    if machine.state == State::Retired {
        return Err(Error::WrongState { name: name.to_owned(), state: machine.state, verb: "quarantined" });
    }
    let after = if plan::is_in_use(&machine) {
        let after = Machine {
            then_state: Some(State::Quarantined),
            then_reason: Some(reason.to_owned()),
            reason: Some(format!("in use; goes to quarantine when it is clean: {reason}")),
            epoch: machine.epoch + 1,
            ..machine.clone()
        };
        tx.announce();
        store::swap(&mut tx, machine.epoch, &after).await?.then_some(after)
    } else {
        shift(&mut tx, &machine, State::Quarantined, Change::because(reason)).await?
    };
    let machine = after.ok_or_else(|| Error::Moved(name.to_owned()))?;
    note(&mut tx, actor, "machine.quarantine", name, reason).await?;
    tell(&mut tx, &machine).await?;
    ctx.commit(tx).await?;
    Ok(machine)
}

/// Sends a machine that was set aside on its way back: cleaned if a lease touched it, contacted if not. One in use
/// goes back to the pool again when it is clean.
pub async fn release(ctx: &Ctx, actor: &Actor, name: &str) -> Result<Machine, Error> {
    let mut tx = ctx.db.begin_write().await?;
    let machine = locked(&mut tx, name).await?;
    let now = tx.now;
    let aside = matches!(machine.state, State::Quarantined | State::Maintenance);
    let marked = machine.then_state.is_some();
    if !aside && !marked {
        return Err(Error::WrongState { name: name.to_owned(), state: machine.state, verb: "released" });
    }
    let mut before = machine.clone();
    (before.then_state, before.then_reason) = (None, None);
    let after = if aside && machine.touched_at.is_none() && machine.held_by.is_none() {
        let why = Change { deadline: Some(now), ..Change::because("released by an admin; being looked at") };
        let after = shift(&mut tx, &before, State::Checking, why).await?;
        crate::jobs::enqueue(&mut tx, &jobs::CHECK, &machine.id.to_string(), now).await?;
        after
    } else {
        let mut after = Machine { epoch: machine.epoch + 1, ..before };
        if aside {
            after.next_try = Some(now);
            crate::jobs::enqueue_named(&mut tx, jobs::RECOVER, &machine.id.to_string(), now).await?;
        } else {
            after.reason = None;
        }
        tx.announce();
        store::swap(&mut tx, machine.epoch, &after).await?.then_some(after)
    };
    let machine = after.ok_or_else(|| Error::Moved(name.to_owned()))?;
    note(&mut tx, actor, "machine.release", name, "").await?;
    tell(&mut tx, &machine).await?;
    ctx.commit(tx).await?;
    Ok(machine)
}

/// Removes a machine that nobody holds.
pub async fn remove(ctx: &Ctx, actor: &Actor, name: &str) -> Result<(), Error> {
    let mut tx = ctx.db.begin_write().await?;
    let machine = locked(&mut tx, name).await?;
    if machine.held_by.is_some() {
        return Err(held(&mut tx, &machine).await?);
    }
    if !store::delete(&mut tx, &machine).await? {
        return Err(Error::Moved(name.to_owned()));
    }
    note(&mut tx, actor, "machine.delete", name, &format!("was {}", machine.state)).await?;
    tx.announce();
    ctx.commit(tx).await?;
    Ok(())
}

async fn locked(tx: &mut Tx, name: &str) -> Result<Machine, Error> {
    let gone = || Error::NoSuchMachine(name.to_owned());
    let found = store::find(tx, name).await?.ok_or_else(gone)?;
    store::lock(tx, found.id).await?.ok_or_else(gone)
}

async fn held(tx: &mut Tx, machine: &Machine) -> Result<Error, Error> {
    let holder = match machine.held_by {
        Some(lease) => store::holders(tx, &[lease]).await?.remove(&lease),
        None => None,
    };
    Ok(Error::Held { name: machine.name.clone(), state: machine.state, holder })
}

async fn note(tx: &mut Tx, actor: &Actor, action: &str, target: &str, detail: &str) -> sqlx::Result<()> {
    audit::record(tx, &AuditEntry { actor: &actor.username, action, target, detail }).await
}

fn check_key_file(ctx: &Ctx, file: Option<&str>) -> Result<(), Error> {
    match file.and_then(|file| keys::key_file_fault(ctx, file)) {
        Some(fault) => Err(Error::Invalid(vec![Fault::at("/key_file", format!("the key file {fault}"))])),
        None => Ok(()),
    }
}

async fn check_address(ctx: &Ctx, host: &str, jump: Option<&str>) -> Result<(), Error> {
    match address::fault(ctx, host, jump).await {
        Some((field, why)) => Err(Error::Invalid(vec![Fault::at(format!("/{field}"), why)])),
        None => Ok(()),
    }
}

/// Makes the contact now and goes on with it if the client hangs up.
async fn contacted(ctx: &Ctx, id: MachineId, name: &str) -> Result<Registered, Error> {
    let work = {
        let ctx = ctx.clone();
        async move {
            let mut found = None;
            register_all(&ctx, &[id], |registered| found = Some(registered)).await?;
            Ok::<_, sqlx::Error>(found)
        }
    };
    let found = tokio::spawn(work).await.map_err(|error| Error::Broken(error.to_string()))??;
    if let Some(registered) = found {
        return Ok(registered);
    }
    // Somebody else was faster; what they found will be written.
    let mut conn = ctx.db.read().await?;
    let machine = store::by_id(&mut conn, id).await?.ok_or_else(|| Error::NoSuchMachine(name.to_owned()))?;
    let steps = vec!["being contacted by another process".to_owned()];
    Ok(register::Registered { machine, steps, error: None })
}
