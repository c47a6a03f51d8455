//! Questions to the person at the terminal.

use std::{
    fs::File,
    io::{self, IsTerminal, Read, Write},
};

use anyhow::{Context, Result, bail};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

use super::fault::{Fault, INTERRUPTED};

/// The most a password on standard input may be; a longer one is a file given by mistake.
const LONGEST: u64 = 64 * 1024;

/// Warns or informs, on stderr.
pub fn say(text: &str) {
    // Nobody is left to tell when stderr is gone.
    let _ = writeln!(io::stderr(), "{text}");
}

/// Asks for a password on the terminal, without echo.
pub fn ask_password(question: &str) -> Result<String> {
    let mut terminal = File::options().read(true).write(true).open("/dev/tty").map_err(|_| {
        Fault::Usage("there is no terminal to ask for the password on; give it with `--password-stdin`".into())
    })?;
    let _quiet = Quiet::new(&terminal)?;
    write!(terminal, "{question}: ")?;
    let answer = read_hidden_line(&terminal);
    writeln!(terminal)?;
    answer
}

/// Asks for a new password twice.
pub fn ask_new_password(question: &str) -> Result<String> {
    let first = ask_password(question)?;
    if first != ask_password("Once more")? {
        return Err(Fault::Usage("the two passwords differ; try again".into()).into());
    }
    Ok(first)
}

/// The first line of standard input, as a password.
pub fn password_from_stdin() -> Result<String> {
    let mut lines = lines_from_stdin(1)?;
    Ok(lines.remove(0))
}

/// The first `count` lines of standard input.
pub fn lines_from_stdin(count: usize) -> Result<Vec<String>> {
    let mut text = String::new();
    let size = io::stdin().take(LONGEST + 1).read_to_string(&mut text).context("cannot read standard input")?;
    if LONGEST < size as u64 {
        bail!(Fault::Usage(format!("standard input holds more than {LONGEST} bytes; that is no password")));
    }
    let lines: Vec<String> = text.lines().take(count).map(str::to_owned).collect();
    if lines.len() < count {
        bail!(Fault::Usage(format!("standard input holds {} of {count} lines", lines.len())));
    }
    Ok(lines)
}

/// Asks which of several; the answer is an index.
pub fn choose(question: &str, choices: &[String]) -> Result<usize> {
    let mut terminal =
        File::options().read(true).write(true).open("/dev/tty").context("there is no terminal to ask on")?;
    for (index, choice) in choices.iter().enumerate() {
        writeln!(terminal, "{:>3}  {choice}", index + 1)?;
    }
    write!(terminal, "{question} [1-{}]: ", choices.len())?;
    let mut line = String::new();
    io::BufRead::read_line(&mut io::BufReader::new(&terminal), &mut line)?;
    match line.trim().parse::<usize>() {
        Ok(number) if 1 <= number && number <= choices.len() => Ok(number - 1),
        _ => Err(Fault::Usage(format!("`{}` is none of them", line.trim())).into()),
    }
}

/// Asks for a yes. Without a terminal the answer is no, with the flag that says yes.
pub fn confirm(question: &str) -> Result<()> {
    if !io::stdin().is_terminal() {
        return Err(Fault::Usage(format!("{question} Say so with `--yes`")).into());
    }
    write!(io::stderr(), "{question} [y/N] ")?;
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    if matches!(line.trim(), "y" | "Y" | "yes") { Ok(()) } else { Err(Fault::Usage("left as it is".into()).into()) }
}

/// No echo and no line editing by the terminal, until dropped.
///
/// Signals are off too: a Ctrl-C that ended the process here would leave the terminal mute.
struct Quiet {
    terminal: File,
    before: Termios,
}

impl Quiet {
    fn new(terminal: &File) -> Result<Self> {
        let before = tcgetattr(terminal).context("cannot read the terminal's settings")?;
        let mut quiet = before.clone();
        quiet.local_modes &= !(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
        quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(terminal, OptionalActions::Flush, &quiet).context("cannot turn the terminal's echo off")?;
        Ok(Self { terminal: terminal.try_clone()?, before })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // If this fails the terminal is gone.
        let _ = tcsetattr(&self.terminal, OptionalActions::Flush, &self.before);
    }
}

/// One line with the editing that people expect at a password: backspace, Ctrl-U, Ctrl-C, Ctrl-D.
fn read_hidden_line(mut terminal: impl Read) -> Result<String> {
    let mut line: Vec<u8> = Vec::new();
    let mut byte = [0];
    // One at a time: what is typed ahead is for whoever asks next.
    while terminal.read(&mut byte)? == 1 {
        match byte[0] {
            b'\r' | b'\n' => break,
            3 => bail!(Fault::Said(INTERRUPTED)),
            4 if line.is_empty() => bail!(Fault::Said(INTERRUPTED)),
            21 => line.clear(),
            // The last character, which may be several bytes.
            8 | 127 => while line.pop().is_some_and(|byte| byte & 0xC0 == 0x80) {},
            byte => line.push(byte),
        }
    }
    String::from_utf8(line).map_err(|_| Fault::Usage("the password is not UTF-8".into()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hidden_line_can_be_edited() {
        assert_eq!(read_hidden_line(&b"secre\x7fet\nrest"[..]).unwrap(), "secret");
        assert_eq!(read_hidden_line("wrong\u{15}gr\u{e9}\u{7f}ay\r".as_bytes()).unwrap(), "gray");
        assert_eq!(read_hidden_line(&b""[..]).unwrap(), "");
    }

    #[test]
    fn ctrl_c_at_the_password_ends_the_command() {
        let error = read_hidden_line(&b"abc\x03"[..]).unwrap_err();
        assert_eq!(super::super::fault::code_of(&error), INTERRUPTED);
    }
}
