//! What the scheduler does for leases: put back lost jobs, remind of the end.

use super::{LeaseKind, store};
use crate::{
    clock::rfc3339,
    ctx::Ctx,
    jobs,
    notifications::{self, News},
};

/// Minutes before the end at which the owner is told, most first.
const REMINDERS: [i64; 3] = [15, 5, 1];

/// Gives every live lease its job back, should it have been lost (a restored backup, a hand in the database).
pub async fn revive(ctx: &Ctx) -> sqlx::Result<usize> {
    let kind = LeaseKind::Reservation;
    let orphans = {
        let mut conn = ctx.db.read().await?;
        store::without_job(&mut conn, kind, 1000).await?
    };
    if orphans.is_empty() {
        return Ok(0);
    }
    let mut tx = ctx.db.begin_write().await?;
    let now = tx.now;
    for id in &orphans {
        jobs::enqueue_named(&mut tx, kind.drive(), id, now).await?;
    }
    ctx.commit(tx).await?;
    Ok(orphans.len())
}

/// Reminds the owners of what ends soon. Each reminder is sent once, whoever runs this and how often.
pub async fn remind(ctx: &Ctx) -> sqlx::Result<usize> {
    let mut tx = ctx.db.begin_write().await?;
    let mut told = 0;
    // The smallest first: whoever is at one minute is not told of fifteen.
    for minutes in REMINDERS.into_iter().rev() {
        let by = tx.now.saturating_add(minutes * 60_000);
        for ending in store::to_remind(&mut tx, minutes, by).await? {
            if !store::mark_reminded(&mut tx, ending.id, minutes).await? {
                continue;
            }
            let seconds = (ending.expires_at - tx.now) / 1000;
            let message = format!("your reservation ends in {}, at {}", in_words(seconds), rfc3339(ending.expires_at));
            notifications::announce(
                &mut tx,
                News {
                    kind: "reservation.reminder",
                    account: Some(ending.account),
                    reservation: Some(ending.id),
                    machine: None,
                    message: &message,
                    data: serde_json::json!({ "minutes": minutes, "seconds_remaining": seconds, "expires_at": rfc3339(ending.expires_at) }),
                },
            )
            .await?;
            told += 1;
        }
    }
    ctx.commit(tx).await?;
    Ok(told)
}

fn in_words(seconds: i64) -> String {
    match seconds {
        ..90 => format!("{seconds} seconds"),
        _ => format!("{} minutes", (seconds + 30) / 60),
    }
}
