//! `postgresql_db`: databases of `PostgreSQL`.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::{
    Client, packer,
    postgres::{COLLECTIONS, LOGIN, client, literal, name, rows},
    words,
};
use crate::playbook::modules::{
    Act, Arg, Args, Kind, Module, Outcome, Scope, Script,
    common::{arg, args, flag, one_of, quote, quote_path, refuse, required, text, text_of, with_default},
    talk::{Host, Talk, Trouble},
};

/// The module.
pub static POSTGRESQL_DB: Module = Module {
    name: "postgresql_db",
    collections: COLLECTIONS,
    summary: "makes, changes, renames, dumps, restores and drops databases of PostgreSQL",
    args: args![
        Arg { aliases: &["db"], ..required("name", Kind::Str, "the database") },
        one_of("state", "present", &["absent", "dump", "present", "rename", "restore"], "there, gone, or what to do"),
        arg("owner", Kind::Str, "the role that owns it"),
        arg("template", Kind::Str, "the database that a new one begins as"),
        arg("encoding", Kind::Str, "its encoding; cannot be changed later"),
        arg("lc_collate", Kind::Str, "the order of texts; cannot be changed later"),
        arg("lc_ctype", Kind::Str, "the classes of characters; cannot be changed later"),
        arg("icu_locale", Kind::Str, "not supported"),
        arg("locale_provider", Kind::Str, "not supported"),
        arg("conn_limit", Kind::Str, "most connections at a time; -1: any number"),
        arg("tablespace", Kind::Path, "where its data is"),
        arg("target", Kind::Path, "the file of a dump, or the new name with `rename`"),
        arg("target_opts", Kind::Str, "further options for pg_dump, pg_restore or psql"),
        arg("dump_extra_args", Kind::Str, "further options for pg_dump"),
        with_default("maintenance_db", Kind::Str, "postgres", "the database to log in to"),
        with_default("force", Kind::Bool, "false", "`absent` ends the connections of others first"),
        arg("comment", Kind::Str, "its comment");
        LOGIN
    ],
    free_form: None,
    act: Act::Shell { library: &[], script },
};

fn script(args: &Args, _: &Scope) -> Result<Script, String> {
    refuse(args, &["icu_locale", "locale_provider"])?;
    name(text(args, "name").unwrap_or_default())?;
    client(args)?;
    let state = text(args, "state").unwrap_or_default();
    if matches!(state, "dump" | "restore" | "rename") && text(args, "target").unwrap_or_default().is_empty() {
        return Err(format!("state is {state} but all of the following are missing: target"));
    }
    if text_of(args, "conn_limit").is_some_and(|limit| limit.parse::<i32>().is_err()) {
        return Err("`conn_limit` is a whole number".to_owned());
    }
    Ok(Talk::new(talk).script())
}

async fn talk(args: Args, host: Host) -> Result<Outcome, Trouble> {
    let client = client(&args)?;
    let (db, login_db) = (text(&args, "name").unwrap_or_default(), text(&args, "maintenance_db").unwrap_or("postgres"));
    let state = text(&args, "state").unwrap_or_default();
    let result = Map::from_iter([("db".to_owned(), db.into())]);
    if matches!(state, "dump" | "restore") {
        return copy(&client, &args, &host, db, state == "dump", result).await;
    }
    let target = text(&args, "target").unwrap_or_default();
    let encoding = text(&args, "encoding").filter(|encoding| !encoding.is_empty());
    let same = match encoding {
        Some(encoding) => format!("d.encoding = pg_char_to_encoding({})", literal(encoding)?),
        None => "true".to_owned(),
    };
    let look = format!(
        "select row_to_json(t) from (select d.datname as name, pg_get_userbyid(d.datdba) as owner, {same} as same_encoding, \
         pg_encoding_to_char(d.encoding) as encoding, d.datcollate as lc_collate, d.datctype as lc_ctype, \
         d.datconnlimit as conn_limit, s.spcname as tablespace, shobj_description(d.oid, 'pg_database') as comment \
         from pg_database d left join pg_tablespace s on s.oid = d.dattablespace where d.datname in ({}, {})) t;",
        literal(db)?,
        literal(target)?
    );
    let found = rows(&client.ask(&host, &args, login_db, &look).await?)?;
    let of = |wanted: &str| found.iter().find(|row| row.get("name").and_then(Value::as_str) == Some(wanted));
    let statements = match state {
        "rename" => match (of(db), of(target)) {
            (Some(_), None) => vec![format!("alter database {} rename to {}", name(db)?, name(target)?)],
            (None, Some(_)) => Vec::new(),
            (Some(_), Some(_)) => {
                return Err(format!("Both the source and the target databases exist: `{target}`").into());
            }
            (None, None) => return Err(format!("The source and the target databases do not exist: `{db}`").into()),
        },
        "absent" => gone(of(db), db, flag(&args, "force"))?,
        _ => there(of(db), &args, db)?,
    };
    client.apply(&host, &args, login_db, &statements, result).await
}

/// The statements that take a database away.
fn gone(now: Option<&Map<String, Value>>, db: &str, force: bool) -> Result<Vec<String>, String> {
    if now.is_none() {
        return Ok(Vec::new());
    }
    let drop = format!("drop database {}", name(db)?);
    if !force {
        return Ok(vec![drop]);
    }
    let others = format!(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = {} and pid <> pg_backend_pid()",
        literal(db)?
    );
    Ok(vec![others, drop])
}

/// The statements that make a database as the task wants it.
fn there(now: Option<&Map<String, Value>>, args: &Args, db: &str) -> Result<Vec<String>, String> {
    let given = |key: &str| text_of(args, key).filter(|value| !value.is_empty());
    let quoted = name(db)?;
    let mut statements = Vec::new();
    let Some(now) = now else {
        let mut create = format!("create database {quoted}");
        for (words, key, is_name) in [
            ("owner", "owner", true),
            ("template", "template", true),
            ("encoding", "encoding", false),
            ("tablespace", "tablespace", true),
            ("lc_collate", "lc_collate", false),
            ("lc_ctype", "lc_ctype", false),
        ] {
            if let Some(value) = given(key) {
                let value = if is_name { name(&value)? } else { literal(&value)? };
                let _ = write!(create, " {words} {value}");
            }
        }
        if let Some(limit) = given("conn_limit") {
            let _ = write!(create, " connection limit {limit}");
        }
        statements.push(create);
        if let Some(comment) = text(args, "comment").filter(|comment| !comment.is_empty()) {
            statements.push(format!("comment on database {quoted} is {}", literal(comment)?));
        }
        return Ok(statements);
    };
    let is = |key: &str| now.get(key).map(crate::playbook::modules::convert::text_of).unwrap_or_default();
    if now.get("same_encoding") == Some(&json!(false)) {
        return Err(format!("Changing database encoding is not supported. Current encoding: {}", is("encoding")));
    }
    for (key, what) in [("lc_collate", "LC_COLLATE"), ("lc_ctype", "LC_CTYPE")] {
        if given(key).is_some_and(|wanted| wanted != is(key)) {
            return Err(format!("Changing {what} is not supported. Current {what}: {}", is(key)));
        }
    }
    if let Some(owner) = given("owner").filter(|owner| *owner != is("owner")) {
        statements.push(format!("alter database {quoted} owner to {}", name(&owner)?));
    }
    if let Some(limit) = given("conn_limit").filter(|limit| *limit != is("conn_limit")) {
        statements.push(format!("alter database {quoted} connection limit {limit}"));
    }
    if let Some(space) = given("tablespace").filter(|space| *space != is("tablespace")) {
        statements.push(format!("alter database {quoted} set tablespace {}", name(&space)?));
    }
    if let Some(comment) = text(args, "comment").filter(|comment| *comment != is("comment")) {
        statements.push(format!("comment on database {quoted} is {}", literal(comment)?));
    }
    Ok(statements)
}

/// A dump, or what it holds put back. Both count as a change each time.
async fn copy(
    client: &Client,
    args: &Args,
    host: &Host,
    db: &str,
    dump: bool,
    result: Map<String, Value>,
) -> Result<Outcome, Trouble> {
    if !host.scope.check {
        let target = text(args, "target").unwrap_or_default();
        let bare = packer(target).map_or(target, |_| target.rsplit_once('.').map_or(target, |(bare, _)| bare));
        let format = match bare.rsplit('.').next().unwrap_or_default() {
            "tar" => Some("t"),
            "pgc" => Some("c"),
            "dir" => Some("d"),
            _ => None,
        };
        if format == Some("d") && packer(target).is_some() {
            return Err("a dump in a folder (`.dir`) cannot be packed".to_owned().into());
        }
        let more = words(text(args, "target_opts").unwrap_or_default())?;
        let extra = words(text(args, "dump_extra_args").unwrap_or_default())?;
        let option = format.map(|format| format!(" --format={format}")).unwrap_or_default();
        let mut text = format!("b_target={}\nb_db={}\n", quote_path(target)?, quote(db)?);
        let run = if dump {
            let call = format!("b_login pg_dump{option}{extra}{more}");
            match (format, packer(target)) {
                (Some("d"), _) => format!("{call} -f \"$b_target\" \"$b_db\""),
                (_, None) => format!("{call} \"$b_db\" >\"$b_target\""),
                (_, Some(program)) => format!(
                    "{{ {call} \"$b_db\" >\"$b_target.berth\" && {program} <\"$b_target.berth\" >\"$b_target\"; b_rc=$?; rm -f -- \"$b_target.berth\"; return \"$b_rc\"; }}"
                ),
            }
        } else {
            text.push_str("[ -e \"$b_target\" ] || fail \"target $b_target does not exist on the host\"\n");
            let call = match format {
                Some(_) => format!("b_login pg_restore{option}{more} -d \"$b_db\""),
                None => format!("b_login psql -X -q -v ON_ERROR_STOP=1{more} -d \"$b_db\""),
            };
            match (format, packer(target)) {
                (Some("d"), _) => format!("{call} \"$b_target\""),
                (_, None) => format!("{call} <\"$b_target\""),
                (_, Some(program)) => format!("{program} -dc <\"$b_target\" | {call}"),
            }
        };
        let _ = write!(text, "b_copy() {{ {run}; }}\ncapture b_copy");
        client.shell(host, args, "", "", &text).await?.map_err(Trouble::Wrong)?;
    }
    Ok(Outcome { changed: true, result, ..Outcome::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::playbook::modules::common::trial::args;

    fn plan(yaml: &str, now: Option<Value>) -> Result<Vec<String>, String> {
        let args = args(&POSTGRESQL_DB, yaml);
        let now = now.and_then(|now| now.as_object().cloned());
        there(now.as_ref(), &args, text(&args, "name").unwrap())
    }

    #[test]
    fn only_what_differs_is_said() {
        let now = json!({"name": "quay", "owner": "ann", "same_encoding": true, "encoding": "UTF8", "lc_collate": "C",
            "lc_ctype": "C", "conn_limit": -1, "tablespace": "pg_default", "comment": null});
        assert_eq!(plan("{name: quay}", Some(now.clone())).unwrap(), Vec::<String>::new());
        assert_eq!(
            plan("{name: quay, owner: ann, encoding: utf-8, conn_limit: -1, comment: ''}", Some(now.clone())).unwrap(),
            Vec::<String>::new()
        );
        assert_eq!(
            plan("{name: quay, owner: 'b\"b', conn_limit: 5, comment: \"it's\"}", Some(now.clone())).unwrap(),
            [
                "alter database \"quay\" owner to \"b\"\"b\"",
                "alter database \"quay\" connection limit 5",
                "comment on database \"quay\" is 'it''s'",
            ]
        );
        assert!(plan("{name: quay, lc_ctype: de_DE}", Some(now)).unwrap_err().contains("LC_CTYPE"));
        assert_eq!(
            plan("{name: quay, owner: ann, encoding: UTF-8, template: template0}", None).unwrap(),
            ["create database \"quay\" owner \"ann\" template \"template0\" encoding 'UTF-8'"]
        );
        assert_eq!(gone(None, "quay", true).unwrap(), Vec::<String>::new());
        assert_eq!(gone(Some(&Map::new()), "quay", true).unwrap().len(), 2);
    }
}
