//! `mysql_db`: databases of `MySQL` and `MariaDB`.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::{
    Client,
    mysql::{COLLECTIONS, LOGIN, client, literal, name, quoted, rows},
    packer, words,
};
use crate::playbook::modules::{
    Act, Arg, Args, Kind, Module, Outcome, Scope, Script,
    common::{arg, args, flag, list, one_of, quote, quote_path, refuse, text, with_default},
    talk::{Host, Talk, Trouble},
};

/// The module.
pub static MYSQL_DB: Module = Module {
    name: "mysql_db",
    collections: COLLECTIONS,
    summary: "makes, drops, dumps and fills databases of MySQL and MariaDB",
    args: args![
        Arg { aliases: &["db"], required: true, ..arg("name", Kind::List, "the databases; `all` for dump and import") },
        one_of("state", "present", &["absent", "dump", "import", "present"], "there, gone, or what to do"),
        with_default("encoding", Kind::Str, "\"\"", "the character set of a new one"),
        with_default("collation", Kind::Str, "\"\"", "the order of texts in a new one"),
        arg("target", Kind::Path, "the file of a dump; `.gz`, `.bz2`, `.xz` and `.zst` are packed"),
        with_default("single_transaction", Kind::Bool, "false", "dump in one transaction"),
        with_default("quick", Kind::Bool, "true", "dump row by row"),
        with_default("ignore_tables", Kind::List, "[]", "tables left out of a dump: `db.table`"),
        with_default("hex_blob", Kind::Bool, "false", "dump binary columns in hexadecimal"),
        with_default("force", Kind::Bool, "false", "go on after errors of a dump or an import"),
        with_default("master_data", Kind::Int, "0", "1 or 2: with the place in the log"),
        with_default("skip_lock_tables", Kind::Bool, "false", "dump without locks"),
        arg("dump_extra_args", Kind::Str, "further options for the dump"),
        with_default("use_shell", Kind::Bool, "false", "accepted: a dump that breaks off always fails"),
        with_default("pipefail", Kind::Bool, "false", "accepted: a dump that breaks off always fails"),
        with_default("unsafe_login_password", Kind::Bool, "false", "accepted: the password is in no argument"),
        with_default("restrict_config_file", Kind::Bool, "false", "accepted: no other file is read"),
        with_default("config_overrides_defaults", Kind::Bool, "false", "accepted: the file counts where the task is silent"),
        with_default("sql_log_bin", Kind::Bool, "true", "write changes into the server's log"),
        arg("chdir", Kind::Path, "not supported; write the whole path of `target`");
        LOGIN
    ],
    free_form: None,
    act: Act::Shell { library: &[], script },
};

fn names(args: &Args) -> Vec<String> {
    list(args, "name").unwrap_or_default().iter().map(|name| name.trim().to_owned()).collect()
}

fn script(args: &Args, _: &Scope) -> Result<Script, String> {
    refuse(args, &["chdir"])?;
    let names = names(args);
    for one in &names {
        name(one)?;
    }
    let state = text(args, "state").unwrap_or_default();
    let all = names.iter().any(|name| name == "all");
    if all && names.len() > 1 {
        return Err("'all' cannot be combined with other databases".to_owned());
    }
    if all && matches!(state, "present" | "absent") {
        return Err(format!("'all' is no database that can be {state}"));
    }
    if matches!(state, "dump" | "import") && text(args, "target").unwrap_or_default().is_empty() {
        return Err(format!("with state={state} target is required"));
    }
    if state == "import" && names.len() > 1 {
        return Err("Multiple databases are not supported with state=import".to_owned());
    }
    client(args)?;
    Ok(Talk::new(talk).script())
}

async fn talk(args: Args, host: Host) -> Result<Outcome, Trouble> {
    let mut client = client(&args)?;
    if !flag(&args, "sql_log_bin") {
        client.before.push_str("set sql_log_bin = 0;\n");
    }
    let names = names(&args);
    let shown: Vec<Value> = names.iter().map(|name| name.as_str().into()).collect();
    let result =
        Map::from_iter([("db".to_owned(), names.join(" ").into()), ("db_list".to_owned(), Value::Array(shown))]);
    let state = text(&args, "state").unwrap_or_default();
    let all = names.iter().any(|name| name == "all");
    let wanted: Result<Vec<String>, String> = names.iter().map(|name| literal(name)).collect();
    let look =
        format!("select schema_name from information_schema.schemata where schema_name in ({});", wanted?.join(", "));
    let there = rows(&client.ask(&host, &args, "", &look).await?);
    let there: Vec<String> = there.into_iter().filter_map(|row| row.into_iter().next()).collect();
    match state {
        "dump" => {
            let lost: Vec<&str> =
                names.iter().filter(|name| !all && !there.contains(name)).map(String::as_str).collect();
            if !lost.is_empty() {
                return Err(format!("Cannot dump database(s) {} - not found", lost.join(", ")).into());
            }
            dump(&client, &args, &host, &names, all, result).await
        }
        "import" => {
            if !all && !there.contains(&names[0]) {
                let made = statements(&args, &names, &there)?;
                client.apply(&host, &args, "", &made, Map::new()).await?;
            }
            import(&client, &args, &host, if all { "" } else { &names[0] }, result).await
        }
        _ => client.apply(&host, &args, "", &statements(&args, &names, &there)?, result).await,
    }
}

/// The statements for databases of which some are there.
fn statements(args: &Args, names: &[String], there: &[String]) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    for one in names {
        let is = there.contains(one);
        if text(args, "state") == Some("absent") {
            if is {
                found.push(format!("drop database {}", name(one)?));
            }
        } else if !is {
            let mut create = format!("create database {}", name(one)?);
            for (words, key) in [("character set", "encoding"), ("collate", "collation")] {
                if let Some(value) = text(args, key).filter(|value| !value.is_empty()) {
                    let _ = write!(create, " {words} {}", literal(value)?);
                }
            }
            found.push(create);
        }
    }
    Ok(found)
}

async fn dump(
    client: &Client,
    args: &Args,
    host: &Host,
    names: &[String],
    all: bool,
    result: Map<String, Value>,
) -> Result<Outcome, Trouble> {
    if !host.scope.check {
        let target = text(args, "target").unwrap_or_default();
        let mut options = String::from(if flag(args, "quick") { " --quick" } else { " --skip-quick" });
        for (name, option) in [
            ("single_transaction", " --single-transaction=true"),
            ("hex_blob", " --hex-blob"),
            ("force", " --force"),
            ("skip_lock_tables", " --skip-lock-tables"),
        ] {
            if flag(args, name) {
                options.push_str(option);
            }
        }
        if let Some(kind) = args.int("master_data").filter(|kind| *kind > 0) {
            let _ = write!(options, " --master-data={kind}");
        }
        for table in list(args, "ignore_tables").unwrap_or_default() {
            let _ = write!(options, " {}", quote(&format!("--ignore-table={table}"))?);
        }
        options.push_str(&words(text(args, "dump_extra_args").unwrap_or_default())?);
        let what = if all { " --all-databases".to_owned() } else { format!(" --databases{}", quoted(names)?) };
        let pack = packer(target).map_or_else(String::new, |program| {
            format!(" && {program} <\"$b_target.berth\" >\"$b_target.packed\" && mv -f -- \"$b_target.packed\" \"$b_target.berth\"")
        });
        // A dump that breaks off leaves the old one alone.
        let text = format!(
            "b_target={}\nb_copy() {{ (umask 077; b_login \"$b_dump\"{options}{what} >\"$b_target.berth\"{pack} && mv -f -- \"$b_target.berth\" \"$b_target\"); b_rc=$?; rm -f -- \"$b_target.berth\" \"$b_target.packed\"; return \"$b_rc\"; }}\ncapture b_copy",
            quote_path(target)?
        );
        client.shell(host, args, "", "", &text).await?.map_err(Trouble::Wrong)?;
    }
    Ok(Outcome { changed: true, result, ..Outcome::default() })
}

async fn import(
    client: &Client,
    args: &Args,
    host: &Host,
    db: &str,
    result: Map<String, Value>,
) -> Result<Outcome, Trouble> {
    if !host.scope.check {
        let target = text(args, "target").unwrap_or_default();
        let force = if flag(args, "force") { " --force" } else { "" };
        let call = format!("b_login \"$b_client\"{force} ${{b_database:+\"$b_database\"}}");
        let run = match packer(target) {
            Some(program) => format!("{program} -dc <\"$b_target\" | {call}"),
            None => format!("{call} <\"$b_target\""),
        };
        let text = format!(
            "b_target={}\n[ -r \"$b_target\" ] || fail \"target $b_target does not exist on the host\"\nb_copy() {{ {run}; }}\ncapture b_copy",
            quote_path(target)?
        );
        client.shell(host, args, db, "", &text).await?.map_err(Trouble::Wrong)?;
    }
    Ok(Outcome { changed: true, result, ..Outcome::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::playbook::modules::common::trial::args;

    #[test]
    fn only_what_is_missing_is_made() {
        let plan = |yaml: &str| {
            let args = args(&MYSQL_DB, yaml);
            statements(&args, &names(&args), &["quay".to_owned()]).unwrap()
        };
        assert_eq!(plan("{name: quay}"), Vec::<String>::new());
        assert_eq!(
            plan("{name: [quay, 'a`b'], encoding: utf8mb4, collation: utf8mb4_bin}"),
            ["create database `a``b` character set 'utf8mb4' collate 'utf8mb4_bin'"]
        );
        assert_eq!(plan("{name: 'quay,pier', state: absent}"), ["drop database `quay`"]);
    }
}
