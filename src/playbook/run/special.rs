//! `hostvars` and `groups`: variables that reach beyond the host.

use std::sync::Arc;

use minijinja::value::{Enumerator, Object, Value as Jinja};
use serde_json::{Map, Value};

use super::{Shared, lock};
use crate::playbook::{
    template::{self, Layer, Special, View},
    value::to_jinja,
};

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared(…)")
    }
}

/// What a view answers for names that are no variables of the host.
pub(super) fn special(shared: &Arc<Shared>) -> Special {
    let shared = Arc::clone(shared);
    Arc::new(move |name| match name {
        "hostvars" => Some(Jinja::from_object(HostVars(Arc::clone(&shared)))),
        "groups" => {
            let pairs = shared.groups.iter().map(|(group, hosts)| (group.clone(), Jinja::from(hosts.clone())));
            Some(Jinja::from_pairs(pairs))
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
        let magic = Map::from_iter([("inventory_hostname".to_owned(), Value::String(name.to_owned()))]);
        let mut layers = vec![self.0.extra.clone(), Layer::fixed(magic), Layer { map: known.kept, lazy: false }];
        if let Some(facts) = known.facts {
            layers.push(Layer { map: facts, lazy: false });
        }
        layers.push(Layer::lazy(known.included));
        layers.push(Layer::lazy(known.inventory));
        let mut view = View::new(layers);
        view.vault = self.0.vault.clone();
        Some(template::object(&Arc::new(view)))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let names: Vec<Jinja> = lock(&self.0.known).keys().map(|name| Jinja::from(name.as_str())).collect();
        Enumerator::Iter(Box::new(names.into_iter()))
    }
}
