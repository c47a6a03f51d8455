//! `docker_image`.

use super::{COLLECTIONS, ENGINE, SH, call, engine, named, pairs, text as plain};
use crate::playbook::modules::common::{RUN, Step, arg, flag, join, one_of, required, text, with_default};
use crate::playbook::modules::{Act, Arg, Args, Kind, Module, Scope, Script};
use serde_json::Value;

const OWN: &[Arg] = &[
    required("name", Kind::Str, "the image: `nginx`, `registry.example/app:1.0`"),
    Arg {
        choices: &["build", "load", "local", "pull"],
        ..arg("source", Kind::Str, "where it comes from; needed for present")
    },
    arg("build", Kind::Dict, "path, dockerfile, args, target, pull, nocache, platform, labels, network, rm"),
    arg("load_path", Kind::Path, "with load: the file"),
    arg("pull", Kind::Dict, "`platform`"),
    with_default("tag", Kind::Str, "latest", "tag, when `name` has none"),
    one_of("state", "present", &["absent", "present"], "there or not"),
    with_default("force_source", Kind::Bool, "false", "build, load or pull it though it is there"),
    with_default("force_absent", Kind::Bool, "false", "remove it though it has other names"),
    with_default("force_tag", Kind::Bool, "false", "accepted: a tag that means another image is moved"),
    arg("repository", Kind::Str, "another name to give it"),
    with_default("push", Kind::Bool, "false", "push it under that name"),
    arg("archive_path", Kind::Path, "write it to this file"),
];

/// The module.
pub static DOCKER_IMAGE: Module = Module {
    name: "docker_image",
    collections: COLLECTIONS,
    summary: "pulls, builds, loads, tags, pushes and removes images of Docker",
    args: &join::<{ OWN.len() + ENGINE.len() }>(&[OWN, ENGINE]),
    free_form: None,
    act: Act::Shell { library: &[RUN, SH], script },
};

/// `name` with `tag`, unless it has one.
pub fn full(name: &str, tag: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    if last.contains(':') || name.contains('@') || tag.is_empty() { name.to_owned() } else { format!("{name}:{tag}") }
}

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    let name = text(args, "name").unwrap_or_default();
    named("an image", name)?;
    let state = text(args, "state").unwrap_or("present");
    let source = text(args, "source").unwrap_or_default();
    if state == "present" && source.is_empty() {
        return Err("state is present but all of the following are missing: source".to_owned());
    }
    let mut words: Vec<String> = vec![];
    match source {
        "pull" => {
            let platform = args.get("pull").and_then(|pull| pull.get("platform")).map(plain);
            words.extend(platform.map(|platform| format!("--platform={platform}")));
        }
        "build" => {
            let build = args.get("build").and_then(Value::as_object).ok_or("`source: build` needs `build`")?;
            let path = build.get("path").map(plain).ok_or("`build` needs `path`")?;
            for (key, value) in build {
                match key.as_str() {
                    "dockerfile" => {
                        let file = plain(value);
                        let file =
                            if file.starts_with('/') { file } else { format!("{}/{file}", path.trim_end_matches('/')) };
                        words.push(format!("--file={file}"));
                    }
                    "args" => words.extend(pairs(Some(value)).into_iter().map(|(k, v)| format!("--build-arg={k}={v}"))),
                    "labels" => words.extend(pairs(Some(value)).into_iter().map(|(k, v)| format!("--label={k}={v}"))),
                    "target" | "platform" | "network" => words.push(format!("--{key}={}", plain(value))),
                    "pull" if value == &Value::Bool(true) => words.push("--pull".to_owned()),
                    "nocache" if value == &Value::Bool(true) => words.push("--no-cache".to_owned()),
                    "cache_from" => words.extend(
                        value.as_array().into_iter().flatten().map(|one| format!("--cache-from={}", plain(one))),
                    ),
                    "path" | "pull" | "nocache" | "rm" => {}
                    other => return Err(format!("`build.{other}` is not supported; take it out of the task")),
                }
            }
            words.push("--".to_owned());
            words.push(path);
        }
        "load" if text(args, "load_path").is_none() => return Err("`source: load` needs `load_path`".to_owned()),
        _ => {}
    }
    let mut step = Step::new(scope);
    engine(args, &mut step)?;
    for (var, name) in [("b_load", "load_path"), ("b_archive", "archive_path")] {
        match text(args, name) {
            Some(path) => step.set_path(var, path)?,
            None => step.set(var, "")?,
        };
    }
    let tag = text(args, "tag").unwrap_or("latest");
    let other = text(args, "repository").unwrap_or_default();
    if !other.is_empty() {
        named("an image", other)?;
    }
    step.set("b_full", &full(name, tag))?
        .set("b_state", state)?
        .set("b_source", source)?
        .set("b_repository", &if other.is_empty() { String::new() } else { full(other, tag) })?
        .set_flag("b_force_source", flag(args, "force_source"))
        .set_flag("b_force_absent", flag(args, "force_absent"))
        .set_flag("b_push", flag(args, "push"));
    Ok(step.run(&call("b_docker_image", &words)?).done())
}
