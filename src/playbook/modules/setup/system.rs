//! The kernel, the user, the date, and what manages packages and services.

use super::Told;
use serde_json::{Map, Value, json};

pub fn platform(told: &Told, facts: &mut Map<String, Value>) {
    let kernel = |name: &str| told.file(&format!("/proc/sys/kernel/{name}")).to_owned();
    let hostname = kernel("hostname");
    let domain = Some(kernel("domainname")).filter(|domain| domain != "(none)").unwrap_or_default();
    let machine = Some(kernel("arch")).filter(|arch| !arch.is_empty()).unwrap_or_else(|| told.said("arch").to_owned());
    let short = hostname.split('.').next().unwrap_or_default().to_owned();
    let domain = hostname.split_once('.').map_or(domain, |(_, domain)| domain.to_owned());
    let fqdn = if domain.is_empty() { short.clone() } else { format!("{short}.{domain}") };
    let architecture = match machine.as_str() {
        "i386" | "i486" | "i586" | "i686" => "i386".to_owned(),
        _ => machine.clone(),
    };
    let bits = if machine.contains("64") || machine == "s390x" { "64" } else { "32" };
    for (name, value) in [
        ("system", kernel("ostype")),
        ("kernel", kernel("osrelease")),
        ("kernel_version", kernel("version")),
        ("nodename", hostname),
        ("hostname", short),
        ("fqdn", fqdn),
        ("domain", domain),
        ("machine", machine.clone()),
        ("userspace_architecture", architecture.clone()),
        ("userspace_bits", bits.to_owned()),
        ("architecture", architecture),
        ("machine_id", told.file("/etc/machine-id").to_owned()),
    ] {
        facts.insert(name.to_owned(), value.into());
    }
}

/// The host's Python 3, if it has one.
pub fn python(told: &Told, facts: &mut Map<String, Value>) {
    let Some((path, version)) = told.said("python").split_once(" Python ") else { return };
    let version = version.trim();
    let mut parts = version.split('.').map(|part| part.parse::<u64>().unwrap_or(0));
    let (major, minor, micro) = (parts.next(), parts.next(), parts.next());
    let [major, minor, micro] = [major, minor, micro].map(Option::unwrap_or_default);
    facts.insert("python_version".to_owned(), version.into());
    facts.insert(
        "python".to_owned(),
        json!({
            "executable": path,
            "has_sslcontext": true,
            "type": "cpython",
            "version": {"major": major, "minor": minor, "micro": micro, "releaselevel": "final", "serial": 0},
            "version_info": [major, minor, micro, "final", 0],
        }),
    );
}

pub fn env(told: &Told, facts: &mut Map<String, Value>) {
    let mut env = Map::new();
    let mut last: Option<String> = None;
    for line in told.said("env").lines() {
        let name = line.split_once('=').filter(|(name, _)| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.')
        });
        match (name, &last) {
            (Some((name, value)), _) => {
                env.insert(name.to_owned(), value.into());
                last = Some(name.to_owned());
            }
            // A value of several lines.
            (None, Some(name)) => {
                if let Some(Value::String(value)) = env.get_mut(name) {
                    value.push('\n');
                    value.push_str(line);
                }
            }
            _ => {}
        }
    }
    facts.insert("env".to_owned(), Value::Object(env));
}

pub fn user(told: &Told, facts: &mut Map<String, Value>) {
    let id = told.said("id");
    let number = |name: &str| {
        let rest = id.split(' ').find_map(|word| word.strip_prefix(name)).unwrap_or_default();
        rest.split(['(', ' ']).next().and_then(|digits| digits.parse::<u64>().ok())
    };
    let name = id.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map_or("", |(name, _)| name);
    let fields: Vec<&str> = told.said("passwd").split(':').collect();
    let field = |at: usize| fields.get(at).copied().unwrap_or_default();
    let (uid, gid) = (number("uid="), number("gid="));
    for (fact, value) in [
        ("user_id", json!(name)),
        ("user_uid", json!(field(2).parse::<u64>().ok().or(uid))),
        ("user_gid", json!(field(3).parse::<u64>().ok().or(gid))),
        ("user_gecos", json!(field(4))),
        ("user_dir", json!(field(5))),
        ("user_shell", json!(field(6))),
        ("real_user_id", json!(uid)),
        ("effective_user_id", json!(uid)),
        ("real_group_id", json!(gid)),
        ("effective_group_id", json!(gid)),
    ] {
        facts.insert(fact.to_owned(), value);
    }
}

pub fn date_time(told: &Told, facts: &mut Map<String, Value>) {
    let words: Vec<&str> = told.said("date").split('|').collect();
    let [day, time, epoch, zone, offset, weekday, number, week, nano] = words[..] else { return };
    let part = |text: &str, at: usize, mark: char| text.split(mark).nth(at).unwrap_or_default().to_owned();
    let micro = if nano.bytes().all(|b| b.is_ascii_digit()) { nano.get(..6).unwrap_or("000000") } else { "000000" };
    let utc = epoch.parse().ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    let utc = utc.map(|at| at.strftime("%Y-%m-%dT%H:%M:%S").to_string()).unwrap_or_default();
    let basic = format!("{}T{}", day.replace('-', ""), time.replace(':', ""));
    facts.insert(
        "date_time".to_owned(),
        json!({
            "date": day, "time": time, "epoch": epoch, "epoch_int": epoch, "tz": zone, "tz_dst": zone,
            "tz_offset": offset, "weekday": weekday, "weekday_number": number, "weeknumber": week,
            "iso8601": format!("{utc}Z"), "iso8601_micro": format!("{utc}.{micro}Z"),
            "iso8601_basic": format!("{basic}{micro}"), "iso8601_basic_short": basic,
            "year": part(day, 0, '-'), "month": part(day, 1, '-'), "day": part(day, 2, '-'),
            "hour": part(time, 0, ':'), "minute": part(time, 1, ':'), "second": part(time, 2, ':'),
        }),
    );
}

/// The family's own manager, else the first that is there.
pub fn pkg_mgr(told: &Told, facts: &mut Map<String, Value>) {
    const ALL: [(&str, &str); 11] = [
        ("apt-get", "apt"),
        ("apk", "apk"),
        ("dnf5", "dnf5"),
        ("dnf", "dnf"),
        ("yum", "yum"),
        ("pacman", "pacman"),
        ("zypper", "zypper"),
        ("opkg", "opkg"),
        ("xbps-install", "xbps"),
        ("emerge", "portage"),
        ("rpm-ostree", "atomic_container"),
    ];
    let family = facts.get("os_family").and_then(Value::as_str).unwrap_or_default();
    let own: &[&str] = match family {
        "Debian" => &["apt-get"],
        "RedHat" => &["dnf5", "dnf", "yum"],
        "Alpine" => &["apk"],
        "Suse" => &["zypper"],
        "Archlinux" => &["pacman"],
        _ => &[],
    };
    let program = own.iter().copied().chain(ALL.into_iter().map(|(program, _)| program)).find(|name| told.has(name));
    let name = program.and_then(|program| ALL.into_iter().find(|(known, _)| *known == program));
    facts.insert("pkg_mgr".to_owned(), name.map_or("unknown", |(_, name)| name).into());
}

pub fn service_mgr(told: &Told, facts: &mut Map<String, Value>) {
    let first = match told.file("/proc/1/comm") {
        "procd" => "openwrt_init",
        "runit-init" | "runit" => "runit",
        "svscan" | "s6-svscan" => "svc",
        "openrc-init" => "openrc",
        "dinit" => "dinit",
        _ => "",
    };
    let name = if told.has("/run/systemd/system") {
        "systemd"
    } else if !first.is_empty() {
        first
    } else if told.has("/sbin/initctl") && told.has("/etc/init") {
        "upstart"
    } else if told.has("/sbin/openrc") || told.has("rc-service") {
        "openrc"
    } else if told.has("/etc/init.d") {
        "sysvinit"
    } else {
        "service"
    };
    facts.insert("service_mgr".to_owned(), name.into());
}

pub fn selinux(told: &Told, facts: &mut Map<String, Value>) {
    let enforce = told.file("/sys/fs/selinux/enforce");
    let mut selinux = Map::new();
    if enforce.is_empty() {
        selinux.insert("status".to_owned(), "disabled".into());
    } else {
        let config = told.file("/etc/selinux/config");
        let field = |name: &str| {
            let found = config.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='));
            found.unwrap_or("unknown").to_owned()
        };
        for (name, value) in [
            ("status", "enabled".to_owned()),
            ("mode", if enforce == "1" { "enforcing" } else { "permissive" }.to_owned()),
            ("config_mode", field("SELINUX")),
            ("type", field("SELINUXTYPE")),
            ("policyvers", told.file("/sys/fs/selinux/policyvers").to_owned()),
        ] {
            selinux.insert(name.to_owned(), value.into());
        }
    }
    facts.insert("selinux".to_owned(), Value::Object(selinux));
    // What reads and sets contexts here needs no Python.
    facts.insert("selinux_python_present".to_owned(), Value::Bool(true));
}

pub fn apparmor(told: &Told, facts: &mut Map<String, Value>) {
    let on = told.has("/sys/kernel/security/apparmor");
    facts.insert("apparmor".to_owned(), json!({"status": if on { "enabled" } else { "disabled" }}));
}

pub fn dns(told: &Told, facts: &mut Map<String, Value>) {
    let mut dns = Map::new();
    for line in told.file("/etc/resolv.conf").lines() {
        let line = line.split(['#', ';']).next().unwrap_or_default();
        let mut words = line.split_whitespace();
        match words.next() {
            Some("nameserver") => {
                let all = dns.entry("nameservers").or_insert_with(|| json!([]));
                if let (Value::Array(all), Some(address)) = (all, words.next()) {
                    all.push(address.into());
                }
            }
            Some("domain") => drop(dns.insert("domain".to_owned(), words.next().into())),
            Some("search") => drop(dns.insert("search".to_owned(), words.collect::<Vec<_>>().into())),
            Some("sortlist") => drop(dns.insert("sortlist".to_owned(), words.collect::<Vec<_>>().into())),
            Some("options") => {
                let options: Map<String, Value> = words
                    .map(|word| match word.split_once(':') {
                        Some((name, value)) => (name.to_owned(), value.into()),
                        None => (word.to_owned(), Value::Bool(true)),
                    })
                    .collect();
                dns.insert("options".to_owned(), Value::Object(options));
            }
            _ => {}
        }
    }
    facts.insert("dns".to_owned(), Value::Object(dns));
}

pub fn cmdline(told: &Told, facts: &mut Map<String, Value>) {
    let (mut last, mut all) = (Map::new(), Map::new());
    for word in told.file("/proc/cmdline").split_whitespace() {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Value::from(value.trim_matches('"'))),
            None => (word, Value::Bool(true)),
        };
        last.insert(name.to_owned(), value.clone());
        match all.get_mut(name) {
            None => drop(all.insert(name.to_owned(), value)),
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = json!([first.clone(), value]),
        }
    }
    facts.insert("cmdline".to_owned(), Value::Object(last));
    facts.insert("proc_cmdline".to_owned(), Value::Object(all));
}

pub fn fips(told: &Told, facts: &mut Map<String, Value>) {
    facts.insert("fips".to_owned(), Value::Bool(told.file("/proc/sys/crypto/fips_enabled") == "1"));
}

pub fn loadavg(told: &Told, facts: &mut Map<String, Value>) {
    let numbers: Vec<f64> = told.file("/proc/loadavg").split(' ').take(3).filter_map(|n| n.parse().ok()).collect();
    if let [one, five, fifteen] = numbers[..] {
        facts.insert("loadavg".to_owned(), json!({"1m": one, "5m": five, "15m": fifteen}));
    }
}

pub fn chroot(told: &Told, facts: &mut Map<String, Value>) {
    facts.insert("is_chroot".to_owned(), Value::Bool(told.has("chroot")));
}

pub fn ssh_pub_keys(told: &Told, facts: &mut Map<String, Value>) {
    for kind in ["dsa", "rsa", "ecdsa", "ed25519"] {
        let mut words = told.file(&format!("/etc/ssh/ssh_host_{kind}_key.pub")).split_whitespace();
        if let (Some(name), Some(key)) = (words.next(), words.next()) {
            facts.insert(format!("ssh_host_key_{kind}_public"), key.into());
            facts.insert(format!("ssh_host_key_{kind}_public_keytype"), name.into());
        }
    }
}

pub fn iscsi(told: &Told, facts: &mut Map<String, Value>) {
    let name = told
        .file("/etc/iscsi/initiatorname.iscsi")
        .lines()
        .find_map(|line| line.strip_prefix("InitiatorName="))
        .unwrap_or_default();
    facts.insert("iscsi_iqn".to_owned(), name.into());
    facts.insert("hostnqn".to_owned(), told.file("/etc/nvme/hostnqn").into());
}
