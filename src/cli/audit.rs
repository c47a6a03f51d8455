//! Who did what, for admins; and whether it is still what was written then.

use std::{
    fs::File,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
};

use anyhow::{Context, Result};
use clap::{Args as ClapArgs, Subcommand};
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::Value;

use super::{
    call::parse,
    client_options::{ClientOptions, query},
    fault::{FAILED, Fault},
    local,
    output::{Rows, moment, print},
    terminal::say,
};
use crate::audit::{self, Verdict, chain::Place};

/// Show who did what, and whether nobody changed it since
#[derive(Debug, ClapArgs)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  berth audit\n  berth audit --actor alice --since 2026-11-21T00:00:00Z\n  berth audit --action machine.quarantine --output json\n  berth audit verify"
)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Only by this user
    #[arg(long, value_name = "USER")]
    actor: Option<String>,
    /// Only this action
    #[arg(long)]
    action: Option<String>,
    /// Only from then on
    #[arg(long, value_name = "MOMENT")]
    since: Option<String>,
    /// No more than this many
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Tell whether an entry was changed, removed or put in since it was written
    #[command(
        after_help = "Each entry carries a hash over itself and the one before it, made within seconds of its writing. The \
exit code is 1 if the chain does not hold; the answer says where it breaks first. Who can write to the database and has \
the secret key could make the whole chain anew: keep the last place that is shown elsewhere, and give it as --anchor \
later.\n\nExamples:\n  berth audit verify\n  berth audit verify --anchor 1042:5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9\n  \
berth audit verify --file audit.jsonl\n  berth audit verify --database"
    )]
    Verify(VerifyArgs),
    /// Print the audit with its hashes, as JSON lines that can be verified without a server
    #[command(after_help = "Examples:\n  berth audit export --to audit.jsonl\n  berth audit verify --file audit.jsonl")]
    Export {
        /// Write to this file, readable for its owner only; else to stdout
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
        /// Read the database that the settings name, not the server
        #[arg(long)]
        database: bool,
    },
}

#[derive(Debug, ClapArgs)]
struct VerifyArgs {
    /// An exported file, and no server
    #[arg(long, conflicts_with_all = ["database", "anchor"], value_name = "FILE")]
    file: Option<PathBuf>,
    /// Look into the database that the settings name, and ask no server
    #[arg(long)]
    database: bool,
    /// A place that was known before and must still be there
    #[arg(long, value_name = "NUMBER:HASH")]
    anchor: Option<String>,
    /// Take the chain as it is from now on, after its break was looked into: it begins anew at its present end. Export
    /// it first; the audit notes it
    #[arg(long, requires = "database", conflicts_with = "anchor")]
    accept: bool,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Entry {
    at: Option<String>,
    actor: Option<String>,
    action: String,
    target: Option<String>,
    detail: Value,
    peer: Option<String>,
}

/// Runs it.
pub async fn run(args: Args, options: &ClientOptions) -> Result<()> {
    match args.command {
        None => list(args, options).await,
        Some(Command::Verify(args)) => verify(args, options).await,
        Some(Command::Export { to, database }) => export(to, database, options).await,
    }
}

async fn verify(args: VerifyArgs, options: &ClientOptions) -> Result<()> {
    let anchor = args.anchor.as_deref().map(str::parse::<Place>).transpose().map_err(Fault::Usage)?;
    let verdict = if let Some(file) = args.file {
        let name = file.display().to_string();
        let lines = BufReader::new(File::open(&file).with_context(|| format!("cannot read `{name}`"))?).lines();
        Verdict::of_file(lines).map_err(|problem| Fault::Usage(format!("`{name}`: {problem}")))?
    } else if args.database {
        let ctx = local::database().await?;
        if args.accept {
            match audit::accept(&ctx, "berth audit verify --accept").await? {
                None => say("the chain holds; there is nothing to accept"),
                Some(fault) => say(&format!("accepted, and noted in the audit: {}", fault.meaning)),
            }
        }
        audit::verify(&ctx, anchor.as_ref()).await?
    } else {
        let query: Vec<_> = args.anchor.map(|anchor| ("anchor", anchor)).into_iter().collect();
        let client = options.client()?;
        client.get(&["audit", "verify"]).query(&query).patience(None).send().await?.parse()?
    };
    options.out().show(&serde_json::to_value(&verdict)?, || {
        let mut rows = Rows::fields();
        rows.field("status", &verdict.status);
        if let Some(broken) = &verdict.broken {
            rows.field("breaks at", format!("entry {}: {}", broken.seq, broken.fault));
            rows.field("meaning", &broken.meaning);
        }
        rows.field("entries that hold", verdict.entries.to_string());
        rows.field("not chained yet", verdict.unchained.to_string());
        if 0 < verdict.base.seq {
            rows.field("pruned up to", verdict.base.seq.to_string());
        }
        rows.field("last place", format!("{}:{}", verdict.head.seq, verdict.head.hash));
        Ok(rows)
    })?;
    if verdict.broken.is_some() { Err(Fault::Said(FAILED).into()) } else { Ok(()) }
}

async fn export(to: Option<PathBuf>, database: bool, options: &ClientOptions) -> Result<()> {
    let mut file = match &to {
        None => None,
        Some(path) => {
            use std::os::unix::fs::OpenOptionsExt;
            let made = File::options().write(true).create_new(true).mode(0o600).open(path);
            Some(made.with_context(|| format!("cannot make `{}`", path.display()))?)
        }
    };
    let mut write = |text: &[u8]| match &mut file {
        Some(file) => Ok(file.write_all(text)?),
        None => print(&String::from_utf8_lossy(text)),
    };
    if database {
        let ctx = local::database().await?;
        let header = audit::export(&ctx).await?;
        write(format!("{}\n", serde_json::to_string(&header)?).as_bytes())?;
        let mut pages = std::pin::pin!(audit::pages(ctx, &header));
        while let Some(page) = pages.next().await {
            write(page?.as_bytes())?;
        }
    } else {
        let client = options.client()?;
        let mut answer = client.get(&["audit", "export"]).stream().await?;
        // Cut at line ends, so that no character is cut.
        let mut rest = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| client.broken(&error))? {
            rest.extend_from_slice(&chunk);
            let whole = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            write(&rest[..whole])?;
            rest.drain(..whole);
        }
        write(&rest)?;
    }
    if let Some(file) = file {
        file.sync_all()?;
    }
    Ok(())
}

async fn list(args: Args, options: &ClientOptions) -> Result<()> {
    let client = options.client()?;
    let query = query(
        &[("actor", args.actor.as_deref()), ("action", args.action.as_deref()), ("since", args.since.as_deref())],
        &[],
    );
    let items = Value::Array(client.list(&["audit"], &query, Some(args.limit)).await?);
    options.out().show(&items, || {
        let mut rows = Rows::list(&["AT", "ACTOR", "ACTION", "TARGET", "FROM", "DETAIL"], "nothing yet");
        for entry in parse::<Vec<Entry>>(&items)? {
            let detail = match entry.detail {
                Value::Null => String::new(),
                Value::String(text) => text,
                other => other.to_string(),
            };
            let at = moment(entry.at.as_deref());
            let text = Option::unwrap_or_default;
            rows.row([at, text(entry.actor), entry.action, text(entry.target), text(entry.peer), detail]);
        }
        Ok(rows)
    })
}
