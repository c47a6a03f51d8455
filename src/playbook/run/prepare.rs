//! From a task as it is written to what one host is to do: conditions judged, loops opened, arguments rendered.

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value};

use super::{host::HostRun, method_of};
use crate::{
    playbook::{
        ast::{Action, Include, Repeat, Task},
        modules::{
            self, Act, Args, AsyncScope, Module, Outcome, Scope, async_status, convert, talk::Talk, trial::Finish,
        },
        template::{self, Error, Layer, OMIT, View},
    },
    remote::{Become, Secret, Step},
};

/// What one round of a task is.
pub(super) struct Round {
    pub(super) manner: Manner,
    pub(super) item: Option<Value>,
    pub(super) label: String,
    pub(super) work: Work,
}

/// What there is to do.
pub(super) enum Work {
    Vars(Map<String, Value>, Vec<String>),
    Include(Box<super::include::Wanted>),
    Skip(String),
    Fail(String),
    Done(Outcome),
    Send(Box<Step>, Args, Finish),
    /// The step says how the conversation's own are to run.
    Talk(Talk, Args, Box<Step>, Box<AsyncScope>),
    Slow(fn(Args, AsyncScope) -> futures_util::future::BoxFuture<'static, Outcome>, Args, Box<AsyncScope>),
}

/// What holds for all rounds of a task.
#[derive(Debug, Clone, Default)]
pub(super) struct Manner {
    pub(super) no_log: bool,
    pub(super) ignore: bool,
    pub(super) delegate: Option<String>,
}

/// Modules of which Ansible does a part on the controller, so that they do not go into the background.
const NEVER_ASYNC: &[&str] = &["assemble", "copy", "fetch", "gather_facts", "raw", "script", "template", "unarchive"];

impl HostRun<'_> {
    /// The items of a loop; `None` when the task has none.
    pub(super) fn items_of(task: &Task, view: &Arc<View>) -> Result<Option<Vec<Value>>, Error> {
        let Some(repeat) = &task.repeat else { return Ok(None) };
        let over = match &repeat.over {
            // `with_items: name` is an expression in old playbooks.
            Value::String(name)
                if repeat.with.is_some()
                    && !name.contains("{{")
                    && (view.raw(name).is_some() || view.is_coming(name))
                    && !matches!(repeat.with.as_deref(), Some("sequence" | "fileglob")) =>
            {
                template::expression(view, name)?
            }
            // An item that is left out of a list stays out.
            other => template::value(view, other)?,
        };
        let items = match &repeat.with {
            None => match over {
                Value::Array(items) => items,
                other => {
                    return Err(Error::Wrong(format!(
                        "`loop` goes through a list, and this is {}",
                        match other {
                            Value::Object(_) => "a mapping; add `| dict2items`",
                            Value::String(_) => "text",
                            _ => "a single value",
                        }
                    )));
                }
            },
            Some(with) => {
                let terms = match over {
                    Value::Array(items) if with != "dict" => items,
                    one => vec![one],
                };
                template::lookup(view, with, terms, None)?
            }
        };
        Ok(Some(items.into_iter().filter(|item| item.as_str() != Some(OMIT)).collect()))
    }

    pub(super) fn loop_layer(repeat: &Repeat, item: &Value, index: usize, extended: Option<Value>) -> Layer {
        let mut vars = Map::from_iter([(repeat.var.clone(), item.clone())]);
        vars.insert("ansible_loop_var".into(), Value::String(repeat.var.clone()));
        if let Some(name) = &repeat.index_var {
            vars.insert(name.clone(), Value::from(index));
            vars.insert("ansible_index_var".into(), Value::String(name.clone()));
        }
        if let Some(extended) = extended {
            vars.insert("ansible_loop".into(), extended);
        }
        Layer::fixed(vars)
    }

    /// `ansible_loop`, when the task wants it.
    pub(super) fn extended(task: &Task, items: &[Value], index: usize) -> Option<Value> {
        let all = task.repeat.as_ref()?.extended?;
        let length = items.len();
        let mut made = serde_json::json!({
            "index": index + 1,
            "index0": index,
            "first": index == 0,
            "last": index + 1 == length,
            "length": length,
            "revindex": length - index,
            "revindex0": length - index - 1,
        });
        let map = made.as_object_mut()?;
        if all {
            map.insert("allitems".into(), Value::Array(items.to_vec()));
        }
        if let Some(next) = items.get(index + 1) {
            map.insert("nextitem".into(), next.clone());
        }
        if let Some(previous) = index.checked_sub(1).and_then(|index| items.get(index)) {
            map.insert("previtem".into(), previous.clone());
        }
        Some(made)
    }

    pub(super) fn manner(task: &Task, view: &Arc<View>) -> Result<Manner, Error> {
        let common = &task.common;
        let flag = |value: &Option<Value>| value.as_ref().map_or(Ok(false), |value| template::flag(view, value));
        // With a loop these may name the item; then each round says it.
        let looped = task.repeat.is_some();
        let later = |found: Result<bool, Error>| match found {
            Err(Error::Wrong(_)) if looped => Ok(false),
            other => other,
        };
        Ok(Manner { no_log: later(flag(&common.no_log))?, ignore: later(flag(&common.ignore_errors))?, delegate: None })
    }

    fn delegate_of(&self, task: &Task, view: &Arc<View>) -> Result<Option<String>, Error> {
        let Some(name) = &task.common.delegate_to else { return Ok(None) };
        let name = convert::text_of(&template::value(view, name)?);
        if name.is_empty() {
            return Err(Error::Wrong("`delegate_to` names no host".into()));
        }
        Ok(Some(name).filter(|name| name != OMIT && name != self.name))
    }

    /// One round: its conditions, then its work.
    pub(super) fn round(
        &self,
        task: &Task,
        item: Option<(Value, usize)>,
        extended: Option<Value>,
        manner: &Manner,
    ) -> Result<Round, Error> {
        let top = match (&item, &task.repeat) {
            (Some((item, index)), Some(repeat)) => Some(Self::loop_layer(repeat, item, *index, extended)),
            _ => None,
        };
        let view = self.view(task, top);
        let mut manner = manner.clone();
        if item.is_some() {
            let flag = |value: &Option<Value>| value.as_ref().map_or(Ok(false), |value| template::flag(&view, value));
            manner.no_log = flag(&task.common.no_log)?;
        }
        let mut work = match self.work(task, &view, &mut manner) {
            Err(Error::Wrong(message)) => Work::Fail(message),
            other => other?,
        };
        let label = match (&item, task.repeat.as_ref().and_then(|repeat| repeat.label.as_ref())) {
            (Some(_), Some(label)) => match template::value(&view, label) {
                Ok(label) => template::py_str(&crate::playbook::value::to_jinja(&label)),
                Err(Error::Wrong(message)) if matches!(work, Work::Skip(_)) => {
                    work = Work::Fail(format!("Failed to template loop_control.label: {message}"));
                    String::new()
                }
                Err(error) => return Err(error),
            },
            (Some((item, _)), None) => template::py_str(&crate::playbook::value::to_jinja(item)),
            (None, _) => String::new(),
        };
        self.run.warn(view.take_warnings());
        Ok(Round { manner, item: item.map(|(item, _)| item), label, work })
    }

    fn work(&self, task: &Task, view: &Arc<View>, manner: &mut Manner) -> Result<Work, Error> {
        let mut later = Vec::new();
        for (at, condition) in task.common.when.iter().enumerate() {
            match template::truth(view, condition) {
                Ok(true) => {}
                Err(Error::Pending) => match self.for_the_host(task, view, condition) {
                    Some(condition) => later.push((at, condition)),
                    None => return Err(Error::Pending),
                },
                // Which of them does not hold is not known before the first is judged.
                _ if !later.is_empty() => return Err(Error::Pending),
                Ok(false) => return Ok(Work::Skip(convert::text_of(condition))),
                Err(Error::Wrong(message)) => {
                    let text = convert::text_of(condition);
                    return Ok(Work::Fail(format!("the condition `{text}` cannot be judged: {message}")));
                }
                Err(other) => return Err(other),
            }
        }
        let (module, written) = match &task.action {
            Action::Module(module, written) => (*module, written),
            Action::Named(name, written) => {
                let name = template::text(view, name)?;
                let name = name.trim();
                let Some(module) = modules::find(name) else {
                    let message = format!("The module {name} was not found in configured module paths.");
                    return Ok(Work::Fail(message));
                };
                (module, written)
            }
            Action::Meta(_) => return Ok(Work::Skip(String::new())),
            // What a step on this machine is writing may be what is read here.
            Action::IncludeVars(_) if view.busy => return Err(Error::Pending),
            Action::IncludeVars(args) => {
                manner.delegate = self.delegate_of(task, view)?;
                return match self.read_included(task, view, args) {
                    Ok((vars, files)) => Ok(Work::Vars(vars, files)),
                    Err(Error::Wrong(message)) => Ok(Work::Fail(message)),
                    Err(other) => Err(other),
                };
            }
            Action::Include(include) => return Self::wanted_include(task, include, view),
        };
        if !later.is_empty() {
            return self.work_ahead(task, module, written, view, manner, later);
        }
        manner.delegate = self.delegate_of(task, view)?;
        match self.module_work(task, module, written, view, manner) {
            Ok(work) => Ok(work),
            Err(Error::Wrong(message)) => Ok(Work::Fail(message)),
            Err(other) => Err(other),
        }
    }

    fn wanted_include(task: &Task, include: &Include, view: &Arc<View>) -> Result<Work, Error> {
        let mut args = Map::new();
        for (name, value) in &include.args {
            let value = template::value(view, value)?;
            if value.as_str() != Some(OMIT) {
                args.insert(name.clone(), value);
            }
        }
        let mut vars = Map::new();
        if let Some(repeat) = &task.repeat {
            let names = [
                Some(repeat.var.as_str()),
                repeat.index_var.as_deref(),
                Some("ansible_loop"),
                Some("ansible_loop_var"),
            ];
            for name in names.into_iter().flatten() {
                if let Some(value) = view.raw(name) {
                    vars.insert(name.to_owned(), value.clone());
                }
            }
        }
        Ok(Work::Include(Box::new(super::include::Wanted { args, vars, label: String::new() })))
    }

    /// `module_defaults` for a module, the innermost strongest.
    fn module_defaults(task: &Task, module: &Module, view: &Arc<View>) -> Result<Map<String, Value>, Error> {
        let mut found = Map::new();
        for entry in &task.common.module_defaults {
            let entry = match entry {
                Value::Object(map) => map.clone(),
                other => match template::value(view, other)? {
                    Value::Object(map) => map,
                    Value::Null => continue,
                    _ => return Err(Error::Wrong("`module_defaults` is a mapping".into())),
                },
            };
            for (name, given) in &entry {
                if name.starts_with("group/") {
                    return Err(Error::Wrong(format!(
                        "`{name}` in `module_defaults`: groups of modules are not known here"
                    )));
                }
                let short = name.rsplit('.').next().unwrap_or_default();
                let meant = modules::find(name).is_some_and(|found| found.name == module.name)
                    || (module.is_own() && short == module.name);
                if meant && let Value::Object(given) = template::value(view, given)? {
                    found.extend(given);
                }
            }
        }
        Ok(found)
    }

    /// The name of an argument; those of `set_fact` may be templates of any kind.
    fn argument_name(module: &Module, view: &Arc<View>, name: &str) -> Result<String, Error> {
        match template::value(view, &Value::String(name.to_owned()))? {
            Value::String(name) => Ok(name),
            other if module.name == "set_fact" => Err(Error::Wrong(format!(
                "Invalid variable name '{}' of type '{}'. {}",
                convert::text_of(&other),
                template::kind(&other),
                convert::NAME_RULE
            ))),
            other => Ok(convert::text_of(&other)),
        }
    }

    pub(super) fn module_work(
        &self,
        task: &Task,
        module: &'static Module,
        written: &Value,
        view: &Arc<View>,
        manner: &Manner,
    ) -> Result<Work, Error> {
        let wrong = Error::Wrong;
        let mut given = Map::new();
        // Arguments that a template made are not all the user's own words.
        let made_up = !matches!(written, Value::Object(_));
        let rendered = match written {
            Value::Object(map) => {
                let mut made = Map::new();
                for (name, value) in map {
                    // These are expressions, judged by the module.
                    let expression = matches!((module.name, name.as_str()), ("assert", "that") | ("debug", "var"));
                    let value = if expression { value.clone() } else { template::value(view, value)? };
                    let name = Self::argument_name(module, view, name)?;
                    made.insert(name, value);
                }
                Value::Object(made)
            }
            other => template::value(view, other)?,
        };
        match rendered {
            Value::Object(map) => given.extend(map),
            Value::String(line) => given.extend(modules::of_free_form(module, &line).map_err(wrong)?),
            _ => return Err(wrong(format!("the arguments of `{}` are a mapping", module.name))),
        }
        if let Some(more) = given.remove("__args") {
            match template::value(view, &more)? {
                Value::Object(mut more) => {
                    more.extend(std::mem::take(&mut given));
                    given = more;
                }
                _ => return Err(wrong("`args` is a mapping".into())),
            }
        }
        without_omitted(&mut given);
        if !task.common.module_defaults.is_empty() {
            for (name, value) in Self::module_defaults(task, module, view)? {
                let known = |given: &Map<String, Value>| {
                    convert::find(module, &name)
                        .is_ok_and(|arg| given.keys().any(|key| arg.name == key || arg.aliases.contains(&key.as_str())))
                };
                if !known(&given) {
                    given.insert(name, value);
                }
            }
        }
        let args = modules::convert(module, &given).map_err(wrong)?;
        let reads = ["assemble", "copy", "patch", "script", "synchronize", "template", "unarchive"];
        if view.busy && reads.contains(&module.name) && args.get("content").is_none() {
            return Err(Error::Pending);
        }
        let flag = |value: &Option<Value>, default: bool| match value {
            None => Ok(default),
            Some(value) if template::is_template(value) && template::value(view, value)?.as_str() == Some(OMIT) => {
                Ok(default)
            }
            Some(value) => template::flag(view, value),
        };
        let options = self.run.options;
        let check = flag(&task.common.check_mode, options.check)?;
        let diff = flag(&task.common.diff, options.diff)? && !manner.no_log;
        let mut vars = Self::scope_vars(view);
        vars.insert("ansible_check_mode".into(), Value::Bool(check));

        // A template inside a module's arguments may need what is under way; the error must not be lost as text.
        let trouble = std::cell::RefCell::new(None);
        let keep = |error: Error| {
            let text = error.to_string();
            if !matches!(error, Error::Wrong(_)) {
                trouble.borrow_mut().get_or_insert(error);
            }
            text
        };
        let render = |text: &str| template::text(view, text).map_err(keep);
        let render_file = |path: &std::path::Path, name: &str, dest: &str, style: template::Style| {
            template::file(view, path, name, dest, style).map_err(keep)
        };
        let eval = |text: &str| template::expression(view, text).map_err(keep);
        let judge = |text: &str| {
            if made_up && convert::bool_of(&Value::String(text.into())).is_none() && !template::is_written(text) {
                return Err(template::UNTRUSTED.to_owned());
            }
            template::truth(view, &Value::String(text.into())).map_err(keep)
        };
        let scope = Scope {
            vars: &vars,
            search: &task.search,
            render: &render,
            render_file: &render_file,
            eval: &eval,
            judge: &judge,
            vault: &self.run.options.vault,
            check,
            diff,
            no_log: manner.no_log,
        };
        let slow = || {
            Box::new(AsyncScope {
                vars: vars.clone(),
                search: task.search.to_vec(),
                check,
                diff,
                no_log: manner.no_log,
                progress: Arc::new(|_: &str| {}),
                cancel: self.run.cancel.clone(),
            })
        };
        let seconds = Self::seconds(task, view)?;
        if seconds > 0 && check {
            return Ok(Work::Fail("check mode and async cannot be used on same task".into()));
        }
        let alone = !matches!(module.act, Act::Shell { .. }) || NEVER_ASYNC.contains(&module.name);
        if seconds > 0 && alone {
            return Ok(Work::Fail(format!("This action ({}) does not support async.", module.name)));
        }
        let work = match &module.act {
            Act::Controller(act) => Work::Done(act(&args, &scope)),
            Act::Async(act) => Work::Slow(*act, args, slow()),
            Act::Shell { library, script } => match script(&args, &scope) {
                Ok(made) => {
                    let host = manner.delegate.as_deref();
                    let other = host.map(|name| self.other_view(name, task));
                    let mut step = Step {
                        text: made.text,
                        library: library.to_vec(),
                        files: made.files,
                        check,
                        diff,
                        environment: Self::environment(task, view)?,
                        become_user: self.become_of(task, other.as_ref().unwrap_or(view))?,
                        deadline: Some(self.deadline(task, view)?),
                        ..Step::default()
                    };
                    if seconds > 0 && made.talk.is_some() && module.is_own() {
                        return Ok(Work::Fail(format!(
                            "`{}` needs Ansible's library, and such modules do not go into the background; take `async` away",
                            module.name
                        )));
                    }
                    if seconds > 0 && made.talk.is_none() {
                        let job = async_status::name();
                        step.text = async_status::in_background(&step.text, &job, seconds);
                        let known = super::host::Job { args: args.clone(), finish: made.finish };
                        self.remember(host.unwrap_or(self.name), &job, known);
                        return Ok(Work::Send(Box::new(step), Args::default(), None));
                    }
                    match made.talk {
                        Some(lead) => Work::Talk(lead, args, Box::new(step), slow()),
                        None => Work::Send(Box::new(step), args, made.finish),
                    }
                }
                Err(message) => Work::Fail(message),
            },
        };
        match trouble.into_inner() {
            Some(error) => Err(error),
            None => Ok(work),
        }
    }

    /// The few variables that modules look at themselves.
    fn scope_vars(view: &Arc<View>) -> Map<String, Value> {
        let mut vars = Map::new();
        let interpreters = view.names().into_iter().filter(|name| name.ends_with("_interpreter"));
        let named = ["inventory_hostname", "ansible_verbosity", "playbook_dir", "role_path"];
        for name in named.into_iter().chain(interpreters) {
            if let Some(value) = view.raw(name) {
                vars.insert(name.into(), value.clone());
            }
        }
        vars
    }

    pub(super) fn environment(task: &Task, view: &Arc<View>) -> Result<Vec<(String, String)>, Error> {
        let mut found: Vec<(String, String)> = Vec::new();
        for entry in &task.common.environment {
            match template::value(view, entry)? {
                Value::Object(map) => {
                    for (name, value) in map.into_iter().filter(|(_, value)| value.as_str() != Some(OMIT)) {
                        let good = name.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
                            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
                        if !good {
                            return Err(Error::Wrong(format!(
                                "`{name}` cannot be the name of an environment variable"
                            )));
                        }
                        found.retain(|(other, _)| *other != name);
                        found.push((name, convert::text_of(&value)));
                    }
                }
                Value::Null => {}
                Value::String(text) if text.is_empty() || text == OMIT => {}
                _ => return Err(Error::Wrong("`environment` is a mapping".into())),
            }
        }
        Ok(found)
    }

    pub(super) fn become_of(&self, task: &Task, view: &Arc<View>) -> Result<Option<Become>, Error> {
        let options = self.run.options;
        let var = |name: &str| view.raw(name).map(|_| template::expression(view, name)).transpose();
        let mut own = task.common.become_it.clone();
        if let Some(value) = &own
            && template::is_template(value)
            && template::value(view, value)?.as_str() == Some(OMIT)
        {
            own.clone_from(&self.batch.play.common.become_it);
        }
        let on = match (var("ansible_become")?, &own) {
            (Some(value), _) => template::flag(view, &value)?,
            (None, Some(value)) => template::flag(view, value)?,
            (None, None) => options.become_it,
        };
        if !on {
            return Ok(None);
        }
        let text = |own: &Option<Value>, name: &str, option: Option<&String>| -> Result<Option<String>, Error> {
            if let Some(value) = var(name)? {
                return Ok(Some(convert::text_of(&value)));
            }
            match own {
                Some(value) => Ok(Some(convert::text_of(&template::value(view, value)?))),
                None => Ok(option.cloned()),
            }
        };
        let user = text(&task.common.become_user, "ansible_become_user", options.become_user.as_ref())?;
        let method = text(&task.common.become_method, "ansible_become_method", options.become_method.as_ref())?;
        let method = method_of(method.as_deref().unwrap_or("sudo")).map_err(Error::Wrong)?;
        Ok(Some(Become {
            user: user.unwrap_or_else(|| "root".into()),
            method,
            password: match var("ansible_become_password")?.or(var("ansible_become_pass")?) {
                Some(value) => Some(Secret(convert::text_of(&value))).filter(|secret| !secret.0.is_empty()),
                None => options.become_password.clone(),
            },
        }))
    }

    fn deadline(&self, task: &Task, view: &Arc<View>) -> Result<Duration, Error> {
        let Some(timeout) = &task.common.timeout else { return Ok(self.run.options.step_timeout) };
        let seconds = template::value(view, timeout)?;
        let text = convert::text_of(&seconds);
        match text.parse::<u64>() {
            Ok(0) => Ok(self.run.options.step_timeout),
            Ok(seconds) => Ok(Duration::from_secs(seconds)),
            Err(_) => Err(Error::Wrong(format!("`timeout` is `{text}`, not a number of seconds"))),
        }
    }
}

/// Takes out what was given `omit`.
fn without_omitted(map: &mut Map<String, Value>) {
    map.retain(|_, value| value.as_str() != Some(OMIT));
    for value in map.values_mut() {
        clean(value);
    }
}

fn clean(value: &mut Value) {
    match value {
        Value::Object(map) => without_omitted(map),
        Value::Array(items) => {
            items.retain(|item| item.as_str() != Some(OMIT));
            items.iter_mut().for_each(clean);
        }
        _ => {}
    }
}
