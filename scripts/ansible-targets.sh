#!/usr/bin/env bash
# `just ansible-targets [NAMES]`: ansible-core's own integration targets, unmodified, with berth under the names
# `ansible-playbook` and `ansible`. Controller and test host are one demo machine, reached over SSH; this computer is not touched.
# Prints which targets pass whole. Logs: .local/ansible-targets/log/NAME.log
#
#   ANSIBLE_CORE     an unpacked source distribution to use instead of downloading it
#   ANSIBLE_TARGETS_PORT   the machine's port (22391)
#   ANSIBLE_TARGETS_TIMEOUT   seconds for one target (300)
#   ANSIBLE_TARGETS_BERTH   another binary than target/debug/berth
set -euo pipefail
cd "$(dirname "$0")/.."
version=2.19.14
state=$PWD/.local/ansible-targets
berth=${ANSIBLE_TARGETS_BERTH:-$PWD/target/debug/berth}
port=${ANSIBLE_TARGETS_PORT:-22391}
limit=${ANSIBLE_TARGETS_TIMEOUT:-300}
sudo=; [ "$(id -u)" = 0 ] || sudo=sudo
export BERTH_DEMO_DIR=$state/demo
mkdir -p "$state/log"

core=${ANSIBLE_CORE:-$state/ansible_core-$version}
if [ ! -d "$core/test/integration/targets" ]; then
    echo "downloading ansible-core $version" >&2
    pip download --quiet --no-deps --no-binary :all: --dest "$state" "ansible-core==$version"
    tar -C "$state" -xzf "$state/ansible_core-$version.tar.gz"
fi
if [ $# = 0 ]; then
    set -- ping stat file copy template command_shell raw script group cron hostname slurp tempfile set_fact loops \
        conditionals assert handlers tags
fi

$sudo env BERTH_DEMO_DIR="$BERTH_DEMO_DIR" "$berth" playbook run playbooks/provision.yml -e count=1 \
    -e first_port="$port" >"$state/log/machine.log" 2>&1 ||
    { cat "$state/log/machine.log" >&2; exit 1; }
printf '#!/bin/sh\necho harbour-light\n' >"$state/askpass"
chmod 700 "$state/askpass"
machine() {
    SSH_ASKPASS=$state/askpass SSH_ASKPASS_REQUIRE=force setsid -w ssh -q -p "$port" -o StrictHostKeyChecking=no \
        -o UserKnownHostsFile=/dev/null -o PubkeyAuthentication=no -o NumberOfPasswordPrompts=1 root@127.0.0.1 "$@"
}

# The targets and the binary go onto the machine when they changed.
mark="$version $(stat -c '%Y %s' "$berth")"
if [ "$(machine cat /root/at/mark 2>/dev/null)" != "$mark" ]; then
    machine 'rm -rf /root/at; mkdir -p /root/at/bin /root/at/pristine /root/at/library'
    tar -C "$core/test/integration/targets" -cf - . | machine 'tar -C /root/at/pristine -xf -'
    # What an installed Ansible brings for modules in Python.
    tar -C "$core/lib" -cf - ansible/module_utils ansible/release.py | machine 'mkdir -p /root/at/lib; tar -C /root/at/lib -xf -'
    machine 'cat >/root/at/bin/ansible-playbook; chmod 755 /root/at/bin/ansible-playbook' <"$berth"
    # Some targets call these by name, from the controller or on the test host.
    machine 'ln -sf ansible-playbook /root/at/bin/ansible
        ln -sf /root/at/bin/ansible-playbook /usr/local/bin/ansible-playbook
        [ -e /usr/local/bin/python ] || ln -s "$(command -v python3)" /usr/local/bin/python
        : >/root/at/bin/virtualenv.sh'
    # As a test host has it: programs that targets call without installing them, and the controller's key opens it.
    machine 'command -v getfacl || { apt-get update -q && apt-get install -qy acl; }' >"$state/log/packages.log" 2>&1 || true
    machine '[ -f /root/.ssh/id_ed25519 ] || { mkdir -p -m 700 /root/.ssh; ssh-keygen -q -t ed25519 -N "" -f /root/.ssh/id_ed25519; }
        cat /root/.ssh/id_ed25519.pub >/root/.ssh/authorized_keys; chmod 600 /root/.ssh/authorized_keys'
    machine 'cat >/root/at/mark' <<<"$mark"
fi
machine "cat >/root/at/run.sh" <<'EOF'
# run.sh NAME PORT SECONDS: one target in a fresh copy beside links to all others.
name=$1 port=$2 limit=$3
at=/root/at/work/$name
rm -rf "$at"
mkdir -p "$at/targets" "$at/output"
for dir in /root/at/pristine/*; do
    [ "$dir" = "/root/at/pristine/$name" ] || ln -s "$dir" "$at/targets/"
done
cp -a "/root/at/pristine/$name" "$at/targets/"
cat >"$at/inventory" <<END
[testgroup]
testhost ansible_host=127.0.0.1 ansible_port=$port ansible_connection=ssh ansible_user=root ansible_password=harbour-light ansible_python_interpreter=/usr/bin/python3
END
echo "output_dir: $at/output" >"$at/integration_config.yml"
: >"$at/ansible.cfg"
export PATH=/root/at/bin:$PATH HOME=/root LANG=C.UTF-8 OUTPUT_DIR=$at/output INVENTORY_PATH=$at/inventory
export ANSIBLE_ROLES_PATH=$at/targets ANSIBLE_CONFIG=$at/ansible.cfg ANSIBLE_HOST_KEY_CHECKING=false \
    ANSIBLE_RETRY_FILES_ENABLED=false ANSIBLE_DEPRECATION_WARNINGS=false ANSIBLE_FORCE_HANDLERS=true \
    ANSIBLE_HOST_PATTERN_MISMATCH=error ANSIBLE_INVENTORY=/dev/null ANSIBLE_FORCE_COLOR=false \
    ANSIBLE_DEVEL_WARNING=false ANSIBLE_LIBRARY=/dev/null ANSIBLE_PLAYBOOK_DIR=$at \
    ANSIBLE_TEST_ANSIBLE_LIB_ROOT=/nonexistent BERTH_PYTHON=/root/at/lib
# The target sets a fast clock for cron where systemd starts it; this is the same for init scripts.
[ "$name" != cron ] || echo 'export LD_PRELOAD=/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1 FAKETIME="+0y x10"' >/etc/default/cron
cd "$at"
if [ -f "targets/$name/runme.sh" ]; then
    cd "targets/$name"
    # As the suite's own runner does it: no inventory is given, the targets name `../../inventory` themselves.
    timeout -k 5 "$limit" ./runme.sh -v </dev/null
else
    facts=true
    if [ -f "targets/$name/aliases" ] && grep -q '^gather_facts/no' "targets/$name/aliases"; then facts=false; fi
    cat >"$name.yml" <<END
- hosts: testhost
  gather_facts: $facts
  vars_files:
    - integration_config.yml
  roles:
    - role: $name
END
    timeout -k 5 "$limit" ansible-playbook "$name.yml" -i inventory -v </dev/null
fi
EOF

passed=0
for name; do
    [ -d "$core/test/integration/targets/$name" ] || { echo "there is no target \`$name\`" >&2; exit 2; }
    begun=$(date +%s)
    rc=0
    machine "sh /root/at/run.sh $name $port $limit" >"$state/log/$name.log" 2>&1 || rc=$?
    case $rc in
        0) word=pass; passed=$((passed + 1)) ;;
        124 | 137) word='out of time' ;;
        *) word="fail ($rc)" ;;
    esac
    printf '%-28s %-12s %4ss  ' "$name" "$word" $(($(date +%s) - begun))
    [ "$rc" = 0 ] || grep -aE 'FAILED!|^(error|ERROR!?)|^[^ ]*\.ya?ml:[0-9]+:|UNREACHABLE|not found' "$state/log/$name.log" | tail -n 1 | cut -c1-140 | tr -d '\n' || true
    echo
done
echo "$passed of $# targets pass whole"
[ "$passed" = $# ]
