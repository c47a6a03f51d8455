//! What a module is for and what it takes, for people.

use std::fmt::Write as _;

use super::modules::{ALL, Arg, Kind, Module};

/// A module's page: `berth playbook doc MODULE`.
pub fn page(module: &Module) -> String {
    let mut text = format!("{}\n\n  {}.\n", module.name, module.summary.trim_end_matches('.'));
    if let Some(free) = module.free_form {
        let _ = writeln!(text, "  A line after its name fills `{free}`.");
    }
    let collections: Vec<String> = module.collections.iter().map(|c| format!("{c}.{}", module.name)).collect();
    let _ = writeln!(text, "  Also known as {}.", collections.join(", "));
    if !module.args.is_empty() {
        text.push_str("\nArguments:\n");
    }
    for arg in module.args {
        let name = if arg.name == "*" { "(any)" } else { arg.name };
        let also = if arg.aliases.is_empty() { String::new() } else { format!(" ({})", arg.aliases.join(", ")) };
        let _ = writeln!(text, "\n  {name}{also}: {}{}", kind_of(arg), if arg.required { ", required" } else { "" });
        let _ = writeln!(text, "      {}.", arg.doc.trim_end_matches('.'));
        if !arg.choices.is_empty() {
            let _ = writeln!(text, "      One of {}.", arg.choices.join(", "));
        }
        if let Some(default) = arg.default {
            let _ = writeln!(text, "      Default: {default}");
        }
    }
    text
}

/// All modules as a table for docs/PLAYBOOKS.md.
pub fn table() -> String {
    let mut modules: Vec<&Module> = ALL.to_vec();
    modules.sort_by_key(|module| module.name);
    let mut text = String::from("| module | does |\n| --- | --- |\n");
    for module in modules {
        let summary = module.summary.trim_end_matches('.').replace('|', "\\|");
        let _ = writeln!(text, "| `{}` | {summary} |", module.name);
    }
    text
}

fn kind_of(arg: &Arg) -> &'static str {
    match arg.kind {
        Kind::Str => "text",
        Kind::Bool => "yes or no",
        Kind::Int => "a whole number",
        Kind::Path => "a path",
        Kind::List => "a list",
        Kind::Dict => "a mapping",
        Kind::Mode => "a file mode",
        Kind::Raw => "anything",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: &str = "<!-- modules: written by `./just bless` -->\n";
    const END: &str = "<!-- end of modules -->";

    #[test]
    fn the_documentation_lists_the_modules_that_there_are() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/PLAYBOOKS.md");
        let text = std::fs::read_to_string(&path).unwrap();
        let (before, rest) = text.split_once(BEGIN).expect("the mark before the modules");
        let (now, after) = rest.split_once(END).expect("the mark after the modules");
        let wanted = format!("\n{}\n", table());
        if std::env::var_os("BERTH_BLESS").is_some() {
            std::fs::write(&path, format!("{before}{BEGIN}{wanted}{END}{after}")).unwrap();
            return;
        }
        assert_eq!(now, wanted, "docs/PLAYBOOKS.md is behind the modules: run `./just bless`");
    }

    #[test]
    fn every_module_and_argument_says_what_it_is() {
        for module in ALL {
            assert!(!module.summary.is_empty() && !module.collections.is_empty(), "{}", module.name);
            assert!(module.args.iter().all(|arg| !arg.doc.is_empty()), "{}", module.name);
            assert!(page(module).contains(module.summary.trim_end_matches('.')));
        }
    }
}
