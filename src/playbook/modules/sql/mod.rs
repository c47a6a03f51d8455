//! Databases by their own command lines on the host. Each module looks with one query, decides here, and says what
//! differs in statements. Statements and passwords travel as files that only the task's user reads, never as arguments
//! or in the environment; what a server complains of is told without them.

mod mysql;
mod mysql_db;
mod mysql_user;
mod postgres;
mod postgresql_db;
mod postgresql_user;

pub use mysql_db::MYSQL_DB;
pub use mysql_user::MYSQL_USER;
pub use postgresql_db::POSTGRESQL_DB;
pub use postgresql_user::POSTGRESQL_USER;

use serde_json::{Map, Value};

use super::{
    Args, Outcome, Script,
    common::quote,
    talk::{Host, Trouble},
};

/// A way to a server.
#[derive(Debug, Clone, Default)]
struct Client {
    /// Shell text that makes `b_sql`, which runs `$FILES/sql` in the database `$b_database`.
    setup: String,
    /// Files for every call.
    files: Vec<(String, Vec<u8>)>,
    /// Texts that must not be told.
    secrets: Vec<String>,
    /// Statements before all others.
    before: String,
}

impl Client {
    /// What statements answer; an error is what the server complains of.
    async fn try_ask(
        &self,
        host: &Host,
        args: &Args,
        database: &str,
        sql: &str,
    ) -> Result<Result<String, String>, Trouble> {
        self.shell(host, args, database, sql, "capture b_sql").await
    }

    /// The same; a complaint fails the task.
    async fn ask(&self, host: &Host, args: &Args, database: &str, sql: &str) -> Result<String, Trouble> {
        self.try_ask(host, args, database, sql).await?.map_err(Trouble::Wrong)
    }

    /// Shell text that may call `b_sql` and the server's other programs.
    async fn shell(
        &self,
        host: &Host,
        args: &Args,
        database: &str,
        sql: &str,
        text: &str,
    ) -> Result<Result<String, String>, Trouble> {
        let mut files = self.files.clone();
        files.push(("sql".to_owned(), format!("{}{sql}\n", self.before).into_bytes()));
        let text = format!("{}\nb_database={}\n{text}\n:", self.setup, quote(database)?);
        let said = host.run(args, Script { text, files, ..Script::default() }).await?;
        let get = |name: &str| said.get(name).and_then(Value::as_str).unwrap_or_default();
        if said.get("failed").and_then(Value::as_bool) == Some(true) {
            return Err(Trouble::Wrong(self.masked(get("msg"))));
        }
        if said.get("rc").and_then(Value::as_i64) == Some(0) {
            return Ok(Ok(get("stdout").to_owned()));
        }
        Ok(Err(self.masked(get("stderr").trim())))
    }

    fn masked(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in self.secrets.iter().filter(|secret| !secret.is_empty()) {
            text = text.replace(secret.as_str(), "********");
        }
        text
    }

    /// Runs statements unless one only looks; what the task came to.
    async fn apply(
        &self,
        host: &Host,
        args: &Args,
        database: &str,
        statements: &[String],
        mut result: Map<String, Value>,
    ) -> Result<Outcome, Trouble> {
        let shown: Vec<Value> = statements.iter().map(|statement| self.masked(statement).into()).collect();
        result.insert("queries".into(), shown.into());
        if !statements.is_empty() && !host.scope.check {
            self.ask(host, args, database, &format!("{};", statements.join(";\n"))).await?;
        }
        Ok(Outcome { changed: !statements.is_empty(), result, ..Outcome::default() })
    }
}

/// How a dump is packed, by the end of its name: the program, or none.
fn packer(target: &str) -> Option<&'static str> {
    let end = target.rsplit('.').next().unwrap_or_default();
    match end {
        "gz" => Some("gzip"),
        "bz2" => Some("bzip2"),
        "xz" => Some("xz"),
        "zst" => Some("zstd"),
        _ => None,
    }
}

/// Words for a command line, quoted, each with a blank before it.
fn words(line: &str) -> Result<String, String> {
    let mut text = String::new();
    for word in super::common::words::split(line)? {
        text.push(' ');
        text.push_str(&quote(&word)?);
    }
    Ok(text)
}
