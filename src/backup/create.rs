//! Making a backup.

use std::{
    fs::File,
    io::{BufWriter, Read, Seek, SeekFrom, Write},
    path::Path,
};

use flate2::{Compression, write::GzEncoder};
use sha2::{Digest, Sha256};

use super::{
    Error,
    archive::{FORMAT, KeyEntry, Manifest, TableEntry, append},
    secrets,
};
use crate::{
    clock::rfc3339,
    ctx::Ctx,
    db::{
        Dialect,
        copy::{Snapshot, Table},
    },
    seal::hex,
};

/// Tables whose rows are of the moment and are not copied.
pub(super) const FLEETING: [&str; 1] = ["heartbeat"];

/// Writes all that the database holds at this moment into a new file, readable for its owner only. `with_keys`: and
/// the keys, without which the secrets in it are of no use, and with which they are anybody's who has the file.
pub async fn create(ctx: &Ctx, path: &Path, with_keys: bool) -> Result<Manifest, Error> {
    if path.exists() {
        return Err(Error::Exists(path.to_owned()));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let draft = tempfile::NamedTempFile::new_in(folder).map_err(Error::file(folder))?;
    let schema = ctx.db.applied().await?;
    let mut snapshot = ctx.db.snapshot().await?;
    let (mut tables, mut spools, mut sealed) = (Vec::new(), Vec::new(), 0);
    for table in snapshot.tables.clone() {
        if FLEETING.contains(&table.name.as_str()) {
            continue;
        }
        let spool = tempfile::tempfile_in(folder).map_err(Error::file(folder))?;
        let (entry, spool, secrets) = copy(&mut snapshot, &table, spool, folder).await?;
        sealed += secrets;
        tables.push(entry);
        spools.push(spool);
    }
    snapshot.close().await;
    let keys = if with_keys { key_files(ctx)? } else { Vec::new() };
    let manifest = Manifest {
        format: FORMAT.to_owned(),
        berth: env!("CARGO_PKG_VERSION").to_owned(),
        made_at: rfc3339(ctx.clock.now()),
        database: if ctx.db.dialect() == Dialect::Sqlite { "sqlite" } else { "mysql" }.to_owned(),
        schema,
        tables,
        keys: keys.iter().map(|(entry, _)| entry.clone()).collect(),
        secrets: sealed,
    };
    let written = write(draft.as_file(), &manifest, spools, &keys).map_err(Error::file(path));
    written?;
    draft.persist_noclobber(path).map_err(|error| {
        if error.error.kind() == std::io::ErrorKind::AlreadyExists {
            return Error::Exists(path.to_owned());
        }
        Error::File { file: path.to_owned(), source: error.error }
    })?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(Error::file(folder))?;
    Ok(manifest)
}

/// One table into a file that has no name.
async fn copy(
    snapshot: &mut Snapshot,
    table: &Table,
    spool: File,
    folder: &Path,
) -> Result<(TableEntry, File, u64), Error> {
    let mut out = BufWriter::new(spool);
    let (mut digest, mut rows, mut bytes, mut sealed) = (Sha256::new(), 0, 0, 0);
    let columns: Vec<String> = table.columns.iter().map(|column| column.name.clone()).collect();
    snapshot
        .rows(table, |row| {
            sealed += secrets::of_row(&table.name, &columns, &row).len() as u64;
            let mut line = serde_json::to_vec(&row).map_err(|error| Error::Broken(error.to_string()))?;
            line.push(b'\n');
            digest.update(&line);
            rows += 1;
            bytes += line.len() as u64;
            out.write_all(&line).map_err(Error::file(folder))
        })
        .await?;
    let mut spool =
        out.into_inner().map_err(|error| Error::File { file: folder.to_owned(), source: error.into_error() })?;
    spool.seek(SeekFrom::Start(0)).map_err(Error::file(folder))?;
    let sha256 = hex(&digest.finalize());
    Ok((TableEntry { name: table.name.clone(), columns, rows, bytes, sha256 }, spool, sealed))
}

fn write(file: &File, manifest: &Manifest, spools: Vec<File>, keys: &[(KeyEntry, Vec<u8>)]) -> std::io::Result<()> {
    let mut archive = tar::Builder::new(GzEncoder::new(BufWriter::new(file), Compression::default()));
    let text = serde_json::to_vec_pretty(manifest)?;
    append(&mut archive, "manifest.json", text.len() as u64, text.as_slice())?;
    for (table, spool) in manifest.tables.iter().zip(spools) {
        append(&mut archive, &format!("tables/{}.jsonl", table.name), table.bytes, spool.take(table.bytes))?;
    }
    for (key, bytes) in keys {
        append(&mut archive, &format!("keys/{}", key.name), bytes.len() as u64, bytes.as_slice())?;
    }
    archive.into_inner()?.finish()?.into_inner().map_err(std::io::IntoInnerError::into_error)?;
    file.sync_all()
}

/// The key files of the data folder; what the environment holds counts as the file it stands for.
fn key_files(ctx: &Ctx) -> Result<Vec<(KeyEntry, Vec<u8>)>, Error> {
    let mut found = Vec::new();
    let mut add = |name: String, bytes: Vec<u8>| {
        let sha256 = hex(&Sha256::digest(&bytes));
        found.push((KeyEntry { name, sha256 }, bytes));
    };
    let config = &ctx.config;
    for (name, file, given) in [
        ("secret.key", config.secret_key_file(), &config.secret_key),
        ("jwt.key", config.jwt_key_file(), &config.auth.jwt_secret),
    ] {
        match (std::fs::read(&file), given) {
            (Ok(bytes), _) => add(name.to_owned(), bytes),
            (Err(_), Some(secret)) => add(name.to_owned(), secret.0.clone().into_bytes()),
            (Err(source), None) => return Err(Error::File { file, source }),
        }
    }
    for folder in ["ssh", "keys"] {
        let place = config.data_dir.join(folder);
        let Ok(entries) = std::fs::read_dir(&place) else { continue };
        let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
        files.sort();
        for path in files {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            add(format!("{folder}/{name}"), std::fs::read(&path).map_err(Error::file(&path))?);
        }
    }
    Ok(found)
}
