//! A real Prometheus on a free port, gone with the test.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Client, mariadb::free_port, tick, until};

pub const MISSING: &str = "needs Prometheus: apt-get install --no-install-recommends prometheus, or ./just test";

/// It scrapes and judges every few seconds, with the repository's rules made impatient.
pub struct Prometheus {
    client: Client,
    child: Child,
    _folder: TempDir,
}

/// The rules with short waits and short windows: what fires is the same, only sooner.
fn impatient(rules: &str) -> String {
    let lines = rules.lines().map(|line| match line.trim_start().strip_prefix("for: ") {
        Some(_) => format!("{}for: 1s", &line[..line.len() - line.trim_start().len()]),
        None => line.replace("[5m]", "[20s]").replace("[15m]", "[30s]"),
    });
    lines.collect::<Vec<_>>().join("\n")
}

impl Prometheus {
    /// Starts one that scrapes these addresses: by job, the ports.
    pub async fn start(jobs: &[(&str, Vec<u16>)]) -> Self {
        let folder = TempDir::with_prefix("berth-prometheus-").unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("alerts.yml"), impatient(&super::read("monitoring/alerts.yml"))).unwrap();
        let mut settings = String::from(
            "global: { scrape_interval: 2s, scrape_timeout: 2s, evaluation_interval: 1s }\nrule_files: [alerts.yml]\nscrape_configs:\n",
        );
        for (job, ports) in jobs {
            let targets: Vec<String> = ports.iter().map(|port| format!("\"127.0.0.1:{port}\"")).collect();
            let targets = targets.join(", ");
            let _ = writeln!(settings, "  - job_name: {job}\n    static_configs: [{{ targets: [{targets}] }}]");
        }
        fs::write(at("prometheus.yml"), settings).unwrap();
        let port = free_port();
        let log = fs::File::create(at("log")).unwrap();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", at("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", at("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect(MISSING);
        let prometheus = Self { client: Client::new(&format!("http://127.0.0.1:{port}")), child, _folder: folder };
        let ready = prometheus.client.request(reqwest::Method::GET, "/-/ready");
        until("Prometheus", async || {
            let answer = ready.try_clone().unwrap().send().await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
        // What happens before the first look at a counter is no change of it.
        let targets: usize = jobs.iter().map(|(_, ports)| ports.len()).sum();
        until("a look at every target", async || {
            let seen = prometheus.query("berth_build_info").await;
            (seen.len() == targets).then_some(())
        })
        .await;
        prometheus
    }

    /// What an expression comes to now.
    async fn query(&self, text: &str) -> Vec<Value> {
        let request = self.client.request(reqwest::Method::GET, "/api/v1/query").query(&[("query", text)]);
        let answer = self.client.send(request).await.expect(200);
        answer["data"]["result"].as_array().unwrap().clone()
    }

    /// The alerts that fire now, each with its summary.
    pub async fn firing(&self) -> BTreeMap<String, String> {
        let answer = self.client.get("/api/v1/alerts").await.expect(200);
        let alerts = answer["data"]["alerts"].as_array().unwrap();
        let text = |alert: &Value, pointer: &str| alert.pointer(pointer).unwrap().as_str().unwrap().to_owned();
        let firing = alerts.iter().filter(|alert| alert["state"] == "firing");
        firing.map(|alert| (text(alert, "/labels/alertname"), text(alert, "/annotations/summary"))).collect()
    }

    /// Waits until all of these fire, not necessarily at once.
    pub async fn fires(&self, wanted: &[&str]) {
        let mut missing: BTreeSet<&str> = wanted.iter().copied().collect();
        let end = Instant::now() + Duration::from_mins(2);
        while !missing.is_empty() {
            assert!(Instant::now() < end, "{missing:?} do not fire; {:?} do", self.firing().await);
            tick(Duration::from_millis(250)).await;
            let firing = self.firing().await;
            missing.retain(|name| !firing.contains_key(*name));
        }
    }

    /// The names of all alerts that have fired since the start.
    pub async fn fired(&self) -> BTreeSet<String> {
        let found = self.query("count by (alertname) (max_over_time(ALERTS{alertstate=\"firing\"}[1h]))").await;
        found.iter().map(|series| series["metric"]["alertname"].as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
