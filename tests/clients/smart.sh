#!/usr/bin/env bash
# Asks the server for tokens and uses them as SMART applications and systems do, with PyJWT:
#
#     cargo build && tests/clients/smart.sh [PROGRAM]
#
# Needs Python 3.9 or later and its package registry: not part of `cargo test`.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
program=$(realpath "${1:-$here/../../target/debug/renraku}")
if [ ! -x "$program" ]; then
    echo "tests/clients/smart.sh: no server at $program; run \`cargo build\` first or name it" >&2
    exit 2
fi
dir=$(mktemp -d "${TMPDIR:-/tmp}/renraku-smart.XXXXXX")
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check 'pyjwt[crypto]==2.*'
"$dir/venv/bin/python" "$here/smart_access.py" "$program" "$dir"
