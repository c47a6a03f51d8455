//! `berth playbook`: runs, checks and lists playbooks. Needs no server and no database.

use std::{
    io::{IsTerminal as _, Write as _},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

mod ansible;
mod args;
mod ask;
mod config;
mod live;
mod one;
mod pool;
mod secrets;

pub use ansible::{as_ansible, called_as_ansible};

use self::args::{RunArgs, VaultArgs};
use super::{client_options::ClientOptions, fault::Fault, output::Format};
use crate::playbook::{
    self, Connections, Event, Gathering, Inventory, Options, Paths, Playbook, Settings,
    report::{Colour, Report, Shape},
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
    /// Run one module on some hosts, without a playbook
    One(Box<one::OneArgs>),
    /// Look for faults without touching a host
    Check(Files),
    /// List the tasks that would run
    ListTasks(ListArgs),
    /// Say what a module does and what it takes; without a name, which modules there are
    Doc(DocArgs),
}

#[derive(Debug, Args)]
struct DocArgs {
    /// Its name
    #[arg(value_name = "MODULE")]
    module: Option<String>,
}

#[derive(Debug, Args)]
struct Files {
    #[command(flatten)]
    vault: VaultArgs,
    /// Run modules of one's own (`library/`) with a Python of the host; FOLDER holds Ansible's package `ansible`
    #[arg(
        long,
        value_name = "FOLDER",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "",
        env = "BERTH_PYTHON",
        hide_env_values = true
    )]
    python: Option<String>,
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

impl PlaybookCommand {
    /// Does what the command line says. The exit code is 0 when all is well, 1 for a playbook or inventory that cannot
    /// be used, 2 for failures on hosts, 4 for hosts that cannot be reached.
    /// With `Format::Json` each event is one line.
    pub async fn run(self, client: &ClientOptions) -> Result<()> {
        let code = match self.what {
            What::Run(args) => run(&args, None, client, "error:").await?,
            What::One(args) => run(&args.run, Some(&args), client, "error:").await?,
            What::Check(files) => check(&files)?,
            What::ListTasks(args) => list(&args)?,
            What::Doc(args) => doc(args.module.as_deref())?,
        };
        if code == 0 { Ok(()) } else { Err(Fault::Said(code).into()) }
    }
}

/// A playbook that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unreadable(String);

/// What reading depends on when nothing is run.
fn settings_of(files: &Files) -> Result<Settings> {
    let config = config::Config::find()?;
    Ok(Settings {
        keys: secrets::vault_keys(&files.vault, &config)?,
        paths: Paths { own: config.own(files.python.as_deref()), ..config.content() },
        extra_vars: Arc::default(),
    })
}

fn load(files: &Files, settings: &Settings) -> Result<Vec<Playbook>> {
    let mut found = Vec::new();
    let mut faults = Vec::new();
    for path in &files.playbooks {
        match playbook::load_with(path, settings) {
            Ok(playbook) => found.push(playbook),
            Err(error) => faults.extend(error.faults),
        }
    }
    if !faults.is_empty() {
        let text = faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        return Err(Unreadable(text).into());
    }
    Ok(found)
}

fn doc(name: Option<&str>) -> Result<u8> {
    use playbook::modules;
    let mut out = std::io::stdout().lock();
    if let Some(name) = name {
        let Some(module) = modules::find(name) else {
            let hint = modules::nearest(name).map(|near| format!("; did you mean `{near}`?"));
            anyhow::bail!("there is no module `{name}`{}", hint.unwrap_or_default());
        };
        write!(out, "{}", playbook::doc::page(module))?;
    } else {
        let mut all: Vec<_> = modules::ALL.to_vec();
        all.sort_by_key(|module| module.name);
        for module in all {
            writeln!(out, "{:20} {}", module.name, module.summary)?;
        }
    }
    Ok(0)
}

fn check(files: &Files) -> Result<u8> {
    let playbooks = load(files, &settings_of(files)?)?;
    let faults: Vec<_> = playbooks.iter().flat_map(playbook::check).collect();
    for fault in &faults {
        eprintln!("{fault}");
    }
    for warning in playbook::doubles() {
        eprintln!("warning: {warning}");
    }
    let doubts: Vec<_> = playbooks.iter().flat_map(playbook::doubts).collect();
    for doubt in &doubts {
        eprintln!("warning: {doubt}");
    }
    if faults.is_empty() {
        let tasks: usize = playbooks.iter().flat_map(|p| &p.plays).map(|play| play.tasks().len()).sum();
        let doubts = if doubts.is_empty() { String::new() } else { format!(", {} doubts", doubts.len()) };
        eprintln!("no faults found in {tasks} tasks{doubts}");
        return Ok(0);
    }
    Ok(1)
}

fn list(args: &ListArgs) -> Result<u8> {
    let mut out = std::io::stdout().lock();
    for playbook in load(&args.files, &settings_of(&args.files)?)? {
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

/// `mark` begins what is said of a playbook that cannot go on.
async fn run(args: &RunArgs, one: Option<&one::OneArgs>, client: &ClientOptions, mark: &str) -> Result<u8> {
    let format = client.output;
    let config = config::Config::find()?;
    let keys = secrets::vault_keys(&args.files.vault, &config)?;
    let extra = extra_vars(&args.extra_vars, &keys)?;
    let paths = Paths { own: config.own(args.files.python.as_deref()), ..config.content() };
    let settings = Settings { keys: keys.clone(), paths: paths.clone(), extra_vars: Arc::new(extra.clone()) };
    let playbooks = match one {
        Some(one) => vec![one.playbook(&settings).map_err(|error| Unreadable(error.to_string()))?],
        None => load(&args.files, &settings)?,
    };
    if args.syntax_check {
        let mut out = std::io::stdout().lock();
        for playbook in &playbooks {
            writeln!(out, "\nplaybook: {}", playbook.path.display())?;
        }
        return Ok(0);
    }
    let sources = if args.inventory.is_empty() { config.inventory() } else { args.inventory.clone() };
    let (pools, files): (Vec<String>, Vec<String>) = sources.iter().cloned().partition(|s| s.starts_with(pool::SCHEME));
    let files = present(files);
    let mut inventory = Inventory::load_with(&files, &keys).context("the inventory cannot be used")?;
    for source in &pools {
        pool::add(&mut inventory, source, client).await?;
    }
    if let Some(playbook) = playbooks.first() {
        let folder = playbook.path.parent().unwrap_or(&playbook.path);
        inventory.vars_beside(folder).context("the variables beside the playbook cannot be used")?;
    }
    if args.list_hosts || args.list_tasks || args.list_tags {
        return listing(args, &playbooks, &inventory);
    }
    let mut options = options_of(args, &config, extra, keys)?;
    options.paths = paths;
    options.fact_cache = config.fact_cache()?;
    if let Some(cache) = &options.fact_cache {
        if args.flush_cache {
            inventory.names().iter().for_each(|host| cache.forget(host));
            cache.forget("localhost");
        }
        // What is kept may be old: plays gather facts unless the configuration says that what is there will do.
        if options.gathering == Gathering::Used {
            options.gathering = Gathering::Implicit;
        }
    }
    options.inventory_sources = sources
        .iter()
        .map(|source| match std::path::absolute(source) {
            Ok(path) if !source.contains(',') => path.display().to_string(),
            _ => source.clone(),
        })
        .collect();
    let cancel = CancellationToken::new();
    let interrupted = cancel.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            interrupted.cancel();
        }
    });
    let report = report_of(&options, &config);
    let asks = options.step.is_some() || playbooks.iter().any(asks_people);
    let live = if matches!(format, Format::Table) && !asks { live::Live::new() } else { None };
    let lines = live.clone();
    let sink = move |event: Event| {
        let text = match format {
            Format::Table => one.map_or_else(|| report.take(&event), |one| one.text(&event)),
            Format::Json | Format::Yaml => serde_json::to_string(&event).map(|line| line + "\n").unwrap_or_default(),
        };
        let print = || {
            // A reader that has gone away does not stop the hosts half-way.
            let mut out = std::io::stdout().lock();
            let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        };
        match &lines {
            Some(lines) => lines.take(&event, print),
            None => print(),
        }
    };
    let connections = Connections::default();
    let mut code = 0;
    for playbook in &playbooks {
        let summary = playbook::run(playbook, &inventory, &options, &connections, &sink, cancel.clone()).await;
        if let Some(message) = &summary.error {
            eprintln!("{mark} {message}");
        }
        code = code.max(summary.exit_code());
        if code == 1 {
            break;
        }
    }
    Ok(code)
}

/// Whether a playbook asks something on the terminal, which lines would overwrite.
fn asks_people(playbook: &Playbook) -> bool {
    let asks = |play: &playbook::ast::Play| {
        !play.vars_prompt.is_empty() || play.tasks().iter().any(|task| task.module_name() == "pause")
    };
    playbook.plays.iter().any(asks)
}

/// The inventories that are there. As `ansible-playbook` one that is missing is passed over with a warning.
fn present(mut files: Vec<String>) -> Vec<String> {
    if called_as_ansible().is_some() {
        files.retain(|name| {
            let there = name.contains(',') || std::path::Path::new(name).exists();
            if !there {
                eprintln!("[WARNING]: Unable to parse {name} as an inventory source");
            }
            there
        });
    }
    files
}

fn report_of(options: &Options, config: &config::Config) -> Report {
    let terminal = std::io::stdout().is_terminal();
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let forced = config.flag("defaults", "force_color", "ANSIBLE_FORCE_COLOR").unwrap_or(false);
    let off = config.flag("defaults", "nocolor", "ANSIBLE_NOCOLOR").unwrap_or(false);
    let colour = forced || (terminal && !set("NO_COLOR") && !off);
    let mut report = Report::new(if colour { Colour::On } else { Colour::Off }, options.verbosity, 79);
    if config.text("defaults", "callback_result_format", "ANSIBLE_CALLBACK_RESULT_FORMAT").as_deref() == Some("yaml") {
        report.shape = Shape::Yaml;
    }
    let shown = |key: &str, name: &str| config.flag("defaults", key, name).unwrap_or(true);
    report.hide_skipped = !shown("display_skipped_hosts", "ANSIBLE_DISPLAY_SKIPPED_HOSTS");
    report.debug = config.flag("defaults", "debug", "ANSIBLE_DEBUG").unwrap_or(false);
    report.hide_ok = !shown("display_ok_hosts", "ANSIBLE_DISPLAY_OK_HOSTS");
    report
}

/// What the command line says, and Ansible's configuration where it says nothing.
fn options_of(
    args: &RunArgs,
    config: &config::Config,
    extra_vars: Map<String, Value>,
    vault: playbook::vault::Keys,
) -> Result<Options> {
    let text = |section: &str, key: &str, name: &str| config.text(section, key, name);
    let flag = |section: &str, key: &str, name: &str| config.flag(section, key, name).unwrap_or(false);
    let number = |section: &str, key: &str, name: &str| text(section, key, name).and_then(|t| t.parse::<u64>().ok());
    let rise = "privilege_escalation";
    let (connection_password, become_password) = secrets::passwords(args, config)?;
    let gathering = match text("defaults", "gathering", "ANSIBLE_GATHERING").as_deref() {
        Some("implicit") => Gathering::Implicit,
        Some("smart") => Gathering::Smart,
        Some("explicit") => Gathering::Explicit,
        _ => Gathering::Used,
    };
    let callbacks = text("defaults", "callbacks_enabled", "ANSIBLE_CALLBACKS_ENABLED").unwrap_or_default();
    let times = |name: &str| matches!(name.rsplit('.').next(), Some("profile_tasks" | "timer"));
    let mut ssh_options = Vec::new();
    let mut common = args.ssh_common_args.iter().chain(&args.ssh_extra_args).cloned().collect::<Vec<_>>();
    if common.is_empty() {
        common.extend(text("ssh_connection", "ssh_common_args", "ANSIBLE_SSH_COMMON_ARGS"));
        common.extend(text("ssh_connection", "ssh_args", "ANSIBLE_SSH_ARGS"));
    }
    for line in &common {
        ssh_options.extend(playbook::inventory::ssh_options(line).map_err(anyhow::Error::msg)?);
    }
    if config.flag("defaults", "host_key_checking", "ANSIBLE_HOST_KEY_CHECKING") == Some(false) {
        ssh_options.push("StrictHostKeyChecking=no".into());
        ssh_options.push("UserKnownHostsFile=/dev/null".into());
    }
    let split = |given: &[String], name: &str| -> Vec<String> {
        let words = |text: &str| text.split(',').map(|t| t.trim().to_owned()).filter(|t| !t.is_empty()).collect();
        if given.is_empty() { std::env::var(name).ok().map(|t| words(&t)).unwrap_or_default() } else { given.to_vec() }
    };
    let verbosity = number("defaults", "verbosity", "ANSIBLE_VERBOSITY").and_then(|n| u8::try_from(n).ok());
    Ok(Options {
        check: args.check,
        diff: args.diff || flag("diff", "always", "ANSIBLE_DIFF_ALWAYS"),
        tags: split(&args.chosen.tags, "ANSIBLE_RUN_TAGS"),
        skip_tags: split(&args.chosen.skip_tags, "ANSIBLE_SKIP_TAGS"),
        limit: limit(&args.limit)?,
        forks: args
            .forks
            .or_else(|| number("defaults", "forks", "ANSIBLE_FORKS").and_then(|n| usize::try_from(n).ok()))
            .unwrap_or(50),
        extra_vars,
        start_at_task: args.start_at_task.clone(),
        verbosity: args.verbose.max(verbosity.unwrap_or(0)),
        become_it: args.become_it || flag(rise, "become", "ANSIBLE_BECOME"),
        become_user: args.become_user.clone().or_else(|| text(rise, "become_user", "ANSIBLE_BECOME_USER")),
        become_method: args.become_method.clone().or_else(|| text(rise, "become_method", "ANSIBLE_BECOME_METHOD")),
        become_password,
        user: args.user.clone().or_else(|| text("defaults", "remote_user", "ANSIBLE_REMOTE_USER")),
        key_file: args
            .private_key
            .clone()
            .or_else(|| text("defaults", "private_key_file", "ANSIBLE_PRIVATE_KEY_FILE").map(PathBuf::from)),
        connection: args.connection.clone().or_else(|| text("defaults", "transport", "ANSIBLE_TRANSPORT")),
        connection_password,
        ssh_options,
        force_handlers: args.force_handlers || flag("defaults", "force_handlers", "ANSIBLE_FORCE_HANDLERS"),
        free: text("defaults", "strategy", "ANSIBLE_STRATEGY")
            .is_some_and(|name| name.ends_with("free") || name.ends_with("host_pinned")),
        lenient_handlers: config.flag("defaults", "error_on_missing_handler", "ANSIBLE_ERROR_ON_MISSING_HANDLER")
            == Some(false),
        strict_patterns: text("inventory", "host_pattern_mismatch", "ANSIBLE_HOST_PATTERN_MISMATCH").as_deref()
            == Some("error"),
        step: args.step.then(ask::step),
        ask: Some(ask::questions()),
        paths: Paths::default(),
        config_file: config.path.clone(),
        inventory_sources: Vec::new(),
        gathering,
        fact_cache: None,
        connect_timeout: Duration::from_secs(
            args.timeout.or_else(|| number("defaults", "timeout", "ANSIBLE_TIMEOUT")).unwrap_or(15).max(1),
        ),
        step_timeout: Duration::from_secs(args.step_timeout.max(1)),
        vault,
        timings: args.timings || callbacks.split([',', ' ']).any(times),
    })
}

/// `-l`: a pattern, or `@file` with one on each line.
fn limit(given: &[String]) -> Result<Option<String>> {
    let mut patterns = Vec::new();
    for text in given {
        match text.strip_prefix('@') {
            Some(path) => {
                let lines = std::fs::read_to_string(path).with_context(|| format!("`-l @{path}`"))?;
                patterns.extend(lines.lines().map(str::trim).filter(|l| !l.is_empty()).map(str::to_owned));
            }
            None => patterns.push(text.clone()),
        }
    }
    Ok((!patterns.is_empty()).then(|| patterns.join(",")))
}

/// `--list-hosts`, `--list-tasks`, `--list-tags`, as Ansible shows them.
fn listing(args: &RunArgs, playbooks: &[Playbook], inventory: &Inventory) -> Result<u8> {
    let wanted = limit(&args.limit)?;
    let limit = wanted.map(|limit| inventory.matching(&limit)).transpose().map_err(anyhow::Error::msg)?;
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
fn extra_vars(given: &[String], keys: &playbook::vault::Keys) -> Result<Map<String, Value>> {
    let mut vars = Map::new();
    for text in given {
        let trimmed = text.trim();
        if let Some(path) = trimmed.strip_prefix('@') {
            let node = yaml::read_with(path.as_ref(), keys).with_context(|| format!("`-e {trimmed}`"))?;
            vars.extend(node.map(|node| node.to_map()).unwrap_or_default());
        } else if trimmed.starts_with(['{', '[']) || (trimmed.contains(": ") && !trimmed.contains('=')) {
            let node = yaml::parse(trimmed, "-e")?;
            vars.extend(node.map(|node| node.to_map()).unwrap_or_default());
        } else {
            vars.extend(playbook::modules::words(trimmed).map_err(|why| anyhow::anyhow!("`-e`: {why}"))?);
        }
    }
    Ok(vars)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn extra_variables_come_in_three_forms() {
        let keys = playbook::vault::Keys::default();
        let given = ["a=1 b='x y' c={{ q }}".to_owned(), "{\"n\": [1]}".to_owned(), "k: v".to_owned()];
        assert_eq!(
            Value::Object(extra_vars(&given, &keys).unwrap()),
            json!({"a": "1", "b": "x y", "c": "{{ q }}", "n": [1], "k": "v"})
        );
        assert!(extra_vars(&["nonsense".to_owned()], &keys).is_err());
    }
}
