//! Lists as sets. The order is that of the first list, then of the second.

#![allow(clippy::mutable_key_type, reason = "values of templates do not change while they are compared")]

use std::collections::HashSet;

use minijinja::{Error, value::Value};

use super::super::call::{Call, Entry, entry, items_of, undefined};

pub(in super::super) static TABLE: &[Entry] = &[
    entry(&["difference"], "b", |c| {
        let (a, b) = both(c)?;
        Ok(once(a.into_iter().filter(|item| !b.contains(item))).into())
    }),
    entry(&["intersect"], "b", |c| {
        let (a, b) = both(c)?;
        Ok(once(a.into_iter().filter(|item| b.contains(item))).into())
    }),
    entry(&["symmetric_difference"], "b", |c| {
        let (a, b) = both(c)?;
        let known: HashSet<Value> = a.iter().cloned().collect();
        let right = items_of(c.need(0, "b")?)?.into_iter().filter(|item| !known.contains(item));
        Ok(once(a.into_iter().filter(|item| !b.contains(item)).chain(right)).into())
    }),
    entry(&["union"], "b", |c| {
        let more = items_of(c.need(0, "b")?)?;
        Ok(once(c.items()?.into_iter().chain(more)).into())
    }),
    entry(&["unique"], "case_sensitive attribute", |c| {
        let (exact, path) = (c.flag(0, false), c.some(1).cloned());
        let blind = c.some(0).is_some() && !exact && path.is_none();
        let mut seen = HashSet::new();
        let mut made = Vec::new();
        for item in c.items()? {
            let key = match &path {
                Some(path) => super::general::attribute(&item, path),
                None => item.clone(),
            };
            let key = match key.as_str() {
                _ if key.is_undefined() => return Err(undefined()),
                _ if blind && key.kind() == minijinja::value::ValueKind::Map => {
                    return Err(super::super::call::bad(
                        "`case_sensitive` means nothing for dictionaries: unhashable type: 'dict'",
                    ));
                }
                Some(text) if !exact => Value::from(text.to_lowercase()),
                _ => key,
            };
            if seen.insert(key) {
                made.push(item);
            }
        }
        Ok(made.into())
    }),
];

fn both(c: &mut Call) -> Result<(Vec<Value>, HashSet<Value>), Error> {
    let b = items_of(c.need(0, "b")?)?.into_iter().collect();
    Ok((c.items()?, b))
}

fn once(items: impl Iterator<Item = Value>) -> Vec<Value> {
    let mut seen = HashSet::new();
    items.filter(|item| seen.insert(item.clone())).collect()
}
