//! `blockinfile`: a marked block of lines in a text file.

use super::common::{
    ATTRS, BACKUP_ARGS, FILE_ARGS, Step, VALIDATE_ARGS, WRITE, arg, args,
    edit::EDIT,
    ere::{self, Reader},
    flag, given, lines, listed,
    put::PUT,
    required, text, with_default,
};
use super::lineinfile::{TEXT, one_line, text_file};
use super::talk::Talk;
use super::{Act, Arg, Args, Kind, Module, Scope, Script};

/// The module.
pub static BLOCKINFILE: Module = Module {
    name: "blockinfile",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "keeps a block of lines between two marker lines",
    args: args![
        Arg { aliases: &["dest", "destfile", "name"], ..required("path", Kind::Path, "the file") },
        Arg { choices: &["absent", "present"], ..with_default("state", Kind::Str, "present", "there or not") },
        Arg { aliases: &["content"], ..with_default("block", Kind::Str, "''", "the lines; none removes the block") },
        with_default("marker", Kind::Str, "'# {mark} ANSIBLE MANAGED BLOCK'", "marker lines; `{mark}` is begin or end"),
        with_default("marker_begin", Kind::Str, "BEGIN", "what `{mark}` is before the block"),
        with_default("marker_end", Kind::Str, "END", "what `{mark}` is after the block"),
        arg("insertafter", Kind::Str, "where a new block goes: after the last match, or `EOF`"),
        arg("insertbefore", Kind::Str, "where a new block goes: before the last match, or `BOF`"),
        with_default("create", Kind::Bool, "false", "make the file when it is not there"),
        with_default("append_newline", Kind::Bool, "false", "a blank line after the block"),
        with_default("prepend_newline", Kind::Bool, "false", "a blank line before the block"),
        arg("encoding", Kind::Str, "only utf-8");
        FILE_ARGS, BACKUP_ARGS, VALIDATE_ARGS
    ],
    free_form: None,
    act: Act::Shell { library: &[ATTRS, WRITE, TEXT, PUT, EDIT, SH], script },
};

const SH: &str = include_str!("blockinfile.sh");

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    if given(args, "insertafter") && given(args, "insertbefore") {
        return Err("`insertafter` and `insertbefore` exclude each other".to_owned());
    }
    if text(args, "encoding").is_some_and(|name| !matches!(name, "utf-8" | "utf8" | "UTF-8")) {
        return Err("only `encoding: utf-8` is supported".to_owned());
    }
    let mut step = Step::new(scope);
    text_file(&mut step, args)?;
    let marker = text(args, "marker").unwrap_or_default();
    let begin = marker.replace("{mark}", text(args, "marker_begin").unwrap_or("BEGIN"));
    let end = marker.replace("{mark}", text(args, "marker_end").unwrap_or("END"));
    if begin == end {
        return Err(format!("both marker lines would be `{begin}`; put `{{mark}}` into `marker`"));
    }
    if let Ok(script) = quick(step, args, &begin, &end) {
        return Ok(script);
    }
    // What the host's tools cannot say is done here; wrong expressions are told now.
    lines::block("", args, &begin, &end)?;
    Ok(Talk::new(move |args, host| {
        let (begin, end) = (begin.clone(), end.clone());
        async move {
            let mine = args.clone();
            lines::lead(args, host, move |text| lines::block(text, &mine, &begin, &end)).await
        }
    })
    .script())
}

/// The step for the host's awk, or why it cannot do it.
fn quick(mut step: Step, args: &Args, begin: &str, end: &str) -> Result<Script, String> {
    one_line(&mut step, "b_begin", "marker", Some(begin))?;
    one_line(&mut step, "b_finish", "marker", Some(end))?;
    let present = text(args, "state") != Some("absent");
    let block = if present { text(args, "block").unwrap_or_default() } else { "" };
    let block = block.strip_suffix('\n').unwrap_or(block);
    if block.split('\n').any(|line| line == begin || line == end) {
        return Err("`block` holds one of its own marker lines".to_owned());
    }
    step.set("b_lines", &block.split('\n').count().to_string())?;
    step.set("b_block", block)?.set_flag("b_filled", present && !text(args, "block").unwrap_or_default().is_empty());
    let (after, before) = (text(args, "insertafter"), text(args, "insertbefore"));
    if after.or(before).is_some_and(|re| re.starts_with("(?")) {
        return Err("flags may let it go over several lines".to_owned());
    }
    let (place, anchor) = match (after, before) {
        (Some("BOF"), _) | (_, Some("BOF")) => ("bof", None),
        (None, None) | (Some("EOF"), _) | (_, Some("EOF")) => ("eof", None),
        (Some(re), _) => ("after", Some(ere::translate(re, Reader::Awk)?)),
        (None, Some(re)) => ("before", Some(ere::translate(re, Reader::Awk)?)),
    };
    step.set("b_place", place)?.set_opt("b_anchor", anchor.as_deref())?;
    step.set_flag("b_present", present)
        .set_flag("b_blank_after", present && flag(args, "append_newline"))
        .set_flag("b_blank_before", present && flag(args, "prepend_newline"));
    Ok(step.run("b_block_go").finish(listed).done())
}

#[cfg(test)]
mod tests {
    use super::BLOCKINFILE;
    use crate::playbook::modules::common::trial::{Trial, args};

    const CASES: [(&str, &str, &str); 12] = [
        ("a\n", "block: \"x\\ny\\n\"", "a\n# BEGIN m\nx\ny\n# END m\n"),
        ("a", "block: x", "a\n# BEGIN m\nx\n# END m\n"),
        ("", "block: x", "# BEGIN m\nx\n# END m\n"),
        ("a\n# BEGIN m\nold\n# END m\nb\n", "block: x", "a\n# BEGIN m\nx\n# END m\nb\n"),
        ("a\n# BEGIN m\nx\n# END m\nb\n", "block: x", "a\n# BEGIN m\nx\n# END m\nb\n"),
        ("a\n# BEGIN m\nx\n# END m\nb\n", "state: absent", "a\nb\n"),
        ("a\n# BEGIN m\nx\n# END m\nb", "block: ''", "a\nb"),
        ("a\nb\n", "block: x, insertafter: ^a", "a\n# BEGIN m\nx\n# END m\nb\n"),
        ("a\nb\n", "block: x, insertbefore: ^b", "a\n# BEGIN m\nx\n# END m\nb\n"),
        ("a\n", "block: x, insertbefore: BOF, append_newline: true", "# BEGIN m\nx\n# END m\n\na\n"),
        ("a\n", "block: x, prepend_newline: true", "a\n\n# BEGIN m\nx\n# END m\n"),
        (
            "a\n",
            "block: \"$(touch canary)\\n'`id`\\\\n\\n\\n z\"",
            "a\n# BEGIN m\n$(touch canary)\n'`id`\\n\n\n z\n# END m\n",
        ),
    ];

    #[test]
    fn the_block_is_where_ansible_puts_it_and_only_once() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            for (before, task, after) in CASES {
                trial.wipe();
                trial.write("f", before, 0o640);
                let task = args(&BLOCKINFILE, &format!("{{path: f, marker: '# {{mark}} m', {task}}}"));
                let look = trial.check(shell, &BLOCKINFILE, &task);
                assert_eq!((trial.read("f").as_str(), look.changed), (before, before != after), "{task:?} {look:?}");
                let said = trial.run(shell, &BLOCKINFILE, &task);
                assert_eq!(
                    (trial.read("f").as_str(), said.changed),
                    (after, before != after),
                    "{shell:?} {task:?} {said:?}"
                );
                let again = trial.run(shell, &BLOCKINFILE, &task);
                assert!(!again.changed && again.failed.is_none(), "{task:?} {again:?}");
                assert!(!trial.path("canary").exists());
            }
        }
    }
}
