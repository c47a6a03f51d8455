__stat() {
  __l=
  { IFS= read -r __l <"/proc/$1/stat"; } 2>/dev/null
  [ -n "$__l" ] || return 1
  set -- ${__l##*) }
  __ppid=$2
  __sid=$4
  __start=${20}
  __state=$1
}
__kin() {
  __set=" $1 "
  __more=1
  while [ -n "$__more" ]; do
    __more=
    for __q in /proc/[0-9]*; do
      __q=${__q#/proc/}
      case $__set in *" $__q "*) continue ;; esac
      __stat "$__q" || continue
      [ "$__state" != Z ] || continue
      case $__set in *" $__ppid "*) ;; *) [ "$__sid" = "$1" ] || continue ;; esac
      __set="$__set$__q "
      __more=1
    done
  done
}
__kill() {
  __stat "$1" && [ "$__start" = "$2" ] || return 0
  __n=0
  while :; do
    __kin "$1"
    __alive=
    for __q in $__set; do
      __stat "$__q" && [ "$__state" != Z ] && __alive="$__alive $__q"
    done
    [ -n "$__alive" ] || return 0
    [ "$__n" -lt 100 ] || return 1
    [ "$__n" -lt 2 ] || sleep 0.1 2>/dev/null || sleep 1
    kill -9 $__alive 2>/dev/null || { [ "$__uid" = 0 ] || sudo -n kill -9 $__alive; } 2>/dev/null
    __n=$((__n + 1))
  done
}
__unfence() {
  __h=
  { IFS= read -r __h <"$__F"; } 2>/dev/null
  [ "$__h" != "$__me" ] || rm -f "$__F"
}
__fence() {
  __uid=$(id -u)
  if [ "$__uid" = 0 ]; then __dir=/run/berth-fence; [ -d /run ] || __dir=/tmp/berth-fence-0
  else __dir=/tmp/berth-fence-$__uid; fi
  ( umask 077; mkdir "$__dir" ) 2>/dev/null
  { [ -d "$__dir" ] && [ ! -L "$__dir" ] && [ -O "$__dir" ]; } || return 1
  __stat $$ || return 1
  __me="$$ $__start $__D"
  __g=$__dir/$1
  ( umask 077; printf '%s\n' "$__me" >"$__g.new.$$" ) || return 1
  while :; do
    mv "$__g" "$__g.old.$$" 2>/dev/null
    for __o in "$__g".old.*; do
      [ -f "$__o" ] || continue
      __p= __s= __d=
      { read -r __p __s __d <"$__o"; } 2>/dev/null
      [ -z "$__p" ] || [ "$__p" = $$ ] || __kill "$__p" "$__s" || return 1
      case $__d in /*/.berth.??????????) [ "$__d" = "$__D" ] || rm -rf "$__d" ;; esac
      rm -f "$__o"
    done
    ln "$__g.new.$$" "$__g" 2>/dev/null && break
    [ -f "$__g" ] || return 1
  done
  rm -f "$__g.new.$$"
  __F=$__g
}
