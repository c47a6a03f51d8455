//! Background jobs: how a step becomes one, and `async_status`, which says how far it is.
//!
//! A job is a step that writes its records into `~/.ansible_async/JID.rec` instead of sending them. When it is through,
//! `async_status` sends them as if the step had just run.

use serde_json::Map;

use super::{Act, Arg, Args, Kind, Module, Scope, Script};
use crate::remote::quote;

/// Says how far a background job is, and what it came to.
pub static MODULE: Module = Module {
    name: "async_status",
    collections: &["ansible.builtin"],
    summary: "See how far a background job is",
    args: &[
        Arg {
            name: "jid",
            aliases: &[],
            kind: Kind::Str,
            required: true,
            default: None,
            choices: &[],
            doc: "The job, as `ansible_job_id` named it",
        },
        Arg {
            name: "mode",
            aliases: &[],
            kind: Kind::Str,
            required: false,
            default: Some("status"),
            choices: &["status", "cleanup"],
            doc: "`cleanup` removes what the job left",
        },
    ],
    free_form: None,
    act: Act::Shell { library: &[], script: status },
};

const FOLDER: &str =
    "__j=${ANSIBLE_ASYNC_DIR:-$HOME/.ansible_async}\ncase $__j in '~/'*) __j=$HOME/${__j#'~/'} ;; esac\n";

/// The text of a step that runs `text` in the background and tells its job.
pub(in crate::playbook) fn in_background(text: &str, job: &str, seconds: u64) -> String {
    let (job, text) = (quote(job), quote(text));
    format!(
        r#"{FOLDER}(umask 077; mkdir -p "$__j") || fail "the folder $__j for background jobs cannot be made"
__n={job}
__f=$__j/$__n
printf '%s' "@$__n@" >"$__f.mark"
if [ -n "${{FILES:-}}" ]; then cp -R "$FILES" "$__f.files"; fi
__t={text}
set -m 2>/dev/null
(
  trap '' 1
  exec 3>"$__f.rec" </dev/null >/dev/null 2>"$__f.err"
  __T="@$__n@"
  [ ! -d "$__f.files" ] || FILES=$__f.files
  (
    __D=$(umask 077; mktemp -d "${{TMPDIR:-/tmp}}/.berth.XXXXXXXXXX")
    trap 'rm -rf "$__D"' 0
    eval "$__t"
  ) &
  __p=$!
  __l=0
  while kill -0 "$__p" 2>/dev/null; do
    if [ "$__l" -ge {seconds} ]; then
      kill -9 -"$__p" 2>/dev/null || kill -9 "$__p" 2>/dev/null
      echo "the background job took longer than {seconds} seconds" >"$__f.err"
    fi
    sleep 1
    __l=$((__l + 1))
  done 2>/dev/null
  wait "$__p"
  echo "$?" >"$__f.new"
  mv "$__f.new" "$__f.rc"
) </dev/null >/dev/null 2>&1 3>&- &
outj started 1
outj finished 0
out ansible_job_id "$__n"
out results_file "$__f"
changed
"#
    )
}

fn status(args: &Args, _: &Scope) -> Result<Script, String> {
    let job = args.str("jid").unwrap_or_default();
    if job.is_empty() || job.contains('/') || job.starts_with('.') {
        return Err(format!("`{job}` is no background job"));
    }
    Ok(status_script(job, args.str("mode") == Some("cleanup")))
}

/// The text that asks for a job.
pub(in crate::playbook) fn status_script(job: &str, cleanup: bool) -> Script {
    let job = quote(job);
    let rest = if cleanup {
        "rm -rf \"$__f.mark\" \"$__f.rec\" \"$__f.err\" \"$__f.rc\" \"$__f.files\" \"$__f.new\"\nout erased \"$__f\"\n"
    } else {
        r#"outj started 1
if [ ! -e "$__f.rc" ]; then
  outj finished 0
else
  outj finished 1
  read -r __m <"$__f.mark" || :
  read -r __c <"$__f.rc"
  sed "s/$__m/$__T/g" "$__f.rec" >&3
  [ ! -s "$__f.err" ] || cat "$__f.err" >&2
  exit "$__c"
fi
"#
    };
    let text = format!(
        "{FOLDER}__n={job}\n__f=$__j/$__n\nout ansible_job_id \"$__n\"\nout results_file \"$__f\"\n[ -e \"$__f.mark\" ] || {{ outj finished 1; outj started 1; fail \"could not find job\"; }}\n{rest}"
    );
    Script { text, ..Script::default() }
}

/// A name no other job has.
pub(in crate::playbook) fn name() -> String {
    format!("j{:032x}", rand::random::<u128>())
}

/// Whether a result says that its job is through.
pub(in crate::playbook) fn is_finished(result: &Map<String, serde_json::Value>) -> bool {
    result.get("finished").and_then(serde_json::Value::as_i64) == Some(1)
}
