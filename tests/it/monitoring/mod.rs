//! Metrics, alert rules and the dashboard: that they speak of the same things.

mod promql;

use std::{collections::BTreeSet, fs, process::Command};

use serde_json::Value;

use berth::telemetry::{self, Kind};
use promql::Selector;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn read(path: &str) -> String {
    fs::read_to_string(format!("{ROOT}/{path}")).unwrap()
}

/// The alert rules.
pub fn rules() -> Vec<Value> {
    let file: Value = serde_saphyr::from_str(&read("monitoring/alerts.yml")).unwrap();
    let groups = file["groups"].as_array().unwrap();
    groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

/// All `PromQL` of the rules and the dashboard, each with where it stands.
fn expressions() -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = rules()
        .iter()
        .map(|rule| (rule["alert"].as_str().unwrap().to_owned(), rule["expr"].as_str().unwrap().to_owned()))
        .collect();
    let dashboard: Value = serde_json::from_str(&read("monitoring/dashboard.json")).unwrap();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            all.push((panel["title"].as_str().unwrap().to_owned(), target["expr"].as_str().unwrap().to_owned()));
        }
    }
    all
}

/// What is wrong with a selector: a metric that is not Berth's, or a label that the metric does not have.
fn faults(selector: &Selector) -> Vec<String> {
    // What Prometheus itself puts beside every metric.
    let mut labels = vec!["job", "instance"];
    if selector.metric != "up" {
        let Some(metric) = telemetry::find(selector.family()) else {
            return vec![format!("no metric `{}`", selector.metric)];
        };
        if (metric.kind == Kind::Histogram) != (selector.family() != selector.metric) {
            return vec![format!("`{}` is a {:?}", selector.metric, metric.kind)];
        }
        labels.extend(metric.labels.iter().map(|(name, _)| *name));
        if selector.metric.ends_with("_bucket") {
            labels.push("le");
        }
    }
    let unknown = selector.labels.iter().filter(|label| !labels.contains(&label.as_str()));
    unknown.map(|label| format!("`{}` has no label `{label}`", selector.metric)).collect()
}

#[test]
fn rules_and_dashboard_speak_of_metrics_and_labels_that_there_are() {
    let expressions = expressions();
    assert!(60 < expressions.len(), "{}", expressions.len());
    let mut seen = BTreeSet::new();
    for (place, expression) in &expressions {
        let selectors = promql::selectors(expression);
        assert!(!selectors.is_empty(), "{place}: {expression}");
        for selector in &selectors {
            assert_eq!(faults(selector), Vec::<String>::new(), "{place}: {expression}");
            seen.insert(selector.family().to_owned());
        }
    }
    let unseen: Vec<&str> =
        telemetry::METRICS.iter().map(|metric| metric.name).filter(|name| !seen.contains(*name)).collect();
    assert!(unseen.is_empty(), "nobody looks at {unseen:?}");
}

#[test]
fn a_metric_or_label_that_there_is_not_is_found() {
    for (expression, many) in [
        ("sum(berth_leases)", 0),
        ("sum(berth_lease)", 1),
        ("sum by (stat) (berth_leases)", 1),
        ("berth_leases{state=\"active\", pool!~\"a{1}|b\"} > 1", 1),
        ("rate(berth_provision_duration_seconds[5m])", 1),
        ("sum by (le) (rate(berth_provision_duration_seconds_bucket[5m]))", 0),
        ("sum by (le) (rate(berth_provision_duration_seconds_count[5m]))", 1),
        ("http_requests_total", 1),
    ] {
        let found: Vec<String> = promql::selectors(expression).iter().flat_map(faults).collect();
        assert_eq!(found.len(), many, "{expression}: {found:?}");
    }
}

#[test]
fn every_alert_says_how_bad_it_is_and_what_to_do() {
    let guide = read("docs/OPERATIONS.md");
    for rule in rules() {
        let name = rule["alert"].as_str().unwrap();
        let text = |pointer: &str| rule.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        assert!(["critical", "warning"].contains(&text("/labels/severity").as_str()), "{name}");
        assert!(10 < text("/annotations/summary").len(), "{name}");
        assert_eq!(text("/annotations/runbook_url"), format!("docs/OPERATIONS.md#{}", name.to_lowercase()));
        let (_, rest) = guide.split_once(&format!("\n#### {name}\n\n")).unwrap_or_else(|| panic!("{name}: no runbook"));
        let advice = rest.split("\n#").next().unwrap();
        assert!(80 < advice.len(), "{name}: {advice}");
    }
}

#[test]
fn promtool_accepts_the_rules_and_their_unit_tests() {
    let folder = format!("{ROOT}/monitoring");
    for args in
        [["check", "config", "prometheus.yml"], ["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]]
    {
        let done = Command::new("promtool")
            .args(args)
            .current_dir(&folder)
            .output()
            .expect("needs promtool: apt-get install prometheus, or ./just test");
        let said = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{args:?}: {said}");
    }
    let tests = read("monitoring/alerts_test.yml");
    for rule in rules() {
        let name = rule["alert"].as_str().unwrap();
        assert!(tests.contains(&format!("- name: {name}\n")), "`{name}` has no unit test");
    }
}
