//! The machine that Berth runs on: its data folder, its disk, its ssh client.

use std::{fs, os::unix::fs::PermissionsExt, process::Stdio, time::Duration};

use tokio::process::Command;

use super::{Finding, within};
use crate::{config::Config, telemetry};

/// Less than this is not enough to go on.
const LITTLE: u64 = 64 << 20;

/// Whether the data folder can be used by this user and by nobody else.
pub(super) fn data_dir(config: &Config) -> Vec<Finding> {
    let check = "data_dir";
    let folder = &config.data_dir;
    let shown = folder.display();
    let mine = "run the doctor and Berth as the same user, or name another folder in BERTH_DATA_DIR";
    let Ok(found) = fs::metadata(folder) else {
        return vec![Finding::warning(
            check,
            format!("there is no `{shown}` yet"),
            "the first `berth serve` makes it; if it has run already, BERTH_DATA_DIR is not what it was then",
        )];
    };
    if !found.is_dir() {
        return vec![Finding::error(check, format!("`{shown}` is no folder"), mine)];
    }
    let mut findings = Vec::new();
    match tempfile::NamedTempFile::with_prefix_in(".doctor-", folder) {
        Ok(_) => findings.push(Finding::ok(check, format!("`{shown}` can be written"))),
        Err(error) => {
            let fix = format!("chown it to Berth's user; {mine}");
            findings.push(Finding::error(check, format!("`{shown}` cannot be written: {error}"), fix));
        }
    }
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o027 != 0 {
        let said = format!("`{shown}` is open to others (mode {mode:o}), and it holds keys");
        findings.push(Finding::warning(check, said, format!("chmod 700 {shown}")));
    }
    if let Some((free, size)) = telemetry::disk(folder) {
        let said = format!("{} MiB of {} MiB are free", free >> 20, size >> 20);
        let fix = "make room: old logs and backups first; without room nothing can be written";
        findings.push(if free < LITTLE {
            Finding::error("disk", said, fix)
        } else if free < size / 10 {
            Finding::warning("disk", said, fix)
        } else {
            Finding::ok("disk", said)
        });
    }
    findings
}

/// Whether there is an ssh client that knows the options Berth gives it, and a folder for what it is handed.
pub(super) async fn ssh() -> Vec<Finding> {
    let mut findings = within("ssh", Duration::from_secs(10), client()).await;
    findings.extend(within("ssh.askpass", Duration::from_secs(10), askpass()).await);
    findings
}

async fn client() -> Vec<Finding> {
    let install = "install OpenSSH's client, for example: apt install openssh-client";
    let version = match Command::new("ssh").arg("-V").stdin(Stdio::null()).output().await {
        Ok(said) => String::from_utf8_lossy(&said.stderr).trim().to_owned(),
        Err(error) => return vec![Finding::error("ssh", format!("cannot start `ssh`: {error}"), install)],
    };
    // What clients of the last years know and older ones do not; -G only reads the options and connects nowhere.
    let needed = ["StrictHostKeyChecking=accept-new", "KexAlgorithms=^curve25519-sha256", "UpdateHostKeys=no"];
    let mut command = Command::new("ssh");
    command.args(["-F", "none", "-G"]).args(needed.iter().flat_map(|option| ["-o", option])).arg("nowhere.invalid");
    match command.stdin(Stdio::null()).output().await {
        Ok(said) if said.status.success() && ASKPASS_REQUIRE <= release(&version) => vec![Finding::ok("ssh", version)],
        Ok(said) => {
            let why = String::from_utf8_lossy(&said.stderr);
            let why = why.lines().next().unwrap_or("SSH_ASKPASS_REQUIRE");
            let said = format!("`{version}` does not know what Berth needs: {why}");
            vec![Finding::error("ssh", said, "install OpenSSH 8.4 or later")]
        }
        Err(error) => vec![Finding::error("ssh", format!("cannot start `ssh`: {error}"), install)],
    }
}

/// The release in which ssh learned to ask a script for passwords without a terminal.
const ASKPASS_REQUIRE: (u32, u32) = (8, 4);

/// The release in `OpenSSH_9.2p1 Debian-2, OpenSSL 3.0`; of what is no OpenSSH we know nothing bad.
fn release(version: &str) -> (u32, u32) {
    let number = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok();
    let found = version.strip_prefix("OpenSSH_").and_then(|rest| rest.split_once('.'));
    found.and_then(|(major, minor)| Some((number(major)?, number(minor)?))).unwrap_or((u32::MAX, 0))
}

/// Passwords of machines are handed over by a small script in a private folder: it must be possible to run it.
async fn askpass() -> Vec<Finding> {
    let check = "ssh.askpass";
    let place = std::env::temp_dir();
    let fix = "name a folder in TMPDIR that Berth's user may write and whose disk is not mounted noexec";
    let attempt = async {
        let folder = tempfile::TempDir::with_prefix("berth-doctor-")?;
        let script = folder.path().join("askpass");
        fs::write(&script, "#!/bin/sh\necho works\n")?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o700))?;
        Command::new(&script).stdin(Stdio::null()).output().await
    };
    match attempt.await {
        Ok(said) if said.stdout == b"works\n" => {
            vec![Finding::ok(check, format!("scripts can be run in `{}`", place.display()))]
        }
        Ok(said) => {
            let said = String::from_utf8_lossy(&said.stderr).trim().to_owned();
            vec![Finding::error(check, format!("a script in `{}` does not run: {said}", place.display()), fix)]
        }
        Err(error) => {
            vec![Finding::error(check, format!("a script in `{}` does not run: {error}", place.display()), fix)]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::release;

    #[test]
    fn the_release_of_a_client_is_read() {
        assert_eq!(release("OpenSSH_9.2p1 Debian-2+deb12u3, OpenSSL 3.0.14"), (9, 2));
        assert_eq!(release("OpenSSH_10.0p2"), (10, 0));
        assert!(release("OpenSSH_7.9p1") < super::ASKPASS_REQUIRE);
        assert!(super::ASKPASS_REQUIRE < release("Sun_SSH_1.1"));
    }
}
