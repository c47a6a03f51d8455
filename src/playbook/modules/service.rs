//! `service`: what runs, and what starts with the machine; systemd, `OpenRC` and `SysV` scripts.

use super::common::{Step, arg, flag, given, text, text_of, with_default};
use super::{Act, Arg, Args, Kind, Module, Scope, Script};
use serde_json::{Map, Value};

/// Service states that Ansible knows.
const STATES: &[&str] = &["reloaded", "restarted", "started", "stopped"];

/// What only systemd has.
const RELOAD: Arg = Arg {
    aliases: &["daemon-reload"],
    ..with_default("daemon_reload", Kind::Bool, "false", "read the unit files anew first")
};
const REEXEC: Arg = Arg {
    aliases: &["daemon-reexec"],
    ..with_default("daemon_reexec", Kind::Bool, "false", "start systemd itself anew first")
};
const MASKED: Arg = arg("masked", Kind::Bool, "whether it can start at all");
const SCOPE: Arg = super::common::one_of(
    "scope",
    "system",
    &["global", "system", "user"],
    "whose units: the system's, the login user's, or every user's",
);
const NO_BLOCK: Arg = with_default("no_block", Kind::Bool, "false", "do not wait for the job");
const FORCE: Arg = with_default("force", Kind::Bool, "false", "replace links when enabling");

const SERVICE_ARGS: &[Arg] = &[
    Arg { aliases: &["service", "unit"], ..arg("name", Kind::Str, "the service") },
    Arg { choices: STATES, ..arg("state", Kind::Str, "what it shall be doing") },
    arg("enabled", Kind::Bool, "whether it starts with the machine"),
    with_default("sleep", Kind::Int, "0", "seconds between stop and start on restart"),
    with_default("use", Kind::Str, "auto", "auto, systemd, openrc or sysvinit"),
    arg("pattern", Kind::Str, "text in the list of processes that means it runs, for scripts without `status`"),
    Arg { aliases: &["args"], ..arg("arguments", Kind::Str, "more words for the init script") },
    with_default("runlevel", Kind::Str, "default", "the OpenRC runlevel"),
    // Ansible hands these on to systemd where that is what runs.
    RELOAD,
    REEXEC,
    MASKED,
    SCOPE,
    NO_BLOCK,
    FORCE,
];

const UNIT_ARGS: &[Arg] = &[
    Arg { aliases: &["service", "unit"], ..arg("name", Kind::Str, "the unit") },
    Arg { choices: STATES, ..arg("state", Kind::Str, "what it shall be doing") },
    arg("enabled", Kind::Bool, "whether it starts with the machine"),
    MASKED,
    RELOAD,
    REEXEC,
    SCOPE,
    NO_BLOCK,
    FORCE,
];

/// The module.
pub static SERVICE: Module = Module {
    name: "service",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "starts, stops and enables services",
    args: SERVICE_ARGS,
    free_form: None,
    act: Act::Shell { library: &[SH], script },
};

/// The module by systemd's name, with what only systemd has.
pub static SYSTEMD: Module = Module { name: "systemd", ..UNIT };

/// The same by its newer name.
pub static SYSTEMD_SERVICE: Module = UNIT;

const UNIT: Module = Module {
    name: "systemd_service",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "starts, stops, enables and masks systemd units",
    args: UNIT_ARGS,
    free_form: None,
    act: Act::Shell { library: &[SH], script: unit },
};

const SH: &str = include_str!("service.sh");

fn name_of(args: &Args) -> Result<&str, String> {
    let name = text(args, "name").unwrap_or_default();
    let fine = |c: char| c.is_ascii_alphanumeric() || "_-.@:\\+".contains(c);
    if name.starts_with('-') || !name.chars().all(fine) || name.len() > 255 {
        let shown: String = name.chars().take(40).collect::<String>().escape_debug().to_string();
        return Err(format!("`{shown}` is no service name"));
    }
    Ok(name)
}

fn common(step: &mut Step, args: &Args) -> Result<(), String> {
    step.set("b_name", name_of(args)?)?.set_opt("b_state", text(args, "state"))?;
    for (var, name) in [("b_enabled", "enabled"), ("b_masked", "masked")] {
        let on = args.0.get(name).and_then(Value::as_bool);
        step.set(var, on.map_or("", |on| if on { "yes" } else { "no" }))?;
    }
    step.set_flag("b_reload", flag(args, "daemon_reload"))
        .set_flag("b_reexec", flag(args, "daemon_reexec"))
        .set_flag("b_noblock", flag(args, "no_block"))
        .set_flag("b_force", flag(args, "force"));
    Ok(())
}

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    let systems = ["daemon_reload", "daemon_reexec", "no_block", "force"].into_iter().find(|name| flag(args, name));
    let systems = systems.or_else(|| given(args, "masked").then_some("masked"));
    let systems = systems.or_else(|| (text(args, "scope") != Some("system")).then_some("scope"));
    let whole = given(args, "state") || given(args, "enabled") || given(args, "masked");
    match text(args, "name").unwrap_or_default() {
        "" if whole || systems.is_none() => return Err("missing required arguments: name".to_owned()),
        "" => {}
        _ if whole || systems.is_some() => {}
        _ => return Err("`service` needs `state` or `enabled`".to_owned()),
    }
    let manager = match text(args, "use").unwrap_or("auto") {
        "auto" => "",
        "systemd" | "ansible.builtin.systemd" => "systemd",
        "openrc" => "openrc",
        "sysvinit" | "ansible.builtin.sysvinit" | "service" => "sysv",
        other => return Err(format!("`use: {other}` is not known; use auto, systemd, openrc or sysvinit")),
    };
    let mut step = Step::new(scope);
    common(&mut step, args)?;
    step.set("b_manager", manager)?
        .set_opt("b_own", systems)?
        .set("b_scope", text(args, "scope").unwrap_or("system"))?
        .set_opt("b_sleep", text_of(args, "sleep").as_deref())?
        .set("b_level", text(args, "runlevel").unwrap_or("default"))?
        .set_opt("b_more", text(args, "arguments"))?
        .set_opt("b_pattern", text(args, "pattern"))?;
    Ok(step.run("b_service").done())
}

fn unit(args: &Args, scope: &Scope) -> Result<Script, String> {
    if !given(args, "name") && (given(args, "state") || given(args, "enabled") || given(args, "masked")) {
        return Err("`state`, `enabled` and `masked` need `name`".to_owned());
    }
    let mut step = Step::new(scope);
    common(&mut step, args)?;
    step.set("b_manager", "systemd")?.set("b_sleep", "0")?.set("b_level", "default")?.set("b_more", "")?;
    step.set("b_scope", text(args, "scope").unwrap_or("system"))?;
    let mut script = step.run("b_service").done();
    script.finish = Some(status);
    Ok(script)
}

/// What `systemctl show` told, as the result's `status`.
fn status(_: &Args, result: &mut Map<String, Value>) {
    if let Some(Value::String(shown)) = result.shift_remove("shown") {
        let all: Map<String, Value> = shown
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect();
        result.insert("status".to_owned(), Value::Object(all));
    }
}

#[cfg(test)]
mod tests {
    use super::{SERVICE, SYSTEMD, status};
    use crate::playbook::modules::common::trial::{Trial, args};

    #[test]
    fn a_sysv_service_is_started_once_and_stopped_once() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            trial.write(
                "demo",
                "#!/bin/sh\ncase $1 in start) touch running ;; stop) rm running ;; status) [ -e running ] || exit 3 ;; *) echo $1 >>log ;; esac\n",
                0o755,
            );
            let run = |yaml: &str| trial.with_after(shell, &SERVICE, &args(&SERVICE, yaml), "b_initd=.");
            let start = "{name: demo, state: started, use: sysvinit}";
            let first = run(start);
            assert!(first.changed && first.failed.is_none() && trial.path("running").exists(), "{first:?}");
            assert!(!run(start).changed);
            assert!(run("{name: demo, state: reloaded, use: sysvinit}").changed);
            assert_eq!(trial.read("log"), "reload\n");
            assert!(run("{name: demo, state: stopped, use: sysvinit}").changed);
            assert!(!run("{name: demo, state: stopped, use: sysvinit}").changed);
            let more = run("{name: demo, state: started, daemon_reload: true, use: sysvinit}");
            assert!(more.failed.unwrap().contains("`daemon_reload` is only for systemd"));
            assert!(run("{name: nosuch, state: started, use: sysvinit}").failed.unwrap().contains("nosuch"));
            assert!(run("{name: '$(touch canary)', state: started}").failed.unwrap().contains("no service name"));
        }
    }

    /// A systemctl with one unit, whose state is in two files.
    const SYSTEMCTL: &str = "#!/bin/sh\necho \"$*\" >>log\nfor a; do case $a in -*) ;; *) set -- \"$@\" \"$a\" ;; esac; shift; done\n\
        case $1 in\nshow) case $2 in demo*) ;; *) echo LoadState=not-found; echo ActiveState=inactive; exit 0 ;; esac\n\
        echo Id=demo.service; [ -e masked ] && echo LoadState=masked || echo LoadState=loaded\n\
        [ -e on ] && echo ActiveState=active || echo ActiveState=inactive\n\
        [ -e boot ] && echo UnitFileState=enabled || echo UnitFileState=disabled ;;\n\
        start | restart) touch on ;; stop) rm on ;; enable) touch boot ;; disable) rm boot ;; mask) touch masked ;; unmask) rm masked ;; esac\n";

    #[test]
    fn a_unit_is_started_enabled_masked_and_looked_at() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            trial.write("systemctl", SYSTEMCTL, 0o755);
            let run = |yaml: &str| trial.with_after(shell, &SYSTEMD, &args(&SYSTEMD, yaml), "PATH=.:$PATH");
            let both = "{name: demo, state: started, enabled: true, daemon_reload: true}";
            let plain = "{daemon_reload: true, use: systemd}";
            let plain = trial.with_after(shell, &SERVICE, &args(&SERVICE, plain), "PATH=.:$PATH");
            assert!(plain.failed.is_none() && trial.read("log") == "daemon-reload\n", "{plain:?}");
            trial.write("log", "", 0o644);
            let mut first = run(both);
            assert!(first.changed && first.failed.is_none() && trial.path("on").exists(), "{first:?}");
            status(&args(&SYSTEMD, both), &mut first.result);
            assert_eq!(
                (first.result["enabled"].as_bool(), &first.result["status"]["Id"]),
                (Some(true), &"demo.service".into())
            );
            assert!(!run(both).changed);
            assert!(run("{name: demo, masked: true}").changed && !run("{name: demo, masked: true}").changed);
            assert!(run("{name: demo, masked: false, state: stopped, enabled: false}").changed);
            assert!(!trial.path("boot").exists() && !trial.path("on").exists());
            assert!(run("{name: demo, state: restarted, no_block: true, scope: user}").changed);
            let log = trial.read("log");
            assert!(log.contains("daemon-reload") && log.contains("--user") && log.contains("--no-block"), "{log}");
            assert!(run("{name: nosuch, state: started}").failed.unwrap().contains("could not find"));
            assert!(run("{state: started}").failed.is_some());
        }
    }
}
