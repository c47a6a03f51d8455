# b_package: the packages b_names, a line each, in b_state, by b_pm or the manager that is found.
b_package() {
  if [ -z "$b_pm" ]; then
    for b_pm in apt-get apk dnf5 dnf yum pacman zypper; do command -v "$b_pm" >/dev/null && break; b_pm=; done
    [ -n "$b_pm" ] || fail 'no package manager that Berth knows is on this host'
  fi
  case $b_pm in apt-get) b_pm=apt ;; dnf5) b_pm=dnf ;; esac
  out pkg_mgr "$b_pm"
  if [ "$b_pm" = apt ]; then
    [ -z "$b_refused" ] || fail "$b_refused"
    b_apt
    return 0
  fi
  [ -z "$b_own" ] || fail "\`$b_own\` is only for apt, and this host has $b_pm"
  case $b_state in present | absent | latest) ;; *) fail "\`state: $b_state\` is only for apt; use present, latest or absent" ;; esac
  b_updated=
  if [ -n "$b_update" ]; then b_refresh; fi
  b_todo=
  if [ -n "$b_names" ]; then
    IFS='
'
    set -f
    set -- $b_names
    set +f
    unset IFS
    case $b_state in
      present) b_todo=$(b_missing "$@"; echo x) ;;
      absent) b_todo=$(b_there "$@"; echo x) ;;
      latest) b_todo=$(b_missing "$@"; b_old "$@"; echo x) ;;
    esac || fail "\`$b_pm\` cannot say what is installed"
    case $b_todo in *'!'*) fail "\`$b_pm\` cannot say what is installed" ;; esac
    b_todo=${b_todo%x}
  fi
  [ -n "$b_todo" ] || return 0
  changed
  differ packages '' "$b_todo"
  [ -z "$CHECK" ] || return 0
  IFS='
'
  set -f
  set -- $b_todo
  set +f
  unset IFS
  # A list that was never fetched is fetched now, so that a fresh host needs no extra step.
  if [ "$b_state" != absent ] && [ -z "$b_updated" ] && b_listless; then b_update_now; fi
  if [ "$b_state" = absent ]; then "b_${b_pm}_del" "$@"; else "b_${b_pm}_add" "$@"; fi
}
b_listless() {
  case $b_pm in
    apk) set -- /var/cache/apk/APKINDEX* /var/lib/apk/* ; [ -e "$1" ] || return 0; return 1 ;;
    pacman) set -- /var/lib/pacman/sync/*.db ;;
    *) return 1 ;;
  esac
  [ ! -e "$1" ]
}
b_refresh() {
  if [ -n "$b_valid" ] && [ "$b_valid" -gt 0 ]; then
    case $b_pm in apk) b_stamp=/var/cache/apk ;; pacman) b_stamp=/var/lib/pacman/sync ;; *) b_stamp=/var/cache/$b_pm ;; esac
    if [ -e "$b_stamp" ] && ! b_listless; then
      b_x=$(stat -c %Y -- "$b_stamp")
      b_now=$(date +%s)
      if [ $((b_now - b_x)) -lt "$b_valid" ]; then outj cache_updated false; return 0; fi
    fi
  fi
  outj cache_updated true
  [ -n "$b_names" ] || changed
  [ -n "$CHECK" ] || b_update_now
}
b_update_now() {
  b_updated=1
  case $b_pm in
    apk) b_must apk update ;;
    pacman) b_must pacman -Sy --noconfirm ;;
    zypper) b_must zypper --non-interactive refresh ;;
    *) b_must "$b_pm" -q makecache ;;
  esac
}
# b_missing NAME...: those that are not installed, a line each.
b_missing() {
  case $b_pm in
    apk)
      b_have=$(apk info -e "$@" 2>/dev/null)
      for b_p; do case "
$b_have
" in *"
${b_p%%[=<>~@]*}
"*) ;; *) echo "$b_p" ;; esac; done
      ;;
    pacman) for b_p; do pacman -Q "$b_p" >/dev/null 2>&1 || echo "$b_p"; done ;;
    *) for b_p; do rpm -q --whatprovides "$b_p" >/dev/null 2>&1 || rpm -q "$b_p" >/dev/null 2>&1 || echo "$b_p"; done ;;
  esac
}
b_there() {
  case $b_pm in
    apk)
      b_have=$(apk info -e "$@" 2>/dev/null)
      for b_p; do case "
$b_have
" in *"
$b_p
"*) echo "$b_p" ;; esac; done
      ;;
    pacman) for b_p; do if pacman -Q "$b_p" >/dev/null 2>&1; then echo "$b_p"; fi; done ;;
    *) for b_p; do if rpm -q "$b_p" >/dev/null 2>&1; then echo "$b_p"; fi; done ;;
  esac
}
# b_old NAME...: those that are installed in an older version than the lists offer.
b_old() {
  case $b_pm in
    apk)
      b_new=$(apk version -q -l '<' "$@" 2>/dev/null) || echo '!'
      [ -z "$b_new" ] || for b_p; do case "
$b_new" in *"
$b_p-"[0-9]*) echo "$b_p" ;; esac; done
      ;;
    pacman)
      b_new=$(pacman -Qu 2>/dev/null)
      for b_p; do case "
$b_new" in *"
$b_p "*) echo "$b_p" ;; esac; done
      ;;
    zypper)
      b_new=$(zypper --non-interactive --quiet list-updates 2>/dev/null)
      for b_p; do case $b_new in *"| $b_p "*) echo "$b_p" ;; esac; done
      ;;
    *)
      for b_p; do
        "$b_pm" -q check-update "$b_p" >/dev/null 2>&1
        [ $? != 100 ] || echo "$b_p"
      done
      ;;
  esac
}
b_apk_add() { if [ "$b_state" = latest ]; then b_must apk add -u "$@"; else b_must apk add "$@"; fi; }
b_apk_del() { b_must apk del "$@"; }
b_dnf_add() { b_rpm_add "$@"; }
b_dnf_del() { b_must "$b_pm" -y -q remove "$@"; }
b_yum_add() { b_rpm_add "$@"; }
b_yum_del() { b_must "$b_pm" -y -q remove "$@"; }
# An install of what is there in an older version upgrades it.
b_rpm_add() { b_must "$b_pm" -y -q install "$@"; }
b_pacman_add() { b_must pacman -S --noconfirm --needed -- "$@"; }
b_pacman_del() { b_must pacman -R --noconfirm -- "$@"; }
b_zypper_add() { b_must zypper --non-interactive install -- "$@"; }
b_zypper_del() { b_must zypper --non-interactive remove -- "$@"; }
