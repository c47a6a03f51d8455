//! Every secret that is sealed in the database: where it stands and whose it is.

use serde_json::Value;

use super::store;
use crate::{
    ctx::Ctx,
    db::Tx,
    seal::{CannotOpen, Sealer},
};

/// A column that holds sealed secrets.
#[derive(Debug)]
pub struct Place {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    /// The columns that tell the row, and of which the owner is made.
    pub key: &'static [&'static str],
    /// What stands before them in the owner.
    before: &'static str,
    /// What stands behind.
    after: &'static str,
}

/// All of them. A column whose name ends in `_sealed` and is not here fails a test.
pub static PLACES: &[Place] = &[
    Place { table: "machine", column: "password_sealed", key: &["id"], before: "machine:", after: ":password" },
    Place { table: "reservation", column: "password_sealed", key: &["id"], before: "reservation:", after: ":password" },
    Place { table: "idempotency", column: "body", key: &["account_id", "idem_key"], before: "idempotency:", after: "" },
    Place { table: "audit_chain", column: "mark_sealed", key: &[], before: "audit:mark", after: "" },
];

/// A sealed secret.
#[derive(Debug, Clone)]
pub struct Sealed {
    /// The values of the columns that tell its row.
    pub key: Vec<String>,
    /// Under which owner it was sealed.
    pub owner: String,
    /// The sealed text.
    pub text: String,
}

impl Place {
    /// What is sealed in a row that has these values in the columns of the key.
    pub fn sealed(&self, key: Vec<String>, text: String) -> Sealed {
        Sealed { owner: format!("{}{}{}", self.before, key.join(":"), self.after), key, text }
    }
}

/// The secrets of one row of a backup.
pub fn of_row(table: &str, columns: &[String], row: &[Value]) -> Vec<Sealed> {
    let text = |column: &str| row.get(columns.iter().position(|name| name == column)?)?.as_str().map(str::to_owned);
    let places = PLACES.iter().filter(|place| place.table == table);
    places
        .filter_map(|place| {
            let key = place.key.iter().map(|column| text(column)).collect::<Option<Vec<_>>>()?;
            Some(place.sealed(key, text(place.column)?))
        })
        .collect()
}

/// How many secrets each known key opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// With the key that seals now.
    pub current: u64,
    /// With a key of before.
    pub previous: u64,
    /// With none that is known.
    pub lost: u64,
}

/// How many secrets one look takes.
const BATCH: i64 = 100;

/// Looks at every secret of the database.
pub async fn count(ctx: &Ctx) -> sqlx::Result<Count> {
    let mut count = Count::default();
    for place in PLACES {
        let mut after = None;
        loop {
            let found = {
                let mut conn = ctx.db.read().await?;
                store::sealed(&mut conn, place, after.as_ref(), BATCH).await?
            };
            let Some(last) = found.last() else { break };
            after = Some(last.key.clone());
            for sealed in &found {
                match ctx.sealer.open_with(&sealed.owner, &sealed.text) {
                    Ok((_, true)) => count.current += 1,
                    Ok((_, false)) => count.previous += 1,
                    Err(CannotOpen) => count.lost += 1,
                }
            }
            if place.key.is_empty() {
                break;
            }
        }
    }
    Ok(count)
}

/// Seals every secret that a key of before opens with the present key. A secret that somebody changes meanwhile is
/// left to them. `each` is told how many were done so far. May be ended at any moment and begun again.
pub async fn reseal(ctx: &Ctx, mut each: impl FnMut(u64)) -> sqlx::Result<u64> {
    let mut done = 0;
    for place in PLACES {
        let mut after = None;
        loop {
            let found = {
                let mut conn = ctx.db.read().await?;
                store::sealed(&mut conn, place, after.as_ref(), BATCH).await?
            };
            let Some(last) = found.last() else { break };
            after = Some(last.key.clone());
            let old: Vec<(Sealed, String)> = found
                .into_iter()
                .filter_map(|sealed| match ctx.sealer.open_with(&sealed.owner, &sealed.text) {
                    Ok((plain, false)) => {
                        let fresh = ctx.sealer.seal(&sealed.owner, &plain);
                        Some((sealed, fresh))
                    }
                    _ => None,
                })
                .collect();
            if !old.is_empty() {
                let mut tx = ctx.db.begin_write().await?;
                done += replace(&mut tx, place, &old).await?;
                tx.commit().await?;
                each(done);
            }
            if place.key.is_empty() {
                break;
            }
        }
    }
    Ok(done)
}

async fn replace(tx: &mut Tx, place: &Place, old: &[(Sealed, String)]) -> sqlx::Result<u64> {
    let mut done = 0;
    for (sealed, fresh) in old {
        done += u64::from(store::reseal(tx, place, sealed, fresh).await?);
    }
    Ok(done)
}

/// Whether a sealer opens a secret of a backup.
pub fn opens(sealer: &Sealer, secret: &Sealed) -> bool {
    sealer.open(&secret.owner, &secret.text).is_ok()
}
