//! A terminal on a host: the system's `ssh` on a pty of ours, and at the other end a login shell of one user.
//!
//! Opened in two steps. [`Door::reach`] logs in and stops at the door; [`Door::enter`] starts the user's shell, so that
//! whoever opens it can look once more, with the login behind them, whether that user may still enter. The shell is the
//! user's, never the login's: root only opens the door, and leaves nothing of itself behind it. A terminal takes no
//! fence and is ended by none.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    pin::Pin,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use pty_process::{OwnedReadPty, OwnedWritePty};
use rustix::termios::{Winsize, tcsetwinsize};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    process::{Child, ChildStderr},
    time::timeout,
};

use super::{
    Error, Target, Via, error,
    private::Private,
    quote::quote,
    script,
    ssh::{self, Use},
};

/// What the shell is told about the screen.
const TERM: &str = "xterm-256color";
/// Most that a host may say before the user's shell begins.
const GREETING: usize = 64 * 1024;
/// The least uid of a person.
const PEOPLE: i64 = 500;
/// What opens the door.
const WORD: &str = "enter";

/// Opens the door and becomes the user. `$u`, `$n` and `$T` are the name, the uid and the token.
///
/// `setpriv` makes the user's shell the leader of the terminal's session, so that it hears when the line is cut. Where
/// there is none, `su` is BusyBox's, which does the same.
const DOOR: &str = r#"printf '%s1' "$T"
IFS= read -r w && [ "$w" = enter ] || exit 1
i=
while IFS=: read -r a b c d e h s; do if [ "$a" = "$u" ]; then i=$c; break; fi; done </etc/passwd
[ "$i" = "$n" ] || { echo "there is no account $u with the uid $n here"; exit 1; }
t=$(tty) && chown "$u" "$t"
cd "$h" || cd /
l=${LANG:-C.UTF-8}
as="setpriv --reuid $i --regid $d --init-groups --reset-env --"
if $as true; then y=1; else y=; fi 2>/dev/null
printf '%s2' "$T"
if [ -n "$y" ]; then exec $as env LANG="$l" "${s:-/bin/sh}" -l; fi
exec su -l "$u""#;

/// How large the screen is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Characters in a line.
    pub cols: u16,
    /// Lines.
    pub rows: u16,
}

/// Whose shell it is.
#[derive(Debug, Clone)]
pub struct Who {
    /// The name of the account on the host.
    pub user: String,
    /// Its uid there; an account of that name with another uid is not the one that is meant.
    pub uid: i64,
}

/// A terminal whose login has worked and whose shell has not begun.
#[derive(Debug)]
pub struct Door {
    output: Output,
    input: Input,
    life: Life,
    token: String,
    patience: Duration,
}

/// What the host writes. At the end of the terminal it is at its end.
#[derive(Debug)]
pub struct Output {
    pty: OwnedReadPty,
    ahead: Vec<u8>,
}

/// What the user types.
#[derive(Debug)]
pub struct Input(OwnedWritePty);

/// The process behind a terminal. Dropping it ends the terminal.
#[derive(Debug)]
pub struct Life {
    child: Child,
    host: String,
    pty: OwnedFd,
    said: Arc<Mutex<String>>,
    private: Private,
}

/// How a terminal ended by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The shell has ended, with this status.
    Left(i32),
    /// The connection broke.
    Broken(Error),
}

impl Door {
    /// Connects, logs in, and stops before anything is done in the user's name.
    pub async fn reach(target: &Target, who: &Who, size: Size) -> Result<Self, Error> {
        let Via::Ssh(settings) = &target.via else {
            return Err(Error::BadValue(format!("`{}` is not reached over ssh, so it has no terminal", target.name)));
        };
        let token = script::token();
        let remote = remote_command(who, &token)?;
        let plain_kex = !ssh::knows_kex().await;
        let (mut command, private) = ssh::command(target, settings, plain_kex, Use::Terminal(&remote))?;
        command.env("TERM", TERM);
        let (pty, pts) = pty_process::open().map_err(|e| no_pty(&e))?;
        pty.resize(pty_process::Size::new(size.rows, size.cols)).map_err(|e| no_pty(&e))?;
        let again = pty.as_fd().try_clone_to_owned().map_err(|e| no_pty(&e))?;
        let mut child = pty_process::Command::from(command)
            .stderr(Stdio::piped())
            .spawn(pts)
            .map_err(|e| Error::NoClient(e.to_string()))?;
        let said = Arc::new(Mutex::new(String::new()));
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(listen(stderr, Arc::clone(&said)));
        }
        let (reader, writer) = pty.into_split();
        let mut door = Self {
            output: Output { pty: reader, ahead: Vec::new() },
            input: Input(writer),
            life: Life { child, host: settings.host.clone(), pty: again, said, private },
            token,
            patience: target.connect_timeout,
        };
        door.wait_for('1', "connecting").await?;
        door.life.private.forget_password();
        Ok(door)
    }

    /// Starts the user's shell.
    pub async fn enter(mut self) -> Result<(Output, Input, Life), Error> {
        let word = format!("{WORD}\n");
        self.input.0.write_all(word.as_bytes()).await.map_err(|e| Error::Closed(e.to_string()))?;
        self.wait_for('2', "starting the shell").await?;
        Ok((self.output, self.input, self.life))
    }

    /// Reads up to a mark. What comes before it is the login's affair, what comes after it the shell's.
    async fn wait_for(&mut self, which: char, doing: &str) -> Result<(), Error> {
        let mark = format!("{}{which}", self.token);
        let look = async {
            let mut heard = std::mem::take(&mut self.output.ahead);
            loop {
                if let Some(at) = find(&heard, mark.as_bytes()) {
                    self.output.ahead = heard.split_off(at + mark.len());
                    return Ok(true);
                }
                if GREETING < heard.len() {
                    return Err(Error::Closed("the host said too much before its shell began".into()));
                }
                if self.output.pty.read_buf(&mut heard).await.unwrap_or(0) == 0 {
                    self.output.ahead = heard;
                    return Ok(false);
                }
            }
        };
        let found = timeout(self.patience, look).await;
        match found.map_err(|_| Error::TimedOut { doing: doing.to_owned(), after: self.patience })? {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.why_not().await),
            Err(error) => Err(error),
        }
    }

    /// Why the terminal ended before its shell began.
    async fn why_not(&mut self) -> Error {
        match self.life.ended().await {
            Ending::Broken(error) => error,
            Ending::Left(status) => {
                let why = error::last_line(&String::from_utf8_lossy(&self.output.ahead));
                Error::Closed(if why.is_empty() { format!("the host ended it with status {status}") } else { why })
            }
        }
    }
}

impl Life {
    /// Tells the host how large the screen is now.
    pub fn resize(&self, size: Size) -> io::Result<()> {
        let size = Winsize { ws_row: size.rows, ws_col: size.cols, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.pty, size).map_err(io::Error::from)
    }

    /// Waits for the end of the process, once [`Output`] is at its end, and tells how it was.
    pub async fn ended(&mut self) -> Ending {
        let status = timeout(Duration::from_secs(2), self.child.wait()).await;
        let said = || self.said.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // The words on stderr may be a moment behind.
        for _ in 0..10 {
            if !said().is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        match status {
            Ok(Ok(status)) if said().is_empty() => Ending::Left(status.code().unwrap_or(-1)),
            Ok(Ok(status)) => Ending::Broken(error::classify(&self.host, &status.to_string(), &said())),
            _ => Ending::Broken(Error::Closed("ssh does not end".into())),
        }
    }

    /// Ends the terminal: the host hangs up on what runs in it.
    pub async fn end(mut self) {
        let _ = self.child.start_kill();
        let _ = timeout(Duration::from_secs(2), self.child.wait()).await;
    }
}

impl AsyncRead for Output {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            let most = self.ahead.len().min(buf.remaining());
            buf.put_slice(&self.ahead[..most]);
            self.ahead.drain(..most);
            return Poll::Ready(Ok(()));
        }
        match Pin::new(&mut self.pty).poll_read(cx, buf) {
            // A pty whose other side is closed says so by an error.
            Poll::Ready(Err(_)) => Poll::Ready(Ok(())),
            other => other,
        }
    }
}

impl AsyncWrite for Input {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// What the login runs: as root, through `sudo` when it is not, the door.
fn remote_command(who: &Who, token: &str) -> Result<String, Error> {
    if who.uid < PEOPLE {
        return Err(Error::BadValue(format!(
            "the uid {} belongs to the system; no terminal is opened for it",
            who.uid
        )));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    if who.user.is_empty() || who.user.starts_with('-') || !who.user.chars().all(plain) {
        return Err(Error::BadValue(format!("`{}` is no user name", who.user.escape_debug())));
    }
    let door = format!("u={}\nn={}\nT={}\n{DOOR}", quote(&who.user), who.uid, quote(token));
    let door = quote(&door);
    let login =
        format!("if [ \"$(id -u)\" = 0 ]; then exec /bin/sh -c {door}; else exec sudo -n -H -- /bin/sh -c {door}; fi");
    // Whatever shell the login has.
    Ok(format!("exec /bin/sh -c {}", quote(&login)))
}

fn no_pty(error: &dyn std::error::Error) -> Error {
    Error::BadValue(format!("cannot make a terminal here: {error}"))
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

/// Keeps the end of what `ssh` says of itself.
async fn listen(mut stderr: ChildStderr, said: Arc<Mutex<String>>) {
    let mut buffer = [0; 1024];
    while let Ok(n @ 1..) = stderr.read(&mut buffer).await {
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() < 8192 {
            said.push_str(&String::from_utf8_lossy(&buffer[..n]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(user: &str, uid: i64) -> Who {
        Who { user: user.to_owned(), uid }
    }

    #[test]
    fn no_terminal_is_opened_for_root_or_for_what_is_no_name() {
        for (user, uid) in [("root", 0), ("daemon", 1), ("alice", 0), ("alice", -1)] {
            assert!(remote_command(&who(user, uid), "@t@").is_err(), "{user} {uid}");
        }
        for user in ["", "-s", "a b", "a;reboot", "a'b", "$(reboot)"] {
            assert!(remote_command(&who(user, 1000), "@t@").is_err(), "{user}");
        }
        assert!(remote_command(&who("alice", 1000), "@t@").is_ok());
    }

    #[test]
    fn an_account_with_another_uid_is_not_entered() {
        let command = remote_command(&who("root", 4711), "@t@").unwrap();
        let mut child = std::process::Command::new("sh")
            .args(["-c", &command])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        io::Write::write_all(&mut child.stdin.take().unwrap(), b"enter\n").unwrap();
        let said = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&said.stdout);
        assert!(!said.status.success() && text.contains("no account root with the uid 4711"), "{text}");
        assert!(!text.contains("@t@2"), "{text}");
    }
}
