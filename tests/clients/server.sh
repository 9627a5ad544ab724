# Sourced by the scripts in this folder: a server of their own on each database there is, that is a new file
# of SQLite, and with RENRAKU_TEST_POSTGRES (`tests/postgres.sh` sets it) a new database of PostgreSQL.
#
# `prepare NAME [PROGRAM]` makes a temporary folder ($dir) that is gone afterwards and says which databases
# there are ($databases); `start DATABASE` starts the server on one ($url); `stop` ends it, 1 when it panicked.

# The server to test: target/debug/renraku when none is named.
prepare() {
    here=$(cd "$(dirname "$0")" && pwd)
    program=$(realpath "${2:-$here/../../target/debug/renraku}")
    if [ ! -x "$program" ]; then
        echo "tests/clients/$1.sh: no server at $program; run \`cargo build\` first or name it" >&2
        exit 2
    fi
    dir=$(mktemp -d "${TMPDIR:-/tmp}/renraku-$1.XXXXXX")
    server=""
    databases="sqlite"
    [ -z "${RENRAKU_TEST_POSTGRES:-}" ] || databases="sqlite postgresql"
    trap leave EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

leave() {
    trap - EXIT
    [ -z "$server" ] || stop || true
    rm -rf "$dir"
}

# PostgreSQL's own client: Debian keeps its programs out of PATH.
psql_program() {
    printf '%s\n' /usr/lib/postgresql/*/bin/psql "$(command -v psql || true)" | grep -v '[*]' | grep . | tail -n 1
}

# The URL of a new database of this kind, in $database.
new_database() {
    database="sqlite://$dir/$1.db"
    if [ "$1" = postgresql ]; then
        "$(psql_program)" -q "$RENRAKU_TEST_POSTGRES" -c "CREATE DATABASE clients_$$"
        database="${RENRAKU_TEST_POSTGRES%/*}/clients_$$"
    fi
}

start() {
    local database
    new_database "$1"
    # Port 0: the server takes a free one and says which.
    (cd "$dir" && exec "$program" serve --listen 127.0.0.1:0 --database "$database") >"$dir/out" 2>"$dir/log" &
    server=$!
    url=""
    for _ in $(seq 300); do
        url=$(sed -n 's/^listening on \(http:.*\)$/\1/p' "$dir/out")
        [ -z "$url" ] || return 0
        kill -0 "$server" 2>/dev/null || break
        sleep 0.1
    done
    echo "the server did not start on $1:" >&2
    cat "$dir/log" >&2
    exit 1
}

stop() {
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    server=""
    if grep -qi panicked "$dir/log"; then
        grep -i panicked "$dir/log" >&2
        return 1
    fi
}
