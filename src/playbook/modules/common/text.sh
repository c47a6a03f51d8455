# b_text_open: b_path, links followed, as a text file; b_T tells whether it is there. Attributes alone are b_text_close's.
b_text_open() {
  out path "$b_path"
  b_name_given=$b_path
  b_real "$b_path"
  b_look_in "$b_path"
  case $b_T in file | absent) ;; *) fail "\`$b_path\` is a $b_T, no text file" ;; esac
  if [ "$b_T" = file ] && [ ! -r "$b_path" ]; then fail "cannot read \`$b_path\`"; fi
  b_orig=/dev/null
  [ "$b_T" = absent ] || b_orig=$b_path
}
# b_text_awk PROGRAM: runs PROGRAM over the file. Its parameters, a line each in b_params, it reads itself with p().
# It prints a first line (`same`, or `changed` and what to say), then the new text and a `+`; that goes into b_new.
# Before that comes a line into b_nul when there are NUL bytes (`nul`), or when this awk cannot tell (`weak`).
b_text_awk() {
  case $b_orig in /*) b_in=$b_orig ;; *) b_in=./$b_orig ;; esac
  b_out=$(LC_ALL=C awk '
BEGIN { b_weak = length("\000") != 1 }
/\000/ { b_nul = 1 }
END { if (b_weak) print "weak"; else if (b_nul) print "nul" }
'"$1"'
function p(  x) { if ((getline x) > 0) return x; return "" }' - "$b_in" <<B_END
$b_params
B_END
) || fail "cannot read \`$b_path\` as text"
  b_nul=
  case $b_out in
    nul* | weak*)
      b_nul=${b_out%%'
'*}
      b_out=${b_out#*'
'}
      ;;
  esac
  b_verdict=${b_out%%'
'*}
  b_new=${b_out#*'
'}
  b_new=${b_new%+}
}
# b_text_close: writes b_new when the verdict is `changed…`, and looks after owner and mode.
b_text_close() {
  case $b_verdict in
    same*)
      if [ "$b_T" = absent ]; then return 0; fi
      if b_attrs "$b_path"; then out msg 'ownership or perms changed'; else out msg ''; fi
      return 0
      ;;
  esac
  changed
  out msg "${b_verdict#changed }"
  case $b_T$b_nul in
    filenul) fail "\`$b_path\` holds NUL bytes: it is no text file" ;;
    fileweak) LC_ALL=C tr -d '\000' <"$b_path" | cmp -s - "$b_path" || fail "\`$b_path\` holds NUL bytes: it is no text file" ;;
  esac
  if [ -n "$DIFF" ]; then
    b_old=
    [ "$b_T" = absent ] || b_old=$(cat -- "$b_path"; echo x)
    differ "$b_name_given" "${b_old%x}" "$b_new"
  fi
  [ -z "$CHECK" ] || return 0
  b_o=$b_owner b_g=$b_group b_m=$b_mode
  if [ "$b_T" = file ]; then
    [ -n "$b_o" ] || { [ "$b_UID" = 0 ] && b_o=root || b_o=$b_UID; }
    [ -n "$b_g" ] || { [ "$b_GID" = 0 ] && b_g=root || b_g=$b_GID; }
    [ -n "$b_m" ] || b_m=$b_M
    case $b_m in *[!0-7]*) b_want_mode "$b_m" "$b_M" file; b_m=$b_W ;; esac
  elif [ -n "$b_m" ]; then
    case $b_m in *[!0-7]*) b_um=$(umask); b_octal $((0666 & ~0$b_um)); b_want_mode "$b_m" "$b_W" file; b_m=$b_W ;; esac
  fi
  case $b_path in
    */*) [ "$b_T" = file ] || [ -d "${b_path%/*}/" ] || b_x=$(mkdir -p -- "${b_path%/*}" 2>&1) || fail "cannot make the folder of \`$b_path\`: $b_x" ;;
  esac
  b_stage "$b_path"
  b_fresh "$b_m"
  printf %s "$b_new" >"$b_grow" || fail "cannot write \`$b_path\`"
  b_place "$b_o" "$b_g" "$b_m"
}
