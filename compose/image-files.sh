# Lays what the image holds besides the program into $1: OpenSSH's client, a shell for its password helper, the
# libraries of both and of Berth, authorities, and the one account.
set -eu
out=$1
if ! command -v ssh >/dev/null || [ ! -e /etc/ssl/certs/ca-certificates.crt ]; then
    apt-get update
    apt-get install -y --no-install-recommends openssh-client ca-certificates
fi
mkdir -p "$out/usr/bin" "$out/usr/lib" "$out/usr/lib64" "$out/etc/ssl/certs" "$out/etc/ssh" "$out/var/lib" "$out/tmp"
for folder in bin lib lib64; do ln -s "usr/$folder" "$out/$folder"; done
chmod 1777 "$out/tmp"

loader=
for path in /lib64/ld-linux-*.so.* /lib/ld-linux-*.so.*; do
    if [ -x "$path" ]; then
        loader=$path
        break
    fi
done
copy() {
    mkdir -p "$out$(dirname "$2")"
    [ -e "$out$2" ] || cp -L "$1" "$out$2"
}
# with_libraries PROGRAM AS: static ones have none.
with_libraries() {
    copy "$1" "$2"
    for library in $("$loader" --list "$1" 2>/dev/null | grep -o '/[^ ]*'); do copy "$library" "$library"; done
}
copy "$loader" "$loader"
with_libraries "$(command -v ssh)" /usr/bin/ssh
with_libraries "$(command -v ssh-keygen)" /usr/bin/ssh-keygen
with_libraries "$(readlink -f /bin/sh)" /usr/bin/sh
with_libraries "$(readlink -f /bin/cat)" /usr/bin/cat
# Berth's own: what any Rust program on this C library needs.
folder=$(dirname "$("$loader" --list "$(command -v ssh)" | grep -o '/[^ ]*/libc\.so\.6')")
for name in libc.so.6 libm.so.6 libgcc_s.so.1 libresolv.so.2 libnss_dns.so.2 libnss_files.so.2; do
    found=$(find /lib/*-linux-gnu* /usr/lib/*-linux-gnu* -name "$name" 2>/dev/null | head -n 1)
    [ -z "$found" ] || copy "$found" "$folder/$name"
done

copy /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
printf 'root:x:0:0:root:/:/usr/sbin/nologin\nberth:x:10001:10001:Berth:/tmp:/bin/sh\n' >"$out/etc/passwd"
printf 'root:x:0:\nberth:x:10001:\n' >"$out/etc/group"
printf 'passwd: files\ngroup: files\nhosts: files dns\n' >"$out/etc/nsswitch.conf"
# A new volume takes its owner from this folder. An empty one would not be copied.
mkdir -m 0700 -p /berth-data
echo "Berth's own key for machines, and what else it keeps outside of the database" >/berth-data/README
# The one account here, too: compose.dev.yml runs this stage.
grep -q '^berth:' /etc/passwd || grep '^berth:' "$out/etc/passwd" >>/etc/passwd
# The clockwork is the same program under its other name.
ln -s berth "$out/usr/bin/berth-scheduler"
