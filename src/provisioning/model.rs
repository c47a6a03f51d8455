//! What provisioning is about: a person's account on machines, and what a machine looked like before.

use std::collections::BTreeSet;

use crate::remote::Secret;

/// Whose account is made, and how that person gets in.
#[derive(Debug, Clone)]
pub struct Person {
    /// The account's name on the machines.
    pub username: String,
    /// A SHA-512 crypt hash, when there is a password.
    pub password_hash: Option<Secret>,
    /// Public keys, one line each.
    pub ssh_keys: Vec<String>,
}

/// What a run was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunKind {
    /// Making accounts.
    Provision,
    /// Taking one back.
    Clean,
}

impl RunKind {
    /// As stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provision => "provision",
            Self::Clean => "clean",
        }
    }
}

/// How a run ended, if it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// It goes on.
    Running,
    /// Every machine did what it should.
    Succeeded,
    /// At least one did not.
    Failed,
    /// Its process ended before it did; another run took over.
    Lost,
}

impl RunState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Running, Self::Succeeded, Self::Failed, Self::Lost];

    /// As stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Lost => "lost",
        }
    }
}

/// The facts of a machine that must be the same after a lease as before it: the sorted lines of `baseline.sh`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Baseline(BTreeSet<String>);

impl Baseline {
    /// From what the script printed, or from a column.
    pub fn new(text: &str) -> Self {
        Self(text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
    }

    /// For a column.
    pub fn text(&self) -> String {
        self.0.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }

    /// Whether the machine knows an account of this name.
    pub fn has_account(&self, username: &str) -> bool {
        let start = format!("passwd {username}:");
        self.0.iter().any(|line| line.starts_with(&start))
    }

    /// Every account with its uid and its comment.
    pub fn accounts(&self) -> impl Iterator<Item = (&str, i64, &str)> {
        self.0.iter().filter_map(|line| {
            let mut fields = line.strip_prefix("passwd ")?.split(':');
            let (name, uid) = (fields.next()?, fields.nth(1)?.parse().ok()?);
            Some((name, uid, fields.nth(1).unwrap_or_default()))
        })
    }

    /// What differs from `later`, in words; nothing when they are the same.
    pub fn differences(&self, later: &Self) -> Vec<String> {
        let gone = self.0.difference(&later.0).map(|line| format!("missing: {}", shorten(line)));
        let new = later.0.difference(&self.0).map(|line| format!("new: {}", shorten(line)));
        gone.chain(new).collect()
    }
}

fn shorten(line: &str) -> String {
    line.chars().take(160).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_and_what_went_is_told_apart() {
        let before = Baseline::new("passwd root:x:0\ngroup root:x:0:\n\n");
        let after = Baseline::new("group root:x:0:\npasswd root:x:0\npasswd eve:x:1001");
        assert_eq!(before.differences(&before), Vec::<String>::new());
        assert_eq!(before.differences(&after), ["new: passwd eve:x:1001"]);
        assert_eq!(after.differences(&before), ["missing: passwd eve:x:1001"]);
        assert_eq!(Baseline::new(&after.text()), after);
    }

    #[test]
    fn an_account_is_known_by_its_whole_name() {
        let machine = Baseline::new("passwd eve:x:1001:1001::/home/eve:/bin/sh\ngroup bob:x:1:");
        assert!(machine.has_account("eve"));
        assert!(!machine.has_account("ev"));
        assert!(!machine.has_account("bob"));
    }
}
