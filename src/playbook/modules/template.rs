//! `template`: a Jinja2 file of the controller, rendered, on the host.

use super::common::{
    ATTRS, BACKUP_ARGS, FILE_ARGS, Step, VALIDATE_ARGS, WRITE, arg, args,
    beside::Source,
    flag, listed,
    put::{PUT, Put, put},
    required, text, with_default,
};
use super::copy::find;
use super::{Act, Arg, Args, Kind, Module, Scope, Script};
use std::os::unix::fs::PermissionsExt;

/// The module.
pub static TEMPLATE: Module = Module {
    name: "template",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "puts a rendered Jinja2 file on the host",
    args: args![
        required("src", Kind::Str, "the template, on the controller"),
        required("dest", Kind::Path, "where it goes"),
        with_default("force", Kind::Bool, "true", "replace what differs; false: only put what is not there"),
        with_default("follow", Kind::Bool, "false", "write through a symbolic link at `dest`"),
        Arg {
            choices: &["\n", "\r", "\r\n", "\\n", "\\r", "\\r\\n"],
            ..arg("newline_sequence", Kind::Str, "how lines end; default: a line feed")
        },
        arg("output_encoding", Kind::Str, "only utf-8"),
        with_default("trim_blocks", Kind::Bool, "true", "only true: the line end after a block is removed"),
        with_default("lstrip_blocks", Kind::Bool, "false", "only false"),
        arg("block_start_string", Kind::Str, "only {%"),
        arg("block_end_string", Kind::Str, "only %}"),
        arg("variable_start_string", Kind::Str, "only {{"),
        arg("variable_end_string", Kind::Str, "only }}"),
        arg("comment_start_string", Kind::Str, "only {#"),
        arg("comment_end_string", Kind::Str, "only #}");
        FILE_ARGS, BACKUP_ARGS, VALIDATE_ARGS
    ],
    free_form: None,
    act: Act::Shell { library: &[ATTRS, WRITE, PUT], script },
};

/// What the engine renders with; anything else is refused rather than rendered wrongly.
const FIXED: [(&str, &[&str]); 7] = [
    ("output_encoding", &["utf-8", "utf8", "UTF-8"]),
    ("block_start_string", &["{%"]),
    ("block_end_string", &["%}"]),
    ("variable_start_string", &["{{"]),
    ("variable_end_string", &["}}"]),
    ("comment_start_string", &["{#"]),
    ("comment_end_string", &["#}"]),
];

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    for (name, allowed) in FIXED {
        if let Some(value) = text(args, name).filter(|value| !allowed.contains(value)) {
            return Err(format!("`{name}: {value}` is not supported; only `{}` is", allowed[0]));
        }
    }
    if flag(args, "lstrip_blocks") || args.0.get("trim_blocks") == Some(&false.into()) {
        return Err("only `trim_blocks: true` with `lstrip_blocks: false` is supported; use `{%-` and `-%}`".to_owned());
    }
    let src = text(args, "src").unwrap_or_default();
    let path = find(src, "templates", scope)?;
    let source = std::fs::read_to_string(&path)
        .map_err(|why| format!("cannot read the template `{}`: {why}", path.display()))?;
    let rendered = (scope.render)(&source).map_err(|why| format!("{}: {why}", path.display()))?;
    let bytes = match text(args, "newline_sequence") {
        Some("\r" | "\\r") => rendered.replace('\n', "\r"),
        Some("\r\n" | "\\r\\n") => rendered.replace("\r\n", "\n").replace('\n', "\r\n"),
        _ => rendered,
    };
    let mut args = args.clone();
    if text(&args, "mode") == Some("preserve") {
        let meta = path.metadata().map_err(|why| format!("cannot read `{}`: {why}", path.display()))?;
        args.0.insert("mode".to_owned(), format!("{:o}", meta.permissions().mode() & 0o7777).into());
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut step = Step::new(scope);
    step.attributes(&args)?;
    let dest = text(&args, "dest").unwrap_or_default();
    put(&mut step, &args, Put { dest, name: &name, source: Source::Bytes(bytes.into_bytes()), key: "src" })?;
    Ok(step.finish(listed).done())
}

#[cfg(test)]
mod tests {
    use super::TEMPLATE;
    use crate::playbook::modules::common::trial::{Trial, args};

    #[test]
    fn the_rendered_text_is_put_once() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            trial.write("t.j2", "hello {{ who }}\n", 0o640);
            let task = args(&TEMPLATE, "{src: d/t.j2, dest: out, mode: preserve, newline_sequence: \"\\r\\n\"}");
            let first = trial.run(shell, &TEMPLATE, &task);
            assert!(first.changed && first.failed.is_none(), "{first:?}");
            assert_eq!((trial.read("out").as_str(), trial.mode("out")), ("hello you\r\n", 0o640));
            assert!(!trial.run(shell, &TEMPLATE, &task).changed);
            let lost = trial.run(shell, &TEMPLATE, &args(&TEMPLATE, "{src: nowhere.j2, dest: out}"));
            assert!(lost.failed.unwrap().contains("cannot find `nowhere.j2`; looked at"));
            let other = args(&TEMPLATE, "{src: d/t.j2, dest: out, variable_start_string: '[['}");
            assert!(trial.run(shell, &TEMPLATE, &other).failed.unwrap().contains("only `{{` is"));
        }
    }
}
