//! The job of one reservation: whatever its state asks for next, until it is over.
//!
//! Its row stands for as long as the reservation lives and carries the next moment at which something is due, so an
//! expiry is a timer in the database. Only the holder of the claim moves machines of a reservation towards use; each
//! move is a compare-and-set in a transaction that checks the claim.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::{
    Allotment, CLEAN, Reservation, Seat, allot, end, leases, machines, machines_in_words, model::Labels,
    password_owner, save, store, tell,
};
use crate::{
    audit,
    clock::millis,
    ctx::Ctx,
    db::Tx,
    ids::{LeaseId, MachineId},
    jobs::{self, Claim, Kind, Next},
    leases::{Lease, LeaseState},
    machines::{Change, Count, Machine, State},
    provisioning::{self, Baseline, Person, Recorder, RunKind, RunState, Survey, Trouble},
    remote::{Secret, Shell},
    telemetry,
};

/// Drives one reservation; the subject is its id.
pub static DRIVE: Kind = Kind { name: "reservation.drive", run: |ctx, claim| Box::pin(drive(ctx, claim)) };

/// How long a queued reservation waits before it looks again by itself; a machine that gets ready calls it earlier.
const IN_LINE: Duration = Duration::from_secs(15);
/// How often a reservation that is being cleaned looks after its machines.
const LOOK_AFTER: Duration = Duration::from_mins(1);
/// How often other machines are tried in the place of those that failed.
const ROUNDS: usize = 5;

async fn drive(ctx: Ctx, claim: Claim) -> anyhow::Result<Next> {
    let id: LeaseId = claim.subject.parse()?;
    as_asked(&ctx, id, Box::pin(drive_on(&ctx, &claim, id))).await
}

async fn drive_on(ctx: &Ctx, claim: &Claim, id: LeaseId) -> anyhow::Result<Next> {
    loop {
        let found = {
            let mut conn = ctx.db.read().await?;
            store::find(&mut conn, id).await?
        };
        let Some(reservation) = found else { return Ok(Next::Done) };
        match reservation.lease.state {
            LeaseState::Queued => {
                if let Some(next) = try_start(ctx, claim, &reservation).await? {
                    return Ok(next);
                }
            }
            LeaseState::Accepted | LeaseState::Provisioning => {
                if let Some(next) = provision(ctx, claim, &reservation).await? {
                    return Ok(next);
                }
            }
            LeaseState::Active => {
                if let Some(next) = expire_or_park(ctx, claim, id).await? {
                    return Ok(next);
                }
            }
            LeaseState::Expiring => {
                if let Some(next) = take_back(ctx, claim, id).await? {
                    return Ok(next);
                }
            }
            LeaseState::Cleaning => return look_after(ctx, claim, id).await,
            LeaseState::Closed | LeaseState::Failed => return Ok(Next::Done),
        }
    }
}

/// Does a job's work as something that the last request about the reservation asked for, so that log, audit, events and
/// steps on machines carry its id.
pub(super) async fn as_asked<F: Future>(ctx: &Ctx, id: LeaseId, work: F) -> F::Output {
    // Without it the work goes on all the same.
    let request = audit::last_request(ctx, &id.to_string(), id.0).await.unwrap_or_default();
    tracing::Span::current().record("request", request.as_str());
    telemetry::caused_by(request.into(), work).await
}

/// The lease, locked, in a transaction that the claim still covers.
async fn begin(ctx: &Ctx, claim: &Claim, id: LeaseId) -> anyhow::Result<(Tx, Lease)> {
    let mut tx = ctx.db.begin_write().await?;
    let lease = leases::store::lock(&mut tx, id).await?;
    let Some(lease) = lease else { anyhow::bail!("the reservation is gone") };
    if !jobs::still_held(&mut tx, claim).await? {
        anyhow::bail!("the claim is lost");
    }
    Ok((tx, lease))
}

/// A reservation in the line takes its machines when its time has come, nobody is before it, and all of them are free.
async fn try_start(ctx: &Ctx, claim: &Claim, reservation: &Reservation) -> anyhow::Result<Option<Next>> {
    let id = reservation.id();
    let (mut tx, mut lease) = begin(ctx, claim, id).await?;
    if lease.state != LeaseState::Queued {
        return Ok(None);
    }
    let now = tx.now;
    if now < lease.starts_at {
        jobs::park(&mut tx, claim, lease.starts_at).await?;
        ctx.commit(tx).await?;
        return Ok(Some(Next::Finished));
    }
    let behind = store::is_behind(&mut tx, &reservation.pool, id, now).await?;
    let chosen =
        if behind { Vec::new() } else { take(&mut tx, reservation, &reservation.labels, reservation.count).await? };
    if chosen.len() < reservation.count {
        drop(tx);
        return Ok(Some(Next::Again(IN_LINE)));
    }
    for machine in &chosen {
        store::insert_allotment(&mut tx, &allot(id, machine, Seat::Held)).await?;
    }
    lease.state = LeaseState::Accepted;
    save(&mut tx, &mut lease).await?;
    tell(&mut tx, &lease, "reservation.accepted", "your machines are chosen; accounts are being made").await?;
    ctx.commit(tx).await?;
    Ok(None)
}

async fn take(tx: &mut Tx, reservation: &Reservation, labels: &Labels, count: usize) -> sqlx::Result<Vec<Machine>> {
    machines::take(tx, &reservation.pool, labels, count, reservation.id()).await
}

/// One machine of a reservation, and where it stands.
struct Place {
    allotment: Allotment,
    machine: Machine,
}

/// The allotments of a reservation that still have their machine.
async fn places(tx: &mut Tx, id: LeaseId) -> anyhow::Result<Vec<Place>> {
    let mut places = Vec::new();
    for allotment in store::allotments(tx, id).await? {
        if allotment.seat == Seat::Closed {
            continue;
        }
        let machine = machines::lock(tx, allotment.machine).await?;
        let Some(machine) = machine else { anyhow::bail!("machine `{}` is gone", allotment.machine_name) };
        places.push(Place { allotment, machine });
    }
    Ok(places)
}

/// Makes the accounts. Machines that fail are set aside and replaced; nothing is handed out half made.
async fn provision(ctx: &Ctx, claim: &Claim, reservation: &Reservation) -> anyhow::Result<Option<Next>> {
    let person = person(ctx, reservation)?;
    let playbook = provisioning::create_playbook(ctx, &reservation.pool);
    for round in 1..=ROUNDS {
        let Some((recorder, places)) = begin_round(ctx, claim, reservation, &playbook.display().to_string()).await?
        else {
            return Ok(None);
        };
        let span = recorder.span();
        let round_of = run_round(ctx, claim, reservation, &recorder, &places, &person, &playbook).instrument(span);
        let outcomes = round_of.await?;
        match settle_round(ctx, claim, reservation, &recorder, outcomes, round < ROUNDS).await? {
            Round::Another => {}
            Round::Over => return Ok(None),
            Round::Parked => return Ok(Some(Next::Finished)),
        }
    }
    Ok(None)
}

fn person(ctx: &Ctx, reservation: &Reservation) -> anyhow::Result<Person> {
    let owner = password_owner(reservation.id());
    let opened = reservation.password_sealed.as_ref().map(|sealed| ctx.sealer.open(&owner, sealed)).transpose()?;
    Ok(Person {
        username: reservation.username.clone(),
        password_hash: opened.map(Secret),
        ssh_keys: reservation.ssh_keys.clone(),
    })
}

/// Marks what is about to be done, before it is done. None: the reservation is no longer to be provisioned.
async fn begin_round(
    ctx: &Ctx,
    claim: &Claim,
    reservation: &Reservation,
    playbook: &str,
) -> anyhow::Result<Option<(Recorder, Vec<Place>)>> {
    let (mut tx, mut lease) = begin(ctx, claim, reservation.id()).await?;
    if !matches!(lease.state, LeaseState::Accepted | LeaseState::Provisioning) {
        return Ok(None);
    }
    let mut todo = Vec::new();
    for mut place in places(&mut tx, lease.id).await? {
        match place.allotment.seat {
            Seat::Held => {
                place.machine = shift(&mut tx, &place.machine, State::Provisioning, Change::plain()).await?;
                place.allotment.seat = Seat::Provisioning;
                store::save_allotment(&mut tx, &place.allotment).await?;
                todo.push(place);
            }
            Seat::Provisioning => todo.push(place),
            Seat::Active | Seat::Cleaning | Seat::Closed => {}
        }
    }
    if lease.state == LeaseState::Accepted {
        lease.state = LeaseState::Provisioning;
        lease.deadline = Some(tx.now.saturating_add(millis(ctx.config.timeouts.provision)));
        save(&mut tx, &mut lease).await?;
        tell(&mut tx, &lease, "reservation.provisioning", "your accounts are being made").await?;
    }
    let names: Vec<&str> = todo.iter().map(|place| place.machine.name.as_str()).collect();
    let owner = (lease.account, lease.id);
    let recorder = Recorder::begin(ctx, &mut tx, RunKind::Provision, playbook, owner, &names).await?;
    ctx.commit(tx).await?;
    Ok(Some((recorder, todo)))
}

type Outcomes = HashMap<MachineId, Result<i64, Trouble>>;

/// Looks at all machines, writes down how they looked, then runs the playbook on all that can be reached.
async fn run_round(
    ctx: &Ctx,
    claim: &Claim,
    reservation: &Reservation,
    recorder: &Recorder,
    places: &[Place],
    person: &Person,
    playbook: &std::path::Path,
) -> anyhow::Result<Outcomes> {
    let mut outcomes = Outcomes::new();
    let machines: Vec<Machine> = places.iter().map(|place| place.machine.clone()).collect();
    let known: BTreeMap<MachineId, Baseline> = places
        .iter()
        .filter_map(|place| Some((place.machine.id, Baseline::new(place.allotment.baseline.as_deref()?))))
        .collect();
    let mut shells: HashMap<MachineId, Shell> = HashMap::new();
    let mut fresh: HashMap<MachineId, Baseline> = HashMap::new();
    for (machine, result) in provisioning::survey(ctx, &machines, &person.username, &known).await {
        match result {
            Ok(Survey { shell, baseline }) => {
                shells.insert(machine, shell);
                if !known.contains_key(&machine) {
                    fresh.insert(machine, baseline);
                }
            }
            Err(trouble) => {
                outcomes.insert(machine, Err(trouble));
            }
        }
    }
    if !fresh.is_empty() {
        // From here on something may be changed: how it was before must be known whatever happens to us.
        let (mut tx, lease) = begin(ctx, claim, reservation.id()).await?;
        if lease.state != LeaseState::Provisioning {
            return Ok(outcomes);
        }
        for place in places {
            if let Some(baseline) = fresh.get(&place.machine.id) {
                let allotment = Allotment { baseline: Some(baseline.text()), ..place.allotment.clone() };
                store::save_allotment(&mut tx, &allotment).await?;
            }
        }
        ctx.commit(tx).await?;
    }
    let hosts: Vec<(&Machine, Shell)> =
        machines.iter().filter_map(|machine| Some((machine, shells.remove(&machine.id)?))).collect();
    if !hosts.is_empty() {
        let lost: CancellationToken = claim.lost.clone();
        outcomes.extend(provisioning::create(ctx, recorder, hosts, playbook, person, lost).await);
    }
    Ok(outcomes)
}

enum Round {
    /// Machines were replaced; provision those.
    Another,
    /// The state has changed; look again.
    Over,
    /// Active, and the timer is set.
    Parked,
}

async fn settle_round(
    ctx: &Ctx,
    claim: &Claim,
    reservation: &Reservation,
    recorder: &Recorder,
    outcomes: Outcomes,
    may_replace: bool,
) -> anyhow::Result<Round> {
    let (mut tx, mut lease) = begin(ctx, claim, reservation.id()).await?;
    let now = tx.now;
    let wanted = lease.state == LeaseState::Provisioning;
    let mut good = 0;
    let mut problems: Vec<String> = Vec::new();
    let mut refused = None;
    for mut place in places(&mut tx, lease.id).await? {
        let name = place.machine.name.clone();
        match (place.allotment.seat, outcomes.get(&place.machine.id)) {
            (Seat::Active, _) => good += 1,
            (Seat::Provisioning, Some(Ok(uid))) => {
                place.allotment.uid = Some(*uid);
                place.allotment.error = None;
                if wanted {
                    place.allotment.seat = Seat::Active;
                    shift(&mut tx, &place.machine, State::Leased, Change::plain()).await?;
                    good += 1;
                }
                store::save_allotment(&mut tx, &place.allotment).await?;
            }
            (Seat::Provisioning, Some(Err(trouble))) => {
                recorder.note(&name, "note", "provisioning", "failed", &trouble.to_string());
                place.allotment.error = Some(trouble.to_string());
                place.allotment.seat = Seat::Cleaning;
                store::save_allotment(&mut tx, &place.allotment).await?;
                if let Trouble::Refused(why) = trouble {
                    refused = Some(why.clone());
                    shift(&mut tx, &place.machine, State::Cleaning, Change::because(why.clone())).await?;
                } else {
                    let change = Change {
                        last_error: Some(trouble.to_string()),
                        failures: Count::AddOne,
                        ..Change::because(format!("provisioning failed: {trouble}"))
                    };
                    shift(&mut tx, &place.machine, State::Quarantined, change).await?;
                }
                problems.push(format!("`{name}`: {trouble}"));
                jobs::enqueue_named(&mut tx, CLEAN.name, &place.allotment.id.to_string(), now).await?;
            }
            _ => {}
        }
    }
    let run_state = if problems.is_empty() { RunState::Succeeded } else { RunState::Failed };
    let error = (!problems.is_empty()).then(|| problems.join("; "));
    recorder.finish(&mut tx, run_state, error.as_deref()).await?;
    let round = if !wanted {
        Round::Over
    } else if good == reservation.count {
        activate(&mut tx, &mut lease, reservation).await?;
        jobs::park(&mut tx, claim, lease.expires_at).await?;
        Round::Parked
    } else {
        let missing = reservation.count - good;
        let replacements = match &refused {
            None if may_replace => take(&mut tx, reservation, &reservation.labels, missing).await?,
            _ => Vec::new(),
        };
        if replacements.len() == missing {
            for machine in &replacements {
                store::insert_allotment(&mut tx, &allot(lease.id, machine, Seat::Held)).await?;
            }
            Round::Another
        } else {
            for machine in replacements {
                // Untouched, but only verifying leads back to the pool.
                store::insert_allotment(&mut tx, &allot(lease.id, &machine, Seat::Held)).await?;
            }
            let why = refused.unwrap_or_else(|| {
                format!("too few machines could be provisioned: {}", error.as_deref().unwrap_or("no reason is known"))
            });
            lease.last_error = Some(why.clone());
            end(&mut tx, &mut lease, &why).await?;
            metrics::counter!("berth_reservations_total", "outcome" => "failed").increment(1);
            Round::Over
        }
    };
    ctx.commit(tx).await?;
    Ok(round)
}

async fn activate(tx: &mut Tx, lease: &mut Lease, reservation: &Reservation) -> anyhow::Result<()> {
    lease.state = LeaseState::Active;
    lease.active_at = Some(tx.now);
    lease.starts_at = tx.now;
    lease.expires_at = tx.now.saturating_add(reservation.duration.millis());
    lease.deadline = None;
    save(tx, lease).await?;
    let took = u32::try_from(tx.now.saturating_sub(lease.created_at)).unwrap_or(u32::MAX);
    metrics::histogram!("berth_provision_duration_seconds").record(f64::from(took) / 1000.0);
    let message = format!("{} ready for you, for {}", machines_in_words(reservation.count), reservation.duration);
    tell(tx, lease, "reservation.active", &message).await?;
    Ok(())
}

/// Ends an active reservation whose time is over, by the database's clock; otherwise sets the timer.
async fn expire_or_park(ctx: &Ctx, claim: &Claim, id: LeaseId) -> anyhow::Result<Option<Next>> {
    let (mut tx, mut lease) = begin(ctx, claim, id).await?;
    if lease.state != LeaseState::Active {
        return Ok(None);
    }
    if tx.now < lease.expires_at {
        jobs::park(&mut tx, claim, lease.expires_at).await?;
        ctx.commit(tx).await?;
        return Ok(Some(Next::Finished));
    }
    let late = tx.now.saturating_sub(lease.expires_at);
    metrics::histogram!("berth_revocation_lag_seconds")
        .record(f64::from(u32::try_from(late).unwrap_or(u32::MAX)) / 1000.0);
    end(&mut tx, &mut lease, "its time is over").await?;
    ctx.commit(tx).await?;
    Ok(None)
}

/// Sends every machine of an ending reservation to be cleaned, and waits for their jobs.
async fn take_back(ctx: &Ctx, claim: &Claim, id: LeaseId) -> anyhow::Result<Option<Next>> {
    let (mut tx, mut lease) = begin(ctx, claim, id).await?;
    if lease.state != LeaseState::Expiring {
        return Ok(None);
    }
    let now = tx.now;
    let places = places(&mut tx, id).await?;
    let none = places.is_empty();
    for mut place in places {
        if place.allotment.seat != Seat::Cleaning {
            place.allotment.seat = Seat::Cleaning;
            store::save_allotment(&mut tx, &place.allotment).await?;
            let reason = lease.reason.clone().unwrap_or_default();
            shift(&mut tx, &place.machine, State::Draining, Change::because(reason)).await?;
        }
        jobs::enqueue_named(&mut tx, CLEAN.name, &place.allotment.id.to_string(), now).await?;
    }
    lease.state = LeaseState::Cleaning;
    save(&mut tx, &mut lease).await?;
    tell(&mut tx, &lease, "reservation.cleaning", "your machines are being taken back").await?;
    if !none {
        jobs::park(&mut tx, claim, now.saturating_add(millis(LOOK_AFTER))).await?;
    }
    ctx.commit(tx).await?;
    Ok((!none).then_some(Next::Finished))
}

/// Waits for the machines' own jobs, which close the reservation with the last machine; asks again for those lost.
async fn look_after(ctx: &Ctx, claim: &Claim, id: LeaseId) -> anyhow::Result<Next> {
    let (mut tx, mut lease) = begin(ctx, claim, id).await?;
    if lease.state != LeaseState::Cleaning {
        // The job of its last machine closed it meanwhile, and told its owner.
        return Ok(Next::Done);
    }
    if store::count_open(&mut tx, id).await? == 0 {
        super::clean::close(&mut tx, &mut lease).await?;
        jobs::finish(&mut tx, claim).await?;
    } else {
        let at = tx.now.saturating_add(millis(LOOK_AFTER));
        jobs::park(&mut tx, claim, at).await?;
    }
    ctx.commit(tx).await?;
    Ok(Next::Finished)
}

/// A move of a machine that this transaction has locked.
pub(super) async fn shift(tx: &mut Tx, machine: &Machine, to: State, change: Change) -> anyhow::Result<Machine> {
    match machines::shift(tx, machine, to, change).await? {
        Some(machine) => Ok(machine),
        None => anyhow::bail!("machine `{}` changed while it was locked", machine.name),
    }
}
