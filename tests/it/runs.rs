//! Runs and their logs: what is listed, counted and found.

use serde_json::{Value, json};

use crate::{harness::Client, on_both};

/// Books two machines and gives them back: the ids of its runs, oldest first.
async fn used(berth: &crate::harness::TestBerth, who: &Client) -> (String, Vec<Value>) {
    let body = json!({ "count": 2, "duration": "30m" });
    let id = who.post("/api/reservations", &body).await.json()["id"].as_str().unwrap().to_owned();
    berth.run_jobs().await;
    who.delete(&format!("/api/reservations/{id}")).await;
    berth.run_jobs().await;
    let mut runs = list(who, &format!("reservation={id}")).await;
    runs.reverse();
    (id, runs)
}

async fn list(who: &Client, query: &str) -> Vec<Value> {
    let page = who.get(&format!("/api/runs?{query}")).await.expect(200);
    page["items"].as_array().unwrap().clone()
}

async fn lines(who: &Client, run: &Value, query: &str) -> Vec<Value> {
    let page = who.get(&format!("/api/runs/{}/events?{query}", run["id"].as_str().unwrap())).await.expect(200);
    page["items"].as_array().unwrap().clone()
}

on_both! {
    async fn runs_are_found_by_machine_and_state(berth: TestBerth) {
        berth.machines(2).await;
        let alice = berth.member("alice").await;
        let (_, runs) = used(&berth, &alice).await;
        assert_eq!(runs.len(), 3, "one to provision both, and one each to clean: {runs:#?}");
        let of_one = list(&alice, "machine=m1").await;
        assert_eq!(of_one.len(), 2);
        assert!(of_one.iter().all(|run| run["machines"].as_array().unwrap().contains(&json!("m1"))));
        assert_eq!(list(&alice, "machine=m").await, Vec::<Value>::new(), "part of a name is no name");
        assert_eq!(list(&alice, "machine=%25").await, Vec::<Value>::new());
        assert_eq!(list(&alice, "state=succeeded").await.len(), 3);
        assert_eq!(list(&alice, "state=failed&machine=m1").await, Vec::<Value>::new());
        alice.get("/api/runs?state=happy").await.refused(422, "invalid-state");
        let eve = berth.member("eve").await;
        assert_eq!(list(&eve, "machine=m1").await, Vec::<Value>::new(), "runs of others are not hers");
    }

    async fn a_log_is_cut_by_place_machine_status_and_text(berth: TestBerth) {
        berth.machines(2).await;
        let alice = berth.member("alice").await;
        let (_, runs) = used(&berth, &alice).await;
        let run = &runs[0];
        let all = lines(&alice, run, "limit=2000").await;
        let count = i64::try_from(all.len()).unwrap();
        assert!(2 < count, "{all:#?}");
        assert_eq!(run["lines"], count, "a run knows how long its log is");
        let seqs: Vec<i64> = all.iter().map(|line| line["seq"].as_i64().unwrap()).collect();
        assert_eq!(seqs, (1..=count).collect::<Vec<_>>(), "no place is left out");
        assert_eq!(lines(&alice, run, "after=1&limit=2").await, all[1..3]);

        let chosen = |wanted: &dyn Fn(&Value) -> bool| all.iter().filter(|line| wanted(line)).cloned().collect::<Vec<_>>();
        let of_one = chosen(&|line| line["machine"] == "m1");
        assert!(!of_one.is_empty() && of_one.len() < all.len());
        assert_eq!(lines(&alice, run, "machine=m1&limit=2000").await, of_one);
        let last = all.last().unwrap();
        let status = last["status"].as_str().unwrap();
        let by_status = chosen(&|line| line["status"] == status && line["kind"] == last["kind"]);
        let query = format!("status={status}&kind={}&limit=2000", last["kind"].as_str().unwrap());
        assert_eq!(lines(&alice, run, &query).await, by_status);

        let task = all.iter().map(|line| line["task"].as_str().unwrap()).find(|task| 3 < task.len()).unwrap();
        let found = lines(&alice, run, &format!("q={}&limit=2000", task.to_uppercase().replace(' ', "%20"))).await;
        assert!(found.iter().any(|line| line["task"] == task), "{task}");
        let has = |line: &Value, word: &str| {
            let text = format!("{} {}", line["task"], line["message"]).to_lowercase();
            text.contains(&word.to_lowercase())
        };
        assert!(found.iter().all(|line| has(line, task)), "{found:#?}");
        assert_eq!(lines(&alice, run, "q=no%20such%20words").await, Vec::<Value>::new());
        assert_eq!(lines(&alice, run, "q=%25").await, chosen(&|line| has(line, "%")), "a wildcard is a letter here");

        for (query, slug) in [("limit=2001", "invalid-limit"), ("limit=0", "invalid-limit")] {
            alice.get(&format!("/api/runs/{}/events?{query}", run["id"].as_str().unwrap())).await.refused(422, slug);
        }
        let long = "x".repeat(101);
        let path = format!("/api/runs/{}/events?q={long}", run["id"].as_str().unwrap());
        alice.get(&path).await.refused(422, "invalid-query");
    }
}
