# b_apt: the packages b_names (a line each: NAME, NAME=VERSION, NAME>=VERSION, patterns) in b_state, and what else the task asks.
b_apt() {
  DEBIAN_FRONTEND=noninteractive DEBIAN_PRIORITY=critical LC_ALL=C.UTF-8 LANGUAGE=C.UTF-8
  export DEBIAN_FRONTEND DEBIAN_PRIORITY LC_ALL LANGUAGE
  b_nl='
'
  command -v apt-get >/dev/null || fail '`apt-get` is not on this host; use `package`'
  b_fetched= b_more=$b_names$b_patterns$b_upgrade$b_deb
  if [ -n "$b_clean" ]; then
    [ -n "$CHECK" ] || b_apt_get clean
    if [ -z "$b_more" ]; then changed; return 0; fi
  fi
  if [ -n "$b_update" ]; then b_apt_refresh; fi
  if [ -n "$b_upgrade" ]; then b_apt_upgrade "$b_upgrade"; return 0; fi
  if [ -n "$b_deb" ]; then b_apt_deb; return 0; fi
  if [ -z "$b_names$b_patterns" ]; then
    [ -z "$b_autoclean" ] || b_apt_tidy autoclean
    [ -z "$b_autoremove" ] || b_apt_tidy autoremove
    return 0
  fi
  case $b_state in
    build-dep) b_apt_go build-dep ;;
    fixed) b_apt_go install --fix-broken ;;
    absent) b_apt_absent ;;
    *) b_apt_present ;;
  esac
}
# b_apt_get WORD...: apt-get with what the task asks of every run. Its words go into stdout and stderr.
b_apt_get() {
  b_tmp=$(mktemp -d "${TMPDIR:-/tmp}/.berth.XXXXXXXXXX") || fail 'cannot make a temporary folder'
  set -- -y -o "DPkg::Lock::Timeout=${b_lock:-60}" "$@"
  if [ -n "$CHECK" ]; then set -- --simulate "$@"; fi
  b_rest=$b_dpkg_options,
  while [ -n "$b_rest" ]; do
    b_x=${b_rest%%,*} b_rest=${b_rest#*,}
    [ -z "$b_x" ] || set -- -o "Dpkg::Options::=--$b_x" "$@"
  done
  [ -z "$b_force" ] || set -- --allow-downgrades --allow-remove-essential --allow-change-held-packages --allow-unauthenticated "$@"
  [ -z "$b_held" ] || set -- --allow-change-held-packages "$@"
  apt-get "$@" </dev/null >"$b_tmp/o" 2>"$b_tmp/e" 3>&-
  b_rc=$?
  b_o=$(cat "$b_tmp/o") b_e=$(cat "$b_tmp/e")
  rm -rf "$b_tmp"
  out stdout "$b_o"
  out stderr "$b_e"
  [ "$b_rc" != 0 ] || return 0
  outj rc "$b_rc"
  case $b_e in *'Unable to locate package '*)
    b_x=${b_e#*'Unable to locate package '}
    fail "No package matching '${b_x%%"$b_nl"*}' is available"
    ;;
  esac
  [ -n "$b_e" ] || b_e=$b_o
  fail "'apt-get $b_verb' failed: $b_e"
}
# Whether apt-get did, or would do, something.
b_apt_did() {
  case $b_o in *'0 upgraded, 0 newly installed, 0 to remove'*) return 1 ;; esac
  changed
  b_x=${b_o#*'Reading state information...'}
  b_x=${b_x#*"$b_nl"}
  differ packages '' "$b_x$b_nl"
}
# b_apt_go VERB [OPTION...]: installs b_todo or b_names.
b_apt_go() {
  b_verb=$1
  shift
  IFS=$b_nl
  set -f
  set -- "$@" -- ${b_todo:-$b_names}
  set +f
  unset IFS
  [ -z "$b_only" ] || set -- --only-upgrade "$@"
  [ -z "$b_noremove" ] || set -- --no-remove "$@"
  [ -z "$b_autoremove" ] || [ "$b_verb" = build-dep ] || set -- --auto-remove "$@"
  [ -z "$b_release" ] || set -- -t "$b_release" "$@"
  [ -z "$b_recommends" ] || set -- -o "APT::Install-Recommends=$b_recommends" "$@"
  [ -z "$b_unauth" ] || set -- --allow-unauthenticated "$@"
  [ -z "$b_downgrade" ] || set -- --allow-downgrades "$@"
  # A list that was never fetched is fetched now, so that a fresh host needs no extra step.
  if [ -z "$b_fetched$CHECK$b_nolists" ]; then
    set -- "$b_verb" "$@"
    for b_x in /var/lib/apt/lists/*_Packages* /var/lib/apt/lists/*_Release; do [ -e "$b_x" ] && break; b_x=; done
    [ -n "$b_x" ] || b_apt_update
    b_policy_on
    b_apt_get "$@"
  else
    b_policy_on
    b_apt_get "$b_verb" "$@"
  fi
  b_policy_off
  b_apt_did || :
}
# policy-rc.d decides whether a package may start its services.
b_policy_on() {
  [ -n "$b_policy" ] && [ -z "$CHECK" ] || return 0
  b_pol=/usr/sbin/policy-rc.d b_pol_old=
  if [ -e "$b_pol" ] || [ -h "$b_pol" ]; then
    b_pol_old=$(mktemp -d /usr/sbin/.berth.XXXXXXXXXX) && mv -- "$b_pol" "$b_pol_old/it" || fail "cannot put \`$b_pol\` aside"
  fi
  trap b_policy_off 0
  { printf '#!/bin/sh\nexit %s\n' "$b_policy" >"$b_pol" && chmod 755 "$b_pol"; } || fail "cannot write \`$b_pol\`"
}
b_policy_off() {
  [ -n "${b_pol-}" ] || return 0
  rm -f -- "$b_pol"
  if [ -n "$b_pol_old" ]; then mv -- "$b_pol_old/it" "$b_pol" && rmdir -- "$b_pol_old"; fi
  b_pol=
  trap - 0
}
b_apt_stamp() {
  b_x=/var/lib/apt/periodic/update-success-stamp
  [ -e "$b_x" ] || b_x=/var/lib/apt/lists
  b_stamp=$(stat -c %Y -- "$b_x" 2>/dev/null) || b_stamp=0
}
b_apt_refresh() {
  b_apt_stamp
  b_now=$(date +%s)
  b_x=false
  if [ $((b_stamp + ${b_valid:-0})) -lt "$b_now" ] || [ "${b_valid:-0}" = 0 ]; then
    b_was=$b_stamp
    if [ -n "$CHECK" ]; then b_x=true
    else
      b_apt_update
      b_apt_stamp
      [ "$b_was" = "$b_stamp" ] || b_x=true
    fi
  fi
  outj cache_updated "$b_x"
  outj cache_update_time "$b_stamp"
  if [ "$b_x" = true ] && [ -z "$b_more" ]; then changed; fi
}
b_apt_update() {
  b_fetched=1 b_n=0 b_wait=1
  while :; do
    b_n=$((b_n + 1))
    b_try apt-get -q -o "DPkg::Lock::Timeout=${b_lock:-60}" -o APT::Update::Error-Mode=any update && return 0
    [ "$b_n" -lt "${b_retries:-5}" ] || fail "Failed to update apt cache after $b_n retries: $b_x"
    warn "Failed to update cache after $b_n retries, trying again in $b_wait seconds"
    sleep "$b_wait"
    b_wait=$((b_wait * 2))
    [ "$b_wait" -le "${b_delay:-12}" ] || b_wait=${b_delay:-12}
  done
}
# b_apt_upgrade KIND: everything that is installed.
b_apt_upgrade() {
  case $1 in
    full | dist) set -- dist-upgrade ;;
    *) set -- upgrade --with-new-pkgs ;;
  esac
  b_verb=$1
  [ -z "$b_noremove" ] || set -- "$@" --no-remove
  [ -z "$b_autoremove" ] || set -- "$@" --auto-remove
  [ -z "$b_release" ] || set -- "$@" -t "$b_release"
  [ -z "$b_unauth" ] || set -- "$@" --allow-unauthenticated
  [ -z "$b_downgrade" ] || set -- "$@" --allow-downgrades
  b_policy_on
  b_apt_get "$@"
  b_policy_off
  out msg "$b_o"
  b_apt_did || :
}
b_apt_tidy() {
  b_verb=$1
  b_policy_on
  b_apt_get "$1" ${b_purge:+--purge}
  b_policy_off
  case $1:$b_o in
    autoclean:*'Del '* | autoremove:*'The following packages will be REMOVED'*)
      changed
      differ packages '' "$b_o$b_nl"
      ;;
  esac
}
# b_apt_have NAME...: STATUS NAME VERSION lines of those that dpkg knows, under all their names, into b_have.
b_apt_have() {
  b_have=$(dpkg-query -W -f '${db:Status-Status} ${Package} ${Version}\n${db:Status-Status} ${binary:Package} ${Version}\n${db:Status-Status} ${Package}:${Architecture} ${Version}\n' -- "$@" 2>/dev/null)
}
# b_apt_of NAME: its status and version from b_have into b_st and b_ver.
b_apt_of() {
  b_st= b_ver=
  # Of several architectures the installed one counts.
  while read -r b_s b_n b_v; do
    [ "$b_n" = "$1" ] || continue
    b_st=$b_s b_ver=$b_v
    [ "$b_s" != installed ] || break
  done <<B_END
$b_have
B_END
}
# b_apt_expand: the patterns among b_names become names; b_names holds NAME, b_specs the same lines as they were asked for.
b_apt_expand() {
  [ -n "$b_patterns" ] || return 0
  b_x=$( { printf '%s\n--\n' "$b_patterns"; apt-cache pkgnames; } | awk '
    $0 == "--" && !go { go = 1; next } !go { n++; re[n] = $0; next }
    { for (i = 1; i <= n; i++) if ($0 ~ re[i]) { hit[i] = 1; print; break } }
    END { for (i = 1; i <= n; i++) if (!hit[i]) print "!" i }' | sort)
  case $b_x in '!'*)
    b_n=${b_x%%"$b_nl"*}
    b_n=${b_n#!}
    b_x=$b_shown
    while [ "$b_n" -gt 1 ]; do b_x=${b_x#*"$b_nl"} b_n=$((b_n - 1)); done
    fail "No package(s) matching '${b_x%%"$b_nl"*}' available"
    ;;
  esac
  b_names=$b_names${b_names:+$b_nl}$b_x
}
# b_apt_split SPEC: into b_pkg, b_cmp (empty, = or >=) and b_want.
b_apt_split() {
  b_pkg=$1 b_cmp= b_want=
  case $1 in
    *'>='*) b_pkg=${1%%'>='*} b_cmp='>=' b_want=${1#*'>='} ;;
    *=*) b_pkg=${1%%=*} b_cmp='=' b_want=${1#*=} ;;
  esac
}
b_apt_present() {
  b_apt_expand
  IFS=$b_nl
  set -f
  set -- $b_names
  set +f
  unset IFS
  b_bare=
  for b_p; do b_apt_split "$b_p"; b_bare="$b_bare $b_pkg"; done
  set -f
  b_apt_have $b_bare
  set +f
  b_todo= b_olds= b_there=
  for b_p; do
    b_apt_split "$b_p"
    b_apt_of "$b_pkg"
    if [ "$b_st" != installed ]; then
      [ -n "$b_only" ] || b_todo=$b_todo$b_pkg${b_cmp:+=$b_want}$b_nl
      # The newest is asked for; whether it is new enough is seen below.
      [ "$b_cmp" != '>=' ] || { b_apt_newest; b_todo=${b_todo%"$b_pkg=$b_want$b_nl"}$b_pkg$b_nl; }
      continue
    fi
    b_there="$b_there $b_pkg"
    case $b_cmp in
      '') [ "$b_state" != latest ] || b_olds="$b_olds $b_pkg" ;;
      '=')
        case $b_ver in $b_want) ;; *) b_todo=$b_todo$b_pkg=$b_want$b_nl ;; esac
        ;;
      *)
        if [ "$b_state" = latest ]; then b_olds="$b_olds $b_pkg"
        elif ! dpkg --compare-versions "$b_ver" ge "$b_want"; then b_apt_newest; b_todo=$b_todo$b_pkg$b_nl; fi
        ;;
    esac
  done
  if [ -n "$b_olds" ]; then
    b_x=$(apt-cache ${b_release:+-o "APT::Default-Release=$b_release"} policy -- $b_olds 2>/dev/null)
    b_cur=
    while IFS= read -r b_l; do
      case $b_l in
        [!\ ]*:) b_cur=${b_l%:} ;;
        *Installed:*) b_inst=${b_l##* } ;;
        *Candidate:*) case ${b_l##* } in "$b_inst" | '(none)') ;; *) b_todo=$b_todo$b_cur$b_nl ;; esac ;;
      esac
    done <<B_END
$b_x
B_END
  fi
  # Somebody wants these now: they must not go as leftovers.
  if [ -n "$b_there" ] && [ -z "$CHECK" ] && [ -f /var/lib/apt/extended_states ]; then
    b_x=$(awk -v names="$b_there " '/^Package:/ { p = $2 } /^Auto-Installed: 1/ && index(names, " " p " ") { print p }' /var/lib/apt/extended_states)
    [ -z "$b_x" ] || b_try apt-mark manual $b_x || warn "cannot mark as manually installed: $b_x"
  fi
  [ -n "$b_todo" ] || return 0
  b_todo=${b_todo%"$b_nl"}
  b_apt_go install
}
# Fails when the newest b_pkg that the lists offer is older than b_want.
b_apt_newest() {
  b_x=$(apt-cache policy -- "$b_pkg" 2>/dev/null)
  b_x=${b_x#*Candidate: }
  b_x=${b_x%%"$b_nl"*}
  dpkg --compare-versions "${b_x:-0}" ge "$b_want" || fail "no available installation candidate for $b_p"
}
b_apt_absent() {
  b_apt_expand
  b_bare= b_todo=
  IFS=$b_nl
  set -f
  for b_p in $b_names; do b_apt_split "$b_p"; b_bare=$b_bare$b_pkg$b_nl; done
  set -- $b_names
  b_apt_have $b_bare
  set +f
  unset IFS
  for b_p; do
    b_apt_split "$b_p"
    b_apt_of "$b_pkg"
    case $b_st:$b_purge in installed:* | ?*:1) ;; *) continue ;; esac
    if [ "$b_cmp" = = ]; then case $b_ver in $b_want) ;; *) continue ;; esac; fi
    b_todo="$b_todo $b_pkg"
  done
  [ -n "$b_todo" ] || return 0
  b_verb="remove$b_todo"
  b_policy_on
  b_apt_get remove ${b_purge:+--purge} ${b_autoremove:+--auto-remove} -- $b_todo
  b_policy_off
  b_apt_did || :
}
# The packages in the files b_deb, a line each.
b_apt_deb() {
  b_todo=
  IFS=$b_nl
  set -f
  set -- $b_deb
  set +f
  unset IFS
  for b_p; do
    case $b_p in
      *://*)
        b_dl=$(mktemp -d "${TMPDIR:-/tmp}/.berth.XXXXXXXXXX") && chmod 755 "$b_dl" || fail 'cannot make a temporary folder'
        trap 'rm -rf -- "$b_dl"' 0
        b_f=$b_dl/${b_p##*/}
        b_f=${b_f%%[?#]*}
        case $b_f in *.deb) ;; *) b_f=$b_dl/package.deb ;; esac
        b_insecure=$b_force
        b_fetch "$b_p" "$b_f"
        b_p=$b_f
        ;;
      ./* | /*) ;;
      *) b_p=./$b_p ;;
    esac
    b_x=$(dpkg-deb -f "$b_p" Package Version Architecture 2>&1) || fail "Unable to install package: $b_x"
    b_pkg=${b_x#*Package: } b_ver_new=${b_x#*Version: } b_arch=${b_x#*Architecture: }
    b_pkg=${b_pkg%%"$b_nl"*} b_ver_new=${b_ver_new%%"$b_nl"*} b_arch=${b_arch%%"$b_nl"*}
    b_apt_have "$b_pkg"
    if [ "$b_arch" = all ]; then b_apt_of "$b_pkg"; else b_apt_of "$b_pkg:$b_arch"; fi
    if [ "$b_st" = installed ]; then
      [ "$b_ver" != "$b_ver_new" ] || continue
      if [ -z "$b_force$b_downgrade" ] && dpkg --compare-versions "$b_ver" gt "$b_ver_new"; then
        fail 'A later version is already installed'
      fi
    fi
    case $b_p in ./*) b_p=$PWD/${b_p#./} ;; esac
    b_todo=$b_todo$b_p$b_nl
  done
  [ -n "$b_todo" ] || return 0
  b_todo=${b_todo%"$b_nl"} b_nolists=1
  b_apt_go install
}
