# b_pack_glob PATH: what PATH, perhaps a pattern, stands for, a line each, into b_found.
b_pack_glob() {
  b_found=
  case $1 in
    *[*?[]*)
      IFS=
      for b_f in $1; do [ ! -e "$b_f" ] && [ ! -h "$b_f" ] || b_found=$b_found$b_f'
'; done
      unset IFS
      ;;
    *) [ ! -e "$1" ] && [ ! -h "$1" ] || b_found=$1'
' ;;
  esac
}
# b_pack_root: the folder that all of b_all stand in, with a slash, into b_root.
b_pack_root() {
  b_root=
  while IFS= read -r b_l; do
    [ -n "$b_l" ] || continue
    case $b_l in */*) b_d=${b_l%/*}/ ;; *) b_d= ;; esac
    if [ -z "$b_root" ]; then b_root=${b_d:-./}; continue; fi
    while :; do
      case $b_d in "$b_root"*) break ;; esac
      b_root=${b_root%/}
      case $b_root in */*) b_root=${b_root%/*}/ ;; *) b_root=./; break ;; esac
    done
  done <<B_END
$b_all
B_END
}
# b_pack_out PATH: whether PATH is to be left out.
b_pack_out() {
  while IFS= read -r b_p; do
    [ -n "$b_p" ] || continue
    case $1 in "${b_p%/}" | "${b_p%/}"/*) return 0 ;; esac
  done <<B_END
$b_skip
B_END
  while IFS= read -r b_p; do
    [ -n "$b_p" ] || continue
    # A pattern is not quoted.
    case $1 in $b_p | */$b_p | */$b_p/*) return 0 ;; esac
  done <<B_END
$b_patterns
B_END
  return 1
}
# b_pack_names: the names below b_root that go in, a line each.
b_pack_names() {
  while IFS= read -r b_l; do
    [ -n "$b_l" ] || continue
    find "$b_l" | while IFS= read -r b_f; do
      b_pack_out "$b_f" && continue
      b_n=${b_f#"$b_root"}
      [ -z "$b_n" ] || printf '%s\n' "$b_n"
    done
  done <<B_END
$b_all
B_END
}
b_pack_tool() { command -v "$1" >/dev/null || fail "the host has no \`$1\`; install it, or choose another \`format\`"; }
b_pack_press() {
  case $b_format in
    gz) gzip -n -c ;;
    bz2) bzip2 -c ;;
    xz) xz -c ;;
    *) cat ;;
  esac
}
b_pack() {
  out missing "$b_missing"
  out expanded_paths "$b_all"
  out expanded_exclude_paths "$b_skip"
  b_one=${b_all%%
*}
  b_many=
  [ "$b_one
" = "$b_all" ] || b_many=1
  if [ -z "$b_all" ]; then
    if [ -n "$b_dest" ] && [ -e "$b_dest" ]; then
      out dest "$b_dest"
      out dest_state archive
      b_look_through "$b_dest"
      if b_attrs "$b_dest"; then [ -n "$CHECK" ] || b_look_through "$b_dest"; fi
      b_report "$b_dest"
      return 0
    fi
    fail "Error, no source paths were found"
  fi
  b_tarred=$b_force_tar$b_many
  [ ! -d "$b_one" ] || b_tarred=1
  case $b_format in tar | zip) b_tarred=1 ;; esac
  if [ -z "$b_dest" ]; then
    if [ -n "$b_many" ] || [ -d "$b_one" ]; then fail 'Error, must specify "dest" when archiving multiple files or trees'; fi
    b_dest=$b_one.$b_format
  fi
  out dest "$b_dest"
  [ ! -d "$b_dest" ] || fail "\`$b_dest\` is a folder"
  # The archive itself is none of its own files.
  b_skip=$b_skip$b_dest'
'
  case $b_format in gz) b_pack_tool gzip ;; bz2) b_pack_tool bzip2 ;; xz) b_pack_tool xz ;; zip) b_pack_tool zip ;; esac
  b_from=$b_work/new
  if [ -z "$b_tarred" ]; then
    b_pack_press <"$b_one" >"$b_from" || fail "Unable to create archive from \`$b_one\`"
    out arcroot "${b_one%/*}/"
    out archived "$b_one"
    out dest_state compress
  else
    b_pack_root
    out arcroot "$b_root"
    b_pack_names >"$b_work/names"
    out_file archived "$b_work/names"
    out dest_state archive
    set --
       while IFS= read -r b_l; do case $b_l in -*) b_l=./$b_l ;; esac; set -- "$@" "$b_l"; done <"$b_work/names"
    (
      cd "$b_root" || exit 1
      if [ "$b_format" = zip ]; then sed 's,^,./,' "$b_work/names" | zip -X -q -y "$b_from.zip" -@ >/dev/null && mv "$b_from.zip" "$b_from"
      else tar --no-recursion -cf - "$@" | b_pack_press >"$b_from"; fi
    ) 2>"$b_work/why" || fail "Unable to create archive: $(head -c 2000 "$b_work/why")"
  fi
  b_len=$(($(wc -c <"$b_from"))) b_sum= b_inline= b_name= b_force=1 b_follow=1
  # Archives are not shown.
  DIFF=
  b_put
  if [ -n "$b_remove" ]; then
    changed
    if [ -z "$CHECK" ]; then
      while IFS= read -r b_l; do
        [ -n "$b_l" ] || continue
        rm -rf -- "$b_l" || fail "cannot remove \`$b_l\`"
      done <<B_END
$b_all
B_END
    fi
  fi
}
