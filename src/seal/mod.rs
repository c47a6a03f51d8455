//! Secrets at rest: XChaCha20-Poly1305 with a random nonce, bound to what they belong to.

pub mod ring;

use std::{fmt::Write, sync::Arc};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};

use self::ring::{Ring, Watched};

/// Seals with one key; opens with that and those of before.
#[derive(Debug, Clone)]
pub struct Sealer(Arc<Watched<Keys>>);

/// The first seals.
struct Keys(Vec<XChaCha20Poly1305>);

/// A sealed text cannot be opened: another key, another owner, or damage.
#[derive(Debug, thiserror::Error)]
#[error("a stored secret cannot be opened; is BERTH_SECRET_KEY the key it was stored with?")]
pub struct CannotOpen;

const VERSION: &str = "1.";

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes all that is written");
        text
    })
}

/// The 32 bytes of a key, if it is one.
pub fn key_bytes(text: &str) -> Option<[u8; 32]> {
    STANDARD.decode(text.trim()).ok()?.try_into().ok()
}

impl Keys {
    fn of(ring: &Ring) -> Option<Self> {
        let all = [&ring.current].into_iter().chain(&ring.previous).chain(&ring.next);
        let all = all.map(|key| key_bytes(key).map(|key| XChaCha20Poly1305::new(&key.into())));
        all.collect::<Option<Vec<_>>>().map(Self)
    }
}

impl Sealer {
    /// From 32 random bytes.
    pub fn new(key: &[u8; 32]) -> Self {
        Self::from_ring(Ring::of(STANDARD.encode(key)), None, Vec::new()).expect("these are 32 bytes")
    }

    /// From a ring of keys; with a file, from what stands there when it is changed. `further` open, too. None: a key
    /// is not the base64 of 32 bytes.
    pub fn from_ring(ring: Ring, file: Option<std::path::PathBuf>, further: Vec<String>) -> Option<Self> {
        let read = move |mut ring: Ring| {
            ring.previous.extend(further.iter().cloned());
            Keys::of(&ring)
        };
        Some(Self(Arc::new(Watched::new(ring, file, read)?)))
    }

    /// `secret` as text for a column. `owner` names the row and field; it must be the same at opening.
    pub fn seal(&self, owner: &str, secret: &str) -> String {
        let nonce: [u8; 24] = rand::random();
        let payload = Payload { msg: secret.as_bytes(), aad: owner.as_bytes() };
        let keys = self.0.fresh();
        let sealed =
            keys.0[0].encrypt(&XNonce::from(nonce), payload).expect("a secret is far below the cipher's limit");
        format!("{VERSION}{}", STANDARD_NO_PAD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// What was sealed for `owner`.
    pub fn open(&self, owner: &str, sealed: &str) -> Result<String, CannotOpen> {
        self.open_with(owner, sealed).map(|(secret, _)| secret)
    }

    /// The same, and whether it is the key that seals now.
    pub fn open_with(&self, owner: &str, sealed: &str) -> Result<(String, bool), CannotOpen> {
        // A key that is not known yet may have been put into the file by another process.
        let known = self.0.get();
        let opened = known.open(owner, sealed);
        let fresh = self.0.fresh();
        if Arc::ptr_eq(&known, &fresh) { opened } else { fresh.open(owner, sealed) }
    }
}

impl Keys {
    fn open(&self, owner: &str, sealed: &str) -> Result<(String, bool), CannotOpen> {
        let bytes =
            sealed.strip_prefix(VERSION).and_then(|text| STANDARD_NO_PAD.decode(text).ok()).ok_or(CannotOpen)?;
        let (nonce, body) = bytes.split_first_chunk::<24>().ok_or(CannotOpen)?;
        for (at, key) in self.0.iter().enumerate() {
            let payload = Payload { msg: body, aad: owner.as_bytes() };
            if let Ok(plain) = key.decrypt(&XNonce::from(*nonce), payload) {
                return String::from_utf8(plain).map(|plain| (plain, at == 0)).map_err(|_| CannotOpen);
            }
        }
        Err(CannotOpen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_opens_for_its_owner_only() {
        let keeper = Sealer::new(&[7; 32]);
        let sealed = keeper.seal("machine:1:password", "hunter2");
        assert!(!sealed.contains("hunter2"));
        assert_ne!(sealed, keeper.seal("machine:1:password", "hunter2"), "every sealing has its own nonce");
        assert_eq!(keeper.open("machine:1:password", &sealed).unwrap(), "hunter2");
        assert!(keeper.open("machine:2:password", &sealed).is_err());
        assert!(Sealer::new(&[8; 32]).open("machine:1:password", &sealed).is_err());
        for damaged in ["", "1.", "1.AAAA", "2.zz", &sealed[..sealed.len() - 2]] {
            assert!(keeper.open("machine:1:password", damaged).is_err());
        }
    }

    #[test]
    fn a_key_of_before_opens_and_no_longer_seals() {
        let (old, new) = (STANDARD.encode([7; 32]), STANDARD.encode([8; 32]));
        let sealed = Sealer::new(&[7; 32]).seal("a", "hunter2");
        let ring = Ring { previous: vec![old.clone()], ..Ring::of(new.clone()) };
        let both = Sealer::from_ring(ring, None, Vec::new()).unwrap();
        assert_eq!(both.open_with("a", &sealed).unwrap(), ("hunter2".to_owned(), false));
        assert!(both.open_with("a", &both.seal("a", "x")).unwrap().1);
        assert!(Sealer::new(&[7; 32]).open("a", &both.seal("a", "x")).is_err());
        let by_setting = Sealer::from_ring(Ring::of(new), None, vec![old]).unwrap();
        assert!(by_setting.open("a", &sealed).is_ok());
        assert!(Sealer::from_ring(Ring::of("short".into()), None, Vec::new()).is_none());
        assert!(!format!("{both:?}").contains(&sealed));
    }

    #[test]
    fn a_key_changed_in_its_file_is_used_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret.key");
        let (old, new) = (STANDARD.encode([7; 32]), STANDARD.encode([8; 32]));
        ring::replace(&file, &Ring::of(old.clone())).unwrap();
        let one = Sealer::from_ring(Ring::of(old.clone()), Some(file.clone()), Vec::new()).unwrap();
        let before = one.seal("a", "x");
        ring::replace(&file, &Ring { previous: vec![old], ..Ring::of(new) }).unwrap();
        let other = Sealer::new(&[8; 32]).seal("a", "y");
        assert_eq!(one.open("a", &other).unwrap(), "y");
        assert!(!one.open_with("a", &before).unwrap().1);
        assert!(Sealer::new(&[8; 32]).open("a", &one.seal("a", "z")).is_ok());
    }
}
