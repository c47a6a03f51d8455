//! `group`: groups of accounts.

use super::common::{ACCOUNTS, ATTRS, Step, arg, flag, given, required, text, text_of, with_default};
use super::{Act, Arg, Args, Kind, Module, Scope, Script};

/// The module.
pub static GROUP: Module = Module {
    name: "group",
    collections: &["ansible.builtin", "ansible.legacy"],
    summary: "adds, changes or removes a group",
    args: &[
        required("name", Kind::Str, "the group"),
        Arg { choices: &["absent", "present"], ..with_default("state", Kind::Str, "present", "there or not") },
        arg("gid", Kind::Int, "its number"),
        with_default("system", Kind::Bool, "false", "take a number from the system's range"),
        with_default("non_unique", Kind::Bool, "false", "allow a number that is taken"),
        with_default("force", Kind::Bool, "false", "remove it even when it is somebody's primary group"),
        with_default("local", Kind::Bool, "false", "look at /etc/group only"),
        arg("gid_min", Kind::Int, "smallest number for a new group"),
        arg("gid_max", Kind::Int, "largest number for a new group"),
    ],
    free_form: None,
    act: Act::Shell { library: &[ATTRS, ACCOUNTS, SH], script },
};

const SH: &str = include_str!("group.sh");

fn script(args: &Args, scope: &Scope) -> Result<Script, String> {
    let name = text(args, "name").unwrap_or_default();
    super::user::account_name("group", name)?;
    if flag(args, "non_unique") && !given(args, "gid") {
        return Err("`non_unique` needs `gid`".to_owned());
    }
    if flag(args, "local") {
        if let Some(name) = ["gid_min", "gid_max"].into_iter().find(|name| given(args, name)) {
            return Err(format!("'{name}' can not be used with 'local'"));
        }
        if flag(args, "force") {
            return Err(
                "force is not a valid option for local, force=True and local=True are mutually exclusive".into()
            );
        }
    }
    let mut step = Step::new(scope);
    step.set("b_name", name)?
        .set_opt("b_gid", text_of(args, "gid").as_deref())?
        .set_opt("b_id_min", text_of(args, "gid_min").as_deref())?
        .set_opt("b_id_max", text_of(args, "gid_max").as_deref())?
        .set_flag("b_system", flag(args, "system"))
        .set_flag("b_dup", flag(args, "non_unique"))
        .set_flag("b_force", flag(args, "force"))
        .set_flag("b_local", flag(args, "local"));
    let verb = text(args, "state").unwrap_or("present");
    Ok(step.run(&format!("b_group_{verb}")).done())
}
