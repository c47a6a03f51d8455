b_user_absent() {
  out name "$b_name"
  out state absent
  if [ -n "$b_force" ]; then outj force true; else outj force false; fi
  if [ -n "$b_remove" ]; then outj remove true; else outj remove false; fi
  b_local=1
  b_pwent "$b_name"
  [ -n "$b_found" ] || return 0
  [ "$b_pw_uid" != 0 ] || fail "refusing to remove \`$b_name\`: its uid is 0"
  changed
  differ "$b_name" 'present
' 'absent
'
  [ -z "$CHECK" ] || return 0
  # Somebody else with the same number keeps processes and at jobs.
  b_alone=1
  while IFS=: read -r b_n b_x b_u b_rest; do
    if [ "$b_u" = "$b_pw_uid" ] && [ "$b_n" != "$b_name" ]; then b_alone=; fi
  done </etc/passwd
  if [ -n "$b_force" ]; then
    [ -z "$b_alone" ] || b_end_all "$b_pw_uid"
    # Files go first: when that fails the account is still there, and the next run tries again.
    [ -z "$b_remove" ] || b_user_files
  fi
  if command -v userdel >/dev/null; then
    b_x=$(userdel ${b_force:+-f} -- "$b_name" 2>&1) || fail "userdel: $b_x"
  else
    b_user_unmake
  fi
  if [ -n "$b_force" ] && [ -n "$b_alone" ]; then b_end_all "$b_pw_uid"; fi
  [ -z "$b_remove" ] || b_user_files
}
# b_end_all UID: kills until nobody is left. All are stopped before any is killed, so that none can watch the others go.
b_end_all() {
  [ -O / ] || return 0
  b_round=0
  while :; do
    b_pids=
    for b_p in $(grep -lsE "^Uid:.*[[:blank:]]$1([[:blank:]]|\$)" /proc/[0-9]*/status); do
      b_st=
      { while IFS= read -r b_l; do case $b_l in State:*) b_st=$b_l; break ;; esac; done <"$b_p"; } 2>/dev/null
      case $b_st in '' | *[ZX]\ *) continue ;; esac
      b_p=${b_p#/proc/}
      b_pids="$b_pids ${b_p%/status}"
    done
    [ -n "$b_pids" ] || return 0
    b_round=$((b_round + 1))
    [ "$b_round" -lt 200 ] || fail "the processes$b_pids of \`$b_name\` do not end"
    kill -STOP $b_pids 2>/dev/null
    [ "$b_round" = 1 ] || kill -KILL $b_pids 2>/dev/null
    [ "$b_round" -lt 20 ] || sleep 0.1 2>/dev/null || sleep 1
  done
}
# What the account left: home, mail, and with force its crontab, at jobs, lingering sessions, mounts.
b_user_files() {
  set --
  for b_f in /var/mail /var/spool/mail; do [ ! -e "$b_f/$b_name" ] && [ ! -h "$b_f/$b_name" ] || set -- "$@" "$b_f/$b_name"; done
  if [ -n "$b_force" ]; then
    for b_f in /var/spool/cron/crontabs /var/spool/cron /var/spool/cron/tabs /etc/crontabs /var/lib/systemd/linger /run/sudo/ts /var/lib/sudo/lectured; do
      if [ -e "$b_f/$b_name" ] || [ -h "$b_f/$b_name" ]; then set -- "$@" "$b_f/$b_name"; fi
    done
  fi
  b_h=$b_pw_home
  while :; do case $b_h in ?*/) b_h=${b_h%/} ;; *) break ;; esac; done
  if [ -e "$b_h" ] || [ -h "$b_h" ]; then
    b_look "$b_h"
    case $b_h in
      */../* | */.. | */./*) b_T=odd ;;
      /bin | /boot | /dev | /etc | /home | /lib | /lib64 | /media | /mnt | /nonexistent | /opt | /proc | /root | /run | /sbin | /srv | /sys | /tmp | /usr | /var) b_T=odd ;;
      /bin/* | /boot/* | /dev/* | /etc/* | /lib/* | /lib64/* | /proc/* | /run/* | /sbin/* | /sys/* | /usr/*) b_T=odd ;;
      /?*) ;;
      *) b_T=odd ;;
    esac
    while IFS=: read -r b_n b_x b_u b_g b_c b_d b_s; do
      case $b_n:$b_d/ in "$b_name":*) ;; *:"$b_h"/*) b_T=odd ;; esac
    done </etc/passwd
    if [ "$b_T" = odd ]; then
      warn "the home folder \`$b_pw_home\` stays: it is the system's or another account's"
    elif [ "$b_UID" != "$b_pw_uid" ] && [ -z "$b_force" ]; then
      warn "the home folder \`$b_pw_home\` stays: it belongs to \`$b_U\`; \`force: true\` removes it all the same"
    else
      [ -z "$b_force" ] || b_user_mounts
      set -- "$@" "$b_h"
    fi
  fi
  if [ $# -gt 0 ]; then
    b_x=$(rm -rf -- "$@" 2>&1) || fail "cannot remove what \`$b_name\` left: $b_x"
  fi
  if [ -n "$b_force" ] && [ -n "$b_alone" ]; then
    for b_f in /var/spool/cron/atjobs /var/spool/at /var/spool/atjobs; do
      [ -d "$b_f" ] || continue
      set -- "$b_f"/[!.]*
      [ -e "$1" ] || continue
      b_x=$(find "$b_f" -xdev -type f -user "$b_pw_uid" -exec rm -f -- {} + 2>&1) || fail "cannot remove the at jobs of \`$b_name\`: $b_x"
    done
  fi
}
# Whatever is mounted in the home folder would keep it from going, or go with it.
b_user_mounts() {
  while read -r b_x b_d b_rest; do
    case $b_d in
      *\\*) b_d=$(printf '%b' "$b_d") ;;
    esac
    case $b_d in "$b_h"/*) umount -l -- "$b_d" 2>/dev/null || umount -l "$b_d" || fail "cannot unmount \`$b_d\`" ;; esac
  done </proc/self/mounts
}
# Takes the account away on a host without userdel.
b_user_unmake() {
  if [ -z "$b_force" ] && [ -n "$b_alone" ] && grep -qsE "^Uid:.*[[:blank:]]$b_pw_uid([[:blank:]]|\$)" /proc/[0-9]*/status; then
    fail "\`$b_name\` still has processes; end them, or use \`force: true\`"
  fi
  b_want=,
  b_edit /etc/passwd "$b_name" b_drop
  [ ! -f /etc/shadow ] || b_edit /etc/shadow "$b_name" b_drop
  b_edit /etc/group '' b_group_members
  # Its own group goes with it when nobody else is in it.
  b_grent "$b_name"
  if [ -n "$b_found" ] && [ "$b_gr_gid" = "$b_pw_gid" ] && [ -z "$b_gr_who" ]; then
    while IFS=: read -r b_n b_x b_u b_g b_rest; do
      if [ "$b_g" = "$b_gr_gid" ]; then return 0; fi
    done </etc/passwd
    b_edit /etc/group "$b_name" b_drop
    [ ! -f /etc/gshadow ] || b_edit /etc/gshadow "$b_name" b_drop
  fi
}
