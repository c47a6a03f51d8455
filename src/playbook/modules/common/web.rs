//! Requests that a host makes itself, with curl or wget: what `get_url`, `uri` and others share.

use super::{Step, arg, flag, list, text, with_default};
use crate::playbook::modules::{Arg, Args, Kind, convert};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use std::fmt::Write as _;

/// The shell side.
pub const WEB: &str = include_str!("web.sh");

/// What every request may be told.
pub const WEB_ARGS: &[Arg] = &[
    arg("headers", Kind::Dict, "headers to send"),
    with_default("http_agent", Kind::Str, "ansible-httpget", "the `User-Agent`"),
    with_default("use_proxy", Kind::Bool, "true", "false: go past the proxy of the environment"),
    with_default("validate_certs", Kind::Bool, "true", "false: any TLS certificate will do"),
    with_default("force_basic_auth", Kind::Bool, "false", "accepted: the password is sent at once anyway"),
    arg("client_cert", Kind::Path, "TLS certificate to show, on the host"),
    arg("client_key", Kind::Path, "its key, on the host"),
    arg("ciphers", Kind::List, "TLS ciphers, as OpenSSL names them"),
    with_default("decompress", Kind::Bool, "true", "ask for and unpack compressed answers"),
    with_default("use_netrc", Kind::Bool, "true", "passwords of ~/.netrc"),
    arg("unredirected_headers", Kind::List, "not supported: curl and wget send headers to every host"),
    with_default("use_gssapi", Kind::Bool, "false", "not supported"),
];

/// One request.
#[derive(Debug, Default)]
pub struct Request<'a> {
    /// Where to.
    pub url: &'a str,
    /// `GET` or another.
    pub method: &'a str,
    /// Seconds.
    pub timeout: i64,
    /// `none`, `safe` or `all`.
    pub follow: &'a str,
    /// Headers on top of the task's: they give way to those.
    pub more: Vec<(String, String)>,
}

/// Puts a request into the variables of `b_web` and its headers into `$b_work`.
pub fn request(step: &mut Step, args: &Args, request: &Request) -> Result<(), String> {
    if list(args, "unredirected_headers").is_some_and(|names| !names.is_empty()) {
        return Err("`unredirected_headers` is not supported; take it out of the task".to_owned());
    }
    if flag(args, "use_gssapi") {
        return Err("`use_gssapi` is not supported; take it out of the task".to_owned());
    }
    let (url, login) = without_login(request.url)?;
    let user = text(args, "url_username").map(str::to_owned);
    let login = match user {
        Some(user) => Some((user, text(args, "url_password").unwrap_or_default().to_owned())),
        None => login,
    };
    let mut headers: Vec<(String, String)> = Vec::new();
    if let Some(Value::Object(given)) = args.get("headers") {
        headers.extend(given.iter().map(|(name, value)| (name.clone(), convert::text_of(value))));
    }
    let mut more = request.more.iter().map(|(name, value)| (name.clone(), value.clone())).collect::<Vec<_>>();
    if let Some((user, password)) = login {
        more.push(("Authorization".into(), format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))));
    }
    if let Some(agent) = text(args, "http_agent") {
        more.push(("User-Agent".into(), agent.to_owned()));
    }
    for (name, value) in more {
        if !headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(&name)) {
            headers.push((name, value));
        }
    }
    let mut lines = String::new();
    for (name, value) in &headers {
        let bad = name.is_empty() || name.contains([':', '\n', '\r', ' ']) || value.contains(['\n', '\r']);
        if bad {
            return Err(format!("`{}` is no name of a header, or its value has several lines", name.escape_debug()));
        }
        let _ = writeln!(lines, "{name}: {value}");
    }
    if url.contains(['\n', '\r']) || request.url.is_empty() {
        return Err("`url` must be one line".to_owned());
    }
    step.set("b_url", &url)?.set("b_method", request.method)?;
    step.set("b_time", &request.timeout.max(1).to_string())?.set("b_follow_to", request.follow)?;
    step.set("b_lines", &lines)?.run("printf %s \"$b_lines\" >\"$b_work/headers\"");
    step.set_flag("b_check_certs", flag(args, "validate_certs"))
        .set_flag("b_proxy", flag(args, "use_proxy"))
        .set_flag("b_zip", flag(args, "decompress"))
        .set_flag("b_netrc", flag(args, "use_netrc"));
    step.set("b_ciphers", &list(args, "ciphers").unwrap_or_default().join(":"))?;
    for (var, name) in
        [("b_ca", "ca_path"), ("b_cert", "client_cert"), ("b_key", "client_key"), ("b_socket", "unix_socket")]
    {
        match text(args, name).filter(|path| !path.is_empty()) {
            Some(path) => step.set_path(var, path)?,
            None => step.set(var, "")?,
        };
    }
    Ok(())
}

/// A private folder for the request, gone when the step ends.
pub const WORK: &str = "b_work=$(umask 077; mktemp -d \"${TMPDIR:-/tmp}/.berth.XXXXXXXXXX\") || fail 'cannot make a temporary folder'\nb_began=$(date +%s)";

/// `https://user:password@host/` taken apart.
fn without_login(url: &str) -> Result<(String, Option<(String, String)>), String> {
    let Some((scheme, rest)) = url.split_once("://") else { return Err(format!("`{url}` is no URL")) };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let Some((login, host)) = rest[..end].rsplit_once('@') else { return Ok((url.to_owned(), None)) };
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let plain = format!("{scheme}://{host}{}", &rest[end..]);
    Ok((plain, Some((unescape(user), unescape(password)))))
}

/// `%40` and its like.
fn unescape(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let code = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        if let Some(byte) = code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            out.push(byte);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A URL for results: its password is not shown.
pub fn masked(url: &str) -> String {
    match without_login(url) {
        Ok((plain, Some((user, _)))) => {
            plain.split_once("://").map_or(plain.clone(), |(scheme, rest)| format!("{scheme}://{user}:********@{rest}"))
        }
        _ => url.to_owned(),
    }
}

#[cfg(test)]
pub mod tests {
    use super::{masked, without_login};
    use std::{
        io::{BufRead, BufReader, Read, Write},
        net::TcpListener,
        sync::{Arc, Mutex},
    };

    /// A web server of this test; every request's text is kept.
    pub fn server() -> (String, Arc<Mutex<Vec<String>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&seen);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let (mut head, mut length) = (String::new(), 0);
                loop {
                    let mut line = String::new();
                    if reader.read_line(&mut line).unwrap_or(0) == 0 || line.trim().is_empty() {
                        break;
                    }
                    if let Some((name, value)) = line.split_once(':')
                        && name.eq_ignore_ascii_case("content-length")
                    {
                        length = value.trim().parse().unwrap_or(0);
                    }
                    head.push_str(&line);
                }
                let mut body = vec![0; length];
                let _ = reader.read_exact(&mut body);
                let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                let old = head.to_lowercase().contains("if-modified-since");
                let (status, more, text) = match path.as_str() {
                    "/json" => (
                        "200 OK",
                        "Content-Type: application/json; charset=utf-8\r\nSet-Cookie: a=b; Path=/\r\n",
                        "{\"k\": [1, \"é\"]}".to_owned(),
                    ),
                    "/text" if old => ("304 Not Modified", "", String::new()),
                    "/text" => {
                        ("200 OK", "Content-Type: text/plain\r\nX-Two-Words: yes\r\n", "plain $(x) text\n".to_owned())
                    }
                    "/moved" => ("302 Found", "Location: /text\r\n", String::new()),
                    "/sums" => ("200 OK", "", format!("{}  ./text\n0000  other\n", "x".repeat(64))),
                    "/echo" => {
                        ("201 Created", "Content-Type: text/plain\r\n", String::from_utf8_lossy(&body).into_owned())
                    }
                    _ => ("404 Not Found", "", "nothing here\n".to_owned()),
                };
                keep.lock().unwrap().push(format!("{head}\n{}", String::from_utf8_lossy(&body)));
                let text = if head.starts_with("HEAD") { String::new() } else { text };
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status}\r\n{more}Content-Length: {}\r\nConnection: close\r\n\r\n{text}",
                    text.len()
                );
            }
        });
        (base, seen)
    }

    #[test]
    fn logins_leave_the_address() {
        assert_eq!(
            without_login("https://a%40b:p%3A%40@h:8/x@y").unwrap(),
            ("https://h:8/x@y".to_owned(), Some(("a@b".to_owned(), "p:@".to_owned())))
        );
        assert_eq!(masked("https://u:secret@h/x"), "https://u:********@h/x");
        assert!(without_login("no address").is_err());
    }
}
