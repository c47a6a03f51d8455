//! `dnf`, `dnf5` and `yum`: packages of Red Hat's family, all three by the host's own program.

use super::common::{RUN, Step, arg, flag, given, list, text, with_default};
use super::{Act, Arg, Args, Kind, Module, Scope, Script};

const ARGS: &[Arg] = &[
    Arg { aliases: &["pkg"], ..arg("name", Kind::List, "packages, `@groups`, files, addresses; `*` with latest: all") },
    Arg {
        choices: &["absent", "installed", "latest", "present", "removed"],
        ..arg("state", Kind::Str, "there, newest, or gone; default present, or absent with autoremove")
    },
    Arg {
        aliases: &["expire-cache"],
        ..with_default("update_cache", Kind::Bool, "false", "fetch the lists of packages first")
    },
    arg("list", Kind::Str, "tell of packages instead: installed, updates, available, repos, or a name"),
    with_default("enablerepo", Kind::List, "[]", "sources to use besides"),
    with_default("disablerepo", Kind::List, "[]", "sources not to use"),
    with_default("exclude", Kind::List, "[]", "packages to leave alone"),
    with_default("disable_gpg_check", Kind::Bool, "false", "packages without a signature are fine"),
    with_default("allow_downgrade", Kind::Bool, "false", "an older version in place of a newer"),
    with_default("allowerasing", Kind::Bool, "false", "packages in the way may go"),
    with_default("autoremove", Kind::Bool, "false", "what nobody needs any more goes"),
    arg("best", Kind::Bool, "the newest version or none"),
    arg("nobest", Kind::Bool, "an older version will do"),
    with_default("bugfix", Kind::Bool, "false", "with latest: only what mends faults"),
    with_default("security", Kind::Bool, "false", "with latest: only what mends holes"),
    with_default("cacheonly", Kind::Bool, "false", "use only what was fetched before"),
    arg("conf_file", Kind::Str, "another configuration"),
    arg("disable_excludes", Kind::Str, "all, main, or a source whose excludes do not count"),
    with_default("disable_plugin", Kind::List, "[]", "plugins not to use"),
    with_default("enable_plugin", Kind::List, "[]", "plugins to use"),
    with_default("download_only", Kind::Bool, "false", "fetch the packages only"),
    arg("download_dir", Kind::Str, "where to, with download_only"),
    with_default("install_repoquery", Kind::Bool, "true", "accepted: it has no effect in Ansible, too"),
    with_default("install_weak_deps", Kind::Bool, "true", "with what packages recommend"),
    with_default("installroot", Kind::Str, "/", "work below another root"),
    with_default("lock_timeout", Kind::Int, "30", "accepted: the program waits for its lock by itself"),
    arg("releasever", Kind::Str, "another release"),
    with_default("skip_broken", Kind::Bool, "false", "leave out what cannot be installed"),
    with_default("sslverify", Kind::Bool, "true", "mind certificates of sources"),
    with_default("update_only", Kind::Bool, "false", "only packages that are there already"),
    with_default("validate_certs", Kind::Bool, "true", "mind certificates of addresses"),
    with_default("use_backend", Kind::Str, "auto", "auto, dnf, dnf4, dnf5 or yum"),
];

/// dnf, whichever it is.
pub static DNF: Module = Module { name: "dnf", ..BASE };
/// dnf of the fifth generation.
pub static DNF5: Module = Module { name: "dnf5", ..BASE };
/// The name of old.
pub static YUM: Module = Module { name: "yum", ..BASE };

const BASE: Module = Module {
    name: "",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "installs, upgrades and removes packages of Red Hat's family",
    args: ARGS,
    free_form: None,
    act: Act::Shell { library: &[RUN, SH], script },
};

const SH: &str = include_str!("dnf.sh");

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    let names = list(args, "name").unwrap_or_default();
    for name in &names {
        if name.is_empty() || name.starts_with('-') || name.contains(['\n', '\0', '\'', '"', '`', '$', ';']) {
            return Err(format!("`{}` is no package name", name.escape_debug()));
        }
    }
    let autoremove = flag(args, "autoremove");
    let state = match text(args, "state") {
        Some("installed" | "present") => "present",
        Some("removed" | "absent") => "absent",
        Some(other) => other,
        None if autoremove => "absent",
        None => "present",
    };
    if autoremove && state != "absent" {
        return Err("Autoremove should be used alone or with state=absent".to_owned());
    }
    if names.is_empty() && !given(args, "list") && !flag(args, "update_cache") && !autoremove {
        return Err("give `name`, `list`, `autoremove` or `update_cache`".to_owned());
    }
    let program = match text(args, "use_backend").unwrap_or("auto") {
        "auto" => "",
        "dnf4" | "dnf" => "dnf",
        name @ ("dnf5" | "yum") => name,
        other => return Err(format!("`use_backend: {other}` is not known; use auto, dnf, dnf5 or yum")),
    };
    let mut options: Vec<String> = vec![];
    for (name, option) in [
        ("enablerepo", "--enablerepo="),
        ("disablerepo", "--disablerepo="),
        ("exclude", "--exclude="),
        ("disable_plugin", "--disableplugin="),
        ("enable_plugin", "--enableplugin="),
    ] {
        options.extend(list(args, name).unwrap_or_default().into_iter().map(|value| format!("{option}{value}")));
    }
    for (name, option) in [
        ("disable_gpg_check", "--nogpgcheck"),
        ("allowerasing", "--allowerasing"),
        ("bugfix", "--bugfix"),
        ("security", "--security"),
        ("cacheonly", "-C"),
        ("download_only", "--downloadonly"),
        ("skip_broken", "--skip-broken"),
        ("best", "--best"),
        ("nobest", "--nobest"),
    ] {
        if flag(args, name) {
            options.push(option.to_owned());
        }
    }
    for (name, option) in [
        ("conf_file", "--config="),
        ("disable_excludes", "--disableexcludes="),
        ("download_dir", "--downloaddir="),
        ("releasever", "--releasever="),
    ] {
        options.extend(text(args, name).map(|value| format!("{option}{value}")));
    }
    if !flag(args, "install_weak_deps") {
        options.push("--setopt=install_weak_deps=False".to_owned());
    }
    if !flag(args, "sslverify") || !flag(args, "validate_certs") {
        options.push("--setopt=sslverify=0".to_owned());
    }
    let root = text(args, "installroot").filter(|root| *root != "/").unwrap_or_default();
    if !root.is_empty() {
        options.push(format!("--installroot={root}"));
    }
    if options.iter().any(|option| option.contains(['\n', '\0'])) {
        return Err("options must be one line each".to_owned());
    }
    let list = text(args, "list").unwrap_or_default();
    if list.starts_with('-') || list.contains('\n') {
        return Err("`list` is one word".to_owned());
    }
    let mut step = Step::new(scope);
    step.set("b_prog", program)?
        .set("b_names", &names.join("\n"))?
        .set("b_state", state)?
        .set("b_options", &options.join("\n"))?
        .set("b_list", list)?
        .set("b_root", root)?
        .set_flag("b_update", flag(args, "update_cache"))
        .set_flag("b_autoremove", autoremove)
        .set_flag("b_only", flag(args, "update_only"));
    let mut script = step.run("b_dnf").done();
    script.finish = Some(|_, result| super::common::lines_to_lists(result, &["results", "listed"]));
    Ok(script)
}

#[cfg(test)]
mod tests {
    use super::{DNF, YUM};
    use crate::playbook::modules::common::trial::{Trial, args};

    /// A package manager whose packages are lines of a file.
    const DNF_SH: &str = "#!/bin/sh\necho \"$*\" >>log\nno=; verb=; for a; do case $a in --assumeno) no=1 ;; -*) ;; *) if [ -z \"$verb\" ]; then verb=$a; else set -- \"$@\"; pk=\"$pk $a\"; fi ;; esac; done\n\
        [ -z \"$no\" ] || { echo 'Operation aborted.'; exit 1; }\n\
        case $verb in install) for p in $pk; do [ $p != bad ] || { echo 'Error: no match'; exit 1; }; echo $p >>db; done ;; remove) for p in $pk; do grep -vx $p db >d2; mv d2 db; done ;; upgrade) [ -e new ] || { echo 'Nothing to do.'; exit 0; }; rm new ;; esac\necho Complete!\n";
    /// A function, because `BusyBox` has an `rpm` of its own.
    const RPM: &str = "PATH=.:$PATH\nrpm() { for a; do :; done; grep -qx \"$a\" db; }";

    #[test]
    fn packages_are_installed_upgraded_and_removed_once() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            trial.write("dnf", DNF_SH, 0o755);
            trial.write("db", "one\n", 0o644);
            let run = |yaml: &str| trial.with_after(shell, &DNF, &args(&DNF, yaml), RPM);
            let both = "{name: [one, two], enablerepo: epel, disable_gpg_check: true}";
            let look = trial.with_after(shell, &DNF, &args(&DNF, both), &format!("CHECK=1\n{RPM}"));
            assert!(look.changed && look.failed.is_none() && trial.read("db") == "one\n", "{look:?}");
            let first = run(both);
            assert!(first.changed && first.failed.is_none(), "{first:?}");
            assert!(
                trial.read("log").contains("-y --enablerepo=epel --nogpgcheck install two\n"),
                "{}",
                trial.read("log")
            );
            assert!(!run(both).changed);
            assert!(!run("{name: '*', state: latest}").changed);
            trial.write("new", "", 0o644);
            assert!(run("{name: two, state: latest, security: true}").changed);
            assert!(!run("{name: three, state: latest, update_only: true}").changed);
            assert!(run("{name: two, state: absent}").changed && !run("{name: two, state: removed}").changed);
            assert!(run("{name: bad}").failed.unwrap().contains("no match"));
            assert!(run("{name: x, autoremove: true, state: present}").failed.is_some());
            assert!(run("{name: '-x'}").failed.is_some() && run("{}").failed.is_some());
            let yum = trial.with_after(shell, &YUM, &args(&YUM, "{name: one, use_backend: dnf4}"), RPM);
            assert!(yum.failed.is_none() && !yum.changed, "{yum:?}");
        }
    }
}
