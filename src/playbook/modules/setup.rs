//! `setup`: facts about the host, by Ansible's names.
//!
//! One step reads what Linux tells in files, with four processes at most; names and numbers are made here.
//! What needs Python, hardware tools or root is not looked for.

use super::common::{Step, arg, list, with_default};
use super::{Act, Arg, Args, Kind, Module, Scope, Script};
use serde_json::{Map, Value, json};

/// The module.
pub static SETUP: Module = Module {
    name: "setup",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "learns what kind of host it is: system, processors, memory, addresses",
    args: &[
        Arg { aliases: &["gather_subsets"], ..arg("gather_subset", Kind::List, "accepted: all facts are cheap") },
        with_default("gather_timeout", Kind::Int, "10", "accepted: nothing here waits"),
        arg("filter", Kind::List, "only facts with such names, as `ansible_os*`"),
        arg("fact_path", Kind::Path, "not looked at: local facts"),
    ],
    free_form: None,
    act: Act::Shell { library: &[SH], script },
};

const SH: &str = r#"
b_cat() {
  b_S=
  [ -r "$1" ] || return 0
  while IFS= read -r b_l || [ -n "$b_l" ]; do b_S="$b_S$b_l
"; done <"$1"
  out "$2" "$b_S"
}
b_setup() {
  b_cat /proc/sys/kernel/ostype system
  b_cat /proc/sys/kernel/hostname hostname
  b_cat /proc/sys/kernel/osrelease kernel
  b_cat /proc/sys/kernel/version kernel_version
  b_cat /proc/sys/kernel/domainname domain
  b_cat /proc/uptime uptime
  if [ -r /sys/devices/system/cpu/online ]; then b_cat /sys/devices/system/cpu/online cpus
  else
    b_x=$(grep -c ^processor /proc/cpuinfo) || b_x=1
    out cpus "1-$b_x"
  fi
  if [ -r /etc/os-release ]; then b_cat /etc/os-release release; else b_cat /usr/lib/os-release release; fi
  b_cat /etc/debian_version debian
  b_cat /etc/alpine-release alpine
  b_cat /etc/machine-id machine_id
  b_S= b_n=0
  while [ "$b_n" -lt 16 ] && IFS= read -r b_l; do
    b_n=$((b_n + 1))
    b_S="$b_S$b_l
"
  done </proc/meminfo
  out memory "$b_S"
  b_x=$(uname -m) || b_x=
  out machine "$b_x"
  b_x=$(id -un) || b_x=
  out user_id "$b_x"
  b_x=$(date '+%Y-%m-%d %H:%M:%S %s %Z %z %A') || b_x=
  out date "$b_x"
  b_x=$(date -u +%Y-%m-%dT%H:%M:%SZ) || b_x=
  out date_utc "$b_x"
  if command -v ip >/dev/null; then
    b_x=$(ip -4 route get 192.0.2.1 2>/dev/null) || b_x=
    out route4 "$b_x"
    b_x=$(ip -o addr 2>/dev/null) || b_x=
    out addresses "$b_x"
  fi
  if [ -d /run/systemd/system ]; then out service_mgr systemd
  elif command -v rc-service >/dev/null; then out service_mgr openrc
  elif [ -d /etc/init.d ]; then out service_mgr sysvinit
  else out service_mgr service; fi
  for b_p in apt-get apk dnf5 dnf yum pacman zypper; do
    if command -v "$b_p" >/dev/null; then out pkg_mgr "$b_p"; break; fi
  done
  if [ -e /.dockerenv ]; then out container docker
  elif [ -e /run/.containerenv ]; then out container podman; fi
  if [ -d /sys/fs/selinux ] && [ -r /sys/fs/selinux/enforce ]; then out selinux enabled; fi
  out home "${HOME-}"
  out path "${PATH-}"
  out shell "${SHELL-}"
  out lang "${LANG-}"
  out pwd "$PWD"
}
"#;

#[expect(clippy::unnecessary_wraps, reason = "every module's script may refuse")]
fn script(_: &Args, scope: &Scope) -> Result<Script, String> {
    let mut script = Step::new(scope).run("b_setup").done();
    script.finish = Some(finish);
    Ok(script)
}

/// Distribution by the `ID` of os-release: Ansible's name and family.
const DISTRIBUTIONS: [(&str, &str, &str); 22] = [
    ("debian", "Debian", "Debian"),
    ("ubuntu", "Ubuntu", "Debian"),
    ("raspbian", "Debian", "Debian"),
    ("linuxmint", "Linux Mint", "Debian"),
    ("kali", "Kali", "Debian"),
    ("devuan", "Devuan", "Debian"),
    ("alpine", "Alpine", "Alpine"),
    ("rhel", "RedHat", "RedHat"),
    ("centos", "CentOS", "RedHat"),
    ("fedora", "Fedora", "RedHat"),
    ("rocky", "Rocky", "RedHat"),
    ("almalinux", "AlmaLinux", "RedHat"),
    ("ol", "OracleLinux", "RedHat"),
    ("amzn", "Amazon", "RedHat"),
    ("arch", "Archlinux", "Archlinux"),
    ("manjaro", "Manjaro", "Archlinux"),
    ("opensuse-leap", "openSUSE Leap", "Suse"),
    ("opensuse-tumbleweed", "openSUSE Tumbleweed", "Suse"),
    ("sles", "SLES", "Suse"),
    ("gentoo", "Gentoo", "Gentoo"),
    ("void", "Void", "Void"),
    ("openwrt", "OpenWrt", "OpenWrt"),
];

fn finish(args: &Args, result: &mut Map<String, Value>) {
    if result.get("failed") == Some(&Value::Bool(true)) {
        return;
    }
    let mut take = |key: &str| match result.shift_remove(key) {
        Some(Value::String(text)) => text.trim_end_matches('\n').to_owned(),
        _ => String::new(),
    };
    let mut facts = Map::new();
    let release = take("release");
    let (debian, alpine) = (take("debian"), take("alpine"));
    distribution(&release, &debian, &alpine, &mut facts);
    let hostname = take("hostname");
    let domain = Some(take("domain")).filter(|domain| domain != "(none)").unwrap_or_default();
    let machine = take("machine");
    let short = hostname.split('.').next().unwrap_or_default().to_owned();
    let domain = hostname.split_once('.').map_or(domain, |(_, domain)| domain.to_owned());
    let fqdn = if domain.is_empty() { short.clone() } else { format!("{short}.{domain}") };
    for (name, value) in [
        ("system", take("system")),
        ("kernel", take("kernel")),
        ("kernel_version", take("kernel_version")),
        ("nodename", hostname),
        ("hostname", short),
        ("fqdn", fqdn),
        ("domain", domain),
        ("machine", machine.clone()),
        ("userspace_architecture", machine.clone()),
        ("architecture", machine),
        ("machine_id", take("machine_id")),
        ("user_id", take("user_id")),
        ("user_dir", take("home")),
        ("user_shell", take("shell")),
        ("service_mgr", take("service_mgr")),
        ("pkg_mgr", take("pkg_mgr").replace("apt-get", "apt")),
    ] {
        facts.insert(name.to_owned(), value.into());
    }
    facts.insert(
        "env".to_owned(),
        json!({"HOME": facts["user_dir"], "SHELL": facts["user_shell"], "USER": facts["user_id"], "PATH": take("path"), "LANG": take("lang"), "PWD": take("pwd")}),
    );
    let cpus = count(&take("cpus"));
    facts.insert("processor_vcpus".to_owned(), cpus.into());
    facts.insert("processor_nproc".to_owned(), cpus.into());
    let uptime = take("uptime");
    let seconds = uptime.split('.').next().and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
    facts.insert("uptime_seconds".to_owned(), seconds.into());
    memory(&take("memory"), &mut facts);
    date(&take("date"), &take("date_utc"), &mut facts);
    addresses(&take("route4"), &take("addresses"), &mut facts);
    let container = take("container");
    if !container.is_empty() {
        facts.insert("virtualization_type".to_owned(), container.into());
        facts.insert("virtualization_role".to_owned(), "guest".into());
    }
    let selinux = if take("selinux").is_empty() { "disabled" } else { "enabled" };
    facts.insert("selinux".to_owned(), json!({ "status": selinux }));
    let filters = list(args, "filter").unwrap_or_default();
    let facts: Map<String, Value> = facts
        .into_iter()
        .map(|(name, value)| (format!("ansible_{name}"), value))
        .filter(|(name, _)| filters.is_empty() || filters.iter().any(|filter| is_like(name, filter)))
        .collect();
    result.insert("ansible_facts".to_owned(), Value::Object(facts));
}

/// Whether `name` fits `pattern` with its `*` and `?`; a bare name fits with or without `ansible_`.
fn is_like(name: &str, pattern: &str) -> bool {
    fn fits(name: &[u8], pattern: &[u8]) -> bool {
        match (pattern.first(), name.first()) {
            (None, None) => true,
            (Some(b'*'), _) => fits(name, &pattern[1..]) || !name.is_empty() && fits(&name[1..], pattern),
            (Some(b'?'), Some(_)) => fits(&name[1..], &pattern[1..]),
            (Some(p), Some(n)) if p == n => fits(&name[1..], &pattern[1..]),
            _ => false,
        }
    }
    let bare = name.strip_prefix("ansible_").unwrap_or(name);
    fits(name.as_bytes(), pattern.as_bytes()) || fits(bare.as_bytes(), pattern.as_bytes())
}

fn distribution(release: &str, debian: &str, alpine: &str, facts: &mut Map<String, Value>) {
    let field = |wanted: &str| {
        release
            .lines()
            .filter_map(|line| line.split_once('='))
            .find(|(name, _)| *name == wanted)
            .map(|(_, value)| value.trim_matches(['"', '\'']).to_owned())
            .unwrap_or_default()
    };
    let id = field("ID");
    let like = field("ID_LIKE");
    let known = |id: &str| DISTRIBUTIONS.iter().find(|known| known.0 == id);
    let family = known(&id).or_else(|| like.split(' ').find_map(known));
    let name = known(&id).map_or_else(|| field("NAME"), |known| known.1.to_owned());
    let mut version = field("VERSION_ID");
    let exact = if id == "debian" { debian } else { alpine };
    if exact.starts_with(|c: char| c.is_ascii_digit()) && exact.starts_with(version.as_str()) && !exact.contains('/') {
        exact.clone_into(&mut version);
    }
    let or = |text: String, other: &str| if text.is_empty() { other.to_owned() } else { text };
    let name = or(name, "Linux");
    let major = version.split('.').next().unwrap_or_default().to_owned();
    for (fact, value) in [
        ("os_family", family.map_or_else(|| name.clone(), |known| known.2.to_owned())),
        ("distribution", name),
        ("distribution_release", or(field("VERSION_CODENAME"), "NA")),
        ("distribution_version", or(version, "NA")),
        ("distribution_major_version", or(major, "NA")),
    ] {
        facts.insert(fact.to_owned(), value.into());
    }
}

/// How many numbers `0-3,5` names; at least one.
fn count(ranges: &str) -> u64 {
    let one = |range: &str| {
        let (start, end) = range.split_once('-').unwrap_or((range, range));
        Some(end.trim().parse::<u64>().ok()?.checked_sub(start.trim().parse().ok()?)? + 1)
    };
    ranges.split(',').filter_map(one).sum::<u64>().max(1)
}

fn memory(text: &str, facts: &mut Map<String, Value>) {
    let kib = |wanted: &str| {
        text.lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| *name == wanted)
            .and_then(|(_, value)| value.trim().trim_end_matches(" kB").parse::<u64>().ok())
            .unwrap_or_default()
    };
    let names = [
        ("memtotal_mb", "MemTotal"),
        ("memfree_mb", "MemFree"),
        ("swaptotal_mb", "SwapTotal"),
        ("swapfree_mb", "SwapFree"),
    ];
    for (fact, name) in names {
        facts.insert(fact.to_owned(), (kib(name) / 1024).into());
    }
    facts.insert(
        "memory_mb".to_owned(),
        json!({
            "real": {"total": kib("MemTotal") / 1024, "free": kib("MemFree") / 1024, "used": kib("MemTotal").saturating_sub(kib("MemFree")) / 1024},
            "nocache": {"free": kib("MemAvailable") / 1024, "used": kib("MemTotal").saturating_sub(kib("MemAvailable")) / 1024},
        }),
    );
}

fn date(local: &str, utc: &str, facts: &mut Map<String, Value>) {
    let words: Vec<&str> = local.split(' ').collect();
    let [day, time, epoch, zone, offset, weekday] = words[..] else { return };
    let part = |text: &str, at: usize, mark: char| text.split(mark).nth(at).unwrap_or_default().to_owned();
    facts.insert(
        "date_time".to_owned(),
        json!({
            "date": day, "time": time, "epoch": epoch, "epoch_int": epoch, "tz": zone, "tz_offset": offset,
            "weekday": weekday, "iso8601": utc, "year": part(day, 0, '-'), "month": part(day, 1, '-'),
            "day": part(day, 2, '-'), "hour": part(time, 0, ':'), "minute": part(time, 1, ':'), "second": part(time, 2, ':'),
        }),
    );
}

fn addresses(route: &str, all: &str, facts: &mut Map<String, Value>) {
    let (mut four, mut six, mut interfaces): (Vec<String>, Vec<String>, Vec<String>) = Default::default();
    let mut default = Map::new();
    let words: Vec<&str> = route.split_whitespace().collect();
    let after = |word: &str| words.iter().position(|w| *w == word).and_then(|at| words.get(at + 1)).copied();
    let source = after("src").unwrap_or_default();
    for line in all.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, device, family, address, ..] = words[..] else { continue };
        if !interfaces.iter().any(|known| known == device) {
            interfaces.push(device.to_owned());
        }
        let (ip, prefix) = address.split_once('/').unwrap_or((address, "32"));
        match family {
            "inet" if !ip.starts_with("127.") => four.push(ip.to_owned()),
            "inet6" if ip != "::1" => six.push(ip.to_owned()),
            _ => {}
        }
        if family == "inet" && ip == source {
            default.insert("prefix".to_owned(), prefix.into());
        }
    }
    for (name, value) in [("address", Some(source)), ("interface", after("dev")), ("gateway", after("via"))] {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            default.insert(name.to_owned(), value.into());
        }
    }
    facts.insert("default_ipv4".to_owned(), Value::Object(default));
    facts.insert("all_ipv4_addresses".to_owned(), four.into());
    facts.insert("all_ipv6_addresses".to_owned(), six.into());
    facts.insert("interfaces".to_owned(), interfaces.into());
}

#[cfg(test)]
mod tests {
    use super::{SETUP, addresses, count, distribution, finish, is_like};
    use crate::playbook::modules::common::trial::{Trial, args};
    use serde_json::Map;

    #[test]
    fn this_machine_is_known_from_dash_and_from_busybox() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            let task = args(&SETUP, "{}");
            let mut said = trial.run(shell, &SETUP, &task);
            assert!(!said.changed && said.failed.is_none(), "{said:?}");
            finish(&task, &mut said.result);
            let facts = &said.result["ansible_facts"];
            assert_eq!(facts["ansible_system"], "Linux");
            assert_eq!(facts["ansible_architecture"], std::env::consts::ARCH);
            assert!(facts["ansible_memtotal_mb"].as_u64().unwrap() > 64);
            assert!(facts["ansible_processor_vcpus"].as_u64().unwrap() >= 1);
            assert_eq!(facts["ansible_user_id"], "root");
            assert!(facts["ansible_date_time"]["epoch"].as_str().unwrap().len() >= 10, "{facts}");
        }
    }

    #[test]
    fn distributions_go_by_ansibles_names() {
        for (release, debian, alpine, meant) in [
            (
                "ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm",
                "12.5",
                "",
                ["Debian", "Debian", "12.5", "12", "bookworm"],
            ),
            (
                "ID=ubuntu\nVERSION_ID=\"24.04\"\nVERSION_CODENAME=noble",
                "trixie/sid",
                "",
                ["Debian", "Ubuntu", "24.04", "24", "noble"],
            ),
            ("ID=alpine\nVERSION_ID=3.20.1", "", "3.20.1", ["Alpine", "Alpine", "3.20.1", "3", "NA"]),
            ("ID=oddix\nNAME=\"Odd IX\"\nID_LIKE=\"rhel fedora\"", "", "", ["RedHat", "Odd IX", "NA", "NA", "NA"]),
            ("", "", "", ["Linux", "Linux", "NA", "NA", "NA"]),
        ] {
            let mut facts = Map::new();
            distribution(release, debian, alpine, &mut facts);
            let names = [
                "os_family",
                "distribution",
                "distribution_version",
                "distribution_major_version",
                "distribution_release",
            ];
            assert_eq!(names.map(|name| facts[name].as_str().unwrap().to_owned()), meant, "{release}");
        }
    }

    #[test]
    fn small_readers() {
        assert_eq!((count("0-3,6"), count("0"), count("")), (5, 1, 1));
        assert!(is_like("ansible_os_family", "ansible_os*") && is_like("ansible_os_family", "os_f?mily"));
        assert!(!is_like("ansible_os_family", "kernel"));
        let mut facts = Map::new();
        addresses(
            "192.0.2.1 via 10.0.0.1 dev eth0 src 10.0.0.5 uid 0",
            "1: lo    inet 127.0.0.1/8 scope host lo\n2: eth0    inet 10.0.0.5/24 brd 10.0.0.255\n2: eth0    inet6 fe80::1/64 scope link",
            &mut facts,
        );
        assert_eq!(
            facts["default_ipv4"],
            serde_json::json!({"prefix": "24", "address": "10.0.0.5", "interface": "eth0", "gateway": "10.0.0.1"})
        );
        assert_eq!(facts["all_ipv4_addresses"], serde_json::json!(["10.0.0.5"]));
    }
}
