//! The folder that one connection needs: the host's keys, and until the login the password.
//!
//! Whoever uses a folder holds a lock on it. So the next process can tell what one that was killed has left, and
//! removes it with whatever it holds.

use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Once,
    time::Duration,
};

use rustix::process::geteuid;

use super::Error;

const PREFIX: &str = ".berth-ssh-";
/// Between the making of a folder and its lock lies less.
const MADE_JUST_NOW: Duration = Duration::from_mins(1);

/// What must live as long as the connection, or until the login.
#[derive(Debug)]
pub(super) struct Private {
    dir: tempfile::TempDir,
    /// Holds the lock.
    _held: File,
}

impl Private {
    /// A new folder that nobody else may look into. The first one of a process removes what killed processes left.
    pub(super) fn new() -> Result<Self, Error> {
        static SWEPT: Once = Once::new();
        SWEPT.call_once(|| sweep(&std::env::temp_dir(), MADE_JUST_NOW));
        let failed = |error| Error::BadValue(format!("cannot make a private folder: {error}"));
        let only_ours = fs::Permissions::from_mode(0o700);
        let dir = tempfile::Builder::new().prefix(PREFIX).permissions(only_ours).tempdir().map_err(failed)?;
        let held = File::open(dir.path()).and_then(|folder| folder.lock().map(|()| folder)).map_err(failed)?;
        Ok(Self { dir, _held: held })
    }

    /// Where something stands, or will.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file that is not there yet; answers where it stands.
    pub(super) fn write(&self, name: &str, bytes: &[u8], mode: u32) -> Result<PathBuf, Error> {
        let path = self.path(name);
        let opened = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&path);
        let written = opened.and_then(|mut file| file.write_all(bytes));
        written.map_err(|error| Error::BadValue(format!("cannot write {}: {error}", path.display())))?;
        Ok(path)
    }

    /// Removes the password from the disk; the login is over.
    pub(super) fn forget_password(&self) {
        let _ = fs::remove_file(self.path("secret"));
    }

    /// A path by which a host that is this machine can be told; `None` when others might not see it.
    pub(super) fn mark(&self) -> Option<String> {
        let path = self.dir.path();
        let seen = |folder: &Path| fs::metadata(folder).is_ok_and(|found| found.permissions().mode() & 0o001 != 0);
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        // Of a service with a `/tmp` of its own.
        let own = mounts.contains("/systemd-private-");
        let path_text = path.to_str().filter(|_| !own && path.is_absolute());
        path_text.filter(|_| path.ancestors().skip(1).all(seen)).map(str::to_owned)
    }

    /// The host keys that `ssh` has written down.
    pub(super) fn learned(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("known_hosts")).unwrap_or_default();
        text.lines().filter_map(|line| line.split_once(' ').map(|(_, key)| key.trim().to_owned())).collect()
    }
}

/// Removes folders of ours, older than `age`, whose process is gone.
fn sweep(place: &Path, age: Duration) {
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX)) && is_left(&entry.path(), age) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn is_left(folder: &Path, age: Duration) -> bool {
    let Ok(found) = fs::symlink_metadata(folder) else { return false };
    let is_old = found.modified().is_ok_and(|at| at.elapsed().is_ok_and(|passed| age <= passed));
    let is_ours = found.is_dir() && found.uid() == geteuid().as_raw();
    is_old && is_ours && File::open(folder).is_ok_and(|folder| folder.try_lock().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_process_left_is_removed_and_what_is_in_use_stays() {
        let place = tempfile::tempdir().unwrap();
        let folder = |name: &str| {
            let path = place.path().join(format!("{PREFIX}{name}"));
            fs::create_dir(&path).unwrap();
            fs::write(path.join("secret"), "harbour-light").unwrap();
            path
        };
        let (left, used, other) = (folder("left"), folder("used"), place.path().join("other"));
        fs::create_dir(&other).unwrap();
        let held = File::open(&used).unwrap();
        held.lock().unwrap();
        std::os::unix::fs::symlink(&other, place.path().join(format!("{PREFIX}link"))).unwrap();

        sweep(place.path(), Duration::from_hours(1));
        assert!(left.exists(), "it may have been made just now");
        sweep(place.path(), Duration::ZERO);
        assert!(!left.exists() && used.join("secret").exists() && other.exists());
        drop(held);
        sweep(place.path(), Duration::ZERO);
        assert!(!used.exists());
    }

    #[test]
    fn a_folder_in_use_is_locked_and_goes_with_its_owner() {
        let private = Private::new().unwrap();
        let secret = private.write("secret", b"harbour-light", 0o600).unwrap();
        let folder = secret.parent().unwrap().to_owned();
        assert!(!is_left(&folder, Duration::ZERO));
        assert!(private.write("secret", b"", 0o600).is_err(), "nothing is written over");
        private.forget_password();
        assert!(!secret.exists());
        drop(private);
        assert!(!folder.exists());
    }
}
