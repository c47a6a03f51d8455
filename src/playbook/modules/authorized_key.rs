//! `authorized_key`: who may log in with which SSH key.
//!
//! The folder belongs to the account, which may be hostile while we work as root. So the shell side goes into each
//! folder, checks where it is, reads only what the account itself owns, and writes by rename from a folder that only
//! root can enter. A symbolic link or somebody else's file on the way is refused.

use super::common::{ACCOUNTS, ATTRS, Step, WRITE, arg, flag, given, quote, required, text, with_default};
use super::{Act, Arg, Args, Kind, Module, Scope, Script};
use base64::{Engine as _, engine::general_purpose::STANDARD};

/// The module.
pub static AUTHORIZED_KEY: Module = Module {
    name: "authorized_key",
    collections: &["ansible.posix", "ansible.builtin"],
    summary: "adds or removes SSH public keys of an account",
    args: &[
        required("user", Kind::Str, "the account"),
        required("key", Kind::Str, "one or more public keys, a line each; may be empty with `exclusive`"),
        Arg { choices: &["absent", "present"], ..with_default("state", Kind::Str, "present", "there or not") },
        with_default("exclusive", Kind::Bool, "false", "these keys and no others"),
        arg("key_options", Kind::Str, "options to put before the key"),
        arg("comment", Kind::Str, "comment to put after the key, in place of its own"),
        arg("path", Kind::Path, "another file than ~/.ssh/authorized_keys"),
        with_default("manage_dir", Kind::Bool, "true", "make the folder and keep it private"),
        with_default("follow", Kind::Bool, "false", "not supported: links are refused"),
        with_default("validate_certs", Kind::Bool, "true", "accepted; keys are not fetched"),
    ],
    free_form: None,
    act: Act::Shell { library: &[ATTRS, WRITE, ACCOUNTS, SH], script },
};

const SH: &str = include_str!("authorized_key.sh");

/// One public key as it stands in the file.
#[derive(Debug, PartialEq, Eq)]
struct Key {
    /// The whole line.
    line: String,
    /// Type and data: what makes it this key.
    identity: String,
}

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    super::common::refuse(args, &["follow"])?;
    let user = text(args, "user").unwrap_or_default();
    super::user::account_name("account", user)?;
    let wanted = text(args, "key").unwrap_or_default();
    if wanted.starts_with("http://") || wanted.starts_with("https://") || wanted.starts_with("file://") {
        return Err("`key` is an address; fetch the keys first and give their text".to_owned());
    }
    let options = one_line(args, "key_options")?;
    let comment = one_line(args, "comment")?;
    let mut keys = vec![];
    for line in wanted.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let key = parse(line, options, comment)?;
        if !keys.iter().any(|known: &Key| known.identity == key.identity) {
            keys.push(key);
        }
    }
    let absent = text(args, "state") == Some("absent");
    let exclusive = flag(args, "exclusive") && !absent;
    if keys.is_empty() && !exclusive {
        return Err("`key` holds no key; an empty one needs `exclusive: true`".to_owned());
    }
    let mut step = Step::new(scope);
    step.set("b_name", user)?.set_flag("b_exclusive", exclusive);
    step.set_flag("b_manage", !given(args, "manage_dir") || flag(args, "manage_dir")).set_flag("b_absent", absent);
    match text(args, "path").filter(|path| !path.is_empty()) {
        Some(path) => step.set_path("b_path", path)?,
        None => step.set("b_path", "")?,
    };
    let lines: String = keys.iter().flat_map(|key| [key.line.as_str(), "\n"]).collect();
    step.set("b_lines", &lines)?;
    let mut words = String::new();
    for key in &keys {
        words.push(' ');
        words.push_str(&quote(&key.identity)?);
        words.push(' ');
        words.push_str(&quote(&key.line)?);
    }
    Ok(step.run(&format!("b_keys{words}")).done())
}

fn one_line<'a>(args: &'a Args, name: &str) -> Result<Option<&'a str>, String> {
    let value = text(args, name);
    if value.is_some_and(|value| value.contains(['\n', '\r', '\0'])) {
        return Err(format!("`{name}` must be one line"));
    }
    Ok(value)
}

/// Reads `[options] type data [comment]`.
fn parse(line: &str, options: Option<&str>, comment: Option<&str>) -> Result<Key, String> {
    let shown: String = line.chars().take(40).collect::<String>().escape_debug().to_string();
    let wrong = || format!("invalid key specified: `{shown}`; a line is `ssh-ed25519 AAAA… comment`");
    if line.contains(['\0', '\r']) {
        return Err(wrong());
    }
    let (own_options, rest) = if is_kind(line) { ("", line) } else { split_options(line).ok_or_else(wrong)? };
    let mut words = rest.splitn(3, [' ', '\t']);
    let kind = words.next().unwrap_or_default();
    let data = words.next().unwrap_or_default();
    let own_comment = words.next().unwrap_or_default().trim();
    let blob = STANDARD.decode(data).map_err(|_| wrong())?;
    // The data names its type, too: four bytes of length, then the name.
    let inner = blob
        .get(..4)
        .and_then(|head| blob.get(4..4 + usize::try_from(u32::from_be_bytes(head.try_into().ok()?)).ok()?));
    if !is_kind(rest) || inner != Some(kind.as_bytes()) {
        return Err(wrong());
    }
    let identity = format!("{kind} {data}");
    let mut line = String::new();
    let options = options.unwrap_or(own_options).trim();
    if !options.is_empty() {
        line.push_str(options);
        line.push(' ');
    }
    line.push_str(&identity);
    let comment = comment.unwrap_or(own_comment).trim();
    if !comment.is_empty() {
        line.push(' ');
        line.push_str(comment);
    }
    Ok(Key { line, identity })
}

const KINDS: [&str; 11] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ssh-dss",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-ed25519-cert-v01@openssh.com",
    "ssh-rsa-cert-v01@openssh.com",
    "ecdsa-sha2-nistp256-cert-v01@openssh.com",
];

fn is_kind(line: &str) -> bool {
    line.split([' ', '\t']).next().is_some_and(|word| KINDS.contains(&word))
}

/// Options end at the first blank outside quotes.
fn split_options(line: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in line.char_indices() {
        match c {
            '"' if !escaped => quoted = !quoted,
            ' ' | '\t' if !quoted => return Some((&line[..at], line[at..].trim_start())),
            _ => {}
        }
        escaped = c == '\\' && !escaped;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{AUTHORIZED_KEY, parse};
    use crate::playbook::modules::common::trial::{Said, Shell, Trial, args};
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    const A: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAII3M62TVm9uoxVy0ATXA0dbhRN1dZL2qJTFkYsD9HdNE";
    const B: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILEboPrmXv9yb93jrr2yOeXHTzpkQv49mbYgZLa1v0pG";

    #[test]
    fn keys_are_read_with_options_and_comments() {
        let key = parse(&format!("command=\"a b \\\" c\",no-pty {A}  me@here "), None, None).unwrap();
        assert_eq!(key.line, format!("command=\"a b \\\" c\",no-pty {A} me@here"));
        assert_eq!(key.identity, A);
        assert_eq!(parse(A, Some("no-pty"), Some("you")).unwrap().line, format!("no-pty {A} you"));
        for bad in [
            "",
            "ssh-ed25519",
            "ssh-ed25519 !!!",
            "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAII3M62TVm9uoxVy0ATXA0dbhRN1dZL2qJTFkYsD9HdNE",
            "hello world",
            "-x y z",
        ] {
            assert!(parse(bad, None, None).unwrap_err().contains("invalid key"), "{bad}");
        }
    }

    /// A home folder that belongs to `nobody`, in a world where `nobody` lives there.
    fn home(trial: &Trial, shell: Shell, yaml: &str) -> Said {
        let task = args(&AUTHORIZED_KEY, yaml);
        let stand_in =
            format!("b_pwent() {{ b_found=x b_pw_uid=65534 b_pw_gid=65534 b_pw_home='{}/home'; }}", trial.at());
        trial.with_after(shell, &AUTHORIZED_KEY, &task, &stand_in)
    }

    fn fresh(trial: &Trial) {
        trial.wipe();
        std::fs::create_dir(trial.path("home")).unwrap();
        chown(trial.path("home"), Some(65534), Some(65534)).unwrap();
    }

    #[test]
    fn keys_are_added_replaced_made_exclusive_and_removed() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            fresh(&trial);
            let add = format!("{{user: nobody, key: '{A} a@x'}}");
            let first = home(&trial, shell, &add);
            assert!(first.changed && first.failed.is_none(), "{first:?}");
            assert_eq!((trial.mode("home/.ssh"), trial.mode("home/.ssh/authorized_keys")), (0o700, 0o600));
            let again = home(&trial, shell, &add);
            assert!(!again.changed && again.failed.is_none(), "{again:?}");
            let other = home(&trial, shell, &format!("{{user: nobody, key: '{B}', key_options: 'no-pty'}}"));
            assert!(other.changed, "{other:?}");
            assert!(home(&trial, shell, &format!("{{user: nobody, key: '{A} new@x'}}")).changed);
            let file = "home/.ssh/authorized_keys";
            assert_eq!(trial.read(file), format!("{A} new@x\nno-pty {B}\n"));
            assert!(home(&trial, shell, &format!("{{user: nobody, key: '{B}', exclusive: true}}")).changed);
            assert_eq!(trial.read(file), format!("{B}\n"));
            assert!(home(&trial, shell, &format!("{{user: nobody, key: '{B} any', state: absent}}")).changed);
            assert!(!home(&trial, shell, &format!("{{user: nobody, key: '{B} any', state: absent}}")).changed);
            assert_eq!(trial.read(file), "");
            assert!(!home(&trial, shell, "{user: nobody, key: '', exclusive: true}").changed);
            let meta = std::fs::metadata(trial.path(file)).unwrap();
            assert_eq!(
                (
                    std::os::unix::fs::MetadataExt::uid(&meta),
                    std::fs::read_dir(trial.path("home/.ssh")).unwrap().count()
                ),
                (65534, 1)
            );
        }
    }

    #[test]
    fn links_and_strange_files_are_refused() {
        let trial = Trial::new();
        let add = format!("{{user: nobody, key: '{A}'}}");
        for shell in Trial::SHELLS {
            fresh(&trial);
            std::fs::create_dir(trial.path("victim")).unwrap();
            symlink(trial.path("victim"), trial.path("home/.ssh")).unwrap();
            assert!(home(&trial, shell, &add).failed.unwrap().contains("symbolic link"));
            assert_eq!(std::fs::read_dir(trial.path("victim")).unwrap().count(), 0);

            fresh(&trial);
            std::fs::create_dir(trial.path("home/.ssh")).unwrap();
            chown(trial.path("home/.ssh"), Some(65534), Some(65534)).unwrap();
            trial.write("secret", "root's own\n", 0o600);
            symlink(trial.path("secret"), trial.path("home/.ssh/authorized_keys")).unwrap();
            assert!(home(&trial, shell, &add).failed.unwrap().contains("symbolic link"));
            std::fs::remove_file(trial.path("home/.ssh/authorized_keys")).unwrap();
            std::fs::hard_link(trial.path("secret"), trial.path("home/.ssh/authorized_keys")).unwrap();
            assert!(home(&trial, shell, &add).failed.unwrap().contains("belongs"));
            assert_eq!(trial.read("secret"), "root's own\n");
            std::fs::remove_file(trial.path("home/.ssh/authorized_keys")).unwrap();
            std::fs::create_dir(trial.path("home/.ssh/authorized_keys")).unwrap();
            assert!(home(&trial, shell, &add).failed.is_some());

            fresh(&trial);
            std::fs::create_dir(trial.path("home/.ssh")).unwrap();
            std::fs::set_permissions(trial.path("home/.ssh"), std::fs::Permissions::from_mode(0o755)).unwrap();
            chown(trial.path("home/.ssh"), Some(1), Some(1)).unwrap();
            assert!(home(&trial, shell, &add).failed.unwrap().contains("belongs"));
        }
    }
}
