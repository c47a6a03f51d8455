//! Hashing passwords: argon2id with OWASP's parameters, a few at a time, off the async threads.

use std::{
    sync::{LazyLock, OnceLock},
    thread::available_parallelism,
    time::Duration,
};

use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version, password_hash::phc::PasswordHash};
use tokio::sync::Semaphore;

use super::Error;

/// One hash takes 19 MiB and a core; more at once than cores only makes everybody wait.
static TURNS: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(available_parallelism().map_or(2, |count| count.get().min(8))));

const PATIENCE: Duration = Duration::from_secs(10);

fn hasher() -> Argon2<'static> {
    let params = Params::new(19_456, 2, 1, None).expect("these are OWASP's parameters");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// What is kept of a password.
pub(super) async fn hash(password: &str) -> Result<String, Error> {
    let password = password.to_owned();
    in_turn(move || {
        let hash: PasswordHash = hasher().hash_password(password.as_bytes()).map_err(broken)?;
        Ok(hash.to_string())
    })
    .await
}

/// Whether the password is the one of which `hash` was kept. Without a hash it takes as long and is not.
pub(super) async fn verify(password: &str, hash: Option<String>) -> Result<bool, Error> {
    let password = password.to_owned();
    in_turn(move || {
        static NOBODY: OnceLock<String> = OnceLock::new();
        let nobody = || -> String {
            let hash: PasswordHash = hasher().hash_password(b"nobody's password").expect("hashing a constant works");
            hash.to_string()
        };
        let is_somebody = hash.is_some();
        let stored = hash.unwrap_or_else(|| NOBODY.get_or_init(nobody).clone());
        let parsed = PasswordHash::new(&stored).map_err(broken)?;
        Ok(hasher().verify_password(password.as_bytes(), &parsed).is_ok() && is_somebody)
    })
    .await
}

async fn in_turn<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    let turn = tokio::time::timeout(PATIENCE, TURNS.acquire()).await.map_err(|_| Error::Busy)?;
    let turn = turn.expect("the semaphore is never closed");
    let done = tokio::task::spawn_blocking(work).await.map_err(|error| Error::Broken(error.to_string()))?;
    drop(turn);
    done
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
    }
}
