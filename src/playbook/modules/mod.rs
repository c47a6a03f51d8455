//! The modules a task can name. One file a module, one line in [`ALL`].

use serde_json::{Map, Value};

/// Every module there is.
pub static ALL: &[&Module] = &[];

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
#[derive(Debug)]
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
    Shell { library: &'static [&'static str], script: fn(&Args, &Scope) -> Result<Script, String> },
}

/// A module's arguments: converted, defaulted, aliases resolved, unknown names already refused.
#[derive(Debug, Clone, Default)]
pub struct Args(pub Map<String, Value>);

/// What a module may know besides its arguments.
pub struct Scope<'a> {
    /// The host's variables as the task sees them.
    pub vars: &'a Map<String, Value>,
    /// The folder of the playbook or role, for `src` of `copy` and `template`: candidates in search order.
    pub search: &'a [std::path::PathBuf],
    /// Renders a Jinja2 text with the task's variables.
    pub render: &'a dyn Fn(&str) -> Result<String, String>,
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
    pub finish: Option<fn(&Args, &mut Map<String, Value>)>,
}

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
}
