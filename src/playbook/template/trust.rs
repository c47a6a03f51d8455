//! Which texts may be evaluated: those that people wrote.
//!
//! A condition may name a variable that holds a condition. When that text came from a machine, evaluating it would let
//! the machine run lookups here, so only texts that stand in files of the user's own count: those read by `written`, and
//! those that a variable holds as they are.

use std::{
    collections::HashSet,
    hash::{BuildHasher as _, RandomState},
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;

use super::{View, has_marks, render};

/// What is said of a text that must not be evaluated.
pub const UNTRUSTED: &str = "Encountered untrusted template or expression.";

/// How `!unsafe` text begins after it was read.
pub(super) const RAW: &str = "{% raw %}";

/// Longer texts are no conditions.
const LONGEST: usize = 4000;

static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);
static WRITTEN: Mutex<Option<HashSet<u64>>> = Mutex::new(None);

fn known() -> MutexGuard<'static, Option<HashSet<u64>>> {
    WRITTEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Remembers all texts in what was read from a user's file.
pub fn written(value: &Value) {
    let mut known = known();
    remember(value, known.get_or_insert_default());
}

fn remember(value: &Value, known: &mut HashSet<u64>) {
    match value {
        Value::String(text) if text.len() <= LONGEST && !text.starts_with(RAW) => {
            known.insert(HASHER.hash_one(text.trim()));
        }
        Value::Array(items) => items.iter().for_each(|item| remember(item, known)),
        Value::Object(map) => map.values().for_each(|value| remember(value, known)),
        _ => {}
    }
}

/// Whether a user's file holds this text.
pub fn is_written(text: &str) -> bool {
    known().as_ref().is_some_and(|known| known.contains(&HASHER.hash_one(text.trim())))
}

/// Whether what the expression `inner` gave, `made`, may be evaluated in its turn.
pub(super) fn trusted(view: &Arc<View>, inner: &str, made: &str) -> bool {
    match holds(view, inner.trim(), 0) {
        Some(Value::String(text)) if text.starts_with(RAW) => false,
        Some(Value::String(text)) if text.trim() == made.trim() => true,
        // What the template itself spells out is no text of a variable.
        _ => !['\'', '"'].iter().any(|quote| inner.contains(&format!("{quote}{made}{quote}"))) && is_written(made),
    }
}

/// What the variable at the end of a path such as `a.b[0]` holds as it was written.
pub(super) fn holds(view: &Arc<View>, path: &str, depth: usize) -> Option<Value> {
    let simple = path.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '[' | ']' | '\'' | '"'));
    if !simple || depth > 10 {
        return None;
    }
    let mut parts = path.split(['.', '[', ']']).filter(|part| !part.is_empty());
    let root = parts.next()?;
    let layer = view.layers.iter().find(|layer| layer.map.contains_key(root)).filter(|layer| layer.lazy)?;
    let mut value = layer.map[root].clone();
    for part in parts {
        let part = part.trim_matches(['\'', '"']);
        value = match open(view, value, depth)? {
            Value::Object(mut map) => map.remove(part)?,
            Value::Array(items) => items.get(part.parse::<usize>().ok()?)?.clone(),
            _ => return None,
        };
    }
    open(view, value, depth)
}

/// Follows a variable that only names another.
fn open(view: &Arc<View>, value: Value, depth: usize) -> Option<Value> {
    match &value {
        Value::String(text) if !text.starts_with(RAW) && has_marks(text) => {
            holds(view, render::lone(text.trim())?.trim(), depth + 1)
        }
        _ => Some(value),
    }
}
