//! Conditions judged by the host and by the controller come to the same.

use std::{fmt::Write as _, sync::Mutex};

use super::*;
use crate::playbook::load_text;

/// An event without times and numbers of files.
fn masked(event: &str) -> String {
    let mut text = String::new();
    let mut digits = String::new();
    for c in event.chars().chain([' ']) {
        if c.is_ascii_digit() || c == '.' && !digits.is_empty() {
            digits.push(c);
            continue;
        }
        text.push_str(if digits.len() > 4 { "#" } else { &digits });
        digits.clear();
        text.push(c);
    }
    text
}

/// What a run told, and what it left behind.
async fn told(play: &str, dir: &std::path::Path) -> (Vec<String>, Vec<String>) {
    let _ = std::fs::remove_dir_all(dir);
    std::fs::create_dir(dir).unwrap();
    let playbook = load_text(play, "p.yml", std::path::Path::new("/nonexistent")).expect("the playbook loads");
    let inventory = Inventory::load(&["a,".to_owned()]).expect("one host");
    let options = Options { connection: Some("local".into()), ..Options::default() };
    let events = Mutex::new(Vec::new());
    let sink = |event: Event| events.lock().unwrap().push(format!("{event:?}"));
    run(&playbook, &inventory, &options, &Connections::default(), &sink, CancellationToken::new()).await;
    let mut left: Vec<String> =
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().display().to_string()).collect();
    left.sort();
    (events.into_inner().unwrap(), left)
}

/// A play of a few tasks; in each condition `@` stands where brackets would make the controller wait.
fn play(dir: &str, mut pick: impl FnMut(usize) -> usize) -> String {
    let mut text = "- hosts: all\n  gather_facts: false\n  vars: {on: true}\n  tasks:\n".to_owned();
    let mut names: Vec<usize> = Vec::new();
    for at in 0..7 {
        let action = match pick(6) {
            0 => format!("shell: 'echo word; echo > {dir}/{at}; exit {}'", pick(3)),
            1 => format!("command: printf '%s' '{}'", ["word", "", "a word", "word\\r"][pick(4)]),
            2 => format!("stat: {{path: {dir}/{}}}", pick(at + 1)),
            3 => format!("file: {{path: {dir}/{}, state: {}}}", pick(4), ["touch", "absent", "directory"][pick(3)]),
            4 => format!("command: touch {dir}/{at}\n      args: {{creates: {dir}/{}}}", pick(5)),
            _ => format!("command: touch {dir}/t{at}"),
        };
        let _ = writeln!(text, "    - name: task {at}\n      {action}\n      register: r{at}");
        if pick(3) > 0 {
            text.push_str("      ignore_errors: true\n");
        }
        match pick(9) {
            0 => text.push_str("      changed_when: false\n"),
            1 => text.push_str("      changed_when: true\n"),
            2 => text.push_str("      no_log: true\n"),
            3 => text.push_str("      check_mode: true\n"),
            4 if at > 3 => text.push_str("      loop: [1, 2]\n"),
            _ => {}
        }
        if !names.is_empty() && pick(5) > 0 {
            let mut conditions = Vec::new();
            for _ in 0..=pick(2) {
                let name = names[pick(names.len())];
                let form = [
                    "R is changed",
                    "R is not changed",
                    "R is failed",
                    "R is succeeded",
                    "not R is skipped",
                    "R.changed",
                    "not R.changed",
                    "R.rc == 0",
                    "R.rc != 1",
                    "R.stat.exists",
                    "not R.stat.exists",
                    "R.stdout == 'word'",
                    "R.stdout != ''",
                    "'or' in R.stdout",
                    "on and 'x' not in R.stdout",
                    "R is defined and R is not failed",
                ][pick(16)];
                conditions.push(form.replace('R', &format!("r{name}")));
            }
            let joined = conditions.join([" and ", " or "][pick(2)]);
            let _ = writeln!(text, "      when: \"@({joined})@\"");
        }
        names.push(at);
    }
    text
}

#[tokio::test]
async fn conditions_judged_by_the_host_come_to_what_waiting_comes_to() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("d");
    let mut skipped = 0;
    for seed in 0..24_u64 {
        let mut state = seed * 7919 + 17;
        let pick = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from((state >> 33) % below as u64).unwrap()
        };
        let text = play(&dir.display().to_string(), pick);
        let (ahead, left) = told(&text.replace('@', ""), &dir).await;
        let (waited, left_then) = told(&text.replace("@(", "[(").replace(")@", ")][0]"), &dir).await;
        let plain = |events: Vec<String>| -> Vec<String> {
            events.into_iter().map(|event| masked(&event.replace("[(", "(").replace(")][0]", ")"))).collect()
        };
        let ahead = plain(ahead);
        skipped += ahead.iter().filter(|event| event.contains("false_condition")).count();
        assert_eq!(ahead, plain(waited), "{text}");
        assert_eq!(left, left_then, "{text}");
    }
    assert!(skipped > 10, "the plays try something");
}
