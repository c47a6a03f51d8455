//! The commands under the names `ansible-playbook` and `ansible`: their options and their exit codes, so that people's
//! scripts keep working.

use std::{path::Path, process::ExitCode};

use clap::Parser;

use super::{RunArgs, one::OneArgs};
use crate::cli::{client_options::ClientOptions, complain, fault, output::Format, start};

/// The exit code for a playbook that cannot be read.
const UNREADABLE: u8 = 4;

/// Which of Ansible's commands is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    /// `ansible-playbook`.
    Playbook,
    /// `ansible`.
    One,
}

/// Run Ansible playbooks on the hosts of an inventory.
#[derive(Debug, Parser)]
#[command(name = "ansible-playbook", max_term_width = 100, disable_version_flag = true)]
struct PlaybookCommand {
    #[command(flatten)]
    run: RunArgs,
    /// Show the version
    #[arg(long)]
    version: bool,
}

/// Run one module on some hosts of an inventory.
#[derive(Debug, Parser)]
#[command(
    name = "ansible",
    max_term_width = 100,
    disable_version_flag = true,
    mut_arg("one_line", |arg| arg.short('o'))
)]
struct OneCommand {
    #[command(flatten)]
    one: OneArgs,
    /// Show the version
    #[arg(long)]
    version: bool,
}

/// The command of Ansible's by whose name the program was called.
pub fn called_as_ansible() -> Option<Name> {
    let name = std::env::args_os().next().unwrap_or_default();
    match Path::new(&name).file_name()?.to_str()? {
        "ansible-playbook" => Some(Name::Playbook),
        "ansible" => Some(Name::One),
        _ => None,
    }
}

/// Runs the command that the process arguments ask for.
pub fn as_ansible(name: Name) -> ExitCode {
    if std::env::args_os().any(|argument| argument == "--version") {
        let name = match name {
            Name::Playbook => "ansible-playbook",
            Name::One => "ansible",
        };
        let _ = crate::cli::output::print(&format!("{name} [core 2.19.0] (berth {})\n", env!("CARGO_PKG_VERSION")));
        return ExitCode::SUCCESS;
    }
    match name {
        Name::Playbook => start(
            "ERROR!",
            async |command: PlaybookCommand| super::run(&command.run, None, &client(), "ERROR!").await,
            code,
        ),
        Name::One => start(
            "ERROR!",
            async |command: OneCommand| super::run(&command.one.run, Some(&command.one), &client(), "ERROR!").await,
            code,
        ),
    }
}

fn client() -> ClientOptions {
    let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    ClientOptions {
        output: Format::Table,
        profile: variable("BERTH_PROFILE").unwrap_or_else(|| "default".into()),
        url: variable("BERTH_URL"),
    }
}

fn code(answer: anyhow::Result<u8>) -> u8 {
    match answer {
        Ok(code) => code,
        Err(error) => {
            let unreadable = error.downcast_ref::<super::Unreadable>().is_some();
            complain(&error.context("ERROR!"));
            if unreadable { UNREADABLE } else { fault::FAILED }
        }
    }
}
