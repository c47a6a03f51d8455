//! Facts that outlive a run: one JSON file for each host in a folder, as Ansible's `jsonfile` keeps them.

use std::{collections::BTreeMap, fs, io, os::unix::fs::PermissionsExt as _, path::PathBuf, time::Duration};

use serde_json::{Map, Value};

use super::template::steers;

/// Where facts are kept between runs, and for how long they count.
#[derive(Debug, Clone)]
pub struct FactCache {
    folder: PathBuf,
    prefix: String,
    /// `None`: for ever.
    lifetime: Option<Duration>,
}

impl FactCache {
    /// Opens the folder, and makes it when there is none. A lifetime of nothing means for ever.
    pub fn open(folder: PathBuf, prefix: &str, lifetime: Duration) -> Result<Self, String> {
        if prefix.contains('/') {
            return Err(format!("the fact cache's prefix `{prefix}` must not hold `/`"));
        }
        fs::create_dir_all(&folder)
            .map_err(|e| format!("the fact cache `{}` cannot be made: {e}", folder.display()))?;
        Ok(Self { folder, prefix: prefix.to_owned(), lifetime: Some(lifetime).filter(|time| !time.is_zero()) })
    }

    /// What is kept of a host and still counts. A file that cannot be read is told of, and not used.
    pub fn load(&self, host: &str) -> Result<Option<Map<String, Value>>, String> {
        let Some(path) = self.file(host) else { return Ok(None) };
        let said = |why: String| format!("the fact cache `{}` cannot be used: {why}", path.display());
        let written = match fs::metadata(&path).and_then(|found| found.modified()) {
            Ok(written) => written,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(said(error.to_string())),
        };
        // A file from the future has no age.
        let age = written.elapsed().unwrap_or_default();
        if self.lifetime.is_some_and(|lifetime| lifetime < age) {
            return Ok(None);
        }
        let bytes = fs::read(&path).map_err(|error| said(error.to_string()))?;
        let mut facts: Map<String, Value> = serde_json::from_slice(&bytes).map_err(|error| said(error.to_string()))?;
        facts.retain(|name, _| !steers(name));
        Ok(Some(facts))
    }

    /// Keeps what is known of a host; the file is there whole or not at all.
    pub fn save(&self, host: &str, facts: &Map<String, Value>) -> Result<(), String> {
        let Some(path) = self.file(host) else { return Ok(()) };
        let kept: BTreeMap<&String, &Value> = facts.iter().filter(|(name, _)| *name != "ansible_facts").collect();
        let write = || {
            let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
            serde_json::to_writer(&mut file, &kept)?;
            file.as_file().set_permissions(fs::Permissions::from_mode(0o640))?;
            file.persist(&path).map(|_| ()).map_err(|error| error.error)
        };
        write().map_err(|error: io::Error| format!("the fact cache `{}` cannot be written: {error}", path.display()))
    }

    /// Forgets what is kept of a host.
    pub fn forget(&self, host: &str) {
        if let Some(path) = self.file(host) {
            let _ = fs::remove_file(path);
        }
    }

    /// The file of a host; `None` when its name can be none.
    fn file(&self, host: &str) -> Option<PathBuf> {
        let name = format!("{}{host}", self.prefix);
        (!host.is_empty() && !name.contains(['/', '\0']) && !name.starts_with('.')).then(|| self.folder.join(name))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn facts_are_kept_until_they_are_forgotten_or_too_old() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("a/b");
        let cache = FactCache::open(folder.clone(), "p_", Duration::from_mins(1)).unwrap();
        assert_eq!(cache.load("h"), Ok(None));
        let facts = json!({"ansible_system": "Linux", "ansible_facts": {"system": "Linux"}, "ansible_host": "evil"});
        cache.save("h", facts.as_object().unwrap()).unwrap();
        let kept = json!({"ansible_system": "Linux"});
        assert_eq!(cache.load("h"), Ok(kept.as_object().cloned()));
        let file = folder.join("p_h");
        let old = fs::metadata(&file).unwrap().modified().unwrap() - Duration::from_mins(2);
        fs::File::open(&file).unwrap().set_modified(old).unwrap();
        assert_eq!(cache.load("h"), Ok(None));
        let for_ever = FactCache::open(folder, "p_", Duration::ZERO).unwrap();
        assert_eq!(for_ever.load("h"), Ok(kept.as_object().cloned()));
        fs::write(&file, "{").unwrap();
        assert!(for_ever.load("h").is_err());
        for_ever.forget("h");
        assert!(!file.exists());
        // No name leads out of the folder.
        for_ever.save("../x", &Map::new()).unwrap();
        assert!(!dir.path().join("a/x").exists());
    }
}
