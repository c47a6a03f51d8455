//! `known_hosts`: host keys that ssh trusts. The file is read here, so the host needs no ssh-keygen.

use super::common::{
    ATTRS, WRITE, arg,
    edit::{self, EDIT, Opened},
    flag,
    put::PUT,
    required, text, with_default,
};
use super::talk::{Host, Talk, Trouble};
use super::{Act, Arg, Args, Kind, Module, Outcome, Scope, Script};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha1::Sha1;

/// The module.
pub static KNOWN_HOSTS: Module = Module {
    name: "known_hosts",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "adds or removes host keys of a known_hosts file",
    args: &[
        Arg { aliases: &["host"], ..required("name", Kind::Str, "the host, as `[name]:port` when the port is not 22") },
        arg("key", Kind::Str, "the line of the file; to remove, none means all keys of the host"),
        with_default("path", Kind::Path, "~/.ssh/known_hosts", "the file"),
        with_default("hash_host", Kind::Bool, "false", "hide the host's name in the file"),
        Arg { choices: &["absent", "present"], ..with_default("state", Kind::Str, "present", "there or not") },
    ],
    free_form: None,
    act: Act::Shell { library: &[ATTRS, WRITE, PUT, EDIT, SH], script },
};

const SH: &str = r#"
b_known_folder() {
  case $b_path in */*) ;; *) return 0 ;; esac
  [ -d "${b_path%/*}/" ] || b_x=$(umask 077; mkdir -p -- "${b_path%/*}" 2>&1) || fail "Failed to create directory ${b_path%/*}: $b_x"
}
"#;

/// A line of the file.
#[derive(Debug, PartialEq, Eq)]
struct Entry<'a> {
    mark: Option<&'a str>,
    hosts: &'a str,
    kind: &'a str,
    key: &'a str,
}

impl<'a> Entry<'a> {
    fn of(line: &'a str) -> Option<Self> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let mut words = line.split_whitespace();
        let first = words.next()?;
        let (mark, hosts) = if first.starts_with('@') { (Some(first), words.next()?) } else { (None, first) };
        Some(Self { mark, hosts, kind: words.next()?, key: words.next()? })
    }

    /// Whether the line is about `host`, as ssh-keygen would find it.
    fn is_of(&self, host: &str) -> bool {
        if let Some(hashed) = self.hosts.strip_prefix("|1|") {
            let Some((salt, sum)) = hashed.split_once('|') else { return false };
            let Ok(salt) = STANDARD.decode(salt) else { return false };
            return hash(&salt, host).is_some_and(|mine| STANDARD.encode(mine) == sum);
        }
        let mut found = false;
        for pattern in self.hosts.split(',') {
            let (pattern, not) = pattern.strip_prefix('!').map_or((pattern, false), |rest| (rest, true));
            if wild(&pattern.to_lowercase(), host) {
                if not {
                    return false;
                }
                found = true;
            }
        }
        found
    }
}

fn hash(salt: &[u8], host: &str) -> Option<Vec<u8>> {
    let mut mac = Hmac::<Sha1>::new_from_slice(salt).ok()?;
    mac.update(host.as_bytes());
    Some(mac.finalize().into_bytes().to_vec())
}

/// `*` and `?`.
fn wild(pattern: &str, text: &str) -> bool {
    let mut chars = pattern.chars();
    match chars.next() {
        None => text.is_empty(),
        Some('*') => {
            let rest = chars.as_str();
            wild(rest, text) || text.char_indices().any(|(at, c)| wild(rest, &text[at + c.len_utf8()..]))
        }
        Some(c) => {
            let mut given = text.chars();
            given.next().is_some_and(|g| (c == '?' || c == g) && wild(chars.as_str(), given.as_str()))
        }
    }
}

fn script(args: &Args, _: &Scope) -> Result<Script, String> {
    let host = text(args, "name").unwrap_or_default().to_lowercase();
    let key = text(args, "key").filter(|key| !key.is_empty());
    match key {
        None if text(args, "state") != Some("absent") => return Err("No key specified when adding a host".to_owned()),
        None => {}
        Some(key) => {
            if host.contains(',') {
                return Err("Comma separated list of names is not supported. Please pass a single name to lookup in the known_hosts file.".to_owned());
            }
            let entry = Entry::of(key).filter(|entry| entry.is_of(&host));
            if entry.is_none() {
                return Err("Host parameter does not match hashed host field in supplied key".to_owned());
            }
        }
    }
    Ok(Talk::new(talk).script())
}

/// What the file becomes.
fn edited(text: &str, host: &str, key: Option<&str>, present: bool) -> Option<String> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let about = |line: &&str| Entry::of(line).is_some_and(|entry| entry.is_of(host));
    let Some(key) = key else {
        return lines.iter().any(about).then(|| lines.iter().filter(|line| !about(line)).copied().collect());
    };
    let new = Entry::of(key)?;
    let mut hit = None;
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| about(line)) {
        let Some(found) = Entry::of(line) else { continue };
        // Two hashes of one name differ, and mean the same.
        let both_hashed = new.hosts.starts_with("|1|") && found.hosts.starts_with("|1|");
        let same = (new.hosts == found.hosts || both_hashed)
            && (new.mark, new.kind, new.key) == (found.mark, found.kind, found.key);
        if same {
            hit = Some((at, true));
            break;
        }
        if found.mark.is_none() && found.kind == new.kind {
            hit = Some((at, false));
            break;
        }
    }
    match (hit, present) {
        (Some((_, true)), true) | (None, false) => None,
        (hit, present) => {
            let skip = hit.map(|(at, _)| at);
            let mut out: String =
                lines.iter().enumerate().filter(|(at, _)| Some(*at) != skip).map(|(_, line)| *line).collect();
            if present {
                if !out.is_empty() && !out.ends_with('\n') {
                    out.push('\n');
                }
                out.push_str(key.trim_end_matches('\n'));
                out.push('\n');
            }
            Some(out)
        }
    }
}

async fn talk(args: Args, host: Host) -> Result<Outcome, Trouble> {
    let name = text(&args, "name").unwrap_or_default().to_lowercase();
    let present = text(&args, "state") != Some("absent");
    let mut key = text(&args, "key").filter(|key| !key.is_empty()).map(str::to_owned);
    if let Some(line) = key.as_mut().filter(|_| flag(&args, "hash_host")) {
        let salt = rand::random::<[u8; 20]>();
        let sum = hash(&salt, &name).unwrap_or_default();
        let hidden = format!("|1|{}|{}", STANDARD.encode(salt), STANDARD.encode(sum));
        let mut words: Vec<&str> = line.split_whitespace().collect();
        let at = usize::from(words.first().is_some_and(|word| word.starts_with('@')));
        if let Some(word) = words.get_mut(at) {
            *word = &hidden;
        }
        *line = words.join(" ");
    }
    let file: Opened = edit::open(&host, &args).await?;
    if !matches!(file.kind.as_str(), "file" | "absent") {
        return Err(format!("`{}` is a {}, no text file", file.path, file.kind).into());
    }
    let new = edited(&file.text, &name, key.as_deref(), present);
    let header = if file.kind == "absent" { "/dev/null".to_owned() } else { file.path.clone() };
    let after = new.clone().unwrap_or_else(|| file.text.clone());
    let diff = json!({"before_header": header, "after_header": file.path, "before": file.text, "after": after});
    let mut outcome = match new {
        None => Outcome::default(),
        Some(new) => {
            if !host.scope.check && file.kind == "absent" {
                let mut step = super::common::Step::default();
                step.set("b_path", &file.real)?.run("b_known_folder");
                host.must(&args, step.done().text).await?;
            }
            edit::save(&host, &args, &file, new, "").await?
        }
    };
    for (name, value) in &args.0 {
        outcome.result.entry(name.clone()).or_insert_with(|| value.clone());
    }
    outcome.result.insert("diff".into(), diff);
    outcome.result.insert("state".into(), json!(text(&args, "state")));
    outcome.result.insert("key".into(), args.get("key").cloned().unwrap_or(Value::Null));
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::KNOWN_HOSTS;
    use crate::playbook::modules::common::trial::{Trial, args};

    #[test]
    fn keys_come_and_go() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            let run =
                |yaml: &str| trial.run(shell, &KNOWN_HOSTS, &args(&KNOWN_HOSTS, &format!("{{path: s/k, {yaml}}}")));
            let one = "name: h.example, key: h.example ssh-rsa AAAAone comment";
            assert!(trial.check(shell, &KNOWN_HOSTS, &args(&KNOWN_HOSTS, &format!("{{path: s/k, {one}}}"))).changed);
            assert!(!trial.path("s").exists());
            let first = run(one);
            assert!(first.changed && first.failed.is_none(), "{first:?}");
            assert_eq!(trial.read("s/k"), "h.example ssh-rsa AAAAone comment\n");
            assert!(!run(one).changed);
            assert!(run("name: h.example, key: h.example ssh-ed25519 AAAAtwo").changed);
            assert!(run("name: h.example, key: h.example ssh-rsa AAAAnew").changed);
            assert_eq!(trial.read("s/k"), "h.example ssh-ed25519 AAAAtwo\nh.example ssh-rsa AAAAnew\n");
            let hashed = "name: other, key: other ssh-rsa AAAAx, hash_host: true";
            assert!(run(hashed).changed);
            assert!(trial.read("s/k").contains("|1|"));
            assert!(!run(hashed).changed);
            let found = std::process::Command::new("ssh-keygen")
                .args(["-F", "other", "-f"])
                .arg(trial.path("s/k"))
                .output()
                .unwrap();
            assert!(String::from_utf8_lossy(&found.stdout).contains("AAAAx"));
            assert!(!run("name: h.example, key: h.example ssh-dss AAAAno, state: absent").changed);
            assert!(run("name: h.example, state: absent").changed);
            assert!(run("name: OTHER, state: absent").changed);
            assert_eq!(trial.read("s/k"), "");
            assert!(!run("name: other, state: absent").changed);
            assert!(run("name: other").failed.unwrap().contains("No key"));
            assert!(run("name: a, key: b ssh-rsa AAAA").failed.unwrap().contains("does not match"));
        }
    }
}
