//! Tests behind `is`: Jinja's own and Ansible's.

use std::path::Path;

use minijinja::{
    Environment, Error,
    value::{Value, ValueKind},
};

use super::{
    call::{Call, Entry, bind, entry, items_of, undefined},
    dump::py_str,
    env::sound,
    filters::{regex, urls::Parts},
    version,
};
use crate::playbook::{modules::convert::bool_of, value::from_jinja, vault};

static TABLE: &[Entry] = &[
    // What is there, and of which kind.
    entry(&["defined"], "?", |c| Ok((!c.value.is_undefined()).into())),
    entry(&["undefined"], "?", |c| Ok(c.value.is_undefined().into())),
    entry(&["none"], "", |c| Ok(c.value.is_none().into())),
    entry(&["boolean"], "", |c| Ok((c.value.kind() == ValueKind::Bool).into())),
    entry(&["true"], "", |c| Ok((c.value.kind() == ValueKind::Bool && c.value.is_true()).into())),
    entry(&["false"], "", |c| Ok((c.value.kind() == ValueKind::Bool && !c.value.is_true()).into())),
    entry(&["integer"], "", |c| Ok((c.value.kind() == ValueKind::Number && c.value.is_integer()).into())),
    entry(&["float"], "", |c| Ok((c.value.kind() == ValueKind::Number && !c.value.is_integer()).into())),
    entry(&["number"], "", |c| Ok(matches!(c.value.kind(), ValueKind::Number | ValueKind::Bool).into())),
    entry(&["string"], "", |c| Ok((c.value.kind() == ValueKind::String).into())),
    entry(&["mapping"], "", |c| Ok((c.value.kind() == ValueKind::Map).into())),
    entry(&["sequence", "iterable"], "", |c| {
        use ValueKind::{Bytes, Iterable, Map, Seq, String};
        Ok(matches!(c.value.kind(), Seq | Iterable | Map | String | Bytes).into())
    }),
    entry(&["callable"], "", |c| {
        Ok((c.value.kind() == ValueKind::Plain && c.value.to_string().contains("function")).into())
    }),
    entry(&["escaped"], "", |c| Ok(c.value.is_safe().into())),
    entry(&["filter"], "", |c| {
        let name = c.text();
        Ok(super::filters::all().any(|entry| entry.names.contains(&name.as_str())).into())
    }),
    entry(&["test"], "", |c| {
        let name = c.text();
        Ok(all().any(|entry| entry.names.contains(&name.as_str())).into())
    }),
    // Numbers and order.
    entry(&["odd"], "", |c| Ok((whole(c)?.rem_euclid(2) == 1).into())),
    entry(&["even"], "", |c| Ok((whole(c)?.rem_euclid(2) == 0).into())),
    entry(&["divisibleby"], "num", |c| match c.int(0)? {
        Some(0) | None => Err(c.fault("nothing is divisible by that")),
        Some(by) => Ok((whole(c)?.rem_euclid(by.into()) == 0).into()),
    }),
    entry(&["eq", "equalto", "=="], "other", |c| Ok((c.value == *c.need(0, "other")?).into())),
    entry(&["ne", "!="], "other", |c| Ok((c.value != *c.need(0, "other")?).into())),
    entry(&["lt", "lessthan", "<"], "other", |c| Ok(order(c)?.is_lt().into())),
    entry(&["le", "<="], "other", |c| Ok(order(c)?.is_le().into())),
    entry(&["gt", "greaterthan", ">"], "other", |c| Ok(order(c)?.is_gt().into())),
    entry(&["ge", ">="], "other", |c| Ok(order(c)?.is_ge().into())),
    entry(&["nan", "isnan"], "", |c| Ok(f64::try_from(c.value.clone()).is_ok_and(f64::is_nan).into())),
    entry(&["sameas"], "other", |c| {
        let other = c.need(0, "other")?;
        Ok((c.value.kind() == other.kind() && c.value.is_integer() == other.is_integer() && c.value == *other).into())
    }),
    // Text.
    entry(&["lower"], "", |c| Ok(one_case(&c.text(), char::is_uppercase, char::is_lowercase).into())),
    entry(&["upper"], "", |c| Ok(one_case(&c.text(), char::is_lowercase, char::is_uppercase).into())),
    entry(&["version", "version_compare"], "version operator strict version_type", version::test),
    entry(&["uri"], "schemes", |c| Ok(uri(c, false).into())),
    entry(&["url"], "schemes", |c| Ok(uri(c, true).into())),
    entry(&["urn"], "", |c| Ok(Parts::of(&c.text()).is_some_and(|parts| parts.scheme == "urn").into())),
    // Lists.
    entry(&["in"], "seq", |c| {
        let all = c.need(0, "seq")?.clone();
        holds(&all, &c.value).map(Value::from)
    }),
    entry(&["contains"], "value", |c| holds(&c.value, c.need(0, "value")?).map(Value::from)),
    entry(&["subset", "issubset"], "b", |c| {
        let b = items_of(c.need(0, "b")?)?;
        Ok(c.items()?.iter().all(|item| b.contains(item)).into())
    }),
    entry(&["superset", "issuperset"], "b", |c| {
        let a = c.items()?;
        Ok(items_of(c.need(0, "b")?)?.iter().all(|item| a.contains(item)).into())
    }),
    entry(&["all"], "", |c| Ok(c.items()?.iter().all(Value::is_true).into())),
    entry(&["any"], "", |c| Ok(c.items()?.iter().any(Value::is_true).into())),
    // Truth.
    entry(&["truthy"], "convert_bool", |c| Ok(truth(c).into())),
    entry(&["falsy"], "convert_bool", |c| Ok((!truth(c)).into())),
    // Results of tasks.
    entry(&["failed", "failure"], "", |c| flag(c, "failed").map(Value::from)),
    entry(&["succeeded", "success", "successful"], "", |c| flag(c, "failed").map(|failed| (!failed).into())),
    entry(&["unreachable"], "", |c| flag(c, "unreachable").map(Value::from)),
    entry(&["reachable"], "", |c| flag(c, "unreachable").map(|gone| (!gone).into())),
    entry(&["skipped", "skip"], "", |c| flag(c, "skipped").map(Value::from)),
    entry(&["changed", "change"], "", |c| {
        let own = flag(c, "changed")?;
        if !c.value.get_attr("changed")?.is_undefined() {
            return Ok(own.into());
        }
        let results = c.value.get_attr("results")?;
        let any = results.try_iter().is_ok_and(|mut results| {
            results.any(|result| result.get_attr("changed").is_ok_and(|changed| changed.is_true()))
        });
        Ok(any.into())
    }),
    entry(&["timedout"], "", |c| {
        flag(c, "timedout")?;
        Ok(c.value.get_attr("timedout")?.get_attr("period").is_ok_and(|period| period.is_true()).into())
    }),
    entry(&["started"], "", |c| background(c, "started")),
    entry(&["finished"], "", |c| background(c, "finished")),
    // Files of this machine.
    entry(&["exists"], "", |c| {
        c.wait_for_files()?;
        Ok(Path::new(&c.text()).exists().into())
    }),
    entry(&["file", "is_file"], "", |c| {
        c.wait_for_files()?;
        Ok(Path::new(&c.text()).is_file().into())
    }),
    entry(&["directory", "is_dir"], "", |c| {
        c.wait_for_files()?;
        Ok(Path::new(&c.text()).is_dir().into())
    }),
    entry(&["link", "is_link"], "", |c| {
        c.wait_for_files()?;
        Ok(Path::new(&c.text()).is_symlink().into())
    }),
    entry(&["link_exists"], "", |c| {
        c.wait_for_files()?;
        Ok(Path::new(&c.text()).symlink_metadata().is_ok().into())
    }),
    entry(&["abs", "is_abs"], "", |c| Ok(c.text().starts_with('/').into())),
    entry(&["same_file", "is_same_file"], "other", |c| {
        use std::os::unix::fs::MetadataExt as _;
        let place = |path: &str| {
            Path::new(path)
                .metadata()
                .map(|meta| (meta.dev(), meta.ino()))
                .map_err(|why| c.fault(format!("`{path}`: {why}")))
        };
        Ok((place(&c.text())? == place(&py_str(c.need(0, "other")?))?).into())
    }),
    entry(&["mount", "is_mount"], "", |c| {
        use std::os::unix::fs::MetadataExt as _;
        let path = c.text();
        let own = Path::new(&path).symlink_metadata();
        let up = Path::new(&path).join("..").metadata();
        Ok(match (own, up) {
            (Ok(own), Ok(up)) if !own.is_symlink() => own.dev() != up.dev() || own.ino() == up.ino(),
            _ => false,
        }
        .into())
    }),
    entry(&["vault_encrypted"], "", |c| {
        Ok(c.value.as_str().is_some_and(|text| vault::is_vault(text.as_bytes())).into())
    }),
    entry(&["vaulted_file"], "", |c| {
        let path = c.text();
        match std::fs::read(&path) {
            Ok(bytes) => Ok(vault::is_vault(&bytes).into()),
            Err(why) => Err(c.fault(format_args!("cannot test if the file `{path}` is a vault: {why}"))),
        }
    }),
];

/// How a value stands to `other`. The engine cannot compare errors, so there must be none inside.
fn order(c: &mut Call) -> Result<std::cmp::Ordering, Error> {
    let other = c.need(0, "other")?.clone();
    sound(&c.value)?;
    sound(&other)?;
    Ok(c.value.cmp(&other))
}

static TAGGED_WITH: Entry = entry(&["tagged_with"], "tag", |c| match c.need(0, "tag")?.as_str() {
    Some("TrustedAsTemplate") => Ok(c.value.as_str().is_some_and(super::is_written).into()),
    _ => Err(c.fault("only the tag `TrustedAsTemplate` is known here")),
});

/// All tests, table by table.
pub(super) fn all() -> impl Iterator<Item = &'static Entry> {
    TABLE.iter().chain(regex::TESTS)
}

pub(super) fn add(env: &mut Environment<'static>) {
    for entry in all() {
        for name in entry.names {
            env.add_test(*name, bind(name, entry));
            for collection in ["ansible.builtin", "ansible.legacy"] {
                env.add_test(format!("{collection}.{name}"), bind(name, entry));
            }
        }
    }
    // People's own tests ask whether a text is a template that somebody wrote.
    env.add_test("ansible._protomatter.tagged_with", bind("tagged_with", &TAGGED_WITH));
}

fn whole(c: &Call) -> Result<i128, Error> {
    i128::try_from(c.value.clone()).map_err(|_| c.fault(format_args!("`{}` is no whole number", c.text())))
}

fn one_case(text: &str, never: fn(char) -> bool, some: fn(char) -> bool) -> bool {
    text.chars().any(some) && !text.chars().any(never)
}

fn truth(c: &Call) -> bool {
    if c.flag(0, false)
        && let Some(flag) = from_jinja(&c.value).as_ref().and_then(bool_of)
    {
        return flag;
    }
    c.value.is_true()
}

fn holds(all: &Value, item: &Value) -> Result<bool, Error> {
    if item.is_undefined() {
        return Err(undefined());
    }
    if let (Some(text), Some(part)) = (all.as_str(), item.as_str()) {
        return Ok(text.contains(part));
    }
    Ok(items_of(all)?.contains(item))
}

fn uri(c: &Call, with_host: bool) -> bool {
    if c.value.as_str().is_none() {
        return false;
    }
    let Some(parts) = Parts::of(&c.text()) else { return false };
    let schemes: Vec<String> = match c.some(0) {
        Some(one) if one.as_str().is_some() => vec![py_str(one)],
        Some(all) => items_of(all).unwrap_or_default().iter().map(py_str).collect(),
        None => Vec::new(),
    };
    let known = schemes.is_empty() || schemes.contains(&parts.scheme);
    known && (!with_host || !parts.netloc.is_empty() || parts.scheme == "file")
}

/// A mark in the result of a task.
fn flag(c: &Call, name: &str) -> Result<bool, Error> {
    if c.value.kind() != ValueKind::Map {
        return Err(c.fault(format_args!("The '{}' test expects a dictionary: the result of a task", c.name)));
    }
    Ok(c.value.get_attr(name)?.is_true())
}

/// Of a task that did not run in the background it is true.
fn background(c: &mut Call, name: &str) -> Result<Value, Error> {
    let found = flag(c, name)?;
    Ok((found || c.value.get_attr(name)?.is_undefined()).into())
}
