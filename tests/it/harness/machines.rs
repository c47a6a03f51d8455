//! Demo machines of a test's own: real sshds, on free ports, gone with the test.

use std::{
    io::Write,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use berth::{
    playbook::modules::demo_machine::{Choice, Wanted, absent, list, present},
    remote::Secret,
};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::{guard::Guard, mariadb::free_port};

/// The password of their root.
pub const PASSWORD: &str = "harbour-light";

/// Accounts, processes, files and crontabs of people, one a line. `nobody` is no person.
const LEFT_BEHIND: &str = r#"
while IFS=: read -r name _ uid _; do
  [ "$uid" -lt 1000 ] || [ "$uid" -eq 65534 ] || echo "account $name"
done </etc/passwd
for status in /proc/[0-9]*/status; do
  while read -r key uid _; do
    [ "$key" = Uid: ] || continue
    [ "$uid" -lt 1000 ] || echo "process $status of $uid"
  done 2>/dev/null <"$status"
done
find /home /tmp /var/tmp /dev/shm -xdev -uid +999 2>/dev/null
find /var/spool/cron /etc/crontabs -type f 2>/dev/null
exit 0
"#;

/// Some machines. Dropping them removes them.
#[derive(Debug)]
pub struct Machines {
    /// Each with its port.
    pub all: Vec<Machine>,
    folder: PathBuf,
    _state: TempDir,
    _guard: Guard,
}

/// One of them.
#[derive(Debug, Clone)]
pub struct Machine {
    pub name: String,
    pub port: u16,
    wanted: Wanted,
}

/// `n` machines that answer.
pub async fn machines(n: usize) -> Machines {
    make(n, None).await
}

/// The same as containers of an engine, from its base image.
pub async fn containers(n: usize, host: &str, image: &str) -> Machines {
    make(n, Some((host, image))).await
}

async fn make(n: usize, container: Option<(&str, &str)>) -> Machines {
    let state = tempfile::tempdir().unwrap();
    let folder = state.path().join("demo");
    let end =
        "for pid in \"$1\"/*/pid; do read -r pid rest <\"$pid\" && kill -9 \"$pid\"; done 2>/dev/null; rm -rf \"$1\"";
    let guard = Guard::new(":", end, &[folder.to_str().unwrap()]);
    let one = |i: usize| {
        let folder = folder.clone();
        async move {
            let machine = Machine::new(format!("quay-{i}"), folder, container);
            machine.start().await;
            machine
        }
    };
    let all = futures_util::future::join_all((1..=n).map(one)).await;
    Machines { all, folder, _state: state, _guard: guard }
}

impl Machine {
    fn new(name: String, folder: PathBuf, container: Option<(&str, &str)>) -> Self {
        let wanted = Wanted {
            name: name.clone(),
            port: free_port(),
            also_on: None,
            password: Some(Secret(PASSWORD.into())),
            backend: if container.is_some() { Choice::Docker } else { Choice::Namespace },
            image: container.map(|(_, image)| image.to_owned()).unwrap_or_default(),
            docker_host: container.map(|(host, _)| host.to_owned()),
            folder,
        };
        Self { name, port: wanted.port, wanted }
    }

    /// Starts it unless it runs, with the disk it had.
    pub async fn start(&self) {
        present(&self.wanted, &CancellationToken::new()).await.unwrap_or_else(|e| panic!("{e}; or run `./just test`"));
    }

    /// Ends it and all that runs on it; its disk stays.
    pub async fn stop(&self) {
        berth::playbook::modules::demo_machine::stopped(&self.name, &self.wanted.folder).await.unwrap();
    }

    /// Runs a script on it as somebody who logs in with a password.
    pub fn run(&self, who: &str, password: &str, script: &str) -> Output {
        run(self.port, who, password, script)
    }

    /// What people left on it: accounts, processes and files of theirs, crontabs. Says what root sees.
    pub fn left_behind(&self) -> String {
        let said = self.run("root", PASSWORD, LEFT_BEHIND);
        assert!(said.status.success(), "{}: {}", self.name, String::from_utf8_lossy(&said.stderr));
        String::from_utf8(said.stdout).unwrap()
    }

    /// What its disk holds at a path, as seen from outside.
    pub fn file(&self, path: &str) -> Option<String> {
        let disk = self.wanted.folder.join(&self.name).join("disk");
        let (top, rest) = path.trim_start_matches('/').split_once('/').unwrap_or((path, ""));
        let inside = if top == "etc" || top == "usr" {
            disk.join(top).join(rest)
        } else {
            disk.join("root").join(top).join(rest)
        };
        std::fs::read_to_string(inside).ok()
    }
}

/// Runs a script on the machine at a port of 127.0.0.1, as somebody who logs in with a password.
pub fn run(port: u16, who: &str, password: &str, script: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let ask = folder.path().join("ask");
    std::fs::write(folder.path().join("secret"), password).unwrap();
    std::fs::write(&ask, "#!/bin/sh\nexec cat \"${0%/*}/secret\"\n").unwrap();
    std::fs::set_permissions(&ask, std::fs::Permissions::from_mode(0o700)).unwrap();
    let mut command = Command::new("ssh");
    for option in
        ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "NumberOfPasswordPrompts=1"]
    {
        command.args(["-o", option]);
    }
    let mut child = command
        .args([
            "-T",
            "-F",
            "none",
            "-o",
            "PubkeyAuthentication=no",
            "-p",
            &port.to_string(),
            "-l",
            who,
            "127.0.0.1",
            "exec sh",
        ])
        .env("SSH_ASKPASS", &ask)
        .env("SSH_ASKPASS_REQUIRE", "force")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

impl Machines {
    /// The inventory that registers them.
    pub fn inventory(&self) -> String {
        let one = |m: &Machine| {
            let Machine { name, port, .. } = m;
            format!("  - {{name: {name}, host: 127.0.0.1, port: {port}, user: root, password: {PASSWORD}}}\n")
        };
        format!("machines:\n{}", self.all.iter().map(one).collect::<Vec<_>>().concat())
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        let folder = self.folder.clone();
        // The test's own runtime cannot wait here.
        let end = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                for name in list(&folder) {
                    absent(&name, &folder).await.unwrap();
                }
            });
        });
        let _ = end.join();
    }
}
