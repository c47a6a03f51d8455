//! Public keys: only what `authorized_keys` may hold, without options, and well-formed to the last byte.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use sha2::{Digest, Sha256};

const SMALLEST_RSA_BITS: usize = 2048;
const LARGEST_BLOB: usize = 4096;

/// A public key that was checked. Its text is one line without options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    text: String,
    comment: String,
    fingerprint: String,
}

/// What is wrong with a public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// More than one line, or control characters.
    #[error("a public key is one line of plain text")]
    NotOneLine,
    /// It is the private half.
    #[error("this is a private key; give the public one, which ends in `.pub`, and make a new pair")]
    Private,
    /// Unknown type, or options before it.
    #[error(
        "a public key begins with its type: ssh-ed25519, ecdsa-sha2-nistp256, -384 or -521, ssh-rsa, or the sk- types of hardware keys; options are not allowed"
    )]
    Type,
    /// The middle part is not what its type says.
    #[error("the key is damaged: {0}")]
    Damaged(&'static str),
    /// Breakable.
    #[error("RSA keys need at least {SMALLEST_RSA_BITS} bits; make an ed25519 key with `ssh-keygen -t ed25519`")]
    Weak,
}

impl PublicKey {
    /// Reads `type base64 [comment]`.
    pub fn parse(text: &str) -> Result<Self, KeyFault> {
        if text.contains("PRIVATE KEY") {
            return Err(KeyFault::Private);
        }
        let line = text.trim_matches([' ', '\t', '\r', '\n']);
        if line.chars().any(|c| c.is_control() && c != '\t') || LARGEST_BLOB * 2 < line.len() {
            return Err(KeyFault::NotOneLine);
        }
        let mut words = line.split_ascii_whitespace();
        let (kind, body) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let comment = words.collect::<Vec<_>>().join(" ").chars().take(100).collect::<String>();
        let parts = parts(kind).ok_or(KeyFault::Type)?;
        let blob = STANDARD.decode(body).map_err(|_| KeyFault::Damaged("its middle part is not base64"))?;
        check(kind, parts, &blob)?;
        let fingerprint = format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(&blob)));
        let text = format!("{kind} {body} {comment}").trim_end().to_owned();
        Ok(Self { text, comment, fingerprint })
    }

    /// `type base64 comment`, fit for a line of `authorized_keys`.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What its maker called it; may be empty.
    pub fn comment(&self) -> &str {
        &self.comment
    }

    /// As `ssh-keygen -l` shows it: `SHA256:…`.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

/// What follows the type inside the key.
fn parts(kind: &str) -> Option<&'static [Part]> {
    Some(match kind {
        "ssh-ed25519" => &[Part::Exactly(32)],
        "sk-ssh-ed25519@openssh.com" => &[Part::Exactly(32), Part::Text],
        "ecdsa-sha2-nistp256" => &[Part::Curve("nistp256"), Part::Point(65)],
        "ecdsa-sha2-nistp384" => &[Part::Curve("nistp384"), Part::Point(97)],
        "ecdsa-sha2-nistp521" => &[Part::Curve("nistp521"), Part::Point(133)],
        "sk-ecdsa-sha2-nistp256@openssh.com" => &[Part::Curve("nistp256"), Part::Point(65), Part::Text],
        "ssh-rsa" => &[Part::Number, Part::Modulus],
        _ => return None,
    })
}

fn check(kind: &str, parts: &[Part], blob: &[u8]) -> Result<(), KeyFault> {
    let mut rest = blob;
    if take(&mut rest)? != kind.as_bytes() {
        return Err(KeyFault::Damaged("its type and its content differ"));
    }
    for part in parts {
        let field = take(&mut rest)?;
        let is_fine = match *part {
            Part::Exactly(length) => field.len() == length,
            Part::Point(length) => field.len() == length && field.first() == Some(&4),
            Part::Curve(name) => field == name.as_bytes(),
            Part::Text => (1..=256).contains(&field.len()) && field.iter().all(u8::is_ascii_graphic),
            Part::Number => (1..=8).contains(&field.len()),
            Part::Modulus => {
                let magnitude = field.strip_prefix(&[0]).unwrap_or(field);
                let zeros = magnitude.first().map_or(8, |byte| byte.leading_zeros()) as usize;
                if (magnitude.len() * 8).saturating_sub(zeros) < SMALLEST_RSA_BITS {
                    return Err(KeyFault::Weak);
                }
                magnitude.len() <= 2048
            }
        };
        if !is_fine {
            return Err(KeyFault::Damaged("a part has the wrong length"));
        }
    }
    if rest.is_empty() { Ok(()) } else { Err(KeyFault::Damaged("it goes on after its end")) }
}

enum Part {
    Exactly(usize),
    Point(usize),
    Curve(&'static str),
    Text,
    Number,
    Modulus,
}

fn take<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], KeyFault> {
    let short = KeyFault::Damaged("it ends early");
    let (length, after) = rest.split_first_chunk::<4>().ok_or(short.clone())?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| short.clone())?;
    let (field, after) = after.split_at_checked(length).ok_or(short)?;
    *rest = after;
    Ok(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBERERERERERERERERERERERERERERERERERERERERER";

    fn rsa(bytes: usize) -> String {
        let mut blob = Vec::new();
        let mut modulus = vec![0_u8];
        modulus.extend(vec![0x80_u8; bytes]);
        for part in [b"ssh-rsa".as_slice(), &[1, 0, 1], &modulus] {
            blob.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
            blob.extend(part);
        }
        format!("ssh-rsa {} me", STANDARD.encode(blob))
    }

    #[test]
    fn a_good_key_keeps_its_comment_and_gets_a_fingerprint() {
        let key = PublicKey::parse(&format!("  {ED25519}  alice@laptop of mine \n")).unwrap();
        assert_eq!(key.text(), format!("{ED25519} alice@laptop of mine"));
        assert_eq!(key.comment(), "alice@laptop of mine");
        assert!(key.fingerprint().starts_with("SHA256:") && key.fingerprint().len() == 50, "{}", key.fingerprint());
    }

    #[test]
    fn short_rsa_keys_are_refused() {
        assert_eq!(PublicKey::parse(&rsa(128)), Err(KeyFault::Weak));
        assert!(PublicKey::parse(&rsa(256)).is_ok());
    }

    #[test]
    fn options_second_lines_and_damage_are_refused() {
        let refused = [
            String::new(),
            format!("command=\"reboot\" {ED25519}"),
            format!("no-pty {ED25519}"),
            format!("{ED25519}\n{ED25519}"),
            format!("{ED25519} a\ncommand=\"x\" b"),
            format!("{ED25519} a\0b"),
            format!("{ED25519}AAAA"),
            ED25519[..ED25519.len() - 4].to_owned(),
            ED25519.replace("ssh-ed25519", "ssh-rsa"),
            ED25519.replace("ssh-ed25519", "ssh-dss"),
            "ssh-ed25519 $(reboot)".to_owned(),
            "-----BEGIN OPENSSH PRIVATE KEY-----\nx".to_owned(),
            "ssh-ed25519 ".to_owned() + &"A".repeat(10_240),
        ];
        for text in refused {
            assert!(PublicKey::parse(&text).is_err(), "{text}");
        }
    }
}
