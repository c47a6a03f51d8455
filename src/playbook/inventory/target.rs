//! From a host's variables to the way to it.

use std::{path::PathBuf, time::Duration};

use serde_json::Value;

use crate::{
    playbook::modules::convert::text_of,
    remote::{HostKey, Login, Secret, Ssh, Target, Via},
};

/// The target that variables describe. `get` looks a variable up, rendered; `user`, `key` and `timeout` are what the
/// command line says.
pub fn target_of(
    name: &str,
    get: &dyn Fn(&str) -> Option<Value>,
    connection: Option<&str>,
    user: Option<&str>,
    key: Option<&PathBuf>,
    timeout: Duration,
) -> Result<Target, String> {
    let text = |names: &[&str]| names.iter().find_map(|name| get(name)).map(|v| text_of(&v)).filter(|t| !t.is_empty());
    let local = matches!(name, "localhost" | "127.0.0.1" | "::1");
    let known = text(&["ansible_connection"]).or_else(|| connection.map(str::to_owned));
    let known = known.unwrap_or_else(|| if local && get("ansible_host").is_none() { "local" } else { "ssh" }.into());
    let user = text(&["ansible_user", "ansible_ssh_user"]).or_else(|| user.map(str::to_owned)).unwrap_or_default();
    let via = match known.rsplit('.').next().unwrap_or(&known) {
        "local" => Via::Local,
        "fake" => Via::Fake,
        "ssh" | "smart" | "paramiko" | "paramiko_ssh" => {
            let port = text(&["ansible_port", "ansible_ssh_port"]).unwrap_or_else(|| "22".into());
            let port = port.parse().map_err(|_| format!("`{port}` is no port for `{name}`"))?;
            let password = text(&["ansible_password", "ansible_ssh_pass", "ansible_ssh_password"]);
            let file = text(&["ansible_ssh_private_key_file", "ansible_private_key_file"]).map(PathBuf::from);
            let login = match (file.or_else(|| key.cloned()), password) {
                (Some(file), _) => Login::KeyFile(home(file)),
                (None, Some(password)) => Login::Password(Secret(password)),
                (None, None) => Login::Default,
            };
            let mut options = Vec::new();
            let mut jump = text(&["berth_jump"]);
            for name in ["ansible_ssh_common_args", "ansible_ssh_extra_args", "ansible_ssh_args"] {
                if let Some(args) = text(&[name]) {
                    read_args(&args, &mut options, &mut jump)?;
                }
            }
            let host_key = match get("berth_host_key") {
                Some(Value::Array(keys)) => HostKey::Pinned(keys.iter().map(text_of).collect()),
                Some(Value::String(key)) if !key.is_empty() => HostKey::Pinned(vec![key]),
                _ => {
                    let off = text(&["ansible_ssh_host_key_checking", "ansible_host_key_checking"])
                        .or_else(|| std::env::var("ANSIBLE_HOST_KEY_CHECKING").ok());
                    match off.as_deref().map(str::to_lowercase).as_deref() {
                        Some("false" | "no" | "0") => HostKey::Learn,
                        _ => HostKey::System,
                    }
                }
            };
            let host = text(&["ansible_host", "ansible_ssh_host"]).unwrap_or_else(|| name.to_owned());
            Via::Ssh(Ssh { host, port, jump, login, host_key, options })
        }
        other => return Err(format!("`{other}` is no connection; `ssh` and `local` are")),
    };
    Ok(Target { name: name.to_owned(), via, user, connect_timeout: timeout, fence: None })
}

fn home(path: PathBuf) -> PathBuf {
    match path.strip_prefix("~") {
        Ok(rest) => std::env::var_os("HOME").map_or_else(|| path.clone(), |home| PathBuf::from(home).join(rest)),
        Err(_) => path,
    }
}

/// The `-o` options in arguments for ssh; `-J` and `-C` as options.
pub fn ssh_options(args: &str) -> Result<Vec<String>, String> {
    let (mut options, mut jump) = (Vec::new(), None);
    read_args(args, &mut options, &mut jump)?;
    options.extend(jump.map(|jump| format!("ProxyJump={jump}")));
    Ok(options)
}

/// Switches of ssh, and the options that they are.
const SWITCHES: [(&str, &str); 5] = [
    ("-4", "AddressFamily=inet"),
    ("-6", "AddressFamily=inet6"),
    ("-A", "ForwardAgent=yes"),
    ("-C", "Compression=yes"),
    ("-q", "LogLevel=QUIET"),
];

/// The `-o`, `-J`, `-i` and switches of extra arguments; others would change what the connection is.
fn read_args(args: &str, options: &mut Vec<String>, jump: &mut Option<String>) -> Result<(), String> {
    let mut words = Vec::new();
    let (mut word, mut quote) = (String::new(), None);
    for c in args.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, c) if c.is_whitespace() => words.push(std::mem::take(&mut word)),
            (_, c) => word.push(c),
        }
    }
    words.push(word);
    let mut words = words.into_iter().filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        if word == "-o" {
            options.extend(words.next());
        } else if let Some(option) = word.strip_prefix("-o") {
            options.push(option.to_owned());
        } else if word == "-J" {
            *jump = words.next();
        } else if word == "-i" {
            options.extend(words.next().map(|file| format!("IdentityFile={file}")));
        } else if let Some((_, option)) = SWITCHES.iter().find(|(switch, _)| *switch == word) {
            options.push((*option).into());
        } else {
            return Err(format!("`{word}` in the ssh arguments is not understood; write it as `-o Name=value`"));
        }
    }
    Ok(())
}
