# Every habit of this repository. `./just` alone lists them.

set shell := ["bash", "-euo", "pipefail", "-c"]
set positional-arguments := true

state := justfile_directory() / ".local"
tools := state / "tools/bin"
target := env("CARGO_TARGET_DIR", justfile_directory() / "target")
berth := justfile_directory() / "target/debug/berth"
listen := env("BERTH_LISTEN", "127.0.0.1:8080")
sudo := if `id -u` == "0" { "" } else { "sudo" }

export BERTH_DEMO_DIR := env("BERTH_DEMO_DIR", state / "demo")

[private]
default:
    @just --list --unsorted

# Start everything with N demo machines: server, scheduler, pool; Ctrl-C ends it
[no-exit-message]
run N="10": (_need "cc:build-essential" "curl:curl" "ssh:openssh-client") _build
    scripts/run.sh "$1"

# The same in containers behind Caddy, at https://localhost; stays until `down`
[no-exit-message]
up N="10": (_need "cc:build-essential" "curl:curl" "ssh:openssh-client" "docker:docker.io") _build
    just _packages-for-machines
    scripts/up.sh "$1"

# End what `up` started; its data stays for the next time
[no-exit-message]
down:
    scripts/down.sh

# Run all tests, on SQLite and on a private MariaDB, and the page in Chromium; with words, only the Rust tests they name
test *ARGS: (_need "cc:build-essential" "curl:curl" "ssh:openssh-client" "ssh-keygen:openssh-client" "sshd:openssh-server" "unshare:util-linux" "mariadbd:mariadb-server-core" "my_print_defaults:mariadb-client-core" "busybox:busybox-static" "faketime:faketime" "dockerd:docker.io" "ip:iproute2" "sudo:sudo" "promtool:prometheus" "caddy:caddy" "docker-compose:docker-compose")
    cargo test --locked "$@"
    [ $# -gt 0 ] || just test-web

# Run the tests of the page: its parts, then all of it in Chromium with a real server and demo machines
test-web *ARGS: (_need "chromium:chromium") _build _packages-for-machines
    cd web && npm test
    cd web && {{ sudo }} env PATH="$PATH" CARGO_TARGET_DIR="{{ target }}" npx playwright test "$@"

# Make pictures of every page in .local/pictures: light, dark, on a phone
pictures: (_need "chromium:chromium") _build _packages-for-machines
    cd web && {{ sudo }} env PATH="$PATH" CARGO_TARGET_DIR="{{ target }}" BERTH_PROJECT=pictures npx playwright test --project pictures

# Measure the page as people run it: first picture with a slow processor, scrolling through what is long
measure-web: (_need "chromium:chromium" "cc:build-essential") web
    cargo build --locked --release
    cd web && BERTH_E2E_BIN="{{ target }}/release" BERTH_PROJECT=measure npx playwright test --project measure

# Try random playbooks, templates and texts for every parser for so many seconds; BERTH_FUZZ_SEED chooses which
fuzz SECONDS="60": (_need "cc:build-essential")
    BERTH_FUZZ_SECONDS="$1" BERTH_FUZZ_SEED="${BERTH_FUZZ_SEED:-$RANDOM$RANDOM}" cargo test --locked --test it fuzz -- --nocapture

# Look for faults without running: format, clippy, dependencies and their licences
check: web (_need "cc:build-essential" "caddy:caddy") (_tool "cargo-deny" "0.20.2") (_tool "cargo-machete" "0.9.2")
    ! git ls-files | grep -E '(^|/)(CACHEDIR\.TAG|\.fingerprint/|node_modules/|web/dist/)' || { echo "what a build made is tracked: git rm -r --cached it" >&2; exit 1; }
    cargo fmt --all --check
    cargo clippy --locked --all-targets -- -D warnings
    {{ tools }}/cargo-deny --all-features --offline check --hide-inclusion-graph bans licenses sources
    {{ tools }}/cargo-machete .
    caddy validate --config caddy/Caddyfile --adapter caddyfile 2>/dev/null || caddy validate --config caddy/Caddyfile --adapter caddyfile
    caddy fmt caddy/Caddyfile | diff caddy/Caddyfile -
    cd web && npm run check

# Ask for known weaknesses of the dependencies; says so where nobody answers, and then fails with BERTH_ADVISORIES=required
advisories: (_need "node:nodejs" "npm:npm") (_tool "cargo-deny" "0.20.2")
    scripts/advisories.sh {{ tools }}/cargo-deny

# Try the whole HTTP interface against its own description: as an admin, as a member, as nobody
test-api: (_need "cc:build-essential" "curl:curl" "python3:python3") _build
    python3 -c 'import ensurepip, venv' 2>/dev/null || {{ sudo }} apt-get install -y -qq --no-install-recommends python3-venv >&2
    scripts/test-api.sh {{ berth }}

# Follow what is said: by the containers of `up`, else by the server and the scheduler of `run`
[no-exit-message]
logs:
    scripts/logs.sh

# Make N demo machines, or start those that rest
demo-up N="10": _build
    just _packages-for-machines
    {{ sudo }} env BERTH_DEMO_DIR="$BERTH_DEMO_DIR" {{ berth }} playbook run playbooks/provision.yml -e count="$1"

# Remove all demo machines with what they hold
demo-down: _build
    {{ sudo }} env BERTH_DEMO_DIR="$BERTH_DEMO_DIR" {{ berth }} playbook run playbooks/unprovision.yml

# Remove all that `run`, `up`, `demo-up` and `check` made: machines, images, database, keys, logs, tools
clean:
    scripts/clean.sh

# Measure what a user would feel: all, or sections by name (start reserve import available ready)
bench *ARGS: (_need "cc:build-essential" "ssh:openssh-client" "sshd:openssh-server" "unshare:util-linux" "mariadbd:mariadb-server-core" "my_print_defaults:mariadb-client-core")
    cargo bench --locked --bench pool -- "$@"

# Measure the containers: image, start, idle memory, requests a second through Caddy and without
[no-exit-message]
measure-stack: (_need "curl:curl" "docker:docker.io" "wrk:wrk") _build
    scripts/measure-stack.sh

# Run ansible-core's own integration targets with berth as `ansible-playbook`; without names, the chosen ones
[no-exit-message]
ansible-targets *NAMES: (_need "cc:build-essential" "ssh:openssh-client") _build
    just _packages-for-machines
    scripts/ansible-targets.sh "$@"

# Load the optimised server for so many seconds with people, screens and scripts, and let one thing in twenty go wrong
soak SECONDS="1800": (_need "cc:build-essential" "ssh:openssh-client" "sshd:openssh-server" "unshare:util-linux" "mariadbd:mariadb-server-core" "my_print_defaults:mariadb-client-core") web
    cargo build --locked --release
    BERTH_BIN_DIR="{{ target }}/release" BERTH_SOAK_SECONDS="$1" cargo test --locked --test it soak:: -- --nocapture

# Write the snapshots anew after a wanted change: API description, command help, recaps
bless: (_need "cc:build-essential")
    INSTA_UPDATE=always BERTH_BLESS=1 cargo test --locked

# Build the page into web/dist, when something of it changed
web:
    #!/usr/bin/env bash
    set -euo pipefail
    [ -e web/package.json ] || exit 0
    just _need "node:nodejs" "npm:npm"
    cd web
    if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
        npm ci --no-audit --no-fund
        # npm may keep the time of the file that it came from.
        touch node_modules/.package-lock.json
    fi
    page=dist/index.html
    if [ ! -e $page ] || [ -n "$(find . \( -path ./node_modules -o -path ./dist -o -path ./e2e -o -path ./test-results \) -prune -o -type f -newer $page -print -quit)" ]; then
        npm run build
    fi

_build: web
    cargo build --locked

# Machines are containers where a Docker engine answers; else they need these.
_packages-for-machines: (_need "sshd:openssh-server" "ssh-keygen:openssh-client" "unshare:util-linux" "setpriv:util-linux")

# PROGRAM:PACKAGE …: installs the packages of the programs that are missing.
[no-exit-message]
_need *PAIRS:
    #!/usr/bin/env bash
    set -euo pipefail
    missing=()
    for pair in "$@"; do
        PATH="$PATH:/usr/sbin:/sbin" command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
    done
    [ ${#missing[@]} -gt 0 ] || exit 0
    echo "installing: ${missing[*]}" >&2
    if ! command -v apt-get >/dev/null; then
        echo "no apt-get here: install these yourself and try again" >&2
        exit 1
    fi
    {{ sudo }} apt-get update -qq
    {{ sudo }} env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2

# CRATE VERSION: builds a tool of that version into .local/tools, once.
_tool CRATE VERSION:
    #!/usr/bin/env bash
    set -euo pipefail
    if ! {{ tools }}/"$1" --version 2>/dev/null | grep -qF "$2"; then
        echo "building $1 $2 into .local/tools" >&2
        export CARGO_PROFILE_DEV_DEBUG=0 CARGO_TARGET_DIR={{ state }}/tools/target
        cargo install --quiet --debug --locked --root {{ state }}/tools "$1" --version "$2"
        rm -rf {{ state }}/tools/target
    fi
