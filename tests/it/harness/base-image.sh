# Lays a root with BusyBox, OpenSSH and the tools for accounts into $1, from this machine's own packages: the base of a
# demo machine.
set -eu
root=$1
PATH=$PATH:/usr/sbin:/sbin
copy() {
  mkdir -p "$root$(dirname "$1")"
  cp -L "$1" "$root$1"
  ldd "$1" 2>/dev/null | grep -o '/[^ ]*' | while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    [ -e "$root$library" ] || cp -L "$library" "$root$library"
  done
}
for folder in bin sbin lib lib64; do
  mkdir -p "$root/usr/$folder"
  ln -s "usr/$folder" "$root/$folder"
done
mkdir -p "$root/etc/pam.d" "$root/etc/ssh" "$root/root" "$root/home" "$root/proc" "$root/sys" "$root/dev" "$root/tmp" \
  "$root/run" "$root/var/tmp" "$root/var/spool/cron/crontabs"
chmod 1777 "$root/tmp" "$root/var/tmp"
cp "$(command -v busybox)" "$root/bin/busybox"
chroot "$root" /bin/busybox --install -s
for program in sshd ssh-keygen useradd userdel usermod groupadd groupdel chpasswd getent; do copy "$(command -v "$program")"; done
for module in unix nologin permit; do copy "$(find /usr/lib -name "pam_$module.so" | head -n 1)"; done
cat >"$root/etc/passwd" <<'END'
root:x:0:0:root:/root:/bin/sh
sshd:x:100:65534::/run/sshd:/bin/false
nobody:x:65534:65534:nobody:/:/bin/false
END
printf 'root:*::0:99999:7:::\nsshd:!::0:99999:7:::\nnobody:!::0:99999:7:::\n' >"$root/etc/shadow"
chmod 640 "$root/etc/shadow"
printf 'root:x:0:\nshadow:x:42:\nnogroup:x:65534:\n' >"$root/etc/group"
printf '/bin/sh\n' >"$root/etc/shells"
mkdir -p "$root/etc/default"
printf 'SHELL=/bin/sh\n' >"$root/etc/default/useradd"
