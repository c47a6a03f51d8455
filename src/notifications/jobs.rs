//! What the scheduler runs for notifications: news whose cause lies in a slice below.

use super::{News, announce_to_admins};
use crate::{
    accounts,
    ctx::Ctx,
    jobs::{self, Claim, Kind, Next},
};

/// Tells the admins of an account that waits for one of them.
pub static ARRIVED: Kind = Kind { name: accounts::ARRIVED, run: |ctx, claim| Box::pin(tell_of_arrival(ctx, claim)) };

async fn tell_of_arrival(ctx: Ctx, claim: Claim) -> anyhow::Result<Next> {
    let mut tx = ctx.db.begin_write().await?;
    if let Some(username) = accounts::waiting_name(&mut tx, claim.subject.parse()?).await? {
        let news = News {
            kind: "account.pending",
            account: None,
            reservation: None,
            machine: None,
            message: &format!("`{username}` asks for an account"),
            data: serde_json::json!({ "username": username }),
        };
        announce_to_admins(&mut tx, news).await?;
    }
    if jobs::finish(&mut tx, &claim).await? {
        ctx.commit(tx).await?;
    }
    Ok(Next::Finished)
}
