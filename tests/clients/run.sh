#!/usr/bin/env bash
# Lets other people's FHIR clients try the server:
#
#     cargo build && tests/clients/run.sh [PROGRAM]
#
# PROGRAM is the server, target/debug/renraku when none is named. Needs Python 3.9 or later, Node 20 or
# later with npm, and their package registries: not part of `cargo test`. Everything is put into a
# temporary folder that is gone afterwards.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
program=$(realpath "${1:-$here/../../target/debug/renraku}")
if [ ! -x "$program" ]; then
    echo "tests/clients/run.sh: no server at $program; run \`cargo build\` first or name it" >&2
    exit 2
fi

dir=$(mktemp -d "${TMPDIR:-/tmp}/renraku-clients.XXXXXX")
server=""
stop() {
    trap - EXIT
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf "$dir"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check 'fhirclient==4.4.*' 'fhirpy==2.3.*'
cp "$here"/*.mjs "$dir/"
(cd "$dir" && npm install --silent --no-audit --no-fund --no-save \
    fhir-kit-client@2 fhirclient@2.6 @medplum/core@4.5 >/dev/null)

# Port 0: the server takes a free one and says which.
(cd "$dir" && exec "$program" serve --listen 127.0.0.1:0 --database "sqlite://$dir/clients.db") \
    >"$dir/out" 2>"$dir/log" &
server=$!
url=""
for _ in $(seq 100); do
    url=$(sed -n 's/^listening on \(http:.*\)$/\1/p' "$dir/out")
    [ -z "$url" ] || break
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1
done
if [ -z "$url" ]; then
    echo "the server did not start:" >&2
    cat "$dir/log" >&2
    exit 1
fi

status=0
"$dir/venv/bin/python" "$here/python_clients.py" "$url/fhir" || status=1
for client in node_client smart_client medplum_client; do
    (cd "$dir" && node "$client.mjs" "$url/fhir") || status=1
done
if grep -qi panicked "$dir/log"; then
    grep -i panicked "$dir/log" >&2
    status=1
fi
exit "$status"
