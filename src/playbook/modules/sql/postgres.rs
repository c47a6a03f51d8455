//! The way to a `PostgreSQL` server, by `psql`.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::Client;
use crate::playbook::modules::{
    Arg, Args, Kind,
    common::{arg, one_of, quote, quote_path, text, text_of, with_default},
};

/// How to log in.
pub const LOGIN: &[Arg] = &[
    Arg { aliases: &["login"], ..with_default("login_user", Kind::Str, "postgres", "who logs in") },
    arg("login_password", Kind::Str, "the password of that user"),
    Arg { aliases: &["host"], ..arg("login_host", Kind::Str, "the server; none: the socket of the host") },
    Arg { aliases: &["unix_socket"], ..arg("login_unix_socket", Kind::Str, "the folder of the socket") },
    Arg { aliases: &["login_port"], ..with_default("port", Kind::Int, "5432", "the server's port") },
    one_of(
        "ssl_mode",
        "prefer",
        &["allow", "disable", "prefer", "require", "verify-ca", "verify-full"],
        "how the connection is kept secret",
    ),
    Arg { aliases: &["ssl_rootcert"], ..arg("ca_cert", Kind::Path, "file of certificate authorities") },
    arg("ssl_cert", Kind::Path, "client certificate"),
    arg("ssl_key", Kind::Path, "client key"),
    arg("session_role", Kind::Str, "the role to take after login"),
    with_default("trust_input", Kind::Bool, "true", "accepted: all input is quoted"),
    arg("connect_params", Kind::Dict, "not supported"),
];

/// The collections of these modules.
pub const COLLECTIONS: &[&str] = &["community.postgresql", "community.general", "ansible.builtin"];

/// The way to the server that a task names.
pub fn client(args: &Args) -> Result<Client, String> {
    if args.get("connect_params").is_some_and(|value| value.as_object().is_none_or(|map| !map.is_empty())) {
        return Err("`connect_params` is not supported; take it out of the task".to_owned());
    }
    let mut options = String::from(" -w");
    let host = text(args, "login_unix_socket").or_else(|| text(args, "login_host")).filter(|host| !host.is_empty());
    for (option, value) in
        [("-h", host.map(str::to_owned)), ("-p", text_of(args, "port")), ("-U", text_of(args, "login_user"))]
    {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            let _ = write!(options, " {option} {}", quote(&value)?);
        }
    }
    let mut setup = String::from(
        "command -v psql >/dev/null 2>&1 || fail '`psql` is not on this host; install the client of PostgreSQL'\n",
    );
    for (variable, name) in
        [("PGSSLMODE", "ssl_mode"), ("PGSSLROOTCERT", "ca_cert"), ("PGSSLCERT", "ssl_cert"), ("PGSSLKEY", "ssl_key")]
    {
        if let Some(value) = text(args, name).filter(|value| !value.is_empty()) {
            let _ = writeln!(setup, "{variable}={}; export {variable}", quote_path(value)?);
        }
    }
    let mut client = Client::default();
    if let Some(password) = text(args, "login_password").filter(|password| !password.is_empty()) {
        if password.contains('\n') {
            return Err("`login_password` is one line".to_owned());
        }
        let escaped = password.replace('\\', "\\\\").replace(':', "\\:");
        client.files.push(("pass".to_owned(), format!("*:*:*:*:{escaped}\n").into_bytes()));
        client.secrets.push(password.to_owned());
        // psql reads such a file only when nobody else may.
        setup.push_str(
            "b_pass=$(mktemp \"${TMPDIR:-/tmp}/.berth.XXXXXXXXXX\") || fail 'cannot make a temporary file'\n\
             trap 'rm -f -- \"$b_pass\"' 0\ncat \"$FILES/pass\" >\"$b_pass\"\nPGPASSFILE=$b_pass; export PGPASSFILE\n",
        );
    }
    let _ = writeln!(
        setup,
        "b_login() {{ b_prog=$1; shift; \"$b_prog\"{options} \"$@\"; }}\n\
         b_sql() {{ b_login psql -X -q -A -t -v ON_ERROR_STOP=1 -d \"$b_database\" -f \"$FILES/sql\"; }}"
    );
    client.setup = setup;
    client.before = String::from(
        "set standard_conforming_strings = on; set client_encoding = 'UTF8'; set client_min_messages = warning;\n",
    );
    if let Some(role) = text(args, "session_role").filter(|role| !role.is_empty()) {
        let _ = writeln!(client.before, "set role {};", name(role)?);
    }
    Ok(client)
}

/// A name in a statement.
pub fn name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains('\0') {
        return Err(format!("`{}` can name nothing in a database", text.escape_debug()));
    }
    Ok(format!("\"{}\"", text.replace('"', "\"\"")))
}

/// A text in a statement.
pub fn literal(text: &str) -> Result<String, String> {
    if text.contains('\0') {
        return Err("no text of a database holds a NUL".to_owned());
    }
    Ok(format!("'{}'", text.replace('\'', "''")))
}

/// The rows of `select row_to_json(…)`.
pub fn rows(said: &str) -> Result<Vec<Map<String, Value>>, String> {
    let lines = said.lines().filter(|line| line.starts_with('{'));
    lines.map(|line| serde_json::from_str(line).map_err(|why| format!("psql said what is no JSON: {why}"))).collect()
}
