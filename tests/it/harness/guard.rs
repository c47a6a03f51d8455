//! Ends what a test started, even when the test binary is killed.

use std::{
    io::Read,
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
};

/// A shell that reads from us. When we drop it, or die, it reads the end and runs the clean-up.
#[derive(Debug)]
pub struct Guard(Child);

impl Guard {
    /// Runs `start` at once and `end` at our end. `$1`, `$2` … are the arguments in both.
    pub fn new(start: &str, end: &str, args: &[&str]) -> Self {
        let script = format!("trap '' INT TERM HUP\n{start}\necho up\nexec >/dev/null\ncat >/dev/null\n{end}\n");
        let mut child = Command::new("sh")
            .args(["-c", &script, "guard"])
            .args(args)
            // A group of its own: Ctrl-C is for the tests, not for what cleans up after them.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = [0; 3];
        child.stdout.take().unwrap().read_exact(&mut said).unwrap_or_else(|_| panic!("this did not start: {start}"));
        Self(child)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
