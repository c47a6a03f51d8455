//! `package`: software from the host's own package manager.

use super::common::{RUN, Step, flag, list, text, text_of, with_default};
use super::{Act, Arg, Args, Kind, Module, Scope, Script, apt, convert::default_of};

/// What each manager understands; the rest of apt's arguments is for apt.
const COMMON: &[&str] = &["cache_valid_time", "name", "state", "update_cache", "use"];

const ARGS: [Arg; apt::ARGS.len() + 1] = {
    let mut all = [Arg {
        choices: &["apk", "apt", "auto", "dnf", "dnf5", "pacman", "yum", "zypper"],
        ..with_default("use", Kind::Str, "auto", "which manager")
    }; apt::ARGS.len() + 1];
    let mut i = 0;
    while i < apt::ARGS.len() {
        all[i] = apt::ARGS[i];
        i += 1;
    }
    all
};

/// The module for whatever manager there is.
pub static PACKAGE: Module = Module {
    name: "package",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "installs and removes packages with apt, apk, dnf, yum, pacman or zypper",
    args: &ARGS,
    free_form: None,
    act: Act::Shell { library: &[RUN, apt::SH, SH], script },
};

const SH: &str = include_str!("package.sh");

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    let manager = text(args, "use").unwrap_or("auto");
    let names = list(args, "name").unwrap_or_default();
    for name in &names {
        // Version marks and patterns of the managers, but nothing that is an option, a path or several words.
        let fine = |c: char| c.is_ascii_alphanumeric() || "_-.+:=~@*<>^".contains(c);
        if name.is_empty() || name.starts_with(['-', '.']) || !name.chars().all(fine) || name.len() > 256 {
            let shown: String = name.chars().take(40).collect::<String>().escape_debug().to_string();
            return Err(format!("`{shown}` is no package name"));
        }
    }
    if names.is_empty() && !flag(args, "update_cache") {
        return Err("give `name`, or `update_cache: true`".to_owned());
    }
    let mut step = Step::new(scope);
    // What only apt would refuse is refused only where apt is.
    let refused = apt::prepare(args, &mut step).err();
    let state = match text(args, "state").unwrap_or("present") {
        "installed" => "present",
        "removed" => "absent",
        state => state,
    };
    let said = |arg: &&Arg| args.0.get(arg.name).is_some_and(|value| default_of(arg).as_ref() != Some(value));
    let own = ARGS.iter().filter(|arg| !COMMON.contains(&arg.name)).find(said);
    step.set_opt("b_refused", refused.as_deref())?
        .set_opt("b_own", own.map(|arg| arg.name))?
        .set("b_pm", if manager == "auto" { "" } else { manager })?
        .set("b_state", state)?
        .set("b_names", &names.join("\n"))?
        .set_flag("b_update", flag(args, "update_cache"))
        .set_opt("b_valid", text_of(args, "cache_valid_time").as_deref())?;
    Ok(step.run("b_package").done())
}

#[cfg(test)]
mod tests {
    use super::PACKAGE;
    use crate::playbook::modules::common::trial::{Shell, Trial, args};

    /// A manager that keeps its packages in a file and its commands in another.
    const APK: &str = "apk() { echo \"$*\" >>log; case $1 in info) shift 2; for p; do grep -qx \"$p\" db && echo \"$p\"; done; [ $# -gt 0 ] ;; \
                       add) shift; for p; do case $p in -*) ;; *) echo \"$p\" >>db ;; esac; done ;; del) shift; grep -vx \"$1\" db >db2; mv db2 db ;; esac; return 0; }";

    #[test]
    fn only_what_is_missing_is_installed() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            trial.write("db", "one\n", 0o644);
            let run = |yaml: &str| trial.with_after(shell, &PACKAGE, &args(&PACKAGE, yaml), APK);
            let first = run("{name: [one, two], use: apk}");
            assert!(first.changed && first.failed.is_none(), "{first:?}");
            assert_eq!(trial.read("db"), "one\ntwo\n");
            assert!(!run("{name: 'one,two', use: apk}").changed);
            assert!(run("{name: three, allow_downgrade: true, use: apk}").failed.unwrap().contains("only for apt"));
            assert!(run("{name: one, state: absent, use: apk}").changed);
            assert!(!run("{name: one, state: removed, use: apk}").changed);
            assert_eq!(trial.read("db"), "two\n");
        }
    }

    #[test]
    fn names_that_are_options_or_commands_are_refused() {
        let trial = Trial::new();
        for bad in ["-y", "a b", "$(id)", "a;b", "../x", "/etc/x", "a\nb"] {
            let mut task = args(&PACKAGE, "{name: x}");
            task.0.insert("name".to_owned(), serde_json::json!([bad]));
            assert!(trial.run(Shell::Dash, &PACKAGE, &task).failed.unwrap().contains("no package name"), "{bad}");
        }
    }
}
