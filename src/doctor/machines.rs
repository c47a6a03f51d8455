//! The machines: that each is reached, is itself, lets us in, makes us root, and knows the time.

use std::time::Duration;

use futures_util::{StreamExt, stream};

use super::{Finding, within};
use crate::{
    clock::Clock,
    config::Remote,
    ctx::Ctx,
    machines::{self, Machine, State},
    remote::{self, Become, BecomeMethod, Shell, Step},
};

/// How many are looked at at once.
const AT_ONCE: usize = 8;
/// How many are looked at unless more are asked for.
const USUAL: i64 = 20;
/// How long a step may take.
const STEP: Duration = Duration::from_secs(10);
/// More than this between a machine's clock and ours is worth a word.
const SKEW: i64 = 60;

/// Which machines are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// The first twenty by name.
    Some,
    /// Every one.
    All,
    /// None.
    None,
    /// These.
    Named(Vec<String>),
}

/// Looks at the machines.
pub(super) async fn examine(ctx: &Ctx, which: &Which) -> Vec<Finding> {
    let (chosen, mut findings) = match choose(ctx, which).await {
        Ok(chosen) => chosen,
        Err(error) => {
            return vec![Finding::error(
                "machines",
                format!("cannot be read: {error}"),
                "see what was found of the database",
            )];
        }
    };
    if ctx.config.remote == Remote::Fake && !chosen.is_empty() {
        findings.push(Finding::skipped("machines", "BERTH_REMOTE is fake: none is contacted"));
        return findings;
    }
    let limit = ctx.config.timeouts.connect + STEP * 2;
    let looks = chosen.iter().map(|machine| async move {
        let check = format!("machine.{}", machine.name);
        within(&check, limit, async { vec![look(ctx, machine, &check).await] }).await
    });
    let found: Vec<Vec<Finding>> = stream::iter(looks).buffered(AT_ONCE).collect().await;
    findings.extend(found.concat());
    findings
}

async fn choose(ctx: &Ctx, which: &Which) -> sqlx::Result<(Vec<Machine>, Vec<Finding>)> {
    let mut conn = ctx.db.read().await?;
    let mut findings = Vec::new();
    let chosen = match which {
        Which::None => Vec::new(),
        Which::All => machines::first_by_name(&mut conn, i64::MAX).await?,
        Which::Some => {
            let mut chosen = machines::first_by_name(&mut conn, USUAL + 1).await?;
            if chosen.len() > usize::try_from(USUAL).unwrap_or(usize::MAX) {
                chosen.pop();
                let said = format!("only the first {USUAL} were looked at; `--machines all` looks at every one");
                findings.push(Finding::skipped("machines", said));
            }
            chosen
        }
        Which::Named(names) => {
            let mut chosen = Vec::new();
            for name in names {
                if let Some(machine) = machines::find(&mut conn, name).await? {
                    chosen.push(machine);
                } else {
                    let fix = "`berth machines list` has the names";
                    findings.push(Finding::error("machines", format!("there is no machine `{name}`"), fix));
                }
            }
            chosen
        }
    };
    Ok((chosen, findings))
}

async fn look(ctx: &Ctx, machine: &Machine, check: &str) -> Finding {
    let name = &machine.name;
    let opened = async { Shell::open(&machines::target(ctx, machine, None).await?).await };
    let shell = match opened.await {
        Ok(shell) => shell,
        Err(error) => return Finding::error(check, error.to_string(), mend(&error, machine)),
    };
    let asked = Clock::default().now();
    let root = shell.user() == "root";
    let step = Step {
        text: "id -u\ndate +%s\n".to_owned(),
        plain: true,
        become_user: (!root).then(|| Become {
            user: "root".to_owned(),
            method: BecomeMethod::default(),
            password: None,
        }),
        deadline: Some(STEP),
        ..Step::default()
    };
    let said = match shell.send(step).await {
        Ok(pending) => pending.answer().await,
        Err(error) => Err(error),
    };
    shell.close().await;
    let said = match said {
        Ok(said) => said,
        Err(error) => return Finding::error(check, error.to_string(), mend(&error, machine)),
    };
    let mut lines = said.stdout.lines();
    if lines.next() != Some("0") {
        let login = &machine.login_user;
        let fix =
            format!("let `{login}` become root without a password there: `{login} ALL=(ALL) NOPASSWD: ALL` in sudoers");
        return Finding::error(check, format!("`{login}` does not become root: {}", said.stderr.trim()), fix);
    }
    let here = i64::midpoint(asked, Clock::default().now()) / 1000;
    let apart = lines.next().and_then(|text| text.parse::<i64>().ok()).map_or(0, |there| (there - here).abs());
    if SKEW < apart {
        let fix = "let it keep time by NTP; certificates, logs and people's jobs there are wrong otherwise";
        return Finding::warning(check, format!("its clock is {apart} s off"), fix);
    }
    if machine.state == State::Quarantined {
        let said =
            format!("is well now, and set aside: {}", machine.reason.as_deref().unwrap_or("no reason was given"));
        return Finding::warning(
            check,
            said,
            format!("it is tried again by itself; `berth machines release {name}` does it now"),
        );
    }
    let address = format!("{}:{}", machine.host, machine.port);
    Finding::ok(check, format!("{address}: host key, login and root are well ({})", machine.state))
}

fn mend(error: &remote::Error, machine: &Machine) -> String {
    let Machine { name, host, port, login_user, .. } = machine;
    match error {
        remote::Error::Unreachable(_) => format!(
            "is it on, and does sshd listen? `ssh -p {port} {login_user}@{host}` from here; a firewall may be between"
        ),
        remote::Error::HostKeyChanged { .. } => format!(
            "if it was rebuilt: `berth machines check {name} --accept-new-host-key`; if not, somebody may stand between"
        ),
        remote::Error::LoginRefused(_) => format!(
            "`berth machines check {name}` installs Berth's key again if a password is known; or add it to ~{login_user}/.ssh/authorized_keys"
        ),
        remote::Error::Become { .. } => format!(
            "let `{login_user}` become root without a password there: `{login_user} ALL=(ALL) NOPASSWD: ALL` in sudoers"
        ),
        remote::Error::NoClient(_) => "install OpenSSH's client".to_owned(),
        remote::Error::TimedOut { .. }
        | remote::Error::Closed(_)
        | remote::Error::Flooded
        | remote::Error::BadValue(_) => {
            format!("`ssh -v -p {port} {login_user}@{host}` from here shows how far it comes")
        }
    }
}
