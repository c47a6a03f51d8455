//! `docker_compose_v2`.

use super::{COLLECTIONS, ENGINE, SH, call, engine, pairs};
use crate::playbook::modules::common::{RUN, Step, arg, flag, given, join, list, one_of, text, text_of, with_default};
use crate::playbook::modules::{Act, Arg, Args, Kind, Module, Scope, Script};

const OWN: &[Arg] = &[
    arg("project_src", Kind::Path, "folder of the project on the host"),
    arg("project_name", Kind::Str, "its name; default: the folder's"),
    arg("definition", Kind::Dict, "not supported: put the text into a file by `copy`, and give `project_src`"),
    arg("files", Kind::List, "files in the folder, in place of compose.yaml"),
    arg("env_files", Kind::List, "files of variables"),
    arg("profiles", Kind::List, "profiles to use"),
    arg("services", Kind::List, "only these services"),
    one_of("state", "present", &["absent", "present", "restarted", "stopped"], "up, down, restarted or stopped"),
    one_of("pull", "policy", &["always", "missing", "never", "policy"], "when images are pulled"),
    one_of("build", "policy", &["always", "never", "policy"], "when images are built"),
    one_of("recreate", "auto", &["always", "auto", "never"], "when containers are made anew"),
    with_default("renew_anon_volumes", Kind::Bool, "false", "empty volumes without a name"),
    with_default("dependencies", Kind::Bool, "true", "also what the services need"),
    with_default("remove_orphans", Kind::Bool, "false", "containers that the files no longer name go"),
    with_default("remove_volumes", Kind::Bool, "false", "with absent: volumes go, too"),
    Arg { choices: &["all", "local"], ..arg("remove_images", Kind::Str, "with absent: images go, too") },
    arg("scale", Kind::Dict, "how many containers of each service"),
    with_default("wait", Kind::Bool, "false", "wait until all run and are well"),
    arg("wait_timeout", Kind::Int, "seconds to wait at most"),
    with_default("ignore_build_events", Kind::Bool, "true", "accepted: what was built and not used is no change"),
    with_default("assume_yes", Kind::Bool, "false", "accepted: nothing is asked here"),
    with_default("check_files_existing", Kind::Bool, "true", "accepted: compose says so itself"),
];

/// The module.
pub static DOCKER_COMPOSE_V2: Module = Module {
    name: "docker_compose_v2",
    collections: COLLECTIONS,
    summary: "brings projects of `docker compose` up and down",
    args: &join::<{ OWN.len() + ENGINE.len() }>(&[OWN, ENGINE]),
    free_form: None,
    act: Act::Shell { library: &[RUN, SH], script },
};

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    crate::playbook::modules::common::refuse(args, &["definition"])?;
    let folder = text(args, "project_src").ok_or("`project_src` is needed")?;
    let mut words: Vec<String> = vec![];
    words.extend(text(args, "project_name").map(|name| format!("--project-name={name}")));
    for (name, option) in [("files", "--file"), ("env_files", "--env-file"), ("profiles", "--profile")] {
        words.extend(list(args, name).unwrap_or_default().into_iter().map(|value| format!("{option}={value}")));
    }
    words.push("--ansi=never".to_owned());
    if scope.check {
        words.push("--dry-run".to_owned());
    }
    let state = text(args, "state").unwrap_or("present");
    let timeout =
        text_of(args, "timeout").filter(|_| given(args, "timeout")).map(|seconds| format!("--timeout={seconds}"));
    match state {
        "absent" => {
            words.push("down".to_owned());
            for (name, option) in [("remove_orphans", "--remove-orphans"), ("remove_volumes", "--volumes")] {
                if flag(args, name) {
                    words.push(option.to_owned());
                }
            }
            words.extend(text(args, "remove_images").map(|which| format!("--rmi={which}")));
        }
        "restarted" => words.push("restart".to_owned()),
        "stopped" => words.push("stop".to_owned()),
        _ => {
            words.extend(["up".to_owned(), "--detach".to_owned()]);
            match text(args, "pull") {
                Some("policy") | None => {}
                Some(when) => words.push(format!("--pull={when}")),
            }
            match text(args, "build") {
                Some("always") => words.push("--build".to_owned()),
                Some("never") => words.push("--no-build".to_owned()),
                _ => {}
            }
            match text(args, "recreate") {
                Some("always") => words.push("--force-recreate".to_owned()),
                Some("never") => words.push("--no-recreate".to_owned()),
                _ => {}
            }
            for (name, option, on) in [
                ("renew_anon_volumes", "--renew-anon-volumes", true),
                ("dependencies", "--no-deps", false),
                ("remove_orphans", "--remove-orphans", true),
                ("wait", "--wait", true),
            ] {
                if flag(args, name) == on {
                    words.push(option.to_owned());
                }
            }
            words.extend(pairs(args.get("scale")).into_iter().map(|(name, count)| format!("--scale={name}={count}")));
            words.extend(text_of(args, "wait_timeout").map(|seconds| format!("--wait-timeout={seconds}")));
        }
    }
    words.extend(timeout);
    words.push("--".to_owned());
    words.extend(list(args, "services").unwrap_or_default());
    let mut step = Step::new(scope);
    engine(args, &mut step)?;
    step.set_path("b_dir", folder)?;
    step.run("cd -- \"$b_dir\" 2>/dev/null || fail \"\\\"$b_dir\\\" is not a directory\"");
    Ok(step.run(&call("b_docker_compose", &words)?).done())
}
