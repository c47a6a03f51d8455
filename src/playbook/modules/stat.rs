//! `stat`: what a path is.

use super::common::{ATTRS, Step, arg, flag, given, required, text, with_default};
use super::{Act, Arg, Args, Kind, Module, Scope, Script};
use serde_json::{Map, Value, json};

/// The module.
pub static STAT: Module = Module {
    name: "stat",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "says what a path is",
    args: &[
        Arg { aliases: &["dest", "name"], ..required("path", Kind::Path, "what to look at") },
        with_default("follow", Kind::Bool, "false", "look at what a link points to"),
        with_default("get_checksum", Kind::Bool, "true", "with the checksum of a regular file"),
        Arg {
            aliases: &["checksum", "checksum_algo"],
            choices: &["md5", "sha1", "sha224", "sha256", "sha384", "sha512"],
            ..with_default("checksum_algorithm", Kind::Str, "sha1", "which checksum")
        },
        Arg {
            aliases: &["mime", "mime_type", "mime-type"],
            ..with_default(
                "get_mime",
                Kind::Bool,
                "true",
                "with its type and charset, where the host has `file`; text is known without",
            )
        },
        Arg {
            aliases: &["attr", "attributes"],
            ..with_default("get_attributes", Kind::Bool, "true", "with its flags, where the host has `lsattr`")
        },
        arg("get_md5", Kind::Bool, "accepted and ignored, as in Ansible"),
        arg("get_selinux_context", Kind::Bool, "accepted; not looked for"),
    ],
    free_form: None,
    act: Act::Shell { library: &[ATTRS, SH], script },
};

const SH: &str = r#"
# b_kept WORD: tells the driver, when it wants to know for conditions.
b_kept() { [ -z "${__K-}" ] || __kept "$1"; }
# b_stat: the facts of b_path as one line of numbers, then names, a link's goal, a checksum.
b_stat() {
  out path "$b_path"
  if [ -n "$b_follow" ]; then b_L=-L; else b_L=; fi
  if [ ! -e "$b_path" ] && { [ -n "$b_L" ] || [ ! -h "$b_path" ]; }; then b_kept e0; return 0; fi
  b_kept e1
  b_x=$(stat $b_L -c '%f %a %u %g %s %h %i %d %.X %.Y %.Z %b %o %t %T %U:%G' -- "$b_path" 2>&1) || fail "cannot look at \`$b_path\`: $b_x"
  out raw "$b_x"
  # What the task's user may do with it.
  b_y=
  [ ! -r "$b_path" ] || b_y=r
  [ ! -w "$b_path" ] || b_y=${b_y}w
  [ ! -x "$b_path" ] || b_y=${b_y}x
  out may "$b_y"
  if [ -h "$b_path" ] && [ -z "$b_follow" ]; then
    b_x=$(readlink -- "$b_path")
    out lnk_target "$b_x"
    b_x=$(readlink -f -- "$b_path")
    out lnk_source "$b_x"
  elif [ -f "$b_path" ] && [ -n "$b_algo" ] && [ -r "$b_path" ]; then
    b_x=$("${b_algo}sum" <"$b_path") || fail "cannot read \`$b_path\`: \`${b_algo}sum\` failed"
    out checksum "${b_x%% *}"
  fi
  if [ -n "$b_mime" ]; then b_stat_mime; fi
  if [ -n "$b_lsattr" ] && { [ -f "$b_path" ] || [ -d "$b_path" ]; } && { [ -n "$b_L" ] || [ ! -h "$b_path" ]; } && command -v lsattr >/dev/null; then
    b_x=$(lsattr -vd -- "$b_path" 2>/dev/null) && out attr "${b_x%"$b_path"}"
  fi
  return 0
}
# b_stat_mime: type and charset, by `file` or, for plain text and the kinds without content, without it.
b_stat_mime() {
  if command -v file >/dev/null; then
    b_x=$(file --mime-type --mime-encoding $b_L -- "$b_path" 2>/dev/null) || return 0
    b_x=${b_x#"$b_path"}
    b_x=${b_x#:}
    case $b_x in *charset=*) out mime "$b_x"; return 0 ;; esac
  fi
  if [ -h "$b_path" ] && [ -z "$b_L" ]; then b_x='inode/symlink; charset=binary'
  elif [ -d "$b_path" ]; then b_x='inode/directory; charset=binary'
  elif [ ! -f "$b_path" ] || [ ! -r "$b_path" ]; then b_x='unknown; charset=unknown'
  elif [ ! -s "$b_path" ]; then b_x='inode/x-empty; charset=binary'
  # Nothing is left when printable letters are taken out.
  elif [ -z "$(head -c 65536 -- "$b_path" | LC_ALL=C tr -d '\011-\015\033\040-\176' | head -c 1 | od -An -tx1)" ]; then b_x='text/plain; charset=us-ascii'
  else b_x='unknown; charset=unknown'; fi
  out mime "$b_x"
}
"#;

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    let mut step = Step::new(scope);
    step.set_path("b_path", text(args, "path").unwrap_or_default())?.set_flag("b_follow", flag(args, "follow"));
    let wanted = !given(args, "get_checksum") || flag(args, "get_checksum");
    let algorithm = text(args, "checksum_algorithm").unwrap_or("sha1");
    step.set("b_algo", if wanted { algorithm } else { "" })?;
    let on = |name: &str| !given(args, name) || flag(args, name);
    step.set_flag("b_mime", on("get_mime")).set_flag("b_lsattr", on("get_attributes")).run("b_stat");
    let mut script = step.done();
    script.finish = Some(finish);
    Ok(script)
}

/// The kinds of file: the bits of the mode, Ansible's flag.
const KINDS: [(u64, &str); 7] = [
    (0o100_000, "isreg"),
    (0o040_000, "isdir"),
    (0o120_000, "islnk"),
    (0o010_000, "isfifo"),
    (0o140_000, "issock"),
    (0o020_000, "ischr"),
    (0o060_000, "isblk"),
];

const PERMISSIONS: [(u64, &str); 9] = [
    (0o400, "rusr"),
    (0o200, "wusr"),
    (0o100, "xusr"),
    (0o040, "rgrp"),
    (0o020, "wgrp"),
    (0o010, "xgrp"),
    (0o004, "roth"),
    (0o002, "woth"),
    (0o001, "xoth"),
];

/// What a line of `stat` says of a path: its mode, kind, owner, sizes and times, as Ansible names them.
pub fn facts(raw: &str) -> Map<String, Value> {
    let (numbers, names) = raw.rsplit_once(' ').map_or((raw, ""), |(numbers, _)| (numbers, &raw[numbers.len() + 1..]));
    let field: Vec<&str> = numbers.split(' ').collect();
    let number = |at: usize| field.get(at).and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
    // With parts of seconds where the host's `stat` knows them.
    let time = |at: usize| field.get(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or_default();
    let hex = |at: usize| field.get(at).and_then(|text| u64::from_str_radix(text, 16).ok()).unwrap_or_default();
    let bits = hex(0);
    let mut stat = Map::new();
    stat.insert("mode".to_owned(), format!("{:04o}", bits & 0o7777).into());
    for (bit, name) in KINDS {
        stat.insert(name.to_owned(), (bits & 0o170_000 == bit).into());
    }
    for (bit, name) in PERMISSIONS {
        stat.insert(name.to_owned(), (bits & bit != 0).into());
    }
    stat.insert("isuid".to_owned(), (bits & 0o4000 != 0).into());
    stat.insert("isgid".to_owned(), (bits & 0o2000 != 0).into());
    for (at, name) in [(2, "uid"), (3, "gid"), (4, "size"), (5, "nlink"), (6, "inode"), (7, "dev"), (11, "blocks")] {
        stat.insert(name.to_owned(), number(at).into());
    }
    for (at, name) in [(8, "atime"), (9, "mtime"), (10, "ctime")] {
        stat.insert(name.to_owned(), time(at).into());
    }
    stat.insert("block_size".to_owned(), number(12).into());
    stat.insert("device_type".to_owned(), (hex(13) << 8 | hex(14)).into());
    let (owner, group) = names.split_once(':').unwrap_or_default();
    stat.insert("pw_name".to_owned(), owner.into());
    stat.insert("gr_name".to_owned(), group.into());
    stat
}

/// What a letter of `lsattr` means.
fn flag_name(letter: char) -> Option<&'static str> {
    Some(match letter {
        'A' => "noatime",
        'a' => "append",
        'c' => "compressed",
        'C' => "nocow",
        'd' => "nodump",
        'D' => "dirsync",
        'e' => "extents",
        'E' => "encrypted",
        'h' => "blocksize",
        'i' => "immutable",
        'I' => "indexed",
        'j' => "journalled",
        'N' => "inline",
        's' => "zero",
        'S' => "synchronous",
        't' => "notail",
        'T' => "blockroot",
        'u' => "undelete",
        'X' => "compressedraw",
        'Z' => "compresseddirty",
        _ => return None,
    })
}

fn finish(_: &Args, result: &mut Map<String, Value>) {
    let path = result.shift_remove("path").unwrap_or_default();
    let Some(Value::String(raw)) = result.shift_remove("raw") else {
        result.insert("stat".to_owned(), json!({"exists": false}));
        return;
    };
    let may = result.shift_remove("may").unwrap_or_default();
    let may = may.as_str().unwrap_or_default();
    let mut stat = Map::new();
    stat.insert("exists".to_owned(), true.into());
    stat.insert("path".to_owned(), path);
    stat.extend(facts(&raw));
    for (letter, name) in [('r', "readable"), ('w', "writeable"), ('x', "executable")] {
        stat.insert(name.to_owned(), may.contains(letter).into());
    }
    if let Some(target) = result.shift_remove("lnk_target") {
        stat.insert("lnk_target".to_owned(), target);
        stat.insert("lnk_source".to_owned(), result.shift_remove("lnk_source").unwrap_or_default());
    }
    if let Some(sum) = result.shift_remove("checksum") {
        stat.insert("checksum".to_owned(), sum);
    }
    if let Some(mime) = result.shift_remove("mime") {
        let mime = mime.as_str().unwrap_or_default();
        let (kind, charset) = mime.split_once("charset=").unwrap_or((mime, "unknown"));
        stat.insert("mimetype".to_owned(), kind.trim().trim_end_matches(';').into());
        stat.insert("charset".to_owned(), charset.trim().into());
    }
    if let Some(attr) = result.shift_remove("attr") {
        let attr = attr.as_str().unwrap_or_default();
        let (version, flags) = attr.trim().split_once(char::is_whitespace).unwrap_or_default();
        let flags: String = flags.chars().filter(char::is_ascii_alphabetic).collect();
        stat.insert("version".to_owned(), version.into());
        let names: Vec<Value> = flags.chars().filter_map(flag_name).map(Value::from).collect();
        stat.insert("attributes".to_owned(), names.into());
        stat.insert("attr_flags".to_owned(), flags.into());
    }
    result.insert("stat".to_owned(), Value::Object(stat));
}

#[cfg(test)]
mod tests {
    use super::{STAT, finish};
    use crate::playbook::modules::common::trial::{Trial, args};

    #[test]
    fn files_links_and_nothing_are_told_apart() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            trial.write("f", "abc", 0o640);
            std::os::unix::fs::symlink("f", trial.path("l")).unwrap();
            let look = |yaml: &str| {
                let task = args(&STAT, yaml);
                let mut said = trial.run(shell, &STAT, &task);
                assert!(!said.changed && said.failed.is_none(), "{said:?}");
                finish(&task, &mut said.result);
                said.result["stat"].clone()
            };
            let file = look("{path: f}");
            assert_eq!(file["checksum"], "a9993e364706816aba3e25717850c26c9cd0d89d");
            assert_eq!((&file["mimetype"], &file["charset"]), (&"text/plain".into(), &"us-ascii".into()));
            assert_eq!((&file["mode"], &file["size"], &file["isreg"]), (&"0640".into(), &3.into(), &true.into()));
            assert_eq!((&file["roth"], &file["rgrp"], &file["pw_name"]), (&false.into(), &true.into(), &"root".into()));
            let link = look("{path: l}");
            assert_eq!((&link["islnk"], &link["lnk_target"]), (&true.into(), &"f".into()));
            assert_eq!(look("{path: l, follow: true, get_checksum: false}")["isreg"], true);
            assert_eq!(look("{path: none}"), serde_json::json!({"exists": false}));
        }
    }
}
