//! SQL of the table `machine_move`: where a machine was, and since when.

use sqlx::{Any, AnyConnection, QueryBuilder, Row};

use super::{ROWS, parsed};
use crate::{
    clock::Millis,
    db::{Tx, with_conditions},
    ids::{LeaseId, MachineId},
    machines::model::{Machine, State},
};

/// One change of a machine's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// Its id; later moves have greater ones.
    pub id: String,
    /// When.
    pub at: Millis,
    /// From where.
    pub from: State,
    /// To where.
    pub to: State,
    /// Who had the machine then.
    pub lease: Option<LeaseId>,
    /// Why, for people.
    pub reason: Option<String>,
}

/// The longest reason that is kept, in characters.
const LONGEST: usize = 500;

/// Writes down that these machines left `from`, all in one statement.
pub(in crate::machines) async fn note_moves(tx: &mut Tx, from: State, after: &[Machine]) -> sqlx::Result<()> {
    let now = tx.now;
    for chunk in after.chunks(ROWS) {
        let mut query = QueryBuilder::<Any>::new(
            "insert into machine_move (id, machine_id, at, from_state, to_state, lease_id, reason) ",
        );
        query.push_values(chunk, |mut row, machine| {
            let reason = machine.reason.as_ref().map(|text| text.chars().take(LONGEST).collect::<String>());
            row.push_bind(uuid::Uuid::now_v7().to_string())
                .push_bind(machine.id.to_string())
                .push_bind(now)
                .push_bind(from.as_str())
                .push_bind(machine.state.as_str())
                .push_bind(machine.held_by.map(|lease| lease.to_string()))
                .push_bind(reason);
        });
        query.build().execute(&mut **tx).await?;
    }
    Ok(())
}

/// What a machine went through, newest first, before that place.
pub(in crate::machines) async fn moves(
    conn: &mut AnyConnection,
    machine: MachineId,
    before: Option<(Millis, &str)>,
    limit: i64,
) -> sqlx::Result<Vec<Move>> {
    let mut conditions = vec!["machine_id = ?"];
    if before.is_some() {
        conditions.push("(at < ? or (at = ? and id < ?))");
    }
    let text = "select id, at, from_state, to_state, lease_id, reason from machine_move where {} \
                order by at desc, id desc limit ?";
    let mut query = sqlx::query(with_conditions(text, &conditions)).bind(machine.to_string());
    if let Some((at, id)) = before {
        query = query.bind(at).bind(at).bind(id);
    }
    let rows = query.bind(limit).fetch_all(conn).await?;
    rows.iter()
        .map(|row| {
            let lease: Option<String> = row.try_get(4)?;
            Ok(Move {
                id: row.try_get(0)?,
                at: row.try_get(1)?,
                from: parsed("from_state", row.try_get::<&str, _>(2)?)?,
                to: parsed("to_state", row.try_get::<&str, _>(3)?)?,
                lease: lease.map(|text| parsed("lease_id", &text)).transpose()?,
                reason: row.try_get(5)?,
            })
        })
        .collect()
}

/// Forgets what a machine went through.
pub(super) async fn delete_moves(tx: &mut Tx, machine: MachineId) -> sqlx::Result<()> {
    sqlx::query("delete from machine_move where machine_id = ?")
        .bind(machine.to_string())
        .execute(&mut **tx)
        .await
        .map(drop)
}

/// Forgets moves before `before`; returns how many.
pub async fn prune_moves(tx: &mut Tx, before: Millis) -> sqlx::Result<u64> {
    let done = sqlx::query("delete from machine_move where at < ?").bind(before).execute(&mut **tx).await?;
    Ok(done.rows_affected())
}
