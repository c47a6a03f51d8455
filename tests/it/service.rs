//! Installing the service into a folder; nothing of this host is touched.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

/// The most that `systemd-analyze security` may say: 0 is closed, 10 is open.
const MOST_EXPOSED: u32 = 20;

fn service(root: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_berth"))
        .arg("service")
        .args(args)
        .arg("--root")
        .arg(root)
        .args(["--bin-dir", "/usr/bin"])
        .env_clear()
        .env("HOME", root)
        .output()
        .unwrap()
}

fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path.strip_prefix(root).unwrap().to_owned()) }
        }
    }
    found.sort();
    found
}

#[test]
fn a_service_is_installed_once_updated_and_removed() {
    let root = TempDir::new().unwrap();
    let root = root.path();
    assert_eq!(service(root, &["status"]).status.code(), Some(1));
    let dry = service(root, &["install", "--dry-run"]);
    assert!(dry.status.success(), "{}", String::from_utf8_lossy(&dry.stderr));
    assert_eq!(files(root), Vec::<PathBuf>::new());
    assert!(String::from_utf8_lossy(&dry.stderr).contains("berth-scheduler.service"));

    assert!(service(root, &["install"]).status.success());
    let installed = files(root);
    for name in [
        "etc/berth/berth.toml",
        "etc/systemd/system/berth-scheduler.service",
        "etc/systemd/system/berth.service",
        "etc/sysusers.d/berth.conf",
        "usr/share/bash-completion/completions/berth",
        "usr/share/fish/vendor_completions.d/berth.fish",
        "usr/share/man/man1/berth-reserve.1",
        "usr/share/zsh/vendor-completions/_berth",
    ] {
        assert!(installed.contains(&PathBuf::from(name)), "{name} in {installed:?}");
    }
    assert!(!root.join("etc/berth/credentials").exists(), "credentials are made on the host only");
    assert_eq!(service(root, &["status"]).status.code(), Some(0));

    // Changed units are put right, changed settings stay.
    let unit = root.join("etc/systemd/system/berth.service");
    std::fs::write(&unit, "old").unwrap();
    std::fs::write(root.join("etc/berth/berth.toml"), "# mine\n").unwrap();
    assert_eq!(service(root, &["status"]).status.code(), Some(1));
    let again = service(root, &["install"]);
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("update") && said.contains("berth.service"), "{said}");
    assert!(std::fs::read_to_string(&unit).unwrap().contains("ExecStart=/usr/bin/berth serve"));
    assert_eq!(std::fs::metadata(&unit).unwrap().permissions().mode() & 0o777, 0o644);
    assert_eq!(std::fs::read_to_string(root.join("etc/berth/berth.toml")).unwrap(), "# mine\n");

    assert!(service(root, &["uninstall"]).status.success());
    assert_eq!(files(root), [PathBuf::from("etc/berth/berth.toml")]);
    let print = service(root, &["install", "--print"]);
    assert!(String::from_utf8_lossy(&print.stdout).contains("NoNewPrivileges=yes"));
}

#[test]
fn systemd_takes_the_units_and_finds_them_closed() {
    let folder = TempDir::new().unwrap();
    let root = folder.path();
    assert!(service(root, &["install"]).status.success());
    // The programs that the units name must be there for systemd to be content.
    let bin = root.join("usr/bin");
    std::fs::create_dir_all(&bin).unwrap();
    for name in ["berth", "berth-scheduler"] {
        std::fs::write(bin.join(name), "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(bin.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let system = root.join("etc/systemd/system");
    for name in ["berth.service", "berth-scheduler.service"] {
        let text = std::fs::read_to_string(system.join(name)).unwrap();
        for line in [
            "NoNewPrivileges=yes",
            "ProtectSystem=strict",
            "PrivateTmp=yes",
            "Restart=on-failure",
            "StateDirectory=berth",
        ] {
            assert!(text.lines().any(|one| one == line), "{name}: {line}");
        }
        assert!(!text.contains('@') || !text.contains("@BIN@") && !text.contains("@HARDENING@"), "{text}");
    }
    // A host without systemd has nothing to ask.
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        return;
    }
    for name in ["berth.service", "berth-scheduler.service"] {
        let unit = std::fs::read_to_string(system.join(name)).unwrap();
        let here = folder.path().join(name);
        std::fs::write(&here, unit.replace("/usr/bin/", &format!("{}/", bin.display()))).unwrap();
        let checked = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&here).output().unwrap();
        let said = String::from_utf8_lossy(&checked.stderr).into_owned();
        let faults: Vec<&str> = said.lines().filter(|line| line.contains(name)).collect();
        assert!(checked.status.success() && faults.is_empty(), "{name}: {said}");
        let judged = Command::new("systemd-analyze")
            .args(["security", "--offline=true", "--no-pager", &format!("--threshold={MOST_EXPOSED}")])
            .arg(&here)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&judged.stdout).into_owned();
        println!("{}", said.lines().last().unwrap_or_default());
        assert!(judged.status.success(), "{name} is exposed more than {MOST_EXPOSED} of 100:\n{said}");
    }
}
