//! `docker_network`.

use super::{COLLECTIONS, ENGINE, SH, call, engine, hash, named, pairs, text as plain};
use crate::playbook::modules::common::{RUN, Step, arg, flag, given, join, list, one_of, required, text, with_default};
use crate::playbook::modules::{Act, Arg, Args, Kind, Module, Scope, Script};
use serde_json::Value;

const OWN: &[Arg] = &[
    Arg { aliases: &["network_name"], ..required("name", Kind::Str, "the network") },
    one_of("state", "present", &["absent", "present"], "there or not"),
    with_default("driver", Kind::Str, "bridge", "what makes it"),
    with_default("driver_options", Kind::Dict, "{}", "its options"),
    Arg { aliases: &["containers"], ..arg("connected", Kind::List, "the containers in it") },
    Arg {
        aliases: &["incremental"],
        ..with_default("appends", Kind::Bool, "false", "other containers may stay in it")
    },
    arg("internal", Kind::Bool, "no way out"),
    arg("attachable", Kind::Bool, "with overlay: for plain containers, too"),
    arg("ingress", Kind::Bool, "with overlay: the swarm's routing"),
    arg("enable_ipv6", Kind::Bool, "with IPv6"),
    arg("scope", Kind::Str, "local, global or swarm"),
    arg("config_only", Kind::Bool, "a configuration for other networks"),
    arg("config_from", Kind::Str, "the network whose configuration it has"),
    arg("ipam_driver", Kind::Str, "what gives addresses"),
    arg("ipam_driver_options", Kind::Dict, "its options"),
    arg("ipam_config", Kind::Raw, "list of subnet, iprange, gateway, aux_addresses"),
    with_default("labels", Kind::Dict, "{}", "labels"),
    with_default("force", Kind::Bool, "false", "make it anew in any case"),
];

/// The module.
pub static DOCKER_NETWORK: Module = Module {
    name: "docker_network",
    collections: COLLECTIONS,
    summary: "makes and removes networks of Docker",
    args: &join::<{ OWN.len() + ENGINE.len() }>(&[OWN, ENGINE]),
    free_form: None,
    act: Act::Shell { library: &[RUN, SH], script },
};

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    let name = text(args, "name").unwrap_or_default();
    named("a network", name)?;
    let mut words = vec![format!("--driver={}", text(args, "driver").unwrap_or("bridge"))];
    for (key, option) in [("driver_options", "--opt"), ("ipam_driver_options", "--ipam-opt"), ("labels", "--label")] {
        words.extend(pairs(args.get(key)).into_iter().map(|(k, v)| format!("{option}={k}={v}")));
    }
    for (key, option) in [
        ("internal", "--internal"),
        ("attachable", "--attachable"),
        ("ingress", "--ingress"),
        ("enable_ipv6", "--ipv6"),
        ("config_only", "--config-only"),
    ] {
        if flag(args, key) {
            words.push(option.to_owned());
        }
    }
    for (key, option) in [("scope", "--scope"), ("config_from", "--config-from"), ("ipam_driver", "--ipam-driver")] {
        words.extend(text(args, key).map(|value| format!("{option}={value}")));
    }
    for one in args.get("ipam_config").and_then(Value::as_array).into_iter().flatten() {
        for (key, option) in [("subnet", "--subnet"), ("iprange", "--ip-range"), ("gateway", "--gateway")] {
            words.extend(
                one.get(key).filter(|value| !value.is_null()).map(|value| format!("{option}={}", plain(value))),
            );
        }
        words.extend(pairs(one.get("aux_addresses")).into_iter().map(|(k, v)| format!("--aux-address={k}={v}")));
    }
    let spec = hash(&words);
    words.push(format!("--label=berth.spec={spec}"));
    let members = list(args, "connected").unwrap_or_default();
    for member in &members {
        named("a container", member)?;
    }
    let mut step = Step::new(scope);
    engine(args, &mut step)?;
    step.set("b_name", name)?
        .set("b_state", text(args, "state").unwrap_or("present"))?
        .set("b_spec", &spec)?
        .set("b_anew", if flag(args, "force") { "always" } else { "options-changed" })?
        .set("b_members", &members.join(" "))?
        .set_flag("b_members_given", given(args, "connected"))
        .set_flag("b_appends", flag(args, "appends"));
    words.insert(0, "network".to_owned());
    Ok(step.run(&call("b_docker_thing", &words)?).done())
}
