//! Keys: yours, which machines let in, and the server's, which encrypt and sign.

use anyhow::Result;
use clap::Subcommand;

use super::{
    client_options::ClientOptions,
    credentials::{self, KeysCommand},
    local,
    output::Rows,
    terminal::say,
};
use crate::backup::rotate;

/// Commands about keys.
#[derive(Debug, Subcommand)]
pub enum Command {
    #[command(flatten)]
    Own(KeysCommand),
    /// Tell which keys the server uses, and how many secrets each opens
    #[command(after_help = "Keys are shown by a name that tells nothing of them.\n\nExample:\n  berth keys status")]
    Status,
    /// Change the server's keys, while servers run
    #[command(
        after_help = "Works on the key files and the database that the settings name. Servers on this host use the new keys \
at once; where a key is a setting, the command says what to set and to restart. It may be ended at any moment and run \
again: it then goes on. Every process must be of this version of berth.\n\nWith servers on several hosts: run it with \
--prepare, copy `secret.key` to all of them, run it without, and copy again.\n\nExamples:\n  berth keys rotate\n  berth keys \
rotate --data\n  berth keys forget"
    )]
    Rotate {
        /// Only the key that signs access tokens; those it signed count until they expire
        #[arg(long, conflicts_with = "data")]
        tokens: bool,
        /// Only the key that encrypts; every secret is sealed anew, and the old key still opens until it is forgotten
        #[arg(long)]
        data: bool,
        /// Only add the key that will encrypt next, so that it can be copied to other hosts first
        #[arg(long, conflicts_with = "tokens")]
        prepare: bool,
    },
    /// Forget the server's keys of before, once nothing is sealed with them
    #[command(
        after_help = "Backups made before the rotation can then only be restored with the old key: keep it with them.\n\n\
Example:\n  berth keys forget"
    )]
    Forget,
}

/// Runs it.
pub async fn run(command: Command, options: &ClientOptions) -> Result<()> {
    if let Command::Own(command) = command {
        return credentials::keys(command, &options.client()?, options).await;
    }
    let ctx = local::database().await?;
    match command {
        Command::Own(_) => Ok(()),
        Command::Status => {
            let status = rotate::status(&ctx).await?;
            options.out().show(&serde_json::to_value(&status)?, || {
                let mut rows = Rows::fields();
                rows.field("encrypts", format!("{} ({})", status.data_key, status.data_from));
                rows.field("still opens", status.data_previous.join(", "));
                rows.field("comes next", status.data_next.unwrap_or_default());
                rows.field("secrets", status.secrets_current.to_string());
                rows.field("with a key of before", status.secrets_previous.to_string());
                rows.field("cannot be opened", status.secrets_lost.to_string());
                rows.field("signs tokens", format!("{} ({})", status.tokens_key, status.tokens_from));
                rows.field("still counts", status.tokens_previous.join(", "));
                Ok(rows)
            })
        }
        Command::Rotate { prepare: true, .. } => {
            let name = rotate::prepare(&ctx).await?;
            say(&format!(
                "key `{name}` opens from now on; copy `secret.key` to every host, then run it without --prepare"
            ));
            Ok(())
        }
        Command::Rotate { tokens, data, .. } => {
            if !tokens {
                let done = rotate::rotate_data(&ctx, |done| say(&format!("{done} secrets sealed anew"))).await?;
                match done.made {
                    Some(name) => say(&format!("key `{name}` encrypts; {} secrets were sealed anew", done.resealed)),
                    None => {
                        say(&format!("went on with the change of before; {} secrets were sealed anew", done.resealed));
                    }
                }
                say("the old key still opens; `berth keys forget` removes it in two minutes or later");
            }
            if !data {
                let name = rotate::rotate_tokens(&ctx).await?;
                say(&format!("key `{name}` signs tokens; those of the old one count until they expire"));
            }
            Ok(())
        }
        Command::Forget => {
            let gone = rotate::forget(&ctx).await?;
            say(&format!("{gone} keys of before are forgotten"));
            Ok(())
        }
    }
}
