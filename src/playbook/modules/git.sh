# git, as the task wants it. Reads b_repo b_dest b_version b_remote b_refspec b_reference b_depth b_umask b_archive
# b_prefix b_separate b_ssh b_allow and the flags b_force b_clone b_update b_bare b_recursive b_single b_track b_verify.

# b_g WHAT ARG…: git, in the repository, or the step fails with WHAT.
b_g() {
  b_what=$1
  shift
  b_x=$("$b_git" "$@" 2>"$b_work/why") || {
    b_rc=$?
    b_why=$(head -c 4000 "$b_work/why")
    outj rc "$b_rc"
    out stdout "$b_x"
    out stderr "$b_why"
    fail "Failed to $b_what: $b_why"
  }
}
# b_refs: what the other side has, a line each, asked once.
b_refs() {
  [ ! -f "$b_work/refs" ] || return 0
  "$b_git" ls-remote "$b_from" >"$b_work/refs" 2>"$b_work/why" || {
    b_why=$(head -c 4000 "$b_work/why")
    rm -f "$b_work/refs"
    outj rc 128
    out stderr "$b_why"
    fail "Failed to list remote references of $b_shown: $b_why"
  }
}
# b_ref NAME: the commit of that name there, into b_x; false when there is none.
b_ref() {
  b_refs
  b_x=$(awk -v name="$1" '$2 == name { print $1; exit }' "$b_work/refs")
  [ -n "$b_x" ]
}
b_is_branch() { b_ref "refs/heads/$b_version"; }
b_is_tag() { b_ref "refs/tags/$b_version"; }
# b_remote_head: the commit that the task's version is on the other side.
b_remote_head() {
  if [ "$b_version" = HEAD ]; then b_ref HEAD || fail "Could not determine remote revision for HEAD"
  elif b_ref "refs/tags/$b_version^{}" && ! b_is_branch; then b_ref "refs/tags/$b_version^{}"
  elif b_is_branch || b_is_tag; then :
  elif b_ref "$b_version"; then :
  else
    case $b_version in *[!0-9a-f]* | '') fail "Could not determine remote revision for $b_version" ;; esac
    b_x=$b_version
  fi
}
# b_head_branch: the branch that HEAD is on the other side, as this repository knows it.
b_head_branch() {
  b_y=$("$b_git" symbolic-ref -q "refs/remotes/$b_remote/HEAD" 2>/dev/null) || {
    "$b_git" remote set-head "$b_remote" -a >/dev/null 2>&1
    b_y=$("$b_git" symbolic-ref -q "refs/remotes/$b_remote/HEAD" 2>/dev/null) || b_y=$("$b_git" symbolic-ref -q HEAD)
  }
  b_y=${b_y#refs/remotes/"$b_remote"/}
  b_y=${b_y#refs/heads/}
}
b_git_clone() {
  case $b_dest in */*) [ -d "${b_dest%/*}/" ] || mkdir -p -- "${b_dest%/*}" || fail "cannot make the folder of \`$b_dest\`" ;; esac
  set -- clone
  if [ -n "$b_bare" ]; then set -- "$@" --bare; else set -- "$@" --origin "$b_remote"; fi
  b_named=
  if [ "$b_version" != HEAD ] && { b_is_branch || b_is_tag; }; then b_named=1; fi
  if [ -n "$b_depth" ]; then
    if [ "$b_version" = HEAD ] || [ -n "$b_refspec$b_named" ]; then set -- "$@" --depth "$b_depth"
    else warn 'Ignoring depth argument. Shallow clones are only available for HEAD, branches, tags or in combination with refspec.'; b_depth=; fi
  fi
  [ -z "$b_reference" ] || set -- "$@" --reference "$b_reference"
  [ -z "$b_single" ] || set -- "$@" --single-branch
  if [ -n "$b_named" ] && [ -n "$b_depth$b_single" ]; then set -- "$@" --branch "$b_version"; fi
  [ -z "$b_separate" ] || set -- "$@" --separate-git-dir="$b_separate"
  b_g "clone $b_shown" "$@" -- "$b_repo" "$b_dest"
  cd -- "$b_dest" || fail "cannot enter \`$b_dest\`"
  if [ -n "$b_bare" ] && [ "$b_remote" != origin ]; then b_g 'add a remote' remote add "$b_remote" "$b_repo"; fi
  if [ -n "$b_refspec" ]; then b_g 'fetch the refspec' fetch ${b_depth:+--depth "$b_depth"} "$b_remote" "$b_refspec"; fi
}
b_git_fetch() {
  set -- fetch
  b_some=
  if [ -n "$b_depth" ]; then
    b_head_branch
    if [ -n "$b_refspec" ]; then b_some=$b_refspec
    elif [ "$b_version" = HEAD ]; then b_some=$b_y
    elif b_is_branch; then b_some=+refs/heads/$b_version:refs/remotes/$b_remote/$b_version
    elif b_is_tag; then b_some=+refs/tags/$b_version:refs/tags/$b_version; fi
    [ -z "$b_some" ] || set -- "$@" --depth "$b_depth"
  fi
  if [ -z "$b_some" ]; then
    [ ! -f "$("$b_git" rev-parse --git-dir)/shallow" ] || set -- "$@" --unshallow
    [ -n "$b_bare" ] || set -- "$@" --tags
  fi
  [ -z "$b_force" ] || set -- "$@" --force
  set -- "$@" "$b_remote"
  if [ -n "$b_some" ]; then set -- "$@" "$b_some"
  elif [ -n "$b_bare" ]; then set -- "$@" '+refs/heads/*:refs/heads/*' '+refs/tags/*:refs/tags/*' ${b_refspec:+"$b_refspec"}
  elif [ -n "$b_refspec" ]; then
    b_g 'download remote objects and refs' "$@"
    set -- fetch ${b_force:+--force} "$b_remote" "$b_refspec"
  fi
  b_g 'download remote objects and refs' "$@"
}
b_git_switch() {
  if [ "$b_version" = HEAD ]; then
    b_head_branch
    b_g "checkout branch $b_y" checkout --force "$b_y" --
    b_g 'reset to the remote branch' reset --hard "$b_remote/$b_y" --
  elif b_is_branch; then
    "$b_git" rev-parse -q --verify "refs/remotes/$b_remote/$b_version" >/dev/null 2>&1 || {
      b_g 'know the branch' remote set-branches --add "$b_remote" "$b_version"
      b_g 'fetch the branch' fetch ${b_depth:+--depth "$b_depth"} "$b_remote" "$b_version"
    }
    if "$b_git" rev-parse -q --verify "refs/heads/$b_version" >/dev/null 2>&1; then
      b_g "checkout branch $b_version" checkout --force "$b_version" --
      b_g 'reset to the remote branch' reset --hard "$b_remote/$b_version" --
    else b_g "checkout branch $b_version" checkout --force --track -b "$b_version" "$b_remote/$b_version"; fi
  else
    case $b_version in -*) fail "\`version: $b_version\` begins with a dash" ;; esac
    b_g "checkout $b_version" checkout --force "$b_version" --
  fi
  [ -z "$b_verify" ] || b_git_verify
}
b_git_verify() {
  if b_is_tag && [ "$("$b_git" cat-file -t "$b_version" 2>/dev/null)" = tag ]; then set -- verify-tag "$b_version"
  else set -- verify-commit "${b_version:-HEAD}"; fi
  b_v=$1
  shift
  "$b_git" "$b_v" --raw "$@" >"$b_work/signed" 2>&1 || fail "Failed to verify GPG signature of commit/tag \"$b_version\": $(head -c 2000 "$b_work/signed")"
  [ -n "$b_allow" ] || return 0
  b_key=$(sed -n 's/^\[GNUPG:\] VALIDSIG .* \([0-9A-F]*\)$/\1/p' "$b_work/signed" | tail -n 1)
  case "$b_allow" in *" $b_key "*) [ -z "$b_key" ] || return 0 ;; esac
  fail "The gpg_allowlist does not include the public key \"$b_key\" for this commit"
}
b_git_submodules() {
  [ -n "$b_recursive" ] && [ -f .gitmodules ] || return 0
  b_g 'sync submodules' submodule sync
  b_y=$("$b_git" submodule status --recursive 2>/dev/null)
  b_g 'init/update submodules' submodule update --init --recursive ${b_force:+--force} ${b_track:+--remote}
  b_x=$("$b_git" submodule status --recursive 2>/dev/null)
  [ "$b_x" = "$b_y" ] || { b_touched=1; outj submodules_changed true; }
}
b_git_archive() {
  [ -n "$b_archive" ] || return 0
  case $b_archive in
    *.zip) b_x=zip ;;
    *.tar.gz | *.tgz | *.gz) b_x=tar.gz ;;
    *.tar) b_x=tar ;;
    *) fail "Unable to get file extension from archive file name : $b_archive; use .zip, .tar, .tar.gz or .tgz" ;;
  esac
  b_y=$b_x
  b_g "archive $b_version" archive "--format=$b_y" "--output=$b_work/archive" ${b_prefix:+--prefix="$b_prefix"} HEAD
  if ! cmp -s -- "$b_work/archive" "$b_archive"; then
    b_touched=1
    mv -f -- "$b_work/archive" "$b_archive" || fail "cannot write \`$b_archive\`"
  fi
}
# b_git_is_there: whether b_dest is a repository already; b_dot is its folder of git's own.
b_git_is_there() {
  b_dot=$b_dest
  [ -n "$b_bare" ] || b_dot=$b_dest/.git
  if [ -f "$b_dot" ]; then
    read -r b_x b_dot <"$b_dot" || :
    case $b_dot in /*) ;; *) b_dot=$b_dest/$b_dot ;; esac
  fi
  [ -f "$b_dot/config" ]
}
b_git_say() { if [ -n "$2" ]; then out "$1" "$2"; else outj "$1" null; fi; }
b_git_go() {
  b_git=${b_executable:-git}
  command -v "$b_git" >/dev/null || fail "Failed to find required executable \"$b_git\" on the host"
  LC_ALL=C GIT_TERMINAL_PROMPT=0
  export LC_ALL GIT_TERMINAL_PROMPT
  [ -z "$b_ssh" ] || { GIT_SSH_COMMAND="${GIT_SSH_COMMAND:-ssh} $b_ssh"; export GIT_SSH_COMMAND; }
  [ -z "$b_umask" ] || umask "$b_umask"
  case $b_repo in /* | *:* | '~'*) ;; *) [ ! -d "$b_repo" ] || b_repo=$PWD/$b_repo ;; esac
  case $b_dest in /* | '') ;; *) b_dest=$PWD/$b_dest ;; esac
  b_from=$b_repo b_touched= b_before=
  outj remote_url_changed false
  if [ -z "$b_dest" ] || ! b_git_is_there; then
    if [ -n "$b_dest" ] && [ -n "$b_clone" ] && [ -z "$CHECK" ]; then
      changed
      outj before null
      b_git_clone
      [ -n "$b_bare" ] || b_git_switch
    else
      changed
      outj before null
      b_remote_head
      out after "$b_x"
      return 0
    fi
  else
    cd -- "$b_dest" || fail "cannot enter \`$b_dest\`"
    # Whose folder it is was the task's choice.
    GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'
    export GIT_CONFIG_COUNT GIT_CONFIG_KEY_0 GIT_CONFIG_VALUE_0
    b_before=$("$b_git" rev-parse HEAD 2>/dev/null) || b_before=
    b_git_say before "$b_before"
    if [ -z "$b_update" ]; then
      b_git_say after "$b_before"
      b_git_archive
      [ -z "$b_touched" ] || changed
      return 0
    fi
    if [ -z "$b_bare" ]; then
      b_x=$("$b_git" status --porcelain 2>/dev/null | grep -v '^??')
      if [ -n "$b_x" ]; then
        [ -n "$b_force" ] || fail "Local modifications exist in the destination: $b_dest (force=no)."
        b_touched=1
        [ -n "$CHECK" ] || b_g 'reset local modifications' reset --hard HEAD --
      fi
    fi
    b_x=$("$b_git" config --get "remote.$b_remote.url") || b_x=
    if [ "$b_x" != "$b_repo" ]; then
      if [ -z "$b_x" ]; then b_y=add; else b_y=set-url; outj remote_url_changed true; b_touched=1; fi
      [ -n "$CHECK" ] || b_g 'set a new url for the remote' remote "$b_y" "$b_remote" "$b_repo"
    fi
    if [ -n "$CHECK" ]; then
      b_remote_head
      out after "$b_x"
      if [ "$b_x" != "$b_before" ] || [ -n "$b_touched" ]; then changed; fi
      return 0
    fi
    # Nothing to fetch when the very commit is wanted and here.
    if [ -n "$b_before" ] && [ "$b_before" = "$b_version" ]; then :; else b_git_fetch; fi
    [ -n "$b_bare" ] || b_git_switch
  fi
  [ -n "$b_bare" ] || b_git_submodules
  b_after=$("$b_git" rev-parse HEAD 2>/dev/null) || b_after=
  b_git_say after "$b_after"
  b_git_archive
  if [ "$b_before" != "$b_after" ] || [ -n "$b_touched" ]; then changed; fi
}
