//! `berth playbook`: runs, checks and lists playbooks. Needs no server and no database.

use std::{
    io::{IsTerminal as _, Write as _},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use clap::{ArgAction, Args, Subcommand};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

mod ansible;

pub use ansible::{as_ansible_playbook, called_as_ansible_playbook};

use super::{fault::Fault, output::Format};
use crate::playbook::{
    self, Connections, Event, Inventory, Options, Playbook,
    report::{Colour, Report},
    yaml,
};

/// Run playbooks on hosts, or look at them.
#[derive(Debug, Args)]
pub struct PlaybookCommand {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Run playbooks on the hosts of an inventory
    Run(Box<RunArgs>),
    /// Look for faults without touching a host
    Check(Files),
    /// List the tasks that would run
    ListTasks(ListArgs),
}

#[derive(Debug, Args)]
struct Files {
    /// The playbooks
    #[arg(required = true, value_name = "PLAYBOOK")]
    playbooks: Vec<PathBuf>,
}

#[derive(Debug, Args)]
struct Chosen {
    /// Only tasks with one of these tags
    #[arg(short, long, value_name = "TAGS", value_delimiter = ',')]
    tags: Vec<String>,
    /// No tasks with one of these tags
    #[arg(long, value_name = "TAGS", value_delimiter = ',')]
    skip_tags: Vec<String>,
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    chosen: Chosen,
}

#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "these are switches of a command line")]
struct RunArgs {
    #[command(flatten)]
    files: Files,
    /// An inventory file or folder, or names with commas; may be given again
    #[arg(short, long, value_name = "HOSTS", env = "ANSIBLE_INVENTORY", hide_env_values = true)]
    inventory: Vec<String>,
    /// Only these hosts
    #[arg(short, long, value_name = "PATTERN")]
    limit: Option<String>,
    #[command(flatten)]
    chosen: Chosen,
    /// A variable as `name=value`, YAML or JSON text, or `@file`; may be given again
    #[arg(short, long, value_name = "VARS")]
    extra_vars: Vec<String>,
    /// How many hosts at once
    #[arg(short, long, default_value_t = 50)]
    forks: usize,
    /// Look only, change nothing
    #[arg(short = 'C', long)]
    check: bool,
    /// Show texts before and after
    #[arg(short = 'D', long)]
    diff: bool,
    /// Begin at the task of this name
    #[arg(long, value_name = "NAME")]
    start_at_task: Option<String>,
    /// Log in as this user
    #[arg(short, long, value_name = "USER")]
    user: Option<String>,
    /// Log in with this private key
    #[arg(long, visible_alias = "key-file", value_name = "FILE")]
    private_key: Option<PathBuf>,
    /// How to connect: ssh, local
    #[arg(short, long, value_name = "HOW")]
    connection: Option<String>,
    /// Become another user, root unless said otherwise
    #[arg(short, long = "become")]
    become_it: bool,
    /// Who to become
    #[arg(long, value_name = "USER")]
    become_user: Option<String>,
    /// sudo, su or doas
    #[arg(long, value_name = "HOW")]
    become_method: Option<String>,
    /// Seconds for connecting and login
    #[arg(short = 'T', long, default_value_t = 15, value_name = "SECONDS")]
    timeout: u64,
    /// Seconds for a step, unless its task says otherwise
    #[arg(long, default_value_t = 1800, value_name = "SECONDS")]
    step_timeout: u64,
    /// Show what modules answer; again for more
    #[arg(short, long, action = ArgAction::Count)]
    verbose: u8,
    /// List the hosts and run nothing
    #[arg(long)]
    list_hosts: bool,
    /// List the tasks that would run, and run nothing
    #[arg(long)]
    list_tasks: bool,
    /// List the tags, and run nothing
    #[arg(long)]
    list_tags: bool,
    /// Read the playbooks, and run nothing
    #[arg(long)]
    syntax_check: bool,
}

impl PlaybookCommand {
    /// Does what the command line says. The exit code is 0 when all is well, 1 for a playbook or inventory that cannot
    /// be used, 2 for failures on hosts, 4 for hosts that cannot be reached.
    /// With `Format::Json` each event is one line.
    pub async fn run(self, format: Format) -> Result<()> {
        let code = match self.what {
            What::Run(args) => run(*args, format).await?,
            What::Check(files) => check(&files)?,
            What::ListTasks(args) => list(&args)?,
        };
        if code == 0 { Ok(()) } else { Err(Fault::Said(code).into()) }
    }
}

fn load(files: &Files) -> Result<Vec<Playbook>> {
    let mut found = Vec::new();
    let mut faults = Vec::new();
    for path in &files.playbooks {
        match playbook::load(path) {
            Ok(playbook) => found.push(playbook),
            Err(error) => faults.extend(error.faults),
        }
    }
    if !faults.is_empty() {
        bail!("{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    }
    Ok(found)
}

fn check(files: &Files) -> Result<u8> {
    let playbooks = load(files)?;
    let faults: Vec<_> = playbooks.iter().flat_map(playbook::check).collect();
    for fault in &faults {
        eprintln!("{fault}");
    }
    if faults.is_empty() {
        let tasks: usize = playbooks.iter().flat_map(|p| &p.plays).map(|play| play.tasks().len()).sum();
        eprintln!("no faults found in {tasks} tasks");
        return Ok(0);
    }
    Ok(1)
}

fn list(args: &ListArgs) -> Result<u8> {
    let mut out = std::io::stdout().lock();
    for playbook in load(&args.files)? {
        writeln!(out, "playbook: {}", playbook.path.display())?;
        for (number, play) in playbook.plays.iter().enumerate() {
            writeln!(out, "\n  play #{} ({}): {}", number + 1, play.hosts.join(","), play.name)?;
            writeln!(out, "    tasks:")?;
            for task in playbook::list(play, &args.chosen.tags, &args.chosen.skip_tags) {
                writeln!(out, "      {}\tTAGS: [{}]", task.task, task.tags.join(", "))?;
            }
        }
    }
    Ok(0)
}

async fn run(args: RunArgs, format: Format) -> Result<u8> {
    let playbooks = load(&args.files)?;
    if args.syntax_check {
        let mut out = std::io::stdout().lock();
        for playbook in &playbooks {
            writeln!(out, "\nplaybook: {}", playbook.path.display())?;
        }
        return Ok(0);
    }
    let mut inventory = Inventory::load(&args.inventory).context("the inventory cannot be used")?;
    if let Some(playbook) = playbooks.first() {
        let folder = playbook.path.parent().unwrap_or(&playbook.path);
        inventory.vars_beside(folder).context("the variables beside the playbook cannot be used")?;
    }
    if args.list_hosts || args.list_tasks || args.list_tags {
        return listing(&args, &playbooks, &inventory);
    }
    let options = Options {
        check: args.check,
        diff: args.diff,
        tags: args.chosen.tags.clone(),
        skip_tags: args.chosen.skip_tags.clone(),
        limit: args.limit.clone(),
        forks: args.forks,
        extra_vars: extra_vars(&args.extra_vars)?,
        start_at_task: args.start_at_task.clone(),
        verbosity: args.verbose,
        become_it: args.become_it,
        become_user: args.become_user.clone(),
        become_method: args.become_method.clone(),
        become_password: None,
        user: args.user.clone(),
        key_file: args.private_key.clone(),
        connection: args.connection.clone(),
        connect_timeout: Duration::from_secs(args.timeout.max(1)),
        step_timeout: Duration::from_secs(args.step_timeout.max(1)),
        vault: playbook::vault::Keys::default(),
    };
    let cancel = CancellationToken::new();
    let interrupted = cancel.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            interrupted.cancel();
        }
    });
    let terminal = std::io::stdout().is_terminal();
    let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let report = Report::new(if colour { Colour::On } else { Colour::Off }, args.verbose, 79);
    let sink = move |event: Event| {
        let text = match format {
            Format::Table => report.take(&event),
            Format::Json | Format::Yaml => serde_json::to_string(&event).map(|line| line + "\n").unwrap_or_default(),
        };
        // A reader that has gone away does not stop the hosts half-way.
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    };
    let connections = Connections::default();
    let mut code = 0;
    for playbook in &playbooks {
        let summary = playbook::run(playbook, &inventory, &options, &connections, &sink, cancel.clone()).await;
        if let Some(message) = &summary.error {
            eprintln!("error: {message}");
        }
        code = code.max(summary.exit_code());
        if code == 1 {
            break;
        }
    }
    Ok(code)
}

/// `--list-hosts`, `--list-tasks`, `--list-tags`, as Ansible shows them.
fn listing(args: &RunArgs, playbooks: &[Playbook], inventory: &Inventory) -> Result<u8> {
    let limit = args.limit.as_deref().map(|limit| inventory.matching(limit)).transpose().map_err(anyhow::Error::msg)?;
    let mut out = std::io::stdout().lock();
    for playbook in playbooks {
        writeln!(out, "\nplaybook: {}", playbook.path.display())?;
        for (number, play) in playbook.plays.iter().enumerate() {
            let pattern = play.hosts.join(",");
            let tags = play.tags.join(",");
            writeln!(out, "\n  play #{} ({pattern}): {}\tTAGS: [{tags}]", number + 1, play.name)?;
            if args.list_hosts {
                let mut hosts = inventory.matching(&pattern).map_err(anyhow::Error::msg)?;
                hosts.retain(|name| limit.as_ref().is_none_or(|keep| keep.contains(name)));
                writeln!(out, "    pattern: ['{}']\n    hosts ({}):", play.hosts.join("', '"), hosts.len())?;
                for host in hosts {
                    writeln!(out, "      {host}")?;
                }
            }
            let tasks = playbook::list(play, &args.chosen.tags, &args.chosen.skip_tags);
            if args.list_tasks {
                writeln!(out, "    tasks:")?;
                for task in &tasks {
                    let mut tags = task.tags.clone();
                    tags.sort();
                    writeln!(out, "      {}\tTAGS: [{}]", task.task, tags.join(", "))?;
                }
            }
            if args.list_tags {
                let tags: std::collections::BTreeSet<&String> = tasks.iter().flat_map(|task| &task.tags).collect();
                let tags: Vec<&str> = tags.into_iter().map(String::as_str).collect();
                writeln!(out, "      TASK TAGS: [{}]", tags.join(", "))?;
            }
        }
    }
    Ok(0)
}

/// `-e` as Ansible reads it: `@file`, a mapping, or `name=value` words.
fn extra_vars(given: &[String]) -> Result<Map<String, Value>> {
    let mut vars = Map::new();
    for text in given {
        let trimmed = text.trim();
        if let Some(path) = trimmed.strip_prefix('@') {
            let node = yaml::read(path.as_ref()).with_context(|| format!("`-e {trimmed}`"))?;
            vars.extend(node.map(|node| node.to_map()).unwrap_or_default());
        } else if trimmed.starts_with(['{', '[']) || (trimmed.contains(": ") && !trimmed.contains('=')) {
            let node = yaml::parse(trimmed, "-e")?;
            vars.extend(node.map(|node| node.to_map()).unwrap_or_default());
        } else {
            let mut rest = trimmed;
            while !rest.is_empty() {
                let (name, after) = rest.split_once('=').with_context(|| format!("`-e {rest}` is no `name=value`"))?;
                let (value, more) = word(after);
                vars.insert(name.trim().to_owned(), Value::String(value));
                rest = more.trim_start();
            }
        }
    }
    Ok(vars)
}

/// The first word of `text`, quotes taken off, and the rest.
fn word(text: &str) -> (String, &str) {
    if let Some(quote) = text.chars().next().filter(|c| matches!(c, '"' | '\''))
        && let Some((inner, rest)) = text[1..].split_once(quote)
    {
        return (inner.to_owned(), rest);
    }
    match text.split_once(char::is_whitespace) {
        Some((word, rest)) => (word.to_owned(), rest),
        None => (text.to_owned(), ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn extra_variables_come_in_three_forms() {
        let given = ["a=1 b='x y' c=z".to_owned(), "{\"n\": [1]}".to_owned(), "k: v".to_owned()];
        assert_eq!(
            Value::Object(extra_vars(&given).unwrap()),
            json!({"a": "1", "b": "x y", "c": "z", "n": [1], "k": "v"})
        );
        assert!(extra_vars(&["nonsense".to_owned()]).is_err());
    }
}
