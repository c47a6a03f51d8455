//! The events people follow: all of them arrive, also when very many happen in one moment.

use std::{collections::HashSet, time::Duration};

use berth::{
    db::Db,
    notifications::{News, announce},
};
use futures_util::StreamExt;

use crate::{harness::Client, on_both};

/// More than one look holds, all of one moment.
const MANY: usize = 1300;

async fn announce_many(db: &Db) {
    let mut tx = db.begin_write().await.unwrap();
    for n in 0..MANY {
        let message = format!("{n}");
        let data = serde_json::json!({});
        let news = News { kind: "test.many", account: None, reservation: None, machine: None, message: &message, data };
        announce(&mut tx, news).await.unwrap();
    }
    tx.commit().await.unwrap();
}

async fn poll(who: &Client, after: &str) -> Vec<String> {
    let page = who.get(&format!("/api/events?poll=1&after={after}")).await.expect(200);
    page["items"].as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

on_both! {
    async fn events_of_one_moment_all_reach_a_stream(berth: TestBerth) {
        let alice = berth.member("alice").await;
        let answer = alice.request(reqwest::Method::GET, "/api/events").send().await.unwrap();
        announce_many(&berth.ctx.db).await;
        berth.ctx.news.notify_waiters();
        let mut chunks = answer.bytes_stream();
        let mut text = String::new();
        let mut seen = 0;
        let reading = async {
            while seen < MANY {
                let chunk = chunks.next().await.expect("the stream ended").unwrap();
                text += &String::from_utf8_lossy(&chunk);
                seen = text.matches("event: test.many").count();
            }
        };
        tokio::time::timeout(Duration::from_secs(20), reading).await.unwrap_or_default();
        assert_eq!(seen, MANY);
    }

    async fn events_of_one_moment_all_reach_whoever_polls(berth: TestBerth) {
        let alice = berth.member("alice").await;
        announce_many(&berth.ctx.db).await;
        let mut seen = HashSet::new();
        let mut after = uuid::Uuid::now_v7().to_string();
        for _ in 0..3 {
            let ids = poll(&alice, &after).await;
            after = ids.last().cloned().unwrap_or(after);
            seen.extend(ids);
        }
        assert_eq!(seen.len(), MANY);
    }
}
