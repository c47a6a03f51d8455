//! Keys that are changed while they are used: which one seals or signs now, and which still open what came before.
//!
//! A key file begins with the present key on a line of its own, as it has since the first version; further lines begin
//! with a word: `previous KEY` still opens, `next KEY` opens already and takes over at the next change, `until MOMENT
//! KEY` still proves tokens until that moment (milliseconds).

use std::{
    fs, io,
    io::Write,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use sha2::{Digest, Sha256};

use crate::clock::Millis;

/// The keys of one file or one setting.
#[derive(Clone, PartialEq, Eq)]
pub struct Ring {
    /// Seals and signs.
    pub current: String,
    /// Still open what was sealed before.
    pub previous: Vec<String>,
    /// Opens, and will be the next to seal.
    pub next: Option<String>,
    /// Prove tokens until a moment.
    pub until: Vec<(Millis, String)>,
}

impl Ring {
    /// With one key.
    pub fn of(current: String) -> Self {
        Self { current, previous: Vec::new(), next: None, until: Vec::new() }
    }

    /// Reads a file or a setting. None: it is neither.
    pub fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let mut ring = Self::of(lines.next()?.to_owned());
        for line in lines {
            let (word, key) = line.split_once(' ')?;
            match word {
                "previous" => ring.previous.push(key.trim().to_owned()),
                "next" => ring.next = Some(key.trim().to_owned()),
                "until" => {
                    let (moment, key) = key.trim().split_once(' ')?;
                    ring.until.push((moment.parse().ok()?, key.trim().to_owned()));
                }
                _ => return None,
            }
        }
        Some(ring)
    }

    /// As it stands in a file. A ring of one key is what the first version wrote.
    pub fn text(&self) -> String {
        let mut lines = vec![self.current.clone()];
        lines.extend(self.previous.iter().map(|key| format!("previous {key}")));
        lines.extend(self.next.iter().map(|key| format!("next {key}")));
        lines.extend(self.until.iter().map(|(moment, key)| format!("until {moment} {key}")));
        lines.join("\n")
    }
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ring({} and {} others)", key_id(&self.current), self.previous.len() + self.until.len())
    }
}

/// A new key: base64 of 32 random bytes.
pub fn fresh_key() -> String {
    STANDARD.encode(rand::random::<[u8; 32]>())
}

/// Names a key without telling it.
pub fn key_id(key: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(format!("berth key id:{key}")))[..8].to_owned()
}

/// Puts other keys in the place of a key file: whole, or not at all, and on the disk when it returns.
pub fn replace(path: &Path, ring: &Ring) -> io::Result<()> {
    let fresh = path.with_extension(format!("new.{}", std::process::id()));
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(ring.text().as_bytes())?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// What tells that a file is another one than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp(u64, i64, i64, u64);

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    Some(Stamp(metadata.ino(), metadata.mtime(), metadata.mtime_nsec(), metadata.len()))
}

/// Something read from a key file, read again when the file has changed: no process has to be restarted.
pub struct Watched<T> {
    path: Option<PathBuf>,
    read: Box<dyn Fn(Ring) -> Option<T> + Send + Sync>,
    state: RwLock<(Option<Stamp>, Arc<T>)>,
}

impl<T> Watched<T> {
    /// From `ring`; with a path, whatever stands there later.
    pub fn new(
        ring: Ring,
        path: Option<PathBuf>,
        read: impl Fn(Ring) -> Option<T> + Send + Sync + 'static,
    ) -> Option<Self> {
        let stamp = path.as_deref().and_then(stamp);
        let value = Arc::new(read(ring)?);
        Some(Self { path, read: Box::new(read), state: RwLock::new((stamp, value)) })
    }

    /// As it was read last.
    pub fn get(&self) -> Arc<T> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner).1)
    }

    /// As it is now. Costs one look at the file's date.
    pub fn fresh(&self) -> Arc<T> {
        let Some(path) = &self.path else { return self.get() };
        let now = stamp(path);
        let known = self.state.read().unwrap_or_else(PoisonError::into_inner).0;
        if now.is_none() || now == known {
            return self.get();
        }
        let value = fs::read_to_string(path).ok().as_deref().and_then(Ring::parse).and_then(|ring| (self.read)(ring));
        let Some(value) = value.map(Arc::new) else {
            tracing::warn!(file = %path.display(), "the key file was changed and cannot be read; the keys of before are used");
            return self.get();
        };
        tracing::info!(file = %path.display(), "the keys were changed and are used from now on");
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = (now, Arc::clone(&value));
        value
    }
}

impl<T> std::fmt::Debug for Watched<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Watched({:?})", self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_is_read_as_it_was_written() {
        let ring = Ring {
            current: "a".into(),
            previous: vec!["b".into(), "c".into()],
            next: Some("d".into()),
            until: vec![(17, "e f".into())],
        };
        assert_eq!(Ring::parse(&ring.text()), Some(ring.clone()));
        assert_eq!(Ring::parse("  one\n"), Some(Ring::of("one".into())));
        assert_eq!(Ring::of("one".into()).text(), "one");
        for wrong in ["", "\n", "a\nb", "a\nolder b", "a\nuntil soon b", "a\nuntil 5"] {
            assert_eq!(Ring::parse(wrong), None, "{wrong:?}");
        }
        assert!(!format!("{ring:?}").contains("\"b\""));
    }

    #[test]
    fn a_changed_file_is_read_again_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.key");
        replace(&path, &Ring::of("one".into())).unwrap();
        let watched = Watched::new(Ring::of("one".into()), Some(path.clone()), |ring| Some(ring.current)).unwrap();
        assert_eq!(*watched.fresh(), "one");
        replace(&path, &Ring { previous: vec!["one".into()], ..Ring::of("two".into()) }).unwrap();
        assert_eq!(*watched.get(), "one");
        assert_eq!(*watched.fresh(), "two");
        fs::write(&path, "x\ny").unwrap();
        assert_eq!(*watched.fresh(), "two");
        fs::remove_file(&path).unwrap();
        assert_eq!(*watched.fresh(), "two");
    }
}
