//! Chaining what was written, and forgetting what is old without breaking the chain.
//!
//! Only who holds the row of `audit_chain` locked appends or prunes, so the chain has one end. Entries get their
//! numbers in the order in which they are found; within one look that is the order of their ids.

use tokio_util::sync::CancellationToken;

use super::{
    chain::{Link, Place, Walk, hash_of},
    store::{self, Chain},
};
use crate::{
    clock::Millis,
    ctx::Ctx,
    db::Tx,
    jobs::{Claim, Kind, Next},
};

/// Chains what nobody has chained yet; the subject is `all`.
pub static SEAL: Kind = Kind { name: "audit.seal", run: |ctx, claim| Box::pin(run(ctx, claim)) };

/// How many entries one transaction chains: the one writer of SQLite is not held up for long.
const BATCH: i64 = 200;

/// The owner under which the ends of the chain are sealed with the secret key. Who has the database alone can make
/// hashes, but not this mark.
pub fn mark_owner() -> &'static str {
    "audit:mark"
}

async fn run(ctx: Ctx, claim: Claim) -> anyhow::Result<Next> {
    seal_all(&ctx, &claim.lost).await?;
    Ok(Next::Done)
}

/// Whether entries wait to be chained.
pub async fn waiting(ctx: &Ctx) -> sqlx::Result<bool> {
    store::any_unchained(&mut *ctx.db.read().await?).await
}

/// Chains until nothing is left or `stop` fires; answers how many.
pub async fn seal_all(ctx: &Ctx, stop: &CancellationToken) -> sqlx::Result<u64> {
    let mut all = 0;
    while !stop.is_cancelled() {
        let done = seal_some(ctx).await?;
        if done == 0 {
            break;
        }
        all += done;
    }
    metrics::counter!("berth_audit_chained_total").increment(all);
    Ok(all)
}

async fn seal_some(ctx: &Ctx) -> sqlx::Result<u64> {
    let mut tx = ctx.db.begin_write().await?;
    let mut chain = if let Some(chain) = store::lock_chain(&mut tx).await? {
        chain
    } else {
        let (base, head) = (Place::start(), Place::start());
        let mark = mark(ctx, &base, &head);
        let chain = Chain { base, head, mark };
        store::insert_chain(&mut tx, &chain).await?;
        chain
    };
    let marked = is_marked(ctx, &chain);
    if !marked {
        tracing::error!("the mark of the audit chain is not the one Berth made; see `berth audit verify`");
    }
    let mut done = 0;
    for record in store::unchained(&mut tx, BATCH).await? {
        let mut link = Link { seq: chain.head.seq + 1, ..record };
        link.hash = hash_of(&link, &chain.head.hash);
        // A server of the version before may have pruned it meanwhile.
        if store::chain_entry(&mut tx, &link).await? {
            chain.head = Place { seq: link.seq, hash: link.hash };
            done += 1;
        }
    }
    if done == 0 {
        return Ok(0);
    }
    // A mark that is not ours stays, so that the fault does not go away by itself.
    if marked {
        chain.mark = mark(ctx, &chain.base, &chain.head);
    }
    store::save_chain(&mut tx, &chain).await?;
    tx.commit().await?;
    Ok(done)
}

/// Forgets what was done before `before`, as far as it is chained; returns how many entries. The chain then begins
/// after the last that was forgotten. Nothing goes while the chain does not hold: it may be needed to find out why.
pub async fn prune(ctx: &Ctx, tx: &mut Tx, before: Millis) -> sqlx::Result<u64> {
    let Some(mut chain) = store::lock_chain(tx).await? else { return Ok(0) };
    let last = store::last_before(tx, before, chain.head.seq).await?;
    if last <= chain.base.seq {
        return Ok(0);
    }
    let mut walk = Walk::after(chain.base.clone());
    while walk.place().seq < last {
        let links = store::links(tx, walk.place().seq, last, 500).await?;
        let holds = !links.is_empty() && links.iter().all(|link| walk.step(link).is_ok());
        if !holds || !is_marked(ctx, &chain) {
            tracing::error!("the audit chain does not hold, so nothing of it is pruned; see `berth audit verify`");
            return Ok(0);
        }
    }
    chain.base = walk.place().clone();
    chain.mark = mark(ctx, &chain.base, &chain.head);
    let count = store::forget_up_to(tx, last).await?;
    store::save_chain(tx, &chain).await?;
    Ok(count)
}

pub(super) fn mark(ctx: &Ctx, base: &Place, head: &Place) -> String {
    ctx.sealer.seal(mark_owner(), &text(base, head))
}

pub(super) fn is_marked(ctx: &Ctx, chain: &Chain) -> bool {
    ctx.sealer.open(mark_owner(), &chain.mark).is_ok_and(|known| known == text(&chain.base, &chain.head))
}

fn text(base: &Place, head: &Place) -> String {
    format!("{} {} {} {}", base.seq, base.hash, head.seq, head.hash)
}
