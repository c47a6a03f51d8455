//! The pool over HTTP, on both databases, without real machines.

use std::{collections::BTreeMap, fmt::Write, time::Duration};

use berth::{
    ids::LeaseId,
    machines::{self, Change, State},
};
use serde_json::{Value, json};

use crate::{harness::Client, on_both};

const FILE: &str = "machines:
  - { name: m1, host: 192.0.2.1, port: 22, user: root, password: canary, labels: { gpu: a100, site: north } }
  - { name: m2, host: 192.0.2.2, port: 22, user: root, password: canary, labels: { site: north } }
  - { name: m3, host: 192.0.2.3, port: 22, user: root, password: canary }
";

async fn import(who: &Client, how: &str, yaml: &str) -> Value {
    who.post_yaml(&format!("/api/machines/import{how}"), yaml).await.expect(200)
}

async fn show(who: &Client, name: &str) -> Value {
    who.get(&format!("/api/machines/{name}")).await.expect(200)
}

async fn names(who: &Client, query: &str) -> Vec<String> {
    let list = who.get(&format!("/api/machines{query}")).await.expect(200);
    list["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
}

async fn book(who: &Client, count: usize) -> String {
    let body = json!({ "count": count, "duration": 60, "reservation_password": "test" });
    who.post("/api/reservations", &body).await.expect(202)["id"].as_str().unwrap().to_owned()
}

fn effects(answer: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    answer["items"].as_array().unwrap().iter().map(|item| (text(&item["name"]), text(&item["change"]))).collect()
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(one, two)| ((*one).to_owned(), (*two).to_owned())).collect()
}

/// What a machine went through, oldest first: from, to, holder, reason.
async fn moves(who: &Client, name: &str, query: &str) -> (Vec<[Value; 4]>, Value) {
    let page = who.get(&format!("/api/machines/{name}/history{query}")).await.expect(200);
    let row = |one: &Value| ["from", "to", "holder", "reason"].map(|field| one[field].clone());
    let mut rows: Vec<_> = page["items"].as_array().unwrap().iter().map(row).collect();
    rows.reverse();
    (rows, page["next_cursor"].clone())
}

on_both! {
    async fn each_move_of_a_machine_is_written_down(berth: TestBerth) {
        berth.machines(2).await;
        let (admin, alice, eve) = (berth.admin().await, berth.member("alice").await, berth.member("eve").await);
        let id = book(&alice, 2).await;
        berth.run_jobs().await;
        alice.delete(&format!("/api/reservations/{id}")).await.expect(202);
        berth.run_jobs().await;
        let (rows, next) = moves(&admin, "m1", "").await;
        assert_eq!(next, Value::Null);
        let path: Vec<_> = rows.iter().map(|[_, to, ..]| to.as_str().unwrap()).collect();
        let life = ["held", "provisioning", "leased", "draining", "cleaning", "verifying", "ready"];
        assert!(path.ends_with(&life), "{path:?}");
        for pair in rows.windows(2) {
            assert_eq!(pair[0][1], pair[1][0], "each move begins where the one before ended");
        }
        let held = &rows[rows.len() - life.len()..];
        assert!(held.iter().all(|[_, _, holder, _]| holder == "alice"), "{held:?}");

        admin.post("/api/machines/m1/quarantine", &json!({ "reason": "the fan is loud" })).await.expect(200);
        // What fails to move leaves nothing.
        admin.post("/api/machines/m2/release", &json!({})).await.refused(409, "wrong-state");
        let last = |rows: Vec<[Value; 4]>| rows.last().unwrap().clone();
        let aside = [json!("ready"), json!("quarantined"), Value::Null, json!("the fan is loud")];
        assert_eq!(last(moves(&admin, "m1", "").await.0), aside);
        let hidden = [json!("ready"), json!("quarantined"), Value::Null, Value::Null];
        assert_eq!(last(moves(&eve, "m1", "").await.0), hidden, "why is the admins' business");
        let (seen, _) = moves(&alice, "m2", "").await;
        assert_eq!(last(seen)[2], "alice", "one's own reservation is no secret");
        assert!(moves(&eve, "m2", "").await.0.iter().all(|[_, _, holder, reason]| holder.is_null() && reason.is_null()));

        let (rows, _) = moves(&admin, "m1", "").await;
        let (newest, next) = moves(&admin, "m1", "?limit=2").await;
        assert_eq!(newest, rows[rows.len() - 2..]);
        let (older, _) = moves(&admin, "m1", &format!("?limit=500&cursor={}", next.as_str().unwrap())).await;
        assert_eq!(older, rows[..rows.len() - 2]);
        eve.get("/api/machines/m1/history?cursor=bm9uZQ").await.refused(422, "invalid-cursor");
        eve.get("/api/machines/nobody/history").await.refused(404, "not-found");

        // Who has a machine of the same name later has another machine.
        admin.delete("/api/machines/m1").await.expect(204);
        let left = {
            let mut conn = berth.ctx.db.read().await.unwrap();
            let text = "select count(distinct machine_id) from machine_move";
            sqlx::Row::get::<i64, _>(&sqlx::query(text).fetch_one(&mut *conn).await.unwrap(), 0)
        };
        assert_eq!(left, 1);
        let mut tx = berth.ctx.db.begin_write().await.unwrap();
        let now = tx.now;
        assert_eq!(machines::prune_moves(&mut tx, now - 1000 * 86_400_000).await.unwrap(), 0);
        assert!(0 < machines::prune_moves(&mut tx, now + 1).await.unwrap());
    }

    async fn an_inventory_is_registered_and_told_apart_the_next_time(berth: TestBerth) {
        let admin = berth.admin().await;
        let dry = import(&admin, "?dry_run=1", FILE).await;
        assert_eq!(dry["summary"], json!({ "new": 3, "changed": 0, "unchanged": 0, "removed": 0, "failed": 0 }));
        assert_eq!(names(&admin, "").await, Vec::<String>::new());

        let done = import(&admin, "", FILE).await;
        assert_eq!(done["summary"]["new"], 3);
        assert!(done["items"].as_array().unwrap().iter().all(|item| item["outcome"] == "registered"), "{done:#}");
        assert_eq!(names(&admin, "?state=ready").await, ["m1", "m2", "m3"]);
        assert_eq!(import(&admin, "", FILE).await["summary"]["unchanged"], 3);

        let file = FILE.replace("site: north } }\n  - { name: m3", "site: south } }\n  - { name: m4");
        let dry = import(&admin, "?dry_run=1&remove=1", &file).await;
        let expected = pairs(&[("m1", "unchanged"), ("m2", "changed"), ("m4", "changed"), ("m3", "removed")]);
        // m4 has m3's address, which is free once m3 is gone.
        let expected: Vec<_> =
            expected.into_iter().map(|(name, change)| if name == "m4" { (name, "new".into()) } else { (name, change) }).collect();
        assert_eq!(effects(&dry), expected);
        assert_eq!(dry["items"][1]["fields"], json!(["labels"]));
        admin.post_yaml("/api/machines/import", &file).await.refused(422, "invalid-machine");
        import(&admin, "?remove=1", &file).await;
        assert_eq!(names(&admin, "").await, ["m1", "m2", "m4"]);
        assert_eq!(names(&admin, "?label=site=south").await, ["m2"]);
        assert_eq!(show(&admin, "m2").await["state"], "ready");
    }

    async fn a_bad_file_is_refused_whole_with_every_fault(berth: TestBerth) {
        let admin = berth.admin().await;
        let file = "machines:\n  - { name: good, host: h, user: root }\n  - { name: BAD, host: -x, port: 0, user: root, password: canary }\n  - { name: good, host: h2, user: root, pasword: canary }\n";
        let answer = admin.post_yaml("/api/machines/import", file).await;
        let body = answer.refused(422, "invalid-machine");
        let errors = body["errors"].as_array().unwrap();
        assert_eq!(errors.len(), 5, "{body:#}");
        assert!(errors.iter().all(|error| error["line"].is_u64() && error["column"].is_u64()), "{body:#}");
        assert!(!answer.text.contains("canary"), "{}", answer.text);
        assert_eq!(names(&admin, "").await, Vec::<String>::new());

        let bomb = format!("a: &a [x,x,x]\nb: &b [{0}]\nc: &c [{1}]\nmachines: [{2}]\n", ["*a"; 300].join(","), ["*b"; 300].join(","), ["*c"; 300].join(","));
        for hostile in [&bomb, "machines: !!python/object:os.system x", &"[".repeat(50_000), "\0", "machines: *x", "{", ""] {
            admin.post_yaml("/api/machines/import", hostile).await.refused(422, "invalid-machine");
        }
        admin.post_yaml("/api/machines/import", &"x".repeat(8 * 1024 * 1024 + 1)).await.expect(413);
    }

    async fn hostile_values_are_refused_and_nothing_else_happens(berth: TestBerth) {
        let admin = berth.admin().await;
        let long = "a".repeat(10_240);
        for bad in ["", "'; drop table machine; --", "$(touch /tmp/berth-canary)", "a\nb", "a\0b", "-oProxyCommand=id", "../../etc", &long] {
            for field in ["name", "host", "user"] {
                let mut body = json!({ "name": "m", "host": "h", "port": 22, "user": "root" });
                body[field] = json!(bad);
                admin.post("/api/machines", &body).await.refused(422, "invalid-machine");
            }
            let encoded: String = bad.bytes().fold(String::new(), |mut out, byte| { write!(out, "%{byte:02x}").unwrap(); out });
            if !bad.is_empty() {
                admin.get(&format!("/api/machines/{encoded}")).await.refused(404, "not-found");
                admin.delete(&format!("/api/machines/{encoded}")).await.refused(404, "not-found");
            }
            let status = admin.get(&format!("/api/machines?q={encoded}")).await.status.as_u16();
            assert!([200, 422].contains(&status), "{bad:?}: {status}");
        }
        for port in [json!(0), json!(-1), json!(65_536), json!(1.5), json!("22")] {
            let body = json!({ "name": "m", "host": "h", "port": port, "user": "root" });
            let status = admin.post("/api/machines", &body).await.status;
            assert_eq!(status.as_u16(), 422);
        }
        assert!(!std::path::Path::new("/tmp/berth-canary").exists());
        assert_eq!(names(&admin, "").await, Vec::<String>::new());
    }

    async fn names_and_addresses_are_given_once(berth: TestBerth) {
        let admin = berth.admin().await;
        let body = |name: &str, host: &str| json!({ "name": name, "host": host, "port": 22, "user": "root", "password": "p" });
        admin.post("/api/machines", &body("a", "h1")).await.expect(201);
        admin.post("/api/machines", &body("a", "h2")).await.refused(409, "name-taken");
        admin.post("/api/machines", &body("b", "H1")).await.refused(409, "address-taken");
        admin.post("/api/machines", &body("b", "h2")).await.expect(201);
        admin.patch("/api/machines/b", &json!({ "host": "h1" })).await.refused(409, "address-taken");
        let view = admin.patch("/api/machines/b", &json!({ "host": "h3", "labels": { "x": "1" } })).await.expect(200);
        assert_eq!((&view["host"], &view["state"], &view["labels"]["x"]), (&json!("h3"), &json!("ready"), &json!("1")));
        admin.delete("/api/machines/a").await.expect(204);
        admin.get("/api/machines/a").await.refused(404, "not-found");
        admin.post("/api/machines", &body("a", "h1")).await.expect(201);
    }

    async fn members_see_where_a_machine_is_only_while_they_have_it(berth: TestBerth) {
        berth.machines(2).await;
        let (admin, alice, eve) = (berth.admin().await, berth.member("alice").await, berth.member("eve").await);
        let id = book(&alice, 1).await;
        berth.run_jobs().await;
        let view = admin.get(&format!("/api/reservations/{id}")).await.expect(200);
        let held = view["machines"][0]["machine"].as_str().unwrap().to_owned();
        let seen = show(&alice, &held).await;
        assert!(seen["host"].is_string() && seen["holder"]["username"] == "alice", "{seen:#}");
        assert!(seen.get("user").is_none());
        for name in ["m1", "m2"] {
            let seen = show(&eve, name).await;
            for secret in ["host", "port", "user", "jump", "key_file", "password"] {
                assert!(seen.get(secret).is_none(), "{secret}: {seen:#}");
            }
            assert!(seen["holder"].is_null() && seen["reason"].is_null() && seen["last_error"].is_null());
        }
        assert_eq!(names(&eve, "?q=192.0.2").await, Vec::<String>::new(), "the host is no secret to be guessed");
        assert_eq!(names(&admin, "?q=192.0.2").await.len(), 2);
        let seen = show(&admin, &held).await;
        assert_eq!((&seen["holder"]["username"], &seen["holder"]["reservation_id"]), (&json!("alice"), &json!(id)));
        for list in [admin.get("/api/machines").await, eve.get("/api/machines").await] {
            assert!(!list.text.contains("password"), "{}", list.text);
        }
    }

    async fn only_admins_change_the_pool(berth: TestBerth) {
        berth.machines(1).await;
        let alice = berth.member("alice").await;
        let body = json!({ "name": "x", "host": "h", "port": 22, "user": "root" });
        alice.post("/api/machines", &body).await.refused(403, "forbidden");
        alice.post_yaml("/api/machines/import", FILE).await.refused(403, "forbidden");
        alice.patch("/api/machines/m1", &json!({ "pool": "x" })).await.refused(403, "forbidden");
        alice.delete("/api/machines/m1").await.refused(403, "forbidden");
        alice.post("/api/machines/m1/check", &json!({})).await.refused(403, "forbidden");
        alice.post("/api/machines/m1/quarantine", &json!({ "reason": "x" })).await.refused(403, "forbidden");
        alice.post("/api/machines/m1/release", &json!({})).await.refused(403, "forbidden");
        berth.stranger().get("/api/machines").await.expect(401);
        berth.stranger().get("/api/available").await.expect(401);
        assert_eq!(show(&alice, "m1").await["state"], "ready");
    }

    async fn a_machine_set_aside_is_not_offered_until_it_is_released(berth: TestBerth) {
        berth.machines(2).await;
        let admin = berth.admin().await;
        admin.post("/api/machines/m1/quarantine", &json!({ "reason": "a\nb" })).await.refused(422, "invalid-reason");
        admin.post("/api/machines/m1/release", &json!({})).await.refused(409, "wrong-state");
        let view = admin.post("/api/machines/m1/quarantine", &json!({ "reason": "fan is loud" })).await.expect(200);
        assert_eq!((&view["state"], &view["reason"]), (&json!("quarantined"), &json!("fan is loud")));
        berth.advance(Duration::from_hours(2));
        machines::jobs::retry_quarantined(&berth.ctx).await.unwrap();
        berth.run_jobs().await;
        let admin = berth.admin().await;
        assert_eq!(show(&admin, "m1").await["state"], "quarantined", "only an admin brings it back");
        // Looking at it does not bring it back either.
        assert_eq!(admin.post("/api/machines/m1/check", &json!({})).await.expect(200)["state"], "quarantined");
        admin.post("/api/reservations", &json!({ "count": 2, "duration": 5 })).await.refused(409, "not-enough-machines");
        admin.post("/api/machines/m1/release", &json!({})).await.expect(202);
        berth.run_jobs().await;
        assert_eq!(show(&admin, "m1").await["state"], "ready");
    }

    async fn a_machine_in_use_stays_with_its_person_and_is_set_aside_after(berth: TestBerth) {
        berth.machines(1).await;
        let (admin, alice) = (berth.admin().await, berth.member("alice").await);
        let id = book(&alice, 1).await;
        berth.run_jobs().await;
        let refused = admin.delete("/api/machines/m1").await.refused(409, "machine-held");
        assert!(refused["detail"].as_str().unwrap().contains("`alice`"), "{refused:#}");
        admin.patch("/api/machines/m1", &json!({ "host": "elsewhere" })).await.refused(409, "machine-held");
        admin.patch("/api/machines/m1", &json!({ "labels": { "seen": "yes" } })).await.expect(200);
        let view = admin.post("/api/machines/m1/quarantine", &json!({ "reason": "disk" })).await.expect(200);
        assert_eq!((&view["state"], &view["then_state"]), (&json!("leased"), &json!("quarantined")), "{view:#}");
        alice.delete(&format!("/api/reservations/{id}")).await.expect(202);
        berth.run_jobs().await;
        let view = show(&admin, "m1").await;
        assert_eq!((&view["state"], &view["reason"]), (&json!("quarantined"), &json!("disk")), "{view:#}");
        assert!(view["holder"].is_null() && view["labels"]["seen"] == "yes");
    }

    async fn a_machine_that_left_the_file_leaves_the_pool_when_it_is_free(berth: TestBerth) {
        let admin = berth.admin().await;
        import(&admin, "", FILE).await;
        let alice = berth.member("alice").await;
        let id = book(&alice, 3).await;
        berth.run_jobs().await;
        let left = "machines: [{ name: m1, host: 192.0.2.1, user: root }]";
        let done = import(&admin, "?remove=1", left).await;
        assert_eq!(effects(&done), pairs(&[("m1", "changed"), ("m2", "removed"), ("m3", "removed")]), "{done:#}");
        assert_eq!(show(&admin, "m2").await["state"], "leased");
        alice.delete(&format!("/api/reservations/{id}")).await.expect(202);
        berth.run_jobs().await;
        assert_eq!(show(&admin, "m1").await["state"], "ready");
        assert_eq!(show(&admin, "m2").await["state"], "retired");
        assert_eq!(admin.get("/api/available").await.expect(200)["available"], json!(["m1"]));
        // Its name and address may come back.
        import(&admin, "", FILE).await;
        assert_eq!(names(&admin, "?state=ready").await, ["m1", "m2", "m3"]);
    }

    async fn what_is_available_follows_every_booking_at_once(berth: TestBerth) {
        let admin = berth.admin().await;
        import(&admin, "", FILE).await;
        let alice = berth.member("alice").await;
        let all = alice.get("/api/available").await.expect(200);
        assert_eq!(all["available"], json!(["m1", "m2", "m3"]));
        assert_eq!(all["labels"]["site=north"], json!({ "available": 2, "total": 2 }));
        assert_eq!(alice.get("/api/available?label=gpu=a100").await.expect(200)["available"], json!(["m1"]));
        let body = json!({ "count": 1, "duration": 60, "labels": { "gpu": "a100" } });
        alice.post("/api/reservations", &body).await.expect(202);
        let after = alice.get("/api/available").await.expect(200);
        assert_eq!((&after["available"], &after["reserved"]), (&json!(["m2", "m3"]), &json!(["m1"])));
        assert_eq!(after["counts"], json!({ "held": 1, "ready": 2 }));
        assert_eq!(after["labels"]["gpu=a100"], json!({ "available": 0, "total": 1 }));
        assert_eq!(alice.get("/api/available?label=gpu=a100").await.expect(200)["available"], json!([]));
        for bad in ["?label=x", "?label=-=1", "?pool=-x", "?label=a=b%00"] {
            assert_eq!(alice.get(&format!("/api/available{bad}")).await.status.as_u16(), 422, "{bad}");
        }
    }

    async fn many_machines_are_imported_in_the_background_and_listed_in_pages(berth: TestBerth) {
        let admin = berth.admin().await;
        let mut yaml = String::from("x-all: &all { user: root, password: p, labels: { rack: r1 } }\nmachines:\n");
        for n in 0..1500 {
            writeln!(yaml, "- {{ <<: *all, name: n{n:04}, host: 10.1.{}.{} }}", n / 250, n % 250 + 1).unwrap();
        }
        let done = import(&admin, "", &yaml).await;
        assert_eq!(done["summary"]["new"], 1500);
        assert!(done["items"].as_array().unwrap().iter().all(|item| item["outcome"] == "planned"));
        berth.run_jobs().await;
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = admin.get(&format!("/api/machines?state=ready&limit=400&cursor={cursor}")).await.expect(200);
            seen.extend(page["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()));
            let Some(next) = page["next_cursor"].as_str() else { break };
            next.clone_into(&mut cursor);
        }
        assert_eq!(seen.len(), 1500);
        assert!(seen.is_sorted());
        assert_eq!(import(&admin, "?dry_run=1", &yaml).await["summary"]["unchanged"], 1500);
    }

    async fn no_machine_is_taken_twice_by_many_at_once(berth: TestBerth) {
        berth.machines(8).await;
        let mut takers = tokio::task::JoinSet::new();
        for _ in 0..24 {
            let ctx = berth.ctx.clone();
            takers.spawn(async move {
                loop {
                    let lease = LeaseId::new();
                    let mut tx = ctx.db.begin_write().await.unwrap();
                    match machines::take(&mut tx, "default", &BTreeMap::new(), 1, lease).await {
                        Ok(taken) => {
                            tx.commit().await.unwrap();
                            break taken.into_iter().map(|machine| (machine.name, lease)).collect::<Vec<_>>();
                        }
                        Err(error) => assert!(berth::db::is_transient(&error), "{error}"),
                    }
                }
            });
        }
        let mut taken: Vec<_> = takers.join_all().await.into_iter().flatten().collect();
        taken.sort();
        assert_eq!(taken.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8"]);
        let mut conn = berth.ctx.db.read().await.unwrap();
        for (name, lease) in taken {
            let machine = machines::find(&mut conn, &name).await.unwrap().unwrap();
            assert_eq!((machine.state, machine.held_by), (State::Held, Some(lease)));
        }
    }

    async fn whoever_read_an_old_row_changes_nothing(berth: TestBerth) {
        berth.machines(1).await;
        let read = async |ctx: &berth::ctx::Ctx| {
            let mut conn = ctx.db.read().await.unwrap();
            machines::find(&mut conn, "m1").await.unwrap().unwrap()
        };
        let old = read(&berth.ctx).await;
        let mut tx = berth.ctx.db.begin_write().await.unwrap();
        assert_eq!(machines::take(&mut tx, "default", &BTreeMap::new(), 5, LeaseId::new()).await.unwrap().len(), 1);
        tx.commit().await.unwrap();
        let mut tx = berth.ctx.db.begin_write().await.unwrap();
        assert!(machines::shift(&mut tx, &old, State::Quarantined, Change::because("late")).await.unwrap().is_none());
        let held = machines::lock(&mut tx, old.id).await.unwrap().unwrap();
        assert!(machines::shift(&mut tx, &held, State::Ready, Change::plain()).await.is_err(), "held is not verified");
        let dirty = machines::shift(&mut tx, &held, State::Provisioning, Change::plain()).await.unwrap().unwrap();
        let aside = Change { release_holder: true, ..Change::because("lost") };
        let dirty = machines::shift(&mut tx, &dirty, State::Quarantined, aside).await.unwrap().unwrap();
        let looked = machines::shift(&mut tx, &dirty, State::Checking, Change::plain()).await.unwrap().unwrap();
        assert!(machines::shift(&mut tx, &looked, State::Verifying, Change::plain()).await.is_err(), "it was not cleaned");
    }

    async fn what_admins_do_is_written_down_without_secrets(berth: TestBerth) {
        let admin = berth.admin().await;
        import(&admin, "", FILE).await;
        admin.patch("/api/machines/m1", &json!({ "password": "canary-2", "pool": "other" })).await.expect(200);
        admin.post("/api/machines/m1/quarantine", &json!({ "reason": "x" })).await.expect(200);
        admin.delete("/api/machines/m1").await.expect(204);
        let audit = admin.get("/api/audit?action=machine").await;
        let actions: Vec<_> = audit.expect(200)["items"].as_array().unwrap().iter().rev().map(|item| item["action"].as_str().unwrap().to_owned()).collect();
        assert_eq!(actions, ["machine.import", "machine.update", "machine.quarantine", "machine.delete"]);
        assert!(!audit.text.contains("canary"));
    }
}
