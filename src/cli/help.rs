//! Help: topics that belong to no command, the reference page, completions.

use std::{fmt::Write, path::PathBuf};

use anyhow::{Context, Result};
use clap::{Args, Command};
use clap_complete::Shell;

use super::{
    fault::{Fault, OK},
    output::print,
};

/// Below the list of commands.
pub const ROOT: &str = "Start here:
  berth login alice                       sign in
  berth available                         what can be had
  berth reserve 2 --for 60m --wait        book two machines for an hour
  berth ssh quay-1                        go there
  berth reservations list                 what you hold
  berth reservations release ID           give it back

`berth help exit-codes` and `berth help environment` tell the rest.";

const EXIT_CODES: &str = "Exit codes:
  0    done
  1    it did not work, or a part of it did not
  2    usage: the command line, a file or a value given is wrong
  3    not signed in, or not allowed
  4    not found, or not yours to know of
  5    refused by a rule: not enough machines, a name that is taken, too many requests
  6    the server cannot be reached, or cannot work now
  7    the time given with --timeout is over; the work goes on
  130  ended by Ctrl-C
`berth ssh` ends with the exit code of ssh, once ssh was started.
";

const ENVIRONMENT: &str = "Environment variables:
  BERTH_URL        the server's address, as `--url`; `/api` at its end may be left out
  API_BASE         the same, used when BERTH_URL is not set
  BERTH_TOKEN      an access token (`berth tokens add`); goes before the profile's session
  BERTH_PROFILE    the profile, as `--profile`
  BERTH_OUTPUT     the output, as `--output`
  VERIFY_TLS       `false` accepts any certificate, with a warning
  SSL_CERT_FILE    a file of certificate authorities to trust instead of the system's
  HTTPS_PROXY, HTTP_PROXY, NO_PROXY
                   a proxy; never used for this computer itself
  NO_COLOR         no colours
  XDG_CONFIG_HOME  `berth/profiles.toml` is kept there (else in ~/.config)
  XDG_CACHE_HOME   `berth/hosts/` holds pinned host keys for `berth ssh` (else in ~/.cache)
";

/// Help on a command, or on `exit-codes` or `environment`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  berth help reserve\n  berth help machines add\n  berth help exit-codes")]
pub struct HelpArgs {
    /// The command's words, or a topic
    #[arg(value_name = "COMMAND|TOPIC")]
    words: Vec<String>,
}

/// Print a shell's completion script
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  berth completions bash > ~/.local/share/bash-completion/completions/berth\n  \
berth completions zsh > ~/.zfunc/_berth\n  berth completions fish > ~/.config/fish/completions/berth.fish")]
pub struct CompletionsArgs {
    /// Which shell
    shell: Shell,
}

/// Write the manual pages into a folder
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  berth man --dir /usr/local/share/man/man1\n  berth man --dir /tmp/man && man -l /tmp/man/berth-reserve.1"
)]
pub struct ManArgs {
    /// The folder; it is made if it is not there
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

/// Runs `berth man`.
pub fn man(args: &ManArgs, root: Command) -> Result<()> {
    let failed = || format!("cannot write into `{}`", args.dir.display());
    std::fs::create_dir_all(&args.dir).with_context(failed)?;
    for (name, page) in pages(root)? {
        std::fs::write(args.dir.join(name), page).with_context(failed)?;
    }
    Ok(())
}

/// Every manual page: the name of its file, and what stands in it. The same program makes the same pages at any time.
pub fn pages(root: Command) -> Result<Vec<(String, Vec<u8>)>> {
    let mut root = root.disable_help_subcommand(true);
    root.build();
    let mut all = Vec::new();
    page(&root, &mut all)?;
    Ok(all)
}

fn page(command: &Command, all: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
    let man = clap_mangen::Man::new(command.clone())
        .source(concat!("berth ", env!("CARGO_PKG_VERSION")))
        .manual("Berth")
        .date("");
    let mut text = Vec::new();
    man.render(&mut text)?;
    all.push((man.get_filename(), text));
    command.get_subcommands().filter(|one| !one.is_hide_set()).try_for_each(|one| page(one, all))
}

/// Runs `berth help`.
pub fn run(args: &HelpArgs, mut root: Command) -> Result<()> {
    match args.words.first().map(String::as_str) {
        Some("exit-codes") => return print(EXIT_CODES),
        Some("environment") => return print(ENVIRONMENT),
        _ => {}
    }
    root.build();
    let mut command = &mut root;
    for word in &args.words {
        let Some(next) = command.find_subcommand_mut(word) else {
            return Err(Fault::Usage(format!("there is no command or topic `{}`", args.words.join(" "))).into());
        };
        command = next;
    }
    command.print_long_help().map_err(|error| {
        if error.kind() == std::io::ErrorKind::BrokenPipe { Fault::Said(OK).into() } else { error.into() }
    })
}

/// Runs `berth completions`.
pub fn completions(args: &CompletionsArgs, mut root: Command) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut root, "berth", &mut script);
    print(&String::from_utf8_lossy(&script))
}

/// The reference page: every command's help, in the order of the tree.
pub fn markdown(root: Command) -> String {
    let mut text = String::from(
        "# The `berth` command\n\nThis page is made from the command's own help by `just bless`; change the help, not the page.\n\n",
    );
    let mut root = root.term_width(100).disable_version_flag(true);
    root.build();
    section(&mut root, &mut Vec::new(), &mut text);
    write!(text, "## Exit codes\n\n```text\n{EXIT_CODES}```\n\n## Environment\n\n```text\n{ENVIRONMENT}```\n")
        .expect("a String takes all that is written");
    text
}

fn section(command: &mut Command, path: &mut Vec<String>, text: &mut String) {
    path.push(command.get_name().to_owned());
    let level = if path.len() < 3 { "##" } else { "###" };
    let help = command.render_long_help().to_string();
    // The global options are the same everywhere; the first page shows them.
    let help = if 1 < path.len() { without_global_options(&help) } else { help };
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    write!(text, "{level} `{}`\n\n```text\n{}\n```\n\n", path.join(" "), lines.join("\n").trim_end())
        .expect("a String takes all that is written");
    let names: Vec<String> =
        command.get_subcommands().filter(|one| !one.is_hide_set()).map(|one| one.get_name().to_owned()).collect();
    for name in names {
        let child = command.find_subcommand_mut(&name).expect("the name was just read from it");
        section(child, path, text);
    }
    path.pop();
}

fn without_global_options(help: &str) -> String {
    let Some((before, after)) = help.split_once("Global options:\n") else { return help.to_owned() };
    // The block ends at the next line that is neither blank nor indented.
    let mut rest = after.lines().skip_while(|line| line.is_empty() || line.starts_with(' '));
    let rest: Vec<&str> = rest.by_ref().collect();
    format!("{before}{}", rest.join("\n"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn every_page_of_help_is_as_people_know_it() {
        insta::assert_snapshot!(markdown(Cli::command()));
    }

    #[test]
    fn the_reference_page_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/CLI.md");
        let wanted = markdown(Cli::command());
        if std::env::var_os("BERTH_BLESS").is_some() {
            std::fs::write(path, &wanted).unwrap();
        }
        let there = std::fs::read_to_string(path).unwrap_or_default();
        assert!(there == wanted, "docs/CLI.md is not what the help says; run `just bless`");
    }

    #[test]
    fn every_command_says_what_it_does() {
        fn check(command: &Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            assert!(command.get_about().is_some(), "`{path}` has no help");
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "`{path}` says nothing about `{}`", argument.get_id());
            }
            command.get_subcommands().filter(|one| !one.is_hide_set()).for_each(|one| check(one, &path));
        }
        check(&Cli::command(), "");
    }

    #[test]
    fn no_argument_takes_a_secret() {
        fn check(command: &Command) {
            for argument in command.get_arguments() {
                let takes_value = argument.get_action().takes_values();
                let id = argument.get_id().as_str();
                // The name of a file that holds one is no secret.
                let secret = id.contains("password") && !id.ends_with("_password_file");
                assert!(!takes_value || !secret, "{id}");
            }
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }

    #[test]
    fn completions_know_the_commands() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "berth", &mut script);
            let script = String::from_utf8(script).unwrap();
            assert!(script.contains("release-all") && script.contains("whoami"), "{shell}");
        }
    }

    #[test]
    fn every_command_has_a_manual_page_and_the_same_one_each_time() {
        let pages = pages(Cli::command()).unwrap();
        let text = |name: &str| {
            let page = pages.iter().find(|(file, _)| file == name);
            String::from_utf8(page.unwrap_or_else(|| panic!("no {name}")).1.clone()).unwrap()
        };
        assert!(text("berth.1").contains(".SH SYNOPSIS"));
        assert!(text("berth-machines-add.1").contains("berth machines add"), "{}", text("berth-machines-add.1"));
        assert!(text("berth-backup-restore.1").contains("replace"));
        assert_eq!(pages, super::pages(Cli::command()).unwrap());
        let names: std::collections::BTreeSet<&String> = pages.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), pages.len());
    }

    #[test]
    fn an_unknown_topic_is_a_usage_error() {
        let error = run(&HelpArgs { words: vec!["nonsense".into()] }, Cli::command()).unwrap_err();
        assert_eq!(crate::cli::fault::code_of(&error), 2);
    }
}
