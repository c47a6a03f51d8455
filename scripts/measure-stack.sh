#!/usr/bin/env bash
# `just measure-stack`: image size, start, idle memory and requests a second of the containers, on a stack of its own.
set -euo pipefail
cd "$(dirname "$0")/.."
export COMPOSE_PROJECT_NAME=berth-measure BERTH_UP_DIR=$PWD/.local/measure BERTH_PUBLISH=127.0.0.1:${BERTH_PORT:-18543} BERTH_EDGE=${BERTH_EDGE:-172.31.252}
. scripts/compose.sh
port=${BERTH_PUBLISH#*:}
url=https://localhost:$port
scripts/up.sh 0 >"$BERTH_UP_DIR.log" 2>&1 || { tail -n 20 "$BERTH_UP_DIR.log" >&2; exit 1; }
export BERTH_PUBLIC_URL=$url
trap 'compose down -v >/dev/null 2>&1; rm -rf "$BERTH_UP_DIR" "$BERTH_UP_DIR.log"' EXIT
ask() { curl -fsS --cacert "$state/authority.crt" -m 5 "$@"; }
row() { printf '| %-58s | %s |\n' "$1" "$2"; }
now() { date +%s%N; }
milliseconds() { echo "$((($(now) - $1) / 1000000)) ms"; }
until_ready() { until ask -o /dev/null "$url/api/readyz" 2>/dev/null; do sleep 0.05; done; }
until_healthy() {
    local name
    for name in "$@"; do
        until [ "$(docker inspect -f '{{.State.Health.Status}}' "$(compose ps -q "$name")")" = healthy ]; do sleep 0.1; done
    done
}

row "image" "$(docker image inspect -f '{{.Size}}' "$BERTH_IMAGE" | awk '{printf "%.1f MB", $1 / 1e6}')"
for what in 'start of all four, empty database, until ready through Caddy' 'the same with a database that is there'; do
    case $what in start*) compose down -v >/dev/null 2>&1 ;; *) compose down >/dev/null 2>&1 ;; esac
    began=$(now)
    compose up -d >/dev/null 2>&1
    for _ in $(seq 200); do
        docker cp "$(compose ps -q caddy):/data/caddy/pki/authorities/local/root.crt" "$state/authority.crt" >/dev/null 2>&1 && break
        sleep 0.05
    done
    until_ready
    row "$what" "$(milliseconds "$began")"
    until_healthy caddy api scheduler mariadb
    row "… until the engine calls all four healthy" "$(milliseconds "$began")"
done
began=$(now)
docker restart -t 20 "$(compose ps -q api)" >/dev/null
until_ready
row "restart of the server, until ready through Caddy" "$(milliseconds "$began")"
sleep 60
for name in caddy api scheduler mariadb; do
    row "idle memory of $name after a minute" "$(docker stats --no-stream --format '{{.MemUsage}}' "$(compose ps -q $name)" | cut -d/ -f1)"
done

# The limit per address is off for this: one address asks for all.
cat >"$state/limits.yml" <<'YML'
services: {api: {environment: {BERTH_REQUESTS_PER_SECOND: "0", LOG_LEVEL: warn}}}
YML
files=(-f compose/compose.yml -f "$state/limits.yml")
if docker compose version >/dev/null 2>&1; then docker compose "${files[@]}" up -d; else docker-compose "${files[@]}" up -d; fi >/dev/null 2>&1
until_ready
network=$(docker network ls -q --filter name="${COMPOSE_PROJECT_NAME}_edge")
direct=http://$(docker inspect -f "{{range .NetworkSettings.Networks}}{{if eq .NetworkID \"$(docker network inspect -f '{{.Id}}' "$network")\"}}{{.IPAddress}}{{end}}{{end}}" "$(compose ps -q api)"):8080
token=$(ask "$url/api/login" -H 'content-type: application/json' -d "{\"username\":\"admin\",\"password\":\"$(cat "$BERTH_SECRETS/admin_password")\"}" | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
load() {
    wrk -t2 -c32 -d10s --latency -H "Authorization: Bearer $token" "$1" | awk '
        /50%/ { half = $2 } /99%/ { most = $2 } /Requests\/sec/ { rate = $2 } /Non-2xx/ { bad = ", " $0 }
        END { printf "%d /s, p50 %s, p99 %s%s", rate, half, most, bad }'
}
for path in /api/healthz /api/available /; do
    row "GET $path, 32 connections, straight to the server" "$(load "$direct$path")"
    row "GET $path, 32 connections, through Caddy with TLS" "$(load "$url$path")"
done
