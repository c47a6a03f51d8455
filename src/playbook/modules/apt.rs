//! `apt`: Debian's packages, by `apt-get`, `apt-cache` and `dpkg`.
//!
//! Check mode asks `apt-get --simulate`, so it knows what would come along or go.

use super::common::{RUN, Step, arg, flag, given, list, one_of, text, text_of, with_default};
use super::{Act, Arg, Args, Kind, Module, Scope, Script};
use std::fmt::Write as _;

/// What it takes, and `package` where apt is the manager.
pub const ARGS: &[Arg] = &[
    Arg {
        aliases: &["package", "pkg"],
        ..arg("name", Kind::List, "packages: `foo`, `foo=1.0`, `foo=1.*`, `foo>=1.0`, `foo*`")
    },
    one_of(
        "state",
        "present",
        &["absent", "build-dep", "fixed", "installed", "latest", "present", "removed"],
        "there, newest, gone, their build dependencies there, or broken ones mended",
    ),
    Arg { aliases: &["update-cache"], ..arg("update_cache", Kind::Bool, "fetch the lists of packages first") },
    with_default("cache_valid_time", Kind::Int, "0", "seconds for which fetched lists are good; means update_cache"),
    with_default("update_cache_retries", Kind::Int, "5", "how often fetching the lists is tried"),
    with_default("update_cache_retry_max_delay", Kind::Int, "12", "most seconds between two tries"),
    with_default("purge", Kind::Bool, "false", "with absent or autoremove: the configuration goes, too"),
    Arg { aliases: &["default-release"], ..arg("default_release", Kind::Str, "release to prefer, as `-t`") },
    Arg { aliases: &["install-recommends"], ..arg("install_recommends", Kind::Bool, "with recommended packages") },
    with_default("force", Kind::Bool, "false", "allow downgrades, held, essential and unsigned packages"),
    with_default("clean", Kind::Bool, "false", "remove fetched package files"),
    Arg {
        aliases: &["allow-unauthenticated"],
        ..with_default("allow_unauthenticated", Kind::Bool, "false", "packages without a signature")
    },
    Arg {
        aliases: &["allow-downgrade", "allow_downgrades", "allow-downgrades"],
        ..with_default("allow_downgrade", Kind::Bool, "false", "an older version in place of a newer")
    },
    with_default("allow_change_held_packages", Kind::Bool, "false", "also packages on hold"),
    one_of("upgrade", "'no'", &["dist", "full", "no", "safe", "yes"], "upgrade all that is installed"),
    with_default("dpkg_options", Kind::Str, "'force-confdef,force-confold'", "options of dpkg, by commas"),
    arg("deb", Kind::Path, "files or addresses of packages to install, by commas"),
    with_default("autoremove", Kind::Bool, "false", "what nobody needs any more goes"),
    with_default("autoclean", Kind::Bool, "false", "fetched files that cannot be fetched again go"),
    arg("policy_rc_d", Kind::Int, "what policy-rc.d answers meanwhile; 101: no service starts"),
    with_default("only_upgrade", Kind::Bool, "false", "only packages that are there already"),
    with_default("fail_on_autoremove", Kind::Bool, "false", "fail when a package would have to go"),
    with_default("force_apt_get", Kind::Bool, "false", "accepted: apt-get is what runs"),
    with_default("lock_timeout", Kind::Int, "60", "seconds to wait for another apt"),
    with_default("auto_install_module_deps", Kind::Bool, "true", "accepted: there is nothing to install"),
];

/// The module for Debian and its kin.
pub static APT: Module = Module {
    name: "apt",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "installs, upgrades and removes Debian packages",
    args: ARGS,
    free_form: None,
    act: Act::Shell { library: &[RUN, SH], script },
};

/// The shell side, which `package` uses, too.
pub const SH: &str = include_str!("apt.sh");

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    let mut step = Step::new(scope);
    prepare(args, &mut step)?;
    Ok(step.run("b_apt").done())
}

/// A version or name that is no option, no path and one word.
fn fits(name: &str) -> bool {
    let fine = |c: char| c.is_ascii_alphanumeric() || "_-.+:=~*<>?[]!".contains(c);
    !name.is_empty() && !name.starts_with(['-', '.', '=', '>']) && name.chars().all(fine) && name.len() <= 256
}

/// Sets what the shell side reads.
pub fn prepare(args: &Args, step: &mut Step) -> Result<(), String> {
    let names: Vec<String> = list(args, "name").unwrap_or_default().iter().map(|name| name.trim().to_owned()).collect();
    let state = match text(args, "state").unwrap_or("present") {
        "installed" => "present",
        "removed" => "absent",
        other => other,
    };
    let mut upgrade = text(args, "upgrade").filter(|kind| *kind != "no").unwrap_or_default();
    let deb = text(args, "deb").unwrap_or_default();
    let all = names.iter().any(|name| name == "*");
    if all && state == "latest" {
        if names.len() > 1 {
            return Err("unable to install additional packages when upgrading all installed packages".to_owned());
        }
        upgrade = "yes";
    }
    let (mut plain, mut patterns, mut shown) = (String::new(), String::new(), String::new());
    for name in names.iter().filter(|name| *name != "*") {
        if name.matches('=').count() > 1 {
            return Err(format!("invalid package spec: {name}"));
        }
        if !fits(name) {
            let short: String = name.chars().take(40).collect::<String>().escape_debug().to_string();
            return Err(format!("`{short}` is no package name"));
        }
        let bare = name.split(['=', '>']).next().unwrap_or_default();
        if bare.contains(['*', '?', '[', '!']) {
            if bare.contains(':') || bare != name {
                return Err(format!(
                    "`{name}`: a pattern must be of the name alone, with no architecture and no version"
                ));
            }
            let _ = writeln!(patterns, "{}", glob(bare));
            let _ = writeln!(shown, "{bare}");
        } else {
            let _ = writeln!(plain, "{name}");
        }
    }
    let asked = [!plain.is_empty() || !patterns.is_empty(), !deb.is_empty(), !upgrade.is_empty()];
    if asked.iter().filter(|one| **one).count() > 1 {
        return Err("`name`, `deb` and `upgrade` exclude each other".to_owned());
    }
    let update = flag(args, "update_cache") || args.int("cache_valid_time").is_some_and(|time| time > 0);
    let other = update || flag(args, "autoremove") || flag(args, "autoclean") || flag(args, "clean");
    if !asked.contains(&true) && !other && !given(args, "update_cache") && !given(args, "name") {
        return Err("give `name`, `deb`, `upgrade`, `update_cache`, `autoremove` or `clean`".to_owned());
    }
    if !deb.is_empty() && state != "present" {
        return Err("deb only supports state=present".to_owned());
    }
    for (name, fine) in [("dpkg_options", ",-=_"), ("default_release", "-_.=/:+~*")] {
        let value = text(args, name).unwrap_or_default();
        if value.starts_with('-') || !value.chars().all(|c| c.is_ascii_alphanumeric() || fine.contains(c)) {
            return Err(format!("`{name}: {}` cannot be given to apt-get", value.escape_debug()));
        }
    }
    let files: Vec<&str> = deb.split(',').map(str::trim).filter(|file| !file.is_empty()).collect();
    if files.iter().any(|file| file.starts_with('-') || file.contains('\n')) {
        return Err("`deb` must not start with `-` nor hold a line break".to_owned());
    }
    // The files are paths on the host, with `~` and variables.
    step.run("b_deb=");
    for file in files {
        if file.contains("://") {
            step.set("b_x", file)?;
        } else {
            step.set_path("b_x", file)?;
        }
        step.run("b_deb=\"$b_deb${b_deb:+\n}$b_x\"");
    }
    step.set("b_state", state)?
        .set("b_names", plain.trim_end())?
        .set("b_patterns", patterns.trim_end())?
        .set("b_shown", &shown)?
        .set("b_upgrade", upgrade)?
        .set_opt("b_valid", text_of(args, "cache_valid_time").as_deref())?
        .set_opt("b_retries", text_of(args, "update_cache_retries").as_deref())?
        .set_opt("b_delay", text_of(args, "update_cache_retry_max_delay").as_deref())?
        .set_opt("b_release", text(args, "default_release"))?
        .set_opt("b_lock", text_of(args, "lock_timeout").as_deref())?
        .set_opt("b_policy", text_of(args, "policy_rc_d").as_deref())?
        .set("b_dpkg_options", text(args, "dpkg_options").unwrap_or("force-confdef,force-confold"))?
        .set_flag("b_update", update);
    for (var, name) in [
        ("b_purge", "purge"),
        ("b_force", "force"),
        ("b_clean", "clean"),
        ("b_unauth", "allow_unauthenticated"),
        ("b_downgrade", "allow_downgrade"),
        ("b_held", "allow_change_held_packages"),
        ("b_autoremove", "autoremove"),
        ("b_autoclean", "autoclean"),
        ("b_only", "only_upgrade"),
        ("b_noremove", "fail_on_autoremove"),
    ] {
        step.set_flag(var, flag(args, name));
    }
    let recommends = args.bool("install_recommends").map_or("", |with| if with { "yes" } else { "no" });
    step.set("b_recommends", recommends)?.run("b_nolists= b_todo= b_verb=");
    Ok(())
}

/// A file-name pattern as a regular expression for awk.
fn glob(pattern: &str) -> String {
    let mut text = "^".to_owned();
    let mut chars = pattern.chars().peekable();
    let mut set = false;
    while let Some(c) = chars.next() {
        match c {
            '*' if !set => text.push_str(".*"),
            '?' if !set => text.push('.'),
            '[' if !set => {
                set = true;
                text.push('[');
                if chars.peek() == Some(&'!') {
                    chars.next();
                    text.push('^');
                }
            }
            ']' if set => {
                set = false;
                text.push(']');
            }
            '.' | '+' if !set => text.extend(['[', c, ']']),
            c => text.push(c),
        }
    }
    if set {
        text.push(']');
    }
    text.push('$');
    text
}

#[cfg(test)]
mod tests {
    use super::{APT, glob};
    use crate::playbook::modules::common::{
        trial::{Said, Trial, args},
        world::{Kind, World},
    };

    #[test]
    fn patterns_are_regular_expressions() {
        assert_eq!(glob("lib*.so?"), "^lib.*[.]so.$");
        assert_eq!(glob("a[!b-c]+"), "^a[^b-c][+]$");
    }

    #[test]
    fn what_apt_get_cannot_be_given_is_refused() {
        let trial = Trial::new();
        for bad in [
            "{name: '-y'}",
            "{name: 'a b'}",
            "{name: '$(id)'}",
            "{name: '../x'}",
            "{name: 'a=1=2'}",
            "{name: '*', state: latest, pkg: '*,test'}",
            "{name: ['*', test], state: latest}",
            "{name: x, deb: y}",
            "{name: x, dpkg_options: 'force-all -o x'}",
            "{name: x, default_release: '-x'}",
            "{deb: x, state: absent}",
            "{}",
        ] {
            let Ok(given) = serde_saphyr::from_str(bad) else { continue };
            let Ok(task) = crate::playbook::modules::convert(&APT, &given) else { continue };
            assert!(trial.run(Trial::SHELLS[0], &APT, &task).failed.is_some(), "{bad}");
        }
    }

    /// Two versions of a package, made in the world itself.
    fn build(world: &mut World) {
        let said = world.sh(
            "cd /tmp; for v in 1.0 2.0; do mkdir -p p/DEBIAN p/etc; printf 'Package: berth-demo\nVersion: %s\nArchitecture: all\nMaintainer: nobody <n@example.org>\nDescription: demo\n' $v >p/DEBIAN/control; \
             echo x >p/etc/berth-demo.conf; echo /etc/berth-demo.conf >p/DEBIAN/conffiles; dpkg-deb -b p demo-$v.deb >/dev/null || echo bad; done",
        );
        assert_eq!(said, "");
    }

    fn fine(said: &Said, changed: bool) {
        assert!(said.failed.is_none() && said.changed == changed, "{said:?}");
    }

    #[test]
    fn a_package_file_is_installed_once_replaced_removed_and_purged() {
        let mut world = World::new(Kind::Debian);
        build(&mut world);
        let one = args(&APT, "{deb: /tmp/demo-1.0.deb}");
        let two = args(&APT, "{deb: /tmp/demo-2.0.deb}");
        fine(&world.check(&APT, &one), true);
        assert_eq!(world.sh("dpkg-query -W berth-demo 2>/dev/null"), "");
        let first = world.run(&APT, &one);
        fine(&first, true);
        assert!(first.text("stdout").contains("berth-demo"), "{first:?}");
        fine(&world.run(&APT, &one), false);
        fine(&world.run(&APT, &two), true);
        assert!(world.run(&APT, &one).failed.unwrap().contains("later version"));
        fine(&world.run(&APT, &args(&APT, "{deb: /tmp/demo-1.0.deb, allow_downgrade: true}")), true);
        assert_eq!(world.sh("dpkg-query -W berth-demo"), "berth-demo\t1.0\n");
        for present in ["berth-demo", "berth-demo=1.0", "berth-demo=1.*", "berth-demo>=0.9", "'berth-d?mo'"] {
            fine(&world.run(&APT, &args(&APT, &format!("{{name: {present}}}"))), false);
        }
        let newer = world.run(&APT, &args(&APT, "{name: 'berth-demo>=3'}"));
        assert!(newer.failed.unwrap().contains("no available installation candidate"));
        fine(&world.run(&APT, &args(&APT, "{name: 'berth-demo=9', state: absent}")), false);
        fine(&world.check(&APT, &args(&APT, "{name: berth-demo, state: absent}")), true);
        fine(&world.run(&APT, &args(&APT, "{name: [berth-demo, dpkg-no-such], state: absent}")), true);
        fine(&world.run(&APT, &args(&APT, "{name: berth-demo, state: absent}")), false);
        assert_eq!(world.sh("ls /etc/berth-demo.conf"), "/etc/berth-demo.conf\n");
        fine(&world.run(&APT, &args(&APT, "{name: berth-demo, state: absent, purge: true}")), true);
        fine(&world.run(&APT, &args(&APT, "{name: berth-demo, state: absent, purge: true}")), false);
        assert_eq!(world.sh("ls /etc/berth-demo.conf 2>/dev/null"), "");
    }

    #[test]
    fn a_folder_of_packages_is_a_source_like_any_other() {
        let mut world = World::new(Kind::Debian);
        build(&mut world);
        let said = world.sh(
            "cd /tmp; rm -rf /etc/apt/sources.list /etc/apt/sources.list.d; mkdir /etc/apt/sources.list.d; \
             for v in 1.0 2.0; do dpkg-deb -f demo-$v.deb; printf 'Filename: ./demo-%s.deb\nSize: %s\nSHA256: %s\n\n' $v $(stat -c %s demo-$v.deb) $(sha256sum demo-$v.deb | cut -d' ' -f1); done >Packages; \
             echo 'deb [trusted=yes] copy:/tmp ./' >/etc/apt/sources.list; chmod 755 /tmp; \
             printf '#!/bin/sh\n# ours\nexit 0\n' >/usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d",
        );
        assert_eq!(said, "");
        let update = "update_cache: true, update_cache_retries: 1";
        let first = world.run(&APT, &args(&APT, &format!("{{name: 'berth-demo=1.*', {update}}}")));
        fine(&first, true);
        assert_eq!(world.sh("dpkg-query -W berth-demo"), "berth-demo\t1.0\n");
        fine(&world.run(&APT, &args(&APT, "{update_cache: true, cache_valid_time: 3600}")), false);
        fine(&world.run(&APT, &args(&APT, "{name: berth-demo}")), false);
        fine(&world.check(&APT, &args(&APT, "{name: berth-demo, state: latest}")), true);
        world.sh("apt-mark hold berth-demo");
        let held = world.run(&APT, &args(&APT, "{name: berth-demo, state: latest}"));
        assert!(held.failed.is_some() && held.text("stderr").contains("--allow-change-held-packages"), "{held:?}");
        let newest =
            "{name: berth-demo, state: latest, allow_change_held_packages: true, only_upgrade: true, policy_rc_d: 101}";
        fine(&world.run(&APT, &args(&APT, newest)), true);
        fine(&world.run(&APT, &args(&APT, newest)), false);
        assert_eq!(world.sh("dpkg-query -W berth-demo; grep -c ours /usr/sbin/policy-rc.d"), "berth-demo\t2.0\n1\n");
        let none = world.run(&APT, &args(&APT, "{name: no-such-package-at-all}"));
        assert_eq!(none.failed.unwrap(), "No package matching 'no-such-package-at-all' is available");
        assert!(world.run(&APT, &args(&APT, "{name: 'no-such-*-at-all'}")).failed.unwrap().contains("matching"));
        fine(&world.run(&APT, &args(&APT, "{name: no-such, only_upgrade: true}")), false);
        world.sh("echo 'deb [trusted=yes] copy:/nowhere ./' >/etc/apt/sources.list");
        let bad = world.run(&APT, &args(&APT, &format!("{{{update}}}")));
        assert!(bad.failed.unwrap().contains("Failed to update apt cache"));
        fine(&world.run(&APT, &args(&APT, "{clean: true, autoclean: true}")), true);
    }
}
