//! `password_hash`: what `/etc/shadow` holds.

use sha_crypt::{Params, sha256_crypt, sha512_crypt};

const LETTERS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const ROUNDS: u32 = 5000;

/// The password as a SHA-512 crypt hash with a random salt, as `crypt(5)` describes it and every Linux reads it.
pub fn sha512_crypt_hash(password: &str) -> Result<String, String> {
    hash(password, "sha512", None, None)
}

/// So many random letters that a salt may have.
pub(super) fn random_salt(len: usize) -> String {
    (0..len).map(|_| char::from(LETTERS[usize::from(rand::random::<u8>() & 63)])).collect()
}

/// `$6$salt$…` or `$5$salt$…`; a random salt when none is given.
pub(super) fn hash(password: &str, kind: &str, salt: Option<&str>, rounds: Option<u32>) -> Result<String, String> {
    let salt = match salt {
        Some(salt) => salt.to_owned(),
        None => random_salt(16),
    };
    if salt.is_empty() || salt.len() > 16 || !salt.bytes().all(|b| LETTERS.contains(&b)) {
        return Err("a salt is 1 to 16 of `a-zA-Z0-9./`".into());
    }
    if password.contains('\0') {
        return Err("a password cannot hold NUL".into());
    }
    let params = Params::new(rounds.unwrap_or(ROUNDS)).map_err(|_| "`rounds` is out of range".to_owned())?;
    let (id, sum) = match kind {
        "sha512" | "sha512_crypt" => ("6", encode(&mixed(&sha512_crypt(password.as_bytes(), salt.as_bytes(), params)))),
        "sha256" | "sha256_crypt" => ("5", encode(&mixed(&sha256_crypt(password.as_bytes(), salt.as_bytes(), params)))),
        other => return Err(format!("the password hash `{other}` is not known here; take sha512")),
    };
    Ok(match rounds {
        Some(rounds) if rounds != ROUNDS => format!("${id}$rounds={rounds}${salt}${sum}"),
        _ => format!("${id}${salt}${sum}"),
    })
}

/// The bytes in the order in which crypt writes them down: three columns, turned by one after each row.
fn mixed(sum: &[u8]) -> Vec<u8> {
    let rows = sum.len() / 3;
    let mut order = Vec::with_capacity(sum.len());
    let (mut a, mut b, mut c) = (0, rows, 2 * rows);
    for _ in 0..rows {
        order.extend([c, b, a]);
        (a, b, c) = if sum.len() == 64 { (b + 1, c + 1, a + 1) } else { (c + 1, a + 1, b + 1) };
    }
    order.extend(3 * rows..sum.len());
    order.into_iter().filter_map(|at| sum.get(at).copied()).collect()
}

/// crypt's own base 64: the lowest six bits first.
fn encode(bytes: &[u8]) -> String {
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let mut bits = 0_u32;
        for (i, byte) in group.iter().enumerate() {
            bits |= u32::from(*byte) << (8 * i);
        }
        for _ in 0..=group.len() {
            text.push(char::from(LETTERS[(bits & 63) as usize]));
            bits >>= 6;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_vectors_come_out() {
        assert_eq!(
            hash("Hello world!", "sha512", Some("saltstring"), None).unwrap(),
            "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"
        );
        assert_eq!(
            hash("Hello world!", "sha256", Some("saltstring"), None).unwrap(),
            "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"
        );
    }
}
