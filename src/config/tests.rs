use super::*;

fn env(pairs: &[(&str, &str)]) -> Env {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn load(text: &str, pairs: &[(&str, &str)]) -> Result<Config, Faults> {
    Config::from_parts(text, "berth.toml", None, &env(pairs))
}

fn fatal(config: &Config) -> Vec<String> {
    check(config).into_iter().filter(Fault::is_fatal).map(|fault| fault.setting).collect()
}

const GOOD_PRODUCTION: &[(&str, &str)] = &[
    ("BERTH_ENV", "production"),
    ("ADMIN_DEFAULT_PASSWORD", "a long enough one"),
    ("JWT_SECRET", "0123456789abcdef0123456789abcdef"),
    ("BERTH_SECRET_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="),
    ("BERTH_PUBLIC_URL", "https://berth.example.org/"),
    ("BERTH_DATA_DIR", "/nonexistent"),
];

#[test]
fn the_example_parses_to_the_defaults_and_names_every_setting() {
    let text = example();
    let config = load(&text, &[]).unwrap();
    assert_eq!(format!("{config:?}"), format!("{:?}", Config::default()));
    for setting in settings::SETTINGS {
        assert!(text.contains(&format!("[{}]", setting.env)), "{}", setting.env);
    }
}

#[test]
fn the_commented_samples_of_the_example_parse_too() {
    let text: Vec<String> = example()
        .lines()
        .map(|line| {
            let bare = line.strip_prefix("# ").unwrap_or(line);
            if bare.contains(" = ") || bare.starts_with('[') { bare.replace("NAME", "lab") } else { String::new() }
        })
        .collect();
    let config = load(&text.join("\n"), &[]).unwrap();
    assert_eq!(config.pools["lab"].max_count, Some(4));
    assert_eq!(config.public_url, "https://berth.example.org");
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_defaults() {
    let file = "listen = \"127.0.0.1:1\"\n[auth]\njwt_expires_minutes = 5\n";
    let config =
        load(file, &[("BERTH_LISTEN", "127.0.0.1:2"), ("BERTH_METRICS_LISTEN", ""), ("LOG_LEVEL", "")]).unwrap();
    assert_eq!(config.listen.port(), 2);
    assert_eq!(config.auth.jwt_expires, Duration::from_mins(5));
    assert_eq!(config.metrics_listen, None);
    assert_eq!(config.log.level, "info", "an empty variable counts as unset");
}

#[test]
fn every_fault_is_named_at_once_with_its_nearest_name() {
    let file =
        "lisen = \"x\"\nenv = \"staging\"\n[jobs]\nworkers = 0\n[pools.lab]\nmax_cuont = 3\nroles = [\"king\"]\n";
    let faults = load(file, &[("DB_CONNECT_MAX_RETRIES", "often"), ("BERTH_SCHEDULE_PRUNE", "daily")]).unwrap_err();
    let text = faults.to_string();
    for part in [
        "`listen`",
        "staging",
        "jobs.workers",
        "did you mean `max_count`",
        "pools.lab.roles",
        "database.max_retries",
        "daily",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn an_unknown_berth_variable_is_a_warning_with_the_nearest_name() {
    let config = load("", &[("BERTH_LISTNE", "x"), ("OTHER", "x"), ("BERTH_SECRET_KEY_FILE", "")]).unwrap();
    assert_eq!(config.warnings.len(), 1);
    assert!(config.warnings[0].to_string().contains("BERTH_LISTEN"), "{:?}", config.warnings);
    assert!(!config.warnings[0].is_fatal());
}

#[test]
fn database_addresses_of_other_tools_are_understood() {
    let url = |text: &str| load("", &[("DATABASE_URL", text)]).map(|config| config.database.url.0);
    assert_eq!(url("mysql+pymysql://u:p@h:3306/d").unwrap(), "mysql://u:p@h:3306/d");
    assert_eq!(url("sqlite:x.db").unwrap(), "sqlite:x.db");
    let refused = url("postgres://u:hunter2@h/d").unwrap_err().to_string();
    assert!(refused.contains("postgres") && !refused.contains("hunter2"), "{refused}");
}

#[test]
fn production_names_each_weak_secret() {
    assert_eq!(fatal(&load("", GOOD_PRODUCTION).unwrap()), Vec::<String>::new());
    let bare =
        load("", &[("BERTH_ENV", "production"), ("BERTH_DATA_DIR", "/nonexistent"), ("BERTH_REMOTE", "fake")]).unwrap();
    assert_eq!(fatal(&bare), ["ADMIN_DEFAULT_PASSWORD", "JWT_SECRET", "BERTH_SECRET_KEY", "BERTH_REMOTE"]);
    for (name, value) in [
        ("ADMIN_DEFAULT_PASSWORD", "change-me"),
        ("ADMIN_DEFAULT_PASSWORD", "short"),
        ("JWT_SECRET", "short"),
        ("JWT_SECRET", "change-me-change-me-change-me-change-me"),
        ("BERTH_SECRET_KEY", "QUJD"),
        ("BERTH_PUBLIC_URL", "http://berth.example.org"),
    ] {
        let mut pairs = GOOD_PRODUCTION.to_vec();
        pairs.push((name, value));
        assert_eq!(fatal(&load("", &pairs).unwrap()), [name], "{value}");
    }
}

#[test]
fn development_accepts_the_defaults() {
    assert_eq!(fatal(&Config::default()), Vec::<String>::new());
}

#[test]
fn debug_shows_no_secret() {
    let mut pairs = GOOD_PRODUCTION.to_vec();
    pairs.push(("DATABASE_URL", "mysql://berth:hunter2@db/berth"));
    let shown = format!("{:?}", load("", &pairs).unwrap());
    for secret in ["hunter2", "a long enough one", "0123456789abcdef", "AAECAwQF"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn a_secret_may_come_from_a_file_but_not_from_two_places() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwt");
    std::fs::write(&path, "from the file\n").unwrap();
    let path = path.to_str().unwrap();
    let config = load("", &[("JWT_SECRET_FILE", path)]).unwrap();
    assert_eq!(config.auth.jwt_secret, Some(Secret("from the file".into())));
    assert!(load("", &[("JWT_SECRET_FILE", path), ("JWT_SECRET", "x")]).is_err());
    assert!(load("", &[("JWT_SECRET_FILE", "/nonexistent")]).is_err());
}

#[test]
fn a_broken_file_is_refused_without_quoting_it() {
    let faults = load("a = 1\n[auth]\njwt_secret = \"hunter2\n", &[]).unwrap_err().to_string();
    assert!(faults.contains("line 3") && !faults.contains("hunter2"), "{faults}");
}

#[test]
fn keys_are_made_once_and_only_the_owner_reads_them() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let pairs = [("BERTH_DATA_DIR", data.to_str().unwrap())];
    let (mut first, mut second) = (load("", &pairs).unwrap(), load("", &pairs).unwrap());
    first.ensure_secrets().unwrap();
    second.ensure_secrets().unwrap();
    assert!(first.sealer().is_some());
    assert_eq!(first.secret_key, second.secret_key);
    assert_eq!(first.auth.jwt_secret, second.auth.jwt_secret);
    assert_ne!(first.secret_key, first.auth.jwt_secret);
    let mode = std::fs::metadata(first.secret_key_file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(&data).unwrap().count(), 2);
}
