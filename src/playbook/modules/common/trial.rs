//! A bench for trying a module's shell text without a connection: a small stand-in for the driver.

use crate::{
    playbook::modules::{
        Act, Args, AsyncScope, Module, Scope, Script, convert,
        talk::{Answer, Host, Talk},
    },
    remote::Reply,
};
use serde_json::{Map, Value};
use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

/// The driver's functions, each record ended by a byte that no text of ours holds.
const DRIVER: &str = r#"
changed() { printf 'C\036' >&3; }
out() { printf 'O%s\n%s\036' "$1" "$2" >&3; }
outj() { printf 'J%s\n%s\036' "$1" "$2" >&3; }
outs() { while [ $# -gt 1 ]; do printf '%s\n%s\036' "$1" "$2" >&3; shift 2; done; }
fail() { printf 'F%s\036' "$1" >&3; exit 1; }
skip() { printf 'S%s\036' "$1" >&3; exit 0; }
warn() { printf 'W%s\036' "$1" >&3; }
differ() { [ -z "$DIFF" ] || printf 'D%s\n%s\037%s\036' "$1" "$2" "$3" >&3; }
differ_file() { [ -z "$DIFF" ] || { printf 'D%s\n' "$1"; cat "$2"; printf '\037'; cat "$3"; printf '\036'; } >&3; }
capture() { "$@" >told.o 2>told.e 3>&-; __c=$?; outj rc "$__c"; out_file stdout told.o; out_file stderr told.e; rm -f told.o told.e; return "$__c"; }
out_file() { printf 'O%s\n' "$1" >&3; cat "$2" >&3; printf '\036' >&3; }
"#;

/// What a step said.
#[derive(Debug, Default)]
pub struct Said {
    pub changed: bool,
    pub failed: Option<String>,
    pub skipped: Option<String>,
    pub result: Map<String, Value>,
    pub diffs: Vec<(String, String, String)>,
    pub stderr: String,
}

impl Said {
    pub fn text(&self, key: &str) -> &str {
        self.result.get(key).and_then(Value::as_str).unwrap_or_default()
    }
}

/// A throwaway folder.
#[derive(Debug)]
pub struct Trial {
    dir: tempfile::TempDir,
}

/// Which shell with which tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shell {
    Dash,
    Busybox,
}

impl Trial {
    pub const SHELLS: [Shell; 2] = [Shell::Dash, Shell::Busybox];

    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub fn at(&self) -> String {
        format!("{}/d", self.dir.path().display())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("d").join(name)
    }

    pub fn wipe(&self) {
        let _ = std::fs::remove_dir_all(self.dir.path().join("d"));
        std::fs::create_dir(self.dir.path().join("d")).unwrap();
    }

    pub fn write(&self, name: &str, text: &str, mode: u32) {
        std::fs::write(self.path(name), text).unwrap();
        std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn mode(&self, name: &str) -> u32 {
        std::fs::symlink_metadata(self.path(name)).unwrap().permissions().mode() & 0o7777
    }

    pub fn run(&self, shell: Shell, module: &Module, args: &Args) -> Said {
        self.with(shell, module, args, "CHECK= DIFF=1")
    }

    pub fn check(&self, shell: Shell, module: &Module, args: &Args) -> Said {
        self.with(shell, module, args, "CHECK=1 DIFF=1")
    }

    /// Runs the module; `stand_in` is shell text that comes after the libraries.
    pub fn with_after(&self, shell: Shell, module: &Module, args: &Args, stand_in: &str) -> Said {
        self.go(shell, module, args, "CHECK= DIFF=1", stand_in)
    }

    /// Runs the module; `before` is shell text that comes first.
    pub fn with(&self, shell: Shell, module: &Module, args: &Args, before: &str) -> Said {
        self.go(shell, module, args, before, "")
    }

    fn go(&self, shell: Shell, module: &Module, args: &Args, before: &str, stand_in: &str) -> Said {
        if !self.path("").exists() {
            self.wipe();
        }
        let files = self.dir.path().join("files");
        let tools = match shell {
            Shell::Dash => "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
            Shell::Busybox => busybox_tools(self.dir.path()).display().to_string(),
        };
        let before = format!("PATH={tools}; export PATH\n{before}");
        let search = [self.dir.path().to_path_buf()];
        let script = match script_of(module, args, &search, &before) {
            Ok(made) => made,
            Err(why) => return Said { failed: Some(why), ..Said::default() },
        };
        let bench = Bench {
            module_library: library_of(module),
            before,
            stand_in: stand_in.to_owned(),
            files,
            dir: self.dir.path().to_path_buf(),
            shell,
        };
        match script.talk {
            None => bench.step(&script),
            Some(talk) => converse(&bench, &talk, args, &search),
        }
    }
}

/// Runs steps, each in a process of its own.
#[derive(Debug, Clone)]
struct Bench {
    module_library: String,
    before: String,
    stand_in: String,
    files: PathBuf,
    dir: PathBuf,
    shell: Shell,
}

impl Bench {
    fn step(&self, script: &Script) -> Said {
        let Self { before, stand_in, module_library, files, dir, shell } = self;
        let text = text_of(&files.display().to_string(), before, module_library, stand_in, &script.text);
        std::fs::create_dir_all(files).unwrap();
        for (name, bytes) in &script.files {
            std::fs::write(files.join(name), bytes).unwrap();
        }
        let told = dir.join("told");
        let program = dir.join("program");
        std::fs::write(&program, text).unwrap();
        let mut command = match shell {
            Shell::Dash => Command::new("dash"),
            Shell::Busybox => Command::new("busybox"),
        };
        if *shell == Shell::Busybox {
            command.arg("ash");
        }
        let wrapped = format!(". {} 3>{}", program.display(), told.display());
        let answer = command.args(["-c", &wrapped]).current_dir(dir.join("d")).stdin(Stdio::null()).output().unwrap();
        let mut said = parse(&std::fs::read(&told).unwrap());
        said.stderr = String::from_utf8_lossy(&answer.stderr).into_owned();
        assert!(answer.stdout.is_empty(), "talked: {}", String::from_utf8_lossy(&answer.stdout));
        said
    }
}

/// Leads a conversation whose steps run on the bench.
fn converse(bench: &Bench, talk: &Talk, args: &Args, search: &[PathBuf]) -> Said {
    let mine = bench.clone();
    let host = Host {
        scope: AsyncScope {
            vars: Map::new(),
            search: search.to_vec(),
            check: bench.before.contains("CHECK=1"),
            diff: true,
            no_log: false,
            progress: Arc::new(|_: &str| {}),
            cancel: tokio_util::sync::CancellationToken::new(),
        },
        ask: Arc::new(move |script| {
            let said = mine.step(&script);
            let reply = Reply {
                changed: said.changed,
                failed: said.failed,
                skipped: said.skipped,
                result: said.result,
                diffs: said.diffs,
                ..Reply::default()
            };
            Box::pin(async move {
                let answer: Answer = Box::pin(async move { Ok(reply) });
                Ok(answer)
            })
        }),
        reconnect: Arc::new(|| Box::pin(async { Ok(()) })),
        local: false,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let outcome = runtime.block_on(talk.begin(args.clone(), host)).unwrap();
    let mut result = outcome.result;
    let diffs = match result.shift_remove("diff") {
        Some(Value::Array(diffs)) => diffs,
        Some(one) => vec![one],
        None => vec![],
    };
    let text = |diff: &Value, key: &str| diff[key].as_str().unwrap_or_default().to_owned();
    let diffs = diffs.iter().map(|d| (text(d, "after_header"), text(d, "before"), text(d, "after"))).collect();
    let skipped = (result.get("skipped") == Some(&Value::Bool(true))).then(String::new);
    Said { changed: outcome.changed, failed: outcome.failed, skipped, result, diffs, stderr: String::new() }
}

/// Names and bytes.
pub type Files = Vec<(String, Vec<u8>)>;

/// A whole program, driver and libraries included, and the files it wants.
pub fn program(
    module: &Module,
    args: &Args,
    search: &[PathBuf],
    before: &str,
    stand_in: &str,
    files: &str,
) -> Result<(String, Files), String> {
    let script = script_of(module, args, search, before)?;
    assert!(script.talk.is_none(), "{} wants to talk", module.name);
    Ok((text_of(files, before, &library_of(module), stand_in, &script.text), script.files))
}

fn library_of(module: &Module) -> String {
    let Act::Shell { library, .. } = &module.act else { panic!("{} has no shell side", module.name) };
    library.concat()
}

fn text_of(files: &str, before: &str, library: &str, stand_in: &str, text: &str) -> String {
    format!(
        "FILES={files}\nunset CDPATH\n{before}\n{DRIVER}\n{library}\n{stand_in}\n( set --\n{text}\n) || printf 'E%s\\036' $? >&3"
    )
}

fn script_of(module: &Module, args: &Args, search: &[PathBuf], before: &str) -> Result<Script, String> {
    let vars = Map::new();
    let scope = Scope {
        vars: &vars,
        search,
        render: &|text| Ok(text.replace("{{ who }}", "you")),
        render_file: &|path, _, _, style| {
            let text = std::fs::read_to_string(path).map_err(|why| why.to_string())?;
            let text = text.replace(&format!("{} who {}", style.variable.0, style.variable.1), "you");
            Ok(text.replace('\n', &style.newline))
        },
        eval: &|text| Err(format!("no `{text}` here")),
        judge: &|text| Err(format!("no `{text}` here")),
        vault: &crate::playbook::vault::Keys::default(),
        check: before.contains("CHECK=1"),
        diff: true,
        no_log: false,
    };
    let Act::Shell { script, .. } = &module.act else { panic!("{} has no shell side", module.name) };
    script(args, &scope)
}

/// Reads the records.
pub fn parse(bytes: &[u8]) -> Said {
    let mut said = Said::default();
    let mut ended = None;
    for record in bytes.split(|byte| *byte == 0o36).filter(|record| !record.is_empty()) {
        let text = String::from_utf8_lossy(&record[1..]).into_owned();
        let (key, value) = text.split_once('\n').unwrap_or((&text, ""));
        match record[0] {
            b'C' => said.changed = true,
            b'F' => said.failed = Some(text),
            b'S' => said.skipped = Some(text),
            b'O' => drop(said.result.insert(key.to_owned(), value.into())),
            b'J' => drop(said.result.insert(key.to_owned(), serde_json::from_str(value).expect(value))),
            b'E' => ended = Some(text),
            b'D' => {
                let (old, new) = value.split_once('\u{1f}').unwrap();
                said.diffs.push((key.to_owned(), old.to_owned(), new.to_owned()));
            }
            _ => {}
        }
    }
    if let (None, Some(status)) = (&said.failed, ended) {
        said.failed = Some(format!("ended with {status}"));
    }
    said
}

/// A folder that holds the applets of `BusyBox` and nothing else.
fn busybox_tools(under: &Path) -> PathBuf {
    let dir = under.join("bb");
    if !dir.exists() {
        std::fs::create_dir(&dir).unwrap();
        let list = Command::new("busybox").arg("--list").output().unwrap();
        let busybox = ["/usr/bin/busybox", "/bin/busybox"].into_iter().find(|path| Path::new(path).exists()).unwrap();
        for name in String::from_utf8(list.stdout).unwrap().lines() {
            std::os::unix::fs::symlink(busybox, dir.join(name)).unwrap();
        }
    }
    dir
}

/// A task's arguments from YAML, converted as a run converts them.
pub fn args(module: &Module, yaml: &str) -> Args {
    convert(module, &serde_saphyr::from_str(yaml).unwrap()).unwrap()
}
