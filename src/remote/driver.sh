PATH=${PATH:-/usr/local/bin:/usr/bin:/bin}
case ":$PATH:" in *:/usr/sbin:*) ;; *) PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin ;; esac
export PATH
unset ENV BASH_ENV CDPATH
exec 3>&1 1>/dev/null
__quit() { [ -z "$__D" ] || rm -rf "$__D"; [ -z "$__F" ] || __unfence; }
__D=
__F=
trap __quit 0
trap 'exit 129' 1
trap 'exit 143' 15
__U=$(umask)
__mkd() { case $1 in /*) mkdir -m 700 "$1/.berth.$__d" 2>/dev/null && __D=$1/.berth.$__d ;; *) false ;; esac; }
__mkd "${TMPDIR:-/tmp}" || __mkd /tmp || __D=$(umask 077; mktemp -d 2>/dev/null)
__K=
__W=
__kept() { [ -z "$__K" ] || printf '%s\n' "$1" >>"$__K"; }
changed() { printf '%sC\n' "$__T" >&3; __kept c; }
out() {
  printf '%sO%s\n%s' "$__T" "$1" "$2" >&3
  [ -z "$__K" ] || case $1 in stdout) printf %s "$2" >"$__K.o"; __kept o ;; esac
}
outj() {
  printf '%sJ%s\n%s' "$__T" "$1" "$2" >&3
  [ -z "$__K" ] || case $1 in rc) __kept "r$2" ;; esac
}
__n='
'
outs() {
  __w=
  while [ $# -gt 1 ]; do
    __w=$__w$__T$1$__n$2
    shift 2
  done
  printf %s "$__w" >&3
}
out_file() { printf '%sO%s\n' "$__T" "$1" >&3; [ ! -s "$2" ] || head -c @CAP@ "$2" >&3; }
fail() { printf '%sF\n%s' "$__T" "$1" >&3; exit 1; }
skip() { printf '%sS\n%s' "$__T" "$1" >&3; __kept s; exit 0; }
warn() { printf '%sW\n%s' "$__T" "$1" >&3; }
differ() { [ -z "$DIFF" ] || printf '%sD%s\n%s%sA\n%s' "$__T" "$1" "$2" "$__T" "$3" >&3; }
differ_file() {
  [ -n "$DIFF" ] || return 0
  printf '%sD%s\n' "$__T" "$1" >&3
  [ ! -s "$2" ] || head -c 262144 "$2" >&3
  printf '%sA\n' "$__T" >&3
  [ ! -s "$3" ] || head -c 262144 "$3" >&3
}
capture() {
  __o=$__D/o
  [ -z "$__K" ] || __o=$__K.o
  "$@" >"$__o" 2>"$__D/e" 3>&-
  __c=$?
  outj rc "$__c"
  __kept o
  out_file stdout "$__o"
  out_file stderr "$__D/e"
  return "$__c"
}
__end() { printf '%sE%s %s\n' "$__T" "$1" "$2" >&3; }
__say() { [ "$1" = 0 ] || [ ! -s "$__D/x" ] || { printf '%sX\n' "$__T"; tail -c 4096 "$__D/x"; } >&3; }
__stop=
__noted=
__guard() {
  case $1 in
    stop) [ "$__r" = 0 ] || __stop=1 ;;
    note) [ "$__r" = 0 ] || __noted=1 ;;
    last) [ "$__r$__noted" = 0 ] || __stop=1; __noted= ;;
  esac
}
__held() { [ -n "$2" ] && [ -n "$__stop" ] && __end "$1" -; }
__m() {
  __held "$1" "$2" && return 1
  [ -z "$__K" ] || : >"$__K"
  __q=0
  [ -z "$__W" ] || eval "$__W"
  case $__q in
    0)
      ( set --; eval "$__S" ) </dev/null >/dev/null 2>"$__D/x"
      __r=$?
      __say "$__r"
      ;;
    1)
      printf '%sN%s\n' "$__T" "$__at" >&3
      __r=0
      __kept s
      ;;
    *)
      printf '%sU%s\n' "$__T" "$__at" >&3
      __r=1
      ;;
  esac
  [ "$__r" = 0 ] || __kept f
  __end "$1" "$__r"
  __guard "$2"
  return "$__r"
}
__p() {
  ( set --; exec 3>&-; eval "$__S" ) </dev/null >"$__D/o" 2>"$__D/e"
  __r=$?
  out_file stdout "$__D/o"
  out_file stderr "$__D/e"
  __end "$1" "$__r"
}
__a() {
  __held "$1" "$2" && return 1
  printf '%sI\n' "$__T" >&3
  ( set --; eval "$__S" ) </dev/null >&3 2>"$__D/x"
  __r=$?
  __say "$__r"
  __end "$1" "$__r"
  __guard "$2"
}
__left() { printf '%sL%s\n' "$__T" "$1" >&3; }
__who() {
  __u= __i=
  { while read -r __k __v __u __w; do case $__k in Uid:) __i=$__v; break ;; esac; done </proc/self/status; } 2>/dev/null
  [ -n "$__i" ] && [ "$__i" = "$__u" ] || { id; return; }
  __u=
  { while IFS=: read -r __k __v __w __x; do if [ "$__w" = "$__i" ]; then __u=$__k; break; fi; done </etc/passwd; } 2>/dev/null
  if [ -n "$__u" ]; then printf '%s\n' "uid=$__i($__u)"; else id; fi
}
