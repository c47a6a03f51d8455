//! What can go wrong on the way to a host.

use std::time::Duration;

/// Why a host could not be used.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// Nothing answers, or what answers is no ssh server.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// The host showed another key than the one that is pinned. Nothing was sent to it.
    #[error(
        "the host key of `{host}` is not the one that is pinned; if you know that the machine was rebuilt, accept the \
         new one: berth machines check NAME --accept-new-host-key"
    )]
    HostKeyChanged {
        /// Name or address as it was dialled.
        host: String,
    },
    /// The host knows us not, or the key or password is wrong.
    #[error("login refused: {0}")]
    LoginRefused(String),
    /// A deadline passed; the connection was ended.
    #[error("timed out after {} s while {doing}", .after.as_secs())]
    TimedOut {
        /// What was being done.
        doing: String,
        /// How long it was given.
        after: Duration,
    },
    /// The connection ended before the answer.
    #[error("the connection ended: {0}")]
    Closed(String),
    /// There is no OpenSSH client here.
    #[error("cannot start `ssh` ({0}); install it, for example: apt install openssh-client")]
    NoClient(String),
    /// The host sent more than anyone could want.
    #[error("the host sent more than {} MiB for one step", super::wire::FLOOD / 1024 / 1024)]
    Flooded,
    /// Another user's rights could not be taken on.
    #[error("cannot become `{user}`: {why}")]
    Become {
        /// Who we wanted to be.
        user: String,
        /// What the host said.
        why: String,
    },
    /// A value that must not be given to `ssh` or to a shell.
    #[error("{0}")]
    BadValue(String),
}

/// What `ssh` said on its way out, as an error. `text` is the end of its stderr.
pub(super) fn classify(host: &str, status: &str, text: &str) -> Error {
    let lower = text.to_lowercase();
    let line = last_line(text);
    let any = |words: &[&str]| words.iter().any(|w| lower.contains(w));
    if any(&[
        "remote host identification has changed",
        "host key verification failed",
        "no matching host key fingerprint",
    ]) || (lower.contains("host key is known for") && lower.contains("strict checking"))
    {
        return Error::HostKeyChanged { host: host.to_owned() };
    }
    if any(&["permission denied", "too many authentication failures", "no supported authentication methods"]) {
        return Error::LoginRefused(line);
    }
    if any(&["timed out", "not responding"]) && !any(&["connection refused"]) {
        return Error::Unreachable(line);
    }
    if any(&[
        "connection refused",
        "no route to host",
        "could not resolve",
        "network is unreachable",
        "connection closed by",
        "connection reset",
        "kex_exchange_identification",
        "banner exchange",
        "unable to negotiate",
        "name or service not known",
    ]) {
        return Error::Unreachable(line);
    }
    Error::Closed(if line.is_empty() { format!("ssh ended ({status}) without a word") } else { line })
}

/// For who tries random texts: what a host's `ssh` said.
#[doc(hidden)]
pub fn try_text(text: &str) {
    let said = classify("h", "exit status: 255", text).to_string();
    assert!(!said.contains(|c: char| c.is_control()), "{said:?}");
}

/// The last line that says something, at most 300 characters, control characters removed. A question for a password
/// before it says nothing.
pub(super) fn last_line(text: &str) -> String {
    let plain = |line: &'_ str| -> String { line.trim().trim_start_matches("Password:").trim().to_owned() };
    let line = text.lines().rev().map(plain).find(|line| !line.is_empty()).unwrap_or_default();
    line.chars().filter(|c| !c.is_control()).take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ssh_says_becomes_something_to_act_on() {
        let seen = |text: &str| classify("h", "exit status: 255", text);
        assert!(matches!(seen("root@h: Permission denied (publickey)."), Error::LoginRefused(_)));
        assert!(matches!(seen("ssh: connect to host h port 22: Connection refused"), Error::Unreachable(_)));
        assert!(matches!(seen("@@@\nHost key verification failed.\r\n"), Error::HostKeyChanged { .. }));
        assert!(matches!(seen("Connection timed out during banner exchange"), Error::Unreachable(_)));
        assert!(matches!(seen(""), Error::Closed(_)));
    }
}
