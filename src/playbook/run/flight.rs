//! Steps under way: sent ahead of the answers, landed in order, told in order.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use serde_json::{Map, Value, json};

use super::{
    host::{HostRun, Stop},
    lock,
    prepare::{Manner, Round, Work},
};
use crate::{
    playbook::{
        ast::{Task, Until},
        event::{Diff, Event, Status},
        modules::{Args, Outcome, convert, trial, trial::Finish},
        template::{self, Error, Layer},
    },
    remote::{self, Guard, Pending, Shell, Step},
};

/// Whether the next task may be looked at before this one is through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Ahead,
    Wait,
}

/// A task whose rounds are under way or done.
pub(super) struct Flight<'a> {
    task: &'a Task,
    title: String,
    handler: bool,
    looped: bool,
    manner: Manner,
    rounds: Vec<Landing>,
    /// When there was nothing to loop over.
    reason: Option<String>,
}

struct Landing {
    item: Option<Value>,
    label: String,
    index: usize,
    state: State,
}

enum State {
    /// Nothing is left to be judged.
    Ready(Map<String, Value>),
    /// The module is through; its result is still to be judged.
    Made(Map<String, Value>),
    Waiting(Box<Pending>, Args, Finish),
}

impl<'a> HostRun<'a> {
    /// Waits for what an expression needed. Text is what is wrong and cannot be waited for.
    async fn meet(&mut self, error: Error) -> Result<Option<String>, Stop> {
        match error {
            Error::Pending => {
                if self.queue.is_empty() {
                    self.pending.clear();
                }
                self.drain().await?;
                Ok(None)
            }
            Error::Facts => {
                self.gather().await?;
                Ok(None)
            }
            Error::Wrong(message) => Ok(Some(message)),
        }
    }

    /// Prepares a task and sends what is to be sent.
    pub(super) async fn send(&mut self, task: &'a Task) -> Result<Way, Stop> {
        let manner = loop {
            match self.manner(task, &self.view(task, None)) {
                Ok(manner) => break manner,
                Err(error) => {
                    if let Some(message) = self.meet(error).await? {
                        return self.fail_now(task, &message).await;
                    }
                }
            }
        };
        if manner.delegate.is_some() || task.until.is_some() {
            self.drain().await?;
        }
        let items = loop {
            let view = self.view(task, None);
            match Self::items_of(task, &view) {
                Ok(items) => break items,
                Err(error) => {
                    if let Some(message) = self.meet(error).await? {
                        // A condition that does not hold makes the loop's fault moot.
                        let view = self.view(task, None);
                        if task.common.when.iter().any(|when| template::truth(&view, when) == Ok(false)) {
                            self.push(task, manner, false, Vec::new(), Some("conditional result was False".into()));
                            return Ok(Way::Ahead);
                        }
                        return self.fail_now(task, &message).await;
                    }
                }
            }
        };
        let looped = items.is_some();
        let mut wait = task.until.is_some() || manner.delegate.is_some() || task.failed_when.is_some();
        let mut landings: Vec<Landing> = Vec::new();
        // The newest step waits here until it is known whether another round comes after it.
        let mut held: Option<(usize, Box<Step>, Args, Finish)> = None;
        let count = items.as_ref().map_or(1, Vec::len);
        let pause = task.repeat.as_ref().and_then(|repeat| repeat.pause.as_ref()).map(convert::text_of);
        let pause = pause.and_then(|text| text.parse::<f64>().ok()).filter(|s| (0.0..86_400.0).contains(s));
        for index in 0..count {
            let item = items.as_ref().map(|items| (items[index].clone(), index));
            if let (Some(pause), true) = (pause, index > 0) {
                tokio::time::sleep(Duration::from_secs_f64(pause)).await;
            }
            if let Some(until) = &task.until {
                let landing = self.try_until(task, until, item, &manner).await?;
                landings.push(landing);
                continue;
            }
            let round = loop {
                match self.round(task, item.clone(), &manner) {
                    Ok(round) => break round,
                    Err(error) => {
                        if let Some(message) = self.meet(error).await? {
                            let (item, label) = match &item {
                                Some((item, _)) => (Some(item.clone()), convert::text_of(item)),
                                None => (None, String::new()),
                            };
                            break Round { item, label, work: Work::Fail(message) };
                        }
                    }
                }
            };
            let Round { item, label, work, .. } = round;
            let state = match work {
                Work::Send(step, args, finish) => {
                    if let Some((at, step, args, finish)) = held.take() {
                        let sent = self.dispatch(task, *step, &manner, Guard::Note).await?;
                        landings[at].state = State::Waiting(Box::new(sent), args, finish);
                    }
                    held = Some((index, step, args, finish));
                    State::Ready(Map::new())
                }
                Work::Slow(act, args, mut scope) => {
                    self.drain().await?;
                    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel::<String>();
                    scope.progress = Arc::new(move |line: &str| {
                        let _ = tell.send(line.to_owned());
                    });
                    let title = self.title(task);
                    self.tell_task(task, &title);
                    let mut going = act(args, *scope);
                    let outcome = loop {
                        tokio::select! {
                            outcome = &mut going => break outcome,
                            Some(message) = told.recv() => (self.run.sink)(Event::Progress {
                                host: self.name.to_owned(),
                                task: title.clone(),
                                message,
                            }),
                        }
                    };
                    wait |= outcome.failed.is_some();
                    State::Made(self.settle(outcome))
                }
                Work::Done(outcome) => {
                    wait |= outcome.failed.is_some();
                    State::Made(self.settle(outcome))
                }
                Work::Fail(message) => {
                    wait = true;
                    State::Made(failed(&message))
                }
                Work::Skip(condition) => State::Ready(skipped(&condition)),
            };
            landings.push(Landing { item, label, index, state });
        }
        if let Some((at, step, args, finish)) = held.take() {
            let guard = if looped { Guard::Last } else { Guard::Stop };
            let sent = self.dispatch(task, *step, &manner, guard).await?;
            landings[at].state = State::Waiting(Box::new(sent), args, finish);
        }
        let reason = (looped && count == 0).then(|| "No items in the list".to_owned());
        self.push(task, manner, looped, landings, reason);
        Ok(if wait { Way::Wait } else { Way::Ahead })
    }

    /// Writes a step to the right shell.
    async fn dispatch(
        &mut self,
        task: &'a Task,
        mut step: Step,
        manner: &Manner,
        guard: Guard,
    ) -> Result<Pending, Stop> {
        if let Some(name) = &manner.delegate {
            let sent = match self.delegate(name).await {
                Ok(shell) => shell.send(step).await,
                Err(error) => Err(error),
            };
            return sent.map_err(|error| {
                self.lose(&task.title(), &error);
                Stop::Unreachable
            });
        }
        let user = step.become_user.as_ref().map(|them| them.user.clone());
        if user != self.last_user {
            // Another shell may answer, and it knows nothing of failures before it.
            self.drain().await?;
            self.last_user = user;
            self.reset = true;
        }
        step.guard = if manner.ignore || task.failed_when.is_some() { Guard::None } else { guard };
        step.reset = std::mem::take(&mut self.reset);
        let sent = match self.shell().await {
            Ok(shell) => shell.send(step).await,
            Err(error) => Err(error),
        };
        match sent {
            Ok(pending) => Ok(pending),
            Err(error) => {
                self.drain().await?;
                let title = self.title(task);
                self.lose(&title, &error);
                Err(Stop::Unreachable)
            }
        }
    }

    async fn delegate(&self, name: &str) -> Result<Arc<Shell>, remote::Error> {
        let vars = {
            let known = lock(&self.run.shared.known);
            known.get(name).map_or_else(|| self.run.inventory.vars(name), |known| Arc::clone(&known.inventory))
        };
        let view = Arc::new(template::View::new(vec![self.run.shared.extra.clone(), Layer::lazy(vars)]));
        let mut play = self.batch.play.clone();
        play.connection = None;
        let target = self.run.target(name, &view, &play).map_err(remote::Error::BadValue)?;
        self.run.connections.open(&target).await
    }

    /// Tries until the conditions hold.
    async fn try_until(
        &mut self,
        task: &'a Task,
        until: &Until,
        item: Option<(Value, usize)>,
        manner: &Manner,
    ) -> Result<Landing, Stop> {
        let view = self.view(task, None);
        let number = |value: &Option<Value>, default: u64| {
            let value = value.as_ref().map(|value| template::value(&view, value));
            match value {
                Some(Ok(value)) => convert::text_of(&value).parse().unwrap_or(default),
                _ => default,
            }
        };
        let (retries, delay) = (number(&until.retries, 3), number(&until.delay, 5));
        let index = item.as_ref().map_or(0, |(_, index)| *index);
        let mut attempt = 1;
        loop {
            let round = loop {
                match self.round(task, item.clone(), manner) {
                    Ok(round) => break round,
                    Err(error) => {
                        if let Some(message) = self.meet(error).await? {
                            break Round { item: None, label: String::new(), work: Work::Fail(message) };
                        }
                    }
                }
            };
            let Round { item: value, label, work, .. } = round;
            let state = match work {
                Work::Skip(condition) => {
                    return Ok(Landing { item: value, label, index, state: State::Ready(skipped(&condition)) });
                }
                Work::Fail(message) => State::Made(failed(&message)),
                Work::Done(outcome) => State::Made(self.settle(outcome)),
                Work::Slow(act, args, scope) => {
                    let outcome = act(args, *scope).await;
                    State::Made(self.settle(outcome))
                }
                Work::Send(step, args, finish) => {
                    let sent = self.dispatch(task, *step, manner, Guard::None).await?;
                    State::Waiting(Box::new(sent), args, finish)
                }
            };
            let mut landing = Landing { item: value, label, index, state };
            let mut result = self.land(task, &mut landing).await?;
            result.insert("attempts".into(), attempt.into());
            let view = self.settled_view(task, &landing, &result);
            let mut holds = if until.conditions.is_empty() { Ok(!is(&result, "failed")) } else { Ok(true) };
            for condition in &until.conditions {
                holds = template::truth(&view, condition);
                if holds != Ok(true) {
                    break;
                }
            }
            match holds {
                Ok(true) => {
                    landing.state = State::Ready(result);
                    return Ok(landing);
                }
                Err(Error::Wrong(message)) if attempt > retries => {
                    result.extend(failed(&format!("the condition of `until` cannot be judged: {message}")));
                    landing.state = State::Ready(result);
                    return Ok(landing);
                }
                _ if attempt > retries => {
                    result.insert("failed".into(), true.into());
                    result.entry("msg").or_insert_with(|| "the condition of `until` never held".into());
                    landing.state = State::Ready(result);
                    return Ok(landing);
                }
                _ => {}
            }
            let title = self.title(task);
            (self.run.sink)(Event::Progress {
                host: self.name.to_owned(),
                task: title,
                message: format!("trying again, {} left", retries + 1 - attempt),
            });
            attempt += 1;
            tokio::time::sleep(Duration::from_secs(delay)).await;
        }
    }

    /// What `register` holds of a controller-side module; its facts count at once.
    fn settle(&self, outcome: Outcome) -> Map<String, Value> {
        let mut result = outcome.result;
        result.insert("changed".into(), outcome.changed.into());
        result.insert("failed".into(), outcome.failed.is_some().into());
        if let Some(message) = outcome.failed {
            result.insert("msg".into(), Value::String(message));
        }
        if !outcome.facts.is_empty() {
            for (name, value) in &outcome.facts {
                self.keep(name, value.clone());
            }
            result.insert("ansible_facts".into(), Value::Object(outcome.facts));
        }
        result
    }

    fn push(&mut self, task: &'a Task, manner: Manner, looped: bool, rounds: Vec<Landing>, reason: Option<String>) {
        if let Some(name) = &task.register {
            *self.pending.entry(name.clone()).or_default() += 1;
        }
        let title = self.title(task);
        let handler = self.in_handler;
        self.queue.push_back(Flight { task, title, handler, looped, manner, rounds, reason });
    }

    async fn fail_now(&mut self, task: &'a Task, message: &str) -> Result<Way, Stop> {
        self.drain().await?;
        self.push_failure(task, message);
        Ok(Way::Wait)
    }

    pub(super) fn push_failure(&mut self, task: &'a Task, message: &str) {
        self.push_ready(task, failed(message));
    }

    pub(super) fn push_skip(&mut self, task: &'a Task) {
        self.push_ready(task, skipped("False"));
    }

    pub(super) fn push_ready(&mut self, task: &'a Task, result: Map<String, Value>) {
        let manner = self.manner(task, &self.view(task, None));
        let manner = manner.unwrap_or(Manner { no_log: false, ignore: false, delegate: None });
        let landing = Landing { item: None, label: String::new(), index: 0, state: State::Ready(result) };
        self.push(task, manner, false, vec![landing], None);
    }

    /// Waits for everything under way.
    pub(super) async fn drain(&mut self) -> Result<(), Stop> {
        while !self.queue.is_empty() {
            self.drain_one().await?;
        }
        Ok(())
    }

    pub(super) async fn drain_one(&mut self) -> Result<(), Stop> {
        let Some(flight) = self.queue.pop_front() else { return Ok(()) };
        let Flight { task, title, handler, looped, manner, rounds, reason } = flight;
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
        task: &'a Task,
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
    async fn land(&mut self, task: &'a Task, landing: &mut Landing) -> Result<Map<String, Value>, Stop> {
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
    fn settled_view(&self, task: &Task, landing: &Landing, result: &Map<String, Value>) -> Arc<template::View> {
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

    pub(super) fn title(&self, task: &Task) -> String {
        let title = task.title();
        template::text(&self.view(task, None), &title).unwrap_or(title)
    }

    fn tell_task(&self, task: &Task, title: &str) {
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

fn is(result: &Map<String, Value>, name: &str) -> bool {
    result.get(name).and_then(Value::as_bool).unwrap_or_default()
}

fn failed(message: &str) -> Map<String, Value> {
    Map::from_iter([
        ("changed".to_owned(), Value::Bool(false)),
        ("failed".to_owned(), Value::Bool(true)),
        ("msg".to_owned(), Value::String(message.to_owned())),
    ])
}

fn skipped(condition: &str) -> Map<String, Value> {
    Map::from_iter([
        ("changed".to_owned(), Value::Bool(false)),
        ("skipped".to_owned(), Value::Bool(true)),
        ("skip_reason".to_owned(), Value::String("Conditional result was False".into())),
        ("false_condition".to_owned(), Value::String(condition.to_owned())),
    ])
}

fn status_of(result: &Map<String, Value>) -> Status {
    if is(result, "failed") {
        Status::Failed
    } else if is(result, "skipped") {
        Status::Skipped
    } else if is(result, "changed") {
        Status::Changed
    } else {
        Status::Ok
    }
}

fn message_of(result: &Map<String, Value>) -> String {
    let message = result.get("msg").map(convert::text_of).unwrap_or_default();
    if !is(result, "failed") {
        return message;
    }
    let said = ["stderr", "module_stderr", "stdout"].iter().find_map(|name| {
        let text = result.get(*name)?.as_str()?.trim();
        (!text.is_empty() && !message.contains(text)).then(|| text.chars().take(2000).collect::<String>())
    });
    match said {
        Some(said) if message.is_empty() => said,
        Some(said) => format!("{message}: {said}"),
        None => message,
    }
}

/// What a loop's rounds come to as one result.
fn together(results: Vec<Map<String, Value>>) -> Map<String, Value> {
    let any = |name: &str| results.iter().any(|result| is(result, name));
    let skipped = !results.is_empty() && results.iter().all(|result| is(result, "skipped"));
    let (changed, failed) = (any("changed"), any("failed"));
    let mut result = Map::new();
    result.insert("changed".into(), changed.into());
    result.insert("failed".into(), failed.into());
    if skipped {
        result.insert("skipped".into(), true.into());
    }
    let message = match (failed, skipped) {
        (true, _) => "One or more items failed",
        (_, true) => "All items skipped",
        _ => "All items completed",
    };
    result.insert("msg".into(), message.into());
    let facts: Map<String, Value> =
        results.iter().filter_map(|result| result.get("ansible_facts")?.as_object().cloned()).flatten().collect();
    result.insert("results".into(), results.into_iter().map(Value::Object).collect());
    if !facts.is_empty() {
        result.insert("ansible_facts".into(), Value::Object(facts));
    }
    result
}

/// What may be shown: nothing but the outcome under `no_log`.
fn masked(manner: &Manner, message: String, mut result: Map<String, Value>) -> (String, Vec<Diff>, Map<String, Value>) {
    if manner.no_log {
        let mut shown = Map::from_iter([(
            "censored".to_owned(),
            json!("the output has been hidden due to the fact that 'no_log: true' was specified for this result"),
        )]);
        for name in ["changed", "failed", "skipped"] {
            if let Some(value) = result.get(name) {
                shown.insert(name.into(), value.clone());
            }
        }
        let message = if is(&result, "failed") { "hidden by `no_log`".into() } else { String::new() };
        return (message, Vec::new(), shown);
    }
    let diff = match result.remove("diff") {
        Some(Value::Array(items)) => items.iter().map(diff_of).collect(),
        Some(one @ Value::Object(_)) => vec![diff_of(&one)],
        _ => Vec::new(),
    };
    (message, diff, result)
}

fn diff_of(value: &Value) -> Diff {
    let text = |name: &str| value.get(name).map(convert::text_of).unwrap_or_default();
    Diff { name: text("after_header"), before: text("before"), after: text("after") }
}
