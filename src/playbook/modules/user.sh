# One pass over /etc/group: the wanted primary group's number into b_ggid, the account's further groups into b_in
# (,a,b,), and every group as NAME:GID lines into b_map.
b_user_groups() {
  b_ggid= b_bynum= b_in=, b_map='
'
  while IFS=: read -r b_n b_x b_g b_m; do
    [ "$b_n" != "$b_group" ] || b_ggid=$b_g
    [ "$b_g" != "$b_group" ] || b_bynum=$b_g
    case ,$b_m, in *",$b_name,"*) b_in=$b_in$b_n, ;; esac
    b_map="$b_map$b_n:$b_g
"
  done </etc/group
  [ -n "$b_ggid" ] || b_ggid=$b_bynum
  if [ -n "$b_group" ] && [ -z "$b_ggid" ] && [ -z "$CHECK" ]; then fail "group \`$b_group\` does not exist; make it first"; fi
  # The wanted further groups, by name, into b_want (,a,b,).
  b_want=,
  b_rest=$b_groups,
  while [ -n "$b_rest" ]; do
    b_g=${b_rest%%,*} b_rest=${b_rest#*,}
    [ -n "$b_g" ] || continue
    case $b_map in
      *"
$b_g:"*) ;;
      *":$b_g
"*)
        b_x=${b_map%%":$b_g
"*}
        b_g=${b_x##*"
"}
        ;;
      *) [ -n "$CHECK" ] || fail "group \`$b_g\` does not exist; make it first" ;;
    esac
    case $b_want in *",$b_g,"*) ;; *) b_want=$b_want$b_g, ;; esac
  done
  if [ -n "$b_append" ]; then
    b_rest=${b_in#,}
    while [ -n "$b_rest" ]; do
      b_g=${b_rest%%,*} b_rest=${b_rest#*,}
      case $b_want in *",$b_g,"*) ;; *) b_want=$b_want$b_g, ;; esac
    done
  fi
}
# Whether b_in and b_want hold the same groups. The primary group may be listed by name; that is no difference.
b_user_in() {
  b_rest=${b_want#,}
  while [ -n "$b_rest" ]; do
    b_g=${b_rest%%,*} b_rest=${b_rest#*,}
    case $b_in in *",$b_g,"*) continue ;; esac
    case $b_map in *"
$b_g:${b_ggid:-$b_pw_gid}
"*) ;; *) return 1 ;; esac
  done
  b_rest=${b_in#,}
  while [ -n "$b_rest" ]; do
    b_g=${b_rest%%,*} b_rest=${b_rest#*,}
    case $b_want in *",$b_g,"*) ;; *) return 1 ;; esac
  done
}
b_user_present() {
  outs Oname "$b_name" Ostate present
  b_remote=1
  b_pwent "$b_name"
  b_user_groups
  if [ -z "$b_found" ]; then b_user_add; else b_user_change; fi
}
b_user_report() {
  outs Juid "${b_pw_uid:-null}" Jgroup "${b_pw_gid:-null}" Ohome "$b_pw_home" Oshell "$b_pw_shell" Ocomment "$b_pw_gecos"
  if [ -n "$b_groups_given" ]; then out groups "$b_groups"; fi
  if [ -n "$b_password" ]; then out password NOT_LOGGING_PASSWORD; fi
}
b_user_add() {
  changed
  differ "$b_name" 'absent
' 'present
'
  if [ -n "$b_create_home" ]; then outj create_home true; else outj create_home false; fi
  [ -z "$CHECK" ] || return 0
  b_gwant=${b_want#,} b_gwant=${b_gwant%,}
  if command -v useradd >/dev/null; then
    if [ -n "$b_create_home" ]; then set -- -m ${b_skel:+-k "$b_skel"} ${b_umask:+-K "UMASK=$b_umask"}; else set -- -M; fi
    if [ -n "$b_ggid" ]; then set -- "$@" -g "$b_ggid"
    else case $b_map in *"
$b_name:"*) set -- "$@" -N ;; esac; fi
    [ -z "$b_gwant" ] || set -- "$@" -G "$b_gwant"
    [ -z "$b_comment_given" ] || set -- "$@" -c "$b_comment"
    b_x=$(useradd "$@" ${b_uid:+-u "$b_uid"} ${b_dup:+-o} ${b_system:+-r} ${b_home:+-d "$b_home"} \
      ${b_shell:+-s "$b_shell"} ${b_expire_date:+-e "$b_expire_date"} ${b_inactive:+-f "$b_inactive"} \
      ${b_uid_min:+-K "UID_MIN=$b_uid_min"} ${b_uid_max:+-K "UID_MAX=$b_uid_max"} -- "$b_name" 2>&1) || fail "useradd: $b_x"
  else
    b_user_make
  fi
  if [ -n "$b_password" ]; then
    case $b_lock$b_password in yes!*) b_hash=$b_password ;; yes*) b_hash=!$b_password ;; *) b_hash=$b_password ;; esac
    b_user_hash
  elif [ "$b_lock" = yes ]; then b_spent "$b_name"; b_user_lock; fi
  b_pwent "$b_name"
  if [ -n "$b_max$b_min$b_warn" ] || { [ -n "$b_inactive$b_expire" ] && ! command -v useradd >/dev/null; }; then
    b_spent "$b_name"
    b_user_ages
  fi
  b_user_report
}
# The hash b_hash becomes the account's, over standard input.
b_user_hash() {
  if command -v chpasswd >/dev/null; then
    b_x=$(chpasswd -e 2>&1 <<B_END
$b_name:$b_hash
B_END
) || fail "chpasswd: $b_x"
  else
    [ -f /etc/shadow ] || fail 'this host has no /etc/shadow'
    b_now=$(date +%s)
    b_edit /etc/shadow "$b_name" b_shadow_hash
  fi
}
b_shadow_hash() {
  b_r=${b_l#*:} b_r=${b_r#*:}
  b_new=$b_name:$b_hash:$((b_now / 86400)):${b_r#*:}
}
# Locks or unlocks the password whose hash is b_sp_hash, as b_lock says. True when that is a change.
b_user_lock() {
  case $b_lock,$b_sp_hash in
    yes,!* | no,[!!]* | no, | no,! | ,*) return 1 ;;
    yes,*) b_hash=!$b_sp_hash ;;
    *) b_hash=${b_sp_hash#!} ;;
  esac
  changed
  if [ -n "$CHECK" ]; then return 0; fi
  b_user_hash
}
# Password ages and the account's end, fields 4 to 8 of b_sp. True when something differs.
b_user_ages() {
  b_r=${b_sp#*:*:*:}
  b_f4=${b_r%%:*} b_r=${b_r#*:}
  b_f5=${b_r%%:*} b_r=${b_r#*:}
  b_f6=${b_r%%:*} b_r=${b_r#*:}
  b_f7=${b_r%%:*} b_r=${b_r#*:}
  b_f8=${b_r%%:*}
  b_was=$b_f4:$b_f5:$b_f6:$b_f7:$b_f8
  b_f4=${b_min:-$b_f4} b_f5=${b_max:-$b_f5} b_f6=${b_warn:-$b_f6} b_f7=${b_inactive:-$b_f7} b_f8=${b_expire:-$b_f8}
  [ "$b_f7" != -1 ] || b_f7=
  [ "$b_f8" != never ] || b_f8=
  b_ages=$b_f4:$b_f5:$b_f6:$b_f7:$b_f8
  [ -n "$b_sp" ] && [ "$b_was" != "$b_ages" ] || return 1
  changed
  [ -z "$CHECK" ] || return 0
  if command -v chage >/dev/null; then
    b_x=$(chage ${b_min:+-m "$b_min"} ${b_max:+-M "$b_max"} ${b_warn:+-W "$b_warn"} ${b_inactive:+-I "$b_inactive"} \
      ${b_expire:+-E "${b_f8:--1}"} -- "$b_name" 2>&1) || fail "chage: $b_x"
  else
    b_edit /etc/shadow "$b_name" b_shadow_ages
  fi
}
b_shadow_ages() {
  b_r=${b_l#*:} b_h=${b_r%%:*} b_r=${b_r#*:} b_new=$b_name:$b_h:${b_r%%:*}:$b_ages:${b_l##*:}
}
b_user_change() {
  set --
  b_old=$b_found
  b_was_home=$b_pw_home b_was_uid=$b_pw_uid
  if [ -n "$b_uid" ] && [ "$b_uid" != "$b_pw_uid" ]; then set -- "$@" -u "$b_uid" ${b_dup:+-o}; b_pw_uid=$b_uid; fi
  if [ -n "$b_group" ] && [ "$b_ggid" != "$b_pw_gid" ]; then set -- "$@" -g "$b_ggid"; b_pw_gid=$b_ggid; fi
  b_regroup=
  if [ -n "$b_groups_given" ] && ! b_user_in; then
    b_gwant=${b_want#,} b_gwant=${b_gwant%,} b_regroup=1
    set -- "$@" -G "$b_gwant"
  fi
  if [ -n "$b_comment_given" ] && [ "$b_comment" != "$b_pw_gecos" ]; then set -- "$@" -c "$b_comment"; b_pw_gecos=$b_comment; fi
  if [ -n "$b_home" ] && [ "$b_home" != "$b_pw_home" ]; then set -- "$@" -d "$b_home" ${b_move:+-m}; b_pw_home=$b_home; fi
  if [ -n "$b_shell" ] && [ "$b_shell" != "$b_pw_shell" ]; then set -- "$@" -s "$b_shell"; b_pw_shell=$b_shell; fi
  if [ $# -gt 0 ]; then
    changed
    b_pw=$b_name:x:$b_pw_uid:$b_pw_gid:$b_pw_gecos:$b_pw_home:$b_pw_shell
    if [ -n "$b_regroup" ]; then b_x=$b_want; else b_x=$b_in; fi
    differ "$b_name" "$b_old
groups $b_in
" "$b_pw
groups $b_x
"
    if [ -n "$CHECK" ]; then :
    elif command -v usermod >/dev/null; then b_x=$(usermod "$@" -- "$b_name" 2>&1) || fail "usermod: $b_x"
    else b_user_rewrite; fi
  fi
  if [ -n "$b_password$b_lock$b_max$b_min$b_warn$b_inactive$b_expire" ]; then
    b_spent "$b_name"
    b_bare=$b_password b_cur=$b_sp_hash
    while :; do case $b_bare in !*) b_bare=${b_bare#!} ;; *) break ;; esac; done
    while :; do case $b_cur in !*) b_cur=${b_cur#!} ;; *) break ;; esac; done
    if [ -n "$b_password" ] && [ -z "$b_pw_once" ] && [ "$b_bare" != "$b_cur" ]; then
      changed
      if [ -z "$CHECK" ]; then
        case $b_lock,$b_password in yes,[!!]*) b_hash=!$b_password ;; *) b_hash=$b_password ;; esac
        b_user_hash
      fi
    else
      b_user_lock || :
    fi
    if [ -n "$b_max$b_min$b_warn$b_inactive$b_expire" ]; then b_user_ages || :; fi
  fi
  if [ -n "$b_create_home" ] && [ -n "$b_pw_home" ] && [ ! -d "$b_pw_home" ]; then
    changed
    [ -n "$CHECK" ] || b_user_mkhome
  fi
  b_user_report
}
# The home folder b_pw_home with the skeleton's files, for b_pw_uid and b_pw_gid.
b_user_mkhome() {
  b_up=${b_pw_home%/*}
  [ -d "${b_up:-/}" ] || b_x=$(mkdir -p -- "$b_up" 2>&1) || fail "cannot make \`$b_up\`: $b_x"
  b_octal $((0777 & ~0${b_umask:-022}))
  b_x=$(mkdir -m 700 -- "$b_pw_home" 2>&1) || fail "cannot make the home folder: $b_x"
  b_skel=${b_skel:-/etc/skel}
  [ ! -d "$b_skel" ] || b_x=$(cp -R -- "$b_skel/." "$b_pw_home" 2>&1) || fail "cannot copy \`$b_skel\`: $b_x"
  b_x=$(chown -R -h -- "$b_pw_uid:$b_pw_gid" "$b_pw_home" 2>&1) || fail "cannot give the home folder away: $b_x"
  b_x=$(chmod -- "$b_W" "$b_pw_home" 2>&1) || fail "cannot set the home folder's mode: $b_x"
}
# A new account on a host without useradd.
b_user_make() {
  b_taken=
  while IFS=: read -r b_n b_x b_u b_rest; do [ "$b_u" != "$b_uid" ] || b_taken=$b_n; done </etc/passwd
  if [ -n "$b_uid" ] && [ -n "$b_taken" ] && [ -z "$b_dup" ]; then fail "uid $b_uid is taken by \`$b_taken\`"; fi
  if [ -z "$b_uid" ]; then b_id_min=$b_uid_min b_id_max=$b_uid_max; b_free /etc/passwd; b_uid=$b_id; fi
  if [ -z "$b_ggid" ]; then
    case $b_map in
      *"
$b_name:"*)
        b_grent users
        b_ggid=${b_gr_gid:-100}
        ;;
      *)
        case $b_map in *":$b_uid
"*) b_free /etc/group; b_gid=$b_id ;; *) b_gid=$b_uid ;; esac
        b_group_make
        b_ggid=$b_gid
        ;;
    esac
  fi
  b_now=$(date +%s)
  if [ -f /etc/shadow ]; then
    b_new="$b_name:!:$((b_now / 86400)):0:99999:7:::"
    b_edit /etc/shadow "$b_name" b_add
    b_x=x
  else b_x='!'; fi
  b_pw_uid=$b_uid b_pw_gid=$b_ggid b_pw_home=${b_home:-/home/$b_name}
  b_new="$b_name:$b_x:$b_uid:$b_ggid:$b_comment:$b_pw_home:${b_shell:-/bin/sh}"
  b_edit /etc/passwd "$b_name" b_add
  if [ -n "$b_gwant" ]; then b_edit /etc/group '' b_group_members; fi
  if [ -n "$b_create_home" ] && [ ! -d "$b_pw_home" ]; then b_user_mkhome; fi
}
# Changes to an account on a host without usermod.
b_user_rewrite() {
  b_new_pw=$b_pw
  b_edit /etc/passwd "$b_name" b_user_line
  if [ -n "$b_regroup" ]; then b_edit /etc/group '' b_group_members; fi
  if [ -n "$b_move" ] && [ "$b_was_home" != "$b_pw_home" ] && [ -d "$b_was_home" ]; then
    [ ! -e "$b_pw_home" ] || fail "\`$b_pw_home\` is there already; the home folder was not moved"
    b_x=$(mv -- "$b_was_home" "$b_pw_home" 2>&1) || fail "cannot move the home folder: $b_x"
  fi
  if [ "$b_was_uid" != "$b_pw_uid" ] && [ -d "$b_pw_home" ] && [ ! -h "$b_pw_home" ]; then
    b_x=$(find "$b_pw_home" -xdev -user "$b_was_uid" -exec chown -h "$b_pw_uid" {} + 2>&1) || fail "cannot give the home folder to $b_pw_uid: $b_x"
  fi
}
b_user_line() {
  b_x=${b_l#*:}
  b_new=$b_name:${b_x%%:*}:${b_new_pw#*:*:}
}
# The account is in exactly the groups of b_want: for every line of /etc/group.
b_group_members() {
  b_new=$b_l
  b_n=${b_l%%:*} b_who=,${b_l##*:},
  case $b_want in
    *",$b_n,"*) case $b_who in *",$b_name,"*) ;; ,,) b_new=$b_l$b_name ;; *) b_new=$b_l,$b_name ;; esac ;;
    *)
      case $b_who in
        *",$b_name,"*)
          b_who=${b_who%%",$b_name,"*},${b_who#*",$b_name,"}
          b_who=${b_who#,} b_who=${b_who%,}
          b_new=${b_l%:*}:$b_who
          ;;
      esac
      ;;
  esac
}
