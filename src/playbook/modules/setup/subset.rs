//! Which facts are wanted: `gather_subset` with its groups and exclusions.

use std::collections::BTreeSet;

const MIN: [&str; 17] = [
    "apparmor",
    "caps",
    "cmdline",
    "date_time",
    "distribution",
    "dns",
    "env",
    "fips",
    "local",
    "lsb",
    "pkg_mgr",
    "platform",
    "python",
    "selinux",
    "service_mgr",
    "ssh_pub_keys",
    "user",
];
const MORE: [&str; 11] = [
    "chroot",
    "facter",
    "fibre_channel_wwn",
    "hardware",
    "iscsi",
    "loadavg",
    "network",
    "nvme",
    "ohai",
    "systemd",
    "virtual",
];
/// Names of single facts that stand for their collector.
const ALIASES: [(&str, &str); 30] = [
    ("all_ipv4_addresses", "network"),
    ("all_ipv6_addresses", "network"),
    ("architecture", "platform"),
    ("default_ipv4", "network"),
    ("default_ipv6", "network"),
    ("devices", "hardware"),
    ("distribution_major_version", "distribution"),
    ("distribution_release", "distribution"),
    ("distribution_version", "distribution"),
    ("effective_group_ids", "user"),
    ("effective_user_id", "user"),
    ("interfaces", "network"),
    ("is_chroot", "chroot"),
    ("kernel", "platform"),
    ("kernel_version", "platform"),
    ("machine", "platform"),
    ("machine_id", "platform"),
    ("mounts", "hardware"),
    ("os_family", "distribution"),
    ("processor", "hardware"),
    ("processor_cores", "hardware"),
    ("processor_count", "hardware"),
    ("python_version", "platform"),
    ("real_user_id", "user"),
    ("system", "platform"),
    ("system_capabilities", "caps"),
    ("user_id", "user"),
    ("virtualization_role", "virtual"),
    ("virtualization_type", "virtual"),
    ("virtualization_tech_guest", "virtual"),
];

/// The collectors that `subsets` choose, with those they build on.
pub fn chosen(subsets: &[String]) -> Result<BTreeSet<&'static str>, String> {
    let (mut with, mut without): (BTreeSet<&str>, BTreeSet<&str>) = Default::default();
    let mut explicit = BTreeSet::new();
    let (mut any, mut no_min) = (false, false);
    for subset in subsets.iter().map(|subset| subset.trim()).filter(|subset| !subset.is_empty()) {
        let (not, name) = subset.strip_prefix('!').map_or((false, subset), |name| (true, name));
        let names: Vec<&'static str> = match name {
            "all" => MIN.into_iter().chain(MORE).collect(),
            "min" => MIN.to_vec(),
            name => vec![known(name)?],
        };
        match (not, name) {
            (true, "min") => no_min = true,
            (true, "all") => without.extend(MORE),
            (true, _) => without.extend(names),
            (false, "all" | "min") => {
                any = true;
                with.extend(names);
            }
            (false, _) => {
                any = true;
                explicit.extend(names);
            }
        }
    }
    if !any && !subsets.iter().any(|subset| subset == "!all") {
        with.extend(MORE);
    }
    if no_min {
        with.retain(|name| !MIN.contains(name));
    } else {
        with.extend(MIN);
    }
    with.retain(|name| !without.contains(name));
    with.extend(explicit.iter().filter(|name| !without.contains(*name) || subsets.iter().any(|s| s == "!all")));
    for (name, needs) in [
        ("hardware", &["platform"][..]),
        ("network", &["distribution", "platform"]),
        ("pkg_mgr", &["distribution"]),
        ("service_mgr", &["distribution", "platform"]),
    ] {
        if with.contains(name) {
            with.extend(needs);
        }
    }
    Ok(with)
}

fn known(name: &str) -> Result<&'static str, String> {
    MIN.into_iter()
        .chain(MORE)
        .find(|known| *known == name)
        .or_else(|| ALIASES.into_iter().find(|(alias, _)| *alias == name).map(|(_, collector)| collector))
        .ok_or_else(|| {
            let near = crate::playbook::modules::near(name, MIN.into_iter().chain(MORE));
            let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            format!(
                "Bad subset '{name}' given to Ansible: there are all, min, hardware, network, virtual and others{hint}"
            )
        })
}

#[cfg(test)]
mod tests {
    use super::chosen;

    #[test]
    fn groups_and_exclusions() {
        let of = |text: &str| chosen(&text.split(' ').map(str::to_owned).collect::<Vec<_>>()).unwrap();
        assert!(of("all").contains("hardware") && of("all").contains("env"));
        assert!(!of("min").contains("hardware") && of("min").contains("env"));
        let some = of("!all network");
        assert!(some.contains("network") && some.contains("distribution") && !some.contains("hardware"));
        assert!(of("hardware").contains("user") && !of("hardware").contains("network"));
        assert!(of("!hardware").contains("network") && !of("!hardware").contains("hardware"));
        let one = of("!all !min pkg_mgr");
        assert_eq!(one.into_iter().collect::<Vec<_>>(), ["distribution", "pkg_mgr"]);
        assert!(!of("!all").contains("virtual") && of("!all").contains("env"));
        assert!(chosen(&["hardwar".to_owned()]).unwrap_err().contains("`hardware`"));
    }
}
