//! How to reach a machine: whose key, which host key, what address.

use std::path::PathBuf;

use super::{address, model::Machine};
use crate::{
    config::{Config, Remote},
    ctx::Ctx,
    remote::{Error, HostKey, Login, Secret, Ssh, Target, Via},
    seal::CannotOpen,
};

/// Where and how to reach a machine now: its name is resolved, and refused where no machine may be. `fence`: whoever
/// opens a shell with it ends every earlier one with the same.
pub async fn target(ctx: &Ctx, machine: &Machine, fence: Option<&str>) -> Result<Target, Error> {
    let login = match (&machine.key_file, machine.key_installed_at, &machine.password_sealed) {
        (Some(file), ..) => Login::KeyFile(key_file(ctx, file)),
        (None, None, Some(sealed)) => {
            let opened = ctx.sealer.open(&Machine::password_owner(machine.id), sealed);
            let password = opened.map_err(|error| Error::BadValue(error.to_string()))?;
            Login::Password(Secret(password))
        }
        (None, ..) => Login::KeyFile(own_key(ctx)),
    };
    reach(ctx, machine, login, fence).await
}

/// Whether the password that is stored for a machine can be opened.
pub fn opens_password(ctx: &Ctx, machine: &Machine) -> Result<(), CannotOpen> {
    let Some(sealed) = &machine.password_sealed else { return Ok(()) };
    ctx.sealer.open(&Machine::password_owner(machine.id), sealed).map(drop)
}

/// The same with another way to log in.
pub(super) async fn reach(ctx: &Ctx, machine: &Machine, login: Login, fence: Option<&str>) -> Result<Target, Error> {
    let via = match ctx.config.remote {
        Remote::Fake => Via::Fake,
        Remote::Ssh => {
            let way = address::way(ctx, &machine.host, machine.port, machine.jump.as_deref()).await?;
            Via::Ssh(Ssh {
                host: dialled(&machine.host, &ctx.config),
                port: machine.port,
                jump: machine.jump.clone().filter(|_| !way.replaces_jump),
                login,
                host_key: if machine.host_keys.is_empty() {
                    HostKey::Learn
                } else {
                    HostKey::Pinned(machine.host_keys.clone())
                },
                options: way.options,
            })
        }
    };
    Ok(Target {
        name: machine.name.clone(),
        via,
        user: machine.login_user.clone(),
        connect_timeout: ctx.config.timeouts.connect,
        fence: fence.map(str::to_owned),
    })
}

/// Berth's own private key, made once per data directory.
pub(super) fn own_key(ctx: &Ctx) -> PathBuf {
    ctx.config.data_dir.join("ssh").join("id_ed25519")
}

/// A key file as registered: absolute, or under the data directory's `keys`.
pub(super) fn key_file(ctx: &Ctx, file: &str) -> PathBuf {
    // Joining an absolute path answers that path.
    ctx.config.data_dir.join("keys").join(file)
}

/// A server in a container reaches its host's loopback by another name.
pub(super) fn dialled(host: &str, config: &Config) -> String {
    if config.rewrite_localhost && matches!(host, "localhost" | "127.0.0.1" | "::1") {
        config.docker_host_gateway_name.clone()
    } else {
        host.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn localhost_is_rewritten_only_when_asked() {
        let mut config = Config { docker_host_gateway_name: "gateway.example".into(), ..Config::default() };
        for (rewrite, expected) in [(false, None), (true, Some("gateway.example"))] {
            config.rewrite_localhost = rewrite;
            for host in ["localhost", "127.0.0.1", "::1"] {
                assert_eq!(dialled(host, &config), expected.unwrap_or(host));
            }
            assert_eq!(dialled("localhost.example", &config), "localhost.example");
        }
    }
}
