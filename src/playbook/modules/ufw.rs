//! `ufw`: Ubuntu's firewall.

use super::common::{RUN, Step, arg, flag, given, quote, text, text_of, with_default};
use super::{Act, Arg, Args, Kind, Module, Scope, Script};

/// The module.
pub static UFW: Module = Module {
    name: "ufw",
    collections: &["community.general", "ansible.builtin"],
    summary: "turns the firewall ufw on and off, and keeps its rules",
    args: &[
        Arg {
            choices: &["disabled", "enabled", "reloaded", "reset"],
            ..arg("state", Kind::Str, "on, off, read anew, or emptied")
        },
        Arg {
            aliases: &["policy"],
            choices: &["allow", "deny", "reject"],
            ..arg("default", Kind::Str, "what becomes of what fits no rule")
        },
        Arg { choices: &["in", "incoming", "out", "outgoing", "routed"], ..arg("direction", Kind::Str, "which way") },
        Arg {
            choices: &["full", "high", "low", "medium", "off", "on"],
            ..arg("logging", Kind::Str, "how much is logged")
        },
        Arg { choices: &["allow", "deny", "limit", "reject"], ..arg("rule", Kind::Str, "what the rule does") },
        with_default("route", Kind::Bool, "false", "the rule is for what passes through"),
        with_default("log", Kind::Bool, "false", "log new connections of the rule"),
        Arg { aliases: &["from", "src"], ..with_default("from_ip", Kind::Str, "any", "address it comes from") },
        arg("from_port", Kind::Str, "port it comes from"),
        Arg { aliases: &["dest", "to"], ..with_default("to_ip", Kind::Str, "any", "address it goes to") },
        Arg { aliases: &["port"], ..arg("to_port", Kind::Str, "port it goes to") },
        Arg {
            aliases: &["protocol"],
            choices: &["ah", "any", "esp", "gre", "igmp", "ipv6", "tcp", "udp", "vrrp"],
            ..arg("proto", Kind::Str, "protocol")
        },
        Arg { aliases: &["app"], ..arg("name", Kind::Str, "a profile of /etc/ufw/applications.d") },
        Arg { aliases: &["if"], ..arg("interface", Kind::Str, "interface, with `direction`") },
        Arg { aliases: &["if_in"], ..arg("interface_in", Kind::Str, "interface it comes by") },
        Arg { aliases: &["if_out"], ..arg("interface_out", Kind::Str, "interface it leaves by") },
        with_default("delete", Kind::Bool, "false", "the rule goes"),
        arg("insert", Kind::Int, "before which rule a new one goes"),
        arg("insert_relative_to", Kind::Str, "not supported but for `zero`: what `insert` counts from"),
        arg("comment", Kind::Str, "a remark"),
    ],
    free_form: None,
    act: Act::Shell { library: &[RUN, SH], script },
};

const SH: &str = r#"
b_ufw_state() {
  b_seen=$(LC_ALL=C ufw status verbose 2>&1)
  for b_f in ${b_ufw_rules:-/etc/ufw/user.rules /etc/ufw/user6.rules /lib/ufw/user.rules /lib/ufw/user6.rules}; do
    [ ! -r "$b_f" ] || b_seen="$b_seen
$(grep '^### tuple' "$b_f")"
  done
}
# b_ufw WORD...: one command. It is a change when the state afterwards is another.
b_ufw() {
  b_need ufw
  LC_ALL=C
  export LC_ALL
  if [ -n "$CHECK" ]; then
    case $1 in
      --force)
        b_ufw_state
        case $2:$b_seen in enable:*'Status: active'* | disable:*'Status: inactive'*) return 0 ;; esac
        changed
        return 0
        ;;
      default)
        b_ufw_state
        case $b_seen in *"$2 (${3:-incoming})"*) return 0 ;; esac
        changed
        return 0
        ;;
      logging)
        b_ufw_state
        case $2:$b_seen in off:*'Logging: off'* | on:*'Logging: on'*) return 0 ;; esac
        case $b_seen in *"Logging: on ($2)"*) return 0 ;; esac
        changed
        return 0
        ;;
      reload) changed; return 0 ;;
    esac
    b_must ufw --dry-run "$@"
    case $b_x in *'Skipping'* | *'Could not delete non-existent rule'*) case $b_x in *'tuple'*) changed ;; esac ;; *) changed ;; esac
    return 0
  fi
  b_ufw_state
  b_was=$b_seen
  b_must ufw "$@"
  out msg "$b_x"
  b_ufw_state
  if [ "$1" = reload ] || [ "$b_was" != "$b_seen" ]; then
    changed
    differ ufw "$b_was
" "$b_seen
"
  fi
}
"#;

fn word(args: &Args, name: &str) -> Result<Option<String>, String> {
    let value = text_of(args, name).filter(|value| !value.is_empty());
    if value.as_ref().is_some_and(|value| value.starts_with('-') || value.contains(['\n', '\0'])) {
        return Err(format!("`{name}` must be one line, and not start with `-`"));
    }
    Ok(value)
}

fn rule(args: &Args, what: &str) -> Result<Vec<String>, String> {
    let mut words: Vec<String> = vec![];
    if flag(args, "route") {
        words.push("route".to_owned());
    }
    if flag(args, "delete") {
        words.push("delete".to_owned());
    } else if let Some(number) = text_of(args, "insert") {
        words.extend(["insert".to_owned(), number]);
    }
    words.push(what.to_owned());
    let direction = text(args, "direction");
    match (direction, word(args, "interface")?) {
        (Some(way), interface) => {
            words.push(way.trim_end_matches("coming").trim_end_matches("going").to_owned());
            words.extend(interface.into_iter().flat_map(|name| ["on".to_owned(), name]));
        }
        (None, Some(_)) => return Err("`interface` needs `direction`".to_owned()),
        _ => {}
    }
    for (name, way) in [("interface_in", "in"), ("interface_out", "out")] {
        if let Some(interface) = word(args, name)? {
            words.extend([way.to_owned(), "on".to_owned(), interface]);
        }
    }
    if flag(args, "log") {
        words.push("log".to_owned());
    }
    for (name, before) in [
        ("from_ip", "from"),
        ("from_port", "port"),
        ("to_ip", "to"),
        ("to_port", "port"),
        ("proto", "proto"),
        ("name", "app"),
    ] {
        if let Some(value) = word(args, name)? {
            words.extend([before.to_owned(), value]);
        }
    }
    if let (Some(comment), false) = (word(args, "comment")?, flag(args, "delete")) {
        words.extend(["comment".to_owned(), comment]);
    }
    Ok(words)
}

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    if text(args, "insert_relative_to").is_some_and(|from| from != "zero") {
        return Err("`insert_relative_to` is not supported but for `zero`".to_owned());
    }
    let mut commands: Vec<Vec<String>> = vec![];
    let own = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    match text(args, "state") {
        Some("enabled") => commands.push(own(&["--force", "enable"])),
        Some("disabled") => commands.push(own(&["--force", "disable"])),
        Some("reloaded") => commands.push(own(&["reload"])),
        Some("reset") => commands.push(own(&["--force", "reset"])),
        _ => {}
    }
    if let Some(level) = text(args, "logging") {
        commands.push(own(&["logging", level]));
    }
    if let Some(policy) = text(args, "default") {
        let way = match text(args, "direction") {
            Some("in" | "incoming") => Some("incoming"),
            Some("out" | "outgoing") => Some("outgoing"),
            other => other,
        };
        commands.push(own(&["default", policy]));
        if let (Some(way), Some(last)) = (way, commands.last_mut()) {
            last.push(way.to_owned());
        }
    }
    if let Some(what) = text(args, "rule") {
        if given(args, "default") {
            return Err("`default` and `rule` exclude each other".to_owned());
        }
        commands.push(rule(args, what)?);
    }
    if commands.is_empty() {
        return Err("Not any of the command arguments {'default', 'logging', 'rule', 'state'} is given".to_owned());
    }
    let mut step = Step::new(scope);
    for words in commands {
        let mut call = "b_ufw".to_owned();
        for word in words {
            call.push(' ');
            call.push_str(&quote(&word)?);
        }
        step.run(&call);
    }
    Ok(step.done())
}

#[cfg(test)]
mod tests {
    use super::UFW;
    use crate::playbook::modules::common::trial::{Trial, args};

    #[test]
    fn rules_and_states_change_once() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            let fake = "#!/bin/sh\ncase $1 in status) cat st db 2>/dev/null ;; --force) echo \"Status: ${2}d\" >st ;; default) echo \"Default: $2 ($3)\" >>st ;; delete) shift; grep -vxF -- \"$*\" db >d2; mv d2 db ;; --dry-run) shift; grep -qxF -- \"$*\" db && echo 'Skipping adding existing rule' ;; *) grep -qxF -- \"$*\" db || echo \"$*\" >>db ;; esac; exit 0\n";
            trial.write("ufw", fake, 0o755);
            trial.write("db", "", 0o644);
            let run = |yaml: &str| trial.with_after(shell, &UFW, &args(&UFW, yaml), "PATH=.:$PATH b_ufw_rules=none");
            for task in [
                "{state: enabled}",
                "{rule: allow, port: '22', proto: tcp, from: 10.0.0.0/8, comment: \"it's $(id)\"}",
                "{rule: deny, direction: in, interface: eth0}",
            ] {
                let first = run(task);
                assert!(first.changed && first.failed.is_none(), "{task} {first:?}");
                assert!(!run(task).changed, "{task}");
                let look = trial.with(shell, &UFW, &args(&UFW, task), "PATH=.:$PATH b_ufw_rules=none CHECK=1 DIFF=");
                assert!(look.failed.is_none() && (!look.changed || task.contains("state")), "{look:?}");
            }
            assert_eq!(
                trial.read("db"),
                "allow from 10.0.0.0/8 to any port 22 proto tcp comment it's $(id)\ndeny in on eth0 from any to any\n"
            );
            assert!(run("{rule: deny, direction: in, interface: eth0, delete: true}").changed);
            assert!(run("{default: deny, direction: incoming}").changed);
            assert!(run("{}").failed.is_some() && run("{rule: allow, port: '-x'}").failed.is_some());
        }
    }
}
