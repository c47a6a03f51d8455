use super::{SETUP, finish, hardware, is_like};
use crate::playbook::modules::common::{
    trial::{Trial, args},
    world::{Kind, World},
};
use serde_json::{Value, json};

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
        assert_eq!((&facts["ansible_user_dir"], &facts["ansible_user_uid"]), (&json!("/root"), &json!(0)));
        assert!(facts["ansible_date_time"]["epoch"].as_str().unwrap().len() >= 10, "{facts}");
        assert!(facts["ansible_env"]["PATH"].as_str().is_some());
        assert!(!facts["ansible_mounts"].is_null() && !facts["ansible_devices"].is_null());
        let interfaces = facts["ansible_interfaces"].as_array().unwrap();
        assert!(interfaces.contains(&json!("lo")), "{facts}");
        assert_eq!(facts["ansible_lo"]["device"], "lo");
        assert!(facts["ansible_loadavg"]["1m"].is_f64());
        assert_eq!((&facts["module_setup"], &facts["gather_subset"]), (&json!(true), &json!(["all"])));
    }
}

#[test]
fn subsets_and_filters_leave_facts_out() {
    let trial = Trial::new();
    let of = |yaml: &str| {
        let task = args(&SETUP, yaml);
        let mut said = trial.run(Trial::SHELLS[0], &SETUP, &task);
        finish(&task, &mut said.result);
        said.result["ansible_facts"].as_object().unwrap().clone()
    };
    let min = of("{gather_subset: min}");
    assert!(min.contains_key("ansible_env") && !min.contains_key("ansible_mounts") && !min.contains_key("ansible_lo"));
    let some = of("{gather_subset: ['!all', '!min', network]}");
    assert!(some.contains_key("ansible_default_ipv4") && !some.contains_key("ansible_env"));
    let named = of("{filter: ['ansible_dist*', user_id]}");
    assert!(
        named.keys().all(|name| name.contains("dist") || name == "ansible_user_id" || !name.starts_with("ansible_"))
    );
    assert!(named.contains_key("ansible_user_id") && named.contains_key("ansible_distribution"));
    let bad = trial.run(Trial::SHELLS[0], &SETUP, &args(&SETUP, "{gather_subset: networks}"));
    assert!(bad.failed.unwrap().contains("`network`"));
}

#[test]
fn local_facts_are_read_and_run() {
    let trial = Trial::new();
    for shell in Trial::SHELLS {
        trial.wipe();
        trial.write("good.fact", "#!/bin/sh\necho '{\"a\": [1]}'\n", 0o755);
        trial.write("plain.fact", "[s]\nk=v\n", 0o644);
        trial.write("worse.fact", "#!/bin/sh\necho why >&2; exit 3\n", 0o755);
        trial.write("text.fact", "hello\n", 0o644);
        std::os::unix::fs::symlink("/nowhere", trial.path("gone.fact")).unwrap();
        let task = args(&SETUP, &format!("{{fact_path: '{}', filter: '*local*'}}", trial.at()));
        let mut said = trial.run(shell, &SETUP, &task);
        finish(&task, &mut said.result);
        let local = &said.result["ansible_facts"]["ansible_local"];
        assert_eq!((&local["good"], &local["plain"]), (&json!({"a": [1]}), &json!({"s": {"k": "v"}})));
        let text = |name: &str| local[name].as_str().unwrap().to_owned();
        assert!(text("worse").contains("rc: 3, err: why") && text("text").starts_with("error loading facts"));
        assert!(text("gone").starts_with("Could not stat fact"));
        assert_eq!(said.result["warnings"].as_array().unwrap().len(), 3);
    }
}

#[test]
fn a_machine_with_busybox_alone_tells_what_it_can() {
    let mut world = World::new(Kind::Busybox);
    let task = args(&SETUP, "{}");
    let mut said = world.run(&SETUP, &task);
    assert!(said.failed.is_none(), "{said:?}");
    finish(&task, &mut said.result);
    let facts = &said.result["ansible_facts"];
    assert_eq!((&facts["ansible_user_shell"], &facts["ansible_pkg_mgr"]), (&json!("/bin/sh"), &json!("unknown")));
    assert_eq!(facts["ansible_distribution"], "Linux");
}

fn told(value: Value) -> serde_json::Map<String, Value> {
    let Value::Object(mut result) = value else { panic!() };
    finish(&args(&SETUP, "{}"), &mut result);
    result["ansible_facts"].as_object().unwrap().clone()
}

#[test]
fn distributions_go_by_ansibles_names() {
    for (release, more, meant) in [
        (
            "ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm",
            "/etc/debian_version:12.5",
            ["Debian", "Debian", "12.5", "12", "bookworm"],
        ),
        (
            "ID=ubuntu\nVERSION_ID=\"24.04\"\nVERSION_CODENAME=noble",
            "/etc/debian_version:trixie/sid",
            ["Debian", "Ubuntu", "24.04", "24", "noble"],
        ),
        ("ID=alpine\nVERSION_ID=3.20.1", "/etc/alpine-release:3.20.1", ["Alpine", "Alpine", "3.20.1", "3", "NA"]),
        (
            "ID=\"rocky\"\nVERSION_ID=\"9.4\"",
            "/etc/redhat-release:Rocky Linux release 9.4 (Blue Onyx)",
            ["RedHat", "Rocky", "9.4", "9", "Blue Onyx"],
        ),
        (
            "ID=centos\nVERSION_ID=\"7\"",
            "/etc/redhat-release:CentOS Linux release 7.9.2009 (Core)",
            ["RedHat", "CentOS", "7.9.2009", "7", "Core"],
        ),
        ("ID=mine\nID_LIKE=\"x debian\"\nNAME=Mine\nVERSION_ID=1", "/x:", ["Debian", "Mine", "1", "1", "NA"]),
    ] {
        let lines: Vec<String> = release.lines().map(|line| format!("/etc/os-release:{line}")).collect();
        let facts = told(json!({"files": format!("{}\n{more}", lines.join("\n"))}));
        let names =
            ["os_family", "distribution", "distribution_version", "distribution_major_version", "distribution_release"];
        assert_eq!(
            names.map(|name| facts[&format!("ansible_{name}")].as_str().unwrap().to_owned()),
            meant,
            "{release}"
        );
    }
}

#[test]
fn addresses_disks_and_processors() {
    let facts = told(json!({
        "devices": " eth0 lo br0 br0:bridge br0>eth0",
        "files": "/sys/class/net/eth0/address:52:54:00:aa:bb:cc\n/sys/class/net/eth0/mtu:1500\n/sys/class/net/eth0/type:1\n/sys/class/net/eth0/operstate:up\n/sys/block/vda/size:2097152\n/sys/block/vda/vda1/start:2048\n/sys/block/vda/vda1/size:1048576\n/sys/block/vda/queue/scheduler:none [mq-deadline]\n/proc/self/mounts:/dev/vda1 /with\\040space ext4 rw,relatime 0 0\n/proc/self/mounts:tmpfs /run tmpfs rw 0 0\n/proc/self/status:Cpus_allowed_list:\t0-2\n",
        "ip": "1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever\n2: eth0    inet 10.1.2.3/20 brd 10.1.15.255 scope global dynamic eth0\\       valid_lft 3600sec\n2: eth0    inet 10.1.2.9/20 scope global secondary eth0:1\\  \n2: eth0    inet6 fe80::1/64 scope link \\  \n8.8.8.8 via 10.1.0.1 dev eth0 src 10.1.2.3 uid 0 \\    cache \nlocal 10.1.2.3 dev eth0 table local proto kernel\n",
        "statfs": "100 50 40 4096 1000 900 /with space\n",
        "links": "/dev/disk/by-uuid:\nlrwxrwxrwx 1 root root 10 Jan  1 00:00 1234-ABCD -> ../../vda1\n",
        "cpuinfo": "processor\t: 0\nvendor_id\t: X\nmodel name\t: Y\nphysical id\t: 0\nsiblings\t: 4\ncore id\t\t: 0\ncpu cores\t: 2\nflags\t: a b\nprocessor\t: 1\nvendor_id\t: X\nmodel name\t: Y\nphysical id\t: 0\n",
    }));
    let default = &facts["ansible_default_ipv4"];
    assert_eq!(
        *default,
        json!({"interface": "eth0", "address": "10.1.2.3", "gateway": "10.1.0.1", "broadcast": "10.1.15.255", "netmask": "255.255.240.0", "network": "10.1.0.0", "prefix": "20", "macaddress": "52:54:00:aa:bb:cc", "mtu": 1500, "type": "ether", "alias": "eth0"})
    );
    assert_eq!(facts["ansible_eth0"]["ipv4_secondaries"][0]["address"], "10.1.2.9");
    assert_eq!(facts["ansible_eth0"]["ipv6"][0], json!({"address": "fe80::1", "prefix": "64", "scope": "link"}));
    assert_eq!(facts["ansible_br0"]["interfaces"], json!(["eth0"]));
    assert_eq!(facts["ansible_all_ipv4_addresses"], json!(["10.1.2.3", "10.1.2.9"]));
    let mount = &facts["ansible_mounts"][0];
    assert_eq!(
        (&mount["mount"], &mount["uuid"], &mount["size_available"]),
        (&json!("/with space"), &json!("1234-ABCD"), &json!(163_840))
    );
    let disk = &facts["ansible_devices"]["vda"];
    assert_eq!(
        (&disk["size"], &disk["scheduler_mode"], &disk["partitions"]["vda1"]["size"]),
        (&json!("1.00 GB"), &json!("mq-deadline"), &json!("512.00 MB"))
    );
    assert_eq!(facts["ansible_processor"], json!(["0", "X", "Y", "1", "X", "Y"]));
    assert_eq!((&facts["ansible_processor_vcpus"], &facts["ansible_processor_nproc"]), (&json!(4), &json!(3)));
}

#[test]
fn small_readers() {
    assert_eq!(hardware::how_many("0-3,5"), 5);
    assert_eq!(hardware::how_many("x"), 1);
    assert!(is_like("ansible_os_family", "ansible_os*") && is_like("ansible_os_family", "os_family"));
    assert!(!is_like("ansible_os_family", "os"));
}
