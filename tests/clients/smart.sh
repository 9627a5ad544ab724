#!/usr/bin/env bash
# Asks the server for tokens and uses them as SMART applications and systems do, with PyJWT:
#
#     cargo build && tests/clients/smart.sh [PROGRAM]
#     tests/postgres.sh tests/clients/smart.sh    # on PostgreSQL too
#
# Needs Python 3.9 or later and its package registry: not part of `cargo test`.
set -euo pipefail

. "$(dirname "$0")/server.sh"
prepare smart "${1:-}"
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check 'pyjwt[crypto]==2.*'
for kind in $databases; do
    echo "== $kind"
    new_database "$kind"
    mkdir "$dir/$kind"
    "$dir/venv/bin/python" "$here/smart_access.py" "$program" "$dir/$kind" "$database"
done
