//! Changing keys while they are used.
//!
//! The key that encrypts: a new one comes to the front of the key file, the old one stays behind it, and every secret is
//! sealed anew. Running processes look at the file's date before they seal, and when they cannot open. The old key is
//! forgotten by a step of its own, when nothing is sealed with it. The key that signs: the old one stays until the last
//! token that it signed has expired.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{Error, secrets};
use crate::{
    clock::{millis, rfc3339},
    ctx::Ctx,
    seal::ring::{Ring, fresh_key, key_id, replace},
};

/// A key of before is not forgotten before this long: what was being sealed at that moment has been written by then.
const SETTLED_MS: i64 = 120_000;
/// A token counts this much longer than it lives, for clocks that differ.
const LEEWAY_MS: i64 = 60_000;

/// How the keys stand.
#[derive(Debug, Serialize)]
pub struct Status {
    /// Where the key that encrypts comes from: a file, or `settings`.
    pub data_from: String,
    /// Its name.
    pub data_key: String,
    /// The names of those that still open.
    pub data_previous: Vec<String>,
    /// The one that comes next, if it was prepared.
    pub data_next: Option<String>,
    /// Secrets sealed with the present key.
    pub secrets_current: u64,
    /// Secrets sealed with a key of before.
    pub secrets_previous: u64,
    /// Secrets that no known key opens.
    pub secrets_lost: u64,
    /// Where the key that signs tokens comes from.
    pub tokens_from: String,
    /// Its name.
    pub tokens_key: String,
    /// The names of those that still count, and until when.
    pub tokens_previous: Vec<String>,
}

/// What a rotation of the key that encrypts did.
#[derive(Debug, PartialEq, Eq)]
pub struct Rotated {
    /// The name of the new key; none: an earlier rotation was continued, or the settings hold the key.
    pub made: Option<String>,
    /// How many secrets were sealed anew.
    pub resealed: u64,
}

/// One process changes a key file at a time.
async fn locked(file: &Path) -> Result<File, Error> {
    let path = file.with_extension("key.lock");
    let lock = File::create(&path).map_err(Error::file(&path))?;
    let lock = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock)).await.expect("locking does not panic");
    lock.map_err(Error::file(&path))
}

fn ring_of(file: &Path) -> Result<Ring, Error> {
    let text = std::fs::read_to_string(file).map_err(Error::file(file))?;
    Ring::parse(&text).ok_or_else(|| Error::Broken(format!("`{}` is no key file", file.display())))
}

fn put(file: &Path, ring: &Ring) -> Result<(), Error> {
    replace(file, ring).map_err(Error::file(file))
}

/// How the keys stand.
pub async fn status(ctx: &Ctx) -> Result<Status, Error> {
    let config = &ctx.config;
    let place = |is_file: bool, file: PathBuf| if is_file { file.display().to_string() } else { "settings".to_owned() };
    let data = match (config.key_files.secret, &config.secret_key) {
        (true, _) => ring_of(&config.secret_key_file())?,
        (false, text) => text.as_ref().and_then(|text| Ring::parse(&text.0)).unwrap_or_else(|| Ring::of(String::new())),
    };
    let tokens = config.token_ring().unwrap_or_else(|| Ring::of(String::new()));
    let count = secrets::count(ctx).await?;
    let further = config.secret_key_previous.iter().flat_map(|keys| keys.0.split([',', ' ', '\n']));
    let now = ctx.clock.now();
    let until = tokens.until.iter().filter(|(until, _)| now < *until);
    let until = until.map(|(until, key)| format!("{} until {}", key_id(key), rfc3339(*until)));
    Ok(Status {
        data_from: place(config.key_files.secret, config.secret_key_file()),
        data_key: key_id(&data.current),
        data_previous: data.previous.iter().map(String::as_str).chain(further).map(key_id).collect(),
        data_next: data.next.as_deref().map(key_id),
        secrets_current: count.current,
        secrets_previous: count.previous,
        secrets_lost: count.lost,
        tokens_from: place(config.key_files.jwt, config.jwt_key_file()),
        tokens_key: key_id(&tokens.current),
        tokens_previous: tokens.previous.iter().map(|key| key_id(key)).chain(until).collect(),
    })
}

/// Puts a key into the file that opens already and takes over at the next rotation: for servers on several hosts, to
/// all of which the file is copied in between. Answers its name.
pub async fn prepare(ctx: &Ctx) -> Result<String, Error> {
    let file = data_file(ctx)?;
    let _lock = locked(&file).await?;
    let mut ring = ring_of(&file)?;
    let next = ring.next.get_or_insert_with(fresh_key).clone();
    put(&file, &ring)?;
    Ok(key_id(&next))
}

fn data_file(ctx: &Ctx) -> Result<PathBuf, Error> {
    if ctx.config.key_files.secret {
        return Ok(ctx.config.secret_key_file());
    }
    Err(Error::Broken(
        "BERTH_SECRET_KEY is set, so no file can be changed: set BERTH_SECRET_KEY_PREVIOUS to it and BERTH_SECRET_KEY to \
         the output of `openssl rand -base64 32`, restart every process, then run `berth keys rotate --data`, which seals \
         every secret anew"
            .to_owned(),
    ))
}

/// Changes the key that encrypts and seals every secret anew. A rotation that was ended half way is continued. `each`
/// is told how many secrets were sealed so far.
pub async fn rotate_data(ctx: &Ctx, mut each: impl FnMut(u64)) -> Result<Rotated, Error> {
    let before = secrets::count(ctx).await?;
    let (mut made, mut lock) = (None, None);
    if before.previous == 0 {
        let file = data_file(ctx)?;
        lock = Some(locked(&file).await?);
        let mut ring = ring_of(&file)?;
        let fresh = ring.next.take().unwrap_or_else(fresh_key);
        made = Some(key_id(&fresh));
        ring.previous.insert(0, std::mem::replace(&mut ring.current, fresh));
        put(&file, &ring)?;
    }
    let mut resealed = 0;
    // Whoever sealed with the old key a moment ago may write it behind our back: until a look finds none.
    loop {
        let done = secrets::reseal(ctx, |done| each(resealed + done)).await?;
        resealed += done;
        if done == 0 {
            drop(lock);
            return Ok(Rotated { made, resealed });
        }
    }
}

/// Forgets the keys of before, when nothing is sealed with them. Answers how many.
pub async fn forget(ctx: &Ctx) -> Result<usize, Error> {
    let file = data_file(ctx)?;
    let _lock = locked(&file).await?;
    let mut ring = ring_of(&file)?;
    if ring.previous.is_empty() {
        return Ok(0);
    }
    let changed = std::fs::metadata(&file).and_then(|metadata| metadata.modified()).map_err(Error::file(&file))?;
    let changed = changed.duration_since(std::time::UNIX_EPOCH).map(millis).unwrap_or_default();
    let age = ctx.clock.now().saturating_sub(changed);
    if age < SETTLED_MS {
        let wait = (SETTLED_MS - age) / 1000 + 1;
        return Err(Error::Broken(format!(
            "the keys were changed {} s ago, and something may still be written with the old one; try again in {wait} s",
            age / 1000
        )));
    }
    let count = secrets::count(ctx).await?;
    if 0 < count.previous {
        return Err(Error::Broken(format!(
            "{} secrets are still sealed with a key of before; run `berth keys rotate --data` again",
            count.previous
        )));
    }
    let gone = ring.previous.len();
    ring.previous.clear();
    put(&file, &ring)?;
    Ok(gone)
}

/// Changes the key that signs tokens; tokens of the old one count until they expire. Answers the new key's name.
pub async fn rotate_tokens(ctx: &Ctx) -> Result<String, Error> {
    if !ctx.config.key_files.jwt {
        return Err(Error::Broken(
            "JWT_SECRET is set, so no file can be changed: set JWT_SECRET_PREVIOUS to it and JWT_SECRET to the output of \
             `openssl rand -base64 48`, restart every server, and unset JWT_SECRET_PREVIOUS when JWT_EXPIRES_MINUTES are \
             over"
                .to_owned(),
        ));
    }
    let file = ctx.config.jwt_key_file();
    let _lock = locked(&file).await?;
    let mut ring = ring_of(&file)?;
    let now = ctx.clock.now();
    ring.until.retain(|(until, _)| now < *until);
    let until = now.saturating_add(millis(ctx.config.auth.jwt_expires)).saturating_add(LEEWAY_MS);
    let old = std::mem::replace(&mut ring.current, fresh_key());
    ring.until.insert(0, (until, old));
    put(&file, &ring)?;
    Ok(key_id(&ring.current))
}
