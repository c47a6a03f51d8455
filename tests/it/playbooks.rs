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
