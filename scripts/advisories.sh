#!/usr/bin/env bash
# Asks for known weaknesses of what Berth is made of: crates of RustSec's database, packages of npm's.
#
# 0: none is known, or nobody could be asked; 1: one is known. Where nobody could be asked, that is said, and
# BERTH_ADVISORIES=required makes it a failure.
#
# usage: advisories.sh CARGO_DENY
set -euo pipefail
cd "$(dirname "$0")/.."
deny=$1
silent=() weak=()
log=$(mktemp)
trap 'rm -f "$log"' EXIT

if timeout 120 "$deny" fetch db >"$log" 2>&1; then
    "$deny" check --disable-fetch advisories || weak+=("crates")
else
    silent+=("crates: $(grep -v '^ *$' "$log" | tail -n 1 | cut -c1-200)")
fi

# What is delivered must have no known weakness at all, the tools around it none that is high.
audit() {
    local what=$1 && shift
    (cd web && timeout 120 npm audit --package-lock-only --json "$@") >"$log" 2>/dev/null || true
    node - "$log" "$what" <<'NODE' || case $? in 1) weak+=("$what") ;; *) silent+=("$what: npm's registry does not answer the question") ;; esac
const [file, what] = process.argv.slice(2);
let said;
try { said = JSON.parse(require('node:fs').readFileSync(file, 'utf8')); } catch { process.exit(2); }
const counts = said.metadata?.vulnerabilities;
if (!counts) process.exit(2);
const { info, low, moderate, high, critical } = counts;
console.log(`${what}: ${critical} critical, ${high} high, ${moderate} moderate, ${low} low, ${info} for information`);
const found = what === 'packages of the page' ? critical + high + moderate + low : critical + high;
if (found) for (const [name, { severity, range }] of Object.entries(said.vulnerabilities)) console.log(`  ${severity}: ${name} ${range}`);
process.exit(found ? 1 : 0);
NODE
}
audit "packages of the page" --omit=dev
audit "packages of its tools"

for what in "${silent[@]}"; do
    echo "NOT CHECKED for known weaknesses: $what" >&2
done
[ ${#weak[@]} -eq 0 ] || { echo "known weaknesses: ${weak[*]}; see above" >&2; exit 1; }
[ ${#silent[@]} -eq 0 ] || [ "${BERTH_ADVISORIES:-}" != required ] || exit 1
