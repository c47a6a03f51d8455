//! Reservations: make, list, show, extend, release.

use std::time::Duration;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    call::parse,
    client::Client,
    client_options::{ClientOptions, label, label_map, query},
    credentials::public_key,
    fault::{FAILED, Fault},
    output::{Out, Rows, duration, labels, moment},
    terminal::{confirm, password_from_stdin, say},
    wait,
};

/// Releasing everything cleans every machine before it answers.
const RELEASE_ALL_PATIENCE: Duration = Duration::from_mins(30);

/// Among how many a part of an id is looked up.
const MOST: usize = 1000;

/// Book machines
#[derive(Debug, Args)]
#[command(
    after_help = "Your account on the machines has your user name. It lets in the SSH keys of your profile (`berth keys`), \
the key given with `--key`, the password given with `--password-stdin`; with none of these Berth makes a password and shows it \
once.\n\nAll machines or none: when the pool cannot serve the request now, the exit code is 5, or with `--queue` the request \
waits in line.\n\nExamples:\n  berth reserve 2 --for 60m --wait\n  berth reserve 1 --for 2h --label gpu=a100 --key ~/.ssh/id_ed25519.pub\n  \
berth reserve 10 --for 1d --queue --wait --timeout 30m\n  berth reserve 1 --for 30m --wait --output json | jq -r '.machines[0].ssh'"
)]
pub struct ReserveArgs {
    /// How many machines
    #[arg(default_value = "1", allow_negative_numbers = true)]
    count: i64,
    /// How long: minutes, or `90m`, `2h`, `1d`
    #[arg(long = "for", value_name = "DURATION", allow_hyphen_values = true)]
    duration: String,
    /// Only machines with this label; may be repeated
    #[arg(short, long = "label", value_name = "KEY=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
    /// Only machines of this pool
    #[arg(long)]
    pool: Option<String>,
    /// Begin then and not now: `2026-11-21T15:00:00Z`
    #[arg(long, value_name = "MOMENT")]
    starts_at: Option<String>,
    /// Let this public SSH key in; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    key: Option<String>,
    /// Let the password in that is the first line of standard input
    #[arg(long)]
    password_stdin: bool,
    /// Wait in line when the pool cannot serve this now
    #[arg(long)]
    queue: bool,
    #[command(flatten)]
    wait: WaitArgs,
}

/// Whether and how long to wait.
#[derive(Debug, Args)]
pub struct WaitArgs {
    /// Wait until it is done, and show the way there
    #[arg(short, long)]
    wait: bool,
    /// Stop waiting after this long, with exit code 7; the work goes on: `90s`, `10m`, `1h`
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = wait::span, requires = "wait")]
    timeout: Duration,
}

/// Commands about reservations.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List your reservations
    #[command(
        after_help = "Examples:\n  berth reservations list\n  berth reservations list --all --state active\n  berth reservations list --state ended --limit 20"
    )]
    List {
        /// Those of everyone (admins)
        #[arg(short, long)]
        all: bool,
        /// Only in this state: `live` (not over), `ended`, `any`, queued, provisioning, active, closed, …
        #[arg(long, default_value = "live")]
        state: String,
        /// No more than this many
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
    },
    /// Show a reservation and how to reach its machines
    Show {
        /// Its id, or an end of it that only one has
        id: String,
    },
    /// Keep the machines longer
    #[command(after_help = "Example:\n  berth reservations extend 4f2a 30m")]
    Extend {
        /// Its id, or an end of it that only one has
        id: String,
        /// How much longer: minutes, or `90m`, `2h`, `1d`
        #[arg(value_name = "DURATION", allow_hyphen_values = true)]
        duration: String,
    },
    /// Give the machines back
    #[command(
        visible_alias = "rm",
        after_help = "Examples:\n  berth reservations release 4f2a\n  berth reservations release 4f2a --wait"
    )]
    Release {
        /// Its id, or an end of it that only one has
        id: String,
        #[command(flatten)]
        wait: WaitArgs,
    },
}

/// Release every reservation of everyone (admins)
#[derive(Debug, Args)]
#[command(after_help = "The exit code is 1 if any could not be released.\n\nExample:\n  berth release-all --yes")]
pub struct ReleaseAllArgs {
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

/// A reservation as the server shows it.
#[derive(Debug, Deserialize, Default)]
#[serde(default)]
pub struct ReservationView {
    /// Its id.
    pub id: String,
    owner: String,
    /// `active`, `closed`, …
    pub state: String,
    pool: Option<String>,
    labels: Map<String, Value>,
    starts_at: Option<String>,
    expires_at: Option<String>,
    seconds_remaining: Option<i64>,
    closed_at: Option<String>,
    /// Why it is in that state.
    pub reason: Option<String>,
    /// The runs that prepared or cleaned its machines.
    pub runs: Vec<String>,
    /// Its machines and how to reach them.
    pub machines: Vec<Allotment>,
    count: u64,
    password: Option<String>,
}

/// One machine of a reservation.
#[derive(Debug, Deserialize, Default)]
#[serde(default)]
pub struct Allotment {
    /// The machine.
    pub machine: String,
    /// Where it is.
    pub host: Option<String>,
    /// Its SSH port.
    pub port: Option<u16>,
    /// How far it is.
    pub state: String,
    /// Your account there.
    pub username: Option<String>,
    ssh: Option<String>,
    /// The public host key, as `known_hosts` wants it.
    pub host_key: Option<String>,
    host_key_fingerprint: Option<String>,
    error: Option<String>,
}

impl ReservationView {
    fn fields(&self) -> Rows {
        let mut rows = Rows::fields();
        rows.field("reservation", &self.id);
        rows.field("owner", &self.owner);
        rows.field("state", &self.state);
        rows.field("reason", self.reason.clone().unwrap_or_default());
        rows.field("from", moment(self.starts_at.as_deref()));
        let left = self
            .seconds_remaining
            .filter(|seconds| 0 < *seconds)
            .map(|seconds| format!(" ({} left)", duration(seconds)));
        if self.expires_at.is_some() {
            rows.field("until", moment(self.expires_at.as_deref()) + &left.unwrap_or_default());
        }
        rows.field("closed", moment(self.closed_at.as_deref()));
        rows.field("pool", self.pool.clone().unwrap_or_default());
        rows.field("labels", labels(&self.labels));
        rows.field("password", self.password.clone().unwrap_or_default());
        rows
    }

    fn access(&self) -> Rows {
        let mut rows = Rows::list(&["MACHINE", "STATE", "ACCESS", "HOST KEY", "ERROR"], "");
        for one in &self.machines {
            let text = |value: &Option<String>| value.clone().unwrap_or_default();
            let (ssh, key) = (text(&one.ssh), text(&one.host_key_fingerprint));
            rows.row([one.machine.clone(), one.state.clone(), ssh, key, text(&one.error)]);
        }
        rows
    }

    /// The whole of it for people.
    fn render(&self, out: Out) -> String {
        let access = self.access().render(out);
        let gap = if access.is_empty() { "" } else { "\n" };
        format!("{}{gap}{access}", self.fields().render(out))
    }
}

/// Shows a reservation.
fn show(value: &Value, out: Out) -> Result<()> {
    if out.is_table() {
        super::output::print(&parse::<ReservationView>(value)?.render(out))
    } else {
        out.show(value, || Ok(Rows::fields()))
    }
}

/// Runs `berth reserve`.
pub async fn reserve(args: ReserveArgs, options: &ClientOptions) -> Result<()> {
    let client = options.client()?;
    let mut body = json!({"count": args.count, "duration": args.duration});
    if !args.labels.is_empty() {
        body["labels"] = label_map(&args.labels).into();
    }
    if let Some(key) = &args.key {
        if key == "-" && args.password_stdin {
            return Err(Fault::Usage("standard input cannot hold both the key and the password".into()).into());
        }
        body["ssh_public_key"] = public_key(key)?.into();
    }
    let has_password = args.password_stdin;
    if has_password {
        body["reservation_password"] = password_from_stdin()?.into();
    }
    if args.queue {
        body["wait"] = true.into();
    }
    for (key, value) in [("pool", args.pool), ("starts_at", args.starts_at)] {
        if let Some(value) = value {
            body[key] = value.into();
        }
    }
    let mut call = client.post(&["reservations"]).once_only().json(body);
    if has_password {
        call = call.secret();
    }
    let mut value = call.send().await?.value;
    let id = value["id"].as_str().unwrap_or_default().to_owned();
    if args.wait.wait {
        // The server shows the password once, and that was now.
        let password = value.get_mut("password").map(Value::take).filter(|password| !password.is_null());
        let ended = wait::until_ready(&client, &id, args.wait.timeout).await;
        if let (Err(_), Some(Value::String(password))) = (&ended, &password) {
            say(&format!("the password on its machines: {password}"));
        }
        value = ended?;
        if let Some(password) = password {
            value["password"] = password;
        }
    } else {
        say(&format!(
            "reservation {id} is {}; `berth reservations show {id}` tells when it is ready",
            value["state"].as_str().unwrap_or("made")
        ));
    }
    show(&value, options.out())
}

/// Runs one of the commands about reservations.
pub async fn run(command: Command, options: &ClientOptions) -> Result<()> {
    let client = options.client()?;
    let value = match command {
        Command::List { all, state, limit } => {
            let state = Some(state.as_str()).filter(|state| *state != "any");
            let query = query(&[("all", all.then_some("1")), ("state", state)], &[]);
            let items = Value::Array(client.list(&["reservations"], &query, limit).await?);
            return options.out().show(&items, || list(&items));
        }
        Command::Show { id } => {
            let id = full_id(&client, &id).await?;
            client.get(&["reservations", &id]).send().await?.value
        }
        Command::Extend { id, duration } => {
            let id = full_id(&client, &id).await?;
            client.post(&["reservations", &id, "extend"]).json(json!({"duration": duration})).send().await?.value
        }
        Command::Release { id, wait } => {
            let id = full_id(&client, &id).await?;
            if wait.wait {
                let before = client.get(&["reservations", &id]).send().await?.value;
                client.delete(&["reservations", &id]).send().await?;
                wait::until_closed(&client, &before, wait.timeout).await?
            } else {
                let value = client.delete(&["reservations", &id]).send().await?.value;
                say(&format!("reservation {id} is being released"));
                value
            }
        }
    };
    show(&value, options.out())
}

fn list(items: &Value) -> Result<Rows> {
    let mut rows = Rows::list(&["ID", "OWNER", "STATE", "MACHINES", "UNTIL", "LEFT", "REASON"], "no reservations");
    for one in parse::<Vec<ReservationView>>(items)? {
        let names: Vec<String> = one.machines.iter().map(|machine| machine.machine.clone()).collect();
        let machines = if names.is_empty() { format!("({} wanted)", one.count) } else { names.join(" ") };
        let left = one.seconds_remaining.filter(|seconds| 0 < *seconds).map(duration).unwrap_or_default();
        let until = moment(one.expires_at.as_deref());
        rows.row([one.id, one.owner, one.state, machines, until, left, one.reason.unwrap_or_default()]);
    }
    Ok(rows)
}

/// The id that a person meant: a whole one, or the beginning or end of one of theirs.
async fn full_id(client: &Client, given: &str) -> Result<String> {
    if uuid::Uuid::try_parse(given).is_ok() || given.is_empty() {
        return Ok(given.to_owned());
    }
    let mut found: Vec<String> = Vec::new();
    let (live, all) = (("state", "live".to_owned()), ("all", "1".to_owned()));
    // One's own, then everyone's, then one's own that are over: the first that has it.
    for query in [&[live.clone()][..], &[live, all.clone()], &[]] {
        let items = match client.list(&["reservations"], query, Some(MOST)).await {
            Err(error) if query.contains(&all) && super::fault::code_of(&error) == super::fault::FORBIDDEN => continue,
            other => other?,
        };
        let ids = items.iter().filter_map(|item| item["id"].as_str());
        found = ids.filter(|id| id.starts_with(given) || id.ends_with(given)).map(str::to_owned).collect();
        if !found.is_empty() {
            break;
        }
    }
    match found.as_slice() {
        [id] => Ok(id.clone()),
        [] => Err(Fault::NotFound(format!("you have no reservation `{given}`; see `berth reservations list`")).into()),
        many => {
            Err(Fault::Usage(format!("`{given}` is part of {} reservation ids; give more of it", many.len())).into())
        }
    }
}

/// Runs `berth release-all`.
pub async fn release_all(args: ReleaseAllArgs, options: &ClientOptions) -> Result<()> {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Released {
        reservation_id: String,
        owner: String,
        outcome: String,
        message: Option<String>,
    }
    let client = options.client()?;
    if !args.yes {
        confirm("Release every reservation of everyone?")?;
    }
    let answer = client.post(&["release_all"]).patience(Some(RELEASE_ALL_PATIENCE)).send().await?;
    options.out().show(&answer.value, || {
        let mut rows = Rows::list(&["RESERVATION", "OWNER", "OUTCOME", "MESSAGE"], "no reservations to release");
        for one in parse::<Vec<Released>>(&answer.value["results"])? {
            rows.row([one.reservation_id, one.owner, one.outcome, one.message.unwrap_or_default()]);
        }
        Ok(rows)
    })?;
    let failed = answer.value["failed"].as_u64().unwrap_or_default();
    say(&format!("released {}, failed {failed}", answer.value["released"].as_u64().unwrap_or_default()));
    if 0 < failed { Err(Fault::Said(FAILED).into()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::Format;

    #[test]
    fn a_reservation_is_shown_with_its_access_and_password() {
        let value = json!({
            "id": "r1", "owner": "alice", "state": "active", "expires_at": "2026-11-21T08:00:00Z", "seconds_remaining": 3540,
            "password": "tide-otter-42", "count": 1,
            "machines": [{"machine": "quay-1", "state": "active", "ssh": "ssh -p 22221 alice@127.0.0.1",
                          "host_key_fingerprint": "SHA256:abc", "error": null}],
        });
        let reservation: ReservationView = parse(&value).unwrap();
        let text = reservation.render(Out { format: Format::Table, colour: false, terminal: false });
        assert_eq!(
            text,
            "reservation  r1\nowner        alice\nstate        active\nuntil        2026-11-21 08:00:00Z (59m left)\n\
             password     tide-otter-42\n\n\
             MACHINE  STATE   ACCESS                        HOST KEY\n\
             quay-1   active  ssh -p 22221 alice@127.0.0.1  SHA256:abc\n"
        );
    }

    #[test]
    fn a_queued_reservation_says_how_many_it_waits_for() {
        let text = list(&json!([{"id": "r1", "owner": "a", "state": "queued", "count": 3}])).unwrap();
        let text = text.render(Out { format: Format::Table, colour: false, terminal: false });
        assert!(text.contains("(3 wanted)"), "{text}");
    }
}
