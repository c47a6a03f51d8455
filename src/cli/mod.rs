//! The command line.
//!
//! `mod.rs` is the tree of commands and where each goes; a file holds one family. Commands that concern the pool
//! talk to the server by HTTP and know nothing else of it; `playbook`, `config`, `serve`, `migrate`, `backup`, `keys` and
//! `service` work here.

mod account;
mod audit;
mod backup;
mod call;
mod client;
mod client_options;
mod clockwork;
mod credentials;
mod doctor;
mod events;
mod fault;
mod health;
mod help;
mod history;
mod keys;
mod local;
mod machines;
mod output;
mod playbook;
mod pools;
mod profile;
mod register;
mod reservations;
mod runs;
mod service;
mod ssh;
mod terminal;
mod users;
mod wait;

use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory, Parser, Subcommand};

pub use self::clockwork::scheduler_main;
use self::{
    client_options::ClientOptions,
    fault::{Fault, code_of},
    output::colour_wanted,
};

/// A pool of machines that people can book.
///
/// Book machines for a time, get a login on them, and give them back clean.
#[derive(Debug, Parser)]
#[command(name = "berth", version, disable_help_subcommand = true, max_term_width = 100, after_help = help::ROOT)]
struct Cli {
    #[command(flatten)]
    options: ClientOptions,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Account(account::Command),
    /// Your SSH keys: list, add, remove; on the server, its own keys: status, rotate, forget
    #[command(subcommand, visible_alias = "key")]
    Keys(keys::Command),
    /// Machines of the pool: list, show, add, remove, check, quarantine, release
    #[command(subcommand, visible_alias = "machine")]
    Machines(machines::Command),
    Register(register::Args),
    Available(machines::AvailableArgs),
    Pools(pools::Args),
    Reserve(reservations::ReserveArgs),
    /// Reservations: list, show, extend, release
    #[command(subcommand, visible_alias = "reservation")]
    Reservations(reservations::Command),
    ReleaseAll(reservations::ReleaseAllArgs),
    Ssh(ssh::Args),
    /// Runs of playbooks on machines, and what they did
    #[command(subcommand, visible_alias = "run")]
    Runs(runs::Command),
    Events(events::Args),
    History(history::Args),
    /// Accounts: list, show, add, change, remove, approve, suspend, reset
    #[command(subcommand, visible_alias = "user")]
    Users(users::Command),
    Audit(audit::Args),
    Playbook(playbook::PlaybookCommand),
    /// The server's settings: example, check
    #[command(subcommand)]
    Config(local::ConfigCommand),
    Doctor(doctor::Args),
    Serve(local::ServeArgs),
    Migrate(local::MigrateArgs),
    Health(health::Args),
    /// Backups of the database: create, verify, restore
    #[command(subcommand)]
    Backup(backup::Command),
    /// Berth as a service of systemd: install, uninstall, status
    #[command(subcommand)]
    Service(service::Command),
    Man(help::ManArgs),
    Completions(help::CompletionsArgs),
    Help(help::HelpArgs),
    #[command(name = "help-markdown", hide = true)]
    HelpMarkdown,
}

/// Reads the process arguments, does the work they ask for, and ends with the exit code that `judge` finds.
fn start<P: Parser, W: Future>(mark: &str, work: impl FnOnce(P) -> W, judge: impl FnOnce(W::Output) -> u8) -> ExitCode {
    let asked = match P::try_parse() {
        Ok(asked) => asked,
        Err(error) => {
            // Nothing is left to tell when stdout or stderr is gone.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { fault::USAGE } else { fault::OK });
        }
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            terminal::say(&format!("{mark} cannot start: {error}"));
            return ExitCode::from(fault::FAILED);
        }
    };
    let answer = runtime.block_on(work(asked));
    // Whatever still runs in the background belongs to a command that is over.
    runtime.shutdown_background();
    ExitCode::from(judge(answer))
}

/// Runs the command that the process arguments name.
pub fn main() -> ExitCode {
    if let Some(name) = playbook::called_as_ansible() {
        return playbook::as_ansible(name);
    }
    if clockwork::called_as_scheduler() {
        return scheduler_main();
    }
    start("error:", run, |answer| match answer {
        Ok(()) => fault::OK,
        Err(error) => {
            complain(&error);
            code_of(&error)
        }
    })
}

async fn run(cli: Cli) -> Result<()> {
    let options = cli.options;
    match cli.command {
        Command::Account(command) => account::run(command, &options).await,
        Command::Machines(command) => machines::run(command, &options).await,
        Command::Register(args) => register::run(args, &options).await,
        Command::Available(args) => machines::available(args, &options).await,
        Command::Pools(args) => pools::run(args, &options).await,
        Command::Reserve(args) => reservations::reserve(args, &options).await,
        Command::Reservations(command) => reservations::run(command, &options).await,
        Command::ReleaseAll(args) => reservations::release_all(args, &options).await,
        Command::Ssh(args) => ssh::run(args, &options).await,
        Command::Runs(command) => runs::run(command, &options).await,
        Command::Events(args) => events::run(args, &options).await,
        Command::History(args) => history::run(args, &options).await,
        Command::Users(command) => users::run(command, &options).await,
        Command::Audit(args) => audit::run(args, &options).await,
        Command::Playbook(command) => command.run(&options).await,
        Command::Config(command) => local::config(&command, &options),
        Command::Doctor(args) => doctor::run(args, &options).await,
        Command::Serve(args) => local::serve(args).await,
        Command::Health(args) => health::run(&args).await,
        Command::Migrate(args) => local::migrate(args, &options).await,
        Command::Backup(command) => backup::run(command, &options).await,
        Command::Keys(command) => keys::run(command, &options).await,
        Command::Service(command) => service::run(command, &options),
        Command::Man(args) => help::man(&args, Cli::command()),
        Command::Completions(args) => help::completions(&args, Cli::command()),
        Command::Help(args) => help::run(&args, Cli::command()),
        Command::HelpMarkdown => output::print(&help::markdown(Cli::command())),
    }
}

/// Says on stderr what went wrong, every cause of it.
fn complain(error: &anyhow::Error) {
    if matches!(error.downcast_ref::<Fault>(), Some(Fault::Said(_))) {
        return;
    }
    let coloured = colour_wanted() && std::io::IsTerminal::is_terminal(&std::io::stderr());
    let mark = if coloured { "\u{1b}[1;31merror:\u{1b}[0m" } else { "error:" };
    terminal::say(&format!("{mark} {}", output::plain(&format!("{error:#}"))));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_tree_holds_together() {
        Cli::command().debug_assert();
    }
}
