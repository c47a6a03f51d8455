//! `ping`: whether the host's shell answers.

use super::{Act, Arg, Args, Kind, Module, Scope, Script};
use crate::remote::quote;

/// Answers `pong`.
pub static MODULE: Module = Module {
    name: "ping",
    collections: &["ansible.builtin"],
    summary: "See whether the host's shell answers",
    args: &[Arg {
        name: "data",
        aliases: &[],
        kind: Kind::Str,
        required: false,
        default: Some("pong"),
        choices: &[],
        doc: "What to answer; `crash` fails",
    }],
    free_form: None,
    act: Act::Shell { library: &[], script },
};

#[allow(clippy::unnecessary_wraps, reason = "the signature every shell module has")]
fn script(args: &Args, _: &Scope) -> Result<Script, String> {
    let data = args.str("data").unwrap_or("pong");
    let text = if data == "crash" {
        "fail 'Task failed: Module failed: boom'".to_owned()
    } else {
        format!("out ping {}", quote(data))
    };
    Ok(Script { text, ..Script::default() })
}
