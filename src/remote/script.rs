//! The text that is written into a host's shell.

use std::fmt::Write as _;

use super::{Become, BecomeMethod, Condition, Error, Guard, Secret, Step, quote::quote_bytes, wire};

const DRIVER: &str = include_str!("driver.sh");
const AHEAD: &str = include_str!("ahead.sh");
const FENCE: &str = include_str!("fence.sh");

/// A token no one can guess: 128 bits of the thread's random generator.
pub(super) fn token() -> String {
    format!("@{:032x}@", rand::random::<u128>())
}

/// The first thing a shell receives: its token, the functions, and the word that it is ready.
///
/// Who sees what is at `mark` says so: it is the machine that we are on.
pub(super) fn hello(token: &str, fence: Option<&str>, home: bool, mark: Option<&str>) -> Vec<u8> {
    // The name of the shell's own folder: nobody can have made it before.
    let folder = rand::random::<u64>() >> 24;
    let mut text = format!("__T='{token}'\n__d={folder:010x}\n").into_bytes();
    text.extend_from_slice(DRIVER.replace("@CAP@", &(wire::CAP + 1).to_string()).as_bytes());
    if home {
        text.extend_from_slice(b"cd ~ 2>/dev/null || cd /\n");
    }
    if let Some(fence) = fence {
        text.extend_from_slice(FENCE.as_bytes());
        text.extend_from_slice(b"__fence ");
        quote_bytes(&mut text, fence.as_bytes());
        text.extend_from_slice(b" || { printf '%sHfence\\n' \"$__T\" >&3; exit 1; }\n");
    }
    text.extend_from_slice(b"printf '%sH' \"$__T\" >&3;");
    if let Some(mark) = mark {
        text.extend_from_slice(b"[ ! -e ");
        quote_bytes(&mut text, mark.as_bytes());
        text.extend_from_slice(b" ] || printf 'here ' >&3;");
    }
    text.extend_from_slice(b"__who >&3\n");
    text
}

/// One step as text, `id` in its answer. `fresh` are the library texts this shell has not seen.
pub(super) fn step(id: u64, step: &Step, fresh: &[&'static str]) -> Vec<u8> {
    let mut text = Vec::with_capacity(step.text.len() + 256);
    library(&mut text, fresh);
    flags(&mut text, step);
    text.extend_from_slice(b"__S=");
    quote_bytes(&mut text, &body(step));
    let run = if step.plain { "__p" } else { "__m" };
    text.extend_from_slice(format!("\n{run} {id} {}\n", guard(step)).as_bytes());
    text
}

/// Conditions as one text: the first that does not hold ends it, its place in `__at`.
fn when(conditions: &[(usize, Condition)]) -> String {
    let mut text = String::new();
    for (at, condition) in conditions {
        let _ = write!(text, "if [ \"$__q\" = 0 ]; then __at={at}\n{}\nfi\n", condition.text());
    }
    text
}

/// The functions that conditions need.
pub(super) fn judging() -> String {
    format!("__cr=$(printf '\\r')\n{}", AHEAD.replace("@CAP@", &wire::CAP.to_string()))
}

/// What a failure means for the steps after it.
fn guard(step: &Step) -> &'static str {
    match step.guard {
        Guard::None => "''",
        Guard::Held => "held",
        Guard::Stop => "stop",
        Guard::Note => "note",
        Guard::Last => "last",
    }
}

/// One step that runs in a shell of its own, as another user.
pub(super) fn step_as(
    id: u64,
    step: &Step,
    them: &Become,
    inner_token: &str,
    we_are_root: bool,
) -> Result<Vec<u8>, Error> {
    let way = way(them, we_are_root, "/bin/sh")?;
    let typed = typed(them, we_are_root)?;
    let mut inner = hello(inner_token, None, true, None);
    library(&mut inner, &step.library);
    flags(&mut inner, step);
    inner.extend_from_slice(b"__S=");
    quote_bytes(&mut inner, &body(step));
    inner.extend_from_slice(if step.plain { b"\n__p 1\n" } else { b"\n__m 1 ''\n" });

    let mut outer = unlock(them, we_are_root);
    if let Some(password) = typed {
        let mark = token();
        outer.extend_from_slice(b"{ printf '%s\\n' ");
        quote_bytes(&mut outer, password.0.as_bytes());
        outer.extend_from_slice(format!(" {mark}; printf %s ").as_bytes());
        quote_bytes(&mut outer, &inner);
        outer.extend_from_slice(format!("; }} | {way} -c '{}; exec /bin/sh' 3>&-\n", up_to(&mark)).as_bytes());
    } else {
        outer.extend_from_slice(b"printf %s ");
        quote_bytes(&mut outer, &inner);
        outer.extend_from_slice(format!(" | {way} 3>&-\n").as_bytes());
    }
    let mut text = b"__S=".to_vec();
    quote_bytes(&mut text, &outer);
    text.extend_from_slice(format!("\n__a {id} {}\n", guard(step)).as_bytes());
    Ok(text)
}

/// The line that starts a root shell inside this one, reading the same stdin; it says `go` when that will work.
pub(super) fn climb(them: &Become) -> Result<Vec<u8>, Error> {
    let way = way(them, false, "/bin/sh")?;
    let mut text = unlock(them, false);
    text.extend_from_slice(format!("{way} -c : </dev/null && {{ __left go; {way} >&3; }}; __left $?\n").as_bytes());
    Ok(text)
}

/// What is written after `go` when `su` asks for a password, and the word that the root shell says then.
pub(super) struct Typed {
    pub(super) text: Vec<u8>,
    mark: String,
}

impl Typed {
    /// The password for the way to root, when it is `su` that wants it. `token` is the outer shell's.
    pub(super) fn of(them: &Become, token: &str) -> Result<Option<Self>, Error> {
        let Some(password) = typed(them, false)? else { return Ok(None) };
        let mark = self::token();
        let text = format!("{}\n{mark}\n{token}Lin\n", password.0).into_bytes();
        Ok(Some(Self { text, mark }))
    }

    /// The line that starts a root shell by `su`. Where `su` does not take the password, nobody else does.
    pub(super) fn climb(&self, them: &Become) -> Result<Vec<u8>, Error> {
        let way = way(them, false, "/bin/sh")?;
        let pass = format!("{}; IFS= read -r __l", up_to(&self.mark));
        Ok(format!(
            "__left go; {way} -c '{pass}; printf \"%s\\n\" \"$__l\"; exec /bin/sh' >&3; \
             __r=$?; __left $__r; [ $__r = 0 ] || {{ {pass}; }}\n"
        )
        .into_bytes())
    }
}

/// Reads lines up to a mark: the password, where `su` did not want it.
fn up_to(mark: &str) -> String {
    format!("while IFS= read -r __l; do [ \"$__l\" = {mark} ] && break; done")
}

/// The password that `su` reads from its stdin.
fn typed(them: &Become, we_are_root: bool) -> Result<Option<&Secret>, Error> {
    if we_are_root || them.method != BecomeMethod::Su {
        return Ok(None);
    }
    let why = |why: &str| Error::Become { user: them.user.clone(), why: why.to_owned() };
    let password = them.password.as_ref().ok_or_else(|| {
        why("`su` asks for a password; give it with `-K` or `ansible_become_password`, or log in as root")
    })?;
    if password.0.contains('\n') {
        return Err(why("a password of several lines cannot be given to `su`"));
    }
    Ok(Some(password))
}

/// What gives `sudo` its password, if it wants one: on its stdin, which no list of processes shows. `sudo` remembers
/// it for the commands of the same shell.
fn unlock(them: &Become, we_are_root: bool) -> Vec<u8> {
    let mut text = Vec::new();
    if let (BecomeMethod::Sudo, false, Some(password)) = (them.method, we_are_root, &them.password) {
        text.extend_from_slice(b"sudo -n true </dev/null >/dev/null 2>&1 || printf '%s\\n' ");
        quote_bytes(&mut text, password.0.as_bytes());
        text.extend_from_slice(b" | sudo -S -p '' -v >/dev/null\n");
    }
    text
}

fn way(them: &Become, we_are_root: bool, shell: &str) -> Result<String, Error> {
    if them.user.is_empty()
        || them.user.starts_with('-')
        || !them.user.chars().all(|c| c.is_ascii_alphanumeric() || "_-.@\\$".contains(c))
    {
        return Err(Error::BadValue(format!("`{}` is no user name to become", them.user.escape_debug())));
    }
    let user = super::quote::quote(&them.user);
    Ok(match (them.method, we_are_root) {
        // From root, `su` is everywhere and asks nothing.
        (_, true) | (BecomeMethod::Su, false) => format!("su -s {shell} {user}"),
        (BecomeMethod::Sudo, false) => format!("sudo -n -H -u {user} -- {shell}"),
        (BecomeMethod::Doas, false) => format!("doas -n -u {user} {shell}"),
    })
}

fn library(into: &mut Vec<u8>, texts: &[&'static str]) {
    for text in texts {
        into.extend_from_slice(text.as_bytes());
        into.push(b'\n');
    }
}

fn flags(into: &mut Vec<u8>, step: &Step) {
    let flag = |on: bool| if on { "1" } else { "" };
    if step.reset {
        into.extend_from_slice(b"__stop= __noted=;");
    }
    into.extend_from_slice(format!("CHECK={};DIFF={};", flag(step.check), flag(step.diff)).as_bytes());
    match step.remember {
        Some(slot) => into.extend_from_slice(format!("__K=$__D/k{slot};").as_bytes()),
        None => into.extend_from_slice(b"__K=;"),
    }
    into.extend_from_slice(b"__W=");
    if !step.when.is_empty() {
        quote_bytes(into, when(&step.when).as_bytes());
    }
    into.push(b';');
}

/// Environment, files, then the step's own text.
fn body(step: &Step) -> Vec<u8> {
    let mut text = Vec::with_capacity(step.text.len() + 64);
    for (name, value) in &step.environment {
        text.extend_from_slice(b"export ");
        text.extend_from_slice(name.as_bytes());
        text.push(b'=');
        quote_bytes(&mut text, value.replace('\0', "").as_bytes());
        text.push(b'\n');
    }
    if !step.files.is_empty() {
        text.extend_from_slice(b"FILES=$__D/f;(umask 077;mkdir \"$FILES\")\ntrap 'rm -rf \"$FILES\"' 0\n");
        for (name, bytes) in &step.files {
            if bytes.contains(&0) {
                use base64::Engine as _;
                text.extend_from_slice(b"printf %s ");
                quote_bytes(&mut text, base64::engine::general_purpose::STANDARD.encode(bytes).as_bytes());
                text.extend_from_slice(b" | base64 -d");
            } else {
                text.extend_from_slice(b"printf %s ");
                quote_bytes(&mut text, bytes);
            }
            text.extend_from_slice(b" >\"$FILES\"/");
            quote_bytes(&mut text, name.as_bytes());
            text.push(b'\n');
        }
    }
    text.extend_from_slice(step.text.as_bytes());
    text
}
