//! `berth health`: one look at the server or the scheduler of this computer, for whoever starts it anew.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context, Result};
use clap::ValueEnum;

use super::fault::{FAILED, Fault};
use super::terminal::say;
use crate::{
    clock::Clock,
    config::Config,
    db::{self, Db},
    jobs::heartbeat,
};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Tell by the exit code whether the server or the scheduler of this computer is well
#[derive(Debug, clap::Args)]
#[command(
    after_help = "For health checks of containers and services: asks the server where BERTH_LISTEN says, or looks into the \
database for a sign of a scheduler in the last 30 seconds. Says nothing when all is well; else says why and ends with 1.\n\n\
Examples:\n  berth health\n  berth health scheduler"
)]
pub struct Args {
    /// Of which of the two
    #[arg(value_enum, default_value_t = Part::Server)]
    part: Part,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Part {
    Server,
    Scheduler,
}

/// Runs `berth health`.
pub async fn run(args: &Args) -> Result<()> {
    let config = Config::load().map_err(|faults| {
        say(&faults.to_string());
        Fault::Said(FAILED)
    })?;
    match args.part {
        Part::Server => server(config.listen).await,
        Part::Scheduler => scheduler(&config).await,
    }
}

async fn server(listen: SocketAddr) -> Result<()> {
    let url = format!("http://{}/api/readyz", reachable(listen));
    // Fails only when the process already has a provider, which then serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().context("cannot ask the server")?;
    let answer = client.get(&url).send().await.with_context(|| format!("the server does not answer at {url}"))?;
    if answer.status().is_success() {
        return Ok(());
    }
    let text = answer.text().await.unwrap_or_default();
    anyhow::bail!("the server is not well: {text}")
}

/// A server that listens everywhere is asked on this computer.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

async fn scheduler(config: &Config) -> Result<()> {
    let url = config.database.url.0.clone();
    let settings = db::Settings { url, retries: 0, retry_every: PATIENCE, max_connections: 1 };
    let look = async {
        let db = Db::connect(&settings, Clock::default()).await.context("cannot reach the database")?;
        anyhow::Ok(heartbeat::alive_as(&db, "scheduler").await?)
    };
    let alive = tokio::time::timeout(PATIENCE, look).await.context("the database does not answer")??;
    anyhow::ensure!(0 < alive, "no scheduler gave a sign in the last 30 seconds");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::reachable;

    #[test]
    fn a_server_that_listens_everywhere_is_asked_on_this_computer() {
        for (listen, asked) in [
            ("0.0.0.0:8080", "127.0.0.1:8080"),
            ("[::]:80", "[::1]:80"),
            ("192.0.2.7:8080", "192.0.2.7:8080"),
            ("127.0.0.1:1", "127.0.0.1:1"),
        ] {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), asked);
        }
    }
}
