//! `fetch`: a file of the host, on the controller.

use super::common::{
    Step, arg,
    beside::{Source, receive},
    flag,
    put::Seen,
    text, with_default,
};
use super::talk::{Host, Talk, Trouble};
use super::{Act, Args, Kind, Module, Outcome, Scope, Script};
use serde_json::{Map, Value, json};
use std::{
    fs,
    path::{Component, Path, PathBuf},
};

/// The module.
pub static FETCH: Module = Module {
    name: "fetch",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "brings a file of the host to the controller",
    args: &[
        arg("src", Kind::Raw, "the file on the host; must be given"),
        arg("dest", Kind::Raw, "folder on the controller: the file goes to `dest/HOST/src`"),
        with_default("flat", Kind::Bool, "false", "the file goes to `dest` itself, or into it when it ends with `/`"),
        with_default("fail_on_missing", Kind::Bool, "true", "fail when the file is not there or cannot be read"),
        with_default("validate_checksum", Kind::Bool, "true", "compare what came with what the host has"),
    ],
    free_form: None,
    act: Act::Shell { library: &[], script },
};

fn script(args: &Args, _: &Scope) -> Result<Script, String> {
    for (name, what) in [("src", "source"), ("dest", "dest")] {
        match args.get(name) {
            None => return Err("src and dest are required".to_owned()),
            Some(Value::String(_)) => {}
            Some(_) => return Err(format!("Invalid type supplied for {what} option, it must be a string")),
        }
    }
    Ok(Talk::new(talk).script())
}

/// What the host says of the file: `there`, and its size and checksum.
const LOOK: &str = r#"
case $b_src in /*) ;; *) b_src=$PWD/$b_src ;; esac
out src "$b_src"
if [ -d "$b_src" ]; then out there folder
elif [ ! -e "$b_src" ]; then out there no
elif [ ! -r "$b_src" ]; then out there closed
else
  out there yes
  b_x=$(sha1sum <"$b_src") || fail "cannot read \`$b_src\`"
  out sum "${b_x%% *}"
  outj size "$(($(wc -c <"$b_src")))"
fi
"#;

async fn talk(args: Args, host: Host) -> Result<Outcome, Trouble> {
    if host.scope.check {
        let result = json!({"skipped": true, "msg": "check mode not (yet) supported for this module"});
        return Ok(Outcome { result: map(result), ..Outcome::default() });
    }
    let mut step = Step::default();
    step.set_path("b_src", text(&args, "src").unwrap_or_default())?;
    let look = host.must(&args, format!("{}{LOOK}", step.done().text)).await?;
    let said = |key: &str| look.get(key).and_then(Value::as_str).unwrap_or_default();
    let src = said("src");
    let missing = match said("there") {
        "yes" => None,
        "folder" => Some("remote file is a directory, fetch cannot work on directories"),
        "no" => Some("the remote file does not exist"),
        _ => Some("the remote file cannot be read: permission denied"),
    };
    if let Some(why) = missing {
        let result = map(json!({"file": src}));
        if flag(&args, "fail_on_missing") {
            let why = if said("there") == "no" { format!("{why}, not transferring") } else { why.to_owned() };
            return Ok(Outcome { failed: Some(why), result, ..Outcome::default() });
        }
        let mut result = result;
        result.insert("msg".into(), format!("{why}, not transferring, ignored").into());
        return Ok(Outcome { result, ..Outcome::default() });
    }
    let dest = place(&args, &host, src)?;
    let sum = said("sum").to_owned();
    if let Ok(here) = Seen::of(&Source::File(dest.clone()))
        && here.sha1 == sum
    {
        let result = json!({"md5sum": here.md5, "file": src, "dest": dest, "checksum": sum});
        return Ok(Outcome { result: map(result), ..Outcome::default() });
    }
    let size = look.get("size").and_then(Value::as_u64).unwrap_or_default();
    let folder = dest.parent().unwrap_or(Path::new("/"));
    let wrong = |why: std::io::Error| format!("cannot write `{}`: {why}", dest.display());
    fs::create_dir_all(folder).map_err(wrong)?;
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(wrong)?;
    receive(&host, src, size, file.as_file_mut()).await?;
    let came = Seen::of(&Source::File(file.path().to_owned()))?;
    let mut result = map(
        json!({"md5sum": came.md5, "dest": dest, "checksum": came.sha1, "remote_checksum": sum, "remote_md5sum": null}),
    );
    if flag(&args, "validate_checksum") && came.sha1 != sum {
        result.insert("file".into(), src.into());
        return Ok(Outcome { failed: Some("checksum mismatch".into()), result, ..Outcome::default() });
    }
    // A file made by hand has the mode that the umask says, not a temporary file's.
    let mode = fs::metadata(&dest).map_or_else(|_| usual_mode(), |meta| meta.permissions());
    fs::set_permissions(file.path(), mode).map_err(wrong)?;
    file.persist(&dest).map_err(|why| wrong(why.error))?;
    Ok(Outcome { changed: true, result, ..Outcome::default() })
}

fn usual_mode() -> fs::Permissions {
    use std::os::unix::fs::PermissionsExt as _;
    fs::Permissions::from_mode(0o644)
}

fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// Where the file goes on the controller.
fn place(args: &Args, host: &Host, src: &str) -> Result<PathBuf, String> {
    let dest = text(args, "dest").unwrap_or_default();
    if dest.is_empty() {
        return Err("`dest` is empty; give a path".to_owned());
    }
    let full = here(dest, &host.scope.vars);
    if flag(args, "flat") {
        if dest.ends_with('/') {
            let name = src.rsplit('/').next().unwrap_or_default();
            let full = full.join(name);
            if full.is_dir() {
                return Err(format!(
                    "calculated dest '{}' is an existing directory, use another path that does not point to an existing directory",
                    full.display()
                ));
            }
            return Ok(full);
        }
        if full.is_dir() {
            return Err(
                "dest is an existing directory, use a trailing slash if you want to fetch src into that directory"
                    .to_owned(),
            );
        }
        return Ok(full);
    }
    let name = host.scope.vars.get("inventory_hostname").and_then(Value::as_str).unwrap_or("localhost");
    let mut full = full.join(name);
    // What the host says must not lead out of the folder.
    for part in Path::new(src).components() {
        match part {
            Component::Normal(part) => full.push(part),
            Component::ParentDir => return Err(format!("detected directory traversal in `{src}`")),
            _ => {}
        }
    }
    Ok(full)
}

/// A path on the controller as a playbook means it.
pub fn here(path: &str, vars: &Map<String, Value>) -> PathBuf {
    let home = || std::env::var_os("HOME").map(PathBuf::from);
    if let Some(home) = home()
        && let Some(rest) = path.strip_prefix('~')
        && (rest.is_empty() || rest.starts_with('/'))
    {
        return home.join(rest.trim_start_matches('/'));
    }
    let base = vars.get("playbook_dir").and_then(Value::as_str).map_or_else(PathBuf::new, PathBuf::from);
    base.join(path)
}

#[cfg(test)]
mod tests {
    use super::FETCH;
    use crate::playbook::modules::common::trial::{Trial, args};

    #[test]
    fn a_file_comes_once_with_all_its_bytes() {
        let trial = Trial::new();
        let here = tempfile::tempdir().unwrap();
        let to = here.path().display();
        for shell in Trial::SHELLS {
            trial.wipe();
            let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[2]).collect();
            std::fs::write(trial.path("a b"), &bytes).unwrap();
            let task = args(&FETCH, &format!("{{src: '{}/a b', dest: {to}/{shell:?}}}", trial.at()));
            let check = trial.check(shell, &FETCH, &task);
            assert_eq!(check.result["skipped"], true);
            let first = trial.run(shell, &FETCH, &task);
            assert!(first.changed && first.failed.is_none(), "{:?}", first.failed);
            assert_eq!(std::fs::read(first.text("dest")).unwrap(), bytes);
            assert!(first.text("dest").ends_with(&format!("localhost{}/a b", trial.at())));
            assert!(!trial.run(shell, &FETCH, &task).changed);
            std::fs::write(trial.path("e"), "").unwrap();
            let flat = args(&FETCH, &format!("{{src: e, dest: {to}/{shell:?}/, flat: true}}"));
            assert!(trial.run(shell, &FETCH, &flat).changed);
            assert!(!trial.run(shell, &FETCH, &flat).changed);
            let gone = args(&FETCH, &format!("{{src: nix, dest: {to}, fail_on_missing: false}}"));
            let said = trial.run(shell, &FETCH, &gone);
            assert!(!said.changed && said.failed.is_none() && said.text("msg").contains("ignored"));
            let lost = trial.run(shell, &FETCH, &args(&FETCH, &format!("{{src: nix, dest: {to}}}")));
            assert!(lost.failed.unwrap().contains("does not exist"));
        }
    }
}
