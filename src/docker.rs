//! What we need of bollard: an engine that answers, an image built from files we carry, containers by name.

use std::{collections::HashMap, net::IpAddr, time::Duration};

use bollard::{
    Docker,
    models::{ContainerCreateBody, HostConfig, PortBinding},
    query_parameters::{
        BuildImageOptionsBuilder, CreateContainerOptionsBuilder, CreateImageOptionsBuilder, LogsOptionsBuilder,
        RemoveContainerOptionsBuilder, UploadToContainerOptionsBuilder,
    },
};
use futures_util::{StreamExt, TryStreamExt};
use tokio::time::timeout;

/// How long an engine may take to say that it is there.
const PING: Duration = Duration::from_secs(3);
/// How long a base image may take to come.
const PULL: Duration = Duration::from_mins(5);

/// Why a Docker engine did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No engine answers.
    #[error("no Docker engine answers at `{host}` ({cause}): install and start one, or set `DOCKER_HOST`")]
    Silent {
        /// Where it was looked for.
        host: String,
        /// What was seen there.
        cause: String,
    },
    /// The base image is not here and no registry gives it.
    #[error("the base image `{image}` cannot be had ({cause}): `docker pull` or `docker import` it")]
    NoImage {
        /// Which image.
        image: String,
        /// What the engine said.
        cause: String,
    },
    /// The engine refused something else.
    #[error("the Docker engine said: {0}")]
    Refused(String),
}

impl From<bollard::errors::Error> for Error {
    fn from(error: bollard::errors::Error) -> Self {
        Self::Refused(said(&error))
    }
}

fn said(error: &bollard::errors::Error) -> String {
    use bollard::errors::Error as E;
    match error {
        E::DockerResponseServerError { message, .. } => message.clone(),
        E::DockerStreamError { error } => error.clone(),
        other => other.to_string(),
    }
}

fn is_missing(error: &bollard::errors::Error) -> bool {
    matches!(error, bollard::errors::Error::DockerResponseServerError { status_code: 404, .. })
}

/// An engine that answered.
#[derive(Debug, Clone)]
pub struct Engine {
    docker: Docker,
    /// Its version.
    pub version: String,
}

/// A container to be made.
#[derive(Debug, Clone)]
pub struct Container<'a> {
    /// Its name on the engine.
    pub name: &'a str,
    /// Its host name.
    pub hostname: &'a str,
    /// The image it starts from.
    pub image: &'a str,
    /// A port of it, and the port of this computer that leads there.
    pub publish: (u16, u16),
    /// On which addresses of this computer.
    pub on: &'a [IpAddr],
    /// How to find it again.
    pub labels: &'a [(&'a str, &'a str)],
    /// Files to lay into it before it starts, by path without the first `/`; only root reads them.
    pub files: &'a [(&'a str, &'a [u8])],
}

/// Connects to `host`, else to `DOCKER_HOST`, else to the usual socket, and asks whether anyone is there.
pub async fn connect(host: Option<&str>) -> Result<Engine, Error> {
    let host = host.map(str::to_owned).or_else(|| std::env::var("DOCKER_HOST").ok().filter(|h| !h.is_empty()));
    let host = host.unwrap_or_else(|| "unix:///var/run/docker.sock".to_owned());
    let silent = |cause: String| Error::Silent { host: host.clone(), cause };
    let docker = Docker::connect_with_host(&host).map_err(|e| silent(said(&e)))?;
    let version = timeout(PING, docker.version())
        .await
        .map_err(|_| silent("no answer in 3 seconds".into()))?
        .map_err(|e| silent(said(&e)))?;
    Ok(Engine { docker, version: version.version.unwrap_or_default() })
}

impl Engine {
    /// Whether the engine holds the image.
    pub async fn has_image(&self, image: &str) -> Result<bool, Error> {
        match self.docker.inspect_image(image).await {
            Ok(_) => Ok(true),
            Err(error) if is_missing(&error) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Fetches the image unless the engine holds it.
    pub async fn pull(&self, image: &str) -> Result<(), Error> {
        if self.has_image(image).await? {
            return Ok(());
        }
        let missing = |cause: String| Error::NoImage { image: image.to_owned(), cause };
        let (name, tag) = match image.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, tag),
            _ => (image, "latest"),
        };
        let options = CreateImageOptionsBuilder::default().from_image(name).tag(tag).build();
        let pulled = self.docker.create_image(Some(options), None, None).try_for_each(|_| async { Ok(()) });
        match timeout(PULL, pulled).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(missing(said(&error))),
            Err(_) => Err(missing("it did not come within 5 minutes".into())),
        }
    }

    /// Builds `tag` from files, one of which is `Dockerfile`.
    pub async fn build(&self, tag: &str, files: &[(&str, &[u8])], args: &[(&str, &str)]) -> Result<(), Error> {
        let args: HashMap<&str, &str> = args.iter().copied().collect();
        let options = BuildImageOptionsBuilder::default()
            .dockerfile("Dockerfile")
            .t(tag)
            .rm(true)
            .forcerm(true)
            .buildargs(&args)
            .build();
        let context = bollard::body_full(pack(files)?.into());
        let mut log = Vec::new();
        let mut steps = self.docker.build_image(options, None, Some(context));
        while let Some(step) = steps.next().await {
            match step {
                Ok(info) => log.extend(info.stream),
                Err(error) => {
                    let text = log.concat();
                    let lines: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty()).collect();
                    let end = lines[lines.len().saturating_sub(3)..].join("; ");
                    return Err(Error::Refused(format!("building `{tag}`: {} (after: {end})", said(&error))));
                }
            }
        }
        Ok(())
    }

    /// Makes a container; it does not run yet. One of that name that is there already is replaced.
    pub async fn create(&self, wanted: &Container<'_>) -> Result<(), Error> {
        self.remove(wanted.name).await?;
        let (inside, outside) = wanted.publish;
        let port = format!("{inside}/tcp");
        let binding = |ip: &IpAddr| PortBinding { host_ip: Some(ip.to_string()), host_port: Some(outside.to_string()) };
        let body = ContainerCreateBody {
            hostname: Some(wanted.hostname.to_owned()),
            image: Some(wanted.image.to_owned()),
            labels: Some(wanted.labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()),
            exposed_ports: Some(vec![port.clone()]),
            host_config: Some(HostConfig {
                port_bindings: Some(HashMap::from([(port, Some(wanted.on.iter().map(binding).collect()))])),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        let options = CreateContainerOptionsBuilder::default().name(wanted.name).build();
        self.docker.create_container(Some(options), body).await?;
        let into = UploadToContainerOptionsBuilder::default().path("/").build();
        let files = bollard::body_full(pack(wanted.files)?.into());
        self.docker.upload_to_container(wanted.name, Some(into), files).await?;
        Ok(())
    }

    /// Starts a container that was made before.
    pub async fn start(&self, name: &str) -> Result<(), Error> {
        Ok(self.docker.start_container(name, None).await?)
    }

    /// Whether it runs; `None`: there is none of that name.
    pub async fn runs(&self, name: &str) -> Result<Option<bool>, Error> {
        match self.docker.inspect_container(name, None).await {
            Ok(seen) => Ok(Some(seen.state.and_then(|s| s.running).unwrap_or(false))),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Ends all that runs in it; its disk stays. One that is not there is well stopped.
    pub async fn kill(&self, name: &str) -> Result<(), Error> {
        match self.docker.kill_container(name, None).await {
            // 409: it does not run.
            Err(error)
                if is_missing(&error)
                    || matches!(error, bollard::errors::Error::DockerResponseServerError { status_code: 409, .. }) =>
            {
                Ok(())
            }
            other => Ok(other?),
        }
    }

    /// Removes it, running or not, with its disk. One that is not there is well removed.
    pub async fn remove(&self, name: &str) -> Result<(), Error> {
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        match self.docker.remove_container(name, Some(options)).await {
            Err(error) if is_missing(&error) => Ok(()),
            other => Ok(other?),
        }
    }

    /// The last lines it said.
    pub async fn log_tail(&self, name: &str) -> String {
        let options = LogsOptionsBuilder::default().stdout(true).stderr(true).tail("5").build();
        let lines: Vec<_> = self.docker.logs(name, Some(options)).collect().await;
        let lines: Vec<String> = lines.into_iter().flatten().map(|line| line.to_string().trim().to_owned()).collect();
        lines.join("; ")
    }
}

fn pack(files: &[(&str, &[u8])]) -> Result<Vec<u8>, Error> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        tar.append_data(&mut header, path, *bytes).map_err(|e| Error::Refused(e.to_string()))?;
    }
    tar.into_inner().map_err(|e| Error::Refused(e.to_string()))
}
