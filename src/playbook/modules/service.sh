# b_service: b_name in b_state, b_enabled, b_masked, by b_manager or the one that is found.
b_service() {
  if [ -z "$b_manager" ]; then
    if [ -d /run/systemd/system ]; then b_manager=systemd
    elif command -v rc-service >/dev/null; then b_manager=openrc
    elif [ -d /etc/init.d ]; then b_manager=sysv
    else fail 'no systemd, OpenRC or /etc/init.d is on this host'; fi
  fi
  if [ "$b_manager" = systemd ]; then
    b_user_bus
    if [ -n "$b_reexec" ]; then [ -n "$CHECK" ] || b_do systemctl $b_whose daemon-reexec; fi
    if [ -n "$b_reload" ]; then [ -n "$CHECK" ] || b_do systemctl $b_whose daemon-reload; fi
  elif [ -n "${b_own-}" ]; then fail "\`$b_own\` is only for systemd, and this host has $b_manager"; fi
  if [ -z "$b_name" ]; then return 0; fi
  out name "$b_name"
  "b_${b_manager}_look"
  if [ -n "$b_masked" ] && [ "$b_masked" != "$b_is_masked" ]; then
    changed
    if [ -z "$CHECK" ]; then
      if [ "$b_masked" = yes ]; then b_do systemctl $b_whose mask -- "$b_name"; else b_do systemctl $b_whose unmask -- "$b_name"; fi
    fi
  fi
  if [ -n "$b_enabled" ]; then
    if [ "$b_enabled" != "$b_is_enabled" ]; then
      changed
      [ -n "$CHECK" ] || "b_${b_manager}_enable"
    fi
    if [ "$b_enabled" = yes ]; then outj enabled true; else outj enabled false; fi
  fi
  case $b_state in
    '') return 0 ;;
    started) out state started; [ "$b_runs" != yes ] || return 0 ;;
    stopped) out state stopped; [ "$b_runs" != no ] || return 0 ;;
    reloaded) out state started; [ "$b_runs" = yes ] || b_state=started ;;
    *) out state started ;;
  esac
  changed
  [ -z "$CHECK" ] || return 0
  case $b_state in
    started) "b_${b_manager}_go" start ;;
    stopped) "b_${b_manager}_go" stop ;;
    reloaded) "b_${b_manager}_go" reload ;;
    restarted)
      if [ "${b_sleep:-0}" = 0 ]; then "b_${b_manager}_go" restart
      else
        "b_${b_manager}_go" stop
        sleep "$b_sleep"
        "b_${b_manager}_go" start
      fi
      ;;
  esac
}
# Whose units, as an option of systemctl; a user's own manager is found by its folder.
b_user_bus() {
  case ${b_scope-} in
    user)
      b_whose=--user
      [ -n "${XDG_RUNTIME_DIR-}" ] || { XDG_RUNTIME_DIR=/run/user/$(id -u); export XDG_RUNTIME_DIR; }
      ;;
    global) b_whose=--global ;;
    *) b_whose= ;;
  esac
}
# b_do COMMAND...: its own noise is the message when it fails. What it leaves running must not hold our pipes.
b_do() {
  b_log=$(mktemp "${TMPDIR:-/tmp}/.berth.XXXXXXXXXX") || fail 'cannot make a temporary file'
  "$@" </dev/null >"$b_log" 2>&1 3>&-
  b_rc=$?
  b_x=$(tail -c 2000 "$b_log")
  rm -f "$b_log"
  [ "$b_rc" = 0 ] || fail "\`$1 $2${3:+ $3}${4:+ $4}\` failed: $b_x"
}
b_systemd_look() {
  b_x=$(systemctl $b_whose show -- "$b_name" 2>&1) || fail "systemctl: $b_x"
  out shown "$b_x"
  # Our own line first: a description may hold anything.
  b_x=$(printf '%s\n' "$b_x" | grep -E '^(LoadState|ActiveState|UnitFileState)=')
  b_runs=no b_is_enabled=no b_is_masked=no
  case $b_x in *ActiveState=active* | *ActiveState=activating* | *ActiveState=reloading*) b_runs=yes ;; esac
  case $b_x in *UnitFileState=enabled* | *UnitFileState=static* | *UnitFileState=alias* | *UnitFileState=indirect*) b_is_enabled=yes ;; esac
  case $b_x in *LoadState=masked*) b_is_masked=yes ;; esac
  case $b_x in
    *LoadState=not-found*) [ -n "$CHECK" ] || fail "could not find the requested service $b_name" ;;
  esac
  # A service that is only an init script has no unit file state.
  case $b_x in
    *UnitFileState=generated* | *UnitFileState=bad*) if systemctl $b_whose is-enabled --quiet -- "$b_name" 2>/dev/null; then b_is_enabled=yes; fi ;;
  esac
}
b_systemd_enable() {
  if [ "$b_enabled" = yes ]; then b_do systemctl $b_whose enable ${b_force:+--force} -- "$b_name"; else b_do systemctl $b_whose disable -- "$b_name"; fi
}
b_systemd_go() { b_do systemctl $b_whose "$1" ${b_noblock:+--no-block} -- "$b_name"; }
b_openrc_look() {
  b_is_masked=no b_runs=no b_is_enabled=no
  rc-service -e "$b_name" 2>/dev/null || [ -n "$CHECK" ] || fail "could not find the requested service $b_name"
  if rc-service "$b_name" status >/dev/null 2>&1 3>&-; then b_runs=yes; fi
  if [ -e "/etc/runlevels/$b_level/$b_name" ]; then b_is_enabled=yes; fi
}
b_openrc_enable() {
  if [ "$b_enabled" = yes ]; then b_do rc-update add "$b_name" "$b_level"; else b_do rc-update delete "$b_name" "$b_level"; fi
}
b_openrc_go() { b_do rc-service "$b_name" "$1" $b_more; }
b_sysv_look() {
  b_initd=${b_initd:-/etc/init.d}
  b_is_masked=no b_runs=no b_is_enabled=no
  [ -x "$b_initd/$b_name" ] || { [ -n "$CHECK" ] || fail "could not find the requested service $b_name"; return 0; }
  if [ -n "${b_pattern-}" ]; then
    # The words of every process, our own left out.
    for b_f in /proc/[0-9]*/cmdline; do
      [ "$b_f" != "/proc/$$/cmdline" ] || continue
      b_x=$(tr '\000' ' ' <"$b_f" 2>/dev/null) || continue
      case $b_x in *"$b_pattern"*) b_runs=yes; break ;; esac
    done
  elif "$b_initd/$b_name" status </dev/null >/dev/null 2>&1 3>&-; then b_runs=yes; fi
  for b_f in /etc/rc[2345].d/S[0-9][0-9]"$b_name" /etc/rc.d/rc[2345].d/S[0-9][0-9]"$b_name"; do
    if [ -e "$b_f" ]; then b_is_enabled=yes; fi
  done
}
b_sysv_enable() {
  if command -v update-rc.d >/dev/null; then
    if [ "$b_enabled" = yes ]; then
      b_do update-rc.d "$b_name" defaults
      b_do update-rc.d "$b_name" enable
    else b_do update-rc.d "$b_name" disable; fi
  elif command -v chkconfig >/dev/null; then
    if [ "$b_enabled" = yes ]; then b_do chkconfig "$b_name" on; else b_do chkconfig "$b_name" off; fi
  else fail 'neither update-rc.d nor chkconfig is on this host: a service cannot be enabled'; fi
}
b_sysv_go() { b_do "$b_initd/$b_name" "$1" $b_more; }
