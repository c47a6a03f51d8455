//! `firewalld`: Red Hat's firewall, by `firewall-cmd`.

use super::common::{RUN, Step, arg, flag, given, quote, required, text, text_of, with_default};
use super::{Act, Arg, Args, Kind, Module, Scope, Script};
use serde_json::Value;

/// The module.
pub static FIREWALLD: Module = Module {
    name: "firewalld",
    collections: &["ansible.posix", "ansible.builtin"],
    summary: "opens and closes services and ports of firewalld",
    args: &[
        Arg {
            choices: &["absent", "disabled", "enabled", "present"],
            ..required("state", Kind::Str, "enabled or disabled; present or absent for a zone itself")
        },
        arg("zone", Kind::Str, "which zone; default: the host's default zone"),
        arg("service", Kind::Str, "a service"),
        arg("port", Kind::Str, "`80/tcp`, `6000-6100/udp`"),
        arg("protocol", Kind::Str, "a protocol"),
        arg("port_forward", Kind::Raw, "port, proto, toport, toaddr"),
        arg("rich_rule", Kind::Str, "a rich rule"),
        arg("source", Kind::Str, "a network that belongs to the zone"),
        arg("interface", Kind::Str, "an interface that belongs to the zone"),
        arg("icmp_block", Kind::Str, "a kind of ICMP to block"),
        arg("icmp_block_inversion", Kind::Bool, "block all kinds but those named"),
        arg("forward", Kind::Bool, "forward within the zone"),
        arg("masquerade", Kind::Bool, "masquerade"),
        Arg {
            choices: &["%%REJECT%%", "ACCEPT", "DROP", "default"],
            ..arg("target", Kind::Str, "what becomes of what fits nothing; permanent only")
        },
        with_default("permanent", Kind::Bool, "false", "for each start"),
        arg("immediate", Kind::Bool, "now; true when not permanent"),
        with_default("timeout", Kind::Int, "0", "seconds after which it ends; not permanent"),
        with_default("offline", Kind::Bool, "true", "with permanent: also when firewalld does not run"),
    ],
    free_form: None,
    act: Act::Shell { library: &[RUN, SH], script },
};

const SH: &str = r#"
# b_firewalld QUERY ADD REMOVE: options of firewall-cmd; each as one word.
b_firewalld() {
  b_need firewall-cmd
  b_tool=firewall-cmd
  b_live=1
  if ! firewall-cmd --state >/dev/null 2>&1; then
    [ -n "$b_permanent" ] && [ -n "$b_offline" ] && command -v firewall-offline-cmd >/dev/null || fail 'firewall is not currently running, unable to perform immediate actions without a running firewall daemon'
    b_tool=firewall-offline-cmd b_live=
  fi
  if [ -n "$b_permanent" ]; then
    if [ -n "$b_live" ]; then b_fw_one --permanent "$@"; else b_fw_one '' "$@"; fi
  fi
  if [ -n "$b_immediate" ] && [ -n "$b_live" ]; then b_fw_one '' "$@"; fi
}
b_fw_one() {
  if [ -n "$b_fw_zone_of" ]; then
    # An interface belongs to one zone at a time.
    b_x=$("$b_tool" ${1:+"$1"} "$b_fw_zone_of" 2>/dev/null) || b_x=
    b_is=
    [ "$b_x" != "${b_zone:-$("$b_tool" --get-default-zone 2>/dev/null)}" ] || b_is=1
  elif [ -n "$b_fw_target" ]; then
    b_x=$("$b_tool" ${1:+"$1"} ${b_zone:+--zone="$b_zone"} --get-target 2>/dev/null)
    b_is=
    [ "$b_x" != "$b_fw_target" ] || b_is=1
  elif [ -n "$b_fw_list" ]; then
    case " $("$b_tool" ${1:+"$1"} "$2" 2>/dev/null) " in *" $b_zone "*) b_is=1 ;; *) b_is= ;; esac
  elif "$b_tool" ${1:+"$1"} ${b_zone:+--zone="$b_zone"} "$2" >/dev/null 2>&1; then b_is=1; else b_is=; fi
  if [ "$b_state" = on ]; then [ -z "$b_is" ] || return 0; else [ -n "$b_is" ] || return 0; fi
  changed
  [ -z "$CHECK" ] || return 0
  if [ "$b_state" = on ]; then
    if [ -z "$1" ] && [ "$b_timeout" != 0 ]; then b_must "$b_tool" ${b_zone:+--zone="$b_zone"} "$3" --timeout="$b_timeout"
    elif [ -n "$b_fw_list" ]; then b_must "$b_tool" ${1:+"$1"} "$3"
    else b_must "$b_tool" ${1:+"$1"} ${b_zone:+--zone="$b_zone"} "$3"; fi
  elif [ -n "$b_fw_list" ]; then b_must "$b_tool" ${1:+"$1"} "$4"
  else b_must "$b_tool" ${1:+"$1"} ${b_zone:+--zone="$b_zone"} "$4"; fi
}
"#;

/// What to ask for: the word after `--query-`, `--add-` and `--remove-`.
fn wanted(args: &Args) -> Result<Vec<String>, String> {
    let mut found = vec![];
    for (name, option) in [
        ("service", "service"),
        ("port", "port"),
        ("protocol", "protocol"),
        ("rich_rule", "rich-rule"),
        ("source", "source"),
        ("interface", "interface"),
        ("icmp_block", "icmp-block"),
    ] {
        if let Some(value) = text_of(args, name) {
            if value.contains(['\n', '\0']) || value.is_empty() {
                return Err(format!("`{name}` must be one line"));
            }
            if name == "port" && !value.contains('/') {
                return Err("improper port format (missing protocol?)".to_owned());
            }
            found.push(format!("{option}={value}"));
        }
    }
    for name in ["masquerade", "forward", "icmp_block_inversion"] {
        if given(args, name) {
            found.push(name.replace('_', "-"));
        }
    }
    if let Some(forward) = args.get("port_forward") {
        let all = forward.as_array().cloned().unwrap_or_else(|| vec![forward.clone()]);
        for one in all {
            let get = |name: &str| one.get(name).map(crate::playbook::modules::convert::text_of).unwrap_or_default();
            let mut rule = format!("forward-port=port={}:proto={}", get("port"), get("proto"));
            for name in ["toport", "toaddr"] {
                if one.get(name).is_some_and(|value| !value.is_null()) {
                    rule += &[":", name, "=", get(name).as_str()].concat();
                }
            }
            found.push(rule);
        }
    }
    Ok(found)
}

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    let zone = text(args, "zone").unwrap_or_default();
    if zone.contains(char::is_whitespace) || zone.starts_with('-') {
        return Err(format!("`{}` is no zone", zone.escape_debug()));
    }
    let found = wanted(args)?;
    let target = text(args, "target").unwrap_or_default();
    let permanent = flag(args, "permanent");
    let immediate = args.bool("immediate").unwrap_or(!permanent);
    if found.len() > 1 || found.len() == 1 && !target.is_empty() {
        return Err("can only operate on port, service, rich_rule, masquerade, icmp_block, icmp_block_inversion, interface or source at once".to_owned());
    }
    let state = text(args, "state").unwrap_or_default();
    let mut on = matches!(state, "enabled" | "present");
    let whole = found.is_empty() && target.is_empty();
    if whole && (zone.is_empty() || !permanent || matches!(state, "enabled" | "disabled")) {
        return Err("a zone itself needs `zone`, `permanent: true` and `state` present or absent".to_owned());
    }
    if !whole && target.is_empty() && matches!(state, "present" | "absent") {
        return Err("absent and present state can only be used in zone level operations".to_owned());
    }
    if !target.is_empty() && !permanent {
        return Err("`target` is permanent only".to_owned());
    }
    let flags = ["masquerade", "forward", "icmp_block_inversion"];
    if flags.iter().any(|name| args.get(name) == Some(&Value::Bool(false))) {
        on = !on;
    }
    let what = found.first().cloned().unwrap_or_default();
    let zone_of = what.strip_prefix("interface=").map(|name| format!("--get-zone-of-interface={name}"));
    let words = match () {
        () if whole => ["--get-zones".to_owned(), format!("--new-zone={zone}"), format!("--delete-zone={zone}")],
        () if !target.is_empty() => {
            [String::new(), format!("--set-target={target}"), "--set-target=default".to_owned()]
        }
        () if zone_of.is_some() => [String::new(), format!("--change-{what}"), format!("--remove-{what}")],
        () => [format!("--query-{what}"), format!("--add-{what}"), format!("--remove-{what}")],
    };
    let mut call = "b_firewalld".to_owned();
    for word in words {
        call.push(' ');
        call.push_str(&quote(&word)?);
    }
    let mut step = Step::new(scope);
    step.set("b_zone", zone)?
        .set("b_state", if on { "on" } else { "off" })?
        .set_opt("b_fw_zone_of", zone_of.as_deref())?
        .set("b_fw_target", target)?
        .set("b_timeout", &text_of(args, "timeout").unwrap_or_else(|| "0".to_owned()))?
        .set_flag("b_fw_list", whole)
        .set_flag("b_permanent", permanent)
        .set_flag("b_immediate", immediate && !whole && target.is_empty())
        .set_flag("b_offline", flag(args, "offline"));
    Ok(step.run(&call).done())
}

#[cfg(test)]
mod tests {
    use super::FIREWALLD;
    use crate::playbook::modules::common::trial::{Trial, args};

    #[test]
    fn services_ports_and_flags_change_once() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            let fake = "#!/bin/sh\nf=now; z=public\nfor a; do case $a in --state) exit 0 ;; --permanent) f=kept ;; --zone=*) z=${a#*=} ;; --query-*) grep -qxF -- \"$z ${a#--query-}\" $f; exit ;; --add-*) echo \"$z ${a#--add-}\" >>$f ;; --remove-*) grep -vxF -- \"$z ${a#--remove-}\" $f >f2; mv f2 $f ;; --get-zones) echo public $(cat zones 2>/dev/null) ;; --new-zone=*) echo ${a#*=} >zones ;; --timeout=*) ;; esac; done; exit 0\n";
            trial.write("firewall-cmd", fake, 0o755);
            for file in ["now", "kept"] {
                trial.write(file, "", 0o644);
            }
            let run = |yaml: &str| trial.with_after(shell, &FIREWALLD, &args(&FIREWALLD, yaml), "PATH=.:$PATH");
            for task in [
                "{service: https, state: enabled, permanent: true, immediate: true}",
                "{port: 80/tcp, zone: dmz, state: enabled}",
                "{rich_rule: 'rule service name=\"ftp\" audit limit value=\"1/m\" accept', state: enabled, permanent: true}",
                "{masquerade: true, state: enabled, permanent: true}",
                "{masquerade: false, state: enabled, permanent: true}",
                "{zone: own, state: present, permanent: true}",
                "{port_forward: {port: 443, proto: tcp, toport: 8443}, state: enabled}",
            ] {
                let first = run(task);
                assert!(first.changed && first.failed.is_none(), "{task} {first:?}");
                let again = run(task);
                assert!(!again.changed && again.failed.is_none(), "{task} {again:?}");
            }
            assert_eq!(
                trial.read("now"),
                "public service=https\ndmz port=80/tcp\npublic forward-port=port=443:proto=tcp:toport=8443\n"
            );
            assert!(trial.read("kept").starts_with("public service=https\npublic rich-rule=rule service"));
            assert!(run("{service: https, state: disabled}").changed);
            for bad in [
                "{port: '80', state: enabled}",
                "{service: x, port: 1/tcp, state: enabled}",
                "{service: x, state: present}",
                "{state: present}",
            ] {
                assert!(run(bad).failed.is_some(), "{bad}");
            }
        }
    }
}
