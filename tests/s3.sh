#!/usr/bin/env bash
# Runs a command with a service that speaks S3 (moto, a Python package) on a free port of 127.0.0.1:
#
#     tests/s3.sh cargo test --test rest media
#     tests/postgres.sh tests/s3.sh cargo test --test rest media
#
# The command finds its URL in RENRAKU_TEST_S3, an empty bucket `renraku-test` in it, and credentials in the
# variables of Amazon's tools. The service keeps everything in memory and is gone when the command has ended. moto is
# installed once, into a folder of its own below target/.
set -euo pipefail

if [ $# -eq 0 ]; then
    echo "usage: tests/s3.sh COMMAND [ARGUMENT…]" >&2
    exit 2
fi

here=$(cd "$(dirname "$0")/.." && pwd)
venv=${RENRAKU_TEST_MOTO:-${CARGO_TARGET_DIR:-$here/target}/moto}
if [ ! -x "$venv/bin/moto_server" ]; then
    python3 -m venv "$venv" && "$venv/bin/pip" install --quiet 'moto[server]>=5,<6' >&2 || {
        echo "tests/s3.sh: moto could not be installed (it needs python3 with venv, Debian: python3-venv)" >&2
        exit 1
    }
fi

log=$(mktemp "${TMPDIR:-/tmp}/renraku-s3.XXXXXX")
pid=""
stop() {
    trap - EXIT
    if [ -n "$pid" ]; then kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; fi
    rm -f "$log"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

endpoint=""
for _ in 1 2 3 4 5 6 7 8; do
    port=$((20000 + RANDOM % 12000))
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then continue; fi
    "$venv/bin/moto_server" -H 127.0.0.1 -p "$port" >"$log" 2>&1 &
    pid=$!
    for _ in $(seq 150); do
        if ! kill -0 "$pid" 2>/dev/null; then break; fi
        if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then endpoint=http://127.0.0.1:$port; break 2; fi
        sleep 0.2
    done
    kill "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
    pid=""
done
if [ -z "$endpoint" ]; then
    echo "tests/s3.sh: the service did not start" >&2
    tail -n 20 "$log" >&2 || true
    exit 1
fi
python3 - "$endpoint/renraku-test" <<'PYTHON'
import sys, urllib.request
urllib.request.urlopen(urllib.request.Request(sys.argv[1], method="PUT"), timeout=30).read()
PYTHON

export RENRAKU_TEST_S3=$endpoint
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
status=0
"$@" || status=$?
exit "$status"
