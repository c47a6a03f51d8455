//! What the scheduler does for reservations besides their own jobs: put back what was lost, forget what is old.

use super::{CLEAN, Error, LeaseId, end, leases, store};
use crate::{clock::Millis, ctx::Ctx, jobs};

/// Gives lost cleaning jobs back, and ends the reservations of people whose account is gone or suspended.
pub async fn revive(ctx: &Ctx) -> Result<usize, Error> {
    let (orphans, gone) = {
        let mut conn = ctx.db.read().await?;
        (store::cleaning_without_job(&mut conn, CLEAN.name).await?, store::of_gone_accounts(&mut conn).await?)
    };
    if !orphans.is_empty() {
        let mut tx = ctx.db.begin_write().await?;
        let now = tx.now;
        for id in &orphans {
            jobs::enqueue_named(&mut tx, CLEAN.name, id, now).await?;
        }
        ctx.commit(tx).await?;
    }
    for id in &gone {
        let Ok(id) = id.parse::<LeaseId>() else { continue };
        let mut tx = ctx.db.begin_write().await?;
        if let Some(mut lease) = leases::store::lock(&mut tx, id).await?
            && !lease.state.is_ending()
        {
            end(&mut tx, &mut lease, "its owner's account is closed").await?;
            ctx.commit(tx).await?;
        }
    }
    Ok(orphans.len() + gone.len())
}

/// Forgets reservations that were over before `until`.
pub async fn prune(ctx: &Ctx, until: Millis) -> sqlx::Result<u64> {
    let mut tx = ctx.db.begin_write().await?;
    let count = store::prune(&mut tx, until).await?;
    tx.commit().await?;
    Ok(count)
}
