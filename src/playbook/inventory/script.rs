//! Executable inventories: a program that says its hosts as JSON.

use std::{path::Path, process::Command};

use serde_json::{Map, Value};

/// What the program says with `--list`.
pub(super) fn list(path: &Path) -> Result<Value, String> {
    ask(path, &["--list"])
}

/// What it says of one host, when `--list` had no `_meta`.
pub(super) fn host(path: &Path, name: &str) -> Result<Value, String> {
    ask(path, &["--host", name])
}

fn ask(path: &Path, args: &[&str]) -> Result<Value, String> {
    let program = std::path::absolute(path).map_err(|e| e.to_string())?;
    let said = Command::new(program).args(args).output().map_err(|e| format!("the inventory cannot be run: {e}"))?;
    if !said.status.success() {
        let why: String = String::from_utf8_lossy(&said.stderr).trim().chars().take(500).collect();
        return Err(format!("the inventory ended with {}: {why}", said.status));
    }
    let text = String::from_utf8_lossy(&said.stdout);
    if text.trim().is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    serde_json::from_str(&text).map_err(|e| format!("the inventory's `{}` is no JSON: {e}", args[0]))
}
