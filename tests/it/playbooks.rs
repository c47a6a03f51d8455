//! Every folder of `tests/playbooks` is a case: its playbook on two shells of this machine gives its recap.

use std::{fs, path::Path, sync::Mutex};

use berth::playbook::{self, Connections, Event, Inventory, Options};
use tokio_util::sync::CancellationToken;

async fn recap(folder: &Path) -> (String, String) {
    let path = folder.join("playbook.yml");
    let playbook = playbook::load(&path).unwrap_or_else(|e| panic!("{e}"));
    let faults = playbook::check(&playbook);
    assert!(faults.is_empty(), "{faults:?}");
    let mut inventory = Inventory::load(&["h1,h2".to_owned()]).expect("two hosts");
    inventory.vars_beside(folder).expect("variables beside the playbook");
    let options = Options { connection: Some("local".into()), ..Options::default() };
    let told = Mutex::new(String::new());
    let sink = |event: Event| {
        let line = serde_json::to_string(&event).expect("events are JSON");
        told.lock().expect("one writer").push_str(&(line + "\n"));
    };
    let connections = Connections::default();
    let summary = playbook::run(&playbook, &inventory, &options, &connections, &sink, CancellationToken::new()).await;
    let lines = summary.hosts.iter().map(|(name, c)| {
        format!(
            "{name} ok={} changed={} unreachable={} failed={} skipped={} rescued={} ignored={}\n",
            c.ok, c.changed, c.unreachable, c.failed, c.skipped, c.rescued, c.ignored
        )
    });
    (lines.collect(), told.into_inner().expect("one writer"))
}

#[tokio::test]
async fn every_case_gives_its_recap() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/playbooks");
    let mut seen = 0;
    for entry in fs::read_dir(cases).expect("the cases are there").flatten() {
        // The others run on machines of their own.
        if !entry.path().join("playbook.yml").exists() {
            continue;
        }
        let wanted = fs::read_to_string(entry.path().join("recap.txt")).expect("each case has its recap");
        let (recap, told) = recap(&entry.path()).await;
        assert_eq!(recap, wanted, "{}\n{told}", entry.path().display());
        assert!(!told.contains("hunter2"), "a secret was told");
        seen += 1;
    }
    assert!(seen >= 4);
}

const TIMED: &str = "
- hosts: all
  tasks:
    - name: a word for both
      ansible.builtin.command: echo good
    - name: a word for one
      ansible.builtin.command: echo day
      when: inventory_hostname == 'h2'
";

/// What `berth playbook run` prints for two shells of this machine.
fn run(options: &[&str], vars: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let playbook = folder.path().join("timed.yml");
    fs::write(&playbook, TIMED).expect("a playbook");
    let done = std::process::Command::new(env!("CARGO_BIN_EXE_berth"))
        .args(["playbook", "run", "-i", "h1,h2", "-c", "local"])
        .args(options)
        .arg(&playbook)
        .current_dir(folder.path())
        .env("HOME", folder.path())
        .env_remove("ANSIBLE_CALLBACKS_ENABLED")
        .envs(vars.iter().copied())
        .output()
        .expect("berth runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).expect("text")
}

#[test]
fn a_run_tells_where_its_time_went_when_asked() {
    assert!(!run(&[], &[]).contains("TIMINGS"));
    let asked = [run(&["--timings"], &[]), run(&[], &[("ANSIBLE_CALLBACKS_ENABLED", "ansible.posix.profile_tasks")])];
    for text in asked {
        let (recap, tables) = text.split_once("TIMINGS").unwrap_or_else(|| panic!("no tables in {text}"));
        assert!(recap.contains("PLAY RECAP"), "the tables come last: {text}");
        for name in ["h1 ", "h2 ", "a word for both ", "a word for one ", "the run took "] {
            assert_eq!(tables.lines().filter(|line| line.starts_with(name)).count(), 1, "`{name}` in {text}");
        }
    }
}

#[test]
fn programs_are_told_the_times_as_one_event() {
    let text = run(&["--timings", "--output", "json"], &[]);
    let last: serde_json::Value = serde_json::from_str(text.lines().last().expect("events")).expect("JSON");
    assert_eq!(last["event"], "timings", "{last}");
    let hosts = last["hosts"].as_array().expect("hosts");
    let mut names: Vec<&str> = hosts.iter().filter_map(|host| host["host"].as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["h1", "h2"]);
    for host in hosts {
        // Two tasks go to h2, one to h1; all of them together, so nobody waits for an answer in between.
        assert_eq!(host["steps"], if host["host"] == "h2" { 2 } else { 1 }, "{last}");
        assert_eq!(host["trips"], 1, "{last}");
        assert!(host["sent"].as_u64() > Some(0) && host["received"].as_u64() > Some(0), "{last}");
    }
    let tasks = last["tasks"].as_array().expect("tasks");
    let both = tasks.iter().find(|task| task["task"] == "a word for both").expect("the task");
    assert_eq!((both["runs"].as_u64(), both["module"].as_str()), (Some(2), Some("command")));
    let total = |task: &serde_json::Value| task["seconds"].as_f64().expect("a number");
    assert!(tasks.windows(2).all(|pair| total(&pair[0]) >= total(&pair[1])), "{last}");
    assert!(last["seconds"].as_f64() >= both["slowest_seconds"].as_f64(), "{last}");
}

/// What the binary under this name says, and its exit code.
fn called_as(name: &str, folder: &Path, options: &[&str]) -> (i32, String) {
    let link = folder.join(name);
    if !link.exists() {
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_berth"), &link).expect("a link");
    }
    let done = std::process::Command::new(link)
        .args(options)
        .current_dir(folder)
        .env("HOME", folder)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    (done.status.code().unwrap_or(-1), said)
}

#[test]
fn one_module_runs_without_a_playbook() {
    let folder = tempfile::tempdir().expect("a folder");
    let one = |options: &[&str]| {
        called_as("ansible", folder.path(), &[&["h1", "-i", "h1,h2", "-c", "local"], options].concat())
    };
    assert_eq!(one(&["-a", "echo 'two words'"]), (0, "h1 | CHANGED | rc=0 >>\ntwo words\n".to_owned()));
    let (code, said) = one(&["-m", "debug", "-a", "msg={{ x }}", "-e", "x={{ 1 + 1 }}"]);
    assert_eq!(
        (code, said.starts_with("h1 | SUCCESS => {\n    "), said.contains("\"msg\": 2")),
        (0, true, true),
        "{said}"
    );
    let (code, said) = one(&["-m", "shell", "-a", "echo no >&2; exit 3", "-o"]);
    assert_eq!((code, said.as_str()), (2, "h1 | FAILED | rc=3 | (stdout)  (stderr) no\n"));
    std::fs::write(folder.path().join("more.yml"), "- debug: {msg: inside}\n").expect("a file");
    let (code, said) = one(&["-m", "include_tasks", "-a", "more.yml"]);
    assert!(code == 0 && said.contains("inside"), "{said}");
    let (code, said) = one(&["-m", "pingg"]);
    assert!(code == 4 && said.contains("did you mean `ping`?"), "{code} {said}");
}

#[test]
fn doubtful_variables_and_settings_are_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = "- hosts: all\n  gather_facts: false\n  vars:\n    tags: 1\n    a: 1\n    a: 2\n  tasks:\n    - debug: {var: a}\n    - meta: noop\n    - fail: {msg: adrift}\n";
    fs::write(folder.path().join("p.yml"), text).expect("a playbook");
    let run = |options: &[&str]| {
        called_as("ansible-playbook", folder.path(), &[&["p.yml", "-i", "h1,", "-c", "local"], options].concat())
    };
    let (code, said) = run(&["-vv"]);
    assert_eq!(code, 2, "{said}");
    for line in [
        "[WARNING]: p.yml:6:5: Found duplicate mapping key 'a'. Using last defined value only.",
        "[WARNING]: p.yml:1:3: Found variable using reserved name 'tags'.",
        "    \"a\": 2",
        "META: noop",
        "[ERROR]: Task failed: adrift",
    ] {
        assert!(said.lines().any(|told| told == line), "`{line}` is not in\n{said}");
    }
    assert!(said.contains("Origin: ") && said.contains("/p.yml:10:7\n"), "{said}");
    fs::write(folder.path().join("ansible.cfg"), "[defaults]\nduplicate_dict_key = error\n").expect("a configuration");
    let (code, said) = run(&[]);
    assert!(code == 4 && said.contains("p.yml:6:5: Found duplicate mapping key 'a'."), "{code} {said}");
    fs::write(folder.path().join("ansible.cfg"), "[defaults]\nhash_behaviour = merge\n").expect("a configuration");
    let (code, said) = run(&[]);
    assert!(code == 1 && said.contains("combine"), "{code} {said}");
}
