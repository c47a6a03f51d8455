//! The real programs as processes, to be killed.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use super::mariadb::free_port;

/// A running program of ours.
pub struct Process {
    child: Child,
    pub log: PathBuf,
}

/// What both programs need to know.
#[derive(Debug, Clone)]
pub struct Setup {
    pub folder: PathBuf,
    pub database: String,
    pub port: u16,
    pub env: Vec<(String, String)>,
    /// Files and folders that the program sees in place of the machine's own: what, and where.
    pub sees: Vec<(PathBuf, &'static str)>,
    /// What a shell does before it becomes the program, in a mount namespace of its own.
    before: Option<String>,
}

impl Setup {
    pub fn new(folder: &Path, database: String) -> Self {
        let folder = folder.to_owned();
        Self { folder, database, port: free_port(), env: Vec::new(), sees: Vec::new(), before: None }
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// `berth serve`, once it answers.
    pub fn server(&self) -> Process {
        let process = self.start(&program("berth", env!("CARGO_BIN_EXE_berth")), &["serve"], "server.log");
        let end = Instant::now() + Duration::from_secs(30);
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < end, "the server does not come up:\n{}", process.tail());
            std::thread::park_timeout(Duration::from_millis(20));
        }
        process
    }

    /// `berth-scheduler`.
    pub fn scheduler(&self) -> Process {
        self.start(&program("berth-scheduler", env!("CARGO_BIN_EXE_berth-scheduler")), &[], "scheduler.log")
    }

    fn start(&self, program: &Path, args: &[&str], log: &str) -> Process {
        let log = self.folder.join(log);
        let out = File::options().create(true).append(true).open(&log).unwrap();
        let mut command = if self.sees.is_empty() && self.before.is_none() {
            Command::new(program)
        } else {
            let mounts = self.sees.iter().map(|(what, place)| format!("mount --bind {} {place} && ", what.display()));
            let before = self.before.iter().map(|script| format!("{script} && "));
            let script: String = mounts.chain(before).collect();
            let script = format!("mount --make-rprivate / && {script}exec \"$0\" \"$@\"");
            let mut command = Command::new("unshare");
            command.args(["-m", "--", "sh", "-c", &script]).arg(program);
            command
        };
        let child = self
            .surround(command.args(args))
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .spawn()
            .unwrap();
        Process { child, log }
    }

    /// Runs `berth` to its end with the same settings.
    pub fn run(&self, args: &[&str]) -> Output {
        self.surround(Command::new(env!("CARGO_BIN_EXE_berth")).args(args)).output().unwrap()
    }

    /// The same program under another name.
    pub fn start_as(&self, name: &str) -> Process {
        let link = self.folder.join(name);
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_berth"), &link).unwrap();
        self.start(&link, &[], &format!("{name}.log"))
    }

    fn surround<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &self.folder)
            .env("DATABASE_URL", &self.database)
            .env("BERTH_DATA_DIR", self.folder.join("data"))
            .env("BERTH_LISTEN", format!("127.0.0.1:{}", self.port))
            .env("BERTH_METRICS_LISTEN", "")
            .env("BERTH_SCHEDULER_METRICS_LISTEN", "")
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.folder)
    }
}

/// The program that was built for the test, or the one in the folder `BERTH_BIN_DIR`: an optimised one, for long runs.
fn program(name: &str, built: &str) -> PathBuf {
    std::env::var_os("BERTH_BIN_DIR").map_or_else(|| PathBuf::from(built), |folder| Path::new(&folder).join(name))
}

/// What a process holds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Holds {
    /// Memory in RAM, in KiB.
    pub rss: u64,
    /// Open file descriptors.
    pub files: u64,
}

impl Process {
    /// What it holds now, as the kernel tells.
    pub fn holds(&self) -> Holds {
        let folder = PathBuf::from(format!("/proc/{}", self.child.id()));
        let status = std::fs::read_to_string(folder.join("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a running process has memory");
        let rss = line.trim().trim_end_matches(" kB").parse().unwrap();
        Holds { rss, files: std::fs::read_dir(folder.join("fd")).unwrap().count() as u64 }
    }

    /// SIGKILL: no handler runs.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The end of its log.
    pub fn tail(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
