//! `uri`: a request to a web service, made by the host.

use super::common::{
    ATTRS, FILE_ARGS, Step, WRITE, arg, args,
    beside::Source,
    flag, list,
    put::PUT,
    required, text,
    web::{Request, WEB, WEB_ARGS, WORK, masked, request},
    with_default,
};
use super::{Act, Arg, Args, Kind, Module, Scope, Script, convert, copy};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};
use std::fmt::Write as _;

/// The module.
pub static URI: Module = Module {
    name: "uri",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "asks a web service",
    args: args![
        required("url", Kind::Str, "http or https address"),
        with_default("method", Kind::Str, "GET", "GET, POST, PUT, …"),
        arg("body", Kind::Raw, "what to send: text, or data for `body_format`"),
        Arg {
            choices: &["form-multipart", "form-urlencoded", "json", "raw"],
            ..with_default("body_format", Kind::Str, "raw", "how `body` is written")
        },
        arg("src", Kind::Str, "a file to send, in place of `body`"),
        with_default("remote_src", Kind::Bool, "false", "`src` is on the host"),
        with_default("status_code", Kind::List, "[200]", "the statuses that are well"),
        with_default("return_content", Kind::Bool, "false", "the answer's text as `content`"),
        Arg {
            choices: &["all", "no", "none", "safe", "urllib2", "yes"],
            ..with_default("follow_redirects", Kind::Str, "safe", "`safe`: for GET and HEAD only")
        },
        arg("dest", Kind::Path, "file or folder on the host for the answer"),
        with_default("force", Kind::Bool, "false", "with `dest`: do not ask for something newer only"),
        arg("creates", Kind::Path, "do nothing when this path exists"),
        arg("removes", Kind::Path, "do nothing unless this path exists"),
        with_default("timeout", Kind::Int, "30", "seconds without an answer"),
        arg("ca_path", Kind::Path, "certificates to trust, on the host"),
        arg("unix_socket", Kind::Path, "socket on the host to ask through; needs curl"),
        Arg { aliases: &["user"], ..arg("url_username", Kind::Str, "user, for basic authentication") },
        Arg { aliases: &["password"], ..arg("url_password", Kind::Str, "password, for basic authentication") };
        WEB_ARGS, FILE_ARGS
    ],
    free_form: None,
    act: Act::Shell { library: &[ATTRS, WRITE, PUT, WEB, SH], script },
};

const SH: &str = r#"
b_uri_go() {
  if [ -n "$b_dest" ] && [ -f "$b_dest" ] && [ -z "$b_again" ]; then
    b_x=$(LC_ALL=C date -u -r "$b_dest" '+%a, %d %b %Y %H:%M:%S GMT') && printf 'If-Modified-Since: %s\n' "$b_x" >>"$b_work/headers"
  fi
  b_broken=
  b_web
  outj elapsed "$(($(date +%s) - b_began))"
  outj status "$b_status"
  out final "$b_final"
  b_web_out head "$b_work/head"
  b_well=
  case " $b_codes " in *" $b_status "*) b_well=1 ;; esac
  b_json=
  case $(tr A-Z a-z <"$b_work/head" | sed -n 's/^content-type: *//p' | tail -n 1) in */json* | */javascript* | *+json* | *+javascript*) b_json=1 ;; esac
  b_len=$(($(wc -c <"$b_work/page")))
  if [ -n "$b_content$b_json" ] || [ -z "$b_well" ]; then
    if [ "$b_len" -le 3000000 ]; then b_web_out page "$b_work/page"
    elif [ -n "$b_content" ]; then fail "the answer has $b_len bytes, too many for \`return_content\`; take it with \`dest\`"; fi
  fi
  [ -z "$b_broken" ] || fail "HTTP Error while fetching $b_shown: $b_why"
  b_x=$b_why
  if [ -z "$b_x" ] && [ "$b_status" != -1 ]; then
    read -r b_x b_y b_rest <"$b_work/head" || :
    if [ "$b_status" -lt 300 ]; then b_x="OK ($(sed -n 's/^[Cc]ontent-[Ll]ength: *//p' "$b_work/head" | tail -n 1) bytes)"; case $b_x in 'OK ( '*) b_x='OK (unknown bytes)' ;; esac
    else b_x="HTTP Error $b_status: $b_rest"; fi
  fi
  out msg "$b_x"
  [ -n "$b_well" ] || fail "Status code was $b_status and not [$b_shown_codes]: $b_x"
  [ -n "$b_dest" ] && [ "$b_status" != 304 ] || return 0
  if [ -d "$b_dest" ]; then
    b_name=$(sed -n 's/^[Cc]ontent-[Dd]isposition:.*filename="\{0,1\}\([^";]*\)"\{0,1\}.*/\1/p' "$b_work/head" | tail -n 1)
    b_name=${b_name##*/}
    b_y=${b_final%%[?#]*} b_y=${b_y#*://}
    case $b_y in */*) b_y=${b_y##*/} ;; *) b_y= ;; esac
    b_dest=${b_dest%/}/${b_name:-${b_y:-index.html}}
  fi
  changed
  b_from=$b_work/page b_sum= b_inline= b_name= b_force=1
  b_put
  out path "$b_dest"
}
"#;

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    let method = text(args, "method").unwrap_or("GET").to_uppercase();
    if method.is_empty() || !method.bytes().all(|b| b.is_ascii_uppercase()) {
        return Err("Parameter 'method' needs to be a single word in uppercase, like GET or POST.".to_owned());
    }
    if args.get("body").is_some() && args.get("src").is_some() {
        return Err("parameters are mutually exclusive: body|src".to_owned());
    }
    let mut step = Step::new(scope);
    if scope.check {
        return Ok(step.run("skip 'remote module (uri) does not support check mode'").done());
    }
    for (name, test, word) in [("creates", "! -e", "exists"), ("removes", "-e", "does not exist")] {
        if let Some(path) = text(args, name).filter(|path| !path.is_empty()) {
            step.set_path("b_path", path)?.run(&format!(
                "if ! [ {test} \"$b_path\" ]; then out stdout \"skipped, since '$b_path' {word}\"; exit 0; fi"
            ));
        }
    }
    let codes = list(args, "status_code").unwrap_or_default();
    if let Some(bad) = codes.iter().find(|code| code.parse::<i64>().is_err()) {
        return Err(format!("`status_code: {bad}` is no whole number"));
    }
    step.attributes(args)?.run(WORK);
    let (kind, body) = body(args, scope)?;
    step.run("b_uri_all() {");
    if let Some(src) = text(args, "src") {
        if flag(args, "remote_src") {
            step.set_path("b_from", src)?;
        } else {
            let source = copy::read(&copy::find(src, "files", scope)?)?;
            let len = super::common::put::Seen::of(&source)?.len;
            step.source("send", source, len, "b_need=\"$b_need send\"\n".to_owned()).run("b_from=$FILES/send");
        }
        step.run("cat -- \"$b_from\" >\"$b_work/body\" || fail \"cannot read \\`$b_from\\`\"");
    } else if let Some(body) = body {
        match String::from_utf8(body) {
            Ok(text) if text.len() < 32_768 && !text.contains('\0') => {
                step.set("b_body", &text)?.run("printf %s \"$b_body\" >\"$b_work/body\"");
            }
            other => {
                let bytes = other.map_or_else(std::string::FromUtf8Error::into_bytes, String::into_bytes);
                let len = bytes.len() as u64;
                step.source("send", Source::Bytes(bytes), len, "b_need=\"$b_need send\"\n".to_owned());
                step.run("cat -- \"$FILES/send\" >\"$b_work/body\"");
            }
        }
    }
    let url = text(args, "url").unwrap_or_default();
    let follow = match text(args, "follow_redirects") {
        Some("all" | "yes" | "urllib2") => "all",
        Some("none" | "no") => "none",
        _ => "safe",
    };
    let more = kind.into_iter().map(|kind| ("Content-Type".to_owned(), kind)).collect();
    let timeout = args.int("timeout").unwrap_or(30);
    request(&mut step, args, &Request { url, method: &method, timeout, follow, more })?;
    step.set("b_codes", &codes.join(" "))?.set("b_shown_codes", &codes.join(", "))?.set("b_shown", &masked(url))?;
    match text(args, "dest").filter(|dest| !dest.is_empty()) {
        Some(dest) => step.set_path("b_dest", dest)?,
        None => step.set("b_dest", "")?,
    };
    step.set_flag("b_content", flag(args, "return_content"))
        .set_flag("b_again", flag(args, "force"))
        .set_flag("b_backup", false)
        .set_flag("b_inplace", flag(args, "unsafe_writes"))
        .set_flag("b_check", false);
    step.run("b_follow=1\nb_uri_go\n}\n( b_uri_all )\nb_rc=$?\nrm -rf -- \"$b_work\"\nexit \"$b_rc\"");
    Ok(step.finish(finish).done())
}

/// The kind of content and the bytes that `body` stands for.
type Body = (Option<String>, Option<Vec<u8>>);

fn body(args: &Args, scope: &Scope) -> Result<Body, String> {
    let Some(body) = args.get("body") else { return Ok((None, None)) };
    let plain = body.as_str().map(|text| text.as_bytes().to_vec());
    Ok(match text(args, "body_format").unwrap_or("raw") {
        "json" => {
            let bytes = plain.unwrap_or_else(|| body.to_string().into_bytes());
            (Some("application/json".to_owned()), Some(bytes))
        }
        "form-urlencoded" => {
            let bytes = match plain {
                Some(bytes) => bytes,
                None => form(body)?.into_bytes(),
            };
            (Some("application/x-www-form-urlencoded".to_owned()), Some(bytes))
        }
        "form-multipart" => {
            let boundary = format!("berth{:032x}", rand::random::<u128>());
            let bytes = multipart(body, &boundary, scope)?;
            (Some(format!("multipart/form-data; boundary=\"{boundary}\"")), Some(bytes))
        }
        _ => (None, Some(plain.unwrap_or_else(|| body.to_string().into_bytes()))),
    })
}

fn form(body: &Value) -> Result<String, String> {
    let mut pairs: Vec<(String, Value)> = Vec::new();
    match body {
        Value::Object(map) => pairs.extend(map.iter().map(|(name, value)| (name.clone(), value.clone()))),
        Value::Array(items) => {
            for item in items {
                match item.as_array().map(Vec::as_slice) {
                    Some([name, value]) => pairs.push((convert::text_of(name), value.clone())),
                    _ => return Err("failed to parse body as form_urlencoded: an item is no pair".to_owned()),
                }
            }
        }
        _ => return Err("cannot form-urlencode body, expect list or dict".to_owned()),
    }
    let mut out = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in pairs {
        match value {
            Value::Null => {}
            Value::Array(items) => {
                for item in items.iter().filter(|item| !item.is_null()) {
                    out.append_pair(&name, &convert::text_of(item));
                }
            }
            value => {
                out.append_pair(&name, &convert::text_of(&value));
            }
        }
    }
    Ok(out.finish())
}

fn multipart(body: &Value, boundary: &str, scope: &Scope) -> Result<Vec<u8>, String> {
    let Value::Object(parts) = body else {
        return Err("failed to parse body as form-multipart: a mapping is expected".to_owned());
    };
    let mut out = Vec::new();
    for (name, part) in parts {
        let get = |key: &str| part.get(key).and_then(Value::as_str);
        let (file, bytes, kind) = match part {
            Value::Object(_) => {
                let file = get("filename");
                let bytes = match (get("content"), file) {
                    (Some(content), _) => content.as_bytes().to_vec(),
                    (None, Some(file)) => {
                        let path = copy::find(file, "files", scope)?;
                        std::fs::read(&path).map_err(|why| format!("cannot read `{}`: {why}", path.display()))?
                    }
                    (None, None) => {
                        return Err(format!("`{name}`: at least one of filename or content must be provided"));
                    }
                };
                let usual = if file.is_some() { "application/octet-stream" } else { "text/plain" };
                (file, bytes, get("mime_type").unwrap_or(usual))
            }
            other => (None, convert::text_of(other).into_bytes(), "text/plain"),
        };
        let clean = |text: &str| text.replace(['"', '\r', '\n'], "_");
        let mut head = format!("--{boundary}\r\nContent-Type: {}\r\n", clean(kind));
        if file.is_some() && get("multipart_encoding") != Some("7or8bit") {
            head.push_str("Content-Transfer-Encoding: base64\r\n");
        }
        let _ = write!(head, "Content-Disposition: form-data; name=\"{}\"", clean(name));
        if let Some(file) = file {
            let base = file.rsplit('/').next().unwrap_or(file);
            let _ = write!(head, "; filename=\"{}\"", clean(base));
        }
        head.push_str("\r\n\r\n");
        out.extend(head.into_bytes());
        if file.is_some() && get("multipart_encoding") != Some("7or8bit") {
            for line in STANDARD.encode(&bytes).as_bytes().chunks(76) {
                out.extend_from_slice(line);
                out.extend_from_slice(b"\r\n");
            }
        } else {
            out.extend(bytes);
            out.extend_from_slice(b"\r\n");
        }
    }
    out.extend(format!("--{boundary}--\r\n").into_bytes());
    Ok(out)
}

fn decoded(result: &mut Map<String, Value>, key: &str) -> Option<Vec<u8>> {
    let text = result.shift_remove(key)?;
    let text: String = text.as_str()?.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    STANDARD.decode(text).ok()
}

/// Headers, cookies, JSON and text, under the names that playbooks use.
fn finish(args: &Args, result: &mut Map<String, Value>) {
    let Some(head) = decoded(result, "head") else { return };
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut kind = String::new();
    let mut cookies = Map::new();
    let mut found: Map<String, Value> = Map::new();
    for (name, value) in head.lines().filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        let key = name.trim().to_lowercase().replace('-', "_");
        if key == "content_type" {
            value.clone_into(&mut kind);
        }
        if key == "set_cookie"
            && let Some((name, value)) = value.split(';').next().and_then(|pair| pair.split_once('='))
        {
            cookies.insert(name.trim().to_owned(), value.trim().trim_matches('"').into());
        }
        let value = match found.get(&key).and_then(Value::as_str) {
            Some(before) => format!("{before}, {value}"),
            None => value.to_owned(),
        };
        found.insert(key, value.into());
    }
    let url = masked(text(args, "url").unwrap_or_default());
    let last = result.shift_remove("final").and_then(|last| last.as_str().map(masked)).unwrap_or_else(|| url.clone());
    if let Some(place) = found.get("location").and_then(Value::as_str)
        && let Ok(full) = url::Url::parse(&url).and_then(|base| base.join(place))
    {
        found.insert("location".into(), full.to_string().into());
    }
    for (key, value) in found {
        result.entry(key).or_insert(value);
    }
    let pairs: Vec<String> = cookies.iter().map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default())).collect();
    result.insert("cookies_string".into(), pairs.join("; ").into());
    result.insert("cookies".into(), Value::Object(cookies));
    let plain = |url: &str| {
        url.trim_end_matches('/')
            .rsplit_once('@')
            .map_or(url.trim_end_matches('/').to_owned(), |(_, rest)| rest.to_owned())
    };
    let strip = |url: &str| url.split_once("://").map_or(url.to_owned(), |(_, rest)| plain(rest));
    result.insert("redirected".into(), (strip(&last) != strip(&url)).into());
    result.insert("url".into(), last.into());
    if let Some(page) = decoded(result, "page") {
        let (kind, parameters) = kind.split_once(';').unwrap_or((&kind, ""));
        let latin = parameters.to_lowercase().contains("iso-8859-1");
        let content = if latin {
            page.iter().map(|b| char::from(*b)).collect()
        } else {
            String::from_utf8_lossy(&page).into_owned()
        };
        let sub = kind.trim().rsplit(['/', '+']).next().unwrap_or_default().to_lowercase();
        if matches!(sub.as_str(), "json" | "javascript")
            && let Ok(value) = serde_json::from_str::<Value>(&crate::playbook::value::exact_json(&content))
        {
            result.insert("json".into(), value);
        }
        if flag(args, "return_content") {
            result.insert("content".into(), content.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{URI, finish};
    use crate::playbook::modules::common::{
        trial::{Said, Shell, Trial, args},
        web::tests::server,
    };

    #[test]
    fn answers_come_under_the_names_that_playbooks_use() {
        let trial = Trial::new();
        let (base, seen) = server();
        for shell in Trial::SHELLS {
            trial.wipe();
            let run = |yaml: &str| -> Said {
                let task = args(&URI, &format!("{{{yaml}}}"));
                let mut said = trial.run(shell, &URI, &task);
                finish(&task, &mut said.result);
                said
            };
            let json = run(&format!("url: {base}/json"));
            assert!(!json.changed && json.failed.is_none(), "{shell:?} {json:?}");
            assert_eq!((&json.result["json"]["k"][1], &json.result["status"]), (&"é".into(), &200.into()));
            assert_eq!(json.result["cookies"]["a"], "b");
            assert!(!json.result.contains_key("content"));
            let plain = run(&format!("url: {base}/text, return_content: true"));
            assert_eq!((plain.text("content"), plain.text("x_two_words")), ("plain $(x) text\n", "yes"));
            assert!(plain.text("msg").starts_with("OK ("));
            let gone = run(&format!("url: {base}/nix"));
            assert_eq!(gone.result["status"], 404);
            assert!(gone.failed.unwrap().starts_with("Status code was 404 and not [200]:"));
            let fine = run(&format!("url: {base}/nix, status_code: [200, 404]"));
            assert!(fine.failed.is_none(), "{fine:?}");
            let post = run(&format!(
                "url: {base}/echo, method: POST, body: {{a: [1, two]}}, body_format: json, status_code: 201, return_content: true"
            ));
            assert_eq!(post.text("content"), "{\"a\":[1,\"two\"]}", "{shell:?} {post:?}");
            let form = run(&format!(
                "url: {base}/echo, method: POST, body: {{a: 'x y&', b: [1, 2]}}, body_format: form-urlencoded, status_code: 201, return_content: true"
            ));
            assert_eq!(form.text("content"), "a=x+y%26&b=1&b=2");
            let multi = run(&format!(
                "url: {base}/echo, method: POST, body: {{a: text, f: {{content: inner, filename: f.txt, multipart_encoding: 7or8bit}}}}, body_format: form-multipart, status_code: 201, return_content: true"
            ));
            assert!(multi.text("content").contains("filename=\"f.txt\"\r\n\r\ninner\r\n--"));
            let kept = run(&format!("url: {base}/text, dest: out, mode: '0600'"));
            assert!(kept.changed && trial.mode("out") == 0o600, "{kept:?}");
            let nobody = run("url: 'http://127.0.0.1:1/', timeout: 2");
            assert_eq!(nobody.result["status"], -1, "{nobody:?}");
            assert!(run(&format!("url: {base}/json, creates: out")).text("stdout").starts_with("skipped"));
            assert!(trial.check(shell, &URI, &args(&URI, &format!("{{url: {base}/json}}"))).skipped.is_some());
            let put = run(&format!("url: {base}/echo, method: PUT, body: x, status_code: 201"));
            assert_eq!(put.failed.is_none(), shell == Shell::Dash, "{put:?}");
        }
        assert!(seen.lock().unwrap().iter().any(|request| request.contains("Content-Type: application/json")));
    }
}
