//! Berth's own key pair: one per data directory, made on first need, readable by Berth's user only.

use std::{
    io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::process::Command;

use super::target::own_key;
use crate::ctx::Ctx;

/// Berth's own key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// `ssh-keygen` is missing or failed.
    #[error("cannot make Berth's own key with `ssh-keygen`: {0}; is openssh-client installed?")]
    Keygen(String),
    /// The folder or a file in it.
    #[error("cannot use `{path}`: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The public half, as a line for `authorized_keys`; the pair is made if it is not there. Several processes may ask
/// at once: one pair wins and all get that.
pub(super) async fn own_public_key(ctx: &Ctx) -> Result<String, KeyError> {
    let private = own_key(ctx);
    let public = private.with_extension("pub");
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| KeyError::File { path, source }
    };
    if !private.exists() {
        let folder = private.parent().unwrap_or(Path::new("."));
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed(folder))?;
        generate(folder, &private).await?;
    }
    // The public half is made from the private one, so that it can never be another pair's.
    if !public.exists() {
        let text = keygen(&["-y", "-f"], &private).await?;
        let draft =
            tempfile::NamedTempFile::new_in(private.parent().unwrap_or(Path::new("."))).map_err(failed(&public))?;
        std::fs::write(draft.path(), format!("{} berth\n", line_of(&text))).map_err(failed(&public))?;
        draft.persist(&public).map_err(|error| KeyError::File { path: public.clone(), source: error.error })?;
    }
    let text = std::fs::read_to_string(&public).map_err(failed(&public))?;
    Ok(format!("{} berth", line_of(&text)))
}

/// Makes a pair aside and links it into place, unless somebody was faster.
async fn generate(folder: &Path, private: &Path) -> Result<(), KeyError> {
    let failed = |source| KeyError::File { path: private.to_owned(), source };
    let aside = tempfile::tempdir_in(folder).map_err(failed)?;
    let draft = aside.path().join("key");
    keygen(&["-q", "-t", "ed25519", "-N", "", "-C", "berth", "-f"], &draft).await?;
    std::fs::set_permissions(&draft, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    match std::fs::hard_link(&draft, private) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed(error)),
        _ => Ok(()),
    }
}

async fn keygen(args: &[&str], file: &Path) -> Result<String, KeyError> {
    let done = Command::new("ssh-keygen")
        .args(args)
        .arg(file)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| KeyError::Keygen(error.to_string()))?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    Err(KeyError::Keygen(said.lines().last().unwrap_or("it failed without a word").chars().take(200).collect()))
}

/// `type base64` without the comment.
fn line_of(text: &str) -> String {
    text.split_ascii_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

/// Why a key file cannot be used, if so: it must be a file that nobody but Berth's user can read.
pub(super) fn key_file_fault(ctx: &Ctx, file: &str) -> Option<String> {
    let path = super::target::key_file(ctx, file);
    let place =
        if Path::new(file).is_absolute() { "on Berth's server" } else { "in the folder `keys` of the data directory" };
    let metadata = match std::fs::metadata(&path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Some(format!("there is no such file {place}")),
        Err(error) => return Some(format!("cannot be looked at {place}: {}", error.kind())),
    };
    if !metadata.is_file() {
        return Some("is not a file".into());
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        return Some("others may read it; run: chmod 600".into());
    }
    std::fs::File::open(&path).err().map(|error| format!("Berth's user may not read it: {}", error.kind()))
}
