# b_keys [IDENTITY LINE]...: the keys of account b_name.
b_keys() {
  b_remote=1 b_local=
  b_pwent "$b_name"
  if [ -z "$b_found" ]; then
    if [ -n "$CHECK" ]; then changed; return 0; fi
    fail "account \`$b_name\` does not exist; make it first"
  fi
  b_uid=$b_pw_uid b_gid=$b_pw_gid
  if [ -n "$b_path" ]; then
    case $b_path in */*) b_folder=${b_path%/*} ;; *) b_folder=. ;; esac
    b_base=${b_path##*/} b_top=
    [ -n "$b_base" ] || fail "\`$b_path\` is a folder; name a file"
  else
    b_path=${b_pw_home%/}/.ssh/authorized_keys b_folder=${b_pw_home%/}/.ssh b_base=authorized_keys b_top=$b_pw_home
  fi
  outs Opath "$b_path" Ouser "$b_name" Okeyfile "$b_path"
  b_make=
  if [ -n "$b_top" ]; then
    if ! cd -P -- "$b_top" 2>/dev/null; then
      if [ -n "$CHECK" ]; then changed; return 0; fi
      fail "the home folder \`$b_top\` of \`$b_name\` does not exist; make it first"
    fi
    b_at=$PWD
    [ ! -h .ssh ] || fail "\`$b_folder\` is a symbolic link; nothing was touched"
    if [ -d .ssh ]; then b_keys_in .ssh; else b_make=.ssh; fi
  elif [ -d "$b_folder" ]; then
    [ ! -h "$b_folder" ] || fail "\`$b_folder\` is a symbolic link; nothing was touched"
    cd -P -- "${b_folder:-/}" || fail "cannot enter \`$b_folder\`"
    b_at=$PWD
  else
    b_make=$b_folder
  fi
  b_have= b_mode_now= b_own=
  if [ -z "$b_make" ]; then b_keys_read; fi
  # The wanted text into b_new.
  if [ -n "$b_exclusive" ]; then b_new=$b_lines
  else
    b_new=$b_have
    while [ $# -gt 0 ]; do b_keys_one "$1" "$2"; shift 2; done
  fi
  if [ "$b_new" = "$b_have" ] && { [ -n "$b_own" ] || [ -n "$b_absent" ] || [ -z "$b_new" ]; }; then return 0; fi
  changed
  differ "$b_path" "$b_have" "$b_new"
  [ -z "$CHECK" ] || return 0
  if [ -n "$b_make" ]; then
    [ -n "$b_manage" ] || fail "the folder \`$b_folder\` does not exist, and \`manage_dir\` is off"
    b_x=$(mkdir -m 700 -- "$b_make" 2>&1) || fail "cannot make \`$b_folder\`: $b_x"
    if [ -n "$b_top" ]; then b_keys_in .ssh
    else cd -P -- "$b_make" || fail "cannot enter \`$b_folder\`"; b_at=$PWD; fi
    [ -O . ] || fail "\`$b_folder\` changed while we wrote in it; nothing was written"
    # Nobody else can come in yet: the file needs no detour. It is given away before its folder is.
    umask 077
    set -C
    { printf %s "$b_new" >"$b_base"; } 2>/dev/null || fail "cannot write \`$b_path\`"
    b_x=$(chown -h -- "$b_uid:$b_gid" "./$b_base" . 2>&1) || fail "cannot give \`$b_folder\` to \`$b_name\`: $b_x"
    return 0
  elif [ -n "$b_manage" ] && [ -n "$b_top" ] && [ "$b_dir_mode" != 700 ]; then
    b_x=$(chmod 700 . 2>&1) || fail "cannot make \`$b_folder\` private: $b_x"
  fi
  b_enter
  b_fresh "${b_mode_now:-600}"
  printf %s "$b_new" >"$b_grow" || fail "cannot write \`$b_path\`"
  b_check= b_backup= b_inplace=
  b_place "$b_uid" "$b_gid" "${b_mode_now:-600}"
}
# b_keys_in NAME: into the folder NAME, which must be where we thought.
b_keys_in() {
  cd -P -- "./$1" 2>/dev/null || fail "cannot enter \`$b_folder\`"
  [ "$PWD" = "${b_at%/}/$1" ] || fail "\`$b_folder\` is a symbolic link; nothing was touched"
  b_at=$PWD
}
# The folder we are in and the file in it belong to the account or to root; the text of the file into b_have.
b_keys_read() {
  if [ -h "$b_base" ]; then fail "\`$b_path\` is a symbolic link; nothing was touched"; fi
  if [ -e "$b_base" ]; then
    [ -f "$b_base" ] || fail "\`$b_path\` is no file; nothing was touched"
    exec 8<"$b_base" || fail "cannot read \`$b_path\`"
    set -- . /proc/self/fd/8 "$b_base"
  else set -- .; fi
  # The file by its open descriptor, so that what was checked is what is read; and its name, not followed, to compare.
  b_x=$(stat -L -c '%u:%a:%h:%d.%i' -- "$@" 2>&1) || fail "cannot look at \`$b_folder\`: $b_x"
  IFS='
'
  set -f
  set -- $b_x
  set +f
  unset IFS
  b_keys_owner "$1" "$b_folder"
  b_r=${1#*:} b_dir_mode=${b_r%%:*}
  [ $# -gt 1 ] || return 0
  b_keys_owner "$2" "$b_path"
  [ "$2" = "${3-}" ] || fail "\`$b_path\` changed while we looked; nothing was touched"
  b_r=${2#*:}
  b_mode_now=${b_r%%:*} b_r=${b_r#*:}
  if [ "${2%%:*}" != "$b_uid" ]; then
    # A file of root: ours if an administrator put it there, not if the account linked it there.
    if [ "${b_r%%:*}" != 1 ] || [ -h "$b_base" ]; then fail "\`$b_path\` belongs to root and has other names; nothing was touched"; fi
  fi
  case $b_mode_now in *[2367]? | *[2367]) b_mode_now=600 ;; *) b_own=1 ;; esac
  while IFS= read -r b_l || [ -n "$b_l" ]; do
    b_have=$b_have$b_l'
'
  done <&8
  exec 8<&-
}
b_keys_owner() {
  case ${1%%:*} in "$b_uid" | 0) ;; *) fail "\`$2\` belongs to uid ${1%%:*}, neither \`$b_name\` nor root; nothing was touched" ;; esac
}
# b_keys_one IDENTITY LINE: turns, adds or drops that key in b_new.
b_keys_one() {
  b_text= b_put=
  [ -z "$b_absent" ] || b_put=1
  b_left=$b_new
  while [ -n "$b_left" ]; do
    b_l=${b_left%%'
'*}
    b_left=${b_left#*'
'}
    case $b_l in
      [!#]*)
        case " $b_l " in
          *" $1 "*)
            [ -z "$b_put" ] || continue
            b_put=1 b_l=$2
            ;;
        esac
        ;;
    esac
    b_text=$b_text$b_l'
'
  done
  [ -n "$b_put" ] || b_text=$b_text$2'
'
  b_new=$b_text
}
