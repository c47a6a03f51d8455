//! `synchronize`: a folder of the controller and one of the host made alike.
//!
//! No rsync is needed on either side: both sides are listed, and what differs travels as one tar over the connection
//! that is open anyway.

use super::common::{
    Step, arg,
    beside::{Source, receive, send},
    flag, given, list, quote, required, text, with_default,
};
use super::copy::find;
use super::fetch::here;
use super::talk::{Host, Talk, Trouble};
use super::{Act, Arg, Args, Kind, Module, Outcome, Scope, Script};
use indexmap::IndexMap;
use serde_json::{Map, Value};
use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// The module.
pub static SYNCHRONIZE: Module = Module {
    name: "synchronize",
    collections: &["ansible.posix"],
    summary: "makes a folder of the host like one of the controller, or the other way round",
    args: &[
        required("src", Kind::Str, "where from; with a slash behind, what is in the folder"),
        required("dest", Kind::Str, "where to"),
        Arg { choices: &["pull", "push"], ..with_default("mode", Kind::Str, "push", "`pull`: from the host to here") },
        with_default("archive", Kind::Bool, "true", "links, times, modes, owners, and all below"),
        with_default("checksum", Kind::Bool, "false", "compare contents, not times"),
        with_default("delete", Kind::Bool, "false", "remove what the source does not have"),
        with_default("existing_only", Kind::Bool, "false", "leave out what is not there yet"),
        with_default("copy_links", Kind::Bool, "false", "what links point to, in their place"),
        with_default("dirs", Kind::Bool, "false", "the folder itself, without what is below"),
        arg("recursive", Kind::Bool, "all below; `archive` unless given"),
        arg("links", Kind::Bool, "links as links; `archive` unless given"),
        arg("perms", Kind::Bool, "modes; `archive` unless given"),
        arg("times", Kind::Bool, "times; `archive` unless given"),
        arg("owner", Kind::Bool, "owners; `archive` unless given"),
        arg("group", Kind::Bool, "groups; goes with `owner`"),
        arg("rsync_opts", Kind::List, "only `--exclude=…`, and what changes nothing here"),
        with_default("compress", Kind::Bool, "true", "accepted: what shrinks is compressed"),
        with_default("delay_updates", Kind::Bool, "true", "accepted: a file is replaced as a whole"),
        with_default("partial", Kind::Bool, "false", "accepted: nothing half is kept"),
        arg("dest_port", Kind::Int, "accepted: the open connection is used"),
        arg("private_key", Kind::Path, "accepted: the open connection is used"),
        arg("rsync_path", Kind::Str, "accepted: no rsync is used"),
        with_default("rsync_timeout", Kind::Int, "0", "accepted: `timeout` of the task counts"),
        arg("set_remote_user", Kind::Bool, "accepted: the open connection is used"),
        arg("use_ssh_args", Kind::Bool, "accepted: the open connection is used"),
        arg("ssh_connection_multiplexing", Kind::Bool, "accepted: the open connection is used"),
        arg("verify_host", Kind::Bool, "accepted: the open connection is used"),
        arg("link_dest", Kind::List, "not supported"),
    ],
    free_form: None,
    act: Act::Shell { library: &[SH], script },
};

const SH: &str = r#"
# b_sync_list FOLDER: what is in it, a line each: the token, mode, time, size, the name, a link's goal.
b_sync_list() {
  [ -d "$1" ] || return 0
  (cd "$1" && find . -mindepth 1 -exec sh -c '
    tok=$1 sums=$2
    shift 2
    for f; do
      printf "%s" "$tok"
      stat -c "%f %Y %s" -- "$f" | tr "\n" " "
      if [ -h "$f" ]; then readlink -- "$f" | tr "\n" "/"; printf "/"
      elif [ -n "$sums" ] && [ -f "$f" ]; then sha1sum <"$f" | cut -c 1-40 | tr "\n" "/"; printf "/"
      else printf "//"; fi
      printf "%s" "$f"
    done' sh "$b_tok" "$b_sums" {} +)
}
"#;

/// One thing in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    bits: u32,
    time: i64,
    size: u64,
    /// A link's goal, or a file's checksum when those are compared.
    more: String,
}

impl Entry {
    fn kind(&self) -> u32 {
        self.bits & 0o170_000
    }
}

const FOLDER: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_000;

type Tree = IndexMap<String, Entry>;

#[allow(clippy::struct_excessive_bools, reason = "independent wishes of the task")]
struct Ways {
    recursive: bool,
    links: bool,
    perms: bool,
    times: bool,
    owner: bool,
    checksum: bool,
    copy_links: bool,
    existing: bool,
    excludes: Vec<String>,
}

fn ways(args: &Args) -> Result<Ways, String> {
    if given(args, "link_dest") {
        return Err("`link_dest` is not supported; take it out of the task".to_owned());
    }
    let archive = flag(args, "archive");
    let on = |name: &str| args.bool(name).unwrap_or(archive);
    let mut excludes = Vec::new();
    for option in list(args, "rsync_opts").unwrap_or_default() {
        let idle = [
            "-v",
            "-z",
            "-h",
            "--compress",
            "--verbose",
            "--stats",
            "--progress",
            "--human-readable",
            "--quiet",
            "-q",
            "--no-motd",
            "--partial",
        ];
        if let Some(pattern) = option.strip_prefix("--exclude=") {
            excludes.push(pattern.trim_matches(['"', '\'']).to_owned());
        } else if !idle.contains(&option.as_str()) {
            return Err(format!("`rsync_opts: {option}` is not supported: no rsync is used; `--exclude=…` is"));
        }
    }
    Ok(Ways {
        recursive: on("recursive") && !flag(args, "dirs"),
        links: on("links"),
        perms: on("perms"),
        times: on("times"),
        owner: on("owner"),
        checksum: flag(args, "checksum"),
        copy_links: flag(args, "copy_links"),
        existing: flag(args, "existing_only"),
        excludes,
    })
}

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    ways(args)?;
    let src = text(args, "src").unwrap_or_default();
    let from = if text(args, "mode") == Some("pull") { PathBuf::new() } else { find(src, "files", scope)? };
    Ok(Talk::new(move |args, host| talk(args, host, from.clone())).script())
}

/// A shell pattern against a name, or when it holds a slash against the path.
fn excluded(ways: &Ways, path: &str) -> bool {
    let wild = |pattern: &str, text: &str| {
        let expression =
            fancy_regex::escape(pattern).replace("\\*\\*", ".*").replace("\\*", "[^/]*").replace("\\?", "[^/]");
        fancy_regex::Regex::new(&format!("\\A(?s:{expression})\\z"))
            .is_ok_and(|regex| regex.is_match(text).unwrap_or(false))
    };
    let parts: Vec<&str> = path.split('/').collect();
    ways.excludes.iter().any(|pattern| {
        let plain = pattern.trim_end_matches('/');
        match plain.strip_prefix('/') {
            Some(anchored) => (1..=parts.len()).any(|n| wild(anchored, &parts[..n].join("/"))),
            None if plain.contains('/') => {
                (0..parts.len()).any(|from| (from + 1..=parts.len()).any(|to| wild(plain, &parts[from..to].join("/"))))
            }
            None => parts.iter().any(|part| wild(plain, part)),
        }
    })
}

fn local(top: &Path, ways: &Ways) -> Result<Tree, String> {
    fn walk(top: &Path, below: &str, ways: &Ways, tree: &mut Tree) -> Result<(), String> {
        let folder = top.join(below);
        let wrong = |why: std::io::Error| format!("cannot read `{}`: {why}", folder.display());
        let mut names: Vec<_> = fs::read_dir(&folder)
            .map_err(wrong)?
            .collect::<Result<Vec<_>, _>>()
            .map_err(wrong)?
            .iter()
            .map(fs::DirEntry::file_name)
            .collect();
        names.sort();
        for name in names {
            let name = name.to_str().ok_or_else(|| format!("`{}` holds a name that is no UTF-8", folder.display()))?;
            let path = if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") };
            if excluded(ways, &path) {
                continue;
            }
            let full = top.join(&path);
            let meta = if ways.copy_links { full.metadata() } else { full.symlink_metadata() }.map_err(wrong)?;
            let more = if meta.is_symlink() {
                fs::read_link(&full).map_err(wrong)?.to_string_lossy().into_owned()
            } else if meta.is_file() && ways.checksum {
                super::common::put::Seen::of(&Source::File(full.clone()))?.sha1
            } else {
                String::new()
            };
            tree.insert(path.clone(), Entry { bits: meta.mode(), time: meta.mtime(), size: meta.len(), more });
            if meta.is_dir() && path.split('/').count() < 100 {
                walk(top, &path, ways, tree)?;
            }
        }
        Ok(())
    }
    let mut tree = Tree::new();
    if top.is_dir() && ways.recursive {
        walk(top, "", ways, &mut tree)?;
    }
    Ok(tree)
}

async fn remote(args: &Args, host: &Host, top: &str, ways: &Ways) -> Result<Tree, Trouble> {
    let token = format!("@{:032x}@", rand::random::<u128>());
    let sums = if ways.checksum { "1" } else { "" };
    let text =
        format!("b_tok={}\nb_sums={sums}\nb_x=$(b_sync_list {})\nout list \"$b_x\"", quote(&token)?, quote(top)?);
    let said = host.must(args, text).await?;
    let mut tree = Tree::new();
    for line in said.get("list").and_then(Value::as_str).unwrap_or_default().split(&token).skip(1) {
        let Some((numbers, rest)) = line.split_once("//./") else { continue };
        let mut words = numbers.splitn(4, ' ');
        let mut word = || words.next().unwrap_or_default();
        let (bits, time, size, more) = (word(), word(), word(), word());
        let entry = Entry {
            bits: u32::from_str_radix(bits, 16).unwrap_or_default(),
            time: time.parse().unwrap_or_default(),
            size: size.parse().unwrap_or_default(),
            more: more.to_owned(),
        };
        if !excluded(ways, rest) {
            tree.insert(rest.to_owned(), entry);
        }
    }
    Ok(tree)
}

/// What of `from` must travel.
fn differing(from: &Tree, to: &Tree, ways: &Ways) -> Vec<String> {
    let differs = |name: &String, entry: &Entry| {
        let Some(there) = to.get(name) else { return !ways.existing };
        if there.kind() != entry.kind() {
            return true;
        }
        if ways.perms && entry.kind() != LINK && (there.bits ^ entry.bits) & 0o7777 != 0 {
            return true;
        }
        match entry.kind() {
            LINK => there.more != entry.more,
            FILE if ways.checksum => there.size != entry.size || there.more != entry.more,
            FILE => there.size != entry.size || there.time != entry.time,
            _ => false,
        }
    };
    let known = |entry: &Entry| matches!(entry.kind(), FOLDER | FILE) || entry.kind() == LINK && ways.links;
    from.iter().filter(|(name, entry)| known(entry) && differs(name, entry)).map(|(name, _)| name.clone()).collect()
}

async fn talk(args: Args, host: Host, from: PathBuf) -> Result<Outcome, Trouble> {
    let ways = ways(&args)?;
    let (src, dest) = (text(&args, "src").unwrap_or_default(), text(&args, "dest").unwrap_or_default());
    let pull = text(&args, "mode") == Some("pull");
    // A path of the host, expanded there.
    let there = if pull { src } else { dest };
    let mut step = Step::default();
    step.set_path("b_path", there)?;
    step.run("case $b_path in /*) ;; *) b_path=$PWD/$b_path ;; esac\nout path \"$b_path\"\nif [ -d \"$b_path\" ]; then out kind folder; elif [ -e \"$b_path\" ]; then out kind file; else out kind none; fi");
    let said = host.must(&args, step.done().text).await?;
    let get = |key: &str| said.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (path, kind) = (get("path"), get("kind"));
    let name = |path: &str| path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
    let work = if pull {
        let to = here(dest, &host.scope.vars);
        match kind.as_str() {
            "folder" => {
                let to = if src.ends_with('/') { to } else { to.join(name(&path)) };
                let theirs = remote(&args, &host, &path, &ways).await?;
                let ours = if to.is_dir() { local(&to, &ways)? } else { Tree::new() };
                let wanted = differing(&theirs, &ours, &ways);
                let extra = extra(&args, &theirs, &ours);
                if !host.scope.check {
                    fs::create_dir_all(&to).map_err(|why| format!("cannot make `{}`: {why}", to.display()))?;
                    take(&args, &host, &path, &to, &wanted, &ways).await?;
                    for name in &extra {
                        let full = to.join(name);
                        let gone = if full.is_dir() && !full.is_symlink() {
                            fs::remove_dir_all(&full)
                        } else {
                            fs::remove_file(&full)
                        };
                        gone.map_err(|why| format!("cannot remove `{}`: {why}", full.display()))?;
                    }
                }
                (wanted, extra)
            }
            "file" => {
                let (top, name) = path.rsplit_once('/').unwrap_or_default();
                let to = if dest.ends_with('/') || to.is_dir() { to.join(name) } else { to };
                let size = host
                    .must(
                        &args,
                        format!(
                            "outj size \"$(($(wc -c <{0})))\"\nb_x=$(sha1sum <{0})\nout sum \"${{b_x%% *}}\"",
                            quote(&path)?
                        ),
                    )
                    .await?;
                let same = super::common::put::Seen::of(&Source::File(to.clone()))
                    .is_ok_and(|seen| size.get("sum") == Some(&Value::from(seen.sha1)));
                if !same && !host.scope.check {
                    let mut file =
                        fs::File::create(&to).map_err(|why| format!("cannot write `{}`: {why}", to.display()))?;
                    receive(
                        &host,
                        &format!("{top}/{name}"),
                        size.get("size").and_then(Value::as_u64).unwrap_or_default(),
                        &mut file,
                    )
                    .await?;
                }
                (if same { vec![] } else { vec![name.to_owned()] }, vec![])
            }
            _ => return Err(format!("`{path}` does not exist on the host").into()),
        }
    } else if from.is_dir() {
        let top = if src.ends_with('/') { path } else { format!("{}/{}", path.trim_end_matches('/'), name(src)) };
        let ours = local(&from, &ways)?;
        let theirs = remote(&args, &host, &top, &ways).await?;
        let wanted = differing(&ours, &theirs, &ways);
        let extra = extra(&args, &ours, &theirs);
        if !host.scope.check {
            give(&args, &host, &from, &top, &wanted, &extra, &ways).await?;
        }
        (wanted, extra)
    } else {
        let name = name(src);
        let (top, there) = if kind == "folder" || dest.ends_with('/') {
            (path.trim_end_matches('/').to_owned(), name.clone())
        } else {
            path.rsplit_once('/').map(|(top, name)| (top.to_owned(), name.to_owned())).unwrap_or_default()
        };
        if there != name {
            return Err(format!(
                "`synchronize` keeps a file's name; give `dest` a slash behind, or use `copy` for `{there}`"
            )
            .into());
        }
        let meta = from.metadata().map_err(|why| format!("cannot read `{}`: {why}", from.display()))?;
        let more =
            if ways.checksum { super::common::put::Seen::of(&Source::File(from.clone()))?.sha1 } else { String::new() };
        let one =
            Tree::from_iter([(name.clone(), Entry { bits: meta.mode(), time: meta.mtime(), size: meta.len(), more })]);
        let wanted = differing(
            &one,
            &remote(&args, &host, &top, &Ways { excludes: vec![], ..ways }).await?,
            &self::ways(&args)?,
        );
        let ways = self::ways(&args)?;
        if !host.scope.check {
            give(&args, &host, from.parent().unwrap_or(Path::new("/")), &top, &wanted, &[], &ways).await?;
        }
        (wanted, vec![])
    };
    let (wanted, extra) = work;
    let lines: Vec<Value> =
        wanted.iter().cloned().chain(extra.iter().map(|name| format!("*deleting {name}"))).map(Value::from).collect();
    let message: Vec<String> = lines.iter().filter_map(|line| line.as_str().map(str::to_owned)).collect();
    let result = Map::from_iter([
        ("rc".to_owned(), 0.into()),
        ("msg".to_owned(), message.join("\n").into()),
        ("stdout_lines".to_owned(), lines.into()),
    ]);
    Ok(Outcome { changed: !(wanted.is_empty() && extra.is_empty()), result, ..Outcome::default() })
}

/// What only the destination has, when that is to go; what lies below another of them goes with it.
fn extra(args: &Args, from: &Tree, to: &Tree) -> Vec<String> {
    if !flag(args, "delete") {
        return Vec::new();
    }
    let mut found: Vec<String> = Vec::new();
    for name in to.keys().filter(|name| !from.contains_key(*name)) {
        if !found.iter().any(|top| name.strip_prefix(top.as_str()).is_some_and(|rest| rest.starts_with('/'))) {
            found.push(name.clone());
        }
    }
    found
}

/// Sends what is wanted as one tar and removes what is extra.
async fn give(
    args: &Args,
    host: &Host,
    from: &Path,
    top: &str,
    wanted: &[String],
    extra: &[String],
    ways: &Ways,
) -> Result<(), Trouble> {
    let top = quote(top)?;
    for part in extra.chunks(200) {
        let names: Result<Vec<String>, String> = part.iter().map(|name| quote(&format!("./{name}"))).collect();
        host.must(args, format!("cd -- {top} && rm -rf -- {} || fail 'cannot remove what is extra'", names?.join(" ")))
            .await?;
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let file = tempfile::NamedTempFile::new().map_err(|why| format!("cannot make a temporary file: {why}"))?;
    let mut tar = tar::Builder::new(file.reopen().map_err(|why| format!("cannot write: {why}"))?);
    tar.follow_symlinks(ways.copy_links);
    for name in wanted {
        let wrong = |why: std::io::Error| format!("cannot read `{}`: {why}", from.join(name).display());
        tar.append_path_with_name(from.join(name), name).map_err(wrong)?;
    }
    tar.finish().map_err(|why| format!("cannot write: {why}"))?;
    let said = host.must(args, "b_x=$(mktemp -d \"${TMPDIR:-/tmp}/.berth.XXXXXXXXXX\") || fail 'cannot make a temporary folder'\nout folder \"$b_x\"".to_owned()).await?;
    let folder = said.get("folder").and_then(Value::as_str).unwrap_or_default().to_owned();
    send(host, &folder, "tar", &Source::File(file.path().to_owned())).await?;
    let options = format!(
        "-x{}{}{}",
        if ways.perms { "p" } else { "" },
        if ways.times { "" } else { "m" },
        if ways.owner { "" } else { "o" }
    );
    let place = quote(&folder)?;
    // What stands in the way as another kind is taken away first.
    host.must(
        args,
        format!("mkdir -p -- {top} && tar {options} -f {place}/tar -C {top} 2>{place}/why || {{ b_x=$(head -c 2000 {place}/why); rm -rf {place}; fail \"cannot unpack: $b_x\"; }}\nrm -rf {place}"),
    )
    .await?;
    Ok(())
}

/// Fetches what is wanted as one tar.
async fn take(args: &Args, host: &Host, top: &str, to: &Path, wanted: &[String], ways: &Ways) -> Result<(), Trouble> {
    if wanted.is_empty() {
        return Ok(());
    }
    for part in wanted.chunks(500) {
        let names: Result<Vec<String>, String> = part.iter().map(|name| quote(&format!("./{name}"))).collect();
        let follow = if ways.copy_links { "-h" } else { "" };
        let said = host
            .must(
                args,
                format!(
                    "b_x=$(mktemp \"${{TMPDIR:-/tmp}}/.berth.XXXXXXXXXX\") || fail 'cannot make a temporary file'\ncd -- {} && tar {follow} --no-recursion -cf \"$b_x\" {} || fail 'cannot pack what is wanted'\nout file \"$b_x\"\noutj size \"$(($(wc -c <\"$b_x\")))\"",
                    quote(top)?,
                    names?.join(" ")
                ),
            )
            .await?;
        let path = said.get("file").and_then(Value::as_str).unwrap_or_default().to_owned();
        let size = said.get("size").and_then(Value::as_u64).unwrap_or_default();
        let mut file = tempfile::tempfile().map_err(|why| format!("cannot make a temporary file: {why}"))?;
        receive(host, &path, size, &mut file).await?;
        host.must(args, format!("rm -f -- {}", quote(&path)?)).await?;
        std::io::Seek::rewind(&mut file).map_err(|why| format!("cannot read: {why}"))?;
        let mut tar = tar::Archive::new(file);
        tar.set_preserve_permissions(ways.perms);
        tar.set_preserve_mtime(ways.times);
        tar.set_overwrite(true);
        tar.unpack(to).map_err(|why| format!("cannot write into `{}`: {why}", to.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::SYNCHRONIZE;
    use crate::playbook::modules::common::trial::{Trial, args};
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn folders_become_alike_both_ways() {
        let trial = Trial::new();
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path();
        std::fs::create_dir_all(here.join("from/sub/deep")).unwrap();
        std::fs::write(here.join("from/a b"), "one").unwrap();
        std::fs::write(here.join("from/sub/$(touch canary)"), vec![7; 100_000]).unwrap();
        std::fs::set_permissions(here.join("from/a b"), std::fs::Permissions::from_mode(0o640)).unwrap();
        std::fs::write(here.join("from/no.log"), "x").unwrap();
        symlink("../from/a b", here.join("from/link")).unwrap();
        for shell in Trial::SHELLS {
            trial.wipe();
            let run = |yaml: &str| trial.run(shell, &SYNCHRONIZE, &args(&SYNCHRONIZE, &format!("{{{yaml}}}")));
            let push = format!(
                "src: {}/from/, dest: {}/to, delete: true, rsync_opts: ['--exclude=*.log']",
                here.display(),
                trial.at()
            );
            let look = trial.check(shell, &SYNCHRONIZE, &args(&SYNCHRONIZE, &format!("{{{push}}}")));
            assert!(look.changed && !trial.path("to").exists(), "{look:?}");
            let first = run(&push);
            assert!(first.changed && first.failed.is_none(), "{shell:?} {first:?}");
            assert_eq!((trial.read("to/a b").as_str(), trial.mode("to/a b")), ("one", 0o640));
            assert_eq!(std::fs::read(trial.path("to/sub/$(touch canary)")).unwrap().len(), 100_000);
            assert!(trial.path("to/link").is_symlink() && trial.path("to/sub/deep").is_dir());
            assert!(!trial.path("to/no.log").exists());
            let again = run(&push);
            assert!(!again.changed && again.failed.is_none(), "{shell:?} {again:?}");
            trial.write("to/extra", "x", 0o644);
            assert!(run(&push).changed && !trial.path("to/extra").exists());
            let pull =
                format!("src: {}/to, dest: {}/{shell:?}, mode: pull, checksum: true", trial.at(), here.display());
            let back = run(&pull);
            assert!(back.changed && back.failed.is_none(), "{shell:?} {back:?}");
            assert_eq!(std::fs::read_to_string(here.join(format!("{shell:?}/to/a b"))).unwrap(), "one");
            assert!(!run(&pull).changed, "{shell:?}");
            let odd = run(&format!("src: {}/from/, dest: {}/to, rsync_opts: ['--rsh=x']", here.display(), trial.at()));
            assert!(odd.failed.unwrap().contains("no rsync is used"));
            assert!(!trial.path("canary").exists());
        }
    }
}
