//! A host to run things on.
//!
//! One connection per host; on it one persistent POSIX `sh` that receives steps and sends framed answers.
//! Steps may be sent before earlier ones were answered; answers come in the order of the steps.

mod condition;
mod error;
mod gate;
mod meter;
mod own;
mod private;
mod quote;
mod script;
mod shell;
mod ssh;
mod step;
mod terminal;
mod wire;

#[cfg(test)]
mod tests;

use std::{path::PathBuf, time::Duration};

pub use condition::{Ask, Condition};
pub use error::Error;
#[doc(hidden)]
pub use error::try_text;
pub use meter::{Meter, Usage};
pub use own::{SshConfig, ssh_config};
pub use quote::{has_nul, quote};
pub use shell::{Pending, STEP_DEADLINE, Shell};
pub use step::{Answer, Become, BecomeMethod, Guard, Reply, Step};
pub use terminal::{Door, Ending, Input, Life, Output, Size, Who};
pub use wire::FLOOD;

/// Where and how to reach a host.
#[derive(Debug, Clone)]
pub struct Target {
    /// The host's name in events and messages.
    pub name: String,
    /// How the bytes travel.
    pub via: Via,
    /// The user the shell runs as before any `become`.
    pub user: String,
    /// How long connecting, host key and login together may take.
    pub connect_timeout: Duration,
    /// When set, opening the shell first ends every earlier shell on that host that was opened with the same
    /// token (a fence: whoever connects last is alone, whatever a dead controller left in its pipe).
    pub fence: Option<String>,
}

/// How the bytes travel.
#[derive(Debug, Clone)]
pub enum Via {
    /// The system's OpenSSH client.
    Ssh(Ssh),
    /// A shell on this machine.
    Local,
    /// No host at all: every step answers "ok, changed" at once. For measuring and for tests.
    Fake,
}

/// What OpenSSH needs to know.
#[derive(Debug, Clone)]
pub struct Ssh {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// `ProxyJump` value, if any.
    pub jump: Option<String>,
    /// How to prove who we are.
    pub login: Login,
    /// What host key to accept.
    pub host_key: HostKey,
    /// Further `-o` options, as `Key=Value`.
    pub options: Vec<String>,
}

/// How to prove who we are.
#[derive(Debug, Clone)]
pub enum Login {
    /// Whatever `ssh` finds by itself: agent, default keys, `ssh_config`.
    Default,
    /// This private key file and nothing else.
    KeyFile(PathBuf),
    /// This password, given through `SSH_ASKPASS`; never in an argument or an environment variable.
    Password(Secret),
}

/// What host key to accept.
#[derive(Debug, Clone)]
pub enum HostKey {
    /// One of these public keys (`ssh-ed25519 AAAA…`) and no other; anything else is refused before a login is tried.
    Pinned(Vec<String>),
    /// Whatever the host shows; `Shell::host_keys` then tells what it was. Only for the first contact.
    Learn,
    /// What `ssh` itself decides from its configuration and `known_hosts`.
    System,
}

/// Text that never shows in `Debug`, logs or errors.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Target {
    /// A shell on this machine, as whoever we are.
    pub fn local(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            via: Via::Local,
            user: String::new(),
            connect_timeout: Duration::from_secs(10),
            fence: None,
        }
    }

    /// No host at all; see [`Via::Fake`].
    pub fn fake(name: &str) -> Self {
        Self { via: Via::Fake, ..Self::local(name) }
    }
}
