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
    lock, special,
};
use crate::{
    playbook::{
        ast::{Action, Block, Item, Meta, Task},
        event::{Event, Status},
        modules::{self, Args},
        template::{self, Error, Layer, View},
        yaml,
    },
    remote::{self, Shell, Step},
};

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
    pub(super) queue: VecDeque<Flight<'a>>,
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

    async fn section(&mut self, items: &'a [Item]) -> Result<(), Stop> {
        self.items(items).await?;
        self.drain().await?;
        self.handlers().await
    }

    fn items<'b>(&'b mut self, items: &'a [Item]) -> BoxFuture<'b, Result<(), Stop>>
    where
        'a: 'b,
    {
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

    async fn block(&mut self, block: &'a Block) -> Result<(), Stop> {
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
    fn handlers<'b>(&'b mut self) -> BoxFuture<'b, Result<(), Stop>>
    where
        'a: 'b,
    {
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

    async fn task(&mut self, task: &'a Task) -> Result<(), Stop> {
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
    async fn once(&mut self, task: &'a Task) -> Result<(), Stop> {
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
    async fn launch(&mut self, task: &'a Task) -> Result<(), Stop> {
        match self.send(task).await? {
            Way::Ahead => Ok(()),
            Way::Wait => self.drain().await,
        }
    }

    async fn meta(&mut self, task: &'a Task, meta: Meta) -> Result<(), Stop> {
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

    async fn include_vars(&mut self, task: &'a Task, args: &Map<String, Value>) -> Result<(), Stop> {
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
        let node = yaml::read(path).map_err(|fault| wrong(fault.to_string()))?;
        let vars = node.map(|node| node.to_map()).unwrap_or_default();
        Ok(Some(match args.get("name") {
            Some(name) => Map::from_iter([(modules::convert::text_of(name), Value::Object(vars))]),
            None => vars,
        }))
    }

    fn read_vars_files(&mut self) -> Result<(), String> {
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
            let node = yaml::read(&path).map_err(|fault| fault.to_string())?;
            let vars = node.map(|node| node.to_map()).unwrap_or_default();
            self.files.insert(0, Layer::lazy(Arc::new(vars)));
        }
        Ok(())
    }

    fn base_view(&self) -> Arc<View> {
        let (layers, known) = self.run.layers(self.name, self.batch, &self.files);
        let mut all = vec![
            self.run.shared.extra.clone(),
            self.magic.clone(),
            Layer { map: Arc::clone(&known.kept), lazy: false },
        ];
        all.extend(layers);
        let mut view = View::new(all);
        view.special = Some(special::special(&self.run.shared));
        Arc::new(view)
    }

    /// What a task sees. `top` holds the loop's variables.
    pub(super) fn view(&self, task: &Task, top: Option<Layer>) -> Arc<View> {
        Arc::new(self.plain_view(task, top))
    }

    pub(super) fn plain_view(&self, task: &Task, top: Option<Layer>) -> View {
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
        view.search = Arc::clone(&task.search);
        view
    }

    /// Whether the tags and `start_at_task` let this task run.
    fn wanted(&self, task: &Task) -> bool {
        let options = self.run.options;
        if !self.run.started.load(Ordering::Relaxed) {
            let wanted = options.start_at_task.as_deref().unwrap_or_default();
            if task.name.as_deref() != Some(wanted) && task.title() != wanted {
                return false;
            }
            self.run.started.store(true, Ordering::Relaxed);
        }
        tags_allow(&task.common.tags, &options.tags, &options.skip_tags)
    }

    /// Gathers facts with the `setup` module.
    pub(super) async fn gather(&mut self) -> Result<(), Stop> {
        self.drain().await?;
        let done = self.gather_now().await;
        match done {
            Ok(facts) => {
                let facts = with_prefixes(facts);
                if let Some(known) = lock(&self.run.shared.known).get_mut(self.name) {
                    known.facts = Some(Arc::new(facts));
                }
                Ok(())
            }
            Err(error) => {
                self.lose("gathering facts", &error);
                Err(Stop::Unreachable)
            }
        }
    }

    async fn gather_now(&mut self) -> Result<Map<String, Value>, remote::Error> {
        let (step, args, finish) = self.setup().map_err(remote::Error::BadValue)?;
        let shell = self.shell().await?;
        self.last_user = None;
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
            eval: &eval,
            judge: &judge,
            check: false,
            diff: false,
            no_log: false,
        };
        let made = script(&args, &scope)?;
        let step = Step {
            text: made.text,
            library: library.to_vec(),
            files: made.files,
            deadline: Some(self.run.options.step_timeout),
            ..Step::default()
        };
        Ok((step, args, made.finish))
    }

    /// The host's shell, opened when it is first needed.
    pub(super) async fn shell(&mut self) -> Result<Arc<Shell>, remote::Error> {
        if let Some(shell) = &self.shell {
            return Ok(Arc::clone(shell));
        }
        let view = self.base_view();
        let target = self.run.target(self.name, &view, self.batch.play).map_err(remote::Error::BadValue)?;
        let shell = self.run.connections.open(&target).await?;
        self.shell = Some(Arc::clone(&shell));
        Ok(shell)
    }

    /// Keeps a value for the host.
    pub(super) fn keep(&self, name: &str, value: Value) {
        let mut known = lock(&self.run.shared.known);
        let known = known.entry(self.name.to_owned()).or_default();
        Arc::make_mut(&mut known.kept).insert(name.to_owned(), value);
    }

    /// Adds facts that a module found.
    pub(super) fn keep_facts(&self, facts: &Map<String, Value>) {
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

    pub(super) fn note(&self, change: impl FnOnce(&mut crate::playbook::event::HostSummary)) {
        let mut summary = lock(&self.run.summary);
        change(summary.entry(self.name.to_owned()).or_default());
    }

    /// The connection is gone, or was never there.
    pub(super) fn lose(&mut self, task: &str, error: &remote::Error) {
        self.queue.clear();
        self.shell = None;
        self.run.connections.forget(self.name);
        let message = error.to_string();
        self.note(|summary| {
            summary.unreachable = 1;
            summary.error.get_or_insert_with(|| message.clone());
        });
        (self.run.sink)(Event::HostResult {
            host: self.name.to_owned(),
            play: self.batch.number,
            id: 0,
            task: task.to_owned(),
            status: Status::Unreachable,
            ignored: false,
            looped: false,
            message,
            diff: Vec::new(),
            result: Map::from_iter([("unreachable".to_owned(), Value::Bool(true))]),
        });
    }

    fn fail_whole(&self, message: &str) {
        self.note(|summary| {
            summary.failed += 1;
            summary.error.get_or_insert_with(|| message.to_owned());
        });
        (self.run.sink)(Event::HostResult {
            host: self.name.to_owned(),
            play: self.batch.number,
            id: 0,
            task: "reading variables".into(),
            status: Status::Failed,
            ignored: false,
            looped: false,
            message: message.to_owned(),
            diff: Vec::new(),
            result: Map::new(),
        });
    }
}

/// Facts under `ansible_facts` without their prefix, and each with it.
fn with_prefixes(facts: Map<String, Value>) -> Map<String, Value> {
    let mut bare = Map::new();
    let mut all = Map::new();
    for (name, value) in facts {
        let short = name.strip_prefix("ansible_").unwrap_or(&name).to_owned();
        all.insert(format!("ansible_{short}"), value.clone());
        bare.insert(short, value);
    }
    all.insert("ansible_facts".into(), Value::Object(bare));
    all
}

/// Whether a task with these tags runs under `--tags` and `--skip-tags`.
pub(in crate::playbook) fn tags_allow(own: &[String], wanted: &[String], skipped: &[String]) -> bool {
    let has = |tag: &str| own.iter().any(|own| own == tag);
    let any = |list: &[String]| list.iter().any(|tag| has(tag));
    let wants = |word: &str| wanted.iter().any(|tag| tag == word);
    let skips = |word: &str| skipped.iter().any(|tag| tag == word);
    let called = if wanted.is_empty() || wants("all") {
        !has("never") || any(wanted)
    } else if has("always") {
        true
    } else {
        any(wanted) || (wants("tagged") && !own.is_empty() && !has("never")) || (wants("untagged") && own.is_empty())
    };
    let out = any(skipped)
        || (skips("all") && !has("always"))
        || (skips("tagged") && !own.is_empty())
        || (skips("untagged") && own.is_empty());
    called && !out
}
