# b_try COMMAND...: runs it with nothing to read, its words into b_x (the last 3000 bytes) and its status into b_rc.
# What it leaves running must not hold our pipes.
b_try() {
  b_log=$(mktemp "${TMPDIR:-/tmp}/.berth.XXXXXXXXXX") || fail 'cannot make a temporary file'
  "$@" </dev/null >"$b_log" 2>&1 3>&-
  b_rc=$?
  b_x=$(tail -c 3000 "$b_log")
  rm -f "$b_log"
  return "$b_rc"
}
# b_must COMMAND...: the same, and the step fails with its words when it fails.
b_must() {
  b_try "$@" && return 0
  outj rc "$b_rc"
  out stderr "$b_x"
  b_cmd=$1
  [ $# -lt 2 ] || b_cmd="$1 $2"
  fail "\`$b_cmd\` failed (rc $b_rc): $b_x"
}
# b_need PROGRAM...: fails unless each is there.
b_need() {
  for b_p; do command -v "$b_p" >/dev/null 2>&1 || fail "\`$b_p\` is not on this host; install it first"; done
}
# b_fetch ADDRESS FILE: what is at ADDRESS, fetched by what the host has; b_insecure trusts any certificate.
b_fetch() {
  if command -v curl >/dev/null; then b_try curl -fsSL ${b_insecure:+-k} -o "$2" -- "$1"
  elif command -v wget >/dev/null; then b_try wget -q ${b_insecure:+--no-check-certificate} -O "$2" "$1"
  elif [ -x /usr/lib/apt/apt-helper ]; then b_try /usr/lib/apt/apt-helper download-file "$1" "$2"
  else fail 'neither curl nor wget is on this host: nothing can be fetched'; fi || fail "cannot fetch \`$1\`: $b_x"
}
