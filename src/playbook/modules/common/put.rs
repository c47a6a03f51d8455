//! Putting a whole file in its place: what `copy`, `template` and others share.

use super::{
    Args, Step,
    beside::{Source, TEXT},
    flag, given, quote, text,
    words::split,
};
use crate::playbook::value::hex;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use std::io::Read as _;

/// The shell side; needs `ATTRS` and `WRITE`.
pub const PUT: &str = include_str!("put.sh");

/// One file to put.
#[derive(Debug)]
pub struct Put<'a> {
    /// Where, already expanded or not: see [`Step::set_path`].
    pub dest: &'a str,
    /// The name the file gets when `dest` is a folder.
    pub name: &'a str,
    /// What it shall hold.
    pub source: Source,
    /// The name under which its bytes travel when they are many.
    pub key: &'a str,
}

/// Adds to `step` what `b_put` needs and calls it.
pub fn put(step: &mut Step, args: &Args, file: Put) -> Result<(), String> {
    let seen = Seen::of(&file.source)?;
    let mut look = Step::default();
    look.set_path("b_dest", file.dest)?;
    look.set("b_name", file.name)?;
    look.set_flag("b_force", !given(args, "force") || flag(args, "force"));
    look.set_flag("b_follow", flag(args, "follow"));
    look.set("b_sum", &seen.sha256)?;
    look.set("b_len", &seen.len.to_string())?;
    let look = look.done().text;
    step.run(&look);
    step.set_flag("b_backup", flag(args, "backup"));
    step.set_flag("b_inplace", flag(args, "unsafe_writes"));
    validate(step, args)?;
    step.run(&format!("outs Ochecksum {} Omd5sum {}", seen.sha1, seen.md5));
    let inline = match file.source {
        Source::Bytes(bytes) if bytes.len() as u64 <= TEXT => {
            String::from_utf8(bytes).map_err(|e| Source::Bytes(e.into_bytes()))
        }
        other => Err(other),
    };
    match inline {
        Ok(text) if !text.contains('\0') => {
            step.set("b_text", &text)?.set_flag("b_inline", true);
            step.set("b_from", "")?;
        }
        other => {
            let source = other.map_or_else(|source| source, |text| Source::Bytes(text.into_bytes()));
            step.set("b_text", "")?.set_flag("b_inline", false).run(&format!("b_from=$FILES/{}", file.key));
            step.source(file.key, source, seen.len, format!("{look}b_inline=\nb_key={}\nb_put_probe\n", file.key));
        }
    }
    step.run("b_put");
    Ok(())
}

/// What a file is, in numbers.
pub struct Seen {
    /// How many bytes.
    pub len: u64,
    /// In hex, as the next two.
    pub sha256: String,
    /// What results carry as `checksum`.
    pub sha1: String,
    /// What results carry as `md5sum`.
    pub md5: String,
}

impl Seen {
    /// Reads it once.
    pub fn of(source: &Source) -> Result<Self, String> {
        let mut from = source.open()?;
        let (mut long, mut short, mut old) = (Sha256::new(), Sha1::new(), Md5::new());
        let mut buffer = vec![0; 64 * 1024];
        let mut len = 0;
        loop {
            let got = from.read(&mut buffer).map_err(|why| format!("cannot read the source: {why}"))?;
            if got == 0 {
                break;
            }
            len += got as u64;
            long.update(&buffer[..got]);
            short.update(&buffer[..got]);
            old.update(&buffer[..got]);
        }
        Ok(Self { len, sha256: hex(&long.finalize()), sha1: hex(&short.finalize()), md5: hex(&old.finalize()) })
    }
}

/// The task's `validate` as the function `b_validate`, run beside the new file.
pub fn validate(step: &mut Step, args: &Args) -> Result<(), String> {
    let Some(command) = text(args, "validate").filter(|command| !command.is_empty()) else {
        step.set_flag("b_check", false);
        return Ok(());
    };
    if !command.contains("%s") {
        return Err(format!("validate must contain %s: {command}"));
    }
    let mut words = String::new();
    for word in split(command)? {
        let parts: Result<Vec<String>, String> = word.split("%s").map(quote).collect();
        words.push_str(&parts?.join("\"$PWD/$b_grow\""));
        words.push(' ');
    }
    step.set_flag("b_check", true).run(&format!("b_validate() {{ {words}; }}"));
    Ok(())
}
