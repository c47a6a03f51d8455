//! `copy`: files from the controller, from text, or from elsewhere on the host.

use super::common::{
    ATTRS, BACKUP_ARGS, FILE_ARGS, Step, VALIDATE_ARGS, WRITE, arg, args,
    beside::{INSIDE, Source, TEXT},
    flag, listed, mode,
    put::{PUT, Put, put, validate},
    text, with_default,
};
use super::{Act, Args, Kind, Module, Scope, Script};
use crate::playbook::vault::{Keys, is_vault};
use serde_json::Value;
use std::{
    io::Read as _,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// The module.
pub static COPY: Module = Module {
    name: "copy",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "puts a file or a folder on the host",
    args: args![
        arg("src", Kind::Str, "file or folder on the controller; with `remote_src`, a file on the host"),
        arg("content", Kind::Raw, "what the file shall hold, in place of `src`"),
        arg("dest", Kind::Path, "where it goes; must be given"),
        with_default("force", Kind::Bool, "true", "replace what differs; false: only put what is not there"),
        with_default("remote_src", Kind::Bool, "false", "`src` is on the host"),
        with_default("follow", Kind::Bool, "false", "write through a symbolic link at `dest`"),
        with_default("local_follow", Kind::Bool, "true", "follow links in the source folder"),
        arg("directory_mode", Kind::Mode, "mode of folders made by a recursive copy"),
        arg("checksum", Kind::Str, "the SHA-1 that the file must have"),
        with_default("decrypt", Kind::Bool, "true", "a source that is a vault is opened");
        FILE_ARGS, BACKUP_ARGS, VALIDATE_ARGS
    ],
    free_form: None,
    act: Act::Shell { library: &[ATTRS, WRITE, PUT], script },
};

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    let Some(dest) = text(args, "dest").filter(|dest| !dest.is_empty()) else {
        return Err("dest is required".to_owned());
    };
    let content = args.0.get("content").filter(|value| !value.is_null());
    let src = text(args, "src").filter(|src| !src.is_empty());
    let mut step = Step::new(scope);
    let preserve = text(args, "mode") == Some("preserve");
    match (src, content) {
        (Some(_), Some(_)) => return Err("src and content are mutually exclusive".to_owned()),
        (None, None) => return Err("src (or content) is required".to_owned()),
        (None, Some(content)) => {
            // What a text is kept in before it goes has this mode.
            let private = Args(args.0.clone().into_iter().chain([("mode".to_owned(), "0600".into())]).collect());
            let args = if preserve { &private } else { args };
            if dest.ends_with('/') {
                return Err(format!("can not use content with a dir as dest: `{dest}`"));
            }
            step.attributes(args)?;
            let file = Put { dest, name: "", source: Source::Bytes(written(content).into_bytes()), key: "content" };
            put(&mut step, args, file)?;
        }
        (Some(src), None) if flag(args, "remote_src") => {
            remote(&mut step, args, src, dest, preserve)?;
        }
        (Some(src), None) => {
            let keys = (!super::common::given(args, "decrypt") || flag(args, "decrypt")).then_some(scope.vault);
            local(&mut step, args, &find(src, "files", scope)?, src, dest, preserve, keys)?;
        }
    }
    Ok(step.finish(listed).done())
}

/// Text as it is; data as JSON.
fn written(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The file or folder on the controller that `src` means.
pub fn find(src: &str, folder: &str, scope: &Scope) -> Result<PathBuf, String> {
    let path = Path::new(src);
    if src.contains('\0') {
        return Err("src: a path cannot hold a NUL byte".to_owned());
    }
    if path.is_absolute() {
        return if path.exists() { Ok(path.to_owned()) } else { Err(format!("`{src}` does not exist here")) };
    }
    let places: Vec<PathBuf> =
        scope.search.iter().flat_map(|base| [base.join(folder).join(path), base.join(path)]).collect();
    places.iter().find(|place| place.exists()).cloned().ok_or_else(|| {
        let tried: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
        format!("cannot find `{src}`; looked at {}", tried.join(", "))
    })
}

fn remote(step: &mut Step, args: &Args, src: &str, dest: &str, preserve: bool) -> Result<(), String> {
    let args = &without_preserve(args, preserve, None);
    step.attributes(args)?;
    step.set_path("b_from", src)?.set_path("b_dest", dest)?;
    step.set_flag("b_force", flag(args, "force"))
        .set_flag("b_follow", flag(args, "follow"))
        .set_flag("b_backup", flag(args, "backup"))
        .set_flag("b_inplace", flag(args, "unsafe_writes"));
    validate(step, args)?;
    step.set_opt("b_wanted", text(args, "checksum"))?;
    let directory_mode = args.0.get("directory_mode").map(mode::parse).transpose()?.flatten();
    step.set_opt("b_dmode", directory_mode.as_deref())?;
    step.set_flag("b_preserve", preserve)
        .set_flag("b_local", !super::common::given(args, "local_follow") || flag(args, "local_follow"))
        .run("b_put_remote");
    Ok(())
}

fn local(
    step: &mut Step,
    args: &Args,
    path: &Path,
    src: &str,
    dest: &str,
    preserve: bool,
    keys: Option<&Keys>,
) -> Result<(), String> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if !path.is_dir() {
        if !path.is_file() {
            return Err(format!("the source `{src}` is not a file"));
        }
        let source = read_as(path, keys)?;
        if let Some(wanted) = text(args, "checksum").filter(|sum| !sum.is_empty()) {
            let seen = super::common::put::Seen::of(&source)?;
            if !seen.sha1.eq_ignore_ascii_case(wanted) {
                return Err(format!(
                    "Copied file does not match the expected checksum. Transfer failed. Expected {wanted}, found {}",
                    seen.sha1
                ));
            }
        }
        let args = &without_preserve(args, preserve, Some(path));
        step.attributes(args)?;
        if dest.ends_with('/') {
            step.set_path("b_path", dest)?.set_flag("b_quiet", true).run("b_put_folder");
        }
        return put(step, args, Put { dest, name: &name, source, key: "src" });
    }
    let top = if src.ends_with('/') { dest.to_owned() } else { format!("{}/{name}", dest.trim_end_matches('/')) };
    let mut found = vec![];
    let follow = !super::common::given(args, "local_follow") || flag(args, "local_follow");
    let real = path.canonicalize().map_err(|why| format!("cannot read `{}`: {why}", path.display()))?;
    walk(path, Path::new(""), follow, &mut vec![real], &mut found)?;
    // A folder before what is in it, its files before its folders.
    found.sort_by_cached_key(|(below, found)| {
        let mut key: Vec<(bool, std::ffi::OsString)> = below.iter().map(|part| (true, part.to_owned())).collect();
        if let Some(last) = key.last_mut() {
            last.0 = matches!(found, Found::Folder);
        }
        key
    });
    let mut folder = args.clone();
    if let Some(mode) = args.0.get("directory_mode").or_else(|| args.0.get("mode").filter(|mode| folder_mode(mode))) {
        folder.0.insert("mode".to_owned(), mode.clone());
    } else {
        folder.0.shift_remove("mode");
    }
    step.attributes(&folder)?.run("b_pwd=$PWD");
    step.set_path("b_path", &top)?.set_flag("b_quiet", true).run("b_put_folder");
    for (number, (below, found)) in found.iter().enumerate() {
        // To put a file is to go where it is.
        step.run("[ \"$PWD\" = \"$b_pwd\" ] || cd -- \"$b_pwd\" || fail \"the folder \\`$b_pwd\\` is gone\"");
        let here = path.join(below);
        let there = format!("{}/{}", top.trim_end_matches('/'), below.to_string_lossy());
        match found {
            Found::Link(goal) => {
                step.set_path("b_path", &there)?.set("b_src", &goal.to_string_lossy())?.run("b_put_link");
            }
            Found::Folder => {
                step.attributes(&folder)?.set_path("b_path", &there)?.run("b_put_folder");
            }
            Found::File => {
                let args = &without_preserve(args, preserve, Some(&here));
                step.attributes(args)?;
                put(
                    step,
                    args,
                    Put { dest: &there, name: "", source: read_as(&here, keys)?, key: &format!("src{number}") },
                )?;
            }
        }
    }
    step.set_path("b_dest", dest)?.run("out dest \"$b_dest\"");
    Ok(())
}

/// A symbolic mode suits folders and files alike; an octal one is for the files.
fn folder_mode(mode: &Value) -> bool {
    mode.as_str().is_some_and(|mode| mode.contains(['=', '+', '-']))
}

/// The bytes of a small file, the place of a large one.
pub fn read(path: &Path) -> Result<Source, String> {
    read_as(path, None)
}

/// The same; with passwords, what is inside when the file is a vault.
pub fn read_as(path: &Path, keys: Option<&Keys>) -> Result<Source, String> {
    let wrong = |why: std::io::Error| format!("cannot read `{}`: {why}", path.display());
    if let Some(keys) = keys {
        let mut start = Vec::new();
        let mark = b"$ANSIBLE_VAULT;".len() as u64;
        std::fs::File::open(path).map_err(wrong)?.take(mark).read_to_end(&mut start).map_err(wrong)?;
        if is_vault(&start) {
            let text = std::fs::read_to_string(path).map_err(wrong)?;
            return match keys.open(&text) {
                Ok(plain) => Ok(Source::Bytes(plain.to_vec())),
                Err(_) if keys.is_empty() => {
                    let shown = path.display();
                    Err(format!("A vault password or secret must be specified to decrypt {shown}"))
                }
                Err(why) => Err(format!("`{}`: {why}", path.display())),
            };
        }
    }
    let len = path.metadata().map_err(wrong)?.len();
    if len > TEXT {
        return Ok(Source::File(path.to_owned()));
    }
    let bytes = std::fs::read(path).map_err(wrong)?;
    if len > INSIDE && (bytes.contains(&0) || std::str::from_utf8(&bytes).is_err()) {
        return Ok(Source::File(path.to_owned()));
    }
    Ok(Source::Bytes(bytes))
}

/// What stands at a place below the source.
#[derive(Debug)]
enum Found {
    File,
    Folder,
    /// A link that stays one: because the task says so, or because it leads nowhere or back up.
    Link(PathBuf),
}

fn walk(
    top: &Path,
    below: &Path,
    follow: bool,
    above: &mut Vec<PathBuf>,
    found: &mut Vec<(PathBuf, Found)>,
) -> Result<(), String> {
    let folder = top.join(below);
    let wrong = |why: std::io::Error| format!("cannot read `{}`: {why}", folder.display());
    for entry in std::fs::read_dir(&folder).map_err(wrong)? {
        let path = below.join(entry.map_err(wrong)?.file_name());
        let here = top.join(&path);
        let real = here.canonicalize();
        if here.is_symlink() {
            let back = real.as_ref().is_ok_and(|real| above.contains(real));
            if !follow || back || !here.exists() {
                found.push((path, Found::Link(std::fs::read_link(&here).map_err(wrong)?)));
                continue;
            }
        }
        if here.is_dir() {
            above.push(real.map_err(wrong)?);
            walk(top, &path, follow, above, found)?;
            above.pop();
            found.push((path, Found::Folder));
        } else {
            found.push((path, Found::File));
        }
    }
    Ok(())
}

/// `mode: preserve` turned into the mode of the source, or dropped when the host is to read it.
fn without_preserve(args: &Args, preserve: bool, source: Option<&Path>) -> Args {
    let mut args = args.clone();
    if preserve {
        args.0.shift_remove("mode");
        if let Some(meta) = source.and_then(|path| path.metadata().ok()) {
            args.0.insert("mode".to_owned(), format!("{:o}", meta.permissions().mode() & 0o7777).into());
        }
    }
    args
}

#[cfg(test)]
mod tests {
    use super::COPY;
    use crate::playbook::modules::common::trial::{Trial, args};

    #[test]
    fn content_is_put_once_whatever_it_holds() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            for text in [
                "",
                "plain",
                "two\nlines\n",
                "no newline\nat end",
                "\n\n",
                "$(touch canary) `touch canary` 'q' \"d\" \\n %s\n",
                "-n",
                "!",
                "é ü 漢字\n",
                &"x".repeat(1499),
                &"long line\n".repeat(1000),
                "nul \0 inside",
                "\t\r\n",
            ] {
                trial.wipe();
                let mut task = args(&COPY, &format!("{{content: '', dest: {}/f, mode: '0640'}}", trial.at()));
                task.0.insert("content".to_owned(), text.into());
                let look = trial.check(shell, &COPY, &task);
                assert!(look.changed && !trial.path("f").exists(), "{look:?}");
                let first = trial.run(shell, &COPY, &task);
                assert!(first.changed && first.failed.is_none(), "{text:?} {first:?}");
                assert_eq!((trial.read("f").as_str(), trial.mode("f")), (text, 0o640));
                let again = trial.run(shell, &COPY, &task);
                assert!(!again.changed && again.failed.is_none(), "{shell:?} {text:?} {again:?}");
                assert_eq!(again.text("mode"), "0640");
                trial.write("f", &format!("{text}x"), 0o640);
                assert!(trial.run(shell, &COPY, &task).changed, "{text:?}");
                assert_eq!(trial.read("f"), text);
                assert_eq!(std::fs::read_dir(trial.path("")).unwrap().count(), 1, "nothing is left beside it");
            }
        }
    }

    #[test]
    fn what_the_task_leaves_open_stays_and_a_backup_is_kept() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            trial.write("f", "old", 0o604);
            let task = args(&COPY, &format!("{{content: new, dest: {}/f, backup: true}}", trial.at()));
            let said = trial.run(shell, &COPY, &task);
            assert_eq!((trial.read("f").as_str(), trial.mode("f")), ("new", 0o604), "{said:?}");
            assert_eq!(std::fs::read_to_string(said.text("backup_file")).unwrap(), "old");
            assert_eq!(said.diffs[0].1, "old");
            assert_eq!(said.diffs[0].2, "new");
            let keep = args(&COPY, &format!("{{content: third, dest: {}/f, force: false}}", trial.at()));
            assert!(!trial.run(shell, &COPY, &keep).changed);
            assert_eq!(trial.read("f"), "new");
        }
    }

    #[test]
    fn a_refused_validation_leaves_the_old_file() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            trial.write("f", "old", 0o644);
            let task = |check: &str| {
                args(&COPY, &format!("{{content: \"new\\n\", dest: {}/f, validate: {check}}}", trial.at()))
            };
            let refused = trial.run(shell, &COPY, &task("grep -q other %s"));
            assert!(refused.failed.unwrap().contains("validate"));
            assert_eq!(trial.read("f"), "old");
            assert_eq!(std::fs::read_dir(trial.path("")).unwrap().count(), 1);
            assert!(trial.run(shell, &COPY, &task("grep -q new %s")).failed.is_none());
            assert_eq!(trial.read("f"), "new\n");
            assert!(trial.run(shell, &COPY, &task("grep -q new")).failed.unwrap().contains("%s"));
        }
    }

    #[test]
    fn a_link_at_the_goal_is_replaced_or_followed() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            trial.write("target", "old", 0o644);
            std::os::unix::fs::symlink("target", trial.path("l")).unwrap();
            let through = args(&COPY, &format!("{{content: through, dest: {}/l, follow: true}}", trial.at()));
            assert!(trial.run(shell, &COPY, &through).changed);
            assert!(trial.path("l").is_symlink());
            assert_eq!(trial.read("target"), "through");
            let over = args(&COPY, &format!("{{content: through, dest: {}/l}}", trial.at()));
            assert!(trial.run(shell, &COPY, &over).changed);
            assert!(!trial.path("l").is_symlink());
        }
    }

    #[test]
    fn folders_are_copied_with_all_below() {
        let trial = Trial::new();
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path();
        std::fs::create_dir_all(source.join("a/empty")).unwrap();
        std::fs::write(source.join("a/x y"), "xy").unwrap();
        std::fs::write(source.join("top"), vec![0_u8; 9000]).unwrap();
        for shell in Trial::SHELLS {
            trial.wipe();
            let task = args(&COPY, &format!("{{src: {}/, dest: {}/to, mode: '0600'}}", source.display(), trial.at()));
            let first = trial.run(shell, &COPY, &task);
            assert!(first.changed && first.failed.is_none(), "{first:?}");
            assert_eq!((trial.read("to/a/x y").as_str(), trial.mode("to/a/x y")), ("xy", 0o600));
            assert!(trial.path("to/a/empty").is_dir());
            assert_eq!(std::fs::read(trial.path("to/top")).unwrap().len(), 9000);
            let again = trial.run(shell, &COPY, &task);
            assert!(!again.changed && again.failed.is_none(), "{again:?}");
            let one =
                args(&COPY, &format!("{{src: {}/top, dest: {}/new/, mode: preserve}}", source.display(), trial.at()));
            assert!(trial.run(shell, &COPY, &one).changed);
            assert!(trial.path("new/top").is_file());
            assert!(!trial.run(shell, &COPY, &one).changed);
            let remote = args(
                &COPY,
                &format!("{{src: '{0}/to/a/x y', dest: {0}/r, remote_src: true, mode: preserve}}", trial.at()),
            );
            assert!(trial.run(shell, &COPY, &remote).changed);
            assert_eq!((trial.read("r").as_str(), trial.mode("r")), ("xy", 0o600));
            assert!(!trial.run(shell, &COPY, &remote).changed);
        }
    }
}
