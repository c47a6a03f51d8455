//! Steps under way: sent ahead of the answers, landed in order, told in order.

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value};

use super::{
    host::{HostRun, Stop},
    lock,
    prepare::{Manner, Round, Work},
};
use crate::{
    playbook::{
        ast::Task,
        event::Event,
        modules::{Args, Outcome, convert, trial::Finish},
        template::{self, Error, Layer},
    },
    remote::{self, Guard, Pending, Shell, Step},
};

mod land;
mod result;
mod talk;
mod until;

use result::{failed, skipped};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Ahead,
    Wait,
}

/// A task whose rounds are under way or done.
pub(super) struct Flight {
    task: Arc<Task>,
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

impl HostRun<'_> {
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
    pub(super) async fn send(&mut self, task: &Arc<Task>) -> Result<Way, Stop> {
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
                Work::Talk(talk, args, step, scope) => {
                    if let Some((at, step, args, finish)) = held.take() {
                        let sent = self.dispatch(task, *step, &manner, Guard::Note).await?;
                        landings[at].state = State::Waiting(Box::new(sent), args, finish);
                    }
                    let outcome = self.converse(task, &talk, args, *step, *scope, &manner).await?;
                    // What failed before it in a loop must be heard, too.
                    wait = true;
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
        task: &Arc<Task>,
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

    fn push(&mut self, task: &Arc<Task>, manner: Manner, looped: bool, rounds: Vec<Landing>, reason: Option<String>) {
        if let Some(name) = &task.register {
            *self.pending.entry(name.clone()).or_default() += 1;
        }
        let title = self.title(task);
        let handler = self.in_handler;
        self.queue.push_back(Flight { task: Arc::clone(task), title, handler, looped, manner, rounds, reason });
    }

    async fn fail_now(&mut self, task: &Arc<Task>, message: &str) -> Result<Way, Stop> {
        self.drain().await?;
        self.push_failure(task, message);
        Ok(Way::Wait)
    }

    pub(super) fn push_failure(&mut self, task: &Arc<Task>, message: &str) {
        self.push_ready(task, failed(message));
    }

    pub(super) fn push_skip(&mut self, task: &Arc<Task>) {
        self.push_ready(task, skipped("False"));
    }

    pub(super) fn push_ready(&mut self, task: &Arc<Task>, result: Map<String, Value>) {
        let manner = self.manner(task, &self.view(task, None));
        let manner = manner.unwrap_or(Manner { no_log: false, ignore: false, delegate: None });
        let landing = Landing { item: None, label: String::new(), index: 0, state: State::Ready(result) };
        self.push(task, manner, false, vec![landing], None);
    }
}
