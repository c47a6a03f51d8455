# Writing a file so that readers see the old or the new one, never a half, and so that whoever owns the folder
# cannot turn the write elsewhere: where only we can write, the new file grows beside its goal; elsewhere it grows in
# a folder of mode 0700 that only we can enter, whose place we check after going in. It reaches its name by rename alone.

# b_stage PATH: goes to where the new file of PATH grows. `$b_grow` is the file to write, `$b_goal` its goal.
b_stage() {
  case $1 in
    */*) b_dir=${1%/*}/ ;;
    *) b_dir=./ ;;
  esac
  b_base=${1##*/}
  [ -n "$b_base" ] || fail "\`$1\` is a folder; name a file"
  cd -P -- "$b_dir" 2>/dev/null || fail "the folder \`$b_dir\` does not exist; make it first"
  b_enter
}
# b_enter: the same for the folder we are in; `b_base` is set already.
# What b_look_in has seen of the folder counts when descriptor 8 still is that folder.
b_enter() {
  b_here=$PWD b_stg= b_dg= b_dG=
  if [ -O . ]; then
    if [ -n "${b_seen-}" ] && [ . -ef /proc/self/fd/8 ]; then b_x=$b_seen
    else b_x=$(stat -c '%a:%g:%G' . 2>/dev/null) || b_x=777::; fi
    b_dm=${b_x%%:*} b_x=${b_x#*:} b_dg=${b_x%%:*} b_dG=${b_x#*:}
    [ $((0$b_dm & 02000)) != 0 ] || b_dg= b_dG=
    if [ $((0$b_dm & 022)) = 0 ]; then
      b_n=0
      while b_grow=.berth.$$.$b_n; [ -e "$b_grow" ] || [ -h "$b_grow" ]; do b_n=$((b_n + 1)); done
      b_goal=./$b_base
      trap 'rm -f -- "${b_here%/}/$b_grow"' 0
      return 0
    fi
  fi
  b_grow=new b_goal=../$b_base
  b_stg=$(mktemp -d ./.berth.XXXXXXXXXX 2>&1) || fail "cannot write in \`$PWD\`: $b_stg"
  trap 'cd / && rm -rf -- "${b_here%/}/${b_stg#./}"' 0
  if ! cd -P "$b_stg" || ! [ -O . ] || [ "$PWD" != "${b_here%/}/${b_stg#./}" ]; then
    fail "the folder \`$b_here\` changed while we wrote in it; nothing was written"
  fi
}
# b_leave: back in the folder after the rename.
b_leave() {
  if [ -n "$b_stg" ]; then cd .. && rmdir -- "$b_stg" || return; fi
  trap - 0
}
# b_fresh [MODE]: an empty `$b_grow`, born with MODE (no x, no set-id) when given. What is already right needs no chmod later.
b_fresh() {
  b_born=
  case ${1-} in
    '') ;;
    [0246] | [0246][0246] | [0246][0246][0246])
      b_octal $((0666 & ~0$1))
      umask "$b_W"
      b_born=$1
      ;;
    *) umask 077 ;;
  esac
  # Where others can look in, nobody reads what the group of the folder may not.
  if [ -z "$b_stg" ] && [ -n "$b_dg" ] && [ -n "${1-}" ]; then umask 077; b_born=; fi
  set -C
  { true >"$b_grow"; } 2>/dev/null || fail "cannot write in \`$b_here\`"
  set +C
  umask "${__U:-022}"
}
# b_place USER GROUP MODE: owner and mode on `$b_grow`, the task's validation, the backup, the rename. Back in the folder after it.
b_place() {
  # What an access list allows stays allowed.
  if [ -f "$b_goal" ] && [ ! -h "$b_goal" ] && command -v setfacl >/dev/null && b_acl=$(getfacl -cE -- "$b_goal" 2>/dev/null); then
    case $b_acl in *user:[!:]* | *group:[!:]*)
      if printf '%s\n' "$b_acl" | setfacl --set-file=- "$b_grow" 2>/dev/null; then b_born=; fi
      ;;
    esac
  fi
  # A new file has the group of a set-gid folder already.
  b_g2=$2
  if [ -n "$b_dg" ]; then case $2 in '') ;; "$b_dg" | "$b_dG") b_g2= ;; *) b_g2=: ;; esac; fi
  if ! b_me "$1" "$b_g2" "$b_grow"; then
    # What the task does not name is kept only where that is allowed.
    b_x=$(chown -h -- "$1${2:+:$2}" "$b_grow" 2>&1) || [ -z "$b_owner$b_group" ] || fail "chown failed: $b_x"
  fi
  if [ -n "$3" ] && [ "$3" != "$b_born" ]; then
    b_x=$(chmod -- "$3" "$b_grow" 2>&1) || fail "chmod failed: $b_x"
  fi
  if [ -n "${b_check-}" ]; then
    b_x=$(b_validate 2>&1 3>&-) || fail "failed to validate: $b_x"
  fi
  if [ -n "${b_backup-}" ] && [ -f "$b_goal" ] && [ ! -h "$b_goal" ]; then
    b_stamp=$(date +%Y-%m-%d@%H:%M:%S)
    if [ -n "$b_stg" ]; then b_keep=$b_base.${b_stg##*.}.$b_stamp~; else b_keep=$b_base.$$.$b_stamp~; fi
    b_x=$(cp -p -- "$b_goal" "$b_grow.keep" 2>&1) || fail "backup failed: $b_x"
    b_x=$(mv -f -- "$b_grow.keep" "${b_goal%"$b_base"}$b_keep" 2>&1) || fail "backup failed: $b_x"
    out backup_file "${b_here%/}/$b_keep"
  fi
  if [ -d "$b_goal" ] && [ ! -h "$b_goal" ]; then fail "\`${b_here%/}/$b_base\` is a folder"; fi
  if ! b_x=$(mv -fT -- "$b_grow" "$b_goal" 2>&1); then
    [ -n "${b_inplace-}" ] || fail "cannot replace \`${b_here%/}/$b_base\`: $b_x; if it is a mount point, \`unsafe_writes: true\` writes in place"
    b_x=$(cat "$b_grow" >"$b_goal") || fail "cannot write \`${b_here%/}/$b_base\`"
    rm -f "$b_grow"
  fi
  b_leave
}
# b_real PATH: into b_path, symbolic links followed, so that a rename changes the file and not the link.
b_real() {
  b_path=$1
  [ ! -h "$1" ] || b_path=$(readlink -f -- "$1") || fail "cannot follow the link \`$1\`"
}
# b_slurp PATH: the text of a small file, into b_S.
b_slurp() {
  b_S=
  while IFS= read -r b_l || [ -n "$b_l" ]; do b_S=$b_S$b_l'
'; done <"$1"
}
