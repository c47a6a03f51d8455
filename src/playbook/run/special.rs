//! `hostvars`, `groups` and their like: variables that reach beyond the host.

use std::sync::Arc;

use minijinja::value::{Enumerator, Object, Value as Jinja};
use serde_json::{Map, Value};

use super::{Shared, lock};
use crate::playbook::{
    template::{self, Facts, Layer, Special, View},
    value::to_jinja,
};

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared(…)")
    }
}

/// The names that need what other hosts did before the task.
pub(super) const OTHERS: [&str; 4] = ["hostvars", "ansible_play_hosts", "ansible_play_batch", "play_hosts"];

/// What a view answers for names that are no variables of the host.
pub(super) fn special(shared: &Arc<Shared>, host: Option<&str>) -> Special {
    let shared = Arc::clone(shared);
    let host = host.map(str::to_owned);
    Arc::new(move |name| match name {
        "hostvars" => Some(Jinja::from_object(HostVars(Arc::clone(&shared)))),
        "groups" => {
            let groups = Arc::clone(&lock(&shared.groups));
            let pairs = groups.iter().map(|(group, hosts)| (group.clone(), Jinja::from(hosts.clone())));
            Some(Jinja::from_pairs(pairs))
        }
        "group_names" => {
            let inventory = Arc::clone(&lock(&shared.inventory));
            host.as_ref().map(|host| Jinja::from(inventory.group_names(host)))
        }
        "ansible_facts" => Some(to_jinja(&Value::Object(Map::new()))),
        _ => None,
    })
}

#[derive(Debug)]
struct HostVars(Arc<Shared>);

impl Object for HostVars {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        let name = key.as_str()?;
        let known = lock(&self.0.known).get(name).cloned()?;
        let inventory = Arc::clone(&lock(&self.0.inventory));
        let magic = Map::from_iter([
            ("inventory_hostname".to_owned(), Value::String(name.to_owned())),
            ("inventory_hostname_short".to_owned(), name.split('.').next().unwrap_or(name).into()),
            ("group_names".to_owned(), inventory.group_names(name).into()),
        ]);
        let mut layers = vec![
            Layer::fixed(magic),
            self.0.common.clone(),
            self.0.extra.clone(),
            Layer { map: known.kept, lazy: false },
            Layer::lazy(known.included),
        ];
        if let Some(facts) = known.facts {
            layers.push(Layer { map: facts, lazy: false });
        }
        layers.push(Layer::lazy(known.inventory));
        let mut view = View::new(layers);
        if known.due && !known.gathered {
            view.facts = Facts::MissingElsewhere;
        }
        view.vault = self.0.vault.clone();
        view.special = Some(special(&self.0, Some(name)));
        Some(template::object(&Arc::new(view)))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let names: Vec<Jinja> = lock(&self.0.known).keys().map(|name| Jinja::from(name.as_str())).collect();
        Enumerator::Iter(Box::new(names.into_iter()))
    }
}
