#!/bin/sh
# Makes the base images that compose/ names from this computer's own Debian packages, for where no registry answers:
#
#   compose/stand-ins.sh IMAGE …        debian:trixie-slim, caddy:2, mariadb:11
#
# They carry the names of what they stand in for and the label `berth.stand-in`. They hold what Berth needs of them and
# no more; a registry's images are better wherever they can be had.
set -eu
umask 022
PATH=$PATH:/usr/sbin:/sbin
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=

copy() {
    for path in "$@"; do
        mkdir -p "$root$(dirname "$path")"
        [ -e "$root$path" ] || cp -L "$path" "$root$path"
    done
}
# with_libraries PROGRAM …
with_libraries() {
    for program in "$@"; do
        path=$(command -v "$program") || { echo "\`$program\` is not here: ./just up installs it" >&2; exit 1; }
        copy "$path"
        for library in $(ldd "$path" 2>/dev/null | grep -o '/[^ ]*'); do copy "$library"; done
    done
}
# begin: a root with a shell and the usual small programs.
begin() {
    root=$work/$1
    mkdir -p "$root/usr/bin" "$root/usr/sbin" "$root/usr/lib" "$root/usr/lib64" "$root/etc/ssl/certs" "$root/proc" \
        "$root/sys" "$root/dev" "$root/tmp" "$root/run" "$root/root" "$root/var/tmp"
    for folder in bin sbin lib lib64; do ln -s "usr/$folder" "$root/$folder"; done
    chmod 1777 "$root/tmp" "$root/var/tmp"
    cp "$(command -v busybox)" "$root/usr/bin/busybox"
    chroot "$root" /usr/bin/busybox --install -s
    printf 'root:x:0:0:root:/root:/bin/sh\nmysql:x:999:999::/var/lib/mysql:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n' >"$root/etc/passwd"
    printf 'root:x:0:\nmysql:x:999:\nnogroup:x:65534:\n' >"$root/etc/group"
    printf 'passwd: files\ngroup: files\nhosts: files dns\n' >"$root/etc/nsswitch.conf"
    copy /etc/ssl/certs/ca-certificates.crt
}
# finish IMAGE [CHANGE …]
finish() {
    image=$1
    shift
    set -- --change 'LABEL berth.stand-in=yes' "$@"
    tar -c -C "$root" . | docker import "$@" - "$image" >/dev/null
    echo "made $image" >&2
}

make_debian() {
    begin debian
    with_libraries ssh ssh-keygen
    copy "$(find /lib/*-linux-gnu* -name libgcc_s.so.1 | head -n 1)" "$(find /lib/*-linux-gnu* -name libm.so.6 | head -n 1)"
    finish "$1" --change 'CMD ["/bin/sh"]' --change 'ENV PATH=/usr/sbin:/usr/bin:/sbin:/bin'
}

make_caddy() {
    begin caddy
    with_libraries caddy
    mkdir -p "$root/data" "$root/config" "$root/etc/caddy"
    finish "$1" --change 'CMD ["caddy","run","--config","/etc/caddy/Caddyfile","--adapter","caddyfile"]' \
        --change 'ENV PATH=/usr/sbin:/usr/bin:/sbin:/bin XDG_DATA_HOME=/data XDG_CONFIG_HOME=/config' \
        --change 'WORKDIR /tmp'
}

make_mariadb() {
    begin mariadb
    with_libraries mariadbd mariadb my_print_defaults resolveip
    copy /usr/bin/mariadb-install-db
    mkdir -p "$root/usr/share" "$root/usr/lib/mysql/plugin" "$root/var/lib/mysql" "$root/run/mysqld" "$root/usr/local/bin"
    cp -R /usr/share/mysql "$root/usr/share/"
    cp "$here/stand-in-mariadb.sh" "$root/usr/local/bin/docker-entrypoint.sh"
    cp "$here/stand-in-health.sh" "$root/usr/local/bin/healthcheck.sh"
    chmod 0755 "$root"/usr/local/bin/*
    chown 999:999 "$root/var/lib/mysql" "$root/run/mysqld"
    finish "$1" --change 'ENTRYPOINT ["docker-entrypoint.sh"]' --change 'CMD ["mariadbd"]' \
        --change 'ENV PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
}

for image in "$@"; do
    case $image in
        debian:*) make_debian "$image" ;;
        caddy:*) make_caddy "$image" ;;
        mariadb:*) make_mariadb "$image" ;;
        *) echo "\`$image\` is none of the base images" >&2 && exit 2 ;;
    esac
done
