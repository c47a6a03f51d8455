#!/usr/bin/env bash
# `just logs`: follows the containers of `just up`, else the processes of `just run`.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/compose.sh
if [ -e "$state/up" ]; then
    compose logs --follow --tail 100
else
    exec tail -n 100 -F "$PWD/.local/log/server.log" "$PWD/.local/log/scheduler.log"
fi
