#!/usr/bin/env bash
# `just down`: ends what `just up` started. Data, secrets and the disks of the demo machines stay for the next time.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/compose.sh
program=${BERTH_PROGRAM:-${CARGO_TARGET_DIR:-$PWD/target}/debug/berth}
[ -e "$state/up" ] || { echo "nothing is up"; exit 0; }
has_engine || { echo "no Docker engine answers: start the one that the containers run on" >&2; exit 1; }
compose down --remove-orphans 2>"$state/up.log" || { tail -n 20 "$state/up.log" >&2; exit 1; }
rm -f "$state/up"
if $root test -d "$demo"; then
    $root env BERTH_DEMO_DIR="$demo" "$program" playbook run playbooks/unprovision.yml -e state=stopped >"$state/machines.log" 2>&1 ||
        { echo "the demo machines could not be stopped, see $state/machines.log" >&2; exit 1; }
fi
echo "down. Machines, bookings and secrets are kept for the next \`./just up\`; \`./just clean\` removes them."
