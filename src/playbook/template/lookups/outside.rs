//! Lookups that ask programs of this machine or the web. Each is bounded by a deadline and by a size.

use std::{
    io::Read as _,
    os::unix::process::CommandExt as _,
    process::{Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use serde_json::Value;

use super::{Ask, Fault, Found, Lookup, lookup_of, wrong};
use crate::playbook::{modules::convert, template::filters::text::lines};

pub(super) static TABLE: &[Lookup] = &[
    lookup_of("lines", &[], |ask| {
        let mut found = Vec::new();
        for command in ask.texts() {
            found.extend(lines(&run(ask, "lines", &command)?, false).into_iter().map(Value::String));
        }
        Ok(found)
    }),
    lookup_of("pipe", &[], |ask| {
        let texts = ask.texts();
        let run = |command: &String| run(ask, "pipe", command).map(|text| Value::String(text.trim_end().to_owned()));
        texts.iter().map(run).collect()
    }),
    lookup_of(
        "url",
        &[
            "validate_certs",
            "split_lines",
            "username",
            "password",
            "headers",
            "timeout",
            "http_agent",
            "force",
            "force_basic_auth",
            "follow_redirects",
            "use_proxy",
            "ca_path",
        ],
        url,
    ),
];

/// How long a program may take.
const DEADLINE: Duration = Duration::from_mins(2);
/// How much it may say.
const MOST: u64 = 16 * 1024 * 1024;

/// What a shell command of this machine says.
fn run(ask: &Ask<'_>, name: &str, command: &str) -> Result<String, Fault> {
    let mut child = Command::new("/bin/sh")
        .args(["-c", command])
        .current_dir(ask.folder())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|why| wrong(format!("the lookup `{name}` cannot start a shell: {why}")))?;
    let group = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    let (done, answer) = mpsc::channel();
    let stdout = child.stdout.take();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = stdout.map_or(Ok(0), |stdout| stdout.take(MOST + 1).read_to_end(&mut bytes));
        let _ = done.send(read.map(|_| bytes));
    });
    let end = |child: &mut std::process::Child| {
        if let Some(group) = group {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = child.wait();
    };
    let bytes = match answer.recv_timeout(DEADLINE) {
        Ok(Ok(bytes)) if bytes.len() as u64 <= MOST => bytes,
        Ok(Ok(_)) => {
            end(&mut child);
            return Err(wrong(format!("the command of the lookup `{name}` says more than {} MiB", MOST / 1024 / 1024)));
        }
        Ok(Err(why)) => {
            end(&mut child);
            return Err(wrong(format!("the command of the lookup `{name}`: {why}")));
        }
        Err(_) => {
            end(&mut child);
            let seconds = DEADLINE.as_secs();
            return Err(wrong(format!("the command of the lookup `{name}` took longer than {seconds} seconds")));
        }
    };
    let status = child.wait().map_err(|why| wrong(format!("the lookup `{name}`: {why}")))?;
    match status.code() {
        Some(0) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Some(code) => Err(wrong(format!("lookup_plugin.{name}({command}) returned {code}"))),
        None => Err(wrong(format!("lookup_plugin.{name}({command}) was ended by a signal"))),
    }
}

fn url(ask: &Ask<'_>) -> Found {
    let split = ask.flag("split_lines", true)?;
    let mut found = Vec::new();
    for address in ask.texts() {
        let request = request(ask, &address)?;
        // A thread of its own, for this one may be driving other work.
        let text = std::thread::spawn(move || request.send()).join().unwrap_or_else(|_| Err("failed".into()));
        let text = text.map_err(|why| wrong(format!("Failed lookup url for {}: {why}", masked(&address))))?;
        if split {
            found.extend(lines(&text, false).into_iter().map(Value::String));
        } else {
            found.push(Value::String(text));
        }
    }
    Ok(found)
}

/// An address without its password.
fn masked(address: &str) -> String {
    match url::Url::parse(address) {
        Ok(mut address) if address.password().is_some() => {
            let _ = address.set_password(Some("********"));
            address.to_string()
        }
        _ => address.to_owned(),
    }
}

struct Request {
    address: String,
    verify: bool,
    proxy: bool,
    redirects: bool,
    timeout: Duration,
    agent: String,
    account: Option<(String, String)>,
    headers: Vec<(String, String)>,
    authority: Option<Vec<u8>>,
}

fn request(ask: &Ask<'_>, address: &str) -> Result<Request, Fault> {
    let seconds: f64 = ask
        .text("timeout", "10")
        .parse()
        .ok()
        .filter(|seconds: &f64| (0.0..=600.0).contains(seconds))
        .ok_or_else(|| wrong("`timeout` is a number of seconds up to 600"))?;
    let mut headers: Vec<(String, String)> = match ask.option("headers") {
        None => Vec::new(),
        Some(Value::Object(map)) => map.iter().map(|(name, value)| (name.clone(), convert::text_of(value))).collect(),
        Some(_) => return Err(wrong("`headers` is a mapping")),
    };
    if ask.flag("force", false)? {
        headers.push(("cache-control".into(), "no-cache".into()));
    }
    let redirects = match ask.text("follow_redirects", "urllib2").as_str() {
        "urllib2" | "all" | "yes" | "safe" | "True" | "true" => true,
        "no" | "none" | "False" | "false" => false,
        other => return Err(wrong(format!("`follow_redirects` is urllib2, all, safe or none, not `{other}`"))),
    };
    let _ = ask.flag("force_basic_auth", false)?;
    let user = ask.option("username").map(convert::text_of);
    let authority = match ask.option("ca_path").map(convert::text_of) {
        Some(path) => Some(std::fs::read(&path).map_err(|why| wrong(format!("`ca_path` `{path}`: {why}")))?),
        None => None,
    };
    Ok(Request {
        address: address.to_owned(),
        verify: ask.flag("validate_certs", true)?,
        proxy: ask.flag("use_proxy", true)?,
        redirects,
        timeout: Duration::from_secs_f64(seconds.max(0.001)),
        agent: ask.text("http_agent", "ansible-httpget"),
        account: user.map(|user| (user, ask.text("password", ""))),
        headers,
        authority,
    })
}

impl Request {
    fn send(self) -> Result<String, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
        runtime.block_on(async move {
            let timeout = self.timeout;
            match tokio::time::timeout(timeout, self.fetch()).await {
                Ok(done) => done,
                Err(_) => Err(format!("no answer within {} seconds", timeout.as_secs_f64())),
            }
        })
    }

    async fn fetch(self) -> Result<String, String> {
        use reqwest::redirect::Policy;
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(&self.agent)
            .danger_accept_invalid_certs(!self.verify)
            .redirect(if self.redirects { Policy::limited(10) } else { Policy::none() });
        if !self.proxy {
            builder = builder.no_proxy();
        }
        if let Some(bytes) = &self.authority {
            let found = reqwest::Certificate::from_pem_bundle(bytes).map_err(|e| plain(&e))?;
            for certificate in found {
                builder = builder.add_root_certificate(certificate);
            }
        }
        let client = builder.build().map_err(|e| plain(&e))?;
        let mut request = client.get(&self.address);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some((user, password)) = &self.account {
            request = request.basic_auth(user, Some(password));
        }
        let mut answer = request.send().await.map_err(|e| plain(&e))?;
        if !answer.status().is_success() {
            return Err(format!("HTTP Error {}", answer.status()));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|e| plain(&e))? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() as u64 > MOST {
                return Err(format!("the answer is larger than {} MiB", MOST / 1024 / 1024));
            }
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// An error of the client without the address, which may hold a password.
fn plain(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = inner.to_string();
        cause = inner.source();
    }
    if text.is_empty() { "the request failed".into() } else { text }
}
