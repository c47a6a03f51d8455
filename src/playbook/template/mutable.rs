//! Lists and mappings that a template changes: `{% set all = [] %}{% set _ = all.append(x) %}`.
//!
//! Values are otherwise fixed. When a text calls a method that changes its value, what its `set` statements make is
//! turned into one of these.

use std::{
    borrow::Cow,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use indexmap::IndexMap;
use minijinja::{
    Error, State,
    value::{Enumerator, Object, ObjectRepr, Tuple, Value, ValueKind, from_args},
};

use super::{
    call::{bad, items_of},
    filters::{MOST_ITEMS, maps::entries},
    methods::unknown,
};

/// `joiner(', ')`: nothing the first time it is called, its text from then on.
#[derive(Debug)]
pub(super) struct Joiner {
    text: String,
    used: AtomicBool,
}

impl Joiner {
    pub(super) fn new(text: Option<String>) -> Self {
        Self { text: text.unwrap_or_else(|| ", ".to_owned()), used: AtomicBool::new(false) }
    }
}

impl Object for Joiner {
    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, _: &[Value]) -> Result<Value, Error> {
        Ok(if self.used.swap(true, Ordering::Relaxed) { self.text.as_str().into() } else { "".into() })
    }
}

/// `cycler('a', 'b')`: its items in turn.
#[derive(Debug)]
pub(super) struct Cycler {
    items: Vec<Value>,
    at: AtomicUsize,
}

impl Cycler {
    pub(super) fn new(items: Vec<Value>) -> Self {
        Self { items, at: AtomicUsize::new(0) }
    }

    fn current(&self, at: usize) -> Value {
        self.items.get(at % self.items.len().max(1)).cloned().unwrap_or_default()
    }
}

impl Object for Cycler {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        (key.as_str() == Some("current")).then(|| self.current(self.at.load(Ordering::Relaxed)))
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, name: &str, _: &[Value]) -> Result<Value, Error> {
        match name {
            "next" => Ok(self.current(self.at.fetch_add(1, Ordering::Relaxed))),
            "reset" => {
                self.at.store(0, Ordering::Relaxed);
                Ok(Value::from(()))
            }
            _ => Err(bad(format!("a cycler has `next`, `reset` and `current`, not `{name}`"))),
        }
    }
}

/// Methods that change.
const MARKS: [&str; 10] = [
    ".append(",
    ".extend(",
    ".insert(",
    ".remove(",
    ".pop(",
    ".update(",
    ".setdefault(",
    ".clear(",
    ".sort(",
    ".reverse(",
];

/// The source, with `{% set x = … %}` made changeable when a method changes something.
pub(super) fn prepare(source: &str) -> Cow<'_, str> {
    if !source.contains("set ") || !MARKS.iter().any(|mark| source.contains(mark)) {
        return Cow::Borrowed(source);
    }
    let mut made = String::with_capacity(source.len() + 64);
    let mut rest = source;
    while let Some(at) = rest.find("{%") {
        let (before, block) = rest.split_at(at);
        made.push_str(before);
        let Some(end) = end_of_block(block) else {
            made.push_str(block);
            return Cow::Owned(made);
        };
        let (block, after) = block.split_at(end);
        made.push_str(&changeable(block).unwrap_or_else(|| block.to_owned()));
        rest = after;
    }
    made.push_str(rest);
    Cow::Owned(made)
}

/// Where `{% … %}` ends; quoted text inside is passed over.
fn end_of_block(block: &str) -> Option<usize> {
    let mut quote = None;
    let bytes = block.as_bytes();
    let mut at = 2;
    while at < bytes.len() {
        match (bytes[at], quote) {
            (b'\\', Some(_)) => at += 1,
            (byte, Some(open)) if byte == open => quote = None,
            (byte @ (b'\'' | b'"'), None) => quote = Some(byte),
            (b'%', None) if bytes.get(at + 1) == Some(&b'}') => return Some(at + 2),
            _ => {}
        }
        at += 1;
    }
    None
}

fn changeable(block: &str) -> Option<String> {
    let inner = block.strip_prefix("{%")?.strip_suffix("%}")?;
    let open = if inner.starts_with(['-', '+']) { &inner[..1] } else { "" };
    let close = if inner.len() > 1 && inner.ends_with(['-', '+']) { &inner[inner.len() - 1..] } else { "" };
    let inner = &inner[open.len()..inner.len() - close.len()];
    let rest = inner.trim_start().strip_prefix("set")?;
    let (name, value) = rest.split_once('=')?;
    let name = name.strip_prefix(char::is_whitespace)?;
    let word = name.trim();
    if value.starts_with('=') || word.is_empty() || !word.chars().all(|c| c.is_alphanumeric() || c == '_') {
        return None;
    }
    Some(format!("{{%{open} set {word} = __changeable({value}) {close}%}}"))
}

/// The value as one that can change; what is inside as well.
pub(super) fn of(value: Value) -> Result<Value, Error> {
    if value.downcast_object_ref::<List>().is_some() || value.downcast_object_ref::<Dict>().is_some() {
        return Ok(value);
    }
    match value.kind() {
        ValueKind::Seq if !value.is_tuple() => {
            let items: Result<Vec<Value>, Error> = items_of(&value)?.into_iter().map(of).collect();
            Ok(Value::from_object(List(Mutex::new(items?))))
        }
        ValueKind::Map => {
            let mut map = IndexMap::new();
            for (key, inner) in entries(&value)? {
                map.insert(key, of(inner)?);
            }
            Ok(Value::from_object(Dict(Mutex::new(map))))
        }
        _ => Ok(value),
    }
}

/// A value that goes into the list or mapping at `own`, which must not be inside it.
fn inside(value: Value, own: usize) -> Result<Value, Error> {
    let value = of(value)?;
    if reaches(&value, own, 0) {
        return Err(bad("a list or mapping cannot hold itself"));
    }
    Ok(value)
}

fn reaches(value: &Value, own: usize, depth: usize) -> bool {
    if depth > 50 {
        return true;
    }
    let (at, inner) = if let Some(list) = value.downcast_object::<List>() {
        (Arc::as_ptr(&list).addr(), lock(&list.0).clone())
    } else if let Some(map) = value.downcast_object::<Dict>() {
        (Arc::as_ptr(&map).addr(), lock(&map.0).values().cloned().collect())
    } else {
        return false;
    };
    at == own || inner.iter().any(|item| reaches(item, own, depth + 1))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn none() -> Value {
    Value::from(())
}

fn room(len: usize) -> Result<(), Error> {
    if len > MOST_ITEMS { Err(bad("the list becomes too long")) } else { Ok(()) }
}

/// Python's place in a list: negative ones count from its end.
fn place(at: i64, len: usize) -> usize {
    let len = i64::try_from(len).unwrap_or(i64::MAX);
    usize::try_from(if at < 0 { (at + len).max(0) } else { at.min(len) }).unwrap_or(0)
}

#[derive(Debug)]
struct List(Mutex<Vec<Value>>);

impl Object for List {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        lock(&self.0).get(key.as_usize()?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Iter(Box::new(lock(&self.0).clone().into_iter()))
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(lock(&self.0).len())
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        match method {
            "append" => {
                let (item,): (Value,) = from_args(args)?;
                let item = inside(item, Arc::as_ptr(self).addr())?;
                let mut items = lock(&self.0);
                room(items.len() + 1)?;
                items.push(item);
                Ok(none())
            }
            "extend" => {
                let (more,): (Value,) = from_args(args)?;
                let more: Result<Vec<Value>, Error> =
                    items_of(&more)?.into_iter().map(|item| inside(item, Arc::as_ptr(self).addr())).collect();
                let more = more?;
                let mut items = lock(&self.0);
                room(items.len() + more.len())?;
                items.extend(more);
                Ok(none())
            }
            "insert" => {
                let (at, item): (i64, Value) = from_args(args)?;
                let item = inside(item, Arc::as_ptr(self).addr())?;
                let mut items = lock(&self.0);
                room(items.len() + 1)?;
                let at = place(at, items.len());
                items.insert(at, item);
                Ok(none())
            }
            "remove" => {
                let (item,): (Value,) = from_args(args)?;
                let mut items = lock(&self.0);
                let at = items.iter().position(|other| *other == item);
                items.remove(at.ok_or_else(|| bad("what is to be removed is not in the list"))?);
                Ok(none())
            }
            "pop" => {
                let (at,): (Option<i64>,) = from_args(args)?;
                let mut items = lock(&self.0);
                let at = place(at.unwrap_or(-1), items.len());
                if at >= items.len() {
                    return Err(bad("there is nothing to pop there"));
                }
                Ok(items.remove(at))
            }
            "clear" => {
                lock(&self.0).clear();
                Ok(none())
            }
            "reverse" => {
                lock(&self.0).reverse();
                Ok(none())
            }
            "sort" => {
                let (options,): (minijinja::value::Kwargs,) = from_args(args)?;
                let down = options.get::<Option<bool>>("reverse")?.unwrap_or(false);
                let mut items = lock(&self.0);
                items.sort_by(|a, b| if down { b.cmp(a) } else { a.cmp(b) });
                Ok(none())
            }
            "copy" => Ok(Value::from_object(Self(Mutex::new(lock(&self.0).clone())))),
            _ => Err(unknown()),
        }
    }
}

#[derive(Debug)]
struct Dict(Mutex<IndexMap<Value, Value>>);

impl Object for Dict {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        lock(&self.0).get(key).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Iter(Box::new(lock(&self.0).keys().cloned().collect::<Vec<_>>().into_iter()))
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(lock(&self.0).len())
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        match method {
            "update" => {
                let (maps, options): (&[Value], minijinja::value::Kwargs) = from_args(args)?;
                let mut more = Vec::new();
                for map in maps {
                    more.extend(entries(map)?);
                }
                for name in options.args() {
                    more.push((Value::from(name), options.peek::<Value>(name)?));
                }
                for (key, value) in more {
                    let value = inside(value, Arc::as_ptr(self).addr())?;
                    let mut map = lock(&self.0);
                    room(map.len() + 1)?;
                    map.insert(key, value);
                }
                Ok(none())
            }
            "setdefault" => {
                let (key, value): (Value, Option<Value>) = from_args(args)?;
                let value = inside(value.unwrap_or_else(|| Value::from(())), Arc::as_ptr(self).addr())?;
                Ok(lock(&self.0).entry(key).or_insert(value).clone())
            }
            "pop" => {
                let (key, default): (Value, Option<Value>) = from_args(args)?;
                let found = lock(&self.0).shift_remove(&key);
                found.or(default).ok_or_else(|| bad(format!("there is no key `{key}`")))
            }
            "popitem" => {
                let (key, value) = lock(&self.0).pop().ok_or_else(|| bad("the mapping is empty"))?;
                Ok(Tuple::from([key, value]).into())
            }
            "clear" => {
                lock(&self.0).clear();
                Ok(none())
            }
            "copy" => Ok(Value::from_object(Self(Mutex::new(lock(&self.0).clone())))),
            _ => Err(unknown()),
        }
    }
}
