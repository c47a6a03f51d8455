//! Answers are waited for, judged, counted and told, in the order of the tasks.

use std::{collections::VecDeque, sync::Arc};

use serde_json::{Map, Value};

use super::{
    Flight, Landing, State,
    result::{failed, is, masked, message_of, skipped, status_of, together},
};
use crate::playbook::{
    ast::{Action, Task},
    doubles,
    event::{Event, Status},
    modules::{convert, trial},
    run::{
        host::{HostRun, Stop},
        lock,
        prepare::Manner,
    },
    template::{self, Error, Layer},
};
use crate::remote::Reply;

/// A condition as it is written.
fn condition_at(task: &Task, at: usize) -> String {
    task.common.when.get(at).map(convert::text_of).unwrap_or_default()
}

/// What `register` holds of a result.
fn kept(result: &Map<String, Value>) -> Value {
    let mut result = result.clone();
    if is(&result, "failed") {
        result.entry("exception").or_insert_with(|| "(traceback unavailable)".into());
    }
    if let Some(Value::Array(items)) = result.get_mut("results") {
        for item in items.iter_mut().filter_map(Value::as_object_mut).filter(|item| is(item, "failed")) {
            item.entry("exception").or_insert_with(|| "(traceback unavailable)".into());
        }
    }
    Value::Object(result)
}

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
        let Flight { order, task, title, handler, looped, manner, rounds, reason, included } = flight;
        let task = &task;
        self.tell_heading(task, &title, handler, &order);
        let mut results = Vec::new();
        let mut delegate = None;
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
                if let Some(repeat) = &task.repeat {
                    if let Some(index) = &repeat.index_var {
                        result.insert(index.clone(), landing.index.into());
                        result.insert("ansible_index_var".into(), index.clone().into());
                    }
                    if repeat.extended.is_some()
                        && let Some(extended) = landing.extended.take()
                    {
                        result.insert("ansible_loop".into(), extended);
                    }
                }
            }
            let manner = Manner { delegate: landing.delegate.clone(), ..manner.clone() };
            self.grow_inventory(task, &mut result);
            if looped && landing.item.is_some() {
                self.tell_item(task, &title, &landing.label, &result, &manner, &order);
            }
            if let Some(Value::Object(facts)) = result.get("ansible_facts")
                && !matches!(task.module_name(), "set_fact" | "include_vars" | "debug")
            {
                let hosts = self.fact_hosts(task, &manner);
                self.keep_facts(facts, &hosts);
                if task.id == self.batch.play.gather.id {
                    self.have_facts(&hosts);
                }
            }
            delegate = landing.delegate;
            results.push(result);
        }
        let manner = Manner { delegate, ..manner };
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
            let hosts = if self.sharing { self.batch.hosts.clone() } else { vec![self.name.to_owned()] };
            self.keep_on(&hosts, name, &kept(&result));
            if let Some(count) = self.pending.get_mut(name) {
                *count -= 1;
                if *count == 0 {
                    self.pending.remove(name);
                }
            }
        }
        let ended = self.conclude(task, title, looped, &manner, &order, result);
        if ended.is_ok() {
            self.say_included(included);
        }
        self.publish();
        ended
    }

    /// Counts, tells, notifies; a failure that nothing deals with stops the host.
    fn conclude(
        &mut self,
        task: &Arc<Task>,
        title: String,
        looped: bool,
        manner: &Manner,
        order: &[usize],
        mut result: Map<String, Value>,
    ) -> Result<(), Stop> {
        let include = matches!(task.action, Action::Include(_));
        let mut status = status_of(&result);
        if is(&result, "changed")
            && status == Status::Changed
            && let Err(message) = self.notify(task, looped, &result)
        {
            result.extend(failed(&message));
            status = Status::Failed;
        }
        let rescued = self.rescues > 0;
        let message = message_of(&result);
        let ignored = manner.ignore && status == Status::Failed || status == Status::Unreachable;
        self.note(|summary| match status {
            Status::Ok if include => {}
            Status::Ok => summary.ok += 1,
            Status::Changed => {
                summary.ok += 1;
                summary.changed += 1;
            }
            Status::Skipped => summary.skipped += 1,
            // One that is not ignored has ended the host already.
            Status::Unreachable => {
                summary.ok += 1;
                summary.ignored += 1;
            }
            Status::Failed if ignored => {
                summary.ok += 1;
                summary.ignored += 1;
                summary.changed += usize::from(is(&result, "changed"));
            }
            Status::Failed if rescued => summary.rescued += 1,
            Status::Failed => {
                summary.failed += 1;
                let message = if manner.no_log { "hidden by `no_log`" } else { &message };
                summary.error.get_or_insert_with(|| format!("{title}: {message}"));
            }
        });
        let failed = status == Status::Failed && !ignored;
        if failed {
            let name = task.role.as_ref().and_then(|role| title.strip_prefix(&format!("{} : ", role.name)));
            let task = serde_json::json!({"name": name.unwrap_or(&title), "action": task.module_name(), "id": task.id});
            self.failure = Some((task, result.clone()));
            if !rescued {
                lock(&self.run.failed).insert(self.name.to_owned());
            }
        }
        self.charge(task, &title, order);
        // Files that were read while it ran: variables, tasks.
        self.run.warn(doubles::doubles());
        let (message, diff, shown) = masked(manner, message, result);
        (self.run.sink)(Event::HostResult {
            host: self.name.to_owned(),
            delegated: manner.delegate.clone(),
            play: self.batch.number,
            id: task.id,
            order: order.to_vec(),
            task: title,
            module: task.module_name().to_owned(),
            status,
            ignored,
            rescued: status == Status::Failed && !ignored && rescued,
            looped,
            message,
            diff,
            result: shown,
        });
        if failed {
            self.queue.clear();
            self.pending.clear();
            return Err(Stop::Failed);
        }
        Ok(())
    }

    /// Remembers the handlers that a changed task notifies; the message when there is no such handler.
    fn notify(&mut self, task: &Arc<Task>, looped: bool, result: &Map<String, Value>) -> Result<(), String> {
        if task.common.notify.is_empty() {
            return Ok(());
        }
        let mut views = Vec::new();
        match (result.get("results").and_then(Value::as_array), &task.repeat) {
            (Some(items), Some(repeat)) if looped => {
                for item in items.iter().filter(|item| item.get("skipped") != Some(&Value::Bool(true))) {
                    let top = item.get(&repeat.var).map(|value| (repeat.var.clone(), value.clone()));
                    views.push(self.view(task, Some(Layer::fixed(top.into_iter().collect()))));
                }
            }
            _ => views.push(self.view(task, None)),
        }
        for view in views {
            for name in &task.common.notify {
                let made =
                    template::value(&view, &Value::String(name.clone())).map_err(|e| format!("`notify`: {e}"))?;
                let names = match made {
                    Value::Array(names) => names.iter().map(convert::text_of).collect(),
                    Value::Null => Vec::new(),
                    one => vec![convert::text_of(&one)],
                };
                for name in names {
                    if !self.has_handler(&name) {
                        let message = format!(
                            "The requested handler '{name}' was not found in either the main handlers list nor in the listening handlers list"
                        );
                        if self.run.options.lenient_handlers {
                            (self.run.sink)(Event::Warning { message });
                            continue;
                        }
                        return Err(message);
                    }
                    self.notified.insert(name);
                }
            }
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
                Ok(Reply { unmet: Some(at), .. }) => return Ok(skipped(&condition_at(task, at))),
                Ok(Reply { unclear: Some(at), .. }) => failed(&self.unclear(task, landing, at)),
                Ok(reply) => trial::result(reply, &args, finish),
                Err(error) => return self.gone(task, &error),
            },
        };
        result = self.understood(task, result);
        if is(&result, "skipped") {
            return Ok(result);
        }
        if task.background.is_some() {
            result = self.background(task, landing, result).await?;
        }
        if let Some(attempt) = landing.attempt {
            result.insert("attempts".into(), attempt.into());
        }
        self.judge(task, landing, &mut result).await?;
        Ok(result)
    }

    /// What is wrong with a condition that the host could not judge.
    fn unclear(&self, task: &Task, landing: &Landing, at: usize) -> String {
        let text = condition_at(task, at);
        let view = self.settled_view(task, landing, &Map::new());
        let why = match task.common.when.get(at).map(|when| template::truth(&view, when)) {
            Some(Err(Error::Wrong(message))) => message,
            _ => "the host has lost what it asks for".to_owned(),
        };
        format!("the condition `{text}` cannot be judged: {why}")
    }

    /// Whether all conditions hold for a round's result, or what is wrong with one. Facts are gathered if need be.
    pub(super) async fn holds(
        &mut self,
        task: &Task,
        landing: &Landing,
        result: &Map<String, Value>,
        conditions: &[Value],
    ) -> Result<Result<bool, String>, Stop> {
        for condition in conditions {
            loop {
                let view = self.settled_view(task, landing, result);
                match template::truth(&view, condition) {
                    Ok(true) => break,
                    Ok(false) => return Ok(Ok(false)),
                    Err(Error::Facts) => self.gather_here().await?,
                    Err(Error::OthersFacts) => self.gather_elsewhere().await,
                    Err(error) => return Ok(Err(error.to_string())),
                }
            }
        }
        Ok(Ok(true))
    }

    /// `changed_when` and `failed_when`.
    async fn judge(&mut self, task: &Task, landing: &Landing, result: &mut Map<String, Value>) -> Result<(), Stop> {
        if let Some(conditions) = &task.changed_when {
            match self.holds(task, landing, result, conditions).await? {
                Ok(changed) => {
                    result.insert("changed".into(), changed.into());
                }
                Err(why) => {
                    result.extend(failed(&format!("`changed_when` cannot be judged: {why}")));
                    result.insert("changed_when_result".into(), why.into());
                }
            }
        }
        if let Some(conditions) = &task.failed_when {
            match self.holds(task, landing, result, conditions).await? {
                Ok(verdict) => {
                    if !verdict && is(result, "failed") {
                        let why = result.get("msg").cloned().unwrap_or_default();
                        result.insert("failed_when_suppressed_exception".into(), why);
                    }
                    result.insert("failed".into(), verdict.into());
                    result.insert("failed_when_result".into(), verdict.into());
                }
                Err(why) => {
                    result.extend(failed(&format!("`failed_when` cannot be judged: {why}")));
                    result.insert("failed_when_result".into(), why.into());
                }
            }
        }
        Ok(())
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
            top.clone_from(&Self::loop_layer(repeat, item, landing.index, None).map);
        }
        if let Some(name) = &task.register {
            top.insert(name.clone(), Value::Object(result.clone()));
        }
        let mut view = self.plain_view(task, Some(Layer::fixed(top)));
        view.pending.clear();
        view.coming = template::Coming::default();
        Arc::new(view)
    }

    pub(in crate::playbook::run) fn title(&self, task: &Task) -> String {
        let title = task.title();
        template::text(&self.view(task, None), &title).unwrap_or(title)
    }

    pub(in crate::playbook::run) fn tell_task(&self, task: &Task, title: &str) {
        self.tell_heading(task, title, self.in_handler, &self.at);
    }

    fn tell_heading(&self, task: &Task, title: &str, handler: bool, order: &[usize]) {
        let spot = (self.batch.number, self.batch.index, order.to_vec());
        if !lock(&self.run.told).insert((spot, handler)) {
            return;
        }
        (self.run.sink)(Event::Task {
            play: self.batch.number,
            id: task.id,
            order: order.to_vec(),
            task: title.to_owned(),
            module: task.module_name().to_owned(),
            handler,
            at: task.at.to_string(),
        });
    }

    /// Tells that a task without a result is skipped.
    pub(in crate::playbook::run) fn tell_skip(&self, task: &Task) {
        (self.run.sink)(Event::HostResult {
            host: self.name.to_owned(),
            delegated: None,
            play: self.batch.number,
            id: task.id,
            order: self.at.clone(),
            task: self.title(task),
            module: task.module_name().to_owned(),
            status: Status::Skipped,
            ignored: false,
            rescued: false,
            looped: false,
            message: String::new(),
            diff: Vec::new(),
            result: skipped("False"),
        });
    }

    fn tell_item(
        &self,
        task: &Task,
        title: &str,
        label: &str,
        result: &Map<String, Value>,
        manner: &Manner,
        order: &[usize],
    ) {
        if matches!(task.action, Action::Include(_)) && status_of(result) == Status::Ok {
            return;
        }
        let (message, diff, shown) = masked(manner, message_of(result), result.clone());
        (self.run.sink)(Event::Item {
            host: self.name.to_owned(),
            delegated: manner.delegate.clone(),
            play: self.batch.number,
            id: task.id,
            order: order.to_vec(),
            task: title.to_owned(),
            module: task.module_name().to_owned(),
            item: if manner.no_log { "(hidden)".into() } else { label.to_owned() },
            status: status_of(result),
            message,
            diff,
            result: shown,
        });
    }
}
