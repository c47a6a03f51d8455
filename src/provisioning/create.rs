//! Making accounts: look first, then run the playbook on all machines at once.

use std::{collections::BTreeMap, path::Path, time::Duration};

use futures_util::future::join_all;
use serde_json::{Map, Value, json};
use tokio::time::{interval, timeout};
use tokio_util::sync::CancellationToken;

use super::{Baseline, Person, Recorder, Trouble, as_root, assign, book, is_fake, open, play, timed};
use crate::{ctx::Ctx, ids::MachineId, machines::Machine, remote::Shell, telemetry};

/// How often progress is written while a run goes on.
const PROGRESS: Duration = Duration::from_millis(300);

/// How long a look may take.
const LOOK: Duration = Duration::from_secs(30);

/// How a machine looks before anything is changed on it, and the shell that looked.
#[derive(Debug)]
pub struct Survey {
    /// The open shell.
    pub shell: Shell,
    /// What must be there again afterwards.
    pub baseline: Baseline,
}

/// Connects to every machine at once and looks. An account of that name that is there already was not made by us,
/// so it is never touched: [`Trouble::Refused`].
pub async fn survey(
    ctx: &Ctx,
    machines: &[Machine],
    username: &str,
    ours: &BTreeMap<MachineId, Baseline>,
) -> Vec<(MachineId, Result<Survey, Trouble>)> {
    let mut looks = Vec::with_capacity(machines.len());
    for machine in machines {
        looks.push(survey_one(ctx, machine, username, ours.get(&machine.id)));
    }
    let found = join_all(looks).await;
    machines.iter().map(|machine| machine.id).zip(found).collect()
}

async fn survey_one(ctx: &Ctx, machine: &Machine, username: &str, known: Option<&Baseline>) -> Result<Survey, Trouble> {
    let shell = open(ctx, machine).await?;
    if let Some(baseline) = known {
        // We were here before and were interrupted: what is there by that name may be ours.
        return Ok(Survey { shell, baseline: baseline.clone() });
    }
    let baseline = look(&shell).await?;
    if baseline.has_account(username) {
        return Err(Trouble::Refused(format!(
            "machine `{}` has an account `{username}` that Berth did not make; book under another name or remove it there",
            machine.name
        )));
    }
    Ok(Survey { shell, baseline })
}

/// The machine's baseline now.
pub(super) async fn look(shell: &Shell) -> Result<Baseline, Trouble> {
    timed("look", &shell.target().name, async {
        let answer = as_root(shell, include_str!("scripts/baseline.sh").to_owned(), LOOK).await?;
        if answer.rc != 0 {
            return Err(Trouble::Failed(format!("cannot look at the machine: {}", answer.stderr.trim())));
        }
        Ok(Baseline::new(&answer.stdout))
    })
    .await
}

/// Runs the pool's playbook on all machines at once and answers, per machine, the uid of the account.
pub async fn create(
    ctx: &Ctx,
    recorder: &Recorder,
    hosts: Vec<(&Machine, Shell)>,
    playbook: &Path,
    person: &Person,
    lost: CancellationToken,
) -> Vec<(MachineId, Result<i64, Trouble>)> {
    let machines: Vec<&Machine> = hosts.iter().map(|(machine, _)| *machine).collect();
    let book = match book(&ctx.config, playbook) {
        Ok(book) => book,
        Err(trouble) => return machines.iter().map(|machine| (machine.id, Err(trouble.clone()))).collect(),
    };
    let vars = variables(person);
    let deadline = ctx.config.timeouts.provision;
    let stop = lost.child_token();
    let work = timed("playbook", "", async {
        let played = timeout(deadline, play(&book, hosts, &vars, recorder, stop.clone())).await;
        played.map_err(|_| Trouble::Failed(format!("the playbook took more than {} seconds", deadline.as_secs())))
    });
    tokio::pin!(work);
    let mut progress = interval(PROGRESS);
    progress.tick().await;
    let outcome = loop {
        tokio::select! {
            outcome = &mut work => break outcome,
            _ = progress.tick() => {
                if let Err(error) = recorder.flush(ctx).await {
                    tracing::warn!(%error, "cannot write a run's progress");
                }
            }
        }
    };
    let (summary, connections) = match outcome {
        Ok(played) => played,
        Err(trouble) => return machines.iter().map(|machine| (machine.id, Err(trouble.clone()))).collect(),
    };
    let mut results = Vec::with_capacity(machines.len());
    for machine in machines {
        let result = match summary.hosts.get(&machine.name) {
            Some(host) if 0 < host.unreachable => {
                Err(Trouble::Unreachable(host.error.clone().unwrap_or_else(|| "the connection broke".to_owned())))
            }
            Some(host) if 0 < host.failed => {
                Err(Trouble::Failed(host.error.clone().unwrap_or_else(|| "a task failed".to_owned())))
            }
            Some(_) => match connections.take(&machine.name) {
                Some(shell) => timed("identify", &machine.name, uid_of(&shell, &person.username)).await,
                None => Err(Trouble::Unreachable("the connection broke".to_owned())),
            },
            None => {
                Err(Trouble::Failed("the playbook does not name this machine; its `hosts` should be `all`".to_owned()))
            }
        };
        results.push((machine.id, result));
    }
    results
}

fn variables(person: &Person) -> Map<String, Value> {
    let mut vars = Map::new();
    vars.insert("berth_request_id".to_owned(), json!(&*telemetry::request_id()));
    vars.insert("berth_user".to_owned(), json!(person.username));
    vars.insert("berth_ssh_keys".to_owned(), json!(person.ssh_keys));
    if let Some(hash) = &person.password_hash {
        vars.insert("berth_password_hash".to_owned(), json!(hash.0));
    }
    vars
}

/// A fake host knows no accounts: it answers nothing, and that is uid 0 to nobody's harm.
async fn uid_of(shell: &Shell, username: &str) -> Result<i64, Trouble> {
    let script = format!(
        "{}while IFS=: read -r name _ number _; do if [ \"$name\" = \"$user\" ]; then echo \"$number\"; fi; done </etc/passwd",
        assign("user", username)
    );
    let answer = as_root(shell, script, LOOK).await?;
    match answer.stdout.trim() {
        "" if is_fake(shell) => Ok(0),
        "" => Err(Trouble::Failed(format!("the playbook ended well but made no account `{username}`"))),
        text => match text.parse() {
            Ok(uid) if 500 <= uid => Ok(uid),
            _ => Err(Trouble::Failed(format!(
                "the account `{username}` has the uid {text}, which belongs to the system"
            ))),
        },
    }
}
