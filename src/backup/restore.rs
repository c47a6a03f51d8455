//! Reading a backup: to see whether it is whole, or to put it into a database.

use std::{
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use super::{
    Error,
    archive::{Item, Manifest, read},
    create::FLEETING,
    secrets, store,
};
use crate::{
    audit,
    config::Config,
    ctx::Ctx,
    db::{
        Tx,
        copy::{self, Column, Table},
        knows_step,
    },
    reservations,
    seal::Sealer,
};

/// After so long without a sign a process counts as gone.
const GONE_AFTER_MS: i64 = 30_000;

/// What may be done to bring a backup back.
#[derive(Debug, Clone, Copy, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a word of the command line")]
pub struct How {
    /// Remove what the database holds.
    pub replace: bool,
    /// Put back the key files that are in the backup.
    pub with_keys: bool,
    /// Go on although secrets cannot be opened.
    pub without_secrets: bool,
}

/// What came of it.
#[derive(Debug)]
pub struct Restored {
    /// What the file says of itself.
    pub manifest: Manifest,
    /// How many machines will be looked at before anybody gets them.
    pub machines: usize,
    /// Key files that were put back.
    pub keys: Vec<PathBuf>,
}

impl Manifest {
    /// Reads a whole backup and checks every sum; with a sealer, also whether it opens the secrets: answers how many it
    /// does not.
    pub async fn verify(path: &Path, sealer: Option<&Sealer>) -> Result<(Self, u64), Error> {
        let mut items = read(path);
        let (mut manifest, mut lost) = (None::<Self>, 0);
        while let Some(item) = items.recv().await {
            match item? {
                Item::Manifest(found) => manifest = Some(*found),
                Item::Rows(at, rows) => {
                    let table = manifest.as_ref().map(|manifest| &manifest.tables[at]);
                    let (Some(table), Some(sealer)) = (table, sealer) else { continue };
                    let of_rows = rows.iter().flat_map(|row| secrets::of_row(&table.name, &table.columns, row));
                    lost += of_rows.filter(|sealed| !secrets::opens(sealer, sealed)).count() as u64;
                }
                Item::Key(..) => {}
            }
        }
        let manifest = manifest.ok_or_else(|| Error::Damaged("it has no manifest".into()))?;
        Ok((manifest, lost))
    }
}

/// Puts a backup into the database that the settings name: whole, or nothing of it. Machines are then marked as
/// doubtful, and whoever starts next looks at each before anybody gets it.
pub async fn restore(config: Config, path: &Path, how: How) -> Result<Restored, Error> {
    let (manifest, _) = Manifest::verify(path, None).await?;
    if let Some(step) = manifest.schema.iter().find(|step| !knows_step(**step)) {
        return Err(Error::TooNew(format!("{}, schema {step}", manifest.berth)));
    }
    let keys = if how.with_keys { put_keys(&config, path).await? } else { Vec::new() };
    let ctx = Ctx::connect(config, crate::clock::Clock::default()).await;
    let ctx = ctx.map_err(|error| Error::Broken(format!("{error:#}")))?;
    let (manifest, lost) = Manifest::verify(path, Some(&ctx.sealer)).await?;
    if 0 < lost && !how.without_secrets {
        return Err(Error::WrongKey { bad: lost, all: manifest.secrets });
    }
    let mut alone = ctx.db.alone().await?;
    let outcome = async {
        alone.migrate().await?;
        fill(&ctx, path, &manifest, how).await
    };
    let outcome = outcome.await;
    alone.end().await;
    Ok(Restored { manifest, machines: outcome?, keys })
}

async fn fill(ctx: &Ctx, path: &Path, manifest: &Manifest, how: How) -> Result<usize, Error> {
    let tables = {
        let mut conn = ctx.db.read().await?;
        copy::tables(&mut conn, ctx.db.dialect()).await?
    };
    let mut tx = ctx.db.begin_write().await?;
    let since = tx.now - GONE_AFTER_MS;
    match store::alive(&mut tx, since).await? {
        0 => {}
        processes => return Err(Error::Alive(processes)),
    }
    for table in &tables {
        if !how.replace && !FLEETING.contains(&table.name.as_str()) && 0 < copy::count(&mut tx, table).await? {
            return Err(Error::NotEmpty(table.name.clone()));
        }
        copy::clear(&mut tx, table).await?;
    }
    let targets = manifest.tables.iter().map(|entry| target(&tables, entry)).collect::<Result<Vec<_>, _>>()?;
    let mut items = read(path);
    while let Some(item) = items.recv().await {
        if let Item::Rows(at, rows) = item? {
            let (table, columns) = &targets[at];
            for some in rows.chunks(copy::rows_at_once(columns.len())) {
                copy::put(&mut tx, table, columns, some).await?;
            }
        }
    }
    settle(ctx, tx, manifest).await
}

/// Where the rows of a table go.
fn target<'a>(tables: &'a [Table], entry: &super::TableEntry) -> Result<(&'a Table, Vec<Column>), Error> {
    let unknown = |what: &str| Error::TooNew(format!("it has {what}, which this berth does not know"));
    let table = tables.iter().find(|table| table.name == entry.name);
    let table = table.ok_or_else(|| unknown(&format!("a table `{}`", entry.name)))?;
    let find = |name: &String| {
        let column = table.columns.iter().find(|column| &column.name == name).cloned();
        column.ok_or_else(|| unknown(&format!("a column `{}.{name}`", entry.name)))
    };
    Ok((table, entry.columns.iter().map(find).collect::<Result<_, _>>()?))
}

/// Marks what may not be true any more, and commits.
async fn settle(ctx: &Ctx, mut tx: Tx, manifest: &Manifest) -> Result<usize, Error> {
    store::nothing_goes_on(&mut tx).await?;
    let why = format!("the database was restored from a backup of {}; it is looked at first", manifest.made_at);
    let machines = reservations::doubt(&mut tx, &why).await.map_err(|error| Error::Broken(error.to_string()))?;
    let detail = format!("made at {} by berth {}; {machines} machines are looked at", manifest.made_at, manifest.berth);
    let entry = audit::Entry { actor: "berth", action: "backup.restore", target: "database", detail: &detail };
    audit::record(&mut tx, &entry).await?;
    ctx.commit(tx).await?;
    Ok(machines)
}

/// Puts key files back where there are none. One that is there and differs ends the restore before it began.
async fn put_keys(config: &Config, path: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    let mut items = read(path);
    while let Some(item) = items.recv().await {
        if let Item::Key(name, bytes) = item? {
            let is_plain = name.split('/').all(|part| !part.is_empty() && !part.starts_with('.'));
            if !is_plain {
                return Err(Error::Damaged(format!("`{name}` is no name of a key file")));
            }
            let place = config.data_dir.join(&name);
            match std::fs::read(&place) {
                Ok(there) if there == bytes => {}
                Ok(_) => return Err(Error::OtherKey(place)),
                Err(_) => found.push((place, bytes)),
            }
        }
    }
    let mut put = Vec::new();
    for (place, bytes) in found {
        let folder = place.parent().unwrap_or(&config.data_dir);
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(Error::file(folder))?;
        let made = std::fs::File::options().write(true).create_new(true).mode(0o600).open(&place);
        let mut file = made.map_err(Error::file(&place))?;
        file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(Error::file(&place))?;
        put.push(place);
    }
    Ok(put)
}
