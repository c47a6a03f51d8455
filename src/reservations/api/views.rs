//! How a reservation is shown.

use serde::Serialize;
use sqlx::AnyConnection;
use utoipa::ToSchema;

use crate::{
    clock::rfc3339,
    ctx::Ctx,
    http::Problem,
    ids::LeaseId,
    machines, provisioning,
    reservations::{Error, Labels, Reservation, Seat, store},
};

/// N machines for a time.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ReservationView {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub owner: String,
    /// `queued`, `accepted`, `provisioning`, `active`, `expiring`, `cleaning`, `closed` or `failed`.
    pub state: String,
    /// How many machines were asked for.
    pub count: usize,
    /// From which pool.
    pub pool: String,
    /// Labels every machine has.
    pub labels: Labels,
    /// When it began or begins.
    pub starts_at: String,
    /// When it ends; an estimate until it is active.
    pub expires_at: String,
    /// How long it still lasts; 0 when it is over.
    pub seconds_remaining: i64,
    /// How long it was booked for.
    pub duration_minutes: u32,
    /// Why it ends, ended or failed.
    pub reason: Option<String>,
    /// When it was asked for.
    pub created_at: String,
    /// When it was over and its machines were clean.
    pub closed_at: Option<String>,
    /// The playbook runs it caused, oldest first.
    pub runs: Vec<String>,
    /// Its machines.
    pub machines: Vec<PlaceView>,
    /// The password Berth made; only in the answer that creates the reservation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

/// One machine of a reservation.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PlaceView {
    /// The machine's name.
    pub machine: String,
    /// Where to reach it.
    pub host: Option<String>,
    /// On which port.
    pub port: Option<u16>,
    /// `held`, `provisioning`, `active`, `cleaning` or `closed`.
    pub state: String,
    /// The account's name on it.
    pub username: String,
    /// The line to type.
    pub ssh: Option<String>,
    /// The host key to expect.
    pub host_key: Option<String>,
    /// Its fingerprint.
    pub host_key_fingerprint: Option<String>,
    /// What went wrong on it.
    pub error: Option<String>,
}

/// A reservation by id, as its owner sees it.
pub(super) async fn show(ctx: &Ctx, id: LeaseId) -> Result<ReservationView, Problem> {
    let mut conn = ctx.db.read().await?;
    let Some(reservation) = store::find(&mut conn, id).await? else {
        return Err(Error::NotFound(id.to_string()).into());
    };
    view(ctx, &mut conn, reservation).await
}

/// A reservation as its owner sees it.
pub(super) async fn view(
    ctx: &Ctx,
    conn: &mut AnyConnection,
    reservation: Reservation,
) -> Result<ReservationView, Problem> {
    let now = ctx.db.now(conn).await?;
    let mut places = Vec::new();
    for allotment in store::allotments(conn, reservation.id()).await? {
        // What is given back says nothing about where it is.
        let machine = match allotment.seat {
            Seat::Closed => None,
            _ => machines::by_id(conn, allotment.machine).await?,
        };
        let key = machine.as_ref().and_then(|machine| machine.host_keys.first().cloned());
        let ssh = machine.as_ref().map(|machine| {
            let jump = machine.jump.as_ref().map(|jump| format!("-J {jump} ")).unwrap_or_default();
            let port = if machine.port == 22 { String::new() } else { format!("-p {} ", machine.port) };
            format!("ssh {jump}{port}{}@{}", reservation.username, machine.host)
        });
        places.push(PlaceView {
            machine: allotment.machine_name,
            host: machine.as_ref().map(|machine| machine.host.clone()),
            port: machine.as_ref().map(|machine| machine.port),
            state: allotment.seat.as_str().to_owned(),
            username: reservation.username.clone(),
            ssh: ssh.filter(|_| allotment.seat == Seat::Active),
            host_key_fingerprint: key.as_deref().and_then(machines::fingerprint),
            host_key: key,
            error: allotment.error,
        });
    }
    let lease = &reservation.lease;
    let left = if lease.state.is_ending() { 0 } else { (lease.expires_at - now).max(0) / 1000 };
    Ok(ReservationView {
        id: lease.id.to_string(),
        owner: reservation.username.clone(),
        state: lease.state.as_str().to_owned(),
        count: reservation.count,
        pool: reservation.pool.clone(),
        labels: reservation.labels.clone(),
        starts_at: rfc3339(lease.starts_at),
        expires_at: rfc3339(lease.expires_at),
        seconds_remaining: left,
        duration_minutes: reservation.duration.get(),
        reason: lease.reason.clone(),
        created_at: rfc3339(lease.created_at),
        closed_at: lease.closed_at.map(rfc3339),
        runs: provisioning::store::ids_of(conn, lease.id).await?,
        machines: places,
        password: None,
    })
}
