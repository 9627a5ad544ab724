#!/usr/bin/env bash
# Lets schemathesis ask the server what /openapi.json says it takes, and much that it should refuse:
#
#     cargo build && tests/clients/schemathesis.sh [PROGRAM]
#
# No answer may be 5xx, and the server must not panic. Every type is like the next, so a handful of them,
# the operations and the notebook are asked; RENRAKU_SCHEMATHESIS_EXAMPLES and RENRAKU_SCHEMATHESIS_SECONDS
# ask for more. Needs Python 3.10 or later and its package registry: not part of `cargo test`.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
program=$(realpath "${1:-$here/../../target/debug/renraku}")
if [ ! -x "$program" ]; then
    echo "tests/clients/schemathesis.sh: no server at $program; run \`cargo build\` first or name it" >&2
    exit 2
fi

dir=$(mktemp -d "${TMPDIR:-/tmp}/renraku-schemathesis.XXXXXX")
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
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check 'schemathesis==4.32.5'

# Port 0: the server takes a free one and says which.
(cd "$dir" && exec "$program" serve --listen 127.0.0.1:0 --database "sqlite://$dir/schemathesis.db") \
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

# 501 with an OperationOutcome is the right answer to what FHIR knows and this server does not.
cat >"$dir/schemathesis.toml" <<'TOML'
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", 501]
TOML

status=0
types='Patient|Observation|Bundle|ValueSet|SearchParameter'
(cd "$dir" && PYTHONUNBUFFERED=1 timeout 600 "$dir/venv/bin/st" --config-file schemathesis.toml run "$url/openapi.json" \
    --include-path-regex "^/(fhir(/[_\$][^/]*)?|fhir/($types)(/.*)?|notebook/.*)\$" \
    --checks not_a_server_error --mode all --phases examples,coverage,fuzzing --seed 20260401 \
    --max-examples "${RENRAKU_SCHEMATHESIS_EXAMPLES:-5}" --max-time "${RENRAKU_SCHEMATHESIS_SECONDS:-120}" \
    --request-timeout 30 --continue-on-failure --no-shrink --generation-database none \
    --suppress-health-check all --warnings off --no-color) || status=1
if grep -qi panicked "$dir/log"; then
    grep -i panicked "$dir/log" >&2
    status=1
fi
exit "$status"
