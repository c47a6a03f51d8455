//! From a task as it is written to what one host is to do: conditions judged, loops opened, arguments rendered.

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value};

use super::{host::HostRun, method_of};
use crate::{
    playbook::{
        ast::{Action, Repeat, Task},
        modules::{self, Act, Args, AsyncScope, Module, Outcome, Scope, convert, talk::Talk, trial::Finish},
        template::{self, Error, Layer, OMIT, View},
    },
    remote::{Become, Step},
};

/// What one round of a task is.
pub(super) struct Round {
    pub(super) item: Option<Value>,
    pub(super) label: String,
    pub(super) work: Work,
}

/// What there is to do.
pub(super) enum Work {
    Skip(String),
    Fail(String),
    Done(Outcome),
    Send(Box<Step>, Args, Finish),
    /// The step says how the conversation's own are to run.
    Talk(Talk, Args, Box<Step>, Box<AsyncScope>),
    Slow(fn(Args, AsyncScope) -> futures_util::future::BoxFuture<'static, Outcome>, Args, Box<AsyncScope>),
}

/// What holds for all rounds of a task.
pub(super) struct Manner {
    pub(super) no_log: bool,
    pub(super) ignore: bool,
    pub(super) delegate: Option<String>,
}

impl HostRun<'_> {
    /// The items of a loop; `None` when the task has none.
    pub(super) fn items_of(task: &Task, view: &Arc<View>) -> Result<Option<Vec<Value>>, Error> {
        let Some(repeat) = &task.repeat else { return Ok(None) };
        let over = match &repeat.over {
            // `with_items: name` is an expression in old playbooks.
            Value::String(name)
                if repeat.with.is_some()
                    && !name.contains("{{")
                    && view.raw(name).is_some()
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
                template::lookup(view, with, terms, None).map_err(Error::Wrong)?
            }
        };
        Ok(Some(items.into_iter().filter(|item| item.as_str() != Some(OMIT)).collect()))
    }

    pub(super) fn loop_layer(repeat: &Repeat, item: &Value, index: usize) -> Layer {
        let mut vars = Map::from_iter([(repeat.var.clone(), item.clone())]);
        vars.insert("ansible_loop_var".into(), Value::String(repeat.var.clone()));
        if let Some(name) = &repeat.index_var {
            vars.insert(name.clone(), Value::from(index));
        }
        Layer::fixed(vars)
    }

    pub(super) fn manner(&self, task: &Task, view: &Arc<View>) -> Result<Manner, Error> {
        let common = &task.common;
        let flag = |value: &Option<Value>| value.as_ref().map_or(Ok(false), |value| template::truth(view, value));
        let delegate = match &common.delegate_to {
            Some(name) => Some(convert::text_of(&template::value(view, name)?)).filter(|n| n != OMIT && n != self.name),
            None => None,
        };
        Ok(Manner { no_log: flag(&common.no_log)?, ignore: flag(&common.ignore_errors)?, delegate })
    }

    /// One round: its conditions, then its work.
    pub(super) fn round(&self, task: &Task, item: Option<(Value, usize)>, manner: &Manner) -> Result<Round, Error> {
        let top = match (&item, &task.repeat) {
            (Some((item, index)), Some(repeat)) => Some(Self::loop_layer(repeat, item, *index)),
            _ => None,
        };
        let view = self.view(task, top);
        let label = match (&item, task.repeat.as_ref().and_then(|repeat| repeat.label.as_ref())) {
            (Some(_), Some(label)) => convert::text_of(&template::value(&view, label)?),
            (Some((item, _)), None) => template::py_str(&crate::playbook::value::to_jinja(item)),
            (None, _) => String::new(),
        };
        let work = self.work(task, &view, manner)?;
        Ok(Round { item: item.map(|(item, _)| item), label, work })
    }

    fn work(&self, task: &Task, view: &Arc<View>, manner: &Manner) -> Result<Work, Error> {
        for condition in &task.common.when {
            match template::truth(view, condition) {
                Ok(true) => {}
                Ok(false) => return Ok(Work::Skip(convert::text_of(condition))),
                Err(Error::Wrong(message)) => {
                    let text = convert::text_of(condition);
                    return Ok(Work::Fail(format!("the condition `{text}` cannot be judged: {message}")));
                }
                Err(other) => return Err(other),
            }
        }
        let Action::Module(module, written) = &task.action else { return Ok(Work::Skip(String::new())) };
        match self.module_work(task, module, written, view, manner) {
            Ok(work) => Ok(work),
            Err(Error::Wrong(message)) => Ok(Work::Fail(message)),
            Err(other) => Err(other),
        }
    }

    fn module_work(
        &self,
        task: &Task,
        module: &'static Module,
        written: &Value,
        view: &Arc<View>,
        manner: &Manner,
    ) -> Result<Work, Error> {
        let wrong = Error::Wrong;
        let mut given = Map::new();
        let rendered = match written {
            Value::Object(map) => {
                let mut made = Map::new();
                for (name, value) in map {
                    // These are expressions, judged by the module.
                    let expression = matches!((module.name, name.as_str()), ("assert", "that") | ("debug", "var"));
                    let value = if expression { value.clone() } else { template::value(view, value)? };
                    let name = template::text(view, name)?;
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
        without_omitted(&mut given);
        let args = modules::convert(module, &given).map_err(wrong)?;
        let flag = |value: &Option<Value>, default: bool| {
            value.as_ref().map_or(Ok(default), |value| template::truth(view, value))
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
        let eval = |text: &str| template::expression(view, text).map_err(keep);
        let judge = |text: &str| template::truth(view, &Value::String(text.into())).map_err(keep);
        let scope = Scope {
            vars: &vars,
            search: &task.search,
            render: &render,
            eval: &eval,
            judge: &judge,
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
        let work = match &module.act {
            Act::Controller(act) => Work::Done(act(&args, &scope)),
            Act::Async(act) => Work::Slow(*act, args, slow()),
            Act::Shell { library, script } => match script(&args, &scope) {
                Ok(made) => {
                    let step = Step {
                        text: made.text,
                        library: library.to_vec(),
                        files: made.files,
                        check,
                        diff,
                        environment: Self::environment(task, view)?,
                        become_user: self.become_of(task, view)?,
                        deadline: Some(self.deadline(task, view)?),
                        ..Step::default()
                    };
                    match made.talk {
                        Some(talk) => Work::Talk(talk, args, Box::new(step), slow()),
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
        for name in ["inventory_hostname", "ansible_verbosity", "playbook_dir", "role_path"] {
            if let Some(value) = view.raw(name) {
                vars.insert(name.into(), value.clone());
            }
        }
        vars
    }

    fn environment(task: &Task, view: &Arc<View>) -> Result<Vec<(String, String)>, Error> {
        let mut found: Vec<(String, String)> = Vec::new();
        for entry in &task.common.environment {
            match template::value(view, entry)? {
                Value::Object(map) => {
                    for (name, value) in map {
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
                Value::String(text) if text.is_empty() => {}
                _ => return Err(Error::Wrong("`environment` is a mapping".into())),
            }
        }
        Ok(found)
    }

    pub(super) fn become_of(&self, task: &Task, view: &Arc<View>) -> Result<Option<Become>, Error> {
        let options = self.run.options;
        let var = |name: &str| view.raw(name).map(|_| template::expression(view, name)).transpose();
        let on = match &task.common.become_it {
            Some(value) => template::truth(view, value)?,
            None => match var("ansible_become")? {
                Some(value) => template::truth(view, &value)?,
                None => options.become_it,
            },
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
            password: options.become_password.clone(),
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
