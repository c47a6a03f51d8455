//! Pools and their rules.

use anyhow::Result;
use clap::Args as ClapArgs;
use serde::Deserialize;
use serde_json::Value;

use super::{
    call::parse,
    client_options::ClientOptions,
    output::{Rows, duration},
};

/// Show the pools, what may be booked in each, and by whom
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  berth pools\n  berth pools --output json")]
pub struct Args {}

#[derive(Deserialize, Default)]
#[serde(default)]
struct PoolView {
    name: String,
    max_count: u32,
    max_minutes: u32,
    roles: Vec<String>,
    why_not: Option<String>,
    machines: i64,
    ready: i64,
}

/// Runs it.
pub async fn run(_: Args, options: &ClientOptions) -> Result<()> {
    let items = Value::Array(options.client()?.list(&["pools"], &[], None).await?);
    options.out().show(&items, || {
        let headings = ["NAME", "READY", "MACHINES", "AT MOST", "FOR AT MOST", "FOR", "BUT"];
        let mut rows = Rows::list(&headings, "no pools");
        for pool in parse::<Vec<PoolView>>(&items)? {
            let roles = if pool.roles.is_empty() { "everybody".to_owned() } else { pool.roles.join(" ") };
            rows.row([
                pool.name,
                pool.ready.to_string(),
                pool.machines.to_string(),
                pool.max_count.to_string(),
                duration(i64::from(pool.max_minutes) * 60),
                roles,
                pool.why_not.unwrap_or_default(),
            ]);
        }
        Ok(rows)
    })
}
