//! Commits on SQLite that last, at one wait for the disk for all that come together.
//!
//! With `synchronous = normal` a commit is in the write-ahead log but perhaps not on the disk yet. [`Durable::wait`]
//! puts the log on the disk; commits that arrive while the disk works share the next turn. What a checkpoint has moved
//! out of the log before, SQLite itself has put on the disk (<https://sqlite.org/wal.html>, "Performance
//! Considerations"). The log is opened apart from SQLite: its locks are on other files.

use std::{
    fs::File,
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use tokio::{sync::Mutex, task::spawn_blocking};

/// The write-ahead log of one database file.
#[derive(Debug)]
pub(super) struct Durable {
    log: PathBuf,
    /// Commits that asked so far.
    asked: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// As many of those that asked are on the disk.
    done: u64,
    /// The log whose name is on the disk, too.
    inode: u64,
    /// The disk refused once: nobody knows what it holds, so nothing is promised any more.
    broken: bool,
}

impl Durable {
    /// For the database in `file`.
    pub(super) fn new(file: &Path) -> Self {
        let mut log = file.as_os_str().to_owned();
        log.push("-wal");
        Self { log: log.into(), asked: AtomicU64::new(0), state: Mutex::default() }
    }

    /// Comes back when every commit made before the call is on the disk.
    pub(super) async fn wait(&self) -> io::Result<()> {
        let mine = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut state = self.state.lock().await;
        if state.broken {
            return Err(io::Error::other("the disk refused to keep earlier changes; restart the server"));
        }
        if mine <= state.done {
            return Ok(());
        }
        let all = self.asked.load(Ordering::SeqCst);
        let (log, known) = (self.log.clone(), state.inode);
        match spawn_blocking(move || sync(&log, known)).await.map_err(io::Error::other).flatten() {
            Ok(inode) => {
                state.inode = inode;
                state.done = all;
                Ok(())
            }
            Err(error) => {
                state.broken = true;
                Err(error)
            }
        }
    }
}

/// Puts the log on the disk, and its name if it is another file than the `known` one.
fn sync(log: &Path, known: u64) -> io::Result<u64> {
    let file = File::open(log)?;
    file.sync_data()?;
    let inode = file.metadata()?.ino();
    if inode != known
        && let Some(folder) = log.parent()
    {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        File::open(folder)?.sync_all()?;
    }
    Ok(inode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn those_that_come_together_share_a_turn() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.db");
        std::fs::write(folder.path().join("a.db-wal"), "log").unwrap();
        let durable = Durable::new(&file);
        let all = futures_util::future::join_all((0..50).map(|_| durable.wait())).await;
        assert!(all.iter().all(Result::is_ok));
        assert_eq!(durable.state.lock().await.done, 50);
    }

    #[tokio::test]
    async fn after_a_refusal_nothing_is_promised() {
        let folder = tempfile::tempdir().unwrap();
        let durable = Durable::new(&folder.path().join("a.db"));
        assert_eq!(durable.wait().await.unwrap_err().kind(), io::ErrorKind::NotFound);
        std::fs::write(folder.path().join("a.db-wal"), "log").unwrap();
        assert!(durable.wait().await.unwrap_err().to_string().contains("restart the server"));
    }
}
