//! Logging in as a plain user and becoming another: real sudo on real machines, and the way over a jump host.

use std::{fs, path::Path, process::Command};

use crate::harness::machines::{Machine, PASSWORD, machines};

/// Runs a playbook on hosts of an inventory in INI form; gives the exit code and what was said.
fn run(folder: &Path, inventory: &str, text: &str, more: &[&str]) -> (i32, String) {
    fs::write(folder.join("hosts.ini"), inventory).unwrap();
    fs::write(folder.join("p.yml"), text).unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_berth"))
        .args(["playbook", "run", "p.yml", "-i", "hosts.ini", "-v"])
        .args(more)
        .current_dir(folder)
        .env_clear()
        .envs(["PATH", "HOME"].map(|name| (name, std::env::var(name).unwrap())))
        .env("ANSIBLE_HOST_KEY_CHECKING", "false")
        .output()
        .unwrap();
    let said = [done.stdout, done.stderr].concat();
    (done.status.code().unwrap(), String::from_utf8(said).unwrap())
}

fn host(machine: &Machine, user: &str, password: &str) -> String {
    format!(
        "{} ansible_host=127.0.0.1 ansible_port={} ansible_user={user} ansible_password={password}\n",
        machine.name, machine.port
    )
}

/// Makes `deck`, who may use sudo with a password, `mate`, who needs none, and `guest`, who may not.
fn crew(machine: &Machine) {
    let script = "set -e
        for who in deck mate guest; do useradd -m -s /bin/sh $who; echo $who:low-tide | chpasswd; done
        mkdir -p /etc/sudoers.d
        echo 'deck ALL=(ALL) ALL' >/etc/sudoers.d/crew
        echo 'mate ALL=(ALL) NOPASSWD: ALL' >>/etc/sudoers.d/crew
        chmod 440 /etc/sudoers.d/crew";
    let done = machine.run("root", PASSWORD, script);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[tokio::test]
async fn a_plain_user_becomes_root_as_far_as_sudo_lets_them() {
    let machines = machines(1).await;
    let machine = &machines.all[0];
    crew(machine);
    let folder = tempfile::tempdir().unwrap();
    let text = "- hosts: all\n  tasks:\n    - {command: id -un, register: own}\n    - {command: id -un, register: risen, become: true, ignore_errors: true}\n    \
                - {command: id -un, register: other, become: true, become_user: guest, ignore_errors: true}\n    \
                - shell: ps -eo args | grep -c '[l]ow-tide' || true\n      register: seen\n    \
                - debug: {msg: \"{{ own.stdout }} {{ risen.stdout | default(risen.msg) }} {{ other.stdout | default('-') }} {{ seen.stdout }}\"}\n";
    let secret = folder.path().join("secret");
    fs::write(&secret, "low-tide\n").unwrap();
    let file = secret.to_str().unwrap();
    let wanted = [
        ("mate", vec![], "mate root guest 0"),
        ("deck", vec!["--become-password-file", file], "deck root guest 0"),
        ("deck", vec![], "deck cannot become `root`: sudo: a password is required - 0"),
        ("guest", vec!["--become-password-file", file], "guest cannot become `root`: "),
    ];
    for (user, more, wanted) in wanted {
        let (code, said) = run(folder.path(), &host(machine, user, "low-tide"), text, &more);
        assert_eq!(code, 0, "{said}");
        assert!(said.contains(&format!("\"msg\": \"{wanted}")), "{user} {wanted}: {said}");
        // The arguments that were used are shown with -v, the password is not.
        assert!(!said.contains("low-tide"), "{said}");
    }
    // Where nothing ignores it, the task fails; the host was reached.
    let text = "- hosts: all\n  become: true\n  tasks:\n    - command: id -un\n";
    let (code, said) = run(folder.path(), &host(machine, "guest", "low-tide"), text, &[]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("unreachable=0    failed=1"), "{said}");
}

#[tokio::test]
async fn su_takes_the_password_of_whom_one_becomes() {
    let machines = machines(1).await;
    let machine = &machines.all[0];
    crew(machine);
    let folder = tempfile::tempdir().unwrap();
    let text = "- hosts: all\n  become_method: su\n  tasks:\n    - {command: id -un, register: risen, become: true, ignore_errors: true}\n    \
                - {command: id -un, register: own}\n    \
                - {command: id -un, register: other, become: true, become_user: mate, ignore_errors: true, vars: {ansible_become_password: low-tide}}\n    \
                - shell: \"ps -eo args | grep -c '[l]ow-tide' || true\"\n      register: seen\n    \
                - debug: {msg: \"{{ own.stdout }} {{ risen.stdout | default(risen.msg) }} {{ other.stdout | default(other.msg) }} {{ seen.stdout }}\"}\n";
    let secret = folder.path().join("secret");
    let file = secret.to_str().unwrap();
    let given = ["--become-password-file", file];
    let wanted: [(&str, &[&str], &str); 3] = [
        (PASSWORD, &given, "deck root mate 0"),
        ("high-tide", &given, "deck cannot become `root`: su: Authentication failure mate 0"),
        ("", &[], "deck cannot become `root`: `su` asks for a password"),
    ];
    for (password, more, wanted) in wanted {
        fs::write(&secret, format!("{password}\n")).unwrap();
        let (code, said) = run(folder.path(), &host(machine, "deck", "low-tide"), text, more);
        assert_eq!(code, 0, "{said}");
        assert!(said.contains(&format!("\"msg\": \"{wanted}")), "{wanted}: {said}");
        assert!(!said.contains("low-tide") && !said.contains("high-tide"), "{said}");
    }
}

#[tokio::test]
async fn a_machine_behind_another_is_reached_over_it() {
    let machines = machines(2).await;
    let (door, inner) = (&machines.all[0], &machines.all[1]);
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    assert!(
        Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status().unwrap().success()
    );
    let public = fs::read_to_string(key.with_extension("pub")).unwrap();
    for machine in [door, inner] {
        let let_in = format!("mkdir -p /root/.ssh && echo '{}' >>/root/.ssh/authorized_keys", public.trim());
        assert!(machine.run("root", PASSWORD, &let_in).status.success());
    }
    let way = format!(
        "ssh -i {} -p {} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -W %h:%p root@127.0.0.1",
        key.display(),
        door.port
    );
    let inventory = format!(
        "{} ansible_host=127.0.0.1 ansible_port={} ansible_user=root \
         ansible_ssh_common_args='-C -i {} -o ProxyCommand=\"{way}\"'\n",
        inner.name,
        inner.port,
        key.display(),
    );
    let text = "- hosts: all\n  tasks:\n    - {shell: 'echo $SSH_CONNECTION; hostname', register: r}\n    - debug: {var: r.stdout_lines}\n";
    let (code, said) = run(folder.path(), &inventory, text, &[]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains(&format!("\"{}\"", inner.name)), "{said}");
    // With the door shut there is no way in.
    door.stop().await;
    let (code, said) = run(folder.path(), &inventory, text, &[]);
    assert_eq!(code, 4, "{said}");
}
