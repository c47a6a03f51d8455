//! SQL of the tables `machine` and `machine_label`, and below of `machine_move`.

use std::{collections::BTreeMap, str::FromStr};

use sqlx::{Any, AnyConnection, QueryBuilder, Row, SqlSafeStr, any::AnyRow};

pub use self::lists::{Filter, Holder, Search};
pub use self::moves::{Move, prune_moves};
pub(super) use self::{
    lists::{Version, holders, label_counts, names, page, version},
    moves::{moves, note_moves},
};
use super::model::{Machine, State};
use crate::{
    clock::Millis,
    db::{Lock, Tx, with_conditions},
    ids::{LeaseId, MachineId},
};

const HAS_LABEL: &str =
    "exists (select 1 from machine_label l where l.machine_id = m.id and l.label = ? and l.value = ?)";

/// Rows of one insert: 19 values each stay below the 32,766 that one statement may have.
const ROWS: usize = 500;

macro_rules! columns {
    () => {
        "m.id, m.name, m.host, m.port, m.login_user, m.pool, m.labels, m.jump, m.key_file, m.password_sealed, \
         m.host_keys, m.key_installed_at, m.facts, m.state, m.state_since, m.reason, m.held_by, m.touched_at, \
         m.then_state, m.then_reason, m.epoch, m.deadline, m.attempts, m.failures, m.last_error, m.next_try, \
         m.last_check_at, m.created_at"
    };
}

// Below the macro, which it needs.
mod lists;
mod moves;

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

/// Machines by name, the first `limit` of them. Retired machines are in no pool any more.
pub async fn first_by_name(conn: &mut AnyConnection, limit: i64) -> sqlx::Result<Vec<Machine>> {
    let select = concat!("select ", columns!(), " from machine m where m.state <> 'retired' order by m.name limit ?");
    sqlx::query(select).bind(limit).fetch_all(conn).await?.iter().map(machine_of).collect()
}

/// Any machine whose password is stored.
pub async fn any_with_password(conn: &mut AnyConnection) -> sqlx::Result<Option<Machine>> {
    let select = concat!("select ", columns!(), " from machine m where m.password_sealed is not null limit 1");
    one(&sqlx::query(select).fetch_all(conn).await?)
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

/// Ready machines, the longest unused first, locked. [`Lock::Skip`] leaves out those that somebody else is choosing or
/// writing about at this moment.
pub(super) async fn lock_ready(
    tx: &mut Tx,
    pool: &str,
    labels: &BTreeMap<String, String>,
    count: i64,
    lock: Lock,
) -> sqlx::Result<Vec<Machine>> {
    let text = concat!(
        "select ",
        columns!(),
        " from machine m where m.state = 'ready' and m.pool = ? and m.held_by is null and {} order by m.state_since limit ?"
    );
    let conditions = vec![HAS_LABEL; labels.len()];
    let select = tx.dialect.locking(with_conditions(text, &conditions).into_sql_str().as_str(), lock);
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

/// Writes all of a machine but its id, name and birth, if the row is still as it was at `epoch`.
pub(super) async fn swap(tx: &mut Tx, epoch: i64, machine: &Machine) -> sqlx::Result<bool> {
    let now = tx.now;
    let done = sqlx::query(
        "update machine set host = ?, port = ?, login_user = ?, pool = ?, labels = ?, jump = ?, key_file = ?, \
         password_sealed = ?, host_keys = ?, key_installed_at = ?, facts = ?, state = ?, state_since = ?, reason = ?, \
         held_by = ?, touched_at = ?, then_state = ?, then_reason = ?, epoch = ?, deadline = ?, attempts = ?, \
         failures = ?, last_error = ?, next_try = ?, last_check_at = ?, updated_at = ? where id = ? and epoch = ?",
    )
    .bind(&machine.host)
    .bind(i64::from(machine.port))
    .bind(&machine.login_user)
    .bind(&machine.pool)
    .bind(labels_text(&machine.labels))
    .bind(machine.jump.as_deref().unwrap_or_default())
    .bind(machine.key_file.as_deref())
    .bind(machine.password_sealed.as_deref())
    .bind(host_keys_text(machine))
    .bind(machine.key_installed_at)
    .bind(facts_text(machine))
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
    .bind(now)
    .bind(machine.id.to_string())
    .bind(epoch)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Notes a probe that moves nothing, unless the machine moved.
pub(super) async fn note_check(tx: &mut Tx, machine: &Machine) -> sqlx::Result<()> {
    sqlx::query("update machine set last_check_at = ?, last_error = ?, facts = ? where id = ? and epoch = ?")
        .bind(machine.last_check_at)
        .bind(machine.last_error.as_deref())
        .bind(facts_text(machine))
        .bind(machine.id.to_string())
        .bind(machine.epoch)
        .execute(&mut **tx)
        .await
        .map(drop)
}

/// Inserts machines and their labels, many rows at a time.
pub(super) async fn insert(tx: &mut Tx, machines: &[Machine]) -> sqlx::Result<()> {
    let now = tx.now;
    for chunk in machines.chunks(ROWS) {
        let mut query = QueryBuilder::<Any>::new(
            "insert into machine (id, name, host, port, login_user, pool, labels, jump, key_file, password_sealed, \
             host_keys, state, state_since, reason, epoch, attempts, failures, created_at, updated_at) ",
        );
        query.push_values(chunk, |mut row, machine| {
            row.push_bind(machine.id.to_string())
                .push_bind(&machine.name)
                .push_bind(&machine.host)
                .push_bind(i64::from(machine.port))
                .push_bind(&machine.login_user)
                .push_bind(&machine.pool)
                .push_bind(labels_text(&machine.labels))
                .push_bind(machine.jump.as_deref().unwrap_or_default())
                .push_bind(machine.key_file.as_deref())
                .push_bind(machine.password_sealed.as_deref())
                .push_bind(host_keys_text(machine))
                .push_bind(machine.state.as_str())
                .push_bind(machine.state_since)
                .push_bind(machine.reason.as_deref())
                .push_bind(machine.epoch)
                .push_bind(machine.attempts)
                .push_bind(machine.failures)
                .push_bind(machine.created_at)
                .push_bind(now);
        });
        query.build().execute(&mut **tx).await?;
    }
    insert_labels(tx, machines).await
}

async fn insert_labels(tx: &mut Tx, machines: &[Machine]) -> sqlx::Result<()> {
    let rows: Vec<_> = machines
        .iter()
        .flat_map(|machine| machine.labels.iter().map(move |(label, value)| (machine.id, label, value)))
        .collect();
    for chunk in rows.chunks(ROWS) {
        let mut query = QueryBuilder::<Any>::new("insert into machine_label (machine_id, label, value) ");
        query.push_values(chunk, |mut row, (id, label, value)| {
            row.push_bind(id.to_string()).push_bind(*label).push_bind(*value);
        });
        query.build().execute(&mut **tx).await?;
    }
    Ok(())
}

/// Makes the rows of `machine_label` those of the machine.
pub(super) async fn relabel(tx: &mut Tx, machine: &Machine) -> sqlx::Result<()> {
    delete_labels(tx, machine.id).await?;
    insert_labels(tx, std::slice::from_ref(machine)).await
}

async fn delete_labels(tx: &mut Tx, id: MachineId) -> sqlx::Result<()> {
    sqlx::query("delete from machine_label where machine_id = ?")
        .bind(id.to_string())
        .execute(&mut **tx)
        .await
        .map(drop)
}

/// Deletes a machine that nobody holds. False: somebody moved it.
pub(super) async fn delete(tx: &mut Tx, machine: &Machine) -> sqlx::Result<bool> {
    let done = sqlx::query("delete from machine where id = ? and epoch = ? and held_by is null")
        .bind(machine.id.to_string())
        .bind(machine.epoch)
        .execute(&mut **tx)
        .await?;
    if done.rows_affected() != 1 {
        return Ok(false);
    }
    delete_labels(tx, machine.id).await?;
    moves::delete_moves(tx, machine.id).await?;
    Ok(true)
}

/// The machine at this address.
pub(super) async fn at_address(
    conn: &mut AnyConnection,
    host: &str,
    port: u16,
    jump: Option<&str>,
) -> sqlx::Result<Option<Machine>> {
    let select = concat!("select ", columns!(), " from machine m where m.host = ? and m.port = ? and m.jump = ?");
    let query = sqlx::query(select).bind(host).bind(i64::from(port)).bind(jump.unwrap_or_default());
    one(&query.fetch_all(conn).await?)
}

/// All machines, by name.
pub(super) async fn all(conn: &mut AnyConnection) -> sqlx::Result<Vec<Machine>> {
    let select = concat!("select ", columns!(), " from machine m order by m.name");
    sqlx::query(select).fetch_all(conn).await?.iter().map(machine_of).collect()
}

/// All machines, locked until the transaction ends, by name.
pub(super) async fn lock_all(tx: &mut Tx) -> sqlx::Result<Vec<Machine>> {
    let select = tx.dialect.locking(concat!("select ", columns!(), " from machine m order by m.name"), Lock::Wait);
    sqlx::query(select).fetch_all(&mut **tx).await?.iter().map(machine_of).collect()
}

/// Machines that wait to be connected to, by id. `register::waits` decides again under the lock.
pub(super) async fn waiting(
    conn: &mut AnyConnection,
    now: Millis,
    after: Option<MachineId>,
    limit: i64,
) -> sqlx::Result<Vec<MachineId>> {
    let rows = sqlx::query(
        "select m.id from machine m where m.id > ? and m.touched_at is null and m.held_by is null and \
         (m.state = 'new' or (m.state = 'checking' and (m.deadline is null or m.deadline <= ?)) or \
         (m.state = 'quarantined' and m.next_try <= ?)) order by m.id limit ?",
    )
    .bind(after.map(|id| id.to_string()).unwrap_or_default())
    .bind(now)
    .bind(now)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.iter().map(|row| parsed("id", row.try_get::<&str, _>(0)?)).collect()
}

/// Quarantined machines that a lease touched and that are due for another cleaning, by id.
pub async fn due_for_cleaning(conn: &mut AnyConnection, now: Millis, limit: i64) -> sqlx::Result<Vec<Machine>> {
    let select = concat!(
        "select ",
        columns!(),
        " from machine m where m.state = 'quarantined' and m.touched_at is not null and m.next_try <= ? \
         order by m.next_try limit ?"
    );
    sqlx::query(select).bind(now).bind(limit).fetch_all(conn).await?.iter().map(machine_of).collect()
}

/// Ready machines that nobody looked at since, by id.
pub(super) async fn unchecked(
    conn: &mut AnyConnection,
    since: Millis,
    after: Option<MachineId>,
    limit: i64,
) -> sqlx::Result<Vec<Machine>> {
    let select = concat!(
        "select ",
        columns!(),
        " from machine m where m.state = 'ready' and m.id > ? and (m.last_check_at is null or m.last_check_at < ?) \
         order by m.id limit ?"
    );
    let query = sqlx::query(select).bind(after.map(|id| id.to_string()).unwrap_or_default()).bind(since).bind(limit);
    query.fetch_all(conn).await?.iter().map(machine_of).collect()
}

/// How many machines are in each state.
pub async fn count_by_state(conn: &mut AnyConnection) -> sqlx::Result<BTreeMap<State, i64>> {
    let rows = sqlx::query("select state, count(*) from machine group by state").fetch_all(conn).await?;
    rows.iter().map(|row| Ok((parsed("state", row.try_get::<&str, _>(0)?)?, row.try_get(1)?))).collect()
}

/// Since when the machine is set aside that is so the longest; none: none is.
pub async fn oldest_quarantine(conn: &mut AnyConnection) -> sqlx::Result<Option<Millis>> {
    sqlx::query("select min(state_since) from machine where state = 'quarantined'").fetch_one(conn).await?.try_get(0)
}

/// How many machines each pool has, and how many of them are ready. Retired machines are in no pool any more.
pub async fn count_by_pool(conn: &mut AnyConnection) -> sqlx::Result<BTreeMap<String, (i64, i64)>> {
    let rows = sqlx::query(
        "select pool, count(*), cast(sum(case when state = 'ready' then 1 else 0 end) as signed) from machine \
         where state <> 'retired' group by pool",
    )
    .fetch_all(conn)
    .await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, (row.try_get(1)?, row.try_get(2)?)))).collect()
}
