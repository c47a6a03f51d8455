//! Values that need more than a type: pools, networks, cron lines, the database's address.

use super::{
    Fault,
    read::{Reader, hint},
    settings::{POOL_KEYS, nearest},
};
use ipnet::IpNet;
use std::{
    collections::BTreeMap,
    net::IpAddr,
    path::{Path, PathBuf},
};
use toml::Value;

/// Rules of one pool; what is absent falls back to the general settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pool {
    /// Most machines in one reservation.
    pub max_count: Option<u32>,
    /// Longest reservation.
    pub max_minutes: Option<u32>,
    /// Provisions a user: a name in the playbooks folder, or an absolute path.
    pub create_playbook: Option<PathBuf>,
    /// Takes the user away again.
    pub remove_playbook: Option<PathBuf>,
    /// Roles that may book here; empty means all.
    pub roles: Vec<String>,
}

const ROLES: &[&str] = &["member", "instructor", "admin"];

pub(super) fn read(r: &mut Reader) -> BTreeMap<String, Pool> {
    let tables = std::mem::take(&mut r.pools);
    tables.into_iter().map(|(name, value)| (name.clone(), one(r, &name, value))).collect()
}

fn one(r: &mut Reader, name: &str, value: Value) -> Pool {
    let mut pool = Pool::default();
    let Value::Table(table) = value else {
        r.faults.push(Fault::error(&format!("pools.{name}"), "must be a table", format!("write [pools.{name}]")));
        return pool;
    };
    for (key, value) in table {
        let path = format!("pools.{name}.{key}");
        let number = || value.as_integer().and_then(|number| u32::try_from(number).ok()).filter(|number| 0 < *number);
        let fine = match key.as_str() {
            "max_count" => {
                pool.max_count = number();
                pool.max_count.is_some()
            }
            "max_minutes" => {
                pool.max_minutes = number();
                pool.max_minutes.is_some()
            }
            "create_playbook" => {
                pool.create_playbook = value.as_str().map(PathBuf::from);
                pool.create_playbook.is_some()
            }
            "remove_playbook" => {
                pool.remove_playbook = value.as_str().map(PathBuf::from);
                pool.remove_playbook.is_some()
            }
            "roles" => {
                let roles: Option<Vec<String>> = value
                    .as_array()
                    .map(|list| list.iter().filter_map(|role| role.as_str().map(str::to_owned)).collect());
                let fine = roles.as_ref().is_some_and(|roles| roles.iter().all(|role| ROLES.contains(&role.as_str())));
                pool.roles = roles.unwrap_or_default();
                fine
            }
            _ => {
                let fix = hint(nearest(&key, POOL_KEYS.iter().map(|(key, _, _)| *key)), "remove it");
                r.faults.push(Fault::error(&path, "unknown key", fix));
                continue;
            }
        };
        if !fine {
            let sample = POOL_KEYS.iter().find(|(known, _, _)| *known == key).map_or("", |(_, sample, _)| sample);
            r.faults.push(Fault::error(&path, "is not valid", format!("write it as {key} = {sample}")));
        }
    }
    pool
}

pub(super) fn networks(r: &mut Reader, path: &'static str) -> Vec<IpNet> {
    r.list(path).iter().filter_map(|text| network(r, path, text)).collect()
}

fn network(r: &mut Reader, path: &str, text: &str) -> Option<IpNet> {
    let parsed = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    if parsed.is_err() {
        let fix = "write networks as 10.0.0.0/8 or addresses as 127.0.0.1";
        r.faults.push(Fault::error(path, format!("`{text}` is not a network"), fix));
    }
    parsed.ok()
}

pub(super) fn cron(r: &mut Reader, path: &'static str) -> String {
    let line = r.text(path);
    let parser =
        croner::parser::CronParser::builder().seconds(croner::parser::Seconds::Required).dom_and_dow(true).build();
    if let Err(error) = parser.parse(&line) {
        let fix = "write six fields, seconds first, as `*/10 * * * * *`";
        r.faults.push(Fault::error(path, format!("`{line}` is not a cron line: {error}"), fix));
    }
    line
}

pub(super) fn database_url(r: &mut Reader, data_dir: &Path) -> String {
    if !r.is_set("database.url") {
        return format!("sqlite:{}", data_dir.join("berth.db").display());
    }
    let url = r.text("database.url");
    if let Some(rest) = url.strip_prefix("mysql+pymysql:").or_else(|| url.strip_prefix("mariadb:")) {
        return format!("mysql:{rest}");
    }
    if !url.starts_with("sqlite:") && !url.starts_with("mysql:") {
        let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
        let fix = "begin it with sqlite: or mysql: (mysql+pymysql: is understood)";
        r.faults.push(Fault::error("DATABASE_URL", format!("scheme `{scheme}` is not supported"), fix));
    }
    url
}
