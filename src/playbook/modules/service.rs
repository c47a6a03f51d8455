//! `service`: what runs, and what starts with the machine; systemd, `OpenRC` and `SysV` scripts.

use super::common::{Step, arg, flag, given, refuse, required, text, text_of, with_default};
use super::{Act, Arg, Args, Kind, Module, Scope, Script};
use serde_json::Value;

/// Service states that Ansible knows.
const STATES: &[&str] = &["reloaded", "restarted", "started", "stopped"];

/// The module.
pub static SERVICE: Module = Module {
    name: "service",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "starts, stops and enables services",
    args: &[
        required("name", Kind::Str, "the service"),
        Arg { choices: STATES, ..arg("state", Kind::Str, "what it shall be doing") },
        arg("enabled", Kind::Bool, "whether it starts with the machine"),
        with_default("sleep", Kind::Int, "0", "seconds between stop and start on restart"),
        with_default("use", Kind::Str, "auto", "auto, systemd, openrc or sysvinit"),
        arg("pattern", Kind::Str, "not supported: text in ps that means it runs"),
        Arg { aliases: &["args"], ..arg("arguments", Kind::Str, "more words for the init script") },
        with_default("runlevel", Kind::Str, "default", "the OpenRC runlevel"),
    ],
    free_form: None,
    act: Act::Shell { library: &[SH], script },
};

/// What systemd units take besides.
const UNIT_ARGS: &[Arg] = &[
    Arg { aliases: &["service", "unit"], ..arg("name", Kind::Str, "the unit") },
    Arg { choices: STATES, ..arg("state", Kind::Str, "what it shall be doing") },
    arg("enabled", Kind::Bool, "whether it starts with the machine"),
    arg("masked", Kind::Bool, "whether it can start at all"),
    Arg {
        aliases: &["daemon-reload"],
        ..with_default("daemon_reload", Kind::Bool, "false", "read the unit files anew first")
    },
    Arg {
        aliases: &["daemon-reexec"],
        ..with_default("daemon_reexec", Kind::Bool, "false", "start systemd itself anew first")
    },
    with_default("scope", Kind::Str, "system", "only system"),
    with_default("no_block", Kind::Bool, "false", "do not wait for the job"),
    with_default("force", Kind::Bool, "false", "replace links when enabling"),
];

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
    refuse(args, &["pattern"])?;
    if text(args, "name").unwrap_or_default().is_empty() || !given(args, "state") && !given(args, "enabled") {
        return Err("`service` needs `name`, and `state` or `enabled`".to_owned());
    }
    let manager = match text(args, "use").unwrap_or("auto") {
        "auto" => "",
        "systemd" | "ansible.builtin.systemd" => "systemd",
        "openrc" => "openrc",
        "sysvinit" | "service" => "sysv",
        other => return Err(format!("`use: {other}` is not known; use auto, systemd, openrc or sysvinit")),
    };
    let mut step = Step::new(scope);
    common(&mut step, args)?;
    step.set("b_manager", manager)?
        .set_opt("b_sleep", text_of(args, "sleep").as_deref())?
        .set("b_level", text(args, "runlevel").unwrap_or("default"))?
        .set_opt("b_more", text(args, "arguments"))?;
    Ok(step.run("b_service").done())
}

fn unit(args: &Args, scope: &Scope) -> Result<Script, String> {
    if text(args, "scope").is_some_and(|scope| scope != "system") {
        return Err("only `scope: system` is supported".to_owned());
    }
    if !given(args, "name") && (given(args, "state") || given(args, "enabled") || given(args, "masked")) {
        return Err("`state`, `enabled` and `masked` need `name`".to_owned());
    }
    let mut step = Step::new(scope);
    common(&mut step, args)?;
    step.set("b_manager", "systemd")?.set("b_sleep", "0")?.set("b_level", "default")?.set("b_more", "")?;
    Ok(step.run("b_service").done())
}

#[cfg(test)]
mod tests {
    use super::SERVICE;
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
            assert!(run("{name: nosuch, state: started, use: sysvinit}").failed.unwrap().contains("nosuch"));
            assert!(run("{name: '$(touch canary)', state: started}").failed.unwrap().contains("no service name"));
        }
    }
}
