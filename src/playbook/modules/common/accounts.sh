# Reading the account files costs no process; changing them goes through the host's own tools where it has them,
# else through b_edit.

# b_pwent NAME: its line of /etc/passwd into b_found and b_pw_uid b_pw_gid b_pw_gecos b_pw_home b_pw_shell.
b_pwent() {
  b_found= b_pw_uid= b_pw_gid= b_pw_gecos= b_pw_home= b_pw_shell=
  while IFS= read -r b_l || [ -n "$b_l" ]; do
    case $b_l in "$1":*) b_found=$b_l; break ;; esac
  done </etc/passwd
  if [ -z "$b_found" ]; then
    [ -z "${b_local-}" ] && [ -n "${b_remote-}" ] && b_elsewhere && command -v getent >/dev/null || return 0
    b_found=$(getent passwd "$1") || { b_found=; return 0; }
  fi
  # Seven fields; the last may be empty.
  b_r=${b_found#*:} b_r=${b_r#*:}
  b_pw_uid=${b_r%%:*} b_r=${b_r#*:}
  b_pw_gid=${b_r%%:*} b_r=${b_r#*:}
  b_pw_gecos=${b_r%%:*} b_r=${b_r#*:}
  b_pw_home=${b_r%%:*}
  b_pw_shell=${b_r#*:}
}
# b_elsewhere: whether accounts may be known to something else than the files.
b_elsewhere() {
  [ -r /etc/nsswitch.conf ] || return 0
  while read -r b_n b_rest; do
    [ "$b_n" = passwd: ] || continue
    case $b_rest in *[!a-z\ ]*) return 0 ;; esac
    for b_n in $b_rest; do
      case $b_n in files) ;; systemd) [ ! -d /run/systemd/userdb ] || return 0 ;; *) return 0 ;; esac
    done
    return 1
  done </etc/nsswitch.conf
}
# b_spent NAME: the fields of its line of /etc/shadow into b_sp (empty when there is none or we may not look) and b_sp_hash.
b_spent() {
  b_sp= b_sp_hash=
  [ -r /etc/shadow ] || return 0
  while IFS= read -r b_l || [ -n "$b_l" ]; do
    case $b_l in "$1":*) b_sp=$b_l; break ;; esac
  done </etc/shadow
  b_r=${b_sp#*:}
  b_sp_hash=${b_r%%:*}
}
# b_grent NAME: its line of /etc/group into b_found and b_gr_gid b_gr_who.
b_grent() {
  b_found= b_gr_gid= b_gr_who=
  while IFS= read -r b_l || [ -n "$b_l" ]; do
    case $b_l in "$1":*) b_found=$b_l; break ;; esac
  done </etc/group
  [ -n "$b_found" ] || return 0
  b_r=${b_found#*:} b_r=${b_r#*:}
  b_gr_gid=${b_r%%:*}
  b_gr_who=${b_r#*:}
}
# b_grname GID: true when a group has it; its name into b_found.
b_grname() {
  b_found=
  while IFS=: read -r b_n b_x b_g b_rest; do
    if [ "$b_g" = "$1" ]; then b_found=$b_n; return 0; fi
  done </etc/group
  return 1
}
# b_edit FILE NAME FUNCTION: rewrites FILE with NAME's line turned by FUNCTION (b_l in, b_new out; b_drop drops it).
# An empty NAME takes every line. FUNCTION b_add needs no line: it adds b_new at the end. The temporary name is the one BusyBox's tools take as lock.
b_edit() {
  b_tries=0
  until (set -C; umask 077; : >"$1+") 2>/dev/null; do
    b_tries=$((b_tries + 1))
    [ "$b_tries" -lt 20 ] || fail "\`$1+\` exists: somebody else edits \`$1\`, or died while doing so; remove it if so"
    sleep 1
  done
  b_file=$1
  trap 'rm -f -- "$b_file+"' 0
  b_x=$(cp -p -- "$1" "$1+" 2>&1) || fail "cannot write \`$1+\`: $b_x"
  b_line=${b_new-}
  {
    while IFS= read -r b_l || [ -n "$b_l" ]; do
      case $b_l in
        "$2":*)
          if [ "$3" = b_add ]; then continue; fi
          b_new=$b_l
          "$3"
          [ -z "$b_new" ] || printf '%s\n' "$b_new"
          ;;
        *)
          if [ -z "$2" ]; then "$3"; else b_new=$b_l; fi
          printf '%s\n' "$b_new"
          ;;
      esac
    done <"$1"
    [ "$3" != b_add ] || printf '%s\n' "$b_line"
  } >"$1+" || fail "cannot write \`$1+\`"
  b_x=$(mv -f -- "$1+" "$1" 2>&1) || fail "cannot replace \`$1\`: $b_x"
  trap - 0
}
b_drop() { b_new=; }
# b_free FILE: a number that nobody has in FILE, into b_id: from 1000 up, or below 1000 with b_system; within b_id_min and b_id_max.
b_free() {
  b_used=:
  while IFS=: read -r b_n b_x b_i b_rest; do b_used=$b_used$b_i:; done <"$1"
  if [ -n "${b_system-}" ]; then b_id=${b_id_max:-999} b_by=-1; else b_id=${b_id_min:-1000} b_by=1; fi
  while :; do
    case $b_used in *":$b_id:"*) b_id=$((b_id + b_by)) ;; *) break ;; esac
    if [ -n "${b_system-}" ]; then [ "$b_id" -ge "${b_id_min:-100}" ]; else [ "$b_id" -le "${b_id_max:-59999}" ]; fi || fail "no free number is left in \`$1\`"
  done
}
# b_group_make: adds the group b_name, b_gid if set, on a host without groupadd.
b_group_make() {
  if [ -z "$b_gid" ]; then b_free /etc/group; b_gid=$b_id; fi
  b_new=$b_name:x:$b_gid:
  b_edit /etc/group "$b_name" b_add
  if [ -f /etc/gshadow ]; then b_new=$b_name:!::; b_edit /etc/gshadow "$b_name" b_add; fi
}
