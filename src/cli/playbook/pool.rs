//! `-i berth://`: the machines that one holds, out of Berth's own pool.

use anyhow::{Context as _, Result};
use serde_json::{Map, Value};

use crate::{cli::client_options::ClientOptions, playbook::Inventory};

/// The mark of an inventory that is the pool.
pub(super) const SCHEME: &str = "berth://";

/// Adds the machines of all active reservations; labels, pools and reservations are groups.
/// After `berth://` may stand the name of a pool.
pub(super) async fn add(inventory: &mut Inventory, source: &str, options: &ClientOptions) -> Result<()> {
    let wanted = source.trim_start_matches(SCHEME).trim_matches('/');
    let client = options.client()?;
    let reservations = client.list(&["reservations"], &[("state", "active".to_owned())], None).await;
    let reservations = reservations.context("the pool cannot be asked for your machines")?;
    let machines = client.list(&["machines"], &[], None).await.unwrap_or_default();
    for reservation in &reservations {
        for held in reservation["machines"].as_array().into_iter().flatten() {
            let Some(name) = held["machine"].as_str() else { continue };
            let about = machines.iter().find(|machine| machine["name"].as_str() == Some(name));
            let pool = about.and_then(|machine| machine["pool"].as_str()).unwrap_or_default();
            if !wanted.is_empty() && wanted != pool {
                continue;
            }
            let mut vars = Map::new();
            let mut set = |name: &str, value: &Value| {
                if !value.is_null() && value.as_str() != Some("") {
                    vars.insert(name.to_owned(), value.clone());
                }
            };
            set("ansible_host", &held["host"]);
            set("ansible_port", &held["port"]);
            set("ansible_user", &held["username"]);
            let keys: Vec<&str> = held["host_key"].as_str().unwrap_or_default().lines().map(str::trim).collect();
            set("berth_host_key", &keys.into_iter().filter(|key| !key.is_empty()).collect());
            set("berth_reservation", &reservation["id"]);
            let mut groups = vec!["berth".to_owned()];
            if let Some(machine) = about {
                set("berth_jump", &machine["jump"]);
                set("berth_labels", &machine["labels"]);
                for (key, value) in machine["labels"].as_object().into_iter().flatten() {
                    let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    groups.push(group(&format!("{key}_{value}")));
                }
            }
            if !pool.is_empty() {
                groups.push(group(pool));
            }
            inventory.add_machine(name, vars, &groups);
        }
    }
    Ok(())
}

/// A name that can be a group's.
fn group(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect()
}
