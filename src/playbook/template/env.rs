//! The engine set up with our filters, tests and functions.

use std::{
    cell::RefCell,
    sync::{Arc, OnceLock},
};

use minijinja::{
    Environment, ErrorKind, UndefinedBehavior,
    value::{Value, ValueKind},
};

use super::{View, checks, dump::py_str, filters, lookups, methods, mutable, source, style::Style};

/// What is undefined is an error.
pub(super) fn strict() -> &'static Environment<'static> {
    static STRICT: OnceLock<Environment<'static>> = OnceLock::new();
    STRICT.get_or_init(|| environment(UndefinedBehavior::Strict))
}

/// What is undefined may be asked for its parts, which are undefined.
pub(super) fn chainable() -> &'static Environment<'static> {
    static CHAINABLE: OnceLock<Environment<'static>> = OnceLock::new();
    CHAINABLE.get_or_init(|| environment(UndefinedBehavior::Chainable))
}

/// One for templates with parts in other files, or with marks of their own.
pub(super) fn special(
    base: &'static Environment<'static>,
    view: &Arc<View>,
    style: &Style,
) -> Result<Environment<'static>, minijinja::Error> {
    let mut env = base.clone();
    if !style.is_default() {
        env.set_syntax(style.config()?);
    }
    let search = Arc::clone(&view.search);
    let keys = view.vault.clone();
    env.set_loader(move |name| {
        let Some(path) = search.iter().map(|folder| folder.join(name)).find(|path| path.is_file()) else {
            return Ok(None);
        };
        let wrong = |why: String| minijinja::Error::new(ErrorKind::InvalidOperation, format!("`{name}`: {why}"));
        let bytes = std::fs::read(&path).map_err(|why| wrong(why.to_string()))?;
        let text = keys.text(bytes).map_err(wrong)?;
        // As Jinja: a part of a template ends without its last line end.
        Ok(Some(mutable::prepare(text.strip_suffix('\n').unwrap_or(&text)).into_owned()))
    });
    Ok(env)
}

fn environment(undefined: UndefinedBehavior) -> Environment<'static> {
    let mut env = Environment::new();
    if let Ok(syntax) = Style::default().config() {
        env.set_syntax(syntax);
    }
    env.set_undefined_behavior(undefined);
    env.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    env.set_unknown_method_callback(methods::call);
    env.set_recursion_limit(120);
    env.set_fuel(Some(super::FUEL));
    env.set_formatter(|out, _, value| {
        sound(value)?;
        see(value);
        out.write_str(&py_str(value)).map_err(minijinja::Error::from)
    });
    filters::add(&mut env);
    checks::add(&mut env);
    lookups::add(&mut env);
    env.add_function("joiner", |text: Option<String>| Value::from_object(mutable::Joiner::new(text)));
    env.add_function("cycler", |items: minijinja::value::Rest<Value>| {
        Value::from_object(mutable::Cycler::new(items.0))
    });
    env.add_function("__changeable", mutable::of);
    env.add_function("__minus", source::minus);
    env.add_function("__percent", source::percent);
    for (name, value) in [("true", true), ("false", false), ("True", true), ("False", false)] {
        env.add_global(name, value);
    }
    for name in ["None", "none"] {
        env.add_global(name, ());
    }
    env
}

/// The values that a rendering has put into its text.
#[derive(Debug, Default)]
enum Seen {
    #[default]
    None,
    One(Value),
    /// One, and then nothing but the text that a macro or a block made of it.
    Carried(Value),
    Many,
}

thread_local! {
    static SEEN: RefCell<Seen> = const { RefCell::new(Seen::None) };
}

fn see(value: &Value) {
    SEEN.with_borrow_mut(|seen| {
        *seen = match std::mem::take(seen) {
            Seen::None => Seen::One(value.clone()),
            Seen::One(first) | Seen::Carried(first)
                if first.as_str().is_none() && value.as_str().is_some_and(|text| text == py_str(&first)) =>
            {
                Seen::Carried(first)
            }
            _ => Seen::Many,
        };
    });
}

/// What was seen before a rendering, to be given back after it.
pub(super) struct Watch(Seen);

/// Begins to watch which values a rendering puts into its text.
pub(super) fn watch_values() -> Watch {
    Watch(SEEN.take())
}

/// The value, when it was one alone in `source`.
pub(super) fn seen_value(outer: Watch, source: &str) -> Option<Value> {
    match SEEN.replace(outer.0) {
        Seen::One(value) => Some(value),
        // A filter may have made text of it on purpose.
        Seen::Carried(value) if !source.rsplit("{{").next().unwrap_or_default().contains('|') => Some(value),
        _ => None,
    }
}

/// Whether nothing inside a value is undefined or stands for an error.
pub(super) fn sound(value: &Value) -> Result<(), minijinja::Error> {
    sound_inside(value, 0, &mut { crate::playbook::value::MOST_VALUES })
}

fn sound_inside(value: &Value, depth: usize, left: &mut usize) -> Result<(), minijinja::Error> {
    crate::playbook::value::count(left)?;
    match value.kind() {
        ValueKind::Undefined => Err(ErrorKind::UndefinedError.into()),
        ValueKind::Invalid => super::call::valid(value.clone()).map(|_| ()),
        _ if depth > 100 => Err(minijinja::Error::new(ErrorKind::InvalidOperation, "this is nested too deep")),
        ValueKind::Seq | ValueKind::Iterable => {
            for item in value.try_iter()? {
                sound_inside(&item, depth + 1, left)?;
            }
            Ok(())
        }
        ValueKind::Map => {
            for key in value.try_iter()? {
                sound_inside(&value.get_item(&key)?, depth + 1, left)?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}
