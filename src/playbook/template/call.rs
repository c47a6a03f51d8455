//! One way to write filters and tests: a name, the names of the arguments, a function.
//!
//! Arguments may be given by place or by name, as in Python. What is undefined is an error before the function runs,
//! unless the argument is marked with `?`. The tables made of these are what the documentation lists.

use minijinja::{
    Error, ErrorKind, State,
    value::{Kwargs, Rest, Value, ValueKind, ValueOrKwargs, from_args},
};
use serde_json::Value as Json;

use super::dump::py_str;
use crate::playbook::value::from_jinja;

/// A filter or a test.
pub(super) struct Entry {
    /// Its names.
    pub(super) names: &'static [&'static str],
    /// The names of its arguments after the value. `?` before one: it may be undefined; the same as the first word
    /// alone: the value may be. `*` at the end: any number of further ones; `**`: any names.
    pub(super) args: &'static str,
    /// What it does.
    pub(super) run: Run,
}

/// What a filter or a test does.
pub(super) type Run = fn(&mut Call<'_, '_, '_>) -> Result<Value, Error>;

/// A line of a table.
pub(super) const fn entry(names: &'static [&'static str], args: &'static str, run: Run) -> Entry {
    Entry { names, args, run }
}

/// One use of a filter or a test.
pub(super) struct Call<'a, 's, 'e> {
    /// The name it goes by.
    pub(super) name: &'static str,
    /// The template around it.
    pub(super) state: &'a mut State<'s, 'e>,
    /// What stands left of it.
    pub(super) value: Value,
    /// Arguments by their place in [`Entry::args`].
    args: Vec<Option<Value>>,
    /// Those beyond.
    pub(super) rest: Vec<Value>,
    /// Those with names that are not listed.
    pub(super) named: Vec<(String, Value)>,
}

/// An error of a filter.
pub(super) fn bad(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

/// The error of what is undefined.
pub(super) fn undefined() -> Error {
    ErrorKind::UndefinedError.into()
}

/// A value, unless it stands for an error that was met on the way to it.
pub(super) fn valid(value: Value) -> Result<Value, Error> {
    if value.kind() == ValueKind::Invalid { Err(value.try_iter().err().unwrap_or_else(undefined)) } else { Ok(value) }
}

/// The items of what can be gone through: of a text its letters, of a mapping its keys.
pub(super) fn items_of(value: &Value) -> Result<Vec<Value>, Error> {
    match value.kind() {
        ValueKind::Undefined => Err(undefined()),
        ValueKind::String => Ok(value.as_str().unwrap_or_default().chars().map(Value::from).collect()),
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map => {
            if value.len().is_some_and(|len| len > super::filters::MOST_ITEMS) {
                return Err(bad("the list is too long"));
            }
            value.try_iter()?.checked().collect()
        }
        kind => {
            let python = super::filters::general::type_name(value);
            Err(bad(format!("a list is expected here, not {}: '{python}' object is not iterable", name_of_kind(kind))))
        }
    }
}

/// A kind of value in people's words.
pub(super) fn name_of_kind(kind: ValueKind) -> &'static str {
    match kind {
        ValueKind::Undefined => "something undefined",
        ValueKind::None => "nothing",
        ValueKind::Bool => "a truth value",
        ValueKind::Number => "a number",
        ValueKind::String => "text",
        ValueKind::Bytes => "bytes",
        ValueKind::Seq | ValueKind::Iterable => "a list",
        ValueKind::Map => "a mapping",
        _ => "an object",
    }
}

impl Call<'_, '_, '_> {
    /// An error that names the filter.
    pub(super) fn fault(&self, message: impl std::fmt::Display) -> Error {
        bad(format!("`{}`: {message}", self.name))
    }

    /// Waits for steps on this machine that are under way: its files may change.
    pub(super) fn wait_for_files(&self) -> Result<(), Error> {
        match super::lookups::view_of(self.state) {
            Ok(view) if view.busy => {
                view.notes().pending = true;
                Err(bad("steps on this machine are under way"))
            }
            _ => Ok(()),
        }
    }

    /// The value as Python's text.
    pub(super) fn text(&self) -> String {
        py_str(&self.value)
    }

    /// The value as data.
    pub(super) fn data(&self) -> Result<Json, Error> {
        data_of(&self.value)
    }

    /// The items of the value.
    pub(super) fn items(&self) -> Result<Vec<Value>, Error> {
        items_of(&self.value).map_err(|e| if e.kind() == ErrorKind::UndefinedError { e } else { self.wrap(&e) })
    }

    fn wrap(&self, error: &Error) -> Error {
        self.fault(error.detail().unwrap_or("this cannot be used here"))
    }

    /// An argument, if it was given.
    pub(super) fn arg(&self, at: usize) -> Option<&Value> {
        self.args.get(at)?.as_ref()
    }

    /// An argument, if it was given and is not `None`.
    pub(super) fn some(&self, at: usize) -> Option<&Value> {
        self.arg(at).filter(|value| !value.is_none())
    }

    /// An argument that must be there.
    pub(super) fn need(&self, at: usize, name: &str) -> Result<&Value, Error> {
        self.arg(at).ok_or_else(|| self.fault(format_args!("the argument `{name}` is missing")))
    }

    /// An argument as text.
    pub(super) fn str(&self, at: usize) -> Option<String> {
        self.some(at).map(py_str)
    }

    /// An argument as text, or this.
    pub(super) fn str_or(&self, at: usize, default: &str) -> String {
        self.str(at).unwrap_or_else(|| default.to_owned())
    }

    /// An argument as a truth value.
    pub(super) fn flag(&self, at: usize, default: bool) -> bool {
        self.arg(at).map_or(default, Value::is_true)
    }

    /// An argument as a whole number.
    pub(super) fn int(&self, at: usize) -> Result<Option<i64>, Error> {
        let Some(value) = self.some(at) else { return Ok(None) };
        let number = match value.kind() {
            ValueKind::Bool => Some(i64::from(value.is_true())),
            ValueKind::String => value.as_str().and_then(|text| text.trim().parse().ok()),
            _ => value.as_i64(),
        };
        number.map(Some).ok_or_else(|| self.fault(format_args!("`{}` is no whole number", py_str(value))))
    }

    /// An argument as a size that is not negative, or this.
    pub(super) fn size(&self, at: usize, default: usize) -> Result<usize, Error> {
        match self.int(at)? {
            None => Ok(default),
            Some(number) => usize::try_from(number).map_err(|_| self.fault(format_args!("`{number}` is negative"))),
        }
    }

    /// An argument as a number.
    pub(super) fn float(&self, at: usize) -> Result<Option<f64>, Error> {
        let Some(value) = self.some(at) else { return Ok(None) };
        float_of(value).map(Some).ok_or_else(|| self.fault(format_args!("`{}` is no number", py_str(value))))
    }

    /// The value as a number.
    pub(super) fn number(&self) -> Result<f64, Error> {
        float_of(&self.value)
            .filter(|_| self.value.as_str().is_none())
            .ok_or_else(|| self.fault(format_args!("`{}` is no number", self.text())))
    }
}

/// A value as data.
pub(super) fn data_of(value: &Value) -> Result<Json, Error> {
    from_jinja(value).ok_or_else(undefined)
}

/// A number, or text that is one.
pub(super) fn float_of(value: &Value) -> Option<f64> {
    match value.kind() {
        ValueKind::Bool => Some(f64::from(u8::from(value.is_true()))),
        ValueKind::String => value.as_str()?.trim().parse().ok(),
        _ => f64::try_from(value.clone()).ok(),
    }
}

/// A table's entry under one of its names as a function for the engine.
pub(super) fn bind(
    name: &'static str,
    entry: &'static Entry,
) -> impl Fn(&mut State<'_, '_>, Value, Rest<ValueOrKwargs>) -> Result<Value, Error> + Send + Sync + 'static {
    let words: Vec<&str> = entry.args.split_whitespace().collect();
    let lenient = words.first() == Some(&"?");
    let many = words.contains(&"*") || words.contains(&"**");
    let any_name = words.contains(&"**");
    let names: Vec<(&'static str, bool)> = words
        .iter()
        .filter(|word| !matches!(**word, "?" | "*" | "**"))
        .map(|word| word.strip_prefix('?').map_or((*word, false), |name| (name, true)))
        .collect();
    move |state, value, given| {
        if value.is_undefined() && !lenient {
            return Err(undefined());
        }
        let mut args: Vec<Option<Value>> = vec![None; names.len()];
        let mut rest = Vec::new();
        let mut by_name = Vec::new();
        for (place, argument) in given.into_values().into_iter().enumerate() {
            if argument.is_kwargs() {
                let values = [argument];
                let (options,): (Kwargs,) = from_args(&values)?;
                for word in options.args() {
                    let argument: Value = options.peek(word)?;
                    match names.iter().position(|(name, _)| *name == word) {
                        Some(at) if args[at].is_some() => {
                            return Err(bad(format!("`{name}` got the argument `{word}` twice")));
                        }
                        Some(at) => args[at] = Some(argument),
                        None if any_name => by_name.push((word.to_owned(), argument)),
                        None => {
                            let hint = super::super::modules::near(word, names.iter().map(|(name, _)| *name));
                            let hint = hint.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                            return Err(bad(format!("`{name}` has no argument `{word}`{hint}")));
                        }
                    }
                }
            } else if place < names.len() {
                args[place] = Some(argument);
            } else if many {
                rest.push(argument);
            } else {
                return Err(bad(format!("`{name}` takes at most {} arguments", names.len())));
            }
        }
        let unknown = args
            .iter()
            .zip(&names)
            .any(|(arg, (_, lenient))| !lenient && arg.as_ref().is_some_and(Value::is_undefined));
        if unknown || rest.iter().any(Value::is_undefined) {
            return Err(undefined());
        }
        (entry.run)(&mut Call { name, state, value, args, rest, named: by_name })
    }
}
