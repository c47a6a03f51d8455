use super::{DOCKER_CONTAINER, DOCKER_IMAGE, DOCKER_NETWORK, DOCKER_VOLUME};
use crate::playbook::modules::Module;
use crate::playbook::modules::common::trial::{Said, Shell, Trial, args};

/// A docker whose things are files: `KIND.NAME` holds its label, `run.NAME` is there while it runs.
const DOCKER: &str = r#"#!/bin/sh
echo "$*" >>log
while :; do case $1 in --host=*) shift ;; *) break ;; esac; done
kind=$1 verb=$2
label() { l=; for a; do case $a in --label=berth.spec=*) l=${a##*=} ;; esac; done; }
case $kind in
  pull) for a; do :; done; echo id-$(echo "$a" | tr -c 'a-z0-9\n' _) >"image.$(echo "$a" | tr / _)"; exit ;;
  tag) cp "image.$(echo "$2" | tr / _)" "image.$(echo "$3" | tr / _)"; exit ;;
  create) label "$@"; n=; img=; for a; do case $a in --name=*) n=${a#*=} ;; --env-file=*) cat "${a#*=}" >env.seen ;; -*) ;; *) [ -n "$img" ] || img=$a ;; esac; [ "$a" != create ] || img=; done; echo "$l" >"container.$n"; exit ;;
  start | restart) touch "run.$2"; exit ;;
  stop) for a; do :; done; rm -f "run.$a"; exit ;;
  rm) for a; do :; done; rm -f "run.$a" "container.$a"; exit ;;
esac
for name; do :; done
f="$kind.$(echo "$name" | tr / _)"
case $verb in
  inspect)
    [ -e "$f" ] || { echo "Error: No such $kind: $name" >&2; exit 1; }
    case "$4" in
      *State.Status*) if [ -e "run.$name" ]; then s=running; else s=exited; fi; echo "$s $(cat "$f") img" ;;
      *'.Labels'*) echo "$(cat "$f") driver" ;;
      *.Id*) cat "$f" ;;
      *json*) echo '{"Name":"it"}' ;;
    esac ;;
  create) label "$@"; echo "$l" >"$f" ;;
  rm) rm "$f" ;;
esac
"#;

fn run(trial: &Trial, shell: Shell, module: &Module, yaml: &str) -> Said {
    trial.with_after(shell, module, &args(module, yaml), "PATH=.:$PATH")
}

fn both() -> impl Iterator<Item = (Trial, Shell)> {
    Trial::SHELLS.into_iter().map(|shell| {
        let trial = Trial::new();
        trial.wipe();
        trial.write("docker", DOCKER, 0o755);
        (trial, shell)
    })
}

#[test]
fn a_container_is_made_once_and_anew_when_something_differs() {
    for (trial, shell) in both() {
        let task = "{name: web, image: 'nginx:1', comparisons: {image: ignore}, ports: ['8080:80'], env: {PASSWORD: \"s3cret $(id)\"}, command: \"sh -c 'a b'\", restart_policy: always}";
        let look = trial.with(shell, &DOCKER_CONTAINER, &args(&DOCKER_CONTAINER, task), "PATH=.:$PATH CHECK=1 DIFF=");
        assert!(look.changed && look.failed.is_none() && !trial.path("container.web").exists(), "{look:?}");
        let first = run(&trial, shell, &DOCKER_CONTAINER, task);
        assert!(first.changed && first.failed.is_none(), "{first:?}");
        let log = trial.read("log");
        assert!(log.contains("--publish=8080:80 --restart=always") && log.contains(" nginx:1 sh -c a b\n"), "{log}");
        assert!(!log.contains("s3cret"), "a secret is no argument");
        assert_eq!(trial.read("env.seen"), "PASSWORD=s3cret $(id)\n");
        let again = run(&trial, shell, &DOCKER_CONTAINER, task);
        assert!(!again.changed && again.failed.is_none(), "{again:?}");
        assert_eq!(first.result["container"]["Name"], "it");
        assert!(run(&trial, shell, &DOCKER_CONTAINER, &task.replace("8080", "8081")).changed);
        assert!(run(&trial, shell, &DOCKER_CONTAINER, "{name: web, state: stopped}").changed);
        assert!(!run(&trial, shell, &DOCKER_CONTAINER, "{name: web, state: stopped}").changed);
        assert!(run(&trial, shell, &DOCKER_CONTAINER, "{name: web}").changed && trial.path("run.web").exists());
        assert!(run(&trial, shell, &DOCKER_CONTAINER, "{name: web, state: absent}").changed);
        assert!(!run(&trial, shell, &DOCKER_CONTAINER, "{name: web, state: absent}").changed);
        for bad in [
            "{name: web}",
            "{name: '-x'}",
            "{name: x, image: '--help'}",
            "{name: x, image: y, paused: true}",
            "{name: x, image: y, comparisons: {env: allow_more_present}}",
        ] {
            assert!(run(&trial, shell, &DOCKER_CONTAINER, bad).failed.is_some(), "{bad}");
        }
    }
}

#[test]
fn images_are_pulled_named_and_removed_once() {
    for (trial, shell) in both() {
        let task = "{name: nginx, source: pull, repository: 'reg/nginx:1', docker_host: 'unix:///x'}";
        let first = run(&trial, shell, &DOCKER_IMAGE, task);
        assert!(first.changed && first.failed.is_none(), "{first:?}");
        assert!(trial.read("log").contains("--host=unix:///x pull -q nginx:latest"), "{}", trial.read("log"));
        let again = run(&trial, shell, &DOCKER_IMAGE, task);
        assert!(!again.changed && again.failed.is_none(), "{again:?}");
        assert!(run(&trial, shell, &DOCKER_IMAGE, "{name: nosuch, source: local}").failed.is_some());
        assert!(
            run(&trial, shell, &DOCKER_IMAGE, "{name: x, source: build, build: {path: /x, etc_hosts: {}}}")
                .failed
                .is_some()
        );
    }
}

#[test]
fn networks_and_volumes_are_made_once() {
    for (trial, shell) in both() {
        for (module, name) in [(&DOCKER_NETWORK, "name: net"), (&DOCKER_VOLUME, "name: vol, recreate: options-changed")]
        {
            let first = run(&trial, shell, module, &format!("{{{name}}}"));
            assert!(first.changed && first.failed.is_none(), "{first:?}");
            let again = run(&trial, shell, module, &format!("{{{name}}}"));
            assert!(!again.changed && again.failed.is_none(), "{again:?}");
            assert!(run(&trial, shell, module, &format!("{{{name}, labels: {{a: b}}}}")).changed);
            assert!(run(&trial, shell, module, &format!("{{{name}, state: absent}}")).changed);
            assert!(!run(&trial, shell, module, &format!("{{{name}, state: absent}}")).changed);
        }
    }
}
