//! Whether a machine's sshd answers.

use std::time::Duration;

use tokio::{
    io::AsyncReadExt,
    net::TcpStream,
    time::{interval, timeout},
};
use tokio_util::sync::CancellationToken;

use super::record::{Folder, Record};
use super::{Backend, Error, PATIENCE, container, namespace};

/// Whether something on the port greets as an SSH server does.
pub(super) async fn banner(port: u16) -> bool {
    let greet = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        let mut start = [0; 4];
        stream.read_exact(&mut start).await?;
        std::io::Result::Ok(start == *b"SSH-")
    };
    timeout(Duration::from_secs(3), greet).await.is_ok_and(|r| r.unwrap_or(false))
}

/// Refuses a port on which something listens already.
pub(super) fn free(port: u16) -> Result<(), Error> {
    std::net::TcpListener::bind(("127.0.0.1", port)).map(drop).map_err(|_| Error::PortTaken(port))
}

/// Waits until the machine greets, its process ends, or patience does.
pub(super) async fn until_up(folder: &Folder, record: &Record, cancel: &CancellationToken) -> Result<(), Error> {
    let mut tick = interval(Duration::from_millis(15));
    let mut seen = false;
    let wait = async {
        loop {
            tick.tick().await;
            if banner(record.port).await {
                return Ok(());
            }
            let runs = match record.backend {
                Backend::Namespace => namespace::runs(folder)?,
                Backend::Docker => container::runs(record).await?,
            };
            if seen && !runs {
                return Err(down(folder, record, "it ended").await);
            }
            // Until its first line of work is done a machine has not told its pid.
            seen = seen || runs || namespace::told(folder);
        }
    };
    tokio::select! {
        done = timeout(PATIENCE, wait) => match done {
            Ok(done) => done,
            Err(_) => Err(down(folder, record, "its sshd does not answer").await),
        },
        () = cancel.cancelled() => Err(Error::Cancelled),
    }
}

async fn down(folder: &Folder, record: &Record, what: &str) -> Error {
    let log = match record.backend {
        Backend::Namespace => folder.log_tail(),
        Backend::Docker => container::log_tail(record).await,
    };
    Error::NotUp { name: record.name.clone(), reason: format!("{what}; its log ends: {log}") }
}
