//! How the system's `ssh` is started: its options, its environment, its password.

use std::{path::Path, process::Stdio};

use tokio::process::Command;

use super::{Error, HostKey, Login, Ssh, Target, private::Private, quote};

/// The name under which pinned keys are kept, whatever address is dialled.
const ALIAS: &str = "berth-host";

/// A key exchange that is cheap for both sides, before all others.
const CHEAP_KEX: &str = "KexAlgorithms=^curve25519-sha256";

/// Whether this machine's `ssh` knows the key exchange that we prefer, and how it is preferred.
pub(super) async fn knows_kex() -> bool {
    static KNOWN: tokio::sync::OnceCell<bool> = tokio::sync::OnceCell::const_new();
    let ask = || async {
        let mut command = Command::new("ssh");
        clean(&mut command);
        command.args(["-F", "none", "-G", "-o", CHEAP_KEX, "localhost"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().await.is_ok_and(|status| status.success())
    };
    *KNOWN.get_or_init(ask).await
}

/// What the connection is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Use<'a> {
    /// A shell that reads steps from a pipe.
    Steps,
    /// This command on a terminal; the caller gives the process a pty and a session of its own.
    Terminal(&'a str),
}

/// The `ssh` command for `target`, and the private folder it needs.
pub(super) fn command(target: &Target, ssh: &Ssh, plain_kex: bool, what: Use) -> Result<(Command, Private), Error> {
    refuse_dash("host", &ssh.host)?;
    refuse_dash("user", &target.user)?;
    if let Some(jump) = &ssh.jump {
        refuse_dash("jump", jump)?;
    }
    let private = Private::new()?;
    let mut command = Command::new("ssh");
    clean(&mut command);
    command.kill_on_drop(true);
    let (tty, remote) = match what {
        Use::Steps => {
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            // Keys typed at the terminal reach us, not each connection.
            command.process_group(0);
            (["-T", "RequestTTY=no"], "exec /bin/sh")
        }
        Use::Terminal(remote) => (["-tt", "RequestTTY=force"], remote),
    };
    command.args([tty[0], "-x", "-p", &ssh.port.to_string()]);
    if !target.user.is_empty() {
        command.args(["-l", &target.user]);
    }
    let mut option = |text: &str| {
        command.args(["-o", text]);
    };
    for text in [
        "ControlMaster=no",
        "ControlPath=none",
        "ServerAliveInterval=5",
        "ServerAliveCountMax=3",
        "GSSAPIAuthentication=no",
        "EscapeChar=none",
        "LogLevel=ERROR",
        tty[1],
        "ForwardX11=no",
        "PermitLocalCommand=no",
        "RemoteCommand=none",
        "ClearAllForwardings=yes",
        "UpdateHostKeys=no",
    ] {
        option(text);
    }
    option(&format!("ConnectTimeout={}", target.connect_timeout.as_secs().max(1)));
    if !plain_kex {
        // Cheap for both sides; the rest of the list stays for servers that know only that.
        option(CHEAP_KEX);
    }
    match &ssh.login {
        Login::Default => option("BatchMode=yes"),
        Login::KeyFile(path) => {
            option("BatchMode=yes");
            option("IdentitiesOnly=yes");
            option("PreferredAuthentications=publickey");
            option(&format!("IdentityFile={}", option_path(path)?));
        }
        Login::Password(_) => {
            option("BatchMode=no");
            option("PubkeyAuthentication=no");
            option("PreferredAuthentications=password,keyboard-interactive");
            option("NumberOfPasswordPrompts=1");
        }
    }
    let known = private.path("known_hosts");
    match &ssh.host_key {
        HostKey::System => {}
        HostKey::Pinned(keys) => {
            let lines: Vec<String> = keys.iter().map(|key| format!("{ALIAS} {}", key.trim())).collect();
            let text = lines.join("\n") + "\n";
            private.write("known_hosts", text.as_bytes(), 0o600)?;
            option("StrictHostKeyChecking=yes");
        }
        HostKey::Learn => {
            private.write("known_hosts", b"", 0o600)?;
            option("StrictHostKeyChecking=accept-new");
        }
    }
    if !matches!(ssh.host_key, HostKey::System) {
        option(&format!("HostKeyAlias={ALIAS}"));
        option(&format!("UserKnownHostsFile={}", option_path(&known)?));
        option("GlobalKnownHostsFile=/dev/null");
        option("HashKnownHosts=no");
        option("CheckHostIP=no");
        option("VerifyHostKeyDNS=no");
    }
    if let Some(jump) = &ssh.jump {
        option(&format!("ProxyJump={jump}"));
    }
    for text in &ssh.options {
        option(text);
    }
    if let Login::Password(secret) = &ssh.login {
        private.write("secret", secret.0.as_bytes(), 0o600)?;
        // Only the prompt of this very host gets the password: not a jump host's, not a key's.
        // ssh asks in the name of the alias when there is one.
        let named = if matches!(ssh.host_key, HostKey::System) { ssh.host.as_str() } else { ALIAS };
        let prompt = quote::quote(&format!("{}@{named}", target.user));
        let text = format!("#!/bin/sh\ncase $1 in *{prompt}*assword*) exec cat \"${{0%/*}}/secret\" ;; esac\nexit 1\n");
        let script = private.write("askpass", text.as_bytes(), 0o700)?;
        command.env("SSH_ASKPASS", &script).env("SSH_ASKPASS_REQUIRE", "force").env("DISPLAY", ":0");
    }
    command.args(["--", &ssh.host, remote]);
    Ok((command, private))
}

/// A shell on this machine.
pub(super) fn local() -> Command {
    let mut command = Command::new("/bin/sh");
    clean(&mut command);
    command.kill_on_drop(true).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.process_group(0);
    command
}

/// Takes Berth's own secrets out of the child's environment.
pub(super) fn clean(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if ["BERTH_", "JWT_", "DATABASE_", "ADMIN_"].iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
}

pub(super) fn refuse_dash(what: &str, value: &str) -> Result<(), Error> {
    if value.starts_with('-') {
        return Err(Error::BadValue(format!("{what} `{value}` must not begin with `-`")));
    }
    if value.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(Error::BadValue(format!("{what} must not hold blanks or control characters")));
    }
    Ok(())
}

/// A path as `ssh -o Key=…` reads it: quoted, `%` doubled.
fn option_path(path: &Path) -> Result<String, Error> {
    let text = path.to_str().ok_or_else(|| Error::BadValue("a path must be UTF-8".into()))?;
    if text.contains(['"', '\n', '\0']) {
        return Err(Error::BadValue(format!("path `{}` holds a character that ssh cannot take", text.escape_debug())));
    }
    Ok(format!("\"{}\"", text.replace('%', "%%")))
}
