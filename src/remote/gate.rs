//! How many may be logging in to one server at a time: `sshd` turns away what is beyond its `MaxStartups`, which are
//! ten where nobody says otherwise.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Ssh;

/// Logins under way to one server. Others may log in there, too.
const LOGINS: usize = 8;

static DOORS: Mutex<BTreeMap<String, Weak<Semaphore>>> = Mutex::new(BTreeMap::new());

/// Waits until this login may begin. It is under way for as long as the answer is kept.
pub(super) async fn turn(ssh: &Ssh) -> Option<OwnedSemaphorePermit> {
    let gate = {
        let mut doors = DOORS.lock().unwrap_or_else(PoisonError::into_inner);
        doors.retain(|_, gate| gate.strong_count() > 0);
        let door = door(ssh);
        doors.get(&door).and_then(Weak::upgrade).unwrap_or_else(|| {
            let gate = Arc::new(Semaphore::new(LOGINS));
            doors.insert(door, Arc::downgrade(&gate));
            gate
        })
    };
    gate.acquire_owned().await.ok()
}

/// The first server on the way: many hosts may have one jump host.
fn door(ssh: &Ssh) -> String {
    let option = |name: &str| {
        ssh.options.iter().find_map(|option| {
            let (key, value) = option.split_once(['=', ' '])?;
            (key.trim().eq_ignore_ascii_case(name) && value.trim() != "none").then(|| value.trim().to_owned())
        })
    };
    let jump = ssh.jump.clone().or_else(|| option("ProxyJump"));
    let jump =
        jump.map(|jump| jump.split(',').next().unwrap_or_default().rsplit('@').next().unwrap_or_default().to_owned());
    jump.or_else(|| option("ProxyCommand")).unwrap_or_else(|| format!("{}:{}", ssh.host, ssh.port))
}

#[cfg(test)]
mod tests {
    use futures_util::poll;

    use super::*;
    use crate::remote::{HostKey, Login};

    fn to(host: &str, jump: Option<&str>, options: &[&str]) -> Ssh {
        Ssh {
            host: host.into(),
            port: 22,
            jump: jump.map(str::to_owned),
            login: Login::Default,
            host_key: HostKey::System,
            options: options.iter().map(|option| (*option).to_owned()).collect(),
        }
    }

    #[test]
    fn the_first_server_on_the_way_is_the_door() {
        assert_eq!(door(&to("a", None, &[])), "a:22");
        assert_eq!(door(&to("a", Some("me@gate:2022,other"), &[])), "gate:2022");
        assert_eq!(door(&to("a", None, &["proxyjump=gate"])), "gate");
        assert_eq!(door(&to("a", None, &["ProxyCommand=ssh -W %h:%p gate"])), "ssh -W %h:%p gate");
        assert_eq!(door(&to("a", None, &["ProxyCommand=none"])), "a:22");
    }

    #[tokio::test]
    async fn logins_beyond_the_bound_wait_for_their_turn() {
        let busy = to("busy.test", None, &[]);
        let mut turns = Vec::new();
        for _ in 0..LOGINS {
            turns.push(turn(&busy).await.unwrap());
        }
        let mut next = Box::pin(turn(&busy));
        assert!(poll!(&mut next).is_pending());
        assert!(turn(&to("quiet.test", None, &[])).await.is_some());
        turns.pop();
        assert!(poll!(&mut next).is_ready());
    }
}
