//! The pool's machines.

mod change;

use std::time::Duration;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    call::parse,
    client_options::{ClientOptions, label, label_map, query},
    output::{Rows, bytes, labels, moment},
    terminal::{ask_password, confirm, password_from_stdin, say},
};

/// A machine may be slow to answer, and the server waits for it.
const MACHINE_PATIENCE: Duration = Duration::from_mins(5);

/// Commands about machines.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List machines
    #[command(
        after_help = "Examples:\n  berth machines list\n  berth machines list --state quarantined\n  berth machines list --label gpu=a100 --pool lab --output json"
    )]
    List {
        /// Only in this state: ready, leased, quarantined, …
        #[arg(long)]
        state: Option<String>,
        /// Only with this label; may be repeated
        #[arg(short, long = "label", value_name = "KEY=VALUE", value_parser = label)]
        labels: Vec<(String, String)>,
        /// Only of this pool
        #[arg(long)]
        pool: Option<String>,
        /// Only where the name holds this text
        #[arg(short, long, value_name = "TEXT")]
        query: Option<String>,
        /// No more than this many
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
    },
    /// Show a machine
    Show {
        /// The machine
        name: String,
    },
    /// Show what a machine went through, newest first
    #[command(
        after_help = "Examples:\n  berth machines history quay-3\n  berth machines history quay-3 --limit 20 --output json"
    )]
    History {
        /// The machine
        name: String,
        /// No more than this many
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: usize,
    },
    Add(Box<AddArgs>),
    Change(Box<change::Args>),
    /// Take a machine out of the pool
    #[command(visible_alias = "rm")]
    Remove {
        /// The machine
        name: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Connect to a machine now and tell how it is
    Check {
        /// The machine
        name: String,
        /// Pin whatever host key it shows now; for a machine that you know was rebuilt
        #[arg(long)]
        accept_new_host_key: bool,
    },
    /// Set a machine aside, so that nobody gets it
    #[command(after_help = "Example:\n  berth machines quarantine quay-3 --reason 'fan is loud'")]
    Quarantine {
        /// The machine
        name: String,
        /// Why; others see it
        #[arg(long)]
        reason: String,
    },
    /// Clean a quarantined machine and offer it again
    Release {
        /// The machine
        name: String,
    },
}

/// Add one machine; for many, see `berth register`
#[derive(Debug, Args)]
#[command(after_help = "The password is used once, to install Berth's own key.\n\nExamples:\n  \
berth machines add quay-1 --host 10.0.0.7 --user root --ask-password\n  \
berth machines add quay-2 --host 10.0.0.8 --port 2222 --user admin --key-file /etc/berth/lab_key --label gpu=a100")]
pub struct AddArgs {
    /// The machine's name in Berth
    name: String,
    /// Its host name or address, as the server reaches it
    #[arg(long)]
    host: String,
    /// Its SSH port
    #[arg(long, default_value_t = 22)]
    port: u16,
    /// The user to log in as: root, or one who may `sudo` without a password
    #[arg(long, default_value = "root")]
    user: String,
    /// Ask for that user's password
    #[arg(long, conflicts_with = "password_stdin")]
    ask_password: bool,
    /// Read that user's password from the first line of standard input
    #[arg(long)]
    password_stdin: bool,
    /// A private key file on the server
    #[arg(long, value_name = "FILE")]
    key_file: Option<String>,
    /// A label; may be repeated
    #[arg(short, long = "label", value_name = "KEY=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
    /// The pool it belongs to
    #[arg(long)]
    pool: Option<String>,
    /// Its public host key (`ssh-ed25519 AAAA…`), when you know it; else the first one shown is pinned
    #[arg(long, value_name = "KEY")]
    host_key: Option<String>,
    /// The way there, like ssh's `-J`
    #[arg(long, value_name = "[USER@]HOST[:PORT]")]
    jump: Option<String>,
}

/// Show how many machines can be had now
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  berth available\n  berth available --label gpu=a100\n  berth available --output json | jq '.available | length'"
)]
pub struct AvailableArgs {
    /// Only with this label; may be repeated
    #[arg(short, long = "label", value_name = "KEY=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
    /// Only of this pool
    #[arg(long)]
    pool: Option<String>,
}

/// A machine as the server shows it.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct MachineView {
    name: String,
    host: Option<String>,
    port: Option<u16>,
    user: Option<String>,
    pool: Option<String>,
    labels: Map<String, Value>,
    /// What `ssh -J` needs, if anything.
    pub jump: Option<String>,
    state: String,
    reason: Option<String>,
    state_since: Option<String>,
    holder: Option<Holder>,
    facts: Option<Facts>,
    host_key_fingerprint: Option<String>,
    last_check_at: Option<String>,
    last_error: Option<String>,
    attempts: Option<u64>,
    next_try_at: Option<String>,
    created_at: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Holder {
    username: String,
    reservation_id: String,
    until: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Facts {
    os: Option<String>,
    kernel: Option<String>,
    arch: Option<String>,
    cpus: Option<u64>,
    memory_bytes: Option<u64>,
}

impl MachineView {
    fn address(&self) -> String {
        match (&self.host, self.port) {
            (Some(host), Some(port)) if host.contains(':') => format!("[{host}]:{port}"),
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (Some(host), None) => host.clone(),
            (None, _) => String::new(),
        }
    }

    fn fields(self) -> Rows {
        let mut rows = Rows::fields();
        let address = self.address();
        rows.field("name", self.name);
        rows.field("state", self.state);
        rows.field("reason", self.reason.unwrap_or_default());
        rows.field("since", moment(self.state_since.as_deref()));
        if let Some(holder) = self.holder {
            let until = moment(holder.until.as_deref());
            rows.field("held by", format!("{} until {until} (reservation {})", holder.username, holder.reservation_id));
        }
        rows.field("address", address);
        rows.field("login", self.user.unwrap_or_default());
        rows.field("jump", self.jump.unwrap_or_default());
        rows.field("pool", self.pool.unwrap_or_default());
        rows.field("labels", labels(&self.labels));
        if let Some(facts) = self.facts {
            rows.field("system", facts.os.unwrap_or_default());
            rows.field("kernel", [facts.kernel, facts.arch].into_iter().flatten().collect::<Vec<_>>().join(" "));
            rows.field("cpus", facts.cpus.map(|count| count.to_string()).unwrap_or_default());
            rows.field("memory", facts.memory_bytes.map(bytes).unwrap_or_default());
        }
        rows.field("host key", self.host_key_fingerprint.unwrap_or_default());
        rows.field("last check", moment(self.last_check_at.as_deref()));
        rows.field("last error", self.last_error.unwrap_or_default());
        if let Some(attempts) = self.attempts.filter(|attempts| 0 < *attempts) {
            rows.field("attempts", attempts.to_string());
        }
        rows.field("next try", moment(self.next_try_at.as_deref()));
        rows.field("added", moment(self.created_at.as_deref()));
        rows
    }
}

/// Runs one of them.
pub async fn run(command: Command, options: &ClientOptions) -> Result<()> {
    let client = options.client()?;
    let value = match command {
        Command::List { state, labels, pool, query: text, limit } => {
            let query =
                query(&[("state", state.as_deref()), ("pool", pool.as_deref()), ("q", text.as_deref())], &labels);
            let items = Value::Array(client.list(&["machines"], &query, limit).await?);
            return options.out().show(&items, || list(&items));
        }
        Command::Show { name } => client.get(&["machines", &name]).send().await?.value,
        Command::History { name, limit } => {
            let items = Value::Array(client.list(&["machines", &name, "history"], &[], Some(limit)).await?);
            return options.out().show(&items, || moves(&items));
        }
        Command::Add(args) => {
            let body = args.body()?;
            let call = client.post(&["machines"]).once_only().secret().patience(Some(MACHINE_PATIENCE)).json(body);
            let answer = call.send().await?.value;
            for step in answer["steps"].as_array().into_iter().flatten() {
                say(&crate::cli::output::plain(step.as_str().unwrap_or_default()));
            }
            let out = options.out();
            return out.show(&answer, || Ok(parse::<MachineView>(answer.get("machine").unwrap_or(&answer))?.fields()));
        }
        Command::Remove { name, yes } => {
            if !yes {
                confirm(&format!("Remove the machine {name}?"))?;
            }
            client.delete(&["machines", &name]).send().await?;
            say(&format!("machine {name} removed"));
            return Ok(());
        }
        Command::Check { name, accept_new_host_key } => {
            let mut call = client.post(&["machines", &name, "check"]).patience(Some(MACHINE_PATIENCE));
            if accept_new_host_key {
                call = call.json(json!({"accept_new_host_key": true}));
            }
            call.send().await?.value
        }
        Command::Change(args) => change::run(*args, &client).await?,
        Command::Quarantine { name, reason } => {
            client.post(&["machines", &name, "quarantine"]).json(json!({"reason": reason})).send().await?.value
        }
        Command::Release { name } => client.post(&["machines", &name, "release"]).send().await?.value,
    };
    options.out().show(&value, || Ok(parse::<MachineView>(&value)?.fields()))
}

impl AddArgs {
    fn body(self) -> Result<Value> {
        let mut body = json!({"name": self.name, "host": self.host, "port": self.port, "user": self.user});
        if self.ask_password {
            body["password"] = ask_password(&format!("Password of {}@{}", self.user, self.host))?.into();
        } else if self.password_stdin {
            body["password"] = password_from_stdin()?.into();
        }
        if !self.labels.is_empty() {
            body["labels"] = label_map(&self.labels).into();
        }
        let texts =
            [("key_file", self.key_file), ("pool", self.pool), ("host_key", self.host_key), ("jump", self.jump)];
        for (key, value) in texts {
            if let Some(value) = value {
                body[key] = value.into();
            }
        }
        Ok(body)
    }
}

fn list(items: &Value) -> Result<Rows> {
    let mut rows =
        Rows::list(&["NAME", "STATE", "POOL", "LABELS", "HELD BY", "UNTIL", "ADDRESS", "REASON"], "no machines");
    for machine in parse::<Vec<MachineView>>(items)? {
        let address = machine.address();
        let (holder, until) = match &machine.holder {
            Some(holder) => (holder.username.clone(), moment(holder.until.as_deref())),
            None => Default::default(),
        };
        let labels = labels(&machine.labels);
        let pool = machine.pool.unwrap_or_default();
        rows.row([
            machine.name,
            machine.state,
            pool,
            labels,
            holder,
            until,
            address,
            machine.reason.unwrap_or_default(),
        ]);
    }
    Ok(rows)
}

fn moves(items: &Value) -> Result<Rows> {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Move {
        at: Option<String>,
        from: String,
        to: String,
        holder: Option<String>,
        reason: Option<String>,
    }
    let mut rows = Rows::list(&["AT", "FROM", "TO", "HELD BY", "REASON"], "nothing in the last 90 days");
    for one in parse::<Vec<Move>>(items)? {
        let (holder, reason) = (one.holder.unwrap_or_default(), one.reason.unwrap_or_default());
        rows.row([moment(one.at.as_deref()), one.from, one.to, holder, reason]);
    }
    Ok(rows)
}

/// Runs `berth available`.
pub async fn available(args: AvailableArgs, options: &ClientOptions) -> Result<()> {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Available {
        #[serde(rename = "available")]
        free: Vec<String>,
        reserved: Vec<String>,
        counts: Map<String, Value>,
        labels: std::collections::BTreeMap<String, LabelCount>,
    }
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct LabelCount {
        available: u64,
        total: u64,
    }
    let client = options.client()?;
    let answer =
        client.get(&["available"]).query(&query(&[("pool", args.pool.as_deref())], &args.labels)).send().await?;
    options.out().show(&answer.value, || {
        let now: Available = answer.parse()?;
        let mut rows = Rows::fields();
        rows.row(["available".to_owned(), format!("{} {}", now.free.len(), now.free.join(" "))]);
        rows.row(["reserved".to_owned(), format!("{} {}", now.reserved.len(), now.reserved.join(" "))]);
        let counted = now.counts.iter().filter(|(_, count)| count.as_u64() != Some(0));
        rows.field("states", counted.map(|(state, count)| format!("{state} {count}")).collect::<Vec<_>>().join(", "));
        for (label, count) in now.labels {
            rows.field(&label, format!("{} of {} available", count.available, count.total));
        }
        Ok(rows)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::{Format, Out};

    const PLAIN: Out = Out { format: Format::Table, colour: false, terminal: false };

    #[test]
    fn a_machine_is_listed_with_what_the_reader_may_see() {
        let items = json!([
            {"name": "quay-1", "state": "leased", "pool": "default", "labels": {"gpu": "a100"}, "host": "10.0.0.1", "port": 22,
             "holder": {"username": "alice", "reservation_id": "r", "until": "2026-11-21T08:00:00Z"}, "reason": null, "new_field": 1},
            {"name": "quay-2", "state": "ready"},
        ]);
        let text = list(&items).unwrap().render(PLAIN);
        assert_eq!(
            text,
            "NAME    STATE   POOL     LABELS    HELD BY  UNTIL                 ADDRESS\n\
             quay-1  leased  default  gpu=a100  alice    2026-11-21 08:00:00Z  10.0.0.1:22\n\
             quay-2  ready\n"
        );
    }

    #[test]
    fn an_ipv6_address_is_shown_in_brackets() {
        let machine = MachineView { host: Some("fe80::1".into()), port: Some(22), ..MachineView::default() };
        assert_eq!(machine.address(), "[fe80::1]:22");
    }
}
