//! Keys changed while servers run, by a command that may be killed at any moment.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

use berth::backup::{rotate, secrets};
use serde_json::Value;

use crate::{
    harness::{ADMIN_PASSWORD, TestBerth},
    on_both,
};

fn berth_command(berth: &TestBerth, args: &[&str]) -> Command {
    let config = &berth.ctx.config;
    let mut command = Command::new(env!("CARGO_BIN_EXE_berth"));
    command
        .args(args)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("DATABASE_URL", &config.database.url.0)
        .env("BERTH_DATA_DIR", &config.data_dir)
        .env("HOME", &config.data_dir)
        .current_dir(&config.data_dir)
        .stdin(Stdio::null());
    command
}

fn run(berth: &TestBerth, args: &[&str]) -> (bool, String, String) {
    let output = berth_command(berth, args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

fn status(berth: &TestBerth) -> Value {
    let (well, out, said) = run(berth, &["keys", "status", "--output", "json"]);
    assert!(well, "{said}");
    serde_json::from_str(&out).unwrap()
}

on_both! {
    async fn the_key_that_encrypts_is_changed_through_kills_and_nothing_is_lost(berth: TestBerth) {
        const MACHINES: usize = 1500;
        berth.machines(MACHINES).await;
        let before = status(&berth);
        let all = before["secrets_current"].as_u64().unwrap();
        assert!(MACHINES as u64 <= all, "{before:#}");
        let first_key = before["data_key"].clone();
        // Killed after so many words: at once, and in the middle of its work.
        let mut unfinished = 0;
        for words in [0, 1, 2] {
            let mut child =
                berth_command(&berth, &["keys", "rotate", "--data"]).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
            let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
            for _ in 0..words {
                lines.next().unwrap().unwrap();
            }
            child.kill().unwrap();
            child.wait().unwrap();
            let now = status(&berth);
            assert_eq!(now["secrets_lost"], 0, "{now:#}");
            unfinished += usize::from(now["secrets_previous"] != 0);
            // The server that runs all the while opens everything, and seals with the present key.
            let count = secrets::count(&berth.ctx).await.unwrap();
            assert_eq!((count.lost, count.current + count.previous), (0, all));
            let sealed = berth.ctx.sealer.seal("test", "x");
            assert!(berth.ctx.sealer.open_with("test", &sealed).unwrap().1);
        }
        assert!(0 < unfinished, "no kill came in the middle");
        let (well, _, said) = run(&berth, &["keys", "rotate", "--data"]);
        assert!(well, "{said}");
        let after = status(&berth);
        assert_eq!((&after["secrets_previous"], after["secrets_current"].as_u64()), (&Value::from(0), Some(all)), "{after:#}");
        assert_ne!(after["data_key"], first_key);

        let (well, _, said) = run(&berth, &["keys", "forget"]);
        assert!(!well && said.contains("try again in"), "{said}");
        berth.advance(Duration::from_mins(3));
        assert!(0 < rotate::forget(&berth.ctx).await.unwrap());
        assert_eq!(status(&berth)["data_previous"], serde_json::json!([]));
        let count = secrets::count(&berth.ctx).await.unwrap();
        assert_eq!((count.current, count.previous, count.lost), (all, 0, 0));
    }

    async fn the_key_that_signs_is_changed_and_nobody_is_signed_out(berth: TestBerth) {
        let admin = berth.admin().await;
        let (well, _, said) = run(&berth, &["keys", "rotate", "--tokens"]);
        assert!(well, "{said}");
        admin.get("/api/me").await.expect(200);
        let later = berth.admin().await;
        let head = |token: &Option<String>| token.as_ref().unwrap().split('.').next().unwrap().to_owned();
        assert_ne!(head(&admin.token), head(&later.token), "another key signs");
        later.get("/api/me").await.expect(200);
        assert_eq!(status(&berth)["tokens_previous"].as_array().unwrap().len(), 1);
        let (well, _, said) = run(&berth, &["keys", "rotate", "--tokens"]);
        assert!(well, "{said}");
        for client in [&admin, &later] {
            client.get("/api/me").await.expect(200);
        }
        berth.advance(Duration::from_hours(2));
        admin.get("/api/me").await.refused(401, "bad-token");
        berth.stranger().signed_in("admin", ADMIN_PASSWORD).await.get("/api/me").await.expect(200);
    }

    async fn a_key_prepared_for_other_hosts_opens_before_it_seals(berth: TestBerth) {
        berth.machines(2).await;
        let before = status(&berth);
        let (well, _, said) = run(&berth, &["keys", "rotate", "--data", "--prepare"]);
        assert!(well, "{said}");
        let prepared = status(&berth);
        assert_eq!(prepared["data_key"], before["data_key"]);
        let next = prepared["data_next"].as_str().unwrap().to_owned();
        let (well, _, said) = run(&berth, &["keys", "rotate", "--data"]);
        assert!(well, "{said}");
        assert_eq!(status(&berth)["data_key"], next.as_str());
        assert_eq!(status(&berth)["data_next"], Value::Null);
    }
}

#[tokio::test]
async fn keys_that_are_settings_are_changed_by_settings() {
    let berth = TestBerth::spawn(crate::harness::Database::Sqlite).await;
    berth.machines(2).await;
    let (old, new) = (berth::seal::ring::fresh_key(), berth::seal::ring::fresh_key());
    let file = std::fs::read_to_string(berth.ctx.config.secret_key_file()).unwrap();
    let with = |key: &str, previous: &str, args: &[&str]| {
        let output = berth_command(&berth, args)
            .env("BERTH_SECRET_KEY", key)
            .env("BERTH_SECRET_KEY_PREVIOUS", previous)
            .env("JWT_SECRET", "a secret of one's own that is long enough")
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let (well, said) = with(&old, &file, &["keys", "rotate", "--data"]);
    assert!(well && said.contains("went on"), "{said}");
    let (well, said) = with(&new, &old, &["keys", "rotate", "--data"]);
    assert!(well, "{said}");
    let (_, said) = with(&new, "", &["keys", "status", "--output", "json"]);
    let status: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&status["secrets_previous"], &status["secrets_lost"]), (&Value::from(0), &Value::from(0)), "{said}");
    // Without a new setting there is nothing to change to, and the answer says what to set.
    for (args, word) in [
        (["keys", "rotate", "--data"], "BERTH_SECRET_KEY_PREVIOUS"),
        (["keys", "rotate", "--tokens"], "JWT_SECRET_PREVIOUS"),
    ] {
        let (well, said) = with(&new, "", &args);
        assert!(!well && said.contains(word), "{said}");
    }
}
