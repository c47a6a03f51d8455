//! A private sshd in a mount namespace of its own: root has another home and another password there, so nothing of
//! this machine is touched. Needs root.

use std::{
    fs,
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use sha_crypt::{PasswordHasher, ShaCrypt};
use tempfile::TempDir;

use super::mariadb::free_port;

/// Root's password there.
pub const PASSWORD: &str = "s3cret-canary $(touch /tmp/berth-canary) '\"";

/// A running sshd.
pub struct Sshd {
    folder: TempDir,
    pub port: u16,
    child: Option<Child>,
}

impl Sshd {
    /// Starts one on a free port, with a new host key.
    pub fn start() -> Self {
        let mut sshd = Self { folder: TempDir::new().unwrap(), port: free_port(), child: None };
        let home = sshd.home();
        fs::create_dir(&home).unwrap();
        fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
        let hash = ShaCrypt::SHA512.hash_password_with_salt(PASSWORD.as_bytes(), b"twelve bytes").unwrap();
        let shadow = sshd.folder.path().join("shadow");
        fs::write(&shadow, format!("root:{hash}:19000:0:99999:7:::\nsshd:!:19000::::::\n")).unwrap();
        fs::set_permissions(&shadow, fs::Permissions::from_mode(0o600)).unwrap();
        sshd.new_host_key();
        sshd.up();
        sshd
    }

    /// Root's home there.
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// All that sshd wrote.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The public host key.
    pub fn host_key(&self) -> String {
        let text = fs::read_to_string(self.folder.path().join("host_key.pub")).unwrap();
        text.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
    }

    /// Another host key from the next start on.
    pub fn new_host_key(&self) {
        let path = self.folder.path().join("host_key");
        let _ = fs::remove_file(&path);
        let done =
            Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&path).status().unwrap();
        assert!(done.success());
    }

    /// Starts it, with an empty log.
    pub fn up(&mut self) {
        let at = |name: &str| self.folder.path().join(name).display().to_string();
        let settings = format!(
            "Port {}\nListenAddress 127.0.0.1\nHostKey {}\nPidFile none\nUsePAM no\nPermitRootLogin yes\n\
             PasswordAuthentication yes\nAuthorizedKeysFile .ssh/authorized_keys\nLogLevel DEBUG1\n",
            self.port,
            at("host_key")
        );
        fs::create_dir_all("/run/sshd").unwrap();
        // OpenSSH 9.8 and later keep off whoever was refused a few times; earlier ones do not know the word.
        fs::write(at("sshd_config"), format!("{settings}PerSourcePenalties no\n")).unwrap();
        let known = Command::new("/usr/sbin/sshd").args(["-t", "-f", &at("sshd_config")]).output().unwrap();
        if !known.status.success() {
            fs::write(at("sshd_config"), settings).unwrap();
        }
        let script = format!(
            "mount --make-rprivate / && mount --bind {} /etc/shadow && mount --bind {} /root && exec /usr/sbin/sshd -D -e -f {}",
            at("shadow"),
            at("home"),
            at("sshd_config")
        );
        let log = fs::File::create(at("log")).unwrap();
        let child = Command::new("unshare")
            .args(["-m", "--", "sh", "-c", &script])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
        let end = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < end, "sshd does not come up; these tests need root:\n{}", self.log());
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }

    /// Ends it.
    pub fn down(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.down();
    }
}
