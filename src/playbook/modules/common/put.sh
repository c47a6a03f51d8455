# b_put_where: b_dest as the file it means, looked at.
b_put_where() {
  case $b_dest in
    */) b_dest=$b_dest$b_name ;;
    *) if [ -d "$b_dest" ]; then
      [ -n "$b_name" ] || fail "can not use content with a dir as dest"
      b_dest=${b_dest%/}/$b_name
    fi ;;
  esac
  if [ -n "$b_follow" ] && [ -h "$b_dest" ]; then b_real "$b_dest"; b_dest=$b_path; fi
  b_look_in "$b_dest"
}
# b_put_probe: adds b_key to b_need when b_dest does not hold the wanted bytes and shall.
b_put_probe() {
  b_put_where
  case $b_T in
    absent) ;;
    directory) return 0 ;;
    *) if [ -z "$b_force" ] || b_same; then return 0; fi ;;
  esac
  b_need="$b_need $b_key"
}
# b_put: the file b_dest holds b_text, or what b_from holds (b_len bytes, b_sum), with the task's attributes.
b_put() {
  b_put_where
  case $b_T in
    absent)
      case $b_dest in */*) b_dir=${b_dest%/*}/ ;; *) b_dir=. ;; esac
      if [ ! -d "$b_dir" ] && [ -z "$CHECK" ]; then fail "the folder \`$b_dir\` does not exist; make it first"; fi
      ;;
    directory) fail "\`$b_dest\` is a folder" ;;
    *) if [ -z "$b_force" ]; then
      out dest "$b_dest"
      b_told=$b_dest
      b_attrs "$b_dest" || :
      return 0
    fi ;;
  esac
  out dest "$b_dest"
  if b_same; then
    if b_attrs "$b_dest"; then [ -n "$CHECK" ] || b_look "$b_dest"; fi
    b_report "$b_dest"
    return 0
  fi
  changed
  if [ -n "$DIFF" ]; then b_diff_put; fi
  [ -z "$CHECK" ] || return 0
  # What the task leaves open stays as it was.
  b_o=$b_owner b_g=$b_group b_m=$b_mode
  if [ "$b_T" = file ]; then
    [ -n "$b_o" ] || { [ "$b_UID" = 0 ] && b_o=root || b_o=$b_UID; }
    [ -n "$b_g" ] || { [ "$b_GID" = 0 ] && b_g=root || b_g=$b_GID; }
    [ -n "$b_m" ] || b_m=$b_M
  fi
  b_stage "$b_dest"
  [ -n "${b_sent-}" ] || out src "${b_here%/}/${b_stg:+${b_stg#./}/}$b_grow"
  case $b_m in
    *[!0-7]*)
      b_um=$(umask)
      if [ "$b_T" = file ]; then b_now=$b_M; else b_octal $((0666 & ~0$b_um)); b_now=$b_W; fi
      b_want_mode "$b_m" "$b_now" file
      b_m=$b_W
      ;;
  esac
  b_fresh "$b_m"
  if [ -n "$b_inline" ]; then printf %s "$b_text" >"$b_grow" || fail "cannot write \`$b_dest\`"
  else b_x=$(cat -- "$b_from" 2>&1 >"$b_grow") || fail "cannot write \`$b_dest\`: $b_x"; fi
  b_place "$b_o" "$b_g" "$b_m"
  b_known "$b_o" "$b_g" "$b_m" "$b_len" || b_look "$b_base"
  b_report "$b_base"
}
# b_known USER GROUP MODE SIZE: what a file is that we gave these, as far as that needs no look; false when it does.
b_known() {
  case $1$3 in root[0-7][0-7][0-7] | root[0-7][0-7][0-7][0-7] | [0-7][0-7][0-7] | [0-7][0-7][0-7][0-7]) ;; *) return 1 ;; esac
  # What the task leaves open is ours.
  [ -O / ] && [ -O "$b_base" ] || return 1
  b_y=$2
  if [ -z "$b_y" ] && [ -G / ] && [ -G "$b_base" ]; then b_y=root; fi
  case $b_y in
    '' | *[!a-zA-Z0-9_-]* | [0-9]*) return 1 ;;
    root) b_GID=0 ;;
    *)
      b_found=
      while IFS= read -r b_l || [ -n "$b_l" ]; do case $b_l in "$b_y":*) b_found=$b_l; break ;; esac; done </etc/group
      b_x=${b_found#*:*:}
      b_GID=${b_x%%:*}
      case $b_GID in '' | *[!0-9]*) return 1 ;; esac
      ;;
  esac
  b_T=file b_UID=0 b_U=root b_G=$b_y b_SIZE=$4 b_LINKS=1 b_M=${3#0}
}
# b_same: whether b_dest holds the wanted bytes already.
b_same() {
  [ "$b_T" = file ] && [ "$b_SIZE" = "$b_len" ] || return 1
  if [ -n "$b_inline" ] && [ "$b_len" -lt 1500 ]; then
    b_slurp "$b_dest"
    [ "$b_S" = "$b_text" ] || [ "$b_S" = "$b_text
" ]
    return
  fi
  if [ -z "$b_sum" ]; then cmp -s -- "$b_from" "$b_dest"; return; fi
  b_x=$(sha256sum <"$b_dest") || fail "cannot read \`$b_dest\`"
  [ "${b_x%% *}" = "$b_sum" ]
}
b_diff_put() {
  if [ -n "$b_inline" ]; then
    b_S=
    [ "$b_T" != file ] || [ "$b_SIZE" -gt 65536 ] || b_S=$(cat -- "$b_dest"; echo x)
    differ "$b_dest" "${b_S%x}" "$b_text"
  elif [ ! -e "$b_from" ]; then
    differ "$b_dest" '' "($b_len bytes, not sent in check mode)"
  else
    if [ "$b_T" = file ]; then differ_file "$b_dest" "$b_dest" "$b_from"; else differ_file "$b_dest" /dev/null "$b_from"; fi
  fi
}
# b_put_folder: the folder b_path is there, with the task's attributes; b_quiet: what is there already stays as it is.
b_put_folder() {
  if [ ! -d "$b_path" ]; then
    changed
    [ -n "$CHECK" ] || b_mkdirs "$b_path"
  elif [ -z "$b_quiet" ]; then
    b_look_through "$b_path"
    b_attrs "$b_path" || :
  fi
  b_quiet=
}
# b_put_link: the link b_path leads to b_src.
b_put_link() {
  if [ -h "$b_path" ]; then
    b_x=$(readlink -- "$b_path")
    [ "$b_x" != "$b_src" ] || return 0
  elif [ -d "$b_path" ]; then fail "\`$b_path\` is a folder; a link cannot take its place"; fi
  changed
  [ -z "$CHECK" ] || return 0
  rm -f -- "$b_path" && b_x=$(ln -s -- "$b_src" "$b_path" 2>&1) || fail "cannot make the link \`$b_path\`: $b_x"
}
# b_put_remote: b_dest holds what b_from on this host holds.
b_put_remote() {
  b_look_through "$b_from"
  case $b_T in
    file) ;;
    absent) fail "Source $b_from not found" ;;
    directory) b_put_remote_tree; return ;;
    *) fail "Remote src \`$b_from\` is a $b_T, not a file" ;;
  esac
  case $b_from in /*) ;; *) b_from=$PWD/$b_from ;; esac
  b_sent=1
  out src "$b_from"
  b_x=$(sha1sum <"$b_from") || fail "cannot read \`$b_from\`"
  b_x=${b_x%% *}
  out checksum "$b_x"
  [ -z "$b_wanted" ] || [ "$b_wanted" = "$b_x" ] || fail "Copied file does not match the expected checksum. Transfer failed. Expected $b_wanted, found $b_x"
  b_x=$(md5sum <"$b_from") && out md5sum "${b_x%% *}"
  b_put_remote_one
}
b_put_remote_one() {
  b_look_through "$b_from"
  b_len=$b_SIZE b_inline= b_sum= b_name=${b_from##*/}
  if [ -n "$b_preserve" ]; then b_mode=$b_M; fi
  case $b_dest in
    */) if [ ! -d "$b_dest" ]; then
      b_path=$b_dest b_quiet=1 b_fm=$b_mode b_mode=$b_dmode
      b_put_folder
      b_mode=$b_fm
      if [ -n "$CHECK" ]; then return 0; fi
    fi ;;
  esac
  b_put
}
# b_put_remote_tree: all below the folder b_from, into b_dest, or when b_from ends without a slash into a folder of its name there.
b_put_remote_tree() {
  out src "$b_from"
  out dest "$b_dest"
  b_top=${b_dest%/}
  case $b_from in */) ;; *) b_top=$b_top/${b_from##*/} ;; esac
  b_tree=${b_from%/}
  case $b_tree in /*) ;; *) b_tree=$PWD/$b_tree ;; esac
  if [ -e "$b_top" ] && [ ! -d "$b_top" ]; then fail "\`$b_top\` is no folder"; fi
  b_fmode=$b_mode
  b_path=$b_top b_quiet=1 b_mode=$b_dmode
  b_put_folder
  set --
  [ -z "$b_local" ] || set -- -L
  find "$@" "$b_tree" -mindepth 1 | LC_ALL=C sort | while IFS= read -r b_l; do
    b_at=$b_top${b_l#"$b_tree"}
    if [ -h "$b_l" ] && [ -z "$b_local" ]; then
      b_src=$(readlink -- "$b_l")
      b_path=$b_at
      ( b_put_link ) || exit
    elif [ -d "$b_l" ]; then
      b_path=$b_at b_quiet= b_mode=$b_dmode
      if [ -n "$b_preserve" ] && [ -z "$b_mode" ]; then b_look_through "$b_l"; b_mode=$b_M; fi
      ( b_put_folder ) || exit
    elif [ -f "$b_l" ]; then
      ( b_from=$b_l b_dest=$b_at b_mode=$b_fmode; b_put_remote_one ) || exit
    fi
  done || exit
  out dest "$b_dest"
}
