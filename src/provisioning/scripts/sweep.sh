# Removes what the teardown playbook may have left of $user with $uid: processes, files, queues, entries by name.
# Prints `problem …` for what it could not remove.
case $uid in
  '' | *[!0-9]*) exit 0 ;;
esac
hunt || echo "problem processes of uid $uid go on in spite of kill"
if grep -q "^$user:" /etc/passwd; then
  if command -v userdel >/dev/null; then userdel -f "$user" >/dev/null 2>&1; else deluser "$user" >/dev/null 2>&1; fi
fi
if grep -q "^$user:" /etc/group; then
  if command -v groupdel >/dev/null; then groupdel "$user" >/dev/null 2>&1; else delgroup "$user" >/dev/null 2>&1; fi
fi
rm -f -- "/var/spool/cron/crontabs/$user" "/var/spool/cron/$user" "/etc/crontabs/$user" "/var/mail/$user" \
  "/var/spool/mail/$user" "/var/lib/systemd/linger/$user" "/etc/sudoers.d/$user"
for kind in shm:m sem:s msg:q; do
  table=/proc/sysvipc/${kind%:*}; flag=${kind#*:}
  [ -r "$table" ] && command -v ipcrm >/dev/null || continue
  column=0; found=0
  # shellcheck disable=SC2013
  for word in $(head -n 1 "$table"); do column=$((column + 1)); [ "$word" = uid ] && { found=$column; break; }; done
  [ "$found" -gt 0 ] || continue
  awk -v uid="$uid" -v at="$found" 'NR > 1 && $at == uid { print $2 }' "$table" |
    while read -r id; do ipcrm "-$flag" "$id" 2>/dev/null; done
done
# Every local file system, each on its own.
places() {
  while read -r _ place type _; do
    case $type in
      proc | sysfs | cgroup* | devpts | securityfs | debugfs | tracefs | pstore | bpf | configfs | fusectl | autofs | \
        binfmt_misc | nfs* | cifs | smb* | 9p | ceph | sshfs | fuse.* | rpc_pipefs | nsfs | efivarfs | hugetlbfs | squashfs | iso9660) continue ;;
    esac
    printf '%b\n' "$place"
  done </proc/mounts | sort -u
}
strays() { # prints what belongs to $uid, deepest first
  places | while IFS= read -r place; do
    [ -d "$place" ] && find "$place" -xdev -depth -uid "$uid" 2>/dev/null
  done
}
remove_strays() {
  places | while IFS= read -r place; do
    [ -d "$place" ] || continue
    find "$place" -xdev -depth -uid "$uid" -type d -exec sh -c 'for d; do rm -rf -- "$d"; done' sh {} + 2>/dev/null
    find "$place" -xdev -uid "$uid" ! -type d -exec rm -f -- {} + 2>/dev/null
  done
}
[ -d "/run/user/$uid" ] && umount -l "/run/user/$uid" 2>/dev/null
# A pass reads every inode, so there is one more only where something was found.
for pass in 1 2 3 4; do
  left=$(strays | head -n 5)
  [ -n "$left" ] || break
  [ "$pass" -lt 4 ] || break
  [ "$pass" -gt 1 ] || printf 'note removed stray files: %s\n' "$(printf %s "$left" | tr '\n' ' ' | cut -c 1-400)"
  remove_strays
  hunt
done
[ -z "$left" ] || printf 'problem files of uid %s cannot be removed: %s\n' "$uid" "$(printf %s "$left" | tr '\n' ' ' | cut -c 1-400)"
exit 0
