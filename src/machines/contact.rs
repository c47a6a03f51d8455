//! Connecting to a machine: whose host key, whose login, what it says about itself. No database.

use std::time::Duration;

use super::{
    keys,
    model::{Facts, Machine},
    rules::fingerprint,
    target::{key_file, own_key, reach},
};
use crate::{
    config::Remote,
    ctx::Ctx,
    remote::{self, Login, Secret, Shell, quote},
};

/// What was learned from a machine.
#[derive(Debug, Clone, Default)]
pub(super) struct Contact {
    /// The host keys to pin.
    pub host_keys: Vec<String>,
    /// A login by key works.
    pub key_works: bool,
    /// What it says about itself.
    pub facts: Option<Facts>,
    /// What happened, in words.
    pub steps: Vec<String>,
}

/// Why a machine cannot be used, and how far it came.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub(super) struct NoContact {
    /// Why, for people.
    pub why: String,
    /// What happened before.
    pub steps: Vec<String>,
}

const PROBE: &str = r#"
printf 'kernel=%s\n' "$(uname -r)"
printf 'arch=%s\n' "$(uname -m)"
os=$(sed -n 's/^PRETTY_NAME=//p' /etc/os-release 2>/dev/null | tr -d '"' | head -n 1)
printf 'os=%s\n' "${os:-$(uname -s)}"
n=$(getconf _NPROCESSORS_ONLN 2>/dev/null) || n=$(nproc 2>/dev/null) || n=$(grep -c '^processor' /proc/cpuinfo)
printf 'cpus=%s\n' "$n"
printf 'memory_kb=%s\n' "$(sed -n 's/^MemTotal: *\([0-9]*\) kB$/\1/p' /proc/meminfo)"
"#;

/// How long a step on a machine may take.
const STEP: Duration = Duration::from_secs(20);

/// Connects once: checks or learns the host key, sees that a login by key works (installing Berth's key by password
/// if need be), and reads facts.
pub(super) async fn register(ctx: &Ctx, machine: &Machine) -> Result<Contact, NoContact> {
    if ctx.config.remote == Remote::Fake {
        let steps = vec!["not contacted: BERTH_REMOTE is fake".to_owned()];
        return Ok(Contact {
            host_keys: machine.host_keys.clone(),
            key_works: true,
            facts: machine.facts.clone(),
            steps,
        });
    }
    let mut contact = Contact { host_keys: machine.host_keys.clone(), ..Contact::default() };
    let limit = ctx.config.timeouts.connect * 3 + STEP * 2;
    let done = tokio::time::timeout(limit, register_slowly(ctx, machine, &mut contact)).await;
    match done {
        Ok(Ok(())) => Ok(contact),
        Ok(Err(why)) => Err(NoContact { why, steps: contact.steps }),
        Err(_) => Err(NoContact { why: format!("took longer than {} s", limit.as_secs()), steps: contact.steps }),
    }
}

async fn register_slowly(ctx: &Ctx, machine: &Machine, contact: &mut Contact) -> Result<(), String> {
    let shell = match &machine.key_file {
        Some(file) => {
            let shell = open(ctx, machine, contact, Login::KeyFile(key_file(ctx, file))).await.map_err(words)?;
            contact.steps.push(format!("logged in as `{}` with the registered key file", machine.login_user));
            shell
        }
        None => with_own_key(ctx, machine, contact).await?,
    };
    contact.key_works = true;
    contact.facts = Some(facts(&shell).await?);
    contact.steps.push("facts read".into());
    shell.close().await;
    Ok(())
}

/// A shell opened with Berth's own key; the key is installed by password when it is not known there yet.
async fn with_own_key(ctx: &Ctx, machine: &Machine, contact: &mut Contact) -> Result<Shell, String> {
    let public = keys::own_public_key(ctx).await.map_err(|error| error.to_string())?;
    let Some(sealed) = &machine.password_sealed else {
        let opened = open(ctx, machine, contact, Login::KeyFile(own_key(ctx))).await;
        return opened.inspect(|_| contact.steps.push("logged in with Berth's key".into())).map_err(|error| match error {
            remote::Error::LoginRefused(_) => format!(
                "Berth's key is not known there and no password is given; give one, or add this line to ~{}/.ssh/authorized_keys: {public}",
                machine.login_user
            ),
            other => words(other),
        });
    };
    if machine.key_installed_at.is_some() {
        match open(ctx, machine, contact, Login::KeyFile(own_key(ctx))).await {
            Ok(shell) => {
                contact.steps.push("logged in with Berth's key".into());
                return Ok(shell);
            }
            // The key was lost there; the password installs it again.
            Err(remote::Error::LoginRefused(_)) => contact.steps.push("Berth's key is not known there any more".into()),
            Err(error) => return Err(words(error)),
        }
    }
    let password = ctx.sealer.open(&Machine::password_owner(machine.id), sealed).map_err(|error| error.to_string())?;
    let first = open(ctx, machine, contact, Login::Password(Secret(password))).await.map_err(words)?;
    contact.steps.push(format!("logged in as `{}` with the password", machine.login_user));
    let said = first.run_within(&install_script(&public), STEP).await.map_err(words)?;
    first.close().await;
    match (said.rc, said.stdout.trim()) {
        (0, "present") => contact.steps.push("Berth's key was there already".into()),
        (0, _) => contact.steps.push("Berth's key installed".into()),
        (rc, _) => {
            return Err(format!("cannot install Berth's key: status {rc}: {}", plain(last_line(&said.stderr), 200)));
        }
    }
    let shell = open(ctx, machine, contact, Login::KeyFile(own_key(ctx))).await.map_err(|error| match error {
        remote::Error::LoginRefused(_) => {
            "the key was installed but its login is refused; does sshd there allow PubkeyAuthentication, and is the home folder writable by its owner only?".to_owned()
        }
        other => words(other),
    })?;
    contact.steps.push("login with Berth's key verified".into());
    Ok(shell)
}

async fn open(ctx: &Ctx, machine: &Machine, contact: &mut Contact, login: Login) -> Result<Shell, remote::Error> {
    let pinned = Machine { host_keys: contact.host_keys.clone(), ..machine.clone() };
    let shell = Shell::open(&reach(ctx, &pinned, login, None).await?).await?;
    if contact.host_keys.is_empty() {
        contact.host_keys = shell.host_keys();
        if contact.host_keys.is_empty() {
            return Err(remote::Error::Closed("the host key could not be learned".into()));
        }
        for key in &contact.host_keys {
            let kind = key.split(' ').next().unwrap_or_default();
            contact.steps.push(format!("host key pinned: {kind} {}", fingerprint(key).unwrap_or_default()));
        }
    } else if contact.steps.is_empty() {
        contact.steps.push("host key is the pinned one".into());
    }
    Ok(shell)
}

/// Connects as always and runs one command: whether the machine is well.
pub(super) async fn probe(ctx: &Ctx, machine: &Machine) -> Result<Option<Facts>, String> {
    if ctx.config.remote == Remote::Fake {
        return Ok(machine.facts.clone());
    }
    let limit = ctx.config.timeouts.connect + STEP;
    let look = async {
        let target = super::target::target(ctx, machine, None).await.map_err(words)?;
        let shell = Shell::open(&target).await.map_err(words)?;
        let facts = facts(&shell).await?;
        shell.close().await;
        Ok(Some(facts))
    };
    tokio::time::timeout(limit, look).await.unwrap_or_else(|_| Err(format!("took longer than {} s", limit.as_secs())))
}

async fn facts(shell: &Shell) -> Result<Facts, String> {
    let said = shell.run_within(PROBE, STEP).await.map_err(words)?;
    if said.rc != 0 {
        return Err(format!("its shell does not work: status {}: {}", said.rc, plain(last_line(&said.stderr), 200)));
    }
    Ok(read_facts(&said.stdout))
}

fn read_facts(said: &str) -> Facts {
    let mut facts = Facts::default();
    for (name, value) in said.lines().filter_map(|line| line.split_once('=')) {
        let text = plain(value.trim(), 200);
        match name {
            "os" => facts.os = text,
            "kernel" => facts.kernel = text,
            "arch" => facts.arch = text,
            "cpus" => facts.cpus = text.parse().unwrap_or(0),
            "memory_kb" => facts.memory_bytes = text.parse::<u64>().unwrap_or(0).saturating_mul(1024),
            _ => {}
        }
    }
    facts
}

fn install_script(public: &str) -> String {
    let line = quote(public);
    let key = quote(public.split(' ').nth(1).unwrap_or_default());
    format!(
        "umask 077\ncd ~ || exit 1\nmkdir -p .ssh && chmod 700 .ssh || exit 1\nfile=.ssh/authorized_keys\n\
         if [ -f \"$file\" ] && grep -v '^[[:space:]]*#' \"$file\" | grep -qF -e {key}; then echo present; exit 0; fi\n\
         if [ -s \"$file\" ] && [ -n \"$(tail -c 1 \"$file\")\" ]; then echo >>\"$file\" || exit 1; fi\n\
         printf '%s\\n' {line} >>\"$file\" && chmod 600 \"$file\" || exit 1\n\
         if command -v restorecon >/dev/null 2>&1; then restorecon -R .ssh || :; fi\necho added\n"
    )
}

#[allow(clippy::needless_pass_by_value, reason = "fits map_err")]
fn words(error: remote::Error) -> String {
    error.to_string()
}

fn last_line(text: &str) -> &str {
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default()
}

fn plain(text: &str, most: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_from_any_answer() {
        let facts = read_facts("kernel=6.12\narch=x86_64\nos=Debian \x1b[1m13\ncpus=8\nmemory_kb=1024\nodd\nx=1\n");
        assert_eq!((facts.kernel.as_str(), facts.cpus, facts.memory_bytes), ("6.12", 8, 1_048_576));
        assert_eq!(facts.os, "Debian [1m13");
        assert_eq!(read_facts("cpus=-1\nmemory_kb=99999999999999999999\n"), Facts::default());
    }

    #[tokio::test]
    async fn the_probe_works_in_a_shell_and_in_busybox() {
        let shell = Shell::open(&remote::Target::local("here")).await.unwrap();
        let facts = facts(&shell).await.unwrap();
        assert!(!facts.kernel.is_empty() && 0 < facts.cpus && 0 < facts.memory_bytes, "{facts:?}");
        let script = format!("command -v busybox >/dev/null || exit 0; busybox sh -c {}", quote(PROBE));
        let said = shell.run(&script).await.unwrap();
        assert_eq!(said.rc, 0, "{}", said.stderr);
        if !said.stdout.is_empty() {
            assert_eq!(read_facts(&said.stdout).kernel, facts.kernel);
        }
    }

    #[tokio::test]
    async fn the_key_is_added_once_and_a_missing_line_end_is_mended() {
        let home = tempfile::tempdir().unwrap();
        let shell = Shell::open(&remote::Target::local("here")).await.unwrap();
        let file = home.path().join(".ssh/authorized_keys");
        std::fs::create_dir(home.path().join(".ssh")).unwrap();
        std::fs::write(&file, "ssh-ed25519 AAAAother me").unwrap();
        let script =
            format!("HOME={}\n{}", quote(home.path().to_str().unwrap()), install_script("ssh-ed25519 AAAAnew berth"));
        for expected in ["added", "present"] {
            let said = shell.run(&script).await.unwrap();
            assert_eq!((said.rc, said.stdout.trim()), (0, expected), "{}", said.stderr);
        }
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(text, "ssh-ed25519 AAAAother me\nssh-ed25519 AAAAnew berth\n");
    }
}
