//! Answers are waited for, judged, counted and told, in the order of the tasks.

use std::{collections::VecDeque, sync::Arc};

use serde_json::{Map, Value};

use super::{
    Flight, Landing, State,
    result::{failed, is, masked, message_of, skipped, status_of, together},
};
use crate::{
    playbook::{
        ast::Task,
        event::{Event, Status},
        modules::trial,
        run::{
            host::{HostRun, Stop},
            lock,
            prepare::Manner,
        },
        template::{self, Error, Layer},
    },
    remote,
};

impl HostRun<'_> {
    /// Waits for everything under way.
    pub(in crate::playbook::run) async fn drain(&mut self) -> Result<(), Stop> {
        while !self.queue.is_empty() {
            self.drain_one().await?;
        }
        Ok(())
    }

    pub(in crate::playbook::run) async fn drain_one(&mut self) -> Result<(), Stop> {
        let Some(flight) = self.queue.pop_front() else { return Ok(()) };
        let Flight { task, title, handler, looped, manner, rounds, reason } = flight;
        let task = &task;
        self.tell_heading(task, &title, handler);
        let mut results = Vec::new();
        for mut landing in rounds {
            let mut result = match self.land(task, &mut landing).await {
                Ok(result) => result,
                Err(stop) => {
                    self.queue = VecDeque::new();
                    return Err(stop);
                }
            };
            if let (Some(item), true) = (&landing.item, looped) {
                let name = task.repeat.as_ref().map_or("item", |repeat| repeat.var.as_str());
                result.insert(name.to_owned(), item.clone());
                result.insert("ansible_loop_var".into(), name.into());
                self.tell_item(task, &title, &landing.label, &result, &manner);
            }
            if let Some(Value::Object(facts)) = result.get("ansible_facts")
                && task.module_name() != "set_fact"
            {
                self.keep_facts(facts);
            }
            results.push(result);
        }
        let result = match (looped, reason) {
            (_, Some(reason)) => {
                let mut result = skipped(&reason);
                result.insert("skipped_reason".into(), Value::String(reason));
                if looped {
                    result.insert("results".into(), Value::Array(Vec::new()));
                }
                result
            }
            (true, None) => together(results),
            (false, None) => results.pop().unwrap_or_default(),
        };
        if let Some(name) = &task.register {
            self.keep(name, Value::Object(result.clone()));
            if let Some(count) = self.pending.get_mut(name) {
                *count -= 1;
                if *count == 0 {
                    self.pending.remove(name);
                }
            }
        }
        self.conclude(task, title, looped, &manner, result)
    }

    /// Counts, tells, notifies; a failure that nothing deals with stops the host.
    fn conclude(
        &mut self,
        task: &Arc<Task>,
        title: String,
        looped: bool,
        manner: &Manner,
        result: Map<String, Value>,
    ) -> Result<(), Stop> {
        let status = status_of(&result);
        let changed = is(&result, "changed");
        if changed && status == Status::Changed {
            for name in &task.notify {
                let view = self.view(task, None);
                let name = template::text(&view, name).unwrap_or_else(|_| name.clone());
                self.notified.insert(name);
            }
        }
        let rescued = self.rescues > 0;
        let message = message_of(&result);
        self.note(|summary| match status {
            Status::Ok => summary.ok += 1,
            Status::Changed => {
                summary.ok += 1;
                summary.changed += 1;
            }
            Status::Skipped => summary.skipped += 1,
            Status::Failed if manner.ignore => {
                summary.ok += 1;
                summary.ignored += 1;
            }
            Status::Failed if rescued => summary.rescued += 1,
            Status::Failed => {
                summary.failed += 1;
                let message = if manner.no_log { "hidden by `no_log`" } else { &message };
                summary.error.get_or_insert_with(|| format!("{title}: {message}"));
            }
            Status::Unreachable => summary.unreachable = 1,
        });
        let failed = status == Status::Failed && !manner.ignore;
        if failed {
            self.failure = Some((title.clone(), result.clone()));
        }
        let (message, diff, shown) = masked(manner, message, result);
        (self.run.sink)(Event::HostResult {
            host: self.name.to_owned(),
            play: self.batch.number,
            id: task.id,
            task: title,
            status,
            ignored: status == Status::Failed && (manner.ignore || rescued),
            looped,
            message,
            diff,
            result: shown,
        });
        if failed {
            self.queue.clear();
            self.pending.clear();
            if self.batch.play.any_errors_fatal && !rescued {
                self.batch.over.store(true, std::sync::atomic::Ordering::Relaxed);
            }
            return Err(Stop::Failed);
        }
        Ok(())
    }

    /// Waits for a round's answer and judges it.
    pub(super) async fn land(&mut self, task: &Arc<Task>, landing: &mut Landing) -> Result<Map<String, Value>, Stop> {
        let state = std::mem::replace(&mut landing.state, State::Ready(Map::new()));
        let mut result = match state {
            State::Ready(result) => return Ok(result),
            State::Made(result) => result,
            State::Waiting(pending, args, finish) => match pending.reply().await {
                Ok(reply) if reply.held => return Err(Stop::Failed),
                Ok(reply) => trial::result(reply, &args, finish),
                Err(remote::Error::Become { user, why }) => failed(&format!("cannot become `{user}`: {why}")),
                Err(error) => {
                    let title = self.title(task);
                    self.lose(&title, &error);
                    return Err(Stop::Unreachable);
                }
            },
        };
        if is(&result, "skipped") {
            return Ok(result);
        }
        self.judge(task, landing, &mut result);
        Ok(result)
    }

    /// `changed_when` and `failed_when`.
    fn judge(&self, task: &Task, landing: &Landing, result: &mut Map<String, Value>) {
        let all = |conditions: &[Value], result: &Map<String, Value>| {
            let view = self.settled_view(task, landing, result);
            for condition in conditions {
                if !template::truth(&view, condition)? {
                    return Ok(false);
                }
            }
            Ok::<_, Error>(true)
        };
        if let Some(conditions) = &task.changed_when {
            match all(conditions, result) {
                Ok(changed) => {
                    result.insert("changed".into(), changed.into());
                }
                Err(error) => result.extend(failed(&format!("`changed_when` cannot be judged: {error}"))),
            }
        }
        if let Some(conditions) = &task.failed_when {
            match all(conditions, result) {
                Ok(verdict) => {
                    result.insert("failed".into(), verdict.into());
                    result.insert("failed_when_result".into(), verdict.into());
                }
                Err(error) => result.extend(failed(&format!("`failed_when` cannot be judged: {error}"))),
            }
        }
    }

    /// The task's variables when all before it is through, with its own result under its name.
    pub(super) fn settled_view(
        &self,
        task: &Task,
        landing: &Landing,
        result: &Map<String, Value>,
    ) -> Arc<template::View> {
        let mut top = Map::new();
        if let (Some(item), Some(repeat)) = (&landing.item, &task.repeat) {
            top.clone_from(&Self::loop_layer(repeat, item, landing.index).map);
        }
        if let Some(name) = &task.register {
            top.insert(name.clone(), Value::Object(result.clone()));
        }
        let mut view = self.plain_view(task, Some(Layer::fixed(top)));
        view.pending.clear();
        view.facts_missing = false;
        Arc::new(view)
    }

    pub(in crate::playbook::run) fn title(&self, task: &Task) -> String {
        let title = task.title();
        template::text(&self.view(task, None), &title).unwrap_or(title)
    }

    pub(super) fn tell_task(&self, task: &Task, title: &str) {
        self.tell_heading(task, title, self.in_handler);
    }

    fn tell_heading(&self, task: &Task, title: &str, handler: bool) {
        if !lock(&self.run.told).insert((self.batch.number, task.id, handler)) {
            return;
        }
        (self.run.sink)(Event::Task {
            play: self.batch.number,
            id: task.id,
            task: title.to_owned(),
            module: task.module_name().to_owned(),
            handler,
            at: task.at.to_string(),
        });
    }

    fn tell_item(&self, task: &Task, title: &str, label: &str, result: &Map<String, Value>, manner: &Manner) {
        let (message, diff, shown) = masked(manner, message_of(result), result.clone());
        (self.run.sink)(Event::Item {
            host: self.name.to_owned(),
            play: self.batch.number,
            id: task.id,
            task: title.to_owned(),
            item: if manner.no_log { "(hidden)".into() } else { label.to_owned() },
            status: status_of(result),
            message,
            diff,
            result: shown,
        });
    }
}
