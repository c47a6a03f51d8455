# b_text PATH: PATH with links followed into b_path, what it is into b_T, its text into b_old.
b_text() {
  b_real "$1"
  b_look_in "$b_path"
  b_old=
  case $b_T in
    file)
      b_old=$(cat -- "$b_path" && echo x) || fail "cannot read \`$b_path\`"
      b_old=${b_old%x}
      ;;
    absent) ;;
    *) fail "\`$1\` is a $b_T, no text file" ;;
  esac
}
# b_keep [MODE]: b_path, which b_text has read, holds b_new; a new file gets MODE, another keeps its own. True when that is a change.
b_keep() {
  if [ "$b_new" = "$b_old" ] && { [ "$b_T" = file ] || [ -z "$b_new" ]; }; then return 1; fi
  changed
  differ "$b_path" "$b_old" "$b_new"
  [ -z "$CHECK" ] || return 0
  (
    b_check= b_inplace=1
    b_o= b_g= b_m=${1:-644}
    if [ "$b_T" = file ]; then b_m=$b_M b_o=$b_UID b_g=$b_GID; fi
    if [ "$b_o:$b_g" = 0:0 ]; then b_o=root b_g=root; fi
    case $b_path in */*) [ -d "${b_path%/*}/" ] || b_x=$(mkdir -p -- "${b_path%/*}" 2>&1) || fail "cannot make the folder of \`$b_path\`: $b_x" ;; esac
    b_stage "$b_path"
    b_fresh "$b_m"
    printf %s "$b_new" >"$b_grow" || fail "cannot write \`$b_path\`"
    b_place "$b_o" "$b_g" "$b_m"
  ) || exit
}
# b_away PATH: PATH is not there. True when that is a change.
b_away() {
  [ -e "$1" ] || [ -h "$1" ] || return 1
  changed
  [ -f "$1" ] && [ -r "$1" ] && differ_file "$1" "$1" /dev/null
  [ -z "$CHECK" ] || return 0
  b_x=$(rm -f -- "$1" 2>&1) || fail "cannot remove \`$1\`: $b_x"
}
