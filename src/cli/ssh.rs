//! `berth ssh`: the system's ssh on a machine you hold, with the host key that Berth pinned.
//!
//! The host key stands alone in a file of its own, and ssh is told to believe nothing else: no question about an
//! unknown host, no trace in `~/.ssh/known_hosts`, no login on a machine that is not the one that was booked.

use std::{
    ffi::OsString,
    fs,
    io::{IsTerminal, Write},
    os::unix::{fs::DirBuilderExt, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use clap::Args as ClapArgs;
use serde_json::Value;

use super::{
    call::parse,
    client::Client,
    client_options::ClientOptions,
    fault::{Fault, NOT_FOUND, code_of},
    machines::MachineView,
    profile::folder,
    reservations::{Allotment, ReservationView},
    terminal::choose,
};

/// Open a shell on a machine you hold, or run a command there
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "The host key that Berth pinned is the only one accepted. The exit code is ssh's.\n\nExamples:\n  \
berth ssh quay-1\n  berth ssh 4f2a --machine quay-2\n  berth ssh quay-1 -- uname -a\n  berth ssh quay-1 --ssh-option ForwardAgent=yes"
)]
pub struct Args {
    /// A machine you hold, or a reservation's id (an end of it is enough)
    #[arg(value_name = "RESERVATION|MACHINE")]
    target: String,
    /// Which of the reservation's machines
    #[arg(short, long)]
    machine: Option<String>,
    /// Log in with this private key
    #[arg(short, long, value_name = "FILE")]
    identity: Option<PathBuf>,
    /// An option for ssh's `-o`; may be repeated
    #[arg(long = "ssh-option", value_name = "KEY=VALUE")]
    options: Vec<String>,
    /// What to run there; without it, a shell
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Runs it; returns only when ssh could not be started.
pub async fn run(args: Args, options: &ClientOptions) -> Result<()> {
    let client = options.client()?;
    let items = Value::Array(client.list(&["reservations"], &[("state", "active".to_owned())], None).await?);
    let reservations: Vec<ReservationView> = parse(&items)?;
    let machine = pick(&reservations, &args.target, args.machine.as_deref())?;
    let jump = jump(&client, &machine.machine).await?;
    let known_hosts = pin(&folder("XDG_CACHE_HOME", ".cache")?.join("berth").join("hosts"), machine)?;
    let mut command = Command::new("ssh");
    command.args(arguments(machine, &known_hosts, jump.as_deref(), &args)?);
    let error = command.exec();
    Err(anyhow::Error::from(error).context("cannot start `ssh`; install the OpenSSH client"))
}

/// The machine that is meant.
fn pick<'a>(reservations: &'a [ReservationView], target: &str, machine: Option<&str>) -> Result<&'a Allotment> {
    let usable = reservations.iter().filter(|reservation| reservation.state == "active");
    let mut found: Vec<&Allotment> = Vec::new();
    for reservation in usable {
        let by_id = 4 <= target.len() && (reservation.id.starts_with(target) || reservation.id.ends_with(target));
        let fits = |one: &&Allotment| {
            if one.machine == target {
                machine.is_none_or(|name| name == one.machine)
            } else {
                by_id && machine.is_none_or(|name| name == one.machine)
            }
        };
        found.extend(reservation.machines.iter().filter(fits));
    }
    match found.as_slice() {
        [] => {
            let hint = "see `berth reservations list`";
            let named = machine.map(|name| format!(" with a machine `{name}`")).unwrap_or_default();
            Err(Fault::NotFound(format!("you have no active reservation or machine `{target}`{named}; {hint}")).into())
        }
        [one] => Ok(one),
        several => {
            let names: Vec<String> = several.iter().map(|one| one.machine.clone()).collect();
            if !std::io::stdin().is_terminal() {
                let names = names.join("`, `");
                return Err(Fault::Usage(format!("which machine? Give `--machine` with one of `{names}`")).into());
            }
            Ok(several[choose("Which machine", &names)?])
        }
    }
}

/// The jump host of a machine, if it has one and we may know.
async fn jump(client: &Client, name: &str) -> Result<Option<String>> {
    match client.get(&["machines", name]).send().await {
        Ok(answer) => Ok(answer.parse::<MachineView>()?.jump.filter(|jump| !jump.is_empty())),
        Err(error) if code_of(&error) == NOT_FOUND => Ok(None),
        Err(error) => Err(error),
    }
}

/// A name under which ssh knows the machine; nothing in it means anything to ssh or to a path.
fn alias(machine: &str) -> String {
    let keep =
        |character: char| if character.is_ascii_alphanumeric() || "-_".contains(character) { character } else { '_' };
    format!("berth-{}", machine.chars().map(keep).collect::<String>())
}

/// Writes the machine's host key into a file of its own and returns its path.
fn pin(folder: &Path, machine: &Allotment) -> Result<PathBuf> {
    let keys: Vec<&str> = machine
        .host_key
        .as_deref()
        .unwrap_or_default()
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    if keys.is_empty() {
        anyhow::bail!(
            "the server knows no host key of `{}`, so nobody could tell it from another; an admin can run `berth machines check {0}`",
            machine.machine
        );
    }
    if keys.iter().any(|key| key.starts_with(['@', '#', '|']) || key.split_whitespace().count() < 2) {
        anyhow::bail!("the server's host key of `{}` is not a public key", machine.machine);
    }
    let alias = alias(&machine.machine);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let path = folder.join(&alias);
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    for key in keys {
        writeln!(file, "{alias} {key}")?;
    }
    file.persist(&path).with_context(|| format!("cannot write `{}`", path.display()))?;
    Ok(path)
}

fn arguments(machine: &Allotment, known_hosts: &Path, jump: Option<&str>, args: &Args) -> Result<Vec<OsString>> {
    let (Some(host), Some(user)) = (&machine.host, &machine.username) else {
        return Err(Fault::NotFound(format!("the server does not tell where `{}` is", machine.machine)).into());
    };
    let known_hosts = known_hosts.to_str().context("the cache folder's name is not UTF-8; set `XDG_CACHE_HOME`")?;
    // In a value ssh splits at blanks and expands `%` and `${…}`.
    if known_hosts.contains(['"', '\n']) || known_hosts.contains("${") {
        return Err(Fault::Usage(format!("ssh cannot take the path `{known_hosts}`; set `XDG_CACHE_HOME`")).into());
    }
    let known_hosts = known_hosts.replace('%', "%%");
    let mut list: Vec<OsString> = Vec::new();
    let mut option = |text: String| list.extend(["-o".into(), OsString::from(text)]);
    option(format!("HostKeyAlias={}", alias(&machine.machine)));
    option(format!("UserKnownHostsFile=\"{known_hosts}\""));
    option("GlobalKnownHostsFile=/dev/null".to_owned());
    option("StrictHostKeyChecking=yes".to_owned());
    option("UpdateHostKeys=no".to_owned());
    option("VerifyHostKeyDNS=no".to_owned());
    option(format!("User={user}"));
    if let Some(jump) = jump {
        option(format!("ProxyJump={jump}"));
    }
    for text in &args.options {
        option(text.clone());
    }
    if let Some(file) = &args.identity {
        list.extend(["-i".into(), file.clone().into_os_string()]);
    }
    list.extend(["-p".into(), machine.port.unwrap_or(22).to_string().into(), "--".into(), host.into()]);
    list.extend(args.command.iter().cloned());
    Ok(list)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use serde_json::json;

    use super::*;

    fn machine(name: &str) -> Allotment {
        serde_json::from_value(json!({
            "machine": name, "host": "127.0.0.1", "port": 22221, "username": "alice", "host_key": "ssh-ed25519 AAAAkey",
        }))
        .unwrap()
    }

    fn reservation(id: &str, machines: &[&str]) -> ReservationView {
        let mut reservation: ReservationView = serde_json::from_value(json!({"id": id, "state": "active"})).unwrap();
        reservation.machines = machines.iter().map(|name| machine(name)).collect();
        reservation
    }

    fn args(command: &[&str]) -> Args {
        Args {
            target: "quay-1".into(),
            machine: None,
            identity: None,
            options: vec![],
            command: command.iter().map(Into::into).collect(),
        }
    }

    #[test]
    fn a_machine_is_found_by_name_or_by_reservation() {
        let all = [reservation("0001-aaaa", &["quay-1"]), reservation("0001-bbbb", &["quay-2", "quay-3"])];
        assert_eq!(pick(&all, "quay-2", None).unwrap().machine, "quay-2");
        assert_eq!(pick(&all, "aaaa", None).unwrap().machine, "quay-1");
        assert_eq!(pick(&all, "0001-bbbb", Some("quay-3")).unwrap().machine, "quay-3");
        for (target, machine) in [("quay-9", None), ("aaaa", Some("quay-2")), ("", None)] {
            assert_eq!(code_of(&pick(&all, target, machine).unwrap_err()), NOT_FOUND, "{target}");
        }
    }

    #[test]
    fn a_reservation_that_is_not_active_cannot_be_entered() {
        let mut one = reservation("0001-aaaa", &["quay-1"]);
        one.state = "provisioning".into();
        assert_eq!(code_of(&pick(&[one], "quay-1", None).unwrap_err()), NOT_FOUND);
    }

    #[test]
    fn only_the_pinned_key_is_believed() {
        let list = arguments(&machine("quay-1"), Path::new("/tmp/a %b/k"), None, &args(&["uname", "-a"])).unwrap();
        let text: Vec<&str> = list.iter().map(|one| one.to_str().unwrap()).collect();
        for option in [
            "HostKeyAlias=berth-quay-1",
            "UserKnownHostsFile=\"/tmp/a %%b/k\"",
            "GlobalKnownHostsFile=/dev/null",
            "StrictHostKeyChecking=yes",
            "User=alice",
        ] {
            assert!(text.windows(2).any(|pair| pair == ["-o", option]), "{option} in {text:?}");
        }
        assert_eq!(text[text.len() - 6..], ["-p", "22221", "--", "127.0.0.1", "uname", "-a"]);
    }

    #[test]
    fn the_pinned_key_is_in_a_private_file_and_replaced_when_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("hosts");
        let mut one = machine("../quay 1");
        let path = pin(&folder, &one).unwrap();
        assert_eq!(path, folder.join("berth-___quay_1"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "berth-___quay_1 ssh-ed25519 AAAAkey\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        one.host_key = Some("ssh-ed25519 BBBB\nssh-rsa CCCC".into());
        assert_eq!(fs::read_to_string(pin(&folder, &one).unwrap()).unwrap().lines().count(), 2);
        one.host_key = None;
        assert!(pin(&folder, &one).is_err());
        one.host_key = Some("@cert-authority * ssh-rsa AAAA".into());
        assert!(pin(&folder, &one).is_err());
    }
}
