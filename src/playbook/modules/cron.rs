//! `cron`: jobs and variables of crontabs, marked by a comment line with the job's name.

use super::common::{ATTRS, EDIT, Step, WRITE, arg, flag, given, lines_to_lists, one_of, required, text, with_default};
use super::{Act, Arg, Args, Kind, Module, Scope, Script};

/// The module.
pub static CRON: Module = Module {
    name: "cron",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "keeps a job or a variable in a crontab",
    args: &[
        required("name", Kind::Str, "the job's name, in a comment above it; with `env` the variable's"),
        arg("user", Kind::Str, "whose crontab, or who runs the job of `cron_file`; default: the login user"),
        Arg { aliases: &["value"], ..arg("job", Kind::Str, "the command; with `env` the variable's value") },
        one_of("state", "present", &["absent", "present"], "there or not"),
        arg("cron_file", Kind::Path, "a file of its own, in /etc/cron.d unless the path is absolute"),
        with_default("backup", Kind::Bool, "false", "keep a copy of the table before a change"),
        with_default("minute", Kind::Str, "'*'", "0-59, `*`, `*/2`, …"),
        with_default("hour", Kind::Str, "'*'", "0-23"),
        Arg { aliases: &["dom"], ..with_default("day", Kind::Str, "'*'", "1-31, of the month") },
        with_default("month", Kind::Str, "'*'", "1-12 or JAN-DEC"),
        Arg { aliases: &["dow"], ..with_default("weekday", Kind::Str, "'*'", "0-6, or SUN-SAT") },
        Arg {
            choices: &["annually", "daily", "hourly", "monthly", "reboot", "weekly", "yearly"],
            ..arg("special_time", Kind::Str, "in place of the five fields")
        },
        with_default("disabled", Kind::Bool, "false", "keep the job as a comment"),
        with_default("env", Kind::Bool, "false", "keep a variable, not a job"),
        arg("insertafter", Kind::Str, "with `env`: the variable before a new one"),
        arg("insertbefore", Kind::Str, "with `env`: the variable after a new one"),
    ],
    free_form: None,
    act: Act::Shell { library: &[ATTRS, WRITE, EDIT, SH], script },
};

const SH: &str = include_str!("cron.sh");

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    let name = text(args, "name").unwrap_or_default();
    let absent = text(args, "state") == Some("absent");
    let env = flag(args, "env");
    let file = text(args, "cron_file");
    let fields: Vec<&str> =
        ["minute", "hour", "day", "month", "weekday"].iter().map(|f| text(args, f).unwrap_or("*")).collect();
    if name.contains(['\n', '\r', '\0']) {
        return Err("`name` must be one line".to_owned());
    }
    if file == Some("/etc/crontab") {
        return Err("Will not manage /etc/crontab via cron_file, see documentation.".to_owned());
    }
    if text(args, "special_time").is_some() && fields.iter().any(|field| *field != "*") {
        return Err("You cannot combine special_time with any of the time or day/date parameters.".to_owned());
    }
    if given(args, "insertafter") && given(args, "insertbefore") {
        return Err("`insertafter` and `insertbefore` exclude each other".to_owned());
    }
    if !absent {
        if file.is_some() && text(args, "user").is_none() {
            return Err("To use cron_file=... parameter you must specify user=... as well".to_owned());
        }
        if !given(args, "job") {
            return Err("You must specify 'job' to install a new cron job or variable".to_owned());
        }
        if !env && (given(args, "insertafter") || given(args, "insertbefore")) {
            return Err("Insertafter and insertbefore parameters are valid only with env=yes".to_owned());
        }
    }
    if env && name.contains(' ') {
        return Err("Invalid name for environment variable".to_owned());
    }
    let user = text(args, "user").unwrap_or_default();
    if !user.is_empty() {
        super::user::account_name("account", user)?;
    }
    let mut step = Step::new(scope);
    let job = text(args, "job").unwrap_or_default().trim_matches(['\r', '\n']);
    let line = if env {
        format!("{name}=\"{}\"", text(args, "job").unwrap_or_default())
    } else {
        if job.contains(['\r', '\n']) {
            step.run("warn 'Job should not contain line breaks'");
        }
        let off = if flag(args, "disabled") { "#" } else { "" };
        let when = text(args, "special_time").map_or_else(|| fields.join(" "), |special| format!("@{special}"));
        let who = if file.is_some() { format!(" {user}") } else { String::new() };
        format!("{off}{when}{who} {job}")
    };
    if let Some(file) = file {
        let path = if file.starts_with(['/', '~', '$']) { file.to_owned() } else { format!("/etc/cron.d/{file}") };
        step.set_path("b_cpath", &path)?;
        let base = file.rsplit('/').next().unwrap_or_default();
        if base.is_empty() || !base.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
            step.run("warn 'the name of cron_file should be of letters, digits, `_` and `-`: cron passes over others'");
        }
    }
    step.set("b_cname", name)?
        .set("b_line", &line)?
        .set("b_cstate", if absent { "absent" } else { "present" })?
        .set("b_user", user)?
        .set_opt("b_cfile", file)?
        .set_opt("b_after", text(args, "insertafter"))?
        .set_opt("b_before", text(args, "insertbefore"))?
        .set_flag("b_env", env)
        .set_flag("b_keep_old", flag(args, "backup"));
    let mut script = step.run("b_cron").done();
    script.finish = Some(|_, result| lines_to_lists(result, &["jobs", "envs"]));
    Ok(script)
}

#[cfg(test)]
mod tests {
    use super::CRON;
    use crate::playbook::modules::common::trial::{Said, Shell, Trial, args};

    /// A crontab program that keeps its table in a file.
    const CRONTAB: &str = "crontab() { case $1 in -u) shift 2 ;; esac; case $1 in -l) [ -e tab ] || return 1; cat tab ;; -) cat >tab ;; esac; }";

    fn run(trial: &Trial, shell: Shell, yaml: &str) -> Said {
        trial.with_after(shell, &CRON, &args(&CRON, yaml), CRONTAB)
    }

    #[test]
    fn jobs_come_change_and_go_by_their_names() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            let job = "{name: 'the % job', minute: '5', hour: 2, job: 'echo \"$(id)\" > /dev/null'}";
            let look = trial.with(shell, &CRON, &args(&CRON, job), &format!("CHECK=1 DIFF=1\n{CRONTAB}"));
            assert!(look.changed && look.failed.is_none() && !trial.path("tab").exists(), "{look:?}");
            let first = run(&trial, shell, job);
            assert!(first.changed && first.failed.is_none(), "{first:?}");
            assert_eq!(trial.read("tab"), "#Ansible: the % job\n5 2 * * * echo \"$(id)\" > /dev/null\n");
            assert_eq!(first.text("jobs"), "the % job\n");
            assert!(!run(&trial, shell, job).changed);
            assert!(run(&trial, shell, "{name: 'the % job', special_time: daily, job: x, disabled: true}").changed);
            assert_eq!(trial.read("tab"), "#Ansible: the % job\n#@daily x\n");
            assert!(run(&trial, shell, "{name: other, job: yy, user: nobody}").changed);
            assert!(run(&trial, shell, "{name: 'the % job', state: absent}").changed);
            assert!(!run(&trial, shell, "{name: 'the % job', state: absent}").changed);
            assert_eq!(trial.read("tab"), "#Ansible: other\n* * * * * yy\n");
        }
    }

    #[test]
    fn a_line_without_a_name_is_taken_over_and_strange_lines_stay() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            trial.write("tab", "# mine \\t\n\n* * * * * yy\nA=1", 0o600);
            let said = run(&trial, shell, "{name: other, job: yy, backup: true}");
            assert!(said.changed && said.failed.is_none(), "{said:?}");
            assert_eq!(trial.read("tab"), "# mine \\t\n\n#Ansible: other\n* * * * * yy\nA=1\n");
            std::fs::remove_file(said.text("backup_file")).unwrap();
            assert!(!run(&trial, shell, "{name: other, job: yy}").changed);
        }
    }

    #[test]
    fn variables_stand_where_they_are_asked_to() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            for (task, changes) in [
                ("{name: B, env: true, job: '2'}", true),
                ("{name: A, env: true, value: 1 x, insertbefore: B}", true),
                ("{name: C, env: true, value: '3', insertafter: A}", true),
                ("{name: C, env: true, value: '3'}", false),
                ("{name: B, env: true, value: '4'}", true),
                ("{name: A, env: true, state: absent}", true),
                ("{name: A, env: true, state: absent}", false),
            ] {
                let said = run(&trial, shell, task);
                assert!(said.changed == changes && said.failed.is_none(), "{task} {said:?}");
            }
            assert_eq!(trial.read("tab"), "C=\"3\"\nB=\"4\"\n");
            assert!(run(&trial, shell, "{name: D, env: true, value: x, insertafter: Z}").failed.is_some());
        }
    }

    #[test]
    fn a_file_of_its_own_goes_with_its_last_job() {
        let trial = Trial::new();
        for shell in Trial::SHELLS {
            trial.wipe();
            let at = trial.at();
            let job = format!("{{name: j, user: root, job: 'x %', cron_file: '{at}/own'}}");
            assert!(run(&trial, shell, &job).changed);
            assert_eq!((trial.read("own"), trial.mode("own")), ("#Ansible: j\n* * * * * root x %\n".to_owned(), 0o644));
            assert!(!run(&trial, shell, &job).changed);
            std::fs::write(trial.path("own"), trial.read("own") + "\n  \n\t\n").unwrap();
            let gone = run(&trial, shell, &format!("{{name: j, state: absent, cron_file: '{at}/own'}}"));
            assert!(gone.changed && gone.failed.is_none() && !trial.path("own").exists(), "{gone:?}");
            assert!(!run(&trial, shell, &format!("{{name: j, state: absent, cron_file: '{at}/own'}}")).changed);
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let trial = Trial::new();
        for bad in [
            "{name: x}",
            "{name: x, job: yy, cron_file: f}",
            "{name: x, job: yy, special_time: daily, hour: 5}",
            "{name: \"a\\nb\", job: yy}",
            "{name: 'a b', env: true, value: y}",
            "{name: x, job: yy, user: '-e'}",
            "{name: x, job: yy, user: root, cron_file: /etc/crontab}",
        ] {
            assert!(run(&trial, Shell::Dash, bad).failed.is_some(), "{bad}");
        }
    }
}
