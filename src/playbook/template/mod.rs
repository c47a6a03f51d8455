//! Expressions and templates with Python's meaning, over variables that are templates themselves.
//!
//! A variable is rendered when it is first looked up. A value that one expression alone makes (`"{{ x }}"`) keeps its
//! type. What is undefined is an error, but may be chained up to a `default` or a `defined`.

mod call;
mod checks;
mod dump;
mod env;
mod fault;
mod file;
mod filters;
mod lookups;
mod methods;
mod mutable;
mod names;
mod render;
mod source;
mod style;
mod trust;
mod version;
mod view;

use std::sync::Arc;

use minijinja::value::Value as Jinja;
use serde_json::Value;

pub use dump::{json_text, py_str, yaml_text};
pub use file::file;
pub(super) use lookups::lookup;
pub use names::needed;
pub use render::{expression, expression_syntax, flag, is_lone, syntax, text, truth, value};
pub use style::Style;
pub use trust::{UNTRUSTED, is_written, written};
pub use view::{Coming, Facts, Layer, Special, View, steers};

/// What stands for "leave this argument out".
pub const OMIT: &str = "__omit_place_holder__c7d1f0a5e2b94386__";

/// Steps that one template may take.
const FUEL: u64 = 50_000_000;

/// Why a template gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It needs the answer to a step that is still under way.
    #[error("the answer is still under way")]
    Pending,
    /// It needs facts of other hosts, which were not gathered yet.
    #[error("facts of other hosts were not gathered")]
    OthersFacts,
    /// It needs the host's facts, which were not gathered yet.
    #[error("facts were not gathered")]
    Facts,
    /// It is wrong.
    #[error("{0}")]
    Wrong(String),
}

/// A view as a value that templates can look into.
pub(super) fn object(view: &Arc<View>) -> Jinja {
    Jinja::from_object(view::Handle(Arc::clone(view)))
}

/// Python's name for the kind of a value.
pub fn kind(value: &Value) -> &'static str {
    filters::general::type_name(&crate::playbook::value::to_jinja(value))
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

/// The names of all filters, tests and lookups, for the documentation.
pub fn names() -> [(&'static str, Vec<&'static str>); 3] {
    let sorted = |entries: &mut dyn Iterator<Item = &'static str>| {
        let mut names: Vec<&str> = entries.collect();
        names.sort_unstable();
        names.dedup();
        names
    };
    [
        ("filters", sorted(&mut filters::all().flat_map(|entry| entry.names.iter().copied()))),
        ("tests", sorted(&mut checks::all().flat_map(|entry| entry.names.iter().copied()))),
        ("lookups", sorted(&mut lookups::all())),
    ]
}

#[cfg(test)]
mod tests;
