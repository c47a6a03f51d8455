//! Looking at a machine of which the database may know less than is true: after a restore.

use std::time::Duration;

use super::{Baseline, FENCE, Trouble, as_root, assign, create::look};
use crate::{
    ctx::Ctx,
    machines::{self, Machine},
    remote::Shell,
};

/// How the comment of every account begins that Berth's own playbook makes. Only such accounts are removed by
/// themselves where the database knows nothing of them; people cannot change this part of it by `chfn`.
const MADE_BY_US: &str = "made by Berth";

/// Ordinary accounts on Debian and on BusyBox; `nobody` is above.
const PEOPLE: std::ops::RangeInclusive<i64> = 1000..=60_000;

/// A machine that was looked at.
#[derive(Debug)]
pub struct Inspection {
    shell: Shell,
    now: Baseline,
    deadline: Duration,
}

/// An account that should not be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stranger {
    /// Its name.
    pub name: String,
    uid: i64,
    /// Whether Berth made it.
    pub is_ours: bool,
}

/// Connects and looks. With `alone`, whatever an earlier controller still does there is ended first.
pub async fn inspect(ctx: &Ctx, machine: &Machine, alone: bool) -> Result<Inspection, Trouble> {
    let fence = alone.then_some(FENCE);
    let target = machines::target(ctx, machine, fence).await?;
    let shell = Shell::open(&target).await?;
    let now = look(&shell).await?;
    Ok(Inspection { shell, now, deadline: ctx.config.timeouts.clean })
}

impl Inspection {
    /// Whether the account is there. A fake machine has every account.
    pub fn has_account(&self, name: &str) -> bool {
        super::is_fake(&self.shell) || self.now.has_account(name)
    }

    /// Accounts that are not known: those that were not there before, or, where nobody knows how it was before, all of
    /// people but the one that Berth logs in as.
    pub fn strangers(&self, before: Option<&Baseline>, known: &[&str]) -> Vec<Stranger> {
        let is_strange = |name: &str, uid: i64| {
            let was_there = before.map_or(!PEOPLE.contains(&uid), |before| before.has_account(name));
            500 <= uid && !was_there && !known.contains(&name)
        };
        let accounts = self.now.accounts().filter(|(name, uid, _)| is_strange(name, *uid));
        accounts
            .map(|(name, uid, comment)| Stranger {
                name: name.to_owned(),
                uid,
                is_ours: comment.starts_with(MADE_BY_US) && PEOPLE.contains(&uid),
            })
            .collect()
    }

    /// Removes an account with all that belongs to it, and proves that it is gone.
    pub async fn remove(&self, stranger: &Stranger) -> Result<(), Trouble> {
        const STEPS: [&str; 3] =
            [include_str!("scripts/drain.sh"), include_str!("scripts/sweep.sh"), include_str!("scripts/verify.sh")];
        let head = assign("user", &stranger.name) + &assign("uid", &stranger.uid.to_string());
        for step in STEPS {
            let text = format!("{head}{}{step}", include_str!("scripts/hunt.sh"));
            let answer = as_root(&self.shell, text, self.deadline).await?;
            let problems: Vec<&str> = answer.stdout.lines().filter_map(|line| line.strip_prefix("problem ")).collect();
            if !problems.is_empty() {
                return Err(Trouble::Failed(problems.join("; ")));
            }
            if answer.rc != 0 {
                return Err(Trouble::Failed(format!("a cleaning step failed: {}", answer.stderr.trim())));
            }
        }
        Ok(())
    }

    /// What differs from how it was before, in words.
    pub async fn differences(&self, before: &Baseline) -> Result<Vec<String>, Trouble> {
        Ok(before.differences(&look(&self.shell).await?))
    }

    /// Ends the connection.
    pub async fn close(self) {
        self.shell.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::{Target, Via};

    async fn seen(lines: &str) -> Inspection {
        let shell = Shell::open(&Target { via: Via::Fake, ..Target::local("here") }).await.unwrap();
        Inspection { shell, now: Baseline::new(lines), deadline: Duration::from_secs(1) }
    }

    #[tokio::test]
    async fn accounts_nobody_knows_of_are_strangers_and_only_marked_ones_are_ours() {
        let lines = "passwd root:x:0:0:root:/root:/bin/sh\npasswd berth:x:1000:1000::/home/berth:/bin/sh\n\
            passwd bob:x:1001:1001:made by Berth,,,:/home/bob:/bin/sh\npasswd eve:x:1002:1002:Eve:/home/eve:/bin/sh\n\
            passwd daemon:x:70:70:made by Berth:/:/bin/false\npasswd nobody:x:65534:65534:nobody:/:/bin/false\nodd";
        let inspection = seen(lines).await;
        let names = |found: Vec<Stranger>| found.into_iter().map(|one| (one.name, one.is_ours)).collect::<Vec<_>>();
        let both = vec![("bob".to_owned(), true), ("eve".to_owned(), false)];
        assert_eq!(names(inspection.strangers(None, &["berth"])), both);
        assert_eq!(names(inspection.strangers(None, &["berth", "bob", "eve"])), []);
        let before = Baseline::new(
            "passwd root:x:0:0:root:/root:/bin/sh\npasswd nobody:x:65534:65534::/:/bin/false\n\
             passwd berth:x:1000:1000::/home/berth:/bin/sh\npasswd eve:x:1002:1002:Eve:/home/eve:/bin/sh",
        );
        assert_eq!(names(inspection.strangers(Some(&before), &["berth"])), both[..1]);
    }
}
