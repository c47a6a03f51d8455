//! Ansible's vault: files and texts encrypted with a password, formats 1.1 and 1.2.
//!
//! The key comes from the password by PBKDF2-HMAC-SHA256, the text is AES-256 in counter mode, and an HMAC over the
//! ciphertext is checked before anything is decrypted. Nothing here ever shows a password or a decrypted text.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use aes::{
    Aes256,
    cipher::{KeyIvInit as _, StreamCipher as _},
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use super::value::hex;
use crate::remote::Secret;

const MARK: &str = "$ANSIBLE_VAULT;";
const ROUNDS: u32 = 10_000;
/// The label of what was encrypted without one.
const DEFAULT_ID: &str = "default";

/// Why a vault stays shut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no password at all.
    #[error(
        "this is encrypted with Ansible vault; give its password with `--vault-password-file` or `--ask-vault-pass`"
    )]
    NoPassword,
    /// None of the passwords opens it.
    #[error("none of the vault passwords opens this")]
    Wrong,
    /// It is no vault, or a damaged one.
    #[error("this is no vault of Ansible's, or a damaged one")]
    Damaged,
    /// Another cipher or version.
    #[error("only vaults of the versions 1.1 and 1.2 with AES256 can be read")]
    Unknown,
}

/// Plain bytes by the checksum of their vault.
type Opened = HashMap<[u8; 32], Arc<[u8]>>;

/// The passwords that may open vaults, with their vault ids, and what they opened so far.
#[derive(Clone, Default)]
pub struct Keys {
    passwords: Arc<[(String, Secret)]>,
    opened: Arc<Mutex<Opened>>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("passwords", &self.passwords.len()).finish_non_exhaustive()
    }
}

impl Keys {
    /// Passwords with their vault ids, in the order in which they are tried. White space around a password is no part
    /// of it, as in a password file.
    pub fn new(passwords: Vec<(String, Secret)>) -> Self {
        let passwords = passwords.into_iter().map(|(id, Secret(text))| (id, Secret(text.trim().to_owned())));
        Self { passwords: passwords.collect(), opened: Arc::default() }
    }

    /// Whether there is no password.
    pub fn is_empty(&self) -> bool {
        self.passwords.is_empty()
    }

    /// What is inside a vault. The password of the vault's own id is tried first.
    pub fn open(&self, vault: &str) -> Result<Arc<[u8]>, Error> {
        let sealed = Sealed::read(vault)?;
        if self.passwords.is_empty() {
            return Err(Error::NoPassword);
        }
        let print: [u8; 32] = Sha256::digest(vault.as_bytes()).into();
        let opened = || self.opened.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(known) = opened().get(&print) {
            return Ok(Arc::clone(known));
        }
        let (mine, others): (Vec<_>, Vec<_>) = self.passwords.iter().partition(|(id, _)| *id == sealed.id);
        for (_, password) in mine.into_iter().chain(others) {
            if let Some(plain) = sealed.open(password)? {
                let plain: Arc<[u8]> = plain.into();
                opened().insert(print, Arc::clone(&plain));
                return Ok(plain);
            }
        }
        Err(Error::Wrong)
    }

    /// The text of a file: what is inside when it is a vault, else the file itself.
    pub fn text(&self, bytes: Vec<u8>) -> Result<String, String> {
        let bytes = if is_vault(&bytes) {
            let vault = String::from_utf8(bytes).map_err(|_| Error::Damaged.to_string())?;
            self.open(&vault).map_err(|e| e.to_string())?.to_vec()
        } else {
            bytes
        };
        String::from_utf8(bytes).map_err(|_| "is not UTF-8".into())
    }
}

/// Whether these bytes begin as a vault does.
pub fn is_vault(bytes: &[u8]) -> bool {
    bytes.starts_with(MARK.as_bytes())
}

/// A vault as it is written.
struct Sealed {
    id: String,
    salt: Vec<u8>,
    mac: Vec<u8>,
    cipher: Vec<u8>,
}

impl Sealed {
    fn read(vault: &str) -> Result<Self, Error> {
        let mut lines = vault.split_whitespace();
        let header = lines.next().and_then(|line| line.strip_prefix(MARK)).ok_or(Error::Damaged)?;
        let mut words = header.split(';').map(str::trim);
        let (version, cipher) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        if !matches!(version, "1.1" | "1.2") || cipher != "AES256" {
            return Err(Error::Unknown);
        }
        let id = words.next().unwrap_or(DEFAULT_ID).to_owned();
        let body: String = lines.collect();
        let inner = unhex(body.as_bytes()).ok_or(Error::Damaged)?;
        let mut parts = inner.splitn(3, |byte| *byte == b'\n').map(unhex);
        let mut part = || parts.next().flatten().ok_or(Error::Damaged);
        Ok(Self { id, salt: part()?, mac: part()?, cipher: part()? })
    }

    /// `None` when this is not the password.
    fn open(&self, password: &Secret) -> Result<Option<Vec<u8>>, Error> {
        let derived = derive(password, &self.salt);
        let mut mac = hmac_of(&derived[32..64]);
        mac.update(&self.cipher);
        if mac.verify_slice(&self.mac).is_err() {
            return Ok(None);
        }
        let mut plain = self.cipher.clone();
        counter(&derived)?.apply_keystream(&mut plain);
        // The padding says its own length in each of its bytes.
        let pad = plain.last().copied().map_or(0, usize::from);
        if pad == 0 || pad > 16 || pad > plain.len() {
            return Err(Error::Damaged);
        }
        plain.truncate(plain.len() - pad);
        Ok(Some(plain))
    }
}

/// Puts `plain` into a vault, as the filter `vault` does.
pub fn seal(plain: &[u8], password: &Secret, id: &str, salt: &[u8]) -> Result<String, Error> {
    let derived = derive(password, salt);
    let pad = 16 - plain.len() % 16;
    let mut cipher = plain.to_vec();
    cipher.extend(std::iter::repeat_n(u8::try_from(pad).unwrap_or(16), pad));
    counter(&derived)?.apply_keystream(&mut cipher);
    let mut mac = hmac_of(&derived[32..64]);
    mac.update(&cipher);
    let parts = [hex(salt), hex(&mac.finalize().into_bytes()), hex(&cipher)].join("\n");
    let body = hex(parts.as_bytes());
    let mut text = match id {
        "" | DEFAULT_ID => format!("{MARK}1.1;AES256"),
        id => format!("{MARK}1.2;AES256;{id}"),
    };
    for at in (0..body.len()).step_by(80) {
        text.push('\n');
        text.push_str(&body[at..body.len().min(at + 80)]);
    }
    text.push('\n');
    Ok(text)
}

/// The key of the cipher, the key of the HMAC, and where the counter starts.
fn derive(password: &Secret, salt: &[u8]) -> [u8; 80] {
    pbkdf2::pbkdf2_hmac_array::<Sha256, 80>(password.0.as_bytes(), salt, ROUNDS)
}

fn hmac_of(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("an HMAC takes a key of any length")
}

fn counter(derived: &[u8; 80]) -> Result<ctr::Ctr128BE<Aes256>, Error> {
    ctr::Ctr128BE::new_from_slices(&derived[..32], &derived[64..]).map_err(|_| Error::Damaged)
}

fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(passwords: &[(&str, &str)]) -> Keys {
        Keys::new(passwords.iter().map(|(id, text)| ((*id).to_owned(), Secret((*text).to_owned()))).collect())
    }

    #[test]
    fn what_was_sealed_opens_with_its_password_alone() {
        for plain in ["", "a", "exactly sixteen.", "zwölf Boxkämpfer\n"] {
            let vault = seal(plain.as_bytes(), &Secret("hunter2".into()), "prod", &[7; 32]).unwrap();
            assert!(vault.starts_with("$ANSIBLE_VAULT;1.2;AES256;prod\n"), "{vault}");
            assert!(vault.lines().all(|line| line.len() <= 80));
            let right = keys(&[("dev", "other"), ("default", " hunter2\n")]);
            assert_eq!(&*right.open(&vault).unwrap(), plain.as_bytes());
            assert_eq!(right.text(vault.clone().into_bytes()).unwrap(), plain);
            assert_eq!(keys(&[("prod", "hunter3")]).open(&vault), Err(Error::Wrong));
            assert_eq!(Keys::default().open(&vault), Err(Error::NoPassword));
        }
    }

    #[test]
    fn damaged_and_foreign_vaults_are_refused() {
        let keys = keys(&[("default", "x")]);
        let vault = seal(b"text", &Secret("x".into()), "", &[1; 32]).unwrap();
        assert!(vault.starts_with("$ANSIBLE_VAULT;1.1;AES256\n"));
        for (text, error) in [
            ("", Error::Damaged),
            ("$ANSIBLE_VAULT;1.1;AES256\nzz", Error::Damaged),
            ("$ANSIBLE_VAULT;1.1;AES256\n616", Error::Damaged),
            ("$ANSIBLE_VAULT;1.1;AES256\n6161", Error::Damaged),
            ("$ANSIBLE_VAULT;1.0;AES\n6161", Error::Unknown),
        ] {
            assert_eq!(keys.open(text), Err(error), "{text}");
        }
        let broken = vault.replacen("31", "32", 3);
        assert!(keys.open(&broken).is_err());
        assert!(!format!("{keys:?}").contains('x'));
    }

    #[test]
    fn a_vault_made_elsewhere_opens() {
        let vault = "$ANSIBLE_VAULT;1.1;AES256\n\
            30303031303230333034303530363037303830393061306230633064306530663130313131323133\n\
            3134313531363137313831393161316231633164316531660a613838663536326234623238393763\n\
            37626635643932626665326537386365356338646431373231343262623736316264393365303765\n\
            6638653362653763610a303538353733653861313939303532663633316339646161326138386261\n\
            3138";
        assert_eq!(&*keys(&[("default", "hunter2")]).open(vault).unwrap(), b"made elsewhere\n");
    }
}
