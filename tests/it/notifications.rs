//! Looking back: what happened, what of it was addressed to whom, and how far that was read.

use berth::{
    config::Registration,
    notifications::{News, announce},
};
use serde_json::{Value, json};

use crate::{
    both,
    harness::{Client, TestBerth},
    on_both,
    web::Web,
};

/// A booking of one machine that is given back, as events tell of it.
async fn lease(berth: &TestBerth, who: &Client) -> String {
    let answer = who.post("/api/reservations", &json!({ "count": 1, "duration": "30m" })).await;
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    berth.run_jobs().await;
    who.delete(&format!("/api/reservations/{id}")).await;
    berth.run_jobs().await;
    id
}

async fn list(who: &Client, path: &str) -> Vec<Value> {
    who.get(path).await.expect(200)["items"].as_array().unwrap().clone()
}

fn ids(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["id"].as_str().unwrap()).collect()
}

/// All pages of a list, of a few items each.
async fn pages(who: &Client, path: &str) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = who.get(&format!("{path}limit=3&cursor={cursor}")).await.expect(200);
        all.extend(page["items"].as_array().unwrap().clone());
        match page["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => return all,
        }
    }
}

on_both! {
    async fn history_shows_each_what_they_may_see(berth: TestBerth) {
        berth.machines(2).await;
        let (alice, eve) = (berth.member("alice").await, berth.member("eve").await);
        let id = lease(&berth, &alice).await;
        let all = list(&alice, "/api/history?limit=500").await;
        let ats: Vec<&str> = all.iter().map(|event| event["at"].as_str().unwrap()).collect();
        assert!(ats.is_sorted_by(|a, b| b <= a), "newest first: {ats:?}");
        assert_eq!(pages(&alice, "/api/history?").await, all, "pages leave nothing out and show nothing twice");

        let own = list(&alice, &format!("/api/history?reservation={id}")).await;
        let kinds: Vec<&str> = own.iter().map(|event| event["kind"].as_str().unwrap()).collect();
        assert!(kinds.contains(&"reservation.active") && kinds.contains(&"reservation.closed"), "{kinds:?}");
        assert!(!kinds.contains(&"provision.progress"), "that is in the log of the run: {kinds:?}");
        assert_eq!(list(&eve, &format!("/api/history?reservation={id}")).await, Vec::<Value>::new());
        assert_eq!(list(&berth.admin().await, &format!("/api/history?reservation={id}")).await, own);

        berth.admin().await.post("/api/machines/m2/quarantine", &json!({ "reason": "fan is loud" })).await.expect(200);
        let of_m2 = list(&eve, "/api/history?machine=m2").await;
        assert!(!of_m2.is_empty() && of_m2.iter().all(|event| event["machine"] == "m2"));
        assert!(of_m2.iter().all(|event| !event["message"].as_str().unwrap().contains("fan")), "reasons are for admins");
        eve.get("/api/history?cursor=bm9uc2Vuc2U").await.refused(422, "invalid-cursor");
    }

    async fn notifications_are_read_up_to_a_place_that_only_moves_on(berth: TestBerth) {
        berth.machines(1).await;
        let (alice, eve) = (berth.member("alice").await, berth.member("eve").await);
        assert_eq!(alice.get("/api/notifications").await.expect(200), json!({"items": [], "unread": 0, "next_cursor": null}));
        lease(&berth, &alice).await;
        let mail = alice.get("/api/notifications?limit=500").await.expect(200);
        let items = mail["items"].as_array().unwrap().clone();
        assert!(3 <= items.len(), "{items:#?}");
        assert_eq!(mail["unread"], items.len());
        assert!(items.iter().all(|item| item["read"] == false && item["reservation_id"].is_string()), "{items:#?}");
        assert_eq!(pages(&alice, "/api/notifications?").await, items);
        assert_eq!(list(&eve, "/api/notifications").await, Vec::<Value>::new());

        let read = async |who: &Client, id: &str| who.post("/api/notifications/read", &json!({ "up_to": id })).await;
        let second = items[1]["id"].as_str().unwrap();
        read(&alice, second).await.expect(204);
        let mail = alice.get("/api/notifications?limit=500").await.expect(200);
        assert_eq!(mail["unread"], 1);
        let marks: Vec<bool> = mail["items"].as_array().unwrap().iter().map(|item| item["read"] == true).collect();
        assert!(!marks[0] && marks[1..].iter().all(|read| *read), "{marks:?}");
        assert_eq!(ids(&list(&alice, "/api/notifications?unread=1").await), [items[0]["id"].as_str().unwrap()]);

        let oldest = items.last().unwrap()["id"].as_str().unwrap();
        read(&alice, oldest).await.expect(204);
        assert_eq!(alice.get("/api/notifications").await.expect(200)["unread"], 1, "what was read stays read");
        read(&alice, items[0]["id"].as_str().unwrap()).await.expect(204);
        assert_eq!(alice.get("/api/notifications").await.expect(200)["unread"], 0);
        read(&eve, second).await.refused(404, "not-found");
        read(&alice, "nothing").await.refused(404, "not-found");
    }

    async fn two_windows_may_mark_at_once(berth: TestBerth) {
        berth.machines(1).await;
        let alice = berth.member("alice").await;
        lease(&berth, &alice).await;
        let items = list(&alice, "/api/notifications").await;
        let marks = items.iter().map(|item| {
            let alice = alice.clone();
            let body = json!({ "up_to": item["id"] });
            async move { alice.post("/api/notifications/read", &body).await.expect(204) }
        });
        futures_util::future::join_all(marks).await;
        assert_eq!(alice.get("/api/notifications").await.expect(200)["unread"], 0);
    }

    async fn unread_news_are_counted_up_to_a_hundred(berth: TestBerth) {
        let alice = berth.member("alice").await;
        let id = berth::accounts::find_named(&berth.ctx, "alice").await.unwrap().id;
        let mut tx = berth.ctx.db.begin_write().await.unwrap();
        for _ in 0..130 {
            let data = json!({});
            let news =
                News { kind: "test.many", account: Some(id), reservation: None, machine: None, message: "one", data };
            announce(&mut tx, news).await.unwrap();
        }
        berth.ctx.commit(tx).await.unwrap();
        let mail = alice.get("/api/notifications?limit=500").await.expect(200);
        assert_eq!((mail["items"].as_array().unwrap().len(), &mail["unread"]), (130, &json!(100)));
        assert_eq!(pages(&alice, "/api/notifications?").await.len(), 130, "all of one moment");
    }

    async fn admins_are_told_of_a_machine_that_was_set_aside(berth: TestBerth) {
        berth.machines(2).await;
        let (admin, eve) = (berth.admin().await, berth.member("eve").await);
        admin.post("/api/machines/m2/quarantine", &json!({ "reason": "fan is loud" })).await.expect(200);
        let news = list(&admin, "/api/notifications").await;
        assert_eq!(news.len(), 1, "{news:#?}");
        assert_eq!((&news[0]["kind"], &news[0]["machine"]), (&json!("machine.quarantined"), &json!("m2")));
        assert_eq!(news[0]["message"], "machine `m2` is set aside: fan is loud");
        for path in ["/api/notifications", "/api/history?limit=500", "/api/events?poll=1&after=00000000-0000-7000-8000-000000000000"] {
            let seen = list(&eve, path).await;
            assert!(seen.iter().all(|event| event["kind"] != "machine.quarantined"), "{path}: {seen:#?}");
        }
        admin.post("/api/notifications/read", &json!({ "up_to": news[0]["id"] })).await.expect(204);
        assert_eq!(admin.get("/api/notifications").await.expect(200)["unread"], 0);
    }
}

both! {
    admins_are_told_of_whoever_waits_for_them,
}

async fn admins_are_told_of_whoever_waits_for_them() {
    let web = Web::with(|config| config.registration = Registration::Approval).await;
    let admin = web.admin().await;
    for name in ["nora", "olaf"] {
        let answer = web.post("/api/register", "", json!({"username": name, "password": "lighthouse keeper"})).await;
        assert_eq!(answer.status, 201, "{answer:?}");
    }
    let answer = web.patch("/api/users/olaf", &admin, json!({"status": "active"})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    web.run_jobs().await;
    let mail = web.get("/api/notifications", &admin).await.json();
    let told: Vec<(&Value, &Value)> =
        mail["items"].as_array().unwrap().iter().map(|item| (&item["kind"], &item["data"]["username"])).collect();
    assert_eq!(told, [(&json!("account.pending"), &json!("nora"))], "olaf was let in before: {mail:#}");
    let olaf = web.token_of("olaf", "lighthouse keeper").await;
    for path in ["/api/notifications", "/api/history"] {
        assert!(!web.get(path, &olaf).await.text.contains("account.pending"), "{path}");
    }
}
