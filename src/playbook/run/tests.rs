//! Whole playbooks on shells of this machine.

use std::sync::Mutex;

use super::*;
use crate::playbook::{event::Status, load_text};

async fn run_text(text: &str, options: Options) -> (Summary, Vec<Event>) {
    let playbook = load_text(text, "p.yml", std::path::Path::new("/nonexistent")).expect("the playbook loads");
    let inventory = Inventory::load(&["a,b,".to_owned()]).expect("two hosts");
    let options = Options { connection: Some("local".into()), ..options };
    let events = Mutex::new(Vec::new());
    let connections = Connections::default();
    let sink = |event| events.lock().unwrap().push(event);
    let summary = run(&playbook, &inventory, &options, &connections, &sink, CancellationToken::new()).await;
    (summary, events.into_inner().unwrap())
}

fn told(events: &[Event], host: &str) -> Vec<String> {
    let mut found = Vec::new();
    for event in events {
        match event {
            Event::HostResult { host: h, task, status, message, .. } if h == host => {
                found.push(format!("{task}: {status:?} {message}").trim_end().to_owned());
            }
            _ => {}
        }
    }
    found
}

#[tokio::test]
async fn a_play_runs_in_order_with_conditions_loops_and_registered_results() {
    let text = r"
- hosts: all
  gather_facts: false
  vars: {words: [x, y], item2: y}
  tasks:
    - {name: one, command: echo hello, register: r, changed_when: false}
    - {name: two, debug: {msg: '{{ r.stdout }} {{ inventory_hostname }}'}}
    - {name: three, command: 'echo {{ item }}', loop: '{{ words }}', register: l}
    - {name: four, assert: {that: ['l.results | length == 2', 'l.results[1].stdout == item2', l is changed], quiet: true}}
    - {name: five, command: 'false', when: r.rc != 0}
    - {name: six, set_fact: {n: '{{ l.results | map(attribute=''stdout'') | list }}'}}
    - {name: seven, debug: {msg: '{{ n }}'}}
    - {name: eight, command: 'exit 3', ignore_errors: true}
    - {name: nine, shell: exit 3, failed_when: false, register: z}
    - {name: ten, debug: {msg: '{{ z.rc }}'}}
";
    let (summary, events) = run_text(text, Options::default()).await;
    assert_eq!(
        told(&events, "a").iter().filter(|line| !line.starts_with("eight")).map(String::as_str).collect::<Vec<_>>(),
        [
            "one: Ok",
            "two: Ok hello a",
            "three: Changed All items completed",
            "four: Ok",
            "five: Skipped",
            "six: Ok",
            "seven: Ok [\"x\",\"y\"]",
            "nine: Changed non-zero return code",
            "ten: Ok 3",
        ]
    );
    assert!(summary.succeeded(), "{summary:?}");
    assert_eq!((summary.hosts["b"].ok, summary.hosts["b"].skipped, summary.hosts["b"].ignored), (9, 1, 1));
}

#[tokio::test]
async fn a_failure_ends_the_host_before_any_later_step_touches_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("touched");
    let text = format!(
        "- hosts: all\n  gather_facts: false\n  tasks:\n    - command: 'true'\n    - command: test {{{{ inventory_hostname }}}} = b\n    - command: touch {0}-{{{{ inventory_hostname }}}}\n    - command: touch {0}-{{{{ inventory_hostname }}}}\n      ignore_errors: true\n    - ping:\n- hosts: all\n  gather_facts: false\n  tasks:\n    - ping:\n",
        file.display()
    );
    let (summary, events) = run_text(&text, Options::default()).await;
    assert!(!dir.path().join("touched-a").exists() && dir.path().join("touched-b").exists());
    assert_eq!(told(&events, "a").len(), 2);
    assert_eq!(told(&events, "b").len(), 6);
    assert_eq!((summary.hosts["a"].failed, summary.exit_code()), (1, 2));
}

#[tokio::test]
async fn a_loop_goes_on_after_a_failed_round_and_fails_as_a_whole() {
    let text = "- hosts: a\n  gather_facts: false\n  tasks:\n    - command: test {{ item }} = 2\n      loop: [1, 2, 3]\n      when: item != 3\n    - ping:\n";
    let (_, events) = run_text(text, Options::default()).await;
    let items: Vec<Status> =
        events.iter().filter_map(|e| if let Event::Item { status, .. } = e { Some(*status) } else { None }).collect();
    assert_eq!(items, [Status::Failed, Status::Changed, Status::Skipped]);
    assert_eq!(told(&events, "a"), ["command: Failed One or more items failed"]);
}

#[tokio::test]
async fn handlers_run_once_when_notified_and_blocks_rescue() {
    let text = r"
- hosts: a
  gather_facts: false
  handlers:
    - {name: h1, debug: {msg: h1}}
    - {name: h2, debug: {msg: h2}, listen: topic}
    - {name: h3, debug: {msg: h3}}
  tasks:
    - {name: change, command: 'true', notify: [topic, h1]}
    - {name: again, command: 'true', notify: h1}
    - {name: same, command: 'true', changed_when: false, notify: h3}
    - block:
        - {name: bad, command: 'false'}
        - {name: never, ping: }
      rescue:
        - {name: saved, debug: {msg: '{{ ansible_failed_task.name }} {{ ansible_failed_result.rc }}'}}
      always:
        - {name: last, command: 'true', changed_when: false}
";
    let (summary, events) = run_text(text, Options::default()).await;
    assert_eq!(
        told(&events, "a"),
        [
            "change: Changed",
            "again: Changed",
            "same: Ok",
            "bad: Failed non-zero return code",
            "saved: Ok bad 1",
            "last: Ok",
            "h1: Ok h1",
            "h2: Ok h2"
        ]
    );
    assert!(summary.succeeded());
    assert_eq!(summary.hosts["a"].rescued, 1);
}

#[tokio::test]
async fn no_log_hides_the_result_and_tags_choose() {
    let text = "- hosts: a\n  gather_facts: false\n  tasks:\n    - {command: echo hunter2, no_log: true, tags: x, register: r}\n    - {debug: {msg: skipped}, tags: y}\n    - {debug: {msg: '{{ r.stdout | length }}'}, tags: always}\n";
    let (_, events) = run_text(text, Options { tags: vec!["x".into()], ..Options::default() }).await;
    assert_eq!(told(&events, "a"), ["command: Changed", "debug: Ok 7"]);
    assert!(!serde_json::to_string(&events).unwrap().contains("hunter2"));
}

#[tokio::test]
async fn check_mode_runs_no_command() {
    let dir = tempfile::tempdir().unwrap();
    let text = format!("- hosts: a\n  gather_facts: false\n  tasks:\n    - shell: touch {}/x\n", dir.path().display());
    let (summary, _) = run_text(&text, Options { check: true, ..Options::default() }).await;
    assert_eq!((summary.hosts["a"].skipped, dir.path().join("x").exists()), (1, false));
}

#[tokio::test]
async fn until_tries_again_and_a_hung_step_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    let text = format!(
        "- hosts: a\n  gather_facts: false\n  tasks:\n    - shell: echo x >>{0}/n; wc -l <{0}/n\n      register: r\n      until: r.stdout | trim | int == 3\n      retries: 5\n      delay: 0\n    - debug: {{msg: '{{{{ r.attempts }}}}'}}\n    - command: sleep 60\n      timeout: 1\n",
        dir.path().display()
    );
    let (summary, events) = run_text(&text, Options::default()).await;
    assert_eq!(told(&events, "a")[..2], ["shell: Changed".to_owned(), "debug: Ok 3".to_owned()]);
    assert_eq!((summary.hosts["a"].unreachable, summary.exit_code()), (1, 4));
}

#[test]
fn serial_sizes_repeat_the_last() {
    let hosts: Vec<String> = (0..7).map(|n| n.to_string()).collect();
    let sizes = |serial: Value| {
        let serial: Vec<Value> = serial.as_array().unwrap().clone();
        batches(&hosts, &serial).iter().map(Vec::len).collect::<Vec<_>>()
    };
    assert_eq!(sizes(json!([1, 2])), [1, 2, 2, 2]);
    assert_eq!(sizes(json!(["30%"])), [2, 2, 2, 1]);
    assert_eq!(sizes(json!([])), [7]);
}

#[tokio::test]
async fn a_run_that_was_cancelled_in_its_last_play_did_not_succeed() {
    let text = "- hosts: a\n  gather_facts: false\n  tasks:\n    - command: 'true'\n    - command: 'true'\n";
    let playbook = load_text(text, "p.yml", std::path::Path::new("/nonexistent")).expect("the playbook loads");
    let inventory = Inventory::load(&["a,".to_owned()]).expect("one host");
    let options = Options { connection: Some("local".into()), ..Options::default() };
    let cancel = CancellationToken::new();
    let sink = |event| {
        if matches!(event, Event::Task { .. }) {
            cancel.cancel();
        }
    };
    let summary = run(&playbook, &inventory, &options, &Connections::default(), &sink, cancel.clone()).await;
    assert_eq!((summary.error.as_deref(), summary.exit_code()), (Some("the run was cancelled"), 1));
}

#[tokio::test]
async fn facts_are_there_for_whoever_asks_of_this_host_and_of_others() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("Linux.yml"), "family: penguin\n").unwrap();
    let text = format!(
        "- hosts: a\n  tasks: []\n- hosts: all\n  vars_files: '{}/{{{{ ansible_system }}}}.yml'\n  tasks:\n{}",
        dir.path().display(),
        r"
    - {name: file, debug: {msg: '{{ family }}'}}
    - {name: own, debug: {msg: '{{ ansible_facts.system }} {{ ansible_facts[''kernel''] == ansible_kernel }}'}}
- hosts: b
  tasks:
    - {name: module, getent: {database: passwd, key: root}}
    - {name: both, debug: {msg: '{{ ansible_facts.getent_passwd.root[1] }} {{ ansible_facts.system }}'}}
",
    );
    let (summary, events) = run_text(&text, Options::default()).await;
    let lines = ["file: Ok penguin", "own: Ok Linux True"];
    assert_eq!(told(&events, "a"), lines, "{summary:?}");
    assert_eq!(told(&events, "b")[..2], lines);
    assert_eq!(told(&events, "b")[3], "both: Ok 0 Linux");
    // Facts of another host, in a play that gathers and in one that does not.
    let text = r"
- hosts: a
  tasks: []
- hosts: b
  gather_facts: false
  tasks:
    - {name: far, debug: {msg: '{{ hostvars.a.ansible_system }} {{ hostvars[''a''].ansible_facts.system }}'}}
    - {name: none, debug: {msg: '{{ ansible_system | default(''none'') }}'}}
";
    let (summary, events) = run_text(text, Options::default()).await;
    assert_eq!(told(&events, "b"), ["far: Ok Linux Linux", "none: Ok none"], "{summary:?}");
}

#[tokio::test]
async fn facts_under_way_hold_up_only_those_who_ask_for_them() {
    let dir = tempfile::tempdir().unwrap();
    let text = format!(
        r"
- hosts: a
  gather_facts: true
  vars: {{mine: 1, ansible_kernel: own}}
  tasks:
    - {{name: plain, command: 'echo {{{{ mine }}}}', changed_when: false}}
    - {{name: 'on {{{{ ansible_system }}}}', ping: }}
    - {{name: title, ping: }}
    - {{name: values, debug: {{msg: '{{{{ ansible_kernel }}}} {{{{ ansible_system }}}} {{{{ ansible_user | default(5) }}}}'}}}}
- hosts: a
  gather_facts: false
  tasks:
    - {{name: more, getent: {{database: passwd, key: root}}}}
    - {{name: names, debug: {{msg: '{{{{ lookup(''varnames'', ''^getent_'') }}}} {{{{ getent_passwd.root[1] }}}}'}}}}
    - {{name: file, copy: {{content: made, dest: {0}/f}}}}
    - {{name: read, debug: {{msg: '{{{{ lookup(''file'', ''{0}/f'') }}}}'}}}}
    - {{name: result, command: echo r, register: r}}
    - {{name: far, debug: {{msg: '{{{{ hostvars.a.r.stdout }}}}'}}}}
- hosts: b
  tasks:
    - {{name: judged, command: echo x, changed_when: ansible_system != 'Linux'}}
",
        dir.path().display()
    );
    let (summary, events) = run_text(&text, Options::default()).await;
    let lines = told(&events, "a");
    assert_eq!(
        lines.iter().filter(|line| !line.starts_with("Gathering")).map(String::as_str).collect::<Vec<_>>(),
        [
            "plain: Ok",
            "on Linux: Ok",
            "title: Ok",
            "values: Ok own Linux 5",
            "more: Ok",
            "names: Ok getent_passwd 0",
            "file: Changed",
            "read: Ok made",
            "result: Changed",
            "far: Ok r"
        ],
        "{summary:?}"
    );
    assert_eq!(told(&events, "b"), ["judged: Ok"]);
}

#[tokio::test]
async fn cleared_errors_bring_the_hosts_of_the_play_back_from_the_next_play_on() {
    let text = r"
- hosts: all
  gather_facts: false
  tasks:
    - {name: other, command: 'test {{ inventory_hostname }} = b', changed_when: false}
- hosts: all
  gather_facts: false
  tasks:
    - {name: b alone, ping: }
    - {name: odd, meta: noop, when: false}
    - meta: clear_host_errors
    - {name: still, ping: }
- hosts: all
  gather_facts: false
  tasks:
    - {name: both, ping: }
";
    let (summary, events) = run_text(text, Options::default()).await;
    assert_eq!(told(&events, "a"), ["other: Failed non-zero return code", "both: Ok"], "{summary:?}");
    assert_eq!(told(&events, "b"), ["other: Ok", "b alone: Ok", "still: Ok", "both: Ok"]);
    let steered: Vec<&str> = events
        .iter()
        .filter_map(|e| if let Event::Meta { message, .. } = e { Some(message.as_str()) } else { None })
        .collect();
    assert_eq!(steered, ["noop", "cleared host errors"]);
    let warned =
        |e: &Event| matches!(e, Event::Warning { message } if message == "noop task does not support when conditional");
    assert!(events.iter().any(warned));
}

#[tokio::test]
async fn a_file_that_a_step_before_is_making_here_is_included_when_it_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("more.yml");
    let text = format!(
        "- hosts: a\n  gather_facts: false\n  tasks:\n    - copy: {{content: '- {{name: inner, ping: }}', dest: {0}}}\n    - include_tasks: {0}\n    - {{name: after, ping: }}\n",
        file.display()
    );
    let (summary, events) = run_text(&text, Options::default()).await;
    assert_eq!(told(&events, "a").last().map(String::as_str), Some("after: Ok"), "{summary:?}");
    assert!(told(&events, "a").contains(&"inner: Ok".to_owned()));
    assert!(summary.succeeded());
}

/// Runs a playbook beside a folder `library` whose programs may be run.
async fn run_own(folder: &std::path::Path, text: &str, ansible: Option<std::path::PathBuf>) -> (Summary, Vec<Event>) {
    let own = crate::playbook::OwnPaths { ansible, ..crate::playbook::OwnPaths::default() };
    let paths = crate::playbook::Paths { own: Some(own), ..crate::playbook::Paths::default() };
    let settings = crate::playbook::Settings { paths: paths.clone(), ..crate::playbook::Settings::default() };
    let playbook = crate::playbook::load_text_with(text, "p.yml", folder, &settings).expect("the playbook loads");
    let inventory = Inventory::load(&["a,".to_owned()]).expect("a host");
    let options = Options { connection: Some("local".into()), paths, ..Options::default() };
    let events = Mutex::new(Vec::new());
    let connections = Connections::default();
    let sink = |event| events.lock().unwrap().push(event);
    let summary = run(&playbook, &inventory, &options, &connections, &sink, CancellationToken::new()).await;
    (summary, events.into_inner().unwrap())
}

#[tokio::test]
async fn programs_of_ones_own_are_run_and_heard() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("library")).unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join("library").join(name), text).unwrap();
    write(
        "moor.sh",
        "#!/bin/sh\n. \"$1\"\necho '{\"changed\": true, \"msg\": \"'$ship'\", \"ansible_facts\": {\"berth_no\": 7}}'\n",
    );
    write("sink.sh", "#!/bin/sh\n# WANT_JSON\necho '{\"failed\": true, \"msg\": \"sunk\"}'\n");
    let text = r"
- hosts: a
  gather_facts: false
  tasks:
    - {name: moored, moor: {ship: ada}, register: m}
    - {name: told, debug: {msg: '{{ m.msg }} {{ m is changed }}'}}
    - {name: looped, moor: 'ship={{ item }}', loop: [x, y]}
    - {name: sunk, sink: , ignore_errors: true}
    - {name: gone, sink: }
    - {name: never, ping: }
";
    let (_, events) = run_own(dir.path(), text, None).await;
    assert_eq!(
        told(&events, "a"),
        [
            "moored: Changed ada",
            "told: Ok ada True",
            "looped: Changed All items completed",
            "sunk: Failed sunk",
            "gone: Failed sunk"
        ]
    );
}

#[tokio::test]
async fn python_with_ansibles_library_is_run_where_there_is_a_python() {
    if std::process::Command::new("python3").arg("--version").output().is_err() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    // As much of such a library as this needs.
    write("ansible/module_utils/__init__.py", "");
    write(
        "ansible/module_utils/basic.py",
        "import json\n_ANSIBLE_ARGS = None\ndef params():\n    return json.loads(_ANSIBLE_ARGS)['ANSIBLE_MODULE_ARGS']\n",
    );
    write("module_utils/knots.py", "SPEED = 9\n");
    write(
        "library/sail.py",
        "#!/usr/bin/python\nimport json\nfrom ansible.module_utils import basic\nfrom ansible.module_utils.knots import SPEED\ngiven = basic.params()\nprint(json.dumps({'changed': False, 'msg': '%s %s %s' % (given['ship'], SPEED, given['_ansible_check_mode'])}))\n",
    );
    let text = "- hosts: a\n  gather_facts: false\n  tasks:\n    - {name: sailed, sail: {ship: ada}, environment: {HOME: HERE}}\n    - {name: again, sail: {ship: bob}, environment: {HOME: HERE}}\n";
    let text = text.replace("HERE", &dir.path().join("home").display().to_string());
    let (summary, events) = run_own(dir.path(), &text, Some(dir.path().to_owned())).await;
    assert_eq!(told(&events, "a"), ["sailed: Ok ada 9 False", "again: Ok bob 9 False"], "{summary:?}");
    let kept: Vec<_> = std::fs::read_dir(dir.path().join("home/.ansible/tmp")).unwrap().flatten().collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
}
