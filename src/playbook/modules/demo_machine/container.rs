//! A machine that is a container, built from `demo/Dockerfile`.

use std::{collections::HashMap, sync::LazyLock};

use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use super::{
    Error, Wanted,
    record::{Folder, Record},
};
use crate::docker::{self, Container, Engine};

/// The base image unless another is named.
pub(super) const IMAGE: &str = "alpine:3.22";

/// What the image is built from.
const FILES: &[(&str, &[u8])] = &[
    ("Dockerfile", include_bytes!("../../../../demo/Dockerfile")),
    ("container.sh", include_bytes!("../../../../demo/container.sh")),
    ("pam", include_bytes!("../../../../demo/pam")),
    ("sshd_config", include_bytes!("../../../../demo/sshd_config")),
];

/// An engine's place and a base image.
type Place = (Option<String>, String);

/// What was found out for each place by this process, so that ten machines do not wait for one registry ten times.
static KNOWN: LazyLock<Mutex<HashMap<Place, Result<String, String>>>> = LazyLock::new(Mutex::default);

/// Whether an engine answers and the image can be built; its version, or why not.
pub(super) async fn available(wanted: &Wanted) -> Result<String, String> {
    let place = (wanted.docker_host.clone(), wanted.image.clone());
    let mut known = KNOWN.lock().await;
    if let Some(answer) = known.get(&place) {
        return answer.clone();
    }
    let answer = build(wanted).await.map_err(|e| e.to_string());
    known.insert(place, answer.clone());
    answer
}

async fn build(wanted: &Wanted) -> Result<String, docker::Error> {
    let engine = docker::connect(wanted.docker_host.as_deref()).await?;
    let tag = tag(&wanted.image);
    if !engine.has_image(&tag).await? {
        engine.pull(&wanted.image).await?;
        engine.build(&tag, FILES, &[("BASE", &wanted.image)]).await?;
    }
    Ok(engine.version)
}

/// The image's name changes with whatever goes into it.
fn tag(base: &str) -> String {
    let mut sum = Sha256::new();
    for (name, bytes) in FILES {
        sum.update(name.as_bytes());
        sum.update(bytes);
    }
    sum.update(base.as_bytes());
    let sum = sum.finalize();
    let start = u64::from_be_bytes(sum[..8].try_into().expect("a SHA-256 sum has 32 bytes"));
    format!("berth-demo:{start:016x}")
}

async fn engine(record: &Record) -> Result<Engine, Error> {
    Ok(docker::connect(record.docker_host.as_deref()).await?)
}

/// Starts the container, or makes it when there is none.
pub(super) async fn start(folder: &Folder, record: &Record, wanted: &Wanted) -> Result<(), Error> {
    let engine = engine(record).await?;
    if engine.runs(&record.container).await?.is_none() {
        available(wanted).await.map_err(Error::Unavailable)?;
        let image = tag(&record.image);
        let state = folder.path.display().to_string();
        let password = format!("root:{}\n", record.hash);
        let container = Container {
            name: &record.container,
            hostname: &record.name,
            image: &image,
            publish: (22, record.port),
            on: &record.addresses(),
            labels: &[("berth.demo", &record.name), ("berth.demo.folder", &state)],
            files: &[("demo-password", password.as_bytes())],
        };
        engine.create(&container).await?;
    }
    Ok(engine.start(&record.container).await?)
}

/// Whether the container runs.
pub(super) async fn runs(record: &Record) -> Result<bool, Error> {
    Ok(engine(record).await?.runs(&record.container).await? == Some(true))
}

/// Ends what runs in the container; its disk stays. Tells whether it ran.
pub(super) async fn stop(record: &Record) -> Result<bool, Error> {
    let engine = engine(record).await?;
    let ran = engine.runs(&record.container).await? == Some(true);
    engine.kill(&record.container).await?;
    Ok(ran)
}

/// Removes the container with its disk.
pub(super) async fn remove(record: &Record) -> Result<(), Error> {
    Ok(engine(record).await?.remove(&record.container).await?)
}

/// The last lines the container said.
pub(super) async fn log_tail(record: &Record) -> String {
    match engine(record).await {
        Ok(engine) => engine.log_tail(&record.container).await,
        Err(error) => error.to_string(),
    }
}
