//! A machine of its own for tests that make accounts: a copy-on-write overlay of this one, or a root that holds
//! `BusyBox` alone, in its own mount and process namespaces. Nothing of the host changes.

use super::trial::{Said, parse, program};
use crate::playbook::modules::{Args, Module};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

/// What stands in the new root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// This Debian, with shadow's tools and dash.
    Debian,
    /// `BusyBox` and nothing else.
    Busybox,
}

/// The machine: a shell that waits for steps.
#[derive(Debug)]
pub struct World {
    holder: Child,
    ask: ChildStdin,
    answer: BufReader<ChildStdout>,
}

const DEBIAN: &str = r"
mount -t tmpfs tmpfs /mnt && mkdir /mnt/up /mnt/work /mnt/root &&
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/up,workdir=/mnt/work /mnt/root &&
cd /mnt/root && mount -t proc proc proc && mount --rbind /dev dev && mount -t tmpfs tmpfs tmp &&
pivot_root . mnt && exec chroot . dash
";

const BUSYBOX: &str = r"
b=$(command -v busybox)
mount -t tmpfs tmpfs /mnt && cd /mnt && mkdir bin etc etc/skel home root proc dev tmp var var/mail old &&
cp $b bin/busybox && for a in $(bin/busybox --list); do [ -e bin/$a ] || ln -s busybox bin/$a; done
echo 'root:x:0:0:root:/root:/bin/sh' >etc/passwd && echo 'root:x:0:' >etc/group
echo 'users:x:100:' >>etc/group && echo 'root:*:19000:0:99999:7:::' >etc/shadow && chmod 640 etc/shadow
echo hi >etc/skel/.profile
mount -t proc proc proc && mount --rbind /dev dev && pivot_root . old && export PATH=/bin && exec chroot . sh
";

impl World {
    pub fn new(kind: Kind) -> Self {
        let script = match kind {
            Kind::Debian => DEBIAN,
            Kind::Busybox => BUSYBOX,
        };
        let mut holder = Command::new("unshare")
            .args([
                "--mount",
                "--pid",
                "--uts",
                "--fork",
                "--kill-child",
                "--propagation",
                "private",
                "sh",
                "-c",
                script,
            ])
            .env("HOME", "/root")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare starts");
        let ask = holder.stdin.take().unwrap();
        let answer = BufReader::new(holder.stdout.take().unwrap());
        let mut world = Self { holder, ask, answer };
        assert_eq!(world.sh("echo here"), "here\n", "these tests need root, to make namespaces");
        world
    }

    /// What a script says on stdout and stderr.
    pub fn sh(&mut self, script: &str) -> String {
        let end = format!("END{}", uuid::Uuid::now_v7().simple());
        write!(
            self.ask,
            "cat >/.script <<'{end}'\n{script}\n{end}\n( . /.script ) </dev/null >/.said 2>&1\nbase64 /.said | tr -d '\\n'; echo; \n"
        )
        .unwrap();
        self.ask.flush().unwrap();
        let mut line = String::new();
        self.answer.read_line(&mut line).unwrap();
        String::from_utf8_lossy(&STANDARD.decode(line.trim()).unwrap()).into_owned()
    }

    pub fn run(&mut self, module: &Module, args: &Args) -> Said {
        self.step(module, args, "CHECK= DIFF=1")
    }

    pub fn check(&mut self, module: &Module, args: &Args) -> Said {
        self.step(module, args, "CHECK=1 DIFF=1")
    }

    fn step(&mut self, module: &Module, args: &Args, before: &str) -> Said {
        let text = match program(module, args, &[], before, "", "/.files") {
            Ok((text, files)) => {
                for (name, bytes) in files {
                    let text = STANDARD.encode(bytes);
                    self.sh(&format!("mkdir -p /.files; base64 -d >/.files/{name} <<'END'\n{text}\nEND"));
                }
                text
            }
            Err(why) => return Said { failed: Some(why), ..Said::default() },
        };
        let noise = self.sh(&format!("exec 3>/.told\n{text}"));
        let told = self.sh("cat /.told");
        let mut said = parse(told.as_bytes());
        said.stderr = noise;
        said
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
