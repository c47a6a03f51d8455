//! Secrets that Berth makes for itself on the first start.

use super::{Config, Fault};
use crate::remote::Secret;
use base64::{Engine, engine::general_purpose::STANDARD};
use rand::Rng;
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
        }
        if self.auth.jwt_secret.is_none() {
            self.auth.jwt_secret = Some(read_or_make(&self.jwt_key_file())?);
        }
        Ok(())
    }

    /// The 32 bytes that encrypt credentials at rest; present after [`Config::ensure_secrets`].
    pub fn secret_key_bytes(&self) -> Option<[u8; 32]> {
        self.secret_key.as_ref().and_then(|key| decode_key(&key.0))
    }
}

pub(super) fn decode_key(text: &str) -> Option<[u8; 32]> {
    STANDARD.decode(text.trim()).ok()?.try_into().ok()
}

fn read_or_make(path: &Path) -> Result<Secret, Fault> {
    place(path).map_err(|error| {
        let problem = format!("cannot keep a key in `{}`: {error}", path.display());
        Fault::error("BERTH_DATA_DIR", problem, "make the folder writable for Berth's user, or set the secret itself")
    })
}

fn place(path: &Path) -> io::Result<Secret> {
    if !path.exists() {
        let mut bytes = [0_u8; 32];
        rand::rng().fill_bytes(&mut bytes);
        let fresh = path.with_extension(format!("new.{}", std::process::id()));
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(STANDARD.encode(bytes).as_bytes())?;
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
