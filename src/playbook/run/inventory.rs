//! Hosts and groups that a run adds: `add_host`, `group_by`, `meta: refresh_inventory`.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Run, host::HostRun, lock};
use crate::playbook::{
    ast::{Action, Task},
    inventory::Inventory,
    modules::convert::text_of,
};

impl Run<'_> {
    /// Changes the inventory for all that follows; whether anything is different.
    fn change_inventory(&self, change: impl FnOnce(&mut Inventory) -> bool) -> bool {
        let mut inventory = lock(&self.shared.inventory);
        let changed = change(Arc::make_mut(&mut inventory));
        let now = Arc::clone(&inventory);
        drop(inventory);
        self.spread(&now);
        changed
    }

    /// Gives hosts what the inventory says of them now.
    fn spread(&self, inventory: &Inventory) {
        *lock(&self.shared.groups) = Arc::new(inventory.groups());
        let mut known = lock(&self.shared.known);
        for name in inventory.names() {
            let vars = inventory.vars(&name);
            known.entry(name).or_default().inventory = vars;
        }
    }

    /// `meta: refresh_inventory`.
    pub(super) fn refresh_inventory(&self) -> Result<(), String> {
        let fresh = self.inventory().refreshed(&self.options.vault).map_err(|fault| fault.to_string())?;
        *lock(&self.shared.inventory) = Arc::new(fresh);
        self.spread(&self.inventory());
        Ok(())
    }
}

impl HostRun<'_> {
    /// Does what `add_host` and `group_by` asked for, and says whether that changed anything.
    pub(super) fn grow_inventory(&self, task: &Task, result: &mut Map<String, Value>) {
        let Action::Module(module, _) = &task.action else { return };
        let text = |value: &Value| text_of(value);
        let list = |value: Option<&Value>| -> Vec<String> {
            value.and_then(Value::as_array).map(|items| items.iter().map(text).collect()).unwrap_or_default()
        };
        let changed = match module.name {
            "add_host" => {
                let Some(Value::Object(host)) = result.get("add_host") else { return };
                let name = host.get("host_name").map(text).unwrap_or_default();
                let groups = list(host.get("groups"));
                let vars = host.get("host_vars").and_then(Value::as_object).cloned().unwrap_or_default();
                let keys = self.run.options.vault.clone();
                let changed = self.run.change_inventory(|inventory| inventory.add(&name, &groups, &vars, &keys));
                let mut all = lock(&self.batch.all_hosts);
                if changed && !all.contains(&name) {
                    all.push(name);
                }
                changed
            }
            "group_by" => {
                let Some(group) = result.get("add_group").map(text) else { return };
                let parents = list(result.get("parent_groups"));
                let host = self.name.to_owned();
                let keys = self.run.options.vault.clone();
                self.run.change_inventory(|inventory| inventory.group(&host, &group, &parents, &keys))
            }
            _ => return,
        };
        if task.changed_when.is_none() {
            result.insert("changed".into(), changed.into());
        }
    }
}
