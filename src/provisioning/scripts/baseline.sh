# What a machine looks like, one fact a line, sorted by the reader. POSIX sh, BusyBox included.
# Compared before an account is made and after it is gone: every line must be there again, and no other.
lines() { # KIND FILE: each line of the file as a fact
  [ -r "$2" ] && while IFS= read -r line || [ -n "$line" ]; do printf '%s %s\n' "$1" "$line"; done <"$2"
  return 0
}
sums() { # KIND DIR...: every file below with its checksum
  kind=$1; shift
  for dir in "$@"; do
    [ -d "$dir" ] || continue
    find "$dir" \( -type f -exec sha256sum {} + \) -o \( -type l -exec ls -ld {} + \) 2>/dev/null |
      while IFS= read -r line; do printf '%s %s\n' "$kind" "$line"; done
  done
}
lines passwd /etc/passwd
lines group /etc/group
lines subuid /etc/subuid
lines subgid /etc/subgid
[ -r /etc/shadow ] && while IFS=: read -r name _; do printf 'shadow %s\n' "$name"; done </etc/shadow
[ -f /etc/sudoers ] && printf 'sudoers %s\n' "$(sha256sum </etc/sudoers)"
sums sudoers.d /etc/sudoers.d /etc/doas.d
sums cron /etc/cron.d /var/spool/cron /etc/crontabs
sums units /etc/systemd/system
sums profile /etc/profile.d
sums linger /var/lib/systemd/linger
for home in /root "${HOME:-/root}"; do
  [ -f "$home/.ssh/authorized_keys" ] && printf 'keys %s %s\n' "$home" "$(sha256sum <"$home/.ssh/authorized_keys")"
done
[ -f /etc/ld.so.preload ] && printf 'preload %s\n' "$(sha256sum </etc/ld.so.preload)"
exit 0
