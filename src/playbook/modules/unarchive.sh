# b_un_kind: what kind of archive b_src is, by its first bytes.
b_un_kind() {
  b_x=$(head -c 6 -- "$b_src" | od -An -tx1 | tr -d ' \n')
  case $b_x in
    504b0304* | 504b0506*) b_kind=zip b_handler=ZipArchive b_need=unzip ;;
    1f8b*) b_kind=gz b_handler=TgzArchive b_need=gzip ;;
    425a68*) b_kind=bz2 b_handler=TarBzipArchive b_need=bzip2 ;;
    fd377a585a00) b_kind=xz b_handler=TarXzArchive b_need=xz ;;
    28b52ffd*) b_kind=zst b_handler=TarZstdArchive b_need=zstd ;;
    *) b_kind=tar b_handler=TarArchive b_need=tar ;;
  esac
  b_x="Failed to find handler for \"$b_src\". Make sure the required command to extract the file is installed."
  command -v "$b_need" >/dev/null || fail "$b_x
Unable to find required '$b_need' binary in the path"
  b_tar=tar
  if [ "$b_kind" != zip ]; then
    command -v gtar >/dev/null && b_tar=gtar
    command -v "$b_tar" >/dev/null || fail "$b_x
Unable to find required 'gtar' or 'tar' binary in the path"
  fi
  b_gnu=
  case $("$b_tar" --version 2>/dev/null) in *GNU*) b_gnu=1 ;; esac
}
b_un_cat() {
  case $b_kind in
    tar) cat -- "$b_src" ;;
    *) "$b_need" -dc <"$b_src" ;;
  esac
}
# b_un_tar VERB ARG…: tar with the task's options on the unpacked stream; b_opts are words, a line each.
b_un_tar() {
  while IFS= read -r b_l; do [ -z "$b_l" ] || set -- "$@" "$b_l"; done <<B_END
$b_opts
B_END
  [ -z "$b_gnu" ] || [ ! -s "$b_work/without" ] || set -- "$@" -X "$b_work/without"
  [ -z "$b_newer" ] || set -- "$@" --keep-newer-files
  set -- "$@" -f -
  while IFS= read -r b_l; do [ -z "$b_l" ] || set -- "$@" "$b_l"; done <<B_END
$b_include
B_END
  b_un_cat | LC_ALL=C "$b_tar" "$@"
}
# b_un_into FOLDER: unpacks there.
b_un_into() {
  if [ "$b_kind" = zip ]; then
    set -- -o -q -d "$1"
    [ -z "$b_newer" ] || set -- -u "$@"
    while IFS= read -r b_l; do [ -z "$b_l" ] || set -- "$b_l" "$@"; done <<B_END
$b_opts
B_END
    set -- "$@" "$b_src"
    while IFS= read -r b_l; do [ -z "$b_l" ] || set -- "$@" "$b_l"; done <<B_END
$b_include
B_END
    if [ -s "$b_work/without" ]; then
      set -- "$@" -x
      while IFS= read -r b_l; do set -- "$@" "$b_l"; done <"$b_work/without"
    fi
    unzip "$@" 2>"$b_work/why" >/dev/null
  else
    set -- -x -C "$1"
    [ -z "$b_gnu" ] || set -- --show-transformed-names "$@"
    b_un_tar "$@" 2>"$b_work/why"
  fi
}
# b_un_prune: takes out of the stage what `exclude` names, for a tar that cannot leave it out itself.
b_un_prune() {
  while IFS= read -r b_l; do
    while IFS= read -r b_p; do
      # The pattern is one, so it is not quoted.
      case ${b_l%/} in $b_p | */$b_p | $b_p/* | */$b_p/*) rm -rf -- "$b_work/stage/${b_l%/}" ;; esac
    done <"$b_work/without"
  done <"$b_work/list"
  b_un_names
}
# b_un_finish: unpacks into b_dest, or moves there what is left in the stage.
b_un_finish() {
  if [ "$b_kind" = zip ] || [ -n "$b_gnu" ] || [ ! -s "$b_work/without" ]; then b_un_into "$b_dest"; return; fi
  (
    cd "$b_work/stage" || exit 1
    set --
    for b_f in * .[!.]* ..?*; do [ ! -e "$b_f" ] && [ ! -h "$b_f" ] || set -- "$@" "./$b_f"; done
    [ $# = 0 ] || tar -cf - "$@" | tar -xf - -C "$b_dest"
  ) 2>"$b_work/why"
}
b_un_names() {
  (cd "$b_work/stage" && find . -mindepth 1 \( -type d -exec printf '%s/\n' {} \; -o -print \)) | sed 's,^\./,,' >"$b_work/list"
}
# b_un_stage: unpacks beside, and lists what came.
b_un_stage() {
  mkdir "$b_work/stage"
  b_un_into "$b_work/stage" || fail "Failed to find handler for \"$b_src\". Make sure the required command to extract the file is installed.
$b_need could not handle the archive: $(head -c 2000 "$b_work/why")"
  b_un_names
  [ "$b_kind" = zip ] || [ ! -s "$b_work/without" ] || b_un_prune
}
# b_un_differs: whether anything that came is not in b_dest already.
b_un_differs() {
  while IFS= read -r b_l; do
    b_f=$b_work/stage/${b_l%/} b_d=${b_dest%/}/${b_l%/}
    if [ -h "$b_f" ]; then
      [ -h "$b_d" ] && [ "$(readlink -- "$b_f")" = "$(readlink -- "$b_d")" ] || return 0
      continue
    elif [ -d "$b_f" ]; then [ -d "$b_d" ] || return 0
    elif [ -n "$b_newer" ] && [ "$b_d" -nt "$b_f" ]; then continue
    else [ -f "$b_d" ] && cmp -s -- "$b_f" "$b_d" || return 0; fi
    if [ -z "$b_mode" ]; then
      b_x=$(stat -c %a -- "$b_f" "$b_d") || return 0
      [ "${b_x%%
*}" = "${b_x#*
}" ] || return 0
    fi
  done <"$b_work/list"
  return 1
}
# b_un_gnu_differs: the same, judged by GNU tar, which reads the archive once.
b_un_gnu_differs() {
  b_un_tar --show-transformed-names -t -C "$b_dest" >"$b_work/list" 2>"$b_work/why" || fail "Failed to find handler for \"$b_src\". Make sure the required command to extract the file is installed.
tar could not handle the archive: $(head -c 2000 "$b_work/why")"
  [ -s "$b_work/list" ] || fail "Failed to find handler for \"$b_src\": found no files in archive. Empty archive files are not supported."
  b_un_tar --show-transformed-names -d -C "$b_dest" >"$b_work/diff" 2>&1
  set -- -e 's/: : Warning: Cannot stat: .*//' -e '/: Mod time differs$/p' -e '/: Warning: Cannot stat: No such file or directory$/p' -e '/: Invalid owner/p' -e '/: Invalid group/p' -e '/: Symlink differs$/p' -e '/: Contents differ$/p' -e '/: Size differs$/p' -e '/: File type differs$/p'
  [ -n "$b_mode" ] || set -- "$@" -e '/: Mode differs$/p'
  if [ "$(id -u)" = 0 ]; then
    [ -n "$b_owner" ] || set -- "$@" -e '/: Uid differs$/p'
    [ -n "$b_group" ] || set -- "$@" -e '/: Gid differs$/p'
  fi
  [ -n "$(sed -n "$@" "$b_work/diff")" ]
}
b_unarchive() {
  out dest "$b_dest"
  [ -d "$b_dest" ] || fail "dest '$b_dest' must be an existing dir"
  case $b_dest in /*) ;; *) b_dest=$PWD/${b_dest#./}; warn "Relative destination path was resolved to absolute path '$b_dest'." ;; esac
  [ -e "$b_src" ] || fail "Source '$b_src' does not exist"
  [ -r "$b_src" ] || fail "Source '$b_src' not readable"
  [ -s "$b_src" ] || fail "Invalid archive '$b_src', the file is 0 bytes"
  case $b_src in /*) ;; *) b_src=$PWD/$b_src ;; esac
  out src "$b_src"
  b_un_kind
  out handler "$b_handler"
  printf %s "$b_exclude" >"$b_work/without"
  b_todo=
  if [ "$b_kind" != zip ] && [ -n "$b_gnu" ]; then
    if b_un_gnu_differs; then b_todo=1; fi
  else
    [ "$b_kind" = zip ] || [ -z "$b_newer" ] || fail '`keep_newer` needs GNU tar on the host'
    b_un_stage
    if b_un_differs; then b_todo=1; fi
  fi
  if [ -n "$b_todo" ]; then
    changed
    if [ -z "$CHECK" ]; then
      b_un_finish
      b_rc=$?
      b_x=$(head -c 4000 "$b_work/why")
      [ "$b_rc" = 0 ] || { outj rc "$b_rc"; out err "$b_x"; fail "failed to unpack $b_src to $b_dest: $b_x"; }
      outj extract_results '{"rc": 0, "out": "", "err": ""}'
    fi
  fi
  if [ -z "$CHECK" ] && [ -n "$b_owner$b_group$b_mode$b_flags" ]; then
    while IFS= read -r b_l; do
      b_f=${b_dest%/}/${b_l%/}
      b_look "$b_f"
      [ "$b_T" = absent ] || b_attrs "$b_f" || :
    done <"$b_work/list"
  fi
  [ -z "$b_list" ] || out_file files "$b_work/list"
  b_look_through "$b_dest"
  b_report "$b_dest"
}
