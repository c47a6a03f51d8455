//! What `berth playbook run` and `ansible-playbook` take.

use std::path::PathBuf;

use clap::{ArgAction, Args};

use super::{Chosen, Files};

/// Passwords for vaults.
#[derive(Debug, Args)]
pub(super) struct VaultArgs {
    /// Read a password of Ansible's vault from this file, or run it when it is executable; may be given again
    #[arg(long, visible_alias = "vault-pass-file", value_name = "FILE")]
    pub(super) vault_password_file: Vec<PathBuf>,
    /// A vault password as `ID@FILE` or `ID@prompt`; may be given again
    #[arg(long, value_name = "ID@SOURCE")]
    pub(super) vault_id: Vec<String>,
    /// Ask for the password of Ansible's vault
    #[arg(short = 'J', long, visible_alias = "ask-vault-password")]
    pub(super) ask_vault_pass: bool,
}

/// The options of a run.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "these are switches of a command line")]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub(super) files: Files,
    /// An inventory file or folder, or names with commas; may be given again
    #[arg(
        short,
        long,
        visible_alias = "inventory-file",
        value_name = "HOSTS",
        env = "ANSIBLE_INVENTORY",
        hide_env_values = true
    )]
    pub(super) inventory: Vec<String>,
    /// Only these hosts; `@FILE` reads them from a file
    #[arg(short, long, value_name = "PATTERN")]
    pub(super) limit: Vec<String>,
    #[command(flatten)]
    pub(super) chosen: Chosen,
    /// A variable as `name=value`, YAML or JSON text, or `@file`; may be given again
    #[arg(short, long, value_name = "VARS")]
    pub(super) extra_vars: Vec<String>,
    /// How many hosts at once [default: 50]
    #[arg(short, long)]
    pub(super) forks: Option<usize>,
    /// Look only, change nothing
    #[arg(short = 'C', long)]
    pub(super) check: bool,
    /// Show texts before and after
    #[arg(short = 'D', long)]
    pub(super) diff: bool,
    /// Begin at the task of this name
    #[arg(long, value_name = "NAME")]
    pub(super) start_at_task: Option<String>,
    /// Ask before each task
    #[arg(long)]
    pub(super) step: bool,
    /// Log in as this user
    #[arg(short, long, value_name = "USER")]
    pub(super) user: Option<String>,
    /// Log in with this private key
    #[arg(long, visible_alias = "key-file", value_name = "FILE")]
    pub(super) private_key: Option<PathBuf>,
    /// How to connect: ssh, local
    #[arg(short, long, value_name = "HOW")]
    pub(super) connection: Option<String>,
    /// Ask for the login's password
    #[arg(short = 'k', long)]
    pub(super) ask_pass: bool,
    /// Read the login's password from this file
    #[arg(long, visible_alias = "conn-pass-file", value_name = "FILE")]
    pub(super) connection_password_file: Option<PathBuf>,
    /// Arguments for ssh: `-o Name=value`, `-J`, `-C`
    #[arg(long, value_name = "ARGS", allow_hyphen_values = true)]
    pub(super) ssh_common_args: Vec<String>,
    /// Further arguments for ssh
    #[arg(long, value_name = "ARGS", allow_hyphen_values = true)]
    pub(super) ssh_extra_args: Vec<String>,
    /// Become another user, root unless said otherwise
    #[arg(short, long = "become")]
    pub(super) become_it: bool,
    /// Who to become
    #[arg(long, value_name = "USER")]
    pub(super) become_user: Option<String>,
    /// sudo, su or doas
    #[arg(long, value_name = "HOW")]
    pub(super) become_method: Option<String>,
    /// Ask for the password that sudo, su or doas wants
    #[arg(short = 'K', long)]
    pub(super) ask_become_pass: bool,
    /// Read that password from this file
    #[arg(long, visible_alias = "become-pass-file", value_name = "FILE")]
    pub(super) become_password_file: Option<PathBuf>,
    /// Run handlers on hosts that failed, too
    #[arg(long)]
    pub(super) force_handlers: bool,
    /// Forget the facts that earlier runs kept of the inventory's hosts
    #[arg(long)]
    pub(super) flush_cache: bool,
    /// Seconds for connecting and login [default: 15]
    #[arg(short = 'T', long, value_name = "SECONDS")]
    pub(super) timeout: Option<u64>,
    /// Seconds for a step, unless its task says otherwise
    #[arg(long, default_value_t = 1800, value_name = "SECONDS")]
    pub(super) step_timeout: u64,
    /// Show what modules answer; again for more
    #[arg(short, long, action = ArgAction::Count)]
    pub(super) verbose: u8,
    /// Print after the recap where the time went, by host and by task
    #[arg(long)]
    pub(super) timings: bool,
    /// List the hosts and run nothing
    #[arg(long)]
    pub(super) list_hosts: bool,
    /// List the tasks that would run, and run nothing
    #[arg(long)]
    pub(super) list_tasks: bool,
    /// List the tags, and run nothing
    #[arg(long)]
    pub(super) list_tags: bool,
    /// Read the playbooks, and run nothing
    #[arg(long)]
    pub(super) syntax_check: bool,
}
