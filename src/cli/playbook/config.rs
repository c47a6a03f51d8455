//! Ansible's configuration: `ansible.cfg` where Ansible finds it, and `ANSIBLE_…` in the environment.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

use crate::playbook::{Doubles, FactCache, OwnPaths, Paths, on_doubles};

/// What a configuration says. The environment wins over the file.
#[derive(Debug, Default)]
pub(super) struct Config {
    /// The file.
    pub(super) path: Option<PathBuf>,
    entries: HashMap<(String, String), String>,
}

impl Config {
    /// Reads the first of `$ANSIBLE_CONFIG`, `./ansible.cfg`, `~/.ansible.cfg` and `/etc/ansible/ansible.cfg`.
    pub(super) fn find() -> Result<Self> {
        let named = std::env::var_os("ANSIBLE_CONFIG").map(PathBuf::from);
        let named = named.map(|path| if path.is_dir() { path.join("ansible.cfg") } else { path });
        let here = PathBuf::from("ansible.cfg");
        // A folder that anybody may write to is not to be trusted.
        let trusted = std::env::current_dir().ok().is_some_and(|folder| !is_open(&folder));
        let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".ansible.cfg"));
        let candidates = [named, trusted.then_some(here), home, Some(PathBuf::from("/etc/ansible/ansible.cfg"))];
        let path = candidates.into_iter().flatten().find(|path| path.is_file());
        let mut config = Self::default();
        if let Some(path) = path {
            let text =
                std::fs::read_to_string(&path).with_context(|| format!("`{}` cannot be read", path.display()))?;
            config.read(&text);
            config.path = std::path::absolute(path).ok();
        }
        config.settle()?;
        Ok(config)
    }

    fn read(&mut self, text: &str) {
        let mut section = String::new();
        let mut last: Option<(String, String)> = None;
        for line in text.lines() {
            let trimmed = line.trim();
            if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
                continue;
            }
            if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                name.trim().clone_into(&mut section);
                last = None;
                continue;
            }
            if line.starts_with(char::is_whitespace)
                && let Some(value) = last.as_ref().and_then(|key| self.entries.get_mut(key))
            {
                value.push(' ');
                value.push_str(trimmed);
                continue;
            }
            let Some((key, value)) = trimmed.split_once(['=', ':']) else { continue };
            let value = value.split_once(" ;").map_or(value, |(value, _)| value).trim();
            let key = (section.clone(), key.trim().to_lowercase());
            self.entries.insert(key.clone(), value.to_owned());
            last = Some(key);
        }
    }

    /// A setting; empty text says nothing.
    pub(super) fn text(&self, section: &str, key: &str, variable: &str) -> Option<String> {
        let said = std::env::var(variable).ok().filter(|text| !text.is_empty());
        let said = said.or_else(|| self.entries.get(&(section.to_owned(), key.to_owned())).cloned());
        said.map(|text| text.trim_matches(['"', '\'']).to_owned()).filter(|text| !text.is_empty())
    }

    /// A setting that is yes or no.
    pub(super) fn flag(&self, section: &str, key: &str, variable: &str) -> Option<bool> {
        match self.text(section, key, variable)?.to_lowercase().as_str() {
            "1" | "true" | "yes" | "y" | "on" | "t" => Some(true),
            _ => Some(false),
        }
    }

    /// Where roles and collections are.
    pub(super) fn content(&self) -> Paths {
        let systems = |kind: &str| {
            ["~/.ansible", "/usr/share/ansible", "/etc/ansible"].map(|at| home(&format!("{at}/{kind}"))).to_vec()
        };
        let paths = |keys: &[(&str, &str)], kind: &str| {
            let text = keys.iter().find_map(|(key, variable)| self.text("defaults", key, variable));
            text.map_or_else(|| systems(kind), |text| text.split(':').map(|path| self.beside(path)).collect())
        };
        Paths {
            roles: paths(&[("roles_path", "ANSIBLE_ROLES_PATH")], "roles"),
            collections: paths(
                &[("collections_path", "ANSIBLE_COLLECTIONS_PATH"), ("collections_paths", "ANSIBLE_COLLECTIONS_PATHS")],
                "collections",
            ),
            own: None,
        }
    }

    /// Where modules of one's own are, when they may be run: `said` is the folder of Ansible's package, or says yes.
    pub(super) fn own(&self, said: Option<&str>) -> Option<OwnPaths> {
        let said = said?.trim();
        let list = |key: &str, variable: &str| {
            let text = self.text("defaults", key, variable).unwrap_or_default();
            text.split(':').filter(|path| !path.is_empty()).map(|path| self.beside(path)).collect()
        };
        let ansible = match said.to_lowercase().as_str() {
            "0" | "no" | "false" => return None,
            "" | "1" | "yes" | "true" => None,
            _ => Some(home(said)),
        };
        Some(OwnPaths {
            library: list("library", "ANSIBLE_LIBRARY"),
            utils: list("module_utils", "ANSIBLE_MODULE_UTILS"),
            ansible,
        })
    }

    /// Settles what holds for the whole process, and refuses what is not served.
    pub(super) fn settle(&self) -> Result<()> {
        let text = |key: &str, variable: &str| self.text("defaults", key, variable).map(|text| text.to_lowercase());
        match text("hash_behaviour", "ANSIBLE_HASH_BEHAVIOUR").as_deref() {
            None | Some("replace") => {}
            Some("merge") => {
                bail!("`hash_behaviour = merge` is not supported: join mappings with the filter `combine`");
            }
            Some(other) => bail!("`hash_behaviour` is replace or merge, not `{other}`"),
        }
        on_doubles(match text("duplicate_dict_key", "ANSIBLE_DUPLICATE_YAML_DICT_KEY").as_deref() {
            None | Some("warn") => Doubles::Warn,
            Some("error") => Doubles::Refuse,
            Some("ignore") => Doubles::Ignore,
            Some(other) => bail!("`duplicate_dict_key` is warn, error or ignore, not `{other}`"),
        });
        Ok(())
    }

    /// Where facts are kept between runs: Ansible's `jsonfile`, and nothing else.
    pub(super) fn fact_cache(&self) -> Result<Option<FactCache>> {
        let text = |key: &str, variable: &str| self.text("defaults", key, variable);
        let plugin = text("fact_caching", "ANSIBLE_CACHE_PLUGIN").unwrap_or_default();
        match plugin.rsplit('.').next().unwrap_or_default() {
            "" | "memory" => return Ok(None),
            "jsonfile" => {}
            _ => {
                eprintln!(
                    "[WARNING]: facts are not kept between runs: `{plugin}` is no cache known here, `jsonfile` is"
                );
                return Ok(None);
            }
        }
        let Some(folder) = text("fact_caching_connection", "ANSIBLE_CACHE_PLUGIN_CONNECTION") else {
            bail!("the cache `jsonfile` needs a folder; set `fact_caching_connection` in ansible.cfg");
        };
        if folder.contains('$') {
            bail!("`fact_caching_connection` is `{folder}`, and variables are not filled in here; write the path out");
        }
        let prefix = text("fact_caching_prefix", "ANSIBLE_CACHE_PLUGIN_PREFIX").unwrap_or_default();
        let seconds = text("fact_caching_timeout", "ANSIBLE_CACHE_PLUGIN_TIMEOUT").unwrap_or_else(|| "86400".into());
        let Ok(seconds) = seconds.parse::<u64>() else {
            bail!("`fact_caching_timeout` is `{seconds}`, not a number of seconds");
        };
        let cache = FactCache::open(home(&folder), &prefix, Duration::from_secs(seconds));
        cache.map(Some).map_err(anyhow::Error::msg)
    }

    /// The inventories.
    pub(super) fn inventory(&self) -> Vec<String> {
        match self.text("defaults", "inventory", "ANSIBLE_INVENTORY") {
            Some(list) => list
                .split(',')
                .map(str::trim)
                .filter(|name| !name.is_empty())
                .map(|name| {
                    if name.starts_with("berth://") { name.to_owned() } else { self.beside(name).display().to_string() }
                })
                .collect(),
            None if Path::new("/etc/ansible/hosts").exists() => vec!["/etc/ansible/hosts".into()],
            None => Vec::new(),
        }
    }

    /// A path as the file means it: beside itself.
    pub(super) fn beside(&self, path: &str) -> PathBuf {
        let path = home(path.trim());
        match self.path.as_ref().and_then(|file| file.parent()) {
            Some(folder) if path.is_relative() && !path.exists() => folder.join(path),
            _ => path,
        }
    }
}

fn home(path: &str) -> PathBuf {
    match path.strip_prefix("~/") {
        Some(rest) => {
            std::env::var_os("HOME").map_or_else(|| PathBuf::from(path), |home| PathBuf::from(home).join(rest))
        }
        None => PathBuf::from(path),
    }
}

fn is_open(folder: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(folder).is_ok_and(|meta| meta.permissions().mode() & 0o002 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_read_with_sections_comments_and_long_lines() {
        let mut config = Config::default();
        config.read(
            "[defaults]\n# no\nforks = 7 ; a comment\nroles_path=a:b\n[ssh_connection]\nssh_args = -C\n  -o A=b\n",
        );
        assert_eq!(config.text("defaults", "forks", "BERTH_TEST_NONE").as_deref(), Some("7"));
        assert_eq!(config.text("ssh_connection", "ssh_args", "BERTH_TEST_NONE").as_deref(), Some("-C -o A=b"));
        assert_eq!(config.content().roles, [PathBuf::from("a"), PathBuf::from("b")]);
        assert_eq!(config.flag("defaults", "forks", "BERTH_TEST_NONE"), Some(false));
    }
}
