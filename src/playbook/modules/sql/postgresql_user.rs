//! `postgresql_user`: roles of `PostgreSQL` that log in.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::Md5;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::postgres::{COLLECTIONS, LOGIN, client, literal, name, rows};
use crate::playbook::{
    modules::{
        Act, Arg, Args, Kind, Module, Outcome, Scope, Script,
        common::{arg, args, flag, one_of, refuse, required, text, text_of, with_default},
        convert,
        talk::{Host, Talk, Trouble},
    },
    value::hex,
};

/// The module.
pub static POSTGRESQL_USER: Module = Module {
    name: "postgresql_user",
    collections: COLLECTIONS,
    summary: "makes, changes and drops users of PostgreSQL",
    args: args![
        Arg { aliases: &["user"], ..required("name", Kind::Str, "the user") },
        one_of("state", "present", &["absent", "present"], "there or gone"),
        arg("password", Kind::Str, "the password, plain or as the server keeps it; empty: none"),
        with_default("encrypted", Kind::Bool, "true", "only true: servers keep no plain passwords"),
        arg("role_attr_flags", Kind::Str, "what the user may do: `SUPERUSER,NOCREATEDB`…"),
        arg("expires", Kind::Str, "when the password ends: a moment or `infinity`"),
        arg("conn_limit", Kind::Int, "most connections at a time; -1: any number"),
        with_default("no_password_changes", Kind::Bool, "false", "leave the password of a user that is there"),
        with_default("fail_on_user", Kind::Bool, "true", "fail when the user cannot be dropped"),
        Arg { aliases: &["login_db"], ..with_default("db", Kind::Str, "postgres", "the database to log in to") },
        arg("comment", Kind::Str, "the user's comment"),
        arg("configuration", Kind::Dict, "not supported"),
        arg("reset_unspecified_configuration", Kind::Bool, "not supported"),
        arg("groups", Kind::List, "not supported; use a statement of your own"),
        arg("priv", Kind::Str, "not supported");
        LOGIN
    ],
    free_form: None,
    act: Act::Shell { library: &[], script },
};

/// Flags and the columns that hold them.
const FLAGS: &[(&str, &str)] = &[
    ("SUPERUSER", "rolsuper"),
    ("CREATEROLE", "rolcreaterole"),
    ("CREATEDB", "rolcreatedb"),
    ("INHERIT", "rolinherit"),
    ("LOGIN", "rolcanlogin"),
    ("REPLICATION", "rolreplication"),
    ("BYPASSRLS", "rolbypassrls"),
];

/// The flags that a task names: the word, its column, and whether it is to be set.
fn flags(args: &Args) -> Result<Vec<(String, &'static str, bool)>, String> {
    let given = text(args, "role_attr_flags").unwrap_or_default().to_uppercase();
    let mut found = Vec::new();
    for word in given.split([',', ' ']).map(str::trim).filter(|word| !word.is_empty()) {
        let bare = word.strip_prefix("NO").unwrap_or(word);
        let Some((_, column)) = FLAGS.iter().find(|(flag, _)| *flag == bare) else {
            return Err(format!("Invalid role_attr_flags specified: {word}"));
        };
        found.push((word.to_owned(), *column, bare == word));
    }
    Ok(found)
}

fn script(args: &Args, _: &Scope) -> Result<Script, String> {
    refuse(args, &["configuration", "reset_unspecified_configuration", "groups", "priv"])?;
    if !flag(args, "encrypted") {
        return Err("`encrypted: false` is not supported: servers keep no plain passwords".to_owned());
    }
    flags(args)?;
    name(text(args, "name").unwrap_or_default())?;
    client(args)?;
    Ok(Talk::new(talk).script())
}

async fn talk(args: Args, host: Host) -> Result<Outcome, Trouble> {
    let mut client = client(&args)?;
    let password = text(&args, "password").unwrap_or_default();
    if !password.is_empty() {
        client.secrets.push(literal(password)?.trim_matches('\'').to_owned());
        client.secrets.push(password.to_owned());
    }
    let (user, db) = (text(&args, "name").unwrap_or_default(), text(&args, "db").unwrap_or("postgres"));
    let until = text(&args, "expires").filter(|until| !until.is_empty());
    let same = match until {
        Some(until) => format!("coalesce(rolvaliduntil, 'infinity') = {}::timestamptz", literal(until)?),
        None => "true".to_owned(),
    };
    let wanted = literal(user)?;
    let look = format!(
        "select row_to_json(t) from (select rolsuper, rolcreaterole, rolcreatedb, rolinherit, rolcanlogin, rolreplication, \
         rolbypassrls, rolconnlimit, {same} as same_until, shobj_description(oid, 'pg_authid') as comment \
         from pg_roles where rolname = {wanted}) t;\n\
         select has_table_privilege('pg_catalog.pg_authid', 'select') as may \\gset\n\\if :may\n\
         select row_to_json(t) from (select true as known, rolpassword from pg_catalog.pg_authid where rolname = {wanted}) t;\n\\endif"
    );
    let found = rows(&client.ask(&host, &args, db, &look).await?)?;
    let now = found.iter().find(|row| row.contains_key("rolsuper"));
    let kept = found.iter().find(|row| row.contains_key("known")).map(|row| row.get("rolpassword").cloned());
    let mut result = Map::from_iter([("user".to_owned(), user.into())]);
    if text(&args, "state") == Some("absent") {
        if now.is_none() {
            result.insert("user_removed".into(), false.into());
            return client.apply(&host, &args, db, &[], result).await;
        }
        let drop = format!("drop user {}", name(user)?);
        if !host.scope.check
            && let Err(why) = client.try_ask(&host, &args, db, &format!("{drop};")).await?
        {
            if flag(&args, "fail_on_user") {
                return Err(format!("Unable to remove user: {why}").into());
            }
            result.insert("user_removed".into(), false.into());
            return client.apply(&host, &args, db, &[], result).await;
        }
        result.insert("user_removed".into(), true.into());
        return Ok(Outcome { changed: true, result, ..Outcome::default() });
    }
    let statements = plan(&args, user, now, kept.as_ref().map(|kept| kept.as_ref().and_then(Value::as_str)))?;
    client.apply(&host, &args, db, &statements, result).await
}

/// The statements that make a user as the task wants it. `kept` is the password as the server keeps it, where it may be
/// seen.
#[allow(clippy::option_option, reason = "no password is another thing than one that may not be seen")]
fn plan(
    args: &Args,
    user: &str,
    now: Option<&Map<String, Value>>,
    kept: Option<Option<&str>>,
) -> Result<Vec<String>, String> {
    let mut parts = Vec::new();
    let is = |key: &str| now.and_then(|now| now.get(key)).map(convert::text_of).unwrap_or_default();
    if let Some(password) = text(args, "password") {
        let settled = now.is_some()
            && (flag(args, "no_password_changes") || kept.is_some_and(|kept| matches(password, user, kept)));
        if !settled {
            parts.push(if password.is_empty() {
                "password null".to_owned()
            } else {
                format!("password {}", literal(password)?)
            });
        }
    }
    for (word, column, set) in flags(args)? {
        if now.is_none_or(|now| now.get(column) != Some(&json!(set))) {
            parts.push(word);
        }
    }
    if let Some(until) = text(args, "expires").filter(|until| !until.is_empty())
        && now.is_none_or(|now| now.get("same_until") != Some(&json!(true)))
    {
        parts.push(format!("valid until {}", literal(until)?));
    }
    if let Some(limit) = text_of(args, "conn_limit").filter(|limit| now.is_none() || *limit != is("rolconnlimit")) {
        parts.push(format!("connection limit {limit}"));
    }
    let mut statements = Vec::new();
    let quoted = name(user)?;
    match now {
        None => statements.push(format!("create user {quoted} {}", parts.join(" ")).trim_end().to_owned()),
        Some(_) if parts.is_empty() => {}
        Some(_) => statements.push(format!("alter user {quoted} {}", parts.join(" "))),
    }
    if let Some(comment) = text(args, "comment").filter(|comment| *comment != is("comment")) {
        statements.push(format!("comment on role {quoted} is {}", literal(comment)?));
    }
    Ok(statements)
}

/// Whether a password is the one that the server keeps.
fn matches(password: &str, user: &str, kept: Option<&str>) -> bool {
    let Some(kept) = kept else { return password.is_empty() };
    if kept == password {
        return true;
    }
    if let Some(sum) = kept.strip_prefix("md5") {
        return hex(&Md5::digest(format!("{password}{user}"))) == sum;
    }
    scram(password, kept).unwrap_or(false)
}

/// `SCRAM-SHA-256$ROUNDS:SALT$STORED:SERVER`.
fn scram(password: &str, kept: &str) -> Option<bool> {
    let (rounds, rest) = kept.strip_prefix("SCRAM-SHA-256$")?.split_once(':')?;
    let (salt, keys) = rest.split_once('$')?;
    let (stored, _) = keys.split_once(':')?;
    let rounds: u32 = rounds.parse().ok().filter(|rounds| *rounds <= 1_000_000)?;
    let salt = STANDARD.decode(salt).ok()?;
    let mut salted = [0; 32];
    pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), &salt, rounds, &mut salted);
    let mut key = Hmac::<Sha256>::new_from_slice(&salted).ok()?;
    key.update(b"Client Key");
    let client = key.finalize().into_bytes();
    Some(STANDARD.encode(Sha256::digest(client)) == stored)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::playbook::modules::common::trial::args;

    #[test]
    fn passwords_are_known_by_what_the_server_keeps() {
        // Kept by a server of version 15 for `anchor`, with its usual rounds.
        let md5 = format!("md5{}", hex(&Md5::digest("anchorann")));
        assert!(matches("anchor", "ann", Some(&md5)) && !matches("anchor", "bob", Some(&md5)));
        let kept = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
        // The example of RFC 7677, password `pencil`.
        assert_eq!(scram("pencil", kept), Some(true));
        assert_eq!(scram("pencils", kept), Some(false));
        assert!(matches("", "ann", None) && !matches("x", "ann", None));
    }

    #[test]
    fn only_what_differs_is_said() {
        let plan = |yaml: &str, now: Option<Value>, kept: Option<Option<&str>>| {
            let args = args(&POSTGRESQL_USER, yaml);
            let now = now.and_then(|now| now.as_object().cloned());
            plan(&args, text(&args, "name").unwrap(), now.as_ref(), kept).unwrap()
        };
        assert_eq!(
            plan("{name: ann, password: \"it's\", role_attr_flags: 'CREATEDB,NOSUPERUSER', conn_limit: 3}", None, None),
            ["create user \"ann\" password 'it''s' CREATEDB NOSUPERUSER connection limit 3"]
        );
        let now =
            json!({"rolsuper": false, "rolcreatedb": true, "rolconnlimit": 3, "same_until": true, "comment": null});
        let md5 = format!("md5{}", hex(&Md5::digest("xann")));
        assert_eq!(
            plan(
                "{name: ann, password: x, role_attr_flags: 'CREATEDB,NOSUPERUSER', conn_limit: 3}",
                Some(now.clone()),
                Some(Some(&md5))
            ),
            Vec::<String>::new()
        );
        assert_eq!(
            plan(
                "{name: ann, password: z, role_attr_flags: NOCREATEDB, comment: c}",
                Some(now.clone()),
                Some(Some(&md5))
            ),
            ["alter user \"ann\" password 'z' NOCREATEDB", "comment on role \"ann\" is 'c'"]
        );
        let keeps = "{name: ann, password: z, no_password_changes: true}";
        assert_eq!(plan(keeps, Some(now), Some(Some(&md5))), Vec::<String>::new());
        assert!(flags(&args(&POSTGRESQL_USER, "{name: a, role_attr_flags: FLY}")).is_err());
    }
}
