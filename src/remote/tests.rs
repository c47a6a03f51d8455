//! Against a real `/bin/sh` on this machine.

use std::time::Duration;

use super::*;

async fn open() -> Shell {
    Shell::open(&Target::local("here")).await.expect("a local shell opens")
}

#[tokio::test]
async fn a_plain_step_answers_with_status_and_both_streams() {
    let shell = open().await;
    let answer = shell.run("echo one; echo two >&2; exit 3").await.unwrap();
    assert_eq!(answer, Answer { rc: 3, stdout: "one\n".into(), stderr: "two\n".into() });
    shell.close().await;
}

#[tokio::test]
async fn steps_leave_nothing_to_the_next_and_cannot_eat_the_script() {
    let shell = open().await;
    let first =
        shell.send(Step { text: "cd /; X=1; set -u; cat; exec 3>&-; exit 9".into(), plain: true, ..Step::default() });
    let first = first.await.unwrap();
    let second =
        shell.send(Step { text: "echo \"${X-unset}\"; pwd".into(), plain: true, ..Step::default() }).await.unwrap();
    assert_eq!(first.answer().await.unwrap().rc, 9);
    let here = std::env::current_dir().unwrap();
    assert_eq!(second.answer().await.unwrap().stdout, format!("unset\n{}\n", here.display()));
}

#[tokio::test]
async fn a_module_step_says_changed_values_and_failure() {
    let shell = open().await;
    let text = "changed; out word \"it's\nfine\"; outj n 5; differ f a b; capture sh -c 'echo o; echo e >&2; exit 4'";
    let step = Step { text: format!("{text}\nfail \"rc $?\""), diff: true, ..Step::default() };
    let reply = shell.send(step).await.unwrap().reply().await.unwrap();
    assert!(reply.changed);
    assert_eq!(reply.failed.as_deref(), Some("rc 4"));
    assert_eq!(
        serde_json::Value::Object(reply.result),
        serde_json::json!({"word": "it's\nfine", "n": 5, "rc": 4, "stdout": "o\n", "stderr": "e\n"})
    );
    assert_eq!(reply.diffs, [("f".into(), "a".into(), "b".into())]);
}

#[tokio::test]
async fn files_with_any_bytes_arrive_and_are_gone_after() {
    let shell = open().await;
    let bytes: Vec<u8> = (0..=255u8).cycle().take(70_000).collect();
    let step = Step {
        text: "out dir \"$FILES\"; out sum \"$(cat \"$FILES/a\" | cksum)\"; out text \"$(cat \"$FILES/b\")\"".into(),
        files: vec![("a".into(), bytes.clone()), ("b".into(), b"it's $(id) \\n".to_vec())],
        ..Step::default()
    };
    let reply = shell.send(step).await.unwrap().reply().await.unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &bytes).unwrap();
    let expected = shell.run(&format!("cksum <{}", quote(file.path().to_str().unwrap()))).await.unwrap();
    assert_eq!(reply.result["sum"], expected.stdout.trim_end());
    assert_eq!(reply.result["text"], "it's $(id) \\n");
    assert!(!std::path::Path::new(reply.result["dir"].as_str().unwrap()).exists());
}

#[tokio::test]
async fn a_step_beyond_its_deadline_ends_the_connection() {
    let shell = open().await;
    let error = shell.run_within("sleep 60", Duration::from_millis(100)).await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error}");
    assert!(matches!(shell.run("echo").await, Err(Error::TimedOut { .. })));
}

#[tokio::test]
async fn a_flood_is_cut_and_the_shell_goes_on() {
    let shell = open().await;
    let answer = shell.run("head -c 9000000 /dev/zero | tr '\\0' x").await.unwrap();
    assert!(answer.stdout.len() < 4 * 1024 * 1024 + 100);
    assert!(answer.stdout.ends_with("too long]"));
    assert_eq!(shell.run("echo on").await.unwrap().stdout, "on\n");
}

#[tokio::test]
async fn another_user_s_step_runs_in_a_shell_of_its_own() {
    let shell = open().await;
    if shell.user() != "root" {
        return;
    }
    let them = Become { user: "nobody".into(), method: BecomeMethod::Sudo, password: None };
    let step =
        Step { text: "out who \"$(id -un)\"; changed".into(), become_user: Some(them.clone()), ..Step::default() };
    let reply = shell.send(step).await.unwrap().reply().await.unwrap();
    assert_eq!(reply.result["who"], "nobody");
    assert!(reply.changed);
    let them = Become { user: "no-such-user".into(), ..them };
    let step = Step { text: "true".into(), become_user: Some(them), ..Step::default() };
    let error = shell.send(step).await.unwrap().reply().await.unwrap_err();
    assert!(matches!(error, Error::Become { .. }), "{error}");
    assert_eq!(shell.run("echo on").await.unwrap().stdout, "on\n");
}

#[tokio::test]
async fn the_same_fence_token_ends_the_earlier_shell_and_its_children() {
    let target = Target { fence: Some(format!("test-{}", rand::random::<u64>())), ..Target::local("here") };
    let first = Shell::open(&target).await.unwrap();
    let pending =
        first.send(Step { text: "sleep 300 & sleep 301".into(), plain: true, ..Step::default() }).await.unwrap();
    let second = Shell::open(&target).await.unwrap();
    assert!(matches!(pending.answer().await, Err(Error::Closed(_))));
    assert_eq!(second.run("echo alone").await.unwrap().stdout, "alone\n");
}

#[tokio::test]
async fn what_a_command_prints_is_never_a_record() {
    let shell = open().await;
    let text = "capture sh -c 'printf \"@0@E1 0\\n\"; echo \"$__T\"E1 0; set; env' >/dev/null";
    let reply = shell.send(Step { text: text.into(), ..Step::default() }).await.unwrap().reply().await.unwrap();
    assert_eq!(reply.rc, 0);
    assert!(reply.result["stdout"].as_str().unwrap().contains("@0@E1 0\nE1 0\n"));
    assert_eq!(shell.run("echo on").await.unwrap().stdout, "on\n");
}

#[tokio::test]
async fn values_that_would_be_options_are_refused() {
    let ssh = Ssh {
        host: "-oProxyCommand=touch /tmp/x".into(),
        port: 22,
        jump: None,
        login: Login::Default,
        host_key: HostKey::Learn,
        options: vec![],
    };
    let target = Target { via: Via::Ssh(ssh), ..Target::local("h") };
    assert!(matches!(Shell::open(&target).await, Err(Error::BadValue(_))));
}

#[tokio::test]
async fn guarded_steps_after_a_failure_do_not_run_until_it_is_forgotten() {
    let shell = open().await;
    let step = |text: &str, guard, reset| Step { text: text.into(), guard, reset, ..Step::default() };
    let mut replies = Vec::new();
    for step in [
        step("fail a", Guard::Note, false),
        step("changed", Guard::Last, false),
        step("changed", Guard::Stop, false),
        step("changed", Guard::None, false),
        step("changed", Guard::Stop, true),
    ] {
        replies.push(shell.send(step).await.unwrap());
    }
    let mut seen = Vec::new();
    for reply in replies {
        let reply = reply.reply().await.unwrap();
        seen.push((reply.held, reply.changed));
    }
    assert_eq!(seen, [(false, false), (false, true), (true, false), (false, true), (false, true)]);
}

#[tokio::test]
async fn a_dropped_shell_leaves_no_files_behind() {
    let shell = open().await;
    let step = Step { text: "out dir \"$__D\"".into(), ..Step::default() };
    let reply = shell.send(step).await.unwrap().reply().await.unwrap();
    let dir = std::path::PathBuf::from(reply.result["dir"].as_str().unwrap());
    assert!(dir.is_dir());
    drop(shell);
    let deadline = std::time::Instant::now() + Duration::from_secs(5);
    while dir.exists() && std::time::Instant::now() < deadline {
        tokio::task::yield_now().await;
    }
    assert!(!dir.exists());
}

#[test]
fn a_shell_that_sees_our_mark_is_on_this_machine() {
    use std::io::Write as _;
    let dir = tempfile::tempdir().unwrap();
    let hear = |mark: &str| {
        let mut shell = std::process::Command::new("/bin/sh");
        shell.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut shell = shell.spawn().unwrap();
        shell.stdin.take().unwrap().write_all(&script::hello("@t@", None, false, Some(mark))).unwrap();
        String::from_utf8(shell.wait_with_output().unwrap().stdout).unwrap()
    };
    assert!(hear(dir.path().to_str().unwrap()).contains("Hhere uid="));
    assert!(hear("/nonexistent/mark").contains("Huid="));
}

#[tokio::test]
async fn a_host_that_does_not_read_is_not_sent_more_than_fits() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let shell = open().await;
    let plain = |text: String| Step { text, plain: true, ..Step::default() };
    let large =
        || Step { files: vec![("f".into(), vec![b'x'; 9 * 1024 * 1024])], ..plain("wc -c <\"$FILES/f\"".into()) };
    let first = shell.send(plain(format!("cat {}", fifo.display()))).await.unwrap();
    let second = shell.send(large()).await.unwrap();
    let mut third = Box::pin(shell.send(large()));
    assert!(futures_util::poll!(&mut third).is_pending());
    tokio::task::spawn_blocking(move || std::fs::write(&fifo, "go")).await.unwrap().unwrap();
    assert_eq!(first.answer().await.unwrap().stdout, "go");
    let third = third.await.unwrap();
    for answer in [second, third] {
        assert_eq!(answer.answer().await.unwrap().stdout.trim(), (9 * 1024 * 1024).to_string());
    }
}
