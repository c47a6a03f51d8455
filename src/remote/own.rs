//! What `ssh`'s own configuration says of a host: `ssh_config` may give a name another address, port or way.

use std::process::Stdio;

use tokio::process::Command;

use super::{Error, ssh};

/// How `ssh` would reach a host, by its configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SshConfig {
    /// What it dials.
    pub hostname: String,
    /// At which port.
    pub port: u16,
    /// Under which name it looks for the host's key.
    pub alias: Option<String>,
    /// Something else makes the connection: a jump host or a command.
    pub is_proxied: bool,
}

/// Asks `ssh` what it would do for this host; no connection is made.
pub async fn ssh_config(host: &str, user: Option<&str>, port: Option<u16>) -> Result<SshConfig, Error> {
    ssh::refuse_dash("host", host)?;
    let mut command = Command::new("ssh");
    ssh::clean(&mut command);
    command.arg("-G");
    if let Some(user) = user {
        ssh::refuse_dash("user", user)?;
        command.args(["-l", user]);
    }
    if let Some(port) = port {
        command.args(["-p", &port.to_string()]);
    }
    command.args(["--", host]).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let said = command.output().await.map_err(|error| Error::NoClient(error.to_string()))?;
    Ok(read(&String::from_utf8_lossy(&said.stdout)))
}

fn read(said: &str) -> SshConfig {
    let mut known = SshConfig::default();
    for (key, value) in said.lines().filter_map(|line| line.split_once(' ')) {
        match key {
            "hostname" => value.clone_into(&mut known.hostname),
            "port" => known.port = value.parse().unwrap_or(0),
            "hostkeyalias" => known.alias = Some(value.to_owned()),
            "proxyjump" | "proxycommand" => known.is_proxied |= value != "none",
            _ => {}
        }
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ssh_says_of_a_host_is_read() {
        let known = read("user me\nhostname 192.0.2.1\nport 2022\nhostkeyalias gate\nproxyusefdpass no\n");
        assert_eq!(known.hostname, "192.0.2.1");
        assert_eq!((known.port, known.alias.as_deref(), known.is_proxied), (2022, Some("gate"), false));
        assert!(read("proxyjump gate\n").is_proxied && !read("proxycommand none\n").is_proxied);
    }

    #[tokio::test]
    async fn ssh_is_asked_and_answers() {
        let known = ssh_config("192.0.2.1", Some("me"), Some(2022)).await.unwrap();
        assert_eq!((known.hostname.as_str(), known.port), ("192.0.2.1", 2022));
        assert!(ssh_config("-oProxyCommand=x", None, None).await.is_err());
    }
}
