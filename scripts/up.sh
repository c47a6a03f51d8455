#!/usr/bin/env bash
# `just up N`: what `just run` does, in containers: demo machines, the stack behind Caddy, a registered pool.
#
#   BERTH_SITE, BERTH_PUBLISH, …   as compose/compose.yml says
#   BERTH_DEV=1                    the program that cargo built here, started anew at each build (compose.dev.yml)
#   BERTH_PROGRAM=FILE             a `berth` that was built already
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/compose.sh
count=$1
[[ $count =~ ^[0-9]{1,3}$ ]] || { echo "\`$count\` is not a number of machines: say 0 to 999" >&2; exit 2; }
program=${BERTH_PROGRAM:-${CARGO_TARGET_DIR:-$PWD/target}/debug/berth}
site=${BERTH_SITE:-localhost}
publish=${BERTH_PUBLISH:-443}
port=${publish##*:}
url=https://$site; [ "$port" = 443 ] || url=$url:$port
export BERTH_PUBLIC_URL=${BERTH_PUBLIC_URL:-$url}
user=${ADMIN_DEFAULT_USERNAME:-admin}
first_port=${BERTH_DEMO_PORT:-22221}

if ! has_engine; then
    echo "no Docker engine answers at ${DOCKER_HOST:-/var/run/docker.sock}: start it with \`systemctl start docker\`, or, where" >&2
    echo "no systemd runs, as root with \`dockerd &\`; another one is named by DOCKER_HOST" >&2
    exit 1
fi
docker compose version >/dev/null 2>&1 || need docker-compose:docker-compose

mkdir -p "$state"
exec 9>"$state/lock"
flock -n 9 || { echo "\`just up\` is at work in this checkout already" >&2; exit 1; }

# --- Secrets, made once. The folder keeps others out; a container sees its files alone and is another user than you.
mkdir -p "$BERTH_SECRETS"
chmod 0700 "$BERTH_SECRETS"
# secret NAME: keeps what is there, else what comes in.
secret() { if [ -s "$BERTH_SECRETS/$1" ]; then cat >/dev/null; else cat >"$BERTH_SECRETS/$1.new" && chmod 0644 "$BERTH_SECRETS/$1.new" && mv "$BERTH_SECRETS/$1.new" "$BERTH_SECRETS/$1"; fi; }
# random BYTES
random() { head -c "$1" /dev/urandom; }
random 24 | od -An -vtx1 | tr -d ' \n' | secret database_password
{ printf 'mysql://berth:'; cat "$BERTH_SECRETS/database_password"; printf '@mariadb/berth'; } | secret database_url
random 48 | base64 -w0 | secret jwt_secret
random 32 | base64 -w0 | secret secret_key
random 12 | od -An -vtx1 | tr -d ' \n' | secret admin_password

# --- Images: a registry's where one answers; else stand-ins from this computer's Debian packages.
is_here() { docker image inspect "$1" >/dev/null 2>&1; }
is_stand_in() { [ "$(docker image inspect -f '{{index .Config.Labels "berth.stand-in"}}' "$1" 2>/dev/null)" = yes ]; }
missing=()
for image in debian:trixie-slim caddy:2 mariadb:11; do
    is_here "$image" && continue
    # One registry that is silent is silent for all.
    if [ ${#missing[@]} -gt 0 ] || ! timeout 120 docker pull -q "$image" >/dev/null 2>"$state/pull.log"; then missing+=("$image"); fi
done
if [ ${#missing[@]} -gt 0 ]; then
    echo "no registry gives ${missing[*]}: stand-ins are made from this computer's Debian packages"
    need busybox:busybox-static caddy:caddy mariadbd:mariadb-server-core mariadb:mariadb-client-core ssh:openssh-client
    compose/stand-ins.sh "${missing[@]}"
fi
rm -f "$state/dev"
if [ -n "${BERTH_DEV:-}" ]; then
    echo "development: the containers run $program and start it anew when it changes"
    touch "$state/dev"
    BERTH_PROGRAM_DIR=$(dirname "$program")
    export BERTH_PROGRAM_DIR BERTH_DEV_IMAGE=berth-dev:local BERTH_SOURCE=$PWD
    docker build -q -f compose/Dockerfile --target files -t "$BERTH_DEV_IMAGE" . >/dev/null 2>"$state/build.log" ||
        { tail -n 20 "$state/build.log" >&2; exit 1; }
elif is_stand_in debian:trixie-slim || [ -n "${BERTH_PROGRAM:-}" ]; then
    # No toolchain comes without a registry either: the program is built here and put into the image.
    if [ -n "${BERTH_PROGRAM:-}" ]; then
        built=$program
    else
        echo "the program is built here, outside of Docker ..."
        cargo build --release --locked --bin berth 9>&-
        built=${CARGO_TARGET_DIR:-target}/release/berth
    fi
    mkdir -p .local/image
    cp "$built" ".local/image/berth.$$" && mv ".local/image/berth.$$" .local/image/berth
    echo "image $BERTH_IMAGE ..."
    docker build -q -f compose/Dockerfile --target given -t "$BERTH_IMAGE" . >/dev/null 2>"$state/build.log" ||
        { tail -n 20 "$state/build.log" >&2; exit 1; }
else
    echo "image $BERTH_IMAGE, built inside Docker ..."
    docker build -f compose/Dockerfile -t "$BERTH_IMAGE" .
fi

# --- Demo machines, reachable from the containers through the engine's own address on this computer.
gateway=$(docker network inspect bridge -f '{{(index .IPAM.Config 0).Gateway}}')
if [ "$count" -gt 0 ]; then
    echo "demo machines ..."
    $root env BERTH_DEMO_DIR="$demo" "$program" playbook run playbooks/provision.yml -e count="$count" \
        -e first_port="$first_port" -e also_on="$gateway" 9>&-
fi

# --- The stack.
compose up -d --remove-orphans 2>"$state/up.log" || { tail -n 20 "$state/up.log" >&2; exit 1; }
touch "$state/up"
ask() { if [ -e "$state/authority.crt" ]; then curl --cacert "$state/authority.crt" "$@"; else curl "$@"; fi; }
caddy=$(compose ps -q caddy)
rm -f "$state/authority.crt"
for _ in $(seq 240); do
    # A public name has a certificate that everybody trusts.
    case $site in
        localhost | *.localhost | *.internal | *.local | *.home.arpa)
            docker cp "$caddy:/data/caddy/pki/authorities/local/root.crt" "$state/authority.crt" >/dev/null 2>&1 || true ;;
    esac
    if ask -fsS -m 5 -o /dev/null "$url/api/readyz" 2>"$state/ready.log"; then
        ready=1
        break
    fi
    sleep 0.5
done
if [ -z "${ready:-}" ]; then
    echo "the stack does not get ready ($(tail -n 1 "$state/ready.log")); its logs end:" >&2
    compose logs --tail 15 >&2
    exit 1
fi

# --- The pool.
password=$(cat "$BERTH_SECRETS/admin_password")
if [ "$count" -gt 0 ]; then
    {
        echo 'machines:'
        for i in $(seq "$count"); do
            printf '  - {name: quay-%02d, host: 127.0.0.1, port: %d, user: root, password: harbour-light}\n' "$i" $((first_port - 1 + i))
        done
    } >"$state/machines.yml"
    export XDG_CONFIG_HOME=$state/config BERTH_URL=$url
    [ ! -e "$state/authority.crt" ] || export SSL_CERT_FILE=$state/authority.crt
    "$program" login "$user" --password-stdin <"$BERTH_SECRETS/admin_password"
    "$program" register "$state/machines.yml"
    # Demo machines that were removed and made anew have other keys; we made them, so we know.
    for i in $(seq "$count"); do
        name=$(printf 'quay-%02d' "$i")
        "$program" machines check "$name" 2>&1 | grep -q 'host key of' || continue
        "$program" machines check "$name" --accept-new-host-key >/dev/null || true
    done
fi
trust=; [ ! -e "$state/authority.crt" ] || trust=" --cacert $state/authority.crt"

cat <<END2

Berth is up with $count machines.

  address    $url
  API        $url/api/docs
  sign in    $user / $password
  logs       ./just logs

END2
[ -z "$trust" ] || cat <<END2
Its certificate is of an authority of its own: your browser asks once, or trusts $state/authority.crt.

END2
[ "$count" -gt 0 ] || { echo "Register machines of your own: berth register FILE. ./just down ends it all."; exit 0; }
cat <<END2
Book two machines for an hour, with a password of your own:

  token=\$(curl -s$trust $url/api/login -H 'content-type: application/json' -d '{"username":"$user","password":"$password"}' | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
  curl$trust -H "Authorization: Bearer \$token" '$url/api/reserve?count=2&duration=60&reservation_password=test'

The answer names the machines: ssh -p PORT $user@127.0.0.1 with the password "test". Give them back:

  curl$trust -H "Authorization: Bearer \$token" $url/api/release_all

./just down ends it all.
END2
