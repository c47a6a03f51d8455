//! Laying file and environment over the defaults, and gathering every fault on the way.

use super::{
    Fault,
    settings::{FOREIGN_ENV, SETTINGS, Setting, nearest},
};
use std::{collections::BTreeMap, fmt::Display, str::FromStr};
use toml::{Table, Value};

/// The process environment, or a test's.
pub type Env = BTreeMap<String, String>;

/// All raw values by path, and the faults found so far.
pub(super) struct Reader {
    values: BTreeMap<&'static str, (Value, String)>,
    pub(super) pools: Table,
    pub(super) faults: Vec<Fault>,
}

impl Reader {
    /// Merges file over defaults and environment over both.
    pub(super) fn new(file: Table, file_name: &str, env: &Env) -> Self {
        let mut reader = Self { values: BTreeMap::new(), pools: Table::new(), faults: Vec::new() };
        for setting in SETTINGS {
            if let Some(literal) = setting.default {
                reader.values.insert(setting.path, (literal_value(literal), "the default".into()));
            }
        }
        reader.take_file(file, file_name);
        reader.take_env(env);
        reader
    }

    fn take_file(&mut self, file: Table, file_name: &str) {
        let mut flat = Vec::new();
        for (key, value) in file {
            match value {
                Value::Table(pools) if key == "pools" => self.pools = pools,
                Value::Table(section) => {
                    flat.extend(section.into_iter().map(|(inner, value)| (format!("{key}.{inner}"), value)));
                }
                value => flat.push((key, value)),
            }
        }
        for (path, value) in flat {
            if let Some(setting) = SETTINGS.iter().find(|setting| setting.path == path) {
                self.values.insert(setting.path, (value, file_name.to_owned()));
            } else {
                let known = SETTINGS.iter().map(|setting| setting.path).chain(["pools"]);
                let fix = hint(nearest(&path, known), "remove it; `berth config example` shows all keys");
                self.faults.push(Fault::error(&path, format!("unknown key in {file_name}"), fix));
            }
        }
    }

    fn take_env(&mut self, env: &Env) {
        for setting in SETTINGS {
            let from_file = format!("{}_FILE", setting.env);
            let may_be_empty = setting.path.ends_with("metrics_listen");
            let direct = env.get(setting.env).filter(|text| may_be_empty || !text.is_empty());
            let by_file = env.get(&from_file).filter(|text| setting.secret && !text.is_empty());
            match (direct, by_file) {
                (Some(_), Some(_)) => self.faults.push(Fault::error(
                    setting.env,
                    format!("both `{}` and `{from_file}` are set", setting.env),
                    "unset one of them",
                )),
                (Some(text), None) => {
                    let value = env_value(setting, text);
                    self.values.insert(setting.path, (value, setting.env.to_owned()));
                }
                (None, Some(path)) => match std::fs::read_to_string(path) {
                    Ok(text) => {
                        let text = text.strip_suffix('\n').unwrap_or(&text).to_owned();
                        self.values.insert(setting.path, (Value::String(text), from_file));
                    }
                    Err(error) => self.faults.push(Fault::error(
                        &from_file,
                        format!("cannot read `{path}`: {error}"),
                        "make the file readable for Berth's user, or correct the path",
                    )),
                },
                (None, None) => {}
            }
        }
        for name in env.keys().filter(|name| name.starts_with("BERTH_")) {
            let base = name.strip_suffix("_FILE").unwrap_or(name);
            let is_known = FOREIGN_ENV.contains(&name.as_str())
                || SETTINGS.iter().any(|setting| setting.env == name || (setting.secret && setting.env == base));
            if !is_known {
                let near = nearest(name, SETTINGS.iter().map(|setting| setting.env));
                self.faults.push(Fault::warning(
                    name,
                    "unknown environment variable, ignored",
                    hint(near, "unset it; `berth config example` shows all names"),
                ));
            }
        }
    }

    fn wrong(&mut self, path: &str, problem: impl Display, fix: impl Display) {
        let place = self.values.get(path).map_or(String::new(), |(_, place)| format!(" ({place})"));
        self.faults.push(Fault::error(path, format!("{problem}{place}"), fix));
    }

    /// Whether a person set this, rather than the default.
    pub(super) fn is_set(&self, path: &str) -> bool {
        self.values.get(path).is_some_and(|(_, place)| place != "the default")
    }

    /// A text, empty when unset.
    pub(super) fn text(&mut self, path: &'static str) -> String {
        match self.values.get(path) {
            None => String::new(),
            Some((Value::String(text), _)) => text.clone(),
            Some(_) => {
                self.wrong(path, "must be text", "put it in quotes");
                String::new()
            }
        }
    }

    /// A text that parses; a fault and the fallback otherwise.
    pub(super) fn parsed<T: FromStr>(&mut self, path: &'static str, fallback: T, fix: &str) -> T {
        let text = self.text(path);
        text.parse().unwrap_or_else(|_| {
            self.wrong(path, format!("`{text}` is not valid"), fix);
            fallback
        })
    }

    /// A whole number within bounds.
    pub(super) fn number(&mut self, path: &'static str, least: u32, most: u32) -> u32 {
        let found = match self.values.get(path) {
            Some((Value::Integer(number), _)) => Some(*number),
            Some((Value::String(text), _)) => text.trim().parse().ok(),
            _ => None,
        };
        let in_range =
            found.and_then(|number| u32::try_from(number).ok()).filter(|number| (least..=most).contains(number));
        in_range.unwrap_or_else(|| {
            self.wrong(path, "not a number in range", format!("give a whole number from {least} to {most}"));
            least
        })
    }

    /// Yes or no.
    pub(super) fn flag(&mut self, path: &'static str) -> bool {
        let text = match self.values.get(path) {
            Some((Value::Boolean(flag), _)) => return *flag,
            Some((Value::String(text), _)) => text.to_lowercase(),
            _ => String::new(),
        };
        match text.as_str() {
            "true" | "1" | "yes" | "on" => true,
            "false" | "0" | "no" | "off" => false,
            _ => {
                self.wrong(path, "is neither true nor false", "write true or false");
                false
            }
        }
    }

    /// A list of texts.
    pub(super) fn list(&mut self, path: &'static str) -> Vec<String> {
        let Some((Value::Array(items), _)) = self.values.get(path) else {
            self.wrong(path, "must be a list", "write it as [\"one\", \"two\"]");
            return Vec::new();
        };
        let texts: Vec<String> = items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect();
        if texts.len() < items.len() {
            self.wrong(path, "must be a list of texts", "put each item in quotes");
        }
        texts
    }
}

fn env_value(setting: &Setting, text: &str) -> Value {
    if setting.default == Some("[]") {
        let items = text.split([',', ' ']).map(str::trim).filter(|item| !item.is_empty());
        return Value::Array(items.map(|item| Value::String(item.to_owned())).collect());
    }
    Value::String(text.to_owned())
}

fn literal_value(literal: &str) -> Value {
    let table: Table = toml::from_str(&format!("x = {literal}")).expect("the table of settings holds TOML literals");
    table["x"].clone()
}

pub(super) fn hint(near: Option<&str>, otherwise: &str) -> String {
    near.map_or_else(|| otherwise.to_owned(), |name| format!("did you mean `{name}`?"))
}
