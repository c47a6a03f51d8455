//! `mysql_user`: accounts of `MySQL` and `MariaDB`, and what they may do.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use sha1::{Digest as _, Sha1};

use super::{
    Client,
    mysql::{COLLECTIONS, LOGIN, client, literal, name, rows},
};
use crate::playbook::{
    modules::{
        Act, Arg, Args, Kind, Module, Outcome, Scope, Script,
        common::{arg, args, flag, one_of, refuse, required, text, with_default},
        convert,
        talk::{Host, Talk, Trouble},
    },
    value::hex,
};

/// The module.
pub static MYSQL_USER: Module = Module {
    name: "mysql_user",
    collections: COLLECTIONS,
    summary: "makes, changes and drops accounts of MySQL and MariaDB",
    args: args![
        Arg { aliases: &["user"], ..required("name", Kind::Str, "the user") },
        with_default("host", Kind::Str, "localhost", "from where the user comes"),
        with_default("host_all", Kind::Bool, "false", "all accounts of that name, whatever their host"),
        one_of("state", "present", &["absent", "present"], "there or gone"),
        arg("password", Kind::Str, "the password"),
        with_default("encrypted", Kind::Bool, "false", "`password` is a hash of mysql_native_password"),
        one_of("update_password", "always", &["always", "on_create"], "when the password is set"),
        arg("plugin", Kind::Str, "how the user proves who it is"),
        Arg { aliases: &["plugin_hash"], ..arg("plugin_hash_string", Kind::Str, "what the plugin keeps") },
        arg("priv", Kind::Raw, "`db.table:PRIV,PRIV/db2.*:ALL`, or a mapping of those"),
        with_default("append_privs", Kind::Bool, "false", "keep privileges that are not named"),
        with_default("subtract_privs", Kind::Bool, "false", "take the named privileges away"),
        with_default("sql_log_bin", Kind::Bool, "true", "write changes into the server's log"),
        with_default("column_case_sensitive", Kind::Bool, "true", "accepted: columns are kept as they are written"),
        arg("plugin_auth_string", Kind::Str, "not supported; use `plugin_hash_string`"),
        arg("tls_requires", Kind::Dict, "not supported"),
        arg("resource_limits", Kind::Dict, "not supported"),
        arg("session_vars", Kind::Dict, "not supported"),
        arg("attributes", Kind::Dict, "not supported"),
        arg("password_expire", Kind::Str, "not supported"),
        arg("password_expire_interval", Kind::Int, "not supported"),
        arg("locked", Kind::Bool, "not supported"),
        arg("salt", Kind::Str, "not supported"),
        arg("force_context", Kind::Bool, "not supported");
        LOGIN
    ],
    free_form: None,
    act: Act::Shell { library: &[], script },
};

/// Privileges by what they are on.
type Grants = BTreeMap<String, BTreeSet<String>>;

fn script(args: &Args, _: &Scope) -> Result<Script, String> {
    refuse(
        args,
        &[
            "plugin_auth_string",
            "tls_requires",
            "resource_limits",
            "session_vars",
            "attributes",
            "password_expire",
            "password_expire_interval",
            "locked",
            "salt",
            "force_context",
        ],
    )?;
    if flag(args, "append_privs") && flag(args, "subtract_privs") {
        return Err("parameters are mutually exclusive: append_privs|subtract_privs".to_owned());
    }
    if text(args, "plugin").is_some() && text(args, "password").is_some() {
        return Err("`plugin` takes `plugin_hash_string`, not `password`".to_owned());
    }
    if flag(args, "encrypted") && text(args, "password").is_some_and(|hash| !hash.is_empty() && !is_hash(hash)) {
        return Err("`encrypted` wants `password` to be `*` and 40 hexadecimal digits".to_owned());
    }
    wanted(args)?;
    client(args)?;
    Ok(Talk::new(talk).script())
}

fn is_hash(text: &str) -> bool {
    text.strip_prefix('*').is_some_and(|sum| sum.len() == 40 && sum.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The hash of `mysql_native_password`.
fn native(password: &str) -> String {
    format!("*{}", hex(&Sha1::digest(Sha1::digest(password))).to_uppercase())
}

async fn talk(args: Args, host: Host) -> Result<Outcome, Trouble> {
    let mut client = client(&args)?;
    if !flag(&args, "sql_log_bin") {
        client.before.push_str("set sql_log_bin = 0;\n");
    }
    if let Some(password) = text(&args, "password").filter(|password| !password.is_empty()) {
        client.secrets.push(literal(password)?.trim_matches('\'').to_owned());
        client.secrets.push(password.to_owned());
        client.secrets.push(native(password));
    }
    let user = text(&args, "name").unwrap_or_default();
    let from = text(&args, "host").unwrap_or_default();
    let only = if flag(&args, "host_all") { String::new() } else { format!(" and host = {}", literal(from)?) };
    let look = format!("select host from mysql.user where user = {}{only};", literal(user)?);
    let found = rows(&client.ask(&host, &args, "", &look).await?);
    let hosts: Vec<String> = found.into_iter().filter_map(|row| row.into_iter().next()).collect();
    let mut result = Map::from_iter([("user".to_owned(), user.into()), ("password_changed".to_owned(), false.into())]);
    let mut statements = Vec::new();
    if text(&args, "state") == Some("absent") {
        for from in &hosts {
            statements.push(format!("drop user {}", account(user, from)?));
        }
        return client.apply(&host, &args, "", &statements, result).await;
    }
    if hosts.is_empty() {
        let account = account(user, from)?;
        let mark = proof(&args)?.map(|proof| format!(" {proof}")).unwrap_or_default();
        result.insert("password_changed".into(), (!mark.is_empty()).into());
        statements.push(format!("create user {account}{mark}"));
        if !flag(&args, "subtract_privs") {
            for (object, privileges) in wanted(&args)?.unwrap_or_default() {
                statements.push(grant(&object, &privileges, &account)?);
            }
        }
        return client.apply(&host, &args, "", &statements, result).await;
    }
    for from in &hosts {
        let account = account(user, from)?;
        let look = format!("show create user {account};\nshow grants for {account};");
        let said = rows(&client.ask(&host, &args, "", &look).await?);
        let lines: Vec<String> = said.into_iter().filter_map(|row| row.into_iter().next()).collect();
        let made = lines.first().map_or("", String::as_str);
        if text(&args, "update_password") == Some("always")
            && let Some(proof) = proof(&args)?
            && !proven(&client, &args, &host, made, user).await?
        {
            result.insert("password_changed".into(), true.into());
            statements.push(format!("alter user {account} {proof}"));
        }
        if let Some(wanted) = wanted(&args)? {
            let now = grants(lines.get(1..).unwrap_or_default());
            statements.extend(differences(&args, &now, &wanted, &account)?);
        }
    }
    client.apply(&host, &args, "", &statements, result).await
}

fn account(user: &str, host: &str) -> Result<String, String> {
    Ok(format!("{}@{}", literal(user)?, literal(host)?))
}

/// `identified …`, as the task wants it.
fn proof(args: &Args) -> Result<Option<String>, String> {
    if let Some(plugin) = text(args, "plugin") {
        let hash = text(args, "plugin_hash_string").map(literal).transpose()?;
        let hash = hash.map(|hash| format!(" as {hash}")).unwrap_or_default();
        if !plugin.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') || plugin.is_empty() {
            return Err(format!("`{plugin}` is no name of a plugin"));
        }
        return Ok(Some(format!("identified with {plugin}{hash}")));
    }
    let Some(password) = text(args, "password") else { return Ok(None) };
    Ok(Some(if flag(args, "encrypted") && !password.is_empty() {
        format!("identified with mysql_native_password as {}", literal(password)?)
    } else {
        format!("identified by {}", literal(password)?)
    }))
}

/// Whether the account proves itself as the task wants it; `made` is what `show create user` says.
async fn proven(client: &Client, args: &Args, host: &Host, made: &str, user: &str) -> Result<bool, Trouble> {
    if let Some(plugin) = text(args, "plugin") {
        let hash = text(args, "plugin_hash_string");
        let named = [format!("WITH '{plugin}'"), format!("VIA {plugin}")].iter().any(|words| made.contains(words));
        return Ok(named && hash.is_none_or(|hash| made.contains(&format!("'{hash}'"))));
    }
    let password = text(args, "password").unwrap_or_default();
    let kept = made.split('\'').find(|part| is_hash(part));
    if flag(args, "encrypted") && !password.is_empty() {
        return Ok(kept.is_some_and(|kept| kept.eq_ignore_ascii_case(password)));
    }
    if let Some(kept) = kept {
        return Ok(!password.is_empty() && kept.eq_ignore_ascii_case(&native(password)));
    }
    // Some plugins keep what only they can compare: one that lets the user in with the password has it.
    let mut own = args.clone();
    own.0.insert("login_user".into(), user.into());
    own.0.insert("login_password".into(), password.into());
    own.0.insert("check_implicit_admin".into(), false.into());
    if password.is_empty() {
        return Ok(!made.to_lowercase().contains(" as '"));
    }
    let mut login = super::mysql::client(&own)?;
    login.secrets.clone_from(&client.secrets);
    login.before.clear();
    Ok(login.try_ask(host, args, "", "select 1;").await?.is_ok())
}

/// What `priv` asks for.
fn wanted(args: &Args) -> Result<Option<Grants>, String> {
    let parts: Vec<(String, String)> = match args.get("priv") {
        None => return Ok(None),
        Some(Value::Object(map)) => map.iter().map(|(on, what)| (on.clone(), convert::text_of(what))).collect(),
        Some(Value::String(text)) => {
            let parts = text.split('/').filter(|part| !part.trim().is_empty());
            parts
                .map(|part| {
                    let (on, what) =
                        part.rsplit_once(':').ok_or_else(|| format!("`{part}` in `priv` is no `db.table:PRIV`"))?;
                    Ok((on.to_owned(), what.to_owned()))
                })
                .collect::<Result<_, String>>()?
        }
        Some(_) => return Err("`priv` is text or a mapping".to_owned()),
    };
    let mut found = Grants::new();
    for (on, what) in parts {
        let on = object(&on)?;
        for word in divided(&what) {
            if word == "REQUIRESSL" {
                return Err("`REQUIRESSL` is not supported".to_owned());
            }
            if !word.is_empty() {
                found.entry(on.clone()).or_default().insert(word);
            }
        }
    }
    Ok(Some(found))
}

/// `db.table` in quotes, with a word such as `PROCEDURE` before it.
fn object(text: &str) -> Result<String, String> {
    let text = text.trim();
    let (kind, rest) = match text.split_once(' ') {
        Some((kind, rest)) if matches!(kind.to_uppercase().as_str(), "FUNCTION" | "PROCEDURE" | "TABLE") => {
            (format!("{} ", kind.to_uppercase()), rest)
        }
        _ => (String::new(), text),
    };
    let (db, table) = rest.split_once('.').ok_or_else(|| format!("`{text}` in `priv` is no `db.table`"))?;
    let part = |part: &str| match part.trim_matches('`') {
        "*" => Ok("*".to_owned()),
        other => name(other),
    };
    Ok(format!("{kind}{}.{}", part(db)?, part(table)?))
}

/// Privileges between commas, columns in brackets kept together.
fn divided(text: &str) -> Vec<String> {
    let (mut found, mut word, mut depth) = (Vec::new(), String::new(), 0);
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                found.push(std::mem::take(&mut word));
                continue;
            }
            _ => {}
        }
        word.push(c);
    }
    found.push(word);
    found.iter().map(|word| privilege(word)).collect()
}

fn privilege(word: &str) -> String {
    let word = word.trim();
    let (name, columns) = word.split_once('(').map_or((word, None), |(name, columns)| (name.trim(), Some(columns)));
    let name = match name.to_uppercase().as_str() {
        "ALL PRIVILEGES" => "ALL".to_owned(),
        "GRANT OPTION" => "GRANT".to_owned(),
        other => other.to_owned(),
    };
    match columns {
        Some(columns) => {
            let mut columns: Vec<&str> =
                columns.trim_end_matches(')').split(',').map(|column| column.trim().trim_matches('`')).collect();
            columns.sort_unstable();
            format!("{name} ({})", columns.join(", "))
        }
        None => name,
    }
}

/// What `show grants` says.
fn grants(lines: &[String]) -> Grants {
    let mut found = Grants::new();
    for line in lines {
        let Some((what, rest)) = line.strip_prefix("GRANT ").and_then(|rest| rest.split_once(" ON ")) else { continue };
        let Some((on, behind)) = rest.split_once(" TO ") else { continue };
        if what == "PROXY" {
            continue;
        }
        let Ok(on) = object(on) else { continue };
        let mut privileges: BTreeSet<String> = divided(what).into_iter().filter(|word| word != "USAGE").collect();
        // Newer servers write all privileges out.
        let most = ["SELECT", "SHUTDOWN", "SUPER", "CREATE TABLESPACE", "DROP ROLE"];
        if most.iter().all(|word| privileges.contains(*word)) {
            privileges = BTreeSet::from(["ALL".to_owned()]);
        }
        if behind.contains("WITH GRANT OPTION") {
            privileges.insert("GRANT".to_owned());
        }
        if !privileges.is_empty() {
            let known = found.entry(on).or_default();
            if !known.contains("ALL") {
                known.extend(privileges);
            }
        }
    }
    found
}

fn grant(object: &str, privileges: &BTreeSet<String>, account: &str) -> Result<String, String> {
    let (words, option) = spelled(privileges)?;
    let option = if option { " with grant option" } else { "" };
    Ok(format!("grant {words} on {object} to {account}{option}"))
}

/// Privileges for a statement, and whether the right to give them is among them.
fn spelled(privileges: &BTreeSet<String>) -> Result<(String, bool), String> {
    let mut words = Vec::new();
    for privilege in privileges.iter().filter(|privilege| *privilege != "GRANT") {
        let (bare, columns) = privilege.split_once(" (").map_or((privilege.as_str(), None), |(a, b)| (a, Some(b)));
        if !bare.bytes().all(|byte| byte.is_ascii_alphabetic() || b" _".contains(&byte)) {
            return Err(format!("`{bare}` is no privilege"));
        }
        words.push(match columns {
            Some(columns) => {
                let columns: Result<Vec<String>, String> =
                    columns.trim_end_matches(')').split(", ").map(name).collect();
                format!("{bare} ({})", columns?.join(", "))
            }
            None => bare.to_owned(),
        });
    }
    let words = if words.is_empty() { "USAGE".to_owned() } else { words.join(", ") };
    Ok((words, privileges.contains("GRANT")))
}

/// The statements that lead from what an account may do to what it shall.
fn differences(args: &Args, now: &Grants, wanted: &Grants, account: &str) -> Result<Vec<String>, String> {
    let none = BTreeSet::new();
    let mut statements = Vec::new();
    let mut revoke = |object: &str, privileges: &BTreeSet<String>| -> Result<(), String> {
        let (words, option) = spelled(privileges)?;
        if option {
            statements.push(format!("revoke grant option on {object} from {account}"));
        }
        if words != "USAGE" {
            statements.push(format!("revoke {words} on {object} from {account}"));
        }
        Ok(())
    };
    if flag(args, "subtract_privs") {
        for (object, privileges) in wanted {
            let there = now.get(object).unwrap_or(&none);
            let all = there.contains("ALL") || privileges.contains("ALL");
            let gone: BTreeSet<String> = if all { privileges & &(there | privileges) } else { privileges & there };
            if !there.is_empty() && !gone.is_empty() {
                revoke(object, if privileges.contains("ALL") { there } else { &gone })?;
            }
        }
        return Ok(statements);
    }
    if !flag(args, "append_privs") {
        for (object, there) in now {
            match wanted.get(object) {
                None => revoke(object, there)?,
                Some(wanted) => {
                    let gone = there - wanted;
                    if !gone.is_empty() {
                        revoke(object, &gone)?;
                    }
                }
            }
        }
    }
    for (object, privileges) in wanted {
        let there = now.get(object).unwrap_or(&none);
        let mut lacking = privileges - there;
        if there.contains("ALL") && (flag(args, "append_privs") || privileges.contains("ALL")) {
            lacking.retain(|privilege| privilege == "GRANT");
        }
        lacking.remove("USAGE");
        if !lacking.is_empty() {
            statements.push(grant(object, &lacking, account)?);
        }
    }
    Ok(statements)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::playbook::modules::common::trial::args;

    fn plan(yaml: &str, lines: &[&str]) -> Vec<String> {
        let args = args(&MYSQL_USER, yaml);
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        let wanted = wanted(&args).unwrap().unwrap_or_default();
        differences(&args, &grants(&lines), &wanted, "'a'@'%'").unwrap()
    }

    #[test]
    fn privileges_are_given_and_taken_where_they_differ() {
        let now = &[
            "GRANT USAGE ON *.* TO `a`@`%` IDENTIFIED BY PASSWORD '*0'",
            "GRANT SELECT, INSERT (`c1`, `c2`) ON `quay`.* TO `a`@`%`",
            "GRANT ALL PRIVILEGES ON `pier`.* TO `a`@`%` WITH GRANT OPTION",
        ];
        assert_eq!(plan("{name: a, priv: 'quay.*:SELECT,INSERT(c2,c1)/pier.*:ALL,GRANT'}", now), Vec::<String>::new());
        assert_eq!(
            plan("{name: a, priv: {'quay.*': 'select,update'}}", now),
            [
                "revoke grant option on `pier`.* from 'a'@'%'",
                "revoke ALL on `pier`.* from 'a'@'%'",
                "revoke INSERT (`c1`, `c2`) on `quay`.* from 'a'@'%'",
                "grant UPDATE on `quay`.* to 'a'@'%'",
            ]
        );
        assert_eq!(
            plan("{name: a, append_privs: true, priv: '*.*:PROCESS/pier.*:SELECT'}", now),
            ["grant PROCESS on *.* to 'a'@'%'"]
        );
        assert_eq!(
            plan("{name: a, subtract_privs: true, priv: 'quay.*:SELECT,DELETE'}", now),
            ["revoke SELECT on `quay`.* from 'a'@'%'"]
        );
        assert_eq!(plan("{name: a, priv: '*.*:USAGE'}", &now[..1]), Vec::<String>::new());
        assert!(wanted(&args(&MYSQL_USER, "{name: a, priv: 'quay:ALL'}")).is_err());
        assert!(spelled(&BTreeSet::from(["SELECT; DROP".to_owned()])).is_err());
    }

    #[test]
    fn hashes_are_those_of_the_server() {
        assert_eq!(native("password"), "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19");
        assert!(is_hash(&native("x")) && !is_hash("*12"));
    }
}
