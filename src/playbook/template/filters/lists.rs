//! Lists: cutting, joining, sorting, and what can be made of several.

use minijinja::{
    Error,
    value::{Tuple, Value, ValueKind},
};

use super::super::{
    call::{Call, Entry, entry, items_of, undefined},
    dump::py_str,
};

pub(in super::super) static TABLE: &[Entry] = &[
    entry(&["batch"], "linecount fill_with", |c| {
        let (size, fill) = (c.size(0, 1)?.max(1), c.some(1).cloned());
        let mut made: Vec<Value> = Vec::new();
        for chunk in c.items()?.chunks(size) {
            let mut chunk = chunk.to_vec();
            if let Some(fill) = &fill {
                chunk.resize(size.min(super::MOST_ITEMS), fill.clone());
            }
            made.push(chunk.into());
        }
        Ok(made.into())
    }),
    entry(&["combinations"], "r", |c| {
        let size = c.size(0, 0)?;
        c.need(0, "r")?;
        arrange(c, size, true)
    }),
    entry(&["count", "length"], "", |c| match c.value.kind() {
        ValueKind::String => Ok(c.text().chars().count().into()),
        _ => match c.value.len() {
            Some(len) => Ok(len.into()),
            None => Ok(c.items()?.len().into()),
        },
    }),
    entry(&["first"], "", |c| Ok(c.items()?.into_iter().next().unwrap_or(Value::UNDEFINED))),
    entry(&["flatten"], "levels skip_nulls", |c| {
        let levels = c.int(0)?.map_or(usize::MAX, |levels| usize::try_from(levels).unwrap_or(0));
        let mut made = Vec::new();
        flatten(c.items()?, levels, c.flag(1, true), &mut made);
        Ok(made.into())
    }),
    entry(&["groupby"], "attribute default case_sensitive", groupby),
    entry(&["last"], "", |c| Ok(c.items()?.into_iter().next_back().unwrap_or(Value::UNDEFINED))),
    entry(&["list"], "", |c| Ok(c.items()?.into())),
    entry(&["max"], "case_sensitive attribute", |c| extreme(c, std::cmp::Ordering::Greater)),
    entry(&["min"], "case_sensitive attribute", |c| extreme(c, std::cmp::Ordering::Less)),
    entry(&["permutations"], "r", |c| {
        let size = c.size(0, c.items()?.len())?;
        arrange(c, size, false)
    }),
    entry(&["product"], "* **", product),
    entry(&["slice"], "slices fill_with", slice),
    entry(&["sort"], "reverse case_sensitive attribute", |c| {
        let (reverse, exact, path) = (c.flag(0, false), c.flag(1, false), c.some(2).cloned());
        let mut keyed = Vec::new();
        for item in c.items()? {
            keyed.push((sort_key(&item, path.as_ref(), exact)?, item));
        }
        // As in Python, what is equal keeps its order in both directions.
        keyed.sort_by(|(a, _), (b, _)| if reverse { b.cmp(a) } else { a.cmp(b) });
        Ok(keyed.into_iter().map(|(_, item)| item).collect::<Vec<_>>().into())
    }),
    entry(&["zip"], "*", |c| zip(c, None)),
    entry(&["zip_longest"], "* **", |c| {
        let fill = c.named.iter().find(|(name, _)| name == "fillvalue").map(|(_, value)| value.clone());
        zip(c, Some(fill.unwrap_or_else(|| Value::from(()))))
    }),
];

/// What items are compared by: attributes apart from commas, text without its case.
fn sort_key(item: &Value, path: Option<&Value>, exact: bool) -> Result<Vec<Value>, Error> {
    let found = match path {
        None => vec![item.clone()],
        Some(path) if path.as_str().is_some_and(|text| text.contains(',')) => {
            let text = py_str(path);
            text.split(',').map(|part| super::general::attribute(item, &Value::from(part.trim()))).collect()
        }
        Some(path) => vec![super::general::attribute(item, path)],
    };
    let fold = |value: Value| match value.as_str() {
        _ if value.is_undefined() => Err(undefined()),
        Some(text) if !exact => Ok(Value::from(text.to_lowercase())),
        _ => Ok(value),
    };
    found.into_iter().map(fold).collect()
}

fn extreme(c: &mut Call, wanted: std::cmp::Ordering) -> Result<Value, Error> {
    let (exact, path) = (c.flag(0, false), c.some(1).cloned());
    let mut best: Option<(Vec<Value>, Value)> = None;
    for item in c.items()? {
        let key = sort_key(&item, path.as_ref(), exact)?;
        if best.as_ref().is_none_or(|(known, _)| key.cmp(known) == wanted) {
            best = Some((key, item));
        }
    }
    Ok(best.map_or(Value::UNDEFINED, |(_, item)| item))
}

fn groupby(c: &mut Call) -> Result<Value, Error> {
    let path = c.need(0, "attribute")?.clone();
    let (default, exact) = (c.arg(1).cloned(), c.flag(2, false));
    let mut keyed = Vec::new();
    for item in c.items()? {
        let mut found = super::general::attribute(&item, &path);
        if found.is_undefined() {
            found = default.clone().ok_or_else(undefined)?;
        }
        keyed.push((sort_key(&found, None, exact)?, found, item));
    }
    keyed.sort_by(|a, b| a.0.cmp(&b.0));
    let mut groups: Vec<(Vec<Value>, Value, Vec<Value>)> = Vec::new();
    for (key, found, item) in keyed {
        match groups.last_mut() {
            Some((known, _, items)) if *known == key => items.push(item),
            _ => groups.push((key, found, vec![item])),
        }
    }
    Ok(groups.into_iter().map(|(_, found, items)| Value::from_object(Group(found, items.into()))).collect())
}

/// One group: a pair, whose parts also have names.
#[derive(Debug)]
struct Group(Value, Value);

impl minijinja::value::Object for Group {
    fn repr(self: &std::sync::Arc<Self>) -> minijinja::value::ObjectRepr {
        minijinja::value::ObjectRepr::Seq
    }

    fn get_value(self: &std::sync::Arc<Self>, key: &Value) -> Option<Value> {
        match (key.as_str(), key.as_usize()) {
            (Some("grouper"), _) | (_, Some(0)) => Some(self.0.clone()),
            (Some("list"), _) | (_, Some(1)) => Some(self.1.clone()),
            _ => None,
        }
    }

    fn enumerate(self: &std::sync::Arc<Self>) -> minijinja::value::Enumerator {
        minijinja::value::Enumerator::Seq(2)
    }
}

pub(in super::super) fn flatten(items: Vec<Value>, levels: usize, skip_nulls: bool, made: &mut Vec<Value>) {
    for item in items {
        if skip_nulls && (item.is_none() || matches!(item.as_str(), Some("None" | "null"))) {
            continue;
        }
        match item.kind() {
            ValueKind::Seq | ValueKind::Iterable if levels > 0 => {
                flatten(items_of(&item).unwrap_or_default(), levels - 1, skip_nulls, made);
            }
            _ => made.push(item),
        }
    }
}

fn zip(c: &mut Call, fill: Option<Value>) -> Result<Value, Error> {
    let mut all = vec![c.items()?];
    for other in &c.rest {
        all.push(items_of(other)?);
    }
    let lens = all.iter().map(Vec::len);
    let len = if fill.is_some() { lens.max() } else { lens.min() }.unwrap_or(0);
    let fill = fill.unwrap_or_default();
    let row = |at: usize| -> Vec<Value> {
        all.iter().map(|list| list.get(at).cloned().unwrap_or_else(|| fill.clone())).collect()
    };
    Ok((0..len).map(|at| Value::from(Tuple::from(row(at)))).collect())
}

fn product(c: &mut Call) -> Result<Value, Error> {
    let mut lists = vec![c.items()?];
    for other in &c.rest {
        lists.push(items_of(other)?);
    }
    if let Some((_, repeat)) = c.named.iter().find(|(name, _)| name == "repeat") {
        let repeat = repeat.as_usize().filter(|n| *n <= 64).ok_or_else(|| c.fault("`repeat` is a small number"))?;
        lists = std::iter::repeat_n(lists, repeat).flatten().collect();
    }
    let size = lists.iter().try_fold(1_usize, |size, list| size.checked_mul(list.len()));
    if size.is_none_or(|size| size > super::MOST_ITEMS) {
        return Err(c.fault("the list becomes too long"));
    }
    let mut made: Vec<Vec<Value>> = vec![Vec::new()];
    for list in &lists {
        made = made
            .iter()
            .flat_map(|done| list.iter().map(move |item| done.iter().cloned().chain([item.clone()]).collect()))
            .collect();
    }
    Ok(made.into_iter().map(|row| Value::from(Tuple::from(row))).collect())
}

/// Choices of `size` items: in their order, or in every order.
fn arrange(c: &mut Call, size: usize, ordered: bool) -> Result<Value, Error> {
    let items = c.items()?;
    let mut made: Vec<Value> = Vec::new();
    if size > items.len() {
        return Ok(made.into());
    }
    // Places chosen so far; the next place to try.
    let mut chosen: Vec<usize> = Vec::new();
    let mut next = 0;
    let mut steps = 0_usize;
    loop {
        steps += 1;
        if made.len().saturating_mul(size.max(1)) > super::MOST_ITEMS || steps > 20 * super::MOST_ITEMS {
            return Err(c.fault("the list becomes too long"));
        }
        if chosen.len() == size {
            made.push(Tuple::from(chosen.iter().map(|at| items[*at].clone()).collect::<Vec<_>>()).into());
            next = items.len();
        }
        let from = if ordered { next.max(chosen.last().map_or(0, |last| last + 1)) } else { next };
        match (from..items.len()).find(|at| !chosen.contains(at)) {
            Some(at) => {
                chosen.push(at);
                next = 0;
            }
            None => match chosen.pop() {
                Some(last) => next = last + 1,
                None => return Ok(made.into()),
            },
        }
    }
}

fn slice(c: &mut Call) -> Result<Value, Error> {
    let (slices, fill) = (c.size(0, 1)?, c.some(1).cloned());
    let items = c.items()?;
    if slices == 0 || slices > super::MOST_ITEMS {
        return Err(c.fault("a list is cut into at least one slice, and not too many"));
    }
    let (each, more) = (items.len() / slices, items.len() % slices);
    let mut made: Vec<Value> = Vec::new();
    let mut at = 0;
    for number in 0..slices {
        let end = at + each + usize::from(number < more);
        let mut part = items[at..end].to_vec();
        if let Some(fill) = fill.as_ref().filter(|_| number >= more && more > 0) {
            part.push(fill.clone());
        }
        made.push(part.into());
        at = end;
    }
    Ok(made.into())
}
