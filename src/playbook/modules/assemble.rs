//! `assemble`: one file out of the fragments in a folder.

use super::common::{
    ATTRS, BACKUP_ARGS, FILE_ARGS, Step, VALIDATE_ARGS, WRITE, arg, args,
    beside::Source,
    ere::{self, Reader},
    flag,
    put::{PUT, Put, put, validate},
    python::{Flags, compile},
    required, text, with_default,
};
use super::copy::find;
use super::{Act, Args, Kind, Module, Scope, Script};
use std::path::Path;

/// The module.
pub static ASSEMBLE: Module = Module {
    name: "assemble",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "puts the files of a folder together as one",
    args: args![
        required("src", Kind::Path, "the folder, on the host or with `remote_src: false` on the controller"),
        required("dest", Kind::Path, "the file"),
        arg("delimiter", Kind::Str, "what stands between two fragments; `\\n` and its like are read as escapes"),
        with_default("remote_src", Kind::Bool, "true", "`src` is on the host"),
        arg("regexp", Kind::Str, "only files whose name has a match"),
        with_default("ignore_hidden", Kind::Bool, "false", "leave out names that begin with a dot"),
        with_default("decrypt", Kind::Bool, "true", "accepted; fragments are put as they are"),
        with_default("follow", Kind::Bool, "false", "write through a symbolic link at `dest`");
        FILE_ARGS, BACKUP_ARGS, VALIDATE_ARGS
    ],
    free_form: None,
    act: Act::Shell { library: &[ATTRS, WRITE, PUT, SH], script },
};

const SH: &str = r#"
# b_assemble: the fragments of b_src, in the order of their names, into b_dest.
b_assemble() {
  [ -e "$b_src" ] || fail "Source ($b_src) does not exist"
  [ -d "$b_src" ] || fail "Source ($b_src) is not a directory"
  out src "$b_src"
  b_work=$(mktemp -d "${TMPDIR:-/tmp}/.berth.XXXXXXXXXX") || fail 'cannot make a temporary folder'
  (
    LC_ALL=C; export LC_ALL
    b_some= b_open=
    set -- "$b_src"/*
    [ -n "$b_bare" ] || set -- "$b_src"/.[!.]* "$b_src"/..?* "$@"
    for b_f; do
      [ -f "$b_f" ] && [ -r "$b_f" ] || continue
      if [ -n "$b_re" ]; then
        printf '%s\n%s' "$b_re" "${b_f##*/}" | awk 'NR == 1 { re = $0; next } $0 ~ re { found = 1; exit } END { exit !found }' || continue
      fi
      [ -z "$b_open" ] || printf '\n'
      [ -z "$b_some" ] || printf %s "$b_delim"
      cat -- "$b_f" || exit 1
      b_some=1
      # The last byte, an empty text when it is a line end.
      if [ -s "$b_f" ] && [ -z "$(tail -c 1 -- "$b_f" | tr '\000' x)" ]; then b_open=; else b_open=1; fi
    done
  ) >"$b_work/all" || { rm -rf -- "$b_work"; fail "cannot read the fragments in \`$b_src\`"; }
  b_from=$b_work/all b_sum= b_inline=
  b_len=$(($(wc -c <"$b_from")))
  b_x=$(sha1sum <"$b_from") && out checksum "${b_x%% *}"
  b_x=$(md5sum <"$b_from") && out md5sum "${b_x%% *}"
  ( b_put )
  b_rc=$?
  rm -rf -- "$b_work"
  [ "$b_rc" = 0 ] || exit "$b_rc"
  out msg OK
}
"#;

/// Python's escapes in a delimiter.
fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some(c @ ('\\' | '\'' | '"')) => out.push(c),
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    out
}

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    let src = text(args, "src").unwrap_or_default();
    let delimiter = text(args, "delimiter").filter(|text| !text.is_empty()).map(unescape).map(|mut text| {
        if !text.ends_with('\n') {
            text.push('\n');
        }
        text
    });
    let mut step = Step::new(scope);
    step.attributes(args)?;
    let dest = text(args, "dest").unwrap_or_default();
    if !flag(args, "remote_src") {
        let folder = find(src, "files", scope)?;
        let bytes = together(&folder, args, delimiter.as_deref())?;
        put(&mut step, args, Put { dest, name: "", source: Source::Bytes(bytes), key: "all" })?;
        return Ok(step.done());
    }
    step.set_path("b_src", src)?.set_path("b_dest", dest)?.set("b_name", "")?;
    let re = text(args, "regexp").map(|re| ere::translate(re, Reader::Awk)).transpose()?;
    step.set_opt("b_re", re.as_deref())?.set_opt("b_delim", delimiter.as_deref())?;
    step.set_flag("b_bare", flag(args, "ignore_hidden"))
        .set_flag("b_force", true)
        .set_flag("b_follow", flag(args, "follow"))
        .set_flag("b_backup", flag(args, "backup"))
        .set_flag("b_inplace", flag(args, "unsafe_writes"));
    validate(&mut step, args)?;
    Ok(step.run("b_assemble").done())
}

/// The same on the controller.
fn together(folder: &Path, args: &Args, delimiter: Option<&str>) -> Result<Vec<u8>, String> {
    if !folder.is_dir() {
        return Err(format!("Source ({}) is not a directory", folder.display()));
    }
    let wrong = |why: std::io::Error| format!("cannot read `{}`: {why}", folder.display());
    let regex = text(args, "regexp").map(|re| compile(re, Flags::default())).transpose()?;
    let mut names = std::fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<Result<Vec<_>, _>>())
        .map_err(wrong)?;
    names.sort();
    let mut all = Vec::new();
    let mut some = false;
    for name in names {
        let path = folder.join(&name);
        let name = name.to_string_lossy();
        let hit = regex.as_ref().is_none_or(|regex| regex.is_match(&*name).unwrap_or(false));
        if !hit || !path.is_file() || (flag(args, "ignore_hidden") && name.starts_with('.')) {
            continue;
        }
        if some {
            if !all.ends_with(b"\n") {
                all.push(b'\n');
            }
            all.extend_from_slice(delimiter.unwrap_or_default().as_bytes());
        }
        all.extend(std::fs::read(&path).map_err(wrong)?);
        some = true;
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::ASSEMBLE;
    use crate::playbook::modules::common::trial::{Trial, args};

    #[test]
    fn fragments_are_joined_in_order_here_and_there() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            std::fs::create_dir(trial.path("parts")).unwrap();
            for (name, text) in [("2 two", "two "), ("1", "one\n"), (".h", "hidden"), ("3$(x)", "three\n")] {
                trial.write(&format!("parts/{name}"), text, 0o644);
            }
            for (more, meant) in [
                ("", "hidden\none\ntwo \nthree\n"),
                (", ignore_hidden: true", "one\ntwo \nthree\n"),
                (", regexp: '^[12]', delimiter: '--\\n'", "one\n--\ntwo "),
                (", regexp: '^\\d', delimiter: '# x'", "one\n# x\ntwo \n# x\nthree\n"),
            ] {
                for src in [format!("src: {}/parts", trial.at()), "src: d/parts, remote_src: false".to_owned()] {
                    let _ = std::fs::remove_file(trial.path("out"));
                    let task = args(&ASSEMBLE, &format!("{{{src}, dest: {}/out{more}, mode: '0600'}}", trial.at()));
                    let check = trial.check(shell, &ASSEMBLE, &task);
                    assert!(check.changed && !trial.path("out").exists(), "{check:?}");
                    let said = trial.run(shell, &ASSEMBLE, &task);
                    assert!(said.changed && said.failed.is_none(), "{said:?}");
                    assert_eq!((trial.read("out").as_str(), trial.mode("out")), (meant, 0o600), "{task:?}");
                    let again = trial.run(shell, &ASSEMBLE, &task);
                    assert!(!again.changed && again.failed.is_none(), "{again:?}");
                    assert_eq!(again.text("checksum").len(), 40);
                }
            }
            let lost = trial.run(shell, &ASSEMBLE, &args(&ASSEMBLE, "{src: nix, dest: out}"));
            assert!(lost.failed.unwrap().contains("does not exist"));
        }
    }
}
