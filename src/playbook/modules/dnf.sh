# b_dnf: the packages b_names, a line each, in b_state, by b_prog. Options that every run takes are in b_options, a line each.
b_dnf() {
  b_nl='
'
  LC_ALL=C.UTF-8
  export LC_ALL
  [ -n "$b_prog" ] || for b_prog in dnf5 dnf yum; do command -v "$b_prog" >/dev/null && break; b_prog=; done
  [ -n "$b_prog" ] || fail 'neither dnf5 nor dnf nor yum is on this host'
  b_need "$b_prog" rpm
  if [ -n "$b_list" ]; then
    b_dnf_run list "$b_list"
    out listed "$b_out"
    return 0
  fi
  if [ -n "$b_update" ]; then
    if [ -z "$CHECK" ]; then b_dnf_run makecache; fi
    # Fetching lists is no change of the host, as with Ansible.
    [ -n "$b_names$b_autoremove" ] || { out msg 'Cache updated'; return 0; }
  fi
  if [ -z "$b_names" ]; then
    b_dnf_go autoremove
    return 0
  fi
  IFS=$b_nl
  set -f
  set -- $b_names
  set +f
  unset IFS
  b_todo=
  for b_p; do
    case $b_state:$b_p in
      *:@* | *:/* | *://*) ;;
      latest:'*' | latest:\*) ;;
      absent:*) b_dnf_has "$b_p" || continue ;;
      present:*) b_dnf_has "$b_p" && continue ;;
    esac
    if [ -n "$b_only" ] && [ "$b_state" != absent ]; then b_dnf_has "${b_p%%[<>=]*}" || [ "$b_p" = '*' ] || continue; fi
    b_todo=$b_todo$b_p$b_nl
  done
  if [ -z "$b_todo" ]; then
    [ -z "$b_autoremove" ] || b_dnf_go autoremove
    return 0
  fi
  IFS=$b_nl
  set -f
  set -- $b_todo
  set +f
  unset IFS
  case $b_state in
    absent) b_dnf_go remove "$@" ;;
    latest)
      if [ "$1" = '*' ]; then
        shift
        b_dnf_go upgrade "$@"
      elif [ -n "$b_only" ]; then b_dnf_go upgrade "$@"
      else
        # What is there is upgraded, what is not is installed: both are one word to dnf 4 and later, and two to yum.
        b_have= b_lack=
        for b_p; do if b_dnf_has "${b_p%%[<>=]*}"; then b_have="$b_have $b_p"; else b_lack="$b_lack $b_p"; fi; done
        set -f
        [ -z "$b_lack" ] || b_dnf_go install $b_lack
        [ -z "$b_have" ] || b_dnf_go upgrade $b_have
        set +f
      fi
      ;;
    *) b_dnf_go install "$@" ;;
  esac
}
# b_dnf_has SPEC: whether a package that fits is installed; by name, with its architecture or version, or by what it gives.
b_dnf_has() { rpm ${b_root:+--root "$b_root"} -q -- "$1" >/dev/null 2>&1 || rpm ${b_root:+--root "$b_root"} -q --whatprovides -- "$1" >/dev/null 2>&1; }
b_dnf_run() {
  b_log=$(mktemp "${TMPDIR:-/tmp}/.berth.XXXXXXXXXX") || fail 'cannot make a temporary file'
  IFS=$b_nl
  set -f
  if [ -n "$CHECK" ]; then set -- --assumeno $b_options "$@"; else set -- -y $b_options "$@"; fi
  set +f
  unset IFS
  "$b_prog" "$@" </dev/null >"$b_log" 2>&1 3>&-
  b_rc=$?
  b_out=$(tail -c 200000 "$b_log")
  rm -f "$b_log"
}
b_dnf_go() {
  b_dnf_run "$@"
  out results "$b_out"
  case $b_out in
    *'Nothing to do'* | *'No packages marked for'* | *'No packages to remove'*)
      [ "$b_rc" = 0 ] || [ -n "$CHECK" ] || b_dnf_bad "$1"
      outj rc "$b_rc"
      return 0
      ;;
    *'Operation aborted'* | *'Exiting on user command'*) [ -z "$CHECK" ] || { changed; differ packages '' "$b_out$b_nl"; outj rc 0; return 0; } ;;
  esac
  [ "$b_rc" = 0 ] || b_dnf_bad "$1"
  outj rc 0
  changed
  differ packages '' "$b_out$b_nl"
}
b_dnf_bad() {
  outj rc "$b_rc"
  fail "\`$b_prog $1\` failed (rc $b_rc): $(printf %s "$b_out" | tail -c 3000)"
}
