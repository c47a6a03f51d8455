//! Backups of the database: made, verified, restored.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Subcommand;
use serde_json::json;

use super::{
    client_options::ClientOptions,
    fault::{FAILED, Fault},
    local,
    output::Rows,
    terminal::{confirm, say},
};
use crate::{
    backup::{self, How, Manifest},
    config::Config,
};

/// Commands about backups.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Copy all that the database holds into one file, while servers run
    #[command(
        after_help = "The file is of one moment, for SQLite and MySQL/MariaDB alike, and can be restored into either. \
Secrets in it stay encrypted by the secret key, which is not in it: keep that elsewhere.\n\n--with-keys also puts the secret \
key, the signing key and Berth's ssh keys into it. Who has such a file has every machine: encrypt it before it leaves the \
host.\n\nExamples:\n  berth backup create /backup/berth-$(date +%F).tar.gz\n  berth backup create whole.tar.gz --with-keys"
    )]
    Create {
        /// The new file
        file: PathBuf,
        /// And the keys
        #[arg(long)]
        with_keys: bool,
    },
    /// Tell whether a backup is whole, and whether the present key opens its secrets
    #[command(after_help = "Needs no database and no server.\n\nExample:\n  berth backup verify /backup/berth.tar.gz")]
    Verify {
        /// The backup
        file: PathBuf,
    },
    /// Put a backup into the database that the settings name: whole, or nothing of it
    #[command(
        after_help = "Stop every server and scheduler first. The database must be empty, unless --replace is given. \
Afterwards everybody signs in again, and each machine is looked at before anybody gets it: accounts made after the backup \
are removed, and a machine that is not as the database knows it stays in quarantine, with the reason. Access tokens that \
were removed after the backup count again: remove them anew.\n\nExamples:\n  berth backup restore /backup/berth.tar.gz\n  \
berth backup restore /backup/berth.tar.gz --replace --yes"
    )]
    Restore {
        /// The backup
        file: PathBuf,
        /// Remove all that the database holds
        #[arg(long)]
        replace: bool,
        /// Do not ask whether to replace
        #[arg(long)]
        yes: bool,
        /// Also put back the key files that are in the backup, where there are none
        #[arg(long)]
        with_keys: bool,
        /// Go on although secrets in it cannot be opened with the present key
        #[arg(long)]
        without_secrets: bool,
    },
}

/// Runs it.
pub async fn run(command: Command, options: &ClientOptions) -> Result<()> {
    match command {
        Command::Create { file, with_keys } => {
            let ctx = local::database().await?;
            let manifest = backup::create(&ctx, &file, with_keys).await.context("no backup was made")?;
            if with_keys {
                say("the file holds the keys: who has it has every machine; encrypt it before it leaves this host");
            } else if 0 < manifest.secrets {
                say("the secret key is not in it; without that key its secrets are lost");
            }
            show(&manifest, None, options)
        }
        Command::Verify { file } => {
            let mut config = Config::load()?;
            // Looking must not make a key.
            let has_key = config.secret_key.is_some() || config.secret_key_file().exists();
            let sealer = if has_key {
                config.ensure_secrets().map_err(|fault| anyhow::anyhow!("{fault}"))?;
                config.sealer()
            } else {
                None
            };
            let (manifest, lost) = Manifest::verify(&file, sealer.as_ref()).await?;
            show(&manifest, sealer.is_some().then_some(lost), options)?;
            if sealer.is_none() && 0 < manifest.secrets {
                say("there is no secret key here, so its secrets could not be tried");
            }
            if 0 < lost { Err(Fault::Said(FAILED).into()) } else { Ok(()) }
        }
        Command::Restore { file, replace, yes, with_keys, without_secrets } => {
            let config = Config::load()?;
            if replace && !yes {
                let question = format!("All that the database holds is replaced by `{}`. Go on?", file.display());
                confirm(&question)?;
            }
            let how = How { replace, with_keys, without_secrets };
            let done = backup::restore(config, &file, how).await.context("nothing was restored")?;
            for key in &done.keys {
                say(&format!("put back `{}`", key.display()));
            }
            say(&format!(
                "restored; {} machines are looked at before anybody gets them, as soon as a server or scheduler runs",
                done.machines
            ));
            say("everybody signs in again; access tokens that were removed after the backup count again");
            show(&done.manifest, None, options)
        }
    }
}

/// `lost`: how many secrets do not open; none: it was not asked, or there was no key to try.
fn show(manifest: &Manifest, lost: Option<u64>, options: &ClientOptions) -> Result<()> {
    let rows_in_all: u64 = manifest.tables.iter().map(|table| table.rows).sum();
    let seen = json!({
        "made_at": manifest.made_at, "berth": manifest.berth, "database": manifest.database, "schema": manifest.schema,
        "rows": rows_in_all, "tables": manifest.tables, "secrets": manifest.secrets, "with_keys": !manifest.keys.is_empty(),
        "secrets_lost": lost,
    });
    options.out().show(&seen, || {
        let mut rows = Rows::fields();
        rows.field("made at", &manifest.made_at);
        rows.field("made by", format!("berth {} on {}", manifest.berth, manifest.database));
        rows.field("tables", manifest.tables.len().to_string());
        rows.field("rows", rows_in_all.to_string());
        rows.field("secrets", manifest.secrets.to_string());
        if let Some(lost) = lost {
            rows.field("cannot be opened", lost.to_string());
        }
        rows.field("keys", if manifest.keys.is_empty() { "not in it" } else { "in it" });
        Ok(rows)
    })
}
