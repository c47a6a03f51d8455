//! Who did what, for admins.

use anyhow::Result;
use clap::Args as ClapArgs;
use serde::Deserialize;
use serde_json::Value;

use super::{
    call::parse,
    client_options::{ClientOptions, query},
    output::{Rows, moment},
};

/// Show who did what
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  berth audit\n  berth audit --actor alice --since 2026-11-21T00:00:00Z\n  berth audit --action machine.quarantine --output json"
)]
pub struct Args {
    /// Only by this user
    #[arg(long, value_name = "USER")]
    actor: Option<String>,
    /// Only this action
    #[arg(long)]
    action: Option<String>,
    /// Only from then on
    #[arg(long, value_name = "MOMENT")]
    since: Option<String>,
    /// No more than this many
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Entry {
    at: Option<String>,
    actor: Option<String>,
    action: String,
    target: Option<String>,
    detail: Value,
    peer: Option<String>,
}

/// Runs it.
pub async fn run(args: Args, options: &ClientOptions) -> Result<()> {
    let client = options.client()?;
    let query = query(
        &[("actor", args.actor.as_deref()), ("action", args.action.as_deref()), ("since", args.since.as_deref())],
        &[],
    );
    let items = Value::Array(client.list(&["audit"], &query, Some(args.limit)).await?);
    options.out().show(&items, || {
        let mut rows = Rows::list(&["AT", "ACTOR", "ACTION", "TARGET", "FROM", "DETAIL"], "nothing yet");
        for entry in parse::<Vec<Entry>>(&items)? {
            let detail = match entry.detail {
                Value::Null => String::new(),
                Value::String(text) => text,
                other => other.to_string(),
            };
            let at = moment(entry.at.as_deref());
            let text = Option::unwrap_or_default;
            rows.row([at, text(entry.actor), entry.action, text(entry.target), text(entry.peer), detail]);
        }
        Ok(rows)
    })
}
