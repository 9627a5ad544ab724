#!/usr/bin/env bash
# Runs a command with a private PostgreSQL:
#
#     tests/postgres.sh cargo test
#
# The cluster lives in a temporary folder, listens on a free port of 127.0.0.1 only, trusts every
# connection (nobody else can reach it in time or place) and keeps fsync on, as a real one does.
# The command finds it in RENRAKU_TEST_POSTGRES, as the URL of the maintenance database of a role
# that may CREATE DATABASE. Cluster and folder are gone when the command has ended.
#
# RENRAKU_TEST_INITDB holds further options for initdb, for example
# '--locale-provider=icu --icu-locale=ja' to test with a Japanese collation.
set -euo pipefail

if [ $# -eq 0 ]; then
    echo "usage: tests/postgres.sh COMMAND [ARGUMENT…]" >&2
    exit 2
fi

# The newest server there is: Debian keeps its programs out of PATH.
bin=""
for candidate in $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V -r) "$(dirname "$(command -v initdb || echo /none/initdb)")"; do
    if [ -x "$candidate/initdb" ] && [ -x "$candidate/postgres" ] && [ -x "$candidate/pg_ctl" ]; then
        bin=$candidate
        break
    fi
done
if [ -z "$bin" ]; then
    echo "tests/postgres.sh: no PostgreSQL server found (Debian: apt-get install postgresql)" >&2
    exit 1
fi

dir=$(mktemp -d "${TMPDIR:-/tmp}/renraku-postgres.XXXXXX")

# PostgreSQL refuses to run as root: as root, it runs as another user who owns the folder.
as_owner=()
if [ "$(id -u)" -eq 0 ]; then
    owner=nobody
    if id -u postgres >/dev/null 2>&1; then owner=postgres; fi
    chown "$owner" "$dir"
    as_owner=(runuser -u "$owner" --)
fi
in_cluster() (cd "$dir" && exec "${as_owner[@]}" "$@" </dev/null)

stop() {
    trap - EXIT
    if [ -f "$dir/data/postmaster.pid" ]; then
        in_cluster "$bin/pg_ctl" -D "$dir/data" -m fast -w -t 20 stop >/dev/null 2>&1 ||
            in_cluster "$bin/pg_ctl" -D "$dir/data" -m immediate -w -t 20 stop >/dev/null 2>&1 || true
    fi
    rm -rf "$dir"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# shellcheck disable=SC2086  # the options are meant to be split
if ! in_cluster "$bin/initdb" -D "$dir/data" -U renraku -A trust --encoding=UTF8 --locale=C.UTF-8 \
    ${RENRAKU_TEST_INITDB:-} >"$dir/initdb.log" 2>&1; then
    cat "$dir/initdb.log" >&2
    exit 1
fi
cat >>"$dir/data/postgresql.conf" <<'CONF'
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 200
CONF

# A port is taken by trying: another process may be quicker, so there are several tries.
port=""
for _ in 1 2 3 4 5 6 7 8; do
    try=$((20000 + RANDOM % 12000))
    if (exec 3<>"/dev/tcp/127.0.0.1/$try") 2>/dev/null; then continue; fi
    if in_cluster "$bin/pg_ctl" -D "$dir/data" -l "$dir/data/server.log" -o "-p $try" -w -t 60 start >/dev/null 2>&1; then
        port=$try
        break
    fi
done
if [ -z "$port" ]; then
    echo "tests/postgres.sh: PostgreSQL did not start" >&2
    tail -n 20 "$dir/data/server.log" >&2 || true
    exit 1
fi

export RENRAKU_TEST_POSTGRES="postgres://renraku@127.0.0.1:$port/postgres"
status=0
"$@" || status=$?
exit "$status"
