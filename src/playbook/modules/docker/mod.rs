//! Docker by its own command line on the host: images, containers, networks, volumes, compose projects.
//!
//! What a container or a network was made from is kept with it, as the hash in a label of ours. It is made anew when
//! the task asks for something else, so every argument counts, and none need be read back from the engine.

mod compose;
mod container;
mod image;
mod network;
#[cfg(test)]
mod tests;
mod volume;

pub use compose::DOCKER_COMPOSE_V2;
pub use container::DOCKER_CONTAINER;
pub use image::DOCKER_IMAGE;
pub use network::DOCKER_NETWORK;
pub use volume::DOCKER_VOLUME;

use super::common::{arg, with_default};
use super::{Arg, Args, Kind};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// The collections these modules are known under.
const COLLECTIONS: &[&str] = &["community.docker", "community.general", "ansible.builtin"];

/// Which engine, for every one of them.
const ENGINE: &[Arg] = &[
    Arg {
        aliases: &["docker_url"],
        ..arg("docker_host", Kind::Str, "the engine: `unix:///run/docker.sock`, `tcp://…`")
    },
    arg("cli_context", Kind::Str, "a context of the docker program"),
    with_default("tls", Kind::Bool, "false", "talk over TLS"),
    with_default("validate_certs", Kind::Bool, "false", "talk over TLS, and mind the engine's certificate"),
    Arg { aliases: &["tls_ca_cert", "cacert_path"], ..arg("ca_path", Kind::Path, "file of certificate authorities") },
    Arg { aliases: &["tls_client_cert", "cert_path"], ..arg("client_cert", Kind::Path, "client certificate") },
    Arg { aliases: &["tls_client_key", "key_path"], ..arg("client_key", Kind::Path, "client key") },
    arg("api_version", Kind::Str, "accepted: the docker program finds the version"),
    with_default("timeout", Kind::Int, "60", "accepted: the step has its own time limit"),
    with_default("debug", Kind::Bool, "false", "accepted: what docker says is told when it fails"),
];

const SH: &str = include_str!("docker.sh");

/// The words that every call of docker begins with, as the shell variable `b_docker_opts`, one a line.
fn engine(args: &Args, step: &mut super::common::Step) -> Result<(), String> {
    let mut words: Vec<String> = vec![];
    for (name, option) in [("docker_host", "--host="), ("cli_context", "--context=")] {
        words.extend(args.str(name).map(|value| format!("{option}{value}")));
    }
    if args.flag("validate_certs") {
        words.push("--tlsverify".to_owned());
    } else if args.flag("tls") {
        words.push("--tls".to_owned());
    }
    for (name, option) in [("ca_path", "--tlscacert="), ("client_cert", "--tlscert="), ("client_key", "--tlskey=")] {
        words.extend(args.str(name).map(|value| format!("{option}{value}")));
    }
    if words.iter().any(|word| word.contains(['\n', '\0'])) {
        return Err("the engine's address must be one line".to_owned());
    }
    step.set("b_docker_opts", &words.join("\n"))?;
    Ok(())
}

/// A name that docker takes, and that is no option.
fn named(what: &str, name: &str) -> Result<(), String> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "_.-/:@".contains(c);
    if name.is_empty() || !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(fine) {
        return Err(format!("`{}` is no name of {what}", name.escape_debug()));
    }
    Ok(())
}

/// What stands for all of `words`.
fn hash(words: &[String]) -> String {
    let mut sum = Sha256::new();
    for word in words {
        sum.update(word.len().to_le_bytes());
        sum.update(word.as_bytes());
    }
    let sum = sum.finalize();
    format!("{:032x}", u128::from_be_bytes(sum[..16].try_into().expect("a SHA-256 sum has 32 bytes")))
}

/// `NAME=VALUE` words of a mapping.
fn pairs(value: Option<&Value>) -> Vec<(String, String)> {
    let all = value.and_then(Value::as_object);
    all.into_iter().flatten().map(|(name, value)| (name.clone(), text(value))).collect()
}

/// A value as docker's options take it.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// A call of `function` with `words`, quoted.
fn call(function: &str, words: &[String]) -> Result<String, String> {
    let mut line = function.to_owned();
    for word in words {
        line.push(' ');
        line.push_str(&super::common::quote(word)?);
    }
    Ok(line)
}
