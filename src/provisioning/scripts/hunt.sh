# Ends every process of $uid, and of nobody else, until none is left; then no new one can start another.
# The first pass stops them all, so that a fork bomb cannot outrun the second, which kills.
mine() { # prints the process ids whose real, effective, saved or file-system uid is $uid
  for dir in /proc/[0-9]*; do
    [ -r "$dir/status" ] || continue
    while read -r key a b c d _; do
      [ "$key" = Uid: ] || continue
      if [ "$a" = "$uid" ] || [ "$b" = "$uid" ] || [ "$c" = "$uid" ] || [ "$d" = "$uid" ]; then echo "${dir#/proc/}"; fi
      break
    done 2>/dev/null <"$dir/status"
  done
}
hunt() {
  tries=0
  while :; do
    pids=$(mine)
    [ -n "$pids" ] || return 0
    tries=$((tries + 1))
    [ "$tries" -le 200 ] || return 1
    # shellcheck disable=SC2086
    kill -STOP $pids 2>/dev/null
    # shellcheck disable=SC2086
    kill -KILL $pids 2>/dev/null
    [ "$tries" -le 3 ] || sleep 0.05 2>/dev/null || sleep 1
  done
}
