//! Reservations over HTTP, on both databases.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{harness::Client, on_both};

async fn book(who: &Client, count: i64, minutes: i64) -> String {
    let body = json!({ "count": count, "duration": minutes, "reservation_password": "test" });
    let view = who.post("/api/reservations", &body).await.expect(202);
    view["id"].as_str().unwrap().to_owned()
}

async fn show(who: &Client, id: &str) -> Value {
    who.get(&format!("/api/reservations/{id}")).await.expect(200)
}

async fn free(who: &Client) -> usize {
    who.get("/api/available").await.expect(200)["available"].as_array().unwrap().len()
}

on_both! {
    async fn a_reservation_lives_from_booking_to_a_clean_pool(berth: TestBerth) {
        berth.machines(3).await;
        let alice = berth.member("alice").await;
        let id = book(&alice, 2, 60).await;
        assert_eq!(free(&alice).await, 1);
        berth.run_jobs().await;
        let view = show(&alice, &id).await;
        assert_eq!(view["state"], "active", "{view:#}");
        assert_eq!(view["machines"].as_array().unwrap().len(), 2);
        assert!((3590..=3600).contains(&view["seconds_remaining"].as_i64().unwrap()));
        let view = alice.delete(&format!("/api/reservations/{id}")).await.expect(202);
        assert_eq!(view["state"], "expiring");
        berth.run_jobs().await;
        assert_eq!(show(&alice, &id).await["state"], "closed");
        assert_eq!(free(&alice).await, 3);
    }

    async fn a_reservation_ends_when_its_time_is_over(berth: TestBerth) {
        berth.machines(1).await;
        let alice = berth.member("alice").await;
        let id = book(&alice, 1, 10).await;
        berth.run_jobs().await;
        berth.advance(Duration::from_secs(599));
        berth.run_jobs().await;
        assert_eq!(show(&alice, &id).await["state"], "active");
        berth.advance(Duration::from_secs(2));
        berth.run_jobs().await;
        let alice = berth.stranger().signed_in("alice", "a good password").await;
        assert_eq!(show(&alice, &id).await["state"], "closed");
        assert_eq!(free(&alice).await, 1);
    }

    async fn what_is_over_is_listed_apart(berth: TestBerth) {
        berth.machines(2).await;
        let alice = berth.member("alice").await;
        let (over, here) = (book(&alice, 1, 10).await, book(&alice, 1, 60).await);
        berth.run_jobs().await;
        assert_eq!(show(&alice, &over).await["closed_at"], Value::Null);
        alice.delete(&format!("/api/reservations/{over}")).await.expect(202);
        berth.run_jobs().await;
        let ids = async |state: &str| {
            let list = alice.get(&format!("/api/reservations?state={state}")).await.expect(200);
            let items = list["items"].as_array().unwrap();
            items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(ids("ended").await, std::slice::from_ref(&over));
        assert_eq!(ids("live").await, [here]);
        assert_eq!(ids("closed").await, std::slice::from_ref(&over));
        let view = show(&alice, &over).await;
        let (closed, created) = (view["closed_at"].as_str().unwrap(), view["created_at"].as_str().unwrap());
        assert!(created <= closed, "{created} {closed}");
        alice.get("/api/reservations?state=gone").await.refused(422, "invalid-state");
    }

    async fn all_or_none_are_booked(berth: TestBerth) {
        berth.machines(2).await;
        let alice = berth.member("alice").await;
        let body = json!({ "count": 3, "duration": 60 });
        alice.post("/api/reservations", &body).await.refused(409, "not-enough-machines");
        assert_eq!(free(&alice).await, 2);
    }

    async fn whoever_waits_gets_the_machine_that_comes_back(berth: TestBerth) {
        berth.machines(1).await;
        let (alice, bob) = (berth.member("alice").await, berth.member("bob").await);
        let first = book(&alice, 1, 60).await;
        berth.run_jobs().await;
        let body = json!({ "count": 1, "duration": 60, "wait": true, "reservation_password": "test" });
        let queued = bob.post("/api/reservations", &body).await.expect(202);
        assert_eq!(queued["state"], "queued");
        alice.delete(&format!("/api/reservations/{first}")).await.expect(202);
        berth.run_jobs().await;
        assert_eq!(show(&bob, queued["id"].as_str().unwrap()).await["state"], "active");
    }

    async fn an_extension_moves_the_end_and_nothing_else(berth: TestBerth) {
        berth.machines(1).await;
        let alice = berth.member("alice").await;
        let id = book(&alice, 1, 10).await;
        let path = format!("/api/reservations/{id}/extend");
        alice.post(&path, &json!({ "duration": 10 })).await.refused(409, "not-active");
        berth.run_jobs().await;
        let before = show(&alice, &id).await;
        let after = alice.post(&path, &json!({ "duration": "10m" })).await.expect(200);
        let left = |view: &Value| view["seconds_remaining"].as_i64().unwrap();
        assert!((598..=601).contains(&(left(&after) - left(&before))));
        berth.advance(Duration::from_mins(15));
        berth.run_jobs().await;
        let alice = berth.stranger().signed_in("alice", "a good password").await;
        assert_eq!(show(&alice, &id).await["state"], "active");
        berth.advance(Duration::from_mins(6));
        berth.run_jobs().await;
        assert_eq!(show(&alice, &id).await["state"], "closed");
    }

    async fn other_peoples_reservations_are_not_there(berth: TestBerth) {
        berth.machines(1).await;
        let (alice, eve) = (berth.member("alice").await, berth.member("eve").await);
        let id = book(&alice, 1, 60).await;
        berth.run_jobs().await;
        eve.get(&format!("/api/reservations/{id}")).await.refused(404, "not-found");
        eve.delete(&format!("/api/reservations/{id}")).await.refused(404, "not-found");
        eve.post(&format!("/api/reservations/{id}/extend"), &json!({ "duration": 5 })).await.refused(404, "not-found");
        let run = show(&alice, &id).await["runs"][0].as_str().unwrap().to_owned();
        eve.get(&format!("/api/runs/{run}")).await.refused(404, "not-found");
        eve.get(&format!("/api/runs/{run}/events")).await.refused(404, "not-found");
        eve.get("/api/reservations?all=1").await.expect(403);
        eve.get("/api/release_all").await.expect(403);
        assert_eq!(eve.get("/api/reservations").await.expect(200)["items"], json!([]));
        let seen = berth.admin().await.get("/api/reservations?all=1").await.expect(200);
        assert_eq!(seen["items"].as_array().unwrap().len(), 1);
    }

    async fn impossible_requests_are_refused_and_change_nothing(berth: TestBerth) {
        berth.machines(2).await;
        let alice = berth.member("alice").await;
        for count in [0, -1, 1_000_000, i64::MAX] {
            alice.post("/api/reservations", &json!({ "count": count, "duration": 5 })).await.refused(422, "invalid-count");
        }
        for duration in [json!(0), json!(-1), json!(1.5), json!(1e12), json!("0"), json!("5 m"), json!("soon"), json!("9".repeat(10_000))] {
            alice.post("/api/reservations", &json!({ "count": 1, "duration": duration })).await.refused(422, "invalid-duration");
        }
        for (query, slug) in [
            ("count=0&duration=5", "invalid-count"),
            ("count=-1&duration=5", "invalid-count"),
            ("count=1e6&duration=5", "invalid-count"),
            ("count=1&duration=0", "invalid-duration"),
            ("count=1&duration=1.5", "invalid-duration"),
            ("count=1&duration=1e12", "invalid-duration"),
            ("count=1&duration=5&reservation_password=a%00bcd", "invalid-password"),
        ] {
            alice.get(&format!("/api/reserve?{query}")).await.refused(422, slug);
        }
        for password in ["x\ny123", "\u{0}abcd", "abc", &"x".repeat(10_000)] {
            let body = json!({ "count": 1, "duration": 5, "reservation_password": password });
            alice.post("/api/reservations", &body).await.refused(422, "invalid-password");
        }
        let late = json!({ "count": 1, "duration": 5, "starts_at": "2020-01-01T00:00:00Z" });
        alice.post("/api/reservations", &late).await.refused(422, "window-in-the-past");
        alice.post("/api/reservations", &json!({ "count": 1, "duration": 5, "cuont": 1 })).await.expect(422);
        assert_eq!(free(&alice).await, 2);
    }

    async fn reserve_answers_when_the_accounts_exist(berth: TestBerth) {
        berth.machines(3).await;
        berth.work();
        let alice = berth.member("alice").await;
        let answer = alice.get("/api/reserve?count=2&duration=60&reservation_password=test").await;
        let view = answer.expect(200);
        assert!(answer.headers.contains_key("deprecation"));
        assert_eq!(view["username"], "alice");
        assert_eq!(view["duration_minutes"], 60);
        assert_eq!(view["machines"].as_array().unwrap().len(), 2);
        assert!(view["machines"][0]["host"].is_string() && view["machines"][0]["port"].is_i64());
        assert!(view.get("password").is_none());
        let view = alice.post("/api/reserve?count=1&duration=2h", &json!({})).await.expect(200);
        let body = json!({ "count": 1, "duration": "2h" });
        alice.post("/api/reserve?count=1", &body).await.refused(422, "said-twice");
        alice.post("/api/reserve", &json!({ "cuont": 1 })).await.refused(422, "invalid-body");
        assert_eq!(view["duration_minutes"], 120);
        assert_eq!(view["password"].as_str().unwrap().len(), 16);
        let id = view["reservation_id"].as_str().unwrap();
        assert!(show(&alice, id).await.get("password").is_none(), "a password is shown once");
        let all = berth.admin().await.get("/api/release_all").await.expect(200);
        assert_eq!((&all["released"], &all["failed"]), (&json!(2), &json!(0)));
    }

    async fn a_booking_that_is_sent_twice_is_done_once(berth: TestBerth) {
        berth.machines(2).await;
        let alice = berth.member("alice").await;
        let send = |duration: i64| {
            let request = alice.request(reqwest::Method::POST, "/api/reservations").header("idempotency-key", "k1");
            alice.send(request.json(&json!({ "count": 1, "duration": duration })))
        };
        let (one, two) = (send(5).await.expect(202), send(5).await.expect(202));
        assert_eq!(one["id"], two["id"]);
        assert_eq!(one["password"], two["password"]);
        assert_eq!(free(&alice).await, 1);
        send(6).await.refused(422, "idempotency-key-reused");
    }

    async fn owners_are_reminded_once_at_fifteen_five_and_one(berth: TestBerth) {
        berth.machines(1).await;
        let alice = berth.member("alice").await;
        book(&alice, 1, 20).await;
        berth.run_jobs().await;
        let mut told = Vec::new();
        for _ in 0..40 {
            berth.advance(Duration::from_secs(30));
            told.push(berth::leases::jobs::remind(&berth.ctx).await.unwrap());
        }
        assert_eq!(told.iter().sum::<usize>(), 3, "{told:?}");
        // 15 minutes are left after 5, 5 after 15, 1 after 19.
        let when: Vec<usize> = told.iter().enumerate().filter(|(_, told)| **told == 1).map(|(step, _)| step.div_ceil(2)).collect();
        assert_eq!(when, [5, 15, 19]);
    }

    async fn sixty_bookings_at_once_never_share_a_machine(berth: TestBerth) {
        berth.machines(20).await;
        let alice = berth.member("alice").await;
        let tries = (0..60).map(|_| {
            let alice = alice.clone();
            tokio::spawn(async move {
                let body = json!({ "count": 2, "duration": 5, "reservation_password": "test" });
                alice.post("/api/reservations", &body).await.status.as_u16()
            })
        });
        let mut accepted = 0;
        for outcome in tries.collect::<Vec<_>>() {
            match outcome.await.unwrap() {
                202 => accepted += 1,
                status => assert_eq!(status, 409),
            }
        }
        assert_eq!(accepted, 10, "every machine is booked, none twice");
        assert_eq!(free(&alice).await, 0);
        berth.run_jobs().await;
        let page = alice.get("/api/reservations?limit=100").await.expect(200);
        let mut seen = std::collections::HashSet::new();
        for reservation in page["items"].as_array().unwrap() {
            assert_eq!(reservation["state"], "active");
            for machine in reservation["machines"].as_array().unwrap() {
                assert!(seen.insert(machine["machine"].as_str().unwrap().to_owned()));
            }
        }
        assert_eq!(seen.len(), 20);
    }
}
