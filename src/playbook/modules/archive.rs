//! `archive`: packs files of the host, with the host's own tools.

use super::common::{
    ATTRS, FILE_ARGS, Step, WRITE, arg, args, flag, list, put::PUT, required, text, web, with_default,
};
use super::{Act, Arg, Args, Kind, Module, Scope, Script};
use serde_json::{Map, Value};

/// The module.
pub static ARCHIVE: Module = Module {
    name: "archive",
    collections: &["community.general"],
    summary: "packs files of the host into an archive",
    args: args![
        required("path", Kind::List, "files and folders; shell patterns are expanded"),
        Arg {
            choices: &["bz2", "gz", "tar", "xz", "zip"],
            ..with_default("format", Kind::Str, "gz", "how it is packed; several files make a tar inside")
        },
        arg("dest", Kind::Path, "the archive; one file may do without: its name with the format behind"),
        arg("exclude_path", Kind::List, "paths to leave out; shell patterns are expanded"),
        arg("exclusion_patterns", Kind::List, "names to leave out, as shell patterns"),
        with_default("force_archive", Kind::Bool, "false", "a tar even for one file"),
        with_default("remove", Kind::Bool, "false", "remove what was packed");
        FILE_ARGS
    ],
    free_form: None,
    act: Act::Shell { library: &[ATTRS, WRITE, PUT, SH], script },
};

const SH: &str = include_str!("archive.sh");

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    let mut step = Step::new(scope);
    step.attributes(args)?.run(web::WORK);
    step.set("b_format", text(args, "format").unwrap_or("gz"))?;
    match text(args, "dest").filter(|dest| !dest.is_empty()) {
        Some(dest) => step.set_path("b_dest", dest)?,
        None => step.set("b_dest", "")?,
    };
    let patterns = list(args, "exclusion_patterns").unwrap_or_default();
    step.set("b_patterns", &patterns.iter().flat_map(|pattern| [pattern.as_str(), "\n"]).collect::<String>())?;
    step.set_flag("b_force_tar", flag(args, "force_archive"))
        .set_flag("b_remove", flag(args, "remove"))
        .set_flag("b_inplace", flag(args, "unsafe_writes"))
        .set_flag("b_backup", false)
        .set_flag("b_check", false);
    step.run("b_skip=");
    for path in list(args, "exclude_path").unwrap_or_default() {
        step.set_path("b_path", &path)?.run("b_pack_glob \"$b_path\"\nb_skip=$b_skip$b_found");
    }
    step.run("b_all= b_missing=");
    for path in list(args, "path").unwrap_or_default() {
        step.set_path("b_path", &path)?.run(
            "b_pack_glob \"$b_path\"\n[ -n \"$b_found\" ] || b_missing=$b_missing$b_path'\n'\nb_all=$b_all$b_found",
        );
    }
    step.run("( b_pack )\nb_rc=$?\nrm -rf -- \"$b_work\"\nexit \"$b_rc\"");
    Ok(step.finish(finish).done())
}

fn finish(_: &Args, result: &mut Map<String, Value>) {
    for key in ["archived", "missing", "expanded_paths", "expanded_exclude_paths"] {
        if let Some(Value::String(text)) = result.get(key) {
            let lines: Vec<Value> = text.lines().map(Value::from).collect();
            result.insert(key.to_owned(), lines.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ARCHIVE;
    use crate::playbook::modules::common::trial::{Shell, Trial, args};
    use std::process::Command;

    fn listed(trial: &Trial, line: &str) -> String {
        let done = Command::new("sh").args(["-ec", line]).current_dir(trial.path("")).output().unwrap();
        assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    #[test]
    fn what_is_packed_stays_packed() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            std::fs::create_dir_all(trial.path("in/sub")).unwrap();
            trial.write("in/a b", "one\n", 0o644);
            trial.write("in/sub/$(touch canary)", "two\n", 0o644);
            trial.write("in/no.log", "x", 0o644);
            let run = |yaml: &str| trial.run(shell, &ARCHIVE, &args(&ARCHIVE, &format!("{{{yaml}}}")));
            let at = trial.at();
            let task = format!("path: {at}/in, dest: {at}/x.tgz, exclusion_patterns: ['*.log'], mode: '0600'");
            assert!(trial.check(shell, &ARCHIVE, &args(&ARCHIVE, &format!("{{{task}}}"))).changed);
            assert!(!trial.path("x.tgz").exists());
            let first = run(&task);
            assert!(first.changed && first.failed.is_none(), "{shell:?} {first:?}");
            let names = listed(&trial, "tar tzf x.tgz");
            assert!(names.contains("in/a b") && names.contains("in/sub/$(touch canary)") && !names.contains("log"));
            assert_eq!(trial.mode("x.tgz"), 0o600);
            let again = run(&task);
            assert!(!again.changed && again.failed.is_none(), "{shell:?} {again:?}");
            let one = run(&format!("path: '{at}/in/a b'"));
            assert!(one.changed, "{one:?}");
            assert_eq!(listed(&trial, "gzip -dc 'in/a b.gz'"), "one\n");
            let many =
                run(&format!("path: ['{at}/in/*'], exclude_path: ['{at}/in/sub'], dest: {at}/y.tar, format: tar"));
            assert!(many.changed, "{many:?}");
            assert!(!listed(&trial, "tar tf y.tar").contains("sub"));
            let zip = run(&format!("path: {at}/in/, dest: {at}/z.zip, format: zip"));
            if shell == Shell::Busybox {
                assert!(zip.failed.unwrap().contains("no `zip`"));
            } else {
                assert!(zip.changed && listed(&trial, "unzip -l z.zip").contains("sub/$(touch canary)"), "{zip:?}");
            }
            assert!(run(&format!("path: {at}/in, dest: {at}/w.tgz, remove: true")).changed);
            assert!(!trial.path("in").exists() && trial.path("w.tgz").exists());
            assert!(!run(&format!("path: {at}/in, dest: {at}/w.tgz, remove: true")).changed);
            assert!(run(&format!("path: {at}/nix, dest: {at}/v.tgz")).failed.unwrap().contains("no source paths"));
            assert!(!trial.path("canary").exists());
        }
    }
}
