//! `replace`: all matches of a regular expression in a text file.
//!
//! Python's expressions are matched on the controller, so the file travels; nothing travels back when nothing matches.

use super::common::{
    ATTRS, BACKUP_ARGS, FILE_ARGS, VALIDATE_ARGS, WRITE, arg, args,
    edit::{self, EDIT},
    put::PUT,
    python::{Flags, check, compile, replace_all},
    required, text, with_default,
};
use super::talk::{Host, Talk, Trouble};
use super::{Act, Arg, Args, Kind, Module, Outcome, Scope, Script};
use fancy_regex::Regex;

/// The module.
pub static REPLACE: Module = Module {
    name: "replace",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "replaces all matches of a regular expression in a text file",
    args: args![
        Arg { aliases: &["dest", "destfile", "name"], ..required("path", Kind::Path, "the file") },
        required("regexp", Kind::Str, "regular expression, as Python's with `^` and `$` at every line"),
        with_default("replace", Kind::Str, "''", "what takes a match's place; `\\1` and `\\g<name>` are its groups"),
        arg("after", Kind::Str, "only what comes after the first match of this expression"),
        arg("before", Kind::Str, "only what comes before the first match of this expression"),
        with_default("encoding", Kind::Str, "utf-8", "only utf-8");
        FILE_ARGS, BACKUP_ARGS, VALIDATE_ARGS
    ],
    free_form: None,
    act: Act::Shell { library: &[ATTRS, WRITE, PUT, EDIT], script },
};

/// The expressions of a task.
#[derive(Clone)]
struct Want {
    regexp: Regex,
    section: Option<(String, Regex)>,
    to: String,
}

fn script(args: &Args, _: &Scope) -> Result<Script, String> {
    let encoding = text(args, "encoding").unwrap_or("utf-8");
    if !matches!(encoding.to_lowercase().as_str(), "utf-8" | "utf8" | "ascii" | "us-ascii") {
        return Err(format!("`encoding: {encoding}` is not supported; only utf-8 is"));
    }
    let given = |name: &str| text(args, name).filter(|value| !value.is_empty());
    let section = match (given("after"), given("before")) {
        (Some(after), Some(before)) => Some(format!("{after}(?P<subsection>.*?){before}")),
        (Some(after), None) => Some(format!("{after}(?P<subsection>.*)")),
        (None, Some(before)) => Some(format!("(?P<subsection>.*){before}")),
        (None, None) => None,
    };
    let section = section.map(|pattern| {
        let regex = compile(&pattern, Flags { multiline: false, dotall: true })?;
        Ok::<_, String>((pattern, regex))
    });
    let want = Want {
        regexp: compile(text(args, "regexp").unwrap_or_default(), Flags { multiline: true, dotall: false })?,
        section: section.transpose()?,
        to: text(args, "replace").unwrap_or_default().to_owned(),
    };
    Ok(Talk::new(move |args, host| talk(args, host, want.clone())).script())
}

async fn talk(args: Args, host: Host, want: Want) -> Result<Outcome, Trouble> {
    let file = edit::open(&host, &args).await?;
    let refusal = match file.kind.as_str() {
        "directory" => Some((256, format!("Path {} is a directory !", file.path))),
        "absent" => Some((257, format!("Path {} does not exist !", file.path))),
        // /dev/null is an empty text.
        "file" | "char" => None,
        other => Some((256, format!("`{}` is a {other}, no text file", file.path))),
    };
    if let Some((rc, message)) = refusal {
        let mut outcome = Outcome::failure(message);
        outcome.result.insert("rc".into(), rc.into());
        return Ok(outcome);
    }
    let (start, end) = match &want.section {
        None => (0, file.text.len()),
        Some((pattern, regex)) => {
            let found =
                regex.captures(&file.text).map_err(|why| format!("the regular expression takes too long: {why}"))?;
            let section = found.and_then(|captures| captures.name("subsection").map(|m| (m.start(), m.end())));
            let Some(section) = section else {
                let mut outcome = Outcome::default();
                let message = format!("Pattern for before/after params did not match the given file: {pattern}");
                outcome.result.insert("msg".into(), message.into());
                outcome.result.insert("rc".into(), 0.into());
                return Ok(outcome);
            };
            section
        }
    };
    check(&want.to, &want.regexp).map_err(|why| format!("Unable to process replace due to error: {why}"))?;
    let (middle, count) = replace_all(&want.regexp, &file.text[start..end], &want.to)
        .map_err(|why| format!("Unable to process replace due to error: {why}"))?;
    let new = format!("{}{middle}{}", &file.text[..start], &file.text[end..]);
    let mut outcome = edit::save(&host, &args, &file, new, &format!("{count} replacements made")).await?;
    outcome.result.insert("rc".into(), 0.into());
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::REPLACE;
    use crate::playbook::modules::common::trial::{Trial, args};

    #[test]
    fn matches_are_replaced_as_python_replaces_them() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            for (before, task, after) in [
                ("a 1\nb 2\n", r"regexp: '^(\w) (\d)$', replace: '\2 \1'", "1 a\n2 b\n"),
                ("x old y", r"regexp: '(?<=x )old', replace: 'new'", "x new y"),
                ("[a]\nk=1\n[b]\nk=1\n", r"after: '\[b\]', regexp: 'k=1', replace: 'k=2'", "[a]\nk=1\n[b]\nk=2\n"),
                ("k=1\n[b]\nk=1\n", r"before: '\[b\]', regexp: 'k=1', replace: 'k=2'", "k=2\n[b]\nk=1\n"),
                ("a\nb\nc\n", r"regexp: 'b\n'", "a\nc\n"),
                ("$(touch canary)'\"", r"regexp: 'touch', replace: '`touch canary`'", "$(`touch canary` canary)'\""),
                ("same", "regexp: 'nothing'", "same"),
            ] {
                trial.wipe();
                trial.write("f", before, 0o604);
                let task = args(&REPLACE, &format!("{{path: f, {task}}}"));
                let look = trial.check(shell, &REPLACE, &task);
                assert_eq!((trial.read("f").as_str(), look.changed), (before, before != after), "{look:?}");
                let said = trial.run(shell, &REPLACE, &task);
                assert_eq!((trial.read("f").as_str(), said.changed), (after, before != after), "{said:?}");
                assert_eq!(trial.mode("f"), 0o604);
                assert!(!trial.path("canary").exists());
                if before != after {
                    assert_eq!((&said.diffs[0].1[..], &said.diffs[0].2[..]), (before, after));
                    assert!(said.text("msg").contains("replacements made"));
                }
            }
        }
    }

    #[test]
    fn a_long_file_travels_in_pieces_and_a_missing_one_is_told() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            trial.write("f", &"one line of many\n".repeat(40_000), 0o644);
            let task = args(&REPLACE, "{path: f, regexp: many, replace: few, backup: true, mode: '0600'}");
            let said = trial.run(shell, &REPLACE, &task);
            assert!(said.changed && said.failed.is_none(), "{:?}", said.failed);
            assert_eq!(trial.read("f"), "one line of few\n".repeat(40_000));
            assert!(said.text("backup_file").contains("f."));
            assert_eq!(trial.mode("f"), 0o600);
            assert!(!trial.run(shell, &REPLACE, &task).changed);
            trial.write("f", "x", 0o644);
            assert!(trial.run(shell, &REPLACE, &task).changed, "the mode alone");
            let lost = trial.run(shell, &REPLACE, &args(&REPLACE, "{path: g, regexp: a}"));
            assert_eq!(lost.result["rc"], 257);
        }
    }
}
