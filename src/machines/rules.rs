//! What a machine's fields may hold. The same rules for the inventory file and for a request's body.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

use crate::remote::Secret;

/// The most machines one file may name.
pub const MAX_MACHINES: usize = 20_000;
/// The most labels of one machine.
pub const MAX_LABELS: usize = 32;

/// Something wrong with an inventory or a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where, as a JSON pointer; empty for the whole.
    pub pointer: String,
    /// Line in the file, from 1.
    pub line: Option<u64>,
    /// Column in the file, from 1.
    pub column: Option<u64>,
    /// What, and how to mend it. Never quotes neighbouring text.
    pub detail: String,
}

impl Fault {
    pub(super) fn whole(detail: impl Into<String>) -> Self {
        Self::at("", detail)
    }

    pub(super) fn at(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), line: None, column: None, detail: detail.into() }
    }
}

/// A machine as an inventory or a request describes it: every field keeps the rules of this file.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The user to log in as.
    pub user: String,
    /// The user's password, to install Berth's own key with.
    pub password: Option<Secret>,
    /// A private key to log in with, as a path.
    pub key_file: Option<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// The pool.
    pub pool: String,
    /// The host keys to accept; none: whatever the host shows at first contact.
    pub host_keys: Vec<String>,
    /// `ProxyJump` value.
    pub jump: Option<String>,
}

/// A value that may be shown in a message: it cannot hold a swallowed line of the file.
pub(super) fn shown(value: &str) -> Option<&str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-:/".contains(c);
    (!value.is_empty() && value.len() <= 64 && value.chars().all(plain)).then_some(value)
}

fn starts_plain(value: &str) -> bool {
    value.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
}

fn name_like(value: &str, what: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    if starts_plain(value) && value.len() <= 63 && value.chars().all(plain) {
        return Ok(());
    }
    Err(format!("{what} is 1 to 63 of a-z, 0-9, `.`, `_`, `-`, and starts with a letter or digit"))
}

/// Addresses of the page below `/machines`, where a machine of that name could not be shown.
const RESERVED: [&str; 2] = ["new", "import"];

/// A machine's name.
pub fn name(value: &str) -> Result<(), String> {
    if RESERVED.contains(&value) {
        return Err(format!("no machine can be called `{value}`: the page at `/machines/{value}` has that address"));
    }
    name_like(value, "a machine's name")
}

/// A pool's name.
pub fn pool(value: &str) -> Result<(), String> {
    name_like(value, "a pool's name")
}

/// A host name or address.
pub fn host(value: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._:%-".contains(c);
    if value.is_empty() {
        return Err("the host is empty; write a name or an address".into());
    }
    if value.starts_with('-') {
        return Err("a host must not start with `-`".into());
    }
    if 253 < value.len() || !value.chars().all(plain) {
        return Err(
            "a host is a name, an IPv4 or an IPv6 address (without brackets or port), at most 253 characters".into()
        );
    }
    Ok(())
}

/// A TCP port.
pub fn port(value: i64) -> Result<u16, String> {
    u16::try_from(value).ok().filter(|port| *port != 0).ok_or_else(|| "a port is a whole number from 1 to 65535".into())
}

/// A login user.
pub fn user(value: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let starts = value.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if starts && value.len() <= 32 && value.chars().all(plain) {
        return Ok(());
    }
    Err("a user is 1 to 32 of letters, digits, `.`, `_`, `-`, and starts with a letter or `_`".into())
}

/// A login password.
pub fn password(value: &str) -> Result<(), String> {
    if value.is_empty() {
        return Err("the password is empty; leave it out if the machine knows a key".into());
    }
    if 1024 < value.len() {
        return Err("a password has at most 1024 bytes".into());
    }
    if value.chars().any(char::is_control) {
        return Err("a password must not hold control characters or line breaks".into());
    }
    Ok(())
}

/// A private key's path: absolute, or below the data directory's `keys` folder.
pub fn key_file(value: &str) -> Result<(), String> {
    if value.is_empty() || 1000 < value.len() || value.starts_with('-') || value.chars().any(char::is_control) {
        return Err("a key file is a path of 1 to 1000 characters without control characters or a leading `-`".into());
    }
    if value.split('/').any(|part| part == "..") {
        return Err("a key file's path must not hold `..`".into());
    }
    // ssh expands these in IdentityFile.
    if value.starts_with('~') || value.contains(['%', '$', '"']) {
        return Err("a key file's path must not hold `~`, `%`, `$` or quotes; write it in full".into());
    }
    Ok(())
}

/// A label's name.
pub fn label_name(value: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    if value.starts_with(|c: char| c.is_ascii_alphanumeric()) && value.len() <= 63 && value.chars().all(plain) {
        return Ok(());
    }
    Err("a label's name is 1 to 63 of letters, digits, `.`, `_`, `-`, `/`, and starts with a letter or digit".into())
}

/// A label's value.
pub fn label_value(value: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/+:@".contains(c);
    if value.len() <= 127 && value.chars().all(plain) && !value.starts_with('-') {
        return Ok(());
    }
    Err("a label's value is at most 127 of letters, digits, `.`, `_`, `-`, `/`, `+`, `:`, `@`".into())
}

/// A public host key, as `ssh-keyscan` shows it without the host. Answers `type base64`.
pub fn host_key(value: &str) -> Result<String, String> {
    let refused =
        || "a host key is `ssh-ed25519 AAAA…`, as in /etc/ssh/ssh_host_ed25519_key.pub on the machine".to_owned();
    if value.chars().any(char::is_control) || 4096 < value.len() {
        return Err(refused());
    }
    let mut words = value.split_ascii_whitespace();
    let (Some(kind), Some(text)) = (words.next(), words.next()) else { return Err(refused()) };
    let known = [
        "ssh-ed25519",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
        "ssh-rsa",
        "sk-ssh-ed25519@openssh.com",
        "sk-ecdsa-sha2-nistp256@openssh.com",
    ];
    let inside = STANDARD.decode(text).map_err(|_| refused())?;
    let starts = [u32::try_from(kind.len()).unwrap_or(0).to_be_bytes().as_slice(), kind.as_bytes()].concat();
    if known.contains(&kind) && inside.starts_with(&starts) && starts.len() < inside.len() {
        return Ok(format!("{kind} {text}"));
    }
    Err(refused())
}

/// A jump host as `ssh -J` takes it: `[user@]host[:port]`, several with commas.
pub fn jump(value: &str) -> Result<(), String> {
    let refused = || "a jump host is `host`, `user@host` or `user@host:port`; at most five, with commas".to_owned();
    let hops: Vec<&str> = value.split(',').collect();
    if 5 < hops.len() || 250 < value.len() {
        return Err(refused());
    }
    for hop in hops {
        let (login, address) = hop.split_once('@').map_or((None, hop), |(login, address)| (Some(login), address));
        let (name, number) = match address.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((name, "")) => (name, None),
            Some((name, rest)) => (name, Some(rest.strip_prefix(':').ok_or_else(refused)?)),
            None => address.split_once(':').map_or((address, None), |(name, number)| (name, Some(number))),
        };
        let number_is_good = number.is_none_or(|text| text.parse().is_ok_and(|number| port(number).is_ok()));
        if host(name).is_err() || login.is_some_and(|login| user(login).is_err()) || !number_is_good {
            return Err(refused());
        }
    }
    Ok(())
}

/// A reason given by an admin: one line for people.
pub fn reason(value: &str) -> Result<String, String> {
    let text = value.trim();
    if text.is_empty() || 500 < text.chars().count() || text.chars().any(char::is_control) {
        return Err("a reason is one line of 1 to 500 characters".into());
    }
    Ok(text.to_owned())
}

/// What `ssh-keygen -l` shows of a public key: `SHA256:…`.
pub fn fingerprint(key: &str) -> Option<String> {
    let text = key.split_ascii_whitespace().nth(1)?;
    let digest = Sha256::digest(STANDARD.decode(text).ok()?);
    Some(format!("SHA256:{}", base64::engine::general_purpose::STANDARD_NO_PAD.encode(digest)))
}

/// The name among `known` that was probably meant.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let usual = [
        ("username", "user"),
        ("login", "user"),
        ("login_user", "user"),
        ("ansible_user", "user"),
        ("ip", "host"),
        ("address", "host"),
        ("hostname", "host"),
        ("ansible_host", "host"),
        ("ansible_port", "port"),
        ("pass", "password"),
        ("ansible_password", "password"),
        ("tags", "labels"),
        ("identity_file", "key_file"),
        ("ssh_key", "key_file"),
        ("proxy_jump", "jump"),
        ("hosts", "machines"),
    ];
    let lower: String = word.to_lowercase().chars().take(40).collect();
    if let Some((_, meant)) = usual.iter().find(|(from, _)| *from == lower) {
        return known.iter().copied().find(|name| name == meant);
    }
    let ranked = known.iter().map(|name| (distance(&lower, name), *name)).min()?;
    (ranked.0 <= 2 && ranked.0 < ranked.1.len()).then_some(ranked.1)
}

fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = before + usize::from(x != *y);
            before = row[j + 1];
            row[j + 1] = changed.min(before + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// For who tries random texts: what passes can be an argument of `ssh`.
pub(super) fn try_text(text: &str) {
    let plain = |value: &str| !value.starts_with('-') && !value.contains(|c: char| c.is_control() || c.is_whitespace());
    for (what, passes) in [
        ("host", host(text).is_ok()),
        ("user", user(text).is_ok()),
        ("jump", jump(text).is_ok()),
        ("name", name(text).is_ok()),
    ] {
        assert!(!passes || plain(text), "{what} {text:?}");
    }
    assert!(key_file(text).is_err() || text.split('/').all(|part| part != ".."), "{text:?}");
    let _ = (password(text), label_name(text), label_value(text), reason(text));
    if let Ok(key) = host_key(text) {
        assert!(fingerprint(&key).is_some() && !key.contains('\n'), "{text:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";

    #[test]
    fn a_name_that_is_an_address_of_the_page_is_refused_with_the_reason() {
        for reserved in RESERVED {
            let why = name(reserved).unwrap_err();
            assert!(why.contains(&format!("`/machines/{reserved}`")), "{why}");
        }
        assert!(name("new-1").is_ok() && pool("import").is_ok());
    }

    #[test]
    fn hostile_values_are_refused_in_every_field() {
        let long = "a".repeat(10_000);
        for bad in
            ["", "-oProxyCommand=x", "a b", "a\nb", "a\0b", "$(reboot)", "`reboot`", "a;b", "../x\n", &long, "'", "\""]
        {
            assert!(name(bad).is_err(), "{bad:?}");
            assert!(pool(bad).is_err(), "{bad:?}");
            assert!(host(bad).is_err(), "{bad:?}");
            assert!(user(bad).is_err(), "{bad:?}");
            assert!(jump(bad).is_err(), "{bad:?}");
            assert!(host_key(bad).is_err(), "{bad:?}");
            assert!(label_name(bad).is_err(), "{bad:?}");
            assert!(bad.is_empty() || label_value(bad).is_err(), "{bad:?}");
        }
        for bad in ["", "../k", "a/../b", "-x", "~/k", "a\nb", "/k%h", "/k$HOME", &long] {
            assert!(key_file(bad).is_err(), "{bad:?}");
        }
        for bad in ["", "a\nb", "a\0", &long] {
            assert!(password(bad).is_err(), "{bad:?}");
        }
        for bad in [0, -1, 65_536, i64::MAX, i64::MIN] {
            assert!(port(bad).is_err());
        }
    }

    #[test]
    fn honest_values_pass() {
        for good in ["10.0.0.1", "quay.example", "fe80::1%eth0", "localhost"] {
            assert!(host(good).is_ok(), "{good}");
        }
        for good in ["a", "quay-1", "0.x_y"] {
            assert!(name(good).is_ok(), "{good}");
        }
        for good in ["h", "u@h", "u@h:22", "a,b@c:1", "u@[fe80::1]:22"] {
            assert!(jump(good).is_ok(), "{good}");
        }
        assert!(password("$(reboot) '\" ü -").is_ok());
        assert_eq!(host_key(&format!("{KEY} root@box")).unwrap(), KEY);
        assert!(host_key(&KEY.replace("AAAAC3", "AAAAB3")).is_err());
        assert_eq!(port(22).unwrap(), 22);
    }

    #[test]
    fn a_fingerprint_is_what_ssh_keygen_shows() {
        // Known from GitHub's published keys.
        assert_eq!(fingerprint(KEY).unwrap(), "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU");
    }

    #[test]
    fn a_misspelt_field_finds_its_name() {
        let known = ["name", "host", "port", "user", "password", "machines"];
        for (word, meant) in [("pasword", "password"), ("hsot", "host"), ("username", "user"), ("Port", "port")] {
            assert_eq!(nearest(word, &known), Some(meant));
        }
        assert_eq!(nearest("zzz", &known), None);
    }
}
