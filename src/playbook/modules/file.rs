//! `file`: files, folders and links as they shall be.

use super::common::{ATTRS, FILE_ARGS, Step, WRITE, arg, args, flag, given, text, with_default};
use super::{Act, Arg, Args, Kind, Module, Scope, Script};
use serde_json::{Map, Value};

/// The module.
pub static FILE: Module = Module {
    name: "file",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "makes or removes files, folders and links, and sets their owner and mode",
    args: args![
        Arg { aliases: &["dest", "name"], ..super::common::required("path", Kind::Path, "what to look after") },
        Arg {
            choices: &["absent", "directory", "file", "hard", "link", "touch"],
            ..arg("state", Kind::Str, "what it shall be; default: what it is")
        },
        arg("src", Kind::Path, "what a link points to"),
        with_default("recurse", Kind::Bool, "false", "owner, group and mode for all below a folder, too"),
        with_default("force", Kind::Bool, "false", "links: even to nothing, and in place of a file"),
        with_default("follow", Kind::Bool, "true", "owner and mode go to what a link points to"),
        arg("access_time", Kind::Str, "`preserve` or `now`"),
        arg("access_time_format", Kind::Str, "how `access_time` is written; default: `%Y%m%d%H%M.%S`"),
        arg("modification_time", Kind::Str, "`preserve` or `now`"),
        arg("modification_time_format", Kind::Str, "how `modification_time` is written"),
        arg("_diff_peek", Kind::Bool, "accepted and ignored");
        FILE_ARGS
    ],
    free_form: None,
    act: Act::Shell { library: &[ATTRS, WRITE, SH], script },
};

const SH: &str = include_str!("file.sh");

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    let state = text(args, "state").unwrap_or_default();
    let linking = matches!(state, "link" | "hard");
    if given(args, "src") && !linking && !state.is_empty() {
        return Err("src option requires state to be 'link' or 'hard'".to_owned());
    }
    if flag(args, "recurse") && !matches!(state, "directory" | "") {
        return Err("recurse option requires state to be 'directory'".to_owned());
    }
    let mut step = Step::new(scope);
    for (name, var) in [("access_time", "b_atime"), ("modification_time", "b_mtime")] {
        let time = text(args, name);
        let usual = if state == "touch" { "now" } else { "preserve" };
        match time {
            None | Some("") => step.set(var, usual)?,
            Some(word @ ("preserve" | "now")) => step.set(var, word)?,
            Some(time) => {
                let format = text(args, &format!("{name}_format")).unwrap_or("%Y%m%d%H%M.%S");
                step.set(
                    var,
                    &stamp(time, format).map_err(|why| format!("`{name}: {time}` is not `{format}`: {why}"))?,
                )?
            }
        };
    }
    step.set_path("b_path", text(args, "path").unwrap_or_default())?;
    match text(args, "src") {
        Some(src) => step.set_path("b_src", src)?,
        None => step.set("b_src", "")?,
    };
    step.attributes(args)?
        .set_flag("b_recurse", flag(args, "recurse"))
        .set_flag("b_force", flag(args, "force"))
        .set_flag("b_follow", !given(args, "follow") || flag(args, "follow"));
    let verb = match (state, flag(args, "recurse")) {
        ("", true) => "directory",
        ("", false) => "as_is",
        (state, _) => state,
    };
    step.run("b_parts=$DIFF\nb_given=$b_path\n[ -z \"$DIFF\" ] || b_d path \"$b_given\" \"$b_given\"");
    if scope.check && state != "absent" {
        step.run("b_file_known");
    }
    Ok(step.run(&format!("b_file_{verb}")).finish(finish).done())
}

/// What the path was and is, as one diff.
fn finish(_: &Args, result: &mut Map<String, Value>) {
    let mut diff = Map::new();
    for side in ["before", "after"] {
        let prefix = format!("{side}.");
        let keys: Vec<String> = result.keys().filter(|key| key.starts_with(&prefix)).cloned().collect();
        let mut part = Map::new();
        for key in keys {
            let value = result.shift_remove(&key).unwrap_or_default();
            part.insert(key[prefix.len()..].to_owned(), value);
        }
        if !part.is_empty() {
            diff.insert(side.to_owned(), part.into());
        }
    }
    let mut content = Map::new();
    for name in ["directories", "files"] {
        if let Some(Value::String(text)) = result.shift_remove(&format!("content.{name}")) {
            content.insert(name.to_owned(), text.lines().map(Value::from).collect());
        }
    }
    if let (false, Some(before)) = (content.is_empty(), diff.get_mut("before").and_then(Value::as_object_mut)) {
        before.insert("path_content".to_owned(), content.into());
    }
    if !diff.is_empty() {
        result.insert("diff".to_owned(), diff.into());
    }
}

/// A time as `touch -t` takes it.
fn stamp(time: &str, format: &str) -> Result<String, String> {
    let read = jiff::fmt::strtime::parse(format, time).map_err(|why| why.to_string())?;
    let time = read.to_datetime().or_else(|_| read.to_date().map(|date| date.at(0, 0, 0, 0)));
    Ok(time.map_err(|why| why.to_string())?.strftime("%Y%m%d%H%M.%S").to_string())
}

#[cfg(test)]
mod tests {
    use super::FILE;
    use crate::playbook::modules::common::trial::{Trial, args};

    #[test]
    fn a_folder_with_its_parents_is_made_once() {
        let trial = Trial::new();
        let task = args(&FILE, &format!("{{path: {}/a b/c, state: directory, mode: '2750'}}", trial.at()));
        for shell in Trial::SHELLS {
            trial.wipe();
            let check = trial.check(shell, &FILE, &task);
            assert!(check.changed && !trial.path("a b").exists(), "{check:?}");
            let first = trial.run(shell, &FILE, &task);
            assert!(first.changed, "{first:?}");
            assert_eq!(first.text("mode"), "02750");
            assert_eq!(trial.mode("a b"), 0o2750, "new parents get the mode, too");
            let again = trial.run(shell, &FILE, &task);
            assert!(!again.changed && again.failed.is_none(), "{again:?}");
            assert_eq!(again.text("state"), "directory");
        }
    }

    #[test]
    fn symbolic_modes_add_up() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            for (now, spec, then) in [
                (0o600, "u=rwX,g-w,o=", 0o600),
                (0o700, "u=rwX,go=rX", 0o755),
                (0o644, "a+x", 0o755),
                (0o644, "g=u,o-r", 0o660),
                (0o755, "u+s,g+s,o+t", 0o7755),
                (0o7755, "u-s,g=rx,o-t", 0o755),
            ] {
                trial.wipe();
                trial.write("f", "x", now);
                let task = args(&FILE, &format!("{{path: {}/f, mode: '{spec}'}}", trial.at()));
                let answer = trial.run(shell, &FILE, &task);
                assert_eq!((trial.mode("f"), answer.changed), (then, now != then), "{shell:?} {spec} {answer:?}");
            }
        }
    }

    #[test]
    fn links_are_made_turned_and_left_alone() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            trial.write("one", "1", 0o644);
            trial.write("two", "2", 0o644);
            let link = |to: &str| args(&FILE, &format!("{{src: '{0}/{to}', path: '{0}/l', state: link}}", trial.at()));
            assert!(trial.run(shell, &FILE, &link("one")).changed);
            assert!(!trial.run(shell, &FILE, &link("one")).changed);
            assert!(trial.run(shell, &FILE, &link("two")).changed);
            assert_eq!(std::fs::read_to_string(trial.path("l")).unwrap(), "2");
            let broken = trial.run(shell, &FILE, &link("nothing"));
            assert!(broken.failed.unwrap().contains("does not exist"));
            let in_the_way = args(&FILE, &format!("{{src: '{0}/one', path: '{0}/two', state: link}}", trial.at()));
            assert!(trial.run(shell, &FILE, &in_the_way).failed.unwrap().contains("force"));
        }
    }

    #[test]
    fn absent_removes_the_link_and_not_what_it_points_to() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            std::fs::create_dir(trial.path("kept")).unwrap();
            trial.write("kept/x", "x", 0o644);
            std::os::unix::fs::symlink(trial.path("kept"), trial.path("l")).unwrap();
            let gone = args(&FILE, &format!("{{path: {}/l, state: absent}}", trial.at()));
            assert!(trial.run(shell, &FILE, &gone).changed);
            assert!(trial.path("kept/x").exists() && !trial.path("l").is_symlink());
            assert!(!trial.run(shell, &FILE, &gone).changed);
            let root = trial.run(shell, &FILE, &args(&FILE, "{path: '/..//', state: absent}"));
            assert!(root.failed.unwrap().contains("root"));
        }
    }

    #[test]
    fn touch_hard_and_recurse() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            let touch = args(
                &FILE,
                &format!(
                    "{{path: {}/t, state: touch, access_time: preserve, modification_time: preserve}}",
                    trial.at()
                ),
            );
            assert!(trial.run(shell, &FILE, &touch).changed);
            assert!(!trial.run(shell, &FILE, &touch).changed);
            let hard = args(&FILE, &format!("{{src: '{0}/t', path: '{0}/h', state: hard}}", trial.at()));
            assert!(trial.run(shell, &FILE, &hard).changed);
            assert!(!trial.run(shell, &FILE, &hard).changed);
            std::fs::create_dir_all(trial.path("d/e")).unwrap();
            trial.write("d/e/a\nb", "x", 0o600);
            trial.write("d/.hidden", "x", 0o600);
            let deep = args(
                &FILE,
                &format!("{{path: {}/d, state: directory, recurse: true, mode: 'u=rwX,go=rX'}}", trial.at()),
            );
            assert!(trial.run(shell, &FILE, &deep).changed);
            assert_eq!((trial.mode("d/e/a\nb"), trial.mode("d/.hidden"), trial.mode("d/e")), (0o644, 0o644, 0o755));
            assert!(!trial.run(shell, &FILE, &deep).changed);
        }
    }

    #[test]
    fn hostile_paths_are_only_names() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            for name in ["$(touch canary)", "`touch canary`", "a'b\"c", "-rf", "new\nline", "; touch canary", "*"] {
                trial.wipe();
                let mut task = args(&FILE, "{path: x, state: directory}");
                task.0.insert("path".to_owned(), format!("{}/{name}", trial.at()).into());
                let made = trial.run(shell, &FILE, &task);
                assert!(made.changed && trial.path(name).is_dir(), "{name:?} {made:?}");
                assert!(!trial.run(shell, &FILE, &task).changed, "{name:?}");
                task.0.insert("state".to_owned(), "absent".into());
                assert!(trial.run(shell, &FILE, &task).changed);
                assert!(!trial.path(name).exists() && !trial.path("canary").exists());
            }
        }
    }
}
