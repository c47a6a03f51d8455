//! Steps under way: sent ahead of the answers, landed in order, told in order.

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value};

use super::{
    ahead::{Changed, Remembered},
    host::{HostRun, Stop},
    prepare::{Manner, Round, Work},
};
use crate::{
    playbook::{
        ast::{Action, Common, Task},
        event::Event,
        modules::{Args, Outcome, convert, trial::Finish},
        template::{self, Error},
    },
    remote::{self, Guard, Pending, Shell, Step},
};

mod background;
mod land;
mod result;
mod talk;
mod until;

use result::{failed, included_vars, skipped, unreachable};

/// How many results a host remembers at a time: more than steps can be under way.
const SLOTS: u32 = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Ahead,
    Wait,
}

/// A task whose rounds are under way or done.
pub(super) struct Flight {
    /// The task's place in the play.
    pub(super) order: Vec<usize>,
    task: Arc<Task>,
    title: String,
    handler: bool,
    looped: bool,
    manner: Manner,
    rounds: Vec<Landing>,
    /// When there was nothing to loop over.
    reason: Option<String>,
    /// What is told of the files that it includes, once it is through.
    included: Vec<Event>,
}

impl Flight {
    /// The names of the facts that its result holds.
    pub(super) fn facts(&self) -> &'static [&'static str] {
        match self.task.module_name() {
            "setup" | "gather_facts" => &["ansible_*", "ansible_facts", "gather_subset", "module_setup"],
            "getent" => &["getent_*", "ansible_facts"],
            "package_facts" => &["packages", "ansible_facts"],
            "service_facts" => &["services", "ansible_facts"],
            _ => &[],
        }
    }
}

struct Landing {
    delegate: Option<String>,
    extended: Option<Value>,
    item: Option<Value>,
    label: String,
    index: usize,
    /// Which try of `until` it is.
    attempt: Option<u32>,
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
    pub(super) async fn meet(&mut self, error: Error) -> Result<Option<String>, Stop> {
        match error {
            Error::Pending => {
                if !self.queue.is_empty() {
                    // Files of this machine may be what is waited for, and not be touched at all.
                    if !self.turns_out_elsewhere().await {
                        self.drain().await?;
                    }
                } else if self.synced {
                    self.pending.clear();
                } else {
                    self.sync().await?;
                }
                Ok(None)
            }
            Error::Facts => {
                self.gather().await?;
                Ok(None)
            }
            Error::OthersFacts => {
                self.gather_others().await?;
                Ok(None)
            }
            Error::Wrong(message) => Ok(Some(message)),
        }
    }

    /// Prepares a task and sends what is to be sent.
    pub(super) async fn send(&mut self, task: &Arc<Task>) -> Result<Way, Stop> {
        if let Some(name) = &task.register {
            self.remembered.remove(name);
        }
        let named;
        let task = if let Some(repeat) = task.repeat.as_ref().filter(|repeat| repeat.var.contains("{{")) {
            let Ok(var) = template::text(&self.view(task, None), &repeat.var) else {
                return self.fail_now(task, "the name in `loop_var` cannot be made").await;
            };
            let repeat = Some(crate::playbook::ast::Repeat { var, ..repeat.clone() });
            named = Arc::new(Task { repeat, ..Task::clone(task) });
            &named
        } else {
            task
        };
        let title = Value::String(task.title());
        if template::is_template(&title) {
            // Its heading says what is known when it begins.
            while let Err(error) = template::value(&self.view(task, None), &title) {
                if self.meet(error).await?.is_some() {
                    break;
                }
            }
        }
        let manner = loop {
            match Self::manner(task, &self.view(task, None)) {
                Ok(manner) => break manner,
                Err(error) => {
                    if let Some(message) = self.meet(error).await? {
                        return self.fail_now(task, &message).await;
                    }
                }
            }
        };
        if task.common.delegate_to.is_some() {
            // What others did on that host, and what they know, counts.
            self.sync().await?;
        }
        // A round may look at the one before it.
        let one_by_one = Self::one_by_one(task);
        if task.until.is_some() || one_by_one {
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
        let mut wait = task.until.is_some()
            || one_by_one
            || task.common.delegate_to.is_some()
            || task.failed_when.is_some()
            || task.background.is_some()
            // What such a program did, it says at its end.
            || matches!(&task.action, Action::Module(module, _) if module.is_own())
            // Later tasks may look at the groups by any name.
            || task.module_name() == "group_by";
        let mut landings: Vec<Landing> = Vec::new();
        // The newest step waits here until it is known whether another round comes after it.
        let mut held: Option<(usize, Box<Step>, Args, Finish, Manner)> = None;
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
                if one_by_one && self.breaks(task, &mut landings).await? {
                    break;
                }
                continue;
            }
            let round = loop {
                match self.round(
                    task,
                    item.clone(),
                    items.as_ref().and_then(|items| Self::extended(task, items, index)),
                    &manner,
                ) {
                    Ok(round) => break round,
                    Err(error) => {
                        if let Some(message) = self.meet(error).await? {
                            let (item, label) = match &item {
                                Some((item, _)) => (Some(item.clone()), convert::text_of(item)),
                                None => (None, String::new()),
                            };
                            break Round { item, label, manner: manner.clone(), work: Work::Fail(message) };
                        }
                    }
                }
            };
            let Round { item, label, work, manner } = round;
            let delegate = manner.delegate.clone();
            let state = match work {
                Work::Send(step, args, finish) => {
                    if let Some((at, step, args, finish, manner)) = held.take() {
                        landings[at].state = self.dispatch(task, *step, (args, finish), &manner, Guard::Note).await?;
                    }
                    if one_by_one {
                        self.dispatch(task, *step, (args, finish), &manner, Guard::None).await?
                    } else {
                        held = Some((index, step, args, finish, manner));
                        State::Ready(Map::new())
                    }
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
                    State::Made(self.settle(task, &manner, outcome))
                }
                Work::Talk(lead, args, step, scope) => {
                    if let Some((at, step, args, finish, manner)) = held.take() {
                        landings[at].state = self.dispatch(task, *step, (args, finish), &manner, Guard::Note).await?;
                    }
                    let outcome = self.converse(task, &lead, args, *step, *scope, &manner).await?;
                    // What failed before it in a loop must be heard, too.
                    wait = true;
                    State::Made(self.settle(task, &manner, outcome))
                }
                Work::Done(outcome) => {
                    // A result that is under way must not come after the value that takes its place.
                    if outcome.facts.keys().any(|name| self.pending.contains_key(name)) {
                        self.drain().await?;
                    }
                    wait |= outcome.failed.is_some();
                    State::Made(self.settle(task, &manner, outcome))
                }
                Work::Fail(message) => {
                    wait = true;
                    let mut result = failed(&message);
                    if task.module_name() == "include_vars" {
                        result.insert("message".into(), message.into());
                    }
                    State::Made(result)
                }
                Work::Vars(vars, files) => {
                    self.keep_included(&vars, &self.fact_hosts(task, &manner));
                    State::Made(included_vars(vars, files))
                }
                Work::Include(mut wanted) => {
                    wanted.label.clone_from(&label);
                    let result = serde_json::json!({"changed": false, "failed": false, "include_args": wanted.args});
                    self.wants.push(*wanted);
                    State::Made(result.as_object().cloned().unwrap_or_default())
                }
                Work::Skip(condition) => State::Ready(skipped(&condition)),
            };
            let extended = items.as_ref().and_then(|items| Self::extended(task, items, index));
            landings.push(Landing { delegate, extended, item, label, index, attempt: None, state });
            if one_by_one && self.breaks(task, &mut landings).await? {
                break;
            }
        }
        if let Some((at, step, args, finish, manner)) = held.take() {
            let guard = if looped { Guard::Last } else { Guard::Stop };
            landings[at].state = self.dispatch(task, *step, (args, finish), &manner, guard).await?;
        }
        let reason = (looped && count == 0).then(|| "No items in the list".to_owned());
        self.push(task, manner, looped, landings, reason);
        Ok(if wait { Way::Wait } else { Way::Ahead })
    }

    /// Whether each round's result is needed before the next begins.
    fn one_by_one(task: &Task) -> bool {
        let Some(repeat) = &task.repeat else { return false };
        let named = |name: &String| {
            let has = |value: &Value| value.to_string().contains(name.as_str());
            task.common.when.iter().any(has) || repeat.label.as_ref().is_some_and(has)
        };
        !repeat.break_when.is_empty() || task.register.as_ref().is_some_and(named)
    }

    /// Waits for the newest round; whether it is the last, by `break_when`.
    async fn breaks(&mut self, task: &Arc<Task>, landings: &mut [Landing]) -> Result<bool, Stop> {
        let Some(landing) = landings.last_mut() else { return Ok(false) };
        let result = self.land(task, landing).await?;
        if let Some(name) = &task.register {
            self.keep(name, Value::Object(result.clone()));
        }
        let conditions = task.repeat.as_ref().map(|repeat| repeat.break_when.as_slice()).unwrap_or_default();
        let holds = self.holds(task, landing, &result, conditions).await?;
        landing.state = State::Ready(result);
        Ok(!conditions.is_empty() && holds == Ok(true))
    }

    /// Writes a step to the right shell.
    async fn dispatch(
        &mut self,
        task: &Arc<Task>,
        mut step: Step,
        (args, finish): (Args, Finish),
        manner: &Manner,
        guard: Guard,
    ) -> Result<State, Stop> {
        let made = |sent: Pending| State::Waiting(Box::new(sent), args, finish);
        if let Some(name) = &manner.delegate {
            let sent = match self.delegate(task, name).await {
                Ok(shell) => shell.send(step).await,
                Err(error) => Err(error),
            };
            return match sent {
                Ok(sent) => Ok(made(sent)),
                Err(error) => self.gone(task, &error).map(State::Ready),
            };
        }
        let user = step.become_user.as_ref().map(|them| them.user.clone());
        if user != self.last_user {
            // Another shell may answer, and it knows nothing of failures before it.
            self.drain().await?;
            self.last_user = user;
            self.reset = true;
        }
        step.guard = if manner.ignore || task.failed_when.is_some() { Guard::Held } else { guard };
        step.reset = std::mem::take(&mut self.reset);
        let remembered = task.register.as_ref().and_then(|_| self.remembering(task, &step));
        step.remember = remembered.as_ref().map(|remembered| remembered.slot);
        let sent = match self.shell_for(task).await {
            Ok(shell) => {
                if matches!(shell.target().via, remote::Via::Local) {
                    self.here = Some(true);
                }
                shell.send(step).await
            }
            Err(error) => Err(error),
        };
        match sent {
            Ok(pending) => {
                if let (Some(name), Some(remembered)) = (&task.register, remembered) {
                    self.remembered.insert(name.clone(), remembered);
                }
                Ok(made(pending))
            }
            Err(error) => {
                self.drain().await?;
                self.gone(task, &error).map(State::Ready)
            }
        }
    }

    /// How the host keeps what a step comes to, when conditions may ask for it.
    fn remembering(&mut self, task: &Task, step: &Step) -> Option<Remembered> {
        let Action::Module(module, _) = &task.action else { return None };
        let single = task.repeat.is_none() && task.until.is_none() && task.background.is_none();
        if !single || task.failed_when.is_some() || !self.in_main_shell(task, step) {
            return None;
        }
        let changed = match task.changed_when.as_deref() {
            None => Changed::Told,
            Some([Value::Bool(flag)]) => Changed::Always(*flag),
            Some(_) => Changed::Judged,
        };
        self.slots = (self.slots + 1) % SLOTS;
        Some(Remembered { slot: self.slots, module: module.name, changed })
    }

    /// Whether a step runs in the shell that remembers.
    pub(super) fn in_main_shell(&self, task: &Task, step: &Step) -> bool {
        let (own, play) = (&task.common, &self.batch.play.common);
        let user = step.become_user.as_ref().map(|them| them.user.as_str());
        matches!(user, None | Some("root"))
            && user == self.last_user.as_deref()
            && own.delegate_to.is_none()
            && own.connection == play.connection
            && own.remote_user == play.remote_user
            && own.port == play.port
    }

    /// What becomes of a task whose host cannot be reached. Where only the other user's rights are missing, the task
    /// fails.
    fn gone(&mut self, task: &Arc<Task>, error: &remote::Error) -> Result<Map<String, Value>, Stop> {
        if matches!(error, remote::Error::Become { .. }) {
            return Ok(failed(&error.to_string()));
        }
        let ignored = task.common.ignore_unreachable.as_ref();
        if ignored.is_some_and(|value| template::flag(&self.base_view(), value) == Ok(true)) {
            self.shell = None;
            self.run.connections.forget(self.name);
            return Ok(unreachable(&error.to_string()));
        }
        self.lose(task, error);
        Err(Stop::Unreachable)
    }

    pub(in crate::playbook::run) async fn delegate(
        &self,
        task: &Task,
        name: &str,
    ) -> Result<Arc<Shell>, remote::Error> {
        let view = self.other_view(name, task);
        let common = Common { remote_user: None, port: None, connection: None, ..task.common.clone() };
        let mut target = self.run.target(name, &view, &common).map_err(remote::Error::BadValue)?;
        if matches!(target.via, remote::Via::Local) && target.name != self.name {
            // Nothing keeps hosts from working here side by side.
            target.name = format!("{name} for {}", self.name);
        }
        self.run.connections.open(&target).await
    }

    /// What `register` holds of a controller-side module; its facts count at once.
    fn settle(&self, task: &Task, manner: &Manner, outcome: Outcome) -> Map<String, Value> {
        let mut result = outcome.result;
        result.insert("changed".into(), outcome.changed.into());
        result.insert("failed".into(), outcome.failed.is_some().into());
        if let Some(message) = outcome.failed {
            result.insert("msg".into(), Value::String(message));
        }
        if !outcome.facts.is_empty() {
            let hosts = self.fact_hosts(task, manner);
            for (name, value) in &outcome.facts {
                self.keep_on(&hosts, name, value);
            }
            if outcome.lasting {
                self.keep_facts(&outcome.facts, &hosts);
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
        let order = self.at.clone();
        let task = Arc::clone(task);
        let included = Vec::new();
        self.queue.push_back(Flight { order, task, title, handler, looped, manner, rounds, reason, included });
    }

    /// Tells which files the task has included: at once, or when it is through.
    pub(super) fn tell_included(&mut self, place: &[usize], events: Vec<Event>) {
        match self.queue.back_mut().filter(|flight| flight.order == place) {
            Some(flight) => flight.included = events,
            None => self.say_included(events),
        }
    }

    fn say_included(&self, events: Vec<Event>) {
        for event in events {
            self.note(|summary| summary.ok += 1);
            (self.run.sink)(event);
        }
    }

    async fn fail_now(&mut self, task: &Arc<Task>, message: &str) -> Result<Way, Stop> {
        self.drain().await?;
        self.push_failure(task, message);
        Ok(Way::Wait)
    }

    pub(super) fn push_failure(&mut self, task: &Arc<Task>, message: &str) {
        self.push_ready(task, failed(message));
    }

    fn push_ready(&mut self, task: &Arc<Task>, result: Map<String, Value>) {
        let manner = Self::manner(task, &self.view(task, None));
        let manner = manner.unwrap_or_default();
        let landing = Landing {
            delegate: None,
            extended: None,
            item: None,
            label: String::new(),
            index: 0,
            attempt: None,
            state: State::Ready(result),
        };
        self.push(task, manner, false, vec![landing], None);
    }
}
