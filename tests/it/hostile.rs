//! A machine that means harm: what it sends ends its own part of a run, clearly and soon, and nobody else's.

use std::{
    fs,
    io::Read as _,
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
};

use serde_json::Value;

/// Begins every stand-in for `ssh`: it knows the options, then reads the token out of the first line.
const HEAD: &str = r"#!/bin/sh
for word; do case $word in -G) exit 0 ;; esac; done
IFS= read -r line
token=${line#*\'}
token=${token%\'*}
";

/// What a run against one good machine and one hostile one came to.
struct Came {
    events: Vec<Value>,
    /// All that would reach a terminal.
    shown: String,
    /// The largest the controller was, in KiB.
    memory: u64,
}

impl Came {
    fn of(&self, host: &str) -> Vec<&Value> {
        self.events.iter().filter(|e| e["host"] == host && e["event"] == "host_result").collect()
    }

    /// The good machine did all, and the other one ended with this message.
    fn ended_with(&self, message: &str) {
        assert_eq!(self.of("good").len(), 2, "{:?}", self.events);
        assert!(self.of("good").iter().all(|e| e["status"] == "ok"), "{:?}", self.events);
        let bad = self.of("bad");
        let last = bad.last().unwrap_or_else(|| panic!("nothing was told of it: {:?}", self.events));
        assert_eq!(last["status"], "unreachable", "{last}");
        assert!(last["message"].as_str().unwrap().contains(message), "{last}");
        assert!(self.memory < 400 * 1024, "{} KiB", self.memory);
    }
}

fn berth(dir: &std::path::Path, more: &[&str]) -> (String, u64) {
    let path = format!("{}:{}", dir.display(), std::env::var("PATH").unwrap());
    let mut child = Command::new(env!("CARGO_BIN_EXE_berth"))
        .args(["playbook", "run", "-i", "hosts"])
        .args(more)
        .arg("play.yml")
        .current_dir(dir)
        .env("PATH", path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut out = child.stdout.take().unwrap();
    let mut errors = child.stderr.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        out.read_to_end(&mut text).unwrap();
        text
    });
    let complaints = std::thread::spawn(move || {
        let mut text = Vec::new();
        errors.read_to_end(&mut text).unwrap();
        text
    });
    let mut memory = 0;
    while child.try_wait().unwrap().is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        memory = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(memory);
        std::thread::yield_now();
    }
    let shown = [reader.join().unwrap(), complaints.join().unwrap()].concat();
    (String::from_utf8_lossy(&shown).into_owned(), memory)
}

/// Runs a play of two tasks on a good machine and on one whose `ssh` is this script.
fn meet(script: &str) -> Came {
    within(["2", "5"], script)
}

/// The same with so many seconds for the login and for a step.
fn within([login, step]: [&str; 2], script: &str) -> Came {
    let dir = tempfile::tempdir().unwrap();
    let ssh = dir.path().join("ssh");
    fs::write(&ssh, format!("{HEAD}{script}")).unwrap();
    fs::set_permissions(&ssh, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(dir.path().join("hosts"), "good ansible_connection=local\nbad ansible_host=192.0.2.1\n").unwrap();
    let play = "- hosts: all\n  gather_facts: false\n  strategy: free\n  tasks:\n    - ping:\n    - command: echo well\n      changed_when: false\n";
    fs::write(dir.path().join("play.yml"), play).unwrap();
    let (told, memory) = berth(dir.path(), &["--output", "json", "--timeout", login, "--step-timeout", step]);
    let events = told.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let (shown, more) = berth(dir.path(), &["--timeout", login, "--step-timeout", step]);
    Came { events, shown, memory: memory.max(more) }
}

#[test]
fn a_machine_that_floods_is_cut() {
    // However slow this computer is, the flood is what ends it.
    let came = within(["300"; 2], "printf '%sHuid=0(root)\\n' \"$token\"\nexec yes a-line-of-a-flood\n");
    came.ended_with("more than");
    let came = within(["300"; 2], "exec tr '\\000' x </dev/zero\n");
    came.ended_with("more than");
}

#[test]
fn a_machine_that_answers_what_nobody_asked_is_cut() {
    let came = meet("printf '%sHuid=0(root)\\n%sE77 0\\n' \"$token\" \"$token\"\ncat >/dev/null\n");
    came.ended_with("out of order");
    let came = meet("printf '%sE1 0\\n' \"$token\"\ncat >/dev/null\n");
    came.ended_with("out of order");
}

#[test]
fn a_machine_that_hangs_up_in_the_middle_of_an_answer_is_lost() {
    let came = meet("printf '%sHuid=0(root)\\n%sOping\\npo' \"$token\" \"$token\"\nexit 0\n");
    came.ended_with("hung up");
}

#[test]
fn a_machine_that_never_answers_is_cut_by_its_deadline() {
    // One that says nothing at all, one that falls silent after its greeting.
    meet("cat >/dev/null\n").ended_with("2 s");
    meet("printf '%sHuid=0(root)\\n' \"$token\"\ncat >/dev/null\n").ended_with("5 s");
}

#[test]
fn what_a_machine_says_reaches_no_terminal_as_it_is() {
    let evil = "printf '\\033]0;owned\\007\\033[2J\\233evil: Permission denied\\n' >&2\nexit 255\n";
    let came = meet(evil);
    assert!(came.shown.contains("good") && came.shown.contains("bad"), "{}", came.shown);
    let raw = |c: char| c.is_control() && c != '\n' && c != '\t';
    assert!(!came.shown.contains("\u{1b}]0") && !came.shown.contains("\u{1b}[2J"), "{:?}", came.shown);
    let lie =
        "printf '%sHuid=0(root)\\n%sF\\n\\033[2Jevil\\007%sE1 1\\n' \"$token\" \"$token\" \"$token\"\ncat >/dev/null\n";
    let came = meet(lie);
    assert!(came.shown.contains("evil"), "{:?}", came.shown);
    assert!(!came.shown.chars().any(raw), "{:?}", came.shown);
}
