# The states of the file module. Each reads b_path b_src b_owner b_group b_mode b_recurse b_force b_follow.
b_file_end() {
  out path "$b_path"
  b_report "$b_path"
}
# b_d KEY BEFORE AFTER: what of the path changes, for the diff.
b_d() { [ -z "$DIFF" ] || { out "before.$1" "$2"; out "after.$1" "$3"; }; }
b_file_state() { if [ -h "$b_path" ]; then echo link; elif [ -d "$b_path" ]; then echo directory; else echo file; fi; }
# What the link points to is what owner and mode are for.
b_file_follow() {
  if [ -n "$b_follow" ] && [ "$b_T" = link ]; then
    [ -e "$b_path" ] || return 0
    b_real "$b_path"
    b_look "$b_path"
  fi
}
# b_file_times: b_atime and b_mtime as the task wants them: `preserve`, `now`, or a stamp for touch.
b_file_times() {
  case ${b_atime:-preserve}${b_mtime:-preserve} in preservepreserve) return 0 ;; esac
  b_y=
  for b_t in a m; do
    if [ "$b_t" = a ]; then b_w=${b_atime:-preserve} b_x=%X; else b_w=${b_mtime:-preserve} b_x=%Y; fi
    case $b_w in
      preserve) ;;
      now) b_y="$b_y $b_t" ;;
      *)
        b_tmp=$(mktemp) && touch -t "$b_w" "$b_tmp" || fail "cannot set the time \`$b_w\`"
        [ "$(stat -c %Y "$b_tmp")" = "$(stat -L -c $b_x -- "$b_path")" ] || b_y="$b_y $b_t"
        rm -f "$b_tmp"
        ;;
    esac
  done
  [ -n "$b_y" ] || return 0
  changed
  for b_t in $b_y; do
    if [ "$b_t" = a ]; then b_d atime "$(stat -L -c %X -- "$b_path")" "$b_atime"; else b_d mtime "$(stat -L -c %Y -- "$b_path")" "$b_mtime"; fi
  done
  [ -z "$CHECK" ] || return 0
  if [ "$b_y$b_atime$b_mtime" = ' a mnownow' ]; then
    # Both at once is for all who may write.
    b_x=$(touch -c -- "$b_path" 2>&1) || fail "cannot touch \`$b_path\`: $b_x"
    return 0
  fi
  for b_t in $b_y; do
    if [ "$b_t" = a ]; then b_w=$b_atime; else b_w=$b_mtime; fi
    case $b_w in now) set -- ;; *) set -- -t "$b_w" ;; esac
    b_x=$(touch -c "-$b_t" "$@" -- "$b_path" 2>&1) || fail "cannot touch \`$b_path\`: $b_x"
  done
}
b_file_attrs() {
  [ "$b_T" = absent ] || b_file_times
  if b_attrs "$b_path"; then [ -n "$CHECK" ] || b_look "$b_path"; fi
}
# b_file_known: warns of an owner or group that is not there; in check mode an earlier task may have meant to make it.
b_file_known() {
  case $b_owner in
    '') ;;
    *[!0-9]*) id -u "$b_owner" >/dev/null 2>&1 || warn "failed to look up user $b_owner. Create user up to this point in real play" ;;
    *) b_file_named passwd "$b_owner" || warn "failed to look up user with uid $b_owner. Create user up to this point in real play" ;;
  esac
  case $b_group in
    '') ;;
    *[!0-9]*) grep -q "^$b_group:" /etc/group || getent group "$b_group" >/dev/null 2>&1 || warn "failed to look up group $b_group. Create group up to this point in real play" ;;
    *) b_file_named group "$b_group" || warn "failed to look up group with gid $b_group. Create group up to this point in real play" ;;
  esac
}
b_file_named() { cut -d: -f3 "/etc/$1" | grep -qx "$2" || getent "$1" "$2" >/dev/null 2>&1; }
b_file_as_is() {
  b_look "$b_path"
  if [ -n "$b_src" ]; then
    case $b_T in link) b_file_link; return 0 ;; file) [ "$b_LINKS" -le 1 ] || { b_file_hard; return 0; } ;; esac
    out path "$b_path"
    fail "src option requires state to be 'link' or 'hard'"
  fi
  case $b_T in
    absent) out path "$b_path"; out state absent; fail "file ($b_path) is absent, cannot continue" ;;
  esac
  b_file_follow
  b_file_attrs
  b_file_end
}
b_file_file() {
  b_look "$b_path"
  b_file_follow
  case $b_T in
    absent) out path "$b_path"; out state absent; fail "file ($b_path) is absent, cannot continue" ;;
    file | link) ;;
    *) fail "file ($b_path) is $b_T, cannot continue" ;;
  esac
  b_file_attrs
  b_file_end
}
b_file_directory() {
  case $b_path in /*) ;; */) ;; esac
  b_look "$b_path"
  [ "$b_T" != link ] || [ ! -d "$b_path" ] || b_file_follow
  case $b_T in
    absent)
      changed
      b_d state absent directory
      if [ -n "$CHECK" ]; then out path "$b_path"; out state directory; return 0; fi
      b_mkdirs "$b_path"
      b_look "$b_path"
      ;;
    directory | link)
      [ "$b_T" = directory ] || [ -d "$b_path" ] || fail "$b_path already exists as a link to nothing"
      b_file_attrs
      if [ -n "$b_recurse" ] && b_file_stray; then b_file_walk "$b_path"; b_look "$b_path"; fi
      ;;
    *) fail "$b_path already exists as a $b_T" ;;
  esac
  b_file_end
}
# Whether anything below may differ: one find when it can tell, else true.
b_file_stray() {
  set --
  case $b_mode in
    '') ;;
    *[!0-7]*) return 0 ;;
    *) set -- ! -type l ! -perm "$b_mode" ;;
  esac
  [ -z "$b_owner" ] || set -- "$@" ${1:+-o} ! -user "$b_owner"
  [ -z "$b_group" ] || set -- "$@" ${1:+-o} ! -group "$b_group"
  [ -n "${1-}" ] || return 1
  b_x=$(find ${b_follow:+-L} "$b_path" \( "$@" \) -print 2>/dev/null) || return 0
  [ -n "$b_x" ]
}
b_file_walk() {
  for b_f in "$1"/* "$1"/.[!.]* "$1"/..?*; do
    [ -e "$b_f" ] || [ -h "$b_f" ] || continue
    b_look "$b_f"
    b_attrs "$b_f" || :
    case $b_T in
      directory) b_file_walk "$b_f" ;;
      link) if [ -n "$b_follow" ] && [ -e "$b_f" ]; then b_file_through "$(readlink -f -- "$b_f")"; fi ;;
    esac
  done
}
# b_file_through PATH: what a link below the folder leads to, and all below that.
b_file_through() {
  b_through=$((${b_through:-0} + 1))
  [ "$b_through" -le 40 ] || fail "links below \`$b_path\` lead in a circle; use \`follow: false\`"
  [ ! -d "$1" ] || b_file_walk "$1"
  b_look "$1"
  b_attrs "$1" || :
  b_through=$((b_through - 1))
}
b_file_absent() {
  out path "$b_path"
  out state absent
  b_file_is_root "$b_path"
  [ -e "$b_path" ] || [ -h "$b_path" ] || return 0
  changed
  b_d state "$(b_file_state)" absent
  if [ -n "$DIFF" ] && [ -d "$b_path" ] && [ ! -h "$b_path" ]; then
    b_x=$(find "$b_path" -mindepth 1 -type d | head -n 1000)
    out content.directories "$b_x"
    b_x=$(find "$b_path" -mindepth 1 ! -type d | head -n 1000)
    out content.files "$b_x"
  fi
  [ -z "$CHECK" ] || return 0
  if [ -d "$b_path" ] && [ ! -h "$b_path" ]; then b_x=$(rm -rf -- "$b_path" 2>&1); else b_x=$(rm -f -- "${b_path%/}" 2>&1); fi || fail "cannot remove \`$b_path\`: $b_x"
}
# The root itself, however it is spelled, is never removed.
b_file_is_root() {
  [ ! "$1" -ef / ] || [ -h "$1" ] || fail "refusing to remove the root folder (\`$1\`)"
}
b_file_touch() {
  b_look "$b_path"
  b_file_follow
  if [ "$b_T" = absent ] || [ "$b_T" = link ] && [ ! -e "$b_path" ]; then
    changed
    if [ -n "$CHECK" ]; then out dest "$b_path"; return 0; fi
    # What cannot get its owner and mode is not left behind.
    b_new=$b_path
    [ "$b_T" = link ] || trap '[ $? = 0 ] || rm -f -- "$b_new"' 0
    : >>"$b_path" || fail "cannot create \`$b_path\`; does its folder exist?"
    # A new file's times are now.
    case $b_atime in now) b_atime=preserve ;; esac
    case $b_mtime in now) b_mtime=preserve ;; esac
  fi
  b_file_times
  b_look_through "$b_path"
  if b_attrs "$b_path"; then [ -n "$CHECK" ] || b_look_through "$b_path"; fi
  out dest "$b_path"
  b_report "$b_path"
}
b_file_link() {
  out dest "$b_path"
  b_look "$b_path"
  if [ -z "$b_src" ]; then
    [ "$b_T" = link ] || fail "src is required for creating new symlinks"
    b_src=$(readlink -- "$b_path"; echo x) b_src=${b_src%?x}
  elif [ "$b_T" = directory ] && [ -z "$b_force" ]; then
    fail "refusing to convert from directory to symlink for $b_path: use \`force: true\`"
  fi
  out src "$b_src"
  case $b_src in /*) b_to=$b_src ;; *) case $b_path in */*) b_to=${b_path%/*}/$b_src ;; *) b_to=$b_src ;; esac ;; esac
  if [ -z "$b_force" ] && [ ! -e "$b_to" ] && [ -z "$CHECK" ]; then
    fail "src file does not exist, use 'force=yes' if you really want to create the link: $b_to"
  fi
  b_x=
  case $b_T in
    link) b_x=$(readlink -- "$b_path"; echo x) b_x=${b_x%?x} ;;
    absent) ;;
    directory)
      for b_f in "$b_path"/* "$b_path"/.[!.]* "$b_path"/..?*; do
        if [ -e "$b_f" ] || [ -h "$b_f" ]; then fail "the directory $b_path is not empty, refusing to convert it"; fi
      done
      ;;
    *) [ -n "$b_force" ] || fail "refusing to convert from $b_T to symlink for $b_path: use \`force: true\`" ;;
  esac
  if [ "$b_T" != link ] || [ "$b_x" != "$b_src" ]; then
    changed
    b_d src "$b_x" "$b_src"
    [ "$b_T" = link ] || b_d state "$b_T" link
    if [ -n "$CHECK" ]; then return 0; fi
    if [ "$b_T" = absent ]; then
      b_x=$(ln -s -- "$b_src" "$b_path" 2>&1) || fail "cannot make the link \`$b_path\`: $b_x"
    else
      [ "$b_T" != directory ] || b_x=$(rmdir -- "$b_path" 2>&1) || fail "cannot remove the folder \`$b_path\`: $b_x"
      b_full=$b_path
      (
        b_stage "$b_full"
        ln -s -- "$b_src" "$b_grow" && mv -fT -- "$b_grow" "$b_goal" && b_leave
      ) || fail "cannot turn the link \`$b_path\`"
    fi
    b_look "$b_path"
  fi
  if [ -n "$b_owner$b_group$b_mode" ]; then
    b_link=$b_path
    if [ -z "$b_follow" ]; then b_file_attrs
    elif [ -e "$b_path" ]; then b_real "$b_path"; b_look "$b_path"; b_file_attrs; fi
    b_path=$b_link
    b_look "$b_path"
  fi
  b_report "$b_path"
}
b_file_hard() {
  if [ -n "$b_src" ] && [ -d "$b_path" ]; then b_path=${b_path%/}/${b_src##*/}; fi
  out dest "$b_path"
  out src "$b_src"
  b_look "$b_path"
  if [ -z "$b_src" ]; then
    [ "$b_T" = file ] && [ "$b_LINKS" -gt 1 ] || fail 'src is required for creating new hardlinks'
    b_file_attrs
    b_report "$b_path"
    return 0
  fi
  [ -e "$b_src" ] || fail 'src does not exist'
  if [ "$b_T" = absent ] || ! [ "$b_path" -ef "$b_src" ]; then
    case $b_T in
      absent) ;;
      directory) fail "$b_path is a folder; a hard link cannot take its place" ;;
      *) [ -n "$b_force" ] || fail "cannot link, different hard link or file exists at destination: $b_path; use \`force: true\`" ;;
    esac
    changed
    if [ -n "$CHECK" ]; then return 0; fi
    b_full=$b_path
    case $b_src in /*) ;; *) b_src=$PWD/$b_src ;; esac
    (
      b_stage "$b_full"
      ln -- "$b_src" "$b_grow" && mv -fT -- "$b_grow" "$b_goal" && b_leave
    ) || fail "cannot make the hard link \`$b_path\`"
    b_look "$b_path"
  fi
  b_file_attrs
  b_report "$b_path"
}
