//! `demo_machine`: a machine to try Berth on, made here and taken away again.
//!
//! A machine is a folder of the state directory: its record, its log, and, for the namespace backend, its disk.
//! `present` starts a stopped machine again with the disk, the host key and the users it had; `absent` leaves nothing.
//! Every verb holds the machine's lock, and no process is ended before its start time says that it is ours.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::{Act, Arg, Args, AsyncScope, Kind, Module, Outcome};
use crate::{docker, remote::Secret};

mod container;
mod namespace;
mod reach;
mod record;
#[cfg(test)]
mod tests;

pub use record::list;
use record::{Folder, Record};

/// Makes, stops and removes demo machines.
pub static MODULE: Module = Module {
    name: "demo_machine",
    collections: &["berth"],
    summary: "Make or remove a machine to try Berth on: a container, or a namespace with a copy-on-write disk",
    args: &[
        arg(
            "name",
            Kind::Str,
            None,
            "What the machine is called; without it, `stopped` and `absent` mean all there are",
        ),
        Arg {
            choices: &["present", "stopped", "absent"],
            ..arg("state", Kind::Str, Some("present"), "Whether it runs, rests with its disk kept, or is gone")
        },
        arg("port", Kind::Int, None, "The port of its sshd on 127.0.0.1"),
        arg("also_on", Kind::Str, None, "One more address of this computer where its sshd answers, for containers"),
        arg("password", Kind::Str, None, "The password of its root; without it one is made and returned"),
        Arg {
            choices: &["auto", "docker", "namespace"],
            ..arg(
                "backend",
                Kind::Str,
                Some("auto"),
                "What it is made of; `auto`: Docker where it works, else a namespace",
            )
        },
        arg("image", Kind::Str, Some(container::IMAGE), "The base image of a container: Alpine or Debian"),
        arg("docker_host", Kind::Str, None, "Where the Docker engine listens, instead of `DOCKER_HOST`"),
        arg("folder", Kind::Path, None, "The state directory, instead of `BERTH_DEMO_DIR` or `.local/demo`"),
    ],
    free_form: None,
    act: Act::Async(act),
};

const fn arg(name: &'static str, kind: Kind, default: Option<&'static str>, doc: &'static str) -> Arg {
    Arg { name, aliases: &[], kind, required: false, default, choices: &[], doc }
}

/// What a demo machine is to be.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Its name: letters, digits, `-`.
    pub name: String,
    /// The port of its sshd on 127.0.0.1.
    pub port: u16,
    /// One more address of this computer where its sshd answers.
    pub also_on: Option<IpAddr>,
    /// The password of its root; `None`: one is made.
    pub password: Option<Secret>,
    /// What it is made of.
    pub backend: Choice,
    /// The base image of a container.
    pub image: String,
    /// Where the Docker engine listens; `None`: `DOCKER_HOST`, or the usual socket.
    pub docker_host: Option<String>,
    /// The state directory of all demo machines.
    pub folder: PathBuf,
}

/// What a machine may be made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// A container where Docker works, else a namespace.
    Auto,
    /// A container and nothing else.
    Docker,
    /// A namespace and nothing else.
    Namespace,
}

/// What a machine is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// A container of a Docker engine.
    Docker,
    /// Namespaces of this computer with an overlay of its system folders.
    Namespace,
}

/// What [`present`] did.
#[derive(Debug)]
pub struct Made {
    /// False when the machine ran already.
    pub changed: bool,
    /// What it is made of.
    pub backend: Backend,
    /// Why that was chosen.
    pub why: String,
    /// The password that was made, when none was wanted.
    pub password: Option<Secret>,
}

/// Why a demo machine could not be made or removed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name cannot be a host name.
    #[error("`{0}` cannot be the name of a machine: use 1 to 40 letters, digits and `-`, and start with a letter")]
    BadName(String),
    /// No way to make one here.
    #[error("{0}")]
    Unavailable(String),
    /// Something else listens there.
    #[error("port {0} on 127.0.0.1 is taken by something that is not the machine: end it, or say another port")]
    PortTaken(u16),
    /// It did not come up.
    #[error("`{name}` did not come up: {reason}")]
    NotUp {
        /// Which machine.
        name: String,
        /// What was seen, with the end of its log.
        reason: String,
    },
    /// The engine refused.
    #[error(transparent)]
    Docker(#[from] docker::Error),
    /// A file or process of ours could not be had.
    #[error("{0}: {1}")]
    Io(String, std::io::Error),
    /// The run was cancelled.
    #[error("cancelled")]
    Cancelled,
}

fn at(what: impl std::fmt::Display) -> impl FnOnce(std::io::Error) -> Error {
    move |error| Error::Io(what.to_string(), error)
}

/// The state directory: `BERTH_DEMO_DIR`, else `.local/demo` here.
pub fn state_directory() -> PathBuf {
    std::env::var_os("BERTH_DEMO_DIR")
        .filter(|v| !v.is_empty())
        .map_or_else(|| PathBuf::from(".local/demo"), PathBuf::from)
}

/// Makes or starts the machine, and waits until its sshd answers.
pub async fn present(wanted: &Wanted, cancel: &CancellationToken) -> Result<Made, Error> {
    let folder = Folder::lock(&wanted.folder, &wanted.name).await?;
    let mut kept = None;
    if let Some(record) = folder.record()? {
        if record.fits(wanted) {
            let runs = match record.backend {
                Backend::Namespace => namespace::runs(&folder)?,
                Backend::Docker => container::runs(&record).await?,
            };
            // A namespace whose disk was in memory has none to start from; `start` then makes it anew.
            if runs && reach::banner(record.port).await {
                return Ok(made(false, &record, &folder));
            }
            if runs {
                // It lives and does not answer: what is left of it goes, its disk stays.
                halt(&folder, &record).await?;
            }
            kept = Some(record);
        } else {
            end(&folder, &record).await?;
            folder.clear()?;
        }
    }
    let fresh = kept.is_none();
    let record = match reach::free(wanted.port) {
        Err(error) => Err(error),
        Ok(()) => match kept {
            Some(record) => Ok(record),
            None => choose(wanted, &folder).await,
        },
    };
    let record = match record {
        Ok(record) => record,
        Err(error) => {
            if fresh {
                folder.remove()?;
            }
            return Err(error);
        }
    };
    let started = match record.backend {
        Backend::Namespace => namespace::start(&folder, &record).await,
        Backend::Docker => container::start(&folder, &record, wanted).await,
    };
    let up = match started {
        Ok(()) => reach::until_up(&folder, &record, cancel).await,
        Err(error) => Err(error),
    };
    match up {
        Ok(()) => Ok(made(true, &record, &folder)),
        Err(error) => {
            let _ = if fresh { wipe(&folder, &record).await } else { halt(&folder, &record).await.map(drop) };
            Err(error)
        }
    }
}

fn made(changed: bool, record: &Record, folder: &Folder) -> Made {
    Made { changed, backend: record.backend, why: record.why.clone(), password: folder.password() }
}

/// Decides the backend and writes the record of a new machine.
async fn choose(wanted: &Wanted, folder: &Folder) -> Result<Record, Error> {
    let by_docker = |why: String| (Backend::Docker, why);
    let (backend, why) = match wanted.backend {
        Choice::Namespace => {
            namespace::available().await.map_err(Error::Unavailable)?;
            (Backend::Namespace, "namespaces were asked for".to_owned())
        }
        Choice::Docker => {
            container::available(wanted).await.map_err(Error::Unavailable)?;
            by_docker("Docker was asked for".to_owned())
        }
        Choice::Auto => match container::available(wanted).await {
            Ok(version) => by_docker(format!("a Docker engine ({version}) answers and has the base image")),
            Err(no_docker) => match namespace::available().await {
                Ok(()) => (Backend::Namespace, no_docker),
                Err(no_namespace) => {
                    return Err(Error::Unavailable(format!(
                        "no way to make demo machines here. Docker: {no_docker}. Namespaces: {no_namespace}"
                    )));
                }
            },
        },
    };
    folder.begin(wanted, backend, why)
}

/// Ends what runs of the machine; its disk stays. Tells whether anything ran.
pub async fn stopped(name: &str, folder: &Path) -> Result<bool, Error> {
    if !record::exists(folder, name) {
        return Ok(false);
    }
    let folder = Folder::lock(folder, name).await?;
    match folder.record()? {
        Some(record) => halt(&folder, &record).await,
        None => folder.remove().map(|()| false),
    }
}

/// Removes the machine whole. Tells whether there was one.
pub async fn absent(name: &str, folder: &Path) -> Result<bool, Error> {
    if !record::exists(folder, name) {
        return Ok(false);
    }
    let folder = Folder::lock(folder, name).await?;
    if let Some(record) = folder.record()? {
        wipe(&folder, &record).await?;
    } else {
        // A start that was killed before the record was written.
        namespace::stop(&folder).await?;
        folder.remove()?;
    }
    Ok(true)
}

async fn halt(folder: &Folder, record: &Record) -> Result<bool, Error> {
    match record.backend {
        Backend::Namespace => namespace::stop(folder).await,
        Backend::Docker => container::stop(record).await,
    }
}

/// Ends the machine and what its backend keeps of it; the folder stays.
async fn end(folder: &Folder, record: &Record) -> Result<(), Error> {
    halt(folder, record).await?;
    if record.backend == Backend::Docker {
        container::remove(record).await?;
    }
    Ok(())
}

async fn wipe(folder: &Folder, record: &Record) -> Result<(), Error> {
    end(folder, record).await?;
    folder.remove()
}

fn act(args: Args, scope: AsyncScope) -> BoxFuture<'static, Outcome> {
    Box::pin(async move {
        match run(&args, &scope).await {
            Ok(outcome) => outcome,
            Err(error) => Outcome::failure(error.to_string()),
        }
    })
}

async fn run(args: &Args, scope: &AsyncScope) -> Result<Outcome, Error> {
    let folder = args.str("folder").map_or_else(state_directory, PathBuf::from);
    let state = args.str("state").unwrap_or("present");
    let names = match args.str("name") {
        Some(name) => vec![name.to_owned()],
        None if state == "present" => {
            return Ok(Outcome::failure("`name` is missing: say what the machine is called"));
        }
        None => list(&folder),
    };
    if state == "present" {
        let wanted = wanted(args, folder)?;
        return if scope.check { would(&wanted).await } else { bring_up(&wanted, scope).await };
    }
    let mut done = Vec::new();
    for name in &names {
        let changed = match (scope.check, state) {
            (true, _) => record::exists(&folder, name),
            (false, "stopped") => stopped(name, &folder).await?,
            (false, _) => absent(name, &folder).await?,
        };
        if changed {
            done.push(name.clone());
        }
    }
    let verb = if state == "stopped" { "stopped" } else { "removed" };
    let message = if done.is_empty() { format!("nothing to be {verb}") } else { format!("{verb} {}", done.join(", ")) };
    let mut outcome = Outcome { changed: !done.is_empty(), ..Outcome::default() };
    outcome.result.insert("msg".into(), message.into());
    outcome.result.insert("names".into(), done.into());
    Ok(outcome)
}

fn wanted(args: &Args, folder: PathBuf) -> Result<Wanted, Error> {
    let port = args.int("port").and_then(|p| u16::try_from(p).ok()).filter(|p| 0 < *p);
    let also_on = args.str("also_on").filter(|text| !text.is_empty()).map(str::parse).transpose();
    Ok(Wanted {
        name: args.str("name").unwrap_or_default().to_owned(),
        also_on: also_on.map_err(|_| Error::Unavailable("`also_on` is not an IP address".into()))?,
        port: port.ok_or_else(|| Error::Unavailable("`port` is missing or not 1 to 65535".into()))?,
        password: args.str("password").map(|p| Secret(p.to_owned())),
        backend: match args.str("backend") {
            Some("docker") => Choice::Docker,
            Some("namespace") => Choice::Namespace,
            _ => Choice::Auto,
        },
        image: args.str("image").unwrap_or(container::IMAGE).to_owned(),
        docker_host: args.str("docker_host").map(str::to_owned),
        folder,
    })
}

async fn would(wanted: &Wanted) -> Result<Outcome, Error> {
    let there = record::exists(&wanted.folder, &wanted.name) && reach::banner(wanted.port).await;
    Ok(Outcome { changed: !there, ..Outcome::default() })
}

async fn bring_up(wanted: &Wanted, scope: &AsyncScope) -> Result<Outcome, Error> {
    (scope.progress)(&format!("{}: starting on 127.0.0.1:{}", wanted.name, wanted.port));
    let made = present(wanted, &scope.cancel).await?;
    let kind = match made.backend {
        Backend::Docker => "container",
        Backend::Namespace => "namespace",
    };
    let verb = if made.changed { "up" } else { "is up" };
    let message = format!("{} {verb} on 127.0.0.1:{} as a {kind}: {}", wanted.name, wanted.port, made.why);
    let mut result = Map::new();
    result.insert("msg".into(), message.into());
    result.insert("name".into(), wanted.name.clone().into());
    result.insert("host".into(), "127.0.0.1".into());
    result.insert("port".into(), wanted.port.into());
    result.insert("backend".into(), serde_json::to_value(made.backend).unwrap_or(Value::Null));
    result.insert("reason".into(), made.why.into());
    if let Some(Secret(password)) = made.password {
        result.insert("password".into(), password.into());
    }
    Ok(Outcome { changed: made.changed, result, ..Outcome::default() })
}

/// How long a machine may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);
