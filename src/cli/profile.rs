//! Who you are to which server, kept in a file that only you can read.
//!
//! `$XDG_CONFIG_HOME/berth/profiles.toml` holds a session per profile. It is written whole into a new file and
//! renamed, under a lock, so that two commands at once neither lose a session nor read half a file.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

/// One server and one session there.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Profile {
    /// The API's address, `/api` included.
    pub url: String,
    /// Who signed in.
    #[serde(default)]
    pub username: String,
    /// The short-lived bearer token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_token: Option<String>,
    /// What buys the next access token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_cookie: Option<String>,
}

/// The file as it stands.
#[derive(Default, Serialize, Deserialize)]
struct Content {
    #[serde(default)]
    profiles: BTreeMap<String, Profile>,
}

/// The profiles file.
#[derive(Clone, Debug)]
pub struct Store {
    path: PathBuf,
}

/// Held while a session is renewed or replaced; dropping it lets the next one in.
#[derive(Debug)]
pub struct Guard {
    _file: File,
}

impl Store {
    /// The file at its usual place.
    pub fn at_home() -> Result<Self> {
        let base = folder("XDG_CONFIG_HOME", ".config")?;
        Ok(Self { path: base.join("berth").join("profiles.toml") })
    }

    /// The file at a given place.
    #[cfg(test)]
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The profile of that name, if it was ever signed in.
    pub fn get(&self, name: &str) -> Result<Option<Profile>> {
        Ok(self.read()?.profiles.remove(name))
    }

    /// Writes the profile. Call with the [`Guard`] held.
    pub fn put(&self, _guard: &Guard, name: &str, profile: Profile) -> Result<()> {
        let mut content = self.read()?;
        content.profiles.insert(name.to_owned(), profile);
        self.write(&content)
    }

    /// Waits until no other command changes sessions.
    pub fn lock(&self) -> Result<Guard> {
        self.make_folder()?;
        let path = self.path.with_extension("lock");
        let file = fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .with_context(|| format!("cannot open `{}`", path.display()))?;
        file.lock().with_context(|| format!("cannot lock `{}`", path.display()))?;
        Ok(Guard { _file: file })
    }

    fn read(&self) -> Result<Content> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Content::default()),
            Err(error) => return Err(error).with_context(|| format!("cannot open `{}`", self.path.display())),
        };
        let mode = file.metadata()?.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            bail!(
                "`{0}` holds sessions and may be read by others (mode {mode:04o}); run `chmod 600 {0}`",
                self.path.display()
            );
        }
        let text = io::read_to_string(file).with_context(|| format!("cannot read `{}`", self.path.display()))?;
        // The parser's own message quotes the line, and the line may hold a token.
        toml::from_str(&text).map_err(|error| {
            let line = error.span().map_or(1, |span| text[..span.start].lines().count().max(1));
            anyhow::anyhow!(
                "`{}` line {line} is not what `berth login` wrote; mend it, or remove the file and sign in again",
                self.path.display()
            )
        })
    }

    fn write(&self, content: &Content) -> Result<()> {
        self.make_folder()?;
        let parent = self.path.parent().unwrap_or(Path::new("."));
        // `tempfile` makes it 0600.
        let mut file = tempfile::NamedTempFile::new_in(parent)
            .with_context(|| format!("cannot write into `{}`", parent.display()))?;
        file.write_all(toml::to_string(content)?.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(&self.path).with_context(|| format!("cannot write `{}`", self.path.display()))?;
        Ok(())
    }

    fn make_folder(&self) -> Result<()> {
        let parent = self.path.parent().unwrap_or(Path::new("."));
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)
            .with_context(|| format!("cannot make the folder `{}`", parent.display()))
    }
}

/// An XDG base folder: the variable when it holds an absolute path, else the usual place under `$HOME`.
pub fn folder(variable: &str, under_home: &str) -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute()) {
        return Ok(path);
    }
    let home = std::env::var_os("HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = home.with_context(|| format!("neither `{variable}` nor `HOME` is set; set one of them"))?;
    Ok(home.join(under_home))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path().join("berth/profiles.toml"));
        (folder, store)
    }

    fn profile(token: &str) -> Profile {
        Profile {
            url: "http://127.0.0.1:8080/api".into(),
            username: "alice".into(),
            access_token: Some(token.into()),
            refresh_cookie: Some("c".into()),
        }
    }

    #[test]
    fn what_is_put_can_be_read_and_only_by_its_owner() {
        let (_folder, store) = store();
        assert!(store.get("default").unwrap().is_none());
        let guard = store.lock().unwrap();
        store.put(&guard, "default", profile("t1")).unwrap();
        store.put(&guard, "lab", profile("t2")).unwrap();
        assert_eq!(store.get("default").unwrap().unwrap().access_token.as_deref(), Some("t1"));
        assert_eq!(store.get("lab").unwrap().unwrap().username, "alice");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(store.path()), 0o600);
        assert_eq!(mode(store.path().parent().unwrap()), 0o700);
    }

    #[test]
    fn a_file_that_others_may_read_is_refused_with_the_fix() {
        let (_folder, store) = store();
        let guard = store.lock().unwrap();
        store.put(&guard, "default", profile("t")).unwrap();
        fs::set_permissions(store.path(), fs::Permissions::from_mode(0o640)).unwrap();
        let message = store.get("default").err().unwrap().to_string();
        assert!(message.contains("mode 0640") && message.contains("chmod 600"), "{message}");
    }

    #[test]
    fn a_broken_file_is_named_by_line_and_never_quoted() {
        let (_folder, store) = store();
        let _guard = store.lock().unwrap();
        fs::write(store.path(), "[profiles.default]\nurl = \"x\"\naccess_token = \"s3cret\n").unwrap();
        fs::set_permissions(store.path(), fs::Permissions::from_mode(0o600)).unwrap();
        let message = format!("{:#}", store.get("default").err().unwrap());
        assert!(message.contains("line 3") && !message.contains("s3cret"), "{message}");
    }

    #[test]
    fn a_second_command_waits_for_the_lock() {
        let (_folder, store) = store();
        let guard = store.lock().unwrap();
        let file = fs::OpenOptions::new().write(true).open(store.path().with_extension("lock")).unwrap();
        assert!(file.try_lock().is_err());
        drop(guard);
        assert!(file.try_lock().is_ok());
    }
}
