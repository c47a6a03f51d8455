//! The modules a task can name. One file a module, one line in [`ALL`].
//!
//! Shell text runs in the driver of `src/remote/driver.sh`, which defines `changed`, `out`, `outj`, `out_file KEY PATH`,
//! `fail`, `skip`, `warn TEXT`, `differ`, `differ_file NAME OLD_PATH NEW_PATH` and `capture CMD ARG…` (runs the command,
//! adds `rc`, `stdout`, `stderr`, returns its status). `fail` and `skip` end the step only outside `$(…)` and pipes.
//! A script that ends with a status other than 0 has failed, with its stderr as the message.
//! Commands that leave a daemon behind are to be run with `3>&-`: descriptor 3 carries the answer.
//! A result key `ansible_facts` holding an object sets facts on the host.
//! [`trial::run_on`] runs one module against a real shell, for tests.

mod acl;
mod alternatives;
mod apk;
mod apt;
mod apt_key;
mod apt_repository;
mod archive;
mod argument_spec;
mod assemble;
pub(in crate::playbook) mod async_status;
mod authorized_key;
mod blockinfile;
mod capabilities;
mod command;
mod common;
pub(in crate::playbook) mod convert;
mod copy;
mod cron;
mod deb822_repository;
mod debconf;
mod debug;
pub mod demo_machine;
mod dnf;
mod docker;
mod expect;
mod facts;
mod fetch;
mod file;
mod find;
mod firewalld;
mod gem;
mod get_url;
mod getent;
mod git;
mod group;
mod ini_file;
mod inventory;
mod iptables;
mod judge;
mod kinds;
mod known_hosts;
mod lineinfile;
mod locale_gen;
mod modprobe;
mod mount;
mod npm;
mod openssl_privatekey;
pub(in crate::playbook) mod own;
mod package;
mod package_facts;
mod pause;
mod ping;
mod pip;
mod reboot;
mod replace;
mod rpm_key;
mod script;
mod selinux;
mod service;
mod service_facts;
mod set_stats;
mod setup;
mod small;
mod snap;
mod sql;
mod stat;
mod synchronize;
mod sysctl;
pub mod talk;
mod template;
mod timezone;
pub mod trial;
mod ufw;
mod unarchive;
mod uri;
mod user;
#[cfg(test)]
mod user_tests;
mod wait_for;
mod yum_repository;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

pub use convert::{convert, near, of_free_form, words};

/// Every module there is.
pub static ALL: &[&Module] = &[
    &acl::ACL,
    &alternatives::ALTERNATIVES,
    &apk::APK,
    &apt::APT,
    &apt_key::APT_KEY,
    &apt_repository::APT_REPOSITORY,
    &archive::ARCHIVE,
    &argument_spec::MODULE,
    &assemble::ASSEMBLE,
    &async_status::MODULE,
    &authorized_key::AUTHORIZED_KEY,
    &blockinfile::BLOCKINFILE,
    &capabilities::CAPABILITIES,
    &command::COMMAND,
    &command::RAW,
    &command::SHELL,
    &copy::COPY,
    &cron::CRON,
    &deb822_repository::DEB822_REPOSITORY,
    &debconf::DEBCONF,
    &debug::MODULE,
    &demo_machine::MODULE,
    &dnf::DNF,
    &dnf::DNF5,
    &dnf::YUM,
    &docker::DOCKER_COMPOSE_V2,
    &docker::DOCKER_CONTAINER,
    &docker::DOCKER_IMAGE,
    &docker::DOCKER_NETWORK,
    &docker::DOCKER_VOLUME,
    &expect::EXPECT,
    &facts::MODULE,
    &fetch::FETCH,
    &file::FILE,
    &find::FIND,
    &firewalld::FIREWALLD,
    &get_url::GET_URL,
    &getent::GETENT,
    &gem::GEM,
    &git::GIT,
    &group::GROUP,
    &ini_file::INI_FILE,
    &inventory::ADD_HOST,
    &inventory::GROUP_BY,
    &iptables::IPTABLES,
    &judge::ASSERT,
    &judge::FAIL,
    &known_hosts::KNOWN_HOSTS,
    &lineinfile::LINEINFILE,
    &locale_gen::LOCALE_GEN,
    &modprobe::MODPROBE,
    &mount::MOUNT,
    &sql::MYSQL_DB,
    &sql::MYSQL_USER,
    &npm::NPM,
    &openssl_privatekey::OPENSSL_PRIVATEKEY,
    &package::PACKAGE,
    &package_facts::PACKAGE_FACTS,
    &pause::PAUSE,
    &ping::MODULE,
    &pip::PIP,
    &sql::POSTGRESQL_DB,
    &sql::POSTGRESQL_USER,
    &reboot::REBOOT,
    &reboot::WAIT_FOR_CONNECTION,
    &replace::REPLACE,
    &rpm_key::RPM_KEY,
    &script::SCRIPT,
    &selinux::SEBOOLEAN,
    &selinux::SELINUX,
    &service::SERVICE,
    &service::SYSTEMD,
    &service::SYSTEMD_SERVICE,
    &service_facts::SERVICE_FACTS,
    &set_stats::SET_STATS,
    &setup::GATHER_FACTS,
    &setup::SETUP,
    &small::HOSTNAME,
    &small::SLURP,
    &snap::SNAP,
    &small::TEMPFILE,
    &stat::STAT,
    &synchronize::SYNCHRONIZE,
    &sysctl::SYSCTL,
    &template::TEMPLATE,
    &timezone::TIMEZONE,
    &ufw::UFW,
    &unarchive::UNARCHIVE,
    &uri::URI,
    &user::USER,
    &wait_for::WAIT_FOR,
    &yum_repository::YUM_REPOSITORY,
];

/// The module that people mean by `name`: short, or with one of its collections before it.
pub fn find(name: &str) -> Option<&'static Module> {
    let (collection, short) = name.rsplit_once('.').map_or((None, name), |(c, short)| (Some(c), short));
    let module = ALL.iter().find(|module| module.name == short)?;
    match collection {
        Some(collection) if collection != "ansible.legacy" && !module.collections.contains(&collection) => None,
        _ => Some(module),
    }
}

/// Ansible's own modules that are not in [`ALL`]. A task that names one may stand in a playbook; it fails when a host
/// comes to it.
const ABSENT: &[&str] = &["dpkg_selections", "mount_facts", "subversion", "sysvinit", "validate_argument_spec"];

/// Whether `name` is a module of ansible-core that is not known here.
pub(in crate::playbook) fn is_absent(name: &str) -> bool {
    let short = ["ansible.builtin.", "ansible.legacy."].iter().find_map(|start| name.strip_prefix(start));
    ABSENT.contains(&short.unwrap_or(name))
}

/// The known module name nearest to `name`, if one is near.
pub fn nearest(name: &str) -> Option<&'static str> {
    let short = name.rsplit('.').next().unwrap_or(name);
    near(short, ALL.iter().map(|module| module.name))
}

/// One module.
#[derive(Debug)]
pub struct Module {
    /// Short name: `user` for `ansible.builtin.user`.
    pub name: &'static str,
    /// The collections under which people name it: `ansible.builtin`, `ansible.posix`, …
    pub collections: &'static [&'static str],
    /// One line for `berth playbook doc`.
    pub summary: &'static str,
    /// Every argument it takes.
    pub args: &'static [Arg],
    /// The name of the argument that a free-form line fills (`command: ls -l`), if it takes one.
    pub free_form: Option<&'static str>,
    /// How it does its work.
    pub act: Act,
}

/// One argument of a module.
#[derive(Debug, Clone, Copy)]
pub struct Arg {
    /// Its name.
    pub name: &'static str,
    /// Other names it goes by.
    pub aliases: &'static [&'static str],
    /// What it holds; values are converted as Ansible converts them (`"yes"` is a bool, `"5"` an int).
    pub kind: Kind,
    /// Refused when absent.
    pub required: bool,
    /// The value when absent, in YAML.
    pub default: Option<&'static str>,
    /// The only values allowed; empty: any.
    pub choices: &'static [&'static str],
    /// One line for people.
    pub doc: &'static str,
}

/// What an argument holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Str,
    /// True or false.
    Bool,
    /// A whole number.
    Int,
    /// A path on the target (`~` and `$HOME` are expanded there).
    Path,
    /// A list of text; one text is split at commas.
    List,
    /// A mapping.
    Dict,
    /// A file mode: `0644`, `"u=rw,g=r"`, or the integer YAML made of `0644`.
    Mode,
    /// Anything, untouched.
    Raw,
}

/// How a module does its work.
#[derive(Debug)]
pub enum Act {
    /// In the controller, from values alone: `debug`, `set_fact`, `assert`.
    Controller(fn(&Args, &Scope) -> Outcome),
    /// As shell text on the host. `library` is POSIX sh functions, sent once per connection before the first use.
    Shell {
        /// POSIX sh functions, one text each.
        library: &'static [&'static str],
        /// Makes the step's text.
        script: fn(&Args, &Scope) -> Result<Script, String>,
    },
    /// In the controller, taking its time: demo machines, containers.
    Async(fn(Args, AsyncScope) -> BoxFuture<'static, Outcome>),
}

/// A module's arguments: converted, defaulted, aliases resolved, unknown names already refused.
#[derive(Debug, Clone, Default)]
pub struct Args(pub Map<String, Value>);

/// What a module that takes its time may know besides its arguments.
#[derive(Clone)]
pub struct AsyncScope {
    /// The host's variables as the task sees them.
    pub vars: Map<String, Value>,
    /// Folders for relative `src` paths, in search order.
    pub search: Vec<std::path::PathBuf>,
    /// Look only, change nothing.
    pub check: bool,
    /// Say what would change, before and after.
    pub diff: bool,
    /// The task asks that nothing of it is shown.
    pub no_log: bool,
    /// Tells people how far it is; one line, no secrets.
    pub progress: Arc<dyn Fn(&str) + Send + Sync>,
    /// Cancelled when the run is.
    pub cancel: CancellationToken,
}

/// Renders a template file.
pub type RenderFile<'a> =
    &'a dyn Fn(&std::path::Path, &str, &str, crate::playbook::template::Style) -> Result<String, String>;

/// What a module may know besides its arguments.
pub struct Scope<'a> {
    /// The host's variables as the task sees them.
    pub vars: &'a Map<String, Value>,
    /// The folder of the playbook or role, for `src` of `copy` and `template`: candidates in search order.
    pub search: &'a [std::path::PathBuf],
    /// Renders a Jinja2 text with the task's variables.
    pub render: &'a dyn Fn(&str) -> Result<String, String>,
    /// Renders a template file of the controller: its path, what the task calls it, where it goes, its style.
    pub render_file: RenderFile<'a>,
    /// Evaluates an expression (no `{{ }}`) with the task's variables.
    pub eval: &'a dyn Fn(&str) -> Result<Value, String>,
    /// Whether a condition, as in `when`, holds.
    pub judge: &'a dyn Fn(&str) -> Result<bool, String>,
    /// Opens files that are vaults.
    pub vault: &'a crate::playbook::vault::Keys,
    /// Look only, change nothing.
    pub check: bool,
    /// Say what would change, before and after.
    pub diff: bool,
    /// The task asks that nothing of it is shown.
    pub no_log: bool,
}

/// Shell text for one step. It runs inside the host's persistent shell, as the task's user.
///
/// Conventions (the driver defines these functions; modules use them):
/// `$CHECK` and `$DIFF` are 1 or empty. `changed` marks the step as changed. `out KEY TEXT` adds a text to the
/// result, `outj KEY JSON` adds a value that is JSON already (`true`, `5`, `null`). `fail TEXT` ends the step as failed.
/// `skip TEXT` ends it as skipped. `differ PATH_OR_NAME BEFORE_TEXT AFTER_TEXT` adds a diff.
/// What commands write to stdout and stderr is dropped unless the script says `capture` (command, shell, raw).
#[derive(Debug, Clone, Default)]
pub struct Script {
    /// The text.
    pub text: String,
    /// Bytes too large or too binary for the text, to be at `$FILES/NAME` on the host when the step runs.
    pub files: Vec<(String, Vec<u8>)>,
    /// Turns the raw result into what `register` holds; `None`: as it is.
    pub finish: Option<Finish>,
    /// In place of all this: a conversation, which sends steps of its own.
    pub talk: Option<talk::Talk>,
}

/// Turns a raw result into what `register` holds.
pub type Finish = fn(&Args, &mut Map<String, Value>);

/// What a controller-side module says.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Failed with this message.
    pub failed: Option<String>,
    /// Changed.
    pub changed: bool,
    /// What `register` holds besides.
    pub result: Map<String, Value>,
    /// Facts to keep for the host.
    pub facts: Map<String, Value>,
    /// They are facts of the host for later runs, too.
    pub lasting: bool,
}

impl Outcome {
    /// Failed with this message.
    pub fn failure(message: impl Into<String>) -> Self {
        Self { failed: Some(message.into()), ..Self::default() }
    }
}

impl Args {
    /// A text argument.
    pub fn str(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// A bool argument; absent is false.
    pub fn flag(&self, name: &str) -> bool {
        self.0.get(name).and_then(Value::as_bool).unwrap_or_default()
    }

    /// A bool argument that may be absent.
    pub fn bool(&self, name: &str) -> Option<bool> {
        self.0.get(name).and_then(Value::as_bool)
    }

    /// A whole number.
    pub fn int(&self, name: &str) -> Option<i64> {
        self.0.get(name).and_then(Value::as_i64)
    }

    /// A list of text; absent is empty.
    pub fn list(&self, name: &str) -> Vec<String> {
        let items = self.0.get(name).and_then(Value::as_array);
        items.into_iter().flatten().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned)).collect()
    }

    /// Any argument as it is; absent and null are `None`.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }
}
