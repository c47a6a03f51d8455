//! The table of all settings: path in the TOML file, environment variable, default, and what it is for.
//!
//! Reading, the printed example and the search for the nearest name all come from this one table.

use std::fmt::Write;

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Dotted path in the file.
    pub path: &'static str,
    /// Environment variable.
    pub env: &'static str,
    /// Default as a TOML literal; `None` when there is none to print.
    pub default: Option<&'static str>,
    /// Shown in the example when there is no default.
    pub sample: &'static str,
    /// Never printed; `<env>_FILE` names a file that holds it.
    pub secret: bool,
    /// One line for the reader of the example.
    pub doc: &'static str,
}

const fn plain(path: &'static str, env: &'static str, default: &'static str, doc: &'static str) -> Setting {
    Setting { path, env, default: Some(default), sample: "", secret: false, doc }
}

const fn unset(path: &'static str, env: &'static str, sample: &'static str, doc: &'static str) -> Setting {
    Setting { path, env, default: None, sample, secret: false, doc }
}

const fn secret(path: &'static str, env: &'static str, sample: &'static str, doc: &'static str) -> Setting {
    Setting { path, env, default: None, sample, secret: true, doc }
}

/// All settings, in the order of the example.
pub const SETTINGS: &[Setting] = &[
    plain("env", "BERTH_ENV", "\"development\"", "development or production; production refuses weak secrets"),
    plain("listen", "BERTH_LISTEN", "\"127.0.0.1:8080\"", "where the API answers"),
    plain("metrics_listen", "BERTH_METRICS_LISTEN", "\"127.0.0.1:9464\"", "where /metrics answers; empty turns it off"),
    plain(
        "scheduler_metrics_listen",
        "BERTH_SCHEDULER_METRICS_LISTEN",
        "\"127.0.0.1:9465\"",
        "where /metrics of berth-scheduler answers; empty turns it off",
    ),
    unset(
        "data_dir",
        "BERTH_DATA_DIR",
        "\".local\"",
        "keys and the embedded database; .local, or /var/lib/berth in production",
    ),
    unset(
        "public_url",
        "BERTH_PUBLIC_URL",
        "\"https://berth.example.org\"",
        "what people type into the browser; links in messages begin with it",
    ),
    secret(
        "secret_key",
        "BERTH_SECRET_KEY",
        "\"(base64 of 32 bytes)\"",
        "encrypts credentials at rest; unset: the file secret.key in data_dir, made on first start",
    ),
    secret(
        "secret_key_previous",
        "BERTH_SECRET_KEY_PREVIOUS",
        "\"(base64 of 32 bytes)\"",
        "keys of before, which still open what they encrypted; see `berth keys rotate`",
    ),
    plain(
        "trusted_proxies",
        "BERTH_TRUSTED_PROXIES",
        "[]",
        "networks whose X-Forwarded-For is believed, as [\"127.0.0.1/32\"]",
    ),
    plain(
        "registration",
        "BERTH_REGISTRATION",
        "\"closed\"",
        "who may make an account: open, approval (an admin confirms) or closed",
    ),
    plain("remote", "BERTH_REMOTE", "\"ssh\"", "ssh, or fake for measuring without machines"),
    unset("playbooks", "BERTH_PLAYBOOKS", "\"playbooks\"", "folder of playbooks that replace the built-in ones"),
    secret(
        "database.url",
        "DATABASE_URL",
        "\"sqlite:.local/berth.db\"",
        "sqlite:FILE or mysql://user:password@host/name; unset: berth.db in data_dir",
    ),
    plain("database.max_retries", "DB_CONNECT_MAX_RETRIES", "30", "how often connecting is tried at start"),
    plain("database.retry_seconds", "DB_CONNECT_RETRY_SECONDS", "2", "pause between two tries"),
    secret(
        "auth.jwt_secret",
        "JWT_SECRET",
        "\"(32 bytes or more)\"",
        "signs access tokens; unset in development: the file jwt.key in data_dir",
    ),
    secret(
        "auth.jwt_secret_previous",
        "JWT_SECRET_PREVIOUS",
        "\"(32 bytes or more)\"",
        "the secret of before, whose tokens count until they expire",
    ),
    plain("auth.jwt_expires_minutes", "JWT_EXPIRES_MINUTES", "60", "life of an access token"),
    plain("auth.session_days", "BERTH_SESSION_DAYS", "14", "life of a session that is not used"),
    plain(
        "auth.session_longest_days",
        "BERTH_SESSION_LONGEST_DAYS",
        "90",
        "life of a session however much it is used; then the password is asked for again",
    ),
    plain("auth.admin_username", "ADMIN_DEFAULT_USERNAME", "\"admin\"", "the admin made on first start"),
    secret(
        "auth.admin_password",
        "ADMIN_DEFAULT_PASSWORD",
        "\"change-me\"",
        "its password; change-me unless set, refused in production",
    ),
    plain(
        "log.level",
        "LOG_LEVEL",
        "\"info\"",
        "error, warn, info, debug, trace, or directives such as berth=debug,sqlx=warn",
    ),
    plain("log.format", "BERTH_LOG_FORMAT", "\"text\"", "text or json"),
    unset(
        "telemetry.otlp_endpoint",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "\"http://127.0.0.1:4318\"",
        "where traces go, by OTLP over HTTP; unset: there are none",
    ),
    plain(
        "inventory.rewrite_localhost",
        "REWRITE_LOCALHOST",
        "false",
        "in a container: turn localhost in inventories into the gateway's name",
    ),
    plain(
        "inventory.docker_host_gateway_name",
        "DOCKER_HOST_GATEWAY_NAME",
        "\"host.docker.internal\"",
        "the gateway's name",
    ),
    plain(
        "machines.allow_addresses",
        "BERTH_MACHINES_ALLOW_ADDRESSES",
        "[]",
        "networks where machines may be, as [\"10.20.0.0/16\"]; empty: everywhere that is not refused",
    ),
    plain(
        "machines.deny_addresses",
        "BERTH_MACHINES_DENY_ADDRESSES",
        "[]",
        "networks where no machine may be; link-local, metadata and multicast ones are refused unasked",
    ),
    plain("reservations.max_count", "BERTH_RESERVATION_MAX_COUNT", "100", "most machines in one reservation"),
    plain(
        "reservations.max_minutes",
        "BERTH_RESERVATION_MAX_MINUTES",
        "20160",
        "longest reservation, extensions included",
    ),
    plain("reservations.default_pool", "BERTH_DEFAULT_POOL", "\"default\"", "the pool when none is named"),
    plain(
        "timeouts.connect_seconds",
        "BERTH_CONNECT_TIMEOUT_SECONDS",
        "15",
        "reaching a machine, host key and login together",
    ),
    plain("timeouts.provision_seconds", "BERTH_PROVISION_TIMEOUT_SECONDS", "300", "one provisioning run"),
    plain("timeouts.clean_seconds", "BERTH_CLEAN_TIMEOUT_SECONDS", "300", "one cleaning run"),
    plain(
        "timeouts.request_seconds",
        "BERTH_REQUEST_TIMEOUT_SECONDS",
        "30",
        "one HTTP request that does not wait for machines",
    ),
    plain("jobs.claim_seconds", "BERTH_JOB_CLAIM_SECONDS", "30", "how long a worker owns a job without renewing"),
    plain("jobs.workers", "BERTH_JOB_WORKERS", "32", "jobs at once in one process"),
    plain("schedule.expire", "BERTH_SCHEDULE_EXPIRE", "\"*/5 * * * * *\"", "end what is over (cron with seconds, UTC)"),
    plain(
        "schedule.clean_retry",
        "BERTH_SCHEDULE_CLEAN_RETRY",
        "\"*/10 * * * * *\"",
        "try again to clean what could not be cleaned",
    ),
    plain("schedule.health", "BERTH_SCHEDULE_HEALTH", "\"0 */5 * * * *\"", "probe machines that are ready"),
    plain("schedule.remind", "BERTH_SCHEDULE_REMIND", "\"*/15 * * * * *\"", "tell owners that the end is near"),
    plain(
        "schedule.prune",
        "BERTH_SCHEDULE_PRUNE",
        "\"0 17 3 * * *\"",
        "delete old events, sessions and keys of repeated requests",
    ),
    plain(
        "limits.requests_per_second",
        "BERTH_REQUESTS_PER_SECOND",
        "200",
        "per client address, sustained; 0 turns the limit off",
    ),
    plain("limits.requests_burst", "BERTH_REQUESTS_BURST", "1000", "per client address, at once"),
    plain(
        "limits.logins_per_minute",
        "BERTH_LOGINS_PER_MINUTE",
        "30",
        "sign-ins per client address, sustained; 0 turns the limit off",
    ),
    plain("limits.logins_burst", "BERTH_LOGINS_BURST", "30", "sign-ins per client address, at once"),
];

/// Environment variables that Berth's other programs read and the server must not call unknown.
pub const FOREIGN_ENV: &[&str] = &[
    "BERTH_CONFIG",
    "BERTH_URL",
    "BERTH_TOKEN",
    "BERTH_PROFILE",
    "BERTH_OUTPUT",
    "BERTH_SLOW_TESTS",
    "BERTH_TEST_MYSQL",
    "BERTH_TEST_DATABASE",
    "BERTH_DEMO",
    "BERTH_HOME",
];

/// The keys of one `[pools.NAME]` table, each with its line for the example.
pub const POOL_KEYS: &[(&str, &str, &str)] = &[
    ("max_count", "4", "most machines in one reservation of this pool"),
    ("max_minutes", "240", "longest reservation of this pool"),
    (
        "create_playbook",
        "\"create-users.yml\"",
        "provisions a user; a name in the playbooks folder or an absolute path",
    ),
    ("remove_playbook", "\"remove-users.yml\"", "takes the user away again"),
    ("roles", "[\"member\", \"instructor\", \"admin\"]", "who may book here; admins always may"),
];

/// The name in `known` that `wrong` was probably meant to be.
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&wrong.to_lowercase(), &name.to_lowercase()), name))
        .min()
        .filter(|(distance, name)| *distance <= (name.len() / 3).max(2))
        .map(|(_, name)| name)
}

/// The example file: every key with its line and its default.
pub fn example() -> String {
    let mut out = String::from(
        "# Berth's settings. An environment variable of the name in brackets wins over this file.\n\
         # For a secret NAME, NAME_FILE may name a file that holds it.\n",
    );
    let mut section = "";
    for setting in SETTINGS {
        let (table, key) = setting.path.rsplit_once('.').unwrap_or(("", setting.path));
        if table != section {
            section = table;
            let _ = writeln!(out, "\n[{table}]");
        }
        let _ = writeln!(out, "\n# {} [{}]", setting.doc, setting.env);
        let _ = match setting.default {
            Some(default) => writeln!(out, "{key} = {default}"),
            None => writeln!(out, "# {key} = {}", setting.sample),
        };
    }
    out.push_str("\n# Rules of one pool; all keys may be left out.\n# [pools.NAME]\n");
    for (key, sample, doc) in POOL_KEYS {
        let _ = writeln!(out, "# {doc}\n# {key} = {sample}");
    }
    out
}
