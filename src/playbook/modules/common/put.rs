//! Putting a whole file in its place: what `copy`, `template` and others share.

use super::{Args, Step, flag, given, quote, text};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// The shell side; needs `ATTRS` and `WRITE`.
pub const PUT: &str = include_str!("put.sh");

/// Text up to this size travels inside the step; more, or bytes that are no shell word, as a file.
const INLINE: usize = 8 * 1024;

/// One file to put.
#[derive(Debug)]
pub struct Put<'a> {
    /// Where, already expanded or not: see [`Step::set_path`].
    pub dest: &'a str,
    /// The name the file gets when `dest` is a folder.
    pub name: &'a str,
    /// What it shall hold.
    pub bytes: Vec<u8>,
    /// The name under which its bytes travel when they are many.
    pub key: &'a str,
}

/// Adds to `step` what `b_put` needs and calls it.
pub fn put(step: &mut Step, args: &Args, file: Put) -> Result<(), String> {
    step.set_path("b_dest", file.dest)?;
    step.set("b_name", file.name)?;
    step.set_flag("b_force", !given(args, "force") || flag(args, "force"));
    step.set_flag("b_follow", flag(args, "follow"));
    step.set_flag("b_backup", flag(args, "backup"));
    step.set_flag("b_inplace", flag(args, "unsafe_writes"));
    validate(step, args)?;
    let mut sum = String::with_capacity(64);
    for byte in Sha256::digest(&file.bytes) {
        let _ = write!(sum, "{byte:02x}");
    }
    step.set("b_sum", &sum)?;
    step.set("b_len", &file.bytes.len().to_string())?;
    match String::from_utf8(file.bytes) {
        Ok(text) if text.len() <= INLINE && !text.contains('\0') => {
            step.set("b_text", &text)?.set_flag("b_inline", true);
            step.set("b_from", "")?;
        }
        other => {
            let bytes = other.map_or_else(std::string::FromUtf8Error::into_bytes, String::into_bytes);
            step.set("b_text", "")?.set_flag("b_inline", false).run(&format!("b_from=$FILES/{}", file.key));
            step.file(file.key, bytes);
        }
    }
    step.run("b_put");
    Ok(())
}

/// The task's `validate` as the function `b_validate`, run beside the new file.
pub fn validate(step: &mut Step, args: &Args) -> Result<(), String> {
    let Some(command) = text(args, "validate").filter(|command| !command.is_empty()) else {
        step.set_flag("b_check", false);
        return Ok(());
    };
    if !command.contains("%s") {
        return Err(format!("`validate` must contain %s, the place of the new file: `{command}`"));
    }
    let mut words = String::new();
    for word in split(command)? {
        let parts: Result<Vec<String>, String> = word.split("%s").map(quote).collect();
        words.push_str(&parts?.join("\"$PWD/new\""));
        words.push(' ');
    }
    step.set_flag("b_check", true).run(&format!("b_validate() {{ {words}; }}"));
    Ok(())
}

/// Words as a shell without expansions would split them.
pub fn split(command: &str) -> Result<Vec<String>, String> {
    let mut words = vec![];
    let mut word: Option<String> = None;
    let mut chars = command.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\n' => words.extend(word.take()),
            '\'' | '"' => {
                let into = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        None => return Err(format!("a quote is not closed in `{command}`")),
                        Some(end) if end == c => break,
                        Some('\\') if c == '"' => match chars.next() {
                            Some(kept @ ('"' | '\\')) => into.push(kept),
                            Some(other) => into.extend(['\\', other]),
                            None => return Err(format!("a quote is not closed in `{command}`")),
                        },
                        Some(other) => into.push(other),
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(chars.next()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn words_split_as_in_a_shell_without_expansions() {
        assert_eq!(split("/usr/sbin/visudo -cf %s").unwrap(), ["/usr/sbin/visudo", "-cf", "%s"]);
        assert_eq!(split(r#"a 'b c' "d \"e" f\ g '' $(x)"#).unwrap(), ["a", "b c", "d \"e", "f g", "", "$(x)"]);
        assert!(split("a 'b").is_err());
    }
}
