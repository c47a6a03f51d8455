//! `script`: a script of the controller, run on the host.

use super::command::finish;
use super::common::{Step, arg, beside::Source, quote, text};
use super::copy::{find, read_as};
use super::{Act, Args, Kind, Module, Scope, Script};

/// The module.
pub static SCRIPT: Module = Module {
    name: "script",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "runs a script of the controller on the host",
    args: &[
        arg("_raw_params", Kind::Str, "the script's path, and its arguments"),
        arg("cmd", Kind::Str, "the same, as an argument"),
        arg("chdir", Kind::Str, "an absolute path: where the script runs"),
        arg("creates", Kind::Path, "skip when this path exists"),
        arg("removes", Kind::Path, "skip unless this path exists"),
        arg("executable", Kind::Str, "the program that reads the script"),
        arg("decrypt", Kind::Bool, "a script that is a vault is opened"),
    ],
    free_form: Some("_raw_params"),
    act: Act::Shell { library: &[], script },
};

/// Stands for the script's place on the host until that is known.
const PLACE: char = '\u{1}';

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    let line = match (text(args, "_raw_params"), text(args, "cmd")) {
        (Some(_), Some(_)) => return Err("parameters are mutually exclusive: _raw_params|cmd".to_owned()),
        (Some(line), None) | (None, Some(line)) => line.trim(),
        (None, None) => return Err("one of the following is required: _raw_params, cmd".to_owned()),
    };
    let words = super::common::words::split(line)?;
    let Some(first) = words.first() else { return Err("`script` has no script to run".to_owned()) };
    let mut step = Step::new(scope);
    if let Some(path) = text(args, "creates").filter(|path| !path.is_empty()) {
        step.set_path("b_creates", path)?;
        step.run("[ ! -e \"$b_creates\" ] || skip \"$b_creates exists, matching creates option\"");
    }
    if let Some(path) = text(args, "removes").filter(|path| !path.is_empty()) {
        step.set_path("b_removes", path)?;
        step.run("[ -e \"$b_removes\" ] || skip \"$b_removes does not exist, matching removes option\"");
    }
    let chdir = text(args, "chdir").filter(|path| !path.is_empty());
    if let Some(chdir) = chdir.filter(|path| !path.starts_with('/')) {
        return Err(format!("chdir {chdir} must be an absolute path for a Unix-aware remote node"));
    }
    let path = find(first, "files", scope)?;
    if scope.check {
        if text(args, "creates").is_some() || text(args, "removes").is_some() {
            step.run("changed");
        } else {
            step.run("skip 'Check mode is not supported for this task.'");
        }
        return Ok(step.done());
    }
    let decrypt = args.bool("decrypt").unwrap_or(true);
    let Source::Bytes(bytes) = read_as(&path, decrypt.then_some(scope.vault))?.whole()? else {
        return Err(format!("cannot read `{}`", path.display()));
    };
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    let name = if plain { name } else { "script".to_owned() };
    // The script's path gives way to its place on the host; the quotes around it and the arguments stay.
    let moved = line.replace(first.as_str(), &PLACE.to_string());
    let moved = if moved.contains(PLACE) {
        moved
    } else {
        let rest: Result<Vec<String>, String> = words[1..].iter().map(|word| quote(word)).collect();
        format!("{PLACE} {}", rest?.join(" "))
    };
    let parts: Result<Vec<String>, String> = moved.split(PLACE).map(quote).collect();
    let executable = text(args, "executable").map(|program| format!("{program} ")).unwrap_or_default();
    let len = bytes.len() as u64;
    step.source(&name, Source::Bytes(bytes), len, format!("b_need=\"$b_need {name}\"\n"));
    step.run(&format!(
        "b_script=\"$FILES/{name}\"\nchmod 700 \"$b_script\" || fail 'cannot make the script executable'\nchanged"
    ));
    if let Some(chdir) = chdir {
        step.set("b_chdir", chdir)?.run("cd -- \"$b_chdir\" || fail \"cannot change into \\`$b_chdir\\`\"");
    }
    step.run(&format!(
        "capture /bin/sh -c {}{} || fail 'non-zero return code'",
        quote(&executable)?,
        parts?.join("\"$b_script\"")
    ));
    Ok(step.finish(finish).done())
}

#[cfg(test)]
mod tests {
    use super::SCRIPT;
    use crate::playbook::modules::common::trial::{Trial, args};

    #[test]
    fn a_script_runs_with_its_arguments_and_leaves_nothing() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            trial.write("it's here.sh", "#!/bin/sh\necho \"$# $1|$2\"\necho no >&2\nexit ${3-0}\n", 0o644);
            let task = |line: &str, more: &str| {
                let mut task = args(&SCRIPT, &format!("{{cmd: x{more}}}"));
                task.0.insert("cmd".into(), line.into());
                task
            };
            let said = trial.run(shell, &SCRIPT, &task("\"d/it's here.sh\" 'a  b' '$(touch canary)'", ""));
            assert!(said.changed && said.failed.is_none(), "{said:?}");
            assert_eq!(said.text("stdout").trim(), "2 a  b|$(touch canary)");
            assert_eq!(said.text("stderr").trim(), "no");
            assert!(!trial.path("canary").exists());
            let bad = trial.run(shell, &SCRIPT, &task("\"d/it's here.sh\" 1 2 7", ""));
            assert_eq!((&bad.result["rc"], bad.failed.as_deref()), (&7.into(), Some("non-zero return code")));
            let skipped = trial.run(shell, &SCRIPT, &task("\"d/it's here.sh\"", ", creates: \"it's here.sh\""));
            assert!(skipped.skipped.unwrap().contains("matching creates option"));
            let skipped = trial.run(shell, &SCRIPT, &task("\"d/it's here.sh\"", ", removes: nix"));
            assert!(skipped.skipped.unwrap().contains("matching removes option"));
            assert!(trial.check(shell, &SCRIPT, &task("\"d/it's here.sh\"", "")).skipped.is_some());
            assert!(trial.check(shell, &SCRIPT, &task("\"d/it's here.sh\"", ", creates: nix")).changed);
            let relative = trial.run(shell, &SCRIPT, &task("\"d/it's here.sh\"", ", chdir: x"));
            assert!(relative.failed.unwrap().contains("must be an absolute path"));
            trial.write("big.sh", &format!("#!/bin/sh\n#{}\necho big\n", "x".repeat(100_000)), 0o644);
            let big = trial.run(shell, &SCRIPT, &task("d/big.sh", ", executable: sh"));
            assert_eq!(big.text("stdout").trim(), "big", "{big:?}");
        }
    }
}
