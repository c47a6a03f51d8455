//! Passwords: from files, from programs, from the terminal. Never from arguments.

use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::{
    args::{RunArgs, VaultArgs},
    config::Config,
};
use crate::{cli::terminal, playbook::vault::Keys, remote::Secret};

/// The passwords of vaults, with their ids.
pub(super) fn vault_keys(args: &VaultArgs, config: &Config) -> Result<Keys> {
    let mut found = Vec::new();
    let mut ids = args.vault_id.clone();
    if ids.is_empty() {
        let list = config.text("defaults", "vault_identity_list", "ANSIBLE_VAULT_IDENTITY_LIST").unwrap_or_default();
        ids.extend(list.split(',').map(|id| id.trim().to_owned()).filter(|id| !id.is_empty()));
    }
    for entry in &ids {
        let (id, source) = entry.split_once('@').unwrap_or(("default", entry));
        let password = match source {
            "prompt" | "prompt_ask_vault_pass" => Secret(terminal::ask_password(&format!("Vault password ({id}): "))?),
            file => from_file(Path::new(file), "--vault-id")?,
        };
        found.push((id.to_owned(), password));
    }
    let mut files = args.vault_password_file.clone();
    if files.is_empty() && found.is_empty() {
        let file = config.text("defaults", "vault_password_file", "ANSIBLE_VAULT_PASSWORD_FILE");
        files.extend(file.map(|file| config.beside(&file)));
    }
    for file in &files {
        found.push(("default".to_owned(), from_file(file, "--vault-password-file")?));
    }
    if args.ask_vault_pass {
        found.push(("default".to_owned(), Secret(terminal::ask_password("Vault password: ")?)));
    }
    Ok(Keys::new(found))
}

/// The password of the login, and that for becoming another user.
pub(super) fn passwords(args: &RunArgs, config: &Config) -> Result<(Option<Secret>, Option<Secret>)> {
    let file = |given: &Option<std::path::PathBuf>, key: &str, name: &str| {
        given.clone().or_else(|| config.text("defaults", key, name).map(|file| config.beside(&file)))
    };
    let login_file =
        file(&args.connection_password_file, "connection_password_file", "ANSIBLE_CONNECTION_PASSWORD_FILE");
    let login = match (args.ask_pass, login_file) {
        (true, _) => Some(Secret(terminal::ask_password("SSH password: ")?)),
        (false, Some(file)) => Some(from_file(&file, "--connection-password-file")?),
        (false, None) => None,
    };
    let become_file = file(&args.become_password_file, "become_password_file", "ANSIBLE_BECOME_PASSWORD_FILE");
    let rise = match (args.ask_become_pass, become_file) {
        (true, _) => {
            let answer = terminal::ask_password("BECOME password: ")?;
            // As Ansible: nothing typed is the login's password.
            if answer.is_empty() { login.clone() } else { Some(Secret(answer)) }
        }
        (false, Some(file)) => Some(from_file(&file, "--become-password-file")?),
        (false, None) => None,
    };
    Ok((login, rise))
}

/// The first line of a file, or of what it prints when it is a program.
fn from_file(path: &Path, option: &str) -> Result<Secret> {
    use std::os::unix::fs::PermissionsExt as _;
    let meta = std::fs::metadata(path).with_context(|| format!("`{option} {}`", path.display()))?;
    let text = if meta.is_file() && meta.permissions().mode() & 0o111 != 0 {
        let program = std::path::absolute(path)?;
        let said = std::process::Command::new(program).stderr(std::process::Stdio::inherit()).output();
        let said = said.with_context(|| format!("`{option} {}`", path.display()))?;
        if !said.status.success() {
            bail!("`{option} {}` ended with {}", path.display(), said.status);
        }
        said.stdout
    } else {
        std::fs::read(path).with_context(|| format!("`{option} {}`", path.display()))?
    };
    let text = String::from_utf8(text).with_context(|| format!("`{option} {}` is not UTF-8", path.display()))?;
    let text = text.trim().to_owned();
    if text.is_empty() {
        bail!("`{option} {}` holds no password", path.display());
    }
    Ok(Secret(text))
}
