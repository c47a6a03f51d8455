//! One host's way through a play.

use std::{
    collections::{HashMap, VecDeque},
    path::PathBuf,
    sync::{Arc, OnceLock, atomic::Ordering},
    time::Instant,
};

use futures_util::future::BoxFuture;
use indexmap::IndexSet;
use serde_json::{Map, Value};

use tokio::sync::SemaphorePermit;

use super::{
    Batch, Gathering, Run,
    ahead::Remembered,
    flight::{Flight, Way},
    include::Wanted,
    lock,
};
use crate::{
    playbook::{
        ast::{Action, Block, Item, Meta, Task},
        modules::{Args, convert::text_of, trial::Finish},
        template::{self, Layer},
    },
    remote::Shell,
};

mod charge;
mod handlers;
mod meta;
mod reach;
mod tags;
mod vars;
mod view;

pub(in crate::playbook) use tags::tags_allow;
pub(super) use view::with_prefixes;

/// How far ahead of the answers steps are sent.
const AHEAD: usize = 64;

/// Why a host goes no further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stop {
    /// A task failed.
    Failed,
    /// The connection is gone.
    Unreachable,
    /// `meta: end_host`, `end_play`, or the run was cancelled.
    Ended,
    /// `meta: end_role`, in this role.
    EndRole(PathBuf),
}

/// What a background job of this run needs to be understood.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) args: Args,
    pub(super) finish: Finish,
}

#[allow(clippy::struct_excessive_bools, reason = "each says a thing of its own")]
pub(super) struct HostRun<'a> {
    pub(super) run: &'a Run<'a>,
    pub(super) batch: &'a Batch<'a>,
    pub(super) name: &'a str,
    pub(super) queue: VecDeque<Flight>,
    /// Registered names whose values are under way, and how many times.
    pub(super) pending: HashMap<String, usize>,
    /// Steps under way whose results the host remembers, by the names they will have.
    pub(super) remembered: HashMap<String, Remembered>,
    /// How many steps were to be remembered.
    pub(super) slots: u32,
    pub(super) notified: IndexSet<String>,
    /// `vars_files`, strongest first.
    files: Vec<Layer>,
    magic: Layer,
    pub(super) shell: Option<Arc<Shell>>,
    /// Who the last step was sent as.
    pub(super) last_user: Option<String>,
    /// The next step makes the host forget an earlier failure.
    pub(super) reset: bool,
    pub(super) in_handler: bool,
    /// How many blocks with `rescue` are around.
    pub(super) rescues: usize,
    /// The last failure, for `rescue`.
    pub(super) failure: Option<(Value, Map<String, Value>)>,
    /// The place of what is being run in what included it.
    pub(super) base: Vec<usize>,
    /// The place of the task that is being run.
    pub(super) at: Vec<usize>,
    /// All other hosts are where this one is.
    pub(super) synced: bool,
    /// What the task brings counts for all hosts of the batch.
    pub(super) sharing: bool,
    /// What the rounds of an include ask for.
    pub(super) wants: Vec<Wanted>,
    /// Whether its steps touch this machine's files, when that is known.
    pub(super) here: Option<bool>,
    /// Whether it may be this machine, by its address.
    near: OnceLock<bool>,
    permit: Option<SemaphorePermit<'a>>,
    /// When the time began that the next task to end is charged with.
    since: Instant,
}

impl<'a> HostRun<'a> {
    pub(super) fn new(run: &'a Run<'a>, batch: &'a Batch<'a>, name: &'a str) -> Self {
        lock(&run.summary).entry(name.to_owned()).or_default();
        Self {
            run,
            batch,
            name,
            queue: VecDeque::new(),
            pending: HashMap::new(),
            remembered: HashMap::new(),
            slots: 0,
            notified: IndexSet::new(),
            files: Vec::new(),
            magic: Layer::fixed(run.magic(name, batch)),
            shell: None,
            last_user: None,
            reset: true,
            in_handler: false,
            rescues: 0,
            failure: None,
            base: Vec::new(),
            at: Vec::new(),
            synced: false,
            sharing: false,
            wants: Vec::new(),
            here: None,
            near: OnceLock::new(),
            permit: None,
            since: Instant::now(),
        }
    }

    pub(super) async fn play(mut self) {
        self.permit = self.batch.forks.acquire().await.ok();
        self.since = Instant::now();
        let cancel = self.run.cancel.clone();
        tokio::select! {
            _ = self.sections() => {}
            () = cancel.cancelled() => {}
        }
    }

    async fn sections(&mut self) -> Result<(), Stop> {
        let play = self.batch.play;
        self.owe_facts();
        if let Err(message) = self.read_vars_files().await? {
            self.fail_whole(&message);
            return Ok(());
        }
        let gathers = match &play.gather_facts {
            Some(value) => matches!(template::flag(&self.base_view(), value), Ok(true)),
            None => match self.run.options.gathering {
                Gathering::Implicit => true,
                Gathering::Smart => !self.has_facts(),
                Gathering::Used | Gathering::Explicit => false,
            },
        };
        if gathers {
            let smart = self.run.options.gathering == Gathering::Smart && self.has_facts();
            if !smart {
                let gather = Arc::clone(&play.gather);
                self.task(&gather).await?;
            }
        }
        let force = match &play.force_handlers {
            Some(value) => matches!(template::flag(&self.base_view(), value), Ok(true)),
            None => self.run.options.force_handlers,
        };
        for section in &play.sections {
            let mut ended = self.items(&section.items).await;
            if ended.is_ok() {
                ended = self.drain().await;
            }
            match ended {
                Ok(()) | Err(Stop::EndRole(_)) => {}
                Err(Stop::Failed) if force => {
                    self.forget_failure();
                    let rescues = std::mem::take(&mut self.rescues);
                    self.flush(section.flush).await?;
                    self.rescues = rescues;
                    return Err(Stop::Failed);
                }
                Err(stop) => return Err(stop),
            }
            if !self.notified.is_empty() {
                self.tell_flush(section.flush);
            }
            self.flush(section.flush).await?;
        }
        Ok(())
    }

    pub(super) fn items<'b>(&'b mut self, items: &'b [Item]) -> BoxFuture<'b, Result<(), Stop>> {
        Box::pin(async move {
            let mut left: Option<PathBuf> = None;
            for item in items {
                // After `end_role` the rest of that role is passed over.
                if left.is_some() && role_of(item) == left.as_ref() {
                    continue;
                }
                left = None;
                let done = match item {
                    Item::Task(task) => self.task(task).await,
                    Item::Block(block) => self.block(block).await,
                };
                match done {
                    Err(Stop::EndRole(path)) => left = Some(path),
                    other => other?,
                }
            }
            left.map_or(Ok(()), |path| Err(Stop::EndRole(path)))
        })
    }

    async fn block(&mut self, block: &Block) -> Result<(), Stop> {
        if block.rescue.is_empty() && block.always.is_empty() {
            return self.items(&block.block).await;
        }
        self.drain().await?;
        let rescued = usize::from(!block.rescue.is_empty());
        self.rescues += rescued;
        let mut ended = self.items(&block.block).await;
        if ended.is_ok() {
            ended = self.drain().await;
        }
        self.rescues -= rescued;
        if ended == Err(Stop::Failed) && rescued > 0 {
            self.forget_failure();
            lock(&self.run.failed).remove(self.name);
            if let Some((task, result)) = self.failure.take() {
                self.keep("ansible_failed_task", task);
                self.keep("ansible_failed_result", Value::Object(result));
            }
            ended = self.items(&block.rescue).await;
            if ended.is_ok() {
                ended = self.drain().await;
            }
        }
        if !block.always.is_empty() && !matches!(ended, Err(Stop::Unreachable | Stop::Ended)) {
            self.forget_failure();
            let failed = lock(&self.run.failed).contains(self.name);
            self.items(&block.always).await?;
            self.drain().await?;
            if failed {
                lock(&self.run.failed).insert(self.name.to_owned());
            }
        }
        ended
    }

    fn forget_failure(&mut self) {
        self.reset = true;
        self.queue.clear();
        self.pending.clear();
    }

    pub(super) async fn task(&mut self, task: &Arc<Task>) -> Result<(), Stop> {
        if self.batch.over.load(Ordering::Relaxed) || self.run.cancel.is_cancelled() {
            self.drain().await?;
            return Err(Stop::Ended);
        }
        if !self.in_handler && !self.wanted(task) {
            return Ok(());
        }
        self.at.clone_from(&self.base);
        self.at.push(task.id);
        self.synced = self.batch.free || self.batch.gate.alone();
        if self.queue.len() >= AHEAD {
            self.drain_one().await?;
        }
        let early = [&task.common.run_once, &task.common.any_errors_fatal, &task.common.throttle];
        let asks = early.into_iter().flatten().any(template::is_template);
        if asks || self.batch.gate.waited() {
            self.drain().await?;
        }
        self.publish();
        if let Some(step) = &self.run.options.step
            && !matches!(task.action, Action::Meta(_))
        {
            self.drain().await?;
            if !self.step(step, task) {
                return Ok(());
            }
        }
        let together = !self.batch.free && !self.batch.gate.alone();
        let fatal = match &task.common.any_errors_fatal {
            Some(value) if together => matches!(template::flag(&self.base_view(), value), Ok(true)),
            _ => false,
        };
        let watched = fatal || (together && self.batch.max_fail.is_some());
        let mut ended = self.throttled(task).await;
        if !watched {
            return ended;
        }
        if ended.is_ok() {
            ended = self.drain().await;
        }
        self.after(task, fatal, ended).await
    }

    /// A failure of a task that concerns all hosts.
    async fn after(&mut self, task: &Task, fatal: bool, ended: Result<(), Stop>) -> Result<(), Stop> {
        let mut here = self.base.clone();
        here.push(task.id);
        if matches!(ended, Err(Stop::Failed | Stop::Unreachable)) {
            if fatal {
                lock(&self.batch.fallen).insert(here);
            }
            return ended;
        }
        ended?;
        let mut behind = here.clone();
        behind.push(usize::MAX);
        self.wait(&behind).await;
        let fell = fatal && lock(&self.batch.fallen).contains(&here);
        let many = self.batch.max_fail.is_some_and(|percent| {
            #[allow(clippy::cast_precision_loss, reason = "a share of hosts")]
            let share = lock(&self.run.failed).len() as f64 / self.batch.hosts.len() as f64;
            share > percent / 100.0
        });
        if fell || many {
            return Err(self.fall());
        }
        Ok(())
    }

    /// Fails because another host did.
    fn fall(&mut self) -> Stop {
        self.queue.clear();
        self.pending.clear();
        lock(&self.run.failed).insert(self.name.to_owned());
        Stop::Failed
    }

    async fn throttled(&mut self, task: &Arc<Task>) -> Result<(), Stop> {
        let Some(throttle) = &task.common.throttle else { return self.task_now(task).await };
        let number = template::value(&self.base_view(), throttle)
            .map_err(|e| format!("Failed to convert the throttle value to an integer: {e}"))
            .and_then(|value| {
            let text = text_of(&value);
            text.trim().parse::<usize>().map_err(|_| {
                format!(
                    "Failed to convert the throttle value to an integer: invalid literal for int() with base 10: '{text}'"
                )
            })
        });
        let number = match number {
            Ok(0) => return self.task_now(task).await,
            Ok(number) => number,
            Err(message) => {
                self.drain().await?;
                self.push_failure(task, &message);
                return self.drain().await;
            }
        };
        // It guards what hosts share, so none is ahead of the others in the next such task.
        if self.batch.free {
            self.drain().await?;
        } else {
            self.sync().await?;
        }
        let key = ((self.batch.number, self.batch.index, self.at.clone()), number);
        let gate = Arc::clone(
            lock(&self.run.throttles).entry(key).or_insert_with(|| Arc::new(tokio::sync::Semaphore::new(number))),
        );
        let begun = Instant::now();
        let _turn = gate.acquire().await;
        self.since += begun.elapsed();
        self.task_now(task).await?;
        self.drain().await
    }

    fn task_now<'b>(&'b mut self, task: &'b Arc<Task>) -> BoxFuture<'b, Result<(), Stop>> {
        Box::pin(async move {
            let together = !self.batch.free;
            let once = together && self.is_once(task);
            if once {
                return self.once(task).await;
            }
            if together && task.common.when.iter().any(|when| when.as_str().is_some_and(|w| w.contains("groups"))) {
                self.sync().await?;
            }
            self.act(task).await
        })
    }

    async fn act(&mut self, task: &Arc<Task>) -> Result<(), Stop> {
        match &task.action {
            Action::Meta(meta) => self.meta(task, *meta).await,
            Action::IncludeVars(_) | Action::Module(..) | Action::Named(..) => self.launch(task).await,
            Action::Include(include) => {
                self.launch(task).await?;
                // What a role shows to all, nobody may see before the host has come to it.
                let public = include.role && include.args.contains_key("public");
                // Files of this machine may be what steps before it are making.
                if public || (self.view(task, None).busy && !self.turns_out_elsewhere().await) {
                    self.drain().await?;
                }
                self.included(task, include).await
            }
        }
    }

    /// Whether one host does the task for all.
    fn is_once(&self, task: &Task) -> bool {
        if matches!(&task.action, Action::Module(module, _) if matches!(module.name, "add_host" | "pause")) {
            return true;
        }
        if let Action::Meta(meta) = &task.action {
            return matches!(
                meta,
                Meta::EndPlay | Meta::EndBatch | Meta::ClearFacts | Meta::ClearHostErrors | Meta::RefreshInventory
            );
        }
        let once = task.common.run_once.as_ref();
        once.is_some_and(|once| matches!(template::flag(&self.base_view(), once), Ok(true)))
    }

    /// One host of the batch does it; all get the result.
    async fn once(&mut self, task: &Arc<Task>) -> Result<(), Stop> {
        self.sync().await?;
        let place = self.at.clone();
        let (chosen, mut told) = self.batch.gate.once(&place);
        if chosen == self.name {
            self.sharing = true;
            let mut ended = self.act(task).await;
            if ended.is_ok() {
                ended = self.drain().await;
            }
            self.sharing = false;
            self.batch.gate.once_done(&place, !matches!(ended, Err(Stop::Failed | Stop::Unreachable)));
            if self.batch.over.load(Ordering::Relaxed) {
                return Err(Stop::Ended);
            }
            return ended;
        }
        let begun = Instant::now();
        let well = told.wait_for(Option::is_some).await.is_ok_and(|well| *well != Some(false));
        self.since += begun.elapsed();
        if self.batch.over.load(Ordering::Relaxed) {
            return Err(Stop::Ended);
        }
        if well { Ok(()) } else { Err(self.fall()) }
    }

    /// Waits until all other hosts have done what stands before this task.
    pub(super) async fn sync(&mut self) -> Result<(), Stop> {
        if self.synced {
            return self.drain().await;
        }
        self.drain().await?;
        let place = self.at.clone();
        self.wait(&place).await;
        self.synced = true;
        Ok(())
    }

    async fn wait(&mut self, place: &[usize]) {
        let begun = Instant::now();
        self.permit = None;
        self.batch.gate.wait(self.name, place).await;
        self.permit = self.batch.forks.acquire().await.ok();
        self.since += begun.elapsed();
    }

    /// Tells how far this host is.
    pub(super) fn publish(&self) {
        match self.queue.front() {
            Some(flight) => self.batch.gate.at(self.name, &flight.order),
            None => self.batch.gate.at(self.name, &self.at),
        }
    }

    fn step(&self, step: &super::Step, task: &Task) -> bool {
        (step.0)(&self.title(task))
    }

    /// Prepares and sends a task, and waits where it must.
    async fn launch(&mut self, task: &Arc<Task>) -> Result<(), Stop> {
        match self.send(task).await? {
            Way::Ahead => Ok(()),
            Way::Wait => self.drain().await,
        }
    }
}

/// The folder of the role that an item belongs to.
fn role_of(item: &Item) -> Option<&PathBuf> {
    match item {
        Item::Task(task) => task.role.as_ref().map(|role| &role.path),
        Item::Block(block) => block.block.first().and_then(role_of),
    }
}
