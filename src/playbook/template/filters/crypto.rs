//! Sums, base 64, passwords, vaults.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use base64::{Engine as _, alphabet, engine::general_purpose as base64_of};
use minijinja::{
    Error,
    value::{Value, ValueKind},
};
use sha2::Digest as _;

use super::super::{
    call::{Call, Entry, bad, entry},
    dump::py_str,
};
use crate::{
    playbook::{crypt, value::hex, vault},
    remote::Secret,
};

pub(in super::super) static TABLE: &[Entry] = &[
    entry(&["b64decode"], "encoding urlsafe", b64decode),
    entry(&["b64encode"], "encoding urlsafe", b64encode),
    entry(&["checksum", "sha1"], "", |c| Ok(sum_of("sha1", &bytes_of(&c.value))?.into())),
    entry(&["hash"], "hashtype", |c| {
        let kind = c.str_or(0, "sha1");
        Ok(sum_of(&kind, &bytes_of(&c.value))?.into())
    }),
    entry(&["md5"], "", |c| Ok(sum_of("md5", &bytes_of(&c.value))?.into())),
    entry(&["password_hash"], "hashtype salt salt_size rounds ident", password_hash),
    entry(&["to_uuid"], "namespace", to_uuid),
    entry(&["unvault"], "secret vault_id vaultid", |c| {
        let keys = vault::Keys::new(vec![("default".into(), secret_of(c)?)]);
        if c.value.kind() != ValueKind::String {
            return Err(c.fault("a vault is text"));
        }
        let text = c.text();
        if !vault::is_vault(text.as_bytes()) {
            return Ok(text.into());
        }
        let plain = keys.open(&text).map_err(|_| c.fault("unable to decrypt: another secret, or no vault"))?;
        Ok(String::from_utf8_lossy(&plain).into_owned().into())
    }),
    entry(&["vault"], "secret salt vault_id wrap_object vaultid", |c| {
        let secret = secret_of(c)?;
        if !matches!(c.value.kind(), ValueKind::String | ValueKind::Bytes) {
            return Err(c.fault("only text can be put into a vault"));
        }
        let salt = c.str(1).map_or_else(|| rand::random::<[u8; 32]>().to_vec(), String::into_bytes);
        let id = c.str(2).or_else(|| c.str(4)).unwrap_or_else(|| "filter_default".into());
        let sealed = vault::seal(&bytes_of(&c.value), &secret, &id, &salt);
        Ok(sealed.map_err(|_| c.fault("unable to encrypt"))?.into())
    }),
];

fn secret_of(c: &Call) -> Result<Secret, Error> {
    let secret = c.need(0, "secret")?;
    match secret.as_str() {
        Some("") => Err(c.fault("the secret is empty")),
        Some(text) => Ok(Secret(text.to_owned())),
        None => Err(c.fault("a secret is text")),
    }
}

fn bytes_of(value: &Value) -> Vec<u8> {
    value.as_bytes().map_or_else(|| py_str(value).into_bytes(), <[u8]>::to_vec)
}

/// The sum of bytes as hexadecimal digits.
pub(in super::super) fn sum_of(kind: &str, bytes: &[u8]) -> Result<String, Error> {
    let sum = match kind.to_ascii_lowercase().replace('-', "").as_str() {
        "md5" => md5::Md5::digest(bytes).to_vec(),
        "sha1" => sha1::Sha1::digest(bytes).to_vec(),
        "sha224" => sha2::Sha224::digest(bytes).to_vec(),
        "sha256" => sha2::Sha256::digest(bytes).to_vec(),
        "sha384" => sha2::Sha384::digest(bytes).to_vec(),
        "sha512" => sha2::Sha512::digest(bytes).to_vec(),
        _ => {
            return Err(bad(format!(
                "unsupported hash type {kind}; there are md5, sha1, sha224, sha256, sha384, sha512"
            )));
        }
    };
    Ok(hex(&sum))
}

/// Whether text of this encoding is read and written.
fn encoding(c: &Call) -> Result<&'static str, Error> {
    match c.str_or(0, "utf-8").to_ascii_lowercase().replace('_', "-").as_str() {
        "utf-8" | "utf8" | "ascii" | "us-ascii" => Ok("utf-8"),
        "utf-16-le" | "utf-16le" => Ok("utf-16-le"),
        "utf-16-be" | "utf-16be" => Ok("utf-16-be"),
        "latin-1" | "latin1" | "iso-8859-1" => Ok("latin-1"),
        other => {
            Err(c.fault(format_args!("the encoding `{other}` is not known here; utf-8, utf-16-le and latin-1 are")))
        }
    }
}

fn b64encode(c: &mut Call) -> Result<Value, Error> {
    let bytes = match encoding(c)? {
        "utf-16-le" => c.text().encode_utf16().flat_map(u16::to_le_bytes).collect(),
        "utf-16-be" => c.text().encode_utf16().flat_map(u16::to_be_bytes).collect(),
        "latin-1" => {
            let letters = c.text().chars().map(|letter| u8::try_from(u32::from(letter))).collect::<Result<Vec<_>, _>>();
            letters.map_err(|_| c.fault("this text has letters that latin-1 lacks"))?
        }
        _ => bytes_of(&c.value),
    };
    let engine = if c.flag(1, false) { &base64_of::URL_SAFE } else { &base64_of::STANDARD };
    Ok(engine.encode(bytes).into())
}

fn b64decode(c: &mut Call) -> Result<Value, Error> {
    let kind = encoding(c)?;
    let letters = if c.flag(1, false) { &alphabet::URL_SAFE } else { &alphabet::STANDARD };
    let lenient = base64_of::GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::RequireCanonical);
    // As Python: what is no letter of base 64 is passed over.
    let text = c.text();
    let clean: String = text.chars().filter(|c| *c == '=' || letters.as_str().contains(*c)).collect();
    let clean = match clean.find('=') {
        Some(at) => &clean[..clean.len().min(at.next_multiple_of(4))],
        None => &clean,
    };
    let bytes = base64_of::GeneralPurpose::new(letters, lenient).decode(clean);
    let bytes = bytes.map_err(|_| c.fault("this is no base64"))?;
    let wrong = || c.fault(format_args!("what is in this base64 is no {kind} text"));
    Ok(match kind {
        "utf-16-le" | "utf-16-be" => {
            let word = |pair: &[u8]| match (kind, pair) {
                ("utf-16-le", [a, b]) => Ok(u16::from_le_bytes([*a, *b])),
                (_, [a, b]) => Ok(u16::from_be_bytes([*a, *b])),
                _ => Err(wrong()),
            };
            let words: Result<Vec<u16>, Error> = bytes.chunks(2).map(word).collect();
            String::from_utf16(&words?).map_err(|_| wrong())?.into()
        }
        "latin-1" => bytes.into_iter().map(char::from).collect::<String>().into(),
        _ => String::from_utf8(bytes).map_err(|_| wrong())?.into(),
    })
}

/// Rounds when nobody says how many, as Ansible has them.
const ROUNDS: [(&str, u32); 2] = [("sha512", 656_000), ("sha256", 535_000)];

fn password_hash(c: &mut Call) -> Result<Value, Error> {
    /// What was hashed with a given salt: hosts that ask for the same do not wait for it again.
    static KNOWN: Mutex<Option<HashMap<[u8; 32], String>>> = Mutex::new(None);
    let kind = c.str_or(0, "sha512");
    let kind = kind.strip_suffix("_crypt").unwrap_or(&kind).to_owned();
    if c.some(4).is_some() {
        return Err(c.fault("`ident` is for bcrypt, which is not supported; take sha512"));
    }
    let rounds = match c.int(3)? {
        Some(rounds) => u32::try_from(rounds).map_err(|_| c.fault("`rounds` is out of range"))?,
        None => ROUNDS.iter().find(|(name, _)| *name == kind).map_or(5000, |(_, rounds)| *rounds),
    };
    if rounds > 10_000_000 {
        return Err(c.fault("`rounds` is at most 10000000 here"));
    }
    let Some(salt) = c.str(1) else {
        let size = c.size(2, 16)?.clamp(1, 16);
        let made = crypt::hash(&c.text(), &kind, Some(&crypt::random_salt(size)), Some(rounds));
        return made.map(Value::from).map_err(|why| c.fault(why));
    };
    let mut print = sha2::Sha256::new();
    for part in [c.text().as_str(), &kind, &salt, &rounds.to_string()] {
        print.update(part.len().to_le_bytes());
        print.update(part);
    }
    let print: [u8; 32] = print.finalize().into();
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(made) = known().get_or_insert_default().get(&print) {
        return Ok(made.as_str().into());
    }
    let made = crypt::hash(&c.text(), &kind, Some(&salt), Some(rounds)).map_err(|why| c.fault(why))?;
    known().get_or_insert_default().insert(print, made.clone());
    Ok(made.into())
}

/// The space of names in which Ansible makes its identifiers.
const SPACE: uuid::Uuid = uuid::Uuid::from_u128(0x361e_6d51_faec_444a_9079_3413_86da_8e2e);

fn to_uuid(c: &mut Call) -> Result<Value, Error> {
    let space = match c.str(0) {
        Some(text) => uuid::Uuid::parse_str(&text)
            .map_err(|_| c.fault(format_args!("Invalid value '{text}' for 'namespace': it is no UUID")))?,
        None => SPACE,
    };
    // Version 5: the first half of a SHA-1, with the version and the variant put in.
    let mut sum = sha1::Sha1::new();
    sum.update(space.as_bytes());
    sum.update(c.text().as_bytes());
    let sum = sum.finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&sum[..16]);
    Ok(uuid::Builder::from_sha1_bytes(bytes).into_uuid().to_string().into())
}
