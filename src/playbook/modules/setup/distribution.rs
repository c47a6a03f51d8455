//! Which Linux it is.

use super::Told;
use serde_json::{Map, Value, json};

/// Distribution by the `ID` of os-release: Ansible's name and family.
const DISTRIBUTIONS: [(&str, &str, &str); 31] = [
    ("debian", "Debian", "Debian"),
    ("ubuntu", "Ubuntu", "Debian"),
    ("raspbian", "Debian", "Debian"),
    ("linuxmint", "Linux Mint", "Debian"),
    ("kali", "Kali", "Debian"),
    ("parrot", "Parrot", "Debian"),
    ("devuan", "Devuan", "Debian"),
    ("pop", "Pop!_OS", "Debian"),
    ("neon", "KDE neon", "Debian"),
    ("steamos", "SteamOS", "Debian"),
    ("deepin", "Deepin", "Debian"),
    ("alpine", "Alpine", "Alpine"),
    ("rhel", "RedHat", "RedHat"),
    ("centos", "CentOS", "RedHat"),
    ("fedora", "Fedora", "RedHat"),
    ("rocky", "Rocky", "RedHat"),
    ("almalinux", "AlmaLinux", "RedHat"),
    ("ol", "OracleLinux", "RedHat"),
    ("amzn", "Amazon", "RedHat"),
    ("openEuler", "openEuler", "RedHat"),
    ("arch", "Archlinux", "Archlinux"),
    ("manjaro", "Manjaro", "Archlinux"),
    ("opensuse-leap", "openSUSE Leap", "Suse"),
    ("opensuse-tumbleweed", "openSUSE Tumbleweed", "Suse"),
    ("sles", "SLES", "Suse"),
    ("sled", "SLED", "Suse"),
    ("gentoo", "Gentoo", "Gentoo"),
    ("void", "Void", "Void"),
    ("nixos", "NixOS", "NixOS"),
    ("flatcar", "Flatcar", "Flatcar"),
    ("openwrt", "OpenWrt", "OpenWrt"),
];

fn release(told: &Told) -> (&'static str, &str) {
    match told.file("/etc/os-release") {
        "" => ("/usr/lib/os-release", told.file("/usr/lib/os-release")),
        text => ("/etc/os-release", text),
    }
}

fn field(text: &str, wanted: &str) -> String {
    text.lines()
        .filter_map(|line| line.split_once('='))
        .find(|(name, _)| name.trim() == wanted)
        .map(|(_, value)| value.trim().trim_matches(['"', '\'']).to_owned())
        .unwrap_or_default()
}

pub fn facts(told: &Told, facts: &mut Map<String, Value>) {
    let (path, text) = release(told);
    let id = field(text, "ID");
    let like = field(text, "ID_LIKE");
    let known = |id: &str| DISTRIBUTIONS.iter().find(|known| known.0 == id);
    let family = known(&id).or_else(|| like.split(' ').find_map(known));
    let name = known(&id).map_or_else(|| field(text, "NAME"), |known| known.1.to_owned());
    let mut version = field(text, "VERSION_ID");
    let exact = match id.as_str() {
        "debian" | "raspbian" => told.file("/etc/debian_version"),
        "alpine" => told.file("/etc/alpine-release"),
        // `CentOS Linux release 7.9.2009 (Core)`
        _ => told
            .file("/etc/redhat-release")
            .split(' ')
            .find(|w| w.starts_with(|c: char| c.is_ascii_digit()))
            .unwrap_or(""),
    };
    if exact.starts_with(|c: char| c.is_ascii_digit()) && exact.starts_with(version.as_str()) && !exact.contains('/') {
        exact.clone_into(&mut version);
    }
    let or = |text: String, other: &str| if text.is_empty() { other.to_owned() } else { text };
    let name = or(name, "Linux");
    let mut parts = version.split('.');
    let (major, minor) = (parts.next().unwrap_or_default().to_owned(), parts.next().map(str::to_owned));
    let mut codename = or(field(text, "VERSION_CODENAME"), "NA");
    if id == "centos" && told.file("/etc/redhat-release").contains("Stream") {
        "Stream".clone_into(&mut codename);
    } else if codename == "NA"
        && let Some((_, rest)) = told.file("/etc/redhat-release").split_once('(')
    {
        rest.trim_end_matches(')').clone_into(&mut codename);
    }
    let variety = family.map_or_else(|| name.clone(), |known| known.2.to_owned());
    for (fact, value) in [
        ("os_family", variety.clone()),
        ("distribution", name),
        ("distribution_release", codename),
        ("distribution_version", or(version, "NA")),
        ("distribution_major_version", or(major, "NA")),
        ("distribution_file_path", path.to_owned()),
        ("distribution_file_variety", variety),
    ] {
        facts.insert(fact.to_owned(), value.into());
    }
    if let Some(minor) = minor {
        facts.insert("distribution_minor_version".to_owned(), minor.into());
    }
    facts.insert("distribution_file_parsed".to_owned(), Value::Bool(true));
}

/// What `lsb_release` would say.
pub fn lsb(told: &Told, facts: &mut Map<String, Value>) {
    let file = told.file("/etc/lsb-release");
    let (_, text) = release(told);
    let mut lsb = Map::new();
    if !file.is_empty() {
        for (fact, name) in [
            ("id", "DISTRIB_ID"),
            ("release", "DISTRIB_RELEASE"),
            ("description", "DISTRIB_DESCRIPTION"),
            ("codename", "DISTRIB_CODENAME"),
        ] {
            let value = field(file, name);
            if !value.is_empty() {
                lsb.insert(fact.to_owned(), value.into());
            }
        }
    } else if told.has("lsb_release") {
        let name = field(text, "NAME");
        for (fact, value) in [
            ("id", name.split(' ').next().unwrap_or_default().to_owned()),
            ("release", field(text, "VERSION_ID")),
            ("description", field(text, "PRETTY_NAME")),
            ("codename", field(text, "VERSION_CODENAME")),
        ] {
            lsb.insert(fact.to_owned(), value.into());
        }
    }
    if let Some(release) = lsb.get("release").and_then(Value::as_str) {
        let major = release.split('.').next().unwrap_or_default().to_owned();
        lsb.insert("major_release".to_owned(), major.into());
    }
    facts.insert("lsb".to_owned(), json!(lsb));
}
