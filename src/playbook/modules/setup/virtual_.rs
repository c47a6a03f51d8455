//! Whether the host is a container, a virtual machine, or carries some.

use super::Told;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// The containers it may be in, nearest first.
fn containers(told: &Told) -> Vec<&'static str> {
    let groups = told.file("/proc/1/cgroup");
    let started = match told.file("/run/systemd/container") {
        "" => None,
        "docker" => Some("docker"),
        "podman" => Some("podman"),
        "lxc" => Some("lxc"),
        "systemd-nspawn" => Some("systemd-nspawn"),
        "wsl" => Some("wsl"),
        _ => Some("container"),
    };
    [
        ("docker", groups.contains("/docker/") || groups.contains("/docker-")),
        ("lxc", groups.contains("/lxc/") || told.has("lxc")),
        ("containerd", groups.contains("/system.slice/containerd.service")),
        ("podman", told.has("podman") || told.has("/run/.containerenv")),
        ("container", told.has("container")),
        ("docker", told.has("/.dockerenv")),
    ]
    .into_iter()
    .filter_map(|(name, there)| there.then_some(name))
    .chain(started)
    .collect()
}

/// The virtual machine it may be, by what its firmware says.
fn machine(told: &Told, facts: &Map<String, Value>) -> Option<&'static str> {
    let id = |name: &str| told.file(&format!("/sys/class/dmi/id/{name}")).trim();
    let (product, vendor, family) = (id("product_name"), id("sys_vendor"), id("product_family"));
    let starts = |text: &str, names: &[&str]| names.iter().any(|name| text.starts_with(name));
    Some(match () {
        () if matches!(product, "KVM" | "KVM Server" | "Bochs" | "AHV" | "CloudStack KVM Hypervisor") => "kvm",
        () if matches!(
            vendor,
            "QEMU" | "Amazon EC2" | "Google" | "Scaleway" | "DigitalOcean" | "Hetzner" | "oVirt" | "Nutanix"
        ) =>
        {
            "kvm"
        }
        () if starts(product, &["Google Compute Engine", "Standard PC", "Alibaba Cloud ECS"]) => "kvm",
        () if starts(product, &["VMware"]) => "VMware",
        () if starts(product, &["OpenStack"]) || vendor == "OpenStack Foundation" => "openstack",
        () if id("bios_vendor") == "Xen" => "xen",
        () if starts(id("bios_vendor"), &["innotek"]) || product == "VirtualBox" => "virtualbox",
        () if starts(product, &["Virtual Machine"]) && starts(vendor, &["Microsoft"]) => "VirtualPC",
        () if vendor == "Parallels Software International Inc." => "parallels",
        () if starts(product, &["Parallels"]) => "parallels",
        () if family == "RHV" || product == "RHEV Hypervisor" => "RHEV",
        () if starts(vendor, &["FreeBSD"]) && product == "BHYVE" => "bhyve",
        () if facts.get("processor").is_some_and(|all| all.to_string().contains("QEMU Virtual CPU")) => "kvm",
        () if told.file("/proc/sys/kernel/osrelease").to_lowercase().contains("microsoft") => "wsl",
        () => return None,
    })
}

pub fn facts(told: &Told, facts: &mut Map<String, Value>) {
    let mut guest: BTreeSet<&str> = containers(told).into_iter().collect();
    let mut host = BTreeSet::new();
    let mut first = containers(told).first().copied().map(|name| (name, "guest"));
    if !guest.is_empty() {
        guest.insert("container");
    }
    if told.has("/proc/vz") {
        let role = if told.has("/proc/bc") { "host" } else { "guest" };
        first = first.or(Some(("openvz", role)));
        if role == "host" {
            host.insert("openvz")
        } else {
            guest.insert("openvz")
        };
    }
    if told.has("/proc/xen") {
        let role = if told.file("/proc/xen/capabilities").contains("control_d") { "host" } else { "guest" };
        first = first.or(Some(("xen", role)));
        if role == "host" {
            host.insert("xen")
        } else {
            guest.insert("xen")
        };
    }
    if let Some(name) = machine(told, facts) {
        first = first.or(Some((name, "guest")));
        guest.insert(name);
    }
    let modules = told.file("/proc/modules");
    let loaded = |name: &str| modules.lines().any(|line| line.split(' ').next() == Some(name));
    for (module, name) in [("kvm", "kvm"), ("vboxdrv", "virtualbox")] {
        if loaded(module) {
            host.insert(name);
            first = first.or(Some((name, "host")));
        }
    }
    if loaded("virtio") && first.is_none() {
        first = Some(("kvm", "guest"));
        guest.insert("kvm");
    }
    let (kind, role) = first.unwrap_or(("NA", "NA"));
    facts.insert("virtualization_type".to_owned(), kind.into());
    facts.insert("virtualization_role".to_owned(), role.into());
    facts.insert("virtualization_tech_guest".to_owned(), json!(guest));
    facts.insert("virtualization_tech_host".to_owned(), json!(host));
}
