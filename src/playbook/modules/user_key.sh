# b_user_key: the account has an SSH key pair in b_key_file. After b_pwent.
b_user_key() {
  [ -n "$b_pw_home" ] || { [ -n "$CHECK" ] && { changed; return 0; }; fail "\`$b_name\` has no home folder to keep a key in"; }
  case $b_key_file in /*) ;; *) b_key_file=${b_pw_home%/}/$b_key_file ;; esac
  out ssh_key_file "$b_key_file"
  if [ ! -e "$b_key_file" ] && [ ! -h "$b_key_file" ]; then
    changed
    [ -z "$CHECK" ] || return 0
    command -v ssh-keygen >/dev/null || fail '`ssh-keygen` is not on this host; install OpenSSH first'
    # The pair is made where nobody else can look or link, and then put in its place.
    b_made=$(mktemp -d "${TMPDIR:-/tmp}/.berth.XXXXXXXXXX") || fail 'cannot make a temporary folder'
    trap 'rm -rf -- "$b_made"' 0
    [ -n "$b_key_comment" ] || { IFS= read -r b_key_comment </proc/sys/kernel/hostname; b_key_comment="ansible-generated on $b_key_comment"; }
    b_x=$(ssh-keygen -q -t "$b_key_type" ${b_key_bits:+-b "$b_key_bits"} -C "$b_key_comment" -f "$b_made/key" 2>&1 3>&- <<B_END
$b_key_pass
$b_key_pass
B_END
) || fail "ssh-keygen: $b_x"
    [ -f "$b_made/key" ] || fail "ssh-keygen: $b_x"
    b_x=$(chown -- "$b_pw_uid:$b_pw_gid" "$b_made/key" "$b_made/key.pub" 2>&1) || fail "chown failed: $b_x"
    b_kdir=${b_key_file%/*}
    if [ ! -d "$b_kdir" ]; then
      b_x=$(mkdir -p -m 700 -- "$b_kdir" 2>&1 && chown -h -- "$b_pw_uid:$b_pw_gid" "$b_kdir" 2>&1) || fail "cannot make \`$b_kdir\`: $b_x"
    fi
    [ ! -h "$b_kdir" ] || fail "\`$b_kdir\` is a symbolic link; nothing was touched"
    b_look "$b_kdir"
    case $b_UID in "$b_pw_uid" | 0) ;; *) fail "\`$b_kdir\` belongs to \`$b_U\`, neither \`$b_name\` nor root; nothing was touched" ;; esac
    (
      cd -P -- "$b_kdir" || fail "cannot enter \`$b_kdir\`"
      for b_f in "${b_key_file##*/}:key" "${b_key_file##*/}.pub:key.pub"; do
        b_x=$(mv -- "$b_made/${b_f##*:}" "./${b_f%:*}" 2>&1) || fail "cannot write \`$b_kdir/${b_f%:*}\`: $b_x"
      done
    ) || exit
    rm -rf -- "$b_made"
    trap - 0
  fi
  if command -v ssh-keygen >/dev/null && b_x=$(ssh-keygen -l -f "$b_key_file" 2>/dev/null </dev/null); then out ssh_fingerprint "$b_x"; fi
  if [ -f "$b_key_file.pub" ] && [ -r "$b_key_file.pub" ]; then IFS= read -r b_x <"$b_key_file.pub"; out ssh_public_key "$b_x"; fi
}
