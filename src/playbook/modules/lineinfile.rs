//! `lineinfile`: one line in a text file.

use super::common::{
    ATTRS, BACKUP_ARGS, FILE_ARGS, Step, VALIDATE_ARGS, WRITE, arg, args,
    edit::EDIT,
    ere::{self, Reader},
    flag, given, lines, listed,
    put::{PUT, validate},
    quote, required, text, with_default,
};
use super::talk::Talk;
use super::{Act, Arg, Args, Kind, Module, Scope, Script};
use serde_json::{Map, Value};

/// The module.
pub static LINEINFILE: Module = Module {
    name: "lineinfile",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "keeps one line of a text file as it shall be",
    args: args![
        Arg { aliases: &["dest", "destfile", "name"], ..required("path", Kind::Path, "the file") },
        Arg { choices: &["absent", "present"], ..with_default("state", Kind::Str, "present", "there or not") },
        Arg { aliases: &["value"], ..arg("line", Kind::Str, "the line") },
        Arg {
            aliases: &["regex"],
            ..arg("regexp", Kind::Str, "regular expression: the last line that matches is replaced")
        },
        arg("search_string", Kind::Str, "plain text to look for, in place of `regexp`"),
        with_default("backrefs", Kind::Bool, "false", "`line` may use what `regexp` captured; no match, no change"),
        arg("insertafter", Kind::Str, "where a new line goes: after the last match, or `EOF`"),
        arg("insertbefore", Kind::Str, "where a new line goes: before the last match, or `BOF`"),
        with_default("firstmatch", Kind::Bool, "false", "the first match counts, not the last"),
        with_default("create", Kind::Bool, "false", "make the file when it is not there"),
        arg("others", Kind::Raw, "accepted and ignored, as in Ansible");
        FILE_ARGS, BACKUP_ARGS, VALIDATE_ARGS
    ],
    free_form: None,
    act: Act::Shell { library: &[ATTRS, WRITE, TEXT, PUT, EDIT, SH], script },
};

/// Changing text files: what `lineinfile` and `blockinfile` share.
pub const TEXT: &str = include_str!("common/text.sh");
const SH: &str = include_str!("lineinfile.sh");

/// One line, as awk reads it from its parameters.
pub fn one_line(step: &mut Step, var: &str, what: &str, value: Option<&str>) -> Result<(), String> {
    if value.is_some_and(|value| value.contains('\n')) {
        return Err(format!("`{what}` must be one line; `blockinfile` takes several"));
    }
    step.set_opt(var, value).map(|_| ())
}

/// The attributes, the path and the other arguments that text-changing modules share.
pub fn text_file(step: &mut Step, args: &Args) -> Result<(), String> {
    step.set_path("b_path", text(args, "path").unwrap_or_default())?;
    step.attributes(args)?;
    step.set_flag("b_create", flag(args, "create"))
        .set_flag("b_backup", flag(args, "backup"))
        .set_flag("b_inplace", flag(args, "unsafe_writes"));
    validate(step, args)
}

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    let mut step = Step::new(scope);
    let (regexp, search, line) = (text(args, "regexp"), text(args, "search_string"), text(args, "line"));
    let backrefs = flag(args, "backrefs");
    if regexp.is_some() && search.is_some() {
        return Err("`regexp` and `search_string` exclude each other".to_owned());
    }
    if given(args, "insertafter") && given(args, "insertbefore") {
        return Err("`insertafter` and `insertbefore` exclude each other".to_owned());
    }
    if backrefs && regexp.is_none() {
        return Err("`backrefs` needs `regexp`".to_owned());
    }
    let absent = text(args, "state") == Some("absent");
    if absent && regexp.is_none() && search.is_none() && line.is_none() {
        return Err("`state: absent` needs `line`, `regexp` or `search_string`".to_owned());
    }
    if !absent && line.is_none() {
        return Err("`state: present` needs `line`".to_owned());
    }
    let empty = if regexp == Some("") {
        Some((
            "The regular expression",
            " If this is desired, use '^' to match every line in the file and avoid this warning.",
        ))
    } else {
        (search == Some("")).then_some(("The search string", ""))
    };
    if let Some((what, end)) = empty {
        let text = format!(
            "{what} is an empty string, which will match every line in the file. This may have unintended consequences, such as replacing the last line in the file rather than appending.{end}"
        );
        step.run(&format!("warn {}", quote(&text)?));
    }
    text_file(&mut step, args)?;
    if let Ok(script) = quick(step, args) {
        return Ok(script);
    }
    // What the host's tools cannot say is done here; wrong expressions are told now.
    lines::line("", args)?;
    Ok(Talk::new(|args, host| async move {
        let mine = args.clone();
        lines::lead(args, host, move |text| lines::line(text, &mine)).await
    })
    .script())
}

/// A list of diffs, and `backup`, as Ansible calls it.
fn told(args: &Args, result: &mut Map<String, Value>) {
    listed(args, result);
    let kept = result.get("backup_file").cloned().unwrap_or_else(|| "".into());
    result.insert("backup".to_owned(), kept);
}

/// The step for the host's awk and sed, or why they cannot do it.
fn quick(mut step: Step, args: &Args) -> Result<Script, String> {
    let (regexp, search, line) = (text(args, "regexp"), text(args, "search_string"), text(args, "line"));
    let backrefs = flag(args, "backrefs");
    // A line may end in one line break, as in Ansible; that is no second line.
    let line = line.map(|line| line.strip_suffix('\n').unwrap_or(line));
    one_line(&mut step, "b_line", "line", line)?;
    one_line(&mut step, "b_search", "search_string", search)?;
    step.set_flag("b_line_given", line.is_some()).set_flag("b_search_given", search.is_some());
    let re = regexp.map(|re| ere::translate(re, Reader::Awk)).transpose()?;
    step.set_opt("b_re", re.as_deref())?.set_flag("b_re_given", re.is_some());
    if text(args, "state") == Some("absent") {
        return Ok(step.run("b_line_absent").finish(told).done());
    }
    let line = line.unwrap_or_default();
    let (after, before) = (text(args, "insertafter"), text(args, "insertbefore"));
    let place = match (after, before) {
        (Some("BOF"), _) | (_, Some("BOF")) => "bof",
        (None, None) | (Some("EOF"), _) | (_, Some("EOF")) => "eof",
        (Some(_), _) => "after",
        (None, Some(_)) => "before",
    };
    let anchor = match place {
        "after" | "before" => Some(ere::translate(after.or(before).unwrap_or_default(), Reader::Awk)?),
        _ => None,
    };
    step.set("b_place", place)?.set_opt("b_anchor", anchor.as_deref())?;
    step.set_flag("b_first", flag(args, "firstmatch")).set_flag("b_backrefs", backrefs);
    if backrefs {
        let pattern = regexp.unwrap_or_default();
        if ere::is_lazy(pattern) {
            return Err(format!("`{pattern}` captures lazily, which the host's sed cannot; use a set such as `[^ ]*`"));
        }
        let from = ere::translate(pattern, Reader::Sed)?;
        let to = expansion(line, ere::groups(pattern))?;
        step.set("b_sed", &format!("s/{from}/\u{1}{to}\u{1}/;s/^[^\u{1}]*\u{1}//;s/\u{1}[^\u{1}]*$//"))?;
    }
    Ok(step.run("b_line_present").finish(told).done())
}

/// A replacement of Python's `re` as one of sed.
fn expansion(line: &str, groups: usize) -> Result<String, String> {
    let mut out = String::new();
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(digit @ '0'..='9') => {
                    let number = digit.to_digit(10).unwrap_or_default() as usize;
                    if number > groups || digit == '0' || chars.peek().is_some_and(char::is_ascii_digit) {
                        return Err(format!(
                            "`line` refers to group \\{digit}, but `regexp` has {groups}; at most 9 work"
                        ));
                    }
                    out.extend(['\\', digit]);
                }
                Some('g') => {
                    let name: String = chars.by_ref().skip(1).take_while(|c| *c != '>').collect();
                    match name.parse::<usize>() {
                        Ok(0) => out.push('&'),
                        Ok(number) if number <= groups.min(9) => {
                            out.push('\\');
                            out.push_str(&number.to_string());
                        }
                        _ => {
                            return Err(format!(
                                "`\\g<{name}>` in `line` is no group that the host's sed knows; use \\1 to \\9"
                            ));
                        }
                    }
                }
                Some('t') => out.push('\t'),
                Some('\\') => out.push_str("\\\\"),
                Some(other) if !other.is_ascii_alphanumeric() => {
                    out.push_str("\\\\");
                    if matches!(other, '&' | '/') {
                        out.push('\\');
                    }
                    out.push(other);
                }
                other => {
                    return Err(format!("`\\{}` in `line` means nothing", other.map_or(String::new(), String::from)));
                }
            },
            '&' | '/' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::LINEINFILE;
    use crate::playbook::modules::common::trial::{Trial, args};

    /// Before, the task, after; each must change nothing when run again, unless it says so.
    const CASES: [(&str, &str, &str); 26] = [
        ("a\nb\n", "line: c", "a\nb\nc\n"),
        ("a\nb\n", "line: b", "a\nb\n"),
        ("a\nb", "line: c", "a\nb\nc\n"),
        ("a\nb", "line: b", "a\nb\n"),
        ("", "line: c", "c\n"),
        ("#Max 6\nx\n", "regexp: '^#?Max', line: Max 4", "Max 4\nx\n"),
        ("Max 1\nMax 2\n", "regexp: '^Max', line: Max 9", "Max 1\nMax 9\n"),
        ("Max 1\nMax 2\n", "regexp: '^Max', line: Max 9, firstmatch: true", "Max 9\nMax 2\n"),
        ("a\nb\nc\n", "regexp: '^x', line: x, insertafter: '^a'", "a\nx\nb\nc\n"),
        ("a\nb\nc\n", "regexp: '^x', line: x, insertbefore: '^b'", "a\nx\nb\nc\n"),
        ("a\nb\na\n", "line: x, insertafter: '^a', firstmatch: true", "a\nx\nb\na\n"),
        ("a\nb\na\n", "line: x, insertafter: '^a'", "a\nb\na\nx\n"),
        ("a\nb\n", "line: x, insertafter: nothing", "a\nb\nx\n"),
        ("a\nb\n", "line: x, insertbefore: BOF", "x\na\nb\n"),
        ("a\nb\n", "line: x, insertafter: EOF", "a\nb\nx\n"),
        ("a\nb\nab\n", "state: absent, regexp: '^a'", "b\n"),
        ("a\nb\na\n", "state: absent, line: a", "b\n"),
        ("a.b\naxb\n", "state: absent, search_string: 'a.b'", "axb\n"),
        ("a.b\naxb\n", "search_string: 'a.b', line: new", "new\naxb\n"),
        (
            "key = old # c\n",
            "regexp: '^(key) *= *[a-z]+( # .*)$', line: '\\1 = n&w/\\2', backrefs: true",
            "key = n&w/ # c\n",
        ),
        ("nothing\n", "regexp: '^(key)', line: '\\1 = new', backrefs: true", "nothing\n"),
        (
            "a\n",
            "line: \"$(touch canary) `id` 'q' \\\"d\\\" \\\\n %s &\"",
            "a\n$(touch canary) `id` 'q' \"d\" \\n %s &\n",
        ),
        ("a\n", "line: '-n'", "a\n-n\n"),
        ("é\n", "regexp: 'é', line: ü", "ü\n"),
        ("a\nb\n", "line: '  b'", "a\nb\n  b\n"),
        ("one\n\n\n", "line: two", "one\n\n\ntwo\n"),
    ];

    #[test]
    fn the_line_is_where_ansible_puts_it_and_only_once() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            for (before, task, after) in CASES {
                trial.wipe();
                trial.write("f", before, 0o604);
                let task = args(&LINEINFILE, &format!("{{path: f, {task}}}"));
                let look = trial.check(shell, &LINEINFILE, &task);
                assert_eq!((trial.read("f").as_str(), look.changed), (before, before != after), "{task:?} {look:?}");
                let said = trial.run(shell, &LINEINFILE, &task);
                assert!(said.failed.is_none(), "{task:?} {said:?}");
                assert_eq!(
                    (trial.read("f").as_str(), said.changed),
                    (after, before != after),
                    "{shell:?} {task:?} {said:?}"
                );
                assert_eq!(trial.mode("f"), 0o604);
                if before != after && !before.contains("Max 1") {
                    assert_eq!((&said.diffs[0].1[..], &said.diffs[0].2[..]), (before, after));
                }
                let again = trial.run(shell, &LINEINFILE, &task);
                assert!(
                    !again.changed || task.0["line"] == "x" && task.0.contains_key("firstmatch"),
                    "{task:?} {again:?}"
                );
                assert!(!trial.path("canary").exists());
            }
        }
    }

    #[test]
    fn files_that_are_no_text_or_not_there_are_left_alone() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            trial.write("f", "a\0b\nc\n", 0o644);
            let said = trial.run(shell, &LINEINFILE, &args(&LINEINFILE, "{path: f, line: x}"));
            assert!(said.failed.unwrap().contains("NUL"));
            assert_eq!(trial.read("f"), "a\0b\nc\n");
            let lost = trial.run(shell, &LINEINFILE, &args(&LINEINFILE, "{path: g, line: x}"));
            assert!(lost.failed.unwrap().contains("does not exist"));
            let made =
                trial.run(shell, &LINEINFILE, &args(&LINEINFILE, "{path: g, line: x, create: true, mode: '0600'}"));
            assert!(made.changed, "{made:?}");
            assert_eq!((trial.read("g").as_str(), trial.mode("g")), ("x\n", 0o600));
            let gone = trial.run(shell, &LINEINFILE, &args(&LINEINFILE, "{path: nix, line: x, state: absent}"));
            assert!(!gone.changed && gone.failed.is_none());
            std::os::unix::fs::symlink("g", trial.path("l")).unwrap();
            assert!(trial.run(shell, &LINEINFILE, &args(&LINEINFILE, "{path: l, line: 'y'}")).changed);
            assert!(trial.path("l").is_symlink());
            assert_eq!(trial.read("g"), "x\ny\n");
        }
    }
}
