# b_web: fetches b_url with curl, wget or BusyBox's wget, whichever is there. Reads b_method b_time b_check_certs
# b_proxy b_follow_to (none safe all) b_ca b_cert b_key b_socket b_zip b_ciphers b_netrc and, in the private folder
# b_work, `headers` (a line each) and `body` when there is one; user and password are among the headers.
# Leaves the answer in `$b_work/page`, its last headers in `$b_work/head`, and b_status b_final b_why.
b_web() {
  b_status=-1 b_why= b_final=$b_url
  : >"$b_work/page"
  : >"$b_work/heads"
  if command -v curl >/dev/null; then b_web_curl
  elif command -v wget >/dev/null; then
    case $(wget --version 2>/dev/null) in *GNU*) b_web_wget ;; *) b_web_busybox ;; esac
  else fail 'the host has neither curl nor wget; install one of them'; fi
  # Of several answers the last one counts.
  tr -d '\r' <"$b_work/heads" | awk '/^ *HTTP\// { n = 0 } { sub(/^ +/, ""); line[++n] = $0 } END { for (i = 1; i <= n; i++) print line[i] }' >"$b_work/head"
  if [ "$b_status" = -1 ]; then
    read -r b_x b_y b_rest <"$b_work/head" || :
    case ${b_y-} in [1-5][0-9][0-9]) b_status=$b_y b_why= ;; esac
  fi
}
# What must not be seen in the list of processes goes to curl as a file: URL, headers, the lot.
b_web_word() { printf '%s = "' "$1"; printf %s "$2" | sed 's/\\/\\\\/g; s/"/\\"/g'; printf '"\n'; }
b_web_curl() {
  {
    b_web_word url "$b_url"
    b_web_word output "$b_work/page"
    b_web_word dump-header "$b_work/heads"
    b_web_word write-out '%{http_code} %{url_effective}\n'
    printf 'silent\nshow-error\ngloboff\n'
    b_web_word connect-timeout "$b_time"
    # No more than this many seconds without a byte.
    printf 'speed-limit = 1\nspeed-time = %s\n' "$b_time"
    if [ "$b_method" = HEAD ]; then printf 'head\n'; else b_web_word request "$b_method"; fi
    [ ! -f "$b_work/body" ] || b_web_word data-binary "@$b_work/body"
    while IFS= read -r b_l || [ -n "$b_l" ]; do b_web_word header "$b_l"; done <"$b_work/headers"
    [ -n "$b_check_certs" ] || printf 'insecure\n'
    [ -n "$b_proxy" ] || b_web_word noproxy '*'
    [ -z "$b_ca" ] || b_web_word cacert "$b_ca"
    [ -z "$b_cert" ] || b_web_word cert "$b_cert"
    [ -z "$b_key" ] || b_web_word key "$b_key"
    [ -z "$b_socket" ] || b_web_word unix-socket "$b_socket"
    [ -z "$b_zip" ] || printf 'compressed\n'
    [ -z "$b_ciphers" ] || b_web_word ciphers "$b_ciphers"
    [ -z "$b_netrc" ] || printf 'netrc-optional\n'
    case $b_follow_to:$b_method in none:* | safe:[!GH]*) ;; *) printf 'location\nmax-redirs = 20\n' ;; esac
  } >"$b_work/curl"
  b_x=$(curl -q -K "$b_work/curl" 2>"$b_work/why" </dev/null)
  b_rc=$?
  b_status=${b_x%% *} b_final=${b_x#* }
  case $b_status in 000 | '') b_status=-1 ;; esac
  [ "$b_rc" = 0 ] || { b_why=$(head -c 2000 "$b_work/why"); b_web_why "$b_rc"; }
  case $b_url in file:* | ftp:*) [ "$b_rc" != 0 ] || b_status=200 ;; esac
  [ -n "$b_final" ] || b_final=$b_url
}
# b_web_why STATUS: what a status of curl means for the answer.
b_web_why() {
  case $1 in
    # The answer is there, and it is no good.
    18 | 56) b_broken=1 ;;
    28) b_status=-1; b_why="Request failed: the connection timed out: $b_why" ;;
    35 | 51 | 53 | 58 | 60 | 66 | 77 | 83 | 90 | 91) b_status=-1; b_why="Failed to validate the SSL certificate or to agree on TLS: $b_why" ;;
    47) b_why="too many redirections: $b_why" ;;
    *) b_status=-1; b_why="Request failed: $b_why" ;;
  esac
}
b_web_wget() {
  for b_f in "$b_socket:unix_socket"; do case $b_f in :*) ;; *) fail "\`${b_f#*:}\` needs curl on the host" ;; esac; done
  {
    printf 'quiet = off\nserver_response = on\ntries = 1\ntimeout = %s\ncontent_on_error = on\n' "$b_time"
    while IFS= read -r b_l || [ -n "$b_l" ]; do printf 'header = %s\n' "$b_l"; done <"$b_work/headers"
    [ -n "$b_check_certs" ] || printf 'check_certificate = off\n'
    [ -n "$b_proxy" ] || printf 'use_proxy = off\n'
    [ -z "$b_ca" ] || printf 'ca_certificate = %s\n' "$b_ca"
    [ -z "$b_cert" ] || printf 'certificate = %s\n' "$b_cert"
    [ -z "$b_key" ] || printf 'private_key = %s\n' "$b_key"
    [ -n "$b_netrc" ] || printf 'netrc = off\n'
    [ -z "$b_ciphers" ] || printf 'ciphers = %s\n' "$b_ciphers"
    [ -z "$b_zip" ] || printf 'compression = auto\n'
    case $b_follow_to:$b_method in none:* | safe:[!GH]*) printf 'max_redirect = 0\n' ;; *) printf 'max_redirect = 20\n' ;; esac
  } >"$b_work/wgetrc"
  printf '%s\n' "$b_url" >"$b_work/urls"
  set -- --method="$b_method"
  [ ! -f "$b_work/body" ] || set -- "$@" --body-file="$b_work/body"
  WGETRC=$b_work/wgetrc wget "$@" -i "$b_work/urls" -O "$b_work/page" 2>"$b_work/heads" </dev/null
  b_rc=$?
  b_x=$(sed -n 's/^Location: \([^ ]*\) \[following\].*/\1/p' "$b_work/heads" | tail -n 1)
  [ -z "$b_x" ] || b_final=$b_x
  case $b_rc in
    0 | 8) ;;
    5) b_why="Failed to validate the SSL certificate: $(tail -n 3 "$b_work/heads")" ;;
    *) b_why="Request failed: $(tail -n 2 "$b_work/heads")" ;;
  esac
}
b_web_busybox() {
  b_no=
  case $b_method in GET | POST | HEAD) ;; *) b_no="method $b_method" ;; esac
  [ -z "$b_socket" ] || b_no=unix_socket
  [ -z "$b_ca$b_cert$b_key" ] || b_no='certificates of its own'
  [ -z "$b_ciphers" ] || b_no=ciphers
  case $b_follow_to in none) b_no='follow_redirects: none' ;; esac
  [ -z "$b_no" ] || fail "BusyBox wget cannot do what the task asks for ($b_no); install curl on the host"
  set -- -S -O "$b_work/page"
  # Some are built without it, and fall over it.
  case $(wget --help 2>&1) in *' -T '*) set -- "$@" -T "$b_time" ;; esac
  [ -n "$b_check_certs" ] || set -- "$@" --no-check-certificate
  [ -n "$b_proxy" ] || set -- "$@" -Y off
  [ "$b_method" != HEAD ] || set -- "$@" --spider
  [ "$b_method" != POST ] || { [ -f "$b_work/body" ] || : >"$b_work/body"; set -- "$@" --post-file "$b_work/body"; }
  # Its headers are arguments, which others on the host can read.
  while IFS= read -r b_l || [ -n "$b_l" ]; do
    case $b_l in [Aa]uthorization:*) fail 'BusyBox wget would show the password in the list of processes; install curl on the host' ;; esac
    set -- "$@" --header "$b_l"
  done <"$b_work/headers"
  case $b_url in *://*@*) fail 'BusyBox wget would show the password in the list of processes; install curl on the host' ;; esac
  wget "$@" "$b_url" 2>"$b_work/heads" </dev/null
  b_rc=$?
  [ "$b_rc" = 0 ] || b_why="Request failed: $(tail -n 1 "$b_work/heads")"
}
# b_web_out KEY FILE: a file of bytes as base64.
b_web_out() { b_x=$(base64 <"$2"); out "$1" "$b_x"; }
