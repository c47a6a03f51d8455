//! Runs of playbooks on machines.

use anyhow::Result;
use clap::Subcommand;
use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::Value;

use super::{
    call::parse,
    client::Client,
    client_options::{ClientOptions, query},
    output::{Out, Rows, moment, plain},
};

/// Commands about runs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List runs
    #[command(
        after_help = "Examples:\n  berth runs list --reservation 01936f0c-0d7e-7a51-8a51-0f5f1f1f4f2a\n  berth runs list --machine quay-1 --state failed"
    )]
    List {
        /// Only of this reservation
        #[arg(long, value_name = "ID")]
        reservation: Option<String>,
        /// Only of this machine
        #[arg(long, value_name = "NAME")]
        machine: Option<String>,
        /// Only in this state: running, succeeded, failed, lost
        #[arg(long)]
        state: Option<String>,
        /// No more than this many
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: usize,
    },
    /// Show a run and what came of it on each machine
    Show {
        /// Its id
        id: String,
    },
    /// Show what a run did, step by step
    #[command(
        after_help = "Examples:\n  berth runs events 01936f0c-0d7e-7a51-8a51-0f5f1f1f4f2a\n  berth runs events 01936f0c-0d7e-7a51-8a51-0f5f1f1f4f2a --follow"
    )]
    Events {
        /// Its id
        id: String,
        /// Go on until the run is over
        #[arg(short, long)]
        follow: bool,
    },
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RunView {
    id: String,
    kind: String,
    playbook: Option<String>,
    state: String,
    reservation_id: Option<String>,
    machines: Vec<String>,
    started_at: Option<String>,
    finished_at: Option<String>,
    summary: Option<IndexMap<String, HostSummary>>,
    error: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct HostSummary {
    ok: u64,
    changed: u64,
    failed: u64,
    skipped: u64,
    unreachable: Value,
}

/// One thing that happened in a run.
#[derive(Debug, Deserialize, Default)]
#[serde(default)]
pub struct RunEvent {
    /// Its place in the run.
    pub seq: u64,
    at: Option<String>,
    /// On which machine.
    pub machine: Option<String>,
    task: Option<String>,
    status: Option<String>,
    message: Option<String>,
}

impl RunEvent {
    /// The event on one line: when, where, what, how it went.
    pub fn line(&self) -> String {
        let at = moment(self.at.as_deref());
        let clock = at.split_once(' ').map_or(at.as_str(), |(_, clock)| clock);
        let parts = [clock, self.machine.as_deref().unwrap_or_default(), &self.step()];
        plain(&parts.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join("  "))
    }

    /// What was done and how it went, without when and where.
    pub fn step(&self) -> String {
        let task = self.task.as_deref().filter(|text| !text.is_empty());
        let status = self.status.as_deref().filter(|text| !text.is_empty());
        let message = self.message.as_deref().map(str::trim_end).filter(|text| !text.is_empty());
        let what = [task, status].into_iter().flatten().collect::<Vec<_>>().join(": ");
        match (what.as_str(), message) {
            ("", message) => message.unwrap_or_default().to_owned(),
            (what, None) => what.to_owned(),
            (what, Some(message)) => format!("{what} ({message})"),
        }
    }

    /// Whether people must see it.
    pub fn is_bad(&self) -> bool {
        matches!(self.status.as_deref(), Some("failed" | "unreachable"))
    }
}

/// Runs one of them.
pub async fn run(command: Command, options: &ClientOptions) -> Result<()> {
    let client = options.client()?;
    let out = options.out();
    match command {
        Command::List { reservation, machine, state, limit } => {
            let wanted = [("reservation", &reservation), ("machine", &machine), ("state", &state)];
            let query = query(&wanted.map(|(name, value)| (name, value.as_deref())), &[]);
            let items = Value::Array(client.list(&["runs"], &query, Some(limit)).await?);
            out.show(&items, || {
                let mut rows =
                    Rows::list(&["ID", "KIND", "STATE", "MACHINES", "STARTED", "FINISHED", "ERROR"], "no runs");
                for run in parse::<Vec<RunView>>(&items)? {
                    let (from, to) = (moment(run.started_at.as_deref()), moment(run.finished_at.as_deref()));
                    let machines = run.machines.join(" ");
                    rows.row([run.id, run.kind, run.state, machines, from, to, run.error.unwrap_or_default()]);
                }
                Ok(rows)
            })
        }
        Command::Show { id } => {
            let value = client.get(&["runs", &id]).send().await?.value;
            if out.is_table() { show(parse(&value)?, out) } else { out.show(&value, || Ok(Rows::fields())) }
        }
        Command::Events { id, follow } => events(&client, &id, follow, out).await,
    }
}

fn show(run: RunView, out: Out) -> Result<()> {
    let mut rows = Rows::fields();
    rows.field("run", run.id);
    rows.field("kind", run.kind);
    rows.field("state", run.state);
    rows.field("playbook", run.playbook.unwrap_or_default());
    rows.field("reservation", run.reservation_id.unwrap_or_default());
    rows.field("machines", run.machines.join(" "));
    rows.field("started", moment(run.started_at.as_deref()));
    rows.field("finished", moment(run.finished_at.as_deref()));
    rows.field("error", run.error.unwrap_or_default());
    let mut hosts = Rows::list(&["MACHINE", "OK", "CHANGED", "FAILED", "SKIPPED", "UNREACHABLE"], "");
    for (name, summary) in run.summary.unwrap_or_default() {
        let HostSummary { ok, changed, failed, skipped, unreachable } = summary;
        let unreachable = if unreachable.is_null() { "0".to_owned() } else { unreachable.to_string() };
        hosts.row([name, ok.to_string(), changed.to_string(), failed.to_string(), skipped.to_string(), unreachable]);
    }
    let hosts = hosts.render(out);
    let gap = if hosts.is_empty() { "" } else { "\n" };
    super::output::print(&format!("{}{gap}{hosts}", rows.render(out)))
}

async fn events(client: &Client, id: &str, follow: bool, out: Out) -> Result<()> {
    let mut after = 0;
    let mut pace = tokio::time::interval(std::time::Duration::from_millis(500));
    loop {
        // Look at the state first: what happened before the end is then in the list that is read after.
        let running = follow && client.get(&["runs", id]).send().await?.value["state"] == "running";
        after = print_new(client, id, after, out).await?;
        if !running {
            return Ok(());
        }
        pace.tick().await;
    }
}

/// Prints what came after `after`, all pages of it; returns the last number.
async fn print_new(client: &Client, id: &str, mut after: u64, out: Out) -> Result<u64> {
    loop {
        let answer = client.get(&["runs", id, "events"]).query(&[("after", after.to_string())]).send().await?;
        let items = answer.value["items"].as_array().cloned().unwrap_or_default();
        let before = after;
        for item in &items {
            let event: RunEvent = parse(item)?;
            after = after.max(event.seq);
            out.event(item, || event.line())?;
        }
        if answer.value["next_cursor"].is_null() || after == before {
            return Ok(after);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_one_line_that_says_when_where_and_what() {
        let event: RunEvent = serde_json::from_value(json!({
            "seq": 3, "at": "2026-11-21T07:31:02Z", "machine": "quay-1", "kind": "task", "task": "make the account",
            "status": "changed", "message": "",
        }))
        .unwrap();
        assert_eq!(event.line(), "07:31:02Z  quay-1  make the account: changed");
        let note: RunEvent = serde_json::from_value(json!({"seq": 4, "kind": "note", "message": "started\n"})).unwrap();
        assert_eq!(note.line(), "started");
    }
}
