#!/usr/bin/env bash
# Lets other people's FHIR clients try the server, on every database (`server.sh`):
#
#     cargo build && tests/postgres.sh tests/clients/run.sh [PROGRAM]
#
# Needs Python 3.9 or later, Node 20 or later with npm, and their package registries: not part of `cargo test`.
set -euo pipefail

# shellcheck source=tests/clients/server.sh
. "$(dirname "$0")/server.sh"
prepare run "$@"

python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check 'fhirclient==4.4.*' 'fhirpy==2.3.*'
cp "$here"/*.mjs "$dir/"
(cd "$dir" && npm install --silent --no-audit --no-fund --no-save \
    fhir-kit-client@2 fhirclient@2.6 @medplum/core@4.5 graphql@16 >/dev/null)

status=0
for database in $databases; do
    start "$database"
    echo "== $database"
    "$dir/venv/bin/python" "$here/python_clients.py" "$url/fhir" || status=1
    for client in node_client smart_client medplum_client graphql_client; do
        (cd "$dir" && node "$client.mjs" "$url/fhir") || status=1
    done
    stop || status=1
done
exit "$status"
