//! `user`: accounts.
//!
//! Password hashes travel on standard input or through builtins, never in a process's arguments.
//! With `force`, `state: absent` first ends every process of the account, so that it cannot come back.

use super::common::{ACCOUNTS, ATTRS, Step, arg, flag, given, list, refuse, required, text, text_of, with_default};
use super::{Act, Arg, Args, Kind, Module, Scope, Script};
use serde_json::Value;

/// The module.
pub static USER: Module = Module {
    name: "user",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "adds, changes or removes an account",
    args: &[
        Arg { aliases: &["user"], ..required("name", Kind::Str, "the account") },
        Arg { choices: &["absent", "present"], ..with_default("state", Kind::Str, "present", "there or not") },
        arg("uid", Kind::Int, "its number"),
        with_default("non_unique", Kind::Bool, "false", "allow a number that is taken"),
        arg("comment", Kind::Str, "the GECOS field: a person's name"),
        arg("group", Kind::Str, "primary group, by name or number"),
        arg("groups", Kind::List, "further groups; an empty list takes the account out of all"),
        with_default("append", Kind::Bool, "false", "only add `groups`, leave no group"),
        arg("home", Kind::Path, "home folder"),
        Arg {
            aliases: &["createhome"],
            ..with_default("create_home", Kind::Bool, "true", "make the home folder when it is not there")
        },
        with_default("move_home", Kind::Bool, "false", "move the old home folder to `home`"),
        arg("skeleton", Kind::Str, "folder whose files a new home starts with"),
        arg("shell", Kind::Path, "login shell"),
        arg("password", Kind::Str, "crypt hash; `!` or `*` for none"),
        Arg {
            choices: &["always", "on_create"],
            ..with_default("update_password", Kind::Str, "always", "whether `password` is kept up or only set at first")
        },
        arg("password_lock", Kind::Bool, "lock or unlock the password"),
        arg("expires", Kind::Raw, "when the account ends, in seconds since 1970; negative: never"),
        arg("password_expire_max", Kind::Int, "most days between password changes"),
        arg("password_expire_min", Kind::Int, "fewest days between password changes"),
        arg("password_expire_warn", Kind::Int, "days of warning before the password ends"),
        arg("password_expire_account_disable", Kind::Int, "days after the password's end until the account is closed"),
        with_default("system", Kind::Bool, "false", "a system account, when new"),
        arg("umask", Kind::Str, "umask for making the home folder"),
        arg("uid_min", Kind::Int, "smallest number for a new account"),
        arg("uid_max", Kind::Int, "largest number for a new account"),
        with_default("remove", Kind::Bool, "false", "absent: the home folder and the mail go, too"),
        with_default(
            "force",
            Kind::Bool,
            "false",
            "absent: end the account's processes first; with `remove` also its crontab and at jobs",
        ),
        with_default("local", Kind::Bool, "false", "look at /etc/passwd only"),
        with_default("generate_ssh_key", Kind::Bool, "false", "make an SSH key pair when there is none"),
        arg("ssh_key_bits", Kind::Int, "size of a new key"),
        arg("ssh_key_comment", Kind::Str, "comment of a new key; default: `ansible-generated on` the host's name"),
        with_default("ssh_key_file", Kind::Path, ".ssh/id_rsa", "where the key is, in the home folder"),
        arg("ssh_key_passphrase", Kind::Str, "passphrase of a new key; default: none"),
        with_default("ssh_key_type", Kind::Str, "rsa", "kind of a new key"),
        arg("seuser", Kind::Str, "not supported: `SELinux`"),
        arg("login_class", Kind::Str, "not supported: BSD"),
        arg("hidden", Kind::Bool, "not supported: macOS"),
        arg("profile", Kind::Str, "not supported: Solaris"),
        arg("authorization", Kind::Str, "not supported: Solaris"),
        arg("role", Kind::Str, "not supported: Solaris"),
    ],
    free_form: None,
    act: Act::Shell { library: &[ATTRS, ACCOUNTS, SH, GONE, KEY], script },
};

const SH: &str = include_str!("user.sh");
const GONE: &str = include_str!("user_gone.sh");

const KEY: &str = include_str!("user_key.sh");

const REFUSED: &[&str] = &["seuser", "login_class", "hidden", "profile", "authorization", "role"];

/// Refuses a name that would be an option, a path, a pattern, or more than one field of an account file.
pub fn account_name(what: &str, name: &str) -> Result<(), String> {
    let fine = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '$' | '@' | '\\' | '+');
    let shown: String = name.chars().take(40).collect::<String>().escape_debug().to_string();
    if name.is_empty() || name == "." || name == ".." || name.starts_with(['-', '+']) || !name.chars().all(fine) {
        return Err(format!("`{shown}` is no {what} name; use letters, digits, `_`, `-` and `.`, and no `-` in front"));
    }
    if name.len() > 256 {
        return Err(format!("the {what} name `{shown}…` is {} bytes long; hosts take at most 256", name.len()));
    }
    Ok(())
}

/// A value that must fit one field of an account file.
fn field(args: &Args, name: &str) -> Result<Option<String>, String> {
    let value = text_of(args, name);
    if let Some(value) = &value {
        if value.contains([':', '\n', '\r', '\0']) {
            return Err(format!("`{name}` must not hold a colon, a line break or NUL"));
        }
        if value.len() > 4096 {
            return Err(format!("`{name}` is {} bytes long; account files take at most 4096", value.len()));
        }
    }
    Ok(value)
}

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    refuse(args, REFUSED)?;
    let name = text(args, "name").unwrap_or_default();
    account_name("account", name)?;
    let mut step = Step::new(scope);
    step.set("b_name", name)?.set_flag("b_local", flag(args, "local"));
    step.set_flag("b_force", flag(args, "force")).set_flag("b_remove", flag(args, "remove"));
    if text(args, "state") == Some("absent") {
        return Ok(step.run("b_user_absent").done());
    }
    if flag(args, "non_unique") && !given(args, "uid") {
        return Err("`non_unique` needs `uid`".to_owned());
    }
    if given(args, "groups") {
        for group in list(args, "groups").unwrap_or_default() {
            account_name("group", &group)?;
        }
    } else if flag(args, "append") {
        step.run("warn '`append` does nothing without `groups`'");
    }
    if let Some(group) = text_of(args, "group") {
        account_name("group", &group)?;
    }
    let password = field(args, "password")?;
    if password.as_deref() == Some("") {
        return Err("`password` is empty, which would let anybody in; `!` means no password".to_owned());
    }
    if password.as_deref().is_some_and(|hash| !looks_hashed(hash)) {
        step.run("warn 'the password does not look like a crypt hash; nobody will be able to use it'");
    }
    match field(args, "shell")? {
        Some(shell) => step.set_path("b_shell", &shell)?,
        None => step.set("b_shell", "")?,
    };
    for (var, name) in [
        ("b_uid", "uid"),
        ("b_comment", "comment"),
        ("b_group", "group"),
        ("b_skel", "skeleton"),
        ("b_umask", "umask"),
        ("b_uid_min", "uid_min"),
        ("b_uid_max", "uid_max"),
        ("b_max", "password_expire_max"),
        ("b_min", "password_expire_min"),
        ("b_warn", "password_expire_warn"),
        ("b_inactive", "password_expire_account_disable"),
    ] {
        step.set_opt(var, field(args, name)?.as_deref())?;
    }
    match field(args, "home")? {
        Some(home) if !home.is_empty() => step.set_path("b_home", &home)?,
        _ => step.set("b_home", "")?,
    };
    if args
        .0
        .get("umask")
        .is_some_and(|umask| !umask.as_str().is_some_and(|text| text.bytes().all(|b| b.is_ascii_digit())))
    {
        return Err("`umask` is a number in quotes, as `\"077\"`".to_owned());
    }
    step.set_opt("b_password", password.as_deref())?;
    let (days, date) = expiry(args)?;
    step.set("b_expire", &days)?.set("b_expire_date", &date)?;
    step.set_opt("b_groups", list(args, "groups").map(|groups| groups.join(",")).as_deref())?;
    step.set_flag("b_groups_given", given(args, "groups"))
        .set_flag("b_comment_given", given(args, "comment"))
        .set_flag("b_append", flag(args, "append"))
        .set_flag("b_create_home", flag(args, "create_home"))
        .set_flag("b_move", flag(args, "move_home"))
        .set_flag("b_system", flag(args, "system"))
        .set_flag("b_dup", flag(args, "non_unique"))
        .set_flag("b_pw_once", text(args, "update_password") == Some("on_create"));
    let lock = args.0.get("password_lock").and_then(Value::as_bool);
    step.set("b_lock", lock.map_or("", |lock| if lock { "yes" } else { "no" }))?;
    step.run("b_user_present");
    if flag(args, "generate_ssh_key") {
        key(args, &mut step)?;
    }
    Ok(step.done())
}

/// The account's SSH key pair. Its passphrase goes over standard input.
fn key(args: &Args, step: &mut Step) -> Result<(), String> {
    let kind = text(args, "ssh_key_type").unwrap_or("rsa");
    if kind.is_empty() || !kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') || kind.starts_with('-') {
        return Err(format!("`ssh_key_type: {}` is no kind of key", kind.escape_debug()));
    }
    for (var, name) in
        [("b_key_bits", "ssh_key_bits"), ("b_key_comment", "ssh_key_comment"), ("b_key_pass", "ssh_key_passphrase")]
    {
        let value = text_of(args, name);
        if value.as_ref().is_some_and(|value| value.contains(['\n', '\r', '\0'])) {
            return Err(format!("`{name}` must be one line"));
        }
        step.set_opt(var, value.as_deref())?;
    }
    step.set("b_key_type", kind)?;
    step.set_path("b_key_file", text(args, "ssh_key_file").filter(|file| !file.is_empty()).unwrap_or(".ssh/id_rsa"))?;
    step.run("b_user_key");
    Ok(())
}

/// Whether `hash` is something crypt(3) makes, or a mark for "no password".
fn looks_hashed(hash: &str) -> bool {
    let bare = hash.trim_start_matches('!');
    bare.is_empty() || bare == "*" || bare.starts_with('$') || bare.starts_with('_') || bare.len() == 13 || bare == "x"
}

/// `expires` as days since 1970 and as a date; `never` for a negative one; both empty when not given.
fn expiry(args: &Args) -> Result<(String, String), String> {
    let Some(text) = text_of(args, "expires") else { return Ok((String::new(), String::new())) };
    let seconds: f64 = text.parse().map_err(|_| format!("`expires` is seconds since 1970, not `{text}`"))?;
    if seconds < 0.0 {
        return Ok(("never".to_owned(), String::new()));
    }
    #[expect(clippy::cast_possible_truncation, reason = "casting saturates, and the year is checked below")]
    let days = (seconds / 86_400.0).floor() as i64;
    let date = jiff::civil::date(1970, 1, 1)
        .checked_add(jiff::Span::new().try_days(days).map_err(|_| format!("`expires: {text}` is too far away"))?)
        .map_err(|_| format!("`expires: {text}` is too far away"))?;
    Ok((days.to_string(), date.to_string()))
}

#[cfg(test)]
mod tests {
    use super::{USER, account_name, expiry};
    use crate::playbook::modules::common::trial::{Trial, args};

    #[test]
    fn hostile_names_are_refused_here() {
        for bad in [
            "",
            "-rf",
            "../x",
            "a b",
            "a:b",
            "a\nb",
            "a\0b",
            "$(id)",
            "`id`",
            "a'b",
            ".",
            "..",
            "x/y",
            "*",
            "+x",
            &"x".repeat(10_240),
        ] {
            assert!(account_name("account", bad).is_err(), "{bad:?}");
        }
        for fine in ["alice", "a-b_c.d", "www-data", "machine$", "DOM\\user", "jürgen"] {
            account_name("account", fine).unwrap();
        }
    }

    #[test]
    fn fields_that_would_add_a_line_are_refused() {
        let trial = Trial::new();
        for bad in [
            "{name: x, comment: \"a\\nroot2::0:0::/:/bin/sh\"}",
            "{name: x, comment: 'a:b'}",
            "{name: x, shell: \"/bin/sh\\n\"}",
            "{name: x, password: 'a:b'}",
            "{name: x, password: ''}",
            "{name: x, home: '/a:b'}",
            "{name: x, groups: ['a', '-G']}",
            "{name: x, umask: 'x;id'}",
            "{name: x, generate_ssh_key: true, ssh_key_type: '-f x'}",
            "{name: x, generate_ssh_key: true, ssh_key_comment: \"a\\nb\"}",
        ] {
            assert!(trial.run(Trial::SHELLS[0], &USER, &args(&USER, bad)).failed.is_some(), "{bad}");
        }
    }

    #[test]
    fn expiry_is_a_day() {
        let of = |yaml: &str| expiry(&args(&USER, yaml));
        assert_eq!(of("{name: x, expires: 1422403387}").unwrap(), ("16463".to_owned(), "2015-01-28".to_owned()));
        assert_eq!(of("{name: x, expires: -1}").unwrap().0, "never");
        assert!(of("{name: x, expires: 1e30}").is_err());
        assert!(of("{name: x, expires: soon}").is_err());
    }
}
