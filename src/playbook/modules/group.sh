b_group_present() {
  out name "$b_name"
  out state present
  b_grent "$b_name"
  if [ -n "$b_found" ]; then
    if [ -z "$b_gid" ] || [ "$b_gid" = "$b_gr_gid" ]; then
      outj gid "$b_gr_gid"
      return 0
    fi
    changed
    differ "$b_name" "gid: $b_gr_gid
" "gid: $b_gid
"
    if [ -n "$CHECK" ]; then return 0; fi
    if [ -z "$b_dup" ] && b_grname "$b_gid"; then fail "gid $b_gid is taken by group \`$b_found\`"; fi
    if command -v groupmod >/dev/null; then
      b_x=$(groupmod ${b_dup:+-o} -g "$b_gid" -- "$b_name" 2>&1) || fail "groupmod: $b_x"
    else
      b_edit /etc/group "$b_name" b_group_line
    fi
    outj gid "$b_gid"
    return 0
  fi
  changed
  if [ -n "$CHECK" ]; then return 0; fi
  if [ -n "$b_gid" ] && [ -z "$b_dup" ] && b_grname "$b_gid"; then fail "gid $b_gid is taken by group \`$b_found\`"; fi
  if command -v groupadd >/dev/null; then
    b_x=$(groupadd ${b_system:+-r} ${b_dup:+-o} ${b_gid:+-g "$b_gid"} ${b_id_min:+-K "GID_MIN=$b_id_min"} ${b_id_max:+-K "GID_MAX=$b_id_max"} -- "$b_name" 2>&1) || fail "groupadd: $b_x"
  else
    b_group_make
  fi
  if [ -z "$b_gid" ]; then b_grent "$b_name"; b_gid=$b_gr_gid; fi
  outj gid "$b_gid"
}
b_group_line() {
  b_new=${b_l#*:}
  b_new=$b_name:${b_new%%:*}:$b_gid:${b_l##*:}
}
b_group_absent() {
  out name "$b_name"
  out state absent
  b_grent "$b_name"
  [ -n "$b_found" ] || return 0
  b_of=
  while IFS=: read -r b_n b_x b_u b_g b_rest; do
    if [ "$b_g" = "$b_gr_gid" ]; then b_of=$b_n; break; fi
  done </etc/passwd
  if [ -n "$b_of" ] && [ -z "$b_force" ]; then
    fail "cannot remove group \`$b_name\`: it is the primary group of \`$b_of\`; remove the account first, or use \`force: true\`"
  fi
  changed
  [ -z "$CHECK" ] || return 0
  if command -v groupdel >/dev/null; then
    b_x=$(groupdel ${b_of:+-f} -- "$b_name" 2>&1) || fail "groupdel: $b_x"
  else
    b_edit /etc/group "$b_name" b_drop
    [ ! -f /etc/gshadow ] || b_edit /etc/gshadow "$b_name" b_drop
  fi
}
