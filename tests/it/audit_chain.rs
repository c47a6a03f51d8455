//! The audit as a hash chain: what tampering leaves to be seen, by the server, by the command, in an exported file.

use berth::{audit, clock::Millis};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Row};
use tokio_util::sync::CancellationToken;

use crate::{
    harness::{Client, TestBerth},
    on_both,
};

async fn sql(berth: &TestBerth, text: &str) -> u64 {
    let mut tx = berth.ctx.db.begin_write().await.unwrap();
    let done = sqlx::query(AssertSqlSafe(text.to_owned())).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    done.rows_affected()
}

async fn number(berth: &TestBerth, text: &str) -> i64 {
    let mut conn = berth.ctx.db.read().await.unwrap();
    let row = sqlx::query(AssertSqlSafe(text.to_owned())).fetch_one(&mut *conn).await.unwrap();
    row.try_get::<Option<i64>, _>(0).unwrap().unwrap_or_default()
}

async fn seal(berth: &TestBerth) -> u64 {
    audit::seal_all(&berth.ctx, &CancellationToken::new()).await.unwrap()
}

async fn verdict(admin: &Client) -> Value {
    admin.get("/api/audit/verify").await.expect(200)
}

/// Where it breaks and how; `intact` if it does not.
async fn found(admin: &Client) -> String {
    let verdict = verdict(admin).await;
    match verdict["broken"].as_object() {
        None => verdict["status"].as_str().unwrap().to_owned(),
        Some(fault) => format!("{} {}", fault["seq"], fault["fault"].as_str().unwrap()),
    }
}

/// An admin, and eight chained entries.
async fn with_entries(berth: &TestBerth) -> Client {
    let admin = berth.admin().await;
    let mut made = 0;
    while number(berth, "select count(*) from audit").await < 8 {
        made += 1;
        let body = json!({ "username": format!("u{made}"), "password": "a good password" });
        admin.post("/api/users", &body).await.expect(201);
    }
    seal(berth).await;
    admin
}

on_both! {
    async fn what_was_done_is_chained_and_holds(berth: TestBerth) {
        let admin = berth.admin().await;
        let before = verdict(&admin).await;
        assert_eq!((before["status"].as_str(), before["entries"].as_i64()), (Some("intact"), Some(0)), "{before:#}");
        assert!(0 < before["unchained"].as_i64().unwrap(), "{before:#}");
        let waiting = number(&berth, "select count(*) from audit").await;
        assert!(audit::waiting(&berth.ctx).await.unwrap());
        assert_eq!(i64::try_from(seal(&berth).await).unwrap(), waiting);
        assert!(!audit::waiting(&berth.ctx).await.unwrap());
        assert_eq!(seal(&berth).await, 0, "nothing is chained twice");
        let after = verdict(&admin).await;
        assert_eq!((after["entries"].as_i64(), after["unchained"].as_i64()), (Some(waiting), Some(0)), "{after:#}");

        let anchor = format!("{}:{}", after["head"]["seq"], after["head"]["hash"].as_str().unwrap());
        admin.post("/api/users", &json!({ "username": "late", "password": "a good password" })).await.expect(201);
        seal(&berth).await;
        let with = async |anchor: &str| admin.get(&format!("/api/audit/verify?anchor={anchor}")).await;
        assert_eq!(with(&anchor).await.expect(200)["status"], "intact");
        let other = format!("{}:{}", after["head"]["seq"], "0".repeat(64));
        assert_eq!(with(&other).await.expect(200)["broken"]["fault"], "changed");
        assert_eq!(with(&format!("9999:{}", "0".repeat(64))).await.expect(200)["broken"]["fault"], "cut");
        with("nonsense").await.refused(422, "invalid-anchor");
        berth.member("eve").await.get("/api/audit/verify").await.refused(403, "forbidden");
    }

    async fn each_kind_of_tampering_is_found(berth: TestBerth) {
        let admin = with_entries(&berth).await;
        let last = number(&berth, "select max(seq) from audit").await;
        assert_eq!(found(&admin).await, "intact");

        sql(&berth, "update audit set actor = 'nobody' where seq = 3 and actor = 'admin'").await;
        let actor = number(&berth, "select count(*) from audit where seq = 3 and actor = 'nobody'").await;
        assert_eq!(actor, 1);
        assert_eq!(found(&admin).await, "3 changed");
        sql(&berth, "update audit set actor = 'admin' where seq = 3").await;
        assert_eq!(found(&admin).await, "intact");

        // Two entries change places.
        sql(&berth, "update audit set seq = 100 where seq = 4").await;
        assert_eq!(found(&admin).await, "4 missing");
        sql(&berth, "update audit set seq = 4 where seq = 5").await;
        sql(&berth, "update audit set seq = 5 where seq = 100").await;
        assert_eq!(found(&admin).await, "4 changed");
        sql(&berth, "update audit set seq = 100 where seq = 4").await;
        sql(&berth, "update audit set seq = 4 where seq = 5").await;
        sql(&berth, "update audit set seq = 5 where seq = 100").await;
        assert_eq!(found(&admin).await, "intact");

        // One is put in behind the end, in front of what comes next.
        let put = format!(
            "insert into audit (id, at, actor, action, target, detail, request_id, peer, seq, hash) \
             values ('x', 1, 'eve', 'user.delete', 'bob', '', '', '', {}, '{}')",
            last + 1,
            "0".repeat(64)
        );
        sql(&berth, &put).await;
        assert_eq!(found(&admin).await, format!("{} inserted", last + 1));
        sql(&berth, "delete from audit where id = 'x'").await;
        assert_eq!(found(&admin).await, "intact");

        // The tail is cut, and then the row that knows of it is made to fit.
        sql(&berth, &format!("delete from audit where seq = {last}")).await;
        assert_eq!(found(&admin).await, format!("{last} cut"));
        let fit = format!(
            "update audit_chain set head_seq = {}, head_hash = (select hash from audit where seq = {})",
            last - 1,
            last - 1
        );
        sql(&berth, &fit).await;
        assert_eq!(found(&admin).await, format!("{} mark", last - 1));
        // Chaining goes on, and the fault does not go away by that.
        admin.post("/api/users", &json!({ "username": "late", "password": "a good password" })).await.expect(201);
        seal(&berth).await;
        assert!(found(&admin).await.ends_with(" mark"));

        sql(&berth, "delete from audit where seq = 2").await;
        assert_eq!(found(&admin).await, "2 missing");
        assert_eq!(audit::accept(&berth.ctx, "admin").await.unwrap().unwrap().fault, "missing");
        assert_eq!(found(&admin).await, "intact");
        seal(&berth).await;
        assert_eq!(found(&admin).await, "intact");
        let noted = admin.get("/api/audit?action=audit.accept").await.expect(200);
        assert!(noted["items"][0]["detail"].as_str().unwrap().contains("entry 2 were removed"), "{noted:#}");
    }

    async fn pruning_leaves_a_chain_that_holds(berth: TestBerth) {
        let admin = with_entries(&berth).await;
        sql(&berth, "update audit set at = at - 1 where seq <= 2").await;
        // Tampered entries are not swept away by pruning.
        let far: Millis = i64::MAX;
        let mut tx = berth.ctx.db.begin_write().await.unwrap();
        assert_eq!(audit::prune(&berth.ctx, &mut tx, far).await.unwrap(), 0);
        drop(tx);
        sql(&berth, "update audit set at = at + 1 where seq <= 2").await;
        assert_eq!(found(&admin).await, "intact");

        let from = number(&berth, "select at from audit where seq = 4").await;
        let kept = number(&berth, &format!("select count(*) from audit where {from} <= at")).await;
        let mut tx = berth.ctx.db.begin_write().await.unwrap();
        let gone = audit::prune(&berth.ctx, &mut tx, from).await.unwrap();
        tx.commit().await.unwrap();
        assert!((1..=3).contains(&gone), "{gone}");
        let after = verdict(&admin).await;
        assert_eq!((&after["status"], after["entries"].as_i64()), (&json!("intact"), Some(kept)), "{after:#}");
        assert_eq!(after["base"]["seq"].as_u64(), Some(gone));
        admin.post("/api/users", &json!({ "username": "late", "password": "a good password" })).await.expect(201);
        seal(&berth).await;
        assert_eq!(found(&admin).await, "intact");
        // Somebody without the key prunes further and says so.
        let gone = gone + 1;
        let text = format!("update audit_chain set base_hash = (select hash from audit where seq = {gone}), base_seq = {gone}");
        sql(&berth, &text).await;
        assert!(found(&admin).await.ends_with(" mark"));
    }

    async fn entries_of_the_version_before_are_chained_by_this_one(berth: TestBerth) {
        let admin = with_entries(&berth).await;
        // The statement of a server that knows no chain.
        sql(&berth, "insert into audit (id, at, actor, action, target, detail, request_id, peer) values \
            ('00000000-0000-7000-8000-000000000001', 5, 'old', 'user.create', 'x', '', '', '')").await;
        assert_eq!(verdict(&admin).await["unchained"], 1);
        assert_eq!(seal(&berth).await, 1);
        assert_eq!(found(&admin).await, "intact");
    }

    async fn writers_and_several_chainers_do_not_stand_in_each_others_way(berth: TestBerth) {
        let admin = berth.admin().await;
        let writers: Vec<_> = (0..8)
            .map(|writer| {
                let ctx = berth.ctx.clone();
                tokio::spawn(async move {
                    for n in 0..40 {
                        let mut tx = ctx.db.begin_write().await.unwrap();
                        let target = format!("{writer}-{n}");
                        let entry = audit::Entry { actor: "w", action: "test.write", target: &target, detail: "é\n" };
                        audit::record(&mut tx, &entry).await.unwrap();
                        ctx.commit(tx).await.unwrap();
                    }
                })
            })
            .collect();
        let stop = CancellationToken::new();
        let chainers: Vec<_> = (0..3)
            .map(|_| {
                let (ctx, stop) = (berth.ctx.clone(), stop.clone());
                tokio::spawn(async move {
                    while !stop.is_cancelled() {
                        if let Err(error) = audit::seal_all(&ctx, &stop).await {
                            assert!(berth::db::is_transient(&error) || berth::db::is_taken(&error), "{error}");
                        }
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.await.unwrap();
        }
        stop.cancel();
        for chainer in chainers {
            chainer.await.unwrap();
        }
        seal(&berth).await;
        let after = verdict(&admin).await;
        assert_eq!(after["status"], "intact", "{after:#}");
        assert!(320 <= after["entries"].as_i64().unwrap(), "{after:#}");
    }
}

/// The clockwork of a real process chains by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_server_chains_within_seconds() {
    let folder = tempfile::TempDir::new().unwrap();
    let database = crate::harness::Database::Sqlite.fresh(folder.path()).await;
    let setup = crate::harness::process::Setup::new(folder.path(), database);
    let _server = setup.server();
    let admin = Client::new(&setup.url()).signed_in("admin", crate::harness::ADMIN_PASSWORD).await;
    crate::harness::until("a chain", async || {
        let verdict = admin.get("/api/audit/verify").await.expect(200);
        (verdict["unchained"] == 0 && verdict["entries"] != 0).then_some(())
    })
    .await;
}
