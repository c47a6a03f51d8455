//! Rendering: texts, values, expressions and conditions.

use std::sync::Arc;

use minijinja::{
    Environment, ErrorKind,
    value::{Value as Jinja, ValueKind},
};
use serde_json::Value;

use super::{
    Error, View, env,
    fault::{self, explain},
    has_marks, is_template, mutable,
    style::Style,
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
    let made = deep(view, value).and_then(|made| to_json(&made));
    made.map_err(|e| explain(view, &e))
}

/// Renders text to text.
pub fn text(view: &Arc<View>, source: &str) -> Result<String, Error> {
    if !has_marks(source) {
        return Ok(source.to_owned());
    }
    let (style, body) = Style::default().header(source).map_err(Error::Wrong)?;
    styled(view, body, "<text>", &style).map_err(|e| explain(view, &e))
}

/// Renders the text of a file, in its style.
pub(super) fn styled(view: &Arc<View>, source: &str, name: &str, style: &Style) -> Result<String, minijinja::Error> {
    twice(view, source, |base| {
        let source = mutable::prepare(source);
        let context = Jinja::from_object(Handle(Arc::clone(view)));
        let parts = ["include", "import", "extends"].iter().any(|word| source.contains(word));
        let rendered = if parts || !style.is_default() {
            let env = env::special(base, view, style)?;
            env.render_named_str(name, &source, context)?
        } else {
            base.render_named_str(name, &source, context)?
        };
        Ok(style.line_ends(rendered))
    })
}

/// Evaluates an expression, without `{{ }}` around it.
pub fn expression(view: &Arc<View>, source: &str) -> Result<Value, Error> {
    evaluate(view, source).and_then(|made| to_json(&made)).map_err(|e| explain(view, &e))
}

/// Whether a condition holds: an expression, a bool, or something with a truth of its own.
pub fn truth(view: &Arc<View>, condition: &Value) -> Result<bool, Error> {
    judge(view, condition).map_err(|e| explain(view, &e))
}

fn judge(view: &Arc<View>, condition: &Value) -> Result<bool, minijinja::Error> {
    let made = match condition {
        Value::Bool(flag) => return Ok(*flag),
        Value::Null => return Ok(true),
        Value::String(source) if source.trim().is_empty() => return Ok(true),
        Value::String(source) if has_marks(source) => {
            let made = deep(view, &Value::String(source.trim().to_owned()))?;
            // `when: "{{ 'a == b' }}"`: the text that comes out is the condition.
            match made.as_str() {
                Some(inner) if bool_of(&Value::String(inner.into())).is_none() && !inner.trim().is_empty() => {
                    evaluate(view, inner)?
                }
                _ => made,
            }
        }
        Value::String(source) => evaluate(view, source.trim())?,
        other => to_jinja(other),
    };
    if made.is_undefined() {
        return Err(ErrorKind::UndefinedError.into());
    }
    let holds = match made.as_str() {
        Some("True" | "true" | "yes" | "on" | "1") => true,
        Some("False" | "false" | "no" | "off" | "0" | "") => false,
        _ => made.is_true(),
    };
    if made.kind() != ValueKind::Bool {
        let kind = super::filters::general::type_name(&made);
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
    env::strict().template_from_str(body).map(|_| ()).map_err(|e| fault::reason(&e))
}

/// Faults in the syntax of an expression.
pub fn expression_syntax(source: &str) -> Result<(), String> {
    if has_marks(source) {
        return syntax(source);
    }
    env::strict().compile_expression(source).map(|_| ()).map_err(|e| fault::reason(&e))
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

/// One text: a lone expression keeps its type.
fn one(view: &Arc<View>, text: &str) -> Result<Jinja, minijinja::Error> {
    let trimmed = text.trim();
    if let Some(inner) = trimmed.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}")) {
        let inner = inner.strip_prefix(['-', '+']).unwrap_or(inner);
        let inner = inner.strip_suffix(['-', '+']).unwrap_or(inner);
        if env::strict().compile_expression(inner).is_ok() {
            let made = evaluate(view, inner)?;
            if made.is_undefined() {
                note_culprit(view, inner);
                return Err(ErrorKind::UndefinedError.into());
            }
            return Ok(made);
        }
    }
    let (style, body) = Style::default().header(text).map_err(|e| minijinja::Error::new(ErrorKind::SyntaxError, e))?;
    styled(view, body, "<text>", &style).map(Jinja::from)
}

fn evaluate(view: &Arc<View>, source: &str) -> Result<Jinja, minijinja::Error> {
    twice(view, source, |env| {
        let made = env.compile_expression(source)?.eval(Jinja::from_object(Handle(Arc::clone(view))))?;
        // Iterators of filters such as `map` are read once only.
        if made.kind() == ValueKind::Iterable && !made.is_tuple() {
            return super::call::items_of(&made).map(Jinja::from);
        }
        Ok(made)
    })
}

fn note_culprit(view: &View, source: &str) {
    let mut notes = view.notes();
    if notes.culprit.is_none() {
        let variable = notes.open.last().cloned();
        notes.culprit = Some((source.to_owned(), variable));
    }
}

/// Strictly first; when something was undefined and the text deals with that, once more with chaining allowed.
fn twice<T>(
    view: &Arc<View>,
    source: &str,
    run: impl Fn(&'static Environment<'static>) -> Result<T, minijinja::Error>,
) -> Result<T, minijinja::Error> {
    let mut made = run(env::strict());
    if let Err(error) = &made {
        let waiting = {
            let notes = view.notes();
            notes.pending || notes.facts
        };
        let words = ["default", "d(", "defined", "mandatory", "include", "import"];
        let deals = words.iter().any(|word| source.contains(word));
        if error.kind() == ErrorKind::UndefinedError && deals && !waiting {
            view.notes().culprit = None;
            made = run(env::chainable());
        }
    }
    if made.is_err() {
        note_culprit(view, source);
    }
    made
}
