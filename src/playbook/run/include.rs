//! `include_tasks` and `include_role`: tasks that are read when a host comes to them.

use std::{collections::HashMap, sync::Arc};

use serde_json::{Map, Value};

use super::{
    Spot,
    host::{HostRun, Stop},
    lock,
};
use crate::playbook::{
    ast::{Common, Include, Item, Place, Role, Task},
    event::Event,
    includes,
    modules::convert::{bool_of, text_of},
    parse::{Loader, Settings},
    roles::From,
    yaml::{self, At, Data, Node},
};

/// What was included so far: hosts that include the same share it.
pub(super) type Includes = HashMap<(Spot, String), Arc<Included>>;

/// Tasks that were included.
pub(super) struct Included {
    /// Its number among what the same task included.
    number: usize,
    /// The file, or the role's name.
    name: String,
    items: Result<Vec<Item>, String>,
}

/// What one round of an include asks for.
#[derive(Debug, Clone, Default)]
pub(in crate::playbook::run) struct Wanted {
    /// The arguments, rendered.
    pub(super) args: Map<String, Value>,
    /// The loop's variables.
    pub(super) vars: Map<String, Value>,
    pub(super) label: String,
}

impl HostRun<'_> {
    /// Runs what the task that was sent last includes. It may be on its way yet: what its file is called and whether it
    /// is read is known by now.
    pub(super) async fn included(&mut self, task: &Arc<Task>, include: &Include) -> Result<(), Stop> {
        let place = self.at.clone();
        let mut parts = Vec::new();
        let mut events = Vec::new();
        for (round, wanted) in std::mem::take(&mut self.wants).into_iter().enumerate() {
            let part = self.read_include(task, include, &wanted, &place, round);
            if let Err(message) = &part.items {
                let message = message.clone();
                self.tell_included(&place, std::mem::take(&mut events));
                self.drain().await?;
                (self.run.sink)(self.inclusion(task, &part, &wanted));
                self.push_failure(task, &message);
                self.drain().await?;
                continue;
            }
            events.push(self.inclusion(task, &part, &wanted));
            parts.push(part);
        }
        self.tell_included(&place, events);
        for part in parts {
            let Ok(items) = &part.items else { continue };
            let outer = std::mem::replace(&mut self.base, [place.as_slice(), &[part.number]].concat());
            let ended = self.items(items).await;
            self.base = outer;
            match ended {
                Err(Stop::EndRole(_)) if include.role => {}
                other => other?,
            }
        }
        Ok(())
    }

    fn inclusion(&self, task: &Task, part: &Included, wanted: &Wanted) -> Event {
        Event::Included {
            host: self.name.to_owned(),
            play: self.batch.number,
            id: task.id,
            order: self.at.clone(),
            file: part.name.clone(),
            item: wanted.label.clone(),
            failed: part.items.as_ref().err().cloned(),
        }
    }

    fn read_include(
        &self,
        task: &Task,
        include: &Include,
        wanted: &Wanted,
        place: &[usize],
        round: usize,
    ) -> Arc<Included> {
        let spot = (self.batch.number, self.batch.index, place.to_vec());
        let what = serde_json::to_string(&(&wanted.args, &wanted.vars)).unwrap_or_default();
        let mut includes = lock(&self.run.includes);
        // The same file in two rounds is included twice.
        let mut key = (spot, what);
        if round > 0 {
            key.1 = format!("{round} {}", key.1);
        }
        if let Some(known) = includes.get(&key) {
            return Arc::clone(known);
        }
        let others = includes.keys().filter(|(spot, _)| *spot == key.0).count();
        let number = round * 10_000 + others.min(9_999);
        let (name, items) = self.load_include(task, include, wanted);
        let made = Arc::new(Included { number, name, items });
        includes.insert(key, Arc::clone(&made));
        made
    }

    fn load_include(&self, task: &Task, include: &Include, wanted: &Wanted) -> (String, Result<Vec<Item>, String>) {
        let settings = Settings {
            keys: self.run.options.vault.clone(),
            paths: self.run.options.paths.clone(),
            extra_vars: Arc::new(self.run.options.extra_vars.clone()),
        };
        let from = self.run.next_id.fetch_add(1 << 20, std::sync::atomic::Ordering::Relaxed);
        let mut loader = Loader::new(settings, from);
        loader.base.clone_from(&self.batch.play.base);
        loader.vars = vec![Arc::clone(&self.batch.play.vars)];
        let own = include.vars.clone();
        let mut params = own.clone();
        params.extend(wanted.vars.clone());
        let apply = include.apply.clone();
        let common = include.outer.around(apply);
        if include.place.depth > crate::playbook::parse::MAX_IMPORTS * 4 {
            return (String::new(), Err("tasks include each other in a circle".into()));
        }
        if include.role {
            let common = common.around(Common { params: vec![Arc::new(params)], ..Common::default() });
            return self.load_role(&mut loader, &task.at, include, wanted, common, own);
        }
        let file = wanted.args.get("file").map(text_of).unwrap_or_default();
        let place = Place { handlers: self.in_handler && include.place.handlers, ..include.place.clone() };
        let path = includes::task_file(&place, file.trim());
        let shown = std::path::absolute(&path).unwrap_or_else(|_| path.clone()).display().to_string();
        if !path.is_file() {
            let message = format!("Could not find or access '{shown}' on the Ansible Controller.");
            return (shown, Err(message));
        }
        let common = common.around(Common { params: vec![Arc::new(params)], ..Common::default() });
        let inner = includes::inside(&place, &path);
        let items = match yaml::read_with(&path, &self.run.options.vault) {
            Ok(Some(root)) if !matches!(root.data, Data::List(_) | Data::Null) => {
                return (shown, Err("included task files must contain a list of tasks".into()));
            }
            Ok(Some(root)) => loader.items(&root, &common, &inner),
            Ok(None) => Vec::new(),
            Err(fault) => return (shown, Err(fault.to_string())),
        };
        self.take(&mut loader);
        (shown, faultless(&loader, items))
    }

    fn load_role(
        &self,
        loader: &mut Loader,
        at: &At,
        include: &Include,
        wanted: &Wanted,
        common: Common,
        given: Map<String, Value>,
    ) -> (String, Result<Vec<Item>, String>) {
        let text = |key: &str| wanted.args.get(key).filter(|v| !v.is_null()).map(text_of);
        let name = text("name").or_else(|| text("role")).unwrap_or_default();
        let node = Node { at: at.clone(), data: Data::Null };
        let Some(folder) = loader.role_folder(&node, &name, &include.place) else {
            let message = loader.faults.iter().map(|fault| fault.message.clone()).collect::<Vec<_>>().join("; ");
            return (name, Err(message));
        };
        let from = From {
            tasks: text("tasks_from"),
            vars: text("vars_from"),
            defaults: text("defaults_from"),
            handlers: text("handlers_from"),
            validate: wanted.args.get("rolespec_validate").and_then(bool_of),
        };
        let place = Place { handlers: false, ..include.place.clone() };
        let outer = common;
        let mut seen = Vec::new();
        let given = (given, Map::new());
        let found =
            loader.role_from(&node, (&name, &folder), &from, given, &outer, Common::default(), &place, &mut seen);
        let Some(found) = found else {
            return (name, faultless(loader, Vec::new()));
        };
        let result = faultless(loader, found.items);
        if result.is_ok() {
            lock(&self.batch.handlers).extend(found.handlers);
            if wanted.args.get("public").and_then(bool_of).unwrap_or(false) {
                lock(&self.batch.roles).push(Arc::clone(&found.role));
            }
            self.take(loader);
        }
        (name, result)
    }

    /// Handlers and roles that imports inside brought.
    fn take(&self, loader: &mut Loader) {
        lock(&self.batch.handlers).append(&mut loader.handlers);
        let roles: Vec<Arc<Role>> = loader.roles.drain(..).collect();
        lock(&self.batch.roles).extend(roles);
    }
}

fn faultless(loader: &Loader, items: Vec<Item>) -> Result<Vec<Item>, String> {
    if loader.faults.is_empty() {
        return Ok(items);
    }
    Err(loader.faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}
