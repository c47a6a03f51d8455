# b_package: the packages b_names, a line each, in b_state, by b_pm or the manager that is found.
b_package() {
  if [ -z "$b_pm" ]; then
    for b_pm in apt-get apk dnf5 dnf yum pacman zypper; do command -v "$b_pm" >/dev/null && break; b_pm=; done
    [ -n "$b_pm" ] || fail 'no package manager that Berth knows is on this host'
  fi
  case $b_pm in apt-get) b_pm=apt ;; dnf5) b_pm=dnf ;; esac
  out pkg_mgr "$b_pm"
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
b_run() {
  b_log=$(mktemp "${TMPDIR:-/tmp}/.berth.XXXXXXXXXX") || fail 'cannot make a temporary file'
  "$@" </dev/null >"$b_log" 2>&1 3>&-
  b_rc=$?
  b_x=$(tail -c 3000 "$b_log")
  rm -f "$b_log"
  [ "$b_rc" = 0 ] || fail "\`$1\` failed (rc $b_rc): $b_x"
}
b_listless() {
  case $b_pm in
    apt) set -- /var/lib/apt/lists/*_Packages* ;;
    apk) set -- /var/cache/apk/APKINDEX* /var/lib/apk/* ; [ -e "$1" ] || return 0; return 1 ;;
    pacman) set -- /var/lib/pacman/sync/*.db ;;
    *) return 1 ;;
  esac
  [ ! -e "$1" ]
}
b_refresh() {
  if [ -n "$b_valid" ] && [ "$b_valid" -gt 0 ]; then
    case $b_pm in apt) b_stamp=/var/lib/apt/lists ;; apk) b_stamp=/var/cache/apk ;; pacman) b_stamp=/var/lib/pacman/sync ;; *) b_stamp=/var/cache/$b_pm ;; esac
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
    apt) b_run apt-get -q -o "DPkg::Lock::Timeout=${b_lock:-60}" update ;;
    apk) b_run apk update ;;
    pacman) b_run pacman -Sy --noconfirm ;;
    zypper) b_run zypper --non-interactive refresh ;;
    *) b_run "$b_pm" -q makecache ;;
  esac
}
# b_missing NAME...: those that are not installed (for apt: not in that version), a line each.
b_missing() {
  case $b_pm in
    apt)
      b_have=$(b_dpkg "$@")
      for b_p; do
        case "
$b_have
" in
          *"
${b_p%%=*}="*)
            case $b_p in *=*) ;; *) continue ;; esac
            case "
$b_have
" in *"
$b_p
"*) continue ;; esac
            ;;
          *) [ -z "$b_only" ] || continue ;;
        esac
        echo "$b_p"
      done
      ;;
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
    apt)
      b_have=$(b_dpkg "$@")
      for b_p; do case "
$b_have
" in *"
${b_p%%=*}="*) echo "${b_p%%=*}" ;; esac; done
      ;;
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
    apt)
      b_have=$(b_dpkg "$@")
      b_new=$(LC_ALL=C apt-cache policy -- "$@" 2>/dev/null) || echo '!'
      b_cur=
      while IFS= read -r b_l; do
        case $b_l in
          [!\ ]*:) b_cur=${b_l%:} ;;
          *Installed:*) b_inst=${b_l##* } ;;
          *Candidate:*)
            if [ "${b_l##* }" != "$b_inst" ] && [ "$b_inst" != '(none)' ] && [ "${b_l##* }" != '(none)' ]; then echo "$b_cur"; fi
            ;;
        esac
      done <<B_END
$b_new
B_END
      ;;
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
# The installed ones of NAME..., as NAME=VERSION lines; a name may come with its architecture.
b_dpkg() {
  b_q=
  for b_p; do b_q="$b_q ${b_p%%=*}"; done
  set -f
  dpkg-query -W -f '${db:Status-Status} ${Package}=${Version}\n${db:Status-Status} ${binary:Package}=${Version}\n${db:Status-Status} ${Package}:${Architecture}=${Version}\n' -- $b_q 2>/dev/null |
    while read -r b_s b_p; do if [ "$b_s" = installed ]; then echo "$b_p"; fi; done
  set +f
}
b_apt() {
  DEBIAN_FRONTEND=noninteractive
  export DEBIAN_FRONTEND
  b_run apt-get -y -q -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
    -o "DPkg::Lock::Timeout=${b_lock:-60}" ${b_recommends:+-o "APT::Install-Recommends=$b_recommends"} ${b_release:+-t "$b_release"} "$@"
}
b_apt_add() { b_apt install ${b_only:+--only-upgrade} -- "$@"; }
b_apt_del() { b_apt remove ${b_purge:+--purge} ${b_auto:+--auto-remove} -- "$@"; }
b_apk_add() { if [ "$b_state" = latest ]; then b_run apk add -u "$@"; else b_run apk add "$@"; fi; }
b_apk_del() { b_run apk del "$@"; }
b_dnf_add() { b_rpm_add "$@"; }
b_dnf_del() { b_run "$b_pm" -y -q remove "$@"; }
b_yum_add() { b_rpm_add "$@"; }
b_yum_del() { b_run "$b_pm" -y -q remove "$@"; }
# An install of what is there in an older version upgrades it.
b_rpm_add() { b_run "$b_pm" -y -q install "$@"; }
b_pacman_add() { b_run pacman -S --noconfirm --needed -- "$@"; }
b_pacman_del() { b_run pacman -R --noconfirm -- "$@"; }
b_zypper_add() { b_run zypper --non-interactive install -- "$@"; }
b_zypper_del() { b_run zypper --non-interactive remove -- "$@"; }
