//! `iptables`: rules of the kernel's packet filter, looked up by `-C`.

use super::common::{RUN, Step, arg, flag, list, one_of, quote, text, text_of, with_default};
use super::{Act, Arg, Args, Kind, Module, Scope, Script};
use serde_json::Value;

/// The module.
pub static IPTABLES: Module = Module {
    name: "iptables",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "adds or removes rules of the packet filter",
    args: &[
        one_of("table", "filter", &["filter", "mangle", "nat", "raw", "security"], "which table"),
        one_of("state", "present", &["absent", "present"], "there or not"),
        one_of("action", "append", &["append", "insert"], "where a new rule goes"),
        arg("rule_num", Kind::Str, "with insert: before this rule"),
        one_of("ip_version", "ipv4", &["both", "ipv4", "ipv6"], "which protocol"),
        arg("chain", Kind::Str, "which chain"),
        arg("protocol", Kind::Str, "tcp, udp, icmp, …"),
        arg("source", Kind::Str, "address it comes from"),
        arg("destination", Kind::Str, "address it goes to"),
        arg("tcp_flags", Kind::Dict, "`flags` and `flags_set`, each a list"),
        with_default("match", Kind::List, "[]", "extensions to use"),
        arg("jump", Kind::Str, "what becomes of it"),
        arg("gateway", Kind::Str, "with jump TEE: where a copy goes"),
        arg("log_prefix", Kind::Str, "with jump LOG: what each line starts with"),
        arg("log_level", Kind::Str, "with jump LOG: how grave"),
        arg("goto", Kind::Str, "go on in this chain"),
        arg("in_interface", Kind::Str, "interface it comes by"),
        arg("out_interface", Kind::Str, "interface it leaves by"),
        arg("fragment", Kind::Str, "second and further fragments"),
        arg("set_counters", Kind::Str, "packet and byte counters"),
        arg("source_port", Kind::Str, "port it comes from"),
        arg("destination_port", Kind::Str, "port it goes to"),
        with_default("destination_ports", Kind::List, "[]", "several ports it may go to"),
        arg("to_ports", Kind::Str, "with REDIRECT: ports"),
        arg("to_destination", Kind::Str, "with DNAT: address"),
        arg("to_source", Kind::Str, "with SNAT: address"),
        one_of("syn", "ignore", &["ignore", "match", "negate"], "packets that open a connection"),
        arg("set_dscp_mark", Kind::Str, "with DSCP: mark"),
        arg("set_dscp_mark_class", Kind::Str, "with DSCP: class"),
        arg("comment", Kind::Str, "a remark"),
        with_default("ctstate", Kind::List, "[]", "states of the connection"),
        arg("src_range", Kind::Str, "range of addresses it comes from"),
        arg("dst_range", Kind::Str, "range of addresses it goes to"),
        arg("match_set", Kind::Str, "an ipset"),
        Arg {
            choices: &["dst", "dst,dst", "dst,src", "src", "src,dst", "src,src"],
            ..arg("match_set_flags", Kind::Str, "what the set is compared to")
        },
        arg("limit", Kind::Str, "how often it fits"),
        arg("limit_burst", Kind::Str, "how many at once"),
        arg("uid_owner", Kind::Str, "user it comes from"),
        arg("gid_owner", Kind::Str, "group it comes from"),
        arg("reject_with", Kind::Str, "what to answer"),
        arg("icmp_type", Kind::Str, "kind of ICMP"),
        with_default("flush", Kind::Bool, "false", "remove all rules of the chain, or of the table"),
        Arg {
            choices: &["ACCEPT", "DROP", "QUEUE", "RETURN"],
            ..arg("policy", Kind::Str, "what becomes of what fits no rule")
        },
        arg("wait", Kind::Str, "seconds to wait for the lock"),
        with_default("chain_management", Kind::Bool, "false", "make and remove the chain itself"),
        with_default("numeric", Kind::Bool, "false", "look up no names when listing"),
    ],
    free_form: None,
    act: Act::Shell { library: &[RUN, SH], script },
};

const SH: &str = r#"
# b_iptables RULE_WORD...
b_iptables() {
  for b_prog in $b_progs; do
    b_need "$b_prog"
    b_w=
    [ -z "$b_wait" ] || b_w="-w $b_wait"
    if [ -n "$b_flush" ]; then
      changed
      [ -n "$CHECK" ] || b_must "$b_prog" $b_w -t "$b_table" -F ${b_chain:+"$b_chain"}
    elif [ -n "$b_policy" ]; then
      b_x=$("$b_prog" $b_w -t "$b_table" -S "$b_chain" 1 2>/dev/null) || b_x=
      [ -n "$b_x" ] || b_x=$("$b_prog" $b_w -t "$b_table" -S "$b_chain" 2>/dev/null)
      case $b_x in *"-P $b_chain $b_policy"*) ;; *)
        changed
        [ -n "$CHECK" ] || b_must "$b_prog" $b_w -t "$b_table" -P "$b_chain" "$b_policy"
        ;;
      esac
    else b_iptables_rule "$@"; fi
  done
}
b_iptables_rule() {
  b_is=1
  "$b_prog" $b_w -t "$b_table" -S "$b_chain" >/dev/null 2>&1 || b_is=
  if [ $# = 0 ] && [ -n "$b_manage" ]; then
    if [ "$b_state" = present ] && [ -z "$b_is" ]; then
      changed
      [ -n "$CHECK" ] || b_must "$b_prog" $b_w -t "$b_table" -N "$b_chain"
    elif [ "$b_state" = absent ] && [ -n "$b_is" ]; then
      changed
      [ -n "$CHECK" ] || b_must "$b_prog" $b_w -t "$b_table" -X "$b_chain"
    fi
    return 0
  fi
  if "$b_prog" $b_w -t "$b_table" -C "$b_chain" "$@" >/dev/null 2>&1; then b_has=present; else b_has=absent; fi
  [ "$b_has" != "$b_state" ] || return 0
  changed
  [ -z "$CHECK" ] || return 0
  if [ "$b_state" = absent ]; then
    b_must "$b_prog" $b_w -t "$b_table" -D "$b_chain" "$@"
    return 0
  fi
  if [ -z "$b_is" ] && [ -n "$b_manage" ]; then b_must "$b_prog" $b_w -t "$b_table" -N "$b_chain"; fi
  if [ "$b_action" = insert ]; then b_must "$b_prog" $b_w -t "$b_table" -I "$b_chain" ${b_num:+"$b_num"} "$@"
  else b_must "$b_prog" $b_w -t "$b_table" -A "$b_chain" "$@"; fi
}
"#;

/// The rule's words, in the order that extensions need.
fn rule(args: &Args) -> Result<Vec<String>, String> {
    let mut words: Vec<String> = vec![];
    let mut put = |option: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            // `!` before the value stands before the option.
            if let Some(rest) = value.strip_prefix('!') {
                words.extend(["!".to_owned(), option.to_owned(), rest.trim().to_owned()]);
            } else {
                words.extend([option.to_owned(), value]);
            }
        }
    };
    let get = |name: &str| text_of(args, name);
    put("-p", get("protocol"));
    put("-s", get("source"));
    put("-d", get("destination"));
    let matches = list(args, "match").unwrap_or_default();
    for name in &matches {
        put("-m", Some(name.clone()));
    }
    if let Some(Value::Object(flags)) = args.get("tcp_flags") {
        let of = |name: &str| -> String {
            let all = flags.get(name).and_then(Value::as_array);
            all.into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(",")
        };
        let (mask, set) = (of("flags"), of("flags_set"));
        if mask.is_empty() || set.is_empty() {
            return Err("`tcp_flags` needs `flags` and `flags_set`".to_owned());
        }
        put("--tcp-flags", Some(mask));
        put("\u{0}", Some(set));
    }
    put(
        "-j",
        get("jump").or_else(|| (get("log_prefix").is_some() || get("log_level").is_some()).then(|| "LOG".to_owned())),
    );
    for (option, name) in [
        ("--gateway", "gateway"),
        ("--log-prefix", "log_prefix"),
        ("--log-level", "log_level"),
        ("--to-destination", "to_destination"),
    ] {
        put(option, get(name));
    }
    let join = |name: &str| list(args, name).filter(|all| !all.is_empty()).map(|all| all.join(","));
    if let Some(ports) = join("destination_ports") {
        put("-m", Some("multiport".to_owned()));
        put("--dports", Some(ports));
    }
    for (option, name) in [
        ("--to-source", "to_source"),
        ("-g", "goto"),
        ("-i", "in_interface"),
        ("-o", "out_interface"),
        ("-f", "fragment"),
        ("-c", "set_counters"),
        ("--source-port", "source_port"),
        ("--destination-port", "destination_port"),
        ("--to-ports", "to_ports"),
        ("--set-dscp", "set_dscp_mark"),
        ("--set-dscp-class", "set_dscp_mark_class"),
    ] {
        put(option, get(name));
    }
    match get("syn").as_deref() {
        Some("match") => put("--syn\u{0}", Some("x".to_owned())),
        Some("negate") => put("--syn\u{0}", Some("!x".to_owned())),
        _ => {}
    }
    let has = |name: &str| matches.iter().any(|known| known == name);
    if let Some(set) = get("match_set") {
        let flags = get("match_set_flags").ok_or("`match_set` needs `match_set_flags`")?;
        if !has("set") {
            put("-m", Some("set".to_owned()));
        }
        put("--match-set", Some(set));
        put("\u{0}", Some(flags));
    }
    if let Some(states) = join("ctstate") {
        if has("state") {
            put("--state", Some(states));
        } else {
            if !has("conntrack") {
                put("-m", Some("conntrack".to_owned()));
            }
            put("--ctstate", Some(states));
        }
    }
    for (module, options) in [
        ("iprange", &[("--src-range", "src_range"), ("--dst-range", "dst_range")][..]),
        ("limit", &[("--limit", "limit"), ("--limit-burst", "limit_burst")]),
        ("owner", &[("--uid-owner", "uid_owner"), ("--gid-owner", "gid_owner")]),
    ] {
        if options.iter().any(|(_, name)| get(name).is_some()) && !has(module) {
            put("-m", Some(module.to_owned()));
        }
        for (option, name) in options {
            put(option, get(name));
        }
    }
    if get("reject_with").is_some() && get("jump").is_none() {
        put("-j", Some("REJECT".to_owned()));
    }
    put("--reject-with", get("reject_with"));
    put(if text(args, "ip_version") == Some("ipv6") { "--icmpv6-type" } else { "--icmp-type" }, get("icmp_type"));
    if let Some(comment) = get("comment") {
        put("-m", Some("comment".to_owned()));
        words.extend(["--comment".to_owned(), comment]);
    }
    // An option of several words leaves its mark before the second.
    words.retain(|word| word != "\u{0}");
    let mut made: Vec<String> = vec![];
    let mut skip = false;
    for word in words {
        if skip {
            skip = false;
        } else if let Some(option) = word.strip_suffix('\u{0}') {
            made.push(option.to_owned());
            skip = true;
        } else {
            made.push(word);
        }
    }
    Ok(made)
}

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    let chain = text(args, "chain").unwrap_or_default();
    let flush = flag(args, "flush");
    if chain.is_empty() && !flush {
        return Err("`chain` is needed, but for `flush`".to_owned());
    }
    if chain.starts_with('-') || chain.contains(char::is_whitespace) {
        return Err(format!("`{}` is no chain", chain.escape_debug()));
    }
    let wait = text_of(args, "wait").unwrap_or_default();
    let num = text_of(args, "rule_num").unwrap_or_default();
    if [&wait, &num].iter().any(|word| !word.bytes().all(|b| b.is_ascii_digit())) {
        return Err("`wait` and `rule_num` are numbers".to_owned());
    }
    let progs = match text(args, "ip_version") {
        Some("ipv6") => "ip6tables",
        Some("both") => "iptables ip6tables",
        _ => "iptables",
    };
    let mut call = "b_iptables".to_owned();
    for word in rule(args)? {
        call.push(' ');
        call.push_str(&quote(&word)?);
    }
    let mut step = Step::new(scope);
    step.set("b_table", text(args, "table").unwrap_or("filter"))?
        .set("b_chain", chain)?
        .set("b_progs", progs)?
        .set("b_state", text(args, "state").unwrap_or("present"))?
        .set("b_action", text(args, "action").unwrap_or("append"))?
        .set("b_num", &num)?
        .set("b_wait", &wait)?
        .set_opt("b_policy", text(args, "policy"))?
        .set_flag("b_flush", flush)
        .set_flag("b_manage", flag(args, "chain_management"));
    Ok(step.run(&call).done())
}

#[cfg(test)]
mod tests {
    use super::{IPTABLES, rule};
    use crate::playbook::modules::common::trial::{Trial, args};

    #[test]
    fn a_rule_is_the_words_that_iptables_takes() {
        for (yaml, words) in [
            (
                "protocol: tcp, destination_port: 22, ctstate: [NEW, ESTABLISHED], jump: ACCEPT, comment: 'a b'",
                "-p tcp -j ACCEPT --destination-port 22 -m conntrack --ctstate NEW,ESTABLISHED -m comment --comment a b",
            ),
            (
                "source: '!8.8.8.8', syn: negate, limit: 2/second, limit_burst: 20",
                "! -s 8.8.8.8 ! --syn -m limit --limit 2/second --limit-burst 20",
            ),
            (
                "tcp_flags: {flags: [ALL], flags_set: [ACK, RST]}, log_prefix: x, syn: match",
                "--tcp-flags ALL ACK,RST -j LOG --log-prefix x --syn",
            ),
            (
                "match_set: s, match_set_flags: 'src,dst', reject_with: tcp-reset",
                "-m set --match-set s src,dst -j REJECT --reject-with tcp-reset",
            ),
        ] {
            assert_eq!(rule(&args(&IPTABLES, &format!("{{chain: INPUT, {yaml}}}"))).unwrap().join(" "), words);
        }
    }

    #[test]
    fn rules_policies_and_chains_change_once() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            let fake = "#!/bin/sh\nshift 2; v=$1; shift; c=$1; case $v in -S) [ -e \"c.$c\" ] || exit 1; echo \"-P $c $(cat p 2>/dev/null)\" ;; -C) grep -qxF -- \"$*\" db ;; -A | -I) echo \"$*\" >>db ;; -D) grep -vxF -- \"$*\" db >d2; mv d2 db ;; -P) echo $2 >p ;; -N) touch c.$c ;; -X) rm c.$c ;; -F) : >db ;; esac\n";
            trial.write("iptables", fake, 0o755);
            trial.write("db", "", 0o644);
            trial.write("c.INPUT", "", 0o644);
            let run = |yaml: &str| trial.with_after(shell, &IPTABLES, &args(&IPTABLES, yaml), "PATH=.:$PATH");
            for task in [
                "{chain: INPUT, source: 10.0.0.0/8, jump: DROP, comment: \"$(id) 'x'\"}",
                "{chain: INPUT, policy: DROP}",
                "{chain: OWN, chain_management: true}",
            ] {
                let first = run(task);
                assert!(first.changed && first.failed.is_none(), "{task} {first:?}");
                let again = run(task);
                assert!(!again.changed && again.failed.is_none(), "{task} {again:?}");
            }
            assert_eq!(trial.read("db"), "INPUT -s 10.0.0.0/8 -j DROP -m comment --comment $(id) 'x'\n");
            assert!(
                run("{chain: OWN, chain_management: true, state: absent}").changed && !trial.path("c.OWN").exists()
            );
            assert!(run("{chain: INPUT, flush: true}").changed && trial.read("db").is_empty());
            assert!(run("{jump: DROP}").failed.is_some() && run("{chain: '-x'}").failed.is_some());
        }
    }
}
