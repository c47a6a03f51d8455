# own_python GIVEN: sets b_py to a Python of the host.
own_python() {
  b_py=
  case $1 in
    '' | auto | auto_silent | auto_legacy | auto_legacy_silent)
      for b_one in python3 /usr/bin/python3 /usr/local/bin/python3 /usr/libexec/platform-python python; do
        if command -v "$b_one" >/dev/null 2>&1; then b_py=$b_one; break; fi
      done
      [ -n "$b_py" ] || fail "\`$b_name\` needs Python, and this host has none; name one in \`ansible_python_interpreter\`" ;;
    *)
      command -v "$1" >/dev/null 2>&1 || fail "The module interpreter '$1' was not found."
      b_py=$1 ;;
  esac
}
# own_library HASH: sets b_lib to the place of Ansible's library, which stays for later modules.
own_library() {
  b_lib=${HOME:-}/.ansible/tmp/berth-library-$1.zip
  [ -f "$FILES/library.zip" ] || return 0
  ( umask 077
    mkdir -p "${b_lib%/*}" && cp "$FILES/library.zip" "$b_lib.$$" && mv -f "$b_lib.$$" "$b_lib" ) 2>/dev/null ||
    b_lib=$FILES/library.zip
}
