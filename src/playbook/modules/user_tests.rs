//! Accounts on machines of their own: Debian with shadow's tools, and `BusyBox` with nothing but an editor of files.

use super::common::{
    trial::args,
    world::{Kind, World},
};
use super::{authorized_key::AUTHORIZED_KEY, group::GROUP, user::USER};

const HASH: &str =
    "$6$berthdemo12345$GlSztFwHKszpT8S9FwwANx4e4HZ7o.4XheR8jYvDnB3l/G4.1QQRuwGEJCCgG0RhAuN1RilppAKw2YBHiwN5.1";
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAII3M62TVm9uoxVy0ATXA0dbhRN1dZL2qJTFkYsD9HdNE";

fn worlds() -> [World; 2] {
    [World::new(Kind::Debian), World::new(Kind::Busybox)]
}

#[test]
fn an_account_is_made_changed_and_taken_away() {
    for mut world in worlds() {
        let group = args(&GROUP, "{name: team, gid: 5100}");
        assert!(world.check(&GROUP, &group).changed);
        let made = world.run(&GROUP, &group);
        assert!(made.changed && made.failed.is_none(), "{made:?}");
        assert!(!world.run(&GROUP, &group).changed);

        let yaml = |more: &str| {
            format!("{{name: alice, uid: 5101, group: team, shell: /bin/sh, comment: 'Alice $(id) `x`', {more}}}")
        };
        let user = args(&USER, &yaml(&format!("password: '{HASH}', groups: [users]")));
        let look = world.check(&USER, &user);
        assert!(look.changed && world.sh("grep -c ^alice: /etc/passwd") == "0\n", "{look:?}");
        let made = world.run(&USER, &user);
        assert!(made.changed && made.failed.is_none(), "{made:?}");
        assert_eq!(made.result["uid"], 5101);
        assert_eq!(world.sh("grep ^alice: /etc/passwd"), "alice:x:5101:5100:Alice $(id) `x`:/home/alice:/bin/sh\n");
        assert_eq!(world.sh("grep ^alice: /etc/shadow | cut -d: -f1,2"), format!("alice:{HASH}\n"));
        assert_eq!(world.sh("stat -c %U:%G /home/alice /home/alice/.profile"), "alice:team\nalice:team\n");
        assert_eq!(world.sh("grep ^users: /etc/group"), "users:x:100:alice\n");
        let again = world.run(&USER, &user);
        assert!(!again.changed && again.failed.is_none(), "{again:?}");
        assert_eq!(again.text("home"), "/home/alice");

        let other = args(&USER, &yaml("password: '!', groups: [], password_lock: true, expires: 1422403387"));
        assert!(world.check(&USER, &other).changed);
        let turned = world.run(&USER, &other);
        assert!(turned.changed && turned.failed.is_none(), "{turned:?}");
        assert_eq!(world.sh("grep ^users: /etc/group"), "users:x:100:\n");
        assert_eq!(world.sh("grep ^alice: /etc/shadow | cut -d: -f2,8"), "!:16463\n");
        let again = world.run(&USER, &other);
        assert!(!again.changed && again.failed.is_none(), "{again:?}");

        let moved = args(&USER, "{name: alice, home: /home/al, move_home: true, comment: ''}");
        let turned = world.run(&USER, &moved);
        assert!(turned.changed && turned.failed.is_none(), "{turned:?}");
        assert_eq!(
            world.sh("grep ^alice: /etc/passwd; ls -d /home/a*"),
            "alice:x:5101:5100::/home/al:/bin/sh\n/home/al\n"
        );
        assert!(!world.run(&USER, &moved).changed);

        let busy = world.run(&GROUP, &args(&GROUP, "{name: team, state: absent}"));
        assert!(busy.failed.unwrap().contains("primary group of `alice`"));
        let gone = args(&USER, "{name: alice, state: absent, remove: true}");
        assert!(world.check(&USER, &gone).changed);
        let left = world.run(&USER, &gone);
        assert!(left.changed && left.failed.is_none(), "{left:?}");
        assert_eq!(
            world.sh("grep -c alice /etc/passwd /etc/shadow /etc/group; ls /home | grep -c ^al").matches(":0").count(),
            3
        );
        assert!(!world.run(&USER, &gone).changed);
        let gone = args(&GROUP, "{name: team, state: absent}");
        assert!(world.run(&GROUP, &gone).changed);
        assert!(!world.run(&GROUP, &gone).changed);
    }
}

#[test]
fn an_account_without_a_number_gets_one_and_a_group_of_its_own() {
    for mut world in worlds() {
        let made = world.run(&USER, &args(&USER, "{name: bob}"));
        assert!(made.changed && made.failed.is_none(), "{made:?}");
        assert!(made.result["uid"].as_u64().unwrap() >= 1000);
        assert_eq!(world.sh("id -gn bob"), "bob\n");
        assert_eq!(world.sh("grep ^bob: /etc/shadow | cut -d: -f2"), "!\n");
        let clash = world.run(&USER, &args(&USER, &format!("{{name: eve, uid: {}}}", made.result["uid"])));
        assert!(clash.failed.is_some(), "{clash:?}");
        let lost = world.run(&USER, &args(&USER, "{name: eve, group: nosuch}"));
        assert!(lost.failed.unwrap().contains("`nosuch` does not exist"));
        let root = world.run(&USER, &args(&USER, "{name: root, state: absent, force: true, remove: true}"));
        assert!(root.failed.unwrap().contains("uid is 0"));
        assert!(world.run(&USER, &args(&USER, "{name: bob, state: absent, force: true, remove: true}")).changed);
        assert_eq!(world.sh("cat /etc/passwd /etc/group /etc/shadow | grep -c ^bob:"), "0\n");
    }
}

#[test]
fn force_takes_an_account_away_whatever_it_does() {
    for mut world in worlds() {
        assert!(world.run(&USER, &args(&USER, "{name: mal, uid: 5150}")).failed.is_none());
        assert!(world.run(&USER, &args(&USER, "{name: good, uid: 5151}")).failed.is_none());
        world.sh("mkdir -p /var/spool/cron/crontabs /var/mail /var/spool/cron/atjobs");
        world.sh("echo '* * * * * x' >/var/spool/cron/crontabs/mal; echo m >/var/mail/mal; echo j >/var/spool/cron/atjobs/a1; chown mal /var/spool/cron/atjobs/a1 /var/mail/mal");
        // Processes that will not go by themselves, and that make new ones.
        world.sh("su -s /bin/sh mal -c \"trap '' 1 2 15; while :; do sleep 1000; done\" >/dev/null 2>&1 & \
                  su -s /bin/sh mal -c 'f() { sleep 0.01; ( f ) & sleep 1000; }; f' >/dev/null 2>&1 & \
                  su -s /bin/sh good -c 'sleep 1234' >/dev/null 2>&1 & \
                  n=0; until [ $(grep -ls '^Uid:.5150' /proc/[0-9]*/status | wc -l) -gt 5 ] || [ $n = 500 ]; do n=$((n+1)); done");
        world.sh("mkdir -p /home/mal/d/e && ln -s /etc /home/mal/link && mount -t tmpfs tmpfs /home/mal/d/e");
        let gone = args(&USER, "{name: mal, state: absent, remove: true, force: true}");
        let said = world.run(&USER, &gone);
        assert!(said.changed && said.failed.is_none(), "{said:?}");
        assert_eq!(
            world
                .sh("ls -d /home/mal /var/mail/mal /var/spool/cron/crontabs/mal /var/spool/cron/atjobs/a1 2>/dev/null"),
            ""
        );
        assert_eq!(world.sh("for f in /proc/[0-9]*/status; do grep -q '^Uid:.5150' $f 2>/dev/null && grep -q '^State:.[^Z]' $f && echo left; done"), "");
        assert_eq!(world.sh("grep -c ^mal: /etc/passwd; test -f /etc/passwd && echo kept"), "0\nkept\n");
        assert!(
            world.sh("grep -l sleep /proc/[0-9]*/comm 2>/dev/null | wc -l").trim() != "0",
            "the others' processes go on"
        );
        assert!(!world.run(&USER, &gone).changed);
    }
}

#[test]
fn a_home_that_is_the_systems_stays() {
    for mut world in worlds() {
        world.sh("mkdir -p /srv/shared");
        for (name, home) in [("one", "/etc"), ("two", "/home"), ("three", "/srv/../etc"), ("four", "/")] {
            let made = world.run(&USER, &args(&USER, &format!("{{name: {name}, home: {home}, create_home: false}}")));
            assert!(made.failed.is_none(), "{made:?}");
            let gone =
                world.run(&USER, &args(&USER, &format!("{{name: {name}, state: absent, remove: true, force: true}}")));
            assert!(gone.changed && gone.failed.is_none(), "{gone:?}");
            assert_eq!(world.sh("ls -d /etc/passwd /home /etc /srv/shared").lines().count(), 4);
        }
    }
}

#[test]
fn keys_of_a_real_account() {
    for mut world in worlds() {
        assert!(world.run(&USER, &args(&USER, "{name: kim}")).failed.is_none());
        let keys = args(&AUTHORIZED_KEY, &format!("{{user: kim, key: '{KEY} me', exclusive: true}}"));
        let first = world.run(&AUTHORIZED_KEY, &keys);
        assert!(first.changed && first.failed.is_none(), "{first:?}");
        assert_eq!(world.sh("cat /home/kim/.ssh/authorized_keys"), format!("{KEY} me\n"));
        assert_eq!(
            world.sh("stat -c %U:%G:%a /home/kim/.ssh /home/kim/.ssh/authorized_keys"),
            "kim:kim:700\nkim:kim:600\n"
        );
        assert!(!world.run(&AUTHORIZED_KEY, &keys).changed);
        let nobody = world.run(&AUTHORIZED_KEY, &args(&AUTHORIZED_KEY, &format!("{{user: nosuch, key: '{KEY}'}}")));
        assert!(nobody.failed.unwrap().contains("`nosuch` does not exist"));
    }
}

#[test]
fn an_account_gets_a_key_pair_once() {
    let mut world = World::new(Kind::Debian);
    let task = args(
        &USER,
        "{name: kay, generate_ssh_key: true, ssh_key_type: ed25519, ssh_key_file: .ssh/id_x, ssh_key_comment: 'me & $(id)', ssh_key_passphrase: \"it's secret\"}",
    );
    let first = world.run(&USER, &task);
    assert!(first.changed && first.failed.is_none(), "{first:?}");
    assert!(first.text("ssh_public_key").ends_with(" me & $(id)"), "{first:?}");
    assert!(first.text("ssh_fingerprint").contains("ED25519"));
    let again = world.run(&USER, &task);
    assert!(!again.changed && again.failed.is_none(), "{again:?}");
    assert_eq!(
        world.sh("cd /home/kay; stat -c %U:%a .ssh .ssh/id_x; ssh-keygen -y -P \"it's secret\" -f .ssh/id_x >/dev/null && echo opens; ssh-keygen -y -P '' -f .ssh/id_x >/dev/null 2>&1 || echo closed"),
        "kay:700\nkay:600\nopens\nclosed\n"
    );
}

#[test]
fn numbers_of_groups_keep_within_their_bounds() {
    for mut world in worlds() {
        let made = world.run(&GROUP, &args(&GROUP, "{name: low, gid_min: 7000, gid_max: 7001}"));
        assert!(made.changed && made.failed.is_none(), "{made:?}");
        let gid = made.result["gid"].as_u64().unwrap();
        assert!((7000..=7001).contains(&gid), "{made:?}");
        let twin = world.run(&GROUP, &args(&GROUP, &format!("{{name: twin, gid: {gid}, non_unique: true}}")));
        assert!(twin.changed && twin.failed.is_none(), "{twin:?}");
    }
}
