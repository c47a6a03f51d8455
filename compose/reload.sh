# Runs "$@" and starts it anew when its program, $1, has changed: compose.dev.yml's first process.
child=
trap 'kill "$child" 2>/dev/null; wait "$child"; exit 0' TERM INT
while :; do
    : >/tmp/started
    "$@" &
    child=$!
    while kill -0 "$child" 2>/dev/null && ! [ "$1" -nt /tmp/started ]; do sleep 1; done
    # A build that is under way has not put its program there yet.
    until [ -x "$1" ]; do sleep 1; done
    echo "reload.sh: starting $1 anew"
    kill "$child" 2>/dev/null
    wait "$child"
done
