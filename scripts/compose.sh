# Sourced by up.sh, down.sh and clean.sh: where things are, and how Docker's compose is called here.
state=${BERTH_UP_DIR:-$PWD/.local/compose}
export BERTH_SECRETS=$state/secrets
export COMPOSE_PROJECT_NAME=${COMPOSE_PROJECT_NAME:-berth}
export BERTH_IMAGE=${BERTH_IMAGE:-berth:local}
demo=${BERTH_UP_DEMO_DIR:-$state/demo}
root=; [ "$(id -u)" = 0 ] || root=sudo

# compose WORD …: the plugin, or the program of its own that Debian has.
compose() {
    local files=(-f compose/compose.yml)
    [ ! -e "$state/dev" ] || files+=(-f compose/compose.dev.yml)
    if docker compose version >/dev/null 2>&1; then
        docker compose "${files[@]}" "$@"
    else
        docker-compose "${files[@]}" "$@"
    fi
}

# need PROGRAM:PACKAGE …: installs what is missing.
need() {
    local pair
    for pair in "$@"; do
        PATH="$PATH:/usr/sbin:/sbin" command -v "${pair%%:*}" >/dev/null && continue
        ./just _need "$@" 9>&-
        return
    done
}

has_engine() { command -v docker >/dev/null && docker version >/dev/null 2>&1; }
