//! Every `play.yml` of `tests/playbooks` runs twice on a Debian machine and on one that has `BusyBox` alone: all is well,
//! and the second run changes nothing.

use std::fmt::Write as _;

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use crate::harness::machines::{PASSWORD, machines};

/// A web server for `get_url`, `uri` and `wait_for`: its port.
fn web() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = String::new();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            while reader.read_line(&mut head).is_ok_and(|n| n > 2) {}
            let old = head.to_lowercase().contains("if-modified-since");
            let (status, kind, text) = match head.split(' ').nth(1).unwrap_or_default() {
                "/file" if old => ("304 Not Modified", "text/plain", ""),
                "/file" => ("200 OK", "text/plain", "from the web\n"),
                "/json" => ("200 OK", "application/json", "{\"k\": \"v\"}"),
                _ => ("404 Not Found", "text/plain", "gone\n"),
            };
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
                text.len()
            );
        }
    });
    port
}

/// The folders that hold a case.
fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/playbooks");
    let entries = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
    let mut cases: Vec<PathBuf> = entries.filter(|path| path.join("play.yml").exists()).collect();
    cases.sort();
    cases
}

/// Runs a case with the command; its output.
fn run(case: &Path, inventory: &Path, path: &str, port: u16, here: &Path) -> String {
    let done = Command::new(env!("CARGO_BIN_EXE_berth"))
        .args(["playbook", "run"])
        .arg(case.join("play.yml"))
        .arg("-i")
        .arg(inventory)
        .args(["-e", &format!("port={port}"), "-e", &format!("here={}", here.display())])
        .env("PATH", path)
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{}\n{said}", case.display());
    said
}

fn twice(inventory: &Path, path: &str) {
    let port = web();
    let here = tempfile::tempdir().unwrap();
    let cases = cases();
    assert!(cases.len() >= 6);
    for case in cases {
        let first = run(&case, inventory, path, port, here.path());
        assert!(!first.contains(" changed=0 ") || case.ends_with("waiting"), "{}\n{first}", case.display());
        let again = run(&case, inventory, path, port, here.path());
        assert!(again.contains(" changed=0 "), "the second run of {} changed something\n{again}", case.display());
    }
}

#[tokio::test]
async fn debian_is_as_it_shall_be_after_one_run() {
    let machines = machines(1).await;
    let folder = tempfile::tempdir().unwrap();
    let inventory = folder.path().join("hosts.ini");
    let options = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null";
    let port = machines.all[0].port;
    let line = format!(
        "quay ansible_host=127.0.0.1 ansible_port={port} ansible_user=root ansible_password={PASSWORD} ansible_ssh_common_args='{options}'\n"
    );
    fs::write(&inventory, line).unwrap();
    let path = std::env::var("PATH").unwrap();
    let again = (inventory.clone(), path.clone());
    tokio::task::spawn_blocking(move || twice(&inventory, &path)).await.unwrap();
    tokio::task::spawn_blocking(move || included_tasks_wait_for_nothing(&again.0, &again.1)).await.unwrap();
    drop(machines);
}

/// Files that are included by names which are known go with the steps before them.
fn included_tasks_wait_for_nothing(inventory: &Path, path: &str) {
    let folder = tempfile::tempdir().unwrap();
    let mut tasks = String::new();
    for number in 0..6 {
        fs::write(folder.path().join(format!("{number}.yml")), "- command: echo {{ word }}\n  changed_when: false\n")
            .unwrap();
        let _ = writeln!(tasks, "    - include_tasks: {number}.yml\n      vars: {{word: w{number}}}");
    }
    let play = format!(
        "- hosts: all\n  gather_facts: false\n  tasks:\n    - command: echo first\n      changed_when: false\n{tasks}"
    );
    fs::write(folder.path().join("play.yml"), play).unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_berth"))
        .args(["--output", "json", "playbook", "run", "--timings"])
        .arg(folder.path().join("play.yml"))
        .arg("-i")
        .arg(inventory)
        .env("PATH", path)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    let events: Vec<serde_json::Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let times = events.last().unwrap();
    assert_eq!(times["event"], "timings", "{said}");
    assert!(times["hosts"][0]["steps"].as_u64() >= Some(7), "{times}");
    // One for the steps, and what it takes to learn that the host is not this machine.
    assert!(times["hosts"][0]["trips"].as_u64() <= Some(3), "{times}");
    // They are told in the order of the play all the same.
    let order: Vec<&str> = events
        .iter()
        .filter_map(|event| event["event"].as_str())
        .filter(|kind| matches!(*kind, "included" | "host_result"))
        .collect();
    assert_eq!(order.iter().filter(|kind| **kind == "included").count(), 6, "{said}");
    let first = order.iter().position(|kind| *kind == "included").unwrap();
    assert_eq!(order[..first].iter().filter(|kind| **kind == "host_result").count(), 2, "{said}");
}

/// A root that holds `BusyBox` and nothing else, and an `ssh` that leads into it.
fn busybox(folder: &Path) {
    let root = folder.join("root");
    for name in ["bin", "etc", "root", "proc", "dev", "tmp", "var"] {
        fs::create_dir_all(root.join(name)).unwrap();
    }
    let busybox = ["/usr/bin/busybox", "/bin/busybox"].into_iter().find(|path| Path::new(path).exists()).unwrap();
    fs::copy(busybox, root.join("bin/busybox")).unwrap();
    let list = Command::new(busybox).arg("--list").output().unwrap();
    for name in String::from_utf8(list.stdout).unwrap().lines().filter(|name| *name != "busybox") {
        symlink("busybox", root.join("bin").join(name)).unwrap();
    }
    fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n").unwrap();
    fs::write(root.join("etc/group"), "root:x:0:\n").unwrap();
    let ssh = folder.join("ssh");
    let script = format!(
        "#!/bin/sh\ncd {0} && exec unshare --mount --pid --uts --fork --kill-child --propagation private sh -c 'mount -t proc proc proc && mount --rbind /dev dev && export PATH=/bin HOME=/root && exec /usr/sbin/chroot . sh'\n",
        root.display()
    );
    fs::write(&ssh, script).unwrap();
    fs::set_permissions(&ssh, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn busybox_is_as_it_shall_be_after_one_run() {
    let folder = tempfile::tempdir().unwrap();
    busybox(folder.path());
    let inventory = folder.path().join("hosts.ini");
    fs::write(&inventory, "tiny ansible_host=tiny ansible_user=root\n").unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    twice(&inventory, &path);
}
