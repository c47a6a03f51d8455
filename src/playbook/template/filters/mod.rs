//! All filters: Jinja's own and Ansible's. Each file holds those of one kind, in a table.

mod crypto;
mod formats;
pub(super) mod general;
pub(super) mod lists;
pub(super) mod maps;
mod numbers;
mod paths;
pub(super) mod random;
pub(super) mod regex;
mod sets;
pub(super) mod text;
pub(super) mod time;
pub(super) mod urls;

use minijinja::{
    Environment, Error, State,
    value::{Rest, ValueOrKwargs},
};

use super::call::{Entry, bad, bind};

/// Bytes of a text that a filter makes out of a smaller one.
pub(super) const MOST_TEXT: usize = 64 * 1024 * 1024;
/// Items of a list that a filter makes out of smaller ones.
pub(super) const MOST_ITEMS: usize = 1_000_000;

/// The tables.
const TABLES: &[&[Entry]] = &[
    crypto::TABLE,
    formats::TABLE,
    general::TABLE,
    lists::TABLE,
    maps::TABLE,
    numbers::TABLE,
    paths::TABLE,
    random::TABLE,
    regex::TABLE,
    sets::TABLE,
    text::TABLE,
    time::TABLE,
    urls::TABLE,
];

/// Collections whose filters go by their own names here.
const COLLECTIONS: [&str; 3] = ["ansible.builtin", "ansible.legacy", "community.general"];

/// Filters that people know from collections and that are not here.
const ELSEWHERE: &[(&str, &str)] = &[
    ("ipaddr", "addresses cannot be taken apart yet; set the parts as variables"),
    ("ipv4", "addresses cannot be taken apart yet; use `is match` to tell them"),
    ("ipv6", "addresses cannot be taken apart yet; use `is match` to tell them"),
    ("ipsubnet", "networks cannot be cut yet; set the parts as variables"),
    ("ipwrap", "use `'[' ~ address ~ ']'`"),
    ("nthhost", "networks cannot be counted yet; set the address as a variable"),
    ("parse_cli", "use `regex_findall`"),
    ("parse_xml", "use `regex_findall`"),
    ("xml_to_json", "XML cannot be read"),
    ("from_csv", "use the lookup `csvfile`, or `splitlines` and `split`"),
];

/// All filters, table by table.
pub(super) fn all() -> impl Iterator<Item = &'static Entry> {
    TABLES.iter().flat_map(|table| table.iter())
}

pub(super) fn add(env: &mut Environment<'static>) {
    for entry in all() {
        for name in entry.names {
            env.add_filter(*name, bind(name, entry));
            for collection in COLLECTIONS {
                env.add_filter(format!("{collection}.{name}"), bind(name, entry));
            }
        }
    }
    for (name, hint) in ELSEWHERE {
        for collection in ["", "ansible.utils.", "ansible.netcommon.", "community.general."] {
            env.add_filter(format!("{collection}{name}"), move |_: minijinja::Value, _: Rest<ValueOrKwargs>| {
                Err::<minijinja::Value, Error>(bad(format!("the filter `{name}` is not supported: {hint}")))
            });
        }
    }
    env.add_function("now", time::now);
    env.add_function("dict", maps::dict);
    env.add_function("undef", |state: &mut State<'_, '_>, hint: Option<String>, options: minijinja::value::Kwargs| {
        let hint = hint.or(options.get::<Option<String>>("hint")?);
        if let Ok(view) = super::lookups::view_of(state) {
            view.notes().hint = hint;
        }
        Ok::<_, Error>(minijinja::Value::UNDEFINED)
    });
}
