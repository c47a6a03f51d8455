//! What works on this computer and asks no server: the settings, the database's schema, the server itself.

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    client_options::ClientOptions,
    fault::{FAILED, Fault},
    output::{Rows, print},
    terminal::say,
};
use crate::{
    clock::Clock,
    config::{self, Config},
    ctx::Ctx,
    db::{self, Db, Schema},
    server, telemetry,
};

/// Commands about the server's settings.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print a file of all settings with their meaning and default
    #[command(after_help = "Example:\n  berth config example > /etc/berth/berth.toml")]
    Example,
    /// Tell what is wrong with the settings, without starting anything
    #[command(
        after_help = "Reads what `berth serve` would read: the file that BERTH_CONFIG names, or ./berth.toml, or \
/etc/berth/berth.toml; then the environment. The exit code is 1 if the server would refuse to start.\n\nExamples:\n  \
berth config check\n  BERTH_ENV=production berth config check"
    )]
    Check,
}

/// Bring the database's schema up to date
#[derive(Debug, Args)]
#[command(
    after_help = "`berth serve` does the same at its start. Any number of processes may do it at once. The schema only goes \
forward; servers of the version before go on working beside those of this one.\n\n--check changes nothing. Its exit codes: \
0 current, 10 behind (what would run is listed), 11 newer than this berth but still good for it, 12 too new for it; 6 the \
database cannot be reached.\n\nExamples:\n  DATABASE_URL=mysql://berth@localhost/berth berth migrate\n  berth migrate \
--check --output json"
)]
pub struct MigrateArgs {
    /// Change nothing; say by the exit code how the schema stands, and list what would run
    #[arg(long)]
    check: bool,
}

/// Run the server
#[derive(Debug, Args)]
#[command(
    after_help = "Listens where BERTH_LISTEN says, on 127.0.0.1:8080 unless told otherwise, with the embedded database \
unless DATABASE_URL names another. Ends at Ctrl-C or SIGTERM.\n\nExamples:\n  berth serve\n  \
BERTH_LISTEN=0.0.0.0:8080 DATABASE_URL=mysql://berth@localhost/berth berth serve"
)]
pub struct ServeArgs {}

/// Runs `berth config`.
pub fn config(command: &ConfigCommand, options: &ClientOptions) -> Result<()> {
    match command {
        ConfigCommand::Example => print(&config::example()),
        ConfigCommand::Check => check(options),
    }
}

fn check(options: &ClientOptions) -> Result<()> {
    let faults = match Config::load() {
        Ok(config) => config::check(&config),
        Err(faults) => faults.0,
    };
    let seen: Vec<Value> = faults
        .iter()
        .map(|fault| {
            let severity = if fault.is_fatal() { "error" } else { "warning" };
            json!({"severity": severity, "setting": fault.setting, "problem": fault.problem, "fix": fault.fix})
        })
        .collect();
    options.out().show(&Value::Array(seen), || {
        let mut rows = Rows::list(&["", "SETTING", "PROBLEM", "FIX"], "the settings are well");
        for fault in &faults {
            let severity = if fault.is_fatal() { "error" } else { "warning" };
            rows.row([severity, &fault.setting, &fault.problem, &fault.fix]);
        }
        Ok(rows)
    })?;
    if faults.iter().any(config::Fault::is_fatal) { Err(Fault::Said(FAILED).into()) } else { Ok(()) }
}

fn refuse(faults: &[config::Fault]) -> anyhow::Error {
    for fault in faults {
        say(&fault.to_string());
    }
    say("berth does not start with these settings; `berth config example` shows all of them");
    Fault::Said(FAILED).into()
}

/// Runs `berth serve`.
pub async fn serve(_args: ServeArgs) -> Result<()> {
    let config = Config::load().map_err(|faults| refuse(&faults.0))?;
    let faults = config::check(&config);
    if faults.iter().any(config::Fault::is_fatal) {
        return Err(refuse(&faults));
    }
    let endpoint = config.otlp_endpoint.as_deref();
    telemetry::init(&config.log.level, config.log.format.into(), endpoint, "berth");
    telemetry::metrics();
    for fault in &faults {
        tracing::warn!("{fault}");
    }
    server::serve(config).await
}

/// The database that the settings name, with the keys, for a command that works without a server.
pub async fn database() -> Result<Ctx> {
    let config = Config::load().map_err(|faults| refuse(&faults.0))?;
    let ctx = Ctx::connect(config, Clock::default()).await?;
    match ctx.db.schema().await.context("cannot read the database's schema")? {
        Schema::Current => Ok(ctx),
        Schema::Behind(_) => anyhow::bail!("the database's schema is older than this berth; run `berth migrate` first"),
        Schema::Newer | Schema::Ahead => {
            anyhow::bail!("the database's schema is newer than this berth; use the newer one")
        }
    }
}

/// Runs `berth migrate`.
pub async fn migrate(args: MigrateArgs, options: &ClientOptions) -> Result<()> {
    let config = Config::load().map_err(|faults| refuse(&faults.0))?;
    let settings = db::Settings {
        url: config.database.url.0.clone(),
        retries: if args.check { 1 } else { config.database.max_retries },
        retry_every: config.database.retry,
        max_connections: 2,
    };
    if args.check && db::is_absent(&settings.url) {
        // Connecting would make the file.
        return show_schema(Schema::Behind(db::migrations().len()), &[], options);
    }
    let connected = Db::connect(&settings, Clock::default()).await;
    let db = connected.map_err(|error| Fault::Unreachable(format!("cannot reach the database: {error}")))?;
    if args.check {
        let unreadable = |error| Fault::Unreachable(format!("cannot read the database's schema: {error}"));
        let schema = db.schema().await.map_err(unreadable)?;
        let applied = db.applied().await.map_err(unreadable)?;
        return show_schema(schema, &applied, options);
    }
    db.migrate().await.context("the schema is as it was")?;
    say("the database's schema is up to date");
    Ok(())
}

fn show_schema(schema: Schema, applied: &[i64], options: &ClientOptions) -> Result<()> {
    let known = db::migrations();
    let missing: Vec<_> = known.iter().filter(|migration| !applied.contains(&migration.version)).collect();
    let foreign: Vec<i64> =
        applied.iter().copied().filter(|version| known.iter().all(|known| known.version != *version)).collect();
    let (word, code, meaning) = match schema {
        Schema::Current => ("current", 0, "nothing is to be done"),
        Schema::Behind(_) => ("behind", 10, "run `berth migrate`, or start `berth serve`, which does it"),
        Schema::Newer => ("newer", 11, "a newer berth has migrated it; this one still works beside it"),
        Schema::Ahead => ("ahead", 12, "it belongs to a newer berth; this one does not start with it"),
    };
    let would_run: Vec<Value> = missing.iter().map(|one| json!({"version": one.version, "name": one.name})).collect();
    let seen =
        json!({"status": word, "meaning": meaning, "applied": applied, "would_run": would_run, "unknown": foreign});
    options.out().show(&seen, || {
        let mut rows = Rows::fields();
        rows.field("status", format!("{word}: {meaning}"));
        for one in &missing {
            rows.field("would run", format!("{:04} {}", one.version, one.name));
        }
        for version in &foreign {
            rows.field("unknown here", format!("{version:04}"));
        }
        Ok(rows)
    })?;
    if code == 0 { Ok(()) } else { Err(Fault::Said(code).into()) }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    /// The table of settings, made from the example file: a line with doc and variable, then one with key and value.
    fn table() -> String {
        let mut text = String::from("| file | environment | default | what it is for |\n| --- | --- | --- | --- |\n");
        let mut section = String::new();
        let mut doc: Option<(String, String)> = None;
        let example = crate::config::example();
        let (settings, _pools) = example.split_once("\n# Rules of one pool").unwrap();
        for line in settings.lines() {
            if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                section = format!("{name}.");
            } else if let Some((words, env)) =
                line.strip_prefix("# ").and_then(|line| line.strip_suffix(']')).and_then(|line| line.rsplit_once(" ["))
                && !line.contains(" = ")
            {
                doc = Some((words.to_owned(), env.to_owned()));
            } else if let (Some((words, env)), Some((key, value))) = (&doc, line.split_once(" = ")) {
                let default =
                    if line.starts_with('#') { String::new() } else { format!("`{}`", value.trim_matches('"')) };
                let default = if default == "``" { "empty".to_owned() } else { default };
                let key = key.trim_start_matches("# ");
                writeln!(text, "| `{section}{key}` | `{env}` | {default} | {words} |").unwrap();
                doc = None;
            }
        }
        text
    }

    #[test]
    fn the_settings_in_the_operations_guide_are_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/OPERATIONS.md");
        let page = std::fs::read_to_string(path).unwrap();
        let (before, rest) = page.split_once("<!-- settings -->\n").unwrap();
        let (_, after) = rest.split_once("<!-- end of settings -->").unwrap();
        let wanted = format!("{before}<!-- settings -->\n{}<!-- end of settings -->{after}", table());
        if std::env::var_os("BERTH_BLESS").is_some() {
            std::fs::write(path, &wanted).unwrap();
            return;
        }
        assert!(page == wanted, "docs/OPERATIONS.md does not show the settings as they are; run `just bless`");
    }

    #[test]
    fn the_table_of_settings_holds_every_setting() {
        let table = table();
        for name in ["BERTH_LISTEN", "DATABASE_URL", "JWT_SECRET", "BERTH_TRUSTED_PROXIES", "BERTH_LOGINS_BURST"] {
            assert!(table.contains(&format!("`{name}`")), "{name}");
        }
    }
}
