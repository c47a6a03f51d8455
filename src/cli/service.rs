//! Berth as a service of systemd: units, its user, completions, manual pages.

use std::{
    fs,
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    process::Command as Program,
};

use anyhow::{Context, Result};
use clap::{Args as ClapArgs, CommandFactory, Subcommand};
use clap_complete::Shell;
use serde_json::{Value, json};

use super::{
    Cli,
    client_options::ClientOptions,
    fault::{FAILED, Fault},
    help,
    output::{Rows, print},
    terminal::say,
};
use crate::{accounts, config, seal::ring::fresh_key};

const SERVER: &str = include_str!("../../packaging/systemd/berth.service");
const SCHEDULER: &str = include_str!("../../packaging/systemd/berth-scheduler.service");
const HARDENING: &str = include_str!("../../packaging/systemd/hardening.conf");
const USER: &str = include_str!("../../packaging/systemd/sysusers.conf");
const UNITS: [&str; 2] = ["berth.service", "berth-scheduler.service"];
const CREDENTIALS: &str = "etc/berth/credentials";

/// Commands about the service.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Install units for server and scheduler, their user, completions and manual pages
    #[command(
        after_help = "Writes below /etc and /usr/share, makes the system user `berth`, and, where there are none, \
/etc/berth/berth.toml and three credentials in /etc/berth/credentials, which only root can read and systemd hands to the \
services. Nothing is started: the last lines say how. Installing again updates what an older version installed and keeps \
settings and credentials.\n\nWith --root nothing outside that folder is touched, no user is made and no credentials: for \
packages and for a look.\n\nExamples:\n  berth service install --dry-run\n  berth service install\n  berth service install --root \
pkg --bin-dir /usr/bin"
    )]
    Install(InstallArgs),
    /// Stop and disable the services and remove what `install` wrote; settings, credentials and data stay
    Uninstall(PlaceArgs),
    /// Tell what is installed, whether it is of this version, and whether it runs
    #[command(after_help = "The exit code is 1 unless both units are installed and of this version.")]
    Status(PlaceArgs),
}

/// Where to install, and what.
#[derive(Debug, ClapArgs)]
pub struct InstallArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// Print the files instead of writing them
    #[arg(long)]
    print: bool,
}

/// Where.
#[derive(Debug, ClapArgs)]
pub struct PlaceArgs {
    /// The folder that stands for `/`
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    /// Where the two programs are; else where this one is
    #[arg(long, value_name = "DIR")]
    bin_dir: Option<PathBuf>,
    /// Change nothing and say what would be done
    #[arg(long)]
    dry_run: bool,
}

/// A file of the service.
struct Part {
    /// Its place below the root.
    place: PathBuf,
    text: Vec<u8>,
}

impl PlaceArgs {
    fn is_host(&self) -> bool {
        self.root == Path::new("/")
    }

    fn parts(&self) -> Result<Vec<Part>> {
        let bin = if let Some(folder) = &self.bin_dir {
            folder.clone()
        } else {
            let own = std::env::current_exe().context("cannot find this program's own place; give --bin-dir")?;
            own.parent().unwrap_or(Path::new("/usr/local/bin")).to_owned()
        };
        if !bin.is_absolute() {
            return Err(Fault::Usage("--bin-dir must begin with `/`: it is where the units look".into()).into());
        }
        let unit = |text: &str| text.replace("@BIN@", &bin.display().to_string()).replace("@HARDENING@", HARDENING);
        let mut parts = vec![
            Part { place: "etc/systemd/system/berth.service".into(), text: unit(SERVER).into() },
            Part { place: "etc/systemd/system/berth-scheduler.service".into(), text: unit(SCHEDULER).into() },
            Part { place: "etc/sysusers.d/berth.conf".into(), text: USER.into() },
        ];
        for (shell, place) in [
            (Shell::Bash, "usr/share/bash-completion/completions/berth"),
            (Shell::Zsh, "usr/share/zsh/vendor-completions/_berth"),
            (Shell::Fish, "usr/share/fish/vendor_completions.d/berth.fish"),
        ] {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "berth", &mut text);
            parts.push(Part { place: place.into(), text });
        }
        for (name, text) in help::pages(Cli::command())? {
            parts.push(Part { place: Path::new("usr/share/man/man1").join(name), text });
        }
        Ok(parts)
    }
}

/// Runs it.
pub fn run(command: Command, options: &ClientOptions) -> Result<()> {
    match command {
        Command::Install(args) => install(&args),
        Command::Uninstall(place) => uninstall(&place),
        Command::Status(place) => status(&place, options),
    }
}

fn install(args: &InstallArgs) -> Result<()> {
    let place = &args.place;
    let parts = place.parts()?;
    if args.print {
        for part in parts.iter().take(3) {
            print(&format!("# /{}\n{}\n", part.place.display(), String::from_utf8_lossy(&part.text)))?;
        }
        return Ok(());
    }
    for part in &parts {
        let path = place.root.join(&part.place);
        let there = fs::read(&path).ok();
        let word = match &there {
            Some(text) if *text == part.text => continue,
            Some(_) => "update",
            None => "write",
        };
        say(&format!("{word} {}", path.display()));
        if !place.dry_run {
            put(&path, &part.text, 0o644)?;
        }
    }
    let settings = place.root.join("etc/berth/berth.toml");
    if !settings.exists() {
        say(&format!("write {}", settings.display()));
        if !place.dry_run {
            put(&settings, config::example().as_bytes(), 0o644)?;
        }
    }
    if !place.is_host() {
        return Ok(());
    }
    credentials(place)?;
    systemd(place, "systemd-sysusers", &["berth.conf"])?;
    systemd(place, "systemctl", &["daemon-reload"])?;
    say("look through /etc/berth/berth.toml (set public_url), then start both:");
    say("    systemctl enable --now berth berth-scheduler");
    say("the first admin's password is in /etc/berth/credentials/admin; change it after the first sign-in");
    Ok(())
}

/// Makes the credentials that are not there, readable for root only.
fn credentials(place: &PlaceArgs) -> Result<()> {
    for name in ["secret", "jwt", "admin"] {
        let path = place.root.join(CREDENTIALS).join(name);
        if path.exists() {
            continue;
        }
        say(&format!("make {}", path.display()));
        if !place.dry_run {
            let text = if name == "admin" { accounts::random_secret() } else { fresh_key() };
            put(&path, text.as_bytes(), 0o600)?;
            fs::set_permissions(path.parent().unwrap_or(Path::new("/")), fs::Permissions::from_mode(0o700))?;
        }
    }
    Ok(())
}

/// Writes a file whole or not at all.
fn put(path: &Path, text: &[u8], mode: u32) -> Result<()> {
    let failed = || format!("cannot write `{}`; run it as root, or give --root", path.display());
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder).with_context(failed)?;
    let mut name = path.as_os_str().to_owned();
    name.push(".berth-new");
    let draft = PathBuf::from(name);
    let mut file =
        fs::File::options().write(true).create(true).truncate(true).mode(mode).open(&draft).with_context(failed)?;
    file.write_all(text).and_then(|()| file.sync_all()).with_context(failed)?;
    fs::rename(&draft, path).with_context(failed)
}

/// Runs a program of systemd on this host; where there is none, says what to do by hand.
fn systemd(place: &PlaceArgs, program: &str, args: &[&str]) -> Result<()> {
    say(&format!("run {program} {}", args.join(" ")));
    if place.dry_run {
        return Ok(());
    }
    match Program::new(program).args(args).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => anyhow::bail!("`{program} {}` ended with {status}", args.join(" ")),
        Err(error) => {
            say(&format!("cannot run `{program}` ({error}); is this host run by systemd?"));
            Ok(())
        }
    }
}

fn uninstall(place: &PlaceArgs) -> Result<()> {
    if place.is_host() && place.root.join("etc/systemd/system/berth.service").exists() {
        systemd(place, "systemctl", &["disable", "--now", UNITS[0], UNITS[1]])?;
    }
    for part in place.parts()? {
        let path = place.root.join(&part.place);
        if path.exists() {
            say(&format!("remove {}", path.display()));
            if !place.dry_run {
                fs::remove_file(&path).with_context(|| format!("cannot remove `{}`", path.display()))?;
            }
        }
    }
    if place.is_host() {
        systemd(place, "systemctl", &["daemon-reload"])?;
    }
    say("settings and credentials in /etc/berth, the user `berth` and the data in /var/lib/berth stay");
    Ok(())
}

fn status(place: &PlaceArgs, options: &ClientOptions) -> Result<()> {
    let mut seen = Vec::new();
    let mut rows = Rows::list(&["FILE", "STATE"], "nothing");
    let mut well = true;
    for part in place.parts()?.iter().take(3) {
        let path = place.root.join(&part.place);
        let word = match fs::read(&path) {
            Ok(text) if text == part.text => "installed",
            Ok(_) => "another version, or changed; `berth service install` puts this one there",
            Err(_) => "not installed",
        };
        well &= word == "installed";
        seen.push(json!({"file": path, "state": word}));
        rows.row([path.display().to_string(), word.to_owned()]);
    }
    for unit in UNITS.iter().filter(|_| place.is_host()) {
        let asked = Program::new("systemctl").args(["is-active", unit]).output();
        let word = asked.map_or_else(
            |error| format!("unknown: {error}"),
            |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        );
        seen.push(json!({"unit": unit, "state": word}));
        rows.row([(*unit).to_owned(), word]);
    }
    options.out().show(&Value::Array(seen), || Ok(rows))?;
    if well { Ok(()) } else { Err(Fault::Said(FAILED).into()) }
}
