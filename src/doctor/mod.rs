//! What is wrong with this installation, and how to mend it.
//!
//! The doctor looks and changes nothing: it makes no key, no database and no schema, and needs no server to be up.
//! Each check has a deadline, so that whatever hangs is a finding and not a wait. It reads what `berth serve` would
//! read, so it is run as the same user with the same environment.

mod database;
mod keys;
mod machines;
mod network;
mod place;

use std::{future::Future, time::Duration};

use serde::Serialize;

pub use self::machines::Which;
use crate::{
    config::{self, Config},
    provisioning,
};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// All is as it should be.
    Ok,
    /// It could not be looked at, because of something else that was found.
    Skipped,
    /// It works, but not for ever or not for everybody.
    Warning,
    /// It does not work.
    Error,
}

impl Verdict {
    /// As shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skipped => "skipped",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What one look came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at, as `database.schema`.
    pub check: String,
    /// How bad it is.
    pub verdict: Verdict,
    /// What was found.
    pub finding: String,
    /// How to mend it; empty when there is nothing to mend.
    pub fix: String,
}

impl Finding {
    fn ok(check: &str, finding: impl Into<String>) -> Self {
        Self { check: check.to_owned(), verdict: Verdict::Ok, finding: finding.into(), fix: String::new() }
    }

    fn skipped(check: &str, finding: impl Into<String>) -> Self {
        Self { verdict: Verdict::Skipped, ..Self::ok(check, finding) }
    }

    fn warning(check: &str, finding: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { verdict: Verdict::Warning, fix: fix.into(), ..Self::ok(check, finding) }
    }

    fn error(check: &str, finding: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { verdict: Verdict::Error, ..Self::warning(check, finding, fix) }
    }
}

/// Does one check, and finds when it takes too long.
async fn within(check: &str, limit: Duration, work: impl Future<Output = Vec<Finding>>) -> Vec<Finding> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
        let said = format!("took longer than {} s", limit.as_secs());
        vec![Finding::error(check, said, "something hangs there; look at its log and at the way to it")]
    })
}

/// Looks at everything. `config` is what was read, or every fault for which it could not be read.
pub async fn examine(config: Result<Config, config::Faults>, which: &Which) -> Vec<Finding> {
    let config = match config {
        Ok(config) => config,
        Err(faults) => return faults.0.iter().map(of_fault).collect(),
    };
    let mut findings: Vec<Finding> = config::check(&config).iter().map(of_fault).collect();
    if findings.is_empty() {
        let source = config.file.as_ref().map_or("the environment".to_owned(), |path| format!("`{}`", path.display()));
        findings.push(Finding::ok("settings", format!("read from {source}; nothing is wrong with them")));
    }
    findings.extend(place::data_dir(&config));
    findings.extend(place::ssh().await);
    findings.extend(keys::examine(&config));
    findings.extend(playbooks(&config));
    let (ports, proxies, (stored, ctx)) =
        tokio::join!(network::ports(&config), network::proxies(&config), database::examine(&config));
    findings.extend(ports);
    findings.extend(proxies);
    findings.extend(stored);
    match ctx {
        Some(ctx) => findings.extend(machines::examine(&ctx, which).await),
        None => findings.push(Finding::skipped("machines", "the database or the key that opens it is missing")),
    }
    findings
}

fn of_fault(fault: &config::Fault) -> Finding {
    let said = format!("`{}`: {}", fault.setting, fault.problem);
    if fault.is_fatal() {
        Finding::error("settings", said, &fault.fix)
    } else {
        Finding::warning("settings", said, &fault.fix)
    }
}

/// Whether the playbooks of every pool can be read.
fn playbooks(config: &Config) -> Vec<Finding> {
    let mut count = 0;
    let mut findings = Vec::new();
    for (name, found) in provisioning::playbooks(config) {
        count += 1;
        if let Err(trouble) = found {
            let fix =
                format!("`berth playbook check {}` shows the place; or take the name out of the pool", name.display());
            findings.push(Finding::error("playbooks", trouble.to_string(), fix));
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok("playbooks", format!("{count} can be read")));
    }
    findings
}
