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
use crate::playbook::template::Style;
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
        arg("output_encoding", Kind::Str, "in which the file is written: utf-8, windows-1252, iso-8859-2, …; default: utf-8"),
        with_default("trim_blocks", Kind::Bool, "true", "the line end after a statement goes"),
        with_default("lstrip_blocks", Kind::Bool, "false", "white space before a statement goes"),
        arg("block_start_string", Kind::Str, "before a statement; default: {%"),
        arg("block_end_string", Kind::Str, "after a statement; default: %}"),
        arg("variable_start_string", Kind::Str, "before an expression; default: {{"),
        arg("variable_end_string", Kind::Str, "after an expression; default: }}"),
        arg("comment_start_string", Kind::Str, "before a comment; default: {#"),
        arg("comment_end_string", Kind::Str, "after a comment; default: #}");
        FILE_ARGS, BACKUP_ARGS, VALIDATE_ARGS
    ],
    free_form: None,
    act: Act::Shell { library: &[ATTRS, WRITE, PUT], script },
};

/// How the template is written.
fn style(args: &Args) -> Style {
    let mut style = Style::default();
    let marks = [
        ("block_start_string", &mut style.block.0),
        ("block_end_string", &mut style.block.1),
        ("variable_start_string", &mut style.variable.0),
        ("variable_end_string", &mut style.variable.1),
        ("comment_start_string", &mut style.comment.0),
        ("comment_end_string", &mut style.comment.1),
    ];
    for (name, mark) in marks {
        if let Some(given) = text(args, name) {
            given.clone_into(mark);
        }
    }
    style.trim_blocks = args.0.get("trim_blocks") != Some(&false.into());
    style.lstrip_blocks = flag(args, "lstrip_blocks");
    let newline = match text(args, "newline_sequence") {
        Some("\r" | "\\r") => "\r",
        Some("\r\n" | "\\r\\n") => "\r\n",
        _ => "\n",
    };
    newline.clone_into(&mut style.newline);
    style
}

/// The text in another encoding than UTF-8.
fn encoded(text: String, name: Option<&str>) -> Result<Vec<u8>, String> {
    let Some(name) = name else { return Ok(text.into_bytes()) };
    let known = encoding_rs::Encoding::for_label(name.to_lowercase().replace('_', "-").as_bytes());
    // UTF-16 is read, never written, by those who made these tables.
    let Some(encoding) = known.filter(|known| known.output_encoding() == *known) else {
        return Err(format!("unknown encoding: {name}"));
    };
    match encoding.encode(&text) {
        (bytes, _, false) => Ok(bytes.into_owned()),
        _ => Err(format!("the rendered text has characters that `{name}` does not have")),
    }
}

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    let src = text(args, "src").unwrap_or_default();
    let path = find(src, "templates", scope)?;
    let made = (scope.render_file)(&path, src, text(args, "dest").unwrap_or_default(), style(args))?;
    let bytes = encoded(made, text(args, "output_encoding").filter(|name| !name.is_empty()))?;
    let mut args = args.clone();
    if text(&args, "mode") == Some("preserve") {
        let meta = path.metadata().map_err(|why| format!("cannot read `{}`: {why}", path.display()))?;
        args.0.insert("mode".to_owned(), format!("{:o}", meta.permissions().mode() & 0o7777).into());
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut step = Step::new(scope);
    step.attributes(&args)?;
    let dest = text(&args, "dest").unwrap_or_default();
    put(&mut step, &args, Put { dest, name: &name, source: Source::Bytes(bytes), key: "src" })?;
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
            trial.write("o.j2", "hello [[ who ]] {{ who }}\n", 0o640);
            let other =
                args(&TEMPLATE, "{src: d/o.j2, dest: out, variable_start_string: '[[', variable_end_string: ']]'}");
            assert!(trial.run(shell, &TEMPLATE, &other).failed.is_none());
            assert_eq!(trial.read("out"), "hello you {{ who }}\n");
            trial.write("e.j2", "é\n", 0o640);
            let other = args(&TEMPLATE, "{src: d/e.j2, dest: out, output_encoding: windows-1252}");
            assert!(trial.run(shell, &TEMPLATE, &other).failed.is_none());
            assert_eq!(std::fs::read(trial.path("out")).unwrap(), b"\xe9\n");
            let other = args(&TEMPLATE, "{src: d/e.j2, dest: out, output_encoding: koi8-r}");
            assert!(trial.run(shell, &TEMPLATE, &other).failed.unwrap().contains("does not have"));
            let other = args(&TEMPLATE, "{src: d/e.j2, dest: out, output_encoding: morse}");
            assert!(trial.run(shell, &TEMPLATE, &other).failed.unwrap().contains("unknown encoding"));
        }
    }
}
