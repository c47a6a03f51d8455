//! `berth doctor`: what is wrong here, and how to mend it.

use anyhow::Result;
use clap::Args as ClapArgs;

use super::{
    client_options::ClientOptions,
    fault::{FAILED, Fault},
    output::Rows,
};
use crate::{
    config::Config,
    doctor::{self, Verdict, Which},
};

/// Tell what is wrong with this installation, and how to mend it
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Run it where the server runs, as the server's user and with its settings; the server need not be up. \
Nothing is changed. It looks at the settings, the data folder, the disk, the ssh client, the keys, the playbooks, the \
ports, the proxies, the database and its clock, who runs jobs, and the machines: whether each is reached, shows its \
host key, lets Berth in and makes it root.\n\nThe exit code is 0 when nothing is broken, warnings included, and 1 when \
there is an error.\n\nExamples:\n  berth doctor\n  sudo -u berth berth doctor --machines all\n  berth doctor \
--machines quay-1,quay-2\n  berth doctor --machines none --output json"
)]
pub struct Args {
    /// Which machines to look at: `all`, `none`, or names; else the first twenty
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    machines: Vec<String>,
}

impl Args {
    fn which(self) -> Which {
        match self.machines.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            [] => Which::Some,
            ["all"] => Which::All,
            ["none"] => Which::None,
            _ => Which::Named(self.machines),
        }
    }
}

/// Runs `berth doctor`.
pub async fn run(args: Args, options: &ClientOptions) -> Result<()> {
    let findings = doctor::examine(Config::load(), &args.which()).await;
    options.out().show(&serde_json::to_value(&findings)?, || {
        let mut rows = Rows::list(&["", "CHECK", "FINDING", "FIX"], "");
        for found in &findings {
            rows.row([found.verdict.as_str(), &found.check, &found.finding, &found.fix]);
        }
        Ok(rows)
    })?;
    if findings.iter().any(|found| found.verdict == Verdict::Error) { Err(Fault::Said(FAILED).into()) } else { Ok(()) }
}
