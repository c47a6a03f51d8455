//! Secrets that Berth makes for itself on the first start.

use super::{Config, Fault};
use crate::{
    remote::Secret,
    seal::{
        Sealer, key_bytes,
        ring::{Ring, fresh_key},
    },
};
use std::{
    fs,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

impl Config {
    /// The file of the key that encrypts credentials, used when no setting holds it.
    pub fn secret_key_file(&self) -> PathBuf {
        self.data_dir.join("secret.key")
    }

    /// The file of the key that signs access tokens, used in development when no setting holds it.
    pub fn jwt_key_file(&self) -> PathBuf {
        self.data_dir.join("jwt.key")
    }

    /// Makes the data folder, and reads or makes the secrets that no setting holds.
    ///
    /// Processes that start at the same moment agree: whoever places a file first wins.
    pub fn ensure_secrets(&mut self) -> Result<(), Fault> {
        let folder = self.data_dir.clone();
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(|error| {
            let problem = format!("cannot make `{}`: {error}", folder.display());
            Fault::error("BERTH_DATA_DIR", problem, "name a folder that Berth's user may write")
        })?;
        if self.secret_key.is_none() {
            self.secret_key = Some(read_or_make(&self.secret_key_file())?);
            self.key_files.secret = true;
        }
        if self.auth.jwt_secret.is_none() {
            self.auth.jwt_secret = Some(read_or_make(&self.jwt_key_file())?);
            self.key_files.jwt = true;
        }
        Ok(())
    }

    /// What seals and opens credentials at rest, after [`Config::ensure_secrets`]. None: a key is no key.
    pub fn sealer(&self) -> Option<Sealer> {
        let ring = Ring::parse(&self.secret_key.as_ref()?.0)?;
        let file = self.key_files.secret.then(|| self.secret_key_file());
        let further = self.secret_key_previous.as_ref().map(|keys| words(&keys.0)).unwrap_or_default();
        Sealer::from_ring(ring, file, further)
    }

    /// The keys that sign and prove tokens, after [`Config::ensure_secrets`].
    pub fn token_ring(&self) -> Option<Ring> {
        let text = &self.auth.jwt_secret.as_ref()?.0;
        // A secret of one's own may look like anything.
        let mut ring = if self.key_files.jwt { Ring::parse(text)? } else { Ring::of(text.clone()) };
        if let Some(previous) = &self.auth.jwt_secret_previous {
            ring.previous.push(previous.0.clone());
        }
        Some(ring)
    }

    /// Whether this text holds keys that can encrypt credentials.
    pub fn is_secret_key(text: &str) -> bool {
        Ring::parse(text).and_then(|ring| Sealer::from_ring(ring, None, Vec::new())).is_some()
    }
}

/// Which keys came from files of the data folder, where they can be changed.
#[derive(Debug, Clone, Copy, Default)]
pub struct KeyFiles {
    /// The one that encrypts credentials.
    pub secret: bool,
    /// The one that signs tokens.
    pub jwt: bool,
}

fn words(text: &str) -> Vec<String> {
    text.split([',', ' ', '\n']).map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// Whether every key of a setting is one.
pub(super) fn are_keys(text: &str) -> bool {
    Ring::parse(text).is_some_and(|ring| {
        [&ring.current].into_iter().chain(&ring.previous).chain(&ring.next).all(|key| key_bytes(key).is_some())
    })
}

/// Whether a list of keys holds nothing else.
pub(super) fn are_previous(text: &str) -> bool {
    words(text).iter().all(|key| key_bytes(key).is_some())
}

fn read_or_make(path: &Path) -> Result<Secret, Fault> {
    place(path).map_err(|error| {
        let problem = format!("cannot keep a key in `{}`: {error}", path.display());
        Fault::error("BERTH_DATA_DIR", problem, "make the folder writable for Berth's user, or set the secret itself")
    })
}

fn place(path: &Path) -> io::Result<Secret> {
    if !path.exists() {
        let fresh = path.with_extension(format!("new.{}", std::process::id()));
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(fresh_key().as_bytes())?;
        file.sync_all()?;
        // A hard link fails when the name is taken, so the first process wins and the others read its key.
        let placed = fs::hard_link(&fresh, path);
        fs::remove_file(&fresh)?;
        if let Err(error) = placed
            && error.kind() != io::ErrorKind::AlreadyExists
        {
            return Err(error);
        }
    }
    Ok(Secret(fs::read_to_string(path)?.trim().to_owned()))
}
