//! SQL of the tables `machine` and `machine_label`.

use std::{collections::BTreeMap, str::FromStr};

use sqlx::{AnyConnection, Row, SqlSafeStr, any::AnyRow};

use super::model::{Machine, State};
use crate::{
    db::{Lock, Tx, with_conditions},
    ids::{LeaseId, MachineId},
};

const HAS_LABEL: &str =
    "exists (select 1 from machine_label l where l.machine_id = m.id and l.label = ? and l.value = ?)";

macro_rules! columns {
    () => {
        "m.id, m.name, m.host, m.port, m.login_user, m.pool, m.labels, m.jump, m.key_file, m.password_sealed, \
         m.host_keys, m.key_installed_at, m.facts, m.state, m.state_since, m.reason, m.held_by, m.touched_at, \
         m.then_state, m.then_reason, m.epoch, m.deadline, m.attempts, m.failures, m.last_error, m.next_try, \
         m.last_check_at, m.created_at"
    };
}

fn bad(column: &str, error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: column.to_owned(), source: Box::new(error) }
}

fn parsed<T: FromStr>(column: &str, text: &str) -> sqlx::Result<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text.parse().map_err(|error| bad(column, error))
}

fn machine_of(row: &AnyRow) -> sqlx::Result<Machine> {
    let optional = |at: usize| row.try_get::<Option<String>, _>(at);
    let facts: Option<String> = optional(12)?;
    let held_by: Option<String> = optional(16)?;
    let then_state: Option<String> = optional(18)?;
    let jump: String = row.try_get(7)?;
    Ok(Machine {
        id: parsed("id", row.try_get::<&str, _>(0)?)?,
        name: row.try_get(1)?,
        host: row.try_get(2)?,
        port: u16::try_from(row.try_get::<i64, _>(3)?).map_err(|error| bad("port", error))?,
        login_user: row.try_get(4)?,
        pool: row.try_get(5)?,
        labels: serde_json::from_str(row.try_get::<&str, _>(6)?).map_err(|error| bad("labels", error))?,
        jump: (!jump.is_empty()).then_some(jump),
        key_file: optional(8)?,
        password_sealed: optional(9)?,
        host_keys: optional(10)?.unwrap_or_default().lines().map(str::to_owned).collect(),
        key_installed_at: row.try_get(11)?,
        facts: facts.map(|text| serde_json::from_str(&text)).transpose().map_err(|error| bad("facts", error))?,
        state: parsed("state", row.try_get::<&str, _>(13)?)?,
        state_since: row.try_get(14)?,
        reason: optional(15)?,
        held_by: held_by.map(|text| parsed("held_by", &text)).transpose()?,
        touched_at: row.try_get(17)?,
        then_state: then_state.map(|text| parsed("then_state", &text)).transpose()?,
        then_reason: optional(19)?,
        epoch: row.try_get(20)?,
        deadline: row.try_get(21)?,
        attempts: row.try_get(22)?,
        failures: row.try_get(23)?,
        last_error: optional(24)?,
        next_try: row.try_get(25)?,
        last_check_at: row.try_get(26)?,
        created_at: row.try_get(27)?,
    })
}

fn labels_text(labels: &BTreeMap<String, String>) -> String {
    serde_json::to_string(labels).expect("a map of texts is always JSON")
}

fn host_keys_text(machine: &Machine) -> Option<String> {
    (!machine.host_keys.is_empty()).then(|| machine.host_keys.join("\n"))
}

fn facts_text(machine: &Machine) -> Option<String> {
    machine.facts.as_ref().map(|facts| serde_json::to_string(facts).expect("facts are always JSON"))
}

fn one(rows: &[AnyRow]) -> sqlx::Result<Option<Machine>> {
    rows.first().map(machine_of).transpose()
}

/// The machine of this name.
pub async fn find(conn: &mut AnyConnection, name: &str) -> sqlx::Result<Option<Machine>> {
    let select = concat!("select ", columns!(), " from machine m where m.name = ?");
    one(&sqlx::query(select).bind(name).fetch_all(conn).await?)
}

/// The machine of this id.
pub async fn by_id(conn: &mut AnyConnection, id: MachineId) -> sqlx::Result<Option<Machine>> {
    let select = concat!("select ", columns!(), " from machine m where m.id = ?");
    one(&sqlx::query(select).bind(id.to_string()).fetch_all(conn).await?)
}

/// The machine of this id, locked until the transaction ends.
pub async fn lock(tx: &mut Tx, id: MachineId) -> sqlx::Result<Option<Machine>> {
    let select = tx.dialect.locking(concat!("select ", columns!(), " from machine m where m.id = ?"), Lock::Wait);
    one(&sqlx::query(select).bind(id.to_string()).fetch_all(&mut **tx).await?)
}

/// The machines that this lease has.
pub async fn held_by(conn: &mut AnyConnection, lease: LeaseId) -> sqlx::Result<Vec<Machine>> {
    let select = concat!("select ", columns!(), " from machine m where m.held_by = ? order by m.name");
    sqlx::query(select).bind(lease.to_string()).fetch_all(conn).await?.iter().map(machine_of).collect()
}

/// Ready machines that nobody else is choosing at this moment, the longest unused first, locked.
pub(super) async fn lock_ready(
    tx: &mut Tx,
    pool: &str,
    labels: &BTreeMap<String, String>,
    count: i64,
) -> sqlx::Result<Vec<Machine>> {
    let text = concat!(
        "select ",
        columns!(),
        " from machine m where m.state = 'ready' and m.pool = ? and m.held_by is null and {} order by m.state_since limit ?"
    );
    let conditions = vec![HAS_LABEL; labels.len()];
    let select = tx.dialect.locking(with_conditions(text, &conditions).into_sql_str().as_str(), Lock::Skip);
    let mut query = sqlx::query(select).bind(pool);
    for (label, value) in labels {
        query = query.bind(label).bind(value);
    }
    query.bind(count).fetch_all(&mut **tx).await?.iter().map(machine_of).collect()
}

/// Gives a ready machine to a lease. False: it moved meanwhile.
pub(super) async fn hold(tx: &mut Tx, machine: &Machine, lease: LeaseId) -> sqlx::Result<bool> {
    let now = tx.now;
    let done = sqlx::query(
        "update machine set state = 'held', held_by = ?, epoch = epoch + 1, state_since = ?, attempts = 0, \
         reason = null, next_try = null, updated_at = ? where id = ? and epoch = ? and state = 'ready' and held_by is null",
    )
    .bind(lease.to_string())
    .bind(now)
    .bind(now)
    .bind(machine.id.to_string())
    .bind(machine.epoch)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Writes everything a move may change, if the row is still as it was at `epoch`.
pub(super) async fn swap(tx: &mut Tx, epoch: i64, machine: &Machine) -> sqlx::Result<bool> {
    let now = tx.now;
    let done = sqlx::query(
        "update machine set state = ?, state_since = ?, reason = ?, held_by = ?, touched_at = ?, then_state = ?, \
         then_reason = ?, epoch = ?, deadline = ?, attempts = ?, failures = ?, last_error = ?, next_try = ?, \
         last_check_at = ?, host_keys = ?, key_installed_at = ?, facts = ?, password_sealed = ?, updated_at = ? \
         where id = ? and epoch = ?",
    )
    .bind(machine.state.as_str())
    .bind(machine.state_since)
    .bind(machine.reason.as_deref())
    .bind(machine.held_by.map(|id| id.to_string()))
    .bind(machine.touched_at)
    .bind(machine.then_state.map(State::as_str))
    .bind(machine.then_reason.as_deref())
    .bind(machine.epoch)
    .bind(machine.deadline)
    .bind(machine.attempts)
    .bind(machine.failures)
    .bind(machine.last_error.as_deref())
    .bind(machine.next_try)
    .bind(machine.last_check_at)
    .bind(host_keys_text(machine))
    .bind(machine.key_installed_at)
    .bind(facts_text(machine))
    .bind(machine.password_sealed.as_deref())
    .bind(now)
    .bind(machine.id.to_string())
    .bind(epoch)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}
