//! What is between people and Berth: ports, proxies, the address that people type.

use std::{net::SocketAddr, time::Duration};

use serde_json::Value;

use super::{Finding, within};
use crate::config::Config;

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether each address that Berth listens on is free, or Berth's already.
pub(super) async fn ports(config: &Config) -> Vec<Finding> {
    let all = [
        ("BERTH_LISTEN", Some(config.listen), "/api/about"),
        ("BERTH_METRICS_LISTEN", config.metrics_listen, "/metrics"),
        ("BERTH_SCHEDULER_METRICS_LISTEN", config.scheduler_metrics_listen, "/metrics"),
    ];
    let looks = all
        .into_iter()
        .filter_map(|(setting, address, path)| Some(within("ports", PATIENCE * 2, port(setting, address?, path))));
    let mut findings: Vec<Finding> = futures_util::future::join_all(looks).await.concat();
    for (setting, address, _) in &all[1..] {
        if let Some(address) = address
            && !address.ip().is_loopback()
        {
            let said = format!("{setting} is {address}: whoever reaches it reads the metrics, unasked");
            findings.push(Finding::warning("ports", said, "bind it to loopback, or let only Prometheus reach it"));
        }
    }
    findings
}

async fn port(setting: &str, address: SocketAddr, path: &str) -> Vec<Finding> {
    let taken = match tokio::net::TcpListener::bind(address).await {
        Ok(_) => return vec![Finding::ok("ports", format!("{address} ({setting}) is free"))],
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => error,
        Err(error) => {
            let fix = format!("give {setting} an address of this machine, and a port from 1024 up");
            return vec![Finding::error("ports", format!("cannot listen on {address} ({setting}): {error}"), fix)];
        }
    };
    let mut near = address;
    if address.ip().is_unspecified() {
        near.set_ip(if address.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
    }
    let ours = match get(&format!("http://{near}{path}")).await {
        Ok(text) if path == "/metrics" => text.contains("berth_build_info"),
        Ok(text) => about(&text).is_some(),
        Err(_) => false,
    };
    vec![if ours {
        Finding::ok("ports", format!("Berth answers on {address} ({setting})"))
    } else {
        let fix = format!("end the other program (`ss -ltnp` names it), or give {setting} another port");
        Finding::error("ports", format!("{address} ({setting}) belongs to another program: {taken}"), fix)
    }]
}

/// The version, when this is what Berth says of itself.
fn about(text: &str) -> Option<String> {
    let said: Value = serde_json::from_str(text).ok()?;
    (said["name"] == "Berth").then(|| said["version"].as_str().unwrap_or_default().to_owned())
}

/// Whether addresses of clients are believed where they should be, and people reach this very program.
pub(super) async fn proxies(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    let check = "proxies";
    let open: Vec<String> =
        config.trusted_proxies.iter().filter(|net| net.prefix_len() == 0).map(ToString::to_string).collect();
    if !open.is_empty() {
        let said = format!("{} is trusted: anybody can name the address he comes from", open.join(" and "));
        findings.push(Finding::error(
            check,
            said,
            "name the proxy's own network in BERTH_TRUSTED_PROXIES, as 10.0.3.0/24",
        ));
    }
    if config.trusted_proxies.is_empty() && config.public_url.starts_with("https://") {
        let said =
            "people come through a proxy, and none is trusted: all of them have its address in limits, log and audit";
        findings.push(Finding::warning(check, said, "name its network in BERTH_TRUSTED_PROXIES, as 127.0.0.1/32"));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(check, format!("{} networks are trusted", config.trusted_proxies.len())));
    }
    if !config.public_url.is_empty() {
        findings.extend(within("public_url", PATIENCE * 2, public_url(&config.public_url)).await);
    }
    findings
}

async fn public_url(url: &str) -> Vec<Finding> {
    let check = "public_url";
    let way = "check name, certificate and proxy: it must pass all below `/api` on with its path";
    vec![match get(&format!("{url}/api/about")).await {
        // From inside, the outside may not be in reach.
        Err(error) => Finding::warning(check, format!("`{url}` does not answer from here: {error}"), way),
        Ok(text) => match about(&text) {
            Some(version) if version == env!("CARGO_PKG_VERSION") => {
                Finding::ok(check, format!("Berth {version} answers at `{url}`"))
            }
            Some(version) => {
                let said = format!("Berth {version} answers at `{url}`, and this is {}", env!("CARGO_PKG_VERSION"));
                Finding::warning(check, said, "bring all programs to one version")
            }
            None => Finding::error(check, format!("what answers at `{url}/api/about` is not Berth"), way),
        },
    }]
}

async fn get(url: &str) -> Result<String, String> {
    // Once for the process; a second time it is there already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none());
    let client = client.build().map_err(|error| error.to_string())?;
    let say = |error: reqwest::Error| {
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(inner) = cause {
            text = inner.to_string();
            cause = inner.source();
        }
        text
    };
    let answer = client.get(url).send().await.map_err(say)?;
    if !answer.status().is_success() {
        return Err(format!("it says {}", answer.status()));
    }
    answer.text().await.map_err(say)
}
