# What steps before this one came to, for conditions that are judged here. Each leaves its answer in __q: 0 it holds,
# 1 it does not, 2 there is no such thing. A step that is remembered leaves a line for each thing it came to.
__has() {
  __q=1
  while read -r __l; do
    if [ "$__l" = "$2" ]; then __q=0; break; fi
  done <"$__D/k$1"
}
# __rc N OPERATOR NUMBER
__rc() {
  __q=2
  while read -r __l; do
    case $__l in r*) if [ "${__l#r}" "$2" "$3" ]; then __q=0; else __q=1; fi ;; esac
  done <"$__D/k$1"
}
# __there N: what `stat` found.
__there() {
  __q=2
  while read -r __l; do
    case $__l in e1) __q=0 ;; e0) __q=1 ;; f) __q=2; break ;; esac
  done <"$__D/k$1"
}
# __is N TEXT: the output, without the line ends behind, is TEXT, which holds no line end.
__is() {
  __has "$1" o
  if [ "$__q" = 1 ]; then __q=2; return; fi
  __q=1
  if [ ! -s "$__D/k$1.o" ]; then [ -n "$2" ] || __q=0; return; fi
  {
    IFS= read -r __l
    while case $__l in *"$__cr") : ;; *) false ;; esac; do __l=${__l%"$__cr"}; done
    if [ "$__l" = "$2" ]; then
      __q=0
      while IFS= read -r __l || [ -n "$__l" ]; do
        case $__l in *[!"$__cr"]*) __q=1; break ;; esac
      done
    fi
  } <"$__D/k$1.o"
  # What the shell reads has no NUL bytes; the output may.
  if [ "$__q" = 0 ]; then LC_ALL=C tr -d '\000' <"$__D/k$1.o" | cmp -s - "$__D/k$1.o" || __q=1; fi
}
# __in N TEXT: TEXT, which holds no line end, is in the output.
__in() {
  __has "$1" o
  if [ "$__q" = 1 ]; then __q=2; return; fi
  __q=1
  if [ -z "$2" ]; then __q=0
  elif [ -s "$__D/k$1.o" ] && head -c @CAP@ "$__D/k$1.o" | LC_ALL=C grep -aqF -e "$2"; then __q=0; fi
}
__not() { case $__q in 0) __q=1 ;; 1) __q=0 ;; esac; }
