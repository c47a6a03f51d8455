//! `docker_volume`.

use super::{COLLECTIONS, ENGINE, SH, call, engine, hash, named, pairs};
use crate::playbook::modules::common::{RUN, Step, join, one_of, required, text, with_default};
use crate::playbook::modules::{Act, Arg, Args, Kind, Module, Scope, Script};

const OWN: &[Arg] = &[
    Arg { aliases: &["name"], ..required("volume_name", Kind::Str, "the volume") },
    one_of("state", "present", &["absent", "present"], "there or not"),
    with_default("driver", Kind::Str, "local", "what keeps it"),
    with_default("driver_options", Kind::Dict, "{}", "its options"),
    with_default("labels", Kind::Dict, "{}", "labels"),
    one_of("recreate", "never", &["always", "never", "options-changed"], "whether it is made anew, and emptied"),
];

/// The module.
pub static DOCKER_VOLUME: Module = Module {
    name: "docker_volume",
    collections: COLLECTIONS,
    summary: "makes and removes volumes of Docker",
    args: &join::<{ OWN.len() + ENGINE.len() }>(&[OWN, ENGINE]),
    free_form: None,
    act: Act::Shell { library: &[RUN, SH], script },
};

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    let name = text(args, "volume_name").unwrap_or_default();
    named("a volume", name)?;
    let mut words = vec![format!("--driver={}", text(args, "driver").unwrap_or("local"))];
    for (key, option) in [("driver_options", "--opt"), ("labels", "--label")] {
        words.extend(pairs(args.get(key)).into_iter().map(|(k, v)| format!("{option}={k}={v}")));
    }
    let spec = hash(&words);
    words.push(format!("--label=berth.spec={spec}"));
    words.insert(0, "volume".to_owned());
    let mut step = Step::new(scope);
    engine(args, &mut step)?;
    step.set("b_name", name)?
        .set("b_state", text(args, "state").unwrap_or("present"))?
        .set("b_spec", &spec)?
        .set("b_anew", text(args, "recreate").unwrap_or("never"))?;
    Ok(step.run(&call("b_docker_thing", &words)?).done())
}
