//! The form of the file: writing and reading it, without a database.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use flate2::read::GzDecoder;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::Error;
use crate::seal::hex;

/// The name of this form.
pub const FORMAT: &str = "berth-backup-1";
/// The largest manifest and the largest key file.
const LARGEST: u64 = 16 << 20;
/// How many rows travel together.
const BATCH: usize = 200;

/// What a backup holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: String,
    /// The version of the program that made it.
    pub berth: String,
    /// When, in UTC.
    pub made_at: String,
    /// The database it was made from: `sqlite` or `mysql`.
    pub database: String,
    /// The steps of the schema that were done.
    pub schema: Vec<i64>,
    /// The tables, in the order of the file.
    pub tables: Vec<TableEntry>,
    /// The key files, if they were asked for.
    pub keys: Vec<KeyEntry>,
    /// How many sealed secrets there are in the rows.
    pub secrets: u64,
}

/// One table of a backup.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TableEntry {
    /// Its name.
    pub name: String,
    /// The columns, in the order of the values of each row.
    pub columns: Vec<String>,
    /// How many rows.
    pub rows: u64,
    /// How many bytes they take.
    pub bytes: u64,
    /// The SHA-256 of these bytes.
    pub sha256: String,
}

/// One key file of a backup.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KeyEntry {
    /// Its place below the data folder.
    pub name: String,
    /// The SHA-256 of its bytes.
    pub sha256: String,
}

/// What comes out of a file, in its order.
pub enum Item {
    /// First of all.
    Manifest(Box<Manifest>),
    /// Rows of the table at this place in the manifest.
    Rows(usize, Vec<Vec<Value>>),
    /// A key file.
    Key(String, Vec<u8>),
}

/// Reads a backup in a thread of its own, checking every sum and count. After an error nothing more comes.
pub fn read(path: &Path) -> mpsc::Receiver<Result<Item, Error>> {
    let (sender, receiver) = mpsc::channel(8);
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || {
        if let Err(error) = walk(&path, &mut |item| sender.blocking_send(Ok(item)).is_ok()) {
            // Nobody may be listening any more.
            let _ = sender.blocking_send(Err(error));
        }
    });
    receiver
}

fn damaged(why: impl std::fmt::Display) -> Error {
    Error::Damaged(why.to_string())
}

fn walk(path: &Path, give: &mut impl FnMut(Item) -> bool) -> Result<(), Error> {
    let file = File::open(path).map_err(Error::file(path))?;
    let mut archive = tar::Archive::new(GzDecoder::new(BufReader::new(file)));
    let no_backup = |why: String| Error::NoBackup { file: path.to_owned(), why };
    let mut entries = archive.entries().map_err(|error| no_backup(error.to_string()))?;
    let first = entries.next().ok_or_else(|| no_backup("it is empty".into()))?;
    let mut first = first.map_err(|error| no_backup(error.to_string()))?;
    if name_of(&first)? != "manifest.json" {
        return Err(no_backup("it does not begin with a manifest".into()));
    }
    let mut text = Vec::new();
    (&mut first).take(LARGEST).read_to_end(&mut text).map_err(damaged)?;
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|error| no_backup(format!("its manifest: {error}")))?;
    if manifest.format != FORMAT {
        return Err(Error::TooNew(format!("its form is `{}`", manifest.format)));
    }
    if !give(Item::Manifest(Box::new(manifest.clone()))) {
        return Ok(());
    }
    for (at, table) in manifest.tables.iter().enumerate() {
        let wanted = format!("tables/{}.jsonl", table.name);
        let Some(entry) = entries.next() else { return Err(damaged(format!("it ends before `{wanted}`"))) };
        let entry = entry.map_err(damaged)?;
        let name = name_of(&entry)?;
        if name != wanted {
            return Err(damaged(format!("`{name}` stands where `{wanted}` should")));
        }
        if !read_table(entry, at, table, give)? {
            return Ok(());
        }
    }
    for key in &manifest.keys {
        let Some(entry) = entries.next() else { return Err(damaged("it ends before its key files")) };
        let entry = entry.map_err(damaged)?;
        let mut bytes = Vec::new();
        entry.take(LARGEST).read_to_end(&mut bytes).map_err(damaged)?;
        if hex(&Sha256::digest(&bytes)) != key.sha256 {
            return Err(damaged(format!("the key file `{}` has another sum than its manifest says", key.name)));
        }
        if !give(Item::Key(key.name.clone(), bytes)) {
            return Ok(());
        }
    }
    if entries.next().is_some() {
        return Err(damaged("it holds more than its manifest says"));
    }
    Ok(())
}

fn name_of(entry: &tar::Entry<'_, impl Read>) -> Result<String, Error> {
    let path: PathBuf = entry.path().map_err(damaged)?.into_owned();
    Ok(path.display().to_string())
}

/// Gives the rows of one table. False: nobody wants more.
fn read_table(
    entry: impl Read,
    at: usize,
    table: &TableEntry,
    give: &mut impl FnMut(Item) -> bool,
) -> Result<bool, Error> {
    let name = &table.name;
    let (mut digest, mut rows, mut batch) = (Sha256::new(), 0_u64, Vec::new());
    let mut lines = BufReader::new(entry);
    let mut line = Vec::new();
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line).map_err(damaged)? == 0 {
            break;
        }
        digest.update(&line);
        rows += 1;
        let row: Vec<Value> =
            serde_json::from_slice(&line).map_err(|error| damaged(format!("table `{name}`, row {rows}: {error}")))?;
        if row.len() != table.columns.len() {
            return Err(damaged(format!("table `{name}`, row {rows}: it has {} values", row.len())));
        }
        batch.push(row);
        if BATCH <= batch.len() && !give(Item::Rows(at, std::mem::take(&mut batch))) {
            return Ok(false);
        }
    }
    if hex(&digest.finalize()) != table.sha256 {
        return Err(damaged(format!("table `{name}` has another sum than its manifest says")));
    }
    if rows != table.rows {
        return Err(damaged(format!("table `{name}` has {rows} rows, and its manifest says {}", table.rows)));
    }
    Ok(batch.is_empty() || give(Item::Rows(at, batch)))
}

/// Writes one file of the archive.
pub fn append(archive: &mut tar::Builder<impl io::Write>, name: &str, size: u64, from: impl Read) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(0o600);
    header.set_mtime(0);
    archive.append_data(&mut header, name, from)
}
