//! What an account is, and the rules of names and passwords.

use std::{fmt, str::FromStr, sync::LazyLock};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::{Error, Role};
use crate::{clock::Millis, ids::AccountId};

/// An account.
#[derive(Debug, Clone)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its name; also the name of the user on machines.
    pub username: String,
    /// What it may do.
    pub role: Role,
    /// Whether it may sign in.
    pub status: Status,
    /// The person's name; may be empty.
    pub full_name: String,
    /// The person's address; may be empty.
    pub email: String,
    /// When it was made.
    pub created_at: Millis,
    /// When somebody last signed in.
    pub last_login_at: Option<Millis>,
}

/// Whether an account may sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Not before an admin confirms.
    Pending,
    /// Yes.
    Active,
    /// Not until an admin says so.
    Suspended,
}

impl Status {
    /// Its word in the database and in answers.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Suspended => "suspended",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Status {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Pending, Self::Active, Self::Suspended];
        all.into_iter().find(|status| status.word() == text).ok_or_else(|| format!("`{text}` is not a status"))
    }
}

/// Names that systems use for themselves. An account's name becomes a user on machines, where it must not be theirs.
const RESERVED: &str = "\
    root daemon bin sys sync games man lp mail news uucp proxy www-data www backup list irc gnats nobody nogroup \
    nfsnobody sshd ssh messagebus dbus polkitd polkit ntp ntpsec chrony mysql mariadb redis docker ubuntu debian \
    ec2-user centos fedora rocky almalinux alpine arch core opc cloud-user vagrant operator ftp postgres postgresql \
    mongodb git halt shutdown reboot adm wheel sudo staff users tty disk kmem shadow utmp wtmp video audio cdrom \
    floppy tape dialout fax voice input kvm render sgx lxd incus libvirt libvirt-qemu lxc syslog rsyslog journal \
    uuidd tcpdump landscape pollinate fwupd-refresh usbmux rtkit avahi avahi-autoipd colord cups saned geoclue pulse \
    pipewire gdm lightdm sddm speech-dispatcher dnsmasq bind named unbound nginx apache apache2 httpd caddy tomcat \
    postfix postdrop exim dovecot dovenull mailman smmsp smmta squid sssd rpc rpcuser statd nscd nslcd tss abrt \
    cockpit-ws cockpit-wsinstance ansible puppet salt zabbix nagios prometheus grafana jenkins gitlab gitlab-runner \
    elasticsearch rabbitmq etcd kube kubernetes containerd ceph gluster cron crontab at atd nut svn xfs squeezelite \
    guest ldap openldap radvd stunnel4 tor debian-tor vpopmail qmaild cyrus vcsa oprofile berth \
    ";

const RESERVED_STARTS: &[&str] = &["systemd-", "_", "snap_", "qmail", "docker-"];

/// Refuses names that are not a user's on every system, or that belong to a system.
pub fn check_username(name: &str) -> Result<(), Error> {
    let fault = |detail: String| Err(Error::Invalid { slug: "invalid-username", pointer: "/username", detail });
    let is_start = |c: char| c.is_ascii_lowercase() || c == '_';
    let is_rest = |c: char| is_start(c) || c.is_ascii_digit() || c == '-';
    let shape = name.len() <= 32 && name.starts_with(is_start) && name.chars().all(is_rest);
    if !shape {
        return fault("a username is 1 to 32 of a-z, 0-9, `_` and `-`, and begins with a letter or `_`".into());
    }
    if RESERVED.split_ascii_whitespace().any(|reserved| reserved == name)
        || RESERVED_STARTS.iter().any(|start| name.starts_with(start))
    {
        return fault(format!("the name `{name}` belongs to the system on many machines; choose another"));
    }
    Ok(())
}

/// The longest password, in characters.
pub(super) const LONGEST_PASSWORD: usize = 1024;

/// How strict the rules of passwords are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strictness {
    /// For trying Berth out.
    Development,
    /// For people.
    Production,
}

/// Passwords that guessers try first, lower case, sorted.
static COMMON: LazyLock<Vec<&str>> =
    LazyLock::new(|| include_str!("words/common.txt").lines().filter(|line| !line.starts_with('#')).collect());

/// Refuses passwords that are too short, too long, cannot be typed at a login, or that guessers try first.
pub(super) fn check_password(password: &str, username: &str, rules: Strictness) -> Result<(), Error> {
    let fault = |detail: String| Err(Error::Invalid { slug: "invalid-password", pointer: "/password", detail });
    let shortest = if rules == Strictness::Production { 8 } else { 4 };
    if password.chars().count() < shortest {
        return fault(format!("the password needs at least {shortest} characters"));
    }
    if rules == Strictness::Production && is_guessed(password, username) {
        return fault(
            "the password is one that guessers try first: a common one, a name, or a row of keys; \
             a few words that do not belong together are better"
                .into(),
        );
    }
    if LONGEST_PASSWORD < password.chars().count() {
        return fault(format!("the password is longer than {LONGEST_PASSWORD} characters"));
    }
    if password.contains('\0') {
        return fault("the password holds a NUL character".into());
    }
    Ok(())
}

/// Whether a guesser tries it first: a common password, the account's or Berth's name, all with digits and signs around
/// them, or a row of the same or of neighbouring characters.
fn is_guessed(password: &str, username: &str) -> bool {
    let lower = password.to_lowercase();
    let core = lower.trim_matches(|c: char| !c.is_alphabetic());
    let is_common = |text: &str| COMMON.binary_search(&text).is_ok();
    let is_name = |text: &str| !text.is_empty() && (text == username || text == "berth");
    let codes: Vec<i64> = lower.chars().map(|c| i64::from(u32::from(c))).collect();
    let is_row = [-1, 0, 1].iter().any(|step| codes.windows(2).all(|pair| pair[1] - pair[0] == *step));
    // With much around it the word is not what has to be guessed.
    let is_short = lower.chars().count() < core.chars().count() + 8;
    is_row || is_common(&lower) || is_name(&lower) || (is_short && (is_common(core) || is_name(core)))
}

/// Refuses a person's name that would break a line or a table.
pub(super) fn check_full_name(name: &str) -> Result<(), Error> {
    if 200 < name.chars().count() || name.chars().any(char::is_control) {
        let detail = "a full name has at most 200 characters and no control characters".into();
        return Err(Error::Invalid { slug: "invalid-full-name", pointer: "/full_name", detail });
    }
    Ok(())
}

/// Refuses what cannot be an address; empty means none.
pub(super) fn check_email(email: &str) -> Result<(), Error> {
    let parts = email.rsplit_once('@');
    let is_plain = !email.chars().any(|c| c.is_control() || c.is_whitespace() || "<>\"',;:\\".contains(c));
    let is_address =
        parts.is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty() && !local.contains('@'));
    if email.is_empty() || (email.chars().count() <= 254 && is_plain && is_address) {
        return Ok(());
    }
    Err(Error::Invalid { slug: "invalid-email", pointer: "/email", detail: "this is not an e-mail address".into() })
}

/// Refuses a label of a key or token that would break a line or a table.
pub(super) fn check_label(name: &str) -> Result<(), Error> {
    if name.trim().is_empty() || 100 < name.chars().count() || name.chars().any(char::is_control) {
        let detail = "a name has 1 to 100 characters and no control characters".into();
        return Err(Error::Invalid { slug: "invalid-name", pointer: "/name", detail });
    }
    Ok(())
}

/// 32 random bytes, as text for a URL or a header.
pub fn random_secret() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

/// What is kept of a random secret.
pub fn digest(secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(secret.as_bytes()))
}

/// For who tries random texts: what passes is a user's name on every system.
pub(super) fn try_text(text: &str) {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c);
    assert!(check_username(text).is_err() || (text.len() <= 32 && text.chars().all(plain)), "{text:?}");
    let _ = (check_email(text), check_full_name(text), check_label(text));
    let _ = check_password(text, "alice", Strictness::Production);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usernames_that_every_system_takes_are_accepted() {
        for name in ["a", "admin", "alice", "al-ice", "x9_", "bob2", &"x".repeat(32)] {
            assert!(check_username(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn hostile_usernames_are_refused() {
        let long = "x".repeat(10_240);
        for name in [
            "",
            "-rf",
            "--help",
            "../etc",
            "a/b",
            "a b",
            "a\nb",
            "a\0b",
            "$(reboot)",
            "`id`",
            "a;b",
            "a'b",
            "a\"b",
            "Alice",
            "1abc",
            "ä",
            "аlice",
            "a:b",
            ".",
            "..",
            &"x".repeat(33),
            &long,
            "alice ",
            "a$",
        ] {
            assert!(check_username(name).is_err(), "{name}");
        }
    }

    #[test]
    fn names_of_the_system_are_refused() {
        for name in ["root", "daemon", "www-data", "sshd", "systemd-network", "systemd-", "ubuntu", "docker", "_apt"] {
            assert!(check_username(name).is_err(), "{name}");
        }
    }

    #[test]
    fn any_text_is_a_password_but_for_its_length_and_nul() {
        for password in ["test", "$(reboot)", "'\"`;|&", "line\nbreak", "-rf /", "пароль", &"x".repeat(1024)] {
            assert!(check_password(password, "alice", Strictness::Development).is_ok(), "{password}");
        }
        for password in ["abc", "with\0nul", &"x".repeat(1025), &"x".repeat(10_240)] {
            assert!(check_password(password, "alice", Strictness::Development).is_err(), "{password:?}");
        }
        assert!(check_password("sevench", "alice", Strictness::Production).is_err());
    }

    #[test]
    fn passwords_that_guessers_try_first_are_refused_in_production() {
        assert!(COMMON.is_sorted() && COMMON.len() > 3_000);
        for password in [
            "password",
            "Password123!",
            "12345678",
            "87654321",
            "aaaaaaaa",
            "abcdefghij",
            "alice2026!",
            "!!alice!!",
            "Berth-2026",
            "jennifer1",
            "qwertyuiop",
        ] {
            assert!(check_password(password, "alice", Strictness::Production).is_err(), "{password}");
        }
        for password in ["correct horse", "a good password", "vier Worte ohne Sinn", "kx7-pq2m", "alice likes 44 boats"]
        {
            assert!(check_password(password, "alice", Strictness::Production).is_ok(), "{password}");
        }
    }

    #[test]
    fn addresses_and_names_with_line_breaks_are_refused() {
        assert!(check_email("").is_ok() && check_email("a@b").is_ok());
        for email in ["a", "@b", "a@", "a@b\nBcc: c@d", "a b@c", "<a@b>", "a@b@c"] {
            assert!(check_email(email).is_err(), "{email}");
        }
        assert!(check_full_name("Anna-Luise O'Brien").is_ok());
        assert!(check_full_name("a\nb").is_err() && check_full_name(&"x".repeat(201)).is_err());
    }
}
