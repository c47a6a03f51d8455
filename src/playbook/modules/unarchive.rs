//! `unarchive`: unpacks tar and zip archives on the host, with the host's own tools.

use super::common::{
    ATTRS, FILE_ARGS, Step, arg, args, flag, list,
    put::Seen,
    required, text,
    web::{Request, WEB, WORK, request},
    with_default,
};
use super::{Act, Args, Kind, Module, Scope, Script, copy};
use serde_json::{Map, Value};

/// The module.
pub static UNARCHIVE: Module = Module {
    name: "unarchive",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "unpacks an archive on the host",
    args: args![
        required("src", Kind::Str, "the archive: tar (plain, gz, bz2, xz, zst) or zip; with `remote_src` also a URL"),
        required("dest", Kind::Path, "the folder it goes into"),
        with_default("remote_src", Kind::Bool, "false", "`src` is on the host"),
        arg("copy", Kind::Bool, "the opposite of `remote_src`, for old playbooks"),
        arg("creates", Kind::Path, "do nothing when this path exists"),
        with_default("list_files", Kind::Bool, "false", "with the names of what is inside, as `files`"),
        with_default("keep_newer", Kind::Bool, "false", "leave files alone that are newer than the archive's"),
        arg("exclude", Kind::List, "names in the archive to leave out"),
        arg("include", Kind::List, "only these names of the archive"),
        arg("extra_opts", Kind::List, "further options for `tar` or `unzip`"),
        with_default("validate_certs", Kind::Bool, "true", "false: any TLS certificate will do"),
        with_default("decrypt", Kind::Bool, "true", "accepted; archives are sent as they are"),
        with_default("io_buffer_size", Kind::Int, "65536", "accepted: the tools have their own");
        FILE_ARGS
    ],
    free_form: None,
    act: Act::Shell { library: &[ATTRS, WEB, SH], script },
};

const SH: &str = include_str!("unarchive.sh");

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    let lines = |name: &str| -> Result<String, String> {
        let items = list(args, name).unwrap_or_default();
        match items.iter().find(|item| item.contains('\n')) {
            Some(bad) => Err(format!("`{name}`: `{}` has several lines", bad.escape_debug())),
            None => Ok(items.iter().flat_map(|item| [item.as_str(), "\n"]).collect()),
        }
    };
    if args.get("include").is_some_and(|v| v.as_array().is_some_and(|a| !a.is_empty()))
        && args.get("exclude").is_some_and(|v| v.as_array().is_some_and(|a| !a.is_empty()))
    {
        return Err("parameters are mutually exclusive: include|exclude".to_owned());
    }
    let remote = match args.bool("copy") {
        Some(_) if flag(args, "remote_src") => {
            return Err("parameters are mutually exclusive: ('copy', 'remote_src')".to_owned());
        }
        Some(copy) => !copy,
        None => flag(args, "remote_src"),
    };
    let src = text(args, "src").unwrap_or_default();
    let mut step = Step::new(scope);
    if let Some(path) = text(args, "creates").filter(|path| !path.is_empty()) {
        step.set_path("b_creates", path)?;
        step.run("[ ! -e \"$b_creates\" ] || skip \"skipped, since $b_creates exists\"");
    }
    step.attributes(args)?.run(WORK).run("b_un_all() {");
    if remote && src.contains("://") {
        let mut own = Map::from_iter([("use_proxy".to_owned(), true.into()), ("use_netrc".to_owned(), true.into())]);
        own.insert("validate_certs".into(), args.get("validate_certs").cloned().unwrap_or(Value::Bool(true)));
        request(&mut step, &Args(own), &Request { url: src, method: "GET", timeout: 10, follow: "all", more: vec![] })?;
        step.run("b_web\n[ \"$b_status\" = 200 ] || fail \"Failure downloading $b_url, HTTP Error $b_status: $b_why\"\nb_src=$b_work/page");
    } else if remote {
        step.set_path("b_src", src)?;
    } else if src.contains("://") {
        return Err("Unsupported option, an URI src is only supported when remote_src is True".to_owned());
    } else {
        let source = copy::read(&copy::find(src, "files", scope)?)?;
        let len = Seen::of(&source)?.len;
        let unless = match text(args, "creates").filter(|path| !path.is_empty()) {
            Some(path) => format!("[ -e {} ] || ", super::common::quote_path(path)?),
            None => String::new(),
        };
        // A host that only looks needs the archive, too.
        step.source("source", source, len, format!("{unless}b_need=\"$b_need source\"\nb_even=1\n"));
        step.run("b_src=$FILES/source");
    }
    step.set_path("b_dest", text(args, "dest").unwrap_or_default())?;
    step.set("b_opts", &lines("extra_opts")?)?.set("b_include", &lines("include")?)?;
    let exclude: String = lines("exclude")?.lines().flat_map(|line| [line.trim_end_matches('/'), "\n"]).collect();
    step.set("b_exclude", &exclude)?;
    step.set_flag("b_newer", flag(args, "keep_newer")).set_flag("b_list", flag(args, "list_files"));
    step.run("b_unarchive\n}\n( b_un_all )\nb_rc=$?\nrm -rf -- \"$b_work\"\nexit \"$b_rc\"");
    Ok(step.finish(finish).done())
}

fn finish(args: &Args, result: &mut Map<String, Value>) {
    if let Some(Value::String(files)) = result.get("files") {
        let files: Vec<Value> = files.lines().map(Value::from).collect();
        result.insert("files".into(), files.into());
    }
    if let Some(src) = text(args, "src").filter(|src| src.contains("://")) {
        result.insert("src".into(), super::common::web::masked(src).into());
    }
}

#[cfg(test)]
mod tests {
    use super::UNARCHIVE;
    use crate::playbook::modules::common::trial::{Shell, Trial, args};
    use std::process::Command;

    fn sh(trial: &Trial, line: &str) {
        let status = Command::new("sh").args(["-ec", line]).current_dir(trial.path("")).status().unwrap();
        assert!(status.success(), "{line}");
    }

    #[test]
    fn archives_of_every_kind_are_unpacked_once() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            for (name, make) in [
                ("a.tar", "tar cf a.tar in"),
                ("a.tar.gz", "tar czf a.tar.gz in"),
                ("a.tar.bz2", "tar cjf a.tar.bz2 in"),
                ("a.tar.xz", "tar cJf a.tar.xz in"),
                ("a.tar.zst", "tar cf - in | zstd -q -o a.tar.zst"),
                ("a.zip", "zip -qr a.zip in"),
            ] {
                trial.wipe();
                std::fs::create_dir_all(trial.path("in/sub")).unwrap();
                std::fs::create_dir(trial.path("out")).unwrap();
                trial.write("in/a b", "one\n", 0o640);
                trial.write("in/sub/$(touch canary)", &"two".repeat(20_000), 0o755);
                sh(&trial, make);
                let task = args(&UNARCHIVE, &format!("{{src: d/{name}, dest: {}/out, list_files: true}}", trial.at()));
                let look = trial.check(shell, &UNARCHIVE, &task);
                if shell == Shell::Busybox && name.ends_with("zst") {
                    assert!(look.failed.unwrap().contains("zstd"));
                    continue;
                }
                assert!(look.changed && !trial.path("out/in").exists(), "{shell:?} {name} {look:?}");
                let said = trial.run(shell, &UNARCHIVE, &task);
                assert!(said.changed && said.failed.is_none(), "{shell:?} {name} {said:?}");
                assert_eq!((trial.read("out/in/a b").as_str(), trial.mode("out/in/a b")), ("one\n", 0o640));
                assert!(said.result["files"].to_string().contains("in/sub/$(touch canary)"));
                let again = trial.run(shell, &UNARCHIVE, &task);
                assert!(!again.changed && again.failed.is_none(), "{shell:?} {name} {again:?}");
                trial.write("out/in/a b", "other", 0o640);
                let there =
                    format!("{{src: {0}/{name}, dest: {0}/out, remote_src: true, mode: 'u=rwX,go='}}", trial.at());
                assert!(trial.run(shell, &UNARCHIVE, &args(&UNARCHIVE, &there)).changed);
                assert_eq!((trial.read("out/in/a b").as_str(), trial.mode("out/in/a b")), ("one\n", 0o600));
                assert!(!trial.run(shell, &UNARCHIVE, &args(&UNARCHIVE, &there)).changed, "{shell:?} {name}");
                assert!(!trial.path("canary").exists());
            }
        }
    }

    #[test]
    fn what_is_no_archive_and_what_is_there_already_is_told() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            trial.write("bad.tar", "no archive", 0o644);
            trial.write("empty", "", 0o644);
            let run = |yaml: &str| trial.run(shell, &UNARCHIVE, &args(&UNARCHIVE, &format!("{{{yaml}}}")));
            assert!(run("src: d/bad.tar, dest: .").failed.unwrap().contains("Failed to find handler"));
            assert!(run("src: d/empty, dest: .").failed.unwrap().contains("0 bytes"));
            assert!(run("src: d/bad.tar, dest: nix").failed.unwrap().contains("must be an existing dir"));
            assert!(run("src: nix, dest: ., remote_src: true").failed.unwrap().contains("does not exist"));
            assert!(run("src: d/bad.tar, dest: ., creates: empty").skipped.is_some());
            sh(&trial, "mkdir in && echo a >in/a && echo b >in/b && tar czf x.tgz in && rm -r in");
            assert!(run("src: d/x.tgz, dest: ., exclude: in/a").changed);
            assert!(!trial.path("in/a").exists() && trial.path("in/b").exists());
            assert!(run("src: d/x.tgz, dest: ., include: [in/a], extra_opts: []").changed);
            assert!(trial.path("in/a").exists());
        }
    }
}
