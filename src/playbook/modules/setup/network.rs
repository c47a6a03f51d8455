//! Interfaces and their addresses.

use super::Told;
use serde_json::{Map, Value, json};
use std::net::{Ipv4Addr, Ipv6Addr};

fn kind_of(number: &str) -> &'static str {
    match number {
        "1" => "ether",
        "32" => "infiniband",
        "512" => "ppp",
        "772" => "loopback",
        "65534" => "tunnel",
        _ => "unknown",
    }
}

/// What `ip route get` says of a far address.
fn route(line: &str) -> Map<String, Value> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut found = Map::new();
    for (name, word) in [("interface", "dev"), ("address", "src"), ("gateway", "via")] {
        let at = words.iter().position(|known| *known == word);
        if let Some(value) = at.and_then(|at| words.get(at + 1)) {
            found.insert(name.to_owned(), (*value).into());
        }
    }
    found
}

pub fn facts(told: &Told, facts: &mut Map<String, Value>) {
    let mut interfaces: Map<String, Value> = Map::new();
    let marks: Vec<&str> = told.said("devices").split_whitespace().collect();
    for name in marks.iter().filter(|mark| !mark.contains([':', '>'])) {
        interfaces.insert((*name).to_owned(), device(told, name, &marks));
    }
    let (mut four, mut six) = (Map::new(), Map::new());
    let (mut all4, mut all6, mut local4, mut local6): (Vec<&str>, Vec<&str>, Vec<&str>, Vec<&str>) = Default::default();
    for line in told.said("ip").lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["8.8.8.8", ..] => four = route(line),
            ["2404:6800:400a:800::1012", ..] => six = route(line),
            ["local", address, ..] if address.contains(':') && !local6.contains(&address) => {
                local6.push(address);
            }
            ["local", address, ..] if !local4.contains(&address) => {
                local4.push(address);
            }
            _ => {}
        }
    }
    for line in told.said("ip").lines() {
        // `2: eth0    inet 10.0.0.2/24 brd 10.0.0.255 scope global eth0\       valid_lft forever …`
        let head = line.split('\\').next().unwrap_or_default();
        let words: Vec<&str> = head.split_whitespace().collect();
        let [number, name, family @ ("inet" | "inet6"), address, rest @ ..] = &words[..] else { continue };
        if !number.ends_with(':') {
            continue;
        }
        let name = name.split('@').next().unwrap_or_default();
        let (ip, prefix) = address.split_once('/').unwrap_or((address, if *family == "inet" { "32" } else { "128" }));
        let after = |word: &str| rest.iter().position(|w| *w == word).and_then(|at| rest.get(at + 1)).copied();
        let label =
            rest.iter().rev().find(|w| !matches!(**w, "dynamic" | "secondary" | "noprefixroute" | "mngtmpaddr"));
        let device = interfaces.entry(name).or_insert_with(|| json!({ "device": name }));
        let Value::Object(device) = device else { continue };
        let own = |key: &str| device.get(key).cloned();
        let (mac, mtu, kind) = (own("macaddress"), own("mtu"), own("type"));
        if *family == "inet" {
            let Some(one) = ipv4(ip, prefix, after("brd").unwrap_or_default()) else { continue };
            if four.get("address").and_then(Value::as_str) == Some(ip) {
                for key in ["broadcast", "netmask", "network", "prefix"] {
                    four.insert(key.to_owned(), one[key].clone());
                }
                let alias = label.map_or(name, |label| *label);
                for (key, value) in [("macaddress", mac), ("mtu", mtu), ("type", kind), ("alias", Some(alias.into()))] {
                    four.insert(key.to_owned(), value.unwrap_or_default());
                }
            }
            let secondary = rest.contains(&"secondary");
            if secondary || device.contains_key("ipv4") {
                let more = device.entry("ipv4_secondaries").or_insert_with(|| json!([]));
                if let Value::Array(more) = more {
                    more.push(one);
                }
            } else {
                device.insert("ipv4".to_owned(), one);
            }
            if !ip.starts_with("127.") {
                all4.push(ip);
            }
        } else if ip.parse::<Ipv6Addr>().is_ok() {
            let scope = after("scope").unwrap_or_default();
            let all = device.entry("ipv6").or_insert_with(|| json!([]));
            if let Value::Array(all) = all {
                all.push(json!({"address": ip, "prefix": prefix, "scope": scope}));
            }
            if six.get("address").and_then(Value::as_str) == Some(ip) {
                for (key, value) in [
                    ("prefix", Some(prefix.into())),
                    ("scope", Some(scope.into())),
                    ("macaddress", mac),
                    ("mtu", mtu),
                    ("type", kind),
                ] {
                    six.insert(key.to_owned(), value.unwrap_or_default());
                }
            }
            if ip != "::1" {
                all6.push(ip);
            }
        }
    }
    let names: Vec<String> = interfaces.keys().map(|name| name.replace(':', "_")).collect();
    facts.insert("interfaces".to_owned(), names.into());
    facts.insert("default_ipv4".to_owned(), Value::Object(four));
    facts.insert("default_ipv6".to_owned(), Value::Object(six));
    facts.insert("all_ipv4_addresses".to_owned(), all4.into());
    facts.insert("all_ipv6_addresses".to_owned(), all6.into());
    facts.insert("locally_reachable_ips".to_owned(), json!({"ipv4": local4, "ipv6": local6}));
    for (name, value) in interfaces {
        facts.insert(name.replace(':', "_"), value);
    }
}

/// One address with what follows from its prefix.
fn ipv4(ip: &str, prefix: &str, broadcast: &str) -> Option<Value> {
    let address: Ipv4Addr = ip.parse().ok()?;
    let bits: u32 = prefix.parse().ok().filter(|bits| *bits <= 32)?;
    let mask = u32::MAX.checked_shl(32 - bits).unwrap_or_default();
    Some(json!({"address": ip, "broadcast": broadcast, "netmask": Ipv4Addr::from(mask).to_string(),
        "network": Ipv4Addr::from(u32::from(address) & mask).to_string(), "prefix": prefix}))
}

fn device(told: &Told, name: &str, marks: &[&str]) -> Value {
    let file = |path: &str| Some(told.file(&format!("/sys/class/net/{name}/{path}")).trim()).filter(|t| !t.is_empty());
    let mut device = Map::new();
    device.insert("device".to_owned(), name.into());
    if let Some(mac) = file("address").filter(|mac| *mac != "00:00:00:00:00:00") {
        device.insert("macaddress".to_owned(), mac.into());
    }
    if let Some(mtu) = file("mtu").and_then(|n| n.parse::<u64>().ok()) {
        device.insert("mtu".to_owned(), mtu.into());
    }
    device.insert("active".to_owned(), Value::Bool(file("operstate") != Some("down")));
    device.insert("type".to_owned(), file("type").map_or("unknown", kind_of).into());
    if marks.contains(&format!("{name}:bridge").as_str()) {
        let inside = format!("{name}>");
        let ports: Vec<&str> = marks.iter().filter_map(|mark| mark.strip_prefix(inside.as_str())).collect();
        device.insert("type".to_owned(), "bridge".into());
        device.insert("interfaces".to_owned(), ports.into());
        device.insert("id".to_owned(), file("bridge/bridge_id").unwrap_or_default().into());
        device.insert("stp".to_owned(), Value::Bool(file("bridge/stp_state") == Some("1")));
    }
    if marks.contains(&format!("{name}:bonding").as_str()) {
        let first = |path: &str| file(path).and_then(|text| text.split(' ').next()).unwrap_or_default().to_owned();
        let slaves: Vec<&str> = file("bonding/slaves").unwrap_or_default().split_whitespace().collect();
        device.insert("type".to_owned(), "bonding".into());
        device.insert("slaves".to_owned(), slaves.into());
        device.insert("mode".to_owned(), first("bonding/mode").into());
        device.insert("miimon".to_owned(), first("bonding/miimon").into());
        if let Some(primary) = file("bonding/primary") {
            device.insert("primary".to_owned(), primary.into());
        }
    }
    if let Some(speed) = file("speed").and_then(|n| n.parse::<i64>().ok()) {
        device.insert("speed".to_owned(), speed.into());
    }
    let flags = file("flags").and_then(|text| u32::from_str_radix(text.trim_start_matches("0x"), 16).ok());
    device.insert("promisc".to_owned(), Value::Bool(flags.unwrap_or_default() & 0x100 != 0));
    Value::Object(device)
}
