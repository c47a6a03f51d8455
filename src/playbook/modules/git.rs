//! `git`: a checkout of a repository, made by the host's own git.

use super::common::{Step, arg, flag, list, required, text, text_of, web, with_default};
use super::{Act, Arg, Args, Kind, Module, Scope, Script};

/// The module.
pub static GIT: Module = Module {
    name: "git",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "keeps a checkout of a git repository",
    args: &[
        Arg { aliases: &["name"], ..required("repo", Kind::Str, "the repository: address or path") },
        arg("dest", Kind::Path, "the folder of the checkout"),
        with_default("version", Kind::Str, "HEAD", "branch, tag or commit"),
        with_default("remote", Kind::Str, "origin", "what the other side is called"),
        arg("refspec", Kind::Str, "what else to fetch"),
        arg("reference", Kind::Str, "a repository on the host to borrow from"),
        with_default("force", Kind::Bool, "false", "throw local changes away"),
        arg("depth", Kind::Int, "how many commits of the history"),
        with_default("clone", Kind::Bool, "true", "false: do not clone when it is not there"),
        with_default("update", Kind::Bool, "true", "false: leave a checkout as it is"),
        with_default("bare", Kind::Bool, "false", "without files"),
        with_default("recursive", Kind::Bool, "true", "with submodules"),
        with_default("single_branch", Kind::Bool, "false", "clone one branch only"),
        with_default("track_submodules", Kind::Bool, "false", "submodules follow their branches"),
        with_default("verify_commit", Kind::Bool, "false", "the commit or tag must be signed"),
        Arg { aliases: &["gpg_whitelist"], ..arg("gpg_allowlist", Kind::List, "whose signature counts") },
        with_default("accept_hostkey", Kind::Bool, "false", "ssh: take any host key"),
        with_default("accept_newhostkey", Kind::Bool, "false", "ssh: take the key of a host not seen before"),
        arg("key_file", Kind::Path, "ssh: private key on the host"),
        arg("ssh_opts", Kind::Str, "ssh: further options"),
        arg("executable", Kind::Path, "the git to use"),
        arg("umask", Kind::Raw, "umask for new files"),
        arg("archive", Kind::Path, "also an archive of the version: .zip, .tar, .tar.gz, .tgz"),
        arg("archive_prefix", Kind::Str, "what stands before each name in it"),
        arg("separate_git_dir", Kind::Path, "where git's own files are kept"),
    ],
    free_form: None,
    act: Act::Shell { library: &[SH], script },
};

const SH: &str = include_str!("git.sh");

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    for (one, other) in [("separate_git_dir", "bare"), ("accept_hostkey", "accept_newhostkey")] {
        let on = |name: &str| flag(args, name) || text(args, name).is_some_and(|text| !text.is_empty());
        if on(one) && on(other) {
            return Err(format!("parameters are mutually exclusive: {one}|{other}"));
        }
    }
    if text(args, "dest").is_none() && flag(args, "clone") {
        return Err("the destination directory must be specified unless clone=no".to_owned());
    }
    if text(args, "archive_prefix").is_some() && text(args, "archive").is_none() {
        return Err("missing parameter(s) required by 'archive_prefix': archive".to_owned());
    }
    if text(args, "separate_git_dir").is_some() && args.get("dest").is_none() {
        return Err("`separate_git_dir` needs `dest`".to_owned());
    }
    let umask = text_of(args, "umask").unwrap_or_default();
    if !umask.bytes().all(|b| matches!(b, b'0'..=b'7')) {
        return Err("umask must be defined as a quoted octal integer".to_owned());
    }
    let mut step = Step::new(scope);
    for (var, name) in [
        ("b_dest", "dest"),
        ("b_archive", "archive"),
        ("b_separate", "separate_git_dir"),
        ("b_executable", "executable"),
        ("b_keyfile", "key_file"),
    ] {
        match text(args, name).filter(|path| !path.is_empty()) {
            Some(path) => step.set_path(var, path)?,
            None => step.set(var, "")?,
        };
    }
    let repo = text(args, "repo").unwrap_or_default();
    if repo.starts_with('-') {
        return Err(format!("`repo: {repo}` begins with a dash"));
    }
    if repo.starts_with(['~', '$']) {
        step.set_path("b_repo", repo)?;
    } else {
        step.set("b_repo", repo)?;
    }
    step.set("b_shown", &web::masked(repo))?;
    for name in ["version", "remote", "refspec", "reference"] {
        let value = text(args, name).unwrap_or_default();
        if value.starts_with('-') {
            return Err(format!("`{name}: {value}` begins with a dash"));
        }
        step.set(&format!("b_{name}"), value)?;
    }
    step.set("b_umask", &umask)?.set_opt("b_prefix", text(args, "archive_prefix"))?;
    step.set(
        "b_depth",
        &args.int("depth").filter(|depth| *depth > 0).map_or(String::new(), |depth| depth.to_string()),
    )?;
    let allowed = list(args, "gpg_allowlist").unwrap_or_default();
    step.set("b_allow", &if allowed.is_empty() { String::new() } else { format!(" {} ", allowed.join(" ")) })?;
    for (var, name) in [
        ("b_force", "force"),
        ("b_clone", "clone"),
        ("b_update", "update"),
        ("b_bare", "bare"),
        ("b_recursive", "recursive"),
        ("b_single", "single_branch"),
        ("b_track", "track_submodules"),
        ("b_verify", "verify_commit"),
    ] {
        step.set_flag(var, flag(args, name));
    }
    let mut ssh = String::new();
    if flag(args, "accept_hostkey") {
        ssh.push_str(" -o StrictHostKeyChecking=no");
    }
    if flag(args, "accept_newhostkey") {
        ssh.push_str(" -o StrictHostKeyChecking=accept-new");
    }
    if let Some(more) = text(args, "ssh_opts").filter(|more| !more.is_empty()) {
        ssh.push(' ');
        ssh.push_str(more);
    }
    // git reads this line with a shell of its own.
    step.set("b_ssh", &format!("-o BatchMode=yes{ssh}"))?;
    step.run("if [ -n \"$b_keyfile\" ]; then b_ssh=\"$b_ssh -o IdentitiesOnly=yes -i '$(printf %s \"$b_keyfile\" | sed \"s/'/'\\\\\\\\''/g\")'\"; fi");
    step.run(web::WORK).run("( b_git_go )\nb_rc=$?\nrm -rf -- \"$b_work\"\nexit \"$b_rc\"");
    Ok(step.done())
}

#[cfg(test)]
mod tests {
    use super::GIT;
    use crate::playbook::modules::common::trial::{Said, Shell, Trial, args};
    use std::process::Command;

    fn sh(trial: &Trial, line: &str) -> String {
        let set =
            "export HOME=$PWD GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b; ";
        let done =
            Command::new("sh").args(["-ec", &format!("{set}{line}")]).current_dir(trial.path("")).output().unwrap();
        assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    }

    fn origin(trial: &Trial) {
        sh(
            trial,
            "git init -q -b main origin && cd origin && echo one >f && git add f && git commit -qm one && git tag v1 && echo two >f && git commit -qam two && git branch side && git branch 'a$(touch${IFS}canary)'",
        );
    }

    #[test]
    fn a_checkout_is_made_moved_and_left_alone() {
        let trial = Trial::new();
        trial.wipe();
        origin(&trial);
        let run = |yaml: &str| -> Said {
            let task = args(&GIT, &format!("{{repo: '{0}/origin', dest: '{0}/to/here', {yaml}}}", trial.at()));
            trial.run(Shell::Dash, &GIT, &task)
        };
        let task = args(&GIT, &format!("{{repo: '{0}/origin', dest: '{0}/to/here'}}", trial.at()));
        let look = trial.check(Shell::Dash, &GIT, &task);
        assert!(look.changed && look.failed.is_none() && !trial.path("to").exists(), "{look:?}");
        let first = run("");
        assert!(first.changed && first.failed.is_none(), "{first:?}");
        assert_eq!(trial.read("to/here/f"), "two\n");
        assert_eq!(first.text("after"), sh(&trial, "git -C origin rev-parse HEAD"));
        let again = run("");
        assert!(!again.changed && again.failed.is_none(), "{again:?}");
        assert_eq!(again.text("before"), again.text("after"));
        let tag = run("version: v1");
        assert!(tag.changed && trial.read("to/here/f") == "one\n", "{tag:?}");
        assert!(!run("version: v1").changed);
        assert!(run("version: 'a$(touch${IFS}canary)'").changed && !trial.path("canary").exists());
        sh(&trial, "cd origin && echo three >f && git commit -qam three");
        let look = trial.check(Shell::Dash, &GIT, &task);
        assert!(look.changed && trial.read("to/here/f") == "two\n");
        assert!(!run("update: false").changed);
        assert!(run("").changed && trial.read("to/here/f") == "three\n");
        trial.write("to/here/f", "mine\n", 0o644);
        assert!(run("").failed.unwrap().contains("Local modifications exist"));
        assert!(run("force: true").changed && trial.read("to/here/f") == "three\n");
        let made = run(&format!("archive: {}/a.tar.gz, archive_prefix: p/", trial.at()));
        assert!(made.changed && sh(&trial, "tar tzf a.tar.gz").contains("p/f"), "{made:?}");
        assert!(run("version: nothing").failed.is_some());
        assert!(run("version: --upload-pack=x").failed.unwrap().contains("dash"));
    }

    #[test]
    fn shallow_and_bare_and_missing_repositories() {
        let trial = Trial::new();
        trial.wipe();
        origin(&trial);
        let run = |yaml: &str| -> Said { trial.run(Shell::Dash, &GIT, &args(&GIT, &format!("{{{yaml}}}"))) };
        let shallow = format!("repo: 'file://{0}/origin', dest: s, depth: 1, version: side", trial.at());
        let said = run(&shallow);
        assert!(said.changed && said.failed.is_none(), "{said:?}");
        assert_eq!(sh(&trial, "git -C s rev-list --count HEAD"), "1");
        let again = run(&shallow);
        assert!(!again.changed && again.failed.is_none(), "{again:?}");
        let bare = format!("repo: '{0}/origin', dest: b.git, bare: true", trial.at());
        assert!(run(&bare).changed && trial.path("b.git/config").exists());
        assert!(!run(&bare).changed);
        assert!(run(&format!("repo: '{}/nix', dest: n", trial.at())).failed.is_some());
        assert!(run("repo: x").failed.unwrap().contains("destination directory"));
    }
}
