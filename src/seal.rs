//! Secrets at rest: XChaCha20-Poly1305 with a random nonce, bound to what they belong to.

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};

/// Seals and opens secrets with one key.
#[derive(Clone)]
pub struct Sealer(XChaCha20Poly1305);

/// A sealed text cannot be opened: another key, another owner, or damage.
#[derive(Debug, thiserror::Error)]
#[error("a stored secret cannot be opened; is BERTH_SECRET_KEY the key it was stored with?")]
pub struct CannotOpen;

const VERSION: &str = "1.";

impl Sealer {
    /// From 32 random bytes.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(XChaCha20Poly1305::new(key.into()))
    }

    /// `secret` as text for a column. `owner` names the row and field; it must be the same at opening.
    pub fn seal(&self, owner: &str, secret: &str) -> String {
        let nonce: [u8; 24] = rand::random();
        let payload = Payload { msg: secret.as_bytes(), aad: owner.as_bytes() };
        let sealed = self.0.encrypt(&XNonce::from(nonce), payload).expect("a secret is far below the cipher's limit");
        format!("{VERSION}{}", STANDARD_NO_PAD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// What was sealed for `owner`.
    pub fn open(&self, owner: &str, sealed: &str) -> Result<String, CannotOpen> {
        let bytes =
            sealed.strip_prefix(VERSION).and_then(|text| STANDARD_NO_PAD.decode(text).ok()).ok_or(CannotOpen)?;
        let (nonce, body) = bytes.split_first_chunk::<24>().ok_or(CannotOpen)?;
        let payload = Payload { msg: body, aad: owner.as_bytes() };
        let plain = self.0.decrypt(&XNonce::from(*nonce), payload).map_err(|_| CannotOpen)?;
        String::from_utf8(plain).map_err(|_| CannotOpen)
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer(…)")
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
}
