//! One host's way through a play.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, atomic::Ordering},
};

use futures_util::future::BoxFuture;
use indexmap::IndexSet;
use serde_json::{Map, Value};

use super::{
    Batch, Run,
    flight::{Flight, Way},
    lock,
};
use crate::{
    playbook::{
        ast::{Action, Block, Item, Meta, Task},
        template::{self, Error, Layer},
    },
    remote::Shell,
};

mod reach;
mod tags;
mod view;

pub(in crate::playbook) use tags::tags_allow;

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
}

/// What a task that runs once came to.
#[derive(Debug, Clone)]
pub(super) struct Once {
    pub(super) result: Map<String, Value>,
    pub(super) failed: bool,
}

pub(super) struct HostRun<'a> {
    pub(super) run: &'a Run<'a>,
    pub(super) batch: &'a Batch<'a>,
    pub(super) name: &'a str,
    pub(super) queue: VecDeque<Flight>,
    /// Registered names whose values are under way, and how many times.
    pub(super) pending: HashMap<String, usize>,
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
    pub(super) failure: Option<(String, Map<String, Value>)>,
    block_vars: Option<Layer>,
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
            notified: IndexSet::new(),
            files: Vec::new(),
            magic: Layer::fixed(run.magic(name, batch)),
            shell: None,
            last_user: None,
            reset: true,
            in_handler: false,
            rescues: 0,
            failure: None,
            block_vars: None,
        }
    }

    pub(super) async fn play(mut self) {
        if let Err(message) = self.read_vars_files() {
            self.fail_whole(&message);
            return;
        }
        for section in &self.batch.play.sections {
            let cancel = self.run.cancel.clone();
            let ended = tokio::select! {
                ended = self.section(section) => ended,
                () = cancel.cancelled() => Err(Stop::Ended),
            };
            if ended.is_err() {
                break;
            }
        }
    }

    async fn section(&mut self, items: &[Item]) -> Result<(), Stop> {
        self.items(items).await?;
        self.drain().await?;
        self.handlers().await
    }

    fn items<'b>(&'b mut self, items: &'b [Item]) -> BoxFuture<'b, Result<(), Stop>> {
        Box::pin(async move {
            for item in items {
                match item {
                    Item::Task(task) => self.task(task).await?,
                    Item::Block(block) => self.block(block).await?,
                }
            }
            Ok(())
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
            if let Some((task, result)) = self.failure.take() {
                let vars = [
                    ("ansible_failed_task".to_owned(), serde_json::json!({"name": task})),
                    ("ansible_failed_result".to_owned(), Value::Object(result)),
                ];
                self.block_vars = Some(Layer::fixed(Map::from_iter(vars)));
            }
            ended = self.items(&block.rescue).await;
            if ended.is_ok() {
                ended = self.drain().await;
            }
        }
        if !block.always.is_empty() && ended != Err(Stop::Unreachable) {
            self.forget_failure();
            self.items(&block.always).await?;
            self.drain().await?;
        }
        ended
    }

    fn forget_failure(&mut self) {
        self.reset = true;
        self.queue.clear();
        self.pending.clear();
    }

    /// Runs the notified handlers, in the order in which they stand.
    fn handlers(&mut self) -> BoxFuture<'_, Result<(), Stop>> {
        Box::pin(self.called_handlers())
    }

    async fn called_handlers(&mut self) -> Result<(), Stop> {
        // A handler may notify those behind it, and those before it for another round.
        for _ in 0..20 {
            if self.notified.is_empty() {
                return Ok(());
            }
            let wanted = std::mem::take(&mut self.notified);
            for handler in &self.batch.play.handlers {
                let view = self.view(handler, None);
                let name = handler.name.as_deref().unwrap_or_default();
                let name = template::text(&view, name).unwrap_or_else(|_| name.to_owned());
                let called = wanted.contains(&name)
                    || wanted.contains(&handler.title())
                    || handler.listen.iter().any(|topic| wanted.contains(topic))
                    || self.notified.shift_remove(&name);
                if called {
                    self.in_handler = true;
                    let ended = self.task(handler).await;
                    self.in_handler = false;
                    ended?;
                }
            }
            self.drain().await?;
        }
        Ok(())
    }

    async fn task(&mut self, task: &Arc<Task>) -> Result<(), Stop> {
        if self.batch.over.load(Ordering::Relaxed) || self.run.cancel.is_cancelled() {
            self.drain().await?;
            return Err(Stop::Ended);
        }
        if !self.in_handler && !self.wanted(task) {
            return Ok(());
        }
        if self.queue.len() >= AHEAD {
            self.drain_one().await?;
        }
        match &task.action {
            Action::Meta(meta) => self.meta(task, *meta).await,
            Action::IncludeVars(args) => self.include_vars(task, args).await,
            Action::Module(..) => {
                if let Some(once) = &task.common.run_once
                    && matches!(template::truth(&self.view(task, None), once), Ok(true))
                {
                    return self.once(task).await;
                }
                self.launch(task).await
            }
        }
    }

    /// One host of the batch runs it; all get the result.
    async fn once(&mut self, task: &Arc<Task>) -> Result<(), Stop> {
        self.drain().await?;
        let key = (self.batch.number, self.batch.index, task.id);
        let cell = Arc::clone(lock(&self.run.once).entry(key).or_default());
        let mut mine = false;
        let mut ended = Ok(());
        let once = cell
            .get_or_init(|| async {
                mine = true;
                self.failure = None;
                ended = self.launch(task).await;
                if ended.is_ok() {
                    ended = self.drain().await;
                }
                let result = self.last_result(task);
                Once { result, failed: ended.is_err() }
            })
            .await
            .clone();
        if mine {
            return ended;
        }
        if let Some(name) = &task.register {
            self.keep(name, Value::Object(once.result.clone()));
        }
        if once.failed {
            self.note(|summary| {
                summary.failed += 1;
                summary.error.get_or_insert_with(|| "a task that runs once failed on another host".into());
            });
            return Err(Stop::Failed);
        }
        Ok(())
    }

    fn last_result(&self, task: &Task) -> Map<String, Value> {
        let known = lock(&self.run.shared.known);
        let kept = known.get(self.name).map(|known| Arc::clone(&known.kept));
        let value = task.register.as_ref().and_then(|name| kept.as_ref()?.get(name).cloned());
        match value {
            Some(Value::Object(map)) => map,
            _ => Map::new(),
        }
    }

    /// Prepares and sends a task, and waits where it must.
    async fn launch(&mut self, task: &Arc<Task>) -> Result<(), Stop> {
        match self.send(task).await? {
            Way::Ahead => Ok(()),
            Way::Wait => self.drain().await,
        }
    }

    async fn meta(&mut self, task: &Arc<Task>, meta: Meta) -> Result<(), Stop> {
        loop {
            let view = self.view(task, None);
            let mut holds = Ok(true);
            for condition in &task.common.when {
                holds = template::truth(&view, condition);
                if holds != Ok(true) {
                    break;
                }
            }
            match holds {
                Ok(true) => break,
                Ok(false) => return Ok(()),
                Err(Error::Pending) => self.drain().await?,
                Err(Error::Facts) => self.gather().await?,
                Err(Error::Wrong(message)) => {
                    self.drain().await?;
                    self.push_failure(task, &message);
                    return self.drain().await;
                }
            }
        }
        match meta {
            Meta::Noop => Ok(()),
            Meta::FlushHandlers => {
                self.drain().await?;
                self.handlers().await
            }
            Meta::EndHost => {
                self.drain().await?;
                Err(Stop::Ended)
            }
            Meta::EndPlay => {
                self.drain().await?;
                self.batch.over.store(true, Ordering::Relaxed);
                Err(Stop::Ended)
            }
            Meta::ClearFacts => {
                self.drain().await?;
                if let Some(known) = lock(&self.run.shared.known).get_mut(self.name) {
                    known.facts = None;
                }
                Ok(())
            }
        }
    }
}
