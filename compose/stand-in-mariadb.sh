#!/bin/sh
# The entrypoint of the stand-in for `mariadb:11`: of the original's settings those that compose.yml uses.
set -eu
data=/var/lib/mysql
case ${1:-} in
    -*) set -- mariadbd "$@" ;;
esac
# setting NAME: its value, or what the file NAME_FILE holds.
setting() {
    eval "value=\${$1:-} file=\${$1_FILE:-}"
    if [ -n "$file" ]; then value=$(cat "$file"); fi
    printf %s "$value"
}
# quoted TEXT: as SQL has it.
quoted() { printf "'%s'" "$(printf %s "$1" | sed "s/\\\\/\\\\\\\\/g; s/'/''/g")"; }

if [ "$1" = mariadbd ]; then
    shift
    if [ ! -d "$data/mysql" ]; then
        # Beside, then moved: a start that is killed half-way begins again.
        rm -rf "$data/.new"
        mariadb-install-db --no-defaults --datadir="$data/.new" --auth-root-authentication-method=normal --skip-test-db >/dev/null
        mv "$data/.new"/* "$data/"
        rm -rf "$data/.new"
    fi
    umask 077
    root=$(setting MARIADB_ROOT_PASSWORD)
    [ -n "$root" ] || root=$(head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n')
    {
        echo "alter user root@localhost identified by $(quoted "$root");"
        database=$(setting MARIADB_DATABASE) user=$(setting MARIADB_USER)
        [ -z "$database" ] || echo "create database if not exists \`$database\`;"
        if [ -n "$user" ]; then
            echo "create user if not exists $(quoted "$user")@'%' identified by $(quoted "$(setting MARIADB_PASSWORD)");"
            [ -z "$database" ] || echo "grant all on \`$database\`.* to $(quoted "$user")@'%';"
        fi
    } >/tmp/init.sql
    set -- mariadbd --no-defaults --datadir="$data" --socket=/run/mysqld/mysqld.sock --pid-file=/run/mysqld/mysqld.pid \
        --bind-address=0.0.0.0 --tmpdir=/tmp --plugin-dir=/usr/lib/mysql/plugin --init-file=/tmp/init.sql "$@"
fi
exec "$@"
