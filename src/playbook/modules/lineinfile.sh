b_line_missing() {
  if [ -n "$b_create" ]; then return 0; fi
  outj rc 257
  fail "Destination $b_path does not exist !"
}
b_line_present() {
  b_text_open
  [ "$b_T" = file ] || b_line_missing
  b_params="${b_SIZE:-0}
$b_line
$b_re_given
$b_re
$b_search_given
$b_search
$b_place
$b_anchor
$b_first
$b_backrefs"
  b_text_awk '
function done_(verdict) { say = verdict }
BEGIN { size = p(); line = p(); has_re = p(); re = p(); has_s = p(); s = p(); place = p(); anchor = p(); first = p(); backrefs = p(); hit = 0; spot = 0; exact = 0; stop = 0; istop = 0 }
{
  t[++n] = $0; bytes += length($0) + 1
  if (has_re != "" || has_s != "") {
    if (!(first != "" && hit) && (has_re != "" ? $0 ~ re : index($0, s))) hit = n
  }
  bare = $0; sub(/\r+$/, "", bare)
  if (!istop) {
    if (bare == line) exact = n
    else if (anchor != "" && $0 ~ anchor) { spot = n; if (first != "") istop = 1 }
  }
}
END {
  open_ = (n > 0 && bytes > size)
  matched = hit
  if (!hit && exact) hit = exact
  if (hit) {
    if (backrefs != "" && matched) { print "expand " hit; out(); exit }
    if (backrefs != "" && !matched) { if (t[hit] == line && !(open_ && hit == n)) { print "same"; exit } }
    if (t[hit] == line && !(open_ && hit == n)) { print "same"; exit }
    t[hit] = line; if (hit == n) open_ = 0
    print "changed line replaced"; out(); exit
  }
  if (backrefs != "") { print "same"; exit }
  if (place == "bof") { print "changed line added"; print line; out(); exit }
  if (place == "eof" || !spot) { print "changed line added"; open_ = 0; out1(); print line; printf "+"; exit }
  if (place == "after") {
    if (spot < n) { b = t[spot + 1]; sub(/\r+$/, "", b); if (b == line) { print "same"; exit } }
    print "changed line added"
    for (i = 1; i <= spot; i++) print t[i]
    print line; if (spot == n) open_ = 0
    for (i = spot + 1; i <= n; i++) one(i)
    printf "+"; exit
  }
  print "changed line added"
  for (i = 1; i < spot; i++) print t[i]
  print line
  for (i = spot; i <= n; i++) one(i)
  printf "+"
}
function one(i) { if (i == n && open_) printf "%s", t[i]; else print t[i] }
function out1(  i) { for (i = 1; i <= n; i++) one(i) }
function out() { out1(); printf "+" }'
  case $b_verdict in
    expand*) b_line_expand "${b_verdict#expand }" ;;
  esac
  b_text_close
}
# The matched line, number $1 of b_new, becomes what sed makes of it.
b_line_expand() {
  b_rest=$b_new b_top= b_n=1
  while [ "$b_n" -lt "$1" ]; do
    b_top=$b_top${b_rest%%'
'*}'
'
    b_rest=${b_rest#*'
'}
    b_n=$((b_n + 1))
  done
  b_l=${b_rest%%'
'*}
  case $b_rest in *'
'*) b_tail='
'${b_rest#*'
'} ;; *) b_tail= ;; esac
  b_x=$(LC_ALL=C sed -E "$b_sed" <<B_END
$b_l
B_END
) || fail 'sed cannot use the regular expression'
  if [ "$b_x" = "$b_l" ]; then b_verdict=same
  else
    b_verdict='changed line replaced'
    b_new=$b_top$b_x${b_tail:-'
'}
  fi
}
b_line_absent() {
  b_text_open
  if [ "$b_T" = absent ]; then
    outj found 0
    out msg 'file not present'
    return 0
  fi
  b_params="$b_SIZE
$b_line
$b_re_given
$b_re
$b_search_given
$b_search"
  b_text_awk '
BEGIN { size = p(); line = p(); has_re = p(); re = p(); has_s = p(); s = p(); found = 0; n = 0 }
{
  bytes += length($0) + 1
  bare = $0; sub(/\r+$/, "", bare)
  if (has_re != "" ? $0 ~ re : has_s != "" ? index($0, s) : bare == line) { found++; last = 1 } else { t[++n] = $0; last = 0 }
}
END {
  if (!found) { print "same 0"; exit }
  print "changed " found
  open_ = (bytes > size && !last)
  for (i = 1; i <= n; i++) if (i == n && open_) printf "%s", t[i]; else print t[i]
  printf "+"
}'
  b_x=${b_verdict#* }
  outj found "$b_x"
  case $b_verdict in changed*) b_verdict="changed $b_x line(s) removed" ;; esac
  b_text_close
}
