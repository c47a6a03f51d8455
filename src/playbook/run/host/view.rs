//! What a host knows: the variables each task sees, files of variables, results and facts kept for later.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{HostRun, Stop};
use crate::playbook::{
    ast::Task,
    modules,
    run::{lock, special},
    template::{self, Error, Layer, View},
    yaml,
};

impl HostRun<'_> {
    pub(super) async fn include_vars(&mut self, task: &Arc<Task>, args: &Map<String, Value>) -> Result<(), Stop> {
        self.drain().await?;
        let result = loop {
            match self.read_included(task, args) {
                Ok(vars) => break Ok(vars),
                Err(Error::Facts) => self.gather().await?,
                Err(error) => break Err(error.to_string()),
            }
        };
        match result {
            Ok(None) => {
                self.push_skip(task);
                self.drain().await
            }
            Ok(Some(vars)) => {
                if let Some(known) = lock(&self.run.shared.known).get_mut(self.name) {
                    let mut all = Map::clone(&known.included);
                    all.extend(vars.clone());
                    known.included = Arc::new(all);
                }
                self.push_ready(task, Map::from_iter([("ansible_included_vars".to_owned(), Value::Object(vars))]));
                self.drain().await
            }
            Err(message) => {
                self.push_failure(task, &message);
                self.drain().await
            }
        }
    }

    fn read_included(&self, task: &Task, args: &Map<String, Value>) -> Result<Option<Map<String, Value>>, Error> {
        let view = self.view(task, None);
        for condition in &task.common.when {
            if !template::truth(&view, condition)? {
                return Ok(None);
            }
        }
        let wrong = |message: String| Error::Wrong(message);
        let file = args.get("file").ok_or_else(|| wrong("`include_vars` needs `file`".into()))?;
        let file = modules::convert::text_of(&template::value(&view, file)?);
        let base = &self.batch.play.base;
        let mut candidates = vec![base.join("vars").join(&file), base.join(&file)];
        for folder in task.search.iter() {
            candidates.push(folder.join("../vars").join(&file));
            candidates.push(folder.join(&file));
        }
        let path = candidates.iter().find(|path| path.is_file());
        let path = path.ok_or_else(|| wrong(format!("there is no file `{file}`")))?;
        let node = yaml::read_with(path, &self.run.options.vault).map_err(|fault| wrong(fault.to_string()))?;
        let vars = node.map(|node| node.to_map()).unwrap_or_default();
        Ok(Some(match args.get("name") {
            Some(name) => Map::from_iter([(modules::convert::text_of(name), Value::Object(vars))]),
            None => vars,
        }))
    }

    pub(super) fn read_vars_files(&mut self) -> Result<(), String> {
        for candidates in &self.batch.play.vars_files {
            let view = self.base_view();
            let mut found = None;
            let mut names = Vec::new();
            for candidate in candidates {
                let name = template::text(&view, candidate).map_err(|e| format!("`vars_files`: {e}"))?;
                let path = self.batch.play.base.join(&name);
                names.push(name);
                if path.is_file() {
                    found = Some(path);
                    break;
                }
            }
            let Some(path) = found else { return Err(format!("`vars_files`: there is no `{}`", names.join("`, `"))) };
            let node = yaml::read_with(&path, &self.run.options.vault).map_err(|fault| fault.to_string())?;
            let vars = node.map(|node| node.to_map()).unwrap_or_default();
            self.files.insert(0, Layer::lazy(Arc::new(vars)));
        }
        Ok(())
    }

    pub(super) fn base_view(&self) -> Arc<View> {
        let (layers, known) = self.run.layers(self.name, self.batch, &self.files);
        let mut all = vec![
            self.run.shared.extra.clone(),
            self.magic.clone(),
            Layer { map: Arc::clone(&known.kept), lazy: false },
        ];
        all.extend(layers);
        let mut view = View::new(all);
        view.special = Some(special::special(&self.run.shared));
        view.vault = self.run.options.vault.clone();
        Arc::new(view)
    }

    /// What a task sees. `top` holds the loop's variables.
    pub(in crate::playbook::run) fn view(&self, task: &Task, top: Option<Layer>) -> Arc<View> {
        Arc::new(self.plain_view(task, top))
    }

    pub(in crate::playbook::run) fn plain_view(&self, task: &Task, top: Option<Layer>) -> View {
        let (base, known) = self.run.layers(self.name, self.batch, &self.files);
        let mut layers = vec![self.run.shared.extra.clone()];
        layers.extend(top);
        layers.push(self.magic.clone());
        layers.extend(self.block_vars.clone());
        layers.push(Layer { map: Arc::clone(&known.kept), lazy: false });
        layers.push(Layer::lazy(Arc::clone(&known.included)));
        layers.extend(task.common.vars.iter().rev().map(|vars| Layer::lazy(Arc::clone(vars))));
        layers.extend(base);
        let fallback = [("ansible_host", self.name)].map(|(k, v)| (k.to_owned(), Value::String(v.to_owned())));
        layers.push(Layer::fixed(Map::from_iter(fallback)));
        let mut view = View::new(layers);
        view.pending = self.pending.keys().cloned().collect();
        let off = self.batch.play.gather_facts.as_ref();
        view.facts_missing = known.facts.is_none() && !matches!(off, Some(Value::Bool(false)));
        view.special = Some(special::special(&self.run.shared));
        view.vault = self.run.options.vault.clone();
        view.search = Arc::clone(&task.search);
        view
    }

    /// Keeps a value for the host.
    pub(in crate::playbook::run) fn keep(&self, name: &str, value: Value) {
        let mut known = lock(&self.run.shared.known);
        let known = known.entry(self.name.to_owned()).or_default();
        Arc::make_mut(&mut known.kept).insert(name.to_owned(), value);
    }

    /// Adds facts that a module found.
    pub(in crate::playbook::run) fn keep_facts(&self, facts: &Map<String, Value>) {
        let mut known = lock(&self.run.shared.known);
        let known = known.entry(self.name.to_owned()).or_default();
        let mut all = known.facts.as_ref().map(|facts| Map::clone(facts)).unwrap_or_default();
        let mut more = with_prefixes(facts.clone());
        if let (Some(Value::Object(old)), Some(Value::Object(new))) =
            (all.get_mut("ansible_facts"), more.remove("ansible_facts"))
        {
            old.extend(new.clone());
            more.insert("ansible_facts".into(), Value::Object(old.clone()));
        }
        all.extend(more);
        known.facts = Some(Arc::new(all));
    }
}

/// Facts under `ansible_facts` without their prefix, and each by its own name.
pub(super) fn with_prefixes(facts: Map<String, Value>) -> Map<String, Value> {
    let mut bare = Map::new();
    let mut all = Map::new();
    for (name, value) in facts {
        let short = name.strip_prefix("ansible_").unwrap_or(&name).to_owned();
        // Facts that bear no prefix (`getent_passwd`) are variables by their own name.
        all.insert(name, value.clone());
        bare.insert(short, value);
    }
    all.insert("ansible_facts".into(), Value::Object(bare));
    all
}
