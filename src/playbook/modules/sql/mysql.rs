//! The way to a `MySQL` or `MariaDB` server, by `mysql` or `mariadb`.

use std::fmt::Write as _;

use super::Client;
use crate::playbook::modules::{
    Arg, Args, Kind,
    common::{arg, flag, quote, quote_path, text, text_of, with_default},
};

/// How to log in.
pub const LOGIN: &[Arg] = &[
    arg("login_user", Kind::Str, "who logs in; none: as the configuration file has it"),
    arg("login_password", Kind::Str, "the password of that user"),
    with_default("login_host", Kind::Str, "localhost", "the server"),
    with_default("login_port", Kind::Int, "3306", "the server's port"),
    arg("login_unix_socket", Kind::Str, "the socket"),
    with_default("config_file", Kind::Path, "~/.my.cnf", "a configuration file, whose `[client]` counts"),
    Arg { aliases: &["ssl_ca"], ..arg("ca_cert", Kind::Path, "file of certificate authorities") },
    Arg { aliases: &["ssl_cert"], ..arg("client_cert", Kind::Path, "client certificate") },
    Arg { aliases: &["ssl_key"], ..arg("client_key", Kind::Path, "client key") },
    arg("check_hostname", Kind::Bool, "the certificate must bear the server's name"),
    with_default("connect_timeout", Kind::Int, "30", "seconds to connect"),
    with_default("check_implicit_admin", Kind::Bool, "false", "try root without a password first"),
];

/// The collections of these modules.
pub const COLLECTIONS: &[&str] = &["community.mysql", "community.general", "ansible.builtin"];

/// The way to the server that a task names.
pub fn client(args: &Args) -> Result<Client, String> {
    let given = |name: &str| text_of(args, name).filter(|value| !value.is_empty());
    let mut lines = String::from("[client]\n");
    let mut options = Vec::new();
    let socket = given("login_unix_socket");
    if let Some(user) = given("login_user") {
        options.push(("user", user));
    }
    if let Some(password) = given("login_password") {
        options.push(("password", password));
    }
    if let Some(socket) = socket {
        options.push(("socket", socket));
    } else {
        // What stands in the configuration file counts where the task says nothing of its own.
        let host = given("login_host").filter(|host| host != "localhost");
        let port = given("login_port").filter(|port| port != "3306");
        options.extend(host.map(|host| ("host", host)));
        options.extend(port.map(|port| ("port", port)));
    }
    for (name, value) in &options {
        if value.contains(['\n', '\0']) {
            return Err(format!("`{name}` of the login is one line"));
        }
        let value = value.replace('\\', "\\\\").replace('"', "\\\"");
        let _ = writeln!(lines, "{name}=\"{value}\"");
    }
    if let Some(seconds) = given("connect_timeout") {
        // Programs that dump do not know it.
        let _ = writeln!(lines, "[mysql]\nconnect-timeout={seconds}");
    }
    let mut words = String::new();
    for (name, option) in [("ca_cert", "--ssl-ca="), ("client_cert", "--ssl-cert="), ("client_key", "--ssl-key=")] {
        if let Some(path) = text(args, name).filter(|path| !path.is_empty()) {
            let _ = write!(words, " {option}{}", quote_path(path)?);
        }
    }
    if args.bool("check_hostname") == Some(true) {
        words.push_str(" --ssl-verify-server-cert");
    }
    let config = match text(args, "config_file").filter(|path| !path.is_empty()) {
        Some(path) => quote_path(path)?,
        None => "''".to_owned(),
    };
    let mut setup = format!(
        "if command -v mariadb >/dev/null 2>&1; then b_client=mariadb b_dump=mariadb-dump
elif command -v mysql >/dev/null 2>&1; then b_client=mysql b_dump=mysqldump
else fail 'neither `mariadb` nor `mysql` is on this host; install a client of the database'; fi
command -v \"$b_dump\" >/dev/null 2>&1 || b_dump=mysqldump
b_config={config}
b_conf=$(mktemp \"${{TMPDIR:-/tmp}}/.berth.XXXXXXXXXX\") || fail 'cannot make a temporary file'
trap 'rm -f -- \"$b_conf\"' 0
if [ -r \"$b_config\" ]; then printf '!include %s\\n' \"$b_config\" >\"$b_conf\"; fi
cat \"$FILES/login\" >>\"$b_conf\"
b_login() {{ b_prog=$1; shift; \"$b_prog\" --defaults-file=\"$b_conf\"{words} \"$@\"; }}
b_sql() {{ b_login \"$b_client\" -B -N --default-character-set=utf8mb4 ${{b_database:+\"$b_database\"}} <\"$FILES/sql\"; }}\n"
    );
    if flag(args, "check_implicit_admin") {
        setup.push_str(
            "if (printf '[client]\\nuser=root\\npassword=\\n'; sed -n '/^socket=/p; /^host=/p; /^port=/p' \"$FILES/login\") >\"$b_conf.root\" && \
             \"$b_client\" --defaults-file=\"$b_conf.root\" -B -N -e 'select 1' >/dev/null 2>&1; then cat \"$b_conf.root\" >\"$b_conf\"; fi\n\
             rm -f -- \"$b_conf.root\"\n",
        );
    }
    Ok(Client {
        setup,
        files: vec![("login".to_owned(), lines.into_bytes())],
        secrets: given("login_password").into_iter().collect(),
        before: "set sql_mode = '';\n".to_owned(),
    })
}

/// A name in a statement.
pub fn name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains('\0') {
        return Err(format!("`{}` can name nothing in a database", text.escape_debug()));
    }
    Ok(format!("`{}`", text.replace('`', "``")))
}

/// A text in a statement.
pub fn literal(text: &str) -> Result<String, String> {
    if text.contains('\0') {
        return Err("no text of a database holds a NUL".to_owned());
    }
    Ok(format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''")))
}

/// The rows and columns that the client printed.
pub fn rows(said: &str) -> Vec<Vec<String>> {
    let plain = |text: &str| {
        let mut made = String::with_capacity(text.len());
        let mut letters = text.chars();
        while let Some(c) = letters.next() {
            if c != '\\' {
                made.push(c);
                continue;
            }
            match letters.next() {
                Some('n') => made.push('\n'),
                Some('t') => made.push('\t'),
                Some('0') => made.push('\0'),
                Some(other) => made.push(other),
                None => made.push('\\'),
            }
        }
        made
    };
    said.lines().map(|line| line.split('\t').map(plain).collect()).collect()
}

/// Shell words for names.
pub fn quoted(names: &[String]) -> Result<String, String> {
    let mut words = String::new();
    for name in names {
        words.push(' ');
        words.push_str(&quote(name)?);
    }
    Ok(words)
}
