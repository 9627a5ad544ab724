#!/usr/bin/env bash
# Lets schemathesis ask the server what /openapi.json and /notebook/v1/openapi.json say it takes, and much that it
# should refuse, on every database (`server.sh`); openapi-spec-validator reads both documents first:
#
#     cargo build && tests/postgres.sh tests/clients/schemathesis.sh [PROGRAM]
#
# No answer may be 5xx, the server must not panic, and every operation of the document must have been asked. The
# operations go in groups by the first letter of their type, each for a bounded time (RENRAKU_SCHEMATHESIS_SECONDS,
# 25 of them); those that are not about a type, and two types, are asked for the limits of each parameter too.
# RENRAKU_SCHEMATHESIS_GROUPS="P V notebook" asks some groups only. Needs Python 3.10 or later and its package registry:
# not part of `cargo test`.
set -euo pipefail

# shellcheck source=tests/clients/server.sh
. "$(dirname "$0")/server.sh"
prepare schemathesis "$@"

python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check 'schemathesis==4.32.5' 'openapi-spec-validator==0.9.0'

# 501 with an OperationOutcome is the right answer to what FHIR knows and this server does not.
cat >"$dir/schemathesis.toml" <<'TOML'
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", 501]
TOML

# What an upload in parts takes.
cat >"$dir/hooks.py" <<'PYTHON'
import schemathesis


@schemathesis.serializer("application/offset+octet-stream")
def part(ctx, value):
    return value if isinstance(value, bytes) else str(value).encode()
PYTHON
export SCHEMATHESIS_HOOKS=hooks PYTHONPATH="$dir"

seconds=${RENRAKU_SCHEMATHESIS_SECONDS:-25}
status=0

# valid PATH: whether the document there is one of OpenAPI.
valid() {
    curl -sSf -o "$dir/document.json" "$url$1"
    "$dir/venv/bin/openapi-spec-validator" "$dir/document.json" || status=1
}

# ask NAME REGEX PHASES [DOCUMENT [CONFIGURATION]]: one group; what it did is added up. On a slow machine it is given more time.
ask() {
    local chosen asked cases factor
    for factor in 1 3 9; do
        (cd "$dir" && PYTHONUNBUFFERED=1 timeout 1800 "$dir/venv/bin/st" --config-file "${5:-schemathesis.toml}" run \
            "$url${4:-/openapi.json}" --include-path-regex "$2" --checks not_a_server_error --mode all --phases "$3" \
            --seed 20260401 --max-examples 3 --max-time "$((seconds * factor))" --request-timeout 30 \
            --continue-on-failure --no-shrink --generation-database none --suppress-health-check all \
            --warnings off --no-color) >"$dir/report" 2>&1 || {
            cat "$dir/report"
            status=1
        }
        chosen=$(sed -n 's|^ *Selected: \([0-9]*\)/.*|\1|p' "$dir/report")
        asked=$(sed -n 's|^ *Tested: \([0-9]*\).*|\1|p' "$dir/report")
        cases=$(sed -n 's|^ *\([0-9]*\) generated.*|\1|p' "$dir/report")
        [ "${asked:-0}" != "${chosen:-none}" ] || break
    done
    echo "$1: ${asked:-0} of ${chosen:-0} operations, ${cases:-0} requests"
    [ "${asked:-0}" = "${chosen:-none}" ] || status=1
    all_chosen=$((all_chosen + ${chosen:-0}))
    all_asked=$((all_asked + ${asked:-0}))
    all_cases=$((all_cases + ${cases:-0}))
}

for database in $databases; do
    start "$database"
    echo "== $database"
    all_chosen=0 all_asked=0 all_cases=0
    valid /openapi.json
    valid /notebook/v1/openapi.json
    for group in ${RENRAKU_SCHEMATHESIS_GROUPS:-others A B C D E F G H I L M N O P Q R S T V notebook}; do
        if [ "$group" = others ]; then
            ask others '^/(?!fhir/[A-Z])' examples,coverage,fuzzing
        elif [ "$group" = notebook ]; then
            # Once as it comes, once about a citizen, by a member, in a place that is there.
            made() { curl -sSf -H 'Content-Type: application/json' -d "$2" "$url/$1" | sed -n 's/.*"id":"\([^"]*\)".*/\1/p'; }
            member=$(made fhir/Practitioner '{"resourceType":"Practitioner","name":[{"text":"member"}]}')
            citizen=$(made notebook/v1/citizens '{"name":"見本"}')
            {
                cat "$dir/schemathesis.toml"
                printf '[parameters]\n"header.X-Notebook-Member" = "Practitioner/%s"\n' "$member"
                printf '[[operations]]\ninclude-path-regex = "^/citizens/"\nparameters = { "path.id" = "%s" }\n' "$citizen"
            } >"$dir/notebook.toml"
            ask notebook . examples,coverage,fuzzing /notebook/v1/openapi.json
            ask 'notebook of a citizen' . examples,coverage,fuzzing /notebook/v1/openapi.json notebook.toml
        else
            ask "$group…" "^/fhir/$group[^/]*(/.*)?\$" examples,fuzzing
        fi
    done
    [ -n "${RENRAKU_SCHEMATHESIS_GROUPS:-}" ] || ask 'Patient and Observation, limits' '^/fhir/(Patient|Observation)(/.*)?$' coverage
    echo "$database: $all_asked of $all_chosen operations, $all_cases requests"
    stop || status=1
done
exit "$status"
