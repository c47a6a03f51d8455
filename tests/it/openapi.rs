//! `docs/openapi.json` is what the server says, and what the page of the API shows.

use std::{collections::BTreeSet, path::Path};

use serde_json::Value;

use crate::on_both;

fn file() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json")
}

#[test]
fn the_document_in_the_repository_is_the_servers() {
    let now = serde_json::to_string_pretty(&berth::server::openapi()).unwrap() + "\n";
    if std::env::var_os("BERTH_BLESS").is_some() {
        std::fs::write(file(), &now).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(file()).unwrap_or_default();
    assert!(kept == now, "docs/openapi.json is not what the server says; run `./just bless` and look at the change");
}

#[test]
fn every_operation_has_a_name_a_summary_and_a_group() {
    let document = berth::server::openapi();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let groups: BTreeSet<&str> =
        document["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    let mut names = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (verb, operation) in item.as_object().unwrap() {
            let what = format!("{verb} {path}");
            let name = operation["operationId"].as_str().unwrap_or_else(|| panic!("{what} has no name"));
            assert!(names.insert(name.to_owned()), "{what}: `{name}` is taken");
            assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{what} has no summary");
            let group = operation["tags"][0].as_str().unwrap_or_default();
            assert!(groups.contains(group), "{what}: the group `{group}` is not described");
        }
    }
}

on_both! {
    async fn the_document_and_its_page_are_served_to_anybody(berth: TestBerth) {
        let stranger = berth.stranger();
        let document = stranger.get("/api/openapi.json").await.expect(200);
        assert_eq!(document["info"]["title"], "Berth");
        let page = stranger.get("/api/docs").await;
        assert_eq!(page.status.as_u16(), 200);
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(!policy.contains("unsafe"), "{policy}");
        for part in ["page.js", "page.css"] {
            assert!(page.text.contains(part));
            assert_eq!(stranger.get(&format!("/api/docs/{part}")).await.status.as_u16(), 200);
        }
        let lost: Value = stranger.get("/api/nothing").await.refused(404, "not-found");
        assert!(lost["request_id"].is_string());
        stranger.delete("/api/healthz").await.refused(405, "wrong-method");
    }

    async fn the_probes_tell_what_is_wrong(berth: TestBerth) {
        let stranger = berth.stranger();
        assert_eq!(stranger.get("/api/healthz").await.expect(200)["status"], "ok");
        let idle = stranger.get("/api/readyz").await.expect(503);
        assert_eq!(idle["checks"]["database"], "ok");
        assert_eq!(idle["checks"]["scheduler"], "no process runs the jobs");
    }
}

/// All sources below a folder.
fn sources(folder: &std::path::Path) -> String {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let text = |path: std::path::PathBuf| match path.extension() {
        _ if path.is_dir() => sources(&path),
        Some(end) if end == "rs" => std::fs::read_to_string(&path).unwrap(),
        _ => String::new(),
    };
    entries.map(text).collect()
}

#[test]
fn every_test_that_the_security_page_names_is_there() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/SECURITY.md")).unwrap();
    let all = sources(&root.join("src")) + &sources(&root.join("tests/it"));
    let cited: Vec<&str> = page.split('`').filter_map(|part| Some(part.split_once(".rs::")?.1)).collect();
    for test in &cited {
        assert!(all.contains(&format!("fn {test}(")), "`{test}` is named in docs/SECURITY.md and is not there");
    }
    assert!(100 < cited.len(), "the page names {} tests only", cited.len());
    let rows: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("| V")?.split(' ').next()).collect();
    let once: std::collections::BTreeSet<&&str> = rows.iter().collect();
    assert_eq!((rows.len(), once.len()), (253, 253), "levels 1 and 2 of ASVS 5.0 have 253 requirements");
}
