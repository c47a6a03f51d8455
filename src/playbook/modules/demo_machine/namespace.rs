//! A machine made of namespaces of this computer; `demo/machine.sh` is its first process.

use std::{
    fs,
    io::{ErrorKind, Write},
    os::fd::OwnedFd,
    path::Path,
    process::Stdio,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};
use tokio::process::Command;

use super::{
    Error, at,
    record::{Folder, Record},
};

/// What the machine's first process runs.
const SCRIPT: &str = include_str!("../../../../demo/machine.sh");
/// How people log in to it.
const LOGIN: &[(&str, &str)] =
    &[("pam", include_str!("../../../../demo/pam")), ("sshd_config", include_str!("../../../../demo/sshd_config"))];
/// Where programs are looked for, whatever our own environment says.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const UNSHARE: &[&str] =
    &["unshare", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child", "--propagation", "private"];

/// Whether this computer can make one; else what is missing and how to get it.
pub(super) async fn available() -> Result<(), String> {
    let programs = [
        ("unshare", "util-linux"),
        ("setpriv", "util-linux"),
        ("setsid", "util-linux"),
        ("mount", "mount"),
        ("sshd", "openssh-server"),
        ("ssh-keygen", "openssh-client"),
    ];
    let there = |program: &str| PATH.split(':').any(|dir| Path::new(dir).join(program).exists());
    let mut missing: Vec<&str> = programs.iter().filter(|(p, _)| !there(p)).map(|(_, package)| *package).collect();
    missing.dedup();
    if !missing.is_empty() {
        return Err(format!("install what is missing: `apt-get install {}`", missing.join(" ")));
    }
    if !rustix::process::geteuid().is_root() {
        return Err("run this as root (`sudo`)".into());
    }
    // A mount of our own in a mount namespace of our own: what containers without privileges refuse.
    let probe = Command::new(UNSHARE[0])
        .args(&UNSHARE[1..])
        .args(["sh", "-c", "mount -t tmpfs tmpfs /mnt && grep -q overlay /proc/filesystems || modprobe overlay"])
        .env_clear()
        .env("PATH", PATH)
        .stdin(Stdio::null())
        .output()
        .await
        .map_err(|e| format!("unshare: {e}"))?;
    if probe.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&probe.stderr).trim().replace('\n', "; ");
    Err(format!("this computer refuses new mounts ({said}); in a container, start it with `--privileged`"))
}

/// Starts the machine from its disk, or with a new one. It outlives us.
pub(super) async fn start(folder: &Folder, record: &Record) -> Result<(), Error> {
    let script = folder.write("machine.sh", SCRIPT.as_bytes())?;
    for (name, text) in LOGIN {
        folder.write(name, text.as_bytes())?;
    }
    let log = fs::File::create(folder.path.join("log")).map_err(at("log"))?;
    let errors = log.try_clone().map_err(at("log"))?;
    let _ = fs::remove_file(folder.path.join("pid"));
    // The hash goes in by a pipe: arguments and environments can be read by others.
    let (hash, mut give) = std::io::pipe().map_err(at("pipe"))?;
    give.write_all(format!("{}\n", record.hash).as_bytes()).map_err(at("pipe"))?;
    drop(give);
    let status = Command::new("setsid")
        .arg("--fork")
        .args(UNSHARE)
        .arg("sh")
        .arg(&script)
        .args([&record.name, &record.port.to_string()])
        .arg(&folder.path)
        .args(record.addresses().iter().map(|address| format!("ListenAddress={address}")))
        .env_clear()
        .env("PATH", PATH)
        .current_dir("/")
        .stdin(hash)
        .stdout(log)
        .stderr(errors)
        .status()
        .await
        .map_err(at("setsid"))?;
    if status.success() {
        return Ok(());
    }
    Err(Error::NotUp { name: record.name.clone(), reason: format!("`setsid` {status}: {}", folder.log_tail()) })
}

/// Whether the machine told its pid yet.
pub(super) fn told(folder: &Folder) -> bool {
    folder.path.join("pid").exists()
}

/// Whether the machine's first process is alive.
pub(super) fn runs(folder: &Folder) -> Result<bool, Error> {
    Ok(find(folder)?.is_some())
}

/// The machine's processes as the outside knows them: the first, and the `unshare` that waits for it.
struct Alive {
    init: OwnedFd,
    parent: Option<OwnedFd>,
}

fn find(folder: &Folder) -> Result<Option<Alive>, Error> {
    let text = match fs::read_to_string(folder.path.join("pid")) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(at("pid")(error)),
    };
    let [pid, started, parent, boot] = text.split_whitespace().collect::<Vec<_>>()[..] else { return Ok(None) };
    let now = fs::read_to_string("/proc/sys/kernel/random/boot_id").map_err(at("boot_id"))?;
    if now.trim() != boot {
        return Ok(None);
    }
    // First the handle, then the question: a pid that is given away between the two cannot fool us.
    let Some(init) = open(pid) else { return Ok(None) };
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return Ok(None) };
    if start_of(&stat) != Some(started) {
        return Ok(None);
    }
    let parent = open(parent).filter(|_| {
        let comm = fs::read_to_string(format!("/proc/{parent}/comm"));
        parent_of(&stat) == Some(parent) && comm.is_ok_and(|c| c.trim() == "unshare")
    });
    Ok(Some(Alive { init, parent }))
}

fn open(pid: &str) -> Option<OwnedFd> {
    pidfd_open(Pid::from_raw(pid.parse().ok()?)?, PidfdFlags::NONBLOCK).ok()
}

/// The fields of a stat line after the name in brackets, which may hold anything.
fn fields(stat: &str) -> Vec<&str> {
    stat.rsplit_once(')').map_or_else(Vec::new, |(_, rest)| rest.split_whitespace().collect())
}

/// The moment the process started, in ticks since the computer did. A zombie counts as gone.
fn start_of(stat: &str) -> Option<&str> {
    let fields = fields(stat);
    if fields.first() == Some(&"Z") { None } else { fields.get(19).copied() }
}

fn parent_of(stat: &str) -> Option<&str> {
    fields(stat).get(1).copied()
}

/// Ends the machine whole: with the first process of a pid namespace all others go. Tells whether it ran.
pub(super) async fn stop(folder: &Folder) -> Result<bool, Error> {
    let Some(alive) = find(folder)? else { return Ok(false) };
    let _ = pidfd_send_signal(&alive.init, Signal::KILL);
    ended(alive.init).await?;
    if let Some(parent) = alive.parent {
        ended(parent).await?;
    }
    let _ = fs::remove_file(folder.path.join("pid"));
    Ok(true)
}

/// Waits for the end of a process; its handle becomes readable then.
async fn ended(process: OwnedFd) -> Result<(), Error> {
    let limit = Timespec { tv_sec: 10, tv_nsec: 0 };
    let wait = move || poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&limit));
    match tokio::task::spawn_blocking(wait).await {
        Ok(Ok(1)) => Ok(()),
        Ok(Err(errno)) => Err(at("pidfd")(errno.into())),
        _ => Err(at("a machine that was killed")(ErrorKind::TimedOut.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_with_brackets_and_spaces_does_not_shift_the_fields() {
        let stat = "77 (a) b) S 5 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0";
        assert_eq!(start_of(stat), Some("4711"));
        assert_eq!(parent_of(stat), Some("5"));
    }

    #[test]
    fn a_zombie_counts_as_gone() {
        assert_eq!(start_of("77 (x) Z 5 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0"), None);
    }
}
