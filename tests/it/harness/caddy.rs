//! Debian's Caddy as a process, with the repository's own Caddyfile; gone with the test.

use std::{
    net::IpAddr,
    path::PathBuf,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest::Certificate;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{Client, guard::Guard, mariadb::free_port};

const START: &str = r#"
export BERTH_BIND=127.0.0.1 BERTH_HTTPS_PORT="$2" BERTH_UPSTREAM="$3" HOME="$1" XDG_DATA_HOME="$1" XDG_CONFIG_HOME="$1"
caddy run --config "$4" --adapter caddyfile >"$1/log" 2>&1 </dev/null &
caddy=$!
echo $caddy >"$1/pid"
"#;

const END: &str = r#"kill -9 $caddy; wait $caddy 2>/dev/null; rm -rf "$1""#;

/// A Caddy that listens.
#[derive(Debug)]
pub struct Caddy {
    pub port: u16,
    folder: PathBuf,
    _guard: Guard,
}

impl Caddy {
    /// Starts one before `upstream`, on a free port of 127.0.0.1, once it has made its own authority.
    pub async fn start(upstream: &str) -> Self {
        let found = Command::new("caddy").arg("version").output();
        assert!(found.is_ok(), "needs Caddy: apt-get install --no-install-recommends caddy, or ./just test");
        let folder = TempDir::with_prefix("berth-caddy-").unwrap().keep();
        let port = free_port();
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/caddy/Caddyfile");
        let guard = Guard::new(START, END, &[folder.to_str().unwrap(), &port.to_string(), upstream, file]);
        let caddy = Self { port, folder, _guard: guard };
        let end = Instant::now() + Duration::from_secs(30);
        // It listens before it has its certificate.
        while caddy.try_line().await.is_err() {
            assert!(Instant::now() < end, "Caddy does not come up:\n{}", caddy.log());
            super::tick(Duration::from_millis(20)).await;
        }
        caddy
    }

    /// Where browsers find it.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// Nobody in particular, who trusts its authority and comes from this address of this computer.
    pub fn client_from(&self, address: &str) -> Client {
        let authority = Certificate::from_pem(&std::fs::read(self.authority_file()).unwrap()).unwrap();
        let address: IpAddr = address.parse().unwrap();
        Client::with(&self.url(), |builder| builder.tls_certs_only([authority]).local_address(address))
    }

    /// Nobody in particular.
    pub fn client(&self) -> Client {
        self.client_from("127.0.0.1")
    }

    /// A line to it, for what is no request.
    pub async fn line(&self) -> TlsStream<TcpStream> {
        self.try_line().await.unwrap()
    }

    async fn try_line(&self) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_file(self.authority_file()).map_err(std::io::Error::other)?;
        roots.add(authority).map_err(std::io::Error::other)?;
        // Once for the process; a second time it is there already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let socket = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let name = ServerName::try_from("localhost").map_err(std::io::Error::other)?;
        TlsConnector::from(Arc::new(config)).connect(name, socket).await
    }

    /// All that it wrote.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// The sockets on which it listens, as the kernel has them: `address:port`.
    pub fn listens(&self) -> Vec<String> {
        let said = Command::new("ss").args(["-Hltnp"]).output().unwrap();
        let text = String::from_utf8(said.stdout).unwrap();
        let pid = std::fs::read_to_string(self.folder.join("pid")).unwrap();
        let mine = format!("pid={},", pid.trim());
        let lines = text.lines().filter(|line| line.contains(&mine));
        lines.filter_map(|line| line.split_whitespace().nth(3)).map(str::to_owned).collect()
    }

    fn authority_file(&self) -> PathBuf {
        self.folder.join("caddy/pki/authorities/local/root.crt")
    }
}
