//! What is wrong with settings that are readable: rules between them, and production's.

use super::{
    Config, DEFAULT_PASSWORD, Fault, Remote,
    keys::{are_keys, are_previous},
};

/// Every fault of these settings, warnings included; Berth starts only when none is fatal.
pub fn check(config: &Config) -> Vec<Fault> {
    let mut faults = config.warnings.clone();
    let key_hint = "set it to the output of `openssl rand -base64 32`";
    if let Some(key) = &config.secret_key
        && !are_keys(&key.0)
    {
        faults.push(Fault::error("BERTH_SECRET_KEY", "is not the base64 of 32 bytes", key_hint));
    }
    if config.secret_key_previous.as_ref().is_some_and(|keys| !are_previous(&keys.0)) {
        let fix = "set it to the BERTH_SECRET_KEY of before, or unset it";
        faults.push(Fault::error("BERTH_SECRET_KEY_PREVIOUS", "holds what is not the base64 of 32 bytes", fix));
    }
    if config.metrics_listen == Some(config.listen) {
        let fix = "give them different ports, or leave BERTH_METRICS_LISTEN empty";
        faults.push(Fault::error("BERTH_METRICS_LISTEN", "is the same address as BERTH_LISTEN", fix));
    }
    if !config.public_url.is_empty()
        && !["http://", "https://"].iter().any(|start| config.public_url.starts_with(start))
    {
        let problem = format!("`{}` is not an http address", config.public_url);
        faults.push(Fault::error("BERTH_PUBLIC_URL", problem, "write it as https://berth.example.org"));
    }
    if let Some(endpoint) = &config.otlp_endpoint
        && !["http://", "https://"].iter().any(|start| endpoint.starts_with(start))
    {
        let problem = format!("`{endpoint}` is not an http address");
        let fix = "write it as http://127.0.0.1:4318; gRPC is not spoken";
        faults.push(Fault::error("OTEL_EXPORTER_OTLP_ENDPOINT", problem, fix));
    }
    if config.auth.admin_username.is_empty() {
        faults.push(Fault::error("ADMIN_DEFAULT_USERNAME", "is empty", "name the first admin"));
    }
    if let Err(error) = config.log.level.parse::<tracing_subscriber::EnvFilter>() {
        let problem = format!("`{}` is not a filter: {error}", config.log.level);
        faults.push(Fault::error("LOG_LEVEL", problem, "write error, warn, info, debug or trace"));
    }
    if let Some(folder) = &config.playbooks
        && !folder.is_dir()
    {
        let problem = format!("`{}` is not a folder", folder.display());
        faults.push(Fault::error("BERTH_PLAYBOOKS", problem, "correct it, or unset it to use the built-in playbooks"));
    }
    if config.is_production() {
        faults.extend(production(config));
    }
    faults
}

fn production(config: &Config) -> Vec<Fault> {
    let mut faults = Vec::new();
    let password = &config.auth.admin_password.0;
    if password == DEFAULT_PASSWORD {
        let fix = "set a password of 12 characters or more";
        faults.push(Fault::error("ADMIN_DEFAULT_PASSWORD", "still has the default", fix));
    } else if password.chars().count() < 12 {
        faults.push(Fault::error("ADMIN_DEFAULT_PASSWORD", "is too short", "give it 12 characters or more"));
    }
    let fix = "set it to the output of `openssl rand -base64 48`";
    match &config.auth.jwt_secret {
        None => faults.push(Fault::error("JWT_SECRET", "is missing", fix)),
        Some(secret) if secret.0.len() < 32 => {
            faults.push(Fault::error("JWT_SECRET", "is shorter than 32 bytes", fix));
        }
        Some(secret) if is_default(&secret.0) => faults.push(Fault::error("JWT_SECRET", "is a well-known text", fix)),
        Some(_) => {}
    }
    if config.secret_key.is_none() && !config.secret_key_file().exists() {
        let problem = format!("is missing, and so is `{}`", config.secret_key_file().display());
        let fix = "set it to the output of `openssl rand -base64 32`, and keep a copy: without it credentials are lost";
        faults.push(Fault::error("BERTH_SECRET_KEY", problem, fix));
    }
    if config.remote == Remote::Fake {
        faults.push(Fault::error("BERTH_REMOTE", "is `fake`", "unset it"));
    }
    if config.public_url.is_empty() {
        let fix = "set it to the https address people use; links would otherwise be relative";
        faults.push(Fault::warning("BERTH_PUBLIC_URL", "is not set", fix));
    } else if config.public_url.starts_with("http://") {
        let fix = "use https; sign-in cookies are sent over TLS only";
        faults.push(Fault::error("BERTH_PUBLIC_URL", "is not https", fix));
    }
    faults
}

/// One character repeated, or a word that people leave in place.
fn is_default(secret: &str) -> bool {
    let lower = secret.to_lowercase();
    let repeated = secret.chars().all(|c| secret.starts_with(c));
    repeated
        || ["change-me", "changeme", "change_me", "your-secret", "insecure"].iter().any(|word| lower.contains(word))
}
