# Writing a file so that readers see the old or the new one, never a half, and so that whoever owns the folder
# cannot turn the write elsewhere: the new file grows in a folder of mode 0700 that only we can enter, whose
# place we check after going in, and it reaches its name by rename alone.

# b_stage PATH: goes into a private folder beside PATH. `new` there is the file to write, `../$b_base` its goal.
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
b_enter() {
  b_here=$PWD
  b_stg=$(mktemp -d ./.berth.XXXXXXXXXX 2>&1) || fail "cannot write in \`$PWD\`: $b_stg"
  trap 'cd / && rm -rf -- "${b_here%/}/${b_stg#./}"' 0
  if ! cd -P "$b_stg" || ! [ -O . ] || [ "$PWD" != "${b_here%/}/${b_stg#./}" ]; then
    fail "the folder \`$b_here\` changed while we wrote in it; nothing was written"
  fi
}
# b_fresh [MODE]: an empty `new`, born with MODE (no x, no set-id) when given. What is already right needs no chmod later.
b_fresh() {
  b_born=
  case ${1-} in
    [0246] | [0246][0246] | [0246][0246][0246])
      b_octal $((0666 & ~0$1))
      umask "$b_W"
      b_born=$1
      ;;
  esac
  : >new
}
# b_place USER GROUP MODE: owner and mode on `new`, the task's validation, the backup, the rename. Back in the folder after it.
b_place() {
  if ! b_me "$1" "$2" new; then
    b_x=$(chown -h -- "$1${2:+:$2}" new 2>&1) || fail "chown failed: $b_x"
  fi
  if [ -n "$3" ] && [ "$3" != "$b_born" ]; then
    b_x=$(chmod -- "$3" new 2>&1) || fail "chmod failed: $b_x"
  fi
  if [ -n "${b_check-}" ]; then
    b_x=$(b_validate 2>&1 3>&-) || fail "failed to validate: $b_x"
  fi
  if [ -n "${b_backup-}" ] && [ -f "../$b_base" ] && [ ! -h "../$b_base" ]; then
    b_stamp=$(date +%Y-%m-%d@%H:%M:%S)
    b_keep=$b_base.${b_stg##*.}.$b_stamp~
    b_x=$(cp -p -- "../$b_base" keep 2>&1) || fail "backup failed: $b_x"
    b_x=$(mv -f -- keep "../$b_keep" 2>&1) || fail "backup failed: $b_x"
    out backup_file "${b_here%/}/$b_keep"
  fi
  if [ -d "../$b_base" ] && [ ! -h "../$b_base" ]; then fail "\`${b_here%/}/$b_base\` is a folder"; fi
  if ! b_x=$(mv -fT -- new "../$b_base" 2>&1); then
    [ -n "${b_inplace-}" ] || fail "cannot replace \`${b_here%/}/$b_base\`: $b_x; if it is a mount point, \`unsafe_writes: true\` writes in place"
    b_x=$(cat new >"../$b_base") || fail "cannot write \`${b_here%/}/$b_base\`"
    rm -f new
  fi
  cd .. && rmdir -- "$b_stg" && trap - 0
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
