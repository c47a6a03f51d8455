//! Settings: defaults, then a TOML file, then the environment; and what is wrong with them.
//!
//! Reading gathers every fault before it gives up, so that one start shows all there is to mend.
//! `Debug` shows no secret. Nothing here writes a file except [`Config::ensure_secrets`].

mod check;
mod keys;
mod pools;
mod read;
mod settings;
#[cfg(test)]
mod tests;

pub use check::check;
pub use keys::KeyFiles;
pub use pools::Pool;
pub use read::Env;
pub use settings::example;

use crate::remote::Secret;
use ipnet::IpNet;
use read::Reader;
use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

/// All settings, typed.
#[derive(Debug, Clone)]
pub struct Config {
    /// Development, or production with its stricter rules.
    pub env: Environment,
    /// Where the API answers.
    pub listen: SocketAddr,
    /// Where `/metrics` answers.
    pub metrics_listen: Option<SocketAddr>,
    /// Where `/metrics` of `berth-scheduler` answers.
    pub scheduler_metrics_listen: Option<SocketAddr>,
    /// Keys and the embedded database.
    pub data_dir: PathBuf,
    /// What people type into the browser, without a slash at the end; empty when not set.
    pub public_url: String,
    /// Base64 of the 32 bytes that encrypt credentials at rest. Set after [`Config::ensure_secrets`].
    pub secret_key: Option<Secret>,
    /// Keys of before, which still open what they sealed.
    pub secret_key_previous: Option<Secret>,
    /// Which keys came from files.
    pub key_files: KeyFiles,
    /// Networks whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Who may make an account.
    pub registration: Registration,
    /// How machines are reached.
    pub remote: Remote,
    /// Folder of playbooks that replace the embedded ones.
    pub playbooks: Option<PathBuf>,
    /// The database.
    pub database: Database,
    /// Sign-in.
    pub auth: Auth,
    /// Logs.
    pub log: Log,
    /// Where traces go, if anywhere.
    pub otlp_endpoint: Option<String>,
    /// Whether `localhost` in inventories becomes the gateway's name.
    pub rewrite_localhost: bool,
    /// The gateway's name.
    pub docker_host_gateway_name: String,
    /// Which addresses machines may have.
    pub machines: Machines,
    /// Limits of reservations.
    pub reservations: Reservations,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// The job runner.
    pub jobs: Jobs,
    /// Cron lines of the scheduler.
    pub schedule: Schedule,
    /// Limits per client address.
    pub limits: Limits,
    /// Rules by pool name.
    pub pools: BTreeMap<String, Pool>,
    /// What was odd but not wrong while reading; shown by [`check`].
    pub warnings: Vec<Fault>,
    /// The file that was read, if any.
    pub file: Option<PathBuf>,
}

/// Development or production.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// Defaults may be weak, cookies need no TLS.
    Development,
    /// Weak secrets are refused.
    Production,
}

/// Who may make an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    /// Anybody, at once.
    Open,
    /// Anybody, once an admin confirms.
    Approval,
    /// Admins only.
    Closed,
}

/// How machines are reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remote {
    /// Over OpenSSH.
    Ssh,
    /// Not at all: every step answers at once.
    Fake,
}

/// The database.
#[derive(Debug, Clone)]
pub struct Database {
    /// URL that sqlx understands; may hold a password.
    pub url: Secret,
    /// How often connecting is tried at start.
    pub max_retries: u32,
    /// Pause between two tries.
    pub retry: Duration,
}

/// Sign-in.
#[derive(Debug, Clone)]
pub struct Auth {
    /// Signs access tokens. Set after [`Config::ensure_secrets`].
    pub jwt_secret: Option<Secret>,
    /// The secret of before, whose tokens still count.
    pub jwt_secret_previous: Option<Secret>,
    /// Life of an access token.
    pub jwt_expires: Duration,
    /// Life of a session that is not used.
    pub session: Duration,
    /// Life of a session however much it is used.
    pub session_longest: Duration,
    /// The admin made on first start.
    pub admin_username: String,
    /// Its password.
    pub admin_password: Secret,
}

/// Logs.
#[derive(Debug, Clone)]
pub struct Log {
    /// Filter directives.
    pub level: String,
    /// How a line looks.
    pub format: LogFormat,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

impl From<LogFormat> for crate::telemetry::Lines {
    fn from(format: LogFormat) -> Self {
        match format {
            LogFormat::Text => Self::Text,
            LogFormat::Json => Self::Json,
        }
    }
}

/// Which addresses machines may have.
#[derive(Debug, Clone, Default)]
pub struct Machines {
    /// Only these; empty: all but those that are never a machine's.
    pub allow: Vec<IpNet>,
    /// Never these.
    pub deny: Vec<IpNet>,
}

/// Limits of reservations where the pool states none.
#[derive(Debug, Clone)]
pub struct Reservations {
    /// Most machines in one.
    pub max_count: u32,
    /// Longest, extensions included.
    pub max_minutes: u32,
    /// The pool when none is named.
    pub default_pool: String,
}

/// How long things may take.
#[derive(Debug, Clone)]
pub struct Timeouts {
    /// Reaching a machine.
    pub connect: Duration,
    /// One provisioning run.
    pub provision: Duration,
    /// One cleaning run.
    pub clean: Duration,
    /// One HTTP request that does not wait for machines.
    pub request: Duration,
}

/// The job runner.
#[derive(Debug, Clone)]
pub struct Jobs {
    /// How long a worker owns a job without renewing.
    pub claim_seconds: u64,
    /// Jobs at once in one process.
    pub workers: usize,
}

impl Jobs {
    /// How long a worker owns a job without renewing.
    pub fn claim(&self) -> Duration {
        Duration::from_secs(self.claim_seconds)
    }
}

/// Cron lines with seconds, UTC.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// End what is over.
    pub expire: String,
    /// Try again to clean.
    pub clean_retry: String,
    /// Probe machines.
    pub health: String,
    /// Tell owners that the end is near.
    pub remind: String,
    /// Delete what is old.
    pub prune: String,
}

/// Limits per client address; 0 per unit of time means none.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Requests, sustained.
    pub requests_per_second: u32,
    /// Requests at once.
    pub requests_burst: u32,
    /// Sign-ins, sustained.
    pub logins_per_minute: u32,
    /// Sign-ins at once.
    pub logins_burst: u32,
}

/// Something wrong with the settings, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The setting, by its path in the file or its environment variable.
    pub setting: String,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub fix: String,
    /// Whether Berth refuses to start.
    pub severity: Severity,
}

/// Whether Berth refuses to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// It does.
    Error,
    /// It says so and starts.
    Warning,
}

/// Every fault found while reading.
#[derive(Debug, Clone, thiserror::Error)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, fault) in self.0.iter().enumerate() {
            let end = if number + 1 < self.0.len() { "\n" } else { "" };
            write!(f, "{fault}{end}")?;
        }
        Ok(())
    }
}

impl Fault {
    pub(crate) fn error(setting: &str, problem: impl fmt::Display, fix: impl fmt::Display) -> Self {
        let (problem, fix) = (problem.to_string(), fix.to_string());
        Self { setting: setting.into(), problem, fix, severity: Severity::Error }
    }

    pub(crate) fn warning(setting: &str, problem: impl fmt::Display, fix: impl fmt::Display) -> Self {
        Self { severity: Severity::Warning, ..Self::error(setting, problem, fix) }
    }

    /// Whether Berth refuses to start because of it.
    pub fn is_fatal(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.is_fatal() { "error" } else { "warning" };
        write!(f, "{word}: `{}`: {}; {}", self.setting, self.problem, self.fix)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::from_parts("", "the defaults", None, &Env::new()).expect("the defaults are valid")
    }
}

impl Config {
    /// Reads the file that `BERTH_CONFIG` names, or ./berth.toml, or /etc/berth/berth.toml, and the environment.
    pub fn load() -> Result<Self, Faults> {
        let env: Env = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let named = env.get("BERTH_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from);
        let found = ["berth.toml", "/etc/berth/berth.toml"].map(PathBuf::from).into_iter().find(|path| path.exists());
        match named.or(found) {
            Some(path) => Self::load_from(&path, &env),
            None => Self::from_parts("", "", None, &env),
        }
    }

    /// Reads this file and this environment.
    pub fn load_from(path: &Path, env: &Env) -> Result<Self, Faults> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| {
            let fix = "correct BERTH_CONFIG, or make the file readable for Berth's user";
            Faults(vec![Fault::error("BERTH_CONFIG", format!("cannot read `{name}`: {error}"), fix)])
        })?;
        Self::from_parts(&text, &name, Some(path.to_owned()), env)
    }

    fn from_parts(text: &str, name: &str, file: Option<PathBuf>, env: &Env) -> Result<Self, Faults> {
        let table = toml::from_str(text).map_err(|error: toml::de::Error| {
            let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
            // `message` alone: the full text would quote the line, which may hold a secret.
            let problem = format!("line {line}: {}", error.message());
            Faults(vec![Fault::error(name, problem, "correct the TOML; `berth config example` shows the form")])
        })?;
        let mut r = Reader::new(table, name, env);
        let config = Self::build(&mut r, file);
        let (fatal, warnings): (Vec<_>, Vec<_>) = r.faults.into_iter().partition(Fault::is_fatal);
        if !fatal.is_empty() {
            return Err(Faults(fatal.into_iter().chain(warnings).collect()));
        }
        Ok(Self { warnings, ..config })
    }

    fn build(r: &mut Reader, file: Option<PathBuf>) -> Self {
        let env = r.parsed("env", Environment::Development, "write development or production");
        let data_dir = match (r.is_set("data_dir"), env) {
            (true, _) => PathBuf::from(r.text("data_dir")),
            (false, Environment::Development) => PathBuf::from(".local"),
            (false, Environment::Production) => PathBuf::from("/var/lib/berth"),
        };
        let admin_password =
            if r.is_set("auth.admin_password") { r.text("auth.admin_password") } else { DEFAULT_PASSWORD.into() };
        let address = "write it as 127.0.0.1:8080";
        let metrics = optional_address(r, "metrics_listen", 9464);
        let scheduler_metrics = optional_address(r, "scheduler_metrics_listen", 9465);
        let trusted_proxies = pools::networks(r, "trusted_proxies");
        Self {
            env,
            listen: r.parsed("listen", SocketAddr::from(([127, 0, 0, 1], 8080)), address),
            metrics_listen: metrics,
            scheduler_metrics_listen: scheduler_metrics,
            public_url: r.text("public_url").trim_end_matches('/').to_owned(),
            secret_key: r.is_set("secret_key").then(|| Secret(r.text("secret_key").trim().to_owned())),
            secret_key_previous: r.is_set("secret_key_previous").then(|| Secret(r.text("secret_key_previous"))),
            key_files: KeyFiles::default(),
            trusted_proxies,
            registration: r.parsed("registration", Registration::Closed, "write open, approval or closed"),
            remote: r.parsed("remote", Remote::Ssh, "write ssh or fake"),
            playbooks: r.is_set("playbooks").then(|| PathBuf::from(r.text("playbooks"))),
            database: Database {
                url: Secret(pools::database_url(r, &data_dir)),
                max_retries: r.number("database.max_retries", 0, 100_000),
                retry: seconds(r.number("database.retry_seconds", 0, 3600)),
            },
            auth: Auth {
                jwt_secret: r.is_set("auth.jwt_secret").then(|| Secret(r.text("auth.jwt_secret"))),
                jwt_secret_previous: r
                    .is_set("auth.jwt_secret_previous")
                    .then(|| Secret(r.text("auth.jwt_secret_previous"))),
                jwt_expires: minutes(r.number("auth.jwt_expires_minutes", 1, 44_640)),
                session: minutes(r.number("auth.session_days", 1, 3650) * 1440),
                session_longest: minutes(r.number("auth.session_longest_days", 1, 3650) * 1440),
                admin_username: r.text("auth.admin_username"),
                admin_password: Secret(admin_password),
            },
            log: Log {
                level: r.text("log.level"),
                format: r.parsed("log.format", LogFormat::Text, "write text or json"),
            },
            otlp_endpoint: r.is_set("telemetry.otlp_endpoint").then(|| r.text("telemetry.otlp_endpoint")),
            rewrite_localhost: r.flag("inventory.rewrite_localhost"),
            docker_host_gateway_name: r.text("inventory.docker_host_gateway_name"),
            machines: Machines {
                allow: pools::networks(r, "machines.allow_addresses"),
                deny: pools::networks(r, "machines.deny_addresses"),
            },
            reservations: Reservations {
                max_count: r.number("reservations.max_count", 1, 10_000),
                max_minutes: r.number("reservations.max_minutes", 1, 5_256_000),
                default_pool: r.text("reservations.default_pool"),
            },
            timeouts: Timeouts {
                connect: seconds(r.number("timeouts.connect_seconds", 1, 600)),
                provision: seconds(r.number("timeouts.provision_seconds", 1, 86_400)),
                clean: seconds(r.number("timeouts.clean_seconds", 1, 86_400)),
                request: seconds(r.number("timeouts.request_seconds", 1, 3600)),
            },
            jobs: Jobs {
                claim_seconds: u64::from(r.number("jobs.claim_seconds", 1, 3600)),
                workers: usize::from(u16::try_from(r.number("jobs.workers", 1, 1000)).unwrap_or(1)),
            },
            schedule: Schedule {
                expire: pools::cron(r, "schedule.expire"),
                clean_retry: pools::cron(r, "schedule.clean_retry"),
                health: pools::cron(r, "schedule.health"),
                remind: pools::cron(r, "schedule.remind"),
                prune: pools::cron(r, "schedule.prune"),
            },
            limits: Limits {
                requests_per_second: r.number("limits.requests_per_second", 0, 1_000_000),
                requests_burst: r.number("limits.requests_burst", 1, 1_000_000),
                logins_per_minute: r.number("limits.logins_per_minute", 0, 1_000_000),
                logins_burst: r.number("limits.logins_burst", 1, 1_000_000),
            },
            pools: pools::read(r),
            warnings: Vec::new(),
            file,
            data_dir,
        }
    }

    /// Whether the stricter rules hold.
    pub fn is_production(&self) -> bool {
        self.env == Environment::Production
    }
}

/// The admin's password when nobody set one; refused in production.
pub const DEFAULT_PASSWORD: &str = "change-me";

fn seconds(count: u32) -> Duration {
    Duration::from_secs(u64::from(count))
}

/// Where something answers; none when it is empty.
fn optional_address(r: &mut Reader, path: &'static str, port: u16) -> Option<SocketAddr> {
    if r.text(path).is_empty() {
        return None;
    }
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    Some(r.parsed(path, address, &format!("write it as {address}, or leave it empty")))
}

fn minutes(count: u32) -> Duration {
    Duration::from_secs(u64::from(count) * 60)
}

macro_rules! words {
    ($type:ty, $($word:literal => $variant:ident),+) => {
        impl std::str::FromStr for $type {
            type Err = ();
            fn from_str(text: &str) -> Result<Self, ()> {
                match text.trim().to_lowercase().as_str() {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(()),
                }
            }
        }
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$variant => $word,)+ })
            }
        }
    };
}

words!(Environment, "development" => Development, "production" => Production);
words!(Registration, "open" => Open, "approval" => Approval, "closed" => Closed);
words!(Remote, "ssh" => Ssh, "fake" => Fake);
words!(LogFormat, "text" => Text, "json" => Json);
