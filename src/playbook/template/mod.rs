//! Expressions and templates with Python's meaning, over variables that are templates themselves.
//!
//! A variable is rendered when it is first looked up. A value that one expression alone makes (`"{{ x }}"`) keeps its
//! type. What is undefined is an error, but may be chained up to a `default` or a `defined`.

mod dump;
mod filters;
mod lookups;
mod regex;
mod tests_;

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock},
};

use minijinja::{
    Environment, ErrorKind, UndefinedBehavior,
    syntax::SyntaxConfig,
    value::{Object, Value as Jinja},
};
use serde_json::{Map, Value};

pub use dump::{json_text, py_str, yaml_text};
pub(super) use lookups::lookup;

use super::value::{from_jinja, to_jinja};

/// What stands for "leave this argument out".
pub const OMIT: &str = "__omit_place_holder__c7d1f0a5e2b94386__";

/// Why a template gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It needs the answer to a step that is still under way.
    #[error("the answer is still under way")]
    Pending,
    /// It needs the host's facts, which were not gathered yet.
    #[error("facts were not gathered")]
    Facts,
    /// It is wrong.
    #[error("{0}")]
    Wrong(String),
}

/// One map of variables.
#[derive(Debug, Clone)]
pub struct Layer {
    /// The variables.
    pub map: Arc<Map<String, Value>>,
    /// Whether their text is templates; facts and results are not.
    pub lazy: bool,
}

impl Layer {
    /// Variables as people wrote them.
    pub fn lazy(map: Arc<Map<String, Value>>) -> Self {
        Self { map, lazy: true }
    }

    /// Values that are final.
    pub fn fixed(map: Map<String, Value>) -> Self {
        Self { map: Arc::new(map), lazy: false }
    }
}

/// Answers for names that are in no layer.
pub type Special = Arc<dyn Fn(&str) -> Option<Jinja> + Send + Sync>;

/// The variables one task on one host sees, strongest layer first.
pub struct View {
    /// The layers.
    pub layers: Vec<Layer>,
    /// Names whose values are under way.
    pub pending: HashSet<String>,
    /// Facts may be had, but were not gathered.
    pub facts_missing: bool,
    /// `hostvars`, `groups` and other names that are made when asked for.
    pub special: Option<Special>,
    /// Folders for `lookup('file', …)` and its like.
    pub search: Arc<[std::path::PathBuf]>,
    /// Passwords of Ansible's vault.
    pub vault: super::vault::Keys,
    notes: Mutex<Notes>,
}

#[derive(Default)]
struct Notes {
    pending: bool,
    facts: bool,
    missing: Option<String>,
    open: Vec<String>,
    known: HashMap<String, Jinja>,
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values may be secrets.
        f.debug_struct("View").field("layers", &self.layers.len()).finish_non_exhaustive()
    }
}

impl View {
    /// A view of these layers.
    pub fn new(layers: Vec<Layer>) -> Self {
        Self {
            layers,
            pending: HashSet::new(),
            facts_missing: false,
            special: None,
            search: Arc::new([]),
            vault: super::vault::Keys::default(),
            notes: Mutex::default(),
        }
    }

    /// The same with one more layer on top.
    #[must_use]
    pub fn with(&self, layer: Layer) -> Self {
        let mut layers = Vec::with_capacity(self.layers.len() + 1);
        layers.push(layer);
        layers.extend(self.layers.iter().cloned());
        Self {
            layers,
            pending: self.pending.clone(),
            facts_missing: self.facts_missing,
            special: self.special.clone(),
            search: Arc::clone(&self.search),
            vault: self.vault.clone(),
            notes: Mutex::default(),
        }
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The value as it is written, unrendered.
    pub fn raw(&self, name: &str) -> Option<&Value> {
        self.layers.iter().find_map(|layer| layer.map.get(name))
    }

    fn find(self: &Arc<Self>, name: &str) -> Option<Jinja> {
        if name == "__view" {
            return Some(Jinja::from_object(Handle(Arc::clone(self))));
        }
        if name == "omit" {
            return Some(Jinja::from(OMIT));
        }
        if self.pending.contains(name) {
            self.notes().pending = true;
            return Some(wrong("pending"));
        }
        if let Some(layer) = self.layers.iter().find(|layer| layer.map.contains_key(name)) {
            let value = &layer.map[name];
            if !layer.lazy || !is_template(value) {
                return Some(to_jinja(value));
            }
            return Some(self.resolve(name, value));
        }
        if let Some(value) = self.special.as_ref().and_then(|special| special(name)) {
            return Some(value);
        }
        if name == "vars" {
            let names = self.layers.iter().flat_map(|layer| layer.map.keys());
            let names: HashSet<&String> = names.collect();
            let pairs =
                names.into_iter().filter_map(|name| Some((Jinja::from(name.as_str()), to_jinja(self.raw(name)?))));
            return Some(Jinja::from_pairs(pairs));
        }
        if self.facts_missing && name.starts_with("ansible_") {
            self.notes().facts = true;
            return Some(wrong("facts"));
        }
        self.notes().missing = Some(name.to_owned());
        None
    }

    fn resolve(self: &Arc<Self>, name: &str, value: &Value) -> Jinja {
        {
            let mut notes = self.notes();
            if let Some(known) = notes.known.get(name) {
                return known.clone();
            }
            if notes.open.iter().any(|open| open == name) {
                let mut path = notes.open.clone();
                path.push(name.to_owned());
                return wrong(&format!("variable `{name}` needs itself: {}", path.join(" → ")));
            }
            if notes.open.len() > 60 {
                return wrong("variables are nested too deep");
            }
            notes.open.push(name.to_owned());
        }
        let rendered = deep(self, value);
        let mut notes = self.notes();
        notes.open.pop();
        match rendered {
            Ok(value) => {
                notes.known.insert(name.to_owned(), value.clone());
                value
            }
            Err(error) => error.into(),
        }
    }
}

/// A view as an object that filters and functions can find.
#[derive(Debug)]
struct Handle(Arc<View>);

impl Object for Handle {
    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        self.0.find(key.as_str()?)
    }
}

fn wrong(message: &str) -> Jinja {
    minijinja::Error::new(ErrorKind::InvalidOperation, message.to_owned()).into()
}

/// A view as a value that templates can look into.
pub(super) fn object(view: &Arc<View>) -> Jinja {
    context(view)
}

/// Whether rendering would change anything in `value`.
pub fn is_template(value: &Value) -> bool {
    match value {
        Value::String(text) => has_marks(text),
        Value::Array(items) => items.iter().any(is_template),
        Value::Object(map) => map.iter().any(|(key, value)| has_marks(key) || is_template(value)),
        _ => false,
    }
}

fn has_marks(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

/// Renders all text in `value`; what one expression alone makes keeps its type.
pub fn value(view: &Arc<View>, value: &Value) -> Result<Value, Error> {
    if !is_template(value) {
        return Ok(value.clone());
    }
    let made = deep(view, value).map_err(|e| explain(view, &e))?;
    data(view, &made)
}

/// Renders text to text.
pub fn text(view: &Arc<View>, source: &str) -> Result<String, Error> {
    if !has_marks(source) {
        return Ok(source.to_owned());
    }
    twice(view, source, |env| env.render_str(source, context(view))).map_err(|e| explain(view, &e))
}

/// Evaluates an expression, without `{{ }}` around it.
pub fn expression(view: &Arc<View>, source: &str) -> Result<Value, Error> {
    let made = evaluate(view, source).map_err(|e| explain(view, &e))?;
    data(view, &made)
}

/// Whether a condition holds: an expression, a bool, or something with a truth of its own.
pub fn truth(view: &Arc<View>, condition: &Value) -> Result<bool, Error> {
    match condition {
        Value::Bool(flag) => Ok(*flag),
        Value::Null => Ok(true),
        Value::String(source) => {
            let source = source.trim();
            if source.is_empty() {
                return Ok(true);
            }
            let made = if has_marks(source) {
                let made = deep(view, &Value::String(source.to_owned())).map_err(|e| explain(view, &e))?;
                // `when: "{{ 'a == b' }}"`: the text that comes out is the condition.
                match made.as_str() {
                    Some(inner) if super::modules::convert::bool_of(&Value::String(inner.into())).is_none() => {
                        evaluate(view, inner).map_err(|e| explain(view, &e))?
                    }
                    _ => made,
                }
            } else {
                evaluate(view, source).map_err(|e| explain(view, &e))?
            };
            if made.is_undefined() {
                return Err(explain(view, &minijinja::Error::from(ErrorKind::UndefinedError)));
            }
            match made.as_str() {
                Some("True" | "true" | "yes" | "on" | "1") => Ok(true),
                Some("False" | "false" | "no" | "off" | "0" | "") => Ok(false),
                _ => Ok(made.is_true()),
            }
        }
        other => Ok(to_jinja(other).is_true()),
    }
}

/// Faults in the syntax of `source`, for checks before a run.
pub fn syntax(source: &str) -> Result<(), String> {
    if !has_marks(source) {
        return Ok(());
    }
    strict().template_from_str(source).map(|_| ()).map_err(|e| reason(&e))
}

/// Faults in the syntax of an expression.
pub fn expression_syntax(source: &str) -> Result<(), String> {
    if has_marks(source) {
        return syntax(source);
    }
    strict().compile_expression(source).map(|_| ()).map_err(|e| reason(&e))
}

fn reason(error: &minijinja::Error) -> String {
    let kind = error.kind().to_string();
    match error.detail() {
        Some(detail) => format!("{kind}: {detail}"),
        None => kind,
    }
}

fn data(view: &View, made: &Jinja) -> Result<Value, Error> {
    from_jinja(made).ok_or_else(|| explain(view, &minijinja::Error::from(ErrorKind::UndefinedError)))
}

/// The error for people, or the note that something must be waited for.
fn explain(view: &View, error: &minijinja::Error) -> Error {
    let mut notes = view.notes();
    notes.open.clear();
    if std::mem::take(&mut notes.pending) {
        return Error::Pending;
    }
    if std::mem::take(&mut notes.facts) {
        return Error::Facts;
    }
    let missing = notes.missing.take();
    let mut message = reason(error);
    if error.kind() == ErrorKind::UndefinedError {
        message = match missing {
            Some(name) => {
                let known = view.layers.iter().flat_map(|layer| layer.map.keys());
                let hint = super::modules::near(&name, known.map(String::as_str));
                let hint = hint.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                format!("`{name}` is undefined{hint}")
            }
            None => match error.detail() {
                Some(detail) => format!("something is undefined: {detail}"),
                None => "something is undefined".into(),
            },
        };
    }
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        if let Some(inner) = inner.downcast_ref::<minijinja::Error>() {
            let more = reason(inner);
            if !message.contains(&more) {
                message = format!("{message} ({more})");
            }
        }
        cause = inner.source();
    }
    Error::Wrong(message)
}

fn context(view: &Arc<View>) -> Jinja {
    Jinja::from_object(Handle(Arc::clone(view)))
}

fn deep(view: &Arc<View>, value: &Value) -> Result<Jinja, minijinja::Error> {
    Ok(match value {
        Value::String(text) if has_marks(text) => one(view, text)?,
        Value::Array(items) => {
            let items: Result<Vec<Jinja>, _> = items.iter().map(|item| deep(view, item)).collect();
            Jinja::from(items?)
        }
        Value::Object(map) => {
            let mut pairs = Vec::with_capacity(map.len());
            for (key, value) in map {
                let key = if has_marks(key) { one(view, key)? } else { Jinja::from(key.as_str()) };
                pairs.push((key, deep(view, value)?));
            }
            Jinja::from_pairs(pairs)
        }
        other => to_jinja(other),
    })
}

/// One text: a lone expression keeps its type.
fn one(view: &Arc<View>, text: &str) -> Result<Jinja, minijinja::Error> {
    let trimmed = text.trim();
    if let Some(inner) = trimmed.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}")) {
        let inner = inner.strip_prefix('-').unwrap_or(inner);
        let inner = inner.strip_suffix('-').unwrap_or(inner);
        if strict().compile_expression(inner).is_ok() {
            let made = evaluate(view, inner)?;
            if made.is_undefined() {
                return Err(ErrorKind::UndefinedError.into());
            }
            return Ok(made);
        }
    }
    twice(view, text, |env| env.render_str(text, context(view))).map(Jinja::from)
}

fn evaluate(view: &Arc<View>, source: &str) -> Result<Jinja, minijinja::Error> {
    twice(view, source, |env| {
        let made = env.compile_expression(source)?.eval(context(view))?;
        // Iterators of filters such as `map` are read once only.
        if made.kind() == minijinja::value::ValueKind::Iterable {
            return Ok(Jinja::from(made.try_iter()?.collect::<Vec<_>>()));
        }
        Ok(made)
    })
}

/// Strictly first; when something was undefined and the text deals with that, once more with chaining allowed.
fn twice<T>(
    view: &Arc<View>,
    source: &str,
    run: impl Fn(&'static Environment<'static>) -> Result<T, minijinja::Error>,
) -> Result<T, minijinja::Error> {
    let made = run(strict());
    if let Err(error) = &made {
        let undefined = error.kind() == ErrorKind::UndefinedError;
        let waiting = {
            let notes = view.notes();
            notes.pending || notes.facts
        };
        let deals = ["default", "d(", "defined", "mandatory"].iter().any(|word| source.contains(word));
        if undefined && deals && !waiting {
            return run(chainable());
        }
    }
    made
}

fn strict() -> &'static Environment<'static> {
    static STRICT: OnceLock<Environment<'static>> = OnceLock::new();
    STRICT.get_or_init(|| environment(UndefinedBehavior::Strict))
}

fn chainable() -> &'static Environment<'static> {
    static CHAINABLE: OnceLock<Environment<'static>> = OnceLock::new();
    CHAINABLE.get_or_init(|| environment(UndefinedBehavior::Chainable))
}

fn environment(undefined: UndefinedBehavior) -> Environment<'static> {
    let mut env = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).keep_trailing_newline(true).build();
    if let Ok(syntax) = syntax {
        env.set_syntax(syntax);
    }
    env.set_undefined_behavior(undefined);
    env.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    env.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    env.set_recursion_limit(120);
    env.set_formatter(|out, _, value| {
        if value.is_undefined() {
            return Err(ErrorKind::UndefinedError.into());
        }
        fmt::Write::write_str(out, &py_str(value)).map_err(minijinja::Error::from)
    });
    filters::add(&mut env);
    regex::add(&mut env);
    tests_::add(&mut env);
    lookups::add(&mut env);
    env.add_global("true", true);
    env.add_global("false", false);
    env.add_global("True", true);
    env.add_global("False", false);
    env.add_global("None", ());
    env
}

#[cfg(test)]
mod tests;
