b_block_go() {
  b_text_open
  if [ "$b_T" = absent ]; then
    if [ -z "$b_present" ]; then out msg "file $b_path not present"; return 0; fi
    if [ -z "$b_create" ]; then
      outj rc 257
      fail "path $b_path does not exist; \`create: true\` makes it"
    fi
  fi
  b_params="${b_SIZE:-0}
$b_begin
$b_finish
$b_filled
$b_place
$b_anchor
$b_blank_before
$b_blank_after
$b_lines
$b_block"
  b_text_awk '
BEGIN {
  size = p(); begin = p(); end = p(); filled = p(); place = p(); anchor = p(); before = p(); after = p()
  lines = p()
  while (m < lines) block[++m] = p()
}
{
  t[++n] = $0; bytes += length($0) + 1
  if ($0 == begin) b = n
  if ($0 == end) e = n
  if (anchor != "" && $0 ~ anchor) spot = n
}
END {
  open_ = (n > 0 && bytes > size)
  was = n
  # at: how many lines stand before the block; skip: how many lines of the old one go.
  if (b && e) { if (b < e) { at = b - 1; skip = e - b + 1 } else { at = e - 1; skip = b - e + 1 } }
  else if (place == "bof") at = 0
  else if (anchor != "" && spot) at = (place == "after") ? spot : spot - 1
  else at = n
  k = 0
  for (i = 1; i <= at; i++) r[++k] = t[i]
  if (before != "" && at > 0 && t[at] != "") r[++k] = ""
  if (filled != "") { r[++k] = begin; for (i = 1; i <= m; i++) r[++k] = block[i]; r[++k] = end }
  if (after != "" && at + skip < n && t[at + skip + 1] != "") r[++k] = ""
  for (i = at + skip + 1; i <= n; i++) r[++k] = t[i]
  # The last line stays without its line end only when it is still last and nothing was put after it.
  tail = open_ && at + skip < n
  same = (k == n)
  for (i = 1; same && i <= n; i++) if (r[i] != t[i]) same = 0
  if (same && (tail || !open_ || !filled)) { print "same"; exit }
  print "changed " (filled != "" ? "Block inserted" : "Block removed")
  for (i = 1; i <= k; i++) if (i == k && tail) printf "%s", r[i]; else print r[i]
  printf "+"
}'
  case $b_T$b_verdict in absentchanged*) b_verdict='changed File created' ;; esac
  b_text_close
}
