//! Hashing passwords: argon2id with OWASP's parameters, a few at a time, off the async threads.

use std::{
    sync::{Arc, LazyLock, OnceLock},
    thread::available_parallelism,
    time::Duration,
};

use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::phc::{Output, ParamsString, PasswordHash, Salt},
};
use tokio::sync::Semaphore;

use super::Error;

/// One hash takes 19 MiB and a core; more at once than cores only makes everybody wait.
static TURNS: LazyLock<Arc<Semaphore>> =
    LazyLock::new(|| Arc::new(Semaphore::new(available_parallelism().map_or(2, |count| count.get().min(8)))));

/// So many may wait for their turn; who comes then is told at once to come back.
static SEATS: Semaphore = Semaphore::const_new(256);

const PATIENCE: Duration = Duration::from_secs(10);

/// glibc gives a piece of memory back at once only above 32 MiB; smaller ones it learns to keep, and 60 sign-ins left
/// 500 MiB. So room for a hash is asked for above that; what is not touched costs nothing.
const GIVEN_BACK: usize = 33 * 1024 * 1024 / Block::SIZE;

/// Hashes as `params` say, which for a password that is kept are those of its hash.
fn digest(password: &[u8], salt: &Salt, params: Params) -> Result<Output, Error> {
    let mut room = Vec::with_capacity(GIVEN_BACK);
    room.resize(params.block_count(), Block::new());
    let mut out = [0; Params::DEFAULT_OUTPUT_LEN];
    let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    hasher.hash_password_into_with_memory(password, salt, &mut out, &mut room).map_err(broken)?;
    Output::new(&out).map_err(broken)
}

/// A fresh hash in the PHC string format.
fn fresh(password: &[u8]) -> Result<String, Error> {
    let params = Params::new(19_456, 2, 1, None).expect("these are OWASP's parameters");
    let salt = Salt::generate();
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(&params).map_err(broken)?,
        salt: Some(salt),
        hash: Some(digest(password, &salt, params)?),
    };
    Ok(hash.to_string())
}

/// Whether `stored` is a hash of the password, compared in constant time.
fn matches(password: &[u8], stored: &str) -> Result<bool, Error> {
    let stored = PasswordHash::new(stored).map_err(broken)?;
    let ours = stored.algorithm == Algorithm::Argon2id.ident() && stored.version == Some(Version::V0x13.into());
    let (Some(salt), Some(hash), true) = (stored.salt, stored.hash, ours) else {
        return Err(Error::Broken("password hash: not of argon2id v19".into()));
    };
    Ok(digest(password, &salt, Params::try_from(&stored).map_err(broken)?)? == hash)
}

/// What is kept of a password.
pub(super) async fn hash(password: &str) -> Result<String, Error> {
    let password = password.to_owned();
    in_turn(move || fresh(password.as_bytes())).await
}

/// Whether the password is the one of which `hash` was kept. Without a hash it takes as long and is not.
pub(super) async fn verify(password: &str, hash: Option<String>) -> Result<bool, Error> {
    let password = password.to_owned();
    in_turn(move || {
        static NOBODY: OnceLock<String> = OnceLock::new();
        let is_somebody = hash.is_some();
        let nobody = || fresh(b"nobody's password").expect("hashing a constant works");
        let stored = hash.unwrap_or_else(|| NOBODY.get_or_init(nobody).clone());
        Ok(matches(password.as_bytes(), &stored)? && is_somebody)
    })
    .await
}

async fn in_turn<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    let turn = {
        let _seat = SEATS.try_acquire().map_err(|_| Error::Busy)?;
        let turn = tokio::time::timeout(PATIENCE, Arc::clone(&TURNS).acquire_owned()).await;
        turn.map_err(|_| Error::Busy)?.expect("the semaphore is never closed")
    };
    let done = tokio::task::spawn_blocking(move || {
        // The turn ends with the work: a client that hangs up must not make room for another hash.
        let _turn = turn;
        work()
    });
    done.await.map_err(|error| Error::Broken(error.to_string()))?
}

fn broken(error: impl std::fmt::Display) -> Error {
    Error::Broken(format!("password hash: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_matches_its_own_hash_only() {
        let kept = hash("correct horse").await.unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        assert!(verify("correct horse", Some(kept.clone())).await.unwrap());
        assert!(!verify("correct horsf", Some(kept)).await.unwrap());
        assert!(!verify("nobody's password", None).await.unwrap());
        // RFC 9106's algorithm with other parameters, as another program made it.
        let other = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        assert!(verify("password", Some(other.into())).await.unwrap());
        let error = verify(
            "password",
            Some("$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$/U3YPXYsSb3q9XxHvc0MLxur+GP960kN9j7emXX8zwY".into()),
        );
        assert!(error.await.is_err());
    }

    #[tokio::test]
    async fn who_hangs_up_makes_no_room_for_another_hash() {
        let (begun, mut has_begun) = tokio::sync::mpsc::unbounded_channel();
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let mut asking = Box::pin(in_turn(move || {
            begun.send(TURNS.available_permits()).unwrap();
            wait.recv().map_err(broken)
        }));
        let left = tokio::select! {
            _ = &mut asking => unreachable!("it waits to be let go"),
            left = has_begun.recv() => left.unwrap(),
        };
        let all = available_parallelism().map_or(2, |count| count.get().min(8));
        assert!(left < all);
        drop(asking);
        // Other tests hash, too: the turn of the one who left is among those that are taken until it is let go.
        let mut others = Vec::new();
        while let Ok(turn) = Arc::clone(&TURNS).try_acquire_owned() {
            others.push(turn);
        }
        assert!(others.len() < all, "the turn came free while the work went on");
        go.send(()).unwrap();
    }
}
