//! Rendering: texts, values, expressions and conditions.

use std::{cell::Cell, sync::Arc};

use minijinja::{
    Environment, ErrorKind,
    value::{Value as Jinja, ValueKind},
};
use serde_json::Value;

use super::{
    Error, View, env,
    fault::{self, explain},
    has_marks, is_template, mutable, source,
    style::Style,
    trust::{self, RAW, UNTRUSTED},
    view::Handle,
};
use crate::playbook::{
    modules::convert::bool_of,
    value::{to_jinja, to_json},
};

/// Renders all text in `value`; what one expression alone makes keeps its type.
pub fn value(view: &Arc<View>, value: &Value) -> Result<Value, Error> {
    if !is_template(value) {
        return Ok(value.clone());
    }
    fresh(view);
    let made = deep(view, value).and_then(|made| to_json(&made));
    if let (Err(_), Value::String(source)) = (&made, value) {
        note_culprit(view, source);
    }
    made.map_err(|e| explain(view, &e))
}

/// Renders text to text.
pub fn text(view: &Arc<View>, source: &str) -> Result<String, Error> {
    if !has_marks(source) {
        return Ok(source.to_owned());
    }
    fresh(view);
    let (style, body) = Style::default().header(source).map_err(Error::Wrong)?;
    let body = source::in_expressions(body, source::as_written);
    styled(view, &body, "<text>", &style).map_err(|e| explain(view, &e))
}

/// Renders the text of a file, in its style.
pub(super) fn styled(view: &Arc<View>, source: &str, name: &str, style: &Style) -> Result<String, minijinja::Error> {
    let mut made = plainly(view, source, name, style);
    if made.as_ref().is_err_and(lacks_operator) {
        let with_calls = source::in_expressions(source, source::operators_as_calls);
        if with_calls != source {
            made = plainly(view, &with_calls, name, style);
        }
    }
    made.map(|text| with_line_ends_of(source, text, &style.newline))
}

/// The text, with at least as many line ends behind as its source has.
fn with_line_ends_of(source: &str, mut text: String, newline: &str) -> String {
    let behind = |text: &str| text.bytes().rev().take_while(|byte| *byte == b'\n').count();
    let lacking = behind(source).saturating_sub(behind(&text));
    text.extend(std::iter::repeat_n(newline, lacking));
    text
}

fn plainly(view: &Arc<View>, source: &str, name: &str, style: &Style) -> Result<String, minijinja::Error> {
    twice(view, source, |base| {
        let source = mutable::prepare(source);
        let context = Jinja::from_object(Handle(Arc::clone(view)));
        let parts = ["include", "import", "extends"].iter().any(|word| source.contains(word));
        let rendered = if parts || !style.is_default() {
            bounded(&env::special(base, view, style)?, name, &source, context)?
        } else {
            bounded(base, name, &source, context)?
        };
        Ok(style.line_ends(rendered))
    })
}

/// Renders into a text that grows only so far.
fn bounded(env: &Environment<'_>, name: &str, source: &str, context: Jinja) -> Result<String, minijinja::Error> {
    struct Bounded(Vec<u8>);

    impl std::io::Write for Bounded {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            if self.0.len() + bytes.len() > super::filters::MOST_TEXT {
                return Err(std::io::Error::other("the text becomes too large"));
            }
            self.0.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    let mut text = Bounded(Vec::new());
    env.template_from_named_str(name, source)?.render_captured_to(context, &mut text)?;
    Ok(String::from_utf8_lossy(&text.0).into_owned())
}

/// Whether an operator of Python's is missing that can be had as a call.
fn lacks_operator(error: &minijinja::Error) -> bool {
    let detail = error.detail().unwrap_or_default();
    detail.contains("tried to use - operator") || detail.contains("tried to use % operator")
}

/// Evaluates an expression, without `{{ }}` around it.
pub fn expression(view: &Arc<View>, source: &str) -> Result<Value, Error> {
    if source.starts_with(RAW) {
        return Err(Error::Wrong(UNTRUSTED.into()));
    }
    fresh(view);
    evaluate(view, source).and_then(|made| to_json(&made)).map_err(|e| explain(view, &e))
}

/// Whether a condition holds: an expression, a bool, or something with a truth of its own.
pub fn truth(view: &Arc<View>, condition: &Value) -> Result<bool, Error> {
    fresh(view);
    judge(view, condition).map_err(|e| explain(view, &e))
}

/// What a keyword such as `become` or `ignore_errors` says: a bool, a word for one, or a template that gives one.
pub fn flag(view: &Arc<View>, given: &Value) -> Result<bool, Error> {
    let made = match given {
        Value::String(text) if has_marks(text) => value(view, given)?,
        other => other.clone(),
    };
    if made.is_null() {
        return Ok(false);
    }
    bool_of(&made).ok_or_else(|| {
        Error::Wrong(format!(
            "`{}` is no valid boolean",
            fault::short(&crate::playbook::modules::convert::text_of(&made))
        ))
    })
}

fn judge(view: &Arc<View>, condition: &Value) -> Result<bool, minijinja::Error> {
    let made = match condition {
        Value::Bool(flag) => return Ok(*flag),
        Value::Null => return Ok(true),
        Value::String(source) => {
            let source = source.trim();
            if source.is_empty() {
                return Ok(true);
            }
            if source.starts_with(RAW) {
                return Err(untrusted());
            }
            match lone(source) {
                Some(inner) => return indirect(view, condition, source, inner),
                None if source.starts_with("{%") || (source.starts_with("{{") && source.ends_with("}}")) => {
                    return indirect(view, condition, source, "");
                }
                None => evaluate(view, &source::without_marks(source))?,
            }
        }
        other => to_jinja(other),
    };
    holds(view, condition, &made)
}

/// The expression of a text that is nothing but one `{{ expression }}`.
pub(super) fn lone(text: &str) -> Option<&str> {
    let inner = text.strip_prefix("{{")?.strip_suffix("}}")?;
    source::is_whole(inner).then_some(inner)
}

/// Whether a text is nothing but one `{{ expression }}`.
pub fn is_lone(text: &str) -> bool {
    lone(text.trim()).is_some()
}

fn untrusted() -> minijinja::Error {
    minijinja::Error::new(ErrorKind::InvalidOperation, UNTRUSTED)
}

/// A condition that is a template: what it gives is judged, and text only when people wrote it.
fn indirect(view: &Arc<View>, condition: &Value, source: &str, inner: &str) -> Result<bool, minijinja::Error> {
    let made = deep(view, &Value::String(source.to_owned()))?;
    if made.as_str() == Some(super::OMIT) {
        return Ok(false);
    }
    let text = |made: &Jinja, inner: &str| match made.as_str() {
        Some(text) if bool_of(&Value::String(text.into())).is_none() && !text.trim().is_empty() => {
            if !trust::trusted(view, inner, text) {
                return Err(untrusted());
            }
            Ok(evaluate(view, &source::without_marks(text.trim()))?)
        }
        _ => Ok(made.clone()),
    };
    if made.kind() == ValueKind::Seq {
        for (at, item) in made.try_iter()?.enumerate() {
            let judged = text(&item, &format!("{}[{at}]", inner.trim()))?;
            if !holds(view, condition, &judged)? {
                return Ok(false);
            }
        }
        return Ok(true);
    }
    holds(view, condition, &text(&made, inner)?)
}

/// The truth of what a condition came to.
fn holds(view: &Arc<View>, condition: &Value, made: &Jinja) -> Result<bool, minijinja::Error> {
    if made.is_undefined() {
        return Err(ErrorKind::UndefinedError.into());
    }
    let holds = match made.as_str() {
        Some("True" | "true" | "yes" | "on" | "1") => true,
        Some("False" | "false" | "no" | "off" | "0" | "") => false,
        _ => made.is_true(),
    };
    if made.kind() != ValueKind::Bool {
        let kind = super::filters::general::type_name(made);
        let text = fault::short(&crate::playbook::modules::convert::text_of(condition));
        let message = format!("the condition `{text}` is {kind}, not true or false; it counts as {holds}");
        view.notes().warnings.insert(message);
    }
    Ok(holds)
}

/// Faults in the syntax of `source`, for checks before a run.
pub fn syntax(source: &str) -> Result<(), String> {
    if !has_marks(source) {
        return Ok(());
    }
    let (style, body) = Style::default().header(source)?;
    if !style.is_default() {
        return Ok(());
    }
    env::strict().template_from_str(body).map_err(|e| fault::reason(&e))?;
    super::names::unknown(body).map_or(Ok(()), Err)
}

/// Faults in the syntax of an expression.
pub fn expression_syntax(source: &str) -> Result<(), String> {
    let source = source.trim();
    if source.starts_with(RAW) {
        return Ok(());
    }
    if source.starts_with("{%") || lone(source).is_some() {
        return syntax(source);
    }
    let source = source::without_marks(source);
    env::strict().compile_expression(&source).map_err(|e| fault::reason(&e))?;
    super::names::unknown(&source).map_or(Ok(()), Err)
}

/// Everything in `value` rendered at once.
pub(super) fn deep(view: &Arc<View>, value: &Value) -> Result<Jinja, minijinja::Error> {
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

/// One text: a lone expression keeps its type, and so does what one expression alone gives among statements.
fn one(view: &Arc<View>, text: &str) -> Result<Jinja, minijinja::Error> {
    let body = text.strip_suffix('\n').unwrap_or(text);
    if let Some(inner) = lone(body) {
        let inner = inner.strip_prefix(['-', '+']).unwrap_or(inner);
        let inner = inner.strip_suffix(['-', '+']).unwrap_or(inner);
        let inner = source::as_written(inner);
        if env::strict().compile_expression(&inner).is_ok() {
            let made = evaluate(view, &inner)?;
            if made.is_undefined() {
                note_culprit(view, &inner);
                return Err(ErrorKind::UndefinedError.into());
            }
            // A line end behind belongs to text only.
            return Ok(match made.as_str() {
                Some(words) if body != text && !words.ends_with('\n') => Jinja::from(format!("{words}\n")),
                _ => made,
            });
        }
    }
    let (style, body) = Style::default().header(text).map_err(|e| minijinja::Error::new(ErrorKind::SyntaxError, e))?;
    let body = source::in_expressions(body, source::as_written);
    let outer = env::watch_values();
    let made = styled(view, &body, "<text>", &style);
    let value = env::seen_value(outer, &body);
    Ok(match (made?, value) {
        (made, Some(value)) if value.as_str().is_none() && super::py_str(&value) == made.trim() => value,
        (made, _) => Jinja::from(made),
    })
}

fn evaluate(view: &Arc<View>, source: &str) -> Result<Jinja, minijinja::Error> {
    let made = once(view, source);
    if !made.as_ref().is_err_and(lacks_operator) {
        return made;
    }
    let with_calls = source::operators_as_calls(source);
    if with_calls == source { made } else { once(view, &with_calls) }
}

fn once(view: &Arc<View>, source: &str) -> Result<Jinja, minijinja::Error> {
    twice(view, source, |env| {
        let made = env.compile_expression(source)?.eval(Jinja::from_object(Handle(Arc::clone(view))))?;
        // Iterators of filters such as `map` are read once only.
        if made.kind() == ValueKind::Iterable && !made.is_tuple() {
            return super::call::items_of(&made).map(Jinja::from);
        }
        Ok(made)
    })
}

/// Forgets what an earlier text left behind, unless a rendering is under way.
fn fresh(view: &View) {
    let mut notes = view.notes();
    if notes.open.is_empty() {
        (notes.culprit, notes.missing, notes.hint) = (None, None, None);
    }
}

/// How deep renderings may stand in each other: variables, files, other hosts' variables.
const DEEPEST: usize = 40;

thread_local! {
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// One rendering inside others.
struct Inside;

impl Inside {
    fn enter() -> Result<Self, minijinja::Error> {
        let depth = DEPTH.get() + 1;
        if depth > DEEPEST {
            let message = "variables and templates are nested too deep; does one need itself?";
            return Err(minijinja::Error::new(ErrorKind::InvalidOperation, message));
        }
        DEPTH.set(depth);
        Ok(Self)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get().saturating_sub(1));
    }
}

fn note_culprit(view: &View, source: &str) {
    let mut notes = view.notes();
    if notes.culprit.is_none() {
        let variable = notes.open.last().cloned();
        notes.culprit = Some((source.to_owned(), variable));
    }
}

/// Whether what is undefined was worked with where nothing deals with it: compared, added, shown. A word such as
/// `default` somewhere else in the text does not excuse that.
fn is_used(error: &minijinja::Error, source: &str) -> bool {
    let comparing = ["==", "!=", "<", ">", "not ", "in "];
    let others = ["and ", "or ", "if ", "else", "+", "-", "*", "/", "~", "%"];
    let compares = |text: &str| comparing.iter().any(|operator| text.contains(operator));
    let Some(range) = error.range() else {
        // Operators tell no place.
        return compares(source);
    };
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let is_chain = |text: &str| text.chars().all(|c| word(c) || ".[]'\"".contains(c));
    let place = source.get(range.clone()).unwrap_or_default();
    if !is_chain(place) {
        return !place.contains('|') && compares(place);
    }
    let mut after = source.get(range.end..).unwrap_or_default().trim_start();
    loop {
        after = match after.chars().next() {
            Some('.') => after[1..].trim_start_matches(word).trim_start(),
            Some('[') => after.split_once(']').map_or("", |(_, rest)| rest).trim_start(),
            _ => break,
        };
    }
    after.is_empty()
        || after.starts_with("}}")
        || comparing.iter().chain(&others).any(|operator| after.starts_with(operator))
}

/// Strictly first; when something was undefined and the text deals with that, once more with chaining allowed.
fn twice<T>(
    view: &Arc<View>,
    source: &str,
    run: impl Fn(&'static Environment<'static>) -> Result<T, minijinja::Error>,
) -> Result<T, minijinja::Error> {
    let _inside = Inside::enter()?;
    // The engine panics where it compares what cannot be compared; one host's template must not end the run.
    let run = |env| {
        let made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(env)));
        made.unwrap_or_else(|_| {
            Err(minijinja::Error::new(ErrorKind::InvalidOperation, "values in this template cannot be compared"))
        })
    };
    let mut made = run(env::strict());
    if let Err(error) = &made {
        let waiting = {
            let notes = view.notes();
            notes.pending || notes.facts
        };
        let words = ["default", "d(", "defined", "mandatory", "include", "import"];
        let deals = words.iter().any(|word| source.contains(word));
        if error.kind() == ErrorKind::UndefinedError && deals && !waiting && !is_used(error, source) {
            view.notes().culprit = None;
            made = run(env::chainable());
        }
    }
    if made.is_err() {
        note_culprit(view, source);
    }
    made
}
