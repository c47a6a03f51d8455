#!/usr/bin/env bash
# `just test-api`: schemathesis tries the whole HTTP interface against the description that the server itself gives,
# with every check it has: as an admin, as a member, as nobody. BERTH_API_SEED chooses the requests.
#
# usage: test-api.sh BERTH
set -euo pipefail
cd "$(dirname "$0")/.."
berth=$1
state=$PWD/.local/test-api
home=$PWD/.local/tools/schemathesis
seed=${BERTH_API_SEED:-1}
rm -rf "$state"
mkdir -p "$state"

if ! cmp -s tests/schemathesis/requirements.txt "$home/requirements.txt"; then
    rm -rf "$home"
    python3 -m venv "$home"
    "$home/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r tests/schemathesis/requirements.txt
    cp tests/schemathesis/requirements.txt "$home/"
fi

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
url=http://127.0.0.1:$port
# Nothing of this machine: no machine is contacted, and many requests are no attack.
env -i PATH="$PATH" HOME="$state" BERTH_DATA_DIR="$state/data" BERTH_LISTEN="127.0.0.1:$port" BERTH_METRICS_LISTEN= \
    BERTH_REMOTE=fake BERTH_REGISTRATION=open BERTH_REQUESTS_PER_SECOND=0 BERTH_LOGINS_PER_MINUTE=0 LOG_LEVEL=warn \
    "$berth" serve >"$state/server.log" 2>&1 &
server=$!
trap 'kill $server 2>/dev/null || true; wait $server 2>/dev/null || true' EXIT
for _ in $(seq 100); do
    curl -fs "$url/api/readyz" >/dev/null && break
    kill -0 $server 2>/dev/null || { cat "$state/server.log" >&2; exit 1; }
    sleep 0.2
done

field() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
# Tokens go by files of curl's, not by arguments.
as() { printf 'header = "Authorization: Bearer %s"\n' "$(cat "$state/$1.token")" >"$state/$1.curl"; }
call() { curl -fsS -K "$state/$1.curl" -X "$2" -H "Content-Type: ${5:-application/json}" -d "$4" "$url$3"; }
session() {
    curl -fsS -X POST -H 'Content-Type: application/json' -d "{\"username\":\"$1\",\"password\":\"$2\"}" \
        "$url/api/login" | field access_token >"$state/$1.token"
    as "$1"
    # An access token outlives the sessions that are ended on the way.
    call "$1" POST /api/me/tokens '{"name":"test-api"}' | field token >"$state/$1.token.new"
    mv "$state/$1.token.new" "$state/$1.token"
    as "$1"
}
session admin change-me
call admin POST /api/users '{"username":"mia","password":"mia likes boats"}' >/dev/null
session mia "mia likes boats"
call admin POST /api/machines/import 'machines:
  - { name: quay-1, host: 192.0.2.1, user: root, password: x, labels: { gpu: a100 } }
  - { name: quay-2, host: 192.0.2.2, user: root, password: x }
  - { name: quay-3, host: 192.0.2.3, user: root, password: x }' application/yaml >/dev/null

curl -fsS "$url/api/openapi.json" >"$state/openapi.json"
failed=()
for who in admin mia nobody; do
    config=$state/$who.toml
    cp tests/schemathesis/schemathesis.toml "$config"
    [ $who = nobody ] || printf '\n[headers]\nAuthorization = "Bearer ${BERTH_TOKEN}"\n' >>"$config"
    echo "as $who, seed $seed" >&2
    BERTH_TOKEN=$([ $who = nobody ] || cat "$state/$who.token") \
        "$home/bin/st" --config-file "$config" --no-color run "$state/openapi.json" --url "$url" --checks all \
        --max-examples 20 --max-time 45 --seed "$seed" --no-shrink >"$state/$who.log" 2>&1 || failed+=("$who")
    grep -E '^ +(❌|🚫)|^Test cases:|generated|^=+ .* =+$' "$state/$who.log" | tail -n 12 >&2 || true
    kill -0 $server 2>/dev/null || { echo "the server ended:" >&2; tail -n 20 "$state/server.log" >&2; exit 1; }
done
if grep -E 'panic|ERROR' "$state/server.log" | head -n 5 >&2; then
    echo "the server met what it did not expect, see $state/server.log" >&2
    exit 1
fi
[ ${#failed[@]} -eq 0 ] || { echo "the interface is not as it is described: $state/${failed[0]}.log" >&2; exit 1; }
