//! Questions at the terminal: `vars_prompt`, `--step`.

use std::{
    io::{BufRead as _, IsTerminal as _, Write as _},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{
    cli::terminal,
    playbook::{Ask, Step},
};

/// Asks for what `vars_prompt` wants; away from a terminal the defaults hold.
pub(super) fn questions() -> Ask {
    Ask(Arc::new(|prompt| {
        if !std::io::stdin().is_terminal() {
            return Ok(None);
        }
        let text = prompt.prompt.clone().unwrap_or_else(|| prompt.name.clone());
        let default = prompt.default.as_ref().filter(|_| !prompt.private).map(|value| format!(" [{value}]"));
        let question = format!("{text}{}: ", default.unwrap_or_default());
        let ask = |question: &str| if prompt.private { terminal::ask_password(question).ok() } else { line(question) };
        loop {
            let answer = ask(&question);
            if !prompt.confirm || ask(&format!("confirm {question}")) == answer {
                return Ok(answer);
            }
            terminal::say("***** VALUES ENTERED DO NOT MATCH ****");
        }
    }))
}

/// Asks before each task: no, yes, or yes to all that follow.
pub(super) fn step() -> Step {
    let go_on = AtomicBool::new(false);
    Step(Arc::new(move |task| {
        if go_on.load(Ordering::Relaxed) {
            return true;
        }
        let answer = line(&format!("Perform task: {task} (N)o/(y)es/(c)ontinue: ")).unwrap_or_default().to_lowercase();
        if matches!(answer.as_str(), "c" | "continue") {
            go_on.store(true, Ordering::Relaxed);
        }
        matches!(answer.as_str(), "y" | "yes" | "c" | "continue")
    }))
}

fn line(question: &str) -> Option<String> {
    let mut out = std::io::stdout().lock();
    let _ = write!(out, "{question}").and_then(|()| out.flush());
    let mut text = String::new();
    std::io::stdin().lock().read_line(&mut text).ok().filter(|read| *read > 0)?;
    Some(text.trim_end_matches(['\r', '\n']).to_owned())
}
