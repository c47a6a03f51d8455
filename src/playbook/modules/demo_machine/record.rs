//! What is kept of a demo machine between runs: one folder a machine, locked by whoever works on it.

use std::{
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Write},
    net::{IpAddr, Ipv4Addr},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha_crypt::{PasswordHasher, PasswordVerifier, ShaCrypt};

use super::{Backend, Error, Wanted, at};
use crate::remote::Secret;

/// What is known of a machine.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Record {
    pub name: String,
    pub port: u16,
    #[serde(default)]
    pub also_on: Option<IpAddr>,
    pub backend: Backend,
    pub why: String,
    /// The password of its root, as `/etc/shadow` holds it.
    pub hash: String,
    /// The container's name.
    pub container: String,
    pub docker_host: Option<String>,
    pub image: String,
}

impl Record {
    /// Whether this machine is what is wanted; else it is made anew.
    pub fn fits(&self, wanted: &Wanted) -> bool {
        let backend = match wanted.backend {
            super::Choice::Auto => true,
            super::Choice::Docker => self.backend == Backend::Docker,
            super::Choice::Namespace => self.backend == Backend::Namespace,
        };
        let image = self.backend == Backend::Namespace || self.image == wanted.image;
        let password = wanted
            .password
            .as_ref()
            .is_none_or(|Secret(p)| ShaCrypt::default().verify_password(p.as_bytes(), self.hash.as_str()).is_ok());
        backend && image && self.port == wanted.port && self.also_on == wanted.also_on && password
    }

    /// Where its sshd answers.
    pub fn addresses(&self) -> Vec<IpAddr> {
        std::iter::once(IpAddr::V4(Ipv4Addr::LOCALHOST)).chain(self.also_on).collect()
    }
}

/// A machine's folder, held by us until dropped.
pub(super) struct Folder {
    pub path: PathBuf,
    _lock: File,
}

/// The names of all machines in the state directory.
pub fn list(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.filter(|e| e.path().is_dir()).filter_map(|e| e.file_name().into_string().ok()).collect();
    names.retain(|n| valid(n));
    names.sort();
    names
}

pub(super) fn exists(folder: &Path, name: &str) -> bool {
    valid(name) && folder.join(name).is_dir()
}

fn valid(name: &str) -> bool {
    name.len() <= 40
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

impl Folder {
    /// Makes the folder if need be and takes its lock, waiting for whoever has it.
    pub async fn lock(state: &Path, name: &str) -> Result<Self, Error> {
        if !valid(name) {
            return Err(Error::BadName(name.chars().take(60).collect()));
        }
        let state = std::path::absolute(state).map_err(at(state.display()))?;
        let path = state.join(name);
        tokio::task::spawn_blocking(move || Self::lock_now(&path))
            .await
            .map_err(|e| Error::Io("lock".into(), std::io::Error::other(e)))?
    }

    fn lock_now(path: &Path) -> Result<Self, Error> {
        loop {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(at(path.display()))?;
            let file = path.join("lock");
            let lock = match OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&file) {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                other => other.map_err(at(file.display()))?,
            };
            lock.lock().map_err(at(file.display()))?;
            // Whoever had it may have removed the folder meanwhile; then the lock is one on nothing.
            let ours = lock.metadata().map_err(at(file.display()))?;
            if fs::metadata(&file).is_ok_and(|there| there.ino() == ours.ino()) {
                return Ok(Self { path: path.to_owned(), _lock: lock });
            }
        }
    }

    /// The machine's record, if it was made whole.
    pub fn record(&self) -> Result<Option<Record>, Error> {
        let file = self.path.join("machine.json");
        match fs::read(&file) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(at(file.display())(error)),
        }
    }

    /// Writes the record of a new machine.
    pub fn begin(&self, wanted: &Wanted, backend: Backend, why: String) -> Result<Record, Error> {
        let password = if let Some(Secret(given)) = &wanted.password {
            given.clone()
        } else {
            let made = format!("{:016x}", rand::random::<u64>());
            self.write("password", made.as_bytes())?;
            made
        };
        let salt: [u8; 12] = rand::random();
        let hash = ShaCrypt::default()
            .hash_password_with_salt(password.as_bytes(), &salt)
            .map_err(|_| Error::Unavailable("this password cannot be hashed: use a shorter one".into()))?;
        // Two checkouts on one engine may both have a quay-01.
        let tag = fs::metadata(&self.path).map_err(at(self.path.display()))?.ino();
        let record = Record {
            name: wanted.name.clone(),
            port: wanted.port,
            also_on: wanted.also_on,
            backend,
            why,
            hash: hash.to_string(),
            container: format!("berth-demo-{}-{tag:x}", wanted.name),
            docker_host: wanted.docker_host.clone(),
            image: wanted.image.clone(),
        };
        self.write("machine.json", &serde_json::to_vec_pretty(&record).unwrap_or_default())?;
        Ok(record)
    }

    /// The password that was made for this machine, if one was.
    pub fn password(&self) -> Option<Secret> {
        fs::read_to_string(self.path.join("password")).ok().map(Secret)
    }

    /// Writes a file of the machine, for nobody else to read.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, Error> {
        let (file, new) = (self.path.join(name), self.path.join(format!("{name}.new")));
        OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&new)
            .and_then(|mut f| f.write_all(bytes))
            .and_then(|()| fs::rename(&new, &file))
            .map_err(at(file.display()))?;
        Ok(file)
    }

    /// The last lines of the machine's log.
    pub fn log_tail(&self) -> String {
        let text = fs::read(self.path.join("log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(5)..].join("; ")
    }

    /// Removes all that the machine left but our lock: another is to be made in its place.
    pub fn clear(&self) -> Result<(), Error> {
        for entry in fs::read_dir(&self.path).map_err(at(self.path.display()))? {
            let path = entry.map_err(at(self.path.display()))?.path();
            let gone = match path.file_name() {
                Some(name) if name == "lock" => Ok(()),
                _ if path.is_dir() => fs::remove_dir_all(&path),
                _ => fs::remove_file(&path),
            };
            gone.map_err(at(path.display()))?;
        }
        Ok(())
    }

    /// Removes all that the machine left.
    pub fn remove(&self) -> Result<(), Error> {
        fs::remove_dir_all(&self.path).map_err(at(self.path.display()))?;
        // The state directory goes with its last machine.
        if let Some(state) = self.path.parent() {
            let _ = fs::remove_dir(state);
        }
        Ok(())
    }
}
