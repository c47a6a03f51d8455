//! `ini_file`: options and sections of an INI file.

use super::common::{
    ATTRS, BACKUP_ARGS, FILE_ARGS, WRITE, arg, args,
    edit::{self, EDIT},
    flag, list,
    put::PUT,
    required, text, with_default,
};
use super::talk::{Host, Talk, Trouble};
use super::{Act, Arg, Args, Kind, Module, Outcome, Scope, Script};

/// The module.
pub static INI_FILE: Module = Module {
    name: "ini_file",
    collections: &["community.general"],
    summary: "keeps options of an INI file",
    args: args![
        Arg { aliases: &["dest"], ..required("path", Kind::Path, "the file") },
        arg("section", Kind::Str, "the section; none: what stands before the first one"),
        arg("option", Kind::Str, "the option; to remove, none means the whole section"),
        arg("value", Kind::Str, "its value"),
        arg("values", Kind::List, "its values, when it stands there several times"),
        Arg { choices: &["absent", "present"], ..with_default("state", Kind::Str, "present", "there or not") },
        with_default("exclusive", Kind::Bool, "true", "the option has these values and no others"),
        with_default("no_extra_spaces", Kind::Bool, "false", "no blanks around `=`"),
        with_default("ignore_spaces", Kind::Bool, "false", "a line that differs in blanks alone is well"),
        with_default("create", Kind::Bool, "true", "make the file when it is not there"),
        with_default("allow_no_value", Kind::Bool, "false", "an option without a value"),
        with_default("modify_inactive_option", Kind::Bool, "true", "put the option in the place of a commented one"),
        with_default("follow", Kind::Bool, "false", "accepted: links are followed"),
        arg("section_has_values", Kind::Raw, "not supported");
        FILE_ARGS, BACKUP_ARGS
    ],
    free_form: None,
    act: Act::Shell { library: &[ATTRS, WRITE, PUT, EDIT], script },
};

fn script(args: &Args, _: &Scope) -> Result<Script, String> {
    super::common::refuse(args, &["section_has_values"])?;
    if text(args, "value").is_some() && args.get("values").is_some() {
        return Err("parameters are mutually exclusive: value|values".to_owned());
    }
    let valued = text(args, "value").is_some() || args.get("values").is_some();
    let present = text(args, "state") != Some("absent");
    if present && text(args, "option").is_some() && !valued && !flag(args, "allow_no_value") {
        return Err("`value` or `values` must be given, or `allow_no_value: true`".to_owned());
    }
    Ok(Talk::new(talk).script())
}

async fn talk(args: Args, host: Host) -> Result<Outcome, Trouble> {
    let file = edit::open(&host, &args).await?;
    match file.kind.as_str() {
        "file" => {}
        "absent" if flag(&args, "create") && text(&args, "state") != Some("absent") => {}
        "absent" if text(&args, "state") == Some("absent") => return Ok(Outcome::default()),
        "absent" => {
            let mut outcome = Outcome::failure(format!("Destination {} does not exist!", file.path));
            outcome.result.insert("rc".into(), 257.into());
            return Ok(outcome);
        }
        other => return Err(format!("`{}` is a {other}, no text file", file.path).into()),
    }
    let (new, message) = edited(&file.text, &args);
    let mut outcome = edit::save(&host, &args, &file, new, message).await?;
    outcome.result.insert("path".into(), file.path.clone().into());
    Ok(outcome)
}

/// The name of a section's first line.
fn header(line: &str) -> Option<&str> {
    line.trim().strip_prefix('[')?.split(']').next()
}

/// The option of a line and its value; commented ones have the mark `true`.
fn option(line: &str) -> Option<(bool, &str, Option<&str>)> {
    let line = line.trim();
    let bare = line.trim_start_matches(['#', ';']);
    let inactive = bare.len() < line.len();
    let (name, value) = bare.split_once('=').map_or((bare, None), |(name, value)| (name, Some(value.trim())));
    let name = name.trim();
    (!name.is_empty() && !name.starts_with('[')).then_some((inactive, name, value))
}

/// What the file becomes, and what is said of it.
fn edited(now: &str, args: &Args) -> (String, &'static str) {
    let mut lines: Vec<String> = now.lines().map(|line| format!("{line}\n")).collect();
    let section = text(args, "section").filter(|section| !section.is_empty());
    let (from, to) = match section {
        None => (0, lines.iter().position(|line| header(line).is_some()).unwrap_or(lines.len())),
        Some(section) => match lines.iter().position(|line| header(line) == Some(section)) {
            Some(at) => {
                let end = lines[at + 1..].iter().position(|line| header(line).is_some());
                (at + 1, end.map_or(lines.len(), |n| at + 1 + n))
            }
            None => (usize::MAX, usize::MAX),
        },
    };
    let present = text(args, "state") != Some("absent");
    let values: Vec<Option<String>> = match (text(args, "value"), list(args, "values")) {
        (Some(value), _) => vec![Some(value.to_owned())],
        (None, Some(values)) => values.into_iter().map(Some).collect(),
        (None, None) => vec![None],
    };
    let name = text(args, "option").filter(|name| !name.is_empty());
    let write = |value: &Option<String>| match (name, value) {
        (Some(name), Some(value)) if flag(args, "no_extra_spaces") => format!("{name}={value}\n"),
        (Some(name), Some(value)) => format!("{name} = {value}\n"),
        (name, _) => format!("{}\n", name.unwrap_or_default()),
    };
    if from == usize::MAX {
        if !present {
            return (now.to_owned(), "");
        }
        lines.push(format!("[{}]\n", section.unwrap_or_default()));
        if name.is_some() {
            lines.extend(values.iter().map(write));
        }
        return (lines.concat(), if name.is_some() { "section and option added" } else { "section added" });
    }
    let Some(wanted) = name else {
        if present || section.is_none() {
            return (now.to_owned(), "");
        }
        lines.drain(from - 1..to);
        return (lines.concat(), "section removed");
    };
    let mut inside: Vec<String> = lines[from..to].to_vec();
    let is = |line: &String, comments: bool| {
        option(line).is_some_and(|(inactive, name, _)| name == wanted && (!inactive || comments))
    };
    let value_of = |line: &String| option(line).and_then(|(_, _, value)| value.map(str::to_owned));
    if !present {
        let any = values == [None] || flag(args, "exclusive");
        inside.retain(|line| !(is(line, false) && (any || values.contains(&value_of(line)))));
        let changed = inside.len() != to - from;
        lines.splice(from..to, inside);
        return (lines.concat(), if changed { "option changed" } else { "" });
    }
    let mut missing = values.clone();
    let mut keep = vec![true; inside.len()];
    // What is right already stays; with `ignore_spaces` whatever its blanks.
    for line in inside.iter_mut().filter(|line| is(line, false)) {
        if let Some(at) = missing.iter().position(|value| *value == value_of(line)) {
            let value = missing.remove(at);
            if !flag(args, "ignore_spaces") {
                *line = write(&value);
            }
        }
    }
    let right = |line: &String| values.contains(&value_of(line));
    let mut message = "option changed";
    for comments in [false, true] {
        if comments && !flag(args, "modify_inactive_option") {
            continue;
        }
        for (at, line) in inside.iter_mut().enumerate() {
            if !is(line, comments)
                || (!is(line, true) || option(line).is_some_and(|(inactive, ..)| inactive != comments))
            {
                continue;
            }
            if comments || !right(line) {
                if !comments && !flag(args, "exclusive") {
                    continue;
                }
                if missing.is_empty() {
                    keep[at] = comments || !flag(args, "exclusive");
                } else {
                    *line = write(&missing.remove(0));
                }
            }
        }
    }
    let mut keep = keep.into_iter();
    inside.retain(|_| keep.next().unwrap_or(true));
    if !missing.is_empty() {
        message = "option added";
        // Blank lines at the end of a section stay behind it.
        let at = inside.iter().rposition(|line| !line.trim().is_empty()).map_or(0, |at| at + 1);
        inside.splice(at..at, missing.iter().map(write));
    }
    lines.splice(from..to, inside);
    (lines.concat(), message)
}

#[cfg(test)]
mod tests {
    use super::INI_FILE;
    use crate::playbook::modules::common::trial::{Trial, args};

    #[test]
    fn options_come_change_and_go() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            for (before, task, after) in [
                ("", "section: a, option: k, value: v", "[a]\nk = v\n"),
                ("[a]\nk=1\n\n[b]\nk=1\n", "section: b, option: k, value: '2'", "[a]\nk=1\n\n[b]\nk = 2\n"),
                ("[a]\nk=1\n\n[b]\n", "section: a, option: new, value: x", "[a]\nk=1\nnew = x\n\n[b]\n"),
                ("[a]\n#k = 1\n", "section: a, option: k, value: '$(id)'", "[a]\nk = $(id)\n"),
                ("[a]\nk=1\n", "section: a, option: k, value: '1', ignore_spaces: true", "[a]\nk=1\n"),
                ("[a]\nk = 1\n", "section: a, option: k, value: '1', no_extra_spaces: true", "[a]\nk=1\n"),
                ("x = 1\n[a]\n", "option: x, value: '2'", "x = 2\n[a]\n"),
                ("[a]\nk = 1\nk = 2\n", "section: a, option: k, values: ['1', '3']", "[a]\nk = 1\nk = 3\n"),
                ("[a]\nk = 1\n", "section: a, option: k, values: ['2'], exclusive: false", "[a]\nk = 1\nk = 2\n"),
                ("[a]\nk = 1\nl = 2\n", "section: a, option: k, state: absent", "[a]\nl = 2\n"),
                ("[a]\nk = 1\n[b]\n", "section: a, state: absent", "[b]\n"),
                ("[a]\n", "section: a, option: flag, allow_no_value: true", "[a]\nflag\n"),
            ] {
                trial.wipe();
                trial.write("f", before, 0o640);
                let task = args(&INI_FILE, &format!("{{path: f, {task}}}"));
                let look = trial.check(shell, &INI_FILE, &task);
                assert_eq!((trial.read("f").as_str(), look.changed), (before, before != after), "{task:?} {look:?}");
                let said = trial.run(shell, &INI_FILE, &task);
                assert_eq!((trial.read("f").as_str(), said.changed), (after, before != after), "{task:?} {said:?}");
                let again = trial.run(shell, &INI_FILE, &task);
                assert!(!again.changed && again.failed.is_none(), "{task:?} {again:?}");
            }
            let new = trial.run(
                shell,
                &INI_FILE,
                &args(&INI_FILE, "{path: g, section: s, option: o, value: v, mode: '0600'}"),
            );
            assert!(new.changed && trial.mode("g") == 0o600, "{new:?}");
            let not = trial.run(
                shell,
                &INI_FILE,
                &args(&INI_FILE, "{path: h, section: s, option: o, value: v, create: false}"),
            );
            assert!(not.failed.unwrap().contains("does not exist"));
        }
    }
}
