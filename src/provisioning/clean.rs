//! Taking an account back: stop logins, end processes, run the teardown playbook, sweep, verify.

use std::path::Path;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Baseline, Recorder, Trouble, as_root, assign, book, create::look, open, play, timed};
use crate::{ctx::Ctx, machines::Machine, playbook, remote::Shell, telemetry};

const HUNT: &str = include_str!("scripts/hunt.sh");

/// A shell on a machine that is being cleaned.
#[derive(Debug)]
pub struct Cleaner<'a> {
    ctx: &'a Ctx,
    machine: &'a Machine,
    username: &'a str,
    shell: Option<Shell>,
}

impl<'a> Cleaner<'a> {
    /// Connects.
    pub async fn open(ctx: &'a Ctx, machine: &'a Machine, username: &'a str) -> Result<Self, Trouble> {
        Ok(Self { ctx, machine, username, shell: Some(open(ctx, machine).await?) })
    }

    /// Stops new logins and ends what runs. Answers the account's uid; none: there is no such account.
    pub async fn drain(&self, uid: Option<i64>) -> Result<Option<i64>, Trouble> {
        let text = format!("{HUNT}{}", include_str!("scripts/drain.sh"));
        let said = timed("drain", &self.machine.name, self.script(uid, &text)).await?;
        Ok(said.lines().find_map(|line| line.strip_prefix("uid ")?.parse().ok()))
    }

    /// Runs the teardown playbook. What it leaves is for the sweep.
    pub async fn teardown(&mut self, recorder: &Recorder, file: &Path, lost: CancellationToken) -> Result<(), Trouble> {
        let book = book(&self.ctx.config, file)?;
        let shell = self.shell.take().ok_or_else(broken)?;
        let mut vars = serde_json::Map::new();
        vars.insert("berth_user".to_owned(), self.username.into());
        vars.insert("berth_request_id".to_owned(), (*telemetry::request_id()).into());
        let deadline = self.ctx.config.timeouts.clean;
        let work = play(&book, vec![(self.machine, shell)], &vars, recorder, lost);
        let (summary, connections) = timed("teardown", &self.machine.name, async {
            let late = |_| Trouble::Failed(format!("the teardown took more than {} seconds", deadline.as_secs()));
            timeout(deadline, work).await.map_err(late)
        })
        .await?;
        self.shell = connections.take(&self.machine.name);
        match summary.hosts.get(&self.machine.name) {
            Some(host) if 0 < host.unreachable => Err(Trouble::Unreachable(said(host))),
            // A failed teardown is no reason to leave things behind: the sweep goes on, verifying decides.
            Some(host) if 0 < host.failed => {
                recorder.note(&self.machine.name, "note", "teardown", "failed", &said(host));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Removes what is left by uid and by name.
    pub async fn sweep(&self, recorder: &Recorder, uid: Option<i64>) -> Result<(), Trouble> {
        let text = format!("{HUNT}{}", include_str!("scripts/sweep.sh"));
        let said = timed("sweep", &self.machine.name, self.script(uid, &text)).await?;
        for note in said.lines().filter_map(|line| line.strip_prefix("note ")) {
            recorder.note(&self.machine.name, "note", "sweep", "changed", note);
        }
        Ok(())
    }

    /// Proves that nothing is left: no account, no process, and every fact as it was before.
    pub async fn verify(&self, uid: Option<i64>, before: &Baseline) -> Result<(), Trouble> {
        timed("verify", &self.machine.name, self.prove(uid, before)).await
    }

    async fn prove(&self, uid: Option<i64>, before: &Baseline) -> Result<(), Trouble> {
        self.script(uid, &format!("{HUNT}{}", include_str!("scripts/verify.sh"))).await?;
        let now = look(self.shell.as_ref().ok_or_else(broken)?).await?;
        let differences = before.differences(&now);
        if differences.is_empty() {
            return Ok(());
        }
        let shown = differences.iter().take(5).cloned().collect::<Vec<_>>().join("; ");
        Err(Trouble::Failed(format!(
            "the machine is not as it was before ({} differences): {shown}",
            differences.len()
        )))
    }

    /// Runs a script about the account; a line that begins with `problem` is why it is not clean.
    async fn script(&self, uid: Option<i64>, text: &str) -> Result<String, Trouble> {
        let shell = self.shell.as_ref().ok_or_else(broken)?;
        let uid = uid.map(|uid| uid.to_string()).unwrap_or_default();
        let head = assign("user", self.username) + &assign("uid", &uid);
        let deadline = self.ctx.config.timeouts.clean;
        let answer = as_root(shell, format!("{head}{text}"), deadline).await?;
        let problems: Vec<&str> = answer.stdout.lines().filter_map(|line| line.strip_prefix("problem ")).collect();
        if !problems.is_empty() {
            return Err(Trouble::Failed(problems.join("; ")));
        }
        if answer.rc != 0 {
            return Err(Trouble::Failed(format!("a cleaning step failed: {}", answer.stderr.trim())));
        }
        Ok(answer.stdout)
    }
}

fn broken() -> Trouble {
    Trouble::Unreachable("the connection broke".to_owned())
}

fn said(host: &playbook::HostSummary) -> String {
    host.error.clone().unwrap_or_else(|| "a task failed".to_owned())
}
