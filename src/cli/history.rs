//! What happened lately, kept for a week.

use anyhow::Result;
use clap::Args as ClapArgs;
use serde::Deserialize;
use serde_json::Value;

use super::{
    call::parse,
    client_options::{ClientOptions, query},
    output::{Rows, moment},
};

/// Show what happened in the last week, newest first
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Members see what concerns them; admins see everything. What happens from now on: `berth events --follow`.\n\nExamples:\n  \
berth history\n  berth history --machine quay-3\n  berth history --reservation 0199a3f2-… --output json | jq '.[].message'"
)]
pub struct Args {
    /// Only about this machine
    #[arg(long, value_name = "NAME")]
    machine: Option<String>,
    /// Only about the reservation of this id
    #[arg(long, value_name = "ID")]
    reservation: Option<String>,
    /// No more than this many
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Event {
    at: Option<String>,
    kind: String,
    machine: Option<String>,
    message: String,
}

/// Runs it.
pub async fn run(args: Args, options: &ClientOptions) -> Result<()> {
    let client = options.client()?;
    let about = query(&[("machine", args.machine.as_deref()), ("reservation", args.reservation.as_deref())], &[]);
    let items = Value::Array(client.list(&["history"], &about, Some(args.limit)).await?);
    options.out().show(&items, || {
        let mut rows = Rows::list(&["AT", "WHAT", "MACHINE", "MESSAGE"], "nothing in the last week");
        for event in parse::<Vec<Event>>(&items)? {
            rows.row([moment(event.at.as_deref()), event.kind, event.machine.unwrap_or_default(), event.message]);
        }
        Ok(rows)
    })
}
