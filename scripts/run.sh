#!/usr/bin/env bash
# `just run N`: demo machines, server, scheduler, a registered pool. Ctrl-C ends all that was started here.
set -euo pipefail
cd "$(dirname "$0")/.."
count=$1
[[ $count =~ ^[1-9][0-9]{0,2}$ ]] || { echo "\`$count\` is not a number of machines: say 1 to 999" >&2; exit 2; }

state=$PWD/.local
berth=$PWD/target/debug/berth
listen=${BERTH_LISTEN:-127.0.0.1:8080}
url=http://$listen
user=${ADMIN_DEFAULT_USERNAME:-admin}
password=${ADMIN_DEFAULT_PASSWORD:-change-me}
first_port=${BERTH_DEMO_PORT:-22221}
sudo=; [ "$(id -u)" = 0 ] || sudo=sudo
export BERTH_DEMO_DIR=${BERTH_DEMO_DIR:-$state/demo}
mkdir -p "$state/log"

exec 9>"$state/run.lock"
flock -n 9 || { echo "\`just run\` runs already in this checkout: end it first with Ctrl-C" >&2; exit 1; }

playbook() { $sudo env BERTH_DEMO_DIR="$BERTH_DEMO_DIR" "$berth" playbook run "$@" 9>&-; }

started=()
machines=
ending=
finish() {
    [ -z "$ending" ] || return 0
    ending=1
    trap '' INT TERM HUP
    for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${started[@]}"; do wait "$pid" 2>/dev/null || true; done
    if [ -n "$machines" ]; then
        playbook playbooks/unprovision.yml -e state=stopped >"$state/log/machines.log" 2>&1 ||
            echo "the demo machines could not be stopped, see $state/log/machines.log" >&2
    fi
    echo "ended. Machines and bookings are kept for the next run; \`./just clean\` removes them." >&2
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

if ! [ -S /var/run/docker.sock ] && [ -z "${DOCKER_HOST:-}" ]; then just _packages-for-machines; fi
echo "demo machines ..."
machines=1
playbook playbooks/provision.yml -e count="$count" -e first_port="$first_port"

if curl -fsS -m 2 -o /dev/null "$url/api/healthz" 2>/dev/null; then
    echo "something answers on $listen already: end it, or set BERTH_LISTEN" >&2
    exit 1
fi
export BERTH_ENV=${BERTH_ENV:-development} BERTH_LISTEN=$listen BERTH_DATA_DIR=${BERTH_DATA_DIR:-$state}
export DATABASE_URL=${DATABASE_URL:-sqlite:$state/berth.db}
before=
[ ! -e "$state/berth.db" ] || before=1
checks=()
"$berth" serve >>"$state/log/server.log" 2>&1 9>&- &
server=$!
started+=("$server")

# until_ready: the server says when it is; one that ended will not.
until_ready() {
    for _ in $(seq 150); do
        curl -fsS -m 2 -o /dev/null "$url/api/healthz" 2>/dev/null && return 0
        kill -0 "$server" 2>/dev/null || return 1
        sleep 0.2
    done
    return 1
}
until_ready || { echo "the server did not start; its log ends:" >&2; tail -n 15 "$state/log/server.log" >&2; exit 1; }
"$PWD/target/debug/berth-scheduler" >>"$state/log/scheduler.log" 2>&1 9>&- &
started+=($!)

# The first N machines of the sample; further ones are named alike.
awk -v n="$count" -v up="$((first_port - 22221))" '
    /^ *- name:/ { seen++ }
    seen <= n { if ($1 == "port:") sub(/[0-9]+/, $2 + up); print }
' inventory/machines.yml >"$state/machines.yml"
for i in $(seq 11 "$count"); do
    printf '  - {name: quay-%02d, host: 127.0.0.1, port: %d, user: root, password: harbour-light}\n' "$i" $((first_port - 1 + i))
done >>"$state/machines.yml"
export XDG_CONFIG_HOME=$state/config BERTH_URL=$url
printf '%s\n' "$password" | "$berth" login "$user" --password-stdin
"$berth" register "$state/machines.yml"
# Demo machines that were removed and made anew since the last run have other keys; we made them, so we know.
check() {
    "$berth" machines check "$1" 2>&1 | grep -q 'host key of' || return 0
    "$berth" machines check "$1" --accept-new-host-key >/dev/null || true
}
if [ -n "$before" ]; then
    for name in $(grep -o 'quay-[0-9]*' "$state/machines.yml"); do check "$name" & checks+=($!); done
    wait "${checks[@]}"
fi

cat <<END

Berth is up with $count machines.

  address    $url
  API        $url/api/docs
  sign in    $user / $password
  logs       ./just logs

Book two machines for an hour, with a password of your own:

  token=\$(curl -s $url/api/login -H 'content-type: application/json' -d '{"username":"$user","password":"$password"}' | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
  curl -H "Authorization: Bearer \$token" '$url/api/reserve?count=2&duration=60&reservation_password=test'

The answer names the machines: ssh -p PORT $user@127.0.0.1 with the password "test". Give them back:

  curl -H "Authorization: Bearer \$token" $url/api/release_all

Ctrl-C ends it all.
END
wait -n "${started[@]}" || true
echo "the server or the scheduler ended; see $state/log" >&2
exit 1
