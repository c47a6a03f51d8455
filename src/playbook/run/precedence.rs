//! The order in which variables win, as Ansible documents it: each level against the one below it.

use std::{fmt::Write as _, fs, path::Path, sync::Mutex};

use super::*;
use crate::playbook::{Ask, event::Status, load};

/// Weakest first. Variable `vN` is set by level N and by level N-1, and level N must win.
/// Level 1, values of the command line such as `-u`, has no variables of its own; facts have names of their own.
const LEVELS: [(usize, &str); 20] = [
    (2, "role defaults"),
    (3, "group variables of the inventory file"),
    (4, "group_vars/all beside the inventory"),
    (5, "group_vars/all beside the playbook"),
    (6, "group_vars/* beside the inventory"),
    (7, "group_vars/* beside the playbook"),
    (8, "host variables of the inventory file"),
    (9, "host_vars beside the inventory"),
    (10, "host_vars beside the playbook"),
    (12, "play vars"),
    (13, "vars_prompt"),
    (14, "vars_files"),
    (15, "role vars"),
    (16, "block vars"),
    (17, "task vars"),
    (18, "include_vars"),
    (19, "set_fact"),
    (20, "role parameters"),
    (21, "include parameters"),
    (22, "extra variables"),
];

/// The variables that a level sets: its own, and that of the next level.
fn vars(level: usize, indent: &str) -> String {
    let at = LEVELS.iter().position(|(number, _)| *number == level).expect("a level");
    let mut text = format!("{indent}v{level}: {level}\n");
    if let Some((next, _)) = LEVELS.get(at + 1) {
        let _ = writeln!(text, "{indent}v{next}: {level}");
    }
    text
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder can be made");
    fs::write(path, text).expect("a file can be written");
}

fn files(root: &Path) {
    let ini = |level: usize| vars(level, "").replace(": ", "=");
    let host = vars(8, "").trim().replace(": ", "=").replace('\n', " ");
    write(root, "inv/hosts", &format!("[g]\nh {host}\n[g:vars]\n{}", ini(3)));
    write(root, "inv/group_vars/all.yml", &vars(4, ""));
    write(root, "play/group_vars/all", &vars(5, ""));
    write(root, "inv/group_vars/g/x.yml", &vars(6, ""));
    write(root, "play/group_vars/g.yaml", &vars(7, ""));
    write(root, "inv/host_vars/h.yml", &vars(9, ""));
    // Facts (11) win over host_vars, and play vars win over facts.
    write(root, "play/host_vars/h", &format!("{}ansible_system: host_vars\n", vars(10, "")));
    write(root, "play/files.yml", &vars(14, ""));
    write(root, "play/included.yml", &vars(18, ""));
    write(root, "play/roles/r/defaults/main.yml", &vars(2, ""));
    write(root, "play/roles/r/vars/main.yml", &vars(15, ""));
    let block = format!(
        "- vars:\n{}  block:\n    - include_tasks: probe.yml\n      vars:\n{}",
        vars(16, "    "),
        vars(21, "        ")
    );
    write(root, "play/roles/r/tasks/main.yml", &block);
    let mut probe = format!("- vars:\n{}  assert:\n    that:\n", vars(17, "    "));
    for (level, _) in LEVELS {
        let _ = writeln!(probe, "      - v{level} | int == {level}");
    }
    probe.push_str("      - ansible_system == 'Linux'\n      - ansible_kernel == 'play vars'\n");
    write(root, "play/roles/r/tasks/probe.yml", &probe);
    let prompts = [13, 14].map(|n| format!("    - {{name: v{n}, prompt: x}}\n")).concat();
    let play = format!(
        "- hosts: h\n  gather_facts: true\n  vars:\n    ansible_kernel: play vars\n{}  vars_prompt:\n{prompts}  vars_files: files.yml\n  pre_tasks:\n    - include_vars: included.yml\n    - set_fact:\n{}  roles:\n    - role: r\n{}",
        vars(12, "    "),
        vars(19, "        "),
        vars(20, "      "),
    );
    write(root, "play/site.yml", &play);
}

#[tokio::test]
async fn each_level_of_variables_wins_over_the_one_below_it() {
    let root = tempfile::tempdir().expect("a folder");
    files(root.path());
    let playbook = load(&root.path().join("play/site.yml")).unwrap_or_else(|e| panic!("{e}"));
    let mut inventory = Inventory::load(&[root.path().join("inv").display().to_string()]).expect("an inventory");
    inventory.vars_beside(&root.path().join("play")).expect("variables");
    let options = Options {
        connection: Some("local".into()),
        extra_vars: Map::from_iter([("v22".to_owned(), Value::from(22))]),
        ask: Some(Ask(Arc::new(|_| Ok(Some("13".into()))))),
        ..Options::default()
    };
    let said = Mutex::new(Vec::new());
    let connections = Connections::default();
    let sink = |event| {
        if let Event::HostResult { status: Status::Failed, result, .. } = event {
            said.lock().unwrap().push(format!("{:?}", result.get("assertion")));
        }
    };
    let summary = run(&playbook, &inventory, &options, &connections, &sink, CancellationToken::new()).await;
    assert!(summary.succeeded(), "{:?} {summary:?}", said.lock().unwrap());
    assert!(summary.hosts["h"].ok >= 5, "{summary:?}");
}
