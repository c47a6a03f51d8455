//! `docker_container`.

use super::{COLLECTIONS, ENGINE, SH, call, engine, hash, image::full, named, pairs, text as plain};
use crate::playbook::modules::common::{
    RUN, Step, arg, flag, join, list, one_of, required, text, text_of, with_default,
};
use crate::playbook::modules::{Act, Arg, Args, Kind, Module, Scope, Script};
use serde_json::Value;

/// Arguments that become one option of `docker create` with a value.
const PLAIN: &[(&str, &str)] = &[
    ("blkio_weight", "--blkio-weight"),
    ("cgroup_parent", "--cgroup-parent"),
    ("cgroupns_mode", "--cgroupns"),
    ("cpu_period", "--cpu-period"),
    ("cpu_quota", "--cpu-quota"),
    ("cpu_shares", "--cpu-shares"),
    ("cpus", "--cpus"),
    ("cpuset_cpus", "--cpuset-cpus"),
    ("cpuset_mems", "--cpuset-mems"),
    ("domainname", "--domainname"),
    ("hostname", "--hostname"),
    ("ipc_mode", "--ipc"),
    ("kernel_memory", "--kernel-memory"),
    ("log_driver", "--log-driver"),
    ("mac_address", "--mac-address"),
    ("memory", "--memory"),
    ("memory_reservation", "--memory-reservation"),
    ("memory_swap", "--memory-swap"),
    ("memory_swappiness", "--memory-swappiness"),
    ("oom_score_adj", "--oom-score-adj"),
    ("pid_mode", "--pid"),
    ("pids_limit", "--pids-limit"),
    ("platform", "--platform"),
    ("runtime", "--runtime"),
    ("shm_size", "--shm-size"),
    ("stop_signal", "--stop-signal"),
    ("stop_timeout", "--stop-timeout"),
    ("user", "--user"),
    ("userns_mode", "--userns"),
    ("uts", "--uts"),
    ("volume_driver", "--volume-driver"),
    ("working_dir", "--workdir"),
];
/// Lists: the option once for each.
const LISTS: &[(&str, &str)] = &[
    ("cap_drop", "--cap-drop"),
    ("capabilities", "--cap-add"),
    ("device_cgroup_rules", "--device-cgroup-rule"),
    ("devices", "--device"),
    ("dns_opts", "--dns-option"),
    ("dns_search_domains", "--dns-search"),
    ("dns_servers", "--dns"),
    ("exposed_ports", "--expose"),
    ("groups", "--group-add"),
    ("links", "--link"),
    ("security_opts", "--security-opt"),
    ("tmpfs", "--tmpfs"),
    ("ulimits", "--ulimit"),
    ("volumes", "--volume"),
    ("volumes_from", "--volumes-from"),
];
/// Mappings: the option with `NAME=VALUE` for each.
const MAPS: &[(&str, &str, char)] = &[
    ("etc_hosts", "--add-host", ':'),
    ("labels", "--label", '='),
    ("log_options", "--log-opt", '='),
    ("storage_opts", "--storage-opt", '='),
    ("sysctls", "--sysctl", '='),
];
/// Flags.
const FLAGS: &[(&str, &str)] = &[
    ("init", "--init"),
    ("interactive", "--interactive"),
    ("privileged", "--privileged"),
    ("read_only", "--read-only"),
    ("tty", "--tty"),
];

const OWN: &[Arg] = &[
    required("name", Kind::Str, "the container"),
    arg("image", Kind::Str, "its image"),
    one_of(
        "state",
        "started",
        &["absent", "healthy", "present", "started", "stopped"],
        "there, running, well, or gone",
    ),
    arg("command", Kind::Raw, "what it runs: a line or a list"),
    arg("entrypoint", Kind::List, "its entry point"),
    arg("env", Kind::Dict, "its variables"),
    arg("env_file", Kind::Path, "a file of variables on the host"),
    Arg { aliases: &["ports"], ..arg("published_ports", Kind::List, "`8080:80`, `127.0.0.1::53/udp`, or all") },
    Arg { aliases: &["exposed", "expose"], ..arg("exposed_ports", Kind::List, "ports to expose") },
    arg("publish_all_ports", Kind::Bool, "every exposed port at any port of the host"),
    arg("volumes", Kind::List, "`/host:/inside:ro`, `volume:/inside`"),
    arg("volumes_from", Kind::List, "containers whose volumes it has, too"),
    arg("mounts", Kind::Raw, "list of type, source, target, read_only, …"),
    arg("network_mode", Kind::Str, "bridge, host, none, `container:…`, or a network"),
    arg("networks", Kind::Raw, "list of name, aliases, ipv4_address, ipv6_address"),
    with_default("networks_cli_compatible", Kind::Bool, "true", "accepted: it is made as the docker program does"),
    with_default("purge_networks", Kind::Bool, "false", "accepted: a new container is in the named networks alone"),
    one_of("restart_policy", "'no'", &["always", "no", "on-failure", "unless-stopped"], "when it is started again"),
    arg("restart_retries", Kind::Int, "with on-failure: how often"),
    with_default("restart", Kind::Bool, "false", "start it anew when it runs"),
    with_default("recreate", Kind::Bool, "false", "make it anew in any case"),
    Arg {
        choices: &["False", "True", "always", "missing", "never", "no", "yes"],
        ..with_default("pull", Kind::Str, "missing", "when its image is pulled")
    },
    with_default("detach", Kind::Bool, "true", "false: wait for its end and tell its words"),
    with_default("cleanup", Kind::Bool, "false", "with detach false: it goes after its end"),
    arg("auto_remove", Kind::Bool, "docker removes it after its end"),
    with_default("keep_volumes", Kind::Bool, "true", "volumes without a name stay when it goes"),
    with_default("force_kill", Kind::Bool, "false", "kill it where it would be stopped"),
    arg("kill_signal", Kind::Str, "not supported: how it is killed"),
    with_default("healthy_wait_timeout", Kind::Int, "300", "with healthy: seconds to wait"),
    arg("healthcheck", Kind::Dict, "test, interval, timeout, retries, start_period"),
    arg("labels", Kind::Dict, "labels"),
    arg("log_options", Kind::Dict, "options of the log driver"),
    arg("etc_hosts", Kind::Dict, "lines of its /etc/hosts"),
    arg("sysctls", Kind::Dict, "its kernel parameters"),
    arg("storage_opts", Kind::Dict, "options of its storage"),
    arg("capabilities", Kind::List, "capabilities to add"),
    arg("cap_drop", Kind::List, "capabilities to drop"),
    arg("devices", Kind::List, "devices of the host"),
    arg("device_cgroup_rules", Kind::List, "rules for devices"),
    arg("device_requests", Kind::Raw, "not supported: GPUs; use `runtime` and `env`"),
    arg("dns_servers", Kind::List, "name servers"),
    arg("dns_opts", Kind::List, "options of name resolution"),
    arg("dns_search_domains", Kind::List, "search domains"),
    arg("groups", Kind::List, "further groups"),
    arg("links", Kind::List, "links to containers"),
    arg("security_opts", Kind::List, "security options"),
    Arg { aliases: &["tmpfs_mounts"], ..arg("tmpfs", Kind::List, "file systems in memory") },
    arg("ulimits", Kind::List, "limits: `nofile:1024:2048`"),
    arg("init", Kind::Bool, "an init process inside"),
    arg("interactive", Kind::Bool, "keep its input open"),
    arg("oom_killer", Kind::Bool, "whether it may be killed when memory ends"),
    arg("privileged", Kind::Bool, "all rights"),
    arg("read_only", Kind::Bool, "its file system cannot be written"),
    arg("tty", Kind::Bool, "a terminal"),
    arg("blkio_weight", Kind::Int, "share of input and output"),
    arg("cgroup_parent", Kind::Str, "its cgroup's parent"),
    arg("cgroupns_mode", Kind::Str, "its cgroup namespace"),
    arg("cpu_period", Kind::Int, "period of the scheduler"),
    arg("cpu_quota", Kind::Int, "quota of the scheduler"),
    arg("cpu_shares", Kind::Int, "share of processors"),
    arg("cpus", Kind::Str, "how many processors"),
    arg("cpuset_cpus", Kind::Str, "which processors"),
    arg("cpuset_mems", Kind::Str, "which memory nodes"),
    arg("domainname", Kind::Str, "its domain"),
    arg("hostname", Kind::Str, "its host name"),
    arg("ipc_mode", Kind::Str, "its IPC namespace"),
    arg("kernel_memory", Kind::Str, "limit of kernel memory"),
    arg("log_driver", Kind::Str, "where its log goes"),
    arg("mac_address", Kind::Str, "its hardware address"),
    arg("memory", Kind::Str, "limit of memory: `512M`"),
    arg("memory_reservation", Kind::Str, "soft limit of memory"),
    arg("memory_swap", Kind::Str, "limit of memory and swap"),
    arg("memory_swappiness", Kind::Int, "0 to 100"),
    arg("oom_score_adj", Kind::Int, "-1000 to 1000"),
    arg("pid_mode", Kind::Str, "its PID namespace"),
    arg("pids_limit", Kind::Int, "most processes"),
    arg("platform", Kind::Str, "its platform"),
    arg("runtime", Kind::Str, "its runtime"),
    arg("shm_size", Kind::Str, "size of /dev/shm"),
    arg("stop_signal", Kind::Str, "signal that stops it"),
    arg("stop_timeout", Kind::Int, "seconds until it is killed"),
    arg("user", Kind::Str, "who it runs as"),
    arg("userns_mode", Kind::Str, "its user namespace"),
    arg("uts", Kind::Str, "its UTS namespace"),
    arg("volume_driver", Kind::Str, "what keeps its volumes"),
    arg("working_dir", Kind::Str, "its folder"),
    arg("comparisons", Kind::Dict, "`image: ignore`; else not supported: every argument counts"),
    with_default(
        "container_default_behavior",
        Kind::Str,
        "no_defaults",
        "accepted: what is not given is docker's default",
    ),
    with_default("command_handling", Kind::Str, "correct", "accepted: as it is today"),
    with_default("default_host_ip", Kind::Str, "''", "address for ports that name none"),
    arg("image_comparison", Kind::Str, "accepted: the image that is there counts"),
    with_default("image_label_mismatch", Kind::Str, "ignore", "accepted: labels of the image do not count"),
    arg("image_name_mismatch", Kind::Str, "accepted: another name makes it anew"),
    with_default("output_logs", Kind::Bool, "false", "accepted: with detach false its words are told"),
    with_default("paused", Kind::Bool, "false", "not supported"),
    with_default(
        "pull_check_mode_behavior",
        Kind::Str,
        "image_not_present",
        "accepted: in check mode only a missing image counts",
    ),
];

/// The module.
pub static DOCKER_CONTAINER: Module = Module {
    name: "docker_container",
    collections: COLLECTIONS,
    summary: "makes, starts, stops and removes containers of Docker",
    args: &join::<{ OWN.len() + ENGINE.len() }>(&[OWN, ENGINE]),
    free_form: None,
    act: Act::Shell { library: &[RUN, SH], script },
};

/// The words of a command that is one line.
fn split(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut any) = (vec![], String::new(), None, false);
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, '\'' | '"') => {
                quote = Some(c);
                any = true;
            }
            (Some(open), c) if c == open => quote = None,
            (None | Some('"'), '\\') => word.extend(chars.next()),
            (None, c) if c.is_whitespace() => {
                if any || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                any = false;
            }
            (_, c) => word.push(c),
        }
    }
    if any || !word.is_empty() {
        words.push(word);
    }
    words
}

/// The options of `docker create`, the image and the command, and the further networks.
fn options(args: &Args, image: &str) -> Result<(Vec<String>, String), String> {
    let mut words = vec![];
    for (name, option) in PLAIN {
        words.extend(text_of(args, name).map(|value| format!("{option}={value}")));
    }
    for (name, option) in LISTS {
        words.extend(list(args, name).unwrap_or_default().into_iter().map(|value| format!("{option}={value}")));
    }
    for (name, option, mark) in MAPS {
        words.extend(pairs(args.get(name)).into_iter().map(|(k, v)| format!("{option}={k}{mark}{v}")));
    }
    for (name, option) in FLAGS {
        if flag(args, name) {
            words.push((*option).to_owned());
        }
    }
    if args.bool("oom_killer") == Some(false) {
        words.push("--oom-kill-disable".to_owned());
    }
    // Values of variables may be secret: they travel in a file, never as arguments.
    words.extend(text(args, "env_file").map(|file| format!("--env-file={file}")));
    let own = text(args, "default_host_ip").filter(|ip| !ip.is_empty());
    for port in list(args, "published_ports").unwrap_or_default() {
        match (port.as_str(), own) {
            ("all" | "ALL", _) => words.push("--publish-all".to_owned()),
            (port, Some(ip)) if port.matches(':').count() < 2 => words.push(format!("--publish={ip}:{port}")),
            (port, _) => words.push(format!("--publish={port}")),
        }
    }
    if flag(args, "publish_all_ports") {
        words.push("--publish-all".to_owned());
    }
    match (text(args, "restart_policy"), text_of(args, "restart_retries")) {
        (Some("on-failure"), Some(count)) => words.push(format!("--restart=on-failure:{count}")),
        (Some(policy), _) if policy != "no" => words.push(format!("--restart={policy}")),
        _ => {}
    }
    if flag(args, "auto_remove") {
        words.push("--rm".to_owned());
    }
    for mount in args.get("mounts").and_then(Value::as_array).into_iter().flatten() {
        let mut parts = vec![];
        for (key, value) in mount.as_object().into_iter().flatten() {
            let key = match key.as_str() {
                "read_only" if value == &Value::Bool(true) => {
                    parts.push("readonly".to_owned());
                    continue;
                }
                "read_only" => continue,
                "propagation" => "bind-propagation",
                "tmpfs_size" => "tmpfs-size",
                "tmpfs_mode" => "tmpfs-mode",
                "volume_driver" => "volume-driver",
                key @ ("type" | "source" | "target") => key,
                other => return Err(format!("`mounts.{other}` is not supported; take it out of the task")),
            };
            parts.push(format!("{key}={}", plain(value)));
        }
        words.push(format!("--mount={}", parts.join(",")));
    }
    if let Some(check) = args.get("healthcheck").and_then(Value::as_object) {
        for (key, value) in check {
            let option = match (key.as_str(), value) {
                ("test", Value::Array(all)) => {
                    let parts: Vec<String> = all.iter().map(plain).collect();
                    match parts.split_first() {
                        Some((first, _)) if first == "NONE" => {
                            words.push("--no-healthcheck".to_owned());
                            continue;
                        }
                        Some((first, rest)) if first == "CMD" || first == "CMD-SHELL" => {
                            format!("--health-cmd={}", rest.join(" "))
                        }
                        _ => format!("--health-cmd={}", parts.join(" ")),
                    }
                }
                ("test", value) => format!("--health-cmd={}", plain(value)),
                ("interval" | "timeout" | "retries", value) => format!("--health-{key}={}", plain(value)),
                ("start_period" | "start_interval", value) => {
                    format!("--health-{}={}", key.replace('_', "-"), plain(value))
                }
                ("test_cli_compatible", _) => continue,
                (other, _) => return Err(format!("`healthcheck.{other}` is not supported; take it out of the task")),
            };
            words.push(option);
        }
    }
    let more = networks(args, &mut words)?;
    let mut command = match args.get("command") {
        Some(Value::Array(all)) => all.iter().map(plain).collect(),
        Some(Value::String(line)) => split(line),
        Some(other) => vec![plain(other)],
        None => vec![],
    };
    if let Some((first, rest)) = list(args, "entrypoint").unwrap_or_default().split_first() {
        words.push(format!("--entrypoint={first}"));
        command = rest.iter().cloned().chain(command).collect();
    }
    if words.iter().any(|word| word.contains('\0')) {
        return Err("a value holds a NUL byte".to_owned());
    }
    words.push("\u{0}".to_owned());
    words.push(image.to_owned());
    words.extend(command);
    Ok((words, more))
}

/// The first network as options; the others as lines of `NETWORK OPTION…`.
fn networks(args: &Args, words: &mut Vec<String>) -> Result<String, String> {
    let mut more = String::new();
    let main = text(args, "network_mode").filter(|main| !matches!(*main, "default" | "bridge"));
    words.extend(main.map(|main| format!("--network={main}")));
    for (at, network) in args.get("networks").and_then(Value::as_array).into_iter().flatten().enumerate() {
        let name = network.get("name").map(plain).or_else(|| network.as_str().map(str::to_owned)).unwrap_or_default();
        named("a network", &name)?;
        let mut own = vec![];
        for (key, option, other) in [
            ("ipv4_address", "--ip", "--ip"),
            ("ipv6_address", "--ip6", "--ip6"),
            ("aliases", "--network-alias", "--alias"),
        ] {
            let option = if at == 0 && main.is_none() { option } else { other };
            let values: Vec<String> = match network.get(key) {
                Some(Value::Array(all)) => all.iter().map(plain).collect(),
                Some(Value::Null) | None => vec![],
                Some(one) => vec![plain(one)],
            };
            for value in values {
                if value.contains(char::is_whitespace) || value.starts_with('-') {
                    return Err(format!("`networks.{key}` must be one word"));
                }
                own.push(format!("{option}={value}"));
            }
        }
        if at == 0 && main.is_none() {
            words.push(format!("--network={name}"));
            words.extend(own);
        } else if main != Some(name.as_str()) {
            if !more.is_empty() {
                more.push('\n');
            }
            more += &[name, own.join(" ")].join(" ");
        }
    }
    Ok(more)
}

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    crate::playbook::modules::common::refuse(args, &["kill_signal", "device_requests", "paused"])?;
    let name = text(args, "name").unwrap_or_default();
    named("a container", name)?;
    let image = text(args, "image").map(|image| full(image, "latest")).unwrap_or_default();
    if !image.is_empty() && !image.starts_with("sha256:") {
        named("an image", &image)?;
    }
    let compare: Vec<(String, String)> = pairs(args.get("comparisons"));
    let ignore_image = compare.iter().any(|(key, how)| key == "image" && how == "ignore");
    if let Some((key, how)) = compare.iter().find(|(key, how)| !(key == "image" && how == "ignore" || how == "strict"))
    {
        return Err(format!(
            "`comparisons.{key}: {how}` is not supported: what a container was made from is compared whole"
        ));
    }
    let (words, more) = options(args, &image)?;
    let env = pairs(args.get("env"));
    if env.iter().any(|(name, value)| name.contains(['=', '\n']) || value.contains(['\n', '\0'])) {
        return Err("`env` must be of one line each".to_owned());
    }
    let file: String = env.iter().flat_map(|(name, value)| [name, "=", value, "\n"]).collect();
    let mut all = words.clone();
    all.push(more.clone());
    all.push(file.clone());
    let spec = hash(&all);
    let mut call_words = vec![format!("--name={name}"), format!("--label=berth.spec={spec}")];
    let at = words.iter().position(|word| word == "\u{0}").unwrap_or(words.len());
    call_words.extend(words[..at].iter().cloned());
    let mut line = call("b_docker_container", &call_words)?;
    if !env.is_empty() {
        line.push_str(" --env-file=\"$FILES/env\"");
    }
    line.push_str(&call("", words.get(at + 1..).unwrap_or_default())?);
    let mut step = Step::new(scope);
    engine(args, &mut step)?;
    if !env.is_empty() {
        step.file("env", file.into_bytes());
    }
    let pull = match text(args, "pull") {
        Some("always" | "True" | "yes") => "always",
        Some("never") => "never",
        _ => "missing",
    };
    step.set("b_name", name)?
        .set("b_image", &image)?
        .set("b_state", text(args, "state").unwrap_or("started"))?
        .set("b_spec", &spec)?
        .set("b_pull", pull)?
        .set("b_networks", &more)?
        .set_opt("b_stop", text_of(args, "stop_timeout").as_deref())?
        .set("b_patience", &text_of(args, "healthy_wait_timeout").unwrap_or_else(|| "300".to_owned()))?
        .set_flag("b_recreate", flag(args, "recreate"))
        .set_flag("b_restart", flag(args, "restart"))
        .set_flag("b_detach", flag(args, "detach"))
        .set_flag("b_cleanup", flag(args, "cleanup") && !flag(args, "detach"))
        .set_flag("b_kill", flag(args, "force_kill"))
        .set_flag("b_volumes_go", !flag(args, "keep_volumes"))
        .set_flag("b_ignore_image", ignore_image);
    Ok(step.run(&line).done())
}

#[cfg(test)]
#[test]
fn a_command_is_split_as_a_shell_does() {
    assert_eq!(split("sh -c 'a b' \"c \\\" d\" e\\ f ''"), ["sh", "-c", "a b", "c \" d", "e f", ""]);
}
