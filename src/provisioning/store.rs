//! SQL of the `run` and `run_event` tables.

use sqlx::{AnyConnection, Row, any::AnyRow};

use super::model::{RunKind, RunState};
use crate::{
    clock::Millis,
    db::{Tx, with_conditions},
    ids::{AccountId, LeaseId, RunId},
};

/// One execution of a playbook, as stored.
#[derive(Debug, Clone)]
pub struct RunRow {
    /// Its id.
    pub id: String,
    /// `provision` or `clean`.
    pub kind: String,
    /// The playbook's name.
    pub playbook: String,
    /// See [`RunState`].
    pub state: String,
    /// Whose reservation it served.
    pub account_id: String,
    /// Which reservation.
    pub reservation_id: String,
    /// Machine names, a JSON list.
    pub machines: String,
    /// Counts per machine, JSON.
    pub summary: String,
    /// What went wrong.
    pub error: Option<String>,
    /// When it began.
    pub started_at: Millis,
    /// When it ended.
    pub finished_at: Option<Millis>,
    /// The `seq` of its last line; 0 before there is one.
    pub lines: i64,
}

/// One line of a run's log, as stored.
#[derive(Debug, Clone)]
pub struct LineRow {
    /// Its place in the run, from 1.
    pub seq: i64,
    /// When.
    pub at: Millis,
    /// On which machine; empty: the run as a whole.
    pub machine: String,
    /// `task`, `log` or `note`.
    pub kind: String,
    /// The task's name.
    pub task: String,
    /// `ok`, `changed`, `failed`, …
    pub status: String,
    /// What there is to say.
    pub message: String,
}

pub(super) struct NewRun<'a> {
    pub id: RunId,
    pub kind: RunKind,
    pub playbook: &'a str,
    pub account: AccountId,
    pub reservation: LeaseId,
    pub machines: &'a str,
}

pub(super) async fn insert(tx: &mut Tx, run: &NewRun<'_>) -> sqlx::Result<()> {
    let now = tx.now;
    sqlx::query(
        "insert into run (id, kind, playbook, state, account_id, reservation_id, machines, summary, started_at) \
         values (?, ?, ?, ?, ?, ?, ?, '{}', ?)",
    )
    .bind(run.id.to_string())
    .bind(run.kind.as_str())
    .bind(run.playbook)
    .bind(RunState::Running.as_str())
    .bind(run.account.to_string())
    .bind(run.reservation.to_string())
    .bind(run.machines)
    .bind(now)
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Earlier runs of the same work that never ended belong to a process that is gone.
pub(super) async fn give_up_earlier(tx: &mut Tx, run: &NewRun<'_>) -> sqlx::Result<()> {
    let now = tx.now;
    sqlx::query(
        "update run set state = ?, finished_at = ?, error = ? \
         where reservation_id = ? and kind = ? and machines = ? and state = ? and id <> ?",
    )
    .bind(RunState::Lost.as_str())
    .bind(now)
    .bind("the process that ran it ended; another run took over")
    .bind(run.reservation.to_string())
    .bind(run.kind.as_str())
    .bind(run.machines)
    .bind(RunState::Running.as_str())
    .bind(run.id.to_string())
    .execute(&mut **tx)
    .await
    .map(drop)
}

pub(super) async fn finish(
    tx: &mut Tx,
    id: RunId,
    state: RunState,
    summary: &str,
    error: Option<&str>,
) -> sqlx::Result<()> {
    let now = tx.now;
    sqlx::query("update run set state = ?, summary = ?, error = ?, finished_at = ? where id = ? and state = ?")
        .bind(state.as_str())
        .bind(summary)
        .bind(error)
        .bind(now)
        .bind(id.to_string())
        .bind(RunState::Running.as_str())
        .execute(&mut **tx)
        .await
        .map(drop)
}

pub(super) async fn insert_line(tx: &mut Tx, run: RunId, line: &LineRow) -> sqlx::Result<()> {
    sqlx::query(
        "insert into run_event (run_id, seq, at, machine, kind, task, status, message) values (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(run.to_string())
    .bind(line.seq)
    .bind(line.at)
    .bind(line.machine.as_str())
    .bind(line.kind.as_str())
    .bind(line.task.as_str())
    .bind(line.status.as_str())
    .bind(line.message.as_str())
    .execute(&mut **tx)
    .await
    .map(drop)
}

const COLUMNS: &str = "id, kind, playbook, state, account_id, reservation_id, machines, summary, error, started_at, finished_at, \
     (select coalesce(max(seq), 0) from run_event where run_id = run.id)";

fn run_row(row: &AnyRow) -> sqlx::Result<RunRow> {
    Ok(RunRow {
        id: row.try_get(0)?,
        kind: row.try_get(1)?,
        playbook: row.try_get(2)?,
        state: row.try_get(3)?,
        account_id: row.try_get(4)?,
        reservation_id: row.try_get(5)?,
        machines: row.try_get(6)?,
        summary: row.try_get(7)?,
        error: row.try_get(8)?,
        started_at: row.try_get(9)?,
        finished_at: row.try_get(10)?,
        lines: row.try_get(11)?,
    })
}

/// One run.
pub async fn find(conn: &mut AnyConnection, id: &str) -> sqlx::Result<Option<RunRow>> {
    let text = with_conditions(&format!("select {COLUMNS} from run where {{}}"), &["id = ?"]);
    sqlx::query(text).bind(id).fetch_optional(conn).await?.as_ref().map(run_row).transpose()
}

/// What to list, newest first.
#[derive(Debug, Default)]
pub struct Filter<'a> {
    /// Only this person's.
    pub account: Option<AccountId>,
    /// Only this reservation's.
    pub reservation: Option<&'a str>,
    /// Only those this machine took part in.
    pub machine: Option<&'a str>,
    /// Only in this state.
    pub state: Option<RunState>,
    /// Only before this id.
    pub before: Option<&'a str>,
}

/// Runs, newest first.
pub async fn list(conn: &mut AnyConnection, filter: &Filter<'_>, limit: i64) -> sqlx::Result<Vec<RunRow>> {
    let mut conditions = Vec::new();
    if filter.account.is_some() {
        conditions.push("account_id = ?");
    }
    if filter.reservation.is_some() {
        conditions.push("reservation_id = ?");
    }
    if filter.machine.is_some() {
        // A name in quotes is found whole or not at all; nothing in it needs escaping in JSON.
        conditions.push("0 < instr(machines, ?)");
    }
    if filter.state.is_some() {
        conditions.push("state = ?");
    }
    if filter.before.is_some() {
        conditions.push("id < ?");
    }
    let text = format!("select {COLUMNS} from run where {{}} order by id desc limit ?");
    let mut query = sqlx::query(with_conditions(&text, &conditions));
    if let Some(account) = filter.account {
        query = query.bind(account.to_string());
    }
    if let Some(reservation) = filter.reservation {
        query = query.bind(reservation);
    }
    if let Some(machine) = filter.machine {
        query = query.bind(serde_json::Value::from(machine).to_string());
    }
    if let Some(state) = filter.state {
        query = query.bind(state.as_str());
    }
    if let Some(before) = filter.before {
        query = query.bind(before);
    }
    query.bind(limit).fetch_all(conn).await?.iter().map(run_row).collect()
}

/// The ids of a reservation's runs, oldest first.
pub async fn ids_of(conn: &mut AnyConnection, reservation: LeaseId) -> sqlx::Result<Vec<String>> {
    let rows = sqlx::query("select id from run where reservation_id = ? order by started_at, id")
        .bind(reservation.to_string())
        .fetch_all(conn)
        .await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

/// Which lines of a log to show.
#[derive(Debug, Default)]
pub struct LineFilter<'a> {
    /// Only after this `seq`.
    pub after: i64,
    /// Only of this machine.
    pub machine: Option<&'a str>,
    /// Only of this kind.
    pub kind: Option<&'a str>,
    /// Only with this status.
    pub status: Option<&'a str>,
    /// Only with this in the message or the task's name.
    pub text: Option<&'a str>,
}

/// The lines of a run that the filter lets through, in their order.
///
/// The primary key leads to the run and the place in it; from there on lines are looked at one by one. That takes 50 ms
/// for 200,000 lines, and an index would cost every line of every run a second write.
pub async fn lines(
    conn: &mut AnyConnection,
    run: &str,
    filter: &LineFilter<'_>,
    limit: i64,
) -> sqlx::Result<Vec<LineRow>> {
    let mut conditions = vec!["run_id = ?", "? < seq"];
    let equal = [(filter.machine, "machine = ?"), (filter.kind, "kind = ?"), (filter.status, "status = ?")];
    conditions.extend(equal.iter().filter(|(value, _)| value.is_some()).map(|(_, condition)| *condition));
    if filter.text.is_some() {
        conditions.push("(lower(message) like lower(?) escape '!' or lower(task) like lower(?) escape '!')");
    }
    let text = "select seq, at, machine, kind, task, status, message from run_event where {} order by seq limit ?";
    let mut query = sqlx::query(with_conditions(text, &conditions)).bind(run).bind(filter.after);
    for value in equal.iter().filter_map(|(value, _)| *value) {
        query = query.bind(value);
    }
    if let Some(text) = filter.text {
        let pattern = format!("%{}%", text.replace('!', "!!").replace('%', "!%").replace('_', "!_"));
        query = query.bind(pattern.clone()).bind(pattern);
    }
    let rows = query.bind(limit).fetch_all(conn).await?;
    rows.iter()
        .map(|row| {
            Ok(LineRow {
                seq: row.try_get(0)?,
                at: row.try_get(1)?,
                machine: row.try_get(2)?,
                kind: row.try_get(3)?,
                task: row.try_get(4)?,
                status: row.try_get(5)?,
                message: row.try_get(6)?,
            })
        })
        .collect()
}

/// Forgets the logs of runs that ended before `until`, and then the runs.
pub async fn prune(tx: &mut Tx, until: Millis) -> sqlx::Result<u64> {
    sqlx::query("delete from run_event where run_id in (select id from run where finished_at < ?)")
        .bind(until)
        .execute(&mut **tx)
        .await?;
    Ok(sqlx::query("delete from run where finished_at < ?").bind(until).execute(&mut **tx).await?.rows_affected())
}

/// How many runs go on now.
pub async fn count_running(conn: &mut AnyConnection) -> sqlx::Result<i64> {
    sqlx::query("select count(*) from run where state = 'running'").fetch_one(conn).await?.try_get(0)
}
