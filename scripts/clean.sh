#!/usr/bin/env bash
# `just clean`: removes what `run`, `up`, `demo-up` and `check` made.
set -euo pipefail
cd "$(dirname "$0")/.."
state=$PWD/.local
demo=${BERTH_DEMO_DIR:-$state/demo}
sudo=; [ "$(id -u)" = 0 ] || sudo=sudo
[ -d "$state" ] || [ -d "$demo" ] || [ -d web/node_modules ] || [ -n "$(ls -A web/dist 2>/dev/null)" ] || { echo "nothing to remove"; exit 0; }
if [ -d "$state/compose" ]; then
    (
        . scripts/compose.sh
        if has_engine; then
            compose down --volumes --remove-orphans >/dev/null 2>&1 || true
            # shellcheck disable=SC2046
            docker rmi -f $(docker images -q --filter label=berth.stand-in=yes; docker images -q "$BERTH_IMAGE"; docker images -q berth-dev) >/dev/null 2>&1 || true
        elif [ -e "$state/up" ]; then
            echo "containers of \`just up\` may be left: no Docker engine answers now" >&2
        fi
        if $root test -d "$demo"; then
            [ -x target/debug/berth ] || cargo build --locked
            $root env BERTH_DEMO_DIR="$demo" target/debug/berth playbook run playbooks/unprovision.yml
        fi
    )
fi
if [ -d "$state" ]; then
    exec 9>"$state/run.lock"
    flock -n 9 || { echo "\`just run\` is running: end it first with Ctrl-C" >&2; exit 1; }
fi
if $sudo test -d "$demo"; then
    [ -x target/debug/berth ] || cargo build --locked 9>&-
    $sudo env BERTH_DEMO_DIR="$demo" target/debug/berth playbook run playbooks/unprovision.yml 9>&-
fi
if command -v docker >/dev/null && images=$(docker images -q berth-demo 2>/dev/null) && [ -n "$images" ]; then
    # shellcheck disable=SC2086
    docker rmi -f $images >/dev/null
fi
$sudo rm -rf "$state" web/node_modules web/dist
echo "removed; target/ with what cargo built is kept (\`cargo clean\`)"
