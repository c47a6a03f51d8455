//! Reaching a host: its shell, its facts, and what is told when it is lost.

use serde_json::{Map, Value};
use std::{sync::Arc, time::Instant};

use super::{HostRun, Stop};
use crate::{
    playbook::{
        ast::Task,
        event::{Event, HostSummary, Status},
        modules::{self, Args},
        run::{Known, lock},
        template,
    },
    remote::{self, Shell, Step},
};

impl HostRun<'_> {
    /// Gathers facts with the `setup` module.
    pub(in crate::playbook::run) async fn gather(&mut self) -> Result<(), Stop> {
        self.drain().await?;
        self.gather_here().await
    }

    /// The same while what was sent before may be under way.
    pub(in crate::playbook::run) async fn gather_here(&mut self) -> Result<(), Stop> {
        if self.has_facts() {
            return Ok(());
        }
        let begun = Instant::now();
        let done = self.gather_now().await;
        match done {
            Ok(facts) => {
                self.charge_gathering(begun);
                let here = [self.name.to_owned()];
                self.keep_facts(&facts, &here);
                self.have_facts(&here);
                Ok(())
            }
            Err(error) => {
                let gather = Arc::clone(&self.batch.play.gather);
                self.lose(&gather, &error);
                Err(Stop::Unreachable)
            }
        }
    }

    /// Gathers the facts of all hosts that still owe theirs, at once; whoever asks meanwhile waits. What cannot be
    /// had stays undefined.
    pub(in crate::playbook::run) async fn gather_others(&mut self) -> Result<(), Stop> {
        self.drain().await?;
        self.gather_elsewhere().await;
        Ok(())
    }

    /// The same while what was sent before may be under way.
    pub(in crate::playbook::run) async fn gather_elsewhere(&self) {
        let _turn = self.run.shared.gathering.lock().await;
        let owing = |(name, known): (&String, &Known)| (known.due && !known.gathered).then(|| name.clone());
        let others: Vec<String> = lock(&self.run.shared.known).iter().filter_map(owing).collect();
        for some in others.chunks(self.run.options.forks.max(1)) {
            let found = futures_util::future::join_all(some.iter().map(|name| self.gather_at(name))).await;
            for (name, facts) in some.iter().zip(found) {
                if let Ok(facts) = facts {
                    self.keep_facts(&facts, std::slice::from_ref(name));
                }
            }
        }
        self.have_facts(&others);
    }

    async fn gather_at(&self, name: &str) -> Result<Map<String, Value>, remote::Error> {
        let shell = self.delegate(&self.batch.play.gather, name).await?;
        self.gather_by(&shell).await
    }

    async fn gather_now(&mut self) -> Result<Map<String, Value>, remote::Error> {
        let shell = self.shell().await?;
        self.last_user = None;
        self.gather_by(&shell).await
    }

    async fn gather_by(&self, shell: &Shell) -> Result<Map<String, Value>, remote::Error> {
        let (step, args, finish) = self.setup().map_err(remote::Error::BadValue)?;
        let reply = shell.send(step).await?.reply().await?;
        let result = modules::trial::result(reply, &args, finish);
        match result.get("ansible_facts") {
            Some(Value::Object(facts)) => Ok(facts.clone()),
            _ => Err(remote::Error::Closed(result.get("msg").map(modules::convert::text_of).unwrap_or_default())),
        }
    }

    /// The step that gathers facts.
    fn setup(&self) -> Result<(Step, Args, modules::trial::Finish), String> {
        let module = modules::find("setup").ok_or("there is no module `setup`")?;
        let modules::Act::Shell { library, script } = &module.act else {
            return Err("`setup` does not run on hosts".into());
        };
        let args = modules::convert(module, &Map::new())?;
        let view = self.base_view();
        let render = |text: &str| template::text(&view, text).map_err(|e| e.to_string());
        let eval = |text: &str| template::expression(&view, text).map_err(|e| e.to_string());
        let judge = |text: &str| template::truth(&view, &Value::String(text.into())).map_err(|e| e.to_string());
        let vars = Map::new();
        let scope = modules::Scope {
            vars: &vars,
            search: &[],
            render: &render,
            render_file: &|path, name, dest, style| {
                template::file(&view, path, name, dest, style).map_err(|e| e.to_string())
            },
            eval: &eval,
            judge: &judge,
            vault: &self.run.options.vault,
            check: false,
            diff: false,
            no_log: false,
        };
        let made = script(&args, &scope)?;
        let gather = &self.batch.play.gather;
        let step = Step {
            environment: Self::known_environment(gather, &view),
            become_user: self.become_of(gather, &view).map_err(|e| e.to_string())?,
            text: made.text,
            library: library.to_vec(),
            files: made.files,
            deadline: Some(self.run.options.step_timeout),
            ..Step::default()
        };
        Ok((step, args, made.finish))
    }

    /// The environment as far as it can be made without facts.
    fn known_environment(task: &Task, view: &Arc<template::View>) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for entry in &task.common.environment {
            let parts: Vec<serde_json::Value> = match entry {
                Value::Object(map) => map.iter().map(|(name, value)| serde_json::json!({name: value})).collect(),
                other => vec![other.clone()],
            };
            for part in parts {
                let mut alone = Task::clone(task);
                alone.common.environment = vec![part];
                found.extend(Self::environment(&alone, view).unwrap_or_default());
            }
        }
        found
    }

    /// The host's shell, opened when it is first needed.
    pub(in crate::playbook::run) async fn shell(&mut self) -> Result<Arc<Shell>, remote::Error> {
        if let Some(shell) = &self.shell {
            return Ok(Arc::clone(shell));
        }
        let shell = self.run.connections.open(&self.target()?).await?;
        self.shell = Some(Arc::clone(&shell));
        Ok(shell)
    }

    /// The same for a task that may say how to connect.
    pub(in crate::playbook::run) async fn shell_for(&mut self, task: &Task) -> Result<Arc<Shell>, remote::Error> {
        let (own, play) = (&task.common, &self.batch.play.common);
        if own.connection == play.connection && own.remote_user == play.remote_user && own.port == play.port {
            return self.shell().await;
        }
        let view = self.view(task, None);
        let target = self.run.target(self.name, &view, own).map_err(remote::Error::BadValue)?;
        let plain = self.target()?;
        if format!("{:?}", plain.via) == format!("{:?}", target.via) && plain.user == target.user {
            return self.shell().await;
        }
        let mut target = target;
        target.name = format!("{} as {:?} {:?}", self.name, target.user, own.connection.as_ref().map(Value::to_string));
        // Another shell answers, and it knows nothing of failures before it.
        self.reset = true;
        self.run.connections.open(&target).await
    }

    /// Where the host is.
    pub(in crate::playbook::run) fn target(&self) -> Result<remote::Target, remote::Error> {
        let view = self.base_view();
        self.run.target(self.name, &view, &self.batch.play.common).map_err(remote::Error::BadValue)
    }

    pub(in crate::playbook::run) fn note(&self, change: impl FnOnce(&mut HostSummary)) {
        let mut summary = lock(&self.run.summary);
        change(summary.entry(self.name.to_owned()).or_default());
    }

    /// The connection is gone, or was never there.
    pub(in crate::playbook::run) fn lose(&mut self, task: &Task, error: &remote::Error) {
        self.queue.clear();
        self.shell = None;
        self.run.connections.forget(self.name);
        let message = error.to_string();
        self.note(|summary| {
            summary.unreachable += 1;
            summary.error.get_or_insert_with(|| message.clone());
        });
        lock(&self.run.unreachable).insert(self.name.to_owned());
        let title = self.title(task);
        self.tell_task(task, &title);
        self.tell(
            task.id,
            title,
            Status::Unreachable,
            message.clone(),
            Map::from_iter([
                ("changed".to_owned(), Value::Bool(false)),
                ("msg".to_owned(), message.into()),
                ("unreachable".to_owned(), Value::Bool(true)),
            ]),
        );
    }

    pub(super) fn fail_whole(&self, message: &str) {
        self.note(|summary| {
            summary.failed += 1;
            summary.error.get_or_insert_with(|| message.to_owned());
        });
        lock(&self.run.failed).insert(self.name.to_owned());
        let result = Map::from_iter([("msg".to_owned(), message.into())]);
        self.tell(0, "reading variables".into(), Status::Failed, message.to_owned(), result);
    }

    fn tell(&self, id: usize, task: String, status: Status, message: String, result: Map<String, Value>) {
        (self.run.sink)(Event::HostResult {
            host: self.name.to_owned(),
            delegated: None,
            play: self.batch.number,
            id,
            order: self.at.clone(),
            task,
            module: String::new(),
            status,
            ignored: false,
            rescued: false,
            looped: false,
            message,
            diff: Vec::new(),
            result,
        });
    }
}
