//! `find`: files by name, age, size, kind, mode and content.
//!
//! The host lists what lies below the paths in one step; names, ages and sizes are judged here. Only `contains` and
//! `get_checksum` ask once more, about those files alone that everything else chose.

use super::common::{
    ATTRS, Step, arg, beside,
    ere::{self, Reader},
    flag, list, mode,
    python::{Flags, compile},
    quote, required, text, with_default,
};
use super::stat::facts;
use super::talk::{Host, Talk, Trouble};
use super::{Act, Arg, Args, Kind, Module, Outcome, Scope, Script};
use fancy_regex::Regex;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// The module.
pub static FIND: Module = Module {
    name: "find",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "finds files by name, age, size, kind, mode and content",
    args: &[
        Arg { aliases: &["name", "path"], ..required("paths", Kind::List, "folders to look in") },
        Arg { aliases: &["pattern"], ..arg("patterns", Kind::List, "names, as shell patterns or regular expressions") },
        Arg { aliases: &["exclude"], ..arg("excludes", Kind::List, "names to leave out, written as `patterns` are") },
        arg("contains", Kind::Str, "regular expression that a line of the file begins with"),
        with_default("read_whole_file", Kind::Bool, "false", "search `contains` in the whole file, not by lines"),
        Arg {
            choices: &["any", "directory", "file", "link"],
            ..with_default("file_type", Kind::Str, "file", "what kind of thing")
        },
        arg("age", Kind::Str, "at least this old (`2d`), or with `-` at most; units s, m, h, d, w"),
        Arg {
            choices: &["atime", "ctime", "mtime"],
            ..with_default("age_stamp", Kind::Str, "mtime", "which time counts for `age`")
        },
        arg("size", Kind::Str, "at least this big (`10m`), or with `-` at most; units b, k, m, g, t"),
        with_default("recurse", Kind::Bool, "false", "also below, not only in the folders themselves"),
        with_default("hidden", Kind::Bool, "false", "also names that begin with a dot"),
        with_default("follow", Kind::Bool, "false", "follow links to folders"),
        with_default("get_checksum", Kind::Bool, "false", "with the files' checksums"),
        Arg {
            aliases: &["checksum", "checksum_algo"],
            choices: &["md5", "sha1", "sha224", "sha256", "sha384", "sha512"],
            ..with_default("checksum_algorithm", Kind::Str, "sha1", "which checksum")
        },
        with_default("use_regex", Kind::Bool, "false", "`patterns` and `excludes` are regular expressions"),
        arg("depth", Kind::Int, "with `recurse`: how deep at most"),
        arg("mode", Kind::Raw, "permissions, as text"),
        with_default("exact_mode", Kind::Bool, "true", "false: any of the bits of `mode` is enough"),
        arg("encoding", Kind::Str, "how the files that `contains` looks into are written"),
        arg("limit", Kind::Int, "stop after this many"),
    ],
    free_form: None,
    act: Act::Shell { library: &[ATTRS, SH], script },
};

const SH: &str = r#"
# b_find PATH: what lies below, a line each: the token, the kind of facts that `stat` has, the name.
b_find() {
  if [ ! -d "$1" ]; then b_skipped="$b_skipped$b_tok$1"; return 0; fi
  case $1 in -*) set -- "./$1" ;; esac
  printf '%sR/%s\n' "$b_tok" "$1"
  find $b_L "$1" -mindepth 1 $b_depth -exec stat -c "$b_tok%f %a %u %g %s %h %i %d %.X %.Y %.Z %b %o %t %T %U:%G/%n" {} + 2>>"$b_log" || b_bad=1
}
b_find_all() {
  b_skipped= b_bad=
  b_log=$(mktemp) || fail 'cannot make a temporary file'
  b_list=$(for b_p; do b_find "$b_p"; done; printf '%sS%s' "$b_tok" "$b_skipped")
  out list "$b_list"
  outj now "$(date +%s)"
  b_x=$(head -c 4096 "$b_log"; rm -f "$b_log")
  out trouble "$b_x"
}
"#;

/// What a task looks for.
#[derive(Debug, Clone)]
struct Want {
    patterns: Vec<Regex>,
    excludes: Vec<Regex>,
    kind: String,
    age: Option<i64>,
    stamp: String,
    size: Option<i64>,
    hidden: bool,
    mode: Option<u64>,
    exact: bool,
    limit: usize,
    token: String,
}

/// `2d` with these units, in the smallest.
fn measure(name: &str, given: &str, units: &[(&str, i64)]) -> Result<i64, String> {
    let given = given.trim().to_lowercase();
    let end = given.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(given.len());
    let unit = if end == given.len() { Some(1) } else { units.iter().find(|(u, _)| *u == &given[end..]).map(|u| u.1) };
    let number = given[..end].parse::<i64>().ok();
    number.zip(unit).and_then(|(n, unit)| n.checked_mul(unit)).ok_or_else(|| format!("failed to process {name}"))
}

/// A shell pattern as a regular expression for a whole name.
fn glob(pattern: &str) -> String {
    let mut out = String::from("(?s)\\A");
    let chars: Vec<char> = pattern.chars().collect();
    let mut at = 0;
    while at < chars.len() {
        match chars[at] {
            '*' => out.push_str(".*"),
            '?' => out.push('.'),
            '[' => {
                let from = at + 1 + usize::from(chars.get(at + 1) == Some(&'!'));
                // A bracket right at the start is a member.
                let end = (from + 1..chars.len()).find(|i| chars[*i] == ']');
                match end {
                    Some(end) => {
                        out.push('[');
                        if from == at + 2 {
                            out.push('^');
                        }
                        for c in &chars[from..end] {
                            if "[]\\^&~".contains(*c) {
                                out.push('\\');
                            }
                            out.push(*c);
                        }
                        out.push(']');
                        at = end;
                    }
                    None => out.push_str("\\["),
                }
            }
            c => out.push_str(&fancy_regex::escape(&c.to_string())),
        }
        at += 1;
    }
    out.push_str("\\z");
    out
}

fn want(args: &Args) -> Result<Want, String> {
    let regexes = |name: &str| -> Result<Vec<Regex>, String> {
        let given = list(args, name).unwrap_or_default();
        let wrong = |why: fancy_regex::Error| format!("`{name}`: {why}");
        given
            .iter()
            .map(|pattern| {
                if flag(args, "use_regex") {
                    compile(&format!("\\A(?:{pattern})"), Flags::default())
                } else {
                    Regex::new(&glob(pattern)).map_err(wrong)
                }
            })
            .collect()
    };
    let age = text(args, "age")
        .map(|age| measure("age", age, &[("s", 1), ("m", 60), ("h", 3600), ("d", 86_400), ("w", 604_800)]));
    let size = text(args, "size")
        .map(|size| measure("size", size, &[("b", 1), ("k", 1 << 10), ("m", 1 << 20), ("g", 1 << 30), ("t", 1 << 40)]));
    let limit = args.int("limit");
    if let Some(limit) = limit.filter(|limit| *limit <= 0) {
        return Err(format!("limit cannot be {limit} (leave it out for no limit)"));
    }
    let mode = match args.get("mode") {
        None => None,
        Some(Value::String(spec)) => {
            let spec = mode::parse(&Value::String(spec.clone()))?.unwrap_or_default();
            Some(mode::bits(&spec, 0, false))
        }
        Some(other) => {
            return Err(format!("argument 'mode' is not a string and conversion is not allowed, value is `{other}`"));
        }
    };
    Ok(Want {
        patterns: regexes("patterns")?,
        excludes: regexes("excludes")?,
        kind: text(args, "file_type").unwrap_or("file").to_owned(),
        age: age.transpose()?,
        stamp: text(args, "age_stamp").unwrap_or("mtime").to_owned(),
        size: size.transpose()?,
        hidden: flag(args, "hidden"),
        mode,
        exact: flag(args, "exact_mode"),
        limit: limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX),
        token: format!("@{:032x}@", rand::random::<u128>()),
    })
}

fn script(args: &Args, _: &Scope) -> Result<Script, String> {
    let want = want(args)?;
    if let Some(pattern) = text(args, "contains") {
        compile(pattern, Flags::default())?;
    }
    Ok(Talk::new(move |args, host| talk(args, host, want.clone())).script())
}

/// The step that lists everything.
fn listing(args: &Args, token: &str) -> Result<String, String> {
    let mut step = Step::default();
    step.set("b_tok", token)?.set("b_L", if flag(args, "follow") { "-L" } else { "" })?;
    let depth = match (flag(args, "recurse"), args.int("depth")) {
        (false, _) => "-maxdepth 1".to_owned(),
        // One level more is looked at, and left out later.
        (true, Some(depth)) if depth > 0 => format!("-maxdepth {}", depth + 1),
        (true, _) => String::new(),
    };
    step.set("b_depth", &depth)?.run("set --");
    for path in list(args, "paths").unwrap_or_default() {
        step.set_path("b_path", &path)?.run("set -- \"$@\" \"$b_path\"");
    }
    step.run("b_find_all \"$@\"");
    Ok(step.done().text)
}

async fn talk(args: Args, host: Host, want: Want) -> Result<Outcome, Trouble> {
    let said = host.must(&args, listing(&args, &want.token)?).await?;
    let get = |key: &str| said.get(key).and_then(Value::as_str).unwrap_or_default();
    let now = said.get("now").and_then(Value::as_i64).unwrap_or_default();
    let (entries, skipped) = get("list").split_once(&format!("{}S", want.token)).unwrap_or_default();
    let mut examined = 0;
    let mut chosen = Vec::new();
    let depth = args.int("depth").and_then(|depth| usize::try_from(depth).ok()).filter(|depth| *depth > 0);
    let mut root = "";
    for entry in entries.split(&want.token).skip(1) {
        let Some((raw, path)) = entry.split_once('/') else { continue };
        let path = path.strip_suffix('\n').unwrap_or(path);
        if raw == "R" {
            root = path;
            continue;
        }
        examined += 1;
        let below = path.strip_prefix(root).unwrap_or(path).split('/').filter(|part| !part.is_empty()).count();
        if depth.is_some_and(|depth| below > depth) {
            continue;
        }
        let facts = facts(raw);
        if chosen.len() < want.limit && fits(&want, &facts, path, now) {
            let mut file = Map::from_iter([("path".to_owned(), Value::from(path))]);
            file.extend(facts);
            chosen.push(file);
        }
    }
    let mut bad = Map::new();
    if let Some(pattern) = text(&args, "contains")
        && want.kind == "file"
    {
        chosen = containing(&args, &host, chosen, pattern, &mut bad).await?;
    }
    if flag(&args, "get_checksum") {
        checksums(&args, &host, &mut chosen, &want.token).await?;
    }
    for path in skipped.split(&want.token).filter(|path| !path.is_empty()) {
        bad.insert(path.to_owned(), format!("'{path}' is not a directory").into());
    }
    for line in get("trouble").lines().filter(|line| line.contains("ermission denied")) {
        let path = line
            .split(['\'', '‘', '’'])
            .nth(1)
            .unwrap_or(line.trim_start_matches("find: "))
            .trim_end_matches(": Permission denied");
        bad.insert(path.to_owned(), format!("Permission denied: '{path}'").into());
    }
    let message =
        if bad.is_empty() { "All paths examined" } else { "Not all paths examined, check warnings for details" };
    let warnings: Vec<Value> = bad
        .iter()
        .map(|(path, why)| {
            format!("Skipped '{path}' path due to this access issue: {}", why.as_str().unwrap_or_default()).into()
        })
        .collect();
    let mut result = Map::from_iter([
        ("files".to_owned(), Value::from(chosen.iter().cloned().map(Value::Object).collect::<Vec<_>>())),
        ("matched".to_owned(), chosen.len().into()),
        ("examined".to_owned(), examined.into()),
        ("msg".to_owned(), message.into()),
        ("skipped_paths".to_owned(), Value::Object(bad)),
    ]);
    if !warnings.is_empty() {
        result.insert("warnings".into(), warnings.into());
    }
    Ok(Outcome { result, ..Outcome::default() })
}

fn fits(want: &Want, facts: &Map<String, Value>, path: &str, now: i64) -> bool {
    let is = |name: &str| facts.get(name) == Some(&Value::Bool(true));
    let number = |name: &str| facts.get(name).and_then(Value::as_f64).unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or(path);
    if name.starts_with('.') && !want.hidden {
        return false;
    }
    let kind = match want.kind.as_str() {
        "any" => true,
        "directory" => is("isdir"),
        "link" => is("islnk"),
        _ => is("isreg"),
    };
    let matches = |regexes: &[Regex]| regexes.iter().any(|regex| regex.is_match(name).unwrap_or(false));
    if !kind || (!want.patterns.is_empty() && !matches(&want.patterns)) || matches(&want.excludes) {
        return false;
    }
    #[expect(clippy::cast_precision_loss, reason = "ages and sizes fit a double")]
    let bounded = |value: f64, bound: i64| if bound >= 0 { value >= bound as f64 } else { value <= -(bound as f64) };
    #[expect(clippy::cast_precision_loss, reason = "seconds fit a double for ages")]
    let age = now as f64 - number(&want.stamp);
    if want.age.is_some_and(|bound| !bounded(age, bound)) {
        return false;
    }
    let sized = want.kind == "file" || want.kind == "any" && facts.get("isreg") == Some(&Value::Bool(true));
    if sized && want.size.is_some_and(|bound| !bounded(number("size"), bound)) {
        return false;
    }
    let bits =
        facts.get("mode").and_then(Value::as_str).and_then(|m| u64::from_str_radix(m, 8).ok()).unwrap_or_default();
    want.mode.is_none_or(|mode| if want.exact { bits == mode } else { bits & mode != 0 })
}

type Files = Vec<Map<String, Value>>;

fn path_of(file: &Map<String, Value>) -> &str {
    file.get("path").and_then(Value::as_str).unwrap_or_default()
}

/// The files that hold a line beginning with `pattern`; awk on the host judges where it can.
async fn containing(
    args: &Args,
    host: &Host,
    files: Files,
    pattern: &str,
    bad: &mut Map<String, Value>,
) -> Result<Files, Trouble> {
    let whole = flag(args, "read_whole_file");
    let anchored = format!("^(?:{pattern})");
    let label = text(args, "encoding").filter(|label| !label.is_empty());
    let awk = if whole || label.is_some() { Err(String::new()) } else { ere::translate(&anchored, Reader::Awk) };
    let mut kept = Vec::new();
    if let Ok(re) = awk {
        for part in files.chunks(500) {
            let mut text = format!("b_re={}\nset --\n", quote(&re)?);
            for file in part {
                let _ = writeln!(text, "set -- \"$@\" {}", quote(path_of(file))?);
            }
            text.push_str(
                "b_x=$(for b_f; do if [ -r \"$b_f\" ] && printf '%s\\n' \"$b_re\" | LC_ALL=C awk 'NR == 1 { re = $0; next } $0 ~ re { found = 1; exit } END { exit !found }' - \"$b_f\"; then printf 1; else printf 0; fi; done)\nout hits \"$b_x\"",
            );
            let said = host.must(args, text).await?;
            let hits = said.get("hits").and_then(Value::as_str).unwrap_or_default().bytes();
            kept.extend(part.iter().zip(hits).filter(|(_, hit)| *hit == b'1').map(|(file, _)| file.clone()));
        }
        return Ok(kept);
    }
    let regex = compile(pattern, Flags::default())?;
    let by_line = compile(&format!("\\A(?:{pattern})"), Flags::default())?;
    for file in files {
        let mut bytes = Vec::new();
        let size = file.get("size").and_then(Value::as_u64).unwrap_or_default();
        beside::receive(host, path_of(&file), size, &mut bytes).await?;
        let text = match label {
            None => String::from_utf8_lossy(&bytes).into_owned(),
            Some(label) => match decoded(label, &bytes, path_of(&file)) {
                Ok(text) => text,
                // As in Ansible, a file that cannot be read spoils the folder it was looked for in.
                Err(why) => {
                    let tops = list(args, "paths").unwrap_or_default();
                    let top = tops.iter().find(|top| path_of(&file).starts_with(top.trim_end_matches('/')));
                    bad.insert(top.cloned().unwrap_or_else(|| path_of(&file).to_owned()), why.into());
                    continue;
                }
            },
        };
        let hit = if whole {
            regex.is_match(text.as_str()).unwrap_or(false)
        } else {
            text.split_inclusive('\n').any(|line| by_line.is_match(line).unwrap_or(false))
        };
        if hit {
            kept.push(file);
        }
    }
    Ok(kept)
}

/// Bytes as text in the encoding that `label` names.
fn decoded(label: &str, bytes: &[u8], path: &str) -> Result<String, String> {
    let name = if label.eq_ignore_ascii_case("ascii") { "utf-8" } else { label };
    let Some(encoding) = encoding_rs::Encoding::for_label(name.replace('_', "-").as_bytes()) else {
        return Err(format!("unknown encoding: {label}"));
    };
    encoding
        .decode_without_bom_handling_and_without_replacement(bytes)
        .map(std::borrow::Cow::into_owned)
        .ok_or_else(|| format!("Failed to read the file {path} due to an encoding error. current encoding: {label}"))
}

async fn checksums(args: &Args, host: &Host, files: &mut Files, token: &str) -> Result<(), Trouble> {
    let program = format!("{}sum", text(args, "checksum_algorithm").unwrap_or("sha1"));
    for part in files.chunks_mut(500) {
        let mut text = format!("b_tok={}\nset --\n", quote(token)?);
        for file in part.iter() {
            let _ = writeln!(text, "set -- \"$@\" {}", quote(path_of(file))?);
        }
        let _ = write!(
            text,
            "b_x=$(for b_f; do printf %s \"$b_tok\"; [ ! -f \"$b_f\" ] || [ -h \"$b_f\" ] || {program} <\"$b_f\"; done)\nout sums \"$b_x\""
        );
        let said = host.must(args, text).await?;
        let sums = said.get("sums").and_then(Value::as_str).unwrap_or_default();
        for (file, sum) in part.iter_mut().zip(sums.split(token).skip(1)) {
            if let Some(sum) = sum.split_whitespace().next() {
                file.insert("checksum".into(), json!(sum));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{FIND, glob};
    use crate::playbook::modules::common::trial::{Trial, args};

    #[test]
    fn what_fits_is_found_and_nothing_else() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            std::fs::create_dir_all(trial.path("sub/deep")).unwrap();
            trial.write("a.log", "error: one\n", 0o644);
            trial.write("b.txt", &"x".repeat(5000), 0o600);
            trial.write(".hidden.log", "", 0o644);
            trial.write("sub/new\nline.log", " error\nx", 0o644);
            trial.write("sub/deep/$(touch canary)", "warning\n", 0o755);
            std::os::unix::fs::symlink("a.log", trial.path("link.log")).unwrap();
            for (task, meant) in [
                ("", &["a.log", "b.txt"][..]),
                ("recurse: true", &["$(touch canary)", "a.log", "b.txt", "new\nline.log"]),
                ("recurse: true, depth: 2", &["a.log", "b.txt", "new\nline.log"]),
                ("patterns: '*.log', hidden: true", &[".hidden.log", "a.log"]),
                ("patterns: ['^[ab]\\.'], use_regex: true", &["a.log", "b.txt"]),
                ("patterns: '*.log,*.txt', excludes: 'a*'", &["b.txt"]),
                ("size: 4k", &["b.txt"]),
                ("size: -4k", &["a.log"]),
                ("age: -1h", &["a.log", "b.txt"]),
                ("age: 1h", &[]),
                ("file_type: directory", &["sub"]),
                ("file_type: link", &["link.log"]),
                ("file_type: any", &["a.log", "b.txt", "link.log", "sub"]),
                ("mode: '0600'", &["b.txt"]),
                ("mode: 'u=x', exact_mode: false, recurse: true", &["$(touch canary)"]),
                ("contains: '.*one$'", &["a.log"]),
                ("contains: '(?<!y)error', recurse: true", &["a.log"]),
                ("contains: 'error', read_whole_file: true, recurse: true", &["a.log", "new\nline.log"]),
            ] {
                let task = args(&FIND, &format!("{{paths: {}, {task}}}", trial.at()));
                let said = trial.run(shell, &FIND, &task);
                assert!(!said.changed && said.failed.is_none(), "{said:?}");
                let files = said.result["files"].as_array().unwrap();
                let mut names: Vec<&str> =
                    files.iter().map(|f| f["path"].as_str().unwrap().rsplit('/').next().unwrap()).collect();
                names.sort_unstable();
                assert_eq!(names, meant, "{shell:?} {task:?}");
                assert_eq!(said.result["matched"], names.len());
            }
            let sums = args(&FIND, &format!("{{paths: ['{0}', '{0}/nix'], get_checksum: true, limit: 2}}", trial.at()));
            let said = trial.run(shell, &FIND, &sums);
            let a = said.result["files"].as_array().unwrap().iter().find(|f| f["size"] == 11).unwrap();
            assert_eq!(a["checksum"].as_str().map(str::len), Some(40));
            assert_eq!((&a["mode"], &a["isreg"]), (&"0644".into(), &true.into()));
            assert!(said.text("msg").starts_with("Not all"));
            assert!(said.result["skipped_paths"][format!("{}/nix", trial.at())].is_string());
            assert!(!trial.path("canary").exists());
        }
    }

    #[test]
    fn shell_patterns_become_expressions() {
        for (pattern, name, hit) in [
            ("*.[ch]", "a.c", true),
            ("[!a]*", "abc", false),
            ("a?", "ab", true),
            ("[", "[", true),
            ("[]]", "]", true),
            ("a.b", "axb", false),
        ] {
            assert_eq!(fancy_regex::Regex::new(&glob(pattern)).unwrap().is_match(name).unwrap(), hit, "{pattern}");
        }
    }
}
