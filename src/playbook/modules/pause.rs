//! `pause`: waits a while, or for a person.

use super::common::{arg, with_default};
use super::{Act, Args, AsyncScope, Kind, Module, Outcome};
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use std::{
    io::{BufRead as _, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

/// The module.
pub static PAUSE: Module = Module {
    name: "pause",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "waits a while, or until a person at the terminal says so",
    args: &[
        arg("minutes", Kind::Int, "how long"),
        arg("seconds", Kind::Int, "how long; at least 1"),
        arg("prompt", Kind::Str, "what to ask; without a time, the answer is waited for"),
        with_default("echo", Kind::Bool, "true", "show what is typed"),
    ],
    free_form: None,
    act: Act::Async(pause),
};

/// Hosts ask one after the other.
static TERMINAL: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

fn pause(args: Args, scope: AsyncScope) -> BoxFuture<'static, Outcome> {
    Box::pin(async move {
        if args.int("minutes").is_some() && args.int("seconds").is_some() {
            return Outcome::failure("parameters are mutually exclusive: minutes|seconds");
        }
        let echo = args.bool("echo").unwrap_or(true);
        let seconds = args.int("minutes").map(|n| n.saturating_mul(60)).or(args.int("seconds").map(|n| n.max(1)));
        let unit = if args.int("minutes").is_some() { "minutes" } else { "seconds" };
        let (start, clock) = (now(), Instant::now());
        let mut input = String::new();
        let mut warnings = Vec::new();
        if let Some(seconds) = seconds {
            if let Some(prompt) = args.str("prompt") {
                (scope.progress)(prompt);
            }
            (scope.progress)(&format!("pausing for {seconds} seconds"));
            let length = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
            tokio::select! {
                () = tokio::time::sleep(length) => {}
                () = scope.cancel.cancelled() => return Outcome::failure("the run was cancelled"),
            }
        } else if std::io::stdin().is_terminal() {
            let prompt = args.str("prompt").unwrap_or("Press enter to continue, Ctrl+C to interrupt");
            let prompt = format!("{prompt}{}: ", if echo { "" } else { " (output is hidden)" });
            let _turn = TERMINAL.lock().await;
            match tokio::task::spawn_blocking(move || ask(&prompt, echo)).await {
                Ok(Ok(answer)) => input = answer,
                Ok(Err(why)) => return Outcome::failure(format!("cannot read the terminal: {why}")),
                Err(_) => return Outcome::failure("the run was cancelled"),
            }
        } else {
            warnings.push(Value::from("Not waiting for response to prompt as stdin is not interactive"));
        }
        let took = clock.elapsed().as_secs_f64();
        let shown = if unit == "minutes" { took / 60.0 } else { took };
        let time = |at: &jiff::Zoned| Value::from(at.strftime("%Y-%m-%d %H:%M:%S%.6f").to_string());
        let mut result = Map::from_iter([
            ("delta".to_owned(), clock.elapsed().as_secs().into()),
            ("echo".to_owned(), echo.into()),
            ("rc".to_owned(), 0.into()),
            ("start".to_owned(), time(&start)),
            ("stderr".to_owned(), "".into()),
            ("stdout".to_owned(), format!("Paused for {} {unit}", (shown * 100.0).round() / 100.0).into()),
            ("stop".to_owned(), time(&now())),
            ("user_input".to_owned(), input.into()),
        ]);
        if !warnings.is_empty() {
            result.insert("warnings".into(), warnings.into());
        }
        Outcome { result, ..Outcome::default() }
    })
}

/// Shows `prompt` and reads a line from the terminal.
fn ask(prompt: &str, echo: bool) -> std::io::Result<String> {
    use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
    let mut out = std::io::stderr();
    write!(out, "{prompt}")?;
    out.flush()?;
    let stdin = std::io::stdin();
    let before = tcgetattr(&stdin)?;
    if !echo {
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&stdin, OptionalActions::Now, &quiet)?;
    }
    let mut line = String::new();
    let read = stdin.lock().read_line(&mut line);
    if !echo {
        tcsetattr(&stdin, OptionalActions::Now, &before)?;
        writeln!(out)?;
    }
    read?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn now() -> jiff::Zoned {
    crate::clock::Clock::default().moment().to_zoned(jiff::tz::TimeZone::system())
}

#[cfg(test)]
mod tests {
    use super::PAUSE;
    use crate::playbook::modules::{Act, AsyncScope, Outcome, common::trial::args};
    use serde_json::Map;
    use std::sync::Arc;

    async fn run(yaml: &str) -> Outcome {
        let Act::Async(act) = &PAUSE.act else { panic!("it takes its time") };
        let scope = AsyncScope {
            vars: Map::new(),
            search: vec![],
            check: false,
            diff: false,
            no_log: false,
            progress: Arc::new(|_: &str| {}),
            cancel: tokio_util::sync::CancellationToken::new(),
        };
        act(args(&PAUSE, yaml), scope).await
    }

    #[tokio::test]
    async fn it_waits_as_long_as_it_is_told() {
        let before = std::time::Instant::now();
        let outcome = run("{seconds: 0, prompt: look}").await;
        assert!(before.elapsed().as_secs_f64() >= 1.0, "a second at least");
        assert!(!outcome.changed && outcome.failed.is_none());
        assert!(outcome.result["stdout"].as_str().unwrap().ends_with(" seconds"));
        assert_eq!(outcome.result["delta"], 1);
        assert!(run("{seconds: 1, minutes: 1}").await.failed.unwrap().contains("mutually exclusive"));
        assert!(run("{minutes: 0}").await.result["stdout"].as_str().unwrap().ends_with(" minutes"));
    }
}
