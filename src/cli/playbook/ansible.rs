//! The command under the name `ansible-playbook`: its options and its exit codes, so that people's scripts keep working.

use std::{path::Path, process::ExitCode};

use clap::Parser;

use super::RunArgs;
use crate::cli::{client_options::ClientOptions, complain, fault, output::Format, start};

/// The exit code for a playbook that cannot be read.
const UNREADABLE: u8 = 4;

/// Run Ansible playbooks on the hosts of an inventory.
#[derive(Debug, Parser)]
#[command(name = "ansible-playbook", max_term_width = 100, disable_version_flag = true)]
struct Command {
    #[command(flatten)]
    run: RunArgs,
    /// Show the version
    #[arg(long)]
    version: bool,
}

/// Whether the program was called by that name.
pub fn called_as_ansible_playbook() -> bool {
    let name = std::env::args_os().next().unwrap_or_default();
    Path::new(&name).file_name().is_some_and(|name| name == "ansible-playbook")
}

/// Runs the command that the process arguments ask for.
pub fn as_ansible_playbook() -> ExitCode {
    if std::env::args_os().any(|argument| argument == "--version") {
        let _ = crate::cli::output::print(&format!(
            "ansible-playbook [core 2.19.0] (berth {})\n",
            env!("CARGO_PKG_VERSION")
        ));
        return ExitCode::SUCCESS;
    }
    let work = async |command: Command| {
        let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        let client = ClientOptions {
            output: Format::Table,
            profile: variable("BERTH_PROFILE").unwrap_or_else(|| "default".into()),
            url: variable("BERTH_URL"),
        };
        super::run(command.run, &client, "ERROR!").await
    };
    start("ERROR!", work, |answer| match answer {
        Ok(code) => code,
        Err(error) => {
            let unreadable = error.downcast_ref::<super::Unreadable>().is_some();
            complain(&error.context("ERROR!"));
            if unreadable { UNREADABLE } else { fault::FAILED }
        }
    })
}
