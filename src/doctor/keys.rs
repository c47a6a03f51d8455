//! The keys of this installation: that they are there, whole, and for Berth's user only.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use super::Finding;
use crate::config::Config;

/// Shorter ones can be guessed.
const LEAST: usize = 32;

/// Whether the keys are there and well.
pub(super) fn examine(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    let file = config.secret_key_file();
    let (check, text) = ("keys.secret", read(config.secret_key.as_ref().map(|key| key.0.clone()), &file));
    findings.push(match &text {
        Err(error) if !file.exists() => Finding::warning(
            check,
            format!("BERTH_SECRET_KEY is not set and there is no `{}`: {error}", file.display()),
            "the first `berth serve` makes it; after that it must never be lost, so put it back from where you keep it",
        ),
        Err(error) => {
            let fix = "make it readable for Berth's user, and run the doctor as that user";
            Finding::error(check, format!("cannot read `{}`: {error}", file.display()), fix)
        }
        Ok(text) if Config::is_secret_key(text) => Finding::ok(check, "is there, 32 bytes"),
        Ok(_) => {
            let fix = "put back the key that the machines' credentials were stored with";
            Finding::error(check, "is not the base64 of 32 bytes", fix)
        }
    });
    let file = config.jwt_key_file();
    let (check, text) = ("keys.tokens", read(config.auth.jwt_secret.as_ref().map(|key| key.0.clone()), &file));
    findings.push(match &text {
        Err(_) => Finding::warning(
            check,
            format!("JWT_SECRET is not set and `{}` cannot be read", file.display()),
            "in development the first `berth serve` makes it; in production set it: `openssl rand -base64 48`",
        ),
        Ok(text) if text.len() < LEAST => {
            let said = format!("has {} bytes; fewer than {LEAST} can be guessed", text.len());
            Finding::error(
                check,
                said,
                "set JWT_SECRET to the output of `openssl rand -base64 48`; everybody signs in again",
            )
        }
        Ok(text) => Finding::ok(check, format!("is there, {} bytes", text.len())),
    });
    for path in [config.secret_key_file(), config.jwt_key_file(), config.data_dir.join("ssh").join("id_ed25519")] {
        findings.extend(mode(&path));
    }
    findings
}

fn read(set: Option<String>, file: &Path) -> std::io::Result<String> {
    set.map_or_else(|| fs::read_to_string(file).map(|text| text.trim().to_owned()), Ok)
}

/// A key file that others can read is nobody's secret.
fn mode(path: &Path) -> Option<Finding> {
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then(|| {
        let shown = path.display();
        Finding::error(
            "keys.mode",
            format!("`{shown}` can be read by others (mode {mode:o})"),
            format!("chmod 600 {shown}"),
        )
    })
}
