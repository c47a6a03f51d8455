//! The hash chain over the audit: each entry's hash covers its fields and the hash before it.
//!
//! Nothing here reads or writes: a [`Walk`] is given entries in their order and says where the chain breaks, whether
//! they come from the database or from an exported file. What is hashed, so that anybody can check it with other
//! tools: SHA-256 over netstrings (`length:bytes,`) of these texts in UTF-8, in this order: `berth-audit-1`, the number
//! of the entry, the hash before it in hexadecimal, its id, its moment in milliseconds, actor, action, target, detail,
//! request id, peer. Before the first entry the hash is 64 zeros.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::{clock::Millis, seal::hex};

/// The name of this form of the chain.
pub const FORMAT: &str = "berth-audit-1";
/// The hash before the first entry.
pub const NOTHING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// An entry with its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Its number, from 1.
    pub seq: i64,
    /// Its id.
    pub id: String,
    /// When, in milliseconds since 1970 UTC.
    pub at: Millis,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// To what.
    pub target: String,
    /// More.
    pub detail: String,
    /// The request.
    pub request_id: String,
    /// The address it came from.
    pub peer: String,
    /// The hash that was kept.
    pub hash: String,
}

/// A place in the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Place {
    /// The number of the entry; 0 before the first.
    pub seq: i64,
    /// Its hash.
    pub hash: String,
}

impl Place {
    /// Before the first entry.
    pub fn start() -> Self {
        Self { seq: 0, hash: NOTHING.to_owned() }
    }
}

impl std::str::FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (seq, hash) = text.split_once(':')?;
            let is_hash = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
            let seq = seq.parse().ok().filter(|seq| 0 < *seq)?;
            is_hash.then(|| Self { seq, hash: hash.to_ascii_lowercase() })
        };
        read().ok_or_else(|| "write a place of the chain as `NUMBER:HASH`, as `berth audit verify` shows it".to_owned())
    }
}

/// Where the chain does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Break {
    /// The number of the first entry that is wrong or missing.
    pub seq: i64,
    /// `changed`, `missing`, `inserted`, `cut` or `mark`.
    pub fault: String,
    /// What that means, for people.
    pub meaning: String,
}

impl Break {
    pub(super) fn new(seq: i64, fault: &str, meaning: String) -> Self {
        Self { seq, fault: fault.to_owned(), meaning }
    }
}

/// What the hash of an entry must be.
pub fn hash_of(link: &Link, before: &str) -> String {
    let mut digest = Sha256::new();
    let (seq, at) = (link.seq.to_string(), link.at.to_string());
    let (id, actor, action, target) = (&link.id, &link.actor, &link.action, &link.target);
    let texts = [FORMAT, &seq, before, id, &at, actor, action, target, &link.detail, &link.request_id, &link.peer];
    for text in texts {
        digest.update(text.len().to_string());
        digest.update(":");
        digest.update(text);
        digest.update(",");
    }
    hex(&digest.finalize())
}

/// Goes along the chain.
#[derive(Debug)]
pub struct Walk {
    at: Place,
}

impl Walk {
    /// Begins after `base`.
    pub fn after(base: Place) -> Self {
        Self { at: base }
    }

    /// Where it stands.
    pub fn place(&self) -> &Place {
        &self.at
    }

    /// Takes the next entry.
    pub fn step(&mut self, link: &Link) -> Result<(), Break> {
        let expected = self.at.seq.saturating_add(1);
        if link.seq < expected {
            let meaning = format!("entry {} stands a second time, or out of its order", link.seq);
            return Err(Break::new(link.seq, "inserted", meaning));
        }
        if expected < link.seq {
            let last = link.seq - 1;
            let which =
                if expected == last { format!("entry {last}") } else { format!("entries {expected} to {last}") };
            let meaning = format!("{which} were removed: entry {} follows entry {}", link.seq, self.at.seq);
            return Err(Break::new(expected, "missing", meaning));
        }
        if hash_of(link, &self.at.hash) != link.hash {
            let meaning = format!(
                "entry {} (`{}` by `{}`) is not what was chained: it, its hash or the hash before it was changed, or it \
                 was put there later; what stands before it is intact",
                link.seq, link.action, link.actor
            );
            return Err(Break::new(link.seq, "changed", meaning));
        }
        self.at = Place { seq: link.seq, hash: link.hash.clone() };
        Ok(())
    }

    /// Compares the end with where the chain is known to end.
    pub fn finish(self, head: &Place) -> Result<(), Break> {
        if self.at.seq < head.seq {
            let first = self.at.seq + 1;
            let meaning = format!("the chain reaches to entry {}, but entries {first} and later are gone", head.seq);
            return Err(Break::new(first, "cut", meaning));
        }
        if self.at != *head {
            let meaning = format!("the last entry is {} and not the one that was chained last", self.at.seq);
            return Err(Break::new(self.at.seq, "changed", meaning));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(seq: i64, before: &str, detail: &str) -> Link {
        let mut link = Link {
            seq,
            id: format!("id-{seq}"),
            at: 1000 + seq,
            actor: "alice".into(),
            action: "user.create".into(),
            target: "bob".into(),
            detail: detail.into(),
            request_id: String::new(),
            peer: "127.0.0.1".into(),
            hash: String::new(),
        };
        link.hash = hash_of(&link, before);
        link
    }

    fn chain(length: i64) -> Vec<Link> {
        let mut all: Vec<Link> = Vec::new();
        for seq in 1..=length {
            let before = all.last().map_or(NOTHING.to_owned(), |link| link.hash.clone());
            all.push(link(seq, &before, "x"));
        }
        all
    }

    fn walk(all: &[Link], head: &Place) -> Result<(), Break> {
        let mut walk = Walk::after(Place::start());
        all.iter().try_for_each(|link| walk.step(link))?;
        walk.finish(head)
    }

    #[test]
    fn the_form_is_the_documented_one() {
        // printf '13:berth-audit-1,1:1,64:0…0,4:id-1,4:1001,5:alice,11:user.create,3:bob,1:x,0:,9:127.0.0.1,' | sha256sum
        let text =
            format!("13:berth-audit-1,1:1,64:{NOTHING},4:id-1,4:1001,5:alice,11:user.create,3:bob,1:x,0:,9:127.0.0.1,");
        let sum = hex(&Sha256::digest(text.as_bytes()));
        assert_eq!(link(1, NOTHING, "x").hash, sum);
    }

    #[test]
    fn each_kind_of_tampering_is_found_where_it_is() {
        let whole = chain(6);
        let head = Place { seq: 6, hash: whole[5].hash.clone() };
        assert_eq!(walk(&whole, &head), Ok(()));
        let found = |all: &[Link]| walk(all, &head).map_err(|fault| (fault.seq, fault.fault)).unwrap_err();

        let mut changed = whole.clone();
        changed[2].detail = "y".into();
        assert_eq!(found(&changed), (3, "changed".into()));
        // The entry's own hash made anew: the next one tells.
        changed[2].hash = hash_of(&changed[2], &changed[1].hash);
        assert_eq!(found(&changed), (4, "changed".into()));
        // The whole rest made anew: the end tells.
        for at in 3..6 {
            changed[at].hash = hash_of(&changed[at], &changed[at - 1].hash.clone());
        }
        assert_eq!(found(&changed), (6, "changed".into()));

        let mut removed = whole.clone();
        removed.remove(3);
        assert_eq!(found(&removed), (4, "missing".into()));
        let mut swapped = whole.clone();
        swapped.swap(1, 2);
        assert_eq!(found(&swapped), (2, "missing".into()));
        let mut twice = whole.clone();
        twice.insert(2, whole[1].clone());
        assert_eq!(found(&twice), (2, "inserted".into()));
        assert_eq!(found(&whole[..4]), (5, "cut".into()));
        // A field's end cannot be moved into the next one.
        let mut moved = whole.clone();
        (moved[0].actor, moved[0].action) = ("aliceuser".into(), ".create".into());
        assert_eq!(found(&moved), (1, "changed".into()));
    }
}
