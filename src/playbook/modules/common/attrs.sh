# b_look PATH: what PATH is, itself and not what it points to, with one process at most.
# Sets b_T (file directory link fifo socket char block absent) and b_M b_UID b_GID b_SIZE b_LINKS b_U b_G.
b_look() {
  b_T=absent b_M= b_UID= b_GID= b_SIZE= b_LINKS= b_U= b_G=
  [ -e "$1" ] || [ -h "$1" ] || return 0
  b_facts "$1" ''
}
# b_look_in PATH: as b_look; when there is something, the folder it is in as well, for b_enter: into b_seen, and open as descriptor 8.
b_look_in() {
  b_T=absent b_M= b_UID= b_GID= b_SIZE= b_LINKS= b_U= b_G= b_seen=
  [ -e "$1" ] || [ -h "$1" ] || return 0
  case $1 in */*) b_dir=${1%/*}/ ;; *) b_dir=./ ;; esac
  if [ -r "$b_dir" ] && [ -O "$b_dir" ] && [ -d /proc/self/fd/. ]; then
    exec 8<"$b_dir"
    b_facts "$1" '' /proc/self/fd/8/.
  else b_facts "$1" ''; fi
}
# b_look_through PATH: the same, of what PATH points to.
b_look_through() {
  b_T=absent b_M= b_UID= b_GID= b_SIZE= b_LINKS= b_U= b_G=
  [ -e "$1" ] || return 0
  b_facts "$1" -L
}
b_facts() {
  b_x=$(stat $2 -c '%f:%a:%u:%g:%s:%h:%U:%G' -- "$1" ${3-} 2>&1) || fail "cannot look at \`$1\`: $b_x"
  IFS=':
'
  set -f
  set -- $b_x
  set +f
  unset IFS
  case $((0x$1 & 61440)) in
    32768) b_T=file ;;
    16384) b_T=directory ;;
    40960) b_T=link ;;
    4096) b_T=fifo ;;
    49152) b_T=socket ;;
    8192) b_T=char ;;
    *) b_T=block ;;
  esac
  b_M=$2 b_UID=$3 b_GID=$4 b_SIZE=$5 b_LINKS=$6 b_U=$7 b_G=$8
  [ $# -lt 16 ] || b_seen=${10}:${12}:${16}
}
# b_octal NUMBER: into b_W, no leading zero.
b_octal() {
  b_W=$(($1 >> 9 & 7))$(($1 >> 6 & 7))$(($1 >> 3 & 7))$(($1 & 7))
  while :; do case $b_W in 0?*) b_W=${b_W#0} ;; *) break ;; esac; done
}
# b_want_mode SPEC NOW TYPE: the octal mode that SPEC makes of NOW, into b_W.
b_want_mode() {
  case $1 in *[!0-7]*) ;; *) b_W=$1; return 0 ;; esac
  b_v=$((0$2)) b_orig=$((0$2)) b_rest=$1,
  while [ -n "$b_rest" ]; do
    b_c=${b_rest%%,*} b_rest=${b_rest#*,}
    b_who=${b_c%%[-+=]*}
    b_c=${b_c#"$b_who"} b_um=0
    case $b_who in '') b_um=$((0$(umask))) b_who=ugo ;; *a*) b_who=ugo ;; esac
    while [ -n "$b_c" ]; do
      b_op=${b_c%"${b_c#?}"} b_c=${b_c#?}
      b_perm=${b_c%%[-+=]*}
      b_c=${b_c#"$b_perm"} b_bits=0 b_clear=0
      for b_w in u g o; do
        case $b_who in *"$b_w"*) ;; *) continue ;; esac
        case $b_w in u) b_s=6 b_clear=$((b_clear | 04700)) ;; g) b_s=3 b_clear=$((b_clear | 02070)) ;; o) b_s=0 b_clear=$((b_clear | 01007)) ;; esac
        b_three=0
        case $b_perm in
          u) b_three=$((b_orig >> 6 & 7)) ;;
          g) b_three=$((b_orig >> 3 & 7)) ;;
          o) b_three=$((b_orig & 7)) ;;
          *)
            case $b_perm in *r*) b_three=4 ;; esac
            case $b_perm in *w*) b_three=$((b_three | 2)) ;; esac
            case $b_perm in *x*) b_three=$((b_three | 1)) ;; esac
            case $b_perm in *X*) if [ "$3" = directory ] || [ $((b_orig & 0111)) != 0 ]; then b_three=$((b_three | 1)); fi ;; esac
            case $b_w$b_perm in u*s*) b_bits=$((b_bits | 04000)) ;; g*s*) b_bits=$((b_bits | 02000)) ;; o*t*) b_bits=$((b_bits | 01000)) ;; esac
            ;;
        esac
        b_bits=$((b_bits | b_three << b_s))
      done
      b_bits=$((b_bits & ~b_um))
      case $b_op in
        +) b_v=$((b_v | b_bits)) ;;
        -) b_v=$((b_v & ~b_bits)) ;;
        =) b_v=$((b_v & ~b_clear | b_bits)) ;;
      esac
    done
  done
  b_octal "$b_v"
}
# b_owned WANTED_USER WANTED_GROUP: what chown would have to be told, into b_ch; empty when all is well.
b_owned() {
  b_ch=
  case $1 in '') ;; *[!0-9]*) [ "$1" = "$b_U" ] || b_ch=$1 ;; *) [ "$1" = "$b_UID" ] || b_ch=$1 ;; esac
  case $2 in '') ;; *[!0-9]*) [ "$2" = "$b_G" ] || b_ch=$b_ch:$2 ;; *) [ "$2" = "$b_GID" ] || b_ch=$b_ch:$2 ;; esac
}
# b_attrs PATH: gives PATH, looked at just before, the task's owner, group and mode. True when there was something to do.
b_attrs() {
  b_owned "$b_owner" "$b_group"
  b_cm=
  if [ -n "$b_mode" ] && [ "$b_T" != link ]; then
    b_want_mode "$b_mode" "$b_M" "$b_T"
    [ "$b_W" = "$b_M" ] || b_cm=$b_W
  fi
  if [ -z "$b_ch$b_cm" ]; then b_more "$1"; return; fi
  changed
  if [ -n "${b_parts-}" ]; then
    [ -z "$b_cm" ] || b_d mode "$b_M" "$b_cm"
    case $b_ch in '' | :*) ;; *) b_d owner "$b_U" "$b_owner" ;; esac
    case $b_ch in *:*) b_d group "$b_G" "$b_group" ;; esac
  fi
  [ -z "$CHECK" ] || return 0
  if [ -n "$b_ch" ]; then
    b_x=$(chown -h -- "$b_ch" "$1" 2>&1) || fail "chown failed: $b_x"
    # chown takes the set-id bits away.
    if [ -n "$b_mode" ] && [ "$b_T" != link ]; then case $b_W in ????) b_cm=$b_W ;; esac; fi
  fi
  if [ -n "$b_cm" ]; then
    b_x=$(chmod -- "$b_cm" "$1" 2>&1) || fail "chmod failed: $b_x"
  fi
  b_more "$1" || :
}
# b_more PATH: flags and SELinux context, when the task names any. True when there was something to do.
b_more() {
  [ -n "${b_flags-}${b_seuser-}${b_serole-}${b_setype-}${b_selevel-}" ] || return 1
  b_did=1
  if [ -n "$b_seuser$b_serole$b_setype$b_selevel" ] && [ -e "${b_selinux:-/sys/fs/selinux/enforce}" ]; then
    b_x=$(stat -c %C -- "$1" 2>&1) || fail "cannot read the SELinux context of \`$1\`: $b_x"
    b_c=$b_x
    b_1=${b_c%%:*} b_c=${b_c#*:} b_2=${b_c%%:*} b_c=${b_c#*:} b_3=${b_c%%:*} b_4=${b_c#*:}
    b_c=${b_seuser:-$b_1}:${b_serole:-$b_2}:${b_setype:-$b_3}:${b_selevel:-$b_4}
    if [ "$b_c" != "$b_x" ]; then
      b_did=0
      changed
      [ -n "$CHECK" ] || b_x=$(chcon -h -- "$b_c" "$1" 2>&1) || fail "invalid selinux context: $b_x"
    fi
  fi
  [ -n "$b_flags" ] || return "$b_did"
  b_op=${b_flags%%[!-+=]*} b_letters=${b_flags#[-+=]}
  b_x=$(lsattr -d -- "$1" 2>&1) || fail "cannot read the flags of \`$1\`: $b_x"
  b_have=${b_x%% *} b_todo=
  while [ -n "$b_letters" ]; do
    b_one=${b_letters%"${b_letters#?}"} b_letters=${b_letters#?}
    case $b_op$b_have in
      -*"$b_one"*) b_todo=1 ;;
      -*) ;;
      *"$b_one"*) ;;
      *) b_todo=1 ;;
    esac
  done
  if [ "${b_op:-=}" = = ]; then
    b_rest=$b_have
    while [ -n "$b_rest" ]; do
      b_one=${b_rest%"${b_rest#?}"} b_rest=${b_rest#?}
      # The flags that the file system sets by itself do not count.
      case $b_one in [-eEIN]) ;; *) case $b_flags in *"$b_one"*) ;; *) b_todo=1 ;; esac ;; esac
    done
  fi
  [ -n "$b_todo" ] || return "$b_did"
  changed
  [ -z "$CHECK" ] || return 0
  case $b_op in '') b_op== ;; esac
  b_x=$(chattr "$b_op${b_flags#[-+=]}" -- "$1" 2>&1) || fail "chattr failed: $b_x"
}
# b_report PATH: the facts of b_look as Ansible names them.
b_report() {
  case $b_M in ?) b_x=000$b_M ;; ??) b_x=00$b_M ;; *) b_x=0$b_M ;; esac
  b_y=$b_T
  if [ "$b_T" = file ] && [ "$b_LINKS" -gt 1 ]; then b_y=hard; fi
  outs Juid "$b_UID" Jgid "$b_GID" Oowner "$b_U" Ogroup "$b_G" Omode "$b_x" Jsize "$b_SIZE" Ostate "$b_y"
}
# b_me USER GROUP PATH: true when PATH, which we just made, has that owner already, as far as builtins can tell.
b_me() {
  case $1 in '') ;; root | 0) [ -O / ] && [ -O "$3" ] || return 1 ;; *) return 1 ;; esac
  case $2 in '') ;; root | 0) [ -G / ] && [ -G "$3" ] || return 1 ;; *) return 1 ;; esac
}
# b_mkdirs PATH: PATH and its missing parents as folders with the task's owner, group and mode.
b_mkdirs() {
  b_nm=$b_mode
  case $b_nm in
    *[!0-7]*)
      b_octal $((0777 & ~0$(umask)))
      b_want_mode "$b_nm" "$b_W" directory
      b_nm=$b_W
      ;;
  esac
  b_at= b_x=
  case $1 in /*) b_at=/ ;; esac
  IFS=/
  set -f
  set -- $1
  set +f
  unset IFS
  for b_seg; do
    [ -n "$b_x" ] || set --
    b_x=1
    [ -n "$b_seg" ] || continue
    b_at=$b_at$b_seg
    case $b_seg in . | ..) ;; *) [ -d "$b_at" ] || set -- "$@" "$b_at" ;; esac
    b_at=$b_at/
  done
  [ $# -gt 0 ] || return 0
  b_x=$(mkdir ${b_nm:+-m "$b_nm"} -- "$@" 2>&1) || fail "cannot make the folder \`${b_at%/}\`: $b_x"
  # Given away from the inside out: what is in a folder of somebody else is settled by then.
  b_x= b_all=
  for b_seg; do
    [ -n "$b_x" ] || set --
    b_x=1
    set -- "$b_seg" "$@"
    b_me "$b_owner" "$b_group" "$b_seg" || b_all=1
  done
  if [ -n "$b_all" ]; then
    b_x=$(chown -h -- "$b_owner${b_group:+:$b_group}" "$@" 2>&1) || fail "chown failed: $b_x"
  fi
}
