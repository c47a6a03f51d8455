//! `expect`: a program that asks, and is answered.
//!
//! The program needs a terminal. Without Python there is one tool that gives it everywhere: `script`, of util-linux and
//! of `BusyBox`. What the program says is read as it comes; answers go into the terminal, never into arguments.

use super::common::{Step, arg, ere, flag, required, text, with_default};
use super::{Act, Args, Kind, Module, Scope, Script};
use serde_json::Value;

/// The module.
pub static EXPECT: Module = Module {
    name: "expect",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "runs a program on a terminal and answers its questions",
    args: &[
        required("command", Kind::Str, "the program, with its arguments"),
        required("responses", Kind::Dict, "question (a regular expression) to answer, or to a list of answers"),
        arg("creates", Kind::Path, "nothing is run when this is there"),
        arg("removes", Kind::Path, "nothing is run when this is not there"),
        arg("chdir", Kind::Path, "run in this folder"),
        with_default("timeout", Kind::Raw, "30", "seconds to wait for the next question, or null"),
        with_default("echo", Kind::Bool, "false", "whether answers are among the words"),
    ],
    free_form: None,
    act: Act::Shell { library: &[SH], script },
};

const SH: &str = r#"
# b_expect: b_command, whose questions are the files q0, q1, … of FILES, their answers a0.0, a0.1, …
b_expect() {
  out cmd "$b_command"
  if [ -n "$b_creates" ] && [ -e "$b_creates" ]; then out stdout "skipped, since $b_creates exists"; outj rc 0; return 0; fi
  if [ -n "$b_removes" ] && [ ! -e "$b_removes" ]; then out stdout "skipped, since $b_removes does not exist"; outj rc 0; return 0; fi
  [ -z "$CHECK" ] || skip 'a program is not run in check mode'
  [ -z "$b_chdir" ] || [ -d "$b_chdir" ] || fail "Unable to change directory before execution: \`$b_chdir\` is no folder"
  command -v script >/dev/null || fail '`script` is not on this host, and nothing else gives a program a terminal; install it (bsdutils, util-linux)'
  b_tty=$(mktemp -d "${TMPDIR:-/tmp}/.berth.XXXXXXXXXX") || fail 'cannot make a temporary folder'
  b_pid=
  trap '[ -z "$b_pid" ] || kill "$b_pid" 2>/dev/null; rm -rf -- "$b_tty" "$FILES"' 0
  mkfifo "$b_tty/in" || fail 'cannot make a pipe'
  : >"$b_tty/out"
  {
    [ -n "$b_echo" ] || echo 'stty -echo 2>/dev/null'
    [ -z "$b_chdir" ] || echo 'cd -- "$BERTH_DIR" || exit'
    printf '(\n%s\n)\n' "$b_command"
    echo 'echo $? >"$BERTH_TTY/rc"'
  } >"$b_tty/run"
  exec 9<>"$b_tty/in"
  BERTH_TTY=$b_tty BERTH_DIR=$b_chdir SHELL=/bin/sh script -q -c "sh $b_tty/run" /dev/null <"$b_tty/in" >"$b_tty/out" 2>&1 3>&- 9>&- &
  b_pid=$!
  b_at=0 b_idle=0
  while :; do
    b_over=
    if [ -s "$b_tty/rc" ] || ! kill -0 "$b_pid" 2>/dev/null; then b_over=1; fi
    b_now=$(wc -c <"$b_tty/out")
    if [ "$b_now" -gt "$b_at" ] && [ -z "$b_over" ]; then
      tail -c "+$((b_at + 1))" "$b_tty/out" | tr -d '\r\000' >"$b_tty/new"
      if b_expect_hit; then b_at=$b_now b_idle=0; continue; fi
    fi
    [ -z "$b_over" ] || break
    b_idle=$((b_idle + 1))
    if [ -n "$b_timeout" ] && [ "$b_idle" -gt $((b_timeout * 10)) ]; then
      out_file stdout "$b_tty/out"
      fail 'command exceeded timeout'
    fi
    sleep 0.1 2>/dev/null || { sleep 1; b_idle=$((b_idle + 9)); }
  done
  # The program is over; the terminal goes with it.
  kill "$b_pid" 2>/dev/null
  wait "$b_pid" 2>/dev/null
  b_pid= b_rc=1
  if [ -s "$b_tty/rc" ]; then read -r b_rc <"$b_tty/rc"; fi
  out_file stdout "$b_tty/out"
  outj rc "$b_rc"
  changed
  [ "$b_rc" = 0 ] || fail 'non-zero return code'
}
# Answers the first question that the new words hold.
b_expect_hit() {
  b_i=0
  while [ "$b_i" -lt "$b_count" ]; do
    if grep -qE -f "$FILES/q$b_i" "$b_tty/new"; then
      eval "b_k=\${b_k$b_i:-0}"
      # A single answer serves each time.
      [ -f "$FILES/single$b_i" ] || eval "b_k$b_i=$((b_k + 1))"
      [ -f "$FILES/a$b_i.$b_k" ] || fail "No remaining responses for '$(cat "$FILES/q$b_i")', output was '$(cat "$b_tty/new")'"
      cat "$FILES/a$b_i.$b_k" >&9
      return 0
    fi
    b_i=$((b_i + 1))
  done
  return 1
}
"#;

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    let command = text(args, "command").unwrap_or_default();
    if command.trim().is_empty() {
        return Err("no command given".to_owned());
    }
    let timeout = match args.0.get("timeout") {
        None => "30".to_owned(),
        Some(Value::Null) => String::new(),
        Some(value) => super::convert::text_of(value)
            .trim()
            .parse::<u32>()
            .map_err(|_| "`timeout` is a whole number of seconds".to_owned())?
            .to_string(),
    };
    let mut step = Step::new(scope);
    let responses = args.get("responses").and_then(Value::as_object).cloned().unwrap_or_default();
    for (at, (question, answer)) in responses.iter().enumerate() {
        let question = ere::translate(question, ere::Reader::Sed)?;
        step.file(&format!("q{at}"), format!("{question}\n").into_bytes());
        let answers = match answer {
            Value::Array(all) => all.clone(),
            one => {
                step.file(&format!("single{at}"), vec![]);
                vec![one.clone()]
            }
        };
        for (number, answer) in answers.iter().enumerate() {
            let answer = super::convert::text_of(answer);
            step.file(&format!("a{at}.{number}"), format!("{}\n", answer.trim_end_matches('\n')).into_bytes());
        }
    }
    for (var, name) in [("b_creates", "creates"), ("b_removes", "removes"), ("b_chdir", "chdir")] {
        match text(args, name).filter(|path| !path.is_empty()) {
            Some(path) => step.set_path(var, path)?,
            None => step.set(var, "")?,
        };
    }
    step.set("b_command", command)?
        .set("b_timeout", &timeout)?
        .set("b_count", &responses.len().to_string())?
        .set_flag("b_echo", flag(args, "echo"));
    Ok(step.run("b_expect").done())
}

#[cfg(test)]
mod tests {
    use super::EXPECT;
    use crate::playbook::modules::common::trial::{Shell, Trial, args};

    #[test]
    fn questions_are_answered_in_turn() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            trial.write("ask", "printf 'Name? '; read a; printf 'Password for x: '; read b; printf 'Name? '; read c; [ -t 0 ] && echo \"tty $a $b $c\"; exit ${1:-0}\n", 0o755);
            let run = |yaml: &str| trial.run(shell, &EXPECT, &args(&EXPECT, yaml));
            if shell == Shell::Busybox {
                // Debian's `BusyBox` has no `script`: the module can only say so.
                let said = run("{command: sh ./ask, responses: {}}").failed.unwrap();
                assert!(said.contains("`script` is not on this host"), "{said}");
                continue;
            }
            let all = run("{command: sh ./ask, responses: {'[Nn]ame': [me, you], '(?i)password.*:': \"it's $(id)\"}}");
            assert!(all.changed && all.failed.is_none(), "{all:?}");
            assert!(all.text("stdout").contains("tty me it's $(id) you"), "{all:?}");
            assert_eq!(all.result["rc"], 0);
            let bad = run("{command: sh ./ask 3, responses: {Name: x, Password: y}}");
            assert!(bad.failed.as_deref() == Some("non-zero return code") && bad.result["rc"] == 3, "{bad:?}");
            let none = run("{command: sh ./ask, responses: {Name: [only], Password: y}}");
            assert!(none.failed.unwrap().contains("No remaining responses"));
            let late = run("{command: sh ./ask, responses: {Nothing: x}, timeout: 1}");
            assert_eq!(late.failed.unwrap(), "command exceeded timeout");
            assert!(!run("{command: sh ./ask, responses: {}, creates: ./ask}").changed);
        }
    }
}
